"""transformers itself, from a merged folder, in a process of its own: its own loader, tokenizer,
template and ends of an answer, greedily.

A process of its own, because whoever has the folder half written is not the one that may run out of
memory. Where there is no room for float32 it computes in the type that the files have.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from suretune.data.weights import header, weight_files
from suretune.export import apart
from suretune.export.apart import Program, ask_apart
from suretune.export.door import COMPARED, Carried, Conversations, Heard
from suretune.facts import ExportFacts
from suretune.model.device import free_memory
from suretune.refusal import Refusal

PROGRAM = Program("transformers", "suretune.export.plain")
TYPES = {"BF16": "bfloat16", "F16": "float16", "F32": "float32"}
TOGETHER = 32  # conversations that are answered at once
ROOM = 1.2  # of the weights alone: what a model needs beside them


def ask_plain(
    carried: Carried,
    folder: Path,
    conversations: Conversations,
    tokens: int,
) -> Heard:
    """What transformers answers from a merged folder. Raises Refusal where its loader misses a
    tensor, or finds one that it has no place for."""
    request = {
        "folder": str(folder),
        "talks": [[{"role": t.role, "content": t.content} for t in talk] for talk in conversations],
        "tokens": tokens,
        "device": carried.device,
        "dtype": "float32" if has_room(folder, carried.device) else kind_of(folder),
    }
    heard: Mapping[str, Any] = ask_apart(
        "merged",
        PROGRAM,
        request,
        questions=len(conversations),
        seconds=carried.seconds,
    )
    if heard["odd"]:
        found = f"transformers: {', '.join(heard['odd'][:5])}"
        raise Refusal(ExportFacts("export-unlike", "merged", found))
    other = "" if heard["dtype"] == "float32" else heard["dtype"]
    return Heard(
        heard["answers"],
        heard["ids"],
        torch.tensor(heard["logits"]),
        arithmetic=other,
    )


def has_room(folder: Path, device: str) -> bool:
    """Whether the model fits in float32 into what is free of the memory."""
    count = sum(
        math.prod(each.shape) for path in weight_files(folder) for each in header(path).values()
    )
    return ROOM * 4 * count < free_memory(torch.device(device))


def kind_of(folder: Path) -> str:
    """The type that most of its numbers have."""
    counts: Counter[str] = Counter()
    for path in weight_files(folder):
        for each in header(path).values():
            counts[each.dtype] += math.prod(each.shape)
    return TYPES[counts.most_common(1)[0][0]]


def main() -> None:
    """In the process of its own."""
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    asked = apart.asked()
    logging.disable_progress_bar()
    local = {"local_files_only": True, "trust_remote_code": False}
    model, about = AutoModelForCausalLM.from_pretrained(
        asked["folder"],
        dtype=asked["dtype"],
        use_safetensors=True,
        output_loading_info=True,
        **local,
    )
    words = AutoTokenizer.from_pretrained(asked["folder"], **local)
    apart.tell_read()
    model = model.to(asked["device"]).eval()
    prompts = [_ids(words, talk) for talk in asked["talks"]]
    with torch.inference_mode():
        logits = [_last(model, prompt).tolist() for prompt in prompts[:COMPARED]]
        answers = said(model, words, prompts, asked["tokens"])
    odd = [*about["missing_keys"], *about["unexpected_keys"], *about["mismatched_keys"]]
    kind = str(model.dtype).removeprefix("torch.")
    told = {"answers": answers, "ids": prompts, "logits": logits, "dtype": kind}
    apart.tell({**told, "odd": [str(each) for each in odd]})


def _ids(words: Any, talk: Sequence[Any]) -> list[int]:
    text = words.apply_chat_template(
        talk,
        tokenize=False,
        add_generation_prompt=True,
    )
    ids: list[int] = words(text, add_special_tokens=False)["input_ids"]
    return ids


def _last(model: Any, prompt: Sequence[int]) -> Tensor:
    ids = torch.tensor([list(prompt)], device=model.device)
    logits: Tensor = model(input_ids=ids, logits_to_keep=1).logits[0, -1]
    return logits.float().cpu()


def said(
    model: Any,
    words: Any,
    prompts: Sequence[Sequence[int]],
    tokens: int,
) -> list[str]:
    """Greedy answers by `generate`: they end where the folder's generation_config.json says."""
    given, ends = [""] * len(prompts), _ends(model)
    order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))
    for start in range(0, len(order), TOGETHER):
        rows = order[start : start + TOGETHER]
        longest = max(len(prompts[i]) for i in rows)
        ids = torch.zeros(len(rows), longest, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, i in enumerate(rows):
            ids[row, longest - len(prompts[i]) :] = torch.tensor(prompts[i])
            mask[row, longest - len(prompts[i]) :] = 1
        made = model.generate(
            ids.to(model.device),
            attention_mask=mask.to(model.device),
            max_new_tokens=tokens,
            do_sample=False,
            repetition_penalty=1.0,
            pad_token_id=min(ends, default=0),
        )
        for row, i in enumerate(rows):
            answer = made[row, longest:].tolist()
            end = next((at for at, token in enumerate(answer) if token in ends), len(answer))
            given[i] = words.decode(answer[:end], skip_special_tokens=True)
    return given


def _ends(model: Any) -> set[int]:
    """Tokens at which `generate` ends an answer."""
    ends = model.generation_config.eos_token_id
    return set(ends if isinstance(ends, list) else [] if ends is None else [ends])


if __name__ == "__main__":
    main()
