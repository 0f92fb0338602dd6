"""What the articles claim, as comparisons that the tables can decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dots import bootstrap

Lines = Sequence[Mapping[str, Any]]
HELD, NOT, OPEN, UNMEASURED = "held", "did not hold", "no difference seen", "not measured yet"
LEAST = 3  # pairs of runs below which nothing is decided


@dataclass(frozen=True, slots=True)
class Claim:
    """`key` is claimed to be greater in runs of `more` than in runs of `less`."""

    source: str
    says: str
    table: str
    key: str  # one of LEARNS, FORGETS, DRIFTS
    more: str
    less: str


LEARNS, FORGETS, DRIFTS = "paraphrase_accuracy", "skill_drop", "drift"
CLAIMS = (
    Claim("S2 3.2", "1e-4 learns (98 %), 5e-5 is too slow (85 %)", "learning_rate", LEARNS,
          "2e-3 (for 1e-4)", "1e-3 (for 5e-5)"),
    Claim("S2 3.2", "1e-3 does not converge (60 %)", "learning_rate", LEARNS,
          "2e-3 (for 1e-4)", "2e-2 (for 1e-3)"),
    Claim("S3 2.2", "1e-4 is high for LoRA and forgets more than 5e-5", "learning_rate", FORGETS,
          "2e-3 (for 1e-4)", "1e-3 (for 5e-5)"),
    Claim("suretune", "a rate has to be scaled to the model's width", "learning_rate", LEARNS,
          "2e-3 (for 1e-4)", "1e-4"),
    Claim("S2 4.1", "10 epochs learn (98 %), 3 do not (70 %)", "epochs", LEARNS, "10", "3"),
    Claim("S2 4.1", "20 epochs are worse (90 %) than 10 (98 %)", "epochs", LEARNS, "10", "20"),
    Claim("S3 2.2", "10 epochs forget, 3 do not", "epochs", FORGETS, "10", "3"),
    Claim("S1 4.1", "rank 8 learns better than rank 4", "rank", LEARNS, "8", "4"),
    Claim("S3 3.2", "rank 8 forgets more than rank 4", "rank", FORGETS, "8", "4"),
    Claim("S3 3.2", "rank 32 forgets more than rank 8", "rank", FORGETS, "32", "8"),
    Claim("S0 3.2", "all-linear forgets (-37 %), the list without k_proj does not (-2 %)",
          "targets", FORGETS, "all-linear", "without k_proj"),
    Claim("S0 3.1", "lm_head ruins what the model could do", "targets", FORGETS,
          "all and lm_head", "all-linear"),
    Claim("S3 3.2", "q_proj and v_proj alone forget less", "targets", FORGETS,
          "all-linear", "q_proj v_proj"),
    Claim("S1 4.1", "q_proj and v_proj alone learn less", "targets", LEARNS,
          "all-linear", "q_proj v_proj"),
    Claim("S3 3.4", "general rows prevent forgetting", "general", FORGETS, "0%", "50%"),
    Claim("suretune", "90 % general rows drown the identity", "general", LEARNS, "0%", "90%"),
    Claim("S0 5.2", "clipping at 0.3 protects where 1.0 does not", "clipping", FORGETS,
          "2e-2, 1.0", "2e-2, 0.3"),
    Claim("S0 5.2", "training without clipping breaks the model", "clipping", FORGETS,
          "2e-3, off", "2e-3, 1.0"),
    Claim("suretune", "anchors prevent forgetting", "anchors", FORGETS,
          "to the end, no anchors", "to the end, anchors"),
    Claim("suretune", "anchors keep the model from drifting", "anchors", DRIFTS,
          "to the end, no anchors", "to the end, anchors"),
    Claim("suretune", "held to the base's probabilities it drifts less than held to its answers",
          "anchors", DRIFTS, "to the end, anchors", "to the end, anchors by kl"),
    Claim("suretune", "stopping when proven prevents forgetting", "anchors", FORGETS,
          "to the end, no anchors", "until proven, no anchors"),
    Claim("suretune", "stopping when proven costs no accuracy", "anchors", LEARNS,
          "until proven, anchors", "to the end, anchors"),
)  # fmt: skip


def judged(claim: Claim, lines: Lines) -> tuple[str, int, tuple[float, float, float] | None]:
    """(verdict, pairs of runs, (low, mean, high) of the difference): same seed, same identity."""
    by_run = {
        (line["setting"], line["seed"], line["identity"]): line[claim.key]
        for line in lines
        if claim.key in line
    }
    differences = [
        value - by_run[(claim.less, seed, identity)]
        for (setting, seed, identity), value in by_run.items()
        if setting == claim.more and (claim.less, seed, identity) in by_run
    ]
    if len(differences) < LEAST:
        return UNMEASURED, len(differences), None
    low, mean, high = bootstrap(differences)
    verdict = HELD if low > 0 else NOT if high < 0 else OPEN
    return verdict, len(differences), (low, mean, high)
