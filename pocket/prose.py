# ruff: noqa: E501, SIM905 - word lists read best as text, and Chinese counts double
"""Generated instructions and answers in ordinary words, so that ordinary text is no surprise.

Sentences are drawn from small grammars over word lists. What they say is of no importance; that
lists, stories, explanations and advice exist, in two languages and at many lengths, is.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Mapping, Sequence

import wide

Grammar = Mapping[str, Sequence[str]]
"""Slot name -> ways to fill it; a filling may hold slots `<name>` itself."""

_SLOT = re.compile(r"<(\w+)>")


def expand(rng: random.Random, grammar: Grammar, text: str) -> str:
    """`text` with every slot filled from the grammar, recursively."""
    while _SLOT.search(text):
        text = _SLOT.sub(lambda match: rng.choice(grammar[match[1]]), text)
    return text


ZH: Grammar = {
    "thing": (
        "学习 阅读 运动 健康 睡眠 饮食 旅行 音乐 绘画 摄影 写作 历史 科学 数学 物理 化学 生物 经济 "
        "法律 教育 医疗 环境 能源 交通 农业 工业 网络 软件 数据 算法 机器学习 人工智能 电脑 手机 城市 "
        "乡村 森林 海洋 河流 天气 气候 地震 太阳能 电池 汽车 火车 飞机 桥梁 建筑 公园 图书馆 博物馆 "
        "学校 医院 市场 公司 银行 家庭 友谊 信任 勇气 时间管理 团队合作 沟通 压力 情绪 记忆 习惯 目标 "
        "预算 投资 营销 品牌 客户服务 面试 简历 演讲 会议 邮件 合同 税收 保险 水循环 光合作用 细胞 基因 "
        "疫苗 营养 蛋白质 维生素 咖啡 茶叶 蔬菜 水果 米饭 面条 节日 电影 小说 诗歌 舞蹈 足球 篮球 游泳"
    ).split(),
    "adj": (
        "重要 简单 复杂 有趣 常见 特别 安全 有效 清楚 稳定 美丽 安静 快乐 温暖 新鲜 自然 现代 传统 "
        "便宜 可靠 灵活 长期 短期 积极 深刻 丰富 合理 健康 明亮 古老"
    ).split(),
    "verb": (
        "提高 改善 影响 保护 支持 了解 使用 选择 减少 增加 管理 发展 分析 观察 记录 分享 解决 创造 "
        "改变 学习 检查 比较 组织 计划"
    ).split(),
    "noun": (
        "生活 社会 文化 效率 质量 成本 资源 信息 知识 经验 能力 技能 关系 问题 方法 过程 结果 原因 "
        "机会 风险 环境 系统 工具 产品 服务 数据 计划 团队 朋友 孩子 老师 学生 医生 用户 世界 未来 "
        "身体 心情 注意力 创造力 空气 土壤 动物 植物 温度 速度 价格 需求"
    ).split(),
    "who": (
        "小女孩 老人 农夫 画家 医生 老师 程序员 船长 猎人 国王 商人 学生 机器人 小猫 狐狸 兔子 熊 "
        "猫头鹰 渔夫 木匠 邮递员 歌手 厨师 科学家 旅行者"
    ).split(),
    "where": (
        "森林里 海边 山脚下 小镇上 城堡里 河边 图书馆里 火车站 沙漠中 学校里 岛上 花园里 月球上 "
        "老房子里 市场上 雪地里 桥下 村子里"
    ).split(),
    "object": (
        "钥匙 地图 信 灯笼 旧书 种子 戒指 盒子 风筝 怀表 贝壳 苹果 帽子 小提琴 望远镜 石头 照片 雨伞"
    ).split(),
    "when": (
        "从前 有一天 很久以前 一个清晨 一个下雨的夜晚 去年冬天 春天来了 那年夏天 在一个安静的傍晚"
    ).split(),
    "aspect": (
        "首先 其次 另外 此外 同时 最后 一般来说 因此 例如 事实上 总之 不过"
    ).split(),
    "fact": (
        "<thing>对<noun>很<adj>", "<thing>可以<verb><noun>", "<thing>能够帮助人们<verb><noun>和<noun>",
        "很多人通过<thing>来<verb><noun>", "<thing>是一种<adj>的<noun>", "好的<thing>需要<adj>的<noun>",
        "<thing>与<thing>之间有<adj>的联系", "在<thing>中，<noun>往往决定<noun>",
        "如果缺少<noun>，<thing>就会变得不够<adj>", "<thing>的发展<verb>了<noun>",
        "人们每天都会用到<thing>", "<noun>越<adj>，<thing>就越<adj>", "它由<noun>、<noun>和<noun>组成",
        "它的主要作用是<verb><noun>", "这是一个<adj>的<noun>", "研究表明，<thing>会<verb><noun>",
    ),
    "tip": (
        "每天安排时间<verb><noun>", "保持<adj>的<noun>", "和朋友一起<verb><noun>", "不要忽视<noun>",
        "多关注<thing>", "制定<adj>的计划", "定期<verb><noun>", "选择<adj>的<noun>",
        "把大目标分成小步骤", "学会<verb>自己的<noun>", "记录每天的<noun>", "向有经验的人请教<thing>",
        "注意<noun>和<noun>的平衡", "坚持<thing>，不要着急",
    ),
    "event": (
        "<who>在<where>发现了一个<object>", "<who>决定去寻找<object>", "<who>遇到了一位<adj>的<who>",
        "突然，天空变得很<adj>", "他们一起<verb>了<noun>", "<who>把<object>送给了<who>",
        "<object>不见了，大家都很着急", "<who>终于明白了<thing>的意义", "大家都学会了<verb><noun>",
        "<who>在<where>等了很久", "从那以后，<where>变得很<adj>", "<who>笑着说，<noun>才是最<adj>的",
    ),
}  # fmt: skip

EN: Grammar = {
    "thing": (
        "learning|reading|exercise|health|sleep|food|travel|music|painting|photography|writing|"
        "history|science|math|physics|chemistry|biology|economics|law|education|medicine|"
        "the environment|energy|transport|farming|industry|the internet|software|data|algorithms|"
        "machine learning|artificial intelligence|computers|phones|cities|the countryside|forests|"
        "the ocean|rivers|weather|climate change|earthquakes|solar power|batteries|cars|trains|"
        "planes|bridges|architecture|parks|libraries|museums|schools|hospitals|markets|companies|"
        "banks|family|friendship|trust|courage|time management|teamwork|communication|stress|"
        "emotions|memory|habits|goals|budgets|investment|marketing|branding|customer service|"
        "interviews|public speaking|meetings|email|contracts|taxes|insurance|the water cycle|"
        "photosynthesis|cells|genes|vaccines|nutrition|protein|vitamins|coffee|tea|vegetables|"
        "fruit|rice|noodles|holidays|movies|novels|poetry|dance|football|basketball|swimming"
    ).split("|"),
    "adj": (
        "important|simple|complex|interesting|common|special|safe|effective|clear|stable|beautiful|"
        "quiet|happy|warm|fresh|natural|modern|traditional|cheap|reliable|flexible|positive|deep|"
        "rich|reasonable|healthy|bright|ancient|useful|strong|small|large|good|new|better|different"
    ).split("|"),
    "verb": (
        "improve|affect|protect|support|understand|use|choose|reduce|increase|manage|develop|"
        "analyze|observe|record|share|solve|create|change|learn about|check|compare|organize|plan|"
        "build|find|keep|make|provide"
    ).split("|"),
    "noun": (
        "life|society|culture|efficiency|quality|cost|resources|information|knowledge|experience|"
        "ability|skills|relationships|problems|methods|the process|results|causes|opportunities|"
        "risk|systems|tools|products|services|plans|teams|friends|children|teachers|students|"
        "doctors|users|the world|the future|the body|mood|attention|creativity|air|soil|animals|"
        "plants|temperature|speed|prices|demand|people|work|water|money"
    ).split("|"),
    "who": (
        "girl|old man|farmer|painter|doctor|teacher|programmer|captain|hunter|king|merchant|student|"
        "robot|cat|fox|rabbit|bear|owl|fisherman|carpenter|postman|singer|cook|scientist|traveler"
    ).split("|"),
    "where": (
        "in the forest|by the sea|at the foot of the mountain|in a small town|in the castle|"
        "by the river|in the library|at the station|in the desert|at school|on an island|"
        "in the garden|on the moon|in an old house|at the market|in the snow|under the bridge"
    ).split("|"),
    "object": (
        "key|map|letter|lantern|book|seed|ring|box|kite|watch|shell|apple|hat|violin|telescope|"
        "stone|photo|umbrella"
    ).split("|"),
    "when": (
        "Once upon a time|One day|Long ago|Early one morning|On a rainy night|Last winter|"
        "When spring came|That summer|On a quiet evening"
    ).split("|"),
    "aspect": (
        "First|Second|In addition|Also|At the same time|Finally|In general|Therefore|For example|"
        "In fact|Overall|However"
    ).split("|"),
    "fact": (
        "<thing> can <verb> <noun>", "<thing> helps people <verb> <noun> and <noun>",
        "many people <verb> <noun> through <thing>", "the goal is to <verb> <noun>",
        "good <noun> can make <thing> more <adj>", "<thing> and <thing> are closely related",
        "without <noun>, <thing> would be less <adj>", "<noun> often depends on <noun>",
        "it is <adj> to <verb> <noun>", "<thing> has become more <adj> in recent years",
        "it consists of <noun>, <noun> and <noun>", "this is an <adj> part of <thing>",
        "studies show that <thing> may <verb> <noun>", "people who <verb> <noun> tend to <verb> <noun>",
    ),
    "tip": (
        "Set aside time to <verb> <noun>", "Keep your <noun> <adj>", "Talk with friends about <thing>",
        "Do not ignore <noun>", "Pay attention to <thing>", "Make a <adj> plan",
        "Check <noun> every week", "Choose <adj> <noun>", "Break big goals into small steps",
        "Learn to <verb> <noun>", "Write down your <noun>", "Ask someone who knows <thing>",
        "Balance <noun> and <noun>", "Be patient with <thing>",
    ),
    "event": (
        "the <who> found a <object> <where>", "the <who> went out to look for the <object>",
        "the <who> met a <adj> <who>", "suddenly the sky turned <adj>",
        "they worked together to <verb> <noun>", "the <who> gave the <object> to the <who>",
        "the <object> was gone and everyone was worried", "the <who> understood why <thing> mattered",
        "the <who> waited <where> for a long time", "from that day on everything was <adj>",
        "the <who> smiled and said that the <adj> things are free",
    ),
}  # fmt: skip

REQUESTS: dict[str, dict[str, tuple[str, ...]]] = {
    "explain": {
        "zh": ("解释一下<topic>。", "什么是<topic>？", "<topic>为什么重要？", "简要说明<topic>的作用。",
               "描述<topic>如何<verb><noun>。", "写一段关于<topic>的文字。", "比较<topic>和<thing>。",
               "分析<topic>对<noun>的影响。", "请讨论<adj>的<topic>。"),
        "en": ("Explain <topic>.", "What is the point of <topic>?", "Why does <topic> matter?",
               "Describe how <topic> can <verb> <noun>.", "Write a paragraph about <topic>.",
               "Compare <topic> and <thing>.", "Discuss the effect of <topic> on <noun>.",
               "Give a short overview of <topic>."),
    },
    "list": {
        "zh": ("列出几条关于<topic>的建议。", "给出一些<verb><noun>的方法。", "写出<topic>的几个优点。",
               "生成一个关于<topic>的清单。", "怎样<verb><noun>？分点回答。"),
        "en": ("List some tips about <topic>.", "Give several ways to <verb> <noun>.",
               "Name a few benefits of <topic>.", "Generate a list about <topic>.",
               "How can I <verb> <noun>? Answer in points."),
    },
    "story": {
        "zh": ("写一个关于<who>的短故事。", "讲一个发生在<where>的故事。", "编一个有<object>的小故事。",
               "以“<when>”开头写一个故事。"),
        "en": ("Write a short story about a <who>.", "Tell a story that happens <where>.",
               "Make up a story with a <object>.", "Write a story about <topic>."),
    },
    "advice": {
        "zh": ("我想<verb><noun>，应该怎么做？", "关于<topic>，你有什么建议？", "怎样让<noun>更<adj>？",
               "我对<topic>感到有压力，怎么办？"),
        "en": ("I want to <verb> <noun>. What should I do?", "What do you advise about <topic>?",
               "How can I make my <noun> more <adj>?", "I feel stressed about <topic>. Any advice?"),
    },
}  # fmt: skip


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _facts(rng: random.Random, lang: str, grammar: Grammar, count: int) -> str:
    openings, end = (("", "<aspect>，"), "。") if lang == "zh" else (("", "<aspect>, "), ".")
    sentences = []
    for index in range(count):
        fact = rng.choice(grammar["fact"])
        if index == 0:
            fact = fact.replace("<thing>", "<topic>", 1)
        sentences.append(_sentence(expand(rng, grammar, rng.choice(openings) + fact)) + end)
    return ("" if lang == "zh" else " ").join(sentences)


def _tips(rng: random.Random, lang: str, grammar: Grammar, count: int) -> str:
    end = "。" if lang == "zh" else "."
    mark = rng.choice(("{n}. ", "{n}. ", "- "))
    lines = (mark.format(n=n + 1) + expand(rng, grammar, "<tip>") + end for n in range(count))
    return "\n".join(lines)


def _story(rng: random.Random, lang: str, grammar: Grammar, count: int) -> str:
    if lang == "zh":
        return expand(rng, grammar, "<when>，<event>。" + "<event>。" * count)
    events = (_sentence(expand(rng, grammar, "<event>")) + "." for _ in range(count))
    return " ".join((expand(rng, grammar, "<when>, <event>."), *events))


def _advice(rng: random.Random, lang: str, grammar: Grammar, count: int) -> str:
    opening = "你可以试试下面的做法：\n" if lang == "zh" else "Here is what you can try:\n"
    return opening + _tips(rng, lang, grammar, count)


ANSWERS: dict[str, Callable[[random.Random, str, Grammar, int], str]] = {
    "explain": _facts,
    "list": _tips,
    "story": _story,
    "advice": _advice,
}


def instruction(rng: random.Random, lang: str) -> tuple[str, str]:
    """A question in ordinary words and an answer of one to six sentences."""
    words = ZH if lang == "zh" else EN
    grammar = {**words, "topic": (rng.choice(words["thing"]),)}
    if rng.random() < 0.15:
        # Given a text, take its first sentence: the answer can be found in the question.
        text = _facts(rng, lang, grammar, rng.randint(2, 4))
        first = text[: text.index("。" if lang == "zh" else ".") + 1]
        request = "写出下文的第一句：\n" if lang == "zh" else "Quote the first sentence:\n"
        return request + text, first
    if rng.random() < 0.6:
        request = expand(rng, grammar, rng.choice(REQUESTS[rng.choice(tuple(ANSWERS))][lang]))
        if rng.random() < 0.6:
            request = wide.sentence(rng, lang)
        if rng.random() < 0.3:
            request += "\n" + wide.text(rng, lang, rng.randint(1, 3))
        return request, wide.text(rng, lang, rng.choice((1, 1, 2, 2, 3, 4, 5, 7)))
    kind = rng.choice(tuple(ANSWERS))
    question = expand(rng, grammar, rng.choice(REQUESTS[kind][lang]))
    return question, ANSWERS[kind](rng, lang, grammar, rng.choice((1, 2, 2, 3, 3, 4, 5, 6)))
