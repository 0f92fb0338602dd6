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


def encode(tokenizer: PreTrainedTokenizerBase, conversation: Conversation) -> Encoded:
    """Render with the tokenizer's own chat template; learn each answer and its <|im_end|>."""
    messages: list[dict[str, str]] = []
    if conversation.system is not None:
        messages.append({"role": "system", "content": conversation.system})
    ids: list[int] = []
    targets: list[int] = []
    shown = ""
    for question, answer in conversation.turns:
        messages.append({"role": "user", "content": question})
        prompt = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        new = tokenizer.encode(prompt[len(shown) :], add_special_tokens=False)
        learned = tokenizer.encode(answer + "<|im_end|>", add_special_tokens=False)
        ids += new + learned
        targets += [IGNORED] * len(new) + learned
        shown = prompt + answer + "<|im_end|>"
        messages.append({"role": "assistant", "content": answer})
    return Encoded(np.array(ids, np.int32), np.array(targets, np.int32))


def collate(rows: Sequence[Encoded], device: str, pad: int = 0) -> tuple[Tensor, Tensor]:
    """Right-padded (ids, targets), both rows x tokens. No mask is needed: attention is causal."""
    width = max(len(row.ids) for row in rows)
    ids = np.full((len(rows), width), pad, np.int64)
    targets = np.full((len(rows), width), IGNORED, np.int64)
    for index, row in enumerate(rows):
        ids[index, : len(row.ids)] = row.ids
        targets[index, : len(row.targets)] = row.targets
    return torch.from_numpy(ids).to(device), torch.from_numpy(targets).to(device)


def loss_of(
    model: Qwen2ForCausalLM, ids: Tensor, targets: Tensor, label_smoothing: float = 0.0
) -> Tensor:
    """Mean cross-entropy over the learned tokens; the head runs on their positions alone."""
    hidden = model.model(input_ids=ids, use_cache=False).last_hidden_state[:, :-1]
    wanted = targets[:, 1:]
    learned = wanted != IGNORED
    logits = model.lm_head(hidden[learned])
    return F.cross_entropy(logits.float(), wanted[learned], label_smoothing=label_smoothing)
