"""Which run a word means, going on with one, the list of a seal, and names of every kind."""

from __future__ import annotations

import errno
import fcntl
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from conftest import PLAIN, WARM, as_json, codes, suretune, within, write_rows
from suretune import rundir, typed, words
from suretune.cli import VERBS, main, make_parser, out
from suretune.cli.job import say_where
from suretune.cli.parse import Command
from suretune.cli.verbs.report import verdict_of
from suretune.config import Resolved
from suretune.guards import judge
from suretune.pocket import MODEL
from suretune.preflight.flags import resuming_flags
from suretune.record.journal import Journal, Stopped
from suretune.record.lock import LOCK, is_busy, only_writer
from suretune.record.meant import Meant, meant, not_sealed, run_meant, way_back
from suretune.record.sealed import WITHOUT_WHICH, read_seal, sealed_names
from suretune.record.whatitis import no_checkpoint
from suretune.run.folder import write_config
from suretune.run.onward import next_commands, where_it_is
from suretune.run.resume import go_on_in, reopen


def a_run(folder: Path, *steps: int, sealed: bool = False) -> Path:
    """A run folder as far as its name goes: complete checkpoints, perhaps a seal."""
    folder.mkdir(parents=True)
    (folder / "findings.jsonl").write_text("")
    rundir.write_json(folder / "run.json", {"settings": {}})
    for step in steps:
        path = folder / "checkpoints" / f"step-{step:06d}"
        path.mkdir(parents=True)
        (path / "adapter_config.json").write_text("{}")
        rundir.write_manifest(path)
        rundir.point(folder, "last", path, step=step)
    if sealed:
        rundir.write_json(folder / rundir.SEAL, {"verdict": "sealed", "files": {}})
    return folder


def stopped_by(call: Callable[[], object]) -> Any:
    with pytest.raises(Stopped) as stopped:
        call()
    (finding,) = stopped.value.findings
    return finding


# --- what a word means --------------------------------------------------------------------------


def test_a_run_means_itself_whatever_lies_in_it(tmp_path: Path) -> None:
    run = a_run(tmp_path / "C", 4, sealed=True)
    second = rundir.new_run(str(run))
    assert second == run / "run-0001" and not (run / rundir.NEWEST).exists()
    a_run(run / "run-0002", 4)
    rundir.write_json(run / rundir.NEWEST, {"run": "run-0002"})  # as an earlier version left it
    assert meant(str(run), Journal()) == Meant(run)
    assert meant(str(run / "run-0002"), Journal()) == Meant(run / "run-0002")


def test_what_never_began_gives_way_to_the_run_that_is_made_in_it(tmp_path: Path) -> None:
    shell = tmp_path / "C"
    shell.mkdir()
    (shell / "findings.jsonl").write_text("")
    assert stopped_by(lambda: meant(str(shell), Journal())).code == "S014"  # killed at once
    rundir.write_json(shell / "report.json", {"verdict": "stopped"})
    assert meant(str(shell), Journal()) == Meant(shell)  # a guard stopped it, and says why
    run = rundir.new_run(str(shell))
    rundir.write_json(run / "run.json", {})
    assert meant(str(shell), Journal()).run == run == shell / "run-0001"


def test_a_part_of_a_run_means_that_part_and_its_run(tmp_path: Path) -> None:
    run = a_run(tmp_path / "C", 4, 8)
    (run / "adapter").mkdir()
    (run / "adapter" / "adapter_config.json").write_text("{}")
    rundir.point(run, "best", run / "checkpoints" / "step-000004")
    last = run / "checkpoints" / "step-000008"
    first = run / "checkpoints" / "step-000004"
    for word, part in (
        ("adapter", run / "adapter"), ("checkpoints/step-000008", last), ("last", last),
        ("best", first), ("checkpoint-4", first), ("checkpoints/step-8", last),
        ("checkpoints", None), ("run.json", None), ("checkpoints/step-000004/MANIFEST.json", first),
    ):  # fmt: skip
        assert meant(str(run / word), Journal()) == Meant(run, part), word


def test_a_folder_of_runs_means_its_only_one_and_says_so(tmp_path: Path) -> None:
    run = a_run(tmp_path / "out" / "run-0001", 4)
    found = meant(str(tmp_path / "out"), Journal())
    assert found.run == run and found.chosen and str(run) in found.chosen.en
    assert str(run) in found.chosen.zh


def test_a_run_on_which_another_process_works_is_no_interrupted_one(tmp_path: Path) -> None:
    run = a_run(tmp_path / "live")
    rundir.write_json(run / "plan.json", {"schedule": {"total": 30}})
    rundir.write_jsonl(run / "steps.jsonl", [{"step": step} for step in range(1, 7)])
    lock = run / LOCK

    def asked() -> list[Any]:
        return [
            stopped_by(lambda: verdict_of(run, Command(VERBS[0], Resolved.default()), Journal())),
            stopped_by(lambda: read_seal(run, Journal())),
        ]

    def goes_on() -> None:
        with only_writer(lock, Journal()):
            pass

    with only_writer(lock, Journal()):
        report, verify = asked()
        others = [stopped_by(call) for call in (lambda: reopen(run, Journal()), goes_on)]
    at_work = f"Another suretune works on the run {run} now (update 6 of 30)."
    assert report.what.en == at_work and report.fix.en.startswith("Wait until that has ended. ")
    assert verify.fix.en == f"{at_work} Wait until that has ended."
    for other in others:
        assert other.what.en == f"{run} cannot be written to: another suretune writes here."
        assert other.fix.en == "Wait until the other one has ended, then type the command again."
    gone = stopped_by(lambda: only_writer(run / "gone" / LOCK, Journal()).__enter__())
    assert gone.fix.en.startswith("Let it be written to, or copy the whole folder")
    goes_on()
    report, verify = asked()
    interrupted = f"The run {run} was interrupted after update 6 of 30; it has no verdict yet."
    assert report.what.en == interrupted
    assert (
        f"`suretune resume {run}`" in report.fix.en and f"`suretune resume {run}`" in verify.fix.en
    )


def test_beside_a_run_that_is_still_made_nobody_is_sent_to_resume_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = a_run(tmp_path / "live")
    second = rundir.new_run(str(run))
    with only_writer(run / LOCK, Journal()):
        say_where(second, str(run))
    say_where(second, str(run))
    at_work, interrupted = capsys.readouterr().err.split("This run is")[:2]
    assert at_work == f"Another suretune works on the run {run} now. "
    assert f"to go on with it: suretune resume {run}" in interrupted


@pytest.mark.parametrize(
    "verdict, reasons, known",
    [
        ("not-verified", ["R003 probes-failed", "R004 skills-lost"], True),
        ("forgetting-not-measured", ["R018 forgetting-not-measured"], True),
        ("stopped", ["T006 diverged"], False),
        ("sealed", [], False),
    ],
)
def test_of_a_run_whose_proof_did_not_hold_it_is_said_for_what(
    verdict: str,
    reasons: list[str],
    known: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = a_run(tmp_path / "made")
    rundir.write_json(run / "report.json", {"verdict": verdict, "reasons": reasons})
    facts = not_sealed(Meant(run), serving=False)
    assert facts.found == ", ".join(reasons) * known
    (found,) = judge(facts)
    unknown = "Whether it learned what it should, nobody knows."
    assert found.why.en == (f"Its proof did not hold: {facts.found}." if known else unknown)
    assert not_sealed(Meant(run, run / "adapter"), serving=True).found == facts.found
    say_where(rundir.new_run(str(run)), str(run))
    said = capsys.readouterr().err
    assert (f"({facts.found}): suretune report {run}" in said) == known
    assert (f"to go on with it: suretune resume {run}" in said) != known
    (run / "report.json").write_text("{")
    assert not_sealed(Meant(run, run / "adapter"), serving=True).found == ""


def test_who_only_looks_keeps_no_writer_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its shared lock is there for a moment; it is asked for again."""
    path = tmp_path / LOCK
    path.touch()
    with path.open("rb") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        monkeypatch.setattr(time, "sleep", lambda s: s and fcntl.flock(looking, fcntl.LOCK_UN))
        with only_writer(path, Journal()):
            assert is_busy(tmp_path)
    assert not is_busy(tmp_path)


def test_a_lock_that_we_may_not_read_is_nobodys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    (tmp_path / LOCK).touch()
    monkeypatch.setattr(Path, "open", refused)
    assert not is_busy(tmp_path)


def test_a_file_system_without_locks_is_no_other_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    (tmp_path / LOCK).touch()
    monkeypatch.setattr(fcntl, "flock", flock)
    assert not is_busy(tmp_path)
    stopped = stopped_by(lambda: only_writer(tmp_path / LOCK, Journal()).__enter__())
    assert stopped.code == "S009" and "-o flock" in stopped.fix.en
    assert "another suretune" not in stopped.what.en + stopped.fix.en


def test_a_sealed_run_that_lost_its_report_is_damaged_and_not_interrupted(tmp_path: Path) -> None:
    run = a_run(tmp_path / "sealed")
    for name in (*WITHOUT_WHICH, "report.json"):
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_text("{}")
    digests = rundir.digests(run, sealed_names(run))
    rundir.write_json(run / rundir.SEAL, {"verdict": "sealed", "files": digests})
    assert read_seal(run, Journal())["files"] == digests
    (run / "report.json").unlink()
    for call in (
        lambda: verdict_of(run, Command(VERBS[0], Resolved.default()), Journal()),
        lambda: read_seal(run, Journal()),
    ):
        finding = stopped_by(call)
        seal = run / rundir.SEAL
        assert finding.code == "S015"
        assert finding.what.en == f"{seal} is not as it was written: report.json: is gone."
    there = no_checkpoint(run, None)
    assert there.hint and there.hint.en == f"The run {run} was sealed, and has lost files since."
    assert there.spare == f"suretune verify {run}"


ALONE = "is what a run of suretune made, without the run"


@pytest.mark.parametrize(
    ("files", "whose"),
    [
        (("adapter_config.json",), "is an adapter of another tool, not a run"),
        (("adapter_config.json", "suretune.json"), ALONE),
        (("config.json", "suretune.json"), ALONE),
    ],
)
def test_an_adapter_alone_is_called_whose_it_is(
    files: tuple[str, ...], whose: str, tmp_path: Path
) -> None:
    alone = tmp_path / "alone"
    alone.mkdir()
    for name in files:
        (alone / name).write_text("{}")
    finding = stopped_by(lambda: run_meant(str(alone), Journal()))
    assert finding.what.en == f"{alone} {whose}: it has no record to look at."
    assert finding.fix.en.startswith(f"Type `suretune infer --adapters {alone}`. ")


def test_of_several_runs_one_has_to_be_named(tmp_path: Path) -> None:
    for name in ("a", "b c", "z"):
        a_run(tmp_path / "out" / name)
    rundir.write_json(tmp_path / "out" / rundir.NEWEST, {"run": "b c"})
    how = "suretune verify"
    finding = stopped_by(lambda: meant(str(tmp_path / "out"), Journal(), how))
    assert finding.code == "S037" and "a, z, b c" in finding.what.en
    command = finding.fix.en.split("`")[1]
    assert shlex.split(command) == ["suretune", "verify", str(tmp_path / "out" / "b c")]


def test_where_no_run_is_the_nearest_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    a_run(tmp_path / "runs" / "mine")
    finding = stopped_by(lambda: meant("runs/min", Journal(), "suretune report"))
    assert finding.code == "S014" and f"`suretune report {tmp_path}/runs/mine`" in finding.fix.en
    for word in ("x" * 300, "~nobody-there/x", "a\0b"):
        assert stopped_by(lambda word=word: meant(word, Journal())).code == "S014"


def test_anybodys_adapter_is_no_run(tmp_path: Path) -> None:
    (tmp_path / "peft").mkdir()
    (tmp_path / "peft" / "adapter_config.json").write_text("{}")
    assert meant(str(tmp_path / "peft"), Journal()) == Meant(None, tmp_path / "peft")
    finding = stopped_by(lambda: run_meant(str(tmp_path / "peft"), Journal()))
    assert finding.code == "S014" and "suretune infer --adapters" in finding.fix.en


def test_who_asks_a_whole_model_is_given_the_same_command_with_model(tmp_path: Path) -> None:
    """`ask FOLDER QUESTION` was answered with `infer --model FOLDER`: the question was lost."""
    shutil.copytree(MODEL, base := tmp_path / "base")
    said = within("ask", base, "你好？", "--max_new_tokens", 3, "--lang", "zh")
    given = next(line.strip() for line in said.stdout.splitlines() if " ask " in line[:24])
    assert shlex.split(given)[1:3] == ["ask", "你好？"]
    assert said.returncode == 4 and given.endswith(f"--model {base} --lang zh")
    assert within(*shlex.split(given)[1:]).returncode == 0
    other = within("verify", base)
    assert f"suretune infer --model {base}" in " ".join(other.stdout.split())


@pytest.mark.parametrize(
    "verb",
    [
        ("verify",), ("report",), ("resume",), ("infer", "--adapters"), ("ask", "--adapters"),
        ("serve", "--port", "0"), ("verify", "http://127.0.0.1:9/v1", "--run"),
        ("verify", "--benchmark", "ifeval", "--benchmark_limit", "1"),
    ],
)  # fmt: skip
def test_every_verb_asks_the_same_law(
    verb: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("Hi\n"))
    # A benchmark is looked at before any run is, and may not be installed here.
    monkeypatch.setattr("suretune.compare.benchmark.open_benchmark", lambda *_: (Path(), []))
    for name in ("run-0001", "run-0002"):
        a_run(tmp_path / "out" / name)
    stated = (verb[0], str(tmp_path / "out"), *verb[1:])
    if verb[-1] in ("--adapters", "--run"):
        stated = (*verb, str(tmp_path / "out"))
    assert main([*stated, "--json"]) == 4
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert finding["code"] == "S037", finding


def test_a_run_without_a_seal_is_said_to_have_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = a_run(tmp_path / "it's", 4)
    assert main(["verify", str(run), "--json"]) == 6
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert finding["code"] == "V002" and str(run) in finding["what"]["en"]
    assert shlex.split(finding["fix"]["en"].split("`")[1]) == ["suretune", "resume", str(run)]
    rundir.write_json(run / "report.json", {"verdict": "not-verified"})
    main(["verify", str(run), "--json"])
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert shlex.split(finding["fix"]["en"].split("`")[1]) == ["suretune", "report", str(run)]
    # A report that says so stands in for no seal; whoever shows it again is not sent back to it.
    rundir.write_json(run / "report.json", {"verdict": "sealed"})
    for verb in ("verify", "report"):
        assert main([verb, str(run), "--json"]) == 6
        (finding,) = json.loads(capsys.readouterr().out)["findings"]
        assert finding["code"] == "V002"
        assert shlex.split(finding["fix"]["en"].split("`")[1]) == ["suretune", "resume", str(run)]
    rundir.write_json(run / rundir.SEAL, {"files": {}})
    assert main(["verify", str(run / "checkpoints" / "step-000004"), "--json"]) == 6
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert finding["code"] == "V002"  # the seal is about another folder
    assert shlex.split(finding["fix"]["en"].split("`")[1]) == ["suretune", "verify", str(run)]


def test_a_report_speaks_of_where_its_run_lies_now(tmp_path: Path) -> None:
    told = {"verdict": "sealed", "run": "/gone", "next": next_commands(Path("/gone"), "sealed")}
    now = where_it_is(told, tmp_path / "a b")
    commands = [shlex.split(one["command"]) for one in now["next"]]
    assert now["run"] == str(tmp_path / "a b")
    assert [words[-1] for words in commands] == [str(tmp_path / "a b")] * 2
    unsealed = next_commands(tmp_path, "not-verified")
    assert not any("verify" in one["command"] for one in unsealed)  # there is nothing to verify


def test_a_second_run_in_a_runs_folder_leaves_the_first_alone(
    trained: Path, identity_file: Path, tmp_path: Path
) -> None:
    run = tmp_path / "C"
    shutil.copytree(trained, run)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    done = suretune(
        "sft", "--model", "pocket", "--dataset", identity_file, "--output_dir", run,
        "--max_steps", 1, "--general_questions", 20, "--split_dataset_ratio", 0,
        "--anchor_ratio", 0, "--until_proven", "false",
    )  # fmt: skip
    assert f"This run is {run}/run-0001" in done.stderr and "stays as it is" in done.stderr
    assert f"{run}/run-0001" in done.stdout
    assert {path: path.read_bytes() for path in before} == before
    assert as_json(within("report", run, "--json"))["run"] == str(run)
    read_seal(run, Journal())  # and the seal still holds


# --- going on -----------------------------------------------------------------------------------


def test_relative_paths_are_read_where_the_run_was_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, other = tmp_path / "first", tmp_path / "other"
    for folder in (begun, other):
        folder.mkdir()
    run = a_run(begun / "out")
    (begun / "rows.jsonl").write_text("{}\n")
    (run / "config.yaml").write_text('model: "pocket"  # flag\ndataset: ["rows.jsonl#5"]  # flag\n')
    rundir.write_json(run / "run.json", {"folder": str(begun), "run": str(run)})
    monkeypatch.chdir(other)
    assert go_on_in(run) == begun
    begun.rename(tmp_path / "moved")  # all of it together
    assert go_on_in(tmp_path / "moved" / "out") == tmp_path / "moved"
    (tmp_path / "moved" / "rows.jsonl").rename(other / "rows.jsonl")
    assert go_on_in(tmp_path / "moved" / "out") == other


def test_rows_that_are_no_data_any_more_are_looked_at_again_by_going_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, rows = a_run(tmp_path / "run"), tmp_path / "rows.jsonl"
    asked = Resolved.default().with_values("flag", model="pocket", dataset=(str(rows),))
    write_config(run / "config.yaml", asked)
    rundir.write_json(run / "run.json", {"folder": str(tmp_path), "run": str(run)})
    rows.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\n")
    assert main(["resume", str(run), "--json"]) == 3
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    for fix in finding["fix"].values():
        assert finding["code"] == "D037" and fix.count(f"`suretune resume {run}`") == 1
        assert "suretune check" not in fix


def test_a_run_goes_on_from_another_folder_and_from_a_named_checkpoint(tmp_path: Path) -> None:
    """Taken back to its first update and resumed from elsewhere, it ends as it had ended."""
    home = tmp_path / "it's $HOME"
    home.mkdir()
    rows = [{"instruction": f"Say {i}", "output": f"{i}."} for i in range(6)]
    write_rows(home / "-rows.jsonl", rows)
    asked = (
        "--model", "pocket", "--dataset", "./-rows.jsonl", "--max_steps", 3, "--save_steps", 1,
        "--until_proven", "false", "--general_questions", 1, "--split_dataset_ratio", 0,
        "--anchor_ratio", 0, "--preview", 0,
    )  # fmt: skip
    suretune("sft", *asked, "--output_dir", 'a "b"\nc ', cwd=home, timeout=600)
    run = home / 'a "b"\nc '
    whole = (run / "checkpoints" / "step-000003" / "adapter_model.safetensors").read_bytes()
    for name in ("report.json", "adapter", rundir.SEAL):
        path = run / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    named = run / "checkpoints" / "step-000001"
    done = suretune("resume", "--resume_from_checkpoint", named, cwd=tmp_path, timeout=600)
    assert done.returncode in (0, 6, 8), done.stdout + done.stderr
    assert "where the run was begun" in done.stderr
    resumed = [e for e in rundir.read_jsonl(run / "events.jsonl") if e["event"] == "resumed"]
    assert resumed == [{"event": "resumed", "step": 1}]
    assert rundir.checkpoints(run)[-1][0] == 3
    again = (run / "checkpoints" / "step-000003" / "adapter_model.safetensors").read_bytes()
    assert again == whole


def test_a_checkpoint_that_is_not_whole_is_not_gone_on_from(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = a_run(tmp_path / "run", 4, 8)
    path = run / "checkpoints" / "step-000004" / "adapter_config.json"
    path.write_text('{"r": 1}')
    assert main(["resume", str(path.parent), "--json"]) == 4
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert finding["code"] == "S015" and f"`suretune resume {run}`" in finding["fix"]["en"]


@pytest.mark.parametrize("flag", ["resume_from_checkpoint", "resume"])
def test_other_tools_words_for_a_resume_name_the_command(flag: str, tmp_path: Path) -> None:
    run = a_run(tmp_path / "my run", 4)
    given = {"resume": True, "output_dir": str(run)} if flag == "resume" else {flag: str(run)}
    (facts,) = resuming_flags(Resolved.default().with_values("flag", **given))
    assert facts.hint and shlex.split(facts.hint.en.split("`")[1]) == [
        "suretune", "resume", str(run)
    ]  # fmt: skip
    hf = {"resume_from_checkpoint": "True", "output_dir": str(tmp_path)}
    (facts,) = resuming_flags(Resolved.default().with_values("flag", **hf))
    assert facts.hint and str(run) in facts.hint.en  # the newest of the folder
    other = {"resume_from_checkpoint": str(tmp_path / "checkpoint-500")}
    (facts,) = resuming_flags(Resolved.default().with_values("flag", **other))
    assert facts.hint and "no run of suretune" in facts.hint.en
    for word in ("false", "null", "none"):
        none = Resolved.default().with_values("flag", resume_from_checkpoint=word)
        assert not list(resuming_flags(none))


@pytest.mark.parametrize(
    "stated",
    [
        ("sft", "--model", "pocket", "--dataset", "x", "--resume_from_checkpoint", "RUN"),
        ("sft", "--resume", "--output_dir", "RUN"),
        ("check", "--resume-from-checkpoint=RUN"),
        ("sft", "--resume_only_model", "true"),
        ("sft", "--ignore_data_skip", "true"),
        ("resume", "RUN", "--ignore_data_skip", "true"),
        ("resume", "RUN", "--resume_only_model"),
    ],
)
def test_a_resume_in_other_words_is_refused_by_name(
    stated: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = a_run(tmp_path / "r", 4)
    assert main([*(word.replace("RUN", str(run)) for word in stated), "--json"]) == 2
    told = json.loads(capsys.readouterr().out)["findings"]
    assert [finding["code"] for finding in told] == ["C004"]
    assert "esume" in told[0]["fix"]["en"] and "gradient" not in told[0]["fix"]["en"]


def test_two_different_runs_to_resume_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, two = a_run(tmp_path / "one"), a_run(tmp_path / "two")
    assert main(["resume", str(one), "--resume_from_checkpoint", str(two), "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["findings"][0]["code"] == "C006"


# --- the list of a seal -------------------------------------------------------------------------


def outside(run: Path, seal: dict[str, Any]) -> None:
    (run.parent / "outside.txt").write_text("x")
    seal["files"]["../outside.txt"] = rundir.sha256(run.parent / "outside.txt")


def absolute(run: Path, seal: dict[str, Any]) -> None:
    seal["files"][str(run / "run.json")] = seal["files"]["run.json"]


def roundabout(run: Path, seal: dict[str, Any]) -> None:
    seal["files"]["adapter/../run.json"] = seal["files"]["run.json"]


def of_a_checkpoint(run: Path, seal: dict[str, Any]) -> None:
    (run / "checkpoints").mkdir(exist_ok=True)
    (run / "checkpoints" / "x").write_text("x")
    seal["files"]["checkpoints/x"] = rundir.sha256(run / "checkpoints" / "x")


def lost(name: str) -> Callable[[Path, dict[str, Any]], None]:
    def change(run: Path, seal: dict[str, Any]) -> None:
        del seal["files"][name]

    return change


def lost_with_its_file(run: Path, seal: dict[str, Any]) -> None:
    del seal["files"]["steps.jsonl"]
    (run / "steps.jsonl").unlink()


def all_lost(run: Path, seal: dict[str, Any]) -> None:
    seal["files"] = {}


def no_mapping(run: Path, seal: dict[str, Any]) -> None:
    seal["files"] = sorted(seal["files"])


def added(name: str) -> Callable[[Path, dict[str, Any]], None]:
    def change(run: Path, seal: dict[str, Any]) -> None:
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_text("{}")

    return change


def gone(run: Path, seal: dict[str, Any]) -> None:
    (run / "report.html").unlink()


def file_as_link(run: Path, seal: dict[str, Any]) -> None:
    path = run / "probes.jsonl"
    path.rename(run.parent / "probes.jsonl")
    path.symlink_to(run.parent / "probes.jsonl")


def folder_as_link(run: Path, seal: dict[str, Any]) -> None:
    (run / "adapter").rename(run.parent / "adapter")
    (run / "adapter").symlink_to(run.parent / "adapter")


def folder_as_link_inside(run: Path, seal: dict[str, Any]) -> None:
    (run / "adapter").rename(run / "run-other")
    (run / "adapter").symlink_to("run-other")


def link_added(run: Path, seal: dict[str, Any]) -> None:
    (run / "adapter" / "more").symlink_to("/nowhere")


CHANGES = (
    outside, absolute, roundabout, of_a_checkpoint, lost("adapter/adapter_model.safetensors"),
    lost("adapter/README.md"), lost("report.json"), lost("probes.jsonl"), lost("events.jsonl"),
    lost_with_its_file, all_lost, no_mapping, added("adapter/x.json"), added("proof/more.json"),
    gone, file_as_link, folder_as_link, folder_as_link_inside, link_added,
)  # fmt: skip


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__qualname__)
def test_a_seal_whose_list_was_changed_is_broken(
    change: Callable[[Path, dict[str, Any]], None],
    trained: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    run = tmp_path / "inside" / "run"
    shutil.copytree(trained, run, ignore=shutil.ignore_patterns("checkpoints"))
    read_seal(run, Journal())
    seal = rundir.read_json(run / rundir.SEAL)
    change(run, seal)
    rundir.write_json(run / rundir.SEAL, seal)
    served = ["serve", str(run), "--port", "0"]
    for stated in (["verify", str(run)], served, ["report", str(run)], ["resume", str(run)]):
        assert main([*stated, "--json"]) == 4
        (finding,) = json.loads(capsys.readouterr().out.splitlines()[-1])["findings"]
        assert finding["code"] == "S015", finding


def test_what_belongs_to_nobodys_proof_may_lie_beside_it(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    shutil.rmtree(run / "checkpoints")
    (run / "notes.txt").write_text("mine")
    a_run(run / "run-0001")
    rundir.write_json(run / "benchmark-ifeval.json", {})
    assert read_seal(run, Journal())["verdict"] == "sealed"


def test_a_damaged_file_names_the_way_back(tmp_path: Path) -> None:
    run = a_run(tmp_path / "a b", 4)
    assert shlex.split(way_back(run / "checkpoints" / "step-000004")) == [
        "suretune", "resume", str(run)
    ]  # fmt: skip
    assert way_back(tmp_path / "peft") == "" == way_back(run / "config.yaml")
    assert way_back(run / "plan.json") == "", "what it cannot go on without, nor be made again"
    (run / "config.yaml").write_text("")
    assert "sft --config" in way_back(run / "plan.json"), "resume would end there again"
    rundir.write_json(run / rundir.SEAL, {})
    assert shlex.split(way_back(run / "adapter")) == [
        "suretune", "sft", "--config", str(run / "config.yaml"), "--output_dir", f"{run}-again"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("lost", "advised"),
    [("config.yaml", ""), ("plan.json", "-again"), ("run.json", "put it back")],
)
def test_what_a_run_lost_is_told_and_no_command_that_fails_the_same(
    lost: str, advised: str, tmp_path: Path
) -> None:
    """Not as a failure of suretune's own, nor as a run that never began."""
    file = write_rows(tmp_path / "rows.jsonl", [{"query": "Hi", "response": "Hello."}] * 2)
    run = a_run(tmp_path / "run", 3)
    (run / "steps.jsonl").write_text('{"step":3}\n')
    asked = Resolved.default().with_values(
        "flag", model="pocket", dataset=(str(file),), split_dataset_ratio=0.0, device="cpu"
    )
    write_config(run / "config.yaml", asked)
    (run / lost).unlink(missing_ok=True)
    done = within("resume", run, "--json")
    (told,) = [found for found in as_json(done)["findings"] if found["code"] in ("S014", "S015")]
    assert done.returncode == 4, done.stderr
    assert lost in told["where"] + told["what"]["en"] and lost in told["where"] + told["what"]["zh"]
    assert "before" not in told["what"]["en"] and "suretune resume" not in told["fix"]["en"]
    assert advised in told["what"]["en"] + told["fix"]["en"]


def test_the_way_back_of_a_seal_is_not_by_a_config_that_changed(tmp_path: Path) -> None:
    run = a_run(tmp_path / "run", 4)
    for name in ("config.yaml", *WITHOUT_WHICH):
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_text("as it was")
    files = {name: rundir.sha256(run / name) for name in ("config.yaml", *WITHOUT_WHICH)}
    rundir.write_json(run / rundir.SEAL, {"files": files})
    (run / "config.yaml").write_text("another")
    fix = stopped_by(lambda: read_seal(run, Journal())).fix
    assert "suretune" not in fix.en + fix.zh and "Put it back" in fix.en
    (run / "config.yaml").write_text("as it was")
    (run / "probes.jsonl").write_text("another")
    assert "-again" in stopped_by(lambda: read_seal(run, Journal())).fix.en


# --- names of every kind ------------------------------------------------------------------------


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.text(min_size=1).filter(lambda text: "\0" not in text))
def test_a_word_is_typed_so_that_bash_reads_it_back(text: str) -> None:
    try:
        said = os.fsencode(text)
    except UnicodeEncodeError:  # no system has such a name
        return
    word = typed.word(text)
    assert out.printable(word, keep="") == word and "`" not in word
    done = subprocess.run(["bash", "-c", f"printf %s {word}"], capture_output=True, check=True)
    assert done.stdout == said


@pytest.mark.parametrize("name", [b"caf\xe9", b"\xd1\xb5\xc1\xb7", b"a\xffb", b"x'\n\xe9 $y"])
def test_bytes_that_are_no_text_are_typed_too(name: bytes) -> None:
    done = subprocess.run(
        ["bash", "-c", f"printf %s {typed.word(os.fsdecode(name))}"],
        capture_output=True,
        check=True,
    )
    assert done.stdout == name


def test_a_path_is_never_taken_for_a_flag() -> None:
    assert typed.path("-x") == "./-x" and typed.path("x") == "x" and typed.path("/-x") == "/-x"


def bytes_run(cwd: bytes | Path, *stated: object) -> subprocess.CompletedProcess[str]:
    typed_words = [word if isinstance(word, bytes) else str(word) for word in stated]
    WARM.start({**os.environ, **PLAIN})
    env = {**os.environ, **PLAIN}
    return subprocess.run(
        [WARM.python, "-m", "suretune", *typed_words], cwd=cwd, env=env, capture_output=True,
        text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("name", "good"),
    [
        (b"\xd1\xb5\xc1\xb7.jsonl", "训练.jsonl"), (b"caf\xe9.jsonl", "café.jsonl"),
        (b"L\xf6schen's.jsonl", "Löschen's.jsonl"), (b"a\x81\xff.jsonl", "a__.jsonl"),
    ],
)  # fmt: skip
def test_a_name_that_is_no_utf8_is_refused_with_the_command_that_mends_it(
    name: bytes, good: str, tmp_path: Path, identity_file: Path
) -> None:
    there = os.path.join(os.fsencode(tmp_path), name)
    shutil.copyfile(identity_file, there)
    stated = ("check", "--model", "pocket", "--dataset")
    done = bytes_run(tmp_path, *stated, name + b"#5", "--json")
    (finding,) = as_json(done)["findings"]
    assert done.returncode == 4 and finding["code"] == "S038" and "Traceback" not in done.stderr
    for told in (bytes_run(tmp_path, *stated, name), bytes_run(tmp_path, *stated, tmp_path)):
        assert told.returncode == 4 and "S038" in told.stdout
        assert told.stderr.startswith("exit status 4") and told.stderr.count("\n") == 1
    command = finding["fix"]["en"].partition("`")[2].rpartition("`")[0]
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True)
    assert os.listdir(tmp_path) == [good]
    assert bytes_run(tmp_path, *stated, good + "#5", "--json").returncode == 0


def test_a_working_folder_that_is_no_utf8_is_refused_before_anything(
    tmp_path: Path, identity_file: Path
) -> None:
    here = os.path.join(os.fsencode(tmp_path), b"\xd1\xb5\xc1\xb7")
    os.mkdir(here)
    for verb in ("sft", "check"):
        done = bytes_run(here, verb, "--model", "pocket", "--dataset", identity_file, "--json")
        (finding,) = as_json(done)["findings"]
        assert done.returncode == 4 and finding["code"] == "S038"
    command = finding["fix"]["en"].partition("`")[2].rpartition("`")[0]
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True)
    assert os.listdir(tmp_path) == ["训练"] and not os.listdir(tmp_path / "训练")


def test_an_output_folder_and_a_run_that_are_no_utf8_are_refused(
    tmp_path: Path, identity_file: Path
) -> None:
    bad = os.path.join(os.fsencode(tmp_path), b"r\xff")
    stated = ("sft", "--model", "pocket", "--dataset", identity_file, "--output_dir", bad)
    assert codes(bytes_run(tmp_path, *stated, "--json")) == ["S038"]
    os.mkdir(bad)
    for verb in ("report", "verify", "resume", "serve"):
        assert codes(bytes_run(tmp_path, verb, bad, "--json")) == ["S038"]
    assert codes(bytes_run(tmp_path, "ask", "--adapters", bad, "--json")) == ["S038"]


def test_a_crash_report_takes_any_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(*_: object) -> int:
        raise RuntimeError(f"no {os.fsdecode(b'r' + bytes([255]))} \x1b[31m")

    monkeypatch.setattr("suretune.cli.run_verb", fails)
    assert main(["report", "x"]) == 1
    said = capsys.readouterr().err
    assert "error.txt" in said and "\x1b" not in said
    path = Path(next(word for word in said.split() if word.endswith("error.txt")))
    assert "RuntimeError" in path.read_text("utf-8")
    shutil.rmtree(path.parent)


# --- nothing that others wrote acts on a terminal -----------------------------------------------

ACTS = "\x1b[31mred\x07 \u202eleft\u2066 \x9b2J"


def quiet(text: str) -> bool:
    return not any(char in text for char in "\x1b\x07\u202e\u2066\x9b")


def test_the_verbs_print_from_one_place() -> None:
    folder = Path(out.__file__).parent
    for path in folder.glob("*.py"):
        if path.stem != "out":
            assert "print(" not in path.read_text("utf-8").replace("fingerprint(", ""), path


def test_what_is_told_cannot_act(capsys: pytest.CaptureFixture[str]) -> None:
    out.tell(ACTS)
    out.tell(ACTS, err=True)
    out.tell_json({"said": ACTS})
    said = capsys.readouterr()
    assert quiet(said.out) and quiet(said.err) and "red" in said.out
    assert json.loads(said.out.splitlines()[-1]) == {"said": ACTS}


def test_a_run_folders_name_cannot_act(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = a_run(tmp_path / ACTS / "run", 4)
    for stated in (
        ["verify", str(run)], ["report", str(run.parent)], ["resume", str(tmp_path / ACTS)],
        ["infer", "--adapters", str(tmp_path / ACTS / "nothing")], ["serve", str(run)],
        ["verify", "http://127.0.0.1:9/v1", "--run", str(run)],
    ):  # fmt: skip
        assert main(stated) != 0
        said = capsys.readouterr()
        assert quiet(said.out + said.err), stated


def test_a_file_of_questions_cannot_act(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "q.txt").write_text(f"Hi {ACTS}\n", "utf-8")
    stated = ["ask", "--adapters", str(trained), "--questions", str(tmp_path / "q.txt")]
    assert main([*stated, "--max_new_tokens", "2"]) == 0
    said = capsys.readouterr()
    assert quiet(said.out + said.err) and "red" in said.out


def test_a_strangers_adapter_cannot_act(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "peft").mkdir()
    about = json.dumps({"base_model_name_or_path": f"x/{ACTS}", "peft_type": "LORA"})
    (tmp_path / "peft" / "adapter_config.json").write_text(about)
    save_file({}, tmp_path / "peft" / "adapter_model.safetensors")
    monkeypatch.setattr("sys.stdin", io.StringIO("Hi\n"))
    assert main(["infer", "--adapters", str(tmp_path / "peft")]) == 4
    said = capsys.readouterr()
    assert quiet(said.out + said.err) and "red" in said.out


def test_a_servers_model_list_cannot_act(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from suretune.cli import serve, served

    run = a_run(tmp_path / "run", sealed=True)
    asked = {"answers": 1, "as_sealed": 1}
    told = {"model": ACTS, "server": "http://h/v1", "verified": True, "asked": asked}
    told["without_system"] = {"answers": 0, "as_sealed": 0}
    monkeypatch.setattr(served, "verify_server", lambda *_: (told, 0))
    assert main(["verify", "http://127.0.0.1:9/v1", "--run", str(run)]) == 0
    assert main(["verify", "http://127.0.0.1:9/v1", "--run", str(run), "--json"]) == 0
    about = {"url": "u", "models": [{"id": ACTS, "parent": None, "suretune": {}}]}
    about |= {"max_model_len": 64, "context": 64, "asked_model_len": None, "engines": 1}
    serve.show_address(about, False)
    said = capsys.readouterr()
    assert quiet(said.out + said.err) and said.out.count("red") == 3


def test_a_name_in_a_servers_list_cannot_act_in_a_finding(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from suretune import show
    from suretune.deploy.server_check import _no_such, _says

    show.findings(_no_such("glow", _says(ACTS), Journal()).findings)
    said = capsys.readouterr().out
    assert quiet(said) and "red" in said


def test_the_help_of_resume_names_other_tools_words() -> None:
    verb = next(verb for verb in VERBS if verb.name == "resume")
    words.choose("en")
    said = make_parser(verb, {}).format_help()
    words.choose(None)
    assert "--resume_from_checkpoint" in said


@pytest.mark.parametrize(
    ("verdict", "status"),
    [("forgetting-not-measured", 8), ("not-verified", 6), ("stopped", 5), ("odd", 6)],
)
def test_report_ends_as_the_run_did(
    verdict: str, status: int, trained: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run, ignore=shutil.ignore_patterns("checkpoints"))
    told = rundir.read_json(run / "report.json")
    rundir.write_json(run / "report.json", {**told, "verdict": verdict})
    assert within("report", run, "--json").returncode == status


def test_the_command_to_look_again_reads_the_rows_as_this_one_did(tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "my rows.jsonl", [{"q": "Hi?", "a": ""}] * 3)
    words = ("--model", "pocket", "--columns", "q=query", "a=response")
    done = within("check", "--dataset", rows, *words, "--json")
    found = [each for each in as_json(done)["findings"] if each["code"] == "D009"]
    (command,) = re.findall(r"`(suretune check [^`]+)`", found[0]["fix"]["en"])
    assert command in found[0]["fix"]["zh"]
    again = within(*shlex.split(command)[1:], "--json")
    assert codes(again) == codes(done)
