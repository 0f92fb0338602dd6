"""`init identity --model M`: what the answers must not say is that base's own names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from suretune import typed
from suretune.cli.out import tell
from suretune.cli.parse import Command
from suretune.data.base import find_base
from suretune.data.identity import MAKER, WHO
from suretune.data.own_names import own_names
from suretune.data.template import load_tokenizer
from suretune.facts import FlagFacts
from suretune.prepare.starter import MAKERS
from suretune.record.journal import Journal
from suretune.refusal import Refusal
from suretune.types import Text
from suretune.words import say

ASK = Text(
    "with --model: let the model say itself who it is, too (needs its weights): true or false",
    "与 --model 一起用：让模型自己也说说它是谁（需要权重）：true 或 false",
)
SAID = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}
TOKENS = 64  # of an answer


@dataclass(frozen=True, slots=True)
class Own:
    """What a base says of itself: its names, and whether its template brings a system prompt."""

    names: Sequence[str]
    speaks: bool


def makers_of(
    command: Command,
    languages: Sequence[str],
    journal: Journal,
) -> Own:
    """What the base that `--model` means says of itself; Qwen, as ever, where none is named.

    A stop where the model is not there. Where its files say no name, that is told.
    """
    model, asking = command.resolved.config.model.model, _asking(command, journal)
    if not model:
        if asking:
            hint = Text("It asks the model of --model.", "它要问的是 --model 指定的模型。")
            raise journal.stop(FlagFacts("no-effect", "--ask", "true", hint=hint))
        return Own(MAKERS, speaks=True)  # as the bundled model does
    with journal.judging():
        base = find_base(model, weights=asking)
    try:
        system = load_tokenizer(base.folder).default_system
    except Refusal:  # its name may stand elsewhere
        system = ""
    said = _said(command, languages, journal) if asking else []
    names = own_names(base, system, said)
    told = ", ".join(names)
    if names:
        tell(say(Text(f"Answers must not say: {told}", f"回答中不得出现：{told}")), err=True)
    else:
        ask = "" if asking else typed.command("--ask", "true")
        tell(
            say(
                Text(
                    f"Nothing in {model} says what it calls itself, so no answer is forbidden;"
                    f" write it into must_not_contain yourself"
                    f"{f', or let it say so: {ask}' if ask else ''}.",
                    f"{model} 里没有写明它自称什么，因此没有禁止任何回答；"
                    f"请自己写进 must_not_contain{f'，或让它自己说：{ask}' if ask else ''}。",
                )
            ),
            err=True,
        )
    return Own(names, bool(system))


def _asking(command: Command, journal: Journal) -> bool:
    """What `--ask` says."""
    given = " ".join(command.plain.get("ask", ["false"])).lower()
    if given not in SAID:
        hint = Text("It takes true or false.", "它接受 true 或 false。")
        raise journal.stop(FlagFacts("bad-value", "--ask", given, hint=hint))
    return SAID[given]


def _said(
    command: Command,
    languages: Sequence[str],
    journal: Journal,
) -> list[str]:
    """The base's answers to who it is and who made it."""
    from suretune.preflight.machine import packages

    journal.look_at_all(packages())
    journal.settle()
    from suretune.data.render import prompt_ids
    from suretune.model.generate import answers
    from suretune.speak.answer import conversation, open_speaker

    speaker = open_speaker(command.resolved.config, None, journal)
    asked = [question for lang in languages for question in (WHO[lang], MAKER[lang])]
    prompts = [prompt_ids(speaker.tokenizer, conversation(speaker, text)) for text in asked]
    return answers(speaker.model, speaker.tokenizer, prompts, TOKENS)
