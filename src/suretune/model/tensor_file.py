"""A safetensors file written tensor by tensor: never more of it in memory than a slice.

safetensors itself takes every tensor at once and on the CPU. A model whose own weights learn would
then be held there a second time at each checkpoint, with its masters and moments.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import torch
from safetensors import safe_open
from torch import Tensor

AT_ONCE = 1 << 26  # bytes that are brought to the CPU, or written, together
KINDS = {  # as safetensors calls them
    torch.bool: "BOOL",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
    torch.uint8: "U8",
    torch.int8: "I8",
    torch.int16: "I16",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int32: "I32",
    torch.float32: "F32",
    torch.float64: "F64",
    torch.int64: "I64",
}
DTYPES = {name: dtype for dtype, name in KINDS.items()}


@dataclass(frozen=True, slots=True)
class Coming:
    """A tensor that is read when it is its turn: what it will be, and how it is got."""

    dtype: torch.dtype
    shape: tuple[int, ...]
    read: Callable[[], Tensor]

    @property
    def nbytes(self) -> int:
        """Bytes of its numbers."""
        count = 1
        for size in self.shape:
            count *= size
        return count * self.dtype.itemsize


def write_tensors(
    tensors: Mapping[str, Tensor | Coming],
    path: Path,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write them as `safetensors.torch.save_file` does, wherever they lie: the same bytes.

    OSError when the disk refuses; ValueError for a tensor that is not what it was announced to be;
    KeyError for a type of numbers that no file of ours has.
    """
    # The widest first, so that each begins at a multiple of what its numbers take.
    names = sorted(tensors, key=lambda name: (-tensors[name].dtype.itemsize, name))
    about: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name in names:
        tensor = tensors[name]
        begin, end = end, end + tensor.nbytes
        about[name] = {
            "dtype": KINDS[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [begin, end],
        }
    header = orjson.dumps(about)
    header += b" " * (-len(header) % 8)
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little"))
        file.write(header)
        for name in names:
            told = tensors[name]
            tensor = told.read() if isinstance(told, Coming) else told
            if tensor.dtype != told.dtype or tuple(tensor.shape) != tuple(told.shape):
                raise ValueError(f"{name}: {tensor.dtype} {tuple(tensor.shape)}")
            flat = tensor.detach().contiguous().view(-1)
            for part in torch.split(flat, max(1, AT_ONCE // flat.itemsize)):
                file.write(part.cpu().view(torch.uint8).numpy().data)


class Lying(Mapping[str, Tensor]):
    """The tensors of a file, each read when it is asked for, onto the CPU."""

    def __init__(self, file: Any, names: Collection[str]) -> None:
        self._file = file
        self._names = dict.fromkeys(names)

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._names:
            raise KeyError(name)
        tensor: Tensor = self._file.get_tensor(name)
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def beside(self, names: Collection[str]) -> Lying:
        """All but these."""
        return Lying(self._file, [name for name in self._names if name not in names])


@contextmanager
def opened(path: Path) -> Iterator[Lying]:
    """A safetensors file's tensors, as long as it is open. SafetensorError where it is none."""
    with safe_open(path, "pt") as file:
        yield Lying(file, list(file.keys()))
