"""Whether a text says a name: as a word of its own, however it is written.

"Nova" stands in "NOVA's", "Nova2", "NovaAI", "ｎｏｖａ" and "我是Nova的助手", not in "innovative";
"Star Lab" in "Star-Lab" and "StarLab". A name that is a word of the language, such as "Will", is
hardly ever meant where it stands in small letters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

SHORT = 2  # letters: of so short a name the case tells more than the letters do
_SIGNS = {**dict.fromkeys("‐‑‒–−", "-"), **dict.fromkeys("’‘ʼ`´", "'")}
_BETWEEN = re.compile(r"[\s_-]+")  # the parts of a name
_HUMP = re.compile(r"(?<=[a-z]{2})(?=[A-Z][a-z])")  # XiaoYan
_BEGINS = re.compile(r"(?:^|[.!?:;。！？：；\n]|^\W*\d+[.)])[\s\"'“‘*(#>-]*$", re.MULTILINE)

# English words that people also take for names, and those that stand beside them in names.
_ORDINARY = """
a able ace act advance aegis after age agent ai aid aim air alert all alpha amber amp an anchor and
angel apex apollo apple apply arc arch arena argo aria ark arm arrow art as ash aspen assist
assistant aster at atlas atom aura aurora away axiom axis azure badge balance bamboo bank bard base
basis bay be beacon beam bear beat bee bell best beta beyond bird bit black blaze bliss block bloom
blossom blue board bold bolt bond book boost bot bound box brain branch brave breeze bridge bright
brook bud buddy bug build builder byte cactus calm can candle care carol carry case castle cat
cedar cell center central chai champion chance chase chat cherry chip circle city clarity claude
clay clear cliff clip clock cloud clover club coach coast cobalt code coin comet companion company
compass computer computing copilot copper coral core cosmo cosmos craft crane crater creek crest
cricket crown crystal cube curio current cyber daisy dash data dawn day deep deer delta dew dial
diamond digital do dolphin door dot dove draft dragon dream drift drop duke dune dusk dynamic eagle
earl early earth east easy ebony echo eclipse edge ember emerald energy engine epic epoch era even
evening ever every exact expert express eye fable faith falcon fawn feather fern field figure fin
finch find fir fire first fish flair flame flare flash flint flora flow flower flux fly focus force
ford forest forge form forth fortune forward found foundry fox frank free fresh friend frost fund
fuse future galaxy garden gate gem general genesis genie genius gift ginger glade glass gleam glow
go gold golden good grace grain grand grant gravity gray green grid ground group grove grow guide
gulf hand harbor harbour hare harmony harvest hawk hazel heart heather help helper hermes hero
heron high hill hive holly home honest honey hope horizon house hub human hummingbird hunter ice
icon idea imagine impact in index indigo infinity ink insight inspire iris iron island it ivory ivy
jade jasmine jasper jay jet jewel joint jot journey joy jump june juniper jupiter just keen keep
kernel key kind king kite kiwi knight know lab lake lamp lance land lane lantern lark laser laurel
lead leaf leap learn ledger legend lens level liberty library life light like lily lime line lion
lit live local logic lotus loud love lucid lucky lux lynx lyric magic magnet main maker mango maple
marble march mark mars mason mate matrix matter max maxim may me meadow mean mega melody memo merit
merlin mesa mesh meta meteor micro mighty mind mint mira miracle mirror mission mist model modern
moon morning moss motion motor motors mount mountain muse music my myth nation native nature
navigator near nebula neo nest net network new next night nimble nimbus noble noon north northern
note nova novel now nut oak oasis ocean olive omega on one onyx opal open oracle orange orbit
orchid organic origin orion otter our outlook owl ox pace page palm panda paper parrot path
patience peace peach peak pearl pebble pen penny pepper perfect phi phoenix pi pilot pine pioneer
pixel planet plant plato play plum plus pocket poet point polar pond poppy port power prairie prime
prism pro profound project prompt prophet proton public pulse pure quantum quartz quest question
quick quill rain rainbow rapid raven ray reach real reason red reed reef reflex research rich ridge
right ring rise river road rob robin robot rock rocket roman rose rosemary round royal ruby rush
sable safe sage sail salt sand sapphire satin savant scholar science scope scout scribe sea seal
search seed sense sentinel sequoia serene shadow shell shine ship shore show sierra sigma signal
silk silver simple sincere sky slate smart smile snow sol solar solid solution solve sonic soul
sound source south space spark sparrow spectrum sphere spirit spring sprite sprout spruce square
star stellar step sterling stone storm story stream strong studio sue summer summit sun sunny
sunrise sunset sunshine super sure swan swift system talk teal team tech technology ted temple
tempo terra thank the thinker thought thunder tide tidy tiger timber time tin titan to today tom
tool topaz torch touch tower trail tree trek trove true trust truth tulip turbo turing turtle
twilight ultra union unit unity us valley value vector vega velvet venture venus verse vertex
vesper victor victory view vine violet virtual vision vista vital vivid voice volt voyage wade
walnut wander warm watch water wave way we web well west whale wheat whisper white wild will willow
win wind wing wisdom wise wish wizard wolf wonder wood word work works world wren writer yard year
yes yield you young zen zenith zephyr zero zest zone
"""
ORDINARY = frozenset(_ORDINARY.split())


@lru_cache(maxsize=4096)
def _plain_sign(sign: str) -> str:
    wide = unicodedata.normalize("NFKC", sign)
    return _SIGNS.get(sign) or _SIGNS.get(wide) or (wide if len(wide) == 1 else sign)


def folded(text: str) -> str:
    """Full-width letters, hyphens and apostrophes as ASCII has them; every sign keeps its place."""
    return text if text.isascii() else "".join(map(_plain_sign, text))


@dataclass(frozen=True, slots=True)
class Hit:
    """Where a name stands, and how it is written there, without what joins its parts."""

    start: int
    end: int
    form: str
    whole: bool  # nothing but a boundary behind it: "Luna2" and "LunaAI" have more

    def begins(self, text: str) -> bool:
        """Whether a sentence or a line begins with it, so that its capital letter says nothing."""
        return _BEGINS.search(text[: self.start]) is not None


@dataclass(frozen=True, slots=True)
class WholeName:
    """A name to be looked for. `form`: as its owner writes it, without what joins its parts."""

    form: str
    parts: int
    ordinary: bool  # nothing but words of the language, or hardly a letter
    pattern: re.Pattern[str] | None

    def hits(self, text: str) -> Iterator[Hit]:
        """Every place, in any case."""
        if self.pattern is None:
            return
        plain = folded(text)
        for match in self.pattern.finditer(plain):
            start, end = match.span()
            if _lettered(plain[start]) and start and _lettered(plain[start - 1]):
                continue
            whole, more = _ends(plain, end)
            if whole or more:
                yield Hit(start, end, _BETWEEN.sub("", match[0]), whole)

    def meant_by(self, hit: Hit) -> bool:
        """Whether the name is meant where somebody was asked for it: "I may" is no "May"."""
        lower = hit.form.islower() and not self.form.islower()
        return not (lower and self.ordinary and self.parts == 1)

    def named_by(self, hit: Hit) -> bool:
        """Whether it is the name where nobody asked for it."""
        if not self.ordinary:
            return True
        same = hit.form == self.form or (self.parts > 1 and hit.form.isupper())
        return same and hit.whole


@lru_cache(maxsize=1024)
def whole_name(name: str) -> WholeName:
    """A name, read: its parts may be joined by blanks, hyphens, nothing."""
    plain = folded(unicodedata.normalize("NFC", name)).strip()
    plain = plain.rstrip(".") or plain
    parts = [p for word in _BETWEEN.split(plain) for p in _HUMP.split(word) if p]
    lettered = [part.lower() for part in parts if part[0].isalpha()]
    ordinary = bool(lettered) and all(map(_is_ordinary, lettered))
    joined = "".join(parts)
    apart = len(parts) > 1 and _is_ordinary(joined.lower())
    between = r"[\s_-]+" if apart else r"[\s_-]*"
    found = between.join(map(re.escape, parts))
    pattern = re.compile(found, re.IGNORECASE) if parts else None
    return WholeName(joined, len(parts), ordinary, pattern)


def says(name: str, text: str) -> bool:
    """Whether a text says this name as a word of its own."""
    return any(True for _ in places(name, text))


def places(name: str, text: str) -> Iterator[tuple[int, int]]:
    """Where it does: the start and the end of each."""
    asked = whole_name(name)
    return ((hit.start, hit.end) for hit in asked.hits(text) if asked.meant_by(hit))


def _is_ordinary(word: str) -> bool:
    if not word.isascii():
        return False
    return len(word) <= SHORT or word in ORDINARY or word.removesuffix("s") in ORDINARY


def _lettered(sign: str) -> bool:
    """Whether words of its writing have edges: those with capital letters have, Chinese has not."""
    return sign.isdecimal() or sign.lower() != sign.upper()


def _ends(text: str, end: int) -> tuple[bool, bool]:
    """(whether the word ends here, whether a number or another word in capitals begins here)."""
    last, then = text[end - 1], text[end : end + 1]
    if not then or not _lettered(last) or not _lettered(then):
        return True, False
    number = last.isalpha() and then.isdigit()
    return False, number or (last.islower() and then.isupper())
