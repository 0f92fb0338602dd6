"""The routes: OpenAI's, vLLM's two for adapters, Prometheus', and the articles' /ask."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, Router
from starlette.types import Receive, Scope, Send

from suretune.data.wall import Unfit
from suretune.model.slots import Ask
from suretune.serve.answering import (
    HELD,
    Answering,
    Placed,
    Stream,
    collect,
    take,
    unavailable,
    unless_gone,
    whole,
)
from suretune.serve.bodies import BODY, Arrived, Bodies
from suretune.serve.describe import describe
from suretune.serve.desk import Closed, Desk, Gone
from suretune.serve.echo import Echo, echoed
from suretune.serve.limits import Gate, Limits
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
    turns,
)
from suretune.serve.page import page_routes
from suretune.serve.read_request import read
from suretune.serve.refusals import Refusals
from suretune.serve.replies import Reply, chat_reply, completion_reply
from suretune.serve.spoken import spoken
from suretune.types import Message

SMALL_BODY = 16 * 1024  # bytes that are read in less than a thousandth of a second
COMPLETION_TOKENS = 16  # OpenAI's default for /v1/completions
Asked = TypeVar("Asked", bound=Body)
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Service:
    """One server: what it serves, and how. `room` is the tokens of a prompt and its answer,
    `ask_tokens` the longest answer of /ask, which cannot say so itself.

    `load` brings an adapter from a path, proven; None where that was not allowed at the start.
    """

    engine: Desk
    models: Models
    metrics: Metrics
    limits: Limits
    room: int
    temperature: float
    top_p: float
    ask_tokens: int
    load: Callable[[str, str], Awaitable[Served]] | None = None
    context: int = 0  # tokens that the model itself could take
    reading: ThreadPoolExecutor = field(
        default_factory=lambda: ThreadPoolExecutor(1, "suretune-bodies")
    )

    # --- answers ------------------------------------------------------------------------------

    async def chat(self, request: Request) -> Response:
        """POST /v1/chat/completions"""
        asked = await self._read(request, ChatRequest)
        served = self.models.get(asked.model)
        said = turns(asked.messages)
        self._may_fit(
            served,
            sum(len(turn.content) for turn in said),
            "messages",
        )
        prompt = await self._off_the_loop(served, served.prompt, said, asked.thinking)
        most = asked.max_completion_tokens or asked.max_tokens
        listed = (asked.top_logprobs or 0) if asked.logprobs else None
        ask = self._ask(served, prompt, asked, most, listed)
        return await self._answer(
            request,
            served,
            [(ask, None)],
            asked,
            chat_reply(served, bool(asked.logprobs)),
        )

    async def completion(self, request: Request) -> Response:
        """POST /v1/completions"""
        asked = await self._read(request, CompletionRequest)
        served = self.models.get(asked.model)
        prompts = asked.prompts()
        if len(prompts) > self.engine.places:
            why = f"{len(prompts)} prompts; at most {self.engine.places} in one request."
            raise Refused(
                400,
                why,
                param="prompt",
                code="too_many_prompts",
            )
        for text in prompts:
            if isinstance(text, str):
                self._may_fit(served, len(text), "prompt")
        several = []
        for given in prompts:
            prompt, echo = await self._off_the_loop(
                served,
                _raw,
                served,
                given,
                bool(asked.echo),
            )
            most = asked.max_tokens
            if most is None:
                most = min(COMPLETION_TOKENS, max(1, self.room - len(prompt)))
            ask = self._ask(served, prompt, asked, most, asked.logprobs)
            several.append((replace(ask, echo=bool(asked.echo)), echo))
        self._more_places(request, len(several) - 1)
        reply = completion_reply(served, asked.logprobs is not None)
        return await self._answer(request, served, several, asked, reply)

    def _more_places(self, request: Request, count: int) -> None:
        """Those of the other prompts of a request, held as long as its first."""
        held: ExitStack = request.scope[HELD]
        held.enter_context(self.engine.place(count))

    async def ask(self, request: Request) -> Response:
        """POST /ask"""
        asked = await self._read(request, Question)
        served = self.models.first() if asked.model is None else self.models.get(asked.model)
        self._may_fit(served, len(asked.question), "question")
        prompt = await self._off_the_loop(
            served,
            served.prompt,
            [Message("user", asked.question)],
        )
        most = min(self.ask_tokens, max(1, self.room - len(prompt)))
        ask = self._ask(
            served,
            prompt,
            Sampling(model=served.name),
            most,
            None,
        )
        under_way = self._take(served, ask, ())
        try:
            made = await unless_gone(request.receive, collect(under_way))
        finally:
            under_way.close()
        told = {"answer": made[0] if made else ""}
        if under_way.end == "length":  # it was cut
            told["finish_reason"] = "length"
        return JSONResponse(told)

    def _may_fit(
        self,
        served: Served,
        characters: int,
        field: str,
    ) -> None:
        """Refused before it costs anything: so much text is never so few tokens."""
        if characters > self.room * served.words.longest:
            raise self._no_room(f"{characters} characters are more, whatever they say", field)

    def _no_room(self, found: str, field: str) -> Refused:
        """The limit, its name, and whether it can be another."""
        why = f"This server takes {self.room} tokens of prompt and answer together; {found}."
        if self.context > self.room:
            why += f" Start it with --max_model_len {self.context} for as many as the model takes."
        else:
            why += " The model takes no more (--max_model_len)."
        return Refused(
            400,
            why,
            param=field,
            code="context_length_exceeded",
        )

    def _ask(
        self,
        served: Served,
        prompt: list[int],
        asked: Sampling,
        most: int | None,
        logprobs: int | None,
    ) -> Ask:
        """The request in tokens; refused where it and its answer have no room."""
        left = self.room - len(prompt)
        field = "messages" if isinstance(asked, ChatRequest) else "prompt"
        if not prompt:
            raise Refused(
                400,
                "The prompt is empty.",
                param=field,
                code="invalid_value",
            )
        if left < (0 if most == 0 else 1):
            raise self._no_room(f"the prompt has {len(prompt)}", field)
        if most is not None and most > left:
            found = f"{len(prompt)} of prompt leave {left} for the answer, not {most}"
            newer = getattr(asked, "max_completion_tokens", None) is not None
            raise self._no_room(found, "max_completion_tokens" if newer else "max_tokens")
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
        self,
        request: Request,
        served: Served,
        asks: Sequence[tuple[Ask, Echo | None]],
        asked: Sampling,
        reply: Reply,
    ) -> Response:
        several = [self._take(served, ask, asked.stops(), echo) for ask, echo in asks]
        if asked.stream:
            return Stream(several, reply, asked.with_usage)
        return await whole(request.receive, several, reply)

    def _take(
        self,
        served: Served,
        ask: Ask,
        stops: tuple[str, ...],
        echo: Echo | None = None,
    ) -> Answering:
        """Queued, unless its model went, or became another, while its prompt was made."""
        if self.models.get(served.name) is not served:
            why = f"{served.name} was loaded anew; ask again."
            raise Refused(404, why, param="model", code="model_not_found")
        return take(self.engine, self.metrics, served, ask, stops, echo)

    async def _read(self, request: Request, kind: type[Asked]) -> Asked:
        """What stands in a body: a small one is read at once, a large one holds up no other."""
        body: bytes = request.scope[BODY]
        if len(body) <= SMALL_BODY:
            return read(body, kind)
        return await asyncio.get_running_loop().run_in_executor(
            self.reading,
            read,
            body,
            kind,
        )

    async def _off_the_loop(
        self,
        served: Served,
        what: Callable[..., Result],
        *about: Any,
    ) -> Result:
        """On the model's own thread: its template and tokenizer are not for several at once, and
        not for the event loop."""
        try:
            return await asyncio.get_running_loop().run_in_executor(
                served.thread,
                what,
                *about,
            )
        except Unfit as error:
            raise served.unfit(error) from error

    # --- what is served -----------------------------------------------------------------------

    async def list_models(self, request: Request) -> Response:
        """GET /v1/models"""
        return JSONResponse({"object": "list", "data": self.cards()})

    def cards(self) -> list[dict[str, Any]]:
        """Every model, with the room that a prompt and its answer have."""
        return [{**card, "max_model_len": self.room} for card in self.models.cards()]

    async def one_model(self, request: Request) -> Response:
        """GET /v1/models/{model}"""
        card = self.models.get(request.path_params["model"]).card()
        return JSONResponse({**card, "max_model_len": self.room})

    async def load_adapter(self, request: Request) -> Response:
        """POST /v1/load_lora_adapter"""
        asked = await self._read(request, LoadRequest)
        if self.load is None:
            raise Refused(
                403,
                "Adapters are loaded only with --adapters_dir.",
                code="not_allowed",
            )
        served = await self.load(asked.lora_name, asked.lora_path)
        return JSONResponse(served.card())

    async def unload_adapter(self, request: Request) -> Response:
        """POST /v1/unload_lora_adapter"""
        asked = await self._read(request, UnloadRequest)
        if self.load is None:
            raise Refused(
                403,
                "Adapters are unloaded only with --adapters_dir.",
                code="not_allowed",
            )
        served = self.models.remove(asked.lora_name)
        if served.adapter is not None:
            try:
                await self.engine.unload(served.adapter)
            except Gone:  # with all that it held; what comes in its place has no such adapter
                pass
            except Closed as closed:
                raise unavailable(closed) from closed
        return JSONResponse({"id": served.name, "object": "model", "deleted": True})

    # --- how it is ----------------------------------------------------------------------------

    async def health(self, request: Request) -> Response:
        """GET /health: whether the engine lives; of several, how each is."""
        state, each = self.engine.state, [one.condition for one in self.engine.members]
        told: dict[str, Any] = {"status": state}
        if len(each) > 1:
            told["engines"] = each
        if "engines" in told and state != "dead" and (missing := len(each) - each.count("ready")):
            told["degraded"] = spoken(f"{missing} of {len(each)} engines do not answer.")
        return JSONResponse(told, 503 if state == "dead" else 200)

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


def _raw(
    served: Served,
    prompt: str | list[int],
    repeat: bool,
) -> tuple[list[int], Echo | None]:
    """Text as it is; token ids only where the vocabulary has them. With its echo, if wanted."""
    if isinstance(prompt, str):
        ids = served.tokenizer.encode(prompt)
    else:
        ids = prompt
        size = served.tokenizer.vocabulary.get_vocab_size()
        if not all(0 <= token < size for token in ids):
            raise Refused(
                400,
                f"Token ids are 0 to {size - 1}.",
                param="prompt",
            )
    return ids, echoed(served.tokenizer, prompt, ids) if repeat else None


def make_app(service: Service) -> Gate:
    """The whole of it, behind its gate."""
    bodies = Bodies(service.limits)
    arrived = [Middleware(Arrived, bodies)]
    placed = [Middleware(Arrived, bodies, service.engine), Middleware(Placed, service.engine)]
    routes = [
        Route("/v1/chat/completions", service.chat, methods=["POST"], middleware=placed),
        Route("/v1/completions", service.completion, methods=["POST"], middleware=placed),
        Route("/ask", service.ask, methods=["POST"], middleware=placed),
        Route("/v1/load_lora_adapter", service.load_adapter, methods=["POST"], middleware=arrived),
        Route(
            "/v1/unload_lora_adapter", service.unload_adapter, methods=["POST"], middleware=arrived
        ),
        Route("/v1/models", service.list_models),
        Route("/v1/models/{model:path}", service.one_model),
        Route("/health", service.health),
        Route("/ready", service.ready),
        Route("/metrics", service.figures),
        Route("/openapi.json", service.openapi),
        *page_routes(),
    ]
    router = Router(routes, redirect_slashes=False)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope["app"] = app  # starlette then raises 404 and 405 in place of answering in plain text
        await router(scope, receive, send)

    def count(status: int) -> None:
        service.metrics.refused.labels(str(status)).inc()

    return Gate(app, service.limits, Refusals(count))
