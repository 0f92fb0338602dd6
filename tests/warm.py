"""A process that has the libraries loaded and forks a child for every command line of a test.

Torch, transformers and PEFT take seconds to import, and a run imports them twice: in the command
and in its proof. `Warm` gives an executable that is called as Python is, `-m suretune ...`. It is a
process of its own, with streams, folder, environment and exit status as ever; its work is done by
a fork of the process that waits here. What that one cannot do as a new Python would (other code,
another environment of the interpreter or its libraries), the executable does by becoming one.

A fork is no new interpreter: what a test says of signals, kills, imports or start is said of
`sys.executable`.
"""

from __future__ import annotations

import array
import atexit
import gc
import json
import os
import runpy
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import traceback
from contextlib import suppress
from pathlib import Path
from typing import Any

MODULES = (
    "suretune",
    "suretune.verify.fresh",
    "suretune.export.plain",
    "suretune.train.follower",
    "suretune.deploy.engine_process",
)
RANKS = str(Path(__file__).with_name("ranks.py"))  # a script, called by its path
# What the interpreter and its libraries read once, while they are loaded.
READ_EARLY = (
    "PYTHON", "LC_", "LANG", "HF_", "HUGGINGFACE", "TRANSFORMERS", "TORCH", "OMP_", "MKL_", "KMP_",
    "USE_", "TOKENIZERS", "XDG_", "HOME", "TMPDIR", "TZ", "LD_", "MALLOC", "TRITON",
)  # fmt: skip
LINED = "suretune.deploy.engine_process"  # is told by number which line it has to its server
FORWARDED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


class Warm:
    """The waiting process, and the executable that asks it; ends with whoever made it."""

    def __init__(self, folder: str | None = None) -> None:
        """In a folder of its own, or as somebody else made it there."""
        self._started: subprocess.Popen[bytes] | None = None
        self._other = folder is not None
        self._folder = Path(folder) if folder else None

    @property
    def folder(self) -> Path:
        """Where the executable and its socket are; made when it is first asked for."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="warm-"))
            words = (sys.executable, "-IS", __file__, str(self._folder / "s"), sys.executable)
            self.python.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
            self.python.chmod(0o755)
            atexit.register(self.close)
        return self._folder

    @property
    def python(self) -> Path:
        """The executable."""
        return self.folder / "python"

    def start(self, env: dict[str, str]) -> None:
        """Begin to load the libraries; until they are there, the executable is a new Python.

        Beside a GPU it stays one: what a library has asked of the driver is of no use in a fork.
        """
        if self._started is None and not self._other and not Path("/dev/nvidiactl").exists():
            self._started = subprocess.Popen(
                [sys.executable, __file__, "--wait", str(self.folder / "s"), str(self.python)],
                env=env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            )  # fmt: skip

    def ready(self) -> bool:
        """Whether forks answer already."""
        return (self.folder / "s").exists()

    def close(self) -> None:
        """End it, if it is ours; what it has forked goes on to its end."""
        if self._started is not None:
            self._started.communicate()  # the end of its input ends it
            self._started = None
        if self._folder is not None and not self._other:
            shutil.rmtree(self._folder, ignore_errors=True)


def early(env: dict[str, str]) -> dict[str, str]:
    """The part of an environment that cannot be changed any more once libraries are loaded."""
    return {name: value for name, value in env.items() if name.startswith(READ_EARLY)}


# --- the executable ------------------------------------------------------------------------------


def ask(address: str, python: str, words: list[str]) -> int:
    """Have the words done by a fork, or become a new Python."""
    asked = socket.socket(socket.AF_UNIX)
    try:
        asked.connect(address)
    except OSError:
        os.execv(python, [python, *words])
    about = {"words": words, "env": dict(os.environ), "cwd": os.getcwd(), "umask": _umask()}
    about["ignored"] = [s for s in FORWARDED if signal.getsignal(s) == signal.SIG_IGN]
    told = json.dumps(about).encode()
    streams = array.array("i", [0, 1, 2])
    if words[:2] == ["-m", LINED]:
        streams.append(int(words[2]))
    head = len(told).to_bytes(4, "big")
    asked.sendmsg([head], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)])
    asked.sendall(told)
    answer = asked.makefile("rb")
    first = answer.readline()
    if not first.strip():
        os.execv(python, [python, *words])
    worker = int(first)

    def forward(number: int, _: Any) -> None:
        with suppress(ProcessLookupError):
            os.kill(worker, number)

    for number in FORWARDED:
        if number not in about["ignored"]:
            signal.signal(number, forward)
    for stream in streams:  # whoever reads or writes at the other end waits for the worker alone
        os.close(stream)
    ended = os.waitstatus_to_exitcode(int(answer.readline() or 9))
    if ended < 0:  # as it ended, so does this
        signal.signal(-ended, signal.SIG_DFL)
        os.kill(os.getpid(), -ended)
    return ended


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


# --- the process that waits ----------------------------------------------------------------------


def wait(address: str, python: str) -> dict[str, Any]:
    """Fork for everyone who asks; in the fork, gives what was asked for."""
    mine = [early(dict(os.environ))]

    import peft  # noqa: F401
    import torch  # noqa: F401
    import transformers  # noqa: F401

    import suretune.cli.verbs
    import suretune.deploy.apart
    import suretune.deploy.engine_process
    import suretune.export.plain
    import suretune.run.compose
    import suretune.sweep.trials
    import suretune.train.follower
    import suretune.verify.fresh
    import suretune.verify.reload  # noqa: F401

    _look_once()
    lead(
        python,
        "suretune.verify.fresh",
        "suretune.verify.shares",
        "suretune.sweep.trials",
        "suretune.train.muster",
        "suretune.export.apart",
        "suretune.deploy.apart",
    )
    mine.append(early(dict(os.environ)))  # libraries add to it, also in a test that loads them
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(address)
    listening.listen(64)
    gc.collect()
    gc.freeze()
    while True:
        ready, _, _ = select.select([listening, 0], [], [], 1)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        if 0 in ready:
            os._exit(0)
        if not ready:
            continue
        asked, _ = listening.accept()
        if os.fork():
            asked.close()
            continue
        listening.close()
        about = _minded(asked, mine)
        asked.close()
        return about


def _look_once() -> None:
    """Make what every command makes first of the bundled model: its forks have it already."""
    from suretune.data.anchors import make_anchors
    from suretune.data.template import load_tokenizer
    from suretune.data.wall import wall_of
    from suretune.pocket import MODEL

    make_anchors(load_tokenizer(MODEL), "You are a helpful assistant.", ())
    make_anchors(load_tokenizer(MODEL), None, ())
    wall_of.cache_clear()  # a fork makes its own


def lead(python: str, *names: str, env: dict[str, str] | None = None) -> None:
    """Let these modules start what they start by the executable, not by a new Python; `env`: in
    this environment, where they say none."""

    class Leading(type(subprocess)):  # type: ignore[misc]
        def __getattr__(self, name: str) -> Any:
            return getattr(subprocess, name)

        @staticmethod
        def Popen(command: Any, *given: Any, **named: Any) -> Any:  # noqa: N802
            if isinstance(command, list) and command[:1] == [sys.executable]:
                command = [python, *command[1:]]
                named = {"env": env, **named}
            return subprocess.Popen(command, *given, **named)

    for name in names:
        sys.modules[name].subprocess = Leading("subprocess")  # type: ignore[attr-defined]


def _minded(asked: socket.socket, mine: list[dict[str, str]]) -> dict[str, Any]:
    """In a fork: fork once more, and let this one tell how that one ended."""
    streams = array.array("i")
    head, given, _, _ = asked.recvmsg(4, socket.CMSG_SPACE(4 * streams.itemsize))
    for _level, _kind, data in given:
        streams.frombytes(data)
    told = b""
    while len(told) < int.from_bytes(head, "big"):
        told += asked.recv(1 << 20)
    about: dict[str, Any] = json.loads(told)
    words = about["words"]
    theirs = early(about["env"])
    known = all(
        theirs.get(name) in [env.get(name) for env in mine]
        for name in {*theirs, *mine[0], *mine[1]}
    )
    ours = words[1] in MODULES if words[:1] == ["-m"] else words[:1] == [RANKS]
    if not ours or not known:
        asked.sendall(b"\n")
        os._exit(0)
    worker = os.fork()
    if worker == 0:
        for stream, number in enumerate(streams[:3]):
            os.dup2(number, stream)
            os.close(number)
        if len(streams) > 3:
            words[2] = str(streams[3])
        return about
    for number in (*streams, 0, 1, 2):
        os.close(number)
    asked.sendall(b"%d\n" % worker)
    with suppress(OSError):
        while True:
            ended, status = os.waitpid(worker, os.WNOHANG)
            if ended:
                asked.sendall(b"%d\n" % status)
                break
            if select.select([asked], [], [], 0.01)[0]:  # whoever asked was killed
                os.kill(worker, signal.SIGKILL)
                break
    os._exit(0)


def become(about: dict[str, Any]) -> None:
    """Be the Python that was asked for, as far as a fork can."""
    os.environ.clear()
    os.environ.update(about["env"])
    os.chdir(about["cwd"])
    os.umask(about["umask"])
    for number in FORWARDED:  # what a job in the background ignores, this process had from it
        usual = signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL
        signal.signal(number, signal.SIG_IGN if number in about["ignored"] else usual)
    # Whether a stream is a terminal or can be rewound was seen when it was opened.
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        former = getattr(sys, name)
        stream = open(  # noqa: SIM115
            number, "w" if number else "r", encoding=former.encoding, errors=former.errors,
            closefd=False,
        )  # fmt: skip
        stream.reconfigure(line_buffering=number == 2 or stream.isatty())
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    words = about["words"]
    sys.orig_argv = [sys.executable, *words]
    module = words[1] if words[0] == "-m" else None
    sys.argv = words if module is None else ["-m", *words[2:]]
    sys.path[0] = about["cwd"]
    tempfile.tempdir = None
    called = Path(words[0] if module is None else module.rpartition(".")[2]).stem
    Path("/proc/self/comm").write_text(called)
    if module != "suretune":  # of these each has a session of its own, which it may end
        os.setsid()
        sys.modules.pop(str(module), None)
    try:
        if module is None:
            runpy.run_path(words[0], run_name="__main__")
        else:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(ValueError):  # it was closed
            stream.flush()
    os._exit(status)  # torch's own end takes longer than most commands


if __name__ == "__main__":
    if sys.argv[1] == "--wait":
        become(wait(*sys.argv[2:]))
    else:
        sys.exit(ask(sys.argv[1], sys.argv[2], sys.argv[3:]))
