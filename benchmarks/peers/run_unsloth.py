"""Unsloth's FastLanguageModel with its patched SFTTrainer.

    python benchmarks/peers/run_unsloth.py --model FOLDER --rows ROWS.jsonl --out FOLDER --case CASE

As printed: Unsloth's own defaults (its offloading recompute). Best settings: no recompute, 16 rows
at once, padding-free batches or packing as Unsloth chooses itself.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "stand_in"))  # before transformers looks for it

import unsloth  # type: ignore[import-not-found,unused-ignore]  # before transformers and TRL

# isort: split
import torch
import trainer as shared
import work


def main() -> None:
    """One case."""
    case = work.asked_case("unsloth")
    from trl import SFTConfig, SFTTrainer  # type: ignore[import-not-found,unused-ignore]

    cuda = case.device == "cuda"
    how = shared.arguments(case, case.out)
    recompute: bool | str = "unsloth" if not case.best or case.recompute else False
    model, tokenizer = unsloth.FastLanguageModel.from_pretrained(
        str(case.model),
        max_seq_length=max(2048, how["max_length"]),
        load_in_4bit=case.four_bits,
        dtype=torch.bfloat16 if cuda else torch.float32,
    )
    model = unsloth.FastLanguageModel.get_peft_model(
        model, r=work.RANK, lora_alpha=work.ALPHA, lora_dropout=0, bias="none",
        target_modules=work.TARGETS, use_gradient_checkpointing=recompute, random_state=0,
    )  # fmt: skip
    trainer = SFTTrainer(
        model=model,
        processing_class=tokenizer,
        args=SFTConfig(**how, bf16=cuda, completion_only_loss=True, dataset_num_proc=1),
        train_dataset=shared.dataset_of(case, "completion_mask"),
    )
    settings = {
        "attention": "Unsloth's choice, flash_attn there", "recompute": recompute,
        "padding_free": bool(getattr(trainer.args, "padding_free", False)), "batch": case.batch,
    }  # fmt: skip
    clock = shared.train(case, trainer)
    work.finish(case, clock, trainer.model, settings)


if __name__ == "__main__":
    main()
