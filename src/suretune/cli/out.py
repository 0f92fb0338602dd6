"""The one place from which verbs print: what others wrote cannot act on the terminal.

A server's model names, an adapter that somebody sent, a folder's name, a file of questions, an
answer: each may hold escape sequences or marks that turn text around.
"""

from __future__ import annotations

import json
import re
import sys
from typing import Any, TextIO

from suretune.phrases import printable
from suretune.record.journal import Journal
from suretune.spelled import sayable

# JSON escapes the control characters below U+0020 by itself. These would act, too.
ACTING = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff]")


def tell(
    text: object,
    *,
    keep: str = "\n",
    end: str = "\n",
    err: bool = False,
) -> None:
    """A text on stdout, or on stderr, with whatever could act made visible. `keep`: left alone."""
    to: TextIO = sys.stderr if err else sys.stdout
    print(printable(text, keep=keep), end=end, file=to, flush=True)


def tell_json(value: Any) -> None:
    """One line of JSON: the very same data, with acting characters in escapes."""
    line = json.dumps(value, ensure_ascii=False, default=str)
    if not sayable(line, sys.stdout.encoding):  # signs that stand for others would change the data
        line = json.dumps(value, default=str)
    escaped = ACTING.sub(lambda found: f"\\u{ord(found[0]):04x}", line)
    print(escaped, flush=True)


def how_it_was_read(journal: Journal) -> None:
    """To stderr, what was said of a command line that does not stop: once."""
    journal.gather()
    if journal.findings:
        from suretune import show
        from suretune.show.console import progress

        show.findings(journal.findings, progress())
        journal.shown()
