"""How a call says no, and how it ends for a signal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from suretune import words
from suretune.facts import Finding
from suretune.preflight.amiss import facts_of
from suretune.record.journal import Journal, Stopped
from suretune.words import Language, say


class Refused(Exception):
    """It cannot work as asked. `findings` say why, and what mends it, in two languages.

    `status` is the exit status of the command line: 2 options, 3 rows, 4 machine or files, 5 a
    guard ended it, 6 it does not answer as it was sealed, 7 hub or network. The message is in the
    language of the call.
    """

    def __init__(
        self,
        findings: Sequence[Finding],
        status: int,
    ) -> None:
        told = [f"{f.code} {f.name}: {say(f.what)} {say(f.fix)}" for f in findings]
        super().__init__("\n".join(told))
        self.findings = tuple(findings)
        self.status = status


class Interrupted(KeyboardInterrupt):
    """SIGINT, SIGTERM or SIGHUP came; the checkpoint `saved` is complete, `resume(run)` goes on.

    Only where training runs on the main thread: elsewhere no signal is listened for.
    """

    def __init__(self, run: Path, saved: Path) -> None:
        super().__init__(str(saved))
        self.run = run
        self.saved = saved


@contextmanager
def refusing(language: Language | None, verb: str) -> Iterator[None]:
    """A call in this language, whose stops are `Refused`; None leaves the language as it is.
    `verb`: of the command line that does the same, whose help is named."""
    with words.speaking(language):
        try:
            yield
        except Stopped as stopped:
            raise Refused(stopped.findings, stopped.status) from stopped
        except Exception as error:
            facts = facts_of(error)
            if facts is None:
                raise
            known = Journal(verb=verb).stop(facts)
            raise Refused(known.findings, known.status) from error
