"""Who may ask, and how much: Host, Origin, key, headers, body and time, before any route.

A page in a browser can reach a server on loopback, through a name that it makes point there (DNS
rebinding): so a server without a key answers only to names that are its own, and to no other page.
Behind a proxy that is believed, the name that reached the proxy is held to the same.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Mapping
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from suretune.serve.openai import LONGEST, Refused
from suretune.serve.origins import (
    ANY,
    client_of,
    forwarded_hosts,
    is_allowed,
    is_own_page,
    named_headers,
    preflight,
    shown_to,
)
from suretune.serve.refusals import Refusals
from suretune.serve.spoken import spoken
from suretune.serve.unsupported import no_route

log = logging.getLogger("suretune.serve")
# Without a key: they tell nothing but a state, or are the page on which the key is asked for.
OPEN = ("/health", "/ready", "/docs", "/docs/", "/docs/page.js", "/docs/page.css")
HEADERS = 100
HEADER_BYTES = 32 * 1024
PATH_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client may do; times in seconds."""

    api_key: str | None
    hosts: tuple[str, ...]  # `*`: any
    body_bytes: int
    body_seconds: float = 30.0
    header_seconds: float = 10.0
    reader_seconds: float = 30.0  # a client that takes nothing for so long is dropped
    origins: tuple[str, ...] = ()  # of pages that may ask, besides the server's own
    proxies: tuple[str, ...] = ()  # addresses and networks of proxies that are believed; `*`: any


class Gate:
    """Lets in what may come in; every error is answered, counted and told here."""

    def __init__(
        self,
        app: ASGIApp,
        limits: Limits,
        refusals: Refusals,
    ) -> None:
        self._app = app
        self._limits = limits
        self.refusals = refusals

    async def __call__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        """ASGI."""
        if scope["type"] != "http":
            return
        begun = False
        shown = shown_to(scope, self._limits.origins)

        async def sending(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                message = {**message, "headers": [*message.get("headers", ()), *shown]}
            await send(message)

        try:
            check(scope, self._limits)
            await (preflight(scope) or self._app)(
                scope,
                receive,
                sending,
            )
        except Exception as error:
            refused = _refused(error, scope)
            self._tell(refused, scope)
            if begun:
                raise ConnectionAbortedError(_place(error)) from None
            await refusal(refused)(scope, receive, sending)

    def _tell(self, refused: Refused, scope: Scope) -> None:
        what = f"{ascii(scope['method'])[1:-1][:20]} {path_of(scope)}"
        if refused.code in ("origin_not_allowed", "host_not_allowed"):
            names = [named_headers(scope).get("origin" if refused.code[0] == "o" else "host", "")]
            if refused.code[0] == "h":
                names += forwarded_hosts(scope, self._limits.proxies)
            place = ", ".join(names)
            what += f" ({ascii(place)[1:-1][:100]})"
        client = client_of(scope, self._limits.proxies)
        self.refusals.note(refused.status, refused.code, what, client)


def _refused(error: Exception, scope: Scope) -> Refused:
    """What is answered in place of what went wrong."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, HTTPException) and error.status_code == 405:
        allowed = dict(error.headers or {}).get("Allow", "")
        return Refused(
            405,
            f"This route has other methods: {allowed}.",
            allow=allowed,
        )
    if isinstance(error, HTTPException):
        why, code = no_route(scope["path"])
        return Refused(error.status_code, why, code=code)
    # What was asked is not logged: an error's own words may quote it.
    log.error(
        spoken("500 %s %s: %s at %s"),
        scope["method"],
        path_of(scope),
        type(error).__name__,
        _place(error),
    )
    return Refused(
        500,
        "The server failed; its log says where.",
        code="internal_error",
    )


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
    return JSONResponse(
        refused.body(),
        refused.status,
        refused.headers(),
    )


def check(scope: Scope, limits: Limits) -> None:
    """`Refused` for what may not come in."""
    headers = [
        (name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]
    ]
    named = dict(headers)
    if "transfer-encoding" in named and "content-length" in named:
        # Where two read the same bytes differently, what lies behind them is a smuggled request.
        why = "Content-Length and Transfer-Encoding contradict each other."
        raise Refused(400, why, close=True)
    size = sum(len(name) + len(value) for name, value in headers)
    if len(headers) > HEADERS or size > HEADER_BYTES:
        raise Refused(431, f"More than {HEADERS} header fields, or {HEADER_BYTES} bytes of them.")
    if len(scope["raw_path"]) + len(scope["query_string"]) > PATH_BYTES:
        raise Refused(414, f"A path of more than {PATH_BYTES} bytes.")
    _check_host([value for name, value in headers if name == "host"], limits)
    for host in forwarded_hosts(scope, limits.proxies):  # the Host that a browser has sent
        _check_host([host], limits)
    origin = named.get("origin")
    own = is_own_page(scope, named, limits.proxies)
    if origin is not None and not own and not is_allowed(origin, limits.origins):
        shown = origin[:LONGEST]
        raise Refused(
            403,
            f"Pages of {shown} are not answered: start the server with --allowed_origins"
            f" {shown} to let them ask. If a proxy serves both: --forwarded_allow_ips with the"
            " proxy's address, --allowed_hosts with the site's name, and X-Forwarded-Host sent by"
            " the proxy.",
            code="origin_not_allowed",
        )
    if preflight(scope) is not None:
        return  # a browser sends it without the key
    if limits.api_key is not None and scope["path"] not in OPEN:
        _check_key(named, limits.api_key)


def _check_host(hosts: list[str], limits: Limits) -> None:
    if len(hosts) == 1 and _known_host(hosts[0], limits.hosts):
        return
    if len(hosts) == 1 and hosts[0]:
        name = _bare(hosts[0])[:LONGEST]
        why = f"This server does not answer to the Host {name}: start it with --allowed_hosts"
        raise Refused(
            403,
            f"{why} {name} to let it.",
            code="host_not_allowed",
        )
    if not hosts and ANY in limits.hosts:
        return
    why = "This server answers to one Host header; --allowed_hosts names what may stand there."
    raise Refused(403, why, code="host_not_allowed")


def _known_host(host: str, known: tuple[str, ...]) -> bool:
    return ANY in known or _bare(host) in known


def _bare(host: str) -> str:
    """A Host header without its port."""
    name = host.lower()
    if name.startswith("["):
        return name[1:].partition("]")[0]
    return name.rpartition(":")[0] if ":" in name else name


def _check_key(headers: Mapping[str, str], key: str) -> None:
    kind, _, given = headers.get("authorization", "").partition(" ")
    right = hmac.compare_digest(given.strip().encode(), key.encode())
    if kind.lower() != "bearer" or not right:
        missing = "authorization" not in headers
        why = "No API key was given." if missing else "The API key is not right."
        raise Refused(
            401,
            f"{why} Send it as `Authorization: Bearer KEY`.",
            code="invalid_api_key",
        )
