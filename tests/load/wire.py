"""HTTP/1.1 on raw sockets, no more than 200 streams need: two cores are all there is."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

FIRST = re.compile(rb'"(?:content|text)": ?"[^"]')  # the first piece of an answer
BLOCK = 1 << 16


@dataclass(frozen=True)
class Address:
    """Where the server listens."""

    host: str
    port: int

    def request(
        self, path: str, body: bytes = b"", kind: str = "application/json", more: bytes = b""
    ) -> bytes:
        """A request that asks for the connection to be closed behind its answer."""
        method = "POST" if body else "GET"
        head = f"{method} {path} HTTP/1.1\r\nHost: {self.host}:{self.port}\r\nConnection: close\r\n"
        if body:
            head += f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
        return head.encode() + more + b"\r\n" + body


@dataclass
class Answer:
    """What came back. `status` 0: the connection ended without one."""

    status: int
    head: bytes
    body: bytes
    first_s: float | None  # from sending to the first piece of an answer
    seconds: float

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def retry_after(self) -> float:
        found = re.search(rb"(?i)\r\nretry-after: *(\d+)", self.head)
        return float(found.group(1)) if found else 1.0


async def connect(
    address: Address, receive_buffer: int = 0
) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    link = socket.socket()
    link.setblocking(False)
    if receive_buffer:
        link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    try:
        await asyncio.get_running_loop().sock_connect(link, (address.host, address.port))
    except OSError:
        link.close()
        raise
    return await asyncio.open_connection(sock=link)


async def exchange(
    address: Address, sent: bytes, *, block: int = BLOCK, pause: float = 0.0, buffer: int = 0
) -> Answer:
    """Send, and read to the end; `block` and `pause` make a slow reader."""
    begun = time.monotonic()
    reader, writer = await connect(address, buffer)
    try:
        writer.write(sent)
        raw, first, looked = bytearray(), None, 0
        while piece := await _read(reader, block):
            raw += piece
            if first is None:
                if FIRST.search(raw, max(looked - 16, 0)):
                    first = time.monotonic() - begun
                looked = len(raw)
            if pause:
                await asyncio.sleep(pause)
    finally:
        writer.close()
    head, _, body = bytes(raw).partition(b"\r\n\r\n")
    if re.search(rb"(?i)\r\ntransfer-encoding: *chunked", head):
        body = unchunked(body)
    status = int(head[9:12]) if head.startswith(b"HTTP/1.") and head[9:12].isdigit() else 0
    return Answer(status, head, body, first, time.monotonic() - begun)


async def _read(reader: asyncio.StreamReader, block: int) -> bytes:
    """The next bytes; none where the other side has hung up, politely or not."""
    try:
        return await reader.read(block)
    except ConnectionError:
        return b""


def unchunked(body: bytes) -> bytes:
    """The body without the lengths of its chunks; as far as it goes where it was cut."""
    parts, at = [], 0
    while (end := body.find(b"\r\n", at)) >= 0:
        size = int(body[at:end].split(b";")[0] or b"0", 16)
        if not size:
            break
        parts.append(body[end + 2 : end + 2 + size])
        at = end + 2 + size + 2
    return b"".join(parts)


@dataclass(frozen=True)
class Said:
    """A streamed answer, put together. `whole`: it ended as a stream must."""

    text: str
    end: str
    tokens: int
    whole: bool
    failed: str = ""


def put_together(body: bytes) -> Said:
    """Server-sent events to one answer."""
    text, end, tokens, done, failed = [], "", 0, False, ""
    for event in body.split(b"\n\n"):
        if not event.startswith(b"data: "):
            continue
        if event == b"data: [DONE]":
            done = True
            continue
        told: Mapping[str, Any] = json.loads(event[6:])
        if "error" in told:
            failed = str(told["error"])
            continue
        for choice in told.get("choices") or ():
            piece = choice.get("delta", choice)
            text.append(piece.get("content") or piece.get("text") or "")
            end = choice.get("finish_reason") or end
        tokens = (told.get("usage") or {}).get("completion_tokens", tokens)
    return Said("".join(text), end, tokens, done and bool(end) and not failed, failed)
