"""Talk to a trained model, and check a seal again: what is on disk is all that is used."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from json import JSONDecodeError
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from safetensors import SafetensorError
from transformers import PreTrainedModel

from suretune import rundir, typed
from suretune.because import in_words
from suretune.data.base import Base, find_base
from suretune.data.decoding import Decoding
from suretune.data.misfit import wrong_base
from suretune.data.render import prompt_ids, with_system
from suretune.data.template import ChatTokenizer
from suretune.facts import FlagFacts, SetupFacts
from suretune.model.decode import Decoder
from suretune.model.generate import Talker, answering, device_of, stream, talker
from suretune.model.load import load_base
from suretune.model.lora import CONFIG, WEIGHTS, load_adapter
from suretune.options import AnswerOptions, Config
from suretune.preflight.hardware import hardware
from suretune.record.journal import Journal
from suretune.record.meant import meant, way_back
from suretune.record.sealed import expects_manifest
from suretune.record.whatitis import no_checkpoint, no_weights
from suretune.refusal import Refusal
from suretune.run.kept import general_figures, judge_kept, rows_figures
from suretune.run.resume import another_version
from suretune.speak.opened import find_base_of, look_at_kind, words_of
from suretune.train.checkpoint import foreign_format
from suretune.types import Message, Text
from suretune.verify.fresh import Prover


@dataclass(frozen=True, slots=True)
class Speaker:
    """A model that is ready to answer, and how it was trained to be asked."""

    model: Talker
    tokenizer: ChatTokenizer
    system: str | None
    base: str
    adapter: Path | None
    context: int  # tokens that the model was built for, where its configuration says it


NO_TEXT = Text("no text as `system`", "`system` 不是文字")


def _other(about: Mapping[str, Any]) -> str | Text:
    """The base that an adapter names, else that it is another."""
    name = about.get("base")
    return str(name) if name else Text("another base", "另一个原模型")


def open_speaker(config: Config, system: str | None, journal: Journal) -> Speaker:
    """Base and adapter as `--model`, `--adapters` and `--checkpoint` say; strictly, or a stop."""
    folder = adapter_folder(config.answer, journal)
    about = about_adapter(folder)
    if folder is not None:
        look_at_kind(folder, config, journal, serving=False)
    base = find_base_of(config, about, folder, journal, weights=True)
    itself = folder is not None and base.folder == folder.absolute()
    if not itself and about.get("base_fingerprint") not in (None, base.fingerprint()):
        raise journal.stop(wrong_base(base, about))
    tokenizer = words_of(folder, base, config, journal)
    if folder is not None and rundir.is_whole(folder):
        with journal.judging():
            own = find_base(str(folder), weights=True)
        model = _load(config, own, None, about, journal)
    else:
        model = _load(config, base, folder, about, journal)
    chosen = about.get("system") if system is None else system
    return Speaker(
        model,
        tokenizer,
        chosen,
        base.name,
        folder,
        int(base.text.get("max_position_embeddings") or sys.maxsize),
    )


def adapter_folder(asked: AnswerOptions, journal: Journal) -> Path | None:
    """The adapter's folder, whole as far as its manifest says, or a stop; None if none is asked."""
    if asked.adapters is None:
        return None
    path = meant(asked.adapters, journal).path
    folder = rundir.find_adapter(path, asked.checkpoint)
    if folder is None:
        raise journal.stop(no_checkpoint(path, asked.checkpoint))
    whole = rundir.is_whole(folder)
    if not whole and not (folder / WEIGHTS).is_file():  # a pickle (adapter_model.bin) is not opened
        raise journal.stop(no_weights(folder, WEIGHTS))
    if expects_manifest(folder) and (wrong := rundir.damage(folder)):
        raise journal.stop(SetupFacts("checkpoint-damaged", str(folder), wrong, way_back(folder)))
    if (found := foreign_format(folder)) is not None:
        raise journal.stop(another_version(folder, found, folder / "suretune.json"))
    return folder


def about_adapter(folder: Path | None) -> Mapping[str, Any]:
    """suretune.json of our adapters; of anybody's adapter, the base that PEFT names."""
    if folder is None:
        return {}
    if (folder / "suretune.json").is_file():
        about: Mapping[str, Any] = rundir.read_json(folder / "suretune.json")
        if not isinstance(about, dict) or not isinstance(about.get("system"), (str, type(None))):
            raise rundir.Damaged(folder / "suretune.json", NO_TEXT)
        return about
    config = rundir.read_json(folder / CONFIG)
    base = config.get("base_model_name_or_path") if isinstance(config, dict) else None
    return {"base": base if isinstance(base, str) else ""}


def _load(
    config: Config, base: Base, folder: Path | None, about: Mapping[str, Any], journal: Journal
) -> Talker:
    device, dtype = hardware(config.model, journal)
    with journal.judging():
        model = load_base(base, device, dtype, "sdpa")
    if folder is None:
        return talker(model)
    return talker(put_on(model, base, folder, about, journal))


def put_on(
    model: PreTrainedModel, base: Base, folder: Path, about: Mapping[str, Any], journal: Journal
) -> PeftModel:
    """The adapter of a folder on its base, every tensor of it; or a stop that says what is wrong.

    `about`: what the adapter's files say of it, the base that it names above all.
    """
    try:
        tuned, match = load_adapter(model, folder)
    except rundir.Damaged as error:
        again = way_back(error.path)
        damage = SetupFacts("checkpoint-damaged", str(error.path), error.why, again)
        raise journal.stop(damage) from error
    except (SafetensorError, KeyError, TypeError, JSONDecodeError, OSError) as error:
        damage = SetupFacts("checkpoint-damaged", str(folder), in_words(error), way_back(folder))
        raise journal.stop(damage) from error
    except (RuntimeError, ValueError) as error:  # other shapes, other layers
        raise journal.stop(wrong_base(base, about, folder / WEIGHTS)) from error
    if match.non_finite:
        wrong = Text(
            f"{match.non_finite[0]} holds NaN or Inf", f"{match.non_finite[0]} 里有 NaN 或 Inf"
        )
        raise journal.stop(SetupFacts("checkpoint-damaged", str(folder), wrong, way_back(folder)))
    if match.odd or match.matched != match.saved:
        raise journal.stop(wrong_base(base, about, folder / WEIGHTS))
    return tuned


def reply(
    speaker: Speaker, messages: Sequence[Message], asked: AnswerOptions, seed: int
) -> Iterator[str]:
    """The answer to a conversation, piece by piece, each piece whole characters.

    It ends where the model does. Raises Refusal where the conversation leaves no room for one.
    """
    generator = None
    if asked.temperature > 0:
        generator = torch.Generator(device_of(speaker.model)).manual_seed(seed)
    pieces = Decoding(speaker.tokenizer)
    prompt = prompt_ids(speaker.tokenizer, messages)
    room = speaker.context - len(prompt)
    if room <= 0:
        raise Refusal(_too_long(speaker, messages, len(prompt)))
    with answering(speaker.model):
        steps = stream(
            model=speaker.model,
            prompts=[prompt],
            stop_ids=speaker.tokenizer.stop_ids,
            max_new_tokens=min(asked.max_new_tokens, room),
            temperature=asked.temperature,
            top_p=asked.top_p,
            generator=generator,
            strict=True,
        )
        for step in steps:
            if piece := pieces.add(step[0][1]):
                yield piece
    if piece := pieces.rest():
        yield piece


def _too_long(speaker: Speaker, messages: Sequence[Message], tokens: int) -> FlagFacts:
    shown = messages[-1].content[:40]
    hint = Text(
        f"The conversation has {tokens} tokens; {speaker.base} was built for {speaker.context}."
        " Shorten it, or begin a new one.",
        f"整个对话有 {tokens} 个 token，{speaker.base} 的上下文只有 {speaker.context} 个；"
        "请缩短，或开始新的对话。",
    )
    return FlagFacts("bad-value", "QUESTION", f"{shown}...", hint=hint)


def not_finite(speaker: Speaker) -> SetupFacts:
    """What is told where `reply` raised NotFinite: whose numbers, and in which precision."""
    folder = speaker.adapter
    whose = str(folder) if folder else speaker.base
    weights = speaker.model.stack.head if isinstance(speaker.model, Decoder) else speaker.model
    kind = str(next(weights.parameters()).dtype).removeprefix("torch.")
    above = folder.parents[:2] if folder else ()
    sealed = [run for run in above if (run / rundir.SEAL).is_file()]
    look = f"suretune verify {typed.path(sealed[0])}" if sealed else ""
    return SetupFacts("answer-not-finite", whose, kind, look)


def conversation(speaker: Speaker, question: str) -> tuple[Message, ...]:
    """A fresh conversation, with the system prompt of training."""
    return with_system((Message("user", question),), speaker.system)


def recheck(
    run: Path,
    sealed: Mapping[str, Any],
    journal: Journal,
    prover: Prover,
    base: str = "",
) -> dict[str, Any]:
    """The proof of a sealed run once more, in the fresh process that is given. `sealed`: what
    `read_seal` found to hold. `base`: where the base lies, if no longer where the run says."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            result = prover.prove(run, Path(folder) / "result.json", base)
    except RuntimeError as error:
        last = str(error).splitlines()[-1]
        more = ("--model", base) if base else ()
        again = typed.command("suretune", "verify", run, *more)
        raise journal.stop(
            SetupFacts("proof-impossible", str(run), in_words(last), again)
        ) from error
    then = rundir.read_json(run / "proof" / "result.json")
    same = result["answers"]["probes"] == then["answers"]["probes"]
    same = same and result["answers"].get("rows") == then["answers"].get("rows")
    if then.get("general"):
        same = same and result["general"]["tuned"] == then["general"]["tuned"]
    kept = judge_kept(run, result)
    journal.heed([*journal.ignore, *sealed["ignored"]])
    lost = [f for facts in kept.all_facts for f in journal.look(facts)] if kept else []
    # The same answers that were sealed are judged otherwise by another version alone: that is told.
    held = same or not any(found.stops and not journal.ignored(found) for found in lost)
    tolerance = rundir.recorded(run / "report.json", "proof", "logits_tolerance")
    whole = (
        result["tensors_saved"] == result["tensors_matched"] > 0
        and not result["tensors_unexpected"]
        and not result["tensors_non_finite"]
        and result["logits_gap"] is not None
        and result["logits_gap"] <= tolerance
    )
    return {
        "run": str(run),
        "files": len(sealed["files"]),
        "probes": len(result["answers"]["probes"]),
        "same_answers": same,
        "same_base": result["same_base"],
        "logits_gap": result["logits_gap"],
        "tensors": result["tensors_matched"],
        "general": general_figures(kept, result["general"]) if kept else None,
        "rows": rows_figures(kept) if kept else None,
        "findings": [journal.line(found) for found in lost],
        "verified": same and whole and result["same_base"] and held,
    }
