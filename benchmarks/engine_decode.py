"""Decoding speed of the fast path: one stream, and 16 probes at once.

    python benchmarks/engine_decode.py [--plain] [--profile] [--sweep] [--layers 28]

Builds a random-weight model of Qwen2.5-7B's shape with rank-8 adapters on every linear layer, and
prints tokens a second as JSON. --plain takes cuBLAS for the products, to compare; --profile adds
each kernel's share of the time; --sweep measures the bandwidth of each product for many tiles.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import torch

from suretune.model import product_kernels
from suretune.model.decode import Decoder
from suretune.model.groups import Group
from suretune.model.stack import Stack, make_stack
from suretune.model.tiles import Tile

NEW_TOKENS = 128
PROMPT = 64  # tokens
QWEN_7B = {
    "vocab_size": 152064, "hidden_size": 3584, "intermediate_size": 18944,
    "num_hidden_layers": 28, "num_attention_heads": 28, "num_key_value_heads": 4,
    "max_position_embeddings": 32768, "tie_word_embeddings": False,
}  # fmt: skip
NOBODY: frozenset[int] = frozenset()


def measure_decode(stack: Stack, lean: bool = True, repeats: int = 5) -> dict[str, float]:
    """Tokens a second: `one` stream and `sixteen` together; steps alone, graphs captured before.

    `..._whole` counts reading the prompts of 64 tokens as well.
    """
    decoder = Decoder(stack, lean)
    found = {}
    for name, rows in (("one", 1), ("sixteen", 16)):
        prompts = _prompts(stack, rows)
        whole = _seconds(decoder, prompts, NEW_TOKENS, repeats)
        first = _seconds(decoder, prompts, 1, repeats)
        found[name] = round(rows * (NEW_TOKENS - 1) / (whole - first), 1)
        found[f"{name}_whole"] = round(rows * NEW_TOKENS / whole, 1)
    decoder.release()
    return found


def _prompts(stack: Stack, rows: int) -> list[list[int]]:
    generator = torch.Generator().manual_seed(0)
    words = stack.head.weight.shape[0]
    return torch.randint(0, words, (rows, PROMPT), generator=generator).tolist()


def _seconds(decoder: Decoder, prompts: Sequence[Sequence[int]], most: int, repeats: int) -> float:
    """The median of repeated runs, one before them not counted."""
    times = []
    for _ in range(repeats + 1):
        torch.cuda.synchronize()
        start = time.perf_counter()
        said = decoder.generate(prompts, NOBODY, most)
        torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
        assert all(len(line) == most for line in said)
    return statistics.median(times[1:])


def profile(stack: Stack, rows: int, lean: bool = True) -> dict[str, float]:
    """Each kernel's share of the device's time over 32 new tokens."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as watch

    decoder, prompts = Decoder(stack, lean), _prompts(stack, rows)
    decoder.generate(prompts, NOBODY, 32)
    with watch(activities=[ProfilerActivity.CUDA]) as seen:
        decoder.generate(prompts, NOBODY, 32)
        torch.cuda.synchronize()
    spent: dict[str, float] = defaultdict(float)
    for event in seen.key_averages():
        spent[event.key[:60]] += event.self_device_time_total
    total = sum(spent.values())
    shares = {name: round(time / total, 4) for name, time in spent.items() if time > 0.002 * total}
    return dict(sorted(shares.items(), key=lambda item: -item[1]))


def sweep(stack: Stack, rows: int) -> dict[str, dict[str, float]]:
    """TB/s of each product, by cuBLAS and by tile; all layers in turn, so from memory."""
    kinds: dict[str, list[Group]] = {
        name: [getattr(layer, name) for layer in stack.layers]
        for name in ("qkv", "o", "gate_up", "down")
    }
    found: dict[str, dict[str, float]] = {}
    for name, groups in kinds.items():
        first = groups[0]
        x = torch.randn(rows, first.k, device="cuda", dtype=first.weight.like.dtype)
        parts = torch.randn(rows, 1, first.r, device="cuda")
        size = len(groups) * first.n * first.k * 2

        def plain(groups: list[Group] = groups, x: torch.Tensor = x) -> None:
            for group in groups:
                group.forward(x)

        found[name] = {"cublas": size / _graph_seconds(plain) / 1e12}
        for tile in _tiles(rows):

            def tiled(
                groups: list[Group] = groups, x: torch.Tensor = x, parts: torch.Tensor = parts,
                tile: Tile = tile,
            ) -> None:  # fmt: skip
                for g in groups:
                    product_kernels.product(g.weight.like, x, parts, g.b, g.bias, tile=tile)

            found[name][str(tuple(tile))] = size / _graph_seconds(tiled) / 1e12
        found[name] = dict(sorted(found[name].items(), key=lambda item: -item[1]))
        print(rows, name, {k: round(v, 2) for k, v in found[name].items()}, flush=True)
    return found


def _tiles(rows: int) -> list[Tile]:
    """Outputs, inputs, warps, stages."""
    if rows == 1:
        tried = [(4, 512, 2, 1), (4, 1024, 4, 1), (8, 512, 4, 1), (8, 1024, 8, 1), (16, 256, 4, 1),
                 (16, 512, 4, 1), (16, 512, 8, 1), (8, 512, 4, 3), (16, 256, 4, 4)]  # fmt: skip
    else:
        tried = [(16, 128, 2, 4), (16, 256, 4, 3), (16, 256, 4, 4), (16, 512, 4, 3),
                 (32, 128, 4, 4), (32, 256, 4, 3), (32, 256, 4, 4), (64, 64, 4, 6),
                 (64, 128, 4, 3), (64, 128, 4, 4)]  # fmt: skip
    return [Tile(*values) for values in tried]


def _graph_seconds(run: Callable[[], None]) -> float:
    """Of one replay, by events, the least of five."""
    run()
    torch.cuda.synchronize()
    graph: Any = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    times = []
    for _ in range(6):
        start, end = (
            torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
            for _ in range(2)
        )
        start.record()
        graph.replay()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) / 1e3)
    return float(min(times[1:]))


def build(layers: int, rank: int = 8) -> Stack:
    """Random weights, random adapters on every linear layer, bfloat16, on the GPU."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, Qwen2Config

    torch.manual_seed(0)
    with torch.device("cuda"):
        config = Qwen2Config(**QWEN_7B | {"num_hidden_layers": layers})
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
        settings = LoraConfig(r=rank, target_modules="all-linear", task_type="CAUSAL_LM")
        model = get_peft_model(model.requires_grad_(False), settings)
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.01)
    stack = make_stack(model.get_base_model())
    assert isinstance(stack, Stack), stack
    return stack


def main() -> None:
    """Build, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("plain", "profile", "sweep"):
        parser.add_argument(f"--{name}", action="store_true")
    parser.add_argument("--layers", type=int, default=QWEN_7B["num_hidden_layers"])
    asked = parser.parse_args()
    stack = build(asked.layers)
    if asked.sweep:
        for rows in (1, 16):
            sweep(stack, rows)
    print(json.dumps(measure_decode(stack, not asked.plain)))
    if asked.profile:
        for rows in (1, 16):
            print(json.dumps({f"share_{rows}": profile(stack, rows, not asked.plain)}, indent=1))


if __name__ == "__main__":
    main()
