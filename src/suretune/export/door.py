"""The door of this room: what an export carries, what a target is, and how far it was proven.

A target is one file and one line in the table of `suretune.export`. It says before anything is
written what it cannot load, writes into a folder that nobody sees yet, and names who can answer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from suretune import rundir, typed
from suretune.data.base import Base
from suretune.data.template import ChatTokenizer
from suretune.facts import SetupFacts
from suretune.types import Message, Text

if TYPE_CHECKING:  # a program that is asked apart need not wait for it
    from torch import Tensor

RAN = "ran-there"  # the target itself answered the probes
READ = "read-by-its-loader"  # its own code took the files, and did not answer
RULES = "by-its-rules-only"  # nothing of the target was here to ask
COMPARED = 4  # conversations behind which logits or log-probabilities are compared
SLOW, MEMORY, BROKEN, OTHER = "slow", "memory", "broken", "other"  # why a program did not answer
LEVELS: Mapping[str, Text] = {
    RAN: Text("ran there", "已在目标上运行并回答"),
    READ: Text("read by its loader", "目标的加载程序已读入"),
    RULES: Text("by its rules only", "仅按目标的规则检查"),
}


@dataclass(frozen=True, slots=True)
class Carried:
    """A proven adapter on its way: its files, its base's files, and how it is asked."""

    name: str
    adapter: Path
    base: Base
    tokenizer: ChatTokenizer
    system: str | None
    config: Mapping[str, Any]  # adapter_config.json
    tensors: Mapping[str, tuple[int, ...]]  # shapes of the adapter's, by their names in its file
    device: str = "cpu"  # on which what is compared is computed
    source: Path | None = None  # as it was named: a run, a checkpoint, a folder
    given: Sequence[str] = ()  # words of the command that another export needs as well
    dtype: str = "float32"  # of the run that trained it
    seconds: float = 0.0  # that a target may take to answer; 0: by the number of questions

    @property
    def whole(self) -> bool:
        """Whether it is a model whose own weights were trained: base and adapter are one folder."""
        return self.adapter == self.base.folder

    @property
    def architecture(self) -> str:
        """The config's `model_type`: qwen2, llama, ..."""
        return str(self.base.config.get("model_type") or "")

    @property
    def tied(self) -> bool:
        """Whether the head is the embedding."""
        told = (at.get("tie_word_embeddings") for at in (self.base.config, self.base.text))
        return True in told

    @property
    def rank(self) -> int:
        """The largest rank of any of its layers."""
        ranks = [shape[0] for name, shape in self.tensors.items() if ".lora_A." in name]
        return max(ranks, default=0)


@dataclass(frozen=True, slots=True)
class Written:
    """What was written, told line by line; `reads`: the target's own code has taken it; `alone`:
    the adapter by itself, which the target puts on the base's own numbers."""

    notes: Sequence[Text] = ()
    types: Mapping[str, int] = field(default_factory=dict)  # of tensors, how many have each
    reads: bool = False
    figures: Mapping[str, Any] = field(default_factory=dict)
    alone: bool = False


class NotAsked(Exception):
    """A program that could not be asked: it did not start, was killed, did not end.

    `how` it ended, in words; what it `said` last, in its own; `trouble`: SLOW, MEMORY, BROKEN or
    OTHER; `read`: its own code had taken the files before; `limit`: the seconds that it was given;
    `by_target`: it is the target itself.
    """

    by_target = True

    def __init__(
        self,
        program: str,
        how: Text,
        said: str,
        trouble: str,
        *,
        read: bool = False,
        limit: float = 0.0,
    ) -> None:
        super().__init__(f"{program}: {how.en}: {said}")
        self.program, self.how, self.said, self.trouble = program, how, said, trouble
        self.read, self.limit = read, limit


@dataclass(frozen=True, slots=True)
class Heard:
    """What a target answered: `ids` are its own of each conversation, `logits` (some, V) those
    behind the first of them, or `scores` its log-probabilities there, by token."""

    answers: Sequence[str]
    ids: Sequence[Sequence[int]] | None = None
    logits: Tensor | None = None
    scores: Sequence[Mapping[int, float]] = ()
    by: str = ""  # the program that answered, where it was not the target itself
    arithmetic: str = ""  # in what it computed, where that was not float32
    beside: Sequence[Mapping[int, float]] = ()  # scores of the adapter alone, on its base
    silent: NotAsked | None = None  # why the adapter alone was not asked


Conversations = Sequence[Sequence[Message]]
Asked = Callable[[Conversations, int], Heard]  # conversations, tokens of an answer


class Target(Protocol):
    """Where an adapter can be carried."""

    @property
    def name(self) -> str:
        """As `--to` takes it."""
        ...

    @property
    def quants(self) -> Sequence[str]:
        """What `--quant` may say of it; empty where it keeps the numbers as they are."""
        ...

    def lacks(self, quant: str) -> str:
        """A package without which nothing can be written; empty where all is there."""
        ...

    def why_not(
        self,
        carried: Carried,
        quant: str,
    ) -> SetupFacts | None:
        """What of it this target cannot load, found before anything is written."""
        ...

    def write(
        self,
        carried: Carried,
        quant: str,
        folder: Path,
    ) -> Written:
        """All its files, into an empty folder. Raises Refusal where they came out wrong."""
        ...

    def asks(self, carried: Carried, folder: Path) -> Asked | None:
        """Whoever answers from these files on this machine; None where nobody can."""
        ...

    def commands(
        self,
        carried: Carried,
        folder: Path,
    ) -> Sequence[str]:
        """What to type next."""
        ...


def run_of(carried: Carried) -> Path:
    """The run of an adapter, or its folder where it belongs to none."""
    made = carried.adapter.name in rundir.MADE
    return carried.adapter.parent if made else carried.adapter


def export_again(carried: Carried, to: str, *more: str) -> str:
    """The command that carries the same adapter elsewhere, with every word that this one needed."""
    source = carried.source or run_of(carried)
    return " ".join(["suretune export", typed.path(source), "--to", to, *more, *carried.given])


def cannot(
    target: str,
    what: Text,
    carried: Carried,
    instead: str = "",
) -> SetupFacts:
    """The facts for something that a target cannot load; `instead`: a command that works."""
    return SetupFacts(
        "target-cannot-load",
        target,
        str(carried.adapter),
        instead,
        hint=what,
    )
