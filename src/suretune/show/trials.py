"""The trials of a sweep: a line each on the way, a table at the end, the best as a command."""

from __future__ import annotations

from collections.abc import Callable
from statistics import fmean

from rich.console import Console
from rich.table import Table
from rich.text import Text as Styled

from suretune import phrases as p
from suretune import typed
from suretune.guards import heading_of
from suretune.phrases import Report, several, words
from suretune.show.console import pairs, progress, put, results, safe
from suretune.words import say


def trial(line: Report, done: int, of: int) -> None:
    """One trial that has ended."""
    values = " ".join(f"{name}={word}" for name, word in line["setting"].items())
    put(progress(), safe(f"{done}/{of}  ").append_text(_state(line)).append(f"  {values}"))


def trials(told: Report, to: Console | None = None) -> None:
    """All of them, the best first, and what to type."""
    to = to or results()
    lines = sorted(several(told, "trials"), key=lambda one: -(one["score"] or 0))
    names = list(dict.fromkeys(name for one in lines for name in one["setting"]))
    heads = (
        words("probes", "验证问题"),
        words("skill lost", "通用能力下降"),
        words("updates", "更新"),
        words("time", "用时"),
    )
    table = Table(
        box=None,
        padding=(0, 2, 0, 0),
        pad_edge=False,
        header_style="dim",
    )
    for name in (words("trial", "试验"), words("verdict", "结论"), *names):
        table.add_column(name, overflow="fold")
    for name in heads:
        table.add_column(name, justify="right")
    for one in lines:
        chosen = [safe(one["setting"].get(name, "")) for name in names]
        table.add_row(
            str(one["trial"]),
            _state(one),
            *chosen,
            *_figures(one),
        )
    if to.measure(table, options=to.options.update(width=1000)).maximum <= to.width:
        put(to, table, "")
    else:
        for one in lines:
            put(to, Styled(f"{one['trial']}  ").append_text(_state(one)))
            facts = [*one["setting"].items(), *zip(heads, _figures(one), strict=True)]
            put(to, pairs(to, [(name, safe(value)) for name, value in facts]))
        put(to, "")
    put(
        to,
        safe(words("study  ", "搜索记录  ") + str(told.get("study"))),
        wrap=False,
    )
    if told.get("command"):
        put(to, safe(words("the best of them", "其中最好的"), "dim"))
        put(
            to,
            safe(f"  {typed.in_language(typed.command(*told['command']))}", "bold"),
            wrap=False,
        )


def _state(line: Report) -> Styled:
    """Sealed, by how many of the seeds; or what stopped it."""
    runs = several(line, "runs")
    if line["state"] != "judged":
        reasons = dict.fromkeys(reason for run in runs for reason in run["reasons"])
        word = words("stopped", "已停止") if line["state"] == "stopped" else words("failed", "失败")
        told = [say(heading_of(reason)) for reason in reasons]
        return safe(f"✗ {word}{words(': ', '：')}{words(', ', '、').join(told)}", "red")
    of = f" {line['sealed']}/{len(runs)}" if len(runs) > 1 else ""
    if line["sealed"] == len(runs):
        return safe(f"✓ {words('sealed', '通过')}{of}", "green")
    return safe(f"· {words('not sealed', '未通过')}{of}", "yellow")


def _figures(line: Report) -> list[str]:
    """Means over the seeds."""
    if line["state"] != "judged":
        return ["", "", "", ""]
    forms: list[tuple[str, Callable[[float], str]]] = [
        ("probes", p.percent),
        ("skill_lost", lambda share: f"{100 * share:.1f}"),
        ("updates", lambda number: f"{number:g}"),
        ("seconds", p.duration),
    ]
    shown = []
    for key, form in forms:
        known = [run[key] for run in line["runs"] if run[key] is not None]
        shown.append(form(round(fmean(known), 4)) if known else p.not_measured())
    return shown
