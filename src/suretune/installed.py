"""Which packages are there, without importing them."""

from __future__ import annotations

import importlib.util


def is_installed(module: str) -> bool:
    """Whether a package can be imported.

    A plain folder of that name is none, and the current one may have such: `gguf` for exports,
    `wandb` and `mlflow` where those trackers wrote.
    """
    found = importlib.util.find_spec(module)
    return found is not None and found.origin is not None
