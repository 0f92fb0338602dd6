"""Probes are read as they are written; what cannot be meant, or would hang, is refused."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import yaml

from conftest import ROOT, result_of
from suretune.data.placeholders import Names
from suretune.facts import FlagFacts
from suretune.prepare.starter import probe_items
from suretune.verify.patterns import found_in
from suretune.verify.probefile import read_probes
from suretune.verify.probes import MUST_PASS, ONLY_SHOWN, PARAPHRASE, Probe

FIELD = ROOT.parent / "shared" / "field"


def probes(tmp: Path, text: str, name: str = "p.yaml", names: Names | None = None) -> list[Probe]:
    (tmp / name).write_text(text, "utf-8")
    read = result_of(read_probes, str(tmp / name), names or Names((), ()))
    assert not isinstance(read, FlagFacts), read
    return read


def refused(tmp: Path, text: str, name: str = "p.yaml") -> str:
    (tmp / name).write_text(text, "utf-8")
    read = result_of(read_probes, str(tmp / name))
    assert isinstance(read, FlagFacts) and read.hint and read.hint.zh
    return read.hint.en


@pytest.mark.parametrize(
    "word", ["9", "1.50", "007", "yes", "On", "1e3", "12:30", "2024-01-01", "-1"]
)
def test_a_word_is_text_as_it_is_written(word: str, tmp_path: Path) -> None:
    shapes = (
        "must_contain: {}",
        "must_contain: [{}, x]",
        "must_contain:\n  - {}",
        "must_contain: '{}'",
    )
    for text in (shape.format(word) for shape in shapes):
        (probe,) = probes(tmp_path, f"- question: Square of 3?\n  {text}\n")
        assert (
            probe.must[0] == word
            and probe.judge(f"It is {word}.")
            and not probe.judge("It is x?"[:5])
        )
    (probe,) = probes(tmp_path, f"question: {word}\nmust_not_contain: {word}\nsystem: {word}\n")
    assert (probe.question, probe.must_not, probe.system) == (word, (word,), word)


@pytest.mark.parametrize("name", ["p.json", "p.jsonl", "p.ndjson", "p.txt"])
def test_a_number_of_json_is_the_text_that_stands_there(name: str, tmp_path: Path) -> None:
    line = '{"question": "q", "must_contain": [9, 1.50, 1e3, true, "007"], "must_not_contain": -0}'
    (probe,) = probes(tmp_path, line, name)
    assert probe.must == ("9", "1.50", "1e3", "true", "007") and probe.must_not == ("-0",)


@pytest.mark.parametrize(
    ("typed", "kind"),
    [("must_pass", MUST_PASS), ("must-pass", MUST_PASS), ("MustPass", MUST_PASS),
     ("MUST PASS", MUST_PASS), ("mustpass", MUST_PASS), ("Paraphrase", PARAPHRASE)],
)  # fmt: skip
def test_spellings_of_a_kind_are_read_and_others_refused(
    typed: str, kind: str, tmp_path: Path
) -> None:
    (probe,) = probes(tmp_path, f"- question: q\n  must_contain: a\n  kind: {typed}")
    assert probe.kind == kind
    (probe,) = probes(
        tmp_path, json.dumps({"question": "q", "regex": "a", "kind": typed}), "p.jsonl"
    )
    assert probe.kind == kind
    for odd, near in (("must_pas", "must-pass"), ("paraphrased", "paraphrase"), ("show", "shown")):
        told = refused(tmp_path, f"- question: q\n  must_contain: a\n  kind: {odd}")
        assert f"Did you mean `{near}`?" in told and "p.yaml:1" in told
    assert "`required`" in refused(tmp_path, '{"question": "q", "kind": "required"}', "p.jsonl")


def test_an_unknown_key_is_refused_with_the_nearest(tmp_path: Path) -> None:
    told = refused(tmp_path, "- question: a\n- question: q\n  must_contian: a")
    assert "`must_contian`" in told and "Did you mean `must_contain`?" in told and ":2" in told
    (probe,) = probes(tmp_path, "- Question: q\n  must-contain: a\n  mustNotContain: b")
    assert (probe.must, probe.must_not) == (("a",), ("b",))


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("- question: q\n  must_contain: a\n  must_contain: b", "stands here and in line 2"),
        ("- question: q\n  must_contain: a\n  must-contain: b", "stands twice"),
        ("- question: [a, b]", "one text"),
        ("- question: ' '", "missing"),
        ("- must_contain: a", "missing"),
        ("- [a, b]", "expected"),
        ("- question: q\n  must_contain: {a: b}", "one text"),
        ("- question: q\n  must_contain: [[a]]", "one text"),
        ("- question: q\n  must_contain: ['', a]", "empty"),
        ("- question: q\n  must_contain: [~, a]", "empty"),
        ("- question: q\n  kind: must-pass", "must_contain"),
        ("- question: q\n  kind: shown\n  must_contain: a", "shown"),
        ("- question: q\n  must_contain: Glow\n  must_not_contain: glo", "no answer can pass"),
        ("- question: q\n  regex: '('", "regex"),
        ("- question: q\n  regex: " + "a" * 900, "500 characters"),
        ("- question: &a q\n- question: *a", "&a"),
        ("[]", "no question"),
        ("", "no question"),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, named: str, tmp_path: Path) -> None:
    assert named in refused(tmp_path, text)


@pytest.mark.parametrize(
    ("name", "text", "named"),
    [
        ("p.jsonl", '{"question": "a"}\n{"question": "b",}', "p.jsonl:2"),
        ("p.jsonl", '{"question": "a", "question": "b"}', "stands twice"),
        ("p.json", "[" * 100_000, "deeply"),
        ("p.csv", "question\na", ".csv"),
        ("p.json", '[{"question": "a"}, {"ask": "b"}]', "[2]"),
    ],
)
def test_a_file_that_is_none_is_refused_with_its_place(
    name: str, text: str, named: str, tmp_path: Path
) -> None:
    assert named in refused(tmp_path, text, name)


SLOW = [
    r"^(\w+[ ,.]*)+!$", r"(x+x+)+y", r"(a|aa)+$", r"^(a+)+$", r"^(\d+)*x$", r"(.*a){25}",
    r"^(\s+)+x",    r"(\w+\s?)+:$", r"^(([a-z])+.)+[A-Z]([a-z])+$", r"(?:a?){40}a{40}b",
]  # fmt: skip


@pytest.mark.parametrize("pattern", SLOW)
def test_a_regex_never_hangs(pattern: str, tmp_path: Path) -> None:
    """Read or refused, in seconds; and whatever the answer is, judged in a bounded time."""
    began = time.monotonic()
    path = tmp_path / "p.jsonl"
    path.write_text(json.dumps({"question": "Who are you?", "regex": pattern}))
    read = result_of(read_probes, str(path))
    if isinstance(read, FlagFacts):
        assert read.hint and "comes to no end" in read.hint.en
    for answer in ("word " * 100, "a" * 400 + "!", "x" * 400, "1" * 400, "a" * 399 + "b"):
        Probe("q", MUST_PASS, regex=pattern).judge(answer)
    assert time.monotonic() - began < 40


def test_an_answer_that_is_not_decided_in_time_does_not_pass() -> None:
    answer = "a" * 400 + "b"
    assert found_in(r"(a|aa)+$", answer, 0.1) is None
    assert Probe("q", MUST_PASS, regex=r"(a|aa)+$").judge(answer) is False


def test_ordinary_patterns_are_read(tmp_path: Path) -> None:
    for pattern in (
        r"(?i)glow",
        r"^我是.+。$",
        r"\b(Glow|Star Lab)\b",
        r"^\d{4}-\d\d$",
        r"(\w+ ){3}",
        "x+",
    ):
        (probe,) = probes(tmp_path, f"- question: q\n  regex: '{pattern}'")
        assert probe.regex == pattern
    assert Probe("q", MUST_PASS, regex="(?i)glow").judge("I am GLOW.") is True


def test_placeholders_of_probes_are_filled_in_their_language(tmp_path: Path) -> None:
    names = Names(("小光", "Glow"), ("星海", "Star Lab"))
    text = (
        "- question: Who are you?\n  must_contain: ['{{NAME}}', '{{AUTHOR}}']\n"
        "- question: 你是谁？\n  must_contain: '{{NAME}}'\n  if_fails: 它不叫{{NAME}}\n"
        "- question: 你好，{{NAME}}\n- question: Which {name}?\n"
    )
    en, zh, shown, plain = probes(tmp_path, text, names=names)
    assert en.must == ("Glow", "Star Lab") and zh.must == ("小光",) and zh.if_fails == "它不叫小光"
    assert shown.question == "你好，小光" and shown.kind == ONLY_SHOWN
    assert plain.question == "Which {name}?"
    read = result_of(read_probes, str(tmp_path / "p.yaml"))
    assert isinstance(read, FlagFacts) and read.problem == "unfilled-placeholder"


def test_names_are_whole_words_where_the_file_says_so_or_a_placeholder_stands(
    tmp_path: Path,
) -> None:
    asked = "- question: q\n  must_contain: [{}]\n  must_not_contain: Phi\n"
    innovative, sophisticated = "I'm innovative.", "A sophisticated Nova."
    (part,) = probes(tmp_path, asked.format("Nova"))
    assert part.judge(innovative) and not part.judge(sophisticated)
    for said in ("true", "Yes", "on"):
        (whole,) = probes(tmp_path, f"{asked.format('Nova')}  whole_words: {said}\n")
        assert whole.judge(sophisticated) and not whole.judge(innovative)
    (own,) = probes(tmp_path, asked.format("'{{NAME}}', help"), names=Names(("Nova",), ()))
    assert own.whole == ("Nova",) and own.judge("It's helpful.") and not own.judge(innovative)
    line = '{"question": "q", "must_contain": "Nova", "whole_words": true}'
    assert probes(tmp_path, line, "p.jsonl")[0].whole == ("Nova",)
    (whole,) = probes(
        tmp_path, "question: q\nmust_contain: Philip\nmust_not_contain: Phi\nwhole_words: true"
    )
    assert whole.judge("Philip")  # and as a part nothing could pass
    assert "true or false" in refused(tmp_path, f"{asked.format('a')}  whole_words: maybe")


def test_a_file_that_init_wrote_asks_for_whole_names(tmp_path: Path) -> None:
    items = probe_items(["Nova"], ["Star Lab"], ["en", "zh"], ("Phi", "Nova", "Star"))
    read = probes(tmp_path, yaml.safe_dump(items, allow_unicode=True))
    assert {p.must_not for p in read} == {("Phi",)}
    assert all(set(p.whole) == {*p.must, "Phi"} for p in read)
    assert not read[0].judge("I'm innovative.") and read[0].judge("A sophisticated Nova.")
    old = [{key: x for key, x in item.items() if key != "whole_words"} for item in items]
    assert probes(tmp_path, yaml.safe_dump(old, allow_unicode=True))[0].judge("I'm innovative.")


def test_text_has_one_question_a_line(tmp_path: Path) -> None:
    asked = probes(tmp_path, "Who are you?\n\n 007 \n", "p.txt")
    assert [(p.question, p.kind) for p in asked] == [("Who are you?", "shown"), ("007", "shown")]


def test_the_files_of_the_field_are_read_as_meant() -> None:
    if not FIELD.is_dir():
        pytest.skip("not here")
    typo = read_probes(str(FIELD / "mustpass" / "typo.yaml"))
    assert not isinstance(typo, FlagFacts) and {p.kind for p in typo} <= {
        MUST_PASS,
        PARAPHRASE,
        ONLY_SHOWN,
    }
    assert typo[-1].kind == MUST_PASS
    (number,) = read_probes(str(FIELD / "probes" / "num.yaml"))  # type: ignore[misc]
    assert number.must == ("9",) and number.judge("9.") is True  # type: ignore[attr-defined]
    (slow,) = read_probes(str(FIELD / "serve" / "redos.yaml"))  # type: ignore[misc]
    began = time.monotonic()
    slow.judge("word " * 100)  # type: ignore[attr-defined]
    assert time.monotonic() - began < 30


@pytest.mark.parametrize("name", ["C++ Bot", "Bob (beta)", ":("])
def test_a_name_in_a_regex_is_a_word_whatever_signs_it_has(name: str, tmp_path: Path) -> None:
    names = Names((name,), ("Lab",))
    (probe,) = probes(tmp_path, "question: Who?\nregex: 'I am {{NAME}}'\n", names=names)
    assert probe.judge(f"I am {name}.") and not probe.judge("I am Bo.")


def test_what_only_a_name_makes_impossible_is_refused(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(
        "question: Who?\nmust_contain: '{{NAME}}'\nmust_not_contain: Bot\n", "utf-8"
    )
    read = result_of(read_probes, str(tmp_path / "p.yaml"), Names(("Glow Bot",), ("Lab",)))
    assert isinstance(read, FlagFacts) and read.hint and "no answer can pass" in read.hint.en


def test_words_that_were_left_empty_are_refused(tmp_path: Path) -> None:
    assert "`must_contain` is empty" in refused(tmp_path, "question: Who?\nmust_contain:\n")


def test_a_line_of_json_ends_where_json_says(tmp_path: Path) -> None:
    line = '{"question": "a\u2028b\x85c", "must_contain": "x"}'
    (probe,) = probes(tmp_path, line + "\n", "p.jsonl")
    assert probe.question == "a\u2028b\x85c"


@pytest.mark.parametrize("mark", ["：", " ："])
def test_a_full_width_colon_makes_no_question_of_a_key(mark: str, tmp_path: Path) -> None:
    told = refused(tmp_path, f"- question{mark}Who are you?\n  must_contain{mark}Glow\n")
    assert "full-width" in told and "`question`" in told and "p.yaml:1" in told
    assert "full-width" in refused(tmp_path, f"Who?\nregex{mark}a+\n", "p.txt")
    (kept,) = probes(tmp_path, "My question： who?\n", "p.txt")
    assert kept.question == "My question： who?"


@pytest.mark.parametrize(
    "line", ["must_contain: []", "must_not_contain: []", "must_contain:", "regex: ''"]
)
def test_a_condition_without_a_word_is_none(line: str, tmp_path: Path) -> None:
    assert "is empty" in refused(tmp_path, f"- question: q\n  {line}\n")


@pytest.mark.parametrize("pattern", [".*", "(Glow)?", "a*|b", "x{0,3}", "Glow|"])
def test_a_regex_that_no_answer_fails_is_refused(pattern: str, tmp_path: Path) -> None:
    assert "no answer can fail" in refused(tmp_path, f"- question: q\n  regex: '{pattern}'\n")


@pytest.mark.parametrize("pattern", ["^(?!.*Qwen)", "^$", "Glow", "^.{0,40}$", r"\A\Z|Glow"])
def test_a_regex_that_may_be_found_in_nothing_and_fail_elsewhere_is_kept(
    pattern: str, tmp_path: Path
) -> None:
    (kept,) = probes(tmp_path, f"- question: q\n  regex: '{pattern}'\n")
    assert kept.judge("I am Qwen. " * 9) is False
