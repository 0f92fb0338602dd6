"""S009 output-not-writable: nothing can be written into the output folder.

What it looks at: whether a file can be made, flushed and renamed in
`--output_dir`, before the model is loaded; whether another suretune works on the same run; any
other place that a command writes to; and the cache of a hub, where something is fetched.

Why it matters: without this, the run would fail at its first checkpoint, after the work is done;
two processes in one run would spoil each other's files.

Fix: give a folder that you may write to: `--output_dir ~/output`; for a hub's cache
`export HF_HOME=...` or `MODELSCOPE_CACHE`. Where another process works on the run, wait until that
has ended.

S009 output-not-writable：输出文件夹无法写入。

检查内容：加载模型之前，先试着在 `--output_dir` 里新建、写入并改名一个文件；是否有另一个
suretune 正在处理同一个运行；命令要写入的其他位置；从下载站下载时还有它的缓存。

影响：如果不先试，要等到保存第一个检查点时才会失败，前面的训练就白跑了；两个进程写同一个运行，
会互相破坏文件。

怎么改：换一个有写权限的文件夹：`--output_dir ~/output`；下载站的缓存用 `export HF_HOME=...` 或
`MODELSCOPE_CACHE`。如果另一个进程正在处理这个运行，等它结束。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import AMID, Guard, Values, for_setup
from suretune.labels import named_place
from suretune.types import Text

CACHES = {"hf": "HF_HOME", "ms": "MODELSCOPE_CACHE"}  # what moves the cache of a hub


def check(facts: SetupFacts) -> Values | None:
    """`spare`: the hub whose cache it is, the flag that says where, or a key of `WAYS`;
    `nearest`: the command that goes on with a run that this ended."""
    values = for_setup("output-not-writable")(facts)
    lost, cure = WAYS.get(facts.spare) or _elsewhere(facts.spare)
    if facts.nearest:
        lost, cure = (
            AMID,
            Text(
                f"Once that is mended: `{facts.nearest}`",
                f"解决之后执行：`{facts.nearest}`",
            ),
        )
    detail = named_place(facts.detail, SOMEWHERE)
    return values and {**values, "detail": detail, "lost": lost, "cure": cure}


def _elsewhere(spare: str) -> tuple[Text, Text]:
    """Why it matters and what to do, for a hub's cache or what a flag names."""
    named = CACHES.get(spare)
    if named is None:
        return OF_A_FILE, Text(
            f"Name a place that you may write to with `{spare}`.",
            f"用 `{spare}` 指定一个有写权限的位置。",
        )
    cure = Text(
        f"Make room there, or name another folder: `export {named}=~/hub-cache`",
        f"腾出空间，或换一个文件夹：`export {named}=~/hub-cache`",
    )
    return OF_A_CACHE, cure


SOMEWHERE = Text("The place that is written to", "要写入的位置")
OF_A_RUN = Text(
    "The run would fail at its first checkpoint, after the work is done.",
    "要等到保存检查点时才失败，前面的训练就白跑了。",
)
OF_A_CACHE = Text(
    "What is fetched from the hub is kept there; what has arrived stays.",
    "从下载站取到的文件放在那里；已经下载的部分都在。",
)
OF_A_FILE = Text(
    "What the command makes could not be kept.",
    "命令生成的内容没有地方保存。",
)
ANOTHER = Text(
    "Give a folder that you may write to: `--output_dir ~/output`",
    "换一个有写权限的文件夹：`--output_dir ~/output`",
)
WAYS = {
    "": (OF_A_RUN, ANOTHER),  # the folder that shall hold a run
    "busy": (  # another process has it
        Text(
            "Two of them would spoil each other's files.",
            "两个进程同时写，会互相破坏文件。",
        ),
        Text(
            "Wait until the other one has ended, then type the command again.",
            "等另一个进程结束之后，再执行这条命令。",
        ),
    ),
    "no-locks": (  # the file system has none
        Text(
            "Nothing would keep a second process out, and two would spoil each other's files.",
            "挡不住第二个进程；两个进程同时写，会互相破坏文件。",
        ),
        Text(
            "Work on a disk of the machine itself, or mount this file system with locks (Lustre:"
            " `-o flock`).",
            "请在本机磁盘上进行，或者挂载时启用文件锁（例如 `mount -t lustre -o flock`）。",
        ),
    ),
    "its-own": (  # the folder of a run that is there
        OF_A_FILE,
        Text(
            "Let it be written to, or copy the whole folder to where you may write, and name the"
            " copy.",
            "让它可以写入，或者把整个文件夹复制到有写权限的地方，再对副本执行这条命令。",
        ),
    ),
    "file": (  # whatever else a command writes
        OF_A_FILE,
        Text(
            "Let it be written to, or name another place, where the command takes one.",
            "让它可以写入；命令能指定位置的，换一个位置。",
        ),
    ),
}


GUARD = Guard(
    code="S009",
    name="output-not-writable",
    title=Text("output folder not writable", "无法写入输出文件夹"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text("{detail} cannot be written to: {found}.", "{detail}无法写入：{found}。"),
    why=Text("{lost}", "{lost}"),
    fix=Text("{cure}", "{cure}"),
)
