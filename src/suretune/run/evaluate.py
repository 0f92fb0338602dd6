"""On the way: what the rows that were held out, the probes, the skills and drift say by now.

Asked cheaply: the questions that all must pass first, everything else only once these do.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

from suretune import rundir
from suretune.data.template import ChatTokenizer
from suretune.model.generate import Talker
from suretune.options import ProofOptions
from suretune.train.engine import Engine
from suretune.types import Evaluation, Sample
from suretune.verify.measure import Questions, answer_probes, solve
from suretune.verify.probes import MUST_PASS, Probe, asked_on_the_way

GLANCE = 32  # tokens of an answer that show whether it is worth asking everything


@dataclass(frozen=True, slots=True)
class Judge:
    """What is asked on the way, and what has to hold."""

    tokenizer: ChatTokenizer
    questions: Questions
    skills_before: float | None
    apart: Sequence[Sample]  # anchors that are not learned
    bounds: ProofOptions

    def look(self, engine: Engine, step: int, held_out: float | None) -> Evaluation:
        """Everything that is worth asking after update `step`."""
        judged = asked_on_the_way(self.questions.probes)
        if not judged:  # questions that are only shown prove nothing
            return Evaluation(step, held_out)
        first = [p for p in judged if p.kind == MUST_PASS]
        with engine.tuned() as model:
            if not self._worth_asking(model, first):
                return Evaluation(step, held_out, 0, len(judged))
            right = self._right(model, judged)
            passed = sum(right)
            firm = all(ok for p, ok in zip(judged, right, strict=True) if p.kind == MUST_PASS)
            if not firm or passed < self.bounds.probes_needed * len(judged):
                return Evaluation(step, held_out, passed, len(judged))
            skills = solve(model, self.tokenizer, self.questions.skills)
        drift = engine.drift(self.apart) if self.apart else None
        share = sum(skills) / len(skills) if skills else None
        proven = (drift is None or drift <= self.bounds.max_drift) and not (
            share is not None
            and self.skills_before is not None
            and self.skills_before - share > self.bounds.max_skill_drop
        )
        return Evaluation(step, held_out, passed, len(judged), share, drift, proven)

    def _worth_asking(self, model: Talker, first: Sequence[Probe]) -> bool:
        """A glance at what must pass. What somebody asks for himself may come late in an answer."""
        if self.bounds.probes is not None or not first:
            return True
        said = answer_probes(model, self.tokenizer, first, self.questions.system, GLANCE)
        return all(p.judge(answer) for p, answer in zip(first, said, strict=True))

    def _right(self, model: Talker, probes: Sequence[Probe]) -> list[bool]:
        said = answer_probes(model, self.tokenizer, probes, self.questions.system)
        return [bool(p.judge(answer)) for p, answer in zip(probes, said, strict=True)]


def comparable(found: Sequence[Evaluation]) -> list[Evaluation]:
    """Those that can be ranked: where probes were asked, only these; else those with a loss."""
    asked = [one for one in found if one.asked]
    return asked or [one for one in found if one.held_out_loss is not None]


def whole(found: Evaluation) -> bool:
    """Within bounds, and every question that was asked passed."""
    return found.proven and found.passed == found.asked


def confirmed(found: Sequence[Evaluation]) -> bool:
    """Whether the last two in a row are whole: once can be luck (docs/architecture.md)."""
    last = comparable(found)[-2:]
    return len(last) == 2 and all(map(whole, last))


def rank(found: Evaluation) -> tuple[float, ...]:
    """The larger, the better: within bounds, then probes, then less drift, then held-out loss."""
    drift = -found.drift if found.drift is not None else 0.0
    held_out = -found.held_out_loss if found.held_out_loss is not None else 0.0
    return found.proven, found.passed, drift, held_out


def best_of(found: Sequence[Evaluation], among: Container[int] | None = None) -> Evaluation | None:
    """The best (`among` the steps given), one that confirms the one before it first of all; of
    those as good as each other the earliest; None where nothing compares."""
    ranked = comparable(found)
    firm = {one.step for before, one in pairwise(ranked) if whole(before) and whole(one)}
    there = [one for one in ranked if among is None or one.step in among]
    return max(there, key=lambda one: (one.step in firm, rank(one)), default=None)


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
