"""What an article's command costs on the screen when it is pasted: its exit status, its findings,
its lines; and the last line is the one to type next.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from suretune import words
from suretune.cli import main
from test_articles import COMMANDS
from test_typed import FORMS, bash, folder, only_checked, told

LINES, FINDINGS = 45, 12
TRAINING = [name for name, (command, _, _) in COMMANDS.items() if "swift sft" in command]
ASKING = [name for name in COMMANDS if name not in TRAINING and COMMANDS[name][1] == 4]
__all__ = ["folder"]


def screen(typed: list[str], lang: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    capsys.readouterr()
    status = main([typed[0], "--lang", lang, *typed[1:]] if typed[0] == "check" else typed)
    words.choose(None)
    return status, capsys.readouterr().out.rstrip()


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("form", ["printed", "flattened"])
@pytest.mark.parametrize("name", TRAINING)
def test_a_pasted_command_fits_a_screen_and_ends_with_what_to_type(
    name: str, form: str, lang: str, folder: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("SURETUNE_LANG", lang)
    command, expected, _ = COMMANDS[name]
    typed = only_checked(bash(FORMS[form](command.replace("/root/", ""))))
    status, out = screen(typed, lang, capsys)
    lines = out.splitlines()
    heads = re.findall(r"^[·✗] \w\d{3}", out, re.MULTILINE)
    assert status == expected
    assert len(lines) <= LINES and len(heads) <= FINDINGS, f"{len(lines)} lines\n{out}"
    assert sum(head.split()[1] in ("C005", "C015", "C017") for head in heads) <= 1
    assert re.search(r"(^|\s)(suretune|modelscope|hf) ", lines[-1]), lines[-1]
    verdict = [index for index, line in enumerate(lines) if line[:1] in ("✓", "✗")][-1]
    assert not [line for line in lines[verdict:] if line.startswith("·")]  # the verdict is last


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
