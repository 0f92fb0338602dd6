"""A base and the adapters that shall be served: checked against their seals, then loaded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch

from suretune import typed
from suretune.data.base import Base, find_base
from suretune.deploy.seal_replay import (
    Candidate,
    Record,
    check_base,
    open_candidate,
    recorded,
    room_needed,
)
from suretune.facts import FlagFacts, ReplayFacts, SetupFacts
from suretune.hubs.names import parse_name
from suretune.model.device import DTYPES, free_memory
from suretune.model.kv_cache import cache_bytes
from suretune.model.load import load_base
from suretune.model.slots import Slots
from suretune.model.stack import Stack, make_stack
from suretune.model.weight_stream import begin
from suretune.options import Config
from suretune.preflight.hardware import hardware
from suretune.record.journal import Journal
from suretune.run.opened import base_of, packing_of
from suretune.types import Text

MOST_ROOM = 4096  # tokens of a prompt and its answer, unless more is asked for
ROWS = {"cuda": 64, "cpu": 8}
SPARE_RANKS = 64  # for adapters that come later
SHARE = 0.8  # of what is free, for keys and values
GIB = 2**30


@dataclass(slots=True)
class House:
    """A base that is loaded, and what it may be used for. `whole`: the one candidate that it is
    itself, a model whose own weights were trained."""

    config: Config
    base: Base
    fingerprint: str
    stack: Stack
    device: torch.device
    dtype: str
    rows: int
    room: int
    candidates: Sequence[Candidate]
    records: dict[str, Record] = field(default_factory=dict)  # by name of the model
    proofs: dict[str, ReplayFacts] = field(default_factory=dict)
    whole: Candidate | None = None

    def table(self) -> Slots:
        """Slots without adapters: the engine loads those."""
        if self.device.type == "cuda":
            torch.cuda.empty_cache()  # what a table before this one had
        asked = self.config.serve
        spare = SPARE_RANKS if asked.adapters_dir else 0
        given = sum(-(-candidate.ranks // 8) * 8 for candidate in self.candidates)
        ranks = asked.max_lora_ranks or max(8, given + spare)
        return Slots(
            self.stack,
            self.rows,
            self.room,
            asked.max_loras,
            ranks,
        )


def open_house(
    config: Config,
    runs: Sequence[str],
    journal: Journal,
) -> House:
    """Seals, base and fingerprints are checked before the weights are read."""
    names = config.serve.served_model_name
    if names and len(names) != len(runs):
        hint = Text(
            f"{len(runs)} runs need {len(runs)} names", f"{len(runs)} 个运行需要同样多的名字"
        )
        raise journal.stop(
            FlagFacts("bad-value", "--served_model_name", " ".join(names), hint=hint)
        )
    given = names or [None] * len(runs)
    candidates = [
        open_candidate(run, name, config, journal) for run, name in zip(runs, given, strict=True)
    ]
    about = candidates[0].about if candidates else {}
    whole = _alone(runs, candidates, journal)
    named = str(whole.folder) if whole else base_of(config, about)
    with journal.judging():
        base = find_base(named, weights=True).packed_as(packing_of(about))
    if not config.model.model and about.get("base"):  # found by its folder, known by its name
        base = replace(base, name=str(about["base"]))
    fingerprint = base.fingerprint()
    taken = set() if whole else {base_name(base)}
    for candidate in () if whole else candidates:
        check_base(candidate, base, fingerprint, journal)
        if candidate.name in taken:
            hint = Text("two models have this name", "有两个模型同名")
            raise journal.stop(
                FlagFacts("bad-value", "--served_model_name", candidate.name, hint=hint)
            )
        taken.add(candidate.name)
    if len(candidates) > config.serve.max_loras:
        hint = Text(f"{len(candidates)} runs were given", f"给出了 {len(candidates)} 个运行")
        raise journal.stop(
            FlagFacts("bad-value", "--max_loras", str(config.serve.max_loras), hint=hint)
        )
    records = {c.name: recorded(c, c.run, journal) for c in candidates if c.run is not None}
    # An adapter that comes later is read as one of this base, whatever it calls it.
    config = replace(config, model=replace(config.model, model=str(base.folder)))
    house = _loaded(config, base, fingerprint, candidates, journal)
    house.records, house.whole = records, whole
    for record in records.values():
        _needs_room(house, record, journal)
    return house


def _alone(
    runs: Sequence[str],
    candidates: Sequence[Candidate],
    journal: Journal,
) -> Candidate | None:
    """The model that is served by itself; a stop where others were asked for beside it."""
    whole = [(run, one) for run, one in zip(runs, candidates, strict=True) if one.whole]
    if not whole:
        return None
    run, one = whole[0]
    if len(candidates) > 1:
        hint = Text(
            f"{run} trained the base's own weights: it is a model by itself, and no adapter can"
            " share its base. Serve it by a command of its own",
            f"{run} 训练的是原模型自身的权重，它自己就是一个模型，不能和适配器共用原模型；"
            "请单独用一条命令部署它",
        )
        raise journal.stop(FlagFacts("bad-value", "serve", " ".join(runs), hint=hint))
    return one


def base_name(base: Base) -> str:
    """As clients know it: a hub name, or a folder's name without where it lies."""
    if base.name == "pocket" or base.fetched:
        return base.name
    meant = None if os.path.isdir(typed.place(base.name)) else parse_name(base.name)
    return meant.id if meant else base.folder.name


def _loaded(
    config: Config,
    base: Base,
    fingerprint: str,
    candidates: Sequence[Candidate],
    journal: Journal,
) -> House:
    device, dtype = hardware(config.model, journal)
    begin(base, device, DTYPES[dtype])
    with journal.judging():
        model = load_base(base, device, dtype, "sdpa")
    stack = make_stack(model, learning=False)
    if isinstance(stack, str):
        raise journal.stop(SetupFacts("cannot-serve", base.name, found=stack))
    room = min(config.serve.max_model_len or min(base.context, MOST_ROOM), base.context)
    rows = _rows(config, stack, room, device, journal)
    return House(
        config=config,
        base=base,
        fingerprint=fingerprint,
        stack=stack,
        device=device,
        dtype=dtype,
        rows=rows,
        room=room,
        candidates=candidates,
    )


def _rows(
    config: Config,
    stack: Stack,
    room: int,
    device: torch.device,
    journal: Journal,
) -> int:
    """As many slots as were asked for, or a stop; without a word as many as fit."""
    asked = config.serve.max_num_seqs
    rows, free = asked or ROWS[device.type], SHARE * free_memory(device)
    while not asked and rows > 1 and cache_bytes(stack, rows, room) > free:
        rows //= 2
    wanted = cache_bytes(stack, rows, room)
    if wanted > free:
        raise journal.stop(no_room(rows, room, room_of(wanted, free)))
    return rows


def room_of(wanted: float, free: float) -> Text:
    """Bytes that would be taken, and that are free."""
    return Text(
        f"{wanted / GIB:.1f} GiB of {free / GIB:.1f} GiB",
        f"需要 {wanted / GIB:.1f} GiB，可用 {free / GIB:.1f} GiB",
    )


def no_room(rows: int, room: int, found: Text) -> SetupFacts:
    """What is told where the slots do not fit."""
    return SetupFacts(
        "slots-too-large",
        f"{rows} x {room}",
        found=found,
    )


def _needs_room(
    house: House,
    record: Record,
    journal: Journal,
) -> None:
    if room_needed(record) > house.room:
        hint = Text(
            f"the probes of the seal need {room_needed(record)}",
            f"验证记录里的验证问题需要 {room_needed(record)}",
        )
        raise journal.stop(FlagFacts("bad-value", "--max_model_len", str(house.room), hint=hint))
