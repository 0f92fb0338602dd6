"""Mutants of what decides, and whether a test notices: `python tests/mutate.py [--minutes M]`.

One place of a file at a time is changed: a comparison, and / or, a dropped `not`, a sum, a number,
a truth, a return. The fast tests that name the file run on it, in a fork that has all libraries
loaded; a mutant that they pass has survived. A sample is drawn by the seed, evenly over the files.
`--only FILE` for one of them. (PYTHONPATH=src:tests)
"""

from __future__ import annotations

import argparse
import ast
import copy
import importlib.abc
import importlib.machinery
import importlib.util
import os
import random
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import CodeType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 120  # seconds; a mutant that hangs is noticed
# file: what notices. Each of these runs in seconds.
NAMED: Mapping[str, Sequence[str]] = {
    "run/evaluate.py": ("tests/test_effects.py", "tests/test_proving.py", "-k",
                        "within_every_bound or passes_most or confirmed or confirm or falls or"
                        " compared_with_none or room_is_wanted"),
    "verify/kept.py": ("tests/test_kept.py", "-k",
                       "not changes_nothing and not judges_it_again and not ruined"),
    "verify/outcome.py": ("tests/test_report.py",),
    "train/loop.py": ("tests/test_laws.py", "-k", "refused or gradient or clip or rate or counted"),
    "data/plan.py": ("tests/test_plan.py", "tests/test_plan_by_hand.py"),
    "run/dose.py": ("tests/test_dose.py", "-k", "not killed and not published and not trained"),
    "guards/guard.py": ("tests/test_guards.py", "-k",
                        "good_facts or place or hint or phrase or without or speaks or silent"),
}  # fmt: skip
FLIPS: Mapping[type[Any], type[Any]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.And: ast.Or, ast.Or: ast.And, ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div,
    ast.Div: ast.Mult,
}  # fmt: skip


def places(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node that can be changed: not what types, decorators and docstrings say."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            yield from places(node.value)
            continue
        if isinstance(node, (ast.arg, ast.AnnAssign)) or node in getattr(
            tree, "decorator_list", ()
        ):
            continue
        if node is getattr(tree, "returns", None) or isinstance(node, ast.JoinedStr):
            continue
        if changed(copy.deepcopy(node)):
            yield node
        yield from places(node)


def changed(node: ast.AST) -> str:
    """Change this node where it stands, and say how; empty where there is nothing to change."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in FLIPS:
        node.ops[0] = FLIPS[type(node.ops[0])]()
        return "comparison"
    if isinstance(node, (ast.BoolOp, ast.BinOp)) and type(node.op) in FLIPS:
        node.op = FLIPS[type(node.op)]()
        return "operator"
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        node.operand = ast.UnaryOp(ast.Not(), node.operand)
        return "not"
    if isinstance(node, ast.Constant) and isinstance(node.value, (bool, int, float)):
        value = node.value
        node.value = not value if isinstance(value, bool) else value + 1 if value < 2 else value * 2
        return "constant"
    if isinstance(node, ast.Return) and node.value is not None:
        if isinstance(node.value, ast.Constant):
            return ""
        node.value = ast.Constant(None)
        return "return"
    return ""


class Mutant(importlib.abc.MetaPathFinder):
    """Imports a tree in place of one module's source."""

    def __init__(self, file: str, tree: ast.Module) -> None:
        self.path = ROOT / "src" / "suretune" / file
        self.name = "suretune." + file.removesuffix(".py").replace("/", ".")
        self.tree = tree

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name != self.name:
            return None
        tree, where = self.tree, str(self.path)

        class Loader(importlib.machinery.SourceFileLoader):
            def get_code(self, fullname: str) -> CodeType:
                return compile(tree, where, "exec")

        return importlib.util.spec_from_file_location(name, where, loader=Loader(name, where))


def noticed(file: str, tree: ast.Module) -> bool:
    """Whether a test fails on it, or comes to no end."""
    child = os.fork()
    if not child:
        os.setpgid(0, 0)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os.dup2(1, 2)
        import pytest

        sys.meta_path.insert(0, Mutant(file, tree))
        status = 1
        try:
            status = int(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *NAMED[file]]))
        finally:
            os._exit(status)
    end = time.monotonic() + LONGEST
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status) != 0
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


def mutants(file: str) -> list[tuple[ast.Module, str]]:
    """(a tree with one change, what it is) of every place of a file."""
    source = (ROOT / "src" / "suretune" / file).read_text("utf-8")
    made = []
    for number in range(len(list(places(ast.parse(source))))):
        tree = ast.parse(source)
        node = list(places(tree))[number]
        before, line = ast.unparse(node), getattr(node, "lineno", 0)
        kind = changed(node)
        after = ast.unparse(ast.fix_missing_locations(node))
        what = f"{file}:{line} {kind}: {before} -> {after}"
        made.append((ast.fix_missing_locations(tree), what.replace("\n", " ")))
    return made


def main() -> int:
    """Draw, try, tell; the exit status says whether the unchanged files pass their own tests."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--minutes", type=float, default=12)
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--only", choices=NAMED)
    how = asked.parse_args()
    os.chdir(ROOT)
    import peft
    import pytest
    import transformers

    print(f"{pytest.__name__}, {peft.__name__}, {transformers.__name__} are loaded", flush=True)
    draw, queues = random.Random(how.seed), {}
    for file in [how.only] if how.only else NAMED:
        if noticed(file, ast.parse((ROOT / "src" / "suretune" / file).read_text("utf-8"))):
            print(f"{file}: its tests fail without any change")
            return 1
        queues[file] = mutants(file)
        draw.shuffle(queues[file])
    end, tried, lived = time.monotonic() + 60 * how.minutes, dict.fromkeys(queues, 0), []
    while time.monotonic() < end and any(queues.values()):
        for file, queue in queues.items():
            if queue and time.monotonic() < end:
                tree, what = queue.pop()
                tried[file] += 1
                if not noticed(file, tree):
                    lived.append(what)
                    print(f"survived  {what}", flush=True)
    for file, count in tried.items():
        alive = sum(what.startswith(file) for what in lived)
        print(f"{file}: {count} tried of {count + len(queues[file])}, {alive} survived")
    return 0


if __name__ == "__main__":
    sys.exit(main())
