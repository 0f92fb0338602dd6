"""ERNIE: its names; the plain engine trains it, row by row."""

from suretune.families.family import Family

FAMILY = Family("ernie", ("ERNIE", "文心", "百度", "Baidu"))
