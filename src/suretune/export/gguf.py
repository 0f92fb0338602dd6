"""`--to gguf`: base and adapter as one file that llama.cpp, Ollama and LM Studio read, and the
adapter alone beside it.

Written by the `gguf` package, weight by weight: the sum in float32, rounded or quantised once. Then
every tensor is read back, and llama.cpp answers from the file where it is installed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from suretune import typed
from suretune.data.thinking import usual_mode
from suretune.export import k_quants, llamacpp
from suretune.export.delta import base_tensors, whole_changes
from suretune.export.door import (
    COMPARED,
    Asked,
    Carried,
    Conversations,
    Heard,
    NotAsked,
    Written,
    cannot,
    export_again,
)
from suretune.export.gguf_adapter import base_beside, read_alone_back, write_alone
from suretune.export.gguf_file import BLOCK, EMBEDDING, Plan, rows_of
from suretune.export.gguf_layers import RECIPES, unlike
from suretune.export.gguf_words import words_of
from suretune.export.merged import unmergeable
from suretune.facts import SetupFacts
from suretune.installed import is_installed
from suretune.types import Text

QUANTS = ("f32", "f16", "bf16", "q8_0", "q4_k_m")
MODEL, ADAPTER = "model.gguf", "adapter.gguf"
LLAMACPP = "https://github.com/ggml-org/llama.cpp"
OWN = {"BF16": "bf16", "F16": "f16", "F32": "f32"}  # what is taken where nothing is asked


@dataclass(frozen=True, slots=True)
class Gguf:
    """`gguf`."""

    name: str = "gguf"
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
        return not_in_gguf(carried, self.name)

    def write(
        self,
        carried: Carried,
        quant: str,
        folder: Path,
    ) -> Written:
        """See `Target`."""
        return write_gguf(carried, quant, folder)

    def asks(self, carried: Carried, folder: Path) -> Asked | None:
        """See `Target`."""
        return asks_llamacpp(self.name, carried, folder)

    def commands(
        self,
        carried: Carried,
        folder: Path,
    ) -> Sequence[str]:
        """See `Target`."""
        command = f"llama-server -m {typed.path(folder / MODEL)} --jinja"
        mode = usual_mode(carried.tokenizer)
        if mode is not None:  # it tells templates one of its own
            told = json.dumps({"enable_thinking": mode})
            command += f" --chat-template-kwargs {typed.word(told)}"
        return [command]


def lacking(quant: str) -> str:
    """A package without which no such GGUF can be written."""
    if not is_installed("gguf"):
        return "gguf"
    return k_quants.PACKAGE if quant == "q4_k_m" and not k_quants.here() else ""


def asks_llamacpp(
    target: str,
    carried: Carried,
    folder: Path,
) -> Asked | None:
    """llama.cpp, where it is installed: the model, and the adapter alone on its base."""
    if not llamacpp.here():
        return None
    mode = usual_mode(carried.tokenizer)

    def ask(conversations: Conversations, tokens: int) -> Heard:
        seconds, first = carried.seconds, conversations[:COMPARED]
        heard = llamacpp.ask(
            target,
            folder / MODEL,
            conversations,
            tokens,
            thinking=mode,
            seconds=seconds,
        )
        if carried.whole:
            return heard
        try:
            with base_beside(carried, own_type(carried), folder) as base:
                told = llamacpp.ask(
                    target,
                    base,
                    first,
                    1,
                    folder / ADAPTER,
                    thinking=mode,
                    seconds=seconds,
                )
        except NotAsked as silent:
            return replace(heard, silent=silent)
        return replace(heard, beside=told.scores)

    return ask


def not_in_gguf(carried: Carried, target: str) -> SetupFacts | None:
    """What of this model or adapter no GGUF of ours can hold."""
    if (wrong := unmergeable(carried, target)) is not None:
        return wrong
    convert = converted(carried)
    recipe = RECIPES.get(carried.architecture)
    if recipe is None:
        kind = carried.architecture
        told = Text(
            f"{kind} is not one of {', '.join(RECIPES)}",
            f"{kind} 不在这些之中：{'、'.join(RECIPES)}",
        )
        return cannot(target, told, carried, convert)
    if (odd := unlike(carried.base.config, recipe)) is not None:
        return cannot(target, odd, carried, convert)
    words = words_of(carried.tokenizer, rows_of(carried))
    if isinstance(words, Text):
        return cannot(target, words, carried, convert)
    return None


def converted(carried: Carried) -> str:
    """The command by which llama.cpp's own converter makes a GGUF of the merged folder."""
    return (
        f"{export_again(carried, 'merged', '--out', 'merged')}"
        f" && git clone --depth 1 {LLAMACPP} && pip install sentencepiece"
        " && python llama.cpp/convert_hf_to_gguf.py merged --outfile model.gguf"
    )


def own_type(carried: Carried) -> str:
    """The type in which the base keeps its embedding."""
    return OWN[base_tensors(carried.base.folder)[EMBEDDING].dtype]


def write_gguf(carried: Carried, quant: str, folder: Path) -> Written:
    """The model, and the adapter alone; every tensor of both read back."""
    asked = quant or own_type(carried)
    plan = Plan(
        carried,
        RECIPES[carried.architecture],
        asked,
        whole_changes(carried),
    )
    plan.write(folder / MODEL)
    plan.read_back(folder / MODEL)
    notes = [Text(f"{MODEL} is {asked}", f"{MODEL} 为 {asked}")]
    if not carried.whole:
        write_alone(plan, folder / ADAPTER)
        read_alone_back(plan, folder / ADAPTER)
        notes = [
            Text(
                f"{MODEL} is {asked}; {ADAPTER} (f32) is the adapter alone, for a base in GGUF",
                f"{MODEL} 为 {asked}；{ADAPTER} 是单独的适配器（f32），用于 GGUF 的原模型",
            )
        ]
    types = types_of(folder / MODEL)
    if asked == "q8_0" and types.get("F16"):
        notes.append(
            Text(
                f"rows that are no multiple of {BLOCK} are f16",
                f"每行长度不是 {BLOCK} 的倍数的张量用 f16",
            )
        )
    if asked == "q4_k_m" and types.keys() & {"Q5_0", "Q8_0"}:
        notes.append(
            Text(
                "rows that are no multiple of 256 are Q5_0 or Q8_0",
                "每行长度不是 256 的倍数的张量用 Q5_0 或 Q8_0",
            )
        )
    return Written(notes, types, figures={"gguf": asked})


def types_of(path: Path) -> dict[str, int]:
    """How many tensors of a file have each type."""
    import gguf

    found: dict[str, int] = {}
    for tensor in gguf.GGUFReader(path).tensors:
        kind = tensor.tensor_type.name
        found[kind] = found.get(kind, 0) + 1
    return found
