"""What an article's command costs on the screen when it is pasted: its exit status, its findings,
its lines, and what it comes to; and the last line is the one to type next.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import draw_articles
from suretune import words
from suretune.cli import main
from test_articles import COMMANDS
from test_typed import FORMS, bash, folder, only_checked, told

LINES, FINDINGS = 45, 12
FROM_A_HUB = 20  # lines more, where it is told what came from a hub
TRAINING = [name for name, (command, _, _) in COMMANDS.items() if "swift sft" in command]
ASKING = [name for name in COMMANDS if name not in TRAINING and COMMANDS[name][1] == 4]
KEPT: dict[str, dict[str, Any]] = json.loads(draw_articles.RESULTS.read_text("utf-8"))
__all__ = ["folder"]


def screen(typed: list[str], lang: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    capsys.readouterr()
    status = main([typed[0], "--lang", lang, *typed[1:]] if typed[0] == "check" else typed)
    words.choose(None)
    return status, capsys.readouterr().out.rstrip()


@pytest.fixture(scope="module")
def place() -> Iterator[tuple[Path, dict[str, str]]]:
    """The files and the hub that the articles' commands name, and the environment for them."""
    with tempfile.TemporaryDirectory() as made, draw_articles.world(Path(made)) as env:
        yield Path(made), env


# Each form of a command in one language; in the other one as a long test.
HEARD = [("printed", "zh"), ("flattened", "en")]
OTHERWISE = [
    (form, lang)
    for form in draw_articles.FORMS
    for lang in draw_articles.LANGUAGES
    if (form, lang) not in HEARD
]


@pytest.mark.parametrize(("form", "lang"), HEARD)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_pasted_command_costs_what_the_page_says(
    name: str, form: str, lang: str, place: tuple[Path, dict[str, str]]
) -> None:
    """From the paste to what `check` says; a question, to what is said where there is no run."""
    with draw_articles.typed_in(*place):
        status, out = draw_articles.screen(draw_articles.looked_at(name, form), lang)
    costs, kept = draw_articles.counted(status, out), KEPT[name][form][lang]
    if name in TRAINING:
        fits_a_screen(out, LINES + FROM_A_HUB * ("D044" in costs["findings"]))
        assert costs == kept, out
    else:  # it names the folder in which it was typed, and lines break where they may
        assert costs["lines"] <= kept["lines"] + 2
        assert {**costs, "lines": 0} == {**kept, "lines": 0}, out


@pytest.mark.parametrize(("form", "lang"), OTHERWISE)
@pytest.mark.parametrize("name", COMMANDS)
def test_in_the_other_language_it_costs_what_the_page_says(
    name: str, form: str, lang: str, place: tuple[Path, dict[str, str]]
) -> None:
    test_a_pasted_command_costs_what_the_page_says(name, form, lang, place)


@pytest.mark.parametrize("name", TRAINING)
def test_the_command_with_which_a_check_ends_is_that_very_run(
    name: str, place: tuple[Path, dict[str, str]]
) -> None:
    """Pasted in turn: the same plan, and nothing left to be mended."""
    with draw_articles.typed_in(*place):
        asked = draw_articles.looked_at(name, "flattened")
        first = json.loads(draw_articles.screen([*asked, "--json"], "en")[1])
        _, out = draw_articles.screen(asked, "en")
        again = bash(out.splitlines()[-1])
        at = again.index("suretune") + 1
        status, out = draw_articles.screen([*again[:at][:-1], "check", *again[at + 1 :]], "en")
        last = json.loads(draw_articles.screen(["check", "--json", *again[at + 1 :]], "en")[1])
    heads = draw_articles.counted(status, out)["findings"]
    assert status == 0 and not [code for code in heads if code[0] == "C"], out
    assert last["plan"] == first["plan"]


def test_both_forms_of_a_command_are_one_run(place: tuple[Path, dict[str, str]]) -> None:
    with draw_articles.typed_in(*place):
        for name in (TRAINING[0], TRAINING[-1], "3 §3.2 with its comments"):
            assert draw_articles.same_run(name), name


ENDED = [name for name, kept in KEPT.items() if kept["kind"] == "trains" and kept["end"]]


@pytest.mark.parametrize("name", ENDED)
def test_a_pasted_command_comes_to_the_verdict_that_the_page_says(name: str) -> None:
    """Minutes each: the verdict, and that of the command with which its screen ends."""
    told, kept = draw_articles.to_the_end(name), KEPT[name]["end"]
    for was, now in ((kept, told), (kept.get("advised", {}), told.get("advised", {}))):
        for part in ("status", "verdict", "reasons", "findings"):
            assert now.get(part) == was.get(part), (name, part)


def test_the_page_says_every_command() -> None:
    assert list(KEPT) == list(COMMANDS)
    for name, kept in KEPT.items():
        assert kept["kind"] == draw_articles.kind(name)
        assert kept["end"] is None or kept["end"]["status"] in (0, 4, 6)


def fits_a_screen(out: str, most: int = LINES) -> None:
    """A screen's lines and findings, what was mended in one note, and the verdict last."""
    lines = out.splitlines()
    heads = re.findall(r"^[·✗] \w\d{3}", out, re.MULTILINE)
    assert len(lines) <= most and len(heads) <= FINDINGS, f"{len(lines)} lines\n{out}"
    assert sum(head.split()[1] in ("C005", "C015", "C017") for head in heads) <= 1
    assert re.search(r"(^|\s)(suretune|modelscope|hf) ", lines[-1]), lines[-1]
    verdict = [index for index, line in enumerate(lines) if line[:1] in ("✓", "✗")][-1]
    assert not [line for line in lines[verdict:] if line.startswith("·")]  # the verdict is last


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("form", ["printed", "flattened"])
@pytest.mark.parametrize("name", [name for name in TRAINING if COMMANDS[name][1]])
def test_a_pasted_command_whose_hub_is_away_fits_a_screen_and_ends_with_what_to_type(
    name: str, form: str, lang: str, folder: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("SURETUNE_LANG", lang)
    command, expected, _ = COMMANDS[name]
    typed = only_checked(bash(FORMS[form](command.replace("/root/", ""))))
    status, out = screen(typed, lang, capsys)
    assert status == expected
    fits_a_screen(out)


@pytest.mark.parametrize("name", ASKING)
def test_a_pasted_question_to_a_run_that_is_not_there_is_one_finding(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command, expected, codes = COMMANDS[name]
    for form in ("printed", "flattened"):
        status, out = screen(bash(FORMS[form](command.replace("/root/", ""))), "zh", capsys)
        assert status == expected and codes == set(re.findall(r"^✗ (\w\d{3})", out, re.MULTILINE))
        assert len(out.splitlines()) <= 20


def test_what_is_one_note_on_the_screen_is_whole_in_json(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = only_checked(bash(FORMS["flattened"](COMMANDS["1 §4 the command"][0])))
    _, found = told(typed, capsys)
    assert {"C005", "C015", "C017"} <= set(found)
    parts = [part["zh"] for code in ("C017", "C005", "C015") for part in found[code]["parts"]]
    _, out = screen(typed, "zh", capsys)
    flat = re.sub(r"\s+", "", out)
    assert parts and all(re.sub(r"\s+", "", part) in flat for part in parts)
    settings = {one["name"]: one for one in found[""]["settings"]}
    assert settings["lora_rank"]["origin"] == "flag"
    assert settings["split_dataset_ratio"]["origin"].startswith("auto: ")
    assert settings["eval_steps"]["value"] == 2  # as it was mended


def test_a_note_with_a_flag_of_every_kind_stays_one_note(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Other flags than the articles': of other tools, harmless, never there, with odd signs."""
    typed = [
        "check", "--model", "pocket", "--dataset", "self_cognition.json", "——lora_rank", "４",
        "--logging_dir", "tb", "--packing", "true", "--template", "qwen", "--eval_steps", "500",
        "--use_loss_scale_sampler", "true", "--attn_impl", "flash_attn", "--model_name", "x",
    ]  # fmt: skip
    status, out = screen(typed, "zh", capsys)
    heads = re.findall(r"^[·✗] (.*?)  ", out, re.MULTILINE)
    notes = [head for head in heads if head.startswith("C")]
    assert status == 0 and len(notes) == 1 and "C017" in notes[0] and "C015" in notes[0]
    for flag in ("lora_rank", "logging_dir", "packing", "template", "eval_steps",
                 "use_loss_scale_sampler", "attn_impl", "model_name"):  # fmt: skip
        assert f"--{flag}" in out
