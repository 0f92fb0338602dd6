"""The pocket model: a small Qwen2 chat model that ships with suretune.

It answers, learns and forgets like a real model, on a laptop's CPU and without a network.
`identity` holds the ways to ask a model who it is, `skills` the tasks with checkable answers.
"""

from pathlib import Path

MODEL = Path(__file__).parent / "model"
"""The model's folder, as `from_pretrained` takes it."""
