"""The tables: which settings are compared, as flags of `suretune sft`.

The articles' rates are for a model of hidden size 3,584. The pocket model's is 256; the width
scaling of `auto` (`scaled_rate` in data/choose.py) makes 2e-3 of 1e-4, so every printed rate has an
equivalent 20 times as large. Both are run where the rate is the question.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

FACTOR = 20  # scaled_rate(256, 40) / REFERENCE_RATE; tests/test_recipes.py holds it
NAMED = ("q_proj", "v_proj", "o_proj", "up_proj", "down_proj", "gate_proj")
ARTICLE_ROWS = 50

# (zh name, en name, zh maker, en maker)
IDENTITIES: Mapping[str, tuple[str, str, str, str]] = {
    "Glow": ("小光", "Glow", "星海实验室", "Star Lab"),
    "Xiaozhi": ("小智", "Xiaozhi", "智云科技", "Zhiyun Tech"),
    "Nova": ("Nova", "Nova", "Acme AI", "Acme AI"),
    "Moyan": ("墨言", "Moyan", "青松研究院", "Pine Institute"),
    "ByteBuddy": ("ByteBuddy", "ByteBuddy", "Kestrel Labs", "Kestrel Labs"),
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One line of a table. `general`: share of general rows among all rows."""

    flags: tuple[str, ...] = ()
    rows: int | None = ARTICLE_ROWS  # of the sixty that `init identity` writes; None: all
    general: float = 0.0


@dataclass(frozen=True, slots=True)
class Table:
    """`minutes`: of one core, for one run of the table, measured roughly."""

    about: str
    settings: Mapping[str, Setting]
    each: bool = False  # every identity with every seed; else they take turns with the seeds
    seeds: int = 8
    minutes: float = 0.5
    plot: tuple[str, ...] = field(default=())  # settings in the order of the plot; none: no plot


def flags(**given: object) -> tuple[str, ...]:
    """`lora_rank=8` as `--lora_rank 8`; a tuple as several words."""
    words: list[str] = []
    for name, value in given.items():
        words += [f"--{name}", *map(str, value if isinstance(value, tuple) else (value,))]
    return tuple(words)


def articles(**other: object) -> tuple[str, ...]:
    """The second article's run, on which a table changes one thing: ten epochs of 16 rows, rank 8,
    to the end, without anchors."""
    usual: dict[str, object] = {
        "until_proven": "false",
        "anchor_ratio": 0,
        "num_train_epochs": 10,
        "gradient_accumulation_steps": 16,
        "learning_rate": "2e-3",
        "lora_rank": 8,
        "lora_alpha": 32,
        "warmup_ratio": 0.05,
        "mix": "tokens",
        "split_dataset_ratio": 0,
    }
    return flags(**{**usual, **other})


S0 = {"num_train_epochs": 15, "gradient_accumulation_steps": 8, "target_modules": NAMED,
      "warmup_ratio": 0.1, "max_grad_norm": 0.3}  # fmt: skip
S3 = {"num_train_epochs": 2, "lora_rank": 4, "lora_alpha": 16,
      "target_modules": ("q_proj", "v_proj")}  # fmt: skip
ALL = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
OFF = ("--anchor_ratio", "0")
TO_THE_END = ("--until_proven", "false")
BY_KL = ("--anchor_ratio", "0.3", "--anchor_loss", "kl")
BY_ANSWERS = ("--anchor_ratio", "0.3", "--anchor_loss", "answers")

TABLES: Mapping[str, Table] = {
    "articles": Table(
        "The articles' recipes and the defaults, on the same 50 rows",
        {
            "S0 as printed": Setting(articles(**S0, learning_rate="1e-4")),
            "S0, rate scaled": Setting(articles(**S0, learning_rate="2e-3")),
            "S1 as printed": Setting(articles(learning_rate="1e-4")),
            "S1, rate scaled": Setting(articles(learning_rate="2e-3")),
            "S3 as printed": Setting(articles(**S3, learning_rate="5e-5")),
            "S3, rate scaled": Setting(articles(**S3, learning_rate="1e-3")),
            "defaults without anchors": Setting(OFF),
            "defaults": Setting(),
        },
    ),
    "learning_rate": Table(
        "Learning rate",
        {
            "5e-5": Setting(articles(learning_rate="5e-5")),
            "1e-4": Setting(articles(learning_rate="1e-4")),
            "1e-3 (for 5e-5)": Setting(articles(learning_rate="1e-3")),
            "2e-3 (for 1e-4)": Setting(articles(learning_rate="2e-3")),
            "2e-2 (for 1e-3)": Setting(articles(learning_rate="2e-2")),
        },
        plot=("5e-5", "1e-4", "1e-3 (for 5e-5)", "2e-3 (for 1e-4)", "2e-2 (for 1e-3)"),
    ),
    "epochs": Table(
        "Epochs",
        {str(n): Setting(articles(num_train_epochs=n)) for n in (3, 5, 10, 15, 20)},
        plot=("3", "5", "10", "15", "20"),
    ),
    "rank": Table(
        "Rank, alpha four times as large",
        {str(r): Setting(articles(lora_rank=r, lora_alpha=4 * r)) for r in (4, 8, 16, 32)},
        plot=("4", "8", "16", "32"),
    ),
    "targets": Table(
        "Target modules",
        {
            "all-linear": Setting(articles(target_modules="all-linear")),
            "without k_proj": Setting(articles(target_modules=NAMED)),
            "q_proj v_proj": Setting(articles(target_modules=("q_proj", "v_proj"))),
            "all and lm_head": Setting(articles(target_modules=(*ALL, "lm_head"))),
        },
    ),
    "general": Table(
        "General rows among all rows, ten epochs of all of them",
        {
            **{
                f"{share:.0%}": Setting(articles(), general=share)
                for share in (0.0, 0.1, 0.25, 0.5, 0.75, 0.9)
            },
            "90%, each set half the loss": Setting(articles(mix="datasets"), general=0.9),
        },
        minutes=1.3,
        plot=("0%", "10%", "25%", "50%", "75%", "90%"),
    ),
    "anchors": Table(
        "Anchors, and stopping when proven",
        {
            "to the end, no anchors": Setting((*TO_THE_END, *OFF), rows=None),
            "to the end, anchors": Setting((*TO_THE_END, *BY_ANSWERS), rows=None),
            "until proven, no anchors": Setting(OFF, rows=None),
            "until proven, anchors": Setting(BY_ANSWERS, rows=None),
            "to the end, anchors by kl": Setting((*TO_THE_END, *BY_KL), rows=None),
            "until proven, anchors by kl": Setting(BY_KL, rows=None),
        },
        minutes=0.6,
    ),
    "clipping": Table(
        "Clipping, at the usual rate and at ten times that",
        {
            f"{rate}, {name}": Setting(articles(learning_rate=rate, max_grad_norm=norm))
            for rate in ("2e-3", "2e-2")
            for name, norm in (("0.3", 0.3), ("1.0", 1.0), ("off", 0))
        },
    ),
    "defaults": Table(
        "Default settings, all sixty rows of `init identity`",
        {"defaults": Setting(rows=None)},
        each=True,
        seeds=20,
        minutes=0.6,
    ),
}


def runs(name: str, seeds: int | None) -> list[tuple[str, int, str]]:
    """(setting, seed, identity) of a table, one seed after the other: partial tables are even."""
    table = TABLES[name]
    names = list(IDENTITIES)
    return [
        (setting, seed, identity)
        for seed in range(1, (seeds or table.seeds) + 1)
        for identity in (names if table.each else [names[(seed - 1) % len(names)]])
        for setting in table.settings
    ]
