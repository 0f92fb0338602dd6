"""Fields of rows that no shape reads: how much of a file's text they hold, and what that means.

Where a row comes from may be left out of it; a fifth of its text may not, and neither may what
grades its answer. `--ignore_fields` says that a field is left out on purpose.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any

from suretune.data.blank import is_none, may_be_none
from suretune.data.call_texts import IN_JSON
from suretune.data.calls import CALL_KEYS, from_json
from suretune.data.choices import (
    LISTS,
    choice_fields,
    is_choice,
    numbers_one,
    offered,
    picks,
    said_in,
)
from suretune.data.columns import (
    INPUTS,
    MESSAGE_LISTS,
    is_filled,
    is_label,
    names_system,
    system_of,
)
from suretune.data.dialects import plain_turns
from suretune.data.examples import used_fields
from suretune.data.field_words import bare
from suretune.data.grades import Grades, may_grade
from suretune.data.key_names import is_about, is_mark
from suretune.data.marks import filled, row_marks
from suretune.data.refusal import shown
from suretune.data.shapes import pair_of
from suretune.data.turns import ROLES, TURN_KEYS
from suretune.data.verdicts import is_verdict
from suretune.facts import UnusedField
from suretune.types import Example, Fault, Hint, Origin, Text

REFUSED = 0.20  # of a file's text in fields that are not used: it stops the run
HEARD = 0.05  # of it in one of these fields: it is named
PROSE = 100  # characters of a text, on average, that is more than a note of where a row comes from
KINDS = 24  # different short texts, each in three rows or more: they sort the rows
SHORT = 40  # characters
AROUND = 300  # characters: "Below is an instruction that describes a task ..."
OFTEN = 3  # rows with `None` for an input: then it is hardly meant
OF_TURNS = "messages[]."
OF_CALLS = f"{OF_TURNS}tool_calls[]."
OF_PARTS = f"{OF_TURNS}content[]."
OF_INSTANCES = "instances[]."
_PARTED = re.compile("[,，、；;]")
ASKED = ("alpaca", "query-response", "prompt-completion")  # shapes of one question
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
    picked: int = 0  # rows whose answer only names what it chooses
    follows: bool = True  # in every row there is place for it behind the question,
    opens: bool = True  # or for it as a system prompt


@dataclass(slots=True)
class Fields:
    """What the rows of one dataset hold, and what of it nobody reads."""

    used: int = 0  # characters that are
    unused: dict[str, Seen] = field(default_factory=dict)
    none: dict[tuple[str, str], list[Origin]] = field(default_factory=dict)  # (field, `nan`)
    graded: dict[str, Grades] = field(default_factory=dict)

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
        self._see_none(value, known, example)
        if len(value.keys() - known):
            marks = {key for key, _ in row_marks(value)}
            said = [value[key].strip() for key in known if isinstance(value.get(key), str)]
            said += [message.content.strip() for message in example.messages if len(said) < 2]
            for key, item in value.items():
                if key in known or key in marks or not filled(item):
                    continue
                if isinstance(item, str) and _is_copy(item.strip(), said):
                    continue
                name = str(key)
                if is_verdict(name):
                    continue
                if is_choice(name) and said_in(item, _asked(example)):
                    continue
                self._add(name, item, origin)
                answer = example.messages[-1].content
                if may_grade(name) and not numbers_one(item, value, answer):
                    self.graded.setdefault(name, Grades()).see(item, answer, origin)
                if is_choice(name) or names_system(name):
                    self._see_place(self.unused[name], offered(value, name), value, example)
        for name in MESSAGE_LISTS:
            if name in known:
                self._see_turns(value.get(name), origin)
        if "instances" in known:
            self._see_instances(value.get("instances"), origin)

    def _see_none(
        self,
        value: Mapping[str, Any],
        known: Set[str],
        example: Example,
    ) -> None:
        """Fields beside a question, of those that are read, that say that they hold nothing."""
        asks = pair_of(value) if example.shape in ASKED[1:] else None
        for name in (*INPUTS, system_of(value)):
            held = value.get(name)
            if name not in known or not isinstance(held, str) or (asks and name == asks[0]):
                continue
            if is_none(held) or may_be_none(held):
                self.none.setdefault((name, held.strip()), []).append(example.origin)

    def _see_place(
        self,
        seen: Seen,
        held: Any,
        value: Mapping[str, Any],
        example: Example,
    ) -> None:
        """Whether a row has place for a field that belongs into it."""
        seen.picked += picks(example.messages[-1].content, held)
        asked = example.shape in ASKED and not any(is_filled(value, name) for name in INPUTS)
        seen.follows = seen.follows and asked
        system = example.messages[0].role == "system" or example.shape == "text"
        seen.opens = seen.opens and not system

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
        seen.label = seen.label and is_label(item)
        seen.text = seen.text and isinstance(item, str)

    def facts(self, dataset: str) -> Iterator[tuple[UnusedField, bool]]:
        """Each field that is not used, and whether the run must not go on without it."""
        text = self.used + sum(seen.characters for seen in self.unused.values())
        shares = {name: seen.characters / (text or 1) for name, seen in self.unused.items()}
        options = self._options()
        lost = [name for name in self.unused if name in options or not self._spared(name)]
        if sum(shares[name] for name in lost) < REFUSED:
            lost = []
        heard = [name for name in lost if shares[name] >= HEARD] or lost
        graded = self._grades()
        for name, seen in self.unused.items():
            stops = name in graded or name in heard or self._needed(name, options)
            yield UnusedField(dataset, name, shares[name], seen.rows, str(seen.first)), stops
        for (name, says), rows in self.none.items():
            asked = not is_none(says)
            if not asked or len(rows) >= OFTEN:
                yield (
                    UnusedField(
                        dataset,
                        name,
                        share=0.0,
                        rows=len(rows),
                        first=str(rows[0]),
                        says=says,
                        asked=asked,
                    ),
                    False,
                )

    def _options(self) -> list[str]:
        """The fields with what can be chosen, that say it."""
        names = [name for name, seen in self.unused.items() if seen.characters]
        return choice_fields(names)

    def _grades(self) -> dict[str, Grades]:
        """The fields that call some of the answers wrong."""
        return {name: grades for name, grades in self.graded.items() if grades.tell()}

    def _spared(self, name: str) -> bool:
        """Whether a field may be left out however much of the text it holds."""
        seen = self.unused[name]
        prose = seen.text and seen.characters >= PROSE * seen.rows
        sorts = len(seen.values) <= KINDS and seen.rows >= 3 * len(seen.values)
        return (is_about(_key(name)) and not prose) or seen.label or sorts

    def _needed(self, name: str, options: list[str]) -> bool:
        """Whether a field must not be left out however little it holds: a system prompt, and what
        can be chosen where the answer only names it."""
        seen = self.unused[name]
        if names_system(name) and seen.text:
            word = seen.label and all(map(str.isascii, seen.values))
            return not (word and name.lower() == "system")
        return name in options and 2 * seen.picked >= seen.rows

    def faults(self, dataset: str) -> Iterator[Fault]:
        """The fields that hold too much to be passed over; those of a kind together."""
        options, graded = self._options(), self._grades()
        lost: list[UnusedField] = []
        chosen: list[UnusedField] = []
        for about, stops in self.facts(dataset):
            if stops and about.name in graded:
                yield graded[about.name].fault(about.name)
            elif stops and names_system(about.name):
                yield _too_much([about], self.unused[about.name], _as_system)
            elif stops:
                (chosen if about.name in options else lost).append(about)
        for group, told in ((chosen, _as_options), (lost, _as_said)):
            if group:
                yield _too_much(group, self.unused[group[0].name], told)


def _key(name: str) -> str:
    """What a field is called where it stands."""
    for prefix in (OF_CALLS, OF_PARTS, OF_TURNS, OF_INSTANCES):
        name = name.removeprefix(prefix)
    return name


def _asked(example: Example) -> str:
    return "\n".join(turn.content for turn in example.messages if turn.role != "assistant")


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


def _too_much(
    group: list[UnusedField],
    seen: Seen,
    told: Callable[[Seen, str, str], Text],
) -> Fault:
    """`told`: what can be done with the field, by its name and the flag that leaves it out."""
    share = sum(about.share for about in group)
    found = f"{share:.0%}, {seen.first}: {seen.example}"
    names = [_key(about.name) for about in group]
    flag = f"`{_left_out(names)}`"
    return Fault(
        "unknown-field",
        Origin(seen.first.file, 0),  # leaving out rows would not mend it
        field=", ".join(about.name or '""' for about in group),
        found=found,
        hint=told(seen, names[0], flag) if any(names) else _UNNAMED,
    )


def _left_out(names: Sequence[str]) -> str:
    """The flags that leave fields out; a list of names knows none with a comma in it."""
    apart = [name for name in names if _PARTED.search(name)]
    listed = ",".join(name for name in names if name and name not in apart)
    words = ["--ignore_fields", listed] if listed else []
    words += ["--columns", *(f"{name}=" for name in apart)] if apart else []
    return shlex.join(words)


_UNNAMED = Text(
    "Its key is empty, so no flag can name it: give it a name in the file, or take it out.",
    "它的键是空的，任何参数都无法指明它：请在文件里给它起个名字，或删掉它。",
)


def _as_said(seen: Seen, name: str, flag: str) -> Text:
    return Text(
        "If the model needs it, write it into the question (or whatever it belongs to); if it is"
        f" left out on purpose, say so: {flag}.",
        f"如果模型需要它，请把它写进问题（或它所属的地方）；如果是有意不用，请写明：{flag}。",
    )


def _as_system(seen: Seen, name: str, flag: str) -> Text:
    if not seen.opens:
        return Text(
            "By its name it is a system prompt, but the rows have one already, or no place for"
            f" one. If it is left out on purpose, say so: {flag}.",
            f"从名字看它是系统提示词，但数据里已经有了，或者没有放它的地方。如果是有意不用，"
            f"请写明：{flag}。",
        )
    columns = (f"{name}=system",)
    read = f"`{shlex.join(('--columns', *columns))}`"
    return Hint(
        f"By its name it is a system prompt: {read} reads it. If it is left out on purpose, say so:"
        f" {flag}.",
        f"从名字看它是系统提示词：加上 {read} 就会读取。如果是有意不用，请写明：{flag}。",
        columns,
    )


def _as_options(seen: Seen, name: str, flag: str) -> Text:
    if seen.follows and seen.text and bare(name) in LISTS:
        columns = (f"{name}=context",)
        read = f"`{shlex.join(('--columns', *columns))}`"
        return Hint(
            f"What can be chosen belongs to the question: {read} asks it behind the question. If it"
            f" is left out on purpose, say so: {flag}.",
            f"选项是问题的一部分：加上 {read}，就跟在问题后面一起问。如果是有意不用，"
            f"请写明：{flag}。",
            columns,
        )
    return Text(
        "What can be chosen belongs to the question: write it there, for example `Which one? A. red"
        f" B. blue`. If it is left out on purpose, say so: {flag}.",
        "选项是问题的一部分：请写进问题，例如 `选哪个？A. 红 B. 蓝`。如果是有意不用，"
        f"请写明：{flag}。",
    )
