"""`plan`: which cards a model, and rows where they are named, fit by the memory plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import groupby

from suretune import show
from suretune.cli.out import tell, tell_json
from suretune.cli.parse import Command
from suretune.data.base import Base, find_base
from suretune.data.choose import spread_rank
from suretune.facts import FlagFacts, SetupFacts
from suretune.families import fused_layers
from suretune.model.memory import GIB, shape_of
from suretune.phrases import words
from suretune.preflight.again import command_of
from suretune.preflight.check import Checked
from suretune.preflight.forecast import HALF, learned_share, otherwise
from suretune.prepare.cards import A_ROW, MOST, Fit, Job, fits
from suretune.record.journal import ENVIRONMENT, OK, Journal
from suretune.tuning.full import ADAMW_8BIT, FULL
from suretune.tuning.lora import LORA
from suretune.tuning.qlora import QLORA
from suretune.types import Text

NAMES = {LORA.name: "LoRA", QLORA.name: "QLoRA", FULL.name: "full"}


def tell_cards(command: Command, journal: Journal) -> int:
    """Print what fits where; 4 where no card of the table is large enough."""
    config = command.resolved.config
    if command.unread or command.wrong("--dataset"):
        journal.settle()
    if not config.model.model:
        hint = Text(
            "`--model pocket` is here already.",
            "`--model pocket` 已经在本机。",
        )
        raise journal.stop(FlagFacts("missing-flag", "--model", hint=hint))
    base, job = _asked(command, journal)
    if fused_layers(base.text.get("model_type")) is None:
        kind = str(base.text.get("model_type"))
        about = Text(
            f"The layers of `{kind}` are computed by transformers, whose memory is not planned.",
            f"`{kind}` 的层由 transformers 计算，没有它的显存计划。",
        )
        raise journal.stop(SetupFacts("cannot-fuse", base.name, found=about))
    shape = replace(shape_of(base.text, HALF), lengths=config.lora.use_dora)
    full = command.resolved.with_values("flag", tuner=FULL.name)
    share = learned_share(full, base)
    together = config.engine.num_gpus
    found = list(
        fits(
            shape,
            job or A_ROW,
            min(base.context, MOST),
            share,
            config.full.optim,
            together=together,
        )
    )
    status = OK if any(one.fits for one in found) else ENVIRONMENT
    least = next((one.train_type for one in found if one.fits), LORA.name)
    then = command_of(
        "check",
        command.resolved,
        command.file,
        {"tuner": least} if least != LORA.name else None,
        command.environment,
    )
    if command.json:
        tell_json(
            {
                "status": status,
                "model": base.name,
                "rows": asdict(job) if job else None,
                "num_gpus": together,
                "forecast": [asdict(one) for one in found],
                "next": then,
            }
        )
        return status
    _show(base, job, found, together)
    show.conclusion(status == OK, [_verdict(found, job, together)], then if job else "")
    return status


def _asked(command: Command, journal: Journal) -> tuple[Base, Job | None]:
    """The model, and what its rows ask for where a dataset is named: checked as `check` does it."""
    config = command.resolved.config
    if not config.data.dataset:
        journal.settle()
        with journal.judging():
            return find_base(config.model.model or "", weights=False), None
    from suretune.api import job

    # The cards of the forecast need not be here.
    checked = job.look(command.resolved.with_values("plan", num_gpus=1), journal)
    if not command.json:
        show.findings(journal.findings, runs=False)
        journal.shown()
    return checked.base, _job(checked)


def _job(checked: Checked) -> Job:
    rows = [sample for row in checked.train for sample in row.samples]
    longest, updates = max(rows, key=lambda row: len(row.ids)), len(checked.plan.updates)
    ways = {name: otherwise(checked, tuner=name).resolved for name in NAMES}
    ranks = {name: spread_rank(way, checked.base) for name, way in ways.items()}
    return Job(
        longest=len(longest.ids),
        longest_learned=longest.learned,
        tokens=checked.plan.tokens / updates,
        learned=checked.plan.learned / updates,
        rank=ranks[checked.resolved.config.lora.tuner],
        ranks=ranks,
    )


def _show(base: Base, job: Job | None, found: Sequence[Fit], together: int) -> None:
    half = words("in half precision", "半精度")
    about = words(f"{base.name}, {half}.", f"{base.name}，{half}。")
    if job is None:
        about += words(
            " One row of 2,048 tokens an update; name `--dataset` for your own.",
            "按每次更新一行、每行 2,048 个 token 计算；写上 `--dataset` 就按你的数据计算。",
        )
    else:
        about += words(
            f" Your longest row has {job.longest:,} tokens, an update {job.tokens:,.0f}.",
            f"你的数据最长一行 {job.longest:,} 个 token，每次更新 {job.tokens:,.0f} 个。",
        )
    told = words(
        "Forecast, measured on none of these cards. Memory by the plan that a run proves before it"
        " trains (full: by the shapes alone); 0.5 GiB of each card in use. Speed by the maker's"
        " rate for the card; general questions that are learned along come on top.",
        "以下都是预测，没有在这些显卡上实测。显存按训练前会验证的显存计划计算"
        "（full 只按结构计算），每张卡已占用 0.5 GiB；速度按厂商公布的算力折算，"
        "一起学习的通用问题要另算。",
    )
    width = show.columns()
    tell("\n".join(show.lines(about, width)))
    tell("\n".join(show.lines(told, width)))
    times = f"{together} x " if together > 1 else ""
    rows = [
        (f"{times}{name}, {memory} GB", "\n".join(map(_said, ways)))
        for (name, memory), ways in groupby(found, key=lambda one: (one.card, one.memory))
    ]
    show.table(rows)


def _said(one: Fit) -> str:
    name, needs = NAMES[one.train_type], f"{one.needs / GIB:.1f} GiB"
    if one.optim == ADAMW_8BIT:
        name += words(", moments in 8 bits", "，8 位动量")
    if not one.fits:
        return words(f"{name}: does not fit, needs {needs}", f"{name}：放不下，需要 {needs}")
    rate = one.updates_an_hour
    fast = words(f"about {rate:,} updates an hour", f"每小时约 {rate:,} 次更新") if rate else ""
    if not rate and one.train_type == LORA.name:
        fast = words("so small that the card is not what limits", "模型太小，速度不取决于显卡")
    elif not rate:
        fast = words("its speed was not measured", "速度没有实测过")
    return words(
        f"{name}: fits, from {needs} on; rows up to {one.longest:,} tokens; {fast}",
        f"{name}：放得下，至少 {needs}；一行最长 {one.longest:,} 个 token；{fast}",
    )


def _verdict(found: Sequence[Fit], job: Job | None, together: int) -> Text:
    least = next((one for one in found if one.fits), None)
    if least is None:
        return Text(
            "It fits none of these cards: a smaller model, or a shorter `--max_length`.",
            "这些显卡都放不下：请换更小的模型，或减小 `--max_length`。",
        )
    name = NAMES[least.train_type]
    flag = "" if least.train_type == LORA.name else f" (`--train_type {least.train_type}`)"
    what = Text("Your rows fit", "你的数据") if job else Text("It fits", "这个模型")
    each = (
        Text(f" each ({together} GPUs)", f"（每张卡，共 {together} 张）")
        if together > 1
        else Text("", "")
    )
    return Text(
        f"{what.en} from {least.memory} GB{each.en} on, by {name}{flag} (forecast).",
        f"{what.zh}最小用 {least.memory} GB 显存{each.zh}就放得下，方式是 {name}{flag}（预测值）。",
    )
