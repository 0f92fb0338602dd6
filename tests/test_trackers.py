"""What trackers are told is what the run's files say; they can neither block a run nor end it.

Most of it with packages that are none, but are called like the trackers'; the last part with the
real ones, offline, where they are installed (`pip install 'suretune[tensorboard,wandb,...]'`).
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from conftest import as_json, suretune, within
from suretune import rundir, trackers, words
from suretune.cli import main
from suretune.config import Resolved, options
from suretune.events import Began, Ended, Evaluated, Event, Resumed, TakenBack, Updated
from suretune.export import k_quants, llamacpp
from suretune.installed import is_installed
from suretune.options import RunOptions
from suretune.preflight import machine
from suretune.record.journal import Journal
from suretune.record.sealed import sealed_names
from suretune.refusal import Refusal
from suretune.run.folder import write_config
from suretune.run.tracking import events_of, followers, track
from suretune.trackers.figures import messages, proof_figures
from suretune.trackers.following import Following
from suretune.trackers.secrets import without_secrets
from suretune.types import Evaluation, StepRecord

NAMES = ("tensorboard", "wandb", "swanlab", "mlflow", "trackio")
UPDATES = 5
TRAIN = {
    "loss": "train/loss", "grad_norm": "train/grad_norm", "learning_rate": "train/learning_rate",
    "epoch": "train/epoch", "tokens": "train/tokens", "learned": "train/learned_tokens",
}  # fmt: skip
# A package that writes down what it is told. FAKE says what goes wrong: WHERE:HOW.
FAKE = """
import json, os, time
KEPT, NAME = os.environ["FAKE_STORE"], __name__
WHERE, _, HOW = os.environ.get("FAKE_" + NAME.upper(), "").partition(":")
class AlertLevel: INFO = "info"
Text = str
class Settings:
    def __init__(self, **about): pass
class Run:
    url, dir, mode, step = "http://here/run", "/nowhere/files", "online", 0
    def __init__(self): self.summary, self.count = {}, 0
    def log(self, values, step=None):
        self.count += 1
        wrong("log%d" % self.count)
        keep("log", {**values, "step": step} if NAME == "swanlab" else values)
    def alert(self, title, text, level): keep("alert", [title, text])
    def define_metric(self, *names, **about): pass
    def finish(self, exit_code=0, **about):
        wrong("finish")
        keep("finish", exit_code)
HELD = []
def keep(what, said):
    HELD.append((what, said))
    time.sleep(float(os.environ.get("FAKE_HOLDS", 0)))
    if os.environ.get("FAKE_HOLDS") and what != "finish": return
    if os.environ.get("FAKE_SAYS"): print("key " + os.environ["FAKE_API_KEY"], flush=True)
    while HELD: write(*HELD.pop(0))
def write(what, said):
    with open(os.path.join(KEPT, NAME + ".jsonl"), "a") as file:
        file.write(json.dumps([what, said]) + "\\n")
def wrong(where):
    if where != WHERE: return
    if HOW == "hang": time.sleep(1000)
    if HOW == "exit": os._exit(3)
    if HOW == "raise": raise ConnectionError("nobody there; key " + os.environ["FAKE_API_KEY"])
wrong("import")
def init(**about):
    wrong("init")
    keep("init", {"name": about.get("name"), "id": about.get("id"), "config": about["config"]})
    return Run()
"""


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Packages before any real ones of their names; where they keep what they are told."""
    folder, store = tmp_path / "fakes", tmp_path / "store"
    store.mkdir()
    for name in ("wandb", "trackio", "swanlab"):
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(FAKE)
    before = os.environ.get("PYTHONPATH", "")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(folder), before)))
    monkeypatch.setenv("FAKE_STORE", str(store))
    monkeypatch.setenv("FAKE_API_KEY", "sk-very-secret")
    monkeypatch.syspath_prepend(str(folder))
    return store


def kept(store: Path, name: str, what: str) -> list[Any]:
    """What a package was told by these calls."""
    path = store / f"{name}.jsonl"
    lines = map(json.loads, path.read_text().splitlines()) if path.is_file() else ()
    return [said for did, said in lines if did == what]


def steps_told(store: Path, name: str) -> list[int]:
    """The updates of the training figures that it was told, in their order."""
    told = kept(store, name, "log")
    return [values["train/global_step"] for values in told if "train/loss" in values]


def record(step: int) -> StepRecord:
    return StepRecord(
        step, step / 3, 1 / (1 + step / 7), 0.1 * step, 1e-3 / step, 640 + step, 320 - step,
        0.25 + step / 100, 0, (step,),
    )  # fmt: skip


def began(run: Path, *, resumed: bool = False) -> Began:
    run.mkdir(exist_ok=True)
    return Began(run, {"lora_rank": 8, "dataset": ["a.jsonl"]}, {"digest": "abc"}, resumed)


def patient(name: str, seconds: float = 60.0) -> Following:
    return Following(trackers.trackers()[name], patience=seconds)


def a_run(folder: Path, updates: int = UPDATES) -> Path:
    """The record of a run that came to a verdict, as a run writes it; nothing is trained."""
    run = folder / "first"
    run.mkdir()
    asked = Resolved.default().with_values("flag", model="pocket", dataset=("rows.jsonl",))
    write_config(run / "config.yaml", asked)
    rundir.write_json(run / "plan.json", {"digest": "abc", "updates": [], "rows": 30})
    rundir.write_json(run / "run.json", {})
    rundir.write_json(run / "report.json", {
        "verdict": "not-verified", "reasons": ["R003 probes-failed"],
        "probes": [{"variant": "as-trained", "passed_after": n < 7} for n in range(10)],
        "general": {"before": 90, "after": 88, "lost": 5, "gained": 3, "loss_upper": 0.04},
        "held_out": {"before": 2.5, "after": 1.25},
    })  # fmt: skip
    rundir.write_jsonl(run / "findings.jsonl", [finding("D018"), finding("T005")])
    more(run, 1, updates)
    return run


def more(run: Path, first: int, last: int) -> None:
    """Lines of updates and, every second one, of evaluations."""
    for step in range(first, last + 1):
        rundir.append(run / "steps.jsonl", Updated(record(step)).line())
        if not step % 2:
            found = Evaluation(step, 2.0 / step, step, 10, 0.75, 1, -0.01, 0.125 / step)
            rundir.append(run / "evals.jsonl", Evaluated(found).line())


def finding(code: str) -> dict[str, Any]:
    text = {"en": f"{code} says so", "zh": f"{code} 如是说"}
    about = {"code": code, "name": "a-name", "stops": False, "where": "rows.jsonl"}
    return {
        **about,
        "what": text,
        "why": text,
        "fix": text,
        "fate": "",
        "parts": [],
        "title": text,
        "more": 0,
        "also": [],
        "ignored": False,
    }


# --- what they are told ---------------------------------------------------------------------------


def told_of(*events: Event) -> list[dict[str, Any]]:
    return [message for event in events for message in messages(event, 3)]


def test_every_figure_of_an_update_and_an_evaluation_has_the_fields_name() -> None:
    [update] = told_of(Updated(record(3), share_of_limit=0.5))
    line = Updated(record(3)).line()
    assert {line[key] for key in TRAIN} <= set(update["values"].values())
    assert {key: update["values"][name] for key, name in TRAIN.items()} == {
        key: line[key] for key in TRAIN
    }
    assert update["values"]["train/global_step"] == 3 == update["step"]
    assert update["values"]["train/share_of_limit"] == 0.5
    [evaluation] = told_of(Evaluated(Evaluation(2, 1.5, 7, 9, 0.8, 2, -0.1, 0.05)))
    assert evaluation["values"] == {
        "eval/loss": 1.5, "probes/passed": 7, "probes/asked": 9, "general/right": 0.8,
        "general/leaked": 2, "general/likelihood": -0.1, "drift/nats": 0.05,
    }  # fmt: skip


def test_what_was_not_measured_is_not_told_as_a_zero() -> None:
    [evaluation] = told_of(Evaluated(Evaluation(2, 1.5)))
    assert evaluation["values"] == {"eval/loss": 1.5}
    assert told_of(Evaluated(Evaluation(2, 1.5, dose=0.4), kept=False)) == []
    assert proof_figures({"verdict": "stopped"}) == {}


def test_the_proof_and_the_net_of_general_answers_are_told(tmp_path: Path) -> None:
    report = rundir.read_json(a_run(tmp_path) / "report.json")
    figures = proof_figures(report)
    assert figures["proof/probes_passed"] == 7 and figures["proof/probes_asked"] == 10
    assert figures["general/net"] == -2 and figures["general/loss_upper"] == 0.04
    assert figures["proof/eval_loss"] == 1.25 and "adapter/dose" not in figures


def test_a_run_told_afterwards_is_told_what_it_told_on_the_way(tmp_path: Path) -> None:
    run = a_run(tmp_path)
    events = list(events_of(run))
    lines = [event.line() for event in events if isinstance(event, Updated)]
    assert lines == list(rundir.read_jsonl(run / "steps.jsonl"))
    evals = [event.line() for event in events if isinstance(event, Evaluated)]
    assert evals == list(rundir.read_jsonl(run / "evals.jsonl"))
    assert isinstance(events[0], Began) and events[0].config["model"] == "pocket"
    kept_lines = [rundir.dumps(one.line()) for one in events[0].found]
    assert kept_lines == (run / "findings.jsonl").read_bytes().splitlines()


# --- a tracker that works, and goes on ------------------------------------------------------------


def test_a_tracker_is_told_every_figure_once_and_the_run_is_closed(
    fakes: Path, tmp_path: Path
) -> None:
    run = a_run(tmp_path)
    track(run, RunOptions(report_to=("wandb", "trackio")), 60)
    for name in ("wandb", "trackio"):
        told = kept(fakes, name, "log")
        for line in rundir.read_jsonl(run / "steps.jsonl"):
            [values] = [v for v in told if v.get("train/loss") == line["loss"]]
            assert {key: values[tag] for key, tag in TRAIN.items()} == {k: line[k] for k in TRAIN}
        assert [v["eval/loss"] for v in told if "eval/loss" in v] == [1.0, 0.5]
        assert [v["general/net"] for v in told if "general/net" in v] == [-2]
        assert kept(fakes, name, "finish") == [0]
        assert not (run / "trackers" / f"{name}.log").exists()
    config = kept(fakes, "wandb", "init")[0]["config"]
    assert config["model"] == "pocket" and config["plan"] == "abc" and "api_key" not in config
    alerts = dict(kept(fakes, "trackio", "alert"))
    assert "D018 says so" in alerts["findings/D018"]
    assert alerts["verdict"] == "not-verified, R003 probes-failed"
    assert "trackers/wandb.json" not in sealed_names(run), "it may be fed after the seal"


def test_a_run_that_goes_on_is_the_same_run_of_the_tracker_and_nothing_is_told_twice(
    fakes: Path, tmp_path: Path
) -> None:
    run = tmp_path / "first"
    first = patient("wandb")
    for event in (began(run), Updated(record(1)), Updated(record(2)), Updated(record(3))):
        first.on(event)
    first.on(Ended(130))
    again = patient("wandb")
    for event in (began(run, resumed=True), Resumed(2), Updated(record(3)), Updated(record(4))):
        again.on(event)
    changed = replace(record(4), loss=9.0)
    for event in (TakenBack(3), Updated(changed), Ended(0)):
        again.on(event)
    begun = kept(fakes, "wandb", "init")
    assert len(begun) == 2 and begun[0]["id"] == begun[1]["id"]
    assert steps_told(fakes, "wandb") == [1, 2, 3, 4, 4], "one that is made again otherwise, again"
    assert kept(fakes, "wandb", "log")[-1]["train/loss"] == 9.0
    assert kept(fakes, "wandb", "finish") == [130, 0]


def gone_back_twice(name: str, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Updates 1 to 5, back to 2, 3 to 4 again; another process: 5, back to 3, 4 to 7 again."""
    monkeypatch.setenv("SURETUNE_LANG", "en")
    first, again = patient(name, 240), patient(name, 240)
    ways = {
        first: (began(run), *range(1, 6), TakenBack(2), 3, 4, Ended(1)),
        again: (began(run, resumed=True), Resumed(4), 5, TakenBack(3), 4, 5, 6, 7, Ended(0)),
    }
    for process, (one, events) in enumerate(ways.items()):
        for count, event in enumerate(events):
            loss = 10.0 * process + count
            made = replace(record(event), loss=loss) if isinstance(event, int) else event
            one.on(Updated(made) if isinstance(made, StepRecord) else made)


def test_what_was_taken_back_is_told_in_words_where_figures_cannot_be_forgotten(
    fakes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone_back_twice("trackio", tmp_path / "first", monkeypatch)
    assert steps_told(fakes, "trackio") == [1, 2, 3, 4, 5, 3, 4, 5, 4, 5, 6, 7]
    alerts = kept(fakes, "trackio", "alert")
    assert [title for title, _ in alerts] == ["taken_back/3-5", "taken_back/4-5"]
    assert alerts[0][1].startswith("Updates 3 to 5 were taken back; what is told of them from here")
    once_more = patient("trackio")
    for event in (began(tmp_path / "first", resumed=True), Resumed(7), Ended(0)):
        once_more.on(event)
    assert len(kept(fakes, "trackio", "alert")) == 2, "it is told once"


def test_a_run_that_goes_back_before_anything_was_told_of_it_tells_nothing(
    fakes: Path, tmp_path: Path
) -> None:
    one = patient("trackio")
    for event in (began(tmp_path / "first"), Updated(record(1)), TakenBack(1), Ended(0)):
        one.on(event)
    assert kept(fakes, "trackio", "alert") == []


def test_where_the_first_figure_of_an_update_stays_the_second_has_a_name_of_its_own(
    fakes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SwanLab drops a second figure of one name and step, and says nothing."""
    gone_back_twice("swanlab", tmp_path / "first", monkeypatch)
    told = [
        (name, values["step"], value)
        for values in kept(fakes, "swanlab", "log")
        for name, value in values.items()
        if name != "step"
    ]
    assert len({(name, step) for name, step, _ in told}) == len(told), "nothing is dropped"
    losses = [(name, step) for name, step, _ in told if name.endswith("train/loss")]
    assert losses == [
        *(("train/loss", step) for step in range(1, 6)),
        *(("again-1/train/loss", step) for step in (3, 4, 5)),
        *(("again-2/train/loss", step) for step in (4, 5)),
        ("train/loss", 6), ("train/loss", 7),
    ]  # fmt: skip
    [words_told] = [value for name, _, value in told if name == "taken_back/3-5"]
    assert "`again-1/`" in words_told


def test_who_chooses_the_id_in_the_environment_is_obeyed(
    fakes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_RUN_ID", "mine")
    track(a_run(tmp_path), RunOptions(report_to=("wandb",), run_name="shown"), 60)
    assert kept(fakes, "wandb", "init")[0]["id"] == "mine"
    assert kept(fakes, "wandb", "init")[0]["name"] == "shown"


def test_a_run_that_is_killed_leaves_its_tracker_closed(fakes: Path, tmp_path: Path) -> None:
    """`kill -9`: nobody says that it is over, and what was told is kept."""
    code = f"""
import os, signal, sys, time
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from test_trackers import began, patient, record
from suretune.events import Updated
one = patient("trackio")
one.on(began(Path({str(tmp_path / "first")!r})))
for step in (1, 2, 3): one.on(Updated(record(step)))
while not one._waiting.empty(): time.sleep(0.01)
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    until(lambda: bool(kept(fakes, "trackio", "finish")))
    assert steps_told(fakes, "trackio") == [1, 2, 3]


def until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.05)


# --- destinations ---------------------------------------------------------------------------------


def test_every_project_is_told_everything_and_each_of_them_once(
    fakes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = a_run(tmp_path)
    every = list(range(1, UPDATES + 1))
    for project, told in (("", every), ("other", every * 2), ("", every * 2), ("other", every * 2)):
        monkeypatch.setenv("WANDB_PROJECT", project)
        track(run, RunOptions(report_to=("wandb",)), 60)
        assert steps_told(fakes, "wandb") == told, project
    first, second, *again = (one["id"] for one in kept(fakes, "wandb", "init"))
    assert first != second and again == [first, second]


def test_another_id_of_the_environment_is_another_run_and_told_everything(
    fakes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = a_run(tmp_path)
    for chosen in ("one", "two", "one", ""):
        monkeypatch.setenv("WANDB_RUN_ID", chosen)
        track(run, RunOptions(report_to=("wandb",)), 60)
    assert [one["id"] for one in kept(fakes, "wandb", "init")] == ["one", "two", "one", "one"]
    assert steps_told(fakes, "wandb") == [*range(1, UPDATES + 1)] * 2


def test_what_an_earlier_version_kept_of_a_tracker_still_holds(fakes: Path, tmp_path: Path) -> None:
    run = a_run(tmp_path)
    (run / "trackers").mkdir()
    before = {"id": "old", "where": "x", "steps": {"update": 3, "evaluation": 2}, "texts": {}}
    rundir.write_json(run / "trackers" / "wandb.json", {**before, "again": 0, "reached": {}})
    track(run, RunOptions(report_to=("wandb",)), 60)
    assert kept(fakes, "wandb", "init")[0]["id"] == "old" and steps_told(fakes, "wandb") == [4, 5]


def test_what_one_process_missed_is_made_up_for_although_a_later_one_was_told_more(
    fakes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It fails at the third update, the run goes on without it, and with it when it is resumed."""
    run = a_run(tmp_path, 8)
    monkeypatch.setenv("FAKE_TRACKIO", "log3:raise")
    first = patient("trackio")
    with pytest.raises(Refusal):
        for event in (began(run), *(Updated(record(n)) for n in range(1, 6)), Ended(130)):
            first.on(event)
    monkeypatch.delenv("FAKE_TRACKIO")
    again = patient("trackio")
    for event in (began(run, resumed=True), Resumed(5), Updated(record(6)), Ended(130)):
        again.on(event)
    track(run, RunOptions(report_to=("trackio",)), 60)
    assert steps_told(fakes, "trackio") == [1, 2, 6, 3, 4, 5, 7, 8]


def test_what_a_killed_package_held_in_its_process_is_not_taken_for_told(
    fakes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says yes to every figure and has written none of them when it dies."""
    monkeypatch.setenv("FAKE_HOLDS", "0.9")  # seconds a figure: what was given is noted meanwhile
    monkeypatch.setenv("FAKE_TRACKIO", "log4:exit")
    run = a_run(tmp_path)
    with pytest.raises(Refusal):
        track(run, RunOptions(report_to=("trackio",)), 60)
    assert steps_told(fakes, "trackio") == []
    monkeypatch.delenv("FAKE_TRACKIO")
    track(run, RunOptions(report_to=("trackio",)), 60)
    assert steps_told(fakes, "trackio") == [1, 2, 3, 4, 5]


def test_updates_that_a_run_took_back_are_named_where_it_is_told_afterwards(
    fakes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twice to the same place, for the run was killed in between; and once of a single update."""
    monkeypatch.setenv("SURETUNE_LANG", "en")
    run = a_run(tmp_path)
    for attempts, step, back in ((1, 5, 2), (1, 5, 2), (2, 5, 3)):
        line = {"event": "rolled-back", "step": step, "back_to": back, "attempts": attempts}
        rundir.append(run / "events.jsonl", line)
    for _ in range(2):
        track(run, RunOptions(report_to=("trackio",)), 60)
    told = dict(kept(fakes, "trackio", "alert"))
    assert told["taken_back/3-4"].startswith("Updates 3 to 4 were taken back once")
    assert told["taken_back/4-4"].startswith("Update 4 was taken back once")
    titles = [title for title, _ in kept(fakes, "trackio", "alert") if "taken" in title]
    assert titles == ["taken_back/3-4", "taken_back/4-4"], "each of them once"
    assert steps_told(fakes, "trackio") == [1, 2, 3, 4, 5]


def test_a_run_that_was_told_as_it_went_back_is_not_told_so_again(
    fakes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = a_run(tmp_path)
    about = {"event": "rolled-back", "step": 5, "back_to": 2, "attempts": 1}
    rundir.append(run / "events.jsonl", about)
    one = patient("trackio")
    told = (*range(1, 5), TakenBack(2, 1, 4), *range(3, 6))
    for event in (began(run), *told, Ended(0)):
        one.on(Updated(record(event)) if isinstance(event, int) else event)
    track(run, RunOptions(report_to=("trackio",)), 60)
    assert steps_told(fakes, "trackio") == [1, 2, 3, 4, 3, 4, 5]
    titles = [title for title, _ in kept(fakes, "trackio", "alert") if "taken" in title]
    assert titles == ["taken_back/3-4"]


def test_what_a_packages_process_says_lies_in_no_file_while_it_runs(
    fakes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAKE_SAYS", "1")
    one, run = patient("trackio"), tmp_path / "first"
    one.on(began(run))
    one.on(Updated(record(1)))
    until(lambda: bool(kept(fakes, "trackio", "log")))
    said = b"".join(path.read_bytes() for path in run.rglob("*") if path.is_file())
    assert b"sk-very-secret" not in said
    one.on(Ended(0))
    assert not (run / "trackers" / "trackio.log").exists()


# --- a tracker that fails -------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["import", "init", "log3", "finish"])
@pytest.mark.parametrize("how", ["raise", "exit"])
def test_a_tracker_that_fails_anywhere_is_told_once_and_the_run_goes_on(
    fakes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, how: str
) -> None:
    monkeypatch.setenv("FAKE_TRACKIO", f"{where}:{how}")
    journal, run = Journal(), tmp_path / "first"
    run.mkdir()
    journal.open(run)
    journal.join(patient("trackio"))
    journal.on(began(run))
    for step in range(1, 6):
        journal.on(Updated(record(step)))
    journal.on(Ended(0))
    journal.on(Updated(record(6)))
    assert len(list(rundir.read_jsonl(run / "steps.jsonl"))) == 6
    [found] = [f for f in journal.findings if f.code == "S047"]
    assert f"`suretune track {run} --to trackio`" in found.fix.en
    assert "sk-very-secret" not in str(found) + (run / "trackers" / "trackio.log").read_text()
    if how == "raise":
        assert "ConnectionError: nobody there; key ***" in found.what.en
    monkeypatch.delenv("FAKE_TRACKIO")
    rundir.write_json(run / "plan.json", {"digest": "abc"})
    write_config(run / "config.yaml", Resolved.default())
    track(run, RunOptions(report_to=("trackio",)), 60)
    told = steps_told(fakes, "trackio")
    assert set(told) == set(range(1, 7)), "what was missed is made up for"
    if how == "raise" and where != "finish":
        assert told == list(range(1, 7)), "and nothing is told twice"


@pytest.mark.parametrize("where", ["import", "log2", "finish"])
def test_a_tracker_that_hangs_costs_its_patience_once_at_the_end(
    fakes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    monkeypatch.setenv("FAKE_TRACKIO", f"{where}:hang")
    one, slowest = patient("trackio", 3.0), 0.0
    one.on(began(tmp_path / "first"))
    for step in range(1, 3000):  # more than a pipe holds
        begin = time.monotonic()
        one.on(Updated(record(step)))
        slowest = max(slowest, time.monotonic() - begin)
    assert slowest < 2.0
    begin = time.monotonic()
    with pytest.raises(Refusal, match="no end after 3 s"):
        one.on(Ended(0))
    assert time.monotonic() - begin < 20
    one.on(Updated(record(3000)))


def test_after_ctrl_c_nobody_waits_long(
    fakes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("suretune.trackers.following.HURRY", 1.0)
    monkeypatch.setenv("FAKE_TRACKIO", "import:hang")
    one = patient("trackio")
    one.on(began(tmp_path / "first"))
    with pytest.raises(Refusal, match="no end after 1 s"):
        one.on(Ended(130))


def test_a_secret_is_kept_out_of_what_is_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "0123456789abcdef")
    monkeypatch.setenv("MY_PASSWORD", "hunter2hunter2")
    said = "401 for http://me:hunter2hunter2@host/x with 0123456789abcdef"
    assert without_secrets(said) == "401 for http://***@host/x with ***"
    url = "postgresql://me:pw@db/x?sslmode=on&password=pw&user=me"
    assert without_secrets(url) == "postgresql://***@db/x?sslmode=on&password=***&user=me"


# --- the command line -----------------------------------------------------------------------------


def asked(folder: Path, *more: str) -> list[str]:
    rows = folder / "rows.jsonl"
    lines = ({"instruction": f"Sort {i} 1 2", "output": f"1 2 {i}"} for i in range(30))
    rows.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return ["check", "--model", "pocket", "--dataset", str(rows), *more]


@pytest.fixture
def only_tensorboard(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As if no other tracker's package were installed."""
    for place in (trackers, machine):
        monkeypatch.setattr(place, "is_installed", lambda name: name == "tensorboard")
    words.choose("en")
    yield
    words.choose(None)


@pytest.mark.usefixtures("only_tensorboard")
@pytest.mark.parametrize("name", NAMES[1:])
def test_a_missing_package_is_refused_before_training_with_the_command(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for verb in ("check", "sft"):
        line = [verb, *asked(tmp_path, "--report_to", "tensorboard", name)[1:], "--json"]
        line += ["--output_dir", str(tmp_path / "run")] if verb == "sft" else []
        assert main(line) == 4
        found = json.loads(capsys.readouterr().out)["findings"]
        assert [one["code"] for one in found if one["stops"]] == ["S030"]
        assert f"`pip install 'suretune[{name}]'`" in str(found)
    assert not (tmp_path / "run" / "steps.jsonl").exists()


@pytest.mark.usefixtures("only_tensorboard")
@pytest.mark.parametrize(
    "words_typed, meant",
    [
        (["none"], []),
        (["all"], ["tensorboard"]),
        (["wandb,tensorboard"], ["wandb", "tensorboard"]),
        (["wandb", "tensorboard", "wandb"], ["wandb", "tensorboard"]),
    ],
)
def test_what_report_to_may_be(words_typed: list[str], meant: list[str]) -> None:
    from suretune.values import set_value

    found, faults = set_value(Resolved.default(), options()["report_to"], words_typed, "flag")
    assert not faults
    assert [one.name for one in followers(found.config.run)] == meant


@pytest.mark.usefixtures("only_tensorboard")
def test_a_name_for_nobody_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(asked(tmp_path, "--run_name", "x", "--logging_dir", "y", "--json")) == 0
    told = str(json.loads(capsys.readouterr().out)["findings"])
    assert "C005" in told and "--run_name" in told and "--logging_dir" in told
    line = asked(tmp_path, "--logging_dir", "y", "--report_to", "tensorboard", "--json")
    assert main(line) == 0
    assert "logging_dir" not in str(json.loads(capsys.readouterr().out)["findings"])


def test_a_folder_that_is_called_like_a_package_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`./wandb` of an earlier offline run, `./gguf` of an export, where suretune is a module."""
    (tmp_path / "sometracker").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find_spec("sometracker") is not None
    one = replace(trackers.trackers()["wandb"], module="sometracker")
    monkeypatch.setattr(trackers, "trackers", lambda: {"wandb": one})
    assert not is_installed("sometracker") and trackers.named_trackers(("all",)) == []
    monkeypatch.setattr(llamacpp, "SERVER", "sometracker")
    monkeypatch.setattr(k_quants, "PACKAGE", "sometracker")
    assert (llamacpp.here(), k_quants.here()) == (False, False)


def test_an_unknown_tracker_is_answered_with_those_there_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(asked(tmp_path, "--report_to", "wanbd")) == 2
    told = "".join(capsys.readouterr())
    assert [name for name in NAMES if name not in told] == []


def test_track_says_where_nobody_would_be_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for place in (trackers, machine):
        monkeypatch.setattr(place, "is_installed", lambda name: False)
    run, told = a_run(tmp_path), {}
    for word in ("all", "none"):
        status = main(["track", str(run), "--to", word, "--json"])
        (found,) = json.loads(capsys.readouterr().out)["findings"]
        told[word] = (status, found["code"], found["fix"]["en"])
    assert told == {
        "all": (4, "S030", "`pip install 'suretune[tensorboard]'`"),
        "none": (
            2,
            "C002",
            "It takes all | tensorboard | wandb | swanlab | mlflow | trackio."
            " `suretune track --help` shows what `--to` accepts.",
        ),
    }


def test_track_feeds_a_run_afterwards_and_says_where_it_is(fakes: Path, tmp_path: Path) -> None:
    run = a_run(tmp_path)
    done = within("track", run, "--to", "wandb", "trackio", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert as_json(done)["trackers"] == {
        "wandb": "http://here/run", "trackio": "trackio show --project suretune",
    }  # fmt: skip
    assert steps_told(fakes, "wandb") == list(range(1, UPDATES + 1))
    nobody = within("track", run, "--json")
    assert nobody.returncode == 2 and "--to tensorboard" in nobody.stdout
    nowhere = within("track", tmp_path / "rows.jsonl", "--to", "wandb")
    assert nowhere.returncode and "Traceback" not in nowhere.stderr


def test_a_run_reports_as_it_goes_fails_as_it_may_and_is_resumed_into_the_same_run(
    fakes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The command line, whole: one tracker that works and one that raises amid the updates."""
    monkeypatch.setenv("FAKE_TRACKIO", "log2:raise")
    run = tmp_path / "run"
    line = ["sft", *asked(tmp_path, "--report_to", "wandb", "trackio", "--max_steps", "4")[1:]]
    line += ["--save_steps", "2", "--general_questions", "20", "--device", "cpu"]
    done = suretune(*line, "--output_dir", run, "--json", timeout=600)
    assert done.returncode in (0, 6, 8), done.stdout + done.stderr
    steps = list(rundir.read_jsonl(run / "steps.jsonl"))
    told = [v for v in kept(fakes, "wandb", "log") if "train/loss" in v]
    assert [v["train/loss"] for v in told] == [line["loss"] for line in steps]
    found = [f for f in rundir.read_jsonl(run / "findings.jsonl") if f["code"] == "S047"]
    assert len(found) == 1 and "trackio" in found[0]["what"]["en"]
    assert rundir.checkpoints(run)[-1][0] == 4
    for name in ("report.json", "last", "VERIFIED.json"):  # as if it had been killed before
        (run / name).unlink(missing_ok=True)
    rundir.discard(rundir.checkpoints(run)[-1][1])
    again = suretune("resume", run, "--json", timeout=600)
    assert again.returncode == done.returncode, again.stdout + again.stderr
    begun = kept(fakes, "wandb", "init")
    assert len(begun) == 2 and begun[0]["id"] == begun[1]["id"]
    assert steps_told(fakes, "wandb") == [1, 2, 3, 4]


# --- the real packages ----------------------------------------------------------------------------


def real(name: str) -> None:
    if find_spec(name) is None:
        pytest.skip(f"pip install 'suretune[{name}]'")


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, and everything that could leave the machine off."""
    for name, value in {
        "HOME": str(tmp_path), "HF_HOME": str(tmp_path / "hf"), "WANDB_MODE": "offline",
        "SWANLAB_MODE": "offline", "TRACKIO_DIR": str(tmp_path / "trackio"),
        "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'mlflow.db'}", "HF_HUB_OFFLINE": "1",
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    for name in ("WANDB_RUN_ID", "MLFLOW_RUN_ID", "SWANLAB_RUN_ID", "TRACKIO_SPACE_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


Series = dict[str, dict[int, float]]


def read_tensorboard(run: Path, _: Path) -> Series:
    return read_folder(run / "trackers" / "tensorboard")


def mlflow_run(home: Path) -> tuple[Any, Any]:
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{home / 'mlflow.db'}")
    [experiment] = [e for e in client.search_experiments() if e.name == "suretune"]
    [one] = client.search_runs([experiment.experiment_id])
    return client, one


def read_mlflow(run: Path, home: Path) -> Series:
    client, one = mlflow_run(home)
    return {
        name: {p.step: p.value for p in client.get_metric_history(one.info.run_id, name)}
        for name in one.data.metrics
    }


def read_trackio(run: Path, home: Path) -> Series:
    [path] = (home / "trackio").glob("*.db")
    rows = sqlite3.connect(path).execute("select run_id, step, metrics from metrics").fetchall()
    assert len({run_id for run_id, _, _ in rows}) == 1, "one run"
    found: Series = {}
    for _, step, metrics in rows:
        for name, value in json.loads(metrics).items():
            found.setdefault(name, {})[step] = value
    return found


def records_of(path: Path, header: int) -> Iterator[bytes]:
    """The records of a log in LevelDB's format: what wandb and SwanLab keep offline."""
    data, at, whole = path.read_bytes(), header, b""
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        _, size, kind = struct.unpack("<IHB", data[at : at + 7])
        whole += data[at + 7 : at + 7 + size]
        at += 7 + size
        if kind in (1, 4):  # whole, or the last part
            yield whole
            whole = b""


def read_wandb(run: Path, home: Path) -> Series:
    from wandb.proto.wandb_internal_pb2 import Record

    found: Series = {}
    logs = sorted(home.glob("wandb/offline-run-*/run-*.wandb"))
    assert len({path.name for path in logs}) == 1, "one run"
    for path in logs:
        for data in records_of(path, 7):
            told = Record()
            told.ParseFromString(data)
            items = {".".join(i.nested_key) or i.key: i.value_json for i in told.history.item}
            if "train/global_step" in items:
                step = int(json.loads(items["train/global_step"]))
                for name, value in items.items():
                    found.setdefault(name, {})[step] = json.loads(value)
    return found


def read_swanlab(run: Path, home: Path) -> Series:
    from swanlab.proto.swanlab.record.v1.record_pb2 import Record
    from swanlab.sdk.internal.core_python.store import DataStoreReader

    found: Series = {}
    logs = sorted(home.glob("swanlog/run-*/*.swanlab"))
    assert len({path.name for path in logs}) == 1, "one run"
    for path in logs:
        reader = DataStoreReader()
        reader.open(path)
        for data in reader:
            told = Record()
            told.ParseFromString(data)
            for point in points_of(told):
                found.setdefault(point.key, {})[point.step] = point.value.number
    return found


def points_of(told: Any) -> list[Any]:
    return [told.scalar] if told.HasField("scalar") else []


READ: dict[str, Callable[[Path, Path], Series]] = {
    "tensorboard": read_tensorboard, "mlflow": read_mlflow, "trackio": read_trackio,
    "wandb": read_wandb, "swanlab": read_swanlab,
}  # fmt: skip


def as_kept(name: str, value: float) -> float:
    """TensorBoard's scalars are in single precision."""
    single: float = struct.unpack("f", struct.pack("f", value))[0]
    return single if name == "tensorboard" else value


@pytest.mark.parametrize("name", NAMES)
def test_the_figures_in_a_real_trackers_store_are_those_of_the_run(
    name: str, offline: Path
) -> None:
    """Fed, then gone on with and fed again: one run of the tracker, every figure of both."""
    real(name)
    run = a_run(offline)
    for last in (UPDATES, UPDATES + 3):
        if last > UPDATES:
            more(run, UPDATES + 1, last)
        where = track(run, RunOptions(report_to=(name,)), 240)
        assert where[name]
        found = READ[name](run, offline)
        for key, tag in TRAIN.items():
            lines = list(rundir.read_jsonl(run / "steps.jsonl"))
            assert found[tag] == {n["step"]: as_kept(name, n[key]) for n in lines}, tag
        evals = list(rundir.read_jsonl(run / "evals.jsonl"))
        for key, tag in (("held_out_loss", "eval/loss"), ("passed", "probes/passed"),
                         ("drift", "drift/nats")):  # fmt: skip
            assert found[tag] == {n["step"]: as_kept(name, n[key]) for n in evals}, tag
        assert found["general/net"][UPDATES] == -2
    if name == "mlflow":
        _, one = mlflow_run(offline)
        assert one.data.params["model"] == "pocket"
        assert one.data.tags["verdict"] == "not-verified, R003 probes-failed"


def read_folder(folder: Path) -> Series:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder), size_guidance={"scalars": 0})
    found.Reload()
    return {
        tag: {point.step: point.value for point in found.Scalars(tag)}
        for tag in found.Tags()["scalars"]
    }


def test_one_folder_for_several_runs_holds_each_of_them_apart(offline: Path) -> None:
    """Also of runs that are called alike; one that is gone on with finds its own part again."""
    real("tensorboard")
    made = []
    for home, updates in (("one", 3), ("two", 5)):
        (offline / home).mkdir()
        made.append(a_run(offline / home, updates))
    asked = RunOptions(report_to=("tensorboard",), logging_dir=str(offline / "logs"))
    for run in (*made, made[0]):
        where = track(run, asked, 240)
        assert where == {"tensorboard": f"tensorboard --logdir {offline / 'logs'}"}
    more(made[0], 4, 4)
    track(made[0], asked, 240)
    steps = {d.name: set(read_folder(d)["train/loss"]) for d in (offline / "logs").iterdir()}
    assert steps == {"first": {1, 2, 3, 4}, "first-2": {1, 2, 3, 4, 5}}


def test_track_goes_on_where_the_run_told_its_tracker(
    offline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the run's own --logging_dir, from any folder: the command of a finding names neither."""
    real("tensorboard")
    run = a_run(offline)
    asked = Resolved.default().with_values(
        "flag", model="pocket", dataset=("rows.jsonl",), logging_dir="logs", run_name="mine"
    )
    write_config(run / "config.yaml", asked)
    rundir.write_json(run / "run.json", {"folder": str(offline)})
    (offline / "elsewhere").mkdir()
    monkeypatch.chdir(offline / "elsewhere")
    assert main(["track", str(run), "--to", "tensorboard"]) == 0
    assert len(read_folder(offline / "logs" / "mine")["train/loss"]) == UPDATES
    assert not (run / "trackers" / "tensorboard").exists()


def test_another_folder_is_told_everything_although_one_has_it_already(offline: Path) -> None:
    """And so is one that was deleted meanwhile."""
    real("tensorboard")
    run = a_run(offline)
    every = set(range(1, UPDATES + 1))
    for folder in (None, "a", "b", "a"):
        track(run, RunOptions(report_to=("tensorboard",), logging_dir=folder), 240)
    for folder in (run / "trackers" / "tensorboard", offline / "a" / "first", offline / "b/first"):
        assert set(read_folder(folder)["train/loss"]) == every, folder
    count = len(list((offline / "a" / "first").glob("events*")))
    shutil.rmtree(offline / "b")
    track(run, RunOptions(report_to=("tensorboard",), logging_dir="b"), 240)
    assert set(read_folder(offline / "b" / "first")["train/loss"]) == every and count


@pytest.mark.parametrize("name", ["wandb", "swanlab"])
def test_the_command_that_sends_a_run_later_names_all_that_was_written_offline(
    name: str, offline: Path
) -> None:
    real(name)
    run = a_run(offline)
    for last in (UPDATES, UPDATES + 2):
        if last > UPDATES:
            more(run, last - 1, last)
        where = track(run, RunOptions(report_to=(name,)), 240)[name]
    program, verb, *folders = shlex.split(where)
    assert (program, verb) == (name, "sync") and len(set(folders)) == len(folders) == 2
    logs = [log for one in folders for log in Path(one).glob(f"*.{name}")]
    assert len(logs) == 2, "each of them is one that was written"
    if name == "wandb":
        steps = [int(s) for log in logs for s in wandb_steps(log)]
        assert steps == sorted(set(steps)), "the second goes on behind the first"


def wandb_steps(log: Path) -> Iterator[str]:
    """W&B's own count of each row of a log."""
    from wandb.proto.wandb_internal_pb2 import Record

    for data in records_of(log, 7):
        told = Record()
        told.ParseFromString(data)
        for item in told.history.item:
            if (".".join(item.nested_key) or item.key) == "_step":
                yield item.value_json


def test_the_password_of_a_store_is_neither_kept_nor_shown(
    offline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real("mlflow")
    uri = f"sqlite:///{offline / 'mlflow.db'}?password=hunter2"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    run = a_run(offline)
    where = track(run, RunOptions(report_to=("mlflow",)), 240)["mlflow"]
    assert where == 'mlflow ui --backend-store-uri "$MLFLOW_TRACKING_URI"'
    told = b"".join(path.read_bytes() for path in (run / "trackers").rglob("*") if path.is_file())
    assert b"hunter2" not in told and b"password=***" in told
    track(run, RunOptions(report_to=("mlflow",)), 240)
    assert len(read_mlflow(run, offline)["train/loss"]) == UPDATES


def test_what_a_run_took_back_is_gone_from_tensorboard(offline: Path) -> None:
    real("tensorboard")
    run = offline / "first"
    one = patient("tensorboard")
    for event in (began(run), *(Updated(record(step)) for step in (1, 2, 3, 4))):
        one.on(event)
    again = replace(record(3), loss=9.0)
    for event in (TakenBack(2), Updated(again), Ended(5)):
        one.on(event)
    assert read_tensorboard(run, offline)["train/loss"] == {
        1: as_kept("tensorboard", record(1).loss),
        2: as_kept("tensorboard", record(2).loss),
        3: 9.0,
    }


@pytest.mark.parametrize("name", ["wandb", "swanlab", "mlflow", "trackio"])
def test_what_was_made_again_is_in_the_other_trackers_stores_too(
    name: str, offline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The figures that hold are there: later under their names, or under names of their own."""
    real(name)
    run = offline / "first"
    gone_back_twice(name, run, monkeypatch)
    found = READ[name](run, offline)
    if name == "swanlab":
        assert found["train/loss"].pop(5) == 5.0 and found["train/loss"].pop(4) == 4.0
        found["train/loss"] |= found["again-2/train/loss"]
    losses = found["train/loss"]
    assert losses.keys() == set(range(1, 8))
    assert {step: losses[step] for step in (4, 5, 6, 7)} == {4: 14.0, 5: 15.0, 6: 16.0, 7: 17.0}


@pytest.mark.parametrize("name", ["wandb", "swanlab"])
def test_a_real_tracker_without_a_key_or_a_network_ends_nothing(
    name: str, offline: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real(name)
    monkeypatch.delenv(f"{name.upper()}_MODE")
    for proxy in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")  # nobody listens
    journal, run = Journal(), offline / "first"
    run.mkdir()
    journal.open(run)
    journal.join(patient(name, 45))
    journal.on(began(run))
    for step in range(1, 4):
        journal.on(Updated(record(step)))
    journal.on(Ended(0))
    assert len(list(rundir.read_jsonl(run / "steps.jsonl"))) == 3
    [found] = [f for f in journal.findings if f.code == "S047"]
    assert re.search(f"`{name} login`", found.fix.en) and f"--to {name}" in found.fix.en
