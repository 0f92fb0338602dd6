"""A run as it goes, on stderr: its stages, its updates, its evaluations."""

from __future__ import annotations

import time
from collections.abc import Callable

from suretune import show
from suretune.events import Answered, Evaluated, Event, Found, Planned, Resumed, Staged, Updated
from suretune.types import Evaluation, Text
from suretune.words import say

STAGES = {
    "base": Text("the base answers", "原模型先作答"),
    "train": Text("training", "训练"),
    "dose": Text("how little of it is enough", "看适配器强度减到多小仍能通过"),
    "proof": Text("proof in a fresh process", "在全新的进程中验证"),
}


DAMAGED = "checkpoint-damaged"  # that a resume passes over
SILENCE = 30.0  # seconds without a line, at least, before one says how many answers there are


class Watch:
    """Shows on stderr what it hears of a run. `counts`: a line now and then while the base answers;
    `clock`: seconds."""

    def __init__(
        self,
        updates: int,
        every: int,
        bar: bool,
        counts: bool = True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.progress = show.Progress(updates, every, bar)
        self.counts, self.clock, self.spoke = counts, clock, clock()
        self.explained = False  # a word of ours says what it means where it first stands

    def on(self, event: Event) -> None:
        """Stages, updates, evaluations, and from where a resumed run goes on; the rest is shown
        with the verdict."""
        match event:
            case Staged():
                self._stage(event.name)
            case Answered() if self.counts and self.clock() - self.spoke >= SILENCE:
                self._answered(event)
            case Planned():  # a budget may have left fewer than the plan that was shown before
                self.progress.expect(event.updates)
                self._cut(event)
            case Updated():
                self.progress.step(event.record)
            case Evaluated():
                self._evaluated(event.found)
            case Found(finding) if finding.name == DAMAGED and not finding.stops:
                show.findings([finding], self.progress.to)
            case Resumed():
                self.progress.note(f"· {say(_goes_on(event.step))}")

    def _stage(self, name: str) -> None:
        self.progress.stop()
        self.progress.note(f"· {say(STAGES[name])}")
        self.spoke = self.clock()
        if name == "train":
            self.progress.start()

    def _answered(self, event: Answered) -> None:
        """How far it is; the answers that are learned along come after the questions."""
        self.spoke = self.clock()
        told = Text(
            f"· the base answers: {event.done:,} of {event.asked:,}",
            f"· 原模型先作答：{event.done:,} / {event.asked:,}",
        )
        if not event.asked:
            told = Text(
                f"· the base answers general questions to be learned along: {event.done:,}",
                f"· 原模型回答锚定问答：{event.done:,}",
            )
        self.progress.note(say(told))

    def _cut(self, plan: Planned) -> None:
        """What a budget left of the plan, and what that may cost."""
        if plan.updates >= plan.before:
            return
        told = Text(
            f"· --budget: {plan.updates:,} of {plan.before:,} updates fit",
            f"· --budget：时间内能完成 {plan.before:,} 次更新中的 {plan.updates:,} 次",
        )
        if plan.updates < plan.settles:
            told = Text(
                f"{told.en}; a model of this width takes {plan.settles} until a new name no longer"
                " leaks into other answers",
                f"{told.zh}；这么宽的模型要 {plan.settles} 次更新，新名字才不再泄漏到别的回答里",
            )
        self.progress.note(say(told))

    def _evaluated(self, found: Evaluation) -> None:
        en, zh = [], []
        if found.held_out_loss is not None:
            en.append(f"held-out loss {found.held_out_loss:.4f}")
            zh.append(f"留出数据的损失 {found.held_out_loss:.4f}")
        if found.asked:
            en.append(f"{found.asked} probes asked, {found.passed} passed")
            zh.append(f"问了 {found.asked} 个验证问题，通过 {found.passed} 个")
        if found.general is not None:
            en.append(f"general questions {found.general:.1%}")
            zh.append(f"通用问题答对 {found.general:.1%}")
        if found.leaked:
            en.append(f"{found.leaked} of these answered with what the rows teach")
            zh.append(f"其中 {found.leaked} 题泄漏了训练内容")
        if found.drift is not None:
            first, self.explained = not self.explained, True
            en.append(f"drift {found.drift:.3f}" + (" (KL from the base)" if first else ""))
            zh.append(
                f"与原模型的差异（KL）{found.drift:.3f}" + ("（越小越接近原模型）" if first else "")
            )
        step, dose = found.step, f"{found.dose:g}"
        when = Text(f"after {step} updates", f"{step} 次更新后")
        if found.dose != 1:
            when = Text(f"at dose {dose}", f"适配器强度 {dose}")
        said = Text(f"· {when.en}: {', '.join(en)}", f"· {when.zh}：{'，'.join(zh)}")
        self.progress.note(say(said))

    def close(self) -> None:
        """The terminal back to normal, whatever happened."""
        self.progress.stop()


def _goes_on(step: int) -> Text:
    """From where; `step` 0: no checkpoint was whole, or none had been written."""
    if not step:
        return Text(
            "no whole checkpoint is there: training begins anew",
            "没有完好的检查点，从头开始训练",
        )
    return Text(f"goes on from update {step}", f"从第 {step} 次更新之后继续")
