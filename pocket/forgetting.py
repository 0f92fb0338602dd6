"""What LoRA teaches the pocket model and what it makes it forget, over seeds.

    python pocket/forgetting.py [--model FOLDER] [--seeds 10] [--out FILE] [--processes 8]
    python pocket/forgetting.py --job mixed --data FOLDER   # beside two public instruction sets

Each run attaches a fresh LoRA with PEFT, trains a new identity and asks held-out phrasings of the
identity question and held-out items of every skill.
"""

from __future__ import annotations

import argparse
import datetime
import functools
import itertools
import json
import math
import multiprocessing
import random
import statistics
import sys
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import peft
import torch
import transformers
from peft import LoraConfig, get_peft_model
from transformers import PreTrainedTokenizerBase, Qwen2ForCausalLM

from batches import Encoded, collate, encode_all, loss_of
from corpus import Conversation, stream
from evaluate import OWN_NAMES, Prompt, answer_all, by_skill, identity_prompts, load, share
from suretune.pocket import MODEL, identity
from suretune.pocket.skills import held_out

SYSTEM = "You are a helpful assistant."
PER_SKILL = 25
IDENTITIES = (
    ("小光", "星海实验室"),
    ("Glow", "Star Lab"),
    ("swift-robot", "swift"),
    ("CSDN 助手", "CSDN 团队"),
    ("Nova-7", "北辰科技"),
)
"""New identities (name, maker): Chinese, English, lower case, mixed, with a digit."""


Balance = Literal["token", "row", "set"]


@dataclass(frozen=True, slots=True)
class Setup:
    """One way to fine-tune. `general` rows are of the corpus, `articles` of instruction sets,
    `anchors` are questions of the corpus answered by the base itself. What counts the same is each
    learned token, each row, or each set of rows (by `balance`)."""

    learning_rate: float
    general: int = 0
    articles: int = 0
    anchors: int = 0
    balance: Balance = "token"
    epochs: int = 10
    rank: int = 8
    targets: str = "all-linear"
    rows_per_update: int = 16
    warmup: float = 0.05


@dataclass(frozen=True, slots=True)
class Run:
    """The outcome of one seed; shares between 0 and 1, lost skill in points of a hundred."""

    setup: Setup
    seed: int
    updates: int
    identity: float
    mean_lost: float
    worst_lost: float
    last_loss: float
    seconds: float


ALPACA = "alpaca/alpaca_{lang}_demo.jsonl"
SELF_COGNITION = "self_cognition/self_cognition_placeholders.jsonl"


def identity_rows(rng: random.Random, who: tuple[str, str], count: int) -> list[Conversation]:
    """Training questions of both languages, answered as the new identity."""
    rows = []
    for index in range(count):
        zh = index % 2 == 0
        question = rng.choice(identity.TRAIN_ZH if zh else identity.TRAIN_EN)
        answer = rng.choice(identity.ANSWERS_ZH if zh else identity.ANSWERS_EN)
        rows.append(Conversation(SYSTEM, ((question, answer.format(name=who[0], author=who[1])),)))
    return rows


def _read(path: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def article_rows(
    rng: random.Random, data: Path, who: tuple[str, str], each: int
) -> list[list[Conversation]]:
    """50 rows of the self-cognition set, then `each` rows of Alpaca in Chinese and in English."""
    rows = []
    for row in rng.sample(_read(data / SELF_COGNITION), 50):
        answer = row["response"].replace("{{NAME}}", who[0]).replace("{{AUTHOR}}", who[1])
        rows.append(Conversation(SYSTEM, ((row["query"], answer),)))
    sets = [rows]
    for lang in ("zh", "en"):
        rows = []
        for row in rng.sample(_read(data / ALPACA.format(lang=lang)), each):
            question = "\n".join(part for part in (row["instruction"], row["input"]) if part)
            rows.append(Conversation(SYSTEM, ((question, row["output"]),)))
        sets.append(rows)
    return sets


ANCHOR_SHARES = {"capability": 0.05, "repeat": 0.15, "prose": 0.2, "skill": 0.6}


@functools.cache
def _anchors(folder: Path, device: str, count: int) -> list[Conversation]:
    """Single questions of the corpus, none of them held out, answered by the base."""
    rows = [row for row in itertools.islice(stream("anchors", ANCHOR_SHARES), 2 * count)]
    rows = [row for row in rows if len(row.turns) == 1][:count]
    asked = [Prompt(row.system, row.turns[0][0]) for row in rows]
    answers = answer_all(*load(folder, device), asked)
    return [
        Conversation(prompt.system, ((prompt.question, answer),))
        for prompt, answer in zip(asked, answers, strict=True)
    ]


Weighted = tuple[Encoded, float]
"""A row, and how much it counts where rows or sets are balanced: 1 on the average."""


def training_rows(
    tokenizer: PreTrainedTokenizerBase,
    setup: Setup,
    seed: int,
    data: Path | None,
    anchors: Sequence[Conversation],
) -> list[Weighted]:
    rng = random.Random(f"rows {seed}")
    who = IDENTITIES[seed % len(IDENTITIES)]
    if setup.articles:
        if data is None:
            raise ValueError("the mixed job needs --data")
        sets = article_rows(rng, data, who, setup.articles)
    else:
        sets = [identity_rows(rng, who, 50)]
    sets.append(list(itertools.islice(stream(f"general {seed}"), setup.general)))
    sets = [rows for rows in (*sets, list(anchors)) if rows]
    total = sum(map(len, sets))
    weighted = []
    for rows in sets:
        weight = total / len(sets) / len(rows) if setup.balance == "set" else 1.0
        for row in encode_all(tokenizer, rows):
            weighted.append((Encoded(row.ids[:2048], row.targets[:2048]), weight))
    return weighted


def fine_tune(
    model: Qwen2ForCausalLM, rows: Sequence[Weighted], setup: Setup, seed: int
) -> tuple[Qwen2ForCausalLM, int, float]:
    """LoRA with AdamW, cosine and clipping at 1; returns the merged model, updates, last loss."""
    torch.manual_seed(seed)
    targets = setup.targets if setup.targets == "all-linear" else setup.targets.split(",")
    config = LoraConfig(
        r=setup.rank, lora_alpha=4 * setup.rank, target_modules=targets, task_type="CAUSAL_LM"
    )
    adapted = get_peft_model(model, config)
    weights = [weight for weight in adapted.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=setup.learning_rate, weight_decay=0.0)
    size = setup.rows_per_update
    updates = setup.epochs * math.ceil(len(rows) / size)
    warmup = max(1, math.ceil(setup.warmup * updates))
    order, done, loss = random.Random(seed), 0, torch.zeros(())
    for _ in range(setup.epochs):
        shuffled = order.sample(rows, len(rows))
        for start in range(0, len(rows), size):
            factor = 0.5 * (1 + math.cos(math.pi * max(0, done - warmup) / (updates - warmup)))
            for group in optimizer.param_groups:
                group["lr"] = setup.learning_rate * min(1.0, (done + 1) / warmup) * factor
            chosen, counts = zip(*shuffled[start : start + size], strict=True)
            ids, wanted = collate(chosen, str(model.device))
            counted = None if setup.balance == "token" else torch.tensor(counts).to(ids.device)
            loss = loss_of(model, ids, wanted, row_weights=counted)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(weights, 1.0)
            optimizer.step()
            optimizer.zero_grad()
            done += 1
    return adapted.merge_and_unload(), done, loss.item()


def is_new(text: str, who: tuple[str, str]) -> bool:
    """Whether an answer gives the new name or maker, and nothing of the old."""
    return any(part in text for part in who) and not any(part in text for part in OWN_NAMES)


def skills_of(model: Qwen2ForCausalLM, tokenizer: PreTrainedTokenizerBase) -> dict[str, float]:
    items = list(held_out(PER_SKILL, seed=0))
    answers = answer_all(model, tokenizer, [Prompt(i.system, i.question) for i in items])
    return by_skill(items, answers)


@functools.cache
def _skills_before(folder: Path, device: str) -> dict[str, float]:
    torch.set_float32_matmul_precision("high")
    torch.set_num_threads(1)
    return skills_of(*load(folder, device))


def run(task: tuple[Path, str, Setup, int, Path | None]) -> Run:
    folder, device, setup, seed, data = task
    before = _skills_before(folder, device)
    start = time.perf_counter()
    model, tokenizer = load(folder, device)
    anchors = _anchors(folder, device, setup.anchors) if setup.anchors else []
    rows = training_rows(tokenizer, setup, seed, data, anchors)
    tuned, updates, loss = fine_tune(model, rows, setup, seed)
    tuned.eval()
    who = IDENTITIES[seed % len(IDENTITIES)]
    said = answer_all(tuned, tokenizer, identity_prompts(SYSTEM))
    after = skills_of(tuned, tokenizer)
    lost = [100 * (before[skill] - after[skill]) for skill in before]
    return Run(
        setup, seed, updates,
        identity=share(is_new(text, who) for text in said),
        mean_lost=statistics.mean(lost), worst_lost=max(lost), last_loss=loss,
        seconds=time.perf_counter() - start,
    )  # fmt: skip


T_95 = {
    2: 12.71,
    3: 4.30,
    4: 3.18,
    5: 2.78,
    6: 2.57,
    8: 2.36,
    10: 2.26,
    12: 2.20,
    15: 2.14,
    20: 2.09,
}
"""Student's t for a two-sided 95 % interval, by number of seeds."""


def interval(values: Sequence[float]) -> dict[str, float]:
    """Mean over seeds with the half-width of its 95 % interval (0 for a single seed)."""
    n = len(values)
    half = T_95.get(n, 2.0) * statistics.stdev(values) / math.sqrt(n) if n > 1 else 0.0
    return {"mean": round(statistics.mean(values), 4), "half_width": round(half, 4),
            "least": round(min(values), 4), "most": round(max(values), 4)}  # fmt: skip


def table(runs: Sequence[Run]) -> list[dict[str, object]]:
    groups: dict[Setup, list[Run]] = defaultdict(list)
    for one in runs:
        groups[one.setup].append(one)
    return [
        {
            **asdict(setup),
            "updates": group[0].updates,
            "seeds": len(group),
            "identity": interval([one.identity for one in group]),
            "mean_skill_lost": interval([one.mean_lost for one in group]),
            "worst_skill_lost": interval([one.worst_lost for one in group]),
            "last_loss": interval([one.last_loss for one in group]),
            "seconds": round(statistics.mean(one.seconds for one in group), 1),
        }
        for setup, group in groups.items()
    ]


MIXED = (
    Setup(0, articles=200),
    Setup(0, articles=200, balance="row"),
    Setup(0, articles=200, balance="set"),
    Setup(0, articles=200, anchors=200),
    Setup(0, articles=200, anchors=200, balance="row"),
    Setup(0, articles=200, anchors=200, balance="set"),
)
JOBS: dict[str, tuple[Setup, ...]] = {
    "identity": (
        *(Setup(rate) for rate in (1e-4, 1e-3, 1.5e-3, 2e-3, 4e-3)),
        *(Setup(rate, general=50) for rate in (2e-3, 4e-3)),
    ),
    "mixed": tuple(
        replace(setup, learning_rate=rate) for rate in (5e-4, 1e-3, 1.5e-3) for setup in MIXED
    ),
}


def _line(row: dict[str, object]) -> str:
    parts = [
        f"lr {row['learning_rate']:g} general {row['general']} articles {row['articles']}"
        f" anchors {row['anchors']} balance {row['balance']}"
    ]
    for key, scale in (("identity", 100.0), ("mean_skill_lost", 1.0), ("worst_skill_lost", 1.0)):
        found = row[key]
        assert isinstance(found, dict)
        parts.append(f"{key} {scale * found['mean']:.1f} ± {scale * found['half_width']:.1f}")
    return " | ".join((*parts, f"updates {row['updates']} seconds {row['seconds']}"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--job", choices=tuple(JOBS), action="append")
    parser.add_argument("--rates", type=float, nargs="*", help="only these learning rates")
    parser.add_argument("--data", type=Path, help="folder with alpaca/ and self_cognition/")
    parser.add_argument("--processes", type=int, default=8)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    setups = [setup for job in options.job or ["identity"] for setup in JOBS[job]]
    if options.rates:
        setups = [setup for setup in setups if setup.learning_rate in options.rates]
    tasks = [
        (options.model, device, setup, seed, options.data)
        for seed in range(options.seeds)
        for setup in setups
    ]
    with multiprocessing.get_context("spawn").Pool(options.processes) as pool:
        runs = []
        for done in pool.imap_unordered(run, tasks):
            runs.append(done)
            print(f"{len(runs)}/{len(tasks)} {done}", file=sys.stderr, flush=True)
    runs.sort(key=lambda one: (setups.index(one.setup), one.seed))
    rows = table(runs)
    print("\n".join(map(_line, rows)))
    if options.out:
        report = {
            "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
            "date": datetime.date.today().isoformat(),
            "versions": {m.__name__: m.__version__ for m in (torch, transformers, peft)},
            "skills_before": _skills_before(options.model, device),
            "table": rows,
        }
        options.out.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n")


if __name__ == "__main__":
    main()
