"""Checkpoint to verdict: the adapter on disk, the proof in a fresh process, the seal."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suretune import rundir
from suretune.because import in_words
from suretune.config import Resolved
from suretune.data.identity import answer_of, question_of
from suretune.data.render import prompt_ids
from suretune.data.template import ABOUT
from suretune.facts import Change, ProofFacts, SetupFacts
from suretune.model.generate import last_logits
from suretune.model.tuned import Tuned, folder_name, save_weights
from suretune.preflight.check import Checked
from suretune.record.journal import UNVERIFIED, Journal, Stopped
from suretune.record.sealed import sealed_names
from suretune.run.dose import Dose
from suretune.run.kept import Kept, answers_fit, write_judging
from suretune.run.state import Fit
from suretune.train.checkpoint import STATE
from suretune.train.plain_engine import PLAIN_TOKENS
from suretune.types import Evaluation, Text
from suretune.verify.fresh import Prover
from suretune.verify.measure import Answers, Questions, answers_of
from suretune.verify.probes import AS_TRAINED, MUST_PASS, ONLY_SHOWN, TEMPLATE_DEFAULT, probe_tokens
from suretune.verify.reload import LOGIT_PROMPTS, RESULT, Request, prepare
from suretune.verify.signs import Rows, change, recitals
from suretune.words import say

EXACT = 1e-4  # float32 logits; the same kernels on the same numbers differ by nothing at all
ROUGH = 0.02  # of the largest logit, in half precision


def kept_checkpoint(job: Fit) -> Path:
    """The checkpoint whose adapter is published: the last, or the best if one was looked for."""
    patience = job.checked.resolved.config.schedule.early_stopping_patience
    looked_for = patience or any(found.proven for found in job.evals)
    best = rundir.pointed(job.run, "best") if looked_for else None
    return best or rundir.checkpoints(job.run)[-1][1]


def publish_adapter(job: Fit, kept: Path, dose: Dose) -> None:
    """What the kept checkpoint has learned, as `adapter/` or, of full training, as `model/`; of a
    smaller dose, as the learner holds it."""
    name = folder_name(job.learner.model)
    temporary = job.run / f".tmp-{name}-{os.getpid()}"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    for path in kept.iterdir():
        if path.name not in STATE:
            shutil.copyfile(path, temporary / path.name)
    about: dict[str, Any] = {"checkpoint": kept.name}
    written: dict[str, rundir.Written] = {}
    if dose.value != 1:
        about["dose"] = dose.value
        written = save_weights(job.learner.model, temporary)
        _tell_dose(temporary, dose, whole=name == rundir.MODEL)
    rundir.write_manifest(temporary, written, **about)
    rundir.publish(temporary, job.run / name)


def _tell_dose(folder: Path, dose: Dose, *, whole: bool) -> None:
    """In the adapter's card and in what it says of its origin."""
    rundir.write_json(folder / ABOUT, {**rundir.read_json(folder / ABOUT), "dose": dose.value})
    asked = [one for one in dose.tried if one.asked]
    said = Text(
        f"Dose {dose.value:g} of the trained adapter, in lora_B; checkpoints have all of it.",
        f"适配器强度：训练所得的 {dose.value:g}，已乘进 lora_B；检查点仍保留全部强度。",
    )
    if whole:
        said = Text(
            f"Dose {dose.value:g} of what was learned beside the base's weights; checkpoints have"
            " all of it.",
            f"在原模型权重之上取训练所得变化的 {dose.value:g}；检查点仍保留全部变化。",
        )
    if asked:
        en, zh = (
            ", ".join(_tried(one).en for one in asked),
            "、".join(_tried(one).zh for one in asked),
        )
        said = Text(f"{said.en} Asked on the way: {en}.", f"{said.zh}途中问过：{zh}。")
    with (folder / "README.md").open("a", encoding="utf-8") as card:
        card.write(f"{say(said)}\n")


def _tried(found: Evaluation) -> Text:
    """`0.7 (50 of 50 probes, leaked 0)`."""
    en = f"{found.dose:g} ({found.passed} of {found.asked} probes"
    zh = f"{found.dose:g}（{found.asked} 个验证问题通过 {found.passed} 个"
    if found.leaked is not None:
        en, zh = f"{en}, leaked {found.leaked}", f"{zh}，泄漏 {found.leaked} 个"
    return Text(f"{en})", f"{zh}）")


def ready_proof(job: Fit, questions: Questions, model: Tuned, parts: int) -> None:
    """Write down what the fresh process shall measure, asking in so many parts, and this process's
    logits."""
    config = job.checked.resolved.config
    prompts = _logit_prompts(job, questions)
    base = job.checked.base
    request = Request(
        base=base.where,
        base_fingerprint=job.fingerprint,
        adapter=folder_name(model),
        device=config.model.device or "cpu",
        dtype=config.model.torch_dtype or "float32",
        system=questions.system,
        tokens_per_pass=min(job.learner.engine.tokens_per_pass, PLAIN_TOKENS),
        packed=base.packed,
        most=probe_tokens(job.checked.tokenizer),
        parts=parts,
    )
    prepare(job.run, request, questions, prompts, last_logits(model, prompts))
    write_judging(job.run, job.checked, questions)


def _logit_prompts(job: Fit, questions: Questions) -> list[list[int]]:
    tokenizer = job.checked.tokenizer
    prompts = [prompt_ids(tokenizer, p.messages(questions.system)) for p in questions.probes]
    trained = [s.ids[: s.spans[0].start].tolist() for s in job.checked.samples]
    return [p for p in (*prompts, *trained) if p][:LOGIT_PROMPTS]


@dataclass(frozen=True, slots=True)
class Proven:
    """What was asked, what was answered before and after, and what the fresh process measured."""

    questions: Questions
    before: Answers
    after: Answers
    result: Mapping[str, Any]
    tolerance: float


def measure_proof(
    run: Path,
    resolved: Resolved,
    questions: Questions,
    before: Answers,
    journal: Journal,
    prover: Prover,
) -> Proven:
    """Let the fresh process measure; a proof that cannot even run is no proof."""
    try:
        result = prover.prove(run, run / "proof" / RESULT)
    except RuntimeError as error:
        last = str(error).splitlines()[-1]
        stopped = journal.stop(SetupFacts("proof-impossible", str(run), found=in_words(last)))
        raise Stopped(UNVERIFIED, stopped.findings) from error
    for why in result.get("lost", ()):  # of further processes; the first asked for them
        journal.event("proof-process-lost", why=why)
    tolerance = resolved.config.run.logits_tolerance
    if tolerance is None:
        exact = resolved.config.model.torch_dtype == "float32"
        tolerance = EXACT if exact else ROUGH * result["logits_scale"]
    return Proven(questions, before, answers_of(result["answers"]), result, tolerance)


def proof_facts(
    proven: Proven, kept: Kept | None, checked: Checked, evals: Iterable[Mapping[str, Any]]
) -> ProofFacts:
    """What the guards of the result judge. `evals`: the lines of evals.jsonl."""
    asked, result, proof = proven.questions, proven.result, checked.resolved.config.proof
    judged = [
        (probe, answer, probe.judge(answer))
        for probe, answer in zip(asked.probes, proven.after.probes, strict=True)
    ]
    trained = [row for row in judged if row[0].variant == AS_TRAINED and row[2] is not None]
    plain = [row for row in judged if row[0].variant == TEMPLATE_DEFAULT and row[2] is not None]
    failed = [f"{probe.question} -> {answer[:80]}" for probe, answer, ok in trained if not ok]
    wrong = sorted((p for p, _, ok in trained if not ok), key=lambda p: p.kind != MUST_PASS)
    return ProofFacts(
        tensors_saved=result["tensors_saved"],
        tensors_matched=result["tensors_matched"],
        tensors_unexpected=tuple(result["tensors_unexpected"]),
        tensors_non_finite=tuple(result["tensors_non_finite"]),
        logits_gap=_number(result["logits_gap"]),
        logits_tolerance=proven.tolerance,
        logits_change=_number(result["logits_change"]),
        must_pass_failed=tuple(
            f"{probe.question} -> {answer[:80]}"
            for probe, answer, ok in trained
            if probe.kind == "must-pass" and not ok
        ),
        probes_passed=sum(bool(row[2]) for row in trained),
        probes_asked=len(trained),
        probes_needed=proof.probes_needed,
        first_failed=failed[0] if failed else "",
        if_fails=wrong[0].if_fails if wrong else "",
        held_out_before=proven.before.held_out,
        held_out_after=proven.after.held_out,
        identity=checked.about_identity,
        template_default_passed=sum(bool(row[2]) for row in plain),
        template_default_asked=len(plain),
        **_signs(proven, kept, checked),
        **_lowest(evals),
    )


def _signs(proven: Proven, kept: Kept | None, checked: Checked) -> dict[str, Any]:
    """Signs of overfitting, among the answers that are given anyway (twins add nothing)."""
    probes = proven.questions.probes
    mine = [i for i, p in enumerate(probes) if p.variant == AS_TRAINED]

    def among(before: Sequence[bool], after: Sequence[bool]) -> Change | None:
        if not len(before) == len(after) == len(probes):
            return None  # a run of an earlier version did not look, or looked at more
        return change([before[i] for i in mine], [after[i] for i in mine])

    ended = ([not done for done in a.ended] for a in (proven.before, proven.after))
    return {
        "looping": among(proven.before.looping, proven.after.looping),
        "unended": among(*ended),
        "recited": _recited(proven, kept, checked),
        "answers_fit": answers_fit(checked),
    }


def _recited(proven: Proven, kept: Kept | None, checked: Checked) -> Change | None:
    """General questions and those that are only shown, answered with the answer of another row."""
    pairs = [(question_of(row.example), row.example.messages) for row in checked.train]
    rows = Rows((q, m.content) for q, said in pairs for m in said if m.role == "assistant")
    right = {question_of(row.example): answer_of(row.example) for row in checked.held_out}
    shown = [(i, p) for i, p in enumerate(proven.questions.probes) if p.kind == ONLY_SHOWN]
    judged = [one for one in kept.judged if not one.own] if kept else []

    def found(given: Answers, general: Sequence[tuple[str, str, bool]]) -> list[bool]:
        said = [(p.question, given.probes[i]) for i, p in shown]
        return recitals(rows, general, said, right)

    before = [(j.question.asked, j.base, bool(j.right_before)) for j in judged]
    after = [(j.question.asked, j.tuned, bool(j.right_after)) for j in judged]
    return change(found(proven.before, before), found(proven.after, after))


def _lowest(evals: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The lowest loss on held-out rows, and after which update it was."""
    known = [(e["held_out_loss"], e["step"]) for e in evals if e["step"]]
    known = [(loss, step) for loss, step in known if loss is not None]
    if not known:
        return {}
    loss, step = min(known)
    return {"held_out_least": loss, "held_out_least_step": step}


def _number(value: float | None) -> float:
    """JSON has no NaN; what came back as null was one."""
    return float("nan") if value is None else value


def seal(run: Path, facts: ProofFacts, journal: Journal, report: Mapping[str, Any]) -> None:
    """Write the seal, last: hashes of everything, the findings, and the codes that were ignored."""
    names = sealed_names(run)
    rundir.flush(run / name for name in names)
    rundir.write_json(
        run / rundir.SEAL,
        {
            "verdict": report["verdict"],
            "created": report["created"],
            "suretune": report["versions"]["suretune"],
            "model": report["model"],
            "probes": {"passed": facts.probes_passed, "asked": facts.probes_asked},
            "general": report["general"],
            "held_out": report["held_out"],
            "findings": [journal.line(finding) for finding in journal.findings],
            "ignored": sorted({f.code for f in journal.findings if journal.ignored(f)}),
            "names": rundir.digest_of(sorted(names)),
            "files": rundir.digests(run, names),
        },
    )
