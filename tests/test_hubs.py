"""Hubs: what a name means, and files that arrive whole, over bad networks and in later runs."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from hub.server import FakeHub, Repository, commit_of, running
from suretune.cli.fetching import Fetching
from suretune.hubs import fetch as fetching
from suretune.hubs.choose import choose
from suretune.hubs.door import File, HubError, Listing, Repo, check_path
from suretune.hubs.fetch import Progress, fetch
from suretune.hubs.login import token_of
from suretune.hubs.names import hubs, parse_name, which_hub
from suretune.hubs.pull import WATCHING, Pulled, Watching, pull_dataset, pull_model
from suretune.hubs.wire import Patience

BOTH = ("hf", "ms")
SLEEP = time.sleep  # the hub's own, which the fixture takes from everybody
BIG = random.Random(1).randbytes(1_000_000)
ROWS = b"instruction,input,output\n" + b"Say it,,It\n" * 9000
MODEL = {
    "config.json": b'{"model_type": "qwen2"}',
    "model.safetensors": BIG,
    "tokenizer.json": b"{}",
    "onnx/model.onnx": b"x" * 70_000,
    "pytorch_model.bin": b"pickle",
    "README.md": b"# a model",
}


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    for name in (*os.environ,):
        if name.startswith(("HF_", "HUGGING", "USE_", "MODELSCOPE")) or "proxy" in name.lower():
            monkeypatch.delenv(name)
    monkeypatch.setattr("suretune.hubs.wire.time.sleep", lambda _: None)
    with running() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", server.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "ms"))
        server.repos["model", "o/m"] = Repository(dict(MODEL))
        server.repos["dataset", "o/d"] = Repository({"README.md": b"# rows", "train.csv": ROWS})
        yield server


def silent(_: Progress) -> None:
    return None


@contextmanager
def watched(watching: Watching) -> Iterator[None]:
    token = WATCHING.set(watching)
    try:
        yield
    finally:
        WATCHING.reset(token)


def model(prefix: str, revision: str = "") -> Pulled:
    repo = Repo(prefix, "model", "o/m", revision)
    return pull_model(repo, weights=True)


def data(prefix: str, subsets: Sequence[str] = (), role: str = "train") -> Pulled:
    repo = Repo(prefix, "dataset", "o/d")
    return pull_dataset(repo, subsets, role)


def weights(pulled: Pulled) -> bytes:
    return (pulled.snapshot.folder / "model.safetensors").read_bytes()


# --- what a name means ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("o/m", ("", "o/m", (), "")),
        ("hf::o/m", ("hf", "o/m", (), "")),
        ("ms::swift/self-cognition", ("ms", "swift/self-cognition", (), "")),
        ("ms::o/d:a/b@v1.2", ("ms", "o/d", ("a", "b"), "v1.2")),
        ("o/d@refs/convert/parquet", ("", "o/d", (), "refs/convert/parquet")),
    ],
)  # fmt: skip
def test_a_name_has_a_hub_subsets_and_a_revision(name: str, meant: tuple[object, ...]) -> None:
    found = parse_name(name)
    assert found and (found.hub, found.id, found.subsets, found.revision) == meant


@pytest.mark.parametrize(
    "name",
    [
        "m",
        "a/b/c",
        "../o/m",
        "o/..",
        "xx::o/m",
        "o/m@",
        "hf::",
        "/o/m",
        "o/m@../x",
        "o/m@a/../../x",
        "o/m@/x",
        "o/m@a..b",
        "o/m@a//b",
    ],
)
def test_what_is_no_name_on_a_hub_is_none(name: str) -> None:
    assert parse_name(name) is None


def test_which_hub_is_meant_is_decided_in_the_order_of_the_table(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    def which(name: str, asked: str = "auto") -> tuple[str, str]:
        found = parse_name(name)
        assert found is not None
        return which_hub(found, "dataset", asked)

    assert which("o/d") == ("hf", "default")
    data("ms")
    assert which("o/d") == ("ms", "cache")
    assert which("swift/self-cognition") == ("ms", "owner")
    monkeypatch.setenv("USE_HF", "1")
    assert which("swift/self-cognition") == ("hf", "environment")
    assert which("o/d", "ms") == ("ms", "--hub")
    assert which("hf::o/d", "ms") == ("hf", "prefix")


# --- what arrives ---------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", BOTH)
def test_a_model_is_its_words_and_its_weights_and_nothing_else(prefix: str, hub: FakeHub) -> None:
    pulled = model(prefix)
    assert set(pulled.snapshot.files) == {"config.json", "model.safetensors", "tokenizer.json"}
    for path, digest in pulled.snapshot.files.items():
        body = (pulled.snapshot.folder / path).read_bytes()
        assert body == MODEL[path] and hashlib.sha256(body).hexdigest() == digest
    assert pulled.snapshot.commit == commit_of(MODEL)


@pytest.mark.parametrize("prefix", BOTH)
def test_what_is_here_is_not_fetched_again(prefix: str, hub: FakeHub) -> None:
    model(prefix)
    hub.seen.clear()
    again = model(prefix)
    assert not hub.fetched() and weights(again) == BIG
    hub.seen.clear()
    model(prefix, again.snapshot.commit)  # a commit does not change: nobody is asked
    assert not hub.seen


@pytest.mark.parametrize("prefix", BOTH)
def test_without_a_network_the_cache_serves_and_it_is_said(
    prefix: str, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    model(prefix)
    hub.faults.dead = True
    assert model(prefix).offline == "unreachable"
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hub.seen.clear()
    assert model(prefix).offline == "offline" and not hub.seen
    with pytest.raises(HubError) as error:
        data(prefix)
    assert error.value.trouble == "offline"


@pytest.mark.parametrize("prefix", BOTH)
@pytest.mark.parametrize(
    "fault",
    ["cut", "no_ranges", "quirky_ranges", "lies once", "busy", "broken", "spurious", "pages"],
)
def test_a_bad_network_gives_the_same_bytes(
    prefix: str, fault: str, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "RANGE", 300_000)
    if fault == "cut":
        hub.faults.cut_after, hub.faults.cuts = 130_000, -1
    elif fault == "lies once":
        hub.faults.lies = 1
    elif fault == "pages":
        hub.faults.small_pages = 2
    elif fault in ("busy", "broken", "spurious"):
        setattr(hub.faults, fault, 2)
    else:
        setattr(hub.faults, fault, True)
    assert weights(model(prefix)) == BIG


@pytest.mark.parametrize("prefix", BOTH)
def test_a_server_that_ignores_ranges_and_cuts_is_given_up_with_the_reason(
    prefix: str, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("suretune.hubs.wire.LONGEST_WAIT", 0.05)  # it waits six times, not 16 s
    hub.faults.no_ranges, hub.faults.cut_after, hub.faults.cuts = True, 90_000, -1
    with pytest.raises(HubError) as error:
        model(prefix)
    assert error.value.trouble == "unreachable" and error.value.host in hub.url


@pytest.mark.parametrize("prefix", BOTH)
def test_other_bytes_than_listed_are_never_kept(prefix: str, hub: FakeHub, tmp_path: Path) -> None:
    hub.faults.lies = 99
    with pytest.raises(HubError) as error:
        model(prefix)
    assert error.value.trouble == "wrong-hash"
    assert not list(tmp_path.rglob("model.safetensors"))


def test_a_blob_that_git_names_is_verified_too(hub: FakeHub) -> None:
    hub.faults.lies = 99
    with pytest.raises(HubError) as error:
        pull_model(Repo("hf", "model", "o/m"), weights=False)
    assert error.value.trouble == "wrong-hash"


def killed_at(prefix: str, most: float, piece: int = 0) -> subprocess.CompletedProcess[str]:
    """A process that fetches the model and is gone once so many bytes are here."""
    script = (
        "import os, sys\n"
        "from suretune.hubs.door import Repo\n"
        "from suretune.hubs.pull import pull_model\n"
        "from suretune.hubs import fetch, pull\n"
        "fetch.RANGE = int(sys.argv[3]) or fetch.RANGE\n"
        "class Ends(pull.Watching):\n"
        "    def arrived(self, p):\n"
        "        if p.here > float(sys.argv[2]):\n"
        "            os._exit(9)\n"
        "pull.WATCHING.set(Ends())\n"
        "repo = Repo(sys.argv[1], 'model', 'o/m')\n"
        "p = pull_model(repo, weights=True)\n"
        "print(p.snapshot.folder)\n"
    )
    return subprocess.run(
        [sys.executable, "-c", script, prefix, str(most), str(piece)],
        capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip


@pytest.mark.parametrize("prefix", BOTH)
def test_a_killed_download_goes_on_in_the_next_process(
    prefix: str, hub: FakeHub, tmp_path: Path
) -> None:
    body = random.Random(2).randbytes(3_000_000)
    hub.repos["model", "o/m"].files["model.safetensors"] = body
    told = [killed_at(prefix, most, 500_000) for most in (900_000, 2_000_000, 1e12)]
    assert [one.returncode for one in told] == [9, 9, 0], told[-1].stderr
    assert (Path(told[-1].stdout.strip()) / "model.safetensors").read_bytes() == body
    ranges = [h["Range"] for _, p, h in hub.seen if "safetensors" in p and "Range" in h]
    firsts = [int(r[6:].split("-")[0]) for r in ranges]
    assert firsts == sorted(firsts)  # what had arrived was never asked for again
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("prefix", BOTH)
def test_300_mb_come_whole_from_a_hub_that_cuts_slows_and_lies(
    prefix: str, hub: FakeHub, tmp_path: Path
) -> None:
    """Cut every 20 MB, slow, one body of other bytes; two of three processes are killed."""
    body = random.Random(3).randbytes(3_000_000) * 100
    hub.repos["model", "o/m"].files["model.safetensors"] = body
    hub.faults.cut_after, hub.faults.cuts = 20_000_000, -1
    hub.faults.slow = 0.001
    hub.faults.lies, hub.faults.lies_about = 1, "model.safetensors"
    told = [killed_at(prefix, most) for most in (100e6, 200e6, 1e12)]
    assert [one.returncode for one in told] == [9, 9, 0], told[-1].stderr
    assert hub.faults.lies == 0, "the large file was what it lied about"
    ranges = [h["Range"] for _, p, h in hub.seen if "model.safetensors" in p and "Range" in h]
    firsts = [int(asked[6:].partition("-")[0]) for asked in ranges]
    again = [n for n in range(1, len(firsts)) if firsts[n] < firsts[n - 1]]
    assert len(again) == 1 and firsts[again[0]] == 0, "once anew, for the lie, and never else"
    for passed in (firsts[: again[0]], firsts[again[0] :]):
        assert len(passed) >= len(body) // 20_000_000, "every body is cut"
        steps = [later - earlier for earlier, later in pairwise(passed)]
        assert max(steps) <= 20_000_000, "and goes on where it was cut"
    folder = Path(told[-1].stdout.strip())
    assert hashlib.sha256((folder / "model.safetensors").read_bytes()).digest() == (
        hashlib.sha256(body).digest()
    )
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("prefix", BOTH)
def test_two_processes_fetch_one_content_once(prefix: str, hub: FakeHub) -> None:
    hub.faults.slow = 0.01
    script = (
        "from suretune.hubs.door import Repo\n"
        "from suretune.hubs.pull import pull_model\n"
        f"repo = Repo({prefix!r}, 'model', 'o/m')\n"
        "pull_model(repo, weights=True)\n"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    both = [subprocess.Popen([sys.executable, "-c", script], env=env) for _ in range(2)]
    assert [one.wait(60) for one in both] == [0, 0]
    assert sum("model.safetensors" in path for path in hub.fetched()) == 1


def test_where_nobody_watches_a_terminal_a_line_is_told_now_and_then(
    hub: FakeHub, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repos["model", "o/m"].files["model.safetensors"] = BIG * 4
    hub.faults.slow = 0.05  # seconds for each of sixty-one pieces
    monkeypatch.setattr(time, "sleep", SLEEP)
    monkeypatch.setattr("suretune.cli.fetching.EVERY", 0.7)
    with watched(Fetching()):
        model("hf")
    first, *lines = capsys.readouterr().err.splitlines()
    assert "model.safetensors" in first and 1 <= len(lines) <= 4
    assert all(re.fullmatch(r"\S+ \S+ / \S+ \S+  \S+ \S+/s", line) for line in lines), lines
    with watched(Fetching()):
        model("hf")
    assert capsys.readouterr().err == "", "nothing has to be fetched"


def test_progress_tells_what_lies_here_and_what_came(hub: FakeHub) -> None:
    told: list[tuple[int, int, int]] = []

    class Told(Watching):
        def arrived(self, progress: Progress) -> None:
            told.append((progress.here, progress.arrived, progress.total))

    with watched(Told()):
        model("hf")
    size = sum(len(MODEL[p]) for p in ("config.json", "model.safetensors", "tokenizer.json"))
    assert told[-1] == (size, size, size)


# --- who asks, and who may ------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", BOTH)
def test_a_token_goes_to_the_hub_and_to_no_other_host(
    prefix: str, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("MODELSCOPE_API_TOKEN", "ms_secret")
    secret = "hf_secret" if prefix == "hf" else "ms_secret"
    with running() as other:
        other.repos.update(hub.repos)
        hub.faults.other_host = other.url
        assert weights(model(prefix)) == BIG
        assert other.seen and all(secret not in str(headers) for _, _, headers in other.seen)
    assert all(secret in str(headers) for _, _, headers in hub.seen)


@pytest.mark.parametrize("prefix", BOTH)
def test_a_password_of_an_endpoint_is_used_there_and_shown_nowhere(
    prefix: str, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "HF_ENDPOINT" if prefix == "hf" else "MODELSCOPE_ENDPOINT"
    monkeypatch.setenv(name, hub.url.replace("://", "://me:hunter2@"))
    assert weights(model(prefix)) == BIG
    basic = base64.b64encode(b"me:hunter2").decode()
    assert {headers.get("Authorization") for _, _, headers in hub.seen} == {f"Basic {basic}"}
    page = hubs()[prefix].page(Repo(prefix, "model", "o/m"))  # type: ignore[attr-defined]
    hub.faults.forbidden = True
    with pytest.raises(HubError) as error:
        model(prefix, "v9")
    hub.faults.dead = True
    with pytest.raises(HubError) as other:
        model(prefix, "v9")
    assert "hunter2" not in f"{page} {error.value} {other.value}"


@pytest.mark.skipif(find_spec("modelscope_hub") is None, reason="modelscope-hub is not installed")
def test_who_logged_in_with_modelscopes_client_needs_no_variable(
    hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of that host alone, and not after it has run out; the file is never loaded as a pickle."""
    monkeypatch.setenv("MODELSCOPE_HOME", str(tmp_path / "home"))
    script = "from modelscope_hub.config import HubConfig\nHubConfig().save_token('right')\n"
    subprocess.run([sys.executable, "-c", script], check=True)
    hub.repos["model", "o/m"].private = "right"
    assert weights(model("ms")) == BIG
    cookies = tmp_path / "home" / "credentials" / "cookies"
    assert token_of(cookies, "127.0.0.1") == "right" and token_of(cookies, "evil.cn") == ""
    monkeypatch.setattr("suretune.hubs.login.time.time", lambda: time.time_ns())
    assert token_of(cookies, "127.0.0.1") == ""
    cookies.write_bytes(b"\x80\x04garbage")
    assert token_of(cookies, "127.0.0.1") == ""


@pytest.mark.parametrize("prefix", BOTH)
def test_private_and_missing_say_the_same(
    prefix: str, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.repos["model", "o/m"].private = "right"
    with pytest.raises(HubError) as error:
        model(prefix)
    assert error.value.trouble == "missing"
    monkeypatch.setenv("HF_TOKEN" if prefix == "hf" else "MODELSCOPE_API_TOKEN", "right")
    assert weights(model(prefix)) == BIG


@pytest.mark.parametrize("gated", [True, "all"])
def test_a_gated_model_is_gated_and_not_missing(
    gated: bool | str, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether the list of its files is gated as well, or anybody may see it."""
    hub.repos["model", "o/m"].gated = gated
    with pytest.raises(HubError) as error:
        model("hf")
    assert error.value.trouble == "gated" and len(hub.seen) <= 6  # nothing is tried again
    monkeypatch.setenv("HF_TOKEN", "any")
    assert weights(model("hf")) == BIG


def test_a_token_that_is_none_any_more_is_called_so_and_not_a_missing_model(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.revoked.add("old")
    monkeypatch.setenv("HF_TOKEN", "old")
    with pytest.raises(HubError) as error:
        model("hf")
    assert error.value.trouble == "refused" and "old" not in str(error.value)


def test_a_file_that_is_gone_is_not_asked_for_again_and_again(hub: FakeHub) -> None:
    listing = hubs()["hf"].listing(Repo("hf", "model", "o/m"))
    del hub.repos["model", "o/m"].files["model.safetensors"]
    hub.seen.clear()
    with pytest.raises(HubError) as error:
        fetch(hubs()["hf"], replace(listing, files=big_of(listing)), big_of(listing), silent)
    assert error.value.trouble == "missing" and len(hub.seen) == 1


def big_of(listing: Listing) -> tuple[File, ...]:
    return tuple(file for file in listing.files if file.path == "model.safetensors")


@pytest.mark.parametrize("end", [KeyboardInterrupt(), ValueError("a listener fails")])
def test_whoever_stops_it_does_not_wait_for_the_rest(end: BaseException, hub: FakeHub) -> None:
    other = bytes(reversed(BIG))
    hub.repos["model", "o/m"].files["other.safetensors"] = other
    listing = hubs()["hf"].listing(Repo("hf", "model", "o/m"))
    hub.faults.slow = 0.05  # seconds for each of sixteen pieces
    told: list[int] = []

    def tell(progress: Progress) -> None:
        told.append(progress.here)
        if len(told) == 1:
            raise end

    both = [file for file in listing.files if file.path.endswith("safetensors")]
    with pytest.raises(type(end)):
        fetch(hubs()["hf"], listing, both, tell)
    parts = (hubs()["hf"].home(listing.repo) / ".suretune").glob("*.part")
    assert sum(part.stat().st_size for part in parts) < len(BIG)
    hub.faults.slow = 0
    assert weights(model("hf")) == BIG  # and goes on


def test_who_waits_for_what_another_process_fetches_can_be_stopped(hub: FakeHub) -> None:
    """Ctrl-C while the lock is another's: it ends at once, and the other goes on."""
    place = hubs()["hf"].home(Repo("hf", "model", "o/m")) / ".suretune"
    place.mkdir(parents=True)
    lock = place / f"{hashlib.sha256(BIG).hexdigest()}.lock"
    with lock.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        script = (
            "import signal\n"  # which a shell ignores in what it starts in the background
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
            "from suretune.hubs.door import Repo\n"
            "from suretune.hubs.pull import pull_model\n"
            "pull_model(Repo('hf', 'model', 'o/m'), weights=True)\n"
        )
        env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        waits = subprocess.Popen([sys.executable, "-c", script], env=env, stderr=subprocess.PIPE)
        small = place.parent / "snapshots" / commit_of(MODEL) / "tokenizer.json"
        end = time.monotonic() + 30
        while not small.exists() and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(0.5)
        assert waits.poll() is None, "it waits"
        waits.send_signal(signal.SIGINT)
        _, said = waits.communicate(timeout=60)
    assert waits.returncode == -signal.SIGINT and b"KeyboardInterrupt" in said
    assert not any("model.safetensors" in path for path in hub.fetched())
    assert weights(model("hf")) == BIG


def test_who_is_stopped_while_files_are_still_being_dealt_waits_for_nobody(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C between two files, of which the first waits for another process."""
    place = hubs()["hf"].home(Repo("hf", "model", "o/m")) / ".suretune"
    place.mkdir(parents=True)
    deal = fetching.ThreadPoolExecutor.submit
    dealt: list[str] = []

    def submit(pool: Any, *given: Any) -> Any:
        if "model.safetensors" in dealt:
            time.sleep(0.3)  # it waits by now
            raise KeyboardInterrupt
        dealt.append(given[3].path)
        return deal(pool, *given)

    monkeypatch.setattr(fetching.ThreadPoolExecutor, "submit", submit)
    ended: list[type[BaseException]] = []

    def pull() -> None:
        try:
            pull_model(Repo("hf", "model", "o/m"), weights=True)
        except BaseException as stopped:
            ended.append(type(stopped))

    with (place / f"{hashlib.sha256(BIG).hexdigest()}.lock").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        pulling = threading.Thread(target=pull, daemon=True)
        pulling.start()
        pulling.join(20)
        assert not pulling.is_alive(), "it waits for the lock of another"
    assert ended == [KeyboardInterrupt]


@pytest.mark.parametrize("prefix", BOTH)
def test_weights_are_hashed_once_and_again_when_anything_of_the_file_changed(
    prefix: str, hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also those that another client left: a file of the right size is not the right file."""
    monkeypatch.setattr("suretune.hubs.held.LARGE", 1000)
    path = (model(prefix).snapshot.folder / "model.safetensors").resolve()
    hashed: list[Path] = []
    is_right = File.is_right
    monkeypatch.setattr(File, "is_right", lambda f, p: hashed.append(p) or is_right(f, p))
    model(prefix)
    assert path not in hashed
    about = path.stat()
    path.write_bytes(BIG[::-1])
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))  # as if nothing had happened
    hub.seen.clear()
    assert weights(model(prefix)) == BIG
    assert path in hashed and any("model.safetensors" in one for one in hub.fetched())


@pytest.mark.parametrize("prefix", BOTH)
def test_rows_in_the_cache_are_hashed_again_before_they_are_believed(
    prefix: str, hub: FakeHub
) -> None:
    (path,) = data(prefix).files
    right = path.read_bytes()
    path.resolve().write_bytes(b"x" * len(right))
    (again,) = data(prefix).files
    assert again.read_bytes() == right


@pytest.mark.parametrize("prefix", BOTH)
def test_a_revision_that_is_not_there_is_called_so(prefix: str, hub: FakeHub) -> None:
    with pytest.raises(HubError) as error:
        model(prefix, "v9")
    assert error.value.trouble == "no-revision"


def test_a_hub_may_ask_to_wait_but_not_for_long(hub: FakeHub) -> None:
    waited: list[float] = []
    hub.faults.busy, hub.faults.retry_after = 1, 7
    patience = Patience(waited.append)
    patience.wait(HubError("busy"), "7")
    assert waited == [7.0]
    with pytest.raises(HubError):
        Patience(waited.append).wait(HubError("busy"), "3600")


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "../x", "a/../../x", "a\\b", "a\nb", "", "x" * 300]
)
def test_a_listing_cannot_write_outside_of_its_folder(path: str, hub: FakeHub) -> None:
    with pytest.raises(HubError) as error:
        check_path(path)
    assert error.value.trouble == "unsafe"
    with pytest.raises(HubError):
        Listing(Repo("hf", "model", "o/m"), "0" * 40, (File(path, 1),))


def test_a_digest_is_no_path(hub: FakeHub) -> None:
    from suretune.hubs.hf import _file

    entry = {"type": "file", "path": "a", "size": 1, "oid": "../../x", "lfs": None}
    made = _file(entry)
    assert made is not None and not made.content


# --- caches that others wrote or will read --------------------------------------------------------


def test_a_model_that_modelscopes_old_client_fetched_is_found(hub: FakeHub, tmp_path: Path) -> None:
    old = tmp_path / "ms" / "hub" / "models" / "o" / "m___1"
    old.mkdir(parents=True)
    (old / "config.json").write_bytes(b"{}")
    found = list(hubs()["ms"].cached(Repo("ms", "model", "o/m.1")))
    assert found == [("master", old)]


def test_the_branch_moves_and_the_commit_stays(hub: FakeHub) -> None:
    first = model("hf").snapshot
    hub.repos["model", "o/m"].files["model.safetensors"] = BIG[::-1]
    second = model("hf").snapshot
    assert first.commit != second.commit and weights(model("hf")) == BIG[::-1]
    assert weights(model("hf", first.commit)) == BIG


# --- which files of a dataset ---------------------------------------------------------------------


def chosen(files: Sequence[str], card: str, subsets: Sequence[str], role: str) -> list[str]:
    listed = [File(path, 1) for path in (*files, *(["README.md"] if card else []))]
    return [file.path for file in choose(listed, lambda: card, subsets, role).files]


CARDED = ["data/x.jsonl", "zh/train-1.parquet", "zh/test.parquet"]
CARD = """---
configs:
- config_name: zh
  data_files:
  - split: train
    path: zh/train-*.parquet
  - split: test
    path: zh/test.parquet
- config_name: default
  data_files: "data/*.jsonl"
---
text
"""


@pytest.mark.parametrize(
    ("files", "card", "subsets", "role", "meant"),
    [
        (["train.csv", "dataset_infos.json"], "", (), "train", ["train.csv"]),
        (["a.jsonl", "b.jsonl"], "", (), "train", ["a.jsonl", "b.jsonl"]),
        (["train.jsonl", "test.jsonl"], "", (), "train", ["train.jsonl"]),
        (["train.jsonl", "test.jsonl"], "", (), "validation", ["test.jsonl"]),
        (["data/train-0-of-1.parquet", "data/test-0-of-1.parquet"], "", (), "train",
         ["data/train-0-of-1.parquet"]),
        (CARDED, CARD, (), "train", ["data/x.jsonl"]),
        (CARDED, CARD, ("zh",), "train",
         ["zh/train-1.parquet"]),
        (CARDED, CARD, ("zh",), "validation",
         ["zh/test.parquet"]),
        (["en/train.jsonl", "zh/train.jsonl"], "", ("zh",), "train", ["zh/train.jsonl"]),
        (["load.py", "data.zip"], "", (), "train", []),
        (["my_latest_rows.jsonl", "training_notes.md"], "", (), "train", ["my_latest_rows.jsonl"]),
        (["evaluation_of_cooks.jsonl"], "", (), "train", ["evaluation_of_cooks.jsonl"]),
        (["训练集.csv", "测试集.csv"], "", (), "train", ["训练集.csv"]),
        (["训练集.csv", "软件测试数据.csv"], "", (), "train", ["训练集.csv", "软件测试数据.csv"]),
        (["train/a.csv", "软件测试数据/b.csv"], "", (), "train",
         ["train/a.csv", "软件测试数据/b.csv"]),
        (["客服训练集.csv", "客服测试数据.csv"], "", (), "train", ["客服训练集.csv"]),
        (["客服训练集.csv", "客服测试数据.csv"], "", (), "validation", ["客服测试数据.csv"]),
        (["软件测试数据/train.csv", "软件测试数据/验证集.csv"], "", (), "validation",
         ["软件测试数据/验证集.csv"]),
        ([".cache/x.json", "rows.json.gz"], "", (), "train", ["rows.json.gz"]),
    ],
)  # fmt: skip
def test_the_files_that_are_read(
    files: Sequence[str], card: str, subsets: Sequence[str], role: str, meant: Sequence[str]
) -> None:
    assert chosen(files, card, subsets, role) == list(meant)


def test_a_dataset_that_is_a_script_is_read_as_converted(hub: FakeHub) -> None:
    converted = {"default/train/0000.parquet": b"PAR1rows"}
    hub.repos["dataset", "o/d"] = Repository(
        {"d.py": b"import os", "README.md": b"x"}, {"refs/convert/parquet": converted}
    )
    pulled = data("hf")
    assert [path.name for path in pulled.files] == ["0000.parquet"]
    assert pulled.files[0].read_bytes() == b"PAR1rows"
    assert not any("d.py" in path for path in hub.fetched())
    hub.repos["dataset", "o/d"].branches.clear()
    assert data("hf").files == () and data("hf").chosen.scripts == ("d.py",)  # type: ignore[union-attr]


def test_what_is_chosen_is_shown_with_sizes_before_it_is_fetched(hub: FakeHub) -> None:
    told: list[tuple[list[tuple[str, int]], int]] = []

    class Shown(Watching):
        def chosen(self, listing: Listing, files: Sequence[File]) -> None:
            told.append(([(f.path, f.size) for f in files], len(hub.fetched())))

    with watched(Shown()):
        data("ms")
    assert told == [([("train.csv", len(ROWS))], 1)]  # the card alone was read before


def test_a_file_of_the_listing_is_fetched_under_its_own_name(hub: FakeHub) -> None:
    hub.repos["dataset", "o/d"].files = {"数据 #1?.jsonl": b"{}", "a b/c+d.jsonl": b"[]"}
    listing = hubs()["hf"].listing(Repo("hf", "dataset", "o/d"))
    snapshot = fetch(hubs()["hf"], listing, listing.files, silent)
    assert (snapshot.folder / "数据 #1?.jsonl").read_bytes() == b"{}"
    assert (snapshot.folder / "a b" / "c+d.jsonl").read_bytes() == b"[]"
