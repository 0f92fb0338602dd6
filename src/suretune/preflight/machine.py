"""What this machine has against what a run needs: packages, GPUs, room on the disk."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from suretune import rundir, typed
from suretune.config import Resolved
from suretune.data.base import Base
from suretune.data.parts import linear_layers
from suretune.data.weights import weight_files
from suretune.facts import SetupFacts
from suretune.installed import is_installed
from suretune.options_input import ModelOptions
from suretune.preflight.variants import served_notes
from suretune.trackers import named_trackers
from suretune.tuning import TUNERS
from suretune.tuning.full import MOMENTS
from suretune.types import Plan, Text

NEEDS = {"torch": (2, 10), "transformers": (5, 17), "peft": (0, 21), "safetensors": (0, 4)}
VISIBLE = "CUDA_VISIBLE_DEVICES"
NO_GPU = ("", "-1", "NoDevFiles", "none")
UNPACKED = ("lm_head", "router", "gate", "shared_expert_gate")  # by last name, in any packing
VALUE = 4  # bytes of a trained number in a checkpoint, beside its two moments
MIB, GIB = 2**20, 2**30
OWN = 2 * MIB  # of proof, report and logs, about


def packages() -> Iterator[SetupFacts]:
    """Packages that are missing or older than what suretune was tested with."""
    for name, least in NEEDS.items():
        wanted = f"{name}>={'.'.join(map(str, least))}"
        try:
            found = version(name)
        except PackageNotFoundError:
            yield SetupFacts("package-too-old", wanted)
            continue
        if numbers(found) < least:
            yield SetupFacts("package-too-old", wanted, found=found)


def missing_trackers(words: tuple[str, ...]) -> Iterator[SetupFacts]:
    """Trackers that are asked for and whose packages are not there, with what pip is asked for."""
    for tracker in named_trackers(words):
        if not is_installed(tracker.module):
            yield SetupFacts(
                "package-missing",
                tracker.extra,
                found=tracker.module,
            )


def numbers(text: str) -> tuple[int, ...]:
    """The first two parts of a version."""
    return tuple(int(part) for part in text.split("+")[0].split(".")[:2] if part.isdigit())


def model_notes(resolved: Resolved, base: Base) -> Iterator[SetupFacts]:
    """What can be said of code, precision and rank without a GPU."""
    asked = resolved.config.model
    if base.code:
        yield SetupFacts(
            "code-not-run",
            base.name,
            found=", ".join(base.code),
        )
    kept = (at.get(key) for at in (base.config, base.text) for key in ("dtype", "torch_dtype"))
    made_in = next(filter(None, kept), None)
    if (asked.torch_dtype == "float16" or asked.fp16) and made_in == "bfloat16":
        yield SetupFacts(
            "float16-risk",
            base.name,
            found=str(made_in),
        )
    if base.packed:
        names = linear_layers(base) if weight_files(base.folder) else []
        packed = [name for name in names if name not in UNPACKED]
        yield SetupFacts(
            "packed-base",
            base.name,
            found=", ".join(packed) or Text("every linear layer", "所有线性层"),
        )
    if not TUNERS[resolved.config.lora.tuner].whole:
        yield from served_notes(resolved)


def device_notes(asked: ModelOptions, used: int = 1) -> Iterator[SetupFacts]:
    """Whether the GPUs that were asked for, or that are there, are used; `used`: by processes."""
    import torch

    visible = os.environ.get(VISIBLE, "")
    if asked.device == "cpu":
        return
    if not torch.cuda.is_available():
        if visible not in NO_GPU:
            found = torch.__version__
            yield SetupFacts(
                "gpu-not-used",
                f"{VISIBLE}={visible}",
                found=found,
            )
    elif (count := torch.cuda.device_count()) > 1 and used == 1:
        yield SetupFacts(
            "one-gpu-of-several",
            torch.cuda.get_device_name(0),
            found=str(count),
        )


def too_little_room(
    run: Path,
    trained: int,
    plan: Plan,
    limit: int | None,
    model_bytes: int = 0,
    moments: float = MOMENTS,
    *,
    kept: float = 0.0,
    words: int = 0,
    own: int = 0,
) -> SetupFacts | None:
    """Whether what is still to be written fits on the disk of a run that is there, or is to be.
    `model_bytes`: of the files of a base
    whose own weights learn, which each checkpoint holds. Bytes of a trained number: `moments`, and
    `kept` of what recovery goes back to; `words`: of the tokenizer's files beside weights; `own`:
    of what the run tells of itself.

    One more than the limit lies there for a moment, and the proven adapter is a copy. A run that
    stops by itself has one that passed and one that confirmed it; the last of all updates leaves
    nothing to go back to.
    """
    there = len(rundir.checkpoints(run))
    saves = max(len(plan.save_steps), 2 if plan.probe_steps else 0)
    fewer = "" if limit is None and saves > 2 else "no fewer"
    saves = min(saves, limit + 1) if limit else saves
    saves = max(1, saves - there)
    each = trained * (VALUE + moments) + model_bytes + words
    backs = trained * kept * (saves if plan.probe_steps else saves - 1)
    once = (model_bytes or VALUE * trained) + words + own
    wanted = each * saves + backs + once
    folder = next(each for each in (run, *run.parents) if each.is_dir())
    free = shutil.disk_usage(folder).free
    if wanted <= free:
        return None
    unit, name = (GIB, "GiB") if wanted >= GIB else (MIB, "MiB")
    found = Text(
        f"{free / unit:.2f} {name} free, {wanted / unit:.2f} {name} needed",
        f"可用 {free / unit:.2f} {name}，需要 {wanted / unit:.2f} {name}",
    )
    goes_on = f"suretune resume {typed.path(run)}" if there else ""
    return SetupFacts("disk-full", str(run), found, goes_on, fewer)
