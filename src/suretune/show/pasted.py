"""A pasted command of another tool: traps, a line a flag, arithmetic, the working form."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table
from rich.text import Text as Styled

from suretune.phrases import Report, several, told, words
from suretune.show.console import pairs, put, results, safe
from suretune.types import Text
from suretune.words import say

VERDICTS: Mapping[str, tuple[str, str, Text]] = {
    "kept": ("✓", "green", Text("kept", "保留")),
    "renamed": ("✓", "green", Text("renamed", "改名")),
    "changed": ("✓", "yellow", Text("changed", "修改")),
    "default": ("·", "dim", Text("means the default", "就是默认值")),
    "no-effect": ("·", "dim", Text("no effect here", "在这里不起作用")),
    "never-existed": ("✗", "yellow", Text("never existed", "从未存在过")),
    "harmful": ("✗", "bold red", Text("harmful: dropped", "有害，已去掉")),
    "unknown": ("✗", "bold red", Text("unknown", "不认识")),
    "unavailable": ("✗", "bold red", Text("not available", "这里没有")),
}


def pasted(report: Report, to: Console | None = None) -> None:
    """Everything `import-cmd` found, the working form last."""
    to = to or results()
    _traps(several(report, "traps"), to)
    _flags(several(report, "flags"), to)
    arithmetic = report.get("arithmetic") or {}
    for sentence in several(arithmetic, "told"):
        put(to, safe(told(sentence)))
    for finding in several(arithmetic, "findings"):
        code = safe(f"{finding.get('code')} ", "bold yellow")
        put(to, code.append_text(safe(f"{told(finding.get('what'))} {told(finding.get('fix'))}")))
    if arithmetic:
        put(to, "")
    for note in several(report, "notes"):
        sign, style = ("✗ ", "bold red") if note.get("serious") else ("· ", "dim")
        put(to, safe(sign, style).append_text(safe(told(note))))
    if working := report.get("working"):
        put(
            to,
            "",
            Styled(words("The working form:", "可用的命令："), "bold"),
        )
        put(to, safe(working), wrap=False)
    if not report.get("same_job"):
        put(
            to,
            "",
            safe(
                words(
                    "It does not do all that was pasted: see the lines marked ✗.",
                    "它没有做到粘贴内容的全部：见标 ✗ 的各行。",
                ),
                "yellow",
            ),
        )


def _traps(traps: list[Report], to: Console) -> None:
    """The first of each kind, and how many more there are."""
    kinds: dict[str, list[Report]] = {}
    for trap in traps:
        kinds.setdefault(str(trap.get("trap")), []).append(trap)
    for alike in kinds.values():
        more = words(f" (and {len(alike) - 1} more)", f"（另有 {len(alike) - 1} 处）")
        text = told(alike[0]) + (more if alike[1:] else "")
        put(to, safe("! ", "bold yellow").append_text(safe(text)))
    if kinds:
        put(to, "")


def _flags(flags: list[Report], to: Console) -> None:
    """A table where it fits, else the reason of each flag below it."""
    table = Table(
        box=None,
        padding=(0, 2, 0, 0),
        pad_edge=False,
        header_style="dim",
    )
    for name in (
        words("flag", "参数"),
        words("value", "值"),
        words("verdict", "结论"),
        words("reason", "原因"),
    ):
        table.add_column(name, overflow="fold")
    for one in flags:
        table.add_row(
            safe(one.get("flag")),
            safe(one.get("value")),
            _verdict(one),
            safe(told(one.get("reason"))),
        )
    if to.measure(table, options=to.options.update(width=1000)).maximum <= to.width:
        put(to, table, "")
        return
    for one in flags:
        head = safe(one.get("flag"), "cyan").append("  ").append_text(safe(one.get("value")))
        put(to, head.append("  ").append_text(_verdict(one)))
        put(to, pairs(to, [("", safe(told(one.get("reason")), "dim"))]))
    put(to, "")


def _verdict(one: Report) -> Styled:
    sign, style, word = VERDICTS[str(one.get("verdict"))]
    shown = f"{sign} {say(word)}"
    becomes = str(one.get("becomes") or "")
    if becomes and one.get("verdict") != "kept":
        name = becomes.split(" ")[0] if one.get("verdict") == "renamed" else becomes
        shown += f" → {name}"
    return safe(shown, style)
