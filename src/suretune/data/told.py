"""What a row says is in its sample: looked for again in the text that a template has made of it.

A template knows what its author thought of. What it does not know vanishes without an error: a
thought, a call (so that an empty answer is learned), text beside a call. Spaces and line ends at
both ends of a text are no loss; templates trim them. Ids of calls are not looked for.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from suretune.data.template import ChatTokenizer
from suretune.data.thinking import parted
from suretune.types import Message

# What is done knowingly; kept as a sum in `Sample.rewritten`.
EMPTY_THOUGHT = 1  # an empty thought is learned before an answer that has none
EARLIER_THOUGHT = 2  # the thought of an earlier turn is not in the prompt
NAME = 4  # the name of a turn is not in the prompt
EARLIER_ANSWER = 16  # an earlier answer, learned in a sample of its own, is not in the prompt
ADDED = 8  # other text is learned before what the row says
THOUGHT = 32  # an answer is learned with its thought
DROPPED = 64  # thoughts were taken out of the row (`--think drop`)
BEHIND = 128  # turns behind the last answer that is learned are left out
NOTED = (EMPTY_THOUGHT, EARLIER_THOUGHT, NAME, ADDED, EARLIER_ANSWER, BEHIND)
_TAG = r"(?:think|thought|thinking|reasoning)>"  # of an empty thought; the prompt may have begun it
_NO_THOUGHT = re.compile(rf"(?:<{_TAG}\s*)?</{_TAG}")
_SWITCH = re.compile(r"(?<!\S)/(?:no_)?think(?!\S)")  # a command to the template, in any prompt


@dataclass(frozen=True, slots=True)
class Answer:
    """Where the answer of turn `index` stands in a rendered text: from the end of its prompt to
    the end of its end token."""

    index: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Loss:
    """What a row says and its sample does not. `kind`: content, rewritten, thought, inline,
    beside, calls, quoted, system, tools or characters."""

    kind: str
    field: str
    text: str


def rewritten(
    tokenizer: ChatTokenizer,
    messages: Sequence[Message],
    tools: Sequence[Any],
    full: str,
    answers: Sequence[Answer],
    names: Sequence[str],
) -> Loss | int:
    """The first loss, or what the template does knowingly; `names`: what each turn is called."""
    notes = done = turn = 0
    if tools and (loss := _tools(tools, full[: answers[0].start])):
        return loss
    for answer in answers:
        between = full[done : answer.start]
        at = 0
        for index in range(turn, answer.index):
            message = messages[index]
            if message.role == "system":
                found = _system(
                    message,
                    names[index],
                    full[: answer.start],
                )
            else:
                found = _context(
                    message,
                    f"{names[index]}.",
                    between[at:],
                )
                if isinstance(found, Loss) and message.role == "assistant" and message.weight:
                    found = EARLIER_ANSWER
            if isinstance(found, Loss):
                return found
            notes |= found
            content = message.content.strip()
            # A system prompt may stand before the last question: what is looked for next does not
            # have to follow it.
            if message.role != "system" and (found_at := between.find(content, at)) >= 0:
                at = found_at + len(content)
        said = full[answer.start : answer.end]
        found = _answer(
            tokenizer,
            messages[answer.index],
            f"{names[answer.index]}.",
            said,
        )
        if isinstance(found, Loss):
            return found
        notes |= found
        done, turn = answer.end, answer.index + 1
    return notes


def unwritten(messages: Sequence[Message], prompt: str) -> Loss | None:
    """What a prompt leaves out of the calls of a conversation, and of what came of them."""
    for index, message in enumerate(messages):
        if message.role == "tool" or "tool_calls" in message.extra:
            found = _context(message, f"messages[{index}].", prompt)
            if isinstance(found, Loss):
                return found
    return None


# --- turns --------------------------------------------------------------------------------------


def _system(message: Message, field: str, prompt: str) -> Loss | int:
    if message.content.strip() in prompt:
        return 0
    pieces = _SWITCH.split(message.content)
    if pieces[1:] and all(piece.strip() in prompt for piece in pieces):
        return 0
    return Loss("system", field, message.content)


def _context(message: Message, field: str, text: str) -> Loss | int:
    """A turn that is read and not learned."""
    content, notes = message.content.strip(), 0
    if content not in text and not (message.role == "tool" and _as_json(content, text)):
        parts = parted(content) if message.role == "assistant" else None
        if parts is None or parts[1] not in text:
            return Loss("content", f"{field}content", content)
        notes |= EARLIER_THOUGHT
    extra = message.extra
    if not extra:
        return notes
    if extra.get("reasoning_content", "").strip() not in text:
        notes |= EARLIER_THOUGHT
    if extra.get("name", "") not in text:
        notes |= NAME
    if loss := _calls(extra.get("tool_calls", ()), field, text):
        return loss
    return notes


def _answer(
    tokenizer: ChatTokenizer,
    message: Message,
    field: str,
    said: str,
) -> Loss | int:
    """A turn that is learned: all of it has to be there."""
    content, extra = message.content.strip(), message.extra
    thought = extra.get("reasoning_content", "").strip()
    if extra:
        if loss := _calls(extra.get("tool_calls", ()), field, said):
            return loss
        if thought not in said:
            return Loss(
                "thought",
                f"{field}reasoning_content",
                thought,
            )
    if content not in said:
        parts = parted(content)
        if parts is None or parts[1] not in said:
            kind = "beside" if "tool_calls" in extra else "content"
            kind = "rewritten" if "</think>" in content else kind
            return Loss(kind, f"{field}content", content)
        if parts[0] not in said[: said.rfind(parts[1])]:
            return Loss("inline", f"{field}content", parts[0])
        return 0
    if lost := _unspeakable(tokenizer, said):
        return Loss("characters", f"{field}content", lost)
    if thought or len(said) == len(content):
        return 0
    return _added(said, content, "tool_calls" in extra)


def _added(said: str, content: str, calls: bool) -> int:
    """What the template says of its own before an answer that has no thought."""
    if calls:  # they have words of the template's around them
        return EMPTY_THOUGHT if _NO_THOUGHT.match(said.lstrip()) else 0
    before = said[: said.find(content)].strip()
    if not before:
        return 0
    return EMPTY_THOUGHT if _NO_THOUGHT.fullmatch(before) else ADDED


# --- calls and tools ----------------------------------------------------------------------------


def _calls(
    calls: Sequence[Any],
    field: str,
    text: str,
) -> Loss | None:
    for index, call in enumerate(calls):
        function = call["function"]
        where = f"{field}tool_calls[{index}].function"
        if function["name"] not in text:
            return Loss("calls", f"{where}.name", function["name"])
        arguments = function["arguments"]
        if _dumped(arguments) in text:
            continue
        if arguments and all(rf"\"{key}\"" in text for key in arguments):
            return Loss(
                "quoted",
                f"{where}.arguments",
                _dumped(arguments),
            )
        if lost := _leaf(arguments, text):
            return Loss(
                "calls",
                f"{where}.arguments{lost[0]}",
                lost[1],
            )
    return None


def _tools(tools: Sequence[Any], prompt: str) -> Loss | None:
    for index, tool in enumerate(tools):
        if _dumped(tool) in prompt:
            continue
        function = tool.get("function", tool)
        for name in ("name", "description", "parameters"):
            if lost := _leaf(function.get(name, ""), prompt):
                return Loss(
                    "tools",
                    f"tools[{index}].{name}{lost[0]}",
                    lost[1],
                )
    return None


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)  # tables hold dates and bytes


def _leaf(value: Any, text: str) -> tuple[str, str] | None:
    """(path, value) of the first name or value inside that the text does not have."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            if not _as_json(str(key), text):
                return f".{key}", str(key)
            if lost := _leaf(item, text):
                return f".{key}{lost[0]}", lost[1]
        return None
    if isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            if lost := _leaf(item, text):
                return f"[{index}]{lost[0]}", lost[1]
        return None
    if isinstance(value, str):
        return None if _as_json(value.strip(), text) else ("", value)
    return None if _dumped(value) in text or str(value) in text else ("", str(value))


def _as_json(said: str, text: str) -> bool:
    """Whether a text is there as it is, or as JSON writes it."""
    if said in text or _dumped(said)[1:-1] in text:
        return True
    return json.dumps(said)[1:-1] in text


# --- characters ---------------------------------------------------------------------------------


def _unspeakable(tokenizer: ChatTokenizer, said: str) -> str:
    """The characters of an answer that the tokenizer has no token for."""
    if tokenizer.faithful:
        return ""
    ids = tokenizer.encode(said)
    back = unicodedata.normalize("NFKC", tokenizer.decode(ids, special=True))
    there = unicodedata.normalize("NFKC", said)
    return "".join(sorted({c for c in set(there) - set(back) if not c.isspace()}))
