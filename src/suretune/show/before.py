"""What is known before training: findings, datasets, plan, settings."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text as Styled

from suretune import labels, typed
from suretune import phrases as p
from suretune.facts import Finding
from suretune.phrases import Report, several, words
from suretune.show.console import packed, pairs, put, results, safe, wrapped
from suretune.show.folded import folded, others
from suretune.show.noted import note, of_the_command
from suretune.types import Text
from suretune.words import say

LOOKS = ("dry_run", "preview")  # of which nobody has to be told again
SIDE = 8  # columns of the labels beside choices and plan, which stand in one block
FEW = 4  # options that were given and are listed one by one
COMMAND = re.compile(r"`((?:[A-Z_]+=\S+ )*(?:suretune|cd|mv|modelscope|hf|pip|jq|curl) [^`]+)`")
OTHERWISE = re.compile(r"`(?: or | 或 )`([^`]+)`")


def findings(
    found: Sequence[Finding],
    to: Console | None = None,
    *,
    runs: bool = True,
) -> None:
    """Each finding: code and name (its title in Chinese, of which the name says nothing), where,
    then what, why and what to do; what was only read as it was meant is one note in front. `runs`:
    with the command that runs, where no other follows."""
    to = to or results()
    noted, found = of_the_command(found)
    commands = [command for one in noted if runs for command in commands_in(say(one.fix))]
    note(noted, to, commands)
    if noted and not found:
        put(to, "")
    names = tuple(map(say, (labels.WHAT, labels.WHY, labels.FIX)))
    told, whole = folded(found), set[str]()
    for finding, rest in told:
        stops = finding.stops and not finding.fate
        sign, style = ("✗", "bold red") if stops else ("·", "bold yellow")
        state = labels.severity(True) if stops else p.fate(finding.fate)
        name = words(finding.name, finding.title.zh or finding.name)
        head = Styled().append_text(safe(f"{sign} {finding.code} {name}", style))
        head.append(f"  {state}", "dim")
        if finding.where:
            head.append("  ").append_text(safe(labels.place(finding.where), "cyan"))
        fix, width = say(finding.fix), to.width - max(map(cell_len, names)) - 6
        broken = [one for one in _broken(fix, width) if one not in whole]
        whole.update(broken)
        for command in broken:  # at the end of the advice it stands on a line of its own alone
            fix = fix.removesuffix(f"`{command}`").rstrip()
        texts = (say(finding.what), say(finding.why), fix)
        rows = [*zip(names, map(safe, texts), strict=True)]
        put(to, head, pairs(to, rows))
        for command in broken:
            put(to, safe(f"        {command}", "bold"), wrap=False)
        if rest:
            put(to, safe(f"  {others(rest)}", "dim"))
        if stops or finding is told[-1][0]:
            put(to, "")


def _broken(fix: str, width: int) -> list[str]:
    """The commands that are cut in two by lines of this width: each is said again, whole, but one
    of two words, which nobody has to paste, and the second of two that do the same."""
    lines = wrapped(safe(fix), width).plain.split("\n")
    also = OTHERWISE.findall(fix)
    long = [one for one in commands_in(fix) if len(one.split()) > 2 and one not in also]
    return [one for one in long if not any(one in line for line in lines)]


def commands_in(fix: str) -> list[str]:
    """The commands of a sentence that can be pasted as they stand."""
    return COMMAND.findall(fix)


def datasets(data: Report, to: Console | None = None) -> None:
    """Where every row went: the `data` part of a report."""
    to = to or results()
    heads: tuple[tuple[str, str], ...] = (
        (words("trained on", "训练"), "train"),
        (words("held out", "留出"), "held_out"),
        (words("left out", "未使用"), "left_out"),
        (words("rejected", "拒绝"), "rejected"),
    )
    if any(one.get("asked") for one in several(data, "datasets")):
        heads = (*heads, (words("only asked", "只用于提问"), "asked"))
    several_of_them = len(several(data, "datasets")) > 1
    share = (words("of the loss", "占损失"),) if several_of_them else ()
    names = (words("read", "读入"), *(name for name, _ in heads), *share)
    rows = [
        (
            p.count(one.get("read")),
            *(p.share_of(one.get(key), one.get("read")) for _, key in heads),
            *((p.percent(one.get("share")),) if several_of_them else ()),
        )
        for one in several(data, "datasets")
    ]
    titles = [safe(one.get("name")) for one in several(data, "datasets")]
    table = _table(names, titles, rows)
    if to.measure(table, options=to.options.update(width=1000)).maximum <= to.width:
        put(to, table)
    else:
        for title, row in zip(titles, rows, strict=True):
            facts = [f"{name} {said}" for name, said in zip(names, row, strict=True)]
            put(
                to,
                title,
                *(Styled(f"  {line}") for line in packed(facts, to.width - 2)),
            )
    if reworded := sum(one.get("paraphrases") or 0 for one in several(data, "datasets")):
        put(
            to,
            words(
                f"and {p.count(reworded)} other wordings of them",
                f"另有 {p.count(reworded)} 种换过的问法参与训练",
            ),
        )
    typed = {os.path.abspath(str(one.get("name"))) for one in several(data, "datasets")}
    for file in several(data, "files"):
        if file not in typed:  # not where its name says
            put(to, safe(file, "dim"), wrap=False)
    _unused(several(data, "unused"), to)


def _table(
    names: Sequence[str],
    titles: Sequence[Styled],
    rows: Sequence[Sequence[str]],
) -> Table:
    table = Table(
        box=None,
        padding=(0, 2, 0, 0),
        pad_edge=False,
        header_style="dim",
    )
    table.add_column(words("dataset", "数据集"))
    for name in names:
        table.add_column(name, justify="right")
    for title, row in zip(titles, rows, strict=True):
        table.add_row(title, *row)
    return table


def _unused(unused: Sequence[Report], to: Console) -> None:
    """The first rows that were not used, and where the others are listed."""
    for entry in unused[:3]:
        facts = (entry.get("row"), p.state_word(entry.get("state")), entry.get("reason") or "")
        put(to, safe("  " + "  ".join(map(str, facts)), "dim"))
    if len(unused) > 3:
        more = f"{len(unused) - 3:,}"
        said = words(
            f"  … {more} more in the ledger, ledger.jsonl",
            f"  …… 另有 {more} 行，见数据清单 ledger.jsonl",
        )
        put(to, Styled(said, "dim"))
    put(to, "")


def plan(plan: Report, to: Console | None = None) -> None:
    """What will happen: the `plan` part of a report."""
    to = to or results()

    def of(key: str) -> str:
        return p.count(plan.get(key))

    def at(key: str) -> str:
        steps = [str(step) for step in several(plan, key)]
        return ", ".join(steps[:8]) + (", …" if len(steps) > 8 else "") or words("never", "无")

    both = plan.get("eval_steps") == plan.get("save_steps") != []
    learned, epochs = p.share_of(plan.get("learned"), plan.get("tokens")), plan.get("epochs")
    lines = (
        (
            words("updates", "更新"),
            words(
                f"{of('updates')} of {of('rows_per_update')} rows: "
                f"{p.decimal(epochs)} epochs of {of('rows')} rows",
                f"{of('updates')} 次，每次 {of('rows_per_update')} 行："
                f"{of('rows')} 行共 {p.decimal(epochs)} 轮",
            ),
        ),
        (
            words("tokens", "token"),
            words(
                f"{of('tokens')}, {learned} of them learned; longest row {of('longest')}",
                f"{of('tokens')} 个，其中学习 {learned}；最长一行 {of('longest')}",
            ),
        ),
        (
            words("rate", "学习率"),
            words(
                f"{p.decimal(plan.get('learning_rate'))} {plan.get('schedule') or ''}, "
                f"{of('warmup')} updates of warm-up",
                f"{p.decimal(plan.get('learning_rate'))} {labels.schedule(plan.get('schedule'))}，"
                f"预热 {of('warmup')} 次更新",
            ),
        ),
        (
            words("evaluate", "评估"),
            words(
                f"{at('eval_steps')} ({of('held_out')} held-out rows){'; save then, too' * both}",
                f"{at('eval_steps')}（留出 {of('held_out')} 行）{'；同时保存' * both}",
            ),
        ),
        (words("save", "保存"), at("save_steps")),
    )[: 4 if both else 5]
    put(
        to,
        pairs(to, ((name, safe(text)) for name, text in lines), 0, SIDE),
        "",
    )


def conclusion(
    good: bool,
    sentences: Sequence[Text],
    command: str,
    to: Console | None = None,
) -> None:
    """A verdict of some sentences and what to type next, which is never cut into lines."""
    to = to or results()
    sign, style = ("✓", "bold green") if good else ("✗", "bold red")
    joined = words(" ", "").join(map(say, sentences))
    put(to, safe(f"{sign} {joined}", style))
    if command:
        put(to, Styled(words("Next:", "下一步："), "dim"))
        put(to, safe(f"  {typed.in_language(command)}", "bold"), wrap=False)


def table(rows: Sequence[tuple[str, str]], to: Console | None = None) -> None:
    """Labels and what belongs to them."""
    to = to or results()
    put(
        to,
        pairs(to, ((name, safe(text)) for name, text in rows)),
        "",
    )


def lack(
    stops: bool,
    what: str,
    command: str,
    to: Console | None = None,
) -> None:
    """Something that is missing, and the command for it, which is never cut into lines."""
    to = to or results()
    put(to, safe(f"{'✗' if stops else '·'} {what}", "bold red" if stops else "yellow"))
    put(to, safe(f"  {typed.in_language(command)}", "bold"), wrap=False)
    put(to, "")
