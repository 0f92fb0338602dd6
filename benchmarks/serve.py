"""`suretune serve` with an adapter, and `transformers serve` with the merged model, under one load.

    python benchmarks/serve.py --config CONFIG.json --tokenizer FOLDER --commit HASH

Random weights of Qwen2.5-7B's shape and a random adapter. 1, 16 and 64 clients ask for 128 tokens
each, streamed, at temperature 0, the same questions of both servers, one server after the other.
Then the articles' app.py: one question over `POST /ask`, beside a process a question as it has.
Writes benchmarks/results/serve.json after every part. `--shrink` tries the machinery on two narrow
layers (give it an --out).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "tests"))  # one client for the load suite and this

from load.wire import Address, exchange, put_together  # noqa: E402

OUT = HERE / "results" / "serve.json"
CLIENTS = {"1": 4, "16": 3, "64": 3}  # requests of each client
TOKENS = 128
ASK_TOKENS = 64
ASKED = 5  # questions over POST /ask
UP_SECONDS = 150.0
QUESTION = "Number {}: how many hours has a week, and what would you do with {} of them? Explain."
Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Served:
    """A server's command, the name of its model, what else a request of it says, where it tells
    that it is up."""

    name: str
    command: tuple[str, ...]
    model: str
    more: Mapping[str, Any]
    ready: str


def servers(asked: argparse.Namespace) -> list[Served]:
    """suretune first: should time run out, the peer is what is missing."""
    base, adapter, merged = (str(asked.work / name) for name in ("model", "adapter", "merged"))
    usage = {"stream_options": {"include_usage": True}}
    precision = ("--dtype", "bfloat16") if asked.device == "cuda" else ("--dtype", "float32")
    peer = (
        "-c", "from transformers.cli.transformers import main; main()", "serve", merged,
        "--device", "cuda:0" if asked.device == "cuda" else "cpu", *precision, "--host",
        "127.0.0.1",
    )  # fmt: skip
    return [
        Served(
            "suretune",
            ("-m", "suretune", "serve", adapter, "--model", base, "--allow_unverified", "true",
             "--served_model_name", "tuned", "--max_num_seqs", "64", "--max_model_len", "1024",
             "--max_new_tokens", str(ASK_TOKENS)),
            "tuned", usage, "/ready",
        ),
        Served("transformers", (*peer, "--continuous-batching"), merged, {}, "/health"),
        Served("transformers, unbatched", peer, merged, {}, "/health"),
    ]  # fmt: skip


# --- one server ---------------------------------------------------------------------------------


@contextlib.contextmanager
def up(served: Served, asked: argparse.Namespace) -> Iterator[tuple[Address, float]]:
    """The server until the end of the block, and the seconds until it was ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, *served.command, "--port", str(port)]
    log = asked.work / "server.log"
    start = time.monotonic()
    with log.open("wb") as said:
        process = subprocess.Popen(
            command, env=environment(asked), stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
        try:
            while not _answers(port, served.ready):
                late = time.monotonic() - start > UP_SECONDS
                if late or process.poll() is not None:
                    end = log.read_text("utf-8", errors="replace")[-2000:]
                    raise RuntimeError(f"{served.name} did not come up: {end}")
                time.sleep(0.1)
            yield Address("127.0.0.1", port), time.monotonic() - start
        finally:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(20)
            process.kill()
            process.wait()


def environment(asked: argparse.Namespace) -> dict[str, str]:
    """This checkout's source first, no network, and bytecode kept, as an installation has it."""
    paths = [str(HERE.parent / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    here = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return here | {
        "PYTHONPATH": os.pathsep.join(paths), "HF_HUB_OFFLINE": "1",
        "PYTHONPYCACHEPREFIX": str(asked.work / "bytecode"),
    }  # fmt: skip


def _answers(port: int, path: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


# --- the load -----------------------------------------------------------------------------------


async def crowd(address: Address, served: Served, clients: int, each: int, tokens: int) -> Result:
    """`clients` at once, `each` requests one after the other, every token counted."""
    first: list[float] = []
    failed: list[str] = []
    counted = 0

    async def client(number: int) -> None:
        nonlocal counted
        for turn in range(each):
            question = QUESTION.format(number * each + turn, number + 2)
            body = {
                "model": served.model, "messages": [{"role": "user", "content": question}],
                "max_tokens": tokens, "temperature": 0, "stream": True, **served.more,
            }  # fmt: skip
            sent = address.request("/v1/chat/completions", json.dumps(body).encode())
            told = await exchange(address, sent)
            said = put_together(told.body) if told.status == 200 else None
            if said is None or not said.end or told.first_s is None:
                failed.append(f"{told.status} {told.body[-300:]!r}")
                continue
            first.append(told.first_s)
            counted += said.tokens

    start = time.monotonic()
    await asyncio.gather(*(client(number) for number in range(clients)))
    return figures(first, failed, counted, time.monotonic() - start)


def figures(first: Sequence[float], failed: Sequence[str], tokens: int, seconds: float) -> Result:
    """What a load came to."""
    ordered = sorted(first)

    def at(share: float) -> float | None:
        return round(1000 * ordered[math.ceil(share * (len(ordered) - 1))], 1) if ordered else None

    return {
        "first_p50_ms": at(0.5),
        "first_p99_ms": at(0.99),
        "tok_s": round(tokens / seconds, 1),
        "requests": len(first),
        "tokens": tokens,
        "seconds": round(seconds, 2),
        "failed": len(failed),
        "first_failure": failed[0] if failed else "",
    }


def loads(served: Served, address: Address, left: Callable[[], float]) -> Result:
    """Warmed by crowds of each size, then measured; an unbatched server has one client."""
    sizes = {n: each for n, each in CLIENTS.items() if n == "1" or "unbatched" not in served.name}
    for clients in reversed(sizes):
        asyncio.run(crowd(address, served, int(clients), 1, 16))
    told: Result = {}
    for clients, each in sizes.items():
        if left() < 20:
            break
        told[clients] = asyncio.run(crowd(address, served, int(clients), each, TOKENS))
        print(served.name, clients, told[clients], file=sys.stderr, flush=True)
    return told


def ask(address: Address) -> list[float]:
    """Seconds for a question over POST /ask, as app.py's clients send it."""
    seconds = []
    for number in range(ASKED):
        body = json.dumps({"question": QUESTION.format(number, 7)}).encode()
        told = asyncio.run(exchange(address, address.request("/ask", body)))
        if told.status != 200 or not isinstance(told.json().get("answer"), str):
            raise RuntimeError(f"/ask: {told.status} {told.body[:300]!r}")
        seconds.append(round(told.seconds, 3))
    return seconds


def process_a_question(asked: argparse.Namespace) -> float:
    """Seconds for app.py's way: a process that loads base and adapter, and answers one question."""
    command = [
        sys.executable, "-m", "suretune", "infer", "--model", str(asked.work / "model"),
        "--adapters", str(asked.work / "adapter"), "--stream", "false", "--temperature", "0",
        "--max_new_tokens", str(ASK_TOKENS),
    ]  # fmt: skip
    start = time.monotonic()
    done = subprocess.run(
        command, env=environment(asked), input=QUESTION.format(0, 7), capture_output=True,
        text=True, timeout=UP_SECONDS, check=False,
    )  # fmt: skip
    if done.returncode or not done.stdout.strip():
        raise RuntimeError(f"infer: exit status {done.returncode}: {done.stderr[-1500:]}")
    return round(time.monotonic() - start, 2)


# --- all of it ----------------------------------------------------------------------------------


def prepare(asked: argparse.Namespace, *, peers: bool = True) -> None:
    """Base, adapter and, for peers, the merged model, made once in the work folder."""
    asked.work.mkdir(parents=True, exist_ok=True)
    base, adapter, merged = (asked.work / name for name in ("model", "adapter", "merged"))
    build = (
        "import sys; from pathlib import Path; from articles_job import build;"
        " build(*map(Path, sys.argv[1:4]), sys.argv[4] == 'shrink')"
    )
    shrink = "shrink" if asked.shrink else "whole"
    made = str(HERE / "serve_models.py")
    for there, command in (
        (base / "tokenizer.json", ["-c", build, base, asked.config, asked.tokenizer, shrink]),
        (adapter / "adapter_config.json", [made, "adapter", base, adapter]),
        (merged / "tokenizer.json", [made, "merge", base, adapter, merged]),
    ):
        if not there.exists() and (peers or there.parent != merged):
            base.mkdir(exist_ok=True)
            words = [sys.executable, *map(str, command)]
            subprocess.run(words, cwd=HERE, env=environment(asked), check=True, stdout=sys.stderr)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--tokenizer", type=Path, required=True)
    parser.add_argument("--commit", required=True)
    parser.add_argument("--work", type=Path, default=Path("/tmp/serve"))
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--deadline", type=float, default=480, help="seconds for everything")
    parser.add_argument("--only", nargs="*", help="of suretune, transformers, ...")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--shrink", action="store_true")
    asked = parser.parse_args()
    for name in ("config", "tokenizer", "work"):
        setattr(asked, name, getattr(asked, name).resolve())
    return asked


def measure(served: Served, asked: argparse.Namespace, left: Callable[[], float]) -> Result:
    """One server's figures; what fails is told and loses nothing of the others."""
    if left() < 60:
        return {"failed": "no time was left"}
    told: Result = {}
    try:
        with up(served, asked) as (address, seconds):
            told["up_s"] = round(seconds, 1)
            told["clients"] = loads(served, address, left)
            if served.name == "suretune":
                told["ask_s"] = ask(address)
    except (RuntimeError, OSError, ValueError) as error:
        told["failed"] = str(error)[-1500:]
    return told


def device_name(device: str) -> str:
    """Asked of the driver: torch would take memory of the GPU here."""
    if device == "cpu":
        return "cpu"
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    """Measure, and write after every part."""
    asked = arguments()
    until = time.monotonic() + asked.deadline
    prepare(asked)
    packages = ("torch", "transformers", "starlette", "uvicorn")
    told: Result = json.loads(asked.out.read_text("utf-8")) if asked.out.exists() else {}
    told |= {
        "device": device_name(asked.device),
        "versions": {name: version(name) for name in packages},
        "date": datetime.now(timezone.utc).date().isoformat(),
        "commit": asked.commit,
        "tokens": TOKENS,
        "ask_tokens": ASK_TOKENS,
    }
    told.setdefault("servers", {})

    def left() -> float:
        return float(until - time.monotonic())

    for served in servers(asked):
        if asked.only is not None and served.name not in asked.only:
            continue
        told["servers"][served.name] = measure(served, asked, left)
        if served.name == "suretune" and left() > 60:
            try:
                told["process_a_question_s"] = process_a_question(asked)
            except (RuntimeError, subprocess.TimeoutExpired) as error:
                told["process_a_question_failed"] = str(error)[-1500:]
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        asked.out.write_text(json.dumps(told, indent=1) + "\n", "utf-8")
        print(json.dumps(told["servers"][served.name])[:1500], file=sys.stderr, flush=True)
    asked_s = told["servers"].get("suretune", {}).get("ask_s")
    print(json.dumps({"ask_s": statistics.median(asked_s) if asked_s else None}))


if __name__ == "__main__":
    main()
