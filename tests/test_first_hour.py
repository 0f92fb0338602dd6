"""The first hour: init, check, explain and help as a newcomer meets them, in both languages."""

from __future__ import annotations

import json
import os
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from rich.cells import cell_len

from conftest import write_rows
from suretune import rundir, words
from suretune.cli import VERBS, main
from suretune.cli.parse import parse
from suretune.cli.verbs import OWN
from suretune.config import Resolved
from suretune.guards import all_guards, judge
from suretune.guards.finding_by_words import by_words, page_of
from suretune.preflight.again import command_of
from suretune.prepare.naming import languages_meant, names_meant, quoted
from suretune.retention import LONGER, SHORTER, Used
from suretune.run.onward import (
    WEAKER,
    change_for,
    next_commands,
    once_mended,
    updates_enough,
    used_in,
)
from test_guards import PROOF

BOTH = ("zh", "en")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in ("SURETUNE_LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def rows_of(file: Path) -> list[str]:
    return [json.loads(line)["output"] for line in file.read_text("utf-8").splitlines()]


# --- init ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (["Star", "Lab"], ["Star Lab"]),
        (["小", "光", "亮"], ["小 光 亮"]),
        (["星海实验室", "Star", "Lab"], ["星海实验室", "Star Lab"]),
        (["Star", "Lab", "星海", "实验室"], ["Star Lab", "星海 实验室"]),
        (["Star", "星海", "Lab"], ["Star 星海 Lab"]),
        (["小光", "小亮"], ["小光 小亮"]),
        (["O'Neil", "Labs", "&", "Co"], ["O'Neil Labs & Co"]),
    ],
)
@pytest.mark.parametrize("flag", ["--name", "--author"])
def test_a_name_that_lost_its_quotes_stops_with_the_quotes_written_in(
    said: list[str], meant: list[str], flag: str, capsys: pytest.CaptureFixture[str]
) -> None:
    other = {"--name": "--author", "--author": "--name"}[flag]
    assert main(["init", "identity", flag, *said, other, "Glow", "小光", "--json"]) == 2
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert finding["code"] == "C018" and not list(Path().iterdir())
    typed = shlex.split(finding["fix"]["en"].split("`")[1])
    at = typed.index(flag) + 1
    assert typed[at : at + len(meant)] == meant
    assert main(typed[1:]) == 0  # obeyed, it works, and says the names back
    out = capsys.readouterr().out
    assert all(name in out for name in meant) and rows_of(Path("identity.jsonl"))


def test_two_names_go_to_their_languages_wherever_they_stand(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert names_meant(["Glow", "小光"], BOTH) == ("小光", "Glow")
    assert names_meant(["小光", "Glow"], ("en", "zh")) == ("Glow", "小光")
    assert names_meant(["Glow", "Glow"], BOTH) == names_meant(["Glow"], BOTH) == ("Glow",)
    assert quoted(["小光", "Glow"], BOTH) == ["小光", "Glow"]
    said = ["init", "identity", "--name", "Glow", "小光", "--author", "星海实验室", "Star Lab"]
    assert main([*said, "--lang", "zh,en"]) == 0
    out = capsys.readouterr().out
    assert "小光 / 星海实验室" in out and "Glow / Star Lab" in out
    assert "60" in out and "50" in out
    told = rows_of(Path("identity.jsonl"))
    assert not any("Glow" in row and "星海" in row for row in told)
    assert out.rstrip().splitlines()[-1].startswith("suretune sft --model pocket --dataset")


def test_a_chinese_name_alone_makes_chinese_rows_alone() -> None:
    assert languages_meant((), {"--name": ["小光"], "--author": ["星海"]}) == ("zh",)
    assert languages_meant((), {"--name": ["小光"], "--author": ["Star Lab"]}) == BOTH
    assert languages_meant(("en，zh",), {"--name": ["小光"]}) == ("en", "zh")
    assert main(["init", "identity", "--name", "小光", "--author", "星海"]) == 0
    assert all(re.search("[\u4e00-\u9fff]", row) for row in rows_of(Path("identity.jsonl")))


def test_files_that_are_there_are_left_and_another_folder_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = ["init", "identity", "--name", "Glow", "--author", "Star Lab"]
    assert main(said) == 0
    before = Path("identity.jsonl").read_bytes()
    capsys.readouterr()
    assert main([*said, "--json"]) == 4
    (finding,) = json.loads(capsys.readouterr().out)["findings"]
    assert finding["code"] == "S040" and Path("identity.jsonl").read_bytes() == before
    elsewhere, onward = finding["fix"]["zh"].split("`")[1::2]
    assert main(shlex.split(elsewhere)[1:]) == 0
    assert Path("identity-2/identity.jsonl").read_bytes() == before
    assert main(["check", *shlex.split(onward)[2:]]) == 0


# --- check --------------------------------------------------------------------------------------


def test_a_check_ends_with_a_verdict_and_the_command_of_its_own_flags(
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = write_rows(Path("my rows.jsonl"), [{"instruction": f"{i}?", "output": "A."}
                                              for i in range(20)])  # fmt: skip
    Path("o.yaml").write_text("lora_rank: 4\n")
    flags = ["--model", "pocket", "--dataset", str(rows), "--system", "-v 'x'", "--lr=1e-3",
             "--config", "o.yaml", "--preview", "0"]  # fmt: skip
    if main(["check", "--lang", "zh", *flags]) != 0:
        pytest.fail(capsys.readouterr().out)
    lines = capsys.readouterr().out.rstrip().splitlines()
    typed = shlex.split(lines[-1])
    assert typed[:2] == ["suretune", "sft"] and lines[-2] == "下一步："
    assert any(line.startswith("✓ 检查通过") for line in lines)
    (verb,) = [v for v in VERBS if v.name == "sft"]
    again = parse(verb, typed[2:], OWN.get("sft", {}))
    before = parse(verb, flags, OWN.get("sft", {}))
    assert not again.faults and again.file == "o.yaml"
    assert again.resolved.with_values("flag", preview=0).config == before.resolved.config


def test_a_check_that_refuses_says_so_last(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "--model", "pocket", "--dataset", "gone.jsonl", "--lang", "en"]) == 3
    lines = capsys.readouterr().out.rstrip().splitlines()
    assert lines[-1] == "  suretune explain D001 --lang en"
    assert any(line.startswith("✗ `sft` would not start: D001") for line in lines)


# --- after a failure ----------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["R002", "R003", "R004", "R014", "R006", "T001"])
@pytest.mark.parametrize("made", [3, 40])
def test_after_a_failure_the_next_command_changes_something(
    code: str, made: int, tmp_path: Path
) -> None:
    from suretune.run.folder import write_config

    asked = Resolved.default().with_values(
        "flag", model="pocket", dataset=("r.jsonl",), output_dir="out", num_train_epochs=3.0
    )
    settled = asked.with_values("auto: usual", learning_rate=0.002)
    change = change_for([f"{code} x"], settled, 256, 40, made, back=3 * (code == "T001"))
    assert change is not None
    run = tmp_path / "out"
    run.mkdir()
    write_config(run / "config.yaml", settled)
    rundir.write_json(run / "run.json", {"folder": str(tmp_path)})
    kept = {"option": change.option, "value": change.value, "why": {"en": "a", "zh": "b"}}
    stopped = code.startswith("T")
    nexts = once_mended(run, kept, [code]) if stopped else next_commands(
        run, "not-verified", kept, [code])  # fmt: skip
    typed = shlex.split(nexts[0]["command"])
    (verb,) = [v for v in VERBS if v.name == "sft"]
    again = parse(verb, typed[2:], {})
    assert typed[:2] == ["suretune", "sft"] and not again.faults
    assert again.resolved.config.run.output_dir == "out-2"
    same = again.resolved.with_values("flag", output_dir="out")
    assert same.config != asked.config and same.origins[change.option] == "flag"
    assert command_of("sft", same) != command_of("sft", asked)


def test_after_a_divergence_no_rate_is_offered_that_was_tried() -> None:
    """The run itself went down to a 64th; where rows are to blame, it did not."""
    asked = Resolved.default().with_values("flag", learning_rate=0.01)
    for code in ("T006 diverged", "T001 non-finite"):
        change = change_for([code], asked, 576, 32, 3, back=3)
        assert change is not None and (change.option, change.value) == ("learning_rate", 1e-4)
    assert change_for(["T001 non-finite"], asked, 576, 32, 3) is None
    change = change_for(["R016 drifted"], asked, 576, 32, 32, back=2)  # an eighth
    assert change is not None and (change.option, change.value) == ("learning_rate", 0.0013)
    change = change_for(["R016 drifted"], asked, 576, 32, 32)
    assert change is not None and change.value == 0.005


def test_a_rate_that_was_far_too_small_is_what_is_changed() -> None:
    asked = Resolved.default().with_values("flag", learning_rate=1e-5)
    change = change_for(["R003 probes-failed"], asked, 256, 40, 40)
    assert change and change.option == "learning_rate" and change.value > 1e-3
    assert change_for(["R018 forgetting-not-measured"], asked, 256, 40, 40) is None


@pytest.mark.parametrize(
    ("before", "least", "after", "updates"),
    [
        (2.5, 1.5, 2.6, 10),  # it fell and rose: as long as it fell
        (2.5, None, 2.6, 20),  # it never fell: half as long
        (0.0852, 0.09, 0.1217, 20),  # of a small loss that is much
        (2.5, 2.49, 2.51, None),  # it stayed as it was: longer
        (2.5, None, 2.5, None),
        (2.5, None, float("nan"), 20),
    ],
)
@pytest.mark.parametrize("length", ["num_train_epochs", "max_steps", "budget"])
def test_where_held_out_rows_got_worse_advice_and_next_command_say_the_same(
    before: float, least: float | None, after: float, updates: int | None, length: str
) -> None:
    decided = {
        "num_train_epochs": {"num_train_epochs": 8.0},
        "max_steps": {"max_steps": 40},
        "budget": {"budget": "10m"},
    }
    asked = Resolved.default().with_values("flag", model="pocket", **decided[length])
    settled = asked.with_values("auto: usual", learning_rate=0.002)
    if length == "budget":
        settled = settled.with_values("auto: cut", max_steps=40)
    facts = replace(PROOF, held_out_before=before, held_out_after=after,
                    held_out_least=least, held_out_least_step=10)  # fmt: skip
    facts = replace(facts, used=used_in(settled, found=[facts]))
    (finding,) = (found for found in judge(facts) if found.code == "R006")
    assert bool(facts.used.too_much) == (updates is not None)
    enough = updates_enough(facts, 40)
    change = change_for(["R006 x"], settled, 256, 40, 40, enough=enough)
    assert enough == updates and change is not None and change.option == length
    longer = {"num_train_epochs": 16.0, "max_steps": 80, "budget": "20m"}
    shorter = {
        "num_train_epochs": (updates or 0) / 5,
        "max_steps": updates,
        "budget": f"{(updates or 0) / 4:g}m",
    }
    assert change.value == (longer if updates is None else shorter)[length]
    more, less = (said[length] for said in (LONGER, SHORTER))
    for lang in ("en", "zh"):
        fix, grows, shrinks = (getattr(t, lang).lower() for t in (finding.fix, more, less))
        assert (grows in fix, shrinks in fix) == (updates is None, updates is not None)


def test_a_single_update_that_was_too_much_is_made_at_half_the_rate() -> None:
    asked = Resolved.default().with_values("flag", max_steps=1, learning_rate=0.01)
    change = change_for(["R006 x"], asked, 256, 1, 1, enough=0)
    assert change is not None and (change.option, change.value) == ("learning_rate", 0.005)


def test_a_budget_that_cut_a_run_is_what_is_changed_and_no_two_runs_advise_each_other() -> None:
    """Fewer updates have a higher usual rate: half of the one that was chosen looked too small."""
    asked = Resolved.default().with_values("flag", model="pocket", budget="1.5m")
    first = asked.with_values("auto: cut", learning_rate=1.8e-3, max_steps=15)
    change = change_for(["R004 x", "R019 x"], first, 256, 15, 15)
    assert change and (change.option, change.value) == ("learning_rate", 9e-4)
    second = first.with_values("flag", learning_rate=change.value)
    change = change_for(["R019 x"], second, 256, 16, 16)
    assert change and (change.option, change.value) == ("budget", "3m")
    by_steps = second.with_values("flag", max_steps=16)
    change = change_for(["R019 x"], by_steps, 256, 16, 16)
    assert change and (change.option, change.value) == ("max_steps", 32)


def test_what_advice_has_to_know_of_a_run_is_what_it_was_trained_with() -> None:
    asked = Resolved.default().with_values("flag", anchor_ratio=0.75, anchor_loss="kl")
    assert used_in(asked) == Used(anchors=True)
    cut = asked.with_values("auto: cut", max_steps=15, anchor_ratio=0.6, anchors_per_row=3.0)
    assert used_in(cut, 0.9) == Used(per_row=3.0, dose=0.9, length="budget")
    given = asked.with_values("flag", max_steps=15, general=("a.jsonl",), anchor_loss="ce")
    given = given.with_values("flag", split_dataset_ratio=0.2)
    assert used_in(given) == Used(length="max_steps", general=True, apart=True)


def test_what_only_leaked_is_held_by_more_anchors_not_by_a_lower_rate() -> None:
    asked = Resolved.default().with_values("auto: usual", learning_rate=2e-3, anchor_ratio=0.75)
    change = change_for(["R014 general-leaks"], asked, 576, 120, 120)
    assert change and (change.option, change.value) == ("anchors_per_row", 2.0)
    three = asked.with_values("auto: usual", anchors_per_row=3.0)
    change = change_for(["R014 general-leaks"], three, 576, 120, 120)
    assert change and (change.option, change.value) == ("anchors_per_row", 6.0)
    none = asked.with_values("flag", anchor_ratio=0.0)
    change = change_for(["R014 general-leaks"], none, 576, 120, 120)
    assert change and (change.option, change.value) == ("anchor_ratio", 0.75)
    change = change_for(["R004 skills-lost", "R014 general-leaks"], three, 576, 120, 120)
    assert change and change.option == "learning_rate"


def test_what_only_leaked_is_published_weaker_where_the_probes_pass_there() -> None:
    asked = Resolved.default().with_values("auto: usual", anchor_ratio=0.75, anchors_per_row=3.0)
    change = change_for(["R014 general-leaks"], asked, 576, 80, 80, weaker=0.9)
    assert change and (change.option, change.value) == ("adapter_dose", 0.9)
    whole = asked.with_values("auto: all of it", adapter_dose=1.0)
    change = change_for(["R014 general-leaks"], whole, 576, 80, 80)
    assert change and (change.option, change.value) == ("adapter_dose", WEAKER)
    change = change_for(["R003 probes-failed", "R014 general-leaks"], whole, 576, 80, 80)
    assert change and change.option == "anchors_per_row", "less of it would answer still less"
    said = asked.with_values("flag", adapter_dose=1.0)
    change = change_for(["R014 general-leaks"], said, 576, 80, 80)
    assert change and change.option == "anchors_per_row"
    lost = ["R004 skills-lost", "R014 general-leaks"]
    rate = asked.with_values("auto: usual", learning_rate=5e-4)
    change = change_for(lost, rate, 576, 80, 80, weaker=0.9)
    assert change and change.option == "learning_rate"


# --- words --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("env", "spoken"),
    [
        ({}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C.UTF-8"}, "en"),
        ({"LANG": "C.UTF-8", "LANGUAGE": "zh_CN:en"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LANGUAGE": "en_US:zh"}, "en"),
        ({"LANG": "de_DE.UTF-8", "LANGUAGE": "de:fr"}, "en"),
        ({"SURETUNE_LANG": "zh_CN.UTF-8", "LANGUAGE": "en"}, "zh"),
        ({"SURETUNE_LANG": "Chinese"}, "zh"),
        ({"SURETUNE_LANG": "cn"}, "zh"),
        ({"SURETUNE_LANG": "EN_us", "LANG": "zh_CN"}, "en"),
        ({"SURETUNE_LANG": "klingon", "LANG": "zh_TW"}, "zh"),
    ],
)
def test_the_language_is_found_where_it_is_wished(
    env: dict[str, str], spoken: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    words.choose(None)
    assert words.language() == spoken
    words.choose("zh-CN")
    assert words.language() == "zh"
    words.choose(None)


@pytest.mark.parametrize(
    ("typed", "env", "named"),
    [
        (["explain", "D003"], "klingon", "`SURETUNE_LANG` is `klingon`"),
        (["--help"], "klingon", "`SURETUNE_LANG` is `klingon`"),
        (["trian"], "fr_FR.UTF-8", "`SURETUNE_LANG` is `fr_FR.UTF-8`"),
        (["--lang", "fr", "--help"], "en", "`--lang` is `fr`"),
        (["SURETUNE_LANG=fr", "explain", "D003"], "", "`SURETUNE_LANG` is `fr`"),
        (["explain", "D003"], "zh_CN", ""),
        (["explain", "D003", "--lang", "en"], "klingon", ""),
        (["explain", "D003"], " ", ""),
    ],
)
def test_a_language_that_is_not_known_is_said_once_with_those_that_are(
    typed: list[str],
    env: str,
    named: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SURETUNE_LANG", env)
    monkeypatch.setattr(os, "environ", os.environ.copy())
    main(typed)
    words.choose(None)
    told = capsys.readouterr()
    assert "not known" not in told.out
    assert told.err.count("not known: `en` or `zh`") == (1 if named else 0)
    assert named in told.err


@pytest.mark.parametrize("guard", all_guards(), ids=lambda g: g.code)
def test_a_page_is_in_one_language(guard: object, capsys: pytest.CaptureFixture[str]) -> None:
    code = guard.code  # type: ignore[attr-defined]
    page = page_of(code)
    assert page and page.zh.startswith(f"{code} ") and page.en.startswith(f"{code} ")
    assert "What it looks at" in page.en and "检查内容" in page.zh
    assert "检查内容" not in page.en and "Why it matters" not in page.zh


FOUND = {
    "过拟合": {"R010", "R012", "R013"}, "显存": {"S019", "T004"}, "OOM": {"S019"},
    "显存不足": {"S019"}, "loss nan": {"T001"}, "NaN": {"T001", "R005"},
    "forgetting": {"R004", "R018"}, "灾难性遗忘": {"R004", "R018"}, "repeats": {"D015", "S023"},
    "复读机": {"S023"}, "乱码": {"D002", "D026"}, "学习率": {"S024"}, "learning rate": {"S024"},
    "磁盘": {"S016"}, "overfitting": {"R012", "R013"}, "截断": {"D004", "D025"},
}  # fmt: skip


@pytest.mark.parametrize("asked", FOUND)
@pytest.mark.parametrize("lang", ["en", "zh"])
def test_explain_finds_by_words(asked: str, lang: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", *asked.split(), "--lang", lang]) == 0
    out = capsys.readouterr().out
    listed = set(re.findall(r"\b([CDPSTRV]\d{3})\b", out))
    assert FOUND[asked] & listed, listed
    assert bool(re.search("[\u4e00-\u9fff]", out)) == (lang == "zh")
    words.choose(None)


EXPLAINED = {  # what is asked: status, whether there is a page, the first guard, the nearest
    "R003": (0, True, "R003", 0), "probes-failed": (0, True, "R003", 0),
    "CUDA out of memory": (0, True, "S019", 0), "seal": (0, True, "V002", 0),
    "learning rate": (0, False, "S024", 0), "": (0, False, "C001", 0), "D999": (2, False, None, 5),
}  # fmt: skip


@pytest.mark.parametrize("asked", EXPLAINED)
def test_explain_gives_json_where_it_is_asked_for(
    asked: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["explain", *asked.split(), "--json"])
    said = capsys.readouterr()
    told = json.loads(said.out)
    assert list(told) == ["status", "asked", "page", "guards", "nearest"]
    first = told["guards"][0]["code"] if told["guards"] else None
    page, near = told["page"] is not None, len(told["nearest"])
    assert (status, page, first, near) == EXPLAINED[asked]
    assert (told["status"], told["asked"], said.err) == (status, asked, "")
    assert set(told["page"] or {"en": "", "zh": ""}) == {"en", "zh"}


def test_the_json_of_a_page_holds_the_page_that_is_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["explain", "R003", "--json"]) == 0
    page = json.loads(capsys.readouterr().out)["page"]["en"]
    assert main(["explain", "R003"]) == 0
    assert capsys.readouterr().out.split() == page.split()


@pytest.mark.parametrize("typed", [["foo", "--json"], ["foo", "--json=true"], ["--json", "foo"]])
def test_no_verb_at_all_is_told_as_json_too(
    typed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(typed) == 2
    told = json.loads(capsys.readouterr().out)
    assert (told["status"], [f["code"] for f in told["findings"]]) == (2, ["C001"])


def test_what_nobody_knows_lists_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    for asked in ("D999", "qqqq", "数据格式不对", "out-of-memry"):
        assert main(["explain", asked, "--lang", "zh"]) in (0, 2)
        said = capsys.readouterr()
        assert re.search(r"^[CDPSTRV]\d{3} ", said.out + said.err, re.M), asked
    assert by_words("") == []
    words.choose(None)


# --- help ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [40, 60, 80, 120])
@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize("verb", [None, *VERBS], ids=lambda v: v.name if v else "suretune")
def test_help_fits_the_terminal(
    verb: object, lang: str, width: int, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("COLUMNS", str(width))
    typed = ["--lang", lang, *([verb.name] if verb else []), "--help"]  # type: ignore[attr-defined]
    try:
        assert main(typed) == 0
    except SystemExit as ended:
        assert ended.code == 0
    lines = capsys.readouterr().out.splitlines()
    whole = [line for line in lines if max(map(cell_len, line.split()), default=0) <= width - 8]
    assert max(map(cell_len, whole)) <= width
    assert not [line for line in lines if line.lstrip()[:1] in tuple("，。：；）、")]
    assert not any(word in "\n".join(lines) for word in ("usage:", "options:") if lang == "zh")
    words.choose(None)


@pytest.mark.parametrize("typed", [[], ["--help"], ["explain", "D003"], ["check", "--help"]])
def test_a_reader_that_has_seen_enough_ends_nothing_badly(typed: list[str]) -> None:
    """`suretune | head -1`: no traceback, wherever the words come from."""
    import subprocess
    import sys

    asked = [sys.executable, "-m", "suretune", *typed]
    with subprocess.Popen(asked, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        said = process.stderr.read().decode()
        assert process.wait() == 0 and said == ""
