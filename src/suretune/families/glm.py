"""GLM: its names; the plain engine trains it, row by row."""

from suretune.families.family import Family

FAMILY = Family("glm", ("GLM", "智谱", "Zhipu", "Z.ai"))
