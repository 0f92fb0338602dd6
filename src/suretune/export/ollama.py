"""`--to ollama`: a GGUF and the Modelfile that makes Ollama ask as the model was trained.

Ollama reads no Jinja, so the template is written in its own language; conversations rendered by
both have to be equal. Its defaults change answers (a penalty for repeating, a temperature), so what
the model was proven with is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from suretune import typed
from suretune.export.door import Asked, Carried, Conversations, Heard, Written, cannot
from suretune.export.gguf import MODEL, QUANTS, asks_llamacpp, lacking, not_in_gguf, write_gguf
from suretune.export.gguf_words import adds_bos
from suretune.export.turns import SPOKEN, Turns, turns_of
from suretune.export.vllm import run_of, served_name
from suretune.facts import SetupFacts
from suretune.types import Text

MODELFILE = "Modelfile"
CONTEXT = 4096  # tokens, unless the model was built for fewer: Ollama reserves memory for all


@dataclass(frozen=True, slots=True)
class Ollama:
    """`ollama`."""

    name: str = "ollama"
    quants: Sequence[str] = QUANTS

    def lacks(self, quant: str) -> str:
        """See `Target`."""
        return lacking(quant)

    def why_not(self, carried: Carried, quant: str) -> SetupFacts | None:
        """See `Target`."""
        if (wrong := not_in_gguf(carried, self.name)) is not None:
            return wrong
        turns = turns_of(carried.tokenizer, adds_first=adds_bos(carried.tokenizer))
        if isinstance(turns, Text):
            run = typed.path(run_of(carried))
            return cannot(self.name, turns, carried, f"suretune export {run} --to gguf")
        return None

    def write(self, carried: Carried, quant: str, folder: Path) -> Written:
        """See `Target`."""
        written = write_gguf(carried, quant, folder)
        turns = turns_of(carried.tokenizer, adds_first=adds_bos(carried.tokenizer))
        if isinstance(turns, Text):
            raise ValueError(turns.en)
        (folder / MODELFILE).write_text(modelfile(carried, turns), encoding="utf-8")
        note = Text(
            f"{MODELFILE}: {len(SPOKEN)} conversations come out as by the model's template",
            f"{MODELFILE}：{len(SPOKEN)} 段对话与原模板的结果相同",
        )
        return replace(written, notes=[*written.notes, note])

    def asks(self, carried: Carried, folder: Path) -> Asked | None:
        """See `Target`."""
        ask = asks_llamacpp(self.name, folder)
        if ask is None:
            return None

        def ask_its_file(conversations: Conversations, tokens: int) -> Heard:
            return replace(ask(conversations, tokens), by="llama.cpp")

        return ask_its_file

    def commands(self, carried: Carried, folder: Path) -> Sequence[str]:
        """See `Target`."""
        name = served_name(carried).lower()
        return [f"ollama create {name} -f {typed.path(folder / MODELFILE)}", f"ollama run {name}"]


def modelfile(carried: Carried, turns: Turns) -> str:
    """The text of a Modelfile."""
    system = carried.system if carried.system is not None else turns.default
    texts = {index: text for text, index in carried.tokenizer.added.items()}
    stops = [texts[index] for index in sorted(carried.tokenizer.stop_ids) if index in texts]
    lines = [f"FROM ./{MODEL}", f'TEMPLATE """{turns.template()}"""']
    lines += [f'SYSTEM """{system}"""'] if system else []
    lines += [f'PARAMETER stop "{stop}"' for stop in stops]
    lines += [
        "PARAMETER temperature 0",
        "PARAMETER repeat_penalty 1",
        f"PARAMETER num_ctx {min(carried.base.context, CONTEXT)}",
    ]
    return "\n".join([*lines, ""])
