"""The same weights, another answer: where a quantised GGUF's answer in llama.cpp comes from.

    python benchmarks/same_weights.py FILE.gguf FOLDER --commit HASH [--question QUESTION]

One question is asked with the weights of FILE in several ways. Each differs from another in one
thing only, so that what changes the answer is seen and not guessed:

1. transformers, the file's weights unpacked to float32;
2. llama.cpp, the very same numbers written out as a float32 GGUF;
3. llama.cpp, the file itself: its weights packed, activations rounded to 8 bits;
4. transformers once more, and the activations in front of every packed weight rounded to 8 bits in
   blocks of 32 by one scale each, as ggml does it for these types;
5. as 4, the activations moved by one part in 10,000 before they are rounded, with some seeds: how
   far apart two programs end that round alike and add in another order.

FOLDER has the model's own tokenizer and config for transformers. Needs `gguf` and `xllamacpp`.
Writes benchmarks/results/same_weights.json, which docs/export.md's table is drawn from.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import gguf
import torch
from exports import RESULTS, where_and_when
from torch import Tensor, nn
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from suretune.export import llamacpp
from suretune.export.gguf_layers import RECIPES, in_pairs
from suretune.types import Message

OUT = RESULTS / "same_weights.json"
BLOCK = 32  # activations that share one scale, where the weights are Q4_0, Q4_1, Q5_x or Q8_0
TOKENS = 24  # of an answer
NUDGE = 1e-4  # of each activation, before it is rounded
SEEDS = (1, 2, 3, 4)
QUESTION = "What is the capital of France?"


def unpacked(path: Path) -> dict[str, Tensor]:
    """The file's tensors in float32, by their names in GGUF."""
    return {
        each.name: torch.tensor(gguf.dequantize(each.data, each.tensor_type))
        for each in gguf.GGUFReader(path).tensors
    }


def as_float32(path: Path, out: Path) -> None:
    """The same file with the same keys, and every tensor as float32."""
    reader = gguf.GGUFReader(path)
    arch = reader.fields["general.architecture"].contents()
    writer = gguf.GGUFWriter(out, arch)
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name == "general.architecture":
            continue
        value = 0 if field.name == "general.file_type" else field.contents()
        inner = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, value, field.types[0], inner)
    for name, weight in unpacked(path).items():
        writer.add_tensor(name, weight.numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def loaded(path: Path, folder: Path) -> tuple[nn.Module, dict[str, str]]:
    """transformers' model with the file's weights, and the type of each packed one, by module."""
    config = AutoConfig.from_pretrained(folder)
    model = AutoModelForCausalLM.from_config(config, dtype=torch.float32).eval()
    recipe = RECIPES[config.model_type]
    arch = {name: key for key, name in gguf.MODEL_ARCH_NAMES.items()}[recipe.arch]
    names = gguf.get_tensor_name_map(arch, config.num_hidden_layers)
    weights = unpacked(path)
    types = {each.name: each.tensor_type.name for each in gguf.GGUFReader(path).tensors}
    packed = {}
    for name, parameter in model.named_parameters():
        called = names.get_name(name, try_suffixes=(".weight", ".bias"))
        weight = weights[called]
        if recipe.pairs and (".q_proj." in name or ".k_proj." in name):
            heads = config.num_attention_heads
            heads = heads if ".q_proj." in name else config.num_key_value_heads
            size = weight.shape[0] // heads
            weight = weight.reshape(heads, size // 2, 2, -1).transpose(1, 2).reshape(weight.shape)
            back = in_pairs(weight, heads)
            if not torch.equal(back, weights[called]):
                raise ValueError(f"{name} was not turned back")
        parameter.data.copy_(weight)
        if types[called] not in ("F32", "F16", "BF16"):
            packed[name.removesuffix(".weight")] = types[called]
    if config.tie_word_embeddings:
        packed["lm_head"] = packed.pop("model.embed_tokens")
    return model, packed


def rounded(values: Tensor) -> Tensor:
    """Activations (..., n) as 8-bit numbers with one scale a block, unpacked again."""
    blocks = values.reshape(*values.shape[:-1], -1, BLOCK)
    scale = blocks.abs().amax(-1, keepdim=True) / 127
    numbers = (blocks / scale.clamp(min=1e-30)).round()
    kept = scale.half().float()  # ggml keeps the scale in sixteen bits
    return (numbers * kept).reshape(values.shape)


def scores(model: nn.Module, ids: list[int]) -> Tensor:
    """(V,) log-probabilities of the first token of an answer."""
    with torch.inference_mode():
        logits = model(input_ids=torch.tensor([ids])).logits[0, -1]
    told: Tensor = logits.float().log_softmax(-1)
    return told


def answer(model: Any, words: Any, ids: list[int]) -> str:
    """What it says, greedily."""
    with torch.inference_mode():
        made = model.generate(torch.tensor([ids]), max_new_tokens=TOKENS, do_sample=False)
    return str(words.decode(made[0, len(ids) :], skip_special_tokens=True))


def round_before(model: nn.Module, modules: Iterable[str], nudge: float) -> list[Any]:
    """Hooks that round what goes into these modules, each number moved by that share first."""

    def hook(_: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (rounded(given[0] * (1 + nudge * torch.randn_like(given[0]))), *given[1:])

    inner = dict(model.named_modules())
    return [inner[name].register_forward_pre_hook(hook) for name in modules]


def line(
    way: str, said: str, first: Mapping[int, float], reference: Tensor, words: Any
) -> dict[str, Any]:
    """One way's figures: its two likeliest tokens, and its distance from the first way."""
    best = sorted(first, key=lambda token: -first[token])[:2]
    gap = max(abs(score - reference[token].item()) for token, score in first.items())
    return {
        "way": way,
        "answer": said,
        "likeliest": [[words.decode([token]), round(first[token], 3)] for token in best],
        "largest_distance": round(gap, 4),
    }


def measured(path: Path, folder: Path, question: str) -> dict[str, Any]:
    """All ways, in the order of the text above."""
    words = AutoTokenizer.from_pretrained(folder)
    turns = [{"role": "user", "content": question}]
    text = words.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    ids = words(text, add_special_tokens=False)["input_ids"]
    model, packed = loaded(path, folder)
    reference = scores(model, ids)
    talk = [(Message("user", question),)]
    told = []
    with tempfile.TemporaryDirectory() as kept:
        plain = Path(kept) / "float32.gguf"
        as_float32(path, plain)
        there = {
            "llama.cpp, the same numbers in float32": llamacpp.ask("gguf", plain, talk, TOKENS),
            "llama.cpp, the file itself": llamacpp.ask("gguf", path, talk, TOKENS),
        }
    same = {name: list(heard.ids[0]) == ids for name, heard in there.items() if heard.ids}
    shown = list(there["llama.cpp, the file itself"].scores[0])  # tokens that are compared
    ours = {token: reference[token].item() for token in shown}
    told.append(line("transformers", answer(model, words, ids), ours, reference, words))
    for name, heard in there.items():
        told.append(line(name, heard.answers[0], heard.scores[0], reference, words))
    theirs = there["llama.cpp, the file itself"].scores[0]
    for nudge, seed in [(0.0, 0), *((NUDGE, seed) for seed in SEEDS)]:
        torch.manual_seed(seed)
        hooks = round_before(model, packed, nudge)
        first = scores(model, ids)
        now = {token: first[token].item() for token in shown}
        name = f"transformers, 8-bit activations{f', nudged, seed {seed}' if nudge else ''}"
        made = line(name, answer(model, words, ids), now, reference, words)
        far = max(abs(now[token] - score) for token, score in theirs.items())
        told.append({**made, "from_llama_cpp_with_the_file": round(far, 4)})
        for each in hooks:
            each.remove()
    kinds = {kind: sum(k == kind for k in packed.values()) for kind in set(packed.values())}
    return {
        "prompt_tokens": len(ids),
        "same_ids": same,
        "packed": kinds,
        "compared": len(shown),
        "ways": told,
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("file", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--question", default=QUESTION)
    parser.add_argument("--commit", required=True)
    asked = parser.parse_args()
    about = {"file": asked.file.name, "question": asked.question, "commit": asked.commit}
    result = about | where_and_when() | measured(asked.file, asked.folder, asked.question)
    OUT.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(OUT)


if __name__ == "__main__":
    main()
