"""The example of docs/python.md: two runs in one process, one on a thread, in two languages.

mypy checks it strictly; test_api.py runs it.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import suretune
from suretune.events import Event, Updated


class Losses:
    """A listener: the loss of every update."""

    def __init__(self) -> None:
        self.seen: list[float] = []

    def on(self, event: Event) -> None:
        if isinstance(event, Updated):
            self.seen.append(event.record.loss)


def teach(rows: Path, to: Path, language: suretune.Language, losses: Losses) -> suretune.Run:
    """A short run: two updates, few general questions."""
    return suretune.train(
        "pocket",
        rows,
        output_dir=to,
        max_steps=2,
        until_proven=False,
        general_questions=20,
        anchor_ratio=0.0,
        learning_rate=1e-3,
        seed=7,
        listeners=[losses],
        language=language,
    )


def two_runs(rows: Path, folder: Path) -> dict[str, tuple[suretune.Run, list[float]]]:
    """Both at once; what each came to, by its language."""
    plan = suretune.check("pocket", rows, max_steps=2)
    assert plan.updates == 2

    def one(language: suretune.Language) -> tuple[suretune.Run, list[float]]:
        losses = Losses()
        return teach(rows, folder / language, language, losses), losses.seen

    with ThreadPoolExecutor(max_workers=1) as beside:
        chinese = beside.submit(one, "zh")
        english = one("en")
        return {"en": english, "zh": chinese.result()}


def refused(rows: Path) -> tuple[suretune.Refused, ...]:
    """What cannot work says so, in the language of the call, before anything is spent."""
    caught: list[suretune.Refused] = []
    for language in ("en", "zh"):
        try:
            suretune.check("pocket", rows, learning_rate=-1.0, lora_rank=0, language=language)
        except suretune.Refused as error:
            caught.append(error)
    return tuple(caught)


def answers(run: suretune.Run) -> tuple[str, str]:
    """A question's answer, whole and in pieces."""
    model = suretune.load(run.path, max_new_tokens=24)
    return model.ask("Who are you?"), "".join(model.stream("Who are you?"))
