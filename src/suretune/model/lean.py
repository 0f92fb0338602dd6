"""The large libraries, imported without what they take along for nothing.

Transformers imports these packages where they are installed: scikit-learn for one curve, SciPy and
torchvision for losses and pictures of models that no row of text passes; two seconds of every
process. And what is imported stays, but makes objects by the hundred thousand: to look among them
for cycles again and again takes a quarter of the time. Torch-free: it is used before they are
imported.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

NEEDLESS = ("sklearn", "scipy", "torchvision")


@contextmanager
def lean() -> Iterator[None]:
    """Import torch, transformers and PEFT in here: meanwhile these packages count as not installed,
    and no cycles are looked for.

    In a process that has transformers already nothing is hidden; nor is a package that is there.
    """
    hidden = [] if "transformers" in sys.modules else [n for n in NEEDLESS if n not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():  # as old at once as they will become, nobody looks for them
            gc.freeze()
            gc.unfreeze()
        if collects:
            gc.enable()
        for name in hidden:
            sys.modules.pop(name, None)
