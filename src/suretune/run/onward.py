"""What a person types next, ready to paste, and true of where the run lies now.

After a run that failed it is never the command that failed: it changes the setting that the failed
check is about, and goes to a folder of its own.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

from suretune import rundir, typed
from suretune.config import Resolved
from suretune.data.choose import ANCHORS, BREADTH, CUTS, LENGTH, usual_rate
from suretune.facts import Facts, ProofFacts
from suretune.guards import judge
from suretune.options_lora import ALL_LAYERS
from suretune.preflight.again import command_of
from suretune.preflight.whole import is_whole
from suretune.record.meant import begun_in
from suretune.retention import Used, rose
from suretune.run.folder import read_config
from suretune.types import Text

TOO_LITTLE = ("R002", "R003", "R006", "R019")  # it did not learn what it should
TOO_MUCH = ("R004", "R012", "R014", "R015", "R016", "R017", "R020")  # and forgot, or spread
DIVERGED = ("R005", "T001", "T003", "T006")
LOST = ("T001", "T006")  # where it went back: at the least rate that it tried, too
LEAKED = "R014"  # a lower rate leaks more: docs/recipes.md
APART = 0.2  # of the rows held out: more of them are not advised
FAR = 3.0  # times the usual rate, from where the rate itself is what is changed
HELD = {
    "paraphrases": LENGTH,
    **dict.fromkeys(BREADTH[1:], BREADTH[:1]),
}
"""What is chosen only while those are not typed: it is typed with them."""
WEAKER = 0.9  # where all was published unasked: thirty runs of it were all sealed (docs/recipes.md)


@dataclass(frozen=True, slots=True)
class Change:
    """One option that another run should have otherwise, and why."""

    option: str
    value: Any
    why: Text


def used_in(
    resolved: Resolved,
    dose: float = 1.0,
    found: Iterable[Facts] = (),
) -> Used:
    """What advice after a proof has to know of its run. `found`: what says whether it was too
    much, but for codes that are ignored."""
    schedule, data = resolved.config.schedule, resolved.config.data
    codes = [f.code for facts in found for f in judge(facts) if _too_much(f.code, facts)]
    much = [code for code in codes if code not in resolved.config.run.ignore]
    return Used(
        anchors=(schedule.anchor_ratio or 0.0) >= ANCHORS and schedule.anchor_loss == "kl",
        per_row=schedule.anchors_per_row or 1.0,
        dose=dose,
        length=_decided(resolved),
        general=bool(resolved.config.proof.general),
        apart=bool(data.val_dataset) or (data.split_dataset_ratio or 0.0) >= APART,
        too_much=much[0] if much else "",
    )


def _too_much(code: str, facts: Facts) -> bool:
    if code == "R006" and isinstance(facts, ProofFacts):
        return updates_enough(facts, 0) is not None
    return code in TOO_MUCH


def _decided(resolved: Resolved) -> str:
    """The option that decided how long it was; a budget writes the updates that fit."""
    if resolved.config.schedule.max_steps is None:
        return "num_train_epochs"
    return "max_steps" if resolved.given("max_steps") else "budget"


def change_for(
    reasons: Sequence[str],
    resolved: Resolved,
    hidden: int,
    planned: int,
    made: int,
    *,
    back: int = 0,
    weaker: float | None = None,
    enough: int | None = None,
) -> Change | None:
    """What to change after the checks that failed; None where no setting is to blame.

    `reasons` begin with codes. `planned` and `made`: updates; `back`: how often the run went back
    to a lower rate; `weaker`: a dose below the published one at which the probes pass; `enough`:
    updates after which more made the held-out rows worse.
    """
    codes = {reason.partition(" ")[0] for reason in reasons}
    schedule = resolved.config.schedule
    rate = schedule.learning_rate
    if codes & {*TOO_MUCH, *DIVERGED} == {LEAKED}:
        spare = resolved.chosen("adapter_dose") and not codes & {*TOO_LITTLE}
        less = WEAKER if spare else weaker
        return _less_of_it(less) if less else _more_anchors(resolved)
    if "T001" in codes and not back:  # rows are to blame, which no rate mends
        return None
    if rate and codes & {*TOO_MUCH, *DIVERGED}:
        share, why = _less(codes, back)
        return Change("learning_rate", float(f"{rate * share:.2g}"), why)
    if not codes & set(TOO_LITTLE):
        return None
    if "R006" in codes and enough is not None:
        return _shorter(resolved, enough, planned)
    return _more(resolved, usual_rate(resolved, hidden, planned), made < planned)


def _more(resolved: Resolved, usual: float, ended: bool) -> Change | None:
    """For a run that learned too little; `usual`: the rate of this model, `ended`: by itself."""
    schedule = resolved.config.schedule
    rate = schedule.learning_rate
    if _decided(resolved) == "budget":  # few updates are the cause, whatever the rate
        why = Text(
            "with twice the time",
            "时间加倍，再训练一次",
        )
        return Change("budget", _times(schedule.budget or "", 2), why)
    if rate and usual > FAR * rate:
        why = Text(
            f"with the usual learning rate of this model: {rate:g} is {usual / rate:.0f} times too"
            " small",
            f"用这个模型通常的学习率再训练一次：{rate:g} 小了 {usual / rate:.0f} 倍",
        )
        return Change("learning_rate", usual, why)
    if resolved.chosen("layers_to_transform"):
        why = Text(
            "with adapters in all layers",
            "在所有层加适配器，再训练一次",
        )
        return Change("layers_to_transform", (ALL_LAYERS,), why)
    # It had ended by itself, no better than before: more of it is no help.
    if ended and not is_whole(resolved):
        why = Text(
            "with twice the rank",
            "把秩加倍，再训练一次",
        )
        return Change("lora_rank", 2 * resolved.config.lora.lora_rank, why)
    if schedule.max_steps:
        why = Text(
            "with twice the updates",
            "更新次数加倍，再训练一次",
        )
        return Change("max_steps", 2 * schedule.max_steps, why)
    if schedule.num_train_epochs:
        why = Text(
            "with twice the epochs",
            "轮数加倍，再训练一次",
        )
        return Change("num_train_epochs", 2 * schedule.num_train_epochs, why)
    return None


def updates_enough(facts: ProofFacts, made: int) -> int | None:
    """After how many updates the held-out rows were best, where more made them worse: half of all,
    where they never were better than before the first."""
    before, least = facts.held_out_before, facts.held_out_least
    if not rose(before, least, facts.held_out_after):
        return None
    fell = before is not None and least is not None and least < before
    return facts.held_out_least_step if fell else made // 2


def _shorter(resolved: Resolved, enough: int, planned: int) -> Change | None:
    """As long as it was good for, by the option that decided how long it was."""
    schedule, decided = resolved.config.schedule, _decided(resolved)
    if not enough:  # a single update was too much
        rate = schedule.learning_rate
        return Change("learning_rate", rate / 2, _less(set(), 0)[1]) if rate else None
    why = Text(
        f"with {enough} updates: more of them made the held-out rows worse",
        f"只做 {enough} 次更新，再训练一次：再多，留出数据反而变差",
    )
    share = enough / planned
    if decided == "budget":
        return Change(
            decided,
            _times(schedule.budget or "", share),
            why,
        )
    if decided == "max_steps" or not schedule.num_train_epochs:
        return Change("max_steps", enough, why)
    return Change(
        decided,
        float(f"{share * schedule.num_train_epochs:.3g}"),
        why,
    )


def _times(budget: str, share: float) -> str:
    """So many times as long, in the unit in which it was said."""
    return re.sub(r"[\d.]+", lambda number: f"{share * float(number[0]):.3g}", budget, count=1)


def _less(codes: set[str], back: int) -> tuple[float, Text]:
    """Of a rate that was too high, the share that another run should have, and in words."""
    if codes & {*LOST}:
        return 1 / 100, Text(
            "with a hundredth of the learning rate", "学习率降到百分之一，再训练一次"
        )
    if back:
        return prod(CUTS[:back]), Text(
            "with the rate that it went back to", "用退回之后的学习率，再训练一次"
        )
    return 1 / 2, Text("with half the learning rate", "学习率减半，再训练一次")


def _less_of_it(dose: float) -> Change:
    """The same training again, and less of it published: on a real model, adapters that leaked 5.2
    of 958 answers at full strength leaked 2.9 at 0.9 (docs/recipes.md)."""
    why = Text(
        "with less of the trained strength",
        "少用一点训练所得的强度，再训练一次",
    )
    return Change("adapter_dose", dose, why)


def _more_anchors(resolved: Resolved) -> Change:
    """For a run whose rows spread into other answers, and that lost nothing else by it."""
    schedule = resolved.config.schedule
    if not schedule.anchor_ratio:
        why = Text(
            "with anchors, which hold the model",
            "加上锚定问答，再训练一次",
        )
        return Change("anchor_ratio", ANCHORS, why)
    why = Text(
        "with twice the anchors",
        "锚定问答加倍，再训练一次",
    )
    return Change("anchors_per_row", min(16.0, 2 * (schedule.anchors_per_row or 1.0)), why)


def next_commands(
    run: Path, verdict: str, change: Mapping[str, Any] | None = None, reasons: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """After a proof: talk to the model; check the seal, or else what to do about the failure."""
    talk = {
        "what": {"en": "talk to it", "zh": "和它对话"},
        "command": typed.in_language(typed.command("suretune", "infer", "--adapters", run)),
    }
    check = {
        "what": {"en": "check the seal again", "zh": "重新验证"},
        "command": typed.in_language(f"suretune verify {typed.path(run)}"),
    }
    return [talk, check] if verdict == "sealed" else [*_otherwise(run, change, reasons), talk]


def once_mended(
    run: Path, change: Mapping[str, Any] | None = None, reasons: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """After a stop."""
    go_on = {
        "what": {"en": "once mended, go on", "zh": "修好之后继续"},
        "command": typed.in_language(f"suretune resume {typed.path(run)}"),
    }
    return _otherwise(run, change, reasons) if change else [go_on]


def where_it_is(told: Mapping[str, Any], run: Path) -> dict[str, Any]:
    """A report with the paths and commands of where its run lies now: it may have been moved."""
    verdict, change = str(told.get("verdict")), told.get("change")
    reasons = list(map(str, told.get("reasons") or ()))
    onward = next_commands(run, verdict, change, reasons)
    if verdict == "stopped":
        onward = once_mended(run, change, reasons)
    return {**told, "run": str(run), "next": onward}


def _otherwise(
    run: Path, change: Mapping[str, Any] | None, reasons: Sequence[str]
) -> list[dict[str, Any]]:
    """Another run with the change; without one, the page of the check that failed."""
    config = run / "config.yaml"
    if change and config.is_file():
        resolved = read_config(config)
        changes = {change["option"]: change["value"]}
        for name, value, _ in resolved.items():
            if change["option"] in HELD.get(name, ()) and resolved.chosen(name):
                changes[name] = value
        command = _another(run, resolved, changes)
        return [{"what": change["why"], "command": command}]
    what = {"en": "what this check means", "zh": "这项检查是什么意思"}
    codes = [reason.partition(" ")[0] for reason in reasons[:1]]
    pages = [typed.in_language(f"suretune explain {code}") for code in codes]
    return [{"what": what, "command": page} for page in pages]


def _another(run: Path, resolved: Resolved, changes: Mapping[str, Any]) -> str:
    """The run's own command with the changes, beside the run."""
    begun = begun_in(run)
    asked = Path(os.path.abspath((begun or Path.cwd()) / resolved.config.run.output_dir))
    if asked == run or (run.parent == asked and rundir.is_begun(asked)):  # a folder of its own
        changes = {**changes, "output_dir": _beside(asked, begun or Path.cwd())}
    elsewhere = begun is not None and begun != Path.cwd()
    before = f"cd {typed.path(begun)} && " if begun and elsewhere else ""
    return before + command_of("sft", resolved, changes=changes)


def _beside(folder: Path, start: Path) -> str:
    """`output-2` for `output`: the first such name that is new, as one would type it."""
    number = 2
    while (new := folder.with_name(f"{folder.name}-{number}")).exists():
        number += 1
    return str(new.relative_to(start) if new.is_relative_to(start) else new)
