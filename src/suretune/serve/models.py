"""What is served under which name: the base, and every adapter with what is known of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from suretune.data.render import typed_prompt_ids, with_system
from suretune.data.template import ChatTokenizer, TemplateRefused
from suretune.data.thinking import thinking_of
from suretune.data.told import unwritten
from suretune.data.wall import Unfit
from suretune.serve.openai import LONGEST, Refused
from suretune.serve.text import Words
from suretune.types import Message


@dataclass(frozen=True, slots=True)
class Served:
    """One model name. `adapter` is the engine's name for it, None for the base alone."""

    name: str
    root: str
    parent: str | None
    adapter: str | None
    tokenizer: ChatTokenizer
    system: str | None
    created: int
    about: Mapping[str, Any]
    fingerprint: str
    words: Words = field(init=False)
    # Its template and tokenizer: one that never ends holds up its own requests, and no others'.
    thread: ThreadPoolExecutor = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", Words(self.tokenizer))
        object.__setattr__(
            self,
            "thread",
            ThreadPoolExecutor(1, "suretune-words"),
        )

    def prompt(self, messages: Sequence[Message], thinking: bool | None = None) -> list[int]:
        """Training's prompt for this conversation; control tokens in its text stay text.

        `thinking`: with thoughts or without, where that is asked for; `Refused` where the template
        knows no two ways.
        """
        said = with_system(tuple(messages), self.system)
        try:
            if thinking is not None and not thinking_of(self.tokenizer).switch:
                raise self._one_way()
            ids = typed_prompt_ids(self.tokenizer, said, thinking)
            if any(m.role == "tool" or "tool_calls" in m.extra for m in said):
                self._all_written(said)
            return ids
        except TemplateRefused as error:
            why = f"The chat template refuses these messages: {error}"
            raise Refused(
                400,
                why[:LONGEST],
                param="messages",
            ) from error

    def _one_way(self) -> Refused:
        return Refused(
            400,
            f"The chat template of {self.name} knows no enable_thinking: leave it out.",
            param="chat_template_kwargs.enable_thinking",
            code="unsupported_value",
        )

    def _all_written(self, said: Sequence[Message]) -> None:
        """`Refused` where the template knows no calls: the answer would be to something else."""
        lost = unwritten(said, self.tokenizer.render(said, prompt=True))
        if lost is not None:
            why = f"The chat template of {self.name} does not write {lost.field}: tool calls and"
            why += " their results cannot be read by this model."
            raise Refused(
                400,
                why[: 2 * LONGEST],
                param="messages",
                code="unsupported_value",
            )

    def unfit(self, error: Unfit) -> Refused:
        """What a client is told whose text its template or tokenizer could not take."""
        file = Path(error.file).name
        why = f"{self.name} cannot be asked this: its {file} is unfit. {error.why.en}"
        return Refused(
            400,
            why[:LONGEST],
            param="messages",
            code="unfit_file",
        )

    def card(self) -> dict[str, Any]:
        """An entry of /v1/models."""
        return {
            "id": self.name,
            "object": "model",
            "created": self.created,
            "owned_by": "suretune",
            "root": self.root,
            "parent": self.parent,
            "suretune": dict(self.about),
        }


class Models:
    """All that is served now. The base is first."""

    def __init__(self, base: Served) -> None:
        self.base = base
        self._all: dict[str, Served] = {base.name: base}

    def add(self, served: Served) -> None:
        """From now on it can be asked for."""
        if served.name in self._all:
            raise Refused(
                400,
                f"{served.name} is already served.",
                param="lora_name",
            )
        self._all[served.name] = served

    def has(self, name: str) -> bool:
        """Whether it can be asked for."""
        return name in self._all

    def remove(self, name: str) -> Served:
        """From now on it cannot be asked for; what is under way goes on."""
        served = self.get(name, param="lora_name")
        if served.adapter is None:
            raise Refused(
                400,
                f"{name} is the base.",
                param="lora_name",
            )
        return self._all.pop(name)

    def get(self, name: str, param: str = "model") -> Served:
        """The model of this name, or 404."""
        if name not in self._all:
            there = ", ".join(self._all)
            why = f"The model {name[:LONGEST]!r} does not exist. There are: {there}."
            raise Refused(
                404,
                why,
                param=param,
                code="model_not_found",
            )
        return self._all[name]

    def first(self) -> Served:
        """What /ask means when it names none: the first adapter, else the base."""
        return next((m for m in self._all.values() if m.adapter is not None), self.base)

    def cards(self) -> list[dict[str, Any]]:
        """What /v1/models lists."""
        return [served.card() for served in self._all.values()]
