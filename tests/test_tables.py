"""Tables: which line names the columns, what cuts a line into cells, and what is told of both."""

from __future__ import annotations

import gzip
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest

from conftest import as_json, within
from suretune.data.renames import renamed
from suretune.data.rows import read_rows
from suretune.data.sources import Source, parse_source
from suretune.types import Fault, Row


def read(path: Path, content: str | bytes) -> list[Row | Fault]:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    source = parse_source(str(path))
    assert isinstance(source, Source)
    return list(read_rows(source))


def numbers(items: list[Row | Fault]) -> list[int]:
    return [item.origin.line for item in items]


def only_fault(items: list[Row | Fault]) -> Fault:
    [fault] = [item for item in items if isinstance(item, Fault)]
    return fault


@pytest.mark.parametrize(
    ("first", "row"),
    [
        ("症状,建议", "头疼{0},多喝水{0}"),
        ("客户,客服", "你好,您好{0}"),
        ("原文,译文", "早上好,good morning"),
        ("用户提问,客服回复", "多少钱,九块{0}"),
        ("上联,下联", "春{0},夏{0}"),
        ("en,zh", "hello,你好"),
        ("Symptom,Advice", "headache,drink water"),
        ("term,definition", "cat,an animal"),
        ("Kundenfrage,Agentenantwort", "Wo ist es?,Unterwegs {0}"),
        ("Planet,Farbe", "welche hat der Mars?,er ist rot"),
    ],
)
def test_a_first_line_that_looks_like_names_is_no_row(tmp_path: Path, first: str, row: str) -> None:
    lines = [row.format(n) for n in range(1, 7)]
    fault = only_fault(read(tmp_path / "h.csv", "\n".join((first, *lines))))
    assert (fault.kind, fault.origin.line) == ("unknown-shape", 1)
    [one, two] = first.split(",")
    pairs = [{"query": q, "response": a} for q, a in (line.split(",") for line in lines)]
    for hint in (fault.hint.en, fault.hint.zh) if fault.hint else ():
        ways = [shlex.split(way)[1:] for way in re.findall("`(.+?)`", hint)]
        assert ways == [[f"{one}=query", f"{two}=response"], ["1=query", "2=response"]]
        header, numbered = ({w.partition("=")[0]: w.partition("=")[2] for w in way} for way in ways)
        assert renamed_rows(tmp_path / "h.csv", header) == pairs
        # A first line that looks like names is learned only with a word about it.
        assert renamed_rows(tmp_path / "h.csv", numbered, notes=1) == [
            {"query": one, "response": two},
            *pairs,
        ]


def renamed_rows(path: Path, columns: dict[str, str], notes: int = 0) -> list[Any]:
    source = parse_source(str(path))
    assert isinstance(source, Source)
    items = list(read_rows(source, "utf-8", columns))
    rows = [renamed(item, columns) for item in items if isinstance(item, Row)]
    assert len(items) == len(rows) + notes
    return [row.value for row in rows if isinstance(row, Row)]


@pytest.mark.parametrize(
    "header",
    [
        "id,MsgSvrID,type_name,is_sender,talker,room_name,msg,src,CreateTime",
        "localId,IsSender,CreateTime,StrContent,NickName,Sender",
        "会话ID,发送者,内容,时间",
        "发言人,消息内容",
        "conversation_id,role,content",
        "Role,Content",
        "id,from,value",
    ],
)
def test_a_table_of_one_message_a_row_gets_no_advice_that_makes_pairs_of_it(
    tmp_path: Path, header: str
) -> None:
    row = ",".join("x" for _ in header.split(","))
    fault = only_fault(read(tmp_path / "chat.csv", f"{header}\n{row}\n{row}\n"))
    assert (fault.kind, fault.origin.line) == ("unknown-shape", 1)
    assert fault.hint and "--columns" not in fault.hint.en + fault.hint.zh
    assert '{"messages": [' in fault.hint.en and '{"messages": [' in fault.hint.zh


@pytest.mark.parametrize("ending", ["csv", "csv.gz"])
@pytest.mark.parametrize(
    ("title", "table"),
    [
        ("Customer questions 2024,,\r\n,,\r\n", "question,answer,category\r\nDeep?,Yes.,a\r\n"),
        ("Fragen\n", "Frage;Antwort\nTief?;Ja.\nHoch?;Nein, gar nicht.\n"),
        ("客服问答表,,\n", "序号,问题,回答\n1,深吗,很深\n2,高吗,不高\n"),
        ('"Questions, and answers"\n\n', "query,response\nDeep?,Yes.\n"),
    ],
)
def test_a_title_above_a_table_is_taken_off_as_advised(
    tmp_path: Path, title: str, table: str, ending: str
) -> None:
    content = (title + table).encode()
    content = gzip.compress(content) if ending == "csv.gz" else content
    fault = only_fault(read(tmp_path / f"sheet.{ending}", content))
    assert (fault.kind, fault.origin.line) == ("unknown-shape", 1) and fault.hint
    (command,) = [part for part in fault.hint.en.split("`") if " > " in part]
    assert f"`{command}`" in fault.hint.zh
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True)
    assert (tmp_path / "sheet.clean.csv").read_bytes() == table.encode()


@pytest.mark.parametrize("encoding", ["UTF16", "utf-16-le", "gb18030"])
def test_a_title_is_taken_off_in_the_encoding_of_the_file(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "sheet.csv"
    file.write_bytes("客服问答\t\n问题\t回答\n深吗\t很深\n".encode(encoding))
    source = parse_source(str(file))
    assert isinstance(source, Source)
    fault = only_fault(list(read_rows(source, encoding)))
    assert fault.hint
    (command,) = [part for part in fault.hint.en.split("`") if " > " in part]
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True)
    kept = (tmp_path / "sheet.clean.csv").read_bytes().decode(encoding)
    assert kept.lstrip("\ufeff") == "问题\t回答\n深吗\t很深\n"


@pytest.mark.parametrize(
    "table",
    [
        'query,response\nA table?,"So:\n\n| question | answer |\n|---|---|\n| a | b |"\n',
        'query,response\nAs TSV?,"So:\nquestion\tanswer\na\tb"\n',
        'sentence,translation\nAs TSV?,"So:\n问题\t回答\na\tb"\n',
        '"How do I\nwrite it?","So:\n\n| question | answer |\n"\n',
        "text\nquestion,answer\n",
        "query,response\nDeep?,Yes.\n",
        "Deep?;Yes.\nHigh?;No.\n",
        "query\n\nresponse\n",
    ],
)
def test_a_table_without_a_title_has_none(tmp_path: Path, table: str) -> None:
    items = read(tmp_path / "rows.csv", table)
    assert not any("title" in (i.hint.en if i.hint else "") for i in items if isinstance(i, Fault))


@pytest.mark.parametrize(
    ("header", "flag"),
    [
        ("speaker,utterance,reply", "--columns utterance=query reply=response"),
        ("问题,回答,角色", "--columns '问题=query' '回答=response'"),
    ],
)
def test_a_table_with_who_speaks_and_what_is_answered_gets_its_pair(
    tmp_path: Path, header: str, flag: str
) -> None:
    fault = only_fault(read(tmp_path / "chat.csv", f"{header}\nx,y,z\nx,y,z\n"))
    assert fault.hint and f"`{flag}`" in fault.hint.en and f"`{flag}`" in fault.hint.zh


def test_a_first_line_that_may_be_a_row_is_one_and_that_is_told(tmp_path: Path) -> None:
    for first, named in (
        ("apple,tree", True),
        ("what is it,a fig", False),
        ("你好,您好", False),
        ("Fig.,A fruit.", False),
        ('"one\nline",two', False),
    ):
        (tmp_path / "r.csv").write_text(f"{first}\nfig,oak\nelderberry,elm\n", "utf-8")
        items = read(tmp_path / "r.csv", (tmp_path / "r.csv").read_text("utf-8"))
        note = only_fault(items)
        assert (note.kind, note.origin.line, len(items)) == ("no-header", 1, 4)
        assert note.hint and ("apple=query" in note.hint.en) is named
        rows = renamed_rows(tmp_path / "r.csv", {"1": "query", "2": "response"})
        assert rows == [i.value for i in items if isinstance(i, Row)]


def test_a_table_of_more_columns_without_names_is_read_by_their_numbers(tmp_path: Path) -> None:
    (tmp_path / "n.csv").write_text("7;q one;a one\n8;q two;a two\n", "utf-8")
    fault = only_fault(read(tmp_path / "n.csv", (tmp_path / "n.csv").read_text("utf-8")))
    assert fault.hint and "`--columns 1=query 2=response 3=`" in fault.hint.en
    assert renamed_rows(tmp_path / "n.csv", {"1": "", "2": "query", "3": "response"}) == [
        {"query": f"q {word}", "response": f"a {word}"} for word in ("one", "two")
    ]


@pytest.mark.parametrize(
    "again",
    ["question,answer", "\ufeffquestion,answer", '\ufeff"question","answer"', " Question , ANSWER"],
)
def test_the_header_of_a_second_table_is_no_row(tmp_path: Path, again: str) -> None:
    items = read(tmp_path / "t.csv", f"question,answer\na?,b\n{again}\nc?,d\n")
    fault = only_fault(items)
    assert (fault.kind, fault.origin.line, fault.ends) == ("unknown-shape", 3, False)
    assert [item.value for item in items if isinstance(item, Row)] == [
        {"question": "a?", "answer": "b"},
        {"question": "c?", "answer": "d"},
    ]


def test_a_second_table_of_another_order_is_never_read_by_the_first_header(tmp_path: Path) -> None:
    row, fault = read(tmp_path / "t.csv", "question,answer\na?,b\nanswer,question\nd,c?\n")
    assert isinstance(row, Row) and row.value == {"question": "a?", "answer": "b"}
    assert isinstance(fault, Fault)
    assert (fault.kind, fault.origin.line, fault.ends) == ("unknown-shape", 3, True)


def test_a_row_that_stands_twice_under_numbers_is_no_header(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("Wo?,Da.\nWas?,Das.\nWo?,Da.\n", "utf-8")
    rows = renamed_rows(tmp_path / "t.csv", {"1": "query", "2": "response"})
    assert rows == [{"query": q, "response": a} for q, a in (("Wo?", "Da."), ("Was?", "Das."))] + [
        {"query": "Wo?", "response": "Da."}
    ]


@pytest.mark.parametrize("said", ["sep=;", '"sep=;"', "SEP=|", "sep=\t", "sep=\\t", "sep=,"])
@pytest.mark.parametrize("name", ["s.csv", "s.tsv", "s.txt"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_the_delimiter_that_excel_is_told_is_no_row(
    tmp_path: Path, said: str, name: str, mark: str
) -> None:
    cut = {"\\t": "\t"}.get(said.strip('"')[4:], said.strip('"')[4:])
    lines = [
        said,
        cut.join(("query", "response")),
        "",
        cut.join(("a", '"b\nc,;|"')),
        cut.join("de"),
    ]
    items = read(tmp_path / name, mark + "\r\n".join(lines) + "\r\n")
    rows = [item for item in items if isinstance(item, Row)]
    assert [r.value for r in rows] == [
        {"query": "a", "response": "b\nc,;|"},
        {"query": "d", "response": "e"},
    ]
    assert numbers([*rows]) == [4, 6] and len(items) == len(rows) + bool(mark)


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_who_named_the_columns_below_a_title_is_told_of_the_title_alone(
    tmp_path: Path, lang: str
) -> None:
    file = tmp_path / "sheet.csv"
    file.write_text("FAQ 2024\nKunde,Text,Nr\nTief?,Ja.,1\nHoch?,Nein.,2\n")
    columns = ("--columns", "Kunde=query", "Text=response")
    done = within("check", "--model", "pocket", "--json", "--dataset", file, *columns)
    (told,) = as_json(done)["findings"]
    assert told["code"] == "D006"
    (command,) = re.findall("`([^`]*)`", told["fix"][lang])  # no look at the same file again
    subprocess.run(["bash", "-c", command], cwd=tmp_path, check=True)
    new = tmp_path / "sheet.clean.csv"
    assert within("check", "--model", "pocket", "--dataset", new, *columns).returncode == 0
