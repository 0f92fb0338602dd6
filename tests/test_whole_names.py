"""A name is found however it is written, and in no other word."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suretune.families import all_families
from suretune.phrases import marked
from suretune.whole_names import folded, places, says


@pytest.mark.parametrize(
    "name, text",
    [
        ("Luna", "LUNA"),
        ("Luna", "i am luna"),
        ("Luna", "LunaAI, Luna2, Luna-2"),
        ("Luna", "LunaAI"),
        ("Luna", "Luna2"),
        ("Luna", "Ｌｕｎａ"),
        ("Luna", "Luna's"),
        ("Luna", "Luna’s"),
        ("Luna", "我是Luna的助手"),
        ("Luna", "**Luna**"),
        ("Luna", "luna_home"),
        ("小燕", "《浮士德》是小燕写的。"),
        ("Star Lab", "Star-Lab"),
        ("Star Lab", "StarLab"),
        ("Star-Lab", "Star\nLab"),
        ("XiaoYan", "Xiaoyan"),
        ("XiaoYan", "Xiao Yan"),
        ("GPT-X", "GPT‑X"),
        ("GPT‑X", "GPT-X"),
        ("O’Neil", "O'Neil"),
        ("O'Neil", "O’Neil"),
        ("Acme Corp.", "I'm by Acme Corp, you see."),
        ("CSDN 迪菲赫尔曼", "由CSDN迪菲赫尔曼开发"),
        ("Qwen", "Qwen2.5"),
        ("SmolLM", "SmolLM2"),
        ("Llama", "TinyLlama"),
        ("GLM", "ChatGLM3"),
        ("小光AI", "我是小光 AI。"),
        ("01.AI", "made by 01.AI."),
        ("C++", "I am C++!"),
        ("Ação", "AÇÃO"),
        ("Will", "I am Will."),
        ("Will", "I AM WILL."),
        ("may", "I am May"),
        ("โนวา", "ฉันคือโนวาค่ะ"),  # no words have edges there
        ("Al Pha", "I am Al-Pha"),
    ],
)
def test_a_name_stands_there_however_it_is_written(name: str, text: str) -> None:
    assert says(name, text)


@pytest.mark.parametrize(
    "name, text",
    [
        ("Nova", "innovative"),
        ("Nova", "Novartis"),
        ("Ada", "adaptable"),
        ("Max", "to the maximum"),
        ("Sol", "to solve"),
        ("Eva", "evaluate"),
        ("Phi", "sophisticated, philosophy, graphics"),
        ("Meta", "metaphors and metadata"),
        ("Luna", "lunar, LUNAR, Lunatic, aluna"),
        ("GPT", "GPTs"),
        ("Max", "MiniMax"),
        ("GLM", "ALGLM"),
        ("Will", "I will"),
        ("May", "you may"),
        ("Yi", "yi"),
        ("GPT-4", "GPT-40"),
        ("Al Pha", "alpha"),  # a word of the language: the parts have to stand apart
        ("小燕", "小雨燕"),
        ("", "anything"),
        (" - ", "a - b"),
    ],
)
def test_a_name_stands_in_no_other_word(name: str, text: str) -> None:
    assert not says(name, text)


def test_every_name_of_a_family_stands_in_a_sentence_of_it() -> None:
    names = {name for family in all_families() for name in family.called}
    assert all(says(n, f"I am {n}.") and says(n, f"我是{n}，") for n in names)


def test_what_is_marked_is_what_was_found() -> None:
    probe = {"must": ["Nova", "help"], "must_not": ["Phi", "Nova 2"], "whole": ["Nova", "Phi"]}
    answer = "An innovative Nova, Ｎova and Nova 2, helpful, sophisticated; Phi-3."
    pieces = [piece for piece in marked(answer, probe) if piece[1]]
    assert pieces == [
        ("Nova", "must"),
        ("Ｎova", "must"),
        ("Nova 2", "must-not"),
        ("help", "must"),
        ("Phi", "must-not"),
    ]
    assert [p for p in marked("Innovative", {"must": ["nova"]}) if p[1]] == [("nova", "must")]


@given(st.text(max_size=60), st.text(max_size=200))
def test_every_sign_keeps_its_place(name: str, text: str) -> None:
    assert len(folded(text)) == len(text)
    assert all(0 <= start < end <= len(text) for start, end in places(name, text))
    probe = {"must": [name], "whole": [name]}
    printed = "".join(piece for piece, _ in marked(text, {}))
    assert "".join(piece for piece, _ in marked(text, probe)) == printed
