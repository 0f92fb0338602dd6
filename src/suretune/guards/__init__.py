"""Guards judge facts; they never fetch, never measure and never act.

One file is one guard: `d003_nothing_to_learn.py` holds `GUARD`, and its docstring is the page that
`suretune explain D003` prints. `run` acts on what they find.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from suretune.facts import ExportFacts, Facts, Finding, FlagFacts, RecoveryFacts, SetupFacts
from suretune.guards.guard import Guard
from suretune.types import Fault, Text


@cache
def all_guards() -> tuple[Guard, ...]:
    """Every guard of this folder, in the order of their codes."""
    names = sorted(m.name for m in iter_modules(__path__) if re.match(r"[a-z]\d{3}_", m.name))
    return tuple(import_module(f"{__name__}.{name}").GUARD for name in names)


@cache
def problems() -> Mapping[type, frozenset[str]]:
    """What facts that name their guard may say, by their type: names of guards, and `also`."""
    named: dict[type, set[str]] = {}
    for guard in all_guards():
        named.setdefault(guard.facts, set()).update((guard.name, *guard.also))
    return {kind: frozenset(names) for kind, names in named.items()}


def judge(facts: Facts) -> list[Finding]:
    """What the guards that look at this kind of fact have to say.

    Raises LookupError for facts that name a problem of which no guard knows: nothing would be
    said of it, and a run would go on or end in silence.
    """
    if isinstance(facts, (FlagFacts, SetupFacts, RecoveryFacts, ExportFacts, Fault)):
        problem = facts.kind if isinstance(facts, Fault) else facts.problem
        if problem not in problems()[type(facts)]:
            raise LookupError(f"no guard of {type(facts).__name__} knows {problem!r}")
    fired = (guard.judge(facts) for guard in all_guards() if isinstance(facts, guard.facts))
    return [finding for finding in fired if finding is not None]


def heading_of(reason: str) -> Text:
    """The heading of the guard whose code a text begins with (`R003 probes-failed`, as reports
    keep their reasons); any other text as it is."""
    known = {guard.code: guard.heading for guard in all_guards()}
    return known.get(reason.partition(" ")[0], Text(reason, reason))


def explain(code: str) -> str | None:
    """The documentation page of a guard, by code (`D003`) or name (`nothing-to-learn`)."""
    for guard in all_guards():
        if code.lower() in (guard.code.lower(), guard.name):
            module = f"{__name__}.{guard.code.lower()}_{guard.name.replace('-', '_')}"
            return import_module(module).__doc__
    return None


INTRO = """\
# Guards · 检查项

Every guard judges facts and says three things: what happened, why it matters, and the one command
or flag that mends it. What a guard finds is either an *error*, which stops the run, or a *note* in
its report. `suretune explain D003` prints an entry of this page, which is made from the guards.

每个检查项只依据事实判断，并说清三件事：问题是什么、有什么影响、用哪个命令或参数改。
查出的要么是*错误*，会中止运行；要么是*提示*，记入报告。
`suretune explain D003` 会显示本页的一条；本页由检查项自身生成。

C: command and configuration · 命令与配置 | D: data · 数据 | P: prompt and template · 提示词与模板 |
S: set-up · 准备 | T: training · 训练 | R: result · 结果 | V: serving · 部署 | E: export · 导出
"""
LABEL = re.compile(r"^(What it looks at|Why it matters|Fix|检查内容|影响|怎么改)", re.M)
CHINESE_LINE_END = re.compile(
    r"(?<=[，。；：、）？”])\n(?=\S)|(?<=[\u4e00-\u9fff])\n(?=[\u4e00-\u9fff（“])"
)


def page() -> str:
    """All of docs/guards.md: what `explain` prints, for every guard, as Markdown."""
    return "\n".join([CHINESE_LINE_END.sub("", INTRO), *(entry(guard) for guard in all_guards())])


def entry(guard: Guard) -> str:
    title = f"{guard.code} {guard.name}"
    text = (explain(guard.code) or "").replace(f"{title}: ", "").replace(f"{title}：", "")
    text = CHINESE_LINE_END.sub("", LABEL.sub(r"**\1**", text))
    severity = "error · 错误" if guard.stops else "note · 提示"
    names = f"**{guard.title.en} · {guard.title.zh}** ({severity})"
    return f"## {title}\n\n{names}\n\n{text[:1].upper()}{text[1:]}"
