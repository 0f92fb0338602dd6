"""The house measured, and what it may not exceed: `python tests/house.py` writes `house.json` anew.

`house.json` keeps what was measured when it was last written: sizes of rooms rounded up by a
twentieth, everything else as it was, which may only become less. Writing it anew with more of
anything needs a reason in the commit. (PYTHONPATH=src:tests)
"""

from __future__ import annotations

import ast
import gc
import json
import math
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import suretune

HOUSE = Path(suretune.__file__).parent
KEPT = Path(__file__).with_name("house.json")
MANY = 7  # positional arguments of a call that nobody reads any more
APART = ("guards", "pocket")  # pages and word lists
Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def trees() -> Mapping[str, ast.Module]:
    """Every file of the house, by its path inside it.

    Half a million nodes that stay: searches for garbage among them took as long as reading them.
    """
    paths, searched = sorted(HOUSE.rglob("*.py")), gc.isenabled()
    gc.disable()
    try:
        found = {str(p.relative_to(HOUSE)): ast.parse(p.read_text("utf-8")) for p in paths}
        gc.freeze()
    finally:
        if searched:
            gc.enable()
    return found


@cache
def nodes(tree: ast.AST) -> tuple[ast.AST, ...]:
    """`ast.walk` of what stays, once and in half the time: many tests walk through the house."""
    found = [tree]
    for node in found:
        for name in node._fields:
            inside = getattr(node, name, None)
            if isinstance(inside, ast.AST):
                found.append(inside)
            elif isinstance(inside, list):
                found += [one for one in inside if isinstance(one, ast.AST)]
    return tuple(found)


def tree_of(path: Path) -> ast.Module:
    """The file of the house that lies there."""
    return trees()[str(path.relative_to(HOUSE))]


def room(file: str) -> str:
    """`data` of `data/rows.py`; single files of the ground stand together."""
    return file.partition("/")[0] if "/" in file else "ground"


def modules(file: str) -> str:
    return "suretune." + file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


# --- circles ------------------------------------------------------------------------------------


def arrows() -> dict[str, set[str]]:
    """file -> files of the same room that it imports: at its head, inside functions, for types."""
    by_module = {modules(file): file for file in trees()}
    found: dict[str, set[str]] = {}
    for file, tree in trees().items():
        found[file] = set()
        for node in nodes(tree):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                inside = [f"{node.module}.{alias.name}" for alias in node.names]
                names = [name if name in by_module else node.module for name in inside]
            else:
                continue
            there = {by_module[name] for name in names if name in by_module}
            found[file] |= {other for other in there if room(other) == room(file)} - {file}
    return found


def circles() -> list[list[str]]:
    """Files of a room that reach each other by their imports, largest first."""
    ways = arrows()

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        todo = [start]
        while todo:
            for other in ways[todo.pop()] - seen:
                seen.add(other)
                todo.append(other)
        return seen

    far = {file: reached(file) for file in ways}
    groups = {tuple(sorted(o for o in far[f] if f in far[o])) for f in ways if f in far[f]}
    return sorted(map(list, groups), key=lambda group: (-len(group), group))


# --- counts -------------------------------------------------------------------------------------


def sizes() -> dict[str, int]:
    """Lines that are not blank, by room."""
    found: dict[str, int] = {}
    for file in trees():
        lines = (HOUSE / file).read_text("utf-8").splitlines()
        found[room(file)] = found.get(room(file), 0) + sum(bool(line.strip()) for line in lines)
    return found


def docstrings(tree: ast.AST) -> Iterator[ast.Expr]:
    for node in nodes(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            first = node.body[0] if node.body else None
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                yield first


def density() -> float:
    """AST nodes for a line of code: docstrings, comments and blank lines are none."""
    count = lines = 0
    for file, tree in trees().items():
        if room(file) in APART:
            continue
        said = list(docstrings(tree))
        count += len(nodes(tree)) - 2 * len(said)
        told = {n for one in said for n in range(one.lineno, (one.end_lineno or 0) + 1)}
        text = (HOUSE / file).read_text("utf-8").splitlines()
        lines += sum(
            bool(line.strip()) and not line.strip().startswith("#") and number not in told
            for number, line in enumerate(text, 1)
        )
    return round(count / lines, 3)


def skips() -> int:
    """Places that the formatter may not touch."""
    return sum((HOUSE / file).read_text("utf-8").count("# fmt: skip") for file in trees())


def crowded_calls() -> int:
    """Calls with seven or more arguments that only their place tells apart; not of kernels."""
    return sum(
        isinstance(node, ast.Call) and len(node.args) >= MANY
        for file, tree in trees().items()
        if "kernels" not in file
        for node in nodes(tree)
    )


def untold() -> list[str]:
    """`file:function` of every public function, or method of a public class, without a docstring;
    not of guards."""
    found = []
    for file, tree in trees().items():
        if room(file) in APART:
            continue
        classes = [n for n in tree.body if isinstance(n, ast.ClassDef) and n.name[0] != "_"]
        for owner in (tree, *classes):
            for node in owner.body:
                public = isinstance(node, Function) and not node.name.startswith("_")
                if public and not ast.get_docstring(node):
                    inside = f"{owner.name}." if isinstance(owner, ast.ClassDef) else ""
                    found.append(f"{file}:{inside}{node.name}")
    return sorted(found)


@cache
def measured() -> dict[str, Any]:
    """All of it: seconds, so once."""
    return {
        "sizes": sizes(), "circles": circles(), "fmt_skip": skips(), "density": density(),
        "crowded_calls": crowded_calls(), "untold": len(untold()),
    }  # fmt: skip


def kept() -> dict[str, Any]:
    """What the house may not exceed."""
    read: dict[str, Any] = json.loads(KEPT.read_text("utf-8"))
    return read


if __name__ == "__main__":
    now = measured()
    print(json.dumps({**now, "sizes": {**now["sizes"], "all": sum(now["sizes"].values())}}))
    if "--only-show" not in sys.argv:
        room_for = {name: math.ceil(1.05 * size) for name, size in sorted(now["sizes"].items())}
        KEPT.write_text(json.dumps({**now, "sizes": room_for}, indent=1) + "\n", "utf-8")
