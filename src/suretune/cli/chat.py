"""`infer` and `ask`: words to a trained model and back."""

from __future__ import annotations

import json
import sys

from suretune.cli.parse import Command
from suretune.run.answer import Speaker, conversation, open_speaker, reply
from suretune.run.journal import OK, Journal
from suretune.types import FlagFacts, Message, Text
from suretune.verify.probefile import read_probes
from suretune.verify.probes import Probe
from suretune.words import say

BYE = ("exit", "quit", "/exit", "/quit")
CLEAR = "/clear"
HINT = Text(
    "An empty line or /exit ends, /clear starts a new conversation.",
    "空行或 /exit 退出,/clear 开始新的对话。",
)


def _speaker(command: Command, journal: Journal) -> Speaker:
    config = command.resolved.config
    if not config.answer.adapters and not config.model.model:
        hint = Text("or --model for the base alone", "或用 --model 只加载基座")
        raise journal.stop(FlagFacts("missing-flag", "--adapters", hint=hint))
    return open_speaker(config, config.data.system, journal)


def converse(command: Command, journal: Journal) -> int:
    """One conversation on a terminal; with stdin from a file, one fresh conversation a line."""
    speaker = _speaker(command, journal)
    talking = sys.stdin.isatty()
    if talking:
        print(say(HINT), file=sys.stderr)
    history: tuple[Message, ...] = ()
    while True:
        line = _read(talking)
        if line is None or (talking and line in ("", *BYE)):
            return OK
        if not line:
            continue
        if line == CLEAR:
            history = ()
            continue
        if history and talking:
            messages = (*history, Message("user", line))
        else:
            messages = conversation(speaker, line)
        said = _speak(speaker, messages, command)
        history = (*messages, Message("assistant", said))


def _read(talking: bool) -> str | None:
    try:
        return input("> " if talking else "").strip()
    except EOFError:
        return None


def _speak(speaker: Speaker, messages: tuple[Message, ...], command: Command) -> str:
    asked, seed = command.resolved.config.answer, command.resolved.config.schedule.seed
    pieces = []
    for piece in reply(speaker, messages, asked, seed):
        pieces.append(piece)
        if asked.stream:
            print(piece, end="", flush=True)
    text = "".join(pieces)
    print("" if asked.stream else text, flush=True)
    return text


def answer_file(command: Command, journal: Journal) -> int:
    """Each question of --questions (or stdin) answered; judged where it says what must be said."""
    asked, seed = command.resolved.config.answer, command.resolved.config.schedule.seed
    probes = _questions(asked.questions, journal)
    speaker = _speaker(command, journal)
    for probe in probes:
        messages = probe.messages(speaker.system)
        said = "".join(reply(speaker, messages, asked, seed))
        if command.json:
            line = {"question": probe.question, "answer": said, "passed": probe.judge(said)}
            print(json.dumps(line, ensure_ascii=False), flush=True)
        else:
            print(f"> {probe.question}\n{said}\n", flush=True)
    return OK


def _questions(file: str | None, journal: Journal) -> list[Probe]:
    if file is None or file == "-":
        return [Probe(line.strip(), "shown") for line in sys.stdin if line.strip()]
    probes = read_probes(file, flag="--questions")
    if isinstance(probes, FlagFacts):
        raise journal.stop(probes)
    return probes
