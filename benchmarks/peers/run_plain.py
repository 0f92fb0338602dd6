"""A plain loop: transformers, PEFT, AdamW; what a careful user writes by hand.

    python benchmarks/peers/run_plain.py --model FOLDER --rows ROWS.jsonl --out FOLDER --case packed

Best settings: adapters in bf16, rows laid end to end without padding over FlashAttention-2, Liger's
kernels, 16 rows an update at once. `--case decode` times `generate` with the adapter attached.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "stand_in"))  # before transformers looks for it

import torch
import work

NEW_TOKENS = 128


def load(case: work.Case) -> tuple[Any, dict[str, Any]]:
    """The base with adapters on it, and what was chosen."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    attention = "flash_attention_2" if case.best and case.device == "cuda" else "sdpa"
    if case.decode:
        attention = "sdpa"
    if case.liger and not case.decode:
        from liger_kernel.transformers import (  # type: ignore[import-not-found,unused-ignore]
            apply_liger_kernel_to_qwen2,
        )

        apply_liger_kernel_to_qwen2()
    base = AutoModelForCausalLM.from_pretrained(
        case.model, dtype=torch.bfloat16, device_map=case.device, attn_implementation=attention
    )
    lora = LoraConfig(
        r=work.RANK, lora_alpha=work.ALPHA, target_modules=work.TARGETS, task_type="CAUSAL_LM"
    )
    model = get_peft_model(base, lora, autocast_adapter_dtype=not case.best)
    if case.recompute:
        model.enable_input_require_grads()
        model.gradient_checkpointing_enable({"use_reentrant": False})
    settings = {
        "attention": attention, "liger": case.liger, "recompute": case.recompute,
        "adapters": "bfloat16" if case.best else "float32", "batch": case.batch,
    }  # fmt: skip
    return model, settings


def batches(case: work.Case) -> Any:
    """Micro-batches: rows one by one, or laid end to end."""
    if case.steady:
        yield from (work.flat(pack, case.device) for pack in case.packs[: case.updates])
        return
    for rows in work.epochs(case.rows, case.batch[0]):
        if case.best:
            yield work.flat(rows, case.device)
        else:
            tensors = {n: torch.tensor([v], device=case.device) for n, v in rows[0].items()}
            yield tensors | {"attention_mask": torch.ones_like(tensors["input_ids"])}


def train(case: work.Case, model: Any) -> work.Clock:
    """Updates one after the other; the loss of an update is the mean over its learned tokens."""
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(
        trained, lr=work.RATE, weight_decay=0.0, fused=case.device == "cuda"
    )
    clock, source = work.Clock(case.device), batches(case)
    model.train()
    clock.begin()
    for update in range(case.updates):
        number = case.micro_batches(update + 1) - case.micro_batches(update)
        todo = [next(source) for _ in range(number)]
        learned = sum(work.count(batch)[1] for batch in todo)
        for batch in todo:
            loss = model(**batch, num_items_in_batch=learned, use_cache=False).loss
            loss.backward()
            clock.saw(batch)
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        clock.mark()
    clock.end()
    return clock


def decode(case: work.Case, model: Any) -> dict[str, Any]:
    """Tokens a second of `generate`, one stream and sixteen at once; the first call is warm-up."""
    model.eval()
    prompt = torch.tensor(case.rows[0]["input_ids"][:32], device=case.device)
    told: dict[str, Any] = {"peer": case.peer, "case": "decode", "versions": work.versions()}
    how = {"min_new_tokens": NEW_TOKENS, "max_new_tokens": NEW_TOKENS, "do_sample": False}
    for name, streams in (("one", 1), ("sixteen", 16)):
        ids = prompt[None].repeat(streams, 1)
        for _ in range(2):
            start = time.perf_counter()
            made = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), **how)
            made.cpu()  # waits for the device
            seconds = time.perf_counter() - start
        told[name] = round(streams * NEW_TOKENS / seconds, 1)
    told["device"] = torch.cuda.get_device_name() if case.device == "cuda" else "cpu"
    return told


def main() -> None:
    """One case."""
    case = work.asked_case("plain", more=("decode",))
    torch.manual_seed(0)
    model, settings = load(case)
    if case.decode:
        print(json.dumps(decode(case, model)), flush=True)
    else:
        work.finish(case, train(case, model), model, settings)


if __name__ == "__main__":
    main()
