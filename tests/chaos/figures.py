"""What the suite measured: `latest.json`, and the blocks of docs/reliability.md made from it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
LATEST = HERE / "latest.json"
PAGE = ROOT / "docs" / "reliability.md"
NAMES = (
    "kills", "kills_bit_exact", "faults", "silent_faults", "silent_caught", "clean_runs",
    "false_alarms", "fuzzed_files", "tracebacks", "rows_lost", "date", "commit",
)  # fmt: skip
MARKS = ("<!-- {name}: written by `python -m {by}` -->", "<!-- end of {name} -->")


def commit() -> str:
    """What was tested; `+` when files differed from it."""

    def git(*words: str) -> str:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
        return done.stdout.strip()

    short = git("rev-parse", "--short=12", "HEAD")
    return short + ("+" if git("status", "--porcelain", "--", "src") else "")


def merged(before: Mapping[str, Any], parts: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """All parts, those that did not run now with their own date and commit, and the sums."""
    now = {"date": date.today().isoformat(), "commit": commit()}
    all_parts = {**before.get("parts", {}), **{name: {**now, **p} for name, p in parts.items()}}

    def total(name: str) -> int:
        return sum(part.get(name, 0) for part in all_parts.values())

    summed = {name: total(name) for name in NAMES if name not in now}
    return {**summed, **now, "parts": dict(sorted(all_parts.items()))}


def read(path: Path = LATEST) -> dict[str, Any]:
    """The figures so far."""
    return dict(json.loads(path.read_text("utf-8"))) if path.exists() else {}


def write(figures: Mapping[str, Any], path: Path = LATEST) -> None:
    path.write_text(json.dumps(figures, indent=1, ensure_ascii=False) + "\n", "utf-8")


# --- the page -----------------------------------------------------------------------------------


def at_most(failed: int, tried: int) -> str:
    """The upper end of the 95 % interval for a share: 3/n where nothing failed."""
    if not tried:
        return "–"
    if not failed:
        return f"{300 / tried:.2g} %"
    share, z = failed / tried, 1.96
    middle = share + z * z / (2 * tried)
    half = z * (share * (1 - share) / tried + z * z / (4 * tried * tried)) ** 0.5
    return f"{100 * (middle + half) / (1 + z * z / tried):.2g} %"


def block(figures: Mapping[str, Any]) -> str:
    """The table of figures."""
    f = figures
    lines = [
        "| what was done | times | went wrong | at most, 95 % |",
        "|---|---:|---:|---:|",
        _line("SIGKILL at a random moment, resumed, compared bit for bit",
              f["kills"], f["kills"] - f["kills_bit_exact"]),
        _line("loud faults: memory, disk, folders, damaged files",
              f["faults"] - f["silent_faults"], _part(f, "loud").get("unhandled", 0)),
        _line("silent faults planted, not caught",
              f["silent_faults"], f["silent_faults"] - f["silent_caught"]),
        _line("clean runs, false alarms", f["clean_runs"], f["false_alarms"]),
        _line("fuzzed files, tracebacks", f["fuzzed_files"], f["tracebacks"]),
        _line("fuzzed files, rows lost without a word", f["fuzzed_files"], f["rows_lost"]),
        "",
        "Kills by what the run was at: " + _where(_part(f, "kills")) + ".",
        "",
    ]  # fmt: skip
    for name, part in f.get("parts", {}).items():
        seconds = part.get("seconds", 0)
        lines.append(
            f"`{name}`: {part['date']}, commit `{part['commit']}`, {part.get('form', '')} form, "
            f"seed {part.get('seed')}, {seconds:.0f} s.  "
        )
    return "\n".join(lines)


def _part(figures: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = figures.get("parts", {}).get(name, {})
    return found


def _where(kills: Mapping[str, Any]) -> str:
    return ", ".join(f"{k} {v}" for k, v in kills.get("kills_where", {}).items()) or "none yet"


def _line(what: str, tried: int, failed: int) -> str:
    return f"| {what} | {tried:,} | {failed:,} | {at_most(failed, tried)} |"


def table(rows: Sequence[Any]) -> str:
    """The silent faults, as the suite plants them."""
    lines = ["| id | what is wrong | caught by |", "|---|---|---|"]
    lines += [f"| `{row.id}` | {row.what} | {row.caught} |" for row in rows]
    return "\n".join(lines)


def with_block(page: str, name: str, text: str, by: str = "chaos") -> str:
    """The page with this block between its marks."""
    begin, end = (mark.format(name=name, by=by) for mark in MARKS)
    head, found, rest = page.partition(begin)
    _, also, tail = rest.partition(end)
    if not (found and also):
        raise ValueError(f"docs/reliability.md has no marks for {name}")
    return f"{head}{begin}\n\n{text}\n\n{end}{tail}"


def page(figures: Mapping[str, Any], text: str) -> str:
    """docs/reliability.md as these figures and the tables of this suite make it."""
    from chaos.silent import SILENT

    text = with_block(text, "figures", block(figures))
    return with_block(text, "silent faults", table(SILENT))
