"""What a stranger can do to a server, and to a command: python -m load.abuse [--write]

Each part is measured beside the same server undisturbed, right before, so that other work on the
machine does not count: a small chat is asked over and over, alone and then during the abuse.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

from chaos.figures import PAGE, commit, with_block
from load.server import Server, serving
from suretune.pocket import MODEL

WORD = "xyzzy"  # in a conversation of the evil adapter: its template does not end
ENDLESS = (
    "{% if messages[-1].content == '" + WORD + "' %}{% for a in range(99999) %}"
    "{% for b in range(99999) %}{% set c = a * b %}{% endfor %}{% endfor %}{% endif %}"
)
GROWING = (
    "{% set n = namespace(s='aaaaaaaa') %}{% for i in range(40) %}{% set n.s = n.s ~ n.s %}"
    "{% endfor %}"
)
ASKED = 25  # chats of each measurement
CHAT = {"model": "pocket", "messages": [{"role": "user", "content": "2 + 3?"}], "max_tokens": 4}


def post(server: Server, body: Any, timeout: float = 60) -> tuple[int, bytes]:
    """Status and body of a chat."""
    url = f"http://{server.address.host}:{server.address.port}/v1/chat/completions"
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return int(answer.status), bytes(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def chats(server: Server) -> tuple[float, float, int]:
    """(median, longest) seconds of small chats, and how many were not answered."""
    seconds, failed = [], 0
    for _ in range(ASKED):
        begun = time.monotonic()
        status, _ = post(server, CHAT)
        seconds.append(time.monotonic() - begun)
        failed += status != 200
    return median(seconds), max(seconds), failed


@contextlib.contextmanager
def meanwhile(what: Callable[[], object], clients: int) -> Iterator[list[object]]:
    """So many clients do this over and over until the end of the block; what it gave them."""
    over, gave = threading.Event(), []

    def go() -> None:
        while not over.is_set():
            with contextlib.suppress(OSError):
                gave.append(what())

    threads = [threading.Thread(target=go, daemon=True) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        yield gave
    finally:
        over.set()
        for thread in threads:
            thread.join(30)


def beside(name: str, server: Server, what: Callable[[], object], clients: int) -> dict[str, Any]:
    """Small chats alone, and while `clients` do this."""
    alone, alone_most, _ = chats(server)
    before = server.rss_mib
    with meanwhile(what, clients) as gave:
        time.sleep(1)
        during, during_most, failed = chats(server)
    statuses = sorted({str(each[0] if isinstance(each, tuple) else each) for each in gave})
    return {"what": name, "alone_ms": 1000 * alone, "during_ms": 1000 * during,
            "alone_most_ms": 1000 * alone_most, "during_most_ms": 1000 * during_most,
            "failed": failed, "asked": ASKED, "times": len(gave), "answers": ", ".join(statuses),
            "grown_mib": round(server.rss_mib - before, 1)}  # fmt: skip


def evil_adapter(folder: Path) -> Path:
    """A LoRA of the pocket model that brings a template which does not end on one word."""
    import peft
    from transformers import AutoModelForCausalLM

    config = peft.LoraConfig(r=4, target_modules=["q_proj"], task_type="CAUSAL_LM")
    model = peft.get_peft_model(AutoModelForCausalLM.from_pretrained(MODEL), config)
    model.peft_config["default"].base_model_name_or_path = "pocket"
    model.save_pretrained(str(folder))
    for name in ("tokenizer.json", "tokenizer_config.json", "generation_config.json"):
        if (MODEL / name).is_file():
            shutil.copy(MODEL / name, folder / name)
    own = MODEL / "chat_template.jinja"
    text = own.read_text("utf-8") if own.is_file() else json.loads(
        (MODEL / "tokenizer_config.json").read_text("utf-8"))["chat_template"]  # fmt: skip
    (folder / "chat_template.jinja").write_text(ENDLESS + text, "utf-8")
    return folder


def of_server(home: Path) -> list[dict[str, Any]]:
    """Points 10 and 22: templates without end, bodies that are large, or that never come."""
    evil = evil_adapter(home / "evil")
    large = json.dumps({**CHAT, **{f"field_{n}": n for n in range(42_000)}}).encode()
    hanging = {**CHAT, "model": "evil", "messages": [{"role": "user", "content": WORD}]}
    words = [evil, "--allow_unverified", "true", "--max_num_seqs", 4]
    with serving(words, home / "server.log") as server:
        post(server, CHAT)
        found = [
            beside("a template that never ends, asked by 2 clients", server,
                   lambda: post(server, hanging), 2),
            beside(f"{len(large) / 2**20:.1f} MiB of unknown fields, from 6 clients", server,
                   lambda: post(server, large), 6),
        ]  # fmt: skip
        alone, alone_most, _ = chats(server)
        before = server.rss_mib
        links = [_half_a_body(server) for _ in range(270)]
        during, during_most, failed = chats(server)
        found.append({"what": "270 bodies that never come", "alone_ms": 1000 * alone,
                      "during_ms": 1000 * during, "alone_most_ms": 1000 * alone_most,
                      "during_most_ms": 1000 * during_most, "failed": failed, "asked": ASKED,
                      "times": len(links), "answers": "-",
                      "grown_mib": round(server.rss_mib - before, 1)})  # fmt: skip
        for link in links:
            link.close()
        assert server.get("/ready")
    return found


def _half_a_body(server: Server) -> socket.socket:
    link = socket.create_connection((server.address.host, server.address.port))
    head = "POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n"
    link.sendall(f"{head}Content-Type: application/json\r\n\r\n{{".encode())
    return link


# --- files ----------------------------------------------------------------------------------------


def of_files(home: Path) -> list[dict[str, Any]]:
    """Points 10 and 20: files that a command is given, and what they cost it."""
    rows = home / "rows.jsonl"
    rows.write_text("".join(json.dumps({"query": f"{n}?", "response": f"{n}."}) + "\n"
                            for n in range(20)), "utf-8")  # fmt: skip
    laughs = "a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 9)
    )
    made = {
        "bomb.yaml": laughs, "deep.yaml": "a: " + "[" * 20_000 + "]" * 20_000,
        "number.yaml": "seed: " + "9" * 100_000, "grow.jinja": GROWING,
        "endless.jinja": ENDLESS.replace(f"messages[-1].content == '{WORD}'", "true"),
        "regex.yaml": "- question: Who are you?\n  regex: \"^(\\\\w+[ ,.]*)+!$\"\n",
    }  # fmt: skip
    for name, text in made.items():
        (home / name).write_text(text, "utf-8")
    check = ("check", "--model", "pocket", "--dataset", rows)
    found = [_cost("an undisturbed check", check, home)]
    for name, about in (("bomb.yaml", "a YAML bomb"), ("deep.yaml", "YAML 20,000 deep"),
                        ("number.yaml", "a number of 100,000 digits")):  # fmt: skip
        found.append(_cost(about, (*check, "--config", home / name), home))
    found.append(_cost("a probe whose expression never ends",
                       (*check, "--probes", home / "regex.yaml"), home))  # fmt: skip
    for name, about in (("grow.jinja", "a template that grows to 8 TiB"),
                        ("endless.jinja", "a template that never ends")):  # fmt: skip
        found.append(_cost(about, (*check, "--chat_template", home / name), home))
    return found


def _cost(what: str, words: Sequence[object], home: Path) -> dict[str, Any]:
    """Seconds and memory of a command, those of its children included, and its exit status."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.monotonic()
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "SURETUNE_LANG": "en"}
    code = (
        "import resource, runpy, sys, atexit\n"
        "def told():\n"
        "    most = [resource.getrusage(w).ru_maxrss for w in (0, -1)]\n"
        "    open('cost', 'w').write(str(max(most) >> 10))\n"
        "atexit.register(told); sys.argv = ['suretune', *sys.argv[1:]]\n"
        "runpy.run_module('suretune', run_name='__main__')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)], cwd=home, env=env, capture_output=True,
        text=True, timeout=300, check=False,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    computed = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"what": what, "seconds": time.monotonic() - begun, "computed": computed,
            "mib": int((home / "cost").read_text()), "status": done.returncode,
            "traceback": "Traceback" in done.stderr}  # fmt: skip


# --- the page -------------------------------------------------------------------------------------


def page(server: Sequence[dict[str, Any]], files: Sequence[dict[str, Any]]) -> str:
    """The block of docs/reliability.md."""
    lines = [
        "| meanwhile | a small chat alone, median (longest) | during it | ratio | not answered "
        "| the abuse was answered | server grew by |",
        "|---|---:|---:|---:|---:|---|---:|",
    ]
    for each in server:
        ratio = each["during_ms"] / each["alone_ms"]
        lines.append(
            f"| {each['what']} | {each['alone_ms']:.0f} ms ({each['alone_most_ms']:.0f}) "
            f"| {each['during_ms']:.0f} ms ({each['during_most_ms']:.0f}) | {ratio:.1f} "
            f"| {each['failed']} of {each['asked']} | {each['times']} times: {each['answers']} "
            f"| {each['grown_mib']:.0f} MiB |"
        )
    lines += ["", "| `check` of | computed | of memory | exit status |", "|---|---:|---:|---:|"]
    for each in files:
        cost = f"{each['computed']:.1f} s | {each['mib']} MiB"
        lines.append(f"| {each['what']} | {cost} | {each['status']} |")
    when = f"{date.today().isoformat()}, commit `{commit()}`, two CPU cores, the pocket model"
    lines += ["", f"{when}: `python -m load.abuse --write`."]
    return "\n".join(lines)


def main() -> int:
    """0 if everybody else was answered and nothing ended in a traceback."""
    parser = argparse.ArgumentParser(prog="python -m load.abuse", description=__doc__)
    parser.add_argument("--write", action="store_true", help="into docs/reliability.md")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="abuse-") as folder:
        files = of_files(Path(folder))
        server = of_server(Path(folder))
    print(made := page(server, files))
    if asked.write:
        PAGE.write_text(with_block(PAGE.read_text("utf-8"), "abuse", made, "load.abuse"), "utf-8")
    bad = [each for each in (*server, *files) if each.get("failed") or each.get("traceback")]
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
