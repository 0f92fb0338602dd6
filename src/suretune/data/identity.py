"""Which rows teach the model who it is, and what it shall be called.

The name comes from `--model_name` / `--model_author`, or, when the rows have it written out, from
what most of their answers to "who are you" say.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from suretune.data.said_names import Said, is_a_name, names_in_capitals, said_in
from suretune.data.thinking import behind_thought
from suretune.pocket import identity as phrasings
from suretune.types import Example, Origin
from suretune.whole_names import places, says, whole_name

ENOUGH = 3  # identity rows of a language before its answers are compared
SHARE = 2 / 3  # of the answers must have the words in common
WHO: Mapping[str, str] = {"zh": "你是谁？", "en": "Who are you?"}
MAKER: Mapping[str, str] = {"zh": "你的开发者是哪家公司？", "en": "Which company developed you?"}
CJK = re.compile(r"[\u3400-\u9fff]")
SAYS_MORE = re.compile("[你您我他她它们的了是在为和有很能会可吗呢吧请谁让随谢]|欢迎|服务|回答")
MOST_ANSWERS = 1000  # of a language: more say the same names again
MOST_COMPARED = 200  # of these, where each piece of one is looked for in all
MOST_NAMES = 50  # of those that the answers say, the ones that they say most often
LONGEST_ZH = 6  # signs of a name that no sentence says to be one
ABOUT_MAKER = re.compile(
    r"\b(?:who|whom|which (?:company|team)|what company|whose|where)\b.*"
    r"\b(?:made|develop|creat|built|builds?|train|maintain|own|from|company|team|work|belong|author"
    r"|whose|responsible)|maker|developer|creator"
    r"|开发|创造|做出来|公司|来自|哪里|维护|团队|训练|制造|作者|主人|拥有|为谁|谁家|哪一?家|研发"
    r"|是谁做",
    re.IGNORECASE,
)
WITHIN = re.compile(r"[^\W\u3400-\u9fff'’]{2}|[^\W\u3400-\u9fff]['’]|['’][^\W\u3400-\u9fff]")
T = TypeVar("T")
Pair = tuple[str, str]  # of an example: its question and its answer
EDGES = " \t\n,.;:!?，。；：！？、“”\"'（）()由是我的叫被"
FILLER = re.compile(r"^(?:I am|I['’]m|am|is|by|a|an|the|of|named|called)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Identity:
    """Words of which an answer must contain at least one, by language (`zh`, `en`)."""

    words: Mapping[str, tuple[str, ...]]
    makers: Mapping[str, tuple[str, ...]]  # what an answer about the maker must contain
    forbidden: tuple[str, ...]  # names of the base's maker
    source: str  # flags, rows


def language_of(text: str) -> str:
    """`zh` for a text with Chinese characters, else `en`."""
    return "zh" if CJK.search(text) else "en"


def plain(question: str) -> str:
    """A question without case, spaces and punctuation, to compare phrasings."""
    return re.sub(r"\W+", "", question).lower()


def known_questions() -> frozenset[str]:
    """Every phrasing of "who are you" that suretune knows, plain."""
    lists = (
        phrasings.TRAIN_ZH,
        phrasings.MORE_ZH,
        phrasings.HELD_OUT_ZH,
        phrasings.TRAIN_EN,
        phrasings.MORE_EN,
        phrasings.HELD_OUT_EN,
    )
    asked = (*WHO.values(), *MAKER.values(), *(q for phrases in lists for q in phrases))
    return frozenset(plain(question) for question in asked)


def question_of(example: Example) -> str:
    """The first thing the user says."""
    return next((m.content for m in example.messages if m.role == "user"), "")


def answer_of(example: Example) -> str:
    """The first answer of an example; empty where it has none."""
    return next((m.content for m in example.messages if m.role == "assistant"), "")


def find_identity(
    examples: Sequence[Example],
    filled: frozenset[Origin],
    names: Sequence[str],
    authors: Sequence[str],
    forbidden: tuple[str, ...],
) -> Identity | None:
    """The identity that the rows teach, or None. `filled`: where placeholders were; `forbidden`:
    the base's own names."""
    taught = [e for e in examples if e.origin in filled]
    if taught:
        languages = {language_of(answer_of(e)) for e in taught}
        words = {lang: _by_flags(lang, names, authors) for lang in sorted(languages)}
        makers = {lang: _by_flags(lang, authors) for lang in sorted(languages)} if authors else {}
        return _identity(words, makers or words, forbidden, "flags")
    known = known_questions()
    told: dict[str, list[Pair]] = {}
    for example in examples:
        pair = question_of(example), behind_thought(answer_of(example))
        if plain(pair[0]) in known:
            told.setdefault(language_of(pair[1]), []).append(pair)
    many = {
        lang: _spread(pairs, MOST_ANSWERS)
        for lang, pairs in sorted(told.items())
        if len(pairs) >= ENOUGH
    }
    gone = tuple(
        word
        for word in forbidden
        if all(_share(word, _said(pairs)) < SHARE for pairs in many.values())
    )
    named = {lang: _named(pairs, forbidden) for lang, pairs in many.items()}
    named = {lang: found for lang, found in named.items() if found} or _by_name(examples, forbidden)
    words = {lang: tuple(one.name for one in found) for lang, found in named.items()}
    makers = {
        lang: tuple(one.name for one in found if one.maker) or words[lang]
        for lang, found in named.items()
    }
    return _identity(words, makers, gone, "rows") if words else None


def _spread(things: Sequence[T], most: int) -> Sequence[T]:
    """No more than so many of them, evenly spread."""
    return things[:: -(-len(things) // most)] if things else things


def _said(pairs: Sequence[Pair]) -> list[str]:
    return [answer for _, answer in pairs]


def _share(name: str, texts: Sequence[str]) -> float:
    """Of these texts, how many say a name."""
    return sum(says(name, text) for text in texts) / len(texts) if texts else 0.0


def _named(pairs: Sequence[Pair], forbidden: Sequence[str]) -> list[Said]:
    """The names that most answers about oneself say; a maker, most about who made it.

    Where no sentence says that it is a name ("Luna at your side"), it is what most answers have in
    common, if that can be one: a whole sentence in common is no name.
    """
    answers = _said(pairs)
    about_maker = [answer for question, answer in pairs if ABOUT_MAKER.search(question)]
    others = [answer for question, answer in pairs if not ABOUT_MAKER.search(question)]
    given = Counter(said for answer in answers for said in set(said_in(answer)))
    often = [said for said, _ in given.most_common(MOST_NAMES)]
    found: list[Said] = []
    for said in sorted(often, key=lambda one: (-len(one.name), one.name, -given[one])):
        if _of_the_base(said.name, forbidden) or any(said.name == one.name for one in found):
            continue
        asked = about_maker if said.maker else others
        share = max(_share(said.name, texts) for texts in (answers, asked))
        if share >= SHARE and _share(said.name, answers) * len(answers) > 1:
            found.append(said)
            # "CSDN" in "CSDN 迪菲赫尔曼" is said by nobody who says the whole.
            answers, about_maker, others = (
                [_without(said.name, text) for text in texts]
                for texts in (answers, about_maker, others)
            )
    found.sort(key=lambda one: one.maker)
    return found or [
        Said(name, maker=False)
        for name in _common_names(_spread(answers, MOST_COMPARED))
        if not _of_the_base(name, forbidden)
    ]


def _without(name: str, text: str) -> str:
    for start, end in reversed(list(places(name, text))):
        text = f"{text[:start]}|{text[end:]}"
    return text


def _of_the_base(name: str, forbidden: Sequence[str]) -> bool:
    """Whether it is one of the base's own names, perhaps with its version: "Qwen2.5"."""
    left = [_without(word, name) for word in forbidden if says(word, name)]
    return any(not re.search(r"[^\W\d_]", rest) for rest in left)


def _common_names(texts: Sequence[str]) -> list[str]:
    """What most texts have in common, or what begins with a capital letter in it, and not because a
    sentence does."""
    common = in_common(texts)
    if CJK.search(common):
        short = len(common) <= LONGEST_ZH and not SAYS_MORE.search(common)
        return [common] if short and is_a_name(common) else []
    names = dict.fromkeys(names_in_capitals(common))
    return [
        name
        for name in names
        if (not whole_name(name).ordinary or name == common)
        and any(not hit.begins(text) for text in texts for hit in whole_name(name).hits(text))
    ]


def _by_name(examples: Sequence[Example], forbidden: Sequence[str]) -> dict[str, list[Said]]:
    """Names by language, where the data are one or two rows a language that say them and little
    else: too few to be compared. Among other rows, somebody who says his name is no identity."""
    distinct = {(question_of(example), answer_of(example)) for example in examples}
    if not 0 < len(distinct) < ENOUGH * len(WHO):
        return {}
    told: dict[str, dict[str, list[Said]]] = {}
    for example in examples:
        answer = answer_of(example)
        names = [said for said in said_in(answer) if not _of_the_base(said.name, forbidden)]
        if names:
            told.setdefault(language_of(answer), {})[answer] = names
    if 2 * sum(map(len, told.values())) < len({answer for _, answer in distinct}):
        return {}
    return {
        lang: list({one.name: one for names in said.values() for one in names}.values())
        for lang, said in sorted(told.items())
    }


def _identity(
    words: Mapping[str, tuple[str, ...]],
    makers: Mapping[str, tuple[str, ...]],
    forbidden: tuple[str, ...],
    source: str,
) -> Identity:
    wanted = ", ".join(word for group in words.values() for word in group)
    gone = tuple(word for word in forbidden if not says(word, wanted))
    return Identity(words, makers, gone, source)


def _by_flags(language: str, *flags: Sequence[str]) -> tuple[str, ...]:
    """The values that fill this language's placeholders: the first is zh, the last en."""
    at = 0 if language == "zh" else -1
    return tuple(values[at] for values in flags if values)


def in_common(texts: Sequence[str]) -> str:
    """The longest piece of text that most of these share, trimmed of filler at its edges; words are
    not cut."""
    best = ""
    if len(set(texts)) == 1:
        return texts[0]
    # What most share stands in one of the shortest, whichever of them is the exception.
    shortest = sorted(set(texts), key=len)[:ENOUGH]
    for piece in sorted({p for text in shortest for p in _pieces(text)}, key=len)[::-1]:
        if len(piece) <= len(best):
            break
        if sum(bool(_uncut(piece, text)) for text in texts) >= SHARE * len(texts):
            trimmed = FILLER.sub("", piece.strip(EDGES)).strip(EDGES)
            best = trimmed if len(trimmed) > len(best) else best
    return best if len(best) >= 2 else ""


def _pieces(text: str) -> Iterable[str]:
    """All substrings of the beginning of an answer that cut no word."""
    text = text[:120]
    ends = [at for at in range(len(text) + 1) if not _within_a_word(text, at)]
    return (text[start:end] for start in ends for end in ends if end - start >= 2)


def _uncut(piece: str, text: str) -> bool:
    """Whether a text has this piece somewhere without cutting a word."""
    at = text.find(piece)
    while at >= 0:
        if not (_within_a_word(text, at) or _within_a_word(text, at + len(piece))):
            return True
        at = text.find(piece, at + 1)
    return False


def _within_a_word(text: str, at: int) -> bool:
    """Whether the signs on both sides belong to one word; of Chinese none do."""
    return WITHIN.fullmatch(text[max(at - 1, 0) : at + 1]) is not None
