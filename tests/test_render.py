"""Rendering: equal to transformers', and the prompt before an answer is the prompt that is sent."""

from __future__ import annotations

import datetime as clock
import shutil
import unicodedata
from array import array
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from conftest import result_of, shared, write_rows
from families import FAMILIES, make_tokenizer
from suretune import rundir
from suretune.config import Resolved
from suretune.data.render import Rendering, prompt_ids, samples, with_system
from suretune.data.rendered import end_mark, head_mark
from suretune.data.role_tokens import without_role_tokens
from suretune.data.template import ChatTokenizer, TemplateRefused, load_tokenizer
from suretune.facts import SetupFacts
from suretune.pocket import MODEL
from suretune.preflight.check import check
from suretune.record.journal import Journal
from suretune.run.folder import begin, dresser
from suretune.run.resume import reopen
from suretune.types import Example, Fault, Message, Origin, Sample

HERE = Origin("rows.jsonl", 1)
SYSTEM = Message("system", "Be brief.")
TALKS = {
    "one turn": (Message("user", "Who are you?"), Message("assistant", "I am Glow.")),
    "system": (SYSTEM, Message("user", "你是谁?"), Message("assistant", "我是小光。")),
    "three turns": (
        Message("user", "1+1?"),
        Message("assistant", "2"),
        Message("user", "\n\nand 2+2?"),
        Message("assistant", "\n4"),
        Message("user", "ok"),
        Message("assistant", "bye"),
    ),
    "markup": (Message("user", "<b>&amp; 'x'</b> {{ x }}"), Message("assistant", "```\n{%\n```")),
}


def tokenizer_of(folder: Path) -> ChatTokenizer:
    tokenizer = load_tokenizer(folder)
    assert isinstance(tokenizer, ChatTokenizer)
    return tokenizer


@pytest.fixture(scope="module")
def pocket() -> ChatTokenizer:
    return tokenizer_of(MODEL)


def family(name: str, tmp_path: Path) -> Path:
    template = shared("chat_templates") / f"{name}.jinja"
    return make_tokenizer(tmp_path / "tokenizer", name, template.read_text("utf-8"))


def rendered(
    tokenizer: ChatTokenizer, messages: tuple[Message, ...], **how: object
) -> list[Sample] | Fault:
    settled = {"system": None, "max_length": 10_000, "cut": False, "strip_role_tokens": False}
    example = Example(HERE, "rows", "messages", messages)
    return samples(example, Rendering(tokenizer, **{**settled, **how}))  # type: ignore[arg-type]


def made(tokenizer: ChatTokenizer, messages: tuple[Message, ...], **how: object) -> list[Sample]:
    result = rendered(tokenizer, messages, **how)
    assert isinstance(result, list), result
    return result


# --- parity -------------------------------------------------------------------------------------


@pytest.mark.parametrize("talk", TALKS)
@pytest.mark.parametrize("name", FAMILIES)
@pytest.mark.parametrize("prompt", [False, True])
def test_text_equals_transformers(name: str, talk: str, prompt: bool, tmp_path: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    folder = family(name, tmp_path)
    theirs = PreTrainedTokenizerFast.from_pretrained(folder)
    messages = [{"role": m.role, "content": m.content} for m in TALKS[talk]]
    messages = messages[:-1] if prompt else messages
    ours = tokenizer_of(folder)
    turns = TALKS[talk][:-1] if prompt else TALKS[talk]
    try:
        expected = theirs.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=prompt
        )
    except Exception as error:  # a template may refuse a system role: then so must ours
        with pytest.raises(TemplateRefused, match=str(error)[:20]):
            ours.render(turns, prompt=prompt)
        return
    assert ours.render(turns, prompt=prompt) == expected
    assert ours.encode(expected) == theirs(expected, add_special_tokens=False)["input_ids"]


def test_tools_render_as_in_transformers(tmp_path: Path) -> None:
    from transformers import PreTrainedTokenizerFast

    folder = family("Qwen-Qwen2.5-7B-Instruct", tmp_path)
    theirs = PreTrainedTokenizerFast.from_pretrained(folder)
    tools = [{"type": "function", "function": {"name": "天气", "parameters": {"b": 1, "a": "é"}}}]
    call = {"type": "function", "function": {"name": "天气", "arguments": {"city": "北京"}}}
    talk = (
        Message("user", "天气?"),
        Message("assistant", "", extra={"tool_calls": [call]}),
        Message("tool", "晴"),
        Message("assistant", "晴天。"),
    )
    turns = [{"role": m.role, "content": m.content, **m.extra} for m in talk]
    expected = theirs.apply_chat_template(turns, tools=tools, tokenize=False)
    assert tokenizer_of(folder).render(talk, tools, prompt=False) == expected


def test_real_qwen_ids_equal_transformers() -> None:
    from transformers import AutoTokenizer

    folder = shared("qwen2.5-tokenizer")
    theirs = AutoTokenizer.from_pretrained(folder)
    ours = tokenizer_of(folder)
    for talk in TALKS.values():
        turns = [{"role": m.role, "content": m.content} for m in talk]
        expected = theirs.apply_chat_template(turns[:-1], add_generation_prompt=True)
        assert prompt_ids(ours, talk[:-1]) == list(expected["input_ids"])


def test_real_qwen_ids_equal_the_published_vectors() -> None:
    texts = shared("tokenizer_tests/ggml-vocab-qwen2.gguf.inp").read_text("utf-8")
    ids = shared("tokenizer_tests/ggml-vocab-qwen2.gguf.out").read_text("utf-8").splitlines()
    ours = tokenizer_of(shared("qwen2.5-tokenizer"))
    cases = texts.split("\n__ggml_vocab_test__\n")
    compared = 0
    for case, line in zip(cases, ids, strict=False):
        expected = [int(number) for number in line.split()]
        assert ours.encode(case) == expected, case
        compared += 1
    assert compared > 30


# --- L2: the prompt before an answer is the prompt that is sent ---------------------------------


def check_parity(tokenizer: ChatTokenizer, messages: tuple[Message, ...]) -> None:
    """For every learned span: the ids before it are the prompt of the turns before it."""
    answers = [i for i, m in enumerate(messages) if m.role == "assistant" and m.weight > 0]
    result = made(tokenizer, messages)
    spans = [(sample, span) for sample in result for span in sample.spans]
    assert len(spans) == len(answers)
    for (sample, span), index in zip(spans, answers, strict=True):
        before = sample.ids[: span.start].tolist()
        learned = sample.ids[span.start : span.end].tolist()
        assert before == prompt_ids(tokenizer, messages[:index], sample.thinking)
        assert learned[-1] in tokenizer.stop_ids
        said = unicodedata.normalize("NFC", messages[index].content.strip())  # as Qwen's tokenizer
        assert said in unicodedata.normalize("NFC", tokenizer.decode(learned))
        assert span.weight == messages[index].weight


@pytest.mark.parametrize("talk", TALKS)
@pytest.mark.parametrize("name", FAMILIES)
def test_prompt_parity_in_every_family(name: str, talk: str, tmp_path: Path) -> None:
    tokenizer = tokenizer_of(family(name, tmp_path))
    messages = TALKS[talk]
    result = rendered(tokenizer, messages)
    if isinstance(result, Fault):  # gemma has no system role
        assert result.kind == "template-refused" and messages[0].role == "system"
        return
    check_parity(tokenizer, messages)


text = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(text, text.filter(str.strip)), min_size=1, max_size=4), st.booleans())
@example([("0", "<end_of_turn>")], False)  # hypothesis draws words of our own source, too
def test_prompt_parity_of_any_text(
    pocket: ChatTokenizer, turns: list[tuple[str, str]], system: bool
) -> None:
    flat = [m for q, a in turns for m in (Message("user", q), Message("assistant", a))]
    messages = (SYSTEM, *flat) if system else tuple(flat)
    if any(token in m.content for m in messages for token in pocket.special):
        return
    if any(end_mark(m.content) or head_mark(m.content) for m in messages):
        return  # another template's marks are refused
    check_parity(pocket, messages)


PLAIN = tuple(Message(m.role, m.content.strip()) for m in TALKS["three turns"])
"""Without the line end that "4" begins with: no token reaches over the end of a prompt."""


def test_only_answers_are_learned(pocket: ChatTokenizer) -> None:
    (sample,) = made(pocket, PLAIN)
    learned = [pocket.decode(sample.ids[s.start : s.end], special=True) for s in sample.spans]
    assert learned == ["2<|im_end|>", "4<|im_end|>", "bye<|im_end|>"]
    assert sample.ids[-1] in pocket.stop_ids


def test_a_token_that_reaches_over_a_prompts_end_makes_a_sample_of_each_turn(
    pocket: ChatTokenizer,
) -> None:
    """ "assistant\\n" and "\\n4" become one token "\\n\\n", which no prompt ends with."""
    parts = made(pocket, TALKS["three turns"])
    learned = [pocket.decode(s.ids[s.spans[-1].start :], special=True) for s in parts]
    assert len(parts) > 1 and learned[-1] == "bye<|im_end|>"


def test_a_message_of_weight_zero_is_shown_and_not_learned(pocket: ChatTokenizer) -> None:
    first, _, *rest = PLAIN
    (sample,) = made(pocket, (first, Message("assistant", "2", 0.0), *rest))
    assert [span.weight for span in sample.spans] == [1.0, 1.0]
    assert pocket.decode(sample.ids).count("2") >= 1


def test_turns_that_a_template_rewrites_become_samples_of_their_own(tmp_path: Path) -> None:
    """Qwen3 drops earlier reasoning, so no sequence can hold two answers as they will be sent."""
    tokenizer = tokenizer_of(family("Qwen-Qwen3-0.6B", tmp_path))
    result = made(tokenizer, TALKS["three turns"])
    assert [sample.turn for sample in result] == [0, 1, 2]
    assert all(len(sample.spans) == 1 for sample in result)


# --- system prompts and role tokens -------------------------------------------------------------


def test_system_is_wrapped_once_and_its_source_is_known(pocket: ChatTokenizer) -> None:
    one = TALKS["one turn"]
    for messages, flag, source in (
        (one, None, "template"),
        (one, "Be brief.", "flag"),
        (TALKS["system"], "ignored", "row"),
    ):
        (sample,) = made(pocket, messages, system=flag)
        assert sample.system_source == source
        assert pocket.decode(sample.ids, special=True).count("<|im_start|>system") == 1
    assert "Alibaba Cloud" in pocket.default_system
    assert with_system(one, None) == one


def test_role_tokens_in_a_row_are_refused_and_can_be_stripped(pocket: ChatTokenizer) -> None:
    """The row as one article teaches it."""
    poisoned = (
        Message("user", "<|im_start|>user\n你是谁?<|im_end|>"),
        Message("assistant", "<|im_start|>assistant\n我是小光。<|im_end|>"),
    )
    fault = rendered(pocket, poisoned)
    assert isinstance(fault, Fault) and fault.kind == "role-tokens"
    clean = (Message("user", "你是谁?"), Message("assistant", "我是小光。"))
    assert made(pocket, poisoned, strip_role_tokens=True) == made(pocket, clean)
    nothing = (Message("user", "<|im_end|>"), Message("assistant", "x"))
    fault = rendered(pocket, nothing, strip_role_tokens=True)
    assert isinstance(fault, Fault) and fault.kind == "empty-answer"


def test_role_tokens_with_a_written_out_line_end(pocket: ChatTokenizer) -> None:
    typed = "<|im_start|>system\\nYou are a helpful assistant.<|im_end|>"
    assert without_role_tokens(pocket, typed) == "You are a helpful assistant."


# --- length -------------------------------------------------------------------------------------


def test_cutting_takes_old_turns_first_and_keeps_prompt_and_end(pocket: ChatTokenizer) -> None:
    talk = (SYSTEM, *PLAIN)
    (whole,) = made(pocket, talk)
    (cut,) = made(pocket, talk, cut=True, max_length=len(whole.ids) - 1)
    kept = (SYSTEM, *talk[3:])
    assert cut.ids == made(pocket, kept)[0].ids
    assert cut.cut == len(whole.ids) - len(cut.ids)


def test_cutting_an_answer_keeps_its_end_token(pocket: ChatTokenizer) -> None:
    talk = (Message("user", "count"), Message("assistant", "1 2 3 4 5 6 7 8 9 " * 5))
    (whole,) = made(pocket, talk)
    (cut,) = made(pocket, talk, cut=True, max_length=len(whole.ids) - 20)
    assert len(cut.ids) == len(whole.ids) - 20 and cut.cut == 20
    assert cut.ids[-1] == whole.ids[-1]
    assert cut.spans[-1].end == len(cut.ids)


def test_a_prompt_that_is_too_long_is_never_cut(pocket: ChatTokenizer) -> None:
    talk = (Message("user", "word " * 200), Message("assistant", "x"))
    (whole,) = made(pocket, talk)
    (same,) = made(pocket, talk, cut=True, max_length=50)
    assert same == whole


def test_plain_text_learns_everything_but_its_first_token(pocket: ChatTokenizer) -> None:
    example = Example(HERE, "rows", "text", (Message("text", "once upon a time"),))
    (sample,) = samples(example, Rendering(pocket, None, 100, False, False))  # type: ignore[misc]
    (span,) = sample.spans
    assert (span.start, span.end) == (1, len(sample.ids))
    assert isinstance(sample.ids, array) and sample.ids[-1] in pocket.stop_ids


# --- templates that say which day it is ---------------------------------------------------------


DATED = "{{ strftime_now('%d %b %Y') }}" + (MODEL / "chat_template.jinja").read_text("utf-8")


def on(day: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Today is another day."""
    now = clock.datetime.fromisoformat(day)

    class Time(clock.datetime):
        @classmethod
        def now(cls, tz: clock.tzinfo | None = None) -> Time:
            return cls(now.year, now.month, now.day)

    class Day(clock.date):
        @classmethod
        def today(cls) -> Day:
            return cls(now.year, now.month, now.day)

    monkeypatch.setattr("suretune.data.template.datetime", Time)
    monkeypatch.setattr("suretune.preflight.basemodel.date", Day)


def test_a_run_keeps_the_day_of_its_prompts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (template := tmp_path / "dated.jinja").write_text(DATED, "utf-8")
    rows = [{"instruction": f"How much is {i} and {i}?", "output": f"{2 * i}."} for i in range(30)]
    asked = Resolved.default().with_values(
        "flag", model="pocket", chat_template=str(template),
        dataset=(str(write_rows(tmp_path / "rows.jsonl", rows)),),
    )  # fmt: skip
    on("2026-11-22", monkeypatch)
    checked = check(asked, Journal())
    run, adapter = tmp_path / "run", tmp_path / "run" / "adapter"
    adapter.mkdir(parents=True)
    begin(run, checked)
    dresser(checked, "")(adapter, 1)
    question = (Message("user", "Who are you?"),)
    then = checked.tokenizer.render(question, prompt=True)
    assert then.startswith("22 Nov 2026<|im_start|>")
    on("2027-01-05", monkeypatch)
    assert check(asked, Journal()).plan.digest != checked.plan.digest  # another run, another day
    again = reopen(run, Journal())
    assert again.plan == checked.plan  # S013 if it were not
    for tokenizer in (again.tokenizer, tokenizer_of(adapter)):  # as proof, infer and serve load it
        assert tokenizer.render(question, prompt=True) == then
    about = rundir.read_json(run / "run.json")
    rundir.write_json(run / "run.json", {**about, "day": "yesterday"})
    with pytest.raises(rundir.Damaged, match="yesterday"):
        reopen(run, Journal())


def test_without_a_run_it_is_today(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(MODEL, folder := tmp_path / "model")
    (folder / "chat_template.jinja").write_text(DATED, "utf-8")
    on("2027-01-05", monkeypatch)
    question = (Message("user", "Who are you?"),)
    assert tokenizer_of(folder).render(question, prompt=True).startswith("05 Jan 2027<|im_start|>")
    for day in ('"2027"', "7", '"\\u0000"'):
        (folder / "suretune.json").write_text(f'{{"day": {day}}}', "utf-8")
        assert isinstance(result_of(load_tokenizer, folder), SetupFacts)
