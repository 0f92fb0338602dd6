"""Sound runs, on which no guard may speak up: sizes, languages, seeds, ways to train.

A false alarm is a finding that stops, or a recorded one that this run has not deserved. That a run
of six updates teaches too little for the verdict is none: such runs count as clean when nothing
but the verdict is said. The long ones must be sealed.
"""

from __future__ import annotations

import itertools
import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos import bases, nursery, rows

DESERVED = {"P002"}  # the template's system prompt is trained in: true of all without --system
FEW = 10  # identity rows below which D029 is deserved, and S023 where they are learned often
VERDICTS = {
    "R002",
    "R003",
    "R004",
    "R006",
    "R007",
    "R019",
}  # too few updates to have taught anything


@dataclass(frozen=True, slots=True)
class Clean:
    """One run. `sealed`: it is long enough to be proven."""

    kind: str  # identity, alpaca
    language: str  # zh, en, both
    rows: int
    seed: int
    flags: tuple[object, ...]
    sealed: bool = False
    stopped: bool = False  # by a signal in its middle, and resumed

    @property
    def id(self) -> str:
        return "-".join((self.kind, self.language, str(self.rows), f"seed{self.seed}"))


def runs(seed: int) -> Iterator[Clean]:
    """Every size, kind and language with ways to train that are drawn by the seed."""
    chance = random.Random(seed)
    ways = (
        ("--split_dataset_ratio", 0.1), ("--split_dataset_ratio", 0),
        ("--eval_steps", 2, "--early_stopping_patience", 1),
        ("--save_steps", 2, "--save_total_limit", 1), ("--lora_dropout", 0.1, "--lora_rank", 4),
        ("--lr_scheduler_type", "linear", "--weight_decay", 0.01), ("--use_rslora", True),
        ("--target_modules", "q_proj,v_proj"), ("--system", "You are a helpful assistant."),
    )  # fmt: skip
    sizes, languages = (8, 20, 50, 120), ("zh", "en", "both")
    long = Clean("identity", "both", 60, seed, ("--system", "You are a helpful assistant."), True)
    plan = itertools.product(sizes, ("identity", "alpaca"), languages, range(2))
    for number, (size, kind, language, turn) in enumerate(plan):
        if number == 4:
            yield long
        if kind == "identity" and size == 120:
            continue  # the starter has sixty rows
        fitting = [way for way in ways if kind == "identity" or "--split_dataset_ratio" not in way]
        way = chance.choice(fitting)
        if kind == "alpaca":  # nothing else could tell whether these were learned
            way = (*way, "--split_dataset_ratio", 0.1)
        flags = ("--max_steps", 6, "--gradient_accumulation_steps", chance.choice((2, 4, 8)),
                 "--per_device_train_batch_size", chance.choice((1, 2)), *way)  # fmt: skip
        yield Clean(kind, language, size, chance.randrange(1000), flags, stopped=turn == 1)


def data(clean: Clean) -> list[Any]:
    """Its rows."""
    languages = ("zh", "en") if clean.language == "both" else (clean.language,)
    if clean.kind == "identity":
        made = rows.identity(languages)
        step = max(1, len(made) // clean.rows)
        return made[::step][: clean.rows]
    share = clean.rows // len(languages)
    start = clean.seed % 200
    return [row for language in languages for row in rows.alpaca(language, share, start)]


def alarm(clean: Clean, folder: Path, base: Path) -> str:
    """Run it; what was said without reason."""
    from chaos import inject

    folder.mkdir()
    path = rows.write(folder / "rows.jsonl", data(clean))
    words = ["sft", "--model", base, "--dataset", path, "--output_dir", folder / "run",
             "--seed", clean.seed, "--device", "cpu", *clean.flags, "--json"]  # fmt: skip
    if not clean.sealed:
        words += ["--general_questions", 100]
    if clean.stopped:
        stop = nursery.command(words, folder, before=lambda: inject.send(15, 3))
        if stop.status != 143:
            return f"SIGTERM ended in {stop.status}: {stop.last_words}"
        words = ["resume", folder / "run", "--json"]
    ended = nursery.command(words, folder)
    few = {"D029", "S023"} if clean.rows < FEW else set()
    odd = ended.codes - DESERVED - few - (set() if clean.sealed else VERDICTS)
    if odd or ended.traceback or ended.status not in ((0,) if clean.sealed else (0, 6)):
        return f"status {ended.status}, {' '.join(sorted(odd))} {ended.last_words[-150:]}"
    if ended.status == 0:
        again = nursery.command(["verify", folder / "run", "--json"], folder)
        if again.status != 0:
            return f"verify ended in {again.status}: {again.last_words}"
    return ""


def part(folder: Path, *, amount: int, seed: int, more_time: Any) -> dict[str, Any]:
    """The first `amount` runs."""
    told, problems = {"clean_runs": 0, "false_alarms": 0, "sealed": 0}, []
    base = bases.pocket(folder / "base", skills=True)
    for number, clean in enumerate(itertools.islice(runs(seed), amount)):
        if not more_time():
            break
        home = folder / f"{number}-{clean.id}"
        wrong = alarm(clean, home, base)
        told["clean_runs"] += 1
        told["sealed"] += (home / "run" / "VERIFIED.json").exists()
        shutil.rmtree(home)
        if wrong:
            told["false_alarms"] += 1
            problems.append(f"{clean.id} {clean.flags}: {wrong}")
    return {**told, "problems": problems}
