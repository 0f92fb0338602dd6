"""Text that a chat template has already written, read back into the turns that it was made from.

Rows come rendered where another tool was to learn plain text: `{"text": "<|im_start|>user..."}`, or
a prompt that is wrapped already. Wrapped once more, one turn nests in another. Read back is what
parses from its first character to its last; of the contents nothing is lost but blanks at the ends
of forms that have no end mark.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from suretune.data.refusal import Refused, shown
from suretune.data.rendered_forms import (
    ALPACA_SAYS,
    BETWEEN,
    ENDS,
    FORMS,
    GUANACO,
    LINED,
    NAMES,
    OPENING,
    Form,
)
from suretune.data.turns import in_order, turn
from suretune.types import Example, Fault, Message, Origin, Text

Said = tuple[str, str]  # (role, content)


LLAMA_2_SYSTEM = re.compile(r"<<SYS>>\n?(?P<system>.*?)\n?<</SYS>>\n{0,2}", re.DOTALL)
LLAMA_3_SAYS = re.compile(
    r"\A(?:Environment: ipython\n)?Cutting Knowledge Date: [^\n]+\nToday Date: [^\n]+\n\n"
)


@dataclass(frozen=True, slots=True)
class Conversation:
    """What a text was made from. `open`: its last turn has no end mark."""

    form: str
    turns: tuple[Said, ...]
    open: bool = False


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A text with the marks of a form that cannot be read from end to end; `found` is where."""

    form: str
    found: str


# --- one text -----------------------------------------------------------------------------------


def conversation(text: str) -> Conversation | Unreadable | None:
    """The turns of a rendered text; None for one that begins like no form."""
    start = OPENING.match(text)
    at = start.end() if start else 0
    if re.match(r"\[INST\]", text[at:]):
        return _llama_2(text, at)
    if "<<SYS>>" in text[at : at + 9]:
        return Unreadable("Llama-2", shown(text[at:]))
    for form in FORMS:
        first = form.header.match(text, at)
        if first is None and form.preamble:
            first = _behind_preamble(form, text, at)
        if first is None:
            continue
        if first["role"].lower() not in (*NAMES, "input"):
            if form.spoken:
                continue
            return Unreadable(form.name, shown(text[at:]))
        found = _turns(form, text, at, first)
        if not (form.spoken and (isinstance(found, Unreadable) or not _alternate(found))):
            return found
    return None


def _behind_preamble(
    form: Form,
    text: str,
    at: int,
) -> re.Match[str] | None:
    """The first header behind some text, which must be a user's."""
    for first in form.header.finditer(text, at):
        if _begins(form, text, first):
            return first if NAMES.get(first["role"].lower()) == "user" else None
    return None


def _begins(form: Form, text: str, header: re.Match[str]) -> bool:
    """Whether a header may stand here: words that are headers stand behind a line or a blank."""
    at = header.start()
    if not form.spoken or at == 0 or header[0].startswith(GUANACO):
        return True
    before = text[at - 1]
    return before == "\n" if form.name in LINED else before.isspace() or before == ">"


def _turns(
    form: Form,
    text: str,
    at: int,
    first: re.Match[str],
) -> Conversation | Unreadable:
    turns: list[Said] = []
    before = text[at : first.start()].strip()
    if before and not (form.name == "Alpaca" and ALPACA_SAYS.fullmatch(before)):
        turns.append(("system", before))
    header: re.Match[str] | None = first
    while header is not None:
        role = header["role"].lower()
        content, at, ended = _content(form, text, header.end())
        if role not in (*NAMES, "input") or any(h for h in _inside(form, content)):
            return Unreadable(form.name, shown(text[header.start() :]))
        if role == "input" and turns and turns[-1][0] == "user":  # Alpaca's, under the instruction
            turns[-1] = ("user", "\n".join(filter(None, (turns[-1][1], content))))
        else:
            turns.append((NAMES.get(role, "user"), content))
        at = BETWEEN.match(text, at).end()  # type: ignore[union-attr]
        if at >= len(text):
            return _whole(form, turns, not ended)
        header = form.header.match(text, at)
    return Unreadable(form.name, shown(text[at:]))


def _content(
    form: Form,
    text: str,
    start: int,
) -> tuple[str, int, bool]:
    """(content, where it is over, whether an end mark stood there)."""
    stop = len(text)
    if form.optional:
        headers = (h for h in form.header.finditer(text, start) if _begins(form, text, h))
        stop = next((h.start() for h in headers), stop)
    end = form.end.search(text, start, stop) if form.end else None
    if end is None and stop < len(text):
        return text[start:stop].rstrip(), stop, False
    if end is None:
        content = text[start:]
        return content.rstrip() if form.optional else content, len(text), False
    return text[start : end.start()], end.end(), True


def _inside(form: Form, content: str) -> list[re.Match[str]]:
    """Marks of the form in a content: one turn in another."""
    return [] if form.optional else list(form.header.finditer(content))


def _whole(
    form: Form,
    turns: Sequence[Said],
    unended: bool,
) -> Conversation | Unreadable:
    if form.name == "Llama-3" and turns[0][0] == "system":
        said = LLAMA_3_SAYS.sub("", turns[0][1])
        turns = [("system", said), *turns[1:]]
    kept = [t for t in turns if t[0] != "system" or t[1].strip()]
    return Conversation(form.name, tuple(kept), unended)


def _alternate(found: Conversation) -> bool:
    """Whether words that only look like headers are a conversation: user and assistant in turn."""
    roles = [role for role, _ in found.turns if role != "system"]
    return len(roles) > 1 and roles == (["user", "assistant"] * len(roles))[: len(roles)]


def _llama_2(text: str, at: int) -> Conversation | Unreadable:
    """Llama-2 and Mistral: the question between [INST] and [/INST], the answer behind."""
    turns: list[Said] = []
    ended = True
    while at < len(text):
        close, following = text.find("[/INST]", at), text.find("[INST]", at + 1)
        whole = text.startswith("[INST]", at) and close >= 0
        if not whole or 0 <= following < close or 0 <= text.find("[/INST]", close + 1) < following:
            return Unreadable("Llama-2 or Mistral", shown(text[at:]))
        user = text[at + len("[INST]") : close].removeprefix(" ").removesuffix(" ")
        if not turns and (system := LLAMA_2_SYSTEM.match(user)):
            turns.append(("system", system["system"]))
            user = user[system.end() :]
        answer = text[close + len("[/INST]") : following if following >= 0 else len(text)]
        rest = answer.rstrip().removesuffix("<s>").rstrip() if following >= 0 else answer.rstrip()
        ended = rest.endswith("</s>")
        answer = rest.removesuffix("</s>").removesuffix(" ") if ended else answer
        if following >= 0 and not ended:
            answer = rest
        turns += [("user", user), ("assistant", answer.removeprefix(" "))]
        at = following if following >= 0 else len(text)
    if "[/INST]" in turns[-1][1]:
        return Unreadable("Llama-2 or Mistral", shown(turns[-1][1]))
    kept = [t for t in turns if t[0] != "system" or t[1].strip()]
    return Conversation("Llama-2 or Mistral", tuple(kept), not ended)


def end_mark(text: str) -> str:
    """The end token of some family that a text ends with; empty if there is none. `<s>...</s>` is
    HTML."""
    bare = text.rstrip()
    mark = next((end for end in ENDS if bare.endswith(end)), "")
    return "" if mark == "</s>" and "<s>" in text else mark


def head_mark(text: str) -> str:
    """The header of some family that a text begins with; empty if there is none."""
    start = OPENING.match(text)
    at = start.end() if start else 0
    for form in FORMS:
        header = None if form.spoken else form.header.match(text, at)
        if header and header["role"].lower() in NAMES:
            return text[: header.end()]
    return ""


def without_marks(text: str) -> str:
    """The text without a header at its front and end tokens at its end."""
    while mark := head_mark(text):
        text = text.removeprefix(mark)
    return without_end(text)


def without_end(text: str) -> str:
    """The text without end tokens at its end."""
    while mark := end_mark(text):
        text = text.rstrip().removesuffix(mark).rstrip()
    return text


# --- rows ---------------------------------------------------------------------------------------


def read_back(example: Example) -> Example | Fault:
    """The example with its rendered texts as turns (`rendered` names the form), or why not."""
    try:
        if example.shape == "text":
            return _text_row(example)
        if [m.role for m in example.messages if m.role != "system"] == ["user", "assistant"]:
            example = _wrapped_prompt(example)
        return example if example.rendered else _wrapped_turns(example)
    except Refused as refusal:
        return refusal.fault


def _text_row(example: Example) -> Example:
    text = example.messages[0].content
    found = conversation(text)
    found = found or _amid(text)
    if found is None:
        return example
    if isinstance(found, Unreadable):
        raise _unreadable(example.origin, "text", found)
    turns = found.turns
    if turns[-1] == ("assistant", "") and [r for r, _ in turns[-2:-1]] == ["assistant"]:
        turns = turns[:-1]  # a prompt for one more answer, put there by the tool that rendered it
    messages = _messages(turns, "text", example.origin)
    return replace(
        example,
        shape="messages",
        messages=messages,
        rendered=found.form,
    )


def _amid(text: str) -> Unreadable | None:
    """A question and an answer in some form amid other text: without their tokens nobody could
    tell who says what."""
    for form in FORMS:
        if not form.spoken:
            roles = [NAMES.get(h["role"].lower()) for h in form.header.finditer(text)]
            if "user" in roles and "assistant" in roles:
                return Unreadable(form.name, shown(text))
    return None


def _wrapped_prompt(example: Example) -> Example:
    """A question that is a whole rendered prompt, and its answer."""
    *before, question, answer = example.messages
    found = conversation(question.content)
    if not isinstance(found, Conversation) or answer.extra or question.extra:
        return example
    turns = list(found.turns)
    if turns[-1][0] == "assistant":  # its prompt opens the answer, and may begin it
        if not found.open:
            return example
        said = without_end(answer.content)
        begun = turns.pop()[1]
        if begun and found.form in SPOKEN and not said[:1].isspace():
            return example  # rather what is asked about the conversation: nothing goes on there
        if not begun and not question.content[-1:].isspace():  # the blank that ends its header
            said = said[1:] if said[:1] in (" ", "\n") else said
        said = begun + said
    elif found.form in SPOKEN:
        return example
    else:
        behind = conversation(answer.content)
        header = isinstance(behind, Conversation) and [r for r, _ in behind.turns] == ["assistant"]
        said = behind.turns[0][1] if header else without_end(answer.content)  # type: ignore[union-attr]
    if not turns or turns[-1][0] != "user":
        return example
    if turns[0][0] == "system" and before:
        if before[0].content != turns[0][1] or before[1:]:
            raise _unreadable(
                example.origin,
                "system",
                Unreadable(found.form, shown(turns[0][1])),
            )
        before = []
    made = _messages(
        [*turns, ("assistant", said)],
        "prompt",
        example.origin,
    )
    made = (*made[:-1], replace(made[-1], weight=answer.weight))
    messages = in_order([*before, *made], example.origin)
    return replace(example, messages=messages, rendered=found.form)


def _wrapped_turns(example: Example) -> Example:
    """Turns each of which is wrapped already, in the header of its own role."""
    messages, form = [], ""
    for message in example.messages:
        found = conversation(message.content)
        if isinstance(found, Conversation) and found.form not in SPOKEN:
            said = found.turns[:1] if found.turns[1:] == (("assistant", ""),) else found.turns
            if found.open and len(found.turns) == 1:  # half a wrapping is told, not guessed at
                return example
            if [role for role, _ in said] != [message.role]:
                raise _unreadable(
                    example.origin,
                    message.role,
                    Unreadable(found.form, shown(message.content)),
                )
            message = replace(message, content=said[0][1])
            form = found.form
        elif isinstance(found, Unreadable) and message.role != "system":
            raise _unreadable(example.origin, message.role, found)
        messages.append(message)
    if not form:
        return example
    made = [replace(m, content=without_end(m.content)) for m in messages]
    return replace(example, messages=tuple(made), rendered=form)


SPOKEN = frozenset(form.name for form in FORMS if form.spoken)


def _messages(
    turns: Sequence[Said],
    field: str,
    origin: Origin,
) -> tuple[Message, ...]:
    return in_order([turn(role, said, field, origin) for role, said in turns], origin)


def _unreadable(
    origin: Origin,
    field: str,
    found: Unreadable,
) -> Refused:
    form = found.form.replace(" or ", " 或 ").replace(" and ", " 与 ")
    hint = Text(
        f"It is written as {found.form} writes conversations, but cannot be read back from there "
        "on. Mend its marks, or write the row as turns: "
        '`{"messages": [{"role": "user", "content": "..."}, '
        '{"role": "assistant", "content": "..."}]}`. '
        "Where a text only speaks about such marks, write them with a blank inside.",
        f"它按 {form} 的对话格式写成，但从这里开始读不回各轮对话。请改正标记，"
        "或把这一行写成："
        '`{"messages": [{"role": "user", "content": "..."}, '
        '{"role": "assistant", "content": "..."}]}`。'
        "如果文本只是讲到这些标记，请在标记中间加一个空格。",
    )
    return Refused(Fault("unreadable-rendering", origin, field=field, found=found.found, hint=hint))
