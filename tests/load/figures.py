"""What the load suite measured: `latest.json`, and its block of docs/reliability.md."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from chaos.figures import PAGE, commit, with_block

LATEST = Path(__file__).with_name("latest.json")
KEYS = (
    "clients", "seconds", "requests", "answered", "wrong", "refused", "disconnects", "garbage",
    "adapter_loads", "half_open", "five_hundreds", "leaked_slots", "rss_start_mib", "rss_end_mib",
    "fds_start", "fds_end", "threads_start", "threads_end", "first_token_p50_ms",
    "first_token_p99_ms", "tokens_s", "date", "commit", "form",
)  # fmt: skip
MUST_BE_ZERO = ("wrong", "five_hundreds", "leaked_slots")
NOT_YET = "Not measured yet: `make load`."


def now() -> dict[str, str]:
    """When, and what."""
    return {"date": date.today().isoformat(), "commit": commit()}


def percentile_ms(seconds: Sequence[float], share: int) -> float | None:
    """In milliseconds; None where nothing was measured."""
    if not seconds:
        return None
    ordered = sorted(seconds)
    return round(1000 * ordered[min(len(ordered) - 1, len(ordered) * share // 100)], 1)


def read(path: Path = LATEST) -> dict[str, Any]:
    """The figures so far."""
    return dict(json.loads(path.read_text("utf-8"))) if path.exists() else {}


def write(figures: Mapping[str, Any], path: Path = LATEST) -> None:
    path.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")


def keep(figures: Mapping[str, Any]) -> None:
    """The figures, and the page with them."""
    write(figures)
    PAGE.write_text(page(figures, PAGE.read_text("utf-8")), "utf-8")


def page(figures: Mapping[str, Any], text: str) -> str:
    """docs/reliability.md with the block that these figures make."""
    return with_block(text, "load", block(figures), "load")


def block(figures: Mapping[str, Any]) -> str:
    """The table of figures."""
    if not figures:
        return NOT_YET
    f = figures
    rows = (
        (f"streaming clients at once, for {f['seconds']:,.0f} s", f"{f['clients']:,}"),
        ("requests", f"{f['requests']:,}"),
        ("answered in full, each as it was answered alone", f"{f['answered']:,}"),
        ("**wrong**, cut short or without an end", f"**{f['wrong']:,}**"),
        ("refused with 429 or 503, and asked again later", f"{f['refused']:,}"),
        ("clients that left in the middle", f"{f['disconnects']:,}"),
        ("garbage", f"{f['garbage']:,}"),
        ("times an adapter came, answered and went", f"{f['adapter_loads']:,}"),
        ("connections whose header never ended, cut off", f"{f['half_open']:,}"),
        ("answers of 500 and above, to anything", f"{f['five_hundreds']:,}"),
        ("slots still taken when all were gone", f"{f['leaked_slots']:,}"),
        ("memory after a minute, at the end", _pair(f, "rss", "_mib", " MiB")),
        ("open files before, after", _pair(f, "fds")),
        ("threads before, after", _pair(f, "threads")),
        ("first token, median and 99th percentile", _first(f)),
        ("tokens of right answers a second", f"{f['tokens_s']:,.0f}"),
    )
    lines = ["| | |", "|---|---:|", *(f"| {what} | {value} |" for what, value in rows), ""]
    about = f"{f['date']}, commit `{f['commit']}`, {f['form']} form, two CPU cores that the clients"
    return "\n".join([*lines, f"{about} share with the server, the pocket model."])


def _pair(figures: Mapping[str, Any], name: str, kind: str = "", unit: str = "") -> str:
    start, end = (figures[f"{name}_{when}{kind}"] for when in ("start", "end"))
    return f"{start:,g}, {end:,g}{unit}"


def _first(figures: Mapping[str, Any]) -> str:
    both = (figures["first_token_p50_ms"], figures["first_token_p99_ms"])
    return ", ".join("-" if value is None else f"{value:,.0f} ms" for value in both)
