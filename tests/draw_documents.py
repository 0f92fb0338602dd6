"""Tables of the documents that follow from the code: `python tests/draw_documents.py` writes them.

What a card can train by the memory plan, what flags of other tools become, what extras weigh. Each
stands between `<!-- table: NAME -->` and `<!-- end -->`; test_documents.py compares.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import draw_exports
from suretune.config import options
from suretune.families import all_families
from suretune.families.family import Architecture, Family
from suretune.importing.tables import Entry, Table, table
from suretune.model.memory import CONTEXT, GIB, least_needed
from suretune.options_lora import LoraOptions
from suretune.prepare.cards import IN_USE, ROW, longest_row
from suretune.prepare.cards import SIZES as MODELS
from suretune.types import Text

ROOT = Path(__file__).parent.parent
SIZES = ROOT / "benchmarks" / "results" / "sizes.json"
ARTICLES = ROOT / "benchmarks" / "results" / "articles_pasted.json"
CARDS = (8, 12, 16, 24, 48, 80)  # GiB, as people name them
RANK = LoraOptions().lora_rank
TOOLS = ("swift", "llamafactory")
# For the READMEs: where a name differs from ours. All of it stands in import-cmd.
OFTEN = (
    "dataset_sample", "split_dataset_ratio", "max_length", "over_long", "tuner", "target_modules",
    "early_stopping_patience", "adapters",
)  # fmt: skip
WITHOUT = (
    ("template", "attn_impl", "flash_attn", "use_hf"),
    ("quant_method", "load_in_8bit", "deepspeed"),
)  # fmt: skip
HAPPENS = {
    "en": {
        "no-effect": "taken, without effect here (C005)",
        "unavailable": "not there: stops the run (C016)",
        "never-existed": "left out: no tool ever had it (C015)",
        "ours": "an option here, too",
    },
    "zh": {
        "no-effect": "照收，在这里不起作用（C005）",
        "unavailable": "没有这个功能：停止运行（C016）",
        "never-existed": "去掉：任何工具都没有它（C015）",
        "ours": "这里也有这个参数",
    },
}
HEADS = {
    "cards": {"en": ("model, in bfloat16", "needs at least"), "zh": ("模型，bfloat16", "至少需要")},
    "flags": {
        "en": ("ms-swift", "LLaMA-Factory", "suretune"),
        "zh": ("ms-swift", "LLaMA-Factory", "suretune"),
    },
    "others": {
        "en": ("flags", "what happens", "why"),
        "zh": ("参数", "怎么处理", "原因"),
    },
}
HEADS["families"] = {
    "en": ("`model_type`", "also inside", "computed", "what is special"),
    "zh": ("`model_type`", "也在这些权重里", "计算方式", "特别之处"),
}
COMPUTED = {
    "fast": {"en": "fast engine on CUDA; else packed", "zh": "CUDA 上用快速引擎，否则多行合并"},
    "packed": {"en": "plain engine, packed", "zh": "普通引擎，多行合并"},
    "alone": {"en": "plain engine, row by row", "zh": "普通引擎，逐行"},
}
HEADS["sizes"] = {
    "en": (
        "what pip is asked for",
        "packages",
        "more",
        "MiB more to download",
        "MiB unpacked",
    ),
    "zh": ("让 pip 安装的", "包数", "比 suretune 多出", "多下载 MiB", "解压后 MiB"),
}
HEADS["articles"] = {
    "en": (
        "article, section, command",
        "printed",
        "flattened",
        "comes to",
        "updates",
        "s",
        "what its screen ends with, typed",
        "updates",
        "s",
    ),
    "zh": (
        "文章、章节、命令",
        "逐行粘贴",
        "压成一行",
        "结果",
        "更新",
        "秒",
        "照屏幕最后给出的命令再输入一次",
        "更新",
        "秒",
    ),
}
CAME_TO = {
    "sealed": {"en": "verified", "zh": "验证通过"},
    "not-verified": {"en": "not verified", "zh": "未通过验证"},
    "forgetting-not-measured": {"en": "forgetting not measured", "zh": "没有测量遗忘"},
    "looks 0": {"en": "would start", "zh": "可以开始训练"},
    "asks 0": {"en": "an answer", "zh": "得到回答"},
    "asks 4": {
        "en": "S014: not there, and the run that is",
        "zh": "S014：没有这个检查点，并给出现有的运行",
    },
    "not run": {"en": "not run", "zh": "没有运行"},
}
LABELS = {
    "dry run with comments": "试运行，带注释",
    "dry run": "试运行",
    "a plain system prompt": "普通的系统提示词",
    "a wrapped system prompt": "带角色标记的系统提示词",
    "named modules": "逐个写出的模块",
    "batch and epochs": "批大小与轮数",
    "clipping": "梯度裁剪",
    "infer on a checkpoint that is not there": "对不存在的检查点推理",
    "infer on the output folder": "对输出文件夹推理",
    "a hub dataset, sampled and packed": "魔搭上的数据集，抽样并打包",
    "the whole template": "完整模板",
    "the base alone": "只用原模型",
    "the command": "主命令",
    "infer": "推理",
    "mixed data": "混合数据",
    "inside app.py": "app.py 里的命令",
    "the template": "模板",
    "with its comments": "带注释",
    "without them": "去掉注释",
    "validate.sh": "validate.sh",
    "anchored": "加入通用数据",
}
NEVER = {"en": "never existed there", "zh": "原工具没有"}
UNLESS = {"en": "; fine with {values}", "zh": "；取值为 {values} 时没有影响"}
CARD = {"en": "{size} GB card", "zh": "{size} GB 显卡"}


def cards(lang: str) -> str:
    """For each model: the least memory, and the longest row on cards of each size."""
    body = []
    for name, shape in MODELS.items():
        least = least_needed(shape, RANK, ROW, ROW // 2)
        rooms = [size * GIB - IN_USE + CONTEXT for size in CARDS]
        if least > max(rooms):
            continue
        longest = [
            f"{longest_row(shape, RANK, room):,}" if least <= room else "–" for room in rooms
        ]
        body.append((name, f"{least / GIB:.1f} GiB", *longest))
    return drawn((*HEADS["cards"][lang], *(CARD[lang].format(size=n) for n in CARDS)), body)


def flags_often(lang: str) -> str:
    """The flags of most tutorials, and what becomes of them."""
    body = list(_options(OFTEN, lang))
    for names in WITHOUT:
        known = [
            {n: tool.entries[n] for n in names if n in tool.entries} for tool in map(table, TOOLS)
        ]
        (verdict,) = {entry.verdict for entries in known for entry in entries.values()}
        body.append((*map(_named, known), HAPPENS[lang][verdict]))
    return drawn(HEADS["flags"][lang], body)


def flags_all(lang: str) -> str:
    """Every flag that has an option of suretune behind it."""
    return drawn(HEADS["flags"][lang], _options(options(), lang))


def others(tool: str) -> Callable[[str], str]:
    """Every flag of a tool that has none."""

    def draw(lang: str) -> str:
        groups: dict[tuple[str, str], list[str]] = {}
        for name, entry in _known(table(tool)).items():
            if not entry.to:
                groups.setdefault(_fate(name, entry, lang), []).append(name)
        body = [(_named(names), *fate) for fate, names in groups.items()]
        return drawn(HEADS["others"][lang], body)

    return draw


def _known(tool: Table) -> Mapping[str, Entry]:
    return {**tool.entries, **tool.serving}


def _fate(name: str, entry: Entry, lang: str) -> tuple[str, str]:
    """What happens to a flag that the table gives no option, and why."""
    own = options().get(name)
    why = own.help if own else entry.why
    said = HAPPENS[lang]["ours" if own else entry.verdict]
    fine = sorted(value for value in entry.default | entry.harmless if value)
    if entry.verdict == "unavailable" and fine and not own:
        comma = ", " if lang == "en" else "、"
        said += UNLESS[lang].format(values=comma.join(f"`{value}`" for value in fine))
    return said, _in(lang, why) if why else ""


def _in(lang: str, text: Text) -> str:
    return (text.zh if lang == "zh" else text.en).replace("|", "\\|")


def _options(names: Iterable[str], lang: str) -> Iterator[tuple[str, ...]]:
    """A line for each of these options that another tool has."""
    for name in names:
        cells = [
            ", ".join(_one(flag, entry, lang) for flag, entry in known.items() if entry.to == name)
            for known in (_known(table(tool)) for tool in TOOLS)
        ]
        if any(cells):
            yield *(cell or "–" for cell in cells), f"`--{name}`"


def _one(flag: str, entry: Entry, lang: str) -> str:
    notes = [f"`{there}` → `{here}`" for there, here in entry.values.items()]
    notes += [NEVER[lang]] if entry.verdict == "never-existed" else []
    left, right = (" (", ")") if lang == "en" else ("（", "）")
    return f"`--{flag}`" + (f"{left}{', '.join(notes)}{right}" if notes else "")


def _named(names: Iterable[str]) -> str:
    return ", ".join(f"`--{name}`" for name in names) or "–"


def of_rows(rows: Callable[[str], Iterator[Sequence[str]]]) -> Callable[[str], str]:
    """A table whose rows another file makes, head first."""

    def table(lang: str) -> str:
        head, *body = rows(lang)
        return drawn(head, body)

    return table


def drawn(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ("---",) * len(head), *body]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def sizes(lang: str) -> str:
    """What installs add to suretune alone, as benchmarks/sizes.py measured it."""
    installs = json.loads(SIZES.read_text("utf-8"))["installs"]
    core = len(installs["suretune"]["asked"])
    body = []
    for name, one in installs.items():
        if name != "suretune":
            ours = one["asked"][:core] == installs["suretune"]["asked"]
            asked = f"`suretune[{name}]`" if ours else f"`{' '.join(one['asked'])}`"
            more = one["more"]
            packages = one["packages"] - one["cuda"]["packages"], more["packages"]
            mib = more["download_mib"], more["unpacked_mib"]
            body.append((asked, *map(str, packages), *(f"{size:,.1f}" for size in mib)))
    return drawn(HEADS["sizes"][lang], body)


def articles(lang: str) -> str:
    """What the articles' commands cost and come to, as tests/draw_articles.py measured it."""
    body = []
    for name, one in json.loads(ARTICLES.read_text("utf-8")).items():
        number, section, what = name.split(" ", 2)
        label = f"{int(number) + 1} {section} {what if lang == 'en' else LABELS[what]}"
        end = one["end"]
        then = end.get("advised") if end else None
        body.append(
            (
                label,
                *(_cost(one[form]["en"]) for form in ("printed", "flattened")),
                _came_to(one["kind"], end, lang),
                *_took(end),
                _came_to(one["kind"], then, lang) if then else "–",
                *_took(then),
            )
        )
    return drawn(HEADS["articles"][lang], body)


def _cost(told: Mapping[str, Any]) -> str:
    return f"{told['status']} · {len(told['findings'])} · {told['lines']}"


def _took(told: Mapping[str, Any] | None) -> tuple[str, str]:
    """Updates and seconds of a core."""
    if not told or "updates" not in told:
        return "–", "–"
    return str(told["updates"]), f"{told['cpu_seconds']:.0f}"


def _came_to(kind: str, told: Mapping[str, Any] | None, lang: str) -> str:
    """Exit status and verdict, in words."""
    if told is None:
        return CAME_TO["not run"][lang]
    key = told.get("verdict") or (f"{kind} {told['status']}")
    codes = [reason.split()[0] for reason in told.get("reasons", ())]
    said = CAME_TO[key][lang]
    if codes:
        said += {"en": ": " + ", ".join(codes), "zh": "：" + "、".join(codes)}[lang]
    return f"{told['status']}{', ' if lang == 'en' else '，'}{said}"


def families(lang: str) -> str:
    """Every architecture that has an entry: how it is computed, and what is special in it."""
    body = [
        (
            f"`{about.model_type}`",
            _inside(family, about),
            _computed(about, lang),
            _special(about, lang),
        )
        for family in all_families()
        for about in family.architectures
    ]
    return drawn(HEADS["families"][lang], body)


def _inside(family: Family, about: Architecture) -> str:
    """The checkpoints of several parts in which it is found."""
    own = [name for name in family.wrappers if about.model_type == f"{name}_text"]
    named = {f"{name}_text" for name in family.wrappers}
    any_of_it = [n for n in family.wrappers if f"{n}_text" not in _types(family)]
    found = own or ([] if about.model_type in named else any_of_it)
    return ", ".join(f"`{name}`" for name in found) or "–"


def _types(family: Family) -> set[str]:
    return {about.model_type for about in family.architectures}


def _computed(about: Architecture, lang: str) -> str:
    kind = "fast" if about.fused else "packed" if about.packed else "alone"
    return COMPUTED[kind][lang]


def _special(about: Architecture, lang: str) -> str:
    return _in(lang, about.special) if about.special else "–"


TABLES: Mapping[str, Callable[[str], str]] = {
    "cards": cards,
    "families": families,
    "flags-often": flags_often,
    "flags": flags_all,
    "sizes": sizes,
    "exports-pocket": of_rows(draw_exports.exports("exports-pocket")),
    "exports-smollm2": of_rows(draw_exports.exports("exports-smollm2")),
    "servers": of_rows(draw_exports.servers),
    "same-weights": of_rows(draw_exports.weights),
    "articles": articles,
    "others-swift": others("swift"),
    "others-llamafactory": others("llamafactory"),
}
PLACES = (
    "README.md",
    "README.zh-CN.md",
    "docs/export.md",
    "docs/export.zh-CN.md",
    "docs/first-hour.md",
    "docs/first-hour.zh-CN.md",
    "docs/import-cmd.md",
    "docs/import-cmd.zh-CN.md",
    "docs/models.md",
    "docs/models.zh-CN.md",
    "docs/trackers.md",
    "docs/trackers.zh-CN.md",
)
PART = re.compile(r"(<!-- table: ([a-z0-9-]+) -->\n)\n?(?:\|.*\n)*\n?(<!-- end -->)")


def anew(place: str) -> str:
    """The page with its tables as the code has them."""
    lang = "zh" if place.endswith(".zh-CN.md") else "en"
    text = (ROOT / place).read_text("utf-8")
    return PART.sub(lambda part: part[1] + TABLES[part[2]](lang) + part[3], text)


if __name__ == "__main__":
    for page in PLACES:
        text = anew(page)
        (ROOT / page).write_text(text, "utf-8")
