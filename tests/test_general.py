"""How a proof asks its general questions: who answers, in which batches, and what of it is kept."""

from __future__ import annotations

import json
import os
import time
from array import array
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
import torch
from transformers import PreTrainedModel

from shallow import shallow_pocket
from suretune import rundir
from suretune.battery.items import Question, way_questions
from suretune.data.template import ChatTokenizer, load_tokenizer
from suretune.model.decode import Decoder
from suretune.model.full import Whole
from suretune.model.generate import Many, Prompts, Talker, answering
from suretune.model.load import load_base
from suretune.model.lora import attach
from suretune.model.stack import Stack, make_stack
from suretune.model.tuned import Tuned, inner, without
from suretune.options_lora import LoraOptions
from suretune.pocket import MODEL
from suretune.types import Message, Origin, Sample, Span
from suretune.verify import general
from suretune.verify.general import (
    Said,
    answers_followed,
    ask_all,
    ask_base,
    askable,
    cache_key,
    follow,
    limit_of,
    measure_general,
    prompts_of,
    untuned,
)
from suretune.verify.measure import Questions
from suretune.verify.shares import Shares
from suretune.verify.signs import loops

CPU = torch.device("cpu")
NOBODY: frozenset[int] = frozenset()
NO_SYSTEM = (
    "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}"
    "{% endif %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where answers of the base are kept; no other test, and no user, has any there."""
    monkeypatch.delenv("SURETUNE_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "suretune" / "base"


@cache
def tokenizer() -> ChatTokenizer:
    found = load_tokenizer(MODEL)
    assert isinstance(found, ChatTokenizer)
    return found


def plain() -> PreTrainedModel:
    """One layer of the pocket model: some of its answers end, others go round in circles."""
    return load_base(shallow_pocket(1), CPU, "float32")


def adapted() -> Tuned:
    made = attach(plain(), LoraOptions(lora_dropout=0.5), "pocket", 1)
    generator = torch.Generator().manual_seed(2)
    for name, parameter in made.named_parameters():
        if "lora_B" in name:
            parameter.data.normal_(std=0.05, generator=generator)
    return made.train()


def whole() -> Tuned:
    model = plain()
    made = Whole(model, {n: p.detach().clone() for n, p in model.named_parameters()}, Path())
    generator = torch.Generator().manual_seed(2)
    for parameter in made.learned().values():
        noise = torch.randn(parameter.shape, generator=generator, dtype=parameter.dtype)
        parameter.data += 0.05 * noise
    return made.train()


def decoder_of(model: torch.nn.Module) -> Decoder:
    stack = make_stack(inner(model), learning=False)
    assert isinstance(stack, Stack), stack
    return Decoder(stack)


@cache
def asked() -> tuple[Question, ...]:
    """Of two limits, in both languages; one layer ends some answers and goes round in others."""
    return tuple(way_questions()[place] for place in (0, 18, 45, 54, 81))


def question(number: int, tokens: int = 32, *system: str) -> Question:
    said = (*(Message("system", text) for text in system), Message("user", f"Question {number}?"))
    return Question(f"en-facts-{number}", "facts", "en", "", (), said, {}, tokens)


def texts(said: Said) -> list[str]:
    return [tokenizer().decode(ids) for ids in said.ids]


# --- who answers ---------------------------------------------------------------------------------


@pytest.mark.parametrize("decoded", [False, True])
@pytest.mark.parametrize("kind", [adapted, whole])
def test_the_base_is_what_answers_where_nothing_was_learned(
    kind: Callable[[], Tuned], decoded: bool
) -> None:
    """Before, inside and behind: with an adapter or without, by itself or by a decoder."""
    tuned, base = kind(), plain()
    speaker, own = (decoder_of(one) if decoded else one for one in (tuned, base))
    prompts = prompts_of(tokenizer(), asked(), None)

    def says(one: Talker) -> list[Sequence[int]]:
        return list(ask_all(one, asked(), prompts, tokenizer().stop_ids).ids)

    learned = says(speaker)
    with untuned(speaker, tuned) as silent:
        assert says(silent) == says(own) != learned
    assert says(speaker) == learned


@pytest.mark.parametrize("decoded", [False, True])
def test_all_that_is_told_of_the_general_questions_is_what_both_said(
    decoded: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first time the base is asked, the second time it is known; nothing else differs."""
    tuned = adapted()
    speaker = decoder_of(tuned) if decoded else tuned
    prompts, stops = prompts_of(tokenizer(), asked(), "Be brief."), tokenizer().stop_ids
    now = ask_all(speaker, asked(), prompts, stops)
    with untuned(speaker, tuned) as silent:
        base = ask_all(silent, asked(), prompts, stops)
    chosen, samples = answers_followed(prompts, base)
    changes, apart = follow(tuned, lambda: without(tuned), samples, 4096, CPU)
    for times, cached in (((100.0, 103.0004, 108.25, 110.0004), False), ((7.0,) * 4, True)):
        clock = iter(times)
        monkeypatch.setattr(general, "time", SimpleNamespace(perf_counter=lambda c=clock: next(c)))
        found = measure_general(
            speaker, tuned, tokenizer(), Questions([], "Be brief.", [], asked()), ["a base"], 4096,
            Shares(),
        )  # fmt: skip
        assert found is not None and found.from_cache is cached
        assert found.base == texts(base) == found.again
        assert found.tuned == texts(now) != found.base
        assert (list(found.base_ended), list(found.tuned_ended)) == (base.ended, now.ended)
        assert found.base_looping == [loops(ids) for ids in base.ids]
        assert found.tuned_looping == [loops(ids) for ids in now.ids]
        assert {True, False} == set(base.ended) == set(found.base_looping)
        assert found.questions == [one.line() for one in asked()]
        assert found.followed == chosen == list(range(len(asked())))
        assert found.likelihood == pytest.approx(changes, abs=1e-5)
        assert found.drift == pytest.approx(apart, abs=1e-5) and min(found.drift) > 0
        told = {"base": 3.0, "tuned": 5.25, "followed": 1.75}
        assert found.seconds == (dict.fromkeys(told, 0.0) if cached else told)
        assert not isinstance(speaker, Decoder) or not speaker.held_bytes()


def test_where_no_general_question_is_asked_nothing_is_told() -> None:
    tuned = adapted()
    nothing = Questions([], None, [])
    assert measure_general(tuned, tuned, tokenizer(), nothing, [], 64, Shares()) is None


def test_further_processes_answer_as_whom_they_are_asked() -> None:
    """As the base twice, then as what was learned; each batch is dealt to all of them."""
    told: list[bool] = []

    class Other:
        def tell(self, what: Any) -> None:
            told.append(what[0])
            self.many = len(what[1])

        def hear(self) -> Any:
            return [[number + 5, 6] for number in range(self.many)]

    tuned, shares = adapted(), Shares()
    shares.parts, shares.further = 2, [Other()]  # type: ignore[list-item]
    questions = Questions([], None, [], asked()[:4])
    found = measure_general(tuned, tuned, tokenizer(), questions, [], 4096, shares)
    assert found is not None
    limits = len({limit_of(one.tokens) for one in questions.general})
    assert told[-limits:] == [False] * limits and told[:-limits] == [True] * (len(told) - limits)
    assert tokenizer().decode([5, 6]) in found.base and tokenizer().decode([5, 6]) in found.tuned


# --- what is asked -------------------------------------------------------------------------------


def test_a_question_that_the_template_refuses_is_not_asked(tmp_path: Path) -> None:
    template = tmp_path / "plain.jinja"
    template.write_text(NO_SYSTEM)
    words = load_tokenizer(MODEL, str(template))
    assert isinstance(words, ChatTokenizer)
    bare, own = [question(n) for n in range(3)], question(3, 32, "Be kind.")
    whole = [bare[0], own, *bare[1:]]
    assert askable(words, whole, None) == bare and askable(words, whole, "Be brief.") == []
    assert askable(tokenizer(), whole, "Be brief.") == whole


def test_a_question_is_asked_under_the_system_prompt_of_training_unless_it_brings_one() -> None:
    bare, own = prompts_of(tokenizer(), [question(1), question(2, 32, "Be kind.")], "Be brief.")
    assert tokenizer().decode(bare).count("Be brief.") == 1
    assert "Be brief." not in tokenizer().decode(own)
    assert tokenizer().decode(own).count("Be kind.") == 1


@pytest.mark.parametrize("act", [askable, prompts_of])
def test_all_questions_are_rendered_at_once(
    act: Callable[..., object], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each by itself would wait for its answer to cross the wall: twelve hundred times."""
    words, crossed = load_tokenizer(MODEL), list[int]()
    assert isinstance(words, ChatTokenizer)
    behind = words._wall.ask

    def ask(template: str, *requests: bytes) -> Any:
        crossed.append(len(requests))
        return behind(template, *requests)

    monkeypatch.setattr(words._wall, "ask", ask)
    act(words, [question(n) for n in range(20)], "Be brief.")
    assert crossed == [20]


@pytest.mark.parametrize(
    ("tokens", "limit"),
    [
        (1, 32),
        (32, 32),
        (33, 64),
        (64, 64),
        (65, 96),
        (96, 96),
        (97, 160),
        (161, 256),
        (256, 256),
        (257, 256),
    ],
)
def test_an_answer_has_the_least_limit_that_has_room(tokens: int, limit: int) -> None:
    assert limit_of(tokens) == limit


def test_questions_of_one_limit_are_asked_together_and_otherwise_in_two_batches() -> None:
    tokens = (32, 96, 24, 64, 32, 90, 30, 96)
    asked_for = [question(n, most) for n, most in enumerate(tokens)]
    prompts = [[n] for n in range(len(tokens))]
    batches: list[tuple[int, list[int]]] = []

    def each(parts: Sequence[Prompts], stops: frozenset[int], most: int) -> Sequence[Prompts]:
        assert stops == frozenset({9})
        batches.append((most, [prompt[0] for prompt in parts[0]]))
        # An answer that is as long as it may be was cut; one token less, and it has ended.
        return [[[prompt[0]] * (most - prompt[0] % 2) for prompt in part] for part in parts]

    first = ask_all(Many(1, each), asked_for, prompts, frozenset({9}))
    assert batches == [(32, [0, 2, 4, 6]), (64, [3]), (96, [1, 5, 7])]
    lengths = [32, 95, 32, 63, 32, 95, 32, 95]
    assert [len(ids) for ids in first.ids] == lengths
    assert [set(ids) for ids in first.ids] == [{n} for n in range(8)]
    assert first.ended == [False, True] * 4
    batches.clear()
    again = ask_all(Many(1, each), asked_for, prompts, frozenset({9}), otherwise=True)
    assert batches == [(32, [0, 4]), (32, [2, 6]), (64, [3]), (96, [1, 7]), (96, [5])]
    assert again == first


# --- along the base's answers --------------------------------------------------------------------


@pytest.mark.parametrize(("answers", "every"), [(1, 1), (192, 1), (193, 2), (384, 2), (385, 3)])
def test_at_most_192_answers_are_followed_evenly_spread_and_none_empty(
    answers: int, every: int
) -> None:
    ids = [[] if n % 2 else [n + 3, 1] for n in range(2 * answers)]
    prompts = [[2, n] for n in range(2 * answers)]
    chosen, samples = answers_followed(prompts, Said(ids, [True] * len(ids)))
    assert chosen == list(range(0, 2 * answers, 2 * every)) and len(chosen) <= 192
    for index, sample in zip(chosen, samples, strict=True):
        assert sample.ids.tolist() == [2, index, index + 3, 1]
        assert sample.spans == (Span(2, 4, 1.0),)
        assert sample.origin == Origin("general", index)


def test_where_the_base_says_nothing_no_answer_is_followed() -> None:
    assert answers_followed([[1], [2]], Said([[], []], [True, True])) == ([], [])


@pytest.mark.parametrize("kind", [adapted, whole])
@pytest.mark.parametrize("budget", [1, 12, 4096])
def test_change_and_drift_are_means_over_each_answers_own_tokens(
    kind: Callable[[], Tuned], budget: int
) -> None:
    """As transformers' layers give them row by row, however many rows share a pass. A prompt of
    one token is predicted from where its row begins."""
    tuned, base = kind(), plain().eval()
    lengths = ((1, 3), (4, 1), (1, 1), (6, 5), (2, 7))
    generator, samples = torch.Generator().manual_seed(3), []
    for number, (before, learned) in enumerate(lengths):
        ids = torch.randint(3, 300, (before + learned,), generator=generator).tolist()
        span = Span(before, before + learned, 1.0)
        samples.append(Sample(Origin("x", number), "x", array("I", ids), (span,), "flag"))
    found = follow(tuned, lambda: without(tuned), samples, budget, CPU)
    with torch.inference_mode(), answering(tuned), answering(base):
        for sample, change, apart in zip(samples, *found, strict=True):
            [span], ids = sample.spans, torch.tensor([sample.ids.tolist()])
            rows = slice(span.start - 1, span.end - 1)
            now, then = (one(input_ids=ids).logits[0].double().log_softmax(-1)[rows]
                         for one in (tuned, base))  # fmt: skip
            target = ids[0, span.start : span.end, None]
            assert change == pytest.approx(float((now - then).gather(1, target).mean()), abs=1e-4)
            assert apart == pytest.approx(
                float((then.exp() * (then - now)).sum(-1).mean()), abs=1e-4
            )
            assert abs(change) > 1e-3 and apart > 1e-3


# --- what is kept --------------------------------------------------------------------------------


class Base:
    """One that counts how often it is asked, and says something else every time."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> Any:
        return self

    def __enter__(self) -> Many:
        return Many(1, self.each)

    def __exit__(self, *_: object) -> None:
        pass

    def each(self, parts: Sequence[Prompts], *_: object) -> Sequence[Prompts]:
        self.asked += 1
        return [[[self.asked, *prompt] for prompt in part] for part in parts]

    def ask(self, key: str, many: int = 3) -> tuple[Said, Said, bool]:
        questions = [question(n) for n in range(many)]
        return ask_base(self, questions, [[n] for n in range(many)], NOBODY, key)


def test_the_base_is_asked_twice_and_what_it_said_is_known_the_next_time() -> None:
    base = Base()
    first, again, known = base.ask("one")
    assert not known and base.asked == 3
    assert first == Said([[1, 0], [1, 1], [1, 2]], [True] * 3)
    assert again == Said([[2, 0], [3, 1], [2, 2]], [True] * 3)
    assert base.ask("one") == (first, again, True) and base.asked == 3
    assert base.ask("another") != (first, again, False) and base.asked == 6
    assert base.ask("one") == (first, again, True)


def test_without_a_cache_the_base_is_asked_every_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SURETUNE_CACHE", "off")
    base = Base()
    for times in (3, 6):
        assert not base.ask("one")[2] and base.asked == times
    assert not folder.exists()


def test_answers_are_kept_at_home_unless_told_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    Base().ask("one")
    assert (tmp_path / ".cache" / "suretune" / "base" / "one.json").is_file()


SAID = {"ids": [[1], [2], [3]], "ended": [True] * 3}
OTHER = {"ids": [[1], [2]], "ended": [True] * 2}


def written(*said: Any) -> bytes:
    return orjson.dumps({"digest": rundir.digest_of(list(said)), "said": said})


@pytest.mark.parametrize(
    "kept",
    [b"", b"[", b"null", b"[]", b"{}", b'{"digest": ""}', json.dumps([SAID] * 2).encode(),
     written(SAID), written(SAID, SAID, SAID), written(SAID, {**SAID, "more": 1}),
     written(SAID, {"ids": SAID["ids"]}), written(SAID, OTHER), written(OTHER, OTHER),
     written(SAID, {**SAID, "ended": [True]}), written({**SAID, "ids": [[1]]}, SAID),
     written(SAID, {**SAID, "ids": None}), written(None, None),
     written(SAID, SAID).replace(b"[2]", b"[7]", 1)],
)  # fmt: skip
def test_what_is_not_the_answers_that_were_kept_counts_as_none(kept: bytes, folder: Path) -> None:
    base = Base()
    base.ask("one")
    path = folder / "one.json"
    assert len(orjson.loads(path.read_bytes())) == 2
    path.write_bytes(kept)
    assert not base.ask("one")[2] and base.asked == 6
    assert base.ask("one")[2] and base.asked == 6  # mended


def test_of_all_answers_64_mib_are_kept_and_those_not_used_go_first(folder: Path) -> None:
    base = Base()
    base.asked = 100  # what it says is of one length from here on
    for key in ("eldest", "old", "newest"):
        base.ask(key)
    size = (folder / "newest.json").stat().st_size
    other = folder / "other.txt"  # not an answer's: it is let be, and not counted
    for path in (folder / "old.json", other):
        with path.open("ab") as file:
            file.truncate((64 << 20) - 3 * size)
    for age, name in enumerate(("eldest.json", "old.json", "newest.json"), 1):
        os.utime(folder / name, (1000 * age, 1000 * age))

    def kept() -> set[str]:
        return {path.name for path in folder.iterdir()} - {other.name}

    base.ask("fourth")
    assert kept() == {"eldest.json", "old.json", "newest.json", "fourth.json"}  # to the byte
    assert base.ask("eldest")[2]  # is used, and now the newest
    base.ask("fifth")
    assert kept() == {"eldest.json", "newest.json", "fourth.json", "fifth.json"}
    assert other.exists()


def test_what_a_killed_process_left_half_written_is_cleared_away(folder: Path) -> None:
    folder.mkdir(parents=True)
    old, new = folder / ".a.json.1-2.part", folder / ".b.json.3-4.part"
    for path, age in ((old, 3700), (new, 3500)):  # the second may still be written
        path.touch()
        then = time.time() - age
        os.utime(path, (then, then))
    Base().ask("one")
    assert not old.exists() and new.exists()


@pytest.mark.parametrize("full", [False, True])
def test_a_folder_that_takes_nothing_costs_the_cache_only(
    full: bool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if full:

        def write(*_: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(general.rundir, "write", write)
    else:
        folder.parents[1].write_text("not a folder")
    base = Base()
    assert not base.ask("one")[2] and not base.ask("one")[2]


def test_a_key_is_of_everything_that_the_answers_depend_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is given in its order, the versions that compute, and each line of the model's code."""
    (tmp_path / "model").mkdir()
    code = tmp_path / "model" / "attention.py"
    code.write_text("exact = True\n")
    monkeypatch.setattr(general, "__file__", str(tmp_path / "verify" / "general.py"))
    given: list[Any] = [["base", "cpu"], [[1, 2], [3]], [32, 64], [9]]
    keys = [cache_key(*given)]
    assert keys[0] == cache_key(*given) and len(keys[0]) == 64
    for place, other in ((0, ["base", "gpu"]), (1, [[1], [2, 3]]), (2, [32, 32]), (3, [9, 10])):
        keys.append(cache_key(*(other if i == place else one for i, one in enumerate(given))))
    for name in ("", "torch.", "transformers."):
        with monkeypatch.context() as patched:
            patched.setattr(f"suretune.verify.general.{name}__version__", "0.0.0")
            keys.append(cache_key(*given))
    code.write_text("exact = False\n")
    keys.append(cache_key(*given))
    (tmp_path / "model" / "more.py").write_text("")
    code.rename(tmp_path / "model" / "mixing.py")
    assert cache_key(*given) == keys[-1]  # of what it says, by whatever name
    assert len(set(keys)) == len(keys)
