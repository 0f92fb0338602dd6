"""Several processes train as one: law L3 over ranks. One of them gone: `test_ranks_killed.py`.

Two processes of this machine, over gloo. Ports are those that are free.
"""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel

from conftest import PLAIN, WARM, start_forks
from crew_runs import asked
from ranks import CREW
from shallow import shallow_pocket
from suretune import __version__, rundir
from suretune.config import Resolved
from suretune.data.deal import cost, deal, share_of
from suretune.facts import SetupFacts
from suretune.guards import judge
from suretune.model.load import load_base
from suretune.model.lora import attach, trainable
from suretune.options import EngineOptions
from suretune.options_lora import LoraOptions
from suretune.preflight.check import check
from suretune.record.journal import Journal
from suretune.refusal import Refusal
from suretune.run import crew as crew_of_run
from suretune.run import prover as prover_of_run
from suretune.run.crew import asked_alone, in_step
from suretune.run.folder import read_config
from suretune.run.prover import make_prover
from suretune.train import line, muster
from suretune.train.dealt import Dealt, answers_of
from suretune.train.engine_plan import ChosenEngine, make_engine
from suretune.train.errands import Hold, Ready
from suretune.train.flat_adamw import FlatAdamW
from suretune.train.loop import Applied, Learner, gradient, make_scale, train
from suretune.train.muster import LATE, join
from suretune.train.place import Place, place_of, take_place, visible
from suretune.train.world import HERE, Alone, LetGo, Lost, Ranks, make_store
from suretune.types import Sample
from test_laws import checked_run, grads, relative

__all__ = ["asked"]  # a fixture
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


# --- who stands beside whom -----------------------------------------------------------------------


def test_versions_are_told_where_suretune_was_never_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """From its source alone, as benchmarks run it, there is no package of that name."""

    def installed(name: str) -> str:
        if name == "suretune":
            raise PackageNotFoundError(name)
        return "1.0"

    monkeypatch.setattr(line, "version", installed)
    assert line._versions.__wrapped__().startswith(f"suretune {__version__}, torch 1.0")


def test_other_versions_beside_it_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("suretune.train.line.LIBRARIES", ("numpy",))
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
            subprocess.CompletedProcess(one.args, one.wait(LATE + 60), *one.communicate())
            for one in both
        ]
    assert [one.returncode for one in done] == [0] * len(done), done
    assert sum(one.stdout.count("refused") for one in done) == 1, done
    assert time.monotonic() - begin < LATE + 60


def test_who_comes_late_hears_that_there_is_nothing_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One has loaded torch long after the other has refused: it would wait for half an hour."""
    with closing(socket.create_server((HERE, 0))) as free:
        told = {"MASTER_ADDR": HERE, "MASTER_PORT": str(free.getsockname()[1])}
    monkeypatch.setattr(muster, "here", lambda: Place(0, 2, 0, 2, told))
    monkeypatch.setattr(muster, "END", 1.0)  # as if it had taken longer than a follower's end may
    monkeypatch.setattr(muster, "SILENT", 0.1)
    ending = threading.Thread(target=muster.let_go, daemon=True)
    ending.start()
    time.sleep(2)
    assert ending.is_alive()
    with pytest.raises(LetGo):
        join(Place(1, 2, 1, 2, told), seconds=30)
    ending.join(30)
    assert not ending.is_alive()
    assert "1 of 2 processes, at most 120 s" in capsys.readouterr().err


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
    monkeypatch.setattr(prover_of_run, "Prover", lambda cards=(), parts=0: [*cards, parts])
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,7")
    found = []
    for place in (Place(), Place(0, 3, 0, 3, {})):
        monkeypatch.setattr(crew_of_run, "here", lambda place=place: place)
        monkeypatch.setattr(prover_of_run, "here", lambda place=place: place)
        found.append((make_prover(three), asked_alone(three), asked_alone(whole)))
    assert found == [(["5", "7", 0], 0, 0), ([0], 2, 0)]
    monkeypatch.setattr(prover_of_run, "here", Place)
    assert make_prover(cpus) == [3]  # in as many parts


def test_a_run_of_one_process_has_the_engine_that_it_had(asked: Resolved) -> None:
    """No layer between: what is computed alone is what it was, bit for bit."""
    engine: Any = object()
    journal = Journal()
    made, _ = in_step(Alone(), ChosenEngine(engine, {}), FlatAdamW(ONE, 0.0), journal)
    assert made is engine


ONE = {"x": torch.nn.Parameter(torch.zeros(1))}
