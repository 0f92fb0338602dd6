"""What a server needs before any model is loaded: packages, an address, a key. No torch."""

from __future__ import annotations

import errno
import os
import secrets
import socket
from importlib.util import find_spec

from suretune.options_serve import ServeOptions
from suretune.run.journal import Journal
from suretune.types import FlagFacts, SetupFacts, Text

NEEDS = ("starlette", "uvicorn", "pydantic", "prometheus_client")
KEY = "SURETUNE_API_KEY"  # in the environment, where `--api_key` is not given
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def need_packages(journal: Journal) -> None:
    """They are left out of a plain installation."""
    missing = [name for name in NEEDS if find_spec(name) is None]
    if missing:
        raise journal.stop(
            SetupFacts("package-missing", "suretune[serve]", found=", ".join(missing))
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches an address."""
    return host in LOOPBACK or host.startswith("127.")


def key_for(asked: ServeOptions, journal: Journal, *, terminal: bool) -> tuple[str | None, bool]:
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
    where = f"{asked.host}:{asked.port}"
    listening = None
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            asked.host, asked.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening = socket.socket(family, kind)
        # Else the port stays taken for a minute after a server that ended.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
    except OSError as error:
        if listening is not None:
            listening.close()
        raise journal.stop(SetupFacts("port-busy", where, found=_why(error))) from error
    return listening


def busy(asked: ServeOptions, error: OSError) -> SetupFacts:
    """Somebody else began to listen there in the meantime."""
    return SetupFacts("port-busy", f"{asked.host}:{asked.port}", found=_why(error))


def _why(error: OSError) -> str:
    name = errno.errorcode.get(error.errno or 0, type(error).__name__)
    return f"{name}: {error.strerror or error}"


def host_names(asked: ServeOptions) -> tuple[str, ...]:
    """Names that the Host header may have: on loopback only its own, against DNS rebinding.

    Elsewhere a key is needed, which no other page has, so any name will do unless some are given.
    """
    named = tuple(host.lower() for host in asked.allowed_hosts)
    if is_loopback(asked.host):
        return (*LOOPBACK, asked.host, *named)
    return (*LOOPBACK, asked.host, *named) if named else ("*",)
