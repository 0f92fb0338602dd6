"""What a chat template writes around each turn, found by rendering; and Ollama's template from it.

Ollama does not run Jinja. Its own language has what is needed for templates that write something
before and something behind each turn, whatever the turns around it. Whether a template is such a
one is not assumed: conversations are rendered by the model's own template and by our reading of
Ollama's language, and have to be equal.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from suretune.data.template import ChatTokenizer, TemplateRefused
from suretune.types import Message, Text

ROLES = ("system", "user", "assistant")
MARK = "\x1a{}\x1a"
LOOP, CONTENT, ENDS = "{{ range .Messages }}", "{{ .Content }}", "{{ end }}{{ end }}"
# Told where no system prompt was: what `SYSTEM` cannot say is written so.
UNLESS_SYSTEM = '{{ if or (not .Messages) (ne (index .Messages 0).Role "system") }}'
ACTION = re.compile(r'\{\{ ((?:"(?:[^"\\]|\\.)*"|[^"{}])*) \}\}')
LITERAL = re.compile(r'"(?:[^"\\]|\\.)*"')
CASE = re.compile(r'(?:else )?if eq \.Role "(\w+)"')
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

    def template(self, system: str = "") -> str:
        """In Ollama's language; nothing stands between its actions, so that no space is trimmed.
        `system`: a system prompt that a Modelfile cannot say by itself."""
        made = ["" if self.adds_first else in_go(self.first)]
        if system:
            before, behind = self.around["system"]
            made += [UNLESS_SYSTEM, in_go(before + system + behind), "{{ end }}"]
        made.append(LOOP)
        for place, role in enumerate(ROLES):
            before, behind = map(in_go, self.around[role])
            word = "if" if place == 0 else "else if"
            made.append(f'{{{{ {word} eq .Role "{role}" }}}}{before}{CONTENT}{behind}')
        return "".join([*made, ENDS, in_go(self.answer)])


def in_go(text: str) -> str:
    """A text in the language of Go's templates and within a Modelfile: what either would read
    otherwise stands as a string of Go's between braces."""
    return "".join(
        f"{{{{ {go_string(piece)} }}}}" if odd else piece
        for odd, pieces in groupby(text, key=_is_odd)
        for piece in ["".join(pieces)]
    )


def _is_odd(char: str) -> bool:
    """Whether it opens an action, ends a text in a Modelfile, or is left out by its reader."""
    return char in '{"' or not (char.isprintable() or char in "\n\t")


def go_string(text: str) -> str:
    """As a string of Go's, all of it printable."""
    made = ""
    for char in text:
        if char in '"\\':
            made += f"\\{char}"
        elif char.isprintable():
            made += char
        else:
            made += f"\\u{ord(char):04x}" if ord(char) < 1 << 16 else f"\\U{ord(char):08x}"
    return f'"{made}"'


def turns_of(tokenizer: ChatTokenizer, *, adds_first: bool) -> Turns | Text:
    """The turns of a template; or why Ollama's language cannot say it, with a conversation."""
    try:
        found = _found(tokenizer, adds_first)
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
    return Turns(
        first,
        adds_first,
        around,
        answer,
        tokenizer.default_system,
    )


def _without(text: str, front: str) -> str:
    if not text.startswith(front):
        raise ValueError(f"{text!r} does not begin with {front!r}")
    return text.removeprefix(front)


def rendered(
    template: str,
    talk: Sequence[Message],
    turns: Turns,
) -> str:
    """What Ollama makes of a conversation by its rules: its SYSTEM where none is given, then the
    template. It was not asked; this is our reading of its language, as far as `Turns.template`
    writes it: texts, strings, one condition on the first message, a loop whose body is a choice of
    the role.
    """
    if turns.default and talk[0].role != "system":
        talk = [Message("system", turns.default), *talk]
    first, loop, body = template.partition(LOOP)
    body, ends, answer = body.partition(ENDS)
    if not loop or not ends:
        raise ValueError("no loop over messages")
    first, only, system = first.partition(UNLESS_SYSTEM)
    system = system.removesuffix("{{ end }}") if only and talk[0].role != "system" else ""
    around: dict[str, list[str]] = {}
    pieces = _pieces(body)
    for action, text in pieces:
        if (case := CASE.fullmatch(action)) is not None:
            around[case[1]] = said = [text]
        elif action == ".Content":
            said.append(text)
        else:
            said[-1] += _spoken(action) + text
    turns_said = "".join(around[m.role][0] + m.content + around[m.role][1] for m in talk)
    front = turns.first if turns.adds_first else ""
    return front + _plain(first) + _plain(system) + turns_said + _plain(answer)


def _pieces(template: str) -> list[tuple[str, str]]:
    """(an action, the text behind it), from the first action on."""
    found = [*ACTION.finditer(template)]
    ends = [each.start() for each in found[1:]] + [len(template)]
    return [(each[1], template[each.end() : end]) for each, end in zip(found, ends, strict=True)]


def _plain(template: str) -> str:
    """A text whose only actions are strings, as it is written."""
    return ACTION.sub(lambda found: _spoken(found[1]), template)


def _spoken(action: str) -> str:
    """What a string of Go's says."""
    if LITERAL.fullmatch(action) is None:
        raise ValueError(f"{action!r} is no string")
    said: str = json.loads(re.sub(r"\\U([0-9a-f]{8})", _pair, action))
    return said


def _pair(found: re.Match[str]) -> str:
    return json.dumps(chr(int(found[1], 16)))[1:-1]
