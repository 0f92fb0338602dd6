"""What a row says of itself as a whole: that it is wrong or deleted, that less of it is learned.

A number or a yes has no text, so no share of the text would ever tell that it was passed over.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from suretune.data.grades import is_wrong
from suretune.data.key_names import folded
from suretune.data.refusal import Refused, shown
from suretune.types import Fault, Message, Origin, Text

_GOOD = frozenset(  # no: do not learn it
    (
        "is_correct",
        "is_right",
        "is_good",
        "is_chosen",
        "is_preferred",
        "is_desirable",
        "desirable",
        "kto_label",
        "completion_label",
    )
)
_BAD = frozenset(  # yes: do not
    (
        "deleted",
        "is_deleted",
        "is_removed",
        "discarded",
        "is_discarded",
        "excluded",
        "is_excluded",
        "is_rejected",
        "is_incorrect",
        "is_wrong",
        "is_bad",
        "is_invalid",
        "do_not_use",
    )
)
_STATES = ("status", "state", "状态")  # of the row, or of an order that it is about
_REVIEWS = (
    "review_status",
    "annotation_status",
    "审核状态",
    "标注状态",
)
_DISCARDED = frozenset(("discarded", "已弃用", "已废弃"))  # nobody says so of an order
_GONE = _DISCARDED | frozenset(
    (
        "rejected",
        "deleted",
        "removed",
        "已删除",
        "已拒绝",
        "已驳回",
        "已作废",
        "删除",
        "拒绝",
        "驳回",
        "作废",
        "未通过",
        "不通过",
        "审核未通过",
        "审核不通过",
    )
)
_LAST = frozenset(  # yes: of several answers only the last is learned
    (
        "mask_history",
        "only_last",
        "only_last_turn",
        "only_last_turn_loss",
        "last_turn_only",
        "train_on_last_only",
        "train_last_only",
        "loss_on_last_only",
    )
)
_LISTS = ("weights", "loss_weights", "loss_masks", "loss_scales", "turn_weights")
_SAID = _GOOD | _BAD
_NAMES = _SAID | _LAST | {*_STATES, *_REVIEWS, *_LISTS}


def is_verdict(key: str) -> bool:
    """Whether a field, by its name, says whether its row is to be learned: nobody passes that
    over, whatever it says."""
    return folded(key) in _SAID


def refuse_verdict(
    row: Mapping[str, Any],
    turns: Sequence[Message],
    origin: Origin,
) -> None:
    """Raises Refused for a row that says that it, or a part of it, is not to be learned."""
    for key, value in row.items():
        name = folded(str(key))
        if name not in _NAMES:
            continue
        answers = [turn.role == "assistant" for turn in turns]
        if _against(name, value):
            raise _refusal(str(key), value, origin, _unwanted(str(key)))
        if name in _LAST and _is_yes(value) and sum(answers) > 1:
            raise _refusal(str(key), value, origin, _only_last(str(key)))
        if name in _LISTS and _weighs(value, answers):
            raise _refusal(str(key), value, origin, _weights(str(key)))


def _against(name: str, value: Any) -> bool:
    if name in _GOOD:
        return is_wrong(value)
    if name in _BAD:
        return _is_yes(value)
    bad = _GONE if name in _REVIEWS else _DISCARDED if name in _STATES else ()
    return isinstance(value, str) and value.strip().lower() in bad


def _is_yes(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip().lower() in ("true", "yes", "是", "1")
    return isinstance(value, (bool, int, float)) and value == 1


def _weighs(value: Any, answers: Sequence[bool]) -> bool:
    """Whether a list has a mark for each turn, or each answer, that leaves an answer out or weighs
    it; `answers`: which turns are."""
    if not isinstance(value, list) or not all(isinstance(one, (int, float)) for one in value):
        return False
    if len(value) == len(answers):
        return any(one != 1 for one, said in zip(value, answers, strict=True) if said)
    return len(value) == sum(answers) and any(one != 1 for one in value)


def _refusal(
    key: str,
    value: Any,
    origin: Origin,
    hint: Text,
) -> Refused:
    found = shown(value, 40)
    return Refused(
        Fault(
            "unknown-field",
            origin,
            field=key,
            found=found,
            hint=hint,
        )
    )


def _unwanted(key: str) -> Text:
    flag = f"`--ignore_fields {shlex.quote(key)}`"
    return Text(
        f"If it only says what the question is about, {flag} learns these rows as any other. If it "
        "says that they are not to be learned, `--on_bad_row skip` leaves them out.",
        f"如果它只是问题所问的内容，加上 {flag}，就照常学习这样的数据；"
        "如果它表示不该学习，加上 `--on_bad_row skip` 就会略过。",
    )


def _only_last(key: str) -> Text:
    flag = f"`--ignore_fields {shlex.quote(key)}`"
    return Text(
        'It says that only the last answer is learned. Write `"weight": 0` into the answers before '
        f"it; or {flag} learns all of them.",
        '它表示只学习最后一个回答。请在之前的回答里写 `"weight": 0`；'
        f"或者加上 {flag}，学习所有回答。",
    )


def _weights(key: str) -> Text:
    flag = f"`--ignore_fields {shlex.quote(key)}`"
    return Text(
        "It says how much each turn is learned. Write that into the turns themselves, as "
        f'`"weight": 0`; or {flag} learns all answers alike.',
        '它表示每一轮学习多少。请写进各轮自己的 `"weight": 0` 里；'
        f"或者加上 {flag}，所有回答同样学习。",
    )
