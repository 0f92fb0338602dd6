"""A real `suretune serve` in a process of its own, and what /proc and /metrics say of it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from load.wire import Address

READY_SECONDS = 180.0
DRAIN_SECONDS = 60.0
MIB = 2**20


@dataclass(frozen=True)
class Server:
    """One that answers."""

    address: Address
    pid: int

    def get(self, path: str) -> bytes:
        url = f"http://{self.address.host}:{self.address.port}{path}"
        with urllib.request.urlopen(url, timeout=30) as answer:
            return bytes(answer.read())

    def models(self) -> list[str]:
        return [card["id"] for card in orjson.loads(self.get("/v1/models"))["data"]]

    def metric(self, name: str) -> float:
        """A figure of /metrics, its labels added up."""
        lines = re.findall(
            rf"(?m)^suretune:{name}(?:\{{.*\}})? (\S+)$", self.get("/metrics").decode()
        )
        if not lines:
            raise LookupError(f"/metrics has no suretune:{name}")
        return sum(map(float, lines))

    @property
    def busy(self) -> int:
        """Slots in use and requests that wait for one."""
        return int(self.metric("slots_in_use") + self.metric("num_requests_waiting"))

    @property
    def rss_mib(self) -> float:
        return round(_status(self.pid, "VmRSS") / 1024, 1)

    @property
    def threads(self) -> int:
        return _status(self.pid, "Threads")

    @property
    def fds(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))


def _status(pid: int, name: str) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    found = re.search(rf"(?m)^{name}:\s+(\d+)", text)
    if found is None:
        raise LookupError(f"/proc/{pid}/status has no {name}")
    return int(found.group(1))


@contextlib.contextmanager
def serving(words: Sequence[Any], log: Path) -> Iterator[Server]:
    """`suretune serve WORDS` until the end of the block; then SIGTERM, which it must obey."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    plain = {"HF_HUB_OFFLINE": "1", "SURETUNE_LANG": "en", "OMP_NUM_THREADS": "1", "NO_COLOR": "1"}
    command = [sys.executable, "-m", "suretune", "serve", *map(str, words), "--port", str(port)]
    with log.open("wb") as said:
        process = subprocess.Popen(
            command, env={**os.environ, **plain}, stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
        try:
            server = Server(Address("127.0.0.1", port), process.pid)
            _until_ready(server, process, log)
            yield server
            process.send_signal(signal.SIGTERM)
            process.wait(DRAIN_SECONDS)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()


def _until_ready(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + READY_SECONDS
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError):
            server.get("/ready")
            return
        time.sleep(0.2)
    raise RuntimeError(f"the server did not come up: {log.read_text(errors='replace')[-3000:]}")
