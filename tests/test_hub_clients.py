"""The hubs' own clients against the hub that our tests use: what it says is what hubs say, and what
we fetch is found by them, as what they fetched is by us."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from hub.server import FakeHub, Repository, running
from suretune.hubs.door import Repo
from suretune.hubs.pull import pull_model

WEIGHTS = bytes(range(256)) * 1000
FILES = {"config.json": b"{}", "model.safetensors": WEIGHTS, "sub/notes.txt": b"more"}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    for name in (*os.environ,):
        if name.startswith(("HF_", "HUGGING", "USE_", "MODELSCOPE")) or "proxy" in name.lower():
            monkeypatch.delenv(name)
    with running() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", server.url)
        monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "ms"))
        monkeypatch.setenv("MODELSCOPE_HOME", str(tmp_path / "ms-home"))
        server.repos["model", "o/m"] = Repository(dict(FILES))
        server.repos["dataset", "o/d"] = Repository({"train.csv": b"a,b\n1,2\n" * 20_000})
        yield server


def run(script: str) -> str:
    """A client reads its environment when it is imported: in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout.strip().splitlines()[-1]


def content(folder: str) -> dict[str, bytes]:
    root = Path(folder)
    paths = [p for p in root.rglob("*") if p.is_file() and p.name[0] != "."]
    return {str(p.relative_to(root)): p.read_bytes() for p in paths}


def ours(prefix: str, revision: str = "") -> Path:
    repo = Repo(prefix, "model", "o/m", revision)
    return pull_model(repo, weights=True).snapshot.folder


HF = "from huggingface_hub import snapshot_download as get\n"


def test_huggingfaces_client_reads_the_hub(hub: FakeHub) -> None:
    assert content(run(f"{HF}print(get('o/m'))")) == FILES
    rows = content(run(f"{HF}print(get('o/d', repo_type='dataset'))"))
    assert rows == hub.repos["dataset", "o/d"].files


def test_huggingfaces_client_finds_what_we_fetched(hub: FakeHub) -> None:
    folder = ours("hf")
    hub.seen.clear()
    patterns = "allow_patterns=['*.json', '*.safetensors']"
    found = run(f"{HF}print(get('o/m', local_files_only=True, {patterns}))")
    assert Path(found) == folder and content(found) == content(str(folder)) and not hub.seen


def test_we_find_what_huggingfaces_client_fetched(hub: FakeHub) -> None:
    folder = run(f"{HF}print(get('o/m'))")
    hub.seen.clear()
    assert ours("hf") == Path(folder) and not hub.fetched()


MS = "from modelscope_hub import HubApi\napi = HubApi()\n"
needs_modelscope = pytest.mark.skipif(
    find_spec("modelscope_hub") is None, reason="modelscope-hub is not installed"
)


@needs_modelscope
def test_modelscopes_client_reads_the_hub(hub: FakeHub) -> None:
    assert content(run(f"{MS}print(api.download_repo('o/m', 'model'))")) == FILES
    rows = content(run(f"{MS}print(api.download_repo('o/d', 'dataset'))"))
    assert rows == hub.repos["dataset", "o/d"].files


@needs_modelscope
def test_modelscopes_client_finds_what_we_fetched(hub: FakeHub) -> None:
    folder = ours("ms")
    commit = folder.name
    asked = f"revision={commit!r}, local_files_only=True"
    found = run(f"{MS}print(api.download_repo('o/m', 'model', {asked}))")
    assert Path(found) == folder


@needs_modelscope
def test_we_find_what_modelscopes_client_fetched(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = run(f"{MS}print(api.download_repo('o/m', 'model'))")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert ours("ms") == Path(folder)
