"""A model as one GGUF file: what goes into it, tensor by tensor, and what came out of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from suretune.data.weights import weight_files
from suretune.export import k_quants
from suretune.export.delta import Delta, base_tensors, places
from suretune.export.door import Carried
from suretune.export.gguf_layers import Recipe, frequency_factors, numbers, turned
from suretune.export.gguf_words import Words, words_of
from suretune.facts import ExportFacts
from suretune.refusal import Refusal
from suretune.types import Text

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


def rows_of(carried: Carried) -> int:
    """Rows of the embedding."""
    return base_tensors(carried.base.folder)[EMBEDDING].shape[0]


class Plan:
    """What goes into a file, tensor by tensor, computed as it is written: one weight in memory."""

    def __init__(
        self,
        carried: Carried,
        recipe: Recipe,
        quant: str,
        changes: Mapping[str, Delta],
    ) -> None:
        import gguf

        self.carried, self.recipe, self.quant = carried, recipe, quant
        self.config = carried.base.config
        count = int(self.config["num_hidden_layers"])
        arch = {name: key for key, name in gguf.MODEL_ARCH_NAMES.items()}[recipe.arch]
        self.names = gguf.get_tensor_name_map(arch, count)
        self.changes = changes
        there = places(base_tensors(carried.base.folder), list(self.changes))
        self.by_tensor: Mapping[str, Delta] = {n: self.changes[x] for x, n in there.items()}
        words = words_of(carried.tokenizer, rows_of(carried))
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
        for path, names in self._names():
            with safe_open(path, "pt") as file:
                for name in names:
                    weight = file.get_tensor(name)
                    if name in self.by_tensor:
                        weight = self.by_tensor[name].added_to(weight)
                    weight = turned(
                        name,
                        weight,
                        self.config,
                        self.recipe,
                    )
                    yield self.called(name), weight.to(torch.float32)

    def _names(self) -> Iterator[tuple[Path, list[str]]]:
        """Of each file of the base what is written: no head that is the embedding, and nothing that
        follows from the configuration."""
        for path in weight_files(self.carried.base.folder):
            with safe_open(path, "pt") as file:
                names = list(file.keys())
            left_out = ("lm_head.weight", "inv_freq") if self.carried.tied else ("inv_freq",)
            yield path, [name for name in names if not name.endswith(left_out)]

    def kind(self, name: str, shape: Sequence[int]) -> Any:
        """The type of a tensor: what is multiplied may be short, what is added stays float32."""
        import gguf

        if len(shape) == 1 or name == "rope_freqs.weight":
            return gguf.GGMLQuantizationType.F32
        if self.quant == "q4_k_m":
            count = int(self.config["num_hidden_layers"])
            name = k_quants.kind_of(
                name,
                shape,
                count,
                tied=self.carried.tied,
            )
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
            writer.add_tensor_info(
                name,
                stored,
                _bytes_type(),
                count,
                raw_dtype=kind,
            )
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
        for path, names in self._names():
            with safe_open(path, "pt") as file:
                for name in names:
                    yield self.called(name), tuple(file.get_slice(name).get_shape())

    def _stored(self, name: str, weight: Tensor) -> Any:
        import gguf
        import numpy as np

        kind = self.kind(name, weight.shape)
        if self.quant == "q4_k_m" and kind.name.startswith("Q"):
            stored = gguf.quant_shape_to_byte_shape(weight.shape, kind)
            return k_quants.quantised(
                weight.numpy(),
                int(kind),
                stored,
            )
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
