"""Whoever leads lets the others go at its end, whatever that is; no torch before that."""

from __future__ import annotations

import atexit

from suretune.train.place import CALLED, here


def let_go_at_end() -> None:
    """Where torchrun started others beside this process, they wait until it calls them.

    If it never does (a sealed run that was resumed, a script that caught a refusal), they are told
    at its end, and end as well.
    """
    if here().size > 1 and here().leads:
        atexit.register(_let_go)


def _let_go() -> None:
    if not CALLED.is_set():
        from suretune.train.muster import let_go

        let_go()
