"""Train the pocket model from nothing: its corpus, its tokenizer, its weights, its figures.

    python pocket/train.py [--steps 2860] [--seed 0] [--out FOLDER]

Runs on CUDA or on the CPU. The same seed gives the same text, order and start; GPU arithmetic may
differ in the last bits from run to run.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import functools
import itertools
import json
import multiprocessing
import os
import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import save_file
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoTokenizer,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
    Qwen2Tokenizer,
)

import wide
from batches import check_prompts, encode_all, loss_of, pad, to_device
from corpus import POLISH, SHARES, Shares, stream
from evaluate import load, measure
from suretune.pocket import MODEL
from suretune.pocket.skills import held_out

VOCABULARY = 4096
TOKENIZER_TEXTS = 32_000
"""Conversations that the tokenizer is trained on."""
BATCHES_PER_CHUNK = 16
"""Batches made by one worker at a time, each chunk with a seed of its own."""
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
TOOL_MARKS = ("<tool_call>", "</tool_call>")
ITEMS_SHIPPED = 25


def build_tokenizer(seed: int, conversations: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE with Qwen2's own normaliser and splitting, which `AutoTokenizer` would impose
    on a Qwen2 model anyway. No merge crosses a Han character, and Qwen2 splits digits one by one,
    so any number and any name is spelt from pieces that mean the same everywhere."""
    qwen = Qwen2Tokenizer().backend_tokenizer
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer, tokenizer.decoder = qwen.normalizer, decoders.ByteLevel()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(r"\p{Han}"), "isolated"), qwen.pre_tokenizer]
    )
    texts = (
        " ".join((row.system or "", *itertools.chain.from_iterable(row.turns)))
        for row in itertools.islice(stream(f"tokenizer {seed}"), conversations)
    )
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(TOOL_MARKS),
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.pre_tokenizer = qwen.pre_tokenizer
    tokenizer.add_tokens([AddedToken(mark, special=False, normalized=False) for mark in TOOL_MARKS])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        model_max_length=4096,
        padding_side="left",
        clean_up_tokenization_spaces=False,
    )


def build_model(tokenizer: PreTrainedTokenizerFast, hidden: int, layers: int) -> Qwen2ForCausalLM:
    eos, pad = tokenizer.convert_tokens_to_ids(["<|im_end|>", "<|endoftext|>"])
    config = Qwen2Config(
        vocab_size=VOCABULARY,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 32,
        num_key_value_heads=hidden // 64,
        intermediate_size=hidden * 8 // 3 // 64 * 64,
        max_position_embeddings=4096,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=eos,
        pad_token_id=pad,
    )
    return Qwen2ForCausalLM(config)


Batch = tuple[NDArray[np.int16], NDArray[np.int16]]
"""Padded ids and targets."""


def _chunk(folder: Path, seed: int, rows: int, shares: Shares, chunk: int) -> list[Batch]:
    """Batches of rows of similar length, so that little is padding, in a random order."""
    text = stream(f"{seed} {chunk}", shares)
    conversations = list(itertools.islice(text, BATCHES_PER_CHUNK * rows))
    tokenizer = _tokenizer(folder)
    check_prompts(tokenizer, conversations[0])
    pool = sorted(encode_all(tokenizer, conversations), key=lambda row: len(row.ids))
    batches = [pad(pool[start : start + rows]) for start in range(0, len(pool), rows)]
    random.Random(f"{seed} {chunk}").shuffle(batches)
    return batches


@functools.cache
def _tokenizer(folder: Path) -> PreTrainedTokenizerFast:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    torch.set_num_threads(1)
    return AutoTokenizer.from_pretrained(folder)


def batches_of(folder: Path, seed: int, rows: int, shares: Shares, workers: int) -> Iterator[Batch]:
    """Training batches without end, made by all cores; their order depends on the seed alone."""
    chunks = itertools.count()
    make = functools.partial(_chunk, folder, seed, rows, shares)
    if workers < 2:
        yield from itertools.chain.from_iterable(map(make, chunks))
        return
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        ahead = collections.deque(
            pool.apply_async(make, (chunk,)) for chunk in itertools.islice(chunks, 2 * workers)
        )
        while True:
            ahead.append(pool.apply_async(make, (next(chunks),)))
            yield from ahead.popleft().get()


HOLD = 0.5
"""The learning rate stays at its peak until this share of the steps is done."""


def learning_rate(step: int, steps: int, peak: float) -> float:
    """Linear warm-up, the peak, then a straight line down to a fiftieth of it."""
    warmup = min(100, max(1, steps // 10))
    left = (steps - step) / (steps - HOLD * steps)
    return peak * min(1.0, (step + 1) / warmup, 0.02 + 0.98 * left)


def train(model: Qwen2ForCausalLM, batches: Iterator[Batch], steps: int, peak: float) -> None:
    """AdamW for `steps` updates, a batch each. Label smoothing keeps the model unsure enough to
    be taught something else later."""
    device = str(model.device)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=peak, betas=(0.9, 0.98), weight_decay=0.05, fused=device != "cpu"
    )
    start = time.perf_counter()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(step, steps, peak)
        ids, targets = to_device(next(batches), device)
        with torch.autocast(model.device.type, torch.bfloat16, enabled=device != "cpu"):
            loss = loss_of(model, ids, targets, label_smoothing=0.05)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        if step % 50 == 0 or step == steps - 1:
            print(
                f"step {step} loss {loss.item():.4f} {time.perf_counter() - start:.0f} s",
                flush=True,
            )


def save(model: Qwen2ForCausalLM, out: Path) -> None:
    """Weights in bf16, half the size; the config has `from_pretrained` load them as float32."""
    weights = {
        name: weight.detach().to("cpu", torch.bfloat16).contiguous()
        for name, weight in model.state_dict().items()
        if name != "lm_head.weight"  # tied to the embedding
    }
    save_file(weights, out / "model.safetensors", metadata={"format": "pt"})
    (out / "model.safetensors").chmod(0o644)  # save_file keeps it to its owner
    model.config.architectures = ["Qwen2ForCausalLM"]
    model.config.dtype = torch.float32
    model.config.save_pretrained(out)
    eos, pad = model.config.eos_token_id, model.config.pad_token_id
    settings = {"do_sample": False, "eos_token_id": [eos, pad], "pad_token_id": pad}
    (out / "generation_config.json").write_text(json.dumps(settings, indent=2) + "\n")
    with (out / "skills.jsonl").open("w", encoding="utf-8") as file:
        for item in held_out(ITEMS_SHIPPED, seed=0):
            file.write(json.dumps(dataclasses.asdict(item), ensure_ascii=False) + "\n")


def start_fresh(out: Path, seed: int, hidden: int, layers: int, device: str) -> Qwen2ForCausalLM:
    """Write the tokenizer to `out`; return a model that knows nothing."""
    template = MODEL / "chat_template.jinja"
    if out.resolve() != MODEL.resolve():
        shutil.copy(template, out)
    tokenizer = build_tokenizer(seed, TOKENIZER_TEXTS)
    tokenizer.chat_template = template.read_text(encoding="utf-8")
    tokenizer.save_pretrained(out)
    # Named as every Qwen2 model names it, so that other programs and older releases load it too.
    config = json.loads((out / "tokenizer_config.json").read_text(encoding="utf-8"))
    config = {**config, "tokenizer_class": "Qwen2Tokenizer"}
    (out / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
    return build_model(tokenizer, hidden, layers).to(device)


def go_on(start: Path, out: Path, device: str) -> Qwen2ForCausalLM:
    """A trained model to train further; its tokenizer goes along."""
    if out.resolve() != start.resolve():
        shutil.copytree(start, out, dirs_exist_ok=True)
    return load(start, device)[0].train()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2860)
    parser.add_argument("--rows", type=int, default=384, help="conversations per update")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=MODEL)
    parser.add_argument("--hidden", type=int, default=256)
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--peak", type=float, default=2e-3, help="peak learning rate")
    parser.add_argument("--workers", type=int, default=min(len(os.sched_getaffinity(0)) - 1, 12))
    parser.add_argument("--polish", action="store_true", help="who it is, freely asked")
    parser.add_argument("--start", type=Path, help="go on from this model")
    options = parser.parse_args()
    if not os.environ.get(wide.VOCABULARY):
        parser.error(f"set {wide.VOCABULARY} to a folder with Qwen2.5's tokenizer.json")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.set_float32_matmul_precision("high")
    torch.manual_seed(options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    if options.start:
        model = go_on(options.start, options.out, device)
    else:
        model = start_fresh(options.out, options.seed, options.hidden, options.layers, device)
    shares = POLISH if options.polish else SHARES
    batches = batches_of(options.out, options.seed, options.rows, shares, options.workers)
    train(model, batches, options.steps, options.peak)
    save(model, options.out)
    saved, tokenizer = load(options.out, device)
    print(json.dumps(measure(saved, tokenizer, per_skill=25), ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
