"""Rows to examples: the one place that knows how people write training data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from suretune.data.beside_text import not_plain
from suretune.data.blank import is_blank, is_none
from suretune.data.call_texts import IN_JSON, with_calls
from suretune.data.call_turns import arranged
from suretune.data.calls import by_name, from_json, tools_of
from suretune.data.columns import TOOLS, context_of, is_message, system_of, turns_of
from suretune.data.content_parts import joined
from suretune.data.dialects import plain_turns, role_of, with_tools
from suretune.data.held import list_of, optional_text, text_of, wrong_type
from suretune.data.marks import NO_MEDIA, filled, refuse_unknown, row_weight, weight_of
from suretune.data.media import is_media
from suretune.data.refusal import Refused, shown
from suretune.data.rendered import read_back
from suretune.data.shapes import (
    instruction_fields,
    no_shape,
    pair_of,
    shape_of,
    without_empty,
)
from suretune.data.turns import empty, in_order, is_absent, message, turn
from suretune.data.unteachable import unteachable
from suretune.data.verdicts import refuse_verdict
from suretune.types import Example, Fault, Message, Origin, Row, Text

__all__ = ["shape_of", "to_example"]


def to_example(row: Row, dataset: str) -> Example | Fault:
    """The row as a conversation, or why it is none."""
    shape = shape_of(row.value)
    if shape is None:
        return no_shape(row.value, row.origin)
    value = {"messages": row.value} if isinstance(row.value, list) else row.value
    value = without_empty(value) if None in value.values() else value
    try:
        _refuse_media(value, row.origin)
        made = _read(with_tools(value), shape, dataset, row.origin)
        weight = row_weight(value, row.origin)
        refuse_verdict(value, made.messages, row.origin)
    except Refused as refusal:
        return refusal.fault
    told = made.rendered
    found = read_back(replace(made, rendered="") if told else made)
    if isinstance(found, Fault):
        return found
    if told and not found.rendered:
        found = replace(found, rendered=told)
    if found.shape == "text" and (fault := not_plain(value, row.origin)):
        return fault
    if weight != 1.0:
        weighed = (replace(turn, weight=turn.weight * weight) for turn in found.messages)
        found = replace(found, messages=tuple(weighed))
    return unteachable(value, found) or found


def _read(
    value: Mapping[str, Any],
    shape: str,
    dataset: str,
    origin: Origin,
) -> Example:
    turns = _READERS[shape](value, origin)
    name = _given(value, TOOLS)
    tools = tools_of(_listed_tools(value.get(name), name, origin), origin)
    if shape == "text":
        return Example(origin, dataset, shape, tuple(turns), tools)
    called = with_calls(turns, tools, origin)
    ordered = arranged(_with_system(called, value, origin), origin)
    return Example(
        origin,
        dataset,
        shape,
        in_order(ordered, origin, _places(value, called) if ordered == called else ()),
        tools,
        rendered="" if called == turns else IN_JSON,
    )


def _places(value: Mapping[str, Any], turns: list[Message]) -> list[str]:
    """Where each turn stands in its row; none where several are made of one, or one of several."""
    name = turns_of(value)
    items = value.get(name)
    if not isinstance(items, list) or len(items) != len(turns):
        return []
    return [f"{name}[{index}]" for index in range(len(items))]


def used_fields(shape: str, value: Mapping[str, Any]) -> frozenset[str]:
    """The fields of a row of this shape that reach the model, or say what of it is learned."""
    return _used(shape, value) - {""}  # which stands for a field that the shape could have


def _used(shape: str, value: Mapping[str, Any]) -> frozenset[str]:
    if shape == "text":
        return frozenset(("text" if "text" in value else "response",))
    beside = (system_of(value), _given(value, TOOLS))
    if shape in ("messages", "sharegpt", "xtuner"):
        return frozenset((*beside, turns_of(value) or "messages"))
    if shape == "alpaca":
        fields = ("instances",) if "instances" in value else instruction_fields(value)
        return frozenset((*beside, "history", "instruction", *fields))
    pair = pair_of(value) or ("query", "response")
    return frozenset((*beside, "history", *pair, context_of(value)))


def _given(value: Mapping[str, Any], names: tuple[str, ...]) -> str:
    """The first of these fields that is filled, else the first."""
    return next((name for name in names if filled(value.get(name))), names[0])


def _listed_tools(value: Any, name: str, origin: Origin) -> list[Any]:
    found = from_json(value) if isinstance(value, str) else value
    return by_name(found) if isinstance(found, Mapping) else list_of(value, name, origin)


def _refuse_media(value: Mapping[str, Any], origin: Origin) -> None:
    for key, item in value.items():
        if is_media(str(key)) and filled(item):
            found = shown(item, 40)
            raise Refused(Fault("wrong-type", origin, field=key, found=found, hint=NO_MEDIA))


def _with_system(
    turns: list[Message],
    value: Mapping[str, Any],
    origin: Origin,
) -> list[Message]:
    """The turns behind the row's `system` field, unless they begin with that very prompt."""
    name = system_of(value)
    held = value.get(name)
    if isinstance(held, list):  # of parts, as Anthropic's are
        held = joined(held, {}, name, origin)
    system = _beside({name: held}, name, origin)
    # An empty field says that nothing was said; templates have their own idea of an empty turn.
    if not system or (turns and turns[0].role == "system" and turns[0].content == system):
        return turns
    return [Message("system", system, places=(name,)), *turns]


def _alpaca(value: Mapping[str, Any], origin: Origin) -> list[Message]:
    instruction = optional_text(value, "instruction", origin)
    if "instances" in value:
        source, input_field, output_field = _only_instance(value, origin), "input", "output"
    else:
        source = value
        input_field, output_field = instruction_fields(value)
    parts = (instruction, _beside(source, input_field, origin))
    return [
        *_history(value, origin),
        turn("user", "\n".join(part for part in parts if part), "instruction", origin),
        _said("assistant", source, output_field, output_field, origin),
    ]


def _beside(
    value: Mapping[str, Any],
    field: str,
    origin: Origin,
) -> str:
    """The text of a field beside a question; empty where it says that there is none."""
    text = optional_text(value, field, origin)
    return "" if is_none(text) else text


def _said(
    role: str,
    value: Mapping[str, Any],
    key: str,
    field: str,
    origin: Origin,
) -> Message:
    """The turn that one field holds as text; `field` is its full name."""
    return turn(
        role,
        text_of(value.get(key), field, origin),
        field,
        origin,
    )


def _only_instance(value: Mapping[str, Any], origin: Origin) -> Mapping[str, Any]:
    instances = list_of(value["instances"], "instances", origin)
    if len(instances) == 1 and isinstance(instances[0], Mapping):
        only: Mapping[str, Any] = instances[0]
        refuse_unknown(only, _INSTANCE_KEYS, "instances[0]", origin)
        return only
    hint = Text(
        f"{len(instances)} instances under one instruction; make one row of each.",
        f"一个 instruction 下有 {len(instances)} 个 instances；请把每个拆成一行。",
    )
    raise wrong_type(origin, "instances", value["instances"], hint)


def _history(value: Mapping[str, Any], origin: Origin) -> list[Message]:
    turns: list[Message] = []
    for index, pair in enumerate(list_of(value.get("history"), "history", origin)):
        field = f"history[{index}]"
        if not isinstance(pair, list) or len(pair) != 2:
            hint = Text("Each entry is [question, answer].", "每一项应为 `[问题, 回答]`。")
            raise wrong_type(origin, field, pair, hint)
        for role, text, part in zip(("user", "assistant"), pair, ("[0]", "[1]"), strict=True):
            turns.append(turn(role, text_of(text, field + part, origin), field + part, origin))
    return turns


def _query_response(value: Mapping[str, Any], origin: Origin) -> list[Message]:
    question, answer = pair_of(value) or ("query", "response")
    return [
        *_history(value, origin),
        *_about(value, _side(value, question, "user", origin), origin),
        _said("assistant", value, answer, answer, origin),
    ]


def _about(
    value: Mapping[str, Any],
    asked: list[Message],
    origin: Origin,
) -> list[Message]:
    """The question with what it is about behind it, as `input` stands behind an instruction."""
    if not (field := context_of(value)):
        return asked
    if not (about := _beside(value, field, origin)):
        return asked
    return [*asked[:-1], replace(asked[-1], content=f"{asked[-1].content}\n{about}")]


def _prompt_completion(value: Mapping[str, Any], origin: Origin) -> list[Message]:
    return [
        *_history(value, origin),
        *_about(value, _side(value, "prompt", "user", origin), origin),
        *_side(value, "completion", "assistant", origin),
    ]


def _side(
    value: Mapping[str, Any],
    field: str,
    role: str,
    origin: Origin,
) -> list[Message]:
    """One text; a prompt or completion may also be a list of turns, or the JSON text of one."""
    held = value[field]
    if field in ("prompt", "completion") and _asks_in_json(value):
        held = _turns_in(held) or held
    if field not in ("prompt", "completion") or not isinstance(held, list):
        return [_said(role, value, field, field, origin)]
    return _all(held, field, origin)


def _asks_in_json(value: Mapping[str, Any]) -> bool:
    """Whether the prompt of a row is the JSON text of turns, up to one that waits for an answer:
    a conversation that ends in one is what is asked about, and an answer alone is meant as JSON."""
    turns = _turns_in(value.get("prompt"))
    return bool(turns) and role_of(turns[-1]) in ("user", "tool")


def _turns_in(text: Any) -> list[Any]:
    """The turns that a text is the JSON of; none where it is anything else."""
    if not isinstance(text, str) or not text.lstrip().startswith("["):
        return []
    found = from_json(text)
    return found if isinstance(found, list) and all(map(is_message, found)) else []


def _all(
    items: list[Any],
    name: str,
    origin: Origin,
) -> list[Message]:
    return [
        message(item, f"{name}[{index}]", origin)
        for index, item in plain_turns(items)
        if not is_absent(item)
    ]


def _listed(value: Mapping[str, Any], origin: Origin) -> tuple[str, list[Any]]:
    """The name of the field that holds the turns, and the turns."""
    name = turns_of(value)
    return name, list_of(value[name], name, origin)


def _messages(value: Mapping[str, Any], origin: Origin) -> list[Message]:
    name, items = _listed(value, origin)
    return _all(items, name, origin)


def _sharegpt(value: Mapping[str, Any], origin: Origin) -> list[Message]:
    name, items = _listed(value, origin)
    turns: list[Message] = []
    for index, item in plain_turns(items):
        field = f"{name}[{index}]"
        if isinstance(item, Mapping) and "human" in item and "from" not in item:
            refuse_unknown(item, _PAIR_KEYS, field, origin)
            turns.append(_said("user", item, "human", f"{field}.human", origin))
            answer = _said(
                "assistant",
                item,
                "assistant",
                f"{field}.assistant",
                origin,
            )
            turns.append(replace(answer, weight=weight_of(item, field, origin)))
        elif not is_absent(item):
            turns.append(message(item, field, origin))
    return turns


def _xtuner(value: Mapping[str, Any], origin: Origin) -> list[Message]:
    name, items = _listed(value, origin)
    turns: list[Message] = []
    for index, item in enumerate(items):
        field = f"{name}[{index}]"
        if not isinstance(item, Mapping):
            hint = Text("A turn is an object.", "每轮对话应是一个对象。")
            raise wrong_type(origin, field, item, hint)
        refuse_unknown(item, _XTUNER_KEYS, field, origin)
        if system := _beside(item, "system", origin):
            turns.append(Message("system", system))
        turns.append(_said("user", item, "input", f"{field}.input", origin))
        answer = _said(
            "assistant",
            item,
            "output",
            f"{field}.output",
            origin,
        )
        turns.append(replace(answer, weight=weight_of(item, field, origin)))
    return turns


def _text(value: Mapping[str, Any], origin: Origin) -> list[Message]:
    field = "text" if "text" in value else "response"
    text = text_of(value[field], field, origin)
    if is_blank(text):
        raise empty(origin, field, text)
    return [Message("text", text)]


_INSTANCE_KEYS = frozenset(("input", "output"))
_PAIR_KEYS = frozenset(("human", "assistant"))
_XTUNER_KEYS = frozenset(("system", "input", "output", "need_eos_token", "sep"))
_READERS = {
    "alpaca": _alpaca,
    "query-response": _query_response,
    "prompt-completion": _prompt_completion,
    "messages": _messages,
    "sharegpt": _sharegpt,
    "xtuner": _xtuner,
    "text": _text,
}
