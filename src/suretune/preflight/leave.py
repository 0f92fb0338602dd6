"""Flags that could do nothing in this run, or would do harm: left out or mended, and said so.

People paste commands from articles. What such a flag was meant to bring cannot come, whether the
run stops or not; so the run begins without it, and one finding tells all, with the command that
runs. A flag without which the run would mean something else stops it, as does any of these with
`--strict`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from suretune import typed
from suretune.config import Resolved, options
from suretune.facts import FlagFacts, PlanFacts
from suretune.guards.c007_role_tokens_in_system import TOKEN
from suretune.guards.guard import evaluate_every
from suretune.preflight.again import command_of
from suretune.record.journal import SHOWS, Journal
from suretune.types import Plan, Text

EFFECT = ("--model_name", "--model_author", "--dataset_sample")  # they fill or count, or do nothing
FITTED = ("eval_steps", "save_steps", "early_stopping_patience", "warmup_steps")
ALONE = Text("the model's own config.json says what it is", "模型类型由它自己的 config.json 决定")
ROLES = Text(
    "the template adds role tokens; twice, they are a prompt that is never sent again",
    "角色标记由模板自动添加；再写一遍，训练时的提示就和使用时不一样",
)
COUNTED = Text(
    "every dataset already says how many rows with #N", "每个数据集都已经用 #N 写明了条数"
)


def leave_out(
    resolved: Resolved,
    faults: Iterable[FlagFacts],
    journal: Journal,
) -> Resolved:
    """The config without the flags that could do nothing or would do harm.

    The journal is told of each, and of those that stop the run.
    """
    for facts in faults:
        changed = None if resolved.config.run.strict else _mended(facts)
        if changed is None:
            journal.look(facts)
            continue
        told, value = changed
        name = facts.flag.removeprefix("--")
        default = options()[name].default
        journal.look(told)
        resolved = resolved.with_values(
            "flag" if value else "default", **{name: value if value else default}
        )
    return resolved


def strictly(
    faults: Iterable[FlagFacts],
    verb: str,
    resolved: Resolved,
    environment: Sequence[str],
) -> tuple[FlagFacts, ...]:
    """What was found while the command was read, for `--strict`, which lets nothing be left out:
    it stops the run, with the command that asks for what is left."""
    runs = command_of(verb, resolved, environment=environment)
    return tuple(
        replace(one, problem="strictly-refused", command=runs) if one.problem == "left-out" else one
        for one in faults
    )


def _mended(facts: FlagFacts) -> tuple[FlagFacts, str] | None:
    """What is said of a flag, and the value in its place ('': none); None where it must stop."""
    value, why = "", None
    shown = facts.value
    if facts.problem == "no-effect" and facts.flag in EFFECT:
        why = COUNTED if facts.flag == "--dataset_sample" else _unfilled(facts.flag)
    elif facts.problem == "model-type-mismatch" and _family(facts.value) == _family(facts.nearest):
        why = ALONE
    elif facts.problem == "role-tokens-in-system":
        value, why, shown = TOKEN.sub("", facts.value).strip(), ROLES, "…"
    if why is None:
        return None
    instead = f"{facts.flag} {typed.word(value)}" if value else ""
    return FlagFacts("left-out", facts.flag, shown, instead, why), value


def _unfilled(flag: str) -> Text:
    mark = "{{NAME}}" if flag == "--model_name" else "{{AUTHOR}}"
    return Text(f"no row has {mark}, which it would fill", f"没有一行含有它要填的 {mark}")


def _family(kind: str) -> str:
    """qwen of qwen, qwen2 and qwen2_5."""
    found = re.match(r"[a-z]+", kind.lower())
    return found[0] if found else ""


def fit_intervals(
    resolved: Resolved,
    planned: Callable[[Resolved], tuple[Plan, PlanFacts]],
    journal: Journal,
) -> tuple[Resolved, Plan, PlanFacts]:
    """The schedule with intervals that come within the run, its plan, and what guards judge of it.

    An interval that was asked for and never comes, a patience without evaluations enough and a
    warm-up beyond the end are changed as their guards advise, all of one mind.
    """
    plan, facts = planned(resolved)
    while not resolved.config.run.strict and (change := _next_fit(resolved, facts)):
        name, value, why = change
        before = getattr(resolved.config.schedule, name)
        instead = f"--{name} {value}" if value else ""
        if before is not None or value:
            journal.look(FlagFacts("left-out", f"--{name}", str(before or ""), instead, why))
        resolved = resolved.with_values("flag" if value else "default", **{name: value})
        plan, facts = planned(resolved)
    return resolved, plan, facts


def _next_fit(resolved: Resolved, facts: PlanFacts) -> tuple[str, int | None, Text] | None:
    """(option, its new value, why) of the first thing that does not fit; None where all does."""
    updates = facts.updates
    ends = Text(f"the run ends at update {updates}", f"训练到第 {updates} 次更新就结束了")
    if facts.patience > 0 and facts.held_out > 0 and facts.evaluations <= facts.patience:
        every = evaluate_every(updates, facts.patience)
        if every and every != facts.eval_every:
            return (
                "eval_steps",
                every,
                Text(
                    f"{ends.en}, and a patience of {facts.patience} needs {facts.patience + 1}"
                    " evaluations before",
                    f"{ends.zh}，早停容忍 {facts.patience} 次，"
                    f"需要在此之前评估 {facts.patience + 1} 次",
                ),
            )
        if not facts.eval_every:  # so that rows are held out when it is asked again
            return "eval_steps", evaluate_every(updates, 0), ends
        return "early_stopping_patience", None, ends
    if facts.eval_every > updates:
        return "eval_steps", evaluate_every(updates, 0), ends
    if facts.save_every > updates:
        return "save_steps", max(1, updates // 4), ends
    if facts.warmup_asked > updates:
        return "warmup_steps", None, ends
    return None


def tell_command(resolved: Resolved, journal: Journal) -> bool:
    """Let the finding about flags left out, or not here, show the command that runs; whether there
    is such a finding."""
    if not any(map(journal.holds, SHOWS)):
        return False
    verb = journal.verb or "sft"
    journal.show_command(command_of(verb, resolved, environment=journal.environment))
    return True


def with_rate(
    facts: PlanFacts,
    resolved: Resolved,
    journal: Journal,
    *,
    whole: bool,
) -> PlanFacts:
    """What guards judge of a schedule, with the command that has the rate which fits."""
    if not whole or not facts.usual_rate:
        return facts
    fitting = resolved.with_values("flag", learning_rate=facts.usual_rate)
    verb = journal.verb or "sft"
    return replace(facts, command=command_of(verb, fitting, environment=journal.environment))
