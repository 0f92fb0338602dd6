"""Which tool a pasted text speaks to, and the flags it gives, in order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from suretune.because import in_words
from suretune.data.yamltext import BadYaml, parse_yaml, written
from suretune.importing.shell import COMMAND, FLAG, Shell, Trap
from suretune.importing.tables import TOOLS, Table, table
from suretune.types import Text

LONGEST = 50_000  # characters; no command is that long
MOST_KEYS = 500
_ENVIRONMENT = re.compile(r"[A-Za-z_]\w*=.*", re.ASCII | re.DOTALL)
_KEY_VALUE = re.compile(r"([A-Za-z_][\w.]*)=(.*)", re.DOTALL)
_FILE = re.compile(r".+\.(ya?ml|json)", re.IGNORECASE)
_PROCESSES = ("nproc_per_node", "num_processes", "num_gpus", "nproc-per-node")


@dataclass(slots=True)
class Pasted:
    """One command of another tool, as it was meant."""

    tool: Table
    typed: str  # `swift sft`
    verb: str  # suretune's, '' if it has none
    exact: bool = True
    instead: Text | None = None  # what is said of a verb that suretune does not do, or not in full
    environment: list[str] = field(default_factory=list)
    launcher: list[str] = field(default_factory=list)
    processes: int = 1
    flags: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)
    stray: list[str] = field(default_factory=list)
    traps: list[Trap] = field(default_factory=list)
    variables: frozenset[str] = frozenset()
    file: str = ""  # of options, and `wrong` why it cannot be read
    wrong: Text | None = None
    unread: Text | None = None  # what is wrong with a line of it
    others: list[str] = field(default_factory=list)  # lines in the text that are no such command
    nth: int = 1  # which of the text's commands it is
    commands: int = 1  # and how many there are


def read(text: str) -> Pasted | None:
    """The main command (or YAML file) of a known tool in the text; None if there is none.

    Of several it is the one that trains and says most. An article's prose has quotes of its own, so
    that each command is also read by itself, from its first word to the end of its lines.
    """
    text = text[:LONGEST].replace("\0", " ").encode("utf-8", "replace").decode()
    shell = Shell(text).read()
    whole = [(command_in(words), shell) for words in shell.commands]
    alone = [Shell(part).read() for part in _parts(text)]
    apart = [(command_in(one.commands[0]), one) for one in alone if one.commands]
    found, of = max(
        [*whole, *apart],
        key=_weight,
        default=(None, shell),
    )
    others = [" ".join(words) for words in shell.commands if command_in(words) is None]
    if found is None and (found := _bare_yaml(text)):
        return found
    if found is None and (words := _only_flags(shell.commands)):
        found, others = _as_swift(words), []
    if found is not None:
        found.traps += of.traps
        found.variables = frozenset(of.variables)
        found.others = [other for other in others if not _ENVIRONMENT.fullmatch(other)]
        found.others = [o for o in found.others if re.search(r"[A-Za-z]{2}", o)]
        all_of_them = [one for one, _ in (apart if len(apart) > 1 else whole) if one is not None]
        at = (
            [one.flags for one in all_of_them].index(found.flags)
            if (found.flags in [one.flags for one in all_of_them])
            else 0
        )
        found.nth, found.commands = at + 1, len(all_of_them)
    return found


def _weight(read: tuple[Pasted | None, Shell]) -> tuple[bool, bool, int]:
    """What trains comes before what does not, then what says more; of equals the first."""
    found = read[0]
    if found is None:
        return False, False, 0
    return True, found.verb == "sft", len(found.flags)


def _parts(text: str) -> Iterator[str]:
    """Each command of a text with the lines that belong to it."""
    for start in COMMAND.finditer(text):
        lines = text[start.start() :].split("\n")
        end = 1
        while end < len(lines) and (
            lines[end - 1].rstrip().endswith("\\") or re.match(r"\s*--[A-Za-z]", lines[end])
        ):
            end += 1
        yield "\n".join(lines[:end])


def command_in(words: Sequence[str]) -> Pasted | None:
    """The command of a known tool that these words are; None if they are none."""
    for index, word in enumerate(words):
        for tool in map(table, TOOLS):
            if (verb := _verb(tool, words, index)) is None:
                continue
            behind = 2 if word.rpartition("/")[2] in tool.programs else 1
            name = " ".join(words[index : index + behind])
            mine = tool.verbs.get(verb, "")
            mode = tool.for_serving() if mine == "serve" else tool
            pasted = Pasted(
                mode,
                name,
                mine,
                verb not in tool.inexact,
                tool.instead.get(verb),
            )
            _before(pasted, words[:index])
            _behind(pasted, words[index + behind :])
            return pasted
    return None


def _verb(
    tool: Table,
    words: Sequence[str],
    index: int,
) -> str | None:
    """The tool's verb, if the program stands at this word."""
    word = words[index]
    if word.rpartition("/")[2] in tool.programs:
        following = words[index + 1] if index + 1 < len(words) else ""
        return following if following in tool.verbs else None
    for pattern in tool.modules:
        if (match := pattern.fullmatch(word)) and match["verb"] in tool.verbs:
            return match["verb"]
    return None


def _before(pasted: Pasted, words: Sequence[str]) -> None:
    """What stands before the program: the environment, and what starts it."""
    for index, word in enumerate(words):
        if _ENVIRONMENT.fullmatch(word):
            option, _, value = word.partition("=")
            if option in pasted.tool.serving and pasted.verb == "serve":
                pasted.flags.append((option, (value,)))
            else:
                pasted.environment.append(word)
            continue
        name, _, value = word.lstrip("-").partition("=")
        if word.startswith("-") and name in _PROCESSES:
            value = value or (words[index + 1] if index + 1 < len(words) else "")
            pasted.processes = int(value) if re.fullmatch("[0-9]{1,4}", value) else 2
        if word in ("nohup", "sudo", "time", "env", "exec"):
            pasted.traps.append(Trap("around", word))
        elif word not in ("$", "%", ">", "suretune"):
            pasted.launcher.append(word)


def _behind(pasted: Pasted, words: Sequence[str]) -> None:
    """What stands behind it: a file of options, flags, `key=value` words."""
    flag, values = "", []  # type: tuple[str, list[str]]

    def done() -> None:
        if flag:
            pasted.flags.append((flag, tuple(values)))

    skipping = False
    for word in words:
        if FLAG.match(word):
            done()
            name, equals, value = word.lstrip("-").partition("=")
            flag, values, skipping = name.replace("-", "_"), [value] if equals else [], False
        elif word.strip().startswith("#"):  # a note that bash handed over as words
            pasted.traps.append(Trap("comment-after-backslash", word.strip()))
            skipping = True
        elif skipping or (word and not word.strip(" \t\r\n\\")):
            continue  # also the backslashes of lines that were joined
        elif flag:
            values.append(word)
        elif pasted.tool.files and _FILE.fullmatch(word) and not pasted.file:
            pasted.file = word
            _from_file(pasted)
        elif pasted.tool.files and (pair := _KEY_VALUE.fullmatch(word)):
            pasted.flags.append((pair[1], (pair[2],)))
        elif pasted.tool.positional and not pasted.flags:
            pasted.flags.append((pasted.tool.positional, (word,)))
        else:
            pasted.stray.append(word)
    done()


def _only_flags(commands: Sequence[Sequence[str]]) -> list[str]:
    """A piece of a command: flags without the program."""
    words = [word for command in commands for word in command]
    known = table("swift").entries
    named = words and re.match(r"--[A-Za-z]", words[0]) and words[0].lstrip("-").partition("=")[0]
    return words if named and named.replace("-", "_") in known else []


def _as_swift(words: Sequence[str]) -> Pasted:
    tool = table("swift")
    pasted = Pasted(tool, "", "sft")
    _behind(pasted, words)
    answering = {"adapters", "adapter_dir", "stream", "temperature", "max_new_tokens"}
    if pasted.flags[0][0] in answering:
        pasted.verb = "infer"
    return pasted


# --- files ------------------------------------------------------------------------------------


def _from_file(pasted: Pasted) -> None:
    try:
        with Path(pasted.file).expanduser().open(encoding="utf-8", errors="replace") as handle:
            text = handle.read(LONGEST)
    except (OSError, ValueError, RuntimeError) as error:
        pasted.wrong = in_words(error)
        return
    try:
        tree = written(parse_yaml(text))
    except BadYaml as error:
        pasted.unread = error.told()
        return
    if not isinstance(tree, dict):
        pasted.wrong = Text("not `name: value` lines", "不是 `name: value` 这样的行")
        return
    pasted.flags += _leaves(tree)


def _bare_yaml(text: str) -> Pasted | None:
    """A file of options whose text was pasted. One with a line that cannot be read is still one,
    if the lines before it say whose it is."""
    if not re.search(r"^[\w\"']+\s*:", text, re.MULTILINE):
        return None
    unread = None
    try:
        tree = written(parse_yaml(text))
    except BadYaml as error:
        tree = dict.fromkeys(re.findall(r"^([A-Za-z_]\w*)\s*:", text, re.MULTILINE))
        unread = error.told()
    if not isinstance(tree, dict):
        return None
    tool = max(map(table, TOOLS), key=lambda tool: sum(key in tool.keys for key in map(str, tree)))
    if not any(str(key) in tool.keys for key in tree):
        return None
    verb = "sft" if str(tree.get("do_train", "true")).lower() == "true" else "infer"
    pasted = Pasted(tool, f"{tool.name} YAML", verb, unread=unread)
    if unread is None:
        pasted.flags += _leaves(tree)
    return pasted


def _leaves(tree: dict[Any, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """(name, values) of every value; `datasets: [{path: x}]` is (datasets.path, x)."""
    left = MOST_KEYS
    stack: list[tuple[str, Any, int]] = [(str(k), v, 0) for k, v in reversed(tree.items())]
    while stack and left:
        name, value, depth = stack.pop()
        left -= 1
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            yield name, tuple(value)
        elif isinstance(value, list) and depth < 4:
            stack += [(name, item, depth + 1) for item in reversed(value[:MOST_KEYS])]
        elif isinstance(value, dict) and depth < 4:
            stack += [(f"{name}.{k}", v, depth + 1) for k, v in reversed(value.items())]
        elif isinstance(value, str):
            yield name, (value,)


def problem(pasted: Pasted) -> Text | None:
    """Why its file of options could not be read."""
    if unread := pasted.unread:
        name = pasted.file or pasted.typed
        return Text(f"{name} cannot be read. {unread.en}.", f"读不了 {name}。{unread.zh}。")
    if pasted.wrong is None:
        return None
    file, wrong = pasted.file, pasted.wrong
    return Text(
        f"{file} cannot be read ({wrong.en}): run this where the file lies, or paste its content.",
        f"读不了 {file}（{wrong.zh}）：请在它所在的目录里运行，或直接粘贴它的内容。",
    )
