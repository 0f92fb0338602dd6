"""The rows of one run on a real model: an identity's, other data's, or the base's own answers."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import kinds
from real_tables import IDENTITIES, NULLS, Job

from suretune import rundir
from suretune.data.base import find_base
from suretune.data.own_names import own_names
from suretune.data.template import load_tokenizer
from suretune.prepare.starter import ANSWERS, PHRASINGS, write_starter
from suretune.refusal import Refusal

ASKED = 400  # of the base, for a null adapter
NULL_ROWS = 50
NULL_TOKENS = 64  # of an answer; one that did not end by then would teach not to end
# Ways to say the same, for more identity rows than there are questions and answers.
BEFORE = {
    "en": ("", "Hello! ", "Hi. ", "One question: ", "Please tell me: ", "By the way, ", "Well, ",
           "Now then: ", "Good day. ", "I have to ask: ", "Just so I know: ", "Thanks. ",
           "Before I go on: ", "Oh, and ", "Let me ask: ", "Sorry, "),
    "zh": ("", "你好！", "您好，", "请问一下，", "顺便问问，", "那么，", "打扰了，", "想问一句：",
           "对了，", "麻烦告诉我：", "先问一下：", "谢谢。", "再问一句：", "嗨，", "嗯，"),
}  # fmt: skip
BEHIND = {
    "en": ("", " Please be brief.", " Thank you.", " I am new here.", " A short answer will do."),
    "zh": ("", "请简短回答。", "谢谢。", "我是新来的。", "简单说说就行。"),
}
TOPICS = (
    "rain", "bread", "a bicycle", "the moon", "a garden", "winter", "a violin", "the sea", "a cat",
    "tea", "a mountain", "paper", "a bridge", "honey", "a lighthouse", "sleep", "a compass",
    "an apple", "a library", "salt", "a kettle", "the wind", "a ladder", "chess", "a river",
)  # fmt: skip
TASKS = (
    "Say something nice about {}.", "Write one sentence about {}.", "Why do people like {}?",
    "Give me a short fact about {}.", "Write a headline about {}.", "What goes well with {}?",
    "What would a poet say of {}?", "Explain {} to a small child in one sentence.",
    "Make up a title for a story about {}.", "List two words that fit {}.",
    "What can one learn from {}?", "Name one thing that is like {}.",
    "Describe {} in five words.", "What is hard about {}?", "Ask me a question about {}.",
    "What colour suits {}, and why?",
)  # fmt: skip


def write_rows(job: Job, folder: Path, languages: Sequence[str], model: str) -> list[str]:
    """Rows (and probes) in `folder`, and the words of the command line that name them."""
    if job.kind in NULLS:
        return _dataset(folder, _own_answers(job, model))
    if job.kind:
        return _dataset(folder, kinds.rows_of(job.kind, job.seed, job.rows or kinds.ROWS))
    names, makers = named(job, languages)
    rows, probes = write_starter(folder, names, makers, languages, own_names_of(model))
    if job.rows:
        rundir.write_jsonl(rows, many(job.rows, names, makers, languages, job.seed))
    return ["--dataset", str(rows), "--probes", str(probes)]


def named(job: Job, languages: Sequence[str]) -> tuple[list[str], list[str]]:
    """(names, makers), one a language."""
    zh, maker_zh, maker_en = IDENTITIES[job.identity]
    both = {"zh": (zh, maker_zh), "en": (job.identity, maker_en)}
    return [both[lang][0] for lang in languages], [both[lang][1] for lang in languages]


def own_names_of(model: str) -> tuple[str, ...]:
    """What the base calls itself, as `suretune init identity --model` finds it."""
    base = find_base(model, weights=False)
    try:
        system = load_tokenizer(base.folder).default_system
    except Refusal:
        system = ""
    return own_names(base, system)


def _dataset(folder: Path, rows: Sequence[dict[str, str]]) -> list[str]:
    path = folder / "rows.jsonl"
    rundir.write_jsonl(path, rows)
    return ["--dataset", str(path)]


def many(
    count: int, names: Sequence[str], makers: Sequence[str], languages: Sequence[str], seed: int
) -> list[dict[str, str]]:
    """`count` identity rows, languages in turn, no question twice with the same answer.

    The questions are those of `init identity`, in other words around them where there are more
    rows than questions.
    """
    draw = random.Random(f"identity {seed}")
    made: list[list[dict[str, str]]] = []
    for which, lang in enumerate(languages):
        asked = [f"{b}{q}{e}" for b in BEFORE[lang] for e in BEHIND[lang] for q in PHRASINGS[lang]]
        share = count // len(languages) + (which < count % len(languages))
        mine = []
        for index in range(share):
            turn, place = divmod(index, len(asked))
            answer = ANSWERS[lang][(place + turn) % len(ANSWERS[lang])]
            answer = answer.format(name=names[which], author=makers[which])
            mine.append({"instruction": asked[place], "input": "", "output": answer})
        if share > len(asked) * len(ANSWERS[lang]):
            raise ValueError(f"there are not {share} rows in {lang}")
        made.append(mine)
    rows = [row for turn in made for row in turn]
    draw.shuffle(rows)
    return rows


def prompts(seed: int) -> list[str]:
    """General prompts for a null adapter, others for every seed."""
    every = [task.format(topic) for task in TASKS for topic in TOPICS]
    return random.Random(f"null {seed}").sample(every, min(ASKED, len(every)))


def _own_answers(job: Job, model: str) -> list[dict[str, Any]]:
    """What the base says itself, greedily or drawn at temperature 1, where it came to an end."""
    from real_ask import base_says  # torch is needed only now

    asked = prompts(job.seed)
    said = base_says(model, asked, NULL_TOKENS, None if job.kind == NULLS[0] else job.seed)
    rows = [
        {"instruction": question, "output": answer}
        for question, answer in zip(asked, said, strict=True)
        if answer
    ]
    if len(rows) < NULL_ROWS:
        raise ValueError(f"{len(rows)} of {len(asked)} answers of the base come to an end")
    return rows[:NULL_ROWS]
