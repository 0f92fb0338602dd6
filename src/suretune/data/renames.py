"""`--columns`: the user's own names of fields, as names that are known; and what to suggest.

`question=query` reads the field `question` as `query`; `id=` leaves a field out. The JSON object of
ms-swift's `--columns` is understood too. Only fields at the top of a row have such names.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Any

import orjson

from suretune.data.columns import (
    BESIDE,
    CONTEXTS,
    KNOWN,
    SYSTEMS,
    context_of,
    is_filled,
    only_names,
)
from suretune.data.compared import compared
from suretune.data.field_words import ASKS, SAYS, SYSTEM, bare
from suretune.data.grades import VERDICT
from suretune.data.refusal import shown
from suretune.types import Fault, Hint, Row, Text

_SYSTEMS = ("system", *SYSTEM, "系统")
_MEANT = KNOWN | {VERDICT}
_NAME = 24  # characters; what is longer is no name
_HEARD = 0.05  # of a row's text: a field with less is no loss that needs a word


def parse_columns(words: Sequence[str]) -> dict[str, str] | Text:
    """The names to be read as others, or what is wrong with what was asked."""
    pairs: list[tuple[str, Any]] = []
    for word in words:
        if word.lstrip().startswith("{"):
            try:
                pairs += orjson.loads(word).items()
            except orjson.JSONDecodeError:
                return Text("this is no JSON object", "这不是合法的 JSON 对象")
        elif "=" in word:
            name, _, known = word.rpartition("=")
            pairs.append((name, known))
        else:
            return Text(
                f"write it as `{word}=query`: your name, then the known one",
                f"请写成 `{word}=query`：前面是你的字段名，后面是认识的字段名",
            )
    for name, known in pairs:
        if not name or not isinstance(known, str) or (known and known not in _MEANT):
            near = get_close_matches(str(known), _MEANT, 1, 0.6)
            meant = f"; did you mean `{name}={near[0]}`?" if near else ""
            guess = f"，是否想写 `{name}={near[0]}`？" if near else ""
            return Text(
                f"a name can be read as {', '.join(sorted(_MEANT - {'kto_tag'}))}, or as nothing, "
                f"which leaves it out{meant}",
                f"可以读成 {'、'.join(sorted(_MEANT - {'kto_tag'}))}；等号后面留空则不使用这个字段"
                f"{guess}",
            )
    if len({name for name, _ in pairs}) < len(pairs):
        return Text("one name is given twice", "有一个字段名给了两次")
    if len(given := [known for _, known in pairs if known]) > len(set(given)):
        return Text("two names are read as one", "两个字段名读成了同一个")
    return dict(pairs)


def renamed(row: Row, columns: Mapping[str, str]) -> Row | Fault:
    """The row with its fields under their known names; one that is there already is no target."""
    if not columns or not isinstance(row.value, Mapping):
        return row
    made: dict[str, Any] = {}
    for name, value in row.value.items():
        known = columns.get(name, name)
        if known in made or (known != name and known in row.value and known not in columns):
            hint = Hint(
                f"The row has a field `{known}` already, so `{name}` cannot be read as that. "
                f"Leave one of them out: `--columns {shlex.quote(f'{known}=')}`.",
                f"这一行已经有 `{known}` 字段，`{name}` 不能再读成它。"
                f"请去掉其中一个：`--columns {shlex.quote(f'{known}=')}`。",
                (f"{known}=",),
            )
            return Fault(
                "unknown-shape",
                row.origin,
                found=shown(", ".join(row.value)),
                hint=hint,
            )
        if known:
            made[known] = value
    return Row(row.origin, made)


# --- what to suggest ------------------------------------------------------------------------------


def words_of(flag: str) -> tuple[str, ...]:
    """The words behind `--columns` in a flag that is suggested here."""
    return tuple(shlex.split(flag)[1:])


def suggested(value: Mapping[str, Any]) -> str:
    """The flag that makes this row a question with its answer; '' where nobody can tell. Only what
    may be text is one of them, and of two answers that are compared, only the better one."""
    pair = compared(value)
    rest = [str(name) for name in value if not pair or name not in pair.names]
    asks, says = _best(rest, ASKS), pair.better if pair else ""
    says = says or _best(rest, SAYS)
    if not asks or not says or asks == says:
        return ""
    if asks == "prompt" and _turns(value["prompt"]) and not _listed(value, says):
        return _flag(value, {asks: "prompt", says: "completion"})
    if _listed(value, asks, says):
        return ""
    if asks.strip().lower() == "input":  # beside something else that asks, it is what that is about
        asks = _best([name for name in rest if name not in (asks, says)], ASKS) or asks
    worse = (pair.worse,) if pair and pair.better else ()
    return _flag(value, {asks: "query", says: "response"}, worse)


def unwritten(value: Mapping[str, Any]) -> tuple[str, str]:
    """The fields of a question and its answer, where one of them is no text; '' and '' elsewhere.

    No flag makes text of it.
    """
    names = [str(name) for name in value]
    asks, says = _best(names, ASKS), _best(names, SAYS)
    if not asks or not says or asks == says:
        return "", ""
    return (asks, says) if _listed(value, asks, says) else ("", "")


def _turns(held: Any) -> bool:
    """Whether a prompt is a list of turns, which is read as it is."""
    if not isinstance(held, list) or not held:
        return False
    return all(isinstance(one, Mapping) for one in held)


def _listed(value: Mapping[str, Any], *names: str) -> bool:
    """Whether one of these fields is no text."""
    return any(isinstance(value.get(name), (list, Mapping)) for name in names)


def question_beside(value: Mapping[str, Any]) -> str:
    """The field that reads as a question though no shape calls one so; '' if none does.

    One word may be a label (`source`, `title`), and a label asks nothing.
    """
    name = _best([str(name) for name in value], ASKS)
    text = value.get(name) if name else None
    said = isinstance(text, str) and (len(text.split()) > 1 or (not text.isascii() and text[8:]))
    return name if said else ""


def as_pair(names: Sequence[str]) -> str:
    """The flag for a row of two fields, if the first is the question."""
    return _joined({names[0]: "query", names[1]: "response"}) if len(names) == 2 else ""


def chosen_kept(value: Mapping[str, Any]) -> str:
    """The flag that learns the chosen answer of a comparison; '' where it takes more than names."""
    asks = _best([str(n) for n in value if n not in ("chosen", "rejected")], ASKS)
    if any(value.get(name) for name in ("messages", "conversations", "conversation")):
        if not _ends_answered(value):  # the chosen answer is the turn that the list lacks
            return ""
        return _joined({name: "" for name in _COMPARED if value.get(name) is not None})
    chosen = value.get("chosen", value.get("chosen_response"))
    name = "chosen" if "chosen" in value else "chosen_response"
    others = {other: "" for other in _COMPARED if other in value and other != name}
    if isinstance(chosen, list) and len(chosen) > 1:  # the whole conversation, the question too
        others |= {asks: ""} if asks else {}
        return _joined({name: "messages", **others})
    if isinstance(chosen, str) and asks and isinstance(value[asks], str):
        if "instruction" in value:
            return _joined({name: "output", **others})
        rename = {} if asks in ("prompt", "query", "question") else {asks: "query"}
        return _joined({**rename, name: "response", **others})
    return ""


def _ends_answered(value: Mapping[str, Any]) -> bool:
    turns = next(v for n in ("messages", "conversations", "conversation") if (v := value.get(n)))
    last = turns[-1] if isinstance(turns, list) else None
    said = last.get("role", last.get("from")) if isinstance(last, Mapping) else ""
    return said in ("assistant", "gpt", "model", "bot")


_COMPARED = ("chosen", "rejected", "chosen_response", "rejected_response", "rejected_messages")


def _best(names: Sequence[str], words: Sequence[str]) -> str:
    """The name that is one of these words, in whatever spelling, the likeliest word first."""
    plain: dict[str, str] = {}
    for name in names:
        plain.setdefault(bare(name), name)
    for word in words:
        for form in (word, word + "s", word + "text", "input" + word, "output" + word):
            if form in plain:
                return plain[form]
    short = [name for name in plain if len(name) <= _NAME and plain[name].count(" ") < 3]
    for word in words:
        if len(word) > 3 and (ending := [name for name in short if name.endswith(word)]):
            return plain[ending[0]]
    for word in words:
        if len(word) > 4 and (near := get_close_matches(word, plain, 1, 0.8)):
            return plain[near[0]]
    return ""


def _flag(
    value: Mapping[str, Any],
    found: Mapping[str, str],
    gone: Sequence[str] = (),
) -> str:
    """With what else the row says: what is read beside a question stays, under its known name, and
    other texts are left out; those that are `gone` however short they are."""
    whole = sum(len(text) for text in value.values() if isinstance(text, str)) or 1
    left = {str(name): text for name, text in value.items() if str(name) not in found}
    found = _with_input(left, found)
    left = {name: text for name, text in left.items() if name not in found}
    beside = _beside(left, "instruction" in found.values())
    others = {
        name: ""
        for name, text in left.items()
        if name in gone or name in KNOWN or (isinstance(text, str) and len(text) >= _HEARD * whole)
    }
    return _joined({**found, **others, **beside})


def _with_input(left: Mapping[str, Any], found: Mapping[str, str]) -> Mapping[str, str]:
    """The same fields as an instruction and its output, where the row has an input, too; beside an
    instruction, what was found to be the question is its input."""
    plain = {name.strip().lower(): name for name in left}
    asks, says = found
    if name := plain.get("input"):
        return {asks: "instruction", name: "input", says: "output"}
    if name := plain.get("instruction"):
        return {name: "instruction", asks: "input", says: "output"}
    return found


def _beside(left: Mapping[str, Any], has_input: bool) -> dict[str, str]:
    """Fields that are read beside a question, each with the name under which it is."""
    plain = {name: re.sub(r"[\W_]+", "_", name.strip()).strip("_").lower() for name in left}
    made = {name: known for name, known in plain.items() if known in BESIDE}
    if not set(made.values()) & set(SYSTEMS) and (system := _best(list(left), _SYSTEMS)):
        made[system] = "system"
    told = {known: left[name] for name, known in made.items() if known in CONTEXTS}
    # One of several is read, and none beside an input; what is not filled here may be elsewhere.
    used = "" if has_input else context_of(told)
    for name, known in list(made.items()):
        if known in CONTEXTS and is_filled(told, known) and not only_names(told, known):
            made[name] = known if known == used else ""
    return made


def _joined(pairs: Mapping[str, str]) -> str:
    made = [f"{name}={known}" for name, known in pairs.items() if name != known]
    return "--columns " + " ".join(map(shlex.quote, made)) if made else ""
