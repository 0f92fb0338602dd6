"""The section "On a real model" of docs/recipes.md, made of recipes/results/real_*.jsonl alone.

Groups that were not measured have no table. Where several models were, each has its own tables.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from statistics import fmean
from typing import Any

from dots import Panel, bootstrap, dots
from real import results
from real_model import PACKAGES, USUAL
from real_tables import (
    DEFENDED,
    DIVERGING,
    EPOCHS,
    GROUPS,
    LADDER,
    RATES,
    SIZES,
    UNAIDED,
    article_settings,
    has_diverged,
    has_ended_well,
    typed,
)

from suretune.phrases import wilson

Line = Mapping[str, Any]
TITLES = {
    "defaults": "The defaults, identity by identity",
    "articles": "The articles' recipes, and the defaults before and after",
    "s2": "Rows, epochs and rate: S2's own tables",
    "nulls": "Adapters that were taught nothing",
    "data": "Other data than identities",
    "types": "What is trained: LoRA, QLoRA, all weights, half of them",
    "diverging": "A rate at which a full fine-tune is lost, unaided and by default",
    "ablations": "One thing changed at a time",
}
NOT_YET = "Nothing is measured yet: `python recipes/real.py`."
HEAD = (
    "| {name} | runs | sealed | identity, % | worst run | net, points | worst run |"
    " leaked, % | near misses, % | drift | dose | updates | s |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|---|---|"
)


def section() -> str:
    """Everything that was measured."""
    every = {group: results(group) for group in GROUPS}
    models = sorted({line["model"] for lines in every.values() for line in lines})
    made = [_of_model(model, every) for model in models]
    return "\n\n".join(made) or NOT_YET


def _of_model(model: str, every: Mapping[str, Sequence[Line]]) -> str:
    parts = []
    for group, title in TITLES.items():
        lines = [line for line in every[group] if line["model"] == model]
        if not lines:
            continue
        made = [f"### {title}", "", _made_with(model, lines), "", _table(group, lines)]
        if (name := f"real_{group}_{model}") in plots():
            made += ["", f"![{title}](plots/recipes/{name}.svg)"]
        parts.append("\n".join(made))
    return "\n\n".join(parts)


def _made_with(model: str, lines: Sequence[Line]) -> str:
    """Model, card, days and version, as the lines have them."""
    cards = sorted({line["card"] for line in lines})
    days = sorted({line["date"] for line in lines})
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    group = lines[0]["group"]
    rights = sorted({line["base_right"] for line in lines if line.get("base_right")})
    known = ""
    if rights and group != "diverging":  # of eight that it is asked there
        counted = max(line["counted"] for line in lines if line.get("counted"))
        known = f" The base has {' or '.join(map(str, rights))} of {counted} questions right."
    short = next((name for name, (whole, _) in PACKAGES.items() if whole == model), model)
    named = "" if short == USUAL else f" --model {short}"
    command = f"`python recipes/real.py{named} --only {group}`"
    return f"{model}, {', '.join(cards)}, {when}, {command}.{known}"


def _table(group: str, lines: Sequence[Line]) -> str:
    if group == "s2":
        return _s2(lines)
    if group == "data":
        return _data(lines)
    if group == "diverging":
        return _diverging(lines)
    key = "identity" if group == "defaults" else "recipe"
    names = _order(group, key, lines)
    made = [HEAD.format(name=key)]
    made += [row(name, [line for line in lines if line[key] == name]) for name in names]
    if len(names) > 1 and group in ("defaults", "nulls"):
        made.append(row("all", lines))
    if group == "defaults":
        made += ["", *_missed(lines)]
    return "\n".join(made)


def _order(group: str, key: str, lines: Sequence[Line]) -> list[str]:
    there = list(dict.fromkeys(line[key] for line in lines))
    if group == "articles":  # whatever the order in which workers were done
        wanted = list(article_settings(1))
        return sorted(there, key=lambda name: wanted.index(name) if name in wanted else 99)
    return sorted(there)


def row(name: str, lines: Sequence[Line]) -> str:
    """A line of a table: means over runs with bootstrapped 95 % intervals."""
    measured = [line for line in lines if line["verdict"] != "stopped"]
    sealed = sum(line["verdict"] == "sealed" for line in lines)
    low, high = wilson(sealed, len(lines))
    stopped = len(lines) - len(measured)
    cells = [
        name,
        f"{len(lines)}" + (f", {stopped} stopped by a guard" if stopped else ""),
        f"{sealed} ({low:.0%} to {high:.0%})",
        between([100 * x for x in _numbers(measured, "paraphrase_accuracy")]),
        _worst([100 * x for x in _numbers(measured, "paraphrase_accuracy")]),
        between(_numbers(measured, "net_points"), sign=True),
        _worst(_numbers(measured, "net_points"), sign=True),
        between(_shares(measured, "leaked", "asked"), 2),
        between(_shares(measured, "near_missed", "near_asked"), 2),
        _mean(_numbers(measured, "drift"), 3),
        _mean(_numbers(measured, "dose"), 2),
        _mean(_numbers(measured, "updates"), 0),
        _mean(_numbers(measured, "seconds"), 0),
    ]
    return f"| {' | '.join(cells)} |"


def between(values: Sequence[float], places: int = 1, *, sign: bool = False) -> str:
    """`97.8 (95.1 to 100.0)`; a dash where nothing was measured."""
    plus = "+" if sign else ""
    if len(values) < 2:
        return f"{values[0] + 0.0:{plus}.{places}f}" if values else "-"
    low, mean, high = (round(value, places) + 0.0 for value in bootstrap(values))
    return f"{mean:{plus}.{places}f} ({low:{plus}.{places}f} to {high:{plus}.{places}f})"


def _numbers(lines: Sequence[Line], key: str) -> list[float]:
    return [line[key] for line in lines if line.get(key) is not None]


def _shares(lines: Sequence[Line], count: str, of: str) -> list[float]:
    """Percentages, one a run; every run is asked as much, so their mean is the pooled share."""
    return [100 * line[count] / line[of] for line in lines if line.get(of)]


def _worst(values: Sequence[float], *, sign: bool = False) -> str:
    return f"{min(values) + 0.0:{'+' if sign else ''}.1f}" if values else "-"


def _mean(values: Sequence[float], places: int) -> str:
    return f"{fmean(values):.{places}f}" if values else "-"


def _missed(lines: Sequence[Line]) -> list[str]:
    """Every run that was not sealed, and why."""
    left = [line for line in lines if line["verdict"] != "sealed"]
    made = [f"Sealed: {len(lines) - len(left)} of {len(lines)}."]
    for line in sorted(left, key=lambda one: (one["identity"], one["seed"])):
        made.append(f"- {line['identity']}, seed {line['seed']}: {', '.join(line['reasons'])}")
    return made


def _s2(lines: Sequence[Line]) -> str:
    """Rows x epochs against rates: identity, net and leaks in a cell."""
    made = [
        "In a cell: identity, %; net, points; answers that leaked, %. Rates are for hidden size"
        " 3,584, and scaled to this model's width.",
        "",
        f"| rows | epochs | {' | '.join(RATES)} |",
        f"|---|---|{'---|' * len(RATES)}",
    ]
    known: dict[str, list[Line]] = {}
    for line in lines:
        known.setdefault(line["recipe"], []).append(line)
    for size in SIZES:
        for epochs in EPOCHS:
            cells = [_cell(known.get(f"{size} rows, {epochs} epochs, {rate}")) for rate in RATES]
            made.append(f"| {size:,} | {epochs} | {' | '.join(cells)} |")
    return "\n".join(made)


def _cell(lines: Sequence[Line] | None) -> str:
    measured = [line for line in lines or () if line["verdict"] != "stopped"]
    if not measured:
        return "stopped by a guard" if lines else "not measured yet"
    said = fmean(_numbers(measured, "paraphrase_accuracy"))
    told = [f"{said:.0%}", f"{fmean(_numbers(measured, 'net_points')):+.1f}"]
    return "; ".join([*told, f"{fmean(_shares(measured, 'leaked', 'asked')):.1f}%"])


def _data(lines: Sequence[Line]) -> str:
    """Held-out rows before and after, and what it cost."""
    made = [
        "| rows | runs | sealed | held-out rows right, before and after | held-out loss |"
        " net, points | drift | updates |\n|---|---|---|---|---|---|---|---|"
    ]
    for kind, group in groupby(sorted(lines, key=lambda x: x["recipe"]), lambda x: x["recipe"]):
        mine = list(group)
        done = [line for line in mine if line["verdict"] != "stopped"]
        right = _right([line["rows"]["all"] for line in done if line.get("rows")])
        losses = [line["held_out"] for line in done if line["held_out"]["before"] is not None]
        loss = " → ".join(_mean([one[at] for one in losses], 2) for at in ("before", "after"))
        sealed = sum(line["verdict"] == "sealed" for line in mine)
        cells = [
            kind, str(len(mine)), str(sealed), right, loss,
            between(_numbers(done, "net_points"), sign=True),
            _mean(_numbers(done, "drift"), 3), _mean(_numbers(done, "updates"), 0),
        ]  # fmt: skip
        made.append(f"| {' | '.join(cells)} |")
    return "\n".join(made)


def _diverging(lines: Sequence[Line]) -> str:
    """The ladder, a rate a line; then the runs by default, seed by seed beside the unaided."""
    known = {(line["recipe"], line["seed"]): line for line in lines}
    made = [
        f"Every run: `{' '.join(typed(**DIVERGING))}`, so without anchors; all else is as by"
        " default."
        " *Diverged*: the held-out loss at the end, all updates applied as they came, is above what"
        " the base gave, or no number. *Ended well*: below it, and sealed.",
        "",
        "| rate, unaided | runs | diverged | held-out loss, seed by seed |\n|---|---|---|---|",
    ]
    for rate in LADDER:
        mine = _of_recipe(f"{UNAIDED}, {rate}", lines)
        if mine:
            told = "; ".join(_held(line) for line in mine)
            lost = sum(map(has_diverged, filter(_measured, mine)))
            made.append(f"| {rate} | {len(mine)} | {lost} | {told} |")
    by_default = [line for rate in LADDER for line in _of_recipe(f"{DEFENDED}, {rate}", lines)]
    if not by_default:
        return "\n".join([*made, "", "With the defaults: not measured yet."])
    made += [
        "",
        "| rate, with the defaults | seed | seen at update, back to | rate at the end |"
        " held-out loss | unaided | general answers kept | drift | verdict |\n"
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for line in by_default:
        rate = line["recipe"].removeprefix(f"{DEFENDED}, ")
        alone = known.get((f"{UNAIDED}, {rate}", line["seed"]))
        back = ", ".join(f"{at['step']} to {at['back_to']}" for at in line.get("seen", ()))
        cells = [
            rate, str(line["seed"]), back or "never",
            f"{line['ended_rate']:.3g}" if "ended_rate" in line else "-", _held(line),
            _held(alone) if alone else "-", _general(line),
            _mean(_numbers([line], "drift"), 2), ", ".join([line["verdict"], *line["reasons"]]),
        ]  # fmt: skip
        made.append(f"| {' | '.join(cells)} |")
    caught = sum(bool(line.get("seen")) for line in by_default)
    well, of = sum(map(has_ended_well, by_default)), len(by_default)
    made += ["", f"With the defaults: caught in {caught} of {of}, ended well in {well} of {of}."]
    return "\n".join(made)


def _general(line: Line) -> str:
    """How many of the general answers that the base has right, in kinds that it can do, stayed."""
    if not line.get("base_right"):
        return "-"
    return f"{line['base_right'] - line['lost']} of {line['base_right']}"


def _of_recipe(recipe: str, lines: Sequence[Line]) -> list[Line]:
    """Its lines, seed by seed."""
    return sorted((x for x in lines if x["recipe"] == recipe), key=lambda x: int(x["seed"]))


def _measured(line: Line) -> bool:
    """Whether its held-out rows were measured before and after (null after: no number)."""
    return (line.get("held_out") or {}).get("before") is not None


def _held(line: Line) -> str:
    if not _measured(line):
        return "-"
    before, after = line["held_out"]["before"], line["held_out"]["after"]
    return f"{before:.2f} → {'no number' if after is None else format(after, '.2f')}"


def _right(tallies: Sequence[Mapping[str, int]]) -> str:
    """Held-out rows answered right, before and after, of all runs together."""
    if not tallies:
        return "not compared"
    before, after, judged = (
        sum(one[name] for one in tallies) for name in ("right_before", "right_after", "judged")
    )
    return f"{before} → {after} of {judged}"


def plots() -> dict[str, str]:
    """Name -> SVG: net, leaks and identity of every run, a line a setting."""
    drawn = {}
    for group in ("defaults", "articles", "nulls", "ablations"):
        every = results(group)
        for model in sorted({line["model"] for line in every}):
            lines = [
                line for line in every if line["model"] == model and line["verdict"] != "stopped"
            ]
            key = "identity" if group == "defaults" else "recipe"
            names = _order(group, key, lines)
            if len(names) < 2:
                continue
            mine = [[line for line in lines if line[key] == name] for name in names]
            drawn[f"real_{group}_{model}"] = dots(TITLES[group], names, _panels(mine))
    return drawn


def _panels(mine: Sequence[Sequence[Line]]) -> list[Panel]:
    identity = [[100 * x for x in _numbers(lines, "paraphrase_accuracy")] for lines in mine]
    net = [_numbers(lines, "net_points") for lines in mine]
    leaked = [_shares(lines, "leaked", "asked") for lines in mine]
    least = min((x for values in net for x in values), default=0.0)
    most = max((x for values in leaked for x in values), default=0.0)
    panels = [Panel("identity, %", identity, 0, 100)] if any(identity) else []
    return [
        *panels,
        Panel("net, points", net, -20 if least >= -20 else -100, 20),
        Panel("leaked, %", leaked, 0, 5 if most <= 5 else 100),
    ]
