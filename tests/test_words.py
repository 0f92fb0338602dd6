"""What guards say is said in the field's terms, and in one language at a time."""

from __future__ import annotations

import ast
import errno
import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

import house
import suretune
from suretune import because, guards, rundir
from suretune.data.base import find_base
from suretune.data.feed import unreadable
from suretune.deploy.listen import busy
from suretune.facts import Facts, SetupFacts
from suretune.guards import CHINESE_LINE_END, all_guards, explain, heading_of
from suretune.guards.guard import Guard, engine_reason
from suretune.options_serve import ServeOptions
from suretune.preflight.outlook import not_writable
from suretune.refusal import Refusal
from suretune.types import Fault, Text
from test_guards import finding

HOME = Path(guards.__file__).parent
FILES = sorted(HOME.glob("*.py"))
HAN = "\u4e00-\u9fff"
CODE = re.compile(r"`[^`]*`")
QUOTED = re.compile(  # a message, a heading, a flag, a file's name, a code, a variable
    r"“[^”]*”|\*[^*]*\*|--?[A-Za-z][\w-]*|[\w./~-]*[./_~][\w./-]*|\b[A-Z]\d{3}\b|[A-Z_]{4,}"
)
FIELD = re.compile(r"\{\{|\}\}|\{[^{}]*\}")
# Terms of no field, or of another, and the words that stand for them.
OLD = {
    "封存": "验证通过", "封条": "验证记录", "台账": "数据清单", "奈特": "与原模型的差异（KL）",
    "隔离": "跳过", "不是有限": "NaN 或 Inf", "有限的数": "NaN 或 Inf", "耐心": "早停容忍次数",
    "偏离": "与原模型的差异", "平台": "Hugging Face / 魔搭", "基座": "原模型", "底座": "原模型",
    "技能": "通用能力", "提前停止": "早停", "无穷大": "Inf", "证明": "验证", "看什么": "检查内容",
    "为什么重要": "影响", "现象": "问题", "办法": "怎么改", "epoch": "轮", " hub": "Hugging Face",
    "放不进内存": "显存不足", "设备内存": "显存", "词元": "token", "训练目录": "运行文件夹",
}  # fmt: skip
# Names: of tools, models, formats, methods, signs and units that Chinese writes as they are.
WORDS = """suretune Hugging Face Qwen Llama Gemma Phi Zephyr DeepSeek Vicuna Alpaca Mistral ChatML
Parquet LoRA DoRA PiSSA IA3 LoHa LoKr VeRA PEFT peft vLLM SGLang Ollama transformers torch PyTorch
CUDA Ampere BatchNorm Adam OpenAI Optuna Axolotl swift ms LLaMA Factory Holm Tango KL Jinja JSON
Lines NVIDIA YAML CSV SQL UTF BOM GBK Shift JIS Latin NUL Python Git LFS GPU CPU GB token logits
dropout NaN Inf float16 float32 bfloat16 SHA safetensors GPTQ AWQ bitsandbytes FP8 NF4 MXFP4
compressed tensors MLX GGUF Windows shell packing validation test system user assistant id NAME
Instruct Excel"""
NAMES = frozenset(WORDS.split())


def texts_in(path: Path) -> Iterator[Text]:
    """Every `Text` of a module whose two languages are written out; blanks stand for values."""
    for node in house.nodes(house.tree_of(path)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "Text":
            both = [_written(part) for part in node.args]
            if len(both) == 2 and None not in both:
                yield Text(str(both[0]), str(both[1]))


def _written(node: ast.expr) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if not isinstance(node, ast.JoinedStr):
        return None
    parts = (part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
    return "".join(map(str, parts))


@cache
def chinese(path: Path) -> tuple[str, ...]:
    """Every Chinese sentence of a file of guards: its texts, and the half of its page."""
    said = [text.zh for text in texts_in(path)]
    guard = next((g for g in all_guards() if path.stem.startswith(f"{g.code.lower()}_")), None)
    if guard is not None:
        page = (explain(guard.code) or "").partition(f"\n{guard.code} {guard.name}：")[2]
        parts = (CHINESE_LINE_END.sub("", part).replace("\n", " ") for part in page.split("\n\n"))
        said += map(str.strip, parts)
    return tuple(said)


def plain(text: str) -> str:
    """Without code and without the fields that are filled in; a sign marks where they stood."""
    return FIELD.sub("∎", CODE.sub("∎", text))


every_file = pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
every_guard = pytest.mark.parametrize("guard", all_guards(), ids=lambda g: g.code)


@every_file
def test_chinese_texts_use_the_terms_of_the_field(path: Path) -> None:
    for text in chinese(path):
        found = [f"{old} → {new}" for old, new in OLD.items() if old in CODE.sub("", text)]
        assert not found, f"{found}: {text}"
        assert "suretune doctor" not in text, text


@every_file
def test_signs_beside_chinese_are_full_width(path: Path) -> None:
    for text in chinese(path):
        bare = plain(text)
        odd = re.search(rf"[{HAN}∎] ?[,;:?!()](?![\w/-])|[,;:?!()] ?[{HAN}]", bare)
        assert odd is None, f"{odd and odd.group()}: {text}"


@every_file
def test_chinese_and_latin_words_have_a_blank_between_them(path: Path) -> None:
    for text in chinese(path):
        odd = re.search(
            rf"[{HAN}][A-Za-z0-9`]|[A-Za-z0-9][{HAN}]", CODE.sub("", FIELD.sub("", text))
        )
        assert odd is None, f"{odd and odd.group()}: {text}"
        blank = rf" [，。；：）？！]|[，。；：（？！] |[{HAN}] （|） [{HAN}]"
        assert not re.search(blank, text), text


@every_file
def test_no_english_words_stand_in_chinese_sentences(path: Path) -> None:
    for text in chinese(path):
        if not re.search(f"[{HAN}]", text):
            continue  # a command, or what a field holds
        bare = re.sub(r"“[^”]*”", "", plain(text))  # a message that is quoted
        bare = re.sub(
            r"--?[A-Za-z][\w-]*|[\w./~-]*[./_~][\w./-]*|\b[A-Z]\d{3}\b|[A-Z_]{4,}", "", bare
        )
        found = set(re.findall(r"[A-Za-z][A-Za-z0-9]+", bare)) - NAMES
        assert not found, f"{found}: {text}"


@every_guard
def test_a_guard_has_a_short_title_in_both_languages(guard: Guard) -> None:
    title = guard.title
    assert title.en and title.en.isascii() and title.en[-1] not in ".:" and len(title.en) <= 48
    assert title.en != guard.name.replace("-", " "), "it says no more than the name"
    assert re.search(f"[{HAN}]", title.zh) and len(title.zh) <= 14
    assert set(re.findall(r"[A-Za-z][A-Za-z0-9]+", title.zh)) <= NAMES
    assert guard.heading == heading_of(f"{guard.code} {guard.name}")
    assert guard.heading.en == f"{guard.code} {guard.name}: {title.en}"
    assert guard.heading.zh == f"{guard.code} {title.zh}（{guard.name}）"


def test_titles_tell_guards_apart() -> None:
    for language in ("en", "zh"):
        titles = [getattr(guard.title, language) for guard in all_guards()]
        assert len(set(titles)) == len(titles)


def test_a_reason_that_no_guard_gave_stays_as_it_is() -> None:
    assert heading_of("out of luck") == Text("out of luck", "out of luck")


@every_guard
def test_nothing_is_said_twice(guard: Guard) -> None:
    for language in ("en", "zh"):
        what, why, fix = (getattr(text, language) for text in (guard.what, guard.why, guard.fix))
        said = [
            part.strip()
            for text in (what, why, fix)
            for part in re.split(r"[。；]|[.;] ", text)
            if len(part.strip()) > 6
        ]
        assert len(set(said)) == len(said)


@every_guard
def test_what_is_filled_in_leaves_the_sentence_well_set(guard: Guard) -> None:
    said = finding(guard)
    for text in (said.what.zh, said.why.zh, said.fix.zh):
        bare = CODE.sub("∎", text)
        odd = re.search(rf"[{HAN}∎] ?[,;:?!()](?![\w/.-])|[,;:?!()] ?[{HAN}]", bare)
        odd = odd or re.search(r" [，。；：）？！]|[，。；：（？！] |[，。；：]{2}", bare)
        odd = odd or re.search(rf"[{HAN}]∎|∎[{HAN}]", bare)
        assert odd is None, f"{odd and odd.group()!r}: {text}"
    for text in (said.what.en, said.why.en, said.fix.en):
        assert not re.search(r" [,;:]|\.\.(?!\.)|  ", CODE.sub("∎", text)), text


# --- facts --------------------------------------------------------------------------------------

SOURCE = Path(suretune.__file__).parent
PLACE = {"SetupFacts": 2, "Fault": 4, "Trouble": 1, "Damaged": 1, "HubError": 1}  # of `found`
RAW = re.compile(r"(str\()?error\b(?!\.)")  # what an exception says, as it says it
PROSE = re.compile(r"\b[a-z]{2,}(?: [a-z]{1,}){1,}\b|\b(missing|damaged|gone|nothing|needed)\b")


@pytest.mark.parametrize("room", sorted(house.kept()["sizes"]))
def test_a_fact_that_is_a_sentence_is_said_in_both_languages(room: str) -> None:
    """What guards quote as `found` is a name, a number or a `Text`, never a bare English sentence,
    whether it is written where the fact is made or a line or two above."""
    trees = {file: tree for file, tree in house.trees().items() if house.room(file) == room}
    scopes = [
        (file, node)
        for file, tree in trees.items()
        for node in house.nodes(tree)
        if isinstance(node, ast.FunctionDef)
    ]
    for file, scope in scopes:
        named = {
            target.id: node.value
            for node in ast.walk(scope)
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for value in _facts(scope):
            value = named.get(value.id, value) if isinstance(value, ast.Name) else value
            said = _written(value) or ""
            assert not PROSE.search(plain(said)), f"{file}:{value.lineno}: {said}"
            parts = [n.value for n in ast.walk(value) if isinstance(n, ast.FormattedValue)]
            raw = [part for n in parts if re.match(RAW, part := ast.unparse(n))]
            assert not raw, f"{file}:{value.lineno}: {raw}, see because.in_words"


def _facts(scope: ast.FunctionDef) -> Iterator[ast.expr]:
    for node in ast.walk(scope):
        name = getattr(node.func, "id", "") if isinstance(node, ast.Call) else ""
        if isinstance(node, ast.Call) and name in PLACE:
            yield from (one.value for one in node.keywords if one.arg == "found")
            yield from node.args[PLACE[name] : PLACE[name] + 1]


def test_whatever_the_engine_cannot_compute_is_said_in_chinese() -> None:
    said = [
        _written(node.value)
        for name in ("stack", "groups")
        for node in ast.walk(ast.parse((SOURCE / "model" / f"{name}.py").read_text("utf-8")))
        if isinstance(node, ast.Return) and isinstance(node.value, (ast.Constant, ast.JoinedStr))
    ]
    reasons = [text.replace("{}", "96") for text in said if text and " " in text]
    assert len(reasons) > 5
    for reason in reasons:
        assert re.search(f"[{HAN}]", engine_reason(reason).zh), reason


# --- errors of the system ---------------------------------------------------------------------


@pytest.mark.parametrize("number", because.SYSTEM)
def test_an_error_of_the_system_is_put_into_words(number: int) -> None:
    import os

    said = because.in_words(OSError(number, os.strerror(number)))
    assert re.search(f"[{HAN}]", said.zh) and said.en.isascii()
    assert said.zh.endswith(f"（{errno.errorcode[number]}）")
    again = because.in_words(f"[Errno {number}] {os.strerror(number)}: 'x'")
    assert again == said


@pytest.mark.parametrize(
    ("error", "zh"),
    [
        ("Got: ConnectError: [Errno -2] Name or service not known", "无法解析主机名"),
        ("The read operation timed out", "超时"),
        ("I/O error: No space left on device (os error 28)", "磁盘空间不足（ENOSPC）"),
        (TimeoutError(), "超时"),
        ("HTTP 429", "请求太频繁"),
        (UnicodeError("label empty or too long"), "无法解析主机名"),
        (KeyError("data"), "`KeyError: 'data'`"),
        (ValueError("unexpected end of data: line 1 column 2 (char 1)"), "内容不完整"),
    ],
)
def test_what_libraries_say_in_words_alone_is_known(error: str | Exception, zh: str) -> None:
    assert zh in because.in_words(error).zh


def test_what_nobody_knows_is_quoted() -> None:
    said = because.in_words("it `went` wrong\nand more")
    assert said == Text("it `went` wrong", "`it 'went' wrong`")


def _damaged(folder: Path) -> SetupFacts:
    (folder / "a").write_bytes(b"12")
    rundir.write_manifest(folder)
    (folder / "a").write_bytes(b"1")
    found = rundir.damage(folder)
    assert found is not None
    return SetupFacts("checkpoint-damaged", str(folder), found)


def _unlisted(folder: Path) -> Fault:
    return unreadable("a.jsonl", PermissionError(errno.EACCES, "Permission denied"))


SYSTEM_FACTS: dict[str, Callable[[Path], Facts | None]] = {
    "S009": lambda folder: not_writable("/proc/x"),
    "S015": _damaged,
    "V004": lambda folder: busy(ServeOptions(port=80), OSError(errno.EADDRINUSE, "in use")),
    "V019": lambda folder: busy(ServeOptions(host="x"), OSError(errno.EADDRNOTAVAIL, "none")),
    "D021": _unlisted,
    "S018": lambda folder: find_folder(folder),
}


def find_folder(folder: Path) -> Facts:
    (folder / "config.json").write_text("{")
    with pytest.raises(Refusal) as refused:
        find_base(str(folder), weights=False)
    return refused.value.facts


@pytest.mark.parametrize("code", SYSTEM_FACTS)
def test_what_the_system_refuses_is_said_without_its_english(code: str, tmp_path: Path) -> None:
    facts = SYSTEM_FACTS[code](tmp_path)
    assert facts is not None
    (said,) = guards.judge(facts)
    assert said.code == code
    bare = re.sub(r"\([^)]*\)|（[^）]*）|/[\w/.-]+", "", QUOTED.sub("", plain(said.what.zh)))
    assert not re.search(r"[a-z]{2,}(?: [a-z]{2,})+", bare), said.what.zh
    assert said.what.en.isascii()
