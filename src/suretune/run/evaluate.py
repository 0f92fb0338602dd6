"""On the way: what the rows that were held out, the probes, the skills and drift say by now.

Asked cheaply: the questions that all must pass first, everything else only once these do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from suretune.data.template import ChatTokenizer
from suretune.model.generate import Talker
from suretune.options import ProofOptions
from suretune.train.engine import Engine
from suretune.types import Evaluation, Sample
from suretune.verify.measure import PROBE_TOKENS, Questions, answer_probes, solve
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
            passed = self._passed(model, first, GLANCE)
            if passed < len(first):
                return Evaluation(step, held_out, passed, len(judged))
            passed = self._passed(model, judged, PROBE_TOKENS)
            if passed < self.bounds.probes_needed * len(judged):
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

    def _passed(self, model: Talker, probes: Sequence[Probe], tokens: int) -> int:
        said = answer_probes(model, self.tokenizer, probes, self.questions.system, tokens)
        return sum(bool(p.judge(answer)) for p, answer in zip(probes, said, strict=True))


def rank(found: Evaluation) -> tuple[float, ...]:
    """The larger, the better: within bounds, then probes, then less drift, then held-out loss."""
    drift = -found.drift if found.drift is not None else 0.0
    held_out = -found.held_out_loss if found.held_out_loss is not None else 0.0
    return found.proven, found.passed, drift, held_out


def best_of(found: Sequence[Evaluation]) -> Evaluation:
    """The best; of those as good as each other the earliest."""
    return max(found, key=rank)


def stale(found: Sequence[Evaluation]) -> int:
    """How many evaluations in a row, up to now, were no better than the best before them."""
    return len(found) - 1 - list(found).index(best_of(found)) if found else 0
