"""S010 device-missing: the device that was asked for is not there.

What it looks at: `--device` and the devices that PyTorch sees.

Why it matters: going on with the CPU in its place would turn seconds
into hours without saying so.

Fix: `suretune setup` shows the driver, the PyTorch build and the devices; `--device cpu` runs
without a GPU.

S010 device-missing：没有所要求的设备。

检查内容：`--device` 的值，和 PyTorch 能看到的设备。

影响：悄悄改用 CPU，几秒的训练会变成几个小时。

怎么改：`suretune setup` 会列出驱动、PyTorch 版本和可用设备；没有 GPU 时用 `--device cpu`。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, for_setup
from suretune.types import Text

GUARD = Guard(
    code="S010",
    name="device-missing",
    title=Text("device not there", "没有这个设备"),
    stops=True,
    facts=SetupFacts,
    check=for_setup("device-missing", "--device"),
    what=Text("PyTorch {found} sees no device {detail}.", "PyTorch {found} 找不到设备 {detail}。"),
    why=Text(
        "On another device, seconds could turn into hours.",
        "换成别的设备，几秒的事可能要花几个小时。",
    ),
    fix=Text(
        "`suretune setup` shows what is missing; `--device cpu` runs without a GPU.",
        "`suretune setup` 会显示显卡、驱动和 torch 版本，并说明缺什么；没有 GPU 时用 "
        "`--device cpu`。",
    ),
)
