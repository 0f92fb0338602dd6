"""The routes: OpenAI's, vLLM's two for adapters, Prometheus', and the articles' /ask."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.exceptions import ExceptionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from suretune.data.wall import Unfit
from suretune.model.slots import Ask
from suretune.serve.answering import (
    Answering,
    Placed,
    Stream,
    collect,
    take,
    unavailable,
    unless_gone,
    whole,
)
from suretune.serve.describe import describe
from suretune.serve.engine import Closed, Engine
from suretune.serve.limits import Gate, Limits, read_body, refusal
from suretune.serve.metrics import TEXT, Metrics
from suretune.serve.models import Models, Served
from suretune.serve.openai import (
    Body,
    ChatRequest,
    CompletionRequest,
    LoadRequest,
    Question,
    Refused,
    Sampling,
    UnloadRequest,
    error_body,
    read,
)
from suretune.serve.replies import Reply, chat_reply, completion_reply
from suretune.types import Message

COMPLETION_TOKENS = 16  # OpenAI's default for /v1/completions
Asked = TypeVar("Asked", bound=Body)
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Service:
    """One server: what it serves, and how. `room` is the tokens of a prompt and its answer,
    `ask_tokens` the longest answer of /ask, which cannot say so itself.

    `load` brings an adapter from a path, proven; None where that was not allowed at the start.
    """

    engine: Engine
    models: Models
    metrics: Metrics
    limits: Limits
    room: int
    temperature: float
    top_p: float
    ask_tokens: int
    load: Callable[[str, str], Awaitable[Served]] | None = None
    # Templates and tokenizers are not for several threads at once, and not for the event loop.
    words: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, "suretune-words")
    )

    # --- answers ------------------------------------------------------------------------------

    async def chat(self, request: Request) -> Response:
        """POST /v1/chat/completions"""
        asked = await self._read(request, ChatRequest)
        served = self.models.get(asked.model)
        turns = [message.turn() for message in asked.messages]
        self._may_fit(served, sum(len(turn.content) for turn in turns), "messages")
        prompt = await self._off_the_loop(served.prompt, turns)
        most = asked.max_completion_tokens or asked.max_tokens
        listed = (asked.top_logprobs or 0) if asked.logprobs else None
        ask = self._ask(served, prompt, asked, most, listed)
        return await self._answer(
            request, served, ask, asked, chat_reply(served, bool(asked.logprobs))
        )

    async def completion(self, request: Request) -> Response:
        """POST /v1/completions"""
        asked = await self._read(request, CompletionRequest)
        served = self.models.get(asked.model)
        if isinstance(asked.prompt, str):
            self._may_fit(served, len(asked.prompt), "prompt")
        prompt = await self._off_the_loop(_raw, served, asked.prompt)
        most = asked.max_tokens or min(COMPLETION_TOKENS, max(1, self.room - len(prompt)))
        ask = self._ask(served, prompt, asked, most, asked.logprobs)
        reply = completion_reply(served, asked.logprobs is not None)
        return await self._answer(request, served, ask, asked, reply)

    async def ask(self, request: Request) -> Response:
        """POST /ask"""
        asked = await self._read(request, Question)
        served = self.models.first() if asked.model is None else self.models.get(asked.model)
        self._may_fit(served, len(asked.question), "question")
        prompt = await self._off_the_loop(served.prompt, [Message("user", asked.question)])
        most = min(self.ask_tokens, max(1, self.room - len(prompt)))
        ask = self._ask(served, prompt, Sampling(model=served.name), most, None)
        under_way = self._take(served, ask, ())
        try:
            made = await unless_gone(request.receive, collect(under_way))
        finally:
            under_way.close()
        return JSONResponse({"answer": made[0] if made else ""})

    def _may_fit(self, served: Served, characters: int, field: str) -> None:
        """Refused before it costs anything: so much text is never so few tokens."""
        most = self.room * served.words.longest
        if characters > most:
            raise Refused(
                400, f"{characters} characters are over {self.room} tokens, whatever they say.",
                param=field, code="context_length_exceeded",
            )  # fmt: skip

    def _ask(
        self, served: Served, prompt: list[int], asked: Sampling, most: int | None,
        logprobs: int | None,
    ) -> Ask:  # fmt: skip
        """The request in tokens; refused where it and its answer have no room."""
        left = self.room - len(prompt)
        field = "messages" if isinstance(asked, ChatRequest) else "prompt"
        if left < 1 or not prompt:
            why = f"The prompt has {len(prompt)} tokens; 1 to {self.room - 1} are possible."
            raise Refused(400, why, param=field, code="context_length_exceeded")
        if most is not None and most > left:
            raise Refused(
                400, f"{len(prompt)} tokens of prompt leave room for {left} of answer, not {most}.",
                param="max_tokens", code="context_length_exceeded",
            )  # fmt: skip
        return Ask(
            prompt=tuple(prompt),
            stop_ids=served.tokenizer.stop_ids,
            max_new_tokens=left if most is None else most,
            adapter=served.adapter,
            temperature=self.temperature if asked.temperature is None else asked.temperature,
            top_p=self.top_p if asked.top_p is None else asked.top_p,
            seed=asked.seed,
            logprobs=logprobs,
        )

    async def _answer(
        self, request: Request, served: Served, ask: Ask, asked: Sampling, reply: Reply
    ) -> Response:
        under_way = self._take(served, ask, asked.stops())
        if asked.stream:
            return Stream(under_way, reply, asked.with_usage)
        return await whole(request.receive, under_way, reply)

    def _take(self, served: Served, ask: Ask, stops: tuple[str, ...]) -> Answering:
        """Queued, unless its model went, or became another, while its prompt was made."""
        if self.models.get(served.name) is not served:
            why = f"{served.name} was loaded anew; ask again."
            raise Refused(404, why, param="model", code="model_not_found")
        return take(self.engine, self.metrics, served, ask, stops)

    async def _read(self, request: Request, kind: type[Asked]) -> Asked:
        return await self._off_the_loop(read, await read_body(request, self.limits), kind)

    async def _off_the_loop(self, what: Callable[..., Result], *about: Any) -> Result:
        """On the thread of the model whose template or tokenizer it is about."""
        served = getattr(what, "__self__", about[0])
        if not isinstance(served, Served):
            return await asyncio.get_running_loop().run_in_executor(self.words, what, *about)
        try:
            return await asyncio.get_running_loop().run_in_executor(served.thread, what, *about)
        except Unfit as error:
            raise served.unfit(error) from error

    # --- what is served -----------------------------------------------------------------------

    async def list_models(self, request: Request) -> Response:
        """GET /v1/models"""
        return JSONResponse({"object": "list", "data": self.models.cards()})

    async def one_model(self, request: Request) -> Response:
        """GET /v1/models/{model}"""
        return JSONResponse(self.models.get(request.path_params["model"]).card())

    async def load_adapter(self, request: Request) -> Response:
        """POST /v1/load_lora_adapter"""
        asked = await self._read(request, LoadRequest)
        if self.load is None:
            raise Refused(403, "Adapters are loaded only with --adapters_dir.", code="not_allowed")
        served = await self.load(asked.lora_name, asked.lora_path)
        return JSONResponse(served.card())

    async def unload_adapter(self, request: Request) -> Response:
        """POST /v1/unload_lora_adapter"""
        asked = await self._read(request, UnloadRequest)
        if self.load is None:
            raise Refused(
                403, "Adapters are unloaded only with --adapters_dir.", code="not_allowed"
            )
        served = self.models.remove(asked.lora_name)
        if served.adapter is not None:
            try:
                await self.engine.unload(served.adapter)
            except Closed as closed:
                raise unavailable(closed) from closed
        return JSONResponse({"id": served.name, "object": "model", "deleted": True})

    # --- how it is ----------------------------------------------------------------------------

    async def health(self, request: Request) -> Response:
        """GET /health: whether the engine lives."""
        state = self.engine.state
        return JSONResponse({"status": state}, 503 if state == "dead" else 200)

    async def ready(self, request: Request) -> Response:
        """GET /ready: whether new requests are taken."""
        state = self.engine.state
        return JSONResponse({"status": state}, 200 if state == "ready" else 503)

    async def figures(self, request: Request) -> Response:
        """GET /metrics"""
        return Response(self.metrics.page(), media_type=TEXT)

    async def openapi(self, request: Request) -> Response:
        """GET /openapi.json"""
        return JSONResponse(describe())


def _raw(served: Served, prompt: str | list[int]) -> list[int]:
    """Text as it is; token ids only where the vocabulary has them."""
    if isinstance(prompt, str):
        return served.tokenizer.encode(prompt)
    size = served.tokenizer.vocabulary.get_vocab_size()
    if not all(0 <= token < size for token in prompt):
        raise Refused(400, f"Token ids are 0 to {size - 1}.", param="prompt")
    return prompt


def make_app(service: Service) -> ASGIApp:
    """The whole of it, behind its gate."""
    placed = [Middleware(Placed, service.engine)]
    routes = [
        Route("/v1/chat/completions", service.chat, methods=["POST"], middleware=placed),
        Route("/v1/completions", service.completion, methods=["POST"], middleware=placed),
        Route("/ask", service.ask, methods=["POST"], middleware=placed),
        Route("/v1/models", service.list_models, methods=["GET"]),
        Route("/v1/models/{model:path}", service.one_model, methods=["GET"]),
        Route("/v1/load_lora_adapter", service.load_adapter, methods=["POST"]),
        Route("/v1/unload_lora_adapter", service.unload_adapter, methods=["POST"]),
        Route("/health", service.health, methods=["GET"]),
        Route("/ready", service.ready, methods=["GET"]),
        Route("/metrics", service.figures, methods=["GET"]),
        Route("/openapi.json", service.openapi, methods=["GET"]),
    ]

    async def refused(request: Request, error: Exception) -> Response:
        found = error if isinstance(error, Refused) else Refused(500, "The server failed.")
        service.metrics.refused.labels(str(found.status)).inc()
        return refusal(found)

    async def no_route(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        service.metrics.refused.labels(str(status)).inc()
        why = {404: "There is no such route.", 405: "This route has other methods."}.get(status, "")
        headers = error.headers if isinstance(error, HTTPException) else None
        body = error_body(status, f"{why} GET /openapi.json lists them all.".strip())
        return JSONResponse(body, status, headers)

    router = Router(routes, redirect_slashes=False)
    inner = ExceptionMiddleware(router, {Refused: refused, HTTPException: no_route})

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = app  # starlette then raises 404 and 405 in place of answering in plain text
        await inner(scope, receive, send)

    return Gate(app, service.limits)
