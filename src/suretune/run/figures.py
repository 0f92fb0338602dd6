"""The report's data: one mapping with every figure, each measured in this run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from suretune import rundir
from suretune.data.parts import file_prefix
from suretune.facts import Finding, ProofFacts
from suretune.preflight.check import Checked
from suretune.preflight.summary import data_of, plan_of
from suretune.record.journal import Journal
from suretune.reported import (
    Adapter,
    Base,
    HeldOut,
    Loads,
    Lowest,
    Overfitting,
    Passed,
    Report,
    Setting,
    line_of,
)
from suretune.retention import HeldAnswer
from suretune.run.dose import weaker_dose
from suretune.run.folder import versions
from suretune.run.kept import Kept, general_figures, rows_figures
from suretune.run.onward import change_for, next_commands, once_mended, updates_enough
from suretune.run.prove import Proven
from suretune.tuning import TUNERS
from suretune.types import Text
from suretune.verify.probes import AS_TRAINED, TEMPLATE_DEFAULT, Probe, asked_on_the_way

WHOLE_LOADS = Text(
    "a model's folder, with the names and shapes of its base's",
    "完整的模型文件夹，名字和形状与原模型相同",
)
WENT_BACK = "T003"
VLLM_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)


def figures(
    checked: Checked,
    run: Path,
    journal: Journal,
    proven: Proven,
    kept: Kept | None,
    facts: ProofFacts,
    about: Mapping[str, Any],
    clock: Mapping[str, float],
) -> dict[str, Any]:
    """The mapping that report.html, report.md and report.json are made of."""
    result = dict(proven.result)
    result.pop("answers")
    general, other = result.pop("general", None), result.pop("other_mode", None)
    change = _change(about["reasons"], checked, run, journal.findings, facts)
    on_the_way = {id(p) for p in asked_on_the_way(proven.questions.probes)}
    told: dict[str, Any] = line_of(
        Report(
            verdict=about["verdict"],
            reasons=list(about["reasons"]),
            stopped_early=about["stopped_early"],
            kept=about["kept"],
            dose=about["dose"],
            run=str(run),
            created=_now(),
            seconds=_seconds(clock),
            resumed=about["resumed"],
            model=_model(checked, about),
            adapter=_adapter(checked, about),
            data=data_of(checked),
            plan=plan_of(checked),
            probes=_probes(proven, kept),
            paraphrases=_count(
                proven, lambda p: p.variant == AS_TRAINED and p.kind == "paraphrase"
            ),
            only_in_the_proof=_count(
                proven, lambda p: p.variant == AS_TRAINED and id(p) not in on_the_way
            ),
            template_default=_count(
                proven,
                lambda p: p.variant == TEMPLATE_DEFAULT and p.kind in ("must-pass", "paraphrase"),
            ),
            other_mode=other,
            general=general_figures(kept, general) if kept else None,
            rows=rows_figures(kept) if kept else None,
            held_out=HeldOut(facts.held_out_before, facts.held_out_after, len(checked.held_out)),
            overfitting=_overfitting(facts),
            proof={**result, **_of_proof(proven)},
            hashes=_hashes(run),
            change=change,
            next=next_commands(run, about["verdict"], change, about["reasons"]),
            steps=list(rundir.read_jsonl(run / "steps.jsonl")),
            evals=list(rundir.read_jsonl(run / "evals.jsonl")),
            findings=[journal.line(finding) for finding in journal.findings],
            config=settings_of(checked),
            versions=versions(),
        )
    )
    return told


def _of_proof(proven: Proven) -> dict[str, Any]:
    """What the proof allowed, and what it did not ask because training was steered by it."""
    return {
        "logits_tolerance": proven.tolerance,
        "skills_apart": proven.questions.apart,
    }


def stopped_figures(checked: Checked, run: Path, journal: Journal) -> dict[str, Any]:
    """The same mapping for a run that was stopped before its proof: what is known, no more."""
    reasons = [f"{f.code} {f.name}" for f in journal.findings if f.stops and not journal.ignored(f)]
    change = _change(reasons, checked, run, journal.findings)
    told: dict[str, Any] = line_of(
        Report(
            verdict="stopped",
            reasons=reasons,
            run=str(run),
            created=_now(),
            data=data_of(checked),
            plan=plan_of(checked),
            change=change,
            next=once_mended(run, change, reasons),
            steps=list(rundir.read_jsonl(run / "steps.jsonl")),
            evals=list(rundir.read_jsonl(run / "evals.jsonl")),
            findings=[journal.line(finding) for finding in journal.findings],
            config=settings_of(checked),
            versions=versions(),
        )
    )
    return told


def _change(
    reasons: Sequence[str],
    checked: Checked,
    run: Path,
    findings: Sequence[Finding],
    facts: ProofFacts | None = None,
) -> dict[str, Any] | None:
    """What another run should have otherwise."""
    made = sum(1 for _ in rundir.read_jsonl(run / "steps.jsonl"))
    planned = checked.plan.schedule.total
    back = sum(finding.code == WENT_BACK for finding in findings)
    found = change_for(
        reasons,
        checked.resolved,
        checked.base.hidden,
        planned,
        made,
        back=back,
        weaker=weaker_dose(run),
        enough=updates_enough(facts, made) if facts else None,
    )
    return asdict(found) if found else None


def _now() -> str:
    return datetime.now().astimezone().isoformat(timespec="seconds")


def _overfitting(facts: ProofFacts) -> Overfitting:
    signs = (facts.looping, facts.unended, facts.recited)
    looping, unended, recited = (asdict(found) if found else None for found in signs)
    lowest = Lowest(facts.held_out_least, facts.held_out_least_step, facts.held_out_after)
    return Overfitting(looping, unended, recited, lowest)


def _seconds(clock: Mapping[str, float]) -> dict[str, float]:
    names = list(clock)
    spent = {name: round(clock[name] - clock[before], 2) for before, name in pairwise(names)}
    return {**spent, "total": round(clock[names[-1]] - clock[names[0]], 2)}


def _model(checked: Checked, about: Mapping[str, Any]) -> Base:
    asked = checked.resolved.config.model
    return Base(
        name=checked.base.name,
        type=checked.base.config.get("model_type"),
        parameters=about["parameters"],
        trainable=about["trainable"],
        fingerprint=about["fingerprint"],
        dtype=asked.torch_dtype,
        device=asked.device,
    )


def _adapter(checked: Checked, about: Mapping[str, Any]) -> Adapter:
    lora = checked.resolved.config.lora
    if TUNERS[lora.tuner].whole:
        return Adapter(
            rank=None,
            alpha=None,
            targets=about["targets"],
            tensors=about["tensors"],
            vllm=Loads(True, asdict(WHOLE_LOADS)),
        )
    named_otherwise = bool(file_prefix(checked.base))
    loads, why = vllm_loads(lora.saved_rank, about["targets"], named_otherwise)
    if lora.use_dora:
        loads, why = False, DORA_THERE
    return Adapter(
        rank=lora.saved_rank,
        alpha=lora.saved_alpha,
        targets=about["targets"],
        tensors=about["tensors"],
        vllm=Loads(loads, asdict(why)),
        layers="" if lora.layers is None else " ".join(lora.layers_to_transform),
    )


DORA_THERE = Text(
    "vLLM takes no DoRA beside its base: `suretune export RUN --to merged` first",
    "vLLM 不能在原模型旁边加载 DoRA：先用 `suretune export RUN --to merged` 合并",
)


def vllm_loads(
    rank: int,
    targets: Sequence[str],
    named_otherwise: bool = False,
) -> tuple[bool, Text]:
    """Whether vLLM takes this adapter by its rules (its peft_helper.py and config/lora.py, 0.33);
    looked up there, not tried. `named_otherwise`: its layers, in the class that it opens (V023)."""
    if named_otherwise:
        return False, Text(
            "the layers have other names there: `suretune export RUN --to vllm` first",
            "那里的层名不同：先用 `suretune export RUN --to vllm` 导出",
        )
    if "lm_head" in targets or "embed_tokens" in targets:
        return False, Text(
            "vLLM has no LoRA for the embeddings of this architecture",
            "vLLM 不支持给这种结构的嵌入层加 LoRA",
        )
    fitting = next((r for r in VLLM_RANKS if r >= rank), None)
    if fitting is None:
        most = VLLM_RANKS[-1]
        return False, Text(
            f"rank {rank} is above vLLM's largest, {most}", f"秩 {rank} 超过了 vLLM 的上限 {most}"
        )
    flags = f"--enable-lora --max-lora-rank {max(fitting, 16)}"
    return True, Text(flags, flags)


def _probes(proven: Proven, kept: Kept | None) -> list[Mapping[str, Any]]:
    asked = proven.questions
    rows = zip(asked.probes, proven.before.probes, proven.after.probes, strict=True)
    own = {row.question: row for row in kept.rows} if kept else {}
    return [
        {
            **probe.line(),
            "before": before,
            "after": after,
            "passed_before": probe.judge(before),
            "passed_after": probe.judge(after),
            **_of_row(probe, after, own),
        }
        for probe, before, after in rows
    ]


def _of_row(
    probe: Probe,
    after: str,
    own: Mapping[str, HeldAnswer],
) -> Mapping[str, Any]:
    """What a held-out row itself answers to a question that is only shown, and how the answers
    compare with it."""
    row = own.get(probe.question)
    if row is None or probe.judged or row.after != after:
        return {}
    return {
        "reference": row.reference,
        "passed_before": row.right_before,
        "passed_after": row.right_after,
    }


def _count(proven: Proven, counts: Callable[[Probe], bool]) -> Passed:
    """How many of the judged probes that count were passed."""
    judged = [
        probe.judge(answer)
        for probe, answer in zip(proven.questions.probes, proven.after.probes, strict=True)
        if counts(probe)
    ]
    known = [ok for ok in judged if ok is not None]
    return Passed(sum(known), len(known))


def _hashes(run: Path) -> dict[str, str]:
    folder = rundir.published(run)
    files = rundir.read_json(folder / rundir.MANIFEST)["files"]
    return {f"{folder.name}/{name}": about["sha256"] for name, about in files.items()}


def settings_of(checked: Checked) -> list[Setting]:
    """Every option, and where its value came from."""
    return [Setting(name, value, origin) for name, value, origin in checked.resolved.items()]
