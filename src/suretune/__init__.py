"""Fine-tune a language model in seconds, and prove that it worked.

    import suretune

    run = suretune.train("pocket", "identity.jsonl", probes="probes.yaml")
    run.verdict                                  # "sealed"
    suretune.load(run.path).ask("Who are you?")

Provisional: what this module exports may still change with a version; everything below it may
change with any. Nothing is printed, and nothing is imported before it is used.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from suretune.api import Interrupted as Interrupted
    from suretune.api import Model as Model
    from suretune.api import Options as Options
    from suretune.api import Plan as Plan
    from suretune.api import Refused as Refused
    from suretune.api import Run as Run
    from suretune.api import Verified as Verified
    from suretune.api import check as check
    from suretune.api import load as load
    from suretune.api import resume as resume
    from suretune.api import train as train
    from suretune.api import verify as verify
    from suretune.words import Language as Language

__all__ = [
    "Interrupted",
    "Language",
    "Model",
    "Options",
    "Plan",
    "Refused",
    "Run",
    "Verified",
    "__version__",
    "check",
    "load",
    "resume",
    "train",
    "verify",
]
ROOMS = ("train", "verify")  # folders of this package that are called as a public function is


class _Called(ModuleType):
    """A room that is also the public function of its name: Python puts an imported folder into its
    package under that name, whatever stood there."""

    def __call__(self, *given: Any, **named: Any) -> Any:
        return _public(self.__name__.rpartition(".")[2])(*given, **named)

    @property
    def __signature__(self) -> Any:
        from inspect import signature

        return signature(_public(self.__name__.rpartition(".")[2]))


class _Package(ModuleType):
    """This module: it sees which rooms are put into it."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in ROOMS and type(value) is ModuleType:
            value.__class__ = _Called
        super().__setattr__(name, value)


def _public(name: str) -> Any:
    return getattr(import_module("suretune.api"), name)


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name in ROOMS:
            return import_module(f"suretune.{name}")
        if name in __all__:
            return _public(name)
        raise AttributeError(f"module 'suretune' has no attribute {name!r}")


sys.modules[__name__].__class__ = _Package
