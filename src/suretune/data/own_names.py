"""What a base calls itself, and who made it: names that a new identity must not be mixed with.

Told by its chat template's default system prompt, by its own answer where somebody asked it, and by
its name; by its architecture only where none of these says anything, for a small model of Llama's
architecture is no Llama.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from suretune.data.base import Base
from suretune.data.said_names import said_in
from suretune.families import all_families
from suretune.whole_names import says

_FIRST_PERSON = re.compile(r"\bI\b|\b[Mm]y\b|我")


def says_i(answer: str) -> bool:
    """Whether it speaks in the first person, in English or Chinese."""
    return _FIRST_PERSON.search(answer) is not None


def own_names(
    base: Base,
    system: str,
    said: Iterable[str] = (),
) -> tuple[str, ...]:
    """The names of a base and its maker, none twice; none at all where nothing says them.

    `system`: what its template puts in when nobody gives a system prompt; `said`: its own answers
    to who it is.
    """
    texts = [system, *said]
    found = [*_families(" ".join(texts))]
    for text in texts:
        found += [name for name in names_said(text) if not _known(name, found)]
    for called in (base.folder.name, base.name, str(base.config.get("_name_or_path") or "")):
        found += _by_key(called.rpartition("/")[2])
    if not found:
        found += _by_key(str(base.config.get("model_type") or ""))
    return tuple(dict.fromkeys(found))


def _known(name: str, found: Iterable[str]) -> bool:
    """Whether a name is there already, perhaps as a part: "Alibaba Cloud" has "Alibaba" in it."""
    return any(says(one, name) for one in found)


def _families(text: str) -> Iterator[str]:
    """The names of every family that a text speaks of by one of its names."""
    for family in all_families():
        names = family.called
        if any(re.search(rf"(?<![A-Za-z]){re.escape(name)}(?![a-z])", text) for name in names):
            yield from names


def _by_key(called: str) -> list[str]:
    """The families that a model's name has in it as a word: SmolLM2-135M is no LLM2."""
    called, names = called.lower(), {}
    for family in all_families():
        key = family.name.replace("-", "")
        called, names[key] = called.replace(family.name, key), family.called
    return [name for word in re.split(r"[^a-z]+", called) for name in names.get(word, ())]


def names_said(text: str) -> Iterator[str]:
    """What sentences about oneself name: "I am Glow, made by Star Lab" Glow and Star Lab."""
    return (said.name for said in said_in(text))
