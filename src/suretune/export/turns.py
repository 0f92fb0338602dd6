"""What a chat template writes around each turn, found by rendering; and Ollama's template from it.

Ollama does not run Jinja. Its own language has what is needed for templates that write something
before and something behind each turn, whatever the turns around it. Whether a template is such a
one is not assumed: conversations are rendered by both and have to be equal.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from suretune.data.template import ChatTokenizer, TemplateRefused
from suretune.types import Message, Text

ROLES = ("system", "user", "assistant")
MARK = "\x1a{}\x1a"
LOOP, CONTENT, ENDS = "{{ range .Messages }}", "{{ .Content }}", "{{ end }}{{ end }}"
CASE = re.compile(
    r'\{\{ (?:else )?if eq \.Role "(\w+)" \}\}(.*?)\{\{ \.Content \}\}(.*?)(?=\{\{ else if|\Z)',
    re.DOTALL,
)
SPOKEN = (  # conversations that are rendered both ways, `None` in front: no system prompt
    ("Be brief.", "Hi"),
    (None, "Hi"),
    ("Be brief.", "Who are you?", "I am.", "And?"),
    (None, "你是谁？", "我是。", "  x\n", "y", 'é "q" {{ z }}'),
)


@dataclass(frozen=True, slots=True)
class Turns:
    """What stands before and behind the text of each role, in front of all, and before an answer.

    `default`: the system prompt that the template puts in where none is given. `first` is written
    by the program that reads the file, and not by the template, where `adds_first`.
    """

    first: str
    adds_first: bool
    around: Mapping[str, tuple[str, str]]
    answer: str
    default: str

    def template(self) -> str:
        """In Ollama's language; nothing stands between its actions, so that no space is trimmed."""
        made = ["" if self.adds_first else self.first, LOOP]
        for place, role in enumerate(ROLES):
            before, behind = self.around[role]
            word = "if" if place == 0 else "else if"
            made.append(f'{{{{ {word} eq .Role "{role}" }}}}{before}{CONTENT}{behind}')
        return "".join([*made, ENDS, self.answer])


def turns_of(tokenizer: ChatTokenizer, *, adds_first: bool) -> Turns | Text:
    """The turns of a template; or why Ollama's language cannot say it, with a conversation."""
    try:
        found = _found(tokenizer, adds_first)
        pieces = [found.first, found.answer, *(x for pair in found.around.values() for x in pair)]
        if any("{{" in piece or '"""' in piece for piece in pieces):
            raise ValueError("it writes signs of Ollama's own language")
    except (TemplateRefused, ValueError) as error:
        return Text(
            f"its template has no plain turns ({error})", f"模板的各轮格式不规则（{error}）"
        )
    for spoken in SPOKEN:
        talk = conversation(spoken)
        ours, there = tokenizer.render(talk, prompt=True), rendered(found.template(), talk, found)
        if ours != there:
            return Text(
                f"Ollama's template would make {there!r} of {ours!r}",
                f"Ollama 的模板会把 {ours!r} 写成 {there!r}",
            )
    return found


def conversation(spoken: Sequence[str | None]) -> list[Message]:
    """A system prompt or none, then a question, an answer, a question, ..."""
    system, *said = spoken
    talk = [Message("system", system)] if system is not None else []
    return talk + [Message(ROLES[1 + i % 2], text or "") for i, text in enumerate(said)]


def _found(tokenizer: ChatTokenizer, adds_first: bool) -> Turns:
    marks = [MARK.format(n) for n in range(4)]
    talk = [
        Message("system", marks[0]),
        Message("user", marks[1]),
        Message("assistant", marks[2]),
        Message("user", marks[3]),
    ]
    whole = tokenizer.render(talk, prompt=True)
    if any(whole.count(mark) != 1 for mark in marks):
        raise ValueError("a turn is written twice, or not at all")
    between = re.split("|".join(map(re.escape, marks)), whole)
    behind_answer = tokenizer.render(talk[:3], prompt=False).partition(marks[2])[2]
    behind_user = tokenizer.render(talk[:2], prompt=False).partition(marks[1])[2]
    before_user = _without(between[3], behind_answer)
    bos = tokenizer.special_text("bos_token")
    first = bos if bos and between[0].startswith(bos) and not before_user.startswith(bos) else ""
    if not between[1].endswith(before_user):
        raise ValueError(f"{between[1]!r} does not end with {before_user!r}")
    around = {
        "system": (between[0].removeprefix(first), between[1].removesuffix(before_user)),
        "user": (before_user, behind_user),
        "assistant": (_without(between[2], behind_user), behind_answer),
    }
    answer = _without(between[4], behind_user)
    return Turns(first, adds_first, around, answer, tokenizer.default_system)


def _without(text: str, front: str) -> str:
    if not text.startswith(front):
        raise ValueError(f"{text!r} does not begin with {front!r}")
    return text.removeprefix(front)


def rendered(template: str, talk: Sequence[Message], turns: Turns) -> str:
    """What Ollama makes of a conversation: its SYSTEM where none is given, then the template.

    Only what `Turns.template` writes is understood here: a loop over the messages whose body is a
    choice of the role.
    """
    if turns.default and talk[0].role != "system":
        talk = [Message("system", turns.default), *talk]
    first, loop, body = template.partition(LOOP)
    body, ends, answer = body.partition(ENDS)
    if not loop or not ends:
        raise ValueError("no loop over messages")
    around = {role: (before, behind) for role, before, behind in CASE.findall(body)}
    said = "".join(around[m.role][0] + m.content + around[m.role][1] for m in talk)
    return (turns.first if turns.adds_first else "") + first + said + answer
