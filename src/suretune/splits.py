"""Which split of a dataset a file's name tells: rows to learn from, or to measure with."""

from __future__ import annotations

import re
from collections.abc import Iterable

_WORDS = {
    "train": ("train", "training", "trn", "训练"),
    "validation": ("validation", "valid", "val", "dev", "验证", "校验", "开发"),
    "test": (
        *("test", "testing", "eval", "evaluation", "holdout", "heldout"),
        *("测试", "评估", "评测"),
    ),
}
SPLITS = {word: split for split, words in _WORDS.items() for word in words}
# Chinese has no blanks: there a word is a split's where it is all that is said (`测试_1`), or as
# `测试集`; `单元测试技巧` is a topic.
_TOKEN = re.compile(
    r"[a-z]+"
    r"|(?:训练|验证|测试|评估|评测)(?=集|数据)|(?:校验|开发)(?=集)"
    r"|(?<![一-鿿])(?:训练|验证|测试|评估)(?![一-鿿])"
)
_ABOUT = re.compile(r"(?<=[一-鿿])(?:训练|验证|测试|评估|评测)(?=数据)")
_PART = re.compile(r"(?:训练|验证|测试|评估|评测|校验|开发)(?:集|数据集?)")
_SHARD = re.compile(r"(?:集|数据集?)?[\W_0-9]*(?:of[\W_0-9]+)?")  # -00000-of-00004


def splits_of(name: str) -> list[str]:
    """The splits that the words of a name tell: `train`, `validation`, `test`, in its order."""
    words = _TOKEN.findall(name.lower())
    return [SPLITS[word] for word in words if word in SPLITS]


def is_topic(name: str, names: Iterable[str]) -> bool:
    """Whether the word of a split rather says what a file is about: `软件测试数据`, unless another
    of these names is the same but for that word (`客服测试数据` beside `客服训练集`)."""
    if not _ABOUT.search(name):
        return False
    rests = [_rest(other) for other in names if other != name and _PART.search(other)]
    return _rest(name) not in rests


def _rest(name: str) -> str:
    return _PART.sub("", name.partition(".")[0])


def is_split(name: str) -> bool:
    """Whether a name is nothing but the word of a split, numbers and an ending."""
    stem = name.lower().partition(".")[0]
    word = _TOKEN.match(stem)
    return word is not None and word[0] in SPLITS and bool(_SHARD.fullmatch(stem, word.end()))
