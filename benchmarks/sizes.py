"""What pip installs for suretune, for each of its extras, and for its peers: packages and MiB.

    python benchmarks/sizes.py [--only suretune trl ...] [--pip PYTHON]

Nothing is installed: `pip install --dry-run --report` names the packages, a wheel's own directory
of contents says what it holds unpacked (compiled files, which Python writes later, aside), and of a
wheel that lies elsewhere only that directory is fetched. `--pip`: the Python of a fresh environment
without packages. What is named anew is measured anew, the rest of benchmarks/results/sizes.json
stays; `python tests/draw_documents.py` makes the tables of docs/trackers.md of it.
"""

from __future__ import annotations

import argparse
import io
import json
import platform
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import Request, urlopen

import tomllib

HERE = Path(__file__).resolve().parent
RESULTS = HERE / "results" / "sizes.json"
CORE = "suretune"
PEERS = {  # as their own pages have it, for LoRA on one card
    "trl": "trl[peft]", "ms-swift": "ms-swift", "llamafactory": "llamafactory",
    "unsloth": "unsloth", "axolotl": "axolotl",
}  # fmt: skip
NOT_AN_EXTRA = {"test"}  # of users
CUDA = ("nvidia-", "cuda-", "triton")  # what torch brings on Linux, whoever asks for torch
TAIL = 2**18  # bytes of a wheel's end that hold most directories of contents
SECONDS = 900
MIB = 2**20


class Wheel(io.RawIOBase):
    """A wheel behind an address, of which only what is read is fetched."""

    def __init__(self, url: str) -> None:
        self._url, self._at = url, 0
        with urlopen(Request(url, method="HEAD"), timeout=SECONDS) as reply:
            self.size = int(reply.headers["Content-Length"])
        self._begin = max(0, self.size - TAIL)
        self._tail = self._fetched(self._begin, self.size)

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self.size}[whence]
        return self._at

    def read(self, size: int = -1) -> bytes:
        end = self.size if size < 0 else min(self.size, self._at + size)
        if self._at >= self._begin:
            found = self._tail[self._at - self._begin : end - self._begin]
        else:
            found = self._fetched(self._at, end)
        self._at = end
        return found

    def _fetched(self, begin: int, end: int) -> bytes:
        asked = Request(self._url, headers={"Range": f"bytes={begin}-{end - 1}"})
        with urlopen(asked, timeout=SECONDS) as reply:
            found: bytes = reply.read()
        return found if len(found) == end - begin else found[begin:end]


@cache
def sizes(url: str) -> tuple[int, int]:
    """Bytes that are downloaded, and bytes that lie there afterwards."""
    parts = urlsplit(url)
    if parts.path.endswith((".whl", ".zip")):
        path = Path(unquote(parts.path))
        file: Any = path.open("rb") if parts.scheme == "file" else Wheel(url)
        with file, zipfile.ZipFile(file) as archive:
            size = path.stat().st_size if parts.scheme == "file" else file.size
            return size, sum(item.file_size for item in archive.infolist())
    with urlopen(url, timeout=SECONDS) as reply:  # another source archive: small, and read whole
        data = reply.read()
    with tarfile.open(fileobj=io.BytesIO(data)) as contents:
        return len(data), sum(item.size for item in contents.getmembers())


def resolved(python: str, wanted: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Name -> (version, address) of all that pip would install. RuntimeError says why not."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [python, "-m", "pip", "install", "--dry-run", "--ignore-installed", "-q"]
        done = subprocess.run(
            [*command, "--report", str(report), *wanted], capture_output=True, text=True
        )
        if done.returncode:
            said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            raise RuntimeError(said[-1] if said else f"exit status {done.returncode}")
        found = json.loads(report.read_text("utf-8"))["install"]
    return {
        one["metadata"]["name"].lower().replace("_", "-"): (
            one["metadata"]["version"],
            one["download_info"]["url"],
        )
        for one in found
    }


@cache
def own_wheel(python: str) -> tuple[str, tuple[int, int]]:
    """(version, sizes) of suretune itself, which is an install's package like any other."""
    with tempfile.TemporaryDirectory() as folder:
        command = [python, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, str(HERE.parent)]
        subprocess.run(command, check=True, capture_output=True)
        [wheel] = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as contents:
            unpacked = sum(item.file_size for item in contents.infolist())
        return wheel.name.split("-")[1], (wheel.stat().st_size, unpacked)


def measured(python: str, asked: list[str], core: set[str], *, ours: bool) -> dict[str, Any]:
    """What an install is: packages, MiB, and the part of it that suretune alone has not. `ours`:
    suretune with what it depends on."""
    try:
        found = resolved(python, asked)
    except RuntimeError as error:
        return {"refused": str(error)}
    bytes_of = {name: sizes(url) for name, (_, url) in found.items()}
    if ours:
        found[CORE] = (own_wheel(python)[0], "")
        bytes_of[CORE] = own_wheel(python)[1]

    def summed(names: Iterable[str]) -> dict[str, Any]:
        chosen = [bytes_of[name] for name in names]
        down, there = (round(sum(column) / MIB, 1) for column in zip((0, 0), *chosen, strict=True))
        return {"packages": len(chosen), "download_mib": down, "unpacked_mib": there}

    return {
        **summed(found),
        "cuda": summed(name for name in found if name.startswith(CUDA)),
        "more": summed(name for name in found if name not in core),
        "versions": " ".join(f"{name}=={version}" for name, (version, _) in sorted(found.items())),
    }


def requirements() -> dict[str, list[str]]:
    """Install -> what pip is asked for: suretune, suretune with an extra, the peers."""
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text("utf-8"))["project"]
    core: list[str] = project["dependencies"]
    extras: Mapping[str, list[str]] = project["optional-dependencies"]
    ours = {k: [*core, *v] for k, v in extras.items() if k not in NOT_AN_EXTRA}
    return {CORE: core, **ours, **{name: [asked] for name, asked in PEERS.items()}}


def main() -> None:
    """Measure what is named, or all; every line is kept as soon as it is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=list(requirements()))
    parser.add_argument("--pip", default=sys.executable, metavar="PYTHON")
    asked = parser.parse_args()
    kept = json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else {}
    rows: dict[str, Any] = kept.get("installs", {})
    for name, wanted in requirements().items():
        if name not in asked.only:
            continue
        core = {one.partition("==")[0] for one in rows.get(CORE, {}).get("versions", "").split()}
        rows[name] = {"asked": wanted, **measured(asked.pip, wanted, core, ours=name not in PEERS)}
        told = {k: v for k, v in rows[name].items() if k not in ("asked", "versions")}
        print(name, json.dumps(told), flush=True)
        about = {
            "date": datetime.now(timezone.utc).date().isoformat(),
            "python": platform.python_version(),
            "platform": f"{platform.system()} {platform.machine()}",
            "installs": {one: rows[one] for one in requirements() if one in rows},
        }
        RESULTS.write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
