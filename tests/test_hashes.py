"""What is hashed while it is written, and files that are hashed side by side: the same digests,
errors and sentences as one after the other."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from suretune import rundir
from suretune.model import tensor_file
from suretune.model.tensor_file import Coming, write_tensors
from suretune.rundir import Written
from suretune.train import checkpoint
from suretune.train.loop import Applied, train
from suretune.types import Sample, Text
from test_full import checked, samples, whole_learner

__all__ = ["checked", "samples"]  # fixtures


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    before = set(threading.enumerate())
    yield
    assert set(threading.enumerate()) <= before


def read(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def bits(tensor: Tensor) -> tuple[Any, ...]:
    numbers = tensor.contiguous().view(-1).view(torch.uint8)
    return tensor.dtype, tuple(tensor.shape), numbers.numpy().tobytes()


OTHERS = ("small", "double", "signs", "eighth", "marks")


def many() -> dict[str, Tensor]:
    torch.manual_seed(0)
    flat = torch.randn(3000)
    return {
        "wide": flat[:15].view(3, 5), "sliced": flat[7:2007], "turned": flat[:900].view(30, 30).T,
        "half": flat.bfloat16(), "small": flat.half()[1:], "double": flat[:77].double(),
        "codes": torch.arange(9).byte(), "signs": torch.arange(-4, 5).to(torch.int8),
        "eighth": flat[:33].to(torch.float8_e4m3fn), "marks": flat[:5] > 0,
        "step": torch.zeros(()), "none": torch.zeros(0, 3), "long": torch.arange(4),
    }  # fmt: skip


@pytest.mark.parametrize("at_once", [64, 1 << 10, 1 << 26])
def test_a_file_is_hashed_while_it_is_written(
    at_once: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes that safetensors writes, their number and their digest, however many parts."""
    monkeypatch.setattr(tensor_file, "AT_ONCE", at_once)
    tensors = many()
    late = {
        name: Coming(t.dtype, tuple(t.shape), t.clone) if name in ("half", "none", "turned") else t
        for name, t in tensors.items()
    }
    told = write_tensors(late, tmp_path / "all")
    assert told == ((tmp_path / "all").stat().st_size, read(tmp_path / "all"))
    there = load_file(tmp_path / "all")
    assert {name: bits(t) for name, t in there.items()} == {n: bits(t) for n, t in tensors.items()}
    for name in OTHERS:  # of two types of the same width safetensors has its own order
        del tensors[name], late[name]
    for metadata in (None, {"format": "pt"}):
        whole = {name: t.contiguous().clone() for name, t in tensors.items()}
        save_file(whole, tmp_path / "a", metadata=metadata)
        told = write_tensors(late, tmp_path / "b", metadata)
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
        assert told == ((tmp_path / "a").stat().st_size, read(tmp_path / "a"))
    assert write_tensors({}, tmp_path / "c") == (8 + 8, read(tmp_path / "c"))


def test_parts_wait_for_whoever_hashes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory is bounded: the next part but one is not got before the first is hashed."""
    hashed, got = [0], [0]

    class Slow:
        def __init__(self, start: bytes = b"") -> None:
            self.real = hashlib.sha256(start)
            self.hexdigest = self.real.hexdigest

        def update(self, part: Any) -> None:
            threading.Event().wait(0.01)
            self.real.update(part)
            hashed[0] += len(part) == 64

    def coming() -> Tensor:
        assert got[0] - hashed[0] <= 2
        got[0] += 1
        return torch.full((16,), float(got[0]))

    monkeypatch.setattr(tensor_file, "sha256", Slow)
    tensors = {f"{n:02}": Coming(torch.float32, (16,), coming) for n in range(12)}
    told = write_tensors(tensors, tmp_path / "a")
    assert got == hashed == [12] and told.sha256 == read(tmp_path / "a")


def test_what_fails_beside_the_writing_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the thread that hashes, and on a disk that takes no more."""

    class Failing:
        def update(self, part: Any) -> None:
            raise MemoryError("no room for a digest")

    with monkeypatch.context() as patch:
        patch.setattr(tensor_file, "sha256", Failing)
        with pytest.raises(MemoryError, match="no room"):
            write_tensors(many(), tmp_path / "a")
    with pytest.raises(OSError, match="No space left"):
        write_tensors({"a": torch.zeros(1 << 20)}, Path("/dev/full"))


@pytest.mark.parametrize("ends", [True, False])
def test_a_checkpoint_is_not_read_again(
    ends: bool, checked: Any, samples: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its manifest has the digests of all files, and its tensors were hashed on the way."""
    learner, again = whole_learner(dtype="bfloat16"), list[str]()
    next(e for e in train(learner, samples, checked.plan, 0) if isinstance(e, Applied))
    plain = rundir.sha256

    def counted(path: Path, *more: Any) -> str:
        again.append(path.name)
        return plain(path, *more)

    monkeypatch.setattr(rundir, "sha256", counted)
    saved = checkpoint.save(tmp_path, 1, learner, lambda folder, step: None, {}, ends=ends)
    assert again and not [name for name in again if name.endswith(".safetensors")]
    files = rundir.read_json(saved / rundir.MANIFEST)["files"]
    there = sorted(path for path in saved.iterdir() if path.name != rundir.MANIFEST)
    assert (checkpoint.SNAPSHOT in files) != ends and checkpoint.OPTIMIZER in files
    assert list(files.items()) == [
        (path.name, {"size": path.stat().st_size, "sha256": read(path)}) for path in there
    ]
    assert rundir.damage(saved) is None


def test_an_error_amid_a_checkpoint_leaves_nothing(
    checked: Any, samples: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learner = whole_learner(dtype="bfloat16")
    next(e for e in train(learner, samples, checked.plan, 0) if isinstance(e, Applied))
    state = learner.adapters.state()

    def fails() -> Tensor:
        raise RuntimeError("the other process is gone")

    half = {**state, list(state)[len(state) // 2]: Coming(torch.float32, (3,), fails)}
    monkeypatch.setattr(learner.adapters, "state", lambda: half)
    with pytest.raises(RuntimeError, match="is gone"):
        checkpoint.save(tmp_path, 1, learner, lambda folder, step: None, {})
    assert not list((tmp_path / "checkpoints").iterdir())


@pytest.mark.parametrize(
    "change", [lambda path: path.write_bytes(path.read_bytes()[:-1]), lambda path: path.unlink()]
)
def test_a_file_that_lost_bytes_since_gets_no_manifest(
    change: Callable[[Path], None], tmp_path: Path
) -> None:
    known = {"a": write_tensors(many(), tmp_path / "a")}
    (tmp_path / "b").write_bytes(b"2")
    change(tmp_path / "a")
    with pytest.raises(OSError, match="Input/output error"):
        rundir.write_manifest(tmp_path, known, step=1)
    assert not (tmp_path / rundir.MANIFEST).exists()


def test_a_manifest_is_the_same_whoever_hashes(tmp_path: Path) -> None:
    known = {"c": write_tensors(many(), tmp_path / "c")}
    for name in "badfegh":
        (tmp_path / name).write_bytes(name.encode() * 100_000)
    rundir.write_manifest(tmp_path, step=1)
    before = (tmp_path / rundir.MANIFEST).read_bytes()
    rundir.write_manifest(tmp_path, known, step=1)
    assert (tmp_path / rundir.MANIFEST).read_bytes() == before
    assert list(rundir.read_json(tmp_path / rundir.MANIFEST)["files"]) == list("abcdefgh")
    rundir.write_manifest(tmp_path, {"c": Written(known["c"].size, "0" * 64)})
    assert rundir.damage(tmp_path) == rundir.named("c", rundir.CHANGED)  # what was meant counts


def changed(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1] + b"?")


def shorter(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


BYTES = Text("99 bytes, 100 were written", "现有 99 字节，写入时有 100 字节")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, None),
        ({"e": changed, "b": changed}, rundir.named("b", rundir.CHANGED)),
        ({"b": changed, "a": shorter}, rundir.named("a", BYTES)),
        ({"b": changed, "c": Path.unlink}, rundir.named("b", rundir.CHANGED)),
        ({"b": Path.unlink, "c": changed}, rundir.named("b", rundir.GONE)),
        ({"d": shorter, "h": changed}, rundir.named("d", BYTES)),
        ({"h": changed}, rundir.named("h", rundir.CHANGED)),
    ],
)
def test_the_first_damaged_file_is_told(
    changes: dict[str, Callable[[Path], None]], told: Text | None, tmp_path: Path
) -> None:
    """By the order of the manifest, whichever is hashed first."""
    for name in "abcdefgh":
        (tmp_path / name).write_bytes(name.encode() * 100)
    (tmp_path / "a").write_bytes(b"a" * 100)
    rundir.write_manifest(tmp_path)
    for name, change in changes.items():
        change(tmp_path / name)
    assert rundir.damage(tmp_path) == told


def test_digests_come_in_the_order_of_files_and_so_do_errors(tmp_path: Path) -> None:
    paths = [tmp_path / f"{n}" for n in range(9)]
    for n, path in enumerate(paths):
        path.write_bytes(bytes([n]) * (3_000_000 - 300_000 * n))
    assert list(rundir.sha256_each(paths)) == [read(path) for path in paths]
    assert not list(rundir.sha256_each([]))
    paths[3].unlink()
    found = rundir.sha256_each(paths)
    assert [next(found) for _ in range(3)] == [read(path) for path in paths[:3]]
    with pytest.raises(FileNotFoundError):
        next(found)


def test_whoever_needs_no_more_digests_does_not_wait_for_them(
    tmp_path: Path,
) -> None:
    """A second signal ends a process in the midst of files of many gigabytes."""
    (tmp_path / "a").write_bytes(b"a")
    with (tmp_path / "b").open("wb") as file:
        file.truncate(1 << 36)  # a minute
    found, begun = rundir.sha256_each([tmp_path / "a", tmp_path / "b"]), time.monotonic()
    assert next(found) == read(tmp_path / "a")
    found.close()
    assert time.monotonic() - begun < 10
