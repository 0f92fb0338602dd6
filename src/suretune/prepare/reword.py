"""`reword`: the base asks each short question of the rows in other words; a file to be read.

Nothing is trained on unseen: the rows are written, a person reads them, and trains on both files.
What cannot be the same question is left out, with the reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from suretune.data.collect import Prepared
from suretune.data.identity import language_of, plain, question_of
from suretune.data.paraphrase import asks, is_short
from suretune.data.render import prompt_ids
from suretune.data.role_tokens import role_tokens
from suretune.model.generate import Talker, spoken
from suretune.preflight.check import Checked
from suretune.types import Example, Message, Text
from suretune.whole_names import says

FILE = "wordings.jsonl"
TOKENS = 64  # of a wording
LENGTHS = (1 / 4, 4)  # of the question's characters
FRAMES = {
    "zh": (
        "请把下面的话换一种说法，意思不变，只写改写后的句子：\n{q}",
        "用更口语化的方式说下面这句话，意思不变，只写这句话：\n{q}",
        "用更正式、更礼貌的方式说下面这句话，意思不变，只写这句话：\n{q}",
        "用更少的字说下面这句话，意思不变，只写这句话：\n{q}",
        "另一个人想问同样的问题，他会怎么说？只写他说的话：\n{q}",
    ),
    "en": (
        "Say the following in other words, with the same meaning. Write the sentence only:\n{q}",
        "Say the following as people talk, with the same meaning. Write the sentence only:\n{q}",
        "Say the following formally and politely, with the same meaning. Write the sentence only:"
        "\n{q}",
        "Say the following in fewer words, with the same meaning. Write the sentence only:\n{q}",
        "Somebody else wants to ask the same. How does he say it? Write what he says only:\n{q}",
    ),
}
WHY_NOT = {
    "unfinished": Text("empty, or without an end", "为空，或没有说完"),
    "lines": Text("several lines", "不止一行"),
    "known": Text("no other words", "没有换说法"),
    "language": Text("another language", "换了语言"),
    "mood": Text("a question became none, or the other way", "问句与非问句互换"),
    "length": Text("far longer or shorter", "长度相差太大"),
    "name": Text("names what only the answer says", "说出了只有答案里才有的名字"),
    "matter": Text("no word in common", "没有一个词相同"),
    "tokens": Text("a control token", "含有控制标记"),
    "held": Text("what a probe will ask", "与验证问题相同"),
}


@dataclass(slots=True)
class Reworded:
    """Rows in the shape `messages`, (question, wording) of each, and why others were left out."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    pairs: list[tuple[str, str]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)


def reword(
    checked: Checked,
    model: Talker,
    count: int,
    held: frozenset[str],
) -> Reworded:
    """Up to `count` wordings of every short question; `held`: plain questions of the probes."""
    found = Reworded()
    rows = [*_rows(checked.train), *_rows(checked.held_out)]
    taken = {plain(question_of(example)) for example in rows}
    asked = [
        (example, frame)
        for example in _rows(checked.train)
        if is_short(example)
        for frame in FRAMES[language_of(question_of(example))]
    ]
    tokenizer = checked.tokenizer
    prompts = [
        prompt_ids(tokenizer, (Message("user", frame.format(q=question_of(example).strip())),))
        for example, frame in asked
    ]
    said = spoken(model, prompts, tokenizer.stop_ids, TOKENS) if prompts else []
    made: Counter[object] = Counter()
    for (example, _), ids in zip(asked, said, strict=True):
        if made[example.origin] >= count:
            continue
        question, wording = question_of(example).strip(), tokenizer.decode(ids).strip(" \"“”'")
        why = _unfit(question, wording) if len(ids) < TOKENS else "unfinished"
        if not why and role_tokens(tokenizer, wording):
            why = "tokens"
        if not why and _names(checked, question, wording):
            why = "name"
        if not why and plain(wording) in taken | held:
            why = "held" if plain(wording) in held else "known"
        if why:
            found.left_out[why] += 1
            continue
        taken.add(plain(wording))
        made[example.origin] += 1
        found.pairs.append((question, wording))
        found.rows.append({"messages": list(_turns(example, wording))})
    return found


def _rows(prepared: Sequence[Prepared]) -> Iterator[Example]:
    return (row.example for row in prepared if not row.example.repeat)


def _turns(example: Example, wording: str) -> Iterator[dict[str, str]]:
    for message in example.messages:
        content = wording if message.role == "user" else message.content
        yield {"role": message.role, "content": content}


def _unfit(question: str, wording: str) -> str:
    """Why this cannot be the same question, as far as its letters tell; empty if it can."""
    if not wording:
        return "unfinished"
    if "\n" in wording:
        return "lines"
    if language_of(wording) != language_of(question):
        return "language"
    if asks(wording) != asks(question):
        return "mood"
    least, most = LENGTHS
    if not least * len(question) <= len(wording) <= most * len(question):
        return "length"
    return "" if _matter(question) & _matter(wording) else "matter"


def _matter(text: str) -> set[str]:
    """Words; of Chinese its characters."""
    apart = "".join(f" {c} " if "\u4e00" <= c <= "\u9fff" else c for c in text.lower())
    return set("".join(c if c.isalnum() else " " for c in apart).split())


def _names(checked: Checked, question: str, wording: str) -> bool:
    """Whether the wording gives away, or brings in, a name that the question does not have."""
    identity = checked.identity
    if identity is None:
        return False
    own = [name for said in (identity.words, identity.makers) for n in said.values() for name in n]
    names = (*own, *identity.forbidden)
    return any(says(n, wording) and not says(n, question) for n in names)
