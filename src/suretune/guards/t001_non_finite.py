"""T001 non-finite: the loss or the gradient of an update is not a finite number.

What it looks at: the loss and the norm of the gradient of every update, before it is applied.

Why it matters: one such update turns every weight of the adapter into NaN. Clipping does not
help: a norm that is NaN spreads to all gradients. Many tools replace the value in the log by an
average, so the curve looks clean.

Fix: the update was not applied, and the last checkpoint is good. Where no row is to blame, the
run has already gone back to its last good state three times, with a half, an eighth and a 64th of
the rate: train with a hundredth of the `--learning_rate`, in `--torch_dtype bfloat16`. Where rows
are to blame (the base itself, without the adapter, cannot compute them), look at those that the
message names, and correct them or leave them out with `--quarantine 3`.

T001 non-finite：某次更新的损失或梯度出现 NaN 或 Inf。

检查内容：每次更新的损失和梯度范数，在更新生效之前检查。

影响：这样的更新只要生效一次，适配器的权重就全部变成 NaN。梯度裁剪没有用：范数一旦是 NaN，就会传给
所有梯度。不少工具在日志里用平均值代替它，曲线看起来一切正常。

怎么改：这次更新没有生效，上一个检查点是好的。如果与具体数据无关，程序已经三次退回最近的完好状态，
学习率先后降到二分之一、八分之一和六十四分之一，仍然不行：请把 `--learning_rate` 降到百分之一，并
用 `--torch_dtype bfloat16` 训练。如果是某些数据的问题（不带适配器的原模型也会算出 NaN 或 Inf），
请查看检查结果里列出的数据，改正它们，或用 `--quarantine 3` 跳过它们。
"""

import math

from suretune.facts import StepFacts
from suretune.guards.guard import Guard, Values, some
from suretune.types import Text


def check(facts: StepFacts) -> Values | None:
    if math.isfinite(facts.loss) and math.isfinite(facts.grad_norm):
        return None
    return {
        "where": f"step {facts.step}",
        "step": facts.step,
        "loss": facts.loss,
        "grad_norm": facts.grad_norm,
        "rows": some(facts.rows),
        "mend": _leave_out(facts.quarantine) if facts.quarantine else HUNDREDTH,
    }


HUNDREDTH = Text(
    "Look at those rows, then train with a hundredth of the `--learning_rate`, in "
    "`--torch_dtype bfloat16`.",
    "先看这些数据，再把 `--learning_rate` 降到百分之一，用 `--torch_dtype bfloat16` 训练。",
)


def _leave_out(rows: int) -> Text:
    return Text(
        f"The base itself cannot compute these rows: correct them, or leave them out with "
        f"`--quarantine {rows}`.",
        f"原模型本身就算不出这些数据：请改正它们，或用 `--quarantine {rows}` 跳过它们。",
    )


GUARD = Guard(
    code="T001",
    name="non-finite",
    title=Text("NaN or Inf in an update", "出现 NaN 或 Inf"),
    stops=True,
    facts=StepFacts,
    check=check,
    what=Text(
        "At update {step} the loss is {loss} and the norm of the gradient "
        "{grad_norm}; the rows: {rows}.",
        "第 {step} 次更新的损失是 {loss}，梯度范数是 {grad_norm}；涉及的数据：{rows}。",
    ),
    why=Text(
        "Applied, it would have ruined every weight. It was not applied, "
        "and the last checkpoint is good.",
        "一旦生效，所有权重都会被毁掉。这次更新没有生效，上一个检查点是好的。",
    ),
    fix=Text("{mend}", "{mend}"),
)
