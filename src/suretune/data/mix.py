"""How several datasets share the loss, whatever their sizes.

`tokens` is the usual: every learned token counts the same, so long rows of general text outweigh
short ones. `datasets` gives every dataset the same share, and every row of it the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from suretune.types import Sample


def shared(samples: Sequence[Sample], mix: str) -> list[Sample]:
    """The samples with their weights in the loss scaled; their mean weight stays what it was."""
    if mix == "tokens":
        return list(samples)
    rows = Counter(sample.dataset for sample in samples)
    sets = len(rows) if mix == "datasets" else 1
    whole = sum(sample.loss_weight for sample in samples)
    made = []
    for sample in samples:
        among = rows[sample.dataset] if mix == "datasets" else len(samples)
        factor = whole / (sets * among * sample.loss_weight) if sample.loss_weight else 0.0
        spans = tuple(replace(span, weight=span.weight * factor) for span in sample.spans)
        made.append(replace(sample, spans=spans))
    return made
