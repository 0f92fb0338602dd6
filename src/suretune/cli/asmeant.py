"""Words as they were typed to words as they were meant.

Input methods and web pages change characters that look alike, and joined lines keep their
backslashes. Where the meaning is beyond doubt the word is read so, and told; a word that no flag
takes is told with the command that was meant, perhaps.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence

from suretune import typed
from suretune.cli.typed_words import Group, Meant, is_there, one_text
from suretune.config import Option
from suretune.facts import FlagFacts
from suretune.types import Text

DASHES = "–—―−－﹣‒‐‑─"
OPENING, CLOSING = "“‘「『＂＇„‟\"'", "”’」』＂＇“‘\"'"
BLANKS = re.compile(r"[^\S \t\r\n]|[\u200b\u2060\ufeff]")  # none for a shell
NUMBER = re.compile(r"[-−－]?[0-9.][0-9._]*(?:[eE][-+−－]?[0-9]+)?")
LINE = re.compile(r"([0-9]{1,3})[.:|)]?")
ELIDED = ("...", "…", "……")
# Texts: what they hold is theirs.
FREE = ("system", "question", "model_name", "model_author", "name", "author")
JOINED = ("system",)  # one text, of which the words behind the flag are parts
TRUTHS = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
OFF = "--json=\0"  # the flag, taken back
PLAIN = {"json": 0, "lang": 1}  # of every verb: how many words each takes


def as_meant(
    words: Sequence[str],
    known: Mapping[str, Option | None],
    *,
    words_first: bool = False,
    words_behind: int = 0,
    texts: bool = False,
) -> Meant:
    """The words of a command in groups. `known`: what flags are called, with their options; None
    for those that are no options. `words_first`: words may stand before all flags;
    `words_behind`: so many, and behind the value of one; `texts`: they are questions."""
    made = Meant()
    end = words.index("--") if "--" in words else len(words)
    words, behind = words[:end], tuple(words[end:])
    flat = _notes_out(_numbers_out(list(words), known, made), made)
    groups = [Group("")]
    for word in flat:
        flag, more = _flag(word, known, made)
        if flag:
            groups.append(Group(flag, tuple(more)))
        else:
            last = groups[-1]
            groups[-1] = Group(last.flag, (*last.values, word))
    for group in groups:
        made.groups.append(_switched(_values(group, known, made)))
    if not words_first:
        _alone(made, known)
    _too_many(made, known, words_behind, texts)
    _swallowed(made, known)
    made.groups = [Group("", one.values) if one.flag == OFF else one for one in made.groups]
    if behind:  # no flag is read behind it, so the command's own words go there, too
        first, *others = made.groups
        made.groups = [*others, Group("", (*behind[:1], *first.values, *behind[1:]))]
    return made


def says_json(words: Sequence[str]) -> bool:
    """Whether a command line whose verb is not known asks for JSON."""
    return "--json" in as_meant(words, dict.fromkeys(PLAIN)).words


# --- what stands between the words --------------------------------------------------------------


def _is_flag(word: str) -> bool:
    return re.match(rf"[\s\\]*[-{DASHES}]{{1,4}}[^\W\d]", word) is not None


def _numbers_out(
    words: list[str],
    known: Mapping[str, Option | None],
    made: Meant,
) -> list[str]:
    """Without the numbers of lines that a page printed: 3 and more that count up, each in front of
    a flag and behind a value or a switch, which needs none."""
    marks: list[int] = []
    expected = 0
    for index, word in enumerate(words):
        if not (found := LINE.fullmatch(word.strip(" \\"))):
            continue
        number, ahead = int(found[1]), index + 1 == len(words) or _is_flag(words[index + 1])
        behind = index == 0 or not _is_flag(words[index - 1])
        if not behind and marks:
            before = known.get(Group(words[index - 1]).name)
            behind = before is not None and before.kind is bool
        if ahead and behind and (not marks or number == expected):
            marks.append(index)
            expected = number + 1
    if len(marks) < 3:
        return words
    made.note("number", f"{words[marks[0]].strip()} … {words[marks[-1]].strip()}")
    return [word for index, word in enumerate(words) if index not in marks]


def _notes_out(words: list[str], made: Meant) -> list[str]:
    """Without notes, lone backslashes and `...`. A note behind the last flag has cut the command
    where a blank stands before it: that is what a backslash leaves."""
    kept: list[str] = []
    index = 0
    while index < len(words):
        word = words[index]
        bare = word.strip(" \t\r\n\\")
        index += 1
        if bare[:1] in ("#", "＃"):
            end = next((i for i in range(index, len(words)) if _is_flag(words[i])), len(words))
            note = " ".join((bare, *words[index:end])).strip()
            if end == len(words) and word[:1].isspace():
                made.faults.append(FlagFacts("stray-argument", "", note))
            else:
                made.note("note", note if len(note) <= 24 else note[:23] + "…")
            index = end
        elif not bare and word:
            made.note("joined", "\\")
        elif bare.startswith(ELIDED):
            made.note("elided", bare)
        else:
            kept.append(word)
    return kept


# --- one word -----------------------------------------------------------------------------------


def _flag(
    word: str,
    known: Mapping[str, Option | None],
    made: Meant,
) -> tuple[str, list[str]]:
    """(the flag that a word is, values that stuck to it), or ('', []) for a word that is none."""
    bare = word.strip(" \t\r\n\\")
    found = re.match(rf"([-{DASHES}]+)([\w－-]+)(.*)", bare, re.DOTALL)
    if found is None or NUMBER.fullmatch(bare):
        return "", []
    head, name, rest = found[1], unicodedata.normalize("NFKC", found[2]), found[3]
    if not re.fullmatch(r"[A-Za-z]\w*", name.replace("-", "_")):
        return "", []
    of_ours = name.replace("-", "_") in known
    if head == "-" and not of_ours:
        return "", []
    flag, stuck = f"--{name}", ""
    if rest[:1] == "=" or (rest[:1] in ("＝", "：") and of_ours):
        flag = f"{flag}={rest[1:]}"
    elif rest and BLANKS.match(rest):
        stuck = BLANKS.sub(" ", rest).strip()
    elif rest:
        flag += rest
    if head != "--":
        made.note("dash", head + found[2], f"--{name}", f"--{name}")
    elif name != found[2] or rest[:1] in ("＝", "："):
        made.note("full-width", bare, flag, f"--{name}")
    if stuck:
        made.note("blank", bare, f"--{name} {stuck}", f"--{name}")
    elif word != bare:
        made.note("joined", f"\\ --{name}")
    return flag, stuck.split()


def _values(group: Group, known: Mapping[str, Option | None], made: Meant) -> Group:
    """The words behind a flag without what an input method did to them."""
    spec = known.get(group.name)
    free = (spec.name if spec else group.name) in FREE
    values = list(group.values)
    if "=" in group.flag:
        name, _, stuck = group.flag.partition("=")
        mended = _unquoted([stuck], free, made)
        return Group(f"{name}={mended[0] if mended else ''}", tuple(values))
    if not free:
        values = [value if not value[:1].isspace() else _unjoined(value, made) for value in values]
    values = _unquoted(values, free, made)
    if not free:
        values = [part for value in values for part in _plain(value, spec, made)]
    return Group(group.flag, tuple(values))


def _unjoined(value: str, made: Meant) -> str:
    made.note("joined", f"\\ {value.strip()}")
    return value.strip()


def _unquoted(values: list[str], free: bool, made: Meant) -> list[str]:
    """Without curly quotes around them; what they hold together is one value."""
    made_of: list[str] = []
    index = 0
    while index < len(values):
        value = values[index]
        index += 1
        opening = value[:1] in OPENING and value[:1] not in "\"'" and value != ""
        if not opening:
            closing = value[-1:] in CLOSING and value[-1:] not in "\"'" and not free
            if closing and len(value) > 1:
                made.note("quotes", value, value[:-1])
                value = value[:-1]
            made_of.append(value)
            continue
        end = next(
            (
                i
                for i in range(index - 1, len(values))
                if values[i][-1:] in CLOSING and (i >= index or len(value) > 1)
            ),
            None,
        )
        whole = " ".join(values[index - 1 : end + 1]) if end is not None else value
        index = end + 1 if end is not None else index
        inner = whole[1:-1] if end is not None else whole[1:]
        if any(sign in inner for sign in "“”「」『』"):  # they are about words inside
            made_of.append(whole)
            continue
        made.note("quotes", whole, typed.word(inner))
        made_of.append(inner)
    return made_of


def _plain(value: str, spec: Option | None, made: Meant) -> list[str]:
    """A value in ASCII where it is ASCII that an input method widened; a list at its signs."""
    from suretune.values import COMMA, parts_of

    spread = [part for part in BLANKS.split(value) if part]
    if len(spread) > 1 and BLANKS.search(value) and not _is_path(value):
        made.note("blank", value, " ".join(spread))
        return [part for one in spread for part in _plain(one, spec, made)]
    narrow = unicodedata.normalize("NFKC", value).translate(
        str.maketrans(DASHES, "-" * len(DASHES))
    )
    number = spec is not None and spec.kind is not str
    if narrow != value and (number or narrow.isascii()) and not _is_path(value):
        made.note("full-width", value, narrow)
        value = narrow
    parts = parts_of(value) if spec is not None and spec.name in COMMA else []
    if parts and parts != [value]:
        if re.search("[，、；;]", value) or "," not in value:
            made.note("comma", value, ",".join(parts))
        return parts
    if spec is not None and spec.many and re.search("[，、,]", value) and not _is_path(value):
        parts = [part for part in re.split("[，、,]", value) if part]
        if len(parts) > 1 and all(map(_is_path, parts)):
            made.note("comma", value, " ".join(parts))
            return parts
    return [value]


def _is_path(name: str) -> bool:
    import os

    return bool(name) and "\0" not in name and os.path.lexists(os.path.expanduser(name))


def _switched(group: Group) -> Group:
    """`--json true` and `--json=true` are `--json`; with `false` it is OFF, which is taken out once
    the words behind it are where they belong."""
    flag, stuck, said = group.flag.partition("=")
    if flag != "--json":
        return group
    values = group.values
    if not stuck and "".join(values[:1]).lower() in ("true", "false"):
        said, *rest = values
        values = tuple(rest)
    on = TRUTHS.get(said.lower(), True if not said and not stuck else None)
    if on is None:  # it is no such word: told of where the words are split
        return group
    return Group(flag if on else OFF, values)


# --- words that no flag takes -------------------------------------------------------------------


def _alone(made: Meant, known: Mapping[str, Option | None]) -> None:
    """Words before all flags, where the verb takes none: a file, perhaps, without its flag."""
    first = made.groups[0]
    if first.flag or not first.values:
        return
    made.groups[0] = Group("")
    given = {known[g.name].name for g in made.groups if known.get(g.name)}  # type: ignore[union-attr]
    flag = next((f for f in ("dataset", "adapters") if f in known and f not in given), "")
    paths = all(map(_is_path, first.values))
    whole = [f"--{flag}", *first.values] if flag and paths else []
    for word in first.values:
        made.faults.append(
            FlagFacts("stray-argument", "", word, command=_typed([*whole, *made.words], whole))
        )


def _most(group: Group, spec: Option | None, words_behind: int) -> int | None:
    """How many words this flag takes; None where the parser knows that alone."""
    if spec is not None:
        if spec.many:
            return None
        return 0 if "=" in group.flag else 1
    if words_behind < 2 or group.name not in PLAIN:
        return None
    return 0 if "=" in group.flag else PLAIN[group.name]


def _too_many(
    made: Meant,
    known: Mapping[str, Option | None],
    words_behind: int,
    texts: bool,
) -> None:
    """More words than a flag takes: one text without quotes, the command's own words, or strays."""
    for index, group in enumerate(made.groups):
        spec = known.get(group.name)
        most = _most(group, spec, words_behind)
        if most is None or not group.flag or len(group.values) <= most:
            continue
        first = made.groups[0].values
        if spec is not None and spec.name in JOINED and most:
            most = one_text(group.values, words_behind, texts)
            whole = " ".join(group.values[:most])
            one_word = typed.word(whole)
            if most > 1:
                made.note(
                    "unquoted",
                    f"{group.flag} {whole}",
                    f"{group.flag} {one_word}",
                )
            group = Group(group.flag, (whole, *group.values[most:]))
            made.groups[index], most = group, 1
            if len(group.values) == 1:
                continue
        kept, more = Group(group.flag, group.values[:most]), group.values[most:]
        # A command of one word takes what is there alone: anything else may be half of a value.
        is_own = words_behind > 1 or (not first and all(map(is_there, more)))
        room = len(first) + len(more) <= words_behind
        if room and is_own and not os.path.exists(" ".join(group.values)):
            made.groups[0] = Group("", (*first, *more))
            made.groups[index] = kept
            continue
        if spec is None:
            continue
        quoted = Group(group.flag, (" ".join(group.values),))
        whole_words = [
            w for g in (*made.groups[:index], quoted, *made.groups[index + 1 :]) for w in g.words
        ]
        text = spec.kind is str and not spec.choices and most
        shown = typed.command(quoted.flag, *quoted.values)
        hint = Text(f"`{group.flag}` takes one value.", f"`{group.flag}` 只接受一个值。")
        if text:
            hint = Text(
                f"If `{group.flag}` has a value with blanks in it, it needs quotes: `{shown}`",
                f"如果 `{group.flag}` 的值里有空格，要加英文引号：`{shown}`",
            )
        for word in group.values[most:]:
            made.faults.append(
                FlagFacts("stray-argument", "", word, hint=hint, command=_typed(whole_words, text))
            )
        made.groups[index] = kept


def _swallowed(made: Meant, known: Mapping[str, Option | None]) -> None:
    """A value with flags of ours in it: its quote was closed too late, or never."""
    for index, group in enumerate(made.groups):
        for at, value in enumerate(group.values):
            found = re.search(r"[\s\\]+--([a-z_]+)(?=[\s=]|$)", value)
            if found is None or found[1] not in known:
                continue
            if group.name in FREE and not _goes_on(value[found.start() :], known):
                continue
            inner = value[: found.start()].rstrip("\"'”’ \\\n")
            rest = value[found.start() :].replace("\\\n", " ").split()
            better = [
                *(w for g in made.groups[:index] for w in g.words),
                group.flag,
                *group.values[:at],
                inner,
                *(w for w in rest if w != "\\"),
                *(w for g in made.groups[index + 1 :] for w in g.words),
            ]
            hint = Text(
                f"The quote of `{group.flag}` was not closed.", f"`{group.flag}` 的引号没有关上。"
            )
            made.faults.append(
                FlagFacts(
                    "stray-argument",
                    group.flag,
                    found[0].strip(" \\\n"),
                    hint=hint,
                    command=_typed(better, True),
                )
            )


def _goes_on(tail: str, known: Mapping[str, Option | None]) -> bool:
    """Whether this end of a text is the rest of a command: a text may speak of a flag, so only a
    line's end before the flag tells, or flags to the end, each with a value that it takes."""
    if re.match(r"\s*[\\\n]", tail):
        return True
    pieces = re.split(r"\s+--", tail)[1:]
    for piece in pieces:
        name, *values = piece.replace("=", " ", 1).split()
        spec = known.get(name.replace("-", "_"))
        if spec is None or len(values) > 1 or (not values and spec.kind is not bool):
            return False
        if spec.kind is str and not spec.choices and values[0].isalpha():
            return False  # a word like any other
        try:
            spec.parse(values[0] if values else "true")
        except ValueError:
            return False
    return True


def _typed(words: Collection[str], sure: object) -> str:
    """A command of these words; the verb is put in front where the journal knows it."""
    return typed.command(*words) if sure else ""
