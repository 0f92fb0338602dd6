"""Pasted text to words, as bash would split it, but past the places where bash would stumble.

Web pages flatten lines, curl quotes and put notes behind backslashes. Each such place is a `Trap`:
it is told, and the reading goes on as it was meant.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass, field

from suretune.types import Text

FLAG = re.compile(r"--?[A-Za-z_]")
_DASHES = "–—―−－﹣"
_CURLY = {"“": "”“", "”": "”“", "‘": "’‘", "’": "’‘", "＂": "＂", "＇": "＇"}
_ODD_BLANK = re.compile(r"[^\S \t\r\n]|[\u200b\u2060\ufeff]")
_VARIABLE = re.compile(r"\$\{?([A-Za-z_]\w*)\}?", re.ASCII)
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.ASCII | re.DOTALL)
_NEXT_FLAG = re.compile(r"\s(?=--[A-Za-z])")
COMMAND = re.compile(
    r"(?:[A-Za-z_]\w*=\S*\s+\\?\s*)*(?:nohup\s+)?(?:swift|llamafactory-cli|axolotl|accelerate|vllm)\s+\w"
)

TRAPS = {
    "comment-after-backslash": Text(
        "A note stands behind a backslash: bash ends the command there, so every later flag is lost"
        " and `{found}` becomes an argument.",
        "反斜杠后面写了注释：bash 会在这里结束命令，后面的参数全部丢失，"
        "`{found}` 变成了多余的参数。",
    ),
    "comment-in-command": Text(
        "A note stands inside the command: bash ends the command there, so every later flag is"
        " lost: `{found}`",
        "命令中间夹着注释：bash 会在这里结束命令，后面的参数全部丢失：`{found}`",
    ),
    "missing-backslash": Text(
        "A backslash is missing at the end of the line before `{found}`: bash would end the"
        " command there.",
        "`{found}` 的上一行末尾少了反斜杠：bash 会在那里结束命令。",
    ),
    "blank-after-backslash": Text(
        "A blank stands behind the backslash at the end of a line: bash would end the command"
        " before `{found}`.",
        "行末的反斜杠后面有空格：bash 会在 `{found}` 之前结束命令。",
    ),
    "lines-joined": Text(
        "The lines were joined, backslashes and all: bash would take a blank as part of `{found}`.",
        "换行丢了，反斜杠还在：bash 会把空格当成 `{found}` 的一部分。",
    ),
    "odd-blank": Text(
        "A blank that bash does not know ({found}), as web pages have them: the words around it"
        " would be one.",
        "有 bash 不认识的空白字符（{found}），多半来自网页：它两边会被当成一个词。",
    ),
    "curly-quotes": Text(
        "Curly quotes: bash knows only straight ones, and would split `{found}`.",
        "弯引号：bash 只认直引号，会把 `{found}` 拆开。",
    ),
    "odd-dash": Text(
        "`{found}` begins with a long dash in place of two hyphens.",
        "`{found}` 开头是长横线，不是两个连字符。",
    ),
    "full-width": Text("`{found}` has full-width characters.", "`{found}` 里有全角字符。"),
    "unclosed-quote": Text(
        "A quote is opened and never closed: {found}", "引号没有配对，一直没有关闭：{found}"
    ),
    "around": Text(
        "`{found}` belongs to the shell, not to the command: put it around the working form again"
        " if you need it.",
        "`{found}` 属于 shell，不属于命令本身；需要的话，请自己加到可用的命令上。",
    ),
    "heredoc": Text(
        "Text is fed to the command by `<<`; `suretune infer` reads lines from stdin too, and"
        " `suretune ask --questions FILE` asks each in a conversation of its own.",
        "命令用 `<<` 喂入文本；`suretune infer` 也能从标准输入逐行读，"
        "`suretune ask --questions 文件` 则每个问题都开始新的对话。",
    ),
    "variable": Text(
        "`{found}` is a variable of your shell: the working form keeps it.",
        "`{found}` 是 shell 变量，可用的命令里原样保留。",
    ),
    "elided": Text(
        "`{found}` stands for flags that were left out; suretune chooses what is not given.",
        "`{found}` 表示省略的参数；没写的由 suretune 选定。",
    ),
}


@dataclass(frozen=True, slots=True)
class Trap:
    """One place where bash would not do what the text seems to say."""

    name: str
    found: str

    def text(self) -> Text:
        """The sentence about it, in both languages."""
        about = TRAPS[self.name]
        return Text(
            about.en.replace("{found}", self.found), about.zh.replace("{found}", self.found)
        )


@dataclass(slots=True)
class Shell:
    """The words of every command in a text, the traps, and the names of unset variables."""

    text: str
    commands: list[list[str]] = field(default_factory=lambda: [[]])
    traps: list[Trap] = field(default_factory=list)
    variables: set[str] = field(default_factory=set)
    _at: int = 0
    _word: list[str] | None = None
    _quoted: bool = False
    _drop: bool = False  # the next word is a file of a redirection
    _flat: bool = False
    _set: dict[str, str] = field(default_factory=dict)  # variables that the text itself sets

    def read(self) -> Shell:
        """Split it all; this never fails, whatever the text."""
        self._flat = not re.search(rf"\n\s*(?:--|[{_DASHES}])", self.text)
        while self._at < len(self.text):
            self._step(self.text[self._at])
        self._end_word()
        self.commands = [words for words in self.commands if words]
        return self

    def trap(self, name: str, found: str) -> None:
        """Note it, once."""
        short = " ".join(found.split())
        one = Trap(name, short if len(short) <= 60 else short[:59] + "…")
        if one not in self.traps:
            self.traps.append(one)

    def _rest(self) -> str:
        return self.text[self._at : self._at + 2000]

    def _step(self, char: str) -> None:
        if char in " \t\r":
            self._end_word()
            self._at += 1
        elif char == "\n":
            self._newline()
        elif _ODD_BLANK.match(char):
            self.trap("odd-blank", f"U+{ord(char):04X}")
            self._end_word()
            self._at += 1
        elif char == "\\":
            self._backslash()
        elif char in "'\"" or char in _CURLY:
            self._quote(char)
        elif char == "#" and self._word is None:
            self._comment("comment-in-command")
        elif char in ";&|<>":
            self._operator(char)
        elif char == "$" and (name := _VARIABLE.match(self._rest())):
            self._variable(name)
        else:
            self._add(char)
            self._at += 1

    def _add(self, text: str) -> None:
        if self._word is None:
            self._word = []
        self._word.append(text)

    def _variable(self, name: re.Match[str]) -> None:
        self._add(self._filled(name[0]))
        self._at += name.end()

    def _newline(self) -> None:
        self._end_word()
        self._at += 1
        follows = self._rest().lstrip()
        if self.commands[-1] and follows[:1] and (follows[:2] == "--" or follows[0] in _DASHES):
            self.trap("missing-backslash", follows.split()[0])
        else:
            self.commands.append([])

    def _backslash(self) -> None:
        rest = self._rest()
        blanks = r"[^\S\n]"
        if whole := re.match(r"\\\r?\n", rest):
            self._end_word()
        elif whole := re.match(rf"\\{blanks}+(?:\n|$)", rest):
            self._end_word()
            if follows := rest[whole.end() :].split():
                self.trap("blank-after-backslash", follows[0])
        elif whole := re.match(rf"\\{blanks}+(?=#)", rest):
            self._end_word()
            self._at += whole.end()
            self._comment("comment-after-backslash")
            return
        elif (whole := re.match(rf"\\{blanks}+(?=--?[A-Za-z]|[{_DASHES}])", rest)) or (
            self._word is None and (whole := re.match(rf"\\{blanks}+", rest))
        ):
            self._end_word()
            self.trap("lines-joined", rest[whole.end() :].split()[0])
        else:
            self._add(rest[1:2])
            self._at += 2
            return
        self._at += whole.end()

    def _quote(self, char: str) -> None:
        closers = _CURLY.get(char, char)
        end = self._at + 1
        inside: list[str] = []
        while end < len(self.text) and self.text[end] not in closers:
            if char == '"' and self.text[end] == "\\" and self.text[end + 1 : end + 2] in '"\\$`\n':
                end += 1
                if self.text[end : end + 1] == "\n":
                    end += 1
                    continue
            inside.append(self.text[end : end + 1])
            end += 1
        if end >= len(self.text):
            if char in "'\"":
                self.trap("unclosed-quote", self.text[self._at :])
            self._add(char if char in _CURLY else "")
            self._at += 1
            return
        if char in _CURLY:
            self.trap("curly-quotes", self.text[self._at : end + 1])
        said = "".join(inside)
        if char == '"':
            said = self._filled(said)
        self._add(said)
        self._quoted = True
        self._at = end + 1

    def _filled(self, said: str) -> str:
        """The variables of a double-quoted text, where the text itself has set them."""

        def value(name: re.Match[str]) -> str:
            if name[1] in self._set:
                return self._set[name[1]]
            self.variables.add(name[1])
            self.trap("variable", name[0])
            return name[0]

        return _VARIABLE.sub(value, said)

    def _comment(self, name: str) -> None:
        """A note ends with its line; where lines were joined, with the next flag or command."""
        line = self.text.find("\n", self._at)
        end = line if line >= 0 else len(self.text)
        if self._flat:
            for sign in (_NEXT_FLAG, COMMAND):
                if found := sign.search(self.text, self._at, end):
                    end = found.start()
        note = self.text[self._at : end]
        self._at += len(note)
        after = self._rest().lstrip()
        if self.commands[-1] and (after.startswith("--") or name == "comment-after-backslash"):
            self.trap(name, note.rstrip("\\ \t"))
            gap = len(self._rest()) - len(after)
            self._at += gap if after.startswith("--") else 0

    def _operator(self, char: str) -> None:
        rest = self._rest()
        if placeholder := re.match(r"<[^<>\s]+>", rest):
            self._add(placeholder[0])
            self._at += placeholder.end()
            return
        digits = self._word is not None and "".join(self._word).isdigit() and char in "<>"
        if digits:
            self._word = None
        self._end_word()
        if document := re.match(r"<<-?\s*['\"]?(\w+)['\"]?", rest):
            self.trap("heredoc", document[0])
            end = re.search(rf"\n\s*{document[1]}\s*(?:\n|$)", self.text[self._at :])
            self._at = self._at + end.end() if end else len(self.text)
            self.commands.append([])
            return
        operator = re.match(r"[<>]+&?(?:\d\b)?|&>+|&&|\|\||[;&|]", rest)
        found = operator[0] if operator else char
        self._at += len(found)
        if char in "<>" or found.startswith("&>"):
            self.trap("around", found)
            self._drop = not found[-1].isdigit()
            return
        if found == "&":
            self.trap("around", found)
        self.commands.append([])

    def _end_word(self) -> None:
        if self._word is None:
            return
        word = "".join(self._word)
        if not self._quoted:
            word = self._straight(word)
        if self._drop:
            self._drop = False
        elif word or self._quoted:
            self.commands[-1].append(word)
            if assigned := _ASSIGNMENT.fullmatch(word):
                self._set[assigned[1]] = assigned[2]
        self._word, self._quoted = None, False

    def _straight(self, word: str) -> str:
        """A word without what web pages did to it."""
        bare = word.lstrip(_DASHES + "-")
        if word[0:1] and word[0] in _DASHES and bare[:1].isalpha():
            self.trap("odd-dash", word)
            word = f"--{bare}"
        if word in ("...", "…", "……"):
            self.trap("elided", word)
            return ""
        plain = unicodedata.normalize("NFKC", word)
        if plain != word and (FLAG.match(plain) or plain.isascii()):
            self.trap("full-width", word)
            return plain
        return word
