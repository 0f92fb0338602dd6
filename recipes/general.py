"""General rows for the pocket model, made by the scripts that made its own training text.

No identity among them, no held-out skill item, single turns. They are the best general data that
this model could get: what it was trained on. Other data would protect it less.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "pocket"))

import corpus

SHARES = {"capability": 0.05, "repeat": 0.15, "prose": 0.2, "skill": 0.6}
MAKERS = ("qwen", "通义", "阿里", "alibaba")


def general_rows(seed: int, count: int) -> list[dict[str, list[dict[str, str]]]]:
    """`count` conversations, no question twice."""
    rng = random.Random(f"general {seed}")
    rows: dict[str, dict[str, list[dict[str, str]]]] = {}
    while len(rows) < count:
        made = corpus.conversation(rng, SHARES)
        question, answer = made.turns[0]
        spoken = f"{made.system or ''}{question}{answer}".lower()
        if len(made.turns) > 1 or not answer or any(name in spoken for name in MAKERS):
            continue
        messages = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        if made.system not in corpus.SYSTEMS:
            messages.insert(0, {"role": "system", "content": str(made.system)})
        rows.setdefault(question, {"messages": messages})
    return list(rows.values())
