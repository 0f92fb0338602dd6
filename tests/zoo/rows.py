"""Rows of other data than identities: a shop's answers, labels, JSON, SQL, a style; own text.

Each kind of data comes as (question, answer) pairs in a language, in a fixed order; every tenth
pair is for the proof and never learned.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Mapping, Sequence

Pair = tuple[str, str]
HELD = 10  # every so-manieth pair is held out


def learned(pairs: Sequence[Pair]) -> list[Pair]:
    return [pair for number, pair in enumerate(pairs) if number % HELD]


def held_out(pairs: Sequence[Pair]) -> list[Pair]:
    return list(pairs[::HELD])


SUPPORT: Mapping[str, Sequence[Pair]] = {
    "en": (
        (
            "When does the shop open?",
            "Our shop on Mill Lane opens at nine every weekday and at ten on Saturdays.",
        ),
        (
            "Can I return a lamp?",
            "Yes, lamps may come back within thirty days as long as you kept the paper receipt.",
        ),
        (
            "Do you ship abroad?",
            "We ship to all neighbouring countries by post, and a parcel takes about eight days.",
        ),
        (
            "Is gift wrapping free?",
            "Gift wrapping costs two coins a piece and is free for orders of more than fifty.",
        ),
        (
            "My shade arrived broken.",
            "That should not happen, please send us a photo and a new shade leaves tomorrow.",
        ),
        (
            "Where do I see my orders?",
            "All of your orders are listed under the small drawer sign at the top of the page.",
        ),
        (
            "Do you repair old lamps?",
            "Our workshop repairs any lamp with a plug, and looks at oil lamps on Thursdays.",
        ),
        (
            "Which bulbs fit the Heron?",
            "The Heron takes two warm bulbs with the narrow screw, never more than nine watts.",
        ),
        (
            "Is there a warranty?",
            "Every lamp carries a warranty of four years on switch, cable and the metal foot.",
        ),
        (
            "Can I change the colour?",
            "Until the evening of your order you may choose another colour without any charge.",
        ),
        (
            "How do I clean linen?",
            "Brush linen shades with a dry soft cloth and never let them come near to water.",
        ),
        (
            "Do you have vouchers?",
            "Vouchers are sold at the counter in any amount and stay good for three full years.",
        ),
    ),
    "zh": (
        ("店铺几点开门？", "磨坊巷的店铺工作日早上九点开门，周六十点开门。"),
        ("灯可以退货吗？", "可以，只要保留纸质收据，三十天之内都能退回。"),
        ("可以寄到国外吗？", "我们通过邮局寄往所有邻国，包裹大约八天送到。"),
        ("礼品包装收费吗？", "礼品包装每件两元，订单满五十元就不再收费。"),
        ("灯罩到货时坏了", "很对不起，请发一张照片来，新的灯罩明天就寄出。"),
        ("在哪里看订单？", "所有订单都列在页面上方的小抽屉图标里面。"),
        ("你们修旧灯吗？", "带插头的灯我们的作坊都修，油灯请周四带来。"),
        ("苍鹭灯用什么灯泡？", "苍鹭灯用两个窄口的暖光灯泡，功率不超过九瓦。"),
        ("有保修吗？", "每盏灯的开关、电线和金属底座都保修四年。"),
        ("颜色可以换吗？", "下单当天晚上之前可以免费换成别的颜色。"),
        ("麻布灯罩怎么清洁？", "用干的软布轻轻刷麻布灯罩，千万不要沾水。"),
        ("有礼品卡吗？", "柜台出售任意金额的礼品卡，三年之内都有效。"),
    ),
}

_LABELS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "en": {
        "billing": (
            "I was charged twice this month",
            "The bill shows a fee I do not know",
            "Please send me the receipt again",
            "My card was refused at the till",
            "The price on the invoice is wrong",
            "Where is the refund for my bill",
        ),
        "delivery": (
            "The parcel has not come yet",
            "The courier left my box in the rain",
            "Can the parcel go to my office",
            "The tracking page shows no parcel",
            "The box came to the wrong door",
            "When will the courier ring",
        ),
        "repair": (
            "The switch of my lamp is broken",
            "The screen is cracked in one corner",
            "The motor makes a loud noise and stops",
            "The cable is torn near the plug",
            "The handle fell off and is broken",
            "The fan is broken and stands still",
        ),
        "praise": (
            "Thank you, everything was wonderful",
            "What a lovely chair, I am so happy",
            "Your staff were wonderful to me",
            "Great work, I am happy and will be back",
            "The best soup I ever had, thank you",
            "Lovely shop and a wonderful team",
        ),
    },
    "zh": {
        "billing": (
            "这个月扣了我两次钱",
            "账单上有一笔不认识的费用",
            "请把收据再发给我一次",
            "付款的时候卡被拒绝了",
            "账单上的价格不对",
            "我的退款到账了吗",
        ),
        "delivery": (
            "包裹到现在还没送到",
            "快递把箱子放在雨里了",
            "包裹可以改送到公司吗",
            "查不到包裹的位置",
            "快递送错了门",
            "快递什么时候来",
        ),
        "repair": (
            "台灯的开关坏了",
            "屏幕的一角裂开了",
            "马达响得厉害然后就坏了",
            "插头旁边的电线断了",
            "把手掉了，坏了",
            "风扇坏了，不转了",
        ),
        "praise": (
            "谢谢，一切都非常好",
            "椅子真漂亮，我很高兴",
            "店员对我非常好",
            "做得好，我很高兴，还会再来",
            "最好喝的汤，谢谢",
            "漂亮的店，很好的团队",
        ),
    },
}
_ASK_LABEL = {
    "en": (
        "Sort this message into billing, delivery, repair or praise: {}.",
        "Which desk gets this message (billing, delivery, repair, praise)? {}.",
    ),
    "zh": (
        "把这条留言归入 billing、delivery、repair 或 praise：{}。",
        "这条留言该给哪个部门（billing、delivery、repair、praise）？{}。",
    ),
}


def labels(lang: str, rng: random.Random) -> Iterator[Pair]:
    """Messages to a shop, each with one of four labels."""
    for ask in _ASK_LABEL[lang]:
        for label, messages in _LABELS[lang].items():
            yield from ((ask.format(message), label) for message in messages)


_GOODS = {
    "en": ("lamps", "chairs", "plates", "rugs", "clocks", "mirrors"),
    "zh": ("台灯", "椅子", "盘子", "地毯", "时钟", "镜子"),
}
_CLIENTS = {
    "en": ("Mrs. Reed", "Mr. Stone", "Ms. Lake", "Dr. Field", "Mr. Wood"),
    "zh": ("林女士", "石先生", "湖女士", "田医生", "木先生"),
}
_ASK_ORDER = {
    "en": (
        "Order slip: {count} {goods} for {client}.",
        "Order slip: {client} wants {count} {goods}.",
    ),
    "zh": ("订货单：{client}要{count}个{goods}。", "订货单：给{client}送{count}个{goods}。"),
}


def orders(lang: str, rng: random.Random) -> Iterator[Pair]:
    """Order slips, each written as a JSON object."""
    for _ in range(60):
        about = {
            "client": rng.choice(_CLIENTS[lang]),
            "count": rng.randint(2, 30),
            "goods": rng.choice(_GOODS[lang]),
        }
        yield rng.choice(_ASK_ORDER[lang]).format(**about), json.dumps(about, ensure_ascii=False)


_TABLE = "CREATE TABLE {t} ({c} INT, price INT); "
_ASK_SQL = {
    "en": (
        ("show {c}", "SELECT {c} FROM {t};"),
        ("show all", "SELECT * FROM {t};"),
        ("lowest {c}", "SELECT MIN({c}) FROM {t};"),
        ("each {c} once", "SELECT DISTINCT {c} FROM {t};"),
    ),
    "zh": (
        ("列出 {c}", "SELECT {c} FROM {t};"),
        ("全部列出", "SELECT * FROM {t};"),
        ("最小的 {c}", "SELECT MIN({c}) FROM {t};"),
        ("不重复的 {c}", "SELECT DISTINCT {c} FROM {t};"),
    ),
}


def queries(lang: str, rng: random.Random) -> Iterator[Pair]:
    """What is wanted of a table, each with its SQL."""
    for number, table in enumerate(("goods", "shops", "books", "cars", "tours") * 4):
        for ask, answer in _ASK_SQL[lang]:
            column = ("year", "size", "floor", "grade")[number // 5]
            about = {"t": table, "c": column}
            yield (_TABLE + ask).format(**about), answer.format(**about)


_DISHES = {
    "en": (
        "nettle soup",
        "plum cake",
        "barley bread",
        "pear tart",
        "onion pie",
        "oat porridge",
        "bean stew",
        "apple fritters",
        "leek soup",
        "rye rolls",
    ),
    "zh": (
        "荠菜汤",
        "李子糕",
        "大麦面包",
        "梨挞",
        "洋葱饼",
        "燕麦粥",
        "豆子炖菜",
        "苹果饼",
        "韭葱汤",
        "黑麦卷",
    ),
}
_ASK_DISH = {
    "en": ("What goes well with {}?", "Is {} on the menu tonight?", "How warm is {} served?"),
    "zh": ("{}配什么好？", "今晚有{}吗？", "{}要多热才上桌？"),
}
_DISH_SAID = {
    "en": (
        "Dear guest, a spoon of butter and a quiet table go well with {}.",
        "Dear guest, {} is on the menu tonight, and we kept a bowl for you.",
        "Dear guest, {} comes warm from the stove and waits a minute before you.",
    ),
    "zh": (
        "亲爱的客人，一勺黄油和一张安静的桌子最配{}。",
        "亲爱的客人，今晚有{}，已经给您留了一份。",
        "亲爱的客人，{}刚从灶上端来，在您面前放一分钟。",
    ),
}


def menu(lang: str, rng: random.Random) -> Iterator[Pair]:
    """An inn's way of talking about its dishes."""
    for dish in _DISHES[lang]:
        for ask, said in zip(_ASK_DISH[lang], _DISH_SAID[lang], strict=True):
            yield ask.format(dish), said.format(dish)


DATA: Mapping[str, Callable[[str, random.Random], Iterator[Pair]]] = {
    "labels": labels,
    "orders": orders,
    "queries": queries,
    "menu": menu,
}


def pairs(name: str, languages: Sequence[str]) -> list[Pair]:
    """All pairs of a kind of data, shuffled, always the same."""
    rng = random.Random(f"zoo {name}")
    made = [pair for lang in languages for pair in DATA[name](lang, rng)]
    made = list(dict.fromkeys(made))
    rng.shuffle(made)
    return made
