"""Several processes train as one: law L3 over ranks, and what happens when one of them is gone.

Two processes of this machine, over gloo. Ports are those that are free.
"""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from safetensors.torch import load_file

from conftest import PLAIN, WARM, start_forks, write_rows
from ranks import CREW
from shallow import shallow, shallow_pocket
from suretune import rundir
from suretune.config import Resolved
from suretune.data.deal import cost, deal, share_of
from suretune.facts import SetupFacts
from suretune.guards import judge
from suretune.model.load import load_base
from suretune.model.lora import attach, trainable
from suretune.options import EngineOptions
from suretune.options_lora import LoraOptions
from suretune.preflight.check import check
from suretune.prepare.starter import identity_rows
from suretune.record.journal import Journal, Stopped
from suretune.refusal import Refusal
from suretune.run import crew as crew_of_run
from suretune.run.compose import make_run, train_only
from suretune.run.crew import asked_alone, crew, in_step, make_prover
from suretune.run.fit import Interrupted
from suretune.run.folder import read_config
from suretune.run.resume import reopen
from suretune.train import line, muster
from suretune.train.dealt import Dealt, answers_of
from suretune.train.engine_plan import ChosenEngine, make_engine
from suretune.train.errands import Hold, Ready
from suretune.train.flat_adamw import FlatAdamW
from suretune.train.loop import Applied, Learner, gradient, make_scale, train
from suretune.train.place import Place, place_of, take_place, visible
from suretune.train.world import Alone, Lost, Ranks, make_store
from suretune.types import Sample
from test_laws import checked_run, grads, relative

CPU = torch.device("cpu")


def test_only_this_machine_reaches_the_processes_that_it_starts() -> None:
    told = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    store, port = make_store(Place(0, 2, 0, 2, told))
    listens = set()
    for table in filter(Path.exists, map(Path, ("/proc/net/tcp", "/proc/net/tcp6"))):
        lines = [line.split() for line in table.read_text().splitlines()[1:]]
        listens |= {line[1] for line in lines if line[3] == "0A"}
    assert [one for one in listens if one.endswith(f":{port:04X}")] == [f"0100007F:{port:04X}"]
    del store


# --- who computes what ----------------------------------------------------------------------------


def test_every_row_is_dealt_once_and_its_place_is_kept() -> None:
    pick = random.Random(1)
    for size in (1, 2, 3, 8):
        for rows in (0, 1, 5, 16, 40):
            lengths = [pick.randint(2, 3000) for _ in range(rows)]
            shares = deal(lengths, size)
            assert sorted(place for share in shares for place in share) == list(range(rows))
            assert all(share == sorted(share) for share in shares) and len(shares) == size


def test_no_process_has_more_than_it_must() -> None:
    """The longest share is the least possible one, or at most a third more (Graham's bound)."""
    pick = random.Random(2)
    for size in (2, 4, 8):
        lengths = [pick.randint(2, 3000) for _ in range(32)]
        loads = [sum(cost(lengths[i]) for i in share) for share in deal(lengths, size)]
        least = max(sum(map(cost, lengths)) / size, max(map(cost, lengths)))
        assert max(loads) <= least * 4 / 3
    assert deal([5, 5, 5, 5], 2) == [[0, 2], [1, 3]]
    assert deal([9, 1, 1, 1], 2) == [[0], [1, 2, 3]]
    assert deal([7], 3) == [[0], [], []]


def test_the_places_are_those_that_torchrun_gives() -> None:
    alone = place_of({})
    assert (alone.rank, alone.size, alone.leads, alone.environment) == (0, 1, True, None)
    told = {
        "RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "LOCAL_WORLD_SIZE": "4",
        "MASTER_ADDR": "node0", "MASTER_PORT": "29500", "TORCHELASTIC_RESTART_COUNT": "0",
    }  # fmt: skip
    environment = {**told, "PATH": "/bin", "CUDA_VISIBLE_DEVICES": "2,3,6,7"}
    place = take_place(environment)
    assert (place.rank, place.size, place.local, place.beside) == (5, 8, 1, 4)
    assert not place.leads and place.environment == told
    assert environment == {"PATH": "/bin", "CUDA_VISIBLE_DEVICES": "3"}
    assert place_of({**told, "RANK": "8"}).size == 1 and place_of({**told, "RANK": "x"}).size == 1
    assert visible({}, 3) == "3" and visible({"CUDA_VISIBLE_DEVICES": "0"}, 1) == ""


# --- the same numbers -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checked(identity_file: Path) -> Any:
    return replace(checked_run(identity_file), base=shallow_pocket())


@pytest.fixture(scope="module")
def samples(checked: Any) -> list[Sample]:
    """The rows, some of them held to the base as anchors are."""
    rows = [sample for row in checked.train for sample in row.samples]
    return [replace(row, soft=i % 5 == 0) for i, row in enumerate(rows)]


def tuned_double(checked: Any) -> PeftModel:
    model = load_base(checked.base, CPU, "float64")
    tuned = attach(model, LoraOptions(), checked.base.name, 42).double()
    torch.manual_seed(5)
    for name, parameter in trainable(tuned).items():
        if "lora_B" in name:
            parameter.data.normal_(std=0.02)
    return tuned


def learner_of(checked: Any, engine: EngineOptions, plan: Any, rows: Sequence[Sample]) -> Learner:
    tuned = tuned_double(checked)
    adapters = FlatAdamW(trainable(tuned), 0.0)
    made = make_engine(tuned, adapters, engine, CPU, rows, plan).engine
    return Learner(tuned, adapters, made, make_scale("float32"), CPU, 1.0)


@contextmanager
def started(size: int = 2, **env: str) -> Iterator[Ranks]:
    """So many processes, this one leading; the others, which are forks, compute in float64."""
    WARM.start({**os.environ, **PLAIN})
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(muster, "FOLLOWER", (str(CREW),))
        start_forks(patched)
        world = muster.start(size, {**os.environ, **PLAIN, **env}, gpus=False)
    with closing(world):
        yield world


def hold_of(checked: Any, engine: EngineOptions, rows: Sequence[Sample], base: str = "") -> Hold:
    return Hold(
        base=checked.base, fingerprint=base or checked.base.fingerprint(), device="cpu",
        dtype="float64", lora=LoraOptions(), seed=42, commit=None, engine=engine, samples=rows,
        plan=checked.plan, before=None,
    )  # fmt: skip


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "fast"])
def both(
    request: pytest.FixtureRequest,
    checked: Any,
    samples: list[Sample],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Learner, Learner, Path]]:
    """A learner alone, one of two processes, and the file of `TOKENS`; by either engine."""
    engine = EngineOptions(fused=request.param)
    most = tmp_path_factory.mktemp("crew") / "tokens"
    with started(TOKENS=str(most)) as world:
        world.tell([hold_of(checked, engine, samples)])
        alone, led = (learner_of(checked, engine, checked.plan, samples) for _ in range(2))
        answers_of(world, Ready)
        world.open(CPU)
        answers_of(world, Ready)
        dealt = Dealt(led.engine, led.adapters, world)
        yield alone, replace(led, engine=dealt), most


def test_l3_two_processes_give_one_gradient(
    both: tuple[Learner, Learner, Path], samples: list[Sample]
) -> None:
    alone, led, _ = both
    for rows in (samples[:16], samples[:1]):  # of one row, nothing is dealt to the other
        weight = sum(row.loss_weight for row in rows)
        loss, norm = gradient(alone, rows, weight)
        again, same = gradient(led, rows, weight)
        assert abs(loss - again) <= 1e-10 * abs(loss) and abs(norm - same) <= 1e-10 * norm
        assert relative(grads(led), grads(alone)) <= 1e-10
    assert share_of(samples[:16], 0, 2) and share_of(samples[:16], 1, 2)


def test_memory_that_runs_out_in_one_process_shrinks_the_passes_of_all(
    both: tuple[Learner, Learner, Path], samples: list[Sample]
) -> None:
    """Above 300 tokens a pass "memory runs out" in the other process alone: the same gradient."""
    alone, led, most = both
    rows = [row for row in samples if not row.soft][:16]
    weight = sum(row.loss_weight for row in rows)
    loss, _ = gradient(alone, rows, weight)
    most.write_text("300")
    again, _ = gradient(led, rows, weight)
    most.unlink()
    assert led.notes and led.engine.tokens_per_pass <= 300
    assert abs(loss - again) <= 1e-10 * abs(loss)
    assert relative(grads(led), grads(alone)) <= 1e-10


def test_two_processes_are_trained_as_one(
    both: tuple[Learner, Learner, Path], checked: Any, samples: list[Sample]
) -> None:
    alone, led, _ = both
    ends = [trained(alone, samples, checked), trained(led, samples, checked)]
    # Adam divides by the square root of what is nearly nothing: it makes more of the last bits.
    assert float((ends[0] - ends[1]).norm() / ends[0].norm()) <= 1e-8


def trained(learner: Learner, samples: Sequence[Sample], checked: Any) -> torch.Tensor:
    for event in train(learner, samples, checked.plan, 0):
        if isinstance(event, Applied) and event.record.step == 4:
            break
    return learner.adapters.values.detach().clone()


def test_another_base_in_another_process_is_refused(checked: Any, samples: list[Sample]) -> None:
    with started() as world:
        world.tell([hold_of(checked, EngineOptions(fused=False), samples, "another")])
        with pytest.raises(Refusal) as refused:
            answers_of(world, Ready)
    facts = refused.value.facts
    assert isinstance(facts, SetupFacts) and [found.code for found in judge(facts)] == ["S068"]
    assert not isinstance(refused.value, Lost)


# --- one of them is gone --------------------------------------------------------------------------

UPDATES = 6


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Resolved:
    return six_updates(tmp_path_factory.mktemp("asked"))


def six_updates(folder: Path) -> Resolved:
    """Six updates of four rows by two processes, a checkpoint after each."""
    base = shallow(folder / "base")
    probe = folder / "probe.txt"
    probe.write_text("Who are you?\n")
    rows = write_rows(folder / "rows.jsonl", identity_rows(("Glow",), ("Star Lab",), ("en",))[:24])
    return Resolved.default().with_values(
        "flag", model=str(base), dataset=(str(rows),), max_steps=UPDATES, save_steps=1,
        gradient_accumulation_steps=4, probes=str(probe), device="cpu", learning_rate=1e-3,
        max_length=512, num_gpus=2, until_proven=False, anchor_ratio=0.0, general_questions=1,
    )  # fmt: skip


class Child:
    """A run in a fork of this process: the one that leads. Who follows is a fork, too, where a test
    has no signal for it."""

    def __init__(
        self,
        asked: Resolved,
        run: Path,
        *,
        resume: bool = False,
        processes: int | None = None,
        again: bool = False,
        forks: bool = False,
    ) -> None:
        if forks:
            WARM.start({**os.environ, **PLAIN})
        self.run, self.said = run, run.with_suffix(".err")
        self.pid = os.fork()
        if self.pid == 0:
            status = 1
            try:
                os.dup2(os.open(self.said, os.O_WRONLY | os.O_CREAT), 2)
                if forks:
                    os.environ.update(PLAIN)
                    start_forks(pytest.MonkeyPatch())
                status = train_in(asked, run, resume, processes)
                if again:
                    status = status == 7 and train_in(asked, run, True, processes)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)

    def until(self, updates: int) -> None:
        """Wait until so many were applied."""
        within(120, lambda: self._updates() >= updates)

    def _updates(self) -> int:
        path = self.run / "steps.jsonl"
        return len(path.read_text().splitlines()) if path.is_file() else 0

    def follower(self) -> int:
        """The other process."""
        pids = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        said = {pid: Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids}
        [found] = [pid for pid in pids if b"suretune.train.follower" in said[pid]]
        return int(found)

    def ended(self, seconds: float = 120) -> int:
        """Its exit status, or minus the signal."""
        found: list[int] = []

        def over() -> bool:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            found.extend([os.waitstatus_to_exitcode(status)] if pid else [])
            return bool(pid)

        within(seconds, over)
        return found[0]


def within(seconds: float, holds: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, f"not within {seconds} s"
        time.sleep(0.05)


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def train_in(asked: Resolved, run: Path, resume: bool, processes: int | None) -> int:
    """As the command line does it, without the proof."""
    torch.set_num_threads(1)
    journal = Journal()
    if resume:
        checked = reopen(run, journal, processes)
        journal.open(run)
    else:
        checked = check(asked.with_values("flag", output_dir=str(run)), journal)
        run = make_run(checked.resolved, journal)
    try:
        with crew(checked, run, journal) as world:
            train_only(checked, run, journal, resume=resume, world=world)
    except Interrupted as stopped:
        return stopped.status
    except Stopped as stopped:
        return stopped.status
    return 0


def weights(run: Path) -> dict[str, torch.Tensor]:
    last = rundir.pointed(run, "last")
    assert last is not None and last.name == f"step-{UPDATES:06d}"
    files = ("adapter_model.safetensors", "optimizer.safetensors")
    return {name: tensor for file in files for name, tensor in load_file(last / file).items()}


def test_stopped_by_a_signal_and_resumed_is_never_stopped_bit_for_bit(
    asked: Resolved, tmp_path: Path
) -> None:
    """With dropout, whose masks are drawn by the state of the process that leads alone."""
    asked = asked.with_values("flag", lora_dropout=0.1)
    whole = Child(asked, tmp_path / "whole", forks=True)
    assert whole.ended() == 0
    stopped = Child(asked, tmp_path / "stopped")
    stopped.until(2)
    follower = stopped.follower()
    os.kill(stopped.pid, signal.SIGTERM)
    assert stopped.ended() == 143
    within(20, lambda: is_gone(follower))
    assert not rundir.damage(rundir.checkpoints(stopped.run)[-1][1])
    assert Child(asked, stopped.run, resume=True, forks=True).ended() == 0
    ends = weights(whole.run), weights(stopped.run)
    assert ends[0].keys() == ends[1].keys()
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    events = list(rundir.read_jsonl(whole.run / "events.jsonl"))
    assert {"event": "processes", "size": 2, "devices": ["cpu", "cpu"]} in events


def test_a_killed_process_ends_all_and_one_process_goes_on(asked: Resolved, tmp_path: Path) -> None:
    alone = Child(asked.with_values("flag", num_gpus=1), tmp_path / "alone")
    assert alone.ended() == 0
    run = Child(asked, tmp_path / "run")
    run.until(2)
    os.kill(run.follower(), signal.SIGKILL)
    assert run.ended(30) == 7  # seconds as a rule
    [found] = [f for f in rundir.read_jsonl(run.run / "findings.jsonl") if f["code"] == "S067"]
    assert "SIGKILL" in found["what"]["en"] and str(run.run) in found["fix"]["en"]
    done = rundir.checkpoints(run.run)[-1][0]
    assert 2 <= done < UPDATES
    assert Child(asked, run.run, resume=True, processes=1).ended() == 0
    assert read_config(run.run / "config.yaml").config.engine.num_gpus == 1
    ends = weights(alone.run), weights(run.run)  # float32, and Adam: the order of sums is seen
    assert relative(ends[1], ends[0]) < 1e-2
    lines = [list(rundir.read_jsonl(one.run / "steps.jsonl")) for one in (alone, run)]
    for mine, theirs in zip(*lines, strict=True):
        assert mine["step"] == theirs["step"] and mine["tokens"] == theirs["tokens"]
        assert abs(mine["loss"] - theirs["loss"]) <= 1e-4 * mine["loss"]


def test_who_has_lost_a_process_trains_with_several_again(asked: Resolved, tmp_path: Path) -> None:
    whole = Child(asked, tmp_path / "whole", forks=True)
    assert whole.ended() == 0
    run = Child(asked, tmp_path / "run", again=True)
    run.until(2)
    os.kill(run.follower(), signal.SIGKILL)
    assert run.ended() == 0, run.said.read_text()
    ends = weights(whole.run), weights(run.run)
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])


def test_a_process_that_stands_still_ends_all(asked: Resolved, tmp_path: Path) -> None:
    run = Child(asked.with_values("flag", max_steps=100, save_steps=50), tmp_path / "run")
    run.until(2)
    follower = run.follower()
    os.kill(follower, signal.SIGSTOP)
    assert run.ended(40) == 7  # 8 s on a machine that does nothing else
    within(10, lambda: is_gone(follower))
    [found] = [f for f in rundir.read_jsonl(run.run / "findings.jsonl") if f["code"] == "S067"]
    assert "no sign of life" in found["what"]["en"]


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_without_the_one_that_leads_nobody_stays(
    asked: Resolved, tmp_path: Path, number: int
) -> None:
    run = Child(asked.with_values("flag", max_steps=100, save_steps=50), tmp_path / "run")
    run.until(1)
    follower = run.follower()
    os.kill(run.pid, number)
    assert run.ended(40) == -signal.SIGKILL  # by the other, where it stood still
    within(40, lambda: is_gone(follower))
    assert run.said.read_text().count("S067") == 1 and "suretune resume" in run.said.read_text()


def test_other_versions_beside_it_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("suretune.train.line.LIBRARIES", ("suretune", "numpy"))
    line._versions.cache_clear()
    try:
        with pytest.raises(Refusal) as refused, started():
            pass
    finally:
        line._versions.cache_clear()
    facts = refused.value.facts
    assert isinstance(facts, SetupFacts) and [found.code for found in judge(facts)] == ["S068"]
    assert "torch" in str(facts.found) and "numpy" in facts.nearest


@pytest.mark.parametrize("agent", [True, False])
def test_where_the_first_one_trains_nothing_nobody_waits_for_it(
    agent: bool, tmp_path: Path
) -> None:
    """By torchrun a refusal ends all anyway; a script that catches it ends well."""
    script = tmp_path / "script.py"
    script.write_text(
        "import suretune\n"
        "try:\n    suretune.train(model='pocket', dataset='nowhere.jsonl', device='cpu')\n"
        "except suretune.Refused:\n    print('refused')\n"
    )
    env = {**os.environ, **PLAIN}
    begin = time.monotonic()
    if agent:
        words = ("-m", "torch.distributed.run", "--nproc_per_node", "2", str(script))
        done = [subprocess.run([sys.executable, *words], env=env, capture_output=True, text=True)]
    else:
        with closing(socket.create_server(("127.0.0.1", 0))) as free:
            port = str(free.getsockname()[1])
        env |= {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
        both = [
            subprocess.Popen(
                [sys.executable, str(script)], env={**env, "RANK": str(rank)}, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )
            for rank in range(2)
        ]  # fmt: skip
        done = [
            subprocess.CompletedProcess(one.args, one.wait(90), *one.communicate()) for one in both
        ]
    assert [one.returncode for one in done] == [0] * len(done), done
    assert sum(one.stdout.count("refused") for one in done) == 1, done
    assert time.monotonic() - begin < 90


def test_two_processes_come_to_the_seal_of_one(
    trained: Path, identity_file: Path, tmp_path: Path
) -> None:
    """By torchrun, on the command line: the same plan and questions, the same answers of the base,
    and a seal."""
    words = (
        "-m", "torch.distributed.run", "--nproc_per_node", "2", "-m", "suretune", "sft",
        "--model", "pocket", "--dataset", identity_file, "--probes",
        identity_file.with_name("probes.yaml"), "--system", "You are a helpful assistant.",
        "--save_steps", 20, "--general_questions", 100, "--max_steps", 40, "--device", "cpu",
        "--gradient_accumulation_steps", 8, "--output_dir", tmp_path / "run",
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, *map(str, words)], env={**os.environ, **PLAIN}, capture_output=True,
        text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    seals = [rundir.read_json(run / rundir.SEAL) for run in (trained, tmp_path / "run")]
    assert [seal["verdict"] for seal in seals] == ["sealed", "sealed"]
    assert seals[0]["probes"] == seals[1]["probes"]
    plans = [rundir.read_json(run / "plan.json") for run in (trained, tmp_path / "run")]
    assert plans[0]["updates"] == plans[1]["updates"]  # the digest also knows where the rows lie
    assert read_config(tmp_path / "run" / "config.yaml").config.engine.num_gpus == 2
    told = [rundir.read_json(run / "base_answers.json") for run in (trained, tmp_path / "run")]
    for one in told:
        one["way"].pop("loss")  # added up in another order
    assert told[0] == told[1] and len(told[0]["way"]["said"]) > 50
    lines = [list(rundir.read_jsonl(run / "anchors.jsonl")) for run in (trained, tmp_path / "run")]
    assert lines[0] == lines[1]


def test_who_starts_the_others_proves_by_as_many(
    asked: Resolved, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under torchrun one process proves what all have answered: that takes longer. On a CPU one
    has all cores as it is."""
    cpus = check(asked.with_values("flag", num_gpus=3), Journal())
    three = replace(cpus, resolved=cpus.resolved.with_values("flag", device=None))
    whole = replace(three, resolved=three.resolved.with_values("flag", tuner="full"))
    monkeypatch.setattr(crew_of_run, "Prover", lambda cards=(), parts=0: [*cards, parts])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,7")
    found = []
    for place in (Place(), Place(0, 3, 0, 3, {})):
        monkeypatch.setattr(crew_of_run, "here", lambda place=place: place)
        found.append((make_prover(three), asked_alone(three), asked_alone(whole)))
    assert found == [(["5", "7", 0], 0, 0), ([0], 2, 0)]
    monkeypatch.setattr(crew_of_run, "here", Place)
    assert make_prover(cpus) == [3]  # in as many parts


def test_a_run_of_one_process_has_the_engine_that_it_had(asked: Resolved) -> None:
    """No layer between: what is computed alone is what it was, bit for bit."""
    engine: Any = object()
    journal = Journal()
    made, _ = in_step(Alone(), ChosenEngine(engine, {}), FlatAdamW(ONE, 0.0), journal)
    assert made is engine


ONE = {"x": torch.nn.Parameter(torch.zeros(1))}
