"""Files that people really publish: each is understood to the last row, or refused by name."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from suretune.data.examples import to_example
from suretune.data.placeholders import Names, fill
from suretune.data.rows import NOTES, read_rows
from suretune.data.sources import Source, parse_source
from suretune.guards.guard import word
from suretune.types import Example, Fault, Row

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
pytestmark = pytest.mark.skipif(
    not SHARED.is_dir(), reason="the published files are not beside this repository"
)

# file: (what the rows become, how many of each)
UNDERSTOOD = {
    "03_alpaca_en_instruction-data.json": ("alpaca", 1100),
    "05_alpaca_history_oaast_sft_zh.json": ("alpaca", 689),
    "06_jsonlines_named_json_huatuo.json": ("alpaca", 8658),
    "08_response_key_roleplay.json": ("alpaca", 1923),
    "09_sharegpt_dummy_conversation.json": ("sharegpt", 500),
    "12_sharegpt_system_react_tools.json": ("sharegpt", 200),
    "13_toolcall_glaive_zh.json": ("sharegpt", 300),
    "15_toolcall_messages_reason.jsonl": ("messages", 50),
    "17_openai_messages_text2sql.jsonl": ("messages", 100),
    "19_bare_message_arrays.jsonl": ("messages", 128),
    "23_prompt_completion_wwdc25.jsonl": ("prompt-completion", 1800),
    "25_text_only_wikisql.jsonl": ("text", 1000),
    "29_jsonl_that_is_an_array.jsonl": ("xtuner", 240),
    "33_jsonlines_belle_seed.json": ("alpaca", 175),
    "42_dir_of_jsonlines": ("alpaca", 176),
    "43_tsv_zh_dialog.tsv": ("query-response", 563),
    "44_openai_toy_chat_fine_tuning.jsonl": ("messages", 5),
    "tiny_formats/alpaca.csv": ("alpaca", 3),
    "tiny_formats/alpaca.jsonl": ("alpaca", 3),
    "tiny_formats/alpaca2.csv": ("alpaca", 3),
    "tiny_formats/chatml.jsonl": ("messages", 3),
    "tiny_formats/conversations.jsonl": ("sharegpt", 3),
    "tiny_formats/sharegpt.jsonl": ("sharegpt", 3),
    "tiny_formats/swift_multi.json": ("query-response", 3),
    "tiny_formats/swift_multi.jsonl": ("query-response", 3),
    "tiny_formats/swift_pre.csv": ("text", 3),
    "tiny_formats/swift_pre.jsonl": ("text", 3),
    "tiny_formats/swift_single.csv": ("query-response", 3),
    "tiny_formats/swift_single.jsonl": ("query-response", 3),
}
REFUSED = {
    "26_parquet_kk_3ppl_train.parquet": ("not-sft", 900, "answers"),
    "35_crlf_prompts_zh.json": ("not-sft", 124, "answers"),
    "36_dpo_zh_500.jsonl": ("not-sft", 500, "DPO"),
    "37_kto_en_demo.json": ("not-sft", 300, "KTO"),
    "22_csv_gb18030_medical.csv": ("not-utf8", 1, "--encoding gb18030"),
}


def outcome(name: str, encoding: str = "utf-8") -> list[Example | Fault]:
    path = SHARED / "wild" / name
    if not path.exists():
        pytest.skip(f"{name} is not there")
    source = parse_source(str(path))
    assert isinstance(source, Source)
    items = read_rows(source, encoding)
    return [to_example(item, source.name) if isinstance(item, Row) else item for item in items]


def test_every_wild_file_is_accounted_for() -> None:
    here = {p.name for p in (SHARED / "wild").iterdir()} - {"tiny_formats"}
    here |= {f"tiny_formats/{p.name}" for p in (SHARED / "wild" / "tiny_formats").iterdir()}
    assert here == {*UNDERSTOOD, *REFUSED, "20_messages_think_tools_qwen35.jsonl"}


@pytest.mark.parametrize("name", UNDERSTOOD)
def test_every_row_is_understood(name: str) -> None:
    results = outcome(name)
    results = [r for r in results if isinstance(r, Example) or r.kind not in NOTES]
    assert [r for r in results if isinstance(r, Fault)] == []
    shapes = Counter(r.shape for r in results if isinstance(r, Example))
    assert shapes == dict([UNDERSTOOD[name]])
    for result in results:
        assert isinstance(result, Example)
        assert all(m.content.strip() or m.extra for m in result.messages)
        assert fill(result, Names((), ())) == (result, frozenset())


@pytest.mark.parametrize("name", REFUSED)
def test_every_row_is_refused_with_a_way_out(name: str) -> None:
    kind, count, word = REFUSED[name]
    results = outcome(name)
    assert len(results) == count
    for result in results:
        assert isinstance(result, Fault)
        assert result.kind == kind
        assert result.found
        assert result.hint is not None and word in result.hint.en and result.hint.zh


def test_gb18030_is_read_once_it_is_named() -> None:
    results = outcome("22_csv_gb18030_medical.csv", "gb18030")
    assert Counter(type(r).__name__ for r in results) == {"Example": 2243}
    first = results[0]
    assert isinstance(first, Example)
    assert first.messages[0].content.startswith("我有高血压这两天女婿来的时候")
    assert first.messages[1].content.startswith("高血压病人可以口服党参的。")


def test_pictures_and_video_are_refused_among_rows_that_are_fine() -> None:
    results = outcome("20_messages_think_tools_qwen35.jsonl")
    faults = {r.origin.line: r for r in results if isinstance(r, Fault)}
    assert (len(results), sorted(faults)) == (17, [13, 14, 15, 16, 17])
    assert {(f.kind, word(f.found)) for f in faults.values()} == {
        ("wrong-type", "type: image"),
        ("wrong-type", "type: video"),
    }
    third, tenth = results[2], results[9]
    assert isinstance(third, Example) and isinstance(tenth, Example)
    assert third.messages[-1].extra["reasoning_content"] == "\n这是 reasoning_content 内容\n"
    assert [m.weight for m in tenth.messages if m.role == "assistant"] == [1.0, 0.0, 1.0, 1.0]


def test_calls_reasoning_and_tools_reach_the_template() -> None:
    results = outcome("15_toolcall_messages_reason.jsonl")
    turns = [m for r in results if isinstance(r, Example) for m in r.messages]
    assert Counter(key for m in turns for key in m.extra) == {
        "reasoning_content": 112,
        "tool_calls": 53,
    }
    calls = [call for m in turns for call in m.extra.get("tool_calls", ())]
    assert len(calls) == 68
    assert all(isinstance(call["function"]["arguments"], dict) for call in calls)
    first = outcome("13_toolcall_glaive_zh.json")[0]
    assert isinstance(first, Example)
    assert [m.role for m in first.messages] == ["user", "assistant", "tool", "assistant"]
    call = first.messages[1].extra["tool_calls"][0]["function"]
    assert call["name"] == first.tools[0]["function"]["name"] == "generate_invoice"
    assert call["arguments"]["customer_name"] == "约翰·多伊"


def test_origins_point_into_the_file() -> None:
    for name, index, line in (
        ("03_alpaca_en_instruction-data.json", 1, 7),
        ("29_jsonl_that_is_an_array.jsonl", 1, 11),
        ("35_crlf_prompts_zh.json", 1, 6),
        ("42_dir_of_jsonlines", 92, 1),
    ):
        result = outcome(name)[index]
        assert result.origin.line == line
        assert Path(result.origin.file).exists()


def test_identity_rows_need_both_names() -> None:
    source = parse_source(str(SHARED / "self_cognition" / "self_cognition_placeholders.jsonl"))
    assert isinstance(source, Source)
    examples = [to_example(row, "x") for row in read_rows(source) if isinstance(row, Row)]
    names = Names(("小速", "Suru"), ("某团队", "A Team"))
    filled = [fill(e, names) for e in examples if isinstance(e, Example)]
    assert len(filled) == 134
    texts = [f[0].messages[-1].content for f in filled if not isinstance(f, Fault)]
    assert len(texts) == 134
    assert not any("{{" in text for text in texts)
    assert sum("Suru" in text or "A Team" in text for text in texts) > 20
    assert not any("小速" in text and text.isascii() for text in texts)
    missing = [fill(e, Names(("x",), ())) for e in examples if isinstance(e, Example)]
    kinds = Counter(f.kind for f in missing if isinstance(f, Fault))
    assert set(kinds) == {"unresolved-placeholder"}
