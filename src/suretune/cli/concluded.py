"""The last lines of `check`: would `sft` start, what would it do, and what to type next."""

from __future__ import annotations

from suretune import phrases, show, typed
from suretune.cli.parse import Command
from suretune.data.learning import Learning, learning_of
from suretune.model.memory import GIB
from suretune.preflight.again import command_of
from suretune.preflight.check import Checked
from suretune.preflight.forecast import HALF, downloads_first, least_bytes, on_gpu
from suretune.preflight.whole import is_whole, learns
from suretune.record.journal import Journal, Stopped
from suretune.types import Text
from suretune.words import say

VAIN = ("R009", "R018")  # notes of a run that no proof can seal


def next_command(
    checked: Checked,
    command: Command,
    journal: Journal,
) -> str:
    """`sft` with the very options that were looked at, without what was left out: not even by way
    of the file of options in which it may stand."""
    mended = any(finding.name == "left-out" for finding in journal.findings)
    file = "" if mended else command.file
    return command_of(
        "sft",
        checked.resolved,
        file,
        environment=command.environment,
    )


def would_start(
    checked: Checked,
    command: Command,
    journal: Journal,
) -> None:
    """Nothing stops it: what it would do, on what, and the command."""
    notes = len(journal.findings)
    told = Text(
        "`sft` would start" + (f" ({notes} noted above)." if notes else ": nothing stops it."),
        "检查通过：没有会让 `sft` 停止的问题" + (f"（上面有 {notes} 条提示）。" if notes else "。"),
    )
    parts = (told, _work(checked, journal), _place(checked), downloads_first(checked))
    sentences = [part for part in parts if part is not None]
    show.conclusion(
        True,
        sentences,
        next_command(checked, command, journal),
    )


def would_not(stopped: Stopped, command: Command) -> None:
    """Something stops it: which finding, and how to learn more about the first."""
    codes = list(dict.fromkeys(finding.code for finding in stopped.findings))
    told = Text(
        f"`sft` would not start: {', '.join(codes)} above. Mend what is told there, then check"
        " again.",
        f"检查没有通过，`sft` 不会开始：见上面的 {'、'.join(codes)}。按其中的办法改好，"
        "再检查一次。",
    )
    show.conclusion(False, [told], _mending(stopped))


def _mending(stopped: Stopped) -> str:
    """The first command that a finding advises, else the page of the first finding."""
    for finding in stopped.findings:
        for command in show.commands_in(say(finding.fix)):
            return command
    codes = [finding.code for finding in stopped.findings[:1]]
    return typed.command("suretune", "explain", *codes)


def _work(checked: Checked, journal: Journal) -> Text:
    plan = checked.plan
    rows, held, updates = (phrases.count(n) for n in (plan.rows, plan.held_out, len(plan.updates)))
    budget = checked.resolved.config.schedule.budget
    bound = bool(plan.probe_steps or budget)  # the first ends it once the answers are right
    time = Text("", "")
    if budget:
        flag = typed.command("--budget", budget)
        time = Text(f", as many as `{flag}` has time for", f"（`{flag}` 够做多少次就多少次）")
    kept = Text(f" ({held} held out)", f"（另留出 {held} 行）") if plan.held_out else Text("", "")
    own, (proof, proof_zh) = _own(checked), _ends(journal)
    return Text(
        f"It trains on {rows} rows{kept.en} in {'at most ' if bound else ''}{updates} updates"
        f"{time.en}, {proof}.{own.en}",
        f"将用 {rows} 行数据{kept.zh}训练{'最多 ' if bound else ' '}{updates} 次更新{time.zh}，"
        f"{proof_zh}。{own.zh}",
    )


def _ends(journal: Journal) -> tuple[str, str]:
    """How the run ends, where nothing goes wrong."""
    vain = [finding.code for finding in journal.findings if finding.code in VAIN]
    if not vain:
        return "then proves the result", "然后验证结果"
    return (
        f"then ends without a seal, by {vain[0]} above",
        f"结束时不会通过验证，见上面的 {vain[0]}",
    )


def _own(checked: Checked) -> Text:
    """How many of the base's own weights learn, where they do and are here to be counted."""
    if not is_whole(checked.resolved):
        return Text("", "")
    found = learning_of(checked.base, checked.resolved.config.full)
    if not isinstance(found, Learning) or not found.count:
        return Text("", "")
    told = learns(found)
    return Text(f" Of the base, {told.en}.", f"原模型的{told.zh}。")


def _place(checked: Checked) -> Text | None:
    if not on_gpu(checked):
        return Text("It computes on the CPU.", "在 CPU 上计算。")
    least = least_bytes(checked, HALF)
    if least is None:
        return Text("It computes on the GPU.", "在 GPU 上计算。")
    needed = f"{least[0] / GIB:.1f} GiB"
    return Text(
        f"It computes on the GPU and needs at least {needed} of its memory (forecast).",
        f"在 GPU 上计算，显存至少需要 {needed}（预测值）。",
    )
