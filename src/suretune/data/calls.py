"""Tool calls and tool descriptions, as every tool writes them, in the form that templates share.

A null is absent: tables fill a union of structures with nulls, and a schema or a call that holds
them would teach the model to write `"a": null`. In arguments written as JSON text nobody fills
anything in, so there a null is one that was meant.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from suretune.data.marks import filled, refuse_unknown
from suretune.data.refusal import Refused, shown
from suretune.types import Fault, Origin, Text

# Of a call, as programs name them.
_NAMES = ("name", "function", "function_name", "tool_name", "tool", "action")
ARGUMENTS = (
    "arguments",
    "parameters",
    "input",
    "args",
    "kwargs",
    "tool_input",
    "tool_args",
    "action_input",
)
CALL_KEYS = frozenset((*_NAMES, *ARGUMENTS, "id", "type", "index", "description"))
_SCHEMAS = ("parameters", "input_schema", "inputSchema")  # OpenAI's, Anthropic's and MCP's
_OF_ONE = frozenset(("name", "type", "function", "description", *_SCHEMAS))  # keys of a tool
_STAYS = frozenset(("arguments", "parameters", "properties"))  # although nothing is left in it
AN_OBJECT = Text(
    "The arguments of a call are one JSON object, or the text of one.",
    "调用的参数应当是一个 JSON 对象，或它的文本。",
)
ONE_OF_THEM = Text(
    "The call says something else under another name; keep the one that is meant.",
    "这次调用在另一个字段里写了不同的内容；请只保留真正要用的那个。",
)
ROUNDED = Text(
    "A number of so many digits is rounded when it is read; write it as text, in quotes.",
    "位数这么多的数字在读取时会被舍入；请加引号写成文本。",
)
A_CALL = Text(
    'A call is `{"type": "function", "function": {"name": "...", "arguments": {...}}}`.',
    '一次调用写作 `{"type": "function", "function": {"name": "...", "arguments": {...}}}`。',
)
IN_TEXT = Text(
    "A call in JSON text has a name and arguments; take this key out of the text.",
    "JSON 文本里的一次调用只写名称和参数；请从文本中去掉这个字段。",
)
ONE_SCHEMA = Text(
    "The tool describes its parameters twice, and not alike; keep what is meant.",
    "这个工具写了两份不同的参数说明；请只保留真正要用的那份。",
)
A_TOOL = Text(
    "A tool is an object with a name, a description and parameters, or the JSON text of one.",
    "一个工具是含 name、description、parameters 的对象，或它的 JSON 文本。",
)


def from_json(text: str) -> Any:
    """The value, or None when the text is not JSON, or nested deeper than a file's row may be."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    try:
        orjson.dumps(value)
    except TypeError:  # orjson writes less deep than it reads
        return None
    return value


def without_nulls(value: Any) -> Any:
    """The value without the keys that hold null; of what held nothing else, nothing is left."""
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    kept: dict[str, Any] = {}
    for key, item in value.items():
        if item is None:
            continue
        inner = without_nulls(item)
        if inner == {} and item and key not in _STAYS:
            continue
        kept[key] = inner
    return kept


def tool_calls(value: Any, field: str, origin: Origin) -> list[Any]:
    """Calls from `{"name": ..., "arguments": ...}`, a list of these, or JSON text of either; empty
    when it is none of them, so that it may be plain text."""
    found = from_json(value) if isinstance(value, str) else value
    calls = found if isinstance(found, list) else [found]
    if not calls or not all(map(name_of, calls)):
        return []
    return calls_of(calls, field, origin, isinstance(value, str))


def name_of(call: Any) -> str:
    """What is called, in whatever form; empty where it is no call."""
    if not isinstance(call, Mapping):
        return ""
    if isinstance(call.get("function"), Mapping):
        call = call["function"]
    names = (call.get(key) for key in _NAMES)
    return next((name for name in names if isinstance(name, str) and name), "")


def calls_of(
    items: list[Any],
    field: str,
    origin: Origin,
    written: bool = False,
) -> list[Any]:
    """The calls of a turn, each with its arguments as an object. `written`: as JSON text."""
    return [
        _call(item, f"{field}[{index}]", origin, written)
        for index, item in enumerate(items)
        if item is not None
    ]


def _call(
    item: Any,
    field: str,
    origin: Origin,
    written: bool,
) -> dict[str, Any]:
    written = written or isinstance(item, str)
    call = from_json(item) if isinstance(item, str) else item
    if not isinstance(call, Mapping):
        raise _wrong(origin, field, item, A_CALL)
    refuse_unknown(call, CALL_KEYS, field, origin, IN_TEXT if written else None)
    inside = call.get("function")
    if isinstance(inside, str) and isinstance(from_json(inside), Mapping):
        inside, written = from_json(inside), True
    if isinstance(inside, Mapping):
        hint = IN_TEXT if written else None
        refuse_unknown(inside, CALL_KEYS, f"{field}.function", origin, hint)
        for key in ("name", *ARGUMENTS):
            if filled(call.get(key)) and not _says_same(call[key], inside.get(key)):
                raise _wrong(origin, f"{field}.{key}", call[key], ONE_OF_THEM)
        about = {k: v for k, v in call.items() if v is not None and k in ("id", "type")}
    else:
        inside = call
        about = {k: v for k, v in call.items() if k == "id" and v is not None}
    name = name_of(inside)
    if not name:
        raise _wrong(origin, f"{field}.function.name", inside.get("name"), A_CALL)
    for key in _NAMES:
        if filled(inside.get(key)) and inside[key] != name:
            raise _wrong(origin, f"{field}.function.{key}", inside[key], ONE_OF_THEM)
    arguments = _arguments(inside, field, origin, written)
    return {**about, "type": "function", "function": {"name": name, "arguments": arguments}}


def _arguments(
    function: Mapping[str, Any],
    field: str,
    origin: Origin,
    written: bool,
) -> dict[str, Any]:
    key = next((name for name in ARGUMENTS if function.get(name) is not None), "arguments")
    value = function.get(key)
    for other in ARGUMENTS:
        if filled(function.get(other)) and not _says_same(function[other], value):
            raise _wrong(origin, f"{field}.function.{other}", function[other], ONE_OF_THEM)
    if value is None or value == "":
        return {}
    found, texts = value, 0
    while isinstance(found, str) and texts < 2:  # some files quote the text once more
        found, texts = from_json(found), texts + 1
    if not isinstance(found, Mapping):
        raise _wrong(
            origin,
            f"{field}.function.{key}",
            value,
            AN_OBJECT,
        )
    if rounded(found):
        raise _wrong(origin, f"{field}.function.{key}", value, ROUNDED)
    return dict(found) if texts or written else dict(without_nulls(found))


def _says_same(one: Any, other: Any) -> bool:
    """Whether both are the same arguments, or one the JSON text of the other."""
    read = [from_json(value) if isinstance(value, str) else value for value in (one, other)]
    return bool(one == other or (read[0] is not None and read[0] == read[1]))


def rounded(value: Any) -> bool:
    """Whether a number is in it that 64 bits do not hold: it was read as a float, and would be
    learned as 1.18e+21."""
    if isinstance(value, Mapping):
        return any(map(rounded, value.values()))
    if isinstance(value, list):
        return any(map(rounded, value))
    return isinstance(value, float) and abs(value) >= 2**63


def _wrong(
    origin: Origin,
    field: str,
    value: Any,
    hint: Text,
) -> Refused:
    return Refused(Fault("wrong-type", origin, field=field, found=shown(value), hint=hint))


def tools_of(items: list[Any], origin: Origin) -> tuple[Any, ...]:
    """Tool descriptions, each in the form that templates and servers share."""
    return tuple(
        _tool(item, f"tools[{index}]", origin)
        for index, item in enumerate(items)
        if item is not None
    )


def by_name(value: Mapping[str, Any]) -> list[Any]:
    """The tools of an object: that of one, or of several by their names."""
    if value.keys() & _OF_ONE or not all(isinstance(tool, Mapping) for tool in value.values()):
        return [value]
    return [tool if "function" in tool else {"name": name, **tool} for name, tool in value.items()]


def _tool(item: Any, field: str, origin: Origin) -> Mapping[str, Any]:
    tool = from_json(item) if isinstance(item, str) else without_nulls(item)
    if not isinstance(tool, Mapping) or not tool:
        raise _wrong(origin, field, item, A_TOOL)
    inside = tool.get("function")
    if isinstance(inside, str):
        inside = from_json(inside)
        if not isinstance(inside, Mapping):
            raise _wrong(
                origin,
                f"{field}.function",
                tool["function"],
                A_TOOL,
            )
    if inside is None and "name" not in tool:
        if not isinstance(tool.get("type"), str) or tool["type"] == "function":
            raise _wrong(origin, f"{field}.name", None, A_TOOL)
        return tool  # one that a server brings along: `{"type": "code_interpreter"}`
    if inside is None:
        inside = {k: v for k, v in tool.items() if (k, v) != ("type", "function")}
        tool = {}
    if not isinstance(inside, Mapping) or not isinstance(inside.get("name"), str):
        raise _wrong(
            origin,
            f"{field}.name",
            tool.get("name"),
            A_TOOL,
        )
    inside = _with_parameters(inside, field, origin)
    if isinstance(text := inside.get("parameters"), str):
        found = from_json(text) if text else {}
        if not isinstance(found, Mapping):
            raise _wrong(origin, f"{field}.parameters", text, A_TOOL)
        inside = {**inside, "parameters": found}
    if rounded(inside.get("parameters")):
        raise _wrong(origin, f"{field}.parameters", inside["parameters"], ROUNDED)
    return {"type": "function", **tool, "function": inside}


def _with_parameters(
    tool: Mapping[str, Any],
    field: str,
    origin: Origin,
) -> Mapping[str, Any]:
    """The tool with its schema under the name that templates look for."""
    there = [name for name in _SCHEMAS if tool.get(name) is not None]
    if not there or there == ["parameters"]:
        return tool
    first, *others = there
    for other in others:
        if not _says_same(tool[other], tool[first]):
            raise _wrong(origin, f"{field}.{other}", tool[other], ONE_SCHEMA)
    return {
        **{key: item for key, item in tool.items() if key not in _SCHEMAS},
        "parameters": tool[first],
    }
