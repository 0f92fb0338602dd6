"""What no server should be sent. Each must end in a status of 4xx, or in a closed connection."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Mapping
from typing import Any

from load.wire import Address

Made = Callable[[Address, str, random.Random], bytes]
CHAT = "/v1/chat/completions"


def chat(address: Address, body: bytes | Mapping[str, Any], **how: Any) -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return address.request(CHAT, data, **how)


def asked(model: str, **changed: Any) -> dict[str, Any]:
    """A good request but for what is changed."""
    good = {"model": model, "messages": [{"role": "user", "content": "Sort 3 1 2"}]}
    return {**good, "max_tokens": 8, **changed}


def noise(address: Address, model: str, draw: random.Random) -> bytes:
    return draw.randbytes(draw.randrange(1, 4000)) + b"\r\n\r\n"


def flipped(address: Address, model: str, draw: random.Random) -> bytes:
    """A good request with some of its body's bytes replaced: mostly no JSON, never a 5xx."""
    body = bytearray(json.dumps(asked(model, stream=True)).encode())
    for _ in range(draw.randrange(1, 6)):
        body[draw.randrange(len(body))] = draw.randrange(256)
    return chat(address, bytes(body))


def _lines(address: Address, amount: int, size: int) -> bytes:
    return b"".join(b"X-%d: %s\r\n" % (i, b"a" * size) for i in range(amount))


MAY_BE_GOOD = ("flipped",)  # a flipped letter of a question is another question
GARBAGE: Mapping[str, Made] = {
    "noise": noise,
    "flipped": flipped,
    "no json": lambda a, m, d: chat(a, b'{"model": '),
    "an array": lambda a, m, d: chat(a, b"[1, 2]"),
    "deep": lambda a, m, d: chat(a, b'{"messages": ' + b"[" * 50_000),
    "not a number": lambda a, m, d: chat(a, b'{"model": "x", "messages": [], "temperature": NaN}'),
    "bad utf-8": lambda a, m, d: chat(a, b'{"model": "\xff\xfe", "messages": []}'),
    "a form": lambda a, m, d: chat(a, asked(m), kind="application/x-www-form-urlencoded"),
    "compressed": lambda a, m, d: chat(a, asked(m), more=b"Content-Encoding: gzip\r\n"),
    "unknown field": lambda a, m, d: chat(a, asked(m, colour="blue")),
    "two answers": lambda a, m, d: chat(a, asked(m, n=2)),
    "hot": lambda a, m, d: chat(a, asked(m, temperature="hot")),
    "negative": lambda a, m, d: chat(a, asked(m, max_tokens=-5)),
    "too many tokens": lambda a, m, d: chat(a, asked(m, max_tokens=10**30)),
    "no messages": lambda a, m, d: chat(a, asked(m, messages=[])),
    "text messages": lambda a, m, d: chat(a, asked(m, messages="x")),
    "unknown role": lambda a, m, d: chat(a, asked(m, messages=[{"role": "x", "content": "y"}])),
    "unknown model": lambda a, m, d: chat(a, asked("no-such-model")),
    "long prompt": lambda a, m, d: chat(
        a, asked(m, messages=[{"role": "user", "content": "1 2 3 " * 20_000}])
    ),
    "large body": lambda a, m, d: chat(a, b" " * 3_000_000),
    "unknown path": lambda a, m, d: a.request("/v1/../../etc/passwd"),
    "other host": lambda a, m, d: a.request("/v1/models").replace(b"127.0.0.1", b"evil.example"),
    "two lengths": lambda a, m, d: chat(a, asked(m), more=b"Transfer-Encoding: chunked\r\n"),
    "negative length": lambda a, m, d: (
        b"POST " + CHAT.encode() + b" HTTP/1.1\r\nHost: 127.0.0.1"
        b"\r\nContent-Type: application/json\r\nContent-Length: -1\r\n\r\n{}"
    ),
    "large header": lambda a, m, d: a.request("/v1/models", more=b"X: " + b"a" * 300_000 + b"\r\n"),
    "many headers": lambda a, m, d: a.request("/v1/models", more=_lines(a, 2000, 20)),
    "tls": lambda a, m, d: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + d.randbytes(500),
}
