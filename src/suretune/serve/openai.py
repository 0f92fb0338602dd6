"""OpenAI's requests, read strictly: what is not understood, or not done, is refused by name."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

import orjson
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from suretune.types import Message

LONGEST = 200  # characters of a client's own words in an answer about them
INTEGER = 2**63

# Fields of OpenAI's, vLLM's and others' that would change the answer: only the values that change
# nothing are taken.
NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "n": (1,),
    "best_of": (1,),
    "echo": (False,),
    "suffix": ("",),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
    "logit_bias": ({},),
    "response_format": ({"type": "text"},),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "repetition_penalty": (1,),
    "modalities": (["text"],),
    "audio": (),
    "prediction": (),
    "reasoning_effort": (),
    "verbosity": (),
    "web_search_options": (),
    "top_k": (-1, 0),
    "min_p": (0,),
    "min_tokens": (0,),
    "ignore_eos": (False,),
    "use_beam_search": (False,),
    "skip_special_tokens": (True,),
    "stop_token_ids": ([],),
    "chat_template": (),
    "chat_template_kwargs": ({},),
    "add_generation_prompt": (True,),
}


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
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.retry_after = retry_after

    def body(self) -> dict[str, Any]:
        """`{"error": ...}`."""
        return error_body(self.status, self.message, self.param, self.code)

    def headers(self) -> dict[str, str]:
        """What goes with it."""
        if self.status == 401:
            return {"www-authenticate": "Bearer"}
        return {} if self.retry_after is None else {"retry-after": str(self.retry_after)}


KINDS = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


def error_body(
    status: int, message: str, param: str | None = None, code: str | None = None
) -> dict[str, Any]:
    """An error as OpenAI's clients read it."""
    kind = KINDS.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


# --- what can be asked --------------------------------------------------------------------------


class Body(BaseModel):
    """JSON of exactly these fields and types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class TextPart(Body):
    """A part of a message; this server reads text only."""

    type: Literal["text"]
    text: str


class ChatMessage(Body):
    """One turn. The fields that are `null` are those that OpenAI's own answers bring along."""

    role: Literal["system", "developer", "user", "assistant"]
    content: str | list[TextPart]
    name: None = None
    refusal: None = None
    audio: None = None
    function_call: None = None
    reasoning: None = None
    reasoning_content: None = None
    tool_calls: Annotated[list[Any], Field(max_length=0)] | None = None
    annotations: Annotated[list[Any], Field(max_length=0)] | None = None

    def turn(self) -> Message:
        """As templates take it."""
        role = "system" if self.role == "developer" else self.role
        if isinstance(self.content, str):
            return Message(role, self.content)
        return Message(role, "\n".join(part.text for part in self.content))


class StreamOptions(Body):
    """What a stream brings besides the answer."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


Stop = Annotated[str, Field(min_length=1, max_length=256)]


class Sampling(Body):
    """What both endpoints take."""

    model: Annotated[str, Field(max_length=512)]
    max_tokens: Annotated[int, Field(ge=1, lt=INTEGER)] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: Annotated[int, Field(ge=-INTEGER, lt=INTEGER)] | None = None
    stop: Stop | Annotated[list[Stop], Field(max_length=4)] | None = None
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

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=4096)]
    max_completion_tokens: Annotated[int, Field(ge=1, lt=INTEGER)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None


class CompletionRequest(Sampling):
    """POST /v1/completions: text as it is, without a template."""

    prompt: str | Annotated[list[int], Field(min_length=1)]
    logprobs: Annotated[int, Field(ge=0, le=5)] | None = None


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
    ChatRequest, CompletionRequest, Question, LoadRequest, UnloadRequest,
    ChatMessage, TextPart, StreamOptions,
)  # fmt: skip
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
    _no_key_twice(body)
    for name in NEUTRAL.keys() & value.keys():
        given = value.pop(name)
        if given is not None and not any(_same(given, neutral) for neutral in NEUTRAL[name]):
            raise Refused(
                400, f"{name} is not supported.", param=name, code="unsupported_parameter"
            )
    try:
        request = kind.model_validate(value)
    except ValidationError as error:
        raise _refused(error) from error
    _together(request)
    return request


def _no_key_twice(body: bytes) -> None:
    """Of two values one would be taken without a word."""

    def unique(pairs: list[tuple[str, Any]]) -> None:
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


def _same(given: Any, neutral: Any) -> bool:
    """True is not 1 here."""
    return isinstance(given, bool) == isinstance(neutral, bool) and bool(given == neutral)


def _refused(error: ValidationError) -> Refused:
    found = error.errors(include_url=False, include_input=False, include_context=False)
    there = [each for each in found if each["loc"][:1] == found[0]["loc"][:1]]
    # Of the types that were tried for a field, the one that got furthest was meant.
    first = max(there, key=lambda each: len(_param(each["loc"])))
    if first["type"] == "extra_forbidden":
        param = _param((*first["loc"][:-1], "")) + str(first["loc"][-1])[:LONGEST]
        return Refused(400, f"Unknown field {param}.", param=param, code="unknown_parameter")
    param = _param(first["loc"])
    if first["type"] == "missing":
        return Refused(400, f"{param} is missing.", param=param, code="missing_required_parameter")
    return Refused(400, f"{param}: {first['msg'][:LONGEST]}", param=param, code="invalid_value")


def _param(place: Sequence[int | str]) -> str:
    """`messages[0].content`, without the names of the types that were tried there."""
    path = ""
    for part in place:
        if isinstance(part, int):
            path += f"[{part}]"
        elif part in FIELDS or not part:
            path += f".{part}" if path else part
    return path[:LONGEST]


def _together(request: Body) -> None:
    """Fields that mean something only beside each other."""
    if isinstance(request, Sampling) and request.stream_options and not request.stream:
        raise Refused(400, "stream_options needs stream: true.", param="stream_options")
    if isinstance(request, ChatRequest):
        if request.top_logprobs is not None and not request.logprobs:
            raise Refused(400, "top_logprobs needs logprobs: true.", param="top_logprobs")
        both = request.max_tokens is not None and request.max_completion_tokens is not None
        if both and request.max_tokens != request.max_completion_tokens:
            raise Refused(
                400, "max_tokens and max_completion_tokens say the same thing: give one of them.",
                param="max_tokens",
            )  # fmt: skip
