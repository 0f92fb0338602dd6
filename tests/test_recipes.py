"""The recipes: the page says what the results say, and the settings are what they are called."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree

import pytest

from conftest import ROOT, stands
from suretune.cli import VERBS
from suretune.cli.parse import parse
from suretune.data.choose import REFERENCE_RATE, UPDATES, scaled_rate
from suretune.pocket import MODEL
from suretune.run.check import check
from suretune.run.journal import Journal

RECIPES = ROOT / "recipes"
sys.path.insert(0, str(RECIPES))

import claims  # noqa: E402
import dots  # noqa: E402
import general  # noqa: E402
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
    assert {found[1] for found in page.BLOCK.findall(text)} == {*tables.TABLES, "claims"}


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
