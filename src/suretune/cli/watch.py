"""A run as it goes, on stderr: its stages, its updates, its evaluations."""

from __future__ import annotations

from suretune import show
from suretune.types import StepRecord, Text
from suretune.words import say

STAGES = {
    "base": Text("the base answers", "基座模型先作答"),
    "train": Text("training", "训练"),
    "proof": Text("proof in a fresh process", "在全新的进程中验证"),
}


class Watch:
    """Shows what `train_and_prove` tells it."""

    def __init__(self, updates: int, every: int, bar: bool) -> None:
        self.progress = show.Progress(updates, every, bar)

    def stage(self, name: str) -> None:
        self.progress.stop()
        self.progress.note(f"· {say(STAGES[name])}")
        if name == "train":
            self.progress.start()

    def step(self, record: StepRecord) -> None:
        self.progress.step(record)

    def evaluated(self, step: int, loss: float) -> None:
        said = Text(
            f"· held-out loss after {step} updates: {loss:.4f}",
            f"· {step} 次更新后的留出损失:{loss:.4f}",
        )
        self.progress.note(say(said))

    def close(self) -> None:
        """The terminal back to normal, whatever happened."""
        self.progress.stop()
