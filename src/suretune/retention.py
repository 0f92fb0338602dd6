"""What guards judge of a model's general answers: what it kept, lost, and says now unasked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from suretune.types import Text

ENOUGH = 60  # right answers of the base, without which no loss can be seen


@dataclass(frozen=True, slots=True)
class Used:
    """With what a run was trained: no advice gives it once more."""

    anchors: bool = False  # as large a share of them as is advised, led by the base's likelihoods
    per_row: float = 1.0  # anchors beside a row
    dose: float = 1.0  # share of the trained strength that was published
    length: str = "num_train_epochs"  # the option that decided how long it was
    general: bool = False  # rows of one's own were asked, too
    apart: bool = False  # as many rows were held out as is advised, or a file of them
    too_much: str = ""  # the code of what says that it was trained too much


UNTOLD = Used()
MOST_PER_ROW = 16.0  # anchors that are advised
LONGER = {
    "num_train_epochs": Text("raise `--num_train_epochs`", "调大 `--num_train_epochs`"),
    "max_steps": Text("raise `--max_steps`", "调大 `--max_steps`"),
    "budget": Text("give a longer `--budget`", "延长 `--budget`"),
}
SHORTER = {
    "num_train_epochs": Text("with fewer `--num_train_epochs`", "减少 `--num_train_epochs`"),
    "max_steps": Text("with a smaller `--max_steps`", "调小 `--max_steps`"),
    "budget": Text("with a shorter `--budget`", "缩短 `--budget`"),
}

TURNED = 0.05  # nats a token; evaluations of a run that only wavers stay within
TENTH = 0.1  # of a loss so small that TURNED would be much of it


def rose(before: float | None, least: float | None, after: float | None) -> bool:
    """Whether training on made the held-out rows worse, by these losses of a token: more than a
    run wavers by. One that is no number did, too."""
    low = min((loss for loss in (before, least) if loss is not None), default=0.0)
    return after is not None and not after - low <= min(TURNED, TENTH * low)


def more_anchors(used: Used) -> str:
    """The flags that hold a model closer to what it was than this run's did."""
    if not used.anchors:
        return "--anchor_ratio 0.75 --anchor_loss kl"
    return more_per_row(used)


def more_per_row(used: Used) -> str:
    """The flag that gives a row twice the anchors it had."""
    return f"--anchors_per_row {min(MOST_PER_ROW, 2 * used.per_row):g}"


@dataclass(frozen=True, slots=True)
class Cell:
    """One category of questions in one language. `p`: of the sign test, None where the base has
    too few right for a loss to be seen."""

    category: str
    lang: str
    asked: int
    before: int  # right
    after: int
    lost: int
    gained: int
    p: float | None = None


@dataclass(frozen=True, slots=True)
class Spread:
    """A fault that general answers may show: where the base does not and the tuned model does
    (`gained`), and the other way round (`lost`)."""

    asked: int
    before: int
    after: int
    gained: int
    lost: int


@dataclass(frozen=True, slots=True)
class RetentionFacts:
    """The general questions, asked of base and tuned model in the same batches.

    Shares are of `counted`: the questions of categories in which the base is right at least in one
    of five. The others can only be gained, and would thin out every loss.
    """

    asked: int  # general questions
    counted: int
    voided: int  # not asked: the rows ask the same
    before: int  # right, of the counted
    after: int
    lost: int
    gained: int
    flips: int  # the base contradicts itself from one batch to another: ties
    margin: float  # share that may be lost
    enough: bool  # the base has enough right answers for a loss to be seen
    scope: str = "rows"  # what the rows' kind may spread to: rows, all
    p: float = 1.0  # of the sign test: so many losses, if nothing was lost
    loss_upper: float = 1.0  # upper 95 % bound of the net loss
    supported: float = 1.0  # the margin that so many questions can support
    found: float = 1.0  # the net loss that would be found 9 times in 10
    leaked: Spread | None = None  # general answers with the new name or the rows' words
    broken: Spread | None = None  # loops, nothing, another language
    unended: Spread | None = None  # no end of turn within the limit
    formed: Spread | None = None  # general answers in the form that the rows' answers have
    form: tuple[str, str] = ("", "")  # in English and in Chinese
    drift: float | None = None  # mean KL(base || tuned) on the base's answers, nats a token
    drifted: int = 0  # answers of which it is above the bound
    drift_asked: int = 0
    max_drift: float = 0.0
    likelihood: float | None = None  # change on the base's right answers, nats a token
    cells: tuple[Cell, ...] = ()
    p_values: Mapping[str, float] = field(default_factory=dict)  # of the tests beside the first
    fallen: tuple[str, ...] = ()  # those that are rejected together, by Holm
    first_leak: str = ""  # "question -> answer"
    first_loss: str = ""
    first_broken: str = ""
    first_formed: str = ""
    ahead: bool = False  # nothing was asked yet: `asked` can be right at most
    used: Used = UNTOLD


def asked_at_most(questions: int) -> RetentionFacts:
    """What is known before anything is asked: that there will be no more questions."""
    return RetentionFacts(
        asked=questions,
        counted=0,
        voided=0,
        before=0,
        after=0,
        lost=0,
        gained=0,
        flips=0,
        margin=1.0,
        enough=questions >= ENOUGH,
        loss_upper=0.0,
        ahead=True,
    )


@dataclass(frozen=True, slots=True)
class RowsFacts:
    """Held-out rows whose answers can be compared with the rows' own, before and after.

    `open`: of all that were asked, those that nothing calls right; `same`: of these, those with the
    base's answer, to the letter.
    """

    asked: int
    compared: int
    right_before: int
    right_after: int
    lost: int
    gained: int
    kinds: tuple[Any, ...] = ()  # what they are compared by: sentences in two languages
    needed: float = 0.9
    p: float = 1.0  # of the sign test: so many gains, if nothing was gained
    open: int = 0
    same: int = 0
    used: Used = UNTOLD


@dataclass(frozen=True, slots=True)
class HeldAnswer:
    """A held-out row as a report shows it; `right_*`: None where no rule can tell."""

    row: str  # where it stands
    question: str
    reference: str  # the row's own answer
    before: str
    after: str
    right_before: bool | None
    right_after: bool | None


@dataclass(frozen=True, slots=True)
class HeldAnswers:
    """The held-out rows in a report: counted in all and by kind, row by row, some in words."""

    asked: int
    judged: int
    unjudged: int
    own: int  # answers that are the row's, to the letter
    open: int  # those that nothing calls right
    same: int  # of these, those that are the base's, to the letter
    rows: Sequence[Mapping[str, Any]]
    all: Mapping[str, Any]
    kinds: Sequence[Mapping[str, Any]]
    examples: Sequence[HeldAnswer]
