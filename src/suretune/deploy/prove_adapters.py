"""Adapters and the base, loaded into a running engine and proven by it before clients hear them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import time
from collections.abc import Callable
from functools import partial
from json import JSONDecodeError
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file

from suretune import rundir
from suretune.because import in_words
from suretune.data.base import Base
from suretune.data.fitness import with_system_role
from suretune.data.misfit import wrong_base
from suretune.data.template import load_tokenizer
from suretune.data.wall import Unfit
from suretune.deploy.model_host import House, base_name, by_itself
from suretune.deploy.seal_replay import (
    Candidate,
    Record,
    check_base,
    compare,
    open_candidate,
    recorded,
    room_needed,
)
from suretune.facts import Facts, SetupFacts
from suretune.model.lora import CONFIG, WEIGHTS, compare_ranks
from suretune.model.slots import Ask
from suretune.record.journal import Journal, Stopped
from suretune.record.meant import way_back
from suretune.refusal import Refusal
from suretune.serve.answering import heard
from suretune.serve.desk import Closed, Desk, Gone, Table
from suretune.serve.models import Models, Served
from suretune.serve.openai import Refused
from suretune.serve.spoken import spoken
from suretune.types import Fault, Text
from suretune.words import say

log = logging.getLogger("suretune.serve")
UNREADABLE = (SafetensorError, KeyError, TypeError, JSONDecodeError, OSError, ValueError)
MOST_TOLD = 700  # characters of why an adapter is not loaded


class Misfit(ValueError):
    """The tensors of an adapter are not those of its configuration on this base."""


def misfitting(candidate: Candidate, base: Base) -> SetupFacts:
    """Why, in the words in which `infer` says it."""
    weights, config = candidate.folder / WEIGHTS, candidate.folder / CONFIG
    try:
        compare_ranks(config, load_file(weights))
    except rundir.Damaged as error:
        return SetupFacts("checkpoint-damaged", str(config), error.why, way_back(config))
    return wrong_base(base, candidate.about, weights)


def bringer(candidate: Candidate, key: str) -> Callable[[Table], None]:
    """Reads an adapter into a table: the files that were proven, also when it is rebuilt."""

    def bring(table: Table) -> None:
        for name, digest in ((WEIGHTS, candidate.digest), (CONFIG, candidate.config_digest)):
            if rundir.sha256(candidate.folder / name) != digest:
                raise ValueError(f"{candidate.folder / name} was changed since it was proven")
        match: Any = table.load(key, candidate.folder)
        if match.non_finite:
            raise ValueError(f"{match.non_finite[0]} is not finite")
        if any("." not in name and name != "target_modules" for name in match.odd):
            raise ValueError(f"{match.odd[0]} is more than LoRA")
        if match.odd or match.matched != match.saved:
            raise Misfit(match.odd)

    return bring


async def prove(
    engine: Desk,
    house: House,
    candidate: Candidate,
    record: Record | None,
    key: str | None = None,
) -> Facts | None:
    """Load an adapter, let the engine answer its probes; what guards should judge, if anything.

    `key` is the engine's name for it, where that is not the model's.
    """
    house.proofs.pop(candidate.name, None)  # of another adapter that had this name
    key = key or candidate.name
    try:
        if not candidate.whole:
            await engine.load(key, bringer(candidate, key))
    except Misfit:
        return misfitting(candidate, house.base)
    except UNREADABLE as error:
        return SetupFacts("cannot-serve", candidate.name, found=in_words(error))
    if record is None:
        return None
    ask = partial(
        Ask,
        stop_ids=candidate.tokenizer.stop_ids,
        max_new_tokens=record.most,
        adapter=None if candidate.whole else key,
    )
    members = [one for one in engine.members if one.condition != "dead"]
    jobs = [
        [one.submit(ask(tuple(prompt)), bound=True) for prompt in record.prompts] for one in members
    ]
    decode = candidate.tokenizer.decode
    found = []
    try:
        for each in jobs:  # all are being answered meanwhile
            tokens = [await heard(job) for job in each]
            said = [await asyncio.to_thread(decode, ids) for ids in tokens]  # may take its time
            found.append(compare(candidate.name, record, said, house.device.type, house.dtype))
    except Unfit as error:
        return error.fault
    facts = min(found, key=lambda one: (not one.wrong, one.equal))  # a GPU may be broken
    house.proofs[candidate.name] = facts
    return facts


def heed(facts: Facts | None, journal: Journal) -> None:
    """Let the guards judge a proof. What was not even loaded is not served, whatever is ignored."""
    if isinstance(facts, (SetupFacts, Fault)):
        raise journal.stop(facts)
    if facts is not None:
        journal.look(facts)


def served(house: House, candidate: Candidate, key: str | None = None) -> Served:
    """How an adapter is listed; `key` as in `prove`."""
    proof = house.proofs.get(candidate.name)
    checkpoint = _checkpoint(candidate.folder)
    whole = candidate.whole
    return Served(
        candidate.name,
        root=candidate.folder.parent.name,
        parent=None if whole else base_name(house.base),
        adapter=None if whole else key or candidate.name,
        tokenizer=candidate.tokenizer,
        system=candidate.system,
        created=int(time.time()),
        about={
            "sealed": candidate.run is not None,
            "probes": {"asked": proof.asked, "equal": proof.equal} if proof else None,
            "adapter_sha256": candidate.digest,
            "data_sha256": candidate.data,
            "template_sha256": rundir.digest_of(candidate.tokenizer.template),
            "system_sha256": rundir.digest_of(candidate.system),
            "base_fingerprint": house.fingerprint,
            "plan": candidate.about.get("plan"),
            "updates": checkpoint,
        },
        fingerprint=f"{house.fingerprint[:12]}-{candidate.digest[:12]}",
    )


def _checkpoint(folder: Path) -> int | None:
    """After how many updates its weights were saved, where that was written down."""
    if not (folder / rundir.MANIFEST).is_file():
        return None
    name = str(rundir.read_json(folder / rundir.MANIFEST).get("checkpoint") or "")
    digits = name.rpartition("-")[2]
    return int(digits) if digits.isdigit() else None


def served_base(house: House, journal: Journal) -> Served:
    """The base under its own name, with its own words; without a template, with its adapter's."""
    with journal.judging():
        try:
            words = load_tokenizer(house.base.folder, house.config.model.chat_template)
        except Refusal:
            if not house.candidates:
                raise
            words = house.candidates[0].tokenizer
    words = with_system_role(words)
    name = base_name(house.base)
    about = {
        "sealed": False,
        "template_sha256": rundir.digest_of(words.template),
        "base_fingerprint": house.fingerprint,
    }
    system = house.config.data.system
    return Served(
        name,
        root=name,
        parent=None,
        adapter=None,
        tokenizer=words,
        system=system,
        created=int(time.time()),
        about=about,
        fingerprint=house.fingerprint[:12],
    )


def keep_inside(folder: Path, root: Path) -> None:
    """`Refused` where anything in a folder is a link that leads out of `root`, or nowhere."""
    seen: set[Path] = set()
    left = [folder]
    while left:
        here = left.pop().resolve()
        if here in seen:
            continue
        seen.add(here)
        if not here.is_relative_to(root):
            raise Refused(400, "lora_path leads out of --adapters_dir.", param="lora_path")
        for path in here.iterdir():
            try:
                real = path.resolve(strict=True)
            except (OSError, RuntimeError) as error:
                why = f"lora_path has a link that leads nowhere: {path.relative_to(root)}."
                raise Refused(400, why, param="lora_path") from error
            if not real.is_relative_to(root):
                why = f"lora_path leads out of --adapters_dir: {path.relative_to(root)} is a link."
                raise Refused(400, f"{why} Copy the file there.", param="lora_path")
            if real.is_dir():
                left.append(real)


def need_adapter(candidate: Candidate, path: str) -> None:
    """`Refused` for a model whose own weights were trained."""
    if candidate.whole:
        why = by_itself(path)
        told = say(Text(f"{why.en}.", f"{why.zh}。"))
        raise Refused(400, f"Not served. {told}", param="lora_path")


def not_served(stopped: Stopped | rundir.Damaged, root: Path) -> Refused:
    """Why an adapter is not loaded: which file, what was found there, and what mends it."""
    if isinstance(stopped, rundir.Damaged):
        about = SetupFacts("checkpoint-damaged", str(stopped.path), found=stopped.why)
        stopped = Journal().stop(about)
    first = stopped.findings[0]
    told = say(
        Text(
            f"{first.code} {first.name}, {first.where}: {first.what.en} {first.fix.en}",
            f"{first.code} {first.title.zh}，{first.where}：{first.what.zh}{first.fix.zh}",
        )
    )
    return Refused(
        400,
        f"Not served. {told}".replace(f"{root}/", "")[:MOST_TOLD],
        param="lora_path",
        code=first.name,
    )


def loader(engine: Desk, house: House, models: Models) -> Callable[[str, str], Any]:
    """What /v1/load_lora_adapter does: the same checks and the same proof, then the name."""
    root = Path(house.config.serve.adapters_dir or "").expanduser().resolve()
    one_at_a_time = asyncio.Lock()
    number = itertools.count(1)

    def opened(name: str, path: str) -> tuple[Candidate, Record | None]:
        journal = Journal(house.config.run.ignore)
        try:
            there = (root / path).resolve()
            known = there != root and there.is_relative_to(root) and there.is_dir()
        # A loop of links, a NUL, too long a name.
        except (OSError, ValueError, RuntimeError) as error:
            raise Refused(400, "lora_path is no path.", param="lora_path") from error
        if not known:
            why = "lora_path is no folder in --adapters_dir; it is the name of one that lies there."
            raise Refused(400, why, param="lora_path")
        keep_inside(there, root)
        candidate = open_candidate(str(there), name, house.config, journal)
        keep_inside(candidate.run or candidate.folder, root)  # a `newest` may name another folder
        need_adapter(candidate, path)
        check_base(candidate, house.base, house.fingerprint, journal)
        record = recorded(candidate, candidate.run, journal) if candidate.run else None
        if record and room_needed(record) > house.room:
            raise Refused(400, "Its probes do not fit into --max_model_len.", param="lora_path")
        return candidate, record

    async def load(name: str, path: str) -> Served:
        async with one_at_a_time:
            if models.has(name):
                raise Refused(400, f"{name} is already served.", param="lora_name")
            key = f"{name}#{next(number)}"  # an adapter of this name may not have gone yet
            try:
                candidate, record = await asyncio.to_thread(opened, name, path)
                facts = await prove(engine, house, candidate, record, key)
                journal = Journal(house.config.run.ignore)
                heed(facts, journal)
                journal.settle()
                made = await asyncio.to_thread(served, house, candidate, key)  # it renders, too
                models.add(made)
            except Unfit as error:
                raise not_served(Journal().stop(error.fault), root) from error
            except (Stopped, rundir.Damaged) as stopped:
                raise not_served(stopped, root) from stopped
            except OSError as error:
                why = f"Not served: a file of it cannot be read ({say(in_words(error))})."
                raise Refused(400, why, param="lora_path") from error
            except (Closed, RuntimeError) as error:
                log.warning(spoken("%s was not loaded: %s"), name, type(error).__name__)
                why = "The engine failed or ended before the adapter was proven."
                raise Refused(503, why, code="unavailable", retry_after=5) from error
            finally:
                if not models.has(name) and key in engine.adapters:
                    with contextlib.suppress(Closed, Gone):  # its table has gone too
                        await engine.unload(key)
            return made

    return load
