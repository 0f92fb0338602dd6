"""Flags that contradict each other, never existed, or change nothing in this run."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Collection, Iterator
from pathlib import Path

from suretune import rundir, typed
from suretune.config import Resolved
from suretune.data.choose import ANCHORS
from suretune.data.collect import Collected
from suretune.data.renames import parse_columns
from suretune.data.sources import is_counted
from suretune.data.thinking import EMPTY, Thinking
from suretune.facts import FlagFacts
from suretune.model.memory import parse_bytes
from suretune.options import EngineOptions
from suretune.options_input import DataOptions
from suretune.preflight.again import flag as words_of
from suretune.preflight.variants import of_variants
from suretune.preflight.whole import whole_flags
from suretune.trackers import named_trackers
from suretune.types import Text

OFF = ("false", "none", "null", "no", "")  # no checkpoint, in the words of YAML files
LAST = ("true", "last", "latest", "auto")  # the last one of the output folder
UNITS = {"s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
TOGETHER = (
    ("fp16", "bf16"),  # of the two, bf16 is the one to keep
    ("gradient_checkpointing", "recompute"),
    ("num_train_epochs", "max_steps"),
    ("warmup_ratio", "warmup_steps"),
    ("split_dataset_ratio", "val_dataset"),
)


def misused_flags(resolved: Resolved) -> Iterator[FlagFacts]:
    """What can be said of the flags before any row is read."""
    config = resolved.config
    yield from _of_one_thing(resolved)
    model = config.model
    wish = "bfloat16" if model.bf16 else "float16" if model.fp16 else None
    if wish and model.torch_dtype and model.torch_dtype != wish:
        yield FlagFacts(
            "conflicting-flags",
            f"--{'bf16' if model.bf16 else 'fp16'}",
            "--torch_dtype",
            hint=Text(
                f"{wish} and {model.torch_dtype} are both asked for",
                f"同时要求了 {wish} 和 {model.torch_dtype}",
            ),
        )
    yield from (*of_variants(config.lora, config.engine), *whole_flags(resolved))
    columns = parse_columns(config.data.columns)
    if isinstance(columns, Text):
        yield FlagFacts("bad-value", "--columns", " ".join(config.data.columns), hint=columns)
    limit = config.engine.memory_limit
    if limit is not None and parse_bytes(limit) is None:
        yield FlagFacts(
            "bad-value",
            "--memory_limit",
            limit,
            hint=Text(
                "a size is a number and a unit: `--memory_limit 24GiB`",
                "大小写成数字加单位：`--memory_limit 24GiB`",
            ),
        )
    budget = config.schedule.budget
    if budget is not None and not parse_seconds(budget):
        yield FlagFacts("bad-value", "--budget", budget, hint=Text(
            "a time is a number and a unit: `--budget 90s`, `10m` or `1.5h`",
            "时间写成数字加单位：`--budget 90s`、`10m` 或 `1.5h`"))  # fmt: skip
    yield from resuming_flags(resolved)
    yield from idle_tracking(resolved)
    for flag, given in (("--model_name", config.data.model_name),
                        ("--model_author", config.data.model_author)):  # fmt: skip
        if len(given) > 2:
            yield FlagFacts("bad-value", flag, " ".join(given), hint=Text(
                "it takes one value, or two: the Chinese one, then the English one; a name of"
                " several words needs quotes",
                "它接受一个值，或两个：先中文，后英文；由几个词组成的名字要加引号"))  # fmt: skip
    if template := config.model.template:
        yield _template(template)


def _of_one_thing(resolved: Resolved) -> Iterator[FlagFacts]:
    """Two flags that decide the same thing, as they are typed."""
    given = {name: value for name, value, _ in resolved.items() if resolved.given(name)}
    for first, second in TOGETHER:
        if first not in given or second not in given:
            continue
        if first == "fp16" and not (given[first] and given[second]):
            continue
        one, other = [typed.command(*words_of(name, given[name])) for name in (first, second)]
        yield FlagFacts(
            "conflicting-flags",
            f"--{first}",
            f"--{second}",
            hint=Text(
                f"`{one}` and `{other}` both decide the same thing",
                f"`{one}` 和 `{other}` 决定的是同一件事",
            ),
        )


def idle_tracking(resolved: Resolved) -> Iterator[FlagFacts]:
    """Flags that tell a tracker something where none is told anything."""
    run = resolved.config.run
    told = [one.name for one in named_trackers(run.report_to)]
    if run.logging_dir is not None and "tensorboard" not in told:
        hint = Text(
            "it is TensorBoard's folder: with `--report_to tensorboard` it has one",
            "这是 TensorBoard 的文件夹；加上 `--report_to tensorboard` 才会用到",
        )
        yield FlagFacts("harmless-no-effect", "--logging_dir", run.logging_dir, hint=hint)
    if run.run_name is not None and not told:
        hint = Text(
            "a tracker shows it: `--report_to wandb`, or another; the run folder's name is that of"
            " `--output_dir`",
            "它显示在跟踪工具里（如 `--report_to wandb`）；运行文件夹的名字由 `--output_dir` 决定",
        )
        yield FlagFacts("harmless-no-effect", "--run_name", run.run_name, hint=hint)


def resuming_flags(resolved: Resolved) -> Iterator[FlagFacts]:
    """Other tools' words for a resume, in a command that begins a run: what goes on with one."""
    asked = resolved.config.run
    named = asked.resume_from_checkpoint
    if named is not None and named.lower() in OFF:
        named = None
    if named is not None or asked.resume:
        flag = "--resume" if named is None else "--resume_from_checkpoint"
        there = asked.output_dir if named is None or named.lower() in LAST else named
        own = _own(there)
        command = f"suretune resume {typed.path(own or there)}"
        yield FlagFacts(
            "no-effect",
            flag,
            "" if named is None else named,
            hint=Text(
                f"`{command}` goes on with that run, as it was begun",
                f"`{command}` 会按当初的设置继续那个运行",
            )
            if own
            else Text(
                f"{there} is no run of suretune, and another tool's optimizer state cannot be taken"
                " over: without the flag a new run begins",
                f"{there} 不是 suretune 的运行，其他工具的优化器状态无法沿用；"
                "去掉这个参数就会重新开始一次训练",
            ),
        )
    for flag, value, hint in (
        (
            "--resume_only_model",
            asked.resume_only_model,
            Text(
                "`suretune resume RUN` restores weights, optimizer and order together; a run from"
                " weights alone would be another one",
                "`suretune resume RUN` 会一并恢复权重、优化器和顺序；只取权重就成了另一次训练",
            ),
        ),
        (
            "--ignore_data_skip",
            asked.ignore_data_skip,
            Text(
                "`suretune resume RUN` knows from the plan which rows come next; none is read twice"
                " or skipped",
                "`suretune resume RUN` 按计划接着训练，不会重复或跳过数据",
            ),
        ),
    ):
        if value:
            yield FlagFacts("no-effect", flag, "true", hint=hint)


def _own(word: str) -> str:
    """The run or checkpoint of ours that lies there; of a folder of runs the newest; or ''."""
    path = Path(os.path.abspath(os.path.expanduser(word)))
    there = (path, path.parent.parent) if path.parent.name == "checkpoints" else (path,)
    try:
        if any(map(rundir.is_run, there)):
            return word
        runs = rundir.runs_in(path) if path.is_dir() else []
    except OSError:  # a name too long, a folder that may not be listed: no run that we could read
        return ""
    return os.path.join(word, runs[-1].name) if runs else ""


def parse_seconds(text: str) -> float | None:
    """'90', '90s', '10m', '1.5h' in seconds; None for what is none of these."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(s|m|min|h)?", text.strip().lower())
    return float(found[1]) * UNITS[found[2] or "s"] if found else None


def cuda_flags(engine: EngineOptions) -> Iterator[FlagFacts]:
    """Engine flags that change nothing on a CPU."""
    asked = (
        ("--memory_limit", engine.memory_limit),
        ("--cuda_graphs", "true" if engine.cuda_graphs else None),
    )
    for flag, value in asked:
        if value:
            yield FlagFacts(
                "no-effect",
                flag,
                value,
                hint=Text(
                    "there is no GPU in this run",
                    "这次运行没有用到 GPU",
                ),
            )


def _template(name: str) -> FlagFacts:
    """The name of a template in other tools; a file is meant for another flag."""
    if os.path.isfile(name) or name.endswith((".jinja", ".jinja2", ".j2")):
        return FlagFacts(
            "bad-value",
            "--template",
            name,
            hint=Text(
                f"a file is given with `--chat_template {shlex.quote(name)}`",
                f"文件要写成 `--chat_template {shlex.quote(name)}`",
            ),
        )
    return FlagFacts(
        "harmless-no-effect",
        "--template",
        name,
        hint=Text(
            "the model's own chat template is used, which `--preview 5` shows; another one is given"
            " as a file, `--chat_template FILE`",
            "用的是模型自带的对话模板，`--preview 5` 可以看到；要用别的模板，请给出文件："
            "`--chat_template FILE`",
        ),
    )


def idle_anchors(resolved: Resolved) -> Iterator[FlagFacts]:
    """What can be said once the share of anchors is known."""
    schedule = resolved.config.schedule
    share = f"`--anchor_ratio {ANCHORS:g}`"
    for name in ("anchor_loss", "anchors_per_row") if not schedule.anchor_ratio else ():
        if resolved.given(name):
            yield FlagFacts(
                "no-effect",
                f"--{name}",
                f"{getattr(schedule, name)}",
                hint=Text(
                    f"this run has no anchors; give them a share, {share}, or leave `--{name}` out",
                    f"这次运行没有通用问题；请用 {share} 给它们一定比例，或去掉 `--{name}`",
                ),
            )


def idle_think(data: DataOptions, template: Thinking) -> Iterator[FlagFacts]:
    """An empty thought is asked for that this template does not have."""
    if data.think == EMPTY and not (template.known and template.empty):
        yield FlagFacts(
            "no-effect",
            "--think",
            EMPTY,
            hint=Text(
                "the chat template of this model shows no empty thought; leave it out",
                "这个模型的对话模板里看不出空的思考过程怎么写；请去掉它",
            ),
        )


def _named(columns: dict[str, str] | Text) -> list[tuple[str, str]]:
    return [] if isinstance(columns, Text) else list(columns.items())


def flags_without_effect(
    resolved: Resolved, found: Collected, asked: Collection[str] = ()
) -> Iterator[FlagFacts]:
    """What can be said once the rows are known; `asked`: names in system prompt and probes."""
    data = resolved.config.data
    for flag, name, values in (
        ("--model_name", "NAME", data.model_name),
        ("--model_author", "AUTHOR", data.model_author),
    ):
        if values and name not in found.filled_names and name not in asked:
            text = "{{" + name + "}}"
            yield FlagFacts(
                "no-effect",
                flag,
                " ".join(values),
                hint=Text(
                    f"no row contains {text}. Write {text} where the value belongs, or let"
                    f" `suretune init identity` make the rows, or leave `{flag}` out",
                    f"没有一行含有 {text}。请在数据里应填的位置写上 {text}，"
                    f"或用 `suretune init identity` 生成数据，或去掉 `{flag}`",
                ),
            )
    apart = data.val_dataset or resolved.config.proof.general  # whose rows may be the ones meant
    for name in data.ignore_fields:
        if name not in found.ignored and not apart:
            yield FlagFacts(
                "no-effect",
                "--ignore_fields",
                name,
                hint=Text(
                    f"no row of --dataset has a field or a turn with {name}; leave it out",
                    f"--dataset 里没有一行、也没有一轮带有 {name}；请去掉它",
                ),
            )
    columns = parse_columns(data.columns)
    there = sorted(found.named)[:12]
    for name, known in _named(columns):
        if there and name not in found.named and not apart:
            yield FlagFacts(
                "no-effect",
                "--columns",
                f"{name}={known}",
                hint=Text(
                    f"no row has a field {name}; there are {', '.join(there)}",
                    f"没有一行含有字段 {name}；数据里有 {'、'.join(there)}",
                ),
            )
    sources = {row.samples[0].system_source for row in found.ready}
    if data.system is not None and sources and sources <= {"row", "none"}:
        yield FlagFacts("no-effect", "--system", data.system, hint=Text(
            "every row brings its own system prompt; take that out, or leave `--system` out",
            "每一行都自带系统提示词；请从数据中去掉它，或去掉 `--system`"))  # fmt: skip
    if data.dataset_sample and all(is_counted(spec) for spec in data.dataset):
        yield FlagFacts("no-effect", "--dataset_sample", str(data.dataset_sample), hint=Text(
            "every dataset already says how many rows with #N",
            "每个数据集都已经用 #N 写明了条数"))  # fmt: skip
