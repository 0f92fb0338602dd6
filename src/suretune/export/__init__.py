"""Where an adapter can be carried to: one file a target, one line in this table.

What is written is proven as training is: read back, and asked the probes of its seal by the target
itself where that is on this machine.
"""

from __future__ import annotations

from collections.abc import Mapping

from suretune.export.door import Target
from suretune.export.gguf import Gguf
from suretune.export.merged import Merged
from suretune.export.mlx import Mlx
from suretune.export.ollama import Ollama
from suretune.export.sglang import Sglang
from suretune.export.vllm import Vllm

MEMBERS: tuple[Target, ...] = (Merged(), Gguf(), Ollama(), Vllm(), Sglang(), Mlx())
TARGETS: Mapping[str, Target] = {target.name: target for target in MEMBERS}
