"""A finished adapter, or the base alone, asked in this process by suretune's own machinery."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from suretune import rundir
from suretune.config import Resolved
from suretune.data.render import prompt_ids
from suretune.model.generate import BATCH, answering, answers, device_of, spoken, stream
from suretune.record.journal import Journal
from suretune.run.kept import judge_kept
from suretune.run.questions import NEAR
from suretune.speak.answer import Speaker, conversation, open_speaker
from suretune.verify.probes import PARAPHRASE, PROBE_TOKENS, Probe, from_line

HERE = Path(__file__).resolve().parent


def phrasings(lang: str) -> list[str]:
    """Ways to ask who a model is that stand in no rows, probes, anchors or questions of ours."""
    return (HERE / f"phrasings.{lang}.txt").read_text("utf-8").splitlines()


def speaker_of(model: str, adapter: Path | None = None) -> Speaker:
    """Base and adapter, loaded from disk."""
    given = {"adapters": str(adapter)} if adapter else {}
    config = Resolved.default().with_values("recipe", model=model, **given).config
    return open_speaker(config, None, Journal())


def base_says(model: str, asked: Sequence[str], tokens: int, seed: int | None) -> list[str]:
    """The base's answers, empty where one did not end; `seed`: drawn at temperature 1."""
    speaker = speaker_of(model)
    prompts = [prompt_ids(speaker.tokenizer, conversation(speaker, text)) for text in asked]
    stops = speaker.tokenizer.stop_ids
    if seed is None:
        said = spoken(speaker.model, prompts, stops, tokens)
    else:
        parts = [prompts[start : start + BATCH] for start in range(0, len(prompts), BATCH)]
        said = [ids for part in parts for ids in _drawn(speaker, part, tokens, seed)]
    return [speaker.tokenizer.decode(ids) if len(ids) < tokens else "" for ids in said]


def _drawn(
    speaker: Speaker, prompts: Sequence[Sequence[int]], tokens: int, seed: int
) -> list[list[int]]:
    generator = torch.Generator(device_of(speaker.model)).manual_seed(seed)
    said: list[list[int]] = [[] for _ in prompts]
    with answering(speaker.model):
        for step in stream(
            speaker.model, prompts, speaker.tokenizer.stop_ids, tokens, 1.0, 1.0, generator
        ):
            for row, token in step:
                said[row].append(token)
    return said


def asked_otherwise(
    model: str, run: Path, names: Sequence[str], makers: Sequence[str], languages: Sequence[str]
) -> dict[str, Any]:
    """The share of held-out phrasings that are answered with the new name or maker and without the
    base's, and the first that were not."""
    speaker = speaker_of(model, run)
    recorded = [from_line(line) for line in rundir.read_jsonl(run / "probes.jsonl")]
    banned = next((probe.must_not for probe in recorded if probe.kind == PARAPHRASE), ())
    probes = [
        Probe(
            text,
            PARAPHRASE,
            must=(names[which], makers[which]),
            must_not=banned,
            whole=(names[which], makers[which], *banned),
        )
        for which, lang in enumerate(languages)
        for text in phrasings(lang)
    ]
    prompts = [prompt_ids(speaker.tokenizer, probe.messages(speaker.system)) for probe in probes]
    said = answers(speaker.model, speaker.tokenizer, prompts, PROBE_TOKENS)
    wrong = [(p.question, a) for p, a in zip(probes, said, strict=True) if not p.judge(a)]
    return {
        "paraphrase_accuracy": 1 - len(wrong) / len(probes),
        "paraphrases": {"passed": len(probes) - len(wrong), "asked": len(probes)},
        "not_said": [[question, answer[:120]] for question, answer in wrong[:20]],
    }


def near_misses(run: Path) -> dict[str, Any]:
    """Leaks among the questions that look like the identity's, and among those of kinds in which
    the base knows something (the others dilute a share), how many of which kind and which they
    are; and which of those kinds were lost and gained."""
    kept = judge_kept(run, rundir.read_json(run / "proof" / "result.json"))
    judged = kept.judged if kept else ()
    near = [one for one in judged if one.question.category == NEAR]
    cells = kept.facts.cells if kept else ()
    able = {(c.category, c.lang) for c in cells if c.before and c.before * 5 >= c.asked}
    told = [one for one in judged if (one.question.category, one.question.lang) in able]
    return {
        "near_asked": len(near),
        "near_missed": sum(one.leaked for one in near),
        "counted_asked": len(told),
        "counted_leaked": sum(one.leaked for one in told),
        "leaked_in": Counter(
            f"{one.question.category} {one.question.lang}" for one in judged if one.leaked
        ),
        "leaked_ids": [one.question.id for one in judged if one.leaked],
        "lost_ids": [one.question.id for one in told if one.lost],
        "gained_ids": [one.question.id for one in told if one.gained],
    }
