"""Options arrive as they were written, once each, and within what they can mean."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT, write_rows
from suretune import words
from suretune.cli import VERBS, main
from suretune.cli.parse import Command, parse
from suretune.config import Resolved, options
from suretune.run.folder import read_config, write_config

FIELD = ROOT.parent / "shared" / "field"
CHECK = next(verb for verb in VERBS if verb.name == "check")
GOOD = [{"query": f"Sort {n} 1 2", "response": f"1 2 {n}"} for n in range(12)]


def of_file(tmp: Path, text: str, *more: str) -> Command:
    (tmp / "c.yaml").write_text(text, "utf-8")
    return parse(CHECK, ["--config", str(tmp / "c.yaml"), *more], {})


def problems(command: Command) -> list[str]:
    return [fault.problem for fault in command.faults]


def value(command: Command, name: str) -> Any:
    return {n: v for n, v, _ in command.resolved.items()}[name]


def run(capsys: pytest.CaptureFixture[str], *typed: object) -> tuple[int, dict[str, Any]]:
    status = main([*map(str, typed), "--json"])
    words.choose(None)
    return status, json.loads(capsys.readouterr().out.strip().splitlines()[-1])


TEXTS = (
    "On", "NO", "yes", "True", "007", "1_000", "12:30", "2024-01-01", "1e3", "1.50", "0x1F", "小光",
)  # fmt: skip


@pytest.mark.parametrize("word", TEXTS)
def test_a_text_in_a_file_is_the_text_behind_a_flag(word: str, tmp_path: Path) -> None:
    """Names, authors, prompts and paths: no word becomes a number, a date or a truth."""
    for name in ("model", "system", "output_dir", "probes"):
        command = of_file(tmp_path, f"{name}: {word}\n")
        assert not command.faults and value(command, name) == word
        assert value(parse(CHECK, [f"--{name}", word], {}), name) == word
    for name in ("model_name", "model_author", "dataset"):
        for text in (
            f"{name}: {word}",
            f"{name}: [{word}]",
            f"{name}:\n- {word}",
            f"{name}: '{word}'",
        ):
            command = of_file(tmp_path, text)
            assert not command.faults and value(command, name) == (word,)
    assert value(of_file(tmp_path, f"model_name: [小光, {word}]"), "model_name") == ("小光", word)


def test_nothing_in_a_list_of_names_is_a_word(tmp_path: Path) -> None:
    assert value(of_file(tmp_path, "model_name: [小光, Null]"), "model_name") == ("小光", "Null")
    assert value(of_file(tmp_path, "model_name: [~, no]"), "model_name") == ("~", "no")
    assert value(of_file(tmp_path, "system: 'null'"), "system") == "null"
    command = of_file(tmp_path, "system: null\nprobes: ~\nskills:\n")  # as if they were not there
    assert not command.faults and not command.resolved.given("system")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("learning_rate: 1e-4", 1e-4), ("learning_rate: 1.0E-4", 1e-4), ("learning_rate: .5", 0.5),
        ("max_length: 1_000", 1000), ("max_length: 1e3", 1000), ("max_length: 2048.0", 2048),
        ("seed: 007", 7), ("lora_alpha: 16", 16.0), ("num_train_epochs: 3", 3.0),
        ("bf16: yes", True), ("strict: Off", False), ("until_proven: false", False),
        ("lora_rank: '16'", 16), ("max_steps: +20", 20),
    ],
)  # fmt: skip
def test_numbers_are_what_people_mean(line: str, expected: object, tmp_path: Path) -> None:
    command = of_file(tmp_path, line)
    assert not command.faults and value(command, line.partition(":")[0]) == expected
    typed = parse(CHECK, [f"--{line.partition(':')[0]}", line.partition(": ")[2].strip("'")], {})
    assert not typed.faults and value(typed, line.partition(":")[0]) == expected


@pytest.mark.parametrize(
    "line",
    [
        "max_steps: 12:30", "seed: 1.5", "seed: on", "learning_rate: 1,000", "seed: -1",
        "max_length: 2024-01-01", "lora_rank: [8]", "learning_rate: [1e-4, 5e-5]", "model: [a, b]",
        "dataset: [[a]]", "dataset: {path: a}", "lora_rank: {a: 1}", "system: [a]", "dataset: []",
        "dataset: [a, ]\nmodel_name: [a, '']", "seed: " + "9" * 6000, "max_steps: 1e400",
    ],
    ids=lambda line: line[:24],
)  # fmt: skip
def test_a_value_that_is_none_is_refused_with_its_line(line: str, tmp_path: Path) -> None:
    command = of_file(tmp_path, f"# first\n{line}\n")
    (fault,) = command.faults
    assert fault.problem == "bad-value" and fault.hint
    assert "c.yaml:2" in fault.hint.en + fault.hint.zh or "c.yaml:3" in fault.hint.en
    assert len(fault.value) < 100


@pytest.mark.parametrize(
    "typed",
    [
        "--lora_alpha 0", "--lora_alpha nan", "--lora_alpha inf", "--lora_alpha -1",
        "--lora_rank 0", "--lora_rank -8", "--lora_dropout 1", "--lora_dropout -0.1",
        "--num_train_epochs 0", "--epochs nan", "--learning_rate 0", "--lr -1e-4", "--lr nan",
        "--lr inf", "--lr 1e400",
        "--batch_size 0", "--gradient_accumulation_steps 0", "--max_length 0", "--max_steps 0",
        "--split_dataset_ratio 1", "--split_dataset_ratio -0.1", "--warmup_ratio 1.5",
        "--anchor_ratio 1", "--weight_decay -0.01", "--weight_decay nan", "--max_grad_norm -1",
        "--probes_needed 1.1", "--max_skill_drop nan", "--max_drift inf", "--seed -1",
        "--seed 4294967296", "--seed 1e300", "--save_steps 0", "--eval_steps -5",
        "--dataset_sample 0", "--general_questions 0", "--tokens_per_pass 0", "--warmup_steps -1",
        "--preview -1", "--logits_tolerance -1", "--quarantine -1", "--paraphrases 6",
        "--early_stopping_patience 0", "--save_total_limit 0", "--logging_steps 0",
    ],
)  # fmt: skip
def test_a_number_that_no_run_can_mean_is_refused(typed: str) -> None:
    flag, number = typed.split()
    for shape in ([flag, number], [f"{flag}={number}"]):
        (fault,) = parse(CHECK, shape, {}).faults
        assert fault.problem == "bad-value" and fault.value == number, fault
        assert fault.hint and (">" in fault.hint.en or "number" in fault.hint.en)


def test_every_number_is_finite_whatever_its_bounds() -> None:
    for name, spec in options().items():
        if spec.kind is float:
            for word in ("nan", "inf", "-inf", "1e999"):
                with pytest.raises(ValueError, match=r"[0-9a-z]"):
                    spec.parse(word)
            assert spec.least is not None or spec.above is not None, name


@pytest.mark.parametrize(
    "typed",
    [
        ["--lr", "1e-4", "--learning_rate", "5e-3"],
        ["--learning-rate=1e-4", "--learning_rate", "5e-3"],
        ["--learning_rate=1e-4", "--lr=1e-4"],
        ["--model", "a", "--model_name_or_path", "b"],
        ["--bf16", "true", "--no_bf16"],
        ["--fused", "--fused", "false"],
        ["--model_name", "a", "--model-name", "b"],
        ["--target_modules", "q_proj", "--lora_target", "v_proj"],
        ["--train_type", "lora", "--tuner_type", "lora"],
        ["--config", "a.yaml", "--config", "b.yaml"],
    ],
)
def test_an_option_given_twice_is_refused_under_all_its_names(typed: list[str]) -> None:
    assert problems(parse(CHECK, typed, {})).count("given-twice") == 1


def test_a_list_in_pieces_is_one_list_where_the_help_says_so() -> None:
    command = parse(CHECK, ["--dataset", "a", "b", "--train_file", "c", "--ignore", "D018"], {})
    assert not command.faults and value(command, "dataset") == ("a", "b", "c")
    for name, spec in options().items():
        if spec.many and spec.group in CHECK.groups:
            twice = parse(CHECK, [f"--{name}", "a", f"--{name}", "b"], {})
            assert ("given-twice" in problems(twice)) == spec.once


def test_a_name_twice_in_a_file_is_refused_with_both_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for text in ("learning_rate: 1e-4\nlr: 5e-3\n", "learning_rate: 1e-4\nlearning_rate: 5e-3\n",
                 "learning-rate: 1e-4\nlearning_rate: 1e-4\n"):  # fmt: skip
        (fault,) = of_file(tmp_path, text).faults
        assert fault.problem == "given-twice" and fault.flag == "--learning_rate"
        assert fault.value.endswith("c.yaml:1") and fault.nearest.endswith("c.yaml:2")
    status, told = run(capsys, "check", "--config", tmp_path / "c.yaml", "--model", "pocket",
                       "--dataset", write_rows(tmp_path / "r.jsonl", GOOD))  # fmt: skip
    assert status == 2 and [f["code"] for f in told["findings"]] == ["C012"]


def test_flags_still_win_over_a_file(tmp_path: Path) -> None:
    command = of_file(tmp_path, "learning_rate: 1e-4", "--lr", "5e-3")
    assert not command.faults and value(command, "learning_rate") == 5e-3


def test_a_comment_of_ones_own_hides_no_value(tmp_path: Path) -> None:
    """`# default` and `# auto: ...` mean something in a run's config.yaml alone."""
    command = of_file(tmp_path, "lora_rank: 16  # default\nlearning_rate: 3e-4  # auto: no\n")
    assert value(command, "lora_rank") == 16 and value(command, "learning_rate") == 3e-4


def test_a_runs_own_file_is_read_back_with_every_text(tmp_path: Path) -> None:
    asked = Resolved.default().with_values(
        "flag", system="No", model_name=("On", "007"), model="1e3", learning_rate=5e-5, bf16=False
    )
    asked = asked.with_values("auto: because", num_train_epochs=20.0)
    write_config(tmp_path / "config.yaml", asked)
    again = read_config(tmp_path / "config.yaml")
    for name in ("system", "model_name", "model", "learning_rate", "bf16", "num_train_epochs"):
        assert {n: v for n, v, _ in again.items()}[name] == {n: v for n, v, _ in asked.items()}[
            name
        ]
    command = parse(CHECK, ["--config", str(tmp_path / "config.yaml")], {})
    assert not command.faults and value(command, "system") == "No"
    assert value(command, "num_train_epochs") is None and command.resolved.given("bf16")
    edited = (tmp_path / "config.yaml").read_text("utf-8").replace("lora_rank: 8", "lora_rank: 16")
    command = of_file(tmp_path, edited)  # a default that somebody changed, its comment left there
    assert value(command, "lora_rank") == 16


def test_the_words_of_the_field_become_the_identity(capsys: pytest.CaptureFixture[str]) -> None:
    file = FIELD / "yaml" / "norway.yaml"
    if not file.is_file():
        pytest.skip("not here")
    command = parse(CHECK, ["--config", str(file)], {})
    assert not command.faults
    assert value(command, "model_name") == ("小光", "On")
    assert value(command, "model_author") == ("星海", "NO")
    dup = parse(CHECK, ["--config", str(FIELD / "yaml" / "dup.yaml")], {})
    assert problems(dup) == ["given-twice"]
    seed = parse(CHECK, ["--config", str(FIELD / "serve" / "int.yaml")], {})
    assert problems(seed) == ["bad-value"]
    for name in ("laughs", "deep"):
        bomb = parse(CHECK, ["--config", str(FIELD / "serve" / f"{name}.yaml")], {})
        assert problems(bomb) == ["bad-config-file"] and bomb.faults[0].value.endswith(".yaml:1")


# --- placeholders in the system prompt ----------------------------------------------------------

SYSTEMS = [
    ("You are {{NAME}}.", "You are Glow."),
    ("You are {{ NAME }} by {{AUTHOR}}.", "You are Glow by Star Lab."),
    ("你是{{NAME}},由{{AUTHOR}}开发。", "你是小光,由星海开发。"),
    ("You are <NAME>.", "You are Glow."),
    ("Answer in JSON: {}.", "Answer in JSON: {}."),
    ("Use `{name}` in f-strings.", "Use `{name}` in f-strings."),
]
NAMES = ("--model_name", "小光", "Glow", "--model_author", "星海", "Star Lab")


@pytest.mark.parametrize(("typed", "trained"), SYSTEMS)
def test_the_system_prompt_is_filled_like_the_rows(
    typed: str, trained: str, tmp_path: Path
) -> None:
    from suretune.preflight.check import check
    from suretune.record.journal import Journal

    rows = write_rows(
        tmp_path / "r.jsonl", [*GOOD, {"query": "Who?", "response": "{{NAME}}, {{AUTHOR}}"}]
    )
    words_typed = ["--model", "pocket", "--dataset", str(rows), "--system", typed, *NAMES]
    checked = check(parse(CHECK, words_typed, {}).resolved, Journal())
    assert checked.system == trained
    row = checked.train[0].samples[0]
    assert trained in checked.tokenizer.decode(list(row.ids), special=True)


@pytest.mark.parametrize(
    ("typed", "named"),
    [
        ("You are {{NAME}}.", "--model_name"),
        ("By {{AUTHOR}}.", "--model_author"),
        ("I am {{COMPANY}}.", "{{COMPANY}}"),
        ("You are {name}.", "{{NAME}}"),
        ("By {AUTHOR}.", "{{AUTHOR}}"),
    ],
)
def test_a_placeholder_that_nothing_fills_is_refused(
    typed: str, named: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = write_rows(tmp_path / "r.jsonl", GOOD)
    status, told = run(capsys, "check", "--model", "pocket", "--dataset", rows, "--system", typed)
    assert status == 2 and [f["code"] for f in told["findings"] if f["stops"]] == ["C013"]
    assert any(named in f["fix"]["en"] or named in f["what"]["en"] for f in told["findings"])
    status, told = run(capsys, "infer", "--model", "pocket", "--system", typed)
    assert status == 2 and [f["code"] for f in told["findings"]] == ["C013"]


def test_names_that_only_the_prompt_uses_have_an_effect(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = write_rows(tmp_path / "r.jsonl", GOOD)
    asked = ("check", "--model", "pocket", "--dataset", rows, "--model_name", "Glow")
    status, told = run(capsys, *asked, "--system", "You are {{NAME}}.")
    assert status == 0, told["findings"]
    status, told = run(capsys, *asked, "--strict")
    assert status == 2 and "C004" in [f["code"] for f in told["findings"]]
    status, told = run(capsys, *asked)
    assert status == 0 and "C015" in [f["code"] for f in told["findings"]]
    status, told = run(capsys, *asked, "Star", "Lab", "--system", "You are {{NAME}}.")
    assert status == 2 and "C002" in [f["code"] for f in told["findings"]]  # three names


def test_a_file_in_place_of_the_prompt_is_no_prompt(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "prompt.txt").write_text("You are Glow.")
    rows = write_rows(tmp_path / "r.jsonl", GOOD)
    status, told = run(capsys, "check", "--model", "pocket", "--dataset", rows,
                       "--system", tmp_path / "prompt.txt")  # fmt: skip
    assert status == 2 and "$(cat" in told["findings"][0]["fix"]["en"]


def test_a_strangers_run_folder_is_bounded_too(tmp_path: Path) -> None:
    from suretune.rundir import Damaged

    for text in (
        "model: &a pocket  # flag\n",
        "model: [[[[  # flag\n",
        "model: pocket  # flag\nmodel: a  # flag\n",
    ):
        (tmp_path / "config.yaml").write_text(text)
        with pytest.raises(Damaged, match="line "):
            read_config(tmp_path / "config.yaml")
