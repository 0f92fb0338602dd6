"""An adapter that shall be served: its seal against its files, and its probes asked once more.

The seal says what the files were and what the model answered. Before a server listens, the engine
that will answer its clients has to give those answers again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from suretune import rundir
from suretune.data.base import Base
from suretune.data.misfit import wrong_base
from suretune.data.render import prompt_ids
from suretune.data.template import ChatTokenizer, TemplateRefused
from suretune.data.wall import Unfit
from suretune.facts import ReplayFacts, SetupFacts
from suretune.model.full import CONFIG as MODEL_CONFIG
from suretune.model.lora import CONFIG, WEIGHTS
from suretune.model.tuned import trained_digest, trained_files
from suretune.options import AnswerOptions, Config
from suretune.record.journal import Journal
from suretune.record.meant import meant, not_sealed
from suretune.record.sealed import read_seal
from suretune.speak.answer import about_adapter, adapter_folder
from suretune.speak.opened import find_base_of, look_at_kind, words_of
from suretune.types import Fault, Origin, Text
from suretune.verify.probes import PROBE_TOKENS, Probe, from_line, proven_tokens
from suretune.verify.reload import REQUEST, RESULT, stored_prompts

SHOWN = 80  # characters of an answer in a finding


@dataclass(frozen=True, slots=True)
class Candidate:
    """One adapter as it lies on the disk. `run` is its sealed run, None without a seal."""

    name: str
    folder: Path
    run: Path | None
    about: Mapping[str, Any]
    digest: str  # SHA-256 of its weights, as sealed
    config_digest: str  # and of its configuration: the scale of what the weights do
    data: str | None  # SHA-256 of the ledger of the rows that it learned
    tokenizer: ChatTokenizer
    system: str | None

    @property
    def whole(self) -> bool:
        """Whether it is a model whose own weights were trained, and no adapter."""
        return rundir.is_whole(self.folder)

    @property
    def ranks(self) -> int:
        """The largest rank of any of its layers; 0 where there is none."""
        if self.whole:
            return 0
        config = rundir.read_json(self.folder / CONFIG)
        return max(
            [int(config.get("r") or 0), *map(int, (config.get("rank_pattern") or {}).values())]
        )


def open_candidate(
    word: str,
    name: str | None,
    config: Config,
    journal: Journal,
) -> Candidate:
    """An adapter whose files are as they were sealed; or a stop, also where no seal is."""
    found = meant(word, journal)
    run = None if found.checkpoint else found.run
    sealed = run is not None and (run / rundir.SEAL).is_file()
    files: Mapping[str, str] = read_seal(run, journal)["files"] if run and sealed else {}
    folder = rundir.published(run) if run and sealed else adapter_folder(_asked(word), journal)
    whole = folder is not None and rundir.is_whole(folder)
    needed_files = [p.name for p in trained_files(folder)] if whole and folder else [WEIGHTS]
    for needed in (*needed_files, MODEL_CONFIG if whole else CONFIG) if sealed else ():
        if f"{rundir.MODEL if whole else rundir.ADAPTER}/{needed}" not in files:
            raise journal.stop(
                SetupFacts(
                    "checkpoint-damaged", rundir.SEAL, found=rundir.named(needed, rundir.GONE)
                )
            )
    if folder is None:
        raise journal.stop(SetupFacts("adapter-missing", word))
    if not sealed and not config.serve.allow_unverified:
        raise journal.stop(not_sealed(found, serving=True))
    about = about_adapter(folder)
    look_at_kind(folder, config, journal, serving=True)
    try:
        base = find_base_of(
            config,
            about,
            folder,
            journal,
            weights=False,
        )
        tokenizer = words_of(folder, base, config, journal)
    except Unfit as error:
        raise journal.stop(error.fault) from error
    system = about.get("system") if config.data.system is None else config.data.system
    return Candidate(
        name=name or (run or folder).name,
        folder=folder,
        run=run if sealed else None,
        about=about,
        digest=files.get(f"adapter/{WEIGHTS}") or trained_digest(folder),
        config_digest=files.get(f"adapter/{CONFIG}")
        or rundir.sha256(folder / (MODEL_CONFIG if whole else CONFIG)),
        data=files.get("ledger.jsonl"),
        tokenizer=tokenizer,
        system=system,
    )


def _asked(word: str) -> AnswerOptions:
    return AnswerOptions(adapters=word)


def check_base(
    candidate: Candidate,
    base: Base,
    fingerprint: str,
    journal: Journal,
) -> None:
    """An adapter answers only on the base that it was trained on."""
    trained_on = candidate.about.get("base_fingerprint")
    if trained_on not in (None, fingerprint):
        raise journal.stop(wrong_base(base, candidate.about))


@dataclass(frozen=True, slots=True)
class Record:
    """What a sealed proof asked and heard."""

    probes: Sequence[Probe]
    prompts: Sequence[list[int]]
    answers: Sequence[str]
    base_answers: Sequence[str]
    device: str
    dtype: str
    run: Path
    most: int = PROBE_TOKENS  # tokens of an answer


def recorded(
    candidate: Candidate,
    run: Path,
    journal: Journal,
) -> Record:
    """The proof of a run; a stop if its prompts are not those that would be sent now."""
    request = run / "proof" / REQUEST
    template = rundir.published(run) / "chat_template.jinja"
    system = rundir.recorded(request, "system")
    if candidate.system != system:
        told, sealed = _quoted(candidate.system), _quoted(system)
        found = Text(f"--system {told} (then: {sealed})", f"`--system` {told}（验证时是 {sealed}）")
        raise journal.stop(SetupFacts("prompt-changed", candidate.name, found=found))
    written = template.read_text(encoding="utf-8")
    if candidate.tokenizer.template != written:  # also where no probe shows it
        raise journal.stop(SetupFacts("prompt-changed", candidate.name, found="--chat_template"))
    probes = [from_line(line) for line in rundir.read_jsonl(run / "probes.jsonl")]
    try:
        prompts = [prompt_ids(candidate.tokenizer, p.messages(candidate.system)) for p in probes]
    except Unfit as error:
        raise journal.stop(error.fault) from error
    except TemplateRefused as error:
        refused = Fault(
            "template-refused",
            Origin(str(run / "probes.jsonl"), 0),
            found=str(error),
        )
        raise journal.stop(refused) from error
    for probe, now, then in zip(probes, prompts, stored_prompts(run), strict=False):
        if now != then:
            asked = probe.question[:SHOWN]
            found = Text(
                f"{asked} ({len(then)} tokens then, {len(now)} now)",
                f"{asked}（验证时 {len(then)} 个 token，现在 {len(now)} 个）",
            )
            raise journal.stop(SetupFacts("prompt-changed", candidate.name, found=found))
    answers = rundir.recorded(
        run / "proof" / RESULT,
        "answers",
        "probes",
    )
    base_answers = rundir.recorded(run / "base_answers.json", "probes")
    if not len(probes) == len(answers) == len(base_answers):
        raise rundir.Damaged(
            run / "probes.jsonl",
            Text(
                f"{len(probes)} probes, {len(answers)} answers",
                f"{len(probes)} 个验证问题，{len(answers)} 个回答",
            ),
        )
    return Record(
        probes=probes,
        prompts=prompts,
        answers=answers,
        base_answers=base_answers,
        device=rundir.recorded(request, "device"),
        dtype=rundir.recorded(request, "dtype"),
        run=run,
        most=proven_tokens(rundir.read_json(request)),
    )


def _quoted(system: str | None) -> str:
    return "-" if system is None else repr(system[:SHOWN])


def compare(
    name: str,
    record: Record,
    now: Sequence[str],
    device: str,
    dtype: str,
) -> ReplayFacts:
    """What was answered against what was sealed.

    In half precision two words can be equally likely, and then the number of rows in a batch
    decides. Such an answer counts as different only if it passes its probe no longer, or passes it
    newly, or is what the base says.
    """
    exact = (device, dtype) == (record.device, record.dtype) == ("cpu", "float32")
    wrong = []
    asked = zip(
        record.probes,
        record.answers,
        record.base_answers,
        now,
        strict=True,
    )
    for probe, sealed, base, said in asked:
        if said == sealed:
            continue
        if exact or said == base or probe.judge(said) != probe.judge(sealed):
            wrong.append(f"{probe.question[:SHOWN]} -> {sealed[:SHOWN]} -> {said[:SHOWN]}")
    equal = sum(then == said for then, said in zip(record.answers, now, strict=True))
    return ReplayFacts(
        name,
        len(now),
        equal,
        exact,
        tuple(wrong),
        str(record.run),
    )


def room_needed(record: Record) -> int:
    """Tokens of the longest probe with its answer."""
    return max((len(prompt) for prompt in record.prompts), default=0) + record.most
