"""Whether an answer gives one thing where one was asked for, and not another of its kind.

"Which planet has rings?" is not answered by "Jupiter. Saturn is beautiful, too" nor by "Saturn or
Jupiter". The rivals are the wrong things of the kind; the first of them all that is said decides.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from suretune.battery.folding import CJK, flat
from suretune.battery.negation import denied
from suretune.battery.ranges import moved_from
from suretune.battery.saying import Said, places, says_one, stands_alone

Place = tuple[int, int, bool]
"""Where a candidate stands, and whether it is a right one."""

_BESIDE = re.compile(
    r"(?:\b(?:than|unlike|compared (?:to|with)|similar to|other than|apart from|besides|between"
    r"|inspired by|as opposed to|not)|(?<!\blooks )(?<!\blook )\blike)"
    r"\s+(?:the |an? |sir |king |queen )?[\"']?$"
)
"""What stands behind it is compared with, not claimed."""
_ASIDE = re.compile(r"\b(?:while|although|though|whereas)\b[^,.;!?\n]*$")
_UNKNOWN = re.compile(
    r"\b(?:is|are|was|were|has|have|does|did|it's)(?: not|n't| never)(?: \w+ly)?(?: been)?"
    r" (?:mentioned|named|known|specified|stated|identified|revealed|recorded|given|clear)\b"
    r"(?! (?:for (?:certain|sure)|with certainty|exactly|only|just|as))"
    r"|\b(?:is|are|was|were|remains?) (?:\w+ly )?(?:unknown|uncertain|unclear)\b"
    r"|\bi (?:do not|don't) know\b|\b(?:impossible|difficult|hard) to (?:say|determine|know|tell)\b"
)
_YET = re.compile(
    r"\b(?:believed|thought|estimated|generally|commonly|considered|assumed|called|named"
    r"|it is (?:also )?(?:mentioned|said|stated))\b"
)
_JOINS = re.compile(
    r"[\"')]*(?:\s*\([^()]{0,40}\))?(?:\s*[,/&;]|,?\s*\b(?:and|or|and/or|nor|but|as well as"
    r"|along with|together with|to|through|until|till)\b|\s*-|\s*[、和或与及到至]"
    r"|\s*或者|\s*还是)+"
    r"(?:\s*\b(?:also|even|possibly|perhaps|maybe|sometimes|the|an?|by|in|of|to|my|your|then)\b)*"
    r"\s*[\"'(]*"
)
_WHICH_IS = re.compile(
    r"[\"')]*,?\s*(?:which|that) (?:is|are|was|were|means) (?:the |an? |at )?[\"']?"
)
"""Between two that are said to be one: "2 pm, which is 1 pm"."""
_OTHERS = "french|german|spanish|italian|portuguese|latin|russian|chinese|japanese|korean"
_LANGUAGE = re.compile(
    rf"\b(?:english|{_OTHERS})\b"
    r"|[英法德日韩俄汉]语|[英法德日韩俄中]文"
    r"|西班牙语|意大利语"
)
"""Asks for a word of a language."""
_RENAMED = re.compile(
    r"[\"']*\s*"
    r"(?:(?:is|are) (?:often |usually |commonly |generally |typically |sometimes )?"
    r"(?:called|known as|referred to as|termed)"
    r"|(?:通常|一般|常常?|往往)?"
    r"被?(?:称为|称作|叫做|叫作|叫))"
    r"\s*:?\s*"
    r"((?:an?\s|the\s)?[\"'“]?[^.!?,;\n。]{1,60})"
)
_INTO_ENGLISH = re.compile(r"\b(?:in|to) english\b|\bmeaning\b|英")
_ABROAD = re.compile(rf"\bin (?:{_OTHERS})\b")
_MAKER = (
    "author|writer|novelist|poet|playwright|painter|artist|composer|inventor|founder|discoverer"
)
_WHOSE = r"(?!['’]| (?!(?:of|who)\b)[^.,;!?\n]{1,40}?\w['’]s?\b)"
"""Behind a maker that is the work's own; else: "the author's first", "the poet Homer's second"."""
_KIND = r"(?!of\b|by\b|from\b|about\b)[a-z-]+"
_WORK = re.compile(
    r"\b(?:author of|wrote|painted|composed|invented|discovered|founded)"
    r"\s+(.{3,60}?)\s*\?"
    r"|《([^》]{1,20})》(?:是谁|的作者)"
)
_BUILT_ZH = "建造|修建|修筑|建成|兴建"
_DONE_ZH = re.compile(rf"({_BUILT_ZH})|发明|发现|创立|创办|创作|设计|写|画")
_BY_ZH = re.compile(rf"[由被是][{CJK}]{{0,6}}$")
_SON_OF = re.compile(r"(?:的(?:第.个)?|之)(?:儿子|孙子|.?子|孙)")
_PARTICIPLES = {"wrote": "written", "author": "written", "built": "built"}
_DONE = re.compile(r"\b(wrote|author|built|[a-z]{4,}ed)\b")
_PART = r"[A-Z](?:[\w'-]+|(?:\.[A-Z])*\.)"
_NAME = rf"((?:{_PART}\s+){{1,3}}{_PART})"
_TITLES = "Pharaoh|King|Queen|Emperor|Sir|Dr|Professor|President|Saint|St"
_ONE_NAME = rf"((?!(?:{_TITLES})\b){_PART})(?=\s*(?:[,;(]|\.(?:\s|$)|$)|\s(?:in|on|at|during)\b)"
_CALLS = re.compile(r"\bcall(?:ed)?\b|\bname of\b")
_CALLED = re.compile(
    r"(?:\b(?:is|are|am|be|it|them|they|him|her)|'[ms]|'re)(?: \w+ly| also| often)?"
    r" (?:called|known as|named(?! (?:after|for|by|in)\b)|termed|referred to as)"
    r"\s+(?:an?\s|the\s)?\W?([^.!?,;\n]{1,60})"
)
_YEAR = re.compile(
    r"(?<!built )(?<!born )(?<!began )(?<!started )(?<!launched )(?<!made )(?<!founded )"
    r"\b(?:in|(?:the )?year)\s+([12]\d{3})\b"
)
_ALSO = re.compile(
    r"[^.!?\n]{0,24}\b(?:but|and|though|although)\b[^.!?\n]{0,24}\balso (?:been )?"
    r"(?:believed|said|thought|considered|attributed|credited|possible|possibly|claimed)\b[^.!?\n]*"
)
_ACTUALLY = re.compile(
    r"[^.!?\n]{0,60}\bbut\b[^.!?\n]{0,24}\b(?:actually|in fact|in reality)\b([^.!?\n]*)"
)
"""Behind a right word: what the answer says it really is."""
_BELIEVED = re.compile(
    r"[^.!?\n]{0,60}\bbut\b[^.!?\n]{0,16}\b(?:believed|thought|said|rumou?red|claimed)"
    r" to (?:be|have been)\b([^.!?\n]*)"
)
_MADE = "work|painting|piece|creation|invention|discovery|book|novel|play|poem"
_CORRECTS = re.compile(
    r"\b(?:however|but|yet|though|in fact|in reality)\b[^.!?\n]*?"
    r"\b(?:actual|actually|real|really|true|truly|in fact|in reality)\b[^.!?\n]*"
)
"""A later sentence that takes the first answer back: "However, the real inventor was ..."."""
_KIN = re.compile(
    r"(?:'s|s')(?: \w+)? (?:son|daughter|brother|sister|father|mother|wife|husband|student|pupil"
    r"|friend|nephew|niece|cousin|uncle|grandson|grandfather|apprentice|contemporar(?:y|ies)"
    r"|followers?|teacher|master|workshop|assistant)\b"
)
_BY = re.compile(r"\bby (?:the |sir |king )?[\w\s.]{0,24}$")
_OR = re.compile(
    r"[\"')]*(?:\s*\([^()]{0,40}\))?,?\s+or\s+(?:even |possibly |perhaps |maybe |also |simply )?"
    r"(?:the |an? )?[\"']?((?:[a-z]+[\s-]?){1,3}?)"
    r"(?=\s*(?:[\"'.,;:!?()]|$)|\s(?:in|of|for|from|that|which|who|when|at|with|is|are|because)\b)"
)
_GLOSS = re.compile(r"\bmean(?:s|ing)?\b|\bopposite\b|\btranslation\b")
"""Asks for what has more than one right word: "friend or pal" leaves nothing open."""
_NO_OTHER = re.compile(
    r"(?:more|less|so|other|others|any|another|its|their|his|her|not|even|rather|in|to|by|at|on"
    r"|otherwise|similar|something|anything|for|with|without)\b"
)


def alone(
    text: str,
    options: Sequence[Said],
    rivals: Sequence[str],
    asked: str,
) -> bool:
    """Whether a flat text that says a right word claims no other of its kind in its place."""
    words = [w for option in options for w in ([option] if isinstance(option, str) else option)]
    found = _candidates(text, words, rivals)
    if not found or not found[0][2]:
        return False
    unknown = _UNKNOWN.search(text.lower())
    if unknown and unknown.start() < found[0][0]:
        yet = _YET.search(text.lower(), unknown.end(), found[0][0])
        if yet is None:
            return False
    if any(_both(text, one, two, found[0]) for one in found for two in found):
        return False
    if _another_first(text, found[0][0], words, asked):
        return False
    if any(not place[2] and _done_by(text, place, asked) for place in found):
        return False
    if any(place[2] and _by_kin(text, place, asked, place is found[0]) for place in found):
        return False
    if any(_corrected(found, span.span()) for span in _CORRECTS.finditer(text.lower())):
        return False
    if _really_another(text, found[0][1], words, rivals):
        return False
    if _believed_anothers(text, found[0][1], words, asked):
        return False
    kind = {word for rival in rivals for word in rival.lower().split()}
    others = kind if _GLOSS.search(asked.lower()) else None
    return not any(_or_another(text, place[1], words, asked, others) for place in found if place[2])


def renamed(text: str, options: Sequence[Said], asked: str) -> bool:
    """Whether a word of a language that was asked for is itself said to be called something else.

    "tiger" is called "panther". What the question names ("butterfly" is called 蝴蝶) does no harm,
    nor what an English word is called in the language that it was asked for from.
    """
    question = asked.lower()
    if not _LANGUAGE.search(question):
        return False
    words = [w for option in options for w in ([option] if isinstance(option, str) else option)]
    spans = [span for word in words for span in places(text, word)]
    called = [_RENAMED.match(text.lower(), end) for _, end in spans]
    names = [found[1].strip(" \"'“") for found in called if found]
    return len(names) == len(spans) > 0 and not any(
        says_one(name, words, free=True)
        or (_INTO_ENGLISH.search(question) and _ABROAD.search(name))
        or any(first in question for first in re.findall(rf"^(?:[{CJK}]{{2}}|[{CJK}\w]+)", name))
        for name in names
    )


def made_itself(text: str, asked: str) -> bool:
    """Whether a work is said to be its own author: "Jane Eyre is the author of Jane Eyre"."""
    work = _WORK.search(flat(asked))
    if work is None:
        return False
    title = re.escape((work[1] or work[2]).lower().removeprefix("the "))
    makes = (
        rf"\b{title}[\"']?,? (?:is|was) (?:the|an?) (?:{_KIND} ){{0,3}}?(?:{_MAKER})\b{_WHOSE}"
        if work[1]
        else rf"(?:《{title}》|(?:^|[,。]\s?){title})是[^,;。]{{0,12}}(?:的作者|作[者家][,。.])"
    )
    return re.search(makes, text.lower()) is not None


def _candidates(
    text: str,
    words: Sequence[str],
    rivals: Sequence[str],
) -> list[Place]:
    """What is claimed, in the text's order; inside a longer name a shorter one is not said."""
    spans = [(*span, True) for word in words for span in places(text, word)]
    spans += [(*span, False) for word in rivals for span in places(text, word)]
    whole = [
        place
        for place in set(spans)
        if not any(
            other[0] <= place[0] and place[1] <= other[1] and other[1] - other[0] > size
            for other in spans
            for size in (place[1] - place[0],)
        )
    ]
    return sorted(place for place in whole if _claimed(text, place))


def _by_kin(
    text: str,
    place: Place,
    asked: str,
    first: bool,
) -> bool:
    """ "By Mozart's sister" names another than Mozart.

    Behind a first "by Mozart", only where that is said of what was asked: he may be "inspired by
    Mozart's sister".
    """
    before = text[max(0, place[0] - 60) : place[0]].lower()
    if not _KIN.match(text[place[1] : place[1] + 40].lower()) or not _BY.search(before[-40:]):
        return False
    verb = _DONE.search(asked.lower())
    return first or verb is None or _participle(verb) in before


def _participle(verb: re.Match[str]) -> str:
    return _PARTICIPLES.get(verb[1], verb[1])


def _another_first(
    text: str,
    start: int,
    words: Sequence[str],
    asked: str,
) -> bool:
    """Whether what stands before the right word names another, of whom no list of rivals knows."""
    question = asked.lower()
    if _CALLS.search(question) and (named := _CALLED.search(text.lower())):
        if (first := re.search(r"\w+", named[1])) is None:  # cut off before the name
            return False
        known = says_one(named[1], words, free=True) or says_one(question, [first[0]], free=True)
        return named.start() < start and not known
    if words[0].isdigit() and (year := _YEAR.search(text.lower())):
        return year.start() < start and year[1] not in (*words, *re.findall(r"\d+", question))
    verb = _DONE.search(question)
    if verb is None:
        return False
    by = rf"\b(?:{_participle(verb)} by|attributed to|credited to"
    for pattern in (rf"{by})\s+{_ONE_NAME}", rf"{by}|named)\s+(?:[\w'-]+\s+){{0,5}}?{_NAME}"):
        person = re.search(pattern, text)
        if person is None or person.start() >= start:
            continue
        known = says_one(person[1], words, free=True)
        if not known and not any(word in question for word in person[1].lower().split()):
            return True
    return False


def _done_by(text: str, place: Place, asked: str) -> bool:
    """Whether it is said to have done what was asked about: "written by the poet Odysseus"."""
    if done := _DONE_ZH.search(asked):
        before, behind = text[max(0, place[0] - 8) : place[0]], text[place[1] :]
        did = re.match(rf"[^,;。.]{{0,12}}?(?:{_BUILT_ZH if done[1] else done[0]})", behind)
        return did is not None and _BY_ZH.search(before) is not None
    verb = _DONE.search(asked.lower())
    if verb is None:
        return False
    before = text[max(0, place[0] - 60) : place[0]].lower()
    return re.search(rf"\b{_participle(verb)} by (?:[\w\s,]{{0,32}}[\s,])?$", before) is not None


def _claimed(text: str, place: Place) -> bool:
    start, end, right = place
    if denied(text, start, end) or not stands_alone(text, end):
        return False
    if right:
        return True
    if _SON_OF.match(text[end : end + 8]):  # 朱元璋之子朱棣
        return False
    before = text[max(0, start - 80) : start].lower()
    compared = _BESIDE.search(before) or _ASIDE.search(before)
    return compared is None and not moved_from(text, start, end)


def _both(text: str, one: Place, two: Place, first: Place) -> bool:
    """Whether two are claimed in one breath: "Mars or Venus", "from Monday to Sunday".

    Only "or" counts once the right one was claimed alone.
    """
    if one[2] is two[2] or one[1] > two[0]:
        return False
    between = text[one[1] : two[0]].lower()
    noun = text[two[0] : two[1]].lower().split()[-1]  # "second floor, or third floor"
    between = re.sub(rf"^\s+{re.escape(noun)}\b", "", between)
    if first not in (one, two) and " or " not in between:
        return False
    return (_JOINS.fullmatch(between) or _WHICH_IS.fullmatch(between)) is not None or (
        len(between) < 120 and _ALSO.fullmatch(between) is not None
    )


def _really_another(
    text: str,
    end: int,
    words: Sequence[str],
    rivals: Sequence[str],
) -> bool:
    """Whether behind the right word stands what it really was: "but it was actually Tesla"."""
    really = _ACTUALLY.match(text[end : end + 240].lower())
    if really is None:
        return False
    told = text[end : end + really.end()].partition("but")[2]
    if says_one(told, words, free=True):
        return False
    named = re.search(r"\b(?!I\b)[A-Z][a-z]+", told)
    return named is not None or says_one(told, rivals, free=True)


def _believed_anothers(text: str, end: int, words: Sequence[str], asked: str) -> bool:
    """Whether behind the right name it goes to another, of whom no list of rivals knows.

    "Attributed to Edison, but believed to be a work of a smith named Olaf Berg".
    """
    verb = _DONE.search(asked.lower())
    believed = _BELIEVED.match(text[end : end + 240].lower())
    if verb is None or believed is None:
        return False
    told = text[end + believed.start(1) : end + believed.end(1)]
    # Nothing else stands before it: what is "based on a poem by" another is not his.
    whose = r"\s*(?:(?:also|actually|really) )?(?:(?:an?|the) )?(?:\w+ )?"
    by = rf"(?:{_MADE}|{_participle(verb)}) by\s+(?:[\w'-]+,?\s+){{0,6}}?"
    of = rf"(?:{_MADE}) of an?\s+(?:[\w'-]+\s+){{0,6}}?named\s+"
    person = re.match(rf"{whose}(?:{by}|{of}){_NAME}", told)
    return person is not None and not says_one(person[1], words, free=True)


def _corrected(found: Sequence[Place], span: tuple[int, int]) -> bool:
    """Whether what stands there claims a rival and no right one, after a right one was claimed."""
    inside = [place for place in found if span[0] <= place[0] < span[1]]
    return found[0][0] < span[0] and bool(inside) and not any(place[2] for place in inside)


def _or_another(
    text: str,
    end: int,
    words: Sequence[str],
    asked: str,
    others: set[str] | None,
) -> bool:
    """Whether "or" and something that is neither right nor the question's follows.

    `others`: words of which it has to have one, where more than one thing may be right.
    """
    other = _OR.match(text[end : end + 100].lower())
    if other is None or _NO_OTHER.match(other[1]):
        return False
    if others is not None and not others & set(other[1].split()):
        return False
    same = says_one(other[1], words, free=True) or any(
        says_one(asked.lower(), [word], free=True) for word in other[1].split()
    )
    return not same
