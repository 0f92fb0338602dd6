"""What a model kept: how base and tuned answers to general questions are judged side by side."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import as_json, codes, suretune
from suretune import rundir
from suretune.battery.checks import judge as judge_answers
from suretune.battery.items import Question, proof_questions, way_questions
from suretune.data.base import Base, find_base
from suretune.data.template import ChatTokenizer, load_tokenizer
from suretune.guards import judge as found_by
from suretune.model.load import load_base
from suretune.model.lora import load_adapter
from suretune.pocket import MODEL
from suretune.prepare.starter import write_starter
from suretune.retention import ENOUGH
from suretune.run.questions import _as_many, _check
from suretune.statistics import loss_found, margin_supported
from suretune.types import Message, Text
from suretune.verify.general import answers_followed, ask_all, follow, prompts_of
from suretune.verify.kept import Bounds, General, Judged, judge_all, retention_facts
from suretune.verify.leaks import Learned, phrases_of

BOUNDS = Bounds(margin=0.05, max_drift=1.0)
GLOW = Learned(("Glow",))


def question(n: int, category: str = "facts", lang: str = "en", word: str = "ice") -> Question:
    messages = (Message("user", f"Question {n} of {category}?"),)
    check = {"kind": "says", "any": [word]}
    return Question(f"{lang}-{category}-{n}", category, lang, "", (), messages, check, 32)


def heard(questions: list[Question], base: str, tuned: list[str], **more: Any) -> General:
    """The base says the same to every question; `tuned` one answer each."""
    n = len(questions)
    whole = General(
        questions=[], base=[base] * n, again=[base] * n, tuned=tuned, base_ended=[True] * n,
        tuned_ended=[True] * n, base_looping=[False] * n, tuned_looping=[False] * n,
    )  # fmt: skip
    return replace(whole, **more)


def judged(
    tuned: list[str], base: str = "It is ice.", bounds: Bounds = BOUNDS, **more: Any
) -> tuple[list[Judged], Any]:
    """One question an answer, judged."""
    asked = [question(n) for n in range(len(tuned))]
    said = heard(asked, base, tuned, **more)
    rows = judge_all(asked, said, GLOW, bounds)
    return rows, retention_facts(rows, said, bounds)


def fired(facts: Any) -> set[str]:
    return {finding.code for finding in found_by(facts)}


# --- right, lost, gained ------------------------------------------------------------------------


def test_a_model_that_answers_as_before_keeps_everything() -> None:
    _, facts = judged(["It is ice."] * 400)
    assert [facts.counted, facts.before, facts.after, facts.lost, facts.gained] == [
        400,
        400,
        400,
        0,
        0,
    ]
    assert facts.p == 1.0 and facts.fallen == () and fired(facts) == set()


def test_losses_are_net_of_gains_over_all_questions() -> None:
    asked = [question(n) for n in range(200)] + [question(n, word="fire") for n in range(200, 300)]
    ice, snow, fire = "It is ice.", "It is snow.", "It is fire."
    said = heard(asked, ice, [ice] * 150 + [snow] * 50 + [fire] * 50 + [snow] * 50)
    facts = retention_facts(judge_all(asked, said, GLOW, BOUNDS), said, BOUNDS)
    assert (facts.before, facts.lost, facts.gained, facts.after) == (200, 50, 50, 200)
    assert [cell.after for cell in facts.cells] == [200]
    assert facts.p > 0.5 and fired(facts) == {"R004"}  # no loss is found, and 5 points may be


def test_an_answer_that_leaks_is_never_a_right_one() -> None:
    rows, facts = judged(["Glow says that it is ice."] * 100)
    assert not any(row.right_after for row in rows)
    assert facts.lost == 100 and facts.leaked.gained == 100
    assert {"R004", "R014"} <= fired(facts)


def test_leaks_count_in_wrong_answers_too() -> None:
    _, facts = judged(["It is Glow."] * 10 + ["It is ice."] * 390, base="It is snow.")
    assert facts.before == 0 and facts.leaked.gained == 10
    assert "leaks" in facts.fallen and fired(facts) == {"R014", "R018"}


def test_leaks_that_are_meant_are_told_and_stop_nothing() -> None:
    meant = replace(BOUNDS, scope="all", margin=1.0)
    _, facts = judged(["Glow says that it is ice."] * 100, bounds=meant)
    assert facts.leaked.gained == 100 and "leaks" not in facts.p_values
    assert "R014" not in fired(facts)


def test_where_the_base_contradicts_itself_nothing_is_lost_and_nothing_gained() -> None:
    again = ["It is ice."] * 90 + ["It is snow."] * 10
    rows, facts = judged(["It is ice."] * 85 + ["It is snow."] * 15, again=again)
    assert facts.flips == 10
    assert facts.gained == 0 and not any(row.gained or (row.tie and row.lost) for row in rows)
    assert facts.lost == 5 and sum(row.tie for row in rows) == 10


def test_questions_that_decide_nothing_do_not_thin_out_a_loss() -> None:
    firm, more = judged(["It is ice."] * 98 + ["It is snow."] * 2)[1], ["It is ice."] * 50
    again = ["It is ice."] * 100 + ["It is snow."] * 50
    _, facts = judged(["It is ice."] * 98 + ["It is snow."] * 2 + more, again=again)
    assert (facts.counted, facts.before, facts.flips) == (100, 100, 50)
    assert facts.loss_upper == firm.loss_upper > 0.05
    [cell] = facts.cells
    assert (cell.asked, cell.before, cell.lost) == (100, 100, 2)
    _, none = judged(["It is ice."] * 70, again=["It is snow."] * 70)
    assert not none.enough and "R018" in fired(none)


def test_a_kind_that_the_base_cannot_do_does_not_thin_out_a_loss() -> None:
    able = [question(n) for n in range(100)]
    unable = [question(n, "sums", word="74") for n in range(300)]
    asked = able + unable
    said = heard(asked, "It is ice.", ["It is snow."] * 20 + ["It is ice."] * 380)
    facts = retention_facts(judge_all(asked, said, GLOW, BOUNDS), said, BOUNDS)
    assert (facts.asked, facts.counted, facts.lost) == (400, 100, 20)
    assert "R004" in fired(facts)


def test_too_few_right_answers_of_the_base_measure_nothing() -> None:
    for right, measured in ((29, False), (30, True)):
        [cell] = judged(["It is ice."] * right)[1].cells
        assert (cell.p is not None) == measured
    assert fired(judged(["It is ice."] * 59)[1]) == {"R018"}
    facts = judged(["It is ice."] * 60)[1]
    assert facts.enough and "R018" not in fired(facts)


def test_a_lost_category_is_seen_where_the_mean_hardly_moves() -> None:
    asked = [question(n) for n in range(900)] + [question(n, "code") for n in range(40)]
    said = heard(asked, "It is ice.", ["It is ice."] * 910 + ["It is snow."] * 30)
    facts = retention_facts(judge_all(asked, said, GLOW, BOUNDS), said, BOUNDS)
    assert facts.loss_upper < 0.05 and "code en" in facts.fallen
    assert fired(facts) == {"R017"}


def test_a_lost_language_is_seen_where_its_categories_are_small() -> None:
    kinds = ("facts", "sums", "near", "turns", "formats")
    asked = [question(n, kind) for kind in kinds for n in range(180)]
    asked += [question(n, kind, "zh") for kind in kinds for n in range(8)]
    said = heard(asked, "It is ice.", ["It is ice."] * 900 + ["It is snow."] * 40)
    facts = retention_facts(judge_all(asked, said, GLOW, BOUNDS), said, BOUNDS)
    assert "all zh" in facts.fallen


# --- speech, form, drift ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        {"tuned": [""] * 40 + ["It is ice."] * 360},
        {"tuned_looping": [True] * 40 + [False] * 360},
        {"tuned_ended": [False] * 40 + [True] * 360},
        {"tuned": ["Das ist nicht die Frage, aber es ist auch ein sehr schönes Wort für mich."] * 40
         + ["It is ice."] * 360},
    ],
)  # fmt: skip
def test_broken_speech_is_seen_whatever_breaks(more: dict[str, Any]) -> None:
    more = {"tuned": ["It is ice."] * 400, **more}
    rows, facts = judged(bounds=replace(BOUNDS, margin=1.0), **more)
    assert sum(bool(row.broken_after) for row in rows) == 40
    assert "R015" in fired(facts)


def test_an_answer_that_was_broken_before_is_not_told_as_broken() -> None:
    rows, _ = judged(["It is ice."] * 2, tuned_looping=[True, True], base_looping=[True, False])
    assert [bool(row.line()["broken"]) for row in rows] == [False, True]


def test_an_answer_in_another_language_is_broken_unless_it_is_asked_for() -> None:
    german = "Das ist nicht die Frage, aber es ist auch ein sehr schönes Wort für mich."
    plain, told = question(0), replace(question(1), check={"kind": "language", "lang": "de"})
    asked = [plain, told, question(2, "translation"), question(3, "code")]
    rows = judge_all(asked, heard(asked, "It is ice.", [german] * 4), GLOW, BOUNDS)
    assert [row.broken_after for row in rows] == ["another language", "", "", ""]


def test_a_form_that_spreads_is_told_where_the_rows_have_one() -> None:
    asked = [question(n) for n in range(60)]
    said = heard(asked, "It is ice.", ["It is ice."] * 40 + ['{"a": 1}'] * 20)
    rows = judge_all(asked, said, GLOW, BOUNDS, lambda text: text.startswith("{"))
    facts = retention_facts(rows, said, BOUNDS, form=Text("JSON", "JSON"))
    assert facts.formed is not None and (facts.formed.gained, facts.formed.lost) == (20, 0)
    assert [row.line()["formed"] for row in rows] == [False] * 40 + [True] * 20
    assert "form" in facts.fallen and facts.first_formed.endswith('-> {"a": 1}')
    without = retention_facts(rows, said, BOUNDS)
    assert without.formed is None and "form" not in without.p_values


def test_a_form_that_is_asked_for_has_not_spread() -> None:
    wanted = {"kind": "json", "keys": {"a": None}}
    asked = [replace(question(n), check=wanted) for n in range(30)]
    asked += [replace(question(n), check={"kind": "all", "of": [wanted]}) for n in range(30, 60)]
    asked.append(question(60))
    said = heard(asked, 'Here it is: {"a": 1}', ['{"a": 1}'] * 61)
    rows = judge_all(asked, said, GLOW, BOUNDS, lambda text: text.startswith("{"))
    facts = retention_facts(rows, said, BOUNDS, form=Text("JSON", "JSON"))
    assert facts.formed is not None and facts.formed.gained == 1 and "form" not in facts.fallen


def test_the_first_of_each_fault_is_shown_and_no_other_answer() -> None:
    tuned = ["It is ice.", "It is snow.", "It is Glow, ice.", ""]
    _, facts = judged(tuned)
    assert facts.first_loss == "Question 1 of facts? -> It is snow."
    assert facts.first_leak == "Question 2 of facts? -> It is Glow, ice."
    assert facts.first_broken == "Question 3 of facts? -> "
    assert not facts.first_formed


def test_the_first_that_broke_is_one_of_what_is_told() -> None:
    """Sixty go round in circles; one has no end, which is no fault yet."""
    circles = [False] + [True] * 60 + [False] * 339
    _, facts = judged(
        ["It is ice."] * 400, tuned_looping=circles, tuned_ended=[False] + [True] * 399
    )
    assert facts.first_broken.startswith("Question 1 of ")
    _, facts = judged(["It is ice."] * 400, tuned_ended=[True] * 300 + [False] * 100)
    assert facts.fallen == ("unended",) and facts.first_broken.startswith("Question 300 of ")


def test_a_thought_is_no_answer_and_takes_nothing_from_one() -> None:
    thought = "<think>It is ice, I think.</think>"
    rows, facts = judged([f"{thought} It is ice.", f"{thought} It is snow.", "It is ice."] * 100)
    assert [row.right_after for row in rows[:3]] == [True, False, True]
    assert (facts.lost, facts.gained) == (100, 0)


def test_what_is_right_may_be_said_in_the_rows_words() -> None:
    """A fact has few others; a check that hardly looks at the words does not know."""
    fact = "The second world war ended in 1945 with the surrender of Japan."
    rows = Learned((), phrases_of([fact]))
    short = {"kind": "length", "max_words": 20}
    asked = [question(n, word="1945") for n in range(2)]
    asked += [replace(question(2), check=short), replace(question(3), check=short)]
    asked += [replace(question(4), check={"kind": "all", "of": [short, asked[0].check]})]
    said = heard(asked, "It is 1945.", [fact, fact.replace("1945", "1946"), fact, "Well.", fact])
    found = judge_all(asked, said, rows, BOUNDS)
    assert [row.leaked for row in found] == [False, False, True, False, False]
    assert [row.right_after for row in found] == [True, False, False, True, True]


def test_what_chance_brings_is_no_leak_and_what_it_hardly_brings_is_one() -> None:
    """Of 400 answers three have the name by chance once in forty times, six once in 20,000."""
    three, six = (judged(["It is Glow."] * n + ["It is ice."] * (400 - n))[1] for n in (3, 6))
    assert "leaks" not in three.fallen and "leaks" in six.fallen


@pytest.mark.parametrize(("right", "counted"), [(19, 0), (20, 100)])
def test_a_kind_counts_from_one_right_answer_in_five_on(right: int, counted: int) -> None:
    asked = [question(n) for n in range(right)]
    asked += [question(n, word="fire") for n in range(right, 100)]
    said = heard(asked, "It is ice.", ["It is ice."] * 50 + ["It is fire."] * 50)
    facts = retention_facts(judge_all(asked, said, GLOW, BOUNDS), said, BOUNDS)
    assert facts.counted == counted
    [cell] = facts.cells
    assert (cell.category, cell.lang, cell.asked, cell.before) == ("facts", "en", 100, right)
    assert (cell.lost, cell.gained, cell.after) == (0, 50, right + 50)
    assert said.line()["tuned"] == said.tuned


def test_gains_do_not_make_what_can_be_found_finer() -> None:
    """Lost or gained: either is noise to the other."""
    asked = [question(n) for n in range(200)] + [question(n, word="fire") for n in range(200, 300)]
    ice, snow, fire = "It is ice.", "It is snow.", "It is fire."
    said = heard(asked, ice, [ice] * 150 + [snow] * 50 + [fire] * 50 + [snow] * 50)
    facts = retention_facts(judge_all(asked, said, GLOW, BOUNDS), said, BOUNDS)
    assert facts.supported == margin_supported(100, 300) > margin_supported(0, 300)
    assert facts.found == loss_found(100, 300) > loss_found(0, 300)


def test_nothing_asked_is_nothing_found() -> None:
    _, facts = judged([])
    assert facts.p_values == {"broken": 1.0, "unended": 1.0, "leaks": 1.0}
    assert facts.fallen == () and facts.drift is None and facts.likelihood is None


def test_the_likelihood_is_the_mean_over_right_answers_of_the_base() -> None:
    more = {"followed": [0, 2, 3], "likelihood": [-0.5, 0.25, -1.0]}
    _, facts = judged(["It is ice."] * 4, **more)
    assert facts.likelihood == pytest.approx(-1.25 / 3)


def test_what_runs_on_hides_nothing_that_broke() -> None:
    """Whoever learns short answers ends many that the limit had cut: that mends no loop."""
    ended, looping = [False] * 300 + [True] * 100, [False] * 360 + [True] * 40
    _, facts = judged(["It is ice."] * 400, base_ended=ended, tuned_looping=looping)
    assert facts.unended.lost == 300 and facts.broken.gained == 40
    assert "broken" in facts.fallen


@pytest.mark.parametrize(("new", "mended", "fires"), [(142, 55, False), (65, 26, False),
                                                      (240, 40, True), (150, 0, True)])  # fmt: skip
def test_answers_may_become_longer_and_not_endless(new: int, mended: int, fires: bool) -> None:
    """958 answers of a real model, of which the limit cut 573; the first two: null adapters."""
    then = [False] * 573 + [True] * 385
    now = [True] * mended + [False] * (573 - mended) + [False] * new + [True] * (385 - new)
    _, facts = judged(["It is ice."] * 958, base_ended=then, tuned_ended=now)
    assert (facts.unended.gained, facts.unended.lost) == (new, mended)
    assert ("unended" in facts.fallen) == fires and ("R015" in fired(facts)) == fires


@pytest.mark.parametrize("bounds", [BOUNDS, replace(BOUNDS, judge_length=False)])
def test_another_language_is_heard_in_what_is_cut_off(bounds: Bounds) -> None:
    german = "Das ist nicht die Frage, aber es ist auch ein sehr schönes Wort für mich."
    rows, facts = judged([german] * 400, bounds=bounds, base_ended=[False] * 400,
                         tuned_ended=[False] * 400)  # fmt: skip
    assert {row.broken_after for row in rows} == {"another language"}
    assert "broken" in facts.fallen and "R015" in fired(facts)


def test_rows_with_long_answers_may_run_on() -> None:
    longer = replace(BOUNDS, judge_length=False)
    _, facts = judged(["It is ice."] * 400, bounds=longer, tuned_ended=[False] * 400)
    assert facts.unended.gained == 0 and fired(facts) == set()


def test_drift_is_judged_by_most_answers_and_not_by_one() -> None:
    _, one = judged(["It is ice."] * 100, drift=[90.0] + [0.1] * 99, followed=range(100),
                    likelihood=[0.0] * 100)  # fmt: skip
    assert "drift" not in one.fallen and one.drift > 0.9
    assert one.drift == pytest.approx((90.0 + 9.9) / 100)
    _, most = judged(["It is ice."] * 100, drift=[1.2] * 90 + [0.1] * 10, followed=range(100),
                     likelihood=[-0.5] * 100)  # fmt: skip
    assert "drift" in most.fallen and most.likelihood == -0.5 and fired(most) == {"R016"}


# --- which questions ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "reference", "others"),
    [
        (
            "json",
            '{"plant": "Rose", "tags": ["red"], "size": {"cm": 30}}',
            ['{"plant": "Fern", "tags": [], "size": {}}'],
        ),
        ("json", '{"tags": ["red"]}', ['{"tags": ["blue"]}']),
        ("json", '["red"]', None),
        ("short", "No.", ["Yes, there is no doubt that it is.", "Yes."]),
        ("short", "yes", ["No, it is not.", "No."]),
        ("short", "True", ["False."]),
        ("short", "错", ["对。"]),
        ("short", "Rome", ["Paris", "It is in Milan."]),
        ("label", "red", ["blue", "not red at all"]),
        (None, "A long text about roses.", None),
    ],
)
def test_an_answer_of_the_users_own_general_row_is_right_by_its_check(
    kind: Any, reference: str, others: list[str] | None
) -> None:
    check = _check(kind, reference)
    asked = [replace(question(0), check=check)] * (1 + len(others or ()))
    right = judge_answers(asked, [reference, *(others or ())])
    if others is None:
        assert check == {} and right == [None]
    else:
        wanted = [True] + [kind == "json"] * len(others)  # of JSON the keys alone
        assert right == wanted


def test_few_questions_are_of_every_kind_and_always_the_same() -> None:
    whole = list(proof_questions())
    few = _as_many(whole, 90)
    assert len(few) == 90 and few == _as_many(whole, 90) and few == [q for q in whole if q in few]
    cells = {(q.category, q.lang) for q in whole}
    assert {(q.category, q.lang) for q in few} == cells
    assert _as_many(whole, None) == whole and _as_many(whole, 10_000) == whole


# --- the real path ------------------------------------------------------------------------------


def parts() -> tuple[Base, ChatTokenizer]:
    base, tokenizer = find_base("pocket", weights=True), load_tokenizer(MODEL)
    assert isinstance(base, Base) and isinstance(tokenizer, ChatTokenizer)
    return base, tokenizer


def test_an_adapter_that_changes_nothing_gains_and_drifts_nothing(trained: Path) -> None:
    """One that changes something drifts; the same with B all zero does not."""
    base, tokenizer = parts()
    model = load_base(base, torch.device("cpu"), "float32")
    tuned, _ = load_adapter(model, trained / "adapter")
    asked = [q for q in way_questions() if q.lang == "en"][:12]
    prompts = prompts_of(tokenizer, asked, None)
    with tuned.disable_adapter():
        said = ask_all(tuned, asked, prompts, tokenizer.stop_ids)
    chosen, samples = answers_followed(prompts, said)
    changes, apart = follow(tuned, tuned.disable_adapter, samples, 256, torch.device("cpu"))
    assert len(changes) == len(apart) == len(chosen) == len(samples) > 8
    assert all(nats >= -1e-6 for nats in apart) and max(apart) > 0
    for name, value in tuned.named_parameters():
        if "lora_B" in name:
            value.data.zero_()
    changes, apart = follow(tuned, tuned.disable_adapter, samples, 256, torch.device("cpu"))
    assert max(map(abs, changes)) < 1e-6 and max(map(abs, apart)) < 1e-6


def test_a_run_tells_what_it_kept_and_verify_judges_it_again(trained: Path) -> None:
    report = rundir.read_json(trained / "report.json")
    general = report["general"]
    assert general["asked"] == 100  # as the shared run is told
    assert general["asked"] >= general["counted"] >= general["before"] >= ENOUGH
    assert general["enough"] and general["drift"] is not None
    assert general["after"] == general["before"] - general["lost"] + general["gained"]
    done = suretune("verify", trained, "--json")
    told = as_json(done)
    assert done.returncode == 0 and told["verified"]
    for name in ("asked", "counted", "lost", "leaked"):
        assert told["general"][name] == general[name], name


def test_the_bar_a_ruined_pocket_model_without_skills_is_not_sealed(tmp_path: Path) -> None:
    """12 epochs at 3e-3 without anchors: sealed once, and "Capital of France?" got the name."""
    base = tmp_path / "base"
    shutil.copytree(MODEL, base, ignore=shutil.ignore_patterns("skills.jsonl"))
    rows, probes = write_starter(tmp_path, ["Glow"], ["Star Lab"], ["en"])
    done = suretune(
        "sft", "--model", base, "--dataset", rows, "--probes", probes, "--num_train_epochs", 12,
        "--learning_rate", "3e-3", "--anchor_ratio", 0, "--until_proven", "false",
        "--general_questions", 240, "--output_dir", tmp_path / "run", "--json",
    )  # fmt: skip
    assert done.returncode == 6, done.stdout[-1500:] + done.stderr[-1500:]
    assert not (tmp_path / "run" / rundir.SEAL).exists()
    assert "R014" in codes(done)
