"""suretune's own words: each in both languages, in one sentence, with what the field calls it.

`suretune explain seal` reads it, docs/glossary.md is printed from it, and a test holds the screens
to it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from suretune.types import Text


@dataclass(frozen=True, slots=True)
class Term:
    """`name` is the word itself, `field` what others call it, `also` other ways to ask for it."""

    name: Text
    about: Text
    field: str
    also: tuple[str, ...] = ()

    def page(self) -> Text:
        """What `explain` prints."""
        return Text(
            f"{self.name.en}: {self.about.en}\n\nThe field's term: {self.field}.",
            f"{self.name.zh}：{self.about.zh}\n\n通行的说法：{self.field}。英文：{self.name.en}。",
        )


@cache
def terms() -> tuple[Term, ...]:
    """All of them, from glossary.jsonl, in its order."""
    text = files("suretune").joinpath("glossary.jsonl").read_text(encoding="utf-8")
    return tuple(
        Term(Text(one["en"], one["zh"]), Text(**one["about"]), one["field"], tuple(one["also"]))
        for one in map(json.loads, text.splitlines())
    )


def find(word: str) -> Term | None:
    """The term that is called so in either language; None where it is no word of suretune's own."""
    asked = _plain(word)
    for term in terms():
        if asked in map(_plain, (term.name.en, term.name.zh)):
            return term
    return next((term for term in terms() if asked in map(_plain, term.also)), None)


def _plain(word: str) -> str:
    return " ".join(word.split()).casefold().replace("(", "（").replace(")", "）")


def page() -> str:
    """docs/glossary.md, both languages side by side."""
    lines = [
        "# Glossary · 术语表",
        "",
        "suretune's own words, and what the field calls them. `suretune explain seal` prints one."
        " · 本工具的用语，以及通行的说法；`suretune explain 验证记录` 显示其中一个。",
        "",
        "| | 中文 | the field | meaning | 含义 |",
        "|---|---|---|---|---|",
    ]
    for term in terms():
        cells = (term.name.en, term.name.zh, term.field, term.about.en, term.about.zh)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
