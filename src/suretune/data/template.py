"""A tokenizer and its own chat template, without torch: `tokenizers`, and Jinja behind a wall.

transformers renders through the same sandbox with the same names; a test holds the two equal on
every template at hand. One renderer serves check, training, proof, chat and server.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson
from tokenizers import Tokenizer as Vocabulary

from suretune.because import in_words
from suretune.data.base import not_whole
from suretune.data.template_files import (
    day_of,
    incomplete,
    no_file,
    own_template,
    template_in,
)
from suretune.data.vocabulary import guarded, open_vocabulary, read_bounded
from suretune.data.wall import FAILED, ExecutionError, Unfit, Wall, wall_of
from suretune.facts import SetupFacts
from suretune.refusal import Refusal
from suretune.types import Message, Text

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
SPECIAL = ("bos_token", "eos_token", "unk_token", "pad_token", "sep_token")
THOUGHT_NAMES = ("reasoning_content", "thinking", "reasoning", "thought")  # as templates read them
SPEECH = 'aZ é 中文 한 я 😀\n\t  {"k": [1]} <b> $~^'  # what every tokenizer should be able to write
THOUGHTS = frozenset({"<think>", "</think>"})
END_NAMES = ("eos_token", "<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<|end|>")
# A conversation, its tools, as a prompt, with thoughts (None: as the template does unasked).
Asked = tuple[Sequence[Message], Sequence[Any], bool, bool | None]


def word_files(folder: Path) -> list[Path]:
    """The files of a base that lie beside what is trained of it."""
    names = (*FILES, "generation_config.json")
    return [path for name in names if (path := folder / name).is_file()]


class TemplateRefused(ValueError):
    """The template itself said no (`raise_exception`), or is not valid Jinja."""


class ChatTokenizer:
    """Text to ids and back, and messages to the prompt text that the model was built for."""

    def __init__(
        self,
        folder: Path,
        vocabulary: Vocabulary,
        config: dict[str, Any],
        template: str,
        day: date | None = None,
        *,
        template_file: str = "",
        wall: Wall | None = None,
    ) -> None:
        self.folder = folder
        self.vocabulary = vocabulary
        self.config = config
        self.template = template
        self.day = day  # what the template is told that today is; None: the clock's
        self.template_file = template_file or str(folder / "chat_template.jinja")
        self.beyond = 0  # rows whose rendering ran into the limits
        self._plain = wall is None  # else its words are made behind the wall, too
        self._own_wall = wall
        self._given_up: Unfit | None = None
        self._ahead: dict[bytes, str | ExecutionError] = {}

    def with_template(self, template: str) -> ChatTokenizer:
        """The same words under another template."""
        wall = None if self._plain else Wall(template, self._words)
        return ChatTokenizer(
            self.folder,
            self.vocabulary,
            self.config,
            template,
            self.day,
            template_file=self.template_file,
            wall=wall,
        )

    @property
    def plain(self) -> bool:
        """Its words are made in this process; others may take seconds before they are given up."""
        return self._plain

    @property
    def dated(self) -> bool:
        """Its prompts say which day it is."""
        return "strftime_now" in self.template

    @property
    def timed(self) -> bool:
        """Its prompts are made of the clock's time: no two are the same."""
        return self.dated and self.day is None

    # --- words ------------------------------------------------------------------------------

    def encode(self, text: str) -> list[int]:
        """Ids of a piece of a rendered conversation; nothing is added in front or behind."""
        if not self._plain:
            return list(self._beyond_the_wall("encode", text))
        encode = self.vocabulary.encode
        ids: list[int] = guarded(self._words, lambda: encode(text, add_special_tokens=False).ids)
        return ids

    def decode(self, ids: Sequence[int], *, special: bool = False) -> str:
        """The text of token ids; `special`: with special tokens spelled out."""
        if not self._plain:
            return self._decoded(list(ids), special)
        decode = self.vocabulary.decode
        return guarded(self._words, lambda: decode(list(ids), skip_special_tokens=not special))

    @property
    def _words(self) -> Path:
        return self.folder / "tokenizer.json"

    @property
    def _wall(self) -> Wall:
        """Around the template alone: a prompt that hangs must not hold up other answers' words."""
        return wall_of(self.template)

    def _decoded(self, ids: list[int], special: bool) -> str:
        """A decoder that ran into the limits once is not waited for again: a server's other
        answers would wait, too."""
        if self._given_up is not None:
            raise self._given_up
        try:
            return str(self._beyond_the_wall("decode", ids, special))
        except Unfit as error:
            self._given_up = error if error.limit != FAILED else None
            raise

    def _beyond_the_wall(self, *request: Any) -> Any:
        wall = self._own_wall or self._wall
        (given,) = wall.ask(str(self._words), json.dumps(request).encode())
        if isinstance(given, ExecutionError):
            raise Unfit(str(self._words), FAILED, str(given))
        return given

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
        value = self.config.get(name)
        value = value.get("content") if isinstance(value, dict) else value
        return value if isinstance(value, str) else ""

    @cached_property
    def stop_ids(self) -> frozenset[int]:
        """Ids that end an answer: generation_config.json's, and the tokenizer's end of turn."""
        ids = {
            self.added[text]
            for name in END_NAMES
            if (text := self.special_text(name) or name) in self.added
        }
        path = self.folder / "generation_config.json"
        if path.is_file():
            eos = orjson.loads(read_bounded(path)).get("eos_token_id")
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
        self,
        messages: Sequence[Message],
        tools: Sequence[Any] = (),
        *,
        prompt: bool,
        thinking: bool | None = None,
    ) -> str:
        """The conversation as text; `prompt` adds the header that makes the model answer, and
        `thinking` is what the template is told as `enable_thinking` (None: nothing).

        `TemplateRefused` if the template says no, `Unfit` if it does not come to an end.
        """
        return self._rendered(self._turns(messages), tools, prompt, thinking)

    def render_ahead(self, asked: Iterable[Asked]) -> None:
        """Render many conversations at once, for `render` to find; what it cannot, `render` says.

        One at a time each would wait for its answer to cross the wall. Where a prompt says what
        time it is, no two requests are the same.
        """
        if self.timed:
            return
        requests: dict[bytes, None] = {}  # an answer's end is often the conversation's: once
        for messages, tools, prompt, thinking in asked:
            with suppress(TypeError, ValueError, RecursionError):
                turns = self._turns(messages)
                requests[self._request(turns, tools, prompt, thinking)] = None
        self._ahead = {}
        if requests and not self.beyond:
            with suppress(Unfit):
                given = self._wall.ask(self.template_file, *requests)
                self._ahead = dict(zip(requests, given, strict=True))

    def _turns(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        return [
            {"role": m.role, "content": m.content, **(self._extra(m.extra) if m.extra else {})}
            for m in messages
        ]

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
            "id": "abcdefgh9",
            "type": "function",
            "function": {"name": "f", "arguments": {"k": mark}},
        }
        as_text = not writes({"tool_calls": [call]}) and bool(
            writes({"tool_calls": [_with_text(call)]})
        )
        return next(names, THOUGHT_NAMES[0]), as_text

    def _rendered(
        self,
        turns: Sequence[Any],
        tools: Sequence[Any],
        prompt: bool,
        thinking: bool | None = None,
    ) -> str:
        try:
            request = self._request(turns, tools, prompt, thinking)
        except (TypeError, ValueError, RecursionError) as error:  # what JSON cannot say
            raise TemplateRefused(str(error)) from error
        made = self._ahead.get(request)
        if made is None:
            (made,) = self._wall.ask(self.template_file, request)
        if isinstance(made, ExecutionError):
            raise TemplateRefused(str(made)) from made
        return str(made)

    def _request(
        self,
        turns: Sequence[Any],
        tools: Sequence[Any],
        prompt: bool,
        thinking: bool | None,
    ) -> bytes:
        """What is asked across the wall."""
        names: dict[str, Any] = {n: text for n in SPECIAL if (text := self.special_text(n))}
        if thinking is not None:
            names["enable_thinking"] = thinking
        now = (self.day or datetime.now()).isoformat() if self.dated else None
        request = ("text", turns, list(tools) or None, prompt, names, now)
        return json.dumps(request, default=str).encode()

    @cached_property
    def broken(self) -> str:
        """Where the template is no valid Jinja, and why; empty if it is."""
        (found,) = self._wall.ask(self.template_file, b'["broken"]')
        return str(found)

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


# --- files ----------------------------------------------------------------------------------------


def load_tokenizer(folder: Path, template_file: str | None = None) -> ChatTokenizer:
    """The tokenizer of a model or adapter folder, with its template or the one in a file.

    Raises Refusal for what cannot be read or has no template that can be used, `Unfit` if loading
    it takes more time or memory than it may.
    """
    try:
        config = orjson.loads(read_bounded(folder / "tokenizer_config.json"))
        if not isinstance(config, dict):
            raise ValueError(f"tokenizer_config.json: {type(config).__name__}")
        day = day_of(folder / ABOUT)
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise Refusal(incomplete(folder, in_words(error))) from error
    missing: SetupFacts | None = None
    try:
        template, file = template_in(folder, config, template_file)
    except (OSError, ValueError) as error:
        template, file = "", ""
        missing = no_file(folder, config, str(template_file or folder), error)
    try:
        vocabulary, wall = open_vocabulary(folder / "tokenizer.json", template)
    except Unfit as error:
        if error.limit != FAILED:
            raise
        raise Refusal(incomplete(folder, in_words(error.found))) from error
    except (OSError, ValueError) as error:
        raise Refusal(incomplete(folder, in_words(error))) from error
    if missing or not template:
        raise Refusal(missing or SetupFacts("no-chat-template", str(folder)))
    tokenizer = ChatTokenizer(
        folder, vocabulary, config, template, day, template_file=file, wall=wall
    )
    if words := tokenizer.broken:
        spare = own_template(folder, config) if template_file else ""
        raise Refusal(SetupFacts("template-unfit", file, "broken", words, spare))
    try:
        frozenset(tokenizer.stop_ids)
    except (OSError, ValueError, AttributeError, TypeError) as error:
        why, file = in_words(error), "generation_config.json"
        found = Text(f"{file}: {why.en}", f"{file}：{why.zh}")
        raise Refusal(not_whole(folder, found)) from error
    return tokenizer
