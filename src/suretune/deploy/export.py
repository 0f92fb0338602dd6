"""A sealed adapter carried to another program, and the proof of what arrived there.

What is asked of the target is what the seal was asked; what it answers is judged as it was then.
Refusals come before the first byte is written, and the proof before the folder gets its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from suretune import rundir, typed
from suretune.data.misfit import wrong_base
from suretune.data.render import prompt_ids
from suretune.data.weights import header, wrong_weights
from suretune.export.door import COMPARED, LEVELS, RAN, READ, RULES, Carried, Heard, Target, Written
from suretune.export.merged import bound, seal_folder
from suretune.export.whole import refuse_taken, whole
from suretune.facts import ExportFacts, SetupFacts
from suretune.model.device import choose_device
from suretune.model.load import load_base
from suretune.model.lora import CONFIG, WEIGHTS
from suretune.options import Config
from suretune.record.journal import OK, UNVERIFIED, Journal, Stopped
from suretune.record.meant import Meant, not_sealed
from suretune.refusal import Refusal
from suretune.run.answer import about_adapter, put_on
from suretune.run.opened import find_base_of, look_at_kind, words_of
from suretune.run.sealed import read_seal
from suretune.types import Message, Text
from suretune.verify.probes import MUST_PASS, PROBE_TOKENS, Probe, from_line

EXPORT = "export.json"
SHARE = 0.9  # of the probes that passed in the proof; other arithmetic changes a few


@dataclass(frozen=True, slots=True)
class Wanted:
    """One export as asked for. `again`: the command that was typed, with another folder."""

    found: Meant
    target: Target
    out: Path
    quant: str
    unverified: bool
    again: str


@dataclass(frozen=True, slots=True)
class Proof:
    """What was shown of an export, and no more."""

    level: str
    asked: int = 0  # probes that can pass or fail
    passed: int = 0
    then: int = 0  # passed in the run's proof, sealed or not
    same: int = 0  # answers that are the proof's, word for word
    answers: int = 0
    same_ids: int | None = None  # questions with the very token ids that were trained
    gap: float | None = None  # largest distance of logits, or of log-probabilities
    bound: float | None = None
    failed: str = ""
    by: str = ""  # who answered, where it was not the target itself


def export(wanted: Wanted, config: Config, journal: Journal) -> tuple[dict[str, Any], int]:
    """What was written and shown, and the exit status; a stop before anything is written."""
    carried, run = carry(wanted, config, journal)
    target, out = wanted.target, wanted.out
    if lacking := target.lacks(wanted.quant):
        raise journal.stop(SetupFacts("package-missing", f"suretune[{target.name}]", found=lacking))
    if (wrong := target.why_not(carried, wanted.quant)) is not None:
        raise journal.stop(wrong)
    try:
        with journal.judging():
            refuse_taken(out)
            with whole(out) as part:
                written = target.write(carried, wanted.quant, part)
                proof = prove(wanted, carried, run, written, part)
                told = _told(wanted, carried, run, written, proof)
                rundir.write_json(part / EXPORT, {**told, "files": seal_folder(part)})
    except FileExistsError as error:
        taken = SetupFacts("file-exists", str(out), nearest=wanted.again)
        raise journal.stop(taken) from error
    return {**told, "next": list(target.commands(carried, out))}, _judged(
        wanted, proof, run, journal
    )


def carry(wanted: Wanted, config: Config, journal: Journal) -> tuple[Carried, Path | None]:
    """The adapter with its base, as it was sealed, and its run; or a stop."""
    found = wanted.found
    run = None if found.checkpoint else found.run
    sealed = run is not None and (run / rundir.SEAL).is_file()
    if not sealed and not wanted.unverified:
        raise journal.stop(replace(not_sealed(found, serving=False), spare="export"))
    folder = found.path
    if run is not None and sealed:
        read_seal(run, journal)
        folder = run / "adapter"
    elif run is not None and not found.part:
        folder = rundir.find_adapter(run) or run / "adapter"
    if not (folder / WEIGHTS).is_file() or not (folder / CONFIG).is_file():
        raise journal.stop(SetupFacts("adapter-missing", str(folder)))
    about = about_adapter(folder)
    look_at_kind(folder, config, journal, serving=False)
    base = find_base_of(config, about, folder, journal, weights=True)
    if about.get("base_fingerprint") not in (None, base.fingerprint()):
        raise journal.stop(wrong_base(base, about))
    if (wrong := wrong_weights(base, fetched=True)) is not None:
        raise journal.stop(wrong)
    tokenizer = words_of(folder, base, config, journal)
    shapes = {name: each.shape for name, each in header(folder / WEIGHTS).items()}
    with journal.judging():
        device = choose_device(config.model.device)
    carried = Carried(
        name=(run or folder).name,
        adapter=folder,
        base=base,
        tokenizer=tokenizer,
        system=about.get("system"),
        config=rundir.read_json(folder / CONFIG),
        tensors=shapes,
        device=device.type,
    )
    proven = run is not None and (run / "proof" / "result.json").is_file()
    return carried, run if proven else None


@dataclass(frozen=True, slots=True)
class Seal:
    """What a sealed run was asked and answered; of no run, nothing."""

    probes: Sequence[Probe] = ()
    answers: Sequence[str] = ()

    def talks(self, system: str | None) -> list[tuple[Message, ...]]:
        """The conversations, as they were sent."""
        return [probe.messages(system) for probe in self.probes]


def seal_of(run: Path | None) -> Seal:
    """The questions and answers of a run's proof."""
    if run is None:
        return Seal()
    probes = [from_line(line) for line in rundir.read_jsonl(run / "probes.jsonl")]
    return Seal(probes, rundir.recorded(run / "proof" / "result.json", "answers", "probes"))


def prove(
    wanted: Wanted, carried: Carried, run: Path | None, written: Written, part: Path
) -> Proof:
    """The target asked what the seal was asked. Refusal where it is not the same model."""
    ask = wanted.target.asks(carried, part)
    seal = seal_of(run)
    talks = seal.talks(carried.system) or [(Message("user", "Hello."),)]
    if ask is None:
        return Proof(READ if written.reads else RULES)
    heard = ask(talks, PROBE_TOKENS)
    proof = _compared(wanted, carried, heard, written, talks)
    pairs = list(zip(seal.probes, seal.answers, heard.answers, strict=bool(seal.probes)))
    judged = [(p, then, now) for p, then, now in pairs if p.judged]
    failed = [
        f"{p.question} -> {now}" for p, then, now in judged if p.judge(then) and not p.judge(now)
    ]
    failed.sort(
        key=lambda line: (
            not any(line.startswith(p.question) and p.kind == MUST_PASS for p, _, _ in judged)
        )
    )
    return replace(
        proof,
        asked=len(judged),
        passed=sum(bool(p.judge(now)) for p, _, now in judged),
        then=sum(bool(p.judge(then)) for p, then, _ in judged),
        answers=len(pairs),
        same=sum(then == now for _, then, now in pairs),
        failed=failed[0] if failed else "",
    )


def _compared(
    wanted: Wanted,
    carried: Carried,
    heard: Heard,
    written: Written,
    talks: Sequence[Sequence[Message]],
) -> Proof:
    """Token ids and logits against base and adapter, by plain PEFT."""
    ours = [prompt_ids(carried.tokenizer, talk) for talk in talks]
    same = None
    if heard.ids is not None:
        same = sum(list(a) == list(b) for a, b in zip(ours, heard.ids, strict=True))
        if same < len(ours):
            at = next(
                i
                for i, (a, b) in enumerate(zip(ours, heard.ids, strict=True))
                if list(a) != list(b)
            )
            odd = f"token ids of {talks[at][-1].content!r}: {list(heard.ids[at])} / {ours[at]}"
            raise Refusal(ExportFacts("export-unlike", wanted.target.name, odd))
    proof = Proof(RULES if heard.by else RAN, same_ids=same, by=heard.by)
    if heard.logits is None and not any(heard.scores):
        return proof
    reference = adapter_logits(carried, ours[:COMPARED])
    if heard.logits is not None:
        gap = (heard.logits[:COMPARED] - reference).abs().max().item()
        if not written.types:  # it computes in a precision of its own: told, and not judged
            return replace(proof, gap=gap)
        touched = len([name for name in carried.tensors if ".lora_A." in name])
        most = bound(written.types, touched, reference.abs().max().item())
        if not gap <= most:
            odd = f"logits {gap:.3g} apart, the bound is {most:.3g}"
            raise Refusal(ExportFacts("export-unlike", wanted.target.name, odd))
        return replace(proof, gap=gap, bound=most)
    return replace(proof, gap=_score_gap(heard.scores, reference))


def _score_gap(scores: Sequence[Mapping[int, float]], reference: Tensor) -> float:
    """The largest distance of a log-probability that the target tells, in nats."""
    ours = reference.log_softmax(-1)
    return max(
        abs(score - ours[row, token].item())
        for row, told in enumerate(scores[: len(ours)])
        for token, score in told.items()
    )


def adapter_logits(carried: Carried, prompts: Sequence[Sequence[int]]) -> Tensor:
    """(prompts, V) float32: behind each prompt, of the base with the adapter on it, in float32."""
    model = load_base(carried.base, torch.device(carried.device), "float32", "eager")
    tuned = put_on(model, carried.base, carried.adapter, {"base": carried.base.name}, Journal())
    with torch.inference_mode():
        rows = [
            tuned(input_ids=torch.tensor([list(p)], device=carried.device)).logits[0, -1]
            for p in prompts
        ]
    return torch.stack(rows).float().cpu()


def _told(
    wanted: Wanted, carried: Carried, run: Path | None, written: Written, proof: Proof
) -> dict[str, Any]:
    return {
        "target": wanted.target.name,
        "folder": str(wanted.out),
        "quant": wanted.quant,
        "run": run.name if run else None,
        "adapter_sha256": rundir.sha256(carried.adapter / WEIGHTS),
        "base": carried.base.name,
        "base_fingerprint": carried.base.fingerprint(),
        "system": carried.system,
        "types": dict(written.types),
        "notes": [asdict(note) for note in written.notes],
        **written.figures,
        "proof": asdict(proof),
    }


def _judged(wanted: Wanted, proof: Proof, run: Path | None, journal: Journal) -> int:
    """The exit status: 0 unless the target fails what the seal passed."""
    if proof.passed >= SHARE * proof.then:
        return OK
    journal.look(
        ExportFacts(
            "export-fails-probes",
            wanted.target.name,
            proof.failed,
            typed.path(wanted.out),
            passed=proof.passed,
            asked=proof.asked,
            then=proof.then,
            run=str(run or ""),
        )
    )
    try:
        journal.settle()
    except Stopped:
        return UNVERIFIED
    return OK


def sentences(told: Mapping[str, Any]) -> list[Text]:
    """What is said of an export, line by line."""
    proof = told["proof"]
    level = LEVELS[proof["level"]]
    types = ", ".join(f"{count} {kind}" for kind, count in told["types"].items())
    lines = [Text(**note) for note in told["notes"]]
    lines += [Text(f"tensors: {types}", f"张量：{types}")] if types else []
    return [*lines, Text(f"proof: {level.en}", f"验证：{level.zh}"), *_shown(proof)]


def _shown(proof: Mapping[str, Any]) -> Iterator[Text]:
    """The figures of a proof, each only where it was measured."""
    by, asked, passed, then = (proof[key] for key in ("by", "asked", "passed", "then"))
    same, answers, ids = (proof[key] for key in ("same", "answers", "same_ids"))
    where = Text(f"in {by}", f"在 {by} 中") if by else Text("there", "在目标上")
    if asked:
        yield Text(
            f"  {passed} of {asked} probes pass {where.en} ({then} in the run's proof)",
            f"  {where.zh}，{asked} 个验证问题通过 {passed} 个（验证时 {then} 个）",
        )
        yield Text(
            f"  {same} of {answers} answers are those of the proof, word for word",
            f"  {answers} 个回答中有 {same} 个与验证记录逐字相同",
        )
    if ids is not None:
        yield Text(f"  prompts with the same token ids: {ids}", f"  token 完全相同的提示：{ids} 个")
    if proof["gap"] is not None:
        gap, most = proof["gap"], proof["bound"]
        within = Text(f" (bound {most:.2g})", f"（上限 {most:.2g}）") if most else Text("", "")
        yield Text(
            f"  scores at most {gap:.2g} from adapter on base{within.en}",
            f"  分数与“原模型加适配器”最多相差 {gap:.2g}{within.zh}",
        )
