"""When two short texts say the same: labels, numbers, names. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence

from suretune.battery.folding import flat
from suretune.battery.numbers import numbers, readable
from suretune.battery.results import agrees
from suretune.battery.saying import places
from suretune.battery.saying import says as says_word

LONGEST = 20_000  # characters of a text that is compared
SHORT = 200  # characters within which a text can be short
CJK = re.compile(r"[\u3400-\u9fff\u3040-\u30ff\uac00-\ud7a3\uf900-\ufaff]")
THOUGHT = re.compile(r"\A\s*<think>(?:.*?</think>|.*)", re.DOTALL)
EDGES = " \t\r\n\"'`*_#“”‘’「」『』《》〈〉()（）[]【】.。,，、;；:：!！?？…"


def said(text: str) -> str:
    """The answer without the reasoning before it; one that never ends leaves nothing."""
    return THOUGHT.sub("", text, count=1).strip()


def folded(text: str) -> str:
    """Without case, width, quotes and punctuation at its edges, and with single blanks."""
    text = unicodedata.normalize("NFKC", text[:LONGEST]).casefold()
    return " ".join(text.split()).strip(EDGES)


def length(text: str) -> tuple[int, int]:
    """(words, CJK characters) of a text; a text of the latter has no words."""
    characters = len(CJK.findall(text))
    return (0, characters) if characters else (len(text.split()), 0)


# --- labels --------------------------------------------------------------------------------------

LABEL_WORDS, LABEL_CHARACTERS = 6, 12
LABELS, LABEL_SHARE = 20, 0.1  # at most so many, or this share of the rows
LABELLED = 0.9  # share of the rows that have one


def labels_of(answers: Sequence[str], share: float = LABELLED) -> frozenset[str]:
    """The labels that nearly all answers are, or this share, folded; empty if they are none."""
    counts = Counter(folded(text) for text in answers if _may_label(text))
    labels = {label for label, count in counts.items() if label and count > 1}
    most = min(max(LABELS, LABEL_SHARE * len(answers)), len(answers) / 3)
    covered = sum(counts[label] for label in labels)
    few = 0 < len(labels) <= most and covered >= share * len(answers)
    return frozenset(labels) if few else frozenset()


def _may_label(text: str) -> bool:
    text = text.strip()
    if not text or len(text) > SHORT or text.endswith(("!", "?", "！", "？")) or "\n" in text:
        return False
    words, characters = length(text)
    sentence = text.endswith((".", "。")) and (words > 2 or characters > 4)
    return words <= LABEL_WORDS and characters <= LABEL_CHARACTERS and not sentence


def same_label(reference: str, answer: str) -> bool:
    """The label alone. Numbers are compared as numbers: "-1" and ".5" are not "1" and "5"."""
    wanted = single_number(reference)
    if wanted is not None:
        given = single_number(answer)
        return given is not None and abs(given - wanted) <= 1e-9 * max(1.0, abs(wanted))
    return bool(folded(reference)) and folded(answer) == folded(reference)


# --- numbers -------------------------------------------------------------------------------------

UNIT = re.compile(r"\s?[^\d\n.,:;=]{0,12}")
MONEY = re.compile(r"[^\w\s]{0,2}\s?")
HEARD = 2_000  # characters of an answer in which a result is looked for, and of its question's end


def single_number(text: str) -> float | None:
    """The number that a text is, with a sign of money or a unit at most; None for other texts."""
    if len(text) > SHORT or not any(c.isdecimal() for c in text):
        return None
    text = re.sub(r"(?<![\d.])\.(?=\d)", "0.", text)
    flattened = readable(text).strip(" .。*`\"'")
    found = numbers(flattened)
    if len(found) != 1 or not found[0].digits:
        return None
    before, behind = flattened[: found[0].start], flattened[found[0].end :]
    alone = MONEY.fullmatch(before) and UNIT.fullmatch(behind) and len(behind.split()) < 3
    return found[0].value if alone else None


def says_number(prompt: str, wanted: float, answer: str) -> bool:
    """Whether this number is the answer's result."""
    alone = single_number(answer)
    if alone is not None:
        return abs(alone - wanted) <= 1e-9 * max(1.0, abs(wanted))
    return agrees(answer[:HEARD], prompt[-HEARD:], wanted)


# --- short texts ---------------------------------------------------------------------------------

WORDS, CHARACTERS = 8, 16  # of a short text
SAID_WORDS, SAID_CHARACTERS = 4, 8  # of one that may stand in a sentence
SAYING = 400  # characters
TASK = 3  # lines at either end of a prompt that say what is wanted
HEARD_WORDS, HEARD_CHARACTERS = 30, 60  # of an answer in which it is looked for
CHOICE_WORDS = "yes no true false none all both neither 是 否 对 错 有 无 不是 正确 错误"
CHOICES = frozenset(CHOICE_WORDS.split())
COPULA = re.compile(
    r"\A.*(?::|=|\b(?:is|are|was|were)\b(?! not\b)|(?<!不)是|(?<!不)为)\s*(?:(?:a|an|the)\s+)?"
)
CREATIVE = (
    "generate|create|suggest|come up|compose|invent|propose|imagine|brainstorm|describe|think of|"
    "recommend|design|rewrite|rephrase|reword|paraphrase|improve|summari[sz]e|simplify|shorten|"
    "expand|edit|complete|fill|translate|change|scramble|transform|modify|turn|"
    "predict|guess|explain|tell me about|write|"
    "(?:name|list|give|find|provide|make|pick|choose|select|add|identify|use|say)(?: me)? "
    "(?:a|an|some|any|one|two|three|four|five|several|\\d+)"
)
OPEN = re.compile(
    rf"(?:^|[.!?:;\n]\s*|\b(?:please|you|to|and) )(?:{CREATIVE})\b"
    r"|\b(?:synonym|antonym|random|headline|slogan|tagline|titles?|examples?|rhym\w+|metaphor|simile"
    r"|opposite|appropriate|suitable|creative|hypothetical|similar|favou?rite|best|better|title)\b",
    re.IGNORECASE,
)
OPEN_ZH = re.compile(
    "生成|创[造作建]|建议|想[出一个]|写|编[写辑一个]|[取起].{0,2}名|列[出举]|举|推荐|描述|形容|例[子如句]|标题|口号|改[写编变]"
    "|重[述写组]|同义|近义|反义|随机|合适|适当|最[好喜]|类似|补[充全]|完成|续写|填|总结|概括|简化|修饰|翻译|解释|谈|说明"
)
CHAT = re.compile(
    r"\b(?:i|i'm|i'll|i've|me|my|we|you|your|thanks?|thank|welcome|sorry|hello|hi|sure|okay)\b"
    r"|[我你您咱]|谢|不客气|不用|抱歉|好的|没问题|没什么|没关系|当然|可以|[嗯啊呀呢吧哈]"
)
PREDICATE_ZH = re.compile("[是应的不可要需有会能在被了]")
TO_YOU = re.compile(
    r"\A(?:i|i'm|my|hi|hello|thanks?)\b|\b(?:are|do|did|have|were|will) you\b|\byour\b"
    r"|\byou(?:'re| are)\b|[你您]"
)
ASKING_YOU = re.compile(r"[请让想]你|你(?:能|可以|帮|来|给|把|告诉|知道)|告诉我|帮我")
QUESTION_ZH = re.compile(
    "[？?：:什谁哪几多怎何吗呢否_]|请|是不是|[将把给用从根按判计求算找翻输选分]"
)


def is_short(prompt: str, reference: str) -> bool:
    """Whether the reference is one that a right answer has to say: a number or a few words to a
    question that does not leave many answers open, and no talk."""
    text = reference.strip()
    if not text or len(text) > SHORT or "\n" in text or not folded(text):
        return False
    lines = [line[-SHORT:].casefold() for line in prompt.strip().splitlines()] or [""]
    ask = lines[-1]
    task = "\n".join(lines[:TASK] + lines[TASK:][-TASK:])  # a text may stand between
    if OPEN.search(task) or OPEN_ZH.search(f"{lines[0]}\n{ask}"):
        return False
    if single_number(text) is not None:
        return True
    words, characters = length(text)
    last = text.rstrip(" \"'”’」』)）*`")[-1:]
    sentence = last in ".。…~" and (words > 2 or characters > 4)
    if words > WORDS or characters > CHARACTERS or sentence or last in "!！?？~":
        return False
    if re.search("[:：=、]", text) or (characters > SAID_CHARACTERS and PREDICATE_ZH.search(text)):
        return False
    if CHAT.search(text.casefold()) or not any(c.isalnum() for c in text):
        return False
    if TO_YOU.search(ask) and not ASKING_YOU.search(ask):
        return False
    return bool(words) or len(ask) > 40 or bool(QUESTION_ZH.search(ask))


def says(prompt: str, reference: str, answer: str) -> bool:
    """Whether the answer is the reference, or says it: first, last, or as words of its own that
    are neither denied nor the question's."""
    wanted, given = folded(reference), folded(answer)
    if given == wanted or not given:
        return bool(given)
    words, characters = length(wanted)
    given = " ".join(given.split()[:HEARD_WORDS])[: HEARD_CHARACTERS if characters else SAYING]
    first = re.split(r"(?<=[a-z\u3400-\u9fff])[.!?。！？]", given, maxsplit=1)[0]
    if COPULA.sub("", first, count=1).strip(EDGES) == wanted:
        return True
    if re.match(re.escape(wanted) + r"\s*[,.!;:。，；！\-–—(（)）]", given):
        return True
    if words > SAID_WORDS or characters > SAID_CHARACTERS or wanted in CHOICES:
        return False
    if len(wanted) < 2 or any(places(flat(prompt[-HEARD:]), wanted)):
        return False
    return says_word(flat(given), wanted)
