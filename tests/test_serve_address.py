"""Where a server listens, and what its command line says when it cannot."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import socket
import time
from collections.abc import AsyncIterator
from pathlib import Path
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from suretune import words
from suretune.cli import main
from suretune.deploy.listen import bind, busy, host_names, is_loopback
from suretune.guards.guard import word as fact
from suretune.options_serve import ServeOptions
from suretune.record.journal import Journal, Stopped
from suretune.serve.limits import Limits
from suretune.serve.wire import Connection, make_server

LOCAL = ("localhost", "127.0.0.1", "::1")


# --- small packets go at once -------------------------------------------------------------------


async def small(scope: Any, receive: Any, send: Any) -> None:
    """Head and body in two packets, as every answer is written."""
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok", "more_body": False})


@contextlib.asynccontextmanager
async def bound(host: str) -> AsyncIterator[tuple[str, Any]]:
    """A server on an address as `serve` takes it: its URL, and itself."""
    there = bind(ServeOptions(host=host, port=0), Journal())
    server = make_server(small, Limits(None, LOCAL, 1000))
    serving = asyncio.ensure_future(server.serve([there]))
    while not server.started:
        await asyncio.sleep(0.01)
    shown = f"[{host}]" if ":" in host else host
    yield f"http://{shown}:{there.getsockname()[1]}/", server
    server.should_exit = server.force_exit = True
    await serving
    there.close()


def test_the_accepted_connection_sends_small_packets_at_once() -> None:
    async def go() -> list[int]:
        async with bound("127.0.0.1") as (url, server), httpx.AsyncClient() as client:
            assert (await client.get(url)).text == "ok"
            accepted = [
                each.transport.get_extra_info("socket")
                for each in server.server_state.connections
                if isinstance(each, Connection)
            ]
            return [s.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for s in accepted]

    nodelay = asyncio.run(go())
    assert nodelay and all(nodelay)


def test_a_kept_connection_is_no_slower_than_a_fresh_one() -> None:
    """Once the kernel has seen some questions and answers it takes its time to confirm them."""

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> float:
        begun = time.perf_counter()
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\nok")).startswith(b"HTTP/1.1 200")
        return time.perf_counter() - begun

    async def go() -> tuple[float, float]:
        kept, fresh = [], []
        async with bound("127.0.0.1") as (url, _):
            port = urlsplit(url).port
            old = await asyncio.open_connection("127.0.0.1", port)
            for _ in range(30):
                await ask(*old)
            for _ in range(9):
                kept.append(await ask(*old))
                new = await asyncio.open_connection("127.0.0.1", port)
                fresh.append(await ask(*new))
                new[1].close()
            old[1].close()
        return median(kept), median(fresh)

    kept, fresh = asyncio.run(go())
    assert kept < 5 * fresh


# --- whose address it is ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1", True), ("127.8.9.1", True), ("127.1", True), ("::1", True),
        ("localhost", True), ("LOCALHOST", True), ("::ffff:127.0.0.1", True),
        ("127.evil.com", False), ("127.0.0.1.evil.com", False), ("localhost.evil.com", False),
        ("0.0.0.0", False), ("::", False), ("10.0.0.1", False), ("127", False), ("", False),
        ("128.0.0.1", False), ("::ffff:10.0.0.1", False),
    ],
)  # fmt: skip
def test_only_this_machines_own_addresses_are_loopback(host: str, own: bool) -> None:
    assert is_loopback(host) is own
    assert ("*" in host_names(ServeOptions(host=host))) is not own


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.7", "a" * 80 + ".invalid"])
def test_a_host_that_is_not_here_is_no_busy_port(
    host: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SURETUNE_API_KEY", "sk-right")
    assert main(["serve", "somewhere", "--host", host, "--json"]) == 4
    words.choose(None)
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert finding["code"] == "V019" and host in finding["what"]["en"]


def test_a_port_that_is_taken_or_not_given_is_still_told_as_that() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(Stopped, match="V004"):
            bind(ServeOptions(port=other.getsockname()[1]), Journal())
    denied = busy(ServeOptions(port=80), PermissionError(errno.EACCES, "Permission denied"))
    assert denied.problem == "port-busy" and "EACCES" in fact(denied.found)


# --- the command line ---------------------------------------------------------------------------


@pytest.mark.parametrize("make", ["", "file"])
def test_a_missing_folder_of_adapters_is_refused_before_anything_is_loaded(
    make: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "my adapters"
    if make:
        folder.write_text("")
    assert main(["serve", "somewhere", "--adapters_dir", str(folder), "--json"]) == 2
    words.choose(None)
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert (finding["code"], finding["where"]) == ("C002", "--adapters_dir")
    assert ("mkdir -p '" in finding["fix"]["en"]) is not make.startswith("file")


@pytest.mark.parametrize(
    ("typed", "named"),
    [
        (["serve", "x", "--port", "many"], "suretune serve --help"),
        (["serve", "x", "--prot", "8"], "suretune serve --help"),
        (["deploy", "x", "--port", "-1"], "suretune serve --help"),
        (["serve", "x", "--api_key", ""], "suretune serve --help"),
        (["verify", "x", "--port", "8"], "suretune verify --help"),
        (["verify", "http://127.0.0.1:1/v1", "--timeout", "x"], "suretune verify --help"),
        (["infer", "--temperature", "hot"], "suretune infer --help"),
        (["sft", "--lora_rank", "eight"], "suretune sft --help"),
        (["import-cmd", "--lang"], "suretune import-cmd --help"),
        (["srve"], "suretune --help"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_error_of_a_verb_names_its_own_help(
    typed: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if typed[0] == "import-cmd":
        typed = ["import-cmd", "--file", "/nowhere/at/all"]
    status = main(typed)
    words.choose(None)
    told = capsys.readouterr()
    text = " ".join((told.out + told.err).split())
    assert status == 2 and f"`{named}`" in text, text


def test_a_proxy_is_believed_on_a_socket_of_both_kinds_too() -> None:
    from suretune.serve.origins import is_trusted

    assert is_trusted("::ffff:10.0.0.1", ("10.0.0.0/8",)) and is_trusted(
        "10.0.0.1", ("10.0.0.0/8",)
    )
    assert not is_trusted("::ffff:11.0.0.1", ("10.0.0.0/8",))
