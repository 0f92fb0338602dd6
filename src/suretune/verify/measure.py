"""What a model answers: probes, general questions, held-out rows and their loss."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from suretune.battery.items import Question, lines_of, messages_of
from suretune.data.render import prompt_ids
from suretune.data.template import ChatTokenizer
from suretune.data.thinking import usual_mode
from suretune.model.generate import Asked, answers, spoken
from suretune.types import Message, Sample
from suretune.verify.probes import AS_TRAINED, Probe, probe_tokens
from suretune.verify.signs import loops


@dataclass(frozen=True, slots=True)
class HeldRow:
    """A held-out row that is answered: what stands before its last answer, and that answer."""

    row: str  # where it comes from
    messages: tuple[Message, ...]
    reference: str
    tokens: int  # of an answer, at most

    @property
    def prompt(self) -> str:
        """All that is said before the answer, as text."""
        return "\n".join(message.content for message in self.messages)

    def line(self) -> Mapping[str, Any]:
        """As JSON; `held_row` reads it."""
        return {**asdict(self), "messages": lines_of(self.messages)}


def held_row(line: Mapping[str, Any]) -> HeldRow:
    """A held-out row as `HeldRow.line` wrote it."""
    messages = messages_of(line["messages"])
    return HeldRow(
        line["row"],
        messages,
        line["reference"],
        line["tokens"],
    )


@dataclass(frozen=True, slots=True)
class Questions:
    """Everything that is asked of a model, before and after.

    `general` questions are asked by the proof alone, those of the `way` while it trains; no
    template and nothing that they ask about is in both. `voided`: questions that the rows ask;
    `apart`: questions of a skills file that the way alone asks; None where it shares none.
    """

    probes: Sequence[Probe]
    system: str | None  # the system prompt of training
    held_out: Sequence[Sample]
    general: Sequence[Question] = ()
    way: Sequence[Question] = ()
    rows: Sequence[HeldRow] = ()
    voided: int = 0
    apart: int | None = None


@dataclass(frozen=True, slots=True)
class Answers:
    """One string a probe, nats per held-out token; `ended` (by itself, not by the limit) and
    `looping` are the probes'. `rows`: one string a held-out row."""

    probes: Sequence[str]
    held_out: float | None
    ended: Sequence[bool] = ()
    looping: Sequence[bool] = ()
    rows: Sequence[str] = ()

    def line(self) -> Mapping[str, Any]:
        """As JSON, for the process that judges."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


def answers_of(line: Mapping[str, Any]) -> Answers:
    """As a file of this version, or of an earlier one, has them."""
    known = {field.name for field in fields(Answers)}
    return Answers(**{name: value for name, value in line.items() if name in known})


def ask(
    model: Asked,
    tokenizer: ChatTokenizer,
    questions: Questions,
    mean_loss: Callable[[Sequence[Sample]], float],
    most: int | None = None,
) -> Answers:
    """Ask the probes and the held-out rows, greedily; `mean_loss` measures nats per learned token
    of held-out rows. most: tokens of an answer to a probe."""
    prompts = _probe_prompts(
        tokenizer,
        questions.probes,
        questions.system,
    )
    most = most or probe_tokens(tokenizer)
    given = spoken(model, prompts, tokenizer.stop_ids, most) if prompts else []
    rows = answer_rows(model, tokenizer, questions.rows)
    loss = mean_loss(questions.held_out) if questions.held_out else None
    return Answers(
        [tokenizer.decode(ids) for ids in given],
        loss,
        [len(ids) < most for ids in given],
        [loops(ids) for ids in given],
        rows,
    )


def answer_rows(
    model: Asked,
    tokenizer: ChatTokenizer,
    rows: Sequence[HeldRow],
) -> list[str]:
    """One answer a held-out row."""
    if not rows:
        return []
    prompts = [prompt_ids(tokenizer, row.messages) for row in rows]
    return answers(model, tokenizer, prompts, max(row.tokens for row in rows))


def answer_probes(
    model: Asked,
    tokenizer: ChatTokenizer,
    probes: Sequence[Probe],
    system: str | None,
    most: int | None = None,
    thinking: bool | None = None,
) -> list[str]:
    """One answer a probe, of at most this many tokens; `thinking`: asked in this mode, not in the
    one that was learned."""
    prompts = _probe_prompts(tokenizer, probes, system, thinking)
    most = most or probe_tokens(tokenizer, thinking)
    return answers(model, tokenizer, prompts, most) if prompts else []


def other_mode(
    model: Asked,
    tokenizer: ChatTokenizer,
    questions: Questions,
) -> Mapping[str, Any] | None:
    """The judged probes asked with thoughts where they are asked without, or the other way round;
    None for a template that knows no two ways."""
    usual = usual_mode(tokenizer)
    probes = [p for p in questions.probes if p.variant == AS_TRAINED and p.judged]
    if usual is None or not probes:
        return None
    given = answer_probes(
        model,
        tokenizer,
        probes,
        questions.system,
        thinking=not usual,
    )
    asked = [
        {"question": p.question, "answer": said, "passed": p.judge(said)}
        for p, said in zip(probes, given, strict=True)
    ]
    return {"thinking": not usual, "answers": asked}


def _probe_prompts(
    tokenizer: ChatTokenizer,
    probes: Sequence[Probe],
    system: str | None,
    thinking: bool | None = None,
) -> list[list[int]]:
    return [prompt_ids(tokenizer, probe.messages(system), thinking) for probe in probes]
