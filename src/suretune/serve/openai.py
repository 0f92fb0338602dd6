"""OpenAI's requests, read strictly: what is not understood, or not done, is refused by name."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from difflib import get_close_matches
from typing import Annotated, Any, Literal, TypeVar

import orjson
from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    ModelWrapValidatorHandler,
    Tag,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError
from typing_extensions import Self

from suretune.data import refusal as data
from suretune.data.calls import calls_of
from suretune.serve.spoken import spoken
from suretune.serve.unsupported import NEUTRAL, TEXT_ONLY, TOOLS, unsupported
from suretune.types import Message, Origin

LONGEST = 200  # characters of a client's own words in an answer about them
INTEGER = 2**63
MOST_CALLS = 128  # of a turn
MOST_FIELDS = 200  # of a request: more than there are


class Refused(Exception):
    """An answer that is an error, in OpenAI's shape."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | None = None,
        retry_after: int | None = None,
        close: bool = False,
        allow: str = "",
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = spoken(message)
        self.param = param
        self.code = code
        self.retry_after = retry_after
        self.allow = allow  # methods that the route has
        self.close = close  # nothing that comes behind it on this connection is believed

    def body(self) -> dict[str, Any]:
        """`{"error": ...}`."""
        return error_body(self.status, self.message, self.param, self.code)

    def headers(self) -> dict[str, str]:
        """What goes with it."""
        made = {"www-authenticate": "Bearer"} if self.status == 401 else {}
        if self.retry_after is not None:
            made["retry-after"] = str(self.retry_after)
        if self.close:
            made["connection"] = "close"
        if self.allow:
            made["allow"] = self.allow
        return made


KINDS = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


def error_body(
    status: int, message: str, param: str | None = None, code: str | None = None
) -> dict[str, Any]:
    """An error as OpenAI's clients read it."""
    kind = KINDS.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


# --- what can be asked --------------------------------------------------------------------------


class Body(BaseModel):
    """JSON of exactly these fields and types. A field that is null says nothing, known or not."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    @model_validator(mode="wrap")
    @classmethod
    def _known_only(cls, value: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """One error for all that is unknown: a client that sends 100,000 fields costs no more."""
        if not isinstance(value, dict):
            return handler(value)
        fields = cls.model_fields
        made = handler({name: given for name, given in value.items() if name in fields})
        for name, given in value.items():
            if name not in fields and given is not None:
                raise PydanticCustomError(UNKNOWN, "is unknown", {"name": name})
        return made


UNKNOWN = "unknown_field"


class TextPart(Body):
    """A part of a message; this server reads text only."""

    type: Literal["text"]
    text: str
    cache_control: Any = None  # a hint for caches


def _text_or_parts(value: Any) -> str | None:
    return "a text" if isinstance(value, str) else "parts" if isinstance(value, list) else None


# Of a union only the member that was meant is tried, so that its error is the one that is told.
Content = Annotated[
    Annotated[str, Tag("a text")] | Annotated[list[TextPart], Field(fail_fast=True), Tag("parts")],
    Discriminator(
        _text_or_parts,
        custom_error_type="union",
        custom_error_message="Input should be a string or a list of parts of type text",
    ),
]


class ChatMessage(Body):
    """One turn. The fields that are `null` are those that OpenAI's own answers bring along."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    content: Content | None = None
    name: Annotated[str, Field(max_length=256)] | None = None
    refusal: None = None
    audio: None = None
    function_call: None = None
    reasoning: str | None = None
    reasoning_content: str | None = None
    thinking: str | None = None
    tool_calls: Annotated[list[Any], Field(max_length=MOST_CALLS)] | None = None
    tool_call_id: Annotated[str, Field(max_length=256)] | None = None
    annotations: Annotated[list[Any], Field(max_length=0)] | None = None
    # Nothing of these changes an answer.
    cache_control: Any = None
    provider_specific_fields: Any = None

    def turn(self, place: str = "messages[0]") -> Message:
        """As templates take it: what an answer was thought over is theirs to write or leave out.

        A turn that calls says nothing beside it: `content: null`, as OpenAI's API answers. What was
        called is read as rows are; `Refused` names what cannot be, by its `place`.
        """
        role = "system" if self.role == "developer" else self.role
        text = self.content or ""
        if not isinstance(text, str):
            text = "\n".join(part.text for part in text)
        extra = {
            "reasoning_content": self.reasoning_content or self.reasoning,
            "thinking": self.thinking,
            "tool_calls": _calls(self.tool_calls or [], f"{place}.tool_calls"),
            "tool_call_id": self.tool_call_id,
            "name": self.name if role == "tool" else None,
        }
        return Message(role, text, extra={name: said for name, said in extra.items() if said})


def _calls(calls: list[Any], place: str) -> list[Any]:
    try:
        orjson.dumps(calls)  # nested no deeper than a row may be
    except TypeError as error:
        raise Refused(400, f"{place} is nested too deeply.", param=place) from error
    try:
        return calls_of(calls, place, Origin("", 0))
    except data.Refused as error:
        fault = error.fault
        why = f"{fault.field}: {fault.hint.en if fault.hint else 'is no call.'}"
        raise Refused(
            400, why[: 2 * LONGEST], param=fault.field[:LONGEST], code="invalid_value"
        ) from error


def turns(messages: Sequence[ChatMessage]) -> list[Message]:
    """The conversation; who speaks is written where two of one role have different names.

    No template of today's models writes the names of users: a group's talk would be one voice.
    """
    voices: dict[str, set[str]] = {}
    for message in messages:
        if message.name and message.role != "tool":
            voices.setdefault(message.role, set()).add(message.name)
    made = []
    for index, message in enumerate(messages):
        turn = message.turn(f"messages[{index}]")
        if message.name and len(voices.get(message.role, ())) > 1:
            turn = replace(turn, content=f"{message.name}: {turn.content}")
        made.append(turn)
    return made


class StreamOptions(Body):
    """What a stream brings besides the answer."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


Stop = Annotated[str, Field(min_length=1, max_length=256)]
Stops = Annotated[
    Annotated[Stop, Tag("a text")]
    | Annotated[list[Stop], Field(max_length=4, fail_fast=True), Tag("parts")],
    Discriminator(
        _text_or_parts,
        custom_error_type="union",
        custom_error_message="Input should be a string or a list of up to 4 strings",
    ),
]


class Sampling(Body):
    """What both endpoints take."""

    model: Annotated[str, Field(max_length=512)]
    max_tokens: Annotated[int, Field(ge=1, lt=INTEGER)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=-INTEGER, lt=INTEGER)] | None = None
    stop: Stops | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    # Nothing of these changes an answer.
    user: Any = None
    metadata: Any = None
    store: Any = None
    service_tier: Any = None
    safety_identifier: Any = None
    prompt_cache_key: Any = None
    prompt_cache_retention: Any = None
    parallel_tool_calls: Any = None
    request_id: Any = None
    priority: Any = None
    cache_salt: Any = None

    def stops(self) -> tuple[str, ...]:
        """Strings that end the answer."""
        if self.stop is None:
            return ()
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop)

    @property
    def with_usage(self) -> bool:
        """Whether a stream ends with the number of tokens."""
        return bool(self.stream_options and self.stream_options.include_usage)


class ChatRequest(Sampling):
    """POST /v1/chat/completions."""

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=4096, fail_fast=True)]
    max_completion_tokens: Annotated[int, Field(ge=1, lt=INTEGER)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None


Tokens = Annotated[list[int], Field(min_length=1, fail_fast=True)]


def _prompt_kind(value: Any) -> str | None:
    if isinstance(value, str):
        return "a text"
    if not isinstance(value, list):
        return None
    first = value[0] if value else ""
    kinds = ((str, "texts"), (list, "lists of tokens"), (int, "tokens"))
    return next((name for kind, name in kinds if isinstance(first, kind)), None)


Prompt = Annotated[
    Annotated[str, Tag("a text")]
    | Annotated[list[str], Field(min_length=1, fail_fast=True), Tag("texts")]
    | Annotated[Tokens, Tag("tokens")]
    | Annotated[list[Tokens], Field(fail_fast=True), Tag("lists of tokens")],
    Discriminator(
        _prompt_kind,
        custom_error_type="union",
        custom_error_message="Input should be a string, a list of token ids, or a list of either",
    ),
]


class CompletionRequest(Sampling):
    """POST /v1/completions: text as it is, without a template."""

    prompt: Prompt
    max_tokens: Annotated[int, Field(ge=0, lt=INTEGER)] | None = None
    logprobs: Annotated[int, Field(ge=0, le=5)] | None = None
    echo: bool | None = None

    def prompts(self) -> list[str | list[int]]:
        """Each is answered by a choice of its own."""
        given = self.prompt
        if isinstance(given, str):
            return [given]
        texts: list[str | list[int]] = [each for each in given if not isinstance(each, int)]
        return texts or [[each for each in given if isinstance(each, int)]]


class Question(Body):
    """POST /ask."""

    question: Annotated[str, Field(min_length=1)]
    model: Annotated[str, Field(max_length=512)] | None = None


Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class LoadRequest(Body):
    """POST /v1/load_lora_adapter."""

    lora_name: Name
    lora_path: Annotated[str, Field(min_length=1, max_length=4096)]


class UnloadRequest(Body):
    """POST /v1/unload_lora_adapter."""

    lora_name: Name


KINDS_OF_BODY = (
    ChatRequest,
    CompletionRequest,
    Question,
    LoadRequest,
    UnloadRequest,
    ChatMessage,
    TextPart,
    StreamOptions,
)
FIELDS = frozenset(name for kind in KINDS_OF_BODY for name in kind.model_fields)

# --- reading it ---------------------------------------------------------------------------------

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
            raise Refused(400, why, param=name, code="unsupported_parameter")
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
                raise Refused(400, f"The field {twice} is there twice.", param=twice)
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
        return Refused(400, f"{param} is missing.", param=param, code="missing_required_parameter")
    return Refused(400, f"{param}: {_said(first)}", param=param, code="invalid_value")


def _unknown(param: str, kind: type[Body]) -> Refused:
    near = get_close_matches(param, kind.model_fields, n=1, cutoff=0.8)
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
        raise Refused(400, "stream_options needs stream: true.", param="stream_options")
    if isinstance(request, CompletionRequest) and request.max_tokens == 0 and not request.echo:
        why = "max_tokens: 0 asks for nothing; only with echo: true does the prompt come back."
        raise Refused(400, why, param="max_tokens", code="invalid_value")
    if isinstance(request, ChatRequest):
        for index, message in enumerate(request.messages):
            _says_something(message, f"messages[{index}]")
        if request.top_logprobs is not None and not request.logprobs:
            raise Refused(400, "top_logprobs needs logprobs: true.", param="top_logprobs")
        both = request.max_tokens is not None and request.max_completion_tokens is not None
        if both and request.max_tokens != request.max_completion_tokens:
            raise Refused(
                400, "max_tokens and max_completion_tokens say the same thing: give one of them.",
                param="max_tokens",
            )  # fmt: skip
