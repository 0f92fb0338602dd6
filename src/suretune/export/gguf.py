"""`--to gguf`: base and adapter as one file that llama.cpp, Ollama and LM Studio read, and the
adapter alone beside it.

Written by the `gguf` package, weight by weight: the sum in float32, rounded or quantised once. Then
every tensor is read back, and llama.cpp answers from the file where it is installed.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from suretune import typed
from suretune.data.weights import weight_files
from suretune.export import k_quants, llamacpp
from suretune.export.delta import Delta, base_tensors, deltas, layers, places
from suretune.export.door import Asked, Carried, Conversations, Heard, Written, cannot
from suretune.export.gguf_layers import (
    RECIPES,
    Recipe,
    frequency_factors,
    numbers,
    turned,
    unlike,
)
from suretune.export.gguf_words import Words, words_of
from suretune.export.merged import unmergeable
from suretune.export.vllm import run_of
from suretune.facts import ExportFacts, SetupFacts
from suretune.refusal import Refusal
from suretune.types import Text

QUANTS = ("f32", "f16", "bf16", "q8_0", "q4_k_m")
MODEL, ADAPTER = "model.gguf", "adapter.gguf"
OWN = {"BF16": "bf16", "F16": "f16", "F32": "f32"}  # what is taken where nothing is asked
KIND = {"f32": "F32", "f16": "F16", "bf16": "BF16", "q8_0": "Q8_0"}
FILE_TYPE = {
    "f32": "ALL_F32",
    "f16": "MOSTLY_F16",
    "bf16": "MOSTLY_BF16",
    "q8_0": "MOSTLY_Q8_0",
    "q4_k_m": "MOSTLY_Q4_K_M",
}
BLOCK = 32  # numbers that q8_0 keeps together
EMBEDDING = "model.embed_tokens.weight"


@dataclass(frozen=True, slots=True)
class Gguf:
    """`gguf`."""

    name: str = "gguf"
    quants: Sequence[str] = QUANTS

    def lacks(self, quant: str) -> str:
        """See `Target`."""
        return lacking(quant)

    def why_not(self, carried: Carried, quant: str) -> SetupFacts | None:
        """See `Target`."""
        return not_in_gguf(carried, self.name)

    def write(self, carried: Carried, quant: str, folder: Path) -> Written:
        """See `Target`."""
        return write_gguf(carried, quant, folder)

    def asks(self, carried: Carried, folder: Path) -> Asked | None:
        """See `Target`."""
        return asks_llamacpp(self.name, folder)

    def commands(self, carried: Carried, folder: Path) -> Sequence[str]:
        """See `Target`."""
        return [f"llama-server -m {typed.path(folder / MODEL)} --jinja"]


def lacking(quant: str) -> str:
    """A package without which no such GGUF can be written."""
    if importlib.util.find_spec("gguf") is None:
        return "gguf"
    return k_quants.PACKAGE if quant == "q4_k_m" and not k_quants.here() else ""


def asks_llamacpp(target: str, folder: Path) -> Asked | None:
    """llama.cpp, where it is installed."""
    if not llamacpp.here():
        return None

    def ask(conversations: Conversations, tokens: int) -> Heard:
        return llamacpp.ask(target, folder / MODEL, conversations, tokens)

    return ask


def not_in_gguf(carried: Carried, target: str) -> SetupFacts | None:
    """What of this model or adapter no GGUF of ours can hold."""
    if (wrong := unmergeable(carried, target)) is not None:
        return wrong
    convert = (
        f"suretune export {typed.path(run_of(carried))} --to merged --out merged &&"
        " python convert_hf_to_gguf.py merged --outfile model.gguf"
    )
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
    words = words_of(carried.tokenizer, _rows(carried))
    if isinstance(words, Text):
        return cannot(target, words, carried, convert)
    return None


def _rows(carried: Carried) -> int:
    """Rows of the embedding."""
    return base_tensors(carried.base.folder)[EMBEDDING].shape[0]


def quant_of(carried: Carried, quant: str) -> str:
    """The one that was asked for, else the one in which the base keeps its embedding."""
    return quant or OWN[base_tensors(carried.base.folder)[EMBEDDING].dtype]


def write_gguf(carried: Carried, quant: str, folder: Path) -> Written:
    """The model, and the adapter alone; every tensor of the model read back."""
    asked = quant_of(carried, quant)
    plan = _Plan(carried, RECIPES[carried.architecture], asked)
    plan.write(folder / MODEL)
    plan.read_back(folder / MODEL)
    plan.write_adapter(folder / ADAPTER)
    types = types_of(folder / MODEL)
    notes = [
        Text(
            f"{MODEL} is {asked}; {ADAPTER} (f32) is the adapter alone, for a base in GGUF",
            f"{MODEL} 为 {asked}；{ADAPTER} 是单独的适配器（f32），用于 GGUF 的原模型",
        )
    ]
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


class _Plan:
    """What goes into a file, tensor by tensor, computed as it is written: one weight in memory."""

    def __init__(self, carried: Carried, recipe: Recipe, quant: str) -> None:
        import gguf

        self.carried, self.recipe, self.quant = carried, recipe, quant
        self.config = carried.base.config
        count = int(self.config["num_hidden_layers"])
        arch = {name: key for key, name in gguf.MODEL_ARCH_NAMES.items()}[recipe.arch]
        self.names = gguf.get_tensor_name_map(arch, count)
        self.changes = deltas(carried)
        there = places(base_tensors(carried.base.folder), list(self.changes))
        self.by_tensor: Mapping[str, Delta] = {n: self.changes[x] for x, n in there.items()}
        words = words_of(carried.tokenizer, _rows(carried))
        if isinstance(words, Text):
            raise ValueError(words.en)
        self.words: Words = words

    def called(self, name: str) -> str:
        """GGUF's name for a tensor of the base."""
        found = self.names.get_name(name, try_suffixes=(".weight", ".bias"))
        if found is None:
            raise Refusal(ExportFacts("export-unlike", "gguf", f"no name for {name}"))
        return str(found)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """(GGUF's name, weight in float32) of everything that is written."""
        factors = frequency_factors(self.config)
        if factors is not None:
            yield "rope_freqs.weight", factors
        for path in weight_files(self.carried.base.folder):
            with safe_open(path, "pt") as file:
                for name in file.keys():  # noqa: SIM118 - no mapping
                    if name == "lm_head.weight" and self.carried.tied:
                        continue
                    if name.endswith("rotary_emb.inv_freq"):  # follows from the configuration
                        continue
                    weight = file.get_tensor(name)
                    if name in self.by_tensor:
                        weight = self.by_tensor[name].added_to(weight)
                    weight = turned(name, weight, self.config, self.recipe)
                    yield self.called(name), weight.to(torch.float32)

    def kind(self, name: str, shape: Sequence[int]) -> Any:
        """The type of a tensor: what is multiplied may be short, what is added stays float32."""
        import gguf

        if len(shape) == 1 or name == "rope_freqs.weight":
            return gguf.GGMLQuantizationType.F32
        if self.quant == "q4_k_m":
            count = int(self.config["num_hidden_layers"])
            name = k_quants.kind_of(name, shape, count, tied=self.carried.tied)
            return gguf.GGMLQuantizationType[name]
        if self.quant == "q8_0" and shape[-1] % BLOCK:
            return gguf.GGMLQuantizationType.F16
        return gguf.GGMLQuantizationType[KIND[self.quant]]

    def write(self, path: Path) -> None:
        """The file: keys and words first, then each weight as it is computed."""
        import gguf

        writer = gguf.GGUFWriter(path, self.recipe.arch)
        writer.add_type(gguf.GGUFType.MODEL)
        writer.add_name(self.carried.name)
        writer.add_file_type(gguf.LlamaFileType[FILE_TYPE[self.quant]])
        for key, value in numbers(self.config, self.recipe, len(self.words.tokens)):
            getattr(writer, f"add_{key}")(value)
        if any(key == "rope_scaling_factor" for key, _ in numbers(self.config, self.recipe, 0)):
            writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR)
        write_words(writer, self.words)
        for name, shape in self._shapes():
            kind = self.kind(name, shape)
            stored = gguf.quant_shape_to_byte_shape(shape, kind)
            count = 1
            for each in stored:
                count *= each
            writer.add_tensor_info(name, stored, _bytes_type(), count, raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for name, weight in self.tensors():
            writer.write_tensor_data(self._stored(name, weight))
        writer.close()

    def _shapes(self) -> Iterator[tuple[str, tuple[int, ...]]]:
        """Name and shape of each, in the order of `tensors`, without computing any."""
        factors = frequency_factors(self.config)
        if factors is not None:
            yield "rope_freqs.weight", tuple(factors.shape)
        for path in weight_files(self.carried.base.folder):
            with safe_open(path, "pt") as file:
                for name in file.keys():  # noqa: SIM118 - no mapping
                    if not (name == "lm_head.weight" and self.carried.tied):
                        yield self.called(name), tuple(file.get_slice(name).get_shape())

    def _stored(self, name: str, weight: Tensor) -> Any:
        import gguf
        import numpy as np

        kind = self.kind(name, weight.shape)
        if self.quant == "q4_k_m" and kind.name.startswith("Q"):
            stored = gguf.quant_shape_to_byte_shape(weight.shape, kind)
            return k_quants.quantised(weight.numpy(), int(kind), stored)
        with np.errstate(over="ignore"):
            made = gguf.quantize(weight.numpy(), kind)
        if made.dtype == np.float16 and not np.isfinite(made).all():
            raise Refusal(ExportFacts("export-unlike", "gguf", f"{name}: not finite in f16"))
        return np.ascontiguousarray(made).view(np.uint8)

    def read_back(self, path: Path) -> None:
        """Every tensor of the file against what it should hold; Refusal where one differs."""
        import gguf
        import numpy as np

        there = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
        seen = set()
        for name, weight in self.tensors():
            found = there.get(name)
            seen.add(name)
            if found is None or list(found.shape) != list(reversed(weight.shape)):
                raise Refusal(ExportFacts("export-unlike", "gguf", f"{name} is not there"))
            meant = self._stored(name, weight)
            there_now = np.ascontiguousarray(found.data).view(np.uint8)
            same = found.tensor_type == self.kind(name, weight.shape)
            if not (same and np.array_equal(there_now.ravel(), meant.ravel())):
                raise Refusal(ExportFacts("export-unlike", "gguf", name))
        if seen != set(there):
            raise Refusal(ExportFacts("export-unlike", "gguf", str(sorted(set(there) - seen)[:1])))

    def write_adapter(self, path: Path) -> None:
        """The adapter alone: A and B of each layer, with the one scale that GGUF has for all.

        A layer of another scale has the rest of it in its B.
        """
        import gguf

        writer = gguf.GGUFWriter(path, self.recipe.arch)
        writer.add_type(gguf.GGUFType.ADAPTER)
        writer.add_string("adapter.type", "lora")
        rank, _ = self.carried.rank, layers(self.carried)
        alpha = next(iter(self.changes.values())).scale * rank
        writer.add_float32("adapter.lora.alpha", alpha)
        for layer, delta in self.changes.items():
            name = self.called(f"{layer}.weight")
            b = delta.b.to(torch.float32) * (delta.scale * delta.a.shape[0] / alpha)
            if self.recipe.pairs and layer.endswith(("q_proj", "k_proj")):
                b = turned(f"{layer}.weight", b, self.config, self.recipe)
            writer.add_tensor(f"{name}.lora_a", delta.a.to(torch.float32).numpy())
            writer.add_tensor(f"{name}.lora_b", b.contiguous().numpy())
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def write_words(writer: Any, words: Words) -> None:
    """Tokens, merges, ends and the template."""
    writer.add_tokenizer_model(words.model)
    if words.rule:
        writer.add_tokenizer_pre(words.rule)
    writer.add_token_list(list(words.tokens))
    writer.add_token_types(list(words.kinds))
    if words.merges:
        writer.add_token_merges(list(words.merges))
    if words.scores:
        writer.add_token_scores(list(words.scores))
        writer.add_add_space_prefix(words.space_first)
    add = {
        "bos": writer.add_bos_token_id,
        "eos": writer.add_eos_token_id,
        "unknown": writer.add_unk_token_id,
        "padding": writer.add_pad_token_id,
        "end of turn": writer.add_eot_token_id,
    }
    for name, index in words.ids.items():
        add[name](index)
    writer.add_add_bos_token(words.adds_bos)
    writer.add_add_eos_token(False)
    writer.add_chat_template(words.template)


def _bytes_type() -> Any:
    import numpy as np

    return np.dtype(np.uint8)
