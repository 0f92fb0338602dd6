"""Exact tests and bounds: what they are, and how often they are wrong."""

from __future__ import annotations

import random
from fractions import Fraction
from itertools import product
from math import comb, log, sqrt
from statistics import NormalDist

import pytest

from suretune.statistics import (
    Z90,
    Z95,
    binomial_tail,
    loss_found,
    margin_supported,
    net_loss_above,
    net_loss_upper,
    rejected,
    sign_test,
)


@pytest.mark.parametrize(
    "lost, gained, p", [(0, 0, 1.0), (5, 0, 1 / 32), (0, 5, 1.0), (3, 1, 5 / 16), (7, 0, 1 / 128)]
)
def test_the_sign_test_is_exact(lost: int, gained: int, p: float) -> None:
    assert sign_test(lost, gained) == p


def test_the_sign_test_counts_every_outcome_that_is_as_bad() -> None:
    pairs = list(product((False, True), repeat=9))
    as_bad = sum(sum(outcome) >= 7 for outcome in pairs)
    assert sign_test(7, 2) == as_bad / len(pairs)


def test_the_tail_of_a_binomial_adds_up() -> None:
    asked, rate = 40, 0.07
    whole = sum(comb(asked, k) * rate**k * (1 - rate) ** (asked - k) for k in range(3, asked + 1))
    assert binomial_tail(3, asked, rate) == pytest.approx(whole, rel=1e-12)
    assert binomial_tail(0, asked, rate) == 1.0
    assert binomial_tail(1, asked, rate) == pytest.approx(1 - (1 - rate) ** asked, rel=1e-12)
    assert binomial_tail(asked + 1, asked, rate) == 0.0


@pytest.mark.parametrize(("found", "asked"), [(300, 1458), (6, 1458), (1, 3000), (200, 3000)])
def test_the_tail_is_known_for_more_questions_than_a_float_can_choose_from(
    found: int, asked: int
) -> None:
    rate = Fraction(3, 2000)
    terms = (comb(asked, k) * rate**k * (1 - rate) ** (asked - k) for k in range(found))
    assert binomial_tail(found, asked, 0.0015) == pytest.approx(float(1 - sum(terms)), rel=1e-9)


@pytest.mark.parametrize("asked", [1, 20, 240, 800])
def test_without_a_discordant_pair_the_bound_is_known_in_closed_form(asked: int) -> None:
    assert net_loss_upper(0, 0, asked) == pytest.approx(Z95**2 / (asked + Z95**2), rel=1e-9)


def test_no_question_bounds_nothing() -> None:
    assert net_loss_upper(0, 0, 0) == 1.0
    assert loss_found(0, 0) == 1.0
    assert margin_supported(0, 0) > 1.0
    assert net_loss_above(0, 0, 0, 0.1) == 1.0


def score(lost: int, gained: int, asked: int, delta: float) -> float:
    """Tango's statistic from its definition: the shares are the likeliest whose difference is
    `delta`, looked for by thirds."""

    def likelihood(gains: float) -> float:
        shares = (gains + delta, gains, 1 - delta - 2 * gains)
        counts = (lost, gained, asked - lost - gained)
        return sum(n * log(max(share, 1e-300)) for n, share in zip(counts, shares, strict=True))

    low, high = max(0.0, -delta), (1 - delta) / 2
    for _ in range(200):
        third = (high - low) / 3
        if likelihood(low + third) < likelihood(high - third):
            low += third
        else:
            high -= third
    variance = asked * (2 * low + delta - delta**2)
    return (lost - gained - asked * delta) / sqrt(variance)


@pytest.mark.parametrize(
    "lost, gained, asked", [(3, 1, 40), (1, 6, 40), (0, 4, 240), (25, 10, 240), (12, 0, 20)]
)
def test_the_bound_is_where_tangos_score_says(lost: int, gained: int, asked: int) -> None:
    bound = net_loss_upper(lost, gained, asked)
    assert score(lost, gained, asked, bound) == pytest.approx(-Z95, rel=1e-5)
    for margin in (0.02, 0.1, bound):
        above = 1 - NormalDist().cdf(score(lost, gained, asked, margin))
        assert net_loss_above(lost, gained, asked, margin) == pytest.approx(above, rel=1e-4)


def test_one_question_bounds_little_and_is_no_error() -> None:
    above = 1 - NormalDist().cdf(score(1, 0, 1, 0.2))
    assert net_loss_above(1, 0, 1, 0.2) == pytest.approx(above, rel=1e-4)
    assert margin_supported(1, 240) == pytest.approx(2 * Z95 / 240, rel=1e-12)


def test_more_losses_never_give_a_lower_bound_and_more_questions_never_a_higher_one() -> None:
    bounds = [net_loss_upper(lost, 5, 200) for lost in range(40)]
    assert bounds == sorted(bounds)
    by_number = [net_loss_upper(n // 20, n // 20, n) for n in (100, 200, 400, 800)]
    assert by_number == sorted(by_number, reverse=True)


@pytest.mark.parametrize("lose, gain", [(0.05, 0.0), (0.05, 0.05), (0.12, 0.04), (0.02, 0.01)])
def test_the_bound_covers_the_true_net_loss_as_often_as_it_says(lose: float, gain: float) -> None:
    """Over 2,000 draws the share that it misses is 5 %, give or take four standard errors."""
    random.seed(7)
    asked, draws, missed = 300, 2000, 0
    known: dict[tuple[int, int], float] = {}
    for _ in range(draws):
        lots = [random.random() for _ in range(asked)]
        lost = sum(x < lose for x in lots)
        gained = sum(lose <= x < lose + gain for x in lots)
        if (lost, gained) not in known:
            known[lost, gained] = net_loss_upper(lost, gained, asked)
        missed += known[lost, gained] < lose - gain
    assert missed / draws <= 0.05 + 4 * (0.05 * 0.95 / draws) ** 0.5


def test_what_so_many_questions_can_support_is_what_the_docs_say() -> None:
    """Five percent of flips either way: about 7 points for 240 questions, 4 for 800."""
    assert margin_supported(24, 240) == pytest.approx(0.067, abs=5e-4)
    assert margin_supported(80, 800) == pytest.approx(0.0368, abs=5e-4)


def test_a_loss_of_the_size_that_would_be_found_is_found_nine_times_in_ten() -> None:
    random.seed(3)
    asked, flips = 450, 0.05
    found, draws = 0, 1000
    loss = loss_found(round(2 * flips * asked), asked)
    lose, gain = flips + loss / 2, flips - loss / 2
    for _ in range(draws):
        lots = [random.random() for _ in range(asked)]
        lost = sum(x < lose for x in lots)
        found += sign_test(lost, sum(lose <= x < lose + gain for x in lots)) < 0.05
    assert 0.86 <= found / draws <= 0.94


def test_where_nearly_nothing_flips_a_loss_is_seen_by_its_own_pairs() -> None:
    """A loss of n of 100 questions is n discordant pairs: few of them show none, and never all."""
    z = Z95 + Z90
    assert loss_found(0, 100) == loss_found(1, 100) == pytest.approx(z * z / 100)
    assert loss_found(9, 100) == pytest.approx(z * sqrt(9) / 100)
    assert loss_found(3, 4) == loss_found(0, 1) == loss_found(0, 0) == 1.0


def test_holm_rejects_one_after_another_until_one_stands() -> None:
    assert rejected({"a": 0.004, "b": 0.0249, "c": 0.03, "d": 0.9}, 0.05) == ("a",)
    assert rejected({"a": 0.004, "b": 0.0149, "c": 0.02, "d": 0.9}, 0.05) == ("a", "b", "c")
    assert rejected({"a": 0.02}, 0.05) == ("a",)
    assert rejected({"a": 0.05}, 0.05) == ()  # below the error, not at it
    assert rejected({}, 0.05) == ()


def test_holm_is_seldom_wrong_where_nothing_is_there() -> None:
    random.seed(11)
    draws = 4000
    alarms = sum(
        bool(rejected({str(i): random.random() for i in range(20)}, 0.05)) for _ in range(draws)
    )
    assert alarms / draws <= 0.05 + 4 * (0.05 * 0.95 / draws) ** 0.5
