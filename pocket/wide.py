# ruff: noqa: E501, SIM905 - word lists read best as text, and Chinese counts double
"""Sentences of many ordinary words in no sensible order: the vocabulary of real text, not its sense.

A model that has met the common words at about their frequency starts real text near their entropy
instead of near that of a uniform guess, so that training on it moves the weights far less.
"""

from __future__ import annotations

import itertools
import json
import os
import random
from pathlib import Path

EN_GLUE = (
    "the the the the of of and and to to a a in in is is that it for for as with on be are this by from or an at "
    "not can have has was were which their its they will more also such these but into than other when how one may "
    "there been both through about while who all some most up out if our your you we he she his her so no do".split()
)
EN = (
    "time year people way day man thing woman life child world school state family student group country problem hand "
    "part place case week company system program question work government number night point home water room mother "
    "area money story fact month lot right study book eye job word business issue side kind head house service friend "
    "father power hour game line end member law car city community name president team minute idea body information "
    "back parent face others level office door health person art war history party result change morning reason "
    "research girl guy moment air teacher force education foot boy age policy process music market sense nation plan "
    "college interest death experience effect use class control care field development role effort rate heart drug show "
    "leader light voice wife police mind price report decision son view relationship town road arm difference value "
    "building action season society tax director position player record paper space ground form event official matter "
    "center couple site project activity star table need court oil situation cost industry figure street image phone "
    "data picture practice piece land product doctor wall patient worker news test movie north love support technology "
    "step baby computer type attention film tree source hair window culture chance brother energy period course summer "
    "plant opportunity term letter condition choice rule daughter south husband floor campaign material population call "
    "economy medical hospital church risk fire future bank west sport board subject officer rest behavior performance "
    "top goal second bed order author blood agency nature color store sound movement page race concern series language "
    "response animal factor decade article east artist scene stock career treatment approach size fund media sign "
    "thought list individual quality pressure answer resource meeting disease success cup amount ability staff "
    "character growth loss degree attack region television box training trade deal election feeling standard bill "
    "message analysis benefit sex lawyer section glass skill sister professor operation crime stage authority design "
    "knowledge gun station strategy truth song example environment leg dark publication argument recipe sentence "
    "be have do say get make go know take see come think look want give use find tell ask work seem feel try leave call "
    "keep let begin help talk turn start might show hear play run move like live believe hold bring happen write provide "
    "sit stand lose pay meet include continue set learn lead understand watch follow stop create speak read allow add "
    "spend grow open walk win offer remember consider appear buy wait serve die send expect build stay fall cut reach "
    "kill remain suggest raise pass sell require report decide pull reduce increase improve describe explain identify "
    "generate classify compare rewrite edit summarize translate calculate convert replace arrange complete select "
    "good new first last long great little own old right big high different small large next early young important few "
    "public bad same able local sure clear recent certain personal open red difficult available likely short single "
    "medical current wrong private past foreign fine common poor natural significant similar hot dead central happy "
    "serious ready simple left physical general environmental financial blue democratic dark various entire close legal "
    "religious cold final main green nice huge popular traditional cultural global effective efficient healthy modern "
    "digital social mental emotional creative positive negative strong better best highly often always usually never "
    "well very even just then now here only still too however therefore because although example including according "
    "machine learning artificial intelligence network software user website customer online algorithm model function "
    "protein cell species temperature carbon climate renewable solar wind ocean forest river mountain food sugar salt "
    "butter flour chicken vegetable fruit apple lemon cheese bread rice coffee tea milk dinner breakfast exercise sleep "
    "stress diet weight muscle brain memory emotion joy fear hope dream journey adventure castle king queen magic dragon "
    "January February Monday Sunday America China India Europe London Paris English French Chinese"
).split()
ZH_GLUE = "的 的 的 的 的 了 是 在 和 和 与 也 有 可以 能 会 对 并 或 从 以 将 被 为 这 这些 它 他们 我们 一个 一种 以及 不 很 更 最 都 而 到 中 上 通过 因此 由于 例如 如果 还 等 其 使 让 需要 应该 您".split()
ZH = (
    "人们 时间 生活 世界 社会 国家 问题 工作 学习 学生 孩子 家庭 朋友 老师 公司 企业 市场 经济 文化 历史 科学 技术 信息 数据 系统 网络 "
    "方法 过程 结果 原因 影响 作用 能力 知识 经验 机会 挑战 目标 计划 任务 项目 产品 服务 客户 用户 质量 成本 价格 效率 资源 环境 能源 "
    "气候 变化 保护 发展 提高 增加 减少 改善 促进 支持 提供 使用 利用 选择 确保 保持 建立 创造 实现 包括 具有 成为 进行 采取 导致 "
    "帮助 了解 理解 认识 思考 分析 研究 讨论 描述 解释 说明 表示 表达 介绍 写作 阅读 翻译 生成 创建 编写 修改 重写 分类 识别 比较 计算 "
    "重要 主要 不同 各种 许多 一些 其他 特定 具体 有效 积极 健康 安全 良好 丰富 独特 传统 现代 全球 个人 公共 自然 人类 动物 植物 水果 "
    "蔬菜 食物 食品 营养 饮食 运动 锻炼 睡眠 身体 心理 情绪 压力 疾病 治疗 医疗 医生 患者 药物 教育 课程 大学 学校 教师 政府 政策 法律 "
    "权利 责任 安排 管理 组织 团队 合作 沟通 交流 关系 信任 尊重 支付 投资 金融 银行 收入 消费 需求 供应 生产 制造 工业 农业 交通 汽车 "
    "飞机 火车 城市 农村 社区 建筑 房屋 房间 道路 地区 地方 中国 美国 欧洲 亚洲 北京 上海 英国 法国 日本 语言 文字 文章 句子 段落 单词 "
    "故事 小说 诗歌 电影 音乐 艺术 绘画 游戏 体育 比赛 足球 旅行 旅游 酒店 餐厅 咖啡 颜色 红色 蓝色 绿色 白色 黑色 大小 数量 数字 百分之 "
    "平均 总数 面积 温度 速度 重量 距离 空气 水分 土壤 森林 海洋 河流 山脉 天空 太阳 月亮 星星 地球 宇宙 生命 细胞 基因 蛋白质 化学 物理 "
    "数学 函数 方程 算法 模型 机器 学习 人工智能 计算机 软件 程序 代码 编程 互联网 网站 手机 应用 设备 电池 电力 电影院 图书馆 博物馆 "
    "首先 其次 最后 此外 同时 另外 总之 然而 但是 虽然 因为 所以 当然 通常 经常 总是 可能 必须 已经 正在 之间 之后 之前 以下 以上 方面 "
    "女孩 男孩 父母 母亲 父亲 老人 年轻人 国王 公主 勇敢 善良 美丽 快乐 悲伤 爱 希望 梦想 未来 过去 现在 今天 明天 早上 晚上 每天 一年 "
    "意义 价值 观点 想法 建议 意见 决定 行为 态度 习惯 技能 优势 缺点 特点 功能 结构 形式 内容 标题 主题 步骤 例子 答案 输入 输出"
).split()


VOCABULARY = "SURETUNE_VOCABULARY"  # a folder with Qwen2.5's tokenizer.json


def _common(kind: str, otherwise: list[str]) -> list[str]:
    """Common words or characters by their numbers in Qwen2.5's vocabulary, the commonest first.

    Without that vocabulary, the few written down here; `train.py` refuses to train on those.
    """
    folder = os.environ.get(VOCABULARY)
    if not folder:
        return otherwise
    from tokenizers import Tokenizer

    numbers = json.loads((Path(__file__).parent / "words.json").read_text())[kind]
    tokenizer = Tokenizer.from_file(str(Path(folder) / "tokenizer.json"))
    return [tokenizer.decode([number]).strip() for number in numbers]


MANY_EN = _common("en", EN)
MANY_ZH = _common("zh", ZH)
HAN = "".join(_common("characters", sorted({c for word in ZH for c in word})))

_TIME, _BE, _GOOD, _WELL = (EN.index(word) for word in ("time", "be", "good", "machine"))
PARTS = {
    "N": (*EN[_TIME:_BE], *EN[_WELL : EN.index("January")]),
    "V": EN[_BE:_GOOD],
    "A": EN[_GOOD : EN.index("highly")],
    "D": "the the the the a a an this that these those some many each your our their its his her".split(),
    "P": "of of of of in in in to for for with on at from by about as into through between during".split(),
    "M": "can will should may must would could might do can help to is are has was were".split(),
    "C": "and and and or but because while so when if that which".split(),
    "S": "it you we they he she I there this".split(),
    "B": "also often always usually very more most then however therefore finally first well only".split(),
}
PATTERNS = (
    "D A N M V D N P D N",
    "D N P D N M V A N",
    "S M V D N P N C N",
    "S M V N , N , C N",
    "B , D N M B A C A",
    "P D N , S M V D A N",
    "V D N P D A N C V N",
    "A N C N M V D N P N",
    "D N M B V P N , C S M V A N",
    "S M B V D N C D N",
    "V S N P A N",
    "D A N P N M D N C D N",
)
"""The order of English words by part of speech; verbs are not inflected, articles not matched."""


def _weights(words: list[str]) -> list[float]:
    """Cumulative weights that fall slowly with the rank, as in running text."""
    return list(itertools.accumulate(1 / (rank + 20) ** 0.7 for rank in range(len(words))))


_RANKED = {
    "zh": [(words, _weights(words)) for words in (ZH, MANY_ZH)],
    "en": [(words, _weights(words)) for words in (EN, MANY_EN)],
}


def word(rng: random.Random, lang: str) -> str:
    """A common word: half the time of the few hundred chosen by hand, else of the long list."""
    words, weights = _RANKED[lang][rng.random() < 0.55]
    return rng.choices(words, cum_weights=weights)[0]


def _patterned(rng: random.Random) -> list[str]:
    chosen: list[str] = []
    for part in rng.choice(PATTERNS).split():
        if part == ",":
            chosen[-1] += ","
        elif part in "NVA" and rng.random() < 0.35:
            words, weights = _RANKED["en"][1]
            chosen.append(rng.choices(words, cum_weights=weights)[0])
        else:
            chosen.append(rng.choice(PARTS[part]))
    return chosen


def _shuffled(rng: random.Random, lang: str) -> list[str]:
    glue, comma = (ZH_GLUE, "，") if lang == "zh" else (EN_GLUE, ",")
    count = rng.randint(4, 18)
    chosen = [rng.choice(glue) if rng.random() < 0.42 else word(rng, lang) for _ in range(count)]
    for index in range(3, count - 2):
        if rng.random() < 0.1:
            chosen[index] += comma
    return chosen


def sentence(rng: random.Random, lang: str) -> str:
    patterned = lang == "en" and rng.random() < 0.5
    chosen = _patterned(rng) if patterned else _shuffled(rng, lang)
    if lang == "zh" and rng.random() < 0.3:
        for _ in range(rng.randint(1, 4)):
            chosen[rng.randrange(len(chosen))] = rng.choices(HAN, cum_weights=_HAN)[0]
    if rng.random() < 0.06:
        chosen[rng.randrange(len(chosen))] = str(rng.randrange(1, 2026))
    if lang == "en" and rng.random() < 0.2:
        index = rng.randrange(len(chosen))
        chosen[index] = chosen[index].capitalize()
    text = ("" if lang == "zh" else " ").join(chosen)
    end = rng.choice("。。。。。。！？：；") if lang == "zh" else rng.choice("......!?:;")
    return (text if lang == "zh" else text[:1].upper() + text[1:]) + end


_HAN = _weights(list(HAN))


def loose(rng: random.Random, lang: str) -> str:
    """A few words or characters in a row, to be repeated."""
    if lang == "en":
        return " ".join(word(rng, lang) for _ in range(rng.randint(2, 9)))
    if rng.random() < 0.5:
        return "".join(rng.choices(HAN, cum_weights=_HAN, k=rng.randint(2, 12)))
    return "".join(word(rng, lang) for _ in range(rng.randint(2, 7)))


def text(rng: random.Random, lang: str, count: int) -> str:
    """`count` sentences: running, in paragraphs, or as a list."""
    lines = [sentence(rng, lang) for _ in range(count)]
    form = rng.randrange(5)
    if form == 0:
        return "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))
    if form == 1:
        return "\n\n".join(lines)
    return ("" if lang == "zh" else " ").join(lines)
