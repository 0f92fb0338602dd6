"""The updates as they are made: one live bar on a terminal, plain lines anywhere else."""

from __future__ import annotations

from collections import deque
from typing import Any

from rich import progress as bars
from rich.console import Console
from rich.text import Text as Styled

from suretune import phrases as p
from suretune.phrases import words
from suretune.show.console import progress, put, safe
from suretune.types import StepRecord

RECENT = 20  # updates that the time left is reckoned from


class Progress:
    """The updates as they are made: one live bar on a terminal, plain lines anywhere else."""

    def __init__(
        self,
        updates: int,
        every: int = 1,
        bar: bool = True,
        to: Console | None = None,
    ) -> None:
        self.updates = updates
        self.every = every
        self.to = to or progress()
        self.recent: deque[StepRecord] = deque(maxlen=RECENT)
        self.bar = _bar(self.to) if bar and self.to.is_terminal else None
        self.task = bars.TaskID(0)

    def start(self) -> None:
        """Show the bar, on a terminal."""
        if self.bar:
            self.task = self.bar.add_task(
                "",
                total=self.updates,
                loss="",
                rate="",
                speed="",
                left="",
            )
            self.bar.start()

    def expect(self, updates: int) -> None:
        """Of so many updates in all, not of as many as was thought."""
        self.updates = updates
        if self.bar and self.bar.tasks:
            self.bar.update(self.task, total=updates)

    def step(self, record: StepRecord) -> None:
        """Show one update: on a terminal always, else every `every` updates and the last."""
        self.recent.append(record)
        now = self._now(record)
        if self.bar:
            self.bar.update(self.task, completed=record.step, **now)
        elif record.step % self.every == 0 or record.step == self.updates:
            step = f"{words('update', '更新')} {record.step}/{self.updates}"
            epoch = f"{words('epoch', '轮')} {record.epoch:.2f}"
            norm = f"{words('gradient', '梯度')} {record.grad_norm:.3g}"
            text = "  ".join(
                (step, epoch, now["loss"], norm, now["rate"], now["speed"], now["left"])
            )
            put(self.to, Styled(text), wrap=False)

    def note(self, text: str) -> None:
        """A line of its own between the updates: an evaluation, a checkpoint."""
        put(self.to, safe(text), wrap=False)

    def stop(self) -> None:
        """Take the bar away."""
        if self.bar:
            self.bar.stop()

    def __enter__(self) -> Progress:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _now(self, record: StepRecord) -> dict[str, Any]:
        """Loss, learning rate, tokens per second and time left, in words."""
        seconds = sum(r.seconds for r in self.recent)
        speed = sum(r.tokens for r in self.recent) / seconds if seconds else None
        left = seconds / len(self.recent) * (self.updates - record.step)
        return {
            "loss": f"{words('loss', '损失')} {record.loss:.4f}",
            "rate": f"{words('rate', '学习率')} {record.learning_rate:.2e}",
            "speed": f"{p.count(speed)} {words('tokens/s', 'token/秒')}",
            "left": f"{words('left', '剩余')} {p.duration(left)}",
        }


def _bar(to: Console) -> bars.Progress:
    """A bar that fits: a narrow terminal does without learning rate and speed."""
    fields = ("loss", "rate", "speed", "left") if to.width >= 90 else ("loss", "left")
    columns = [bars.TextColumn(f"{{task.fields[{name}]}}", markup=False) for name in fields]
    # stdout belongs to results: the bar must not redirect it to its own stream.
    return bars.Progress(
        bars.BarColumn(bar_width=None),
        bars.MofNCompleteColumn(),
        *columns,
        console=to,
        expand=True,
        redirect_stdout=False,
        redirect_stderr=False,
    )
