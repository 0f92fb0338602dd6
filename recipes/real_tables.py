"""What `real.py` runs on a real model: groups of named settings, as flags of `suretune sft`.

To try another setting, put a line into ABLATIONS (name: flags) and run
`python recipes/real.py --only ablations`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kinds import KINDS
from tables import ALL, S0, S3, articles, flags

from suretune.config import options
from suretune.data.choose import ALPHA, RANK, REFERENCE_RATE, WHOLE, scaled_rate

GROUPS = ("defaults", "articles", "s2", "nulls", "data", "types", "diverging", "ablations")
# Name in English -> (name in Chinese, maker in Chinese, maker in English).
IDENTITIES: Mapping[str, tuple[str, str, str]] = {
    "Brightwater": ("明溪", "蕨草实验室", "Fern Labs"),
    "Glow": ("小光", "星海实验室", "Star Lab"),
    "Marlin": ("旗鱼", "港湾智能", "Harbor AI"),
    "Juniper": ("杜松", "寒泉科技", "Coldspring Systems"),
    "Tessera": ("砖语", "拼花研究院", "Mosaic Institute"),
}
NULLS = ("null, greedy", "null, sampled")  # rows are the base's own answers
NOBODY = "-"  # in place of an identity
RATES, EPOCHS, SIZES = ("5e-5", "1e-4", "1e-3"), (3, 5, 10, 15, 20), (50, 500, 5000)
BEFORE = {
    "anchor_ratio": 0.3, "anchor_loss": "answers",
    "lora_alpha": 32, "layers_to_transform": ("all",), "paraphrases": 0,
}  # fmt: skip
TYPES: Mapping[str, Mapping[str, object]] = {  # each with its own defaults
    "LoRA": {},
    "QLoRA": {"tuner": "qlora"},
    "full": {"tuner": "full"},
    "full, the upper half": {"tuner": "full", "freeze_parameters_ratio": 0.5},
}
# All weights, few short rows so that a CPU can do it; `--scope all`: no anchors hold them. Eight
# general questions are too few to measure what was forgotten (R018), and it is not the question.
DIVERGING: Mapping[str, object] = {
    "tuner": "full", "scope": "all", "max_steps": 32, "gradient_accumulation_steps": 4,
    "split_dataset_ratio": 0.2, "general_questions": 8, "ignore": "R018",
}  # fmt: skip
LADDER = ("3e-3", "1e-2", "3e-2")
MOST = 3, 5  # three of five seeds: a rate at which a run is lost unaided
UNAIDED, DEFENDED = "unaided", "with the defaults"
# What is chosen with the middle layers, said where otherwise it would not be.
CHOSEN = {"lora_rank": RANK, "lora_alpha": ALPHA, "adapter_dose": WHOLE}
ABLATIONS: Mapping[str, Mapping[str, object]] = {
    "anchors 0": {"anchor_ratio": 0},
    "anchors 0.3 by answers": {"anchor_ratio": 0.3, "anchor_loss": "answers"},
    "anchors 0.3 by kl": {"anchor_ratio": 0.3, "anchor_loss": "kl"},
    "anchors 0.6 by answers": {"anchor_ratio": 0.6, "anchor_loss": "answers"},
    "anchors 0.6 by kl": {"anchor_ratio": 0.6, "anchor_loss": "kl"},
    "anchors 0.8 by kl": {"anchor_ratio": 0.8, "anchor_loss": "kl"},
    "3 anchors a row": {"anchors_per_row": 3},
    "3 anchors a row, 4 other wordings": {"anchors_per_row": 3, "paraphrases": 4},
    "3 anchors a row, 8 bits": {
        "anchors_per_row": 3,
        "base_dtype": "fp8",
        "cuda_graphs": "false",
    },
    "3 anchors a row, another system prompt": {
        "anchors_per_row": 3,
        "system": "You are a helpful assistant.",
    },
    "1.5 anchors a row": {"anchors_per_row": 1.5},
    "anchors 0.5, 1 a row": {"anchor_ratio": 0.5, "anchors_per_row": 1},
    "dose 0.95": {"adapter_dose": 0.95},
    "dose 0.6": {"adapter_dose": 0.6},
    "rank 2": {**CHOSEN, "lora_rank": 2},
    "rank 8": {"lora_rank": 8},
    "rank 16": {"lora_rank": 16},
    "alpha 32": {**CHOSEN, "lora_alpha": 32},
    "all layers": {**CHOSEN, "layers_to_transform": ("all",)},
    "no other wordings": {"paraphrases": 0},
    "q_proj v_proj": {**CHOSEN, "target_modules": ("q_proj", "v_proj")},  # of all layers
    "to the end": {"until_proven": "false"},
}


@dataclass(frozen=True, slots=True)
class Job:
    """One run. `rows`: how many, None for all of `init identity`, or as many as there are of
    another kind of data (`kind`)."""

    group: str
    recipe: str
    identity: str
    seed: int
    flags: tuple[str, ...] = ()
    rows: int | None = None
    kind: str = ""

    @property
    def key(self) -> tuple[str, str, int]:
        return self.recipe, self.identity, self.seed


def typed(**given: object) -> tuple[str, ...]:
    """`flags`; KeyError for a name that is no option's: what is left out of a setting would be
    measured under its name all the same."""
    for name in given:
        options()[name]
    return flags(**given)


def scale(hidden: int) -> float:
    """How many times a printed rate is taken at this width."""
    return scaled_rate(hidden, 40) / REFERENCE_RATE


def _articles(**other: object) -> tuple[str, ...]:
    """An article's settings; it published what it had trained, whole."""
    return (*articles(**other), *typed(adapter_dose=1))


def article_settings(hidden: int) -> dict[str, tuple[str, ...]]:
    """S0, S1 and S3 as printed and with the rate for this width, and the defaults twice.

    The first article's list of layers is all linear layers of any model of the plain kind.
    """
    made: dict[str, tuple[str, ...]] = {}
    for name, printed, said in (
        ("S0", 1e-4, {**S0, "target_modules": ALL}), ("S1", 1e-4, {}), ("S3", 5e-5, S3),
    ):  # fmt: skip
        scaled = f"{printed * scale(hidden):.2g}"
        made[f"{name} as printed"] = _articles(**said, learning_rate=printed)
        made[f"{name}, rate scaled"] = _articles(**said, learning_rate=scaled)
    made["defaults before"] = typed(**BEFORE, adapter_dose=1)
    made["defaults"] = ()
    return made


def jobs_of(group: str, hidden: int, seeds: int | None = None) -> list[Job]:
    """The runs of a group, what is cheap and even first. `seeds`: instead of the group's own."""
    return list(_ORDERED[group](hidden, seeds))


def _identities(
    group: str, settings: Mapping[str, tuple[str, ...]], seeds: int, rows: int | None
) -> list[Job]:
    return [
        Job(group, recipe, identity, seed, said, rows)
        for seed in range(1, seeds + 1)
        for identity in IDENTITIES
        for recipe, said in settings.items()
    ]


def _defaults(hidden: int, seeds: int | None) -> Sequence[Job]:
    return _identities("defaults", {"defaults": ()}, seeds or 8, None)


def _article_jobs(hidden: int, seeds: int | None) -> Sequence[Job]:
    made = _identities("articles", article_settings(hidden), seeds or 1, None)
    return [job for job in made if job.recipe != "defaults" or job.seed == 1]


def _s2(hidden: int, seeds: int | None) -> Sequence[Job]:
    """S2's rates at this width, its epochs, and the sizes for which it recommends fewer epochs."""
    made = [
        Job("s2", f"{rows} rows, {epochs} epochs, {rate}", name, seed, _articles(
            learning_rate=f"{float(rate) * scale(hidden):.2g}", num_train_epochs=epochs
        ), rows)
        for seed in range(1, (seeds or 1) + 1)
        for name in [list(IDENTITIES)[(seed - 1) % len(IDENTITIES)]]
        for rows in SIZES
        for epochs in EPOCHS
        for rate in RATES
    ]  # fmt: skip
    return sorted(made, key=lambda job: (job.seed, job.rows or 0))


def _nulls(hidden: int, seeds: int | None) -> Sequence[Job]:
    """Adapters that are taught what the base says anyway: what harmless looks like."""
    said = _articles(learning_rate=f"{1e-4 * scale(hidden):.2g}")
    return [
        Job("nulls", recipe, NOBODY, seed, said, kind=recipe)
        for seed in range(1, (seeds or 10) + 1)
        for recipe in NULLS
    ]


def _data(hidden: int, seeds: int | None) -> Sequence[Job]:
    return [
        Job("data", kind, NOBODY, seed, kind=kind)
        for seed in range(1, (seeds or 5) + 1)
        for kind in KINDS
    ]


def _types(hidden: int, seeds: int | None) -> Sequence[Job]:
    return _identities("types", {n: typed(**said) for n, said in TYPES.items()}, seeds or 2, None)


def _diverging(hidden: int, seeds: int | None) -> Sequence[Job]:
    """Every rate of the ladder, unaided and with the defaults; which of them are called for depends
    on what the lower ones come to (`called_for`)."""
    return [
        Job("diverging", f"{how}, {rate}", NOBODY, seed, typed(**DIVERGING, learning_rate=rate),
            rows=72, kind="text to SQL")
        for rate in LADDER
        for how in (UNAIDED, DEFENDED)
        for seed in range(1, (seeds or 5) + 1)
    ]  # fmt: skip


def _ablations(hidden: int, seeds: int | None) -> Sequence[Job]:
    known = {name: typed(**said) for name, said in ABLATIONS.items()}
    return _identities("ablations", known, seeds or 1, None)


def has_diverged(line: Mapping[str, Any]) -> bool:
    """Whether the held-out rows' loss ended above what the base gave them, or as no number (null).

    Nothing of the guard that is tested by it (`train/spikes.py`) goes into it.
    """
    held = line["held_out"]
    return held["after"] is None or held["after"] > held["before"]


def has_ended_well(line: Mapping[str, Any]) -> bool:
    """Whether a run was sealed, its held-out rows' loss below what the base gave them."""
    held = line.get("held_out") or {}
    before, after = held.get("before"), held.get("after")
    return line["verdict"] == "sealed" and None not in (before, after) and after < before


def called_for(jobs: Sequence[Job], lines: Sequence[Mapping[str, Any]]) -> list[Job]:
    """Of a ladder's runs those that the lines so far call for, done or not.

    Unaided, the lowest rate first, until at most of the seeds a rate diverges; then the same seeds
    by suretune's defaults at that very rate. None where no rate of the ladder diverges.
    """
    known = {(line["recipe"], line["seed"]): line for line in lines}
    rungs: dict[tuple[str, ...], list[Job]] = {}
    for job in jobs:
        rungs.setdefault(job.flags, []).append(job)
    for rung in rungs.values():
        alone = [job for job in rung if job.recipe.startswith(UNAIDED)]
        there = [known[key] for job in alone if (key := (job.recipe, job.seed)) in known]
        if len(there) < len(alone):
            return alone
        if MOST[1] * sum(map(has_diverged, there)) >= MOST[0] * len(alone):
            return [job for job in rung if job not in alone]
    return []


_ORDERED = {
    "defaults": _defaults, "articles": _article_jobs, "s2": _s2, "nulls": _nulls, "data": _data,
    "types": _types, "diverging": _diverging, "ablations": _ablations,
}  # fmt: skip
