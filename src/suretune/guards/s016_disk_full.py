"""S016 disk-full: the disk has no room for what the run will write.

What it looks at: the free space under `--output_dir`, and the size of the checkpoints
and the adapter that are planned, with the tokenizer beside each, and of the proof.

Why it matters: a disk that fills up during a save leaves the work of the whole run unsaved.

Fix: give a disk with more room with `--output_dir` (an export: `--out`), or keep fewer checkpoints
with `--save_total_limit 1`. Where it filled up amid a run, make room and type the `suretune resume`
that the message prints.

S016 disk-full：磁盘空间不够写下这次训练的输出。

检查内容：`--output_dir` 所在磁盘的剩余空间，和计划写入的检查点、适配器（各带分词器文件）
以及验证记录的大小。

影响：保存到一半磁盘写满，整次训练的结果就都没有存下来。

怎么改：用 `--output_dir`（导出时用 `--out`）换一块更大的磁盘，
或者用 `--save_total_limit 1` 少留几个检查点。
训练途中才写满的，腾出空间后执行检查结果给出的 `suretune resume`。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import AMID, Guard, Values, for_setup
from suretune.labels import named_place
from suretune.types import Text

BEFORE = Text(
    "A disk that fills up during a save loses the work of the run.",
    "保存到一半磁盘写满，训练的结果就丢了。",
)
SOMEWHERE = Text("The disk that is written to", "正在写入的磁盘")
OF_A_RUN = Text(
    "`--output_dir` on a disk with more room, or `--save_total_limit 1`.",
    "用 `--output_dir` 换一块更大的磁盘，或者加 `--save_total_limit 1`。",
)
ROOMIER = Text(
    "`--output_dir` on a disk with more room.",
    "用 `--output_dir` 换一块更大的磁盘。",
)
ELSEWHERE = Text(
    "Make room there, or write to a disk with more (`--out`, where there is such a flag).",
    "在那里腾出空间，或者写到更大的磁盘上（有 `--out` 的命令用 `--out`）。",
)


def check(facts: SetupFacts) -> Values | None:
    """`detail`: the folder of a run; empty where something else was written. `nearest`: the command
    that goes on with a run that has begun. `spare`: "no fewer" where no checkpoint is too many."""
    values = for_setup("disk-full")(facts)
    of_a_run = ROOMIER if facts.spare == "no fewer" else OF_A_RUN
    way, lost = of_a_run if facts.detail else ELSEWHERE, BEFORE
    if facts.nearest:
        lost, way = (
            AMID,
            Text(
                f"Make room there, then: `{facts.nearest}`",
                f"在那里腾出空间，然后执行：`{facts.nearest}`",
            ),
        )
    place = named_place(facts.detail, SOMEWHERE)
    return values and {**values, "place": place, "way": way, "lost": lost}


GUARD = Guard(
    code="S016",
    name="disk-full",
    title=Text("disk too full", "磁盘空间不足"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text("{place} has too little room: {found}.", "{place}的空间不够：{found}。"),
    why=Text("{lost}", "{lost}"),
    fix=Text("{way}", "{way}"),
)
