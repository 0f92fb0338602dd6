"""A base and the adapters that shall be served: checked against their seals, then loaded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch

from suretune import typed
from suretune.data.base import Base, find_base
from suretune.data.choose import RANK
from suretune.deploy.apart import Apart, begin_all
from suretune.deploy.held import Held, Hold, hold
from suretune.deploy.seal_replay import (
    Candidate,
    Record,
    check_base,
    open_candidate,
    recorded,
    room_needed,
)
from suretune.facts import FlagFacts, ReplayFacts
from suretune.hubs.names import parse_name
from suretune.model.slots import Slots
from suretune.options import Config
from suretune.preflight.hardware import hardware
from suretune.record.journal import Journal
from suretune.serve.desk import Desk
from suretune.serve.engine import Engine
from suretune.serve.engines import Engines
from suretune.speak.opened import base_of, packing_of
from suretune.types import Text

MOST_ROOM = 4096  # tokens of a prompt and its answer, unless more is asked for
SPARE_RANKS = 8 * RANK  # for adapters that come later: of the highest rank that is chosen


@dataclass(slots=True)
class House:
    """A base that is loaded, and what it may be used for. `whole`: the one candidate that it is
    itself, a model whose own weights were trained."""

    config: Config
    base: Base
    fingerprint: str
    held: Held | Apart
    device: torch.device
    dtype: str
    candidates: Sequence[Candidate]
    records: dict[str, Record] = field(default_factory=dict)  # by name of the model
    proofs: dict[str, ReplayFacts] = field(default_factory=dict)
    whole: Candidate | None = None

    @property
    def rows(self) -> int:
        """Slots of an engine."""
        return self.held.rows

    @property
    def room(self) -> int:
        """Tokens of a prompt and its answer."""
        return self.held.asked.room

    @property
    def engines(self) -> int:
        """How many there are, each with a copy of the base."""
        return len(self.held.sources) if isinstance(self.held, Apart) else 1

    def table(self) -> Slots:
        """Slots without adapters, in this process: the engine loads those."""
        if isinstance(self.held, Apart):
            raise RuntimeError("its tables are in processes of their own")
        return self.held.table(self.rows)

    def desk(self) -> Desk:
        """The engine, or all of them."""
        queue = self.config.serve.max_queue
        if isinstance(self.held, Apart):
            return Engines(self.held.sources, queue)
        return Engine(self.table, queue)

    def close(self) -> None:
        """Let go of processes, if there are any."""
        if isinstance(self.held, Apart):
            self.held.close()


def open_house(
    config: Config,
    runs: Sequence[str],
    journal: Journal,
) -> House:
    """Seals, base and fingerprints are checked before the weights are read."""
    names = config.serve.served_model_name
    if names and len(names) != len(runs):
        hint = Text(
            f"Runs: {len(runs)}; names: {len(names)}. Each run takes one name, in their order",
            f"运行有 {len(runs)} 个，名字有 {len(names)} 个：按顺序给每个运行一个名字",
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
            raise journal.stop(_namesakes(candidate.name, names, candidates))
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
        words = " ".join(runs)
        raise journal.stop(FlagFacts("bad-value", "serve", words, hint=by_itself(run)))
    return one


def by_itself(run: str) -> Text:
    """Why a model whose own weights were trained is not served beside adapters."""
    return Text(
        f"{run} trained the base's own weights: it is a model by itself, and no adapter can"
        " share its base. Serve it by a command of its own",
        f"{run} 训练的是原模型自身的权重，它自己就是一个模型，不能和适配器共用原模型；"
        "请单独用一条命令部署它",
    )


def _namesakes(
    name: str,
    given: Sequence[str],
    candidates: Sequence[Candidate],
) -> FlagFacts:
    """What is told of two models of one name; with names that tell all of them apart, unless the
    user gave those that are."""
    told = Text(f"two models are called {name}", f"有两个模型都叫 {name}")
    if given:
        return FlagFacts("bad-value", "--served_model_name", " ".join(given), hint=told)
    names = [f"{one.name}-{place}" for place, one in enumerate(candidates, 1)]
    flag = typed.command("--served_model_name", *names)
    hint = Text(
        f"{told.en}, so each needs a name of its own: `{flag}`",
        f"{told.zh}，要给每个运行各起一个名字：`{flag}`",
    )
    return FlagFacts("missing-flag", "--served_model_name", hint=hint)


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
    """In this process, or in one for each GPU: then nothing of it is on a device here."""
    device, dtype = hardware(config.model, journal)
    asked, several = config.serve, config.engine.num_gpus
    spare = SPARE_RANKS if asked.adapters_dir else 0
    given = sum(-(-candidate.ranks // 8) * 8 for candidate in candidates)
    wanted = Hold(
        base=base,
        fingerprint=fingerprint,
        device=device.type,
        dtype=dtype,
        room=min(asked.max_model_len or min(base.context, MOST_ROOM), base.context),
        rows=asked.max_num_seqs,
        max_loras=asked.max_loras,
        ranks=asked.max_lora_ranks or max(8, given + spare),
        sharing=several if device.type == "cpu" else 1,
    )
    with journal.judging():
        held = begin_all(wanted, several) if several > 1 else hold(wanted)
    return House(
        config=config,
        base=base,
        fingerprint=fingerprint,
        held=held,
        device=device,
        dtype=dtype,
        candidates=candidates,
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
