"""Law L5: stopped at any moment and resumed = never stopped, bit for bit.

A parent imports torch once and forks a child for every trial; the child trains the pocket model
through the real stages and is killed with SIGKILL at a random moment, mid-checkpoint included.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import time
from array import array
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from conftest import as_json, within, write_rows
from shallow import shallow
from suretune import rundir
from suretune.battery.items import proof_questions, way_questions
from suretune.config import Resolved
from suretune.events import Ended, Event
from suretune.options import ProofOptions
from suretune.pocket import MODEL
from suretune.preflight.check import check
from suretune.prepare.starter import identity_rows
from suretune.record.journal import Journal, Stopped
from suretune.run import compose
from suretune.run.compose import train_only
from suretune.run.folder import make_run
from suretune.run.prove import seal
from suretune.run.questions import derived_parts, keep_questions
from suretune.run.resume import _changed_by, reopen
from suretune.types import Origin, Sample, Span
from suretune.verify.measure import Questions
from suretune.verify.probes import Probe
from test_guards import PROOF

KILLS = 20  # the long form of `make chaos` has 500
UPDATES = 6
RESUMED = ".resumed"  # beside the run: what its process knew of the one before


class Silence:
    """A listener that says nothing."""

    def on(self, event: Event) -> None: ...


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Resolved:
    """Six updates of four rows with dropout, an evaluation and a checkpoint after every update."""
    folder = tmp_path_factory.mktemp("kill")
    rows = identity_rows(("Glow",), ("Star Lab",), ("en",))[:24]
    base = shallow(folder / "base")
    # This is about training: a few questions on the way, not all.
    skills = (MODEL / "skills.jsonl").read_text("utf-8").splitlines(keepends=True)
    (base / "skills.jsonl").write_text("".join(skills[:5]), "utf-8")
    probe = folder / "probe.txt"
    probe.write_text("Who are you?\n")
    return Resolved.default().with_values(
        "flag", model=str(base), dataset=(str(write_rows(folder / "rows.jsonl", rows)),),
        max_steps=UPDATES, gradient_accumulation_steps=4, lora_dropout=0.1, save_steps=1,
        eval_steps=2, split_dataset_ratio=0.1, save_total_limit=3, probes=str(probe),
        device="cpu", learning_rate=1e-3, max_length=512,
    )  # fmt: skip


def child(asked: Resolved, run: Path, resume: bool) -> None:
    """Train or resume in this process; 0 when the last update is saved."""
    torch.set_num_threads(1)
    journal = Journal()
    if resume:
        checked = reopen(run, journal)
        journal.open(run)
    else:
        checked = check(asked.with_values("flag", output_dir=str(run)), journal)
        run = make_run(checked.resolved, journal)
    trained = train_only(checked, run, journal, Silence(), resume=resume)
    rundir.write_json(run.with_suffix(RESUMED), {"after": trained.job.resumed})


def forked(
    asked: Resolved,
    run: Path,
    *,
    resume: bool,
    kill_after: float | None = None,
    kill_at: int | None = None,
) -> int | None:
    """The child's exit status, or None if it was killed in time: after so many seconds, or as soon
    as so many updates are written down."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            child(asked, run, resume)
            status = 0
        finally:
            os._exit(status)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(pid, signal.SIGKILL)
    if kill_at is not None:
        ended_by_itself = os.WEXITED | os.WNOHANG | os.WNOWAIT
        while len(steps(run)) < kill_at and not os.waitid(os.P_PID, pid, ended_by_itself):
            time.sleep(0.01)
        os.kill(pid, signal.SIGKILL)
    _, ended = os.waitpid(pid, 0)
    return None if os.WIFSIGNALED(ended) else os.waitstatus_to_exitcode(ended)


def weights(run: Path) -> dict[str, torch.Tensor]:
    """The last checkpoint: adapters and optimizer."""
    last = rundir.pointed(run, "last")
    assert last is not None and last.name == f"step-{UPDATES:06d}"
    return {
        **load_file(last / "adapter_model.safetensors"),
        **load_file(last / "optimizer.safetensors"),
    }


def same(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[n], b[n]) for n in a)


@pytest.fixture(scope="module")
def undisturbed(asked: Resolved, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple]:
    run = tmp_path_factory.mktemp("undisturbed") / "run"
    start = time.perf_counter()
    assert forked(asked, run, resume=False, kill_after=None) == 0
    yield run, time.perf_counter() - start


def steps(run: Path) -> list[tuple[int, float, float]]:
    return [(s["step"], s["loss"], s["grad_norm"]) for s in rundir.read_jsonl(run / "steps.jsonl")]


def test_twenty_kills_at_random_moments(
    asked: Resolved, undisturbed: tuple[Path, float], tmp_path: Path
) -> None:
    reference, whole = undisturbed
    expected, log = weights(reference), steps(reference)
    moments = random.Random(7)
    kills = trials = 0
    mid_checkpoint = 0
    while kills < KILLS:
        trials += 1
        run = tmp_path / f"run-{trials}"
        for _ in range(60):
            resume = (run / "run.json").exists()
            if not resume and run.exists():
                run = tmp_path / f"run-{trials}-{kills}"  # killed before anything was written
            ended = forked(asked, run, resume=resume, kill_after=moments.uniform(0.02, whole))
            if ended is not None:
                assert ended == 0
                break
            kills += 1
            mid_checkpoint += any((run / "checkpoints").glob(".tmp-*"))
            for _, path in rundir.checkpoints(run):
                assert rundir.damage(path) is None, "a visible checkpoint is always complete"
        assert forked(asked, run, resume=True, kill_after=None) == 0
        assert same(weights(run), expected)
        assert steps(run) == log
        assert not any((run / "checkpoints").glob(".t*"))
    print(f"{kills} kills in {trials} runs, {mid_checkpoint} of them inside a checkpoint")


@pytest.mark.parametrize("moment", ["after_weights", "before_rename", "before_pointer"])
def test_a_kill_inside_a_checkpoint(
    moment: str, asked: Resolved, undisturbed: tuple[Path, float], tmp_path: Path
) -> None:
    """The same at the three moments that matter most, not left to chance."""
    places = {
        "after_weights": "suretune.train.checkpoint.write_tensors",
        "before_rename": "suretune.rundir.publish",
        "before_pointer": "suretune.run.fit.point_to",
    }
    run = tmp_path / "run"
    pid = os.fork()
    if pid == 0:
        import importlib

        module, name = places[moment].rsplit(".", 1)
        calls = [0]

        def die(*_: object, **__: object) -> None:
            calls[0] += 1
            if calls[0] == 4:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*_, **__)

        owner = importlib.import_module(module)
        real = getattr(owner, name)
        setattr(owner, name, die)
        try:
            child(asked, run, resume=False)
        finally:
            os._exit(1)
    _, ended = os.waitpid(pid, 0)
    assert os.WIFSIGNALED(ended), "the fault was not reached"
    assert forked(asked, run, resume=True, kill_after=None) == 0
    assert same(weights(run), weights(undisturbed[0]))


def test_no_more_handles_stop_a_run_in_words(
    asked: Resolved, undisturbed: tuple[Path, float], tmp_path: Path
) -> None:
    """EMFILE at the second checkpoint: a finding, what was saved is whole, and it goes on."""
    from chaos import inject

    run = tmp_path / "run"
    pid = os.fork()
    if pid == 0:
        from suretune.record.journal import Stopped
        from suretune.run.compose import train_and_prove

        torch.set_num_threads(1)
        inject.no_handles(2)
        journal, status = Journal(), 1
        try:
            checked = check(asked.with_values("flag", output_dir=str(run)), journal)
            train_and_prove(checked, make_run(checked.resolved, journal), journal, Silence())
        except Stopped as stopped:
            said = [found.what.en for found in stopped.findings if found.code == "S009"]
            told = any("too many open files" in what and "ulimit -n" in what for what in said)
            status = stopped.status if told else 2
        finally:
            os._exit(status)
    _, ended = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(ended) == 4
    ((step, path),) = rundir.checkpoints(run)
    assert step == 1 and rundir.damage(path) is None
    assert forked(asked, run, resume=True, kill_after=None) == 0
    assert same(weights(run), weights(undisturbed[0]))


def flushed(path: Path, name: Path) -> Iterator[Path]:
    """What has to be on the disk before a file or folder is given this name."""
    yield path
    if path.is_dir():
        yield from path.rglob("*")
    if name.name == rundir.SEAL:
        yield from (name.parent / each for each in rundir.read_json(path)["files"])


@pytest.fixture
def names_given(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Path]]:
    """(fsync, folder), (mkdir, folder), (name, path) in their order.

    A name that is given to what was written to after its last fsync is an error at once.
    """
    done: list[tuple[str, Path]] = []
    safe: dict[int, tuple[int, int]] = {}  # inode: time of the last write, size
    fsync, mkdir = os.fsync, os.mkdir

    def state(about: os.stat_result) -> tuple[int, int]:
        return about.st_mtime_ns, about.st_size

    def record_fsync(handle: int) -> None:
        fsync(handle)
        about = os.fstat(handle)
        safe[about.st_ino] = state(about)
        done.append(("fsync", Path(os.readlink(f"/proc/self/fd/{handle}"))))

    def record_mkdir(path: Any, *more: Any, **named: Any) -> None:
        mkdir(path, *more, **named)
        done.append(("mkdir", Path(path)))

    def recording(real: Any) -> Any:
        def record(source: Any, target: Any) -> None:
            if not Path(target).name.startswith(".trash-"):
                for path in flushed(Path(source), Path(target)):
                    about = path.stat()
                    assert safe.get(about.st_ino) == state(about), f"{path} is not on the disk"
            real(source, target)
            done.append(("name", Path(target)))

        return record

    monkeypatch.setattr(os, "fsync", record_fsync)
    monkeypatch.setattr(os, "mkdir", record_mkdir)
    for name in ("rename", "replace"):
        monkeypatch.setattr(os, name, recording(getattr(os, name)))
    return done


def test_power_may_fail_at_any_moment(
    asked: Resolved, names_given: list[tuple[str, Path]], tmp_path: Path
) -> None:
    """What has a name is on the disk, and so is the name before anything points to it."""
    run, asked = tmp_path / "runs" / "run", asked.with_values("flag", until_proven=False)
    child(asked, run, resume=False)
    child(asked, run, resume=True)
    pointers = [at for at, (what, path) in enumerate(names_given) if path.name in ("last", "best")]
    saved = [
        path for what, path in names_given if what == "name" and path.parent.name == "checkpoints"
    ]
    assert len([path for path in saved if path.name.startswith("step-")]) >= UPDATES
    for at, (what, path) in enumerate(names_given):
        lasting = what == "name" or (what == "mkdir" and not path.name.startswith("."))
        if not lasting or path.name.startswith(".trash-") or run not in (path, *path.parents):
            continue
        until = next((place for place in pointers if place > at), len(names_given))
        synced = ("fsync", path.parent) in names_given[at + 1 : until]
        assert synced, f"the name {path} is not on the disk"


def test_power_may_fail_after_the_seal(names_given: list[tuple[str, Path]], tmp_path: Path) -> None:
    """All that a seal names is on the disk before the seal is, lines that were appended too."""
    rundir.append(tmp_path / "steps.jsonl", {"step": 1})
    (tmp_path / "proof").mkdir()
    (tmp_path / "proof" / "logits.safetensors").write_bytes(b"1")
    about = {"verdict": "verified", "created": "", "versions": {"suretune": ""}, "model": {},
             "general": None, "held_out": None}  # fmt: skip
    seal(tmp_path, PROOF, Journal(), about)
    named = rundir.read_json(tmp_path / rundir.SEAL)["files"]
    assert set(named) == {"steps.jsonl", "proof/logits.safetensors"}
    assert names_given[-1] == ("fsync", tmp_path)


def test_a_damaged_checkpoint_is_passed_over_and_named(
    asked: Resolved, undisturbed: tuple[Path, float], tmp_path: Path
) -> None:
    run = shutil.copytree(undisturbed[0], tmp_path / "run")
    newest = rundir.checkpoints(run)[-1][1] / "adapter_model.safetensors"
    data = bytearray(newest.read_bytes())
    data[-5] ^= 1
    newest.write_bytes(bytes(data))
    assert forked(asked, run, resume=True, kill_after=None) == 0
    assert same(weights(run), weights(undisturbed[0]))
    findings = list(rundir.read_jsonl(run / "findings.jsonl"))
    assert any(f["code"] == "S015" for f in findings)
    told = [rundir.recorded(each.with_suffix(RESUMED), "after") for each in (undisturbed[0], run)]
    assert told == [None, UPDATES - 1]


def test_changed_rows_are_not_resumed(asked: Resolved, tmp_path: Path) -> None:
    rows = identity_rows(("Glow",), ("Star Lab",), ("en",))[:24]
    rows[3]["output"] += " 1"
    file = write_rows(tmp_path / "rows.jsonl", rows)
    run = tmp_path / "run"
    mine = asked.with_values(
        "flag", dataset=(str(file),), max_steps=1, anchor_ratio=0.0, until_proven=False
    )
    assert forked(mine, run, resume=False, kill_after=None) == 0
    plan = "plan (rows or flags); written since it began"
    for end, what in ("2", f"{plan}: {file}"), (" Really.", f"rows, {file}:4"):
        rows[3]["output"] = rows[3]["output"][:-1] + end
        write_rows(file, rows)
        done = within("resume", run, "--json")
        assert done.returncode == 4
        (finding,) = as_json(done)["findings"]
        assert finding["code"] == "S013"
        assert finding["what"]["en"].endswith(f" this has changed: {what}.")
        anew = f"--config {run}/config.yaml --output_dir {run}-again`."
        assert finding["fix"]["en"].endswith(anew)
    rows.append(rows[5] | {"instruction": "Who is it?"})
    write_rows(file, rows)
    (finding,) = as_json(within("resume", run, "--json"))["findings"]
    assert finding["what"]["en"].endswith(f" this has changed: rows, {file}:4, {file}:25.")
    rows.pop()
    for line, what in (
        ('{"instruction": ', f"{file}:25:17 (D005 broken-json)"),
        ('{"question": "Hi", "answer": "Hello."}', "--dataset (D007 mixed-shapes)"),
    ):
        write_rows(file, rows)
        with file.open("a") as more:
            more.write(line + "\n")
        with pytest.raises(Stopped) as stopped:
            reopen(run, Journal())
        (finding,) = stopped.value.findings
        assert finding.code == "S013"
        assert finding.what.en.endswith(f" this has changed: rows, {what}.")
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{'0' * 64}\nsize 9\n"
    for text, code in ((pointer, "D037"), ("", "D016"), (None, "D001")):
        file.unlink() if text is None else file.write_text(text)
        with pytest.raises(Stopped, match=code):  # what is to be put back
            reopen(run, Journal())


def test_what_changed_is_what_stops_and_its_place_stays_whole(tmp_path: Path) -> None:
    """Behind notes, and in a file whose name has a comma."""
    note = SimpleNamespace(stops=False, code="C005", name="harmless-no-effect", where="--optim")
    stop = SimpleNamespace(stops=True, code="D008", name="wrong-type", where="a, b.jsonl:61")
    facts = _changed_by(SimpleNamespace(findings=[note, stop], status=3), tmp_path)  # type: ignore[arg-type]
    assert facts is not None
    (finding,) = Journal(verb="resume").stop(facts).findings
    assert finding.what.en.endswith(" this has changed: rows, a, b.jsonl:61 (D008 wrong-type).")
    assert finding.what.zh.endswith("：数据，a, b.jsonl:61 (D008 wrong-type)。")


def test_what_changed_of_the_questions_is_named(tmp_path: Path) -> None:
    """One kind at a time; of a run of an earlier version it is not known which."""
    probe = Probe("Who are you?", "must-pass", must=("Glow",))
    general, way = proof_questions()[:3], way_questions()[:2]
    sample = Sample(Origin("rows", 1), "rows", array("I", [1, 2]), (Span(1, 2, 1.0),), "row")
    first = Questions([probe], None, [sample], general, way)

    def changed(other: Questions) -> str | None:
        try:
            keep_questions(tmp_path, other, ["Glow"], ["Qwen"], Journal())
        except Stopped as stopped:
            (finding,) = stopped.findings
            assert finding.code == "S013"
            return re.findall(r"has changed: (.*?)\.", finding.what.en)[0]
        return None

    assert changed(first) is None and changed(first) is None
    harder = replace(probe, must=("Glow", "Star Lab"))
    assert changed(replace(first, probes=[harder])) == "probes"
    assert changed(replace(first, system="Be brief.")) == "probes"
    assert changed(replace(first, general=general[:2])) == "skills"
    assert changed(replace(first, way=way[:1])) == "skills"
    assert changed(replace(first, held_out=[])) == "rows"
    assert changed(replace(first, probes=[harder], held_out=[])) == "probes, rows"
    told = rundir.read_json(tmp_path / "questions.json")
    for parts in ({}, {"parts": 3}):
        kept = {name: told[name] for name in told if name != "parts"} | parts
        rundir.write_json(tmp_path / "questions.json", kept)
        assert changed(replace(first, probes=[harder])) == "probes, skills"


@pytest.mark.parametrize(
    ("derived", "also", "whose"),
    [
        (["probes", "skills"], False, "suretune's, too"),
        (["skills"], False, "the user's"),
        ([], False, "the user's"),
        (["probes", "skills"], True, "the user's"),
    ],
)
def test_questions_that_no_flag_gives_may_be_those_of_another_version(
    tmp_path: Path, derived: list[str], also: bool, whose: str
) -> None:
    """`also`: rows that were held out changed as well."""
    probe, sample = (
        Probe("Who are you?", "must-pass", must=("Glow",)),
        Sample(Origin("rows", 1), "rows", array("I", [1, 2]), (Span(1, 2, 1.0),), "row"),
    )
    first = Questions([probe], None, [sample], [], [])
    keep_questions(tmp_path, first, ["Glow"], [], Journal(), derived)
    harder = replace(probe, must=("Glow", "Star Lab"))
    other = replace(first, probes=[harder], held_out=[] if also else [sample])
    with pytest.raises(Stopped) as stopped:
        keep_questions(tmp_path, other, ["Glow"], [], Journal(), derived)
    (finding,) = stopped.value.findings
    said = "If nothing of yours changed, this version of suretune derives other questions"
    assert f"Undo the change and call `suretune resume {tmp_path}` again" in finding.fix.en
    assert (said in finding.fix.en) is (whose == "suretune's, too")


@pytest.mark.parametrize(
    ("flags", "derived"),
    [
        ({}, ["probes", "skills"]),
        ({"probes": "probes.yaml"}, ["skills"]),
        ({"skills": "skills.jsonl"}, ["probes"]),
        ({"general": ("general.jsonl",)}, ["probes"]),
    ],
)
def test_questions_that_no_flag_gives_are_derived(
    flags: dict[str, Any], derived: list[str]
) -> None:
    assert derived_parts(ProofOptions(**flags)) == derived


def test_ctrl_c_at_once_says_what_is_there(
    asked: Resolved,
    undisturbed: tuple[Path, float],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A second Ctrl-C, or one where no update can be ended first: while the base answers, or in
    the proof. What ended is told to whoever listens, too."""
    run = shutil.copytree(undisturbed[0], tmp_path / "run")
    ends: list[Event] = []

    class Ear:
        def on(self, event: Event) -> None:
            ends.extend([event] if isinstance(event, Ended) else [])

    def pressed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(compose, "_stages", pressed)
    newest = rundir.checkpoints(run)[-1][1]
    done = within("resume", run)
    assert done.returncode == 130
    assert f"{newest} is complete" in done.stderr and f"suretune resume {run}" in done.stderr
    shutil.rmtree(run / "checkpoints")
    done = within("resume", run)
    assert done.returncode == 130 and "before a checkpoint was written" in done.stderr
    assert f"suretune resume {run}" in done.stderr
    journal = Journal()
    with pytest.raises(KeyboardInterrupt):
        compose.train_and_prove(reopen(run, journal), run, journal, Ear(), resume=True)
    assert [end.status for end in ends] == [130]


@pytest.mark.parametrize(
    ("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)]
)
def test_a_signal_ends_after_a_complete_checkpoint(
    number: int, status: int, asked: Resolved, tmp_path: Path
) -> None:
    """The real command line: signal, exit status, resume, same plan, sealed or judged."""
    import subprocess
    import sys

    run = tmp_path / "run"
    command = [
        sys.executable, "-m", "suretune", "sft", "--model", asked.config.model.model,
        "--dataset", *asked.config.data.dataset, "--max_steps", "2000", "--save_steps", "1000",
        "--until_proven", "false", "--general_questions", "20",
        "--probes", str(asked.config.proof.probes), "--output_dir", str(run),
    ]  # fmt: skip
    env = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen(  # whoever started the tests may ignore this signal (nohup, `&`)
        command, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not (run / "steps.jsonl").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == status, err[-2000:]
    ((step, path),) = rundir.checkpoints(run)
    assert rundir.damage(path) is None and b"resume" in err
    assert [s["step"] for s in rundir.read_jsonl(run / "steps.jsonl")] == list(range(1, step + 1))


def test_a_run_under_nohup_outlives_its_terminal() -> None:
    """A signal that is ignored stays ignored; one that is not is noted."""
    from suretune.run.fit import _signals

    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        caught: list[int] = []
        with _signals(caught):
            os.kill(os.getpid(), signal.SIGHUP)
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN and not caught
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        with _signals(caught):
            os.kill(os.getpid(), signal.SIGHUP)
        assert caught == [signal.SIGHUP]
        assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
    finally:
        signal.signal(signal.SIGHUP, before)
