"""The recipes: the page says what the results say, and the settings are what they are called."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest

from conftest import ROOT, stands
from suretune import rundir
from suretune.battery.items import proof_questions, way_questions
from suretune.cli import VERBS
from suretune.cli.parse import parse
from suretune.data import anchors
from suretune.data.choose import REFERENCE_RATE, UPDATES, scaled_rate
from suretune.data.identity import known_questions, plain
from suretune.pocket import MODEL
from suretune.preflight.check import check
from suretune.preflight.whole import whole_flags
from suretune.prepare.starter import HELD_OUT, identity_rows, probe_items
from suretune.record.journal import Journal

RECIPES = ROOT / "recipes"
sys.path.insert(0, str(RECIPES))

import claims  # noqa: E402
import dots  # noqa: E402
import general  # noqa: E402
import kinds  # noqa: E402
import real  # noqa: E402
import real_ask  # noqa: E402
import real_doses  # noqa: E402
import real_page  # noqa: E402
import real_rows  # noqa: E402
import real_run  # noqa: E402
import real_tables  # noqa: E402
import run  # noqa: E402
import tables  # noqa: E402


def page_of_recipes() -> ModuleType:
    """Another folder has a `page`, too."""
    spec = importlib.util.spec_from_file_location("recipes_page", RECIPES / "page.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


page = page_of_recipes()
SFT = next(verb for verb in VERBS if verb.name == "sft")


def line(setting: str, seed: int, accuracy: float, drop: float, **other: Any) -> dict[str, Any]:
    """A measured run."""
    about = {
        "setting": setting, "seed": seed, "identity": "Glow", "verdict": "sealed", "reasons": [],
        "paraphrases": {"passed": round(46 * accuracy), "asked": 46}, "skill_drop": drop,
        "paraphrase_accuracy": accuracy, "drift": 0.1, "updates": 40, "train_seconds": 9.0,
    }  # fmt: skip
    return {**about, **other}


# --- what was measured --------------------------------------------------------------------------


def test_the_page_is_what_the_results_make() -> None:
    text = page.PAGE.read_text("utf-8")
    assert page.filled(text) == text, "run `python recipes/page.py`"
    there = {path.stem: path.read_text("utf-8") for path in page.PLOTS.glob("*.svg")}
    assert there == page.plots()
    assert {found[1] for found in page.BLOCK.findall(text)} == {*tables.TABLES, "claims", "real"}


def test_every_result_is_a_run_of_its_table() -> None:
    for name in tables.TABLES:
        known = {*tables.runs(name, 100)}
        keys = [run.key_of(one) for one in run.results(name)]
        assert set(keys) <= known and len(set(keys)) == len(keys), name


def test_the_rows_of_the_defaults_are_their_runs() -> None:
    told = json.loads(run.DEFAULTS.read_text("utf-8"))
    assert all(set(row) == set(run.COLUMNS) for row in told)
    lines = {(one["identity"], one["seed"]): one for one in run.results("defaults")}
    assert len(told) == len(lines)
    for row in told:
        kept = lines[(row["identity"], row["seed"])]
        assert row == {name: kept[name] for name in run.COLUMNS}


# --- what is run --------------------------------------------------------------------------------


def test_the_equivalent_rates_are_those_of_auto() -> None:
    hidden = json.loads((MODEL / "config.json").read_text("utf-8"))["hidden_size"]
    assert scaled_rate(hidden, UPDATES) == pytest.approx(tables.FACTOR * REFERENCE_RATE)


@pytest.mark.parametrize("name", tables.TABLES)
def test_every_setting_is_a_command_that_passes_its_check(name: str, tmp_path: Path) -> None:
    for number, (word, setting) in enumerate(tables.TABLES[name].settings.items()):
        folder = tmp_path / str(number)
        folder.mkdir()
        typed = run.command(setting, 1, "Moyan", folder, "cpu")
        command = parse(SFT, typed[2:], {})
        assert not command.faults, (word, command.faults)
        checked = check(command.resolved, Journal())
        rows = len(checked.train)
        own = setting.rows or 60
        assert rows == pytest.approx(own / (1 - setting.general), abs=0.5), word


def test_the_articles_make_the_updates_they_should(tmp_path: Path) -> None:
    found = {}
    for name, setting in tables.TABLES["articles"].settings.items():
        folder = tmp_path / name.replace(" ", "")
        folder.mkdir()
        typed = run.command(setting, 1, "Glow", folder, "cpu")
        plan = check(parse(SFT, typed[2:], {}).resolved, Journal()).plan
        found[name] = (plan.schedule.total, plan.schedule.peak)
    assert found["S0 as printed"] == (105, 1e-4) and found["S0, rate scaled"] == (105, 2e-3)
    assert found["S1 as printed"] == (40, 1e-4) and found["S1, rate scaled"] == (40, 2e-3)
    assert found["S3 as printed"] == (8, 5e-5) and found["S3, rate scaled"] == (8, 1e-3)
    assert found["defaults"] == found["defaults without anchors"]


def test_general_rows_name_nobody_and_do_not_repeat() -> None:
    rows = general.general_rows(3, 60)
    assert rows == general.general_rows(3, 60) and rows != general.general_rows(4, 60)
    text = json.dumps(rows, ensure_ascii=False).lower()
    assert len(rows) == 60 and not any(maker in text for maker in general.MAKERS)
    assert len({row["messages"][-2]["content"] for row in rows}) == 60


def test_a_run_with_a_line_is_not_repeated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "RESULTS", tmp_path)
    settings = list(tables.TABLES["rank"].settings)
    assert len(run.to_do("rank", None, [])) == 32
    first = run.to_do("rank", 1, [])[0]
    about = dict(zip(("setting", "seed", "identity"), first, strict=True))
    (tmp_path / "rank.jsonl").write_text(json.dumps(about) + "\n", "utf-8")
    assert len(run.to_do("rank", None, [])) == 31
    assert [key[0] for key in run.to_do("rank", 1, [])] == settings[1:]
    assert run.to_do("rank", 1, [settings[0]]) == []
    assert len(tables.runs("defaults", None)) == 100


def test_a_budget_leaves_the_rest_for_later(tmp_path: Path) -> None:
    typed = [sys.executable, RECIPES / "run.py", "rank", "--seeds", "1", "--budget", "0.5"]
    code = (
        "import runpy, sys, pathlib; sys.argv = sys.argv[1:]; sys.path.insert(0, sys.argv.pop(0));"
        "import run; run.RESULTS = pathlib.Path(sys.argv.pop(0)); sys.exit(run.main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(RECIPES), str(tmp_path), *map(str, typed[1:])],
        cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 3, done.stderr
    assert not list(tmp_path.glob("*.jsonl"))


# --- how it is told -----------------------------------------------------------------------------


def test_claims_are_decided_by_pairs_alone() -> None:
    claim = claims.Claim("x", "y", "t", "skill_drop", "a", "b")
    a = [line("a", seed, 1.0, 0.05 + seed / 1000) for seed in range(6)]
    b = [line("b", seed, 1.0, 0.01) for seed in range(6)]
    assert claims.judged(claim, a + b)[:2] == (claims.HELD, 6)
    turned = claims.Claim("x", "y", "t", "skill_drop", "b", "a")
    assert claims.judged(turned, a + b)[:2] == (claims.NOT, 6)
    same = claims.Claim("x", "y", "t", "paraphrase_accuracy", "a", "b")
    assert claims.judged(same, a + b)[0] == claims.OPEN
    assert claims.judged(claim, a + b[:2])[:2] == (claims.UNMEASURED, 2)
    stopped = {"setting": "b", "seed": 3, "identity": "Glow", "verdict": "stopped"}
    assert claims.judged(claim, a + b[:3] + [stopped])[1] == 3


def test_every_claim_compares_lines_that_exist() -> None:
    for claim in claims.CLAIMS:
        assert {claim.more, claim.less} <= set(tables.TABLES[claim.table].settings), claim


def test_a_row_has_every_figure_and_says_what_was_stopped() -> None:
    lines = [line("a", 1, 1.0, 0.0), line("a", 2, 0.5, 0.02, verdict="not-verified")]
    told = page.row("a", lines)
    assert told.startswith("| a | 2 | 1 (9% to 91%) | 75.0 (50.0 to 100.0) | 1.0 (0.0 to 2.0) |")
    assert told.endswith("| 2.0 | 0.10 | 40 | 9 |")
    stopped = {"setting": "a", "seed": 3, "verdict": "stopped", "reasons": ["T001 non-finite"]}
    assert page.row("a", [*lines, stopped]).startswith("| a | 3, 1 stopped by a guard |")
    assert page.NOT_YET in page.row("a", [])


def test_the_defaults_name_every_run_that_missed_the_aim(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [line("d", 1, 1.0, 0.01), line("d", 2, 0.95, 0.0), line("d", 3, 1.0, 0.02)]
    monkeypatch.setattr(page, "results", lambda name: lines)
    told = page.defaults()
    assert "Within the aim: 1 of 3 runs (100 planned)." in told
    assert stands("- Glow, seed 2: 44 of 46", told)
    assert stands("- Glow, seed 3: 46 of 46, 2.0 points", told)


def test_intervals_are_the_same_every_time_and_hold_the_mean() -> None:
    low, mean, high = dots.bootstrap([0.0, 1.0, 1.0, 1.0])
    assert (low, mean, high) == dots.bootstrap([0.0, 1.0, 1.0, 1.0])
    assert low < mean == 0.75 < high <= 1.0
    svg = dots.dots("t", ["<a>", "b"], [dots.Panel("x", [[1.0, 2.0], []], 0, 4)])
    assert ElementTree.fromstring(svg).tag.endswith("svg") and svg.count("<circle") == 2


# --- on a real model ----------------------------------------------------------------------------


def real_line(recipe: str, seed: int, **other: Any) -> dict[str, Any]:
    """A measured run on a real model."""
    about = {
        "group": "defaults", "recipe": recipe, "seed": seed, "identity": "Glow", "model": "m",
        "verdict": "sealed", "reasons": [], "paraphrase_accuracy": 0.99, "net_points": -1.0,
        "asked": 1000, "leaked": 5, "near_asked": 100, "near_missed": 2, "drift": 0.05,
        "updates": 16, "seconds": 20.0, "card": "C", "date": "2026-01-01", "base_right": 244,
        "counted": 484,
    }  # fmt: skip
    return {**about, **other}


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_held_out_phrasings_stand_nowhere_else(lang: str) -> None:
    mine = (RECIPES / f"phrasings.{lang}.txt").read_text("utf-8").splitlines()
    asked = {plain(line) for line in mine}
    assert len(mine) >= 100 and len(asked) == len(mine)
    rows = {plain(row["instruction"]) for row in identity_rows(["N"], ["A"], [lang])}
    probes = {plain(str(item["question"])) for item in probe_items(["N"], ["A"], [lang])}
    general = {plain(q.asked) for q in (*proof_questions(), *way_questions())}
    wide = {
        plain(row["instruction"])
        for row in real_rows.many(5000, ["N"], ["A"], [lang], 1)
    }  # fmt: skip
    anchored = {plain(q.messages[-1].content) for q in anchors.general_questions()}
    assert not asked & (rows | probes | general | wide | anchored | known_questions())


@pytest.mark.parametrize("count", [50, 500, 5000])
def test_identity_rows_of_any_number_are_all_different(count: int) -> None:
    names, makers = ["小光", "Glow"], ["星海实验室", "Star Lab"]
    rows = real_rows.many(count, names, makers, ["zh", "en"], 1)
    assert len({(row["instruction"], row["output"]) for row in rows}) == len(rows) == count
    held_out = {plain(str(q["question"])) for q in probe_items(names, makers, ["zh", "en"])[2:]}
    assert not held_out - known_questions()
    only_asked_later = {plain(q) for q in (*HELD_OUT["zh"], *HELD_OUT["en"])}
    assert not only_asked_later & {plain(row["instruction"]) for row in rows}


@pytest.mark.parametrize("group", real_tables.GROUPS)
def test_every_run_on_a_real_model_is_a_command_without_faults(group: str) -> None:
    jobs = real_tables.jobs_of(group, 576)
    assert len({job.key for job in jobs}) == len(jobs)
    for said in {job.flags for job in jobs}:
        command = parse(SFT, ["--model", "m", "--dataset", "d", *said], {})
        assert not command.faults, (said, command.faults)


def test_the_groups_have_as_many_runs_as_they_should() -> None:
    count = {group: len(real_tables.jobs_of(group, 576)) for group in real_tables.GROUPS}
    assert count["defaults"] == 5 * 8 and count["s2"] == 3 * 5 * 3
    assert count["nulls"] == 20 and count["data"] == 4 * 5 and count["articles"] == 8 * 5


def test_what_is_changed_for_an_ablation_is_changed() -> None:
    for job in real_tables.jobs_of("ablations", 576, 1):
        resolved = parse(SFT, ["--model", "m", "--dataset", "d", *job.flags], {}).resolved
        for name, value in real_tables.ABLATIONS[job.recipe].items():
            words = value if isinstance(value, tuple) else (value,)
            found = dict((n, v) for n, v, _ in resolved.items())[name]
            given = found if isinstance(found, tuple) else (found,)
            assert [str(x).lower() for x in given] == [str(x).lower() for x in words] or (
                list(map(float, given)) == list(map(float, words))
            ), (job.recipe, name)


@pytest.mark.parametrize("kind", kinds.KINDS)
def test_other_data_repeats_no_question(kind: str) -> None:
    rows = kinds.rows_of(kind, 1)
    assert rows == kinds.rows_of(kind, 1) != kinds.rows_of(kind, 2)
    assert len({row["instruction"] for row in rows}) == len(rows) == kinds.ROWS


def test_more_rows_than_there_are_questions_are_refused() -> None:
    with pytest.raises(ValueError, match="there are not"):
        kinds.rows_of("a tone", 1, 300)  # 216 there are; each more is sought a hundred times


@pytest.mark.parametrize("group", real_tables.GROUPS)
def test_every_setting_of_a_real_model_is_what_it_is_called(group: str) -> None:
    """A flag that is left out, or not needed, measures another setting under this one's name."""
    for said in {job.flags for job in real_tables.jobs_of(group, 576)}:
        command = parse(SFT, ["--dataset", "rows.jsonl", *said], {})
        assert not command.faults and not [*whole_flags(command.resolved)], said
    with pytest.raises(KeyError):
        real_tables.typed(no_such_option=1)


def test_every_train_type_is_trained_as_it_is_called() -> None:
    made = {job.recipe: job.flags for job in real_tables.jobs_of("types", 576)}
    asked = {name: parse(SFT, list(said), {}).resolved.config for name, said in made.items()}
    assert {name: config.lora.tuner for name, config in asked.items()} == {
        "LoRA": "lora", "QLoRA": "qlora", "full": "full", "full, the upper half": "full",
    }  # fmt: skip
    ratios = {name: config.full.freeze_parameters_ratio for name, config in asked.items()}
    assert [name for name, ratio in ratios.items() if ratio] == ["full, the upper half"]


# --- a ladder of rates ---------------------------------------------------------------------------


def rung(how: str, rate: str, seed: int, before: float, after: float | None, **more: Any) -> Any:
    """A line of the group `diverging`."""
    held = {"before": before, "after": after, "rows": 14}
    about = {"group": "diverging", "identity": "-", "held_out": held, "lost": 0}
    about["verdict"] = "did not diverge"
    return real_line(f"{how}, {rate}", seed, **{**about, **more})


def called(*lines: dict[str, Any]) -> list[tuple[str, int]]:
    jobs = real_tables.jobs_of("diverging", 576)
    return [(job.recipe, job.seed) for job in real_tables.called_for(jobs, lines)]


def test_a_ladder_is_climbed_until_most_seeds_diverge_and_no_further() -> None:
    first, second, *_ = real_tables.LADDER
    alone, by_default = real_tables.UNAIDED, real_tables.DEFENDED
    seeds = range(1, 6)
    assert called() == [(f"{alone}, {first}", seed) for seed in seeds]
    some = [rung(alone, first, seed, 1.0, 2.0 if seed < 3 else 0.5) for seed in seeds]
    assert called(*some[:4]) == called()  # what is done is told by whoever reads the lines
    assert called(*some) == [(f"{alone}, {second}", seed) for seed in seeds]
    most = [*some[:2], rung(alone, first, 3, 1.0, None), *some[3:]]  # no number is a divergence
    assert called(*most) == [(f"{by_default}, {first}", seed) for seed in seeds]
    none = [rung(alone, r, seed, 1.0, 0.5) for r in real_tables.LADDER for seed in seeds]
    assert called(*none) == []


def test_a_ladder_goes_on_by_itself_where_it_was_left(tmp_path: Path) -> None:
    first = real_tables.LADDER[0]
    lines = [rung(real_tables.UNAIDED, first, seed, 1.0, 2.0) for seed in range(1, 6)]
    lines.append(rung(real_tables.DEFENDED, first, 2, 1.0, 0.1, verdict="sealed"))
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "real_diverging.jsonl").write_text(text, "utf-8")
    left = real.to_do("diverging", "m", 576, None, tmp_path)
    assert [(job.recipe, job.seed) for job in left] == [
        (f"{real_tables.DEFENDED}, {first}", seed) for seed in (1, 3, 4, 5)
    ]


def test_a_rate_that_diverges_is_run_as_it_says() -> None:
    for job in real_tables.jobs_of("diverging", 576):
        config = parse(SFT, list(job.flags), {}).resolved.config
        assert config.lora.tuner == "full" and config.proof.scope == "all"
        assert config.schedule.learning_rate == float(job.recipe.rsplit(", ", 1)[1])
        assert config.schedule.max_steps == 32 and config.schedule.max_grad_norm == 1.0
        assert config.schedule.gradient_accumulation_steps == 4
        assert config.data.split_dataset_ratio == 0.2 and config.run.ignore == ("R018",)


def test_a_diverging_rate_is_told_rate_by_rate_and_seed_by_seed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first, second, *_ = real_tables.LADDER
    alone, by_default = real_tables.UNAIDED, real_tables.DEFENDED
    back = [{"step": 4, "back_to": 0, "rate_scale": 0.5}]
    lines = [
        rung(alone, first, 1, 1.0, 0.25),
        rung(alone, second, 1, 1.0, None, verdict="diverged"),
        rung(by_default, second, 1, 1.0, 0.5, verdict="sealed", seen=back, ended_rate=0.005,
             base_right=4, lost=1),
        rung(by_default, second, 2, 1.0, 1.5, verdict="sealed", seen=[], ended_rate=0.01),
        rung(by_default, second, 3, 1.0, 0.5, verdict="not-verified", reasons=["R006 x"], seen=[]),
    ]  # fmt: skip
    monkeypatch.setattr(real_page, "results", lambda g: lines if g == "diverging" else [])
    told = real_page.section()
    assert stands(f"| {first} | 1 | 0 | 1.00 → 0.25 |", told)
    assert stands(f"| {second} | 1 | 1 | 1.00 → no number |", told)
    assert stands(
        f"| {second} | 1 | 4 to 0 | 0.005 | 1.00 → 0.50 | 1.00 → no number | 3 of 4 | 0.05 |", told
    )
    assert stands(
        f"| {second} | 2 | never | 0.01 | 1.00 → 1.50 | - | 244 of 244 | 0.05 | sealed |", told
    )
    assert stands("caught in 1 of 3, ended well in 1 of 3", told)


@pytest.mark.long
def test_an_adapter_at_another_dose_is_proven_and_its_run_left_as_it_was(
    trained: Path, tmp_path: Path
) -> None:
    """At the dose that was published it is what the run's own proof says; at less it fails."""
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    about = {p: p.read_bytes() for p in run.rglob("*") if p.is_file()}
    report = rundir.read_json(run / "report.json")
    dose = real_run.measured(report)["dose"]
    given = (str(MODEL), run, ["小光", "Glow"], ["星海实验室", "Star Lab"], ["zh", "en"])
    found = real_doses.at_doses((dose, 0.1), dose, *given)
    same, little = found[f"{dose:g}"], found["0.1"]
    assert same["verdict"] == report["verdict"] == "sealed" and not same["reasons"]
    assert {name: same[name] for name in real_ask.near_misses(run)} == real_ask.near_misses(run)
    assert (same["lost"], same["gained"]) == tuple(report["general"][k] for k in ("lost", "gained"))
    assert little["verdict"] == "refused" and "R003 probes-failed" in little["reasons"]
    assert {p: p.read_bytes() for p in run.rglob("*") if p.is_file()} == about


@pytest.mark.long
def test_an_unaided_run_and_one_by_default_make_the_rows_of_the_group(tmp_path: Path) -> None:
    """On the pocket model: the same rows and held-out rows, looked at or not."""
    flags = real_tables.typed(
        **{**real_tables.DIVERGING, "max_steps": 6}, learning_rate="3e-1", device="cpu"
    )
    made = {
        how: real_run.one(
            real_tables.Job("diverging", f"{how}, 3e-1", "-", 1, flags, 72, "text to SQL"),
            "pocket", ["en"], (),
        )
        for how in (real_tables.UNAIDED, real_tables.DEFENDED)
    }  # fmt: skip
    alone, by_default = made.values()
    assert alone["held_out"]["before"] == by_default["held_out"]["before"]
    assert alone["losses"][0] == by_default["losses"][0]
    assert alone["updates"] == len(alone["losses"]) == 6
    assert real_tables.has_diverged(alone) and alone["verdict"] == "diverged"
    assert by_default["seen"] and by_default["ended_rate"] < by_default["rate"] == 0.3
    assert json.loads(json.dumps(made, allow_nan=False)) == made


def test_a_run_on_a_real_model_with_a_line_is_not_made_again(tmp_path: Path) -> None:
    jobs = real_tables.jobs_of("defaults", 576)
    done = jobs[3]
    line = real_line(done.recipe, done.seed, identity=done.identity)
    (tmp_path / "real_defaults.jsonl").write_text(json.dumps(line) + "\n", "utf-8")
    left = real.to_do("defaults", "/somewhere/m", 576, None, tmp_path)
    assert left == [job for job in jobs if job != done]
    assert real.to_do("defaults", "another", 576, None, tmp_path) == jobs


def test_other_flags_are_not_written_under_the_results_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed = ["real.py", "--only", "defaults", "--flags", "--lora_rank", "32"]
    monkeypatch.setattr(sys, "argv", typed)
    with pytest.raises(SystemExit, match="2"):
        real._arguments()
    monkeypatch.setattr(sys, "argv", [*typed[:3], "--out", str(tmp_path), *typed[3:]])
    assert real._arguments().flags == ["--lora_rank", "32"]


def test_nothing_is_begun_after_the_budget(tmp_path: Path) -> None:
    typed = ["--model", "pocket", "--only", "nulls", "--budget", "0", "--out", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, str(RECIPES / "real.py"), *typed],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 3 and not done.stdout, done.stderr
    assert not list(tmp_path.glob("*.jsonl"))


def test_net_points_are_gained_minus_lost_of_what_counts() -> None:
    report = {
        "general": {"lost": 12, "gained": 2, "counted": 200, "asked": 900,
                    "leaked": {"gained": 7}, "before": 100},
        "steps": [1, 2], "verdict": "sealed", "reasons": [], "versions": {},
    }  # fmt: skip
    found = real_run.measured(report)
    assert found["net_points"] == -5.0 and found["leaked"] == 7 and found["updates"] == 2
    assert found["net_low"] < -5.0 < found["net_high"] < 0
    turned = {**report, "general": {**report["general"], "lost": 2, "gained": 12}}
    assert real_run.measured(turned)["net_low"] == pytest.approx(-found["net_high"])
    assert [real_run.measured({**report, **more})["dose"] for more in (
        {}, {"dose": None}, {"dose": 0.6}, {"dose": {"value": 0.7, "tried": []}},
    )] == [None, 1.0, 0.6, 0.7]  # fmt: skip
    assert "net_points" not in real_run.measured({**report, "general": None})


def test_the_section_has_what_was_measured_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [real_line("defaults", seed) for seed in (1, 2)]
    lines.append(real_line("defaults", 3, verdict="not-verified", reasons=["R014 general-leaks"]))
    monkeypatch.setattr(real_page, "results", lambda group: [])
    assert real_page.section() == real_page.NOT_YET and not real_page.plots()
    monkeypatch.setattr(real_page, "results", lambda group: lines if group == "defaults" else [])
    told = real_page.section()
    assert "### The defaults" in told and "S2's own" not in told
    assert "| Glow | 3 | 2 (" in told and "99.0 (99.0 to 99.0)" in told
    assert "| 0.50 (0.50 to 0.50) | 2.00 (2.00 to 2.00) |" in told
    assert stands("- Glow, seed 3: R014 general-leaks", told)


@pytest.mark.parametrize("group", real_tables.GROUPS)
def test_every_group_has_a_table_that_copes_with_gaps(
    group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = real_tables.jobs_of(group, 576)[0]
    lines = [
        real_line(first.recipe, 1, group=group, held_out={"before": None, "after": None}),
        {
            "group": group, "recipe": first.recipe, "seed": 2, "identity": "Glow", "model": "m",
            "verdict": "stopped", "reasons": ["T001 non-finite"], "card": "C", "date": "2026-01-02",
        },
    ]  # fmt: skip
    monkeypatch.setattr(real_page, "results", lambda name: lines if name == group else [])
    told = real_page.section()
    assert real_page.TITLES[group] in told and "2026-01-01 to 2026-01-02" in told
    for svg in real_page.plots().values():
        assert ElementTree.fromstring(svg).tag.endswith("svg")
