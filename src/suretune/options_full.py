"""Options of `--train_type full`; part of options.py."""

from __future__ import annotations

from dataclasses import dataclass

from suretune.option import option


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
