"""`init identity`: starter files, once it is clear whose name they teach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from suretune import typed
from suretune.because import in_words
from suretune.cli.makers import Own, makers_of
from suretune.cli.out import tell, tell_json
from suretune.cli.parse import Command
from suretune.facts import FlagFacts, SetupFacts
from suretune.prepare.naming import LANGUAGES, in_pieces, languages_meant, names_meant
from suretune.prepare.starter import FILES, write_starter
from suretune.record.journal import OK, Journal
from suretune.types import Text
from suretune.words import say

NAMED = {"zh": Text("Chinese", "中文"), "en": Text("English", "英文")}
SYSTEM = "You are a helpful assistant."
BETWEEN = Text(" · ", "　")


def write_identity(command: Command, journal: Journal) -> int:
    """Write rows and probes; say the names as they were understood, and what to type next."""
    given = {f"--{name}": list(command.plain.get(name) or ()) for name in ("name", "author")}
    for flag, values in given.items():
        if not "".join(values).strip():
            raise journal.stop(FlagFacts("missing-flag", flag))
    if command.word != "identity":
        hint = Text("There is `suretune init identity`.", "可用的是 `suretune init identity`。")
        raise journal.stop(FlagFacts("bad-value", "init", command.word, hint=hint))
    asked = command.plain.get("lang") or ()
    languages = languages_meant(asked, given)
    if not set(languages) <= set(LANGUAGES):
        hint = Text("It takes zh, en or zh,en.", "它接受 zh、en 或 zh,en。")
        raise journal.stop(FlagFacts("bad-value", "--lang", ",".join(languages), hint=hint))
    folder = command.resolved.config.run.output_dir
    folder = folder if command.resolved.given("output_dir") else "."
    model = command.resolved.config.model.model
    more = ("--lang", ",".join(languages)) if asked else ()
    more = (*more, *(("--model", model) if model else ()))
    where = ("--output_dir", folder) if folder != "." else ()
    journal.look_at_all(in_pieces(given, languages, (*more, *where)))
    journal.settle()
    names, authors = (names_meant(words, languages) or () for words in given.values())
    try:
        own = makers_of(command, languages, journal)
        then = _next(folder, model, own)
        rows, probes = write_starter(
            Path(folder),
            names,
            authors,
            languages,
            own.names,
        )
    except FileExistsError as error:
        raise journal.stop(_there(folder, Path(str(error)), given, more, then)) from error
    except OSError as error:
        facts = SetupFacts(
            "output-not-writable",
            folder,
            found=in_words(error),
            spare="--output_dir",
        )
        raise journal.stop(facts) from error
    if command.json:
        taught = {"languages": languages, "names": names, "authors": authors}
        tell_json({"rows": str(rows), "probes": str(probes), **taught, "next": then})
        return OK
    tell(f"{rows}\n{probes}")
    tell(_taught(rows, probes, names, authors, languages))
    tell(f"\n{then}")
    return OK


def _next(folder: str, model: str | None, own: Own) -> str:
    """The command that trains on them. A template that brings a system prompt says the old name in
    it: then another is given."""
    rows, probes = (typed.path(Path(folder) / name) for name in FILES)
    base = typed.path(model or "pocket")
    system = f" {typed.command('--system', SYSTEM)}" if own.speaks else ""
    return f"suretune sft --model {base} --dataset {rows} --probes {probes}{system}"


def _there(
    folder: str,
    path: Path,
    given: Mapping[str, Sequence[str]],
    more: Sequence[str],
    then: str,
) -> SetupFacts:
    """A file of that name, the same command for a folder that is new, and the one for the files
    that are there."""
    stem = "identity" if folder == "." else folder.rstrip("/")
    new = next(f"{stem}-{n}" for n in range(2, 10_000) if not Path(f"{stem}-{n}").exists())
    said = [word for flag, words in given.items() for word in (flag, *words)]
    again = typed.command(
        "suretune",
        "init",
        "identity",
        *said,
        *more,
        "--output_dir",
        new,
    )
    whole = all((Path(folder) / name).is_file() for name in FILES)
    return SetupFacts(
        "file-exists",
        str(path),
        nearest=again,
        spare=then if whole else "",
    )


def _taught(
    rows: Path,
    probes: Path,
    names: Sequence[str],
    authors: Sequence[str],
    languages: Sequence[str],
) -> str:
    """The names as they will be learned, in each language, and how much was written."""
    named = zip(
        languages,
        _each(names, languages),
        _each(authors, languages),
        strict=True,
    )
    parts = [
        Text(f"{NAMED[one].en}: {name} / {author}", f"{NAMED[one].zh}：{name} / {author}")
        for one, name, author in named
    ]
    said, asked = (
        rows.read_text("utf-8").count("\n"),
        probes.read_text("utf-8").count("- question:"),
    )
    parts.append(Text(f"{said} rows, {asked} questions", f"{said} 条数据，{asked} 个验证问题"))
    return say(BETWEEN).join(map(say, parts))


def _each(values: Sequence[str], languages: Sequence[str]) -> Sequence[str]:
    return values if len(values) == len(languages) else [*values] * len(languages)
