"""Which names are meant by the words behind `--name` and `--author`: one, or one a language.

A shell takes `--author Star Lab` apart. What such pieces would teach, the probes would ask for, and
the proof would find: nothing later can tell that half of a name is missing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from suretune import typed
from suretune.facts import FlagFacts
from suretune.types import Text

HAN = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]")
LANGUAGES = ("zh", "en")


def languages_meant(asked: Sequence[str], names: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """The languages of the rows: those asked for, else Chinese alone where every name is Chinese.

    "I am 小光" would be no English that anybody means.
    """
    if asked:
        return tuple(part for word in asked for part in re.split("[,，、 ]", word) if part)
    said = [word for words in names.values() for word in words]
    return LANGUAGES[:1] if said and all(map(HAN.search, said)) else LANGUAGES


def names_meant(words: Sequence[str], languages: Sequence[str]) -> tuple[str, ...] | None:
    """One name for all languages, or one each in their order; None for words that are neither.

    Of two names the one in Chinese characters is the Chinese one, wherever it stands.
    """
    names = tuple(word.strip() for word in words)
    if len(set(names)) == 1:
        return names[:1]
    chinese = [bool(HAN.search(name)) for name in names]
    if sorted(languages) != sorted(LANGUAGES) or sorted(chinese) != [False, True]:
        return None
    return tuple(names[chinese.index(language == "zh")] for language in languages)


def in_pieces(
    given: Mapping[str, Sequence[str]],
    languages: Sequence[str],
    more: Sequence[str],
) -> list[FlagFacts]:
    """Each flag whose words are no names, with the whole command as it was probably meant.

    `more`: what else the command has behind its names.
    """
    meant = [word for flag, words in given.items() for word in (flag, *quoted(words, languages))]
    command = typed.command(
        "suretune",
        "init",
        "identity",
        *meant,
        *more,
    )
    return [
        FlagFacts("name-in-pieces", flag, " | ".join(words), command, _read_as(words, languages))
        for flag, words in given.items()
        if names_meant(words, languages) is None
    ]


def quoted(words: Sequence[str], languages: Sequence[str]) -> list[str]:
    """The words with those put together that stand beside each other in one script."""
    if names_meant(words, languages) is not None:
        return list(words)
    groups: list[str] = []
    for word in words:
        if groups and bool(HAN.search(groups[-1])) == bool(HAN.search(word)):
            groups[-1] = f"{groups[-1]} {word}"
        else:
            groups.append(word)
    return groups if names_meant(groups, languages) else [" ".join(words)]


def _read_as(words: Sequence[str], languages: Sequence[str]) -> Text:
    """Why these are not simply taken."""
    if len(words) > len(languages):
        return Text(
            f"There are {len(words)} values for {len(languages)} language(s)",
            f"这里有 {len(words)} 个值，而数据只有 {len(languages)} 种语言",
        )
    apart = [typed.command("--lang", one, "--output_dir", one) for one in languages]
    return Text(
        "Both are in one script: which is the Chinese name and which the English one, nothing says."
        f" If there really are two, run it once each, with `{apart[0]}` and with `{apart[1]}`",
        "两个是同一种文字，分不出哪个是中文名、哪个是英文名。"
        f"如果确实是两个名字，请分两次运行，分别加上 `{apart[0]}` 和 `{apart[1]}`",
    )
