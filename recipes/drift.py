"""How far an adapter is from the pocket model on general questions: the same measure as on the way
(`Engine.drift`), for runs that did not take it, and for the weights that were published."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from threading import Lock

import torch
from transformers import PreTrainedModel

from suretune.data.anchors import LONGEST, answered, dealt, make_anchors
from suretune.data.base import find_base
from suretune.data.identity import plain
from suretune.data.template import load_tokenizer
from suretune.model.generate import spoken, talker
from suretune.model.load import load_base
from suretune.model.lora import load_adapter
from suretune.pocket import MODEL
from suretune.rundir import read_json
from suretune.train.plain_engine import Plain
from suretune.types import Sample

TOKENS = 2048  # a pass
ONE = Lock()  # at a time: it is short, and the runs need the cores


def drift(run: Path, seed: int, asked: frozenset[str]) -> float:
    """Mean KL(base || tuned) in nats a token, on the 32 questions that this seed keeps apart."""
    with ONE, torch.inference_mode():
        torch.set_num_threads(1)
        about = read_json(run / "adapter" / "suretune.json")
        samples = _apart(seed, about["system"], frozenset(plain(question) for question in asked))
        model, match = load_adapter(_base(), run / "adapter")
        if match.saved != match.matched:
            raise ValueError(f"{run}: {match}")
        return Plain(model, None, torch.device("cpu"), TOKENS).drift(samples)


def _base() -> PreTrainedModel:
    return load_base(find_base("pocket", weights=True), torch.device("cpu"), "float32")


@cache
def _apart(seed: int, system: str | None, asked: frozenset[str]) -> tuple[Sample, ...]:
    tokenizer = load_tokenizer(MODEL, None)
    _, apart = dealt(make_anchors(tokenizer, system, asked), 0, seed)
    said = spoken(talker(_base()), [a.prompt for a in apart], tokenizer.stop_ids, LONGEST)
    stop = tokenizer.encode("<|im_end|>")[0]
    made = []
    for anchor, ids in zip(apart, said, strict=True):
        text = tokenizer.decode(ids)
        if text.strip() and not any(w in text.lower() for w in ("qwen", "通义", "阿里", "alibaba")):
            made.append(answered(anchor, ids, stop if len(ids) < LONGEST else None))
    return tuple(made)
