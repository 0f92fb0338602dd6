"""Options of `--train_type full`; part of options.py."""

from __future__ import annotations

from dataclasses import dataclass

from suretune.option import option
from suretune.tuning.full import ADAMW, ADAMW_8BIT
from suretune.types import Text

SAME = {  # other tools' words: pages of moments are moved by no one here
    "adamw": ADAMW,
    "adamw_hf": ADAMW,
    "adamw_torch_fused": ADAMW,
    "paged_adamw": ADAMW,
    "paged_adamw_32bit": ADAMW,
    "adamw_bnb_8bit": ADAMW_8BIT,
    "adamw_torch_8bit": ADAMW_8BIT,
    "paged_adamw_8bit": ADAMW_8BIT,
}
OTHERS = ("adafactor", "sgd", "adagrad", "lion_32bit", "lion_8bit", "galore_adamw", "muon", "lomo")
ONLY_ADAMW = Text(
    "Training is by AdamW, its moments in float32 or in 8 bits",
    "训练用的是 AdamW，动量为 float32 或 8 位",
)


@dataclass(frozen=True, slots=True)
class FullOptions:
    """Full"""

    freeze_parameters_ratio: float = option(
        0.0,
        "share of the weights that stays as it is, from the embedding upwards",
        "从词嵌入往上，多大比例的权重保持不变",
        least=0,
        most=1,
    )
    freeze_parameters: tuple[str, ...] = option(
        (),
        "weights that stay as they are, by the beginning of their names: model.layers.0 model.norm",
        "保持不变的权重，写名字的开头：model.layers.0 model.norm",
        once=True,
    )
    trainable_parameters: tuple[str, ...] = option(
        (),
        "weights that learn although the two above would freeze them",
        "上面两项会冻结、但仍要训练的权重",
        once=True,
    )
    optim: str | None = option(
        None,
        "where AdamW's moments lie: in float32 (adamw_torch), or in 8 bits (adamw_8bit), which take"
        " a quarter; in 8 bits only where the others do not fit when not given",
        "AdamW 的动量怎么存放：float32（adamw_torch），或 8 位（adamw_8bit，约占四分之一）；"
        "不写则只在 float32 放不下时才用 8 位",
        choices=(ADAMW, ADAMW_8BIT),
        values=SAME,
        elsewhere=dict.fromkeys(OTHERS, ONLY_ADAMW),
    )
