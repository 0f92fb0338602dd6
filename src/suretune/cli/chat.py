"""`infer` and `ask`: words to a trained model and back."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from suretune.cli.out import tell, tell_json
from suretune.cli.parse import Command
from suretune.cli.which import say_who_speaks
from suretune.model.generate import NotFinite
from suretune.record.journal import OK, Journal
from suretune.speak.answer import Speaker, conversation, not_finite, open_speaker, reply
from suretune.types import Message, Text
from suretune.verify.probefile import read_probes
from suretune.verify.probes import ONLY_SHOWN, Probe
from suretune.words import say

BYE = ("exit", "quit", "/exit", "/quit")
CLEAR = "/clear"
ANSWER = "\n\t"  # what an answer may hold of what acts
HINT = Text(
    "An empty line or /exit ends, /clear starts a new conversation.",
    "空行或 /exit 退出，/clear 开始新的对话。",
)


def _speaker(command: Command, journal: Journal) -> Speaker:
    config = command.resolved.config
    speaker = open_speaker(config, config.data.system, journal)
    say_who_speaks(speaker.adapter, speaker.base)
    return speaker


def converse(command: Command, journal: Journal) -> int:
    """One conversation on a terminal; with stdin from a file, or questions in the command, a fresh
    conversation for each."""
    speaker = _speaker(command, journal)
    for text in command.words:
        _speak(speaker, conversation(speaker, text), command, journal)
    if command.words:
        return OK
    talking = sys.stdin.isatty()
    if talking:
        tell(say(HINT), err=True)
    history: tuple[Message, ...] = ()
    while True:
        line = _read("> " if talking and not command.json else "")
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
        said = _speak(speaker, messages, command, journal)
        history = (*messages, Message("assistant", said))


def _read(prompt: str) -> str | None:
    try:
        return input(prompt).strip()
    except EOFError:
        return None


def _pieces(
    speaker: Speaker,
    messages: tuple[Message, ...],
    command: Command,
    journal: Journal,
) -> Iterator[str]:
    """An answer as it is made; a stop where the model computes no finite numbers."""
    config = command.resolved.config
    try:
        yield from reply(speaker, messages, config.answer, config.schedule.seed)
    except NotFinite as error:
        raise journal.stop(not_finite(speaker)) from error


def _speak(
    speaker: Speaker,
    messages: tuple[Message, ...],
    command: Command,
    journal: Journal,
) -> str:
    stream = command.resolved.config.answer.stream and not command.json
    pieces = []
    for piece in _pieces(speaker, messages, command, journal):
        pieces.append(piece)
        if stream:
            tell(piece, keep=ANSWER, end="")
    text = "".join(pieces)
    if command.json:
        tell_json(_line(Probe(messages[-1].content, ONLY_SHOWN), text))
    else:
        tell("" if stream else text, keep=ANSWER)
    return text


def _line(probe: Probe, said: str) -> dict[str, object]:
    """An answer as `--json` prints it; `passed` is null where nothing judges it."""
    return {"question": probe.question, "answer": said, "passed": probe.judge(said)}


def answer_file(command: Command, journal: Journal) -> int:
    """Each question of the command and of --questions (or, without either, of stdin) answered;
    judged where it says what must be said."""
    probes = [Probe(text, ONLY_SHOWN) for text in command.words]
    if not probes or command.resolved.given("questions"):
        probes += questions_of(command.resolved.config.answer.questions, journal)
    speaker = _speaker(command, journal)
    for probe in probes:
        messages = probe.messages(speaker.system)
        said = "".join(_pieces(speaker, messages, command, journal))
        if command.json:
            tell_json(_line(probe, said))
        else:
            tell(f"> {probe.question}\n{said}\n", keep=ANSWER)
    return OK


def questions_of(file: str | None, journal: Journal) -> list[Probe]:
    """The questions of a file, or of stdin; a stop that says why it holds none."""
    if file is None or file == "-":
        return [Probe(line.strip(), ONLY_SHOWN) for line in sys.stdin if line.strip()]
    with journal.judging():
        probes = read_probes(file, flag="--questions")
    return probes
