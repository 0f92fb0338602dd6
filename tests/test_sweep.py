"""The sweep: what it is asked, what it makes of reports, a real one killed and gone on with."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from conftest import as_json, suretune
from processes import pids_where
from suretune import rundir, words
from suretune.cli import VERBS, main
from suretune.cli.parse import parse
from suretune.cli.search import read_search
from suretune.cli.verbs import OWN
from suretune.config import Resolved
from suretune.pocket import MODEL
from suretune.sweep.search import Dimension, flags, grid, grid_size, setting
from suretune.sweep.sweep import Asked, _Loop
from suretune.sweep.trials import FAILED, SEALED, STOPPED, UNPROVEN, Outcome, outcome

SWEEP = next(verb for verb in VERBS if verb.name == "sweep")


def searched(*typed: str) -> tuple[list[Dimension], list[str]]:
    """The dimensions and the problems of `--search` behind what is given already."""
    command = parse(SWEEP, ["--model", "pocket", "--max_steps", "5"], OWN["sweep"])
    found, faults = read_search(typed, SWEEP.options(), command.resolved)
    return found, [fault.problem for fault in faults]


# --- what is asked ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("lora_rank=4,8,16", Dimension("lora_rank", ("4", "8", "16"))),
        ("lora-r=4,8", Dimension("lora_rank", ("4", "8"))),
        ("learning_rate=1e-4..4e-3:log", Dimension("learning_rate", (), 1e-4, 4e-3, log=True)),
        ("lr=auto,1e-3", Dimension("learning_rate", ("auto", "1e-3"))),
        ("lora_rank=2..32", Dimension("lora_rank", (), 2, 32, whole=True)),
        ("target_modules=all-linear,q_proj+v_proj",
         Dimension("target_modules", ("all-linear", "q_proj+v_proj"))),
        ("until_proven=true,false", Dimension("until_proven", ("true", "false"))),
        ("probes=../a.yaml,../b.yaml", Dimension("probes", ("../a.yaml", "../b.yaml"))),
    ],
)  # fmt: skip
def test_a_search_is_read(word: str, expected: Dimension) -> None:
    assert searched(word) == ([expected], [])


@pytest.mark.parametrize(
    ("words", "problems"),
    [
        (("lora_rank",), ["bad-value"]),
        (("lora_rank=",), ["bad-value"]),
        (("lora_rank=4,,8",), ["bad-value"]),
        (("lora_rank=4,4",), ["bad-value"]),
        (("lora_rank=eight",), ["bad-value"]),
        (("lora_rank=4..2",), ["bad-value"]),
        (("anchor_ratio=0..0.5:log",), ["bad-value"]),
        (("anchor_ratio=0..2",), ["bad-value"]),
        (("mix=tokens..rows",), ["bad-value"]),
        (("lora_rank=4,8", "lora_r=2,3"), ["bad-value"]),
        (("seed=1,2",), ["bad-value"]),
        (("output_dir=a,b",), ["bad-value"]),
        (("lora_rang=4,8",), ["unknown-flag"]),
        (("model=pocket,other",), ["bad-value"]),
        (("max_steps=1,2",), ["conflicting-flags"]),
    ],
)
def test_what_is_wrong_with_a_search_is_said(words: tuple[str, ...], problems: list[str]) -> None:
    assert searched(*words)[1] == problems


SAME = ("model", "dataset", "output_dir", "dry_run", "seed", "num_gpus", "resume", "report_to")


@pytest.mark.parametrize("given", [(), ("--model", "pocket", "--dataset", "x.jsonl")])
@pytest.mark.parametrize("name", SAME)
def test_what_cannot_be_searched_is_refused_with_what_can(
    name: str, given: tuple[str, ...]
) -> None:
    command = parse(SWEEP, given, OWN["sweep"])
    _, (fault,) = read_search([f"{name}=a,b"], SWEEP.options(), command.resolved)
    assert (fault.problem, fault.flag, fault.value) == ("bad-value", "--search", f"{name}=a,b")
    assert fault.hint and fault.hint.en.startswith("Not this one: ")
    assert fault.hint.en.endswith(" such as `learning_rate` or `lora_rank`.")


def test_an_unknown_option_names_the_nearest() -> None:
    command = parse(SWEEP, [], OWN["sweep"])
    _, (fault,) = read_search(["lora_rang=4,8"], SWEEP.options(), command.resolved)
    assert fault.nearest == "--search lora_rank=4,8"
    _, (fault,) = read_search(["zzz=4,8"], SWEEP.options(), command.resolved)
    assert fault.nearest == ""


def test_all_faults_of_a_sweep_are_told_together(capsys: pytest.CaptureFixture[str]) -> None:
    typed = ("--search", "lora_rang=4", "lr=2..1", "--trials", "0", "--dataset", "x.jsonl")
    status = main(["sweep", *typed, "--json"])
    told = json.loads(capsys.readouterr().out)
    assert status == 2
    assert sorted(f["code"] for f in told["findings"]) == ["C001", "C002", "C002", "C008"]
    assert main(["sweep", "--model", "pocket", "--dataset", "x.jsonl", "--json"]) == 2
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert finding["code"] == "C008" and finding["where"] == "--search"


def test_without_optuna_the_installation_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    typed = ("--model", "pocket", "--dataset", "x.jsonl", "--search", "lora_rank=4,8")
    assert main(["sweep", *typed, "--json"]) == 4
    words.choose(None)
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert finding["code"] == "S030" and "pip install 'suretune[sweep]'" in finding["fix"]["en"]


def test_a_study_that_cannot_lie_there_is_told_with_its_own_flag(
    tmp_path: Path, identity_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = tmp_path / "there"
    there.write_text("no database, but long enough to be taken for one" * 100)
    typed = ["sweep", "--model", "pocket", "--dataset", str(identity_file), "--search",
             "lora_rank=4,8", "--output_dir", str(tmp_path / "out"), "--json"]  # fmt: skip
    for study, why in (
        (there, "it is no SQLite file (`(sqlite3.DatabaseError) file is not a database`)"),
        (there / "x.db", "already there (EEXIST)"),
    ):
        assert main([*typed, "--study", str(study)]) == 4
        (finding,) = json.loads(capsys.readouterr().out)["findings"]
        assert finding["what"]["en"] == f"{study} cannot be written to: {why}."
        assert finding["fix"]["en"] == "Name a place that you may write to with `--study`."
    words.choose(None)


def test_a_setting_becomes_the_flags_that_ask_for_it(tmp_path: Path) -> None:
    file = tmp_path / "asked.yaml"
    file.write_text("model: pocket\ntarget_modules: [q_proj, v_proj]\nrepeat: true\n", "utf-8")
    typed = [str(file), "--dataset", "a b.jsonl", "c.jsonl", "--output_dir", "x"]
    command = parse(SWEEP, typed, OWN["sweep"])
    assert not command.faults
    chosen = {"learning_rate": "0.001", "target_modules": "k_proj+o_proj"}
    made = flags(command.resolved, chosen, ("output_dir",))
    again = parse(SWEEP, made, {})
    given = {n: v for n, v, _ in again.resolved.items() if again.resolved.given(n)}
    assert not again.faults and given == {
        "model": "pocket", "dataset": ("a b.jsonl", "c.jsonl"), "repeat": True,
        "learning_rate": 1e-3, "target_modules": ("k_proj", "o_proj"),
    }  # fmt: skip


def test_a_drawn_number_is_the_one_that_is_typed() -> None:
    rate = Dimension("learning_rate", (), 1.0004e-4, 4e-3, log=True)
    assert setting([rate], {"learning_rate": 0.00123456}) == {"learning_rate": "0.00123"}
    assert float(setting([rate], {"learning_rate": 1.0004e-4})["learning_rate"]) >= 1e-4
    rank, mix = Dimension("lora_rank", ("4", "8")), Dimension("mix", ("rows", "tokens"))
    assert list(grid([rank, mix]))[1] == {"lora_rank": "4", "mix": "tokens"}
    assert grid_size([rank, mix]) == 4 and grid_size([rank, rate]) == float("inf")
    whole = Dimension("lora_rank", (), 4, 6, whole=True)
    assert list(grid([whole])) == [{"lora_rank": n} for n in (4, 5, 6)]


# --- what decides -------------------------------------------------------------------------------


def test_a_seal_counts_first_then_probes_then_skills_then_updates() -> None:
    best_first = [
        Outcome(SEALED, 0.91, 0.029, updates=80, planned=80),
        Outcome(UNPROVEN, 1.0, 0.0, updates=40, planned=80),
        Outcome(UNPROVEN, 1.0, 0.0, updates=80, planned=80),
        Outcome(UNPROVEN, 1.0, 1 / 450, updates=10, planned=80),
        Outcome(UNPROVEN, 0.99, 0.0, updates=10, planned=80),
        Outcome(UNPROVEN, None, None, 0.6, updates=10, planned=80),
        Outcome(UNPROVEN, None, None, 0.8, updates=10, planned=80),
    ]
    scores = [one.score for one in best_first]
    assert scores == sorted(scores, reverse=True) and len(set(scores)) == len(scores)


def test_an_outcome_is_read_from_what_is_there(tmp_path: Path) -> None:
    run = tmp_path / "trial-0000"
    run.mkdir()
    printed = {"status": 2, "findings": [{"code": "S004", "name": "evaluation-never-fires"}]}
    (tmp_path / "trial-0000.json").write_text(json.dumps(printed), "utf-8")
    (tmp_path / "trial-0000.log").write_text("first\nout of luck\n", "utf-8")
    assert outcome(run, 2) == Outcome(STOPPED, reasons=("S004 evaluation-never-fires",))
    (tmp_path / "trial-0000.json").write_text("", "utf-8")
    assert outcome(run, 1) == Outcome(FAILED, reasons=("out of luck",))
    assert outcome(run, -9) == Outcome(FAILED, reasons=("signal 9",))
    report = {
        "verdict": "not-verified", "reasons": ["R003 probes-failed"], "steps": [{"step": 7}],
        "plan": {"updates": 9}, "data": {},
        "general": {"enough": True, "counted": 4, "before": 2, "after": 1},
        "held_out": {"before": 2.0, "after": 1.0}, "seconds": {"total": 3.0},
        "probes": [
            {"variant": "as-trained", "passed_after": ok} for ok in (True, False, None)
        ] + [{"variant": "template-default", "passed_after": False}],
    }  # fmt: skip
    (run / "report.json").write_text(json.dumps(report), "utf-8")
    assert outcome(run) == Outcome(
        UNPROVEN, 0.5, 0.25, 0.5, updates=7, planned=9, seconds=3.0, reasons=("R003 probes-failed",)
    )


# --- a real one ---------------------------------------------------------------------------------


def rows_of(study: Path) -> list[tuple[int, str]]:
    """(number, state) of every trial that the study has."""
    with sqlite3.connect(study) as store:
        return store.execute("SELECT number, state FROM trials ORDER BY number").fetchall()


def started(steps: Path, process: subprocess.Popen[Any]) -> None:
    """Wait until an update is in the log."""
    end = time.monotonic() + 200
    while not (steps.is_file() and steps.read_text("utf-8").count("\n")):
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.02)


def test_a_killed_sweep_goes_on_and_repeats_nothing(tmp_path: Path, identity_file: Path) -> None:
    pytest.importorskip("optuna", reason="pip install 'suretune[sweep]'")
    skills = tmp_path / "skills.jsonl"
    skills.write_text("\n".join((MODEL / "skills.jsonl").read_text("utf-8").splitlines()[:9]))
    typed = [
        "sweep", "--model", "pocket", "--dataset", identity_file, "--device", "cpu",
        "--skills", skills, "--max_steps", 12, "--save_steps", 1, "--until_proven", "false",
        "--search", "eval_steps=3,50", "--output_dir", tmp_path / "runs", "--json",
    ]  # fmt: skip
    command = [sys.executable, "-m", "suretune", *map(str, typed)]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "SURETUNE_LANG": "en"}
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not (folders := list(tmp_path.glob("runs/sweep-*/trial-0000"))):
        assert process.poll() is None
        time.sleep(0.02)
    started(folders[0] / "steps.jsonl", process)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    sweep = folders[0].parent
    assert process.returncode == 130
    assert rows_of(sweep / "sweep.db") == [(0, "RUNNING"), (1, "WAITING")]

    done = suretune(*typed)
    told = as_json(done)
    assert done.returncode == 6, done.stderr  # twelve updates are too few for a seal
    events = rundir.read_jsonl(folders[0] / "events.jsonl")
    assert "resumed" in [event["event"] for event in events]
    assert rows_of(sweep / "sweep.db") == [(0, "COMPLETE"), (1, "PRUNED")]
    first, second = told["trials"]
    assert first["state"] == "judged" and first["runs"][0]["updates"] == 12
    assert second["state"] == "stopped"
    assert second["runs"][0]["reasons"] == ["S004 evaluation-never-fires"]
    assert told["best"] == first and "--eval_steps=3" in told["command"]
    with sqlite3.connect(sweep / "sweep.db") as store:
        kept = store.execute("SELECT value_json FROM trial_user_attributes").fetchall()
    assert kept == [('["S004 evaluation-never-fires"]',)]

    before = (folders[0] / "report.json").stat().st_mtime_ns
    assert as_json(suretune(*typed)) == told
    assert (folders[0] / "report.json").stat().st_mtime_ns == before
    assert rows_of(sweep / "sweep.db") == [(0, "COMPLETE"), (1, "PRUNED")]

    other = suretune(*typed, "--lora_rank", 4, "--study", sweep / "sweep.db")
    (finding,) = as_json(other)["findings"]
    assert other.returncode == 4 and finding["code"] == "S013"
    for fix in finding["fix"].values():  # a study is no run
        assert "resume" not in fix and "`--study`" in fix


def asked_of(folder: Path, rows: Path, *more: object) -> list[object]:
    """Two settings, two updates each."""
    skills = folder / "skills.jsonl"
    skills.write_text("\n".join((MODEL / "skills.jsonl").read_text("utf-8").splitlines()[:9]))
    return [
        "sweep", "--model", "pocket", "--dataset", rows, "--device", "cpu", "--skills", skills,
        "--max_steps", 2, "--until_proven", "false", "--search", "lora_rank=4,8",
        "--output_dir", folder / "runs", "--json", *more,
    ]  # fmt: skip


def came_to(told: dict[str, Any]) -> list[Any]:
    """Every trial without the time it took."""
    runs = [{**trial, "runs": [{**run, "seconds": 0} for run in trial["runs"]]}
            for trial in told["trials"]]  # fmt: skip
    return [runs, told["best"]["setting"], told["command"]]


def test_a_killed_trial_of_several_at_once_is_told_and_tried_again(
    tmp_path: Path, identity_file: Path
) -> None:
    pytest.importorskip("optuna", reason="pip install 'suretune[sweep]'")
    typed = asked_of(tmp_path, identity_file)
    command = [sys.executable, "-m", "suretune", *map(str, typed), "--num_gpus", "2"]
    env = {**os.environ, "OMP_NUM_THREADS": "1", "SURETUNE_LANG": "en"}
    process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until = time.monotonic() + 200
    while len(both := sorted(tmp_path.glob("runs/sweep-*/trial-000*/steps.jsonl"))) < 2:
        assert process.poll() is None and time.monotonic() < until
        time.sleep(0.02)
    assert not list(tmp_path.glob("runs/sweep-*/*/report.json"))  # at once
    killed = trial_process(both[1].parent)
    os.kill(killed, signal.SIGKILL)
    out, said = process.communicate(timeout=200)
    told = json.loads(out.decode().splitlines()[-1])
    assert process.returncode == 6, said.decode()
    first, second = told["trials"]
    assert (first["state"], second["state"]) == ("judged", "failed")
    assert second["runs"][0]["reasons"] == ["signal 9"] and told["best"] == first
    assert not any("num_gpus" in word for word in told["command"])

    before = (both[0].parent / "report.json").stat().st_mtime_ns
    again = as_json(suretune(*typed, "--num_gpus", 1))  # the same sweep, with another number
    assert again["folder"] == told["folder"]
    assert (both[0].parent / "report.json").stat().st_mtime_ns == before
    assert [trial["setting"] for trial in again["trials"]] == [
        trial["setting"] for trial in told["trials"]
    ]
    assert again["trials"][0] == first and again["trials"][1]["state"] == "judged"


def trial_process(run: Path) -> int:
    """The process whose folder this is."""
    word = f"--output_dir={run}".encode()
    pids = pids_where(lambda one: word in (one / "cmdline").read_bytes().split(b"\0"))
    assert pids, f"nobody writes {run}"
    return pids[0]


def test_trials_side_by_side_come_to_what_they_come_to_one_by_one(
    tmp_path: Path, identity_file: Path
) -> None:
    pytest.importorskip("optuna", reason="pip install 'suretune[sweep]'")
    told = []
    for number in (1, 2):
        folder = tmp_path / str(number)
        folder.mkdir()
        done = suretune(*asked_of(folder, identity_file, "--num_gpus", number))
        told.append(came_to(as_json(done)))
        told[-1][-1] = [word.replace(str(folder), "") for word in told[-1][-1]]
    assert told[0] == told[1]


def test_trials_are_dealt_over_so_many_gpus_and_no_more(
    tmp_path: Path, identity_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "3,5,7")
    monkeypatch.setattr("torch.cuda.device_count", lambda: 3)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)

    def loop(device: str | None, parallel: int | None, gpus: int | None) -> list[dict[str, str]]:
        resolved = Resolved.default().with_values("flag", device=device)
        asked = Asked(resolved, (), 4, (), None, parallel, gpus=gpus)
        made = _Loop(asked, tmp_path, None, lambda *_: None)  # type: ignore[arg-type]
        return [made._environment(slot) for slot in made.slots]

    assert loop("cuda", None, None) == [{"CUDA_VISIBLE_DEVICES": n} for n in "357"]
    assert loop("cuda", None, 2) == [{"CUDA_VISIBLE_DEVICES": n} for n in "35"]
    assert loop("cuda", 4, 2) == [{"CUDA_VISIBLE_DEVICES": n} for n in "3535"]
    assert loop("cuda", None, 1) == [{"CUDA_VISIBLE_DEVICES": "3"}]
    share = str(max(1, (os.cpu_count() or 1) // 2))
    assert loop("cpu", None, 2) == [{"OMP_NUM_THREADS": share}] * 2
    monkeypatch.undo()
    done = suretune(*asked_of(tmp_path, identity_file)[:5], "--search", "lora_rank=4,8",
                    "--num_gpus", 99, "--json")  # fmt: skip
    assert done.returncode == 4 and [f["code"] for f in as_json(done)["findings"]] == ["S066"]


def test_rows_that_a_sweep_refuses_are_looked_at_with_its_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"messages": "broken\n')
    asked = ("--model", "pocket", "--dataset", str(rows))
    assert main(["sweep", *asked, "--search", "learning_rate=1e-4,1e-3", "--json"]) == 3
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert f"`suretune check --model pocket --dataset {rows}`" in finding["fix"]["en"]
