"""One set of words: on the screens, in the source, in the glossary, and signs that fit them."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import house
from draw_screens import SCREENS
from suretune import glossary, labels, phrases, report_words, words
from suretune.cli.watch import Watch
from suretune.events import Evaluated, Planned
from suretune.record import journal
from suretune.serve.openai import Refused
from suretune.serve.spoken import spoken
from suretune.serve.unsupported import NEUTRAL, ROUTES
from suretune.show.console import CLOSERS, OPENERS, wrapped
from suretune.show.headline import remarks
from suretune.types import Evaluation
from suretune.verify.report import html, markdown
from test_report import a_report

HOUSE = Path(glossary.__file__).parent
ROOMS = sorted({p.relative_to(HOUSE).parts[0] for p in HOUSE.rglob("*.py")})
CHINESE = re.compile("[\u4e00-\u9fff]")
# A half-width sign that touches a Chinese character; code between backquotes is left out.
BESIDE = re.compile("[\u4e00-\u9fff][,:;()?!]|[,:;()?!][\u4e00-\u9fff]")
TELLING = {"Text", "words", "option", "auto", "_term"}  # calls that hold what people read
OLD = (
    "封存", "封条", "台账", "奈特", "停止运行", "耐心值", "隔离", "偏离", "基座", "不是有限的数",
    "净丢失", "收到信号停止；", "没有通过证明", "通过证明",
)  # fmt: skip
OLD_LABELS = ("现象", "原因", "办法", "是什么", "为什么", "怎么办", "看什么", "为什么重要")
OWN = {  # suretune's own words as they stand on screens, by what the glossary calls them
    "seal": ("seal", "验证记录"),
    "sealed": ("Sealed", "sealed", "验证通过"),
    "proof": ("proof", "验证"),
    "probe": ("probe", "验证问题"),
    "must-pass probe": ("must-pass", "必过的验证问题"),
    "held-out phrasing": ("held-out paraphrases", "没学过的问法"),
    "held-out rows": ("held out", "held-out", "留出"),
    "general questions": ("general questions", "通用问题", "通用能力"),
    "net loss": ("net loss", "净损失"),
    "drift": ("drift", "与原模型的差异"),
    "leaked": ("leaked", "泄漏"),
    "near miss": ("near miss", "近似问题"),
    "broken speech": ("broken speech", "回答异常"),
    "anchors": ("anchor", "锚定问答"),
    "dose": ("dose", "适配器强度"),
    "base": ("base", "原模型"),
    "adapter": ("adapter", "适配器"),
    "ledger": ("ledger", "数据清单"),
    "finding": ("finding", "检查结果"),
    "update": ("update", "更新"),
    "patience": ("patience", "早停容忍次数"),
    "quarantine": ("quarantine", "跳过算不出结果的数据"),
    "NaN or Inf": ("NaN or Inf", "NaN 或 Inf"),
    "budget": ("budget", "时间预算"),
    "run": ("run", "运行"),
}  # fmt: skip


@cache
def strings(room: str) -> tuple[tuple[str, bool], ...]:
    """(text, whether a call holds it that people read) of every string of a room's source."""
    there = HOUSE / room
    found = []
    for path in sorted(there.rglob("*.py")) if there.is_dir() else [there]:
        tree = house.tree_of(path)
        told = {
            id(inner)
            for node in house.nodes(tree)
            if isinstance(node, ast.Call) and _name(node.func) in TELLING
            for inner in ast.walk(node)
        }
        found += [(text, id(node) in told) for node, text in _texts(tree)]
    return tuple(found)


def _name(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _texts(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Every string, what an f-string fills in as one sign."""
    inside = {id(v) for n in house.nodes(tree) if isinstance(n, ast.JoinedStr) for v in n.values}
    for node in house.nodes(tree):
        if isinstance(node, ast.JoinedStr):
            parts = (v.value if isinstance(v, ast.Constant) else "\0" for v in node.values)
            yield node, "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and type(node.value) is str and id(node) not in inside:
            yield node, node.value


def screen_text() -> str:
    return "\n".join(path.read_text("utf-8") for path in sorted(SCREENS.rglob("*.txt")))


# --- words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("room", ROOMS)
def test_no_half_width_sign_touches_a_chinese_character(room: str) -> None:
    bare = [re.sub("`[^`]*`", "`", text) for text, told in strings(room) if told]
    assert [text for text in bare if BESIDE.search(text)] == []


@pytest.mark.parametrize("room", [r for r in ROOMS if r != "glossary.py"])
def test_old_words_stand_nowhere(room: str) -> None:
    """The glossary alone knows them, so that whoever types one is led on."""
    found = {word for text, _ in strings(room) for word in OLD if word in text}
    labelled = {text for text, told in strings(room) if told and text in OLD_LABELS}
    assert not found | (labelled - {"原因"}), "a column of reasons may be called so, no label"


def test_old_words_stand_on_no_screen_and_in_no_table_of_other_tools() -> None:
    files = [*SCREENS.rglob("*.txt"), *HOUSE.rglob("*.yaml"), *HOUSE.rglob("*.js")]
    texts = {path: path.read_text("utf-8") for path in files}
    assert [(p.name, w) for p, text in texts.items() for w in OLD if w in text] == []


def test_one_set_of_labels_for_what_why_and_fix() -> None:
    shown = screen_text()
    for label in (labels.WHAT, labels.WHY, labels.FIX):
        assert label.en in shown and label.zh in shown
    assert not re.search(r"^\s*(现象|原因|办法)\s", shown, re.MULTILINE)


def test_every_word_of_our_own_is_in_the_glossary() -> None:
    shown = screen_text() + "\n".join(text for room in ROOMS for text, _ in strings(room))
    for term, spellings in OWN.items():
        assert any(word in shown for word in spellings), f"{term}: no screen says it any more"
        for word in (term, *spellings):
            if word in shown:
                found = glossary.find(word)
                assert found and found.name.en == term, word


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_the_figures_of_a_report_are_called_by_words_of_the_glossary(lang: str) -> None:
    """But for the last, how long it took, and one that says what it is instead of its name."""
    known = {getattr(term.name, lang) for term in glossary.terms()} | {
        word for term in glossary.terms() for word in term.also
    }
    words.choose(lang)
    try:
        names = [name for name, _ in report_words.figures(a_report())][:-1]
    finally:
        words.choose(None)
    for name in names:
        assert name == "answered with the rows' words" or any(word in name for word in known), name


def test_every_term_has_a_sentence_in_both_languages_and_one_name_each() -> None:
    names = [(term.name.en.casefold(), term.name.zh) for term in glossary.terms()]
    assert len({en for en, _ in names}) == len({zh for _, zh in names}) == len(names) >= 20
    for term in glossary.terms():
        assert term.about.en.endswith(".") and term.about.zh.endswith("。")
        assert CHINESE.search(term.about.zh) and not CHINESE.search(term.about.en)
        for word in (term.name.en.upper(), f" {term.name.zh} ", *term.also):
            assert glossary.find(word) is not None, word
    assert glossary.find("glow") is None


def test_the_glossary_page_is_as_the_source_says() -> None:
    page = Path(__file__).parents[1] / "docs" / "glossary.md"
    assert page.read_text("utf-8") == glossary.page()


# --- explained where they first stand -----------------------------------------------------------


@pytest.mark.parametrize(
    "lang, term, meaning",
    [("zh", "与原模型的差异（KL）", "越小越接近原模型"), ("en", "drift", "KL from the base")],
)
def test_drift_is_explained_once_on_the_way(
    lang: str, term: str, meaning: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words.choose(lang)
    try:
        watch = Watch(updates=4, every=1, bar=False)
        for step in (1, 2):
            watch.on(Evaluated(Evaluation(step, None, 3, 4, drift=0.06)))
    finally:
        words.choose(None)
    first, second = capsys.readouterr().err.strip().splitlines()
    assert term in first and meaning in first
    assert term in second and meaning not in second


@pytest.mark.parametrize(
    ("updates", "settles", "told"),
    [(40, 120, ("40 of 120", "leaks")), (40, 0, ("40 of 120",)), (120, 120, ())],
)
def test_what_a_budget_cuts_is_told_with_what_it_may_cost(
    updates: int, settles: int, told: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    watch = Watch(updates=120, every=1, bar=False)
    watch.on(Planned(updates, 120, settles))
    said = capsys.readouterr().err
    assert bool(said.strip()) == bool(told) and all(part in said for part in told)
    assert ("leaks" in said) == ("leaks" in told)


def test_drift_is_explained_beside_the_verdict() -> None:
    report = a_report() | {"general": {"drift": 0.06}}
    try:
        words.choose("zh")
        assert any("与原模型的差异（KL）0.060，越小越接近原模型" in one for one in remarks(report))
        words.choose("en")
        assert any("0 is the base itself" in one for one in remarks(report))
    finally:
        words.choose(None)


def test_the_drift_beside_the_verdict_is_the_one_that_the_proof_measured() -> None:
    on_the_way, proven = {"step": 1, "drift": 0.047}, {"drift": 0.136}
    said = remarks(a_report() | {"kept": on_the_way, "general": proven})
    drifts = [one for one in said if "Drift" in one]
    assert drifts == ["Drift (KL from the base): 0.136 nats a token; 0 is the base itself."]
    said = remarks(a_report() | {"kept": on_the_way, "general": None})
    assert [one for one in said if "Drift" in one] == []


# --- one home for what exit statuses mean ---------------------------------------------------------


def test_every_exit_status_has_words() -> None:
    statuses = {
        value for name, value in vars(journal).items() if name.isupper() and type(value) is int
    }
    assert statuses <= set(labels.STATUSES) and {129, 130, 143} <= set(labels.STATUSES)
    assert set(range(9)) <= set(labels.STATUSES)
    try:
        words.choose("en")
        assert labels.status(6) == "exit status 6: trained, not verified"
        words.choose("zh")
        assert labels.status(6) == "退出码 6：已训练，没有通过验证"
    finally:
        words.choose(None)


# --- signs ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", range(8, 60))
def test_no_line_begins_or_ends_with_a_sign_that_belongs_to_a_word(width: int) -> None:
    from rich.text import Text as Styled

    text = (
        "附近找到的有：/root/runs/first，或者 `suretune report runs/first`：见（docs/guards.md）。"
        "文件夹 models/Qwen2.5-7B-Instruct（属于某个人（pii.jsonl:1））的名字，例如 A、B。"
    )
    for line in wrapped(Styled(text), width).plain.split("\n"):
        assert line[:1] not in CLOSERS and line[-1:] not in OPENERS, (width, line)


def run_with(encoding: str, *typed: str, lang: str = "en") -> tuple[int, str, str]:
    env = {**os.environ, "PYTHONIOENCODING": encoding, "SURETUNE_LANG": lang, "NO_COLOR": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "suretune", *typed], capture_output=True, env=env, check=False
    )
    return done.returncode, done.stdout.decode(encoding), done.stderr.decode(encoding)


@pytest.mark.parametrize(
    "encoding, lang, sign", [("gbk", "zh", "×"), ("gbk", "en", "×"), ("ascii", "en", "x")]
)
def test_signs_that_a_terminal_has_not_are_said_by_others(
    encoding: str, lang: str, sign: str, tmp_path: Path
) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"query": "Hi"，"response": "Hello."}\n', "utf-8")
    status, out, _ = run_with(
        encoding, "check", "--model", "pocket", "--dataset", str(rows), lang=lang
    )
    assert status == 3 and f"{sign} D005" in out
    assert not re.search(r"\\u(2713|2717|27e6|27e7|21b5|2026|00b7|00d7)|\\x", out)


def test_a_preview_on_a_gbk_terminal_has_plain_brackets(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    made = [{"query": f"{n} 号房间在哪里？", "response": f"在 {n} 层。"} for n in range(12)]
    rows.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in made), "utf-8")
    typed = ("check", "--model", "pocket", "--dataset", str(rows), "--system", "Be brief.")
    status, out, _ = run_with("gbk", *typed, lang="zh")
    assert status == 0 and "√ 检查通过" in out and "[在 " in out and "\\u" not in out


def test_a_terminal_without_chinese_is_spoken_to_in_english_and_told() -> None:
    status, out, err = run_with("ascii", "explain", "D003", lang="zh")
    assert status == 0 and "nothing-to-learn" in out and "\\u4e" not in out
    assert "PYTHONIOENCODING=utf-8" in err


def test_json_says_the_same_whatever_the_terminal_can_say(tmp_path: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text('{"query": "Hi ✗ 😀"，"response": "⟦Hello⟧"}\n', "utf-8")
    typed = ("check", "--model", "pocket", "--dataset", str(rows), "--json")
    told = [json.loads(run_with(encoding, *typed)[1]) for encoding in ("utf-8", "ascii", "gbk")]
    assert told[0] == told[1] == told[2] and "✗" in json.dumps(told[0], ensure_ascii=False)


def test_a_language_that_there_is_not_is_refused_and_cn_is_chinese() -> None:
    status, out, _ = run_with("utf-8", "setup", "--lang", "fr")
    assert status == 2 and "`--lang` does not accept `fr`" in out and "en or zh" in out
    assert CHINESE.search(run_with("utf-8", "explain", "D003", "--lang", "cn")[1])


# --- the report -----------------------------------------------------------------------------------


def test_a_failed_report_says_what_why_and_fix_under_its_headline() -> None:
    finding = {
        "code": "R003", "name": "probes-failed", "where": "proof", "stops": True, "ignored": False,
        "what": {"en": "3 of 4 probes failed.", "zh": "4 个验证问题有 3 个没通过。"},
        "why": {"en": "It was not learned.", "zh": "没有学会。"},
        "fix": {"en": "See `suretune report runs/a`.", "zh": "见 `suretune report runs/a`。"},
    }  # fmt: skip
    report = a_report() | {
        "verdict": "not-verified", "reasons": ["R003 probes-failed"], "findings": [finding]
    }  # fmt: skip
    try:
        for lang, why in (("en", "Why"), ("zh", "影响")):
            words.choose(lang)
            top, rest = html(report).split("</header>")
            for key in ("what", "why"):
                assert finding[key][lang] in top  # type: ignore[index]
            assert why in top and "<code>suretune report runs/a</code>" in top
            assert "`suretune" not in top + rest and "<code>suretune report runs/a</code>" in rest
            assert finding["why"][lang] in markdown(report).split("\n## ")[0]  # type: ignore[index]
    finally:
        words.choose(None)


def test_a_time_has_its_zone() -> None:
    assert phrases.moment("2026-03-02T10:20:30+08:00") == "2026-03-02 10:20:30 UTC+08:00"
    assert phrases.moment("2026-03-02T10:20:30+00:00") == "2026-03-02 10:20:30 UTC"
    assert phrases.moment(None) == ""


def test_what_was_not_measured_on_the_way_is_no_cross() -> None:
    report = a_report()
    report["plan"] = {**report["plan"], "held_out": 4, "eval_steps": [4]}
    report["evals"] = [{"step": 2, "held_out_loss": None}, {"step": 4, "held_out_loss": 1.5}]
    assert 'class="cross"' not in html(report)
    report["evals"][1]["held_out_loss"] = None  # it was due, and was no number
    words.choose("en")
    try:
        page = html(report)
    finally:
        words.choose(None)
    assert 'class="cross"' in page and "✗: NaN or Inf" in page


def test_skills_and_schedules_have_chinese_names() -> None:
    words.choose("zh")
    try:
        assert labels.skill("arithmetic") == "算术"
        assert labels.category("sums") == "计算" and labels.category("sort") == "排序"
        assert [labels.language(name) for name in ("en", "all", "fr")] == ["英文", "全部", "fr"]
        assert labels.schedule("cosine") == "余弦下降（cosine）"
        assert labels.origin("flag: --bf16 / --fp16") == "由 --bf16 或 --fp16 给出"
    finally:
        words.choose(None)


# --- the server -----------------------------------------------------------------------------------


def test_what_a_server_tells_is_in_the_language_of_its_process() -> None:
    words.choose("zh")
    try:
        for english, chinese in (
            (
                "The model 'a' does not exist. There are: b, c.",
                "没有 'a' 这个模型。可用的有：b, c。",
            ),
            ("The prompt is empty.", "prompt 是空的。"),
            (
                "This server takes 9 tokens of prompt and answer together; the prompt has 12."
                " The model takes no more (--max_model_len).",
                "这个服务器的提示加回答最多 9 个 token；提示有 12 个。"
                "模型最多就这么长（--max_model_len）。",
            ),
            (
                "n is not supported: a request has one answer; ask again, with another seed.",
                "不支持 n：一个请求一个回答；换一个 seed 再问一次。",
            ),
        ):
            assert Refused(400, english).body()["error"]["message"] == chinese
    finally:
        words.choose(None)
    assert Refused(400, "The prompt is empty.").message == "The prompt is empty."


def test_every_refusal_and_line_of_the_log_has_its_chinese() -> None:
    """What is filled in is taken for a word; what begins with one is known with what it is."""
    words.choose("zh")
    try:
        untold = [
            text
            for text in _refusals()
            if not text.startswith("WORD") and not CHINESE.search(spoken(text))
        ]
    finally:
        words.choose(None)
    assert untold == []


def _refusals() -> Iterator[str]:
    hosts = (HOUSE / "deploy" / name for name in ("run_server.py", "prove_adapters.py"))
    for path in [*(HOUSE / "serve").glob("*.py"), *hosts]:
        for node in house.nodes(house.tree_of(path)):
            if not isinstance(node, ast.Call):
                continue
            name = _name(node.func)
            said = (
                node.args[1:2] if name == "Refused" else node.args[:1] if name == "spoken" else []
            )
            for one in said:
                if isinstance(one, ast.Constant):
                    yield str(one.value)
                elif isinstance(one, ast.JoinedStr):
                    parts = (v.value if isinstance(v, ast.Constant) else "WORD" for v in one.values)
                    yield "".join(map(str, parts))
    yield from (*(reason for _, reason in NEUTRAL.values()), *ROUTES.values())
