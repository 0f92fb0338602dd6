"""One option: its default, its help in two languages, its other names, its range."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from suretune.types import Text


def option(
    default: Any,
    en: str,
    zh: str,
    *aliases: str,
    choices: tuple[str, ...] = (),
    least: float | None = None,
    most: float | None = None,
    above: float | None = None,
    once: bool = False,
    values: Mapping[str, str] | None = None,
    elsewhere: Mapping[str, Text] | None = None,
    pattern: str = "",
) -> Any:
    """A dataclass field with its help in two languages.

    `least` is the smallest number allowed, `above` one that is itself too small, `choices` the
    words allowed, `values` other tools' words for them, `elsewhere` those that only other tools
    have, with what there is here; `pattern`: of words that are taken beside the choices. `once`: a
    list that may not be given in pieces.
    """
    about = {
        "help": Text(en, zh),
        "aliases": aliases,
        "choices": choices,
        "least": least,
        "most": most,
        "above": above,
        "once": once,
    }
    words = {"values": values or {}, "elsewhere": elsewhere or {}, "pattern": pattern}
    return field(default=default, metadata={**about, **words})


# Names that were options of earlier versions and never did anything: the config.yaml of a run may
# have them still. On a command line they are what other tools' tables say (importing).
FORMER = frozenset(
    (
        "packing",
        "padding_free",
        "dataloader_num_workers",
        "per_device_eval_batch_size",
        "use_loss_scale_sampler",
    )
)
