"""Contents that are lists of typed parts, to the text that they say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from suretune.data.call_texts import called
from suretune.data.calls import calls_of, from_json
from suretune.data.held import one_of, text_of, wrong_type
from suretune.data.key_names import MEDIA, THOUGHTS, folded
from suretune.data.marks import refuse_unknown
from suretune.data.refusal import shown
from suretune.types import Origin, Text

_TEXTS = ("text", "value", "content", *THOUGHTS)
_PART_KEYS = frozenset(("type", *_TEXTS))
_SAID = ("text", "input_text", "output_text")
_THOUGHT = ("reasoning", "thinking")
ONLY_TEXT = Text(
    "Only text can be learned here; leave out images, audio and video.",
    "这里只能学习文本；请去掉图片、音频和视频。",
)
PARTS_ARE = Text(
    "The parts of a content are read where their type is `text`, `thinking`, `tool_use` or"
    " `tool_call`, and `tool_result` in the turns of a user.",
    "内容的各部分只读这些类型：`text`、`thinking`、`tool_use`、`tool_call`，以及用户轮次里的"
    " `tool_result`。",
)


def parts_in(text: Any) -> list[Any]:
    """The typed parts that a text is the JSON of; none where it is anything else."""
    if not isinstance(text, str) or not text.lstrip().startswith("["):
        return []
    found = from_json(text)
    return found if isinstance(found, list) and all(map(_is_typed, found)) else []


def _is_typed(part: Any) -> bool:
    """Whether this is a part and nothing that anybody would say: its type, and the text of it."""
    if not isinstance(part, Mapping) or len(part) != 2:
        return False
    kind = part.get("type")
    if kind in _SAID:
        return isinstance(part.get("text"), str)
    return kind in _THOUGHT and isinstance(part.get(kind), str)


def joined(
    parts: Sequence[Any],
    extra: dict[str, Any],
    where: str,
    origin: Origin,
) -> str:
    """Text of parts, end to end as templates join them; reasoning and calls go to `extra`."""
    text: list[str] = []
    thoughts: list[str] = []
    for index, part in enumerate(parts):
        field = f"{where}[{index}]"
        if isinstance(part, str):
            text.append(part)
            continue
        if not isinstance(part, Mapping):
            raise wrong_type(origin, field, part, PARTS_ARE)
        kind = part.get("type", "text")
        _, value = one_of(_TEXTS, part, field, origin)
        if kind in _SAID:
            refuse_unknown(part, _PART_KEYS, field, origin)
            text.append(text_of(value, field, origin))
        elif kind in _THOUGHT:
            refuse_unknown(
                part,
                _PART_KEYS | {"signature"},
                field,
                origin,
            )
            thoughts.append(text_of(value, field, origin))
        elif kind == "tool_use":  # Anthropic's
            extra["tool_calls"] = [*extra.get("tool_calls", ()), *calls_of([part], where, origin)]
        elif kind == "tool_call":
            before, calls = called(value, field, origin)
            text.append(before)
            extra["tool_calls"] = [*extra.get("tool_calls", ()), *calls]
        else:
            hint = ONLY_TEXT if folded(str(kind)) in MEDIA else PARTS_ARE
            raise wrong_type(origin, field, f"type: {shown(kind)}", hint)
    thought = "".join(thoughts)
    if thought and thought.strip() != extra.get(THOUGHTS[0], "").strip():  # else it is said twice
        extra[THOUGHTS[0]] = extra.get(THOUGHTS[0], "") + thought
    return "".join(text)
