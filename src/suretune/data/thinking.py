"""Thoughts: what a chat template does about them, and what becomes of those that rows have.

What a template does is found out by letting it write short conversations. Many can be told
`enable_thinking`; without thoughts they put an empty one into the prompt, so that the model answers
at once. What was learned behind one prompt is asked behind that prompt: so every answer has a mode,
a run has one for all that it asks, and the template that goes along with an adapter says it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from weakref import WeakKeyDictionary

from suretune.data.blank import is_blank
from suretune.data.template import ChatTokenizer, TemplateRefused
from suretune.types import Message

KEEP, DROP, EMPTY = "keep", "drop", "empty"  # of --think
_TAG = r"<(think|thought|thinking|reasoning)>"
_EMPTY = re.compile(rf"{_TAG}(\s*)</\1>(\s*)\Z")
_OPENED = re.compile(rf"{_TAG}\s*\Z")
_THOUGHT = re.compile(r"\s*<think>(.*?)</think>(.*)", re.DOTALL)
_BEGUN = re.compile(r"\s*<think>[ \t]*\n(?!.*</think>)", re.DOTALL)
_BEGUN_AT_ONCE = re.compile(r"\s*<think>(?=\w)(?![标是])(?!.*</think>)", re.DOTALL)
_CLOSED = re.compile(r"(.*\n)\s*</think>[ \t]*(?:\n(.*)|)\Z", re.DOTALL)  # the prompt has the tag
USUAL = ("<think>\n", "\n</think>\n\n")  # around a thought, as most models write it
_ASKED = Message("user", "Suretune Asks")
_MARK = "Suretune Thinks"
# Whoever names no mode gets the one that was learned; whoever names one still gets it.
_USUAL = (
    "{{%- if enable_thinking is not defined %}}{{%- set enable_thinking = {} %}}"
    "{{%- endif %}}{{{{- '' }}}}"
)


@dataclass(frozen=True, slots=True)
class Thinking:
    """What a template does about thoughts.

    `switch`: `enable_thinking` changes its prompts; `field`: it writes the thought of a turn that
    has it in a field of its own; `opened`: what its prompt with thoughts begins one with; `adds`:
    it writes an empty thought of itself; `form`: what stands before and behind a thought, empty
    where nothing that it wrote tells.
    """

    switch: bool = False
    field: bool = False
    opened: str = ""
    adds: bool = False
    form: tuple[str, str] = ("", "")

    @property
    def known(self) -> bool:
        """The template knows what a thought is."""
        return self.switch or self.field or bool(self.opened) or self.adds

    @property
    def empty(self) -> str:
        """The empty thought, as models of this template write it."""
        before, behind = self.form
        return before + behind


def parted(content: str) -> tuple[str, str] | None:
    """(thought, answer) of a text that begins with a thought in tags, as models write it; None for
    one that only mentions the tags."""
    found = _THOUGHT.match(content) or _CLOSED.match(content)
    if not found:
        return None
    return found[1].strip(), (found[2] or "").strip()


def thought_of(message: Message) -> str:
    """The thought of a turn, wherever it stands; empty if it has none."""
    own = str(message.extra.get("reasoning_content", "")).strip()
    return own or (parted(message.content) or ("",))[0]


def without_thought(message: Message) -> Message:
    """The turn as it is when nothing was thought before it, empty thoughts included."""
    inside = parted(message.content)
    if inside is None and "reasoning_content" not in message.extra:
        return message
    extra = {name: value for name, value in message.extra.items() if name != "reasoning_content"}
    return replace(message, content=inside[1] if inside else message.content, extra=extra)


def stops_thinking(message: Message, asked: bool = False) -> bool:
    """Whether a turn ends within its thought, or with it: no answer and no call follows. Where the
    thought has a field of its own, the text is the answer, whatever tag is left in it. `asked`:
    questions speak about the tag, and so may answers."""
    if "think>" not in message.content or "reasoning_content" in message.extra:
        return False
    if _BEGUN.match(message.content) or (not asked and _BEGUN_AT_ONCE.match(message.content)):
        return True
    inside = parted(message.content)
    return inside is not None and is_blank(inside[1]) and "tool_calls" not in message.extra


def behind_thought(answer: str) -> str:
    """What a model says behind its thought; a thought that never ends leaves nothing."""
    if answer.lstrip().startswith("<think>"):
        return answer.partition("</think>")[2].strip()
    thought, end, said = answer.partition("</think>")  # which the prompt may have begun
    return said.strip() if end else thought


# --- templates ----------------------------------------------------------------------------------


def thinking_of(tokenizer: ChatTokenizer) -> Thinking:
    """What the template of this tokenizer does about thoughts; asked once."""
    if tokenizer not in _known:
        _known[tokenizer] = _asked(tokenizer)
    return _known[tokenizer]


_known: WeakKeyDictionary[ChatTokenizer, Thinking] = WeakKeyDictionary()


def _asked(tokenizer: ChatTokenizer) -> Thinking:
    try:
        on, off = (tokenizer.render((_ASKED,), prompt=True, thinking=t) for t in (True, False))
        said = Message("assistant", "Suretune Answers")
        plain = tokenizer.render((_ASKED, said), prompt=False, thinking=True)
    except TemplateRefused:  # it refuses more than thoughts, and that is told elsewhere
        return Thinking()
    thought = replace(said, extra={"reasoning_content": _MARK})
    try:
        written = tokenizer.render((_ASKED, thought), prompt=False, thinking=True)
    except TemplateRefused:
        written = plain
    opened = _OPENED.search(on)
    empty = _EMPTY.search(off) if on != off else None
    own = re.search(rf"({_TAG}\s*){_MARK}(\s*</\2>\s*)", written)
    adds = _EMPTY.search(plain.partition(_ASKED.content)[2].partition(said.content)[0])
    return Thinking(
        switch=on != off,
        field=_MARK in written,
        opened=opened[0] if opened else "",
        adds=adds is not None,
        form=(own[1], own[3]) if own else _form(opened, empty or adds),
    )


def _form(opened: re.Match[str] | None, empty: re.Match[str] | None) -> tuple[str, str]:
    """What stands around a thought, told from an empty one and from what begins one."""
    if not (opened or empty):
        return "", ""
    before, behind = USUAL
    if empty:
        tag, inner, after = empty[1], empty[2], empty[3]
        half = (len(inner) + 1) // 2
        before = f"<{tag}>{inner[:half]}"
        behind = f"{inner[half:] or inner[:half]}</{tag}>{after or behind[-2:]}"
    return (opened[0] if opened else before), behind


def with_usual(tokenizer: ChatTokenizer, mode: bool | None) -> ChatTokenizer:
    """The same, with this mode where none is named. The template itself is changed, so that every
    program that takes it from the adapter sends what was learned."""
    template = tokenizer.template
    for said in ("true", "false"):
        template = template.replace(_USUAL.format(said), "", 1)
    bare = tokenizer.with_template(template) if template != tokenizer.template else tokenizer
    if mode is None:
        return bare
    asked = (_ASKED,)
    if bare.render(asked, prompt=True) == bare.render(asked, prompt=True, thinking=mode):
        return bare
    return bare.with_template(_USUAL.format(str(mode).lower()) + template)


def usual_mode(tokenizer: ChatTokenizer) -> bool | None:
    """Whether its prompts ask for thoughts where nobody says so; None if it knows no two modes."""
    if not thinking_of(tokenizer).switch:
        return None
    asked = (_ASKED,)
    return tokenizer.render(asked, prompt=True) == tokenizer.render(
        asked, prompt=True, thinking=True
    )


def thinks(tokenizer: ChatTokenizer) -> bool:
    """Whether a model that is asked with it may think before it answers."""
    return thinking_of(tokenizer).known and usual_mode(tokenizer) is not False


# --- rows ---------------------------------------------------------------------------------------


def as_asked(
    messages: Sequence[Message],
    think: str,
    template: Thinking,
) -> tuple[Message, ...]:
    """The turns of a row with their thoughts where this template looks for them, and without
    those that shall not be learned."""
    return tuple(
        _as_asked(message, think, template) if message.role == "assistant" else message
        for message in messages
    )


def _as_asked(message: Message, think: str, template: Thinking) -> Message:
    thought = thought_of(message)
    if think == DROP or (not thought and template.known):
        bare = without_thought(message)
        if think == EMPTY and not (template.adds or template.opened):
            return replace(bare, content=template.empty + bare.content)
        return bare
    return _placed(message, template)


def _placed(message: Message, template: Thinking) -> Message:
    """The turn with its thought where the template looks for it, if it looks for one."""
    thought = thought_of(message)
    if not thought or not template.known:
        return message
    inside = "reasoning_content" not in message.extra
    bare = without_thought(message)
    if template.field and inside and "</think>" not in bare.content:
        return replace(bare, extra={**bare.extra, "reasoning_content": thought})
    if inside or template.field or template.opened or not template.empty:
        return message  # in its field, where what the template does not write is told
    before, behind = template.form  # a template that takes thoughts as part of the answer
    return replace(bare, content=before + thought + behind + bare.content)


def placed(tokenizer: ChatTokenizer, messages: Sequence[Message]) -> Sequence[Message]:
    """A conversation that is sent, with thoughts of its turns where rows have theirs."""
    if not any(message.role == "assistant" and thought_of(message) for message in messages):
        return messages
    template = thinking_of(tokenizer)
    return [_placed(m, template) if m.role == "assistant" else m for m in messages]


def mode_of(
    message: Message,
    think: str,
    template: Thinking,
) -> bool | None:
    """Behind which prompt an answer is learned: with thoughts, without, or the only one (None)."""
    if not template.switch:
        return None
    return think == EMPTY or bool(thought_of(message))


def opening_of(said: str, thought: str, form: tuple[str, str]) -> str | None:
    """What a model writes first where its prompt goes on with `said`: the rest of its thought,
    nothing behind an empty one; None for anything else that a prompt may go on with."""
    if _EMPTY.fullmatch(said):
        return ""
    if not _OPENED.fullmatch(said):
        return None
    return thought + form[1]
