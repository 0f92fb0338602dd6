"""Yi: its names; the plain engine trains it, row by row."""

from suretune.families.family import Family

FAMILY = Family("yi", ("零一万物", "01.AI"))
