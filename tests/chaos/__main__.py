"""The suite as a command.

python -m chaos [--long] [--only kills,silent] [--budget SECONDS] [--seed N] [--out FILE]

Every part prints one line. The figures go to tests/chaos/latest.json and docs/reliability.md, or,
with --out, to that file alone. The status is 1 if anything went wrong.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from chaos import figures, nursery

Part = Callable[..., dict[str, Any]]
# part: (amount in the short form, in the long form, share of the time budget)
SIZES: Mapping[str, tuple[int, int, float]] = {
    "fuzz": (300, 10_000, 0.2),
    "hostile": (5, 1000, 0.06),  # cases; the long form has all of them
    "fuzz_models": (13, 1_000, 0.12),
    "kills": (4, 500, 0.3),
    "loud": (5, 1000, 0.12),
    "silent": (12, 1000, 0.14),
    "clean": (2, 44, 0.18),
}
BUDGET = {False: 60.0, True: 90 * 60.0}  # seconds


def main() -> int:
    """Run the parts that were asked for."""
    os.environ.update(nursery.ENVIRONMENT)  # before any library reads it
    asked = _asked()
    parts = asked.only.split(",") if asked.only else list(SIZES)
    if unknown := set(parts) - {*SIZES, "story"}:
        print(f"no such part: {', '.join(sorted(unknown))}", file=sys.stderr)
        return 2
    budget = asked.budget or BUDGET[asked.long]
    share = sum(SIZES[name][2] for name in parts if name in SIZES) or 1
    found: dict[str, dict[str, Any]] = {}
    print(f"seed {asked.seed}, at most {budget:.0f} s")
    for name in parts:
        folder = Path(tempfile.mkdtemp(prefix=f"chaos-{name}-"))
        try:
            if name == "story":
                _run("story", folder, 0, asked.seed, budget)
                continue
            short, long, part_of = SIZES[name]
            amount = asked.amount or (long if asked.long else short)
            found[name] = _run(name, folder, amount, asked.seed, budget * part_of / share)
            found[name]["form"] = "long" if asked.long else "short"
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    if found:
        _keep(found, asked.out)
    return 1 if any(part["problems"] for part in found.values()) else 0


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__)
    parser.add_argument("--long", action="store_true", help="the form for figures that are kept")
    parser.add_argument("--only", help=f"parts: {', '.join(SIZES)}, story")
    parser.add_argument("--budget", type=float, help="seconds for all parts")
    parser.add_argument("--amount", type=int, help="how many of each part, in place of the form's")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="write the figures here and touch nothing else")
    return parser.parse_args()


def _run(name: str, folder: Path, amount: int, seed: int, seconds: float) -> dict[str, Any]:
    """One part; the lean ones before the large libraries are imported."""
    import importlib

    from chaos import nursery

    part: Part = importlib.import_module(f"chaos.{name}").part
    if name not in ("fuzz", "hostile"):
        nursery.warm()
    start = time.monotonic()  # the imports are no part of the budget

    def more_time() -> bool:
        return time.monotonic() - start < seconds

    told = part(folder, amount=amount, seed=seed, more_time=more_time)
    told |= {"seconds": round(time.monotonic() - start, 1), "seed": seed}
    for problem in told.get("problems", ()):
        print(f"  {name}: {problem}", file=sys.stderr)
    shown = {k: v for k, v in told.items() if isinstance(v, (int, float)) and k != "seed"}
    print(f"{name}: " + ", ".join(f"{k} {v}" for k, v in shown.items()), flush=True)
    return told


def _keep(found: Mapping[str, Mapping[str, Any]], out: Path | None) -> None:
    if out:
        figures.write(figures.merged({}, found), out)
        return
    told = figures.merged(figures.read(), found)
    figures.write(told)
    figures.PAGE.write_text(figures.page(told, figures.PAGE.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
