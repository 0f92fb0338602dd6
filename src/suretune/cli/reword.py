"""`reword`: a file of other wordings, a look at them, and the command that comes next."""

from __future__ import annotations

from pathlib import Path

from suretune import rundir, typed
from suretune.because import in_words
from suretune.cli.job import require
from suretune.cli.out import tell, tell_json
from suretune.cli.parse import Command
from suretune.facts import SetupFacts
from suretune.record.journal import DATA, OK, Journal
from suretune.types import Text
from suretune.words import say

COUNT = 2  # of each question, where nobody says how many
SHOWN = 8  # on the terminal; the file has all


def write_wordings(command: Command, journal: Journal) -> int:
    """0 if there are wordings, 3 if none was fit."""
    from suretune.preflight.asked import asked_by_probes
    from suretune.preflight.check import check
    from suretune.prepare.reword import FILE, WHY_NOT, reword
    from suretune.speak.answer import open_speaker

    require(command, journal)
    resolved = command.resolved
    count = resolved.config.data.paraphrases or COUNT
    checked = check(resolved.with_values("flag", paraphrases=0), journal)
    speaker = open_speaker(resolved.config, None, journal)
    found = reword(
        checked,
        speaker.model,
        count,
        frozenset(asked_by_probes(resolved)),
    )
    folder = Path(resolved.config.run.output_dir if resolved.given("output_dir") else ".")
    path = folder / FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        rundir.write_jsonl(path, found.rows)
    except OSError as error:
        said = in_words(error)
        facts = SetupFacts("output-not-writable", str(folder), said, spare="--output_dir")
        raise journal.stop(facts) from error
    if command.json:
        tell_json({"file": str(path), "rows": len(found.rows), "left_out": found.left_out})
        return OK if found.rows else DATA
    for question, wording in found.pairs[:SHOWN]:
        tell(f"{question}\n  {wording}")
    tell(
        say(
            Text(
                f"{len(found.rows)} wordings in {path}. Read them: the base made them, nobody"
                " checked what they mean.",
                f"{path} 里有 {len(found.rows)} 种问法。请自己看一遍："
                "由原模型写成，意思没有人核对过。",
            )
        )
    )
    for why, number in found.left_out.most_common():
        tell(f"  {number:>4}  {say(WHY_NOT[why])}")
    if found.rows:
        words = [
            "suretune",
            "check",
            "--model",
            str(resolved.config.model.model),
            "--dataset",
            *resolved.config.data.dataset,
            str(path),
            "--mixed_shapes",
            "true",
        ]
        if ignored := resolved.config.data.ignore_fields:  # else the advice would stop
            words += ["--ignore_fields", *ignored]
        tell(typed.in_language(typed.command(*words)))
    return OK if found.rows else DATA
