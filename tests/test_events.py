"""What a run tells whoever listens is what its files say; and nobody who listens can end it."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import orjson
import pytest

from conftest import start_forks
from suretune import rundir
from suretune.config import Resolved
from suretune.events import (
    Began,
    Concluded,
    Ended,
    Evaluated,
    Event,
    Found,
    Listener,
    Noted,
    Planned,
    Resumed,
    Saved,
    Staged,
    Stream,
    TakenBack,
    Updated,
)
from suretune.facts import Finding
from suretune.preflight.check import check
from suretune.record.journal import Journal
from suretune.record.record import RunRecord
from suretune.run.compose import train_and_prove
from suretune.run.folder import make_run
from suretune.types import Evaluation, StepRecord, Text


class Heard:
    """Keeps what it is told; raises at the event with this number, if there is one."""

    def __init__(self, *, fails_at: int | None = None) -> None:
        self.events: list[Event] = []
        self.fails_at = fails_at

    def on(self, event: Event) -> None:
        if len(self.events) == self.fails_at:
            self.events.append(event)
            raise ConnectionError("nobody\nthere")
        self.events.append(event)


def record(step: int) -> StepRecord:
    return StepRecord(step, 0.5 * step, 1.25, 2.0, 1e-3, 64, 32, 0.5, 0, (0, 1))


@pytest.fixture(scope="module")
def told(
    identity_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Heard, Heard, int]:
    """A short run with a good listener and one that raises in the midst of it."""
    run = tmp_path_factory.mktemp("told") / "run"
    resolved = Resolved.default().with_values(
        "flag", model="pocket", dataset=(str(identity_file),), output_dir=str(run), device="cpu",
        max_steps=3, save_steps=2, until_proven=False, general_questions=20, eval_steps=2,
        split_dataset_ratio=0.1, anchor_ratio=0.0,
        model_name=("小光", "Glow"), model_author=("星海实验室", "Star Lab"),
    )  # fmt: skip
    journal = Journal()
    checked = check(resolved, journal)
    good, bad = Heard(), Heard(fails_at=4)
    made = make_run(checked.resolved, journal)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("HF_HUB_OFFLINE", "1")
        start_forks(patched)
        _, status = train_and_prove(checked, made, journal, bad, good)
    return made, good, bad, status


def test_a_listener_hears_what_the_files_of_the_run_say(
    told: tuple[Path, Heard, Heard, int],
) -> None:
    run, good, _, status = told
    heard = good.events
    assert isinstance(heard[0], Began) and heard[0].run == run and not heard[0].resumed
    assert heard[0].config["max_steps"] == 3 and heard[0].plan["digest"]
    assert not [name for name in heard[0].config if "key" in name], "no key is told"

    def lines(kind: type[Updated] | type[Noted] | type[Found]) -> list[bytes]:
        return [rundir.dumps(e.line()) for e in heard if isinstance(e, kind)]

    assert lines(Updated) == (run / "steps.jsonl").read_bytes().splitlines()
    assert lines(Noted) == (run / "events.jsonl").read_bytes().splitlines()
    before = (run / "findings.jsonl").read_bytes().splitlines()
    assert lines(Found) == before[len(before) - len(lines(Found)) :]
    kept = [rundir.dumps(e.line()) for e in heard if isinstance(e, Evaluated) and e.kept]
    assert kept == (run / "evals.jsonl").read_bytes().splitlines()
    assert [e.name for e in heard if isinstance(e, Staged)] == ["base", "train", "proof"]
    assert [e.updates for e in heard if isinstance(e, Planned)] == [3]
    saved = [(e.step, e.path) for e in heard if isinstance(e, Saved)]
    assert saved == rundir.checkpoints(run)
    concluded = next(e for e in heard if isinstance(e, Concluded))
    assert orjson.loads(rundir.dumps(concluded.report)) == rundir.read_json(run / "report.json")
    assert heard[-1] == Ended(status, tuple(concluded.report["reasons"]))


def test_a_listener_that_raises_ends_no_run_and_is_told_once(
    told: tuple[Path, Heard, Heard, int],
) -> None:
    run, good, bad, status = told
    assert status in (0, 6, 8) and len(rundir.checkpoints(run)) == 2
    assert len(bad.events) == 5, "it hears nothing more"
    found = [f for f in rundir.read_jsonl(run / "findings.jsonl") if f["code"] == "S047"]
    assert len(found) == 1 and not found[0]["stops"]
    assert "ConnectionError: nobody there" in found[0]["what"]["en"]
    heard = [e.finding.code for e in good.events if isinstance(e, Found)]
    assert Counter(heard)["S047"] == 1


def test_a_stream_tells_everybody_in_order_and_lets_go_of_who_raises() -> None:
    lost: list[tuple[Listener, str]] = []
    stream = Stream(lambda listener, error: lost.append((listener, str(error))))
    first, second, third = Heard(), Heard(fails_at=1), Heard()
    stream.join(first, second)
    stream.on(Staged("base"))
    stream.join(third)
    for step in (1, 2):
        stream.on(Updated(record(step)))
    assert lost == [(second, "nobody\nthere")]
    assert [len(one.events) for one in (first, second, third)] == [3, 2, 2]


def test_a_record_that_cannot_be_written_is_no_listener_that_failed(tmp_path: Path) -> None:
    """A full disk ends the run: its seal would be about files with holes."""
    journal = Journal()
    journal.open(tmp_path)
    (tmp_path / "steps.jsonl").mkdir()
    with pytest.raises(OSError):
        journal.on(Updated(record(1)))
    assert not journal.findings


def test_updates_taken_back_leave_the_record_and_stay_in_what_was_told(tmp_path: Path) -> None:
    journal, heard = Journal(), Heard()
    journal.open(tmp_path)
    journal.join(heard)
    for step in (1, 2, 3):
        journal.on(Updated(record(step)))
    journal.on(Evaluated(Evaluation(3, 0.25)))
    journal.on(Evaluated(Evaluation(3, dose=0.4), kept=False))
    journal.on(TakenBack(2))
    assert [line["step"] for line in rundir.read_jsonl(tmp_path / "steps.jsonl")] == [1, 2]
    assert list(rundir.read_jsonl(tmp_path / "evals.jsonl")) == []
    journal.on(Updated(record(3), share_of_limit=0.5))
    last = list(rundir.read_jsonl(tmp_path / "steps.jsonl"))[-1]
    assert last["tokens_per_second"] == 128.0 and last["share_of_limit"] == 0.5
    journal.on(Resumed(1))
    assert [line["step"] for line in rundir.read_jsonl(tmp_path / "steps.jsonl")] == [1]
    assert len(heard.events) == 8


def test_nothing_is_written_into_a_run_that_is_sealed(tmp_path: Path) -> None:
    """A listener may fail after the seal: its finding is told, and the sealed files stay."""
    (tmp_path / "findings.jsonl").write_bytes(b"")
    rundir.write_json(tmp_path / rundir.SEAL, {})
    text = Text("a", "b")
    finding = Finding("S047", "listener-failed", False, "x", text, text, text)
    RunRecord(tmp_path).on(Found(finding))
    assert (tmp_path / "findings.jsonl").read_bytes() == b""
