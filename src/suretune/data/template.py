"""A tokenizer and its own chat template, without torch: `tokenizers` and a Jinja sandbox.

transformers renders through the same sandbox with the same names; a test holds the two equal on
every template at hand. One renderer serves check, training, proof, chat and server.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import jinja2
import orjson
from jinja2.ext import Extension, loopcontrols
from jinja2.sandbox import ImmutableSandboxedEnvironment, safe_range
from tokenizers import Tokenizer as Vocabulary

from suretune.data.base import is_pointer, pointed
from suretune.types import Message, SetupFacts

FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.json",
    "merges.txt",
)
ABOUT = "suretune.json"  # in an adapter's folder: where it comes from
MOST = 1_000_000  # numbers that its loops count, characters that it makes by repeating
UNBOUNDED = (OverflowError, RecursionError, MemoryError)  # what a template without end runs into
THOUGHT_NAMES = ("reasoning_content", "thinking", "reasoning", "thought")  # as templates read them
SPEECH = 'aZ é 中文 한 я 😀\n\t  {"k": [1]} <b> $~^'  # what every tokenizer should be able to write
THOUGHTS = frozenset({"<think>", "</think>"})
END_NAMES = ("eos_token", "<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<|end|>")


class TemplateRefused(ValueError):
    """The template itself said no (`raise_exception`), or is not valid Jinja."""


class _Generation(Extension):
    """`{% generation %}` marks answers for other tools; here it only passes its body on."""

    tags = {"generation"}  # noqa: RUF012

    def parse(self, parser: Any) -> Any:
        next(parser.stream)
        return parser.parse_statements(["name:endgeneration"], drop_needle=True)


class _Bounded(ImmutableSandboxedEnvironment):
    """The sandbox keeps a template from running code; this keeps it from eating time and memory."""

    intercepted_binops = frozenset({"*", "**"})

    def __init__(self) -> None:
        super().__init__(
            trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
        )
        self.counted = 0
        self.globals["range"] = self._range

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        one, other = (len(x) if hasattr(x, "__len__") else abs(x) for x in (left, right))
        if max(one, other) > 1000 if operator == "**" else one * other > MOST:
            raise jinja2.TemplateError(f"{one} {operator} {other} is too large")
        return super().call_binop(context, operator, left, right)

    def _range(self, *ends: int) -> range:
        """Numbers of one rendering, all loops together."""
        found = safe_range(*ends)
        self.counted += len(found)
        if self.counted > MOST:
            raise jinja2.TemplateError(f"its loops count beyond {MOST:,}")
        return found


class ChatTokenizer:
    """Text to ids and back, and messages to the prompt text that the model was built for."""

    def __init__(
        self, folder: Path, vocabulary: Vocabulary, config: dict[str, Any], template: str,
        day: date | None = None,
    ) -> None:  # fmt: skip
        self.folder = folder
        self.vocabulary = vocabulary
        self.config = config
        self.template = template
        self.day = day  # what the template is told that today is; None: the clock's
        self.template_file = ""  # where it stands, for findings

    def with_template(self, template: str) -> ChatTokenizer:
        """The same words under another template."""
        other = ChatTokenizer(self.folder, self.vocabulary, self.config, template, self.day)
        other.template_file = self.template_file
        return other

    @property
    def broken(self) -> str:
        """Where the template is no valid Jinja, and why; empty if it is."""
        try:
            environment = self._compiled.environment
        except jinja2.TemplateSyntaxError as error:
            return f"line {error.lineno}: {error.message}"
        except (jinja2.TemplateError, TypeError, ValueError, *UNBOUNDED) as error:
            return str(error)
        return "" if environment else "no environment"

    @property
    def dated(self) -> bool:
        """Its prompts say which day it is."""
        return "strftime_now" in self.template

    # --- words ------------------------------------------------------------------------------

    def encode(self, text: str) -> list[int]:
        """Ids of a piece of a rendered conversation; nothing is added in front or behind."""
        ids: list[int] = self.vocabulary.encode(text, add_special_tokens=False).ids
        return ids

    def decode(self, ids: Sequence[int], *, special: bool = False) -> str:
        text: str = self.vocabulary.decode(list(ids), skip_special_tokens=not special)
        return text

    @cached_property
    def added(self) -> dict[str, int]:
        """Tokens that are found in a text before any other, by their text."""
        decoder = self.vocabulary.get_added_tokens_decoder()
        return {token.content: index for index, token in decoder.items()}

    @cached_property
    def special(self) -> dict[str, int]:
        """Control tokens by their text: in a row's text they would become roles.

        Some tokenizers mark their roles as plain words (`<｜User｜>`): what the template writes
        around turns is one too, but not the marks of thoughts, which answers contain.
        """
        decoder = self.vocabulary.get_added_tokens_decoder()
        marked = {token.content for token in decoder.values() if token.special}
        talk = (Message("user", "\x1a"), Message("assistant", "\x1a"), Message("user", "\x1a"))
        try:
            written = self.render(talk, prompt=True) + self.render(talk[:2], prompt=False)
        except TemplateRefused:
            written = ""
        marked |= {t for t in self.added if t in written and set(t) & set("<[|")} - THOUGHTS
        return {text: index for text, index in self.added.items() if text in marked}

    def special_text(self, name: str) -> str:
        """`bos_token`, `eos_token`, ... as tokenizer_config.json names it, or nothing."""
        value = self.config.get(name) or ""
        return value["content"] if isinstance(value, dict) else value

    @cached_property
    def stop_ids(self) -> frozenset[int]:
        """Ids that end an answer: generation_config.json's, and the tokenizer's end of turn."""
        ids = {self.added[text] for name in END_NAMES
               if (text := self.special_text(name) or name) in self.added}  # fmt: skip
        path = self.folder / "generation_config.json"
        if path.is_file():
            eos = orjson.loads(path.read_bytes()).get("eos_token_id")
            named = set(eos if isinstance(eos, list) else [] if eos is None else [eos])
            if not all(isinstance(token, int) for token in named):
                raise ValueError("eos_token_id is no number")
            ids |= named
        return frozenset(ids)

    @cached_property
    def faithful(self) -> bool:
        """Whether any text comes back from its ids: bytes stand for what no token is."""
        back = self.decode(self.encode(SPEECH))
        return unicodedata.normalize("NFC", back) == unicodedata.normalize("NFC", SPEECH)

    # --- prompts ----------------------------------------------------------------------------

    def render(
        self, messages: Sequence[Message], tools: Sequence[Any] = (), *, prompt: bool
    ) -> str:
        """The conversation as text; `prompt` adds the header that makes the model answer."""
        turns = [
            {"role": m.role, "content": m.content, **(self._extra(m.extra) if m.extra else {})}
            for m in messages
        ]
        return self._rendered(turns, tools, prompt)

    def _extra(self, extra: Mapping[str, Any]) -> Mapping[str, Any]:
        """What a turn has besides its text, as this template calls and wants it."""
        thought, as_text = self._habits
        if "reasoning_content" in extra and thought != "reasoning_content":
            extra = {thought if k == "reasoning_content" else k: v for k, v in extra.items()}
        if "tool_calls" in extra and as_text:
            extra = {**extra, "tool_calls": [_with_text(call) for call in extra["tool_calls"]]}
        return extra

    @cached_property
    def _habits(self) -> tuple[str, bool]:
        """(what the template calls a thought, whether it wants a call's arguments as JSON text)."""
        mark = "\x1athought\x1a"
        asked, said = {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}

        def writes(turn: Mapping[str, Any]) -> str:
            try:
                return self._rendered([asked, {**said, **turn}], (), False)
            except TemplateRefused:
                return ""

        names = (name for name in THOUGHT_NAMES if mark in writes({name: mark}))
        call = {
            "id": "abcdefgh9", "type": "function",
            "function": {"name": "f", "arguments": {"k": mark}},
        }  # fmt: skip
        as_text = not writes({"tool_calls": [call]}) and bool(
            writes({"tool_calls": [_with_text(call)]})
        )
        return next(names, THOUGHT_NAMES[0]), as_text

    def _rendered(
        self, turns: Sequence[Mapping[str, Any]], tools: Sequence[Any], prompt: bool
    ) -> str:
        names = ("bos_token", "eos_token", "unk_token", "pad_token", "sep_token")
        special = {name: text for name in names if (text := self.special_text(name))}
        try:
            self._compiled.environment.counted = 0  # type: ignore[attr-defined]
            return self._compiled.render(
                messages=turns,
                tools=list(tools) or None,
                documents=None,
                add_generation_prompt=prompt,
                **special,
            )
        except (jinja2.TemplateError, TypeError, LookupError, ValueError, *UNBOUNDED) as error:
            raise TemplateRefused(str(error)) from error

    def _today(self, form: str) -> str:
        return (self.day or datetime.now()).strftime(form)

    @cached_property
    def _compiled(self) -> jinja2.Template:
        def refuse(message: str) -> None:
            raise jinja2.TemplateError(message)

        def to_json(
            value: Any, ensure_ascii: bool = False, indent: Any = None,
            separators: Any = None, sort_keys: bool = False,
        ) -> str:  # fmt: skip
            return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent,
                              separators=separators, sort_keys=sort_keys)  # fmt: skip

        environment = _Bounded()
        environment.filters["tojson"] = to_json
        environment.globals["raise_exception"] = refuse
        environment.globals["strftime_now"] = self._today
        return environment.from_string(self.template)

    @cached_property
    def default_system(self) -> str:
        """What the template says as system when nobody gives one; empty if it adds none."""
        mark = "\x1asystem\x1a"
        user = Message("user", "\x1auser\x1a")
        try:
            given = self.render([Message("system", mark), user], prompt=True)
        except TemplateRefused:  # a template without a system role cannot have a default one
            return ""
        bare = self.render([user], prompt=True)
        head, _, tail = given.partition(mark)
        if head and bare.startswith(head) and bare.endswith(tail) and len(bare) > len(head + tail):
            return bare[len(head) : len(bare) - len(tail)]
        return ""


def _with_text(call: Mapping[str, Any]) -> dict[str, Any]:
    function = call["function"]
    arguments = function["arguments"]
    if not isinstance(arguments, str):
        arguments = json.dumps(arguments, ensure_ascii=False)
    return {**call, "function": {**function, "arguments": arguments}}


def load_tokenizer(folder: Path, template_file: str | None = None) -> ChatTokenizer | SetupFacts:
    """The tokenizer of a model or adapter folder, with its template or the one in a file."""
    try:
        vocabulary = Vocabulary.from_file(str(folder / "tokenizer.json"))
        config = orjson.loads((folder / "tokenizer_config.json").read_bytes())
        if not isinstance(config, dict):
            raise ValueError(f"tokenizer_config.json: {type(config).__name__}")
        day = _day(folder / ABOUT)
    except Exception as error:  # tokenizers raises bare Exception for a file it cannot read
        for name in ("tokenizer.json", "tokenizer_config.json"):
            if is_pointer(folder / name):
                return pointed(folder / name)
        return SetupFacts("model-incomplete", str(folder), found=f"tokenizer: {error}")
    try:
        template = _template(folder, config, template_file)
    except (OSError, UnicodeDecodeError) as error:
        return _no_file(folder, config, str(template_file or folder), error)
    if not template:
        return SetupFacts("no-chat-template", str(folder))
    vocabulary.no_truncation()
    vocabulary.no_padding()
    tokenizer = ChatTokenizer(folder, vocabulary, config, template, day)
    tokenizer.template_file = template_file or _place(folder)
    if words := tokenizer.broken:
        spare = _own(folder, config) if template_file else ""
        return SetupFacts("template-unfit", tokenizer.template_file, "broken", words, spare)
    try:
        frozenset(tokenizer.stop_ids)
    except (OSError, ValueError, AttributeError, TypeError) as error:
        found = f"generation_config.json: {error}"
        return SetupFacts("model-incomplete", str(folder), found=found)
    return tokenizer


def _day(about: Path) -> date | None:
    """The day that an adapter of ours was trained to see in its prompts, if it is one."""
    told = orjson.loads(about.read_bytes()).get("day") if about.is_file() else None
    return None if told is None else date.fromisoformat(told)


def _no_file(
    folder: Path, config: dict[str, Any], asked: str, error: OSError | UnicodeDecodeError
) -> SetupFacts:
    """A template that was asked for and cannot be read; `nearest` is the one that the model has."""
    reason = "no such file" if isinstance(error, FileNotFoundError) else str(error)
    return SetupFacts("no-chat-template", asked, reason, _own(folder, config))


def _own(folder: Path, config: dict[str, Any]) -> str:
    """Where a model's own template stands; empty if it has none that can be read."""
    try:
        return _place(folder) if _template(folder, config, None) else ""
    except (OSError, UnicodeDecodeError):
        return ""


def _place(folder: Path) -> str:
    """Where a model's own template stands."""
    name = "chat_template.jinja"
    return str(folder / (name if (folder / name).is_file() else "tokenizer_config.json"))


def _template(folder: Path, config: dict[str, Any], file: str | None) -> str:
    if file:
        return Path(file).read_text(encoding="utf-8")
    beside = folder / "chat_template.jinja"
    if beside.is_file():
        return beside.read_text(encoding="utf-8")
    inside = config.get("chat_template") or ""
    if isinstance(inside, list):  # [{name, template}, ...] of tokenizers with several
        named = {item.get("name"): item.get("template", "") for item in inside}
        inside = named.get("default", "")
    return str(inside)
