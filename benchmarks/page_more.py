"""Sections of docs/benchmarks.md that have a file of results each: QLoRA, full fine-tuning,
families, an earlier tree, several GPUs.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from plots import Bar, bars

GIB = 1 << 30
WHO = {
    "suretune:qlora": "suretune", "suretune:qlora9": "suretune within 9 GiB", "trl:qlora": "TRL",
    "unsloth:qlora": "Unsloth", "trl:qlora-recompute": "TRL, recomputing",
    "unsloth:qlora-recompute": "Unsloth, recomputing", "suretune:packed": "suretune, LoRA in bf16",
}  # fmt: skip
WHO_WHOLE = {
    "suretune:full": "suretune", "suretune:full8": "suretune, moments in 8 bits",
    "trl:full": "TRL, weights in float32, autocast",
    "trl:full-bf16": "TRL, weights and moments in bfloat16",
}  # fmt: skip
OF_TREES = {"step_ms": "an update", "train_s": "training", "wall_s": "start to adapter",
            "command_s": "whole command", "peak_gib": "peak memory"}  # fmt: skip
KINDS = {"engine": "engine, packs of 2,048", "same-work": "the articles' job, the same work",
         "defaults": "the articles' job, all defaults"}  # fmt: skip
MODELLED = (8, 64)
OF_WHOLE = (
    "All weights of a 3B shape (Qwen2.5-3B) learn, a pack of 2,048 tokens an update, whole layers"
    " computed again. suretune keeps weights in bfloat16 beside masters and moments in float32."
)
OF_FAMILIES = (
    "LoRA of rank 8 on every linear layer, random weights in bfloat16, a pack of 2,048 tokens an"
    " update, nothing computed twice; the plain path is `--fused false`. TFLOP/s: 4 x (weights of"
    " the layers' linear maps x tokens + the head's x learned tokens) an update."
)


def qlora(told: Mapping[str, Any]) -> list[str]:
    """The 7B shape in NF4, one pack of 2,048 tokens an update, beside the peers."""
    return _side_by_side(told, WHO)


def full(told: Mapping[str, Any]) -> list[str]:
    """All weights of a 3B shape, one pack of 2,048 tokens an update, beside a peer."""
    if not told:
        return ["Full fine-tuning beside a peer: not measured yet."]
    said = [
        f"{who} {run['forecast_gib']:.1f} GiB"
        for name, who in WHO_WHOLE.items()
        for run in told["runs"].get(name, ())
        if "forecast_gib" in run
    ]
    lines = [OF_WHOLE, "", *_side_by_side(told, WHO_WHOLE)]
    return [*lines, "", f"What a run is told to need: {', '.join(said)}."] if said else lines


def _side_by_side(told: Mapping[str, Any], names: Mapping[str, str]) -> list[str]:
    lines = ["| who | tok/s | an update | peak | reserved |", "|---|---:|---:|---:|---:|"]
    for name, who in names.items():
        for run in told["runs"].get(name, ()):
            lines.append(
                f"| {who} | {run['tok_s']:,.0f} | {run['step_ms']:.0f} ms |"
                f" {run['peak_gib']:.1f} GiB | {run['reserved_gib']:.1f} GiB |"
            )
    lines.append("")
    for name, why in told["failed"].items():
        lines.append(f"- {names.get(name, name)}: no figure ({why['failed']}).")
    lines += [f"- {remark}" for remark in told.get("remarks", ())]
    lines += ["", f"{told['device']}, {told['date']}, commit `{told['commit']}`."]
    return lines


def families(told: Mapping[str, Any]) -> list[str]:
    """The fast engine beside the plain path, an architecture a line."""
    if not told:
        return ["The fast engine beside the plain path, family by family: not measured yet."]
    found = told["families"]
    lines = [
        "| architecture | sizes of | weights | tok/s | plain path | times | TFLOP/s | peak | plain"
        " path |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
        *(_family(name, one) for name, one in found.items()),
        "",
    ]
    lines += [
        f"- `{name}`: no figure ({one.get('refused') or one['failed']})."
        for name, one in found.items()
        if "times" not in one
    ]
    lines += [
        f"- {one['checkpoint']}: {one['changed']}." for one in found.values() if one["changed"]
    ]
    gaps = [one["gradient_gap"] for one in found.values() if "times" in one]
    far = f" The first update's gradients differ by {max(gaps):.1%} at most." if gaps else ""
    versions = ", ".join(f"{name} {version}" for name, version in told["versions"].items())
    when = f"{told['device']}, {told['date']}, commit `{told['commit']}`, `{told['command']}`."
    return [*lines, "", OF_FAMILIES + far, "", f"{when} {versions}."]


def _family(name: str, one: Mapping[str, Any]) -> str:
    cells = [f"`{name}`", one["checkpoint"], *[""] * 7]
    if "times" in one:
        fast, plain = one["fast"], one["plain"]
        cells[2:] = [
            f"{one['weights'] / 1e9:.2f} G", f"{fast['tok_s']:,}", f"{plain['tok_s']:,}",
            f"{one['times']:.2f}", f"{fast['tflop_s']:.0f}", f"{fast['peak_gib']:.1f} GiB",
            f"{plain['peak_gib']:.1f} GiB",
        ]  # fmt: skip
    return f"| {' | '.join(cells)} |"


def two_trees(told: Mapping[str, Any]) -> list[str]:
    """This tree's figures over an earlier one's."""
    lines = [
        "| what | shape | runs each | ratios: this tree over the earlier one | when |",
        "|---|---|---:|---|---|",
    ]
    for found in told.values():
        ratios = ", ".join(
            f"{OF_TREES[name]} {ratio:.3f}"
            for name, ratio in found["ratios"].items()
            if name in OF_TREES
        )
        when = f"{found['device']}, {found['date']}, beside `{found['earlier_commit']}`"
        what, runs = KINDS[found["kind"]], len(found["runs"]["this"])
        if flags := found.get("flags"):
            what += f", this tree's by `{' '.join(flags)}`"
        lines.append(f"| {what} | {found['shape']} | {runs} | {ratios} | {when} |")
    return [*lines, *(_turns(found) for found in told.values() if found["kind"] == "defaults")]


def _turns(found: Mapping[str, Any]) -> str:
    """Each turn of a job, where the medians of a few hide the first one on a new machine."""
    turns = zip(found["runs"]["earlier"], found["runs"]["this"], strict=True)
    names = ("train_s", "wall_s", "command_s")
    said = [
        ", ".join(f"{OF_TREES[name]} {one[name]:.1f} and {other[name]:.1f}" for name in names)
        for one, other in turns
    ]
    shape = (
        f"All defaults of {found['shape']}, seconds of the earlier tree and of this one by turns"
    )
    if flags := found.get("flags"):
        shape += f", this one's by `{' '.join(flags)}`"
    return f"\n{shape}: {'; '.join(said)}."


def scaling(told: Mapping[str, Any]) -> list[str]:
    """Several GPUs measured, and more of them by a model that is said to be one."""
    lines = [
        f"Packed LoRA of the {told['shape']} shape, {told['tokens_per_update']:,} tokens an update,"
        " medians:",
        "",
        "| GPUs | an update | tok/s | times one GPU | sum and copy | uneven shares |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for run in told["runs"]:
        lines.append(
            f"| {run['gpus']} | {run['median_seconds'] * 1e3:,.0f} ms |"
            f" {run['tokens_per_second']:,.0f} | {run['speedup']:.2f} |"
            f" {run['exchange_seconds'] * 1e3:.1f} ms | {run['uneven']:.1%} |"
        )
    lines += [
        "",
        f"{told['device']}, {told['date']}, commit `{told['commit']}`, `{told['command']}`.",
    ]
    lines += [f"{told['remark']}"] if told.get("remark") else []
    lines += ["", *_modelled(told)]
    return lines


def scaling_full(told: Mapping[str, Any]) -> list[str]:
    """Full fine-tuning in shards, speed and what lies on each card; those of a commit together."""
    lines = [
        f"Full fine-tuning of the {told['shape']} shape in shards (FSDP2),"
        f" {told['tokens_per_update']:,} tokens an update, medians:",
        "",
        "| commit | GPUs | tokens a pass | an update | tok/s | times one GPU | peak of a card |"
        " while it is asked | forecast |",
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    alone = {r["commit"]: r["median_seconds"] for r in told["runs"] if r["gpus"] == 1}
    for run in told["runs"]:
        gib = (run[name] / GIB for name in ("peak_bytes", "peak_bytes_asked", "forecast_bytes"))
        cells = " | ".join(f"{value:.1f} GiB" for value in gib)
        one = alone.get(run["commit"])
        times = f"{one / run['median_seconds']:.2f}" if one else "–"
        lines.append(
            f"| `{run['commit']}` | {run['gpus']} | {run['tokens_per_pass']:,} |"
            f" {run['median_seconds'] * 1e3:,.0f} ms |"
            f" {run['tokens_per_second']:,.0f} | {times} | {cells} |"
        )
    device = told["runs"][0]["device"]
    made = dict.fromkeys((run["commit"], run["command"]) for run in told["runs"])
    how = "; ".join(f"`{commit}`: `{command}`" for commit, command in made)
    return [*lines, "", f"{device}, {told['date']}. {how}."]


def killed(told: Mapping[str, Any]) -> list[str]:
    """A process of several that is lost amid an update, and the run that goes on."""
    lines = [
        f"A run ({told['what']}; random weights in the shape of `{told['model']}`):",
        "",
        "| signal | the command ended after | exit status | the same run, resumed |"
        " exported, the same weights |",
        "|---|---:|---:|---|---|",
    ]
    for run in told["runs"]:
        export = run.get("export")
        made = f"{export['to']}, {'yes' if export['same_weights'] else 'no'}" if export else ""
        lines.append(
            f"| {run['how']} | {run['seconds_to_the_end']:.1f} s | {run['status']} |"
            f" status {run['resumed_status']} after {run['resumed_seconds']:.0f} s,"
            f" {run['updates']} updates | {made} |"
        )
    return [*lines, "", f"Two {told['device']}, {told['date']}, `{told['command']}`."]


def serving_gpus(told: Mapping[str, Any]) -> list[str]:
    """One server on one GPU, and one on several, under the same load."""
    clients = list(told["beside_one"])
    lines = [
        "`suretune serve RUN --num_gpus 2` beside one GPU,"
        f" {told['tokens']} tokens an answer, streamed:",
        "",
        "| GPUs | ready after | " + " | ".join(f"{n} clients, tok/s" for n in clients) + " |",
        "|---:|---:|" + "---:|" * len(clients),
    ]
    for run in told["runs"]:
        found = (told["beside_one"][n][str(run["gpus"])] for n in clients)
        speeds = " | ".join(f"{one['tok_s']:,.0f} ({one['times']:.2f} times)" for one in found)
        lines.append(f"| {run['gpus']} | {run['up_s']:.1f} s | {speeds} |")
    shape = told["model"].partition(".config")[0]
    about = f"{told['device'].split(',')[0]}, {told['date']}, commit `{told['commit']}`"
    return [
        *lines,
        "",
        f"{about}, `python benchmarks/serving_gpus.py`, {shape}'s shape with random weights. Few"
        " clients fill neither card: a step reads all weights whatever the number of rows.",
    ]


def scaling_plot(told: Mapping[str, Any]) -> str:
    """Times one GPU, of those that were measured and of those of the model."""
    drawn = [Bar(_gpus(run["gpus"]), run["speedup"], True) for run in told["runs"]]
    drawn += [Bar(f"{_gpus(gpus)}, by the model", _times(told, gpus)) for gpus in MODELLED]
    return bars("Packed LoRA of the 7B shape, times one GPU (more is better)", drawn)


def _gpus(number: int) -> str:
    return f"{number} GPU{'s' * (number > 1)}"


def _step(told: Mapping[str, Any]) -> float:
    """Seconds that the sum and copy take longer where there are twice as many GPUs."""
    most = told["runs"][-1]
    step: float = most["exchange_seconds"] / (most["gpus"].bit_length() - 1)
    return step


def _times(told: Mapping[str, Any], gpus: int) -> float:
    """Times one GPU, by n of which each has as many tokens of an update as each of the most had:
    these take the time that those took, and the sum's more for each doubling."""
    one, most = told["runs"][0], told["runs"][-1]
    doublings = gpus.bit_length() - most["gpus"].bit_length()
    seconds = most["median_seconds"] + _step(told) * doublings
    times: float = gpus / most["gpus"] * one["median_seconds"] / seconds
    return times


def _modelled(told: Mapping[str, Any]) -> list[str]:
    """What the model says, and that it is one."""
    most = told["runs"][-1]
    each = told["tokens_per_update"] // most["gpus"]
    step = _step(told)
    cells = [
        f"{gpus} GPUs {_times(told, gpus):.1f} times one ({each * gpus:,} tokens an update)"
        for gpus in MODELLED
    ]
    return [
        f"A model, not a measurement: {'; '.join(cells)}. Each has {each:,} tokens of an update, as"
        f" each of {most['gpus']} had, and takes their time and {step * 1e3:.2f} ms for each"
        " doubling of their number. It knows nothing of the network between hosts."
    ]


def demo(told: Mapping[str, Any]) -> list[str]:
    """The demo, start to seal, by its phases; a line a machine."""
    if not told:
        return []
    heads = (
        "whole command", "startup", "load", "base's answers", "training", "dose", "proof",
        "elsewhere",
    )  # fmt: skip
    names = ("command", "startup", "load", "base_answers", "train", "dose", "proof", "elsewhere")
    lines = [
        "`suretune demo`, seconds (medians; training with all that is asked on the way, the proof"
        " with the general questions; *elsewhere*: before the run's clock and after it; the first"
        " on a new machine compiles kernels and fills caches):",
        "",
        f"| device | runs | the first | {' | '.join(heads)} |",
        "|---|---:|---:|" + "---:|" * len(heads),
    ]
    for one in told.values():
        cells = " | ".join(f"{one['medians'][name]:.1f}" for name in names)
        runs = len(one["runs"])
        first = f"{one['runs'][0]['command']:.1f}"
        lines.append(f"| {one['device']}, {one['cores']} cores | {runs} | {first} | {cells} |")
    made = "; ".join(f"{one['date']}, `{one['command']}`" for one in told.values())
    notes = [one["note"] for one in told.values() if "note" in one]  # by hand
    return [*lines, "", " ".join([f"{made}.", *notes]), ""]
