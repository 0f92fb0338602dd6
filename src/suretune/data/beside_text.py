"""Fields beside `text` that make it something else than plain text: an answer to it, a role."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from suretune.data.columns import is_filled
from suretune.data.field_words import SAYS, bare
from suretune.data.refusal import shown
from suretune.data.turns import ROLES
from suretune.types import Fault, Hint, Origin, Text

_ANSWERS = frozenset(word for word in SAYS if len(word) > 3 or not word.isascii())
_ROLE_KEYS = ("role", "from", "speaker")
_ASKERS = ("prompter", "questioner")  # in trees of messages, beside the roles that are known


def not_plain(value: Mapping[str, Any], origin: Origin) -> Fault | None:
    """The fault of a row with `text` that need not be plain text; None where it is."""
    if not is_filled(value, "text"):
        return None
    hint = _one_turn(value) or _answered(value)
    if hint is None:
        return None
    found = shown(", ".join(map(str, value)))
    return Fault(
        "unknown-shape",
        origin,
        found=found,
        hint=hint,
    )


def _one_turn(value: Mapping[str, Any]) -> Text | None:
    for key in _ROLE_KEYS:
        role = value.get(key)
        if isinstance(role, str) and role.strip().lower() in (*ROLES, *_ASKERS):
            return Text(
                f"One turn a row is no conversation: `{key}` says whose turn it is. Put the turns "
                f"of each conversation into the `messages` of one row. If `text` is to be learned "
                f"as it stands: `--ignore_fields {key}`.",
                f"一行只有一轮，不是完整的对话：`{key}` 说明这一轮是谁说的。"
                "请把每段对话的各轮写进同一行的 `messages`。"
                f"如果要原样学习 `text`：`--ignore_fields {key}`。",
            )
    return None


def _answered(value: Mapping[str, Any]) -> Text | None:
    name = next((name for name, held in value.items() if _answers(str(name), held, value)), "")
    if not name:
        return None
    columns = ("text=query", f"{name}=response")
    pair = f"`{shlex.join(('--columns', *columns))}`"
    plain = f"`--ignore_fields {shlex.quote(name)}`"
    if not isinstance(value[name], str):
        return Hint(
            f"If `text` is the question and `{name}` its answer: write `{name}` as text, then add "
            f"{pair}. If `text` is to be learned as it stands: {plain}.",
            f"如果 `text` 是问题、`{name}` 是回答：请把 `{name}` 写成文本，再加上 {pair}。"
            f"如果要原样学习 `text`：{plain}。",
            columns,
        )
    return Hint(
        f"If `text` is the question and `{name}` its answer: {pair}. If `text` is to be learned as "
        f"it stands: {plain}.",
        f"如果 `text` 是问题、`{name}` 是回答：{pair}。如果要原样学习 `text`：{plain}。",
        columns,
    )


def _answers(name: str, held: Any, value: Mapping[str, Any]) -> bool:
    """Whether a field is called an answer and says something else than the text."""
    if bare(name) not in _ANSWERS or not isinstance(held, (str, int, float)):
        return False
    said = str(held).strip()
    return bool(said) and said != str(value["text"]).strip()
