"""`suretune plan`: what fits which card, by the plan that a run proves before it trains."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conftest import as_json, codes, within, write_rows
from suretune.data.base import find_base
from suretune.model.memory import CONTEXT, GIB, least_needed
from suretune.prepare import cards
from suretune.prepare.cards import A_ROW, CARDS, IN_USE, SIZES, Card, Job, fits, longest_row
from suretune.tuning.full import ADAMW

SEVEN = SIZES["Qwen2.5-7B"]
ROWS = [
    {"messages": [{"role": "user", "content": f"Who {n}?"}, {"role": "assistant", "content": "I!"}]}
    for n in range(40)
]


def test_what_fits_grows_with_the_card() -> None:
    found = [one for one in fits(SEVEN, A_ROW) if one.train_type == "lora"]
    assert [one.memory for one in found] == sorted(card.memory for card in CARDS)
    assert [one.fits for one in found] == [False, True, True, True, True]
    assert all(one.updates_an_hour is None for one in found if not one.fits)
    assert [one.longest for one in found] == sorted(one.longest for one in found)


@pytest.mark.parametrize("memory", [12, 16, 24, 48])
@pytest.mark.parametrize("name", SIZES)
def test_the_longest_row_fits_and_a_longer_one_does_not(name: str, memory: int) -> None:
    shape, room = SIZES[name], memory * GIB - IN_USE + CONTEXT
    tokens = longest_row(shape, 8, room)
    assert tokens == 0 or least_needed(shape, 8, tokens, tokens // 2) <= room
    if tokens < cards.MOST:
        assert least_needed(shape, 8, tokens + 1024, tokens // 2 + 512) > room


def test_a_base_in_four_bits_fits_where_half_precision_does_not() -> None:
    by_type = {one.train_type: one for one in fits(SEVEN, A_ROW) if one.memory == 12}
    assert not by_type["lora"].fits and by_type["qlora"].fits
    assert by_type["qlora"].updates_an_hour is None  # nobody has measured it


def test_a_base_whose_own_weights_learn_takes_eighteen_bytes_a_value() -> None:
    """Two to compute with, and a master, a gradient and two moments in float32; what is frozen has
    the two alone."""
    three = SIZES["Qwen2.5-3B"]
    found = [one for one in fits(three, A_ROW, optim=ADAMW) if one.train_type == "full"]
    assert [one.fits for one in found] == [False] * 4 + [True]  # 80 GB, as the field needs
    assert all(one.updates_an_hour is None for one in found)  # nobody has measured it
    assert 18 * three.values < found[0].needs < 20 * three.values
    half = next(
        one for one in fits(three, A_ROW, learned=0.5, optim=ADAMW) if one.train_type == "full"
    )
    assert found[0].needs - half.needs == pytest.approx(8 * three.values)


def test_several_cards_share_what_learns_and_each_hold_what_does_not() -> None:
    """Sixteen bytes of a learned value are divided, all weights lie once more where they are
    asked; LoRA takes as much of each card, and is that much faster."""
    alone = {(o.memory, o.train_type): o for o in fits(SEVEN, A_ROW, optim=ADAMW)}
    four = {(o.memory, o.train_type): o for o in fits(SEVEN, A_ROW, together=4)}
    one, shared = alone[80, "full"], four[80, "full"]
    assert not one.fits and shared.fits and shared.optim == ADAMW
    assert 4 * SEVEN.values < shared.needs - 2 * SEVEN.values < 5.5 * SEVEN.values
    both = alone[80, "lora"], four[80, "lora"]
    assert both[0].needs == both[1].needs and both[0].longest == both[1].longest
    rates = [one.updates_an_hour or 0 for one in both]
    assert rates[1] == pytest.approx(4 * cards.TOGETHER * rates[0], rel=0.06)


def test_cards_that_are_not_here_can_be_asked_about(tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", ROWS)
    done = within("plan", "--model", "pocket", "--dataset", rows, "--num_gpus", 4, "--json")
    assert done.returncode == 0, done.stderr
    told = as_json(done)
    assert told["num_gpus"] == 4 and "--num_gpus 4" in told["next"]
    assert "S066" not in done.stdout + done.stderr


def test_a_models_own_length_is_the_limit() -> None:
    found = [one for one in fits(SIZES["Qwen2.5-0.5B"], A_ROW, most=4000) if one.memory > 12]
    assert {one.longest for one in found} == {3072}


def test_speed_is_that_which_was_measured_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the shape and the rate it was measured on, within the two digits that are shown; and a
    card on which layers are computed twice is slower than its rate alone."""
    monkeypatch.setattr(cards, "CARDS", (Card("the same", 141, cards.MEASURED_ON),))
    there, *_ = fits(SEVEN, replace(A_ROW, learned=0))
    assert there.updates_an_hour == pytest.approx(3600 * cards.MEASURED_TOKENS / 2048, rel=0.03)
    tight = Card("tight", 16, cards.MEASURED_ON)
    monkeypatch.setattr(cards, "CARDS", (tight,))
    twice, *_ = fits(SEVEN, replace(A_ROW, learned=0))
    assert twice.updates_an_hour is not None
    assert twice.updates_an_hour <= 0.7 * there.updates_an_hour  # a second forward pass: 2 / 3


def test_what_takes_no_time_has_no_speed() -> None:
    few = Job(longest=64, longest_learned=8, tokens=64, learned=8, rank=8)
    assert {one.updates_an_hour for one in fits(SIZES["Qwen2.5-0.5B"], few)} == {None}


@pytest.fixture
def seven(tmp_path: Path) -> Path:
    """A folder with the words of a model and the sizes of a 7B: no weights are needed."""
    folder = tmp_path / "seven"
    folder.mkdir()
    pocket = find_base("pocket", weights=False).folder
    for path in pocket.iterdir():
        if path.suffix != ".safetensors" and path.is_file():
            (folder / path.name).write_bytes(path.read_bytes())
    sizes: dict[str, Any] = {
        "num_hidden_layers": SEVEN.layers, "hidden_size": SEVEN.hidden,
        "num_attention_heads": SEVEN.heads, "num_key_value_heads": SEVEN.kv_heads,
        "head_dim": SEVEN.head_dim, "intermediate_size": SEVEN.inner,
        "tie_word_embeddings": False, "vocab_size": SEVEN.vocabulary,
    }  # fmt: skip
    config = json.loads((folder / "config.json").read_text("utf-8")) | sizes
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    return folder


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_plan_tells_of_a_model_alone(seven: Path, lang: str) -> None:
    said = within("plan", "--model", seven, "--lang", lang)
    assert said.returncode == 0 and not said.stderr
    assert {"en": "Forecast, measured on none", "zh": "没有在这些显卡上实测"}[lang] in said.stdout
    assert said.stdout.count("15.8 GiB") == len(CARDS)
    assert {"en": "It fits from 12 GB on", "zh": "最小用 12 GB"}[lang] in said.stdout


def test_plan_counts_the_rows_that_it_is_given(seven: Path, tmp_path: Path) -> None:
    """Its least is what `check` says on a card, and the command that it ends with is that check."""
    rows = write_rows(tmp_path / "rows.jsonl", ROWS)
    words = ("--model", "pocket", "--dataset", rows, "--gradient_accumulation_steps", "4")
    told = as_json(within("plan", *words, "--json"))
    assert told["status"] == 0 and told["rows"]["tokens"] > 4 * told["rows"]["longest"] / 2
    checked = as_json(within(*shlex.split(told["next"])[1:], "--json"))
    plan = checked["plan"]
    assert told["rows"]["longest"] == plan["longest"]
    assert told["rows"]["tokens"] == pytest.approx(plan["tokens"] / plan["updates"])


def test_plan_refuses_what_it_cannot_know(tmp_path: Path, seven: Path) -> None:
    assert codes(within("plan", "--json")) == ["C008"]

    config = json.loads((seven / "config.json").read_text("utf-8")) | {"model_type": "gemma2"}
    (seven / "config.json").write_text(json.dumps(config), "utf-8")
    said = within("plan", "--model", seven, "--json")
    assert said.returncode == 4 and "gemma2" in said.stdout
    huge = json.loads((seven / "config.json").read_text("utf-8")) | {
        "model_type": "qwen2", "num_hidden_layers": 3000,
    }  # fmt: skip
    (seven / "config.json").write_text(json.dumps(huge), "utf-8")
    said = within("plan", "--model", seven, "--json")
    assert said.returncode == 4 and not any(one["fits"] for one in as_json(said)["forecast"])
