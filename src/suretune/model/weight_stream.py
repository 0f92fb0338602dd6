"""Weights from disk to the GPU while the libraries that will use them are still being imported.

Threads read blocks of the safetensors files into page-locked memory and queue their copies; the
interpreter's lock is free meanwhile. Only torch is needed here.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import torch
from torch import Tensor

from suretune.data.base import Base
from suretune.data.parts import is_text
from suretune.data.weights import weight_files
from suretune.families import is_wrapper
from suretune.model.device import ran_out

THREADS = 8
BLOCK = 16 << 20  # bytes; two of them are page-locked per thread
DTYPES = {"BF16": torch.bfloat16, "F16": torch.float16, "F32": torch.float32}


@dataclass(frozen=True, slots=True)
class _Block:
    """A stretch of a file and the bytes on the device where it goes."""

    file: int  # descriptor
    offset: int
    there: Tensor  # (bytes,) uint8


def everything(name: str) -> bool:
    """Every tensor."""
    return True


class Stream:
    """The tensors of a folder's safetensors files on their way to a device, of those `wanted`."""

    def __init__(
        self,
        files: Sequence[Path],
        device: torch.device,
        wanted: Callable[[str], bool] = everything,
    ) -> None:
        self.device = device
        self.wanted = wanted
        self.tensors: dict[str, Tensor] = {}
        self._files = [os.open(path, os.O_RDONLY) for path in files]
        self._local = threading.local()
        blocks = [block for file in self._files for block in self._blocks(file)]
        self._pool = ThreadPoolExecutor(THREADS)
        self._coming: list[Future[None]] = [self._pool.submit(self._move, b) for b in blocks]

    def stop(self) -> None:
        """Read no more."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def result(self) -> dict[str, Tensor]:
        """All tensors on the device, by name, as the files have them, once the last byte is there.

        Raises what a reader met: OSError, or ValueError where a file ends too early.
        """
        try:
            for future in self._coming:
                future.result()
        finally:
            self._pool.shutdown(cancel_futures=True)
            for file in self._files:
                os.close(file)
        torch.cuda.synchronize(self.device)
        return self.tensors

    def _blocks(self, file: int) -> list[_Block]:
        """Room for every tensor of a file, and what has to be read into it."""
        length = int.from_bytes(os.pread(file, 8, 0), "little")
        header: dict[str, Any] = orjson.loads(os.pread(file, length, 8))
        blocks = []
        for name, about in header.items():
            if name == "__metadata__" or not self.wanted(name):
                continue
            tensor = torch.empty(
                about["shape"],
                dtype=DTYPES[about["dtype"]],
                device=self.device,
            )
            self.tensors[name] = tensor
            start, end = about["data_offsets"]
            there = tensor.view(-1).view(torch.uint8)
            if len(there) != end - start:
                raise ValueError(f"{name}: {end - start} bytes for {tuple(tensor.shape)}")
            for at in range(0, end - start, BLOCK):
                blocks.append(_Block(file, 8 + length + start + at, there[at : at + BLOCK]))
        return blocks

    def _move(self, block: _Block) -> None:
        local = self._local
        if not hasattr(local, "buffers"):
            local.buffers = [torch.empty(BLOCK, dtype=torch.uint8, pin_memory=True) for _ in "12"]
            local.copied = [torch.cuda.Event(), torch.cuda.Event()]  # type: ignore[no-untyped-call]
            local.stream = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
            local.turn = 0
        local.turn = 1 - local.turn
        buffer, copied = local.buffers[local.turn], local.copied[local.turn]
        copied.synchronize()  # the copy that used this buffer before
        size = len(block.there)
        view = memoryview(buffer.numpy())[:size]
        done = 0
        while done < size:
            read = os.preadv(
                block.file,
                [view[done:]],
                block.offset + done,
            )
            if not read:
                raise ValueError("the file ends before its last tensor")
            done += read
        with torch.cuda.stream(local.stream):
            block.there.copy_(buffer[:size], non_blocking=True)
            copied.record()


_begun: dict[Path, Stream] = {}


def begin(
    base: Base,
    device: torch.device,
    dtype: torch.dtype,
) -> None:
    """Start on a base whose tensors all have this dtype; anything unusual is left to others. Of a
    checkpoint of several parts the text model alone is read.

    A packed one is left to others, too: it never lies on the device in full.
    """
    folder = base.folder
    if device.type != "cuda" or base.packed or folder in _begun:
        return
    wanted = is_text if is_wrapper(base.config.get("model_type")) else everything
    try:
        files = weight_files(folder)
        counts = [_plain(path, dtype, wanted) for path in files]
        if None not in counts and sum(filter(None, counts)) > 1:  # more than a head by itself
            _begun[folder] = Stream(files, device, wanted)
    except (OSError, ValueError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not ran_out(error):
            raise
        return  # whoever loads the model meets it again, and says so


def drop(folder: Path) -> None:
    """Stop reading what nobody took: a process does not end before its threads have."""
    begun = _begun.pop(folder, None)
    if begun is not None:
        begun.stop()


def _plain(path: Path, dtype: torch.dtype, wanted: Callable[[str], bool]) -> int | None:
    """How many tensors of a file are wanted; None unless it is whole, and all of them have this
    dtype."""
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length < 100 << 20:
            return None
        try:
            header = orjson.loads(file.read(length))
            about = {name: value for name, value in header.items() if name != "__metadata__"}
            end = max(value["data_offsets"][1] for value in about.values())
            kinds = [DTYPES.get(value["dtype"]) for name, value in about.items() if wanted(name)]
        except (ValueError, KeyError, TypeError, AttributeError):
            return None
    whole = path.stat().st_size == 8 + length + end
    return len(kinds) if whole and set(kinds) <= {dtype} else None


def take(folder: Path) -> dict[str, Tensor] | None:
    """The tensors that `begin` began to read from a folder, once; None if it began nothing.

    Raises what `Stream.result` raises.
    """
    begun = _begun.pop(folder, None)
    return begun.result() if begun else None
