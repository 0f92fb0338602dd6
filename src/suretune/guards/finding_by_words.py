"""Pages by code, and guards by the words of their pages: what `suretune explain` looks up."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache

from suretune.guards import all_guards, explain
from suretune.guards.guard import Guard
from suretune.types import Text

HAN = "\u3400-\u9fff"
TERMS = re.compile(rf"[{HAN}]+|[a-z][a-z0-9_]*|\d+[a-z]*")
# What people say, and what the pages say for it.
SAME = (
    ("oom", "显存", "爆显存", "显存不足", "显存不够", "内存", "out of memory", "memory"),
    (
        "过拟合",
        "overfit",
        "overfitting",
        "死记硬背",
        "背下来",
        "learned by heart",
        "先降后升",
        "turned up",
        "recites",
    ),
    ("忘", "遗忘", "灾难性遗忘", "forget", "forgetting", "forgets", "forgot", "丢失", "lost"),
    (
        "nan",
        "inf",
        "发散",
        "不收敛",
        "diverge",
        "diverges",
        "diverged",
        "not finite",
        "有限值",
        "无穷大",
    ),
    ("复读", "重复", "循环", "停不下来", "repeats", "repeat", "loops", "looping"),
    ("学习率", "learning rate", "learning_rate", "lr"),
    ("自我认知", "身份", "identity", "old name", "旧名字", "通义千问"),
    ("乱码", "编码", "gbk", "utf-8", "encoding", "garbled"),
    ("太长", "过长", "超长", "截断", "too long", "truncated", "truncation", "max_length"),
    ("没反应", "卡住", "很慢", "太慢", "slow", "hangs", "cpu"),
    ("下载", "连不上", "超时", "download", "timeout", "hub", "hugging", "魔搭", "平台"),
    ("磁盘", "空间不足", "disk", "no space"),
)
STOP = frozenset(
    {
        "a",
        "an",
        "and",
        "are",
        "be",
        "do",
        "does",
        "for",
        "in",
        "is",
        "it",
        "my",
        "of",
        "on",
        "or",
        "the",
        "to",
        "too",
        "with",
        "的",
        "了",
        "是",
    }
)
TITLE, PAGE, CLOSE = 6.0, 1.0, 0.25  # what a term weighs where it stands; one of the same meaning
LEAST = 0.5  # of the pairs of a Chinese word


def page_of(code: str) -> Text | None:
    """A guard's page by code (`D003`) or name, each language by itself."""
    guard = next((g for g in all_guards() if code.lower() in (g.code.lower(), g.name)), None)
    return _page(guard) if guard else None


@cache
def _page(guard: Guard) -> Text:
    text = (explain(guard.code) or "").strip()
    english, _, chinese = text.partition(f"\n{guard.code} {guard.name}：")
    return Text(english.strip(), f"{guard.heading.zh}\n\n{chinese}".strip())


def by_words(asked: str, most: int = 8) -> list[Guard]:
    """The guards whose pages say these words, or words of the same meaning; the best first."""
    said = [term for term in TERMS.findall(asked.lower()) if term not in STOP]
    if not said:
        return []
    terms = {term: 1.0 for term in said}
    for group in SAME:
        if any(_stands(word, asked.lower()) for word in group):
            terms |= {word: CLOSE for word in group if word not in terms}
    rare = {term: weight * _rarity(term) for term, weight in terms.items()}
    weighed = [(_weight(guard, rare), guard) for guard in all_guards()]
    best = max(weight for weight, _ in weighed)
    found = [pair for pair in weighed if pair[0] > 0 and pair[0] >= best / 4]
    return [guard for _, guard in sorted(found, key=lambda pair: -pair[0])][:most]


def nearest(asked: str, most: int = 5) -> list[Guard]:
    """Where no page says the words: those that say parts of them, else those whose codes or names
    are most like them."""
    runs = [term for term in TERMS.findall(asked.lower()) if not term.isascii()]
    terms = {run[at : at + 2]: 1.0 for run in runs for at in range(len(run) - 1)}
    weighed = [(_weight(guard, terms), guard) for guard in all_guards()]
    found = [guard for weight, guard in sorted(weighed, key=lambda pair: -pair[0]) if weight]
    names = {name: g for g in all_guards() for name in (g.code.lower(), g.name)}
    close = get_close_matches(asked.lower(), names, n=most, cutoff=0.1)
    return list(dict.fromkeys([*found, *(names[name] for name in close)]))[:most]


@cache
def _words(guard: Guard) -> tuple[str, str]:
    """(title and what happened, the whole page and the advice), both languages, lower case."""
    page, fix = _page(guard), guard.fix
    first = Text(page.en.partition("\n\n")[0], " ".join(page.zh.split("\n\n")[:2]))
    head = f"{first.en} {guard.title.en} {first.zh} {guard.what.en} {guard.what.zh}"
    return head.lower(), f"{page.en} {page.zh} {fix.en} {fix.zh}".lower()


def _weight(guard: Guard, terms: Mapping[str, float]) -> float:
    head, body = _words(guard)
    return sum(
        weight * (TITLE * _stands_in(term, head) + PAGE * _stands_in(term, body))
        for term, weight in terms.items()
    )


@cache
def _rarity(term: str) -> float:
    """A word that every page has tells nothing."""
    pages = [body for _, body in map(_words, all_guards())]
    return math.log((len(pages) + 1) / (sum(_stands(term, page) for page in pages) + 1)) + 0.01


def _stands_in(term: str, text: str) -> float:
    """1 where the term stands; for Chinese words run together, the share of their pairs, from a
    half on."""
    if _stands(term, text):
        return 1.0
    if not re.match(f"[{HAN}]{{3,}}", term):
        return 0.0
    held = [term[at : at + 2] in text for at in range(len(term) - 1)]
    share = sum(held) / len(held)
    return share / 2 if share >= LEAST else 0.0


def _stands(word: str, text: str) -> bool:
    """A Latin word by itself, a Chinese one anywhere."""
    if word.isascii():
        return re.search(rf"(?<![a-z0-9]){re.escape(word)}(?![a-z0-9])", text) is not None
    return word in text
