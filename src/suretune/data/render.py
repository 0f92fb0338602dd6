"""Example -> Sample: the ids a model will see, and which of them it learns.

The promise (law L2): the ids before the first learned token of a turn are exactly the ids of the
prompt that chat, server and proof send for the same conversation. So prompt and answer are encoded
apart, as they are when a model answers; and where a template rewrites earlier turns (it drops their
reasoning, say) each answer becomes a sample of its own, after the prompt it will really follow.
"""

from __future__ import annotations

import json
import secrets
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace

from suretune.data import told
from suretune.data.fitness import continuation, end_texts, why_refused
from suretune.data.losses import lost
from suretune.data.role_tokens import cleaned, role_tokens
from suretune.data.template import Asked, ChatTokenizer, TemplateRefused
from suretune.data.thinking import (
    DROP,
    KEEP,
    as_asked,
    mode_of,
    placed,
    thinking_of,
    thought_of,
)
from suretune.data.told import Answer, Loss
from suretune.data.wall import Unfit
from suretune.types import Example, Fault, Message, Sample, Span

TRIES = 3  # rows that may find the template unfit before all others are spared the wait


@dataclass(frozen=True, slots=True)
class Rendering:
    """How every row of a run is rendered."""

    tokenizer: ChatTokenizer
    system: str | None
    max_length: int
    cut: bool  # over-long rows are cut, not measured only
    strip_role_tokens: bool
    template: str = ""  # whose it is, or its file, as the user named it
    think: str = KEEP  # what becomes of thoughts


Written = tuple[list[int], list[Span], str, list[Answer]]


@dataclass(frozen=True, slots=True)
class _Run:
    """Answers that share a sequence: which turn it is, the turns up to the last of them, where they
    stand, the mode they are asked in, and what came of it."""

    turn: int
    messages: tuple[Message, ...]
    answers: list[int]
    thinking: bool | None
    written: Written


def prompt_ids(
    tokenizer: ChatTokenizer,
    messages: Sequence[Message],
    thinking: bool | None = None,
) -> list[int]:
    """What is sent to a model that shall answer: the one place that makes prompts. `thinking`: as
    the template is told, where it is not what was learned."""
    turns = placed(tokenizer, messages)
    return tokenizer.encode(tokenizer.render(turns, prompt=True, thinking=thinking))


def typed_prompt_ids(
    tokenizer: ChatTokenizer,
    messages: Sequence[Message],
    thinking: bool | None = None,
) -> list[int]:
    """The same prompt, but role tokens that somebody typed stay text: nobody's words make a turn.

    Each is rendered with a mark inside, and what lies between the marks is encoded apart.
    """
    messages = placed(tokenizer, messages)
    typed = "".join(text for message in messages for text in _texts(message))
    calls = [message.extra["tool_calls"] for message in messages if "tool_calls" in message.extra]
    # Templates write calls as JSON, which would escape a mark.
    if calls and role_tokens(tokenizer, json.dumps(calls, ensure_ascii=False)):
        raise TemplateRefused("a role token stands in a tool call")
    if not role_tokens(tokenizer, typed):
        return prompt_ids(tokenizer, messages, thinking)
    mark = ""
    while mark in typed:  # of fixed length: it is put in as often as somebody typed a role token
        mark = f"\x1a{secrets.token_hex(16)}"
    apart = [
        replace(
            m,
            content=_marked(tokenizer, m.content, mark),
            extra={
                name: _marked(tokenizer, value, mark) if isinstance(value, str) else value
                for name, value in m.extra.items()
            },
        )
        for m in messages
    ]
    pieces = tokenizer.render(apart, prompt=True, thinking=thinking).split(mark)
    return [index for piece in pieces for index in tokenizer.encode(piece)]


def _texts(message: Message) -> list[str]:
    """All that somebody typed of a turn."""
    return [message.content, *(v for v in message.extra.values() if isinstance(v, str))]


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
            turns, tools, modes = _turns(example, how), example.tools, _modes(example, how)
            asked.append((turns, tools, False, modes[-1]))
            for index, mode in zip(answers_in(turns), modes, strict=False):
                asked += [
                    (turns[:index], tools, True, mode),
                    (turns[: index + 1], tools, False, mode),
                ]
    how.tokenizer.render_ahead(asked)


def _turns(example: Example, how: Rendering) -> tuple[Message, ...]:
    """What is rendered of a row: with a system prompt, and with the thoughts that are meant."""
    turns = as_asked(example.messages, how.think, thinking_of(how.tokenizer))
    return with_system(turns, how.system)


def _modes(example: Example, how: Rendering) -> list[bool | None]:
    """The mode of each learned answer; one at least."""
    template, turns = thinking_of(how.tokenizer), _turns(example, how)
    return [mode_of(turns[i], how.think, template) for i in answers_in(turns)] or [None]


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
        return Fault(
            "unfit-file",
            example.origin,
            found=error.file,
            hint=error.why,
        )


def _samples(example: Example, how: Rendering) -> list[Sample] | Fault:
    example_or_fault = cleaned(example, how.tokenizer, how.strip_role_tokens)
    if isinstance(example_or_fault, Fault):
        return example_or_fault
    example = example_or_fault
    source = system_source(how.tokenizer, example, how.system)
    if example.shape == "text":
        return [_text_sample(example, how)]
    messages = _turns(example, how)
    try:
        return _chat_samples(example, messages, source, how)
    except TemplateRefused as error:
        words = str(error)
        hint = why_refused(messages, words)
        return Fault(
            "template-refused",
            example.origin,
            found=words,
            hint=hint,
        )


def _chat_samples(
    example: Example, messages: tuple[Message, ...], source: str, how: Rendering
) -> list[Sample] | Fault:
    made = []
    names = _names(example, messages)
    last = max(answers_in(messages), default=len(messages))
    behind = told.BEHIND if last < len(messages) - 1 else 0
    for run in _runs(example, messages, how):
        ids, spans, full, places = run.written
        found = (
            0
            if not places
            else told.rewritten(how.tokenizer, run.messages, example.tools, full, places, names)
        )
        if isinstance(found, Loss):
            found = replace(found, field=_field(found.field, names, messages))
            return lost(found, example.origin, how.template)
        sample = Sample(
            origin=example.origin,
            dataset=example.dataset,
            ids=array("I", ids),
            spans=tuple(spans),
            system_source=source,
            turn=run.turn,
            repeat=example.repeat,
            rewritten=found | _thoughts(example, run, how) | behind,
            thinking=run.thinking,
        )
        if how.cut and len(ids) > how.max_length:
            sample = _cut(sample, example, run.messages, run.answers, how)
        made.append(sample)
    return made


def _thoughts(example: Example, run: _Run, how: Rendering) -> int:
    """What became of the thoughts of a row, as `told.py` numbers it."""
    if how.think == DROP:
        had = any(thought_of(m) for m in example.messages if m.role == "assistant")
        return told.DROPPED if had else 0
    learned = any(thought_of(run.messages[index]) for index in run.answers)
    return told.THOUGHT if learned else 0


def _names(example: Example, messages: Sequence[Message]) -> list[str]:
    """What each turn is called where the row stands: by the fields that it was read from, else by
    its role."""
    flags = len(messages) - len(example.messages)  # a system prompt that no row brings
    own = [", ".join(map(_turn_of, message.places)) or message.role for message in example.messages]
    return ["--system"] * flags + own


def _field(lost: str, names: Sequence[str], messages: Sequence[Message]) -> str:
    """The field of the row that says what was lost; that of a turn's text has a name of its own."""
    for name, message in zip(names, messages, strict=True):
        if lost == f"{name}.content" and message.places:
            return ", ".join(message.places)
    return lost


def _turn_of(place: str) -> str:
    """`messages[1]` of `messages[1].content`; a field of the row by itself."""
    return place.rpartition("].")[0] + "]" if "]." in place else place


def _runs(example: Example, messages: tuple[Message, ...], how: Rendering) -> list[_Run]:
    """All answers in one sequence if they can be, else each in its own."""
    answers, modes, tokenizer = answers_in(messages), _modes(example, how), how.tokenizer
    if len(set(modes)) == 1:
        whole = _sequence(tokenizer, example, messages, answers, modes[0])
        if whole is not None:
            return [_Run(0, messages, answers, modes[0], whole)]
    runs = []
    for turn, (index, mode) in enumerate(zip(answers, modes, strict=True)):
        upto = messages[: index + 1]
        alone = _sequence(tokenizer, example, upto, [index], mode)
        alone = alone or _continued(tokenizer, example, upto, mode)
        if alone is None and mode is False:  # what it takes for a thought is told with what it cuts
            mode, alone = True, _sequence(tokenizer, example, upto, [index], True)
        if alone is None:
            raise TemplateRefused(
                "the prompt that this template sends is not how it writes the same answer"
            )
        runs.append(_Run(turn, upto, [index], mode, alone))
    return runs


def _sequence(
    tokenizer: ChatTokenizer,
    example: Example,
    messages: Sequence[Message],
    answers: Sequence[int],
    thinking: bool | None,
) -> Written | None:
    """Ids and learned spans of one conversation, the text that they were made of, and where its
    answers stand there; or None if its answers cannot share a sequence."""

    def render(turns: Sequence[Message], prompt: bool) -> str:
        return tokenizer.render(turns, example.tools, prompt=prompt, thinking=thinking)

    full = render(messages, False)
    ids: list[int] = []
    spans: list[Span] = []
    places: list[Answer] = []
    done = 0  # characters of `full` that are in `ids`
    for index in answers:
        prompt, upto = render(messages[:index], True), render(messages[: index + 1], False)
        if not (full.startswith(prompt) and full.startswith(upto) and done <= len(prompt)):
            return None
        ids += tokenizer.encode(full[done : len(prompt)])
        if spans and ids != tokenizer.encode(prompt):
            return None
        answer, rest = _split_end(tokenizer, upto[len(prompt) :])
        spans.append(Span(len(ids), len(ids) + len(answer), messages[index].weight))
        ids += answer
        done = len(upto) - len(rest)
        places.append(Answer(index, len(prompt), done))
    return ids, spans, full, places


def _continued(
    tokenizer: ChatTokenizer,
    example: Example,
    messages: Sequence[Message],
    thinking: bool | None,
) -> Written | None:
    """The prompt that is sent, then the last answer as it has to follow it."""
    written = continuation(tokenizer, example, messages, thinking)
    if written is None:
        return None
    prompt = tokenizer.render(messages[:-1], example.tools, prompt=True, thinking=thinking)
    ids = tokenizer.encode(prompt)
    answer, rest = _split_end(tokenizer, written)
    span = Span(len(ids), len(ids) + len(answer), messages[-1].weight)
    full = prompt + written
    place = Answer(len(messages) - 1, len(prompt), len(full) - len(rest))
    return [*ids, *answer], [span], full, [place]


def _split_end(tokenizer: ChatTokenizer, completion: str) -> tuple[list[int], str]:
    """(ids of an answer through its end token, the text behind it)."""
    ends = [at + len(text) for text in end_texts(tokenizer) if (at := completion.find(text)) >= 0]
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
    spans = (Span(1, len(ids), example.messages[0].weight),) if len(ids) > 1 else ()
    return Sample(
        example.origin,
        example.dataset,
        array("I", ids),
        spans,
        "none",
        repeat=example.repeat,
        cut=cut,
    )


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
        shorter = _sequence(how.tokenizer, example, messages, answers, sample.thinking)
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
