"""tokenizer.json, opened so that a stranger's one can hurt nobody.

Such a file holds regular expressions, replacements and tables that are executed on every text.
Those of nearly all models are made of few known parts whose cost grows with the text and no faster:
`plain` knows them, and these are used right here. Whatever has another part is used behind the wall
(`wall.py`), slower and with limits, after it has got through a first text there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import orjson
from tokenizers import Tokenizer as Vocabulary

from suretune.data.wall import FAILED, Unfit, Wall

MOST_BYTES = 256 << 20  # of tokenizer.json
MOST_OTHER = 16 << 20  # of any other file of a model that is text
LONGEST = {"BPE": 4096, "WordLevel": 4096, "WordPiece": 4096, "Unigram": 128}  # token, characters
MOST_ADDED = 1 << 20  # characters of all added tokens
SHORT = 64  # characters of a text, and members of a list, in a part
GROWTH = 64  # how many times longer all replacements together may make a text
COMMON = {"Sequence", "Replace"}
PARTS = {
    "normalizer": COMMON
    | {
        "NFC",
        "NFD",
        "NFKC",
        "NFKD",
        "Lowercase",
        "Strip",
        "StripAccents",
        "BertNormalizer",
        "Prepend",
    },
    "pre_tokenizer": COMMON
    | {
        "ByteLevel",
        "Metaspace",
        "Whitespace",
        "WhitespaceSplit",
        "Split",
        "BertPreTokenizer",
        "Punctuation",
        "Digits",
        "UnicodeScripts",
    },
    "post_processor": COMMON
    | {"ByteLevel", "TemplateProcessing", "RobertaProcessing", "BertProcessing"},
    "decoder": COMMON
    | {"ByteLevel", "ByteFallback", "Fuse", "Strip", "Metaspace", "WordPiece", "BPEDecoder"},
}
WORD = r"[^\r\n\p{L}\p{N}]?"
SIGNS = r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
ENDINGS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
REGEXES = frozenset(
    (
        r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",  # GPT-2
        rf"{ENDINGS}|{WORD}\p{{L}}+|\p{{N}}|{SIGNS}",  # Qwen2
        rf"{ENDINGS}|{WORD}\p{{L}}+|\p{{N}}{{1,3}}|{SIGNS}",  # GPT-4, Llama 3
        rf"{WORD}{UPPER}*{LOWER}+{ENDINGS}?|{WORD}{UPPER}+{LOWER}*{ENDINGS}?|\p{{N}}{{1,3}}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",  # GPT-4o
        rf"{WORD}{UPPER}*{LOWER}+|{WORD}{UPPER}+{LOWER}*|\p{{N}}"
        r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+",  # Mistral's Tekken
        r"\p{N}{1,3}",
        "[\r\n]",
        r"[\r\n]",
        r"\d",
        r"\p{N}",
        " {2,}",
        " +",
        r"\s+",
        r"\n",
        "[一-龥\u3040-ゟ゠-ヿ]+",
        "[一-龥]+",
        "[一-龥ࠀ-一가-퟿]+",
        r"\s?[!-/:-~！-／：-～‘-‟　-。]+",
        r"\s?\p{L}+",
        r"\s?\p{P}+",
        r"\p{N}+",
    )
)
Made = TypeVar("Made")


def read_bounded(path: Path, most: int = MOST_OTHER) -> bytes:
    """The bytes of a file that is one; ValueError if there are more than a file of its kind has."""
    if path.exists() and not path.is_file():
        raise ValueError(f"{path.name}: no file")
    size = path.stat().st_size
    if size > most:
        raise ValueError(f"{path.name}: {size >> 20} MiB, more than {most >> 20}")
    return path.read_bytes()


def open_vocabulary(path: Path, template: str) -> tuple[Vocabulary, Wall | None]:
    """The tokenizer, and the wall behind which it has to be used if it is not plain.

    OSError or ValueError where it is none, `Unfit` where it takes more than it may or breaks.
    """
    at = path.stat()
    found = _plain_ones(path, (at.st_dev, at.st_ino, at.st_mtime_ns, at.st_size))
    if found is not None:
        return found, None
    wall = Wall(template, path)
    wall.open()
    return _vocabulary(path, _told(path)), wall


@lru_cache(maxsize=2)
def _plain_ones(path: Path, state: tuple[int, ...]) -> Vocabulary | None:
    """A plain one, opened once as long as its file stays as it is; None for others."""
    told = _told(path)
    return _vocabulary(path, told) if plain(told) else None


def _told(path: Path) -> dict[str, Any]:
    told = orjson.loads(read_bounded(path, MOST_BYTES))
    if not isinstance(told, dict) or not isinstance(told.get("model"), dict):
        raise ValueError("tokenizer.json: no model")
    return told


def _vocabulary(path: Path, told: dict[str, Any]) -> Vocabulary:
    written = orjson.dumps(told)  # what is loaded is what was looked at: no key stands in it twice
    vocabulary: Vocabulary = guarded(path, lambda: Vocabulary.from_buffer(written))
    vocabulary.no_truncation()
    vocabulary.no_padding()
    return vocabulary


def guarded(path: Path, use: Callable[[], Made]) -> Made:
    """What a tokenizer makes; `Unfit` for its errors, which are of no kind, and its panics."""
    try:
        return use()
    except BaseException as error:
        if type(error) is Exception or type(error).__name__ == "PanicException":
            raise Unfit(str(path), FAILED, str(error)) from error
        raise


def plain(told: dict[str, Any]) -> bool:
    """Whether all its parts are known to cost no more than a text is long."""
    growth = [1.0]
    try:
        known = all(_known(told.get(slot), types, growth) for slot, types in PARTS.items())
    except RecursionError:
        return False
    return known and _product(growth) <= GROWTH and _plain_model(told["model"]) and _few(told)


def _product(factors: Sequence[float]) -> float:
    made = 1.0
    for factor in factors:
        made *= factor
    return made


def _known(part: Any, types: set[str], growth: list[float]) -> bool:
    """One part and all in it; `growth` gets the factor of each replacement."""
    if isinstance(part, str):
        return len(part) <= SHORT
    if isinstance(part, (int, float)) or part is None:
        return part is None or abs(part) <= 1 << 20
    if isinstance(part, list):
        return len(part) <= SHORT and all(_known(each, types, growth) for each in part)
    if len(part) > SHORT or part.get("type", "Sequence") not in types:
        return False
    pattern = part.get("pattern")
    if pattern is not None:
        if not isinstance(pattern, dict) or len(pattern) != 1:
            return False
        text = pattern.get("String")
        if not (text if text is not None else pattern.get("Regex") in REGEXES):
            return False
        growth.append(max(1.0, len(str(part.get("content") or "")) / len(str(text or "x"))))
    inside = (value for key, value in part.items() if key not in ("type", "pattern"))
    return all(_known(each, types, growth) for each in inside)


def _plain_model(model: dict[str, Any]) -> bool:
    kind, words = model.get("type", "BPE"), model.get("vocab")
    if kind not in LONGEST or not isinstance(words, (dict, list)):
        return False
    if kind == "WordPiece" and not 0 < (model.get("max_input_chars_per_word") or 100) <= 1000:
        return False
    try:
        longest = max((len(w if isinstance(words, dict) else w[0]) for w in words), default=0)
    except (TypeError, IndexError, KeyError):
        return False
    marks = [model.get(mark) or "" for mark in ("continuing_subword_prefix", "end_of_word_suffix")]
    return longest <= LONGEST[kind] and all(len(str(mark)) <= SHORT for mark in marks)


def _few(told: dict[str, Any]) -> bool:
    added = told.get("added_tokens") or []
    try:
        return sum(len(each["content"]) for each in added) <= MOST_ADDED
    except (TypeError, KeyError):
        return False
