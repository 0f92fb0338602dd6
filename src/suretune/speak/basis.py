"""The base of a sealed run, where that run is verified: at its place, or wherever it lies now.

A run remembers the path of its base. On another machine it may lie elsewhere: it is known by its
fingerprint, so that its place does not matter. All of it is told before anything is loaded.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from suretune import rundir, typed
from suretune.data.base import Base, find_base
from suretune.facts import SetupFacts
from suretune.record.journal import Journal
from suretune.refusal import Refusal
from suretune.types import Text

REQUEST = ("proof", "request.json")


def basis_of(run: Path, model: str, journal: Journal) -> tuple[Base, Text | None]:
    """The base that a run was proved on, and what has to be said of its place; or a stop.

    `model`: where it is said to lie; empty: where it lay, else where models lie near the run or
    near here under its name.
    """
    request = run.joinpath(*REQUEST)
    name, wanted = (str(rundir.recorded(request, key)) for key in ("base", "base_fingerprint"))
    packed = str(rundir.read_json(request).get("packed") or "")  # earlier versions packed none
    try:
        base = find_base(model or name, weights=True).packed_as(packed)
    except Refusal as refusal:
        facts = refusal.facts
        gone = isinstance(facts, SetupFacts) and facts.problem == "model-missing"
        if model or not gone:
            raise journal.stop(facts) from refusal
        around = (one.packed_as(packed) for one in _near(run, name))
        near = next((one for one in around if one.fingerprint() == wanted), None)
        if near is None:
            raise journal.stop(_elsewhere(run, name)) from refusal
        return near, Text(
            f"The base is not at {name} any more; {near.folder} has the same weights and is used.",
            f"原模型已不在 {name}；{near.folder} 里的权重与它相同，就用它。",
        )
    if model and base.fingerprint() != wanted:
        raise journal.stop(SetupFacts("wrong-base", base.name))
    return base, None


def _near(run: Path, name: str) -> Iterator[Base]:
    """Folders of this name where people keep models: here, beside the run, and above both."""
    called = Path(name).name
    here = Path.cwd()
    places = dict.fromkeys((here, *here.parents, *run.absolute().parents))
    for place in places:
        for folder in (place / called, place / "models" / called):
            if (folder / "config.json").is_file():
                try:
                    yield find_base(str(folder), weights=True)
                except Refusal:  # one that cannot be read is not the one
                    continue


def _elsewhere(run: Path, name: str) -> SetupFacts:
    """The facts for a base that is nowhere near; `spare`: the command, once it is somewhere."""
    again = typed.command("suretune", "verify", run, "--model", Path(name).name)
    reason = Text(
        "the run was trained on it there, and here is no such folder",
        "这次运行在那里用它训练，而这里没有这个文件夹",
    )
    return SetupFacts("model-missing", name, spare=again, hint=reason)
