"""The proof: a fresh process loads base and adapter from disk and measures them.

It shares nothing with the process that trained but the files of `RUN/proof`, and writes what it
measured to a file; it judges nothing. `fresh.py` is how it is started and told.
"""

from __future__ import annotations

import os
import sys
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import PreTrainedModel

from suretune import rundir
from suretune.battery.items import Question, proof_questions, recorded_question
from suretune.data.base import Base, find_base
from suretune.data.template import ChatTokenizer, load_tokenizer
from suretune.model.decode import ROWS as STEP_ROWS
from suretune.model.decode import Decoder
from suretune.model.device import DTYPES, let_go, ran_out
from suretune.model.full import Whole, open_whole
from suretune.model.generate import Talker, last_logits, spoken, talker
from suretune.model.load import load_base
from suretune.model.lora import Match, load_adapter
from suretune.model.ops import rms_norm
from suretune.model.packed_batch import mean_loss
from suretune.model.tuned import Tuned
from suretune.model.weight_stream import begin
from suretune.refusal import Refusal
from suretune.types import Origin, Sample, Span
from suretune.verify.general import askable, measure_general, untuned
from suretune.verify.measure import Answers, Questions, ask, held_row, other_mode
from suretune.verify.probes import PROBE_TOKENS, from_line
from suretune.verify.shares import Shares

REQUEST = "request.json"
RESULT = "result.json"
SPEAKER = "speaker"  # there: the class of who answered
LOGITS = "logits.safetensors"
HELD_OUT = "held_out.jsonl"
GENERAL = "general.jsonl"
ROWS = "rows.jsonl"
CUDA_TOKENS = 1024  # at once: all words' logits of each learned one exist in float32
Thing = TypeVar("Thing")
LOGIT_PROMPTS = 4  # whose logits are compared in full
Ahead = tuple[tuple[str, ...], PreTrainedModel]  # a base, and how it was loaded


@dataclass(frozen=True, slots=True)
class Request:
    """What the fresh process needs to know; everything else it reads from the files."""

    base: str
    base_fingerprint: str
    adapter: str  # relative to the run folder
    device: str
    dtype: str
    system: str | None
    tokens_per_pass: int
    skills: str | None = None  # of a run by an earlier version
    packed: str = ""  # the base, as `Base.packed`
    most: int = PROBE_TOKENS  # of an answer to a probe; runs of earlier versions had no more
    parts: int = 1  # in which questions are asked, see `Shares`
    rows: int = 128  # of a decoder's step, as more round otherwise; earlier versions had no more


def prepare(
    run: Path,
    request: Request,
    questions: Questions,
    prompts: Sequence[Sequence[int]],
    logits: Tensor,
) -> None:
    """Write down the questions, and the logits that the model has in memory behind `prompts`."""
    folder = run / "proof"
    folder.mkdir(exist_ok=True)
    rundir.write_json(folder / REQUEST, asdict(replace(request, rows=STEP_ROWS[-1])))
    rundir.write_jsonl(run / "probes.jsonl", (probe.line() for probe in questions.probes))
    rundir.write_jsonl(folder / HELD_OUT, (_held_out_line(s) for s in questions.held_out))
    rundir.write_jsonl(folder / GENERAL, (question.line() for question in questions.general))
    rundir.write_jsonl(folder / ROWS, (row.line() for row in questions.rows))
    lengths = torch.tensor([len(p) for p in prompts])
    flat = torch.tensor([token for p in prompts for token in p])
    save_file({"logits": logits, "lengths": lengths, "prompts": flat}, folder / LOGITS)


def _held_out_line(sample: Sample) -> Mapping[str, Any]:
    return {
        "row": [sample.origin.file, sample.origin.line, sample.origin.item],
        "ids": sample.ids.tolist(),
        "spans": [asdict(span) for span in sample.spans],
    }


def _held_out(folder: Path) -> list[Sample]:
    return [
        Sample(
            Origin(*line["row"]),
            "",
            array("I", line["ids"]),
            tuple(Span(**span) for span in line["spans"]),
            "",
        )
        for line in rundir.read_jsonl(folder / HELD_OUT)
    ]


def main(
    run: Path,
    result: Path,
    base_at: str = "",
    shares: Shares | None = None,
    there: Ahead | None = None,
) -> None:
    """In the fresh process; `there`: what was loaded ahead."""
    shares = shares or Shares()
    shares.open(run, base_at)
    try:
        request, base, model = _loaded(run, base_at, there)
        found, _ = measure(run, request, base, model, shares)
    except Refusal as refusal:
        raise SystemExit(str(refusal)) from refusal
    rundir.write_json(result, found)


def _loaded(
    run: Path, base_at: str, there: Ahead | None = None
) -> tuple[Request, Base, PreTrainedModel]:
    """What is asked for, and the base that it is asked of."""
    request = Request(**rundir.read_json(run / "proof" / REQUEST))
    request = replace(request, base=base_at or request.base)
    base = find_base(request.base, weights=True).packed_as(request.packed)  # its files of now
    how = request.base, request.packed, request.device, request.dtype
    model = there[1] if there and there[0] == how else _model(base, request.device, request.dtype)
    return request, base, model


def _model(base: Base, device: str, dtype: str) -> PreTrainedModel:
    begin(base, torch.device(device), DTYPES[dtype])
    return load_base(base, torch.device(device), dtype)


def load_ahead(name: str, packed: str, device: str, dtype: str) -> Ahead | None:
    """Before it is known what is asked: the base, and all that a first answer waits for. None where
    that cannot be had, for whatever reason: the proof loads it then, or says why it cannot."""
    try:
        base = find_base(name, weights=True).packed_as(packed)
        return (name, packed, device, dtype), _awake(_model(base, device, dtype))
    except Exception as error:
        print(f"not loaded ahead: {type(error).__name__}: {error}", file=sys.stderr)
    let_go(torch.device(device))  # those who train there may need it
    return None


def _awake(model: PreTrainedModel) -> PreTrainedModel:
    last_logits(model, [[0] * 8])
    line = model.get_input_embeddings().weight[:1]
    rms_norm(line, line[0], 1.0, torch.empty_like(line))  # a kernel: on CUDA it wakes Triton
    return model


def share(asked: Iterator[Any], answer: Callable[[Any], None]) -> None:
    """In a further fresh process, see `Shares`: load what the first thing that is asked says, then
    answer the others."""
    run, base_at = next(asked)
    request, base, model = _loaded(Path(run), base_at)
    tuned, _ = _opened(model, Path(run) / request.adapter, base, request.dtype)
    speaker = _speaker(tuned, request, Path(run) / "proof")
    for as_base, prompts, stops, most in asked:
        with untuned(speaker, tuned) if as_base else nullcontext(speaker) as own:
            answer(spoken(own, prompts, frozenset(stops), most))


def _speaker(tuned: Tuned, request: Request, proof: Path) -> Talker:
    """Who answers for both. A proof that does not say who did is older than the decoder of a whole
    model: asked again, it is answered as it was, since another's rounding says other words."""
    first = proof / RESULT
    if isinstance(tuned, Whole) and first.is_file() and SPEAKER not in rundir.read_json(first):
        return tuned
    speaker = talker(tuned)
    if isinstance(speaker, Decoder):
        speaker.most = request.rows
    return speaker


def measure(
    run: Path,
    request: Request,
    base: Base,
    model: PreTrainedModel,
    shares: Shares | None = None,
) -> tuple[dict[str, Any], Tuned]:
    """Everything that is measured of the adapter on disk, and the model that has it. `shares`: who
    answers beside this process."""
    shares = shares or Shares()
    shares.parts = request.parts
    folder, adapter, device = run / "proof", run / request.adapter, model.device
    tokenizer = load_tokenizer(adapter)
    saved = load_file(folder / LOGITS)
    prompts = _prompts(saved)
    plain = last_logits(model, prompts)
    tuned, match = _opened(model, adapter, base, request.dtype)
    logits = last_logits(tuned, prompts)
    questions = read_questions(run, request, tokenizer)
    speaker = _speaker(tuned, request, folder)
    budget = min(request.tokens_per_pass, CUDA_TOKENS if speaker is not tuned else sys.maxsize)

    def loss_of(rows: Sequence[Sample]) -> float:
        try:
            return mean_loss(tuned, rows, budget, device)
        except RuntimeError as error:
            if not (isinstance(speaker, Decoder) and ran_out(error)):
                raise
        speaker.release()  # what it has captured for the questions that are still to be asked
        return mean_loss(tuned, rows, budget, device)

    answers = ask(shares.beside(speaker), tokenizer, questions, loss_of, request.most)
    general = measure_general(
        speaker,
        tuned,
        tokenizer,
        questions,
        (*_depends(request), type(speaker).__name__, *shares.depends),
        budget,
        shares=shares,
    )
    found = _result(
        match=match,
        memory=saved["logits"],
        plain=plain,
        logits=logits,
        answers=answers,
        request=request,
        base=base,
    )
    found[SPEAKER] = type(speaker).__name__
    found["other_mode"] = other_mode(shares.beside(speaker), tokenizer, questions)
    found["general"] = general.line() if general else None
    if shares.lost:
        found["lost"] = shares.lost
    return found, tuned


def _opened(
    model: PreTrainedModel,
    folder: Path,
    base: Base,
    dtype: str,
) -> tuple[Tuned, Match]:
    """What was learned, beside or in place of the base that is given loaded."""
    if rundir.is_whole(folder):
        return open_whole(model, folder, base, dtype)
    return load_adapter(model, folder)


def read_questions(
    run: Path,
    request: Request,
    tokenizer: ChatTokenizer,
) -> Questions:
    """What the proof of a run asks, as it was written down."""
    folder = run / "proof"
    probes = [from_line(line) for line in rundir.read_jsonl(run / "probes.jsonl")]
    return Questions(
        probes,
        request.system,
        _held_out(folder),
        read_general(run, tokenizer, request.system),
        rows=[held_row(line) for line in _lines(folder / ROWS)],
    )


def read_general(
    run: Path,
    tokenizer: ChatTokenizer,
    system: str | None,
) -> list[Question]:
    """The general questions of a run; all, where an earlier version asked none."""
    path = run / "proof" / GENERAL
    if path.is_file():
        return [recorded_question(line) for line in rundir.read_jsonl(path)]
    return askable(tokenizer, proof_questions(), system)


def _lines(path: Path) -> list[Any]:
    return list(rundir.read_jsonl(path)) if path.is_file() else []


def _depends(request: Request) -> tuple[str, ...]:
    """What the base's answers depend on, beside the prompts and the code."""
    card = torch.cuda.get_device_name() if request.device == "cuda" else request.device
    return request.base_fingerprint, card, request.dtype, f"{request.rows} rows"


def _result(
    match: Match,
    memory: Tensor,
    plain: Tensor,
    logits: Tensor,
    answers: Answers,
    request: Request,
    base: Base,
) -> dict[str, Any]:
    return {
        "pid": os.getpid(),
        "process": "fresh",
        "tensors_saved": match.saved,
        "tensors_matched": match.matched,
        "tensors_unexpected": match.odd,
        "tensors_non_finite": match.non_finite,
        "logits_gap": (logits - memory).abs().max().item(),
        "logits_change": (logits - plain).abs().max().item(),
        "logits_scale": plain.abs().max().item(),
        "same_base": base.fingerprint() == request.base_fingerprint,
        "answers": answers.line(),
    }


def stored_prompts(run: Path) -> list[list[int]]:
    """Ids of the prompts whose logits were kept; the first are those of the first probes."""
    return _prompts(load_file(run / "proof" / LOGITS))


def _prompts(saved: Mapping[str, Tensor]) -> list[list[int]]:
    parts = torch.split(saved["prompts"], saved["lengths"].tolist())
    return [part.tolist() for part in parts]
