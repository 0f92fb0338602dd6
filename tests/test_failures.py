"""docs/failures.md is held to the code: every guard, no other, and only tests that exist."""

from __future__ import annotations

import ast
import re

import pytest

from conftest import ROOT
from suretune.guards import all_guards

PAGE = (ROOT / "docs" / "failures.md").read_text(encoding="utf-8")
ROWS = [line for line in PAGE.splitlines() if line.startswith("| ") and not line.startswith("| id")]
NAMES = {guard.code: guard.name for guard in all_guards()}
MOST_OPEN = 0


def cells(row: str) -> list[str]:
    return [cell.strip() for cell in row.strip("|").split(" | ")]


def test_every_guard_is_in_the_table_and_linked_to_its_page() -> None:
    linked = re.findall(
        r"\[([A-Z]\d{3}) ([a-z0-9-]+)\]\(guards\.md#([a-z]\d{3})-([a-z0-9-]+)\)", PAGE
    )
    assert {code for code, *_ in linked} == set(NAMES)
    for code, name, anchor, again in linked:
        assert NAMES[code] == name == again and anchor == code.lower()
    loose = set(re.findall(r"\b([CDPSTRV]\d{3})\b", PAGE)) - set(NAMES)
    assert not loose, "codes that no guard has"


@pytest.mark.parametrize("page", ["failures.md", "reliability.md", "first-hour.md"])
def test_every_test_in_the_tables_exists(page: str) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    there: dict[str, set[str]] = {}
    for file, name in re.findall(r"`(test_\w+\.py)::(test_\w+)`", text):
        if file not in there:
            tree = ast.parse((ROOT / "tests" / file).read_text(encoding="utf-8"))
            there[file] = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert name in there[file], f"{file}::{name}"
    assert len(there) > 10


@pytest.mark.parametrize("row", ROWS, ids=lambda row: cells(row)[1][:40])
def test_a_failure_has_an_answer_and_a_test_or_is_called_open(row: str) -> None:
    _, failure, answer, shown = cells(row)
    assert failure and answer
    assert "::test_" in shown or "*open*" in answer, row


def test_a_point_of_the_first_hour_has_a_test_or_is_called_open() -> None:
    page = (ROOT / "docs" / "first-hour.md").read_text(encoding="utf-8")
    points = page.partition("## Obstacles")[2].splitlines()
    rows = [line for line in points if re.match(r"\| (?!point|---)", line)]
    assert len(rows) > 30
    for row in rows:
        point, before, now, shown = [cell.strip() for cell in row.strip("|").split(" | ")]
        assert point and before and now
        called = "*open*" in now or "docs/glossary" in now
        assert called != ("::test_" in shown), row


def test_few_failures_are_open() -> None:
    assert ROWS and sum("*open*" in row for row in ROWS) <= MOST_OPEN
