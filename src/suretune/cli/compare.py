"""`compare`: the same questions answered by the base and by several runs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from suretune import rundir, typed
from suretune.because import in_words
from suretune.cli.out import tell, tell_json
from suretune.cli.parse import Command
from suretune.cli.which import apart, around, named_adapter, named_run, with_runs
from suretune.facts import FlagFacts, SetupFacts
from suretune.phrases import printable
from suretune.preflight.again import flag
from suretune.record.journal import OK, Journal
from suretune.speak.question import EMPTY
from suretune.types import Text
from suretune.words import say

if TYPE_CHECKING:
    from suretune.compare.beside import Asked, Side

OURS = b"<!doctype html>"  # how a page of ours begins


def side_by_side(command: Command, journal: Journal) -> int:
    """Every question to the base and to each run, in the order in which they were named."""
    config = command.resolved.config
    texts, behind = _questions(command.plain.get("question", ()))
    html, more = _page_file(command.plain.get("html", ()), journal)
    words = [*command.words, *behind, *more]
    own = flag("html", str(html)) if html else []
    for text in texts:
        own += flag("question", text)
    paths = [
        named_adapter(word, journal, around(command, words, own, place))
        for place, word in enumerate(words)
    ]
    if not words:
        paths = [str(named_run("", journal, "suretune compare").path)]
        words = [str(_short(Path(paths[0])))]
    mine = _own_questions(config.answer.questions, texts, journal)
    from suretune.compare import beside

    base, sides = beside.open_sides(
        config,
        words,
        paths,
        journal,
        lambda runs, *without: with_runs(command, runs, own, *without),
    )
    asked = mine or beside.usual_questions(sides)
    told = beside.side_by_side(
        config,
        base,
        sides,
        asked,
        _tokens(command, bool(mine)),
        journal,
    )
    if html is not None:
        from suretune.verify.beside_page import page

        _write(html, page(told), journal)
    if command.json:
        tell_json({"status": OK, **told, "html": str(html) if html else None})
        return OK
    from suretune import show

    show.beside(told)
    if html is not None:
        tell(say(Text(f"page  {typed.path(html)}", f"网页  {typed.path(html)}")))
    _say_unnamed(sides, asked)
    if told["probes_differ"]:
        _say_differ(told["probes_differ"], bool(mine))
    return OK


def _short(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _tokens(command: Command, own: bool) -> int | None:
    """Of an answer: as `ask` has it for questions of the user's own, as the proof for others."""
    given = command.resolved.given("max_new_tokens")
    return command.resolved.config.answer.max_new_tokens if own or given else None


def _questions(given: Sequence[Sequence[str]]) -> tuple[list[str], list[str]]:
    """(questions, runs) of the words behind `--question`; runs may follow the questions."""
    texts: list[str] = []
    runs: list[str] = []
    for words in given:
        mine = list(words)
        while len(mine) > 1 and os.path.exists(typed.place(mine[-1])):
            runs.insert(0, mine.pop())
        texts += apart(mine)
    return texts, runs


def _own_questions(
    file: str | None,
    typed_in: Sequence[str],
    journal: Journal,
) -> list[Asked]:
    """Those of `--question`, then those of the file; both may be given."""
    from suretune.cli.chat import questions_of
    from suretune.compare.beside import Asked
    from suretune.verify.probes import ONLY_SHOWN, Probe

    if not all(typed_in):
        raise journal.stop(FlagFacts("bad-value", "--question", "", hint=EMPTY))
    probes = [Probe(text, ONLY_SHOWN) for text in typed_in]
    probes += questions_of(file, journal) if file is not None else []
    return [Asked(probe=probe) for probe in probes]


def _page_file(given: Sequence[Sequence[str]], journal: Journal) -> tuple[Path | None, list[str]]:
    """(where the page goes, runs that were named behind it). Whatever else lies there stays, and
    that is said before the work."""
    if not given:
        return None, []
    if given[1:]:
        raise journal.stop(FlagFacts("given-twice", "--html", given[0][0], given[1][0]))
    said, *runs = given[0]
    path = typed.place(said)
    if path.is_dir():
        path = path / "compare.html"
    try:
        if path.exists() and path.read_bytes()[: len(OURS)] != OURS:
            hint = Text(
                "Something that is no such page lies there already",
                "那里已经有别的文件，不会覆盖",
            )
            raise journal.stop(FlagFacts("bad-value", "--html", str(path), hint=hint))
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        facts = SetupFacts(
            "output-not-writable",
            str(path),
            found=in_words(error),
            spare="--html",
        )
        raise journal.stop(facts) from error
    return path, runs


def _write(path: Path, text: str, journal: Journal) -> None:
    try:
        rundir.write(path, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        facts = SetupFacts(
            "output-not-writable",
            str(path),
            found=in_words(error),
            spare="--html",
        )
        raise journal.stop(facts) from error


def _say_differ(names: list[str], own: bool) -> None:
    """Runs that were to learn something else than the first: what that means for the marks."""
    those = printable(", ".join(names))
    alike = Text("your questions judge all of them alike", "你的问题对它们用同样的标准")
    by = alike if own else Text("each is judged by its own", "各按自己的验证问题判断")
    tell(
        say(
            Text(
                f"Other probes than the first run's: {those}; {by.en}.",
                f"验证问题与第一个运行不同：{those}；{by.zh}。",
            )
        ),
        err=True,
    )


def _say_unnamed(sides: list[Side], asked: list[Asked]) -> None:
    """Runs whose new name is not known: a leak could not be seen."""
    from suretune.run.kept import names_known

    odd = [side.name for side in sides if side.run is None or not names_known(side.run)[0]]
    if odd and asked:
        names = printable(", ".join(odd))
        tell(
            say(
                Text(
                    f"Leaks were not looked for: no new name is known of {names}.",
                    f"没有检查泄漏：不知道 {names} 的新名字。",
                )
            ),
            err=True,
        )
