"""Every `auto`, by hand: what is chosen, where, and that what was asked for stays."""

from __future__ import annotations

from itertools import accumulate
from operator import mul
from pathlib import Path
from typing import Any

import pytest

from suretune import words
from suretune.config import Resolved
from suretune.data.base import Base
from suretune.data.choose import (
    ANCHORS,
    BESIDE_OTHERS,
    CUTS,
    EARLIER,
    FEW_ROWS,
    NARROW,
    WHOLE_RATE,
    choose_breadth,
    choose_length,
    choose_mix,
    choose_schedule,
    choose_split,
    choose_think,
    chosen_anew,
    scaled_rate,
    settled,
    spread_rank,
    usual_rate,
)
from suretune.data.thinking import EMPTY, KEEP, Thinking
from suretune.options_lora import layer_numbers


def base(hidden: int = 256, **more: Any) -> Base:
    return Base("a", Path(), {"hidden_size": hidden, **more})


def asked(**values: Any) -> Resolved:
    return Resolved.default().with_values("flag", **values)


# --- length, thoughts, held-out rows --------------------------------------------------------------


def test_rows_may_be_as_long_as_the_model_reads_unless_told() -> None:
    wide = base(max_position_embeddings=777)
    assert choose_length(asked(), wide).config.data.max_length == 777
    assert choose_length(asked(max_length=5), wide).config.data.max_length == 5


@pytest.mark.parametrize(
    "template, before, think",
    [
        (Thinking(), asked(), None),  # knows no thoughts
        (Thinking(switch=True), asked(), KEEP),
        (Thinking(switch=True, opened="<think>"), asked(), KEEP),
        (Thinking(opened="<think>"), asked(), EMPTY),
        (Thinking(field=True), asked(), KEEP),
        (Thinking(opened="<think>"), asked(think=KEEP), KEEP),  # as it was asked for
        (Thinking(adds=True), Resolved.default().with_values(EARLIER, think=None), EMPTY),
        (Thinking(switch=True), Resolved.default().with_values(EARLIER, think=None), KEEP),
    ],
)
def test_thoughts_are_learned_as_the_template_has_them(
    template: Thinking, before: Resolved, think: str | None
) -> None:
    assert choose_think(before, template).config.data.think == think


@pytest.mark.parametrize(
    "given, identity, rows, ratio",
    [
        ({}, True, 100, 0.0),  # questions prove it
        ({"eval_steps": 5}, True, 100, 0.05),  # but a loss on the way was asked for
        ({"early_stopping_patience": 2}, True, 100, 0.05),
        ({}, False, 100, 0.05),
        ({}, False, 20, 0.1),  # two rows at least
        ({}, False, 30, 0.0667),
        ({}, False, 3, 0.5),  # of few, half
        ({}, False, 0, 0.5),
        ({"val_dataset": ("x.jsonl",)}, False, 100, 0.0),
        ({"val_dataset": ("x.jsonl",), "split_dataset_ratio": 0.2}, True, 100, 0.2),
    ],
)
def test_rows_are_held_out_where_they_are_what_proves(
    given: dict[str, Any], identity: bool, rows: int, ratio: float
) -> None:
    chosen = choose_split(asked(**given), identity=identity, rows=rows)
    assert chosen.config.data.split_dataset_ratio == ratio


# --- mixes and anchors ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "given, identity, datasets, hidden, chosen",
    [
        ({}, True, 1, 256, ("tokens", ANCHORS, "kl", None)),
        ({}, True, 2, 256, ("datasets", ANCHORS, "kl", None)),
        ({}, False, 2, 256, ("tokens", BESIDE_OTHERS, "kl", None)),
        ({"mix": "rows"}, True, 2, 256, ("rows", ANCHORS, "kl", None)),
        ({"scope": "all"}, True, 1, 4096, ("tokens", 0.0, None, None)),
        ({"anchor_ratio": 0.5}, True, 1, 256, ("tokens", 0.5, "kl", None)),
        ({"anchor_loss": "answers"}, True, 1, 256, ("tokens", ANCHORS, "answers", None)),
        ({"anchor_ratio": 0.0}, True, 1, 4096, ("tokens", 0.0, None, None)),
        ({}, True, 1, NARROW, ("tokens", ANCHORS, "kl", 3.0)),
        ({}, False, 1, NARROW, ("tokens", BESIDE_OTHERS, "kl", 1.5)),
        ({}, True, 1, NARROW - 1, ("tokens", ANCHORS, "kl", None)),
        ({}, True, 2, NARROW, ("datasets", ANCHORS, "kl", None)),
        ({"anchors_per_row": 2.0}, True, 1, NARROW, ("tokens", ANCHORS, "kl", 2.0)),
        ({"anchor_ratio": 0.9}, True, 1, NARROW, ("tokens", 0.9, "kl", 4.0)),
        ({"anchor_ratio": 0.3}, True, 1, NARROW, ("tokens", 0.3, "kl", 0.43)),
    ],
)
def test_a_mix_and_its_anchors_are_chosen_by_what_the_rows_teach_and_the_width(
    given: dict[str, Any], identity: bool, datasets: int, hidden: int, chosen: tuple[Any, ...]
) -> None:
    made = choose_mix(
        asked(**given),
        base(hidden),
        identity=identity,
        datasets=datasets,
        proving=identity,
    )
    plan = made.config.schedule
    assert (plan.mix, plan.anchor_ratio, plan.anchor_loss, plan.anchors_per_row) == chosen


# --- updates, epochs, rate ------------------------------------------------------------------------


def schedule(given: dict[str, Any], samples: int, hidden: int = 256, **how: bool) -> Any:
    made = asked(**given)
    if "anchor_ratio" not in given:
        made = made.with_values("auto", anchor_ratio=ANCHORS)
    found = choose_schedule(made, base(hidden), samples, **{"probing": False, **how})
    return found.config.schedule


@pytest.mark.parametrize(
    "given, samples, probing, epochs",
    [
        ({}, 1600, False, 1.0),  # 100 updates of 16 rows
        ({}, 160, False, 4.0),
        ({}, 161, False, 4.0),  # 11 updates an epoch
        ({}, 150, False, 4.0),
        ({}, 50, False, 10.0),
        ({}, 10, False, 10.0),  # at most
        ({}, 0, False, 10.0),
        ({}, 160, True, 8.0),  # twice as many of both
        ({}, 10, True, 20.0),
        ({"max_steps": 5}, 100, False, 0.71),  # of seven, the last of four rows
        ({"max_steps": 5}, 300, False, 0.26),
        ({"max_steps": 5}, 0, False, 5.0),
        ({"num_train_epochs": 3.0}, 100, True, 3.0),
    ],
)
def test_epochs_are_as_many_as_forty_updates_need_up_to_ten(
    given: dict[str, Any], samples: int, probing: bool, epochs: float
) -> None:
    assert schedule(given, samples, probing=probing).num_train_epochs == epochs


@pytest.mark.parametrize(
    "given, hidden, proving, rows",
    [
        ({}, NARROW, True, FEW_ROWS),
        ({}, NARROW, False, 16),
        ({}, NARROW - 1, True, 16),
        ({"anchor_ratio": 0.0}, NARROW, True, 16),
        ({"gradient_accumulation_steps": 16}, NARROW, True, 16),
        ({"per_device_train_batch_size": 1}, NARROW, True, 16),
    ],
)
def test_a_wide_model_that_learns_who_it_is_among_anchors_takes_fewer_rows(
    given: dict[str, Any], hidden: int, proving: bool, rows: int
) -> None:
    assert schedule(given, 50, hidden, proving=proving).rows_per_update == rows
    assert schedule(given, 50, hidden).rows_per_update == 16  # unless it is told to


def test_a_rate_falls_with_the_width_and_with_updates_beyond_forty() -> None:
    assert scaled_rate(3584, 40) == 1e-4 == scaled_rate(3584, 10)
    assert scaled_rate(3584, 160) == 5e-5
    assert scaled_rate(256, 40) == 2e-3 and scaled_rate(7168, 40) == 4.6e-5
    assert scaled_rate(0, 1) == scaled_rate(1, 0) > scaled_rate(2, 40) > 0


def test_a_rate_that_is_asked_for_stays_and_another_is_the_usual_one() -> None:
    assert schedule({"learning_rate": 0.5}, 50).learning_rate == 0.5
    assert schedule({}, 50).learning_rate == usual_rate(asked(), 256, 40) == 2e-3
    assert schedule({"max_steps": 160}, 50).learning_rate == 1e-3
    assert usual_rate(asked(), 0, 40) == 0.0  # of an unknown width


def test_whole_layers_take_a_quarter_and_a_faster_b_is_taken_off_the_rate() -> None:
    assert usual_rate(asked(tuner="full"), 3584, 40) == WHOLE_RATE * 1e-4
    assert schedule({"tuner": "full"}, 50).learning_rate == WHOLE_RATE * 2e-3
    for times, rate in ((8.0, 2.5e-4), (2.0, 1e-3), (1.0, 2e-3), (0.5, 2e-3)):
        assert schedule({"lorap_lr_ratio": times}, 50).learning_rate == rate


@pytest.mark.parametrize("probing", [True, False])
def test_what_was_chosen_is_told_with_what_it_was_chosen_from(probing: bool) -> None:
    with words.speaking("en"):
        made = choose_schedule(asked(tuner="full"), base(), 50, probing=probing)
    told = made.origins["num_train_epochs"]
    assert ("it stops where the probes pass" in told) == probing
    with words.speaking("zh"):
        made = choose_schedule(asked(tuner="full"), base(), 50, probing=probing)
    assert ("连续两次全部通过就停止" in made.origins["num_train_epochs"]) == probing
    assert "2.5e-05" in made.origins["learning_rate"]


def test_each_time_that_a_run_goes_back_its_rate_is_cut_more() -> None:
    assert list(accumulate(CUTS, mul)) == [1 / 2, 1 / 8, 1 / 64]


@pytest.mark.parametrize("hidden, updates", [(NARROW - 1, 0), (NARROW, 80), (3584, 80)])
def test_a_wide_model_settles_in_twice_forty_updates(hidden: int, updates: int) -> None:
    assert settled(hidden) == updates


# --- what a wide model takes that learns who it is ------------------------------------------------


def broad(rows: int = 60, hidden: int = NARROW, layers: int = 30, **values: Any) -> Any:
    given = asked(**{"anchor_ratio": 0.75, **values})
    made = choose_breadth(given, base(hidden, num_hidden_layers=layers), rows, proving=True)
    return made.config.lora.layers_to_transform, made.config.data.paraphrases


@pytest.mark.parametrize(
    "given, layers, wordings",
    [
        ({}, ("5-24",), 2),
        ({"layers": 28}, ("4-23",), 2),
        ({"layers": 6}, ("1-4",), 2),
        ({"layers": 5}, (), 2),  # too few to leave any out
        ({"hidden": NARROW - 1}, (), None),
        ({"anchor_ratio": 0.0}, (), None),
        ({"target_modules": ("all-linear",)}, ("5-24",), 2),  # what nothing said means as well
        ({"target_modules": ("q_proj",)}, (), 2),
        ({"layers_to_transform": ("all",)}, ("all",), 2),
        ({"tuner": "full"}, (), None),  # has no adapters
        ({"tuner": "qlora"}, ("5-24",), 2),
        ({"rows": 213}, ("5-24",), 2),
        ({"rows": 214}, ("5-24",), 1),  # more would not be seen before the run may be proven
        ({"rows": 321}, ("5-24",), None),
        ({"paraphrases": 0}, ("5-24",), 0),
        ({"paraphrases": 5}, ("5-24",), 5),
        ({"num_train_epochs": 10.0}, ("5-24",), None),  # so often each row, and no more rows
        ({"max_steps": 40}, ("5-24",), None),
        ({"gradient_accumulation_steps": 16}, ("5-24",), None),
        ({"budget": "90s"}, ("5-24",), None),  # which may end before all were seen
    ],
)
def test_the_middle_layers_of_a_wide_model_learn_who_it_is_from_more_wordings(
    given: dict[str, Any], layers: tuple[str, ...], wordings: int | None
) -> None:
    assert broad(**given) == (layers, wordings)


@pytest.mark.parametrize(
    "given, rank, alpha",
    [
        ({}, 32, 64),
        ({"lora_rank": 8}, 8, 64),  # the default, said
        ({"lora_rank": 16}, 16, 64),
        ({"max_steps": 40}, 32, 64),
        ({"adapter_dose": 0.8}, 32, 64),
        ({"lora_alpha": 16.0}, 8, 16),
        ({"lora_alpha": 32.0}, 8, 32),
        ({"lora_alpha": 64.0}, 8, 64),
        ({"lora_alpha": 32.0, "lora_rank": 16}, 16, 32),
        ({"learning_rate": 1e-4}, 32, 64),
        ({"lora_rank": 4}, 4, 32),  # so little was not measured at this pace, nor were variants
        ({"tuner": "qlora"}, 8, 32),
        ({"use_dora": True}, 8, 32),
        ({"use_rslora": True}, 8, 32),
        ({"use_rslora": False}, 32, 64),
        ({"lorap_lr_ratio": 16.0}, 8, 32),
        ({"init_weights": "pissa"}, 8, 32),
        ({"layers_to_transform": ("all",)}, 8, 32),  # it was measured in the middle ones
        ({"layers": 5}, 8, 32),
        ({"hidden": NARROW - 1}, 8, 32),
    ],
)
def test_the_middle_layers_have_the_rank_and_the_pace_that_were_measured_unless_it_was_said(
    given: dict[str, Any], rank: int, alpha: float
) -> None:
    sizes = {name: given[name] for name in ("hidden", "layers") if name in given}
    values = {"anchor_ratio": 0.75, **{k: v for k, v in given.items() if k not in sizes}}
    wide = base(sizes.get("hidden", NARROW), num_hidden_layers=sizes.get("layers", 30))
    made = choose_breadth(asked(**values), wide, 60, proving=True).config.lora
    assert (made.lora_rank, made.lora_alpha) == (rank, alpha)
    # What was learned at that pace is published whole; elsewhere the dose is searched.
    chosen = alpha == 64 and "lora_alpha" not in given
    assert made.adapter_dose == given.get("adapter_dose", 1 if chosen else None)


@pytest.mark.parametrize(
    "said, other, rank, alpha, dose, spread",
    [
        ({}, {}, 32, 64, 1, 21),  # 20 of 30 layers
        ({}, {"lora_rank": 16}, 16, 64, 1, 10),
        ({}, {"tuner": "qlora"}, 8, 32, None, 5),
        ({}, {"tuner": "full"}, 8, 32, None, 8),
        ({"tuner": "full"}, {"tuner": "lora"}, 32, 64, 1, 21),
        ({"adapter_dose": 0.8}, {"tuner": "qlora"}, 8, 32, 0.8, 5),
        ({"lora_rank": 48}, {"tuner": "qlora"}, 48, 32, None, 32),  # what was said stays
        ({"init_weights": "pissa"}, {}, 8, 32, None, 10),  # whose files have twice the rank
    ],
)
def test_what_was_chosen_is_chosen_anew_where_something_else_is_asked_for(
    said: dict[str, Any],
    other: dict[str, Any],
    rank: int,
    alpha: float,
    dose: float | None,
    spread: int,
) -> None:
    """And how much adapters in some layers weigh beside such in all."""
    wide = base(NARROW, num_hidden_layers=30)
    first = choose_breadth(asked(anchor_ratio=0.75, **said), wide, 60, proving=True)
    made = chosen_anew(first, wide, proving=True, **other)
    lora = made.config.lora
    assert (lora.lora_rank, lora.lora_alpha, lora.adapter_dose) == (rank, alpha, dose)
    assert spread_rank(made, wide) == spread
    assert made.config.data.paraphrases == first.config.data.paraphrases, "rows stay as they are"


def test_what_does_more_than_prove_an_identity_is_as_wide_as_ever() -> None:
    wide = base(3584, num_hidden_layers=28)
    made = choose_breadth(asked(anchor_ratio=0.6), wide, 60, proving=False)
    assert made.config.lora.layers is None and made.config.data.paraphrases is None


@pytest.mark.parametrize(
    "words, layers",
    [
        (("all",), None),
        (("All",), None),
        ((), None),
        (("5-7",), {5, 6, 7}),
        (("3",), {3}),
        (("0", "2", "5-6"), {0, 2, 5, 6}),
        (("0 2 5-6",), {0, 2, 5, 6}),  # one word of a file
    ],
)
def test_layers_are_read_as_they_are_written(
    words: tuple[str, ...], layers: set[int] | None
) -> None:
    assert asked(layers_to_transform=words).config.lora.layers == layers


@pytest.mark.parametrize("word", ["7-5", "x", "5-", "-5", "1.5", "5--7", "all", "5 x"])
def test_words_that_name_no_layer_name_none(word: str) -> None:
    assert layer_numbers(("1", word)) == frozenset()
