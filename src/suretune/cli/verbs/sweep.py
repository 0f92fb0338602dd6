"""`sweep`: many settings of `sft`, each to its verdict."""

from __future__ import annotations

from suretune.cli.parse import TRAIN, Command, Verb
from suretune.record.journal import Journal
from suretune.types import Text


def sweep(command: Command, journal: Journal) -> int:
    """Many settings, each to its verdict; the best as a command."""
    from suretune.cli.sweep import search

    return search(command, journal)


VERB = Verb(
    "sweep",
    Text(
        "try many settings of sft, each to its verdict (pip install 'suretune[sweep]')",
        "尝试多种 sft 设置，各自得出结论（pip install 'suretune[sweep]'）",
    ),
    TRAIN,
    positional="CONFIG",
    own={
        "search": Text(
            "what to try: learning_rate=1e-4..4e-3:log lora_rank=4,8,16; lists with +",
            "试哪些取值：learning_rate=1e-4..4e-3:log lora_rank=4,8,16；列表用 + 连接",
        ),
        "trials": Text("settings to try [20]", "试多少种设置 [20]"),
        "seeds": Text("train every setting with each of these", "每种设置用这些种子各训练一次"),
        "study": Text("the SQLite file of the study", "保存搜索过程的 SQLite 文件"),
        "parallel": Text(
            "runs at once; one a GPU when not given", "同时运行几个；不写则每块 GPU 一个"
        ),
    },
    gathers=True,
    do=sweep,
    place=50,
)
