"""What a chat template can do: found out by letting it write two short conversations.

A template that can teach no answer is at fault itself; no row could satisfy it. And one without a
system role gets the usual way to say a system prompt: at the front of the first question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from suretune.data.template import ChatTokenizer, TemplateRefused
from suretune.data.thinking import opening_of, thinking_of, thought_of, without_thought
from suretune.types import Example, Message, Text

ASKED = Message("user", "Suretune Asks")
SAID = Message("assistant", "Suretune Answers")
TOLD = Message("system", "Suretune Tells")
# A newline behind a block would be taken from the template that follows; behind a value it stays.
FOLD = (
    "{%- if messages[0]['role'] == 'system' and messages[1] is defined"
    " and messages[1]['role'] == 'user' %}"
    "{%- set messages = [{'role': 'user', 'content':"
    " messages[0]['content'] + '\\n\\n' + messages[1]['content']}] + messages[2:] %}"
    "{%- endif %}{{- '' }}"
)


@dataclass(frozen=True, slots=True)
class Flaw:
    """Why a template can teach no answer: a reason of guard P008, and what was found."""

    reason: str
    found: str


def flaw(tokenizer: ChatTokenizer) -> Flaw | None:
    """The first reason why no row at all can be learned by this template."""
    first = ""
    for before in ((ASKED,), (TOLD, ASKED)):
        try:
            bare = tokenizer.render(before, prompt=False)
            prompt = tokenizer.render(before, prompt=True)
            written = tokenizer.render((*before, SAID), prompt=False)
        except TemplateRefused as error:
            first = first or str(error)
        else:
            return _flaw(tokenizer, bare, prompt, written)
    return Flaw("refuses", first)


def _flaw(
    tokenizer: ChatTokenizer,
    bare: str,
    prompt: str,
    written: str,
) -> Flaw | None:
    for text, message, name in ((prompt, ASKED, "question"), (written, SAID, "answer")):
        if message.content not in text:
            changed = message.content.casefold() in text.casefold()
            return Flaw(f"changes-{name}" if changed else f"drops-{name}", message.role)
    opening = _behind(prompt, ASKED)
    head, _, tail = written.rpartition(SAID.content)
    header = _behind(head, ASKED)
    if opening == _behind(bare, ASKED) and header.startswith(opening):
        lead = header[len(opening) :]
        if lead.strip():  # the model would have to write its own header
            return Flaw("no-opening", lead)
    elif not header.startswith(opening):
        if not opening.startswith(header):
            return Flaw("opens-otherwise", opening)
        if (more := opening[len(header) :]) and opening_of(more, "", ("", "")) is None:
            return Flaw("goes-on", more)
    ends = end_texts(tokenizer)
    if any(end in tail for end in ends):
        return None
    if not ends:
        return Flaw("no-end-token", "")
    if tail.strip():
        return Flaw("other-end", tail.strip())
    return Flaw("no-end", ", ".join(f"`{end}`" for end in ends))


def _behind(text: str, message: Message) -> str:
    return text.rpartition(message.content)[2]


def end_texts(tokenizer: ChatTokenizer) -> list[str]:
    """What ends an answer of this model, as text."""
    return [text for text, index in tokenizer.added.items() if index in tokenizer.stop_ids]


def continuation(
    tokenizer: ChatTokenizer,
    example: Example,
    messages: Sequence[Message],
    thinking: bool | None = None,
) -> str | None:
    """What a model has to write behind the prompt that is really sent, where the template writes
    the same conversation otherwise afterwards: without the system prompt, or without the thought
    that the prompt begins. None where that cannot be told.
    """
    *before, answer = messages
    if not before or "tool_calls" in answer.extra:
        return None

    def render(turns: Sequence[Message], prompt: bool) -> str:
        return tokenizer.render(turns, example.tools, prompt=prompt, thinking=thinking)

    asked = [*before[:-1], replace(before[-1], content=ASKED.content)]
    prompt = render(asked, True)
    marked = [*asked, replace(answer, content=SAID.content)]
    head, _, end = render(marked, False).rpartition(SAID.content)
    if ASKED.content not in head or ASKED.content not in prompt:
        return None
    opening, header = _behind(prompt, ASKED), _behind(head, ASKED)
    if header.startswith(opening):
        first: str | None = header[len(opening) :]
    elif opening.startswith(header):
        form = thinking_of(tokenizer).form
        first = opening_of(opening[len(header) :], thought_of(answer), form)
        answer = without_thought(answer)
    else:
        return None
    full = render([*before, answer], False)
    for said in (answer.content, answer.content.strip()):
        if first is not None and full.endswith(header + said + end):
            return first + said + end
    return None


def with_system_role(tokenizer: ChatTokenizer) -> ChatTokenizer:
    """The same, or for a template that has no place for a system prompt one that says it at the
    front of the first question. The template itself is changed, so that every program that takes
    it from the adapter sends the same."""
    if not _lacks_system(tokenizer):
        return tokenizer
    folding = tokenizer.with_template(FOLD + tokenizer.template)
    return tokenizer if _lacks_system(folding) else folding


def folds_system(tokenizer: ChatTokenizer) -> bool:
    """Whether system prompts stand at the front of the first question."""
    return FOLD in tokenizer.template


def _lacks_system(tokenizer: ChatTokenizer) -> bool:
    try:
        tokenizer.render((ASKED,), prompt=True)
    except TemplateRefused:
        return False  # it lacks more than that
    try:
        text = tokenizer.render((TOLD, ASKED), prompt=True)
    except TemplateRefused:
        return True
    return TOLD.content.casefold() not in text.casefold()


def why_refused(messages: Sequence[Message], words: str) -> Text:
    """What of a refused conversation the template most likely minds, and what mends it."""
    roles = [message.role for message in messages]
    for index in range(1, len(roles)):
        if roles[index] == roles[index - 1] and roles[index] in ("user", "assistant"):
            return Text(
                f"Turns {index} and {index + 1} are both {roles[index]}, and this template wants "
                "them to alternate: make them one turn.",
                f"第 {index} 轮和第 {index + 1} 轮都是 {roles[index]}，而这个模板要求两种角色交替："
                "请合并成一轮。",
            )
    if "length 9" in words:
        return Text(
            "Give each call an `id` of nine letters or digits, and the tool's turn the same as "
            "`tool_call_id`.",
            "请给每个工具调用写上九位字母或数字的 `id`，tool 那一轮的 `tool_call_id` 与它相同。",
        )
    if len(roles) > 1 and roles[:2] == ["system", "assistant"]:
        return Text(
            "The assistant speaks before any user, which this template does not know: put the "
            "user's turn first, or take the greeting out.",
            "assistant 在 user 之前先说话，这个模板不支持：请把 user 放在前面，或去掉开场白。",
        )
    if "tool" in roles:
        return Text(
            "This template does not know tools: leave the rows with tools out, or give one that "
            "knows them: `--chat_template FILE`.",
            "这个模板不支持工具：请去掉含工具的数据，"
            "或用 `--chat_template FILE` 给一个支持的模板。",
        )
    if any("</think>" in m.content or "reasoning_content" in m.extra for m in messages):
        return Text(
            "This template takes thoughts out of an answer: leave them out, `--think drop`, or give"
            " one that writes them: `--chat_template FILE`.",
            "这个模板会把思考过程从回答里去掉：加上 `--think drop` 去掉思考过程，"
            "或用 `--chat_template FILE` 给一个会写出它的模板。",
        )
    return Text("Change the row to what the template allows.", "请把数据改成模板允许的样子。")
