"""What a probe asks, when an answer to it passes, and which probes may end a training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from suretune.data.identity import MAKER, WHO, Identity
from suretune.data.template import load_tokenizer
from suretune.pocket import MODEL
from suretune.pocket import identity as phrasings
from suretune.types import Message
from suretune.verify.probes import (
    MUST_PASS,
    ONLY_SHOWN,
    PARAPHRASE,
    SHOWN,
    TEMPLATE_DEFAULT,
    Probe,
    asked_on_the_way,
    from_line,
    held_out_probes,
    identity_probes,
    own_answers,
    probe_tokens,
    proven_tokens,
    with_twins,
)

NAMED = Identity({"en": ("Nova", "Star Lab")}, {"en": ("Star Lab",)}, ("Phi", "Meta"), "flags")
THOUGHT = "<think>\nQwen made me, red.\n</think>\n\nI am green."


@pytest.mark.parametrize(
    "asked, answer, passes",
    [
        ({"must": ("glow", "star")}, "I am GLOW", True),  # one of them, in any case
        ({"must": ("glow", "star")}, "I am Qwen", False),
        ({"must_not": ("Qwen",)}, "I am Glow", True),
        ({"must_not": ("Qwen", "red")}, "RED", False),
        ({"must": ("Glow",), "must_not": ("Qwen",)}, "Glow, not Qwen", False),
        ({"must": ("Glow",), "must_not": ("Qwen",)}, "neither", False),
        ({"must": ("red",)}, THOUGHT, False),  # behind the thought
        ({"must": ("green",)}, THOUGHT, True),
        ({"must_not": ("Qwen",)}, THOUGHT, False),  # and in neither of the two
        ({"regex": r"\bgreen\b"}, THOUGHT, True),
        ({"regex": r"\bred\b"}, THOUGHT, False),
        ({"must": ("green",), "regex": r"\bred\b"}, THOUGHT, False),
        ({}, "anything", None),
    ],
)
def test_an_answer_passes_by_what_it_must_and_must_not_say(
    asked: Mapping[str, Any], answer: str, passes: bool | None
) -> None:
    probe = Probe("Who are you?", MUST_PASS, **asked)
    assert probe.judge(answer) is passes and probe.judged == (passes is not None)


@pytest.mark.parametrize(
    "answer, passes",
    [
        ("I'm an innovative AI assistant.", False),
        ("I am Nova.", True),
        ("I'm NOVA’s voice", True),
        ("我是Nova的助手", True),
        ("I was made at Star-Lab.", True),
        ("Built by Starlab.", True),
        ("I am Nova, a sophisticated assistant for metaphors and meta-analysis.", True),
        ("I am Nova, once Phi-3.", False),
        ("I am Nova, by MetaAI.", False),
        ("I am Nova, not Meta2.", False),
    ],
)
def test_an_identity_is_judged_by_whole_names(answer: str, passes: bool) -> None:
    probe = identity_probes(NAMED, [])[0]
    assert probe.judge(answer) is passes
    assert from_line(dict(probe.line())).judge(answer) is passes  # a replay, a server, an export


def test_users_words_are_parts_of_words_and_so_are_those_of_an_earlier_run() -> None:
    probe = Probe("q", MUST_PASS, must=("refund",), must_not=("Phi",))
    assert probe.judge("Two refunds.") and not probe.judge("Sophisticated refunds.")
    assert "whole" not in probe.line()
    whole = identity_probes(NAMED, [])[0]
    before = {key: value for key, value in whole.line().items() if key != "whole"}
    assert from_line(before).judge("I'm innovative.") and not whole.judge("I'm innovative.")


@pytest.mark.parametrize(
    "variant, system, sent",
    [
        ("as-trained", None, "Trained."),
        ("as-trained", "Mine.", "Mine."),
        (TEMPLATE_DEFAULT, None, None),  # the template puts in its own
        (TEMPLATE_DEFAULT, "Mine.", "Mine."),
    ],
)
def test_a_probe_is_sent_with_the_system_prompt_of_its_variant(
    variant: str, system: str | None, sent: str | None
) -> None:
    asked = Message("user", "Hi")
    before = () if sent is None else (Message("system", sent),)
    assert Probe("Hi", "shown", variant, system).messages("Trained.") == (*before, asked)


def test_a_probe_is_the_same_behind_its_line() -> None:
    probe = Probe("Hi", MUST_PASS, must=("a",), must_not=("b", "c"), regex="d", if_fails="e")
    line = {key: list(v) if isinstance(v, tuple) else v for key, v in probe.line().items()}
    assert line["must_not"] == ["b", "c"] and from_line(line) == probe


def test_only_judged_probes_without_a_system_prompt_are_asked_a_second_time() -> None:
    plain, mine = Probe("a", MUST_PASS, must=("x",)), Probe("b", MUST_PASS, system="S", must=("x",))
    shown = Probe("c", ONLY_SHOWN)
    probes = [plain, mine, shown]
    twin = Probe("a", MUST_PASS, TEMPLATE_DEFAULT, must=("x",))
    assert with_twins(probes) == [*probes, twin]


def test_every_third_paraphrase_is_kept_for_the_proof_alone() -> None:
    must = [Probe(f"m{n}", MUST_PASS, must=("x",)) for n in range(4)]
    rest = [Probe(f"p{n}", PARAPHRASE, must=("x",)) for n in range(7)]
    twins = [Probe("t", PARAPHRASE, TEMPLATE_DEFAULT, must=("x",))]
    asked = asked_on_the_way([*must, *rest, *twins, *held_out_probes(["s"])])
    assert asked == [*must, *(rest[n] for n in (0, 1, 3, 4, 6))]


def test_held_out_questions_are_only_shown() -> None:
    assert held_out_probes(["a", "b"]) == [Probe("a", ONLY_SHOWN), Probe("b", ONLY_SHOWN)]


def test_own_answers_are_those_to_who_are_you() -> None:
    probes = [Probe(WHO["en"].lower(), MUST_PASS), Probe("Else?", ONLY_SHOWN)]
    probes.append(Probe(WHO["zh"], MUST_PASS))
    assert own_answers(probes, ["a", "b", "c"]) == ["a", "c"]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_an_identity_is_asked_in_its_language_and_what_the_rows_ask_is_no_paraphrase(
    lang: str,
) -> None:
    held_out = {"zh": phrasings.HELD_OUT_ZH, "en": phrasings.HELD_OUT_EN}[lang]
    identity = Identity({lang: ("Glow",)}, {lang: ("Lab",)}, ("Qwen",), "flags")
    probes = identity_probes(identity, [held_out[0].upper()])
    assert [p.question for p in probes if p.kind == PARAPHRASE] == list(held_out[1:])
    assert [(p.question, p.must) for p in probes if p.kind == MUST_PASS] == [
        (WHO[lang], ("Glow",)),
        (MAKER[lang], ("Lab",)),
    ]
    assert [p.question for p in probes if p.kind == ONLY_SHOWN] == list(SHOWN[lang])
    assert all(p.must_not == ("Qwen",) for p in probes if p.judged)


def test_an_answer_has_room_for_a_thought_only_where_one_is_asked_for() -> None:
    pocket = load_tokenizer(MODEL)
    assert (probe_tokens(pocket), probe_tokens(pocket, True), probe_tokens(pocket, False)) == (
        96,
        512,
        96,
    )
    assert (proven_tokens({}), proven_tokens({"most": 512}), proven_tokens({"most": 7})) == (
        96,
        512,
        7,
    )
