"""The exact state of a run, on disk whole or not at all, and back.

A checkpoint is also an adapter folder that plain PEFT loads, or a model's that transformers loads.
Its state is safetensors: Adam's moments and the random generators. The manifest has what recovery
decided; the state that it would go back to lies beside it, unless training ends here. All else
(order of rows, learning rate) is the plan's.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from suretune import rundir
from suretune.model import tuned
from suretune.model.tensor_file import opened, write_tensors
from suretune.train.loop import Learner
from suretune.train.rollback import Snapshot, generator_state, set_generators
from suretune.train.spikes import detector_of

FORMAT = 3
OPTIMIZER = "optimizer.safetensors"
GENERATORS = "generators.safetensors"
SNAPSHOT = "snapshot.safetensors"  # the state that recovery would go back to
DRAWN = "generators/"  # of a snapshot
STATE = frozenset({OPTIMIZER, GENERATORS, SNAPSHOT, rundir.MANIFEST})  # no adapter's own


def save(
    run: Path,
    step: int,
    learner: Learner,
    dress: Callable[[Path, int], None],
    about: Mapping[str, Any],
    *,
    ends: bool = False,
) -> Path:
    """Write `checkpoints/step-000040`, and where it lies; `dress` adds tokenizer, template, card.

    OSError when the disk refuses; then nothing of it is left and earlier checkpoints are untouched.
    """
    folder = run / "checkpoints"
    rundir.make_folder(folder)
    final = folder / f"step-{step:06d}"
    temporary = folder / f".tmp-{final.name}-{os.getpid()}"
    temporary.mkdir()
    try:
        with learner.engine.whole():
            written = tuned.save(learner.model, temporary)
        dress(temporary, step)
        for name, state in (
            (OPTIMIZER, learner.adapters.state()),
            (GENERATORS, generator_state(learner.device)),
        ):
            written[name] = write_tensors(state, temporary / name)
        kept = learner.recovery.snapshot
        if kept and not ends:
            generators = {DRAWN + name: t for name, t in kept.generators.items()}
            tensors = learner.adapters.kept_state(kept.tensors)
            written[SNAPSHOT] = write_tensors(
                {**tensors, **generators},
                temporary / SNAPSHOT,
            )
        rundir.write_manifest(
            temporary,
            written,
            format=FORMAT,
            step=step,
            scale=learner.scale.value,
            recovery=learner.recovery.line(),
            **about,
        )
        rundir.publish(temporary, final)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return final


def foreign_format(folder: Path) -> str | None:
    """The format that a manifest names if it is not the one that is read here."""
    if not (folder / rundir.MANIFEST).is_file():
        return None
    try:
        there = rundir.read_json(folder / rundir.MANIFEST).get("format", FORMAT)
    except rundir.Damaged:  # said by whoever compares its hashes
        return None
    return None if there == FORMAT else str(there)


def restore(path: Path, learner: Learner) -> int:
    """Put a checkpoint's state into a learner; the step it was written after."""
    manifest = rundir.read_json(path / rundir.MANIFEST)
    tuned.load_weights(learner.model, path)
    with opened(path / OPTIMIZER) as saved:
        learner.adapters.load_state(saved)
    learner.engine.restored()
    set_generators(load_file(path / GENERATORS), learner.device)
    learner.scale.value = manifest["scale"]
    return int(manifest["step"])


def restore_recovery(path: Path, learner: Learner) -> None:
    """After `restore`: what was decided, and the state that recovery would go back to."""
    line = rundir.recorded(path / rundir.MANIFEST, "recovery")
    snapshot = None
    if (path / SNAPSHOT).is_file():
        about = line["snapshot"]
        with opened(path / SNAPSHOT) as saved:
            drawn = [name for name in saved if name.startswith(DRAWN)]
            generators = {name.removeprefix(DRAWN): saved[name] for name in drawn}
            tensors = learner.adapters.load_kept(saved.beside(drawn))
        usual = detector_of(about["usual"])
        snapshot = Snapshot(
            about["step"],
            about["scale"],
            usual,
            tensors,
            generators,
        )
    learner.recovery.restore(line, snapshot)


def keep(run: Path, limit: int | None) -> None:
    """Delete the oldest checkpoints beyond the limit; never the newest, nor the best."""
    if limit is None:
        return
    best = rundir.pointed(run, "best")
    deletable = [path for _, path in rundir.checkpoints(run)[:-1] if path != best]
    surplus = len(rundir.checkpoints(run)) - limit
    for path in deletable[: max(0, surplus)]:
        rundir.discard(path)
