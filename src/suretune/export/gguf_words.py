"""A tokenizer as GGUF keeps it: tokens with their kinds, merges, the rule that splits a text into
words, and the chat template as it is.

llama.cpp knows rules by name and has code for each. The names here are found by what a
tokenizer.json says; that they mean the same is shown by the token ids of every question.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from suretune.data.render import prompt_ids
from suretune.data.template import ChatTokenizer, TemplateRefused
from suretune.export.turns import SPOKEN, conversation
from suretune.types import Message, Text

NORMAL, UNKNOWN, CONTROL, USER, UNUSED, BYTE = range(1, 7)  # kinds of tokens
SPACE = "\u2581"  # what SentencePiece writes for one
_LETTERS = r"[^\r\n\p{L}\p{N}]?\p{L}+"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_ENDS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|"
# What a tokenizer splits by, and what llama.cpp calls it.
RULES: Mapping[tuple[str, ...], str] = {
    ("bytes-words",): "gpt-2",
    ("digits", "bytes-words"): "smollm",
    (f"{_ENDS}{_LETTERS}|\\p{{N}}{_REST}", "bytes"): "qwen2",
    (f"{_ENDS}{_LETTERS}|\\p{{N}}{{1,3}}{_REST}", "bytes"): "llama-bpe",
}


@dataclass(frozen=True, slots=True)
class Words:
    """All that is written of a tokenizer. `rule` is empty where words are SentencePiece's."""

    model: str
    rule: str
    tokens: Sequence[bytes]
    kinds: Sequence[int]
    merges: Sequence[str]
    scores: Sequence[float]
    space_first: bool
    adds_bos: bool
    ids: Mapping[str, int]  # bos, eos, unknown, padding, end of turn
    template: str


def words_of(tokenizer: ChatTokenizer, size: int) -> Words | Text:
    """As many tokens as the embedding has rows; or what of it GGUF has no place for."""
    about: dict[str, Any] = orjson.loads((tokenizer.folder / "tokenizer.json").read_bytes())
    model = about["model"]
    if model.get("type") != "BPE":
        kind = model.get("type")
        return Text(f"its tokenizer is {kind}, not BPE", f"它的分词器是 {kind}，不是 BPE")
    steps = tuple(_steps(about.get("pre_tokenizer")))
    pieces = bool(model.get("byte_fallback"))
    rule = "" if pieces else RULES.get(steps, "")
    if not pieces and not rule:
        return Text(
            f"llama.cpp's name for how its tokenizer splits words is not known here ({steps})",
            f"不知道 llama.cpp 怎样称呼这个分词器的切分规则（{steps}）",
        )
    texts: dict[int, str] = {index: text for text, index in model["vocab"].items()}
    added: dict[int, Any] = {token["id"]: token for token in about.get("added_tokens") or ()}
    if (most := max([*texts, *added])) >= size:
        return Text(
            f"token {most} is beyond the {size} rows of its embedding",
            f"第 {most} 号 token 超出了词嵌入的 {size} 行",
        )
    special = set(tokenizer.special.values())
    tokens, kinds = [], []
    for index in range(size):
        text, kind = _token(index, texts, added, special, pieces)
        tokens.append(text.encode("utf-8"))
        kinds.append(kind)
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    space_first = _space_first(tokenizer, texts, added) if pieces else False
    if isinstance(space_first, Text):
        return space_first
    ids = _ids(tokenizer)
    return Words(
        model="llama" if pieces else "gpt2",
        rule=rule,
        tokens=tokens,
        kinds=kinds,
        merges=[] if pieces else merges,
        scores=_scores(merges, texts, size) if pieces else [],
        space_first=space_first,
        adds_bos=adds_bos(tokenizer),
        ids=ids,
        template=tokenizer.template,
    )


def _steps(told: Mapping[str, Any] | None) -> Iterator[str]:
    """How a text is split, step by step, as `RULES` has it."""
    if told is None:
        return
    kind = told.get("type")
    if kind == "Sequence":
        for each in told.get("pretokenizers") or ():
            yield from _steps(each)
    elif kind == "ByteLevel":
        yield "bytes-words" if told.get("use_regex", True) else "bytes"
    elif kind == "Digits" and told.get("individual_digits"):
        yield "digits"
    elif kind == "Split" and not told.get("invert"):
        yield str((told.get("pattern") or {}).get("Regex"))
    else:
        yield str(kind)


def _token(
    index: int,
    texts: Mapping[int, str],
    added: Mapping[int, Any],
    special: set[int],
    pieces: bool,
) -> tuple[str, int]:
    if index in added:
        text = added[index]["content"]
        kind = CONTROL if added[index]["special"] or index in special else USER
        return text, UNKNOWN if pieces and text == "<unk>" else kind
    text = texts.get(index)
    if text is None:
        return f"[PAD{index}]", UNUSED
    return text, BYTE if pieces and _is_byte(text) else NORMAL


def _is_byte(text: str) -> bool:
    return len(text) == 6 and text.startswith("<0x") and text.endswith(">")


def _scores(
    merges: Sequence[str],
    texts: Mapping[int, str],
    size: int,
) -> list[float]:
    """SentencePiece joins the pair of the highest score: that of the earliest merge."""
    rank: dict[str, int] = {}
    for place, pair in enumerate(merges):
        rank.setdefault("".join(pair.split(" ")), place)
    none = -len(merges) - 1
    return [float(-rank.get(texts.get(index, ""), -none)) for index in range(size)]


Part = int | bytes  # a special token, or what stands between two of them


def _space_first(
    tokenizer: ChatTokenizer,
    texts: Mapping[int, str],
    added: Mapping[int, Any],
) -> bool | Text:
    """What llama.cpp is told of the space; or a conversation that no way of it makes as trained.

    It puts one in front of every text behind a special token, or of none. A tokenizer.json knows
    more ways: in front of the first text alone, or of those that begin with none.
    """
    known = set(tokenizer.special.values())
    special = {
        token["content"]: index
        for index, token in added.items()
        if token["special"] or index in known
    }
    plain = dict(texts)
    for index, token in added.items():
        plain[index] = token["content"]
    odd = ""
    for first in (False, True):
        odd = ""
        for spoken in SPOKEN:
            talk = conversation(spoken)
            try:
                rendered = tokenizer.render(talk, prompt=True)
            except TemplateRefused:  # some take no system prompt
                continue
            ids = prompt_ids(tokenizer, talk)
            ours = _parts(ids, plain, set(special.values()))
            there = list(_parts_there(rendered, special, first))
            if ours != there:
                odd = rendered
                break
        if not odd:
            return first
    return Text(
        f"llama.cpp would put other spaces behind the special tokens of {odd!r}",
        f"在 {odd!r} 里，llama.cpp 在特殊 token 之后放的空格会不同",
    )


def _parts(
    ids: Sequence[int],
    texts: Mapping[int, str],
    special: set[int],
) -> list[Part]:
    """Token ids as special tokens, and all that stands between two of them as one text."""
    made: list[Part] = []
    for index in ids:
        if index in special:
            made.append(index)
            continue
        text = texts[index]
        piece = bytes([int(text[3:5], 16)]) if _is_byte(text) else text.encode("utf-8")
        if made and isinstance(made[-1], bytes):
            made[-1] += piece
        else:
            made.append(piece)
    return made


def _parts_there(
    rendered: str,
    special: Mapping[str, int],
    first: bool,
) -> Iterator[Part]:
    """The same of a rendered conversation, as llama.cpp has it."""
    longest_first = sorted(special, key=len, reverse=True)
    split = re.compile("|".join(map(re.escape, longest_first)) or "(?!)")
    space = " " if first else ""
    at = 0
    for found in [*split.finditer(rendered), None]:
        text = rendered[at : found.start() if found else None]
        if text:
            text = space + text
            yield text.replace(" ", SPACE).encode("utf-8")
        if found is not None:
            yield special[found[0]]
            at = found.end()


def _ids(tokenizer: ChatTokenizer) -> dict[str, int]:
    named = {
        "bos": "bos_token",
        "eos": "eos_token",
        "unknown": "unk_token",
        "padding": "pad_token",
    }
    made = {
        name: tokenizer.added[text]
        for name, key in named.items()
        if (text := tokenizer.special_text(key)) in tokenizer.added
    }
    ends = sorted(tokenizer.stop_ids - {made.get("eos", -1)})
    if ends and "eos" not in made:
        made["eos"] = ends.pop(0)
    if ends:
        made["end of turn"] = ends[0]
    return made


def adds_bos(tokenizer: ChatTokenizer) -> bool:
    """Whether a text gets the token of the beginning in front that has none yet.

    llama.cpp takes it off a rendered conversation and puts its own there. Where the template writes
    none, none may be added: the model was not trained with it.
    """
    first = prompt_ids(tokenizer, [Message("user", "a")])[:1]
    plain = tokenizer.vocabulary.encode("a", add_special_tokens=True).ids[:1]
    bos = tokenizer.added.get(tokenizer.special_text("bos_token"))
    return bos is not None and first == plain == [bos]
