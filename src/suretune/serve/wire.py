"""uvicorn with deadlines of its own: headers must come, answers must be read, in time.

uvicorn waits for the end of a header for ever, and for a reader for ever. Its errors for what is no
HTTP are plain text; here they have OpenAI's shape too.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import resource
import sys
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from suretune.serve.limits import HEADER_BYTES, Gate, Limits
from suretune.serve.openai import error_body
from suretune.serve.refusals import Refusals
from suretune.serve.spoken import spoken

SPARE_FILES = 64  # that the process needs besides its connections
CLOSING_SECONDS = 5  # for the last words to those who were cut off


class Connection(H11Protocol):
    """One client. `limits` are the server's, `most` how many there may be at once."""

    limits: Limits
    most: int
    refusals: Refusals

    _header: asyncio.TimerHandle | None = None
    _reader: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """As uvicorn does; a connection too many is answered 503, or an idle one gives way."""
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # paused, and timed, while anything is unread
        if len(self.connections) > self.most and not self._another_gives_way():
            self._answer(503, "Too many connections.")
        else:
            self._wait_for_header()

    def _another_gives_way(self) -> bool:
        """Drop the connection that has been silent longest: one client cannot take them all."""
        idle = [c for c in self.connections if isinstance(c, Connection) and c._header is not None]
        if not idle:
            return False
        oldest = min(idle, key=lambda c: c._header.when() if c._header else 0.0)
        oldest.transport.abort()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """As uvicorn does; no timer outlives its connection."""
        for timer in (self._header, self._reader):
            if timer is not None:
                timer.cancel()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """As uvicorn does; from the first byte of a head on, the head has its time."""
        if self.transport.is_closing():
            return
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        elif self._header is None:
            self._wait_for_header()

    def on_response_complete(self) -> None:
        """As uvicorn does; a head that came with the last request has its time now."""
        super().on_response_complete()
        begun, _ = self.conn.trailing_data
        if begun and self.cycle.response_complete and self._header is None:
            self._wait_for_header()  # a part of the next one came with this one

    def _wait_for_header(self) -> None:
        self._header = self.loop.call_later(self.limits.header_seconds, self.transport.abort)

    def _stop_waiting(self) -> None:
        if self._header is not None:
            self._header.cancel()
            self._header = None

    def pause_writing(self) -> None:
        """The reader is slow: it has its time, then the connection ends."""
        super().pause_writing()
        self._reader = self.loop.call_later(self.limits.reader_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """The reader goes on."""
        super().resume_writing()
        if self._reader is not None:
            self._reader.cancel()

    def send_400_response(self, msg: str) -> None:
        """Called while the parser's error is being handled: it says which status it wants."""
        error = sys.exc_info()[1]
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.abort()
            return
        self._answer(getattr(error, "error_status_hint", 400), "This is no valid HTTP request.")

    def _answer(self, status: int, why: str) -> None:
        client = str(self.client[0]) if self.client else "-"
        self.refusals.note(status, None, "no HTTP request", client)
        body = json.dumps(error_body(status, spoken(why))).encode()
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: application/json"
            f"\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.close()


class Server(uvicorn.Server):
    """uvicorn without its signal handlers: who drains decides when it ends."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """None of its own."""
        yield


def make_server(app: Any, limits: Limits) -> Server:
    """A server for one socket that is bound already."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = 4096 if files == resource.RLIM_INFINITY else max(16, min(4096, files - SPARE_FILES))
    refusals = app.refusals if isinstance(app, Gate) else Refusals()
    about = {"limits": limits, "most": most, "refusals": refusals}
    here = type("Here", (Connection,), about)
    config = uvicorn.Config(
        app,
        http=here,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=30,
        backlog=2048,
        h11_max_incomplete_event_size=HEADER_BYTES,
        proxy_headers=False,
        timeout_graceful_shutdown=CLOSING_SECONDS,
    )
    return Server(config)
