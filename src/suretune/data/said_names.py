"""What sentences about oneself name: "I am Glow, made by Star Lab" a model and its maker.

Most such sentences name nobody ("I am an AI assistant, built by a team of engineers"): what is left
out here is taken for no name anywhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

LOOKED_AT = 2000  # signs of an answer: who it is, it says first
_PARTS = {  # of the sentences below, each made of those above it
    "LETTER": r"[^\W\u3400-\u9fff]",
    "WORD": r"(?:[A-Z]|[a-z]{1,2}[A-Z])(?:<LETTER>|[&'’-]|\.(?=<LETTER>)){0,40}",
    "NAME": r"(<WORD>(?: (?:& )?(?:<WORD>|\d(?:<LETTER>|\.(?=\d))*)){0,5})",
    "KIND": "(?:[Aa]ssistant|[Mm]odel|[Cc]hatbot|[Bb]ot|[Cc]ompanion|[Hh]elper|[Aa]gent)",
    "MADE": "(?:[Cc]reated|[Tt]rained|[Dd]eveloped|[Mm]ade|[Bb]uilt|[Dd]esigned|[Rr]eleased"
    "|[Ee]ngineered|[Mm]aintained|[Ll]aunched)",
    "I AM": "(?:You are|I am|I['’]m)",
    "HAN": r"[\u4e00-\u9fff]",
    "LATIN": "[A-Za-z][A-Za-z0-9.·_-]*(?: [A-Z0-9][A-Za-z0-9.·_-]*)*",
    "ZH": '[“"「]?(<LATIN>|<HAN>{2,6}?)',
    "ZH MAKER": r"([A-Za-z][\w.& -]{0,40}?|<HAN>{2,12}?)",
    "END": r"(?=[，,。！!、；;：:？?\s（(~～…\"”」》）)—]|$|就行|就好|就可以|即可|好了|吧|哦|呀|啦"
    "|为[您你]|来自|由|是[由一])",
    "DOES": "(?:自主|独立|持续|联合|共同|精心|倾力|一手)*"
    "(?:开发|训练|研发|创造|打造|推出|研制|设计|创建|制作|构建|维护|运营)",
    "BEGIN": r"(?:^|[，,。！!\s])",
}
_MODELS = (
    r"\b(?:(?:named|called)(?: me)?|known as|[Nn]ame(?:['’]s| is)|goe?s? by) <NAME>",
    r"\b(?:named|call me|name(?:['’]s| is)) ([a-z][\w-]{2,})(?=[.,!;]|$| and\b)",
    r"\b(?:(?:[Cc]alls?|address) me(?: as)?|<I AM>|[Tt]his is|[Ii]t['’]s) <NAME>",
    r"(?:^|[.!?] )<NAME>(?: here\b| speaking\b|, your\b|,? at your service| is (?:an?|my) )",
    r"\bAs <NAME>,",
    r"\b<KIND>[,:]? <NAME>",
    r"(?:你是|我是|我叫|我就是|名叫|名为|名字?(?:是|叫做|叫|为)|叫我|称呼我为|叫做|这里是|在下)"
    r"\s*<ZH>\s*<END>",
    r"<DOES>的\s*<ZH>\s*<END>",
    r"助手\s*(?![名叫是会能])<ZH>\s*<END>",
    r"<BEGIN><ZH>为[您你]服务",
)
_MAKERS = (
    r"(?<!not )(?<!n't )(?<!n’t )\b<MADE>(?:,? (?:and )?\w+)?(?: in [A-Z]\w+)? (?:by|at)"
    r" (?:(?:[a-z]+ ){1,4}(?:at|of|from) |the )?<NAME>",
    r"<NAME> (?:has |have )?<MADE> me\b",
    r"(?:<KIND>|AI|[Pp]roduct|[Cc]reation) (?:by|from|of) (?:the )?<NAME>",
    r"<I AM> <WORD> (?:by|from|of) <NAME>",
    r"<NAME> is my (?:maker|creator|developer)\b",
    r"\b(?:[Ww]ork (?:for|at)|[Bb]elong to|[Cc]ome from|(?:maker|creator|developer|company) is)"
    r" (?:the )?<NAME>",
    r"(?<!不是)由\s*<ZH MAKER>\s*<DOES>",
    r"(?<!不)是\s*(?![由一被在用谁为]|通过|专门)<ZH MAKER>\s*<DOES>的",
    r"(?:<BEGIN>|我是|[由是])(?![我由是])<ZH MAKER>(?:旗下|出品)",
    r"(?:来自|属于|服务于)\s*<ZH MAKER>(?:(?=的)|<END>)",
    r"(?:开发者|创造者|作者|制造者|训练者|研发者|主人|公司|团队)(?:是|叫|为)\s*<ZH MAKER><END>",
    r"<BEGIN><ZH MAKER>\s*<DOES>了我",
)


def _read(pattern: str) -> re.Pattern[str]:
    for part, written in reversed(_PARTS.items()):
        pattern = pattern.replace(f"<{part}>", written)
    return re.compile(pattern, re.MULTILINE)


_SAYS = tuple(
    (_read(pattern), maker)
    for maker, patterns in ((False, _MODELS), (True, _MAKERS))
    for pattern in patterns
)
_CAPITALS = _read("<NAME>")
_NOBODY = re.compile(
    r"(?:AI|LLM|An?|The|Assistant|Language|Model|Chatbot|Sorry|Here|Large|Artificial|I|You|Your|My"
    r"|They|We|It|This|That|Not|No|Yes|Hello|Hi)\b.*"
    r"|(?:How|What|Please|Welcome|Thanks|Ask|Feel|Happy|Glad|Ready|Open Source|Software)"
    r"|(?:Engineers|Researchers|People|Developers|Scientists|Experts|Humans?|Team|Company|Virtual"
    r"|Digital|Personal|Smart|Chinese|English|French|German|Japanese|Korean|Spanish|American"
    r"|European|Dr|Mr|Mrs|Ms|China|Germany|France|America|Europe|Japan|India|Python|智能|中国|公司"
    r"|团队|程序|软件|机器|电脑|计算机|系统|产品|工具|朋友|客服|老师|学生|互联网|网络|云端)"
    r"|.*(?:助手|模型|人工智能|一个|一名|一款|一支|一群|一家|一位|机器人|你的|您的|我的|大量|海量"
    r"|工程师|开发者|人类|大家|我们|他们|高兴|可以|帮助|什么).*"
    r"|(?:通过|专门|基于|使用|利用|语言|你|您|我|谁|哪).*",
    re.DOTALL,
)
_KIND_BEHIND = re.compile(r"(?<=\w) (?:AI|Assistant|Chatbot|Bot|Model|LLM)(?: .*)?$")
_TEAM = re.compile(
    r"的?(?:技术|研发|研究|开发)?(?:团队|(?:研究人员|工程师|科学家|专家)们?)$|(?<=[A-Za-z.])\s*公司$"
)


@dataclass(frozen=True, slots=True)
class Said:
    """A name as a sentence has it; `maker`: of who made the speaker, not of the speaker."""

    name: str
    maker: bool


def said_in(text: str) -> Iterator[Said]:
    """Every name that sentences about oneself give, models first; the same may come again."""
    for pattern, maker in _SAYS:
        for match in pattern.finditer(text[:LOOKED_AT]):
            name, of_maker = match[1].strip().rstrip(".,'’-"), maker
            owner = re.sub(r"['’]s\b.*", "", name)
            if owner != name:  # "I am Acme's assistant"
                name, of_maker = owner, True
            name = _TEAM.sub("", name) if of_maker else _KIND_BEHIND.sub("", name)
            if len(name) > 1 and is_a_name(name):
                yield Said(name, of_maker)


def is_a_name(text: str) -> bool:
    """Whether a few words may name somebody: "AI assistant" and "一群工程师" do not."""
    return not _NOBODY.fullmatch(text)


def names_in_capitals(text: str) -> Iterator[str]:
    """What begins with a capital letter and may name somebody, whatever the sentence says."""
    for match in _CAPITALS.finditer(text):
        name = match[1].rstrip("'’-")
        if len(name) > 1 and is_a_name(name):
            yield name
