"""Bytes of a request to what it asks, or to why not: with the field that is wrong."""

from __future__ import annotations

import json
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, TypeVar

import orjson
from pydantic import (
    ValidationError,
)
from pydantic_core import ErrorDetails

from suretune.serve.openai import (
    FIELDS,
    LONGEST,
    UNKNOWN,
    Body,
    ChatMessage,
    ChatRequest,
    CompletionRequest,
    Refused,
    Sampling,
)
from suretune.serve.unsupported import NEUTRAL, TEXT_ONLY, TOOLS, unsupported

MOST_FIELDS = 200  # of a request: more than there are
Request = TypeVar("Request", bound=Body)


def read(body: bytes, kind: type[Request]) -> Request:
    """A request of this kind, or `Refused` with the field that is wrong."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Refused(400, f"The body is not JSON: {error.msg[:LONGEST]}") from error
    if not isinstance(value, dict):
        raise Refused(400, "The body must be a JSON object.")
    if (
        len(value) > MOST_FIELDS
    ):  # of which most are unknown, so that the rest need not be looked at
        _first_unknown(value, kind)
    for name in [each for each in NEUTRAL if each in value and each not in kind.model_fields]:
        if why := unsupported(name, value.pop(name)):
            raise Refused(
                400,
                why,
                param=name,
                code="unsupported_parameter",
            )
    try:
        request = kind.model_validate(value)
    except ValidationError as error:
        raise _refused(error, kind) from error
    _no_key_twice(body)  # last, for it takes longest
    _together(request)
    return request


def _first_unknown(value: dict[str, Any], kind: type[Body]) -> None:
    for name in value:
        if name not in kind.model_fields and name not in NEUTRAL:
            raise _unknown(name[:LONGEST], kind)


def _no_key_twice(body: bytes) -> None:
    """Of two values one would be taken without a word."""

    def unique(pairs: list[tuple[str, Any]]) -> None:
        if len(dict(pairs)) == len(pairs):
            return
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                twice = name[:LONGEST]
                raise Refused(
                    400,
                    f"The field {twice} is there twice.",
                    param=twice,
                )
            seen.add(name)

    try:
        json.loads(body, object_pairs_hook=unique)
    except RecursionError as error:
        raise Refused(400, "The body is nested too deeply.") from error


WHY = {
    "function_call": f"not supported: {TOOLS}",
    "audio": f"not supported: {TEXT_ONLY}",
    "annotations": f"not supported: {TEXT_ONLY}",
}


def _refused(error: ValidationError, kind: type[Body]) -> Refused:
    first = error.errors(include_url=False, include_input=False)[0]
    param = _param(first["loc"])
    if first["type"] == UNKNOWN:
        name = str(first["ctx"]["name"])[:LONGEST]
        return _unknown(f"{param}.{name}" if param else name, kind)
    if first["type"] == "missing":
        return Refused(
            400,
            f"{param} is missing.",
            param=param,
            code="missing_required_parameter",
        )
    return Refused(
        400,
        f"{param}: {_said(first)}",
        param=param,
        code="invalid_value",
    )


def _unknown(param: str, kind: type[Body]) -> Refused:
    near = get_close_matches(
        param,
        kind.model_fields,
        n=1,
        cutoff=0.8,
    )
    why = f"Unknown field {param}." + (f" Did you mean {near[0]}?" if near else "")
    return Refused(400, why, param=param, code="unknown_parameter")


def _said(first: ErrorDetails) -> str:
    """Pydantic's words, or ours where they would not say why."""
    place = first["loc"][-1]
    said = WHY.get(str(place)) or first["msg"].replace(" after validation", "")
    if place == "role":
        said += f"; others are not supported: {TOOLS}"
    if place == "type":
        said += f": {TEXT_ONLY}"
    return said[: 2 * LONGEST]


def _param(place: Sequence[int | str]) -> str:
    """`messages[0].content`, without the names of the types that were tried there."""
    path = ""
    for part in place:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part in FIELDS:
            path += f".{part}" if path else part
    return path[:LONGEST]


def _says_something(message: ChatMessage, place: str) -> None:
    if message.tool_calls and message.role != "assistant":
        param = f"{place}.tool_calls"
        why = f"{param}: calls are the assistant's; this turn is the {message.role}'s."
        raise Refused(400, why, param=param, code="invalid_value")
    if message.content is None and not message.tool_calls:
        param = f"{place}.content"
        why = f"{param}: Input should be a string or a list of parts of type text"
        why += "; only an assistant's turn with tool_calls may be without."
        raise Refused(400, why, param=param, code="invalid_value")


def _together(request: Body) -> None:
    """Fields that mean something only beside each other."""
    if isinstance(request, Sampling) and request.stream_options and not request.stream:
        raise Refused(
            400,
            "stream_options needs stream: true.",
            param="stream_options",
        )
    if isinstance(request, CompletionRequest) and request.max_tokens == 0 and not request.echo:
        why = "max_tokens: 0 asks for nothing; only with echo: true does the prompt come back."
        raise Refused(
            400,
            why,
            param="max_tokens",
            code="invalid_value",
        )
    if isinstance(request, ChatRequest):
        for index, message in enumerate(request.messages):
            _says_something(message, f"messages[{index}]")
        if request.top_logprobs is not None and not request.logprobs:
            raise Refused(
                400,
                "top_logprobs needs logprobs: true.",
                param="top_logprobs",
            )
        both = request.max_tokens is not None and request.max_completion_tokens is not None
        if both and request.max_tokens != request.max_completion_tokens:
            raise Refused(
                400, "max_tokens and max_completion_tokens say the same thing: give one of them.",
                param="max_tokens",
            )  # fmt: skip
