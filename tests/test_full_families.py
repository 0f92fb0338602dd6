"""Full training of every architecture: what learns, what is written, and what is read again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from suretune.data.learning import Learning, is_tied, learning_of
from suretune.data.parts import is_expert, is_text
from suretune.model.full import Whole, in_files, open_whole, save_whole
from suretune.model.load import load_base
from suretune.options_full import FullOptions
from suretune.record.journal import Journal
from suretune.run.fit import make_learner, open_base
from suretune.train.loop import Applied, gradient, train
from test_families_matrix import (
    CPU,
    DEEP,
    NAMES,
    WRAPPED,
    base_at,
    checked_of,
    folders,
    logits_of,
    rows,
    whole_model,
)

__all__ = ["folders", "rows"]  # fixtures
FILE = "model.safetensors"


@pytest.mark.parametrize("name", NAMES)
def test_it_learns_and_what_is_read_again_is_what_was_learned(
    name: str, folders: dict[str, Path], rows: Path, tmp_path: Path
) -> None:
    """Every weight of the text model, but for experts and what chooses among them; packed rows give
    the gradient of each alone; without it the base is there; other parts are copied byte for byte,
    and transformers' own class of the checkpoint opens what was written."""
    checked, journal = checked_of(folders[name], rows, tuner="full", learning_rate=1e-3), Journal()
    base, samples = checked.base, list(checked.samples)
    learner = make_learner(open_base(base, "float32", CPU, (), journal), checked, journal)
    model = learner.model
    assert isinstance(model, Whole)
    named = dict(model.model.named_parameters())
    frozen = {n for n in named if n not in model.base}
    assert all(is_expert(n) for n in frozen), frozen
    together, _ = gradient(learner, samples, 1.0)
    packed = {n: p.grad.clone() for n, p in named.items() if p.grad is not None}
    learner.engine.tokens_per_pass = 1
    alone, _ = gradient(learner, samples, 1.0)
    assert abs(together - alone) <= 1e-5 * abs(alone)
    for key in packed:
        slope = named[key].grad
        assert slope is not None
        assert float((packed[key] - slope).norm()) <= DEEP * float(slope.norm()) + 1e-7, key
    before = {n: p.detach().clone() for n, p in named.items()}
    applied = [e for e in train(learner, samples, checked.plan, 0) if isinstance(e, Applied)]
    assert len(applied) == 2
    assert all(torch.equal(named[n], before[n]) for n in frozen)
    with model.without():
        assert all(torch.equal(named[n], before[n]) for n in named)
        plain = logits_of(load_base(base, CPU, "float32"), samples)
        assert all(map(torch.equal, plain, logits_of(model, samples)))
    save_whole(model, tmp_path)
    again, match = open_whole(load_base(base, CPU, "float32"), tmp_path, base, "float32")
    assert match.odd == match.non_finite == () and match.saved == match.matched > 0
    assert all(map(torch.equal, logits_of(again, samples), logits_of(model, samples)))
    was, now = load_file(folders[name] / FILE), load_file(tmp_path / FILE)
    called = in_files(folders[name])
    assert was.keys() == now.keys()
    for key, tensor in was.items():
        if key not in called or called[key] in frozen or is_expert(key):
            assert torch.equal(tensor, now[key]), key
    if name in WRAPPED:
        assert any(not is_text(key) for key in was)
    whole_model(tmp_path, name)


@pytest.mark.parametrize("name", NAMES)
def test_what_learns_is_told_by_the_files_as_the_model_has_it(
    name: str, folders: dict[str, Path]
) -> None:
    """In numbers, before anything is loaded; a head that is the embedding counts once."""
    base = base_at(folders[name])
    found = learning_of(base, FullOptions())
    assert isinstance(found, Learning)
    model = load_base(base, CPU, "float32")
    there = {n: p.numel() for n, p in model.named_parameters()}
    learned = {n: count for n, count in there.items() if not is_expert(n)}
    fixed = dict(model.named_buffers())  # Gemma 4 keeps a number of each layer so, in its files
    assert {n: count for n, count in found.learned.items() if n not in fixed} == learned
    assert is_tied(base) is (model.config.tie_word_embeddings is True)


def test_a_file_is_read_once_until_it_is_another(
    folders: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However often a run asks what learns; written anew with as many bytes, it is read again."""
    file = tmp_path / FILE
    for path in folders["qwen2"].iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    opened, real = [], Path.open

    def noting(path: Path, *how: Any, **more: Any) -> Any:
        opened.append(path)
        return real(path, *how, **more)

    monkeypatch.setattr(Path, "open", noting)
    base = base_at(tmp_path)
    found = [learning_of(base, FullOptions()) for _ in range(5)]
    assert opened.count(file) == 1 and all(one == found[0] for one in found)
    data = file.read_bytes().replace(b"model.norm.weight", b"model.form.weight")
    file.write_bytes(data)
    again = learning_of(base, FullOptions())
    assert isinstance(again, Learning) and "model.form.weight" in again.learned
