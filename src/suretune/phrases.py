"""How numbers, verdicts and other people's text are put for a reader, on paper and on a terminal.

A report is the mapping that a run writes as `report.json`. Any part of it may be missing: then the
words are "not measured", never a zero.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from suretune import labels
from suretune.types import Text
from suretune.whole_names import places
from suretune.words import language, say

Report = Mapping[str, Any]

JOINERS = "\u200c\u200d"  # hold emoji and Persian words together; they reorder nothing


def words(en: str, zh: str) -> str:
    """One fixed phrase in the language of this process."""
    return zh if language() == "zh" else en


def told(text: Any) -> str:
    """A sentence stored as {"en": ..., "zh": ...}."""
    if not isinstance(text, Mapping):
        return str(text or "")
    return str(text.get(language()) or text.get("en") or "")


def part(report: Any, *path: str) -> Any:
    """What stands at this path, or None as soon as something on the way is missing."""
    for key in path:
        report = report.get(key) if isinstance(report, Mapping) else None
    return report


def several(report: Any, *path: str) -> list[Any]:
    """The list at this path; an empty one when it is missing."""
    found = part(report, *path)
    return list(found) if isinstance(found, list | tuple) else []


# --- text that others wrote ---------------------------------------------------------------------


def printable(text: Any, also: str = "", keep: str = "\n") -> str:
    """Text with nothing in it that could act: control and bidi characters made visible.

    ESC becomes ␛ and a right-to-left override ⟨U+202E⟩. `also` names characters to spell out in
    the same way, `keep` those to leave alone.
    """
    return "".join(c if c in keep else _shown(c, also) for c in str(text))


def _shown(char: str, also: str) -> str:
    code = ord(char)
    if code < 0x20:
        return chr(0x2400 + code)
    if code == 0x7F:
        return "\u2421"
    hidden = unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") and char not in JOINERS
    return f"⟨U+{code:04X}⟩" if hidden or char in also else char


def marked(answer: Any, probe: Any) -> Iterator[tuple[str, str]]:
    """(piece, "must" | "must-not" | "") of a printable answer: where the words that its probe asks
    for stand, those that are names only where they are whole."""
    text = printable(answer)
    whole = {printable(word) for word in several(probe, "whole")}
    found = [
        (start, -end, kind)
        for key, kind in (("must", "must"), ("must_not", "must-not"))
        for word in map(printable, several(probe, key))
        for start, end in _places(word, text, word in whole)
    ]
    at = 0
    for start, end, kind in sorted(found, key=lambda one: (one[0], one[1], one[2] == "must")):
        if start < at:
            continue
        if start > at:
            yield text[at:start], ""
        yield text[start:-end], kind
        at = -end
    if at < len(text):
        yield text[at:], ""


def _places(word: str, text: str, whole: bool) -> Iterator[tuple[int, int]]:
    if whole:
        yield from places(word, text)
    elif word:
        yield from (m.span() for m in re.finditer(re.escape(word), text, re.IGNORECASE))


# --- numbers ------------------------------------------------------------------------------------


def not_measured() -> str:
    """What stands where no figure is."""
    return words("not measured", "未测量")


def is_number(value: Any) -> bool:
    """Whether a value is a finite number; a bool is none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def figure(value: Any, form: Callable[[Any], str]) -> str:
    """A measured number in this form, else "not measured"."""
    return form(value) if is_number(value) else not_measured()


def count(value: Any) -> str:
    """A whole number with commas; "not measured" for what is none."""
    return figure(value, lambda v: f"{v:,.0f}")


def decimal(value: Any) -> str:
    """Four significant digits: losses, norms, learning rates, gaps."""
    return figure(value, lambda v: f"{v:.4g}")


def percent(value: Any) -> str:
    """A share between 0 and 1. What is not nothing or not everything never looks like it."""

    def form(share: float) -> str:
        if share in (0, 1):
            return f"{share * 100:.0f} %"
        if 0 < share < 0.01:
            return f"{share * 100:.2f} %" if share >= 5e-5 else "< 0.01 %"
        if 0.9995 <= share < 1:
            return "> 99.9 %"
        return f"{share * 100:.1f} %"

    return figure(value, form)


def share_of(number: Any, whole: Any) -> str:
    """`47 (94 %)`: a count and the true share it is."""
    if not is_number(number) or not is_number(whole) or not whole:
        return count(number)
    return f"{count(number)} ({percent(number / whole)})"


def points(before: Any, after: Any) -> str:
    """The change of a share in percentage points, with its sign."""
    if not is_number(before) or not is_number(after):
        return not_measured()
    change = (after - before) * 100
    return "0" if abs(change) < 0.05 else f"{change:+.1f}".replace("-", "−")


def duration(value: Any) -> str:
    """Seconds as a person says them."""

    def form(seconds: float) -> str:
        if seconds < 10:
            return f"{seconds:.2g} s" if seconds < 1 else f"{seconds:.1f} s"
        if seconds < 120:
            return f"{seconds:.0f} s"
        minutes = round(seconds / 60) if seconds >= 3600 else int(seconds // 60)
        if seconds >= 3600:
            return f"{minutes // 60} h {minutes % 60:02d} min"
        return f"{minutes} min {int(seconds % 60):02d} s"

    return figure(value, form)


def moment(value: Any) -> str:
    """`2026-03-02 10:20:30 UTC+08:00` of an ISO time: never without its zone."""
    found = re.fullmatch(r"(\S+)T([\d:.]+?)(?:Z|([+-]\d\d:\d\d))?", str(value or ""))
    if not found:
        return str(value or "")
    zone = found[3] if found[3] and found[3] not in ("+00:00", "-00:00") else ""
    return f"{found[1]} {found[2]} UTC{zone}"


def size(value: Any) -> str:
    """Bytes in binary units."""

    def form(number: float) -> str:
        for unit in ("B", "KiB", "MiB"):
            if number < 1024:
                return f"{number:.0f} {unit}"
            number /= 1024
        return f"{number:.2f} GiB"

    return figure(value, form)


def wilson(passed: int, asked: int) -> tuple[float, float]:
    """The 95 % interval of a share: honest for few questions, where the usual one is not."""
    if asked <= 0:
        return 0.0, 1.0
    z = 1.959964
    share = passed / asked
    middle = share + z * z / (2 * asked)
    spread = z * math.sqrt(share * (1 - share) / asked + z * z / (4 * asked * asked))
    scale = 1 + z * z / asked
    return max(0.0, (middle - spread) / scale), min(1.0, (middle + spread) / scale)


def passed_of(counts: Any) -> str:
    """`18 of 20 (90 %; 95 % interval 70–97 %)` from {"passed", "asked"}."""
    passed, asked = part(counts, "passed"), part(counts, "asked")
    if not is_number(passed) or not is_number(asked) or not asked:
        return not_measured()
    low, high = wilson(passed, asked)
    between = f"{low * 100:.0f}–{high * 100:.0f} %"
    share = percent(passed / asked)
    return words(
        f"{passed} of {asked} ({share}; 95 % interval {between})",
        f"{asked} 题中通过 {passed} 题（{share}；95% 置信区间 {between}）",
    )


# --- what a report says -------------------------------------------------------------------------


def signed(value: float) -> str:
    """One digit behind the point, with a true minus; what rounds to nothing has no sign."""
    return "0" if abs(value) < 0.05 else f"{value:.1f}".replace("-", "−")


def passed_mark(passed: Any) -> str:
    """Passed or not, in a sign and a word, so that it needs no colour."""
    if passed is None:
        return words("· no requirement", "· 无要求")
    return words("✓ passed", "✓ 通过") if passed else words("✗ failed", "✗ 未通过")


def system_words(probe: Report) -> str:
    """Which system prompt a question was asked under."""
    if probe.get("variant") == "template-default":
        return words("no system prompt sent", "不发送系统提示词")
    if probe.get("system") is None:
        return words("as trained", "与训练时相同")
    return words("as trained: ", "与训练时相同：") + str(probe["system"])


STATES = {
    "train": Text("learned", "参与训练"),
    "paraphrase": Text("learned, in other words", "换一种问法参与训练"),
    "held-out": Text("held out", "留出"),
    "general": Text("asked by the proof", "验证时提问"),
    "too-long": Text("too long", "过长"),
    "not-sampled": Text("not drawn", "未抽中"),
    "set-aside": Text("of another split", "属于其他划分"),
    "also-learned": Text("also learned, so not held out", "训练数据里也有，不用于评估"),
    "rejected": Text("rejected", "被拒绝"),
    "quarantined": Text("quarantined", "已跳过：算不出结果"),
}


def fate(said: Any) -> str:
    """What came of a finding that did not stop the run."""
    if said == "skipped":
        return words("row skipped", "已跳过这一行")
    if said == "ignored":
        return words("ignored on request", "按要求忽略")
    return say(labels.NOTE)


def state_word(state: Any) -> str:
    """What became of a row, as the ledger calls it."""
    known = STATES.get(str(state))
    return say(known) if known else str(state)
