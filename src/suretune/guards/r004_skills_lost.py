"""R004 skills-lost: the model may have lost more of what it could do than is allowed.

What it looks at: general questions asked of base and tuned model in the same batches: right before
and wrong now (lost), wrong before and right now (gained). The upper 95 % bound of the net loss
(Tango's, for paired answers) has to lie under `--max_skill_drop`. Questions on which the base
contradicts itself from batch to batch decide nothing, and an answer with the new name is not right.

Why it matters: what was learned is usually looked at, and what was forgotten is not. "No difference
found" would be no proof: with few questions hardly any loss is found.

Fix: train less (two thirds of the `--learning_rate` halved the loss on a real model), hold the
model to what it was (`--anchor_ratio 0.75 --anchor_loss kl`; where the run had that already, with
more anchors, `--anchors_per_row 2`), or mix in general rows, such as
`--dataset mine.jsonl general.jsonl#500`. Where only the number of questions is too small, ask
more.

R004 skills-lost：模型丢掉的能力可能超过了允许的范围。

检查内容：同一批通用问题，让原模型和微调后的模型在相同的批次里各答一遍：原来对、现在错的算丢失，原
来错、现在对的算新增。净损失的 95% 置信上限（Tango 的配对区间）必须低于 `--max_skill_drop`。原模型
自己换一批就答得不一样的题不作数；说出新名字的回答不算对。

影响：学会了什么，大家都会看；忘掉了什么，往往没人看。“没有发现差别”不等于没有差别：题目少的时候，
多大的损失都发现不了。

怎么改：少训练一点（真实模型上，`--learning_rate` 取三分之二，损失减半），
或者用 `--anchor_ratio 0.75 --anchor_loss kl` 让模型保持原样（已经这样训练过的，就用
`--anchors_per_row 2` 增加锚定问答），
或者混入通用数据，例如 `--dataset mine.jsonl general.jsonl#500`。如果只是题目太少，就多问一些。
"""

from suretune.guards.guard import Guard, Values
from suretune.retention import RetentionFacts, more_anchors
from suretune.types import Text

CHANCE = 0.05


def check(facts: RetentionFacts) -> Values | None:
    if not facts.enough or facts.loss_upper < facts.margin:
        return None
    net = (facts.lost - facts.gained) / facts.counted
    return {
        "where": "general questions",
        "counted": facts.counted,
        "lost": facts.lost,
        "gained": facts.gained,
        "net": f"{100 * net:.1f}",
        "upper": f"{100 * facts.loss_upper:.1f}",
        "margin": f"{100 * facts.margin:.1f}",
        "how": _how(facts),
        "anchors": more_anchors(facts.used),
    }


def _how(facts: RetentionFacts) -> Text:
    p, supported = f"{facts.p:.2g}", f"{100 * facts.supported:.1f}"
    if facts.p < CHANCE:
        first = facts.first_loss
        return Text(
            f"That is not chance (p = {p}). The first that was lost: {first}",
            f"这不是偶然（`p = {p}`）。丢失的第一题：{first}",
        )
    return Text(
        f"It may be chance (p = {p}), but so few questions can only support a bound of {supported}"
        " points.",
        f"这可能是偶然（`p = {p}`），但这么少的题最多只能支持 {supported} 个百分点的界限。",
    )


GUARD = Guard(
    code="R004",
    name="skills-lost",
    title=Text("general abilities lost", "丢失了通用能力"),
    stops=True,
    facts=RetentionFacts,
    check=check,
    what=Text(
        "Of {counted} general questions {lost} were lost and {gained} gained: a net loss of {net}"
        " points, up to {upper} by the 95 % bound; it must lie under {margin}. {how}",
        "{counted} 道通用题中，丢失 {lost} 道，新增 {gained} 道：净损失 {net} 个百分点，"
        "95% 置信上限 {upper}，要求低于 {margin}。{how}",
    ),
    why=Text(
        "What was learned does not make up for what the model can no longer do.",
        "学会了新的，却做不了原来会做的事，得不偿失。",
    ),
    fix=Text(
        "Take two thirds of the `--learning_rate`, use `{anchors}`, or mix in general rows:"
        " `--dataset mine.jsonl general.jsonl#500`.",
        "把 `--learning_rate` 降到三分之二，使用 `{anchors}`，"
        "或者混入通用数据：`--dataset mine.jsonl general.jsonl#500`。",
    ),
)
