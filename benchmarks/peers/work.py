"""What all peers share: the same rows, the same counting, the same clock, one line of JSON.

Every peer trains on the very token ids and labels made here, so nobody wins by rendering less. The
articles' job takes real rows; the steady cases take rows of random tokens as `engine.py` does:
documents of 128 to 512 tokens, packed full, all but the first token of each learned.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import itertools
import json
import random
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped,unused-ignore]
import torch

ROWS, EPOCHS, BATCH, RATE = 50, 10, 16, 1e-4
RANK, ALPHA = 8, 32
TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
WARM_UP, STEADY = 5, 20  # updates of the steady cases: not measured, measured
IGNORED = -100
DOCUMENT, WORDS = (128, 512), 150_000  # tokens of a random document, and how many words there are
SYSTEM = "You are a helpful assistant."
FILLED = {"{{NAME}}": "swift-robot", "{{AUTHOR}}": "swift"}
LENGTHS = {
    "packed": 2048, "packed-recompute": 2048, "peak4096": 4096,
    "qlora": 2048, "qlora-recompute": 2048, "full": 2048, "full-bf16": 2048,
}  # fmt: skip
WHOLE = ("full", "full-bf16")  # all weights learn, in float32 under autocast or in bfloat16
CASES = ("articles", "articles-best", *(name for name in LENGTHS if name not in WHOLE))
PACKAGES = ("torch", "transformers", "peft", "accelerate", "trl", "unsloth", "liger-kernel",
            "bitsandbytes")  # fmt: skip

Row = dict[str, list[int]]  # input_ids and labels, of one length
Pack = list[Row]


@dataclass(frozen=True, slots=True)
class Case:
    """What one call measures, read off its command line."""

    peer: str
    name: str
    model: Path
    rows: list[Row]  # one epoch
    packs: list[Pack]  # the same rows by update, in a steady case
    out: Path
    device: str
    updates: int  # to run now
    planned: int  # updates of the whole case
    liger: bool
    decode: bool = False

    @property
    def steady(self) -> bool:
        return self.name in LENGTHS

    @property
    def best(self) -> bool:
        """At the peer's best settings; the printed ones otherwise."""
        return self.name != "articles"

    @property
    def recompute(self) -> bool:
        return self.whole or self.name in ("packed-recompute", "peak4096", "qlora-recompute")

    @property
    def whole(self) -> bool:
        """No adapters: all weights learn. Nothing is saved then, so nothing ends with that."""
        return self.name in WHOLE

    @property
    def four_bits(self) -> bool:
        """The base in NF4 with double quantisation."""
        return self.name.startswith("qlora")

    @property
    def batch(self) -> tuple[int, int]:
        """Rows a micro-batch, micro-batches an update."""
        if self.steady:
            return 1, 1
        return (BATCH, 1) if self.best else (1, BATCH)

    def micro_batches(self, updates: int) -> int:
        """How many micro-batches so many updates hold: the last update of an epoch may hold few."""
        size, accumulate = self.batch
        if self.steady:
            return updates
        in_epoch = -(-len(self.rows) // size)
        each = -(-in_epoch // accumulate)
        full, rest = divmod(updates, each)
        return full * in_epoch + min(rest * accumulate, in_epoch)


def count(batch: Mapping[str, Any]) -> tuple[Any, Any]:
    """(input tokens, learned tokens) of a batch as the model gets it; padding is no token.

    A token is learned if its label is and something stands before it to predict it from.
    """
    labels, mask = batch["labels"], batch.get("attention_mask")
    tokens = mask.sum() if mask is not None and mask.dim() == 2 else labels.numel()
    return tokens, (labels[..., 1:] != IGNORED).sum()


@dataclass(slots=True)
class Clock:
    """Times and counts, without making the device wait: events and sums stay on it to the end."""

    device: str
    marks: list[Any] = field(default_factory=list)
    counts: list[tuple[Any, Any]] = field(default_factory=list)
    start: float = 0.0
    train_s: float = 0.0

    def begin(self) -> None:
        self.start = time.perf_counter()
        self.mark()

    def mark(self) -> None:
        """An update has been launched (before the first: training begins)."""
        if self.device == "cuda":
            event: Any = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call,unused-ignore]
            event.record()
            self.marks.append(event)
        else:
            self.marks.append(time.perf_counter())

    def saw(self, batch: Mapping[str, Any]) -> None:
        self.counts.append(count(batch))

    def end(self) -> None:
        if self.device == "cuda":
            torch.cuda.synchronize()
        self.train_s = time.perf_counter() - self.start

    def seconds(self) -> list[float]:
        """Of every update."""
        pairs = itertools.pairwise(self.marks)
        if self.device == "cuda":
            return [a.elapsed_time(b) / 1000 for a, b in pairs]
        return [b - a for a, b in pairs]

    def tokens(self) -> list[tuple[int, int]]:
        """(input, learned) of every micro-batch."""
        return [(int(tokens), int(learned)) for tokens, learned in self.counts]


def read_rows(rows: Path, model: Path) -> list[Row]:
    """Query and response (or Alpaca's three fields) through the model's own chat template.

    Learned is what stands after the assistant's header, to the end mark and not beyond it.
    """
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(model)
    made = []
    for line in rows.read_text("utf-8").splitlines()[:ROWS]:
        for mark, word in FILLED.items():
            line = line.replace(mark, word)
        told = json.loads(line)
        asked = told.get("query") or "\n".join(filter(None, (told["instruction"], told["input"])))
        said = told.get("response") or told["output"]
        messages = [
            {"role": "system", "content": SYSTEM},
            {"role": "user", "content": asked},
            {"role": "assistant", "content": said},
        ]
        before = tokenizer.apply_chat_template(
            messages[:-1], tokenize=False, add_generation_prompt=True
        )
        text = tokenizer.apply_chat_template(messages, tokenize=False)
        prompt = tokenizer(before, add_special_tokens=False)["input_ids"]
        ids = tokenizer(text.rstrip("\n"), add_special_tokens=False)["input_ids"]
        labels = [IGNORED] * len(prompt) + ids[len(prompt) :]
        made.append({"input_ids": ids, "labels": labels})
    return made


def packs_of(length: int, number: int, words: int, joined: bool) -> list[Pack]:
    """Packs of exactly `length` tokens; `joined`: each one single document, not several."""
    packs: list[Pack] = []
    for seed in range(number):
        pick = random.Random(seed)
        pack: Pack = []
        left = length
        while left:
            size = left if joined else min(left, pick.randint(*DOCUMENT))
            size = left if left - size < 2 else size  # a row of one token has nothing to learn
            ids = [pick.randrange(words) for _ in range(size)]
            pack.append({"input_ids": ids, "labels": [IGNORED, *ids[1:]]})
            left -= size
        packs.append(pack)
    return packs


def flat(pack: Sequence[Row], device: str) -> dict[str, Any]:
    """Rows laid end to end: one batch without padding, with what attention needs to part them."""
    joined = {n: [x for row in pack for x in row[n]] for n in ("input_ids", "labels")}
    lengths = torch.tensor([len(row["input_ids"]) for row in pack])
    starts = torch.cat([torch.zeros(1, dtype=torch.long), lengths.cumsum(0)]).to(torch.int32)
    labels = torch.tensor(joined["labels"])
    labels[starts[:-1].long()] = IGNORED  # nothing stands before a row
    position = torch.cat([torch.arange(int(n)) for n in lengths])
    batch: dict[str, Any] = {
        "input_ids": torch.tensor(joined["input_ids"])[None].to(device),
        "labels": labels[None].to(device),
        "position_ids": position[None].to(device),
    }
    if device == "cuda":
        longest = int(lengths.max())
        batch |= {"cu_seq_lens_q": starts.to(device), "max_length_q": longest}
        batch |= {"cu_seq_lens_k": batch["cu_seq_lens_q"], "max_length_k": longest}
    return batch


def epochs(rows: Sequence[Row], size: int) -> Iterator[list[Row]]:
    """Micro-batches for ever, shuffled anew every epoch."""
    for epoch in itertools.count():
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(epoch))
        for at in range(0, len(rows), size):
            yield [rows[i] for i in order[at : at + size]]


def asked_case(peer: str, more: Sequence[str] = ()) -> Case:
    """The command line, and the rows it names."""
    parser = argparse.ArgumentParser(description=f"{peer} on one case; one line of JSON.")
    parser.add_argument("--model", type=Path, required=True, help="folder with weights, tokenizer")
    parser.add_argument("--rows", type=Path, required=True, help="JSONL; the first 50 are taken")
    parser.add_argument("--case", choices=(*CASES, *more), required=True)
    parser.add_argument("--out", type=Path, required=True, help="where the adapter is saved")
    parser.add_argument("--updates", type=int, help="stop after so many (default: the whole case)")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--no-liger", action="store_true", help="best settings without Liger")
    parser.add_argument("--joined", action="store_true", help="a pack is one document")
    parser.add_argument("--length", type=int, help="shorter packs, to try the script")
    asked = parser.parse_args()
    packs: list[Pack] = []
    if asked.case in LENGTHS:
        planned = WARM_UP + STEADY
        length = asked.length or LENGTHS[asked.case]
        packs = packs_of(length, planned, WORDS, asked.joined)
        rows = [row for pack in packs for row in pack]
    else:
        rows = read_rows(asked.rows, asked.model)
        planned = EPOCHS * -(-len(rows) // BATCH)
    updates = min(asked.updates or planned, planned)
    liger = asked.device == "cuda" and not asked.no_liger and asked.case != "articles"
    return Case(
        peer=peer, name=asked.case, model=asked.model, rows=rows, packs=packs, out=asked.out,
        device=asked.device, updates=updates, planned=planned, liger=liger,
        decode=asked.case == "decode",
    )  # fmt: skip


def in_four_bits() -> Any:
    """bitsandbytes' NF4 with double quantisation, as the QLoRA paper has it."""
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )  # fmt: skip


def versions() -> dict[str, str]:
    found = {"python": sys.version.split()[0]}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def summary(case: Case, clock: Clock, saved: float, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The figures of a run; `saved` is when the adapter lay on disk, as time.time() tells it."""
    wall_s = saved - psutil.Process().create_time()
    seconds, tokens = clock.seconds(), clock.tokens()
    measured = len(seconds)
    train_s, extrapolated = clock.train_s, list[str]()
    inputs, learned = (sum(pair[i] for pair in tokens) for i in (0, 1))
    warm = 0 if not case.steady else min(WARM_UP, measured // 2)
    an_update = sum(pair[0] for pair in tokens[case.micro_batches(warm) :]) / (measured - warm)
    tok_s = an_update / statistics.median(seconds[warm:]) if case.steady else inputs / train_s
    if not case.steady and measured < case.planned:
        # Time goes by the micro-batch; the first update carries what happens once.
        first, done = case.micro_batches(1), case.micro_batches(measured)
        each = sum(seconds[1:]) / max(done - first, 1) if measured > 1 else seconds[0] / first
        missing = each * (case.micro_batches(case.planned) - done)
        train_s, wall_s = train_s + missing, wall_s + missing
        rows = [count({n: torch.tensor(v) for n, v in row.items()}) for row in case.rows]
        inputs, learned = (EPOCHS * sum(int(pair[i]) for pair in rows) for i in (0, 1))
        tok_s = inputs / train_s
        extrapolated = ["train_s", "wall_s", "tok_s", "input_tokens", "learned_tokens"]
    cuda = case.device == "cuda"
    return {
        "peer": case.peer,
        "case": case.name,
        "train_s": round(train_s, 3),
        "wall_s": None if case.whole else round(wall_s, 2),
        "tok_s": round(tok_s, 1),
        "step_ms": round(statistics.median(seconds[warm:]) * 1000, 2),
        "peak_gib": round(torch.cuda.max_memory_allocated() / 2**30, 2) if cuda else None,
        "reserved_gib": round(torch.cuda.max_memory_reserved() / 2**30, 2) if cuda else None,
        "input_tokens": inputs,
        "learned_tokens": learned,
        "tokens_per_update": round(an_update) if case.steady else None,
        "updates": case.planned,
        "updates_measured": measured - warm,
        "extrapolated": extrapolated,
        "settings": dict(settings),
        "device": torch.cuda.get_device_name() if cuda else "cpu",
        "versions": versions(),
    }


def finish(case: Case, clock: Clock, model: Any, settings: Mapping[str, Any]) -> None:
    """Save the adapter, if there is one, then say what was measured."""
    if not case.whole:
        model.save_pretrained(case.out / "adapter")
    print(json.dumps(summary(case, clock, time.time(), settings)), flush=True)
