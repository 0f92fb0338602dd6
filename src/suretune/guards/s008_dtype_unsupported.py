"""S008 dtype-unsupported: the device cannot compute in the type that was asked for.

What it looks at: `--torch_dtype`, `--base_dtype` and what the device supports.

Why it matters: NVIDIA cards older than Ampere have no bfloat16. In float16, values above 65,504
become infinite and ruin the run.

Fix: use the type that the message names; `--torch_dtype float32` works everywhere and takes twice
the memory. `--base_dtype fp8` is for speed only and can be left out.

S008 dtype-unsupported：设备不支持所要求的数据类型。

检查内容：`--torch_dtype` 和 `--base_dtype` 的值，和设备支持的类型。

影响：Ampere 之前的 NVIDIA 显卡没有 bfloat16；换成 float16，超过 65504 的数会变成 Inf，整个训练就
毁了。

怎么改：改用检查结果给出的类型；`--torch_dtype float32` 到处都能用，只是显存占用翻倍。
`--base_dtype fp8` 只为速度，去掉即可。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, for_setup
from suretune.types import Text

LEAVE_OUT = Text("Leave `--base_dtype` out.", "去掉 `--base_dtype`。")


def check(facts: SetupFacts) -> Values | None:
    factors = facts.detail == "fp8"
    flag = "--base_dtype" if factors else "--torch_dtype"
    values = for_setup("dtype-unsupported", flag)(facts)
    give = f"`{flag} {facts.nearest or 'float32'}`"
    fix = LEAVE_OUT if factors else Text(f"Give {give}.", f"改成 {give}。")
    return values and {**values, "fix": fix}


GUARD = Guard(
    code="S008",
    name="dtype-unsupported",
    title=Text("data type not supported", "不支持的数据类型"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text("{found} does not compute in {detail}.", "{found} 不支持 {detail}。"),
    why=Text(
        "Emulated or replaced, it would be slow or overflow.",
        "靠模拟或替换来凑合，不是很慢就是溢出。",
    ),
    fix=Text("{fix}", "{fix}"),
)
