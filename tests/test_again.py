"""A command that is composed from options is the command that was meant: typed into a shell and
parsed again it gives the same options, whatever their values hold.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from conftest import write_rows
from suretune import words
from suretune.cli import VERBS, main
from suretune.cli.parse import parse
from suretune.cli.verbs import OWN
from suretune.config import Resolved, options
from suretune.preflight.again import (
    SILENT,
    command_of,
    flag,
    flags_of,
    look_again,
)
from suretune.preflight.check import check
from suretune.preflight.whole import whole_flags
from suretune.record.journal import Journal, Stopped
from suretune.sweep.search import flags
from suretune.typed import all_in_language, in_language

SFT, CHECK = (next(v for v in VERBS if v.name == name) for name in ("sft", "check"))
ODD: list[tuple[str, Any]] = [
    ("system", "-v 'quoted' \"twice\" $HOME `id` \\ end"),
    ("system", "两行\n与\t制表"),
    ("system", ""),
    ("system", "--json is said here"),
    ("system", "--"),
    ("columns", ("--=query", "b=response")),
    ("output_dir", "--"),
    ("system", "{{NAME}} # not a note"),
    ("dataset", ("-odd.jsonl", "a b.jsonl#5", "c'd.jsonl")),
    ("dataset", ("-alone.jsonl",)),
    ("model_name", ("小 光", "Star Lab")),
    ("target_modules", ("q_proj", "v_proj")),
    ("learning_rate", 0.1234567890123456),
    ("learning_rate", 1e-5),
    ("num_train_epochs", 10.0),
    ("until_proven", False),
    ("output_dir", "~/runs of mine"),
]


def as_a_shell_reads(command: str) -> list[str]:
    done = subprocess.run(
        ["bash", "-c", "suretune() { printf '%s\\0' \"$@\"; }; " + command],
        capture_output=True, check=True,
    )  # fmt: skip
    return done.stdout.decode().split("\0")[:-1]


@pytest.mark.parametrize(("name", "value"), ODD)
def test_what_is_typed_again_means_the_same(name: str, value: Any) -> None:
    asked = Resolved.default().with_values("flag", model="pocket", **{name: value})
    verb, *typed = as_a_shell_reads(command_of("sft", asked))
    again = parse(SFT, typed, {})
    assert verb == "sft" and not again.faults
    assert again.resolved.config == asked.config


def test_the_words_of_a_trial_mean_the_same_to_a_process() -> None:
    for name, value in ODD:
        asked = Resolved.default().with_values("flag", model="pocket", **{name: value})
        again = parse(SFT, flags(asked, {"lora_rank": "4"}), OWN.get("sft", {}))
        assert not again.faults
        assert again.resolved.config == asked.with_values("flag", lora_rank=4).config


def test_what_changes_nothing_is_not_typed_again_but_by_a_trial() -> None:
    none = options()["lora_dropout"].default
    asked = Resolved.default().with_values(
        "flag", model="pocket", lora_dropout=none, template="qwen", dry_run=True, lora_alpha=7
    )
    assert command_of("sft", asked) == "suretune sft --model pocket --lora_alpha 7"
    assert f"--lora_dropout={none:g}" in flags(asked, {})
    assert "template" in SILENT


OTHER_TRAINING = {
    "full": {"use_dora": True, "init_weights": "pissa", "target_modules": ("q_proj", "k_proj")},
    "lora": {"freeze_parameters_ratio": 0.5, "freeze_parameters": ("embed", "norm")},
    "qlora": {"optim": "adamw_8bit"},
}


@pytest.mark.parametrize("tuner", OTHER_TRAINING)
def test_options_of_the_other_kind_of_training_are_said_as_they_were_typed(tuner: str) -> None:
    given = OTHER_TRAINING[tuner]
    asked = Resolved.default().with_values("flag", model="pocket", tuner=tuner, **given)
    journal = Journal(verb="sft")
    journal.look_at_all(whole_flags(asked))
    journal.gather()
    (found,) = journal.findings
    typed = ", ".join(f"`{' '.join(flag(name, value))}`" for name, value in given.items())
    assert found.code == "C005"
    assert found.what.en == f"{typed}: without effect with `--train_type {tuner}`."
    assert found.parts[0].en + "." == found.what.en
    assert "not needed" not in found.title.en


@pytest.mark.parametrize("tuner", OTHER_TRAINING)
def test_options_of_the_other_kind_of_training_are_not_typed_again(tuner: str) -> None:
    asked = Resolved.default().with_values("flag", model="pocket", tuner=tuner)
    dead = asked.with_values("flag", **OTHER_TRAINING[tuner])
    assert command_of("sft", dead) == command_of("sft", asked)
    other = "lora" if tuner == "full" else "full"
    changed = command_of("sft", dead, changes={"tuner": other})
    assert parse(SFT, changed.split()[2:], {}).resolved.config == (
        dead.with_values("flag", tuner=other).config
    )


def test_a_default_that_goes_against_a_file_is_typed(tmp_path: Path) -> None:
    file = tmp_path / "my options.yaml"
    file.write_text("model: pocket\nlora_rank: 4\n", "utf-8")
    rank = options()["lora_rank"].default
    asked = parse(SFT, ["--config", str(file), "--lora_rank", str(rank)], {})
    again = parse(SFT, as_a_shell_reads(command_of("sft", asked.resolved, asked.file))[1:], {})
    assert not again.faults and again.resolved.config == asked.resolved.config
    assert again.resolved.config.lora.lora_rank == rank


def test_the_environment_stands_in_front_with_its_quotes() -> None:
    asked = Resolved.default().with_values("flag", model="pocket")
    made = command_of("check", asked, environment=("HF_HOME=/my disk", "CUDA_VISIBLE_DEVICES=0"))
    assert made == (
        "HF_HOME='/my disk' CUDA_VISIBLE_DEVICES=0 suretune check --model pocket"
    )  # fmt: skip
    assert flags_of(asked) == ["--model", "pocket"]


# --- looking at rows once more -------------------------------------------------------------------


@pytest.fixture
def language_of_before() -> Iterator[None]:
    """What a command line asked for stays with the process."""
    yield
    words.choose(None)


@pytest.mark.usefixtures("language_of_before")
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_next_look_at_rows_has_all_that_was_asked_for_and_the_cure(
    language: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = [{"text": f"Line {n}", "label": "good" if n % 2 else "bad"} for n in range(9)]
    file = write_rows(tmp_path / "two words.jsonl", rows)
    asked = ["check", "--model", "pocket", "--dataset", str(file), "--system", "你是 分类 助手",
             "--split_dataset_ratio", "0.3", "--num_train_epochs", "1"]  # fmt: skip
    assert main([*asked, "--lang", language]) == 3
    *_, last = capsys.readouterr().out.rstrip().splitlines()
    verb, *typed = as_a_shell_reads(last.strip())
    given, wanted = (parse(CHECK, words, {}) for words in (typed, asked[1:]))
    columns = ("text=query", "label=response")
    assert (verb, given.faults, typed[-2:]) == ("check", (), ["--lang", language])
    resolved = wanted.resolved.with_values("flag", columns=columns)
    assert given.resolved.config == resolved.config
    assert main(["check", *typed]) == 0


def test_columns_that_were_said_stay_beside_those_that_are_advised() -> None:
    asked = Resolved.default().with_values(
        "flag", model="pocket", dataset=("a.jsonl", "b.jsonl"), columns=("Frage=query", "x=input")
    )
    look = "suretune check --dataset b.jsonl"
    said = look_again(asked, look, ("x=query", "y z="))
    given = parse(CHECK, as_a_shell_reads(said)[1:], {}).resolved.config.data
    assert given.dataset == ("a.jsonl", "b.jsonl")
    assert given.columns == ("Frage=query", "x=query", "y z=")
    assert look_again(asked, look) == command_of("check", asked)
    alone = Resolved.default().with_values("flag", columns=("x=query",))
    assert look_again(alone, look) == look  # of a command that asked for no rows


ROWS: list[tuple[dict[str, Any], tuple[str, ...]]] = [
    ({"Frage": "a?", "die `Antwort`": "b"}, ("Frage=query", "die `Antwort`=response")),
    ({"Frage": "Wie geht es?", "Antwort": "Gut."}, ("Frage=query", "Antwort=response")),
    ({"prompt": "a", "chosen": "b", "rejected": "c"}, ("chosen=response", "rejected=")),
    ({"text": "good one", "label": "x"}, ("text=query", "label=response")),
    ({"text": "a question?", "answer": "b"}, ("text=query", "answer=response")),
]


@pytest.mark.parametrize(("row", "columns"), ROWS)
def test_advice_about_fields_hands_its_columns_over(
    row: dict[str, Any], columns: tuple[str, ...], tmp_path: Path
) -> None:
    """As they stand in the sentence, whatever a name holds, and it is right when obeyed."""
    file = write_rows(tmp_path / "rows.jsonl", [row] * 3)
    asked = Resolved.default().with_values("flag", model="pocket", dataset=(str(file),))
    journal = Journal()
    journal.again = partial(look_again, asked)
    with pytest.raises(Stopped) as stopped:
        check(asked, journal)
    (advised,) = {found.fix.en.rpartition(" with `")[2][:-2] for found in stopped.value.findings}
    assert advised == command_of("check", asked.with_values("flag", columns=columns))
    mended = parse(CHECK, as_a_shell_reads(advised)[1:], {}).resolved
    assert len(check(mended, Journal()).samples) == 3


def test_the_language_of_rows_is_not_that_of_whoever_reads_about_them() -> None:
    with words.speaking("zh"):
        words.choose("zh")
        assert in_language("suretune check") == "suretune check --lang zh"
        assert in_language("suretune init identity") == "suretune init identity"
        assert all_in_language("Mend `a`, then `cd 'x y' && suretune sft --config c`.") == (
            "Mend `a`, then `cd 'x y' && suretune sft --config c --lang zh`."
        )
        named = "`suretune infer` sends it; `suretune resume r --lang en`; `pip install suretune x`"
        assert all_in_language(named) == named
        words.choose(None)
