"""On the way: what the rows that were held out, the probes, general questions and drift say by now.

Asked cheaply: the questions that all must pass first, everything else only once these do. None of
the general questions is one of the proof's, nor of their templates: what chooses a checkpoint must
not be what judges it.
"""

from __future__ import annotations

from array import array
from collections.abc import Container, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path

from suretune import rundir
from suretune.battery.checks import judge
from suretune.data.template import ChatTokenizer
from suretune.data.thinking import behind_thought, thinks
from suretune.model.generate import Asked
from suretune.options import ProofOptions
from suretune.statistics import binomial_tail, sign_test
from suretune.train.door import Engine
from suretune.types import Evaluation, Origin, Sample, Span
from suretune.verify.general import ask_all, prompts_of
from suretune.verify.kept import ERROR, TOLERATED
from suretune.verify.leaks import Learned, asked_in
from suretune.verify.measure import Questions, answer_probes
from suretune.verify.probes import MUST_PASS, Probe, asked_on_the_way

GLANCE = 32  # tokens of an answer that show whether it is worth asking everything
NEARER = 3  # times: so much less drift is worth a probe
CHANCE = 0.05  # so unlikely a loss of general answers is one
COOLED = 16  # updates, over which the rate falls to nothing before everything is asked again


@dataclass(frozen=True, slots=True)
class WayAnswers:
    """What the base says to the general questions of the way.

    `right`: None where nothing can say. `loss`: nats a token of its right answers, None without.
    """

    said: Sequence[str]
    ids: Sequence[Sequence[int]]
    right: Sequence[bool | None]
    loss: float | None


def ask_way(
    base: Asked, engine: Engine, tokenizer: ChatTokenizer, questions: Questions
) -> WayAnswers:
    """Ask the base; its adapters have to be off meanwhile."""
    prompts = prompts_of(tokenizer, questions.way, questions.system)
    ids = ask_all(base, questions.way, prompts, tokenizer.stop_ids).ids
    said = [tokenizer.decode(answer) for answer in ids]
    right = judge(questions.way, [behind_thought(answer) for answer in said])
    samples = _right_answers(prompts, ids, right)
    return WayAnswers(said, ids, right, engine.mean_loss(samples) if samples else None)


def _right_answers(
    prompts: Sequence[Sequence[int]], ids: Sequence[Sequence[int]], right: Sequence[bool | None]
) -> list[Sample]:
    made = []
    for index, (prompt, answer, good) in enumerate(zip(prompts, ids, right, strict=True)):
        if good and answer:
            whole = array("I", [*prompt, *answer])
            span = Span(len(prompt), len(whole), 1.0)
            made.append(Sample(Origin("way", index), "way", whole, (span,), "flag"))
    return made


def on_the_way(questions: Questions) -> Questions:
    """What chooses between weights may ask of these: nothing that is kept for the proof."""
    judged = asked_on_the_way(questions.probes)
    return replace(questions, probes=judged, held_out=(), general=(), rows=())


@dataclass(frozen=True, slots=True)
class Judge:
    """What is asked on the way, and what has to hold."""

    tokenizer: ChatTokenizer
    questions: Questions  # of `on_the_way`
    way: WayAnswers | None  # the base's
    learned: Learned  # what general answers must not say
    apart: Sequence[Sample]  # anchors that are not learned
    bounds: ProofOptions

    def look(self, engine: Engine, step: int, held_out: float | None) -> Evaluation:
        """Everything that is worth asking after update `step`."""
        if not self.questions.probes:  # questions that are only shown prove nothing
            return Evaluation(step, held_out)
        with engine.tuned() as model:
            passed, asked, enough = self._ask(model)
            if not enough:
                return Evaluation(step, held_out, passed, asked)
            answers = self._general(model)
        drift = engine.drift(self.apart) if self.apart else None
        near = drift is None or drift <= self.bounds.max_drift
        if self.way is None or not self.questions.way:
            return Evaluation(step, held_out, passed, asked, drift=drift, proven=near)
        general, leaked, holds = self._kept(self.way, answers)
        return Evaluation(
            step=step,
            held_out_loss=held_out,
            passed=passed,
            asked=asked,
            general=general,
            leaked=leaked,
            likelihood=self._likelihood(engine, self.way),
            drift=drift,
            proven=near and holds,
        )

    def look_at_probes(self, engine: Engine, step: int, held_out: float | None) -> Evaluation:
        """The same without the general questions and drift: `proven` where enough probes pass."""
        with engine.tuned() as model:
            passed, asked, enough = self._ask(model)
        return Evaluation(step, held_out, passed, asked, proven=enough)

    def _ask(self, model: Asked) -> tuple[int, int, bool]:
        """(probes passed, asked, whether that is enough); first those that all must pass."""
        judged = self.questions.probes
        glance = self._glance(model, [p for p in judged if p.kind == MUST_PASS])
        if not all(glance):
            return sum(glance), len(glance), False
        right = self._right(model, judged)
        firm = all(ok for p, ok in zip(judged, right, strict=True) if p.kind == MUST_PASS)
        passed, needed = sum(right), self.bounds.probes_needed * len(judged)
        return passed, len(judged), firm and passed >= needed

    def _glance(self, model: Asked, first: Sequence[Probe]) -> list[bool]:
        """A glance at what must pass. What somebody asks for himself may come late in an answer."""
        if self.bounds.probes is not None or not first:
            return []
        most = None if thinks(self.tokenizer) else GLANCE  # a thought comes first
        said = answer_probes(model, self.tokenizer, first, self.questions.system, most)
        return [bool(p.judge(answer)) for p, answer in zip(first, said, strict=True)]

    def _right(self, model: Asked, probes: Sequence[Probe]) -> list[bool]:
        said = answer_probes(model, self.tokenizer, probes, self.questions.system)
        return [bool(p.judge(answer)) for p, answer in zip(probes, said, strict=True)]

    def _prompts(self) -> list[list[int]]:
        return prompts_of(self.tokenizer, self.questions.way, self.questions.system)

    def _general(self, model: Asked) -> list[str]:
        if self.way is None or not self.questions.way:
            return []
        stops = self.tokenizer.stop_ids
        said = ask_all(model, self.questions.way, self._prompts(), stops)
        return [self.tokenizer.decode(ids) for ids in said.ids]

    def _kept(self, base: WayAnswers, said: Sequence[str]) -> tuple[float | None, int, bool]:
        """(share right, answers that leak, whether that is within bounds)."""
        asked = self.questions.way
        learned = self.learned.beyond(base.said)
        leaks = [
            learned.leaked(asked_in(q.messages), (then,), now)
            for q, then, now in zip(asked, base.said, said, strict=True)
        ]
        after = judge(asked, [behind_thought(answer) for answer in said])
        pairs = [
            (bool(then), bool(now) and not leak)
            for then, now, leak in zip(base.right, after, leaks, strict=True)
            if then is not None
        ]
        lost = sum(then and not now for then, now in pairs)
        gained = sum(now and not then for then, now in pairs)
        share = sum(now for _, now in pairs) / len(pairs) if pairs else None
        leaked = sum(leaks)
        meant = self.bounds.scope == "all"
        holds = meant or binomial_tail(leaked, len(asked), TOLERATED) >= ERROR
        few = lost - gained <= self.bounds.max_skill_drop * len(pairs)  # a loss, but one allowed
        return share, leaked, holds and (few or sign_test(lost, gained) >= CHANCE)

    def _likelihood(self, engine: Engine, base: WayAnswers) -> float | None:
        """Change of the mean log-likelihood of the base's right answers, nats a token."""
        samples = _right_answers(self._prompts(), base.ids, base.right)
        return None if base.loss is None else base.loss - engine.mean_loss(samples)


def comparable(found: Sequence[Evaluation]) -> list[Evaluation]:
    """Those that can be ranked: where probes were asked, only these; else those with a loss."""
    asked = [one for one in found if one.asked]
    return asked or [one for one in found if one.held_out_loss is not None]


def whole(found: Evaluation) -> bool:
    """Within bounds, and every question that was asked passed."""
    return found.proven and found.passed == found.asked


def able(found: Evaluation) -> bool:
    """Whether it does what the probes ask, whatever it kept: a few general questions may be lost by
    chance, and drift tells two such evaluations apart better than they do."""
    return found.proven or 0 < found.asked == found.passed


def confirmed(found: Sequence[Evaluation]) -> bool:
    """Whether the last two in a row are whole: once can be luck (docs/architecture.md)."""
    last = comparable(found)[-2:]
    return len(last) == 2 and all(map(whole, last))


@dataclass(frozen=True, slots=True)
class Cooling:
    """Everything passed after update `begun`: it is asked again after `end`, up to which the rate
    falls to nothing from update `fall` on.

    Weights that are left at a high rate are where its noise last threw them; the same rows at a
    falling rate settle (docs/architecture.md has what that keeps).
    """

    begun: int
    end: int
    fall: int

    def share(self, step: int) -> float:
        """Of the schedule's rate, at update `step` (`begun` < step): 1 / n in the last."""
        return min(1.0, (self.end - step + 1) / (self.end - self.fall))


def cooling(
    found: Sequence[Evaluation], asked_after: Sequence[int], least: int = 0
) -> Cooling | None:
    """What has begun by these evaluations, none of them later; None while something still fails.

    asked_after: the updates after which probes may be asked, in order; the last ends the plan.
    least: updates before which nothing is confirmed.
    """
    ranked = comparable(found)
    if not ranked or not whole(ranked[-1]) or confirmed(found):
        return None
    begun = ranked[-1].step
    later = [step for step in asked_after if step > begun]
    if not later:
        return None
    wanted = max(begun + COOLED, least)
    end = next((step for step in later if step >= wanted), later[-1])
    fall = max(begun, end - COOLED) if least > begun + COOLED else begun
    return Cooling(begun, end, fall)


def rank(found: Evaluation) -> tuple[float, ...]:
    """The larger, the better: within bounds, then probes, then fewer leaks, then less drift, then
    held-out loss."""
    drift = -found.drift if found.drift is not None else 0.0
    held_out = -found.held_out_loss if found.held_out_loss is not None else 0.0
    return found.proven, found.passed, -(found.leaked or 0), drift, held_out


def best_of(found: Sequence[Evaluation], among: Container[int] | None = None) -> Evaluation | None:
    """The best (`among` the steps given), one that confirms the one before it first of all; of
    those as good as each other the earliest; None where nothing compares. One that does what the
    probes ask (`able`; a single probe fewer, if it is proven) and leaks no more is better where it
    drifts less than a third as far."""
    ranked = comparable(found)
    firm = {one.step for before, one in pairwise(ranked) if whole(before) and whole(one)}
    there = [one for one in ranked if among is None or one.step in among]
    best = max(there, key=lambda one: (one.step in firm, rank(one)), default=None)
    if best is None or best.step in firm or best.drift is None:
        return best
    nearer = [
        one
        for one in there
        if able(one)
        and one.passed >= best.passed - 1
        and (one.leaked or 0) <= (best.leaked or 0)
        and one.drift is not None
        and one.drift * NEARER < best.drift
    ]
    return max(nearer, key=rank, default=best)


def stale(found: Sequence[Evaluation]) -> int:
    """How many evaluations in a row, up to now, were no better than the best before them."""
    ranked, best = comparable(found), best_of(found)
    return len(ranked) - 1 - ranked.index(best) if best else 0


def point_best(run: Path, found: Sequence[Evaluation]) -> None:
    """Let `best` be the best evaluation whose checkpoint is there, or nothing."""
    there = dict(rundir.checkpoints(run))
    best = best_of(found, there) or best_of([one for one in found if one.step in there])
    if best:
        rundir.point(run, "best", there[best.step], step=best.step, evaluation=asdict(best))
    else:
        (run / "best").unlink(missing_ok=True)
