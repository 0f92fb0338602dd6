"""The full run: suretune and its peers on one machine, case after case, into one JSON file.

    python benchmarks/latest.py --config CONFIG.json --tokenizer FOLDER --rows ROWS.jsonl \
        --text ROWS.jsonl ... --work FOLDER --commit HASH [--only suretune:packed trl:articles ...]

Every case is a process of its own with a time limit; one that fails loses nothing of the others.
Called again, it adds to benchmarks/results/latest.json: cases named anew are measured anew, the
rest stay. `--config_3b` is the shape of the cases of full fine-tuning, which are skipped without.
`--shrink --device cpu` tries the machinery on two narrow layers (give it an --out). `--list` names
the cases.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from latest_jobs import PEERS, WHOLE, Job, jobs, model_3b

HERE = Path(__file__).resolve().parent
LATEST = HERE / "results" / "latest.json"
KEYS = (
    "seeds_train_s", "seeds_wall_s", "packed_tok_s", "packed_24gib_tok_s", "fp8_tok_s",
    "fp8_loss_gap", "longest_row_24gib", "peak_4096_gib", "decode_1_tok_s", "decode_16_tok_s",
)  # fmt: skip
ABOUT = ("peers", "device", "versions", "date", "commit")
ROWS, CARD = 50, 24.0  # rows of the articles' job; GiB of the smaller card
PACK = {
    "packed": 2048, "packed-recompute": 2048, "peak4096": 4096,
    "qlora": 2048, "qlora-recompute": 2048,
}  # fmt: skip
STARTING = ("seeds", "articles")  # cases whose time begins with the process
FULL = 0.9  # a pack that holds less than this was no pack
NO_TIME = "no time was left"
LIMITS = {"suretune:seeds": 240, "suretune:longest": 240}  # seconds; 180 for the others
HOST = ("aten::", "culaunch")  # operators, whose kernels are listed themselves
PARTS = (  # the first part whose word stands in a kernel's name owns its time
    ("attention", ("flash", "attn", "fmha")),
    ("matrix products", ("nvjet", "gemm", "cutlass", "xmma", "matmul", "splitk", "_product")),
    ("norms", ("norm",)),
    ("rotary positions", ("rope", "rotary", "_rotate")),
    ("gate, with its adapters", ("silu", "swiglu", "_gate")),
    ("loss", ("cross_entropy", "softmax", "nll", "loss")),
    ("8-bit factors", ("_quantize",)),
    ("optimizer", ("adam", "_mirror", "multi_tensor", "foreach")),
    ("copies", ("memcpy", "memset", "copy")),
)

Result = dict[str, Any]
Runs = dict[str, list[Result]]


def environment(job: Job, asked: argparse.Namespace) -> dict[str, str]:
    """suretune's source first; for Unsloth the folder with the TRL that it takes."""
    paths = [str(HERE.parent / "src")]
    if job.tool == "unsloth" and asked.unsloth_site.is_dir():
        paths.insert(0, str(asked.unsloth_site))
    paths += filter(None, [os.environ.get("PYTHONPATH")])
    here = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    compiled = str(asked.work / "bytecode")
    return here | {
        "PYTHONPATH": os.pathsep.join(paths), "HF_HUB_OFFLINE": "1",
        "PYTHONPYCACHEPREFIX": compiled,
    }  # fmt: skip


def run(job: Job, asked: argparse.Namespace, limit: float) -> Result:
    """What the case printed, or `failed` with the end of what it said."""
    if job.case.startswith("seeds"):
        shutil.rmtree(asked.work / "run", ignore_errors=True)
    start = time.time()
    try:
        done = subprocess.run(
            [sys.executable, *job.command], cwd=asked.work, env=environment(job, asked),
            capture_output=True, text=True, check=False, timeout=limit,
        )  # fmt: skip
    except subprocess.TimeoutExpired as late:
        said = late.stderr or b""
        end = said[-600:].decode(errors="replace") if isinstance(said, bytes) else said[-600:]
        return {"failed": f"no result after {limit:.0f} s", "said": end}
    command_s = time.time() - start
    try:
        told: Result = json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, json.JSONDecodeError):
        return {"failed": f"exit status {done.returncode}", "said": done.stderr[-1500:]}
    if "refused" in told or ("findings" in told and "steps" not in told):
        return {"failed": "refused", "said": json.dumps(told, ensure_ascii=False)[-1500:]}
    if job.case.startswith("seeds"):
        try:
            return seeds_figures(told, command_s, start, asked.work / "run")
        except (KeyError, ValueError) as odd:
            return {"failed": f"a report of another shape: {odd!r}", "said": done.stderr[-1500:]}
    return {**told, "command_s": round(command_s, 2)}


def seeds_figures(report: Result, command_s: float, start: float, folder: Path) -> Result:
    """Of the report; when the adapter was saved is read off the file itself."""
    saved = folder / "adapter" / "adapter_model.safetensors"
    steps = report["steps"]
    memory = [step["memory_bytes"] for step in steps if step.get("memory_bytes")]
    return {
        "train_s": report["seconds"]["train"],
        "wall_s": round(saved.stat().st_mtime - start, 2) if saved.exists() else None,
        "command_s": round(command_s, 2),
        "seconds": report["seconds"],
        "updates": len(steps),
        "input_tokens": sum(step["tokens"] for step in steps),
        "learned_tokens": report["plan"].get("learned"),
        "step_ms": round(statistics.median(step["seconds"] for step in steps) * 1000, 2),
        "peak_gib": round(max(memory) / 2**30, 2) if memory else None,
        "reasons": report["reasons"],
        "versions": report["versions"],
    }


def middle(runs: Iterable[Result], key: str) -> float | None:
    """The median of a figure over the runs that have it."""
    values = [run[key] for run in runs if run.get(key) is not None]
    return statistics.median(values) if values else None


def shares(profile: Mapping[str, float]) -> dict[str, float]:
    """Kernels and their milliseconds -> each part's share of the device's time."""
    parts: dict[str, float] = {}
    for kernel, ms in profile.items():
        name = kernel.lower()
        if name == "launching_ms" or name.startswith(HOST):
            continue
        part = next((part for part, words in PARTS if any(w in name for w in words)), "other")
        parts[part] = parts.get(part, 0.0) + ms
    whole = sum(parts.values())
    ordered = sorted(parts.items(), key=lambda item: -item[1])
    return {part: round(ms / whole, 4) for part, ms in ordered} if whole else {}


def own_figures(runs: Runs) -> Result:
    """suretune's figures under the agreed keys."""

    def of(case: str, key: str) -> float | None:
        return middle(runs.get(f"suretune:{case}", ()), key)

    values = (
        of("seeds", "train_s"), of("seeds", "wall_s"), of("packed4", "tok_s"),
        of("packed24", "tok_s"), of("fp8", "tok_s"), of("fp8", "loss_gap"), of("longest", "tokens"),
        of("peak4096", "peak_gib"), of("decode", "one"), of("decode", "sixteen"),
    )  # fmt: skip
    more = {
        "packed_one_tok_s": of("packed", "tok_s"),
        "seeds_default_train_s": of("seeds-default", "train_s"),
        "seeds_default_wall_s": of("seeds-default", "wall_s"),
        "seeds_uncompiled_wall_s": of("seeds-uncompiled", "wall_s"),
        "fp8_random_loss_gap": of("fp8-random", "loss_gap"),
    }
    return dict(zip(KEYS, values, strict=True)) | more


def peer_figures(runs: Runs, peer: str) -> Result:
    """A peer's figures: best settings under the agreed keys, the printed ones apart."""

    def of(case: str, key: str) -> float | None:
        return middle(runs.get(f"{peer}:{case}", ()), key)

    small = [
        run["tok_s"]
        for case in ("packed", "packed-recompute")
        for run in runs.get(f"{peer}:{case}", ())
        if (run.get("reserved_gib") or CARD + 1) <= CARD
    ]
    values = (
        of("articles-best", "train_s"), of("articles-best", "wall_s"), of("packed", "tok_s"),
        max(small, default=None), None, None, None,
        of("peak4096", "peak_gib"), of("decode", "one"), of("decode", "sixteen"),
    )  # fmt: skip
    found = dict(zip(KEYS, values, strict=True))
    printed = runs.get(f"{peer}:articles", [])
    return found | {
        "seeds_printed_train_s": middle(printed, "train_s"),
        "seeds_printed_wall_s": middle(printed, "wall_s"),
        "seeds_printed_updates": middle(printed, "updates_measured"),
        "packed_peak_gib": of("packed", "peak_gib"),
        "packed_recompute_tok_s": of("packed-recompute", "tok_s"),
        "versions": next((r["versions"] for n, rs in runs.items() if n.startswith(peer)
                          for r in rs if "versions" in r), {}),
    }  # fmt: skip


def assemble(
    runs: Runs, failed: Mapping[str, Result], device: str | None, commit: str, date: str
) -> Result:
    """What latest.json holds, made of the runs alone."""
    versions: dict[str, str] = {}
    for name, results in runs.items():
        for result in results if name.startswith("suretune:") else ():
            versions |= result.get("versions", {})
    profile = next((r["profile"] for r in runs.get("suretune:profile", ()) if "profile" in r), None)
    about: Result = {
        "peers": {peer: peer_figures(runs, peer) for peer in PEERS},
        "device": device,
        "versions": versions,
        "date": date,
        "commit": commit,
    }
    if profile:
        about["profile"] = shares(profile)
    return {**own_figures(runs), **about, "failed": dict(failed), "runs": runs}


def measure(job: Job, asked: argparse.Namespace, until: float) -> tuple[list[Result], Result]:
    """(results, failure): repeats of one case, each in its own process."""
    good: list[Result] = []
    bad: Result = {}
    repeats = asked.repeats if job.tool == "suretune" else asked.peer_repeats
    for _ in range(repeats if job.case in ("seeds", "articles-best") else 1):
        left = until - time.monotonic()
        if left < asked.least:
            bad = {"failed": NO_TIME, "said": ""}
            break
        limit = min(LIMITS.get(job.name, 180), left)
        result = run(job, asked, limit)
        whole = PACK.get(job.case, 0) if asked.device == "cuda" and job.tool == "unsloth" else 0
        if (result.get("tokens_per_update") or 0) < FULL * whole and left > 2 * asked.least:
            # Its packing did not come about: a pack as one document is the same work or more.
            joined = Job(job.name, (*job.command, "--joined"))
            left = max(until - time.monotonic(), 1)
            result = run(joined, asked, min(180, left)) | {"joined": True}
        if "failed" in result:
            bad = result
            break
        good.append({**result, "commit": asked.commit})
    return good, bad


def device_name(device: str) -> str:
    import torch

    return torch.cuda.get_device_name() if device == "cuda" else "cpu"


def compile_libraries(asked: argparse.Namespace) -> None:
    """Bytecode of every library, as an ordinary installation has it: images often leave it out,
    and then every process compiles some 3,000 files, whichever tool it is."""
    for tool in ("suretune", *PEERS):
        how = environment(Job(f"{tool}:compile", ()), asked)
        roots = [sysconfig.get_paths()["purelib"], *how["PYTHONPATH"].split(os.pathsep)]
        command = [sys.executable, "-m", "compileall", "-q", "-j", "0", *dict.fromkeys(roots)]
        subprocess.run(
            command, env=how, capture_output=True, check=False
        )  # templates fail, rightly


def prepare(asked: argparse.Namespace) -> list[Job]:
    """The cases that are wanted; the rows and models that they take, made in the work folder."""
    asked.work.mkdir(parents=True, exist_ok=True)
    model, rows = asked.work / "model", asked.work / "rows.jsonl"
    lines = asked.rows.read_text("utf-8").splitlines()[:ROWS]
    rows.write_text("\n".join(lines) + "\n", "utf-8")
    todo = [job for job in jobs(asked, model, rows) if wanted(job, asked.only)]
    for folder, config in ((model, asked.config), (model_3b(asked.work), asked.config_3b)):
        named = any(str(folder) in job.command for job in todo)
        if named and not (folder / "tokenizer.json").exists():
            from articles_job import build  # beside this file

            folder.mkdir(exist_ok=True)
            build(folder, config, asked.tokenizer, asked.shrink)
    if any(job.case.startswith(STARTING) for job in todo):
        compile_libraries(asked)
    return todo


def skipped(asked: argparse.Namespace) -> list[str]:
    """Cases that are wanted and were given no shape."""
    if asked.config_3b is not None:
        return []
    return [name for name in WHOLE if wanted(Job(name, ()), asked.only)]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    for name in ("config", "tokenizer", "rows"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--config_3b", type=Path, help="a shape that one card can learn whole")
    parser.add_argument("--work", type=Path, default=Path("/tmp/latest"))
    parser.add_argument("--out", type=Path, default=LATEST)
    parser.add_argument("--commit", required=True)
    parser.add_argument("--text", type=Path, nargs="+", required=True, help="rows for FP8's losses")
    parser.add_argument("--only", nargs="*", help="tool:case, or tool, or :case")
    parser.add_argument("--repeats", type=int, default=3, help="of suretune's articles' job")
    parser.add_argument("--peer_repeats", type=int, default=1, help="of a peer's best settings")
    parser.add_argument("--printed_updates", type=int, default=6, help="of 40; 0 for all")
    parser.add_argument("--deadline", type=float, default=1e9, help="seconds for everything")
    parser.add_argument("--least", type=float, default=25, help="start nothing with less left")
    parser.add_argument("--unsloth_site", type=Path, default=Path("/tmp/site-unsloth"))
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--shrink", action="store_true")
    parser.add_argument("--list", action="store_true")
    return parser.parse_args()


def wanted(job: Job, only: Sequence[str] | None) -> bool:
    return only is None or any(w in (job.name, job.tool, f":{job.case}") for w in only)


def main() -> None:
    """Measure, and write after every case: what was measured outlives what comes next."""
    asked = arguments()
    asked.work, asked.config = asked.work.resolve(), asked.config.resolve()
    asked.config_3b = asked.config_3b and asked.config_3b.resolve()
    asked.text = [path.resolve() for path in asked.text]
    until = time.monotonic() + asked.deadline
    if asked.list:
        print("\n".join(job.name for job in jobs(asked, asked.work, asked.rows)))
        return
    if missing := skipped(asked):
        print(f"no --config_3b: skipped {', '.join(missing)}", file=sys.stderr, flush=True)
    todo = prepare(asked)
    before = json.loads(asked.out.read_text()) if asked.out.exists() else {}
    runs: Runs = before.get("runs", {})
    failed: dict[str, Result] = before.get("failed", {})
    date = datetime.now(timezone.utc).date().isoformat()
    device = device_name(asked.device)
    remarks = before.get("remarks", [])  # written by hand: what a figure alone would not say
    for job in todo:
        good, bad = measure(job, asked, until)
        if good:
            runs[job.name] = good
        if good:
            failed.pop(job.name, None)
        if bad and not (job.name in runs and bad["failed"] == NO_TIME):
            failed[job.name] = bad
        told = good[-1] if good else bad
        shown = ("train_s", "wall_s", "tok_s", "peak_gib", "tokens", "one", "sixteen", "failed")
        print(job.name, {n: told[n] for n in shown if n in told}, file=sys.stderr, flush=True)
        asked.out.parent.mkdir(parents=True, exist_ok=True)
        latest = assemble(runs, failed, device, asked.commit, date) | {"remarks": remarks}
        asked.out.write_text(json.dumps(latest, indent=1) + "\n")


if __name__ == "__main__":
    main()
