"""Another program's Python package, asked in a process of its own.

It may end that process, fill its streams with talk or keep its threads: whoever has a folder half
written is never the one that it ends. `python -m MODULE` reads one JSON text and prints one line.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from typing import Any

from suretune.facts import ExportFacts
from suretune.refusal import Refusal

MARK = "suretune-heard "  # these programs say much; this begins the line that counts


def ask_apart(
    target: str,
    program: str,
    request: Mapping[str, Any],
    *,
    module: str,
    env: Mapping[str, str] | None = None,
    is_noise: Callable[[str], bool] = lambda line: False,
    last: int = 3,
) -> Any:
    """What the module told of the request. `env`: defaults, where the environment says nothing.

    Raises Refusal with its `last` lines, without those that are noise, where it ended otherwise.
    """
    done = subprocess.run(
        [sys.executable, "-m", module],
        input=json.dumps(request),
        capture_output=True,
        text=True,
        errors="replace",
        env={**(env or {}), **os.environ},
    )
    line = next((x for x in done.stdout.splitlines() if x.startswith(MARK)), None)
    if done.returncode or line is None:
        said = [x.strip() for x in done.stderr.splitlines() if x.strip() and not is_noise(x)]
        found = " / ".join(said[-last:]) or f"exit status {done.returncode}"
        raise Refusal(ExportFacts("export-unlike", target, f"{program}: {found}"))
    return json.loads(line.removeprefix(MARK))


def asked() -> Any:
    """In the process of its own: the request."""
    return json.loads(sys.stdin.read())


def tell(heard: Mapping[str, Any]) -> None:
    """In the process of its own: what came of it."""
    print(f"\n{MARK}{json.dumps(heard)}", flush=True)
