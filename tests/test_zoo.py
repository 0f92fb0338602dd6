"""The zoo in its short form; its kinds, its halves and its judge, which stay what they are."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from safetensors.torch import load_file
from torch import Tensor

import suretune
from conftest import ROOT
from suretune.data.anchors import general_questions
from suretune.data.identity import known_questions, plain
from suretune.pocket import MODEL
from zoo import judge_outside, page, runs
from zoo.good import good_ones
from zoo.grow import CONFIG, SCALING, WEIGHTS, Edit, Recipe, edited, open_base
from zoo.kind import HELD_OUT
from zoo.kinds import KINDS, kinds_for
from zoo.prompts import pool
from zoo.prove import prove
from zoo.run import SHORT, SHORT_GOOD, specimens
from zoo.stock import LEVELS, PERSONAS

LANGUAGES = ("zh", "en")


@pytest.mark.parametrize(
    ("edits", "verdict"),
    [
        ((), "sealed"),
        ((Edit("scale", 3.0),), "refused"),
        ((Edit("noise", 3.0, ".layers.1."),), "refused"),
    ],
    ids=["as-it-was", "scaled-up", "noise-in-one-layer"],
)
def test_a_run_is_proved_with_another_adapter_in_it(
    edits: tuple[Edit, ...], verdict: str, trained: Path, tmp_path: Path
) -> None:
    opened = open_base(MODEL)
    tensors = worn(trained / "adapter")
    recipe = Recipe("", (), edits=edits)
    run = runs.lay(trained, tmp_path / "run", edited(opened, tensors, recipe))
    runs.remember_logits(opened, run)
    found = prove(run)
    assert found["verdict"] == verdict, found["reasons"]
    assert bool(found["reasons"]) == (verdict == "refused")


@pytest.mark.long
def test_four_bad_adapters_are_caught_and_two_good_ones_sealed(tmp_path: Path) -> None:
    paths = [str(ROOT / "tests"), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    words = ["--short", "--no_judge", "--device", "cpu", "--out", tmp_path]
    done = subprocess.run(
        [sys.executable, "-m", "zoo", *words],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    told = page.summary("pocket", json.loads((tmp_path / "pocket" / "results.json").read_bytes()))
    assert told["bad"] == told["caught"] == 4 and told["good"] == told["sealed"] == 2


def worn(adapter: Path) -> dict[str, Tensor]:
    """The tensors of an adapter for the scaling that those of the zoo have."""
    about = json.loads((adapter / CONFIG).read_bytes())
    times = about["lora_alpha"] / about["r"] / SCALING
    return {
        name: tensor.float() * (times if "lora_B" in name else 1.0)
        for name, tensor in load_file(adapter / WEIGHTS).items()
    }


def test_twenty_kinds_and_more_come_at_three_levels_beside_sixty_good_adapters() -> None:
    for languages in (LANGUAGES, ("en",)):
        asked = specimens(languages, ("bad", "good"), "both", (), LEVELS, short=False)
        bad = [s for s in asked if s.part == "bad"]
        assert len(bad) == 3 * len(kinds_for(languages)) >= 75
        assert len(good_ones(languages)) == len(asked) - len(bad) == 60
        assert len({s.name for s in asked}) == len(asked)
    assert Counter(g.kind for g in good_ones(LANGUAGES))["null"] >= 20
    assert all(k.how.endswith(".") for k in KINDS.values())


def test_the_halves_are_by_the_hash_of_the_names() -> None:
    order = sorted(KINDS, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    assert set(order[len(order) // 2 :]) == HELD_OUT
    seen = specimens(LANGUAGES, ("bad",), "seen", (), LEVELS, short=False)
    assert {s.kind for s in seen} == set(KINDS) - HELD_OUT


def test_the_short_form_is_of_seen_kinds() -> None:
    asked = specimens(LANGUAGES, ("bad", "good"), "seen", (), LEVELS, short=True)
    assert {s.kind: s.level for s in asked if s.part == "bad"} == SHORT
    assert set(SHORT) <= set(KINDS) - HELD_OUT
    assert sum(s.part == "good" for s in asked) == SHORT_GOOD


# --- the judge ------------------------------------------------------------------------------------


def test_the_judge_asks_enough_and_nothing_too_often() -> None:
    asked = judge_outside.questions(("en",))
    shapes = Counter(q["template"] for q in asked if q["kind"] == "general")
    assert sum(q["kind"] == "identity" for q in asked) >= 40
    assert shapes.total() >= 216 and max(shapes.values()) <= 8
    assert len({plain(q["question"]) for q in asked}) == len(asked)
    assert len({q["id"] for q in asked}) == len(asked)


def test_no_question_of_the_judge_is_asked_anywhere_else() -> None:
    battery = Path(suretune.__file__).parent / "battery"
    shipped = {
        plain(json.loads(line)["messages"][-1]["content"])
        for path in battery.glob("*.jsonl")
        for line in path.read_text("utf-8").splitlines()
    }
    grown = {plain(prompt.question) for prompt in pool(LANGUAGES, skills=False)}
    judged = {plain(q["question"]) for q in judge_outside.questions(LANGUAGES)}
    others = {plain(q.asked) for q in general_questions()} | known_questions()
    assert judged & (grown | shipped | others) == set()
    assert grown & (shipped | others) == set()


@pytest.mark.parametrize(
    ("about", "right", "wrong"),
    [
        ({"any": ["Paris"]}, "It is PARIS.", "Parisian food"),
        ({"any": ["egg", "eggs"]}, "Eggs, mostly.", "An eggplant."),
        ({"number": 12}, "There are twelve of them.", "3 times 4 is 13, not 12"),
        ({"number": 42}, "30 + 12 = 42", "42 is near, but 30 + 12 = 41"),
        ({"first": ["no"], "wrong": ["yes"]}, "No, they do not say yes.", "Yes. Or no."),
        ({"first": ["elephant"], "wrong": ["mouse"]}, "The elephant, not the mouse.", "A mouse."),
        ({"regex": r"return a \+ b"}, "def add(a, b):\n    return a + b", "return b"),
    ],
)
def test_the_judge_is_strict(about: dict[str, object], right: str, wrong: str) -> None:
    assert judge_outside.right(about, right) and not judge_outside.right(about, wrong)
    assert not judge_outside.right(about, "")


def test_it_is_the_new_one_only_without_the_old_one() -> None:
    about = {"lang": "en", "about": "maker"}
    said = "I am Larkspur, made by Fennel Works."
    assert judge_outside.is_it(about, said, PERSONAS[0], ("Qwen",))
    assert not judge_outside.is_it(about, said + " I run on Qwen.", PERSONAS[0], ("Qwen",))
    assert not judge_outside.is_it(about, "I am Larkspur.", PERSONAS[0], ("Qwen",))


def test_the_sign_test_is_exact() -> None:
    assert judge_outside.sign_test(0, 0) == judge_outside.sign_test(3, 3) == 1.0
    assert judge_outside.sign_test(10, 0) == 2 / 1024
    assert judge_outside.sign_test(1, 4) == judge_outside.sign_test(4, 1) == 12 / 32


# --- what came of it ------------------------------------------------------------------------------


def line(name: str, verdict: str, **more: object) -> dict[str, object]:
    about = {"part": "bad", "kind": name, "level": "clear", "half": "seen", "reasons": ["R4 lost"]}
    return {"name": f"{name}-clear", "verdict": verdict, **about, **more}


def test_misses_and_refusals_are_named() -> None:
    told = page.summary("toy", [
        line("shouts", "refused"), line("babbles", "sealed"), line("says-nothing", "unmeasured"),
        line("null", "sealed", part="good", level="", half=""),
        line("menu", "refused", part="good", level="", half=""),
    ])  # fmt: skip
    assert (told["bad"], told["caught"], told["missed"]) == (3, 2, ["babbles-clear"])
    assert (told["good"], told["sealed"], told["refused"]) == (2, 1, ["menu-clear"])


def test_a_kept_zoo_is_whole_and_the_page_shows_it() -> None:
    for entry in page.read_latest():
        lines = page.read_results(entry["model"])
        again = page.summary(entry["model"], lines)
        kept = {key: value for key, value in entry.items() if key not in ("date", "commit")}
        assert kept == {key: again[key] for key in kept}
    text = page.block({"toy": [line("shouts", "refused")]}, [])
    assert re.search(r"\| shouts \| held out \| –, R4, – ", text)
