"""Whoever leads lets the others go at its end, whatever that is; alone it needs no torch for it."""

from __future__ import annotations

import atexit
from contextlib import suppress
from functools import cache

from suretune.train.place import CALLED, here


@cache
def let_go_at_end() -> None:
    """Where torchrun started others beside this process, they wait until it calls them.

    If it never does (a sealed run that was resumed, a script that caught a refusal), they are told
    at its end, and end as well.
    """
    if here().size > 1 and here().leads:
        from suretune.train.muster import let_go  # not at the end, when torch cannot be loaded

        def end() -> None:
            if not CALLED.is_set():
                with suppress(KeyboardInterrupt):  # nobody has to wait for those who never came
                    let_go()

        atexit.register(end)
