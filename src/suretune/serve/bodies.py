"""Bodies on their way: counted while they come, in a bounded time and number, before any place.

A body that never comes costs others nothing: it holds no place in the queue, and when too many are
open at once, the one that has taken longest gives way, of the client that has most of them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import anyio
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from suretune.serve.answering import unavailable
from suretune.serve.desk import Closed, Desk, Full
from suretune.serve.limits import Limits
from suretune.serve.openai import Refused
from suretune.serve.origins import client_of

BODY = "suretune.body"  # where it is found in the scope
MOST = 256
MOST_BYTES = 2**28  # of all that are open, if every one came as large as it may be


@dataclass(eq=False, slots=True)
class _Open:
    """A body that is being read, and whose it is."""

    client: str
    time: anyio.CancelScope


class Bodies:
    """Reads them for one server."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.most = max(16, min(MOST, MOST_BYTES // limits.body_bytes))
        self._open: list[_Open] = []  # in the order of arrival

    async def read(self, request: Request) -> bytes:
        """The body; JSON only, so that no form of another page gets in."""
        self._head(request)
        if len(self._open) >= self.most:
            self._give_way()
        seconds = self.limits.body_seconds
        with anyio.move_on_after(seconds) as time:
            mine = _Open(client_of(request.scope, self.limits.proxies), time)
            self._open.append(mine)
            try:
                return await self._whole(request)
            finally:
                if mine in self._open:
                    self._open.remove(mine)
        why = "The body did not come in time."
        raise Refused(408, why, code="timeout", close=True)

    def _head(self, request: Request) -> None:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            why = "Content-Type must be application/json."
            raise Refused(415, why, code="unsupported_media_type")
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise Refused(
                415,
                "A compressed body is not read.",
                code="unsupported_media_type",
            )
        told = request.headers.get("content-length", "")
        if told.isdigit() and int(told) > self.limits.body_bytes:
            raise self._too_large()

    def _too_large(self) -> Refused:
        most = self.limits.body_bytes
        why = f"The body is over {most} bytes (--max_body_bytes)."
        return Refused(413, why, code="body_too_large")

    def _give_way(self) -> None:
        """End the reading that has taken longest, of the client that has most of them."""
        count = Counter(each.client for each in self._open)
        client, _ = count.most_common(1)[0]
        oldest = next(each for each in self._open if each.client == client)
        self._open.remove(oldest)
        oldest.time.cancel()

    async def _whole(self, request: Request) -> bytes:
        body = bytearray()
        more = True
        while more:
            message = await request.receive()
            if message["type"] == "http.disconnect":
                raise Refused(400, "The body ended early.")
            body += message.get("body", b"")
            if len(body) > self.limits.body_bytes:
                raise self._too_large()
            more = message.get("more_body", False)
        return bytes(body)


class Arrived:
    """A route whose body is there. With an engine: who would find no place is not read at all."""

    def __init__(
        self,
        app: ASGIApp,
        bodies: Bodies,
        engine: Desk | None = None,
    ) -> None:
        self._app = app
        self._bodies = bodies
        self._engine = engine

    async def __call__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        """ASGI."""
        try:
            if self._engine is not None:
                self._engine.need_place()
        except Full as full:
            raise Refused(
                429,
                f"{full}; try again.",
                code="queue_full",
                retry_after=1,
            ) from full
        except Closed as closed:
            raise unavailable(closed) from closed
        scope[BODY] = await self._bodies.read(Request(scope, receive))
        await self._app(scope, receive, send)
