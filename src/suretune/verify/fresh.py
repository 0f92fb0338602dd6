"""The fresh process of a proof, from both of its ends.

`Prover` starts it. Run as `python -m suretune.verify.fresh`, it reads one line,
`["RUN", "RESULT", "BASE"]`, and measures (`reload.py`). A line before it may say which base that
will be, `["NAME", "PACKED", "DEVICE", "DTYPE"]`. Whoever starts it needs no torch for that.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any, cast

from suretune import rundir
from suretune.data.base import Base
from suretune.data.weights import bytes_on_disk
from suretune.model.lean import lean
from suretune.model.memory import CONTEXT

SHARE = 4  # of what nobody took of a GPU one in so many goes to a base that waits for its proof


class Prover:
    """The fresh process. It imports its libraries while others train, and waits to be told a run.

    Until then it has read nothing of the run; it ends by itself when whoever started it is gone,
    also amid the proof, and once it has loaded a base: its standard input ends then.
    """

    def __init__(
        self,
        cards: Sequence[str] = (),
        parts: int = 0,
    ) -> None:
        """`cards`: further GPUs that it may use then, as CUDA_VISIBLE_DEVICES names them. `parts`:
        of a request, as many as there are cards if not given."""
        self.parts = parts or len(cards) + 1
        self._process = subprocess.Popen(
            [sys.executable, "-m", "suretune.verify.fresh", *cards],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def prove(
        self,
        run: Path,
        result: Path,
        base: str = "",
    ) -> Mapping[str, Any]:
        """What it measured; RuntimeError with its last words if it fails. `base`: where the base
        lies, if no longer where the run says."""
        result.unlink(missing_ok=True)
        self._tell([str(run), str(result), base])
        said = cast("IO[str]", self._process.stderr).read()
        self._process.wait()
        if self._process.returncode or not result.exists():
            raise RuntimeError(said.strip()[-2000:] or f"exit status {self._process.returncode}")
        measured: Mapping[str, Any] = rundir.read_json(result)
        return measured

    def load(self, base: Base, dtype: str, room: float) -> None:
        """Let it load the base meanwhile, where that is little of `room`: bytes nobody took yet."""
        size = bytes_on_disk(base.folder)
        if (size * (2 if dtype == "float32" else 1) + CONTEXT) * SHARE < room:
            self._tell([base.where, base.packed, "cuda", dtype])

    def _tell(self, what: object) -> None:
        told = cast("IO[str]", self._process.stdin)
        with suppress(BrokenPipeError):  # it is gone already; what it said tells why
            told.write(json.dumps(what) + "\n")
            told.flush()

    def close(self) -> None:
        """It is not needed, or done."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()


def _end_with_parent() -> None:
    sys.stdin.read()
    os._exit(1)


def _told() -> Iterator[Any]:
    """What is told, line by line; this process ends with whoever tells, also amid an answer."""
    lines: SimpleQueue[str] = SimpleQueue()

    def listen() -> None:
        for line in sys.stdin:
            lines.put(line)
        os._exit(1)

    threading.Thread(target=listen, daemon=True).start()
    while True:
        yield json.loads(lines.get())


def main(given: Sequence[str]) -> None:
    """In the fresh process: the libraries, then what is told, one proof or shares of one. The
    further processes of a proof load theirs meanwhile, so they begin before anything is told."""
    with lean():
        from suretune.verify import reload, shares
    if shares.SHARE in given:
        _share()
        return
    further = shares.Shares(given)
    there: reload.Ahead | None = None
    while told := sys.stdin.readline():
        match json.loads(told):
            case [name, packed, device, dtype]:
                there = reload.load_ahead(name, packed, device, dtype)
            case [where, into, at]:
                threading.Thread(target=_end_with_parent, daemon=True).start()
                return reload.main(Path(where), Path(into), at, further, there)


def _share() -> None:
    """Answers go where this process was to print; what libraries print goes elsewhere."""
    from suretune.verify.reload import share
    from suretune.verify.shares import FAILED

    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(said: Any) -> None:
        print(json.dumps(said), file=answers, flush=True)

    try:
        share(_told(), answer)
    except Exception as error:
        answer({FAILED: f"{type(error).__name__}: {error}".splitlines()[0]})
        raise


if __name__ == "__main__":
    main(sys.argv[1:])
    sys.stderr.flush()
    os._exit(0)  # all is written: to take a GPU and its libraries apart takes a second
