"""How tools write a conversation down as one text: headers, ends, the names of roles."""

from __future__ import annotations

import re
from dataclasses import dataclass

from suretune.data.turns import ROLES


@dataclass(frozen=True, slots=True)
class Form:
    """How a family writes turns: `header` has the group `role`, `end` may be empty.

    `spoken` forms have words as headers, not control tokens: anybody may have typed them.
    `preamble`: a text in front of the first header is the system prompt.
    """

    name: str
    header: re.Pattern[str]
    end: re.Pattern[str] | None
    spoken: bool = False
    preamble: bool = False
    optional: bool = False  # its turns may also end where the next begins


def _form(name: str, header: str, end: str = "", **how: bool) -> Form:
    return Form(
        name,
        re.compile(header),
        re.compile(end) if end else None,
        **how,
    )


PARTS = ("system", "user", "assistant", "tool")
NAMES = {
    **{name: role for name, role in ROLES.items() if role in PARTS},
    **dict.fromkeys(("instruction", "question"), "user"),
    **dict.fromkeys(("response", "answer", "output", "chatbot"), "assistant"),
    **{"系统": "system", "用户": "user", "助手": "assistant", "机器人": "assistant"},
    "ipython": "tool",
}
SAYS = r"(?P<role>[A-Za-z_]+)"
FORMS = (
    _form(
        "ChatML", rf"<\|im_start\|>{SAYS}(?:\n|<\|im_sep\|>|(?=<\|im_end\|>|\Z))", r"<\|im_end\|>"
    ),
    _form(
        "Llama-3",
        rf"<\|start_header_id\|>{SAYS}<\|end_header_id\|>\n{{0,2}}",
        r"<\|eot_id\|>|<\|eom_id\|>",
    ),
    _form("Llama-4", rf"<\|header_start\|>{SAYS}<\|header_end\|>\n{{0,2}}", r"<\|eot\|>"),
    _form("Gemma", rf"<start_of_turn>{SAYS}\n", r"<end_of_turn>"),
    _form("Gemma-4", rf"<\|turn>{SAYS}\n", r"<turn\|>"),
    _form(
        "Phi-3, Zephyr or GLM-4",
        r"<\|(?P<role>system|user|assistant|tool|observation)\|>[ \n]?",
        r"<\|end\|>|</s>|<\|endoftext\|>|<\|eot\|>",
        optional=True,
    ),
    _form(
        "DeepSeek",
        r"<｜(?P<role>User|Assistant)｜>",
        r"<｜end▁of▁sentence｜>",
        optional=True,
        preamble=True,
    ),
    _form(
        "Command-R",
        r"<\|START_OF_TURN_TOKEN\|><\|(?P<role>SYSTEM|USER|CHATBOT)_TOKEN\|>",
        r"<\|END_OF_TURN_TOKEN\|>",
    ),
    _form("Granite", rf"<\|start_of_role\|>{SAYS}<\|end_of_role\|>", r"<\|end_of_text\|>"),
    _form(
        "gpt-oss",
        rf"<\|start\|>{SAYS}(?:<\|channel\|>final)?<\|message\|>",
        r"<\|end\|>|<\|return\|>",
    ),
    _form("OpenChat", r"GPT4 Correct (?P<role>User|Assistant):[ \n]?", r"<\|end_of_turn\|>"),
    _form("InternLM", r"<\|(?P<role>User|Bot)\|>:", r"<eoh>|<eoa>", optional=True),
    _form(
        "Alpaca",
        r"### ?(?P<role>System|Human|User|Instruction|Input|Question|Assistant|Response|Answer"
        r"|Output)(?::[ \n]?| ?\n)",
        r"</s>|<\|endoftext\|>|<\|im_end\|>|<\|eot_id\|>|<\|end_of_text\|>|<eos>",
        spoken=True,
        preamble=True,
        optional=True,
    ),
    _form(
        "Vicuna",
        r"(?P<role>SYSTEM|USER|ASSISTANT):[ \n]?",
        r"</s>|<\|endoftext\|>",
        spoken=True,
        preamble=True,
        optional=True,
    ),
    _form(
        "Human and Assistant",
        r"(?P<role>System|Human|User|Assistant|Bot|系统|用户|助手|机器人)[:：][ \n]?",
        r"</s>|<\|endoftext\|>",
        spoken=True,
        optional=True,
    ),
)
LINED = frozenset({"Alpaca", "Human and Assistant"})  # their headers stand at the start of a line
GUANACO = ("### Human:", "### Assistant:")  # written without line ends, too
OPENING = re.compile(
    r"\s*(?:<s>|<bos>|<\|begin_of_text\|>|<｜begin▁of▁sentence｜>|<\|endoftext\|>|<\|startoftext\|>"
    r"|<BOS_TOKEN>|\[gMASK\]\s*<sop>|<\|begin_of_sentence\|>)?\s*"
)
BETWEEN = re.compile(r"\s*(?:</s>|<s>|<\|endoftext\|>|<eos>|<｜end▁of▁sentence｜>)*\s*")
# What the format brings, not the row: Alpaca's two sentences, and the dates of Llama-3.
ALPACA_SAYS = re.compile(
    r"Below is an instruction that describes a task"
    r"(?:, paired with an input that provides further context)?\. "
    r"Write a response that appropriately completes the request\."
)
ENDS = (
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|eot|>",
    "<|end|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|end_of_turn|>",
    "<|return|>",
    "<|END_OF_TURN_TOKEN|>",
    "<end_of_turn>",
    "<turn|>",
    "<｜end▁of▁sentence｜>",
    "<eos>",
    "<EOS>",
    "[EOS]",
    "<eoa>",
    "</s>",
)
