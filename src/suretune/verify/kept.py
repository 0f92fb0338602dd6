"""What a model kept: its general answers judged beside the base's. Pure.

One primary test, of all questions that count; non-inferiority, so that "no difference found" seals
nothing; all other tests together by Holm. No noise floor is taken from the adapter itself, which
would earn a noisy adapter a wider bound: what harmless looks like was calibrated on adapters that
learned nothing (docs/reliability.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from suretune.battery.checks import judge
from suretune.battery.items import Question
from suretune.battery.language import spoken_language
from suretune.data.thinking import behind_thought
from suretune.retention import ENOUGH, Cell, RetentionFacts, Spread
from suretune.statistics import (
    binomial_tail,
    loss_found,
    margin_supported,
    net_loss_above,
    net_loss_upper,
    rejected,
    sign_test,
)
from suretune.types import Text
from suretune.verify.leaks import Learned, asked_in

COUNTS = 5  # a cell counts where the base is right in one question of so many
MEASURED = 30  # right answers of the base without which a cell is not measured
UNENDED = "no end"
ALL = "all"  # categories, or languages
TOLERATED = 0.0015  # share of answers that may have the name by chance: a word of the language
# So many times what the limit cut before, it may cut more: length is no fault yet. Of null adapters
# of a base of which it cut 573 answers, it cut 604 to 660.
LONGER = 0.2
ERROR = 0.01  # of all tests beside the first, together
SHOWN = 80  # characters of an answer in a finding
# Checks that ask for a form: rows that have it did not spread it there.
FORMS = frozenset({"json", "list", "code", "language", "starts", "ends", "exact", "choice"})
# Checks that hardly look at what is said: a row's own words may pass them anywhere.
LOOSE = frozenset({"length", "starts", "ends", "language", "refuses"})
OWN_LANGUAGE = frozenset({"translation", "code"})  # answered in another one than asked in


@dataclass(frozen=True, slots=True)
class General:
    """What was said to the general questions, and how far the tuned model is from the base.

    `likelihood`: change of the mean log-likelihood of the base's right answers, nats a token, one a
    followed answer; `drift`: mean KL(base || tuned) of each, nats a token. `followed` are indices.
    """

    questions: Sequence[Mapping[str, Any]]  # lines, as they were asked
    base: Sequence[str]
    again: Sequence[str]
    tuned: Sequence[str]
    base_ended: Sequence[bool]
    tuned_ended: Sequence[bool]
    base_looping: Sequence[bool]
    tuned_looping: Sequence[bool]
    followed: Sequence[int] = ()
    likelihood: Sequence[float] = ()
    drift: Sequence[float] = ()
    from_cache: bool = False
    seconds: Mapping[str, float] = field(default_factory=dict)

    def line(self) -> Mapping[str, Any]:
        """As JSON, for the report."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What was asked for."""

    margin: float
    max_drift: float
    scope: str = "rows"
    judge_length: bool = True  # the rows' own answers are short


@dataclass(frozen=True, slots=True)
class Judged:
    """One general question, base and tuned side by side. `right`: None where nothing can say."""

    question: Question
    base: str
    tuned: str
    right_before: bool | None
    right_after: bool | None
    tie: bool
    leaked: bool
    own: bool  # the base says here who it is, though nobody asked
    broken_before: str  # the first sign of broken speech, empty where there is none
    broken_after: str
    formed_before: bool
    formed_after: bool

    @property
    def lost(self) -> bool:
        """Right before, wrong after, and no near tie."""
        return not self.tie and bool(self.right_before) and not self.right_after

    @property
    def gained(self) -> bool:
        """Wrong before, right after, and no near tie."""
        return not self.tie and self.right_before is False and bool(self.right_after)

    def line(self) -> Mapping[str, Any]:
        """As the report shows it."""
        return {
            "id": self.question.id,
            "category": self.question.category,
            "lang": self.question.lang,
            "question": self.question.asked,
            "before": self.base,
            "after": self.tuned,
            "right_before": self.right_before,
            "right_after": self.right_after,
            "lost": self.lost,
            "gained": self.gained,
            "tie": self.tie,
            "leaked": self.leaked,
            "broken": self.broken_after if not self.broken_before else "",
            "formed": self.formed_after and not self.formed_before,
        }


def judge_all(
    questions: Sequence[Question],
    said: General,
    learned: Learned,
    bounds: Bounds,
    form: Callable[[str], bool] | None = None,
) -> list[Judged]:
    """Every question; an answer that leaks is never a right one."""
    verdicts = [
        judge(questions, [behind_thought(answer) for answer in answers])
        for answers in (said.base, said.again, said.tuned)
    ]
    learned = learned.beyond((*said.base, *said.again))
    rows = []
    for i, question in enumerate(questions):
        first, again, now = (given[i] for given in verdicts)
        asks = _kinds(question.check)
        leaked = learned.leaked(
            asked_in(question.messages),
            (said.base[i], said.again[i]),
            said.tuned[i],
            right=bool(now) and not asks <= LOOSE,
        )
        then = _broken(
            question,
            said.base[i],
            said.base_looping[i],
            said.base_ended[i],
            bounds,
        )
        after = _broken(
            question,
            said.tuned[i],
            said.tuned_looping[i],
            said.tuned_ended[i],
            bounds,
        )
        own = learned.says_who_it_is(said.base[i], said.again[i])
        unasked = form if asks.isdisjoint(FORMS) else None
        formed = [unasked is not None and unasked(text) for text in (said.base[i], said.tuned[i])]
        rows.append(
            Judged(
                question=question,
                base=said.base[i],
                tuned=said.tuned[i],
                right_before=first,
                right_after=None if now is None else now and not leaked,
                tie=first != again,
                leaked=leaked,
                own=own,
                broken_before=then,
                broken_after=then if own else after,  # one name in place of another
                formed_before=formed[0],
                formed_after=formed[1],
            )
        )
    return rows


def _kinds(check: Mapping[str, Any]) -> set[str]:
    """Of all that a check asks for."""
    parts = check.get("of", ())
    return {kind for part in parts for kind in _kinds(part)} or {check.get("kind", "")}


def _broken(question: Question, text: str, looping: bool, ended: bool, bounds: Bounds) -> str:
    """The first sign of broken speech in an answer; that it was cut off is the last, for whoever is
    cut off may speak as asked until then."""
    if not text.strip():
        return "empty"
    if looping:
        return "loops"
    spoken = spoken_language(behind_thought(text))
    own = question.category in OWN_LANGUAGE or question.check.get("kind") == "language"
    if not own and spoken not in (None, question.lang):
        return "another language"
    return UNENDED if bounds.judge_length and not ended else ""


def retention_facts(
    rows: Sequence[Judged], said: General, bounds: Bounds, voided: int = 0, form: Text | None = None
) -> RetentionFacts:
    """What the guards judge."""
    cells = _cells(rows)
    able = {(c.category, c.lang) for c in cells if c.before * COUNTS >= c.asked and c.before}
    asked = [r for r in rows if _key(r) in able and r.right_before is not None]
    counted = [r for r in asked if not r.tie]  # what decides nothing bounds nothing
    before = sum(bool(r.right_before) for r in counted)
    lost, gained = sum(r.lost for r in counted), sum(r.gained for r in counted)
    leaked = _spread([(False, r.leaked) for r in rows])
    broken = _spread([(_is_broken(r.broken_before), _is_broken(r.broken_after)) for r in rows])
    unended = _spread([(r.broken_before == UNENDED, r.broken_after == UNENDED) for r in rows])
    formed = _spread([(r.formed_before, r.formed_after) for r in rows]) if form else None
    drifted = sum(nats > bounds.max_drift for nats in said.drift)
    p_values = {f"{c.category} {c.lang}": c.p for c in cells if c.p is not None}
    p_values |= {"broken": _worse(broken), "unended": _endless(unended)}
    if said.drift:
        p_values["drift"] = binomial_tail(drifted, len(said.drift), 0.5)
    if bounds.scope == "rows":
        p_values |= _spread_values(leaked, formed)
    discordant = lost + gained
    fallen = rejected(p_values, ERROR)
    only_ends = "unended" in fallen and "broken" not in fallen
    return RetentionFacts(
        asked=len(rows),
        counted=len(counted),
        voided=voided,
        before=before,
        after=before - lost + gained,
        lost=lost,
        gained=gained,
        flips=len(asked) - len(counted),
        margin=bounds.margin,
        enough=before >= ENOUGH,
        scope=bounds.scope,
        p=sign_test(lost, gained),
        loss_upper=net_loss_upper(lost, gained, len(counted)),
        supported=margin_supported(discordant, len(counted)),
        found=loss_found(discordant, len(counted)),
        leaked=leaked,
        broken=broken,
        unended=unended,
        formed=formed,
        form=(form.en, form.zh) if form else ("", ""),
        drift=sum(said.drift) / len(said.drift) if said.drift else None,
        drifted=drifted,
        drift_asked=len(said.drift),
        max_drift=bounds.max_drift,
        likelihood=_likelihood(rows, said),
        cells=tuple(cells),
        p_values=p_values,
        fallen=fallen,
        first_leak=_first(r for r in rows if r.leaked),
        first_loss=_first(r for r in counted if r.lost),
        first_broken=_first(_newly_broken(rows, only_ends=only_ends)),
        first_formed=_first(r for r in rows if r.formed_after and not r.formed_before),
    )


def _likelihood(rows: Sequence[Judged], said: General) -> float | None:
    """The mean change along the base's right answers; None where none of them was followed."""
    led = [
        change
        for index, change in zip(said.followed, said.likelihood, strict=True)
        if rows[index].right_before
    ]
    return sum(led) / len(led) if led else None


def _spread_values(leaked: Spread, formed: Spread | None) -> dict[str, float]:
    """Of what the rows alone are to have: their names and words, and their form."""
    values = {"leaks": binomial_tail(leaked.gained, leaked.asked, TOLERATED)}
    return values | ({"form": _worse(formed)} if formed else {})


def _worse(found: Spread) -> float:
    """How likely so many new faults are where none is."""
    return sign_test(found.gained, found.lost)


def _endless(found: Spread) -> float:
    """The same of answers without an end; some may have become longer than the limit."""
    margin = LONGER * found.before / found.asked if found.asked else 0.0
    return max(_worse(found), net_loss_above(found.gained, found.lost, found.asked, margin))


def _is_broken(sign: str) -> bool:
    """What runs on is counted apart: whoever learns short answers cuts many that did, and these
    would hide the others."""
    return sign not in ("", UNENDED)


def _newly_broken(rows: Sequence[Judged], *, only_ends: bool) -> list[Judged]:
    """Those whose sign their base's answer has not, of the kind that is told about."""
    shows = UNENDED.__eq__ if only_ends else _is_broken
    return [r for r in rows if shows(r.broken_after) and not shows(r.broken_before)]


def _key(row: Judged) -> tuple[str, str]:
    return row.question.category, row.question.lang


def _cells(rows: Sequence[Judged]) -> list[Cell]:
    """Categories x languages, in the questions' order, then each category in all languages and each
    language in all categories (`ALL`); what nothing can judge is in none."""
    known = [row for row in rows if row.right_before is not None and not row.tie]
    groups: dict[tuple[str, str], list[Judged]] = {}
    for row in known:
        groups.setdefault(_key(row), []).append(row)
    if len({lang for _, lang in groups}) > 1:
        for row in known:
            groups.setdefault((row.question.category, ALL), []).append(row)
        for row in known:
            groups.setdefault((ALL, row.question.lang), []).append(row)
    cells = []
    for (category, lang), mine in groups.items():
        before = sum(bool(row.right_before) for row in mine)
        lost, gained = sum(row.lost for row in mine), sum(row.gained for row in mine)
        p = sign_test(lost, gained) if before >= MEASURED else None
        cells.append(
            Cell(
                category=category,
                lang=lang,
                asked=len(mine),
                before=before,
                after=before - lost + gained,
                lost=lost,
                gained=gained,
                p=p,
            )
        )
    return cells


def _spread(pairs: Sequence[tuple[bool, bool]]) -> Spread:
    """(before, after) of every answer."""
    return Spread(
        asked=len(pairs),
        before=sum(then for then, _ in pairs),
        after=sum(now for _, now in pairs),
        gained=sum(now and not then for then, now in pairs),
        lost=sum(then and not now for then, now in pairs),
    )


def _first(rows: Any) -> str:
    row = next(iter(rows), None)
    return f"{row.question.asked[:SHOWN]} -> {row.tuned[:SHOWN]}" if row else ""
