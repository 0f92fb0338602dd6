"""What of this machine a run would be refused for, known without torch: the device, what it cannot
compute, the folder that shall hold the run."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import tempfile
from collections.abc import Iterator
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from suretune.because import in_words
from suretune.config import Resolved
from suretune.facts import Facts, FlagFacts, SetupFacts
from suretune.preflight.flags import cuda_flags
from suretune.preflight.machine import NO_GPU, VISIBLE
from suretune.train.place import here
from suretune.types import Text

CUDA_LIBRARIES = ("libtorch_cuda.so", "libtorch_hip.so", "c10_cuda.dll", "torch_cuda.dll")


def hardware_outlook(resolved: Resolved) -> Iterator[Facts]:
    """What `sft` would say of device and precision. Where the driver has a GPU, only the GPU itself
    can tell what it computes in: that is left to the run."""
    model, engine = resolved.config.model, resolved.config.engine
    there = model.device != "cpu" and sees_cuda()
    if model.device == "cuda" and not there:
        yield SetupFacts(
            "device-missing",
            "cuda",
            found=torch_version(),
        )
        return
    yield from processes_outlook(resolved)
    if there:
        return
    if (model.torch_dtype or ("float16" if model.fp16 and not model.bf16 else "")) == "float16":
        yield SetupFacts(
            "dtype-unsupported",
            "float16",
            found="cpu",
            nearest="float32",
        )
        return
    yield from cuda_flags(engine)
    if engine.base_dtype == "fp8":
        yield SetupFacts(
            "dtype-unsupported",
            "fp8",
            found="cpu",
        )


def processes_outlook(resolved: Resolved) -> Iterator[Facts]:
    """Whether as many processes can be started as are asked for."""
    asked, place = resolved.config.engine.num_gpus, here()
    if place.size > 1:  # torchrun has started them, on as many machines as it was told
        if resolved.given("num_gpus") and asked != place.size:
            hint = Text(
                f"torchrun has started {place.size} processes; leave `--num_gpus` out",
                f"torchrun 已启动 {place.size} 个进程；请去掉 `--num_gpus`",
            )
            yield FlagFacts("bad-value", "--num_gpus", str(asked), hint=hint)
        return
    if asked == 1 or resolved.config.model.device == "cpu":
        return
    there = _driver_counts() if sees_cuda() else 0
    if there < asked:
        yield SetupFacts("too-few-gpus", str(asked), found=str(there))


def torch_version() -> str:
    """As installed; empty where it is not."""
    try:
        return version("torch")
    except PackageNotFoundError:
        return ""


@cache
def sees_cuda() -> bool:
    """Whether torch would find a GPU: its own libraries are those for one, and the driver counts
    one that CUDA_VISIBLE_DEVICES lets it see."""
    visible = os.environ.get(VISIBLE)
    if visible is not None and visible in NO_GPU:
        return False
    found = importlib.util.find_spec("torch")
    places = list(found.submodule_search_locations or ()) if found else []
    built = any((Path(p) / "lib" / name).exists() for p in places for name in CUDA_LIBRARIES)
    if not built:
        return False
    if any((Path(p) / "lib" / "libtorch_hip.so").exists() for p in places):
        return Path("/dev/kfd").exists()
    return _driver_counts() > 0


def _driver_counts() -> int:
    """GPUs by the driver itself, as torch asks it."""
    try:
        driver = ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return 0
    count = ctypes.c_int(0)
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(count)):
        return 0
    return count.value


def not_writable(output_dir: str) -> SetupFacts | None:
    """Whether a run folder can be made there; nothing is left behind."""
    try:
        folder = Path(output_dir).expanduser().absolute()
        while _missing(folder):
            folder = folder.parent
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"\0")
    except (OSError, RuntimeError, ValueError) as error:
        return SetupFacts(
            "output-not-writable",
            output_dir,
            found=in_words(error),
        )
    return None


def _missing(folder: Path) -> bool:
    """Whether there is no such name; OSError where there could not be one."""
    try:
        folder.lstat()
    except FileNotFoundError:
        return True
    return False
