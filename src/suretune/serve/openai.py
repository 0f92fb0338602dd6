"""OpenAI's requests, read strictly: what is not understood, or not done, is refused by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import orjson
from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    ModelWrapValidatorHandler,
    Tag,
    model_validator,
)
from pydantic_core import PydanticCustomError
from typing_extensions import Self

from suretune.data import refusal as data
from suretune.data.calls import calls_of
from suretune.serve.spoken import spoken
from suretune.types import Message, Origin

LONGEST = 200  # characters of a client's own words in an answer about them
INTEGER = 2**63
MOST_CALLS = 128  # of a turn


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
        return error_body(
            self.status,
            self.message,
            self.param,
            self.code,
        )

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
    status: int,
    message: str,
    param: str | None = None,
    code: str | None = None,
) -> dict[str, Any]:
    """An error as OpenAI's clients read it."""
    kind = KINDS.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


# --- what can be asked --------------------------------------------------------------------------


class Body(BaseModel):
    """JSON of exactly these fields and types. A field that is null says nothing, known or not."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
    )

    @model_validator(mode="wrap")
    @classmethod
    def _known_only(
        cls,
        value: Any,
        handler: ModelWrapValidatorHandler[Self],
    ) -> Self:
        """One error for all that is unknown: a client that sends 100,000 fields costs no more."""
        if not isinstance(value, dict):
            return handler(value)
        fields = cls.model_fields
        made = handler({name: given for name, given in value.items() if name in fields})
        for name, given in value.items():
            if name not in fields and given is not None:
                raise PydanticCustomError(
                    UNKNOWN,
                    "is unknown",
                    {"name": name},
                )
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
        return Message(
            role,
            text,
            extra={name: said for name, said in extra.items() if said},
        )


def _calls(calls: list[Any], place: str) -> list[Any]:
    try:
        orjson.dumps(calls)  # nested no deeper than a row may be
    except TypeError as error:
        raise Refused(
            400,
            f"{place} is nested too deeply.",
            param=place,
        ) from error
    try:
        return calls_of(calls, place, Origin("", 0))
    except data.Refused as error:
        fault = error.fault
        why = f"{fault.field}: {fault.hint.en if fault.hint else 'is no call.'}"
        raise Refused(
            400,
            why[: 2 * LONGEST],
            param=fault.field[:LONGEST],
            code="invalid_value",
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


class TemplateArguments(Body):
    """What a chat template is told: of all that it may be asked, the mode alone."""

    enable_thinking: bool | None = None


class ChatRequest(Sampling):
    """POST /v1/chat/completions."""

    messages: Annotated[list[ChatMessage], Field(min_length=1, max_length=4096, fail_fast=True)]
    max_completion_tokens: Annotated[int, Field(ge=1, lt=INTEGER)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    chat_template_kwargs: TemplateArguments | None = None

    @property
    def thinking(self) -> bool | None:
        """With thoughts or without; None: as was learned."""
        asked = self.chat_template_kwargs
        return asked.enable_thinking if asked else None


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
    TemplateArguments,
)
FIELDS = frozenset(name for kind in KINDS_OF_BODY for name in kind.model_fields)
