"""A public benchmark, asked of a run's base and of its adapter: what was lost, what was gained.

One process, the adapter off and on, the same prompts in the same batches, greedily. It asks other
things than the proof does and comes beside it; the seal does not depend on it.
"""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from suretune import rundir
from suretune.config import Resolved
from suretune.data.base import Base, find_base
from suretune.data.render import typed_prompt_ids
from suretune.data.template import ChatTokenizer
from suretune.facts import FlagFacts
from suretune.model.generate import device_of, spoken
from suretune.options import AnswerOptions, Config
from suretune.phrases import wilson
from suretune.record.journal import Journal
from suretune.record.sealed import read_seal
from suretune.speak.answer import about_adapter, adapter_folder, conversation, open_speaker
from suretune.speak.opened import packing_of
from suretune.statistics import loss_found, net_loss_upper, sign_test
from suretune.types import Text
from suretune.verify import ifeval
from suretune.verify.ifeval import Followed, Item, Unfit

NAMES = ("ifeval",)
TOKENS = 1024  # of an answer at most
UNLIKELY = 0.05  # of the sign test: so many prompts lost and so few gained by chance
MEASURED = 30  # prompts that the base follows beyond chance, without which no loss could be seen


@dataclass(frozen=True, slots=True)
class Said:
    """The answers of one side, and which of them the limit cut off."""

    answers: Sequence[str]
    cut: Sequence[bool]


def open_benchmark(
    name: str,
    file: str | None,
    journal: Journal,
) -> tuple[Path, list[Item]]:
    """The file of a benchmark and its prompts; a stop where they, or their checkers, are missing.

    Looked at before any run is, so that what was typed wrongly costs nothing.
    """
    if name not in NAMES:
        hint = Text(f"It takes {', '.join(NAMES)}.", f"它接受 {', '.join(NAMES)}。")
        raise journal.stop(FlagFacts("bad-value", "--benchmark", name, hint=hint))
    try:
        ifeval.need_extra()
        path = ifeval.find_file(file)
        items = ifeval.read(path)
        ifeval.judge(items[:1], [""])  # the checkers can be loaded: before a model is
    except Unfit as unfit:
        raise journal.stop(unfit.facts) from unfit
    return path, items


def run_benchmark(
    run: Path,
    name: str,
    found: tuple[Path, list[Item]],
    journal: Journal,
    limit: int | None,
) -> dict[str, Any]:
    """What base and adapter follow of a benchmark; also in RUN/benchmark-NAME.json, each answer
    in .jsonl. `found`: of `open_benchmark`; `limit`: the first so many prompts of the file."""
    path, items = found
    sealed = (run / rundir.SEAL).is_file()
    if sealed:
        read_seal(run, journal)
    try:
        about, asked, both = _ask(run, items[:limit], journal)
        before, after = (ifeval.judge(asked, side.answers) for side in both)
        chance = ifeval.judge(asked, [*both[0].answers[1:], *both[0].answers[:1]])
    except Unfit as unfit:
        raise journal.stop(unfit.facts) from unfit
    told = {
        "benchmark": name,
        "run": str(run),
        "sealed": sealed,
        **about,
        "file": str(path),
        "sha256": rundir.sha256(path),
        "checkers": ifeval.judged_by(),
        "prompts": len(items),
        "limit": limit,
        "asked": len(asked),
        **compared(asked, before, after, chance),
        "cut": {"before": sum(both[0].cut), "after": sum(both[1].cut)},
    }
    rundir.write_jsonl(run / f"benchmark-{name}.jsonl", _lines(asked, both, (before, after)))
    rundir.write_json(run / f"benchmark-{name}.json", told)
    return told


# --- asking -------------------------------------------------------------------------------------


def _ask(
    run: Path,
    items: Sequence[Item],
    journal: Journal,
) -> tuple[dict[str, Any], list[Item], tuple[Said, Said]]:
    """(how it was asked, the items that fit into the model's context, both sides' answers)."""
    base, config = _opening(run, journal)
    tokens = min(TOKENS, base.context // 2)
    speaker = open_speaker(config, None, journal)
    tokenizer = speaker.tokenizer
    prompts = [typed_prompt_ids(tokenizer, conversation(speaker, item.prompt)) for item in items]
    short = [len(prompt) + tokens <= base.context for prompt in prompts]
    prompts = [prompt for prompt, fits in zip(prompts, short, strict=True) if fits]
    about: dict[str, Any] = {
        "base": speaker.base,
        "adapter": str(speaker.adapter),
        "system": speaker.system,
        "device": str(device_of(speaker.model)),
        "dtype": config.model.torch_dtype,
        "max_new_tokens": tokens,
        "too_long": short.count(False),
    }
    begun = time.monotonic()
    after = _answers(speaker.model, tokenizer, prompts, tokens)
    between = time.monotonic()
    del speaker
    gc.collect()  # its weights and caches, before those of the base
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    plain = replace(config, answer=AnswerOptions())
    before = _answers(
        open_speaker(plain, None, journal).model,
        tokenizer,
        prompts,
        tokens,
    )
    about["seconds"] = {
        "before": round(time.monotonic() - between, 1),
        "after": round(between - begun, 1),
    }
    fitting = [item for item, fits in zip(items, short, strict=True) if fits]
    return about, fitting, (before, after)


def _opening(run: Path, journal: Journal) -> tuple[Base, Config]:
    """The base, and how to open the run on it: in the precision that it was proven in."""
    folder = adapter_folder(AnswerOptions(adapters=str(run)), journal)
    trained = about_adapter(folder)
    with journal.judging():
        base = find_base(trained.get("base_folder") or trained.get("base", ""), weights=True)
    base = base.packed_as(packing_of(trained))
    proof = run / "proof" / "request.json"
    dtype = rundir.recorded(proof, "dtype") if proof.is_file() else None
    resolved = Resolved.default().with_values(
        "benchmark",
        model=str(base.folder),
        adapters=str(run),
        torch_dtype=dtype,
    )
    return base, resolved.config


def _answers(
    model: Any,
    tokenizer: ChatTokenizer,
    prompts: Sequence[Sequence[int]],
    tokens: int,
) -> Said:
    given = spoken(model, prompts, tokenizer.stop_ids, tokens) if prompts else []
    return Said([tokenizer.decode(ids) for ids in given], [len(ids) >= tokens for ids in given])


# --- comparing ----------------------------------------------------------------------------------


def compared(
    items: Sequence[Item],
    before: Sequence[Followed],
    after: Sequence[Followed],
    chance: Sequence[Followed],
) -> dict[str, Any]:
    """Prompts and instructions, strict and loose, side by side; and what was not judged.

    A prompt counts if all its instructions are judged. The instructions of one prompt stand or fall
    together, so intervals and the test are of prompts alone. `chance`: the base's answers to other
    prompts. "No commas" is followed by any babble: what such answers follow as well shows no skill
    that could be lost.
    """
    told: dict[str, Any] = {}
    whole = [i for i, followed in enumerate(before) if followed.whole]
    for kind in ("strict", "loose"):
        then, now = ([getattr(f, kind) for f in side] for side in (before, after))
        told[f"prompt_{kind}"] = _prompts(
            [all(then[i]) for i in whole], [all(now[i]) for i in whole]
        )
        told[f"instruction_{kind}"] = _instructions(then, now)
    primary = told["prompt_strict"]
    told["lost"] = bool(primary["asked"]) and primary["p"] < UNLIKELY
    told["by_chance"] = sum(all(chance[i].strict) for i in whole)
    told["needed"] = MEASURED
    beyond = primary["before"]["passed"] - told["by_chance"]
    told["measured"] = told["lost"] or beyond >= MEASURED
    told["prompts_not_judged"] = len(items) - len(whole)
    told["not_judged"] = _not_judged(items, before)
    told["by_instruction"] = _by_instruction(items, before, after)
    return told


def _prompts(then: Sequence[bool], now: Sequence[bool]) -> dict[str, Any]:
    """Counts, shares with 95 % intervals, and the exact one-sided sign test for a loss."""
    asked = len(then)
    told: dict[str, Any] = {"asked": asked}
    for moment, passed in (("before", sum(then)), ("after", sum(now))):
        share = passed / asked if asked else None
        interval = wilson(passed, asked) if asked else None
        told[moment] = {"passed": passed, "asked": asked, "share": share, "interval": interval}
    lost, gained = _discordant(then, now)
    told |= {"lost": lost, "gained": gained}
    if asked:
        told |= {
            "p": sign_test(lost, gained),
            "net_loss": (lost - gained) / asked,
            "net_loss_upper": net_loss_upper(lost, gained, asked),
            "found": loss_found(lost + gained, asked),
        }
    return told


def _instructions(
    then: Sequence[Sequence[bool | None]], now: Sequence[Sequence[bool | None]]
) -> dict[str, Any]:
    pairs = [
        (old, new)
        for olds, news in zip(then, now, strict=True)
        for old, new in zip(olds, news, strict=True)
        if old is not None and new is not None
    ]
    lost, gained = _discordant([old for old, _ in pairs], [new for _, new in pairs])
    told: dict[str, Any] = {"asked": len(pairs)}
    for moment, index in (("before", 0), ("after", 1)):
        passed = sum(pair[index] for pair in pairs)
        told[moment] = {"passed": passed, "share": passed / len(pairs) if pairs else None}
    return told | {"lost": lost, "gained": gained}


def _discordant(then: Sequence[bool], now: Sequence[bool]) -> tuple[int, int]:
    pairs = Counter(zip(then, now, strict=True))
    return pairs[True, False], pairs[False, True]


def _not_judged(items: Sequence[Item], judged: Sequence[Followed]) -> list[dict[str, Any]]:
    """The instructions that no checker judged, by kind and reason."""
    found = Counter(
        (name, why)
        for item, followed in zip(items, judged, strict=True)
        for name, why in zip(item.instructions, followed.why_not, strict=True)
        if why
    )
    return [
        {"instruction": name, "n": n, "why": asdict(ifeval.WHY_NOT[why])}
        for (name, why), n in sorted(found.items())
    ]


def _by_instruction(
    items: Sequence[Item],
    before: Sequence[Followed],
    after: Sequence[Followed],
) -> list[dict[str, Any]]:
    """How many of each kind are followed strictly, of those judged."""
    kinds: dict[str, list[tuple[bool | None, bool | None]]] = {}
    for item, old, new in zip(items, before, after, strict=True):
        for name, *pair in zip(item.instructions, old.strict, new.strict, strict=True):
            kinds.setdefault(name, []).append((pair[0], pair[1]))
    told = []
    for name, pairs in sorted(kinds.items()):
        asked = [(then, now) for then, now in pairs if then is not None]
        then, now = (sum(bool(pair[side]) for pair in asked) for side in (0, 1))
        told.append({"instruction": name, "asked": len(asked), "before": then, "after": now})
    return told


def _lines(
    items: Sequence[Item],
    both: Sequence[Said],
    judged: Sequence[Sequence[Followed]],
) -> list[Mapping[str, Any]]:
    """One an item: what was said, and what of it is followed."""
    return [
        {
            "key": item.key,
            "prompt": item.prompt,
            "instructions": item.instructions,
            **{
                moment: {
                    "answer": both[side].answers[i],
                    "strict": judged[side][i].strict,
                    "loose": judged[side][i].loose,
                    "cut": both[side].cut[i],
                }
                for side, moment in enumerate(("before", "after"))
            },
        }
        for i, item in enumerate(items)
    ]
