"""What became of the thoughts of all rows, and the mode in which everything else is asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from suretune.data.render import Rendering
from suretune.data.thinking import thinking_of, with_usual
from suretune.data.told import DROPPED, THOUGHT
from suretune.facts import ThoughtFacts
from suretune.types import Sample

Rows = Sequence[tuple[str, Sequence[Sample]]]  # where each row stands, and its samples


def thoughts_in(rows: Rows, how: Rendering) -> ThoughtFacts:
    """What the guard of thoughts looks at."""
    told = [(where, made) for where, made in rows if made and made[0].system_source]
    thought = [w for w, made in told if any(s.rewritten & THOUGHT for s in made)]
    dropped = [w for w, made in told if any(s.rewritten & DROPPED for s in made)]
    kinds = set(thought)
    others = [where for where, _ in told if where not in kinds]
    fewer = min(thought, others, key=len) if thought and others else []
    template = thinking_of(how.tokenizer)
    return ThoughtFacts(
        known=template.known,
        empty=template.known and bool(template.empty),
        think=how.think,
        rows=len(told),
        thought=len(thought),
        dropped=len(dropped),
        on=sum(any(s.thinking is True for s in made) for _, made in told),
        off=sum(any(s.thinking is False for s in made) for _, made in told),
        mode=mode_in(made for _, made in told),
        first=(dropped or fewer or [""])[0],
    )


def mode_in(rows: Iterable[Sequence[Sample]]) -> bool | None:
    """With thoughts, if as many answers are learned so as without; None where no template tells."""
    modes = [sample.thinking for made in rows for sample in made for _ in sample.spans]
    on, off = modes.count(True), modes.count(False)
    return on >= off if on or off else None


def as_learned(how: Rendering, rows: Iterable[Sequence[Sample]]) -> Rendering:
    """The same, where what is asked without a mode is asked in the one that most answers have."""
    return replace(how, tokenizer=with_usual(how.tokenizer, mode_in(rows)))
