"""Held-out rows that are no identity: which answers can be compared with the rows' own, and how
they compare before and after training. Pure.

A comparison that does not mean anything would be worse than none: free text has many right answers,
and one that differs from the row's is not wrong. So a row is judged where its own answer shows how:
JSON by its keys and the values that can be known, one of a few labels, SQL by the rows that it
gives, a number or a few words to a question that has one answer. All other rows are unjudged, and
counted as such.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from suretune.data.identity import plain
from suretune.phrases import wilson
from suretune.statistics import sign_test
from suretune.types import Example
from suretune.verify.compare_json import (
    NoJson,
    json_in,
    key_counts,
    keys_in,
    labelled,
    same_known,
    same_values,
)
from suretune.verify.compare_sql import Case, case_of, looks_like_sql, same_rows
from suretune.verify.compare_text import (
    LONGEST,
    SHORT,
    folded,
    is_short,
    labels_of,
    said,
    same_label,
    says,
    says_number,
    single_number,
)
from suretune.verify.compared_rows import Comparison, JudgedRow, Kind, Tally, Verdict

OFTEN = 3  # rows with JSON that has no keys, before such answers are what rows are about
Pair = tuple[str, str]
"""All that stands before an answer, as text; and the row's answer."""


def row_of(example: Example) -> Pair | None:
    """All before the last answer, and that answer; None for text without roles, and for calls."""
    last = next((i for i, m in enumerate(example.messages[::-1]) if m.role == "assistant"), None)
    if last is None:
        return None
    *before, answer = example.messages[: len(example.messages) - last]
    if not answer.content.strip() or "tool_calls" in answer.extra:
        return None
    return "\n".join(message.content for message in before), answer.content


def kind_of(rows: Sequence[Pair], trained: Sequence[Pair] = ()) -> list[Kind | None]:
    """How each row's answer can be judged; None for those that cannot.

    `trained`: the rows of training, which show whether answers are labels, and which questions have
    several answers. Without them the rows themselves show it.
    """
    shown = trained or rows
    known = _Known(*_learned([said(answer) for _, answer in shown]))
    answers: dict[str, set[str]] = {}
    wanted = {_asked(prompt) for prompt, _ in rows}
    for prompt, answer in (*trained, *rows):
        if (asked := _asked(prompt)) in wanted:
            answers.setdefault(asked, set()).add(folded(said(answer)))
    return [
        _kind(prompt, said(answer), known, len(answers[_asked(prompt)]) > 1)
        for prompt, answer in rows
    ]


def label_keys(answers: Sequence[str]) -> list[str]:
    """The keys of the answers' outermost JSON objects whose values are labels: a key of a class has
    few values, and one of them is right."""
    values: dict[str, list[str]] = {}
    for answer in answers:
        try:
            value = json_in(said(answer))
        except NoJson:
            continue
        for key, inner in labelled(value).items():
            values.setdefault(key, []).append(inner)
    return sorted(key for key, mine in values.items() if len(mine) >= OFTEN and labels_of(mine))


def _asked(prompt: str) -> str:
    """A question, to be found again; long ones come again word for word or not at all."""
    return plain(prompt) if len(prompt) <= SHORT else prompt


@dataclass(frozen=True, slots=True)
class _Known:
    """What the rows' answers have in common: labels; how many are JSON, and how many have a key."""

    labels: frozenset[str]
    json: int
    keys: Counter[str]


def _learned(answers: Sequence[str]) -> tuple[frozenset[str], int, Counter[str]]:
    return labels_of(answers), *key_counts(answers)


def _kind(
    prompt: str,
    reference: str,
    known: _Known,
    several: bool,
) -> Kind | None:
    if not reference or len(reference) > LONGEST:
        return None
    if reference[0] in "{[`":
        return _json_kind(prompt, reference, known) or _sql(prompt, reference)
    if looks_like_sql(reference):
        return _sql(prompt, reference)
    if folded(reference) in known.labels:
        return "label"
    if several or "```" in reference or reference[0] == "<":
        return None
    return "short" if is_short(prompt, reference) else None


def _json_kind(
    prompt: str,
    reference: str,
    known: _Known,
) -> Kind | None:
    """JSON whose keys can be known: from the prompt, or from other rows. A plan of a day by the
    hours has keys that nobody else would choose."""
    try:
        keys = keys_in(json_in(reference))
    except NoJson:
        return None
    if not keys:
        return "json" if known.json >= OFTEN else None
    return "json" if all(known.keys[key] > 1 or key in prompt for key in keys) else None


def _sql(prompt: str, reference: str) -> Kind | None:
    return "sql" if looks_like_sql(reference) and _case(prompt, reference) else None


@lru_cache(maxsize=512)
def _case(prompt: str, reference: str) -> Case | None:
    return case_of(prompt, reference)


def judge(
    kind: Kind,
    prompt: str,
    reference: str,
    answer: str,
    keys: Collection[str] = (),
) -> Verdict:
    """Whether an answer says what the row's own says, by the measure of its kind; `keys`: of JSON
    objects, those whose values are labels."""
    reference, answer = said(reference), said(answer)
    if kind == "json":
        return _json(prompt, reference, answer, keys)
    if kind == "sql":
        case = _case(prompt, reference)
        return Verdict(same_rows(case, prompt, answer) if case else None)
    equal = same_label(reference, answer)
    if kind == "label" or equal:
        return Verdict(equal, equal)
    number = single_number(reference)
    if number is not None:
        return Verdict(says_number(prompt, number, answer), False)
    return Verdict(says(prompt, reference, answer), False)


def _json(
    prompt: str,
    reference: str,
    answer: str,
    keys: Collection[str],
) -> Verdict:
    try:
        wanted = json_in(reference)
    except NoJson:
        return Verdict(None)
    try:
        given = json_in(answer)
        equal = same_values(wanted, given)
        alike = bool(keys_in(wanted)) and same_known(wanted, given, prompt)
        return Verdict(equal or (alike and _same_labels(wanted, given, keys)), equal)
    except NoJson:
        return Verdict(False, False)


def _same_labels(wanted: Any, given: Any, keys: Collection[str]) -> bool:
    there, mine = labelled(wanted), labelled(given)
    return all(same_label(there[key], mine.get(key, "")) for key in keys if key in there)


def judge_rows(
    rows: Sequence[Pair],
    before: Sequence[str],
    after: Sequence[str],
    trained: Sequence[Pair] = (),
) -> Comparison:
    """Every held-out row, with what the model answered before training and after it."""
    keys = label_keys([answer for _, answer in trained or rows])
    return compare(kind_of(rows, trained), rows, before, after, keys)


def compare(
    kinds: Sequence[Kind | None],
    rows: Sequence[Pair],
    before: Sequence[str],
    after: Sequence[str],
    keys: Collection[str] = (),
) -> Comparison:
    """The same, where it is known how each row is judged, and which JSON keys have labels."""
    judged = [
        _judged(kind, pair, (then, now), keys)
        for kind, pair, then, now in zip(kinds, rows, before, after, strict=True)
    ]
    there: list[Kind] = list(dict.fromkeys(row.kind for row in judged if row.kind))
    return Comparison(
        tuple(judged),
        _tally(None, judged),
        tuple(_tally(kind, judged) for kind in there),
    )


def _judged(
    kind: Kind | None,
    pair: Pair,
    answers: tuple[str, str],
    keys: Collection[str],
) -> JudgedRow:
    before, after = (answer.strip() for answer in answers)
    told = JudgedRow(None, same=before == after, own=after == pair[1].strip())
    if kind is None:
        return told
    then, now = (judge(kind, *pair, answer, keys) for answer in answers)
    if then.right is None or now.right is None:
        return told
    return replace(
        told,
        kind=kind,
        before=then.right,
        after=now.right,
        equal_before=then.equal,
        equal_after=now.equal,
    )


def _tally(kind: Kind | None, rows: Sequence[JudgedRow]) -> Tally:
    mine = [row for row in rows if row.kind and kind in (None, row.kind)]
    then, now = sum(bool(r.before) for r in mine), sum(bool(r.after) for r in mine)
    gained = sum(bool(r.after) and not r.before for r in mine)
    lost = then - (now - gained)
    return Tally(
        kind=kind,
        judged=len(mine),
        right_before=then,
        right_after=now,
        equal_before=sum(bool(r.equal_before) for r in mine),
        equal_after=sum(bool(r.equal_after) for r in mine),
        gained=gained,
        lost=lost,
        before=wilson(then, len(mine)),
        after=wilson(now, len(mine)),
        p=sign_test(gained, lost),
    )
