"""Exports, measured: each target is written and asked the probes of a seal; one table of it.

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

EXPORTS = {
    "merged": ("merged", ""),
    "gguf-f32": ("gguf", "f32"),
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
| target | command | probes passed | as sealed, word for word | largest distance | proof |
|---|---|--:|--:|--:|---|"""


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


def sealed(run: Path) -> str:
    """The row of the adapter itself: what its proof, base and adapter in plain PEFT, said."""
    lines = (run / "probes.jsonl").read_text(encoding="utf-8").splitlines()
    answers = json.loads((run / "proof" / "result.json").read_text())["answers"]["probes"]
    from suretune.verify.probes import from_line

    probes = [from_line(json.loads(line)) for line in lines]
    judged = [(p, said) for p, said in zip(probes, answers, strict=True) if p.judged]
    passed = sum(bool(p.judge(said)) for p, said in judged)
    count = len(answers)
    return (
        f"| adapter in PEFT | `suretune sft` | {passed} of {len(judged)} |"
        f" {count} of {count} | 0 | the seal |"
    )


def row(name: str, told: Mapping[str, Any]) -> str:
    """One line of the table."""
    proof = told["proof"]
    quant = f" --quant {told['quant']}" if told["quant"] else ""
    gap = "" if proof["gap"] is None else f"{proof['gap']:.2g}"
    gap += f" (bound {proof['bound']:.2g})" if proof["bound"] else ""
    by = f"; its GGUF ran in {proof['by']}" if proof.get("by") else ""
    passed = f"{proof['passed']} of {proof['asked']}" if proof["asked"] else "not asked"
    same = f"{proof['same']} of {proof['answers']}" if proof["asked"] else "not asked"
    return (
        f"| {name} | `--to {told['target']}{quant}` | {passed} | {same} | {gap or '-'} |"
        f" {LEVELS[proof['level']]}{by} |"
    )


def main(run: Path, out: Path) -> None:
    """Print the table of one run."""
    print(HEAD)
    print(sealed(run))
    for name, told in made(run, out):
        print(row(name, told), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
