"""The run folder: the only state that stages share.

    config.yaml     resolved, every value with its origin     checkpoints/step-000040/
    ledger.jsonl    every row and what became of it           adapter/   self-contained
    plan.json  findings.jsonl  probes.jsonl  answers.jsonl    report.html  report.md  report.json
    steps.jsonl  evals.jsonl  events.jsonl                    VERIFIED.json  the seal, written last
    last  best      JSON pointers to checkpoints

A file is either complete or absent: written under a temporary name, flushed to the disk, renamed.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import threading
from collections.abc import Collection, Generator, Iterable, Iterator, Mapping
from concurrent.futures import CancelledError, ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from suretune.because import in_words
from suretune.types import Text

SEAL = "VERIFIED.json"
MANIFEST = "MANIFEST.json"
NEWEST = "newest"  # in a folder of runs
ADAPTER, MODEL = "adapter", "model"  # of a run: what it made, of one kind or the other
MADE = (ADAPTER, MODEL)
TRACKERS = "trackers"  # what trackers keep of a run, which may be fed after its seal
BESIDE = min(4, os.cpu_count() or 1)  # files that are hashed at the same time


class Damaged(ValueError):
    """A file of ours that is there and does not hold what was written into it."""

    def __init__(self, path: Path, why: Text | BaseException) -> None:
        self.path, self.why = path, why if isinstance(why, Text) else in_words(why)
        super().__init__(f"{path.name}: {self.why.en}")


class OtherKind(Damaged):
    """A file of ours that is whole, and holds what another version keeps in it."""


def dumps(value: Any) -> bytes:
    """JSON as this project writes it: UTF-8, keys in the order given, NaN as null."""
    return orjson.dumps(
        value,
        default=str,
        option=orjson.OPT_NON_STR_KEYS,
    )


def write(path: Path, data: bytes) -> None:
    """Write-then-rename; the file is on the disk when this returns."""
    part = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.part")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    sync(path.parent)


def write_json(path: Path, value: Any) -> None:
    """Write a value as indented JSON, whole or not at all."""
    write(path, orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2) + b"\n")


def write_jsonl(path: Path, values: Iterable[Any]) -> None:
    """Write values as lines of JSON, whole or not at all."""
    write(path, b"".join(dumps(value) + b"\n" for value in values))


def append(path: Path, value: Any) -> None:
    """One line at the end, in one write: a reader never sees half of it, a kill loses no other."""
    line = dumps(value) + b"\n"
    handle = os.open(
        path,
        os.O_WRONLY | os.O_CREAT | os.O_APPEND,
        0o644,
    )
    try:
        while line:  # a full disk may take a part first, then refuse
            line = line[os.write(handle, line) :]
    finally:
        os.close(handle)


def read_json(path: Path) -> Any:
    """A mapping that `write_json` wrote, or `Damaged`."""
    try:
        value = orjson.loads(path.read_bytes())
    except (FileNotFoundError, ValueError) as error:
        raise Damaged(path, error) from error
    if not isinstance(value, dict):
        raise Damaged(
            path,
            Text(
                f"a {type(value).__name__} in place of an object",
                f"应当是 JSON 对象，却是 {type(value).__name__}",
            ),
        )
    return value


def recorded(path: Path, *keys: str) -> Any:
    """What a JSON file says under these keys, one inside the other."""
    value = read_json(path)
    for key in keys:
        if not isinstance(value, dict) or key not in value:
            raise Damaged(path, Text(f"{key} is missing", f"缺少 {key}"))
        value = value[key]
    return value


def read_jsonl(path: Path) -> Iterator[Any]:
    """The complete lines of a file; a last line that a kill cut short is not one."""
    if not path.exists():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if line.endswith(b"\n"):
                try:
                    yield orjson.loads(line)
                except orjson.JSONDecodeError as error:
                    why = in_words(error)
                    why = Text(f"line {number}: {why.en}", f"第 {number} 行：{why.zh}")
                    raise Damaged(path, why) from error


def sync(folder: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def flush(files: Iterable[Path]) -> None:
    """Make files durable that others have written, with their names."""
    folders = set()
    for path in files:
        with path.open("rb") as file:
            os.fsync(file.fileno())
        folders.add(path.parent)
    for folder in folders:
        sync(folder)


def make_folder(folder: Path) -> None:
    """A folder whose name is on the disk when this returns, and those above it."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync(folder.parent)


class Written(NamedTuple):
    """What was written into a file: how many bytes, and their digest."""

    size: int
    sha256: str


def sha256(path: Path, stopped: threading.Event | None = None) -> str:
    """The digest of a file, in hexadecimal; CancelledError when nobody waits for it any more."""
    digest = hashlib.sha256()
    block = memoryview(bytearray(1 << 20))
    with path.open("rb", buffering=0) as file:
        while count := file.readinto(block):
            if stopped and stopped.is_set():
                raise CancelledError
            digest.update(block[:count])
    return digest.hexdigest()


def sha256_each(paths: Iterable[Path]) -> Generator[str]:
    """The digests of files in their order, some of them hashed side by side; what is wrong with a
    file is raised at its turn."""
    stopped = threading.Event()
    with ThreadPoolExecutor(BESIDE) as pool:
        try:
            yield from pool.map(lambda path: sha256(path, stopped), paths)
        finally:
            stopped.set()


def digests(folder: Path, names: Collection[str]) -> dict[str, str]:
    """Those of a folder's files, by their names."""
    return dict(zip(names, sha256_each(folder / name for name in names), strict=True))


def digest_of(value: Any) -> str:
    """SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(
        orjson.dumps(value, default=str, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)
    ).hexdigest()


# --- where a run goes ---------------------------------------------------------------------------


def new_run(output_dir: str) -> Path:
    """`output_dir` itself when that name is new, else the next numbered folder in it.

    The default, `runs`, is always a folder of runs. A folder that is a run stays that run: what is
    made in it goes by its own name.
    """
    folder = Path(output_dir).expanduser().absolute()
    if not folder.exists() and output_dir != "runs":
        make_folder(folder)
        return folder
    make_folder(folder)
    taken = [int(name) for path in folder.glob("run-*") if (name := path.name[4:]).isdigit()]
    run = _make_next(folder, max(taken, default=0) + 1)
    if not is_begun(folder):
        write_json(folder / NEWEST, {"run": run.name})
    return run


def _make_next(folder: Path, number: int) -> Path:
    """The first numbered folder from `number` on that nobody else makes at this moment."""
    for later in range(number, number + 1000):
        run = folder / f"run-{later:04d}"
        with suppress(FileExistsError):
            run.mkdir()
            return run
    raise FileExistsError(
        errno.EEXIST,
        os.strerror(errno.EEXIST),
        str(folder / "run-*"),
    )


def is_begun(folder: Path) -> bool:
    """Whether a run was begun in this very folder, or what it made lies there."""
    marks = ("run.json", SEAL, "adapter/adapter_config.json")
    return any((folder / mark).is_file() for mark in marks)


def is_run(folder: Path) -> bool:
    """Whether a folder is a run itself, finished or not, whatever else it holds.

    One that was stopped before it began has its report, and gives way to a run that is made in it.
    """
    stopped = all((folder / name).is_file() for name in ("findings.jsonl", "report.json"))
    return is_begun(folder) or (stopped and not (folder / NEWEST).is_file())


def runs_in(folder: Path) -> list[Path]:
    """The runs that lie directly in a folder, the newest, as far as that is known, last."""
    found = sorted(path for path in folder.iterdir() if is_run(path))
    newest = folder / NEWEST
    if newest.is_file():
        last = str(recorded(newest, "run"))
        found.sort(key=lambda path: path.name == last)
    return found


def checkpoints(run: Path) -> list[tuple[int, Path]]:
    """(step, folder) of every complete checkpoint, oldest first. Time stamps are not looked at."""
    found = []
    for path in (run / "checkpoints").glob("step-*"):
        if path.name[5:].isdigit() and (path / MANIFEST).exists():
            found.append((int(path.name[5:]), path))
    return sorted(found)


def point(
    run: Path,
    name: str,
    checkpoint: Path,
    **about: Any,
) -> None:
    """Let `last` or `best` point to a checkpoint."""
    write_json(run / name, {"checkpoint": f"checkpoints/{checkpoint.name}", **about})


def pointed(run: Path, name: str) -> Path | None:
    """The checkpoint that `last` or `best` points to, if it is still there."""
    pointer = run / name
    if not pointer.is_file():
        return None
    target = run / str(recorded(pointer, "checkpoint"))
    return target if (target / MANIFEST).exists() else None


def write_manifest(
    folder: Path,
    written: Mapping[str, Written] | None = None,
    **about: Any,
) -> None:
    """List every file of a folder with its size and hash; with it the folder counts as complete.

    Files that were hashed as they were `written` are not read again. OSError where one of these is
    not there in full.
    """
    there = [path for path in sorted(folder.iterdir()) if path.is_file() and path.name != MANIFEST]
    sizes = {path.name: path.stat().st_size for path in there}
    known = dict(written or {})
    for name, each in known.items():
        if sizes.get(name) != each.size:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(folder / name))
    for name, digest in digests(folder, sizes.keys() - known.keys()).items():
        known[name] = Written(sizes[name], digest)
    flush(there)
    files = {name: known[name]._asdict() for name in sizes}
    write_json(folder / MANIFEST, {**about, "files": files})


def named(name: str, wrong: Text) -> Text:
    """What is wrong with a file, behind its name."""
    return Text(f"{name}: {wrong.en}", f"{name}：{wrong.zh}")


GONE = Text("is gone", "不见了")
CHANGED = Text("its contents changed", "内容变了")


def damage(folder: Path) -> Text | None:
    """What is wrong with a folder that has a manifest, in one line; None when nothing is."""
    try:
        files: Mapping[str, Any] = recorded(folder / MANIFEST, "files")
        sizes = {name: (each["size"], each["sha256"]) for name, each in files.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        return named(MANIFEST, in_words(error))
    digests, wrong = dict[str, str](), None
    for name, (size, digest) in sizes.items():  # up to one that need not be read to be told
        if found := _not_in_full(folder / name, size):
            wrong = named(name, found)
            break
        digests[name] = digest
    with closing(sha256_each(folder / name for name in digests)) as each_there:
        for (name, digest), there in zip(digests.items(), each_there, strict=True):
            if there != digest:
                return named(name, CHANGED)
    return wrong


def _not_in_full(path: Path, size: int) -> Text | None:
    if not path.is_file():
        return GONE
    there = path.stat().st_size
    en = f"{there:,} bytes, {size:,} were written"
    zh = f"现有 {there:,} 字节，写入时有 {size:,} 字节"
    return Text(en, zh) if there != size else None


def publish(temporary: Path, final: Path) -> None:
    """Give a finished folder its name. A folder that already has it is replaced."""
    if final.exists():
        trash = _trash_of(final)
        os.rename(final, trash)
        os.rename(temporary, final)
        shutil.rmtree(trash)
    else:
        os.rename(temporary, final)
    sync(final.parent)


def discard(folder: Path) -> None:
    """Remove a folder that counts: gone by name first, so that no half of it is ever seen."""
    trash = _trash_of(folder)
    os.rename(folder, trash)
    shutil.rmtree(trash)


def _trash_of(folder: Path) -> Path:
    return folder.with_name(f".trash-{folder.name}-{os.getpid()}")


def sweep(folder: Path) -> None:
    """Remove what a killed process left under temporary names."""
    for path in (*folder.glob(".tmp-*"), *folder.glob(".trash-*")):
        shutil.rmtree(path, ignore_errors=False)


def is_whole(path: Path) -> bool:
    """Whether a model whose own weights a run trained lies there; an adapter's folder is none."""
    names = ("config.json", "suretune.json")
    whole = all((path / name).is_file() for name in names)
    return whole and not (path / "adapter_config.json").is_file()


def is_trained(path: Path) -> bool:
    """Whether an adapter, or a model that a run trained, lies there."""
    return (path / "adapter_config.json").is_file() or is_whole(path)


def published(run: Path) -> Path:
    """Where a run lays what it proved: an adapter, or the model that full training makes."""
    return run / MODEL if (run / MODEL).is_dir() else run / ADAPTER


def find_adapter(path: Path, choice: str | None = None) -> Path | None:
    """The folder of an adapter, or of a trained model, that a run, a checkpoint or such a folder
    means.

    `choice` is best, last or a step; without it a run gives its proven adapter, else its best
    checkpoint, else its last.
    """
    if choice is None and is_trained(path):
        return path
    if choice is None and is_trained(published(path)):
        return published(path)
    if choice in ("best", "last"):
        found = pointed(path, choice)
    elif choice is not None:
        found = dict(checkpoints(path)).get(int(choice)) if choice.isdigit() else None
    else:
        found = pointed(path, "best") or pointed(path, "last")
    return found
