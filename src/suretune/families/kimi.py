"""Kimi: its names; the plain engine trains it, row by row."""

from suretune.families.family import Family

FAMILY = Family("kimi", ("Kimi", "月之暗面", "Moonshot"))
