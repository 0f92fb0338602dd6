"""What a finding advises works: obeyed, the finding is gone and the rows are read as meant.

The flags are taken out of the sentence as it stands, in both languages, for files of every kind and
for names that a shell takes apart.
"""

from __future__ import annotations

import csv
import io
import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT, as_json, codes, within, write_rows
from suretune.config import Resolved
from suretune.data.renames import parse_columns
from suretune.facts import Finding
from suretune.pocket import MODEL
from suretune.preflight.check import Checked, check
from suretune.record.journal import Journal, Stopped
from suretune.types import Message, Text

FIELD = ROOT.parent / "shared" / "field"
ODD = "it's my data $1"


def look(data: object, *flags: str, **options: Any) -> Checked:
    columns = tuple(flags[1:]) if flags else ()
    assert not flags or flags[0] == "--columns"
    asked = Resolved.default().with_values(
        "flag", model=str(MODEL), dataset=(str(data),), split_dataset_ratio=0.0, columns=columns,
        **options,
    )  # fmt: skip
    return check(asked, Journal())


def refused(data: object, *flags: str, **options: Any) -> list[Finding]:
    with pytest.raises(Stopped) as stopped:
        look(data, *flags, **options)
    return stopped.value.findings


def flag_in(text: str) -> list[str]:
    """The words of the one `--columns ...` of a sentence, as a shell makes them."""
    (found,) = {part for part in text.split("`")[1::2] if part.startswith("--columns")}
    return shlex.split(found)


def said(checked: Checked) -> list[list[tuple[str, str]]]:
    return [[(m.role, m.content) for m in row.example.messages] for row in checked.train]


def as_lines(rows: list[Any], folder: Path) -> Path:
    return write_rows(folder / "rows.jsonl", rows)


def as_list(rows: list[Any], folder: Path) -> Path:
    (folder / "rows.json").write_text(json.dumps(rows, ensure_ascii=False, indent=1), "utf-8")
    return folder / "rows.json"


def as_table(rows: list[Any], folder: Path) -> Path:
    made = io.StringIO()
    writer = csv.DictWriter(made, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    (folder / "rows.csv").write_text(made.getvalue(), "utf-8")
    return folder / "rows.csv"


def as_parquet(rows: list[Any], folder: Path) -> Path:
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist(rows), folder / "rows.parquet")
    return folder / "rows.parquet"


WRITERS = (as_lines, as_list, as_table, as_parquet)
PAIRS = {
    "medical": (("Question", "Complex_CoT", "Response"), ("Question", "Response")),
    "chinese": (("问题", "回答"), ("问题", "回答")),
    "spaced": (("User's question", "the answer"), ("User's question", "the answer")),
    "with bookkeeping": (("id", "problem", "solution"), ("problem", "solution")),
    "typing mistake": (("instructoin", "ouput"), ("instructoin", "ouput")),
    "unheard of": (("utterance", "retort"), ("utterance", "retort")),
}


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
@pytest.mark.parametrize("kind", PAIRS)
def test_the_names_of_the_file_itself_are_advised_and_obeyed_they_read_it(
    tmp_path: Path, kind: str, write: Any
) -> None:
    if write is as_table and kind in ("medical", "unheard of"):
        pytest.skip("known in a table whatever the case; two columns of anything are a pair")
    names, (asks, says) = PAIRS[kind]
    (tmp_path / ODD).mkdir()
    rows = [{name: f"{name} in row {n}" for name in names} for n in range(3)]
    file = write(rows, tmp_path / ODD)
    findings = [f for f in refused(file) if f.code == "D006"]
    assert findings
    for text in (findings[0].fix.en, findings[0].fix.zh):
        assert shlex.quote(str(file)) in text
        checked = look(file, *flag_in(text))
        assert said(checked) == [[("user", row[asks]), ("assistant", row[says])] for row in rows]


COMPARED: dict[str, tuple[Any, list[tuple[str, str]]]] = {
    "prompt": (
        {"prompt": "a", "chosen": "b", "rejected": "c"}, [("user", "a"), ("assistant", "b")],
    ),
    "question": (
        {"question": "a", "chosen": "b", "rejected": "c"}, [("user", "a"), ("assistant", "b")],
    ),
    "alpaca": (
        {"instruction": "a", "input": "x", "chosen": "b", "rejected": "c"},
        [("user", "a\nx"), ("assistant", "b")],
    ),
    "whole talks": (
        {"prompt": "a",
         "chosen": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
         "rejected": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "c"}]},
        [("user", "a"), ("assistant", "b")],
    ),
    "beside messages": (
        {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}],
         "rejected_response": "c"},
        [("user", "a"), ("assistant", "b")],
    ),
    "of a student": (
        {"question": "a", "student_answer": "c", "reference_answer": "b", "score": 0},
        [("user", "a"), ("assistant", "b")],
    ),
    "标准答案": (
        {"问题": "a", "学生答案": "c", "标准答案": "b"}, [("user", "a"), ("assistant", "b")],
    ),
    "with a label": ({"text": "a", "label": "b"}, [("user", "a"), ("assistant", "b")]),
}  # fmt: skip


@pytest.mark.parametrize("kind", COMPARED)
def test_the_better_answer_can_be_learned_as_advised(tmp_path: Path, kind: str) -> None:
    row, expected = COMPARED[kind]
    file = write_rows(tmp_path / "rows.jsonl", [row])
    (finding,) = refused(file)
    assert finding.code == "D024"
    for text in (finding.fix.en, finding.fix.zh):
        assert said(look(file, *flag_in(text))) == [expected]


@pytest.mark.parametrize(
    "row",
    [
        {"conversations": [{"from": "human", "value": "a"}],
         "chosen": {"from": "gpt", "value": "b"}, "rejected": {"from": "gpt", "value": "c"}},
        {"chosen": "Human: a Assistant: b", "rejected": "Human: a Assistant: c"},
    ],
)  # fmt: skip
def test_where_names_alone_do_not_help_no_flag_is_advised(tmp_path: Path, row: Any) -> None:
    (finding,) = refused(write_rows(tmp_path / "rows.jsonl", [row]))
    assert finding.code == "D024"
    assert "--columns" not in finding.fix.en + finding.fix.zh
    assert "jq" not in finding.fix.en + finding.fix.zh


OPPOSITES = [
    ("accepted_answer", "rejected_answer"),
    ("preferred_output", "non_preferred_output"),
    ("goodAnswer", "badAnswer"),
    ("answer_good", "answer_bad"),
    ("correct answer", "incorrect answer"),
    ("better_response", "worse_response"),
    ("response_j", "response_k"),
    ("winning_reply", "losing_reply"),
    ("good", "bad"),
    ("accepted", "rejected"),
    ("好回答", "差回答"),
    ("正确答案", "错误答案"),
]


@pytest.mark.parametrize("asks", ["instruction", "prompt", "问题"])
@pytest.mark.parametrize(("better", "worse"), OPPOSITES)
def test_of_two_answers_the_one_with_the_better_name_is_advised(
    tmp_path: Path, asks: str, better: str, worse: str
) -> None:
    row = {asks: "Is it deep?", better: "It is 5 metres deep.", worse: "No idea at all."}
    for number, names in enumerate([(asks, better, worse), (worse, better, asks)]):
        file = write_rows(tmp_path / f"{number}.jsonl", [{name: row[name] for name in names}])
        (finding,) = refused(file)
        assert finding.code == "D024" and finding.what.en.endswith(worse)
        for text in (finding.fix.en, finding.fix.zh):
            learned = [[("user", row[asks]), ("assistant", row[better])]]
            assert said(look(file, *flag_in(text))) == learned


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "a", "response_a": "b", "response_b": "c", "winner": "b"},
        {"instruction": "a", "output_1": "b", "output_2": "c", "preference": 2},
        {"问题": "a", "回答A": "b", "回答B": "c"},
        {"prompt": "a", "response_a": "b", "response_b": "c", "summary": "d"},
        {"input": {"messages": [{"role": "user", "content": "a"}]},
         "preferred_output": [{"role": "assistant", "content": "b"}],
         "non_preferred_output": [{"role": "assistant", "content": "c"}]},
    ],
)  # fmt: skip
def test_where_nobody_can_tell_the_better_answer_none_is_advised(tmp_path: Path, row: Any) -> None:
    (finding,) = refused(write_rows(tmp_path / "rows.jsonl", [row]))
    assert finding.code == "D024" and "two answers" in finding.fix.en
    assert "--columns" not in finding.fix.en + finding.fix.zh


@pytest.mark.parametrize(
    "names",
    [("incorrect", "correct"), ("wrong", "right"), ("bad", "good"), ("unsafe", "safe"),
     ("错误", "正确")],
)  # fmt: skip
def test_a_text_and_its_correction_are_no_comparison(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    row = dict(zip(names, ("I goed home.", "I went home."), strict=True))
    for number, order in enumerate((names, names[::-1])):
        file = write_rows(tmp_path / f"{number}.jsonl", [{name: row[name] for name in order}])
        (finding,) = refused(file)
        assert finding.code == "D006"
        for text in (finding.fix.en, finding.fix.zh):
            learned = [[("user", "I goed home."), ("assistant", "I went home.")]]
            assert said(look(file, *flag_in(text))) == learned
    asked = {"context": "On the way.", **row}
    (finding,) = refused(write_rows(tmp_path / "asked.jsonl", [asked]))
    assert finding.code == "D024"


def test_a_schema_beside_a_question_and_its_query_stays_what_it_is_about(tmp_path: Path) -> None:
    row = {"question": "How many?", "schema": "CREATE TABLE a", "query": "SELECT COUNT(*) FROM a"}
    file = write_rows(tmp_path / "rows.jsonl", [row])
    (finding,) = refused(file)
    learned = [[("user", "How many?\nCREATE TABLE a"), ("assistant", row["query"])]]
    assert said(look(file, *flag_in(finding.fix.en))) == learned


@pytest.mark.parametrize(
    "row",
    [
        {"conversation_id": "0", "role": "user", "content": "Hi"},
        {"session": "0", "speaker": "Anna", "utterance": "Hi there"},
        {"发言人": "安娜", "发言内容": "你好，今天怎么样？"},
        {"from": "human", "value": "Hi there"},
        {"id": "0", "from": "gpt", "value": "Hi. What can I do?"},
        {"turn": {"role": "user", "content": "Hi there"}},
    ],
)
def test_rows_of_one_message_each_are_not_advised_as_pairs(tmp_path: Path, row: Any) -> None:
    (finding,) = refused(write_rows(tmp_path / "rows.jsonl", [row]))
    assert "Each row holds one message" in finding.fix.en
    assert "--columns" not in finding.fix.en + finding.fix.zh


def test_a_row_with_an_answer_is_not_said_to_have_none(tmp_path: Path) -> None:
    row = {"role": "user", "content": "Hi", "answer": "Hello."}
    (finding,) = refused(write_rows(tmp_path / "rows.jsonl", [row]))
    assert "no question with its answer" not in finding.fix.en


def test_answers_to_two_questions_are_no_comparison(tmp_path: Path) -> None:
    row = {"question_1": "a", "answer_1": "b", "question_2": "c", "answer_2": "d"}
    (finding,) = refused(write_rows(tmp_path / "rows.jsonl", [row]))
    assert finding.code == "D006"


@pytest.mark.parametrize("says", ["reply", "solution", "ground_truth", "gold", "回答", "text"])
def test_a_prompt_beside_its_answer_is_not_said_to_have_none(tmp_path: Path, says: str) -> None:
    row = {"prompt": "Is it deep? " * 9, says: "It is 5 metres deep. " * 99}
    (finding,) = refused(file := write_rows(tmp_path / "rows.jsonl", [row]))
    assert finding.code == "D006"
    for text in (finding.fix.en, finding.fix.zh):
        learned = [[("user", row["prompt"]), ("assistant", row[says])]]
        assert said(look(file, *flag_in(text))) == learned


def test_an_answer_in_words_is_advised_beside_turns(tmp_path: Path) -> None:
    turns = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Is it deep?"}]
    row = {"data_source": "lakes", "prompt": turns, "ground_truth": "It is 5 metres deep."}
    (finding,) = refused(file := write_rows(tmp_path / "rows.jsonl", [row]))
    for text in (finding.fix.en, finding.fix.zh):
        learned = [(turn["role"], turn["content"]) for turn in turns]
        assert said(look(file, *flag_in(text))) == [[*learned, ("assistant", row["ground_truth"])]]


@pytest.mark.parametrize(
    ("row", "pair"),
    [
        ({"document": "A long text.", "summary": "A text.", "id": "35232142"},
         ("A long text.", "A text.")),
        ({"article": "A long text.", "highlights": "A text.", "id": "0b8c7c525f3a4f0e9d2a"},
         ("A long text.", "A text.")),
        ({"url": "https://example.org/a", "utterance": "Hi there", "retort": "Hi."},
         ("Hi there", "Hi.")),
    ],
)  # fmt: skip
def test_an_id_is_never_advised_as_an_answer(tmp_path: Path, row: Any, pair: Any) -> None:
    (finding,) = refused(file := write_rows(tmp_path / "rows.jsonl", [row]))
    for text in (finding.fix.en, finding.fix.zh):
        assert said(look(file, *flag_in(text))) == [[("user", pair[0]), ("assistant", pair[1])]]


@pytest.mark.parametrize(
    "row",
    [
        {"title": "A talk", "mapping": {"a": {}}, "current_node": "0b8c7c52-5f3a-4f0e-9d2a-3a1f0e"},
        {"post_id": "a1", "human_ref_A": "Two words", "human_ref_B": "Two more words"},
        {"inputs": {"question": "a"}, "outputs": {"answer": "b"}},
        {"question": "a", "context": "b", "title": "c", "answers": {"text": ["d"]}},
        {"instruction": "a", "completions": [{"response": "b"}], "source": "c"},
        {"questions": ["a"], "answers": ["b"]},
        {"data_source": "kk", "prompt": [{"role": "user", "content": "a"}], "solution": [True]},
    ],
)
def test_no_flag_is_advised_that_reads_a_list_or_an_id(tmp_path: Path, row: Any) -> None:
    (finding,) = refused(write_rows(tmp_path / "rows.jsonl", [row]))
    assert "--columns" not in finding.fix.en + finding.fix.zh


@pytest.mark.parametrize(
    "row",
    [
        {"conversation_id": "1", "meta_instruction": "Be kind.", "chat": {"turn_1": {}}},
        {"systemInstruction": {"parts": []}, "contents": [{"role": "user", "parts": []}]},
    ],
)
def test_neither_an_id_nor_a_system_prompt_is_taken_for_a_misspelt_field(
    tmp_path: Path, row: Any
) -> None:
    (finding,) = refused(write_rows(tmp_path / "rows.jsonl", [row]))
    assert "←" not in finding.fix.en + finding.fix.zh


@pytest.mark.parametrize("says", ["output", "answer", "response", "summary", "target", "回答"])
@pytest.mark.parametrize("answer", ["It is 9 metres deep.", "A deep lake."])
def test_a_text_beside_an_answer_is_read_as_the_user_says(
    tmp_path: Path, says: str, answer: str
) -> None:
    row = {"text": "The lake lies in the north. It is 9 metres deep. " * 9, says: answer}
    (finding,) = refused(file := write_rows(tmp_path / "rows.jsonl", [row]))
    assert finding.code == "D006"
    for text in (finding.fix.en, finding.fix.zh):
        learned = [[("user", row["text"]), ("assistant", answer)]]
        assert said(look(file, *flag_in(text))) == learned
        assert f"`--ignore_fields {shlex.quote(says)}`" in text
    assert said(look(file, ignore_fields=(says,))) == [[("text", row["text"])]]


def test_a_text_beside_a_number_or_what_it_says_itself() -> None:
    from suretune.data.examples import to_example
    from suretune.types import Example, Fault, Origin, Row

    here = Origin("f", 1)
    told = to_example(Row(here, {"text": "Is it good?", "target": 1}), "f")
    assert isinstance(told, Fault) and told.hint and "write `target` as text" in told.hint.en
    for row in ({"text": "t", "response": "t "}, {"text": "t", "output": None, "answer": ""}):
        assert isinstance(to_example(Row(here, row), "f"), Example)


@pytest.mark.parametrize("role", ["prompter", "assistant", "user"])
def test_one_turn_a_row_is_no_plain_text(tmp_path: Path, role: str) -> None:
    row = {"text": "How tall is it?", "role": role, "parent_id": None}
    (finding,) = refused(write_rows(tmp_path / "rows.jsonl", [row]))
    assert finding.code == "D006" and "`messages`" in finding.fix.en and "`role`" in finding.fix.zh
    assert "`--ignore_fields role`" in finding.fix.en and "`--ignore_fields role`" in finding.fix.zh
    (learned,) = look(tmp_path / "rows.jsonl", ignore_fields=("role",)).train
    assert learned.example.messages == (Message("text", row["text"]),)


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path, write: Any) -> None:
    rows = [{"\ufeffquery": f"Hi {n}", "response": "Hello."} for n in range(2)]
    pairs = [[("user", f"Hi {n}"), ("assistant", "Hello.")] for n in range(2)]
    assert said(look(write(rows, tmp_path))) == pairs
    rows = [{"\ufeffFrage": f"Hi {n}", "Antwort": "Hello."} for n in range(2)]
    (tmp_path / "b").mkdir()
    file = write(rows, tmp_path / "b")
    assert said(look(file, "--columns", "Frage=query", "Antwort=response")) == pairs


def test_a_rival_is_left_out_as_advised(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "r.jsonl", [{"query": "a", "response": "b", "output": "c"}])
    (finding,) = refused(file)
    checked = look(file, *flag_in(finding.fix.en))
    assert said(checked) == [[("user", "a"), ("assistant", "b")]]


def test_flags_of_other_tools_and_mistakes_in_the_flag() -> None:
    swift = '{"question": "query", "answer": "response"}'
    assert parse_columns([swift]) == {"question": "query", "answer": "response"}
    assert parse_columns(["a=b=query", "c="]) == {"a=b": "query", "c": ""}
    for words in (
        ["question"],
        ["a=qwery"],
        ["=query"],
        ["a=query", "b=query"],
        ["{"],
        ["a=", "a="],
    ):
        wrong = parse_columns(words)
        assert isinstance(wrong, Text) and wrong.en and wrong.zh
    wrong = parse_columns(["a=qwery"])
    assert isinstance(wrong, Text) and "`a=query`" in wrong.en


def test_a_name_that_no_row_has_stops_the_run_and_so_does_a_taken_one(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "r.jsonl", [{"query": "a", "response": "b"}])
    (finding,) = refused(file, "--columns", "ask=query")
    assert finding.code == "C004" and "query, response" in finding.fix.en + finding.what.en
    file = write_rows(tmp_path / "s.jsonl", [{"query": "a", "response": "b", "ask": "c"}])
    (finding,) = refused(file, "--columns", "ask=query")
    assert finding.code == "D006"
    assert flag_in(finding.fix.en) == ["--columns", "query="]
    checked = look(file, "--columns", "ask=query", "query=")
    assert said(checked) == [[("user", "c"), ("assistant", "b")]]


def test_on_the_command_line(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "a b.jsonl", [{"Frage": "a", "Antwort": "b"}] * 3)
    words = ("check", "--model", "pocket", "--json", "--dataset", file)
    done = within(*words)
    assert done.returncode == 3
    flags = flag_in(as_json(done)["findings"][0]["fix"]["en"])
    done = within(*words, *flags)
    assert done.returncode == 0 and as_json(done)["plan"]["rows"] == 3


# --- lengths --------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [None, 200, 5000])
def test_no_length_beyond_the_context_is_advised(tmp_path: Path, asked: int | None) -> None:
    rows = [{"query": f"q{n}", "response": "1 2 3 " * (2500 if n == 1 else 1)} for n in range(9)]
    file = write_rows(tmp_path / "r.jsonl", rows)
    findings = refused(file, max_length=asked)
    assert findings[0].code == "D004"
    for text in (findings[0].fix.en, findings[0].fix.zh):
        lengths = [
            int(p.split()[1]) for p in text.split("`")[1::2] if p.startswith("--max_length ")
        ]
        assert all(length <= 4096 for length in lengths) and "4096" in text
        assert lengths == ([4096] if asked == 200 else [])
    checked = look(file, max_length=asked, over_long="drop")
    assert len(checked.train) == 8


def test_a_length_that_helps_is_advised_and_one_beyond_the_context_is_told(tmp_path: Path) -> None:
    rows = [{"query": f"q{n}", "response": "1 2 3 " * 40} for n in range(3)]
    file = write_rows(tmp_path / "r.jsonl", rows)
    (finding,) = refused(file, max_length=100)
    (length,) = [int(p.split()[1]) for p in finding.fix.en.split("`")[1::2] if "max_length" in p]
    assert len(look(file, max_length=length).train) == 3
    journal = Journal()
    asked = Resolved.default().with_values(
        "flag", model=str(MODEL), dataset=(str(file),), max_length=4097
    )
    check(asked, journal)
    (told,) = [f for f in journal.findings if f.code == "D039"]
    assert not told.stops and "`--max_length 4096`" in told.fix.en


# --- rows that are skipped, findings that are ignored ---------------------------------------------


def test_a_skipped_row_is_said_to_be_skipped(tmp_path: Path) -> None:
    good = [{"query": f"q{n}", "response": f"a{n}"} for n in range(9)]
    file = write_rows(tmp_path / "r.jsonl", [*good, {"query": "q", "response": " "}])
    words = ("check", "--model", "pocket", "--dataset", file, "--on_bad_row", "skip")
    done = within(*words)
    assert done.returncode == 0
    assert "row skipped" in done.stdout and "  error" not in done.stdout
    assert "已跳过" in within(*words, SURETUNE_LANG="zh").stdout
    (found,) = [f for f in as_json(within(*words, "--json"))["findings"] if f["code"] == "D009"]
    assert (found["stops"], found["fate"]) == (False, "skipped")


def test_an_ignored_finding_is_said_to_be_ignored(tmp_path: Path) -> None:
    file = write_rows(
        tmp_path / "r.jsonl", [{"query": "a", "response": "b"}, {"instruction": "c", "output": "d"}]
    )
    done = within("check", "--model", "pocket", "--dataset", file, "--ignore", "D007")
    assert done.returncode == 0
    assert "ignored on request" in done.stdout and "  error" not in done.stdout


# --- rows that only look like another kind --------------------------------------------------------

TALK = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]


@pytest.mark.parametrize(
    "beside",
    [
        {"prompt": "Hi"},
        {"prompt": "Hi", "prompt_id": "f0e3"},
        {"prompt_id": "f0e3"},
        {"chosen": None, "rejected": None},
        {"prompt": "Hi", "completion": None},
    ],
)
def test_a_prompt_beside_messages_is_no_preference_data(tmp_path: Path, beside: Any) -> None:
    for name, turns in (
        ("messages", TALK),
        ("conversations", [{"from": "human", "value": "Hi"}, {"from": "gpt", "value": "Hello."}]),
    ):
        file = write_rows(tmp_path / "r.jsonl", [{**beside, name: turns}])
        assert said(look(file)) == [[("user", "Hi"), ("assistant", "Hello.")]]


def test_a_comparison_beside_messages_is_one(tmp_path: Path) -> None:
    row = {"messages": TALK, "chosen": "b", "rejected": "c"}
    (finding,) = refused(write_rows(tmp_path / "r.jsonl", [row]))
    assert finding.code == "D024"


@pytest.mark.parametrize(
    ("name", "codes_wanted"),
    [
        ("ultra/ultra.jsonl", {"D035"}),
        ("jqadvice/med.jsonl", {"D006"}),
        ("long/long.jsonl", {"D004"}),
    ],
)
def test_the_files_of_the_field(name: str, codes_wanted: set[str]) -> None:
    if not (FIELD / name).exists():
        pytest.skip(f"{name} is not there")
    done = within("check", "--model", "pocket", "--json", "--dataset", FIELD / name)
    assert set(codes(done)) - {"P002"} == codes_wanted
    for finding in as_json(done)["findings"]:
        assert "jq " not in finding["fix"]["en"] and "4931" not in finding["fix"]["en"]


BESIDE: dict[str, tuple[dict[str, Any], str]] = {
    "context": ({"question": "q 1", "answers": "a 1", "context": "Paris is big."}, "q 1"),
    "capitals": ({"Question": "q 1", "Reply": "a 1", "Context": "Paris is big."}, "q 1"),
    "schema": ({"Question": "q 1", "Reply": "a 1", "schema": "create table t"}, "q 1"),
    "naming": (
        {"Question": "q 1", "Reply": "a 1", "schema": "db", "document": "Paris is big."}, "q 1",
    ),
    "input": ({"Instruction": "Add up.", "input": "2 3", "Reply": "a 1"}, "Add up."),
    "input in Chinese": ({"题目": "Add up.", "input": "2 3", "解答": "a 1"}, "Add up."),
    "instruction": ({"instruction": "Be brief.", "question": "q 1", "reply": "a 1"}, "Be brief."),
    "both": ({"instruction": "Be brief.", "question": "q 1", "answer": "a 1"}, "Be brief."),
}  # fmt: skip


@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
@pytest.mark.parametrize("kind", BESIDE)
def test_what_is_read_beside_a_question_is_not_advised_away(
    tmp_path: Path, kind: str, write: Any
) -> None:
    row, asked = BESIDE[kind]
    told = next(text for name, text in row.items() if text not in (asked, "a 1", "db"))
    file = write([row, {**row}], tmp_path)
    findings = [f for f in refused(file) if f.code == "D006"]
    for text in (findings[0].fix.en, findings[0].fix.zh) if findings else ():
        flag = next(part for part in text.split("`")[1::2] if part.startswith("--columns"))
        checked = look(file, *shlex.split(flag))
        expected = [("user", f"{asked}\n{told}"), ("assistant", "a 1")]
        assert said(checked) == [expected, expected]
    assert findings or write is as_table  # whose names are known whatever their case


@pytest.mark.parametrize(
    "system", ["system", "System", "system_prompt", "System Prompt", "系统提示词"]
)
@pytest.mark.parametrize("write", WRITERS, ids=lambda write: write.__name__)
def test_a_system_prompt_is_not_advised_away(tmp_path: Path, system: str, write: Any) -> None:
    row = {"Question": "q 1", "Reply": "a 1", system: "Be kind to all."}
    file = write([row], tmp_path)
    for text in next((f.fix.en, f.fix.zh) for f in refused(file) if f.code == "D006"):
        checked = look(file, *flag_in(text))
        turns = [("system", "Be kind to all."), ("user", "q 1"), ("assistant", "a 1")]
        assert said(checked) == [turns]
