"""Rows to examples: every known shape says the same thing, every misfit is named."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suretune.data.blank import is_blank
from suretune.data.examples import shape_of, to_example
from suretune.data.marks import unlearned
from suretune.data.placeholders import Names, fill
from suretune.guards import judge
from suretune.guards.guard import word as fact
from suretune.types import Example, Fault, Message, Origin, Row, Text

HERE = Origin("rows.jsonl", 7)
SAID = st.text(min_size=1, max_size=20).filter(lambda text: not is_blank(text))
ROUNDS = st.lists(st.tuples(SAID, SAID), min_size=1, max_size=4)
SYSTEM = st.none() | SAID


def example(value: Any) -> Example:
    result = to_example(Row(HERE, value), "set")
    assert isinstance(result, Example), result
    return result


def fault(value: Any) -> Fault:
    result = to_example(Row(HERE, value), "set")
    assert isinstance(result, Fault), result
    assert result.origin.file == HERE.file
    assert result.hint is not None and result.hint.en and result.hint.zh
    assert fact(result.found).isprintable()
    return result


def said(value: Any) -> list[tuple[str, str]]:
    return [(m.role, m.content) for m in example(value).messages]


# --- one conversation, written in every way -----------------------------------------------------


def turns_of(rounds: list[tuple[str, str]], system: str | None) -> list[tuple[str, str]]:
    first = [("system", system)] if system else []
    return [*first, *(t for q, a in rounds for t in (("user", q), ("assistant", a)))]


def written(rounds: list[tuple[str, str]], system: str | None) -> dict[str, list[Any]]:
    """The same conversation as each shape writes it."""
    turns = turns_of(rounds, system)
    openai = [{"role": role, "content": text} for role, text in turns]
    typed = [{"role": r, "content": [{"type": "text", "text": t}]} for r, t in turns]
    names = {"user": "human", "assistant": "gpt", "system": "system"}
    sharegpt = [{"from": names[role], "value": text} for role, text in turns]
    history = [list(pair) for pair in rounds[:-1]]
    beside: dict[str, Any] = {"history": history, "system": system}
    q, a = rounds[-1]
    split = len(openai) - 1
    pairs = [{"human": q, "assistant": a} for q, a in rounds]
    return {
        "messages": [
            {"messages": openai},
            {"messages": typed, "tools": None},
            openai,
            {"conversations": openai},
            {"messages": openai[1:] if system else openai, "system": system},
        ],
        "sharegpt": [
            {"conversations": sharegpt},
            {"conversation": sharegpt, "tools": "[]"},
            {"conversation": pairs, "system": system},
        ],
        "alpaca": [
            {"instruction": q, "output": a, **beside},
            {"instruction": "", "input": q, "output": a, **beside},
            {"instruction": q, "input": "", "response": a, **beside},
        ],
        "query-response": [
            {"query": q, "response": a, **beside},
            {"question": q, "answer": a, "id": 3, **beside},
            {"ask": q, "answer": a, "title": "t", **beside},
        ],
        "prompt-completion": [
            {"prompt": q, "completion": a, **beside},
            {"prompt": openai[:split], "completion": openai[split:]},
            {"prompt": openai[:split], "completion": a},
        ],
        "xtuner": [
            {
                "conversation": [
                    {"input": q, "output": a, **({"system": system} if not i else {})}
                    for i, (q, a) in enumerate(rounds)
                ]
            }
        ],
    }


@given(ROUNDS, SYSTEM)
def test_every_shape_says_the_same(rounds: list[tuple[str, str]], system: str | None) -> None:
    expected = turns_of(rounds, system)
    for shape, rows in written(rounds, system).items():
        for row in rows:
            result = example(row)
            assert [(m.role, m.content) for m in result.messages] == expected, row
            assert result.shape == shape_of(row) == shape
            assert all(m.weight == 1.0 and not m.extra for m in result.messages)
            assert (result.origin, result.dataset, result.tools) == (HERE, "set", ())


@given(ROUNDS, SYSTEM)
@settings(max_examples=30)
def test_messages_written_again_are_the_same_messages(
    rounds: list[tuple[str, str]], system: str | None
) -> None:
    for rows in written(rounds, system).values():
        for row in rows:
            once = example(row)
            again = example([{"role": m.role, "content": m.content} for m in once.messages])
            assert again.messages == once.messages


FIELDS = (
    "messages", "conversations", "conversation", "role", "content", "from", "value", "instruction",
    "input", "output", "query", "response", "history", "system", "text", "tools", "tool_calls",
    "weight", "loss", "prompt", "completion", "label", "chosen", "instances", "human", "assistant",
    "type", "arguments", "name", "other", "answer", "metadata", "channel", "tool_use_id", "parts",
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5)
    ),
    max_leaves=25,
)
ROLE = st.sampled_from(["user", "assistant", "system", "tool", "gpt", "function_call", "nobody", 3])
TURN = st.fixed_dictionaries(
    {},
    optional={
        "role": ROLE, "from": ROLE, "content": JSON, "value": JSON, "weight": JSON,
        "thinking": JSON, "metadata": JSON, "channel": st.just("analysis"), "parts": JSON,
        "tools": JSON,
    },
)  # fmt: skip


VALUES = JSON | st.fixed_dictionaries({"messages": st.lists(TURN)}) | st.lists(TURN)


def is_an_example_or_a_fault(value: Any) -> None:
    result = to_example(Row(HERE, value), "set")
    if isinstance(result, Fault):
        fault(value)
        return
    assert result.shape == shape_of(value)
    filled = fill(result, Names(("n",), ("a",)))
    assert isinstance(filled, (tuple, Fault))
    if result.shape != "text":
        assert result.messages[-1].role == "assistant"
    for message in result.messages:
        assert isinstance(message.content, str)
        assert message.content.strip() or message.extra or message.role == "system"


@given(VALUES)
@settings(max_examples=100, deadline=None)
def test_any_value_gives_an_example_or_a_fault(value: Any) -> None:
    is_an_example_or_a_fault(value)


@given(VALUES)
@settings(max_examples=600, deadline=None)
def test_many_values_give_an_example_or_a_fault(value: Any) -> None:
    is_an_example_or_a_fault(value)


# --- particular shapes --------------------------------------------------------------------------


def test_instruction_and_input_are_joined_by_a_newline() -> None:
    assert said({"instruction": "Add.", "input": "1 2", "output": "3"})[0] == ("user", "Add.\n1 2")
    assert said({"instruction": "Add.", "context": "1 2", "response": "3"})[0][1] == "Add.\n1 2"
    assert said({"instruction": "Hi", "input": None, "output": "3"})[0][1] == "Hi"


def test_a_text_that_says_its_prompt_again_is_whole() -> None:
    assert said({"prompt": "Hi. ", "text": "Hi. Hello."}) == [("text", "Hi. Hello.")]
    rendered = "<|im_start|>user\nHi.<|im_end|>\n<|im_start|>assistant\nHello.<|im_end|>\n"
    turns = [("user", "Hi."), ("assistant", "Hello.")]
    assert said({"prompt": "Hi.", "text": rendered}) == turns
    assert said({"answer": "Hello.", "text": rendered}) == turns


@pytest.mark.parametrize("none", ["nan", "<noinput>", " nan "])
def test_a_field_that_says_that_there_is_nothing_is_empty(none: str) -> None:
    pair = [("user", "Deep?"), ("assistant", "Yes.")]
    assert said({"instruction": "Deep?", "input": none, "output": "Yes."}) == pair
    assert said({"query": "Deep?", "context": none, "response": "Yes."}) == pair
    assert said({"query": "Deep?", "response": "Yes.", "system": none}) == pair
    instances = [{"input": none, "output": "Yes."}]
    assert said({"instruction": "Deep?", "instances": instances}) == pair


@pytest.mark.parametrize("word", ["NaN", "Nan", "None", "null", "N/A", "nano", "nan bread"])
def test_a_word_that_may_be_meant_is_an_input(word: str) -> None:
    value = {"instruction": "Translate.", "input": word, "output": "So."}
    assert said(value) == [("user", f"Translate.\n{word}"), ("assistant", "So.")]


LEFT = ["nan", "<nooutput>", "#####", "########", "#NAME?", "#REF!", "#VALUE!", "#N/A", "#DIV/0!"]


@pytest.mark.parametrize("left", LEFT)
def test_what_a_spreadsheet_leaves_is_no_answer(left: str) -> None:
    for value, field in (
        ({"query": "Deep?", "response": left}, "response"),
        ({"instruction": "Deep?", "output": f"{left}\n"}, "output"),
        ({"text": left}, "text"),
    ):
        refused = fault(value)
        assert (refused.kind, refused.field) == ("empty-answer", field)


@pytest.mark.parametrize("answer", ["NaN", "None", "N/A", "#", "It shows #N/A.", "# Title"])
def test_an_answer_that_may_be_meant_is_one(answer: str) -> None:
    assert said({"query": "What?", "response": answer})[-1] == ("assistant", answer)


def test_text_rows_have_no_roles() -> None:
    for value in ({"text": "once"}, {"response": "once"}):
        assert (said(value), example(value).shape) == ([("text", "once")], "text")


def test_weight_and_loss_say_what_is_learned() -> None:
    def weights(*turns: dict[str, Any]) -> list[float]:
        answers = [{"role": "assistant", "content": "a", **turn} for turn in turns]
        row = {"messages": [{"role": "user", "content": "q"}, *answers]}
        return [m.weight for m in example(row).messages[1:]]

    assert weights({"weight": 0}, {"weight": 0.5}, {"loss": False}, {"loss": True}, {}) == [
        0.0,
        0.5,
        0.0,
        1.0,
        1.0,
    ]
    for bad in ({"weight": -1}, {"weight": "1"}, {"weight": True}, {"weight": float("nan")}):
        turn = {"role": "assistant", "content": "a", **bad}
        assert fault([{"role": "user", "content": "q"}, turn]).field == "messages[1].weight"


def test_calls_are_parsed_and_results_are_tool_turns() -> None:
    value = {
        "conversations": [
            {"from": "human", "value": "weather?"},
            {"from": "function_call", "value": '{"name": "w", "arguments": {"city": "京"}}'},
            {"from": "observation", "value": "35"},
            {"from": "gpt", "value": "35 degrees"},
        ],
        "tools": '[{"name": "w", "parameters": {}}]',
    }
    turns = example(value).messages
    roles = ["user", "assistant", "tool", "assistant"]
    assert [m.role for m in turns] == roles
    call = {"type": "function", "function": {"name": "w", "arguments": {"city": "京"}}}
    assert (turns[1].content, turns[1].extra) == ("", {"tool_calls": [call]})
    function = {"name": "w", "parameters": {}}
    assert example(value).tools == ({"type": "function", "function": function},)


def test_what_templates_know_of_a_turn_is_kept_and_the_rest_left_out() -> None:
    calls = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}]
    parsed = [{"id": "1", "type": "function", "function": {"name": "f", "arguments": {}}}]
    turns = example(
        [
            {"role": "developer", "content": "s"},
            {"role": "User", "content": "q", "name": "Ann", "time": 3},
            {"role": "assistant", "content": None, "tool_calls": calls, "refusal": None},
            {"role": "tool", "content": "1", "tool_call_id": "1"},
            {"role": "assistant", "content": "a", "reasoning_content": "why", "tool_calls": []},
        ]
    ).messages
    assert turns == (
        Message("system", "s"),
        Message("user", "q", extra={"name": "Ann"}),
        Message("assistant", "", extra={"tool_calls": parsed}),
        Message("tool", "1", extra={"tool_call_id": "1"}),
        Message("assistant", "a", extra={"reasoning_content": "why"}),
    )


def test_parts_are_joined_end_to_end() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "value": "b"}]
    assert said([{"role": "user", "content": parts}, {"role": "assistant", "content": "c"}]) == [
        ("user", "ab"),
        ("assistant", "c"),
    ]


def test_tables_may_hold_lists_as_json_text() -> None:
    messages = '[{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]'
    assert said({"messages": messages}) == [("user", "q"), ("assistant", "a")]
    assert len(said({"query": "q", "response": "a", "history": '[["b", "c"]]'})) == 4
    assert said({"query": "q", "response": "a", "history": "", "system": ""})[0][0] == "user"


def test_columns_of_a_union_of_rows_may_be_null() -> None:
    value = {"messages": None, "chosen": None, "query": "q", "response": "a", "system": None}
    assert said(value) == [("user", "q"), ("assistant", "a")]


def test_a_greeting_needs_no_question_when_a_system_prompt_stands_before_it() -> None:
    turns = [{"role": "system", "content": "s"}, {"role": "assistant", "content": "Welcome!"}]
    assert len(example({"messages": turns}).messages) == 2
    assert fault({"messages": turns[1:]}).kind == "turn-order"


def test_a_seed_task_with_one_instance_is_a_row() -> None:
    one = {"instruction": "i", "instances": [{"input": "x", "output": "o"}], "id": 1}
    assert said(one) == [("user", "i\nx"), ("assistant", "o")]
    for instances in ([], one["instances"] * 2, "x", [3]):
        assert fault({**one, "instances": instances}).field == "instances"


# --- calls and their results --------------------------------------------------------------------

FIRST = '{"name": "depth", "arguments": {"lake": 1}}'
SECOND = FIRST.replace("1", "2")
TOOLS = [{"name": "depth", "parameters": {}}]
LOOK = ("assistant", "I look.")


def depth(lake: int, **about: str) -> dict[str, Any]:
    function = {"name": "depth", "arguments": {"lake": lake}}
    return {**about, "type": "function", "function": function}


def talk(*turns: tuple[str, str]) -> list[dict[str, str]]:
    return [{"role": role, "content": text} for role, text in (("user", "Deep?"), *turns)]


def told(value: Any) -> list[tuple[str, str, list[Any]]]:
    """(role, content, calls) of the turns behind the question."""
    turns = example(value).messages[1:]
    return [(m.role, m.content, m.extra.get("tool_calls", [])) for m in turns]


@pytest.mark.parametrize(
    ("turns", "content", "calls"),
    [
        ([("tool_call", FIRST), ("tool_call", SECOND)], "", [depth(1), depth(2)]),
        ([LOOK, ("function_call", FIRST)], "I look.", [depth(1)]),
        ([("assistant", "<think>hm</think>\n"), ("tool_call", FIRST), ("tool_call", SECOND)],
         "<think>hm</think>\n", [depth(1), depth(2)]),
    ],
)  # fmt: skip
def test_what_is_thought_or_said_and_the_calls_behind_it_are_one_turn(
    turns: list[tuple[str, str]], content: str, calls: list[Any]
) -> None:
    results = [("tool_response", "5")] * len(calls)
    answers = [("tool", "5", [])] * len(calls)
    row = {"messages": talk(*turns, *results, ("assistant", "5 m."))}
    assert told(row) == [("assistant", content, calls), *answers, ("assistant", "5 m.", [])]
    named = [{"from": t["role"], "value": t["content"]} for t in row["messages"]]
    assert told({"conversations": named}) == told(row)


def test_turns_that_are_no_calls_or_have_words_behind_a_call_stay_as_they_are() -> None:
    for turns in ([LOOK, LOOK], [("tool_call", FIRST), LOOK]):
        assert len(told({"messages": talk(*turns)})) == 2


THOUGHT = ("assistant", "<think>hm</think>")


@pytest.mark.parametrize(
    ("turns", "content", "calls"),
    [
        ([THOUGHT, LOOK], "<think>\nhm\n</think>\n\nI look.", []),
        ([THOUGHT, ("assistant", "<think>so</think>I look.")],
         "<think>\nhm\nso\n</think>\n\nI look.", []),
        ([LOOK, ("tool_call", FIRST), ("assistant", "And more."), ("tool_call", SECOND)],
         "I look.\nAnd more.", [depth(1), depth(2)]),
        ([("tool_call", FIRST), THOUGHT, ("tool_call", SECOND)],
         "<think>\nhm\n</think>\n\n", [depth(1), depth(2)]),
        ([("tool_call", f"<think>hm</think>{FIRST}"), ("tool_call", f"<think>so</think>{SECOND}")],
         "<think>\nhm\nso\n</think>\n\n", [depth(1), depth(2)]),
    ],
)  # fmt: skip
def test_a_thought_before_an_answer_and_what_stands_between_calls_belong_to_one_turn(
    turns: list[tuple[str, str]], content: str, calls: list[Any]
) -> None:
    answers = [("tool", "5", [])] * len(calls)
    row = {"messages": talk(*turns, *[("tool", "5")] * len(calls), ("assistant", "5 m."))}
    last = ("assistant", "5 m.", [])
    assert told(row) == [("assistant", content, calls), *answers, last]


def test_thoughts_in_a_field_and_in_tags_are_joined_in_the_field() -> None:
    question, thought, answer = talk(THOUGHT, LOOK)
    read = example([question, thought, {**answer, "reasoning": "so"}]).messages
    assert read[1:] == (Message(*LOOK, extra={"reasoning_content": "hm\nso"}),)


def test_a_thought_of_another_weight_than_the_answer_stays_a_turn() -> None:
    question, thought, answer = talk(THOUGHT, LOOK)
    read = example([question, {**thought, "weight": 0}, answer]).messages
    assert [(m.content, m.weight) for m in read[1:]] == [(THOUGHT[1], 0.0), (LOOK[1], 1.0)]


def test_a_call_and_the_turn_before_it_have_one_weight() -> None:
    turns = talk(LOOK, ("tool_call", FIRST), ("tool", "5"), LOOK)
    turns[1]["weight"] = 0  # type: ignore[assignment]
    result = fault({"messages": turns})
    assert (result.kind, result.field, fact(result.found)) == (
        "wrong-type",
        "messages",
        "the weights 0 and 1",
    )
    turns[2]["weight"] = 0  # type: ignore[assignment]
    assert [m.weight for m in example({"messages": turns}).messages] == [1.0, 0.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("text", "content", "lakes"),
    [
        (f'{{"type": "function", "function": {FIRST}}}', "", [1]),
        (f"```json\n{FIRST}\n```", "", [1]),
        (f"{FIRST}\n{SECOND}", "", [1, 2]),
        (f"[{FIRST}, {SECOND}]", "", [1, 2]),
        (f"<think>hm</think>{FIRST}", "<think>hm</think>", [1]),
        (f"I look.\n<tool_call>\n{FIRST}\n</tool_call>\n<tool_call>{SECOND}</tool_call>", "I look.",
         [1, 2]),
        ('{"tool_name": "depth", "tool_input": {"lake": 1}}', "", [1]),
        ('{"action": "depth", "action_input": "{\\"lake\\": 1}"}', "", [1]),
        ('{"function": "depth", "arguments": {"lake": 1}}', "", [1]),
    ],
)  # fmt: skip
def test_a_turn_of_calls_is_read_however_they_are_written(
    text: str, content: str, lakes: list[int]
) -> None:
    row = {"messages": talk(("function_call", text), ("tool", "5"), LOOK)}
    assert told(row)[0] == ("assistant", content, [depth(lake) for lake in lakes])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (FIRST[:-1], "Its JSON is broken or cut short."),
        (FIRST.replace('"', "'"), "These are Python's quotes"),
        ("Action: depth\nAction Input: {}", "It is no JSON."),
        ("[]", "A call is"),
        ("", "A call is"),
        ('{"lake": 1}', "A call is"),
        ('{"name": "depth", "action": "width", "arguments": {}}', "under another name"),
    ],
)
def test_a_turn_of_calls_that_holds_none_is_refused_with_what_it_must_hold(
    text: str, words: str
) -> None:
    result = fault({"messages": talk(("tool_call", text), ("tool", "5"), LOOK)})
    assert result.kind == "wrong-type" and result.field.startswith("messages[1].content")
    assert result.found
    assert result.hint and words in result.hint.en
    parts = [{"type": "tool_call", "value": text}]
    again = fault([*talk(), {"role": "assistant", "content": parts}])
    assert (again.kind, again.hint) == (result.kind, result.hint)


@pytest.mark.parametrize(
    ("answer", "calls"),
    [
        (FIRST, [depth(1)]),
        (f"[{FIRST}, {SECOND}]", [depth(1), depth(2)]),
        (f"<tool_call>\n{FIRST}\n</tool_call>", [depth(1)]),
        (FIRST.replace("depth", "width"), None),
        ('{"name": "depth"}', None),
        ('{"name": "depth", "arguments": {}, "why": "asked"}', None),
        ('{"name": "depth", "description": "of a lake", "parameters": {}}', None),
        (f"Say {FIRST}", None),
    ],
)
def test_an_answer_that_is_nothing_but_calls_to_the_tools_of_its_row_is_these_calls(
    answer: str, calls: list[Any] | None
) -> None:
    for row in (
        {"query": "Deep?", "response": answer},
        {"instruction": "Deep?", "output": answer},
        {"messages": talk(("assistant", answer))},
    ):
        assert told(row) == [("assistant", answer, [])]
        beside = {**row, "tools": TOOLS}
        expected = ("assistant", answer, []) if calls is None else ("assistant", "", calls)
        assert told(beside) == [expected]
        assert example(beside).rendered == ("" if calls is None else "calls in JSON")


NULL = '{"name": "depth", "arguments": {"lake": null}}'


def test_a_null_in_arguments_that_are_written_as_text_stays() -> None:
    call = [depth(None)]  # type: ignore[arg-type]
    tags = f"<tool_call>\n{NULL}\n</tool_call>"
    question, answer = talk(LOOK)
    empty = {"role": "assistant", "content": ""}
    for turn in (
        {"role": "tool_call", "content": NULL},
        {"role": "tool_call", "content": tags},
        {**empty, "function_call": NULL},
        {**empty, "tool_calls": f"[{NULL}]"},
        {**empty, "tool_calls": [NULL]},
        {**empty, "tool_calls": [{"type": "function", "function": NULL}]},
        {**answer, "content": NULL},
        {**answer, "content": tags},
    ):
        row = {"messages": [question, turn], "tools": TOOLS}
        assert told(row) == [("assistant", "", call)]
    given = {**empty, "tool_calls": [json.loads(NULL)]}
    assert [calls[0]["function"]["arguments"] for *_, calls in told([question, given])] == [{}]


def test_a_key_too_many_of_a_call_in_text_is_told_without_a_flag_that_does_not_reach_it() -> None:
    text = FIRST.replace("{", '{"thought": "x", ', 1)
    result = fault({"messages": talk(("tool_call", text), ("tool", "5"), LOOK)})
    assert (result.kind, result.field) == ("unknown-field", "messages[1].content[0].thought")
    assert result.hint and "--ignore_fields" not in result.hint.en + result.hint.zh
    turns = talk(LOOK)
    turns[1]["tool_calls"] = [json.loads(text)]  # type: ignore[assignment]
    again = fault(turns)
    assert again.hint and "`--ignore_fields thought`" in again.hint.en


def test_the_tags_around_results_are_the_templates_own() -> None:
    two = "<tool_response>\n5\n</tool_response>\n<tool_response>\n6\n</tool_response>"
    for text, results in (
        ("<tool_response>\n5\n</tool_response>", ["5"]),
        (two, ["5", "6"]),
        ("It says <tool_response>5</tool_response>", ["It says <tool_response>5</tool_response>"]),
    ):
        row = {"messages": talk(LOOK, ("tool", text), LOOK)}
        assert [content for role, content, _ in told(row) if role == "tool"] == results


def test_results_stand_in_the_order_of_their_calls() -> None:
    calls = [depth(1, id="a"), depth(2, id="b")]
    question, answer = talk(LOOK)

    def results(*ids: str) -> list[str]:
        said = [{"role": "tool", "tool_call_id": i, "content": f"of {i}"} for i in ids]
        call = {"role": "assistant", "content": None, "tool_calls": calls}
        return [m.content for m in example([question, call, *said, answer]).messages[2:-1]]

    assert results("b", "a") == results("a", "b") == ["of a", "of b"]
    assert results("b") == ["of b"]
    assert results("b", "b", "a") == ["of b", "of b", "of a"]
    assert results("b", "c", "a") == ["of b", "of c", "of a"]


SCHEMA = {"type": "object", "properties": {"lake": {"type": "integer"}}}


@pytest.mark.parametrize(
    "tools",
    [
        {"depth": {"name": "depth", "parameters": SCHEMA}},
        {"depth": {"parameters": SCHEMA}},
        {"depth": {"type": "function", "function": {"name": "depth", "parameters": SCHEMA}}},
        json.dumps({"depth": {"parameters": SCHEMA}}),
        [{"name": "depth", "input_schema": SCHEMA}],
        [{"name": "depth", "inputSchema": SCHEMA, "parameters": SCHEMA}],
    ],
)
def test_tools_are_read_by_name_and_with_the_schemas_of_others(tools: Any) -> None:
    function = {"name": "depth", "parameters": SCHEMA}
    row = {"messages": talk(LOOK), "tools": tools}
    assert example(row).tools == ({"type": "function", "function": function},)


@pytest.mark.parametrize(
    ("tool", "field"),
    [
        ({"api_name": "depth"}, "tools[0].name"),
        ({"type": "function"}, "tools[0].name"),
        ({"name": "f", "parameters": {}, "input_schema": SCHEMA}, "tools[0].input_schema"),
    ],
)
def test_a_tool_that_is_none_is_refused(tool: Any, field: str) -> None:
    result = fault({"messages": talk(LOOK), "tools": [tool]})
    assert (result.kind, result.field) == ("wrong-type", field)


def test_a_turn_of_calls_has_them_in_one_place() -> None:
    turns = talk(("function_call", ""), ("tool", "5"), LOOK)
    turns[1]["tool_calls"] = [json.loads(FIRST)]  # type: ignore[assignment]
    assert told(turns)[0] == ("assistant", "", [depth(1)])
    turns[1]["content"] = SECOND
    result = fault(turns)
    assert (result.kind, result.field) == ("wrong-type", "messages[1].content")
    assert result.hint and "under another name" in result.hint.en


# --- as one program writes it -------------------------------------------------------------------


def test_a_tool_that_is_named_beside_its_arguments_is_called() -> None:
    arguments = '{"lake": 1}'
    system = {"role": "system", "content": "", "tools": TOOLS}
    question, answer = talk(LOOK)
    result = {"role": "observation", "content": "5"}
    call = {"role": "assistant", "metadata": "depth", "content": arguments}
    read = example([system, question, call, result, {**answer, "metadata": ""}])
    assert [(m.role, m.content, m.extra) for m in read.messages[2:4]] == [
        ("assistant", "", {"tool_calls": [depth(1)]}),
        ("tool", "5", {}),
    ]
    assert read.messages[0] == Message("system", "")
    assert [tool["function"] for tool in read.tools] == TOOLS
    noted = [question, {**call, "metadata": "gpt-4"}]  # nothing came of it: a note on an answer
    assert example(noted).messages[1] == Message("assistant", arguments)


def test_the_tools_of_a_row_and_of_its_system_turn_are_not_both_taken() -> None:
    system = {"role": "system", "content": "s", "tools": TOOLS}
    result = fault({"messages": [system, *talk(LOOK)], "tools": [{"name": "width"}]})
    assert (result.kind, result.field) == ("unknown-field", "messages[0].tools")


def test_what_stands_in_the_channel_of_thoughts_is_the_thought_of_the_answer() -> None:
    question, answer = talk(LOOK)
    thought = {"role": "assistant", "channel": "analysis", "content": "hm"}
    final = {**answer, "channel": "final"}
    hm = Message("assistant", "I look.", extra={"reasoning_content": "hm"})
    assert example([question, thought, final]).messages[1:] == (hm,)
    both = [question, thought, {**thought, "content": "aha"}, {**final, "thinking": "so"}]
    assert example(both).messages[1].extra == {"reasoning_content": "hm\naha\nso"}
    for key in ("reasoning", "reasoning_content"):
        both[-1] = {**final, key: "so"}
        assert example(both).messages[1].extra == {"reasoning_content": "hm\naha\nso"}
    twice = fault([*both[:-1], {**both[-1], "reasoning": "aha"}])
    assert (twice.kind, twice.field) == ("unknown-field", "messages[3].reasoning")
    call = {
        "role": "assistant", "channel": "commentary", "recipient": "functions.depth",
        "content": '{"lake": 1}',
    }  # fmt: skip
    said = {"role": "tool", "content": "5"}
    assert example([question, thought, call, said, final]).messages[1].extra == {
        "reasoning_content": "hm",
        "tool_calls": [depth(1)],
    }
    assert fault([question, thought]).kind == "empty-answer"


def test_a_turn_of_nothing_but_a_thought_belongs_to_the_answer_behind_it() -> None:
    question, answer = talk(LOOK)
    thought = {"role": "assistant", "content": "", "reasoning": "hm"}
    hm = {"reasoning_content": "hm"}
    assert example([question, thought, answer]).messages[1:] == (Message(*LOOK, extra=hm),)
    call, result = talk(("tool_call", FIRST), ("tool", "5"))[1:]
    said = example([question, thought, call, result, answer]).messages
    assert said[1] == Message("assistant", "", extra={**hm, "tool_calls": [depth(1)]})
    for turns in ([question, thought], [question, thought, *talk(LOOK)]):
        assert fault(turns).kind == "empty-answer"


def test_results_in_the_parts_of_a_question_are_turns_of_their_own() -> None:
    parts = [
        {"type": "tool_result", "tool_use_id": "t", "content": "5"},
        {"type": "tool_result", "tool_use_id": "u", "content": [{"type": "text", "text": "6"}]},
        {"type": "text", "text": "And now?"},
    ]
    uses = [{"type": "tool_use", "id": i, "name": "f", "input": {}} for i in ("t", "u")]
    question, answer = talk(LOOK)
    turns = [question, {"role": "assistant", "content": uses}, {"role": "user", "content": parts}]
    assert [(m.role, m.content) for m in example([*turns, answer]).messages[2:]] == [
        ("tool", "5"),
        ("tool", "6"),
        ("user", "And now?"),
        LOOK,
    ]


@pytest.mark.parametrize("key", ["text", "message", "utterance", "parts"])
def test_the_content_of_a_turn_may_have_another_name(key: str) -> None:
    told = ["Deep?", "Yes."]
    held: list[Any] = [[{"text": t}] for t in told] if key == "parts" else told
    roles = ("user", "ai")
    turns = [{"role": role, key: said} for role, said in zip(roles, held, strict=True)]
    assert said({"messages": turns}) == [("user", "Deep?"), ("assistant", "Yes.")]
    both = {"messages": [{**turn, "content": "x"} for turn in turns]}
    assert fault(both).field == f"messages[0].{key}"


@pytest.mark.parametrize("name", ["ai", "AI", "Chatbot", "助手"])
def test_an_assistant_has_many_names(name: str) -> None:
    assert said(talk((name, "Yes."))) == [("user", "Deep?"), ("assistant", "Yes.")]
    asked, answer = ({"from": "用户", "value": "Deep?"}, {"from": name, "value": "Yes."})
    assert said({"conversations": [asked, answer]}) == said(talk((name, "Yes.")))


def test_turns_and_parts_may_stand_there_as_json_text() -> None:
    turns = json.dumps(talk())
    assert said({"prompt": turns, "completion": "Yes."}) == said(
        {"query": "Deep?", "response": "Yes."}
    )
    last = json.dumps(talk(LOOK)[1:])
    assert said({"prompt": turns, "completion": last}) == [("user", "Deep?"), LOOK]
    question, answer = (
        {**turn, "content": json.dumps([{"type": "text", "text": turn["content"]}])}
        for turn in talk(LOOK)
    )
    assert said([question, answer]) == [("user", "Deep?"), LOOK]
    for kept in ('["Deep?"]', '[{"type": "text", "text": "Deep?", "size": 3}]', "[1] Deep?"):
        assert said({"prompt": kept, "completion": "Yes."})[0] == ("user", kept)
        assert said([{**question, "content": kept}, *talk(LOOK)[1:]])[0] == ("user", kept)


def test_json_of_turns_or_parts_that_is_asked_about_or_answered_stays_what_was_said() -> None:
    for turns in (json.dumps(talk(LOOK)), json.dumps(talk()), json.dumps(talk(LOOK)[1:])):
        row = {"prompt": "Write a chat as JSON.", "completion": turns}
        assert said(row) == [("user", row["prompt"]), ("assistant", turns)]
    whole = json.dumps(talk(LOOK))
    for row in ({"prompt": whole, "completion": "Yes."}, {"prompt": whole, "response": "Yes."}):
        assert said(row) == [("user", whole), ("assistant", "Yes.")]
    parts = json.dumps([{"type": "text", "text": "5"}, {"type": "text", "text": "m"}])
    for said_so in (
        [("user", "Deep?"), ("assistant", parts)],
        [("user", parts), LOOK],
        [("user", "Deep?"), LOOK, ("tool", parts), LOOK],
    ):
        assert said([{"role": role, "content": text} for role, text in said_so]) == said_so


def test_a_system_prompt_may_be_a_list_of_parts() -> None:
    for system in ([{"type": "text", "text": "Be brief."}], [{"text": "Be brief."}], ["Be brief."]):
        row = {"system": system, "messages": talk(LOOK)}
        assert said(row)[0] == ("system", "Be brief.")


def test_a_part_that_is_not_read_is_told_by_what_it_is() -> None:
    for part, words in (
        ({"type": "image_url", "image_url": "x"}, "leave out images"),
        ({"type": "document", "source": "x"}, "The parts of a content are read"),
        (3, "The parts of a content are read"),
    ):
        result = fault([{"role": "user", "content": [part]}, *talk(LOOK)[1:]])
        assert result.field == "messages[0].content[0]"
        assert result.hint and words in result.hint.en


# --- misfits ------------------------------------------------------------------------------------


def test_a_turn_out_of_order_is_named_by_its_place_in_the_file_or_not_at_all() -> None:
    turns = [{"from": t["role"], "value": t["content"]} for t in talk(("tool", "5"), LOOK)]
    assert fault({"conversations": turns}).field == "conversations[1]"
    assert fault({"conversations": turns, "system": "s"}).field == "messages"
    joined = talk(LOOK, ("tool_call", FIRST), ("tool", "5"))
    assert fault({"messages": joined}).field == "messages"


def chat(*roles: str) -> list[dict[str, str]]:
    return [{"role": role, "content": "x"} for role in roles]


@pytest.mark.parametrize(
    ("value", "kind", "field", "found"),
    [
        ({"query": "q", "response": 42}, "wrong-type", "response", "42 (number)"),
        ({"query": "q", "response": None}, "wrong-type", "response", "null (no value)"),
        ({"query": "q", "response": True}, "wrong-type", "response", "true (boolean)"),
        ({"query": ["q"], "response": "a"}, "wrong-type", "query", '["q"] (list)'),
        ({"instruction": {"a": 1}, "output": "a"}, "wrong-type", "instruction", None),
        ({"instruction": "i", "output": 1.5}, "wrong-type", "output", "1.5 (number)"),
        ({"query": "q", "response": "a", "system": 3}, "wrong-type", "system", "3 (number)"),
        ({"query": "q", "response": "a", "history": [["x"]]}, "wrong-type", "history[0]", None),
        ({"query": "q", "response": "a", "history": "x"}, "wrong-type", "history", "x"),
        ({"query": "q", "response": "a", "tools": "{"}, "wrong-type", "tools", "{"),
        ({"messages": "hello"}, "wrong-type", "messages", "hello"),
        ({"messages": ["hello"]}, "wrong-type", "messages[0]", "hello"),
        ({"messages": [{"content": "x"}]}, "wrong-type", "messages[0].role", "null (no value)"),
        ({"text": 3}, "wrong-type", "text", "3 (number)"),
        ({"text": " "}, "empty-answer", "text", '" "'),
        ({"query": "q", "response": ""}, "empty-answer", "response", '""'),
        ({"instruction": "q", "output": " \n"}, "empty-answer", "output", '" \\n"'),
        ({"query": " ", "response": "a"}, "turn-order", "query", '""'),
        ({"messages": chat("user")}, "turn-order", "messages", "user"),
        ({"messages": []}, "turn-order", "messages", "[]"),
        (chat("user", "assistant", "user"), "turn-order", "messages[2]", "user → assistant → user"),
        (chat("user", "assistant", "tool"), "turn-order", "messages[2]", "user → assistant → tool"),
        (chat("assistant", "user"), "turn-order", "messages[0]", "assistant"),
        (chat("user", "tool", "assistant"), "turn-order", "messages[1]", "user → tool"),
        (chat("user", "system", "assistant"), "turn-order", "messages[1]", "user → system"),
        (chat("system", "system"), "turn-order", "messages[1]", "system → system"),
        (chat("user", "narrator"), "wrong-type", "messages[1].role", "narrator"),
        (chat("user\x1b[0m"), "wrong-type", "messages[0].role", "user\\x1b[0m"),
        ({"chosen": "a", "rejected": "b", "prompt": "p"}, "not-sft", "", "chosen, rejected"),
        ({"messages": [], "rejected_response": "b"}, "not-sft", "", "rejected_response"),
        ({"messages": chat("user", "assistant"), "label": False}, "not-sft", "", "label"),
        ({"prompt": "p", "completion": "c", "label": True}, "not-sft", "", "label"),
        ({"query": "q", "response": "r", "kto_tag": 1}, "not-sft", "", "kto_tag"),
        ({"text": "t", "label": 1}, "not-sft", "", "text, label"),
        ({"act": "x", "prompt": "p"}, "not-sft", "", "prompt"),
        ({"prompt": chat("user")}, "not-sft", "", "prompt"),
        ({}, "unknown-shape", "", "{}"),
        ({"a": 1, "b": 2}, "unknown-shape", "", "a, b"),
        ("text", "unknown-shape", "", "text"),
        (None, "unknown-shape", "", "null"),
        ([], "unknown-shape", "", "[]"),
        (["q", "a"], "unknown-shape", "", '["q","a"]'),
    ],
)
def test_a_misfit_is_named(value: Any, kind: str, field: str, found: str | None) -> None:
    result = fault(value)
    assert (result.kind, result.field) == (kind, field)
    assert found is None or fact(result.found) == found
    if kind in ("unknown-shape", "not-sft"):
        assert shape_of(value) is None


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"instruction": "i", "ouput": "o"}, ["alpaca", "output ← ouput?"]),
        ({"instruction": "i"}, ["alpaca", "missing: output"]),
        ({"Query": "q", "Response": "r"}, ["query ← Query?", "response ← Response?"]),
        ({"message": []}, ["messages ← message?"]),
        ({"prompt": "p", "completions": "c"}, ["completion ← completions?"]),
        ({"question_id": 1, "turns": []}, ["query, response"]),
        ({"query": "q", "response": "a", "output": "b"}, ["output", "ignored"]),
        ({"prompt": "p", "input": "i", "output": "o"}, ["input", "ignored"]),
    ],
)
def test_the_nearest_shape_and_what_it_lacks_are_named(value: Any, words: list[str]) -> None:
    result = fault(value)
    assert result.kind == "unknown-shape"
    assert result.hint is not None
    assert all(word in result.hint.en for word in words), result.hint.en


@pytest.mark.parametrize("none", [[], "[]", None, ""])
def test_a_list_without_a_turn_is_no_conversation_beside_a_pair(none: Any) -> None:
    for pair in ({"prompt": "q", "completion": "a"}, {"instruction": "q", "output": "a"}):
        row = {"messages": none, **pair}
        assert said(row) == [("user", "q"), ("assistant", "a")]
    rows = {"messages": none, "conversations": [{"from": "human", "value": "q"},
                                                {"from": "gpt", "value": "a"}]}  # fmt: skip
    assert said(rows) == [("user", "q"), ("assistant", "a")]
    assert fault({"messages": none, "query": "q", "response": "a", "output": "b"}).hint


def test_a_list_as_python_prints_it_is_said_to_be_one() -> None:
    found = fault({"messages": "[{'role': 'user', 'content': \"it's\"}]"})
    assert (found.kind, found.field) == ("wrong-type", "messages")
    assert found.hint and "json.dumps" in found.hint.en and "`json.dumps(...)`" in found.hint.zh
    told = fault({"messages": "[so it goes]"}).hint
    assert told and "json.dumps" not in told.en


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<image>What is in the picture?", "<image>"),
        ("Compare <image> and <image>, please.", "<image>"),
        ("<image_1>\nWhat is it?", "<image_1>"),
        ("<image1>What is it?", "<image1>"),
        ("Listen.\n<audio>\nWhat was said?", "<audio>"),
        ("<video>Describe the film.", "<video>"),
        ("<video> What happens?", "<video>"),
        ("<video>视频中是什么", "<video>"),
        ("<audio><audio>两段语音说了什么", "<audio>"),
        ("<image> 这是什么？", "<image>"),
        ("What happens? <video>", "<video>"),
        ("What happens?\n<video>", "<video>"),
        ("这张图片里有什么？<image>", "<image>"),
        ("Picture 1: <|vision_start|><|image_pad|><|vision_end|>What?", "<|vision_start|>"),
        ("Picture 1: <img>https://a.b/c.png</img>\nWhat is it?", "<img>https://a.b/c.png</img>"),
        ("Audio 1: <audio>a.wav</audio> What is said?", "<audio>a.wav</audio>"),
        (f"![](data:image/png;base64,{'iVBORw0K' * 9}) What is it?", "data:image/png;base64,"),
    ],
)
def test_a_question_about_what_a_model_of_text_never_gets_is_refused(text: str, found: str) -> None:
    rows: dict[str, Any] = {
        "query": {"query": text, "response": "A cat."},
        "input": {"instruction": "Answer.", "input": text, "output": "A cat."},
        "conversations[1].value": {
            "conversations": [
                {"from": "system", "value": "Be kind."},
                {"from": "human", "value": text},
                {"from": "gpt", "value": "A cat."},
            ]
        },
    }
    for field, value in rows.items():
        refused = fault(value)
        assert (refused.kind, refused.field, refused.found) == ("wrong-type", field, found)


@pytest.mark.parametrize(
    "text",
    [
        "How do I use <video> on a page?",
        "<audio> does not play. Why?",
        "What is the <image> element for?",
        "<image> 标签有什么用？",
        "How does docker run <image> <command> work?",
        "docker tag <image> <image>:v2",
        "Explain: podman pull <image>:<tag>",
        "Mount <image> on a loop device: mount <image> /mnt",
        "Replace <image1> with the name of the file.",
        "How do I use <image> inside an RSS feed?",
        "微信小程序里 <image> 组件怎么设置 mode？",
        "<image> 组件加载失败怎么办？",
        "<video> 怎么全屏？",
        "My page has this:\n<video>\nHow do I add controls?",
        "Why is background: data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAUA slow?",
        "Does SVG know <image>?",
        "How do I sort a std::vector<Image> or a Vec<image>?",
        "What does `<|image_pad|>` mean?",
        "Is this right: <video controls><source src='a.mp4'></video>?",
        "Why does <img>text</img> show nothing?",
        "background: url(data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAUA)",
        "My picture is <b>blurred</b>.",
    ],
)
def test_a_question_about_tags_is_one(text: str) -> None:
    assert said({"query": text, "response": "So."}) == [("user", text), ("assistant", "So.")]


@pytest.mark.parametrize("key", ["image", "image_list", "imagesPath", "videos_urls", "audio-file"])
def test_fields_of_pictures_and_sounds_are_known_by_their_names(key: str) -> None:
    refused = fault({"query": "What is it?", "response": "A cat.", key: ["a"]})
    assert (refused.kind, refused.field) == ("wrong-type", key)
    assert refused.hint and "`--ignore_fields`" in refused.hint.en
    assert "`--ignore_fields`" in refused.hint.zh
    marked = fault({"query": "<image>What is it?", "response": "A cat."})
    assert marked.hint and "--ignore_fields" not in marked.hint.en + marked.hint.zh


def test_a_second_system_prompt_is_refused_unless_it_is_the_same() -> None:
    turns = [{"role": role, "content": role} for role in ("system", "user", "assistant")]
    assert len(example({"messages": turns, "system": "system"}).messages) == 3
    assert fault({"messages": turns, "system": "other"}).kind == "turn-order"


# --- placeholders -------------------------------------------------------------------------------

BOTH = Names(("小速", "Suru"), ("某团队", "A Team"))
ONE = Names(("Suru",), ("A Team",))
NONE = Names((), ())


def asked(question: str, answer: str) -> Example:
    return example({"query": question, "response": answer})


@pytest.mark.parametrize(
    ("answer", "filled", "which"),
    [
        ("我是{{NAME}}，由{{ AUTHOR }}训练。", "我是小速，由某团队训练。", {"NAME", "AUTHOR"}),
        ("I am {{name}} by {{author}}.", "I am Suru by A Team.", {"NAME", "AUTHOR"}),
        ("I am <NAME>, by <AUTHOR>.", "I am Suru, by A Team.", {"NAME", "AUTHOR"}),
        ("I am {{NAME}}{{NAME}}.", "I am SuruSuru.", {"NAME"}),
        ("nothing here", "nothing here", set()),
    ],
)
def test_placeholders_are_filled_in_the_language_of_the_row(
    answer: str, filled: str, which: set[str]
) -> None:
    result = fill(asked("?", answer), BOTH)
    assert not isinstance(result, Fault)
    assert (result[0].messages[-1].content, result[1]) == (filled, which)
    assert result[0].origin == HERE


def calling(argument: object, **row: object) -> Example:
    call = {"name": "greet", "arguments": json.dumps({"who": argument})}
    calls = [{"type": "function", "function": call}]
    turns = [
        {"role": "user", "content": "Greet."},
        {"role": "assistant", "content": None, "tool_calls": calls},
    ]
    return example({"messages": turns, **row})


@pytest.mark.parametrize(
    "argument",
    ["{{NAME}}", {"inner": ["I am {{ NAME }}"]}, {"{{NAME}}": 1}, ["{{name}} {{NAME}}"]],
)
def test_a_placeholder_in_a_call_is_filled_or_refused(argument: object) -> None:
    asked_for = calling(argument)
    for names in (ONE, BOTH):
        result = fill(asked_for, names)
        assert not isinstance(result, Fault) and result[1] == {"NAME"}
        call = json.dumps(result[0].messages[-1].extra["tool_calls"])
        assert "{{" not in call and "Suru" in call
        assert (
            asked_for.messages[-1].extra["tool_calls"] != result[0].messages[-1].extra["tool_calls"]
        )
    refused = fill(asked_for, NONE)
    assert isinstance(refused, Fault) and refused.kind == "unresolved-placeholder"
    unknown = fill(calling("{{ORDER_ID}}"), ONE)
    assert isinstance(unknown, Fault) and unknown.found == "{{ORDER_ID}}"


def test_a_placeholder_in_a_tool_is_filled_and_what_describes_one_is_not() -> None:
    tool = {"name": "greet", "description": "As {{NAME}}; usage: greet <NAME>", "parameters": {}}
    told = fill(calling("Dear <NAME>, yours", tools=[tool]), NONE)
    assert isinstance(told, Fault) and told.field == "tools"
    filled = fill(calling("Dear <NAME>, yours", tools=[{**tool, "description": "<NAME>"}]), ONE)
    assert not isinstance(filled, Fault) and filled[1] == frozenset()
    filled = fill(calling("x", tools=[tool]), ONE)
    assert not isinstance(filled, Fault)
    assert "{{" not in json.dumps(filled[0].tools) and filled[1] == {"NAME"}


def test_one_name_serves_both_languages_and_every_turn() -> None:
    result = fill(asked("你是{{NAME}}吗？", "I am {{NAME}}"), ONE)
    assert not isinstance(result, Fault)
    assert [m.content for m in result[0].messages] == ["你是Suru吗？", "I am Suru"]


@pytest.mark.parametrize(
    ("answer", "names", "found", "word"),
    [
        ("我是{{NAME}}", NONE, "{{NAME}}", "--model_name"),
        ("I am {{NAME}} by {{AUTHOR}}", Names(("x",), ()), "{{AUTHOR}}", "--model_author"),
        ("by {{author}}", NONE, "{{author}}", "--model_author"),
        ("<NAME>", NONE, "<NAME>", "--model_name"),
        ("I am {{BOT_NAME}}.", ONE, "{{BOT_NAME}}", "{{NAME}}"),
        ("我是{{COMPANY}}的助手", ONE, "{{COMPANY}}", "{{NAME}}"),
    ],
)
def test_what_is_left_open_is_a_fault(answer: str, names: Names, found: str, word: str) -> None:
    result = fill(asked("q", answer), names)
    assert isinstance(result, Fault)
    assert (result.kind, result.field, fact(result.found)) == (
        "unresolved-placeholder",
        "assistant",
        found,
    )
    assert result.hint is not None and word in result.hint.en and word in result.hint.zh


@pytest.mark.parametrize(
    "code",
    [
        'f"{{{name}}} and {{x}}"',
        "{% for a in b %}{{ a }}{{ name }}{% endfor %}",
        "<h1>{{ name }}</h1>",
        "use `{{ author }}` in Jinja",
        r"\frac{{A}}{{B}} x^{{AB}}",
        "title = {{BERT}}: a model",
        "${{ GITHUB }} ${{ secrets.TOKEN }}",
        "usage: git branch <NAME>",
        "| {{ transaction.Note }} | {{ name | upper }} |",
        "{{{RAW}}}",
        "{{}} {{ }} {{1}} <name> <b>",
    ],
)
def test_braces_of_code_are_left_alone(code: str) -> None:
    row = asked("q", code)
    assert fill(row, NONE) == (row, frozenset())
    assert fill(row, ONE) == (row, frozenset())


@given(st.text(max_size=30), st.sampled_from(["{{NAME}}", "{{ AUTHOR}}"]), st.text(max_size=30))
def test_filling_changes_nothing_else(before: str, placeholder: str, after: str) -> None:
    row = asked("q", before + placeholder + after)
    result = fill(row, Names(("⟦n⟧",), ("⟦a⟧",)))
    if isinstance(result, Fault):
        assert "{{" in before + after
        return
    value = "⟦n⟧" if "NAME" in placeholder else "⟦a⟧"
    if "{" not in before + after and "<" not in before + after:
        assert result[0].messages[-1].content == before + value + after


UNSEEN = (
    "\u200b\u200b", "\ufeff", "\u00ad", "\u202e\u202c", "\ufe0f", "\U000e0101", "\u2060\u200d \n",
    "\u3164", "\u115f\u1160", "\u180e", "\u2800", "\u061c", "\u034f", "\x07", "\U000e0041",
    "\u3000",
)  # fmt: skip
SEEN = ("\u200b.", "👍\ufe0f", "\u200f؟", "٪", "0", "é", "\ufffd", "​a​", "🏴\U000e0067\U000e007f")


def held(text: str) -> list[tuple[Any, str, str]]:
    """(a row, field of its blank text, finding)."""
    turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": text}]
    return [
        ({"query": "q", "response": text}, "response", "empty-answer"),
        ({"query": text, "response": "a"}, "query", "turn-order"),
        ({"instruction": "q", "output": text}, "output", "empty-answer"),
        ({"instruction": text, "input": "", "output": "a"}, "instruction", "turn-order"),
        ({"messages": turns}, "messages[1].content", "empty-answer"),
        ({"prompt": "q", "completion": text}, "completion", "empty-answer"),
        ({"text": text}, "text", "empty-answer"),
        (
            {"query": "q", "response": "a", "history": [["q", text]]},
            "history[0][1]",
            "empty-answer",
        ),
        ({"query": "q", "response": "a", "history": [[text, "a"]]}, "history[0][0]", "turn-order"),
    ]


@pytest.mark.parametrize("text", UNSEEN, ids=ascii)
def test_a_text_that_shows_nothing_is_empty(text: str) -> None:
    for row, field, kind in held(text):
        fault = to_example(Row(Origin("f", 1), row), "f")
        assert isinstance(fault, Fault), row
        assert (fault.kind, fault.field) == (kind, field) and fault.hint
        named = f"U+{ord(text.strip()[0]):04X}" if text.strip() else "field"
        assert not text.strip() or (named in fault.hint.en and named in fault.hint.zh)


@pytest.mark.parametrize("text", SEEN, ids=ascii)
def test_a_text_that_shows_something_is_none(text: str) -> None:
    for row, _, _ in held(text):
        made = to_example(Row(Origin("f", 1), row), "f")
        assert isinstance(made, Example), (row, made)
        assert text in [message.content for message in made.messages]


@pytest.mark.parametrize(
    ("turn", "field", "found"),
    [
        ({"role": "assistant", "content": None}, "messages[1].content", "null (no value)"),
        ({"role": "assistant", "value": None}, "messages[1].value", "null (no value)"),
        ({"from": "gpt", "value": None}, "messages[1].value", "null (no value)"),
        ({"from": "gpt"}, "messages[1].value", "nothing: it is not there"),
        ({"role": "assistant"}, "messages[1].content", "nothing: it is not there"),
        ({"role": "assistant", "content": 3}, "messages[1].content", "3 (number)"),
    ],
)
def test_a_turn_without_content_is_told_by_the_name_that_it_has(
    turn: dict[str, Any], field: str, found: str
) -> None:
    row = {"messages": [{"role": "user", "content": "q"}, turn]}
    told = fault(row)
    assert (told.kind, told.field, fact(told.found)) == ("wrong-type", field, found)
    if turn.get("content", 0) is None:
        hint = fault({"messages": [row["messages"][0], {**turn, "refusal": "I cannot."}]}).hint
        assert hint and "`refusal`" in hint.en and "`refusal`" in hint.zh


@pytest.mark.parametrize(("weight", "bare"), [("0", "0"), ("1.5", "1.5"), ("x", ""), ("-1", "")])
def test_a_weight_that_is_text_is_said_to_be_text(weight: str, bare: str) -> None:
    turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]
    told = fault({"messages": [turns[0], {**turns[1], "weight": weight}]})
    assert told.kind == "wrong-type" and told.hint and isinstance(told.found, Text)
    assert told.found == Text(f'"{weight}" (text)', f'"{weight}"（文本）')
    for hint in (told.hint.en, told.hint.zh):
        assert (f'`"weight": {bare}`' in hint) is bool(bare)


@pytest.mark.parametrize(
    ("row", "names"),
    [
        ({"query": "q", "response": "a", "train": False}, "`train`"),
        ({"query": "q", "response": "a", "weight": "0"}, "`weight`"),
        ({"text": "some text", "loss_mask": 0}, "`loss_mask`"),
        (
            {"messages": [{"role": "user", "content": "q"},
                          {"role": "assistant", "content": "a", "loss": False}]}, "`loss`",
        ),
        (
            [{"role": "user", "content": "q"},
             {"role": "assistant", "content": "a", "weight": 0}], "`weight`",
        ),
    ],
)  # fmt: skip
def test_a_row_that_is_marked_as_not_to_be_learned_is_told_by_its_mark(
    row: Any, names: str
) -> None:
    told = unlearned(row, example(row))
    assert told and isinstance(told.found, Text)
    assert names in told.found.en and names in told.found.zh
    [finding] = judge(told)
    for text in (finding.what.en, finding.what.zh):
        assert names in text and "no answer to" not in text and "weight 0" not in text
    assert (
        unlearned(
            {"query": "q", "response": "a", "train": True},
            example({"query": "q", "response": "a", "train": True}),
        )
        is None
    )


@pytest.mark.parametrize("value", [{"city": 'Li"ma'}, [{"n": 1}], ["a", "b"]])
def test_json_in_the_place_of_a_text_is_advised_to_be_written_as_text(value: Any) -> None:
    found = fault({"query": "q", "response": value})
    assert found.hint is not None
    for sentence in (found.hint.en, found.hint.zh):
        shown, name = sentence.split("`")[1::2]
        assert name == "json.dumps"
        row = json.loads("{" + shown + "}")
        assert json.loads(row["response"]) == value
        made = example({"query": "q", **row})
        assert made.messages[-1].content == row["response"]
