"""Whose pages may ask: a browser says from which page a request comes, a proxy for whom it asks.

A page of the server's own site is always answered. Of other sites only those that were named at the
start are, and their browser is told so, before it asks (a preflight) and with every answer.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from starlette.responses import Response
from starlette.types import Scope

ANY = "*"
PORTS = {"http": "80", "https": "443"}
SHOWN = 100  # characters of a client's own words
FORWARDED_HOST = re.compile(r'(?:^|[;,\s])host="?([^";,\s]+)', re.IGNORECASE)
Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Header = tuple[bytes, bytes]


def named_headers(scope: Scope) -> dict[str, str]:
    """A request's headers; of those that are there twice the last."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}


# --- proxies ------------------------------------------------------------------------------------


@lru_cache(maxsize=64)
def _networks(proxies: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(each, strict=False) for each in proxies if each != ANY)


def is_trusted(address: str, proxies: tuple[str, ...]) -> bool:
    """Whether a proxy at this address is believed what it says of its clients."""
    if ANY in proxies:
        return True
    try:
        there = ipaddress.ip_address(address)
    except ValueError:
        return False
    there = getattr(there, "ipv4_mapped", None) or there  # as a socket of both kinds sees it
    return any(there in network for network in _networks(proxies))


def client_of(scope: Scope, proxies: tuple[str, ...]) -> str:
    """Who asks: the peer, or the last whom a trusted proxy names and who is none itself."""
    peer = scope.get("client")
    address = str(peer[0]) if peer else "-"
    if not is_trusted(address, proxies):
        return address
    told = named_headers(scope).get("x-forwarded-for", "")
    for each in reversed([part.strip() for part in told.split(",") if part.strip()]):
        address = ascii(each)[1:-1][:SHOWN]
        if ANY in proxies or not is_trusted(each, proxies):
            break
    return address


def forwarded_hosts(scope: Scope, proxies: tuple[str, ...]) -> Iterator[str]:
    """The names by which its clients called a trusted proxy: all of each header, as a proxy may
    append to what a client has sent."""
    peer = scope.get("client")
    if not (peer and is_trusted(str(peer[0]), proxies)):
        return
    for name, value in scope["headers"]:
        told = value.decode("latin-1")
        if name == b"x-forwarded-host":
            yield from (host for part in told.split(",") if (host := part.strip()))
        elif name == b"forwarded":
            yield from FORWARDED_HOST.findall(told)


def _hosts(
    scope: Scope,
    headers: Mapping[str, str],
    proxies: tuple[str, ...],
) -> Iterator[str]:
    """Names under which the browser may know this server: its own, and its trusted proxy's."""
    yield headers.get("host", "")
    yield from forwarded_hosts(scope, proxies)


# --- pages --------------------------------------------------------------------------------------


def is_own_page(
    scope: Scope,
    headers: Mapping[str, str],
    proxies: tuple[str, ...],
) -> bool:
    """Whether a request comes from a page of this very server, or from no page at all."""
    origin = headers.get("origin")
    if origin is None:
        return True
    scheme, _, place = origin.lower().partition("://")
    usual = PORTS.get(scheme, "")
    return bool(place) and any(
        _with_port(host.lower(), usual) == _with_port(place, usual)
        for host in _hosts(scope, headers, proxies)
        if host
    )


def _with_port(host: str, usual: str) -> str:
    return host if re.search(r":\d+$", host) else f"{host}:{usual}"


def is_allowed(origin: str, allowed: tuple[str, ...]) -> bool:
    """Whether pages of this origin were named at the start; a `*` in a name is any part of it."""
    return any(
        re.fullmatch(re.escape(each).replace(r"\*", ".*"), origin.lower()) for each in allowed
    )


def shown_to(scope: Scope, allowed: tuple[str, ...]) -> list[Header]:
    """Headers without which a browser keeps an answer from a page of another origin."""
    if not allowed:
        return []
    made = [(b"vary", b"Origin")]
    origin = named_headers(scope).get("origin")
    if origin is not None and is_allowed(origin, allowed):
        made.append((b"access-control-allow-origin", origin.encode("latin-1")))
        made.append((b"access-control-expose-headers", b"Retry-After"))
    return made


def preflight(scope: Scope) -> Response | None:
    """The answer to a browser's question whether its page may ask; None: this is no such one.

    `shown_to` says whose pages may. No key comes with it, and none is needed.
    """
    headers = named_headers(scope)
    wanted = headers.get("access-control-request-method")
    if scope["method"] != "OPTIONS" or "origin" not in headers or wanted is None:
        return None
    asked = headers.get("access-control-request-headers", "authorization, content-type")
    made: dict[str, Any] = {
        "access-control-allow-methods": "GET, POST",
        "access-control-allow-headers": re.sub(r"[^\w ,-]", "", asked),
        "access-control-max-age": "600",
    }
    if headers.get("access-control-request-private-network") == "true":
        made["access-control-allow-private-network"] = "true"
    return Response(status_code=204, headers=made)
