"""`doctor`: what this machine has, and what of it suretune would use."""

from __future__ import annotations

import os
import platform
import shutil
from importlib.metadata import PackageNotFoundError, version

from suretune.cli.out import tell, tell_json
from suretune.run.journal import ENVIRONMENT, OK
from suretune.run.machine import NEEDS, numbers
from suretune.types import Text
from suretune.words import say

TOO_OLD = Text("too old, at least", "太旧,至少需要")
MISSING = Text("missing", "缺失")


def examine(as_json: bool) -> int:
    """Print it; 4 if a package is missing or too old."""
    found: dict[str, object] = {"python": platform.python_version(), "cores": os.cpu_count()}
    wrong = []
    for name, least in NEEDS.items():
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = say(MISSING)
            wrong.append(name)
            continue
        if numbers(str(found[name])) < least:
            found[name] = f"{found[name]} ({say(TOO_OLD)} {'.'.join(map(str, least))})"
            wrong.append(name)
    if "torch" not in wrong:
        found |= _gpu()
    found["free disk GiB"] = round(shutil.disk_usage(".").free / 2**30, 1)
    if as_json:
        tell_json(found)
    else:
        for name, value in found.items():
            tell(f"{name:<16} {value}")
    return ENVIRONMENT if wrong else OK


def _gpu() -> dict[str, object]:
    import torch

    if not torch.cuda.is_available():
        return {"gpu": "-"}
    free, total = torch.cuda.mem_get_info()
    return {
        "gpu": torch.cuda.get_device_name(),
        "gpu memory GiB": f"{free / 2**30:.1f} / {total / 2**30:.1f}",
        "bfloat16": torch.cuda.is_bf16_supported(),
    }
