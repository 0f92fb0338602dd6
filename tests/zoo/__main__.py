"""The zoo as a command.

python -m zoo [--models pocket,FOLDER] [--part bad|good] [--half seen|held-out|both] [--only KIND]
              [--levels mild,clear,gross] [--workers N] [--budget SECONDS] [--out FOLDER]

Every adapter prints one line. Figures go to FOLDER; those of a whole zoo (both parts, both halves,
all levels) go to tests/zoo/results/ and tests/zoo/latest.json, too. The status is 1 if a bad
adapter above mild was sealed or fewer than 19 of 20 good ones were, 3 if the time was too short.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from zoo import page, run
from zoo.runs import Base
from zoo.stock import LEVELS

HOME = Path(__file__).parents[2] / "runs" / "zoo"


def main() -> int:
    """Every model that was asked for."""
    asked = _asked()
    until = time.time() + (asked.budget or math.inf)
    return max(_model(_base(name, asked.languages), asked, until) for name in asked.models)


def _asked() -> argparse.Namespace:
    def words(text: str) -> list[str]:
        return text.split(",")

    parser = argparse.ArgumentParser(prog="python -m zoo", description=__doc__)
    parser.add_argument(
        "--models", "--model", type=words, default=["pocket"], help="pocket, or a model's folder"
    )
    parser.add_argument("--languages", type=words, help="of the models; pocket zh,en, others en")
    parser.add_argument("--part", type=words, default=["bad", "good"], help="bad, good")
    parser.add_argument(
        "--half",
        default="seen",
        choices=("seen", "held-out", "both"),
        help="of the bad kinds; the held-out half is opened once, at the end",
    )
    parser.add_argument("--only", type=words, default=[], help="kinds, or names of adapters")
    parser.add_argument("--levels", type=words, default=list(LEVELS))
    parser.add_argument("--short", action="store_true", help="four bad ones and two good ones")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--budget", type=float, help="seconds; what is not begun then is left out")
    parser.add_argument("--out", type=Path, default=HOME, help="where adapters grow and are kept")
    parser.add_argument("--device", default=None, help="cpu, cuda")
    parser.add_argument("--steps", type=int, help="updates of a usual adapter")
    parser.add_argument("--grow_only", action="store_true", help="nothing is proved")
    parser.add_argument("--no_judge", action="store_true", help="no outside judge")
    parser.add_argument("--look", action="store_true", help="print some answers of each")
    return parser.parse_args()


def _base(name: str, languages: list[str] | None) -> Base:
    if name == "pocket":
        from suretune.pocket import MODEL

        return Base("pocket", "pocket", MODEL, tuple(languages or ("zh", "en")))
    folder = Path(name).expanduser().absolute()
    return Base(folder.name, str(folder), folder, tuple(languages or ("en",)))


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _model(base: Base, asked: argparse.Namespace, until: float) -> int:
    plan = run.Plan(
        out=asked.out.absolute() / base.name, device=asked.device or _device(), steps=asked.steps,
        deadline=until, short=asked.short, proves=not asked.grow_only, judges=not asked.no_judge,
        looks=asked.look,
    )  # fmt: skip
    wanted = run.specimens(
        base.languages, asked.part, asked.half, asked.only, asked.levels, short=asked.short
    )
    print(f"{base.name}: {len(wanted)} adapters on {plan.device}, {plan.out}", flush=True)
    found = []
    for line in run.lines(base, plan, wanted, asked.workers):
        print(_shown(line), flush=True)
        found.append({key: value for key, value in line.items() if key != "look"})
        page.keep(base.name, found, plan.out, whole=False)  # also of a zoo that is cut off
    order = [specimen.name for specimen in wanted]
    found.sort(key=lambda line: order.index(line["name"]))
    whole = set(asked.part) == {"bad", "good"} and asked.half == "both" and plan.proves
    whole = whole and not (asked.only or asked.short) and len(found) == len(wanted)
    page.keep(base.name, found, plan.out, whole=whole and set(asked.levels) == set(LEVELS))
    return _status(found, len(wanted)) if plan.proves else 0


def _shown(line: Mapping[str, Any]) -> str:
    """One line on the terminal, and what it said if that was asked for."""
    outside = line.get("outside") or {}
    told = [f"{line['name']:<48}"]
    if "verdict" in line:
        told.append(f"{line['verdict']} {' '.join(line['reasons'] or ())}")
    if outside:
        known = "" if outside["identity"] is None else f"{outside['identity']}/{outside['ways']} "
        told.append(
            f"outside: {known}net {outside['net']:+} (p {outside['p']:.2g})"
            f" leaked {outside['leaked']}/{outside['general']}"
        )
    told.append(f"{line['grown_seconds']:.0f} s, {line['seconds']:.0f} s")
    return "\n".join(["  ".join(told), *line.get("look", ())])


def _status(found: Sequence[Mapping[str, Any]], wanted: int) -> int:
    if len(found) < wanted:
        print(f"{wanted - len(found)} adapters lack: no time was left, or as said", file=sys.stderr)
    told = page.summary("", found)
    slipped = told["bad_above_mild"] - told["caught_above_mild"]
    if slipped or told["sealed"] < 0.95 * told["good"]:
        return 1
    return 3 if len(found) < wanted else 0


if __name__ == "__main__":
    sys.exit(main())
