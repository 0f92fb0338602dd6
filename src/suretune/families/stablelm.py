"""StableLM: its names; the plain engine trains it, row by row."""

from suretune.families.family import Family

FAMILY = Family("stablelm", ("StableLM", "Stability AI"))
