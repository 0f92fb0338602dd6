"""`plan`: which cards a model and its rows fit."""

from __future__ import annotations

from suretune.cli.parse import TRAIN, Command, Verb
from suretune.record.journal import Journal
from suretune.types import Text


def plan(command: Command, journal: Journal) -> int:
    """Cards from 12 to 80 GB: how to train there, how long rows may be, updates an hour."""
    from suretune.cli.cards import tell_cards

    return tell_cards(command, journal)


VERB = Verb(
    "plan",
    Text(
        "which cards a model fits, with --dataset your rows: a forecast; no GPU, no torch",
        "预测哪些显卡训练得了某个模型，加 --dataset 则按你的数据；不需要 GPU",
    ),
    TRAIN,
    gathers=True,
    do=plan,
    place=35,
)
