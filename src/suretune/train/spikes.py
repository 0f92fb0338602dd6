"""What is usual for a run's losses and gradient norms, and when an update is out of line.

An update is out of line when

1. its loss is above 1.75 times the largest before, or its gradient's norm above 4 times the
   largest; with fewer than n = 16 rows so far, above these factors to the power sqrt(16 / n), and
   likewise where it has n times fewer rows than updates have;
2. or, once there are 16 updates, its loss is more than 8 robust deviations above the median of the
   last 16, above 1.5 times that median, and above a quarter of the largest before.

Both work in logarithms: losses vary by factors, not by amounts. Rule 2's deviation is 1.4826 *
median |x(t) - x(t-1)| / sqrt(2) over the last 64 updates: of successive differences, because a loss
that falls from 2.4 to 0.1 within those updates deviates from their own median so much that nothing
could ever exceed it. It is at least 0.05: a curve that is flat for a moment is no measure of its
noise. Norms have no rule 2: where all is learned they span two decades, and single rows would break
it.

False alarms. If updates are exchangeable, the next three all exceed the largest of n with the
probability 6 / ((n+1) (n+2) (n+3)), 1 in 969 for n = 16, even before the factor; a falling curve,
which is what training makes, lowers it. A row's losses vary by a factor of 2 or so (0.7 in
logarithms), the mean of n rows by 0.7 / sqrt(n), 0.18 for 16: log(1.75) = 0.56 is 2.3 deviations of
a difference even against one earlier update, the power keeps that so for fewer rows, and a
divergence needs it three times. In simulated runs with that noise, 1 in 1,000 goes back for
nothing, with 1 row an update as with 16. In rule 2, 8 deviations are 6e-16 in a normal tail, and in
a Laplace tail, where the deviation is 1.03 scales, half of exp(-8 * 1.03) = 1.3e-4; three in a row
2e-12. The price: a run that leaves the ground within its first few rows has no ground to be
measured from. Its proof fails.

Measured on the pocket model: nothing fires in eleven clean runs of 40 to 900 updates (identity rows
and alpaca rows, 16 a step and one by one, rates from 3e-4 to 1e-2). At rates from 0.03 to 1 all six
runs are called a divergence within three updates of leaving the ground, where their losses are 1.7
to 4 times, or their norms 13 to 90 times the largest before.

Rows that differ more than that - what the base knows by heart beside what it does not - break these
rules in a sound run. So an update out of line is computed once more by the last good state
(`loop.before_it`): where that finds its rows as hard, they become usual. Otherwise it is told and
applied: clipping bounds what it can do. Three in a row are a divergence, and never become usual.
While there are fewer than 16 rows, an update above the plain factors is computed once more, too:
where the good state denies it, it is applied in silence and counts as one of the three. A run of 8
rows an update whose losses went 2.7, 5.8, 6.2, 9.3 was none of rule 1. In simulated clean runs of
1, 2, 4, 8 and 16 rows, 1,500 each of 40 updates, nothing went back; such updates were 0.58 a run of
1 row, 0.05 of 8.

Likewise while there are fewer than 16 updates, where a norm is out of line and the loss no higher
than one before: four norms do not tell how far the fifth may lie from them, and an anchor is no
hint either, whose gradient is nothing by the very state that begins. In a clean run of six updates
the norms went 0.45, 0.33, 0.49, 0.27, 2.70, 0.37, the losses from 0.63 to 0.24. Such an update is
not told, and counts as one of the three.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

WINDOW = 64  # updates that the deviation is measured over
RECENT = 16  # updates that an update is compared with; rows whose mean is steady
DEVIATIONS = 8.0
LEAST_DEVIATION = 0.05
LOSS_FACTOR, NORM_FACTOR = 1.75, 4.0  # of the largest so far
ABOVE = 1.5  # times the recent median
SHARE = 0.25  # of the largest loss: what lies below has not left the ground
TINY = 1e-12  # a loss of zero has no logarithm


@dataclass(frozen=True, slots=True)
class SpikeDetector:
    """The last updates that were in line; one more makes a new `SpikeDetector`."""

    losses: tuple[float, ...] = ()
    largest_loss: float = 0.0
    largest_norm: float = 0.0
    rows: int = 0  # computed so far

    def and_then(
        self,
        loss: float,
        norm: float,
        rows: int,
    ) -> SpikeDetector:
        """With one more update."""
        return SpikeDetector(
            (*self.losses, loss)[-WINDOW:],
            max(self.largest_loss, loss),
            max(self.largest_norm, norm),
            self.rows + rows,
        )

    @property
    def is_steady(self) -> bool:
        """Whether there were enough updates to call anything usual."""
        return len(self.losses) >= RECENT

    def is_doubted(
        self,
        loss: float,
        norm: float,
        rows: int,
    ) -> bool:
        """Whether it would be out of line, had there been rows enough before it: the last good
        state can tell whether they are the cause."""
        if not self.rows:
            return False
        power = self._power(rows)
        if loss > LOSS_FACTOR**power * self.largest_loss:
            return True
        return bool(norm > NORM_FACTOR**power * self.largest_norm)

    def is_worth_telling(self, loss: float) -> bool:
        """Whether an update out of line with this loss is to be told, or only counted."""
        return self.is_steady or loss > self.largest_loss

    def _power(self, rows: int) -> float:
        """Of the factors: the last update of an epoch may be a row or two, and vary like them."""
        whole = min(RECENT, self.rows / max(1, len(self.losses)))
        return math.sqrt(max(1.0, whole / rows))

    def is_broken_by(
        self,
        loss: float,
        norm: float,
        rows: int,
    ) -> bool:
        """Whether such an update of so many rows is out of line."""
        if not self.rows:
            return False
        power = max(math.sqrt(max(1.0, RECENT / self.rows)), self._power(rows))
        if loss > LOSS_FACTOR**power * self.largest_loss:
            return True
        if norm > NORM_FACTOR**power * self.largest_norm:
            return True
        if not self.is_steady or loss < SHARE * self.largest_loss:
            return False
        logs = [math.log(max(value, TINY)) for value in self.losses]
        jumps = [abs(b - a) for a, b in pairwise(logs)]
        deviation = max(1.4826 * median(jumps) / math.sqrt(2), LEAST_DEVIATION)
        above = math.log(max(loss, TINY)) - median(logs[-RECENT:])
        return above > max(DEVIATIONS * deviation, math.log(ABOVE))


def detector_of(line: Mapping[str, Any]) -> SpikeDetector:
    """From JSON, which has no tuples."""
    return SpikeDetector(
        tuple(line["losses"]),
        line["largest_loss"],
        line["largest_norm"],
        line["rows"],
    )
