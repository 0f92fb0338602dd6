"""What report.json holds, typed: a run writes it through these classes, and reads it back by them.

A field's name is its key in the file, and their order is the file's. What was not measured is None;
what a run that was stopped before its proof cannot know is not in its file at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, cast, get_args, get_origin, get_type_hints

from suretune import rundir
from suretune.types import Text

Line = Mapping[str, Any]  # of a file that has a class of its own: steps, evaluations, findings
Said = Mapping[str, str]  # a Text: en, zh
Kind = TypeVar("Kind")


@dataclass(frozen=True, slots=True)
class Base:
    """The model that was trained on."""

    name: str
    type: str | None  # `model_type` of its config.json
    parameters: int
    trainable: int
    fingerprint: str  # of names, shapes and weights
    dtype: str | None
    device: str | None


@dataclass(frozen=True, slots=True)
class Loads:
    """Whether vLLM takes the adapter, by its rules; and with which flags, or why not."""

    loads: bool
    why: Said


@dataclass(frozen=True, slots=True)
class Adapter:
    """What was trained."""

    rank: int | None  # None where the base's own weights learned
    alpha: float | None
    targets: list[str]
    tensors: int
    vllm: Loads
    layers: str = ""  # of which layers, where not of all


@dataclass(frozen=True, slots=True)
class Dataset:
    """Rows of a dataset, by what became of them."""

    name: str
    read: int
    train: int
    paraphrases: int
    held_out: int
    left_out: int
    rejected: int
    share: float  # of the loss of the rows that are learned, as --mix has it
    asked: int = 0  # by the proof alone: what --general asks


@dataclass(frozen=True, slots=True)
class Unused:
    """A row that was not learned."""

    row: str  # file:line
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class System:
    """The system prompt of training, and who set it."""

    text: str | None
    source: str


@dataclass(frozen=True, slots=True)
class Data:
    """Every row accounted for."""

    datasets: list[Dataset]
    files: list[str]
    unused: list[Unused]
    system: System
    from_cache: int


@dataclass(frozen=True, slots=True)
class Planned:
    """What was to be done."""

    updates: int
    epochs: float | None
    rows_per_update: int
    rows: int
    held_out: int
    tokens: int  # of the rows, as often as they are learned
    learned: int  # of these, with a loss
    warmup: int
    learning_rate: float
    schedule: str
    eval_steps: tuple[int, ...]
    save_steps: tuple[int, ...]
    longest: int  # tokens of a row
    digest: str
    anchor_tokens: int = 0  # beside the rows'; not known before the base has answered
    anchor_learned: int = 0


@dataclass(frozen=True, slots=True)
class Passed:
    """Of the judged ones among some questions."""

    passed: int
    asked: int


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Mean loss of rows that were only measured, nats a learned token."""

    before: float | None
    after: float | None
    rows: int


@dataclass(frozen=True, slots=True)
class Lowest:
    """The lowest held-out loss on the way, and that of the weights that were kept."""

    least: float | None
    step: int | None
    kept: float | None


@dataclass(frozen=True, slots=True)
class Overfitting:
    """Signs of it: answers that loop, that do not end, that recite rows."""

    looping: Line | None
    unended: Line | None
    recited: Line | None
    held_out: Lowest


@dataclass(frozen=True, slots=True)
class Setting:
    """An option, and where its value came from."""

    name: str
    value: Any
    origin: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All of report.json. What has a default is not known of a run that was stopped."""

    verdict: str  # sealed | not-verified | forgetting-not-measured | stopped
    reasons: list[str]  # code and name of the findings that decided it
    stopped_early: Said | None = None
    kept: Line | None = None  # the evaluation of the published weights
    dose: Line | None = None
    run: str
    created: str
    seconds: Mapping[str, float] | None = None  # by stage, and in all, of the last process
    resumed: int | None = None  # updates that were made when that went on with the run
    model: Base | None = None
    adapter: Adapter | None = None
    data: Data
    plan: Planned
    probes: Sequence[Line] | None = None
    paraphrases: Passed | None = None
    only_in_the_proof: Passed | None = None
    template_default: Passed | None = None
    other_mode: Line | None = None  # the probes with thoughts, if they are judged without, or so
    general: Line | None = None
    rows: Line | None = None
    held_out: HeldOut | None = None
    overfitting: Overfitting | None = None
    steps: Sequence[Line]
    evals: Sequence[Line]
    findings: Sequence[Line]
    proof: Line | None = None
    hashes: Mapping[str, str] | None = None
    config: list[Setting]
    versions: Mapping[str, str]
    change: Line | None
    next: Sequence[Line]

    @classmethod
    def read(cls, path: Path) -> Report:
        """The report in a file; raises rundir.Damaged as `of` does, and for what is no JSON."""
        return cls.of(rundir.read_json(path), path)

    @classmethod
    def of(cls, told: Any, path: Path) -> Report:
        """What the file at `path` tells. Raises rundir.Damaged, with the key, where something is
        missing that every report has, also of a run that was stopped."""
        for name in IN_EVERY_REPORT:
            if not isinstance(told, Mapping) or told.get(name) is None:
                raise rundir.Damaged(path, Text(f"{name} is missing", f"缺少 {name}"))
        return read(cls, told)


IN_EVERY_REPORT = ("verdict", "reasons", "data", "plan", "steps")
UNKNOWN_WHEN_STOPPED = {field.name for field in fields(Report) if field.default is None}


def line_of(value: Any) -> Any:
    """A value of these classes as JSON has it; a report that was stopped without what it lacks."""
    if isinstance(value, list):
        return [line_of(one) for one in value]
    if not is_dataclass(value):
        return value
    stopped = isinstance(value, Report) and value.verdict == "stopped"
    without = UNKNOWN_WHEN_STOPPED if stopped else set[str]()
    names = (field.name for field in fields(value) if field.name not in without)
    return {name: line_of(getattr(value, name)) for name in names}


def read(cls: type[Kind], line: Mapping[str, Any]) -> Kind:
    """A line of this class, from a file of this version or another: what is missing is None, and
    what it does not know is left out."""
    made = {name: _read(hint, line.get(name)) for name, hint in get_type_hints(cls).items()}
    return cls(**made)


def part_of(report: Any, cls: type[Kind], key: str) -> Kind:
    """The part of a report under a key; where it is missing, one in which everything is None."""
    found = report.get(key) if isinstance(report, Mapping) else None
    return read(cls, found if isinstance(found, Mapping) else {})


def _read(hint: Any, value: Any) -> Any:
    if isinstance(hint, UnionType):
        hint = next(one for one in get_args(hint) if one is not type(None))
    if is_dataclass(hint) and isinstance(value, Mapping):
        return read(cast("type[Any]", hint), value)
    if get_origin(hint) is list and isinstance(value, list):
        return [_read(get_args(hint)[0], one) for one in value]
    return value
