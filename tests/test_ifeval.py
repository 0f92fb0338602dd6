"""`verify RUN --benchmark ifeval`: lm-eval's checkers against answers that were judged by hand.

What needs the extra is skipped without it, what needs the prompts without them.
"""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from conftest import as_json, shared, suretune, write_rows
from suretune.cli import main
from suretune.compare.benchmark import MEASURED, compared
from suretune.record.journal import ENVIRONMENT, UNMEASURED, USAGE, Journal
from suretune.record.sealed import read_seal
from suretune.verify import ifeval
from suretune.verify.ifeval import Followed, Item, Unfit

EXTRA = pytest.mark.skipif(
    any(find_spec(name) is None for name in (*ifeval.NEEDS, "punkt")),
    reason="pip install 'suretune[benchmark]'",
)
PROMPTS = "eval/ifeval_input_data.jsonl"
CALM = "the river is very calm today and the water is clear"

# (instruction, arguments, an answer that follows it, one that does not), read and decided by hand
CASES: tuple[tuple[str, dict[str, Any], str, str], ...] = (
    ("punctuation:no_comma", {}, "Tea is warm.", "Tea, then coffee."),
    (
        "length_constraints:number_words", {"relation": "at least", "num_words": 5},
        "One two three four five.", "One two three four.",
    ),
    (
        "length_constraints:number_sentences", {"relation": "less than", "num_sentences": 3},
        "Dr. Lee came at 3 p.m. today. He left.", "It rained. It stopped. It shone.",
    ),
    (
        "length_constraints:number_paragraphs", {"num_paragraphs": 2},
        "One.\n\n***\n\nTwo.", "One.\n\nTwo.",
    ),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "milk"},
        "Tea.\n\nMilk is white.", "Tea.\n\nThe milk is white.",
    ),
    (
        "keywords:forbidden_words", {"forbidden_words": ["rain"]},
        "The rainbow is wide.", "There was Rain.",
    ),
    (
        "keywords:frequency", {"relation": "at least", "keyword": "tea", "frequency": 2},
        "Tea is tea.", "Tea is hot.",
    ),
    (
        "keywords:existence", {"keywords": ["river", "boat"]},
        "A boat on the river.", "A boat at sea.",
    ),
    (
        "keywords:letter_frequency",
        {"letter": "z", "let_frequency": 2, "let_relation": "at least"},
        "Zebras doze.", "A zebra.",
    ),
    (
        "detectable_format:number_highlighted_sections", {"num_highlights": 2},
        "*One* thing and *two* things.", "*One* thing.",
    ),
    ("detectable_format:title", {}, "<<The River>>\nIt flows.", "The River\nIt flows."),
    (
        "detectable_format:number_bullet_lists", {"num_bullets": 2},
        "* one\n* two", "* one\n* two\n* three",
    ),
    ("detectable_format:json_format", {}, '```json\n{"tea": 1}\n```', "tea: 1"),
    (
        "detectable_format:multiple_sections", {"section_spliter": "Section", "num_sections": 2},
        "Section 1\nTea.\nSection 2\nMilk.", "Section 1\nTea.",
    ),
    ("detectable_format:constrained_response", {}, "My answer is yes.", "Yes."),
    (
        "detectable_content:number_placeholders", {"num_placeholders": 2},
        "Dear [name], from [address].", "Dear [name].",
    ),
    (
        "detectable_content:postscript", {"postscript_marker": "P.S."},
        "Hello.\nP.S. Bring tea.", "Hello. Bring tea.",
    ),
    (
        "combination:repeat_prompt", {"prompt_to_repeat": "Name a river."},
        "Name a river.\nThe Elbe.", "The Elbe.",
    ),
    ("combination:two_responses", {}, "Tea.\n******\nCoffee.", "Tea.\nCoffee."),
    ("startend:quotation", {}, '"All is well."', "All is well."),
    (
        "startend:end_checker", {"end_phrase": "That is all."},
        "Yes. That is all.", "That is all. Yes.",
    ),
    ("change_case:english_lowercase", {}, CALM, CALM.capitalize()),
    ("change_case:english_capital", {}, CALM.upper(), CALM.capitalize()),
    (
        "change_case:capital_word_frequency",
        {"capital_relation": "at least", "capital_frequency": 2},
        "STOP and GO now.", "STOP and go now.",
    ),
    (
        "language:response_language", {"language": "de"},
        "Der Fluss ist heute sehr ruhig und das Wasser ist klar.", CALM,
    ),
)  # fmt: skip


def item(*pairs: tuple[str, dict[str, Any]], prompt: str = "Name a river.") -> Item:
    return Item("1", prompt, tuple(name for name, _ in pairs), tuple(given for _, given in pairs))


def one(asked: Item, answer: str) -> Followed:
    return ifeval.judge([asked], [answer])[0]


# --- judging ------------------------------------------------------------------------------------


@EXTRA
@pytest.mark.parametrize("name, given, right, wrong", CASES, ids=[case[0] for case in CASES])
def test_an_answer_is_judged_as_by_hand(
    name: str, given: dict[str, Any], right: str, wrong: str
) -> None:
    asked = item((name, given))
    assert one(asked, right) == Followed((True,), (True,), ("",))
    assert one(asked, wrong).strict == (False,)
    assert one(asked, "").strict == one(asked, "").loose == (False,)


@EXTRA
def test_loose_forgives_a_first_line() -> None:
    asked = item(("punctuation:no_comma", {}))
    assert one(asked, "Sure, here it is:\nTea is warm.") == Followed((False,), (True,), ("",))


@EXTRA
def test_each_instruction_of_a_prompt_is_judged_alone() -> None:
    asked = item(*((name, given) for name, given, _, _ in CASES[:3]))
    assert one(asked, "Tea, coffee. Milk.").strict == (False, False, True)


@EXTRA
def test_what_a_checker_would_draw_at_random_is_not_judged() -> None:
    """'#' is no letter: the checker would look for any other."""
    hashes = {"letter": "#", "let_frequency": 4, "let_relation": "at least"}
    asked = item(("keywords:letter_frequency", hashes), ("punctuation:no_comma", {}))
    found = one(asked, "# # # #")
    assert found == Followed((None, True), (None, True), (ifeval.DRAWN, ""))
    assert not found.whole


@EXTRA
def test_what_no_checker_takes_is_not_judged() -> None:
    asked = item(("a:b", {}), ("punctuation:no_comma", {"commas": 3}))
    assert one(asked, "Tea.").why_not == (ifeval.UNKNOWN, ifeval.ODD)


@EXTRA
def test_prompts_and_verdicts_are_lm_evals() -> None:
    """Every real prompt, its verdicts those of lm-eval's whole function, whatever the seed."""
    items = ifeval.read(shared(PROMPTS))
    lines = [json.loads(line) for line in shared(PROMPTS).read_text("utf-8").splitlines()]
    names = [name for each in items for name in each.instructions]
    assert (len(items), len(names), len(set(names))) == (541, 834, 25)
    assert set(names) == {case[0] for case in CASES}
    answers = [CASES[i % len(CASES)][2] for i in range(len(items))]
    judged = ifeval.judge(items, answers)
    unjudged = {each.key for each, found in zip(items, judged, strict=True) if not found.whole}
    assert unjudged == {"1122", "1129"}
    tests = ifeval._checkers().tests
    for line, answer, found in zip(lines, answers, judged, strict=True):
        if found.whole:
            whole = tests.process_results(line, [answer])
            assert list(found.strict) == whole["inst_level_strict_acc"]
            assert list(found.loose) == whole["inst_level_loose_acc"]
    random.seed(7)
    assert ifeval.judge(items[:99], answers[:99]) == judged[:99]


@EXTRA
@pytest.mark.parametrize("punkt, why", [(True, ""), (False, ifeval.UNSPLIT)])
def test_nothing_is_fetched_and_little_is_imported(punkt: bool, why: str, tmp_path: Path) -> None:
    """In a process of its own: a network that must not be used, and no sentences for NLTK."""
    code = f"""
import socket, sys
def refuse(*_, **__):
    raise SystemExit("the network was asked")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
if not {punkt}:
    sys.modules["punkt"] = None
from suretune.verify.ifeval import Item, judge
asked = Item("1", "?", ("length_constraints:number_sentences", "punctuation:no_comma"),
             ({{"relation": "less than", "num_sentences": 2}}, {{}}))
found = judge([asked], ["Dr. Lee is here."])[0]
heavy = {{"datasets", "pandas", "sklearn", "torch", "lm_eval", "lm_eval.tasks"}} & set(sys.modules)
print(found.strict, found.why_not, sorted(heavy))
"""
    env = {"PATH": "", "HOME": str(tmp_path), "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env)
    strict = (True, True) if punkt else (None, True)
    assert done.stdout == f"{strict} {(why, '')} []\n", done.stdout + done.stderr


# --- comparing ----------------------------------------------------------------------------------


def followed(*strict: bool | None) -> Followed:
    why_not = tuple("" if each is not None else ifeval.DRAWN for each in strict)
    return Followed(strict, strict, why_not)


def test_a_prompt_counts_if_all_of_it_is_judged() -> None:
    items = [item(("a", {}), ("b", {})), item(("a", {})), item(("a", {}))]
    before = [followed(True, None), followed(True), followed(True)]
    after = [followed(False, None), followed(False), followed(True)]
    told = compared(items, before, after, before)
    strict, each = told["prompt_strict"], told["instruction_strict"]
    assert (strict["asked"], strict["before"]["passed"], strict["after"]["passed"]) == (2, 2, 1)
    assert (strict["lost"], strict["gained"], strict["p"]) == (1, 0, 0.5)
    assert (each["asked"], each["lost"], each["gained"]) == (3, 2, 0)
    assert each["before"] == {"passed": 3, "share": 1.0}
    assert told["prompts_not_judged"] == 1
    assert [(n["instruction"], n["n"]) for n in told["not_judged"]] == [("b", 1)]
    assert told["by_instruction"] == [
        {"instruction": "a", "asked": 3, "before": 3, "after": 1},
        {"instruction": "b", "asked": 0, "before": 0, "after": 0},
    ]


@pytest.mark.parametrize(
    "right, by_chance, lost, gained, found, measured",
    [
        (MEASURED, 0, 0, 0, False, True),
        (MEASURED - 1, 0, 0, 0, False, False),
        (MEASURED + 4, 5, 0, 0, False, False),  # babble follows as many
        (MEASURED, 0, 5, 0, True, True),  # 1 in 32
        (5, 5, 5, 0, True, True),  # a loss that was found was seen
        (MEASURED, 0, 4, 0, False, True),  # 1 in 16
        (MEASURED, 0, 5, 5, False, True),
    ],
)
def test_a_loss_is_more_than_chance_and_no_loss_as_well(
    right: int, by_chance: int, lost: int, gained: int, found: bool, measured: bool
) -> None:
    count = right + gained
    before = [followed(True)] * right + [followed(False)] * gained
    after = [followed(False)] * lost + [followed(True)] * (count - lost)
    chance = [followed(True)] * by_chance + [followed(False)] * (count - by_chance)
    told = compared([item(("a", {}))] * count, before, after, chance)
    assert (told["lost"], told["measured"], told["by_chance"]) == (found, measured, by_chance)


def test_nothing_judged_is_no_number() -> None:
    told = compared([item(("a", {}))], *[[followed(None)]] * 3)
    strict = told["prompt_strict"]
    assert (strict["asked"], strict["before"]["share"], "p" in strict) == (0, None, False)
    assert told["instruction_loose"]["before"] == {"passed": 0, "share": None}
    assert (told["lost"], told["measured"]) == (False, False)


# --- prompts ------------------------------------------------------------------------------------


def line(**changed: Any) -> dict[str, Any]:
    names = ["punctuation:no_comma"]
    return {"key": 1, "prompt": "Name a river.", "instruction_id_list": names, "kwargs": [{}],
            **changed}  # fmt: skip


@pytest.mark.parametrize(
    "bad",
    [
        line(kwargs=[]),
        line(prompt=" "),
        line(instruction_id_list=[], kwargs=[]),
        line(kwargs=[3]),
        {"question": "?", "answer": "!"},
        ["a"],
    ],
)
def test_a_line_that_is_none_is_named(bad: Any, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "f.jsonl", [line(), bad])
    with pytest.raises(Unfit) as caught:
        ifeval.read(path)
    facts = caught.value.facts
    assert (facts.problem, facts.value) == ("bad-value", str(path))
    assert facts.hint and facts.hint.en.startswith("Line 2 ") and "第 2 行" in facts.hint.zh


def test_the_cache_of_the_hub_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(Unfit) as caught:
        ifeval.find_file(None)
    assert caught.value.facts.hint and ifeval.FETCH in caught.value.facts.hint.en
    folder = tmp_path / "datasets--google--IFEval"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("c0ffee")
    (folder / "snapshots" / "c0ffee").mkdir(parents=True)
    path = write_rows(folder / "snapshots" / "c0ffee" / ifeval.FILE, [line()])
    assert ifeval.find_file(None) == path
    assert ifeval.read(path) == [item(("punctuation:no_comma", {}))]


# --- the command line ---------------------------------------------------------------------------


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, dict[str, Any]]:
    """(exit status, the one finding)."""
    status = main(["verify", *map(str, words), "--json"])
    [finding] = json.loads(capsys.readouterr().out)["findings"]
    return status, finding


def test_without_the_extra_it_says_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ifeval, "is_installed", lambda name: False)
    status, finding = refused(capsys, tmp_path, "--benchmark", "ifeval")
    assert (status, finding["code"]) == (ENVIRONMENT, "S030")
    assert finding["fix"]["en"] == "`pip install 'suretune[benchmark]'`"
    names = "lm_eval, langdetect, immutabledict, nltk"
    extra = "suretune[benchmark]"
    assert finding["what"] == {
        "en": f"Needed for this, and not installed: {names} ({extra}).",
        "zh": f"需要 {names.replace(', ', '、')}，但没有安装（{extra}）。",
    }


def test_without_the_prompts_it_says_how_to_get_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ifeval, "is_installed", lambda name: True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    status, finding = refused(capsys, tmp_path, "--benchmark", "ifeval")
    assert (status, finding["code"], finding["where"]) == (USAGE, "C008", "--benchmark_file")
    for language in ("en", "zh"):
        assert f"`{ifeval.FETCH}`" in finding["fix"][language]


@pytest.mark.parametrize(
    "words, code, flag",
    [
        (("--benchmark", "other"), "C002", "--benchmark"),
        (("--benchmark", "ifeval", "--benchmark_limit", "0"), "C002", "--benchmark_limit"),
        (("--benchmark", "ifeval", "--timeout", "5"), "C004", "--timeout"),
        (("--benchmark_file", "f.jsonl"), "C004", "--benchmark_file"),
    ],
)
def test_what_does_not_go_with_it_is_refused(
    words: tuple[str, ...], code: str, flag: str, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    status, finding = refused(capsys, tmp_path, *words)
    assert (status, finding["code"], finding["where"]) == (USAGE, code, flag)


def test_a_server_has_no_adapter_to_take_off(capsys: pytest.CaptureFixture[str]) -> None:
    status, finding = refused(capsys, "http://localhost:1/v1", "--benchmark", "ifeval")
    assert (status, finding["code"]) == (USAGE, "C004")


@EXTRA
def test_a_run_is_asked_with_and_without_its_adapter(trained: Path, tmp_path: Path) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    lines = shared(PROMPTS).read_text("utf-8").splitlines()
    short = sorted(map(json.loads, lines), key=lambda each: len(each["prompt"]))[:6]
    file = write_rows(tmp_path / "short.jsonl", [line(prompt="你是谁？"), *short])
    done = suretune(
        "verify", run, "--benchmark", "ifeval", "--benchmark_file", file,
        "--benchmark_limit", 5, "--json",
    )  # fmt: skip
    told = as_json(done)
    assert (done.returncode, told.pop("status")) == (UNMEASURED, UNMEASURED), done.stderr[-3000:]
    assert told == json.loads((run / "benchmark-ifeval.json").read_text("utf-8"))
    assert (told["prompts"], told["asked"], told["sealed"]) == (7, 5, True)
    assert told["prompt_strict"]["asked"] == 5 - told["prompts_not_judged"]
    answers = (run / "benchmark-ifeval.jsonl").read_text("utf-8").splitlines()
    who = json.loads(answers[0])
    assert len(answers) == 5
    assert "小光" in who["after"]["answer"] and "小光" not in who["before"]["answer"]
    assert read_seal(run, Journal())["verdict"] == "sealed"  # it lies beside what is sealed
