"""Silent faults after training: files that changed, and adapters that meet another base."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chaos import bases, rows
from chaos.bench import Bench, Planted, change_json, cut, flip
from chaos.fault import Silent
from suretune import rundir

WEIGHTS = "adapter_model.safetensors"


def sealed(change: Callable[[Path], Any]) -> Callable[[Bench], Planted]:
    """`verify` of a sealed run that changed since."""

    def plant(bench: Bench) -> Planted:
        run = bench.sealed()
        change(run)
        return Planted(["verify", run, "--json"])

    return plant


def unfinished(change: Callable[[Bench, Path], Any], done: int = 4) -> Callable[[Bench], Planted]:
    """`resume` of a run that was killed and has changed since."""

    def plant(bench: Bench) -> Planted:
        run = bench.unfinished(done)
        change(bench, run)
        return Planted(["resume", run, "--json"])

    return plant


def asked(
    change: Callable[[Bench, Path], Any], *more: object, plain: bool = False
) -> Callable[[Bench], Planted]:
    """`ask` of an adapter that changed. A plain one is as PEFT writes it: no manifest, no origin."""

    def plant(bench: Bench) -> Planted:
        adapter = bench.here / "adapter"
        shutil.copytree(bench.sealed() / "adapter", adapter)
        if plain:
            (adapter / rundir.MANIFEST).unlink()
            (adapter / "suretune.json").unlink()
        flags = list(more)
        if model := change(bench, adapter):
            flags = ["--model", model, *flags]
        elif plain:
            flags = ["--model", bench.here / "base", *flags]
        questions = bench.file("Sort 3 1 2\n", "q.txt")
        return Planted(["ask", "--adapters", adapter, "--questions", questions, *flags, "--json"])

    return plant


def edit(change: Callable[[dict[str, Any]], Any]) -> Callable[[Bench, Path], Any]:
    def apply(bench: Bench, adapter: Path) -> None:
        bases.edit(adapter, change)

    return apply


def _nan(found: dict[str, Any]) -> None:
    next(iter(found.values())).view(-1)[0] = float("nan")


def _drop_one(found: dict[str, Any]) -> None:
    del found[next(iter(found))]


def _rename(found: dict[str, Any]) -> None:
    for name in list(found):
        found[name.replace("base_model.model", "base_model")] = found.pop(name)


def _pickled(bench: Bench, adapter: Path) -> None:
    """Only `adapter_model.bin`, with a payload."""
    import pickle

    class Payload:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(bench.here / "owned"),)

    (adapter / WEIGHTS).unlink()
    (adapter / "adapter_model.bin").write_bytes(pickle.dumps(Payload()))


def _more_layers(bench: Bench, adapter: Path) -> Path:
    """A base of three layers, for an adapter that names the projections of all layers."""
    names = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
    change_json(adapter / "adapter_config.json", target_modules=names)
    return bench.own_beside(layers=3)


def _last(run: Path) -> Path:
    return rundir.checkpoints(run)[-1][1]


def _foreign_checkpoint(bench: Bench, run: Path) -> None:
    """A checkpoint of another run, complete by its own manifest."""
    path = _last(run)
    about = {k: v for k, v in rundir.read_json(path / rundir.MANIFEST).items() if k != "files"}
    bases.edit(path, lambda found: [tensor.mul_(3) for tensor in found.values()])
    rundir.write_manifest(path, **{**about, "plan": "0" * 64})


def _sister_weights(base: Path, bench_seed: int = 1) -> None:
    """The base becomes another of the same shape."""
    other = bases.toy(base.with_name("other"), seed=bench_seed)
    shutil.copyfile(other / "model.safetensors", base / "model.safetensors")


def _edit_row(bench: Bench, run: Path) -> None:
    """The run's config names rows of its own, and one of them changed."""
    config = run / "config.yaml"
    path = bench.file([*rows.tasks(39), {"instruction": "Sort", "output": "changed"}])
    config.write_text(
        config.read_text("utf-8").replace(str(bench.folder / "sealed/rows.jsonl"), str(path))
    )


def _swap_probes(bench: Bench, run: Path) -> None:
    config = run / "config.yaml"
    path = bench.file("An easier question\n", "probes.txt")
    config.write_text(
        config.read_text("utf-8").replace(str(bench.folder / "sealed/probes.txt"), str(path))
    )


def _swap_base(bench: Bench, run: Path) -> None:
    config = run / "config.yaml"
    config.write_text(
        config.read_text("utf-8").replace(str(bench.folder / "sealed/base"), str(bench.sister))
    )


def _config(old: str, new: str) -> Callable[[Bench, Path], Any]:
    def change(bench: Bench, run: Path) -> None:
        path = run / "config.yaml"
        text = path.read_text("utf-8")
        assert old in text, old
        path.write_text(text.replace(old, new), "utf-8")

    return change


def _lost_steps(bench: Bench, run: Path) -> None:
    """The log of the updates lost its beginning."""
    lines = (run / "steps.jsonl").read_bytes().splitlines(keepends=True)
    (run / "steps.jsonl").write_bytes(b"".join(lines[2:]))


def _deleted_best(bench: Bench) -> Planted:
    run = bench.sealed()
    rundir.point(run, "best", run / "checkpoints" / "step-000099", step=99)
    words = ["ask", "--adapters", run, "--checkpoint", "best", "--json", "--questions"]
    return Planted([*words, bench.file("Sort 3 1 2\n", "q.txt")])


def _held(bench: Bench) -> Planted:
    """Another process writes into the same run folder."""
    run = bench.unfinished(4)

    def hold() -> None:
        import fcntl

        global _lock
        _lock = (run / "run.lock").open("w")
        fcntl.flock(_lock, fcntl.LOCK_EX)

    return Planted(["resume", run, "--json"], hold)


_lock: Any = None

FILES = (
    Silent("adapter-one-bit", "one bit of the adapter flipped after the seal",
           sealed(lambda run: flip(run / "adapter" / WEIGHTS)), ("S015",), 4, WEIGHTS),
    Silent("adapter-truncated", "the adapter was cut off after the seal",
           sealed(lambda run: cut(run / "adapter" / WEIGHTS)), ("S015",), 4, WEIGHTS),
    Silent("adapter-lost", "the adapter was deleted after the seal",
           sealed(lambda run: (run / "adapter" / WEIGHTS).unlink()), ("S015",), 4, WEIGHTS),
    Silent("template-changed", "the adapter's chat template changed after the seal",
           sealed(lambda run: flip(run / "adapter" / "chat_template.jinja")), ("S015",), 4),
    Silent("tokenizer-changed", "the adapter's tokenizer changed after the seal",
           sealed(lambda run: flip(run / "adapter" / "tokenizer.json", 2000)), ("S015",), 4),
    Silent("alpha-changed", "`lora_alpha` was changed after the seal",
           sealed(lambda run: change_json(run / "adapter" / "adapter_config.json", lora_alpha=99)),
           ("S015",), 4),
    Silent("report-changed", "the report was polished after the seal",
           sealed(lambda run: change_json(run / "report.json", verdict="perfect")), ("S015",), 4),
    Silent("result-changed", "the proof's result was edited after the seal",
           sealed(lambda run: change_json(run / "proof" / "result.json", logits_gap=0.0)),
           ("S015",), 4),
    Silent("base-changed", "the base was replaced by another of its shape after the seal",
           sealed(lambda run: _sister_weights(run.parent / "base")), (), 6, '"same_base": false'),
    Silent("resume-checkpoint-truncated", "the newest checkpoint is cut off",
           unfinished(lambda b, run: cut(_last(run) / WEIGHTS)), ("S015",), 0),
    Silent("resume-checkpoint-one-bit", "one bit of the optimizer's state flipped",
           unfinished(lambda b, run: flip(_last(run) / "optimizer.safetensors")), ("S015",), 0),
    Silent("resume-checkpoint-file-lost", "a file of the newest checkpoint is gone",
           unfinished(lambda b, run: (_last(run) / "generators.safetensors").unlink()),
           ("S015",), 0),
    Silent("resume-foreign-checkpoint", "a checkpoint of another plan lies in the run",
           unfinished(_foreign_checkpoint), ("S015",), 0),
    Silent("resume-rows-changed", "a row changed since the run was interrupted",
           unfinished(_edit_row), ("S013",), 4),
    Silent("resume-base-changed", "the base changed since the run was interrupted",
           unfinished(_swap_base), ("S013",), 4),
    Silent("resume-questions-swapped", "easier questions are put in place of those that were asked",
           unfinished(_swap_probes), ("S013",), 4),
    Silent("resume-rate-changed", "the learning rate was edited in the run's config",
           unfinished(_config("learning_rate: 0.01", "learning_rate: 0.02")), ("S013",), 4),
    Silent("resume-rank-changed", "the rank was edited in the run's config",
           unfinished(_config("lora_rank: 8", "lora_rank: 4")), ("S013",), 4),
    Silent("resume-alpha-changed", "alpha was edited in the run's config",
           unfinished(_config("lora_alpha: 32", "lora_alpha: 64")), ("S013",), 4),
    Silent("resume-log-lost", "`steps.jsonl` lost its first lines", unfinished(_lost_steps),
           ("S015",), 0),
    Silent("two-writers", "two processes write into one run folder", _held, ("S009",), 4),
    Silent("best-deleted", "`best` points to a checkpoint that is gone", _deleted_best,
           ("S014",), 4),
    Silent("other-base-same-shape", "the adapter is asked on another base of the same shape",
           asked(lambda b, a: b.sister), ("S012",), 4),
    Silent("ask-one-bit", "one bit of an adapter flipped",
           asked(lambda b, a: flip(a / WEIGHTS)), ("S015",), 4),
    Silent("ask-nan", "an adapter from elsewhere contains NaN", asked(edit(_nan), plain=True),
           ("S015",), 4),
    Silent("ask-tensor-missing", "an adapter from elsewhere lacks a tensor",
           asked(edit(_drop_one), plain=True), ("S012",), 4),
    Silent("ask-other-names", "an adapter's tensors have names that match nothing",
           asked(edit(_rename), plain=True), ("S012",), 4),
    Silent("ask-fewer-layers", "the base has fewer layers than the adapter",
           asked(lambda b, a: b.own_beside(layers=1), plain=True), ("S012",), 4),
    Silent("ask-more-layers", "the base has more layers than the adapter",
           asked(_more_layers, plain=True), ("S012",), 4),
    Silent("ask-other-width", "the base is of another width",
           asked(lambda b, a: b.own_beside(hidden_size=128), plain=True), ("S012",), 4),
    Silent("ask-pickled", "the adapter is a pickle, which may run code",
           asked(_pickled, plain=True), ("S014",), 4),
)  # fmt: skip
