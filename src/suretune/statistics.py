"""How sure one can be of a count: exact tests and bounds for paired answers. Pure.

Paired means: the same question, asked of the base and of the tuned model. Only the discordant pairs
say anything (right before and wrong now: lost; the other way round: gained).
"""

from __future__ import annotations

from collections.abc import Mapping
from math import comb, erfc, exp, fsum, lgamma, log, log1p, sqrt

Z95 = 1.6448536269514722  # one-sided, 95 %
Z90 = 1.2815515655446004  # one-sided, 90 %
STEPS = 60  # of a bisection: more digits than a float has


def sign_test(lost: int, gained: int) -> float:
    """P(at least this many of the discordant pairs are losses | a loss is as likely as a gain).

    The exact one-sided sign test; McNemar 1947 is its two-sided large-sample form.
    """
    pairs = lost + gained
    tail: int = sum(comb(pairs, k) for k in range(lost, pairs + 1))
    return float(tail / 2**pairs)


def binomial_tail(found: int, asked: int, rate: float) -> float:
    """P(at least `found` of `asked` | each with this rate between 0 and 1), exact: each term by its
    logarithm, for there are more ways to choose than a float can count."""
    if found <= 0:
        return 1.0
    odds = log(rate) - log1p(-rate)
    none = lgamma(asked + 1) + asked * log1p(-rate)
    terms = (
        exp(none - lgamma(k + 1) - lgamma(asked - k + 1) + k * odds)
        for k in range(found, asked + 1)
    )
    return min(1.0, fsum(terms))


def net_loss_upper(
    lost: int,
    gained: int,
    asked: int,
    z: float = Z95,
) -> float:
    """The upper bound of (lost - gained) / asked, one-sided, 95 % when `z` is not given.

    Tango's score interval for paired shares (Statistics in Medicine 17, 1998, 891-908): it holds
    for few discordant pairs too, and for none at all, where the usual one has no width.
    """
    if asked <= 0:
        return 1.0
    low, high = (lost - gained) / asked, 1.0
    for _ in range(STEPS):
        middle = (low + high) / 2
        if _score(lost, gained, asked, middle) > -z:
            low = middle
        else:
            high = middle
    return high


def net_loss_above(
    lost: int,
    gained: int,
    asked: int,
    margin: float,
) -> float:
    """How likely so large a net loss is where (lost - gained) / asked is `margin`, by the same
    score: small where more than the margin was lost."""
    return 0.5 * erfc(_score(lost, gained, asked, margin) / sqrt(2)) if asked > 0 else 1.0


def _score(lost: int, gained: int, asked: int, delta: float) -> float:
    """Tango's statistic of the hypothesis that the net loss is `delta`."""
    a = 2.0 * asked
    b = -lost - gained + (2 * asked - lost + gained) * delta
    c = -gained * delta * (1 - delta)
    share = (sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)  # of gains, under the hypothesis
    variance = asked * (2 * share + delta * (1 - delta))
    distance = lost - gained - asked * delta
    return distance / sqrt(variance) if variance > 0 else (-1e9 if distance < 0 else 1e9)


def margin_supported(discordant: int, asked: int) -> float:
    """The margin under which 19 of 20 harmless models are found to stay: no net loss, as many
    discordant pairs as here. Smaller margins need more questions."""
    return 2 * Z95 * _spread(discordant, asked)


def loss_found(discordant: int, asked: int) -> float:
    """The net loss that the sign test at 5 % would find 9 times in 10, with as many discordant
    pairs; a loss is discordant itself, so few pairs do not make it as small as one likes."""
    if asked <= 0:
        return 1.0
    z = Z95 + Z90
    return min(1.0, max(z * _spread(discordant, asked), z * z / asked))


def _spread(discordant: int, asked: int) -> float:
    return sqrt(max(discordant, 1)) / asked if asked > 0 else 1.0


def rejected(p_values: Mapping[str, float], error: float) -> tuple[str, ...]:
    """The hypotheses that fall while the chance of even one false alarm stays below `error`.

    Holm 1979: the smallest p-value against error / m, the next against error / (m - 1), ...
    """
    fallen = []
    for rank, (name, p) in enumerate(sorted(p_values.items(), key=lambda item: item[1])):
        if p * (len(p_values) - rank) >= error:
            break
        fallen.append(name)
    return tuple(fallen)
