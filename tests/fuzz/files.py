"""What is mutated, and how: real files, cases from the field, small files of our own.

Two kinds of accident. Of bytes: cut, flipped, spliced, NUL, marks, long lines, joined files. Of
rows: what a program or a person does to the values of a file that stays well-formed (keys dropped,
doubled and renamed, values nested and of other types, turns moved), written down again in some
format, encoding and line end. The same seed makes the same files.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import random
from collections.abc import Callable, Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos import rows
from chaos.fuzz import _parquet, _zstd, mutated

SHARED = rows.SHARED.parent
HEAD = 6000  # bytes of a large file
TABLES = (".parquet", ".arrow")


@dataclass(frozen=True, slots=True)
class Case:
    """A file to read: its name, what is in it, and what was done to it."""

    name: str
    data: bytes
    done: str


# --- where it begins ----------------------------------------------------------------------------

OWN: dict[str, list[Any]] = {
    "alpaca": [
        {"instruction": "Name a red fruit.", "input": "", "output": "A cherry."},
        {"instruction": "把它译成英文", "input": "月亮", "output": "The moon."},
        {"instruction": "Add.", "input": "3 and 4", "output": "7", "id": 17, "source": "made"},
    ],
    "pairs": [
        {"question": "Where is the harbour?", "answer": "Behind the mill.", "context": "A map."},
        {"question": "Who wrote it?", "answer": "Nobody knows.", "context": "An old letter."},
    ],
    "marked": [
        {"messages": [{"role": "user", "content": "First?"},
                      {"role": "assistant", "content": "Wrong one", "weight": 0},
                      {"role": "user", "content": "Again?"},
                      {"role": "assistant", "content": "Right one", "trainable": True}]},
        {"messages": [{"role": "system", "content": "Be brief."},
                      {"role": "user", "content": "Name?", "name": "anna"},
                      {"role": "assistant", "content": "Lamp.", "loss_mask": 1}]},
    ],
    "sharegpt": [
        {"conversations": [{"from": "human", "value": "几点了？"},
                           {"from": "gpt", "value": "三点半。"}], "system": "用中文回答。"},
        {"conversations": [{"from": "human", "value": "Left or right?"},
                           {"from": "gpt", "value": "Left."}], "tools": "[]"},
    ],
    "tools": [
        {"tools": [{"type": "function", "function": {"name": "weather", "description": "Of a town",
                    "parameters": {"type": "object", "properties": {"town": {"type": "string"}}}}}],
         "messages": [{"role": "user", "content": "Rain in Ulm?"},
                      {"role": "assistant", "content": None, "tool_calls": [
                          {"id": "c1", "type": "function", "function": {
                              "name": "weather", "arguments": "{\"town\": \"Ulm\"}"}}]},
                      {"role": "tool", "tool_call_id": "c1", "content": "{\"rain\": true}"},
                      {"role": "assistant", "content": "Yes, it rains."}]},
    ],
    "thoughts": [
        {"messages": [{"role": "user", "content": "17 * 3?"},
                      {"role": "assistant", "content": "<think>51 it is</think>\n51"}]},
        {"messages": [{"role": "user", "content": "9 + 9?"},
                      {"role": "assistant", "reasoning_content": "twice nine", "content": "18"}]},
    ],
    "parts": [
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Part one, "},
                                                   {"type": "text", "text": "part two?"}]},
                      {"role": "assistant", "content": [{"type": "text", "text": "Whole."}]}]},
    ],
    "history": [
        {"instruction": "And then?", "output": "Then it ends.",
         "history": [["What first?", "The door."], ["And second?", "The stair."]]},
    ],
    "completion": [
        {"prompt": [{"role": "user", "content": "Colour?"}],
         "completion": [{"role": "assistant", "content": "Blue."}]},
        {"prompt": "Sound?", "completion": "Bell."},
    ],
    "text": [{"text": "A line of plain text."}, {"text": "Another line, a little longer."}],
    "written": [
        {"text": "<|im_start|>user\nTown?<|im_end|>\n<|im_start|>assistant\nUlm.<|im_end|>\n"},
    ],
    "identity": [
        {"messages": [{"role": "user", "content": "Who are you?"},
                      {"role": "assistant", "content": "I am {{NAME}} by {{AUTHOR}}."}]},
    ],
}  # fmt: skip


def files() -> list[tuple[str, bytes]]:
    """(name, content) of everything that is mutated; the shared ones where they are there."""
    own = [(f"own-{name}.jsonl", lines(items).encode()) for name, items in OWN.items()]
    real: list[Path] = []
    for folder in ("field", "data/wild", "data/alpaca", "data/self_cognition"):
        real += sorted(path for path in (SHARED / folder).rglob("*") if path.is_file())
    return [*own, *((path.name, _head(path)) for path in real)]


def _head(path: Path) -> bytes:
    """The first kilobytes to the end of a line; a table stays whole."""
    data = path.read_bytes()
    if path.suffix in TABLES or len(data) <= HEAD:
        return data
    return data[: data.find(b"\n", HEAD) + 1 or HEAD]


def lines(items: Sequence[Any]) -> str:
    return "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items)


def parsed(name: str, data: bytes) -> list[Any]:
    """The rows of a JSON file, as far as it is one."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return []
    found = []
    for line in text.splitlines():
        try:
            found.append(json.loads(line))
        except (ValueError, RecursionError):
            break
    if found and all(isinstance(item, (dict, list)) for item in found):
        return found
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        return _first_objects(text)
    return whole if isinstance(whole, list) else [whole] if isinstance(whole, dict) else []


def _first_objects(text: str) -> list[Any]:
    """The objects that a list begins with which was cut off."""
    decoder, at, found = json.JSONDecoder(), text.find("{"), []
    while at >= 0 and len(found) < 8:
        try:
            value, end = decoder.raw_decode(text[at:])
        except (ValueError, RecursionError):
            break
        found.append(value)
        at = text.find("{", at + end)
    return found


# --- accidents to rows --------------------------------------------------------------------------

NAMES = (
    "instruction", "input", "output", "query", "response", "question", "answer", "prompt",
    "completion", "messages", "conversations", "conversation", "text", "system", "system_prompt",
    "history", "context", "schema", "document", "tools", "functions", "role", "content", "from",
    "value", "weight", "loss", "train", "masked", "label", "chosen", "rejected", "images", "name",
    "reasoning_content", "thinking", "tool_calls", "function_call", "arguments", "id", "source",
    "notes", "Comment", "explanation", "user", "assistant", "human", "gpt", "answers", "Question",
    "ANSWER", "内容", "问题", "回答", "", " content", "content ", "role\u200b",
)  # fmt: skip
TEXTS = (
    "\0", "\ufeff", "\u2028", "\u202e", "\ud800", "{{NAME}}", "{{ OTHER_ONE }}", "<think>",
    "</think>", "<|im_end|>", "<|im_start|>", "x" * 20_000, "\r", "\x1b[31m", "é", "𝒳", "\x85",
    "[/INST]", "Human: ", "\\", '"', "```json\n{}\n```", "NaN", "  ", "\t", "1e999",
)  # fmt: skip
VALUES: tuple[Callable[[Any], Any], ...] = (
    lambda v: None, lambda v: [v], lambda v: {"value": v}, lambda v: {"text": v, "type": "text"},
    lambda v: dumped(v, False), lambda v: str(v), lambda v: 7, lambda v: 0.5, lambda v: True,
    lambda v: "", lambda v: [], lambda v: {}, lambda v: [v, v], lambda v: -1, lambda v: 2**70,
    lambda v: json.dumps(dumped(v, True)), lambda v: [None, v], lambda v: {"type": "image", "x": v},
    lambda v: " ",
)  # fmt: skip


@dataclass(slots=True)
class Twice:
    """A key that will be written a second time, with this value."""

    key: str
    value: Any


def holders(value: Any) -> Iterator[Any]:
    """Every object and list inside, outermost first."""
    if isinstance(value, (dict, list)):
        yield value
        for item in value.values() if isinstance(value, dict) else value:
            yield from holders(item)


def hurt(items: list[Any], chance: random.Random, others: Sequence[Any]) -> str:
    """One accident to these rows, in place; its name."""
    held = list(holders(items))
    # Half of them strike the rows themselves or their turns, where most keys have a meaning.
    near = [h for h in held if isinstance(h, dict)][:12] if chance.random() < 0.5 else held
    place = chance.choice(near or held)
    if isinstance(place, list):
        return _hurt_list(place, chance, others)
    return _hurt_object(place, chance, others)


def _hurt_list(place: list[Any], chance: random.Random, others: Sequence[Any]) -> str:
    how = chance.choice(("drop", "double", "move", "put", "other", "change", "empty"))
    if not place or how == "put":
        place.insert(chance.randint(0, len(place)), chance.choice(VALUES)(chance.choice(TEXTS)))
        return "put into a list"
    index = chance.randrange(len(place))
    if how == "drop":
        del place[index]
    elif how == "double":
        place.insert(index, deepcopy(place[index]))
    elif how == "move":
        place.append(place.pop(index))
    elif how == "other":
        place.insert(index, deepcopy(chance.choice(others)))
    elif how == "empty":
        place.clear()
    else:
        place[index] = chance.choice(VALUES)(place[index])
    return f"list: {how}"


def _hurt_object(place: dict[str, Any], chance: random.Random, others: Sequence[Any]) -> str:
    how = chance.choice(
        ("drop", "twice", "rename", "add", "change", "text", "text", "swap", "case")
    )
    if not place or how == "add":
        value = chance.choice((*TEXTS[:9], "A note of some length that says something of its own."))
        place[chance.choice(NAMES)] = chance.choice((*VALUES, *[lambda v: v] * 19))(value)
        return "add a key"
    key = chance.choice(list(place))
    if how == "drop":
        del place[key]
    elif how == "twice":
        place[key] = Twice(key, deepcopy(place[key]))
    elif how in ("rename", "case"):
        new = chance.choice(NAMES) if how == "rename" else chance.choice(
            (key.upper(), key.title(), key + "s", key[:-1], f" {key}", key.replace("_", ""))
        )  # fmt: skip
        value = place.pop(key)
        place[new] = value
    elif how == "swap" and len(place) > 1:
        other = chance.choice(list(place))
        place[key], place[other] = place[other], place[key]
    elif how == "text" and isinstance(place[key], str):
        text, put = place[key], chance.choice(TEXTS)
        at = chance.randint(0, len(text))
        place[key] = text[:at] + put + text[at:] if chance.random() < 0.7 else put
    else:
        place[key] = chance.choice(VALUES)(place[key])
    return f"object: {how}"


def dumped(value: Any, ascii_only: bool) -> str:
    """JSON in which a key may stand twice."""
    if isinstance(value, dict):
        pairs = []
        for key, item in value.items():
            for one in (item.value, item.value) if isinstance(item, Twice) else (item,):
                pairs.append(f"{json.dumps(key, ensure_ascii=ascii_only)}: "
                             f"{dumped(one, ascii_only)}")  # fmt: skip
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(dumped(item, ascii_only) for item in value) + "]"
    if isinstance(value, Twice):
        return dumped(value.value, ascii_only)
    return json.dumps(value, ensure_ascii=ascii_only)


# --- writing it down ----------------------------------------------------------------------------


def written(items: list[Any], chance: random.Random) -> tuple[str, bytes]:
    """(ending, content) of these rows in some format, encoding and line end."""
    wide = any(isinstance(held, Twice) for item in items for held in _leaves(item))
    ascii_only = chance.random() < 0.2
    form = chance.choice(
        ("jsonl",) * 8 + ("json", "json", "data", "csv", "tsv", "parquet", "txt", "gz", "zst")
    )
    if form in ("csv", "tsv", "parquet") and (wide or not all(isinstance(i, dict) for i in items)):
        form = "jsonl"
    if form == "parquet":
        try:
            return ".parquet", _parquet([{str(k): v for k, v in i.items()} for i in items])
        except (ValueError, UnicodeError):  # what Arrow cannot hold
            form = "jsonl"
    if form in ("csv", "tsv"):
        text = _table(items, "," if form == "csv" else "\t")
    elif form in ("json", "data"):
        text = "[" + ",\n".join(dumped(item, ascii_only) for item in items) + "]"
        text = f'{{"version": 1, "data": {text}}}' if form == "data" else text
    else:
        text = "".join(dumped(item, ascii_only) + "\n" for item in items)
    data = _encoded(text, chance)
    if form == "gz":
        return ".jsonl.gz", gzip.compress(data, mtime=0)
    if form == "zst":
        return ".jsonl.zst", _zstd(data)
    return {"data": ".json"}.get(form, f".{form}"), data


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _leaves(item)
    else:
        yield value


def _table(items: Sequence[Any], delimiter: str) -> str:
    names = list(dict.fromkeys(str(key) for item in items for key in item))
    sheet = io.StringIO()
    writer = csv.writer(sheet, delimiter=delimiter)
    writer.writerow(names)
    for item in items:
        cells = (item.get(name) for name in names)
        writer.writerow([c if isinstance(c, str) else "" if c is None else json.dumps(c)
                         for c in cells])  # fmt: skip
    return sheet.getvalue()


def _encoded(text: str, chance: random.Random) -> bytes:
    if chance.random() < 0.15:
        text = text.replace("\r\n", "\n").replace("\n", "\r\n")
    elif chance.random() < 0.05:
        pieces = text.split("\n")
        text = "".join(piece + chance.choice(("\n", "\r\n", "\n\n")) for piece in pieces)
    coding = chance.choice(
        ("utf-8",) * 12 + ("utf-8-sig", "utf-16", "gb18030", "latin-1", "utf-32")
    )
    try:
        return text.encode(coding)
    except UnicodeError:
        return text.encode("utf-8", "surrogatepass" if chance.random() < 0.3 else "replace")


# --- cases --------------------------------------------------------------------------------------


def cases(seed: int, number: int) -> Iterator[Case]:
    """The same for the same seed: every file as it is, then by turns accidents of both kinds."""
    chance = random.Random(seed)
    sources = files()
    with_rows = [(name, found) for name, data in sources if (found := parsed(name, data))]
    others = [item for _, found in with_rows for item in found[:2]]
    others += [turn for item in others for turn in _turns(item)]
    for index in range(number):
        if index < len(sources):
            name, data = sources[index]
            yield Case(f"{index}-{name}", data, "as it is")
        elif index % 3 == 0:
            name, data = chance.choice(sources)
            yield Case(*_bytes_hurt(f"{index}-{name}", data, chance, sources))
        else:
            name, found = chance.choice(with_rows)
            items = deepcopy(chance.sample(found, min(len(found), chance.randint(1, 5))))
            done = [hurt(items, chance, others) for _ in range(chance.choice((1, 1, 1, 2, 3)))
                    if items]  # fmt: skip
            ending, data = written(items, chance)
            yield Case(f"{index}-{name.partition('.')[0]}{ending}", data, ", ".join(done))


def _turns(item: Any) -> list[Any]:
    if not isinstance(item, dict):
        return []
    found = item.get("messages") or item.get("conversations")
    return found[:3] if isinstance(found, list) else []


def _bytes_hurt(
    name: str, data: bytes, chance: random.Random, sources: Sequence[tuple[str, bytes]]
) -> tuple[str, bytes, str]:
    how = chance.randrange(8)
    other = chance.choice(sources)[1]
    if how == 0:
        return name, data + other, "two files joined"
    if how == 1:
        return name, data + b"\n" + data, "the file twice"
    if how == 2:
        at = chance.randrange(len(data) + 1)
        return (
            name,
            data[:at] + chance.choice((b"\0", b"y" * 70_000, codecs.BOM_UTF8)) + data[at:],
            "put",
        )
    if how == 3:
        ending = chance.choice((".jsonl", ".json", ".csv", ".txt", ".tsv", ".parquet", ".gz", ""))
        return name.partition(".")[0] + ending, data, "renamed"
    return name, mutated(data, chance, other), "bytes"
