"""The device: which one, in what precision, with how much memory. Only torch is imported here."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import torch

from suretune.facts import SetupFacts
from suretune.model.memory import CONTEXT, parse_bytes
from suretune.options import EngineOptions
from suretune.options_input import ModelOptions
from suretune.refusal import Refusal

CONTAINER = Path("/sys/fs/cgroup")
DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}


OUT_OF_MEMORY = (
    "out of memory",  # CUDA's own, page-locked memory included
    "CUBLAS_STATUS_ALLOC_FAILED",
    "CUDNN_STATUS_ALLOC_FAILED",
    "can't allocate memory",  # torch's allocator on a CPU
)


def ran_out(error: BaseException) -> bool:
    """Whether memory ran out, the device's or the CPU's."""
    return bool(out_of_memory(error))


def let_go(device: torch.device) -> None:
    """Give memory that nobody holds any more back to the device."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()


def choose_device(asked: str | None) -> torch.device:
    """CUDA where there is one, unless a device was asked for; Refusal where that is missing."""
    if asked == "cuda" and not torch.cuda.is_available():
        raise Refusal(SetupFacts("device-missing", "cuda", found=torch.__version__))
    return torch.device(asked or ("cuda" if torch.cuda.is_available() else "cpu"))


def choose_dtype(asked: ModelOptions, device: torch.device) -> str:
    """The precision of the base: as asked, else the best that the device has; Refusal where the one
    asked for is none of the device's."""
    flags = [name for name, on in (("bfloat16", asked.bf16), ("float16", asked.fp16)) if on]
    wish = asked.torch_dtype or (flags[0] if flags else None)
    if device.type == "cpu":
        if wish == "float16":
            raise Refusal(
                SetupFacts("dtype-unsupported", "float16", found="cpu", nearest="float32")
            )
        return wish or "float32"
    if wish == "bfloat16" and not torch.cuda.is_bf16_supported(including_emulation=False):
        name = torch.cuda.get_device_name(device)
        raise Refusal(SetupFacts("dtype-unsupported", "bfloat16", found=name, nearest="float16"))
    return wish or (
        "bfloat16" if torch.cuda.is_bf16_supported(including_emulation=False) else "float16"
    )


def out_of_memory(error: BaseException) -> str:
    """What an error says if memory ran out; else nothing.

    Libraries say so in their own words, not in torch's exception.
    """
    before, on_cpu, told = str(error).partition("DefaultCPUAllocator: ")
    known = isinstance(error, (torch.OutOfMemoryError, MemoryError))
    if on_cpu or known or any(word in before for word in OUT_OF_MEMORY):
        return (told or before).split(". ")[0] or type(error).__name__
    return ""


def limit_memory(asked: EngineOptions, device: torch.device) -> None:
    """Let the process use no more of the card than was asked, CUDA's own share included."""
    limit = asked.memory_limit and parse_bytes(asked.memory_limit)
    if limit and device.type == "cuda":
        total = torch.cuda.get_device_properties(device).total_memory
        share = min(1.0, max(0.0, (limit - CONTEXT) / total))
        torch.cuda.set_per_process_memory_fraction(share, device.index or 0)


def free_bytes(asked: EngineOptions, device: torch.device) -> float:
    """What this process may still allocate on the card."""
    free, _ = torch.cuda.mem_get_info(device)
    reserved, used = torch.cuda.memory_reserved(device), torch.cuda.memory_allocated(device)
    room: float = free + reserved - used
    limit = asked.memory_limit and parse_bytes(asked.memory_limit)
    return min(room, limit - CONTEXT - used) if limit else room


def untaken(device: torch.device) -> float:
    """Bytes of the card that this process has never held and may still take; 0 on a CPU."""
    if device.type != "cuda":
        return 0.0
    free, total = torch.cuda.mem_get_info(device)
    may = torch.cuda.get_per_process_memory_fraction(device.index or 0) * total
    return float(max(0.0, min(free, may - torch.cuda.memory_reserved(device))))


def matrix_rate(device: torch.device, dtype: torch.dtype) -> float | None:
    """FLOP/s of a large matrix product, measured here and now (20 ms); None on a CPU."""
    if device.type != "cuda":
        return None
    size, repeats = 8192, 8
    # Ones would flatter the card: how many bits flip decides how much power a product takes.
    factor = torch.randn(size, size, device=device).to(dtype)
    for _ in range(2):
        factor @ factor
    new: Any = torch.cuda.Event
    begin, end = new(enable_timing=True), new(enable_timing=True)
    begin.record()
    for _ in range(repeats):
        factor @ factor
    end.record()
    end.synchronize()
    seconds: float = begin.elapsed_time(end) / 1e3
    return 2 * size**3 * repeats / seconds


def total_bytes(asked: EngineOptions, device: torch.device) -> float:
    """What the card has left, or what the run was limited to, CUDA's own share included."""
    free, _ = torch.cuda.mem_get_info(device)
    limit = asked.memory_limit and parse_bytes(asked.memory_limit)
    room: float = min(free + CONTEXT, limit) if limit else free + CONTEXT
    return room


def free_memory(device: torch.device) -> float:
    """Bytes that nobody uses, of the card, or of the machine within what a container allows."""
    if device.type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0])
    told = _text(Path("/proc/meminfo"))
    lines = (line.split() for line in told.splitlines() if line.startswith("MemAvailable:"))
    free = next((float(words[1]) * 1024 for words in lines), float("inf"))
    limit, used = (_text(CONTAINER / name) for name in ("memory.max", "memory.current"))
    return min(free, float(limit) - float(used)) if limit.isdecimal() and used else free


def _text(path: Path) -> str:
    return path.read_text("utf-8").strip() if path.is_file() else ""
