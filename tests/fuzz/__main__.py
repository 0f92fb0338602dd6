"""Read thousands of files that are nearly right, from rows to a plan.

    PYTHONPATH=tests python -m fuzz [--long] [--seed N] [--amount N] [--seconds N] [--write]

Prints one line; the status is 1 if a law was broken (`fuzz/law.py`). --write puts the figures into
docs/reliability.md. What found something is kept in /tmp/suretune-fuzz (or $FUZZ_KEEP).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from chaos import figures, nursery
from fuzz.files import SHARED, Case, cases

PER_CHILD = 200  # files
ROOM = 3 * nursery.GIB // 2  # of address space beyond the libraries
SLOW = 20.0  # seconds that one file may take
SHORT, LONG = 400, 1_000_000
BEGIN, END = "<!-- fuzz: written by `python -m fuzz` -->", "<!-- end of fuzz -->"
WAYS: Sequence[dict[str, Any]] = (
    {},
    {"on_bad_row": "skip", "mixed_shapes": True, "over_long": "drop"},
    {"on_bad_row": "skip", "mixed_shapes": True, "over_long": "drop", "split_dataset_ratio": 0.4,
     "model_name": ("小光", "Lumen"), "model_author": ("星野", "Hoshino")},
    {"on_bad_row": "skip", "mixed_shapes": True, "over_long": "drop", "chat_template": "*"},
)  # fmt: skip


def main() -> int:
    """0 if every law held."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    parser.add_argument("--long", action="store_true", help="ten minutes")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--amount", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--write", action="store_true")
    asked = parser.parse_args()
    seconds = asked.seconds or (600.0 if asked.long else 120.0)
    told = fuzz(asked.seed, asked.amount or (LONG if asked.long else SHORT), seconds)
    for problem in told["problems"][:40]:
        print(problem, file=sys.stderr)
    print(", ".join(f"{k} {v}" for k, v in told.items() if k != "problems"))
    if asked.write:
        text = figures.PAGE.read_text("utf-8")
        before, _, rest = text.partition(BEGIN)
        block = f"{BEGIN}\n\n{page(told, asked.seed)}\n{END}"
        figures.PAGE.write_text(f"{before}{block}{rest.partition(END)[2]}", "utf-8")
    return 1 if told["problems"] else 0


def page(told: dict[str, Any], seed: int) -> str:
    """The figures, as docs/reliability.md has them."""
    n = told["files"]
    crashes, losses = (figures.at_most(told[name], n) for name in ("tracebacks", "broken"))
    return (
        f"{n:,} files with {told['rows']:,} rows, {told['learned']:,} of them used, in "
        f"{told['seconds']:.0f} s: {told['tracebacks']} tracebacks (of files at most {crashes}, "
        f"95 %), {told['broken']} rows or fields lost unsaid (at most {losses}). The slowest file "
        f"took {told['slowest']:.1f} s, the largest child {told['largest_mb']} MiB. "
        f"{date.today().isoformat()}, commit `{figures.commit()}`, seed {seed}.\n"
    )


def fuzz(seed: int, amount: int, seconds: float) -> dict[str, Any]:
    """Figures, and `problems`: a line for each law broken."""
    told: dict[str, Any] = {"files": 0, "rows": 0, "learned": 0, "told": 0, "tracebacks": 0,
                            "broken": 0, "slowest": 0.0, "largest_mb": 0}  # fmt: skip
    problems: list[str] = []
    start = time.monotonic()
    batch: list[Case] = []
    with tempfile.TemporaryDirectory(prefix="fuzz-") as home:
        _warm()
        for case in cases(seed, amount):
            batch.append(case)
            if len(batch) == PER_CHILD:
                _read(Path(home), batch, told, problems)
                batch = []
                if time.monotonic() - start > seconds:
                    break
        if batch:
            _read(Path(home), batch, told, problems)
    return {**told, "seconds": round(time.monotonic() - start, 1), "problems": problems}


def _warm() -> None:
    """What every child needs, imported once."""
    import pyarrow.parquet  # noqa: F401

    from suretune.guards import all_guards
    from suretune.preflight import check  # noqa: F401

    all_guards()

    os.environ["SURETUNE_CACHE"] = "off"


def _read(home: Path, batch: Sequence[Case], told: dict[str, Any], problems: list[str]) -> None:
    """One child for many files; the one that ends it is told, the rest are read by another."""
    ended = nursery.forked(lambda: _child(home, batch), home, timeout=SLOW * len(batch))
    results = [json.loads(line) for line in ended.out.splitlines() if line.startswith("{")]
    told["largest_mb"] = max(told["largest_mb"], ended.grown >> 20)
    for case, result in zip(batch, results, strict=False):
        told["files"] += 1
        for name in ("rows", "learned", "told"):
            told[name] += result.get(name, 0)
        told["slowest"] = max(told["slowest"], result["seconds"])
        if "error" in result:
            told["tracebacks"] += 1
            problems.append(f"{case.name} ({case.done}): {result['error']} {_kept(case)}")
        for number, wrong in enumerate(result.get("wrong", ())):
            told["broken"] += 1
            if number < 2:
                problems.append(f"{case.name} ({case.done}): {wrong} {_kept(case)}")
    if len(results) < len(batch):
        case = batch[len(results)]
        told["tracebacks"] += 1
        told["files"] += 1
        words = ended.signal or ended.last_words
        problems.append(f"{case.name} ({case.done}): ended the process ({words}) {_kept(case)}")
        if batch[len(results) + 1 :]:
            _read(home, batch[len(results) + 1 :], told, problems)


def _kept(case: Case) -> str:
    home = Path(os.environ.get("FUZZ_KEEP", "/tmp/suretune-fuzz"))
    home.mkdir(parents=True, exist_ok=True)
    (home / case.name).write_bytes(case.data)
    return f"[{home / case.name}]"


def _child(home: Path, batch: Sequence[Case]) -> int:
    from fuzz.law import judge
    from suretune.pocket import MODEL

    templates = sorted((SHARED / "data" / "chat_templates").glob("*.jinja"))
    nursery.limit_address_space(ROOM)
    for case in batch:
        path = home / case.name
        path.write_bytes(case.data)
        number = int(case.name.partition("-")[0])
        way = {"model": str(MODEL), **WAYS[number % len(WAYS)]}
        if way.get("chat_template") == "*":
            way.pop("chat_template")
            if templates:
                way["chat_template"] = str(templates[number // len(WAYS) % len(templates)])
        start = time.monotonic()
        try:
            result = judge(path, way, named="renamed" not in case.done)
        except BaseException as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            result = {"error": f"{type(error).__name__}: {error}"[:300]
                      + f" at {Path(where.filename).name}:{where.lineno}"}  # fmt: skip
        result["seconds"] = round(time.monotonic() - start, 3)
        print(json.dumps(result), flush=True)
        path.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
