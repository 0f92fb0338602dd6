"""Every Triton kernel compiled ahead for cards that are not here: shared memory and registers.

    python benchmarks/kernels_ahead.py [--cards 86 89]

Needs triton, and no GPU: the functions that launch kernels are called as training and decoding call
them, with tensors that nobody reads, and what they would launch is compiled for each card by
triton's own compiler. So tiles are those that the card would get. Nothing is computed, and no time
is measured. Writes benchmarks/results/kernels_ahead.json, which tests/test_tiles.py reads.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest.mock import patch

import torch
import triton
from torch import Tensor
from triton.backends.compiler import GPUTarget
from triton.runtime import driver, jit

from suretune.model import decode_kernels, kernels, loss_kernels, product_kernels, tiles
from suretune.model.stack import Angles
from suretune.model.weight import Dense

RESULTS = Path(__file__).resolve().parent / "results" / "kernels_ahead.json"
CUOBJDUMP = Path(triton.__file__).parent / "backends" / "nvidia" / "bin" / "cuobjdump"


class Shape(NamedTuple):
    """Of a model, as its layers have it; `normed`: heads have norms of their own; `window`: some
    layers see so many tokens."""

    hidden: int
    wide: int
    heads: int
    few: int
    size: int
    words: int
    normed: bool
    window: int | None = None


SHAPES = {  # the articles' model, and others that have more of something
    "Qwen2.5-7B": Shape(3584, 18944, 28, 4, 128, 152064, False),
    "Qwen3-4B": Shape(2560, 9728, 32, 8, 128, 151936, True),
    "Gemma-2-2B": Shape(2304, 9216, 8, 4, 256, 256000, False),
    "Gemma-3-4B": Shape(2560, 10240, 8, 4, 256, 262208, True, 1024),
}
RANKS = (8, 64)
DTYPES = {"bfloat16": torch.bfloat16, "float32": torch.float32}


class Absent:
    """Triton's driver of a card that is not here."""

    def __init__(self, card: int) -> None:
        self.card = card

    def get_current_target(self) -> GPUTarget:
        return GPUTarget("cuda", self.card, 32)

    def get_current_device(self) -> int:
        return self.card  # so that no kernel compiled for another card is taken

    def get_current_stream(self, device: int) -> int:
        return 0


Compiled = list[dict[str, Any]]


def recorded(launch: Callable[[], object]) -> Compiled:
    """What the kernels became that this would launch."""
    made: Compiled = []

    def instead(kernel: Any, grid: Any) -> Callable[..., None]:
        def compiled(*args: Any, **more: Any) -> None:
            made.append(_compiled(kernel, grid, args, more))

        return compiled

    before = jit.JITFunction.__getitem__
    jit.JITFunction.__getitem__ = instead
    try:
        launch()
    finally:
        jit.JITFunction.__getitem__ = before
    return made


def _compiled(kernel: Any, grid: Any, args: Any, more: Any) -> dict[str, Any]:
    name = kernel.fn.__name__.lstrip("_")
    try:
        done = kernel.run(*args, grid=grid, warmup=True, **more)
    except Exception as error:  # a compiler's errors have no base class of their own
        cause = error.__cause__ or error
        return {"kernel": name, "ok": False, "why": str(cause).strip().splitlines()[-1][:200]}
    about = {"shared": done.metadata.shared, "warps": done.metadata.num_warps}
    return {"kernel": name, "ok": True, **about, **_registers(done)}


def _registers(done: Any) -> dict[str, int]:
    """Registers and bytes of stack of a thread, as NVIDIA's tool reads them in the binary."""
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(done.asm["cubin"])
        file.flush()
        words = (str(CUOBJDUMP), "-res-usage", file.name)
        said = subprocess.run(words, capture_output=True, text=True, check=True).stdout
    found = re.search(r"REG:(\d+) STACK:(\d+)", said)
    assert found, said
    return {"registers": int(found[1]), "stack": int(found[2])}


def launches(kind: torch.dtype) -> Iterator[tuple[str, Callable[[], object]]]:
    """(which case, what launches its kernels): training's and decoding's, by shape and rank."""
    for name, shape in SHAPES.items():
        yield f"{name}: norms and rotary", partial(_norms, kind, shape)
        yield f"{name}: losses", partial(_losses, kind, shape)
        yield f"{name}: keys that rows share", partial(_sums, kind, shape)
        for ranks in RANKS:
            yield f"{name}: gate, rank {ranks}", partial(_gate, kind, shape, ranks)
        for rows in (1, 16):
            for ranks in (0, *RANKS):
                case = f"{name}: decoding {rows} rows, rank {ranks}"
                yield case, partial(_decode, kind, shape, rows, ranks)
    if kind == torch.bfloat16:
        yield "8 bits", lambda: kernels.quantize(torch.empty(4, 18944, dtype=kind))
        yield "masters", _masters


def _norms(kind: torch.dtype, shape: Shape) -> None:
    x, norm = torch.empty(4, shape.hidden, dtype=kind), torch.empty(shape.hidden, dtype=kind)
    kernels.rms_norm(x, norm, 1e-6, x)
    kernels.rms_norm_backward(x, x, norm, torch.empty(4), x)
    q = torch.empty(4, shape.heads * shape.size, dtype=kind)
    angles = torch.empty(4, shape.size)
    kernels.rotate(q, angles, angles, shape.heads, 1.0, q)


def _losses(kind: torch.dtype, shape: Shape) -> None:
    logits = torch.empty(2, shape.words, dtype=kind)
    targets, factors = torch.empty(2, dtype=torch.int64), torch.empty(2)
    loss_kernels.cross_entropy(logits, targets, factors)
    loss_kernels.jeffreys(logits, logits, factors, -20.0)


def _sums(kind: torch.dtype, shape: Shape) -> None:
    places = torch.empty(4, dtype=torch.int64)
    kernels.segment_sum(torch.empty(4, shape.few, shape.size, dtype=kind), places, places)


def _masters() -> None:
    addresses, sizes = torch.empty(3, 2, dtype=torch.int64), torch.empty(3, 3, dtype=torch.int64)
    kernels.mirror(addresses, sizes, torch.empty(3), 2**20, torch.empty(4, dtype=torch.bfloat16))


def _gate(kind: torch.dtype, shape: Shape, ranks: int) -> None:
    wide, both = shape.wide, 2 * ranks  # of gate and up
    gate_up = torch.empty(4, 2 * wide, dtype=kind)
    a, b = torch.empty(4, both, dtype=kind), torch.empty(2 * wide, both, dtype=kind)
    out = torch.empty(4, wide, dtype=kind)
    kernels.gate(gate_up, a, b, "silu", out)
    g, down = torch.empty(4, ranks, dtype=kind), torch.empty(ranks, wide, dtype=kind)
    kernels.gate_backward(out, g, down, gate_up, a, b, kind="silu", out=gate_up)


def _group(kind: torch.dtype, n: int, k: int, ranks: int) -> Any:
    weight, a, b = (torch.empty(s, dtype=kind) for s in ((n, k), (ranks, k), (n, ranks)))
    return SimpleNamespace(weight=Dense(weight), bias=None, a=a, b=b, n=n, k=k, r=ranks, sizes=(n,))


def _decode(kind: torch.dtype, shape: Shape, rows: int, ranks: int) -> None:
    """The kernels of a decoding step: norm, products, attention, gate and head."""
    hidden, wide, heads, few, size, words, normed, window = shape
    of: Any = SimpleNamespace  # what the kernels read of a model, and no more
    norm = of(weight=torch.empty(hidden, dtype=kind), eps=1e-6)
    qkv = _group(kind, (heads + 2 * few) * size, hidden, 3 * ranks)
    up, down = _group(kind, 2 * wide, hidden, 2 * ranks), _group(kind, hidden, wide, ranks)
    o = _group(kind, hidden, heads * size, ranks)
    x = torch.empty(rows, hidden, dtype=kind)
    taken = decode_kernels.normed(x, norm, qkv)
    projected = decode_kernels.times(qkv, taken)
    angles = torch.empty(4096, size, dtype=torch.float32)
    own = of(weight=torch.empty(size, dtype=kind), eps=1e-6) if normed else None
    layer = of(o=o, query_norm=own, key_norm=own, window=window, rope=0)
    stack = of(heads=heads, kv_heads=few, head_dim=size, scale=0.1)
    keys = torch.empty(rows, 4096, few, size, dtype=kind)
    heard = decode_kernels.attend(
        stack, layer=layer, qkv=projected, positions=torch.empty(rows, dtype=torch.int64),
        kept=(keys, keys), cache=of(angles=(Angles(angles, angles),)),
        take_in=bool(ranks),
    )  # fmt: skip
    decode_kernels.times(o, heard, x)
    gated: Tensor = decode_kernels.times(up, decode_kernels.normed(x, norm, up))
    decode_kernels.times(down, decode_kernels.gated(gated, "silu", down), x)
    product_kernels.product(torch.empty(words, hidden, dtype=kind), x)


def measured(card: int) -> Compiled:
    """A line for each kernel as it is launched: of several alike the largest."""
    driver.set_active(Absent(card))
    lines: dict[tuple[str, ...], dict[str, Any]] = {}
    for dtype, kind in DTYPES.items():
        for case, launch in launches(kind):
            for found in recorded(launch):
                line = {"card": card, "dtype": dtype, "case": case, **found}
                key = (found["kernel"], dtype, case)
                if found.get("shared", 2**30) >= lines.get(key, {}).get("shared", 0):
                    lines[key] = line
    return list(lines.values())


def table(cards: Iterable[int]) -> Compiled:
    """The lines of all these cards."""
    lines: Compiled = []
    for card in cards:
        with patch.object(tiles, "room_of", lambda device, card=card: tiles.CARDS[card]):
            lines += measured(card)
    return lines


def main() -> None:
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("--cards", type=int, nargs="+", default=list(tiles.CARDS))
    asked.add_argument("--out", type=Path, default=RESULTS)
    told = asked.parse_args()
    lines = table(told.cards)
    about = {"triton": triton.__version__, "limits": {c: tiles.CARDS[c] for c in told.cards}}
    rows = ",\n".join("  " + json.dumps(line) for line in lines)
    told.out.write_text(f'{json.dumps(about)[:-1]}, "kernels": [\n{rows}\n]}}\n')
    for line in lines:
        if not line["ok"] or line["shared"] > tiles.CARDS[line["card"]]:
            print(line)


if __name__ == "__main__":
    main()
