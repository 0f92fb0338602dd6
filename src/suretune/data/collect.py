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
from suretune.data.identity import answer_of, question_of
from suretune.data.placeholders import Names, fill
from suretune.data.render import Rendering, ahead, samples
from suretune.data.rows import read_rows
from suretune.data.sources import Source, parse_source
from suretune.data.texts import text_facts
from suretune.options_input import DataOptions
from suretune.types import DataFacts, Example, Fault, Origin, Row, Sample, Text

TOGETHER = 256  # rows that are rendered at once,
MUCH = 1 << 22  # or fewer, with so many characters
NOTES = frozenset({"byte-order-mark"})  # faults that are said, but cost no row


@dataclass(frozen=True, slots=True)
class Entry:
    """What became of one row: train, paraphrase, held-out, too-long, not-sampled or rejected."""

    origin: Origin
    dataset: str
    state: str
    reason: str = ""
    samples: int = 0
    tokens: int = 0
    learned: int = 0
    cut: int = 0
    repeat: int = 0

    def line(self) -> Mapping[str, Any]:
        """As `ledger.jsonl` has it."""
        return {
            "row": str(self.origin),
            "dataset": self.dataset,
            "state": self.state,
            **{k: v for k in ("reason", "samples", "tokens", "learned", "cut", "repeat")
               if (v := getattr(self, k))},
        }  # fmt: skip


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
    shapes: Counter[tuple[str, str]] = field(default_factory=Counter)  # (dataset, shape)
    too_long: list[Entry] = field(default_factory=list)
    from_cache: int = 0  # rows whose ids were found in the cache
    files: dict[str, int] = field(default_factory=dict)  # in the order in which they were read

    def place(self, told: Fault | Entry) -> tuple[int, int, int]:
        """Sorts what is told of rows as they stand: many are read before the first is rendered."""
        where = told.origin
        return self.files.get(where.file, len(self.files)), where.line, where.item


def collect(specs: Sequence[str], asked: DataOptions, how: Rendering, seed: int) -> Collected:
    """Read, understand, fill and render every row of these datasets."""
    found = Collected()
    names = Names(asked.model_name, asked.model_author)
    sources = [parse_source(spec) for spec in specs]
    files = [path for source in sources if isinstance(source, Source) for path in source.files]
    cache = open_cache(how, files)
    for source in sources:
        if isinstance(source, Fault):
            found.faults.append(source)
        elif source.hub:
            found.faults.append(Fault("hub-dataset", Origin(source.spec, 0), found=source.hub))
        else:
            examples = _understood(source, asked, names, found)
            faults, entries = len(found.faults), len(found.entries)
            for example in _ahead(_chosen(examples, source, asked, seed, found), how, cache):
                _render(example, how, found, cache)
            found.faults[faults:] = sorted(found.faults[faults:], key=found.place)
            found.entries[entries:] = sorted(found.entries[entries:], key=found.place)
    if cache:
        cache.keep()
        found.from_cache = cache.found
    return found


def _understood(
    source: Source, asked: DataOptions, names: Names, found: Collected
) -> Iterator[Example]:
    """The examples of one dataset; its faulty rows go to the ledger."""
    for row in read_rows(source, asked.encoding):
        found.files.setdefault(row.origin.file, len(found.files))
        example = to_example(row, source.name) if isinstance(row, Row) else row
        if isinstance(example, Example):
            filled = fill(example, names)
            if isinstance(filled, Fault):
                example = filled
            else:
                example, which = filled
                found.filled_names |= which
                if which:
                    found.filled.add(example.origin)
        if isinstance(example, Fault):
            _reject(example, source.name, found)
        else:
            found.read[source.name] += 1
            found.shapes[source.name, example.shape] += 1
            yield example


def _reject(fault: Fault, dataset: str, found: Collected) -> None:
    found.faults.append(fault)
    if fault.kind not in NOTES and fault.origin.line:
        found.read[dataset] += 1
        found.entries.append(Entry(fault.origin, dataset, "rejected", fault.kind))


def _chosen(
    examples: Iterator[Example], source: Source, asked: DataOptions, seed: int, found: Collected
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
        found.faults.append(_too_few(source, count, len(rows)))
        return
    times, rest = divmod(count, len(rows))
    drawn = set(random.Random(f"{seed}-{source.spec}").sample(range(len(rows)), rest))
    for index, row in enumerate(rows):
        copies = times + (index in drawn)
        if not copies:
            reason = f"#{count} of {len(rows)}"
            found.entries.append(Entry(row.origin, source.name, "not-sampled", reason))
        yield from (replace(row, repeat=copy) for copy in range(copies))


def _ahead(
    examples: Iterator[Example], how: Rendering, cache: SampleCache | None
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


def _too_few(source: Source, asked: int, there: int) -> Fault:
    hint = Text(f"the dataset has {there} row{'s' * (there != 1)}", f"实际只有 {there} 行")
    return Fault("rows-repeat", Origin(source.spec, 0), found=f"#{asked}", hint=hint)


def _render(example: Example, how: Rendering, found: Collected, cache: SampleCache | None) -> None:
    made = cache.samples(example, how) if cache else samples(example, how)
    if isinstance(made, Fault):
        found.faults.append(made)
        found.entries.append(Entry(example.origin, example.dataset, "rejected", made.kind,
                                   repeat=example.repeat))  # fmt: skip
        return
    entry = entry_of("too-long", Prepared(example, tuple(made)))
    if any(len(sample.ids) > how.max_length for sample in made):
        reason = f"{max(len(s.ids) for s in made)} > {how.max_length} tokens"
        found.too_long.append(replace(entry, reason=reason))
        found.entries.append(found.too_long[-1])
    elif not entry.learned:
        fault = Fault("empty-answer", example.origin, hint=Text(
            "every message of this row has weight 0", "这一行所有消息的权重都是 0"))  # fmt: skip
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


def hold_out(
    rows: Sequence[Prepared], ratio: float, seed: int
) -> tuple[list[Prepared], list[Prepared]]:
    """(training rows, held-out rows): drawn by the seed from each dataset; copies stay together."""
    by_dataset: dict[str, list[Origin]] = {}
    for row in rows:
        if not row.example.repeat:
            by_dataset.setdefault(row.example.dataset, []).append(row.example.origin)
    held: set[Origin] = set()
    for dataset, origins in by_dataset.items():
        number = min(round(ratio * len(origins)), len(origins) - 1)
        held |= set(random.Random(f"{seed}-held-{dataset}").sample(origins, number))
    train = [row for row in rows if row.example.origin not in held]
    return train, [row for row in rows if row.example.origin in held and not row.example.repeat]


def data_facts(
    found: Collected,
    asked: DataOptions,
    how: Rendering,
    old: Sequence[str],
    taught: Sequence[Example],
) -> DataFacts:
    """What the guards of the data look at. `old`: rows that still name the base's maker;
    `taught`: those that teach a new identity, whose answers may differ in all but the name."""
    ready = found.ready
    texts = text_facts([row.example for row in ready])
    all_samples = [s for row in ready for s in row.samples]
    duplicates, contradictions = _same_questions(
        [row.example for row in ready], {(row.origin, row.repeat) for row in taught}
    )
    shapes: dict[str, list[str]] = {}
    for dataset, shape in found.shapes:
        shapes.setdefault(dataset, []).append(shape)
    mixed = tuple(f"{name}: {', '.join(kinds)}" for name, kinds in shapes.items() if kinds[1:])
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
        duplicates=duplicates,
        contradictions=contradictions,
        old_identity=tuple(old),
        split_rows=sum(len(row.samples) > 1 for row in ready),
        text_rows=sum(row.example.shape == "text" for row in ready),
        role_tokens=sum(fault.kind == "role-tokens" for fault in found.faults),
        system_sources=Counter(row.samples[0].system_source for row in ready),
        template_system=how.tokenizer.default_system,
        mixed_shapes=mixed,
        allow_mixed=asked.mixed_shapes,
        broken_text=texts.broken,
        hidden_text=texts.hidden,
        secrets=texts.secrets,
        personal=texts.personal,
        trigger=texts.trigger.word,
        triggered=texts.trigger.rows,
        answers=texts.answers,
        same_answer=texts.same_answer,
        identity_rows=len(taught),
    )  # fmt: skip


def _longest(samples: Sequence[Sample]) -> int:
    return max((len(sample.ids) for sample in samples), default=0)


def _same_questions(
    examples: Sequence[Example], alike: Set[tuple[Origin, int]]
) -> tuple[int, tuple[str, ...]]:
    """(rows that stand twice, questions with several answers) among single-turn rows; answers of
    `alike` rows say the same in other words."""
    answers: dict[str, dict[str, Origin]] = {}
    duplicates = 0
    for example in examples:
        if example.repeat or sum(m.role == "assistant" for m in example.messages) != 1:
            continue
        system = example.messages[0].content if example.messages[0].role == "system" else ""
        seen = answers.setdefault(f"{system}\0{question_of(example)}", {})
        if answer_of(example) in seen:
            duplicates += 1
        seen.setdefault(answer_of(example), example.origin)
    several = [
        list(seen.values())
        for seen in answers.values()
        if len(seen) > 1 and any((origin, 0) not in alike for origin in seen.values())
    ]
    return duplicates, tuple(f"{first} / {second}" for first, second, *_ in several)
