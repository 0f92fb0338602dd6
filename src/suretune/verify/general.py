"""General questions asked of base and tuned model in one process, in the same batches.

The base is asked twice, the second time in other batches: what it then answers otherwise is noise
of rounding, and decides nothing. What it answers does not depend on the adapter, so it is kept in a
cache, by everything that it does depend on.
"""

from __future__ import annotations

import hashlib
import os
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson
import torch
import transformers
from torch import Tensor, nn

from suretune import __version__, rundir
from suretune.battery.items import Question
from suretune.data.render import prompt_ids, with_system
from suretune.data.template import ChatTokenizer, TemplateRefused
from suretune.model.decode import Decoder
from suretune.model.full import Whole
from suretune.model.generate import Asked, Talker, device_of, spoken
from suretune.model.packed_batch import PackedBatch, divergence, passes, token_logits
from suretune.model.tuned import Tuned, without
from suretune.types import Origin, Sample, Span
from suretune.verify.kept import General
from suretune.verify.measure import Questions
from suretune.verify.shares import Shares
from suretune.verify.signs import loops

LIMITS = (32, 64, 96, 160, 256)  # tokens of an answer; questions of one limit are asked together
FOLLOWED = 192  # answers of the base that the tuned model is led along
ABANDONED = 3600.0  # seconds after which a half written file has nobody who writes it
KEPT = 64 << 20  # bytes of all cached answers; those not used for longest go first


@dataclass(frozen=True, slots=True)
class Said:
    """One answer a question: token ids, and whether it came to its end by itself."""

    ids: Sequence[Sequence[int]]
    ended: Sequence[bool]


@contextmanager
def untuned(speaker: Talker, tuned: Tuned) -> Iterator[Talker]:
    """Whoever answers here for the tuned model, itself or a decoder, without what it learned."""
    if isinstance(speaker, Decoder) and not isinstance(tuned, Whole):
        with speaker.stack.muted():
            yield speaker
        return
    with without(tuned):  # which a decoder hears where the base's own weights learned
        yield speaker


@contextmanager
def _base_of(speaker: Talker, tuned: Tuned, shares: Shares) -> Iterator[Asked]:
    """Everybody who answers, without what was learned."""
    with untuned(speaker, tuned) as own:
        yield shares.beside(own, base=True)


def askable(
    tokenizer: ChatTokenizer,
    questions: Sequence[Question],
    system: str | None,
) -> list[Question]:
    """Those whose conversation the template takes: some know no system prompt."""

    def fits(question: Question) -> bool:
        try:
            prompt_ids(tokenizer, with_system(question.messages, system))
        except TemplateRefused:
            return False
        return True

    tokenizer.render_ahead((with_system(q.messages, system), (), True, None) for q in questions)
    return [question for question in questions if fits(question)]


def prompts_of(
    tokenizer: ChatTokenizer,
    questions: Sequence[Question],
    system: str | None,
) -> list[list[int]]:
    """As training asks: its system prompt, where a question brings none."""
    talks = [with_system(q.messages, system) for q in questions]
    tokenizer.render_ahead((talk, (), True, None) for talk in talks)
    return [prompt_ids(tokenizer, talk) for talk in talks]


def limit_of(tokens: int) -> int:
    """The least of the limits that has room."""
    return next((limit for limit in LIMITS if tokens <= limit), LIMITS[-1])


def ask_all(
    model: Asked,
    questions: Sequence[Question],
    prompts: Sequence[Sequence[int]],
    stops: frozenset[int],
    *,
    otherwise: bool = False,
) -> Said:
    """Every question, greedily. `otherwise`: in other batches than without it."""
    ids: list[Sequence[int]] = [()] * len(questions)
    ended = [False] * len(questions)
    for limit in LIMITS:
        mine = [i for i, q in enumerate(questions) if limit_of(q.tokens) == limit]
        for part in (mine[::2], mine[1::2]) if otherwise else (mine,):
            if not part:
                continue
            said = spoken(model, [prompts[i] for i in part], stops, limit)
            for index, answer in zip(part, said, strict=True):
                ids[index], ended[index] = answer, len(answer) < limit
    return Said(ids, ended)


def ask_base(
    base: Callable[[], AbstractContextManager[Asked]],
    questions: Sequence[Question],
    prompts: Sequence[Sequence[int]],
    stops: frozenset[int],
    key: str,
) -> tuple[Said, Said, bool]:
    """(answers, answers in other batches, whether the cache knew them)."""
    if (known := _read(key, len(questions))) is not None:
        return *known, True
    with base() as model:
        first = ask_all(model, questions, prompts, stops)
        again = ask_all(model, questions, prompts, stops, otherwise=True)
    _keep(key, first, again)
    return first, again, False


@torch.inference_mode()
def follow(
    tuned: nn.Module,
    untuned: Callable[[], AbstractContextManager[Any]],
    samples: Sequence[Sample],
    budget: int,
    device: torch.device,
) -> tuple[list[float], list[float]]:
    """Lead base and tuned model along the same answers: one a sample, (change of the mean
    log-likelihood, mean KL(base || tuned)), nats a token. `untuned()` switches adapters off."""
    tuned.eval()
    changes: list[float] = []
    apart: list[float] = []
    for batch in passes(samples, budget, device):
        logits = token_logits(tuned, batch)
        with untuned():
            before = token_logits(tuned, batch)
        target = batch.targets[:, None]
        now, then = (x.log_softmax(-1).gather(1, target)[:, 0] for x in (logits, before))
        changes += _by_row(now - then, batch)
        apart += _by_row(divergence(before, logits), batch)
    return changes, apart


def _by_row(values: Tensor, batch: PackedBatch) -> list[float]:
    """The mean of each row's learned tokens; values (L,)."""
    rows = torch.bucketize(
        batch.sources.to(torch.int32),
        batch.starts[1:],
        right=True,
    )
    sums = torch.zeros(
        len(batch.starts) - 1,
        dtype=torch.float64,
        device=values.device,
    )
    sums.index_add_(0, rows, values.double())
    means: list[float] = (sums / torch.bincount(rows, minlength=len(sums))).tolist()
    return means


def answers_followed(
    prompts: Sequence[Sequence[int]], said: Said
) -> tuple[list[int], list[Sample]]:
    """(indices, samples) of the base's answers that are followed: evenly spread, none empty."""
    there = [i for i, ids in enumerate(said.ids) if ids]
    chosen = there[:: max(1, -(-len(there) // FOLLOWED))]
    samples = []
    for index in chosen:
        ids = array("I", [*prompts[index], *said.ids[index]])
        span = Span(len(prompts[index]), len(ids), 1.0)
        samples.append(Sample(Origin("general", index), "general", ids, (span,), "flag"))
    return chosen, samples


def measure_general(
    speaker: Talker,
    tuned: Tuned,
    tokenizer: ChatTokenizer,
    questions: Questions,
    depends: Sequence[str],
    budget: int,
    shares: Shares,
) -> General | None:
    """Everything about the general questions; None where there are none.

    speaker: who answers here for `tuned`, whose adapters are on; depends: what the base's answers
    depend on beside prompts and code; budget: tokens of a pass; shares: who answers as well.
    """
    asked = questions.general
    if not asked:
        return None
    began = time.perf_counter()
    prompts, stops = prompts_of(tokenizer, asked, questions.system), tokenizer.stop_ids
    key = cache_key(depends, prompts, [q.tokens for q in asked], sorted(stops))
    first, again, cached = ask_base(
        lambda: _base_of(speaker, tuned, shares),
        asked,
        prompts,
        stops,
        key,
    )
    answered = time.perf_counter()
    now = ask_all(shares.beside(speaker), asked, prompts, stops)
    if isinstance(speaker, Decoder):
        speaker.release()
    told = time.perf_counter()
    chosen, samples = answers_followed(prompts, first)
    device = device_of(tuned)
    led, apart = follow(tuned, lambda: without(tuned), samples, budget, device)
    before, otherwise, after = (
        [tokenizer.decode(ids) for ids in said.ids] for said in (first, again, now)
    )
    return General(
        questions=[question.line() for question in asked],
        base=before,
        again=otherwise,
        tuned=after,
        base_ended=first.ended,
        tuned_ended=now.ended,
        base_looping=[loops(ids) for ids in first.ids],
        tuned_looping=[loops(ids) for ids in now.ids],
        followed=chosen,
        likelihood=led,
        drift=apart,
        from_cache=cached,
        seconds={
            "base": round(answered - began, 3),
            "tuned": round(told - answered, 3),
            "followed": round(time.perf_counter() - told, 3),
        },
    )


# --- the base's answers, kept --------------------------------------------------------------------


def cache_key(*parts: object) -> str:
    """SHA-256 of all that the base's answers depend on."""
    told = orjson.dumps(parts, default=str, option=orjson.OPT_SORT_KEYS)
    code = Path(__file__).parent.parent.glob("model/*.py")  # whose kernels round as they do
    versions = f"{__version__} {torch.__version__} {transformers.__version__}"
    digest = hashlib.sha256(told + versions.encode())
    for path in sorted(code):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _folder() -> Path | None:
    if os.environ.get("SURETUNE_CACHE") == "off":
        return None
    home = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(home) / "suretune" / "base"


def _read(key: str, asked: int) -> tuple[Said, Said] | None:
    """What was kept under this key; a file that is not whole, or not as written, counts as none."""
    folder = _folder()
    if folder is None:
        return None
    path = folder / f"{key}.json"
    try:
        told = orjson.loads(path.read_bytes())
        if told["digest"] != rundir.digest_of(told["said"]):
            return None
        first, again = (Said(**said) for said in told["said"])
        lengths = {len(x) for said in (first, again) for x in (said.ids, said.ended)}
        os.utime(path)
    except (OSError, ValueError, TypeError, KeyError):
        return None
    return (first, again) if lengths == {asked} else None


def _keep(key: str, first: Said, again: Said) -> None:
    """Write-then-rename; a full disk costs the cache only."""
    folder = _folder()
    if folder is None:
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        said = [asdict(first), asdict(again)]
        told = {"digest": rundir.digest_of(said), "said": said}
        rundir.write(folder / f"{key}.json", orjson.dumps(told))
        for path in folder.glob(".*.part"):
            if time.time() - path.stat().st_mtime > ABANDONED:
                path.unlink(missing_ok=True)
        held = 0
        for path in sorted(folder.glob("*.json"), key=lambda p: -p.stat().st_mtime):
            held += path.stat().st_size
            if held > KEPT:
                path.unlink(missing_ok=True)
    except OSError:  # the run needs nothing of it; the report says that the base was asked
        return
