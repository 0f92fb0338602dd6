"""`explain`: a guard's page, what a pasted message comes from, or the guards that say a word."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from suretune import glossary, show, typed
from suretune.cli.out import tell, tell_json
from suretune.guards import CHINESE_LINE_END, all_guards
from suretune.guards.finding_by_words import by_words, nearest, page_of
from suretune.guards.guard import Guard
from suretune.guards.messages import treated
from suretune.record.journal import OK, USAGE
from suretune.types import Text
from suretune.words import say


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of some words. `about`: the guard that the page tells of; `guards`: others
    that speak of it, the best first; `nearest`: where nothing is known."""

    asked: str
    page: Text | None = None
    about: Guard | None = None
    guards: Sequence[Guard] = ()
    nearest: Sequence[Guard] = ()

    @property
    def status(self) -> int:
        """2 if nothing is known of it."""
        return OK if self.page or self.guards else USAGE

    def line(self) -> dict[str, Any]:
        """As JSON."""
        found = [self.about, *self.guards] if self.about else self.guards
        return {
            "status": self.status,
            "asked": self.asked,
            "page": self.page and asdict(self.page),
            "guards": [_named(guard) for guard in found],
            "nearest": [_named(guard) for guard in self.nearest],
        }


def look_up(asked: str, as_json: bool) -> int:
    """Print it in one language, or as JSON in both; 2 if nothing is known of it."""
    known = _known(" ".join(asked.split()))
    if as_json:
        tell_json(known.line())
    else:
        _show(known)
    return known.status


def _known(asked: str) -> Known:
    names = {name: guard for guard in all_guards() for name in (guard.code.lower(), guard.name)}
    if not asked:
        return Known(asked, guards=all_guards())
    if (guard := names.get(asked.lower())) is not None:
        return Known(asked, page_of(guard.code), guard)
    found, about = by_words(asked), None
    pages = [term.page()] if (term := glossary.find(asked)) else []
    if (message := treated(asked)) is not None:
        about = names[message.code.lower()]
        pages += [about.heading, message.cause, message.cure]
        found = [guard for guard in found if guard != about]
    if not pages:
        return Known(asked, guards=found, nearest=() if found else nearest(asked))
    page = Text("\n\n".join(p.en for p in pages), "\n\n".join(p.zh for p in pages))
    return Known(
        asked,
        page,
        about,
        found,
    )


def _show(known: Known) -> None:
    if known.status:
        _show_nearest(known)
        return
    if known.page:
        _paragraphs(say(known.page))
    if not known.asked:
        _list(known.guards, err=False)
        return
    further = known.about.code if known.about else ""
    if further and known.page != page_of(further):
        tell("\n" + typed.in_language(f"suretune explain {further}"))
    if known.guards:
        about = Text("Findings that speak of it:", "相关的检查项：")
        tell(("\n" if known.page else "") + say(about))
        _list(known.guards, err=False)
        if not further:
            tell("\n" + typed.in_language(f"suretune explain {known.guards[0].code}"))


def _show_nearest(known: Known) -> None:
    asked = known.asked[:60]
    unknown = Text(
        f"No finding has the code or the words `{asked}`.",
        f"没有编号或内容与“{asked}”相符的检查项。",
    )
    tell(say(unknown), err=True)
    if known.nearest:
        tell(say(Text("The nearest:", "最接近的：")), err=True)
        _list(known.nearest, err=True)
    every = typed.in_language("suretune explain")
    tell(say(Text(f"All of them: {every}", f"全部列出：{every}")), err=True)


def _named(guard: Guard) -> dict[str, Any]:
    return {
        "code": guard.code,
        "name": guard.name,
        "title": asdict(guard.title),
    }


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
