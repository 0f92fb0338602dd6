"""Which of a base's own weights learn under `--train_type full`, by the names in its files.

No torch: the plan says it in numbers before anything is loaded, and the run does the same. The
words are those that ms-swift has: a share that is frozen from the bottom, beginnings of names that
are frozen, and others that learn in spite of both.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from suretune.data.base import Base
from suretune.data.parts import is_expert, is_text, model_name
from suretune.data.weights import header, weight_files
from suretune.facts import SetupFacts
from suretune.families import fused_layers, is_wrapper
from suretune.options_full import FullOptions

HEAD = "lm_head.weight"
EMBEDDING = "embed_tokens.weight"
NEAR = 5  # names that are told where one matches nothing
_LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks)\.(\d+)\.")


@dataclass(frozen=True, slots=True)
class Learning:
    """Tensors of the text model that learn and that stay, each with its count of numbers, by the
    names that the model has for them."""

    learned: Mapping[str, int]
    frozen: Mapping[str, int]

    @property
    def count(self) -> int:
        """Numbers that learn."""
        return sum(self.learned.values())

    @property
    def share(self) -> float:
        """Of all numbers of the text model."""
        return self.count / max(1, self.count + sum(self.frozen.values()))


def is_tied(base: Base) -> bool:
    """Whether the head is the embedding."""
    layers = fused_layers(base.text.get("model_type"))
    usual = layers is not None and layers.tied
    told = (at.get("tie_word_embeddings") for at in (base.text, base.config))
    return bool(next((word for word in told if word is not None), usual))


def learning_of(base: Base, asked: FullOptions) -> Learning | SetupFacts:
    """What learns of this base; the facts where a name matches nothing, or nothing is left."""
    sizes = _sizes(base)
    tied = is_tied(base)
    if tied:
        sizes.pop(HEAD, None)
    names = sorted(sizes, key=_place)
    called = {name: _calls(name, tied=tied) for name in names}
    words = (
        ("--freeze_parameters", asked.freeze_parameters),
        ("--trainable_parameters", asked.trainable_parameters),
    )
    for flag, given in words:
        for word in given:
            if not any(_matches(each, word) for each in called.values()):
                return _unknown(flag, word, names)
    frozen = set(_bottom(names, sizes, asked.freeze_parameters_ratio))
    frozen |= {n for n in names if any(_matches(called[n], w) for w in asked.freeze_parameters)}
    frozen -= {n for n in names if any(_matches(called[n], w) for w in asked.trainable_parameters)}
    frozen |= {n for n in names if is_expert(n)}
    found = Learning(
        {name: sizes[name] for name in names if name not in frozen},
        {name: sizes[name] for name in names if name in frozen},
    )
    if found.count or not sizes:
        return found
    return SetupFacts("trains-nothing", _said(asked), found="0", spare="full")


def _sizes(base: Base) -> dict[str, int]:
    """Numbers in each tensor of the text model."""
    several = is_wrapper(base.config.get("model_type"))
    found: dict[str, int] = {}
    for path in weight_files(base.folder):
        for name, tensor in header(path).items():
            if name.startswith("mtp.") or (several and not is_text(name)):
                continue
            found[model_name(name) if several else name] = math.prod(tensor.shape)
    return found


def _place(name: str) -> tuple[int, int, str]:
    """Where it stands in the model: the embedding, layer by layer, the rest, the head."""
    if (layer := _LAYER.search(name)) is not None:
        return (1, int(layer[1]), name)
    if name == HEAD:
        return (3, 0, name)
    return (0 if "embed" in name else 2, 0, name)


def _bottom(
    names: Sequence[str],
    sizes: Mapping[str, int],
    ratio: float,
) -> Iterable[str]:
    """The first tensors that together are no more than this share of all numbers."""
    left = ratio * sum(sizes.values())
    for name in names:
        left -= sizes[name]
        if left < 0:
            return
        yield name


def _calls(name: str, *, tied: bool) -> tuple[str, ...]:
    """Names of one tensor: a head that is the embedding is called by either."""
    return (name, HEAD) if tied and name.endswith(EMBEDDING) else (name,)


def _matches(called: Sequence[str], word: str) -> bool:
    """Whether a name begins with these parts: `model.layers.1` is not the eleventh layer."""
    begin = word.rstrip(".*")
    return any(name == begin or name.startswith(f"{begin}.") for name in called)


def _unknown(flag: str, word: str, names: Sequence[str]) -> SetupFacts:
    """A name that matches nothing, and what is like it."""
    parts = {".".join(n.split(".")[:end]) for n in names for end in range(1, n.count(".") + 2)}
    inside = sorted((p for p in parts if word.strip(".") in p), key=lambda p: (len(p), p))
    near = difflib.get_close_matches(word, sorted(parts), n=NEAR, cutoff=0.5)
    found = list(dict.fromkeys([*inside[:NEAR], *near]))[:NEAR] or sorted(parts, key=len)[:NEAR]
    return SetupFacts("weights-match-nothing", f"{flag} {word}", found=", ".join(found))


def _said(asked: FullOptions) -> str:
    """The flags that froze everything."""
    words = [f"--freeze_parameters_ratio {asked.freeze_parameters_ratio:g}"]
    words = words if asked.freeze_parameters_ratio else []
    if asked.freeze_parameters:
        words.append(f"--freeze_parameters {' '.join(asked.freeze_parameters)}")
    return " ".join(words) or "--train_type full"
