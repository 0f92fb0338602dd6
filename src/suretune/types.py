"""The nouns. Every stage takes one of these and gives the next:

    Row -> Example -> Sample -> Plan -> StepRecord -> checkpoint -> adapter + seal

Nothing here does anything; `facts.py` has what guards judge.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Text:
    """One sentence in the two languages of this project."""

    en: str
    zh: str


@dataclass(frozen=True, slots=True)
class Hint(Text):
    """A sentence that advises one `--columns`, with the words of that flag, or a command that
    writes a file, with its name as a shell takes it."""

    columns: tuple[str, ...] = ()
    file: str = ""


# --- rows, samples, plan ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a row came from: the file as the user named it, and its line or record, from 1.

    `item` tells rows apart that begin on one line (a list without line ends): 0 for the first,
    then 2, 3, ...
    """

    file: str
    line: int
    item: int = 0

    def __str__(self) -> str:
        return f"{self.file}:{self.line}" + (f"[{self.item}]" if self.item else "")


@dataclass(frozen=True, slots=True)
class Row:
    """One record as read, before anybody asked what it means."""

    origin: Origin
    value: Any


@dataclass(frozen=True, slots=True)
class Fault:
    """Why one row (or one whole file: line 0) cannot be used. Judged by the guard of its kind.

    `kind` is the name of that guard (`broken-json`), `column` counts from 1 (0: unknown), `found`
    is what stood there, shortened and printable (a `Text` where it is a sentence), `hint` what
    would mend it, if known.
    `ends`: nothing behind it was read, so how many rows the file has is not known. `flag`: what
    named the file. `also`: where further rows are of which the same has to be said.
    """

    kind: str
    origin: Origin
    column: int = 0
    field: str = ""
    found: str | Text = ""
    hint: Text | None = None
    ends: bool = False
    flag: str = "--dataset"
    also: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Message:
    """One turn. `extra` (tool_calls, reasoning_content, name, ...) goes to the template untouched.

    `weight` scales the loss of an assistant turn; 0 shows it to the model without learning it.
    `places`: the fields of the row that it was read from; several where turns were made one.
    """

    role: str
    content: str
    weight: float = 1.0
    extra: Mapping[str, Any] = field(default_factory=dict)
    places: tuple[str, ...] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Example:
    """A row that was understood. `text` rows (no roles) have one message of role `text`."""

    origin: Origin
    dataset: str
    shape: str  # alpaca, query-response, sharegpt, messages, prompt-completion, text, xtuner
    messages: tuple[Message, ...]
    tools: tuple[Any, ...] = ()
    repeat: int = 0  # 0 for the row itself, 1.. for copies (`#N --repeat true`, `--paraphrases`)
    wording: str = ""  # who worded the question, if not the row: template
    rendered: str = ""  # the form that its text was written in, if it was read back into turns


@dataclass(frozen=True, slots=True)
class Span:
    """Tokens [start, end) that are learned, each with this weight in the loss."""

    start: int
    end: int
    weight: float


@dataclass(frozen=True, slots=True)
class Sample:
    """Token ids (uint32) of one row and which of them are learned.

    `turn` numbers the samples of a row whose turns cannot share one sequence (a template that
    rewrites earlier turns); `cut` counts the tokens that the length policy took away; `rewritten`
    sums what the template knowingly says otherwise than the row (`data/told.py`). `thinking`: its
    prompts ask for thoughts, or for none; None where the template knows no two ways.
    """

    origin: Origin
    dataset: str
    ids: array[int]
    spans: tuple[Span, ...]
    system_source: str  # row, flag, template, none
    turn: int = 0
    repeat: int = 0
    cut: int = 0
    soft: bool = False  # held to what the base predicts there, not to its tokens
    rewritten: int = 0
    thinking: bool | None = None

    @property
    def learned(self) -> int:
        """Tokens that the loss counts."""
        return sum(span.end - span.start for span in self.spans)

    @property
    def loss_weight(self) -> float:
        """What this sample adds to the denominator of its update's loss."""
        return sum((span.end - span.start) * span.weight for span in self.spans)


@dataclass(frozen=True, slots=True)
class Update:
    """One optimizer update: indices into the training samples, and what they add up to."""

    step: int  # from 1
    epoch: int  # from 0
    samples: tuple[int, ...]
    tokens: int
    learned: int
    loss_weight: float


@dataclass(frozen=True, slots=True)
class Schedule:
    """The learning rate as a function of the step; `peak` per update, `warmup` in updates."""

    kind: str  # cosine, linear, constant
    peak: float
    warmup: int
    total: int


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that will happen, known before a GPU is touched. Same inputs, same `digest`."""

    updates: tuple[Update, ...]
    schedule: Schedule
    eval_steps: tuple[int, ...]
    save_steps: tuple[int, ...]
    probe_steps: tuple[int, ...]  # after which the probes are asked; the last update is one
    per_epoch: int  # updates
    rows: int  # training samples
    held_out: int  # held-out rows
    tokens: int
    learned: int
    longest: int  # tokens of the longest training sample
    digest: str
    anchor_tokens: int = 0  # of these, in anchors
    anchor_learned: int = 0


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One update as it was computed, offered before it is applied."""

    step: int
    epoch: float
    loss: float  # nats per learned token
    grad_norm: float  # before clipping
    learning_rate: float
    tokens: int
    learned: int
    seconds: float
    memory_bytes: int  # peak allocated on the device, 0 on a CPU
    samples: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What was measured after an update; None for what was not, or not yet worth asking.

    `passed` of the `asked` probes; of the general questions of the way, `general` is the share
    right, `leaked` how many answers have the new name or the rows' words, `likelihood` the change
    of the mean log-likelihood of the base's right answers; `drift` is the mean KL divergence from
    the base on questions that were not learned. Both in nats per token. `dose`: which share of
    the adapter's strength was asked.
    """

    step: int
    held_out_loss: float | None = None
    passed: int = 0
    asked: int = 0
    general: float | None = None
    leaked: int | None = None
    likelihood: float | None = None
    drift: float | None = None
    proven: bool = False  # within all bounds of the proof
    dose: float = 1.0
