"""Example -> Sample: the ids a model will see, and which of them it learns.

The promise (law L2): the ids before the first learned token of a turn are exactly the ids of the
prompt that chat, server and proof send for the same conversation. So prompt and answer are encoded
apart, as they are when a model answers; and where a template rewrites earlier turns (it drops their
reasoning, say) each answer becomes a sample of its own, after the prompt it will really follow.
"""

from __future__ import annotations

import re
import secrets
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace

from suretune.data.template import Asked, ChatTokenizer, TemplateRefused
from suretune.data.wall import Unfit
from suretune.types import Example, Fault, Message, Sample, Span, Text

TRIES = 3  # rows that may find the template unfit before all others are spared the wait


@dataclass(frozen=True, slots=True)
class Rendering:
    """How every row of a run is rendered."""

    tokenizer: ChatTokenizer
    system: str | None
    max_length: int
    cut: bool  # over-long rows are cut, not measured only
    strip_role_tokens: bool


def prompt_ids(tokenizer: ChatTokenizer, messages: Sequence[Message]) -> list[int]:
    """What is sent to a model that shall answer: the one place that makes prompts."""
    return tokenizer.encode(tokenizer.render(messages, prompt=True))


def typed_prompt_ids(tokenizer: ChatTokenizer, messages: Sequence[Message]) -> list[int]:
    """The same prompt, but role tokens that somebody typed stay text: nobody's words make a turn.

    Each is rendered with a mark inside, and what lies between the marks is encoded apart.
    """
    typed = "".join(message.content for message in messages)
    if not role_tokens(tokenizer, typed):
        return prompt_ids(tokenizer, messages)
    mark = ""
    while mark in typed:  # of fixed length: it is put in as often as somebody typed a role token
        mark = f"\x1a{secrets.token_hex(16)}"
    apart = [replace(m, content=_marked(tokenizer, m.content, mark)) for m in messages]
    pieces = tokenizer.render(apart, prompt=True).split(mark)
    return [index for piece in pieces for index in tokenizer.encode(piece)]


def _marked(tokenizer: ChatTokenizer, text: str, mark: str) -> str:
    """The text with a mark behind the first character of every role token."""
    for token in sorted(role_tokens(tokenizer, text), key=len, reverse=True):
        pieces = text.split(mark)  # a short token may stand in the mark itself
        text = mark.join(piece.replace(token, token[:1] + mark + token[1:]) for piece in pieces)
    if any(role_tokens(tokenizer, piece) for piece in text.split(mark)):
        raise TemplateRefused("a role token stands in the text")  # one character, or two entwined
    return text


def with_system(messages: tuple[Message, ...], system: str | None) -> tuple[Message, ...]:
    """The conversation with a system prompt, unless it brings its own."""
    if system is None or messages[0].role == "system":
        return messages
    return (Message("system", system), *messages)


def system_source(tokenizer: ChatTokenizer, example: Example, system: str | None) -> str:
    """Who wrote the system prompt of this row: the row, the flag, the template or nobody."""
    if example.shape == "text":
        return "none"
    if example.messages[0].role == "system":
        return "row"
    if system is not None:
        return "flag"
    return "template" if tokenizer.default_system else "none"


def ahead(examples: Sequence[Example], how: Rendering) -> None:
    """What `samples` will ask the template about these rows, asked at once."""
    asked: list[Asked] = []
    for example in examples:
        if example.shape != "text":
            turns, tools = with_system(example.messages, how.system), example.tools
            asked.append((turns, tools, False))
            for index in answers_in(turns):
                asked += [(turns[:index], tools, True), (turns[: index + 1], tools, False)]
    how.tokenizer.render_ahead(asked)


def answers_in(messages: Sequence[Message]) -> list[int]:
    """Where the answers stand that are learned."""
    return [i for i, m in enumerate(messages) if m.role == "assistant" and m.weight > 0]


def samples(example: Example, how: Rendering) -> list[Sample] | Fault:
    """The samples of one row, over-long ones included unless `how.cut`.

    `Unfit` is a fault of the first rows that meet it; after them, the template is given up.
    """
    try:
        return _samples(example, how)
    except Unfit as error:
        how.tokenizer.beyond += 1
        if how.tokenizer.beyond >= TRIES:
            raise
        return Fault("unfit-file", example.origin, found=error.file, hint=error.why)


def _samples(example: Example, how: Rendering) -> list[Sample] | Fault:
    example_or_fault = _clean(example, how)
    if isinstance(example_or_fault, Fault):
        return example_or_fault
    example = example_or_fault
    source = system_source(how.tokenizer, example, how.system)
    if example.shape == "text":
        return [_text_sample(example, how)]
    messages = with_system(example.messages, how.system)
    try:
        return _chat_samples(example, messages, source, how)
    except TemplateRefused as error:
        return Fault("template-refused", example.origin, found=str(error))


def _chat_samples(
    example: Example, messages: tuple[Message, ...], source: str, how: Rendering
) -> list[Sample]:
    answers = answers_in(messages)
    whole = _sequence(how.tokenizer, example, messages, answers)
    if whole is not None:
        runs = [(0, messages, answers, whole)]
    else:
        runs = []
        for turn, index in enumerate(answers):
            upto = messages[: index + 1]
            alone = _sequence(how.tokenizer, example, upto, [index])
            if alone is None:
                raise TemplateRefused(
                    "the prompt that this template sends is not how it writes the same answer"
                )
            runs.append((turn, upto, [index], alone))
    made = []
    for turn, turns, learned, (ids, spans) in runs:
        sample = Sample(
            example.origin, example.dataset, array("I", ids), tuple(spans), source, turn,
            example.repeat,
        )  # fmt: skip
        if how.cut and len(ids) > how.max_length:
            sample = _cut(sample, example, turns, learned, how)
        made.append(sample)
    return made


def _sequence(
    tokenizer: ChatTokenizer,
    example: Example,
    messages: Sequence[Message],
    answers: Sequence[int],
) -> tuple[list[int], list[Span]] | None:
    """Ids and learned spans of one conversation, or None if its answers cannot share a sequence."""
    full = tokenizer.render(messages, example.tools, prompt=False)
    ids: list[int] = []
    spans: list[Span] = []
    done = 0  # characters of `full` that are in `ids`
    for index in answers:
        prompt = tokenizer.render(messages[:index], example.tools, prompt=True)
        upto = tokenizer.render(messages[: index + 1], example.tools, prompt=False)
        if not (full.startswith(prompt) and full.startswith(upto) and done <= len(prompt)):
            return None
        ids += tokenizer.encode(full[done : len(prompt)])
        if spans and ids != tokenizer.encode(prompt):
            return None
        answer, rest = _split_end(tokenizer, upto[len(prompt) :])
        spans.append(Span(len(ids), len(ids) + len(answer), messages[index].weight))
        ids += answer
        done = len(upto) - len(rest)
    return ids, spans


def _split_end(tokenizer: ChatTokenizer, completion: str) -> tuple[list[int], str]:
    """(ids of an answer through its end token, the text behind it)."""
    ends = [at + len(text) for text, index in tokenizer.special.items()
            if index in tokenizer.stop_ids and (at := completion.find(text)) >= 0]  # fmt: skip
    if not ends:
        raise TemplateRefused("no end token follows the answer: the model would never stop")
    end = min(ends)
    return tokenizer.encode(completion[:end]), completion[end:]


def _text_sample(example: Example, how: Rendering) -> Sample:
    """Plain text: every token is learned, and the end token behind it."""
    tokenizer = how.tokenizer
    eos = tokenizer.special_text("eos_token")
    ids = tokenizer.encode(example.messages[0].content + eos)
    cut = max(0, len(ids) - how.max_length) if how.cut else 0
    if cut:
        ids = ids[: how.max_length - 1] + ids[-1:]
    # The first token has nothing before it to be predicted from.
    spans = (Span(1, len(ids), 1.0),) if len(ids) > 1 else ()
    return Sample(example.origin, example.dataset, array("I", ids), spans, "none",
                  repeat=example.repeat, cut=cut)  # fmt: skip


def _cut(
    sample: Sample,
    example: Example,
    messages: tuple[Message, ...],
    answers: Sequence[int],
    how: Rendering,
) -> Sample:
    """Shorter by whole turns from the oldest on, then at the end of the last answer.

    The prompt stays one that a user can send, and the end token stays. A row whose last prompt
    alone is too long comes back as it was and is left out by the length policy.
    """
    before = len(sample.ids)
    while len(answers) > 1 and len(sample.ids) > how.max_length:
        head = messages[:1] if messages[0].role == "system" else ()
        rest = messages[answers[0] + 1 :]
        while rest and rest[0].role == "tool":  # the result of a call that is gone
            rest = rest[1:]
        messages = (*head, *rest)
        answers = answers_in(messages)
        shorter = _sequence(how.tokenizer, example, messages, answers)
        if shorter is None:
            return sample
        sample = replace(sample, ids=array("I", shorter[0]), spans=tuple(shorter[1]))
    last = sample.spans[-1]
    over = len(sample.ids) - how.max_length
    if over > 0 and last.end - last.start - 1 > over and len(sample.ids) == last.end:
        ids = sample.ids[: how.max_length - 1] + sample.ids[-1:]
        spans = (*sample.spans[:-1], replace(last, end=how.max_length))
        sample = replace(sample, ids=ids, spans=spans)
    return replace(sample, cut=before - len(sample.ids))


# --- role tokens --------------------------------------------------------------------------------


def role_tokens(tokenizer: ChatTokenizer, text: str) -> list[str]:
    """Control tokens that stand in plain text."""
    return [token for token in tokenizer.special if token in text]


def _clean(example: Example, how: Rendering) -> Example | Fault:
    """The example without role tokens in its text, or the fault that names them."""
    for message in example.messages:  # what a template takes besides the content
        if found := role_tokens(how.tokenizer, str(dict(message.extra)) if message.extra else ""):
            return Fault("role-tokens", example.origin, field=message.role, found=found[0])
    if not any(role_tokens(how.tokenizer, m.content) for m in example.messages):
        return example
    if not how.strip_role_tokens:
        for message in example.messages:
            if found := role_tokens(how.tokenizer, message.content):
                return Fault("role-tokens", example.origin, field=message.role, found=found[0])
    stripped = tuple(
        replace(m, content=without_role_tokens(how.tokenizer, m.content)) for m in example.messages
    )
    for message in stripped:
        if message.role in ("user", "assistant") and not message.content and not message.extra:
            nothing = Text(
                "nothing is left once the role tokens are taken out",
                "去掉角色标记之后什么也不剩",
            )
            return Fault("empty-answer", example.origin, field=message.role, hint=nothing)
    return replace(example, messages=stripped)


def without_role_tokens(tokenizer: ChatTokenizer, text: str) -> str:
    """The text with control tokens, and the role names and line ends they bring, taken out."""
    tokens = "|".join(re.escape(token) for token in sorted(tokenizer.special, key=len)[::-1])
    header = rf"(?:{tokens})(?:(?:system|user|assistant|tool)(?:(?:{tokens})|\\?\n|\\n|(?=\s)))?"
    while (shorter := re.sub(header, "", text)) != text:  # what is left may form another one
        text = shorter
    return text.strip()
