"""A place to plant faults in: bases, rows, finished and unfinished runs, each made once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from chaos import bases, nursery, rows
from suretune import rundir

Words = list[object]


@dataclass(frozen=True, slots=True)
class Planted:
    """A command, and what happens in its process before it."""

    words: Words
    before: Callable[[], None] | None = None
    timeout: float = 120


@dataclass
class Bench:
    """`folder` holds what is shared; `here` is the folder of the fault that is planted now."""

    folder: Path
    here: Path = field(init=False)

    def clear(self, name: str) -> None:
        """A new folder for the next fault."""
        self.here = self.folder / name
        shutil.rmtree(self.here, ignore_errors=True)
        self.here.mkdir()

    @cached_property
    def toy(self) -> Path:
        return bases.toy(self.folder / "toy")

    @cached_property
    def sister(self) -> Path:
        """Another base of the toy's shape."""
        return bases.toy(self.folder / "sister", seed=1)

    def own(self, **changed: Any) -> Path:
        """A toy that may be damaged."""
        return bases.toy(self.here / "base", **changed)

    def own_beside(self, **changed: Any) -> Path:
        """Another base, beside one that is there."""
        return bases.toy(self.here / "other", **changed)

    def file(self, content: Any, name: str = "rows.jsonl") -> Path:
        """A file with these bytes, this text, or these rows."""
        path = self.here / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif isinstance(content, str):
            path.write_text(content, "utf-8")
        else:
            rows.write(path, content)
        return path

    def sft(self, base: Path | str, data: Path, *more: object) -> Words:
        """A run of four updates; what `more` says again wins by its absence here."""
        flags: dict[str, object] = {
            "--max_steps": 4, "--gradient_accumulation_steps": 4, "--learning_rate": 1e-2,
            "--split_dataset_ratio": 0.1, "--output_dir": self.here / "run", "--device": "cpu",
            "--general_questions": 20, "--ignore": "R018",  # the toy answers none of them rightly
        }  # fmt: skip
        if "--val_dataset" in more:
            del flags["--split_dataset_ratio"]
        plain = [
            word for name, value in flags.items() if name not in more for word in (name, value)
        ]
        return ["sft", "--model", base, "--dataset", data, *plain, *more, "--json"]

    # --- runs that are there already ------------------------------------------------------------

    @cached_property
    def _sealed(self) -> Path:
        """Eight updates of the toy, a checkpoint after every second, sealed."""
        home = self.folder / "sealed"
        home.mkdir()
        data = rows.write(home / "rows.jsonl", rows.tasks(40))
        (home / "probes.txt").write_text("Sort 3 1 2\n")
        bases.toy(home / "base")
        done = nursery.command(
            ["sft", "--model", home / "base", "--dataset", data, "--probes", home / "probes.txt",
             "--max_steps", 8, "--gradient_accumulation_steps", 4, "--save_steps", 2,
             "--eval_steps", 2, "--split_dataset_ratio", 0.1, "--learning_rate", 1e-2,
             "--output_dir", home / "run", "--json", "--device", "cpu",
             "--general_questions", 20, "--ignore", "R018"], home,
        )  # fmt: skip
        assert done.status == 0, done.last_words
        return home

    def sealed(self) -> Path:
        """A copy of a sealed run. Base, rows and probes are the copy's own."""
        shutil.copytree(self._sealed, self.here, symlinks=True, dirs_exist_ok=True)
        old, new = str(self._sealed), str(self.here)
        run = self.here / "run"
        for path in (run / "config.yaml", run / "proof" / "request.json",
                     run / "adapter" / "suretune.json", *run.glob("checkpoints/*/suretune.json")):  # fmt: skip
            path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")
        ledger = run / "ledger.jsonl"
        ledger.write_text(ledger.read_text("utf-8").replace(old, new), "utf-8")
        for folder in (run / "adapter", *run.glob("checkpoints/*")):
            manifest = rundir.read_json(folder / rundir.MANIFEST)
            rundir.write_manifest(folder, **{k: v for k, v in manifest.items() if k != "files"})
        seal = rundir.read_json(run / rundir.SEAL)
        seal["files"] = {name: rundir.sha256(run / name) for name in seal["files"]}
        rundir.write_json(run / rundir.SEAL, seal)
        return run

    def unfinished(self, done: int = 8) -> Path:
        """A run that was killed before its proof, after `done` of its eight updates.

        Its plan still holds when its rows lie where it read them, so those are the first copy's.
        """
        shutil.copytree(self._sealed / "run", self.here / "run")
        run = self.here / "run"
        for name in ("adapter", "proof"):
            shutil.rmtree(run / name)
        for name in (rundir.SEAL, "report.json", "report.html", "report.md", "probes.jsonl"):
            (run / name).unlink()
        for step, path in rundir.checkpoints(run):
            if step > done:
                shutil.rmtree(path)
        for name in ("steps.jsonl", "evals.jsonl"):
            left = [line for line in rundir.read_jsonl(run / name) if line["step"] <= done]
            rundir.write_jsonl(run / name, left)
        rundir.point(run, "last", run / "checkpoints" / f"step-{done:06d}", step=done)
        return run


def flip(path: Path, at: int = -5) -> None:
    """One bit of a file."""
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(bytes(data))


def cut(path: Path, share: float = 0.5) -> None:
    """Lose the end of a file."""
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


def change_json(path: Path, **fields: Any) -> None:
    """Other values for these keys."""
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **fields}), "utf-8")
