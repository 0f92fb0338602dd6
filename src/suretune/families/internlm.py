"""InternLM: its names; the plain engine trains it, row by row."""

from suretune.families.family import Family

FAMILY = Family("internlm", ("InternLM", "书生", "上海人工智能实验室", "Shanghai AI Laboratory"))
