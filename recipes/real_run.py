"""One run on a real model after the other, in one process: imports and kernels are paid for once.

Started by `real.py`, it reads a job a line from its standard input and answers each with a line:
the row of the results, or what went wrong with it. After a failure of the tool itself it ends: what
is left of that on a GPU would spoil the next run.
"""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "src"), str(ROOT / "recipes")]

from real_rows import named, write_rows
from real_tables import UNAIDED, Job

from suretune import rundir
from suretune.cli import main as suretune
from suretune.statistics import net_loss_upper

TWO_SIDED = 1.959963984540054  # of Tango's score interval: 95 %, both sides
JUDGED = (0, 6, 8)  # exit statuses of runs that came to a verdict
REFUSED = (5,)  # and of those that a guard ended while they trained


def one(
    job: Job,
    model: str,
    languages: Sequence[str],
    more: Sequence[str],
    doses: Sequence[float] = (),
    keep: str = "",
) -> dict[str, Any]:
    """A run from rows to a line of the results; RuntimeError where the tool itself failed. `doses`:
    at which else the adapter of an identity is proven. `keep`: where the proofs are to lie."""
    with tempfile.TemporaryDirectory() as work:
        folder = Path(work)
        words = write_rows(job, folder, languages, model)
        run = folder / "run"
        command = ["--model", model, *words, *job.flags, *more, "--seed", str(job.seed),
                   "--output_dir", str(run)]  # fmt: skip
        about: dict[str, Any] = {
            "group": job.group, "recipe": job.recipe, "seed": job.seed, "identity": job.identity,
            "model": Path(model).name, "languages": list(languages),
        }  # fmt: skip
        if job.recipe.startswith(UNAIDED):
            from real_diverging import unaided  # and torch: a run that is refused needs none

            return {**about, **unaided(command), **_where()}
        began = time.perf_counter()
        status, said = _spoken(["sft", *command, "--json"])
        seconds = time.perf_counter() - began
        told = _last(said)
        line = {**about, "status": status, "seconds": round(seconds, 2)}
        if job.group == "diverging":
            from real_diverging import recovered

            line |= recovered(run, float(job.flags[job.flags.index("--learning_rate") + 1]))
        if status in REFUSED:
            reasons = [f"{found['code']} {found['name']}" for found in told.get("findings", ())]
            return {**line, "verdict": "stopped", "reasons": reasons, **_where()}
        if status not in JUDGED or not (run / "report.json").is_file():
            raise RuntimeError(f"exit status {status}: {' '.join(command)}\n{said[-1500:]}")
        line |= measured(rundir.read_json(run / "report.json"))
        if keep:
            called = "-".join((job.group, job.recipe, job.identity, str(job.seed)))
            shutil.copytree(run / "proof", Path(keep) / called.replace(" ", "_"))
        from real_ask import asked_otherwise, near_misses  # torch is there by now

        line |= near_misses(run)
        if not job.kind:
            line |= asked_otherwise(model, run, *named(job, languages), languages)
        if not job.kind and doses and not rundir.is_whole(run / "adapter"):
            from real_doses import at_doses

            given = (model, run, *named(job, languages), languages)
            line["at"] = at_doses(doses, line["dose"] or 1.0, *given)
        return {**line, **_where()}


def measured(report: Mapping[str, Any]) -> dict[str, Any]:
    """What the tables need of a report. `net_points`: gained minus lost of the questions of the
    kinds in which the base is right in one of five (`counted`), in points of a hundred; the bounds
    are Tango's score interval for paired shares, 95 %."""
    general = report.get("general") or {}
    lost, gained, counted = (general.get(name) or 0 for name in ("lost", "gained", "counted"))
    held = report.get("held_out") or {}
    net = {}
    if counted:
        net = {
            "net_points": 100 * (gained - lost) / counted,
            "net_low": -100 * net_loss_upper(lost, gained, counted, TWO_SIDED),
            "net_high": 100 * net_loss_upper(gained, lost, counted, TWO_SIDED),
        }
    return {
        **net,
        "interval": "Tango",
        "counted": counted,
        "base_right": general.get("before"),
        "lost": lost,
        "gained": gained,
        "likelihood": general.get("likelihood"),
        "asked": general.get("asked"),
        "leaked": (general.get("leaked") or {}).get("gained"),
        "drift": general.get("drift"),
        "probes": report.get("paraphrases"),
        "rows": report.get("rows"),
        "held_out": {name: held.get(name) for name in ("before", "after", "rows")},
        "updates": len(report["steps"]),
        "kept": report["kept"]["step"] if report.get("kept") else len(report["steps"]),
        "dose": _dose(report),
        "train_seconds": (report.get("seconds") or {}).get("train"),
        "verdict": report["verdict"],
        "reasons": report["reasons"],
        "versions": report["versions"],
    }


def _dose(report: Mapping[str, Any]) -> float | None:
    """The share of the trained strength that was published; None where a report does not say."""
    if "dose" not in report:
        return None
    told = report["dose"]
    return 1.0 if told is None else float(told["value"] if isinstance(told, Mapping) else told)


def _where() -> dict[str, str]:
    """The card, and the day."""
    import torch

    card = torch.cuda.get_device_name() if torch.cuda.is_available() else "CPU"
    return {"card": card, "date": date.today().isoformat()}


def _spoken(command: Sequence[str]) -> tuple[int, str]:
    """Exit status and standard output of a command, in this process."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        status = suretune(list(command))
    return status, out.getvalue()


def _last(said: str) -> Mapping[str, Any]:
    lines = [line for line in said.splitlines() if line.startswith("{")]
    found: Mapping[str, Any] = json.loads(lines[-1]) if lines else {}
    return found


def _released() -> None:
    """Nothing of a run stays on the card."""
    gc.collect()
    if "torch" in sys.modules:
        import torch

        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def main() -> int:
    """Jobs in, rows out, until there are no more."""
    model, languages, more, doses, keep = json.loads(sys.argv[1])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else is printed must not stand among the rows
    for line in sys.stdin:
        job = Job(**{k: tuple(v) if k == "flags" else v for k, v in json.loads(line).items()})
        try:
            row = one(job, model, languages, more, doses, keep)
        except Exception as error:  # told to whoever asked, and this process ends
            print(json.dumps({"failed": f"{type(error).__name__}: {error}"}), file=answers)
            answers.flush()
            return 1
        print(json.dumps(row), file=answers, flush=True)
        _released()
    return 0


if __name__ == "__main__":
    sys.exit(main())
