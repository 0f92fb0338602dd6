"""S014 adapter-missing: there is no adapter at this path.

What it looks at: the path as a run folder, a checkpoint or an adapter folder, and what lies there
instead: a run that was interrupted or is still trained, the folder of a whole model, another
tool's files, nothing.

Why it matters: going on without the adapter would show the answers of the base,
as if training had done nothing.

Fix: type the command that the message prints for what the folder is, or wait for a run that is
still trained; a run folder stands for its finished adapter.

S014 adapter-missing：这个路径下没有适配器。

检查内容：这个路径是不是运行文件夹、检查点或适配器文件夹；如果都不是，那里实际是什么：中断的运行、
还在训练的运行、完整的模型、其他工具的文件，还是什么都没有。

影响：没有适配器，回答的就是原模型，看起来像训练没有起作用。

怎么改：检查结果会说明这个文件夹是什么，并给出该用的命令；还在训练的运行，等它结束。
给出运行文件夹，就用它最终的适配器。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, for_setup, meant, word
from suretune.types import Text

NOTHING = Text("", "")


def check(facts: SetupFacts) -> Values | None:
    values = for_setup("adapter-missing")(facts)
    if values is None:
        return None
    what = facts.hint or Text(
        f"{facts.detail} is no run, no checkpoint and no adapter folder.",
        f"{facts.detail} 不是运行文件夹、检查点或适配器文件夹。",
    )
    near = Text(f" Runs nearby: {word(facts.found)}.", f"附近的运行有：{word(facts.found)}。")
    if isinstance(facts.found, Text):  # the system refused to look
        near = Text(f" It cannot be read: {facts.found.en}.", f"读不到它：{facts.found.zh}。")
    todo = Text(f"Type `{facts.spare}`. ", f"请执行 `{facts.spare}`。")
    if facts.spare == "wait":
        todo = Text("Wait until that has ended. ", "请等它结束。")
    return {
        **values,
        "what": what,
        "near": near if facts.found else NOTHING,
        "todo": todo if facts.spare else NOTHING,
        "meant": meant(facts.nearest),
    }


GUARD = Guard(
    code="S014",
    name="adapter-missing",
    title=Text("no adapter at this path", "这里没有适配器"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text("{what}{near}", "{what}{near}"),
    why=Text(
        "Without an adapter the base would answer, as if training had done nothing.",
        "没有适配器，回答的就是原模型，看起来像训练没有起作用。",
    ),
    fix=Text(
        "{meant} {todo}`--adapters` takes a run folder, a checkpoint or an adapter folder; "
        "`resume`, `verify` and `report` take a run.",
        "{meant}{todo}`--adapters` 可以是运行文件夹、检查点或适配器文件夹；"
        "`resume`、`verify`、`report` 需要运行文件夹。",
    ),
)
