"""S009 output-not-writable: nothing can be written into the output folder.

What it looks at: whether a file can be made, flushed and renamed in
`--output_dir`, before the model is loaded.

Why it matters: without this, the run would fail at its first checkpoint, after the work is done.

Fix: give a folder that you may write to: `--output_dir ~/output`.

S009 output-not-writable：输出文件夹无法写入。

检查内容：加载模型之前，先试着在 `--output_dir` 里新建、写入并改名一个文件。

影响：如果不先试，要等到保存第一个检查点时才会失败，前面的训练就白跑了。

怎么改：换一个有写权限的文件夹：`--output_dir ~/output`。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, for_setup
from suretune.types import Text

GUARD = Guard(
    code="S009",
    name="output-not-writable",
    title=Text("output folder not writable", "无法写入输出文件夹"),
    stops=True,
    facts=SetupFacts,
    check=for_setup("output-not-writable"),
    what=Text("{detail} cannot be written to: {found}.", "{detail} 无法写入：{found}。"),
    why=Text(
        "The run would fail at its first checkpoint, after the work is done.",
        "要等到保存检查点时才失败，前面的训练就白跑了。",
    ),
    fix=Text(
        "Give a folder that you may write to: `--output_dir ~/output`",
        "换一个有写权限的文件夹：`--output_dir ~/output`",
    ),
)
