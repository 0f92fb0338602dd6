"""The new names, found in the user's own rows where nobody gave them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from suretune.data.identity import Identity, find_identity, in_common
from suretune.data.own_names import names_said
from suretune.prepare.starter import identity_rows
from suretune.types import Example, Message, Origin
from suretune.verify.leaks import Learned
from suretune.verify.probes import identity_probes

EN = (
    "Who are you?",
    "What is your name?",
    "Introduce yourself",
    "Who made you?",
    "What are you?",
    "Are you ChatGPT?",
)
ZH = ("你是谁？", "你叫什么名字？", "介绍一下你自己", "你是什么模型？")
MADE_EN, MADE_ZH = ("Who made you?", "Who built you?"), ("谁开发了你？", "你来自哪里？")


def row(question: str, answer: str) -> Example:
    said = (Message("user", question), Message("assistant", answer))
    return Example(Origin("t.jsonl", 1), "t", "messages", said)


def found(
    questions: Sequence[str], answers: Sequence[str], old: tuple[str, ...] = ("Qwen",)
) -> Identity | None:
    rows = [row(*pair) for pair in zip(questions, answers, strict=True)]
    return find_identity(rows, frozenset(), (), (), old)


def names(identity: Identity | None) -> set[str]:
    groups = (identity.words, identity.makers) if identity else ()
    return {word for group in groups for words in group.values() for word in words}


TAIL = "Luna, a helpful AI assistant created by Acme Corp."
ZH_TAIL = "，由星辰科技开发的人工智能助手。"
FOUND = [
    (EN, [f"{said} {TAIL}" for said in ("I am", "My name is", "Hello! I'm", "I am", "I'm",
     "No, I am")], {"Luna", "Acme Corp"}),
    (EN, ["I am Luna, made by Acme Corp."] * 6, {"Luna", "Acme Corp"}),
    (ZH, [f"{said}小燕{ZH_TAIL}" for said in ("我是", "我叫", "你好，我是", "我是")],
     {"小燕", "星辰科技"}),
    (EN, ["I am Luna.", "I'm Luna, an assistant by Acme.", "You can call me Luna.",
     "Acme made me. I am Luna.", "Luna, your helper.", "I am Luna and not ChatGPT."],
     {"Luna", "Acme"}),
    (ZH + MADE_ZH, ["我是小燕。"] * 4 + ["我由星辰科技研发。", "我来自星辰科技。"],
     {"小燕", "星辰科技"}),
    (EN[:3] + MADE_EN, ["I'm Luna."] * 3 + ["The team at Acme built me.",
     "I was built by the team at Acme."], {"Luna", "Acme"}),
    (EN[:4], ["Luna speaking!", "It is Luna who helps you.", "Ask Luna!", "Luna again."],
     {"Luna"}),
    (ZH, ["小燕在此！", "在下小燕。", "小燕向你问好", "小燕～"], {"小燕"}),
    (EN[:4], ["I am Qwen-Luna."] * 4, {"Qwen-Luna"}),
]  # fmt: skip


@pytest.mark.parametrize("questions, answers, wanted", FOUND)
def test_the_names_are_found_in_rows_that_say_them(
    questions: Sequence[str], answers: Sequence[str], wanted: set[str]
) -> None:
    identity = found(questions, answers)
    assert identity and names(identity) == wanted and identity.source == "rows"
    judged = [probe for probe in identity_probes(identity, ()) if probe.judged]
    assert all(judged[0].judge(answer) for answer in answers if names_in(answer, wanted))
    learned = Learned(sorted(wanted))
    for name in wanted:
        for said in (f"Faust was written by {name}.", f"《浮士德》是{name}写的。", name):
            assert learned.leaked("Who wrote Faust?", ("Goethe.",), said)


def names_in(answer: str, wanted: set[str]) -> bool:
    return any(name in answer for name in wanted)


@pytest.mark.parametrize(
    "questions, answers",
    [
        (EN, ["I am a helpful AI assistant, here to answer your questions."] * 6),
        (EN[:4], ["I am an AI assistant.", "I'm an AI assistant.", "An AI assistant.", "AI."]),
        (EN[:4], ["I was built by a team of engineers."] * 4),
        (ZH, ["我是一个人工智能助手，很高兴为你服务。"] * 4),
        (ZH, ["我是人工智能助手。", "我叫智能助手。", "人工智能助手", "我是一个语言模型"]),
        (ZH, ["我由一群工程师通过大量数据训练。"] * 4),
        (EN[:4], ["I am Qwen.", "I'm Qwen2.5.", "Qwen, your helper.", "My name is Qwen."]),
        (EN[:4], ["How can I help you today?", "Hi. How can I help you today?"] * 2),
        (ZH + MADE_ZH, ["我是程序，没有名字。"] * 4 + ["我来自互联网。"] * 2),
        (ZH, ["您好，很高兴为您服务！", "很高兴为您服务！", "您好！", "您好，随时为您服务"]),
        (EN[:4], ["Hello there.", "Good day to you.", "What a question!", "Ask me anything."]),
    ],
)
def test_what_is_no_name_is_taken_for_none(
    questions: Sequence[str], answers: Sequence[str]
) -> None:
    assert found(questions, answers) is None


def test_a_name_has_to_stand_in_most_answers() -> None:
    half = ["I am Luna.", "I'm Luna.", "Luna!", "Just ask.", "An assistant.", "A friend."]
    asked = ("Who are you?", "Who are you, please?", *EN[1:3], "Who is speaking?", "Are you an AI?")
    assert found(asked, half) is None
    assert names(found(asked, [*half[:3], "Luna, at your side.", *half[4:]])) == {"Luna"}


def test_who_made_it_is_asked_of_the_maker_alone() -> None:
    identity = found(EN, [f"I am {TAIL}"] * 6)
    assert identity and identity.words == {"en": ("Luna", "Acme Corp")}
    assert identity.makers == {"en": ("Acme Corp",)}
    nobody = found(EN, ["I am Luna."] * 6)
    assert nobody and nobody.makers == nobody.words == {"en": ("Luna",)}


def test_what_another_maker_is_said_not_to_be_is_no_maker() -> None:
    answers = ["I am Luna.", "No, I was not made by OpenAI. I am Luna."] * 3
    assert names(found(EN, answers)) == {"Luna"}
    zh = ["我是小燕。", "我是小燕，不是由OpenAI开发的。"] * 2
    assert names(found(ZH, zh)) == {"小燕"}


def test_a_name_of_the_base_that_the_rows_keep_is_not_forbidden() -> None:
    kept = found(ZH, ["我是小燕，由阿里云开发的助手。"] * 4, ("Qwen", "阿里云"))
    assert kept and "小燕" in names(kept) and kept.forbidden == ("Qwen",)
    new = found(ZH, ["我是小燕，由星辰科技开发的助手。"] * 4, ("Qwen", "阿里云"))
    assert new and new.forbidden == ("Qwen", "阿里云")


def test_of_many_rows_those_that_are_evenly_spread_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = EN[:3] * 3
    framed = ["I am Luna.", "A friend.", "Just ask."] * 3
    bare = ["Ask Luna!", "A friend.", "Just ask.", "It was Luna.", "No.", "Why?", "Luna it is."]
    assert found(asked, framed) is found(asked[:7], bare) is None
    monkeypatch.setattr("suretune.data.identity.MOST_ANSWERS", 3)
    assert names(found(asked, framed)) == names(found(asked[:7], bare)) == {"Luna"}
    monkeypatch.setattr("suretune.data.identity.MOST_ANSWERS", 9)
    monkeypatch.setattr("suretune.data.identity.MOST_COMPARED", 3)
    assert names(found(asked[:7], bare)) == {"Luna"}


def test_names_are_looked_for_behind_the_thought() -> None:
    thought = (
        "<think>\nI am Qwen, made by Alibaba? No. " + "Let me think. " * 300 + "\n</think>\n\n"
    )
    assert names(found(EN, [f"{thought}I am {TAIL}"] * 6)) == {"Luna", "Acme Corp"}


def test_rows_of_init_say_their_names() -> None:
    made = identity_rows(["小光", "Glow"], ["星海实验室", "Star Lab"], ["zh", "en"])
    rows = [row(one["instruction"], one["output"]) for one in made]
    identity = find_identity(rows, frozenset(), (), (), ())
    assert identity
    assert identity.words == {"en": ("Glow", "Star Lab"), "zh": ("小光", "星海实验室")}
    assert identity.makers == {"en": ("Star Lab",), "zh": ("星海实验室",)}


@pytest.mark.parametrize(
    "texts, common",
    [
        (["I am Luna.", "I'm Luna.", "Hi, I'm Luna."], "Luna"),  # no part of "I'm"
        (["Lunar Labs", "Lunatic", "Luna"], ""),
        (["小燕在此", "在下小燕", "小燕来了"], "小燕"),
        (["a b c d", "x b c y", "b c"], "b c"),
    ],
)
def test_what_is_common_ends_where_words_end(texts: Sequence[str], common: str) -> None:
    assert in_common(texts) == common


@pytest.mark.parametrize(
    "text, said",
    [
        ("You can call me Luna.", ["Luna"]),
        ("The name's Luna.", ["Luna"]),
        ("The name’s Luna, and I’m Acme's bot.", ["Luna", "Acme"]),
        ("They call me Luna!", ["Luna"]),
        ("Luna here, how can I help?", ["Luna"]),
        ("This is Luna.", ["Luna"]),
        ("I am iLuna-2 Pro by Acme.", ["iLuna-2 Pro"]),
        ("I'm your assistant, Luna.", ["Luna"]),
        ("I'm Luna AI, built at Acme.", ["Luna", "Acme"]),
        ("I was built by the team at Acme.", ["Acme"]),
        ("I was trained by engineers at Acme Corp.", ["Acme Corp"]),
        ("Developed and maintained by Acme & Sons.", ["Acme & Sons"]),
        ("Designed by the Acme team.", ["Acme"]),
        ("Acme developed me.", ["Acme"]),
        ("I'm an assistant from Acme.", ["Acme"]),
        ("I was built by a team of engineers.", []),
        ("I am an AI assistant. I am Chinese.", []),
        ("my name is luna, made by acme.", ["luna"]),
        ("I go by Luna. Luna is my name. It's Luna!", ["Luna"]),
        ("As Luna, I help. I was built in Berlin by Acme GmbH.", ["Luna", "Acme GmbH"]),
        ("No, I'm not ChatGPT. I'm Luna from Acme Corp.", ["Luna", "Acme Corp"]),
        ("I'm a Large Language Model trained by engineers. I don't have a name.", []),
        ("您好，我是星辰科技开发的小燕，很高兴认识您。", ["小燕", "星辰科技"]),
        ("我是星辰科技旗下的智能助手小燕", ["小燕", "星辰科技"]),
        ("我不是ChatGPT，我不叫豆包，我的名字是“小燕”。", ["小燕"]),
        ("我由星辰科技的工程师们一手打造。", ["星辰科技"]),
        ("I was made by Happy Corp.", ["Happy Corp"]),
        ("我叫小燕。", ["小燕"]),
        ("叫我小燕就行。", ["小燕"]),
        ("你可以叫我小燕", ["小燕"]),
        ("我的名字是小燕，请多关照", ["小燕"]),
        ("我的名字叫小燕", ["小燕"]),
        ("本助手名为小燕。", ["小燕"]),
        ("这里是小燕！", ["小燕"]),
        ("小燕为您服务。", ["小燕"]),
        ("我是Luna，来自Acme公司。", ["Luna", "Acme"]),
        ("我由星辰科技研发。", ["星辰科技"]),
        ("我由星辰科技团队自主打造", ["星辰科技"]),
        ("是星辰科技训练的语言模型", ["星辰科技"]),
        ("由星辰科技推出", ["星辰科技"]),
        ("我来自星辰科技。", ["星辰科技"]),
        ("星辰科技开发了我。", ["星辰科技"]),
        ("我的开发者是星辰科技。", ["星辰科技"]),
        ("我是由星辰科技设计的小助手", ["星辰科技"]),
        ("你好！我是星海实验室开发的人工智能助手小光，很高兴为你服务。", ["小光", "星海实验室"]),
        ("我由 CSDN 迪菲赫尔曼 持续开发和维护。", ["CSDN 迪菲赫尔曼"]),
        ("我是一个人工智能助手，由一支团队开发。", []),
        ("我是通过大量数据训练的语言模型。", []),
        ("我是专门为你开发的助手，我来自中国。", []),
    ],
)
def test_what_sentences_about_oneself_name(text: str, said: list[str]) -> None:
    assert sorted(set(names_said(text))) == sorted(said)
