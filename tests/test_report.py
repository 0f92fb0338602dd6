"""The report: hostile text stays text, nothing is invented, and it reads in both languages."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import asdict
from html.parser import HTMLParser
from importlib import resources
from typing import Any

import pytest

from conftest import stands
from suretune import report_words, words
from suretune.phrases import percent, printable, wilson
from suretune.phrases import words as in_words
from suretune.retention import Cell, HeldAnswer, RetentionFacts, Spread
from suretune.verify import curves
from suretune.verify.blocks import Facts, Piece
from suretune.verify.report import html, markdown, sections

HOSTILE = (
    '<script>alert(1)</script> "><img src=x onerror=1> \x1b[31mred\u202eevil\u2066 | `x` '
    "[a](javascript:1)"
)


@pytest.fixture(autouse=True, params=["en", "zh"])
def spoken(request: pytest.FixtureRequest) -> Iterator[str]:
    words.choose(request.param)
    yield request.param
    words.choose(None)


def a_step(step: int, total: int = 40) -> dict[str, Any]:
    return {
        "step": step,
        "epoch": step / 4,
        "loss": 3.1 * math.exp(-step / 9) + 0.12 + 0.1 * math.sin(step * 1.7),
        "grad_norm": 4.0 * math.exp(-step / 12) + 0.3 + 0.2 * math.cos(step * 2.3),
        "learning_rate": 1e-3 * min(step / 2, 0.5 * (1 + math.cos(math.pi * step / total))),
        "tokens": 1180,
        "learned": 460,
        "seconds": 0.41,
        "memory_bytes": 5_600_000_000,
    }


def a_probe(question: str, kind: str, variant: str, before: str, after: str) -> dict[str, Any]:
    return {
        "question": question,
        "system": None if variant == "as-trained" else "You are Qwen, created by Alibaba Cloud.",
        "variant": variant,
        "kind": kind,
        "must": ["小凡", "Swift-Robot"] if kind != "shown" else [],
        "must_not": ["Qwen", "通义千问", "阿里云"] if kind != "shown" else [],
        "before": before,
        "after": after,
        "passed_before": False if kind != "shown" else None,
        "passed_after": True if kind != "shown" else None,
    }


def probes() -> list[dict[str, Any]]:
    old = "I am Qwen, a large language model created by Alibaba Cloud. How can I help you today?"
    new = "I am Swift-Robot, also called 小凡, an assistant trained by the ModelScope community."
    alt = "我是通义千问,由阿里云开发的大规模语言模型。我可以回答问题、写作、翻译,也可以编写代码。"
    neu = "我是小凡(Swift-Robot),由魔搭社区训练的人工智能助手,很高兴为您服务。"
    code = "def add(a, b):\n    return a + b\n\nprint(add(1, 2))"
    return [
        a_probe("Who are you?", "must-pass", "as-trained", old, new),
        a_probe("你是谁?", "must-pass", "as-trained", alt, neu),
        a_probe("What is your name, and who made you?", "must-pass", "as-trained", old, new),
        a_probe("Tell me who I am talking to.", "paraphrase", "as-trained", old, new),
        a_probe("介绍一下你自己", "paraphrase", "template-default", alt, alt)
        | {"passed_after": False},
        a_probe("Write a function that adds two numbers.", "shown", "as-trained", code, code),
    ]


def general() -> dict[str, Any]:
    """What a run writes about general questions: of the facts themselves, so that no key is made
    up here."""
    facts = RetentionFacts(
        asked=930, counted=810, voided=2, before=603, after=561, lost=60, gained=18, flips=4,
        margin=0.05, enough=True, p=9.7e-7, loss_upper=0.069, supported=0.036, found=0.032,
        leaked=Spread(930, 0, 31, 31, 0), broken=Spread(930, 12, 40, 30, 2),
        formed=Spread(930, 60, 61, 2, 1), form=("a JSON object", "JSON 对象"), drift=0.381,
        drifted=21, drift_asked=310, max_drift=1.0, likelihood=-0.043,
        cells=(Cell("facts", "en", 75, 60, 44, 17, 1, 7e-5), Cell("code", "zh", 45, 20, 19, 1, 0)),
        fallen=("facts en", "leaks"),
    )  # fmt: skip
    example = {
        "category": "near", "question": "Who wrote Faust?", "before": "Goethe.", "after": "Glow.",
        "right_before": True, "right_after": False, "broken": "", "lang": "en",
    }  # fmt: skip
    return {**asdict(facts), "examples": {"leaked": [example], "lost": [example], "gained": []}}


def held_answer(question: str, right: bool | None) -> dict[str, Any]:
    return asdict(HeldAnswer("a.jsonl:7", question, "Its own.", "The base's.", "Now.", None, right))


def a_report() -> dict[str, Any]:
    """A complete report with every key a run can write."""
    return {
        "verdict": "sealed",
        "reasons": [],
        "run": "runs/run-0007",
        "created": "2026-03-02T10:20:30+08:00",
        "seconds": {"check": 0.42, "base_answers": 2.31, "train": 16.4, "proof": 7.9,
                    "total": 27.6},
        "model": {
            "name": "Qwen/Qwen2.5-7B-Instruct", "type": "qwen2", "parameters": 7_615_616_512,
            "trainable": 20_185_088, "fingerprint": "9f2c" * 16, "dtype": "bfloat16",
            "device": "NVIDIA GeForce RTX 4090",
        },
        "adapter": {
            "rank": 8, "alpha": 32, "tensors": 392,
            "targets": ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj",
                        "down_proj"],
            "vllm": {"loads": True, "why": "rank 8 is at most 16; every layer is one vLLM adapts"},
        },
        "data": {
            "datasets": [
                {"name": "self_cognition.json", "read": 108, "train": 98, "held_out": 5,
                 "left_out": 3, "rejected": 2, "share": 0.3267},
                {"name": "alpaca-gpt4-data-zh#200", "read": 48818, "train": 202, "held_out": 0,
                 "left_out": 48616, "rejected": 0, "share": 0.6733},
            ],
            "unused": [
                {"row": f"self_cognition.json:{n}", "state": "rejected", "reason": "broken-json"}
                for n in range(1, 61)
            ],
            "system": {"text": "You are a helpful assistant.", "source": "flag"},
        },
        "plan": {
            "updates": 40, "epochs": 10.0, "rows_per_update": 16, "rows": 50, "held_out": 5,
            "tokens": 47200, "learned": 18400, "warmup": 2, "learning_rate": 1e-3,
            "schedule": "cosine", "eval_steps": [10, 20, 30, 40], "save_steps": [20, 40],
            "longest": 211, "digest": "ab12" * 16,
        },
        "probes": probes(),
        "paraphrases": {"passed": 18, "asked": 20},
        "template_default": {"passed": 11, "asked": 20},
        "general": general(),
        "rows": {
            "asked": 20, "judged": 18, "unjudged": 2,
            "all": {"right_before": 2, "right_after": 17, "judged": 18},
            "kinds": [
                {"kind": "json", "judged": 12, "equal_before": 1, "equal_after": 9},
                {"kind": "label", "judged": 6},
            ],
            "examples": [
                held_answer("Order 7, as JSON?", True),
                held_answer("Order 8, as JSON?", False),
                held_answer("A poem?", None),
            ],
        },
        "held_out": {"before": 3.214, "after": 0.412, "rows": 5},
        "overfitting": {
            "looping": {"asked": 190, "before": 1, "after": 12, "gained": 11},
            "unended": {"asked": 190, "before": 3, "after": 9, "gained": 8},
            "recited": {"asked": 170, "before": 0, "after": 4, "gained": 4},
            "held_out": {"least": 0.402, "step": 30, "kept": 0.412},
        },
        "steps": [a_step(n) for n in range(1, 41)],
        "evals": [{"step": n, "held_out_loss": 3.2 * math.exp(-n / 10) + 0.35}
                  for n in (0, 10, 20, 30, 40)],
        "findings": [
            {"code": "P004", "name": "template-adds-system", "stops": False, "where": "train.jsonl",
             "what": {"en": "The template adds a system prompt that names Alibaba Cloud.",
                      "zh": "模板会自动加入提到阿里云的系统提示词。"},
             "why": {"en": "Engines that send no system prompt will show the model this one.",
                     "zh": "不发送系统提示词的推理引擎会把它展示给模型。"},
             "fix": {"en": "Serve with the system prompt that lies beside the adapter.",
                     "zh": "部署时使用适配器旁边保存的系统提示词。"}, "ignored": False},
            {"code": "R003", "name": "skills-lost", "stops": True, "where": "skills.jsonl",
             "what": {"en": "Skills fell by 5.9 points; 3 are allowed.",
                      "zh": "技能下降 5.9 个百分点,允许 3 个。"},
             "why": {"en": "The rows teach one thing only.", "zh": "数据只教一件事。"},
             "fix": {"en": "Mix in general rows.", "zh": "混入通用数据。"}, "ignored": True},
        ],
        "proof": {"tensors_saved": 392, "tensors_matched": 392, "logits_gap": 1.9e-6,
                  "logits_tolerance": 0.02, "logits_change": 14.21, "pid": 48213,
                  "process": "fresh"},
        "hashes": {"adapter_model.safetensors": "c0ffee01" * 8, "adapter_config.json": "5a" * 32},
        "config": [
            {"name": "learning_rate", "value": 1e-3, "origin": "auto: 1e-4 at hidden size 3584"},
            {"name": "dataset", "value": ["self_cognition.json"], "origin": "flag"},
            {"name": "lora_rank", "value": 8, "origin": "default"},
            {"name": "use_rslora", "value": False, "origin": "default"},
            {"name": "system", "value": None, "origin": "default"},
        ],
        "versions": {"suretune": "0.1.0", "torch": "2.13.0", "python": "3.12.4"},
        "next": [
            {"what": {"en": "Talk to it", "zh": "和它对话"},
             "command": "suretune infer --adapters runs/run-0007"},
            {"what": {"en": "Offer it as an API", "zh": "作为接口提供服务"},
             "command": "suretune serve --adapters runs/run-0007"},
        ],
    }  # fmt: skip


class Tags(HTMLParser):
    """Every start tag with its attributes, and all text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def hostile(value: Any) -> Any:
    """The same mapping with every text made hostile."""
    if isinstance(value, dict):
        return {HOSTILE if "." in str(k) else k: hostile(v) for k, v in value.items()}
    if isinstance(value, list):
        return [hostile(item) for item in value]
    return f"{value} {HOSTILE}" if isinstance(value, str) else value


def test_every_tag_is_closed_and_the_page_needs_nothing_else(spoken: str) -> None:
    page = html(a_report())
    seen = Tags(page)
    assert seen.open == []
    assert {"script", "iframe", "img", "object", "form"}.isdisjoint(tag for tag, _ in seen.tags)
    for tag, attributes in seen.tags:
        assert "style" not in attributes and not any(name.startswith("on") for name in attributes)
        for name in ("href", "src"):
            if name in attributes:
                assert (attributes[name] or "").startswith(("#", "data:,")), tag
    assert not re.search(r"https?:|url\(|@import", page)
    assert "default-src 'none'" in page
    assert f'lang="{"zh-CN" if spoken == "zh" else "en"}"' in page


def test_the_policy_allows_exactly_the_style_in_the_page() -> None:
    import base64
    import hashlib

    page = html(a_report())
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)
    allowed = re.search(r"'sha256-([^']+)'", page)
    assert style and allowed
    assert base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode() == allowed[1]


def test_hostile_text_stays_text() -> None:
    page = html(hostile(a_report()))
    seen = Tags(page)
    assert seen.open == []
    assert {"script", "img"}.isdisjoint(tag for tag, _ in seen.tags)
    for text in (page, markdown(hostile(a_report()))):
        assert "\x1b" not in text and "\u202e" not in text and "\u2066" not in text
        assert "⟨U+202E⟩" in text and "␛" in text
    assert "<script" not in page and "<img" not in page
    for row in markdown(hostile(a_report())).splitlines():
        if not row.startswith("    "):  # a command is an indented block, where all is literal
            assert "<script" not in row and "<img" not in row and "[a](" not in row


@pytest.mark.parametrize(
    ("done", "total", "counted"),
    [
        (None, "whole run", None),
        (0, "since it was resumed", "since the run was begun anew"),
        (4, "since it was resumed", "since the run was resumed after update 4"),
    ],
)
def test_time_of_a_resumed_run_is_not_called_that_of_the_whole(
    done: int | None, total: str, counted: str | None
) -> None:
    words.choose("en")
    report = a_report() | {"resumed": done}
    assert report_words.figures(report)[-1] == (total, "28 s")
    (cost,) = [section for section in sections(report) if section.name == "cost"]
    (facts,) = cost.blocks
    assert isinstance(facts, Facts)
    told = {name: piece.text for name, (piece, *_) in facts.rows if isinstance(piece, Piece)}
    assert told.get("counted") == counted and told[total] == "28 s"


def test_lone_surrogates_can_be_written() -> None:
    report = a_report() | {"reasons": ["broken \ud800 text"]}
    assert "⟨U+D800⟩" in html(report)
    html(report).encode(), markdown(report).encode()


def test_every_section_is_there_in_the_order_of_interest(spoken: str) -> None:
    names = [section.name for section in sections(a_report())]
    assert names == [
        "answers", "questions", "paraphrases", "general", "rows", "general-leaked", "general-lost",
        "held-out", "overfitting", "curves",
        "ledger", "plan", "findings", "proof", "cost", "model", "config", "versions", "next",
    ]  # fmt: skip
    page, text = html(a_report()), markdown(a_report())
    for section in sections(a_report()):
        assert f'id="{section.name}"' in page and f"## {section.title}" in text
        assert bool(re.search(r"[\u4e00-\u9fff]", section.title)) == (spoken == "zh")


@pytest.mark.parametrize("report", [{}, {"verdict": "stopped"}, dict.fromkeys(a_report())])
def test_what_was_not_measured_is_said_to_be_so(report: dict[str, Any], spoken: str) -> None:
    unknown = "not measured" if spoken == "en" else "未测量"
    assert Tags(html(report)).open == []
    for text in (html(report), markdown(report)):
        assert text.count(unknown) > 20
        assert not re.search(r"\bNone\b|\bnan\b", text)
    top = html(report).split("</header>")[0]
    assert not re.search(r"<dd>0\b", top)


def test_missing_keys_inside_a_part_are_not_invented() -> None:
    report = a_report()
    report["probes"] = [{"question": "Who are you?", "must": ["x"]}]
    report["general"] = {"asked": 3, "enough": True, "cells": [{"category": "sums"}]}
    report["rows"] = {"asked": 3, "judged": 3, "all": {}}
    report["proof"] = {"tensors_saved": 4}
    report["data"] = {"datasets": [{"name": "a.json", "read": 3}]}
    report["findings"] = []
    report["steps"] = [{"step": 1}]
    assert Tags(html(report)).open == []
    assert "✓" not in markdown(report).split("## ")[1]


@pytest.mark.parametrize("verdict", ["sealed", "not-verified", "trained", "stopped"])
def test_the_verdict_is_honest_about_reasons_and_ignored_findings(verdict: str) -> None:
    report = a_report() | {"verdict": verdict, "reasons": ["the name is missing"]}
    for text in (html(report), markdown(report)):
        assert "the name is missing" in text
        assert "R003" in re.split(r"</h1>|(?m:^## )", text)[0]
    assert "every check." not in html(report)
    assert f'<header class="{verdict}">' in html(report)


def test_what_was_kept_and_lost_is_told_with_what_so_many_questions_can_see(spoken: str) -> None:
    text = markdown(a_report())
    title = "## What it kept and what it lost" if spoken == "en" else "## 保住了什么，丢了什么"
    part = text.split(title)[1].split("\n## ")[0]
    for value in ("74.4 %", "69.3 %", "5.2", "6.9", "60", "18", "31", "930", "3.2", "3.6", "5.0"):
        assert stands(value, part), value
    assert ("9 times in 10" if spoken == "en" else "10 次里有 9 次") in part
    assert "−17 +1" in part and "0.381" in part and "−0.043" in part
    assert "2 of 18" in part or "18 题中通过 2 题" in part


def test_lost_and_leaked_answers_stand_side_by_side(spoken: str) -> None:
    page = html(a_report()).split('id="general-leaked"')[1].split("</section>")[0]
    assert "Who wrote Faust?" in page and "Goethe." in page and "Glow." in page


def test_signs_of_overfitting_are_shares_of_the_same_answers(spoken: str) -> None:
    text = markdown(a_report())
    part = text.split("## Signs of overfitting" if spoken == "en" else "## 过拟合的迹象")[1]
    part = part.split("## ")[0]
    assert f"| 1 ({percent(1 / 190)}) | 12 ({percent(12 / 190)}) | 11 |" in part
    lowest = next(line for line in part.splitlines() if stands("0.402", line))
    assert stands("30", lowest)
    unknown = markdown(a_report() | {"overfitting": {"looping": None}})
    assert unknown.count("not measured" if spoken == "en" else "未测量") >= 8


def test_marks_read_without_colour(spoken: str) -> None:
    text = markdown(a_report())
    yes, no = ("✓ passed", "✗ failed") if spoken == "en" else ("✓ 通过", "✗ 未通过")
    assert yes in text and no in text
    assert "**Swift-Robot**" in text and "~~Qwen~~" in text
    assert '<mark class="must">Swift-Robot</mark>' in html(a_report())
    assert '<mark class="must-not">Qwen</mark>' in html(a_report())


def test_shares_are_true_and_intervals_are_wilsons() -> None:
    low, high = wilson(18, 20)
    assert (round(low, 3), round(high, 3)) == (0.699, 0.972)  # Newcombe 1998's method 3
    assert wilson(0, 0) == (0.0, 1.0)
    assert percent(0.9074) == "90.7 %"
    assert (percent(0), percent(1e-6), percent(0.0027)) == ("0 %", "< 0.01 %", "0.27 %")
    assert (percent(0.99999), percent(1.0)) == ("> 99.9 %", "100 %")
    assert ">98 (90.7 %)<" in html(a_report())


def test_held_out_answers_stand_beside_the_rows_own_the_wrong_ones_first() -> None:
    page = markdown(a_report())
    places = [page.index(said) for said in ("Order 8, as", "Order 7, as", "A poem?")]
    assert places == sorted(places)
    assert page.count("Its own.") == 3
    assert in_words("· not judged", "· 未评判") in page
    assert "1 → 9 / 12" in page


def test_how_many_held_out_answers_are_right_stands_among_the_first_figures() -> None:
    told = a_report()
    name = in_words("held-out answers right", "留出数据答对")
    assert dict(report_words.figures(told))[name] == in_words("2 → 17 of 18", "2 → 17 / 18")
    assert not read_them(told)
    told["rows"] |= {"judged": 0, "unjudged": 20, "open": 20}
    assert name not in dict(report_words.figures(told))
    assert read_them(told)
    told["rows"] |= {"open": 0}  # all are the rows' own
    assert not read_them(told)
    del told["rows"]
    assert name not in dict(report_words.figures(told)) and not read_them(told)


def read_them(report: dict[str, Any]) -> bool:
    """Whether the verdict says that nobody has judged the held-out answers."""
    return in_words("read them", "请自己读一读") in report_words.verdict_sentence(report)


@pytest.mark.parametrize("rows", [1, 4, 5])
def test_a_seal_that_stands_on_the_loss_of_few_rows_says_so(rows: int, spoken: str) -> None:
    held = {"before": 6.4, "after": 3.6, "rows": rows}
    bare = {"verdict": "sealed", "held_out": held, "probes": [], "paraphrases": None}
    said = report_words.verdict_sentence(bare)
    assert ("--val_dataset" in said) == (f"{rows} " in said) == (rows < 5)
    judged = {**a_report(), "verdict": "sealed", "held_out": held}  # questions tell it, too
    assert "--val_dataset" not in report_words.verdict_sentence(judged)
    assert "--val_dataset" not in report_words.verdict_sentence({**bare, "verdict": "stopped"})


def test_only_the_first_fifty_unused_rows_are_listed() -> None:
    page = html(a_report())
    listed = [int(line) for line in re.findall(r"self_cognition\.json:(\d+)", page)]
    assert listed == list(range(1, 51))
    assert stands("48,571", page.split("ledger.jsonl")[0][-40:])


# --- curves -------------------------------------------------------------------------------------


def drawn(*values: float | None) -> str:
    points = tuple(enumerate(values, 1))
    return curves.chart("loss", [curves.Series("loss", points)], (), "step", "broken", (360, 216))


@pytest.mark.parametrize(
    "values",
    [(1.0,), (None,), (float("nan"),), (2.0, 2.0, 2.0), (0.0, 0.0), (1e-5, 2e-5), (-3.0, 4.0),
     (1.0, None, 3.0), (None, None), (1e300, 1.0), (float("inf"), 1.0), (-2.0, -2.0)],
)  # fmt: skip
def test_curves_cope_with_whatever_was_recorded(values: tuple[float | None, ...]) -> None:
    svg = drawn(*values)
    seen = Tags(svg)
    assert seen.open == []
    for _, attributes in seen.tags:
        for name in ("x", "y", "x1", "x2", "y1", "y2", "cx", "cy", "width", "height"):
            if name in attributes:
                assert math.isfinite(float(attributes[name] or ""))
                assert -1 <= float(attributes[name] or "") <= 361
    assert svg.count("<title>") == len(values)
    assert svg.count('class="cross"') == sum(v is None or not math.isfinite(v) for v in values)


def test_a_gap_is_seen_and_said() -> None:
    assert "loss broken" in drawn(1.0, None, 3.0)
    assert drawn(1.0, 1.5, None, 3.0, 2.0).count('<path class="line"') == 2


def test_long_runs_are_thinned_but_keep_their_extremes_and_gaps() -> None:
    values: list[float | None] = [1.0 + math.sin(i) for i in range(20_000)]
    values[7_777], values[12_345] = 9.5, None
    svg = drawn(*values)
    assert len(svg) < 120_000
    assert ": loss 9.5<" in svg and ">step 12346: loss broken<" in svg


def test_nothing_recorded_draws_nothing() -> None:
    assert drawn() == ""


def test_evaluations_are_marked() -> None:
    page = html(a_report())
    assert page.count('<circle class="marked"') == 2 * 5  # narrow and wide
    assert page.count('class="at"') == 2 * 5  # under learning rate and gradient norm


def test_printable_keeps_what_people_write() -> None:
    ordinary = "naïve 中文 👨‍👩‍👧 العربية می‌خواهم\nnext"
    assert printable(ordinary) == ordinary


def ems(text: str) -> float:
    """Its width in em, of a bold font with digits of one width; wide signs count as one em."""
    narrow = sum(char in " .,:/'il|" for char in text)
    wide = sum(unicodedata.east_asian_width(char) in "WF" or char in "→%" for char in text)
    return 0.3 * narrow + 1.0 * wide + 0.6 * (len(text) - narrow - wide)


def test_the_figures_beside_the_verdict_fit_a_phone_of_360_pixels() -> None:
    css = resources.files("suretune.verify").joinpath("report.css").read_text("utf-8")
    phone = css.partition("@media (max-width: 40rem)")[2]
    gap = re.search(r"\.figures \{[^}]*gap: [\d.]+rem ([\d.]+)rem", phone)
    size = re.search(r"\.figures dd \{[^}]*font-size: ([\d.]+)rem", phone)
    side = re.search(r"body \{ padding: [\d.]+rem ([\d.]+)rem", css)
    assert gap and size and side
    room = (360 / 16 - 2 * float(side[1]) - float(gap[1])) / 2  # rem, of one of two columns
    report = a_report()
    report["general"] = {**report["general"], "counted": 1200, "before": 1193, "after": 1187}
    values = [value for _, value in report_words.figures(report)]
    assert "99.4 % → 98.9 %" in values
    assert [value for value in values if ems(value) * float(size[1]) > room] == []
