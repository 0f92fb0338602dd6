"""Commands that serve: which adapters by which names, and who can reach them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from suretune import rundir, typed
from suretune.importing.translation import Line, Translation
from suretune.types import Text

LOCAL = ("127.0.0.1", "localhost", "::1")
_NAMED = re.compile(r"([^=/\\]+)=(.+)", re.DOTALL)
OURS = Text(
    "suretune takes run folders, and serves each under its name or that of `--served_model_name`.",
    "suretune 接受运行文件夹，每个用自己的名字或 `--served_model_name` 给的名字提供服务。",
)


@dataclass(frozen=True, slots=True)
class Module:
    """An adapter that is to be served, by the name that it was given, if any."""

    path: str
    name: str = ""


def modules(values: Sequence[str]) -> list[Module]:
    """`path`, `name=path`, or vLLM's `{"name": ..., "path": ...}`, also split by commas."""
    found = []
    for value in values:
        if value.lstrip().startswith(("{", "[")):
            found += _from_json(value)
            continue
        for word in value.split(",") if not os.path.exists(value) else [value]:
            named = None if os.path.exists(word) else _NAMED.fullmatch(word)
            if word:
                found.append(Module(named[2], named[1]) if named else Module(word))
    return found


def _from_json(value: str) -> list[Module]:
    try:
        told = json.loads(value)
    except (ValueError, RecursionError):
        return [Module(value)]
    each = told if isinstance(told, list) else [told]
    return [
        Module(one["path"], str(one.get("name") or ""))
        if isinstance(one, dict) and isinstance(one.get("path"), str)
        else Module(value)
        for one in each
    ]


def put_modules(
    made: Translation,
    line: Line,
    found: Sequence[Module],
) -> None:
    """The runs of the working form, and the names of those that have one."""
    made.runs = [one.path for one in found]
    if any(one.name for one in found):
        named = tuple(one.name or Path(one.path).name for one in found)
        made.given["served_model_name"], made.parsed["served_model_name"] = named, named
        made.at["served_model_name"] = len(made.lines)
    why = line.why if line.verdict == "changed" else OURS
    made.lines.append(replace(line, becomes=typed.command(*made.runs), why=why))


def settle_serving(made: Translation) -> None:
    """What is only known once all flags are: names for what there is, and who may listen."""
    names = made.given.get("served_model_name", ())
    if names and len(names) != len(made.runs):
        made.drop(
            "served_model_name",
            "unavailable",
            Text(
                "Here names are those of the runs, one each; a base is known by its own.",
                "这里的名字是给运行的，每个一个；原模型用自己的名字。",
            ),
            serious=True,
        )
    if not made.runs and "model" not in made.given:
        made.notes.append(
            Text(
                "A server also needs a run folder, or `--model` for a base alone.",
                "还需要给出运行文件夹；只提供原模型则写 `--model`。",
            )
        )
    if unsealed := [run for run in made.runs if _is_unsealed(Path(run))]:
        made.given["allow_unverified"], made.parsed["allow_unverified"] = ("true",), True
        made.notes.append(
            Text(
                f"{unsealed[0]} has no seal: nothing proves what it answers, and"
                " `--allow_unverified true` says that it is wanted all the same.",
                f"{unsealed[0]} 没有验证记录，没有什么能说明它会怎样回答；"
                "`--allow_unverified true` 表示仍然要用它。",
            )
        )
    _who_may_listen(made)


def _is_unsealed(path: Path) -> bool:
    try:
        run = path.parent if path.name in (rundir.ADAPTER, rundir.MODEL) else path
        return (
            path.is_dir()
            and not (run / rundir.SEAL).is_file()
            and (rundir.is_run(path) or rundir.is_trained(path))
        )
    except OSError:  # a name too long: nothing lies there
        return False


def _who_may_listen(made: Translation) -> None:
    host = " ".join(made.given.get("host", ()))
    if not host and made.pasted.tool.open_host:
        made.notes.append(
            Text(
                f"{made.pasted.tool.name} listens to other machines when no host is given; suretune"
                " only to this one. `--host 0.0.0.0`, with a key, opens it.",
                f"不写主机时，{made.pasted.tool.name} 会接受其他机器的访问，suretune 只接受本机；"
                "加上 `--host 0.0.0.0` 和密钥即可开放。",
            )
        )
    elif host and host not in LOCAL and "api_key" not in made.given:
        made.notes.append(
            Text(
                "Other machines can reach it, so a key is needed: put one into SURETUNE_API_KEY.",
                "其他机器能访问它，因此需要密钥：请放进环境变量 SURETUNE_API_KEY。",
            )
        )
