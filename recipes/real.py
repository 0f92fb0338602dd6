"""The articles' recipes and the defaults on a real model, each with its verdict.

    python recipes/real.py --model FOLDER [--workers 4] [--seeds 2] [--only SETTING ...]

Identities in English, each from `suretune init identity`. A rate is printed for hidden size 3,584;
"rate scaled" is the same rate for the width of this model. Rows of RESULTS that are there already
are not made again.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))

from tables import ALL, S0, S3, articles, flags

from suretune import rundir
from suretune.data.base import find_base
from suretune.data.choose import REFERENCE_RATE, scaled_rate
from suretune.run.starter import write_starter

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results" / "real.jsonl"
IDENTITIES = {"Brightwater": "Fern Labs", "Glow": "Star Lab", "Marlin": "Harbor AI"}


def settings(hidden: int) -> dict[str, tuple[str, ...]]:
    """Name -> flags beside rows, probes and seed."""
    scale = scaled_rate(hidden, 40) / REFERENCE_RATE

    def rates(name: str, printed: float, **other: object) -> dict[str, tuple[str, ...]]:
        # The first article's seven names are all linear layers of any model of the plain kind.
        said = {**other, "target_modules": ALL} if name == "S0" else other
        return {
            f"{name} as printed": articles(**said, learning_rate=printed),
            f"{name}, rate scaled": articles(**said, learning_rate=f"{printed * scale:.2g}"),
        }

    return {
        **rates("S0", 1e-4, **S0),
        **rates("S1", 1e-4),
        **rates("S3", 5e-5, **S3),
        "defaults": (),
        "anchors 0.6 by kl": flags(anchor_ratio=0.6, anchor_loss="kl"),
    }


def one(model: str, name: str, words: tuple[str, ...], identity: str, seed: int) -> dict[str, Any]:
    """A run, from rows to verdict."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        author = IDENTITIES[identity]
        rows, probes = write_starter(folder, (identity,), (author,), ("en",))
        command = [
            sys.executable, "-m", "suretune", "sft", "--model", model, "--dataset", str(rows),
            "--probes", str(probes), *words, "--seed", str(seed), "--output_dir",
            str(folder / "run"), "--json",
        ]  # fmt: skip
        path = os.pathsep.join(
            [str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH", "")])]
        )
        env = {**os.environ, "PYTHONPATH": path, "SURETUNE_LANG": "en"}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        line = {"setting": name, "identity": identity, "seed": seed, "status": done.returncode}
        report = folder / "run" / "report.json"
        if not report.is_file():
            return {**line, "verdict": "failed", "said": (done.stdout + done.stderr)[-1500:]}
        keep = os.environ.get("KEEP_RESULTS")
        if keep:  # every answer, to be read by somebody
            text = (folder / "run" / "proof" / "result.json").read_bytes()
            Path(keep, f"{name}-{identity}-{seed}.json".replace(" ", "_")).write_bytes(text)
        return {**line, **_measured(rundir.read_json(report))}


def _measured(report: Mapping[str, Any]) -> dict[str, Any]:
    """What the table needs of a report."""
    general = report.get("general") or {}
    names = (
        "asked", "counted", "before", "after", "lost", "gained", "flips", "p", "loss_upper",
        "supported", "found", "drift", "likelihood", "enough", "fallen", "leaked", "broken",
        "seconds", "from_cache", "cells",
    )  # fmt: skip
    return {
        "verdict": report["verdict"],
        "reasons": report["reasons"],
        "paraphrases": report.get("paraphrases"),
        **{name: general.get(name) for name in names},
        "examples": {k: v[:3] for k, v in (general.get("examples") or {}).items()},
        "updates": len(report["steps"]),
        "kept": report["kept"]["step"] if report.get("kept") else len(report["steps"]),
        "seconds_run": report.get("seconds"),
        "device": (report.get("model") or {}).get("device"),
        "versions": report["versions"],
        "date": date.today().isoformat(),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True, help="a model folder or hub id")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=[], metavar="SETTING")
    parser.add_argument("--out", type=Path, default=RESULTS)
    asked = parser.parse_args()
    base = find_base(asked.model, weights=False)
    hidden = getattr(base, "hidden", 0)
    if not hidden:
        print(f"{asked.model}: {base}", file=sys.stderr)
        return 4
    lines = asked.out.read_text("utf-8").splitlines() if asked.out.is_file() else []
    done = {(row["setting"], row["identity"], row["seed"]) for row in map(json.loads, lines)}
    jobs = [
        (name, words, identity, seed)
        for name, words in settings(hidden).items()
        if not asked.only or name in asked.only
        for seed in range(1, asked.seeds + 1)
        for identity in IDENTITIES
        if (name, identity, seed) not in done
    ]
    with ThreadPoolExecutor(asked.workers) as pool:
        for row in pool.map(lambda job: one(asked.model, *job), jobs):
            rundir.append(asked.out, {"model": Path(asked.model).name, **row})
            counts = {k: row.get(k) for k in ("counted", "before", "lost", "gained", "loss_upper")}
            leaked = (row.get("leaked") or {}).get("gained")
            said = [row[k] for k in ("setting", "identity", "seed", "verdict")]
            more = [row.get(k) for k in ("reasons", "paraphrases", "said")]
            print(*said, counts, "leaked", leaked, *more, flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
