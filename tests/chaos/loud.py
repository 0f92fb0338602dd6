"""Faults that make a noise: no memory, no disk, no permission, damaged files, odd surroundings.

Each must end with its exit status and finding, without a traceback, and leave every checkpoint
that was complete as it was. Most are followed by a resume without the fault, which must end well.
"""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos import inject, nursery, rows
from chaos.bench import Bench, Words, cut
from suretune import rundir


@dataclass(frozen=True, slots=True)
class Loud:
    """`plant` gives the command and what happens in its process before it.

    `resumes`: afterwards, without the fault, `suretune resume` must end with status 0.
    """

    id: str
    plant: Callable[[Bench], tuple[Words, Callable[[], None] | None]]
    codes: tuple[str, ...]
    status: int
    resumes: bool = False


def training(before: Callable[[], None] | None, *more: object) -> Any:
    """`sft` of the toy with a checkpoint after every update."""

    def plant(bench: Bench) -> tuple[Words, Callable[[], None] | None]:
        data = bench.file(rows.tasks(40))
        return bench.sft(bench.toy, data, "--save_steps", 1, *more), before

    return plant


def inside(kind: str, *about: int) -> Callable[[], None]:
    return lambda: inject.KINDS[kind](*about)


def _read_only(bench: Bench) -> tuple[Words, Callable[[], None]]:
    words = bench.sft(
        bench.toy, bench.file(rows.tasks(24)), "--output_dir", bench.here / "ro" / "run"
    )
    (bench.here / "ro").mkdir()
    return words, lambda: _mount(bench.here / "ro", 4, read_only=True)


def _output_is_a_file(bench: Bench) -> tuple[Words, None]:
    path = bench.file("mine", "thesis.txt")
    return bench.sft(bench.toy, bench.file(rows.tasks(24)), "--output_dir", path), None


def _long_name(bench: Bench) -> tuple[Words, None]:
    path = bench.here / ("n" * 300)
    return bench.sft(bench.toy, bench.file(rows.tasks(24)), "--output_dir", path), None


def _mount(folder: Path, kilobytes: int, *, read_only: bool = False) -> None:
    """A disk of this size, in a mount namespace of this process's own."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    new_namespace, private_all = 0x20000, (1 << 18) | (1 << 14)
    if libc.unshare(new_namespace) or libc.mount(None, b"/", None, private_all, None):
        raise PermissionError("no mount namespace here")
    size = f"size={kilobytes}k".encode()
    if libc.mount(b"tmpfs", str(folder).encode(), b"tmpfs", int(read_only), size):
        raise PermissionError("no mount namespace here")


def tmpfs(kilobytes: int) -> Callable[[Bench], tuple[Words, Callable[[], None]]]:
    """The run folder on a small disk."""

    def plant(bench: Bench) -> tuple[Words, Callable[[], None]]:
        small = bench.here / "small"
        small.mkdir()

        data = bench.file(rows.tasks(40))
        return bench.sft(bench.toy, data, "--save_steps", 1, "--output_dir", small / "run"), (
            lambda: _mount(small, kilobytes)
        )

    return plant


def damaged(name: str, change: Callable[[Path], Any]) -> Any:
    """`resume` of an unfinished run, one file of which was spoilt."""

    def plant(bench: Bench) -> tuple[Words, None]:
        run = bench.unfinished(4)
        change(run / name)
        return ["resume", run, "--json"], None

    return plant


def base_file(name: str, content: bytes) -> Any:
    """`sft` with this file of the base replaced."""

    def plant(bench: Bench) -> tuple[Words, None]:
        base = bench.own()
        (base / name).unlink(missing_ok=True)
        (base / name).write_bytes(content)
        return bench.sft(base, bench.file(rows.tasks(24))), None

    return plant


def _few_files() -> None:
    used = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (used + 40, used + 40))


def _strange_surroundings() -> None:
    for name in ("HOME", "USER", "LANG", "TERM"):
        os.environ.pop(name, None)
    os.environ |= {"LC_ALL": "C", "PYTHONIOENCODING": "ascii"}


def _clock_of_1970() -> None:
    import time

    real = time.time
    time.time = lambda: real() % 86_400  # type: ignore[assignment]


LOUD = (
    Loud("oom-at-load", training(inside("oom_load")), ("S019",), 4),
    Loud("oom-base-answers", training(inside("oom_answers")), ("S019",), 4, resumes=True),
    Loud("oom-first-update", training(inside("oom_gradient", 1)), ("S019",), 4, resumes=True),
    Loud("oom-third-update", training(inside("oom_gradient", 3)), ("S019",), 4, resumes=True),
    Loud("oom-evaluation", training(inside("oom_evaluation", 2), "--eval_steps", 2),
         ("S019",), 4, resumes=True),
    Loud("oom-proof", training(inside("oom_proof")), ("R008",), 6),
    Loud("disk-full-first-checkpoint", training(inside("disk_full", 1)), ("S016",), 4, True),
    Loud("disk-full-third-checkpoint", training(inside("disk_full", 3)), ("S016",), 4, True),
    Loud("disk-full-publishing", training(inside("disk_full_publish")), ("S016",), 4, True),
    Loud("disk-quota", training(inside("refuse_write", 122, 2)), ("S016",), 4, resumes=True),
    Loud("disk-input-output-error", training(inside("refuse_write", 5, 2)), ("S009",), 4, True),
    Loud("disk-turned-read-only", training(inside("refuse_write", 30, 2)), ("S009",), 4, True),
    Loud("tmpfs-4k", tmpfs(4), (), 4),  # too small even for the finding's own line
    *(Loud(f"tmpfs-{size}k", tmpfs(size), ("S016",), 4) for size in (40, 400, 900, 1300)),
    Loud("folder-read-only", _read_only, ("S009",), 4),
    Loud("folder-is-a-file", _output_is_a_file, ("S009",), 4),
    Loud("folder-name-too-long", _long_name, ("S009",), 4),
    Loud("run-config-cut", damaged("config.yaml", cut), (), 4),
    Loud("run-json-cut", damaged("run.json", cut), ("S015",), 4),
    Loud("run-plan-cut", damaged("plan.json", cut), ("S015",), 4),
    Loud("run-questions-cut", damaged("questions.json", cut), ("S015",), 4),
    Loud("run-answers-cut", damaged("base_answers.json", cut), ("S015",), 4),
    Loud("run-steps-garbage", damaged("steps.jsonl", lambda p: p.write_bytes(b"\xff{]\n" * 4)),
         ("S015",), 0),
    Loud("run-last-garbage", damaged("last", lambda p: p.write_bytes(b"[]")), (), 0),
    Loud("run-checkpoints-lost", damaged("checkpoints", shutil.rmtree), (), 0),
    Loud("base-config-garbage", base_file("config.json", b"{"), ("S018",), 4),
    Loud("base-config-list", base_file("config.json", b"[]"), ("S018",), 4),
    Loud("base-type-unknown", base_file("config.json", b'{"model_type": "nope"}'), ("S018",), 4),
    Loud("base-weights-empty", base_file("model.safetensors", b""), ("S018",), 4),
    Loud("base-weights-lying-header",
         base_file("model.safetensors", b"\xff" * 7 + b"\x7f{}"), ("S018",), 4),
    Loud("base-tokenizer-garbage", base_file("tokenizer.json", b"{}"), ("S018",), 4),
    Loud("base-words-garbage", base_file("tokenizer_config.json", b"\xff"), ("S018",), 4),
    Loud("base-template-garbage", base_file("chat_template.jinja", b"{% if %}"), ("P008",), 4),
    Loud("base-template-latin", base_file("chat_template.jinja", b"\xe9"), ("P001",), 4),
    Loud("no-more-handles", training(inside("no_handles", 2)), ("S009",), 4, resumes=True),
    Loud("few-open-files", training(_few_files), (), 0),
    Loud("strange-surroundings", training(_strange_surroundings), (), 0),
    Loud("clock-goes-back", training(_clock_of_1970), (), 0),
    Loud("terminated", training(inside("signal", signal.SIGTERM, 2)), (), 143, resumes=True),
    Loud("interrupted", training(inside("signal", signal.SIGINT, 2)), (), 130, resumes=True),
)  # fmt: skip


def failed(fault: Loud, bench: Bench) -> str:
    """Plant it, look, resume; empty if all was as it must be."""
    bench.clear(fault.id)
    words, before = fault.plant(bench)
    ended = nursery.command(words, bench.here, before=before, timeout=120)
    if ended.status == nursery.CRASHED and "namespace here" in ended.err:
        return "skipped"
    if ended.traceback or ended.status != fault.status:
        codes = " ".join(sorted(ended.codes))
        return f"status {ended.status} ({codes}), not {fault.status}: {ended.last_words}"
    if lacking := set(fault.codes) - ended.codes:
        return f"{' '.join(sorted(lacking))} was not found"
    run = bench.here / "run"
    for _, path in rundir.checkpoints(run) if run.is_dir() and fault.status else ():
        if found := rundir.damage(path):
            return f"{path.name} is visible and damaged: {found}"
    if fault.resumes:
        again = nursery.command(["resume", run, "--json"], bench.here, timeout=120)
        if again.status != 0 or not (run / rundir.SEAL).exists():
            return f"the resume ended with {again.status}: {again.last_words}"
    return ""


def part(folder: Path, *, amount: int, seed: int, more_time: Any) -> dict[str, Any]:
    """Plant them all, or a random choice of `amount`."""
    bench = Bench(folder)
    chosen = sorted(random.Random(seed).sample(range(len(LOUD)), min(amount, len(LOUD))))
    told: dict[str, Any] = {"faults": 0, "unhandled": 0, "resumed": 0}
    skipped, problems = [], []
    for index in chosen:
        if not more_time():
            break
        fault = LOUD[index]
        wrong = failed(fault, bench)
        shutil.rmtree(bench.here, ignore_errors=True)
        if wrong == "skipped":
            skipped.append(fault.id)
            continue
        told["faults"] += 1
        told["resumed"] += fault.resumes and not wrong
        if wrong:
            told["unhandled"] += 1
            problems.append(f"{fault.id}: {wrong}")
    return {**told, "skipped": skipped, "problems": problems}
