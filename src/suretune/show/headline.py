"""What stands beside a report's few numbers: remarks, and the causes of a failure."""

from __future__ import annotations

from collections.abc import Mapping

from suretune import phrases as p
from suretune.phrases import Report, part, several, words


def remarks(report: Report) -> list[str]:
    """What belongs to the few numbers and is too long to stand among them."""
    said = []
    if (found := p.general_counts(report)) is not None:
        counted, before, after, upper = found
        net, most = p.signed(100 * (before - after) / counted), 100 * upper
        said.append(words(
            f"General questions: a net loss of {net} points, at most {most:.1f} by the 95 % bound.",
            f"通用题净丢失 {net} 个百分点，95% 置信上限 {most:.1f}。"))  # fmt: skip
    step, drift = part(report, "kept", "step"), part(report, "kept", "drift")
    if p.is_number(step) and step != len(several(report, "steps")):
        said.append(words(f"Kept: the weights after update {p.count(step)}.",
                          f"保留的是第 {p.count(step)} 次更新后的权重。"))  # fmt: skip
    if p.is_number(drift):
        said.append(words(f"Drift from the base: {drift:.2f} nats.",
                          f"与原模型的差异（KL）{drift:.2f}。"))  # fmt: skip
    if why := report.get("stopped_early"):
        said.append(
            words("Training stopped: ", "训练提前结束：") + say(Text(**why)) + words(".", "。")
        )
    return said


def causes(report: Report) -> list[tuple[str, str, str]]:
    """(code and name, what happened, what to do) of each reason; empty where nothing is known."""
    found = {str(f.get("code")): f for f in several(report, "findings") if isinstance(f, Mapping)}
    return [
        (str(reason), p.told(part(about, "what")), p.told(part(about, "fix")))
        for reason in several(report, "reasons")
        for about in [found.get(str(reason).partition(" ")[0])]
    ]
