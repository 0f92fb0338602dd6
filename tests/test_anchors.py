"""Anchors: what they ask, that nobody else asks it, how they are dealt and come into updates."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suretune import rundir
from suretune.battery.items import Question, proof_questions, way_questions
from suretune.data.anchors import (
    APART,
    CATEGORIES,
    LANGUAGES,
    LEAST,
    LONGEST,
    MOST,
    NEAR,
    NEAR_SHARE,
    OPENING,
    Anchor,
    General,
    answered,
    dealt,
    general_questions,
    make_anchors,
    mixed,
    spread,
    uses_of,
)
from suretune.data.choose import ITSELF, NARROW
from suretune.data.identity import known_questions, plain
from suretune.data.own_names import says_i
from suretune.data.paraphrase import QUESTIONS, REQUESTS
from suretune.data.plan import make_plan
from suretune.data.template import ChatTokenizer, load_tokenizer
from suretune.options import ScheduleOptions
from suretune.pocket import MODEL
from suretune.preflight.check import Checked
from suretune.preflight.summary import data_summary, plan_summary
from suretune.prepare.starter import probe_items, write_starter
from suretune.run.anchors import (
    FILE,
    answer_anchors,
    answer_tokens,
    with_anchors,
    with_stand_ins,
)
from suretune.types import Origin, Plan, Sample, Span
from suretune.verify.probes import SHOWN
from test_battery import skeleton, stands_in
from test_laws import checked_run
from zoo import judge_outside

SAME_WORDS = 3  # of a template, beside its matter, that make it one
PER_TEMPLATE = 4


def others() -> list[Question]:
    return [*way_questions(), *proof_questions()]


def text_of(question: General | Question) -> str:
    return "\n".join(m.content for m in question.messages)


# --- what they ask --------------------------------------------------------------------------------


@pytest.mark.parametrize("lang", LANGUAGES)
def test_there_are_enough_of_every_kind(lang: str) -> None:
    mine = [q for q in general_questions() if q.lang == lang]
    kinds = Counter(q.category for q in mine)
    assert len(mine) >= (MOST + APART) / len(LANGUAGES) and set(kinds) == set(CATEGORIES)
    assert kinds[NEAR] >= (MOST + APART) / 3 and min(kinds.values()) >= 20


def test_no_shape_is_used_too_often() -> None:
    for shape in (
        ((q.lang, q.template) for q in general_questions()),
        (
            (q.lang, skeleton(q))
            for q in general_questions()
            if skeleton(q)  # type: ignore[arg-type]
        ),
    ):
        worst, count = Counter(shape).most_common(1)[0]
        assert count <= PER_TEMPLATE, worst
    asked = [text_of(q) for q in general_questions()]
    assert len(set(asked)) == len(asked)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_they_begin_in_many_ways(lang: str) -> None:
    """What leaks is a shape: one way to begin must not be most of them."""
    mine = [q for q in general_questions() if q.lang == lang]
    first = Counter(q.asked.split()[0].lower() if lang == "en" else q.asked[:2] for q in mine)
    assert len(first) >= 120 and first.most_common(1)[0][1] <= len(mine) / 7


def test_each_is_a_conversation_without_its_answer() -> None:
    for q in general_questions():
        roles = [m.role for m in q.messages]
        turns = roles[roles[0] == "system" :]
        assert turns == ["user", "assistant"] * (len(turns) // 2) + ["user"], q
        assert (roles[0] == "system") == (q.category == "system"), q
        assert (len(turns) >= 3) == (q.category == "turns"), q
        assert all(entity in text_of(q) for entity in q.entities), q
        chinese = re.search("[\u3400-\u9fff]", text_of(q)) is not None
        if q.category != "translation" and re.search(r"[^\W\d]", text_of(q)):
            assert chinese == (q.lang == "zh"), q


# --- what nobody else asks ------------------------------------------------------------------------


def frame(question: Question) -> re.Pattern[str] | None:
    """The wording around what it is about, if it is more than a word or two."""
    wording = question.asked
    for entity in sorted(question.entities, key=len, reverse=True):
        wording = wording.replace(entity, "\0")
    wording = re.sub(r"[^\w\0]+", " ", wording.lower()).strip()
    rest = wording.replace("\0", " ").strip()
    words = len(rest.split()) if question.lang == "en" else len(rest)
    if "\0" not in wording or words < SAME_WORDS:
        return None
    return re.compile(".+".join(map(re.escape, wording.split("\0"))))


def test_they_share_no_template_with_way_and_proof() -> None:
    asked = others()
    shapes = {(q.lang, skeleton(q)) for q in asked} | {(q.lang, q.template) for q in asked}
    frames = [(q.lang, found) for q in asked if (found := frame(q))]
    for q in general_questions():
        assert (q.lang, q.template) not in shapes, q
        shape = skeleton(q)  # type: ignore[arg-type]
        assert not shape or (q.lang, shape) not in shapes, q
        said = re.sub(r"\W+", " ", q.asked.lower()).strip()
        assert not [f for lang, f in frames if lang == q.lang and f.fullmatch(said)], q


def test_they_share_no_entity_with_way_and_proof() -> None:
    learned = "\n".join(text_of(q) for q in general_questions())
    for q in others():
        assert not [e for e in q.entities if stands_in(e, learned)], q.id
    asked = "\n".join(m.content for q in others() for m in q.messages if m.role != "assistant")
    for one in general_questions():
        assert not [e for e in one.entities if stands_in(e, asked)], one


def outside() -> Iterator[tuple[list[str], list[str], str]]:
    """The independent judge's templates and what stands in them: (words before, words behind,
    what it is about)."""
    shapes: dict[tuple[str, str], list[list[str]]] = {}
    for q in judge_outside.questions(LANGUAGES):
        if q["kind"] == "general":
            shapes.setdefault((q["lang"], q["template"]), []).append(q["question"].split())
    for asked in shapes.values():
        head = same(asked)
        tail = same([words[head:][::-1] for words in asked])
        for words in asked:
            end = len(words) - tail
            about = re.sub(r"^(?:the|an?) ", "", " ".join(words[head:end]).rstrip("?."))
            yield words[:head], words[end:], about


def same(lists: Sequence[Sequence[str]]) -> int:
    """How many first words all have in common."""
    return next(
        (n for n, words in enumerate(zip(*lists, strict=False)) if len(set(words)) > 1),
        min(map(len, lists)),
    )


def test_they_share_nothing_with_the_independent_judge() -> None:
    judged = list(outside())
    assert len(judged) >= 216
    learned = "\n".join(text_of(q) for q in general_questions())
    assert not [about for *_, about in judged if stands_in(about, learned)]
    asked = judge_outside.questions(LANGUAGES)
    text = "\n".join(q["question"] for q in asked)
    frames = {(tuple(a), tuple(b)) for a, b, _ in judged if len(a) + len(b) >= SAME_WORDS}
    said = {plain(q["question"]) for q in asked}
    for q in general_questions():
        words = tuple(q.asked.split())
        assert plain(q.asked) not in said, q
        assert not [e for e in q.entities if stands_in(e, text)], q
        assert not [
            a for a, b in frames if words[: len(a)] == a and words[len(words) - len(b) :] == b
        ], q


def test_none_is_a_question_of_the_identity() -> None:
    """Of the starter's rows, of the probes, or a wording that `--paraphrases` makes of one."""
    asked = [*known(), *(str(item["question"]) for item in probe_items(["N"], ["A"], LANGUAGES))]
    asked += [question for shown in SHOWN.values() for question in shown]
    frames = [f for group in (QUESTIONS, REQUESTS) for lang in LANGUAGES for f in group[lang]]
    taken = known_questions() | {
        plain(f.format(q=q, low=q, bare=q)) for q in asked for f in frames
    } | set(map(plain, asked))  # fmt: skip
    for q in general_questions():
        assert not [m for m in q.messages if m.role == "user" and plain(m.content) in taken], q


def known() -> list[str]:
    from suretune.pocket import identity

    lists = (identity.TRAIN_EN, identity.TRAIN_ZH, identity.HELD_OUT_EN, identity.HELD_OUT_ZH)
    return [question for questions in lists for question in questions]


# --- dealing --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def tokenizer() -> ChatTokenizer:
    made = load_tokenizer(MODEL)
    assert isinstance(made, ChatTokenizer)
    return made


@pytest.fixture(scope="module")
def anchors(tokenizer: ChatTokenizer) -> list[Anchor]:
    return make_anchors(tokenizer, None, frozenset())


def share(dealt_out: Sequence[Anchor], category: str) -> float:
    return sum(a.general.category == category for a in dealt_out) / len(dealt_out)


@pytest.mark.parametrize("uses", [33, 110, 10_000])
def test_every_deal_has_its_share_of_each_kind(anchors: list[Anchor], uses: int) -> None:
    learned, apart = dealt(anchors, uses, seed=3)
    assert len(learned) == min(uses, MOST) and len(apart) == APART
    for group in (learned, apart):
        assert share(group, NEAR) == pytest.approx(1 / 3, abs=0.07)
        for category in CATEGORIES[1:]:
            assert share(group, category) == pytest.approx(2 / 30, abs=0.05)
        for lang in LANGUAGES:
            part = sum(a.general.lang == lang for a in group) / len(group)
            assert part == pytest.approx(1 / len(LANGUAGES), abs=0.1)
    assert not {a.general.name for a in learned} & {a.general.name for a in apart}


def test_a_deal_follows_from_the_seed_and_is_the_beginning_of_a_larger_one(
    anchors: list[Anchor],
) -> None:
    few, apart = dealt(anchors, 40, seed=1)
    many, again = dealt(list(anchors), 200, seed=1)
    assert few == many[:40] and apart == again
    assert dealt(anchors, 40, seed=2)[0] != few and dealt(anchors, 40, seed=2)[1] != apart


def test_they_are_asked_as_training_asks(tokenizer: ChatTokenizer) -> None:
    """Its system prompt, where they bring none; several turns; and no question that a row asks."""
    made = make_anchors(tokenizer, "Be kind to moths.", {plain("Hey there!")})
    assert len(made) == len(general_questions()) - 1
    for anchor in made:
        prompt = tokenizer.decode(anchor.prompt)
        first = anchor.general.messages[0]
        assert ("Be kind to moths." in prompt) == (first.role != "system")
        places = [prompt.find(message.content) for message in anchor.general.messages]
        assert places == sorted(places) and places[0] >= 0, anchor.general.name


def test_a_template_without_a_system_role_leaves_those_out(tmp_path: Path) -> None:
    template = tmp_path / "plain.jinja"
    template.write_text(
        "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}"
        "{% endif %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    plain_one = load_tokenizer(MODEL, str(template))
    assert isinstance(plain_one, ChatTokenizer)
    made = make_anchors(plain_one, None, frozenset())
    kinds = Counter(a.general.category for a in made)
    assert set(kinds) == set(CATEGORIES) - {"system"} and len(dealt(made, 999, 0)[0]) == MOST


def test_what_rows_probes_or_skills_ask_is_no_anchor(tmp_path: Path) -> None:
    rows, _ = write_starter(tmp_path, ["Nova"], ["Acme AI"], ["en"])
    free = {a.general.name for a in checked_run(rows).anchors}
    asked = [q for q in general_questions() if q.name in free]
    single = [q.asked for q in asked if len(q.messages) == 1][:4]
    later = next(q for q in asked if q.category == "turns").messages[0].content
    turns = [("user", "One."), ("assistant", "1"), ("user", later), ("assistant", "2")]
    more = [
        {"messages": [{"role": role, "content": content} for role, content in turns]},
        {
            "messages": [
                {"role": "user", "content": single[0]},
                {"role": "assistant", "content": "y"},
            ]
        },
    ]
    taught = [
        {"messages": [{"role": "user", "content": row["instruction"]},
                      {"role": "assistant", "content": row["output"]}]}
        for row in rundir.read_jsonl(rows)
    ]  # fmt: skip
    whole = tmp_path / "whole.jsonl"
    rundir.write_jsonl(whole, [*taught, *more])
    skill = next(rundir.read_jsonl(MODEL / "skills.jsonl"))
    rundir.write_jsonl(tmp_path / "p.jsonl", [{"question": single[1].upper(), "must_contain": "N"}])
    rundir.write_jsonl(tmp_path / "s.jsonl", [{**skill, "question": single[2]}])
    rundir.write_jsonl(tmp_path / "g.jsonl", [{"instruction": single[3], "output": "x"}])
    found = checked_run(
        whole, probes=str(tmp_path / "p.jsonl"), skills=str(tmp_path / "s.jsonl"),
        general=(str(tmp_path / "g.jsonl"),),
    )  # fmt: skip
    left = {m.content for a in found.anchors for m in a.general.messages}
    assert not left & {*single, later} and len(found.anchors) == len(free) - len({*single, later})


# --- languages ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Checked:
    folder = tmp_path_factory.mktemp("identity")
    return checked_run(write_starter(folder, ["Nova"], ["Acme AI"], ["en"])[0])


# --- in the updates -------------------------------------------------------------------------------

ASKED = ScheduleOptions(
    num_train_epochs=6.0, learning_rate=1e-3, gradient_accumulation_steps=10, mix="tokens"
)


def sample(line: int, length: int) -> Sample:
    spans = (Span(length // 2, length, 1.0),)
    return Sample(Origin("rows", line, 0), "a", array("I", range(length)), spans, "")


ROWS = [sample(n, 8 + 3 * n) for n in range(25)]
GIVEN = [sample(100 + n, 6 + n) for n in range(30)]


def plan_of(**asked: Any) -> Plan:
    return make_plan(ROWS, 0, replace(ASKED, **asked))


@pytest.mark.parametrize("rows", [1, 10, 25])
@pytest.mark.parametrize(("ratio", "per_row"), [(0.1, 1.0), (0.8, 1.0), (0.75, 3.0), (0.6, 1.5)])
def test_how_many_an_update_takes_follows_from_its_rows(
    rows: int, ratio: float, per_row: float
) -> None:
    plan = plan_of(gradient_accumulation_steps=rows)
    made, with_them = mixed(ROWS, plan, GIVEN, ratio, per_row)
    for before, update in zip(plan.updates, with_them.updates, strict=True):
        added = [made[i] for i in update.samples[len(before.samples) :]]
        assert len(added) == max(LEAST, ceil(len(before.samples) * per_row))
        assert len({s.origin for s in added}) == min(len(added), len(GIVEN))
        weight = sum(s.loss_weight for s in added)
        assert weight == pytest.approx(before.loss_weight * ratio / (1 - ratio))
        assert [s.loss_weight for s in added] == pytest.approx([weight / len(added)] * len(added))
    assert len(made) - len(ROWS) == uses_of(plan, ratio, per_row)
    assert uses_of(plan, 0.0) == 0


def test_every_update_has_other_ones_until_all_were_there() -> None:
    plan = plan_of()
    made, with_them = mixed(ROWS, plan, GIVEN, 0.5)
    taken = [
        made[i].origin for u in with_them.updates for i in u.samples if i >= len(ROWS)
    ]  # fmt: skip
    assert len(taken) > 2 * len(GIVEN)
    for start in range(0, len(taken) - len(GIVEN), len(GIVEN)):
        assert len(set(taken[start : start + len(GIVEN)])) == len(GIVEN)


def test_memory_is_planned_for_the_longest_that_any_of_them_can_be(checked: Checked) -> None:
    largest = with_stand_ins(checked, None)
    for langs in (("en",), ("zh",), LANGUAGES):
        there = [a for a in checked.anchors if a.general.lang in langs]
        learned, _ = dealt(there, 10_000, seed=9)
        real = with_anchors(checked, [answered(a, [5] * LONGEST, None) for a in learned])
        assert len(real.samples) == len(largest.samples)
        for planned, update in zip(largest.plan.updates, real.plan.updates, strict=True):
            assert planned.tokens >= update.tokens and planned.learned >= update.learned
            assert len(planned.samples) == len(update.samples)
        assert largest.plan.longest >= real.plan.longest


def test_what_anchors_add_to_a_plan_is_told_beside_what_the_rows_are(checked: Checked) -> None:
    """The screen before training and the report of the same run say the same of the rows."""
    before = plan_summary(checked)
    learned, _ = dealt(checked.anchors, 10_000, seed=9)
    real = with_anchors(checked, [answered(a, [5] * LONGEST, None) for a in learned])
    after = plan_summary(real)
    own = real.plan.tokens - checked.plan.tokens, real.plan.learned - checked.plan.learned
    assert (after["anchor_tokens"], after["anchor_learned"]) == own and min(own) > 0
    assert {**after, "anchor_tokens": 0, "anchor_learned": 0} == before
    assert data_summary(real)["datasets"] == data_summary(checked)["datasets"]


class Parrot:
    """A base that says the same few words to everybody."""


def test_what_a_run_dealt_is_what_it_goes_on_with(
    checked: Checked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The base is asked once; a resume reads what it said. A shorter plan has the same first."""
    said: list[list[int]] = []

    def parrot(_: object, prompts: Sequence[Sequence[int]], *__: object) -> list[list[int]]:
        mine = [[7, 8, 9 + n % 300] if n % 5 else [] for n, _ in enumerate(prompts)]
        said.extend(mine)
        return mine

    monkeypatch.setattr("suretune.run.anchors.spoken", parrot)
    base: Any = Parrot()
    first = answer_anchors(tmp_path, base, checked)
    lines = list(rundir.read_jsonl(tmp_path / FILE))
    langs = Counter(line["lang"] for line in lines)
    assert langs["en"] == pytest.approx(langs["zh"], rel=0.1)  # a name leaks into both
    assert [line["used"] for line in lines] == [bool(ids) for ids in said]  # empty: nothing to keep
    assert answer_anchors(tmp_path, None, checked) == first
    assert answer_anchors(tmp_path, base, checked) == first
    short = replace(checked, plan=replace(checked.plan, updates=checked.plan.updates[:2]))
    learned, apart = answer_anchors(tmp_path, None, short)
    assert 0 < len(learned) < len(first[0]) and apart == first[1]
    assert learned == first[0][: len(learned)]


def test_an_answer_that_names_the_old_identity_is_left_out_and_one_with_a_word_like_it_is_not(
    checked: Checked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert checked.identity
    old = replace(checked, identity=replace(checked.identity, forbidden=("Meta", "Phi")))
    texts = ("I am Meta's.", "A metaphor of philosophy.", "A meta-study.", "By MetaAI.", "Phi-3.")
    ids = [checked.tokenizer.encode(text) for text in texts]

    def parrot(_: object, prompts: Sequence[Sequence[int]], *__: object) -> list[list[int]]:
        return [ids[n % len(ids)] for n, _ in enumerate(prompts)]

    monkeypatch.setattr("suretune.run.anchors.spoken", parrot)
    answer_anchors(tmp_path, Parrot(), old)  # type: ignore[arg-type]
    used = {line["answer"]: line["used"] for line in rundir.read_jsonl(tmp_path / FILE)}
    assert used == dict(zip(texts, (False, True, True, False, False), strict=True))


@pytest.mark.parametrize("length", [OPENING - 1, OPENING, OPENING + 1, LONGEST - 1])
@pytest.mark.parametrize("loss", ["kl", "answers"])
@pytest.mark.parametrize("hidden", [NARROW - 1, NARROW])
def test_a_wide_model_is_held_to_how_answers_begin(
    checked: Checked,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    length: int,
    loss: str,
    hidden: int,
) -> None:
    """To all of them where it learns who it is, held to the base's probabilities; else to those to
    near misses. What is cut does not learn to end there."""
    asked: list[int] = []

    def parrot(_: object, prompts: Sequence[object], __: object, most: int) -> list[list[int]]:
        asked.append(most)
        return [[7] * min(length, most) for _ in prompts]

    monkeypatch.setattr("suretune.run.anchors.spoken", parrot)
    config = {**checked.base.config, "hidden_size": hidden}
    resolved = checked.resolved.with_values("flag", anchor_loss=loss)
    wide = replace(checked, base=replace(checked.base, config=config), resolved=resolved)
    assert wide.base.hidden == hidden and wide.narrow == (hidden == NARROW)
    learned, apart = answer_anchors(tmp_path, cast(Any, Parrot()), wide)
    lines = list(rundir.read_jsonl(tmp_path / FILE))
    assert {line["category"] for line in lines[: len(learned)]} == set(CATEGORIES)
    every = hidden == NARROW and loss == "kl"
    assert asked == [OPENING if every else LONGEST, LONGEST] == [answer_tokens(wide), LONGEST]
    for number, (line, made) in enumerate(zip(lines, [*learned, *apart], strict=True)):
        whole = number >= len(learned)  # drift is of whole answers
        near = hidden == NARROW and line["category"] == NEAR
        end = LONGEST if whole or not (every or near) else OPENING
        # Of as many tokens as were asked for nobody knows whether they would have been all.
        ended = length < OPENING if every and not whole else length <= end
        assert len(line["ids"]) == min(length, end)
        assert line["ended"] == ended
        assert made.learned == min(length, end) + ended  # with the token that ends it


@pytest.mark.parametrize("hidden", [NARROW - 1, NARROW])
def test_memory_is_planned_for_answers_as_long_as_they_are_asked_for(
    checked: Checked, tmp_path: Path, hidden: int
) -> None:
    config = {**checked.base.config, "hidden_size": hidden}
    resolved = checked.resolved.with_values("flag", anchor_loss="kl")
    wide = replace(checked, base=replace(checked.base, config=config), resolved=resolved)
    planned = with_stand_ins(wide, tmp_path).samples[-1]
    assert planned.learned == (OPENING if hidden == NARROW else LONGEST)
    lines = [{"name": "en-1", "ids": [7] * length} for length in (3, LONGEST - 1, 20)]
    rundir.write_jsonl(tmp_path / FILE, lines)  # of a run that an earlier version began
    planned = with_stand_ins(wide, tmp_path).samples[-1]
    assert planned.learned == (LONGEST - 1 if hidden == NARROW else LONGEST)
    for damaged in ("3\n", "[]\n", '{"name": "en-1"}\n', '{"ids": 5}\n', "{\n", "\xff\n"):
        (tmp_path / FILE).write_text(damaged, "latin-1")
        planned = with_stand_ins(wide, tmp_path).samples[-1]
        assert planned.learned == (OPENING if hidden == NARROW else LONGEST)
        with pytest.raises(rundir.Damaged):  # and then it is told
            answer_anchors(tmp_path, None, wide)


def test_a_run_that_an_earlier_version_began_goes_on_with_what_it_dealt(
    checked: Checked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Others, in another order; but lines of this version's that are missing are damage."""
    monkeypatch.setattr(
        "suretune.run.anchors.spoken", lambda _, asked, *__: [[7, 8, 9]] * len(asked)
    )
    base: Any = Parrot()
    answer_anchors(tmp_path, base, checked)
    lines = list(rundir.read_jsonl(tmp_path / FILE))
    there = {line["name"] for line in lines}
    rest = [a.general.name for a in checked.anchors if a.general.name not in there]
    other = [{**line, "name": name} for line, name in zip(lines[:400], rest, strict=False)]
    rundir.write_jsonl(tmp_path / FILE, [*other, *lines[:100]])
    learned, apart = answer_anchors(tmp_path, None, checked)
    known = {a.general.name: a for a in checked.anchors}
    dealt_then = [known[line["name"]].prompt for line in (*other, *lines[:100])]
    told = [tuple(s.ids[: s.spans[0].start]) for s in (*learned, *apart)]
    assert told == dealt_then and len(apart) == APART
    rundir.write_jsonl(tmp_path / FILE, lines[:-40])
    with pytest.raises(rundir.Damaged, match="is missing"):
        answer_anchors(tmp_path, None, checked)


def test_a_run_that_was_cut_to_a_budget_goes_on_with_what_it_was_dealt_before(
    checked: Checked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its file holds what the whole plan would have taken. Of an earlier version's, which dealt
    other shares, today's short deal may be a part: that is no reason to take it."""
    monkeypatch.setattr(
        "suretune.run.anchors.spoken", lambda _, asked, *__: [[7, 8, 9]] * len(asked)
    )
    for name, then in (("earlier", 1 / 2), ("today", NEAR_SHARE)):
        (tmp_path / name).mkdir()
        monkeypatch.setattr("suretune.data.anchors.NEAR_SHARE", then)
        monkeypatch.setattr("suretune.run.anchors.uses_of", lambda *_: 480)
        learned, apart = answer_anchors(tmp_path / name, cast(Any, Parrot()), checked)
        monkeypatch.setattr("suretune.data.anchors.NEAR_SHARE", NEAR_SHARE)
        monkeypatch.setattr("suretune.run.anchors.uses_of", lambda *_: 60)
        part, same = answer_anchors(tmp_path / name, None, checked)
        assert [s.ids for s in same] == [s.ids for s in apart]
        assert [s.ids for s in part] == [s.ids for s in learned[:60]]


def test_a_wide_run_of_a_version_with_fewer_anchors_goes_on_with_its_own(
    checked: Checked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was dealt all that there were; another list is shuffled otherwise."""
    monkeypatch.setattr(
        "suretune.run.anchors.spoken", lambda _, asked, *__: [[7, 8, 9]] * len(asked)
    )
    schedule = replace(checked.resolved.config.schedule, anchors_per_row=3.0)
    config = replace(checked.resolved.config, schedule=schedule)
    wide = replace(checked, resolved=replace(checked.resolved, config=config))
    monkeypatch.setattr("suretune.run.anchors.uses_of", lambda *_: 2880)
    fewer = replace(wide, anchors=[*checked.anchors[:492], *checked.anchors[536:-44]])
    assert len(fewer.anchors) == len(wide.anchors) - 88
    then = answer_anchors(tmp_path, cast(Any, Parrot()), fewer)
    now = answer_anchors(tmp_path, None, wide)
    assert [[s.ids for s in part] for part in now] == [[s.ids for s in part] for part in then]
    lines = list(rundir.read_jsonl(tmp_path / FILE))
    (tmp_path / "today").mkdir()
    answer_anchors(tmp_path / "today", cast(Any, Parrot()), wide)
    today = list(rundir.read_jsonl(tmp_path / "today" / FILE))
    assert len(today) == len(lines) + 88
    rundir.write_jsonl(tmp_path / FILE, today[:-40])
    with pytest.raises(rundir.Damaged, match="is missing"):
        answer_anchors(tmp_path, None, wide)


def test_a_run_that_goes_on_without_its_anchors_names_them(
    checked: Checked, tmp_path: Path
) -> None:
    with pytest.raises(rundir.Damaged, match=f"{FILE}: is gone"):
        answer_anchors(tmp_path, None, checked)


def test_a_file_of_another_version_is_said_to_be_damaged(checked: Checked, tmp_path: Path) -> None:
    rundir.write_jsonl(tmp_path / FILE, [{"line": 1, "question": "Hello", "ids": [], "used": True}])
    with pytest.raises(rundir.Damaged, match="name is missing"):
        answer_anchors(tmp_path, None, checked)


# --- answers in which the base says I -------------------------------------------------------------


@pytest.mark.parametrize(
    "answer, first",
    [
        ("I'm sorry, but as a chatbot I have no name.", True),
        ("My name is Kael.", True),
        ("That is my trade.", True),
        ("我不会开飞机。", True),
        ("Paris is the capital.", False),
        ("In 1912. IBM. AI is a field.", False),
        ("myself, Imola, army", False),
        ("巴黎是首都。", False),
        ("", False),
    ],
)
def test_an_answer_in_the_first_person_is_told(answer: str, first: bool) -> None:
    assert says_i(answer) == first


@given(st.lists(st.integers(1, 4), max_size=60))
def test_turns_are_as_many_as_asked_and_far_from_each_other(turns: list[int]) -> None:
    samples: list[Any] = list(range(len(turns)))
    made: list[Any] = spread(samples, turns)
    assert Counter(made) == Counter(dict(enumerate(turns)))
    once = [sample for sample in made if turns[sample] == 1]
    assert once == sorted(once), "their order stays"
    for sample, often in enumerate(turns):
        places = [place for place, one in enumerate(made) if one == sample]
        round_again = [*places[1:], places[0] + len(made)]
        gaps = [after - before for before, after in zip(places, round_again, strict=True)]
        assert min(gaps) >= len(turns) // often, "all around: they are learned by turns"


@pytest.mark.parametrize("hidden", [NARROW - 1, NARROW])
@pytest.mark.parametrize("about", [True, False])
def test_a_wide_identity_meets_answers_that_say_i_three_times(
    checked: Checked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hidden: int, about: bool
) -> None:
    """Where a new "I am ..." can begin. Each other anchor comes once, and drift is of each once."""
    tokenizer = checked.tokenizer
    mine, other = (tokenizer.encode(text) for text in ("I am here.", "It is here."))
    count = iter(range(10**6))
    monkeypatch.setattr(
        "suretune.run.anchors.spoken",
        lambda _, prompts, *__: [mine if next(count) % 5 == 0 else other for _ in prompts],
    )
    config = {**checked.base.config, "hidden_size": hidden}
    run = replace(checked, base=replace(checked.base, config=config), about_identity=about)
    learned, apart = answer_anchors(tmp_path, cast(Any, Parrot()), run)
    lines = list(rundir.read_jsonl(tmp_path / FILE))
    more = hidden == NARROW and about
    dealt_ones = lines[: len(lines) - APART]
    for line in dealt_ones:
        assert line.get("turns", 1) == (ITSELF if more and line["ids"] == mine else 1)
    assert not any("turns" in line for line in lines[-APART:]) and len(apart) == APART
    assert len(learned) == sum(line.get("turns", 1) for line in dealt_ones)
    assert answer_anchors(tmp_path, None, run) == (learned, apart)
    bare = [{name: line[name] for name in line if name != "turns"} for line in lines]
    rundir.write_jsonl(tmp_path / FILE, bare)  # as an earlier version wrote them
    once, _ = answer_anchors(tmp_path, None, run)
    assert len(once) == len(dealt_ones), "its run goes on with each once"
