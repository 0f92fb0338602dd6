"""The same questions answered by a base and by several runs of it, beside each other.

One base is in memory. Adapters are put on it and taken off again; what is learned of each is what
its folder says, as for `infer`: a sealed run, one without a seal, one that was interrupted.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from peft import PeftModel

from suretune import rundir
from suretune.compare.asked import Asked, Side, differing, usual_questions
from suretune.data.base import PACKED, Base
from suretune.data.identity import known_questions, plain
from suretune.data.misfit import OTHER_PACKING
from suretune.data.render import prompt_ids
from suretune.facts import SetupFacts
from suretune.model.full import open_whole
from suretune.model.generate import Talker, answers, talker
from suretune.model.load import load_base
from suretune.options import Config
from suretune.preflight.hardware import hardware
from suretune.record.journal import Journal
from suretune.record.sealed import is_as_sealed
from suretune.run.kept import names_known
from suretune.speak.answer import about_adapter, adapter_folder, put_on
from suretune.speak.opened import find_base_of, look_at_kind, words_of
from suretune.verify.leaks import Learned, asked_in
from suretune.verify.probes import Probe, probe_tokens

BASE = "base"
__all__ = ["Asked", "Side", "open_sides", "side_by_side", "usual_questions"]


def open_sides(
    config: Config,
    words: Sequence[str],
    paths: Sequence[str],
    journal: Journal,
    again: Callable[..., str],
) -> tuple[Base, list[Side]]:
    """The base that all of them share, and each; a stop where they do not. `words`: as typed;
    `again`: the same command of other runs, without some of its options."""
    folders = [_folder(config, path, journal) for path in paths]
    abouts = [about_adapter(folder) for folder in folders]
    base = find_base_of(
        config,
        abouts[0],
        folders[0],
        journal,
        weights=True,
        itself=False,
    )
    if not config.model.model and abouts[0].get("base"):  # found by folder, known by its name
        base = replace(base, name=str(abouts[0]["base"]))
    wanted = base.fingerprint()
    theirs = [_fingerprint(config, *one, journal) for one in zip(abouts, folders, strict=True)]
    if (odd := next((i for i, print_ in enumerate(theirs) if print_ != wanted), None)) is not None:
        left = wanted if wanted in theirs else theirs[odd]
        kept = [word for word, print_ in zip(words, theirs, strict=True) if print_ == left]
        without = () if left == wanted else ("model",)
        packed = str(abouts[odd].get(PACKED) or "")
        told = SetupFacts(
            "bases-differ",
            words[odd],
            str(abouts[odd].get("base") or "another base"),
            again(kept, *without),
            base.name,
            hint=OTHER_PACKING if packed != base.packed else None,
        )
        raise journal.stop(told)
    sides = [
        Side(
            word,
            _run_of(folder),
            folder,
            about,
            words_of(folder, base, config, journal),
            about.get("system") if config.data.system is None else config.data.system,
        )
        for word, folder, about in zip(words, folders, abouts, strict=True)
    ]
    return base, sides


def _folder(config: Config, path: str, journal: Journal) -> Path:
    folder = adapter_folder(replace(config.answer, adapters=path), journal)
    if folder is None:
        raise ValueError(f"{path}: no adapter is named")
    look_at_kind(folder, config, journal, serving=False)
    return folder


def _fingerprint(
    config: Config,
    about: Mapping[str, Any],
    folder: Path,
    journal: Journal,
) -> str:
    """Of the base that an adapter was trained on; anybody's adapter says only its name."""
    if known := about.get("base_fingerprint"):
        return str(known)
    found = find_base_of(config, about, folder, journal, weights=True, itself=False)
    return found.fingerprint()


def _run_of(folder: Path) -> Path | None:
    return next((above for above in folder.parents[:2] if rundir.is_run(above)), None)


# --- answers --------------------------------------------------------------------------------------


def side_by_side(
    config: Config,
    base: Base,
    sides: Sequence[Side],
    asked: Sequence[Asked],
    tokens: int | None,
    journal: Journal,
) -> dict[str, Any]:
    """Every answer with its marks, and each column counted. `tokens`: of an answer, at most."""
    device, dtype = hardware(config.model, journal)
    with journal.judging():
        model = load_base(base, device, dtype, "sdpa")
    prompts = [
        [prompt_ids(side.tokenizer, one.messages(side.system)) for one in asked] for side in sides
    ]
    most = tokens or max(probe_tokens(side.tokenizer) for side in sides)
    unlike = {tuple(ids): n for n, mine in reversed(list(enumerate(prompts))) for ids in mine}
    plainly = talker(model)
    before: dict[tuple[int, ...], str] = {}
    for place, side in enumerate(sides):  # whatever another run asks with the same words is known
        new = [ids for ids in unlike if unlike[ids] == place]
        before.update(zip(new, _said(plainly, side, new, most), strict=True))
    del plainly
    given = []
    for side, mine in zip(sides, prompts, strict=True):
        if rundir.is_whole(side.folder):
            with journal.judging():
                whole, _ = open_whole(model, side.folder, base, dtype)
            given.append(_said(talker(whole), side, mine, most))
            del whole
            model.to(device)
            continue
        tuned = put_on(model, base, side.folder, side.about, journal)
        given.append(_said(talker(tuned), side, mine, most))
        _take_off(tuned)
    return _told(base, sides, asked, prompts, before, given)


def _said(
    speaker: Talker,
    side: Side,
    prompts: Sequence[Sequence[int]],
    most: int,
) -> list[str]:
    return answers(speaker, side.tokenizer, prompts, most) if prompts else []


def _take_off(tuned: PeftModel) -> None:
    """The base is what it was: PEFT keeps its weights apart from the adapter's."""
    plain_base: Any = tuned.unload()
    if hasattr(plain_base, "peft_config"):
        del plain_base.peft_config


def _told(
    base: Base,
    sides: Sequence[Side],
    asked: Sequence[Asked],
    prompts: Sequence[Sequence[Sequence[int]]],
    before: Mapping[tuple[int, ...], str],
    given: Sequence[Sequence[str]],
) -> dict[str, Any]:
    learned = [_learned(side.run) for side in sides]
    about_it = known_questions() | {
        plain(one.text) for one in asked if one.probe and one.probe.must
    }
    questions, every = [], []
    for place, one in enumerate(asked):
        first = before[tuple(prompts[0][place])]
        lines = [_line(BASE, first, one.right(first), None, None)]
        judged_by = [one.judge_of(side) for side in range(len(sides))]
        for side, mine in enumerate(prompts):
            knows, said, by = learned[side], given[side], judged_by[side]
            then, answer = before[tuple(mine[place])], said[place]
            leaked = None
            if knows and plain(one.text) not in about_it and _stands_apart(one):
                leaked = knows.leaked(asked_in(one.messages(None)), (then,), answer)
            right = one.right(answer, side)
            right = False if right and leaked else right  # such an answer is never a right one
            lines.append(_line(sides[side].name, answer, right, leaked, answer == then))
            if one.probe and by != one.probe:  # the words that this one was to say, or not to say
                lines[-1] |= _wanted(by)
        every.append(lines)
        wanted = _wanted(one.probe)
        questions.append({"question": one.text, "kind": one.kind, **wanted, "answers": lines})
    names = [BASE, *(side.name for side in sides)]
    columns = zip(names, zip(*every, strict=True), strict=True)
    return {
        "base": base.name,
        "runs": [_about(side) for side in sides],
        "probes_differ": differing(sides),
        "questions": questions,
        "summary": [_counted(name, column) for name, column in columns],
    }


def _wanted(probe: Probe | None) -> dict[str, list[str]]:
    """The words that a probe asks for, by which an answer is marked."""
    keys = ("must", "must_not", "whole")
    return {key: list(getattr(probe, key)) if probe else [] for key in keys}


def _line(
    name: str,
    answer: str,
    right: bool | None,
    leaked: bool | None,
    same: bool | None,
) -> dict[str, Any]:
    return {"of": name, "answer": answer, "right": right, "leaked": leaked, "same_as_base": same}


def _stands_apart(asked: Asked) -> bool:
    """Whether a new name can be no answer: it asks for something that is known, or of nobody's
    own. A question of the user's that speaks to the model may well ask who it is."""
    if asked.general:
        return True
    words = set(plain(word) for word in asked.text.split())
    spoken_to = words & {"you", "your", "yours", "yourself", "youre"}
    return not (spoken_to or "你" in asked.text or "您" in asked.text)


def _learned(run: Path | None) -> Learned | None:
    """The names by which a leak is known; None where the run's folder does not say them."""
    names, old = names_known(run) if run else ((), ())
    return Learned(names, (), old) if names else None


def _about(side: Side) -> dict[str, Any]:
    report = side.run / "report.json" if side.run else None
    finished = report is not None and report.is_file()
    return {
        "name": side.name,
        "run": str(side.run) if side.run else None,
        "adapter": str(side.folder),
        "finished": finished,
        "verdict": _verdict(side.run, side.folder) if side.run and finished else None,
        "system": side.system,
    }


def _verdict(run: Path, folder: Path) -> str | None:
    """Of a finished run; None for a checkpoint of it, and for what is not as it was sealed: the
    proof was about something else."""
    if folder.name not in rundir.MADE:
        return None
    verdict = str(rundir.recorded(run / "report.json", "verdict"))
    return verdict if verdict != "sealed" or is_as_sealed(run, folder) else None


def _counted(name: str, lines: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """A column: what is None counts nowhere."""
    made: dict[str, Any] = {"of": name, "asked": len(lines)}
    for key in ("right", "leaked", "same_as_base"):
        known = [line[key] for line in lines if line[key] is not None]
        made[key] = {"count": sum(known), "of": len(known)}
    return made
