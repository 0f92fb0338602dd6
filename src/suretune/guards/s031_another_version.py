"""S031 another-version: another version of suretune has written this checkpoint.

What it looks at: the format that every checkpoint names in its `MANIFEST.json`, before a run is
resumed or a checkpoint is answered from.

Why it matters: what the files mean may have changed. Half understood, a run would go on from
another state than the one that was saved; passed over, its checkpoints would be deleted.

Fix: go on with the version that wrote it: `pip install suretune==VERSION`, as `run.json` names
it. Or begin a new run in another `--output_dir`. Nothing was changed.

S031 another-version：这个检查点是另一个版本的 suretune 写的。

检查内容：继续训练或加载检查点之前，看它的 `MANIFEST.json` 里记下的格式编号。

影响：文件的含义可能已经变了。一知半解地读，会从另一个状态继续；跳过不读，这些检查点会被删掉。

怎么改：用写它的版本继续：`pip install suretune==VERSION`，版本号记在 `run.json` 里。
或者换一个 `--output_dir` 重新开始。目前没有改动任何文件。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, for_setup
from suretune.types import Text


def check(facts: SetupFacts) -> Values | None:
    """`nearest`: the format that is read here, and the version that wrote the other one."""
    values = for_setup("another-version")(facts)
    reads, _, version = facts.nearest.partition(" ")
    cure = f"`pip install suretune=={version}`"
    before = Text(f"Go on with {cure}, or begin", f"用 {cure} 安装写它的版本再继续，或者")
    return values and {
        **values,
        "reads": reads,
        "before": before if version else Text("Begin", "请"),
    }


GUARD = Guard(
    code="S031",
    name="another-version",
    title=Text("written by another version", "由另一版本写出"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text(
        "{detail} has format {found}; this version of suretune reads format {reads}.",
        "{detail} 的格式是 {found}，这个版本的 suretune 读取的格式是 {reads}。",
    ),
    why=Text(
        "What its files mean may have changed. Nothing was changed or deleted.",
        "其中文件的含义可能已经变了。目前没有改动或删除任何文件。",
    ),
    fix=Text(
        "{before} a new run in another `--output_dir`.",
        "{before}换一个 `--output_dir` 重新开始。",
    ),
)
