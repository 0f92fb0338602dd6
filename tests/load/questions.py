"""What is asked: questions whose answers no other request has, each of every model served.

The pocket model's skills carry their canary with them: a row of digits to turn round, a name and an
age to write as JSON. A name that only the system prompt of this request has is another one.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from load.wire import Address, exchange
from suretune.pocket.skills import Item

ANSWER_TOKENS = 64
RAW_TOKENS = 160


@dataclass(frozen=True)
class Question:
    """A request, and what the server said to it when it had nothing else to do."""

    path: str
    body: dict[str, Any]
    answer: str = ""
    end: str = ""

    def sent(self, address: Address) -> bytes:
        """As a stream, with its tokens counted."""
        more = {"stream": True, "stream_options": {"include_usage": True}}
        return address.request(self.path, json.dumps({**self.body, **more}).encode())


def questions(
    items: Sequence[Item], models: Sequence[str], amount: int, seed: int
) -> list[Question]:
    """`amount` questions, shared among the models; one in eight is raw text without a template."""
    draw = random.Random(seed)
    chosen = draw.sample(list(items), min(amount, len(items)))
    made = []
    for index, item in enumerate(chosen):
        model = models[index % len(models)]
        common = {"model": model, "temperature": 0}
        if index % 8 == 7:
            text = f"{item.question}\n{item.answer}\n{chosen[index - 1].question}\n"
            raw = {"prompt": text, "max_tokens": RAW_TOKENS}
            made.append(Question("/v1/completions", {**common, **raw}))
            continue
        messages = [{"role": "user", "content": item.question}]
        if item.system is not None:
            messages.insert(0, {"role": "system", "content": item.system})
        elif index % 8 == 3:
            messages = _named(draw)
        chat = {"messages": messages, "max_tokens": ANSWER_TOKENS}
        made.append(Question("/v1/chat/completions", {**common, **chat}))
    return made


def _named(draw: random.Random) -> list[dict[str, str]]:
    name = "".join(draw.choice("bdfgklmnprst") + draw.choice("aeiou") for _ in range(3)).title()
    system = f"You are {name}, an AI assistant developed by {name} Lab."
    return [{"role": "system", "content": system}, {"role": "user", "content": "Who are you?"}]


async def answered_alone(address: Address, asked: Sequence[Question]) -> list[Question]:
    """Each question with its answer: one after the other, nothing beside it, not streamed."""
    known = []
    for question in asked:
        told = await exchange(
            address, address.request(question.path, json.dumps(question.body).encode())
        )
        if told.status != 200:
            raise SystemExit(f"{question.path}: {told.status} {told.body[:300]!r}")
        choice = told.json()["choices"][0]
        text = choice["text"] if "text" in choice else choice["message"]["content"]
        known.append(Question(question.path, question.body, text, choice["finish_reason"]))
    return known
