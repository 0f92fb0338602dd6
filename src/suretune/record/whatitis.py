"""What a folder is in which no adapter or run was found, and what to type instead."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from suretune import rundir, typed
from suretune.facts import SetupFacts
from suretune.phrases import printable
from suretune.record.lock import is_busy
from suretune.types import Text

SHOWN = 6  # names of a folder that are told
ADAPTER, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
WAIT = "wait"  # in place of a command
OURS = "suretune.json"
MODEL = ("*.safetensors", "*.bin", "*.gguf")  # weights beside a config.json


def nothing_there(
    path: Path,
    known: Sequence[str] = (),
    nearest: str = "",
    speaks: str = "",
) -> SetupFacts:
    """The facts for a path where no run or adapter was found. `known`: runs that are nearby,
    `nearest`: what was probably meant, `speaks`: the command that was to ask it, without it."""
    said, command = _described(path, speaks or "suretune infer")
    return SetupFacts(
        "adapter-missing",
        str(path),
        ", ".join(known),
        nearest,
        "" if nearest else command,
        said,
    )


def no_report(run: Path) -> SetupFacts:
    """The facts for a run that has no verdict yet."""
    return SetupFacts(
        "adapter-missing",
        str(run),
        spare=_go_on(run),
        hint=_unfinished(run),
    )


def never_began(run: Path) -> SetupFacts:
    """The facts for a run that was refused before its first update: nothing can go on."""
    if (run / "steps.jsonl").is_file() or is_busy(run):  # it did begin
        return no_report(run)
    judged = (run / "report.json").is_file()
    told = Text(
        f"{run} was stopped before its first update: there is nothing to go on with.",
        f"{run} 在第一次更新之前就停了，没有可以继续的内容。",
    )
    report = f"suretune report {typed.path(run)}" if judged else ""
    return SetupFacts(
        "adapter-missing",
        str(run),
        spare=report,
        hint=told,
    )


def no_weights(folder: Path, weights: str) -> SetupFacts:
    """The facts for an adapter's folder whose weights are not there, or are a pickle."""
    pickle = [path.name for path in sorted(folder.glob("adapter_model.*"))]
    there = ", ".join(pickle) or _listed(folder)
    told = Text(
        f"{folder} has no {weights}; in it: {printable(there, keep='')}."
        + (" A pickle can run code, so it is not opened." if pickle else ""),
        f"{folder} 里没有 {weights}，只有：{printable(there, keep='')}。"
        + ("pickle 文件可以执行代码，所以不会打开。" if pickle else ""),
    )
    return SetupFacts(
        "adapter-missing",
        str(folder / weights),
        hint=told,
    )


def no_checkpoint(path: Path, choice: str | None) -> SetupFacts:
    """The facts for a run that has no adapter, or not the checkpoint that was asked for."""
    there = [step.name for _, step in rundir.checkpoints(path)]
    if choice is None or not there:
        return no_report(path)
    told = Text(
        f"{path} has no checkpoint {choice}; it has {', '.join(there)}.",
        f"{path} 没有检查点 {choice}，只有 {'、'.join(there)}。",
    )
    command = typed.command(
        "suretune",
        "infer",
        "--adapters",
        path / "checkpoints" / there[-1],
    )
    return SetupFacts(
        "adapter-missing",
        str(path),
        spare=command,
        hint=told,
    )


def _described(path: Path, speaks: str) -> tuple[Text, str]:
    """(what it is, what to type if anything helps)."""
    infer, command = ("suretune", "infer"), ""
    en, zh = f"{path} is empty.", f"{path} 是空文件夹。"
    if not path.exists():
        en, zh = f"There is no {path}.", f"没有 {path} 这个路径。"
    elif path.is_file():
        en = f"{path} is a file, and its folder holds no run and no adapter."
        zh = f"{path} 是文件，它所在的文件夹里没有运行，也没有适配器。"
    elif rundir.is_trained(path) and (path / OURS).is_file():
        en = f"{path} is what a run of suretune made, without the run: it has no record to look at."
        zh = f"{path} 是 suretune 训练的结果，但离开了原来的运行，没有可以查看的记录。"
        command = typed.command(*infer, "--adapters", path)
    elif (path / ADAPTER).is_file():
        en = f"{path} is an adapter of another tool, not a run: it has no record to look at."
        zh = f"{path} 是其他工具的适配器，不是一次运行，没有可以查看的记录。"
        command = typed.command(*infer, "--adapters", path)
    elif (path / "config.json").is_file() and any(any(path.glob(kind)) for kind in MODEL):
        en = f"{path} is the folder of a whole model, not of an adapter."
        zh = f"{path} 是完整的模型文件夹，不是适配器。"
        command = f"{speaks} {typed.command('--model', path)}"
    elif rundir.is_begun(path) or (path / "findings.jsonl").is_file():
        return _unfinished(path), _go_on(path)
    elif inside := _listed(path):
        en = f"{path} holds no run and no adapter; in it: {inside}."
        zh = f"{path} 里没有运行，也没有适配器，里面有：{inside}。"
    return Text(en, zh), command


def at_work(run: Path) -> Text:
    """A run on which another process works: how far it is."""
    done, planned = _so_far(run)
    return Text(
        f"Another suretune works on the run {run} now (update {done} of {planned}).",
        f"另一个 suretune 正在处理运行 {run}（第 {done}/{planned} 次更新）。",
    )


def _unfinished(run: Path) -> Text:
    """How far a run came that has no verdict."""
    if is_busy(run):
        return at_work(run)
    if (run / rundir.SEAL).is_file():
        return Text(
            f"The run {run} was sealed, and has lost files since.",
            f"运行 {run} 已通过验证，但之后丢了文件。",
        )
    done, planned = _so_far(run)
    if not (run / "run.json").is_file():
        if not done:
            return Text(
                f"The run {run} was killed before it began.",
                f"运行 {run} 还没开始就中断了。",
            )
        return Text(
            f"The run {run} has lost its run.json, without which nothing goes on: put it back.",
            f"运行 {run} 的 run.json 不见了，没有它就不能继续：请把它放回来。",
        )
    return Text(
        f"The run {run} was interrupted after update {done} of {planned}; it has no verdict yet.",
        f"运行 {run} 中断在第 {done}/{planned} 次更新，还没有结论。",
    )


def _so_far(run: Path) -> tuple[int, str]:
    """(updates that were made, how many there are to be)."""
    done = max((int(line["step"]) for line in rundir.read_jsonl(run / "steps.jsonl")), default=0)
    plan = run / "plan.json"
    planned = rundir.recorded(plan, "schedule", "total") if plan.is_file() else "?"
    return done, str(planned)


def _go_on(run: Path) -> str:
    if is_busy(run):
        return WAIT
    if (run / rundir.SEAL).is_file():
        return f"suretune verify {typed.path(run)}"
    return f"suretune resume {typed.path(run)}" if (run / "run.json").is_file() else ""


def _listed(folder: Path) -> str:
    names = [printable(path.name, keep="") for path in sorted(folder.iterdir())]
    return ", ".join(names[:SHOWN]) + (" …" if len(names) > SHOWN else "")
