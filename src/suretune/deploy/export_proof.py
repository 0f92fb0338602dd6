"""What is shown of an export: the target asked what the seal was asked, and its token ids and
scores against base and adapter in plain PEFT.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from suretune import rundir
from suretune.data.render import prompt_ids
from suretune.export.door import (
    COMPARED,
    RAN,
    READ,
    RULES,
    Carried,
    Heard,
    NotAsked,
    Target,
    Written,
)
from suretune.export.merged import bound
from suretune.export.streamed import streamed
from suretune.facts import ExportFacts
from suretune.model.load import load_base
from suretune.record.journal import Journal
from suretune.refusal import Refusal
from suretune.speak.answer import put_on
from suretune.types import Message, Text
from suretune.verify.probes import MUST_PASS, TEMPLATE_DEFAULT, Probe, from_line, probe_tokens

BESIDE = "BF16"  # to which llama.cpp rounds what it multiplies by such weights


@dataclass(frozen=True, slots=True)
class Silent:
    """Why a program could not be asked, in words of both languages and in its own."""

    program: str
    how: Text
    said: str
    trouble: str
    limit: float  # seconds that it was given, where it needed more


@dataclass(frozen=True, slots=True)
class Proof:
    """What was shown of an export, and no more."""

    level: str
    asked: int = 0  # probes that can pass or fail
    passed: int = 0
    plain: tuple[int, int] | None = None  # of these, passed and asked with no system prompt sent
    then: int = 0  # passed in the run's proof, sealed or not
    same: int = 0  # answers that are the proof's, word for word
    answers: int = 0
    greeted: bool = False  # it answered a greeting, as there were no probes
    same_ids: int | None = None  # questions with the very token ids that were trained
    gap: float | None = None  # largest distance of logits, or of log-probabilities
    bound: float | None = None
    failed: str = ""
    by: str = ""  # who answered, where it was not the target itself
    arithmetic: str = ""  # in what it computed, where that was not float32
    beside: float | None = None  # the gap of the adapter alone, on its base in the same format
    silent: Silent | None = None  # why it was not asked, where it is here


@dataclass(frozen=True, slots=True)
class Seal:
    """What a sealed run was asked and answered; of no run, nothing."""

    probes: Sequence[Probe] = ()
    answers: Sequence[str] = ()

    def talks(self, system: str | None) -> list[tuple[Message, ...]]:
        """The conversations, as they were sent."""
        return [probe.messages(system) for probe in self.probes]


def seal_of(run: Path | None) -> Seal:
    """The questions and answers of a run's proof."""
    if run is None:
        return Seal()
    probes = [from_line(line) for line in rundir.read_jsonl(run / "probes.jsonl")]
    return Seal(probes, rundir.recorded(run / "proof" / "result.json", "answers", "probes"))


def prove(
    target: Target,
    carried: Carried,
    run: Path | None,
    written: Written,
    part: Path,
) -> Proof:
    """The target asked what the seal was asked. Refusal where it is not the same model; where it
    cannot be asked, what else was shown of it."""
    ask = target.asks(carried, part)
    seal = seal_of(run)
    talks = seal.talks(carried.system) or [(Message("user", "Hello."),)]
    if ask is None:
        return Proof(READ if written.reads else RULES)
    try:
        heard = ask(talks, probe_tokens(carried.tokenizer))
    except NotAsked as silent:
        read = silent.read and silent.by_target
        return Proof(READ if read or written.reads else RULES, silent=_silent(silent))
    proof = _compared(target.name, carried, heard, written, talks)
    if proof.level == RAN and not seal.probes:  # a greeting is no probe
        proof = replace(proof, level=READ, greeted=True)
    pairs = list(zip(seal.probes, seal.answers, heard.answers, strict=bool(seal.probes)))
    judged = [(p, then, now) for p, then, now in pairs if p.judged]
    failed = [
        f"{p.question} -> {now}" for p, then, now in judged if p.judge(then) and not p.judge(now)
    ]
    plain = [bool(p.judge(now)) for p, _, now in judged if p.variant == TEMPLATE_DEFAULT]
    failed.sort(
        key=lambda line: (
            not any(line.startswith(p.question) and p.kind == MUST_PASS for p, _, _ in judged)
        )
    )
    return replace(
        proof,
        asked=len(judged),
        passed=sum(bool(p.judge(now)) for p, _, now in judged),
        plain=(sum(plain), len(plain)) if plain else None,
        then=sum(bool(p.judge(then)) for p, then, _ in judged),
        answers=len(pairs),
        same=sum(then == now for _, then, now in pairs),
        failed=failed[0] if failed else "",
    )


def _silent(silent: NotAsked) -> Silent:
    return Silent(
        silent.program,
        silent.how,
        silent.said,
        silent.trouble,
        silent.limit,
    )


def _compared(
    target: str,
    carried: Carried,
    heard: Heard,
    written: Written,
    talks: Sequence[Sequence[Message]],
) -> Proof:
    """Token ids and logits against base and adapter, by plain PEFT."""
    ours = [prompt_ids(carried.tokenizer, talk) for talk in talks]
    same = None
    if heard.ids is not None:
        same = sum(list(a) == list(b) for a, b in zip(ours, heard.ids, strict=True))
        if same < len(ours):
            at = next(
                i
                for i, (a, b) in enumerate(zip(ours, heard.ids, strict=True))
                if list(a) != list(b)
            )
            odd = f"token ids of {talks[at][-1].content!r}: {list(heard.ids[at])} / {ours[at]}"
            raise Refusal(ExportFacts("export-unlike", target, odd))
    proof = Proof(
        RULES if heard.by else RAN,
        same_ids=same,
        by=heard.by,
        arithmetic=heard.arithmetic,
        silent=_silent(heard.silent) if heard.silent else None,
    )
    if heard.logits is None and not any(heard.scores):
        return proof
    reference = adapter_logits(carried, ours[:COMPARED])
    touched = len([name for name in carried.tensors if ".lora_A." in name or carried.whole])
    scale = reference.abs().max().item()
    if any(heard.beside):
        beside = _score_gap(heard.beside, reference)
        if not beside <= bound({BESIDE: 1}, touched, scale):
            odd = f"adapter.gguf: scores {beside:.3g} apart"
            raise Refusal(ExportFacts("export-unlike", target, odd))
        proof = replace(proof, beside=beside)
    if heard.logits is not None:
        gap = (heard.logits[:COMPARED] - reference).abs().max().item()
        # Of one that computes in a precision of its own it is told, and not judged.
        if not written.types or heard.arithmetic:
            return replace(proof, gap=gap)
        most = bound(written.types, touched, scale)
        if not gap <= most:
            odd = f"logits {gap:.3g} apart, the bound is {most:.3g}"
            raise Refusal(ExportFacts("export-unlike", target, odd))
        return replace(proof, gap=gap, bound=most)
    return replace(proof, gap=_score_gap(heard.scores, reference))


def _score_gap(scores: Sequence[Mapping[int, float]], reference: Tensor) -> float:
    """The largest distance of a log-probability that the target tells, in nats."""
    ours = reference.log_softmax(-1)
    return max(
        abs(score - ours[row, token].item())
        for row, told in enumerate(scores[: len(ours)])
        for token, score in told.items()
    )


def adapter_logits(carried: Carried, prompts: Sequence[Sequence[int]]) -> Tensor:
    """(prompts, V) float32: behind each prompt, of the base with the adapter on it, in float32 and
    by plain PEFT. The base's weights stay in their files where that can be."""
    device = torch.device(carried.device)
    base = streamed(carried.base, device)
    if base is not None:
        rows = _last_logits(carried, base, prompts)
        if rows.isfinite().all():
            return rows
    return _last_logits(
        carried,
        load_base(carried.base, device, "float32", "eager"),
        prompts,
    )


def _last_logits(
    carried: Carried,
    model: PreTrainedModel,
    prompts: Sequence[Sequence[int]],
) -> Tensor:
    tuned: Any = model
    if not carried.whole:
        tuned = put_on(
            model,
            carried.base,
            carried.adapter,
            {"base": carried.base.name},
            Journal(),
        )
    with torch.inference_mode():
        rows = []
        for prompt in prompts:
            ids = torch.tensor([list(prompt)], device=carried.device)
            logits = tuned(input_ids=ids, logits_to_keep=1, use_cache=False).logits
            rows.append(logits[0, -1].float().cpu())
    return torch.stack(rows)
