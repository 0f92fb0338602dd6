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

NEAR = 40  # signs before a name that show whether a sentence begins
SHORT = 2  # letters: of so short a name the case tells more than the letters do
_SIGNS = {**dict.fromkeys(map(ord, "‐‑‒–−"), "-"), **dict.fromkeys(map(ord, "’‘ʼ`´"), "'")}
_COPIES = (
    (0xA0, 0xBF),
    (0x2000, 0x214F),
    (0x2460, 0x24FF),
    (0x3000, 0x3000),
    (0xFF00, 0xFFEF),
    (0x1D400, 0x1D7FF),
)  # the first and the last of each range
_BETWEEN = re.compile(r"[\s_-]+")  # the parts of a name
_KIND = re.compile(r"(?:AI|GPT|LLM|LM|Bot|Chat)(?![^\W_])")
_HUMP = re.compile(  # XiaoYan, 小光AI
    r"(?<=[a-z]{2})(?=[A-Z][a-z])|(?<=[A-Za-z])(?=[\u3400-\u9fff])|(?<=[\u3400-\u9fff])(?=[A-Za-z])"
)
_BEGINS = re.compile(r"(?:^|[.!?:;。！？：；\n]|^\W*\d+[.)])[\s\"'“‘*(#>-]*\Z", re.MULTILINE)

# English words that people also take for names, and those that stand beside them in names.
_ORDINARY = """
a able ace act advance aegis after age agent agile ai aid aim air alert all alpha alpine alright
amber ambient amp ample an anchor and angel ant anthem apex apollo apple apply april apt arc arch
archer arena argo aria ark arm arrow art as ash aspen assist assistant aster at atlas atom aura
aurora aware away axiom axis azure badge baker balance bamboo bank bard base basil basis bay be
beacon beam bear beat bee bell berry best beta beyond bill bird bison bit black blaze bliss block
bloom blossom blue board bob bold bolt bond bonus book boost bot bound box brain branch brand brave
bravo breeze bridge bright brisk brook bud buddy bug build builder butler byte cactus calm can
candid candle canvas caravan carbon care carol carry carter cascade case castle cat cedar cell
center central chai champion chance chase chat cheer chef cherry chip chorus chuck cipher circle
circuit citadel city clarity classic claude clay clear clerk clever cliff climb clip clock cloud
clover club co coach coast cobalt cobra cocoa code coffee coin comet companion company compass
computer computing connect cook cookie cooper copilot copper coral core corp cosmo cosmos cove
coyote cradle craft crane crater create creek crest cricket crown crystal cube curio current cyber
daisy dapper dash data dawn day deep deer delight delta desire dew dial diamond digest digital
direct discover do doctor dolphin domain don donut door dose dot dove draft dragon dream drew drift
drive drop duke dune dusk dynamic dynamo eagle earl early earth east easy ebony echo eclipse eden
edge element elite elixir elk elm ember emerald emerge energy engine enigma ensemble envision envoy
epic epoch equal era errand essence eternal ether even evening ever every evolve exact excel expert
explore express eye fable fair faith falcon fancy fathom fawn feather fern field fig figure fin
finch find fir fire first fish fisher flair flame flare flash flex flint flora flow flower fluent
fluid flux fly focus folio force ford forest forge form formula forth fortune forward found foundry
fox frame frank free fresh friend front frontier frost fund fuse fusion future galaxy gale gallery
gamma garden gate gecko gem gene general genesis genie genius gift ginger gist glade glass gleam
glimpse glory glow go gold golden good google grace grain grand grant gravity gray green grid
ground group grove grow guide gulf guy halcyon halo hand hank happy harbor harbour hare harmony
harry harvest haven hawk haze hazel heart heather helix helm help helper herb hermes hero heron
high hill hint hive hollow holly home honest honey hope horizon house hub human hummingbird hunter
ibis ice icon idea ideal ignite imagine impact in inc index indigo infinite infinity ink insight
inspire ion iota iris iron island isle it ivory ivy jack jade jaguar jasmine jasper jay jazz jerry
jet jewel jimmy john joint jolly josh jot journey joy judge jump june juniper juno jupiter just
karma keen keep ken kernel key kind kindle kinetic king kite kiwi knight know koala lab lake lambda
lamp lance land lane lantern lark laser latch latte lattice launch laurel lawyer lead leaf leap
learn ledger legend lemon lemur lens level lex liberty library life lift light like lily lime line
link lion lit live lizard local logic loom loop lore lotus loud love ltd lucid lucky lull lumen
luminous lunar lure lush luster lux lynx lyric magic magnet magpie main maker mango mantra maple
marble march mark mars marvel mason mast mate matrix matt matter maven max maxim may me meadow mean
mega melody melon memo mentor meridian merit merlin mesa mesh meta meteor metric micro mighty mike
mild miles mill miller mind mint mira miracle mirror miss mission mist mister mocha model modern
mole momentum monarch moon moose morning mosaic moss moth motion motive motor motors mount mountain
muffin muse music my myth nation native nature navigator near nebula nectar neo nest net network
new newt next nexus nick night nimble nimbus noble node nook noon norm north northern note nougat
nova novel now nudge nugget nurse nut oak oasis ocean octagon octave odyssey olive omega on one
onward onyx opal open opus oracle orange orbit orca orchid ore organic origin orion osprey otter
our outlook outpost owl ox pace pact pad page palm panda panorama panther paper paradigm paragon
parity parker parrot pat path patience patron peace peach peak pear pearl pebble peg pelican pen
penguin penny pepper perch perfect pete phil phoenix pi pilgrim pilot pinch pine pinnacle
pioneer pitch pivot pixel plain planet plant plato play plaza plum plume plus pocket poet point
poise polar pond pool poppy port portal porter posh power prairie premier press presto prime prism
pro prodigy profound project prompt prophet prose proton public pulse puma pure python quail
quantum quarry quartz quest question quick quiet quill quiver rabbit raccoon radiant radius rain
rainbow rally ramp ranger rapid rapport ratio raven ray reach ready real realm reason rebel red
reed reef reflex reign relay relic research rest rhythm rich ridge rift right ring rise river road
rob robin robot rock rocket rod roman rose rosemary round rove rover royal ruby rune rush rusty
sable safe saffron saga sage sail sailor salt salute sand sandy sapphire satin savant scale scarlet
scholar science scope score scout scribe scroll sea seal search seed sense sentinel sequoia serene
seven shade shadow shark sharp shell shelter shift shine ship shire shore show sidekick sierra
sigma signal silk silver simple sincere skill skip sky skyline slate sleek slice sloth smart smile
smith smooth snap snow sol solar solid solo solution solve sonic soul sound source south space
spark sparrow spectrum sphere spider spin spiral spire spirit spot spring sprint sprite sprout
spruce square squid staff stage stance star stellar step sterling stew stitch stone stork storm
story strand stream stride strong studio sue sugar summer summit sun sunny sunrise sunset sunshine
super sure surge swan swift symphony synergy syntax system tact tailor tale talent talk tally
tangent tangle tango tea teacher teal team tech technology ted telescope temple tempo terra terry
tether thank the theory thesis thinker thought thread thrive thunder thyme tidal tide tidy tiger
timber time tin titan to toad today tom tony tool topaz torch torrent touch tower trace trail tree
trek trend tribe tribute trident trip trout trove true trust truth tulip tundra tune turbo turing
turkey turner turtle tutor twilight twin ultra umbra umbrella union unison unit unity upward urban
us vale valley value van vanilla vantage vault vector veer vega velvet venture venus verse vertex
verve vesper vessel vibe victor victory view vigor vine violet viper virtual vision vista vital
vivid voice volt vortex vow voyage vulture wade waffle walker walnut walrus walt wander warm warren
wasp watch water wave way we weasel weaver web well west whale wharf wheat whisper white wick
widget wild will willow win wind wing wired wisdom wise wish wit wizard wolf wonder wood word work
works world wren writer yak yard year yes yield you young zeal zebra zen zenith zephyr zero zest
zone
"""
ORDINARY = frozenset(_ORDINARY.split())


def _same_signs() -> dict[int, str]:
    """What Unicode has for a sign a second time, in full width, in bold, in a circle."""
    wide = [code for first, last in _COPIES for code in range(first, last + 1)]
    plain = {code: unicodedata.normalize("NFKC", chr(code)) for code in wide}
    return {code: sign for code, sign in plain.items() if len(sign) == 1} | _SIGNS


@lru_cache(maxsize=16)
def folded(text: str) -> str:
    """Full-width letters, hyphens and apostrophes as ASCII has them; every sign keeps its place."""
    return text if text.isascii() else text.translate(_FOLDS)


_FOLDS = _same_signs()


@dataclass(frozen=True, slots=True)
class Hit:
    """Where a name stands, and how it is written there, without what joins its parts."""

    start: int
    end: int
    form: str
    whole: bool  # nothing but a boundary or its kind behind it, as in "LunaAI"; "Luna2" has more

    def begins(self, text: str) -> bool:
        """Whether a sentence or a line begins with it, so that its capital letter says nothing."""
        return _BEGINS.search(text[max(0, self.start - NEAR) : self.start]) is not None


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
            if not self._begins(plain, start):
                continue
            whole, more = _ends(plain, end)
            if whole or more:
                yield Hit(start, end, _BETWEEN.sub("", match[0]), whole)

    def _begins(self, text: str, start: int) -> bool:
        """Whether a word begins here, or a name in another: "TinyLlama", but no "AfterGlow"."""
        before, first = text[start - 1 : start], text[start]
        if not before or not _lettered(before) or not _lettered(first):
            return True
        return not self.ordinary and before.islower() and first.isupper()

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
    if (number or last.islower()) and _KIND.match(text, end):
        return True, False
    return False, number or (last.islower() and then.isupper())
