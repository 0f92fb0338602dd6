"""The load suite as a command.

python -m load [--long] [--clients N] [--seconds S] [--run RUN] [--out FILE]

Serves a sealed run of the pocket model, beside its base, and an adapter that comes and goes; asks
every question alone; then lets all clients loose. The figures go to tests/load/latest.json and
docs/reliability.md, or, with --out, to that file alone. The status is 1 if anything went wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file

from load import figures
from load.clients import Crowd, Tally
from load.questions import Question, answered_alone, questions
from load.server import Server, serving
from load.wire import exchange
from suretune import rundir
from suretune.model.lora import WEIGHTS
from suretune.pocket import MODEL
from suretune.pocket.skills import Item

SHORT, LONG = (24, 15.0, 48, 4), (200, 600.0, 240, 20)  # clients, seconds, questions, half-open
SETTLE_SECONDS = 30.0  # all slots must be free by then
GUEST = "half"  # an adapter that comes and goes
GUEST_QUESTIONS = 6
TABLE = ("--max_num_seqs", 32, "--max_queue", 128)  # so that 200 clients find it full now and then
AGAIN = 24  # questions that are asked alone once more at the end


def main() -> int:
    """Serve, ask, compare, write."""
    asked = _asked()
    folder = Path(tempfile.mkdtemp(prefix="load-"))
    try:
        run = asked.run or _demo(folder)
        log = folder / "server.log"
        half_of(run / "adapter", folder / "guests" / GUEST)
        words = ["--adapters_dir", folder / "guests", "--allow_unverified", "true", *TABLE]
        with serving([run, *words], log) as server:
            told, tally = asyncio.run(_load(server, asked))
        said = log.read_text("utf-8", errors="replace")
        if "Traceback" in said:
            tally.problem(f"the server's log has a traceback:\n{said[-2000:]}")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for problem in tally.problems:
        print(f"  {problem}", file=sys.stderr)
    print(", ".join(f"{name} {value}" for name, value in told.items()), flush=True)
    if asked.out:
        figures.write(told, asked.out)
    else:
        figures.keep(told)
    return 1 if tally.problems or any(told[name] for name in figures.MUST_BE_ZERO) else 0


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m load", description=__doc__)
    parser.add_argument("--long", action="store_true", help="the form for figures that are kept")
    parser.add_argument("--clients", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--questions", type=int)
    parser.add_argument("--half_open", type=int)
    parser.add_argument("--run", type=Path, help="a sealed run of the pocket model; made if none")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--out", type=Path, help="write the figures here and touch nothing else")
    asked = parser.parse_args()
    for name, size in zip(
        ("clients", "seconds", "questions", "half_open"), LONG if asked.long else SHORT, strict=True
    ):
        if getattr(asked, name) is None:
            setattr(asked, name, size)
    return asked


def _demo(folder: Path) -> Path:
    """A run of the pocket model, trained and sealed."""
    command = [sys.executable, "-m", "suretune", "demo", "--output_dir", str(folder / "glow")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return folder / "glow"


def half_of(adapter: Path, folder: Path) -> None:
    """Another adapter of the same base: this one at half its strength, and without a seal."""
    folder.mkdir(parents=True)
    for path in adapter.iterdir():
        if path.name != rundir.MANIFEST:
            shutil.copy(path, folder)
    tensors = load_file(adapter / WEIGHTS)
    halved = {name: t / 2 if ".lora_B." in name else t for name, t in tensors.items()}
    save_file(halved, folder / WEIGHTS, {"format": "pt"})


async def _load(server: Server, asked: argparse.Namespace) -> tuple[dict[str, Any], Tally]:
    models = server.models()
    lines = (MODEL / "skills.jsonl").read_text("utf-8").splitlines()
    items = [Item(**json.loads(line)) for line in lines]
    made = questions(items, models, asked.questions, asked.seed)
    known = await answered_alone(server.address, made)
    guests = await _guests(server, questions(items, [GUEST], GUEST_QUESTIONS, asked.seed))
    fds, threads = server.fds, server.threads
    begun, tally = time.monotonic(), Tally()
    crowd = Crowd(server.address, known, models, begun + asked.seconds, tally)
    tasks = [asyncio.ensure_future(crowd.client(asked.seed * 1000 + i))
             for i in range(asked.clients)]  # fmt: skip
    tasks += [asyncio.ensure_future(crowd.holder(i)) for i in range(asked.half_open)]
    tasks.append(asyncio.ensure_future(crowd.librarian(GUEST, guests)))
    early = asyncio.ensure_future(_rss_after(server, min(60.0, asked.seconds / 4)))
    await asyncio.sleep(asked.seconds * 0.98)
    late = server.rss_mib
    await asyncio.gather(*tasks)
    seconds = time.monotonic() - begun
    leaked = await _settled(server)
    await _same_again(server, known[:AGAIN], tally)
    told = {
        "clients": asked.clients,
        "seconds": round(seconds, 1),
        "requests": tally.counts["requests"],
        "answered": tally.counts["answered"],
        "wrong": tally.counts["wrong"],
        "refused": tally.counts["refused"],
        "disconnects": tally.counts["disconnects"],
        "garbage": tally.counts["garbage"],
        "adapter_loads": tally.counts["loads"],
        "half_open": tally.counts["half open"],
        "five_hundreds": tally.counts["five_hundreds"],
        "leaked_slots": leaked,
        "rss_start_mib": await early,
        "rss_end_mib": late,
        "fds_start": fds,
        "fds_end": server.fds,
        "threads_start": threads,
        "threads_end": server.threads,
        "first_token_p50_ms": figures.percentile_ms(tally.first_s, 50),
        "first_token_p99_ms": figures.percentile_ms(tally.first_s, 99),
        "tokens_s": round(tally.tokens / seconds, 1),
    }
    return {**told, **figures.now(), "form": "long" if asked.long else "short"}, tally


async def _guests(server: Server, asked: list[Question]) -> list[Question]:
    """Its questions answered alone; then it is gone again."""
    for what, about in (("load", {"lora_path": GUEST}), ("unload", {})):
        body = json.dumps({"lora_name": GUEST, **about}).encode()
        sent = server.address.request(f"/v1/{what}_lora_adapter", body)
        told = await exchange(server.address, sent)
        if told.status != 200:
            raise SystemExit(f"{what}: {told.status} {told.body[:300]!r}")
        if what == "load":
            asked = await answered_alone(server.address, asked)
    return asked


async def _rss_after(server: Server, seconds: float) -> float:
    await asyncio.sleep(seconds)
    return server.rss_mib


async def _settled(server: Server) -> int:
    """Slots and places in the queue that are still taken once every client is gone."""
    until = time.monotonic() + SETTLE_SECONDS
    while (busy := server.busy) and time.monotonic() < until:
        await asyncio.sleep(0.2)
    return busy


async def _same_again(server: Server, known: list[Question], tally: Tally) -> None:
    again = await answered_alone(server.address, known)
    for before, after in zip(known, again, strict=True):
        if before != after:
            tally.wrong(f"alone again: {after.answer!r}, before the load {before.answer!r}")


if __name__ == "__main__":
    sys.exit(main())
