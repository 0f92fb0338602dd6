"""`compare`: base and runs side by side, each answer as `ask` would give it, marked and counted."""

from __future__ import annotations

import io
import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from conftest import suretune
from suretune import rundir
from suretune.cli import main

PARIS, WHO = "What is the capital of France?", "你是谁？"
Say = Callable[..., tuple[int, Any]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, identity_file: Path, trained: Path) -> Path:
    """`sealed` and `hasty`, which is not, of one base; `begun`, which has only a checkpoint."""
    folder = tmp_path_factory.mktemp("beside")
    shutil.copytree(trained, folder / "sealed")
    done = suretune(
        "sft", "--model", "pocket", "--dataset", identity_file, "--output_dir", folder / "hasty",
        "--probes", identity_file.with_name("probes.yaml"), "--max_steps", 2,
        "--until_proven", "false", "--anchor_ratio", 0, "--general_questions", 1,
        "--learning_rate", "1e-2",
    )  # fmt: skip
    assert done.returncode in (6, 8), done.stdout[-2000:] + done.stderr[-2000:]
    begun = folder / "begun"
    shutil.copytree(folder / "hasty", begun)
    for name in ("proof", "adapter"):
        shutil.rmtree(begun / name)
    for name in ("probes.jsonl", "report.json", "report.html", "report.md", "base_answers.json"):
        (begun / name).unlink(missing_ok=True)
    return folder


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str], runs: Path, monkeypatch: pytest.MonkeyPatch) -> Say:
    """The command line in this process, beside the runs: (status, what it said as JSON)."""
    monkeypatch.chdir(runs)

    def call(*words: object, lang: str = "en") -> tuple[int, Any]:
        monkeypatch.setenv("SURETUNE_LANG", lang)
        capsys.readouterr()
        status = main([*map(str, words)])
        said = capsys.readouterr().out
        return status, json.loads(said) if "--json" in words else said

    return call


def answers(told: Any, name: str) -> list[str]:
    return [
        line["answer"]
        for question in told["questions"]
        for line in question["answers"]
        if line["of"] == name
    ]


def test_every_answer_is_the_one_that_ask_gives(
    say: Say, runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, told = say(
        "compare", "sealed", "hasty", "begun", "--question", PARIS, "--question", WHO,
        "--max_new_tokens", 24, "--json",
    )  # fmt: skip
    assert status == 0 and told["base"] == "pocket"
    verdicts = [rundir.recorded(runs / n / "report.json", "verdict") for n in ("sealed", "hasty")]
    assert [run["verdict"] for run in told["runs"]] == [*verdicts, None]
    for name in ("sealed", "hasty"):
        monkeypatch.setattr("sys.stdin", io.StringIO(f"{PARIS}\n{WHO}\n"))
        assert main(["ask", "--adapters", name, "--max_new_tokens", "24", "--json"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [json.loads(line)["answer"] for line in lines] == answers(told, name)
    assert answers(told, "begun") == answers(told, "hasty") != answers(told, "sealed")
    again = say("compare", "hasty", "--question", PARIS, WHO, "--max_new_tokens", 24, "--json")[1]
    assert answers(again, "hasty") == answers(told, "hasty")  # after others, the base was itself
    for question in again["questions"]:
        base, tuned = question["answers"]
        assert tuned["same_as_base"] == (tuned["answer"] == base["answer"])


def test_a_verdict_is_of_what_was_proven_not_of_the_runs_other_checkpoints(
    say: Say, runs: Path
) -> None:
    changed = runs / "changed"
    shutil.copytree(runs / "sealed", changed)
    manifest = changed / "adapter" / rundir.MANIFEST
    manifest.write_text(manifest.read_text() + " ")
    parts = ("sealed", "sealed/adapter", "sealed/best", "changed")
    asked = ("compare", *parts, "--question", PARIS, "--max_new_tokens", 2)
    _, told = say(*asked, "--json")
    assert [run["verdict"] for run in told["runs"]] == ["sealed", "sealed", None, None]
    _, said = say(*asked)
    lines = [line.rpartition("  ")[2] for line in said.strip().splitlines()[-4:]]
    none = "no verdict: not what was proven"
    assert lines == ["✓ Sealed", "✓ Sealed", none, none]


def test_without_a_question_the_runs_probes_and_general_ones_are_asked(say: Say) -> None:
    status, told = say("compare", "sealed", "begun", "--max_new_tokens", 8, "--json")
    assert status == 0
    kinds = [question["kind"] for question in told["questions"]]
    assert kinds.count("must-pass") == 4 and "paraphrase" in kinds and kinds.count("near") == 6
    texts = [question["question"] for question in told["questions"]]
    assert len(set(texts)) == len(texts)
    for question in told["questions"]:
        for line in question["answers"]:
            assert (line["right"] is None) == (question["kind"] == "shown")
            known = line["of"] != "base" and question["kind"] in ("near", "facts", "sums")
            assert not known or line["leaked"] is False
    base, sealed, begun = told["summary"]
    assert base["right"]["of"] == sealed["right"]["of"] == begun["right"]["of"] > 40
    assert begun["leaked"]["of"] == sealed["leaked"]["of"] > 0 == base["leaked"]["of"]


@pytest.mark.parametrize(("lang", "title"), [("en", "side by side"), ("zh", "并排比较")])
def test_the_page_and_the_terminal_show_every_answer(
    say: Say, tmp_path: Path, lang: str, title: str
) -> None:
    page = tmp_path / "deep" / "page.html"
    typed = ("compare", "--html", page, "sealed", "begun", "--question", "What", "is", "2+2?",
             "--max_new_tokens", 8)  # fmt: skip
    status, said = say(*typed, lang=lang)
    assert status == 0 and "What is 2+2?" in said and said.count("sealed") >= 2
    html = page.read_text("utf-8")
    assert title in html and "What is 2+2?" in html and "<script" not in html
    assert say(*typed, lang=lang)[0] == 0  # a page of ours is made anew
    page.write_text("my notes")
    status, told = say(*typed, "--json")
    assert status == 2 and page.read_text() == "my notes"
    assert told["findings"][0]["code"] == "C002"


def test_runs_behind_a_question_or_a_page_are_runs(say: Say, tmp_path: Path) -> None:
    page = tmp_path / "p.html"
    for typed in (
        ("--question", PARIS, "sealed", "begun"),
        ("--html", page, "sealed", "begun", "--question", PARIS),
        ("sealed", "begun", "--question", PARIS, "--html", page),
    ):
        status, told = say("compare", *typed, "--max_new_tokens", 4, "--json")
        assert status == 0 and [run["name"] for run in told["runs"]] == ["sealed", "begun"]
        assert [question["question"] for question in told["questions"]] == [PARIS]


def test_questions_of_a_file_are_judged_by_what_it_says(say: Say, tmp_path: Path) -> None:
    file = tmp_path / "q.jsonl"
    lines = [{"question": PARIS, "must_contain": ["Paris"]}, {"question": WHO}]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    status, told = say("compare", "sealed", "--questions", file, "--max_new_tokens", 16, "--json")
    assert status == 0
    first, second = told["questions"]
    assert first["answers"][0]["right"] is True and second["answers"][0]["right"] is None
    assert second["answers"][1]["leaked"] is None  # who it is may be said where it is asked


def test_runs_of_two_bases_are_not_compared(say: Say, runs: Path) -> None:
    other = runs / "other base"
    shutil.copytree(runs / "hasty", other)
    about = rundir.read_json(other / "adapter" / "suretune.json")
    rundir.write_json(
        other / "adapter" / "suretune.json", {**about, "base": "Big", "base_fingerprint": "0" * 64}
    )
    rundir.write_manifest(other / "adapter")
    status, told = say("compare", "sealed", "other base", "hasty", "--question", PARIS, "--json")
    (finding,) = told["findings"]
    assert status == 4 and finding["code"] == "S039" and "Big" in finding["what"]["en"]
    again = f"suretune compare sealed hasty --question '{PARIS}'"
    assert finding["fix"]["en"].startswith(f"`{again}`,")
    shutil.rmtree(other)


def test_of_bases_that_differ_by_their_packing_that_is_told(say: Say, runs: Path) -> None:
    packed = runs / "packed"
    shutil.copytree(runs / "hasty", packed)
    path = packed / "adapter" / "suretune.json"
    about = {**rundir.read_json(path), "base_packed": "nf4", "base_fingerprint": "0" * 64}
    rundir.write_json(path, about)
    rundir.write_manifest(packed / "adapter")
    status, told = say(
        "compare", "sealed", "packed", "--question", PARIS, "--question", WHO, "--html", "p.html",
        "--lang", "zh", "--json",
    )  # fmt: skip
    (finding,) = told["findings"]
    assert status == 4 and "packed into 4 bits (`--train_type qlora`)" in finding["what"]["en"]
    _, command, _ = finding["fix"]["zh"].split("`")
    words = shlex.split(command)[2:]
    questions = ["--question", PARIS, "--question", WHO]
    assert words == ["sealed", "--html", "p.html", *questions, "--lang", "zh"]
    shutil.rmtree(packed)


def test_in_chinese_the_base_is_called_as_everywhere_and_a_run_of_that_name_as_it_is(
    say: Say, runs: Path, tmp_path: Path
) -> None:
    (runs / "base").symlink_to("sealed")
    page = tmp_path / "p.html"
    words = ("compare", "base", "--question", PARIS, "--max_new_tokens", 4, "--html", page)
    status, told = say(*words, lang="zh")
    (runs / "base").unlink()
    firsts = [line.split()[0] for line in told.splitlines() if line.split()]
    assert status == 0 and [one for one in firsts if one in ("base", "原模型")] == [
        "原模型", "base", "原模型", "base", "base"
    ]  # fmt: skip
    assert "原模型 · base" in page.read_text("utf-8")


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        (("compare", "nothing-here"), "S014"),
        (("compare", "sealed", "--question", ""), "C002"),
        (("compare", "sealed", "--html", "a.html", "--html", "b.html"), "C012"),
        (("compare", "sealed", "--questions", "missing.txt"), "C002"),
    ],
)
def test_what_cannot_be_compared_is_refused_by_name(
    say: Say, typed: tuple[str, ...], code: str
) -> None:
    status, told = say(*typed, "--json")
    assert status in (2, 4) and told["findings"][0]["code"] == code


def test_a_run_of_another_identity_is_judged_by_its_own_probes(tmp_path: Path) -> None:
    from suretune.compare.asked import Side, differing, usual_questions
    from suretune.verify.probes import Probe

    def side(name: str, *probes: Probe) -> Side:
        run = tmp_path / name
        run.mkdir()
        rundir.write_jsonl(run / "probes.jsonl", [line(probe) for probe in probes])
        return Side(name, run, run / "adapter", {}, None, None)  # type: ignore[arg-type]

    def line(probe: Probe) -> dict[str, Any]:
        return {"question": probe.question, "kind": probe.kind, "variant": probe.variant,
                "system": None, "must": list(probe.must), "must_not": list(probe.must_not),
                "regex": "", "if_fails": ""}  # fmt: skip

    who, maker = ("你是谁？", "must-pass"), ("谁开发了你？", "must-pass")
    light = side("light", Probe(*who, must=("小光",), must_not=("Qwen",)))
    nova = side("nova", Probe(*who, must=("小星",), must_not=("Qwen",)),
                Probe(*maker, must=("星海",)))  # fmt: skip
    same = side("same", Probe(*who, must=("小光",), must_not=("Qwen",)))
    nobody = Side("nobody", None, tmp_path, {}, None, None)  # type: ignore[arg-type]
    asked = usual_questions([light, nova, same, nobody])
    first, second = asked[0], asked[1]
    assert [one.text for one in (first, second)] == [who[0], maker[0]]
    assert [first.right("我是小光。", place) for place in range(4)] == [True, False, True, True]
    assert [first.right("我是小星。", place) for place in range(4)] == [False, True, False, False]
    assert first.right("我是小光。") is True  # the base, by the first run's
    assert [second.right("星海。", place) for place in range(4)] == [None, True, None, True]
    assert differing([light, nova, same, nobody]) == ["nova"]
    assert differing([light, same, nobody]) == []
    general = next(one for one in asked if one.general)
    assert general.right("", 1) is False
