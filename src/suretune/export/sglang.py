"""`--to sglang`: the same files as for vLLM, and SGLang's own command.

It needs the layers' names in its flags; what it does not find it leaves out with a warning only.
It reads `r` and `lora_alpha` and no other way to say a rank or a scale, so all layers get the
same, and the rank is filled up with zeros to a multiple of 8.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from suretune import typed
from suretune.export.copied import has_own_words
from suretune.export.delta import layers
from suretune.export.door import Asked, Carried, Written
from suretune.export.vllm import (
    EVEN,
    base_path,
    beside_the_blocks,
    served_name,
    verify_there,
    write_adapter,
)
from suretune.facts import SetupFacts


@dataclass(frozen=True, slots=True)
class Sglang:
    """`sglang`."""

    name: str = "sglang"
    quants: Sequence[str] = ()

    def lacks(self, quant: str) -> str:
        """See `Target`."""
        return ""

    def why_not(
        self,
        carried: Carried,
        quant: str,
    ) -> SetupFacts | None:
        """See `Target`."""
        return beside_the_blocks(carried, self.name)

    def write(
        self,
        carried: Carried,
        quant: str,
        folder: Path,
    ) -> Written:
        """See `Target`."""
        return write_adapter(
            carried,
            folder,
            served_by_sglang,
            plain=True,
        )

    def asks(self, carried: Carried, folder: Path) -> Asked | None:
        """See `Target`."""
        return None

    def commands(
        self,
        carried: Carried,
        folder: Path,
    ) -> Sequence[str]:
        """See `Target`."""
        return [served_by_sglang(carried, typed.path(folder)), *verify_there(carried, 30000)]


def served_by_sglang(carried: Carried, place: str) -> str:
    """SGLang's own command; `place`: the folder, as a shell reads it."""
    targets = " ".join(dict.fromkeys(layer.rpartition(".")[2] for layer in layers(carried)))
    rank = -(-carried.rank // EVEN) * EVEN
    words = f" --tokenizer-path {place}" if has_own_words(carried) else ""
    return (
        f"python -m sglang.launch_server --model-path {base_path(carried)} --enable-lora"
        f" --lora-paths {served_name(carried)}={place} --max-lora-rank {rank}"
        f" --lora-target-modules {targets} --chat-template {place}/chat_template.jinja{words}"
    )
