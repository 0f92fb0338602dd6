"""Which language an answer speaks, or None where it is too short, a name, a sum or code."""

from __future__ import annotations

import re
from collections import Counter

WORDS = 6  # of a text with blanks between words, before it is said to be in a language
SIGN = 3  # Latin letters that say as much as one Chinese sign
SHARE, LEAD = 0.12, 1.5  # function words among all words; ahead of the next language
FOREIGN = 4  # times that Latin letters must outweigh Chinese signs among them, if not in brackets
LEAST = 1.3  # what the function words must come to: one of a language alone, one of two or three

SCRIPTS = {
    "latin": re.compile("[A-Za-z\u00aa\u00ba\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u024f\u1e00-\u1eff]"),
    "han": re.compile("[\u3400-\u9fff\uf900-\ufaff]"),
    "kana": re.compile("[\u3041-\u3096\u30a1-\u30fa]"),
    "hangul": re.compile("[\uac00-\ud7af]"),
    "cyrillic": re.compile("[\u0400-\u052f]"),
    "arabic": re.compile("[\u0620-\u064a\u066e-\u06d3]"),
}
_EAST = re.compile("|".join(SCRIPTS[name].pattern for name in ("han", "kana", "hangul")))
LATIN = {
    "en": "the of and to in is that it was for are with as his they be at this have from or had by"
    " but what were we when your can there an which she do how their if will about then them these"
    " so some her would him has more could than who its did may you he not i a on my me no don't"
    " doesn't isn't didn't can't let because where here also such each other all one",
    "fr": "le la les de des du et est un une que qui dans en pour pas ne sur avec ce cette au aux"
    " il elle nous vous je se sont par plus mais ou son sa ses leur leurs été être avoir a ont"
    " comme tout très on y ces cela depuis même aussi sans entre l' d' qu' j' n' c' s' parce car"
    " fait",
    "es": "el la los las de del y en que es un una por con para no se su sus al lo como más pero"
    " le ya o este esta porque entre cuando muy sin sobre también me hasta hay donde quien desde"
    " todo nos durante son está fue ha tiene puede yo él ella eso esto ser estar unos unas",
    "de": "der die das und ist in zu den von mit dem nicht ein eine für auf sich des auch es an"
    " als wie im bei aus er sie ich wir ihr hat dass nach wird einen einer einem oder nur noch am"
    " vor haben sind war sein kann wenn mehr durch über zum zur aber weil du ihn man seit sehr",
    "pt": "o a os as de do da dos das e em que é um uma para com não se por na no nas nos mais"
    " como mas ao foi seu sua ou ser quando muito há já está eu também só pelo pela até isso ela"
    " ele entre depois sem mesmo aos seus são você desde tem às à dele dela porque",
    "it": "il lo la i gli le di del della dei delle e è un una che in per con non si da al alla"
    " sono come più ma anche o se nel nella su questo questa dal dalla ha io lei lui noi loro suo"
    " sua essere molto tra cui quando ci degli sul sulla perché l' d' c' dell' all' nell' un'"
    " dall'",
}
_FUNCTION = {lang: frozenset(words.split()) for lang, words in LATIN.items()}
_SHARED = Counter(word for words in _FUNCTION.values() for word in words)
_PARTICLES = frozenset("的了是在不我你他她它们这那有和就也都吗呢吧因为所以可很会")

_FENCED = re.compile(
    r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)|`[^`\n]*`|\"\"\".*?(?:\"\"\"|\Z)", re.DOTALL
)
_CODE_LINE = re.compile(
    r"\s*(?:def |class |return\b|import |from \S+ import|for .*:\s*$|while .*:\s*$|if .*:\s*$"
    r"|elif |else:|try:|except|with .*:\s*$|#|//|/\*|>>>|\$ |@\w+|<\w|(?:SELECT|INSERT|UPDATE)\b"
    r"|(?:const|let|var|int|public|void|function) \w+|[\w.\[\]]+ [-+*/]?= |[\w.]+\(.*\);?\s*$"
    r"|[{}\[\]\"].*[:,{}\[\]]\s*$|\{.*\}|.*[;{]\s*$)"
)
_ADDRESS = re.compile(r"\b(?:https?://|www\.)\S+|(?<!\S)\S{1,64}@\S+")
_QUOTED = re.compile('[“"「『][^”"」』]{0,40}[”"」』]')
_ASIDE = re.compile("[(（][^()（）]{0,40}[)）]")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")


def spoken_language(text: str) -> str | None:
    """One of zh, en, fr, es, de, pt, it, ru, ja, ko, ar, or None where it cannot be said."""
    prose = _prose(text)
    count = {name: len(script.findall(prose)) for name, script in SCRIPTS.items()}
    east = SIGN * (count["han"] + count["kana"] + count["hangul"])
    total = east + count["latin"] + count["cyrillic"] + count["arabic"]
    if not total:
        return None
    if east > total / 2:
        return _eastern(prose, count)
    words = _WORD.findall(prose)
    if len(words) < WORDS:
        return None
    for name, lang in (("cyrillic", "ru"), ("arabic", "ar")):
        if count[name] > total / 2:
            return lang
    return _latin(words) if count["latin"] > total / 2 else None


def _prose(text: str) -> str:
    lines = _FENCED.sub(" ", text).split("\n")
    return _ADDRESS.sub(" ", "\n".join(line for line in lines if not _CODE_LINE.match(line)))


def _eastern(prose: str, count: dict[str, int]) -> str | None:
    if count["hangul"] > count["han"] + count["kana"]:
        return "ko" if len(prose.split()) >= 4 else None
    told = _QUOTED.sub(" ", prose) if count["han"] else prose  # a Japanese word in a Chinese text
    hiragana, kana = (len(re.findall(signs, told)) for signs in ("[ぁ-ゖ]", "[ぁ-ゖァ-ヺ]"))
    if kana > 0.2 * (count["han"] + kana):
        return "ja" if hiragana >= 3 else None
    particles = set(prose) & _PARTICLES
    enough = {0: 20, 1: 10}.get(len(particles), 5)  # names and titles have hardly any
    return "zh" if count["han"] >= enough else None


def latin_scores(words: list[str]) -> dict[str, float]:
    """How much the function words speak for each language; what several have counts less."""
    scores = dict.fromkeys(LATIN, 0.0)
    for word in words:
        for part in _parts(word.lower().replace("’", "'")):
            for lang in LATIN:
                if part in _FUNCTION[lang]:
                    scores[lang] += 1 / _SHARED[part]
    return scores


def _parts(word: str) -> list[str]:
    """it's: it; l'homme: l', homme."""
    head, mark, tail = word.partition("'")
    if not mark or word in _FUNCTION["en"]:
        return [word]
    return [head] if tail in ("s", "d", "ll", "re", "ve", "m", "t") else [f"{head}'", tail]


def _latin(words: list[str]) -> str | None:
    scores = latin_scores(words)
    (lang, best), (_, second) = sorted(scores.items(), key=lambda item: -item[1])[:2]
    known = [w for w in words if set(_parts(w.lower().replace("’", "'"))) & _FUNCTION[lang]]
    # Los Angeles, La Paz, El Salvador: in names they are capitals.
    small = sum(word[0].islower() for word in known)
    prose = 2 * small >= len(known) and len({word.lower() for word in known}) >= 2
    clear = best >= LEAD * second and best >= max(LEAST, SHARE * len(words))
    return lang if prose and clear else None


def fits(text: str, lang: str, *, told: bool = False) -> bool:
    """Whether a text is in this language, or is too short to be in another.

    `told`: it has a word of this language that was asked for, so that one stray word of another
    says nothing.
    """
    spoken = spoken_language(text)
    if spoken is not None:
        return spoken == lang
    count = {name: len(script.findall(text)) for name, script in SCRIPTS.items()}
    letters = count["latin"] + count["cyrillic"] + count["arabic"]
    signs = SIGN * (count["han"] + count["kana"] + count["hangul"])
    share = {
        "zh": 0 if count["kana"] or count["hangul"] else SIGN * count["han"],
        "ja": SIGN * (count["han"] + count["kana"]),
        "ko": SIGN * count["hangul"],
        "ru": count["cyrillic"],
        "ar": count["arabic"],
    }.get(lang, count["latin"])
    if share == 0 or 2 * share <= letters + signs:
        return False
    if lang not in LATIN:
        return True
    if FOREIGN * SIGN * len(_EAST.findall(_QUOTED.sub(" ", _ASIDE.sub(" ", text)))) > share:
        return False
    words = _WORD.findall(_prose(text))
    scores = latin_scores(words)
    if told and len(words) >= WORDS and scores[lang] < 2 * SHARE / 3 * len(words):
        return False  # one word of it among others of no language
    other = max(score for name, score in scores.items() if name != lang)
    stray = other < 2 and (told or scores[lang] > 0)
    return other < 1 or stray or scores[lang] >= other
