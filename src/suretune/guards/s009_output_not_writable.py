"""S009 output-not-writable: nothing can be written into the output folder.

What it looks at: whether a file can be made, flushed and renamed in
`--output_dir`, before the model is loaded; and the cache of a hub, where something is fetched.

Why it matters: without this, the run would fail at its first checkpoint, after the work is done.

Fix: give a folder that you may write to: `--output_dir ~/output`; for a hub's cache
`export HF_HOME=...` or `MODELSCOPE_CACHE`.

S009 output-not-writable：输出文件夹无法写入。

检查内容：加载模型之前，先试着在 `--output_dir` 里新建、写入并改名一个文件；
从下载站下载时还有它的缓存。

影响：如果不先试，要等到保存第一个检查点时才会失败，前面的训练就白跑了。

怎么改：换一个有写权限的文件夹：`--output_dir ~/output`；下载站的缓存用 `export HF_HOME=...` 或
`MODELSCOPE_CACHE`。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, for_setup
from suretune.types import Text

CACHES = {"hf": "HF_HOME", "ms": "MODELSCOPE_CACHE"}  # what moves the cache of a hub


def check(facts: SetupFacts) -> Values | None:
    """`spare`: the hub whose cache it is; empty for the folder of a run."""
    values = for_setup("output-not-writable")(facts)
    if values is None:
        return None
    named = CACHES.get(facts.spare)
    if named is None:
        return {**values, "lost": OF_A_RUN, "cure": ANOTHER}
    cure = Text(
        f"Make room there, or name another folder: `export {named}=~/hub-cache`",
        f"腾出空间，或换一个文件夹：`export {named}=~/hub-cache`",
    )
    return {**values, "lost": OF_A_CACHE, "cure": cure}


OF_A_RUN = Text(
    "The run would fail at its first checkpoint, after the work is done.",
    "要等到保存检查点时才失败，前面的训练就白跑了。",
)
OF_A_CACHE = Text(
    "What is fetched from the hub is kept there; what has arrived stays.",
    "从下载站取到的文件放在那里；已经下载的部分都在。",
)
ANOTHER = Text(
    "Give a folder that you may write to: `--output_dir ~/output`",
    "换一个有写权限的文件夹：`--output_dir ~/output`",
)


GUARD = Guard(
    code="S009",
    name="output-not-writable",
    title=Text("output folder not writable", "无法写入输出文件夹"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text("{detail} cannot be written to: {found}.", "{detail} 无法写入：{found}。"),
    why=Text("{lost}", "{lost}"),
    fix=Text("{cure}", "{cure}"),
)
