"""A file of probes: YAML, JSON, JSONL, or plain text with one question a line.

Every value is text as it is written: `must_contain: 9`, `007`, `1.50` and `yes` are words that an
answer has to say. What is not known, given twice, or cannot be meant is refused with its place.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from suretune import typed
from suretune.because import in_words
from suretune.data.nearby import not_there
from suretune.data.placeholders import Names, fill_prompt
from suretune.data.yamltext import BadYaml, Listing, Node, Scalar, read_yaml
from suretune.facts import FlagFacts
from suretune.refusal import Refusal
from suretune.types import Text
from suretune.verify.patterns import found_in, never_ends_on, wrong_with
from suretune.verify.probes import MUST_PASS, ONLY_SHOWN, PARAPHRASE, Probe

MOST = 16 << 20  # bytes of JSON or text
KINDS = (MUST_PASS, PARAPHRASE, ONLY_SHOWN)
KEYS = (
    "question",
    "system",
    "must_contain",
    "must_not_contain",
    "whole_words",
    "regex",
    "kind",
    "if_fails",
)
LISTS = ("must_contain", "must_not_contain")
SAID = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
OTHER = (".csv", ".tsv", ".parquet", ".arrow", ".xlsx", ".xls", ".gz", ".zst", ".zip", ".html")
NO_NAMES = Names((), ())
WIDE_COLON = re.compile(rf"\s*({'|'.join(KEYS)})\s*：")
# Signs by which a pattern that is found in nothing may be missing in something.
SOMEWHERE = re.compile(r"[\^$]|\\[AZzbBGmM]|\(\?<?[!=]")
ASKS_FOR_NOTHING = Text(
    "nothing says what a right answer is: add `must_contain`, `must_not_contain` or `regex`",
    "没有写明什么才算答对：请加上 `must_contain`、`must_not_contain` 或 `regex`",
)


class _Wrong(ValueError):
    """What is wrong with a file of probes; `left` is a placeholder without a value."""

    def __init__(self, place: str, why: Text, left: str = "") -> None:
        super().__init__(why.en)
        self.place, self.why, self.left = place, why, left


def read_probes(
    file: str,
    names: Names = NO_NAMES,
    flag: str = "--probes",
) -> list[Probe]:
    """The probes of a file, their placeholders filled with `names`; Refusal if it holds none."""
    path = typed.place(file)
    try:
        probes = [_ready(item, names, place) for place, item in _items(path)]
    except _Wrong as error:
        place, problem = (
            f"{file}{error.place}",
            "unfilled-placeholder" if error.left else "bad-value",
        )
        hint = Text(f"{place}: {error.why.en}", f"{place}：{error.why.zh}")
        raise Refusal(FlagFacts(problem, flag, error.left or file, hint=hint)) from error
    except BadYaml as error:
        raise Refusal(FlagFacts("bad-value", flag, file, hint=error.told())) from error
    except FileNotFoundError as error:
        raise Refusal(FlagFacts("bad-value", flag, file, hint=not_there(file, flag))) from error
    except (OSError, RuntimeError, ValueError) as error:
        raise Refusal(FlagFacts("bad-value", flag, file, hint=in_words(error))) from error
    if not probes:
        none = Text("It holds no question.", "里面一个问题也没有。")
        raise Refusal(FlagFacts("bad-value", flag, file, hint=none))
    return probes


def names_in(probes_file: str, names: Names) -> frozenset[str]:
    """Which of NAME and AUTHOR a file of probes is filled with."""
    used: frozenset[str] = frozenset()
    path = typed.place(probes_file)
    for place, item in _items(path):
        filled = fill_prompt(_texts(_probe(item, place)), names)
        used |= filled[1] if isinstance(filled, tuple) else frozenset()
    return used


# --- files to items -----------------------------------------------------------------------------

Item = tuple[str, Any]
"""A place, `:17`, and what stands there: text, a list, a mapping, None."""


def _items(path: Path) -> list[Item]:
    suffix = path.suffix.lower()
    if suffix in OTHER:
        _refuse(
            "",
            Text(
                f"probes are YAML, JSON, JSONL or text with one question a line, not {suffix}",
                f"验证问题是 YAML、JSON、JSONL，或每行一个问题的文本，不是 {suffix}",
            ),
        )
    if suffix in (".yaml", ".yml"):
        tree = read_yaml(path)[1]
        nodes = tree.items if isinstance(tree, Listing) else (tree,) if tree else ()
        return [(f":{node.line}", _plain(node)) for node in nodes]
    with path.open("rb") as handle:
        data = handle.read(MOST + 1)
    if len(data) > MOST:
        _refuse("", Text(f"it is larger than {MOST >> 20} MiB", f"超过了 {MOST >> 20} MiB"))
    text = data.decode("utf-8-sig")
    if suffix == ".json":
        items = _json(text, "")
        return [
            (f" [{n}]", item)
            for n, item in enumerate(items if isinstance(items, list) else [items], 1)
        ]
    lines = [(f":{n}", line.strip()) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    if suffix in (".jsonl", ".ndjson") or (lines and all(line[0] == "{" for _, line in lines)):
        return [(place, _json(line, place)) for place, line in lines]
    return [(place, line) for place, line in lines]


def _plain(node: Node) -> Any:
    if isinstance(node, Scalar):
        return None if node.null else node.text
    if isinstance(node, Listing):
        return [_plain(item) for item in node.items]
    return {key.text: _plain(value) for key, value in node.pairs}


def _json(text: str, place: str) -> Any:
    """JSON whose numbers are the text that stands there, and whose names stand there once."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            names = [name for name, _ in pairs]
            name = next(n for n in names if names.count(n) > 1)
            _refuse(place, Text(f"`{name}` stands twice", f"`{name}` 写了两次"))
        return made

    try:
        return json.loads(
            text,
            parse_int=str,
            parse_float=str,
            parse_constant=str,
            object_pairs_hook=once,
        )
    except _Wrong:
        raise
    except (ValueError, RecursionError) as error:
        line = f":{error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        said = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply"
        _refuse(place or line, Text(f"no JSON: {said}", f"不是合法的 JSON：{said}"))


# --- items to probes ----------------------------------------------------------------------------


def _ready(item: Any, names: Names, place: str) -> Probe:
    """The probe as it will be asked, and judged as such: a name may be what makes it impossible."""
    probe = _filled(_probe(item, place), names, place)
    _judgeable(probe, place)
    return probe


def _probe(item: Any, place: str) -> Probe:
    if isinstance(item, str) and (wide := WIDE_COLON.match(item)):
        _refuse(
            place,
            Text(
                f"the colon behind `{wide[1]}` is a full-width one; YAML takes `:` and a blank",
                f"`{wide[1]}` 后面是全角冒号，YAML 只认半角冒号 `:` 加空格",
            ),
        )
    about = _known({"question": item} if isinstance(item, str) else item, place)
    question = _text(about, "question", place)
    if not question or not question.strip():
        _refuse(place, Text("`question` is missing", "缺少 `question`"))
    must, must_not = (_words(about, key, place) for key in LISTS)
    pattern = _text(about, "regex", place) or ""
    if about.get("regex") is not None and not pattern:
        _refuse(place, Text("`regex` is empty", "`regex` 是空的"))
    return Probe(
        question,
        _kind(_text(about, "kind", place), bool(must or must_not or pattern), place),
        system=_text(about, "system", place),
        must=must,
        must_not=must_not,
        regex=pattern,
        if_fails=_text(about, "if_fails", place) or "",
        whole=tuple(dict.fromkeys((*must, *must_not))) if _whole_words(about, place) else (),
    )


def _known(item: Any, place: str) -> Mapping[str, Any]:
    """The item under the names that are documented; `must-contain` and `mustContain` are one."""
    if not isinstance(item, dict):
        _refuse(
            place,
            Text(
                "a question, or a mapping with `question`, is expected",
                "这里应当是一个问题，或带 `question` 的映射",
            ),
        )
    made: dict[str, Any] = {}
    plain = {_letters(key): key for key in KEYS}
    for name, value in item.items():
        key = plain.get(_letters(name))
        if key is None:
            near = difflib.get_close_matches(
                _letters(name),
                plain,
                n=1,
                cutoff=0.5,
            )
            _refuse(place, _unknown("key", "键", name, KEYS, plain[near[0]] if near else ""))
        if key in made:
            _refuse(place, Text(f"`{key}` stands twice", f"`{key}` 写了两次"))
        made[key] = value
    return made


def _letters(name: str) -> str:
    return re.sub(r"[^a-z]", "", name.lower())


def _unknown(
    what: str,
    what_zh: str,
    word: str,
    known: Sequence[str],
    near: str,
) -> Text:
    all_of = ", ".join(f"`{name}`" for name in known)
    en = f"unknown {what} `{word[:40]}`; there are {all_of}."
    zh = f"不认识的{what_zh} `{word[:40]}`；可用的有 {all_of}。"
    if near:
        en, zh = f"{en} Did you mean `{near}`?", f"{zh}是否想写 `{near}`？"
    return Text(en, zh)


def _kind(word: str | None, judged: bool, place: str) -> str:
    """`must_pass` and `MustPass` are must-pass; what an unknown kind would judge, nobody knows."""
    if word is None:
        return MUST_PASS if judged else ONLY_SHOWN
    plain = {_letters(kind): kind for kind in KINDS}
    if _letters(word) in plain:
        return plain[_letters(word)]
    near = difflib.get_close_matches(
        _letters(word),
        plain,
        n=1,
        cutoff=0.5,
    )
    _refuse(place, _unknown("kind", "类型", word, KINDS, plain[near[0]] if near else ""))


def _text(
    about: Mapping[str, Any],
    key: str,
    place: str,
) -> str | None:
    value = about.get(key)
    if isinstance(value, bool):  # of JSON
        return "true" if value else "false"
    if value is None or isinstance(value, str):
        return value
    _refuse(place, Text(f"`{key}` takes one text", f"`{key}` 只接受一段文字"))


def _whole_words(about: Mapping[str, Any], place: str) -> bool:
    """Whether its words are names, which stand in no other word."""
    typed_in = (_text(about, "whole_words", place) or "false").strip().lower()
    if typed_in not in SAID:
        _refuse(place, Text("`whole_words` is true or false", "`whole_words` 只能是 true 或 false"))
    return SAID[typed_in]


def _words(
    about: Mapping[str, Any],
    key: str,
    place: str,
) -> tuple[str, ...]:
    value = about.get(key)
    listed = value if isinstance(value, list) else [] if value is None else [value]
    if key in about and not listed:
        _refuse(place, Text(f"`{key}` is empty", f"`{key}` 是空的"))
    words = [_text({key: item}, key, place) for item in listed]
    if not all(word and word.strip() for word in words):
        _refuse(
            place,
            Text(
                f"a word of `{key}` is empty: every answer would have it",
                f"`{key}` 里有空的词：任何回答都含有它",
            ),
        )
    return tuple(word for word in words if word)


def _judgeable(probe: Probe, place: str) -> None:
    """Whether some answer can pass, and some answer can fail, in a bounded time."""
    if probe.kind == ONLY_SHOWN and probe.judged:
        _refuse(
            place,
            Text(
                "a probe of kind `shown` is judged by nobody: take its conditions out, or write"
                " `kind: must-pass`",
                "`shown` 类型的问题不作判断：请去掉其中的条件，或写 `kind: must-pass`",
            ),
        )
    if probe.kind != ONLY_SHOWN and not probe.judged:
        _refuse(place, ASKS_FOR_NOTHING)
    barred = [any(probe.finds(bad, word) for bad in probe.must_not) for word in probe.must]
    if barred and all(barred):
        _refuse(
            place,
            Text(
                "no answer can pass: all that it must contain, it must not contain",
                "任何回答都通不过：必须包含的，又全都不得包含",
            ),
        )
    if wrong := wrong_with(probe.regex):
        _refuse(place, Text(f"regex: {wrong.en}", f"regex：{wrong.zh}"))
    if probe.regex and not SOMEWHERE.search(probe.regex) and found_in(probe.regex, ""):
        _refuse(
            place,
            Text(
                "regex: it is found in an empty answer, so no answer can fail",
                "regex：空回答也能匹配，任何回答都通得过",
            ),
        )
    likely = (probe.question * 4, *(f"{word} " * 40 for word in probe.must))
    if probe.regex and (text := never_ends_on(probe.regex, likely)):
        shown = f"{text[:24]}..."
        _refuse(
            place,
            Text(
                f"regex: it comes to no end on an answer like `{shown}`. Repeat no group whose"
                " inside repeats: `(\\w+ ?)+` can be written `[\\w ]+`",
                f"regex：遇到 `{shown}` 这样的回答就算不完。不要重复一个内部本身会重复的组："
                "`(\\w+ ?)+` 可以写成 `[\\w ]+`",
            ),
        )


def _refuse(place: str, why: Text) -> NoReturn:
    raise _Wrong(place, why)


# --- placeholders -------------------------------------------------------------------------------


def _texts(probe: Probe) -> list[str]:
    return [
        probe.question,
        probe.system or "",
        probe.regex,
        probe.if_fails,
        *probe.must,
        *probe.must_not,
    ]


def _filled(probe: Probe, names: Names, place: str) -> Probe:
    """The probe with `{{NAME}}` and `{{AUTHOR}}` as the rows have them, in its own language."""
    made = fill_prompt(_texts(probe), names)
    if not isinstance(made, tuple):
        raise _Wrong(place, made.why, made.left)
    texts, used = made
    if not used:
        return probe
    question, system, _, told, *words = texts
    pattern = _pattern(probe, names)
    count = len(probe.must)
    before = (*probe.must, *probe.must_not)
    filled = (w for old, w in zip(before, words, strict=True) if w != old or old in probe.whole)
    return replace(
        probe,
        question=question,
        system=None if probe.system is None else system,
        regex=pattern,
        if_fails=told,
        must=tuple(words[:count]),
        must_not=tuple(words[count:]),
        whole=tuple(dict.fromkeys(filled)),  # what a placeholder stands for is a name
    )


def _pattern(probe: Probe, names: Names) -> str:
    """The regex with the names in it, which are words there: `C++` is no pattern."""
    given = (names.model_name, names.model_author)
    plain = Names(*(tuple(map(re.escape, words)) for words in given))
    made = fill_prompt(_texts(probe), plain)
    if not isinstance(made, tuple):
        raise _Wrong("", made.why, made.left)
    return made[0][2]
