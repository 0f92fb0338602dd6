"""MiniCPM: its names; the plain engine trains it, row by row."""

from suretune.families.family import Family

FAMILY = Family("minicpm", ("MiniCPM", "面壁", "OpenBMB"))
