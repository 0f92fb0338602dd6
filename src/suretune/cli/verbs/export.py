"""`export`: a run's adapter for another program, and proven there."""

from __future__ import annotations

from suretune.cli.meanings import EXPORTING
from suretune.cli.parse import Command, Verb
from suretune.record.journal import Journal
from suretune.types import Text

TARGETS = "merged | gguf | ollama | vllm | sglang | mlx"
QUANTS = "f32 | f16 | bf16 | q8_0 | q4_k_m"


def export(command: Command, journal: Journal) -> int:
    """Carry a run to another program: whole or not at all, and asked there what its seal was."""
    from suretune.cli.export import carry_over

    return carry_over(command, journal)


VERB = Verb(
    "export",
    Text(
        "carry a run to Ollama, llama.cpp, vLLM and others: suretune export RUN --to gguf",
        "把一次运行导出到 Ollama、llama.cpp、vLLM 等：suretune export 运行 --to gguf",
    ),
    ("model",),
    ("ignore",),
    positional="RUN",
    several=True,
    idle=EXPORTING,
    own={
        "to": Text(f"where it goes: {TARGETS}", f"导出到哪里：{TARGETS}"),
        "out": Text(
            "the folder that is made; RUN-TARGET when not given",
            "要生成的文件夹；不写则为 运行名-目标",
        ),
        "quant": Text(
            f"numbers in a GGUF: {QUANTS}; the base's own when not given",
            f"GGUF 里的数值格式：{QUANTS}；不写则与原模型相同",
        ),
        "time_limit": Text(
            "seconds that the target may take to answer; 900 and 60 for each question when not"
            " given",
            "目标最多用多少秒回答；不写则为 900 秒，再加每个问题 60 秒",
        ),
        "unverified": Text(
            "an adapter without a seal, too: its files are checked, its answers cannot be",
            "没有验证记录的适配器也导出：只检查文件，无法对照回答",
        ),
    },
    torch=True,
    do=export,
    place=152,
)
