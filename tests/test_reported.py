"""The report of a real run: what its types say, and what those who read it look for."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson
import pytest

from suretune import (
    events,
    phrases,
    report_words,
    reported,
    retention,
    rundir,
    show,
    types,
    words,
)
from suretune.reported import Report, line_of, part_of, read
from suretune.run.dose import Dose
from suretune.show import after, headline
from suretune.verify import account, general_sections, outcome
from suretune.verify.report import html, markdown

READERS = (account, after, general_sections, headline, outcome, phrases, report_words)
# Looked for in this run, and not there: of a run with a dose, with held-out rows that rise, of the
# engine on a GPU, of older versions, and of probes that say what a failure means.
NOT_IN_EVERY_RUN = {
    "probes[].if_fails",
    "probes[].reference",
    "seconds.dose",
    "steps[].peak_memory",
    "steps[].share_of_limit",
}


class Watched(Mapping[str, Any]):
    """A mapping that tells which keys were asked for in vain."""

    def __init__(self, held: Mapping[str, Any], path: str, missed: set[str]) -> None:
        self.held, self.path, self.missed = held, path, missed

    def __getitem__(self, key: str) -> Any:
        here = f"{self.path}.{key}".lstrip(".")
        if key not in self.held:
            self.missed.add(here)
        return watched(self.held[key], here, self.missed)

    def __iter__(self) -> Iterator[str]:
        return iter(self.held)

    def __len__(self) -> int:
        return len(self.held)


def watched(value: Any, path: str, missed: set[str]) -> Any:
    if isinstance(value, Mapping):
        return Watched(value, path, missed)
    if isinstance(value, list):
        return [watched(one, f"{path}[]", missed) for one in value]
    return value


@pytest.mark.parametrize("language", ["en", "zh"])
def test_whoever_reads_a_real_report_finds_what_they_look_for(
    trained: Path, language: words.Language
) -> None:
    """A key that the writer calls otherwise is "not measured" in a sealed report, in silence."""
    missed: set[str] = set()
    report = watched(rundir.read_json(trained / "report.json"), "", missed)
    with words.speaking(language):
        html(report)
        markdown(report)
        show.verdict(report)
    assert missed <= NOT_IN_EVERY_RUN


def test_a_key_that_is_called_otherwise_is_seen(trained: Path) -> None:
    for old in ("hashes", "template_default", "paraphrases", "model"):
        told = rundir.read_json(trained / "report.json")
        told[f"{old}_"] = told.pop(old)
        missed: set[str] = set()
        html(watched(told, "", missed))
        assert old in missed


def test_a_real_report_is_what_its_types_say_byte_for_byte(trained: Path) -> None:
    written = (trained / "report.json").read_bytes()
    report = read(Report, json.loads(written))
    again = orjson.dumps(line_of(report), default=str, option=orjson.OPT_INDENT_2) + b"\n"
    assert again == written
    assert report.model and report.model.name == "pocket" and report.plan.updates > 0
    assert isinstance(report.data.datasets[0], reported.Dataset)


def test_a_report_that_lacks_what_every_report_has_is_damaged_and_names_it(
    tmp_path: Path,
) -> None:
    path = tmp_path / "report.json"
    stopped = {
        "verdict": "stopped", "reasons": [], "data": {}, "plan": {"updates": 9}, "steps": [],
    }  # fmt: skip
    rundir.write_json(path, stopped)
    report = Report.read(path)
    assert (report.verdict, report.plan.updates, report.model) == ("stopped", 9, None)
    for name in stopped:
        rundir.write_json(path, {k: v for k, v in stopped.items() if k != name})
        with pytest.raises(rundir.Damaged, match=f"{name} is missing"):
            Report.read(path)
    rundir.write_json(path, [])
    with pytest.raises(rundir.Damaged):
        Report.read(path)


def test_of_a_part_that_is_missing_everything_is_none() -> None:
    for told in ({}, {"plan": None}, {"plan": "?"}, None):
        plan = part_of(told, reported.Planned, "plan")
        assert {getattr(plan, one.name) for one in dataclasses.fields(plan)} == {None}


def test_a_stopped_report_has_no_key_of_what_it_cannot_know() -> None:
    made = {field.name for field in dataclasses.fields(Report)}
    given: dict[str, Any] = dict.fromkeys(made - reported.UNKNOWN_WHEN_STOPPED)
    stopped = line_of(Report(**{**given, "verdict": "stopped"}))
    assert list(stopped) == [
        *("verdict", "reasons", "run", "created", "data", "plan", "steps", "evals", "findings"),
        *("config", "versions", "change", "next"),
    ]
    assert set(line_of(Report(**{**given, "verdict": "sealed"}))) == made


def keys_of(value: Any) -> Iterator[str]:
    """Every key, however deep."""
    if isinstance(value, Mapping):
        yield from value
        for one in value.values():
            yield from keys_of(one)
    elif isinstance(value, list):
        for one in value:
            yield from keys_of(one)


def asked_in(module: ModuleType) -> Iterator[tuple[int, str]]:
    """(line, key) of what is looked up by a name: `part(x, "a", "b")`, `x.get("a")`."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        called = node.func.id if isinstance(node.func, ast.Name) else called
        words_asked = node.args[1:] if called in ("part", "several") else node.args[:1]
        if called in ("part", "several", "get"):
            yield from (
                (node.lineno, one.value)
                for one in words_asked
                if isinstance(one, ast.Constant) and isinstance(one.value, str)
            )


@pytest.mark.parametrize("module", READERS, ids=lambda m: m.__name__)
def test_every_name_that_is_looked_up_is_one_that_somebody_writes(
    module: ModuleType, trained: Path
) -> None:
    """Also on ways that this run's report does not take."""
    classes = (
        cls
        for place in (events, reported, types, retention)
        for _, cls in inspect.getmembers(place, dataclasses.is_dataclass)
    )
    known = {field.name for cls in classes for field in dataclasses.fields(cls)}
    known |= set(keys_of(rundir.read_json(trained / "report.json"))) | set(Dose(0.5).line())
    assert not [(line, key) for line, key in asked_in(module) if key not in known]
