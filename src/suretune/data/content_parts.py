"""Contents that are lists of typed parts, to the text that they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from suretune.data.calls import calls_of, tool_calls
from suretune.data.held import one_of, text_of, wrong_type
from suretune.data.key_names import THOUGHTS
from suretune.data.marks import refuse_unknown
from suretune.data.refusal import shown
from suretune.types import Origin, Text

_PART_KEYS = frozenset(("type", "text", "value", *THOUGHTS))
ONLY_TEXT = Text(
    "Only text can be learned here; leave out images, audio and video.",
    "这里只能学习文本；请去掉图片、音频和视频。",
)


def joined(
    parts: Sequence[Any],
    extra: dict[str, Any],
    where: str,
    origin: Origin,
) -> str:
    """Text of typed parts, end to end as templates join them; reasoning and calls go to `extra`."""
    text: list[str] = []
    thoughts: list[str] = []
    for index, part in enumerate(parts):
        field = f"{where}[{index}]"
        if not isinstance(part, Mapping):
            raise wrong_type(origin, field, part, ONLY_TEXT)
        kind = part.get("type", "text")
        _, value = one_of(("text", "value", *THOUGHTS), part, field, origin)
        if kind in ("text", "input_text", "output_text"):
            refuse_unknown(part, _PART_KEYS, field, origin)
            text.append(text_of(value, field, origin))
        elif kind in ("reasoning", "thinking"):
            refuse_unknown(
                part,
                _PART_KEYS | {"signature"},
                field,
                origin,
            )
            thoughts.append(text_of(value, field, origin))
        elif kind == "tool_use":  # Anthropic's
            extra["tool_calls"] = [*extra.get("tool_calls", ()), *calls_of([part], where, origin)]
        elif kind == "tool_call" and (calls := tool_calls(value, field, origin)):
            extra["tool_calls"] = [*extra.get("tool_calls", ()), *calls]
        else:
            raise wrong_type(
                origin,
                field,
                f"type: {shown(kind)}",
                ONLY_TEXT,
            )
    thought = "".join(thoughts)
    if thought and thought.strip() != extra.get(THOUGHTS[0], "").strip():  # else it is said twice
        extra[THOUGHTS[0]] = extra.get(THOUGHTS[0], "") + thought
    return "".join(text)
