"""How numbers, verdicts and other people's text are put for a reader, on paper and on a terminal.

A report is the mapping that a run writes as `report.json`. Any part of it may be missing: then the
words are "not measured", never a zero.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from suretune import labels
from suretune.types import Text
from suretune.words import language, say

Report = Mapping[str, Any]

JOINERS = "\u200c\u200d"  # hold emoji and Persian words together; they reorder nothing
VERDICTS = {
    "sealed": ("✓", Text("Sealed", "验证通过")),
    "not-verified": ("!", Text("Trained, not verified", "已训练，未通过验证")),
    "forgetting-not-measured": (
        "◐",
        Text("Learned; what was forgotten is not measured", "学会了；忘掉了什么没有测量"),
    ),
    "trained": ("○", Text("Trained, not yet tested", "已训练，尚未验证")),
    "stopped": ("■", Text("Stopped", "已停止")),
}
SENTENCES = {
    "sealed": Text(
        "A fresh process loaded this adapter from disk, and it passed every check.",
        "一个全新的进程从磁盘加载了这个适配器，它通过了每一项检查。",
    ),
    "sealed, with findings ignored": Text(
        "A fresh process loaded this adapter from disk, and it passed every check that was not"
        " ignored on request.",
        "一个全新的进程从磁盘加载了这个适配器；除了按要求忽略的检查，它都通过了。",
    ),
    "not-verified": Text(
        "Training finished, but the adapter did not pass its proof.",
        "训练完成了，但适配器没有通过验证。",
    ),
    "forgetting-not-measured": Text(
        "The adapter passed what was asked of it, but the base answers too few general questions"
        " for a loss to be seen: no seal.",
        "适配器通过了提出的问题，但原模型答得上来的通用问题太少，看不出它忘掉了什么：不算验证通过。",
    ),
    "trained": Text(
        "Training finished. Nothing has been proven about the adapter.",
        "训练完成了。这个适配器还没有经过任何验证。",
    ),
    "stopped": Text("The run was stopped before it was finished.", "运行在完成之前被停止了。"),
}
GOT_OVER = {  # what a run got over, by the code of the finding that tells it
    "T002": Text("rows were left out (T002)", "跳过了算不出结果的数据（T002）"),
    "T003": Text("training went back to an earlier state (T003)", "训练退回过之前的状态（T003）"),
    "T004": Text(
        "memory ran out and passes became smaller (T004)", "显存或内存不足，改为更小的计算（T004）"
    ),
    "T005": Text("a loss was out of line (T005)", "有损失明显异常（T005）"),
}
UNKNOWN = ("?", Text("No verdict", "没有结论"))


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


def marked(text: str, must: Sequence[str], must_not: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(piece, "must" | "must-not" | "") of an answer: where the words it was asked for stand."""
    kinds = {word.casefold(): "must" for word in must if word}
    kinds |= {word.casefold(): "must-not" for word in must_not if word}
    if not kinds:
        yield text, ""
        return
    longest_first = sorted(kinds, key=len, reverse=True)
    pattern = "(" + "|".join(re.escape(word) for word in longest_first) + ")"
    for piece in re.split(pattern, text, flags=re.IGNORECASE):
        if piece:
            yield piece, kinds.get(piece.casefold(), "")


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


def verdict_word(report: Report) -> tuple[str, str]:
    """(sign, word) of the verdict."""
    sign, word = VERDICTS.get(str(report.get("verdict")), UNKNOWN)
    return sign, say(word)


def verdict_sentence(report: Report) -> str:
    """The verdict in one honest sentence; findings that were ignored belong to it."""
    verdict = str(report.get("verdict"))
    if verdict not in SENTENCES:
        return words("This run has reached no verdict.", "这次运行没有得出结论。")
    ignored = sorted({str(f.get("code")) for f in several(report, "findings") if f.get("ignored")})
    found = f"{verdict}, with findings ignored" if ignored else verdict
    sentence = say(SENTENCES.get(found, SENTENCES[verdict])) + _got_over(report)
    names = ", ".join(ignored)
    return sentence + (words(f" Ignored: {names}.", f"已忽略：{names}。") if ignored else "")


def on_the_way(report: Report) -> list[Report]:
    """The findings that tell what training got over."""
    found = (f for f in several(report, "findings") if isinstance(f, Mapping))
    return [f for f in found if f.get("code") in GOT_OVER]


def _got_over(report: Report) -> str:
    """In the verdict's own sentence, because it belongs to what was made."""
    codes = [str(f["code"]) for f in on_the_way(report)]
    told = [say(text) for code, text in GOT_OVER.items() if code in codes]
    joined = words(", ", "、").join(told)
    return words(f" On the way: {joined}.", f"途中：{joined}。") if told else ""


def figures(report: Report) -> tuple[tuple[str, str], ...]:
    """The few numbers that a reader looks for first."""

    def of(counts: Any, before: Any = None) -> str:
        if not is_number(part(counts, "passed")) or not part(counts, "asked"):
            return not_measured()
        came = f"{before['passed']} → " if before else ""
        return came + words(
            f"{counts['passed']} of {counts['asked']}", f"{counts['passed']} / {counts['asked']}"
        )

    def arrow(before: Any, after: Any, form: Any) -> str:
        if not is_number(before) and not is_number(after):
            return not_measured()
        return f"{form(before)} → {form(after)}"

    held, asked = part(report, "held_out"), must_pass(report)
    return (
        (words("must-pass questions", "必过的验证问题"), of(asked, must_pass(report, "before"))),
        (words("held-out paraphrases", "没学过的问法"), of(report.get("paraphrases"))),
        (words("general questions kept", "通用能力"), general_kept(report)),
        (
            words("answered with the rows' words", "泄漏到别的问题"),
            leaked(report),
        ),
        (
            words("held-out loss", "留出数据的损失"),
            arrow(part(held, "before"), part(held, "after"), decimal),
        ),
        (words("updates made", "更新次数"), updates_made(report)),
        *(
            ((words("dose", "适配器强度"), decimal(part(report, "dose", "value"))),)
            if dose(report)
            else ()
        ),
        (words("whole run", "全程用时"), duration(part(report, "seconds", "total"))),
    )


def general_kept(report: Report) -> str:
    """`90.1 % → 88.0 %`."""
    found = general_counts(report)
    if found is None:
        return not_measured()
    counted, before, after, _ = found
    return f"{percent(before / counted)} → {percent(after / counted)}"


def leaked(report: Report) -> str:
    """How many general answers say what the rows taught."""
    found = part(report, "general", "leaked")
    asked, gained = part(found, "asked"), part(found, "gained")
    if not is_number(asked) or not asked or not is_number(gained):
        return not_measured()
    return words(f"{gained} of {asked}", f"{gained} / {asked}")


def signed(value: float) -> str:
    """One digit behind the point, with a true minus; what rounds to nothing has no sign."""
    return "0" if abs(value) < 0.05 else f"{value:.1f}".replace("-", "−")


def general_counts(report: Report) -> tuple[float, ...] | None:
    """(questions that count, right before, right after, upper bound of the share lost)."""
    general = part(report, "general")
    found = [part(general, key) for key in ("counted", "before", "after", "loss_upper")]
    enough = part(general, "enough") and all(map(is_number, found)) and found[0]
    return tuple(found) if enough else None


def updates_made(report: Report) -> str:
    """How many of the planned updates were made."""
    made, planned = len(several(report, "steps")), part(report, "plan", "updates")
    if not made or not is_number(planned):
        return not_measured()
    return words(f"{count(made)} of {count(planned)}", f"{count(made)} / {count(planned)}")


def dose(report: Report) -> str:
    """`0.7 of the trained adapter (5 doses tried)`; empty where all of it was published."""
    value, tried = part(report, "dose", "value"), several(report, "dose", "tried")
    if not is_number(value) or value == 1:
        return ""
    said = words(f"{value:g} of the trained adapter", f"训练所得适配器的 {value:g}")
    if part(report, "dose", "given") or not tried:
        return said
    return said + words(f" ({len(tried)} doses tried)", f"（试过 {len(tried)} 级）")


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


def first_answers(report: Report, most: int = 3) -> list[Report]:
    """The answers to show first: must-pass questions as they were trained, then the others."""
    probes = [p for p in several(report, "probes") if isinstance(p, Mapping)]

    def rank(probe: Report) -> tuple[bool, bool]:
        return probe.get("variant") == "template-default", probe.get("kind") != "must-pass"

    return sorted(probes, key=rank)[:most]


def must_pass(report: Report, moment: str = "after") -> dict[str, int] | None:
    """{"passed", "asked"} of the must-pass questions under the trained system prompt."""
    judged = [
        bool(p.get(f"passed_{moment}"))
        for p in several(report, "probes")
        if p.get("kind") == "must-pass"
        and p.get("variant") != "template-default"
        and p.get(f"passed_{moment}") is not None
    ]
    return {"passed": sum(judged), "asked": len(judged)} if judged else None


STATES = {
    "train": Text("learned", "参与训练"),
    "paraphrase": Text("learned, in other words", "换一种问法参与训练"),
    "held-out": Text("held out", "留出"),
    "general": Text("asked by the proof", "验证时提问"),
    "too-long": Text("too long", "过长"),
    "not-sampled": Text("not drawn", "未抽中"),
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


def speed(report: Report) -> float | None:
    """Tokens per second over all updates."""
    steps = several(report, "steps")
    tokens = sum(s["tokens"] for s in steps if is_number(s.get("tokens")))
    seconds = sum(s["seconds"] for s in steps if is_number(s.get("seconds")))
    return tokens / seconds if tokens and seconds else None


def limit_share(report: Report) -> float | None:
    """The median update's share of what the device's matrix products allow; None off a GPU."""
    shares = sorted(
        s["share_of_limit"] for s in several(report, "steps") if is_number(s.get("share_of_limit"))
    )
    return shares[len(shares) // 2] if shares else None


def peak_memory(report: Report) -> int | None:
    """The largest peak of any update; None when no device measured one."""
    values = [s["memory_bytes"] for s in several(report, "steps") if s.get("memory_bytes")]
    return max((v for v in values if is_number(v)), default=None)
