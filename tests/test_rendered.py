"""Text that a template has written already: read back into turns, or refused with the reason."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import as_json, codes, shared, within, write_rows
from families import FAMILIES, make_tokenizer
from suretune.data.blank import is_blank
from suretune.data.examples import to_example
from suretune.data.rendered import end_mark, without_end
from suretune.data.template import ChatTokenizer, load_tokenizer
from suretune.guards import judge
from suretune.types import Example, Fault, Message, Origin, Row

HERE = Origin("rows.jsonl", 1)
TALK = (("user", "Price of  the\n\n lamp?"), ("assistant", "- 3 euros\n- *cheap*"))
LONGER = (*TALK, ("user", "And two?"), ("assistant", "6"))
SYSTEM = ("system", "You are a clerk.\nBe brief.")
Turns = tuple[tuple[str, str], ...]


def chatml(turns: Turns) -> str:
    return "".join(f"<|im_start|>{role}\n{said}<|im_end|>\n" for role, said in turns)


def phi_4(turns: Turns) -> str:
    return "".join(f"<|im_start|>{role}<|im_sep|>{said}<|im_end|>" for role, said in turns)


def llama_2(turns: Turns) -> str:
    system = f"<<SYS>>\n{turns[0][1]}\n<</SYS>>\n\n" if turns[0][0] == "system" else ""
    flat = [said for role, said in turns if role != "system"]
    text = ""
    for index in range(0, len(flat), 2):
        asked = f"{system if not index else ''}{flat[index]}"
        text += f"<s>[INST] {asked} [/INST] {flat[index + 1]} </s>"
    return text


def mistral(turns: Turns) -> str:
    flat = [said for role, said in turns if role != "system"]
    pairs = zip(flat[::2], flat[1::2], strict=True)
    return "<s>" + "".join(f"[INST]{asked}[/INST]{said}</s>" for asked, said in pairs)


def llama_3(turns: Turns) -> str:
    return "<|begin_of_text|>" + "".join(
        f"<|start_header_id|>{role}<|end_header_id|>\n\n{said}<|eot_id|>" for role, said in turns
    )


def gemma(turns: Turns) -> str:
    names = {"assistant": "model"}
    return "<bos>" + "".join(
        f"<start_of_turn>{names.get(role, role)}\n{said}<end_of_turn>\n" for role, said in turns
    )


def phi_3(turns: Turns) -> str:
    return "".join(f"<|{role}|>\n{said}<|end|>\n" for role, said in turns) + "<|endoftext|>"


def zephyr(turns: Turns) -> str:
    return "".join(f"<|{role}|>\n{said}</s>\n" for role, said in turns)


def glm_4(turns: Turns) -> str:
    return "[gMASK]<sop>" + "".join(f"<|{role}|>\n{said}" for role, said in turns)


def deepseek(turns: Turns) -> str:
    marks = {"system": "", "user": "<｜User｜>", "assistant": "<｜Assistant｜>"}
    return "<｜begin▁of▁sentence｜>" + "".join(
        f"{marks[role]}{said}{'<｜end▁of▁sentence｜>' * (role == 'assistant')}"
        for role, said in turns
    )


def vicuna(turns: Turns) -> str:
    marks = {"system": "", "user": "USER: ", "assistant": "ASSISTANT: "}
    text = "".join(
        f"{marks[role]}{said}{'</s>' if role == 'assistant' else ' '}" for role, said in turns
    )
    return text.strip()


def alpaca(turns: Turns) -> str:
    marks = {"system": "", "user": "### Instruction:\n", "assistant": "### Response:\n"}
    return "\n\n".join(f"{marks[role]}{said}" for role, said in turns)


def hashes(turns: Turns) -> str:
    names = {"user": "Human", "assistant": "Assistant", "system": "System"}
    return "\n".join(f"### {names[role]}: {said}" for role, said in turns)


def guanaco(turns: Turns) -> str:
    names = {"user": "Human", "assistant": "Assistant", "system": "System"}
    return "".join(f"### {names[role]}: {said}" for role, said in turns)


def human(turns: Turns) -> str:
    names = {"user": "Human", "assistant": "Assistant", "system": "System"}
    return "".join(f"\n\n{names[role]}: {said}" for role, said in turns)


def bot(turns: Turns) -> str:
    names = {"user": "User", "assistant": "Bot", "system": "System"}
    return "\n".join(f"{names[role]}: {said}" for role, said in turns)


def chinese(turns: Turns) -> str:
    names = {"user": "用户", "assistant": "助手", "system": "系统"}
    return "\n".join(f"{names[role]}：{said}" for role, said in turns)


FORMS = (
    chatml, phi_4, llama_2, mistral, llama_3, gemma, phi_3, zephyr, glm_4, deepseek, vicuna, alpaca,
    hashes, guanaco, human, bot, chinese,
)  # fmt: skip
NO_SYSTEM = (mistral, guanaco)


def read(value: dict[str, Any]) -> Example | Fault:
    return to_example(Row(HERE, value), "rows")


def said(value: dict[str, Any]) -> Turns:
    example = read(value)
    assert isinstance(example, Example), example
    return tuple((m.role, m.content) for m in example.messages)


# --- whole texts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS, ids=lambda f: f.__name__)
@pytest.mark.parametrize("talk", [TALK, LONGER, (SYSTEM, *TALK), (SYSTEM, *LONGER)])
def test_a_rendered_conversation_is_read_back_to_the_character(form: Any, talk: Turns) -> None:
    if talk[0] == SYSTEM and form in NO_SYSTEM:
        talk = talk[1:]
    assert said({"text": form(talk)}) == talk
    example = read({"text": form(talk)})
    assert isinstance(example, Example) and example.rendered and example.shape == "messages"


LETTERS = st.characters(
    codec="utf-8", exclude_characters="<>[]#:|", exclude_categories=["Cs", "Cc"]
)
WORDS = st.text(LETTERS, min_size=1).filter(lambda t: t == t.strip() and not is_blank(t))


@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=4), st.sampled_from(FORMS))
def test_whatever_was_said_comes_back(pairs: list[tuple[str, str]], form: Any) -> None:
    talk = tuple(t for ask, tell in pairs for t in (("user", ask), ("assistant", tell)))
    assert said({"text": form(talk)}) == talk


@pytest.mark.parametrize("name", [n for n in FAMILIES if not n.startswith("deepseek")])
def test_what_a_real_template_writes_is_read_back(name: str, tmp_path: Path) -> None:
    template = (shared("chat_templates") / f"{name}.jinja").read_text("utf-8")
    tokenizer = load_tokenizer(make_tokenizer(tmp_path / "t", name, template))
    assert isinstance(tokenizer, ChatTokenizer)
    text = tokenizer.render([Message(*turn) for turn in LONGER], prompt=False)
    found = said({"text": text})
    bare = tuple(turn for turn in found if turn[0] != "system")
    thought = "<think>\n\n</think>\n\n" if name == "Qwen-Qwen3-0.6B" else ""
    assert bare == (*LONGER[:-1], ("assistant", thought + "6"))


def test_blanks_that_belong_to_a_content_are_kept_where_a_form_marks_its_end() -> None:
    talk = (("user", "  a\n"), ("assistant", "\n\tb  \n"))
    for form in (chatml, phi_4, gemma):
        assert said({"text": form(talk)}) == talk


def test_what_the_format_brings_is_not_taken_for_a_system_prompt() -> None:
    below = (
        "Below is an instruction that describes a task. Write a response that appropriately "
        "completes the request."
    )
    assert said({"text": f"{below}\n\n{alpaca(TALK)}"}) == TALK
    told = (
        "system", "Cutting Knowledge Date: December 2023\nToday Date: 26 Jul 2024\n\nBe brief."
    )  # fmt: skip
    assert said({"text": llama_3((told, *TALK))}) == (("system", "Be brief."), *TALK)


def test_alpacas_input_stands_under_its_instruction() -> None:
    text = "### Instruction:\nAdd.\n\n### Input:\n2 3\n\n### Response:\n5"
    assert said({"text": text}) == (("user", "Add.\n2 3"), ("assistant", "5"))


def test_a_prompt_for_one_more_answer_at_the_end_is_no_turn() -> None:
    assert said({"text": chatml(TALK) + "<|im_start|>assistant\n"}) == TALK


@pytest.mark.parametrize(
    "text",
    [
        "Once upon a time, a Human: he said.",
        "# Notes\n\n### Instructions for use\nNone.\n\n### Answers\nNone.",
        "User: a\nUser: b\nAssistant: c",
        "The prompt ends with [/INST] in Llama-2.",
        "USER: nobody answers",
    ],
)
def test_plain_text_stays_plain_text(text: str) -> None:
    assert said({"text": text}) == (("text", text),)


@pytest.mark.parametrize(
    "text",
    [
        "<|im_start|>user\nHi<|im_start|>assistant\nHello<|im_end|>",
        "<|im_start|>user\nHi<|im_end|>\nstray\n<|im_start|>assistant\nHello<|im_end|>",
        "<|im_start|>boss\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>",
        "A chat.\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello<|im_end|>",
        "[INST] Hi [INST] again [/INST] Hello</s>",
        "<start_of_turn>user\nHi<end_of_turn>\n<start_of_turn>model Hello<end_of_turn>",
    ],
)
def test_what_does_not_parse_is_refused_and_its_advice_works(text: str) -> None:
    fault = read({"text": text})
    assert isinstance(fault, Fault) and fault.kind == "unreadable-rendering"
    (found,) = judge(fault)
    assert found.code == "D014" and '`{"messages": [' in found.fix.en
    assert "strip_role_tokens" not in found.fix.en + found.fix.zh
    turns = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]
    assert isinstance(read({"messages": turns}), Example)
    spoken_of = re.sub(r"<(\W?)(?=[a-z])", r"<\1 ", text).replace("INST]", "INST ]")
    assert said({"text": spoken_of}) == (("text", spoken_of),)


# --- prompts and answers --------------------------------------------------------------------------

WRAPPED = [
    {"instruction": "[INST] Who? [/INST]", "output": "Glow. </s>"},
    {"instruction": "<s>[INST] Who? [/INST]", "output": " Glow."},
    {"prompt": chatml((("user", "Who?"),)) + "<|im_start|>assistant\n",
     "completion": "Glow.<|im_end|>"},
    {"prompt": chatml((("user", "Who?"),)) + "<|im_start|>assistant", "completion": "\nGlow."},
    {"query": chatml((("user", "Who?"),)),
     "response": "<|im_start|>assistant\nGlow.<|im_end|>"},
    {"query": chatml((("user", "Who?"),)), "response": "Glow."},
    {"prompt": "### Instruction:\nWho?\n\n### Response:", "completion": " Glow."},
    {"prompt": "Human: Who?\n\nAssistant:", "completion": " Glow."},
    {"instruction": "User: Who?\nBot:", "output": "Glow."},
    {"instruction": "用户：Who?\n助手：", "output": "Glow."},
    {"prompt": "<|user|>\nWho?<|end|>\n<|assistant|>\n", "completion": "Glow.<|end|>"},
    {"messages": [{"role": "user", "content": "[INST] Who? [/INST]"},
                  {"role": "assistant", "content": "Glow.</s>"}]},
    {"messages": [{"role": "user", "content": "<start_of_turn>user\nWho?<end_of_turn>"},
                  {"role": "assistant", "content": "Glow.<end_of_turn>"}]},
]  # fmt: skip


@pytest.mark.parametrize("row", WRAPPED, ids=str)
def test_a_wrapped_prompt_is_unwrapped_with_its_answer(row: dict[str, Any]) -> None:
    assert said(row) == (("user", "Who?"), ("assistant", "Glow."))


def test_a_wrapped_prompt_brings_its_system_prompt_and_its_history() -> None:
    prompt = chatml((SYSTEM, *TALK, ("user", "And two?"))) + "<|im_start|>assistant\n"
    assert said({"prompt": prompt, "completion": "6"}) == (SYSTEM, *LONGER)
    other = {"prompt": prompt, "completion": "6", "system": "Another."}
    assert isinstance(read(other), Fault)
    assert said({**other, "system": SYSTEM[1]}) == (SYSTEM, *LONGER)


def test_an_answer_that_the_prompt_begins_is_one_answer() -> None:
    prompt = chatml((("user", "Who?"),)) + "<|im_start|>assistant\nI am "
    assert said({"prompt": prompt, "completion": "Glow."})[-1] == ("assistant", "I am Glow.")


def test_an_answer_that_words_begin_goes_on_behind_a_blank() -> None:
    row = {"prompt": "Human: Who?\n\nAssistant: I am", "completion": " Glow."}
    assert said(row) == (("user", "Who?"), ("assistant", "I am Glow."))


@pytest.mark.parametrize(
    "asked",
    [
        "User: How are you?\nBot: Fine. Is this reply polite?",
        "用户：今天天气怎么样？\n助手：晴天。\n请评价上面的回复。",
    ],
)
def test_what_is_asked_about_a_conversation_is_no_answer_that_was_begun(asked: str) -> None:
    assert said({"query": asked, "response": "Yes."}) == (("user", asked), ("assistant", "Yes."))


def test_words_that_look_like_headers_inside_a_chat_are_left_alone() -> None:
    row = {"query": "Summarise:\nHuman: a\nAssistant: b", "response": "User: a\nAssistant: b"}
    assert said(row) == (("user", row["query"]), ("assistant", row["response"]))


@pytest.mark.parametrize("mark", ["<|im_end|>", "<|eot_id|>", "</s>", "<end_of_turn>", "<|end|>",
                                  "<|endoftext|>", "<｜end▁of▁sentence｜>", "<eos>"])  # fmt: skip
def test_an_end_token_of_any_family_is_told_and_the_advice_takes_it_off(
    mark: str, tmp_path: Path
) -> None:
    file = write_rows(
        tmp_path / "rows.jsonl", [{"query": "Who?", "response": f"Glow. {mark}\n"}] * 3
    )
    words = ("check", "--model", "pocket", "--dataset", file, "--split_dataset_ratio", 0, "--json")
    done = within(*words)
    assert done.returncode == 3 and "D014" in codes(done)
    finding = next(f for f in as_json(done)["findings"] if f["code"] == "D014")
    assert mark in str(finding) and "--strip_role_tokens true" in str(finding)
    obeyed = within(*words, "--strip_role_tokens", "true")
    assert obeyed.returncode == 0 and "D014" not in codes(obeyed)


@pytest.mark.parametrize("head", ["<|start_header_id|>assistant<|end_header_id|>\n\n",
                                  "<|im_start|>assistant\n", "<start_of_turn>model\n"])  # fmt: skip
def test_half_a_wrapping_is_told_and_the_advice_takes_it_off(head: str, tmp_path: Path) -> None:
    row = {"query": "Who?", "response": f"{head}Glow."}
    file = write_rows(tmp_path / "rows.jsonl", [row] * 3)
    words = ("check", "--model", "pocket", "--dataset", file, "--split_dataset_ratio", 0)
    done = within(*words, "--json")
    assert done.returncode == 3 and "D014" in codes(done)
    obeyed = within(*words, "--preview", 1, "--strip_role_tokens", "true")
    assert obeyed.returncode == 0 and "⟦Glow.<|im_end|>⟧" in obeyed.stdout


PARTS = (
    " ", "\n", "[INST] ", "[INST] a [/INST] ", "USER: a ASSISTANT: b ", "</s>", "### ", "<<SYS>>",
    "<|im_start|>user\n", "<|user|>", "\n\nHuman: a\n\nAssistant: b",
)  # fmt: skip


def test_strangers_texts_are_read_in_linear_time() -> None:
    from time import perf_counter

    start = perf_counter()
    for part in PARTS:
        text = part * (200_000 // len(part))
        for value in (
            {"text": f"a{text}b"},
            {"text": f"{text}b"},
            {"query": text, "response": text},
        ):
            read(value)
    assert perf_counter() - start < 30


def test_html_and_quoted_end_tokens_are_text() -> None:
    for text in ("old <s>price</s>", "It ends with `</s>`", "a </s> b", "plain"):
        assert end_mark(text) == "" and without_end(text) == text
    assert without_end("Glow.</s><|im_end|>\n") == "Glow."


# --- the command ----------------------------------------------------------------------------------


def test_check_reads_rendered_rows_and_says_so(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "rows.jsonl", [{"text": chatml((SYSTEM, *TALK))}] * 4)
    done = within("check", "--model", "pocket", "--dataset", file, "--split_dataset_ratio", 0,
                    "--preview", 1)  # fmt: skip
    assert done.returncode == 0 and "D040" in done.stdout and "P005" not in done.stdout
    assert "⟦- 3 euros" in done.stdout  # the answer is learned, and nothing else


def test_the_field_case_is_read(tmp_path: Path) -> None:
    file = shared("chat_templates").parent.parent / "field" / "textchat" / "formatted.jsonl"
    if not file.exists():
        pytest.skip(f"{file} is not there")
    done = within("check", "--model", "pocket", "--dataset", file, "--split_dataset_ratio", 0,
                    "--preview", 1)  # fmt: skip
    assert done.returncode == 0 and "D040" in done.stdout
    assert "⟦Item 0 costs 3 euros.<|im_end|>⟧" in done.stdout
