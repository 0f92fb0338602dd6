"""Measure a pocket model: skills, its own identity, given identities, capabilities, repeating.

python pocket/evaluate.py [--model FOLDER] [--per-skill N]
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedTokenizerBase,
    Qwen2ForCausalLM,
)

import corpus
from suretune.pocket import MODEL, identity
from suretune.pocket.skills import Item, correct, held_out

SKILL_SEED = 1
"""Seed of the held-out items; another seed draws other items of the same held-out keys."""

OWN_NAMES = ("通义千问", "Qwen", "阿里云", "Alibaba")


@dataclass(frozen=True, slots=True)
class Prompt:
    """A system prompt (None: the template's own) and a question."""

    system: str | None
    question: str


def load(folder: Path, device: str) -> tuple[Qwen2ForCausalLM, PreTrainedTokenizerBase]:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).to(device).eval()
    return model, AutoTokenizer.from_pretrained(folder)


@torch.inference_mode()
def answer_all(
    model: Qwen2ForCausalLM,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Prompt],
    max_new_tokens: int = 64,
    rows: int = 512,
) -> list[str]:
    """Greedy answers, in order; prompts of like length share a left-padded batch."""
    texts = []
    for prompt in prompts:
        messages = [{"role": "user", "content": prompt.question}]
        if prompt.system is not None:
            messages.insert(0, {"role": "system", "content": prompt.system})
        texts.append(
            tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        )
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    answers = [""] * len(texts)
    for start in range(0, len(order), rows):
        chosen = order[start : start + rows]
        batch = tokenizer(
            [texts[index] for index in chosen],
            return_tensors="pt", padding=True, padding_side="left", add_special_tokens=False,
        ).to(model.device)  # fmt: skip
        made = model.generate(**batch, max_new_tokens=max_new_tokens, do_sample=False)
        new = tokenizer.batch_decode(
            made[:, batch["input_ids"].shape[1] :], skip_special_tokens=True
        )
        for index, text in zip(chosen, new, strict=True):
            answers[index] = text
    return answers


def share(verdicts: Iterable[bool]) -> float:
    found = list(verdicts)
    return sum(found) / len(found)


def by_skill(items: Sequence[Item], answers: Sequence[str]) -> dict[str, float]:
    """Share of right answers per skill, both languages together."""
    groups: dict[str, list[bool]] = defaultdict(list)
    for item, good in zip(items, correct(items, answers), strict=True):
        groups[item.skill].append(good)
    return {skill: share(verdicts) for skill, verdicts in groups.items()}


def identity_prompts(system: str | None) -> list[Prompt]:
    """The held-out identity questions of both languages under one system prompt."""
    return [Prompt(system, text) for text in identity.HELD_OUT_ZH + identity.HELD_OUT_EN]


Ask = Callable[[Sequence[Prompt]], list[str]]


def _given(ask: Ask, n: int) -> float:
    """Held-out questions under a system prompt with a new name and maker: are both said?"""
    rng = random.Random("given")
    names, prompts = [], []
    for _ in range(n):
        lang = rng.choice(("zh", "en"))
        who = corpus.name(rng), corpus.maker(rng)
        question = rng.choice(identity.HELD_OUT_ZH if lang == "zh" else identity.HELD_OUT_EN)
        system = rng.choice(corpus.GIVEN_SYSTEM[lang]).format(n=who[0], a=who[1])
        names.append(who)
        prompts.append(Prompt(system, question))
    answers = ask(prompts)
    return share(n in text and a in text for (n, a), text in zip(names, answers, strict=True))


def _repeated(ask: Ask, n: int) -> float:
    rng = random.Random("repeat")
    rows = [corpus.KINDS["repeat"](rng, rng.choice(("zh", "en"))) for _ in range(n)]
    answers = ask([Prompt(row.system, row.turns[0][0]) for row in rows])
    return share(text == row.turns[0][1] for row, text in zip(rows, answers, strict=True))


def measure(
    model: Qwen2ForCausalLM, tokenizer: PreTrainedTokenizerBase, per_skill: int
) -> dict[str, object]:
    """Every figure of the model card that concerns the model itself."""

    def ask(prompts: Sequence[Prompt]) -> list[str]:
        return answer_all(model, tokenizer, prompts)

    items = list(held_out(per_skill, SKILL_SEED))
    start = time.perf_counter()
    answers = ask([Prompt(item.system, item.question) for item in items])
    seconds = time.perf_counter() - start
    verdicts = correct(items, answers)
    table: dict[str, dict[str, str]] = defaultdict(dict)
    groups = itertools.groupby(
        zip(items, verdicts, strict=True), lambda pair: (pair[0].skill, pair[0].lang)
    )
    for (skill, lang), group in groups:
        right = [good for _, good in group]
        table[skill][lang] = f"{100 * share(right):.1f} % of {len(right)}"
    wrong = [
        (item.question, text)
        for item, text, good in zip(items, answers, verdicts, strict=True)
        if not good
    ]
    own = {
        str(system): share(
            any(n in text for n in OWN_NAMES) for text in ask(identity_prompts(system))
        )
        for system in dict.fromkeys(corpus.SYSTEMS)
    }
    abilities = identity.CAPABILITIES_ZH + identity.CAPABILITIES_EN
    told = ask([Prompt(None, question) for question, _ in abilities])
    return {
        "parameters": sum(p.numel() for p in model.parameters()),
        "skills": table,
        "skills, all items": share(verdicts),
        "items": len(items),
        "seconds for the skills": round(seconds, 2),
        "own identity, held-out phrasings": own,
        "given identity, 400 new names": _given(ask, 400),
        "repeat, 200 new texts": _repeated(ask, 200),
        "capabilities": share(a == b for (_, a), b in zip(abilities, told, strict=True)),
        "some wrong answers": wrong[:8],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--per-skill", type=int, default=25)
    options = parser.parse_args()
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model, tokenizer = load(options.model, device)
    print(json.dumps(measure(model, tokenizer, options.per_skill), ensure_ascii=False, indent=1))


if __name__ == "__main__":
    main()
