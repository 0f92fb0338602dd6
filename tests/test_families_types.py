"""Every architecture by every way to train: what was learned is there again, and goes on.

LoRA and full training have more laws of their own: test_families_matrix.py, test_full_families.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from suretune.model import tuned
from suretune.model.full import Whole, open_whole
from suretune.model.generate import answering, spoken
from suretune.model.load import load_base
from suretune.model.lora import load_adapter
from suretune.preflight.check import Checked
from suretune.record.journal import Journal
from suretune.run.fit import make_learner, open_base
from suretune.train import checkpoint
from suretune.train.loop import Applied, Learner, train
from test_families_matrix import CPU, NAMES, checked_of, folders, logits_of, rows

__all__ = ["folders", "rows"]  # fixtures
WAYS: dict[str, dict[str, Any]] = {
    "qlora": {"tuner": "qlora"},
    "dora": {"use_dora": True},
    "pissa": {"init_weights": "pissa"},
    "full": {"tuner": "full"},
    "full-8bit": {"tuner": "full", "optim": "adamw_8bit"},
}
QUICK = [way for way in WAYS if way != "full"]  # of it test_full_families.py says more


def pairs(ways: Sequence[str]) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """(every architecture by one way, the ways in turn; all other pairs, which are long tests)."""
    quick = [(name, ways[at % len(ways)]) for at, name in enumerate(NAMES)]
    return quick, [(name, way) for name in NAMES for way in ways if (name, way) not in quick]


DIAGONAL, REST = pairs(list(WAYS))
READ, READ_REST = pairs(QUICK)
RATE = 1e-3
PROMPTS = [[5, 6, 7], list(range(9, 30))]


def learner_of(checked: Checked) -> Learner:
    """By the door that `suretune sft` takes."""
    journal, config = Journal(), checked.resolved.config
    whole = config.lora.tuner == "full"
    targets = () if whole else config.lora.target_modules
    model = open_base(checked.base, "float32", CPU, targets, journal)
    return make_learner(model, checked, journal)


def learned_of(learner: Learner) -> dict[str, Tensor]:
    return {n: p.detach().clone() for n, p in learner.adapters.parameters.items()}


def answers_of(model: nn.Module) -> list[list[int]]:
    with torch.inference_mode(), answering(model):
        return spoken(model, PROMPTS, frozenset(), 4)


def opened(checked: Checked, folder: Path) -> nn.Module:
    """As `verify`, `infer` and `serve` open what was trained."""
    base = load_base(checked.base, CPU, "float32")
    if checked.resolved.config.lora.tuner == "full":
        again, match = open_whole(base, folder, checked.base, "float32")
    else:
        again, match = load_adapter(base, folder)
    assert match.odd == match.non_finite == () and match.saved == match.matched > 0
    return again


@pytest.mark.parametrize(("name", "way"), READ)
def test_what_is_read_again_is_what_was_learned(
    name: str, way: str, folders: dict[str, Path], rows: Path, tmp_path: Path
) -> None:
    """In losses and in answers, to the last bit; of PiSSA, whose file is for the base as it is,
    within rounding. Without what was learned the base is there."""
    checked = checked_of(folders[name], rows, learning_rate=RATE, max_steps=1, **WAYS[way])
    learner, samples = learner_of(checked), list(checked.samples)
    before, base = learned_of(learner), logits_of(load_base(checked.base, CPU, "float32"), samples)
    assert [type(e) for e in train(learner, samples, checked.plan, 0)].count(Applied) == 1
    after = learned_of(learner)
    moved = [n for n in after if not torch.equal(after[n], before[n])]
    assert moved
    model = learner.model
    with tuned.without(model):
        assert all(map(torch.equal, logits_of(model, samples), base))
    ours = logits_of(model, samples)
    assert not any(map(torch.equal, ours, base))
    tuned.save(model, tmp_path)
    again = opened(checked, tmp_path)
    theirs = logits_of(again, samples)
    if way == "pissa":
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(ours, theirs, strict=True))
    else:
        assert all(map(torch.equal, ours, theirs))
    assert answers_of(again) == answers_of(model)


@pytest.mark.parametrize(("name", "way"), READ_REST)
def test_what_is_read_again_is_what_was_learned_in_any_pair(
    name: str, way: str, folders: dict[str, Path], rows: Path, tmp_path: Path
) -> None:
    test_what_is_read_again_is_what_was_learned(name, way, folders, rows, tmp_path)


@pytest.mark.parametrize(("name", "way"), DIAGONAL)
def test_gone_on_with_it_is_never_stopped(
    name: str, way: str, folders: dict[str, Path], rows: Path, tmp_path: Path
) -> None:
    """Two updates; or one, a checkpoint, another process's learner, and the second: the same bits,
    moments included."""
    checked = checked_of(folders[name], rows, learning_rate=RATE, **WAYS[way])
    samples, straight, saved = list(checked.samples), learner_of(checked), None
    for event in train(straight, samples, checked.plan, 0):
        if isinstance(event, Applied) and event.record.step == 1:
            saved = checkpoint.save(tmp_path, 1, straight, lambda folder, step: None, {})
    assert saved is not None
    again = learner_of(checked)
    assert checkpoint.restore(saved, again) == 1
    checkpoint.restore_recovery(saved, again)
    for event in train(again, samples, checked.plan, 1):
        assert event
    ours, theirs = again.adapters, straight.adapters
    assert torch.equal(ours.values, theirs.values)
    kept, there = ours.state(), theirs.state()
    assert kept.keys() == there.keys() and all(torch.equal(kept[n], there[n]) for n in kept)
    assert all(
        map(torch.equal, logits_of(again.model, samples), logits_of(straight.model, samples))
    )
    if isinstance(again.model, Whole):
        assert again.model.base.keys() == straight.model.base.keys()


@pytest.mark.parametrize(("name", "way"), REST)
def test_gone_on_with_it_is_never_stopped_in_any_pair(
    name: str, way: str, folders: dict[str, Path], rows: Path, tmp_path: Path
) -> None:
    test_gone_on_with_it_is_never_stopped(name, way, folders, rows, tmp_path)
