"""What a server needs before any model is loaded: packages, an address, a key. No torch."""

from __future__ import annotations

import errno
import ipaddress
import json
import os
import re
import secrets
import shlex
import socket
from collections.abc import Iterable
from dataclasses import dataclass

from suretune import typed
from suretune.because import in_words
from suretune.facts import FlagFacts, SetupFacts
from suretune.installed import is_installed
from suretune.options_serve import ServeOptions
from suretune.record.journal import Journal
from suretune.types import Text

NEEDS = ("starlette", "uvicorn", "pydantic", "prometheus_client")
KEY = "SURETUNE_API_KEY"  # in the environment, where `--api_key` is not given
LOOPBACK = ("localhost", "127.0.0.1", "::1")
ANY = "*"
ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*://(?:\[[0-9a-f:.]+\]|[\w.*-]+)(?::(?:\d+|\*))?)(?:/.*)?")


@dataclass(frozen=True, slots=True)
class Reach:
    """Who may ask: the key that clients must send, pages of other sites, proxies believed."""

    key: str | None = None
    origins: tuple[str, ...] = ()
    proxies: tuple[str, ...] = ()


def need_packages(journal: Journal) -> None:
    """They are left out of a plain installation."""
    missing = [name for name in NEEDS if not is_installed(name)]
    if missing:
        raise journal.stop(
            SetupFacts("package-missing", "suretune[serve]", found=", ".join(missing))
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address; a name but `localhost` may mean any."""
    if host.lower() == "localhost":
        return True
    try:
        there = ipaddress.ip_address(socket.inet_ntoa(socket.inet_aton(host)))  # `127.1`, too
    except (OSError, UnicodeError):
        try:
            there = ipaddress.ip_address(host)
        except ValueError:
            return False
    mapped = getattr(there, "ipv4_mapped", None)
    return bool((mapped or there).is_loopback)


def need_folder(asked: ServeOptions, journal: Journal) -> None:
    """`--adapters_dir` is there, so that no client is told that a mistyped folder is empty."""
    if asked.adapters_dir is None or os.path.isdir(typed.place(asked.adapters_dir)):
        return
    quoted = shlex.quote(asked.adapters_dir)
    hint = Text(
        f"There is no such folder: `mkdir -p {quoted}` makes it.",
        f"没有这个文件夹：`mkdir -p {quoted}` 可以创建。",
    )
    if os.path.exists(typed.place(asked.adapters_dir)):
        hint = Text(
            "It is a file; name the folder in which adapters lie.",
            "这是一个文件；请写适配器所在的文件夹。",
        )
    raise journal.stop(FlagFacts("bad-value", "--adapters_dir", asked.adapters_dir, hint=hint))


def key_for(
    asked: ServeOptions,
    journal: Journal,
    *,
    terminal: bool,
) -> tuple[str | None, bool]:
    """(the key that clients must send, whether it was made here and has to be shown once).

    Made only where somebody sees it: a key in a log file is no secret.
    """
    given = asked.api_key if asked.api_key is not None else os.environ.get(KEY)
    if given is not None:
        given = given.strip()  # a file that it came from ends with a line
        if not (given and given.isascii() and given.isprintable()):
            hint = Text(
                f"A key is printable ASCII, and not empty; so is {KEY}, unless it is unset.",
                f"密钥由可打印的 ASCII 字符组成，不能为空；{KEY} 也一样，除非不设置它。",
            )
            raise journal.stop(FlagFacts("bad-value", "--api_key", "…", hint=hint))
    if given or is_loopback(asked.host):
        return given, False
    if not terminal:
        raise journal.stop(SetupFacts("key-needed", asked.host))
    return f"sk-{secrets.token_urlsafe(24)}", True


def bind(asked: ServeOptions, journal: Journal) -> socket.socket:
    """The address is ours from now on; nobody is listened to yet."""
    listening = None
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            asked.host, asked.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        # With its protocol: only where asyncio reads "TCP" does it send small packets at once, and
        # without that every second answer of a kept connection waits 40 ms for the reader's word.
        listening = socket.socket(family, kind, protocol)
        # Else the port stays taken for a minute after a server that ended.
        listening.setsockopt(
            socket.SOL_SOCKET,
            socket.SO_REUSEADDR,
            1,
        )
        listening.bind(address)
    except (OSError, UnicodeError) as error:
        if listening is not None:
            listening.close()
        raise journal.stop(busy(asked, error)) from error
    return listening


def busy(asked: ServeOptions, error: OSError | UnicodeError) -> SetupFacts:
    """Why nobody can listen there: the port is taken or not given, or the address is not ours."""
    if isinstance(error, (socket.gaierror, UnicodeError)):
        return SetupFacts(
            "host-not-here",
            asked.host,
            found=in_words(error),
        )
    if error.errno == errno.EADDRNOTAVAIL:
        return SetupFacts(
            "host-not-here",
            asked.host,
            found=in_words(error),
        )
    return SetupFacts(
        "port-busy",
        f"{asked.host}:{asked.port}",
        found=in_words(error),
    )


def host_names(asked: ServeOptions) -> tuple[str, ...]:
    """Names that the Host header may have: on loopback only its own, against DNS rebinding.

    Elsewhere a key is needed, which no other page has, so any name will do unless some are given.
    """
    named = tuple(_bare_host(host) for host in _each(asked.allowed_hosts))
    if is_loopback(asked.host):
        return (*LOOPBACK, asked.host.lower(), *named)
    return (*LOOPBACK, asked.host.lower(), *named) if named else ("*",)


def _bare_host(word: str) -> str:
    """`https://site:8443/x` is the host `site`."""
    place = word.lower().rpartition("://")[2].partition("/")[0]
    if place.startswith("["):
        return place[1:].partition("]")[0]
    return place.rpartition(":")[0] if place.count(":") == 1 else place


def _each(words: Iterable[str]) -> list[str]:
    """Of a list however it was written: `a b`, `a,b`, or JSON as other servers take it."""
    found: list[str] = []
    for word in words:
        if word.startswith('["'):
            try:
                found += map(str, json.loads(word))
                continue
            except ValueError:
                pass  # no JSON: it is refused as what it is
        found += [part.strip() for part in word.split(",") if part.strip()]
    return found


def origins(
    asked: ServeOptions,
    key: str | None,
    journal: Journal,
) -> tuple[str, ...]:
    """Pages that may ask, as browsers name them; a stop for what no browser would say."""
    made = []
    for word in _each(asked.allowed_origins):
        if word in (ANY, "null"):
            made.append(word)
            continue
        found = ORIGIN.fullmatch(word.lower())
        if found is None:
            host = word.rpartition("://")[2].partition("/")[0]
            meant = f"https://{host}" if host else "https://app.example.com"
            if host.partition(":")[0] in LOOPBACK:
                meant = f"http://{host}"
            hint = Text(
                f"An origin is scheme://host[:port], as in `--allowed_origins {meant}`.",
                f"写法为 `协议://主机[:端口]`，例如 `--allowed_origins {meant}`。",
            )
            raise journal.stop(FlagFacts("bad-value", "--allowed_origins", word, hint=hint))
        made.append(_without_usual_port(found[1]))  # a path is no part of it
    if ANY in made and key is None:
        journal.look(SetupFacts("any-page-may-ask", "--allowed_origins *"))
    return tuple(made)


def _without_usual_port(origin: str) -> str:
    """Browsers leave out the port that goes without saying."""
    for scheme, port in (("http", ":80"), ("https", ":443")):
        if origin.startswith(f"{scheme}://"):
            origin = origin.removesuffix(port)
    return origin


def proxies(asked: ServeOptions, journal: Journal) -> tuple[str, ...]:
    """Addresses and networks of proxies that are believed; a stop for what is neither."""
    made = _each(asked.forwarded_allow_ips)
    for word in made:
        try:
            if word != ANY:
                ipaddress.ip_network(word, strict=False)
        except ValueError as error:
            hint = Text(
                "It takes IP addresses, networks such as `10.0.0.0/8`, or `*`.",
                "它接受 IP 地址、`10.0.0.0/8` 这样的网段，或 `*`。",
            )
            raise journal.stop(
                FlagFacts("bad-value", "--forwarded_allow_ips", word, hint=hint)
            ) from error
    return tuple(made)
