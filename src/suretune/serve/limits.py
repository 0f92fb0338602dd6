"""Who may ask, and how much: Host, Origin, key, headers, body and time, before any route.

A page in a browser can reach a server on loopback, through a name that it makes point there (DNS
rebinding): so a server without a key answers only to names that are its own, and to no other page.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Mapping
from dataclasses import dataclass

import anyio
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from suretune.serve.openai import Refused, error_body

log = logging.getLogger("suretune.serve")
OPEN = ("/health", "/ready")  # without a key: they tell nothing but a state
HEADERS = 100
HEADER_BYTES = 32 * 1024
PATH_BYTES = 4096
ANY = "*"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may do; times in seconds."""

    api_key: str | None
    hosts: tuple[str, ...]  # `*`: any
    body_bytes: int
    body_seconds: float = 30.0
    header_seconds: float = 10.0
    reader_seconds: float = 30.0  # a client that takes nothing for so long is dropped


class Gate:
    """Lets in what may come in; every error that nobody else answered is answered here."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self._app = app
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            return
        begun = False

        async def sending(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            check(scope, self._limits)
            await self._app(scope, receive, sending)
        except Refused as refused:
            await refusal(refused)(scope, receive, sending)
        except Exception as error:
            # What was asked is not logged: an error's own words may quote it.
            place = _place(error)
            log.error("500 %s %s: %s at %s", scope["method"], path_of(scope), type(error).__name__,
                      place)  # fmt: skip
            if begun:
                raise ConnectionAbortedError(place) from None
            body = error_body(500, "The server failed; its log says where.", code="internal_error")
            await JSONResponse(body, 500)(scope, receive, send)


def _place(error: BaseException) -> str:
    """File and line of the innermost frame."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}"


def path_of(scope: Scope) -> str:
    """The path as a log may show it."""
    return ascii(scope["path"])[1:-1][:100]


def refusal(refused: Refused) -> Response:
    """The response for it."""
    return JSONResponse(refused.body(), refused.status, refused.headers())


def check(scope: Scope, limits: Limits) -> None:
    """`Refused` for what may not come in."""
    headers = [
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
    ]
    size = sum(len(name) + len(value) for name, value in headers)
    if len(headers) > HEADERS or size > HEADER_BYTES:
        raise Refused(431, f"More than {HEADERS} header fields, or {HEADER_BYTES} bytes of them.")
    if len(scope["raw_path"]) + len(scope["query_string"]) > PATH_BYTES:
        raise Refused(414, f"A path of more than {PATH_BYTES} bytes.")
    named = dict(headers)
    if "transfer-encoding" in named and "content-length" in named:
        raise Refused(400, "Content-Length and Transfer-Encoding contradict each other.")
    hosts = [value for name, value in headers if name == "host"]
    if len(hosts) > 1 or not _known_host(hosts[0] if hosts else "", limits.hosts):
        raise Refused(
            403, "This server does not answer to that Host; --allowed_hosts names others.",
            code="host_not_allowed",
        )  # fmt: skip
    origin = named.get("origin")
    if origin is not None and origin.partition("://")[2] != named.get("host"):
        raise Refused(403, "Pages of other origins are not answered.", code="origin_not_allowed")
    if limits.api_key is not None and scope["path"] not in OPEN:
        _check_key(named, limits.api_key)


def _known_host(host: str, known: tuple[str, ...]) -> bool:
    if ANY in known:
        return True
    name = host.lower()
    if name.startswith("["):
        name = name[1:].partition("]")[0]
    else:
        name = name.rpartition(":")[0] if ":" in name else name
    return name in known


def _check_key(headers: Mapping[str, str], key: str) -> None:
    kind, _, given = headers.get("authorization", "").partition(" ")
    right = hmac.compare_digest(given.strip().encode(), key.encode())
    if kind.lower() != "bearer" or not right:
        missing = "authorization" not in headers
        why = "No API key was given." if missing else "The API key is not right."
        raise Refused(401, f"{why} Send it as `Authorization: Bearer KEY`.", code="invalid_api_key")


async def read_body(request: Request, limits: Limits) -> bytes:
    """The body, counted while it comes; JSON only, so that no form of another page gets in."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused(415, "Content-Type must be application/json.", code="unsupported_media_type")
    if request.headers.get("content-encoding", "identity").lower() != "identity":
        raise Refused(415, "A compressed body is not read.", code="unsupported_media_type")
    told = request.headers.get("content-length", "")
    too_large = Refused(413, f"The body is over {limits.body_bytes} bytes.", code="body_too_large")
    if told.isdigit() and int(told) > limits.body_bytes:
        raise too_large
    body = bytearray()
    more = True
    try:
        with anyio.fail_after(limits.body_seconds):
            while more:
                message = await request.receive()
                if message["type"] == "http.disconnect":
                    raise Refused(400, "The body ended early.")
                body += message.get("body", b"")
                if len(body) > limits.body_bytes:
                    raise too_large
                more = message.get("more_body", False)
    except TimeoutError as error:
        raise Refused(408, "The body did not come in time.", code="timeout") from error
    return bytes(body)
