"""The words that people call a question, an answer and a system prompt by, in any spelling."""

from __future__ import annotations

import re
from functools import lru_cache

ASKS = (
    "question",
    "query",
    "prompt",
    "instruction",
    "input",
    "problem",
    "ask",
    "q",
    "user",
    "human",
    "source",
    "utterance",
    "inquiry",
    "title",
    "问题",
    "问",
    "提问",
    "指令",
    "输入",
    "用户",
    "题目",
)
SAYS = (
    "answer",
    "response",
    "completion",
    "output",
    "reply",
    "a",
    "assistant",
    "bot",
    "target",
    "solution",
    "chosen",
    "gpt",
    "summary",
    "gold",
    "groundtruth",
    "回答",
    "答",
    "答案",
    "回复",
    "输出",
    "助手",
    "解答",
)
SYSTEM = (
    "systemprompt",
    "systemmessage",
    "systeminstruction",
    "systeminstructions",
    "metainstruction",
    "系统提示词",
    "系统提示",
    "系统指令",
    "系统消息",
    "系统设定",
)


@lru_cache(4096)
def bare(name: str) -> str:
    """A name without case and whatever stands between its words: `systemPrompt`, `System prompt`
    and `system_prompt` are one."""
    return re.sub(r"[\W_]+", "", name).lower()
