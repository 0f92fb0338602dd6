"""What is given to a hub arrives whole, private unless asked, and once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from hub.server import FakeHub, Repository, running
from suretune.hubs.door import HubError, Repo
from suretune.hubs.names import hubs
from suretune.hubs.push import Local, is_of, local_files, push

BOTH = ("hf", "ms")
FILES = {
    "README.md": b"# adapter",
    "adapter_config.json": b"{}",
    "adapter_model.safetensors": os.urandom(70_000),
}


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeHub]:
    for name in (*os.environ,):
        if name.startswith(("HF_", "HUGGING", "USE_", "MODELSCOPE")) or "proxy" in name.lower():
            monkeypatch.delenv(name)
    monkeypatch.setattr("suretune.hubs.wire.time.sleep", lambda _: None)
    with running() as server:
        for name, value in (
            ("HF_ENDPOINT", server.url), ("MODELSCOPE_ENDPOINT", server.url),
            ("HF_TOKEN", "writer"), ("MODELSCOPE_API_TOKEN", "writer"),
            ("HF_HOME", str(tmp_path / "hf")), ("HF_HUB_DISABLE_XET", "1"),
            ("MODELSCOPE_CACHE", str(tmp_path / "ms")), ("MODELSCOPE_HOME", str(tmp_path / "h")),
        ):  # fmt: skip
            monkeypatch.setenv(name, value)
        yield server


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "adapter"
    made.mkdir()
    for path, body in FILES.items():
        (made / path).write_bytes(body)
    (made / ".hidden").write_bytes(b"no")
    return made


def give(prefix: str, folder: Path, *, private: bool = True) -> tuple[str, list[str]]:
    sent: list[str] = []

    def tell(file: Local) -> None:
        sent.append(file.path)

    files = local_files(folder, lambda path: not path.startswith("."))
    repo = Repo(prefix, "model", "me/glow")
    given = push(hubs()[prefix], repo, files, private=private, message="Glow", tell=tell)  # type: ignore[arg-type]
    assert given.private is private
    return given.page, sent


@pytest.mark.parametrize("prefix", BOTH)
def test_a_folder_arrives_whole_and_private(prefix: str, hub: FakeHub, folder: Path) -> None:
    page, sent = give(prefix, folder)
    there = hub.repos["model", "me/glow"]
    assert there.files == FILES and there.private == "writer" and "me/glow" in page
    assert sent == ["adapter_model.safetensors"]


@pytest.mark.parametrize("prefix", BOTH)
def test_public_has_to_be_asked_for(prefix: str, hub: FakeHub, folder: Path) -> None:
    give(prefix, folder, private=False)
    assert hub.repos["model", "me/glow"].private == ""


@pytest.mark.parametrize("prefix", BOTH)
def test_what_is_there_is_not_sent_again(prefix: str, hub: FakeHub, folder: Path) -> None:
    give(prefix, folder)
    (folder / "README.md").write_bytes(b"# changed")
    _, sent = give(prefix, folder)
    assert not sent and hub.repos["model", "me/glow"].files["README.md"] == b"# changed"


@pytest.mark.parametrize("prefix", BOTH)
def test_a_server_that_fails_once_gets_it_the_next_time(
    prefix: str, hub: FakeHub, folder: Path
) -> None:
    hub.faults.broken = 1  # the store of contents
    give(prefix, folder)
    assert hub.repos["model", "me/glow"].files == FILES


@pytest.mark.parametrize("prefix", BOTH)
@pytest.mark.parametrize(("fault", "times"), [("busy", 1), ("busy", 3), ("broken", 3)])
def test_whatever_is_sent_is_sent_again_to_a_server_that_is_busy_or_fails(
    prefix: str, fault: str, times: int, hub: FakeHub, folder: Path
) -> None:
    """429 and 500 to everything that a push asks: creating, the batch, the content, the commit."""
    for method in ("POST", "PUT"):
        hub.repos.clear()
        hub.contents.clear()
        setattr(hub.faults, fault, times)
        give(prefix, folder)
        assert hub.repos["model", "me/glow"].files == FILES
        assert getattr(hub.faults, fault) == 0, method


@pytest.mark.parametrize("prefix", BOTH)
def test_a_hub_that_stays_busy_is_called_busy_and_no_refusal_of_the_token(
    prefix: str, hub: FakeHub, folder: Path
) -> None:
    hub.faults.busy = 99
    with pytest.raises(HubError) as error:
        give(prefix, folder)
    assert error.value.trouble == "busy" and not hub.repos


@pytest.mark.parametrize("prefix", BOTH)
def test_the_hub_is_told_of_each_content_that_has_arrived(
    prefix: str, hub: FakeHub, folder: Path
) -> None:
    hub.faults.must_verify = True
    give(prefix, folder)
    assert hub.verified == list(hub.contents) and hub.repos["model", "me/glow"].files == FILES


@pytest.mark.parametrize("prefix", BOTH)
def test_a_content_that_the_hub_does_not_take_is_not_taken_for_one_that_is_there(
    prefix: str, hub: FakeHub, folder: Path
) -> None:
    hub.faults.lfs_errors = 1
    with pytest.raises(HubError, match=r"adapter_model\.safetensors: 422 no room") as error:
        give(prefix, folder)
    assert error.value.trouble == "refused" and not hub.repos["model", "me/glow"].files
    hub.faults.unanswered = True
    with pytest.raises(HubError, match=r"adapter_model\.safetensors"):
        give(prefix, folder)
    assert not hub.repos["model", "me/glow"].files


@pytest.mark.parametrize("prefix", BOTH)
def test_what_is_given_goes_to_no_host_that_a_redirect_names(
    prefix: str, hub: FakeHub, folder: Path
) -> None:
    with running() as other:
        hub.faults.sends_on = other.url
        with pytest.raises(HubError) as error:
            give(prefix, folder)
        assert error.value.trouble == "refused" and not other.seen
    assert "127.0.0.1" in str(error.value) and not hub.repos["model", "me/glow"].files


@pytest.mark.parametrize("prefix", BOTH)
def test_a_repository_that_everybody_sees_gets_nothing_unless_public_is_asked_for(
    prefix: str, hub: FakeHub, folder: Path
) -> None:
    """It was there before, and creating it as private changes nothing of it."""
    hub.repos["model", "me/glow"] = Repository({"README.md": b"# old"})
    with pytest.raises(HubError) as error:
        give(prefix, folder)
    assert error.value.trouble == "public" and not hub.contents
    assert hub.repos["model", "me/glow"].files == {"README.md": b"# old"}
    give(prefix, folder, private=False)
    assert FILES.items() <= hub.repos["model", "me/glow"].files.items()


@pytest.mark.parametrize("prefix", BOTH)
def test_where_it_is_not_said_who_sees_a_repository_nothing_is_sent(
    prefix: str, hub: FakeHub, folder: Path
) -> None:
    hub.faults.no_visibility = True
    with pytest.raises(HubError) as error:
        give(prefix, folder)
    assert error.value.trouble == "refused" and not hub.contents


@pytest.mark.parametrize("prefix", BOTH)
def test_without_the_right_token_nothing_is_made(
    prefix: str, hub: FakeHub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for token in ("wrong", ""):
        monkeypatch.setenv("HF_TOKEN", token)
        monkeypatch.setenv("MODELSCOPE_API_TOKEN", token)
        with pytest.raises(HubError) as error:
            give(prefix, folder)
        assert error.value.trouble == "refused" and not hub.repos
        assert "wrong" not in str(error.value)


def test_a_token_is_shown_to_the_hub_and_its_parts_alone() -> None:
    home = "https://modelscope.cn"
    assert is_of("https://modelscope.cn/x", home) and is_of("https://lfs.modelscope.cn/x", home)
    for other in ("https://evil.cn/x", "https://notmodelscope.cn/x", "http://modelscope.cn/x",
                  "https://modelscope.cn.evil.com/x", "https://modelscope.cn:81/x"):  # fmt: skip
        assert not is_of(other, home), other


def run(script: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_huggingfaces_client_gives_to_the_hub_as_we_do(hub: FakeHub, folder: Path) -> None:
    (folder / ".hidden").unlink()
    run(
        "from huggingface_hub import HfApi\n"
        "api = HfApi()\n"
        "api.create_repo('me/glow', private=True, exist_ok=True)\n"
        f"api.upload_folder(repo_id='me/glow', folder_path={str(folder)!r})\n"
        "assert api.model_info('me/glow').private\n"
    )
    assert hub.verified == list(hub.contents)
    assert FILES.items() <= hub.repos["model", "me/glow"].files.items()


@pytest.mark.skipif(find_spec("modelscope_hub") is None, reason="modelscope-hub is not installed")
def test_modelscopes_client_gives_to_the_hub_as_we_do(hub: FakeHub, folder: Path) -> None:
    (folder / ".hidden").unlink()
    run(
        "from modelscope_hub import HubApi\n"
        "api = HubApi()\n"
        "api.create_repo('me/glow', 'model', visibility='private')\n"
        f"api.upload_folder('me/glow', 'model', {str(folder)!r})\n"
    )
    assert FILES.items() <= hub.repos["model", "me/glow"].files.items()
