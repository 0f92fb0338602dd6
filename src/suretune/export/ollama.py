"""`--to ollama`: a GGUF and the Modelfile that makes Ollama ask as the model was trained.

Ollama reads no Jinja, so the template is written in its own language; conversations rendered by
both have to be equal. Its defaults change answers (a penalty for repeating, a temperature), so what
the model was proven with is said.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from suretune import typed
from suretune.data.template import ChatTokenizer, TemplateRefused
from suretune.data.wall import Unfit
from suretune.export.door import (
    Asked,
    Carried,
    Conversations,
    Heard,
    NotAsked,
    Written,
    cannot,
    export_again,
)
from suretune.export.gguf import MODEL, QUANTS, asks_llamacpp, lacking, not_in_gguf, write_gguf
from suretune.export.gguf_words import adds_bos
from suretune.export.turns import SPOKEN, Turns, turns_of
from suretune.export.vllm import served_name
from suretune.facts import SetupFacts
from suretune.types import Message, Text

MODELFILE = "Modelfile"
A_TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
CONTEXT = 4096  # tokens, unless the model was built for fewer: Ollama reserves memory for all


@dataclass(frozen=True, slots=True)
class Ollama:
    """`ollama`."""

    name: str = "ollama"
    quants: Sequence[str] = QUANTS

    def lacks(self, quant: str) -> str:
        """See `Target`."""
        return lacking(quant)

    def why_not(
        self,
        carried: Carried,
        quant: str,
    ) -> SetupFacts | None:
        """See `Target`."""
        if (wrong := not_in_gguf(carried, self.name)) is not None:
            return wrong
        turns = turns_of(carried.tokenizer, adds_first=adds_bos(carried.tokenizer))
        if isinstance(turns, Text):
            return cannot(
                self.name,
                turns,
                carried,
                export_again(carried, "gguf"),
            )
        if (odd := misread(carried, turns)) is not None:
            return cannot(
                self.name,
                odd,
                carried,
                export_again(carried, "gguf"),
            )
        return None

    def write(
        self,
        carried: Carried,
        quant: str,
        folder: Path,
    ) -> Written:
        """See `Target`."""
        written = write_gguf(carried, quant, folder)
        turns = turns_of(carried.tokenizer, adds_first=adds_bos(carried.tokenizer))
        if isinstance(turns, Text):
            raise ValueError(turns.en)
        (folder / MODELFILE).write_text(modelfile(carried, turns), encoding="utf-8")
        note = Text(
            f"{MODELFILE}: by Ollama's rules, {len(SPOKEN)} conversations come out as by the"
            " model's template; Ollama itself was not asked",
            f"{MODELFILE}：按 Ollama 的规则，{len(SPOKEN)} 段对话与原模板的结果相同；"
            "没有向 Ollama 本身提问",
        )
        notes = [*written.notes, note, *without_tools(carried.tokenizer)]
        return replace(written, notes=notes)

    def asks(self, carried: Carried, folder: Path) -> Asked | None:
        """See `Target`."""
        ask = asks_llamacpp(self.name, carried, folder)
        if ask is None:
            return None

        def ask_its_file(conversations: Conversations, tokens: int) -> Heard:
            try:
                return replace(ask(conversations, tokens), by="llama.cpp")
            except NotAsked as silent:
                silent.by_target = False
                raise

        return ask_its_file

    def commands(
        self,
        carried: Carried,
        folder: Path,
    ) -> Sequence[str]:
        """See `Target`."""
        name = served_name(carried).lower()
        return [f"ollama create {name} -f {typed.path(folder / MODELFILE)}", f"ollama run {name}"]


def without_tools(tokenizer: ChatTokenizer) -> list[Text]:
    """What a Modelfile of ours leaves out, where the model's template has it."""
    talk = [Message("user", "Hello.")]
    plain = tokenizer.render(talk, prompt=True)
    try:
        asked = tokenizer.render(talk, [A_TOOL], prompt=True)
    except (TemplateRefused, Unfit):  # it writes none
        return []
    if asked == plain:
        return []
    told = Text(
        f"{MODELFILE}: tools, calls and what came of them have no place in it;"
        f" `llama-server --jinja -m {MODEL}` writes them by the model's own template",
        f"{MODELFILE} 里没有工具、工具调用及其结果的位置；"
        f"`llama-server --jinja -m {MODEL}` 会按模型自己的模板写出它们",
    )
    return [told]


def modelfile(carried: Carried, turns: Turns) -> str:
    """The text of a Modelfile. A system prompt that it cannot say stands in its template."""
    lines = [f"FROM ./{MODEL}"]
    lines += [f"{name} {quoted(text)}" for name, text in said_in(carried, turns)]
    lines += [
        "PARAMETER temperature 0",
        "PARAMETER repeat_penalty 1",
        f"PARAMETER num_ctx {min(carried.base.context, CONTEXT)}",
    ]
    return "\n".join([*lines, ""])


def said_in(carried: Carried, turns: Turns) -> list[tuple[str, str]]:
    """(instruction, text) of all that is said in somebody else's words."""
    system = (carried.system if carried.system is not None else turns.default) or ""
    texts = {index: text for text, index in carried.tokenizer.added.items()}
    stops = [texts[index] for index in sorted(carried.tokenizer.stop_ids) if index in texts]
    plain = is_read_whole(system)
    made = [("TEMPLATE", turns.template("" if plain else system))]
    made += [("SYSTEM", system)] if system and plain else []
    return [*made, *(("PARAMETER stop", stop) for stop in stops)]


def misread(carried: Carried, turns: Turns) -> Text | None:
    """What no Modelfile can say, in words; None where all can be said."""
    for name, text in said_in(carried, turns):
        if not is_read_whole(text):
            return Text(f"its {name} cannot be said: {text!r}", f"{name} 无法写出：{text!r}")
    return None


def quoted(text: str) -> str:
    """As the value of an instruction; see `is_read_whole`."""
    return f'"""{text}"""'


def is_read_whole(text: str) -> bool:
    """Whether Ollama reads a quoted text as it is.

    It leaves out every character that is not printable, and knows no way to escape one. The text
    ends at the first end of a line at which the quotes are closed, whatever stands behind it.
    """
    if not all(char.isprintable() or char in "\n\r\t" for char in text):
        return False
    value = quoted(text)
    ends = [found.start() for found in re.finditer(r"[\r\n]", value)]
    return not any(_is_closed(value[:end].strip()) for end in ends)


def _is_closed(value: str) -> bool:
    return len(value) >= 6 and value.endswith('"""')
