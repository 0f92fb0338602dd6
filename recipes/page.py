"""The tables and plots of docs/recipes.md, made of recipes/results alone.

    python recipes/page.py

The page's text is written by hand; what stands between `<!-- table: NAME -->` and `<!-- end -->`
comes from here. tests/test_recipes.py holds the page to it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "recipes")]

import real_page
from claims import CLAIMS, DRIFTS, FORGETS, LEARNS, judged
from dots import Panel, bootstrap, dots
from run import results
from tables import TABLES

from suretune.phrases import wilson

PAGE = ROOT / "docs" / "recipes.md"
PLOTS = ROOT / "docs" / "plots" / "recipes"
BLOCK = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
NOT_YET = "not measured yet"
WHAT = {LEARNS: "identity", FORGETS: "skill lost", DRIFTS: "drift, hundredths of a nat:"}
ACCURACY, DROP = 0.98, 0.01  # what the defaults aim at, in every run
HEAD = (
    "| {name} | runs | sealed | identity, % | skill lost, points | worst run | drift | updates |"
    " training, s |\n|---|---|---|---|---|---|---|---|---|"
)
Lines = Sequence[Mapping[str, Any]]


def numbers(lines: Lines, key: str, scale: float = 1.0) -> list[float]:
    return [scale * line[key] for line in lines if key in line]


def between(values: Sequence[float], places: int) -> str:
    """`97.8 (95.1 to 100.0)`: the mean over runs and its bootstrapped interval."""
    if len(values) < 2:
        return f"{values[0]:.{places}f}" if values else NOT_YET
    low, mean, high = (round(value, places) + 0.0 for value in bootstrap(values))
    return f"{mean:.{places}f} ({low:.{places}f} to {high:.{places}f})"


def row(setting: str, lines: Lines) -> str:
    """A line of a table."""
    if not lines:
        return f"| {setting} | 0 | {NOT_YET} | | | | | | |"
    sealed = sum(line["verdict"] == "sealed" for line in lines)
    low, high = wilson(sealed, len(lines))
    stopped = sum(line["verdict"] == "stopped" for line in lines)
    cells = [
        setting,
        f"{len(lines)}" + (f", {stopped} stopped by a guard" if stopped else ""),
        f"{sealed} ({low:.0%} to {high:.0%})",
    ]
    measured = [line for line in lines if line["verdict"] != "stopped"]
    if not measured:
        return f"| {' | '.join(cells)} | | | | | | |"
    cells += [
        between(numbers(measured, "paraphrase_accuracy", 100), 1),
        between(numbers(measured, "skill_drop", 100), 1),
        f"{max(numbers(measured, 'skill_drop', 100)) + 0.0:.1f}",
        f"{fmean(numbers(measured, 'drift')):.2f}",
        f"{fmean(numbers(measured, 'updates')):.0f}",
        f"{fmean(numbers(measured, 'train_seconds')):.0f}",
    ]
    return f"| {' | '.join(cells)} |"


def table(name: str) -> str:
    """A whole table; its picture, if it has one, below."""
    lines = results(name)
    made = [HEAD.format(name="setting")]
    groups = {s: [line for line in lines if line["setting"] == s] for s in TABLES[name].settings}
    made += [row(setting, group) for setting, group in groups.items()]
    if name in plots():
        made += ["", f"![{TABLES[name].about}](plots/recipes/{name}.svg)"]
    return "\n".join(made)


def defaults() -> str:
    """The defaults by identity, and every run that missed the aim."""
    lines = results("defaults")
    names = sorted({line["identity"] for line in lines})
    made = [HEAD.format(name="identity")]
    made += [row(n, [line for line in lines if line["identity"] == n]) for n in names]
    made.append(row("all", lines))
    missed = [
        line for line in lines
        if line["verdict"] == "stopped"
        or line["paraphrase_accuracy"] < ACCURACY or line["skill_drop"] > DROP + 1e-9
    ]  # fmt: skip
    of = len(TABLES["defaults"].settings) * 20 * 5
    made += ["", f"Within the aim: {len(lines) - len(missed)} of {len(lines)} runs ({of} planned)."]
    for line in missed:
        told = ", ".join(line["reasons"])
        if line["verdict"] != "stopped":
            found = line["paraphrases"]
            told = (
                f"{found['passed']} of {found['asked']}, {100 * line['skill_drop']:.1f} points lost"
            )
        made.append(f"- {line['identity']}, seed {line['seed']}: {told}")
    return "\n".join(made)


def claims() -> str:
    """What held and what did not, by comparing runs of the same seed and identity."""
    made = [
        "| said by | claim | difference measured, in points | pairs | verdict |",
        "|---|---|---|---|---|",
    ]
    for claim in CLAIMS:
        verdict, pairs, found = judged(claim, results(claim.table))
        told = ""
        if found:
            low, mean, high = (100 * value for value in found)
            what = WHAT[claim.key]
            told = (
                f"{what} {mean:+.1f} ({low:+.1f} to {high:+.1f}): {claim.more} against {claim.less}"
            )
        made.append(f"| {claim.source} | {claim.says} | {told} | {pairs} | {verdict} |")
    return "\n".join(made)


def plots() -> dict[str, str]:
    """name of a table -> SVG; a plot appears once two of its lines were measured."""
    drawn = {}
    for name, about in TABLES.items():
        lines = results(name)
        identity, lost = (
            [numbers([x for x in lines if x["setting"] == s], key, 100) for s in about.plot]
            for key in ("paraphrase_accuracy", "skill_drop")
        )
        if sum(map(bool, identity)) < 2:
            continue
        most = max(5.0, *(value for values in lost for value in values))
        most = 5.0 if most <= 5 else 20.0 if most <= 20 else 100.0
        drawn[name] = dots(about.about, about.plot, [
            Panel("identity on held-out paraphrases, %", identity, 0, 100),
            Panel("skill lost, points", lost, 0, most),
        ])  # fmt: skip
    return drawn | real_page.plots()


def filled(text: str) -> str:
    """The page with every block made anew."""
    made = {"defaults": defaults, "claims": claims, "real": real_page.section}

    def block(found: re.Match[str]) -> str:
        name = found[2]
        inner = made[name]() if name in made else table(name)
        return f"{found[1]}\n{inner}\n\n{found[3]}"

    return BLOCK.sub(block, text)


def main() -> None:
    """Write the page and its plots; plots that no table has any more go."""
    drawn = plots()
    PLOTS.mkdir(parents=True, exist_ok=True)
    for old in PLOTS.glob("*.svg"):
        old.unlink()
    for name, svg in drawn.items():
        (PLOTS / f"{name}.svg").write_text(svg, "utf-8")
    PAGE.write_text(filled(PAGE.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
