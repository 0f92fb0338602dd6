"""One request from tokens to its last byte: whole or streamed, cancelled when nobody reads."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import orjson
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from suretune.data.wall import Unfit
from suretune.model.slots import BROKEN, Ask, Said
from suretune.serve.desk import Closed, Desk, Failure, Full, Gone, Job
from suretune.serve.echo import Echo
from suretune.serve.metrics import Metrics
from suretune.serve.models import Served
from suretune.serve.openai import Refused
from suretune.serve.replies import Reply, Usage
from suretune.serve.spoken import spoken
from suretune.serve.text import Answer, Likely, Stops

log = logging.getLogger("suretune.serve")
BEAT_SECONDS = 15.0  # a comment keeps proxies from giving up on a stream that has to wait
DONE = b"data: [DONE]\n\n"
BEAT = b": waiting\n\n"
HELD = "suretune.places"  # where a request finds its places
LEFT = 499  # the status of an answer that nobody reads
# Proxies that keep an answer until it is long enough would turn a stream into lumps.
AS_IT_COMES = {"cache-control": "no-cache", "x-accel-buffering": "no"}
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Piece:
    """What came since the last one; `end` with the last."""

    text: str
    likely: list[Likely]
    end: str | None = None


@dataclass(slots=True)
class Answering:
    """A request that the engine has taken."""

    engine: Desk
    metrics: Metrics
    served: Served
    job: Job
    answer: Answer
    echo: Echo | None = None
    begun: float = field(default_factory=time.monotonic)
    first: float | None = None
    end: str | None = None
    sent: bool = False  # its status is out, so that an error can only be an event

    @property
    def usage(self) -> Usage:
        """Tokens read and written so far."""
        return Usage(len(self.job.ask.prompt), self.answer.tokens)

    async def pieces(self) -> AsyncIterator[Piece | None]:
        """The answer as it comes, all that is there at once; None where 15 s brought nothing."""
        while self.end is None:
            try:
                if self.job.events.empty():  # a timer a token would cost more than the token
                    event = await asyncio.wait_for(self.job.events.get(), BEAT_SECONDS)
                else:
                    event = self.job.events.get_nowait()
            except (TimeoutError, asyncio.TimeoutError):
                yield None
                continue
            events = [event]
            while not self.job.events.empty():
                events.append(self.job.events.get_nowait())
            if self.served.tokenizer.plain:
                text, likely = self._written(events)
            else:  # nobody else's answers wait for words that are made behind a wall
                loop = asyncio.get_running_loop()
                text, likely = await loop.run_in_executor(
                    self.served.thread,
                    self._written,
                    events,
                )
            if text or likely or self.end:
                yield Piece(text, likely, self.end)

    def _written(self, events: Sequence[Said | Failure]) -> tuple[str, list[Likely]]:
        """What was heard, as far as the model's own tokenizer can write it."""
        text = ""
        likely: list[Likely] = []
        try:
            for event in events:
                if self.end is None:
                    more, tokens = self._heard(event)
                    text += more
                    likely += tokens
            return text, likely
        except Unfit as error:
            self.engine.cancel(self.job)
            self.end = "failed"
            raise self.served.unfit(error) from error

    def _heard(self, event: Said | Failure) -> tuple[str, list[Likely]]:
        if isinstance(event, Failure):
            self.end = "failed"
            raise Refused(
                400 if event.refused else 503,
                f"{event.why}.",
                code="engine",
            )
        if event.end == BROKEN:
            self.end = "failed"
            raise Refused(
                500,
                "The model computed no finite numbers.",
                code="engine",
            )
        first = self.first is None
        if first:
            self.first = time.monotonic() - self.begun
            self.metrics.first.labels(self.served.name).observe(self.first)
        text = ""
        likely: list[Likely] = []
        shown = self.answer.decoded
        if event.token is not None:
            text, likely = self.answer.add(event.token, event.logprob, event.top)
        if self.answer.stops.found:
            self.end = "stop"
            if not event.end:
                self.engine.cancel(self.job)
        elif event.end:
            more, tokens = self.answer.end()
            text, likely, self.end = text + more, likely + tokens, event.end
            if self.answer.stops.found:
                self.end = "stop"
        return self._echoed(event, first, shown, text, likely)

    def _echoed(
        self,
        event: Said,
        first: bool,
        shown: int,
        text: str,
        likely: list[Likely],
    ) -> tuple[str, list[Likely]]:
        """Behind its prompt, where that is repeated; an echo counts the stop token, too.

        lm-evaluation-harness takes the last token for one that it did not give.
        """
        if self.echo is None:
            return text, likely
        if event.stopped is not None:
            likely = [*likely, Likely(event.stopped, event.logprob, event.top, shown)]
        likely = self.echo.behind(likely)
        if not first:
            return text, likely
        listed = self.job.ask.logprobs is not None
        return self.echo.text + text, [*(self.echo.likely(event) if listed else ()), *likely]

    def close(self) -> None:
        """Free the slot if the answer is not over, and count what happened."""
        name, usage = self.served.name, self.usage
        if self.end is None:
            self.engine.cancel(self.job)
            self.metrics.cancelled.labels(name).inc()
        elif self.end == "failed":
            self.metrics.failed.labels(name, "stream" if self.sent else "nothing").inc()
        else:
            self.metrics.success.labels(name, self.end).inc()
            self.metrics.whole.labels(name).observe(time.monotonic() - self.begun)
        self.metrics.prompt_tokens.labels(name).inc(usage.prompt)
        self.metrics.tokens.labels(name).inc(usage.said)
        log.info(
            spoken("%s: %s, %d tokens read, %d said, first after %s s, all after %.3f s"),
            ascii(name)[1:-1],
            spoken(self.end or "left"),
            usage.prompt,
            usage.said,
            "-" if self.first is None else f"{self.first:.3f}",
            time.monotonic() - self.begun,
        )


class Placed:
    """A route with a bounded number of clients: 429 when it is full, 503 when nothing is taken.

    The place is taken once the body is there, and kept until the answer is out or its reader gone.
    A request that needs more of them finds them in its scope: `held.enter_context(place(n))`.
    """

    def __init__(self, app: ASGIApp, engine: Desk) -> None:
        self._app = app
        self._engine = engine

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""

        async def until_out(message: Message) -> None:
            if message["type"] == "http.response.body" and not message.get("more_body", False):
                await send({**message, "more_body": True})
                message = {"type": "http.response.body", "body": b""}  # waits until that has left
            await send(message)

        try:
            with contextlib.ExitStack() as held:
                held.enter_context(self._engine.place())
                scope[HELD] = held
                await self._app(scope, receive, until_out)
        except Full as full:
            raise Refused(
                429,
                f"{full}; try again.",
                code="queue_full",
                retry_after=1,
            ) from full
        except Closed as closed:
            raise unavailable(closed) from closed


def unavailable(closed: Closed) -> Refused:
    """The engine drains, or is dead."""
    why = f"The server takes no requests ({closed})."
    return Refused(503, why, code="unavailable", retry_after=5)


def take(
    engine: Desk,
    metrics: Metrics,
    served: Served,
    ask: Ask,
    stops: tuple[str, ...],
    echo: Echo | None = None,
) -> Answering:
    """Queue a request that has its place."""
    try:
        job = engine.submit(ask)
    except Closed as closed:
        raise unavailable(closed) from closed
    return Answering(
        engine,
        metrics,
        served,
        job,
        Answer(served.tokenizer, Stops(stops)),
        echo,
    )


async def collect(under_way: Answering) -> tuple[str, list[Likely]]:
    """All of an answer."""
    texts: list[str] = []
    likely: list[Likely] = []
    async for piece in under_way.pieces():
        if piece is not None:
            texts.append(piece.text)
            likely += piece.likely
    return "".join(texts), likely


async def heard(job: Job) -> list[int]:
    """The tokens of a request of our own. Raises Gone where the engine failed amid it."""
    tokens: list[int] = []
    while True:
        event = await job.events.get()
        if isinstance(event, Failure):
            raise Gone(event.why)
        if event.token is not None:
            tokens.append(event.token)
        if event.end:
            return tokens


async def unless_gone(receive: Receive, work: Coroutine[Any, Any, Result]) -> Result | None:
    """What `work` gives, or None as soon as the client has left."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        return task.result() if task.done() else None
    finally:
        for each in (task, gone):
            each.cancel()
        for each in (task, gone):
            with contextlib.suppress(
                asyncio.CancelledError, Exception
            ):  # seen above, or not wanted
                await each


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def whole(
    receive: Receive,
    several: Sequence[Answering],
    reply: Reply,
) -> Response:
    """The answers in one piece."""

    async def all_of_them() -> list[tuple[str, list[Likely], str]]:
        made = []
        for under_way in several:
            text, likely = await collect(under_way)
            made.append((text, likely, under_way.end or "stop"))
        return made

    try:
        made = await unless_gone(receive, all_of_them())
    finally:
        close(several)
    if made is None:
        return Response(status_code=LEFT)  # nobody reads it
    written = await asyncio.to_thread(reply.whole, made, used(several))
    return JSONResponse(written)


def used(several: Sequence[Answering]) -> Usage:
    """Tokens of all of them."""
    each = [under_way.usage for under_way in several]
    return Usage(sum(usage.prompt for usage in each), sum(usage.said for usage in each))


def close(several: Sequence[Answering], failed: bool = False) -> None:
    """Each of them; `failed`: the server broke off, and no client has left."""
    for under_way in several:
        if failed and under_way.end is None:
            under_way.engine.cancel(under_way.job)
            under_way.end = "failed"
        under_way.close()


class Stream(Response):
    """The answers as server-sent events, one prompt's behind the other's."""

    def __init__(
        self,
        several: Sequence[Answering],
        reply: Reply,
        with_usage: bool,
    ) -> None:
        super().__init__(media_type="text/event-stream", headers=AS_IT_COMES)
        del self.headers["content-length"]
        self._several = several
        self._reply = reply
        self._with_usage = with_usage

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        failed = True
        try:
            await unless_gone(receive, self._write(send))
            failed = False
        except (asyncio.CancelledError, OSError):  # nobody takes it any more
            failed = False
            raise
        finally:
            close(self._several, failed)

    async def _write(self, send: Send) -> None:
        begun = False
        try:
            for index, under_way in enumerate(self._several):
                async for piece in under_way.pieces():
                    if not begun:
                        begun = True
                        await self._begin(send)
                    await _send(send, BEAT if piece is None else self._chunks(piece, index))
            if self._with_usage:
                await _send(send, _event(self._reply.last(used(self._several))))
        except Refused as refused:
            if not begun:  # what failed before the first byte can have a status
                raise
            await _send(send, _event(refused.body()))
        await send({"type": "http.response.body", "body": DONE, "more_body": False})

    async def _begin(self, send: Send) -> None:
        for under_way in self._several:
            under_way.sent = True
        head = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(head)
        first = self._reply.first()
        if first is not None:
            await _send(send, _event(self._reply.chunk(first, self._with_usage)))

    def _chunks(self, piece: Piece, index: int) -> bytes:
        reply, usage = self._reply, self._with_usage
        made = b""
        if piece.text or piece.likely:
            made += _event(reply.chunk(reply.said(piece.text, piece.likely), usage, index))
        if piece.end:
            made += _event(reply.chunk(reply.ended(piece.end), usage, index))
        return made


async def _send(send: Send, body: bytes) -> None:
    await send({"type": "http.response.body", "body": body, "more_body": True})


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + orjson.dumps(value) + b"\n\n"
