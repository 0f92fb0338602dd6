"""What a journal does about codes that it is told to ignore."""

from __future__ import annotations

import pytest

from suretune.record.journal import Journal, Stopped

CODES = [
    ("D999", "code"),
    ("R08", "`R0"),
    ("hello", "code"),
    ("rows-repeat", "`D015`"),
]


@pytest.mark.parametrize(("typed", "told"), CODES)
def test_a_code_that_no_finding_has_is_told(typed: str, told: str) -> None:
    journal = Journal()
    journal.look_at_codes(("D015, r003", typed))
    (found,) = journal.findings
    assert found.code == "C002" and typed.upper() in found.what.en and told in found.fix.en
    with pytest.raises(Stopped):
        journal.settle()


def test_codes_of_findings_are_heeded_however_they_are_written() -> None:
    journal = Journal()
    journal.look_at_codes(("D015", "r003, V002", ""))
    assert journal.findings == []
    journal.heed(("r003, V002",))
    assert journal.ignore == {"R003", "V002"}
