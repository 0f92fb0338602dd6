"""`pull`: models and datasets of a hub ahead of time."""

from __future__ import annotations

from suretune.cli.parse import Command, Verb
from suretune.record.journal import Journal
from suretune.types import Text


def pull(command: Command, journal: Journal) -> int:
    """Everything that is named, into the hubs' own caches; where it lies now."""
    from suretune.cli.hub import fetch_ahead

    return fetch_ahead(command, journal)


VERB = Verb(
    "pull",
    Text(
        "fetch a model or --dataset of a hub ahead of time",
        "提前下载模型，或用 --dataset 下载数据集",
    ),
    extra=("model", "dataset", "val_dataset", "hub"),
    positional="ID...",
    several=True,
    own={
        "words_only": Text(
            "of a model: config, tokenizer and template, no weights",
            "只下载模型的配置、分词器和对话模板，不下载权重",
        ),
    },
    do=pull,
    place=140,
)
