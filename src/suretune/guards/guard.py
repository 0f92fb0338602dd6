"""What a guard is: code, name, title, the fact it looks at, three sentences in two languages."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from math import comb
from pathlib import PurePath
from typing import Any

from suretune import typed
from suretune.facts import (
    Change,
    DataFacts,
    Facts,
    Finding,
    FlagFacts,
    RecoveryFacts,
    ServedFacts,
    SetupFacts,
    heading,
)
from suretune.types import Fault, Hint, Text

Values = Mapping[str, object]
Check = Callable[[DataFacts], Values | None]
EMPTY = Text("", "")
NOTHING_TYPED = Text("(nothing)", "（空）")
AMID = Text(  # of a run that a disk ended
    "Nothing more of the run could be kept; what was saved before is there.",
    "这次训练后面的内容无法保存；之前保存的都在。",
)


@dataclass(frozen=True, slots=True)
class Guard:
    """`check` gets facts of type `facts` and returns the values for the texts, or None.
    `title` says in a few words what `name` stands for.

    The texts are format strings over those values; a value that is itself a `Text` is put in the
    language of the sentence around it. Three keys are special: `where`, `parts` and `also` are
    the `Finding`'s.
    `also`: problems beside its own name for which it speaks.
    """

    code: str
    name: str
    title: Text
    stops: bool
    facts: type
    check: Callable[[Any], Values | None]
    what: Text
    why: Text
    fix: Text
    also: tuple[str, ...] = ()

    def judge(self, facts: Facts) -> Finding | None:
        values = self.check(facts)
        if values is None:
            return None
        also = _tuple(values, "also")
        return Finding(
            self.code,
            name=self.name,
            stops=self.stops,
            where=str(values.get("where", "")),
            what=filled(self.what, values),
            why=filled(self.why, values),
            fix=filled(self.fix, values),
            parts=_tuple(values, "parts"),
            title=self.title,
            more=len(also),
            also=also,
        )

    @property
    def heading(self) -> Text:
        return heading(self.code, self.name, self.title)


def _tuple(values: Values, key: str) -> tuple[Any, ...]:
    found = values.get(key, ())
    return found if isinstance(found, tuple) else ()


def filled(text: Text, values: Values) -> Text:
    english = {key: v.en if isinstance(v, Text) else v for key, v in values.items()}
    chinese = {key: v.zh if isinstance(v, Text) else v for key, v in values.items()}
    return Text(text.en.format_map(english).strip(), text.zh.format_map(chinese).strip())


# --- checks that only select, for facts whose stage has named the guard -----------------------


def for_fault(kind: str) -> Callable[[Fault], Values | None]:
    """A check for the faults of one kind; `file` is quoted for a shell, `hint` may be empty."""

    def check(fault: Fault) -> Values | None:
        if fault.kind != kind:
            return None
        return {
            "where": place(fault),
            "file": typed.path(re.sub(r"#\d+$", "", fault.origin.file)),
            "field": field(fault.field),
            "found": fault.found or Text("nothing", "空"),
            "hint": sentence(fault.hint),
            "also": fault.also,
        }

    return check


def for_learned(check: Check) -> Check:
    """This check, of rows that are learned: it has nothing to say of those that are measured."""

    def looked(facts: DataFacts) -> Values | None:
        return check(facts) if facts.are_learned else None

    return looked


def for_flag(problem: str) -> Callable[[FlagFacts], Values | None]:
    """A check for the flags of one problem; `meant` asks for the nearest flag, if there is one."""

    def check(facts: FlagFacts) -> Values | None:
        if facts.problem != problem:
            return None
        return {
            "where": facts.flag or facts.value,
            "flag": facts.flag,
            "value": facts.value or NOTHING_TYPED,
            "typed": f"{facts.flag} {facts.value}".strip(),
            "nearest": facts.nearest,
            "meant": meant(facts.nearest),
            "hint": sentence(facts.hint),
            "help": f"suretune {facts.verb or 'sft'} --help",
        }

    return check


def listed(facts: FlagFacts, *, reasons: bool = True) -> Text:
    """All flags of a finding as one phrase, each with what stands in its place and its reason."""
    parts = one_by_one(facts, reasons=reasons)
    return Text("; ".join(part.en for part in parts), "；".join(part.zh for part in parts))


def one_by_one(facts: FlagFacts, *, reasons: bool = True) -> list[Text]:
    """The flags of a finding in phrases, those with the same reason in one."""
    shown: dict[str, list[str]] = {}
    for one in (facts, *facts.others):
        typed_as = f"`{f'{one.flag} {one.value}'.strip()}`"
        why = one.hint if reasons and one.hint else EMPTY
        why = Text(why.en.removesuffix("."), why.zh.removesuffix("。"))  # a part of a sentence
        key = f"{why.en}\0{why.zh}"
        shown.setdefault(key, []).append(
            f"{typed_as} → `{one.nearest}`" if one.nearest and reasons else typed_as
        )
    ends = [key.split("\0") for key in shown]
    return [
        Text(
            ", ".join(flags) + (f": {why[0]}" if why[0] else ""),
            "、".join(flags) + (f"：{why[1]}" if why[1] else ""),
        )
        for flags, why in zip(shown.values(), ends, strict=True)
    ]


def for_setup(problem: str, flag: str = "") -> Callable[[SetupFacts], Values | None]:
    """A check for one problem of the set-up; it speaks of `flag`, or else of the detail itself.

    `path` and `found_path` are the two facts as one types them behind a command.
    """

    def check(facts: SetupFacts) -> Values | None:
        if facts.problem != problem:
            return None
        return {
            "where": flag or facts.detail,
            "detail": facts.detail,
            "path": typed.path(facts.detail),
            "found": facts.found or Text("none", "无"),
            "found_path": typed.path(word(facts.found) or "RUN"),
            "meant": meant(facts.nearest),
        }

    return check


def for_recovery(problem: str) -> Callable[[RecoveryFacts], Values | None]:
    """A check for one thing that a run got over, or did not."""

    def check(facts: RecoveryFacts) -> Values | None:
        if facts.problem != problem:
            return None
        return {
            "where": f"step {facts.step}",
            "step": facts.step,
            "loss": f"{facts.loss:.4g}",
            "grad_norm": f"{facts.grad_norm:.4g}",
            "rows": some(facts.rows),
            "back_to": facts.back_to,
            "rate_scale": f"{facts.rate_scale:g}",
            "attempts": facts.attempts,
            "how": facts.how,
        }

    return check


def for_served(cause: str) -> Callable[[ServedFacts], Values | None]:
    """A check for the one thing that explains best what a server answered."""

    def check(facts: ServedFacts) -> Values | None:
        if _cause(facts) != cause:
            return None
        values = {f.name: getattr(facts, f.name) for f in fields(facts)}
        files = {"run": "", "adapter": "/adapter", "template": "/adapter/chat_template.jinja"}
        paths = {name: run_path(facts.run, inside) for name, inside in files.items()}
        return {"where": facts.server, **values, **paths}

    return check


def _cause(facts: ServedFacts) -> str:
    """Which guard has to speak about a server; empty where all is as sealed."""
    needed = facts.needed
    if facts.as_base * 2 > facts.telling:  # however many answers that anybody gives are the seal's
        return "base-served"
    given = facts.as_sealed >= needed * facts.asked and not facts.lost
    given = given and facts.telling_as_sealed >= needed * facts.telling
    default = facts.default_as_known >= needed * facts.default_asked and not facts.default_lost
    if given and default:
        return "" if facts.telling else "nothing-tells"
    if given or (default and facts.default_asked):
        return "other-system-prompt"
    if facts.raw_as_base * 2 > facts.telling:
        return "base-served"
    if facts.raw_asked and facts.raw_as_sealed >= needed * facts.raw_asked:
        return "template-differs"
    return "other-model-served"


def run_path(run: str, inside: str = "") -> str:
    """A run's folder, or what lies in it, as one types it; RUN where it is not known."""
    return typed.path(f"{run or 'RUN'}{inside}")


# --- values that the sentences share ----------------------------------------------------------


def place(fault: Fault) -> str:
    """`file:line:column`, as far as they are known; line 0 is the file as a whole."""
    where = str(fault.origin) if fault.origin.line else fault.origin.file
    return f"{where}:{fault.column}" if fault.column else where


def both(found: str | Text) -> Text:
    """A fact in both languages: a name or a number is the same in either."""
    return found if isinstance(found, Text) else Text(found, found)


def word(found: str | Text) -> str:
    """A fact that is a name or a number, the same in both languages."""
    return found.en if isinstance(found, Text) else found


ENGINE = (
    (r"(\S+) is not one of .+", "融合层不支持 `{0}` 结构"),
    (r"rotary embedding of kind (.+)", "旋转位置编码的类型是 `{0}`"),
    (r"heads of (\d+), which is no power of two", "注意力头的宽度是 {0}，不是 2 的幂"),
    (r"activation (.+)", "激活函数是 `{0}`"),
    (r"dropout inside the base", "原模型里有 dropout"),
    (r"soft-capped scores \((.+)\)", "分数有软上限（`{0}`）"),
    (r"tokens that see later ones", "token 能看到后面的 token"),
    (r"adapters on the embedding or the head", "适配器加在词嵌入或输出层上"),
    (r"(\S+) in place of a linear layer", "线性层的位置上是 `{0}`"),
    (r"dropout before the adapters", "适配器前面有 dropout"),
    (r"several adapters on one layer", "同一层上有几个适配器"),
    (r"a bias in the adapters", "适配器带有偏置"),
    (r"a group of which some layers are packed", "同一组里只有部分层压缩过"),
)


def engine_reason(found: str | Text) -> Text:
    """Why the fused layers cannot compute a model, as they say it and in Chinese."""
    if isinstance(found, Text):
        return found
    for pattern, chinese in ENGINE:
        if told := re.fullmatch(pattern, found):
            return Text(found, chinese.format(*told.groups()))
    return both(found)


def field(name: str) -> Text:
    return Text(f"`{name}`", f"`{name}` ") if name else Text("the record", "这条记录")


def sentence(hint: Text | None) -> Text:
    """A hint, which a stage may give as a mere phrase, with the end that a sentence has."""
    if not hint or not hint.en:
        return EMPTY
    en = hint.en if hint.en.endswith((".", "?", ":")) else hint.en + "."
    zh = hint.zh if hint.zh.endswith(("。", "？", "：")) else hint.zh + "。"
    first = en.split()[0].rstrip(".,:;?!")  # a file's name, or a flag, is written as it is
    return Text(en[0].upper() + en[1:] if first.isalpha() else en, zh)


def meant(nearest: str) -> Text:
    return Text(f"Did you mean `{nearest}`?", f"是否想写 `{nearest}`？") if nearest else EMPTY


def fetching(identity: str, folder: str, *, data: bool = False, hub: str = "") -> Text:
    """The commands that bring a model, or a dataset, of a hub into a folder; of `hub` alone, where
    it is known which one is meant."""
    place = typed.path(folder)
    kind = " --repo-type dataset" if data else ""
    there = f"`hf download {identity}{kind} --local-dir {place}`"
    what = "--dataset" if data else "--model"
    scope = f"`modelscope download {what} {identity} --local_dir {place}`"
    if hub:
        command = scope if hub == "ms" else there
        return Text(command, command)
    return Text(f"{there} or {scope}", f"{scope} 或 {there}")


def some(items: Sequence[str]) -> Text:
    """The first three of a list, and how many more there are."""
    if not items:
        return Text("none", "无")
    shown, more = ", ".join(items[:3]), len(items) - 3
    if more <= 0:
        return Text(shown, shown)
    return Text(f"{shown} and {more} more", f"{shown} 等 {len(items)} 项")


def again(row: str) -> str:
    """The command that looks once more at the file of a row, `train.jsonl:17`."""
    return f"suretune check --dataset {typed.path(file_of(row))}"


def file_of(row: str) -> str:
    """The file of a row as the user named it."""
    return re.sub(r":\d+(\[\d+\])?$", "", row)


def written(hint: Text | None) -> str:
    """The file that an advised command writes; empty where it writes none."""
    return hint.file if isinstance(hint, Hint) else ""


def rewritten(file: str, script: str) -> str:
    """The command that writes a copy of a file changed by a sed script; empty for a binary table.

    In the locale C, so that bytes of the script are bytes. The copy is called after the file: by a
    name of its own a copy that has to be changed once more would be read and emptied at once.
    """
    packed = PurePath(file).suffix.lower() in typed.UNPACKS
    plain = PurePath(PurePath(file).stem if packed else file)
    kind = plain.suffix.lower()
    if kind in (".parquet", ".arrow"):
        return ""
    sed = f"LC_ALL=C sed -E {shlex.quote(script)}"
    new = f"> {shlex.quote(plain.stem + '.clean' + (kind or '.jsonl'))}"
    return f"{typed.through(sed, file)} {new}"


def longer(facts: DataFacts) -> Text:
    """What a higher --max_length would do about rows that are too long; never beyond the model."""
    if not facts.context or facts.longest <= facts.context:
        return Text(
            f"`--max_length {facts.longest}` takes every row whole.",
            f"`--max_length {facts.longest}` 可以完整容纳全部数据。",
        )
    beyond = Text(
        f"The model was built for {facts.context} tokens: no `--max_length` takes the longest row. "
        "Split it into several rows.",
        f"模型的上下文只有 {facts.context} 个 token，再大的 `--max_length` 也放不下最长的那条；"
        "请把它拆成几条。",
    )
    if facts.max_length >= facts.context:
        return beyond
    return Text(
        f"{beyond.en} `--max_length {facts.context}` takes what the model can.",
        f"{beyond.zh}`--max_length {facts.context}` 可以用到模型的上限。",
    )


UNLIKELY = 0.01


def grew(change: Change | None) -> bool:
    """Whether more answers gained a fault than chance explains: the exact sign test, one-sided.

    Answers that did not change say nothing (McNemar 1947); of those that did, half would have
    gained it if training made no difference. Seven gained and none lost are enough.
    """
    if change is None:
        return False
    changed = change.gained + change.lost
    tail = sum(comb(changed, k) for k in range(change.gained, changed + 1))
    return bool(tail < UNLIKELY * 2**changed)


def evaluate_every(updates: int, patience: int) -> int:
    """An interval that fits into a run: about four evaluations, or as many as the patience needs.

    0 where the run is too short for the patience, whatever the interval.
    """
    every = max(1, updates // 4)
    return min(every, (updates - 1) // patience) if patience > 0 else every


def too_many(part: int, whole: int) -> bool:
    """More than one in a hundred: too many to leave out unless somebody decides it."""
    return part * 100 > whole
