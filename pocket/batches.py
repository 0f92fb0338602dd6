"""Conversations to token ids, batches and the loss; shared by training and by the LoRA runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedTokenizerBase, Qwen2ForCausalLM

from corpus import Conversation

IGNORED = -100


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids, and as many targets: the id where the model shall learn it, else IGNORED."""

    ids: NDArray[np.int32]
    targets: NDArray[np.int32]


DEFAULT_SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
"""What Qwen2.5's chat template says where a conversation has no system prompt."""


def prompts(conversation: Conversation) -> list[str]:
    """What stands before each answer, exactly as the chat template renders it.

    Written out because the template's engine is far slower than the tokenizer; `check_prompts`
    compares the two.
    """
    system = DEFAULT_SYSTEM if conversation.system is None else conversation.system
    shown = [f"<|im_start|>system\n{system}<|im_end|>\n", *["\n"] * (len(conversation.turns) - 1)]
    return [
        f"{before}<|im_start|>user\n{question}<|im_end|>\n<|im_start|>assistant\n"
        for before, (question, _) in zip(shown, conversation.turns, strict=True)
    ]


def check_prompts(tokenizer: PreTrainedTokenizerBase, conversation: Conversation) -> None:
    """Stop unless the tokenizer's own chat template renders this conversation as we do."""
    messages = [{"role": "system", "content": conversation.system}] * (
        conversation.system is not None
    )
    ours = ""
    for before, (question, answer) in zip(prompts(conversation), conversation.turns, strict=True):
        messages.append({"role": "user", "content": question})
        ours += before
        theirs = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        if ours != theirs:
            raise ValueError(f"the template renders {theirs!r}, we {ours!r}")
        ours += answer + "<|im_end|>"
        messages.append({"role": "assistant", "content": answer})


def encode_all(
    tokenizer: PreTrainedTokenizerBase, conversations: Sequence[Conversation]
) -> list[Encoded]:
    """Learn each answer and its <|im_end|>, nothing else."""
    texts = [
        text
        for row in conversations
        for before, (_, answer) in zip(prompts(row), row.turns, strict=True)
        for text in (before, answer + "<|im_end|>")
    ]
    pieces = iter(tokenizer.backend_tokenizer.encode_batch(texts, add_special_tokens=False))
    rows = []
    for row in conversations:
        ids: list[int] = []
        targets: list[int] = []
        for _ in row.turns:
            new, learned = next(pieces).ids, next(pieces).ids
            ids += new + learned
            targets += [IGNORED] * len(new) + learned
        rows.append(Encoded(np.array(ids, np.int32), np.array(targets, np.int32)))
    return rows


def pad(rows: Sequence[Encoded], padding: int = 0) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Right-padded (ids, targets), both rows x tokens. No mask is needed: attention is causal."""
    width = max(len(row.ids) for row in rows)
    ids = np.full((len(rows), width), padding, np.int16)
    targets = np.full((len(rows), width), IGNORED, np.int16)
    for index, row in enumerate(rows):
        ids[index, : len(row.ids)] = row.ids
        targets[index, : len(row.targets)] = row.targets
    return ids, targets


def to_device(
    batch: tuple[NDArray[np.int16], NDArray[np.int16]], device: str
) -> tuple[Tensor, Tensor]:
    ids, targets = (torch.from_numpy(part).to(device).long() for part in batch)
    return ids, targets


def collate(rows: Sequence[Encoded], device: str) -> tuple[Tensor, Tensor]:
    """A batch of these rows on the device."""
    return to_device(pad(rows), device)


def loss_of(
    model: Qwen2ForCausalLM,
    ids: Tensor,
    targets: Tensor,
    label_smoothing: float = 0.0,
    row_weights: Tensor | None = None,
) -> Tensor:
    """Mean cross-entropy over the learned tokens; the head runs on their positions alone.

    With `row_weights` each row counts by its own mean times its weight, however long it is.
    """
    hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
    wanted = targets[:, 1:]
    learned = wanted != IGNORED
    logits = model.lm_head(hidden[learned]).float()
    if row_weights is None:
        return F.cross_entropy(logits, wanted[learned], label_smoothing=label_smoothing)
    losses = F.cross_entropy(
        logits, wanted[learned], reduction="none", label_smoothing=label_smoothing
    )
    weights = (row_weights / learned.sum(1))[:, None].expand(learned.shape)[learned]
    return (losses * weights).sum() / len(ids)
