"""The wall between this process and what strangers wrote: who asks across it, and what it costs.

A template is a program. Neither a list of what it must not do nor a count of its loops has ever
been complete, so it is executed by another process (`walled.py`) with a limit of time and memory;
that one may be ended at any moment, and the next request gets a fresh one.
"""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import threading
import time
import weakref
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

import suretune
from suretune.data import walled
from suretune.types import Fault, Origin, Text

SECONDS = 2  # of computing for one request, and one more for each MiB of it
BYTES = 512 << 20  # that it may hold beside what it starts with
PATIENCE = 60.0  # seconds until an answer that costs no computing is not waited for any longer
MOST_ANSWER = 1 << 29  # bytes of one answer
SHOWN = 200  # characters of what it said
KEPT = 8  # walls that stay up while nobody uses them
TIME, MEMORY, ENDED, FAILED = "time", "memory", "ended", "failed"


class Unfit(Exception):
    """A template or tokenizer takes more than it may when it is used, or breaks."""

    def __init__(
        self,
        file: str,
        limit: str,
        found: str = "",
    ) -> None:
        self.found = " ".join(found.split())[:SHOWN]
        self.why = _why(limit, self.found)
        super().__init__(f"{file}: {self.why.en}")
        self.file = file
        self.limit = limit

    @property
    def fault(self) -> Fault:
        """What the guards are told of it."""
        return Fault(
            "unfit-file",
            Origin(Path(self.file).name, 0),
            found=self.file,
            hint=self.why,
        )


def _why(limit: str, found: str) -> Text:
    if limit == TIME:
        return Text(
            f"It computed for {SECONDS} seconds without coming to an end.",
            f"计算了 {SECONDS} 秒仍未结束。",
        )
    if limit == MEMORY:
        room = BYTES >> 20
        return Text(f"It wanted more than {room} MiB of memory.", f"需要超过 {room} MiB 内存。")
    if limit == ENDED:
        return Text(
            f"It broke the process that used it ({found}).", f"它使执行进程崩溃（{found}）。"
        )
    return Text(f"It failed on a text: {found}.", f"它处理文本时出错：{found}。")


class ExecutionError(ValueError):
    """What was executed came to an end, and the end was an error: its words."""


class Wall:
    """One template, and the tokenizer beside it if that is not plain, behind a wall.

    It is for one request at a time; who asks while another is under way waits for that one only.
    """

    def __init__(
        self,
        template: str,
        words: Path | None = None,
    ) -> None:
        self._orders = {
            "template": template,
            "words": str(words) if words else "",
            "size": words.stat().st_size if words else 0,
            "seconds": SECONDS,
            "bytes": BYTES + (32 * words.stat().st_size if words else 0),
        }
        self._file = str(words) if words else ""
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._ending: weakref.finalize[..., Wall] | None = None
        self._owner = 0  # a forked process must not read its parent's answers
        self._heard = b""

    def ask(self, file: str, *requests: bytes) -> list[Any]:
        """What was answered, or each its `ExecutionError`; `Unfit` about `file` ends them all."""
        line = b"[" + b",".join(requests) + b"]\n"
        with self._lock:
            try:
                self._start()
                self._say(line)
                return [self._answer(file) for _ in requests]
            except BaseException:  # a reader that was interrupted, too
                self._kill()  # what else it would say belongs to nobody
                raise

    def open(self) -> None:
        """Start it: `ExecutionError` or `Unfit` where its tokenizer cannot be used."""
        self.ask("")

    # --- the process behind it ------------------------------------------------------------------

    def _start(self) -> None:
        running = self._process is not None and self._owner == os.getpid()
        if running and cast("subprocess.Popen[bytes]", self._process).poll() is None:
            return
        paths = (str(Path(suretune.__file__).parent.parent), os.environ.get("PYTHONPATH", ""))
        # Not by -m: a folder that somebody works in may have a jinja2.py of its own.
        code = (
            "import sys; sys.path = [p for p in sys.path if p]; from suretune.data import walled;"
        )
        code += " walled.main()"
        self._process = subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        self._owner, self._heard = os.getpid(), b""
        self._ending = weakref.finalize(
            self,
            _end,
            self._process,
            self._owner,
        )
        self._say(json.dumps(self._orders).encode() + b"\n")
        hello = self._answer(self._file)
        if isinstance(hello, ExecutionError):
            self._kill()
            raise hello

    def _say(self, line: bytes) -> None:
        process = cast("subprocess.Popen[bytes]", self._process)
        pipe = cast("Any", process.stdin)
        try:
            pipe.write(line)
            pipe.flush()
        except BrokenPipeError:  # it is gone; the answer that does not come tells how
            return

    def _answer(self, file: str) -> Any:
        kind, *value = json.loads(self._line(file))
        if kind == "memory":
            raise Unfit(file, MEMORY)
        return value[0] if kind == "given" else ExecutionError(value[0])

    def _line(self, file: str) -> bytes:
        """The next line that it says; it is ended, and the reason raised, if none comes."""
        process = cast("subprocess.Popen[bytes]", self._process)
        pipe = cast("Any", process.stdout).fileno()
        until, size = time.monotonic() + PATIENCE, 0
        pieces, ready = [self._heard], select.poll()
        ready.register(pipe, select.POLLIN)
        while b"\n" not in pieces[-1]:
            left = max(0.0, until - time.monotonic())
            if not ready.poll(left * 1000):
                raise Unfit(file, TIME)
            if not (piece := os.read(pipe, 1 << 20)):
                raise self._gone(file)
            pieces.append(piece)
            if (size := size + len(piece)) > MOST_ANSWER:
                raise Unfit(file, MEMORY)
        line, _, self._heard = b"".join(pieces).partition(b"\n")
        return line

    def _gone(self, file: str) -> Unfit:
        """Why it ended."""
        process = cast("subprocess.Popen[bytes]", self._process)
        with suppress(subprocess.TimeoutExpired):  # it closed its pipe and goes on
            process.wait(1)
        status = process.poll()
        if status == -signal.SIGPROF:
            return Unfit(file, TIME)
        # Python, Rust and the kernel, where there is no more memory.
        if status in (walled.NO_MEMORY, -signal.SIGABRT, -signal.SIGKILL):
            return Unfit(file, MEMORY)
        return Unfit(file, ENDED, f"exit status {status}")

    def _kill(self) -> None:
        if self._ending is not None:
            self._ending()
        self._process = self._ending = None


def _end(process: subprocess.Popen[bytes], owner: int) -> None:
    """It has nothing that is worth waiting for."""
    if os.getpid() != owner:
        return
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(BrokenPipeError):  # what was not sent is not needed
                pipe.close()


@lru_cache(maxsize=KEPT)
def wall_of(template: str, words: Path | None = None) -> Wall:
    """The wall around a template; whoever has the same one shares it."""
    return Wall(template, words)
