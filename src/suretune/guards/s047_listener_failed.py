"""S047 listener-failed: a tracker, or something else that was told of the run, failed on the way.

What it looks at: trackers of `--report_to`, and listeners that a program gave to the run. One that
raises, ends, or takes longer than a run waits for it, is let go.

Why it matters: what it shows of this run has a hole. The run itself does not: nothing of it depends
on who listens, and `steps.jsonl` has every figure.

Fix: what the message quotes from the tracker says what it lacks. Once that is mended,
`suretune track RUN --to NAME` gives it what it missed, from the run's own files.

S047 listener-failed：跟踪工具（或其他监听训练的程序）中途出错。

检查内容：`--report_to` 的跟踪工具，以及程序里传给运行的监听器。报错、退出，或迟迟没有响应的，
就不再通知它。

影响：它那里的记录会缺一段。运行本身不受影响：训练不依赖任何监听者，
`steps.jsonl` 里有全部数据。

怎么改：提示里引用了跟踪工具自己的话，说明它缺什么。改好之后，用
`suretune track RUN --to NAME` 就能从运行文件夹把缺的部分补给它。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, for_setup
from suretune.types import Text


def check(facts: SetupFacts) -> Values | None:
    """`spare`: the command that makes up for it afterwards; `hint`: what helps this one."""
    values = for_setup("listener-failed")(facts)
    if not values:
        return None
    whole = Text("The run's own files have all of it.", "运行文件夹里的记录是完整的。")
    if facts.spare:
        whole = Text(
            f"The run's own files have all of it: `{facts.spare}` makes up for it afterwards.",
            f"运行文件夹里的记录是完整的：事后用 `{facts.spare}` 补上。",
        )
    if facts.hint:
        whole = Text(f"{facts.hint.en} {whole.en}", f"{facts.hint.zh}{whole.zh}")
    return {**values, "whole": whole}


GUARD = Guard(
    code="S047",
    name="listener-failed",
    title=Text("a listener failed on the way", "跟踪工具出错"),
    stops=False,
    facts=SetupFacts,
    check=check,
    what=Text(
        "{detail} failed and is told nothing more of this run: {found}.",
        "{detail} 出错，这次运行不再通知它：{found}。",
    ),
    why=Text(
        "The run went on; only what it shows of the run has a hole.",
        "运行照常进行，只是它那里的记录缺了一段。",
    ),
    fix=Text("{whole}", "{whole}"),
)
