"""TRL's SFTTrainer.

    python benchmarks/peers/run_trl.py --model FOLDER --rows ROWS.jsonl --out FOLDER --case articles

As printed: TRL's own defaults (recompute on, float32 adapters under autocast). Best settings: no
recompute, everything in bf16, FlashAttention-2 with padding-free batches or packing, and Liger's
kernels where rows are long (for short ones they are slower than TRL's own loss).

Full fine-tuning in the two usual ways, whole layers computed again as TRL does of itself: `full`
keeps weights and moments in float32 and multiplies in bf16 (autocast), `full-bf16` keeps both in
bf16, where most of a small update is rounded away.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent / "stand_in"))  # before transformers looks for it

import torch
import trainer as shared
import work


def model_of(case: work.Case, attention: str) -> Any:
    """The base with bf16 adapters: what `peft_config` cannot ask for. Or itself, to be learned."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    base = AutoModelForCausalLM.from_pretrained(
        case.model, dtype=torch.float32 if case.name == "full" else torch.bfloat16,
        device_map=case.device, attn_implementation=attention,
        quantization_config=work.in_four_bits() if case.four_bits else None,
    )  # fmt: skip
    if case.whole:
        return base
    lora = LoraConfig(
        r=work.RANK, lora_alpha=work.ALPHA, target_modules=work.TARGETS, task_type="CAUSAL_LM"
    )
    return get_peft_model(base, lora, autocast_adapter_dtype=not case.best)


def whole_settings(trainer: Any) -> dict[str, Any]:
    """Which of the two ways it was, read off what was trained."""
    learned = [p for p in trainer.model.parameters() if p.requires_grad]
    moments = [state["exp_avg"] for state in trainer.optimizer.state.values()]
    kinds = {"weights": kinds_of(learned), "moments": kinds_of(moments)}
    return {
        "adapters": None, **kinds, "autocast": bool(trainer.args.bf16),
        "optim": str(trainer.args.optim.value), "learned": sum(p.numel() for p in learned),
    }  # fmt: skip


def kinds_of(tensors: list[torch.Tensor]) -> str:
    return ", ".join(sorted({str(x.dtype).removeprefix("torch.") for x in tensors}))


def main() -> None:
    """One case."""
    case = work.asked_case("trl", more=work.WHOLE)
    from trl import SFTConfig, SFTTrainer  # type: ignore[import-not-found,unused-ignore]

    cuda = case.device == "cuda"
    attention = "flash_attention_2" if case.best and cuda else "sdpa"
    liger = case.liger and case.steady
    how = shared.arguments(case, case.out)
    how |= {"use_liger_kernel": liger, "bf16": (case.whole or not case.best) and cuda}
    if case.best:
        how["gradient_checkpointing"] = case.recompute
    if case.best and not case.steady:
        how |= {"padding_free": True, "max_length": None}
    trainer = SFTTrainer(
        model=model_of(case, attention),
        args=SFTConfig(**how),
        train_dataset=shared.dataset_of(case, "labels"),
    )
    settings = {
        "attention": attention, "liger": liger, "recompute": trainer.args.gradient_checkpointing,
        "adapters": "bfloat16" if case.best else "float32", "batch": case.batch,
    }  # fmt: skip
    clock = shared.train(case, trainer)
    if case.whole:
        settings |= whole_settings(trainer)
    work.finish(case, clock, trainer.model, settings)


if __name__ == "__main__":
    main()
