"""S013 changed-since: the data or the configuration has changed since the run was interrupted.

What it looks at: the fingerprints of the data (and the length of every row), the base and every
setting, as stored in the run folder.

Why it matters: the second half would continue another run than the first half began, and
the result could not be repeated.

Fix: undo the changes that the message lists, or begin a new run with the command that it prints.
Where only suretune itself is another version, which derives other questions, go on with the one
before.

S013 changed-since：训练中断之后，数据或配置变了。

检查内容：运行文件夹里记下的数据、原模型和各项设置的指纹。

影响：中断前后就不是同一次训练，结果也无法重现。

怎么改：撤销检查结果列出的改动，或者用其中给出的命令重新开始。如果只是 suretune 换了版本，
自动生成的问题因此不同，就用原来的版本继续。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import EMPTY, Guard, Values, for_setup
from suretune.types import Text

PARTS = {
    "plan (rows or flags)": "训练计划（数据或参数）",
    "base": "原模型",
    "probes": "验证问题",
    "skills": "通用能力测试题",
    "rows": "数据",
    "flags": "参数",
}


STUDY = "study"  # of a sweep, which no run's resume goes on with
RUN = Text("the run was interrupted", "训练中断")
VERSION = Text(
    " If nothing of yours changed, this version of suretune derives other questions than the one"
    " that began the run: go on with that one.",
    "如果你什么都没改，那就是这个版本的 suretune 生成的问题与开始时的版本不同：请用那个版本继续。",
)


def check(facts: SetupFacts) -> Values | None:
    values = for_setup("changed-since", "resume")(facts)
    if values is None:
        return None
    one = facts.hint is not None  # of which the hint says where
    parts = [facts.detail] if one else facts.detail.split(", ")
    named = [PARTS.get(part) or f"`{part}`" for part in parts]
    where = facts.hint or EMPTY
    detail = Text(", ".join(parts) + where.en, "、".join(named) + where.zh)
    run = values["found_path"]
    undo = Text(
        f"Undo the change and call `suretune resume {run}` again",
        f"撤销改动后再运行 `suretune resume {run}`",
    )
    anew = Text(
        "begin anew in another `--output_dir`",
        "换一个 `--output_dir` 重新开始",
    )
    if facts.spare == STUDY:
        undo = Text("Undo the change and give the command again", "撤销改动后再执行这条命令")
        anew = Text("begin another search: another `--study`", "换一个 `--study`，开始新的搜索")
    if facts.nearest:
        anew = Text(
            f"begin anew beside it: `{facts.nearest}`",
            f"在它旁边重新开始：`{facts.nearest}`",
        )
    study = Text("this study was begun", "这个搜索记录开始")
    return {
        **values,
        "where": "--study" if facts.spare == STUDY else values["where"],
        "since": study if facts.spare == STUDY else RUN,
        "detail": detail,
        "undo": undo,
        "anew": anew,
        "else": VERSION if facts.spare == "derived" else EMPTY,
    }


GUARD = Guard(
    code="S013",
    name="changed-since",
    title=Text("data or settings changed", "数据或设置变了"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text(
        "Since {since}, this has changed: {detail}.",
        "{since}之后，这些发生了变化：{detail}。",
    ),
    why=Text(
        "The two halves would belong to different runs, and the result could not be repeated.",
        "中断前后就不是同一次训练，结果也无法重现。",
    ),
    fix=Text(
        "{undo}, or {anew}.{else}",
        "{undo}，或者{anew}。{else}",
    ),
)
