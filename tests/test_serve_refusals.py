"""Who is refused is seen: a line and a count for each, none of his words, and no flood of lines."""

from __future__ import annotations

import asyncio
import json
import logging
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from suretune.serve import refusals
from suretune.serve.app import make_app
from suretune.serve.limits import Limits
from suretune.serve.refusals import LINES, Refusals
from suretune.serve.unsupported import ROUTES
from test_serve_limits import LOCAL, listening, service

JSON = b"content-type: application/json\r\n"
LIMITS = Limits("sk-right", LOCAL, 1000, origins=("https://app.example.com",))
KEY = b"authorization: Bearer sk-right\r\n"


def request(line: bytes, *headers: bytes, host: bytes = b"localhost", body: bytes = b"") -> bytes:
    length = b"content-length: %d\r\n" % len(body) if body else b""
    return (
        line + b" HTTP/1.1\r\nhost: " + host + b"\r\n" + b"".join(headers) + length + b"\r\n" + body
    )


WRONG: dict[str, bytes] = {
    "400": request(b"POST /ask", KEY, JSON, body=b"{secret words"),
    "401": request(b"GET /v1/models"),
    "403": request(b"GET /v1/models", host=b"evil.example.com"),
    "404": request(b"GET /nowhere", KEY),
    "405": request(b"DELETE /v1/models", KEY),
    "408": request(b"POST /ask", KEY, JSON, b"content-length: 20\r\n") + b"secret",
    "413": request(b"POST /ask", KEY, JSON, body=b"x" * 1001),
    "414": request(b"GET /" + b"x" * 5000, KEY),
    "415": request(b"POST /ask", KEY, body=b"secret"),
    "429": request(b"POST /ask", KEY, JSON, body=b'{"question": "secret"}'),
    "431": request(b"GET /health", *(b"x-%d: secret\r\n" % number for number in range(200))),
}


async def heard(port: int, sent: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 5)
    writer.close()
    return head.split()[1]


@pytest.mark.parametrize("code", WRONG)
def test_every_refusal_has_a_line_and_a_count(code: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "suretune.serve")
    limits = Limits(LIMITS.api_key, LOCAL, 1000, body_seconds=0.3)
    here = service(limits)

    async def go() -> bytes:
        async with listening(make_app(here), limits) as port:
            if code != "429":
                return await heard(port, WRONG[code])
            with here.engine.place():
                return await heard(port, WRONG[code])

    assert asyncio.run(go()).decode() == code
    (line,) = [each.getMessage() for each in caplog.records if "refused" in each.getMessage()]
    assert re.match(rf"refused: {code}\b", line) and line.endswith("from 127.0.0.1")
    assert "secret" not in line
    counted = here.metrics.page().decode()
    assert f'suretune:request_refused_total{{status="{code}"}} 1.0' in counted


@pytest.mark.parametrize(
    "sent", [b"NONSENSE\r\n\r\n", b"GET / HTTP/1.1\r\nhost: localhost\r\nx: " + b"a" * 70_000]
)
def test_what_is_no_http_is_counted_and_told_too(
    sent: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "suretune.serve")
    here = service(LIMITS)

    async def go() -> bytes:
        async with listening(make_app(here), LIMITS) as port:
            return await heard(port, sent)

    code = asyncio.run(go()).decode()
    assert code in ("400", "431")
    assert f'request_refused_total{{status="{code}"}} 1.0' in here.metrics.page().decode()
    assert [each for each in caplog.records if f"refused: {code}" in each.getMessage()]


def test_a_flood_is_a_few_lines_and_one_that_counts_the_rest(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "suretune.serve")
    monkeypatch.setattr(refusals, "WINDOW_SECONDS", 0.6)
    counted: list[int] = []

    async def go() -> None:
        told = Refusals(counted.append)
        for _ in range(1000):
            told.note(401, "invalid_api_key", "GET /v1/models", "192.0.2.1")
        told.note(404, None, "GET /nowhere", "192.0.2.1")
        await asyncio.sleep(0.8)
        told.note(401, "invalid_api_key", "GET /v1/models", "192.0.2.2")

    asyncio.run(go())
    lines = [each.getMessage() for each in caplog.records]
    assert counted.count(401) == 1001 and len(lines) == LINES + 3
    assert f"refused: 401, {1000 - LINES} more" in " ".join(lines)
    assert lines[-1].endswith("from 192.0.2.2")


def test_a_page_or_a_host_that_is_shut_out_is_named_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "suretune.serve")

    async def go() -> None:
        async with listening(make_app(service(LIMITS)), LIMITS) as port:
            await heard(port, request(b"GET /v1/models", b"origin: http://other.example.com\r\n"))
            await heard(port, WRONG["403"])

    asyncio.run(go())
    told = " ".join(each.getMessage() for each in caplog.records)
    assert "(http://other.example.com)" in told and "(evil.example.com)" in told


# --- nothing behind what two would read differently -----------------------------------------------

HIDDEN = request(b"GET /health")


@pytest.mark.parametrize("path", [b"/ask", b"/v1/chat/completions", b"/health", b"/nowhere"])
@pytest.mark.parametrize("length", [b"5", b"0", b"%d" % (5 + len(HIDDEN))])
@pytest.mark.parametrize("more", [0, 101])
def test_nothing_behind_contradicting_lengths_is_answered(
    path: bytes, length: bytes, more: int
) -> None:
    """Whatever else is wrong with the request."""
    many = b"".join(b"x-%d: 1\r\n" % n for n in range(more))
    sent = (
        request(b"POST " + path, KEY, JSON, many, b"content-length: " + length + b"\r\n",
                b"transfer-encoding: chunked\r\n") + b"0\r\n\r\n" + HIDDEN
    )  # fmt: skip

    async def go() -> bytes:
        async with listening(make_app(service(LIMITS)), LIMITS) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(sent)
            got = await asyncio.wait_for(reader.read(), 5)  # to its end: it was closed
            writer.close()
            return got

    got = asyncio.run(go())
    assert got.count(b"HTTP/1.1") == 1 and got.startswith(b"HTTP/1.1 400")
    assert b"connection: close" in got.lower()


# --- what is not served ---------------------------------------------------------------------------


def called(method: str, path: str, **how: Any) -> httpx.Response:
    async def go() -> httpx.Response:
        transport = httpx.ASGITransport(make_app(service(Limits(None, LOCAL, 1000))))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.request(method, path, **how)

    return asyncio.run(go())


@pytest.mark.parametrize("route", ROUTES)
def test_a_route_that_is_not_served_is_refused_by_name(route: str) -> None:
    for path in (route, f"{route}/some/thing", route.removeprefix("/v1")):
        answer = called("POST", path, json={"model": "pocket", "input": "x"})
        error = answer.json()["error"]
        assert answer.status_code == 404 and set(error) == {"message", "type", "param", "code"}
        assert error["code"] == "unsupported_endpoint" and error["type"] == "invalid_request_error"
        assert error["message"].startswith(f"{route} is not supported: ")
    if route == "/v1/responses":
        assert "/v1/chat/completions" in error["message"]


@pytest.mark.parametrize(
    "path", ["/chat/completions", "/v1/v1/chat/completions", "/api/v1/chat/completions",
             "/v1/chat/completions/"],
)  # fmt: skip
def test_a_path_beside_the_route_is_told_which_is_meant(path: str) -> None:
    message = called("POST", path, json={}).json()["error"]["message"]
    assert "/v1/chat/completions is." in message and "base_url" in message


def test_a_method_that_a_route_has_not_is_told_which_it_has() -> None:
    answer = called("GET", "/v1/chat/completions")
    assert answer.status_code == 405 and answer.headers["allow"] == "POST"
    assert "POST" in answer.json()["error"]["message"]


# --- the context ----------------------------------------------------------------------------------

CHAT = "/v1/chat/completions"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (CHAT, {"messages": [{"role": "user", "content": "word " * 300}]}),
        (CHAT, {"messages": [{"role": "user", "content": "w"}], "max_tokens": 64}),
        ("/v1/completions", {"prompt": "word " * 300}),
        ("/v1/completions", {"prompt": [5] * 64}),
        ("/v1/completions", {"prompt": ["word " * 300]}),
        ("/v1/completions", {"prompt": "a", "max_tokens": 64}),
        ("/ask", {"question": "word " * 90}),
        ("/ask", {"question": "word " * 9000}),
    ],
)
def test_what_is_too_long_names_the_limit_its_flag_and_its_number(
    path: str, body: dict[str, Any]
) -> None:
    async def go(context: int) -> Any:
        here = replace(service(Limits(None, LOCAL, 100_000)), context=context)
        transport = httpx.ASGITransport(make_app(here))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answer = await client.post(path, json={"model": "pocket", **body})
            return answer.status_code, answer.json()["error"]

    status, error = asyncio.run(go(4096))
    assert (status, error["code"]) == (400, "context_length_exceeded")
    assert "64 tokens" in error["message"] and "--max_model_len 4096" in error["message"]
    _, error = asyncio.run(go(64))
    assert "The model takes no more (--max_model_len)." in error["message"]


def test_the_room_is_told_with_every_model() -> None:
    listed = called("GET", "/v1/models").json()["data"]
    one = called("GET", "/v1/models/pocket").json()
    assert [card["max_model_len"] for card in (*listed, one)] == [64, 64]


def test_the_room_is_shown_at_the_start_and_what_was_cut_of_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    from suretune.cli.serve import show_address

    about = {"url": "http://127.0.0.1:8000/v1", "models": [], "context": 2048, "engines": 1}
    for asked, told in ((None, False), (1024, False), (9000, True)):
        room = min(asked or 2048, 2048)
        show_address({**about, "max_model_len": room, "asked_model_len": asked}, as_json=False)
        shown = capsys.readouterr().out
        assert f"{room} tokens" in shown and "--max_model_len" in shown and "2048" in shown
        assert ("9000" in shown) is told
        assert "http://127.0.0.1:8000/docs" in shown
    show_address({**about, "max_model_len": 2048, "asked_model_len": None}, as_json=True)
    assert json.loads(capsys.readouterr().out)["max_model_len"] == 2048


# --- streams through proxies ----------------------------------------------------------------------


def test_a_stream_says_that_nobody_shall_keep_it_back() -> None:
    from suretune.serve.answering import Stream
    from suretune.serve.replies import chat_reply

    headers = Stream([], chat_reply(service(LIMITS).models.base, False), False).headers
    assert headers["x-accel-buffering"] == "no" and "no-cache" in headers["cache-control"]
    assert headers["content-type"].startswith("text/event-stream")


# --- adapters that lead elsewhere -----------------------------------------------------------------


def test_a_folder_is_kept_inside_whatever_its_links_say(tmp_path: Path) -> None:
    from suretune.deploy.prove_adapters import keep_inside
    from suretune.serve.openai import Refused

    root, outside = tmp_path / "adapters", tmp_path / "outside"
    for folder in (root / "good" / "adapter", root / "blobs", outside):
        folder.mkdir(parents=True)
    (outside / "weights").write_text("w")
    (root / "blobs" / "weights").write_text("w")
    (root / "good" / "adapter" / "weights").symlink_to(root / "blobs" / "weights")
    keep_inside(root / "good", root)  # a link that stays inside, as caches have them

    def refused(name: str) -> str:
        with pytest.raises(Refused) as caught:
            keep_inside(root / name, root)
        assert caught.value.status == 400 and str(tmp_path) not in caught.value.message
        return caught.value.message

    for name, target in (
        ("weights", outside / "weights"), ("loop", Path("weights")), ("dangling", Path("nothing")),
        ("folder", outside), ("far", root / "stepping"),
    ):  # fmt: skip
        place = root / name / "adapter"
        place.mkdir(parents=True)
        (place / "weights").symlink_to(target)
    (root / "stepping").mkdir()
    (root / "stepping" / "deep").symlink_to(outside)
    assert "weights is a link. Copy" in refused("weights")
    assert "leads nowhere" in refused("loop") and "leads nowhere" in refused("dangling")
    assert "leads out" in refused("folder") and "leads out" in refused("far")
