"""What stands beside a report's few numbers: remarks, and the causes of a failure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from suretune import phrases as p
from suretune import report_words
from suretune.labels import FIX, WHY
from suretune.phrases import Report, part, several, words
from suretune.types import Text


def net_loss(report: Report) -> str:
    """What was lost less what was gained; empty where too few questions count."""
    if (found := report_words.general_counts(report)) is None:
        return ""
    counted, before, after, upper = found
    net, most = p.signed(100 * (before - after) / counted), 100 * upper
    return words(
        f"net loss {net} points, at most {most:.1f} by the 95 % bound",
        f"净损失 {net} 个百分点，95% 置信上限 {most:.1f}",
    )


def remarks(report: Report) -> list[str]:
    """What belongs to the few numbers and is too long to stand among them."""
    step, drift = part(report, "kept", "step"), part(report, "general", "drift")
    why, said = p.told(report.get("stopped_early")), []
    if lost := net_loss(report):
        said.append(words(f"General questions: {lost}.", f"通用问题{lost}。"))
    if p.is_number(step) and step != len(several(report, "steps")):
        kept = p.count(step)
        said.append(words(f"Kept: update {kept}.", f"保留的是第 {kept} 次更新后的权重。"))
    if p.is_number(drift):
        said.append(
            words(
                f"Drift (KL from the base): {drift:.3f} nats a token; 0 is the base itself.",
                f"与原模型的差异（KL）{drift:.3f}，越小越接近原模型。",
            )
        )
    if why:
        said.append(words(f"Training stopped: {why}.", f"训练提前结束：{why}。"))
    return said


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a run has no seal: `name` is the finding's code and name, the rest its three texts."""

    name: str
    what: str
    why: str
    fix: str

    def more(self) -> list[tuple[Text, str]]:
        """Why it matters and what to do, with their labels, as far as they are known."""
        return [(label, said) for label, said in ((WHY, self.why), (FIX, self.fix)) if said]


def causes(report: Report) -> list[Cause]:
    """The finding of each reason; its texts are empty where nothing is known."""
    found = {str(f.get("code")): f for f in several(report, "findings") if isinstance(f, Mapping)}
    return [
        Cause(str(reason), *(p.told(part(about, key)) for key in ("what", "why", "fix")))
        for reason in several(report, "reasons")
        for about in [found.get(str(reason).partition(" ")[0])]
    ]
