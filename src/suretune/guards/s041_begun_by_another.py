"""S041 begun-by-another: another version of suretune began this run, and asked other questions.

What it looks at: `anchors.jsonl`, the base's own answers to general questions, when a run goes on.

Why it matters: each version has its own questions, and its plan says which update learns which of
them. With other ones the run would be another than the one that was begun. Nothing is damaged, and
nothing was changed.

Fix: begin it anew with the command that the message gives: it asks for the same, in a
folder of another name. Or go on with the version that began it, as `run.json` names it.

S041 begun-by-another：这个运行是另一个版本的 suretune 开始的，问的通用问题不一样。

检查内容：继续训练时，看 `anchors.jsonl`，也就是原模型自己对通用问题的回答。

影响：每个版本的问题不同，哪次更新学哪些问题，计划里都已写明。换成别的问题，就不是当初开始的
那次训练了。文件没有损坏，也没有改动。

怎么改：用检查结果给出的命令重新开始，设置相同，写到另一个文件夹；或者用开始它的版本继续，
版本号记在 `run.json` 里。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, for_setup
from suretune.types import Text


def check(facts: SetupFacts) -> Values | None:
    """`found`: the version that began it; `nearest`: the file; `spare`: the command."""
    values = for_setup("begun-by-another")(facts)
    version = facts.found
    by = Text(
        f" (suretune {version})" if version else "", f"（suretune {version}）" if version else ""
    )
    with_it = Text(
        f" With suretune {version} it goes on." if version else "",
        f"用 suretune {version} 可以接着训练。" if version else "",
    )
    anew = Text(f"Begin it anew: `{facts.spare}`.", f"重新开始：`{facts.spare}`。")
    elsewhere = Text(
        "Begin a new run in another `--output_dir`.", "换一个 `--output_dir` 重新开始。"
    )
    return values and {
        **values,
        "by": by,
        "file": facts.nearest,
        "with_it": with_it,
        "anew": anew if facts.spare else elsewhere,
    }


GUARD = Guard(
    code="S041",
    name="begun-by-another",
    title=Text("begun by another version", "由别的版本开始"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text(
        "{detail} was begun by another version{by}: its {file} has other questions than this one.",
        "{detail} 是另一个版本{by}开始的：它的 {file} 里的问题和这个版本不同。",
    ),
    why=Text(
        "Going on would make another run of it. Nothing is damaged, nothing was changed.",
        "接着训练会变成另一次训练。文件没有损坏，也没有改动。",
    ),
    fix=Text("{anew}{with_it}", "{anew}{with_it}"),
)
