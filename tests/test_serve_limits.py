"""Who may ask, deadlines, and an engine that fails: the server's parts without a trained run."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from starlette.responses import Response

from suretune import words
from suretune.cli import main
from suretune.config import Resolved
from suretune.data.base import Base, find_base
from suretune.data.render import prompt_ids
from suretune.data.template import ChatTokenizer, load_tokenizer
from suretune.data.wall import TIME, Unfit
from suretune.deploy.listen import host_names, key_for
from suretune.deploy.model_host import open_house
from suretune.deploy.run_server import serve
from suretune.model.generate import answers
from suretune.model.load import load_base
from suretune.model.slots import Ask, Said, Slots
from suretune.model.stack import Stack, make_stack
from suretune.options_serve import ServeOptions
from suretune.pocket import MODEL
from suretune.record.journal import Journal, Stopped
from suretune.run import folder
from suretune.serve.answering import Placed, heard
from suretune.serve.app import Service, make_app
from suretune.serve.desk import Closed, Failure, Full
from suretune.serve.engine import Engine
from suretune.serve.limits import OPEN, Limits
from suretune.serve.metrics import Metrics
from suretune.serve.models import Models, Served
from suretune.serve.wire import make_server
from suretune.types import Message

found = load_tokenizer(MODEL)
assert isinstance(found, ChatTokenizer)
TOKENIZER = found
LOCAL = ("localhost", "127.0.0.1", "::1")


def service(limits: Limits) -> Service:
    """A server of the base whose engine was never started."""
    base = Served("pocket", "pocket", None, None, TOKENIZER, None, 0, {}, "f")
    engine = Engine(lambda: pytest.fail("nobody may get so far"), 1)
    return Service(engine, Models(base), Metrics(engine, 1), limits, 64, 0.0, 1.0, 64)


# --- the key ------------------------------------------------------------------------------------

ROUTES = (
    "/v1/chat/completions", "/v1/completions", "/ask", "/v1/models", "/v1/models/pocket",
    "/v1/load_lora_adapter", "/v1/unload_lora_adapter", "/health", "/ready", "/metrics",
    "/openapi.json", "/nowhere", "/",
)  # fmt: skip


@pytest.mark.parametrize("path", ROUTES)
def test_every_route_but_the_states_needs_the_key(path: str) -> None:
    app = make_app(service(Limits("sk-right", LOCAL, 1000)))

    async def ask(headers: dict[str, str] | dict[bytes, bytes]) -> httpx.Response:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get(path, headers=headers)

    for wrong in ({}, {"authorization": "Bearer sk-wrong"}, {"authorization": "Basic sk-right"},
                  {"authorization": "sk-right"}, {"x-api-key": "sk-right"},
                  {b"authorization": b"Bearer \xc3\xa9"}):  # fmt: skip
        answer = asyncio.run(ask(wrong))
        assert answer.status_code == (200 if path in OPEN else 401)
        assert "sk-right" not in answer.text
    right = asyncio.run(ask({"authorization": "bearer sk-right"}))
    assert right.status_code in (200, 404, 405) and right.status_code != 401


def test_all_routes_are_in_that_list() -> None:
    described = make_app(service(Limits(None, LOCAL, 1000)))

    async def paths() -> set[str]:
        transport = httpx.ASGITransport(described)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return set((await client.get("/openapi.json")).json()["paths"])

    assert {path.replace("{model}", "pocket") for path in asyncio.run(paths())} <= set(ROUTES)


def test_a_key_is_needed_wherever_others_reach_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SURETUNE_API_KEY", raising=False)
    assert key_for(ServeOptions(), Journal(), terminal=False) == (None, False)
    assert key_for(ServeOptions(api_key="k"), Journal(), terminal=False) == ("k", False)
    with pytest.raises(Stopped, match="V005"):
        key_for(ServeOptions(host="0.0.0.0"), Journal(), terminal=False)
    key, made = key_for(ServeOptions(host="0.0.0.0"), Journal(), terminal=True)
    assert made and key and len(key) > 30
    monkeypatch.setenv("SURETUNE_API_KEY", "from-outside")
    assert key_for(ServeOptions(host="::"), Journal(), terminal=False)[0] == "from-outside"
    assert "*" not in host_names(ServeOptions()) and "*" in host_names(ServeOptions(host="0.0.0.0"))


def test_a_key_is_what_stands_in_its_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SURETUNE_API_KEY", "sk-canary\n")
    assert key_for(ServeOptions(), Journal(), terminal=False) == ("sk-canary", False)
    assert key_for(ServeOptions(api_key=" k "), Journal(), terminal=False) == ("k", False)
    for empty in ("", "\n", "sk-canary\nsk-other", "\u5bc6\u94a5"):
        monkeypatch.setenv("SURETUNE_API_KEY", empty)
        with pytest.raises(Stopped, match="C002") as stopped:
            key_for(ServeOptions(), Journal(), terminal=True)
        assert "canary" not in str(stopped.value.findings)


def test_a_key_is_in_no_file_of_ours(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def fails(command: object) -> int:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr("suretune.cli.run_verb", fails)
    monkeypatch.setattr("tempfile.mkdtemp", lambda prefix: str(tmp_path))
    for typed in (["--api-key", "sk-canary"], ["--api_key=sk-canary"]):
        assert main(["serve", "run", *typed]) == 1
        assert "sk-canary" not in (tmp_path / "error.txt").read_text() + capsys.readouterr().err
    folder.write_config(tmp_path / "c", Resolved.default().with_values("flag", api_key="sk-canary"))
    assert "sk-canary" not in (tmp_path / "c").read_text()


def test_without_the_extra_the_installation_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("suretune.deploy.listen.is_installed", lambda name: False)
    assert main(["serve", "somewhere", "--json"]) == 4
    words.choose(None)
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert finding["code"] == "S030" and "pip install 'suretune[serve]'" in finding["fix"]["en"]
    assert main(["deploy", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["findings"][0]["code"] == "C008"


# --- deadlines ----------------------------------------------------------------------------------


def narrow() -> socket.socket:
    """A socket for which the kernel keeps little: who does not read is felt at once."""
    made = socket.socket()
    for side in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        made.setsockopt(socket.SOL_SOCKET, side, 4096)
    return made


@contextlib.asynccontextmanager
async def listening(app: Any, limits: Limits) -> AsyncIterator[int]:
    """A server of this app, and its port."""
    there = narrow()
    there.bind(("127.0.0.1", 0))
    server = make_server(app, limits)
    serving = asyncio.ensure_future(server.serve([there]))
    while not server.started:
        await asyncio.sleep(0.01)
    yield there.getsockname()[1]
    server.should_exit = server.force_exit = True
    await serving


async def seconds_until_closed(reader: asyncio.StreamReader) -> tuple[float, bytes]:
    begun, data = time.monotonic(), b""
    with contextlib.suppress(ConnectionResetError):
        data = await asyncio.wait_for(reader.read(), 10)
    return time.monotonic() - begun, data


QUICK = Limits(None, LOCAL, 100_000, body_seconds=0.3, header_seconds=0.3, reader_seconds=0.3)


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"", b""),
        (b"GET /health HTTP/1.1\r\nHost: loc", b""),
        (b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\nGET /hea", b"HTTP/1.1 200"),
        (b"POST /ask HTTP/1.1\r\nHost: localhost\r\ncontent-type: application/json\r\n"
         b"content-length: 50\r\n\r\n{", b"HTTP/1.1 408"),
    ],
    ids=["nothing", "half a header", "half of a second one", "half a body"],
)  # fmt: skip
def test_whoever_is_slow_is_not_waited_for(sent: bytes, answer: bytes) -> None:
    async def go() -> tuple[float, bytes]:
        async with listening(make_app(service(QUICK)), QUICK) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            if answer.endswith(b"408"):
                return 0.0, await asyncio.wait_for(reader.read(12), 5)
            try:
                return await seconds_until_closed(reader)
            finally:
                writer.close()

    seconds, got = asyncio.run(go())
    assert got[: len(answer)] == answer and seconds < 3


def test_a_reader_that_takes_nothing_is_dropped() -> None:
    over = asyncio.Event()

    async def endless(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        gone = asyncio.ensure_future(until_gone(receive))
        while not gone.done():
            await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
            await asyncio.sleep(0)
        over.set()

    async def until_gone(receive: Callable[[], Awaitable[Any]]) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    async def go() -> None:
        async with listening(endless, QUICK) as port:
            there = socket.create_connection(("127.0.0.1", port))
            there.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await asyncio.wait_for(over.wait(), 5)
            there.close()

    asyncio.run(go())


def test_what_lies_unread_is_dropped_and_keeps_its_place_until_then() -> None:
    """Less than a transport calls much, and the whole of it given away at once."""
    engine = service(QUICK).engine
    answer = Response(b"x" * 60_000, headers={"connection": "close"})

    async def go(reads: bool) -> int:
        async with listening(Placed(answer, engine), QUICK) as port:
            with narrow() as there:
                there.setblocking(False)
                await asyncio.get_running_loop().sock_connect(there, ("127.0.0.1", port))
                reader, writer = await asyncio.open_connection(sock=there, limit=1000)
                writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                await asyncio.sleep(0.1)
                assert engine.under_way == 1
                begun = time.monotonic()
                got = b""
                if reads:
                    got = await reader.read()
                while engine.under_way:
                    await asyncio.sleep(0.01)
                    assert time.monotonic() - begun < 5
                with contextlib.suppress(ConnectionResetError):
                    got += await reader.read()
                writer.close()
                return got.count(b"x")

    assert asyncio.run(go(True)) == 60_000
    assert asyncio.run(go(False)) < 60_000


HEAD = (
    b"POST /ask HTTP/1.1\r\nHost: localhost\r\ncontent-type: application/json\r\n"
    b"content-length: 50\r\n\r\n"
)


async def status(port: int, sent: bytes) -> bytes:
    """What one client hears first for these bytes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    got = await asyncio.wait_for(reader.readline(), 5)
    writer.close()
    return got.split()[1]


def test_who_finds_no_place_is_not_read() -> None:
    """One place, and somebody has it; then the server drains."""
    limits = Limits(None, LOCAL, 100_000)

    async def go() -> list[bytes]:
        here = service(limits)
        async with listening(make_app(here), limits) as port:
            with here.engine.place():
                got = [await status(port, HEAD)]
            got.append(await status(port, HEAD + b"x" * 50))
            here.engine.drain()
            return [*got, await status(port, HEAD)]

    assert asyncio.run(go()) == [b"429", b"400", b"503"]


def test_bodies_that_never_come_take_nobodys_place() -> None:
    """More of them than may be open: the first give way, and whoever sends a body is heard."""
    limits = Limits(None, LOCAL, 2**26)  # 16 bodies may be open

    async def go() -> tuple[list[bytes], int, bytes]:
        here = service(limits)
        async with listening(make_app(here), limits) as port:
            slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(40)]
            for _, writer in slow:
                writer.write(HEAD + b"{")
            heard = [await status(port, HEAD + b"x" * 50) for _ in range(20)]
            first = await asyncio.wait_for(slow[0][0].readline(), 5)
            for _, writer in slow:
                writer.close()
            return heard, here.engine.under_way, first

    heard, under_way, first = asyncio.run(go())
    assert heard == [b"400"] * 20 and under_way == 0
    assert first.startswith(b"HTTP/1.1 408")


def test_the_one_who_has_most_open_bodies_gives_way() -> None:
    limits = Limits(None, LOCAL, 2**26, proxies=("127.0.0.1",))
    patient = HEAD.replace(b"Host", b"X-Forwarded-For: 192.0.2.1\r\nHost")
    greedy = HEAD.replace(b"Host", b"X-Forwarded-For: 192.0.2.2\r\nHost")

    async def go() -> bytes:
        async with listening(make_app(service(limits)), limits) as port:
            mine, to = await asyncio.open_connection("127.0.0.1", port)
            to.write(patient + b"x" * 20)
            await asyncio.sleep(0.1)
            others = [await asyncio.open_connection("127.0.0.1", port) for _ in range(40)]
            for _, writer in others:
                writer.write(greedy + b"{")
            await asyncio.wait_for(others[10][0].readline(), 5)  # one that had to give way
            to.write(b"x" * 30)
            got = await asyncio.wait_for(mine.readline(), 5)
            for _, writer in (*others, (mine, to)):
                writer.close()
            return got

    assert asyncio.run(go()).startswith(b"HTTP/1.1 400")


def test_who_is_silent_longest_gives_his_connection_to_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("resource.getrlimit", lambda which: (64 + 16, 64 + 16))
    limits = Limits(None, LOCAL, 1000)

    async def go() -> tuple[bytes, bytes]:
        async with listening(make_app(service(limits)), limits) as port:
            silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(30)]
            answered = await status(port, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            _, dropped = await seconds_until_closed(silent[0][0])
            for _, writer in silent:
                writer.close()
            return answered, dropped

    assert asyncio.run(go()) == (b"200", b"")


def post(here: Service, path: str, body: Mapping[str, Any]) -> httpx.Response:
    async def go() -> httpx.Response:
        transport = httpx.ASGITransport(make_app(here))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post(path, json=body)

    return asyncio.run(go())


def test_text_that_can_never_fit_is_not_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    for what in ("typed_prompt_ids", "with_system"):
        monkeypatch.setattr(f"suretune.serve.models.{what}", lambda *_: pytest.fail("rendered"))
    here = service(Limits(None, LOCAL, 1_000_000))
    text = "a" * (here.room * here.models.base.words.longest + 1)
    for path, body in (
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": text}]}),
        ("/v1/completions", {"prompt": text}),
        ("/ask", {"question": text}),
    ):
        answer = post(here, path, {"model": "pocket", **body})
        assert answer.status_code == 400
        assert answer.json()["error"]["code"] == "context_length_exceeded"


def test_a_prompt_is_never_answered_by_another_adapter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name was given to another one between its tokens and its place in the queue."""
    here = service(Limits(None, LOCAL, 1000))
    here.models.add(Served("a", "r", "pocket", "a", TOKENIZER, None, 0, {}, "f"))
    another = Served("a", "other", "pocket", "a#1", TOKENIZER, None, 0, {}, "g")

    def meanwhile(
        tokenizer: ChatTokenizer, messages: Sequence[Message], thinking: bool | None
    ) -> list[int]:
        here.models.remove("a")
        here.models.add(another)
        return prompt_ids(tokenizer, messages)

    monkeypatch.setattr("suretune.serve.models.typed_prompt_ids", meanwhile)
    answer = post(here, "/ask", {"model": "a", "question": "Who are you?"})
    assert answer.status_code == 404 and answer.json()["error"]["code"] == "model_not_found"
    assert here.engine.waiting == here.engine.under_way == 0


# --- the engine ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def stack() -> Stack:
    base = find_base("pocket", weights=True)
    assert isinstance(base, Base)
    made = make_stack(load_base(base, torch.device("cpu"), "float32", "sdpa"), learning=False)
    assert isinstance(made, Stack)
    return made


PROMPT = tuple(prompt_ids(TOKENIZER, [Message("user", "Who are you?")]))
ASK = Ask(PROMPT, TOKENIZER.stop_ids, 40)


class Fragile(Slots):
    """Slots whose steps fail as often as is asked."""

    failures = 0

    def step(self) -> list[Said]:
        if Fragile.failures:
            Fragile.failures -= 1
            raise RuntimeError("the device is gone")
        return super().step()


def with_engine(
    stack: Stack, go: Callable[[Engine], Awaitable[Any]], *, rows: int = 2, queue: int = 4
) -> Any:
    async def run() -> Any:
        engine = Engine(lambda: Fragile(stack, rows, 256, 1, 8), queue)
        engine.start()
        try:
            return await asyncio.wait_for(go(engine), 60)
        finally:
            await asyncio.to_thread(engine.close, "enough")

    return asyncio.run(run())


def test_a_failed_step_costs_those_under_way_and_nobody_else(stack: Stack) -> None:
    async def go(engine: Engine) -> tuple[list[Any], list[int]]:
        Fragile.failures = 1
        jobs = [engine.submit(ASK) for _ in range(3)]  # two slots: the third has to wait
        told: list[Any] = await asyncio.gather(*map(heard, jobs), return_exceptions=True)
        return told, await heard(engine.submit(ASK))

    told, after = with_engine(stack, go)
    assert [isinstance(each, RuntimeError) for each in told] == [True, True, False]
    assert told[2] == after and "Qwen" in TOKENIZER.decode(after)


def test_what_ended_before_a_step_failed_is_told(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    def admit(self: Fragile, asks: Sequence[Ask]) -> list[tuple[int, Said]]:
        Fragile.failures = int(asks[0].max_new_tokens == 1)
        return Slots.admit(self, asks)

    async def go(engine: Engine) -> list[Any]:
        jobs = [engine.submit(Ask(PROMPT, frozenset(), 200))]
        while not engine.running:
            await asyncio.sleep(0.005)
        jobs.append(engine.submit(Ask(PROMPT, frozenset(), 1)))
        return await asyncio.gather(*map(heard, jobs), return_exceptions=True)

    monkeypatch.setattr(Fragile, "admit", admit)
    first, other = with_engine(stack, go)
    assert isinstance(first, RuntimeError) and len(other) == 1


def test_an_order_that_nobody_will_do_is_refused(stack: Stack) -> None:
    """An adapter is to go, and somebody waits for it in the queue; then the server ends."""

    async def go(engine: Engine) -> None:
        engine.submit(Ask(PROMPT, frozenset(), 200))
        engine.submit(Ask(PROMPT, frozenset(), 1, "a"))
        order = asyncio.ensure_future(engine.unload("a"))
        await asyncio.sleep(0)
        await asyncio.to_thread(engine.close, "enough")
        with pytest.raises(Closed):
            await asyncio.wait_for(order, 5)

    with_engine(stack, go, rows=1)


def test_an_engine_that_fails_again_and_again_says_that_it_is_dead(stack: Stack) -> None:
    async def go(engine: Engine) -> str:
        Fragile.failures = 1000
        for _ in range(4):
            with pytest.raises(RuntimeError):
                await heard(engine.submit(ASK))
        while engine.state != "dead":
            await asyncio.sleep(0.01)
        with pytest.raises(Closed):
            engine.submit(ASK)
        return engine.state

    try:
        assert with_engine(stack, go) == "dead"
    finally:
        Fragile.failures = 0


def test_a_request_that_cannot_be_does_not_take_others_along(stack: Stack) -> None:
    async def go(engine: Engine) -> list[Any]:
        asks = [ASK, Ask(PROMPT, TOKENIZER.stop_ids, 5000), Ask((), frozenset(), 3)]
        jobs = [engine.submit(ask) for ask in asks]
        first = await heard(jobs[0])
        return [first, await jobs[1].events.get(), await jobs[2].events.get()]

    first, *others = with_engine(stack, go, rows=4)
    assert "Qwen" in TOKENIZER.decode(first)
    assert all(isinstance(each, Failure) and each.refused for each in others)


def test_a_full_queue_and_a_cancelled_request(stack: Stack) -> None:
    async def go(engine: Engine) -> list[int]:
        jobs = [engine.submit(Ask(PROMPT, frozenset(), 200)) for _ in range(2)]
        while engine.running < 2:
            await asyncio.sleep(0.005)
        waiting = [engine.submit(ASK) for _ in range(4)]
        with contextlib.ExitStack() as places:
            for _ in range(6):
                places.enter_context(engine.place())
            with pytest.raises(Full), engine.place():
                pass
        assert engine.under_way == 0
        for job in (*jobs, *waiting[1:]):
            engine.cancel(job)
        return await heard(waiting[0])

    assert "Qwen" in TOKENIZER.decode(with_engine(stack, go))


def test_the_engine_says_what_transformers_says(stack: Stack) -> None:
    questions = ("Who are you?", "What is 2 + 3?", "\u4f60\u597d", "Name a colour.", "Sort 3 1 2")
    prompts = [prompt_ids(TOKENIZER, [Message("user", q)]) for q in questions]
    base = find_base("pocket", weights=True)
    assert isinstance(base, Base)
    alone: Any = load_base(base, torch.device("cpu"), "float32", "sdpa")
    expected = answers(alone, TOKENIZER, prompts, 40)

    async def go(engine: Engine) -> Sequence[list[int]]:
        jobs = [engine.submit(Ask(tuple(p), TOKENIZER.stop_ids, 40)) for p in prompts]
        return [await heard(job) for job in jobs]

    said = with_engine(stack, go, queue=10)
    assert [TOKENIZER.decode(ids) for ids in said] == expected


@pytest.mark.parametrize("how", ["fails", "ends"])
def test_a_stream_that_is_cut_off_says_so_and_is_counted(stack: Stack, how: str) -> None:
    pages: list[Metrics] = []

    async def go(engine: Engine) -> bytes:
        base = Served("pocket", "pocket", None, None, TOKENIZER, None, 0, {}, "f")
        metrics = Metrics(engine, 2)
        pages.append(metrics)
        limits = Limits(None, LOCAL, 1000)
        app = make_app(Service(engine, Models(base), metrics, limits, 256, 0.0, 1.0, 64))
        body = {"model": "pocket", "prompt": "Once", "temperature": 2, "max_tokens": 200, "seed": 1}
        async with listening(app, limits) as port:
            url = f"http://127.0.0.1:{port}/v1/completions"
            async with (
                httpx.AsyncClient() as client,
                client.stream("POST", url, json={**body, "stream": True}) as answer,
            ):
                got = b""
                async for part in answer.aiter_raw():
                    got += part
                    if how == "fails":
                        Fragile.failures = 1
                    elif engine.state == "ready":
                        await asyncio.to_thread(engine.close, "the server is shutting down")
            return got

    events = [line for line in with_engine(stack, go).split(b"\n\n") if line]
    assert events[-1] == b"data: [DONE]" and events[0].startswith(b'data: {"id"')
    error = json.loads(events[-2].removeprefix(b"data: "))["error"]
    assert error["type"] == "server_error" and error["code"] == "engine"
    assert ("shutting down" if how == "ends" else "failed") in error["message"]
    Fragile.failures = 0
    counted = [line for line in pages[0].page().decode().splitlines() if line[0] != "#"]
    assert 'suretune:request_failed_total{model_name="pocket",sent="stream"} 1.0' in counted
    assert not [line for line in counted if line.startswith(OTHER_ENDS)]


OTHER_ENDS = ("suretune:request_success_total", "suretune:request_cancelled_total",
              "suretune:request_refused_total")  # fmt: skip


class Slow(ChatTokenizer):
    """Words that are made elsewhere, in their own time: until the event loop has moved."""

    moved = threading.Event()
    held_up = False
    raised = 0

    @property
    def plain(self) -> bool:
        return False

    def decode(self, ids: Sequence[int], *, special: bool = False) -> str:
        self.moved.clear()
        if not self.moved.wait(20):
            self.held_up = True
        if self.raised:
            raise Unfit("tokenizer.json", TIME)
        return super().decode(ids, special=special)


@pytest.mark.parametrize("raised", [0, 1])
def test_words_that_take_their_time_hold_up_nobody_else(stack: Stack, raised: int) -> None:
    """A stranger's decoder may compute for seconds: the event loop is everybody's."""
    slow = Slow(MODEL, TOKENIZER.vocabulary, TOKENIZER.config, TOKENIZER.template)
    base = Served("pocket", "pocket", None, None, slow, None, 0, {}, "f")
    slow.raised = raised

    async def go(engine: Engine) -> httpx.Response:
        app = make_app(
            Service(engine, Models(base), Metrics(engine, 2), Limits(None, LOCAL, 1000), 256,
                    0.0, 1.0, 64)
        )  # fmt: skip
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://localhost", timeout=60
        ) as client:
            body = {"model": "pocket", "prompt": "Once", "max_tokens": 3}
            asked = asyncio.ensure_future(client.post("/v1/completions", json=body))
            while not asked.done():
                slow.moved.set()
                await asyncio.sleep(0.005)
            return await asked

    answer = with_engine(stack, go)
    assert not slow.held_up
    assert answer.status_code == (400 if raised else 200), answer.text
    if raised:
        assert answer.json()["error"]["code"] == "unfit_file"


def test_what_does_not_end_in_time_is_cut_off_and_the_status_says_so() -> None:
    """The whole of `serve` on the base alone, in this process: a signal amid a long answer."""
    config = Resolved.default().with_values("flag", model="pocket", drain_seconds=0.1).config
    house = open_house(config, [], Journal())
    got: list[bytes] = []

    def client(url: str) -> None:
        body = {"model": "pocket", "prompt": "Once", "temperature": 2, "max_tokens": 2000,
                "seed": 1, "stream": True}  # fmt: skip
        with httpx.stream("POST", f"{url}/completions", json=body, timeout=30) as answer:
            for part in answer.iter_raw():
                if not got:
                    os.kill(os.getpid(), signal.SIGTERM)
                got.append(part)

    there = socket.socket()
    there.bind(("127.0.0.1", 0))
    clients: list[threading.Thread] = []

    def ready(about: Mapping[str, Any]) -> None:
        assert [model["id"] for model in about["models"]] == ["pocket"]
        clients.append(threading.Thread(target=client, args=(about["url"],)))
        clients[0].start()

    assert serve(house, there, None, Journal(), ready) == 128 + signal.SIGTERM
    clients[0].join()
    assert b"shutting down" in b"".join(got) and got[-1].endswith(b"data: [DONE]\n\n")


def test_who_has_not_read_by_the_end_was_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """The engine has said all of it; meanwhile others hear that this server goes away."""
    monkeypatch.setattr("suretune.serve.wire.CLOSING_SECONDS", 1)
    config = Resolved.default().with_values("flag", model="pocket", drain_seconds=1).config
    house = open_house(config, [], Journal())
    body = json.dumps({"model": "pocket", "prompt": "Once", "temperature": 2, "max_tokens": 400,
                       "seed": 1, "logprobs": 5}).encode()  # fmt: skip
    head = "POST /v1/completions HTTP/1.1\r\nHost: localhost\r\ncontent-type: application/json"
    slow, listens, others = narrow(), narrow(), []
    listens.bind(("127.0.0.1", 0))

    def client(url: str) -> None:
        slow.connect(listens.getsockname())
        slow.sendall(f"{head}\r\ncontent-length: {len(body)}\r\n\r\n".encode() + body)
        assert slow.recv(5) == b"HTTP/"
        os.kill(os.getpid(), signal.SIGTERM)
        root = url.removesuffix("/v1")
        while (answer := httpx.get(f"{root}/ready")).status_code == 200:
            time.sleep(0.02)
        others.append(answer)
        others.append(httpx.post(f"{root}/ask", json={"question": "Who are you?"}))

    thread = threading.Thread(target=lambda: client(url[0]))
    url: list[str] = []

    def ready(about: Mapping[str, Any]) -> None:
        url.append(str(about["url"]))
        thread.start()

    assert serve(house, listens, None, Journal(), ready) == 128 + signal.SIGTERM
    thread.join()
    slow.close()
    assert [answer.status_code for answer in others] == [503, 503]
    assert others[0].json() == {"status": "draining"}
    assert others[1].json()["error"]["code"] == "unavailable"


def test_help_of_the_server_imports_nothing_heavy(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys; from suretune.cli import main\n"
        "try: main(['serve', '--help'])\nexcept SystemExit: pass\n"
        "sys.exit(any(m in sys.modules for m in ('torch', 'starlette', 'pydantic', 'uvicorn')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and "--api_key" in done.stdout, done.stdout + done.stderr
