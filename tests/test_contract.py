"""The contract of the command line holds byte for byte: what differs is a change for users."""

from __future__ import annotations

import pytest

import contract


@pytest.mark.parametrize("part", contract.PARTS)
def test_the_command_line_comes_to_what_the_contract_says(part: str) -> None:
    made = contract.made(part)
    if made is None:
        pytest.skip(f"{contract.PARTS[part][1]} is not there")
    kept = (contract.CONTRACT / f"{part}.json").read_text("utf-8")
    for line, was in zip(made.splitlines(), kept.splitlines(), strict=False):
        assert line == was, "or `python tests/contract.py` and the reason in the commit"
    assert made == kept


def test_nothing_in_the_contract_is_a_sentence() -> None:
    for path in contract.CONTRACT.glob("*.json"):
        assert path.stem in contract.PARTS
        assert '"what"' not in path.read_text("utf-8")
