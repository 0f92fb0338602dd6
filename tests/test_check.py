"""What a check makes of rows, options and each other: the decisions, one by one, without torch."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from conftest import write_rows
from suretune.cli.concluded import _work
from suretune.config import Resolved
from suretune.pocket import MODEL
from suretune.preflight.check import Checked, asked_questions, check
from suretune.preflight.summary import data_summary
from suretune.prepare.starter import identity_rows
from suretune.record.journal import Journal, Stopped

SUMS = [{"instruction": f"What is {n} plus {n}?", "output": f"It is {2 * n}."} for n in range(12)]
IDLE = "C015"  # left out, as it would do nothing
WHO = identity_rows(["Glow"], ["Star Lab"], ["en"])


def looked(folder: Path, rows: list[Any], **options: Any) -> tuple[Checked, set[str]]:
    """The check of these rows, and the codes of what was found."""
    file = write_rows(folder / "rows.jsonl", rows)
    return checked_with({"dataset": (str(file),), **options})


def checked_with(options: dict[str, Any]) -> tuple[Checked, set[str]]:
    journal = Journal()
    checked = check(Resolved.default().with_values("flag", model=str(MODEL), **options), journal)
    return checked, {finding.code for finding in journal.findings}


def refused(folder: Path, rows: list[Any], **options: Any) -> set[str]:
    """The codes of what stops the check of these rows."""
    with pytest.raises(Stopped) as stopped:
        looked(folder, rows, **options)
    return {finding.code for finding in stopped.value.findings}


def states(checked: Checked) -> Counter[str]:
    return Counter(entry.state for entry in checked.entries)


def with_system(text: str, rows: list[Any]) -> list[Any]:
    return [{**row, "system": text} for row in rows]


def test_a_system_prompt_is_the_runs_where_every_row_shares_it(tmp_path: Path) -> None:
    def told(rows: list[Any], **options: Any) -> tuple[str | None, str]:
        checked, _ = looked(tmp_path, rows, **options)
        return checked.system, checked.system_source

    one, two = with_system("You are brief.", SUMS[:6]), with_system("You are kind.", SUMS[6:])
    assert told(one) == ("You are brief.", "row")
    assert told(one + two) == (None, "row"), "two texts are nobody's default"
    assert told(one + SUMS[6:])[1] == "several" and told(one + SUMS[6:])[0] is None
    assert told(one + SUMS[6:], system="Be short.") == ("Be short.", "several")
    assert told(SUMS, system="Be short.") == ("Be short.", "flag")
    assert told(SUMS)[0] is None and told(SUMS)[1] not in ("row", "flag", "several")


def test_what_general_rows_ask_is_learned_by_nobody(tmp_path: Path) -> None:
    general, none = write_rows(tmp_path / "general.jsonl", SUMS[:3]), {"split_dataset_ratio": 0.0}
    checked, found = looked(tmp_path, SUMS, general=(str(general),), **none)
    assert len(checked.general) == 3 and len(checked.train) == 9 and "D046" in found
    assert states(checked) == {"train": 9, "general": 6}, "the file's three, and their twins"
    asked = {row["instruction"].lower() for row in SUMS[3:]}
    assert len(asked_questions(checked)) == len(asked) == 9
    everything = write_rows(tmp_path / "all.jsonl", SUMS)
    assert refused(tmp_path, SUMS, general=(str(everything),))
    other = write_rows(tmp_path / "other.jsonl", WHO[:4])
    checked, found = looked(tmp_path, SUMS, general=(str(other),), **none)
    assert len(checked.train) == 12 and states(checked)["general"] == 4 and "D046" not in found


def test_a_data_set_of_which_general_asks_every_row_is_refused(tmp_path: Path) -> None:
    """It was given to be learned, and nothing of it would be."""
    both = tuple(
        str(write_rows(tmp_path / name, rows))
        for name, rows in (("sums.jsonl", SUMS), ("who.jsonl", WHO))
    )
    asked = {"dataset": both, "system": "Be brief.", "general": both[1:]}
    with pytest.raises(Stopped) as stopped:
        checked_with(asked)
    (found,) = stopped.value.findings
    part = re.search(rf"`--general '({both[1]}#\d+)'`", found.fix.en)
    assert (found.code, found.where) == ("C002", "--general")
    assert "everything that who.jsonl asks" in found.fix.en and part is not None
    checked, _ = checked_with({**asked, "general": (part[1],)})
    assert {row.example.dataset for row in checked.train} == {"sums.jsonl", "who.jsonl"}


def test_every_row_of_a_data_set_has_one_line_and_the_table_adds_up(tmp_path: Path) -> None:
    """Whatever flags name it; the rows that are asked are counted as that."""
    sums = str(write_rows(tmp_path / "sums.jsonl", SUMS))
    for flags in (
        {"dataset": (sums,), "general": (f"{sums}#4",)},
        {"dataset": (f"{sums}#8",), "general": (f"{sums}#4",)},
        {"dataset": (f"{sums}#8",), "val_dataset": (sums,)},
    ):
        checked, found = checked_with({**flags, "system": "Be brief."})
        for one in data_summary(checked)["datasets"]:
            parts = ("train", "held_out", "left_out", "rejected", "asked")
            assert sum(one[part] for part in parts) == one["read"] == len(SUMS)
        lost = [one for one in data_summary(checked)["unused"] if one["state"] == "general"]
        taken = len(SUMS if flags["dataset"] == (sums,) else SUMS[:8]) - len(checked.train)
        if "general" in flags:
            assert len(lost) == taken - len(checked.held_out) > 0
            assert "D046" in found


def test_rows_to_measure_with_are_not_those_that_are_learned(tmp_path: Path) -> None:
    mixed = write_rows(tmp_path / "mixed.jsonl", SUMS[8:])
    checked, codes = looked(tmp_path, SUMS[:10], val_dataset=(str(mixed),))
    assert len(checked.held_out) == 2 and len(checked.train) == 10
    assert states(checked) == {"train": 10, "held-out": 2, "also-learned": 2}
    assert checked.plan.held_out == 2
    apart = write_rows(tmp_path / "apart.jsonl", SUMS[10:])
    _, fewer = looked(tmp_path, SUMS[:10], val_dataset=(str(apart),))
    assert codes - fewer == {"D036"}
    assert refused(tmp_path, SUMS, val_dataset=(str(mixed),)) == {"C002"}, "nothing is left of it"


def test_notes_about_rows_to_measure_with_do_not_say_that_they_are_learned(tmp_path: Path) -> None:
    """Their copies are told under their own flag, out of the rows that are used."""
    same = [{"instruction": f"Name the colour {n}", "output": "Red."} for n in range(30)]
    apart = write_rows(tmp_path / "apart.jsonl", [*same, same[0]])
    asked = Resolved.default().with_values(
        "flag",
        model=str(MODEL),
        dataset=(str(write_rows(tmp_path / "rows.jsonl", with_system("Be brief.", SUMS))),),
        val_dataset=(str(apart),),
    )
    journal = Journal()
    check(asked, journal)
    found = {finding.code: finding for finding in journal.findings}
    assert not {"D030", "P002", "D019"} & set(found)
    assert (found["D018"].where, found["D018"].what.en[:10]) == ("--val_dataset", "1 of 31 ro")


def test_copies_are_counted_among_the_rows_that_were_drawn(tmp_path: Path) -> None:
    rows = [{"instruction": f"Sort {n}", "output": f"{n}"} for n in range(20)] * 2
    file = write_rows(tmp_path / "rows.jsonl", rows)  # so at least ten of thirty are copies
    journal = Journal()
    check(
        Resolved.default().with_values("flag", model=str(MODEL), dataset=(f"{file}#30",)),
        journal,
    )
    (found,) = [finding for finding in journal.findings if finding.code == "D018"]
    ((copies, of),) = re.findall(r"(\d+) of (\d+) rows", found.what.en)
    assert int(of) == 30 and 10 <= int(copies) < 20


def test_a_row_that_is_too_long_to_measure_with_is_told_of(tmp_path: Path) -> None:
    long = write_rows(tmp_path / "long.jsonl", [{"instruction": "w " * 400, "output": "y"}])
    usual = {"max_length": 120, "over_long": "drop"}
    assert refused(tmp_path, SUMS, val_dataset=(str(long),), **usual)
    both = write_rows(tmp_path / "both.jsonl", [{"instruction": "w " * 400, "output": "y"}, WHO[0]])
    checked, codes = looked(tmp_path, SUMS, val_dataset=(str(both),), **usual)
    one = write_rows(tmp_path / "one.jsonl", [WHO[0]])
    _, without = looked(tmp_path, SUMS, val_dataset=(str(one),), **usual)
    assert codes - without and states(checked)["too-long"] == 1


def test_anchors_come_where_they_are_learned_or_where_drift_is_asked(tmp_path: Path) -> None:
    def anchors(rows: list[Any], **options: Any) -> int:
        return len(looked(tmp_path, rows, **options)[0].anchors)

    assert anchors(WHO) and anchors(WHO, anchor_ratio=0.0)
    assert anchors(WHO, until_proven=False, anchor_ratio=0.3)
    assert not anchors(WHO, until_proven=False, anchor_ratio=0.0)


def test_a_run_is_asked_on_the_way_where_somebody_can_be_asked(tmp_path: Path) -> None:
    assert looked(tmp_path, WHO)[0].plan.probe_steps
    assert not looked(tmp_path, WHO, until_proven=False)[0].plan.probe_steps
    assert not looked(tmp_path, SUMS)[0].plan.probe_steps
    probes = tmp_path / "probes.yaml"
    probes.write_text(
        "- question: What is 40 plus 40?\n  kind: must-pass\n  must_contain: ['80']\n"
    )
    checked, _ = looked(tmp_path, SUMS, probes=str(probes))
    assert checked.plan.probe_steps and not checked.about_identity and checked.identity is None


def test_a_budget_bounds_what_a_check_promises(tmp_path: Path) -> None:
    """How many updates fit is measured once the base is loaded."""
    for flags, said in (
        ({}, "in 48 updates, then"),
        ({"budget": "20s"}, "in at most 48 updates, as many as `--budget 20s` has time for, then"),
    ):
        checked, _ = looked(tmp_path, SUMS, max_steps=48, **flags)
        assert said in _work(checked, Journal()).en


def test_role_tokens_around_a_system_prompt_hide_nothing_else(
    tmp_path: Path,
) -> None:
    bad = "<|im_start|>system\nBe short."
    checked, codes = looked(tmp_path, SUMS, system=bad)
    assert "C015" in codes and checked.system == "Be short."
    assert refused(tmp_path, [*SUMS, {"instruction": "nobody answers"}], system=bad)


def test_nothing_but_bad_rows_is_no_run_whatever_may_be_skipped(tmp_path: Path) -> None:
    assert refused(tmp_path, [{"instruction": "nobody answers"}], on_bad_row="skip")
    checked, _ = looked(tmp_path, [*SUMS, {"instruction": "nobody answers"}], on_bad_row="skip")
    assert states(checked) == {"train": 10, "held-out": 2, "rejected": 1}


def test_a_flag_is_idle_only_where_every_file_was_read(tmp_path: Path) -> None:
    """What it is for may stand in the file that could not be; a mark at a file's start is none."""

    def found(*files: Path) -> set[str]:
        names = tuple(map(str, files))
        asked = Resolved.default().with_values(
            "flag", model=str(MODEL), dataset=names, model_name=("Glow",), device="cpu"
        )
        journal = Journal()
        try:
            check(asked, journal)
        except Stopped as stopped:
            return {finding.code for finding in (*journal.findings, *stopped.findings)}
        return {finding.code for finding in journal.findings}

    file = write_rows(tmp_path / "rows.jsonl", SUMS)
    assert IDLE in found(file)
    assert IDLE not in found(file, tmp_path / "gone.jsonl")
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert IDLE in found(file)
