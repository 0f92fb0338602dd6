"""Clean files in the shapes that people publish: each is read whole, without a flag or a stop.

Every shape is written anew for the test. What is checked: as many rows as were written, each with
the question and the answer that were written, no finding that stops, nothing ignored.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from suretune.config import Resolved
from suretune.pocket import MODEL
from suretune.preflight.check import check
from suretune.preflight.summary import data_summary
from suretune.record.journal import Journal

COUNT = 12
PAIRS = [
    (f"第{n}个问题：{n} 加 {n} 等于多少？", f"等于 {2 * n}。") if n % 3 else
    (f'What is "{n}", in words, and why?', f"It is number {n};\nthat is all.")
    for n in range(COUNT)
]  # fmt: skip
MORE = ("And then?", "Nothing more.")


def lines(rows: list[Any]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def rows(make: Callable[[str, str, int], Any]) -> list[Any]:
    return [make(q, a, n) for n, (q, a) in enumerate(PAIRS)]


def table(header: list[str], delimiter: str, cells: list[Any], **how: Any) -> str:
    made = io.StringIO()
    csv.writer(made, delimiter=delimiter, **how).writerows([header, *cells])
    return made.getvalue()


def turns(q: str, a: str, role: str = "role", said: str = "content", me: str = "assistant") -> Any:
    you = "user" if me == "assistant" else "human"
    return [{role: you, said: q}, {role: me, said: a}]


def parquet(made: list[Any]) -> bytes:
    import pyarrow
    from pyarrow import parquet as written

    out = io.BytesIO()
    written.write_table(pyarrow.Table.from_pylist(made), out)
    return out.getvalue()


def arrow(made: list[Any]) -> bytes:
    import pyarrow
    from pyarrow import ipc

    out = io.BytesIO()
    data = pyarrow.Table.from_pylist(made)
    with ipc.new_stream(out, data.schema) as writer:
        writer.write_table(data)
    return out.getvalue()


ALPACA = rows(lambda q, a, n: {"instruction": q, "input": "", "output": a})
MESSAGES = rows(lambda q, a, n: {"messages": turns(q, a)})
FILES: dict[str, Callable[[], bytes | str]] = {
    "alpaca.json": lambda: json.dumps(ALPACA, ensure_ascii=False, indent=4),
    "alpaca_lines.json": lambda: lines(ALPACA),
    "alpaca_array.jsonl": lambda: json.dumps(ALPACA),
    "sharegpt.json": lambda: json.dumps(rows(
        lambda q, a, n: {"id": f"x{n}", "conversations": turns(q, a, "from", "value", "gpt")})),
    "openai_messages.jsonl": lambda: lines(MESSAGES),
    "openai_bom.jsonl": lambda: "\ufeff" + lines(MESSAGES),
    "openai_crlf.jsonl": lambda: lines(MESSAGES).replace("\n", "\r\n"),
    "with_prompt_id.jsonl": lambda: lines(rows(
        lambda q, a, n: {"prompt": q, "prompt_id": f"{n:04x}", "messages": turns(q, a)})),
    "dolly.jsonl": lambda: lines(rows(
        lambda q, a, n: {"instruction": q, "context": "", "response": a, "category": "open_qa"})),
    "oasst_flat.json": lambda: json.dumps(rows(
        lambda q, a, n: {"instruction": q, "input": "", "output": a, "history": []})),
    "firefly.jsonl": lambda: lines(rows(
        lambda q, a, n: {"kind": "Dictionary", "input": q, "target": a})),
    "moss.jsonl": lambda: lines(rows(
        lambda q, a, n: {"conversation_id": n, "category": "Writing",
                         "conversation": [{"human": q, "assistant": a}]})),
    "belle.json": lambda: lines(rows(
        lambda q, a, n: {"instruction": q, "input": "", "output": a})),
    "xtuner.jsonl": lambda: lines(rows(
        lambda q, a, n: {"conversation": [{"system": "", "input": q, "output": a}]})),
    "bare_turns.jsonl": lambda: lines(rows(lambda q, a, n: turns(q, a))),
    "query_response.jsonl": lambda: lines(rows(lambda q, a, n: {"query": q, "response": a})),
    "prompt_completion.ndjson": lambda: lines(rows(
        lambda q, a, n: {"prompt": q, "completion": a})),
    "turns_prompt_completion.jsonl": lambda: lines(rows(
        lambda q, a, n: {"prompt": turns(q, a)[:1], "completion": turns(q, a)[1:]})),
    "qa.csv": lambda: table(["question", "answer"], ",", PAIRS),
    "qa_excel.csv": lambda: "\ufeff" + table(["Question", "Answer"], ";", PAIRS),
    "qa_pandas.csv": lambda: table(
        ["", "question", "answer"], ",", [(n, q, a) for n, (q, a) in enumerate(PAIRS)]),
    "qa_spaced.csv": lambda: table(["question", "answer"], ",", PAIRS, quoting=csv.QUOTE_ALL)
        .replace('","', '", "'),
    "qa.tsv": lambda: table(["question", "answer"], "\t", PAIRS),
    "no_header.csv": lambda: table(list(PAIRS[0]), ",", PAIRS[1:]),
    "messages.parquet": lambda: parquet(MESSAGES),
    "qa.arrow": lambda: arrow(rows(lambda q, a, n: {"question": q, "answer": a})),
    "qa.jsonl.gz": lambda: gzip.compress(lines(MESSAGES).encode()),
    "unpacked_on_the_way.jsonl.gz": lambda: lines(MESSAGES),
    "packed.jsonl": lambda: gzip.compress(lines(MESSAGES).encode()),
    "lines.txt": lambda: lines(ALPACA),
    "export.log": lambda: lines(MESSAGES),
    "export": lambda: json.dumps(ALPACA),
    "UPPER.JSONL": lambda: lines(ALPACA),
    "wrapped.json": lambda: json.dumps({"version": "1.0", "data": ALPACA}, indent=1),
    "dataframe.json": lambda: json.dumps({
        "question": {str(n): q for n, (q, _) in enumerate(PAIRS)},
        "answer": {str(n): a for n, (_, a) in enumerate(PAIRS)}}),
    "dataframe_index.json": lambda: json.dumps({str(n): row for n, row in enumerate(ALPACA)}),
    "to_dict.json": lambda: json.dumps({
        "question": [q for q, _ in PAIRS], "answer": [a for _, a in PAIRS]}),
}  # fmt: skip


def looked_at(path: Path, **options: Any) -> list[tuple[str, str]]:
    """(question, answer) of every row, after making sure that none was lost or refused."""
    asked = Resolved.default().with_values(
        "flag", model=str(MODEL), dataset=(str(path),), split_dataset_ratio=0.0, **options
    )
    journal = Journal()
    checked = check(asked, journal)
    assert not [finding.code for finding in journal.findings if finding.stops]
    (about,) = data_summary(checked)["datasets"]
    assert about["read"] == about["train"] == COUNT
    assert not about["left_out"] + about["rejected"] + about["held_out"]
    said = [row.example.messages for row in checked.train]
    return [(turns[-2].content, turns[-1].content) for turns in said]


@pytest.mark.parametrize("name", FILES)
def test_a_clean_file_is_read_whole(tmp_path: Path, name: str) -> None:
    content = FILES[name]()
    (tmp_path / name).write_bytes(content.encode() if isinstance(content, str) else content)
    assert looked_at(tmp_path / name) == PAIRS


def test_a_file_with_names_of_its_own_is_read_once_they_are_said(tmp_path: Path) -> None:
    made = lines(rows(lambda q, a, n: {"frage": q, "antwort": a, "notiz": "x" * 99}))
    (tmp_path / "eigen.jsonl").write_text(made)
    columns = ("frage=query", "antwort=response", "notiz=")
    assert looked_at(tmp_path / "eigen.jsonl", columns=columns) == PAIRS


def test_a_clean_folder_is_read_whole(tmp_path: Path) -> None:
    for part in range(3):
        name = f"train-0000{part}-of-00003.parquet"
        (tmp_path / name).write_bytes(parquet(MESSAGES[part * 4 : part * 4 + 4]))
    (tmp_path / "README.md").write_text("# Rows\n")
    assert looked_at(tmp_path) == PAIRS


def test_histories_and_longer_talks_keep_every_turn(tmp_path: Path) -> None:
    talks = [
        {"instruction": q, "input": "", "output": a, "history": [list(MORE)]} for q, a in PAIRS
    ]
    (tmp_path / "h.json").write_text(json.dumps(talks))
    assert looked_at(tmp_path / "h.json") == PAIRS
