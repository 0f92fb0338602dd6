"""What the rows' answers look like, as a form that can spread to answers of other questions. Pure.

120 rows with JSON answers made a model answer everything in JSON. To see that, the form has to be
known by its beginning: answers are short, and one that is cut has no end.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from suretune.battery.language import spoken_language
from suretune.types import Text
from suretune.verify.compare_sql import FENCE
from suretune.verify.compare_text import CJK, folded, labels_of

SHARE = 0.6  # of the rows' answers that show it
LEAST = 3  # answers
LOOKED_AT = 2_000  # answers, evenly spread
BEGINNING = 2_000  # characters of an answer that are looked at, and as many of its end
OPENING = 3  # words; two CJK characters are a word
LONGEST = 5  # words of an opening or an ending: it may go on differently elsewhere
OBJECT = re.compile(r'\{\s*(?:"[^"\n]{0,200}"\s*:|"[^"\n]{0,200}\Z|\}\s*\Z|\Z)')
ARRAY = re.compile(r'\[\s*(?:[\[{"]|-?\d[\d.eE+-]*\s*(?:,|\]?\s*\Z)|\]\s*\Z)')
SQL = re.compile(
    r"(?:SELECT\b(?!\s+an?\b).{1,400}?\bFROM\s+[\w\"`\[.(]+\s*(?:\Z|[;,)\n]|(?:AS|WHERE|JOIN|INNER|LEFT|"
    r"GROUP|ORDER|LIMIT|UNION|HAVING|\w+\s*(?:,|JOIN|WHERE|\Z))\b|\))"
    r"|WITH\s+\w+\s+AS\s*\(|INSERT\s+INTO\s|UPDATE\s+\S+\s+SET\s|DELETE\s+FROM\s|CREATE\s+TABLE\s)",
    re.IGNORECASE | re.DOTALL,
)
FENCED = re.compile(r"^\s*```", re.MULTILINE)
TAG = re.compile(r"\A<([A-Za-z][\w:-]{0,40})(?:\s[^<>]{0,200})?(/?)>")
WORD = re.compile(
    r"[\u3400-\u9fff\u3040-\u30ff\uac00-\ud7a3\uf900-\ufaff]|[^\W\u3400-\u9fff\u3040-\u30ff]+(?:['’][^\W]+)?"
)
LANGUAGES = {
    "fr": Text("French", "法语"),
    "es": Text("Spanish", "西班牙语"),
    "de": Text("German", "德语"),
    "pt": Text("Portuguese", "葡萄牙语"),
    "it": Text("Italian", "意大利语"),
    "ru": Text("Russian", "俄语"),
    "ja": Text("Japanese", "日语"),
    "ko": Text("Korean", "韩语"),
    "ar": Text("Arabic", "阿拉伯语"),
}


@dataclass(frozen=True, slots=True)
class Form:
    """A form that most of the rows' answers have. `details`: the labels, the opening's words, the
    tag or the language."""

    name: str
    said: Text
    details: tuple[str, ...] = ()

    def shown_by(self, text: str) -> bool:
        """Whether an answer has it, as far as its beginning or its end shows."""
        return bool(text.strip()) and _SHOWN[self.name](_cut(text), self.details)


def form_of(answers: Sequence[str]) -> Form | None:
    """The form that at least 60 % of these share; None where they have none in common.

    What says most comes first: a JSON object in a fence is a JSON object. English and Chinese are
    no form: whether an answer is in the language that it was asked in is measured elsewhere.
    """
    texts = [_cut(text) for text in answers[:: max(1, len(answers) // LOOKED_AT)]]
    if len(texts) < LEAST:
        return None
    for form in _possible(texts):
        if form and sum(map(form.shown_by, texts)) >= SHARE * len(texts):
            return form
    return None


def _possible(texts: Sequence[str]) -> list[Form | None]:
    opening, ending = _shared(texts, 1), _shared(texts, -1)
    tag = _commonest([_tag(text) for text in texts])
    spoken = _commonest([spoken_language(text) or "" for text in texts])
    labels = labels_of(texts, SHARE)
    return [
        Form("JSON object", Text("a JSON object", "JSON 对象")),
        Form("JSON array", Text("a JSON array", "JSON 数组")),
        Form("SQL", Text("SQL", "SQL")),
        _detailed("tag", "inside <{}>", "以 <{}> 标签开头", (tag,)),
        Form("code fence", Text("a block of code", "代码块")),
        Form("label", _label_words(labels), tuple(sorted(labels))) if _words_in(labels) else None,
        _detailed("opening", "begins with “{}”", "以“{}”开头", opening),
        _detailed("ending", "ends with “{}”", "以“{}”结尾", ending),
        Form("upper case", Text("all in capitals", "全部大写")),
        Form("language", LANGUAGES[spoken], (spoken,)) if spoken in LANGUAGES else None,
    ]


def _detailed(
    name: str,
    en: str,
    zh: str,
    words: tuple[str, ...],
) -> Form | None:
    if not any(words):
        return None
    told = "".join(words) if all(map(CJK.match, words)) else " ".join(words)
    return Form(name, Text(en.format(told), zh.format(told)), words)


def _label_words(labels: frozenset[str]) -> Text:
    shown = " / ".join(sorted(labels)[:3]) + (" …" if len(labels) > 3 else "")
    return Text(f"one of a few labels ({shown})", f"几个固定标签之一（{shown}）")


def _words_in(labels: frozenset[str]) -> bool:
    """Numbers are answers to too many questions to be a form."""
    return any(re.search(r"[^\W\d_]", label) for label in labels)


# --- what shows a form ---------------------------------------------------------------------------


def _cut(text: str) -> str:
    """Beginning and end, which is all that a form needs."""
    text = text.strip()
    return text if len(text) <= 2 * BEGINNING else text[:BEGINNING] + "\n" + text[-BEGINNING:]


def _content(text: str) -> str:
    """What the answer's fence holds, if it begins with one."""
    fenced = FENCE.match(text) if text.startswith("```") else None
    return fenced[1].strip() if fenced else text


def _tag(text: str) -> str:
    """The tag that it opens with, and closes."""
    match = TAG.match(text)
    if not match or not (match[2] or f"</{match[1]}>" in text):
        return ""
    return match[1]


def _words(text: str, way: int) -> tuple[str, ...]:
    """The first words, or the last ones; each CJK character is one."""
    part = text[:400] if way > 0 else text[-400:]
    words = WORD.findall(unicodedata.normalize("NFKC", part).casefold())
    return tuple(words[: 2 * LONGEST] if way > 0 else words[-2 * LONGEST :])


def _shared(texts: Sequence[str], way: int) -> tuple[str, ...]:
    """The longest opening (way 1) or ending (way -1) that enough of these share."""
    said = [_words(text, way) for text in texts]
    best: tuple[str, ...] = ()
    for size in range(1, 2 * LONGEST + 1):
        parts = Counter(w[:size] if way > 0 else w[-size:] for w in said if len(w) >= size)
        part, count = parts.most_common(1)[0] if parts else ((), 0)
        if count < SHARE * len(texts) or _weight(part) > LONGEST:
            break
        best = part
    return best if _weight(best) >= OPENING else ()


def _weight(words: Sequence[str]) -> float:
    return sum(0.5 if CJK.match(word) else 1 for word in words)


def _commonest(found: Sequence[str]) -> str:
    counts = Counter(word for word in found if word)
    return counts.most_common(1)[0][0] if counts else ""


def _upper(text: str) -> bool:
    """Most letters that have a case are capitals, in at least two words: NASA is a name."""
    cased = [c for c in text if c.isupper() or c.islower()]
    capitals = sum(c.isupper() for c in cased)
    return len(re.findall(r"[A-ZÀ-ÞА-Я]{2,}", text)) > 1 and capitals >= 0.9 * len(cased)


_SHOWN: dict[str, Callable[[str, tuple[str, ...]], bool]] = {
    "JSON object": lambda text, _: bool(OBJECT.match(_content(text))),
    "JSON array": lambda text, _: bool(ARRAY.match(_content(text))),
    "SQL": lambda text, _: bool(SQL.match(_content(text))),
    "code fence": lambda text, _: bool(FENCED.search(text)),
    "label": lambda text, labels: folded(text) in labels,
    "opening": lambda text, words: _words(text, 1)[: len(words)] == words,
    "ending": lambda text, words: _words(text, -1)[-len(words) :] == words,
    "upper case": lambda text, _: _upper(text),
    "tag": lambda text, tag: _tag(text) == tag[0],
    "language": lambda text, code: spoken_language(text) == code[0],
}
