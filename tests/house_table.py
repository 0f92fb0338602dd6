"""The house beside what it was when it was first surveyed: `python tests/house_table.py` writes the
table of docs/architecture.md anew. (PYTHONPATH=src:tests)

Guards and pocket, pages and word lists, are left out; `# fmt: skip` and crowded calls count them.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import house
from house import HOUSE, Function

PAGE = Path(__file__).parent.parent / "docs" / "architecture.md"
BEGIN, END = "<!-- table: house -->", "<!-- end of the table -->"
LONG = 60  # lines of a function
SENTENCE = 5  # words of a test's name
NAMES = f"tests whose names have {SENTENCE} words and more", "89 % of 616"
EQUALITIES = "asserts that are equalities", "46 %"
WHOLE = {file: tree for file, tree in house.trees().items() if house.room(file) not in house.APART}


def lines_of(file: str) -> list[str]:
    return [line.strip() for line in (HOUSE / file).read_text("utf-8").splitlines()]


def functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    return [node for node in ast.walk(tree) if isinstance(node, Function)]


def public(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Functions, and methods of public classes, whose names say that they are for others."""
    classes = [n for n in tree.body if isinstance(n, ast.ClassDef) and not n.name.startswith("_")]
    for owner in (tree, *classes):
        for node in owner.body:
            if isinstance(node, Function) and not node.name.startswith("_"):
                yield node


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (node.end_lineno or 0) - node.lineno + 1


def docstring_lines() -> int:
    told = (one for tree in WHOLE.values() for one in house.docstrings(tree))
    return sum((one.end_lineno or 0) - one.lineno + 1 for one in told)


def an_equality(node: ast.Assert) -> bool:
    """Whether one of its comparisons is `==`."""
    compared = (n for n in ast.walk(node.test) if isinstance(n, ast.Compare))
    return any(isinstance(op, ast.Eq) for one in compared for op in one.ops)


def rows() -> list[tuple[str, str, str]]:
    """(what, before, now): of the house, then of its tests."""
    return [*of_the_house(), *of_the_tests()]


def of_the_house() -> list[tuple[str, str, str]]:
    """(what, before, now), but for the tests."""
    texts = {file: lines_of(file) for file in WHOLE}
    filled = sum(bool(line) for text in texts.values() for line in text)
    comments = sum(line.startswith("#") for text in texts.values() for line in text)
    code = filled - comments - docstring_lines()
    told = house.measured()
    everything = sum(told["sizes"].values())
    lengths = [length(node) for tree in WHOLE.values() for node in functions(tree)]
    known = [node for tree in WHOLE.values() for node in public(tree)]
    docs = [doc for node in known if (doc := ast.get_docstring(node))]
    circles, skips, crowded = told["circles"], told["fmt_skip"], told["crowded_calls"]
    return [
        ("files", "157", f"{len(WHOLE)}"),
        ("lines that are not blank", "20,499", f"{filled:,}"),
        ("of which code", "18,671", f"{code:,}"),
        ("AST nodes a line of code", "10.1", f"{told['density']:.2f}"),
        (
            "whole-line comments",
            "111 (0.6 %)",
            f"{comments:,} ({100 * comments / filled:.1f} %)",
        ),
        ("median words of a public docstring", "12", f"{median(len(d.split()) for d in docs):g}"),
        ("public functions with a docstring", "81 %", f"{100 * len(docs) / len(known):.0f} %"),
        (f"functions over {LONG} lines", "0", f"{sum(n > LONG for n in lengths)}"),
        (
            "longest function, longest file",
            "56, 418",
            f"{max(lengths)}, {max(map(len, texts.values()))}",
        ),
        ("`# fmt: skip` in 10,000 lines", "70", f"{1e4 * skips / everything:.1f} ({skips} in all)"),
        (
            "calls with seven and more positional arguments in 10,000 lines, without kernels",
            "13.2",
            f"{1e4 * crowded / everything:.1f} ({crowded} in all)",
        ),
        (
            "circles of imports inside a room, lazy ones counted",
            "3",
            f"{len(circles)}",
        ),
    ]


def of_the_tests() -> list[tuple[str, str, str]]:
    """(what, before, now), which takes seconds: every file of tests is parsed."""
    tests = [ast.parse(p.read_text("utf-8")) for p in Path(__file__).parent.rglob("test_*.py")]
    names = [n.name for t in tests for n in functions(t) if n.name.startswith("test_")]
    sentences = sum(len(re.findall(r"[^_]+", name)) > SENTENCE for name in names)
    asserts = [n for tree in tests for n in ast.walk(tree) if isinstance(n, ast.Assert)]
    return [
        (
            *NAMES,
            f"{100 * sentences / len(names):.0f} % of {len(names):,}",
        ),
        (
            *EQUALITIES,
            f"{100 * sum(map(an_equality, asserts)) / len(asserts):.0f} % of {len(asserts):,}",
        ),
    ]


def table() -> str:
    """In Markdown."""
    head = ["| | first surveyed | now |", "|---|--:|--:|"]
    return "\n".join([*head, *(f"| {' | '.join(row)} |" for row in rows())])


def with_table(page: str) -> str:
    """The page with the table as it is measured now."""
    before, _, rest = page.partition(BEGIN)
    return f"{before}{BEGIN}\n{table()}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text("utf-8")), "utf-8")
