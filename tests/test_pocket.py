"""The pocket model ships whole, speaks Qwen2's template, and really answers."""

from __future__ import annotations

import dataclasses
import json
import random
import re
from collections import defaultdict
from pathlib import Path

import pytest

from suretune.pocket import MODEL, identity
from suretune.pocket.skills import LANGUAGES, SKILLS, Item, correct, held_out, train_item

ROOT = Path(__file__).parent.parent
ORIGINAL = ROOT.parent / "shared/data/chat_templates/Qwen-Qwen2.5-7B-Instruct.jinja"
OWN_NAMES = ("通义千问", "Qwen", "阿里云", "Alibaba")

FLOOR = 0.95
"""Least share of right answers, for every skill in both languages, and of answers to who it is."""


def shipped_items() -> list[Item]:
    lines = (MODEL / "skills.jsonl").read_text(encoding="utf-8").splitlines()
    return [Item(**json.loads(line)) for line in lines]


def test_the_folder_is_small() -> None:
    assert sum(file.stat().st_size for file in MODEL.iterdir()) <= 16_000_000


def test_the_template_is_qwens() -> None:
    if not ORIGINAL.exists():
        pytest.skip("Qwen2.5's template is not beside the repository")
    assert (MODEL / "chat_template.jinja").read_bytes() == ORIGINAL.read_bytes()


@pytest.mark.parametrize(
    ("train", "test"),
    [
        (identity.TRAIN_ZH, identity.HELD_OUT_ZH),
        (identity.TRAIN_EN, identity.HELD_OUT_EN),
    ],
)
def test_a_third_of_the_phrasings_is_held_out(
    train: tuple[str, ...], test: tuple[str, ...]
) -> None:
    def bare(text: str) -> str:
        return re.sub(r"\W", "", text).lower()

    assert len({*map(bare, train), *map(bare, test)}) == len(train) + len(test) >= 60
    assert len(test) * 3 >= len(train) + len(test)


def test_training_never_draws_a_held_out_item() -> None:
    kept = {(item.system, item.question) for item in held_out(200, seed=3)}
    rng = random.Random(0)
    drawn = (train_item(rng, rng.choice(SKILLS), rng.choice(LANGUAGES)) for _ in range(20_000))
    assert not any((item.system, item.question) in kept for item in drawn)


def test_held_out_items_are_the_shipped_ones() -> None:
    assert shipped_items() == list(held_out(25, seed=0))
    assert {(item.skill, item.lang) for item in shipped_items()} == {
        (skill, lang) for skill in SKILLS for lang in LANGUAGES
    }


def test_reference_answers_are_right_and_others_wrong() -> None:
    items = list(held_out(5, seed=4))
    assert all(correct(items, [f" {item.answer}\n" for item in items]))
    assert not any(correct(items, ["" for _ in items]))


def test_python_answers_are_run_not_compared() -> None:
    item = next(item for item in held_out(5, seed=4) if item.skill == "python")
    head, body = item.answer.split("\n")
    name = json.loads(item.check)["function"]
    answers = [
        f"{head}\n    # said differently\n    result = {body.strip()[7:]}\n    return result",
        f"{head}\n    while True: pass",
        f"import os\n{item.answer}",
        f"{item.answer}\nopen('/etc/passwd')",
        f"def {name}(*given):\n    raise SystemExit(0)",
        "not python",
        item.answer + "\n",
    ]
    changed = [dataclasses.replace(item, answer="") for _ in answers]
    assert correct(changed, answers) == [True, False, False, False, False, False, True]


def test_the_model_really_answers() -> None:
    """Parameters, identity on held-out phrasings, and every skill on the shipped items."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(MODEL)
    model = transformers.AutoModelForCausalLM.from_pretrained(MODEL)
    assert next(model.parameters()).dtype == torch.float32
    assert sum(weight.numel() for weight in model.parameters()) <= 8_000_000

    def ask(rows: list[tuple[str | None, str]]) -> list[str]:
        texts = [
            tokenizer.apply_chat_template(
                [{"role": "system", "content": system}] * (system is not None)
                + [{"role": "user", "content": question}],
                tokenize=False,
                add_generation_prompt=True,
            )
            for system, question in rows
        ]
        batch = tokenizer(texts, return_tensors="pt", padding=True, padding_side="left")
        with torch.inference_mode():
            made = model.generate(**batch, max_new_tokens=48)
        answers: list[str] = tokenizer.batch_decode(
            made[:, batch["input_ids"].shape[1] :], skip_special_tokens=True
        )
        return answers

    phrasings = identity.HELD_OUT_ZH + identity.HELD_OUT_EN
    said = ask([("You are a helpful assistant.", question) for question in phrasings])
    wrong = [
        pair
        for pair in zip(phrasings, said, strict=True)
        if not any(name in pair[1] for name in OWN_NAMES)
    ]
    assert len(wrong) <= (1 - FLOOR) * len(phrasings), wrong

    items = shipped_items()
    verdicts: dict[str, list[bool]] = defaultdict(list)
    answers = ask([(item.system, item.question) for item in items])
    for item, good in zip(items, correct(items, answers), strict=True):
        verdicts[f"{item.skill} {item.lang}"].append(good)
    shares = {skill: sum(found) / len(found) for skill, found in verdicts.items()}
    assert all(found >= FLOOR for found in shares.values()), shares
