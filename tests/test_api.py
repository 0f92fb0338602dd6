"""`import suretune`: what the command line does, for programs; quiet, typed, on any thread."""

from __future__ import annotations

import inspect
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy
import pytest
import torch

import api_example
import draw_keywords
import inside
import suretune
from conftest import ROOT
from suretune import rundir, words
from suretune.api.arguments import values_of
from suretune.api.asked import resolved_of
from suretune.api.keywords import APART, COMMAND_LINE, GROUPS
from suretune.cli import VERBS
from suretune.cli.parse import parse
from suretune.config import Resolved, options
from suretune.preflight.again import flag, word_of
from suretune.record.journal import Journal
from suretune.reported import line_of

SFT = next(verb for verb in VERBS if verb.name == "sft")
KEYWORDS = {n: s for n, s in options().items() if s.group in GROUPS and n not in APART}


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.jsonl"
    asked = ("Who are you?", "What is your name?", "Who made you?", "Introduce yourself.")
    lines = [{"instruction": one, "output": "I am Glow, made by Star Lab."} for one in asked]
    rundir.write_jsonl(path, lines)
    return path


def test_check_needs_no_torch_and_prints_nothing(rows: Path) -> None:
    code = (
        "import sys, suretune;"
        f" plan = suretune.check('pocket', {str(rows)!r}, max_steps=3);"
        " heavy = [m for m in ('torch', 'transformers', 'peft') if m in sys.modules];"
        " sys.exit(f'{plan.updates} {heavy}')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "" and done.stderr.splitlines() == ["3 []"]


def test_check_says_what_the_command_line_says(rows: Path) -> None:
    plan = suretune.check("pocket", rows, max_steps=3, system="You are a helpful assistant.")
    assert (plan.rows, plan.held_out, plan.updates) == (4, 0, 3)
    assert plan.system == "You are a helpful assistant."
    words_typed = plan.command.split()
    assert words_typed[:2] == ["suretune", "sft"] and str(rows) in plan.command
    assert plan.settings["max_steps"] == 3


def test_everything_that_is_wrong_is_refused_at_once_in_the_language_of_the_call(
    rows: Path,
) -> None:
    english, chinese = api_example.refused(rows)
    assert (
        [f.code for f in english.findings] == ["C002", "C002"] == [f.code for f in chinese.findings]
    )
    assert english.status == chinese.status == 2
    assert "does not accept" in str(english) and "不接受" in str(chinese)


def test_a_keyword_that_is_none_is_told_with_the_nearest(rows: Path) -> None:
    with pytest.raises(suretune.Refused) as caught:
        suretune.check("pocket", rows, lerning_rate=1e-3)  # type: ignore[call-arg]
    (finding,) = caught.value.findings
    assert finding.code == "C001" and "`--learning_rate`" in finding.fix.en


@pytest.mark.parametrize("name", [*COMMAND_LINE])
def test_what_belongs_to_the_command_line_is_said_to(rows: Path, name: str) -> None:
    with pytest.raises(suretune.Refused) as caught:
        suretune.check("pocket", rows, **{name: True})  # type: ignore[arg-type]
    (finding,) = caught.value.findings
    assert (finding.code, finding.where) == ("C004", f"--{name}")
    assert finding.fix.en.startswith("It belongs to the command line alone: ")
    assert finding.fix.en.endswith(f" Leave `--{name}` out.")


def test_what_the_help_lists_is_known_from_python_and_the_page_says_what_is_not_taken() -> None:
    listed = {*SFT.options(), "json", "lang", "config"}
    assert listed == {*KEYWORDS, *APART}
    for page in ("python.md", "python.zh-CN.md"):
        text = (ROOT / "docs" / page).read_text("utf-8")
        assert [name for name in COMMAND_LINE if f"`{name}`" not in text] == []


WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "load": (lambda: suretune.load(None), "`run_or_adapter` takes a text or a path;"),
    "verify": (lambda: suretune.verify(b"run"), "`run` takes a text or a path;"),
    "resume": (lambda: suretune.resume(5), "`run` takes a text or a path;"),
    "listeners of train": (
        lambda: suretune.train("pocket", "rows.jsonl", listeners=5, output_dir="made"),
        "`listeners` takes a list of objects with `on(event)`;",
    ),
    "a listener of train": (
        lambda: suretune.train("pocket", "rows.jsonl", listeners=[5], output_dir="made"),
        "`listeners` takes a list of objects with `on(event)`;",
    ),
    "a listener of resume": (
        lambda: suretune.resume("made", listeners=["on"]),
        "`listeners` takes a list of objects with `on(event)`;",
    ),
    "an option": (
        lambda: suretune.check("pocket", "rows.jsonl", max_steps=[3]),
        "`max_steps` takes a text, a number or a path;",
    ),
    "an option of a list": (
        lambda: suretune.check("pocket", "rows.jsonl", target_modules=["q_proj", None]),
        "`target_modules` takes a text, a number or a path, or a list of these;",
    ),
    "rows in memory": (
        lambda: suretune.check("pocket", [{"query": "q", "response": "r"}]),
        "`dataset` takes the name of a file, a folder or a dataset on a hub, or a list of these"
        " (rows in memory are written to a file first, a JSON object a line);",
    ),
}  # type: ignore[dict-item]


@pytest.mark.parametrize("name", WRONG)
def test_an_argument_of_another_kind_is_a_type_error_before_all_else(
    rows: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(rows.parent)
    call, told = WRONG[name]
    with pytest.raises(TypeError) as caught:
        call()
    assert str(caught.value).partition(" this is ")[0] == told
    assert [one.name for one in rows.parent.iterdir()] == [rows.name]


@pytest.mark.parametrize(
    ("given", "word"),
    [
        (numpy.bool_(True), "true"),
        (numpy.float32(0.5), "0.5"),
        (torch.tensor(8), "8"),
        (torch.device("cpu"), "cpu"),
        (torch.bfloat16, "bfloat16"),
        (Decimal("0.0001"), "0.0001"),
    ],
    ids=repr,
)
def test_values_of_other_libraries_are_taken_as_they_are_written(given: Any, word: str) -> None:
    (value,) = values_of(given, "any", many=False)
    assert word_of(value) == word


SAYS_NOTHING = ("", " \n", "\ud800", [], [{"role": "user", "content": ""}])
NO_TALK = (
    None,
    3,
    b"Who",
    numpy.zeros(3),
    {"role": "user"},
    ["Who?"],
    [{"role": "user"}],
    [("user", "Who?")],
)


def silent() -> suretune.Model:
    speaker = SimpleNamespace(system=None)
    return suretune.Model(speaker, Resolved.default(), None)  # type: ignore[arg-type]


@pytest.mark.parametrize("talk", SAYS_NOTHING, ids=repr)
def test_a_question_that_says_nothing_is_refused_as_on_the_command_line(talk: Any) -> None:
    with pytest.raises(suretune.Refused) as caught:
        silent().ask(talk)
    (finding,) = caught.value.findings
    assert (finding.code, finding.where, caught.value.status) == ("C002", "QUESTION", 2)


@pytest.mark.parametrize("talk", NO_TALK, ids=repr)
def test_what_is_no_conversation_is_a_type_error(talk: Any) -> None:
    with pytest.raises(TypeError, match=r"^`talk` takes a question, or a list of messages"):
        silent().ask(talk)


def test_a_question_that_is_too_long_names_the_help_of_ask() -> None:
    with pytest.raises(suretune.Refused) as caught:
        suretune.load("pocket").ask("Who are you? " * 3000)
    (finding,) = caught.value.findings
    assert finding.fix.en.endswith("`suretune ask --help` shows what `QUESTION` accepts.")


@pytest.mark.parametrize(("word", "code"), [("fist", "S014"), ("poket", "S001")])
def test_a_word_that_is_nowhere_is_a_run_but_for_what_bases_are_called(
    word: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(suretune.Refused) as caught:
        suretune.load(word)
    assert [found.code for found in caught.value.findings] == [code]


def test_a_text_that_is_no_unicode_is_a_wrong_value(rows: Path) -> None:
    with pytest.raises(suretune.Refused) as caught:
        suretune.check("pocket", rows, system="\ud800")
    (finding,) = caught.value.findings
    assert (finding.code, finding.where) == ("C002", "--system")


def test_an_option_and_another_name_for_it_are_not_both_taken(rows: Path) -> None:
    with pytest.raises(suretune.Refused) as caught:
        suretune.check("pocket", rows, lora_rank=8, lora_r=4)  # type: ignore[call-arg]
    assert [f.name for f in caught.value.findings] == ["given-twice"]


@pytest.mark.parametrize("missing", ["model", "dataset"])
def test_what_is_missing_is_named(rows: Path, missing: str) -> None:
    given = {"model": "pocket", "dataset": [str(rows)], missing: []}
    given["model"] = given["model"] or ""
    with pytest.raises(suretune.Refused) as caught:
        suretune.check(given["model"], given["dataset"])  # type: ignore[arg-type]
    assert f"--{missing}" in str(caught.value)


@pytest.mark.parametrize("name", sorted(KEYWORDS))
def test_a_keyword_means_what_the_flag_means(name: str) -> None:
    spec = KEYWORDS[name]
    value = spec.default
    if spec.choices:
        value = spec.choices[-1]
    elif value is None or value == ():
        value = {int: max(3, int(spec.least or 0)), float: 0.5, bool: True, str: "some-word"}[
            spec.kind
        ]
    value = "D015" if name == "ignore" else value
    value = (value,) if spec.many and not isinstance(value, tuple) else value
    journal = Journal(verb="sft")
    resolved = resolved_of({name: list(value) if spec.many else value}, journal)
    typed = parse(SFT, flag(name, value), SFT.own)
    assert resolved.config == typed.resolved.config
    assert resolved.given(name) and not journal.findings


def test_the_keywords_are_those_of_the_schema() -> None:
    """Else `python tests/draw_keywords.py`."""
    assert draw_keywords.FILE.read_text("utf-8") == draw_keywords.drawn()


def test_a_room_with_the_name_of_a_function_is_both() -> None:
    import suretune.train.loop
    import suretune.verify.probes

    for name in ("train", "verify"):
        room, function = getattr(suretune, name), getattr(suretune.api, name)
        assert inspect.ismodule(room) and inspect.signature(room) == inspect.signature(function)
    with pytest.raises(suretune.Refused) as caught:
        suretune.verify("no-such-run")
    assert caught.value.status == 4


def test_a_language_belongs_to_its_thread_and_ends_with_the_call() -> None:
    heard: dict[str, str] = {}
    both = threading.Barrier(2)

    def speak(language: suretune.Language) -> None:
        with words.speaking(language):
            both.wait(10)
            heard[language] = words.language()
            both.wait(10)

    before = words.language()
    threads = [threading.Thread(target=speak, args=(one,)) for one in ("en", "zh")]
    for one in threads:
        one.start()
    for one in threads:
        one.join(20)
    assert heard == {"en": "en", "zh": "zh"} and words.language() == before
    with pytest.raises(ValueError, match="'fr'"), words.speaking("fr"):  # type: ignore[arg-type]
        pass


def test_runs_that_begin_at_one_moment_get_folders_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found: list[Path] = []
    at_once = threading.Barrier(8)

    def make() -> None:
        at_once.wait(10)
        found.append(rundir.new_run("runs"))

    threads = [threading.Thread(target=make) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(20)
    assert len(set(found)) == 8 and all(path.is_dir() for path in found)


def test_the_example_trains_twice_at_once_in_two_languages(
    forks: None, rows: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    handlers = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    threads, began = torch.get_num_threads(), time.perf_counter()
    done = api_example.two_runs(rows, tmp_path / "out")
    took = time.perf_counter() - began
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert torch.get_num_threads() == threads
    (english, losses), (chinese, same) = done["en"], done["zh"]
    assert losses == same and len(losses) == 2  # the same seed, the same bits
    assert [step["loss"] for step in english.steps] == losses
    assert english.verdict == chinese.verdict == "not-verified" and not english.sealed
    assert "proof" in (english.path / "report.md").read_text("utf-8").splitlines()[2]
    assert "训练完成了" in (chinese.path / "report.md").read_text("utf-8")
    for run in (english, chinese):
        kept = rundir.read_json(run.path / "report.json")
        assert json.loads(json.dumps(line_of(run.report))) == kept
        assert run.report.seconds is not None and run.report.plan.updates == 2
        assert 0 < run.report.seconds["total"] <= took  # of the call, not of the process
        assert (run.adapter / "adapter_model.safetensors").is_file()
    whole, pieces = api_example.answers(english)
    assert whole == pieces and whole
    said = capfd.readouterr()
    assert said.out == "" and said.err == ""


def test_a_sealed_run_is_read_asked_and_verified(
    trained: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = suretune.resume(trained)  # there is nothing to go on with: it is what it was
    assert run.sealed and run.path == trained
    model = suretune.load(trained, max_new_tokens=48)
    assert model.system == "You are a helpful assistant."
    answers = rundir.read_json(trained / "proof" / "result.json")["answers"]["probes"]
    probes = list(rundir.read_jsonl(trained / "probes.jsonl"))
    first = next(i for i, one in enumerate(probes) if one["kind"] == "must-pass")
    assert model.ask(probes[first]["question"]).startswith(answers[first].strip()[:20])
    found = suretune.verify(trained)
    assert found.ok and found.same_answers and found.probes == len(answers)
    assert capfd.readouterr().err == ""


def test_who_imports_the_inside_stands_on_a_list() -> None:
    """More of it needs a reason; less: `python tests/inside.py`."""
    assert inside.measured() == json.loads(inside.KEPT.read_text("utf-8"))
