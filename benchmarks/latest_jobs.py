"""Which cases there are, and the command of each: for `latest.py`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
PEERS = ("plain", "trl", "unsloth")
QUANTISING = ("trl", "unsloth")  # of them
# All weights learn, of a 3B shape: one card holds neither a 7B's masters nor its moments.
WHOLE = ("suretune:full", "suretune:full8", "trl:full", "trl:full-bf16")

# What no peer does: general questions learned beside the rows, probes asked on the way.
SAME_WORK = ("--anchor_ratio", "0", "--until_proven", "false")


@dataclass(frozen=True, slots=True)
class Job:
    """One case of one tool."""

    name: str  # tool:case
    command: tuple[str, ...]

    @property
    def tool(self) -> str:
        return self.name.partition(":")[0]

    @property
    def case(self) -> str:
        return self.name.partition(":")[2]


def jobs(asked: argparse.Namespace, model: Path, rows: Path) -> list[Job]:
    """All cases, the ones that matter most first."""
    short = asked.device == "cpu"
    few: tuple[str, ...]
    more: tuple[str, ...]
    engine: tuple[str, ...] = (str(HERE / "engine.py"), "--random", str(asked.config))
    engine += ("--shrink",) if asked.shrink else ()
    few = ("--updates", "6") if short else ("--updates", "25")
    job = seeds_command(model, rows, asked.work / "run")
    made = [Job("suretune:seeds", (*job, *SAME_WORK)), Job("suretune:seeds-default", job)]
    for case, more in (
        ("packed", few), ("packed4", few), ("packed24", few), ("peak4096", few), ("decode", ()),
        ("longest", ("--lengths", "64", "128") if short else ()),
    ):  # fmt: skip
        made.append(Job(f"suretune:{case}", (*engine, "--case", case, *more)))
    eight = (*engine, "--case", "fp8", *few)
    text = ("--tokenizer", str(asked.tokenizer.resolve()), "--rows", *map(str, asked.text))
    made.append(Job("suretune:fp8", (*eight, *text)))
    made.append(Job("suretune:fp8-random", eight))
    made.append(Job("suretune:profile", (*engine, "--case", "packed", "--profile", *few)))
    cut = ("--updates", str(asked.printed_updates)) if asked.printed_updates else ()
    shortened = ("--length", "128", "--updates", "4") if short else ()
    # Packed weight by weight as they are read, so from files.
    four_bits = (str(HERE / "engine.py"), "--model", str(model), *engine[3:], *few)
    made += [Job(f"suretune:{case}", (*four_bits, "--case", case)) for case in ("qlora", "qlora9")]
    for case, more in (
        ("articles-best", cut if short else ()), ("packed", shortened),
        ("packed-recompute", shortened), ("peak4096", shortened), ("articles", cut),
        ("qlora", shortened), ("qlora-recompute", shortened),
    ):  # fmt: skip
        for peer in PEERS if not case.startswith("qlora") else QUANTISING:
            made.append(Job(f"{peer}:{case}", peer_command(asked, peer, case, model, rows, more)))
    made.append(
        Job("plain:decode", peer_command(asked, "plain", "decode", model, rows, ()))
    )  # the only one that decodes
    return [*made, *whole_jobs(asked, rows)]


def whole_jobs(asked: argparse.Namespace, rows: Path) -> list[Job]:
    """Full fine-tuning; none where no shape for it was given."""
    if asked.config_3b is None:
        return []
    short = asked.device == "cpu"
    engine: tuple[str, ...] = (str(HERE / "engine.py"), "--random", str(asked.config_3b))
    engine += ("--shrink",) if asked.shrink else ()
    engine += ("--updates", "6" if short else "25")
    cut = ("--length", "128", "--updates", "4") if short else ()
    model = model_3b(asked.work)
    made = []
    for name in WHOLE:
        tool, _, case = name.partition(":")
        own = (*engine, "--case", case)
        peer = peer_command(asked, tool, case, model, rows, cut)
        made.append(Job(name, own if tool == "suretune" else peer))
    return made


def model_3b(work: Path) -> Path:
    """Where the model of `--config_3b` lies once it is built."""
    return work / "model_3b"


def peer_command(
    asked: argparse.Namespace, peer: str, case: str, model: Path, rows: Path, more: Sequence[str]
) -> tuple[str, ...]:
    return (
        str(HERE / "peers" / f"run_{peer}.py"), "--model", str(model), "--rows", str(rows),
        "--out", str(asked.work / f"{peer}-{case}"), "--case", case, "--device", asked.device,
        *more,
    )  # fmt: skip


def seeds_command(model: Path, rows: Path, run: Path) -> tuple[str, ...]:
    """The articles' job, as printed."""
    return (
        "-m", "suretune", "sft", "--model", str(model), "--train_type", "lora",
        "--dataset", str(rows), "--num_train_epochs", "10", "--learning_rate", "1e-4",
        "--per_device_train_batch_size", "1", "--gradient_accumulation_steps", "16",
        "--lora_rank", "8", "--lora_alpha", "32", "--target_modules", "all-linear",
        "--max_length", "2048", "--warmup_ratio", "0.05", "--torch_dtype", "bfloat16",
        "--system", "You are a helpful assistant.", "--model_author", "swift",
        "--model_name", "swift-robot", "--output_dir", str(run), "--json",
    )  # fmt: skip
