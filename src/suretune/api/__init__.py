"""`import suretune`: the same checks, training and proof as the command line, for programs.

Provisional: names and results may still change. Keyword arguments are the command line's options
by their names, judged as there. Nothing is printed; what cannot work raises `Refused`, whose
findings say in two languages what is wrong and what mends it. Every function may be called off the
main thread, and by several threads; on a GPU let one run train at a time.

A run with `lora_dropout` draws from the process's random numbers: two of those at once differ from
one after the other.
"""

from suretune.api.calls import check, resume, train, verify
from suretune.api.errors import Interrupted, Refused
from suretune.api.keywords import Options
from suretune.api.model import Model, load
from suretune.api.results import Plan, Run, Verified
from suretune.words import Language

__all__ = [
    "Interrupted",
    "Language",
    "Model",
    "Options",
    "Plan",
    "Refused",
    "Run",
    "Verified",
    "check",
    "load",
    "resume",
    "train",
    "verify",
]
