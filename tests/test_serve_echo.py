"""A prompt that comes back with its likelihoods: exactly the model's own, for evaluations."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch

from suretune.data.base import Base, find_base
from suretune.data.template import ChatTokenizer, load_tokenizer
from suretune.model.load import load_base
from suretune.model.slots import Slots
from suretune.model.stack import Stack, make_stack
from suretune.pocket import MODEL
from suretune.serve.app import Service, make_app
from suretune.serve.echo import echoed
from suretune.serve.engine import Engine
from suretune.serve.limits import Limits
from suretune.serve.metrics import Metrics
from suretune.serve.models import Models, Served

found = load_tokenizer(MODEL)
assert isinstance(found, ChatTokenizer)
TOKENIZER = found
ROOM, ROWS, QUEUE = 128, 4, 4
TEXT = "Sort 3 1 2\nHello, 你好 \U0001f642!"
CHAT = "<|im_start|>user\nHi<|im_end|>\n"
IDS = TOKENIZER.encode(TEXT)


@pytest.fixture(scope="module")
def model() -> Any:
    base = find_base("pocket", weights=True)
    assert isinstance(base, Base)
    return load_base(base, torch.device("cpu"), "float32", "sdpa")


@pytest.fixture(scope="module")
def stack() -> Stack:
    base = find_base("pocket", weights=True)
    assert isinstance(base, Base)
    made = make_stack(load_base(base, torch.device("cpu"), "float32", "sdpa"), learning=False)
    assert isinstance(made, Stack)
    return made


Post = Callable[[Mapping[str, Any]], Any]


def answers(stack: Stack, *bodies: Mapping[str, Any]) -> list[httpx.Response]:
    """What /v1/completions says to each of them, asked together."""

    async def go() -> list[httpx.Response]:
        engine = Engine(lambda: Slots(stack, ROWS, ROOM, 1, 8), QUEUE)
        engine.start()
        base = Served("pocket", "pocket", None, None, TOKENIZER, None, 0, {}, "f")
        limits = Limits(None, ("localhost",), 100_000)
        app = make_app(
            Service(engine, Models(base), Metrics(engine, ROWS), limits, ROOM, 0.0, 1.0, 64)
        )
        try:
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://localhost", timeout=60
            ) as client:
                calls = [client.post("/v1/completions", json=dict(body)) for body in bodies]
                return list(await asyncio.gather(*calls))
        finally:
            await asyncio.to_thread(engine.close, "enough")

    return asyncio.run(go())


def asked(prompt: object, **how: Any) -> dict[str, Any]:
    return {"model": "pocket", "prompt": prompt, "echo": True, "logprobs": 3, **how}


def choice(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == 200, answer.text
    (only,) = answer.json()["choices"]
    return dict(only)


def directly(model: Any, ids: list[int]) -> torch.Tensor:
    """(tokens, V): log-probabilities behind each token, by transformers."""
    with torch.inference_mode():
        logs: torch.Tensor = model(torch.tensor([ids])).logits[0].float().log_softmax(-1)
    return logs


@pytest.mark.parametrize("most", [0, 1, 5])
@pytest.mark.parametrize("as_ids", [False, True])
def test_the_prompts_likelihoods_are_those_of_a_forward_pass(
    model: Any, stack: Stack, most: int, as_ids: bool
) -> None:
    (answer,) = answers(stack, asked(IDS if as_ids else TEXT, max_tokens=most))
    told = choice(answer)
    listed = told["logprobs"]
    logs = directly(model, IDS)
    assert listed["token_logprobs"][0] is None and listed["top_logprobs"][0] is None
    expected = [float(logs[at, token]) for at, token in enumerate(IDS[1:])]
    assert listed["token_logprobs"][1 : len(IDS)] == pytest.approx(expected, abs=1e-4)
    for at, top in enumerate(listed["top_logprobs"][1 : len(IDS)]):
        assert max(top.values()) == pytest.approx(float(logs[at].max()), abs=1e-4)
        assert len(top) == 3
    usage = answer.json()["usage"]
    assert usage["prompt_tokens"] == len(IDS) and usage["completion_tokens"] <= most
    assert told["text"].startswith(TEXT)
    if most == 0:
        assert told["text"] == TEXT and told["finish_reason"] == "length"
        assert len(listed["tokens"]) == len(IDS)


def test_what_follows_is_what_it_says_without_the_echo(stack: Stack) -> None:
    plain = {"model": "pocket", "prompt": TEXT, "logprobs": 2, "max_tokens": 6}
    alone, repeated = map(choice, answers(stack, plain, {**plain, "echo": True}))
    assert repeated["text"] == TEXT + alone["text"]
    count = len(alone["logprobs"]["tokens"])
    assert repeated["logprobs"]["tokens"][len(IDS) :][:count] == alone["logprobs"]["tokens"]
    then = alone["logprobs"]["token_logprobs"]
    behind = repeated["logprobs"]["token_logprobs"][len(IDS) :][:count]
    assert behind == pytest.approx(then, abs=1e-5)
    offsets = repeated["logprobs"]["text_offset"]
    assert offsets[len(IDS) :][:count] == [
        len(TEXT) + offset for offset in alone["logprobs"]["text_offset"]
    ]


def test_every_offset_is_where_its_token_begins(stack: Stack) -> None:
    for text in (TEXT, CHAT, "a", "\U0001f642\U0001f642"):
        (answer,) = answers(stack, asked(TOKENIZER.encode(text), max_tokens=0))
        told = choice(answer)
        assert told["text"] == text  # control tokens are written out
        offsets, tokens = told["logprobs"]["text_offset"], told["logprobs"]["tokens"]
        assert offsets[0] == 0 and offsets == sorted(offsets)
        for offset, token in zip(offsets, tokens, strict=True):
            if not token.startswith("bytes:"):
                assert text[offset:].startswith(token)


def test_one_new_token_is_one_more_in_the_list_also_where_it_ends_the_answer(stack: Stack) -> None:
    """lm-evaluation-harness leaves out the last of the list as the one that was not its own."""
    ended = "<|im_start|>user\nWho are you?<|im_end|>\n<|im_start|>assistant\nI am."
    whole = asked(ended, max_tokens=100)
    (answer,) = answers(stack, whole)
    told = choice(answer)
    assert told["finish_reason"] == "stop"
    said = told["logprobs"]["tokens"]
    assert said[-1] == "<|im_end|>" and told["logprobs"]["token_logprobs"][-1] <= 0
    prompt = ended + told["text"][len(ended) :]
    (answer,) = answers(stack, asked(prompt, max_tokens=1))
    told = choice(answer)
    if told["finish_reason"] == "stop":
        assert told["text"] == prompt
    assert len(told["logprobs"]["tokens"]) == len(TOKENIZER.encode(prompt)) + 1


def score(told: Mapping[str, Any], context: int) -> tuple[float, bool]:
    """As lm-evaluation-harness reads an answer: the sum over a continuation, and if greedy."""
    logs = told["logprobs"]["token_logprobs"][context:-1]
    tops = told["logprobs"]["top_logprobs"][context:-1]
    greedy = all(log == max(top.values()) for log, top in zip(logs, tops, strict=True))
    return sum(logs), greedy


def test_a_harness_scores_as_the_model_does(model: Any, stack: Stack) -> None:
    """Batches of token ids, one new token, the likeliest beside each: `local-completions`."""
    context = TOKENIZER.encode("Sort 3 1 2:")
    logs = directly(model, context)
    likeliest = [int(logs[-1].argmax())]
    endings = [TOKENIZER.encode(text) for text in (" 1 2 3", " 3 2 1", " hello")] + [likeliest]
    batch = [context + ending for ending in endings]
    body = asked(batch, max_tokens=1, logprobs=1, temperature=0, seed=1234)
    (answer,) = answers(stack, body)
    choices = answer.json()["choices"]
    assert [each["index"] for each in choices] == [0, 1, 2, 3]
    for each, ids, ending in zip(choices, batch, endings, strict=True):
        total, greedy = score(each, len(context))
        direct = directly(model, ids)
        places = range(len(context) - 1, len(ids) - 1)
        expected = sum(float(direct[at, ids[at + 1]]) for at in places)
        assert total == pytest.approx(expected, abs=1e-3)
        assert greedy is all(int(direct[at].argmax()) == ids[at + 1] for at in places)
        assert len(ending) == len(ids) - len(context)
    assert score(choices[-1], len(context))[1] is True


def test_a_whole_room_can_be_scored_and_one_token_more_is_told(stack: Stack) -> None:
    full, over = (TOKENIZER.encode("a b c " * 200)[:count] for count in (ROOM, ROOM + 1))
    fits, not_one_more, too_long = answers(
        stack,
        asked(full, max_tokens=0), asked(full, max_tokens=1), asked(over, max_tokens=0),
    )  # fmt: skip
    assert len(choice(fits)["logprobs"]["tokens"]) == ROOM
    for refused in (not_one_more, too_long):
        error = refused.json()["error"]
        assert refused.status_code == 400 and error["code"] == "context_length_exceeded"
        assert "--max_model_len" in error["message"] and str(ROOM) in error["message"]


def test_an_echo_without_likelihoods_is_text_alone(stack: Stack) -> None:
    (answer,) = answers(stack, {"model": "pocket", "prompt": TEXT, "echo": True, "max_tokens": 0})
    told = choice(answer)
    assert told["text"] == TEXT and told["logprobs"] is None


def test_a_stream_begins_with_the_prompt(stack: Stack) -> None:
    body = asked([TEXT, "Hello"], max_tokens=3, stream=True, stream_options={"include_usage": True})
    whole, streamed = answers(stack, asked([TEXT, "Hello"], max_tokens=3), body)
    events = [
        json.loads(line.removeprefix("data: "))
        for line in streamed.text.split("\n\n")
        if line.startswith("data: {")
    ]
    for expected in whole.json()["choices"]:
        mine = [c for event in events for c in event["choices"] if c["index"] == expected["index"]]
        assert "".join(each["text"] for each in mine) == expected["text"]
        tokens = [t for each in mine if each["logprobs"] for t in each["logprobs"]["tokens"]]
        assert tokens == expected["logprobs"]["tokens"]
        assert mine[-1]["finish_reason"] == expected["finish_reason"]
    assert events[-1]["usage"] == whole.json()["usage"]


def test_several_prompts_say_what_each_says_alone(stack: Stack) -> None:
    texts = ["Hello", "Sort 3 1 2", "你好"]
    how = {"model": "pocket", "max_tokens": 5}
    (together,) = answers(stack, {**how, "prompt": texts})
    alone = answers(stack, *({**how, "prompt": text} for text in texts))
    assert [c["text"] for c in together.json()["choices"]] == [choice(a)["text"] for a in alone]
    used = [a.json()["usage"]["total_tokens"] for a in alone]
    assert together.json()["usage"]["total_tokens"] == sum(used)


def test_more_prompts_than_places_are_refused_by_their_number(stack: Stack) -> None:
    places = ROWS + QUEUE
    how = {"model": "pocket", "max_tokens": 1}
    (many,) = answers(stack, {**how, "prompt": ["a"] * (places + 1)})
    (all_of_them,) = answers(stack, {**how, "prompt": ["a"] * places})
    assert many.status_code == 400 and str(places) in many.json()["error"]["message"]
    assert len(all_of_them.json()["choices"]) == places


def test_text_that_a_tokenizer_leaves_out_is_echoed_all_the_same() -> None:
    class Forgetful(ChatTokenizer):
        def decode(self, ids: Any, *, special: bool = False) -> str:
            return super().decode(ids, special=special).lstrip()

    lossy = Forgetful(Path(), TOKENIZER.vocabulary, {}, "")
    ids = TOKENIZER.encode("  hi there")
    echo = echoed(lossy, "  hi there", ids)
    assert echo.text == "  hi there" and max(echo.offsets) <= len(echo.text)
    assert len(echo.offsets) == len(ids)
