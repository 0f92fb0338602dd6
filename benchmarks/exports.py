"""Exports, measured: each target is written and asked the probes of a seal and the general
questions of its proof; one table of it.

    python benchmarks/exports.py RUN OUT

What lies in OUT from before is read and not made again, so that targets whose packages do not go
together (vLLM has requirements of its own) can be measured one after another, each by a Python that
has them.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from suretune import rundir
from suretune.battery.items import recorded_question
from suretune.data.render import with_system
from suretune.deploy.export import Wanted, carry
from suretune.export import TARGETS
from suretune.options import Config
from suretune.record.journal import Journal
from suretune.record.meant import Meant
from suretune.run.kept import judge_kept
from suretune.verify.general import LIMITS, limit_of
from suretune.verify.probes import from_line

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
LEVELS = {
    "ran-there": "ran there",
    "read-by-its-loader": "read by its loader",
    "by-its-rules-only": "by its rules only",
}
HEAD = """\
| target | command | probes passed | as in the proof | general questions right | largest\
 distance | proof |
|---|---|--:|--:|--:|--:|---|"""


def made(run: Path, out: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """(name, its export.json) of every target that can be written here, or lies there already."""
    for name, (target, quant) in EXPORTS.items():
        folder = out / name
        if not (folder / "export.json").is_file():
            words = ["--to", target, "--out", str(folder), "--unverified"]
            words += ["--quant", quant] if quant else []
            command = [sys.executable, "-m", "suretune", "export", str(run), *words]
            done = subprocess.run(command, capture_output=True, text=True)
            if not (folder / "export.json").is_file():
                print(f"{name}: {done.stdout.strip()[-400:]}", file=sys.stderr)
                continue
        yield name, json.loads((folder / "export.json").read_text(encoding="utf-8"))


# --- general questions ----------------------------------------------------------------------------


def general_answers(run: Path, out: Path, name: str) -> list[str] | None:
    """What an export answers to the general questions of the run's proof, in their order, asked
    once and kept beside it; None where there are none, or nobody here who could answer."""
    kept = out / f"{name}.general.json"
    if kept.is_file():
        return list(json.loads(kept.read_text(encoding="utf-8")))
    lines = (rundir.read_json(run / "proof" / "result.json").get("general") or {}).get("questions")
    target, quant = EXPORTS[name]
    wanted = Wanted(Meant(run), TARGETS[target], out / name, quant, True, "")
    carried, _ = carry(wanted, Config(), Journal())
    ask = TARGETS[target].asks(carried, out / name)
    if not lines or ask is None:
        return None
    questions = [recorded_question(line) for line in lines]
    said = [""] * len(questions)
    for limit in LIMITS:
        mine = [i for i, each in enumerate(questions) if limit_of(each.tokens) == limit]
        talks = [with_system(questions[i].messages, carried.system) for i in mine]
        for index, answer in zip(mine, ask(talks, limit).answers if mine else (), strict=True):
            said[index] = answer
    kept.write_text(json.dumps(said, ensure_ascii=False, indent=0), encoding="utf-8")
    return said


def right(run: Path, said: list[str] | None = None) -> list[bool]:
    """Of each judged question whether the answer is right and says nothing learned; without `said`
    of the sealed adapter's."""
    result = rundir.read_json(run / "proof" / "result.json")
    if said is not None:
        result["general"]["tuned"] = said
    kept = judge_kept(run, result)
    judged = kept.judged if kept else ()
    return [bool(each.right_after) for each in judged if each.right_after is not None]


def general(run: Path, said: list[str] | None) -> str:
    """A cell: how many are right, what was gained and lost against the sealed adapter, and how many
    answers are its own, word for word."""
    if said is None:
        return "not asked"
    then, now = right(run), right(run, said)
    gained = sum(b and not a for a, b in zip(then, now, strict=True))
    lost = sum(a and not b for a, b in zip(then, now, strict=True))
    sealed_said = rundir.read_json(run / "proof" / "result.json")["general"]["tuned"]
    same = sum(a == b for a, b in zip(sealed_said, said, strict=True))
    return f"{sum(now)} of {len(now)} (+{gained} -{lost}), {same} the same"


# --- the table ------------------------------------------------------------------------------------


def sealed(run: Path) -> Iterator[str]:
    """The rows of base and adapter: what the proof, base and adapter in plain PEFT, said."""
    probes = [from_line(line) for line in rundir.read_jsonl(run / "probes.jsonl")]
    result = rundir.read_json(run / "proof" / "result.json")
    said = {"base": rundir.read_json(run / "base_answers.json")["probes"]}
    said["adapter in PEFT"] = result["answers"]["probes"]
    asked = result.get("general")
    by = "the seal" if (run / rundir.SEAL).is_file() else "its proof, not sealed"
    for name, answers in said.items():
        judged = [(p, text) for p, text in zip(probes, answers, strict=True) if p.judged]
        passed = sum(bool(p.judge(text)) for p, text in judged)
        same = sum(a == b for a, b in zip(answers, said["adapter in PEFT"], strict=True))
        net = general(run, asked["base" if name == "base" else "tuned"] if asked else None)
        command, gap, proof = ("-", "-", "-") if name == "base" else ("`suretune sft`", "0", by)
        yield (
            f"| {name} | {command} | {passed} of {len(judged)} | {same} of {len(answers)} | {net} |"
            f" {gap} | {proof} |"
        )


def row(name: str, told: Mapping[str, Any], net: str) -> str:
    """One line of the table."""
    proof = told["proof"]
    quant = f" --quant {told['quant']}" if told["quant"] else ""
    gap = "" if proof["gap"] is None else f"{proof['gap']:.2g}"
    gap += f" (bound {proof['bound']:.2g})" if proof["bound"] else ""
    by = f"; its GGUF ran in {proof['by']}" if proof.get("by") else ""
    passed = f"{proof['passed']} of {proof['asked']}" if proof["asked"] else "not asked"
    same = f"{proof['same']} of {proof['answers']}" if proof["asked"] else "not asked"
    return (
        f"| {name} | `--to {told['target']}{quant}` | {passed} | {same} | {net} | {gap or '-'} |"
        f" {LEVELS[proof['level']]}{by} |"
    )


def main(run: Path, out: Path) -> None:
    """Print the table of one run."""
    print(HEAD)
    print("\n".join(sealed(run)))
    for name, told in made(run, out):
        print(row(name, told, general(run, general_answers(run, out, name))), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
