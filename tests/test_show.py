"""The terminal: what a row says cannot act on it, and everything reads without colour."""

from __future__ import annotations

import io
import re
from array import array
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console
from tokenizers import Tokenizer, models, pre_tokenizers
from tokenizers.decoders import ByteLevel

from conftest import stands
from suretune import show, words
from suretune.config import Resolved
from suretune.data.template import ChatTokenizer, load_tokenizer
from suretune.facts import Finding
from suretune.labels import FIX, WHAT, WHY
from suretune.options import Config
from suretune.show.console import ROOMY
from suretune.types import Origin, Sample, Span, StepRecord, Text
from suretune.words import say
from test_report import HOSTILE, a_report, hostile

QWEN = Path(__file__).parents[2] / "shared" / "data" / "qwen2.5-tokenizer"


@pytest.fixture(autouse=True, params=["en", "zh"])
def spoken(request: pytest.FixtureRequest) -> Iterator[str]:
    words.choose(request.param)
    yield request.param
    words.choose(None)


def plain(width: int = 80) -> Console:
    return Console(file=io.StringIO(), width=width, highlight=False, markup=False, emoji=False)


def coloured(width: int = 80, no_color: bool = False) -> Console:
    return Console(file=io.StringIO(), width=width, highlight=False, markup=False, emoji=False,
                   force_terminal=True, color_system="truecolor", no_color=no_color,
                   _environ={})  # fmt: skip


def said(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.fixture(scope="module")
def tiny() -> ChatTokenizer:
    """A byte-level tokenizer: each byte a token, so that characters span several."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({char: i for i, char in enumerate(alphabet)}, []))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = ByteLevel()
    tokenizer.add_special_tokens(["<|im_start|>", "<|im_end|>"])
    return ChatTokenizer(Path("."), tokenizer, {"eos_token": "<|im_end|>"}, "")


def a_sample(tokenizer: ChatTokenizer, *parts: tuple[str, bool], cut: int = 0) -> Sample:
    ids: list[int] = []
    spans = []
    for text, learned in parts:
        start = len(ids)
        ids += tokenizer.encode(text)
        if learned:
            spans.append(Span(start, len(ids), 1.0))
    return Sample(Origin("train.jsonl", 17), "train", array("I", ids), tuple(spans), "row", cut=cut)


def body(text: str) -> str:
    """The row alone, without the lines about it above and below."""
    return text.split("\n", 1)[1].rsplit("\n", 3)[0]


def back(shown: str) -> str:
    """A preview, read back into the text of the row."""
    import re

    text = shown.replace("↵\n", "\n").replace("⟦", "").replace("⟧", "")
    text = re.sub("[\u2400-\u2420]", lambda m: chr(ord(m[0]) - 0x2400), text)
    text = text.replace("\u2421", "\x7f")
    return re.sub("⟨U\\+([0-9A-F]+)⟩", lambda m: chr(int(m[1], 16)), text)


PARTS = (
    ("<|im_start|>user\nWho are you? 你是谁?  <|im_end|>\n", False),
    ("<|im_start|>assistant\n", False),
    ("I am 小凡 👨‍👩‍👧.\n\tdef f(): ⟦x⟧ ↵ ⟨U+0041⟩ ␛[<|im_end|>", True),
    ("\n<|im_start|>user\n\x1b[31mred\x07\r\u202egnp.exe\u2066\x7f\u2028 <|im_end|>", False),
    ("Done. [bold]not markup[/bold] :smile:<|im_end|>", True),
)


def test_a_preview_tells_learned_from_read_without_colour(tiny: ChatTokenizer) -> None:
    to = plain()
    show.sample(tiny, a_sample(tiny, *PARTS), to)
    text = body(said(to))
    runs = [run.split("⟧")[0] for run in text.split("⟦")[1:]]
    assert [back(run) for run in runs] == [text for text, learned in PARTS if learned]


def test_a_preview_can_be_read_back(tiny: ChatTokenizer) -> None:
    to = plain()
    show.sample(tiny, a_sample(tiny, *PARTS), to)
    assert back(body(said(to))) == "".join(text for text, _ in PARTS)


@pytest.mark.parametrize("no_color", [False, True])
def test_nothing_in_a_row_acts_on_the_terminal(tiny: ChatTokenizer, no_color: bool) -> None:
    to = coloured(no_color=no_color)
    show.sample(tiny, a_sample(tiny, *PARTS), to)
    text = said(to)
    assert "\x1b[31mred" not in text and "␛[31mred" in text
    assert not set("\x07\r\u202e\u2066\x7f\u2028") & set(text)
    assert ("48;2;" in text) != no_color  # a background, unless NO_COLOR
    assert "⟦" in text


def test_broken_characters_and_long_rows_are_shown_for_what_they_are(tiny: ChatTokenizer) -> None:
    whole = a_sample(tiny, ("ab", False), ("小", True))
    broken = Sample(whole.origin, "t", whole.ids[:-1], (Span(2, 4, 0.5),), "none", cut=1)
    to = plain()
    show.sample(tiny, broken, to)
    assert "ab⟦\ufffd⟧" in said(to) and stands("0.5", said(to))
    to = plain()
    show.sample(tiny, a_sample(tiny, ("q" * 3000, False), ("a" * 3000, True)), to)
    assert stands("4,800", said(to)) and said(to).count("q") >= 600 and len(said(to)) < 2500


@pytest.mark.skipif(not QWEN.is_dir(), reason="needs the Qwen tokenizer")
def test_a_preview_of_a_real_tokenizer_can_be_read_back() -> None:
    qwen = load_tokenizer(QWEN)
    assert isinstance(qwen, ChatTokenizer)
    to = plain()
    parts = (*PARTS, ("龘𠮷 naïve café ﷽ \u200bzero", True))
    show.sample(qwen, a_sample(qwen, *parts), to)
    text = body(said(to))
    # Learned parts that touch are one run.
    assert back(text) == "".join(text for text, _ in parts)
    assert text.count("⟦") == 2


# --- findings, rows, settings -------------------------------------------------------------------


def a_finding(where: str = "train.jsonl:17", stops: bool = True) -> Finding:
    return Finding(
        "D003", "nothing-to-learn", stops, where,
        Text("No token of this row is learned, so training on it does nothing at all. " * 2,
             "这一行没有任何 token 参与学习,训练它不会有任何效果。" * 3),
        Text("The answer is empty.", "回答是空的。"),
        Text("Give the row an answer, or pass --on_bad_row skip.",
             "给这一行写上回答,或使用 --on_bad_row skip。"),
    )  # fmt: skip


@pytest.mark.parametrize("width", [30, 44, 80, 200])
def test_findings_fit_and_line_up(width: int, spoken: str) -> None:
    to = plain(width)
    show.findings([a_finding(), a_finding("", stops=False)], to)
    rows = said(to).splitlines()
    assert all(cell_len(row) <= width for row in rows)
    assert not any(row != row.rstrip() for row in rows)
    text = said(to)
    assert "D003 nothing-to-learn" in " ".join(text.split())
    labels = [say(label) for label in (WHAT, WHY, FIX)]
    if spoken == "en" and width < ROOMY:  # each label above its text, unless that is short
        assert all(any(row.strip().startswith(label) for row in rows) for label in labels)
        return
    starts = {
        cell_len(row) - cell_len(row.lstrip()[len(label):].lstrip())
        for row in rows for label in labels if row.lstrip().startswith(f"{label} ")
    }  # fmt: skip
    assert len(starts) == 1


@pytest.mark.parametrize("width", [40, 80])
def test_many_findings_of_a_kind_are_three_and_the_places_of_the_others(
    width: int, spoken: str
) -> None:
    rows = [a_finding(f"train.jsonl:{row}") for row in range(1, 1001)]
    other = replace(a_finding("--system", stops=False), code="P002", name="default-system")
    to = plain(width)
    show.findings([*rows[:500], other, *rows[500:]], to)
    text = said(to)
    heads = re.findall(r"^[·✗] (\w\d{3}) ", text, re.MULTILINE)
    assert heads == ["D003"] * 3 + ["P002"]
    flat = " ".join(text.split())
    assert "997" in flat and "--json" in flat
    assert [stands(f"train.jsonl:{row}", flat) for row in (1, 3, 4, 11, 12)] == [True] * 4 + [False]
    for few in (3, 4):  # a line in place of one finding would say no less
        to = plain(width)
        show.findings(rows[:few], to)
        assert said(to).count("✗ D003") == few and "--json" not in said(to)


def test_what_advises_something_else_is_told_in_full(spoken: str) -> None:
    advice = [replace(a_finding(f"a:{n}"), fix=Text(f"Do {n}.", f"做 {n}。")) for n in range(9)]
    to = plain()
    show.findings([a_finding("b:1")] * 20 + advice, to)
    told = re.findall(r"(?:Do|做) (\d)[.。]", said(to))
    assert told == ["0", "1", "2"] and said(to).count("✗ D003") == 6
    places = ("b:1", *(f"a:{n}" for n in range(3, 9)))
    line = f"23 more D003: {', '.join(places)};" if spoken == "en" else "、".join(places)
    assert line in " ".join(said(to).split())


def test_hostile_findings_and_reports_stay_text() -> None:
    evil = a_finding(HOSTILE)
    report = hostile(a_report()) | {"verdict": "not-verified"}
    for to in (plain(), plain(120)):
        show.findings([evil], to)
        show.datasets(report["data"], to)
        show.plan(report["plan"], to)
        show.verdict(report, to=to)
        assert "\x1b" not in said(to) and "\u202e" not in said(to)
        assert "␛" in said(to)


def test_datasets_show_counts_and_true_shares() -> None:
    to = plain(110)
    show.datasets(a_report()["data"], to)
    for number in ("98 (90.7 %)", "48,818", "57"):
        assert stands(number, said(to))


@pytest.mark.parametrize("width", [36, 60])
def test_narrow_terminals_lose_no_number(width: int) -> None:
    to = plain(width)
    show.datasets(a_report()["data"], to)
    assert stands("48,616 (99.6 %)", said(to)) and stands("alpaca-gpt4-data-zh#200", said(to))
    assert all(cell_len(row) <= width for row in said(to).splitlines())


def test_the_plan_is_said_in_numbers() -> None:
    to = plain()
    show.plan(a_report()["plan"], to)
    lines = [line.strip() for line in said(to).splitlines()]
    for place, numbers in enumerate((("40", "16"), ("47,200", "18,400 (39.0 %)"), ("0.001",),
                                     ("10, 20, 30, 40",), ("20, 40",))):  # fmt: skip
        assert all(stands(number, lines[place]) for number in numbers), lines
    show.plan({}, to)  # nothing planned, nothing invented
    assert "None" not in said(to)


def test_choices_say_what_was_given_and_what_was_chosen_and_why() -> None:
    resolved = Resolved(Config()).with_values("flag", lora_rank=16)
    resolved = resolved.with_values("auto: scaled to the width", learning_rate=1.1e-3)
    to = plain()
    show.choices(resolved, to)
    text = said(to)
    assert stands("lora_rank", text) and stands("0.0011", text) and "scaled to the width" in text
    assert "lora_alpha" not in text


def test_lines_of_chinese_are_filled_and_closing_marks_begin_none() -> None:
    from rich.text import Text as Styled

    from suretune.show.console import wrapped

    text = "用 learning_rate 训练四十次更新,然后在全新的进程里验证。"
    rows = wrapped(Styled(text), 18).plain.split("\n")
    assert all(cell_len(row) <= 18 for row in rows)
    assert rows[0] == "用 learning_rate" and "".join(rows) == text.replace("rate ", "rate")
    assert not any(row[0] in ",。" for row in rows)
    assert wrapped(Styled("a" * 30 + " bc"), 8).plain.split("\n")[-2:] == ["aaaaaa", "bc"]


# --- verdict ------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [40, 120])
def test_the_verdict_shows_three_answers_and_what_to_type(width: int, spoken: str) -> None:
    to = plain(width)
    show.verdict(a_report(), to=to)
    text = said(to)
    assert text.startswith("✓ Sealed" if spoken == "en" else "✓ 验证通过")
    assert text.count("✓ passed" if spoken == "en" else "✓ 通过") == 3
    assert "runs/run-0007/report.html\n" in text
    assert "suretune infer --adapters runs/run-0007\n" in text  # never broken over two lines
    rows = [row for row in text.splitlines() if "suretune" not in row and "report" not in row]
    assert all(cell_len(row) <= width for row in rows)
    beside = any("I am Qwen" in row and "I am Swift" in row for row in text.splitlines())
    assert beside == (width == 120)


@pytest.mark.parametrize("report", [{}, {"verdict": "stopped"}, dict.fromkeys(a_report())])
def test_what_was_not_measured_is_said_to_be_so(report: dict[str, object], spoken: str) -> None:
    to = plain()
    show.verdict(report, to=to)
    assert ("not measured" if spoken == "en" else "未测量") in said(to)
    assert "None" not in said(to)


# --- progress -----------------------------------------------------------------------------------


def a_record(step: int, loss: float = 1.5) -> StepRecord:
    return StepRecord(step, step / 4, loss, 0.8, 1e-3, 1000, 400, 0.5, 0, (1, 2))


def test_without_a_terminal_progress_is_plain_lines() -> None:
    to = plain(40)
    with show.Progress(10, every=4, to=to) as live:
        for step in range(1, 11):
            live.step(a_record(step, float("nan") if step == 8 else 1.5))
        live.note("best so far\x1b[2J")
    rows = said(to).splitlines()
    assert [row.split()[1] for row in rows[:-1]] == ["4/10", "8/10", "10/10"]
    for value in ("1.5000", "2,000", "3.0 s"):
        assert stands(value, rows[0])
    assert stands("nan", rows[1])
    assert "\x1b" not in said(to)


@pytest.mark.parametrize("width", [50, 120])
def test_on_a_terminal_progress_is_one_live_bar(width: int) -> None:
    to = coloured(width)
    with show.Progress(900, to=to) as live:
        live.expect(3)
        live.step(a_record(1))
        live.step(a_record(3))
    text = re.sub(r"\x1b\[[\d;?]*[A-Za-z]", "", said(to))
    assert stands("3/3", text) and stands("1.5000", text)
    assert stands("2,000", text) == (width == 120)


def test_results_and_progress_go_their_own_ways(capsys: pytest.CaptureFixture[str]) -> None:
    show.findings([a_finding()])
    with show.Progress(1) as live:
        live.step(a_record(1))
    out, err = capsys.readouterr()
    assert "D003" in out and "D003" not in err
    assert stands("1/1", err) and not stands("1/1", out)
    assert "\x1b" not in out + err
