"""R003 probes-failed: too few probes pass.

What it looks at: the questions that were asked of the adapter on disk, each with what the
answer must and must not contain.

Why it matters: a low loss shows that the rows were learned by heart. Only the answers show that
the model does what it was trained for.

Fix: add rows that are worded like the question that failed, or raise `--num_train_epochs`, or
`--max_steps` or `--budget` where that decided how long it was; if less than the trained strength
was published, `--adapter_dose 1` publishes all of it.
`suretune report RUN` shows every answer before and after.

R003 probes-failed：通过的验证问题太少。

检查内容：向磁盘上的适配器提问，每个问题都规定了回答里必须有什么、不能有什么。

影响：损失低只说明训练数据背下来了；模型有没有学会，要看它的回答。

怎么改：补充一些与未通过的问题说法相近的数据，或者调大 `--num_train_epochs`
（由 `--max_steps` 或 `--budget` 决定长短的就调大它）；如果发布的强度小于训练所得，
`--adapter_dose 1` 会按全部强度发布。
`suretune report RUN` 会列出每个问题训练前后的回答。
"""

from suretune.facts import ProofFacts
from suretune.guards.guard import EMPTY, Guard, Values
from suretune.retention import LONGER, Used
from suretune.types import Text


def check(facts: ProofFacts) -> Values | None:
    passed, asked, needed = facts.probes_passed, facts.probes_asked, facts.probes_needed
    if not facts.must_pass_failed and (not asked or passed / asked >= needed):
        return None
    first = next(iter(facts.must_pass_failed), facts.first_failed)
    return {
        "where": "probes",
        "passed": passed,
        "asked": asked,
        "needed": needed,
        "first": first,
        "advice": _advice(facts.if_fails),
        "longer": _longer(facts.used),
        "dose": _dose(facts.dose),
    }


def _advice(said: str) -> Text:
    """What the author of the probe wants to be told, apart from the answer before it."""
    return Text(f" ({said})", f"（{said}）") if said else EMPTY


def _longer(used: Used) -> Text:
    """Longer training, where nothing says that it was too much."""
    if used.too_much:
        return EMPTY
    more = LONGER[used.length]
    return Text(f", or {more.en}", f"，或者{more.zh}")


def _dose(dose: float) -> Text:
    """What else may help where not all of the trained strength was published."""
    if dose == 1:
        return EMPTY
    return Text(
        f" Or train with `--adapter_dose 1`: {dose:g} of the trained strength was published.",
        f"也可以用 `--adapter_dose 1` 训练：这次只发布了训练所得强度的 {dose:g}。",
    )


GUARD = Guard(
    code="R003",
    name="probes-failed",
    title=Text("too few probes pass", "验证问题没有通过"),
    stops=True,
    facts=ProofFacts,
    check=check,
    what=Text(
        "{passed} of {asked} probes pass; {needed:.0%} must, and every must-pass "
        "question. The first that fails: {first}{advice}",
        "{asked} 个验证问题通过了 {passed} 个，要求通过 {needed:.0%}，"
        "且必过的问题要全部通过；第一个没通过的是：{first}{advice}",
    ),
    why=Text(
        "The answers, not the loss, show whether the model does what it was trained for.",
        "模型有没有学会，看的是回答，不是损失。",
    ),
    fix=Text(
        "Add rows worded like that question{longer}.{dose}",
        "补充与这个问题说法相近的数据{longer}。{dose}",
    ),
)
