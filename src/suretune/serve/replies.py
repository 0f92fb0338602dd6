"""What goes back, in OpenAI's shapes: whole answers, chunks of a stream, log-probabilities."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from suretune.serve.models import Served
from suretune.serve.text import Likely, Words


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens read and tokens said."""

    prompt: int
    said: int

    def body(self) -> dict[str, int]:
        """As OpenAI counts."""
        return {
            "prompt_tokens": self.prompt,
            "completion_tokens": self.said,
            "total_tokens": self.prompt + self.said,
        }


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer's envelope; `kinds` are the names of the whole and of a chunk."""

    served: Served
    logprobs: bool
    prefix: str
    kinds: tuple[str, str]
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    created: int = field(default_factory=lambda: int(time.time()))

    def _envelope(
        self,
        kind: str,
        choices: list[dict[str, Any]],
    ) -> dict[str, Any]:
        return {
            "id": f"{self.prefix}-{self.id}",
            "object": kind,
            "created": self.created,
            "model": self.served.name,
            "system_fingerprint": self.served.fingerprint,
            "choices": choices,
        }

    def chunk(
        self,
        choice: Mapping[str, Any],
        with_usage: bool,
        index: int = 0,
    ) -> dict[str, Any]:
        """A part of a stream; OpenAI writes `usage: null` where the last one will have it."""
        made = self._envelope(self.kinds[1], [{"index": index, **choice}])
        return {**made, "usage": None} if with_usage else made

    def last(self, usage: Usage) -> dict[str, Any]:
        """The chunk behind the answer that only counts."""
        return {**self._envelope(self.kinds[1], []), "usage": usage.body()}

    def whole(
        self,
        answers: Sequence[tuple[str, Sequence[Likely], str]],
        usage: Usage,
    ) -> dict[str, Any]:
        """Answers that are not streamed, one a prompt: text, likelihoods, and why each is over."""
        choices = [
            {"index": index, **self.said(text, likely, whole=True), "finish_reason": end}
            for index, (text, likely, end) in enumerate(answers)
        ]
        return {**self._envelope(self.kinds[0], choices), "usage": usage.body()}

    def first(self) -> dict[str, Any] | None:
        """What a stream begins with, if anything."""
        return None

    def said(
        self,
        text: str,
        likely: Sequence[Likely],
        *,
        whole: bool = False,
    ) -> dict[str, Any]:
        """A choice with this text."""
        raise TypeError("a reply is a chat's or a completion's")

    def ended(self, end: str) -> dict[str, Any]:
        """The choice that says why the answer is over."""
        return {**self.said("", ()), "finish_reason": end}


class ChatReply(Reply):
    """/v1/chat/completions."""

    def first(self) -> dict[str, Any] | None:
        """The role, before any text."""
        delta = {"role": "assistant", "content": ""}
        return {"delta": delta, "logprobs": None, "finish_reason": None}

    def said(
        self,
        text: str,
        likely: Sequence[Likely],
        *,
        whole: bool = False,
    ) -> dict[str, Any]:
        """Under `message`, or under `delta` in a stream."""
        words = self.served.words
        listed = {"content": [_chat_token(words, each) for each in likely], "refusal": None}
        logprobs = listed if self.logprobs and (likely or whole) else None
        if whole:
            message = {"role": "assistant", "content": text, "refusal": None}
            return {"message": message, "logprobs": logprobs}
        delta = {"content": text} if text or likely else {}
        return {"delta": delta, "logprobs": logprobs, "finish_reason": None}


class CompletionReply(Reply):
    """/v1/completions."""

    def said(
        self,
        text: str,
        likely: Sequence[Likely],
        *,
        whole: bool = False,
    ) -> dict[str, Any]:
        """Under `text`."""
        logprobs = _completion_tokens(self.served.words, likely) if self.logprobs else None
        return {"text": text, "logprobs": logprobs, "finish_reason": None}


def chat_reply(served: Served, logprobs: bool) -> Reply:
    """The envelope of /v1/chat/completions."""
    return ChatReply(
        served,
        logprobs,
        "chatcmpl",
        ("chat.completion", "chat.completion.chunk"),
    )


def completion_reply(served: Served, logprobs: bool) -> Reply:
    """The envelope of /v1/completions."""
    return CompletionReply(
        served,
        logprobs,
        "cmpl",
        ("text_completion", "text_completion"),
    )


def _chat_token(words: Words, likely: Likely) -> dict[str, Any]:
    top = [_named(words, token, logprob) for token, logprob in likely.top]
    return {**_named(words, likely.token, likely.logprob), "top_logprobs": top}


def _named(
    words: Words,
    token: int,
    logprob: float | None,
) -> dict[str, Any]:
    spelled = list(words.bytes_of(token))
    return {"token": words.text_of(token), "logprob": finite(logprob), "bytes": spelled}


def _completion_tokens(words: Words, likely: Sequence[Likely]) -> dict[str, Any]:
    return {
        "tokens": [words.name_of(each.token) for each in likely],
        "token_logprobs": [finite(each.logprob) for each in likely],
        "top_logprobs": [
            None
            if each.logprob is None
            else {words.name_of(token): finite(logprob) for token, logprob in each.top}
            for each in likely
        ],
        "text_offset": [each.offset for each in likely],
    }


def finite(logprob: float | None) -> float | None:
    """JSON has no infinity; OpenAI writes -9999 for what cannot be."""
    return None if logprob is None else max(logprob, -9999.0)
