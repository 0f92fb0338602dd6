"""What TRL's and Unsloth's scripts share: both drive the same trainer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import work


def dataset_of(case: work.Case, learned: str) -> Any:
    """The rows as a dataset; `learned` is "labels", or a mask column that says the same.

    Unsloth pads and never packs where it finds ready labels; a mask keeps both open.
    """
    from datasets import Dataset  # type: ignore[import-not-found,unused-ignore]

    columns = {"input_ids": [row["input_ids"] for row in case.rows]}
    if learned == "labels":
        columns["labels"] = [row["labels"] for row in case.rows]
    else:
        columns[learned] = [[int(x != work.IGNORED) for x in row["labels"]] for row in case.rows]
    return Dataset.from_dict(columns)


def arguments(case: work.Case, out: Path) -> dict[str, Any]:
    """What an SFTConfig gets, in both libraries, for this case."""
    size, accumulate = case.batch
    how: dict[str, Any] = {
        "output_dir": str(out), "learning_rate": work.RATE, "warmup_steps": 2,
        "per_device_train_batch_size": size, "gradient_accumulation_steps": accumulate,
        "num_train_epochs": 1 if case.steady else work.EPOCHS,
        "save_strategy": "no", "report_to": "none", "logging_steps": 5, "seed": 0,
        "dataloader_num_workers": 0, "use_cpu": case.device == "cpu", "disable_tqdm": True,
        "max_length": max(len(row["input_ids"]) for row in case.rows),
    }  # fmt: skip
    if case.steady:
        how["packing"] = True
        how["max_length"] = sum(len(row["input_ids"]) for row in case.packs[0])
    return how


def train(case: work.Case, trainer: Any) -> work.Clock:
    """Train with a clock at every update and a count of every micro-batch the model got."""
    from transformers import TrainerCallback

    clock = work.Clock(case.device)

    class Watch(TrainerCallback):  # type: ignore[misc,unused-ignore]
        """Marks updates, and ends a case that is to be cut short."""

        def on_step_end(self, args: Any, state: Any, control: Any, **more: Any) -> None:
            clock.mark()
            if state.global_step >= case.updates:
                control.should_training_stop = True

    step = trainer.training_step

    def counted(model: Any, inputs: Any, *args: Any, **how: Any) -> Any:
        seen = {n: inputs[n] for n in ("input_ids", "labels", "attention_mask") if n in inputs}
        loss = step(model, inputs, *args, **how)
        clock.saw(seen)
        return loss

    trainer.training_step = counted
    trainer.add_callback(Watch())
    clock.begin()
    trainer.train()
    clock.end()
    return clock
