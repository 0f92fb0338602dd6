"""`--search name=1,2,3` and `--search name=LOW..HIGH:log`, with every fault of theirs."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from suretune.config import Option, Resolved
from suretune.facts import FlagFacts
from suretune.sweep.search import JOINT, Dimension
from suretune.types import Text
from suretune.values import accepted, nearest_of

RANGE = re.compile(r"(?P<low>[^,]+?)\.\.(?P<high>[^,:]+)(?P<log>:log)?")
SYNTAX = Text(
    "It takes `option=a,b,c` or `option=LOW..HIGH`, with `:log` behind a range.",
    "它接受 `选项=a,b,c` 或 `选项=最小值..最大值`，范围后可加 `:log`。",
)
NEW = Text("every trial is a new run", "每次试验都是新的运行")
NOTHING = Text("it decides nothing about a run", "它不影响训练")
OURS: Mapping[str, Text] = {  # options that are the same in every trial
    "model": Text(
        "trials of several models cannot be compared; let each have a sweep",
        "不同模型的试验无法比较，请为每个模型各做一次搜索",
    ),
    "dataset": Text(
        "trials with other rows cannot be compared; let each dataset have a sweep",
        "数据不同的试验无法比较，请为每份数据各做一次搜索",
    ),
    "output_dir": Text("every trial gets its own folder", "每次试验有自己的文件夹"),
    "dry_run": Text("every trial trains", "每次试验都要训练"),
    "seed": Text("`--seeds 1 2 3` asks for several", "`--seeds 1 2 3` 用于多个种子"),
    "num_gpus": Text(
        "`--num_gpus` says over how many GPUs the trials are dealt",
        "`--num_gpus` 指定试验分到几块 GPU 上",
    ),
    **dict.fromkeys(("resume", "resume_from_checkpoint"), NEW),
    **dict.fromkeys(("resume_only_model", "ignore_data_skip"), NEW),
    **dict.fromkeys(("ignore", "strict", "preview", "disable_tqdm"), NOTHING),
    **dict.fromkeys(("logging_steps", "report_to", "run_name", "logging_dir"), NOTHING),
}
SETTINGS = Text(
    "What can be searched are settings of the training, such as `learning_rate` or `lora_rank`.",
    "可以搜索的是训练设置，例如 `learning_rate` 或 `lora_rank`。",
)
Read = tuple[Dimension | None, FlagFacts | None]


def read_search(
    words: Sequence[str],
    known: Mapping[str, Option],
    resolved: Resolved,
) -> tuple[list[Dimension], list[FlagFacts]]:
    """The dimensions, and what is wrong with the words."""
    found: dict[str, Dimension] = {}
    faults = []
    for word in words:
        dimension, fault = _read(word, known, resolved)
        if dimension and dimension.name in found:
            fault = _bad(word, Text("It is searched twice.", "同一个选项写了两次。"))
        if fault:
            faults.append(fault)
        elif dimension:
            found[dimension.name] = dimension
    return list(found.values()), faults


def _read(
    word: str,
    known: Mapping[str, Option],
    resolved: Resolved,
) -> Read:
    typed, equals, values = word.partition("=")
    typed = typed.removeprefix("--").replace("-", "_").strip()
    if not (typed and equals and values.strip()):
        return None, _bad(word, SYNTAX)
    spelled = {name: spec for spec in known.values() for name in (spec.name, *spec.aliases)}
    if typed not in spelled:
        near = nearest_of(typed, spelled)
        meant = near and f"--search {near}={values}"
        return None, FlagFacts("unknown-flag", f"--search {typed}", values, meant)
    spec = spelled[typed]
    if spec.name in OURS:
        why = OURS[spec.name]
        hint = Text(
            f"Not this one: {why.en}. {SETTINGS.en}", f"它不能搜索：{why.zh}。{SETTINGS.zh}"
        )
        return None, _bad(word, hint)
    if resolved.given(spec.name):
        hint = Text("A value that is searched cannot be given, too.", "要搜索的值不能同时给定。")
        return None, FlagFacts("conflicting-flags", f"--{spec.name}", f"--search {word}", hint=hint)
    span = RANGE.fullmatch(values.strip()) if spec.kind in (int, float) else None
    return _range(word, spec, span) if span else _choices(word, spec, values)


def _range(word: str, spec: Option, span: re.Match[str]) -> Read:
    try:
        low, high = (spec.parse(span[end].strip()) for end in ("low", "high"))
    except (ValueError, OverflowError) as error:
        return None, _bad(word, accepted(spec, str(error)))
    if low is None or high is None or low >= high or (span["log"] and low <= 0):
        hint = Text(
            "The range must rise, and a `:log` range begins above 0.",
            "范围要从小到大；`:log` 的范围要大于 0。",
        )
        return None, _bad(word, hint)
    return Dimension(
        spec.name, low=low, high=high, log=bool(span["log"]), whole=spec.kind is int
    ), None


def _choices(word: str, spec: Option, values: str) -> Read:
    choices = [choice.strip() for choice in values.split(",")]
    if not all(choices):
        return None, _bad(word, SYNTAX)
    if len(set(choices)) < len(choices):
        return None, _bad(word, Text("A value stands twice.", "有重复的值。"))
    try:
        for choice in choices:
            for part in choice.split(JOINT) if spec.many else [choice]:
                spec.parse(part)
    except (ValueError, OverflowError) as error:
        return None, _bad(word, accepted(spec, str(error)))
    return Dimension(spec.name, tuple(choices)), None


def _bad(word: str, hint: Text) -> FlagFacts:
    return FlagFacts("bad-value", "--search", word, hint=hint)
