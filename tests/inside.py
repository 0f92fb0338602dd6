"""Who imports what of the inside: `python tests/inside.py` writes `inside.json` anew.

Benchmarks measure parts that nobody else calls, recipes read what runs leave, and the command line
joins stages with a terminal: none of it is promised to anybody. What the list has is meant; what
it lacks goes by `import suretune`. (PYTHONPATH=src:tests)
"""

from __future__ import annotations

import ast
import json
from functools import cache
from pathlib import Path

import house

ROOT = Path(__file__).resolve().parent.parent
KEPT = Path(__file__).with_name("inside.json")
PUBLIC = ("suretune", "suretune.api")


@cache
def inside() -> frozenset[str]:
    """Every module of the package."""
    return frozenset(house.modules(file) for file in house.trees())


def of_the_inside(tree: ast.AST) -> set[str]:
    """Modules below the public one that a file imports, also inside functions."""
    found: set[str] = set()
    for node in house.nodes(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in inside() else node.module for name in inner}
    return {name for name in found if name.startswith("suretune.") and name not in PUBLIC}


def measured() -> dict[str, list[str]]:
    """Folder -> modules of the inside that its files import."""
    folders = {
        name: [ast.parse(path.read_text("utf-8")) for path in sorted((ROOT / name).rglob("*.py"))]
        for name in ("benchmarks", "recipes")
    }
    folders["cli"] = [tree for file, tree in house.trees().items() if house.room(file) == "cli"]
    return {
        name: sorted(
            module
            for module in set().union(*map(of_the_inside, trees))
            if not (name == "cli" and module.startswith("suretune.cli"))
        )
        for name, trees in folders.items()
    }


if __name__ == "__main__":
    KEPT.write_text(json.dumps(measured(), indent=1) + "\n", "utf-8")
