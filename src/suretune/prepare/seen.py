"""What this machine is, found without trusting any of it: each look has its own end and its own
time, and what cannot be found is unknown, not an error. No torch is imported here."""

from __future__ import annotations

import http.client
import importlib.util
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from suretune.because import in_words
from suretune.preflight.machine import NEEDS
from suretune.words import say

HUBS = ("https://huggingface.co", "https://hf-mirror.com", "https://modelscope.cn")
SECONDS, ALL_SECONDS, SMI_SECONDS, TORCH_SECONDS = 3.0, 5.0, 8.0, 90.0
SMI = ("name", "memory.total", "memory.free", "driver_version")
MIB = 2**20
ASK_TORCH = """
import json, torch
there = torch.cuda.is_available()
bf16 = there and torch.cuda.is_bf16_supported(including_emulation=False)
print(json.dumps({"sees": there, "bf16": bf16}))
"""


@dataclass(frozen=True, slots=True)
class Card:
    """A GPU as its driver tells it; bytes, None where it does not say."""

    name: str
    total: int | None
    free: int | None


@dataclass(frozen=True, slots=True)
class Seen:
    """Everything that was found. Bytes; None where it could not be found."""

    python: str
    system: str
    cores: int
    memory: int | None  # that this process may still take
    packages: dict[str, str]  # of those that are needed; empty: not installed
    cards: tuple[Card, ...]
    driver: str
    driver_trouble: str  # in its own words, where nvidia-smi is there and fails
    torch_cuda: str  # of the build; empty: for the CPU
    torch_trouble: str  # in its own words, where torch cannot be imported
    torch_sees: bool | None
    bf16: bool | None
    disk: int | None  # free, in the current folder
    writable: bool  # the current folder
    cache: str  # where models are kept
    cache_free: int | None
    cache_writable: bool
    offline: bool  # asked for, by HF_HUB_OFFLINE
    hubs: dict[str, bool]


def look() -> Seen:
    """Look at all of it; some five seconds, whatever the network does."""
    asked = _hubs_asked()
    answers: dict[str, bool] = {}
    workers = [threading.Thread(target=_reach, args=(url, answers), daemon=True) for url in asked]
    for worker in workers:
        worker.start()
    cards, driver, trouble = _nvidia()
    packages = {name: _version(name) for name in NEEDS}
    torch = _torch() if packages["torch"] else {}
    cache = _cache()
    for worker in workers:
        worker.join(ALL_SECONDS / len(workers))
    built = _built_for() if packages["torch"] else ""
    troubles = torch.get("trouble", ""), torch.get("sees"), torch.get("bf16")
    where = platform.python_version(), platform.platform(terse=True), os.cpu_count() or 1
    found = (*where, _memory(), packages, cards, driver, trouble, built, *troubles)
    reached = {url: answers.get(url, False) for url in asked}
    return Seen(
        *found,
        *_room("."),
        cache,
        *_room(cache),
        _offline(),
        reached,
    )


def _version(name: str) -> str:
    try:
        return version(name) or ""
    except PackageNotFoundError:
        return ""


def _said(words: Sequence[str], seconds: float) -> tuple[str, str]:
    """(stdout, or what went wrong in one line) of a command."""
    try:
        done = subprocess.run(
            words,
            capture_output=True,
            timeout=seconds,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except subprocess.TimeoutExpired:
        return "", f"no answer within {seconds:.0f} s"
    except (OSError, ValueError) as error:
        return "", say(in_words(error))
    out, err = (text.decode("utf-8", "replace").strip() for text in (done.stdout, done.stderr))
    if done.returncode:
        last = (err or out).splitlines()[-1:] or [f"exit status {done.returncode}"]
        return "", last[0]
    return out, ""


def _nvidia() -> tuple[tuple[Card, ...], str, str]:
    """(cards, driver, trouble) from nvidia-smi; nothing where there is none."""
    found = shutil.which("nvidia-smi")
    if found is None:
        return (), "", ""
    query = f"--query-gpu={','.join(SMI)}"
    out, trouble = _said([found, query, "--format=csv,noheader,nounits"], SMI_SECONDS)
    cards, driver = [], ""
    for line in out.splitlines():
        parts = [part.strip() for part in line.rsplit(",", len(SMI) - 1)]
        if len(parts) == len(SMI):
            cards.append(Card(parts[0], _mib(parts[1]), _mib(parts[2])))
            driver = parts[3]
    if not cards and not trouble:
        trouble = out.splitlines()[0][:80] if out else "no card is listed"
    return tuple(cards), driver, trouble


def _mib(text: str) -> int | None:
    return int(text) * MIB if text.isdecimal() else None


def _built_for() -> str:
    """The CUDA version of torch's build, read and not imported; empty for the CPU's."""
    try:
        spec = importlib.util.find_spec("torch")
        told = Path(spec.origin or "").with_name("version.py").read_text("utf-8") if spec else ""
    except (OSError, ValueError, ImportError):
        return ""
    found = re.search(
        r"^cuda\b[^=]*=\s*['\"]([\d.]+)['\"]",
        told,
        re.M,
    )
    return found[1] if found else ""


def _torch() -> dict[str, Any]:
    """What torch itself says, in a process that may die of it."""
    out, trouble = _said([sys.executable, "-c", ASK_TORCH], TORCH_SECONDS)
    try:
        told = json.loads(out.splitlines()[-1]) if out else {}
    except ValueError:
        told = {}
    return told if isinstance(told, dict) and told else {"trouble": trouble or "no answer"}


def _memory() -> int | None:
    """Memory that is free, within what the container allows."""
    try:
        told = Path("/proc/meminfo").read_text("utf-8")
        found = re.search(r"^MemAvailable:\s*(\d+) kB", told, re.M)
        free = int(found[1]) * 1024 if found else None
    except OSError:
        return None
    names = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
    limits = [int(text) for text in _texts(names) if text.isdecimal()]
    return min([*limits, free]) if free is not None else None


def _texts(paths: Iterable[str]) -> Iterable[str]:
    for path in paths:
        try:
            yield Path(path).read_text("utf-8").strip()
        except OSError:  # there is no such limit
            continue


def _cache() -> str:
    """Where the hub's library keeps models."""
    named = os.environ.get("HF_HUB_CACHE") or os.environ.get("HF_HOME")
    return os.path.expanduser(named or "~/.cache/huggingface")


def _room(folder: str) -> tuple[int | None, bool]:
    """(free bytes, whether one may write) at a folder, or the nearest above it that exists."""
    try:
        place = Path(folder).absolute()
        while not place.exists() and place != place.parent:
            place = place.parent
        return shutil.disk_usage(place).free, os.access(place, os.W_OK)
    except (OSError, ValueError):
        return None, False


def _offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on")


def _hubs_asked() -> list[str]:
    """The hubs that are tried: HF_ENDPOINT first, where it is set; none where that was asked."""
    named = os.environ.get("HF_ENDPOINT", "").strip().rstrip("/")
    return [] if _offline() else list(dict.fromkeys([*([named] if named else []), *HUBS]))


def _reach(url: str, answers: dict[str, bool]) -> None:
    """Whether a server answers at all; what it answers does not matter."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=SECONDS):
            answers[url] = True
    except urllib.error.HTTPError:
        answers[url] = True
    except (OSError, ValueError, http.client.HTTPException):
        answers[url] = False
