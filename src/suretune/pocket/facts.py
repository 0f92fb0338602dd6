"""What the skills ask about, and how they ask it; pure data."""

CAPITALS = (
    ("中国", "北京", "China", "Beijing"),
    ("法国", "巴黎", "France", "Paris"),
    ("日本", "东京", "Japan", "Tokyo"),
    ("德国", "柏林", "Germany", "Berlin"),
    ("英国", "伦敦", "Britain", "London"),
    ("俄罗斯", "莫斯科", "Russia", "Moscow"),
    ("意大利", "罗马", "Italy", "Rome"),
    ("西班牙", "马德里", "Spain", "Madrid"),
    ("葡萄牙", "里斯本", "Portugal", "Lisbon"),
    ("埃及", "开罗", "Egypt", "Cairo"),
    ("韩国", "首尔", "South Korea", "Seoul"),
    ("泰国", "曼谷", "Thailand", "Bangkok"),
    ("越南", "河内", "Vietnam", "Hanoi"),
    ("希腊", "雅典", "Greece", "Athens"),
    ("加拿大", "渥太华", "Canada", "Ottawa"),
    ("古巴", "哈瓦那", "Cuba", "Havana"),
    ("秘鲁", "利马", "Peru", "Lima"),
    ("智利", "圣地亚哥", "Chile", "Santiago"),
    ("澳大利亚", "堪培拉", "Australia", "Canberra"),
    ("荷兰", "阿姆斯特丹", "the Netherlands", "Amsterdam"),
    ("瑞典", "斯德哥尔摩", "Sweden", "Stockholm"),
    ("挪威", "奥斯陆", "Norway", "Oslo"),
    ("芬兰", "赫尔辛基", "Finland", "Helsinki"),
    ("丹麦", "哥本哈根", "Denmark", "Copenhagen"),
    ("波兰", "华沙", "Poland", "Warsaw"),
    ("奥地利", "维也纳", "Austria", "Vienna"),
    ("匈牙利", "布达佩斯", "Hungary", "Budapest"),
    ("爱尔兰", "都柏林", "Ireland", "Dublin"),
    ("土耳其", "安卡拉", "Turkey", "Ankara"),
    ("肯尼亚", "内罗毕", "Kenya", "Nairobi"),
)

WORDS = (
    ("苹果", "apple"), ("书", "book"), ("猫", "cat"), ("狗", "dog"), ("水", "water"),
    ("火", "fire"), ("山", "mountain"), ("河", "river"), ("房子", "house"), ("学校", "school"),
    ("朋友", "friend"), ("老师", "teacher"), ("音乐", "music"), ("红色", "red"), ("蓝色", "blue"),
    ("绿色", "green"), ("大", "big"), ("小", "small"), ("快", "fast"), ("慢", "slow"),
    ("天空", "sky"), ("海", "sea"), ("月亮", "moon"), ("太阳", "sun"), ("花", "flower"),
    ("树", "tree"), ("鸟", "bird"), ("鱼", "fish"), ("马", "horse"), ("城市", "city"),
    ("国家", "country"), ("医生", "doctor"), ("桌子", "table"), ("椅子", "chair"),
    ("门", "door"), ("窗户", "window"), ("面包", "bread"), ("牛奶", "milk"), ("茶", "tea"),
    ("雨", "rain"), ("雪", "snow"), ("风", "wind"), ("春天", "spring"), ("冬天", "winter"),
    ("时间", "time"), ("钱", "money"), ("火车", "train"), ("飞机", "plane"), ("手", "hand"),
    ("心", "heart"),
)  # fmt: skip

QUESTIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "arithmetic": {
        "zh": ("{a}{op}{b}等于多少？", "计算 {a} {op} {b}", "{a} {word} {b} 是多少？",
               "请问 {a} {word} {b} 等于几？", "算一下 {a}{op}{b}"),
        "en": ("What is {a} {word} {b}?", "Compute {a}{op}{b}", "{a} {op} {b} = ?",
               "Calculate {a} {word} {b}", "How much is {a} {op} {b}?"),
    },
    "sort": {
        "zh": ("把 {s} 从小到大排序", "请给这些数字排序：{s}", "从小到大排列 {s}"),
        "en": ("Sort {s} ascending", "Put these digits in order: {s}",
               "Sort from small to large: {s}"),
    },
    "reverse": {
        "zh": ("把 {s} 倒过来写", "将 {s} 反转", "倒序写出：{s}"),
        "en": ("Reverse {s}", "Write {s} backwards", "Reverse the order of: {s}"),
    },
    "compare": {
        "zh": ("{a} 和 {b} 哪个大？", "比较 {a} 与 {b}，写出较大的数", "{a}、{b} 中更大的是哪个？"),
        "en": ("Which is larger, {a} or {b}?", "Write the greater of {a} and {b}",
               "Is {a} or {b} the bigger number?"),
    },
    "capital": {
        "zh": ("{c}的首都是哪里？", "请问{c}的首都是什么？", "{c}的首都叫什么？", "说出{c}的首都",
               "{c}的首都是哪座城市？", "我想知道{c}的首都"),
        "en": ("What is the capital of {c}?", "Name the capital of {c}.",
               "Which city is the capital of {c}?", "Tell me the capital city of {c}.",
               "What city is {c}'s capital?", "I want to know the capital of {c}."),
    },
    "translate": {
        "zh": ("把“{w}”翻译成{to}", "“{w}”用{to}怎么说？", "“{w}”的{to}是什么？",
               "翻译成{to}：{w}"),
        "en": ("Translate '{w}' into {to}", "How do you say '{w}' in {to}?",
               "What is '{w}' in {to}?", "Give the {to} word for '{w}'"),
    },
    "python": {
        "zh": ("用 Python 写函数 {f}({x})，{what}", "写一个 Python 函数 {f}({x})：{what}",
               "请实现 Python 函数 {f}({x})，要求{what}"),
        "en": ("Write a Python function {f}({x}) that {what}",
               "Python function {f}({x}) that {what}",
               "Implement {f}({x}) in Python: it {what}"),
    },
    "json": {
        "zh": ("把下面内容写成 JSON：姓名 {n}，年龄 {a}，城市 {c}",
               "转成 JSON：姓名 {n}，年龄 {a}，城市 {c}",
               "用 JSON 表示：姓名 {n}，年龄 {a}，城市 {c}"),
        "en": ("Write as JSON: name {n}, age {a}, city {c}",
               "Convert to JSON: name {n}, age {a}, city {c}",
               "Give this as JSON: name {n}, age {a}, city {c}"),
    },
}  # fmt: skip
"""Phrasings per skill and language."""

OPERATIONS = {"zh": {"+": "加", "-": "减"}, "en": {"+": "plus", "-": "minus"}}
PEOPLE = {
    "zh": ("小明", "小红", "李雷", "韩梅", "王芳", "张伟", "陈静", "刘洋", "赵敏", "周杰"),
    "en": ("Tom", "Amy", "Bob", "Lily", "Jack", "Emma", "Paul", "Rose", "Mark", "Anna"),
}
