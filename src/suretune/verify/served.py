"""A seal's probes asked of a server, and its answers counted against what the seal recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from suretune.data.render import prompt_ids
from suretune.data.template import ChatTokenizer
from suretune.facts import ServedFacts
from suretune.types import Message
from suretune.verify.probes import AS_TRAINED, MUST_PASS, PROBE_TOKENS, TEMPLATE_DEFAULT, Probe
from suretune.verify.remote import Remote, Trouble

SHOWN = 80  # characters of an answer in a sentence
NOT_OFFERED = (400, 404, 405, 422, 501)  # /completions, or token ids as its prompt


@dataclass(frozen=True, slots=True)
class Sealed:
    """What a run recorded: its probes, and the base's and the tuned model's answers to them."""

    probes: Sequence[Probe]
    system: str | None
    before: Sequence[str]
    after: Sequence[str]
    tokenizer: ChatTokenizer
    most: int = PROBE_TOKENS  # tokens of an answer


@dataclass(frozen=True, slots=True)
class Asked:
    """One probe, its three answers, and what the template's own system prompt had led to."""

    probe: Probe
    base: str
    sealed: str
    answer: str
    template: str | None = None

    @property
    def same(self) -> bool:
        """Whether the answer is the sealed one."""
        return self.answer.strip() == self.sealed.strip()

    @property
    def telling(self) -> bool:
        """Whether base and sealed answer differ: else this question tells nothing."""
        return self.base.strip() != self.sealed.strip()

    @property
    def as_base(self) -> bool:
        """Whether the answer is the base's, where that tells it from the sealed one."""
        return self.telling and self.answer.strip() == self.base.strip()

    @property
    def as_template(self) -> bool:
        """Whether the answer is the one under the template's default system prompt."""
        return self.template is not None and self.answer.strip() == self.template.strip()

    @property
    def lost(self) -> bool:
        """It must pass, did when it was sealed, and no longer does."""
        judge = self.probe.judge
        return (
            self.probe.kind == MUST_PASS and judge(self.sealed) is True and not judge(self.answer)
        )

    @property
    def said(self) -> str:
        """Question and answer on one line."""
        return f"{self.probe.question} -> {self.answer[:SHOWN]}"


@dataclass(frozen=True, slots=True)
class Heard:
    """All answers: as sealed, without a system prompt, and (if need be) past the template."""

    given: Sequence[Asked]
    default: Sequence[Asked]
    raw: Sequence[Asked]


def listen(
    remote: Remote,
    model: str,
    sealed: Sealed,
    needed: float,
) -> Heard:
    """Ask everything, one question after the other; `Trouble` where no answer comes."""
    most = sealed.most

    def chat(messages: Iterable[Message]) -> str:
        sent = [{"role": m.role, "content": m.content} for m in messages]
        return remote.chat(model, sent, most)

    recorded = _by_question(sealed)
    rows = [
        (probe, base, after)
        for probe, base, after in zip(sealed.probes, sealed.before, sealed.after, strict=True)
        if probe.variant == AS_TRAINED
    ]
    given = [Asked(p, b, a, chat(p.messages(sealed.system))) for p, b, a in rows]
    default = [
        Asked(p, b, a, chat((Message("user", p.question),)), recorded.get(p.question))
        for p, b, a in rows
        if p.system is None and sealed.system is not None
    ]
    raw: list[Asked] = []
    telling = [row for row in given if row.telling]
    if any(sum(row.same for row in rows) < needed * len(rows) for rows in (given, telling)):
        raw = _past_the_template(
            rows,
            lambda ids: remote.complete(model, ids, most),
            sealed,
        )
    return Heard(given, default, raw)


def _by_question(sealed: Sealed) -> Mapping[str, str]:
    """What was answered under the template's own system prompt."""
    return {
        probe.question: after
        for probe, after in zip(sealed.probes, sealed.after, strict=True)
        if probe.variant == TEMPLATE_DEFAULT
    }


def _past_the_template(
    rows: Sequence[tuple[Probe, str, str]],
    complete: Callable[[Sequence[int]], str],
    sealed: Sealed,
) -> list[Asked]:
    """The prompts of training as token ids; nothing where the server takes none."""
    asked = []
    for probe, base, after in rows:
        ids = prompt_ids(sealed.tokenizer, probe.messages(sealed.system))
        try:
            asked.append(Asked(probe, base, after, complete(ids)))
        except Trouble as trouble:
            if trouble.status in NOT_OFFERED and not asked:
                return []
            raise
    return asked


def served_facts(
    heard: Heard,
    server: str,
    model: str,
    needed: float,
) -> ServedFacts:
    """What the guards of a server judge."""
    given, default, raw = heard.given, heard.default, heard.raw
    recorded = [row for row in default if row.template is not None]
    others = [row.said for row in (*given, *default) if not row.same]
    return ServedFacts(
        server,
        model,
        needed,
        asked=len(given),
        as_sealed=sum(row.same for row in given),
        telling=sum(row.telling for row in given),
        telling_as_sealed=sum(row.telling and row.same for row in given),
        as_base=sum(row.as_base for row in given),
        lost=tuple(row.said for row in given if row.lost),
        first_other=others[0] if others else "",
        default_asked=len(default),
        default_as_sealed=sum(row.same for row in default),
        default_recorded=len(recorded),
        default_as_template=sum(row.as_template for row in recorded),
        default_as_known=sum(row.same or row.as_template for row in default),
        default_lost=sum(row.lost for row in default),
        raw_asked=len(raw),
        raw_as_sealed=sum(row.same for row in raw),
        raw_as_base=sum(row.as_base for row in raw),
    )


def lines(rows: Sequence[Asked]) -> list[dict[str, Any]]:
    """Every answer that is not as sealed, for `--json`."""
    return [
        {"question": row.probe.question, "sealed": row.sealed, "answer": row.answer}
        for row in rows
        if not row.same
    ]
