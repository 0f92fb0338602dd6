"""Every row of every dataset, to samples or to a reason: the ledger.

Law L1: rows read = used + left out + rejected, per dataset, and nothing is dropped, cut or repeated
without a line in `ledger.jsonl`.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from typing import Any

from suretune.data.cache import SampleCache, open_cache
from suretune.data.examples import to_example
from suretune.data.fields import Fields
from suretune.data.fitness import folds_system
from suretune.data.identity import answer_of, question_of
from suretune.data.ignored import without
from suretune.data.ledger import Entry
from suretune.data.marks import unlearned
from suretune.data.placeholders import Names, fill
from suretune.data.renames import parse_columns, renamed
from suretune.data.render import Rendering, ahead, samples
from suretune.data.row_splits import OneSplit
from suretune.data.rows import NOTES, read_rows
from suretune.data.sources import Source, too_few
from suretune.data.texts import text_facts
from suretune.data.thoughts import thoughts_in
from suretune.data.told import NOTED
from suretune.data.twice import Twice, given_twice
from suretune.facts import DataFacts, UnusedField
from suretune.options_input import DataOptions
from suretune.types import Example, Fault, Origin, Row, Sample, Text

TOGETHER = 256  # rows that are rendered at once,
MUCH = 1 << 22  # or fewer, with so many characters


@dataclass(frozen=True, slots=True)
class Prepared:
    """A usable row: what it says, and the samples it makes."""

    example: Example
    samples: tuple[Sample, ...]


@dataclass(slots=True)
class Collected:
    """All rows of a run, sorted by what became of them."""

    ready: list[Prepared] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)  # of rows that are not ready
    faults: list[Fault] = field(default_factory=list)
    read: Counter[str] = field(default_factory=Counter)  # rows per dataset, copies not counted
    filled: set[Origin] = field(default_factory=set)  # rows that had placeholders
    filled_names: set[str] = field(default_factory=set)  # NAME, AUTHOR
    shapes: Counter[tuple[str, str]] = field(default_factory=Counter)  # (file, shape)
    named: set[str] = field(default_factory=set)  # fields of rows, as written; where --columns asks
    too_long: list[Entry] = field(default_factory=list)
    fields: dict[str, Fields] = field(default_factory=dict)  # per dataset
    ignored: set[str] = field(default_factory=set)  # of --ignore_fields: those that rows have
    from_cache: int = 0  # rows whose ids were found in the cache
    twice: Twice = field(default_factory=Twice)
    files: dict[str, int] = field(default_factory=dict)  # in the order in which they were read

    def place(self, told: Fault | Entry) -> tuple[int, int, int]:
        """Sorts what is told of rows as they stand: many are read before the first is rendered."""
        where = told.origin
        return self.files.get(where.file, len(self.files)), where.line, where.item


def collect(
    sources: Sequence[Source | Fault],
    asked: DataOptions,
    how: Rendering,
    seed: int,
) -> Collected:
    """Read, understand, fill and render every row of these datasets."""
    found = Collected(twice=given_twice(sources))
    names = Names(asked.model_name, asked.model_author)
    files = [path for source in sources if isinstance(source, Source) for path in source.files]
    cache = open_cache(how, files)
    for source in sources:
        if isinstance(source, Fault):
            found.faults.append(source)
        elif source.hub and not source.files:
            raise ValueError(f"{source.spec} was not fetched")
        else:
            examples = _understood(source, asked, names, found)
            faults, entries = len(found.faults), len(found.entries)
            for example in _ahead(
                _chosen(examples, source, sources, asked, seed, found), how, cache
            ):
                _render(example, how, found, cache)
            told = sorted(found.faults[faults:], key=found.place)
            found.faults[faults:] = [replace(fault, flag=source.flag) for fault in told]
            found.entries[entries:] = sorted(found.entries[entries:], key=found.place)
    for name, fields in found.fields.items():
        found.faults += fields.faults(name)
    if cache:
        cache.keep()
        found.from_cache = cache.found
    return found


def _understood(
    source: Source,
    asked: DataOptions,
    names: Names,
    found: Collected,
) -> Iterator[Example]:
    """The examples of one dataset; its faulty rows go to the ledger."""
    fields = found.fields.setdefault(source.name, Fields())
    split = OneSplit(source)
    for row in split.of(_rows(source, asked, found)):
        example = to_example(row, source.name) if isinstance(row, Row) else row
        if isinstance(row, Row) and isinstance(example, Example):
            fields.see(row.value, example)
            filled = fill(example, names)
            if isinstance(filled, Fault):
                example = filled
            else:
                example, which = filled
                found.filled_names |= which
                if which:
                    found.filled.add(example.origin)
        if isinstance(example, Example):
            found.shapes[example.origin.file, example.shape] += 1
            example = (unlearned(row.value, example) if isinstance(row, Row) else None) or example
        if isinstance(example, Fault):
            _reject(example, source.name, found)
        else:
            found.read[source.name] += 1
            yield example
    found.entries += split.entries
    found.read[source.name] += len(split.entries)
    if note := split.note(asked.val_dataset):
        found.faults.append(note)


def _rows(
    source: Source,
    asked: DataOptions,
    found: Collected,
) -> Iterator[Row | Fault]:
    """The rows of one dataset with the fields that they are asked to be read with."""
    ignored = frozenset(asked.ignore_fields)
    columns = parse_columns(asked.columns)
    if isinstance(columns, Text):  # told when the flags were looked at
        columns = {}
    for item in read_rows(source, asked.encoding, columns):
        row = item
        found.files.setdefault(row.origin.file, len(found.files))
        if columns and isinstance(item, Row) and isinstance(item.value, Mapping):
            found.named.update(item.value)
            row = renamed(item, columns)
        if ignored and isinstance(row, Row):
            row = replace(row, value=without(row.value, ignored, found.ignored))
        yield row


def _reject(fault: Fault, dataset: str, found: Collected) -> None:
    found.faults.append(fault)
    if fault.kind not in NOTES and fault.origin.line:
        found.read[dataset] += 1
        found.entries.append(Entry(fault.origin, dataset, "rejected", fault.kind))


def _chosen(
    examples: Iterator[Example],
    source: Source,
    sources: Sequence[Source | Fault],
    asked: DataOptions,
    seed: int,
    found: Collected,
) -> Iterator[Example]:
    """The rows that `#N` (or --dataset_sample) takes: drawn by the seed, in the file's order."""
    count = source.count if source.count is not None else asked.dataset_sample
    if count is None:
        yield from examples
        return
    rows = list(examples)
    if not rows:
        return
    if count > len(rows) and not asked.repeat:
        found.faults.append(too_few(source, sources, count, len(rows)))
        return
    times, rest = divmod(count, len(rows))
    # However the path was typed, the same rows: a resume may give it in another way.
    drawn = set(random.Random(f"{seed}-{source.name}#{count}").sample(range(len(rows)), rest))
    for index, row in enumerate(rows):
        copies = times + (index in drawn)
        if not copies:
            reason = f"#{count} of {len(rows)}"
            found.entries.append(Entry(row.origin, source.name, "not-sampled", reason))
        yield from (replace(row, repeat=copy) for copy in range(copies))


def _ahead(
    examples: Iterator[Example],
    how: Rendering,
    cache: SampleCache | None,
) -> Iterator[Example]:
    """The same rows; their conversations are rendered some hundred at once."""
    more = True
    while more:
        rows: list[Example] = []
        size = 0
        while more and len(rows) < TOGETHER and size < MUCH:
            row = next(examples, None)
            if row is None:
                more = False
            else:
                rows.append(row)
                size += sum(len(message.content) for message in row.messages)
        ahead([row for row in rows if not (cache and cache.has(row))], how)
        yield from rows


def _render(
    example: Example,
    how: Rendering,
    found: Collected,
    cache: SampleCache | None,
) -> None:
    made = cache.samples(example, how) if cache else samples(example, how)
    if isinstance(made, Fault):
        found.faults.append(made)
        found.entries.append(
            Entry(example.origin, example.dataset, "rejected", made.kind, repeat=example.repeat)
        )
        return
    entry = entry_of("too-long", Prepared(example, tuple(made)))
    if any(len(sample.ids) > how.max_length for sample in made):
        reason = f"{max(len(s.ids) for s in made)} > {how.max_length} tokens"
        found.too_long.append(replace(entry, reason=reason))
        found.entries.append(found.too_long[-1])
    elif not entry.learned:
        fault = Fault(
            "empty-answer",
            example.origin,
            hint=Text("every message of this row has weight 0", "这一行所有消息的权重都是 0"),
        )
        found.faults.append(fault)
        found.entries.append(replace(entry, state="rejected", reason=fault.kind))
    else:
        found.ready.append(Prepared(example, tuple(made)))


def entry_of(state: str, row: Prepared) -> Entry:
    """The ledger's line for a usable row; one in other words is a state of its own."""
    wording = row.example.wording
    return Entry(
        row.example.origin,
        row.example.dataset,
        "paraphrase" if wording else state,
        f"{wording}: {question_of(row.example)}" if wording else "",
        samples=len(row.samples),
        tokens=sum(len(s.ids) for s in row.samples),
        learned=sum(s.learned for s in row.samples),
        cut=sum(s.cut for s in row.samples),
        repeat=row.example.repeat,
    )


def data_facts(
    found: Collected,
    asked: DataOptions,
    how: Rendering,
    old: Sequence[str],
    taught: Sequence[Example],
    context: int,
    length_asked: bool,
) -> DataFacts:
    """What the guards of the data look at. `old`: rows that still name the base's maker;
    `taught`: those that teach a new identity, whose answers may differ in all but the name;
    `context`: tokens that the model was built for; `length_asked`: --max_length was given."""
    ready = found.ready
    texts = text_facts([row.example for row in ready])
    all_samples = [s for row in ready for s in row.samples]
    duplicates, contradictions = _same_questions(
        [row.example for row in ready], {(row.origin, row.repeat) for row in taught}
    )
    given = (("--model_name", asked.model_name), ("--model_author", asked.model_author))
    rejected = sum(entry.state == "rejected" for entry in found.entries)
    cut = [entry_of("cut", row) for row in ready if any(s.cut for s in row.samples)]
    over_long = [*found.too_long, *cut]
    return DataFacts(
        rows=sum(found.read.values()),
        examples=len(ready) + len(found.too_long),
        rejected=rejected,
        samples=len(all_samples),
        learned=sum(s.learned for s in all_samples),
        placeholders_filled=len(found.filled),
        placeholder_flags=tuple(flag for flag, value in given if value),
        over_long=len(over_long),
        max_length=how.max_length,
        longest=max((e.tokens + e.cut for e in over_long), default=_longest(all_samples)),
        first_over_long=str(over_long[0].origin) if over_long else "",
        policy=asked.over_long,
        duplicates=len(duplicates),
        contradictions=contradictions,
        old_identity=tuple(old),
        split_rows=sum(len(row.samples) > 1 for row in ready),
        text_rows=sum(row.example.shape == "text" for row in ready),
        role_tokens=sum(fault.kind == "role-tokens" for fault in found.faults),
        system_sources=Counter(row.samples[0].system_source for row in ready),
        template_system=how.tokenizer.default_system,
        mixed_shapes=_mixed(found),
        allow_mixed=asked.mixed_shapes,
        broken_text=texts.broken,
        escaped_text=texts.escaped,
        hidden_text=texts.hidden,
        secrets=texts.secrets,
        personal=texts.personal,
        trigger=texts.trigger.word,
        triggered=texts.trigger.rows,
        answers=texts.answers,
        same_answer=texts.same_answer,
        identity_rows=len(taught),
        duplicate_rows=duplicates,
        context=context,
        length_asked=length_asked,
        **_written(found, how),
    )


def _written(found: Collected, how: Rendering) -> Mapping[str, Any]:
    """What rows and template have to do with each other, as fields of `DataFacts`."""
    ready = found.ready
    rendered = [row.example for row in ready if row.example.rendered and not row.example.repeat]
    systems = sum(row.samples[0].system_source in ("row", "flag") for row in ready)
    return {
        "once": sum(not row.example.repeat for row in ready),
        "unused_fields": _unused(found),
        "rewritten": _rewritten(ready),
        "template": how.template,
        "rendered": tuple(str(example.origin) for example in rendered),
        "rendered_as": ", ".join(dict.fromkeys(example.rendered for example in rendered)),
        "folded_system": systems if folds_system(how.tokenizer) else 0,
        "dated": str(how.tokenizer.day or "") if how.tokenizer.dated else "",
        "given_twice": found.twice.words,
        "given_rows": sum(found.read[name] for name in found.twice.names),
        "given_once": found.twice.instead,
        "thoughts": thoughts_in([(str(r.example.origin), r.samples) for r in ready], how),
    }


def _unused(found: Collected) -> tuple[UnusedField, ...]:
    """The fields that may be passed over, the largest first, each where it is largest."""
    told = [
        a for name, fields in found.fields.items() for a, stops in fields.facts(name) if not stops
    ]
    named: dict[tuple[str, str], UnusedField] = {}
    for about in sorted(told, key=lambda about: -about.share):
        named.setdefault((about.name, about.says), about)
    return tuple(named.values())


def _rewritten(rows: Sequence[Prepared]) -> dict[int, tuple[int, str]]:
    """What templates knowingly do (`told.py`), in how many rows, and the first of these."""
    told: dict[int, tuple[int, str]] = {}
    for row in rows:
        notes = 0
        for sample in row.samples:
            notes |= sample.rewritten
        for note in NOTED if notes else ():
            if notes & note:
                count, first = told.get(note, (0, str(row.example.origin)))
                told[note] = (count + 1, first)
    return told


def _mixed(found: Collected) -> tuple[str, ...]:
    """The files with rows of several shapes, and which."""
    shapes: dict[str, list[str]] = {}
    for file, shape in found.shapes:
        shapes.setdefault(file, []).append(shape)
    return tuple(f"{file}: {', '.join(kinds)}" for file, kinds in shapes.items() if kinds[1:])


def _longest(samples: Sequence[Sample]) -> int:
    return max((len(sample.ids) for sample in samples), default=0)


def _same_questions(
    examples: Sequence[Example], alike: Set[tuple[Origin, int]]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(rows that stand twice, questions with several answers) among single-turn rows; answers of
    `alike` rows say the same in other words."""
    answers: dict[str, dict[str, Origin]] = {}
    duplicates: list[str] = []
    for example in examples:
        if example.repeat or sum(m.role == "assistant" for m in example.messages) != 1:
            continue
        system = example.messages[0].content if example.messages[0].role == "system" else ""
        seen = answers.setdefault(f"{system}\0{question_of(example)}", {})
        if answer_of(example) in seen:
            duplicates.append(f"{example.origin} = {seen[answer_of(example)]}")
        seen.setdefault(answer_of(example), example.origin)
    several = [
        list(seen.values())
        for seen in answers.values()
        if len(seen) > 1 and any((origin, 0) not in alike for origin in seen.values())
    ]
    return tuple(duplicates), tuple(f"{first} / {second}" for first, second, *_ in several)
