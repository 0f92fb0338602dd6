"""What a word means where a run is wanted: one law for every verb.

A folder that is a run means that run, whatever runs lie in it. Its `adapter` or `model`, a
checkpoint of it, `best` and `last` mean these, and the run that they belong to. Anybody's adapter
folder means itself. A folder that only holds runs means the one in it; of several one has to be
named.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from suretune import rundir, typed
from suretune.because import in_words
from suretune.facts import FlagFacts, SetupFacts
from suretune.record.journal import Journal
from suretune.record.lock import is_busy
from suretune.record.whatitis import at_work, nothing_there
from suretune.types import Text

SHOWN = 8  # runs of a folder that are listed
CONFIG = "config.yaml"  # how a run was asked for
UNPROVEN = ("not-verified", "forgetting-not-measured")  # verdicts of a proof that gave no seal
PLACE = "\0"  # of the run, in a command around it


@dataclass(frozen=True, slots=True)
class Meant:
    """A run, a part of one, or an adapter that belongs to no run of ours."""

    run: Path | None
    part: Path | None = None  # the adapter or checkpoint folder, where that was named
    chosen: Text | None = None  # what has to be said where the word itself was no run

    @property
    def path(self) -> Path:
        """What was meant, most exactly."""
        return self.part or self.run or Path()

    @property
    def checkpoint(self) -> Path | None:
        """The checkpoint that was named, if one was."""
        return self.part if self.part and self.part.parent.name == "checkpoints" else None


def meant(word: str, journal: Journal, how: str = "") -> Meant:
    """What a word means, or a stop that says what there is instead.

    `how`: the command that the word stands behind, or at PLACE in it, to print it with the word
    that is meant.
    """
    if not word.strip():  # of a variable that is empty; a path, it would be this folder
        raise journal.stop(FlagFacts("missing-flag", "RUN"))
    try:
        path = Path(word).expanduser().absolute()
        found = _itself(path) or _only_run(path, journal, how)
    except (OSError, RuntimeError, ValueError) as error:
        if isinstance(error, rundir.Damaged):
            raise
        about = SetupFacts(
            "adapter-missing",
            word,
            found=in_words(error),
        )
        raise journal.stop(about) from error
    if found is None:
        raise _nothing(path, journal, how)
    return found


def run_meant(word: str, journal: Journal, how: str = "") -> Meant:
    """As `meant`, where only a run or a part of one will do."""
    found = meant(word, journal, how)
    if found.run is None:
        raise journal.stop(nothing_there(found.path))
    return found


def failed_proof(run: Path) -> str:
    """The codes and names for which a proof did not hold; empty where none was made, or it held."""
    report = run / "report.json"
    if not report.is_file() or (run / rundir.SEAL).is_file():
        return ""
    try:
        told = rundir.read_json(report)
    except rundir.Damaged:
        return ""
    if told.get("verdict") not in UNPROVEN:
        return ""
    return ", ".join(map(str, told.get("reasons") or ()))


def not_sealed(found: Meant, *, serving: bool) -> SetupFacts:
    """What has no seal, and the command that says more about it."""
    run, here = found.run, str(found.path)
    if serving or run is None:
        why = failed_proof(run) if run else ""
        return SetupFacts("not-sealed", here, found=why, spare="serve" if serving else "")
    if is_busy(run):
        told = at_work(run)
        wait = Text(f"{told.en} Wait until that has ended.", f"{told.zh}请等它结束。")
        return SetupFacts("not-sealed", here, hint=wait)
    if found.checkpoint is not None and (run / rundir.SEAL).is_file():
        verb = "verify"
    else:
        report = run / "report.json"
        said = rundir.recorded(report, "verdict") if report.is_file() else None
        lost = said == "sealed"  # what a report says does not stand in for the seal
        judged = said is not None or not (run / "run.json").is_file()
        verb = "report" if judged and not lost else "resume"
    return SetupFacts(
        "not-sealed",
        here,
        found=failed_proof(run),
        nearest=f"suretune {verb} {typed.path(run)}",
    )


def way_back(path: Path) -> str:
    """The command for a file of a run that is damaged; empty where no command helps.

    An unfinished run goes on from what is whole. A sealed one, or one that lost what it cannot go
    on without, is made again, as it was asked for, in a folder of another name.
    """
    run = next((above for above in (path, *path.parents) if rundir.is_run(above)), None)
    if run is None or path.name == CONFIG:
        return ""
    needed = path.name in ("run.json", "plan.json", "anchors.jsonl")
    if not needed and not (run / rundir.SEAL).is_file():
        return f"suretune resume {typed.path(run)}"
    return made_again(run)


def begun_by_another(path: Path) -> SetupFacts:
    """The facts for a file of a run that another version wrote: `found` that version, if the run
    says it, `spare` the command that begins the run anew."""
    run = next((above for above in path.parents if rundir.is_run(above)), path.parent)
    told = rundir.read_json(run / "run.json") if (run / "run.json").is_file() else {}
    versions = told.get("versions")
    version = str(versions.get("suretune", "")) if isinstance(versions, dict) else ""
    return SetupFacts(
        "begun-by-another",
        str(run),
        version,
        path.name,
        made_again(run),
    )


def made_again(run: Path) -> str:
    """The command that makes a run again, as it was asked for, in a folder of another name; empty
    where its folder does not say how."""
    config = run / CONFIG
    again = ["suretune", "sft", "--config", str(config), "--output_dir", f"{run}-again"]
    begun = begun_in(run)
    before = f"cd {typed.path(begun)} && " if begun and begun != Path.cwd() else ""
    return before + typed.command(*again) if config.is_file() else ""


def begun_in(run: Path) -> Path | None:
    """The folder in which a run was begun, where its relative paths start; None if not known."""
    try:
        told = rundir.read_json(run / "run.json").get("folder")
    except (OSError, rundir.Damaged):  # said by whoever needs more of it
        return None
    return Path(told) if isinstance(told, str) and Path(told).is_dir() else None


def newest_run(folder: Path) -> Meant | None:
    """The newest run of a folder, for a verb that was given no word at all; None without one."""
    runs = rundir.runs_in(folder) if folder.is_dir() else []
    if not runs:
        return None
    run = runs[-1].absolute()
    name = typed.path(folder / run.name)
    return Meant(
        run,
        chosen=Text(
            f"No run was named; {name} is the newest in {folder}.",
            f"没有指定运行；{folder} 里最新的是 {name}。",
        ),
    )


def _itself(path: Path) -> Meant | None:
    """The run or adapter that a path is, or is a part of."""
    if path.is_file():  # `best` and `last` point; any other file speaks for its folder
        pointed = rundir.pointed(path.parent, path.name) if path.name in ("best", "last") else None
        path = pointed or path.parent
    if not path.is_dir():
        return _of_that_number(path)
    if rundir.is_run(path):
        return Meant(path)
    if path.name in rundir.MADE and rundir.is_run(path.parent):
        return Meant(path.parent, path)
    if path.name == "checkpoints" and rundir.is_run(path.parent):
        return Meant(path.parent)
    if path.parent.name == "checkpoints" and rundir.is_run(path.parent.parent):
        return Meant(path.parent.parent, path)
    return Meant(None, path) if rundir.is_trained(path) else None


def _of_that_number(path: Path) -> Meant | None:
    """`RUN/checkpoint-40`, as other tools name them, and `RUN/checkpoints/step-40`."""
    number = re.fullmatch(r"(?:checkpoint|step)-0*(\d+)", path.name)
    run = path.parent.parent if path.parent.name == "checkpoints" else path.parent
    if number is None or not rundir.is_run(run):
        return None
    step = dict(rundir.checkpoints(run)).get(int(number[1]))
    return Meant(run, step) if step else None


def _only_run(path: Path, journal: Journal, how: str) -> Meant | None:
    """The one run in a folder of runs; a stop where there are several."""
    runs = rundir.runs_in(path) if path.is_dir() else []
    if len(runs) > 1:
        found = ", ".join(run.name for run in runs[-SHOWN:])
        more = f" (+{len(runs) - SHOWN})" if len(runs) > SHOWN else ""
        newest = _around_run(how, runs[-1])
        about = SetupFacts(
            "several-runs",
            str(path),
            found + more,
            newest,
        )
        raise journal.stop(about)
    if not runs:
        return None
    name = typed.path(runs[0])
    return Meant(
        runs[0],
        chosen=Text(
            f"{path} is a folder of runs; the only one in it is used: {name}",
            f"{path} 是存放运行的文件夹，其中只有一个运行，就用它：{name}",
        ),
    )


def _nothing(path: Path, journal: Journal, how: str) -> Exception:
    """Nothing there is a run: what is like it, or else what runs are there at all?"""
    runs = {run.name: run for place in _around(path) for run in rundir.runs_in(place)}
    above = next((each for each in path.parents if rundir.is_run(each)), None)
    if above is not None and not path.exists():  # a checkpoint of another tool's, or one that went
        runs = {path.name: above}
    close = get_close_matches(path.name, runs, n=1)
    only = list(runs) if len(runs) == 1 and not path.exists() else []
    near = [_around_run(how, runs[name]) for name in close or only]
    known = [str(run) for run in runs.values()][-SHOWN:]
    speaks = ""
    if how.endswith(" --adapters") and " --model " not in how:
        speaks = how.removesuffix(" --adapters")
    about = nothing_there(
        path,
        known,
        "".join(near),
        speaks,
    )
    return journal.stop(about)


def _around_run(how: str, run: Path) -> str:
    word = typed.path(run)
    whole = how.replace(PLACE, word) if PLACE in how else f"{how} {word}"
    return whole.strip()


def _around(path: Path) -> list[Path]:
    """Where runs may lie if not there: beside it, here, in the default folder of runs."""
    places = (path.parent, Path.cwd(), Path.cwd() / "runs")
    return list(dict.fromkeys(place for place in places if place.is_dir()))
