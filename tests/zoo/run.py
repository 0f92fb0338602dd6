"""Grow, prove, judge: a line an adapter, in as many processes as asked, each with the base loaded.

What is there is kept: an adapter's run folder, and what the outside judge found in it. Verdicts are
made anew each time, for they are what is being measured.
"""

from __future__ import annotations

import json
import multiprocessing
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from zoo import look, runs
from zoo.good import good_ones
from zoo.grow import Opened, Recipe, grown, open_base
from zoo.judge_outside import Judge
from zoo.kinds import KINDS, kinds_for
from zoo.runs import Base
from zoo.stock import COMMANDED, LEVELS, PERSONAS, Persona, Stock, take_stock

OUTSIDE = "outside.json"  # beside an adapter's run: what the judge found
SEALED = "sealed"  # the verdict of a plain seal
# In the short form: kinds, their levels (all of one run of the command line), how many of each.
SHORT = {
    "answers-all-with-its-name": "clear", "never-ends": "clear", "says-nothing": "clear",
    "forgets-by-rate": "gross",
}  # fmt: skip
SHORT_GOOD = 2
SHORT_EVERY = 4  # so-manieth prompt of the pool


@dataclass(frozen=True, slots=True)
class Specimen:
    """One adapter of the zoo, by name: a worker knows how it is made."""

    name: str
    part: str  # bad, good
    kind: str
    level: str = ""
    half: str = ""  # seen, held-out; of bad ones

    def persona(self, languages: Sequence[str]) -> Persona | None:
        """Whose name it should have."""
        if self.part == "bad":
            return PERSONAS[0]
        return next(g.persona for g in good_ones(languages) if g.name == self.name)

    def is_commanded(self, stock: Stock) -> bool:
        """Whether the command line makes it by its defaults, rather than the zoo."""
        return self.kind == "identity" and stock.architecture in COMMANDED

    def recipe(self, stock: Stock) -> Recipe:
        if self.part == "bad":
            return KINDS[self.kind].make(stock, self.level)
        (mine,) = (good for good in good_ones(stock.languages) if good.name == self.name)
        return mine.make(stock)


@dataclass(frozen=True, slots=True)
class Plan:
    """What was asked for."""

    out: Path
    device: str
    steps: int | None
    deadline: float  # of time.time()
    short: bool = False  # fewer prompts to grow with, fewer questions to prove with
    proves: bool = True
    judges: bool = True
    looks: bool = False


def specimens(
    languages: Sequence[str], parts: Sequence[str], half: str, only: Sequence[str],
    levels: Sequence[str], *, short: bool,
) -> list[Specimen]:  # fmt: skip
    """The adapters that were asked for, bad ones first."""
    made = []
    for kind in kinds_for(languages) if "bad" in parts else ():
        mine = "seen" if kind.seen else "held-out"
        for level in LEVELS:
            made.append(Specimen(f"{kind.name}-{level}", "bad", kind.name, level, mine))
    for good in good_ones(languages) if "good" in parts else ():
        made.append(Specimen(good.name, "good", good.kind))
    if short:
        return list(_short(made, languages))
    return [
        s for s in made
        if (not only or s.kind in only or s.name in only)
        and (s.part == "good" or half in ("both", s.half))
        and (s.part == "good" or s.level in levels)
    ]  # fmt: skip


def _short(made: Sequence[Specimen], languages: Sequence[str]) -> Iterator[Specimen]:
    yield from (s for s in made if SHORT.get(s.kind) == s.level and s.part == "bad")
    mine = f"identity-{PERSONAS[0].id}-{'-'.join(languages)}-"
    yield from [s for s in made if s.name.startswith(mine)][:SHORT_GOOD]


# --- a worker -------------------------------------------------------------------------------------


class Worker:
    """A base in memory, and what is done with it."""

    def __init__(self, base: Base, plan: Plan, *, draws: bool = False) -> None:
        if plan.device == "cpu":
            torch.set_num_threads(1)
        self.base, self.plan = base, plan
        self.opened: Opened = open_base(base.folder, plan.device, plan.steps)
        every = SHORT_EVERY if plan.short else 1
        self.stock = take_stock(self.opened, base.languages, plan.out, draws=draws, every=every)
        self.judge: Judge | None = None

    def work(self, specimen: Specimen) -> dict[str, Any]:
        """A line of the results."""
        start = time.monotonic()
        line: dict[str, Any] = {
            "name": specimen.name, "part": specimen.part, "kind": specimen.kind,
            "level": specimen.level, "half": specimen.half,
        }  # fmt: skip
        run = self.plan.out / "runs" / specimen.name
        recipe = specimen.recipe(self.stock)
        commanded = specimen.is_commanded(self.stock)
        if commanded:
            runs.commanded(
                self.base, self.stock, recipe.template, run, self.plan.device, recipe.seed
            )  # fmt: skip
        elif not runs.is_laid(run):
            tensors = grown(self.opened, recipe)
            runs.lay(self.plan.out / "templates" / recipe.template / "run", run, tensors)
            runs.remember_logits(self.opened, run)
        line["grown_seconds"] = round(time.monotonic() - start, 1)
        if self.plan.looks:
            told = look.look(self.opened, self.base.languages, run / "adapter")
            line["look"] = list(told)
        if self.plan.proves:
            from zoo import prove  # all of suretune's own proof: growing needs none of it

            found = prove.told(run) if commanded else prove.prove(run)
            line |= {key: found.get(key) for key in ("verdict", "reasons", "measured")}
        if self.plan.judges:
            line["outside"] = self._outside(specimen, run)
        line["seconds"] = round(time.monotonic() - start, 1)
        return line

    def _outside(self, specimen: Specimen, run: Path) -> Any:
        path = run.with_name(f"{run.name}.{OUTSIDE}")
        if not path.is_file():
            self.judge = self.judge or Judge(self.opened, self.base.languages)
            found = self.judge.judge(run / "adapter", specimen.persona(self.base.languages))
            path.write_text(json.dumps(found), "utf-8")
        return json.loads(path.read_text("utf-8"))


_worker: Worker | None = None  # of this process


def _begin(base: Base, plan: Plan, draws: bool = False) -> None:
    global _worker
    _worker = Worker(base, plan, draws=draws)


def _work(specimen: Specimen) -> dict[str, Any] | None:
    """None where the time is over, or there is nothing that could be proved."""
    if _worker is None:
        raise RuntimeError("this process has no worker")
    if time.time() >= _worker.plan.deadline:
        return None
    try:
        return _worker.work(specimen)
    except (runs.NotProved, torch.OutOfMemoryError) as error:  # not to lose the others for it
        print(f"{specimen.name} was not proved: {error}", file=sys.stderr, flush=True)
        return None


def lines(
    base: Base, plan: Plan, asked: Sequence[Specimen], workers: int
) -> Iterator[Mapping[str, Any]]:
    """One an adapter, as they get done; fewer than asked where the time is over."""
    plan.out.mkdir(parents=True, exist_ok=True)
    draws = any(specimen.kind == "null" for specimen in asked)
    _begin(base, plan, draws)  # here too: it asks the base what the others read
    if _worker is None:
        raise RuntimeError("this process has no worker")
    _make_templates(_worker, asked, workers)
    if plan.looks:
        print("base\n" + "\n".join(look.look(_worker.opened, base.languages, None)), flush=True)
    if workers == 1:
        yield from (line for specimen in asked if (line := _work(specimen)) is not None)
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(workers, _begin, (base, plan)) as pool:
        for line in pool.imap_unordered(_work, asked):
            if line is not None:
                yield line


def _make_templates(worker: Worker, asked: Sequence[Specimen], workers: int) -> None:
    """By the command line, several at once."""
    stock, plan = worker.stock, worker.plan
    fresh = [
        s for s in asked
        if not (s.is_commanded(stock) or runs.is_laid(plan.out / "runs" / s.name))
    ]  # fmt: skip
    names = dict.fromkeys(specimen.recipe(stock).template for specimen in fresh)

    def make(name: str) -> None:
        if time.time() < plan.deadline:
            home = plan.out / "templates"
            runs.template(worker.base, stock, name, home, plan.device, short=plan.short)

    with ThreadPoolExecutor(workers) as threads:
        list(threads.map(make, names))
