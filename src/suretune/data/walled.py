"""What others wrote and a computer executes: chat templates, and tokenizers that are not plain.

Run by `wall.py` as a process of its own, which may neither compute nor hold more than a little: the
kernel ends it in the first case, in the second it gets no memory. So nothing has to be known of
what a template does: whatever has no end ends here, and costs nobody else anything.

It reads its orders, then a line of requests, and answers a line for each. A request is
`["text", turns, tools, prompt, names, now]`, `["broken"]`, `["encode", text]` or
`["decode", ids, special]`; an answer `["given", value]`, `["refused", why]` or `["memory"]`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from datetime import datetime
from typing import Any

import jinja2
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment

NO_MEMORY = 3  # exit status
MOST_WHY = 2000  # characters of a refusal
MOST_TEXT = 1 << 26  # characters of one conversation
LOOK = "Hello, 你好! \U0001f642\n  x = 1"  # what a tokenizer has to get through before it is used


class _Generation(Extension):
    """`{% generation %}` marks answers for other tools; here it only passes its body on."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Any) -> Any:
        next(parser.stream)
        return parser.parse_statements(["name:endgeneration"], drop_needle=True)


class Renderer:
    """A chat template as transformers compiles it; `now` is what it is told that the time is."""

    def __init__(self, template: str) -> None:
        self._source = template
        self._template: jinja2.Template | None = None
        self._now = datetime.min

    def text(
        self,
        turns: Any,
        tools: Any,
        prompt: bool,
        names: Any,
        now: str | None,
    ) -> str:
        """The conversation as text."""
        if now is not None:
            self._now = datetime.fromisoformat(now)
        text = self._whole().render(
            messages=turns,
            tools=tools,
            documents=None,
            add_generation_prompt=prompt,
            **names,
        )
        if len(text) > MOST_TEXT:
            raise MemoryError
        return text

    def broken(self) -> str:
        """Where the template is no valid Jinja, and why; empty if it is."""
        try:
            self._whole()
        except jinja2.TemplateSyntaxError as error:
            return f"line {error.lineno}: {error.message}"
        return ""

    def _whole(self) -> jinja2.Template:
        if self._template is None:
            self._template = self._compiled()
        return self._template

    def _compiled(self) -> jinja2.Template:
        def refuse(message: str) -> None:
            raise jinja2.TemplateError(message)

        def to_json(
            value: Any,
            ensure_ascii: bool = False,
            indent: Any = None,
            separators: Any = None,
            sort_keys: bool = False,
        ) -> str:
            return json.dumps(
                value,
                ensure_ascii=ensure_ascii,
                indent=indent,
                separators=separators,
                sort_keys=sort_keys,
            )

        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True,
            lstrip_blocks=True,
            extensions=[_Generation, loopcontrols],
        )
        environment.filters["tojson"] = to_json
        environment.globals["raise_exception"] = refuse
        environment.globals["strftime_now"] = lambda form: self._now.strftime(form)
        return environment.from_string(self._source)


def _words(file: str) -> dict[str, Callable[..., Any]]:
    """What a tokenizer does, once it has shown that it can."""
    from tokenizers import Tokenizer

    vocabulary = Tokenizer.from_file(file)
    vocabulary.no_truncation()
    vocabulary.no_padding()

    def encode(text: str) -> list[int]:
        ids: list[int] = vocabulary.encode(text, add_special_tokens=False).ids
        return ids

    def decode(ids: list[int], special: bool) -> str:
        text: str = vocabulary.decode(ids, skip_special_tokens=not special)
        return text

    decode(encode(LOOK), True)
    return {"encode": encode, "decode": decode}


def _may_hold(more: int) -> None:
    """From now on this process gets `more` bytes and nothing beyond them."""
    try:
        import resource

        with open("/proc/self/statm", "rb") as file:
            held = int(file.read().split()[0]) * resource.getpagesize()
        _, highest = resource.getrlimit(resource.RLIMIT_AS)
        most = held + more
        if highest != resource.RLIM_INFINITY:
            most = min(most, highest)
        resource.setrlimit(resource.RLIMIT_AS, (most, highest))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    except (ImportError, OSError):  # no Linux: there is the limit of time, and that of the text
        return


def _answer(what: dict[str, Callable[..., Any]], request: list[Any]) -> list[Any]:
    """MemoryError is told, whatever else the template runs into is its refusal."""
    try:
        return ["given", what[request[0]](*request[1:])]
    except MemoryError:
        return ["memory"]
    except BaseException as error:  # tokenizers' panics are no Exception
        return ["refused", str(error)[:MOST_WHY]]


def main() -> None:
    """Answer until nobody asks any more."""
    told = json.loads(sys.stdin.buffer.readline())
    seconds, out = told["seconds"], sys.stdout.buffer

    def say(answer: list[Any]) -> None:
        out.write(json.dumps(answer).encode() + b"\n")

    def allow(size: int) -> None:
        """So much computing until it is allowed again; the kernel counts, also amid C code."""
        signal.setitimer(signal.ITIMER_PROF, seconds + size / (1 << 20))

    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    _may_hold(told["bytes"])
    renderer = Renderer(told["template"])
    what: dict[str, Callable[..., Any]] = {"text": renderer.text, "broken": renderer.broken}
    if told["words"]:
        allow(told["size"])
        started = _answer({"words": _words}, ["words", told["words"]])
        what.update(started[1] if started[0] == "given" else {})
        say(["given", None] if started[0] == "given" else started)
    else:
        say(["given", None])
    out.flush()
    try:
        for line in sys.stdin.buffer:
            allow(len(line))
            for request in json.loads(line):
                allow(len(line))
                say(_answer(what, request))
            signal.setitimer(signal.ITIMER_PROF, 0)
            out.flush()
    except MemoryError:
        os._exit(NO_MEMORY)


if __name__ == "__main__":
    main()
