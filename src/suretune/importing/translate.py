"""Each pasted flag judged, and what it becomes: the lines of the table and the working form."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace

from suretune.config import Option, Resolved, options
from suretune.data.base import find_base
from suretune.facts import Finding, FlagFacts, SetupFacts
from suretune.guards import judge
from suretune.guards.c007_role_tokens_in_system import TOKEN
from suretune.guards.guard import meant, sentence
from suretune.importing.arithmetic import add_up, mend
from suretune.importing.named import Named, named
from suretune.importing.packing import packed_already
from suretune.importing.pasted import Pasted
from suretune.importing.serving import Module, modules, put_modules, settle_serving
from suretune.importing.tables import Entry
from suretune.importing.translation import (
    CHANGED,
    DEFAULT,
    HARMFUL,
    KEPT,
    NEVER,
    NO_EFFECT,
    RENAMED,
    UNAVAILABLE,
    UNKNOWN,
    Line,
    Translation,
)
from suretune.preflight.again import TELLING
from suretune.preflight.flags import misused_flags
from suretune.refusal import Refusal
from suretune.types import Text

COMMA = ("target_modules", "layers_to_transform")  # lists that other tools write with commas
_CHECKPOINT = re.compile(r"(?P<run>.*?)/?(?:(?:^|/)v\d+-[^/]*)?(?:/|^)checkpoint-(?P<n>[^/]*)/?")
ANYWAY = Text("This is what suretune does when nothing is said.", "不写也是这样。")
NO_USE = Text("The verb of the working form has no use for it.", "可用的命令用不到它。")
JOINED = Text(
    "The quotes around it are missing: its words were put together.",
    "缺少引号：已把几个词合在一起。",
)


def translate(pasted: Pasted, allowed: Mapping[str, Collection[str]]) -> Translation:
    """`allowed`: the options that each verb of suretune takes."""
    made = Translation(pasted, allowed.get(pasted.verb, ()), named(pasted))
    made.notes += made.data.notes
    made.serious += made.data.lost
    per_epoch: list[tuple[int, Entry]] = []
    for flag, values in pasted.flags:
        entry = _entry(pasted, flag)
        if entry is None:
            made.lines.append(_unknown(pasted, flag, values))
        elif entry.verdict == "per-epoch" and said(values) not in entry.default:
            per_epoch.append((len(made.lines), entry))
            made.lines.append(Line(flag, " ".join(values), UNAVAILABLE, ANYWAY))
        else:
            _judge(made, flag, values, entry)
    for index, entry in per_epoch:
        _per_epoch(made, index, entry)
    if pasted.verb == "serve":
        settle_serving(made)
    _consistent(made)
    if made.data.repeat and "repeat" in made.allowed:
        made.given["repeat"], made.parsed["repeat"] = ("true",), True
    if pasted.verb in ("sft", "check"):
        made.sums, _ = add_up(made.resolved(), made.data.rows, here=False)
        made.told = mend(made.resolved(), made.data.rows, _mender(made))
        made.here, _ = add_up(made.resolved(), made.data.rows, here=True)
    return made


def _entry(pasted: Pasted, flag: str) -> Entry | None:
    """What the tool's table says; else suretune's own flag of that name."""
    if entry := pasted.tool.entry(flag):
        return entry
    for name, spec in options().items():
        if flag == name or flag in spec.aliases:
            return Entry(name)
    return None


def _unknown(pasted: Pasted, flag: str, values: Sequence[str]) -> Line:
    close = meant(next(iter(difflib.get_close_matches(flag, pasted.tool.entries, 1, 0.75)), ""))
    name = pasted.tool.name
    why = Text(
        f"Unknown here as a flag of {name}: left out. {close.en}".strip(),
        f"不认识 {name} 的这个参数，已去掉。{close.zh}",
    )
    return Line(flag, " ".join(values), UNKNOWN, why, serious=True)


def said(values: Sequence[str]) -> str:
    """One word for a value; a bare flag is true, and YAML has several words for nothing."""
    word = " ".join(values).strip().lower() if values else "true"
    return "null" if word == "~" else word


def _judge(made: Translation, flag: str, values: tuple[str, ...], entry: Entry) -> None:
    line = Line(flag, " ".join(values), KEPT, entry.why or ANYWAY)
    if entry.default and (said(values) in entry.default or said(values) == ""):
        made.lines.append(replace(line, verdict=DEFAULT, why=ANYWAY))
    elif not entry.to:
        serious = entry.verdict in (UNAVAILABLE, NEVER) and said(values) not in entry.harmless
        verdict = entry.verdict if serious else NO_EFFECT
        made.lines.append(replace(line, verdict=verdict, serious=serious))
    elif entry.to not in made.allowed:
        verdict = NEVER if entry.verdict == NEVER else NO_EFFECT
        made.lines.append(replace(line, verdict=verdict, why=NO_USE))
    else:
        spec = options()[entry.to]
        special = SPECIAL.get(entry.to)
        words = tuple(entry.values.get(word, word) for word in values if word)
        if not words and spec.kind is bool:
            words = ("true",)
        words = words if spec.many else words[:1]
        line = replace(line, verdict=_verdict(flag, entry), why=entry.why or spec.help)
        if special is None or not special(made, line, values):
            _option(made, line, spec, words, values, entry)


def _verdict(flag: str, entry: Entry) -> str:
    if entry.verdict == NEVER:
        return NEVER
    return KEPT if flag == entry.to else RENAMED


def _option(
    made: Translation,
    line: Line,
    spec: Option,
    words: Sequence[str],
    values: Sequence[str],
    entry: Entry,
) -> None:
    """A flag that is an option of suretune, if its value is one."""
    parts = [part for word in words for part in word.split(",") if part]
    try:
        every = parts if spec.name in COMMA else words
        parsed = [spec.parse(word) for word in every]
        if not parsed:
            raise ValueError
    except (ValueError, OverflowError):
        there = next(filter(None, map(spec.elsewhere_only, words)), None)
        why = _sentence(there) if there else _takes(spec)
        made.lines.append(replace(line, verdict=UNAVAILABLE, why=why, serious=True))
        return
    if not spec.many and len(values) > 1:
        extra = " ".join(values[1:])
        en = f"`{extra}` behind --{line.flag} belongs to no flag: left out."
        made.serious.append(Text(en, f"--{line.flag} 后面的 `{extra}` 不属于任何参数，已去掉。"))
    value = tuple(parsed) if spec.many else parsed[0]
    if value == spec.default and spec.name not in TELLING and not entry.why:
        made.put(spec.name, words, value, replace(line, verdict=DEFAULT, why=ANYWAY))
        made.given.pop(spec.name)
        made.lines[-1] = replace(made.lines[-1], becomes="")
    elif value is None:
        made.lines.append(replace(line, verdict=DEFAULT, why=ANYWAY))
    else:
        made.put(spec.name, words, value, line)


def _sentence(phrase: Text) -> Text:
    return Text(f"{phrase.en}.", f"{phrase.zh}。")


def _takes(spec: Option) -> Text:
    kinds = {
        int: Text("a whole number", "整数"),
        float: Text("a number", "数字"),
        bool: Text("true or false", "true 或 false"),
        str: Text("a text", "文字"),
    }
    kind = kinds[spec.kind]
    bounds = f" {spec.bounds}" if spec.bounds else ""
    accepted = Text(" | ".join(spec.choices), " | ".join(spec.choices)) if spec.choices else kind
    return Text(
        f"Not available here: `--{spec.name}` takes {accepted.en}{bounds}.",
        f"这里没有：`--{spec.name}` 接受 {accepted.zh}{bounds}。",
    )


# --- flags whose value needs a look -------------------------------------------------------------


def _system(made: Translation, line: Line, values: Sequence[str]) -> bool:
    text = " ".join(values)
    if token := TOKEN.search(text):
        facts = FlagFacts("role-tokens-in-system", "--system", text, nearest=token[0])
        why = judge(facts)[0]
        plain = TOKEN.sub("", text).strip()
        harmful = Line(line.flag, text, HARMFUL, why.why, serious=True)
        if plain:
            made.put("system", (plain,), plain, harmful)
        else:
            made.lines.append(harmful)
        return True
    if len(values) > 1:
        made.notes.append(Text(f"--{line.flag}: {JOINED.en}", f"--{line.flag}：{JOINED.zh}"))
    made.put("system", (text,), text, line)
    return True


def _nearest(name: str) -> str:
    """What a base that is not here may have been meant to be."""
    try:
        find_base(name, weights=False)
    except Refusal as refusal:
        return refusal.facts.nearest if isinstance(refusal.facts, SetupFacts) else ""
    return ""


def _model(made: Translation, line: Line, values: Sequence[str]) -> bool:
    name = values[0] if values else ""
    known = "" if name == "pocket" or "/" in name or not name else _nearest(name)
    if known.startswith("Qwen/"):
        made.put(
            "model",
            (known,),
            known,
            replace(
                line,
                verdict=CHANGED,
                why=Text(
                    "With its owner it is the name on the hubs; a folder of that name is not here.",
                    "带上组织名才是下载站上的名字；这里没有这个名字的文件夹。",
                ),
            ),
        )
        return True
    if name and name != "pocket" and "/" not in name and not os.path.isdir(name):
        made.notes.append(
            Text(
                f"`{name}` is neither a folder here nor a hub id: write the folder's path,"
                " or the id with its owner (Qwen/Qwen2.5-7B-Instruct).",
                f"`{name}` 既不是这里的文件夹，也不是下载站上的名字：请写文件夹路径，"
                "或带组织名的 ID（Qwen/Qwen2.5-7B-Instruct）。",
            )
        )
    return False


def _dataset(made: Translation, line: Line, values: Sequence[str]) -> bool:
    return _specs(made, line, "dataset", made.data)


def _val_dataset(made: Translation, line: Line, values: Sequence[str]) -> bool:
    return _specs(made, line, "val_dataset", named(made.pasted, "val_dataset"))


def _specs(made: Translation, line: Line, option: str, data: Named) -> bool:
    if not data.specs:
        return False
    if option in made.given:  # several keys of a YAML name one dataset each
        made.lines.append(replace(line, becomes=f"--{option} {line.value}"))
        return True
    if option != "dataset":
        made.serious += data.lost
        made.notes += data.notes
    made.put(option, data.specs, tuple(data.specs), line)
    return True


def _placeholder(name: str) -> Callable[[Translation, Line, Sequence[str]], bool]:
    def look(made: Translation, line: Line, values: Sequence[str]) -> bool:
        if name in made.data.placeholders:
            return False
        mark = "{{" + name + "}}"
        made.lines.append(
            replace(
                line,
                verdict=NO_EFFECT,
                why=Text(
                    f"It only fills {mark} in rows (ms-swift: of swift/self-cognition alone),"
                    f" and no row here has any: write {mark} into them, or use"
                    " `suretune init identity`.",
                    f"它只替换数据里的 {mark}（ms-swift 只在 swift/self-cognition 里替换），"
                    f"而这里没有一行含有它："
                    f"请在数据里写上 {mark}，或用 `suretune init identity`。",
                ),
            )
        )
        return True

    return look


def _sample(made: Translation, line: Line, values: Sequence[str]) -> bool:
    specs, there = made.data.specs, made.data.there
    number = int(values[0]) if values and re.fullmatch("[0-9]{1,9}", values[0]) else 0
    verdict = NEVER if line.verdict == NEVER else NO_EFFECT
    if specs and all(re.search(r"#\d+$", spec) for spec in specs):
        why = Text(
            "Every dataset already says how many rows with #N.",
            "每个数据集都已经用 #N 写明了条数。",
        )
    elif number and specs and all(rows is not None and rows <= number for rows in there):
        why = Text("The datasets have no more rows than that.", "数据集没有那么多行。")
    else:
        return False
    made.lines.append(replace(line, verdict=verdict, why=why))
    return True


def _adapters(made: Translation, line: Line, values: Sequence[str]) -> bool:
    found: list[Module] = []
    changed = line
    for module in modules(values):
        match = _CHECKPOINT.fullmatch(module.path)
        taken = match is not None and any(one.path == match["run"] for one in found)
        if match is None or taken or os.path.exists(module.path):
            found.append(module)
            continue
        run, number = match["run"] or "runs", match["n"]
        found.append(replace(module, path=run))
        changed = replace(
            line,
            verdict=CHANGED,
            why=Text(
                f"`checkpoint-{number}` would be update {number}; 50 rows x 10 epochs at 16 rows an"
                " update end at update 40. suretune takes the run folder and finds the adapter that"
                " was proven.",
                f"`checkpoint-{number}` 是第 {number} 次更新；50 条 × 10 轮、每次 16 条，"
                "到第 40 次就结束了。suretune 只要运行文件夹，"
                "会自己找到通过验证的适配器。",
            ),
        )
    if made.pasted.verb == "serve":
        put_modules(made, changed, found)
        return True
    if changed is line and not any(module.name for module in found) and len(found) == 1:
        return False
    if found:
        made.put("adapters", (found[0].path,), found[0].path, changed)
    for more in found[1:]:
        made.serious.append(
            Text(
                f"{more.path}: one adapter answers here; `suretune serve` serves several.",
                f"{more.path}：这里只能用一个适配器回答；`suretune serve` 可以同时提供多个。",
            )
        )
    return bool(found)


SPECIAL: Mapping[str, Callable[[Translation, Line, Sequence[str]], bool]] = {
    "tuner": packed_already,
    "system": _system,
    "model": _model,
    "dataset": _dataset,
    "val_dataset": _val_dataset,
    "dataset_sample": _sample,
    "model_name": _placeholder("NAME"),
    "model_author": _placeholder("AUTHOR"),
    "adapters": _adapters,
}


def _per_epoch(made: Translation, index: int, entry: Entry) -> None:
    """`evals_per_epoch: 4` is an interval once the updates of an epoch are known."""
    line = made.lines[index]
    sums, _ = add_up(made.resolved(), made.data.rows, here=True)
    times = int(line.value) if re.fullmatch("[0-9]{1,6}", line.value) else 0
    if not sums.per_epoch or not times or entry.to in made.given:
        made.lines[index] = replace(
            line,
            serious=True,
            why=Text(
                f"An interval counts updates here (`--{entry.to} N`), and how many an epoch has"
                " is not known without the rows.",
                f"这里的间隔按更新次数算（`--{entry.to} N`）；"
                "不知道有多少条数据，就算不出每轮几次更新。",
            ),
        )
        return
    every = max(1, sums.per_epoch // times)
    why = Text(f"An epoch has {sums.per_epoch} updates.", f"每轮有 {sums.per_epoch} 次更新。")
    made.given[entry.to], made.parsed[entry.to], made.at[entry.to] = (str(every),), every, index
    becomes = f"--{entry.to} {every}"
    made.lines[index] = replace(line, verdict=CHANGED, why=why, becomes=becomes)


def _consistent(made: Translation) -> None:
    """What suretune itself says of these flags before it reads a row: such flags go."""
    for facts in misused_flags(made.resolved()):
        why = sentence(facts.hint)
        option = facts.flag.removeprefix("--")
        if facts.problem == "harmless-no-effect":
            made.drop(option, NO_EFFECT, why, serious=False)
        else:
            made.drop(option, HARMFUL, why, serious=True)


def _mender(made: Translation) -> Callable[[Finding, str, str], Resolved]:
    def set_to(finding: Finding, option: str, value: str) -> Resolved:
        why = Text(f"{finding.what.en} {finding.why.en}", f"{finding.what.zh}{finding.why.zh}")
        if not value:
            made.drop(option, NO_EFFECT, why, serious=False)
            return made.resolved()
        parsed = options()[option].parse(value)
        made.given[option], made.parsed[option] = (value,), parsed
        if option in made.at:
            index = made.at[option]
            line = made.lines[index]
            made.lines[index] = replace(
                line,
                verdict=CHANGED if line.verdict != NEVER else NEVER,
                why=why,
                becomes=f"--{option} {value}",
            )
        return made.resolved()

    return set_to
