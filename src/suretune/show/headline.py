"""What stands beside a report's few numbers: remarks, and the causes of a failure."""

from __future__ import annotations

from collections.abc import Mapping

from suretune import phrases as p
from suretune.guards import heading_of
from suretune.phrases import Report, part, several, words
from suretune.words import say


def net_loss(report: Report) -> str:
    """What was lost less what was gained; empty where too few questions count."""
    if (found := p.general_counts(report)) is None:
        return ""
    counted, before, after, upper = found
    net, most = p.signed(100 * (before - after) / counted), 100 * upper
    return words(
        f"net loss {net} points, at most {most:.1f} by the 95 % bound",
        f"净丢失 {net} 个百分点，95% 置信上限 {most:.1f}",
    )


def remarks(report: Report) -> list[str]:
    """What belongs to the few numbers and is too long to stand among them."""
    step, drift = part(report, "kept", "step"), part(report, "kept", "drift")
    why, said = p.told(report.get("stopped_early")), []
    if lost := net_loss(report):
        said.append(words(f"General questions: {lost}.", f"通用题{lost}。"))
    if p.is_number(step) and step != len(several(report, "steps")):
        kept = p.count(step)
        said.append(words(f"Kept: update {kept}.", f"保留的是第 {kept} 次更新后的权重。"))
    if p.is_number(drift):
        said.append(words(f"Drift: {drift:.2f} nats.", f"与原模型的差异（KL）{drift:.2f}。"))
    if why:
        said.append(words(f"Training stopped: {why}.", f"训练提前结束：{why}。"))
    return said


def causes(report: Report) -> list[tuple[str, str, str]]:
    """(code and title, what happened, what to do) of each reason; empty where nothing is known."""
    found = {str(f.get("code")): f for f in several(report, "findings") if isinstance(f, Mapping)}
    return [
        (say(heading_of(str(reason))), p.told(part(about, "what")), p.told(part(about, "fix")))
        for reason in several(report, "reasons")
        for about in [found.get(str(reason).partition(" ")[0])]
    ]
