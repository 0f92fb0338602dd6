"""Tiny byte-level tokenizers with the control tokens of real model families."""

from __future__ import annotations

import json
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

CHATML = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
FAMILIES: dict[str, tuple[tuple[str, ...], str, str]] = {
    # template -> (control tokens, bos, eos)
    "Qwen-Qwen2.5-7B-Instruct": (CHATML, "", "<|im_end|>"),
    "Qwen-Qwen3-0.6B": (CHATML, "", "<|im_end|>"),
    "HuggingFaceTB-SmolLM3-3B": (CHATML, "", "<|im_end|>"),
    "meta-llama-Llama-3.1-8B-Instruct": (
        ("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
        "<|begin_of_text|>",
        "<|eot_id|>",
    ),
    "google-gemma-2-2b-it": (
        ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>"),
        "<bos>",
        "<eos>",
    ),
    "microsoft-Phi-3.5-mini-instruct": (
        ("<s>", "<|endoftext|>", "<|user|>", "<|assistant|>", "<|system|>", "<|end|>"),
        "<s>",
        "<|endoftext|>",
    ),
    "mistralai-Mistral-Nemo-Instruct-2407": (
        ("<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]"),
        "<s>",
        "</s>",
    ),
    "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B": (
        ("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜User｜>", "<｜Assistant｜>"),
        "<｜begin▁of▁sentence｜>",
        "<｜end▁of▁sentence｜>",
    ),
}


def make_tokenizer(folder: Path, family: str, template: str) -> Path:
    """A tokenizer folder: one token a byte, the family's control tokens, this template."""
    control, bos, eos = FAMILIES[family]
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = Tokenizer(models.BPE({c: i for i, c in enumerate(alphabet)}, []))
    vocabulary.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    vocabulary.decoder = decoders.ByteLevel()
    vocabulary.add_special_tokens([AddedToken(token, normalized=False) for token in control])
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary.save(str(folder / "tokenizer.json"))
    config = {"tokenizer_class": "PreTrainedTokenizerFast", "eos_token": eos}
    if bos:
        config["bos_token"] = bos
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    (folder / "chat_template.jinja").write_text(template, encoding="utf-8")
    return folder
