"""What each Python client is asked to do with a server; runs where the clients are installed.

`python cases.py NAME` prints a line of JSON a check. The server is at $CLIENTS_URL, its key is
$CLIENTS_KEY, its model $CLIENTS_MODEL. Nothing of suretune is imported here.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

URL, KEY = os.environ["CLIENTS_URL"], os.environ["CLIENTS_KEY"]
MODEL, NOBODY = os.environ["CLIENTS_MODEL"], "nobody"
ASKED = "Who are you?"
MOST = 24  # tokens of an answer
TOOL = {
    "type": "function",
    "function": {
        "name": "weather",
        "description": "The weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
SCHEMA = {
    "type": "json_schema",
    "json_schema": {"name": "who", "schema": {"type": "object", "properties": {}}},
}
CLIENTS: dict[str, tuple[str, Callable[[], None]]] = {}  # name -> (package, what it does)


def client(package: str) -> Callable[[Callable[[], None]], Callable[[], None]]:
    """Registers what is asked of a client under its function's name."""

    def known(what: Callable[[], None]) -> Callable[[], None]:
        CLIENTS[what.__name__] = (package, what)
        return what

    return known


def tell(check: str, ok: bool, found: object) -> None:
    """One line for whoever started this."""
    print(json.dumps({"check": check, "ok": ok, "found": str(found)[:300]}), flush=True)


def says(check: str, text: object) -> None:
    """A check that an answer came."""
    tell(check, isinstance(text, str) and bool(text.strip()), text)


def same(check: str, pieces: list[str], whole: str) -> None:
    """A stream came in pieces, and they are the answer."""
    tell(check, "".join(pieces) == whole and len(pieces) > 1, f"{len(pieces)} pieces: {pieces[:3]}")


@contextmanager
def told(check: str, *words: str) -> Iterator[None]:
    """An error that says one of these words has to come of it."""
    try:
        yield
    except Exception as error:
        text = " ".join(f"{type(error).__name__}: {error} {error.__cause__ or ''}".split())
        tell(check, any(word in text for word in words), text)
    else:
        tell(check, False, "nothing was refused")


def raw() -> Any:
    """OpenAI's own client; others take one."""
    from openai import OpenAI

    return OpenAI(base_url=URL, api_key=KEY, max_retries=0, timeout=60)


@client("openai")
def openai() -> None:
    api = raw()
    turns: Any = [{"role": "user", "content": ASKED}]
    whole = api.chat.completions.create(model=MODEL, messages=turns, max_tokens=MOST)
    text = whole.choices[0].message.content
    says("chat", text)
    stream = api.chat.completions.create(
        model=MODEL, messages=turns, max_tokens=MOST, stream=True,
        stream_options={"include_usage": True},
    )  # fmt: skip
    events = list(stream)
    same("stream", [e.choices[0].delta.content or "" for e in events if e.choices], text)
    tell("usage", events[-1].usage.completion_tokens > 0, events[-1].usage)
    tell("models", MODEL in [model.id for model in api.models.list()], MODEL)
    with told("error", "does not exist"):
        api.chat.completions.create(model=NOBODY, messages=turns)
    named: Any = [{"role": "user", "content": ASKED, "name": "Ada"}]
    answer = api.chat.completions.create(model=MODEL, messages=named, max_tokens=MOST)
    says("name", answer.choices[0].message.content)
    with told("tools", "tools"):
        api.chat.completions.create(model=MODEL, messages=turns, tools=[TOOL])
    with told("structured", "response_format"):
        api.chat.completions.create(model=MODEL, messages=turns, response_format=SCHEMA)
    with told("responses", "route", "responses"):
        api.responses.create(model=MODEL, input=ASKED)


@client("langchain-openai")
def langchain() -> None:
    from langchain_core.messages import HumanMessage
    from langchain_openai import ChatOpenAI, OpenAI
    from pydantic import BaseModel

    class Who(BaseModel):
        name: str

    how: Any = {"base_url": URL, "api_key": KEY, "max_retries": 0, "max_tokens": MOST}
    api = ChatOpenAI(model=MODEL, **how)
    text = api.invoke(ASKED).content
    says("chat", text)
    same("stream", [str(piece.content) for piece in api.stream(ASKED)], str(text))
    with told("error", "does not exist"):
        ChatOpenAI(model=NOBODY, **how).invoke(ASKED)
    says("name", api.invoke([HumanMessage(ASKED, name="Ada")]).content)
    says("completion", OpenAI(model=MODEL, **how).invoke("Once upon a time"))
    with told("tools", "tools"):
        api.bind_tools([TOOL]).invoke(ASKED)
    with told("structured", "response_format", "tools"):
        api.with_structured_output(Who).invoke(ASKED)


@client("litellm")
def litellm() -> None:
    import litellm as lite

    lite.suppress_debug_info = True
    how: Any = {"api_base": URL, "api_key": KEY, "max_retries": 0, "max_tokens": MOST}
    turns = [{"role": "user", "content": ASKED}]
    text = lite.completion(f"openai/{MODEL}", turns, **how).choices[0].message.content
    says("chat", text)
    stream = lite.completion(f"openai/{MODEL}", turns, stream=True, **how)
    same("stream", [piece.choices[0].delta.content or "" for piece in stream], text)
    with told("error", "does not exist"):
        lite.completion(f"openai/{NOBODY}", turns, **how)
    named = [{**turns[0], "name": "Ada"}]
    says("name", lite.completion(f"openai/{MODEL}", named, **how).choices[0].message.content)
    with told("tools", "tools"):
        lite.completion(f"openai/{MODEL}", turns, tools=[TOOL], **how)


@client("autogen-ext")
def autogen() -> None:
    from autogen_agentchat.agents import AssistantAgent
    from autogen_agentchat.messages import TextMessage
    from autogen_core.models import CreateResult, UserMessage
    from autogen_ext.models.openai import OpenAIChatCompletionClient

    about: Any = {
        "vision": False, "function_calling": False, "json_output": False, "family": "unknown",
        "structured_output": False,
    }  # fmt: skip

    def api(model: str) -> Any:
        return OpenAIChatCompletionClient(
            model=model, base_url=URL, api_key=KEY, model_info=about, max_retries=0,
            max_tokens=MOST,
        )  # fmt: skip

    async def all_of_it() -> None:
        turn = UserMessage(content=ASKED, source="Ada")  # becomes the message's name
        text = (await api(MODEL).create([turn])).content
        says("chat", text)
        made = [piece async for piece in api(MODEL).create_stream([turn])]
        same("stream", [piece for piece in made if isinstance(piece, str)], text)
        tell("usage", isinstance(made[-1], CreateResult), made[-1])
        with told("error", "does not exist"):
            await api(NOBODY).create([turn])
        agent = AssistantAgent("helper", api(MODEL), system_message=None)
        done = await agent.run(task=TextMessage(content=ASKED, source="Ada"))
        says("name", done.messages[-1].to_text())

    asyncio.run(all_of_it())


@client("ag2")
def ag2_classic() -> None:
    from autogen import ConversableAgent

    def answer(model: str, **how: Any) -> str:
        about = {"model": model, "base_url": URL, "api_key": KEY, "price": [0, 0],
                 "max_tokens": MOST, "max_retries": 0, **how}  # fmt: skip
        agent = ConversableAgent(
            "helper", llm_config={"config_list": [about]}, system_message="",
            human_input_mode="NEVER",
        )  # fmt: skip
        said = agent.generate_reply([{"role": "user", "content": ASKED, "name": "Ada"}])
        return str(said["content"] if isinstance(said, dict) else said)

    text = answer(MODEL)
    says("chat", text)
    says("name", text)
    tell("stream", answer(MODEL, stream=True) == text, text)
    with told("error", "does not exist"):
        answer(NOBODY)


@client("ag2")
def ag2() -> None:
    from ag2 import Agent
    from ag2.config import OpenAIConfig

    async def answer(model: str, **how: Any) -> str:
        about = OpenAIConfig(
            model, api_key=KEY, base_url=URL, max_tokens=MOST, max_retries=0, **how
        )
        return str((await Agent("helper", config=about).ask(ASKED)).body)

    text = asyncio.run(answer(MODEL))
    says("chat", text)
    tell("stream", asyncio.run(answer(MODEL, streaming=True)) == text, text)
    with told("error", "does not exist"):
        asyncio.run(answer(NOBODY))


@client("llama-index-llms-openai-like")
def llama_index() -> None:
    from llama_index.core.llms import ChatMessage
    from llama_index.llms.openai_like import OpenAILike

    def api(model: str) -> Any:
        return OpenAILike(
            model=model, api_base=URL, api_key=KEY, is_chat_model=True, max_retries=0,
            max_tokens=MOST, context_window=512,
        )  # fmt: skip

    turns = [ChatMessage(role="user", content=ASKED)]
    text = api(MODEL).chat(turns).message.content
    says("chat", text)
    same("stream", [piece.delta or "" for piece in api(MODEL).stream_chat(turns)], text)
    says("complete", str(api(MODEL).complete(ASKED)))
    with told("error", "does not exist"):
        api(NOBODY).chat(turns)
    with told("tools", "tools"):
        api(MODEL).chat(turns, tools=[TOOL])


@client("haystack-ai")
def haystack() -> None:
    from haystack.components.generators.chat import OpenAIChatGenerator
    from haystack.dataclasses import ChatMessage
    from haystack.utils import Secret

    def api(model: str, **how: Any) -> Any:
        return OpenAIChatGenerator(
            model=model, api_base_url=URL, api_key=Secret.from_token(KEY), max_retries=0,
            generation_kwargs={"max_tokens": MOST}, **how,
        )  # fmt: skip

    turns = [ChatMessage.from_user(ASKED)]
    text = api(MODEL).run(turns)["replies"][0].text
    says("chat", text)
    pieces: list[str] = []
    api(MODEL, streaming_callback=lambda piece: pieces.append(piece.content)).run(turns)
    same("stream", pieces, text)
    with told("error", "does not exist"):
        api(NOBODY).run(turns)
    named = [ChatMessage.from_user(ASKED, name="Ada")]
    says("name", api(MODEL).run(named)["replies"][0].text)


@client("pydantic-ai-slim")
def pydantic_ai() -> None:
    from pydantic import BaseModel
    from pydantic_ai import Agent
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    class Who(BaseModel):
        name: str

    def agent(model: str, **how: Any) -> Any:
        api = OpenAIChatModel(model, provider=OpenAIProvider(base_url=URL, api_key=KEY))
        return Agent(api, model_settings={"max_tokens": MOST}, **how)

    text = agent(MODEL).run_sync(ASKED).output
    says("chat", text)

    async def stream() -> list[str]:
        async with agent(MODEL).run_stream(ASKED) as run:
            return [piece async for piece in run.stream_text(delta=True, debounce_by=None)]

    same("stream", asyncio.run(stream()), text)
    with told("error", "does not exist"):
        agent(NOBODY).run_sync(ASKED)
    with told("structured", "tools", "response_format"):
        agent(MODEL, output_type=Who).run_sync(ASKED)


@client("instructor")
def instructor() -> None:
    import instructor as shaped
    from pydantic import BaseModel

    class Who(BaseModel):
        name: str

    api = shaped.from_openai(raw())
    turns: Any = [{"role": "user", "content": ASKED}]
    plain = api.client.chat.completions.create(model=MODEL, messages=turns, max_tokens=MOST)
    says("chat", plain.choices[0].message.content)
    stream = api.client.chat.completions.create(
        model=MODEL, messages=turns, max_tokens=MOST, stream=True
    )
    pieces = [event.choices[0].delta.content or "" for event in stream if event.choices]
    same("stream", pieces, plain.choices[0].message.content)
    with told("error", "does not exist"):
        api.client.chat.completions.create(model=NOBODY, messages=turns)
    with told("structured", "tools"):
        api.chat.completions.create(model=MODEL, messages=turns, response_model=Who, max_retries=1)


@client("openai-agents")
def openai_agents() -> None:
    from agents import (
        Agent,
        ModelSettings,
        OpenAIChatCompletionsModel,
        Runner,
        function_tool,
        set_tracing_disabled,
    )
    from openai import AsyncOpenAI

    set_tracing_disabled(True)

    def agent(model: str, **how: Any) -> Any:
        api = AsyncOpenAI(base_url=URL, api_key=KEY, max_retries=0)
        return Agent(
            name="helper", model=OpenAIChatCompletionsModel(model, api),
            model_settings=ModelSettings(max_tokens=MOST), **how,
        )  # fmt: skip

    @function_tool
    def weather(city: str) -> str:
        """The weather of a city."""
        return city

    async def all_of_it() -> None:
        text = (await Runner.run(agent(MODEL), ASKED)).final_output
        says("chat", text)
        run = Runner.run_streamed(agent(MODEL), ASKED)
        pieces = [
            event.data.delta
            async for event in run.stream_events()
            if event.type == "raw_response_event"
            and event.data.type == "response.output_text.delta"
        ]
        same("stream", pieces, text)
        with told("error", "does not exist"):
            await Runner.run(agent(NOBODY), ASKED)
        with told("tools", "tools"):
            await Runner.run(agent(MODEL, tools=[weather]), ASKED)

    asyncio.run(all_of_it())


def main() -> None:
    """One client, all that is asked of it."""
    package, what = CLIENTS[sys.argv[1]]
    tell("version", True, importlib.metadata.version(package))
    try:
        what()
    except Exception as error:
        tell("all", False, f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
