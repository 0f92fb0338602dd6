"""Answers: a batch of prompts in, token ids out, one step at a time.

The same functions serve probes, chat and proof. A `Decoder` answers by itself (CUDA); for any other
model, and as the reference, transformers does: prompts of different lengths are padded on the left,
and a finished row leaves the batch. Greedy unless a temperature is given.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from suretune.data.deal import deal
from suretune.data.template import ChatTokenizer
from suretune.model.attention import answering_attention, mixing
from suretune.model.decode import Decoder
from suretune.model.sampling import pick
from suretune.model.stack import Stack, make_stack
from suretune.model.tuned import inner

BATCH = 128  # prompts that are answered at once

Talker = nn.Module | Decoder  # who answers in this process


Prompts = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class Many:
    """`size` processes that answer as one.

    each: (prompts of every process, stop ids, new tokens at most) -> the answers of every process.
    """

    size: int
    each: Callable[[Sequence[Prompts], frozenset[int], int], Sequence[Prompts]]

    def say(
        self,
        prompts: Prompts,
        stop_ids: frozenset[int],
        most: int,
    ) -> list[list[int]]:
        """See `spoken`: every prompt is answered by one process, and none twice."""
        if not prompts:
            return []
        shares = deal([len(prompt) + most for prompt in prompts], self.size)
        parts = [[prompts[place] for place in share] for share in shares]
        said: list[list[int]] = [[] for _ in prompts]
        for share, given in zip(shares, self.each(parts, stop_ids, most), strict=True):
            for place, ids in zip(share, given, strict=True):
                said[place] = list(ids)
        return said


Asked = Talker | Many  # whom one can ask
_hears: ContextVar[Callable[[int], None] | None] = ContextVar("hears", default=None)


@contextmanager
def counting(hear: Callable[[int], None]) -> Iterator[None]:
    """Inside, `hear` is told at every step of `spoken` how many answers have ended since the last
    one. A decoder, which answers in no time, tells nothing."""
    before = _hears.set(hear)
    try:
        yield
    finally:
        _hears.reset(before)


class NotFinite(ArithmeticError):
    """Among the scores of the next token none is the largest: they are no finite numbers."""


def talker(model: nn.Module) -> Talker:
    """A decoder for a model on CUDA that can have one, else the model itself.

    Its adapters, if any, are read once: after a change of theirs call `stack.refresh()`.
    """
    if next(model.parameters()).device.type != "cuda":
        return model
    stack = make_stack(inner(model), learning=False)
    return Decoder(stack) if isinstance(stack, Stack) else model


def device_of(model: Talker) -> torch.device:
    """Where it computes."""
    if isinstance(model, Decoder):
        return model.device
    device: torch.device = next(model.parameters()).device
    return device


@contextmanager
def answering(model: Talker) -> Iterator[None]:
    """Evaluation mode with attention that knows a cache; training's comes back afterwards."""
    if isinstance(model, Decoder):
        yield
        return
    config: Any = model.config
    attention, training = config._attn_implementation, model.training
    model.set_attn_implementation(answering_attention(type(inner(model))))  # type: ignore[operator]
    model.eval()
    try:
        yield
    finally:
        model.set_attn_implementation(attention)  # type: ignore[operator]
        model.train(training)


@torch.inference_mode()
def stream(
    model: Talker,
    prompts: Sequence[Sequence[int]],
    stop_ids: frozenset[int],
    max_new_tokens: int,
    temperature: float = 0.0,
    top_p: float = 1.0,
    generator: torch.Generator | None = None,
    *,
    strict: bool = False,
) -> Iterator[list[tuple[int, int]]]:
    """Yields, per step, (prompt index, new token id) of every row that is still talking.

    A stop token ends its row and is not yielded. Call within `answering(model)`. `strict`: raises
    NotFinite where any token would do; a decoder, which looks ahead, only at the first one.
    """
    if isinstance(model, Decoder):
        if strict:
            _finite(model.last_logits(prompts))
        yield from model.stream(prompts, stop_ids, max_new_tokens, temperature, top_p, generator)
        return
    device = next(model.parameters()).device
    stops = torch.tensor(sorted(stop_ids), device=device)
    ids, mask = _left_padded(prompts, device)
    rows = torch.arange(len(prompts), device=device)
    cache = _cache_for(model)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    for _ in range(max_new_tokens):
        out = model(
            input_ids=ids,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        if strict:
            _finite(out.logits[:, -1])
        token = pick(out.logits[:, -1], temperature, top_p, generator)
        going = ~torch.isin(token, stops)
        if not going.all():
            keep = going.nonzero()[:, 0]
            token, rows, mask, positions = token[keep], rows[keep], mask[keep], positions[keep]
            if not len(keep):
                return
            _keep_rows(cache, keep)
        yield list(zip(rows.tolist(), token.tolist(), strict=True))
        ids = token[:, None]
        mask = torch.cat([mask, mask.new_ones(len(mask), 1)], dim=1)
        positions = positions[:, -1:] + 1


def _cache_for(model: nn.Module) -> DynamicCache:
    """Layers that carry a state have a place for it only where the cache knows of them."""
    own = inner(model)
    return DynamicCache(config=own.config) if mixing(own) else DynamicCache()


def _keep_rows(cache: DynamicCache, rows: Tensor) -> None:
    """Only these rows (int64) of every layer's keys, values and states."""
    for layer in cache.layers:
        if hasattr(
            layer, "conv_states"
        ):  # which selects by the way in which beams are put in order
            layer.reorder_cache(rows)
        else:
            layer.batch_select_indices(rows)


def _finite(logits: Tensor) -> None:
    """Tokens may be ruled out by minus infinity; the largest shows whether any is no number."""
    if not logits.amax(-1).isfinite().all():
        raise NotFinite


def _left_padded(prompts: Sequence[Sequence[int]], device: torch.device) -> tuple[Tensor, Tensor]:
    """(ids, mask), both (B, longest) int64."""
    longest = max(map(len, prompts))
    ids = torch.zeros(len(prompts), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = torch.tensor(prompt)
        mask[row, longest - len(prompt) :] = 1
    return ids.to(device), mask.to(device)


def answers(
    model: Asked,
    tokenizer: ChatTokenizer,
    prompts: Sequence[Sequence[int]],
    max_new_tokens: int,
) -> list[str]:
    """Greedy answers to many prompts, in their order."""
    said = spoken(model, prompts, tokenizer.stop_ids, max_new_tokens)
    return [tokenizer.decode(ids) for ids in said]


def spoken(
    model: Asked,
    prompts: Sequence[Sequence[int]],
    stop_ids: frozenset[int],
    max_new_tokens: int,
) -> list[list[int]]:
    """The token ids of greedy answers, without the stop token."""
    if isinstance(model, Many):
        return model.say(prompts, stop_ids, max_new_tokens)
    if isinstance(model, Decoder):
        return model.generate(prompts, stop_ids, max_new_tokens)
    given: list[list[int]] = [[] for _ in prompts]
    # Prompts of similar length share a batch, so little is padded.
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    with answering(model):
        for start in range(0, len(order), BATCH):
            batch = order[start : start + BATCH]
            chosen = [prompts[i] for i in batch]
            talking = len(batch)
            for step in stream(model, chosen, stop_ids, max_new_tokens):
                for row, token in step:
                    given[batch[row]].append(token)
                count(talking - len(step))
                talking = len(step)
            count(talking)
    return given


def count(ended: int) -> None:
    """Tell whoever is `counting` that so many answers have ended."""
    hear = _hears.get()
    if hear is not None:
        hear(ended)


@torch.inference_mode()
def last_logits(model: Talker, prompts: Sequence[Sequence[int]]) -> Tensor:
    """(prompts, V) float32 on the CPU: the logits behind each prompt, each computed alone."""
    if isinstance(model, Decoder):
        return model.last_logits(prompts)
    device = next(model.parameters()).device
    with answering(model):
        rows = [
            model(input_ids=torch.tensor([list(p)], device=device), logits_to_keep=1).logits[0, -1]
            for p in prompts
        ]
    return torch.stack(rows).float().cpu()
