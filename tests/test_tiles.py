"""How kernels are cut for a card, beside what Triton's compiler made of them for cards that are not
here (benchmarks/kernels_ahead.py; nothing of it was run on one)."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

import suretune.model
from suretune.model.tiles import CARDS, KIB, Tile, tile_for

ROOT = Path(__file__).parent.parent
TABLE = ROOT / "benchmarks" / "results" / "kernels_ahead.json"
MODEL = Path(suretune.model.__file__).parent
BYTES = {"bfloat16": 2, "float32": 4}
EIGHT_BITS = {80, 86}  # cards without: model/fp8.py asks for compute capability 8.9
SHAPES = {  # outputs of the products of a step: q k v, o, gate and up, down, head
    "Qwen2.5-7B": (36 * 128, 3584, 2 * 18944, 3584, 152064),
    "Qwen3-4B": (48 * 128, 2560, 2 * 9728, 2560, 151936),
    "Gemma-2-2B": (16 * 256, 2304, 2 * 9216, 2304, 256000),
    "Gemma-3-4B": (16 * 256, 2560, 2 * 10240, 2560, 262208),
}


def table() -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = json.loads(TABLE.read_text("utf-8"))["kernels"]
    return lines


def launched() -> set[str]:
    """The kernels that some function launches."""
    files = [*MODEL.glob("*kernels*.py"), MODEL / "flash.py"]
    texts = [path.read_text("utf-8") for path in files]
    return {name for text in texts for name in re.findall(r"^ +_(\w+)\[[(g]", text, re.MULTILINE)}


@pytest.mark.parametrize("card", CARDS)
def test_every_kernel_compiles_for_every_card_and_fits_it(card: int) -> None:
    mine = [line for line in table() if line["card"] == card]
    assert {line["kernel"] for line in mine} == launched(), "run benchmarks/kernels_ahead.py"
    failed = {line["kernel"] for line in mine if not line["ok"]}
    assert failed == ({"quantize"} if card in EIGHT_BITS else set())
    for line in mine:
        assert not line["ok"] or line["shared"] <= CARDS[card], line


def test_a_product_needs_what_the_formula_says() -> None:
    looked = 0
    for line in table():
        if line["kernel"] != "product":
            continue
        shape, rows = re.findall(r"(.+): decoding (\d+) rows", line["case"])[0]
        size, room = BYTES[line["dtype"]], CARDS[line["card"]]
        tiles = [tile_for(int(rows), n, size, room) for n in SHAPES[shape]]
        assert line["shared"] == max(tile.shared(int(rows), size) for tile in tiles), line
        looked += 1
    assert looked == len(CARDS) * len(BYTES) * len(SHAPES) * 2 * 3


def test_a_tile_is_the_measured_one_where_it_fits_and_smaller_where_it_does_not() -> None:
    large, small = CARDS[90], CARDS[89]
    for size in BYTES.values():
        assert tile_for(16, 3584, size, large) == Tile(32, 256, 4, 4)
        assert tile_for(1, 3584, size, large) == tile_for(1, 3584, size, small)
    assert tile_for(16, 3584, 2, small) == Tile(32, 256, 4, 4)
    assert Tile(32, 256, 4, 4).shared(16, 4) == 144 * KIB > small
    assert tile_for(16, 3584, 4, small) == Tile(32, 256, 4, 3)


@pytest.mark.parametrize("room", [16 * KIB, 48 * KIB, 64 * KIB, *CARDS.values()])
@pytest.mark.parametrize("rows", [1, 2, 16])
@pytest.mark.parametrize("n", [64, 4096, 8192, 200_000])
def test_whatever_the_card_a_tile_fits(room: int, rows: int, n: int) -> None:
    for size in BYTES.values():
        tile = tile_for(rows, n, size, room)
        assert tile.shared(rows, size) <= room and tile.k >= 32 and tile.stages >= 2


def test_the_table_is_what_the_compiler_makes(tmp_path: Path) -> None:
    pytest.importorskip("triton", reason="triton is not installed: the table is not made anew")
    sys.path.insert(0, str(ROOT / "benchmarks"))
    import kernels_ahead

    told = kernels_ahead.table([86])
    known = {(k["kernel"], k["dtype"], k["case"]): k for k in table() if k["card"] == 86}
    for line in told:
        there = known[line["kernel"], line["dtype"], line["case"]]
        assert (line["ok"], line.get("shared")) == (there["ok"], there.get("shared"))
