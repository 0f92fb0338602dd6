"""Fields that no shape reads, marks of what is learned, calls and tools as anybody writes them."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import orjson
import pytest

from conftest import as_json, codes, within, write_rows
from suretune.data.examples import to_example
from suretune.data.fields import Fields
from suretune.data.ignored import without
from suretune.types import Example, Fault, Origin, Row

HERE = Origin("rows.jsonl", 7)
PAIR = {"query": "How far is the moon from here?", "response": "Some 384,400 kilometres."}
CALL = {"name": "clock", "arguments": {"city": "Lima"}}
FUNCTION = {"type": "function", "function": CALL}
TOOL = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object"}}}
CHECK = ("check", "--model", "pocket", "--split_dataset_ratio", 0, "--json", "--dataset")


def read(value: Any) -> Example | Fault:
    return to_example(Row(HERE, value), "set")


def example(value: Any) -> Example:
    result = read(value)
    assert isinstance(result, Example), result
    return result


def fault(value: Any) -> Fault:
    result = read(value)
    assert isinstance(result, Fault), result
    assert result.hint is not None and result.hint.en and result.hint.zh
    return result


def talk(**answer: Any) -> dict[str, Any]:
    turns = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a", **answer}]
    return {"messages": turns}


# --- marks of what is learned -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mark", "weight"),
    [
        ({"weight": 0}, 0.0),
        ({"trainable": False}, 0.0),
        ({"train": False}, 0.0),
        ({"training": False}, 0.0),
        ({"train_on_turn": False}, 0.0),
        ({"trainOnTurn": False}, 0.0),
        ({"loss": False}, 0.0),
        ({"loss_mask": 0}, 0.0),
        ({"loss_mask": 1}, 1.0),
        ({"lossMask": 0}, 0.0),
        ({"learn": False}, 0.0),
        ({"learn": "no"}, 0.0),
        ({"trainable": "false"}, 0.0),
        ({"masked": True}, 0.0),
        ({"masked": False}, 1.0),
        ({"ignore_loss": True}, 0.0),
        ({"loss_scale": 2.5}, 2.5),
        ({"weight": 1, "trainable": False}, 0.0),
        ({"weight": 0.5, "loss": True}, 0.5),
        ({"loss_mask": None, "weight": None}, 1.0),
        ({"id": "x", "timestamp": 3, "model_name": "m", "num_tokens": 4}, 1.0),
    ],
)
def test_what_any_tool_calls_not_to_be_learned_is_weight_zero(
    mark: dict[str, Any], weight: float
) -> None:
    assert example(talk(**mark)).messages[1].weight == weight
    pairs = [{"human": "q", "assistant": "a", **mark}]
    assert example({"conversations": pairs}).messages[1].weight == weight
    pairs = [{"input": "q", "output": "a", **mark}]
    assert example({"conversation": pairs}).messages[1].weight == weight


@pytest.mark.parametrize(
    ("mark", "weight"),
    [({"weight": 0.5}, 0.5), ({"train": False}, 0.0), ({"loss": 0.37}, 1.0), ({"train": "x"}, 1.0),
     ({"trainable": True}, 1.0), ({"loss_mask": 0}, 0.0)],
)  # fmt: skip
def test_a_mark_of_a_row_counts_for_its_answers(mark: dict[str, Any], weight: float) -> None:
    for row in ({**PAIR, **mark}, {**talk(), **mark}, {"text": "t", **mark}):
        assert example(row).messages[-1].weight == weight


@pytest.mark.parametrize(
    ("mark", "kind"),
    [
        ({"mask": True}, "unknown-field"),
        ({"skip": True}, "unknown-field"),
        ({"do_not_use": 1}, "unknown-field"),
        ({"note": "This one is wrong."}, "unknown-field"),
        ({"label": False}, "unknown-field"),
        ({"train_detail": [{"begin_offset": 0, "end_offset": 1, "train": False}]}, "unknown-field"),
        ({"loss_mask": [0, 1]}, "wrong-type"),
        ({"trainable": "perhaps"}, "wrong-type"),
        ({"masked": 0.5}, "wrong-type"),
        ({"images": ["a.png"]}, "wrong-type"),
        ({"reasoning": "x", "thinking": "y"}, "unknown-field"),
        ({"value": "another answer"}, "unknown-field"),
        ({"value": "\u202e"}, "unknown-field"),
        ({"from": "system"}, "unknown-field"),
    ],
)
def test_a_key_of_a_turn_that_nobody_knows_is_refused_by_name(
    mark: dict[str, Any], kind: str
) -> None:
    found = fault(talk(**mark))
    key = next(iter(mark))
    assert (found.kind, found.origin) == (kind, HERE)
    assert found.field == f"messages[1].{key}"
    if kind == "unknown-field":
        assert found.hint is not None and f"--ignore_fields {key}" in found.hint.en
        left = without(talk(**mark), frozenset((key,)), gone := set())
        assert (gone, example(left).messages[1].content) == ({key}, "a")


def test_of_two_names_of_one_thing_only_one_may_speak() -> None:
    for same in ({"value": "a"}, {"value": ""}, {"from": "gpt"}, {"from": "Ada"}, {"value": "a "}):
        assert example(talk(**same)).messages[1].content == "a"
    call = {"name": "look", "arguments": "{}"}
    assert example(talk(content="", function_call=call, **{"from": "function_call"}))
    empty = [{"type": "text", "text": "", "thinking": None}, {"type": "text", "text": "b"}]
    assert example(talk(content=empty)).messages[1].content == "b"
    assert example(talk(content="", value="said here")).messages[1].content == "said here"
    parts = [{"type": "text", "text": "a", "value": "b"}]
    found = fault(talk(content=parts))
    assert (found.kind, found.field) == ("unknown-field", "messages[1].content[0].value")
    left = without(talk(content=parts), frozenset(("value",)), gone := set())
    assert (gone, example(left).messages[1].content) == ({"value"}, "a")


def test_books_of_a_part_are_told_and_those_of_a_call_are_none() -> None:
    parts = [{"type": "text", "text": "a", "label": "greeting"}]
    call = {"type": "tool_use", "id": "c1", "name": "look", "input": {}}
    for content, told in ((parts, ["messages[].content[].label"]), ([*parts[:0], call], [])):
        row = talk(content=content)
        seen = Fields()
        seen.see(row, example(row))
        assert [about.name for about, _ in seen.facts("d")] == told


def test_books_of_an_instance_are_told_as_those_of_a_turn() -> None:
    note = "A long remark that somebody wrote about it, and that nobody would ever read. " * 3
    one = {"input": "1 and 1", "output": "two", "conversation": note}
    row = {"instruction": "Add.", "instances": [one]}
    for value in (row, {**row, "instances": json.dumps([one])}):
        seen = Fields()
        seen.see(value, example(value))
        [(about, stops)] = seen.facts("d")
        assert (about.name, stops) == ("instances[].conversation", True)
    left = without(row, frozenset(("conversation",)), gone := set())
    assert gone == {"conversation"} and example(left).messages[1].content == "two"


@pytest.mark.parametrize("row", [{"loss_mask": [0, 1]}, {"images": ["a.png"]}, {"video": "a.mp4"}])
def test_a_row_is_refused_by_the_name_of_what_cannot_be_read(row: dict[str, Any]) -> None:
    found = fault({**PAIR, **row})
    assert (found.kind, found.field) == ("wrong-type", next(iter(row)))


@pytest.mark.parametrize(
    ("mark", "kept"),
    [
        ({"is_correct": False}, {"is_correct": True}),
        ({"is_correct": 0}, {"is_correct": 1}),
        ({"isCorrect": "False"}, {"isCorrect": "True"}),
        ({"desirable": False}, {"desirable": True}),
        ({"kto_label": False}, {"kto_label": True}),
        ({"completion_label": False}, {"completion_label": None}),
        ({"deleted": True}, {"deleted": False}),
        ({"is_deleted": "1"}, {"is_deleted": "0"}),
        ({"status": "discarded"}, {"status": "submitted"}),
        ({"review_status": "Rejected"}, {"review_status": "accepted"}),
        ({"审核状态": "未通过"}, {"审核状态": "通过"}),
        ({"审核状态": "驳回"}, {"审核状态": "待审核"}),
        ({"标注状态": "作废"}, {"标注状态": "完成"}),
    ],
)
def test_a_row_that_says_that_it_is_not_to_be_learned_is_refused(
    mark: dict[str, Any], kept: dict[str, Any]
) -> None:
    key = next(iter(mark))
    for row in (PAIR, talk(), {"text": "t"}):
        found = fault({**row, **mark})
        assert (found.kind, found.field, found.origin) == ("unknown-field", key, HERE)
        assert found.hint and f"`--ignore_fields {shlex.quote(key)}`" in found.hint.en
        assert example({**row, **kept}) == example(row)


@pytest.mark.parametrize(
    "about",
    [
        {"is_spam": 1},
        {"is_valid": False},
        {"correct": "No"},
        {"correct": False},
        {"accepted": False},
        {"approved": "no"},
        {"removed": 1, "added": 3},
        {"status": "rejected"},
        {"state": "deleted"},
        {"状态": "已作废"},
    ],
)
def test_what_a_question_is_about_says_nothing_of_its_row(about: dict[str, Any]) -> None:
    for row in (PAIR, talk(), {"text": "t"}):
        assert example({**row, **about}) == example(row)


@pytest.mark.parametrize(
    "mark", [{"mask_history": True}, {"only_last_turn_loss": 1}, {"weights": [0, 0, 0, 1]},
             {"weights": [0, 1]}],
)  # fmt: skip
def test_a_row_that_says_which_of_its_turns_are_learned_is_refused(mark: dict[str, Any]) -> None:
    row = {"messages": talk()["messages"] * 2}
    found = fault({**row, **mark})
    assert (found.kind, found.field) == ("unknown-field", next(iter(mark)))
    assert found.hint and '`"weight": 0`' in found.hint.en
    for same in ({"mask_history": False}, {"weights": [1, 1]}, {"weights": [0.2, 0.5, 0.3]}):
        assert example({**row, **same}) == example(row)
    for mark in ({"mask_history": True}, {"weights": [0, 1]}, {"weights": [1]}):
        assert example({**talk(), **mark}) == example(talk())


def test_rows_that_are_marked_as_wrong_can_be_left_out_or_learned(tmp_path: Path) -> None:
    rows = [{"query": f"{PAIR['query']} {n}", "response": f"{n}", "is_correct": n % 2 == 0}
            for n in range(6)]  # fmt: skip
    file = write_rows(tmp_path / "rows.jsonl", rows)
    assert within(*CHECK, file).returncode == 3
    for flags, count in ((("--on_bad_row", "skip"), 3), (("--ignore_fields", "is_correct"), 6)):
        done = within(*CHECK, file, *flags)
        assert done.returncode == 0 and as_json(done)["plan"]["rows"] == count


GRADED = [
    ("score", 0, 1),
    ("score", "0.0", "0.5"),
    ("reward", -1, 1),
    ("correct", False, True),
    ("grade", "Wrong", "correct"),
    ("model_verdict", "fail", "pass"),
    ("label", "False", "True"),
    ("是否正确", "否", "是"),
    ("评价", "错误", "基本正确，但不完整"),
    ("得分", "0", "1"),
    ("质检结果", "❌", "✅"),
]


def graded(name: str, wrong: Any, right: Any) -> list[dict[str, Any]]:
    return [{"query": f"{PAIR['query']} {n}", "response": f"{n} is it.", name: held}
            for n, held in enumerate((right, wrong, right, wrong, right, None))]  # fmt: skip


@pytest.mark.parametrize(("name", "wrong", "right"), GRADED)
def test_a_field_that_calls_some_answers_wrong_stops_until_it_is_said_what_it_means(
    tmp_path: Path, name: str, wrong: Any, right: Any
) -> None:
    rows = graded(name, wrong, right)
    if right == "基本正确，但不完整":
        rows[0][name] = "正确"
    file = write_rows(tmp_path / "rows.jsonl", rows)
    done = within(*CHECK, file)
    (told,) = [f for f in as_json(done)["findings"] if f["code"] == "D034"]
    assert done.returncode == 3 and "2 / 5" in told["what"]["en"] and ":2" in told["what"]["zh"]
    for lang in ("en", "zh"):
        ways = [shlex.split(way) for way in told["fix"][lang].split("`")[1::2]]
        for flags, count in zip(ways, (4, 6), strict=False):
            done = within(*CHECK, file, *flags)
            assert done.returncode == 0 and as_json(done)["plan"]["rows"] == count
            assert "D035" not in codes(done)  # of what is read, it would take the verdict away


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [("score", 0, 5), ("score", 0, 0), ("score", 0.2, 0.9), ("toxicity", 0, 1), ("grade", "A", "F"),
     ("label", "spam", "ham"), ("score", "", "1")],
)  # fmt: skip
def test_points_votes_and_classes_are_no_grades(name: str, one: Any, other: Any) -> None:
    assert not any(stops for _, stops in seen(*graded(name, one, other)).values())


def test_what_goes_with_a_few_answers_is_their_class() -> None:
    rows = [{"query": f"Is {n} even?", "response": ("No.", "Yes.")[n % 2], "label": n % 2}
            for n in range(8)]  # fmt: skip
    assert seen(*rows)["label"] == (0.0, False)


ABOUT = [  # (field, its value, the answer) by the number of the row
    ("label", lambda n: n % 2, lambda n: f"This is {('negative', 'positive')[n % 2]}: {n}."),
    ("score", lambda n: n % 3 - 1, lambda n: f"I call {n} {('bad', 'dull', 'great')[n % 3]}."),
    ("label", lambda n: n % 2, lambda n: f"It is {('not ', '')[n % 2]}relevant to {n}."),
    ("质检结果", lambda n: ("否", "是")[n % 2], lambda n: f"第{n}件{('不', '')[n % 2]}合格。"),
    ("rating", lambda n: n / 20 - 0.5, lambda n: f"Thanks for {n}."),
    ("score", lambda n: n / 20, lambda n: f"Thanks for {n}."),
]


@pytest.mark.parametrize(("name", "says", "answer"), ABOUT)
def test_what_the_answers_speak_of_is_no_grade_of_them(name: str, says: Any, answer: Any) -> None:
    rows = [{"query": f"{PAIR['query']} {n}", "response": answer(n), name: says(n)}
            for n in range(20)]  # fmt: skip
    assert seen(*rows)[name][1] is False


@pytest.mark.parametrize(
    ("name", "pairs"),
    [
        (
            "correct",
            [("False", "False. It is 1."), ("True", "True, as 2 is."), ("False", "False.")],
        ),
        ("判断", [("错误", "错误。应为 3。"), ("正确", "正确，见 4。"), ("正确", "这是正确的。")]),
        ("result", [(0, "5 - 5 = 0"), (1, "5 - 4 = 1"), (0, "It is 0.")]),
        ("label", [(0, "ham"), (1, "spam"), (0, "ham"), (1, "spam")]),
    ],
)
def test_what_few_answers_say_themselves_is_no_grade_of_them(name: str, pairs: Any) -> None:
    rows = [{"query": f"{PAIR['query']} {n}", "response": answer, name: held}
            for n, (held, answer) in enumerate(pairs)]  # fmt: skip
    assert seen(*rows)[name][1] is False


def test_the_number_of_what_was_chosen_is_no_grade() -> None:
    rows = []
    for n in range(8):
        two = [f"use {n}", f"take {n}"]
        asked = f"Which, {two[0]} or {two[1]}? {n}"
        rows.append({"query": asked, "choices": two, "response": two[n % 2], "label": n % 2})
    assert seen(*rows)["label"] == (0.0, False)


def test_answers_of_many_words_are_graded_like_those_of_any_other() -> None:
    rows = [{"query": f"{PAIR['query']} {n}", "response": f"The answer is {n * n % 7}.",
             "score": n % 3 // 2} for n in range(18)]  # fmt: skip
    rows = [{**row, "response": f"{row['response']} I took {n}."} for n, row in enumerate(rows)]
    assert seen(*rows)["score"][1] is True


def test_the_good_ones_of_answers_that_are_marked_good_or_bad_are_learned(tmp_path: Path) -> None:
    for name in ("label", "kto_tag"):
        rows = [{"prompt": f"{PAIR['query']} {n}", "completion": f"{n}", name: n % 3 > 0}
                for n in range(6)]  # fmt: skip
        file = write_rows(tmp_path / f"{name}.jsonl", rows)
        told = as_json(within(*CHECK, file))["findings"][0]
        assert told["code"] == "D024"
        ways = [shlex.split(way) for way in told["fix"]["zh"].split("`")[1::2]]
        for flags, count in zip(ways, (4, 6), strict=False):
            done = within(*CHECK, file, *flags)
            assert done.returncode == 0 and as_json(done)["plan"]["rows"] == count


# --- nulls --------------------------------------------------------------------------------------


def test_null_is_absent_everywhere() -> None:
    nulls = {"a": None, "b": {"type": None}}
    call = {"id": None, "type": "function",
            "function": {"name": "clock", "arguments": {"city": "Lima", **nulls}}}  # fmt: skip
    turns: list[Any] = [
        {"role": "system", "content": None, "tool_calls": None},
        {"from": None, "role": "user", "content": "q", "value": None, "loss": None, "odd": None},
        {"role": "assistant", "content": None, "tool_calls": [call, None]},
        {"role": "tool", "content": "t", "tool_calls": None, "reasoning_content": None},
        {"role": "assistant", "content": "a", "tool_calls": [], "weight": None},
    ]
    properties = {"city": {"type": "string", "enum": None}, **nulls}
    schema = {"type": "object", "properties": properties, "required": None}
    tool = {"name": "clock", "description": None, "parameters": schema}
    row = {"messages": turns, "tools": [None, tool], "images": None, "system": None, "odd": None}
    read = example(row)
    assert [m.role for m in read.messages] == ["user", "assistant", "tool", "assistant"]
    assert read.messages[1].extra == {"tool_calls": [FUNCTION]}
    city = {"city": {"type": "string"}}
    parameters = {"type": "object", "properties": city}
    assert read.tools == (
        {"type": "function", "function": {"name": "clock", "parameters": parameters}},
    )


@pytest.mark.parametrize("key", ["conten", "Content", "reasoning_content"])
def test_a_system_turn_that_speaks_under_another_key_is_no_absent_turn(key: str) -> None:
    turns = [{"role": "system", key: "Be brief."}, *talk()["messages"]]
    made = to_example(Row(Origin("f", 1), {"messages": turns}), "f")
    assert isinstance(made, Fault) and made.field.startswith("messages[0]")
    books = {"role": "system", "content": None, "id": 7, "name": "root", "weight": 0}
    assert [m.role for m in example({"messages": [books, *turns[1:]]}).messages] == [
        "user", "assistant",
    ]  # fmt: skip


def test_a_field_with_an_empty_key_is_told_and_no_flag_is_advised_that_cannot_name_it() -> None:
    for words, kind in ((2, "D035"), (30, "D034")):
        rows = [{"query": "How many sides has a hexagon?", "response": "It has six of them.",
                 "": "word " * words}]  # fmt: skip
        seen = Fields()
        for row in rows:
            seen.see(row, example(row))
        ((about, stops),) = seen.facts("f")
        assert about.name == "" and stops == (kind == "D034")
        faults = list(seen.faults("f"))
        assert len(faults) == stops
        if stops:
            assert "--ignore_fields" not in str(faults[0].hint) and "name" in str(faults[0].hint)


def test_what_is_meant_to_be_empty_stays() -> None:
    tool = {"name": "f", "parameters": {"type": "object", "properties": {}}}
    assert example({**talk(), "tools": [tool]}).tools[0]["function"] == tool
    call = {"name": "f", "arguments": {"a": None, "list": [None, 1], "none": {}}}
    read = example(talk(content="", tool_calls=[call])).messages[1].extra["tool_calls"]
    assert read[0]["function"]["arguments"] == {"list": [None, 1], "none": {}}


def test_a_null_in_arguments_written_as_text_was_meant() -> None:
    call = {"function": {"name": "f", "arguments": '{"a": null}'}}
    read = example(talk(content="", tool_calls=[call])).messages[1].extra["tool_calls"]
    assert read[0]["function"]["arguments"] == {"a": None}


def test_a_union_of_shapes_is_read_by_the_fields_that_are_filled() -> None:
    empty = dict.fromkeys(("instruction", "output", "messages", "prompt", "completion", "text"))
    assert example({**empty, **PAIR}).shape == "query-response"
    assert example({**empty, "query": None, **talk()}).shape == "messages"
    assert fault({"query": "q", "response": None, "text": "about it"}).field == "response"


def test_a_parquet_union_is_read_as_it_was_meant(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    def row(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        types = {key: {"type": "string"} for key in arguments}
        return {
            "messages": [
                {"role": "user", "content": name},
                {"role": "assistant", "tool_calls": [
                    {"type": "function", "function": {"name": name, "arguments": arguments}}]},
            ],
            "tools": [{"name": name, "parameters": {"type": "object", "properties": types}}],
        }  # fmt: skip

    rows = [row("weather", {"city": "Lyon"}), row("add", {"a": 2, "b": 3})]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "union.parquet")
    lines = write_rows(tmp_path / "rows.jsonl", rows)
    shown = [
        as_json(within(*CHECK, file, "--preview", 2))["plan"]["tokens"]
        for file in (tmp_path / "union.parquet", lines)
    ]
    assert shown[0] == shown[1]


# --- calls and tools ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        FUNCTION,
        CALL,
        {"function": {"name": "clock", "arguments": '{"city": "Lima"}'}},
        {"function": {"name": "clock", "arguments": json.dumps('{"city": "Lima"}')}},
        {"function": json.dumps(CALL)},
        json.dumps(FUNCTION),
        {"name": "clock", "parameters": {"city": "Lima"}},
        {"type": "function", "function": {"name": "clock", "args": {"city": "Lima"}}, "index": 0},
    ],
)
def test_a_call_is_read_however_it_is_written(call: Any) -> None:
    for calls in ([call], json.dumps([call])):
        turn = example(talk(content=None, tool_calls=calls)).messages[1]
        assert turn.extra == {"tool_calls": [FUNCTION]}


def test_calls_of_other_makers_are_read() -> None:
    part = {"type": "tool_use", "id": "1", "name": "clock", "input": {"city": "Lima"}}
    turn = example(talk(content=[{"type": "text", "text": "One moment."}, part])).messages[1]
    assert (turn.content, turn.extra["tool_calls"]) == ("One moment.", [{"id": "1", **FUNCTION}])
    older = {"name": "clock", "arguments": '{"city": "Lima"}'}
    turn = example(talk(content=None, function_call=older)).messages[1]
    assert turn.extra == {"tool_calls": [FUNCTION]}


@pytest.mark.parametrize(
    ("call", "field"),
    [
        ({"function": {"name": "f", "arguments": "city=Lima"}}, ".function.arguments"),
        ({"function": {"name": "f", "arguments": "[1]"}}, ".function.arguments"),
        ({"function": {"name": "f", "arguments": 3}}, ".function.arguments"),
        ({"function": {"arguments": {}}}, ".function.name"),
        ("clock()", ""),
        (7, ""),
    ],
)
def test_a_call_that_is_none_is_refused(call: Any, field: str) -> None:
    found = fault(talk(content="", tool_calls=[call]))
    assert (found.kind, found.field) == ("wrong-type", f"messages[1].tool_calls[0]{field}")


@pytest.mark.parametrize(
    ("call", "field"),
    [
        ({"function": {"name": "clock", "arguments": {"a": 1}}, "input": 7}, "input"),
        ({"function": {"name": "clock", "arguments": {"a": 1}}, "name": "dial"}, "name"),
        ({"name": "clock", "arguments": {"a": 1}, "parameters": {"a": 2}}, "function.parameters"),
        ({"name": "clock", "arguments": {"a": 2**70}}, "function.arguments"),
        ({"name": "clock", "arguments": f'{{"a": [{-(2**70)}]}}'}, "function.arguments"),
    ],
)
def test_what_a_call_says_twice_or_in_too_many_digits_is_refused(
    call: dict[str, Any], field: str
) -> None:
    """Read as it was, one of the two would be learned; the number as 1.18e+21."""
    found = fault(talk(content="", tool_calls=[orjson.loads(json.dumps(call))]))
    assert (found.kind, found.field) == ("wrong-type", f"messages[1].tool_calls[0].{field}")


def test_what_a_call_says_twice_alike_is_read() -> None:
    call = {**FUNCTION, "name": "clock", "arguments": json.dumps(CALL["arguments"])}
    turn = example(talk(content=None, tool_calls=[call])).messages[1]
    assert turn.extra == {"tool_calls": [FUNCTION]}


@pytest.mark.parametrize("value", [0, 7, True])
def test_an_older_call_that_is_none_is_refused(value: object) -> None:
    found = fault(talk(function_call=value))
    assert (found.kind, found.field) == ("wrong-type", "messages[1].function_call[0]")
    assert example(talk(function_call=False)) == example(talk())


@pytest.mark.parametrize("depth", [300, 1000, 1020])
def test_json_text_nested_without_end_is_no_call(depth: int) -> None:
    nested = '{"a":' * depth + "1" + "}" * depth
    call = {"function": {"name": "f", "arguments": nested}}
    assert fault(talk(content="", tool_calls=[call])).kind == "wrong-type"
    assert fault({**talk(), "tools": [nested]}).kind == "wrong-type"


def test_a_result_inside_a_call_is_not_passed_over() -> None:
    found = fault(talk(content="", tool_calls=[{**CALL, "result": "Half past nine"}]))
    assert (found.kind, found.field) == ("unknown-field", "messages[1].tool_calls[0].result")


@pytest.mark.parametrize(
    "tools",
    [
        [TOOL],
        [TOOL["function"]],
        [json.dumps(TOOL)],
        json.dumps([TOOL]),
        json.dumps([json.dumps(TOOL)]),
        TOOL,
        [{"type": "function", **TOOL["function"]}],
        [{"type": "function", "function": json.dumps(TOOL["function"])}],
        [{"name": "clock", "parameters": '{"type": "object"}'}],
    ],
)
def test_a_tool_is_read_however_it_is_written(tools: Any) -> None:
    assert example({**talk(), "tools": tools}).tools == (TOOL,)
    assert example({**talk(), "functions": tools}).tools == (TOOL,)


@pytest.mark.parametrize(
    "tool",
    ["clock", "3", 3, [], {"function": {"parameters": {}}}, {"name": "f", "parameters": "x"}],
)
def test_a_tool_that_is_none_is_refused(tool: Any) -> None:
    found = fault({**talk(), "tools": [tool]})
    assert found.kind == "wrong-type" and found.field.startswith("tools[0]")


# --- fields that are not used -------------------------------------------------------------------


def seen(*rows: dict[str, Any]) -> dict[str, tuple[float, bool]]:
    """name -> (share of the text, whether it stops the run)."""
    fields = Fields()
    for row in rows:
        fields.see(row, example(row))
    return {about.name: (round(about.share, 3), stops) for about, stops in fields.facts("set")}


def test_what_keeps_books_is_told_and_never_stops() -> None:
    row = {
        **PAIR, "id": "0b8c7c52-5f3a-4f0e-9d2a-3a1f0e9b7c52", "source": "a forum about the sky",
        "category": "space", "lang": "en", "score": 4.5, "created_at": "2024-01-05 10:00:00",
        "url": "https://example.org/moon", "metadata": {"by": "someone who looked up"},
        "checked": True, "embedding": [0.1, 0.2],
    }  # fmt: skip
    found = seen(row)
    assert set(found) == set(row) - set(PAIR)
    assert not any(stops for _, stops in found.values())
    assert found["score"] == (0.0, False)


@pytest.mark.parametrize("name", ["notes", "thesis", "source", "antecedents", "Complex_CoT"])
def test_a_fifth_of_the_text_stops_whatever_it_is_called(name: str) -> None:
    told = "The moon was once much nearer, and every year it goes a little farther away. " * 2
    assert seen({**PAIR, name: told})[name][1]
    assert not seen({**PAIR, "response": told.upper() * 9, name: told})[name][1]


def test_the_share_is_that_of_the_whole_file() -> None:
    rows = [{**PAIR, "notes": ""}] * 30 + [{**PAIR, "notes": "As far as anybody knows today."}]
    assert seen(*rows) == {"notes": (0.018, False)}


def test_few_short_texts_over_and_over_sort_the_rows() -> None:
    rows = [{**PAIR, "kreis": ("far away things", "near to us")[i % 2]} for i in range(12)]
    assert seen(*rows)["kreis"][1] is False
    rows = [{**PAIR, "kreis": f"it is thing number {i}"} for i in range(12)]
    assert seen(*rows)["kreis"][1] is True


def test_keys_of_turns_that_keep_books_are_told() -> None:
    row = talk(id="x1", timestamp=3)
    row["messages"][0]["loss_mask"] = 1
    assert set(seen(row)) == {"messages[].id", "messages[].timestamp", "messages[].loss_mask"}


def test_what_a_shape_does_not_read_is_not_used() -> None:
    text = "Be brief, and say where you have it from."
    assert seen({"text": "t", "system": text}) == {"system": (0.976, True)}
    assert seen({**talk(), "history": [["How far?", "Very far away."]]})["history"][1]


WORDS = ["crimson", "turquoise", "vermilion", "aubergine"]
LETTERS = dict(zip("ABCD", ("蓝湖很深", "红湖很浅", "黑湖很大", "长湖很小"), strict=True))


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"choices": WORDS}, "choices"),
        ({"options": dict(zip("ABCD", WORDS, strict=True))}, "options"),
        (LETTERS, "A,B,C,D"),
        ({f"option{name}": text for name, text in LETTERS.items()},
         "optionA,optionB,optionC,optionD"),
        ({"opa": "Blue", "opb": "Red"}, "opa,opb"),
        ({"选项": "A. 蓝湖 B. 红湖"}, "选项"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("answer", ["B", "(B)", "答案：B", "B, C", "1"])
def test_what_can_be_chosen_is_no_label_where_the_answer_only_names_it(
    options: dict[str, Any], names: str, answer: str
) -> None:
    fields = Fields()
    question = "Which one of these colours is it that nobody has ever seen in the sky? " * 9
    row = {"question": question, **options, "answer": answer}
    fields.see(row, example(row))
    (found,) = fields.faults("set")
    assert found.kind == "unknown-field" and found.field == names.replace(",", ", ")
    assert found.hint and f"`--ignore_fields {shlex.quote(names)}`" in found.hint.en
    named = {**row, "answer": "One that is seen only by night, and by few people."}
    fields = Fields()
    fields.see(named, example(named))
    assert not list(fields.faults("set"))


def test_options_that_the_question_names_already_are_no_loss() -> None:
    question = "Which? " + " ".join(f"{name}. {text}" for name, text in LETTERS.items())
    for options in (LETTERS, {"choices": list(LETTERS.values())}, {"options": LETTERS}):
        assert seen({"question": question, **options, "answer": "B"}) == {}


@pytest.mark.parametrize(
    "options",
    [["red", "blue"], ["A) red", "B) blue"], '["red", "blue"]', "['red', 'blue']",
     "A. red\nB. blue", "(A) red (B) blue", {"A": "A. red", "B": "B. blue"}],
)  # fmt: skip
def test_options_are_the_same_however_they_are_written(options: Any) -> None:
    row = {"question": "Colour? A. red B. blue", "options": options, "answer": "B"}
    assert seen(row) == {}
    assert seen({**row, "question": "Colour? A. red B. green"})["options"][1]


def test_a_number_picks_nothing_where_there_are_fewer_choices() -> None:
    row = {"question": "How many lakes are in the north? " * 9, "answer": "3"}
    few, more = ["Anna", "Bob"], ["Anna", "Bob", "Eve"]
    for names, stops in ((few, False), (more, True)):
        for held in (names, json.dumps(names)):
            assert seen({**row, "candidates": held})["candidates"][1] is stops
        letters = dict(zip("ABC", names, strict=False))
        assert {told for _, told in seen({**row, **letters}).values()} == {stops}
    assert not seen({**row, "alternatives": "none given"})["alternatives"][1]


def test_options_in_words_can_be_asked_behind_the_question(tmp_path: Path) -> None:
    rows = [{"question": f"Which, {n}?", "options": "A. red\nB. blue", "answer": "B"} for n in "xy"]
    file = write_rows(tmp_path / "rows.jsonl", rows)
    (told,) = [f for f in as_json(within(*CHECK, file))["findings"] if f["code"] == "D034"]
    assert "`--columns options=context`" in told["fix"]["en"]
    row = {"question": "Which, x?", "context": "A. red\nB. blue", "answer": "B"}
    assert example(row).messages[0].content == "Which, x?\nA. red\nB. blue"
    assert within(*CHECK, file, "--columns", "options=context").returncode == 0


def test_a_single_letter_beside_a_question_is_no_option() -> None:
    assert seen({**PAIR, "B": "x"}) == {"B": (0.018, False)}


def test_what_counts_is_the_share_of_all_that_is_left_out() -> None:
    notes = {f"note{n}": f"As far as anybody knows to{n}." for n in range(3)}
    row = {"query": PAIR["query"], "response": PAIR["response"] * 10, **notes}
    found = seen(row)
    assert all(0.05 < share < 0.2 and stops for share, stops in found.values())
    fields = Fields()
    fields.see(row, example(row))
    (told,) = fields.faults("set")
    assert told.hint and "`--ignore_fields note0,note1,note2`" in told.hint.en
    del row["note1"]
    assert not any(stops for _, stops in seen(row).values())


@pytest.mark.parametrize("name", ["System_Prompt", "systemPrompt", "System Prompt"])
def test_a_system_prompt_is_read_however_its_name_is_spelt(name: str) -> None:
    row = {name: "You are kind.", **PAIR}
    assert [m.role for m in example(row).messages] == ["system", "user", "assistant"]
    assert seen(row) == {}
    assert example({**talk(), name: "You are kind."}).messages[0].role == "system"
    two = {**row, "system": "You are old."}
    assert example(two).messages[0].content == "You are old." and seen(two)[name][1]


@pytest.mark.parametrize("name", ["System", "SYSTEM"])
@pytest.mark.parametrize("held", ["You are kind.", "Windows 11 Pro", "你是客服小美"])
def test_a_system_in_capitals_may_be_a_computers_and_is_asked_about(name: str, held: str) -> None:
    row = {name: held, **PAIR}
    assert example(row) == example(PAIR)
    assert [stops for _, stops in seen(row).values()] == [True]
    assert seen({**PAIR, name: "Linux"}) == {name: (0.085, False)}


@pytest.mark.parametrize("name", ["系统提示词", "system_instruction", "meta_instruction"])
def test_what_is_a_system_prompt_by_its_name_is_not_passed_over(tmp_path: Path, name: str) -> None:
    rows = [{name: "你是医生。", "query": f"{PAIR['query']} {n}" * 9, "response": f"{n}"}
            for n in range(6)]  # fmt: skip
    file = write_rows(tmp_path / "rows.jsonl", rows)
    (told,) = [f for f in as_json(within(*CHECK, file))["findings"] if f["code"] == "D034"]
    flag = f"{name}=system"
    assert f"`--columns {shlex.quote(flag)}`" in told["fix"]["en"]
    assert within(*CHECK, file, "--columns", flag).returncode == 0
    assert within(*CHECK, file, "--ignore_fields", name).returncode == 0


# --- on the command line ------------------------------------------------------------------------


def test_a_field_with_much_of_the_text_stops_until_it_is_said_that_it_is_meant(
    tmp_path: Path,
) -> None:
    rows = [{**PAIR, "id": i, "notes": f"Measured with a laser in the year {1900 + i}."}
            for i in range(4)]  # fmt: skip
    file = write_rows(tmp_path / "rows.jsonl", rows)
    done = within(*CHECK, file)
    assert done.returncode == 3 and "D034" in codes(done)
    (told,) = [f for f in as_json(done)["findings"] if f["code"] == "D034"]
    assert "`notes`" in told["what"]["en"] and "%" in told["what"]["en"]
    assert told["where"] == str(file) and f"{file}:1: Measured" in told["what"]["en"]
    assert within(*CHECK, file, "--on_bad_row", "skip").returncode == 3
    assert "`--ignore_fields notes`" in told["fix"]["en"]
    done = within(*CHECK, file, "--ignore_fields", "notes")
    assert done.returncode == 0 and "D034" not in codes(done)
    (told,) = [f for f in as_json(done)["findings"] if f["code"] == "D035"]
    assert "`id`" in told["what"]["en"] and not told["stops"]
    done = within(*CHECK, file, "--ignore_fields", "notes,id")
    assert done.returncode == 0 and "D035" not in codes(done)


@pytest.mark.parametrize("field", ["input", "context", "system"])
def test_a_field_that_says_that_it_holds_nothing_is_told_with_its_rows(
    tmp_path: Path, field: str
) -> None:
    said = ["nan", "<noinput>", "nan", "NaN", "12 m", "None", "None", " None", "null", "null"]
    rows = [{"instruction": f"How deep is lake {n}?", field: held, "output": "Very."}
            for n, held in enumerate(said)]  # fmt: skip
    done = within(*CHECK, write_rows(tmp_path / "rows.jsonl", rows))
    (told,) = [f for f in as_json(done)["findings"] if f["code"] == "D035"]
    for lang in ("en", "zh"):
        assert f"`{field}` 2 × `nan`" in told["what"][lang]
        assert f"`{field}` 1 × `<noinput>`" in told["what"][lang]
        assert f"`{field}` 3 × `None`" in told["what"][lang] and "null" not in told["what"][lang]
        assert "--ignore_fields" not in told["fix"][lang]  # that leaves out `12 m` as well


def test_a_field_that_is_not_read_says_no_such_word_to_the_model() -> None:
    rows = [{**talk(), "input": "nan", "context": "None"} for _ in range(3)]
    told = seen(*rows)
    assert told.keys() == {"input", "context"} and all(share > 0 for share, _ in told.values())


def test_a_question_of_that_word_is_asked() -> None:
    assert seen({"input": "nan", "output": "Not a number."}) == {}


@pytest.mark.parametrize("flag", ["--val_dataset", "--general"])
def test_a_field_of_rows_that_are_only_asked_is_told_as_well(tmp_path: Path, flag: str) -> None:
    row = {"prompt": "Which planet is the largest?", "answer": "Jupiter is.", "persona": "a clerk"}
    asked = write_rows(tmp_path / "asked.jsonl", [{**row, "keywords": ["Jupiter"]}] * 3)
    learned = write_rows(tmp_path / "rows.jsonl", [talk() for _ in range(4)])
    check = "check", "--model", "pocket", "--json", "--dataset", learned, flag, asked
    done = within(*check)
    (told,) = [f for f in as_json(done)["findings"] if f["code"] == "D035"]
    assert "`persona`" in told["what"]["en"] and "`keywords`" in told["what"]["en"]
    done = within(*check, "--ignore_fields", "persona,keywords")
    assert {"D035", "C004"}.isdisjoint(codes(done))


@pytest.mark.parametrize(("words", "code"), [(0, "D035"), (40, "D034")])
def test_a_field_is_left_out_by_the_name_that_it_has(tmp_path: Path, words: int, code: str) -> None:
    more = {name: f"{'word ' * words}" for name in ("v1.2", "question.1", "a, b")}
    row = talk(id="x1")
    rows = [{**row, **{name: f"{text} {n}" for name, text in more.items()}} for n in range(3)]
    rows[0]["messages"][0]["content"] = "How far is it from here to the moon, to the nearest mile?"
    file = write_rows(tmp_path / "rows.jsonl", rows)
    told = [f["fix"]["en"] for f in as_json(within(*CHECK, file))["findings"] if f["code"] == code]
    flags = shlex.split(next(part for part in told[0].split("`") if part.startswith("--")))
    assert {"v1.2", "question.1"} <= set(flags[1].split(","))
    done = within(*CHECK, file, *flags)
    assert done.returncode == 0 and "D034" not in codes(done)


def test_a_name_that_no_row_has_is_no_reason_to_ignore(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "rows.jsonl", [PAIR] * 4)
    done = within(*CHECK, file, "--ignore_fields", "note")
    assert done.returncode == 2 and "C004" in codes(done)


def test_what_a_template_rewrites_is_told_from_the_cache_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from conftest import shared
    from suretune.data import cache

    template = shared("chat_templates") / "Qwen-Qwen3-0.6B.jinja"
    rows = [{"query": f"Where is {i}?", "response": f"It is at {i}. " * 300} for i in range(20)]
    file = write_rows(tmp_path / "rows.jsonl", rows)
    assert file.stat().st_size < cache.WORTH  # as few are not kept
    monkeypatch.setattr(cache, "WORTH", file.stat().st_size)
    words = (*CHECK, file, "--chat_template", template, "--max_length", 4096)
    home = str(tmp_path / "cache")
    for think in ("empty", "keep"):  # whose ids differ: neither is taken for the other's
        first, again = (within(*words, "--think", think, XDG_CACHE_HOME=home) for _ in range(2))
        assert as_json(first)["data"]["from_cache"] == 0
        assert as_json(again)["data"]["from_cache"] == 20
        assert as_json(first)["findings"] == as_json(again)["findings"]
        assert ("P006" in codes(first)) is (think == "empty") and "P010" in codes(first)


def test_a_field_that_says_the_same_once_more_is_no_loss() -> None:
    question, answer = PAIR["query"], PAIR["response"]
    whole = f"Below is a question.\n\n### Question:\n{question}\n\n### Response:\n{answer}"
    assert seen({**PAIR, "text": whole}) == {}
    alpaca = {"instruction": "Add them.", "input": "2 and 3, and 4", "output": "That makes 9."}
    text = "Below is an instruction.\n\n{instruction}\n\n{input}\n\n{output}".format(**alpaca)
    assert seen({**alpaca, "text": text}) == {}
    turn = {"role": "assistant", "content": answer, "markdown_text": answer}
    row = {"messages": [{"role": "user", "content": question}, turn]}
    assert seen({**row, "prompt": question, "completion": answer}) == {}
    assert seen({**row, "first_words": question + " And the sun?"})["first_words"][1]


RENDERED = "<|im_start|>user\nQ{0}<|im_end|>\n<|im_start|>assistant\nA{0}<|im_end|>\n"


def test_a_mark_of_a_row_stays_with_text_that_is_read_back() -> None:
    """Of rendered text every answer is weighed, as every turn of a conversation is."""
    text = "".join(map(RENDERED.format, range(3)))
    for weight in (3, 0.5):
        made = example({"text": text, "weight": weight})
        learned = [m.weight for m in made.messages if m.role == "assistant"]
        assert learned == [float(weight)] * 3 and made.rendered
    spared = example({"text": text, "train": False})
    assert {m.weight for m in spared.messages if m.role == "assistant"} == {0.0}


def test_text_that_is_read_back_is_used_however_many_turns_it_has(tmp_path: Path) -> None:
    rows = [{"text": "".join(RENDERED.format(f" {n} {k}") for k in range(20))} for n in range(4)]
    done = within(*CHECK, write_rows(tmp_path / "a.jsonl", rows))
    assert done.returncode == 0 and {"D034", "D035"}.isdisjoint(codes(done))


@pytest.mark.parametrize(
    ("turn", "name"),
    [
        ({"content": [{"type": "text", "text": "a", "cache_point": {"at": 1}}]}, "cache_point"),
        ({"content": "", "tool_calls": [{**FUNCTION, "remark": "from the log"}]}, "remark"),
        ({"content": "", "tool_calls": [{"function": {**CALL, "remark": "x"}}]}, "remark"),
    ],
)  # fmt: skip
def test_what_is_advised_reaches_parts_and_calls(turn: dict[str, Any], name: str) -> None:
    told = fault(talk(**turn))
    assert (
        told.kind == "unknown-field" and told.hint and f"`--ignore_fields {name}`" in told.hint.en
    )
    gone: set[str] = set()
    example(without(talk(**turn), frozenset({name}), gone))
    assert gone == {name}


def test_what_a_call_is_given_is_never_left_out() -> None:
    turn = {"content": "", "tool_calls": [{"function": {"name": "f", "arguments": {"note": "x"}}}]}
    gone: set[str] = set()
    made = example(without(talk(**turn), frozenset({"note"}), gone))
    assert made.messages[1].extra["tool_calls"][0]["function"]["arguments"] == {"note": "x"}
    assert not gone


@pytest.mark.parametrize(("cell", "weight"), [("0", 0.0), ("1", 1.0), ("0.5", 0.5), ("2", 2.0)])
def test_a_weight_in_a_table_is_the_number_that_it_reads(cell: str, weight: float) -> None:
    assert example({**PAIR, "weight": cell}).messages[-1].weight == weight


def test_a_thought_under_two_names_is_thought_once() -> None:
    said = {"type": "thinking", "thinking": "Hm."}
    made = example(talk(reasoning_content="Hm.", content=[said, {"type": "text", "text": "a"}]))
    assert made.messages[1].extra["reasoning_content"] == "Hm."


@pytest.mark.parametrize("name", ["user", "human", "title"])
def test_an_answer_beside_its_question_is_no_plain_text(name: str) -> None:
    told = fault({name: "How do I reset my password?", "response": "Click on forgot."})
    assert told.kind == "unknown-shape" and told.hint
    assert f"--columns {name}=query" in told.hint.en
    for label in ("wiki", "https://example.org/a"):
        assert example({"source": label, "response": "Once upon a time."}).shape == "text"


# --- keys beside those that are read -------------------------------------------------------------


@pytest.mark.parametrize("key", ["content", "value", "comment"])
def test_a_key_beside_a_pair_of_turns_is_refused_whatever_it_is_called(key: str) -> None:
    pair = {"human": "q", "assistant": "a", key: "Something else that was said."}
    made = to_example(Row(Origin("f", 1), {"conversation": [pair]}), "f")
    assert isinstance(made, Fault) and made.field == f"conversation[0].{key}"
    turns = [{"input": "q", "output": "a", key: "Something else."}]
    assert isinstance(to_example(Row(Origin("f", 1), {"conversation": turns}), "f"), Fault)


def test_a_copy_of_what_a_turn_says_is_no_loss() -> None:
    turns = [{"role": "user", "content": "q", "raw": "q"}, {"role": "assistant", "content": "a"}]
    assert [m.content for m in example({"messages": turns}).messages] == ["q", "a"]


@pytest.mark.parametrize("key", [" input", "Input", "context", "notes"])
def test_a_key_of_an_instance_that_nobody_reads_is_refused(key: str) -> None:
    row = {"instruction": "q", "instances": [{key: "about this", "output": "a"}]}
    made = to_example(Row(Origin("f", 1), row), "f")
    assert isinstance(made, Fault) and made.field == f"instances[0].{key}"


def test_books_that_are_kept_of_calls_are_told_and_can_be_left_out() -> None:
    call = {"id": "c", "created_at": "2024", "function": {"name": "f", "arguments": {"x": 1},
                                                           "model_name": "m"}}  # fmt: skip
    row = talk(content="", tool_calls=[call])
    seen = Fields()
    seen.see(row, example(row))
    names = [about.name for about, stops in seen.facts("f") if not stops]
    assert names == ["messages[].tool_calls[].created_at", "messages[].tool_calls[].model_name"]
    less = without(row, frozenset(("created_at", "model_name")), set())
    seen = Fields()
    seen.see(less, example(less))
    assert not seen.unused


def test_a_field_of_two_datasets_is_told_once(tmp_path: Path) -> None:
    rows = [{"query": f"Sort {n} 1", "response": f"1 {n}", "id": f"a-{n}"} for n in range(9)]
    file = write_rows(tmp_path / "rows.jsonl", rows)
    other = [{**row, "id": f"of-{n}"} for n, row in enumerate(rows)]
    more = write_rows(tmp_path / "more.jsonl", other)
    done = within(*CHECK, file, more, f"{file}#4", "--repeat", "true")
    (told,) = [f for f in as_json(done)["findings"] if f["code"] == "D035"]
    assert told["what"]["en"].count("`id` ") == 1
