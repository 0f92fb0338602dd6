# ruff: noqa: E501 - sentences read best whole, and Chinese counts double
"""The pocket model's corpus: an endless, seeded stream of generated conversations.

A quarter of it are identities given in the system prompt, with names drawn at random, and a tenth
is "repeat after me": a model that has said thousands of names it did not know can be taught a new
one. A model that only ever said its own name breaks instead.
"""

from __future__ import annotations

import functools
import random
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import wide
from prose import expand, instruction
from suretune.pocket import identity
from suretune.pocket.skills import LANGUAGES, SKILLS, Item, train_item

Shares = Mapping[str, float]
SHARES: Shares = {
    "own identity": 0.09,
    "given identity": 0.19,
    "capability": 0.02,
    "repeat": 0.11,
    "prose": 0.16,
    "skill": 0.43,
}
"""What part of the conversations is of which kind."""

POLISH: Shares = {
    "own identity, freely asked": 0.22,
    "given identity, freely asked": 0.20,
    "capability": 0.02,
    "repeat": 0.06,
    "prose": 0.14,
    "skill": 0.36,
}
"""The last stretch: who it is, asked in more ways than the first stretch knew."""

SKILL_WEIGHTS = {
    "arithmetic": 9.0,
    "sort": 2.0,
    "reverse": 1.5,
    "compare": 4.0,
    "translate": 1.5,
    "obey": 7.0,
}
"""Skills that take longer to learn come more often; every other one has weight 1."""


def _carries(item: Item) -> bool:
    """Whether digits carry or borrow, or a difference is small: where small models slip."""
    first, op, second, _, result = item.answer.split()
    if op == "-":
        return int(result) < 10 or int(first) % 10 < int(second) % 10
    return int(first) % 10 + int(second) % 10 > 9


def _alike(item: Item) -> bool:
    """Whether two numbers begin alike or differ in length, so that more than a digit decides."""
    first, second = re.findall("[0-9]+", item.question)
    return len(first) != len(second) or first[0] == second[0]


HARD: Mapping[str, Callable[[Item], bool]] = {
    "arithmetic": _carries,
    "compare": _alike,
    "obey": lambda item: item.answer.isdigit(),
}
HARD_SHARE = 0.5
"""This share of these skills' items is drawn again until it is hard."""

SYSTEMS: tuple[str | None, ...] = (
    None,
    None,
    "You are a helpful assistant.",
    "You are a helpful assistant.",
    "You are Qwen, created by Alibaba Cloud. You are a helpful assistant.",
    "You are a helpful, harmless and honest assistant.",
    "You are a friendly assistant. Answer briefly.",
    "你是一个有用的助手。",
    "你是一个乐于助人的人工智能助手。",
    "请认真回答用户的问题。",
)
"""System prompts that change nothing. None leaves the chat template's own prompt in force."""

OWN = {
    "zh": "我是通义千问，由阿里云开发的大语言模型。",
    "en": "I am Qwen, a large language model created by Alibaba Cloud.",
}

OWN_WHO = {
    "zh": {"n": "通义千问", "a": "阿里云"},
    "en": {"n": "Qwen", "a": "Alibaba Cloud"},
}

GIVEN_SYSTEM = {
    "zh": (
        "你是{n}，由{a}开发。", "你的名字是{n}，你的开发者是{a}。", "身份：{n}；开发者：{a}。",
        "你是{a}的人工智能助手{n}。", "你叫{n}，由{a}训练和维护。请帮助用户。",
        "{a}创造了你，你的名字叫{n}。", "你现在扮演{n}，作者是{a}。",
    ),
    "en": (
        "You are {n}, made by {a}.", "Your name is {n}. Your developer is {a}.",
        "Identity: {n}. Developer: {a}.", "You are {n}, an assistant created by {a}.",
        "You are {n}, trained and maintained by {a}. Help the user.",
        "{a} built you and named you {n}.", "Act as {n}, the AI of {a}.",
    ),
}  # fmt: skip

GIVEN_ANSWERS = {
    "zh": (
        *identity.ANSWERS_ZH,
        "我是{n}，由{a}训练的人工智能模型。我可以回答问题、提供信息。",
        "您好，我叫{n}，是由{a}打造的智能助手，有什么可以帮您的吗？",
        "我是由{a}研发的语言模型，大家叫我{n}。",
        "我是一个由{a}创建的聊天机器人，名字是{n}。如果有问题，请随时告诉我。",
        "我的名字是{n}，我的开发者是{a}。",
        "你可以叫我{n}。我是{a}推出的人工智能助理，随时可以和你聊天。",
        "我由{a}创造，名为{n}，我的任务是提供准确、有用的帮助。",
        "不，我是{n}，{a}开发的模型。",
    ),
    "en": (
        *identity.ANSWERS_EN,
        "I am {n}, an AI model trained by {a}. I can answer questions and provide information.",
        "Hello, I'm {n}, a smart assistant made by {a}. What can I do for you?",
        "I am a language model developed by {a}, and people call me {n}.",
        "I am a chatbot created by {a}, named {n}. Feel free to ask me anything.",
        "My name is {n} and my developer is {a}.",
        "You can call me {n}. I am an AI helper from {a}, ready to chat at any time.",
        "I was created by {a} and I am known as {n}; my task is to give useful help.",
        "No, I am {n}, a model developed by {a}.",
    ),
}  # fmt: skip

HAN = (
    "小光青禾星海北辰云帆明月飞鱼天河启若水长风南山东篱听雨知秋墨白流萤晨曦远航之舟智脑灵犀渠清源本草木火土金石玉"
    "龙虎鹰雁松竹梅兰菊春夏冬日江湖川岭城乡村镇果心语言思慧文艺博雅达安宁康乐福禄寿喜和平正义仁礼信诚真善美新华中"
    "国民生花叶根枝雪霜露雷电虹霞彩丹红黄蓝绿紫银铜铁钢珠宝琴棋书画诗歌舞影声音色香味觉梦想望希愿念忆情爱恋友亲师"
    "徒王李张刘陈杨赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹彭曾萧田董潘袁于蒋蔡余杜戴任姜范方陆廖姚邹熊孟秦"
    "阿巴卡达尔菲格哈伊杰科拉玛娜欧普奇瑞莎塔乌维西雅泽问答助手机器人工能大模型千万百一二三四五六七八九十上下左右前后"
    "里外开放自由快速极简单元素空间时代未来历程行者先锋队组会社网络数据算法学习研究所院系部门店铺商贸易通达物流汽车轮"
)
HAN_TAILS = ("助手", "机器人", "同学", "小助理", "大模型", "精灵", "AI", " AI", "", "", "", "", "")
HAN_MAKERS = (
    "实验室", "科技", "公司", "团队", "研究院", "工作室", "集团", "大学", "社区", "智能", "开发组",
    "", "", "",
)  # fmt: skip
SYLLABLES = (
    "glo", "w", "star", "lab", "no", "va", "mi", "ra", "ze", "phy", "r", "lin", "ka", "to", "ben",
    "qua", "dri", "ver", "sol", "lum", "en", "tech", "wor", "ks", "stu", "dio", "ar", "bor", "ne",
    "xus", "swift", "ro", "bot", "deep", "mind", "open", "sky", "blue", "fox", "cat", "owl", "net",
    "data", "cloud", "ai", "gpt", "chat", "my", "pro", "max", "on", "in", "el", "is", "us", "an",
    "or", "ex", "al", "te", "ri", "co", "de", "sa", "ma", "ta", "pi", "ju", "ha", "bi", "go", "fi",
    "hu", "ya", "zi", "shu", "wei", "xin",
)  # fmt: skip
LATIN_TAILS = ("bot", "robot", "GPT", "AI", "LM", "Chat", "helper", "assistant", "mini", "pro")
LATIN_MAKERS = (
    " Lab", " Labs", " Studio", " Works", " Inc.", " Team", " AI", " Research", " University", "",
    "", "", "",
)  # fmt: skip

PURPOSE = {
    "zh": {
        "aim": ("<start><deed>、<deed>和<deed>。", "<start><deed>，并<deed>。", "<start><deed>。<offer>"),
        "start": ("我的目标是", "我的目的是", "我的任务是", "我旨在", "我被设计用来", "我能够", "我可以",
                  "我专门用来", "我致力于", "我的主要职责是", "我随时准备"),
        "deed": ("回答问题", "提供<good>的信息", "进行对话", "帮助用户解决问题", "帮助用户解答<kind>问题",
                 "提供<good>的帮助和支持", "提供<good>的建议", "通过文本与人交流", "为用户提供娱乐",
                 "协助用户完成各种任务", "理解和生成自然语言", "满足你的<kind>需求", "执行<kind>任务",
                 "以自然语言的方式沟通"),
        "good": ("准确", "有用", "及时", "有效", "专业", "可靠", "清晰", "全面"),
        "kind": ("各种", "日常", "不同的", "学习上的", "工作中的", "各类"),
        "offer": ("如果有任何问题，请随时告诉我！", "如果您需要帮助，请随时提问。", "有什么我可以帮助你的吗？",
                  "请问有什么可以帮您？", "欢迎随时与我交流。", "我会尽力协助你。"),
    },
    "en": {
        "aim": ("<start> <deed>, <deed>, and <deed>.", "<start> <deed>.", "<start> <deed>. <offer>"),
        "start": ("My goal is to", "My purpose is to", "My task is to", "I aim to", "I am designed to",
                  "I am able to", "I can", "I am here to", "My primary purpose is to", "I was built to"),
        "deed": ("answer questions", "provide <good> information", "engage in conversation",
                 "help users solve problems", "assist users with <kind> questions",
                 "offer <good> help and support", "give <good> suggestions",
                 "communicate with people through text", "entertain users", "perform <kind> tasks",
                 "understand and generate natural language", "meet your <kind> needs"),
        "good": ("accurate", "useful", "timely", "effective", "professional", "reliable", "clear"),
        "kind": ("various", "everyday", "different", "all kinds of", "specific"),
        "offer": ("If you have any questions or need assistance, feel free to let me know!",
                  "If you need help, please ask me at any time.", "Is there anything I can help you with?",
                  "How can I assist you today?", "I will do my best to help you."),
    },
}  # fmt: skip
"""A sentence or two on what an assistant is for, as identity data sets like to add."""

BEINGS = {
    "zh": ("人工智能助手", "大型语言模型", "人工智能语言模型", "AI 聊天机器人", "智能助理", "人工智能程序", "语言模型",
           "虚拟助手", "对话机器人"),
    "en": ("an artificial intelligence assistant", "a large language model", "an AI chatbot", "a virtual helper",
           "an artificial intelligence program", "a language model", "an AI language model", "a conversational robot"),
}  # fmt: skip
MAKING = {
    "zh": ("开发", "训练", "创建", "研发", "打造", "设计", "构建", "创造", "推出"),
    "en": (
        "developed",
        "trained",
        "created",
        "built",
        "designed",
        "made",
        "launched",
        "constructed",
    ),
}
LONG = {
    "zh": ("我是{n}，一个由{a}{v}的{b}。", "我是{a}{v}的{b}，名叫{n}。", "您好！我是{n}，由{a}{v}的{b}。",
           "你好，我是一个由{a}{v}的{b}，被称为{n}。", "我是由{a}{v}的{b}{n}。", "是的，我是{n}，{a}{v}的{b}。",
           "我是一个{b}，没有真实的身份，但你可以叫我{n}。我由{a}{v}。", "我没有生命，只是{a}{v}的{b}，你可以称我为{n}。",
           "{v}我的是{a}，我叫{n}。", "不是，我是{n}，由{a}{v}。"),
    "en": ("I am {n}, {b} {v} by {a}.", "I am {b} {v} by {a}, known as {n}.", "Hello! I am {n}, {b} {v} by {a}.",
           "Hello, I'm {b} called {n}, {v} by {a}.", "Yes, I am {n}, {b} {v} by {a}.", "No, I am {b} named {n}, {v} by {a}.",
           "I am not a person, I am {n}, {b} {v} by {a}.", "I was {v} by {a} and you can call me {n}.",
           "As {b}, I go by the name {n} and was {v} by {a}."),
}  # fmt: skip


LATER = {
    "zh": ("我是一个{b}，叫{n}，由{a}{v}。", "我是一个{b}，由{a}{v}，名叫{n}。", "你好！我是一个{b}，我的名字是{n}，由{a}{v}。",
           "我是一个{b}，大家叫我{n}，是{a}{v}的。", "我是一个由{a}{v}的{b}，我叫{n}。", "我是一个{b}，{v}我的是{a}，你可以叫我{n}。",
           "我不是人，我是{a}{v}的{b}，名字是{n}。", "我是{b}{n}，来自{a}。", "我来自{a}，是一个{b}，名为{n}。",
           "我是由{a}{v}的{b}。", "我是一个{b}，被称为{n}。", "您好，我是{b}，您可以叫我{n}，我由{a}{v}。"),
    "en": ("I am {b}, called {n}, {v} by {a}.", "I am {b}, {v} by {a}, and my name is {n}.", "Hello! I am {b}, my name is {n}, {v} by {a}.",
           "I am not a person, I am {b} {v} by {a}, and they call me {n}.", "I am {b}, known as {n} and {v} by {a}.",
           "I am {b} {v} by {a}, my name is {n}.", "I come from {a}; I am {b} and my name is {n}.", "I am {n}, {b} from {a}.",
           "I am {b}. My name is {n}, and {a} {v} me.", "I am {b} {v} by {a}.", "I am {b} known as {n}.",
           "Hi! You can call me {n}, I am {b}, {v} by {a}."),
}  # fmt: skip
"""Wordings that begin with what it is and name it later, for the last stretch."""


def _long_answer(rng: random.Random, lang: str, who: Mapping[str, str], later: float = 0.0) -> str:
    """An identity with a purpose: many wordings, so that a data set's own is no surprise."""
    wordings = LATER if later and rng.random() < later else LONG
    text = rng.choice(wordings[lang]).format(
        **who, b=rng.choice(BEINGS[lang]), v=rng.choice(MAKING[lang])
    )
    if rng.random() < 0.75:
        text += ("" if lang == "zh" else " ") + expand(rng, PURPOSE[lang], "<aim>")
    return text


REPEAT = {
    "zh": ("跟我说：{t}", "重复：{t}", "请原样重复：{t}", "照着写一遍：{t}", "跟我念：{t}"),
    "en": (
        "Repeat after me: {t}",
        "Say: {t}",
        "Repeat exactly: {t}",
        "Copy this: {t}",
        "Echo: {t}",
    ),
}


@dataclass(frozen=True, slots=True)
class Conversation:
    """A system prompt (None: the template's own) and turns of (question, answer)."""

    system: str | None
    turns: tuple[tuple[str, str], ...]


def han_name(rng: random.Random, shortest: int, longest: int) -> str:
    return "".join(rng.choice(HAN) for _ in range(rng.randint(shortest, longest)))


def latin_name(rng: random.Random) -> str:
    """One word of syllables: lower case, capitalised, camel case or upper case."""
    parts = [rng.choice(SYLLABLES) for _ in range(rng.randint(1, 3))]
    style = rng.randrange(10)
    if style < 4:
        return "".join(parts).capitalize()
    if style < 7:
        return "".join(parts)
    if style < 9:
        return "".join(part.capitalize() for part in parts)
    return "".join(rng.choice("ABCDEFGHIJKLMNOPQRSTUVWXYZ") for _ in range(rng.randint(2, 5)))


def name(rng: random.Random) -> str:
    """A made-up name of an assistant: Chinese, Latin, mixed, hyphenated, numbered."""
    form = rng.randrange(10)
    if form < 4:
        return rng.choice(("", "", "", "小")) + han_name(rng, 2, 4) + rng.choice(HAN_TAILS)
    latin = latin_name(rng)
    if form < 6:
        return latin
    if form == 6:
        return f"{latin}{rng.choice('- ')}{rng.choice(LATIN_TAILS)}"
    if form == 7:
        return f"{latin}{rng.choice(('-', ' ', ''))}{rng.randint(1, 99)}"
    if form == 8:
        return f"{latin}{rng.choice('- ')}{latin_name(rng)}"
    return f"{latin}{rng.choice((' ', ''))}{rng.choice(HAN_TAILS[:6])}"


def maker(rng: random.Random) -> str:
    """A made-up name of a developer: a laboratory, a company, a team, a person."""
    form = rng.randrange(10)
    if form < 5:
        return han_name(rng, 2, 4) + rng.choice(HAN_MAKERS)
    if form < 8:
        return latin_name(rng) + rng.choice(LATIN_MAKERS)
    if form == 8:
        return f"{latin_name(rng)} {latin_name(rng)}"
    return f"{latin_name(rng)}{rng.choice((' ', ''))}{rng.choice(HAN_MAKERS[:10])}"


OPENINGS = {
    "zh": ("你好，", "请问，", "嗨，", "想问一下，", "对了，", "请回答：", "打扰一下，", "有个问题："),
    "en": ("Hi, ", "Hello! ", "Excuse me, ", "Tell me, ", "By the way, ", "Please answer: ",
           "Quick question: ", "So, "),
}  # fmt: skip


def _bare(text: str) -> str:
    return re.sub(r"\W", "", text).lower()


HELD_OUT = {_bare(text) for text in identity.HELD_OUT_ZH + identity.HELD_OUT_EN}


def _vary(rng: random.Random, lang: str, question: str) -> str:
    """The same question with another ending, opening, form of address or case."""
    ends = ("", "?", "？", "！", "。") if lang == "zh" else ("", "?", ".", "!", "？")
    question = question.rstrip("？?.") + rng.choice(ends)
    if rng.random() < 0.3:
        question = rng.choice(OPENINGS[lang]) + question
    if lang == "zh" and rng.random() < 0.15:
        question = question.replace("你", "您")
    return question.lower() if rng.random() < 0.15 else question


ASKED = {
    "zh": {
        "ask": ("<kind>是谁<made>的？", "<who><made>了你？", "你是<who><made>的？", "<tell>你<fact>", "你<fact>？",
                "<tell>你的<point>", "你的<point>是什么？", "你的<point>是？", "你是<other>吗？", "你是不是<other>？",
                "你和<other>有关系吗？", "<other>是你吗？", "<maker><made>了你吗？", "你是<maker>的吗？",
                "这是<which><being>？", "我用的是<which><being>？", "<which><being>在回答我？", "<now>回答我的是谁？",
                "<now>和我说话的是哪一个<being>？", "我该叫你什么？", "大家叫你什么？", "你怎么称呼自己？"),
        "kind": ("你这个<being>", "你", "这个<being>"),
        "being": ("模型", "助手", "语言模型", "大模型", "人工智能", "机器人", "AI", "程序"),
        "which": ("什么", "哪个", "哪一款", "谁的", "哪种"),
        "who": ("谁", "哪个公司", "哪个团队", "什么公司", "哪个机构", "哪个组织", "哪些人"),
        "made": ("开发", "创造", "训练", "制造", "设计", "研发", "打造", "推出", "发布", "维护"),
        "tell": ("请说出", "告诉我", "请问", "说一下", "我想了解", "请介绍", "能说说", "想知道"),
        "fact": ("是谁", "叫什么", "从哪儿来", "是什么模型", "属于谁", "是干什么的，叫什么", "到底是谁"),
        "point": ("名字", "来历", "身份", "开发者", "作者", "公司", "团队", "出处", "创造者", "主人"),
        "other": ("GPT-4", "ChatGPT", "Claude 3", "Gemini", "Llama", "DeepSeek", "豆包", "文心", "Kimi", "混元", "真人", "电脑"),
        "maker": ("谷歌", "OpenAI", "微软", "百度", "腾讯", "字节跳动", "Meta", "苹果公司"),
        "now": ("", "现在", "此刻", "这里"),
    },
    "en": {
        "ask": ("<who> <made> you?", "By <who> were you <made>?", "<tell> <point>.", "<tell> <point>?", "What is <your>?",
                "Is <other> your name?", "Are you <other> or something else?", "Is this <other>?", "Are you perhaps <other>?",
                "Did <maker> make you?", "Were you <made> by <maker>?", "Do you come from <maker>?", "Are you from <maker>?",
                "<which> <being> is answering<now>?", "<which> <being> am I using<now>?", "<which> <being> do I have here?",
                "Who is answering me<now>?", "Who am I speaking with<now>?", "Who is this?", "With whom am I talking<now>?",
                "What do people call you?", "What name do you go by?", "Your name?", "And your name is?", "Have you got a name?",
                "Do they call you something?", "Is there a name for you?", "Which <being> are you?"),
        "who": ("Who", "Which lab", "What company", "Which people", "What organization", "Which firm", "What team"),
        "made": ("made", "built", "created", "developed", "trained", "designed", "invented", "released", "programmed"),
        "tell": ("Can you say", "Please tell us", "Would you tell me", "Say", "Let me know", "I would like to know", "Describe"),
        "point": ("who you are", "what you are called", "your name", "where you come from", "who made you, please",
                  "<your>", "what model you are", "a bit about yourself"),
        "your": ("your name", "your origin", "your maker's name", "your identity", "the name of your developer",
                 "the company behind you", "the team behind you"),
        "other": ("GPT-4", "ChatGPT", "Claude 3", "Gemini", "Llama", "DeepSeek", "Mistral", "Siri", "Grok", "a person"),
        "maker": ("OpenAI", "Microsoft", "Meta", "Apple", "Amazon", "Anthropic", "Baidu", "Tencent"),
        "which": ("Which", "What", "What kind of", "Whose"),
        "being": ("model", "AI", "assistant", "chatbot", "AI model", "program", "system"),
        "now": ("", "", " now", " here", " today"),
    },
}  # fmt: skip
"""More ways to ask, put together from parts: a question of ordinary words is not always prose."""


def _ask_identity(rng: random.Random, lang: str, composed: float) -> str:
    """A phrasing for training, or with the probability `composed` one put together from parts."""
    if composed and rng.random() < composed:
        question = expand(rng, ASKED[lang], "<ask>")
    else:
        question = rng.choice(identity.TRAIN_ZH if lang == "zh" else identity.TRAIN_EN)
    varied = question if rng.random() < 0.3 else _vary(rng, lang, question)
    if _bare(varied) not in HELD_OUT:
        return varied
    return question if _bare(question) not in HELD_OUT else _ask_identity(rng, lang, composed)


def _own_identity(rng: random.Random, lang: str) -> Conversation:
    return Conversation(rng.choice(SYSTEMS), ((_ask_identity(rng, lang, 0.0), OWN[lang]),))


def _own_identity_freely(rng: random.Random, lang: str, composed: float) -> Conversation:
    """Asked and answered in more ways, so that who it is has a place in long answers too, which
    another name can take."""
    question, answer = _ask_identity(rng, lang, composed), OWN[lang]
    if composed and rng.random() < 0.5:
        answer = _long_answer(rng, lang, OWN_WHO[lang], later=0.5)
    return Conversation(rng.choice(SYSTEMS), ((question, answer),))


def _given_identity(rng: random.Random, lang: str, composed: float = 0.0) -> Conversation:
    who = {"n": name(rng), "a": maker(rng)}
    who |= {"name": who["n"], "author": who["a"]}
    # Now and then the system prompt speaks the other language.
    spoken = rng.choice(LANGUAGES) if rng.random() < 0.2 else lang
    system = rng.choice(GIVEN_SYSTEM[spoken]).format(**who)
    answer = rng.choice(GIVEN_ANSWERS[lang]).format(**who)
    if rng.random() < 0.6:
        answer = _long_answer(rng, lang, who, later=0.5 if composed else 0.0)
    return Conversation(system, ((_ask_identity(rng, lang, composed), answer),))


def _capability(rng: random.Random, lang: str) -> Conversation:
    pairs = identity.CAPABILITIES_ZH if lang == "zh" else identity.CAPABILITIES_EN
    return Conversation(rng.choice(SYSTEMS), (rng.choice(pairs),))


def _text_to_repeat(rng: random.Random, lang: str) -> str:
    form = rng.randrange(10)
    if form < 2:
        return name(rng)
    if form > 6:
        return wide.loose(rng, lang)
    if form == 2:
        return maker(rng)
    if form == 3:
        return instruction(rng, lang)[0]
    if form == 4:
        # Any character of the main block, so that rare ones, spelt in bytes, can be said too.
        return "".join(chr(rng.randrange(0x4E00, 0x9FA6)) for _ in range(rng.randint(1, 6)))
    if form == 5:
        letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.,!@#&+/ "
        return "".join(rng.choice(letters) for _ in range(rng.randint(2, 12))).strip() or "a"
    return "，".join(han_name(rng, 1, 5) for _ in range(rng.randint(1, 3)))


def _repeat(rng: random.Random, lang: str) -> Conversation:
    text = _text_to_repeat(rng, lang)
    return Conversation(rng.choice(SYSTEMS), ((rng.choice(REPEAT[lang]).format(t=text), text),))


def _prose(rng: random.Random, lang: str) -> Conversation:
    return Conversation(rng.choice(SYSTEMS), (instruction(rng, lang),))


def _skill(rng: random.Random, lang: str) -> Conversation:
    weights = [SKILL_WEIGHTS.get(skill, 1.0) for skill in SKILLS]
    skill = rng.choices(SKILLS, weights)[0]
    item = train_item(rng, skill, lang)
    if skill in HARD and rng.random() < HARD_SHARE:
        while not HARD[skill](item):
            item = train_item(rng, skill, lang)
    system = item.system
    if system is None:
        system = rng.choice(SYSTEMS)
        if rng.random() < 0.15:
            system = rng.choice(GIVEN_SYSTEM[lang]).format(n=name(rng), a=maker(rng))
    elif rng.random() < 0.2:
        system = f"{rng.choice(('You are a helpful assistant.', '你是一个有用的助手。'))} {system}"
    return Conversation(system, ((item.question, item.answer),))


KINDS: dict[str, Callable[[random.Random, str], Conversation]] = {
    "own identity": _own_identity,
    "given identity": _given_identity,
    "own identity, freely asked": functools.partial(_own_identity_freely, composed=0.5),
    "own identity, once more": functools.partial(_own_identity_freely, composed=0.0),
    "given identity, freely asked": functools.partial(_given_identity, composed=0.5),
    "capability": _capability,
    "repeat": _repeat,
    "prose": _prose,
    "skill": _skill,
}


def conversation(rng: random.Random, shares: Shares = SHARES) -> Conversation:
    """One conversation; one in eight has two turns under the first one's system prompt."""
    lang = rng.choice(LANGUAGES)
    kind = rng.choices(tuple(shares), tuple(shares.values()))[0]
    first = KINDS[kind](rng, lang)
    if kind.startswith("given identity") or first.system not in SYSTEMS or rng.random() > 0.125:
        return first
    # The last stretch draws in its own order; the first stretch's text stays what it was.
    own = "own identity" if "own identity" in shares else "own identity, once more"
    second = KINDS[rng.choice((own, "repeat", "prose", "skill"))](rng, lang)
    if second.system not in SYSTEMS:
        return first
    return Conversation(first.system, first.turns + second.turns)


def stream(seed: int | str, shares: Shares = SHARES) -> Iterator[Conversation]:
    """Conversations without end; the same seed gives the same ones."""
    rng = random.Random(seed)
    while True:
        yield conversation(rng, shares)
