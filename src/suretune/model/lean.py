"""Transformers without what it takes along for images and curves that nobody here draws.

It imports these packages where they are installed: scikit-learn for one curve, SciPy and
torchvision for losses and pictures of models that no row of text passes. Together two seconds of
every process. Torch-free: it is used before the large libraries are imported.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

NEEDLESS = ("sklearn", "scipy", "torchvision")


@contextmanager
def lean() -> Iterator[None]:
    """Import transformers and PEFT in here: meanwhile these packages count as not installed.

    In a process that has transformers already nothing is hidden; nor is a package that is there.
    """
    hidden = [] if "transformers" in sys.modules else [n for n in NEEDLESS if n not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            sys.modules.pop(name, None)
