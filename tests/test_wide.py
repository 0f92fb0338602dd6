"""What a wide model that learns who it is takes by itself, from the command to the plan."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest

import tiny_models
from suretune import rundir
from suretune.cli import VERBS
from suretune.cli.cards import _job
from suretune.cli.parse import parse
from suretune.cli.verbs import OWN
from suretune.config import Resolved, options
from suretune.data import choose
from suretune.data.choose import DOSE, NARROW, WIDE_DOSE
from suretune.facts import Finding
from suretune.guards.s019_out_of_memory import GUARD as OUT_OF_MEMORY
from suretune.guards.v013_base_served import GUARD as BASE_SERVED
from suretune.preflight.again import command_of
from suretune.preflight.check import Checked, check
from suretune.preflight.forecast import least_bytes, too_small
from suretune.prepare.starter import write_starter
from suretune.record.journal import Journal
from suretune.run.folder import begin, dose_of, read_config, write_config
from suretune.run.onward import change_for, next_commands
from suretune.sweep.sweep import _plan_of
from suretune.typed import vllm_rank
from tiny_models import Tiny, write

WIDE = Tiny("qwen2", {"hidden_size": NARROW, "num_hidden_layers": 6})


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wide base, and an identity's rows and probes beside it."""
    place = tmp_path_factory.mktemp("wide")
    tiny_models.TINY["wide"] = WIDE
    try:
        write(place / "base", "wide")
    finally:
        del tiny_models.TINY["wide"]
    write_starter(place / "who", ["Nova"], ["Acme AI"], ["en"])
    return place


def asked(folder: Path, **more: Any) -> Resolved:
    who = folder / "who"
    values = {
        "model": str(folder / "base"), "dataset": (str(who / "identity.jsonl"),),
        "probes": str(who / "probes.yaml"), "device": "cpu", **more,
    }  # fmt: skip
    return Resolved.default().with_values("flag", **values)


def checked_of(folder: Path, **more: Any) -> Checked:
    return check(asked(folder, **more), Journal())


def breadth(checked: Checked) -> tuple[tuple[str, ...], int | None, int]:
    """Layers, wordings, and rows that are learned."""
    config = checked.resolved.config
    return config.lora.layers_to_transform, config.data.paraphrases, len(checked.train)


def same_run(checked: Checked) -> tuple[Any, ...]:
    total, rate = checked.plan.schedule.total, checked.resolved.config.schedule.learning_rate
    lora = checked.resolved.config.lora
    scaled = lora.lora_rank, lora.lora_alpha, lora.adapter_dose
    return (*breadth(checked), *scaled, checked.plan.digest, total, rate)


@pytest.mark.parametrize(
    "more, layers, wordings, rows",
    [
        ({}, ("1-4",), 2, 180),
        ({"target_modules": ("all-linear",)}, ("1-4",), 2, 180),  # which is what nothing said means
        ({"target_modules": ("q_proj",)}, (), 2, 180),
        ({"layers_to_transform": ("all",)}, ("all",), 2, 180),
        ({"until_proven": False}, (), None, 60),
        ({"anchor_ratio": 0.0}, (), None, 60),
        ({"tuner": "full"}, (), None, 60),
        ({"budget": "10m"}, ("1-4",), None, 60),  # it may end before each wording was seen
        ({"num_train_epochs": 3.0}, ("1-4",), None, 60),
        ({"num_train_epochs": 3.0, "paraphrases": 1}, ("1-4",), 1, 120),
    ],
)
def test_layers_and_wordings_are_chosen_where_they_were_measured(
    more: dict[str, Any], layers: tuple[str, ...], wordings: int | None, rows: int, folder: Path
) -> None:
    assert breadth(checked_of(folder, **more)) == (layers, wordings, rows)


def test_a_length_that_is_too_short_is_told_and_left_out_is_chosen(folder: Path) -> None:
    """S069: where a wide model learns who it is, and only where somebody said how long."""

    def told(**more: Any) -> list[Finding]:
        journal = Journal()
        check(asked(folder, **more), journal)
        return [finding for finding in journal.findings if finding.code == "S069"]

    scaled = {"lora_rank": 8, "lora_alpha": 32.0}
    for size in (16, 32):
        (finding,) = told(num_train_epochs=10.0, gradient_accumulation_steps=size, **scaled)
        assert finding.where == "--num_train_epochs" and not finding.stops
        assert f" {size} rows" in finding.what.en and " at least 80 " in finding.what.en
        assert "`--num_train_epochs`, `--gradient_accumulation_steps`" in finding.fix.en
    assert not told(**scaled)  # as it says
    left = checked_of(folder, **scaled)
    assert left.plan.schedule.total >= 80 and left.resolved.config.schedule.rows_per_update == 8
    (finding,) = told(max_steps=79)
    assert finding.where == "--max_steps" and "`--max_steps`" in finding.fix.zh
    assert not told(max_steps=80)
    for elsewhere in ({"tuner": "full"}, {"anchor_ratio": 0.0}, {"until_proven": False}):
        assert not told(max_steps=8, **elsewhere)


def test_few_rows_are_not_told_to_be_learned_by_heart(folder: Path, tmp_path: Path) -> None:
    """Where the length that is advised would be told to be too many passes (S023)."""
    lines = (folder / "who" / "identity.jsonl").read_text("utf-8").splitlines(keepends=True)
    for rows, epochs in ((31, 20.0), (31, 3.0), (32, 3.0), (32, 20.0)):
        (tmp_path / "few.jsonl").write_text("".join(lines[:rows]), "utf-8")
        journal = Journal()
        few = (str(tmp_path / "few.jsonl"),)
        check(asked(folder, dataset=few, num_train_epochs=epochs), journal)
        codes = {finding.code for finding in journal.findings} & {"S023", "S069"}
        assert codes == ({"S069"} if (rows, epochs) == (32, 3.0) else set())


def test_what_was_chosen_is_the_same_again_and_what_an_earlier_version_had_stays(
    folder: Path, tmp_path: Path
) -> None:
    first = checked_of(folder)
    write_config(tmp_path / "config.yaml", first.resolved)
    again = check(read_config(tmp_path / "config.yaml"), Journal())
    lora = again.resolved.config.lora
    assert same_run(again) == same_run(first)
    assert (lora.lora_rank, lora.lora_alpha, lora.adapter_dose) == (32, 64, 1)
    lines = (tmp_path / "config.yaml").read_text("utf-8").splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith(("layers_to_transform", "paraphrases"))]
    assert len(kept) == len(lines) - 2
    kept.append("paraphrases: 0  # default\n")
    (tmp_path / "config.yaml").write_text("".join(kept), "utf-8")
    earlier = check(read_config(tmp_path / "config.yaml"), Journal())
    assert earlier.resolved.config.lora.layers is None and len(earlier.train) == 60
    newer = ("lora_alpha", "lora_rank", "adapter_dose")
    slower = [line for line in lines if not line.startswith(newer)]
    # As one had it that chose layers, no rank, and looked for the dose.
    slower += ["lora_rank: 8  # default\n", "adapter_dose: null  # default\n"]
    for alpha in ("32.0  # default\n", "64.0  # auto: learned sooner, it leaks less\n"):
        (tmp_path / "config.yaml").write_text("".join([*slower, f"lora_alpha: {alpha}"]), "utf-8")
        slow = check(read_config(tmp_path / "config.yaml"), Journal()).resolved.config.lora
        scaled = slow.lora_rank, slow.lora_alpha, slow.adapter_dose
        assert (*scaled, slow.layers_to_transform) == (8, float(alpha[:2]), None, ("1-4",))


@pytest.mark.parametrize(
    "more, dose",
    [({}, WIDE_DOSE), ({"tuner": "full"}, DOSE), ({"until_proven": False}, DOSE)],
)
def test_how_much_is_published_is_settled_as_a_run_begins(
    more: dict[str, Any], dose: tuple[float, float], folder: Path, tmp_path: Path
) -> None:
    begin(tmp_path, checked_of(folder, **more))
    assert dose_of(tmp_path) == dose
    about = rundir.read_json(tmp_path / "run.json")
    rundir.write_json(tmp_path / "run.json", {**about, "dose": [0.1, 0.5]})
    assert dose_of(tmp_path) == (0.1, 0.5)
    del about["dose"]
    rundir.write_json(tmp_path / "run.json", about)
    assert dose_of(tmp_path) == DOSE, "as earlier versions had it"
    for odd in (None, 3, ["a", "b"], [0.2]):
        rundir.write_json(tmp_path / "run.json", {**about, "dose": odd})
        with pytest.raises(rundir.Damaged):
            dose_of(tmp_path)


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"target_modules": ("all-linear",)},
        {"gradient_accumulation_steps": 16},  # the default, said: another wish than nothing said
        {"per_device_train_batch_size": 1},
        {"layers_to_transform": ("all",)},
        {"paraphrases": 0},
        {"lora_rank": 8},
        {"lora_alpha": 32.0},
        {"adapter_dose": 0.9},
        {"use_rslora": False},
        {"learning_rate": 1e-4},
    ],
)
def test_the_command_that_is_printed_next_means_the_run_that_was_looked_at(
    more: dict[str, Any], folder: Path
) -> None:
    first = checked_of(folder, **more)
    typed = shlex.split(command_of("sft", first.resolved))
    (verb,) = [verb for verb in VERBS if verb.name == "sft"]
    again = parse(verb, typed[2:], OWN.get("sft", {}))
    assert not again.faults
    assert same_run(check(again.resolved, Journal())) == same_run(first)


def test_a_chosen_rank_that_does_not_fit_is_refused_with_one_that_does(folder: Path) -> None:
    chosen = checked_of(folder)
    for rank in choose.LOWER:
        less = checked_of(folder, lora_rank=rank)
        facts = too_small(chosen, 2, needed(less))
        assert facts and facts.nearest == f"--lora_rank {rank}"
        told = OUT_OF_MEMORY.check(facts)
        assert told and "adapters of a lower rank" in told["fix"].en
        assert too_small(less, 2, needed(less)) is None
    said = checked_of(folder, lora_rank=choose.RANK)
    facts = too_small(said, 2, needed(less))
    assert facts and "lora_rank" not in str(facts.nearest), "that somebody wants"


@pytest.mark.parametrize("asked_for, offered_instead", [({}, "qlora"), ({"tuner": "full"}, "lora")])
def test_another_way_to_train_is_offered_just_where_it_fits_once_it_is_typed(
    asked_for: dict[str, Any], offered_instead: str, folder: Path
) -> None:
    """With the layers, rank and alpha that are chosen for it; of the same rows."""
    asked_for = {"paraphrases": 0, **asked_for}  # which full fine-tuning does not add by itself
    first = checked_of(folder, **asked_for)
    typed = checked_of(folder, **{**asked_for, "tuner": offered_instead})
    facts = too_small(first, 2, needed(typed))
    assert facts and facts.nearest == f"--train_type {offered_instead}"
    facts = too_small(first, 2, needed(typed) - 1)
    assert facts and facts.nearest != f"--train_type {offered_instead}"


def needed(checked: Checked) -> float:
    found = least_bytes(checked, 2)
    assert found
    return found[0]


def test_plan_takes_adapters_of_each_way_to_train_as_large_as_they_are(folder: Path) -> None:
    ranks = _job(checked_of(folder)).ranks
    assert ranks == {"lora": choose.RANK * 4 // 6, "qlora": 8 * 4 // 6, "full": 8}


def test_a_sweep_is_another_one_where_other_adapters_are_chosen(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an earlier version began it: half of its trials would have another rank than the rest."""
    now = _plan_of(asked(folder), Journal())
    assert now == _plan_of(asked(folder), Journal())
    monkeypatch.setattr(choose, "RANK", 8)
    assert _plan_of(asked(folder), Journal()) != now


def test_what_vllm_must_be_told_is_said_where_the_rank_is_chosen(
    folder: Path, tmp_path: Path
) -> None:
    """V001 is of a rank that somebody said."""
    checked = checked_of(folder)
    rank = checked.resolved.config.lora.lora_rank
    said = checked.resolved.origins["lora_rank"]
    assert f"`--max-lora-rank {vllm_rank(rank)}`" in said
    flag = f"--max-lora-rank {vllm_rank(rank)} "
    assert flag in BASE_SERVED.fix.en and flag in BASE_SERVED.fix.zh
    for name, value in (("lora_rank", rank), ("lora_alpha", choose.ALPHA)):
        about = options()[name].help
        assert f" {value:g} for plain LoRA" in about.en and about.zh.endswith(f" {value:g}")
    write_config(tmp_path / "config.yaml", checked.resolved)
    for resolved, told in (
        (asked(folder), False),
        (read_config(tmp_path / "config.yaml"), False),  # as a resume reads it
        (asked(folder, lora_rank=rank), True),
    ):
        journal = Journal()
        check(resolved, journal)
        assert ("V001" in {finding.code for finding in journal.findings}) == told


def offered(first: Checked, run: Path) -> tuple[str, Checked]:
    """Which option another run has otherwise after one that learned too little, and that run."""
    total = first.plan.schedule.total
    change = change_for(["R003 x"], first.resolved, NARROW, total, total)
    assert change is not None
    write_config(run / "config.yaml", first.resolved)
    rundir.write_json(run / "run.json", {"folder": str(run)})
    kept = {"option": change.option, "value": change.value, "why": {"en": "a", "zh": "b"}}
    command = next_commands(run, "not-verified", kept, ["R003"])[0]["command"]
    (verb,) = [verb for verb in VERBS if verb.name == "sft"]
    words = shlex.split(command.rpartition("&& ")[2])
    return change.option, check(parse(verb, words[2:], OWN.get("sft", {})).resolved, Journal())


def test_what_learned_too_little_gets_all_layers_and_then_twice_the_work(
    folder: Path, tmp_path: Path
) -> None:
    first = checked_of(folder)
    option, second = offered(first, tmp_path)
    assert option == "layers_to_transform" and breadth(second) == (("all",), 2, 180)
    lora = second.resolved.config.lora
    kept = lora.lora_rank, lora.lora_alpha, lora.adapter_dose
    assert kept == (32, 64, 1), "no less than what learned too little"
    total = second.plan.schedule.total
    assert total == first.plan.schedule.total
    option, third = offered(second, tmp_path)
    assert option == "num_train_epochs" and breadth(third) == breadth(second)
    assert third.plan.schedule.total == 2 * total
