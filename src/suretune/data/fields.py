"""Fields of rows that no shape reads: how much of a file's text they hold, and what that means.

Where a row comes from may be left out of it; a fifth of its text may not. `--ignore_fields` says
that a field is left out on purpose.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

from suretune.data.call_texts import IN_JSON
from suretune.data.calls import CALL_KEYS, from_json
from suretune.data.columns import MESSAGE_LISTS
from suretune.data.dialects import plain_turns
from suretune.data.examples import used_fields
from suretune.data.key_names import THOUGHTS, is_about, is_mark
from suretune.data.marks import filled, row_marks
from suretune.data.refusal import shown
from suretune.data.turns import ROLES, TURN_KEYS
from suretune.facts import UnusedField
from suretune.types import Example, Fault, Origin, Text

REFUSED = 0.20  # of a file's text in one field that is not used: it stops the run
PROSE = 100  # characters of a text, on average, that is more than a note of where a row comes from
KINDS = 24  # different short texts, each in three rows or more: they sort the rows
SHORT = 40  # characters
AROUND = 300  # characters: "Below is an instruction that describes a task ..."
OF_TURNS = "messages[]."
OF_CALLS = f"{OF_TURNS}tool_calls[]."
OF_PARTS = f"{OF_TURNS}content[]."
OF_INSTANCES = "instances[]."
_PLAIN = frozenset(("role", "content", "from", "value"))
CALLS = ("tool_use", "tool_call")  # types of parts


@dataclass(slots=True)
class Seen:
    """One field that is not used, over all rows."""

    first: Origin
    example: str
    rows: int = 0
    characters: int = 0
    values: set[str] = field(default_factory=set)  # short ones, a few
    label: bool = True  # nothing but single words, numbers, links and the like so far
    text: bool = True  # plain text in every row


@dataclass(slots=True)
class Fields:
    """What the rows of one dataset hold, and what of it nobody reads."""

    used: int = 0  # characters that are
    unused: dict[str, Seen] = field(default_factory=dict)

    def see(self, value: Any, example: Example) -> None:
        """Count one row."""
        origin = example.origin
        for message in example.messages:
            self.used += len(message.content)
            if message.extra:
                self.used += _characters(message.extra)
        if example.tools:
            self.used += _characters(example.tools)
        if not isinstance(value, Mapping):
            self._see_turns(value, origin)
            return
        known = used_fields(example.shape, value)
        if example.rendered not in ("", IN_JSON):  # it was read back from one of these
            known |= {"text", "response"} & value.keys()
        if len(value.keys() - known):
            marks = {key for key, _ in row_marks(value)}
            said = [value[key].strip() for key in known if isinstance(value.get(key), str)]
            said += [message.content.strip() for message in example.messages if len(said) < 2]
            for key, item in value.items():
                if key in known or key in marks or not filled(item):
                    continue
                if not (isinstance(item, str) and _is_copy(item.strip(), said)):
                    self._add(str(key), item, origin)
        for name in MESSAGE_LISTS:
            if name in known:
                self._see_turns(value.get(name), origin)
        if "instances" in known:
            self._see_instances(value.get("instances"), origin)

    def _see_turns(self, turns: Any, origin: Origin) -> None:
        if isinstance(turns, str):
            turns = from_json(turns)
        for _, turn in plain_turns(turns) if isinstance(turns, list) else ():
            if not isinstance(turn, Mapping):
                continue
            more = () if turn.keys() <= _PLAIN else turn.items()
            for key, item in more:
                if filled(item) and _unread(str(key), item, turn):
                    self._add(f"{OF_TURNS}{key}", item, origin)
            parts = turn.get("content")
            for part in parts if isinstance(parts, list) else ():
                self._see_books(part, OF_PARTS, origin)
            calls = turn.get("tool_calls")
            for call in calls if isinstance(calls, list) else ():
                self._see_call(call, origin)

    def _see_instances(self, instances: Any, origin: Origin) -> None:
        if isinstance(instances, str):
            instances = from_json(instances)
        for one in instances if isinstance(instances, list) else ():
            self._see_books(one, OF_INSTANCES, origin)

    def _see_books(self, held: Any, where: str, origin: Origin) -> None:
        """The books that are kept of an instance or a part: any other key of it was refused. What a
        part is, and the call that it may be, are none."""
        if isinstance(held, Mapping) and held.get("type") not in CALLS:
            for key, item in held.items():
                if key != "type" and filled(item) and is_about(str(key)):
                    self._add(f"{where}{key}", item, origin)

    def _see_call(self, call: Any, origin: Origin) -> None:
        """The books that are kept of a call: any other key of it was refused."""
        for part in (call, call.get("function")) if isinstance(call, Mapping) else ():
            for key, item in part.items() if isinstance(part, Mapping) else ():
                if filled(item) and key not in CALL_KEYS:
                    self._add(f"{OF_CALLS}{key}", item, origin)

    def _add(self, name: str, item: Any, origin: Origin) -> None:
        seen = self.unused.setdefault(name, Seen(origin, shown(item, 40)))
        seen.rows += 1
        seen.characters += _characters(item)
        if len(seen.values) <= KINDS:
            short = isinstance(item, str) and len(item) <= SHORT
            seen.values.add(item if short else str(seen.rows))
        seen.label = seen.label and _is_label(item)
        seen.text = seen.text and isinstance(item, str)

    def facts(self, dataset: str) -> Iterator[tuple[UnusedField, bool]]:
        """Each field that is not used, and whether the run must not go on without it."""
        text = self.used + sum(seen.characters for seen in self.unused.values())
        for name, seen in self.unused.items():
            share = seen.characters / text if text else 0.0
            prose = seen.text and seen.characters >= PROSE * seen.rows
            about = is_about(_key(name)) and not prose
            sorts = len(seen.values) <= KINDS and seen.rows >= 3 * len(seen.values)
            stops = share >= REFUSED and not (about or seen.label or sorts)
            yield UnusedField(dataset, name, share, seen.rows, str(seen.first)), stops

    def faults(self, dataset: str) -> Iterator[Fault]:
        """The fields that hold too much of the text to be passed over."""
        for about, stops in self.facts(dataset):
            if stops:
                yield _too_much(about, self.unused[about.name])


def _key(name: str) -> str:
    """What a field is called where it stands."""
    for prefix in (OF_CALLS, OF_PARTS, OF_TURNS, OF_INSTANCES):
        name = name.removeprefix(prefix)
    return name


def _is_copy(text: str, said: list[str]) -> bool:
    """Whether a field says once more what the row says: a prompt of its own, the whole as text."""
    if len(text) > SHORT // 4 and any(text in one for one in said):
        return True
    whole = sum(map(len, said))
    around = len(text) - whole  # what a template of prompts puts there
    return whole >= SHORT // 2 and around <= AROUND and all(one in text for one in said)


def _unread(key: str, item: Any, turn: Mapping[str, Any]) -> bool:
    """Whether a key of a turn says nothing here: bookkeeping, or "learn this" of a question."""
    if not is_mark(key):
        return is_about(key) and key not in TURN_KEYS
    role = turn.get("role") or turn.get("from")
    asks = isinstance(role, str) and ROLES.get(role.strip().lower()) in ("user", "system", "tool")
    return asks and bool(item)


def _characters(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, Mapping):
        return sum(map(_characters, value.values()))
    if isinstance(value, (list, tuple)):
        return sum(map(_characters, value))
    return 0


def _is_label(value: Any) -> bool:
    """A number, one word, an id, a link, a date: nothing that anybody says."""
    if isinstance(value, str):
        if len(value.split()) > 1:
            return not any(map(str.isalpha, value))
        return len(value) <= (200 if value.isascii() else 8)
    if isinstance(value, (list, tuple)):
        return all(map(_is_label, value))
    if isinstance(value, Mapping):
        return all(map(_is_label, value.values()))
    return True


def _too_much(about: UnusedField, seen: Seen) -> Fault:
    name = shlex.quote(_key(about.name))
    whole = Origin(seen.first.file, 0)  # leaving out rows would not mend it
    found = f"{about.share:.0%}, {seen.first}: {seen.example}"
    if name == "''":
        hint = Text(
            "Its key is empty, so no flag can name it: give it a name in the file, or take it out.",
            "它的键是空的，任何参数都无法指明它：请在文件里给它起个名字，或删掉它。",
        )
        return Fault(
            "unknown-field",
            whole,
            field='""',
            found=found,
            hint=hint,
        )
    hint = Text(
        f"If the model needs it, write it into the question (or whatever it belongs to); if it is"
        f" left out on purpose, say so: `--ignore_fields {name}`.",
        "如果模型需要它，请把它写进问题（或它所属的地方）；如果是有意不用，请写明："
        f"`--ignore_fields {name}`。",
    )
    return Fault(
        "unknown-field",
        whole,
        field=about.name,
        found=found,
        hint=hint,
    )


# --- left out on purpose ------------------------------------------------------------------------


def without(value: Any, names: Set[str], gone: set[str]) -> Any:
    """The row without these fields, its own and those of its turns; `gone` learns which it had.

    A thought is left out under whatever name it has.
    """
    if isinstance(value, list):
        return [_turn_without(turn, names, gone) for turn in value]
    if not isinstance(value, Mapping):
        return value
    kept = _less(value, names, gone)
    for name in (*MESSAGE_LISTS, "instances", "prompt", "completion"):
        turns = kept.get(name)
        if isinstance(turns, str) and name not in ("prompt", "completion"):
            turns = from_json(turns)
        if isinstance(turns, list):
            kept[name] = [_turn_without(turn, names, gone) for turn in turns]
    return kept


def _turn_without(turn: Any, names: Set[str], gone: set[str]) -> Any:
    if not isinstance(turn, Mapping):
        return turn
    kept = _less(turn, names, gone)
    for inner in ("content", "tool_calls"):
        if isinstance(items := kept.get(inner), list):
            kept[inner] = [_part_without(item, names, gone) for item in items]
    if THOUGHTS[0] in names:
        kept = _less(kept, frozenset(THOUGHTS), gone, THOUGHTS[0])
        if isinstance(parts := kept.get("content"), list):
            said = [part for part in parts if not _is_thought(part)]
            gone |= {THOUGHTS[0]} if len(said) < len(parts) else set()
            kept["content"] = said
    return kept


def _part_without(item: Any, names: Set[str], gone: set[str]) -> Any:
    """A part of a content, or a call and its function; what a call is given stays whole."""
    if not isinstance(item, Mapping):
        return item
    kept = _less(item, names, gone)
    if isinstance(function := kept.get("function"), Mapping):
        kept["function"] = _less(function, names, gone)
    return kept


def _is_thought(part: Any) -> bool:
    return isinstance(part, Mapping) and part.get("type") in ("reasoning", "thinking")


def _less(
    value: Mapping[str, Any],
    names: Set[str],
    gone: set[str],
    told: str = "",
) -> dict[str, Any]:
    found = names & value.keys()
    gone |= {told} if told and found else found
    return {key: item for key, item in value.items() if key not in found}
