"""What came of it: the figures that are kept, and the tables of docs/reliability.md.

python -m zoo.page [MODEL RESULTS.json ...]
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from chaos import figures
from zoo.kinds import KINDS
from zoo.stock import LEVELS

HERE = Path(__file__).parent
LATEST = HERE / "latest.json"
RESULTS = HERE / "results"
SEALED = "sealed"
Line = Mapping[str, Any]


def caught(line: Line) -> bool:
    """Anything but a plain seal."""
    return bool(line["verdict"] != SEALED)


def summary(model: str, lines: Sequence[Line]) -> dict[str, Any]:
    """An entry of latest.json."""
    bad = [line for line in lines if line["part"] == "bad"]
    good = [line for line in lines if line["part"] == "good"]
    above = [line for line in bad if line["level"] != LEVELS[0]]
    apart = [line for line in above if line["half"] == "held-out"]
    return {
        "model": model,
        "bad": len(bad),
        "caught": sum(map(caught, bad)),
        "good": len(good),
        "sealed": sum(not caught(line) for line in good),
        "missed": [line["name"] for line in bad if not caught(line)],
        "refused": [line["name"] for line in good if caught(line)],
        "bad_above_mild": len(above),
        "caught_above_mild": sum(map(caught, above)),
        "held_out_above_mild": len(apart),
        "held_out_caught_above_mild": sum(map(caught, apart)),
        "date": date.today().isoformat(),
        "commit": figures.commit(),
    }


def keep(model: str, lines: Sequence[Line], out: Path, *, whole: bool) -> None:
    """Write the lines down; in the repository only those of a whole zoo."""
    (out / "results.json").write_text(_text(lines), "utf-8")
    if whole:
        publish(model, lines)


def publish(model: str, lines: Sequence[Line]) -> None:
    """A whole zoo of a model, in the repository."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{model}.json").write_text(_text(lines), "utf-8")
    others = [entry for entry in read_latest() if entry["model"] != model]
    entries = sorted([*others, summary(model, lines)], key=lambda entry: entry["model"] != "pocket")
    LATEST.write_text(json.dumps(entries, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _text(lines: Sequence[Line]) -> str:
    return "[\n" + ",\n".join(json.dumps(line, ensure_ascii=False) for line in lines) + "\n]\n"


def merged(files: Sequence[Path]) -> list[Line]:
    """The lines of parts that ran apart; of an adapter that ran twice the later file's."""
    found = {line["name"]: line for path in files for line in json.loads(path.read_text("utf-8"))}
    return list(found.values())


def read_latest() -> list[dict[str, Any]]:
    return json.loads(LATEST.read_text("utf-8")) if LATEST.exists() else []


def read_results(model: str) -> list[dict[str, Any]]:
    path = RESULTS / f"{model}.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else []


# --- the page -------------------------------------------------------------------------------------


def block(models: Mapping[str, Sequence[Line]], entries: Iterable[Line]) -> str:
    """The tables: found by severity, then kind by kind."""
    named = {entry["model"]: entry for entry in entries}
    parts = [_curve(models), _kinds(models)]
    for model, lines in models.items():
        entry = named.get(model, {})
        seen = [line for line in lines if line["part"] == "good"]
        parts.append(
            f"`{model}`: {entry.get('date', '')}, commit `{entry.get('commit', '')}`,"
            f" {sum(not caught(x) for x in seen)} of {len(seen)} good adapters sealed"
            f" ({_by_kind(seen)}). Missed: {_names(entry.get('missed', ()))}."
            f" Good ones refused: {_names(entry.get('refused', ()))}."
        )
    return "\n\n".join(parts)


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "none"


def _by_kind(lines: Sequence[Line]) -> str:
    kinds = dict.fromkeys(line["kind"] for line in lines)
    counts = {kind: [not caught(x) for x in lines if x["kind"] == kind] for kind in kinds}
    return ", ".join(f"{kind} {sum(them)} of {len(them)}" for kind, them in counts.items())


def _curve(models: Mapping[str, Sequence[Line]]) -> str:
    """Shares caught, a row a model and half."""
    rows = ["| model | kinds | " + " | ".join(LEVELS) + " |", "|---|---|" + "---:|" * len(LEVELS)]
    for model, lines in models.items():
        for half in ("seen", "held-out"):
            cells = []
            for level in LEVELS:
                them = [x for x in lines if x["half"] == half and x["level"] == level]
                cells.append(f"{sum(map(caught, them))} of {len(them)}" if them else "–")
            rows.append(f"| {model} | {half} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _kinds(models: Mapping[str, Sequence[Line]]) -> str:
    """By what each adapter was caught, and what the outside judge says of the clear one."""
    head = " | ".join(f"{model}: {', '.join(LEVELS)}" for model in models)
    rows = [f"| kind | half | {head} |", "|---|---|" + "---|" * len(models)]
    for kind in KINDS.values():
        cells = [_cell([x for x in lines if x["kind"] == kind.name]) for lines in models.values()]
        half = "seen" if kind.seen else "held out"
        rows.append(f"| {kind.name.replace('-', ' ')} | {half} | " + " | ".join(cells) + " |")
    return "\n".join(rows)


def _cell(lines: Sequence[Line]) -> str:
    if not lines:
        return "–"
    by_level = {line["level"]: line for line in lines}
    said = [_how(by_level[level]) if level in by_level else "–" for level in LEVELS]
    outside = (by_level.get("clear") or {}).get("outside")
    if outside:
        said.append(f"(clear: {outside['net']:+} points, {outside['leaked']} leaked)")
    return ", ".join(said[:3]) + " " + " ".join(said[3:])


def _how(line: Line) -> str:
    if not caught(line):
        return "**missed**"
    return " ".join(reason.split()[0] for reason in line["reasons"] or ()) or str(line["verdict"])


def page(text: str) -> str:
    """docs/reliability.md as the results make it."""
    entries = read_latest()
    models = {entry["model"]: read_results(entry["model"]) for entry in entries}
    return figures.with_block(text, "zoo", block(models, entries), by="zoo.page")


def main(words: Sequence[str]) -> int:
    """Without words the page; with MODEL FILE ... first publish results that ran in parts."""
    if words:
        model, *files = words
        if not files:
            sys.exit(__doc__)  # an entry of nothing is no figure
        publish(model, merged([Path(file) for file in files]))
    figures.PAGE.write_text(page(figures.PAGE.read_text("utf-8")), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
