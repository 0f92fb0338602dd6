"""ChatGLM: its names; the plain engine trains it, row by row."""

from suretune.families.family import Family

FAMILY = Family("chatglm", ("ChatGLM", "智谱", "清华", "Zhipu"))
