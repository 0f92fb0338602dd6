"""C001 unknown-flag: the command has a flag that suretune does not know.

What it looks at: every flag of the command and every key of the configuration file.

Why it matters: a tool that skips what it does not know trains with a value that
nobody chose, and nobody notices.

Fix: write the flag that the message names; `suretune VERB --help` lists them all.

C001 unknown-flag：命令里有 suretune 不认识的参数。

检查内容：命令里的每个参数，以及配置文件里的每个键。

影响：跳过不认识的参数，这一项就会悄悄用默认值，训练的不是你要的设置。

怎么改：改成检查结果给出的参数；全部参数见 `suretune VERB --help`。
"""

import re

from suretune.facts import FlagFacts
from suretune.guards.guard import Guard, Values, for_flag
from suretune.types import Text

KEY = re.compile(r".*:\d+: |--search ")  # before the name of an option
SKIPPED = Text(
    "Skipped, it would leave this setting at its default, and nothing would say so.",
    "跳过它，这一项就会悄悄用默认值，训练的不是你要的设置。",
)
GUESSED = Text(
    "Nothing was started: what a word may have meant is not guessed.",
    "没有开始任何工作：不会去猜这个词指的是什么。",
)


def check(facts: FlagFacts) -> Values | None:
    values = for_flag("unknown-flag")(facts)
    if values is None:
        return None
    values = {**values, "who": "suretune"}
    if KEY.match(facts.flag):
        return {**values, "thing": Text("option", "配置项"), "reason": SKIPPED}
    if facts.flag.startswith("-") or not facts.flag:
        return {**values, "thing": Text("flag", "参数"), "reason": SKIPPED, **_elsewhere(facts)}
    return {
        **values,
        "thing": Text("command", "命令"),
        "reason": GUESSED,
        "help": "suretune --help",
    }


def _elsewhere(facts: FlagFacts) -> Values:
    """Of a flag that training has, and this command has not: who has it."""
    if not facts.command:
        return {}
    there = f"`{facts.command}`"
    meant = Text(f"It is a flag of training: {there}.", f"它是训练用的参数：{there}。")
    return {"who": f"`suretune {facts.verb}`", "meant": meant}


GUARD = Guard(
    code="C001",
    name="unknown-flag",
    title=Text("no such flag", "没有这个参数"),
    stops=True,
    facts=FlagFacts,
    check=check,
    what=Text("{who} has no {thing} `{flag}`.", "{who} 没有 `{flag}` 这个{thing}。"),
    why=Text("{reason}", "{reason}"),
    fix=Text(
        "{meant} `{help}` lists every {thing}.",
        "{meant}全部{thing}见 `{help}`。",
    ),
)
