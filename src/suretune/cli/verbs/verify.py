"""`verify`: a seal once more, a server against a seal, or a public benchmark."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from suretune.cli import job
from suretune.cli.out import tell, tell_json
from suretune.cli.parse import Command, Verb
from suretune.cli.which import around, named_run, run_of
from suretune.facts import FlagFacts
from suretune.model.lean import lean
from suretune.phrases import told as in_words
from suretune.record.journal import OK, UNVERIFIED, Journal
from suretune.record.meant import not_sealed
from suretune.types import Text
from suretune.words import say


def verify(command: Command, journal: Journal) -> int:
    """The seal against the files, and the proof again; a server's answers; or a benchmark."""
    if any(name.startswith("benchmark") for name in command.plain):
        job.need_torch(journal)
        from suretune.cli.benchmark import measure

        return measure(command, journal)
    if "://" in command.word:
        from suretune.cli.served import verify_url

        if model := command.resolved.config.model.model:
            hint = Text(
                "A server has its own base; `--served_model_name` names what it serves.",
                "服务器用自己的原模型；`--served_model_name` 指定它提供的名字。",
            )
            raise journal.stop(FlagFacts("no-effect", "--model", model, hint=hint))
        return verify_url(command, journal)
    if command.plain:
        hint = Text("It goes with a URL.", "它只与 URL 一起使用。")
        raise journal.stop(FlagFacts("no-effect", f"--{next(iter(command.plain))}", hint=hint))
    job.need_torch(journal)
    found = named_run(
        command.word,
        journal,
        around(command, [command.word]),
    )
    if found.checkpoint:
        raise journal.stop(not_sealed(found, serving=False))
    from suretune.record.sealed import read_seal
    from suretune.speak.basis import basis_of

    run = run_of(found)
    sealed = read_seal(run, journal)
    base, note = basis_of(
        run,
        command.resolved.config.model.model,
        journal,
    )
    if note is not None:
        tell(say(note), err=True)
    told = _again(run, sealed, journal, base.name)
    if command.json:
        tell_json(told)
    else:
        good = Text(
            f"Verified: {told['files']} files as sealed, {told['probes']} answers the same,"
            " the same base.",
            f"验证通过：{told['files']} 个文件与验证记录一致，"
            f"{told['probes']} 个回答相同，原模型相同。",
        )
        bad = Text(
            "Not verified: answers or base differ from the seal.",
            "未通过：回答或原模型与验证记录不同。",
        )
        tell(say(good if told["verified"] else bad))
        _tell_lost(told)
    return OK if told["verified"] else UNVERIFIED


def _tell_lost(told: dict[str, Any]) -> None:
    """What the guards say of the answers; of those that were sealed, by another version alone."""
    lost = [found for found in told["findings"] if found["stops"] and not found["ignored"]]
    if lost and told["verified"]:
        by = Text(
            "This version would not seal these answers:",
            "按当前版本的规则，这些回答不会验证通过：",
        )
        tell(say(by), err=True)
    for found in lost:
        tell(f"{found['code']} {found['name']}: {in_words(found['what'])}", err=True)


def _again(run: Path, sealed: dict[str, Any], journal: Journal, base: str) -> dict[str, Any]:
    """What `recheck` finds, whose libraries and the fresh process's are imported side by side."""
    from suretune.verify.fresh import Prover

    with closing(Prover()) as prover:
        with lean():
            from suretune.speak.answer import recheck
        return recheck(run, sealed, journal, prover, base)


VERB = Verb(
    "verify",
    Text(
        "check a seal again: files, answers, base; a server: verify http://HOST/v1 --run RUN",
        "重新验证：文件、回答、原模型；验证服务器：verify http://HOST/v1 --run 运行",
    ),
    extra=("ignore", "model"),
    positional="RUN",
    own={
        "run": Text(
            "with a URL: the sealed run that it should serve",
            "给出 URL 时：它应当提供的已通过验证的运行",
        ),
        "api_key": Text(
            "of that server; better in SURETUNE_API_KEY, where no process list shows it",
            "该服务器的密钥；放在 SURETUNE_API_KEY 里更好，不会出现在进程列表中",
        ),
        "served_model_name": Text(
            "the model's name there; the run's, or the only one, when not given",
            "模型在那里的名字；不写则用运行的名字，或唯一的那个",
        ),
        "same_needed": Text(
            "share of the answers that must be the seal's, word for word [0.9]",
            "必须与验证记录逐字相同的回答比例 [0.9]",
        ),
        "timeout": Text("seconds for each answer [120]", "每个回答最多等多少秒 [120]"),
        "benchmark": Text(
            "ask base and adapter a public benchmark: ifeval (pip install 'suretune[benchmark]')",
            "用公开评测对比原模型和适配器：ifeval（pip install 'suretune[benchmark]'）",
        ),
        "benchmark_file": Text(
            "its prompts; from the Hugging Face cache when not given",
            "评测题目的文件；不写则从 Hugging Face 缓存里找",
        ),
        "benchmark_limit": Text("the first so many prompts only", "只用前多少题"),
    },
    do=verify,
    place=120,
)
