"""What a row says is in its sample, or is told: over all templates at hand and all shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import SHARED, as_json, codes, shared, within, write_rows
from families import FAMILIES, make_tokenizer
from suretune.data.examples import to_example
from suretune.data.fields import Fields
from suretune.data.ignored import without
from suretune.data.render import Rendering, samples
from suretune.data.template import ChatTokenizer, load_tokenizer
from suretune.data.told import (
    ADDED,
    EARLIER_ANSWER,
    EARLIER_THOUGHT,
    EMPTY_THOUGHT,
    NAME,
    THOUGHT,
)
from suretune.guards import judge
from suretune.pocket import MODEL
from suretune.types import Example, Fault, Message, Origin, Row, Sample
from test_examples import JSON, TURN

HERE = Origin("rows.jsonl", 3)
SPEAKING = [name for name in FAMILIES if not name.startswith("deepseek")]
FIELD = SHARED.parent / "field"
CALL = {"type": "function", "function": {"name": "clock", "arguments": {"city": "Lima"}}}
TOOL = {
    "type": "function",
    "function": {
        "name": "clock",
        "description": "time in a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
TOLD_APART = "{{ '<|im_start|>' + m.role + '\\n' + (%s) + '<|im_end|>\\n' }}"


@pytest.fixture(scope="module")
def families(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ChatTokenizer]:
    folder = shared("chat_templates")
    made = {}
    for name in FAMILIES:
        template = (folder / f"{name}.jinja").read_text("utf-8")
        found = load_tokenizer(make_tokenizer(tmp_path_factory.mktemp("t") / "t", name, template))
        assert isinstance(found, ChatTokenizer)
        made[name] = found
    return made


@pytest.fixture
def writing(tmp_path: Path) -> Callable[[str], ChatTokenizer]:
    """A ChatML tokenizer whose template writes each message as this expression says."""

    def made(expression: str, before: str = "") -> ChatTokenizer:
        body = TOLD_APART % expression
        template = (
            before + "{% for m in messages %}" + body + "{% endfor %}"
            "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
        )
        name = "Qwen-Qwen2.5-7B-Instruct"
        folder = tmp_path / f"t{len(list(tmp_path.iterdir()))}"
        found = load_tokenizer(make_tokenizer(folder, name, template))
        assert isinstance(found, ChatTokenizer)
        return found

    return made


def rendered(tokenizer: ChatTokenizer, row: Any, think: str = "keep") -> list[Sample] | Fault:
    example = to_example(Row(HERE, row), "rows")
    assert isinstance(example, Example), example
    how = Rendering(tokenizer, None, 100_000, False, False, "glow-1b", think)
    return samples(example, how)


def fault(tokenizer: ChatTokenizer, row: Any) -> Fault:
    result = rendered(tokenizer, row)
    assert isinstance(result, Fault), [tokenizer.decode(s.ids, special=True) for s in result]
    return result


def notes(tokenizer: ChatTokenizer, row: Any, think: str = "keep") -> list[int]:
    result = rendered(tokenizer, row, think)
    assert isinstance(result, list), result
    return [sample.rewritten & ~THOUGHT for sample in result]


def talk(*turns: tuple[str, str] | dict[str, Any], **beside: Any) -> dict[str, Any]:
    made = [t if isinstance(t, dict) else {"role": t[0], "content": t[1]} for t in turns]
    return {"messages": made, **beside}


def called(text: str = "", **extra: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": text, "tool_calls": [CALL], **extra}


ASKED = ("user", "What time is it in Lima?")
CALLING = (ASKED, called(), ("tool", "09:30"), ("assistant", "Half past nine."))
THINKING = {"role": "assistant", "content": "Nine.", "reasoning_content": "Lima is west."}


# --- what templates leave out -------------------------------------------------------------------


THOUGHTLESS = [n for n in SPEAKING if "Qwen3" not in n and "SmolLM3" not in n]


@pytest.mark.parametrize("name", THOUGHTLESS)
def test_a_thought_that_a_template_does_not_know_stops(
    name: str, families: dict[str, ChatTokenizer]
) -> None:
    found = fault(families[name], talk(ASKED, THINKING))
    assert (found.kind, found.field) == ("not-in-sample", "messages[1].reasoning_content")
    assert found.found == "Lima is west." and found.origin == HERE
    assert found.hint is not None
    for said in (found.hint.en, found.hint.zh):
        assert "glow-1b" in said and "--think drop" in said


@pytest.mark.parametrize("name", ["microsoft-Phi-3.5-mini-instruct", "HuggingFaceTB-SmolLM3-3B"])
@pytest.mark.parametrize("tools", [[TOOL], []])
def test_calls_and_tools_that_a_template_does_not_know_stop(
    name: str, tools: list[Any], families: dict[str, ChatTokenizer]
) -> None:
    found = fault(families[name], talk(*CALLING, tools=tools))
    field = "tools[0].name" if tools else "messages[1].tool_calls[0].function.name"
    assert (found.kind, found.field, found.found) == ("not-in-sample", field, "clock")


def test_text_beside_a_call_is_kept_or_stops(families: dict[str, ChatTokenizer]) -> None:
    row = talk(ASKED, called("One moment."), ("tool", "9"), ("assistant", "Nine."))
    found = fault(families["meta-llama-Llama-3.1-8B-Instruct"], row)
    assert (found.field, found.found) == ("messages[1].content", "One moment.")
    assert found.hint is not None and "Take the text out" in found.hint.en
    apart = talk(ASKED, ("assistant", "One moment."), *CALLING[1:])  # one answer all the same
    assert fault(families["meta-llama-Llama-3.1-8B-Instruct"], apart).found == found.found
    advice = talk(ASKED, *CALLING[1:])
    for name in ("meta-llama-Llama-3.1-8B-Instruct", "Qwen-Qwen2.5-7B-Instruct"):
        assert notes(families[name], advice) == [0]  # as the finding advises
    assert notes(families["Qwen-Qwen2.5-7B-Instruct"], row) == [0]


@pytest.mark.parametrize(
    ("answer", "right"),
    [
        ("Close it with </think> and go on.", False),
        ("<think>a</think>b</think>c", False),
        ("The <think> tag opens a thought.", True),
        ("<think>\nWest.\n</think>\n\nNine.", True),
        ("<think>West.</think>Nine.", True),
        ("West it is.\n</think>\n\nNine.", True),  # as R1's answers are kept: the prompt opens it
    ],
)
def test_an_answer_that_mentions_the_end_of_a_thought(
    answer: str, right: bool, families: dict[str, ChatTokenizer]
) -> None:
    qwen3 = families["Qwen-Qwen3-0.6B"]
    row = talk(ASKED, ("assistant", answer))
    if right:
        assert all(isinstance(note, int) for note in notes(qwen3, row))
    else:
        found = fault(qwen3, row)
        assert (found.kind, found.field) == ("not-in-sample", "messages[1].content")
    assert notes(families["Qwen-Qwen2.5-7B-Instruct"], row) == [0]


def test_an_empty_thought_that_is_learned_is_told(families: dict[str, ChatTokenizer]) -> None:
    qwen3 = families["Qwen-Qwen3-0.6B"]
    inside = ("assistant", "<think>\n\n</think>\n\nNine.")
    for turn in (("assistant", "Nine."), inside, called()):
        assert notes(qwen3, talk(ASKED, turn), "empty") == [EMPTY_THOUGHT]
        assert notes(qwen3, talk(ASKED, turn)) == [0]  # there it stands in the prompt
    assert notes(qwen3, talk(ASKED, THINKING), "empty") == [0]


def test_thoughts_of_earlier_turns_are_told_and_do_not_stop(
    families: dict[str, ChatTokenizer],
) -> None:
    qwen3 = families["Qwen-Qwen3-0.6B"]
    for first in (THINKING, ("assistant", "<think>\nLima is west.\n</think>\n\nNine.")):
        row = talk(ASKED, first, ("user", "Sure?"), {**THINKING, "content": "Yes."})
        assert notes(qwen3, row) == [0, EARLIER_THOUGHT]


def test_earlier_answers_that_are_learned_by_themselves_may_be_left_out(
    writing: Callable[[str], ChatTokenizer],
) -> None:
    forgets = writing("m.content if m.role == 'user' or loop.last else '-'")
    row = talk(ASKED, ("assistant", "Nine."), ("user", "Sure?"), ("assistant", "Yes."))
    assert notes(forgets, row) == [0, EARLIER_ANSWER]
    row["messages"][1]["weight"] = 0  # nowhere else, then
    found = fault(forgets, row)
    assert (found.field, found.found) == ("messages[1].content", "Nine.")


def test_a_thought_goes_by_the_name_that_the_template_has_for_it(
    families: dict[str, ChatTokenizer], writing: Callable[[str], ChatTokenizer]
) -> None:
    theirs = writing("('<t>' + m.thinking + '</t>' if m.thinking else '') + m.content")
    for name in ("reasoning_content", "thinking", "reasoning", "thought"):
        turn = {"role": "assistant", "content": "Nine.", name: "Lima is west."}
        assert notes(families["Qwen-Qwen3-0.6B"], talk(ASKED, turn)) == [0]
        assert notes(theirs, talk(ASKED, turn)) == [0]


def test_names_of_turns_are_told_where_a_template_leaves_them_out(
    families: dict[str, ChatTokenizer], writing: Callable[[str], ChatTokenizer]
) -> None:
    row = talk({"role": "user", "content": "Hi", "name": "Zoe"}, ("assistant", "Hello."))
    assert notes(families["Qwen-Qwen2.5-7B-Instruct"], row) == [NAME]
    assert notes(writing("(m.name + ': ' if m.name else '') + m.content"), row) == [0]


def test_a_template_of_ones_own_is_held_to_the_same(
    writing: Callable[[str], ChatTokenizer],
) -> None:
    plain = talk(("system", "Be brief."), ASKED, ("assistant", "Nine."))
    assert notes(writing("m.content"), plain) == [0]
    assert notes(writing("m.content | trim"), talk(ASKED, ("assistant", "  Nine.\n"))) == [0]
    found = fault(writing("m.content if m.role != 'system' else ''"), plain)
    assert (found.field, found.found) == ("messages[0]", "Be brief.")
    found = fault(writing("m.content if m.role != 'user' else '?'"), plain)
    assert found.field == "messages[1].content"
    found = fault(writing("m.content | upper"), plain)
    assert found.kind == "not-in-sample"
    added = writing("('Sure! ' if m.role == 'assistant' else '') + m.content")
    assert notes(added, plain) == [ADDED]
    quoted = writing("m.content + ((m.tool_calls | tojson) | tojson if m.tool_calls else '')")
    found = fault(quoted, talk(*CALLING))
    assert found.field == "messages[1].tool_calls[0].function.arguments"
    as_text = writing(
        "m.content + (m.tool_calls[0].function.name + m.tool_calls[0].function.arguments"
        " if m.tool_calls else '')"
    )
    assert notes(as_text, talk(*CALLING)) == [0]  # one that joins texts is given text


def test_a_switch_in_a_system_prompt_is_no_loss(families: dict[str, ChatTokenizer]) -> None:
    smol = families["HuggingFaceTB-SmolLM3-3B"]
    answer = ("assistant", "Nine.")
    for switch in ("/no_think", "/think", "Be brief. /no_think"):
        assert isinstance(rendered(smol, talk(("system", switch), ASKED, answer)), list)
    found = fault(smol, talk(("system", "Read it in docs/thinking."), ASKED, answer))
    assert found.field == "messages[0]"


def test_a_turn_is_called_as_the_row_calls_it(families: dict[str, ChatTokenizer]) -> None:
    qwen3, answer = families["Qwen-Qwen3-0.6B"], "Close it with </think>, then go on."
    read = to_example(Row(HERE, talk(ASKED, ("assistant", answer))), "rows")
    assert isinstance(read, Example)
    found = samples(read, Rendering(qwen3, "Be brief.", 4096, False, False))
    assert isinstance(found, Fault) and found.field == "messages[1].content"
    assert fault(qwen3, {"query": "q", "response": answer}).field == "response"
    smol = Rendering(families["HuggingFaceTB-SmolLM3-3B"], "See docs/thinking.", 4096, False, False)
    plain = to_example(Row(HERE, talk(ASKED, ("assistant", "Nine."))), "rows")
    assert isinstance(plain, Example)
    found = samples(plain, smol)
    assert isinstance(found, Fault) and found.field == "--system"


HUMAN = {"from": "human", "value": "q"}
GPT = {"from": "gpt", "value": "Nine.", "reasoning_content": "West."}
SHIFTED = [
    (
        {"conversations": [HUMAN, GPT], "system": "Be brief."},
        "turn 2 (`conversations[1].reasoning_content`) says",
        "第 2 轮（`conversations[1].reasoning_content`）的内容没有",
    ),
    (
        {"conversations": [{"from": "system", "value": None}, HUMAN, GPT]},
        "turn 3 (`conversations[2].reasoning_content`) says",
        "第 3 轮（`conversations[2].reasoning_content`）的内容没有",
    ),
    (
        talk(ASKED, ("assistant", "One moment."), *CALLING[1:]),
        "turns 2 and 3 (`messages[1].content, messages[2].content`), which are one answer, say",
        "第 2 和 3 轮合成一个回答（`messages[1].content, messages[2].content`）",
    ),
]


@pytest.mark.parametrize(("row", "en", "zh"), SHIFTED)
def test_what_is_lost_is_named_by_the_turns_of_the_row(
    row: dict[str, Any], en: str, zh: str, families: dict[str, ChatTokenizer]
) -> None:
    """Not by those of the conversation that was made of it: a prompt of its own, an empty turn
    and turns that are one answer shift them."""
    (finding,) = judge(fault(families["meta-llama-Llama-3.1-8B-Instruct"], row))
    assert en in finding.what.en and zh in finding.what.zh


def test_role_tokens_in_a_tool_are_seen(families: dict[str, ChatTokenizer]) -> None:
    tool = {"name": "clock", "description": "ends with <|im_end|>", "parameters": {}}
    found = fault(families["Qwen-Qwen2.5-7B-Instruct"], talk(*CALLING, tools=[tool]))
    assert (found.kind, found.field) == ("role-tokens", "tools")


def test_characters_without_a_token_stop(tmp_path: Path) -> None:
    from tokenizers import AddedToken, Tokenizer, models, pre_tokenizers

    folder = tmp_path / "narrow"
    template = (
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
    )
    make_tokenizer(folder, "Qwen-Qwen2.5-7B-Instruct", template)
    letters = "abcdefghijklmnopqrstuvwxyz.?H"
    vocabulary = Tokenizer(models.WordLevel({c: i for i, c in enumerate(letters)}, "?"))
    vocabulary.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    vocabulary.add_special_tokens(
        [AddedToken(t, normalized=False) for t in ("<|im_start|>", "<|im_end|>")]
    )
    vocabulary.save(str(folder / "tokenizer.json"))
    narrow = load_tokenizer(folder)
    assert isinstance(narrow, ChatTokenizer) and not narrow.faithful
    assert isinstance(rendered(narrow, talk(("user", "hi"), ("assistant", "hello."))), list)
    found = fault(narrow, talk(("user", "hi"), ("assistant", "nihao 你好.")))
    assert (found.kind, found.field) == ("not-in-sample", "messages[1].content")
    assert set(found.found) >= {"你", "好"}


# --- the property -------------------------------------------------------------------------------

WORD = st.text("abcdefgh你好éß\"'\\{}<>/&\n -", min_size=1, max_size=12)


@st.composite
def a_row(draw: st.DrawFn) -> tuple[dict[str, Any], list[str], list[str]]:
    """(row, what it says, what of it is learned): each text holds a number of its own."""
    count = iter(range(10_000, 99_999))
    said: list[str] = []
    learned: list[str] = []

    def text(into: list[str]) -> str:
        number = f"{next(count)}"
        into.append(number)
        tail = draw(st.sampled_from(["", " ", "\n", "</think>", "<think>", "/think"]))
        return draw(WORD) + number + tail + draw(WORD) + number

    turns: list[dict[str, Any]] = []
    if draw(st.booleans()):
        turns.append({"role": "system", "content": text(said)})
    for _ in range(draw(st.integers(1, 3))):
        turns.append({"role": "user", "content": text(said)})
        if draw(st.booleans()):
            name, key = f"f{next(count)}", f"k{next(count)}"
            learned += [name, key]
            arguments = {key: text(learned), "n": next(count), "deep": [{"x": text(learned)}]}
            call = {"id": "abcdefgh9", "type": "function",
                    "function": {"name": name, "arguments": arguments}}  # fmt: skip
            beside = text(learned) if draw(st.booleans()) else ""
            turns.append({"role": "assistant", "content": beside, "tool_calls": [call]})
            turns.append({"role": "tool", "content": text(said), "tool_call_id": "abcdefgh9"})
        thought = {"reasoning_content": text(learned)} if draw(st.booleans()) else {}
        turns.append({"role": "assistant", "content": text(learned), **thought})
    row: dict[str, Any] = {"messages": turns}
    if draw(st.booleans()):
        name, key = f"t{next(count)}", f"p{next(count)}"
        said += [name, key]
        properties = {key: {"type": "string", "description": text(said)}}
        row["tools"] = [{"type": "function", "function": {
            "name": name, "description": text(said),
            "parameters": {"type": "object", "properties": properties}}}]  # fmt: skip
    return row, said, learned


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(a_row())
@pytest.mark.parametrize("name", FAMILIES)
def test_every_text_of_a_row_is_in_its_sample_or_told(
    name: str,
    families: dict[str, ChatTokenizer],
    made: tuple[dict[str, Any], list[str], list[str]],
) -> None:
    row, said, learned = made
    tokenizer = families[name]
    result = rendered(tokenizer, row)
    if isinstance(result, Fault):
        assert result.kind in ("not-in-sample", "template-refused")
        return
    whole = "".join(tokenizer.decode(s.ids, special=True) for s in result)
    answers = "".join(
        tokenizer.decode(s.ids[span.start : span.end], special=True)
        for s in result
        for span in s.spans
    )
    assert [one for one in said if one not in whole] == []
    assert [one for one in learned if one not in answers] == []


def shapes() -> Iterator[tuple[dict[str, Any], list[str]]]:
    """Rows of every shape, and what each says."""
    yield {"instruction": "aa1", "input": "bb2", "output": "cc3"}, ["aa1", "bb2", "cc3"]
    yield {"instruction": "aa1", "context": "bb2", "response": "cc3"}, ["aa1", "bb2", "cc3"]
    yield {"instruction": "aa1", "schema": "bb 2", "output": "cc3"}, ["aa1", "bb 2", "cc3"]
    yield {"question": "aa1", "context": "bb2", "answer": "cc3"}, ["aa1", "bb2", "cc3"]
    yield {"prompt": "aa1", "schema": "bb 2", "completion": "cc3"}, ["aa1", "bb 2", "cc3"]
    yield {"query": "aa1", "document": "bb 2", "response": "cc3"}, ["aa1", "bb 2", "cc3"]
    yield {"question": "aa1", "response": "cc3", "system_prompt": "dd4"}, ["aa1", "cc3", "dd4"]
    yield {"query": "aa1", "response": "cc3", "history": [["ee5", "ff6"]]}, ["aa1", "ee5", "ff6"]
    yield {"conversation": [{"system": "aa1", "input": "bb2", "output": "cc3"}]}, ["aa1", "cc3"]
    yield {"conversations": [{"from": "human", "value": "aa1"}, {"from": "gpt", "value": "bb2"}],
           "functions": [{"name": "ff7", "parameters": {}}]}, ["aa1", "bb2", "ff7"]  # fmt: skip
    yield {"text": "aa1 bb2"}, ["aa1 bb2"]


@pytest.mark.parametrize(("row", "said"), shapes())
def test_every_field_of_every_shape_is_in_the_sample(row: Any, said: list[str]) -> None:
    pocket = load_tokenizer(MODEL)
    assert isinstance(pocket, ChatTokenizer)
    result = rendered(pocket, row)
    assert isinstance(result, list), result
    text = "".join(pocket.decode(sample.ids, special=True) for sample in result)
    assert [one for one in said if one not in text] == []


def test_a_message_of_an_example_is_looked_for_wherever_it_came_from() -> None:
    pocket = load_tokenizer(MODEL)
    assert isinstance(pocket, ChatTokenizer)
    turns = (Message("user", "Hi"), Message("assistant", "Hello.", extra={"tool_calls": [CALL]}))
    example = Example(HERE, "rows", "messages", turns, (TOOL,))
    result = samples(example, Rendering(pocket, None, 4096, False, False))
    assert isinstance(result, list) and [s.rewritten for s in result] == [0]


# --- on the command line ------------------------------------------------------------------------

CHECK = ("check", "--model", "pocket", "--split_dataset_ratio", 0, "--json", "--dataset")


def test_obeying_the_advice_for_thoughts_reads_every_row(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "think.jsonl", [talk(ASKED, THINKING)] * 3)
    done = within(*CHECK, file)
    assert done.returncode == 3 and set(codes(done)) == {"D033"}
    (first, *_) = as_json(done)["findings"]
    assert first["where"].endswith("think.jsonl:1")
    assert "`--think drop`" in first["fix"]["en"]
    done = within(*CHECK, file, "--think", "drop")
    assert done.returncode == 0 and "D033" not in codes(done), done.stdout
    assert as_json(done)["data"]["datasets"][0]["train"] == 3


def test_rows_that_a_template_cannot_hold_are_left_out_as_advised(tmp_path: Path) -> None:
    plain = [{"query": f"Sort {i} 1", "response": f"1 {i}"} for i in range(9)]
    thinking = [talk(ASKED, {**THINKING, "content": f"Nine {i}."}) for i in range(250)]
    file = write_rows(tmp_path / "rows.jsonl", [*plain, *thinking])
    words = (*CHECK, file, "--mixed_shapes", "true")
    done = within(*words)
    found = [f for f in as_json(done)["findings"] if f["code"] == "D033"]
    assert len(found) == 100 and "(+ 150)" in found[-1]["what"]["en"]
    assert [f["more"] for f in found] == [0] * 99 + [150]
    everywhere = [place for f in found for place in (f["where"], *f["also"])]
    assert everywhere == [f"{file}:{line}" for line in range(10, 260)]
    shown = " ".join(within(*(w for w in words if w != "--json")).stdout.split())
    assert "… and 247 more D033:" in shown and "`--json` lists each" in shown
    done = within(*words, "--on_bad_row", "skip")
    assert done.returncode == 0, done.stdout
    (data,) = as_json(done)["data"]["datasets"]
    assert (data["read"], data["train"], data["rejected"]) == (259, 9, 250)


@settings(max_examples=150, deadline=None)
@given(JSON | st.fixed_dictionaries({"messages": st.lists(TURN)}) | st.lists(TURN))
def test_any_value_ends_in_samples_or_a_fault(value: Any) -> None:
    pocket = load_tokenizer(MODEL)
    assert isinstance(pocket, ChatTokenizer)
    read = to_example(Row(HERE, without(value, frozenset(("other",)), set())), "rows")
    if isinstance(read, Example):
        fields = Fields()
        fields.see(value, read)
        assert all(isinstance(one, Fault) for one in fields.faults("rows"))
        result = samples(read, Rendering(pocket, None, 4096, False, False))
        assert isinstance(result, (list, Fault))


@pytest.mark.skipif(not FIELD.is_dir(), reason="the cases are not beside this repository")
@pytest.mark.parametrize(
    ("file", "status", "code"),
    [
        ("toolargs/openai.jsonl", 0, ""),
        ("toolnone/toolsstrings.jsonl", 0, ""),
        ("toolnone/union.parquet", 0, ""),
        ("thinkdrop/think.jsonl", 3, "D033"),
        ("toolsdrop/tools.jsonl", 0, ""),
        ("ctx/sql.jsonl", 0, ""),
        ("images/vl.jsonl", 3, "D008"),
        ("turnkeys/trainable.jsonl", 0, ""),
        ("turnkeys/loss_mask.jsonl", 0, ""),
        ("qwen3/plain.jsonl", 0, "P010"),
    ],
)
def test_a_case_from_the_field(file: str, status: int, code: str) -> None:
    done = within(*CHECK, FIELD / file)
    assert done.returncode == status, done.stdout + done.stderr
    found = set(codes(done)) - {"P002", "R009", "D018", "D030"}
    assert found == ({code} if code else set())


def test_what_is_left_out_behind_the_last_learned_answer_is_told(tmp_path: Path) -> None:
    """A mark at the end leaves out turns of every kind: they are told, obeyed, and learned."""
    end = {"role": "assistant", "content": "Ten."}
    asked = [{"role": "user", "content": ASKED[1]}, {"role": "assistant", "content": "Nine."}]
    used = {"role": "tool", "content": "10", "tool_call_id": "1"}
    called = {"role": "assistant", "content": "", "tool_calls": [{**CALL, "id": "1"}]}
    ends: list[list[dict[str, Any]]] = [
        [{"role": "user", "content": "And one more?"}, {**end, "weight": 0}],
        [
            {"role": "user", "content": "And one?"},
            {**called, "train": False},
            used,
            {**end, "weight": 0},
        ],
        [{"role": "user", "content": "And two?"}, end],
        [{"role": "user", "content": "And?"}, {**end, "weight": 0}, *asked],  # amid: in a prompt
    ]
    file = write_rows(tmp_path / "rows.jsonl", [{"messages": [*asked, *one]} for one in ends])
    done = within(*CHECK, file)
    (told,) = [f for f in as_json(done)["findings"] if f["code"] == "D042"]
    assert done.returncode == 0 and not told["stops"]
    assert "2 of 4 rows" in told["what"]["en"] and told["where"].endswith("rows.jsonl:1")
    bare = [{k: v for k, v in m.items() if k not in ("weight", "train")} for m in ends[0]]
    obeyed = write_rows(tmp_path / "obeyed.jsonl", [{"messages": [*asked, *bare]}])
    assert "D042" not in codes(within(*CHECK, obeyed))


def test_empty_thoughts_are_told_by_the_command_line(tmp_path: Path) -> None:
    template = shared("chat_templates") / "Qwen-Qwen3-0.6B.jinja"
    file = write_rows(tmp_path / "rows.jsonl", [talk(ASKED, ("assistant", "Nine."))])
    done = within(*CHECK, file, "--chat_template", template)
    assert done.returncode == 0 and codes(done) == ["P010", "R009"]  # in the prompt
    done = within(*CHECK, file, "--chat_template", template, "--think", "empty")
    assert done.returncode == 0 and {"P006", "P010"} <= set(codes(done))
    (told,) = [f for f in as_json(done)["findings"] if f["code"] == "P006"]
    assert "Qwen3" in told["what"]["en"] and "(1 rows)" in told["what"]["en"]
    assert not told["stops"]
