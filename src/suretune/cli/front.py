"""What stands in front of a verb: prompts, environment, the name of another tool.

A command is pasted behind `suretune` as it was found. The environment it begins with is set, what
belongs to a shell is passed over, and another tool's verb is ours where ours does the same.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from suretune.cli.asmeant import BLANKS, LINE
from suretune.cli.typed_words import KINDS
from suretune.facts import FlagFacts
from suretune.types import Text

ENVIRONMENT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*=.*", re.ASCII | re.DOTALL)
PROMPT = re.compile(r"[$%>#»❯]+|＄|>>>|\(\w[\w.-]*\)|\[?\w[\w.-]*@[\w.-]+[\]:~ ].*|PS|[A-Z]:\\.*>")
AROUND = ("nohup", "sudo", "time", "env", "exec", "suretune", "!")
TRUTH = ("true", "false")
# Words about the command itself, and values behind them.
OURS = {"--json": TRUTH, "--strict": TRUTH, "--lang": ("en", "zh"), "--help": (), "-h": ()}
# Of a tool whose name stands alone: what is asked of it is asked of suretune.
ITSELF = {"": "", **dict.fromkeys(("help", "--help", "-h"), "--help")}
ITSELF |= dict.fromkeys(("version", "--version"), "--version")
PROCESSES = "NPROC_PER_NODE"
ONE = Text("processes on several GPUs are `--num_gpus N`", "多块 GPU 上的多个进程用 `--num_gpus N`")


@dataclass(slots=True)
class Front:
    """A verb of ours, the words behind it, and what stood before; '' where there is no verb."""

    verb: str = ""
    rest: list[str] = field(default_factory=list)
    environment: list[str] = field(default_factory=list)
    faults: list[FlagFacts] = field(default_factory=list)


def front(typed: Sequence[str], verbs: Mapping[str, Collection[str]]) -> Front:
    """Find the verb. `verbs`: each of ours, and the options it takes."""
    words = list(typed)
    if len(words) == 1 and re.search(r"\s", words[0].strip()):
        words = _split(words[0]) or words
    made = Front()
    while words:
        word = BLANKS.sub(" ", words[0]).strip(" \t\r\n\\")
        if not word or word in AROUND or LINE.fullmatch(word):
            _passed(made, word if word not in ("", "suretune") else "")
        elif ENVIRONMENT.fullmatch(word):
            _set(made, word)
        elif word.startswith(("#", "＃")) and (at := _program(words)):
            words = words[at - 1 :]
            made.faults.append(FlagFacts("words-mended", "", word, hint=KINDS["note"]))
        elif PROMPT.fullmatch(word) and len(words) > 1:
            _passed(made, word)
        else:
            break
        words = words[1:]
    if words:
        words[0] = BLANKS.sub(" ", words[0]).strip(" \t\r\n\\")
        _verb(made, words, verbs)
    return made


def _split(text: str) -> list[str]:
    """A whole command in one pair of quotes, as a shell would split it."""
    from suretune.importing.shell import Shell

    commands = Shell(text).read().commands
    known = ("swift", "llamafactory-cli", "suretune")
    return next((c for c in commands if any(word in known for word in c)), [])


def _passed(made: Front, word: str) -> None:
    if word:
        made.faults.append(FlagFacts("words-mended", "", word, hint=KINDS["prompt"]))


def _set(made: Front, word: str) -> None:
    name, _, value = word.partition("=")
    if name == PROCESSES:
        if value != "1":
            made.faults.append(FlagFacts("not-here", word, hint=ONE))
        return
    made.environment.append(f"{name}={value}")


def _program(words: Sequence[str]) -> int:
    """Where a command begins behind a note; 0 if nowhere. Its environment belongs to it."""
    for index, word in enumerate(words[1:], 1):
        bare = word.strip(" \\")
        if bare in ("swift", "suretune", "llamafactory-cli"):
            while index > 1 and (
                ENVIRONMENT.fullmatch(words[index - 1].strip(" \\"))
                or not words[index - 1].strip(" \\")
            ):
                index -= 1
            return index
    return 0


def _verb(
    made: Front,
    words: list[str],
    verbs: Mapping[str, Collection[str]],
) -> None:
    second = words[1].strip(" \t\r\n\\") if words[1:] else ""
    if words[0] in ("swift", "llamafactory-cli") and second in ITSELF:
        made.rest = [*filter(None, [ITSELF[second]])]
        return
    from_swift = words[0] == "swift"
    if from_swift:
        words = [second, *words[2:]]
    spelled = words[0].replace("_", "-")
    if spelled in verbs and not (from_swift and _not_ours(spelled)):
        made.verb, made.rest = spelled, words[1:]
        return
    if re.match(
        r"swift|llamafactory|lmf|axolotl|vllm|python|torchrun|accelerate|deepspeed", words[0]
    ):
        _other_tool(made, words, verbs)
        return
    made.rest = words
    from suretune.importing.tables import TOOLS, table

    for tool in map(table, TOOLS):
        if spelled in tool.verbs and (from_swift or tool.instead.get(spelled)):
            nothing = Text("there is nothing like it", "没有类似的功能")
            why = tool.instead.get(spelled) or nothing
            made.faults.append(FlagFacts("not-here", spelled, hint=_phrase(why)))
            return


def _not_ours(spelled: str) -> bool:
    """Whether ms-swift's command of this name is another thing than ours."""
    from suretune.importing.tables import table

    return not table("swift").verbs.get(spelled, spelled)


def _own(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """(suretune's words about the command itself, the other tool's command)."""
    own: list[str] = []
    theirs: list[str] = []
    before = ""
    for word in words:
        takes = OURS.get(before, ())
        mine = word.partition("=")[0] in OURS or word.lower() in takes
        (own if mine else theirs).append(word)
        before = word
    return own, theirs


def _phrase(text: Text) -> Text:
    return Text(text.en.rstrip("."), text.zh.rstrip("。"))


def _other_tool(
    made: Front,
    words: list[str],
    verbs: Mapping[str, Collection[str]],
) -> None:
    """A command of a tool whose flags have other names: put in ours by what import-cmd knows."""
    from suretune.importing.pasted import command_in, problem
    from suretune.importing.translate import translate

    plain = [word.strip(" \t\r\n\\") for word in words]
    own, plain = _own(plain)
    pasted = command_in([word for word in plain if word])
    made.rest = words
    if pasted is None:
        return
    if pasted.instead is not None or not pasted.verb:
        why = pasted.instead or Text("there is nothing like it", "没有类似的功能")
        made.faults.append(FlagFacts("not-here", pasted.typed, hint=_phrase(why)))
        return
    done = translate(pasted, verbs)
    made.verb = pasted.verb
    made.rest = [*own, *done.runs, *(w for n, ws in done.given.items() for w in (f"--{n}", *ws))]
    if pasted.processes > 1:
        made.faults.append(FlagFacts("not-here", " ".join(pasted.launcher), hint=ONE))
    if wrong := problem(pasted):
        made.faults.append(FlagFacts("bad-config-file", "--config", pasted.file, hint=wrong))
    made.faults += [FlagFacts("stray-argument", "", word) for word in pasted.stray]
    for line in done.lines:
        problem_of = {
            "no-effect": "harmless-no-effect",
            "unavailable": "not-here",
            "never-existed": "left-out",
            "harmful": "left-out",
            "changed": "left-out",
            "unknown": "unknown-flag",
        }
        if line.verdict in problem_of and not (line.verdict == "never-existed" and line.becomes):
            shown = line.value if len(line.value) <= 40 else line.value[:39] + "…"
            made.faults.append(
                FlagFacts(
                    problem_of[line.verdict],
                    f"--{line.flag}",
                    shown,
                    line.becomes,
                    _phrase(line.why),
                )
            )
