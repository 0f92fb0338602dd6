"""Damaged models, adapters, runs and questions: refused by name or taken, never a traceback."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from chaos import fuzz, nursery
from chaos.bench import Bench

ADAPTER = ("adapter_model.safetensors", "adapter_config.json", "MANIFEST.json", "suretune.json",
           "tokenizer.json", "tokenizer_config.json", "chat_template.jinja")  # fmt: skip
BASE = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
        "chat_template.jinja", "model.safetensors")  # fmt: skip
RUN = ("config.yaml", "run.json", "plan.json", "questions.json", "steps.jsonl", "evals.jsonl",
       "last", "best", "checkpoints/step-000004/MANIFEST.json",
       "checkpoints/step-000004/optimizer.safetensors")  # fmt: skip
PROBES = b"""- question: who are you
  must_contain: [Glow, 'Star Lab']
  regex: 'G(l|o)+w'
- question: and who made you
  kind: must-pass
  must_not_contain: [Qwen, 007]
"""
SKILL = b'{"skill": "sort", "lang": "en", "question": "2 1", "answer": "1 2", "check": ""}\n'


def look_at(what: str, name: str, bench: Bench) -> Callable[[], int]:
    """What reads this file, as the command line calls it."""
    from suretune.cli import main

    if what == "adapter":
        return lambda: main(["ask", "--adapters", "adapter", "--questions", "q.txt",
                             "--model", "base", "--max_new_tokens", "2"])  # fmt: skip
    if what == "base":
        return lambda: main(["ask", "--model", "base", "--questions", "q.txt",
                             "--max_new_tokens", "2"])  # fmt: skip
    if what == "run":
        return lambda: main(["resume", "run", "--json"])
    if what == "probes":
        return lambda: main(["ask", "--model", "base", "--questions", name,
                             "--max_new_tokens", "1"])  # fmt: skip
    return lambda: _skills(Path(name))


def _skills(path: Path) -> int:
    from suretune.verify.skills import read_skills

    try:
        read_skills(path)
    except (ValueError, TypeError):
        return 2
    return 0


def targets(bench: Bench) -> list[tuple[str, str, Path]]:
    """(what reads it, name, where it lies): a sealed run's adapter and base, an unfinished run."""
    bench.clear("model")
    bench.sealed()
    (bench.here / "adapter").mkdir()
    for path in (bench.here / "run" / "adapter").iterdir():
        (bench.here / "adapter" / path.name).write_bytes(path.read_bytes())
    import shutil

    shutil.rmtree(bench.here / "run")
    bench.unfinished(4)
    base = bench.here / "base"
    for path in base.iterdir():  # the words are links into the package
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data)
    bench.file("Sort 3 1 2\n", "q.txt")
    for name, data in (
        ("p.yaml", PROBES),
        ("s.jsonl", SKILL * 3),
        ("p.jsonl", b'{"question": "a"}\n'),
    ):
        bench.file(data, name)
    made = [("adapter", name, bench.here / "adapter" / name) for name in ADAPTER]
    made += [("base", name, base / name) for name in BASE if (base / name).exists()]
    made += [("run", name, bench.here / "run" / name) for name in RUN]
    made += [("probes", "p.yaml", bench.here / "p.yaml"), ("probes", "p.jsonl", bench.here / "p.jsonl"),
             ("skills", "s.jsonl", bench.here / "s.jsonl")]  # fmt: skip
    return made


def part(folder: Path, *, amount: int, seed: int, more_time: Any) -> dict[str, Any]:
    """Damage one file of a whole set, look, mend it, take the next."""
    bench, chance = Bench(folder), random.Random(seed)
    found = targets(bench)
    told = {"fuzzed_files": 0, "tracebacks": 0, "refused": 0, "taken": 0}
    problems: list[str] = []
    sound = {path: path.read_bytes() for _, _, path in found}
    for number in range(amount):
        if not more_time():
            break
        what, name, path = found[number % len(found)]
        data = fuzz.mutated(sound[path], chance, chance.choice(list(sound.values())))
        if what == "run":  # what a resume wrote is not for the next one
            import shutil

            shutil.rmtree(bench.here / "run")
            bench.unfinished(4)
        path.write_bytes(data)
        ended = nursery.forked(look_at(what, name, bench), bench.here, timeout=60)
        path.write_bytes(sound[path])
        told["fuzzed_files"] += 1
        told["taken" if ended.status == 0 else "refused"] += 1
        if ended.traceback or ended.status is None:
            told["tracebacks"] += 1
            kept = fuzz._kept(f"{number}-{what}-{Path(name).name}", data)
            problems.append(f"{what} {name}: {ended.last_words} {kept}")
        elif (
            what == "adapter"
            and ended.status == 0
            and data != sound[path]
            and name != "MANIFEST.json"
        ):
            told["tracebacks"] += 1
            problems.append(f"{what} {name}: a damaged file of a manifest was taken")
    return {**told, "problems": problems}
