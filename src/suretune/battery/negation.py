"""Whether what an answer says is denied in the same breath: "not Paris", "Paris isn't", "不是巴黎".

A negator reaches forward to the end of its clause, and no further than a "but", a comparison or
a new "is": "not Lyon but Paris", "no planet larger than Jupiter", "the one that is not a fruit is
the carrot". A subject is denied by the verb behind it. Rules of thumb, for short answers.
"""

from __future__ import annotations

import re

REACH = 240  # characters before a word in which its negator is looked for
WORDS, SIGNS = 6, 10  # between a negator and what it denies, unless it is "I don't think ..."

_CONTRACTED = re.compile(
    r"\b(?:can(?:no|')t|cant)\b|n't\b|(?<=\b(?:is|do))nt\b"
    r"|(?<=\b(?:was|are|did|has))nt\b|(?<=\bdoes)nt\b"
)
_ANYTHING_BUT = re.compile(r"\b(?:any(?:thing|where|one|body)|everything|everyone) but\b")
_SENTENCE = re.compile(
    r"(?<!\bst)(?<!\bdr)(?<!\bmt)(?<!\bmr)(?<!\bmrs)[.!?](?=[\s\"')\]]|$)|[;:\n。]| - "
)

# Negators that deny nothing.
_NEUTRAL = re.compile(
    r"\bnot (?:only|just|merely|simply|solely|to mention|surprisingly|least|far|long|unlike"
    r"|uncommon|impossible|until|(?:be )?(?:wrong|incorrect|false|untrue|inaccurate|mistaken))\b"
    r"|\bno (?:doubt|wonder|question|problem|matter|need|less than|more than|fewer than)\b"
    r"|\b(?:not|never) (?:forget|hesitate|fail|worry|mind|miss)\b|\b(?:why|whether or|or|if) not\b"
    r"|\bwithout (?:a |any )?(?:doubt|question)\b|\bno other than\b|\bnot help but\b"
    r"|\b(?:nothing|no one|nobody|none) (?:but|like|other than)\b|\bno\b(?=\s*(?:[,.!]|$)(?<!$))"
)
_UNSURE = re.compile(
    r"\bnot (?:even |quite |really )?(?:sure|certain|clear) (?:if|whether)\b"
    r"(?: (?:it|he|she|they|that|this)(?: (?:is|was|are|were)|'s|'re)?\b)?"
)
_ASIDE = re.compile(r"\b(not|never),[^,.;]{1,40},")
_LISTED = re.compile(r"(?:,\s*[\w-]+(?: [\w-]+){0,2}){1,6},?\s+(?=(?:or|nor)\b)")
_LIST_GOES_ON = re.compile(r"(?:,[^,.;!?]{1,30}){0,4},?\s+(?:or|nor)\b")
_BREAK = re.compile(
    r",(?!\s*(?:or|nor)\b)|\b(?:but|because|since|due to|thus|therefore|whereas|while|although"
    r"|though|however|until|unless|except|besides|apart from|other than|if|when|where)\b"
    r"|\bso\b(?! much| many)|\binstead\b(?! of)|\brather\b(?! than)|(?<!rather )(?<!other )\bthan\b"
    r"|\bas \w+ as\b"
)
_NEGATOR = re.compile(
    r"\b(?:not|never|neither|nor|no|none|nobody|nothing|without|unlike)\b"
    r"|\brather than\b|\binstead of\b|\bas opposed to\b|\bnon-?$"
)
_RAISING = re.compile(
    r"\s+(?:really |actually )?(?:think|believe|say|mean|suppose|guess|imagine|feel|claim|agree"
    r"|accept|true|correct|right|accurate|the case|certain|sure|know)\b"
)
_NEW_VERB = re.compile(r"\w\s+(?:is|are|was|were|means)\b|\b(?:it|that|he|she|there)'s\b")
_BEHIND = re.compile(
    r"['\")\]]*(?:\s*\([^()]{0,60}\))?(?:,\s*[^,.;!?]{1,60},)?\s+(?:itself )?"
    r"(?:(?:is|are|was|were|did)\s+(?:actually |really |definitely |certainly )?not"
    r"(?! only| just| merely| simply| until)|(?:is|are) no longer|(?:was|is|were|are) never"
    r"|has never been)\b|['\")\]]*,\s+no(?=[.!]\s)"
)

# The same in Chinese, where a comma ends the clause.
_CLAUSE_ZH = re.compile(
    r"[,;:!?。\n]|而是|但是|但|不过|应该是|才是|就是|其实是|实际上是|比|不如|不及|像|除|以外|之外"
    r"|因为|由于|所以|因此|大过|超过|胜过"
)
_NEUTRAL_ZH = re.compile(
    r"([是能会要行对可])不\1|不(?:仅仅?|但|只是?|光|止|得不|可不|错|久|断|少|同于?|妨|论|管|愧[为是]?"
    r"|知道?|一定|难|外乎|可或缺|可缺少|可分割|用说|好意思|是吗|是么|限于|亚于|逊于|锈钢|等式)"
    r"|没(?:错|问题|关系)|无(?:疑|论|非|数|限|锡)|非(?:常|洲|凡)|除非|莫非|[离少]不[开了]"
    r"|别忘了?|不(?:能|可以?|会)没有|并非不是|未来"
)
_NEGATOR_ZH = re.compile(
    r"不(?:再?是|叫|属于?|在|为|算|会|能|可以?|应该?|该|要|用|需要?|必|包括|包含|含|认为|觉得|相信"
    r"|等于|存在|建议|喜欢)|[并绝而决]非|没有?|未曾|无法|从不|从未|[不非无未]\s*$"
)
_RAISING_ZH = ("不认为", "不觉得", "不相信")
_NEW_VERB_ZH = re.compile(r"是|叫|为|等于")
_BEHIND_ZH = re.compile(
    r"[》」』\"')\]\s]*(?:其实|实际上|本身|当然|也|都|可|们)?(?:并|绝|从来|已经|早已)?"
    r"(?:不(?:再?是|属于|叫)(?!吗|么)|[并绝]非)"
)

_TAKEN_UP = re.compile(
    r",? but (?:it|he|she|they) (?:is|are|was|were|did)\b|但(?:它|他|她|仍|却|也)"
)
"""The whale is not a fish, but it is the largest animal."""
_CANNOT_DO_WITHOUT = re.compile("没有?〇[^,。]{0,12}[不无]")

_NEXT_TO = re.compile(
    r"(?:\bnot|不是|[并绝而]非)\s*(?:really |actually )?(?:the |a |an )?[\"'《「]?$"
)
DENIES = re.compile(
    r"\b(?:not|no|never|none|neither|nor|without|except|cannot|odd one)\b|n't\b"
    r"|不|没|非|无|未|别|除了|异类"
)
"""Words that deny."""
_ORDERS = re.compile(
    r"\b(?:do not|don't|no|without|never) (?:need to |any )?(?:add|comment|explain|explanation"
    r"|extra|further|give|includ|mention|more|other|punctuation|reason|repeat|say|us[ei]|writ)\w*"
    r"|\bnot more than\b|不(?:要|用|必|得|许|准|加|超过|多于|少于)|[无不]需|没有其他"
    r"|非常|非洲|特别|别的"
)


def asks_for_denial(asked: str) -> bool:
    """Whether a right answer may deny: "Which bird can't fly?", "Put into English: 我不会飞"."""
    return DENIES.search(_ORDERS.sub(" ", asked.lower())) is not None


def denied(
    text: str,
    start: int,
    end: int,
    *,
    loosely: bool = False,
) -> bool:
    """Whether what stands in [start, end) of a flat text is denied there.

    `loosely`: only by a negator right before it, for questions that deny something themselves.
    """
    before = _opened(text[max(0, start - REACH) : start].lower())
    if loosely or _NEXT_TO.search(before):
        return _NEXT_TO.search(before) is not None and not _NEUTRAL_ZH.search(before[-4:])
    behind = _opened(text[end : end + REACH].lower())
    if (_BEHIND.match(behind) or _BEHIND_ZH.match(behind)) and not _TAKEN_UP.search(behind):
        return True
    if _CANNOT_DO_WITHOUT.search(before + "〇" + behind[:16]):
        return False
    return _denied_before(_last(_SENTENCE, before), behind) or _denied_before_zh(before)


def refuted(text: str, start: int, end: int) -> bool:
    """Whether this is denied outright: "not 7", "I don't think it is 7", "7 isn't right"."""
    before = _opened(text[max(0, start - REACH) : start].lower())
    if _NEXT_TO.search(before) or _BEHIND.match(_opened(text[end : end + REACH].lower())):
        return True
    clause = _last(_BREAK, _last(_SENTENCE, before))
    return any(_RAISING.match(clause[found.end() :]) for found in _NEGATOR.finditer(clause)) or (
        any(word in _last(_CLAUSE_ZH, before) for word in _RAISING_ZH)
    )


def next_to_negator(text: str, start: int) -> bool:
    """Whether a "not" or a 不 stands right before this."""
    before = _opened(text[max(0, start - 40) : start].lower())
    return _NEXT_TO.search(before) is not None or before.endswith(("不", "没"))


def _opened(text: str) -> str:
    text = _ANYTHING_BUT.sub("not", text)
    text = _CONTRACTED.sub(lambda found: "can not" if found[0][0] == "c" else " not", text)
    return _UNSURE.sub("not", text)


def _last(ends: re.Pattern[str], text: str) -> str:
    """What stands behind the last of these ends."""
    return text[max((found.end() for found in ends.finditer(text)), default=0) :]


def _denied_before(before: str, behind: str) -> bool:
    before = _ASIDE.sub(r"\1", _NEUTRAL.sub(" ", before))
    if _LIST_GOES_ON.match(behind):  # "not Lyon, Paris, or Nice"
        before = re.sub(r",\s*$", " or ", before)
    before = _last(_BREAK, _LISTED.sub(" ", before))
    if re.search(r"\bnor\b", before):
        before = re.sub(r"\bneither\b", " ", before)
    count = 0
    for found in _NEGATOR.finditer(before):
        between = before[found.end() :]
        near = len(between.split()) <= WORDS and not _NEW_VERB.search(between)
        count += bool(near or _RAISING.match(between))
    return count % 2 == 1  # "not without water"


def _denied_before_zh(before: str) -> bool:
    clause = _last(_CLAUSE_ZH, _NEUTRAL_ZH.sub("〇", before))
    for found in _NEGATOR_ZH.finditer(clause):
        between = clause[found.end() :].strip()
        if found.group().startswith(_RAISING_ZH) or (
            len(between) <= SIGNS and not _NEW_VERB_ZH.search(between)
        ):
            return True
    return False
