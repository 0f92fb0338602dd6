"""An OpenAI-compatible server, asked with the standard library alone.

Every exchange is bounded in time and size, no redirect is followed (a key would follow it), and the
key stands in one header and in nothing that is shown.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from threading import Event, Timer
from typing import Any
from urllib.parse import urlsplit

from suretune.because import in_words
from suretune.types import Text

MOST = 1 << 20  # bytes of an answer
SHOWN = 160  # characters of what a server said
REFUSED = (401, 403)


class Trouble(Exception):
    """No answer to judge. `problem` is the name of the guard that has to speak."""

    def __init__(
        self,
        problem: str,
        found: str | Text,
        status: int = 0,
    ) -> None:
        super().__init__(found.en if isinstance(found, Text) else found)
        self.problem, self.found, self.status = problem, found, status


@dataclass(frozen=True, slots=True)
class Remote:
    """Where the server is. `seconds`: for one exchange, whatever the server does."""

    scheme: str
    host: str
    port: int | None
    path: str  # without a slash at its end
    key: str | None
    seconds: float

    @property
    def url(self) -> str:
        """As it may be shown."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}{f':{self.port}' if self.port else ''}{self.path}"

    def models(self) -> list[str]:
        """The names that it serves."""
        told = self._exchange("GET", "/models")
        listed = told.get("data")
        if not isinstance(listed, list):
            raise Trouble(
                "odd-server", Text("/models: no list `data`", "/models：没有 `data` 列表")
            )
        return [str(item["id"]) for item in listed if isinstance(item, dict) and "id" in item]

    def chat(
        self,
        model: str,
        messages: Sequence[Mapping[str, str]],
        most: int,
    ) -> str:
        """The likeliest answer to a conversation."""
        asked = {"messages": list(messages), "max_tokens": most, "temperature": 0}
        told = self._exchange(
            "POST",
            "/chat/completions",
            {"model": model, **asked},
        )
        return _text(told, "message", "content")

    def complete(
        self,
        model: str,
        prompt: Sequence[int],
        most: int,
    ) -> str:
        """What follows these token ids, whatever template the server has."""
        asked = {"prompt": list(prompt), "max_tokens": most, "temperature": 0}
        return _text(self._exchange("POST", "/completions", {"model": model, **asked}), "text")

    def _exchange(
        self,
        method: str,
        path: str,
        body: Any = None,
    ) -> Mapping[str, Any]:
        kind = http.client.HTTPSConnection if self.scheme == "https" else http.client.HTTPConnection
        connection = kind(self.host, self.port, timeout=self.seconds)
        data = None if body is None else json.dumps(body).encode()
        try:
            connection.connect()
            with _until(connection.sock, self.seconds):
                connection.request(
                    method,
                    self.path + path,
                    data,
                    self._headers(data is not None),
                )
                answer = connection.getresponse()
                text = answer.read(MOST + 1)
        except TimeoutError as error:
            late = Text(f"no answer in {self.seconds:g} s", f"{self.seconds:g} 秒内没有应答")
            raise Trouble("server-unreachable", late) from error
        except (OSError, http.client.RemoteDisconnected) as error:
            raise Trouble("server-unreachable", self._why(error)) from error
        except http.client.HTTPException as error:
            raise Trouble("odd-server", self._why(error)) from error
        finally:
            connection.close()
        return self._read(path, answer, text)

    def _headers(self, sends: bool) -> dict[str, str]:
        headers = {"Accept": "application/json", "Connection": "close"}
        headers |= {"Content-Type": "application/json"} if sends else {}
        return headers | ({"Authorization": f"Bearer {self.key}"} if self.key else {})

    def _read(
        self,
        path: str,
        answer: http.client.HTTPResponse,
        text: bytes,
    ) -> Mapping[str, Any]:
        status = answer.status
        if status in REFUSED:
            raise Trouble(
                "key-refused",
                self._told("", status, text),
                status,
            )
        if 300 <= status < 400:
            where = self._safe(answer.getheader("Location") or "-")
            raise Trouble(
                "odd-server",
                Text(
                    f"{path}: {status}, redirected to {where}",
                    f"{path}：{status}，重定向到 {where}",
                ),
                status,
            )
        if status != 200:
            raise Trouble(
                "odd-server",
                self._told(path, status, text),
                status,
            )
        if len(text) > MOST:
            raise Trouble(
                "odd-server",
                Text(f"{path}: more than {MOST:,} bytes", f"{path}：超过 {MOST:,} 字节"),
            )
        try:
            told = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise Trouble(
                "odd-server",
                Text(
                    f"{path}: no JSON: {self._safe(text)}",
                    f"{path}：不是 JSON：`{self._safe(text)}`",
                ),
            ) from error
        if not isinstance(told, dict):
            raise Trouble(
                "odd-server",
                Text(
                    f"{path}: a {type(told).__name__} in place of an object",
                    f"{path}：应当是 JSON 对象，却是 {type(told).__name__}",
                ),
            )
        return told

    def _why(self, error: Exception) -> Text:
        why = in_words(error)
        return Text(self._safe(why.en), self._safe(why.zh))

    def _told(self, path: str, status: int, text: bytes) -> Text:
        """A status with what the server says of it."""
        said = self._said(text)
        return Text(
            f"{f'{path}: ' if path else ''}{status} {said}".strip(),
            f"{f'{path}：' if path else ''}{status}{f' `{said}`' if said else ''}",
        )

    def _said(self, text: bytes) -> str:
        """The message of an error in OpenAI's shape, else the beginning of what came."""
        try:
            error = json.loads(text)["error"]
            return self._safe(str(error["message"] if isinstance(error, dict) else error))
        except (ValueError, RecursionError, LookupError, TypeError):
            return self._safe(text)

    def _safe(self, text: str | bytes) -> str:
        """What came from outside, short, printable and without the key."""
        said = text.decode(errors="replace") if isinstance(text, bytes) else text
        said = said.replace(self.key, "***") if self.key else said
        said = " ".join("".join(c if c.isprintable() else " " for c in said).split())
        return said[:SHOWN] + "…" * (len(said) > SHOWN)


@contextmanager
def _until(link: socket.socket, seconds: float) -> Iterator[None]:
    """TimeoutError after this long, though a server may drip, byte after byte."""
    late = Event()

    def cut() -> None:
        late.set()
        with suppress(OSError):  # it has just ended by itself
            link.shutdown(socket.SHUT_RDWR)

    timer = Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException) as error:
        if late.is_set():
            raise TimeoutError from error
        raise
    finally:
        timer.cancel()
    if late.is_set():
        raise TimeoutError


def _text(told: Mapping[str, Any], *keys: str) -> str:
    """The text of the first choice."""
    try:
        found: Any = told["choices"][0]
        for key in keys:
            found = found[key]
    except (LookupError, TypeError) as error:
        raise Trouble("odd-server", _of_answer(keys, "missing", "没有")) from error
    if not isinstance(found, str):
        raise Trouble("odd-server", _of_answer(keys, "no text", "不是文字"))
    return found


def _of_answer(keys: Sequence[str], en: str, zh: str) -> Text:
    name = f"choices[0].{'.'.join(keys)}"
    return Text(f"{name}: {en}", f"{name}：{zh}")


def parse_url(
    url: str,
    key: str | None,
    seconds: float,
) -> Remote | None:
    """The server that a URL means, None where it means none. `/v1` where no path is given."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    odd = parts.username or parts.password or parts.query or parts.fragment
    if parts.scheme not in ("http", "https") or not parts.hostname or odd or not url.isascii():
        return None
    return Remote(
        parts.scheme,
        parts.hostname,
        port,
        parts.path.rstrip("/") or "/v1",
        key,
        seconds,
    )
