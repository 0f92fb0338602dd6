"""Which split of a dataset a file's name tells: rows to learn from, or to measure with."""

from __future__ import annotations

import re

_WORDS = {
    "train": ("train", "training", "trn", "训练"),
    "validation": ("validation", "valid", "val", "dev", "验证", "校验", "开发"),
    "test": ("test", "testing", "eval", "evaluation", "测试", "评估", "评测"),
}
SPLITS = {word: split for split, words in _WORDS.items() for word in words}
# Chinese has no blanks: there a word is a split's where it is all that is said (`测试_1`), or as
# `测试集`; `单元测试技巧` is a topic.
_TOKEN = re.compile(
    r"[a-z]+"
    r"|(?:训练|验证|测试|评估|评测)(?=集|数据)|(?:校验|开发)(?=集)"
    r"|(?<![一-鿿])(?:训练|验证|测试|评估)(?![一-鿿])"
)
_SHARD = re.compile(r"(?:集|数据集?)?[\W_0-9]*(?:of[\W_0-9]+)?")  # -00000-of-00004


def splits_of(name: str) -> list[str]:
    """The splits that the words of a name tell: `train`, `validation`, `test`, in its order."""
    words = _TOKEN.findall(name.lower())
    return [SPLITS[word] for word in words if word in SPLITS]


def is_split(name: str) -> bool:
    """Whether a name is nothing but the word of a split, numbers and an ending."""
    stem = name.lower().partition(".")[0]
    word = _TOKEN.match(stem)
    return word is not None and word[0] in SPLITS and bool(_SHARD.fullmatch(stem, word.end()))
