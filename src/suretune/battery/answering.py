"""Whether a Chinese answer gives the right word that it says as its answer.

Chinese has no word edges and its checks have few rivals: saying the word would easily be enough.
Three ways of saying it give no answer: as one of several of a kind ("非洲和亚洲"), in the place of
what was asked about ("李靖的父亲叫…" where Nezha's father was asked for), and as the subject of a
statement that has nothing to do with the question.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from suretune.battery.folding import CJK, flat
from suretune.battery.saying import NUMERALS, Said, places

_HAN = re.compile(f"[{CJK}]")
_ONE = re.compile(
    r"谁|哪(?!吒)|几|多少|叫什么|什么(?:颜色|语言|符号|名字|职业|地方|城市|植物|食物|味道)"
)
"""Questions that ask for one thing."""
_OPEN = re.compile(r"谁|哪(?!吒)|几|多少|什么|怎")
_END = re.compile(r"[,;:.!?、。\n]")
_AND = "或者?|(?<!共)和(?![平国谐])|与|(?<![埃普])及|(?<![改换调挪移推延迟变])[到至]|还是"
_JOINS = rf"(?:\s*(?:[、,~-]|{_AND})\s*)+"
_CLAUSE_END = re.compile(rf"[,;:.!?、。~\n-]|{_AND}")
_NUMERAL = rf"(?:\d+|[{NUMERALS}]+)"
_TELLS = re.compile(r"(?:是|位于|属于|的|在|有|为)")
_IS_CALLED = re.compile(r"[\"'》」]*叫(?!做?人|喊|声|好)")
_SUBJECT = re.compile(rf"[\"'《]?([{CJK}A-Za-z0-9-]{{2,8}})[\"'》]?是(?:哪|谁|什么)")
_OWNED = re.compile(rf"([{CJK}]{{2,6}})的([{CJK}]{{2,6}}?)(?:叫|是)")
_KIN = (
    ("父", "爸", "爹"),
    ("妻", "老婆", "太太", "夫人", "媳妇"),
    ("师", "老师"),
    ("女朋友", "恋人", "女友"),
    ("作者", "作家", "写"),
    ("真名", "本名", "原名", "姓名", "名字"),
    ("主人", "主"),
)
_BOUND = re.compile(r"是|叫|为|有|在|属于|来自")
_NEXT = rf"(?:、|{_AND})"
_DID = "发[现明]|写|画|创|建|排|最|都|共同|负责"
_ORDINAL = re.compile(rf"第([\d{NUMERALS}]+)")
_OTHERS = re.compile(
    rf"的(?:一[个家位名])?[{CJK}]{{0,2}}?((?:子|母|分)公司|对手|竞争者|儿子|女儿|父亲|母亲|妻子|丈夫"
    rf"|弟弟|哥哥|妹妹|姐姐|朋友|学生|老师|徒弟|同事|邻居|粉丝)(?![{CJK}])"
)
"""Of whom what was asked is not said: "PS Vita 是索尼的子公司"."""
_LISTED = re.compile(r"[、/]|或者?|(?<!共)和(?![平国谐他她它其])|与|还是")
_AROUND = " 。.\"'“”"
_PERSON = re.compile(rf"是[{CJK}]{{1,12}}[家者师员人](?:[^{CJK}]|$)")
"""Says who somebody is: that is answer enough where somebody was asked for."""
_SO_MANY = re.compile(r"哪[两二三四五六七八九十\d]")
_BESIDE = rf"(?:[、/]|{_AND})"
_MORE = re.compile(rf"[{CJK}]{{0,2}}?{_BESIDE}(?![他她它其这那])[{CJK}]{{1,4}}?(?:[^{CJK}]|$)")
_GRAND = "大小古强名老新"
"""What begins with it says of what kind something is: 法国是大国."""
LONGEST_SET = 40  # characters between the first and the last of a set
LEAST_FRAME = 3  # characters of the question that are its frame and no accident
LONGEST_TAIL = 6  # characters behind a word that may be said again behind its rival
LEAST_STATEMENT = 5  # characters of a statement about something


def answers(text: str, options: Sequence[Said], asked: str) -> bool:
    """Whether a flat text that says one of these gives it as the answer to the question."""
    words = [option for option in options if isinstance(option, str)]
    question = flat(asked)
    if not _HAN.search(question):
        return True
    if len(words) < len(options):
        sets = [option for option in options if not isinstance(option, str)]
        return not _SO_MANY.search(question) or _only_a_set(text, sets, question)
    found = sorted({span for word in words for span in places(text, word)})
    if _asks_back(text, question):
        return False
    if _in_its_place(text, found, question) or _is_another(text, found, words, question):
        return False
    if found and all(_of_another(text, span, question) for span in found):
        return False
    if any(_frames(text, span, question) for span in found):
        return False
    if _ONE.search(question) and (
        _lists(text, words, question)
        or any(_one_of_several(text, span, words, question) for span in found)
    ):
        return False
    return not _about_something_else(text, found, words, question)


def _asks_back(text: str, question: str) -> bool:
    """Whether it ends with the question's own end, and not with an answer."""
    asked = question.rstrip(" ?")[-4:]
    return text.rstrip().endswith("?") and text.rstrip(" ?").endswith(asked)


def _in_its_place(
    text: str,
    found: Sequence[tuple[int, int]],
    question: str,
) -> bool:
    """Whether the word is the subject, as what was asked about is, or something else of it.

    "What country is BMW from?" - "Germany is a brand."; "Mao Dun's real name?" - "X is his wife."
    """
    start = len(text) - len(text.lstrip(" \"'《「"))
    subject = _SUBJECT.match(question)
    for at, end in found:
        behind = text[end:].lstrip("\"'》」")
        if subject and at == start and behind.startswith("是") and subject[1] not in text:
            return True
        if re.match("是由(?!于|此)", behind) and "由谁" in question:
            return True
        owned = _OWNED.search(question)
        told = re.match(rf"是{re.escape(owned[1])}的([{CJK}]{{2,4}})", behind) if owned else None
        if owned and told and not _same_kin(told[1], owned[2]):
            return True
    return False


def _of_another(text: str, span: tuple[int, int], question: str) -> bool:
    """Whether it stands there for its kin, or for another in an order: 第三 for 第二."""
    kin = _OTHERS.match(text[span[1] :])
    if kin and kin[1] not in question:
        return True
    before = _END.split(text[: span[0]])[-1]
    ordinals = set(_ORDINAL.findall(before + _END.split(text[span[1] :])[0]))
    asked = set(_ORDINAL.findall(question))
    return bool(asked and ordinals) and not asked & ordinals


def _only_a_set(text: str, sets: Sequence[Sequence[str]], question: str) -> bool:
    """Whether one of these sets is said and nothing is listed with it: 魏蜀吴, and no 晋."""
    known = [word for words in sets for word in words]
    return any(
        spans and not _listed_beside(text, spans, known, question)
        for words in sets
        for spans in ([next(places(text, word), (0, 0)) for word in words],)
        if all(end for _, end in spans)
    )


def _listed_beside(
    text: str,
    spans: Sequence[tuple[int, int]],
    words: Sequence[str],
    question: str,
) -> bool:
    start, end = min(span[0] for span in spans), max(span[1] for span in spans)
    if end - start > LONGEST_SET:
        return False
    before = re.search(rf"([{CJK}]{{1,12}}){_BESIDE}$", text[:start])
    others = re.split(_BESIDE, text[start:end])
    if before:
        others.append(_BOUND.split(before[1])[-1])
    return _MORE.match(text[end:]) is not None or any(
        re.fullmatch(f"[{CJK}]{{1,4}}", other) and not _known(other, words, question)
        for other in others
    )


def _is_another(
    text: str,
    found: Sequence[tuple[int, int]],
    words: Sequence[str],
    question: str,
) -> bool:
    """Whether it is said to be another of its kind: 木星是土星."""
    for at, end in found:
        size = end - at
        told = re.match(rf"[\"'》」]*是[\"'《「]*([{CJK}]{{{size}}})(?![{CJK}])", text[end:])
        if size < 2 or told is None or told[1][0] in _GRAND:
            continue
        if told[1][-1] == text[end - 1] and not _known(told[1], words, question):
            return True
    return False


def _same_kin(one: str, two: str) -> bool:
    return bool(set(one) & set(two)) or any(
        any(word in one for word in kin) and any(word in two for word in kin) for kin in _KIN
    )


def _frames(text: str, span: tuple[int, int], question: str) -> bool:
    """Whether the word stands where the question has what it asks about.

    What stands there in the question, too, was taken over from it.
    """
    start, end = span
    if end - start < 2 or text[start : end + LEAST_FRAME] in question:
        return False
    called = _IS_CALLED.match(text[end:]) if "叫什么" in question else None
    if called and text[start:end] not in question:
        told = text[end + called.end() :].lstrip(" :\"'")
        return not told.startswith(text[start:end])
    behind = text[end : end + LEAST_FRAME]
    at = question.find(behind)
    if len(behind) < LEAST_FRAME or _END.match(behind) or at <= 0:
        return False
    before = _END.split(question[:at])[-1]
    return bool(_HAN.search(before)) and not _OPEN.search(before)


def _one_of_several(
    text: str,
    span: tuple[int, int],
    words: Sequence[str],
    question: str,
) -> bool:
    """Whether another of its kind is claimed beside it, in the same words."""
    start, end = span
    if text[end : end + 1] == "色":
        end += 1
    word = text[start:end]
    if _side_by_side(text, (start, end), words, question):
        return True
    lead = f"(?:{re.escape(text[start - 2 : start])})?" if start > 1 else ""
    tail = _CLAUSE_END.split(text[end:], maxsplit=1)[0]
    if len(tail) > LONGEST_TAIL:
        return False
    for other in _of_its_kind(word, tail):
        behind = re.match(_JOINS + lead + f"({other})" + re.escape(tail), text[end + len(tail) :])
        before = re.search(f"({other})(?:{re.escape(tail)}{_JOINS}|(?:{_AND}))$", text[:start])
        for found in (behind, before):
            if found and not _known(found[1], words, question):
                return True
    return False


def _side_by_side(
    text: str,
    span: tuple[int, int],
    words: Sequence[str],
    question: str,
) -> bool:
    """Whether another name is joined to it: "大象、长颈鹿排第一", "O、H"."""
    start, end = span
    word = text[start:end]
    if re.fullmatch(_NUMERAL, word):
        return False
    if word.isascii():
        beside = re.search(r"([A-Za-z]+)\s*[、/]\s*$", text[:start]) or re.match(
            r"\s*[、/]\s*([A-Za-z]+)", text[end:]
        )
        return beside is not None and not _known(beside[1], words, question)
    if len(word) < 2:
        return False
    before = re.search(rf"([{CJK}]{{2,12}}){_NEXT}$", text[:start])
    if before:
        other = _BOUND.split(before[1])[-1]
        if 2 <= len(other) <= 4 and not _known(other, words, question):
            return True
    behind = re.match(rf"[、/](?![他她它其])([{CJK}]{{2,4}}?)(?:[^{CJK}]|$|{_DID})", text[end:])
    return behind is not None and not _known(behind[1], words, question)


def _lists(text: str, words: Sequence[str], question: str) -> bool:
    """Whether the answer is nothing but a list, and something else is on it, too."""
    items = [item.strip(_AROUND) for item in _LISTED.split(text.strip())]
    parts = [part.strip(_AROUND) for part in text.strip(_AROUND).split(";")]
    if len(parts) > 1 and len({part[-1:] for part in parts}) == 1:  # 5月1日; 6月1日
        items = parts
    if len(items) < 2 or not all(2 <= len(item) <= 5 for item in items):
        return False
    return any(not _known(item, words, question) for item in items)


def _of_its_kind(word: str, tail: str) -> Iterator[str]:
    """Numbers, or names that end alike: 三楼 and 四楼, 非洲 and 亚洲.

    Where the same words stand behind both, whatever is the subject of them.
    """
    if len(tail) >= 2:
        yield rf"(?:^|(?<=[,;:.!?。\s]))[{CJK}]{{1,4}}?"
    if re.fullmatch(_NUMERAL, word):
        yield _NUMERAL
    elif len(word) > 1 and _HAN.match(word[-1]):
        yield rf"(?:(?!{_JOINS})[{CJK}\d]){{1,{len(word)}}}?{word[-1]}"


def _known(other: str, words: Sequence[str], question: str) -> bool:
    """Whether it is right itself, or what the question is about."""
    if other.removesuffix("色") in question:
        return True
    return any(flat(word) in other or other in flat(word) for word in words)


def _about_something_else(
    text: str,
    found: Sequence[tuple[int, int]],
    words: Sequence[str],
    question: str,
) -> bool:
    """Whether the word is but the subject of a statement without a word of the question."""
    lead = re.match(r"[\s\"'《「]*", text)
    start = lead.end() if lead else 0
    first = next(((s, e) for s, e in found if s == start and 2 <= e - s <= 4), None)
    if first is None or not _OPEN.search(question) or not _HAN.match(text[start]):
        return False
    told = text[first[1] :].lstrip("\"'》」")
    if not _TELLS.match(told):
        return False
    if _PERSON.match(told):
        return False
    for word in words:
        told, question = told.replace(flat(word), " "), question.replace(flat(word), " ")
    if len(_HAN.findall(told)) < LEAST_STATEMENT:
        return False
    return not _pairs(told) & _pairs(question)


def _pairs(text: str) -> set[str]:
    """Two Chinese characters side by side, the nearest that there is to words."""
    return {
        text[at : at + 2]
        for at in range(len(text) - 1)
        if _HAN.match(text[at]) and _HAN.match(text[at + 1])
    }
