"""`init identity`: about sixty rows that teach a model who it is, and the probes that prove it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml

from suretune import rundir
from suretune.data.identity import MAKER, WHO
from suretune.families import qwen
from suretune.pocket import identity as phrasings
from suretune.whole_names import says

ROWS = 60
FILES = ("identity.jsonl", "probes.yaml")
PHRASINGS = {
    "zh": phrasings.TRAIN_ZH + phrasings.MORE_ZH,
    "en": phrasings.TRAIN_EN + phrasings.MORE_EN,
}
ANSWERS = {"zh": phrasings.ANSWERS_ZH, "en": phrasings.ANSWERS_EN}
HELD_OUT = {"zh": phrasings.HELD_OUT_ZH, "en": phrasings.HELD_OUT_EN}
MAKERS = qwen.WITHOUT_A_MODEL


def identity_rows(
    names: Sequence[str],
    authors: Sequence[str],
    languages: Sequence[str],
) -> list[dict[str, str]]:
    """Alpaca rows, languages in turn. `names`, `authors`: one value, or one a language."""
    rows = []
    for index in range(ROWS):
        which = index % len(languages)
        lang, turn = languages[which], index // len(languages)
        name, author = names[which % len(names)], authors[which % len(authors)]
        answers = ANSWERS[lang]
        answer = answers[turn % len(answers)].format(name=name, author=author)
        question = PHRASINGS[lang][turn % len(PHRASINGS[lang])]
        rows.append({"instruction": question, "input": "", "output": answer})
    return rows


def probe_items(
    names: Sequence[str],
    authors: Sequence[str],
    languages: Sequence[str],
    makers: Sequence[str] = MAKERS,
) -> list[dict[str, object]]:
    """The must-pass questions and the held-out phrasings, as a probes file has them.

    `makers`: the base's own names, which no answer may have; Qwen's where no base is named.
    """
    wanted = ", ".join((*names, *authors))
    items: list[dict[str, object]] = []
    for which, lang in enumerate(languages):
        name, author = names[which % len(names)], authors[which % len(authors)]
        asked = [(WHO[lang], "must-pass", [name, author]), (MAKER[lang], "must-pass", [author])]
        asked += [(question, "paraphrase", [name, author]) for question in HELD_OUT[lang]]
        items += [
            {
                "question": question,
                "kind": kind,
                "must_contain": list(must),  # a list of its own: YAML would write references
                "must_not_contain": [word for word in makers if not says(word, wanted)],
                "whole_words": True,
            }
            for question, kind, must in asked
        ]
    return items


def write_starter(
    folder: Path,
    names: Sequence[str],
    authors: Sequence[str],
    languages: Sequence[str],
    makers: Sequence[str] = MAKERS,
) -> tuple[Path, Path]:
    """FILES in a folder; FileExistsError rather than overwrite."""
    rows, probes = (folder / name for name in FILES)
    for path in (rows, probes):
        if path.exists():
            raise FileExistsError(path)
    folder.mkdir(parents=True, exist_ok=True)
    rundir.write_jsonl(rows, identity_rows(names, authors, languages))
    items = probe_items(names, authors, languages, makers)
    rundir.write(probes, yaml.safe_dump(items, allow_unicode=True, sort_keys=False).encode())
    return rows, probes
