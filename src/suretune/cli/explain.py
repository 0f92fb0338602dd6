"""`explain`: a guard's page, what a pasted message comes from, or the guards that say a word."""

from __future__ import annotations

from collections.abc import Iterable

from suretune import glossary, show
from suretune.cli.out import tell
from suretune.guards import CHINESE_LINE_END, all_guards
from suretune.guards.finding_by_words import by_words, nearest, page_of
from suretune.guards.guard import Guard
from suretune.guards.messages import treated
from suretune.record.journal import OK, USAGE
from suretune.types import Text
from suretune.words import say


def look_up(asked: str) -> int:
    """Print it in one language; 2 if nothing is known of it."""
    asked = " ".join(asked.split())
    if not asked:
        _list(all_guards(), err=False)
        return OK
    if (page := page_of(asked)) is not None:
        _paragraphs(say(page))
        return OK
    if (term := glossary.find(asked)) is not None:
        _paragraphs(say(term.page()))
    known, found = treated(asked), by_words(asked)
    if known:
        code, names = known.code, {guard.code: guard for guard in all_guards()}
        _paragraphs("\n\n".join([say(names[code].heading), say(known.cause), say(known.cure)]))
        tell(f"\nsuretune explain {code}")
        found = [guard for guard in found if guard.code != code]
    if found:
        about = Text("Findings that speak of it:", "相关的检查项：")
        tell(("\n" if known or term else "") + say(about))
        _list(found, err=False)
        if not known:
            tell(f"\nsuretune explain {found[0].code}")
    if known or found or term:
        return OK
    unknown = Text(
        f"No finding has the code or the words `{asked[:60]}`.",
        f"没有编号或内容与“{asked[:60]}”相符的检查项。",
    )
    tell(say(unknown), err=True)
    if close := nearest(asked):
        tell(say(Text("The nearest:", "最接近的：")), err=True)
        _list(close, err=True)
    tell(say(Text("All of them: suretune explain", "全部列出：suretune explain")), err=True)
    return USAGE


def _list(guards: Iterable[Guard], *, err: bool) -> None:
    width = show.columns()
    for guard in guards:
        for index, line in enumerate(show.lines(say(guard.heading), width - 4)):
            tell(f"{'' if index == 0 else '    '}{line}", err=err)


def _paragraphs(text: str) -> None:
    """A page, each paragraph in lines that the terminal holds."""
    for index, part in enumerate(text.split("\n\n")):
        joined = CHINESE_LINE_END.sub("", part).replace("\n", " ")
        tell(("\n" if index else "") + "\n".join(show.lines(joined, show.columns())))
