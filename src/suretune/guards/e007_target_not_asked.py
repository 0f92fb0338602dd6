"""E007 target-not-asked: the target is on this machine and could not be asked.

What it looks at: how the target's own program ended when an export was to be proven: its last
words, its exit status or signal, the time that it took.

Why it matters: nothing shows that what was written is wrong, so it is kept; but less was shown of
it than could be.

Fix: as the message prints it: more time, more memory, the package once more; or start it by hand
and ask it with `suretune verify`.

E007 target-not-asked：目标程序就在本机，却没能向它提问。

检查内容：验证导出结果时，目标程序怎样结束：最后的输出、退出码或信号、用了多久。

影响：没有迹象表明写出的内容有错，所以文件保留下来；但本可以验证得更多。

怎么改：按提示做：给更多时间、更多内存，或重装它的软件包；也可以手动启动它，再用
`suretune verify` 提问。
"""

from suretune.facts import ExportFacts
from suretune.guards.guard import EMPTY, Guard, Values
from suretune.types import Text

PACKAGES = {"llama.cpp": "xllamacpp", "mlx-lm": "mlx-lm", "vLLM": "vllm"}


def _advice(facts: ExportFacts) -> Text:
    again = facts.command
    if facts.trouble == "slow":
        return Text(f"Give it more time: `{again}`", f"多给一些时间：`{again}`")
    if facts.trouble == "memory":
        return Text(f"Where more memory is free: `{again}`", f"在空闲内存更多时重新执行：`{again}`")
    if facts.trouble == "broken":
        package = PACKAGES.get(facts.program, facts.program)
        return Text(
            f"Install it anew, `pip install --force-reinstall {package}`, then `{again}`",
            f"重新安装：`pip install --force-reinstall {package}`，然后 `{again}`",
        )
    return Text(
        f"Start it by the command that is printed below, to see all that it says; then `{again}`",
        f"用下面打印的命令启动它，查看全部输出；然后重新执行 `{again}`",
    )


def check(facts: ExportFacts) -> Values | None:
    if facts.problem != "target-not-asked":
        return None
    said = Text(f" It said: {facts.found}", f"它输出：{facts.found}")
    return {
        "where": facts.place,
        "program": facts.program,
        "how": facts.how or EMPTY,
        "said": said if facts.found else EMPTY,
        "level": facts.level or EMPTY,
        "advice": _advice(facts),
    }


GUARD = Guard(
    code="E007",
    name="target-not-asked",
    title=Text("the target could not be asked", "没能向目标提问"),
    stops=False,
    facts=ExportFacts,
    check=check,
    what=Text(
        "{program} is on this machine and did not answer: {how}.{said}",
        "{program} 在本机，但没有回答：{how}。{said}",
    ),
    why=Text(
        "Nothing shows that what was written is wrong, so it is kept; proven is: {level}.",
        "没有迹象表明写出的内容有错，所以保留了文件；目前的验证程度：{level}。",
    ),
    fix=Text("{advice}", "{advice}"),
)
