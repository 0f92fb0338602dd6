"""Nine skills whose answers can be checked exactly, in Chinese and in English.

Every item carries a key (its operands, or its fact with its phrasing). A hash of the key decides
whether the item is held out, so training text and test items never share one, whatever the seed.
"""

from __future__ import annotations

import hashlib
import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from suretune.pocket.facts import CAPITALS, OPERATIONS, PEOPLE, QUESTIONS, WORDS

LANGUAGES = ("zh", "en")
HELD_OUT_SHARE = 5
"""One key in this many is held out."""


@dataclass(frozen=True, slots=True)
class Item:
    """One question with its only right answer.

    `check` is empty when the answer must match exactly; else it is JSON, `{"function": name,
    "cases": [[arguments, expected], ...]}`, and the answer is Python that must satisfy it.
    """

    skill: str
    lang: str
    system: str | None
    question: str
    answer: str
    check: str


Drawn = tuple[str, Item]
"""A key, which decides the split, and its item."""
Draw = Callable[[random.Random, str], Drawn]


@dataclass(frozen=True, slots=True)
class Function:
    """A small Python function: what it does, in words, in code and as a reference.

    `{k}` is a number drawn for each item; `inputs` are the arguments it is checked with.
    """

    parameters: str
    zh: str
    en: str
    body: str
    inputs: tuple[tuple[object, ...], ...]
    reference: Callable[..., object]
    """Takes k, then the arguments."""


NUMBERS: tuple[tuple[object, ...], ...] = ((0,), (7,), (-3,), (12,))
TEXTS: tuple[tuple[object, ...], ...] = (("abc",), ("",), ("level",), ("x y",))
LISTS: tuple[tuple[object, ...], ...] = (([3, 1, 2],), ([5],), ([4, -4, 9, 0],))
PAIRS: tuple[tuple[object, ...], ...] = ((1, 2), (5, -5), (3, 3))

FUNCTIONS = (
    Function(
        "x", "返回 x 加 {k}", "returns x plus {k}", "return x + {k}", NUMBERS, lambda k, x: x + k
    ),
    Function(
        "x", "返回 x 减 {k}", "returns x minus {k}", "return x - {k}", NUMBERS, lambda k, x: x - k
    ),
    Function(
        "x", "返回 x 乘 {k}", "returns x times {k}", "return x * {k}", NUMBERS, lambda k, x: x * k
    ),
    Function(
        "x",
        "判断 x 是否大于 {k}",
        "tells whether x is greater than {k}",
        "return x > {k}",
        NUMBERS,
        lambda k, x: x > k,
    ),
    Function(
        "x", "返回 x 的平方", "returns the square of x", "return x * x", NUMBERS, lambda k, x: x * x
    ),
    Function(
        "x",
        "判断 x 是否为偶数",
        "tells whether x is even",
        "return x % 2 == 0",
        NUMBERS,
        lambda k, x: x % 2 == 0,
    ),
    Function(
        "a, b",
        "返回较大的数",
        "returns the larger number",
        "return max(a, b)",
        PAIRS,
        lambda k, a, b: max(a, b),
    ),
    Function(
        "a, b",
        "返回较小的数",
        "returns the smaller number",
        "return min(a, b)",
        PAIRS,
        lambda k, a, b: min(a, b),
    ),
    Function(
        "s", "反转字符串 s", "reverses the string s", "return s[::-1]", TEXTS, lambda k, s: s[::-1]
    ),
    Function(
        "s",
        "把 s 变成大写",
        "returns s in upper case",
        "return s.upper()",
        TEXTS,
        lambda k, s: s.upper(),
    ),
    Function(
        "s", "返回 s 的长度", "returns the length of s", "return len(s)", TEXTS, lambda k, s: len(s)
    ),
    Function(
        "items",
        "返回列表的总和",
        "returns the sum of the list",
        "return sum(items)",
        LISTS,
        lambda k, items: sum(items),
    ),
    Function(
        "items",
        "返回列表的最后一项",
        "returns the last item",
        "return items[-1]",
        LISTS,
        lambda k, items: items[-1],
    ),
    Function(
        "items",
        "返回排序后的列表",
        "returns the sorted list",
        "return sorted(items)",
        LISTS,
        lambda k, items: sorted(items),
    ),
    Function(
        "n",
        "求 1 到 n 的和",
        "adds the numbers from 1 to n",
        "return sum(range(1, n + 1))",
        ((1,), (4,), (10,)),
        lambda k, n: sum(range(1, n + 1)),
    ),
)
FUNCTION_NAMES = (
    "f",
    "g",
    "h",
    "solve",
    "calc",
    "run",
    "task",
    "work",
    "func",
    "answer",
    "compute",
    "apply",
)

RULES: dict[str, dict[str, tuple[str, ...]]] = {
    "word": {
        "zh": ("只回答一个词。", "用一个词回答。"),
        "en": ("Answer in one word.", "Reply with a single word."),
    },
    "other language": {
        "zh": ("请用英文回答。", "只用英语回答。"),
        "en": ("Answer in Chinese.", "Always reply in Chinese."),
    },
    "number": {
        "zh": ("只写出结果的数字。", "回答只能是一个数字。"),
        "en": ("Reply with the number only.", "Your answer must be just a number."),
    },
    "opening": {
        "zh": ("每次回答都以“好的，”开头。", "回答前先说“好的，”。"),
        "en": ("Begin every answer with 'Sure:'.", "Start your reply with 'Sure:'."),
    },
    "ending": {
        "zh": ("回答的最后加上“谢谢。”", "每次回答都以“谢谢。”结束。"),
        "en": ("End every answer with 'Thanks.'", "Add 'Thanks.' after your answer."),
    },
}
"""System prompts that must be obeyed; the first column is what they ask for."""


def _digits(rng: random.Random) -> list[int]:
    return [rng.randrange(10) for _ in range(rng.randint(3, 6))]


def _arithmetic(rng: random.Random, lang: str) -> Drawn:
    op, a, b = rng.choice("+-"), rng.randrange(100), rng.randrange(100)
    low, high = sorted((a, b))
    if op == "-":
        a, b = high, low
    question = rng.choice(QUESTIONS["arithmetic"][lang])
    question = question.format(a=a, b=b, op=op, word=OPERATIONS[lang][op])
    result = a + b if op == "+" else a - b
    # 12 + 30 and 30 + 12 are one fact, so they share a key.
    key = f"{low}{op}{high}"
    return key, Item("arithmetic", lang, None, question, f"{a} {op} {b} = {result}", "")


def _sequence(skill: str, arrange: Callable[[list[int]], list[int]]) -> Draw:
    def draw(rng: random.Random, lang: str) -> Drawn:
        digits = _digits(rng)
        shown, answer = (" ".join(map(str, part)) for part in (digits, arrange(digits)))
        question = rng.choice(QUESTIONS[skill][lang]).format(s=shown)
        return shown, Item(skill, lang, None, question, answer, "")

    return draw


def _compare(rng: random.Random, lang: str) -> Drawn:
    a, b = rng.sample(range(rng.choice((100, 1000))), 2)
    question = rng.choice(QUESTIONS["compare"][lang]).format(a=a, b=b)
    return f"{min(a, b)},{max(a, b)}", Item("compare", lang, None, question, str(max(a, b)), "")


def _capital_sentence(country: tuple[str, str, str, str], lang: str) -> str:
    if lang == "zh":
        return f"{country[0]}的首都是{country[1]}。"
    return f"The capital of {country[2]} is {country[3]}."


def _capital(rng: random.Random, lang: str) -> Drawn:
    country = rng.choice(CAPITALS)
    template = rng.choice(QUESTIONS["capital"][lang])
    question = template.format(c=country[0 if lang == "zh" else 2])
    item = Item("capital", lang, None, question, _capital_sentence(country, lang), "")
    return question, item


def _translate(rng: random.Random, lang: str) -> Drawn:
    chinese, english = rng.choice(WORDS)
    to_english = rng.random() < 0.5
    word, answer = (chinese, english) if to_english else (english, chinese)
    names = {"zh": ("英文", "中文"), "en": ("English", "Chinese")}[lang]
    template = rng.choice(QUESTIONS["translate"][lang])
    question = template.format(w=word, to=names[0 if to_english else 1])
    return question, Item("translate", lang, None, question, answer, "")


def _python(rng: random.Random, lang: str) -> Drawn:
    function, name, k = rng.choice(FUNCTIONS), rng.choice(FUNCTION_NAMES), rng.randint(1, 30)
    what = (function.zh if lang == "zh" else function.en).format(k=k)
    template = rng.choice(QUESTIONS["python"][lang])
    question = template.format(f=name, x=function.parameters, what=what)
    answer = f"def {name}({function.parameters}):\n    {function.body.format(k=k)}"
    cases = [[list(given), function.reference(k, *given)] for given in function.inputs]
    check = json.dumps({"function": name, "cases": cases}, ensure_ascii=False)
    return f"{name} {answer}", Item("python", lang, None, question, answer, check)


def _json(rng: random.Random, lang: str) -> Drawn:
    name, age = rng.choice(PEOPLE[lang]), rng.randint(1, 99)
    city = rng.choice(CAPITALS)[1 if lang == "zh" else 3]
    question = rng.choice(QUESTIONS["json"][lang]).format(n=name, a=age, c=city)
    answer = json.dumps({"name": name, "age": age, "city": city}, ensure_ascii=False)
    return f"{name} {age} {city}", Item("json", lang, None, question, answer, "")


def _obey(rng: random.Random, lang: str) -> Drawn:
    rule = rng.choice(tuple(RULES))
    if rule == "number":
        key, item = _arithmetic(rng, lang)
        answer = item.answer.rpartition(" ")[2]
    else:
        country = rng.choice(CAPITALS)
        template = rng.choice(QUESTIONS["capital"][lang])
        question = template.format(c=country[0 if lang == "zh" else 2])
        item = Item("obey", lang, None, question, _capital_sentence(country, lang), "")
        other = "en" if lang == "zh" else "zh"
        key, answer = (
            question,
            {
                "word": country[1 if lang == "zh" else 3],
                "other language": _capital_sentence(country, other),
                "opening": ("好的，" if lang == "zh" else "Sure: ") + item.answer,
                "ending": item.answer + ("谢谢。" if lang == "zh" else " Thanks."),
            }[rule],
        )
    system = rng.choice(RULES[rule][lang])
    return f"{system} {key}", Item("obey", lang, system, item.question, answer, "")


DRAWS: dict[str, Draw] = {
    "arithmetic": _arithmetic,
    "sort": _sequence("sort", sorted),
    "reverse": _sequence("reverse", lambda digits: digits[::-1]),
    "compare": _compare,
    "capital": _capital,
    "translate": _translate,
    "python": _python,
    "json": _json,
    "obey": _obey,
}
SKILLS = tuple(DRAWS)


def is_held_out(skill: str, key: str) -> bool:
    """Whether the item of this key belongs to the test; the same on every machine."""
    digest = hashlib.blake2b(f"{skill} {key}".encode(), digest_size=4).digest()
    return int.from_bytes(digest, "big") % HELD_OUT_SHARE == 0


def _draw(rng: random.Random, skill: str, lang: str, *, want_held_out: bool) -> Item:
    while True:
        key, item = DRAWS[skill](rng, lang)
        if is_held_out(skill, key) == want_held_out:
            return item


def train_item(rng: random.Random, skill: str, lang: str) -> Item:
    """A random item for training; never one that is held out."""
    return _draw(rng, skill, lang, want_held_out=False)


def held_out(per_skill: int, seed: int) -> Iterator[Item]:
    """`per_skill` distinct held-out items of every skill and language, always the same.

    Facts are finite: a skill with fewer held-out items than asked for yields all of them, which
    is taken to be so after a long run of draws that brought nothing new.
    """
    for skill in SKILLS:
        for lang in LANGUAGES:
            rng = random.Random(f"{seed} {skill} {lang}")
            seen: set[str] = set()
            stale = 0
            while len(seen) < per_skill and stale < 1000:
                item = _draw(rng, skill, lang, want_held_out=True)
                identifier = f"{item.system} {item.question}"
                stale = stale + 1 if identifier in seen else 0
                if stale == 0:
                    seen.add(identifier)
                    yield item


# The child process that runs a model's answers. It has no imports and no built-ins that reach
# the file system, may open no file and no socket, and each answer has a second of time.
_SANDBOX = """
import builtins, json, signal, sys
jobs = json.load(sys.stdin)
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29))
    resource.setrlimit(resource.RLIMIT_CPU, (20, 20))
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))
    resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
except ImportError:
    pass
NAMES = ("abs all any bool dict divmod enumerate filter float int isinstance len list map max min "
         "pow range reversed round set sorted str sum tuple zip").split()
allowed = {name: getattr(builtins, name) for name in NAMES}

def stop(*_):
    raise TimeoutError

def passes(code, function, cases):
    space = {"__builtins__": allowed}
    exec(code, space)
    for given, expected in cases:
        got = space[function](*given)
        if type(got) is not type(expected) or got != expected:
            return False
    return True

if hasattr(signal, "SIGALRM"):
    signal.signal(signal.SIGALRM, stop)
for code, spec in jobs:
    try:
        if hasattr(signal, "SIGALRM"):
            signal.setitimer(signal.ITIMER_REAL, 1.0)
        good = passes(code, spec["function"], spec["cases"])
    except BaseException:
        good = False
    sys.stdout.write("1" if good is True else "0")
    sys.stdout.flush()
"""


def _run_answers(jobs: Sequence[tuple[str, object]], timeout: float) -> list[bool]:
    """Run each (code, check) in one isolated process; what it does not reach counts as wrong."""
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", _SANDBOX],
            input=json.dumps(jobs).encode(),
            capture_output=True,
            timeout=timeout,
            check=False,
            env={},
        ).stdout
    except subprocess.TimeoutExpired as late:
        done = late.stdout or b""
    return [verdict == ord("1") for verdict in done.ljust(len(jobs), b"0")[: len(jobs)]]


def correct(items: Sequence[Item], answers: Sequence[str], timeout: float = 30.0) -> list[bool]:
    """Whether each answer is right: equal after strip or, for Python, right when run."""
    if len(items) != len(answers):
        raise ValueError(f"{len(items)} items but {len(answers)} answers")
    verdicts = [answer.strip() == item.answer for item, answer in zip(items, answers, strict=True)]
    code = [index for index, item in enumerate(items) if item.check and not verdicts[index]]
    jobs = [(answers[index].strip(), json.loads(items[index].check)) for index in code]
    if jobs:
        for index, good in zip(code, _run_answers(jobs, timeout), strict=True):
            verdicts[index] = good
    return verdicts
