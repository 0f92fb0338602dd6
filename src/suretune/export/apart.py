"""Another program's Python package, asked in a process of its own.

It may end that process, fill its streams with talk, keep its threads or never answer: whoever has a
folder half written is never the one that it ends, and waits for a bounded time. `python -m MODULE`
reads one JSON text, says when the files are read, and prints one line.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from suretune.export.door import BROKEN, MEMORY, OTHER, SLOW, NotAsked
from suretune.facts import ExportFacts
from suretune.refusal import Refusal
from suretune.types import Text

MARK = "suretune-heard "  # these programs say much; this begins the line that counts
READ = "suretune-read"  # told when the program's own code has taken the files
START_SECONDS, QUESTION_SECONDS = 900.0, 60.0  # a program may take, unless more is asked for
NO_MEMORY = re.compile(
    r"out of memory|MemoryError|bad_alloc|(can't|cannot|could not|unable to|failed to) allocate"
    r"|alloc\w* failed|memory for the cache|not enough memory|Cannot allocate memory",
    re.IGNORECASE,
)
NO_PACKAGE = re.compile(
    r"^(ModuleNotFoundError|ImportError|PackageNotFoundError)\b|undefined symbol"
    r"|cannot open shared object|No package metadata"
)
ERROR = re.compile(r"(?:^|[\s\]])((?:\w+\.)*\w*(?:Error|Exception|Interrupt)\b: .*)")


@dataclass(frozen=True, slots=True)
class Program:
    """Whom one asks: its name for people, the module that asks it, and how its talk is read.

    `refuses`: a line by which it says that it has read the files and does not take them.
    """

    name: str
    module: str
    env: Mapping[str, str] | None = None  # defaults, where the environment says nothing
    is_noise: Callable[[str], bool] = lambda line: False
    refuses: re.Pattern[str] | None = None
    last: int = 3  # lines of its talk that are told


def ask_apart(
    target: str,
    program: Program,
    request: Mapping[str, Any],
    *,
    questions: int,
    seconds: float,
) -> Any:
    """What the module told of the request, within `seconds`, or a bound by the number of questions
    where that is 0.

    Raises Refusal where the program says that the files are wrong, and NotAsked with how it ended
    and its last words where it ended otherwise: that shows nothing of the files.
    """
    limit = seconds or START_SECONDS + QUESTION_SECONDS * questions
    process = subprocess.Popen(
        [sys.executable, "-m", program.module],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env={**(program.env or {}), **os.environ},
        start_new_session=True,  # its own children end with it
    )
    late = False
    try:
        try:
            out, err = process.communicate(json.dumps(request), timeout=limit)
        except subprocess.TimeoutExpired:
            late = True
            _end(process)
            out, err = process.communicate()
    finally:
        _end(process)
    lines = out.split("\n")
    told = next((x for x in lines[:-1] if x.startswith(MARK)), None)  # the last one is not whole
    if told is not None:  # however it ended: some do not survive their own end
        return json.loads(told.removeprefix(MARK))
    said = [x.strip() for x in err.splitlines() if x.strip() and not program.is_noise(x)]
    silent = _silent(
        program,
        said,
        process.returncode,
        limit if late else 0.0,
        READ in lines,
    )
    wrong = _refused(program, said) if silent.trouble == OTHER and process.returncode >= 0 else ""
    if wrong:
        raise Refusal(ExportFacts("export-unlike", target, f"{program.name}: {wrong}"))
    raise silent


def _end(process: subprocess.Popen[str]) -> None:
    """The process and whatever it started."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)


def _refused(program: Program, said: Sequence[str]) -> str:
    """The line by which it says that the files are wrong; empty where it says no such thing."""
    if program.refuses is None:
        return ""
    return next((line for line in said if program.refuses.search(line)), "")


def _silent(
    program: Program,
    said: Sequence[str],
    status: int,
    limit: float,
    read: bool,
) -> NotAsked:
    """What is told of a program that did not answer."""
    errors = [found[1] for line in said if (found := ERROR.search(line))]
    causes = [line for line in errors if "root cause above" not in line]
    words = " / ".join(dict.fromkeys(causes[-1:] or said[-program.last :]))
    trouble = OTHER
    if limit:
        how = Text(
            f"it did not answer within {limit:.0f} s and was ended",
            f"{limit:.0f} 秒内没有回答，已被结束",
        )
        trouble = SLOW
    elif status < 0:
        name = signal.Signals(-status).name
        how = Text(f"it was ended by {name}", f"它被 {name} 信号结束")
        if -status == signal.SIGKILL:  # by nobody else, mostly
            how = Text(
                f"{how.en}, as a system does that has no memory left",
                f"{how.zh}，内存耗尽时系统会这样做",
            )
            trouble = MEMORY
    else:
        how = Text(f"it ended with exit status {status}", f"它以退出码 {status} 结束")
    if trouble == OTHER and any(map(NO_MEMORY.search, said)):
        trouble = MEMORY
        words = next(line for line in said if NO_MEMORY.search(line))
    elif trouble == OTHER and not read and any(map(NO_PACKAGE.search, errors)):
        trouble = BROKEN
    return NotAsked(
        program.name,
        how,
        words,
        trouble,
        read=read,
        limit=limit,
    )


# --- in the process of its own --------------------------------------------------------------------


def asked() -> Any:
    """The request; from now on this process ends when the one that asks has ended."""
    parent = os.getppid()
    threading.Thread(target=_stay_with, args=(parent,), daemon=True).start()
    return json.loads(sys.stdin.read())


def _stay_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(0, signal.SIGKILL)


def tell_read() -> None:
    """Said when the program's own code has taken the files."""
    print(f"\n{READ}", flush=True)


def tell(heard: Mapping[str, Any]) -> None:
    """What came of it."""
    print(f"\n{MARK}{json.dumps(heard)}", flush=True)
