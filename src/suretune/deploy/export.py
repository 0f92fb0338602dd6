"""A sealed adapter carried to another program, and the proof of what arrived there.

What is asked of the target is what the seal was asked; what it answers is judged as it was then.
Refusals come before the first byte is written, and the proof before the folder gets its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from suretune import rundir, typed
from suretune.data.base import Base, find_base
from suretune.data.misfit import wrong_base
from suretune.data.weights import header, wrong_weights
from suretune.deploy.export_proof import Proof, prove
from suretune.export.door import LEVELS, Carried, Target, Written, run_of
from suretune.export.merged import seal_folder
from suretune.export.whole import refuse_taken, whole
from suretune.facts import ExportFacts, SetupFacts
from suretune.model.device import choose_device
from suretune.model.lora import CONFIG, WEIGHTS
from suretune.model.tuned import trained_digest, trained_files
from suretune.options import Config
from suretune.record.journal import OK, UNVERIFIED, Journal, Stopped
from suretune.record.meant import Meant, not_sealed
from suretune.record.sealed import read_seal
from suretune.refusal import Refusal
from suretune.speak.answer import about_adapter
from suretune.speak.opened import find_base_of, look_at_kind, words_of
from suretune.types import Text

EXPORT = "export.json"
MERGED_PACKED = Text(
    "merged into the base as it was trained and proven: its linear layers have the numbers of NF4,"
    " written in the type of the base's files",
    "合并进训练和验证时的原模型：线性层取 NF4 的数值，按原模型文件的类型写出",
)
ALONE_PACKED = Text(
    "this target puts the adapter on the base's own 16-bit numbers; it was trained and proven on"
    " them in NF4, so answers differ a little (`--to merged` writes what was proven)",
    "这个目标把适配器加在原模型自己的 16 位数值上；训练和验证用的是 NF4，所以回答会略有不同"
    "（`--to merged` 写出的就是验证过的模型）",
)
GREETED = Text(
    "  it answered a greeting; this run has no probes that it could be asked",
    "  它回答了一句问候；这次运行没有可以提问的验证问题",
)
GREETED_UNPROVEN = Text(
    "  it answered a greeting; there is no proof of it, and so no answers to compare with",
    "  它回答了一句问候；它没有做过验证，没有可以对照的回答",
)
LONGER = 4  # times as long is what is advised where a target was not done in time
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
    seconds: float = 0.0  # that the target may take to answer; 0: by the number of questions


def export(
    wanted: Wanted,
    config: Config,
    journal: Journal,
) -> tuple[dict[str, Any], int]:
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
            with whole(out) as part, _of(carried):
                written = with_packing(target.write(carried, wanted.quant, part), carried)
                proof = prove(target, carried, run, written, part)
                told = _told(wanted, carried, run, written, proof)
                rundir.write_json(part / EXPORT, {**told, "files": seal_folder(part)})
    except FileExistsError as error:
        taken = SetupFacts(
            "file-exists",
            str(out),
            nearest=_again(wanted, carried),
        )
        raise journal.stop(taken) from error
    status = _judged(wanted, carried, proof, journal)
    return {**told, "next": list(target.commands(carried, out))}, status


def with_packing(written: Written, carried: Carried) -> Written:
    """What is told beside it where the adapter was trained on a packed base."""
    if not carried.base.packed:
        return written
    told = ALONE_PACKED if written.alone else MERGED_PACKED
    return replace(written, notes=[*written.notes, told])


@contextmanager
def _of(carried: Carried) -> Iterator[None]:
    """What is told of an export names its adapter as the command did, and the words it needs."""
    try:
        yield
    except Refusal as refusal:
        if not isinstance(refusal.facts, ExportFacts):
            raise
        raise Refusal(_named(refusal.facts, carried)) from refusal


def _named(facts: ExportFacts, carried: Carried) -> ExportFacts:
    more = "".join(f" {word}" for word in carried.given)
    return replace(
        facts,
        run=str(carried.source or run_of(carried)),
        more=more,
    )


def _again(wanted: Wanted, carried: Carried) -> str:
    """The same export into another folder."""
    return " ".join([wanted.again, *carried.given])


def carry(
    wanted: Wanted,
    config: Config,
    journal: Journal,
) -> tuple[Carried, Path | None]:
    """The adapter with its base, as it was sealed, and its run; or a stop."""
    found = wanted.found
    run = None if found.checkpoint else found.run
    sealed = run is not None and (run / rundir.SEAL).is_file()
    if not sealed and not wanted.unverified:
        raise journal.stop(replace(not_sealed(found, serving=False), spare="export"))
    folder = found.path
    if run is not None and sealed:
        read_seal(run, journal)
        folder = rundir.published(run)
    elif run is not None and not found.part:
        folder = rundir.find_adapter(run) or run / rundir.ADAPTER
    whole = rundir.is_whole(folder)
    if not whole and not ((folder / WEIGHTS).is_file() and (folder / CONFIG).is_file()):
        raise journal.stop(SetupFacts("adapter-missing", str(folder)))
    about = about_adapter(folder)
    look_at_kind(folder, config, journal, serving=False)
    base = find_base_of(config, about, folder, journal, weights=True)
    if whole:
        base = replace(_itself(folder, journal), name=str(about.get("base") or folder.name))
    elif about.get("base_fingerprint") not in (None, base.fingerprint()):
        raise journal.stop(wrong_base(base, about))
    if (wrong := wrong_weights(base, fetched=True)) is not None:
        raise journal.stop(wrong)
    tokenizer = words_of(folder, base, config, journal)
    files = trained_files(folder)
    shapes = {name: each.shape for path in files for name, each in header(path).items()}
    with journal.judging():
        device = choose_device(config.model.device)
    carried = Carried(
        name=(run or folder).name,
        adapter=folder,
        base=base,
        tokenizer=tokenizer,
        system=about.get("system"),
        config={} if whole else rundir.read_json(folder / CONFIG),
        tensors=shapes,
        device=device.type,
        dtype=str(about.get("dtype") or "float32"),
        source=found.path,
        given=_words(wanted, config, sealed=sealed),
        seconds=wanted.seconds,
    )
    proven = run is not None and (run / "proof" / "result.json").is_file()
    return carried, run if proven else None


def _itself(folder: Path, journal: Journal) -> Base:
    """A trained model as the base that it is to whoever opens it."""
    with journal.judging():
        return find_base(str(folder), weights=True)


def _words(
    wanted: Wanted,
    config: Config,
    *,
    sealed: bool,
) -> tuple[str, ...]:
    """What a command for the same adapter has to say again."""
    words = [] if sealed or not wanted.unverified else ["--unverified"]
    model, template = config.model.model, config.model.chat_template
    words += ["--model", typed.path(model)] if model else []
    words += ["--chat_template", typed.path(template)] if template else []
    return tuple(words)


def _told(
    wanted: Wanted,
    carried: Carried,
    run: Path | None,
    written: Written,
    proof: Proof,
) -> dict[str, Any]:
    return {
        "target": wanted.target.name,
        "folder": str(wanted.out),
        "quant": wanted.quant,
        "run": run.name if run else None,
        "adapter_sha256": trained_digest(carried.adapter),
        "base": carried.base.name,
        "base_fingerprint": carried.base.fingerprint(),
        "system": carried.system,
        "types": dict(written.types),
        "notes": [asdict(note) for note in written.notes],
        **written.figures,
        "proof": asdict(proof),
    }


def _judged(
    wanted: Wanted,
    carried: Carried,
    proof: Proof,
    journal: Journal,
) -> int:
    """The exit status: 0 unless the target fails what the seal passed."""
    facts = ExportFacts(
        "target-not-asked",
        wanted.target.name,
        proof.failed,
        typed.path(wanted.out),
        passed=proof.passed,
        asked=proof.asked,
        then=proof.then,
    )
    facts = _named(facts, carried)
    if (silent := proof.silent) is not None:
        again = _again(wanted, carried)
        told = replace(
            facts,
            found=silent.said,
            program=silent.program,
            how=silent.how,
            trouble=silent.trouble,
            level=LEVELS[proof.level],
            command=f"{again} --time_limit {LONGER * silent.limit:.0f}" if silent.limit else again,
        )
        journal.look(told)
    if proof.passed >= SHARE * proof.then:
        return OK
    journal.look(replace(facts, problem="export-fails-probes"))
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
    lines.append(Text(f"proof: {level.en}", f"验证：{level.zh}"))
    if proof["greeted"]:
        lines.append(GREETED if told["run"] else GREETED_UNPROVEN)
    return [*lines, *_shown(proof)]


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
        if proof["plain"]:
            right, sent = proof["plain"]
            yield Text(
                f"  {right} of the {sent} that bring no system prompt, as most clients send them",
                f"  其中不带系统提示词的（多数客户端这样提问）{sent} 个，通过 {right} 个",
            )
        yield Text(
            f"  {same} of {answers} answers are those of the proof, word for word",
            f"  {answers} 个回答中有 {same} 个与验证记录逐字相同",
        )
    if ids is not None:
        yield Text(f"  prompts with the same token ids: {ids}", f"  token 完全相同的提示：{ids} 个")
    if proof["arithmetic"]:
        kind = proof["arithmetic"]
        yield Text(f"  it computed in {kind}, not float32", f"  它用 {kind} 计算，不是 float32")
    if proof["beside"] is not None:
        yield Text(
            f"  adapter.gguf on its base in GGUF: scores at most {proof['beside']:.2g} away",
            f"  adapter.gguf 加在 GGUF 的原模型上：分数最多相差 {proof['beside']:.2g}",
        )
    if proof["gap"] is not None:
        gap, most = proof["gap"], proof["bound"]
        within = Text(f" (bound {most:.2g})", f"（上限 {most:.2g}）") if most else Text("", "")
        yield Text(
            f"  scores at most {gap:.2g} from what the run made{within.en}",
            f"  分数与这次运行训练的结果最多相差 {gap:.2g}{within.zh}",
        )
