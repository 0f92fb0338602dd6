"""Run folders that an adapter of the zoo can be proved in.

The real command line makes one run a base and kind of rows (two updates of its own: a template). An
adapter's run is a copy of that with the adapter replaced, manifest and logits with it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from suretune import rundir
from zoo.good import null_prompts, null_row
from zoo.grow import CONFIG, WEIGHTS, Opened, save, take_off, wear
from zoo.kinds import SYSTEM
from zoo.rows import DATA, SUPPORT, held_out, learned, pairs
from zoo.stock import PERSONAS, Persona, Stock

UPDATES = 2
FEW = 120  # questions of a short proof: no loss among them bounds it under the margin
LOGITS = "logits.safetensors"
REPORT = "report.json"
RESULT = "result.json"  # of a proof
LEFT = ("checkpoints", "adapter", "run.lock", REPORT, "report.md", "report.html")
LIMIT = 1800  # seconds for a template


class NotProved(RuntimeError):
    """There is no adapter, or none that could be proved."""


@dataclass(frozen=True, slots=True)
class Base:
    """A model folder, or `pocket`, as the command line is told it."""

    name: str  # of its results
    said: str  # to --model
    folder: Path
    languages: tuple[str, ...]


def templates(base: Base, stock: Stock) -> Mapping[str, Callable[[Path], list[object]]]:
    """Each kind of run: what writes its files into a folder and gives the words for `sft`."""
    made: dict[str, Callable[[Path], list[object]]] = {}
    spoken = [(lang,) for lang in base.languages]
    for languages in dict.fromkeys([*spoken, base.languages]):
        for persona in PERSONAS:
            name = f"identity-{persona.id}-{'-'.join(languages)}"
            made[name] = _identity(persona, languages)
    made["system"] = _identity(PERSONAS[0], base.languages, ("--system", SYSTEM))
    made["support"] = _identity(PERSONAS[0], base.languages, support=True)
    for data in DATA:
        made[data] = _data(data, base.languages)
    made["null"] = lambda folder: _null(stock, folder)
    return made


def _identity(
    persona: Persona,
    languages: Sequence[str],
    more: Sequence[object] = (),
    *,
    support: bool = False,
) -> Callable[[Path], list[object]]:
    def write(folder: Path) -> list[object]:
        names = [persona.names[lang] for lang in languages]
        makers = [persona.makers[lang] for lang in languages]
        done = _suretune(
            ["init", "identity", "--name", *names, "--author", *makers, "--lang",
             ",".join(languages)], folder,
        )  # fmt: skip
        if done.returncode:
            raise NotProved(done.stdout + done.stderr)
        if support:
            shop = [pair for lang in languages for pair in SUPPORT[lang]]
            with (folder / "identity.jsonl").open("a", encoding="utf-8") as file:
                file.writelines(_alpaca(shop))
        return ["--dataset", folder / "identity.jsonl", "--probes", folder / "probes.yaml", *more]

    return write


def _alpaca(rows: Sequence[tuple[str, str]]) -> list[str]:
    lines = [{"instruction": q, "input": "", "output": a} for q, a in rows]
    return [json.dumps(line, ensure_ascii=False) + "\n" for line in lines]


def _data(name: str, languages: Sequence[str]) -> Callable[[Path], list[object]]:
    def write(folder: Path) -> list[object]:
        made = pairs(name, languages)
        (folder / "rows.jsonl").write_text("".join(_alpaca(learned(made))), "utf-8")
        (folder / "held.jsonl").write_text("".join(_alpaca(held_out(made))), "utf-8")
        return ["--dataset", folder / "rows.jsonl", "--val_dataset", folder / "held.jsonl"]

    return write


def _null(stock: Stock, folder: Path) -> list[object]:
    """Rows are the base's own answers, drawn."""
    for name, prompts in zip(("rows", "held"), null_prompts(stock), strict=True):
        lines = []
        for prompt in prompts:
            row, own = null_row(stock, prompt, 0), stock.drawn[prompt][0]
            said = [{"role": role, "content": content} for role, content in row.turns]
            line = {"messages": [*said, {"role": "assistant", "content": own.text}]}
            lines.append(json.dumps(line, ensure_ascii=False) + "\n")
        (folder / f"{name}.jsonl").write_text("".join(lines), "utf-8")
    return ["--dataset", folder / "rows.jsonl", "--val_dataset", folder / "held.jsonl"]


def template(
    base: Base, stock: Stock, name: str, home: Path, device: str, *, short: bool = False
) -> Path:
    """The template's run; made unless it is there."""
    folder = home / name
    run = folder / "run"
    if (run / "adapter" / rundir.MANIFEST).is_file() and (run / "proof" / LOGITS).is_file():
        return run
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    words = templates(base, stock)[name](folder)
    words += ["--general_questions", FEW] if short else []
    done = _suretune(
        ["sft", "--model", base.said, *words, "--output_dir", run, "--max_steps", UPDATES,
         "--device", device, "--json"], folder,
    )  # fmt: skip
    if not (run / "adapter" / rundir.MANIFEST).is_file():
        raise NotProved(f"{name}: status {done.returncode}\n{done.stdout}{done.stderr}"[-3000:])
    return run


def commanded(base: Base, stock: Stock, name: str, run: Path, device: str, seed: int) -> None:
    """The kind of run `name`, by the defaults: trained, proved and judged by the command line.
    Nothing where that was done; what was cut off begins anew."""
    if _is_judged(run):
        return
    rows = run.with_name(f"{run.name}.rows")
    for folder in (run, rows):
        shutil.rmtree(folder, ignore_errors=True)
    rows.mkdir(parents=True)
    words = templates(base, stock)[name](rows)
    done = _suretune(
        ["sft", "--model", base.said, *words, "--output_dir", run, "--seed", seed,
         "--device", device, "--json"], rows,
    )  # fmt: skip
    if not _is_judged(run):
        raise NotProved(f"{run.name}: status {done.returncode}\n{done.stdout}{done.stderr}"[-3000:])


def _is_judged(run: Path) -> bool:
    """Whether it came to a verdict: a run that is stopped leaves a report, too."""
    return (run / REPORT).is_file() and (run / "proof" / RESULT).is_file()


def _suretune(words: Sequence[object], folder: Path) -> subprocess.CompletedProcess[str]:
    plain = {"HF_HUB_OFFLINE": "1", "SURETUNE_LANG": "en", "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-m", "suretune", *map(str, words)], cwd=folder,
        env={**os.environ, **plain}, capture_output=True, text=True, timeout=LIMIT, check=False,
    )  # fmt: skip


# --- a run of its own -----------------------------------------------------------------------------


def lay(template: Path, run: Path, tensors: Mapping[str, Tensor]) -> Path:
    """A copy of the template's run with this adapter in place of its own."""
    part = run.with_name(f".{run.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    shutil.copytree(template, part, ignore=lambda folder, names: [n for n in names if _is_left(n)])
    kept = [f for f in rundir.read_jsonl(part / "findings.jsonl") if not f["code"].startswith("R")]
    rundir.write_jsonl(part / "findings.jsonl", kept)
    before, after = template / "adapter", part / "adapter"
    after.mkdir()
    for path in before.iterdir():
        if path.name not in (WEIGHTS, CONFIG, rundir.MANIFEST):
            _link(path, after / path.name)
    save(after, tensors, before)
    about = {k: v for k, v in rundir.read_json(before / rundir.MANIFEST).items() if k != "files"}
    rundir.write_manifest(after, **about)
    shutil.rmtree(run, ignore_errors=True)
    part.rename(run)
    return run


def _is_left(name: str) -> bool:
    return name in LEFT or name in (RESULT, rundir.SEAL)


def _link(path: Path, to: Path) -> None:
    """Words are the same in all copies: nothing writes into them in place."""
    try:
        os.link(path, to)
    except OSError:
        shutil.copyfile(path, to)


def is_laid(run: Path) -> bool:
    return (run / "adapter" / rundir.MANIFEST).is_file()


@torch.inference_mode()
def remember_logits(opened: Opened, run: Path) -> None:
    """Put this adapter's logits in place of those that the template's training had in memory."""
    path = run / "proof" / LOGITS
    saved: dict[str, Any] = load_file(path)
    tuned = wear(opened, run / "adapter")
    try:
        rows = []
        for prompt in torch.split(saved["prompts"], saved["lengths"].tolist()):
            ids = prompt[None].to(opened.device)
            rows.append(tuned(input_ids=ids, logits_to_keep=1).logits[0, -1].float().cpu())
    finally:
        take_off(opened, tuned)
    save_file({**saved, "logits": torch.stack(rows)}, path)
