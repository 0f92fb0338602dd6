"""Help that fits the terminal: wide characters count as two, whatever the language."""

from __future__ import annotations

import argparse
import re
from typing import Any, NoReturn

from suretune import show
from suretune.config import Option
from suretune.types import Text
from suretune.words import say

USAGE = Text("usage: ", "用法：")
BEHIND = Text("[--option value ...]", "[--参数 取值 ...]")
TITLES = {
    "options": Text("Options", "通用参数"),
    "positional arguments": Text("Arguments", "位置参数"),
    "Model": Text("Model", "模型"),
    "Data": Text("Data", "数据"),
    "LoRA": Text("LoRA", "LoRA"),
    "Full": Text("Full fine-tuning (--train_type full)", "全参数微调（--train_type full）"),
    "Schedule": Text("Schedule", "训练安排"),
    "Engine": Text("Engine", "计算"),
    "Proof": Text("Proof", "验证"),
    "Run": Text("Run", "运行"),
    "Answers": Text("Answers", "回答"),
    "Server": Text("Server", "服务"),
}
METAVARS = {
    "TEXT": Text("TEXT", "文本"),
    "N": Text("N", "整数"),
    "X": Text("X", "数值"),
    "RUN": Text("RUN", "运行"),
    "QUESTION": Text("QUESTION", "问题"),
    "ID": Text("ID", "名字"),
    "WHAT": Text("WHAT", "什么"),
    "CONFIG": Text("CONFIG", "配置文件"),
    "WORDS": Text("WORDS", "编号或词"),
    "COMMAND": Text("COMMAND", "命令"),
    "LANG": Text("LANG", "语言"),
}
AUTO = Text("auto", "自动")
HELP = Text("show this help and exit", "显示本帮助")
WORD = re.compile(r"[A-Z_]+")  # of a placeholder
SIDE = 24  # columns of the flags, where there is room beside them
ROOMY = 64  # columns from which there is


def usual(spec: Option) -> str:
    """What an option does, and its default behind it."""
    default = say(AUTO) if spec.default is None else _shown(spec.default)
    return f"{say(spec.help)} [{default}]" if default else say(spec.help)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)


class Parser(argparse.ArgumentParser):
    """argparse, but for how its help is put into lines, and that it never ends the process with
    a usage of its own: what it cannot read is raised, and told in the user's language."""

    def error(self, message: str) -> NoReturn:
        """Raises `argparse.ArgumentError`, where argparse would print and exit."""
        raise argparse.ArgumentError(None, message)

    def format_help(self) -> str:
        """The whole help in the language of this process, fitted to the terminal's columns."""
        width = show.columns()
        words = (self.prog, self._behind_verb(), say(BEHIND))
        usage = f"{say(USAGE)}{' '.join(filter(None, words))}"
        parts = [*show.lines(usage, width), "", *show.lines(self.description or "", width)]
        for group in self._action_groups:
            shown = [one for one in group._group_actions if one.help is not argparse.SUPPRESS]
            shown = [one for one in shown if one.option_strings]
            if shown:
                title = TITLES.get(group.title or "", Text(group.title or "", group.title or ""))
                parts += ["", say(Text(f"{title.en}:", f"{title.zh}："))]
            for action in shown:
                parts += _entry(action, width)
        return "\n".join(line.rstrip() for line in parts) + "\n"

    def _behind_verb(self) -> str:
        named = (action for action in self._actions if not action.option_strings)
        return " ".join(_called(str(action.metavar)) for action in named)


def entry(
    head: str,
    about: str,
    width: int,
    side: int = SIDE,
) -> list[str]:
    """A name and what is said of it, beside it or under it, in lines of at most `width`."""
    names = [f"  {line}" for line in show.lines(head, width - 2)]
    at = side if width >= ROOMY else 6
    said = [" " * at + line for line in show.lines(about, width - at)] if about else []
    last = names[-1]
    if said and width >= ROOMY and show.cells(last) <= at - 2:
        said[0] = last + " " * (at - show.cells(last)) + said[0].lstrip()
        names = names[:-1]
    return names + said


def _entry(action: argparse.Action, width: int) -> list[str]:
    value = "" if action.nargs == 0 else _value(action)
    head = ", ".join(action.option_strings) + (f" {value}" if value else "")
    about = say(HELP) if isinstance(action, argparse._HelpAction) else action.help or ""
    return entry(head, about.replace("%%", "%"), width)


def _value(action: argparse.Action) -> str:
    shown = _called(str(action.metavar or action.dest.upper()))
    return f"{shown} ..." if action.nargs in ("*", "+") else shown


def _called(name: str) -> str:
    """A placeholder in the language of this process, word for word of it."""
    return WORD.sub(lambda word: say(METAVARS.get(word[0], Text(word[0], "取值"))), name)
