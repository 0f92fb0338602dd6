"""Requests to a hub: patient with a bad network, and silent about who asks to other hosts."""

from __future__ import annotations

import base64
import errno
import http.client
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import IO, Any
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

import orjson

from suretune.because import in_words
from suretune.hubs.door import HubError
from suretune.types import Text

TRIES = 6  # of one request, the first included
TIMEOUT = 20.0  # seconds without a byte
LONGEST_WAIT = 60.0  # seconds that a hub may ask us to wait
REDIRECTS = 6
MOST = 64 << 20  # bytes of an answer that is no file
AGENT = "suretune"
# What a network that failed for a moment raises, from the address to the last byte.
BROKEN = (OSError, http.client.HTTPException)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Redirects are followed by `ask`, which knows what may be told to another host."""

    def redirect_request(self, *_: Any) -> None:
        return None


class _AsAnswered(urllib.request.HTTPErrorProcessor):
    """Answers of any status are answers."""

    def http_response(
        self,
        request: urllib.request.Request,
        response: Any,
    ) -> Any:
        return response

    https_response = http_response


# Proxies of the environment are used, as by every other client.
_OPENER = urllib.request.build_opener(_NoRedirect, _AsAnswered)


def origin(url: str) -> tuple[str, str, int]:
    """(scheme, host, port): who is asked."""
    parts = urlsplit(url)
    return (
        parts.scheme,
        parts.hostname or "",
        parts.port or (443 if parts.scheme == "https" else 80),
    )


def host_of(url: str) -> str:
    """Host and port, for people: without the name and password that an address may have."""
    return urlsplit(url).netloc.rpartition("@")[2]


def shown(url: str) -> str:
    """An address as it may be shown."""
    return _without_user(url)[0]


def _without_user(url: str) -> tuple[str, dict[str, str]]:
    """An address without name and password, and the header that says them."""
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, {}
    basic = base64.b64encode(unquote(user).encode()).decode()
    return urlunsplit(parts._replace(netloc=host)), {"Authorization": f"Basic {basic}"}


@contextmanager
def asked(
    url: str,
    secret: Mapping[str, str],
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "GET",
    data: bytes | IO[bytes] | None = None,
) -> Iterator[http.client.HTTPResponse]:
    """One request, redirects followed. `secret` goes to the host of `url` alone, and so does what
    is sent: a redirect of a POST or PUT to another host, or to another kind of request, is refused.

    Raises what the network raises, and `HubError` for such a redirect; any status is an answer.
    """
    first = origin(url)
    url, user = _without_user(url)
    for _ in range(REDIRECTS):
        told = {"User-Agent": AGENT, "Accept-Encoding": "identity", **(headers or {})}
        if origin(url) == first:
            told |= {**user, **secret}
        request = urllib.request.Request(
            url,
            data,
            told,
            method=method,
        )
        response: http.client.HTTPResponse = _OPENER.open(request, timeout=TIMEOUT)
        target = response.headers.get("Location", "")
        if response.status not in (301, 302, 303, 307, 308) or not target:
            with response:
                yield response
            return
        response.close()
        url = urljoin(url, target)
        if data is not None:
            if origin(url) != first or response.status not in (307, 308):
                raise HubError("refused", _sent_on(url), first[1])
            if not isinstance(data, bytes):
                data.seek(0)
        if urlsplit(url).scheme not in ("http", "https"):
            raise HubError(
                "unreachable",
                Text(f"redirected to {url[:60]!r}", f"被重定向到 `{url[:60]}`"),
                first[1],
            )
    raise HubError(
        "unreachable",
        Text(f"more than {REDIRECTS} redirects", f"重定向超过 {REDIRECTS} 次"),
        first[1],
    )


def _sent_on(url: str) -> Text:
    """Where something was to be sent on to, without what a query or a name may hold."""
    parts = urlsplit(url)
    there = f"{parts.scheme}://{parts.hostname or ''}"
    return Text(
        f"it redirects what is sent to it to {there}; nothing is sent there",
        f"它把上传的内容转到 {there}；没有往那里发送任何内容",
    )


class Patience:
    """How often one thing is tried again, and how long is waited in between.

    Whatever got on resets it: a download that moves is never given up.
    """

    def __init__(self, sleep: Callable[[float], object] | None = None) -> None:
        self.left = TRIES
        self._sleep = sleep or time.sleep

    def progress(self) -> None:
        """Something got on: all tries are there again."""
        self.left = TRIES

    def wait(self, error: HubError, after: str | None = None) -> None:
        """Wait before the next try; raises `error` once there is none left."""
        self.left -= 1
        if self.left <= 0:
            raise error
        seconds = 0.5 * 2.0 ** (TRIES - self.left - 1)
        if after and after.isdigit():
            if int(after) > LONGEST_WAIT:
                raise error
            seconds = float(after)
        self._sleep(min(seconds, LONGEST_WAIT))


def get(
    url: str,
    secret: Mapping[str, str],
    headers: Mapping[str, str] | None = None,
    *,
    method: str = "GET",
    data: bytes | None = None,
    patience: Patience | None = None,
) -> tuple[int, Mapping[str, str], bytes]:
    """(status, headers, body) of an answer that is no file; servers that fail are asked again.

    Raises:
        HubError: "unreachable" or "busy" once patience is over; other statuses are the caller's.
    """
    patience = patience or Patience()
    host = host_of(url)
    while True:
        try:
            with asked(url, secret, headers, method=method, data=data) as response:
                status, told = response.status, dict(response.headers.items())
                body = read_all(response)
        except BROKEN as error:
            if _no_network(error):  # there is nothing to wait for
                patience.left = min(patience.left, 2)
            patience.wait(HubError("unreachable", what_broke(error), host))
            continue
        if status == 429:
            patience.wait(HubError("busy", "HTTP 429", host), told.get("Retry-After"))
        elif status >= 500:
            patience.wait(HubError("unreachable", f"HTTP {status}", host), told.get("Retry-After"))
        else:
            return status, told, body


def read_all(response: IO[bytes]) -> bytes:
    """The whole body; `HubError` where it is no listing any more."""
    body = response.read(MOST + 1)
    if len(body) > MOST:
        raise HubError(
            "unreachable", Text(f"an answer of more than {MOST} bytes", f"应答超过 {MOST} 字节")
        )
    return body


def _no_network(error: BaseException) -> bool:
    """A name that nobody knows, or a host that nobody can get to."""
    reason = getattr(error, "reason", error)
    unreachable = isinstance(reason, OSError) and reason.errno == errno.ENETUNREACH
    return isinstance(reason, socket.gaierror) or unreachable


def what_broke(error: BaseException) -> Text:
    """What happened, for people: no address with a token in it."""
    if isinstance(error, urllib.error.URLError) and isinstance(error.reason, BaseException):
        error = error.reason
    if isinstance(error, TimeoutError):
        return Text(f"no byte for {TIMEOUT:.0f} s", f"{TIMEOUT:.0f} 秒没有收到数据")
    if isinstance(error, ssl.SSLError):
        return in_words(f"TLS: {error.reason or error}")
    if isinstance(error, http.client.IncompleteRead):
        return Text("the connection was cut", "连接中断")
    return in_words(error)


def post(
    url: str,
    secret: Mapping[str, str],
    told: Any,
    kind: str = "application/json",
) -> tuple[int, Mapping[str, str], Any]:
    """(status, headers, answer as JSON or None) of something sent; again where the server was busy
    or the connection broke, for whatever is sent to a hub means the same when it comes twice.

    Raises:
        HubError: see `get`.
    """
    data = told if isinstance(told, bytes) else orjson.dumps(told)
    headers = {"Content-Type": kind, "Accept": kind}
    status, answered, body = get(
        url,
        secret,
        headers,
        method="POST",
        data=data,
    )
    try:
        return status, answered, orjson.loads(body) if body else None
    except ValueError:
        return status, answered, None
