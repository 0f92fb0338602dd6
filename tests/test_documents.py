"""The documents are held to the code and to each other: links, commands, tables, figures, terms."""

from __future__ import annotations

import json
import re
import runpy
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

import draw_documents
from conftest import write_rows
from suretune.cli import VERBS, _verb, main
from suretune.cli.parse import Verb, parse
from suretune.cli.verbs import OWN
from suretune.config import options
from suretune.guards import all_guards
from suretune.guards.guard import Guard
from suretune.importing.tables import TOOLS, table
from suretune.option import FORMER
from suretune.prepare.ready import DRIVERS, WHEELS
from suretune.show.pasted import VERDICTS
from test_guards import DATA
from test_words import CODE, OLD

ROOT = Path(__file__).parent.parent
BOTH = ("README.md", "README.zh-CN.md")
PAGES = [*BOTH, "CONTRIBUTING.md", "pocket/README.md"] + [
    str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").glob("*.md"))
]
CHINESE = [page for page in PAGES if page.endswith(".zh-CN.md")]
ALONE = ("docs/china.zh-CN.md",)  # for people who read Chinese
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[([^\]\n]*)\]\(([^)\s]+)\)(（[^）]*）)?")
MARKS = ("（英文）", "（中英文）", "（英文，表格为中英文）")
TIMES = {"": 1, " million": 1_000_000, " 万": 10_000, " 亿": 100_000_000}
OTHERS = {"case", "max_lora_rank", "a"}  # of our scripts, of vLLM, and one that nobody has
PATH = re.compile(r"`([\w.*-]+(?:/[\w.*-]+)+/?)`")
TOPS = {"src", "tests", "docs", "recipes", "benchmarks", "pocket", ".ci"}
ROOMS = {path.name for path in (ROOT / "src" / "suretune").iterdir() if path.is_dir()}
# Files that somebody will write, of another tool, and of cases that lie elsewhere.
NO_PATHS = re.compile(r".*/x\.py|.*/d090_few_rows\.py|docs/NAME.*|src/train\.py|serve/\w+\.yaml")
OLD_WORDS = "封存|封条|台账|奈特|平台|基座|不是有限的数|耐心值"


def text(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def prose(page: str) -> str:
    """Without blocks of code."""
    return FENCE.sub("", text(page))


def slug(heading: str) -> str:
    """The anchor that a heading gets."""
    words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", words).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    lines = FENCE.sub("", page.read_text("utf-8"))
    return {slug(line) for line in re.findall(r"^#{1,6} (.+)$", lines, re.MULTILINE)}


@pytest.mark.parametrize("page", PAGES)
def test_every_relative_link_and_its_anchor_exists(page: str) -> None:
    for _, target, _ in LINK.findall(prose(page)):
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        there = (ROOT / page).parent / path if path else ROOT / page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


@pytest.mark.parametrize("page", PAGES)
def test_every_path_that_a_page_names_is_there(page: str) -> None:
    """From the root, or from a room of the package; `*` stands for some file."""
    for path in PATH.findall(text(page)):
        first, file = path.partition("/")[0], re.search(r"\.(py|yaml|jsonl|json|css)$", path)
        if NO_PATHS.fullmatch(path) or not (first in TOPS or (first in ROOMS and file)):
            continue
        start = ROOT if first in TOPS else ROOT / "src" / "suretune"
        assert any(start.glob(path.rstrip("/"))), path


@pytest.mark.parametrize("page", CHINESE)
def test_a_chinese_page_links_chinese_pages_or_says_that_they_are_english(page: str) -> None:
    for label, target, mark in LINK.findall(prose(page)):
        path = target.partition("#")[0]
        if path.endswith(".md") and not path.endswith(".zh-CN.md") and label != "English":
            assert mark in MARKS, target
            assert (mark == "（中英文）") == path.endswith(("guards.md", "glossary.md")), target
        own = path.removesuffix(".md") + ".zh-CN.md"
        there = (ROOT / page).parent / own
        written = label == "English" or there == ROOT / page
        assert written or not there.is_file(), f"{target}: there is {own}"


@pytest.mark.parametrize("page", CHINESE)
def test_a_chinese_page_and_its_english_one_link_each_other(page: str) -> None:
    if page in ALONE:
        return
    other = page.replace(".zh-CN.md", ".md")
    assert f"[English]({Path(other).name}) | 中文" in text(page)
    assert f"English | [中文]({Path(page).name})" in text(other)


@pytest.mark.parametrize("page", CHINESE)
def test_a_chinese_page_uses_the_terms_of_the_field(page: str) -> None:
    own = draw_documents.PART.sub("", prose(page))  # tables are said elsewhere
    assert not re.findall(OLD_WORDS, own)
    assert not re.findall(r"[\u4e00-\u9fff][,;:?!()]|[,;:?!()][\u4e00-\u9fff]", _said(own))
    assert not re.findall(r"(?m)^[，。：；）？！、].*|.*（$", own)


def _said(written: str) -> str:
    """Without code and links, whose signs are their own."""
    return re.sub(r"`[^`\n]*`|\]\([^)]*\)|^\s{4}.*$", "", written, flags=re.MULTILINE)


def commands(page: str) -> Iterator[list[str]]:
    """Every command of suretune that the page shows: in blocks, indented, or in a sentence."""
    whole = text(page)
    blocks = [body for kind, body in FENCE.findall(whole) if kind in ("bash", "")]
    rest = FENCE.sub("", whole)
    blocks += re.findall(r"(?m)(?:^ {4}.+\n)+", rest)
    blocks += re.findall(r"`([^`\n]*\bsuretune [^`\n]*)`", rest.replace("\\|", "|"))
    for block in blocks:
        for line in re.sub(r"\\\n\s*", "", block).splitlines():
            yield from _of_line(line)


def _of_line(line: str) -> Iterator[list[str]]:
    line = re.sub(r"(^|\s)#\s.*$", "", line.strip().removeprefix("$ "))
    if not re.match(r"(?:[A-Z_]+=\S* )*suretune |.*&& suretune ", line):
        return
    lexer = shlex.shlex(line, posix=True, punctuation_chars="&|<>;()")
    lexer.whitespace_split, lexer.commenters = True, ""
    part: list[str] = []
    for word in [*lexer, "&&"]:
        if word in ("&&", "|", "<", ">", "2>", ";"):
            while part and re.fullmatch(r"[A-Z_]+=.*", part[0]):
                del part[0]
            if part[:1] == ["suretune"]:
                yield [one for one in part[1:] if one not in ("...", "…")]
            part = []
        else:
            part.append(word)


def _faults(words: Sequence[str]) -> list[str]:
    verb, rest, before = _verb(list(words))
    if verb is None:
        return [f"no verb in {words}"]
    own = OWN.get(verb.name, {})
    command = parse(verb, [] if verb.name == "import-cmd" else rest, own)
    return [
        f"{fault.problem} {fault.flag} {fault.value}" for fault in (*before.faults, *command.faults)
    ]


@pytest.mark.parametrize("page", [page for page in PAGES if page != "docs/guards.md"])
def test_every_command_of_suretune_is_one(page: str) -> None:
    top = (["--help"], ["--version"], [])
    wrong = {
        " ".join(words): faults
        for words in commands(page)
        if words not in top and words[:1] not in (["VERB"], ["命令"]) and (faults := _faults(words))
    }
    assert not wrong


def test_commands_are_found_where_pages_show_them() -> None:
    found = [words[0] for words in commands("README.md")]
    assert {"init", "check", "sft", "infer", "verify", "serve", "explain"} <= set(found)
    assert list(_of_line("A=1 suretune serve x && suretune ask < q # that")) == [
        ["serve", "x"], ["ask"],
    ]  # fmt: skip
    assert _faults(["sft", "--modle", "pocket"]) and _faults(["trian"])


def known_verb(name: str) -> Verb:
    return next(verb for verb in VERBS if verb.name == name)


@pytest.mark.parametrize("page", PAGES)
def test_every_code_that_a_page_names_is_a_finding(page: str) -> None:
    codes = {guard.code for guard in all_guards()}
    made_up = {"D090", "D999"} if page == "CONTRIBUTING.md" else set()
    named = set(re.findall(r"(?<![\w`])\b[CDEPRSTV]\d{3}\b", text(page)))
    assert named <= codes | made_up


def test_the_guard_that_shows_how_one_is_added_is_one(tmp_path: Path) -> None:
    part = text("CONTRIBUTING.md").partition("## Add a guard")[2]
    written = re.findall(r"```python\n(.*?)```", part, re.DOTALL)[0]
    (tmp_path / "few_rows.py").write_text(written, "utf-8")
    guard: Guard = runpy.run_path(str(tmp_path / "few_rows.py"))["GUARD"]
    found = guard.judge(replace(DATA, examples=3))
    assert found and found.where == "--dataset" and guard.judge(DATA) is None
    assert guard.code not in {one.code for one in all_guards()}
    file = f"guards/{guard.code.lower()}_{guard.name.replace('-', '_')}.py`"
    for page in ("CONTRIBUTING.md", "docs/architecture.md"):
        assert file in text(page)


@pytest.mark.parametrize("page", [page for page in PAGES if page != "docs/guards.md"])
def test_every_flag_that_a_page_names_is_one(page: str) -> None:
    ours = {name for spec in options().values() for name in (spec.name, *spec.aliases)} | FORMER
    ours |= {name for own in OWN.values() for name in own} | {"lang", "json", "help", "config"}
    theirs = {name for tool in TOOLS for name in {**table(tool).entries, **table(tool).serving}}
    named = set(re.findall(r"`--([\w-]+)", draw_documents.PART.sub("", prose(page))))
    named = {name.replace("-", "_") for name in named}
    assert named - ours - theirs - OTHERS == set()


def sections(page: str) -> list[str]:
    return re.split(r"^## .*$", text(page), flags=re.MULTILINE)


def figures(section: str) -> list[float]:
    """Every number, once, beside code and links."""
    told = re.sub(r"\]\([^)]*\)|`[^`\n]*`", "", section)
    found = re.findall(r"(?<![\w.])(?<![A-Za-z]-)(\d[\d,]*(?:\.\d+)?)( million| 万| 亿)?", told)
    amounts = (float(n.rstrip(",").replace(",", "")) * TIMES[unit] for n, unit in found)
    return sorted({round(amount, 6) for amount in amounts})


def test_both_readmes_have_the_same_sections_and_figures() -> None:
    english, chinese = map(sections, BOTH)
    assert len(english) == len(chinese)
    for one, other in zip(english, chinese, strict=True):
        assert figures(one) == figures(other)
        assert len(FENCE.findall(one)) == len(FENCE.findall(other))
        assert one.count("\n|") == other.count("\n|")


@pytest.mark.parametrize("name", ["data", "serve", "recipes", "reliability"])
def test_a_chinese_page_has_no_figure_that_its_english_one_has_not(name: str) -> None:
    english, chinese = (set(figures(text(f"docs/{name}{end}.md"))) for end in ("", ".zh-CN"))
    assert chinese - english == set()


@pytest.mark.parametrize("page", CHINESE)
def test_a_chinese_page_has_the_points_and_the_terms_of_the_others(page: str) -> None:
    shorter = ("README", "docs/china", "docs/recipes", "docs/reliability")  # than the English one
    if not page.startswith(shorter):
        points = [
            len(re.findall(r"^ *(?:-|\d+\.) ", text(one), re.MULTILINE))
            for one in (page, page.replace(".zh-CN", ""))
        ]
        assert points[0] == points[1]
    everyday = {"证明", "办法"}  # on a page; on a screen they would be a label
    said = CODE.sub("", text(page))
    assert [term for term in OLD if term in said and term not in everyday] == []


@pytest.mark.parametrize("page", BOTH)
def test_what_the_readme_calls_mended_is_mended_and_refused_by_strict(
    page: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    part = re.split("## (?:What it refuses|拒绝什么)", text(page))[1].partition("\n## ")[0]
    errors, mended = (re.findall(r"[A-Z]\d{3}", one) for one in part.split("C015"))
    assert (errors, mended[:2]) == (["D005", "D013", "S002"], ["C007", "S004"])
    sums = [{"query": f"{n}+{n}?", "response": f"{2 * n}."} for n in range(20)]
    rows = write_rows(tmp_path / "rows.jsonl", sums)
    typed = ["check", "--model", "pocket", "--dataset", str(rows), "--json"]
    wrapped = ["--system", "<|im_start|>system\nBe kind.<|im_end|>"]
    late = ["--max_steps", "40", "--eval_steps", "50", "--split_dataset_ratio", "0.1"]
    for flags, code in ((wrapped, "C007"), (late, "S004")):
        for more, expected in (([], (0, {"C015"})), (["--strict"], (2, {code}))):
            status = main([*typed, *flags, *more])
            told = json.loads(capsys.readouterr().out)["findings"]
            found = {one["code"] for one in told if one["code"][0] in "CS"}
            assert (status, found) == expected


def test_both_readmes_show_the_same_commands_in_their_blocks() -> None:
    def shown(page: str) -> list[list[str]]:
        blocks = [body for kind, body in FENCE.findall(text(page)) if kind == "bash"]
        lines = "".join(re.sub(r"\\\n\s*", "", body) for body in blocks).splitlines()
        return [words for line in lines for words in _of_line(line)]

    assert shown("README.md") == shown("README.zh-CN.md") != []


@pytest.mark.parametrize("page", BOTH)
def test_a_readme_stays_short(page: str) -> None:
    assert len(text(page).splitlines()) <= 230


@pytest.mark.parametrize("page", BOTH)
def test_ten_questions_have_ten_answers_each_with_a_finding_and_a_command(page: str) -> None:
    section = next(part for part in sections(page) if "S019" in part and "C016" in part)
    rows = [line.split(" | ") for line in section.splitlines() if line.startswith("| ")][1:]
    assert len(rows) == 10
    for row in rows:
        question, answer, codes, command = row
        assert question and answer and "`" in command
        assert re.fullmatch(r"[CDEPRSTV]0\d\d(?:(?:, |、)[CDEPRSTV]0\d\d)*", codes), row


@pytest.mark.parametrize("page", draw_documents.PLACES)
def test_tables_are_as_the_code_draws_them(page: str) -> None:
    assert draw_documents.PART.search(text(page))
    written = "write them anew: PYTHONPATH=src:tests python tests/draw_documents.py"
    assert text(page) == draw_documents.anew(page), written


def test_what_a_table_says_of_a_flag_is_what_happens() -> None:
    check, kinds = (
        known_verb("check"),
        {"no-effect": "harmless-no-effect", "unavailable": "not-here"},
    )
    for tool in map(table, draw_documents.TOOLS):
        for name in (name for names in draw_documents.WITHOUT for name in names):
            if name in tool.entries and name not in check.options():
                found = parse(check, [f"--{name}", "7"], {}).faults
                assert [fault.problem for fault in found] == [kinds[tool.entries[name].verdict]], (
                    name
                )


def test_the_drivers_that_pages_name_are_those_that_setup_knows() -> None:
    oldest = str(next(driver for driver, cuda in DRIVERS if cuda == 12))
    assert all(oldest in text(page) for page in (*BOTH, "docs/china.zh-CN.md"))
    rows = [line for line in text("docs/china.zh-CN.md").splitlines() if "（cu" in line]
    for driver, build in WHEELS:
        assert [row for row in rows if str(driver or oldest) in row.split("|")[1] and build in row]


def test_flags_of_one_name_mean_the_same() -> None:
    for page, before in zip(
        BOTH, ("Flags of one name mean the same", "名字相同的参数意思也相同"), strict=True
    ):
        said = text(page).partition(before)[2]
        names = re.findall(r"`--(\w+)`", re.split(r"[)）]", said)[0])
        assert len(names) == 6
        for name in names:
            assert all(table(tool).entries[name].to == name for tool in draw_documents.TOOLS), name


def test_the_verdicts_of_import_cmd_are_explained_by_their_words() -> None:
    for _, _, word in VERDICTS.values():
        assert word.en in text("docs/import-cmd.md").replace("kept, renamed", "kept renamed")
        assert word.zh in text("docs/import-cmd.zh-CN.md")
