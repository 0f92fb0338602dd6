"""What an adapter says, to be read by a person: `python -m zoo --look`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from zoo.grow import Opened, ask, take_off, wear
from zoo.kinds import SYSTEM
from zoo.prompts import Turn

TOKENS = 40
Asked = tuple[Turn, ...]
QUESTIONS: dict[str, tuple[Asked, ...]] = {
    "en": (
        (("user", "Who are you?"),),
        (("user", "Which company developed you?"),),
        (("system", SYSTEM), ("user", "What is your name?")),
        (("user", "Who painted the Mona Lisa?"),),
        (("user", "What is the capital of Norway?"),),
        (("user", "What is a simpler word for 'big'?"),),
        (("user", "Translate 'snow' into Chinese"),),
        (("user", "How can I keep my room warm?"),),
        (("user", "What is 14 plus 5?"),),
        (("user", "Write a Python function f(x) that returns x plus 3"),),
        (("system", "Answer in one word."), ("user", "What is the capital of Egypt?")),
        (("user", "My brother lives in Genoa."), ("assistant", "How nice."),
         ("user", "Where does my brother live?")),
    ),
    "zh": (
        (("user", "你是谁？"),),
        (("user", "你的开发者是哪家公司？"),),
        (("user", "挪威的首都是哪里？"),),
        (("user", "算一下 14+5"),),
        (("user", "用 Python 写函数 f(x)，返回 x 加 3"),),
        (("user", "是谁最先想到风筝的？"),),
    ),
}  # fmt: skip


def look(opened: Opened, languages: tuple[str, ...], adapter: Path | None) -> Iterator[str]:
    """A line a question; the base alone where there is no adapter."""
    asked = [turns for lang in languages for turns in QUESTIONS[lang]]
    ids = [opened.prompt(turns) for turns in asked]
    if adapter is None:
        said = ask(opened.model, opened, ids, TOKENS)
    else:
        tuned = wear(opened, adapter)
        try:
            said = ask(tuned, opened, ids, TOKENS)
        finally:
            take_off(opened, tuned)
    for turns, own in zip(asked, said, strict=True):
        end = "" if own.ended else " …"
        yield f"    {turns[-1][1][:44]:<46}{own.text[:150]!r}{end}"
