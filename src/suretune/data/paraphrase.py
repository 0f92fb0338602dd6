"""More wordings of short questions, by templates: the same answer, asked as people ask.

A template only stands around the question (politeness, a greeting, a missing question mark), so
its meaning stays. What would follow a request ("Reverse: 1 2 3") might be taken for its matter, so
requests get words in front only. No wording is made that a probe will ask.
"""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from suretune.data.collect import Prepared
from suretune.data.identity import language_of, plain, question_of
from suretune.data.render import Rendering, samples
from suretune.types import Example, Fault

SHORT = 120  # characters of a question that is reworded; one line
BARE = "{bare}"  # typed in a hurry: no question mark, no capital
QUESTIONS: Mapping[str, tuple[str, ...]] = {
    "zh": (
        "请问，{q}",
        "你好，{q}",
        "想请教一下，{q}",
        "麻烦问一下：{q}",
        "我有个问题：{q}",
        "能告诉我吗：{q}",
        "{q}谢谢！",
        BARE,
    ),
    "en": (
        "Could you tell me: {q}",
        "Hello! {q}",
        "Excuse me, {low}",
        "I have a question: {low}",
        "Let me ask: {low}",
        "Quick question: {low}",
        "{q} Thanks!",
        BARE,
    ),
}
REQUESTS: Mapping[str, tuple[str, ...]] = {
    "zh": ("你好，{q}", "麻烦你：{q}", "想请你帮个忙：{q}", "我的请求是：{q}", "劳驾，{q}"),
    "en": (
        "Hello! {q}",
        "Please help me with this: {q}",
        "I have a request: {q}",
        "Here is what I need: {q}",
        "If you don't mind: {q}",
    ),
}
ASKING = re.compile(
    r"(?:who|whose|whom|what|which|where|when|why|how|is|are|am|was|were|do|does|did|can|could"
    r"|will|would|should|may|have|has)\b|谁|是谁|什么|怎么|为什么|哪|你.*(?:吗|呢|谁|哪|什么)",
    re.IGNORECASE,
)
GREETINGS = ("你好", "您好", "嗨", "hello", "hi ", "hi,", "hi!", "hey")
ENDS = ("?", "？")


def paraphrased(
    rows: Sequence[Prepared],
    count: int,
    how: Rendering,
    forbidden: Collection[str],
    seed: int,
) -> list[Prepared]:
    """Every row, each short question followed by up to `count` of its wordings.

    `forbidden`: plain questions that no wording may be. Rows of several turns, with tools, and
    those that are no question (`text`, `prompt-completion`) stay as they are; so does a row whose
    wordings would be over-long.
    """
    taken = {plain(question_of(row.example)) for row in rows}
    copies: dict[object, int] = {}
    for row in rows:
        known = copies.get(row.example.origin, 0)
        copies[row.example.origin] = max(known, row.example.repeat)
    made = []
    for row in rows:
        made.append(row)
        example = row.example
        if example.repeat or not is_short(example):
            continue
        question = question_of(example)
        fresh = (
            w
            for w in _wordings(question, f"{seed}-{example.origin}")
            if plain(w) not in forbidden and (plain(w) == plain(question) or plain(w) not in taken)
        )
        number = copies[example.origin]
        for wording in fresh:
            if number - copies[example.origin] >= count:
                break
            reworded = _rendered(_with(example, wording, number + 1), how)
            if reworded is not None:
                made.append(reworded)
                taken.add(plain(wording))
                number += 1
    return made


def is_short(example: Example) -> bool:
    """One line that one answer follows: what other words can be found for."""
    roles = [message.role for message in example.messages if message.role != "system"]
    question = question_of(example).strip()
    return (
        roles == ["user", "assistant"]
        and example.shape not in ("text", "prompt-completion")
        and not example.tools
        and not any(message.extra for message in example.messages)
        and 0 < len(question) <= SHORT
        and "\n" not in question
    )


def asks(question: str) -> bool:
    """Whether it is a question rather than a request."""
    return question.endswith(ENDS) or ASKING.match(question) is not None


def _wordings(question: str, seed: str) -> list[str]:
    """All wordings of a question that differ from it, in an order of its own."""
    question = question.strip()
    lang = language_of(question)
    frames = list((QUESTIONS if asks(question) else REQUESTS)[lang])
    random.Random(seed).shuffle(frames)
    low = question[0].lower() + question[1:] if ASKING.match(question) else question
    values = {"q": question, "low": low, "bare": low.rstrip("?？ ")}
    made = [frame.format(**values) for frame in frames if _fits(frame, question)]
    return [wording for wording in dict.fromkeys(made) if wording != question]


def _fits(frame: str, question: str) -> bool:
    """Nothing stands before a greeting, or twice; nothing behind what has no question mark."""
    said = question.lower()
    opening = frame.split("{")[0].strip(" ，：,:!").lower()
    if opening and (said.startswith(opening) or said.startswith(GREETINGS)):
        return False
    return question.endswith(ENDS) or bool(opening)


def _with(example: Example, wording: str, repeat: int) -> Example:
    messages = tuple(
        replace(message, content=wording) if message.role == "user" else message
        for message in example.messages
    )
    return replace(
        example,
        messages=messages,
        repeat=repeat,
        wording="template",
    )


def _rendered(example: Example, how: Rendering) -> Prepared | None:
    made = samples(example, how)
    if isinstance(made, Fault) or any(s.cut or len(s.ids) > how.max_length for s in made):
        return None
    return Prepared(example, tuple(made))
