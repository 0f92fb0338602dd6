"""Ctrl-C where Python drops it.

What is raised while an object is taken apart (in its `__del__`, or a callback of its) goes nowhere:
Python prints it and goes on, and a run that was to end would go on to its verdict.
"""

from __future__ import annotations

import _thread
import sys
import threading

LATER = 0.02  # seconds


def hear_what_is_dropped() -> None:
    """From now on, in this process, such a Ctrl-C comes again until somebody hears it."""
    sys.unraisablehook = _again


def _again(told: sys.UnraisableHookArgs) -> None:
    if told.exc_type is KeyboardInterrupt:
        later = threading.Timer(LATER, _thread.interrupt_main)  # not in here: it would be dropped
        later.daemon = True
        later.start()
    else:
        sys.__unraisablehook__(told)
