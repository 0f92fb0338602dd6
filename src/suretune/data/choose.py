"""Every `auto`, chosen from the rows and the model, with its reason in the reader's language."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from suretune.config import Resolved, options
from suretune.data.base import Base
from suretune.data.plan import count_updates
from suretune.data.thinking import EMPTY, KEEP, Thinking
from suretune.options_lora import ALL_LINEAR
from suretune.tuning import TUNERS
from suretune.types import Text
from suretune.words import say

UPDATES = 40  # at least; what the articles' 50 rows x 10 epochs come to
MOST_EPOCHS = 10
PROVING = 2  # times as many of both where the run stops by itself once it is proven
# Of the rate, by the first, second and third time that a run goes back: 1/2, 1/8, 1/64 are left.
# What is lost at a half again is not just too high, and rates are mistaken by tens: halved three
# times, a full fine-tune at ten times what its model bears was lost at the last eighth, too.
CUTS = (1 / 2, 1 / 4, 1 / 8)
NARROW = 512  # hidden size, below which a run may stop as soon as it is proven
# From here on one anchor a row holds who learns an identity: 40 runs of 40 of a real model of this
# width were sealed and lost nothing, 0.05 % of their general answers leaked; an update takes 0.6
# of the time that three take (docs/recipes.md).
BROAD = 1536
EARLY = 4  # of the times at which it may be asked before that, one in so many is taken
EARLIER = "earlier version"  # origin of what a run of one could not say
REFERENCE_RATE = 1e-4  # LoRA on a model of hidden size 3584, the articles' (and ms-swift's) rate
REFERENCE_HIDDEN = 3584
# Of that, where the base's own weights learn: adapters start at nothing, weights do not. The field
# takes a tenth (ms-swift 1e-5). On the pocket model a tenth leaked 6 of 522 answers and was
# not sealed; 0.25 leaked 3 and 4, 0.35 leaked 1, 1 and 4, all sealed; a run each.
WHOLE_RATE = 0.25
WIDTH_POWER = 1.135  # 2e-3 at hidden 256, measured on the pocket model: pocket/README.md
HELD_OUT = 0.05
ANCHORS = 0.75  # of the loss, beside an identity: docs/recipes.md
BESIDE_OTHERS = 0.6  # and beside rows that teach something else
MOST_A_ROW = 4.0  # anchors
SIZES = ("per_device_train_batch_size", "gradient_accumulation_steps")  # what an update is made of
LENGTH = ("num_train_epochs", "max_steps")  # of a run
# What a wide model takes that learns who it is; each was measured (docs/recipes.md).
FEW_ROWS = 8  # of an update: twice as many lose more of the model
MIDDLE = 6  # one of so many layers at either end stays as it is: less is lost
WORDINGS = 2  # of each question: more phrasings are answered
LOOKS = PROVING * UPDATES * FEW_ROWS  # at rows, until it may be proven
ITSELF = 3  # turns of an anchor to which the base says I, where others have one: what leaks is less
# Alpha: the rows are learned sooner, so that more updates are left to take back what leaked. Rank:
# nine of forty runs of rank 8 lost too many skills, three of the same forty of rank 16, two of
# 76 of rank 32. All is published: half a phrasing of a hundred for 0.4 leaks (docs/recipes.md).
ALPHA, RANK, WHOLE = 64.0, 32, 1.0
LOWER = (16, 8)  # ranks that were measured at this alpha, too
BREADTH = ("layers_to_transform", "lora_rank", "lora_alpha", "adapter_dose")  # with the first
# Of a dose that is searched: so much above the least that passes, and at most that. At a margin of
# 0.1 5 of 100 phrasings failed; of a wide model that learned by the usual alpha what leaks most is
# in the last twentieth of the strength.
DOSE = (0.2, 1.0)
WIDE_DOSE = (0.35, 0.95)


def auto(en: str, zh: str) -> str:
    """The origin of a value that was chosen."""
    return f"auto: {say(Text(en, zh))}"


def choose_length(resolved: Resolved, base: Base) -> Resolved:
    """Fill `--max_length`, which rendering needs."""
    if resolved.config.data.max_length is not None:
        return resolved
    why = auto(
        "the model's context (max_position_embeddings)",
        "模型的上下文长度",
    )
    return resolved.with_values(why, max_length=base.context)


def choose_think(resolved: Resolved, template: Thinking) -> Resolved:
    """Fill `--think` where the template knows thoughts; elsewhere rows are learned as they are."""
    if resolved.config.data.think is not None or not template.known:
        return resolved
    if resolved.origins.get("think") == EARLIER:
        # It learned thoughtless answers behind the prompt for thoughts, an empty one in front.
        return resolved.with_values(EARLIER, think=EMPTY if template.adds else KEEP)
    if template.switch:
        why = auto(
            "answers are learned behind the prompt of their kind, with thoughts or without",
            "有思考和没有思考的回答，各接在自己那种提示词后面学习",
        )
    elif template.opened:
        why = auto(
            "every prompt of this template begins a thought",
            "这个模板的每个提示词都以思考开头",
        )
        return resolved.with_values(why, think=EMPTY)
    else:
        why = auto(
            "as rows and template say it",
            "按数据和模板的写法",
        )
    return resolved.with_values(why, think=KEEP)


def choose_split(
    resolved: Resolved,
    *,
    identity: bool,
    rows: int,
) -> Resolved:
    """Fill `--split_dataset_ratio`: questions prove an identity, held-out rows all else."""
    asked = resolved.config
    if asked.data.split_dataset_ratio is not None:
        return resolved
    if asked.data.val_dataset:
        why = auto(
            "--val_dataset is given",
            "已给出 --val_dataset",
        )
        return resolved.with_values(why, split_dataset_ratio=0.0)
    wanted = asked.schedule.eval_steps or asked.schedule.early_stopping_patience
    if identity and not wanted:
        why = auto(
            "questions prove an identity, so every row can be learned",
            "身份由提问来验证，所有行都可以用于训练",
        )
        return resolved.with_values(why, split_dataset_ratio=0.0)
    ratio = max(HELD_OUT, min(0.5, 2 / max(rows, 1)))
    why = auto(
        "proof needs rows that were never learned",
        "评估和验证需要从未学过的行",
    )
    return resolved.with_values(why, split_dataset_ratio=round(ratio, 4))


def choose_mix(
    resolved: Resolved,
    base: Base,
    *,
    identity: bool,
    datasets: int,
    proving: bool,
) -> Resolved:
    """Fill `--mix`, `--anchor_ratio` and, where there are anchors, what is said of them.

    `identity`: some rows are one; `proving`: see `narrowly`.
    """
    asked = resolved.config.schedule
    if asked.mix is None:
        if identity and datasets > 1:
            why = auto(
                "an identity among other data would be a few words among many",
                "身份数据混在其他数据里，字数太少，会被淹没",
            )
            resolved = resolved.with_values(why, mix="datasets")
        else:
            resolved = resolved.with_values(auto("the usual", "通常做法"), mix="tokens")
    if asked.anchor_ratio is None:
        resolved = _anchored(resolved, identity)
    ratio = resolved.config.schedule.anchor_ratio
    if ratio and asked.anchor_loss is None:
        why = auto(
            "keeps most of the base",
            "最能保住原有能力",
        )
        resolved = resolved.with_values(why, anchor_loss="kl")
    wide = base.hidden >= NARROW and datasets == 1
    if ratio and wide and asked.anchors_per_row is None:
        broad = base.hidden >= BROAD and narrowly(resolved, base, proving=proving)
        resolved = _per_row(resolved, ratio, broad)
    return resolved


def _per_row(resolved: Resolved, ratio: float, broad: bool) -> Resolved:
    """Fill `--anchors_per_row`, for a wide model and one dataset: more of them keep more of it
    (docs/recipes.md), but where it is `broad`. Left open it is one: a narrow model is proven sooner
    than more pays, and several datasets are long work as they are."""
    if broad:
        why = auto("one a row holds a model of this width", "这么宽的模型，每行一个就够")
        return resolved.with_values(why, anchors_per_row=1.0)
    why = auto(
        "an anchor weighs what a row weighs",
        "一个锚定问答与一行数据同样重",
    )
    per_row = min(MOST_A_ROW, round(ratio / (1 - ratio), 2))
    return resolved.with_values(why, anchors_per_row=per_row)


def _anchored(resolved: Resolved, identity: bool) -> Resolved:
    """Fill `--anchor_ratio`: by default what the rows do not ask for stays as it was."""
    if resolved.config.proof.scope == "all":
        why = auto(
            "the rows may change every answer (--scope all)", "允许改变所有回答（--scope all）"
        )
        return resolved.with_values(why, anchor_ratio=0.0)
    why = auto(
        "anchors, general questions, keep what the base could; docs/recipes.md",
        "锚定问答（anchors，让模型在别的问题上保持原样的通用问答）的份额；见 docs/recipes.md",
    )
    return resolved.with_values(why, anchor_ratio=ANCHORS if identity else BESIDE_OTHERS)


def choose_schedule(
    resolved: Resolved,
    base: Base,
    samples: int,
    *,
    probing: bool,
    proving: bool = False,
) -> Resolved:
    """Fill rows an update, epochs and learning rate for this many samples. `probing`: it stops when
    proven; `proving`: and nothing but an identity is learned."""
    if proving and holds_who_it_was(resolved, base):
        resolved = _fewer_rows(resolved)
    if resolved.config.schedule.num_train_epochs is None:
        resolved = _epochs(resolved, samples, PROVING if probing else 1)
    if resolved.config.schedule.learning_rate is None:
        updates = count_updates(resolved.config.schedule, samples)
        at = REFERENCE_RATE * share_of_rate(resolved)
        why = auto(
            f"{at:g} at hidden size {REFERENCE_HIDDEN} and {UPDATES} updates,"
            f" scaled to {base.hidden} and {updates}",
            f"由宽度 {REFERENCE_HIDDEN}、{UPDATES} 次更新时的 {at:g}"
            f" 换算到宽度 {base.hidden}、{updates} 次更新",
        )
        rate = usual_rate(resolved, base.hidden, updates)
        if (more := resolved.config.lora.lorap_lr_ratio or 1.0) > 1:
            why += say(Text(f"; A's: B has {more:g} times it", f"；这是 A 的，B 是 {more:g} 倍"))
        resolved = resolved.with_values(why, learning_rate=rate)
    return resolved


def holds_who_it_was(
    resolved: Resolved,
    base: Base,
) -> bool:
    """Whether the base is wide and there are anchors: beside an identity alone it then takes what
    was measured of a wide model."""
    return base.hidden >= NARROW and bool(resolved.config.schedule.anchor_ratio)


def narrowly(
    resolved: Resolved,
    base: Base,
    *,
    proving: bool,
) -> bool:
    """Whether it is by adapters, too: of these alone the layers, the wordings and the turns of
    anchors were measured. `proving`: nothing but an identity is learned, until it is proven."""
    adapters = not TUNERS[resolved.config.lora.tuner].whole
    return proving and adapters and holds_who_it_was(resolved, base)


def choose_breadth(
    resolved: Resolved,
    base: Base,
    rows: int,
    *,
    proving: bool,
) -> Resolved:
    """Fill `--layers_to_transform`, with it `--lora_rank`, `--lora_alpha` and `--adapter_dose`, and
    `--paraphrases` of adapters on a wide model. `proving`: nothing but an identity is learned,
    until it is proven. Elsewhere it is all layers, the usual rank and alpha, a dose that is
    searched and no wordings; no wordings, which are rows as well, also where somebody said how
    long the work is."""
    if not narrowly(resolved, base, proving=proving):
        return resolved
    asked, ends = resolved.config, base.layers // MIDDLE
    free = not asked.lora.layers_to_transform and asked.lora.target_modules == (ALL_LINEAR,)
    if free and ends:
        why = auto(
            f"of {base.layers} layers those in the middle: more of the model is kept",
            f"共 {base.layers} 层，只在中间几层加适配器：更能保住模型原有的能力",
        )
        middle = f"{ends}-{base.layers - ends - 1}"
        resolved = resolved.with_values(why, layers_to_transform=(middle,))
        resolved = _scaled(resolved)
    as_many = LOOKS // max(rows, 1) - 1  # as are seen before it may be proven
    long = any(map(resolved.given, (*SIZES, *LENGTH, "budget")))
    if asked.data.paraphrases is None and as_many > 0 and not long:
        why = auto(
            "more ways to ask are answered",
            "换个问法也能答对",
        )
        resolved = resolved.with_values(why, paraphrases=min(WORDINGS, as_many))
    return resolved


def chosen_anew(resolved: Resolved, base: Base, *, proving: bool, **asked: Any) -> Resolved:
    """The same with this asked for: layers, rank, alpha and dose that were chosen are so again."""
    usual = {name: options()[name].default for name in BREADTH if resolved.chosen(name)}
    other = resolved.with_values("default", **usual).with_values("flag", **asked)
    return choose_breadth(other, base, LOOKS, proving=proving)  # rows stay as they are


def spread_rank(resolved: Resolved, base: Base) -> int:
    """The rank of adapters in all layers that weigh as much as those in some."""
    lora, layers = resolved.config.lora, max(1, base.layers)
    return lora.saved_rank * (layers if lora.layers is None else len(lora.layers)) // layers


def _scaled(resolved: Resolved) -> Resolved:
    """Fill `--lora_rank`, `--lora_alpha` and `--adapter_dose` of what has the middle layers.
    Variants of LoRA, small ranks and another alpha were not measured there, and keep the usual."""
    lora = resolved.config.lora
    if not lora.is_plain or lora.lora_rank < LOWER[-1] or resolved.given("lora_alpha"):
        return resolved
    if not resolved.given("lora_rank"):
        why = auto(
            f"with more room less is lost of the model; vLLM needs `--max-lora-rank {RANK}`",
            f"容量大一些，模型原有的能力丢失更少；vLLM 需加 `--max-lora-rank {RANK}`",
        )
        resolved = resolved.with_values(why, lora_rank=RANK)
    if lora.adapter_dose is None:
        why = auto(
            "all of it: more phrasings are answered",
            "全部发布：换个问法也能答对",
        )
        resolved = resolved.with_values(why, adapter_dose=WHOLE)
    why = auto(
        "learned sooner, it leaks less",
        "学得快一些，泄漏更少",
    )
    return resolved.with_values(why, lora_alpha=ALPHA)


def _fewer_rows(resolved: Resolved) -> Resolved:
    """Fewer rows an update: an identity needs few looks at each row, what the model keeps needs
    updates."""
    if any(map(resolved.given, SIZES)):
        return resolved
    why = auto(
        f"{FEW_ROWS} rows beside their anchors keep more of the model than 16",
        f"每次更新 {FEW_ROWS} 行，其余是锚定问答，比 16 行更能保住模型原有的能力",
    )
    return resolved.with_values(why, gradient_accumulation_steps=FEW_ROWS)


def _epochs(resolved: Resolved, samples: int, times: int) -> Resolved:
    asked = resolved.config.schedule
    size = asked.rows_per_update
    per_epoch = max(1, math.ceil(samples / size))
    if asked.max_steps is not None:
        why = auto(f"--max_steps {asked.max_steps}", f"由 --max_steps {asked.max_steps} 决定")
        return resolved.with_values(why, num_train_epochs=round(asked.max_steps / per_epoch, 2))
    updates, most = times * UPDATES, times * MOST_EPOCHS
    why = auto(
        f"at least {updates} updates of {size} rows, at most {most} epochs"
        + ("; it stops where the probes pass twice in a row" if times > 1 else ""),
        f"至少 {updates} 次更新、每次 {size} 行，最多 {most} 轮"
        + ("；验证问题连续两次全部通过就停止" if times > 1 else ""),
    )
    epochs = min(most, math.ceil(updates / per_epoch))
    return resolved.with_values(why, num_train_epochs=float(epochs))


def settled(hidden: int) -> int:
    """Updates before which a run is not proven, however soon its probes pass: until then the
    anchors take back what has leaked. On a real model of width 576, 14 to 25 of 958 general
    answers said the new name where a run stopped as soon as its probes passed, 5 after 80 updates.
    After 120 it were as few, but more was lost of what the model knew (docs/recipes.md)."""
    return PROVING * UPDATES if hidden >= NARROW else 0


def looks(steps: Sequence[int], settles: int) -> tuple[int, ...]:
    """Of the updates after which probes may be asked (`steps`, the last ends the plan), those after
    which they are: before `settles`, when nothing is proven whatever passes, one in EARLY."""
    early = [step for step in steps[:-1] if step < settles]
    return (*early[EARLY - 1 :: EARLY], *steps[len(early) :])


def settles_after(
    resolved: Resolved,
    base: Base,
    samples: int,
    *,
    proving: bool,
) -> tuple[int, tuple[str, ...]]:
    """(updates, flags): what a wide model that learns who it is would have by itself (`settled`),
    and what was said in place of that; (0, ()) where the length was not said, or where the rows
    are so few that they would be learned by heart meanwhile. `proving`: as `narrowly` has it."""
    if not narrowly(resolved, base, proving=proving):
        return 0, ()
    said = tuple(filter(resolved.given, (*LENGTH, *SIZES)))
    few = PROVING * MOST_EPOCHS * samples < LOOKS
    if few or not set(LENGTH) & set(said):
        return 0, ()
    return settled(base.hidden), tuple(f"--{name}" for name in said)


def share_of_rate(resolved: Resolved) -> float:
    """Of the rate of adapters, what the way to train of this run takes."""
    return WHOLE_RATE if TUNERS[resolved.config.lora.tuner].whole else 1.0


def usual_rate(
    resolved: Resolved,
    hidden: int,
    updates: int,
) -> float:
    """The rate that this run takes unless it is told another; 0 where the width is not known."""
    more = max(resolved.config.lora.lorap_lr_ratio or 1.0, 1.0)  # of what was measured, A's is less
    rate = share_of_rate(resolved) * scaled_rate(hidden, updates) / more if hidden else 0.0
    return float(f"{rate:.2g}")


def scaled_rate(hidden: int, updates: int) -> float:
    """Adam moves each weight by about the rate at each update, whatever the width: a narrow layer
    needs more, a long run less."""
    rate = REFERENCE_RATE * (REFERENCE_HIDDEN / max(hidden, 1)) ** WIDTH_POWER
    return float(f"{rate * math.sqrt(UPDATES / max(updates, UPDATES)):.2g}")
