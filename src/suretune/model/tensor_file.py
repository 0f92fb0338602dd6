"""A safetensors file written tensor by tensor: never more of it in memory than a slice.

safetensors itself takes every tensor at once and on the CPU. A model whose own weights learn would
then be held there a second time at each checkpoint, with its masters and moments.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, BinaryIO

import orjson
import torch
from safetensors import safe_open
from torch import Tensor

from suretune.rundir import Written

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
    """A tensor that is read when it is its turn: what it will be, and how it is got.

    What was read stays as it is when the next one is: it may still be hashed.
    """

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


class Hashing:
    """The digest of what is written, made in a thread beside whoever gets and writes the parts.

    One part is hashed at a time, and none waits: no more than two lie in memory.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = sha256()
        self._thread = ThreadPoolExecutor(1)
        self._begun: Future[None] | None = None

    def __enter__(self) -> Hashing:
        return self

    def __exit__(self, *error: object) -> None:
        self._thread.shutdown()

    def write(self, part: bytes | memoryview) -> None:
        """Into the file. Raises what writing raises, or what hashing the part before raised."""
        self.catch_up()
        self._begun = self._thread.submit(self._digest.update, part)
        self._file.write(part)

    def catch_up(self) -> None:
        """Wait until all that was written is hashed. Raises what hashing raised."""
        begun, self._begun = self._begun, None
        if begun:
            begun.result()

    def hexdigest(self) -> str:
        """Of all that was written. Raises what hashing raised."""
        self.catch_up()
        return self._digest.hexdigest()


def write_tensors(
    tensors: Mapping[str, Tensor | Coming],
    path: Path,
    metadata: Mapping[str, str] | None = None,
) -> Written:
    """Write them as `safetensors.torch.save_file` does, wherever they lie: the same bytes. How many
    these are, and their digest: of what was to be written, whatever the disk made of it.

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
    with path.open("wb") as file, Hashing(file) as hashing:
        hashing.write(len(header).to_bytes(8, "little") + header)
        for name in names:
            _write_one(name, tensors[name], hashing)
        digest = hashing.hexdigest()
    return Written(8 + len(header) + end, digest)


def _write_one(name: str, told: Tensor | Coming, hashing: Hashing) -> None:
    tensor = told.read() if isinstance(told, Coming) else told
    if tensor.dtype != told.dtype or tuple(tensor.shape) != tuple(told.shape):
        raise ValueError(f"{name}: {tensor.dtype} {tuple(tensor.shape)}")
    flat = tensor.detach().contiguous().view(-1)
    for part in torch.split(flat, max(1, AT_ONCE // flat.itemsize)):
        hashing.write(part.cpu().view(torch.uint8).numpy().data)
    if flat.nbytes > AT_ONCE:  # else all of it would lie beside the next one
        hashing.catch_up()


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
