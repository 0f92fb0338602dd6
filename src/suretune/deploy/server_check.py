"""Does a server serve what was sealed? It is asked the questions of the proof.

No torch here: whoever asks a server may have none.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from suretune import rundir, typed
from suretune.data.template import load_tokenizer
from suretune.facts import FlagFacts, SetupFacts
from suretune.record.journal import OK, UNVERIFIED, Journal, Stopped
from suretune.record.sealed import read_seal
from suretune.types import Text
from suretune.verify.probes import from_line, proven_tokens
from suretune.verify.remote import Remote, Trouble, parse_url
from suretune.verify.served import Sealed, lines, listen, served_facts

NEEDED = 0.9  # share of the answers; other kernels than the seal's change a few
SECONDS = 120.0  # for one answer


def open_remote(url: str, key: str | None, seconds: float, journal: Journal) -> Remote:
    """The server that `url` means; neither a bad URL's password nor a bad key is repeated."""
    remote = parse_url(url, key or None, seconds)
    if remote is None:
        hint = Text("It looks like http://HOST:PORT/v1.", "形如 http://HOST:PORT/v1。")
        shown = url if "@" not in url else "http://…@…"
        raise journal.stop(FlagFacts("bad-value", "verify", shown, hint=hint))
    if key and not (key.isascii() and key.isprintable()):
        hint = Text("A key is printable ASCII.", "密钥只能由可打印的 ASCII 字符组成。")
        raise journal.stop(FlagFacts("bad-value", "--api_key", "…", hint=hint))
    return remote


def verify_server(
    remote: Remote, run: Path, name: str | None, needed: float, journal: Journal
) -> tuple[dict[str, Any], int]:
    """Whether this server answers as the run was sealed, and the exit status that says so."""
    read_seal(run, journal)
    sealed = _read(run, journal)
    try:
        model = name or _served_name(remote, run, journal)
        heard = listen(remote, model, sealed, needed)
    except Trouble as trouble:
        if trouble.status == 404 and name:
            raise _no_such(name, _says(trouble.found), journal) from trouble
        asked = f"suretune verify {typed.word(remote.url)} --run {typed.path(run)}"
        raise journal.stop(
            SetupFacts(trouble.problem, remote.url, trouble.found, asked)
        ) from trouble
    facts = replace(served_facts(heard, remote.url, model, needed), run=str(run))
    journal.look(facts)
    status = OK
    try:
        journal.settle()
    except Stopped as stopped:
        status = stopped.status
    told = {
        "server": remote.url,
        "model": model,
        "run": str(run),
        "asked": {"answers": facts.asked, "as_sealed": facts.as_sealed, "as_base": facts.as_base},
        "without_system": {
            "answers": facts.default_asked,
            "as_sealed": facts.default_as_sealed,
            "as_template": facts.default_as_template,
        },
        "past_the_template": {"answers": facts.raw_asked, "as_sealed": facts.raw_as_sealed},
        "other_answers": lines(heard.given),
        "findings": [journal.line(finding) for finding in journal.findings],
        "verified": status == OK,
    }
    return told, status if status == OK else UNVERIFIED


def _read(run: Path, journal: Journal) -> Sealed:
    with journal.judging():
        tokenizer = load_tokenizer(rundir.published(run))
    probes = [from_line(line) for line in rundir.read_jsonl(run / "probes.jsonl")]
    before: list[str] = rundir.recorded(run / "base_answers.json", "probes")
    after: list[str] = rundir.recorded(run / "proof" / "result.json", "answers", "probes")
    if not len(probes) == len(before) == len(after):
        raise rundir.Damaged(
            run / "probes.jsonl",
            Text(
                f"{len(probes)} probes, {len(after)} answers",
                f"{len(probes)} 个验证问题，{len(after)} 个回答",
            ),
        )
    if not probes:
        hint = Text("This run was sealed without questions.", "这次运行的验证记录里没有验证问题。")
        raise journal.stop(FlagFacts("bad-value", "--run", str(run), hint=hint))
    request = rundir.read_json(run / "proof" / "request.json")
    system, most = request.get("system"), proven_tokens(request)
    return Sealed(probes, system, before, after, tokenizer, most)


def _served_name(remote: Remote, run: Path, journal: Journal) -> str:
    """The run's name where the server has it, else the only one there is."""
    names = remote.models()
    if run.name in names:
        return run.name
    if len(names) == 1:
        return names[0]
    has = Text(f"The server has: {', '.join(names)}.", f"服务器上有：{'、'.join(names)}。")
    none = Text("The server lists no model.", "服务器没有列出任何模型。")
    raise _no_such(run.name, has if names else none, journal)


def _says(found: str | Text) -> Text:
    """A server's own words, put into a sentence."""
    en, zh = (found.en, found.zh) if isinstance(found, Text) else (found, found)
    return Text(f"The server says: {en.removesuffix('.')}.", f"服务器的回答：{zh}。")


def _no_such(name: str, hint: Text, journal: Journal) -> Stopped:
    return journal.stop(FlagFacts("bad-value", "--served_model_name", name, hint=hint))
