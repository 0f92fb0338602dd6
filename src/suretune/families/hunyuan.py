"""Hunyuan: its names; the plain engine trains it, row by row."""

from suretune.families.family import Family

FAMILY = Family("hunyuan", ("Hunyuan", "混元", "腾讯", "Tencent"))
