"""docs/benchmarks.md and its plots, made of what lies in benchmarks/results alone.

    python benchmarks/page.py

A figure that is null is "not measured yet"; none is invented. tests/test_benchmarks.py holds the
page to what this makes.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import page_more
from plots import Bar, bars

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "benchmarks.md"
PLOTS = PAGE.parent / "plots"
RESULTS = HERE / "results"
NOT_YET = "not measured yet"
NAMES = {
    "plain": "transformers + PEFT", "trl": "TRL", "unsloth": "Unsloth",
    "transformers": "transformers serve", "transformers, unbatched": "transformers serve, unbatched",
    "suretune": "suretune serve",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Figure:
    """A line of the table: what is wanted, and how a number of it is written."""

    key: str
    what: str
    unit: str
    must: float
    aim: float | None
    limit: str = ""
    less: bool = False  # is less better?
    scale: float = 1.0  # what the number is multiplied by to stand in `unit`
    places: int = 0

    def written(self, value: float | None) -> str:
        if value is None:
            return NOT_YET
        return f"{value * self.scale:,.{self.places}f} {self.unit}".strip()

    def reached(self, value: float) -> bool:
        return value <= self.must if self.less else value >= self.must


FIGURES = (
    Figure("seeds_train_s", "the articles' job: training", "s", 4, 2, "1.0 s", True, places=1),
    Figure(
        "seeds_wall_s", "the same: process start to adapter saved", "s", 20, 10, "4-5 s", True,
        places=1,
    ),
    Figure("seeds_default_train_s", "the same with suretune's defaults: training", "s", 4, 2, "",
           True, places=1),
    Figure("seeds_default_wall_s", "the same: process start to adapter saved", "s", 20, 10, "",
           True, places=1),
    Figure("packed_tok_s", "packed 2,048, bf16, nothing recomputed; four packs an update",
           "tok/s", 18e3, 21e3, "26,900 tok/s"),
    Figure("packed_one_tok_s", "the same, one pack an update", "tok/s", 18e3, 21e3,
           "26,900 tok/s"),
    Figure("packed_24gib_tok_s", "packed 2,048 within 24 GiB, bf16", "tok/s", 17e3, 20e3),
    Figure("fp8_tok_s", "packed 2,048, FP8 base", "tok/s", 22e3, 29e3, "50,000 tok/s"),
    Figure("fp8_loss_gap", "FP8's loss against bf16's, 200 updates", "%", 0.01, None, less=True,
           scale=100, places=2),
    Figure("longest_row_24gib", "longest row within 24 GiB, bf16", "tokens", 32768, 65536),
    Figure("peak_4096_gib", "peak at 4,096 tokens, recomputing", "GiB", 15.9, 15.4, "15 GiB", True,
           places=2),
    Figure("decode_1_tok_s", "decode, one stream", "tok/s", 180, 240, "280 tok/s"),
    Figure("decode_16_tok_s", "decode, 16 probes at once", "tok/s", 2000, 3500),
)  # fmt: skip

HOW = """\
The model has Qwen2.5-7B's exact shape, random weights in bf16 and the real tokenizer; LoRA of
rank 8 on every linear layer; one GPU. *The articles' job* is 50 self-cognition rows, 10 epochs,
batch 1 with 16 accumulated: 40 updates. It is timed from the first update to the last (training),
and from the start of the process until the adapter's file is on disk; every library's bytecode is
compiled beforehand, as an ordinary installation leaves it. It is the peers' work and no more:
`--anchor_ratio 0 --until_proven false`; with suretune's *defaults* the base answers general questions
first, every row of an update has such an answer beside it, there were 120 updates (80 since), and probes are asked up to
twenty times on the way. FP8's losses are of real rows (Alpaca's, zh and en, 180 packs) on the random weights. The packed figures are the
steady state: updates of four full packs in one pass, or of one, documents of 128 to 512 tokens,
the first five not counted; the peers' are of one pack each. All updates have the same number of
tokens, so one CUDA graph serves them; rows of your own need a few. Memory is the most that torch had
allocated; *within 24 GiB* means that the process could reserve no more than that.

Every peer trains on the same token ids and labels, and one function counts them (`count` in
`benchmarks/peers/work.py`): input tokens are those the model reads, padding left out; learned
tokens are those that carry loss. *As printed* is the articles' batch with the peer's own
defaults; *best* is what somebody who knows the peer would choose: 16 rows at once, adapters in
bf16 where the peer lets you, no recompute, batches without padding. As-printed runs of a peer are
cut after a few updates and extrapolated by the micro-batch; the table says where. `flash_attn` is
not installed there: a stand-in (`benchmarks/peers/stand_in`) gives the peers torch's own
FlashAttention-2 under that name.
"""

SERVING = """\
Both servers answer the same questions, streamed, at temperature 0, 128 tokens each (random weights
never stop by themselves), after crowds of each size have warmed them. `suretune serve` holds base and
adapter apart, `transformers serve --continuous-batching` the merged model; *unbatched* is the same
without that flag, for one client. The client runs beside the server and measures from the request to
the first piece of text.
"""

FORECASTS = """\
`suretune plan --model FOLDER`, one row of 2,048 tokens, beside what the runs above took: LoRA of the 7B
shape is forecast from 15.8 GiB on, and its peak at 4,096 tokens, computing again, is 15.8; in 24 GB rows
of 32,768 tokens (the model's own length), and 49,152 were trained within 24 GiB. QLoRA from 7.2 GiB on, and
7.7 were taken where 9 were allowed. Full fine-tuning of the 3B shape with moments in 8 bits from 40.6, and
40.3 were taken. No card of a smaller size was there.
"""

TRIED = """\
Each was measured alone on an H200 with the 7B shape, rank 8; a figure is an update's, or one
product's, before and after.

| what | measured | stays |
|---|---|---|
| one CUDA graph a pass in place of single launches, 704 tokens | 54.2 -> 46.9 ms | yes |
| adapters folded into the base's matrix (one product [x a] [W B]') | at 704 tokens qkv 0.041 -> 0.065 ms and down 0.137 -> 0.172 ms: rows no longer begin at multiples of 128 bytes; at 2,048 gate and up forward 0.704 -> 0.733, back 0.755 -> 0.803 ms | no |
| the same with rows padded to 128 bytes | as fast as unfolded at 704 tokens, slower at 2,048, 165 MB more | no |
| adapters apart, added inside the gate's kernels, no padded copies | 46.9 -> 43.3 ms at 704 tokens, 115.7 -> 113.5 ms at 2,048 | yes |
| attention backwards in a fixed order (a resumed run is the run never stopped, bit for bit) | 4.7 -> 5.9 ms of a packed update | yes |
| FP8, each row read once into registers to be quantised | 8.1 -> 4.1 ms of an 80 ms update | yes |
| decode of one row: own products in place of cuBLAS's | 178 -> 226 tok/s, 237 after choosing tiles by `engine_decode.py --sweep` | yes |
| weights streamed by threads while libraries are imported | loading 4.6 -> 1.6 to 3.1 s; start-up rises by about 1.5 s, since waking the GPU moves there | yes |
| nothing computed back below the lowest adapters: 16 rows and 48 anchors, 3,061 tokens, adapters in layers 4 to 23 of 28 | an update 167.9 -> 156.7 ms | yes |
| answers by steps of 256 rows in place of 128: 1,024 of 48 tokens | 3.13 -> 2.37 s | yes |
| what rows begin alike with computed once a pass: the first 64 of 94 to 124 tokens, updates of 2,048 | 106.5 -> 55.7 ms (`engine.py --case shared`) | yes |
| no cycles looked for while libraries are imported, the base loaded by the proof's process while the other trains, transformers 5.23 for 5.17 (which reads every package's list of files) | `suretune demo` 15.4 (one run, c6428352) -> 10.9 s (the median of four): startup 6.4 -> 4.2, proof 4.2 -> 2.3 | yes |

What is left of a packed update is nearly all matrix products, at 660 to 790 TFLOP/s of the 799
measured for one large product: those with 3,584 outputs cut 2,048 tokens into 224 tiles for 132
multiprocessors, so the second wave is 70 % full. Four packs in one pass fill it (97 %). Beside them
the gate's two kernels take 7.7 ms of 113 (their memory traffic alone would take 4.5), and the device
waits 1.0 ms: half of it between its kernels, a quarter while the host reads the loss. Of process start
to adapter saved, imports and the check of the rows take 8.0 s on a machine that has just started and
6.0 s after, loading the weights and making ready 6.6 and 2.6 s.
"""

COMMANDS = {
    "all of it": "latest.py --config CONFIG --tokenizer FOLDER --rows ROWS --text ROWS --commit HASH",
    "the articles' job alone": "latest.py ... --only suretune:seeds",
    "suretune, packed": "engine.py --random CONFIG --case packed4",
    "within 24 GiB": "engine.py --random CONFIG --case packed24",
    "FP8 base": "engine.py --random CONFIG --case fp8",
    "longest row": "engine.py --random CONFIG --case longest",
    "peak at 4,096": "engine.py --random CONFIG --case peak4096",
    "decode": "engine.py --random CONFIG --case decode",
    "one peer": "peers/run_trl.py --model FOLDER --rows ROWS --out FOLDER --case packed",
    "the peers' wheels": "peers/wheels.py .whl",
    "servers under load": "serve.py --config CONFIG --tokenizer FOLDER --commit HASH",
    "QLoRA beside the peers": "latest.py ... --out benchmarks/results/qlora.json --only :qlora :qlora9 :qlora-recompute",
    "full fine-tuning": "latest.py ... --config_3b CONFIG --out benchmarks/results/full.json --only :full :full8 :full-bf16",
    "families": "families_speed.py --commit HASH",
    "several GPUs": "scaling.py --gpus 1 2 4 --out benchmarks/results/scaling.json",
    "in shards": "scaling_full.py --shape 3b --gpus 1 2 --warm 2 --updates 3 --out benchmarks/results/scaling_full_3b.json",
    "a lost process": "killed.py --config CONFIG --tokenizer FOLDER --commit HASH --how kill --export merged --updates 5 --at 4 --flags --freeze_parameters_ratio 0.75",
    "served by several GPUs": "serving_gpus.py --config CONFIG --tokenizer FOLDER --commit HASH",
    "beside an earlier tree": "two_trees.py --earlier FOLDER --commit HASH --config CONFIG --tokenizer FOLDER --rows ROWS",
    "the demo": "demo.py --commit HASH",
    "this page": "page.py",
}


def best_peer(latest: Mapping[str, Any], figure: Figure) -> tuple[str, float] | None:
    """(peer, value) of the best peer, None where none was measured."""
    found = [
        (name, peer[figure.key])
        for name, peer in latest["peers"].items()
        if peer.get(figure.key) is not None
    ]
    if not found:
        return None
    return (min if figure.less else max)(found, key=lambda pair: pair[1])


def targets(latest: Mapping[str, Any]) -> list[str]:
    lines = ["| what | reached | must | aim | limit | best peer |", "|---|---|---|---|---|---|"]
    for figure in FIGURES:
        value, peer = latest[figure.key], best_peer(latest, figure)
        told = figure.written(value)
        if value is not None:
            told = f"**{told}**" if figure.reached(value) else f"{told} (not reached)"
        other = f"{figure.written(peer[1])}, {NAMES.get(peer[0], peer[0])}" if peer else NOT_YET
        aim = figure.written(figure.aim) if figure.aim is not None else ""
        must = figure.written(figure.must)
        lines.append(f"| {figure.what} | {told} | {must} | {aim} | {figure.limit} | {other} |")
    return lines


def peers(latest: Mapping[str, Any]) -> list[str]:
    """All peers' figures, printed and best, and who runs what version."""
    lines = [
        "| peer | printed: training | printed: to adapter | best: training | best: to adapter"
        " | packed 2,048 | recomputing | peak packed | peak at 4,096 |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, peer in latest["peers"].items():
        cells = [f"{NAMES.get(name, name)} {peer.get('versions', {}).get(name, '')}".strip()]
        cut = peer.get("seeds_printed_updates")
        note = f" ({cut:.0f} of 40 updates measured)" if cut is not None and cut < 40 else ""
        for key, unit, places in (
            ("seeds_printed_train_s", "s", 1), ("seeds_printed_wall_s", "s", 1),
            ("seeds_train_s", "s", 1), ("seeds_wall_s", "s", 1), ("packed_tok_s", "tok/s", 0),
            ("packed_recompute_tok_s", "tok/s", 0), ("packed_peak_gib", "GiB", 1),
            ("peak_4096_gib", "GiB", 1),
        ):  # fmt: skip
            value = peer.get(key)
            text = "-" if value is None else f"{value:,.{places}f} {unit}"
            cells.append(text + (note if value is not None and "printed" in key else ""))
        lines.append(f"| {' | '.join(cells)} |")
    return [*lines, "", f"-: {NOT_YET}."]


def serving(told: Mapping[str, Any]) -> list[str]:
    """Servers under one load, and the articles' app.py."""
    if not told:
        return [f"Servers under load: {NOT_YET}."]
    versions = ", ".join(f"{name} {version}" for name, version in told["versions"].items())
    about = f"{told['device']}, {told['date']}, commit `{told['commit']}`. {versions}."
    lines = [about, "", "| server | clients | first token, median | 99th percentile | tok/s |"]
    lines.append("|---|---:|---:|---:|---:|")
    for name, server in told["servers"].items():
        for clients, load in server.get("clients", {}).items():
            cells = [NAMES.get(name, name), clients]
            for key, unit in (("first_p50_ms", " ms"), ("first_p99_ms", " ms"), ("tok_s", "")):
                cells.append("-" if load[key] is None else f"{load[key]:,.0f}{unit}")
            failed = f" ({load['failed']} failed)" if load["failed"] else ""
            lines.append(f"| {' | '.join(cells)}{failed} |")
    unserved = [f"`{name}`: {x['failed']}" for name, x in told["servers"].items() if "failed" in x]
    return [*lines, "", *unserved, *app_py(told)]


def app_py(told: Mapping[str, Any]) -> list[str]:
    asked = told["servers"].get("suretune", {}).get("ask_s")
    alone = told.get("process_a_question_s")
    if not asked:
        return []
    words = f"The articles' `app.py` starts a process for every question: {alone:.1f} s" if alone \
        else f"The articles' `app.py` starts a process for every question: {NOT_YET}"  # fmt: skip
    return [
        f"{words} with `suretune infer` for one of {told['ask_tokens']} tokens; `POST /ask` of"
        f" `suretune serve` answers the same in **{statistics.median(asked):.2f} s** (median of"
        f" {len(asked)}, {max(asked):.2f} s at most).",
    ]


def earlier(told: Mapping[str, Any]) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in told["versions"].items())
    lines = [
        f"The articles' job on another day, {told['device']}, {versions}; the peers' own scripts,"
        " each timing itself:",
        "",
        "| who | settings | training | whole command | peak |",
        "|---|---|---|---|---|",
    ]
    for run in told["runs"]:
        cells = [run["who"], run["settings"]]
        for key, unit in (("train_s", "s"), ("command_s", "s"), ("peak_gib", "GiB")):
            cells.append("" if run[key] is None else f"{run[key]:g} {unit}")
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def profile(latest: Mapping[str, Any]) -> list[str]:
    parts: Mapping[str, float] = latest.get("profile") or {}
    if not parts:
        return [f"The profile of a packed update: {NOT_YET}."]
    lines = ["Device time of one packed update, launched kernel by kernel:", ""]
    lines += ["| part | share |", "|---|---|"]
    return lines + [f"| {part} | {share:.1%} |" for part, share in parts.items()]


def notes(latest: Mapping[str, Any]) -> list[str]:
    """What a figure alone would not say."""
    lines = []
    wall, gap = latest.get("seeds_uncompiled_wall_s"), latest.get("fp8_random_loss_gap")
    walls = [run["wall_s"] for run in latest.get("runs", {}).get("suretune:seeds", ())]
    if len(walls) > 1:
        told = ", ".join(f"{wall:.1f}" for wall in walls)
        lines.append(f"- Process start to adapter saved is the median of {told} s, in this order.")
    if earlier := apart(latest):
        lines.append(f"- Put in from earlier calls, on machines of the same kind: {earlier}.")
    lines += [f"- {remark}" for remark in latest.get("remarks", ())]
    if wall is not None:
        lines.append(
            f"- Where no library's bytecode is compiled, as images often leave it, suretune took"
            f" {wall:.1f} s to the adapter."
        )
    if gap is not None:
        lines.append(
            "- FP8 on random tokens that are learned by heart, five times over, where nothing but"
            f" noise can be learned: a mean distance of {gap:.2%}; on real rows the figure above."
        )
    lines.append(
        "- Random weights never end an answer, so with the defaults every question on the way costs"
        " its full 96 tokens; a model that ends its answers needs a fraction."
    )
    return lines


def apart(latest: Mapping[str, Any]) -> str:
    """The cases that another commit measured than the newest: `a`, `b` (commit)."""
    cases: dict[str, list[str]] = {}
    for name, runs in latest.get("runs", {}).items():
        for commit in {run.get("commit") for run in runs} - {latest["commit"], None}:
            cases.setdefault(commit, []).append(f"`{name}`")
    return "; ".join(f"{', '.join(names)} (commit `{c}`)" for c, names in sorted(cases.items()))


def failures(latest: Mapping[str, Any]) -> list[str]:
    """Cases that gave no figure, and in a word why."""
    return [f"- `{name}`: {told['failed']}" for name, told in latest.get("failed", {}).items()]


def plots(latest: Mapping[str, Any]) -> dict[str, str]:
    """name of the file -> SVG; a plot appears once two bars of it were measured."""
    found: dict[str, str] = {}
    for name, title, key in (
        ("articles", "The articles' job, training, seconds (less is better)", "seeds_train_s"),
        ("wall", "Process start to adapter saved, seconds (less is better)", "seeds_wall_s"),
        ("packed", "Packed 2,048, tokens a second (more is better)", "packed_tok_s"),
        ("decode", "Decode, one stream, tokens a second (more is better)", "decode_1_tok_s"),
    ):
        drawn = [Bar("suretune", latest[key], True)] if latest[key] is not None else []
        for peer, told in latest["peers"].items():
            label = NAMES.get(peer, peer)
            if told.get(key) is not None:
                best = " at its best" if key.startswith("seeds") else ""
                drawn.append(Bar(f"{label}{best}", told[key]))
            printed = told.get(key.replace("seeds_", "seeds_printed_"))
            if key.startswith("seeds") and printed is not None:
                drawn.append(Bar(f"{label} as printed", printed))
        if len(drawn) > 1:
            found[f"{name}.svg"] = bars(title, sorted(drawn, key=lambda bar: bar.value))
    if latest.get("profile"):
        drawn = [Bar(part, share * 100) for part, share in latest["profile"].items()]
        found["profile.svg"] = bars("Where the time of a packed update goes, %", drawn)
    return found


def page(
    latest: Mapping[str, Any],
    before: Mapping[str, Any],
    served: Mapping[str, Any],
    drawn: Sequence[str],
) -> str:
    """The whole page."""
    versions = ", ".join(f"{name} {version}" for name, version in latest["versions"].items())
    commit = f", commit `{latest['commit']}`" if latest["commit"] else ""
    head = f"{latest['device'] or NOT_YET}, {latest['date'] or NOT_YET}{commit}. {versions}."
    pictures = {name: f"![{name.removesuffix('.svg')}](plots/{name})" for name in drawn}
    lines = ["# Benchmarks", "", "Made by `python benchmarks/page.py` of the results in"]
    lines += ["[benchmarks/results](../benchmarks/results): `latest.json` as measured, and"]
    lines += ["`earlier.json`, copied by hand from notes of earlier runs.", ""]
    lines += [head, "", "## Reached", "", *targets(latest), "", *notes(latest), ""]
    lines += ["## Peers", "", *peers(latest), ""]
    apart = {name: pictures.pop(name, "") for name in ("profile.svg", "scaling.svg")}
    lines += [line for picture in pictures.values() for line in (picture, "")]
    lines += [*earlier(before), "", "## Serving", "", *serving(served), "", SERVING]
    lines += ["## QLoRA", "", *page_more.qlora(read("qlora.json")), ""]
    lines += ["## Full fine-tuning", "", *page_more.full(read_if("full.json")), ""]
    lines += [FORECASTS]
    lines += ["## Families", "", *page_more.families(read_if("families.json")), ""]
    lines += ["## Several GPUs", "", *page_more.scaling(read("scaling.json")), ""]
    lines += [apart["scaling.svg"], ""]
    for shape in ("3b", "7b"):
        lines += [*page_more.scaling_full(read(f"scaling_full_{shape}.json")), ""]
    lines += [*page_more.killed(read("killed.json")), ""]
    lines += [*page_more.serving_gpus(read("serving_gpus.json")), ""]
    lines += ["## Beside an earlier tree", "", *page_more.two_trees(read("two_trees.json")), ""]
    lines += ["## Where the time goes", "", *profile(latest), ""]
    lines += [apart["profile.svg"], ""] if apart["profile.svg"] else []
    lines += page_more.demo(read_if("demo.json"))
    lines += ["## What was tried", "", TRIED]
    lines += ["## How it was measured", "", HOW, *commands(), ""]
    if failed := failures(latest):
        lines += ["## Cases without a figure", "", *failed, ""]
    return "\n".join(lines).rstrip() + "\n"


def commands() -> list[str]:
    lines = ["| what | command |", "|---|---|"]
    return lines + [f"| {what} | `python benchmarks/{how}` |" for what, how in COMMANDS.items()]


def read(name: str) -> Any:
    return json.loads((RESULTS / name).read_text("utf-8"))


def read_if(name: str) -> Any:
    """Nothing where it was not measured yet."""
    return read(name) if (RESULTS / name).exists() else {}


def make() -> tuple[str, dict[str, str]]:
    """(page, plots) of the newest figures."""
    latest = read("latest.json")
    drawn = {**plots(latest), "scaling.svg": page_more.scaling_plot(read("scaling.json"))}
    return page(latest, read("earlier.json"), read_if("serve.json"), list(drawn)), drawn


def main() -> None:
    """Write the page and its plots; plots of figures that are gone go too."""
    text, drawn = make()
    PAGE.write_text(text, "utf-8")
    for old in PLOTS.glob("*.svg"):
        old.unlink()
    if drawn:
        PLOTS.mkdir(exist_ok=True)
    for name, svg in drawn.items():
        (PLOTS / name).write_text(svg, "utf-8")


if __name__ == "__main__":
    main()
