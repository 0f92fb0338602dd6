"""Runs of the command line in forked children: the large libraries are imported once.

A child is a process of its own with its own standard streams. One thing differs from a shell: the
proof process is forked, too, at the moment when it would have been started, which is before the
base is loaded. Its libraries are imported already; of the training it knows nothing.
"""

from __future__ import annotations

import json
import os
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from suretune.data.base import Base

ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "SURETUNE_LANG": "en",
    "OMP_NUM_THREADS": "1",
    "NO_COLOR": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "CUDA_VISIBLE_DEVICES": "",
}
CRASHED = 99  # the status of a child whose exception even `main` did not catch
GIB = 1 << 30
SHOWN_CODE = re.compile(r"^. ([A-Z]\d{3}) ", re.MULTILINE)  # as the terminal shows a finding


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended, and what it said."""

    status: int | None  # None: a signal ended it
    signal: int
    out: str
    err: str
    seconds: float
    grown: int  # bytes of memory at its peak, beyond what it began with

    @property
    def traceback(self) -> bool:
        """Whether a user would have seen a mistake of ours rather than a sentence."""
        return self.status in (1, CRASHED) or "Traceback (most recent call last)" in self.err

    @property
    def told(self) -> dict[str, Any]:
        """What `--json` printed last; empty if nothing."""
        lines = self.out.strip().splitlines()
        try:
            found = json.loads(lines[-1]) if lines else {}
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}

    @property
    def codes(self) -> frozenset[str]:
        if self.told:
            return frozenset(finding["code"] for finding in self.told.get("findings", ()))
        return frozenset(SHOWN_CODE.findall(self.out + self.err))

    @property
    def last_words(self) -> str:
        """For a message of this suite: what the child said at the end."""
        return " | ".join((self.err or self.out).strip().splitlines()[-3:])[-400:]


def warm() -> None:
    """Import everything that a run imports, and let the proof process be forked."""
    import importlib

    for name in (
        "suretune.cli.verbs", "suretune.run.ahead", "suretune.run.compose", "suretune.speak.answer",
        "suretune.run.resume", "suretune.cli.chat", "suretune.show", "peft.tuners.lora.model",
        "transformers.models.qwen2.modeling_qwen2", "suretune.verify.report",
    ):  # fmt: skip
        importlib.import_module(name)
    import torch

    from suretune.run import prover
    from suretune.verify import fresh

    # In a forked child every new thread sets the number again, and torch's pool is gone there.
    if torch.get_num_threads() > 1:
        torch.set_num_threads(1)
    prover.Prover = fresh.Prover = ForkedProver  # type: ignore[assignment,misc]


class ForkedProver:
    """`suretune.verify.fresh.Prover` without a new interpreter."""

    def __init__(self, cards: Sequence[str] = (), parts: int = 0) -> None:
        self.parts = parts or len(cards) + 1
        self._listen, self._tell = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            os.setsid()
            os.dup2(self._listen, 3)
            os.closerange(4, 4096)  # as a new program has it: the run's lock above all
            os._exit(_prove(3))
        os.close(self._listen)

    def prove(self, run: Path, result: Path, base: str = "") -> Mapping[str, Any]:
        """As the original."""
        from suretune import rundir

        result.unlink(missing_ok=True)
        said = Path(tempfile.gettempdir()) / f"chaos-said-{self._pid}"
        os.write(self._tell, (json.dumps([str(run), str(result), base, str(said)]) + "\n").encode())
        self._end()
        words = said.read_text() if said.exists() else ""
        said.unlink(missing_ok=True)
        if words or not result.exists():
            raise RuntimeError(words.strip()[-2000:] or "no result")
        measured: Mapping[str, Any] = rundir.read_json(result)
        return measured

    def load(self, base: Base, dtype: str, room: float) -> None:
        """Nothing is loaded ahead where there is no GPU."""

    def close(self) -> None:
        """As the original."""
        if self._pid:
            os.kill(self._pid, signal.SIGKILL)
            self._end()

    def _end(self) -> None:
        os.close(self._tell)
        os.waitpid(self._pid, 0)
        self._pid = 0


def _prove(listen: int) -> int:
    """In the forked proof process."""
    from suretune.verify.reload import main

    with os.fdopen(listen) as told:
        line = told.readline()
    if not line:  # whoever started it is gone
        return 0
    run, result, base, said = json.loads(line)
    try:
        main(Path(run), Path(result), base)
    except SystemExit as ended:
        Path(said).write_text(str(ended.code))
    except BaseException:
        Path(said).write_text(traceback.format_exc())
    return 0


def command(
    words: Sequence[object],
    folder: Path,
    *,
    before: Callable[[], None] | None = None,
    kill_after: float | None = None,
    timeout: float = 300,
) -> Ended:
    """`suretune WORDS` in a forked child whose current folder is `folder`.

    `before` runs in the child first. SIGKILL comes after `kill_after` seconds if it is still there.
    """
    from suretune.cli import main

    def body() -> int:
        # Behind `&` a shell has it ignored, and so would the run be that is to be interrupted.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if before:
            before()
        return main([str(word) for word in words])

    return forked(body, folder, kill_after=kill_after, timeout=timeout)


def forked(
    body: Callable[[], int],
    folder: Path,
    *,
    kill_after: float | None = None,
    timeout: float = 300,
) -> Ended:
    """`body` in a child; its status is what it returns."""
    folder.mkdir(parents=True, exist_ok=True)
    streams = [folder / f".{name}-{os.getpid()}" for name in ("out", "err")]
    start = time.monotonic()
    pid = os.fork()
    if pid == 0:
        _child(body, folder, streams)
    began = _resident(pid)
    limit = start + (timeout if kill_after is None else kill_after)
    while not (found := os.wait4(pid, os.WNOHANG))[0]:
        if time.monotonic() >= limit:
            os.kill(pid, signal.SIGKILL)
            found = os.wait4(pid, 0)
            break
        time.sleep(0.002)
    _, ended, used = found
    out, err = (path.read_text(errors="replace") if path.exists() else "" for path in streams)
    for path in streams:
        path.unlink(missing_ok=True)
    by_signal = os.WTERMSIG(ended) if os.WIFSIGNALED(ended) else 0
    return Ended(
        None if by_signal else os.waitstatus_to_exitcode(ended), by_signal, out, err,
        time.monotonic() - start, max(0, used.ru_maxrss * 1024 - began),
    )  # fmt: skip


def _child(body: Callable[[], int], folder: Path, streams: Sequence[Path]) -> None:
    status = CRASHED
    try:
        for number, path in enumerate(streams, 1):
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(handle, number)
            os.close(handle)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        sys.stdin, sys.stdout, sys.stderr = (
            open(0, encoding="utf-8", closefd=False),  # noqa: SIM115 - they stay open
            open(1, "w", encoding="utf-8", closefd=False),  # noqa: SIM115
            open(2, "w", encoding="utf-8", closefd=False),  # noqa: SIM115
        )  # fmt: skip
        os.chdir(folder)
        status = body()
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else CRASHED
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            try:
                stream.flush()
            except (OSError, ValueError):  # the fault may be a stream that was closed
                status = status or CRASHED
        os._exit(status)


def _resident(pid: int) -> int:
    try:
        pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    except (OSError, IndexError):  # it has ended already
        return 0
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def limit_address_space(more: int) -> None:
    """In a child: at most this many bytes beyond what is mapped now."""
    mapped = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    resource.setrlimit(resource.RLIMIT_AS, (mapped + more, mapped + more))
