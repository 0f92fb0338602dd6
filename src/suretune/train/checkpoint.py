"""The exact state of a run, on disk whole or not at all, and back.

A checkpoint is also an adapter folder that plain PEFT loads. Its state is safetensors: Adam's
moments and the random generators; everything else (order of rows, learning rate) is the plan's.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from suretune import rundir
from suretune.model.lora import load_weights, save_adapter
from suretune.train.loop import Learner
from suretune.types import Checkpoint

FORMAT = 2
OPTIMIZER = "optimizer.safetensors"
GENERATORS = "generators.safetensors"


def save(
    run: Path, step: int, learner: Learner, dress: Callable[[Path], None], about: Mapping[str, Any]
) -> Checkpoint:
    """Write `checkpoints/step-000040`; `dress` adds tokenizer, template and card.

    OSError when the disk refuses; then nothing of it is left and earlier checkpoints are untouched.
    """
    folder = run / "checkpoints"
    folder.mkdir(exist_ok=True)
    final = folder / f"step-{step:06d}"
    temporary = folder / f".tmp-{final.name}-{os.getpid()}"
    temporary.mkdir()
    try:
        save_adapter(learner.model, temporary)
        dress(temporary)
        save_file(learner.adapters.state(), temporary / OPTIMIZER)
        save_file(_generator_state(learner.device), temporary / GENERATORS)
        rundir.write_manifest(
            temporary, format=FORMAT, step=step, scale=learner.scale.value, **about
        )
        rundir.publish(temporary, final)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    return Checkpoint(final, step)


def restore(path: Path, learner: Learner) -> int:
    """Put a checkpoint's state into a learner; the step it was written after."""
    manifest = rundir.read_json(path / rundir.MANIFEST)
    load_weights(learner.model, path)
    learner.adapters.load_state(load_file(path / OPTIMIZER))
    learner.engine.restored()
    generators = load_file(path / GENERATORS)
    torch.set_rng_state(generators["cpu"])
    if learner.device.type == "cuda" and "cuda" in generators:
        torch.cuda.set_rng_state(generators["cuda"], learner.device)
    learner.scale.value = manifest["scale"]
    return int(manifest["step"])


def keep(run: Path, limit: int | None) -> None:
    """Delete the oldest checkpoints beyond the limit; never the newest, nor the best."""
    if limit is None:
        return
    best = rundir.pointed(run, "best")
    deletable = [path for _, path in rundir.checkpoints(run)[:-1] if path != best]
    surplus = len(rundir.checkpoints(run)) - limit
    for path in deletable[: max(0, surplus)]:
        trash = path.with_name(f".trash-{path.name}-{os.getpid()}")
        os.rename(path, trash)
        shutil.rmtree(trash)


def _generator_state(device: torch.device) -> dict[str, Tensor]:
    state = {"cpu": torch.get_rng_state()}
    if device.type == "cuda":
        state["cuda"] = torch.cuda.get_rng_state(device)
    return state
