"""The second half of a report: what was done, with what, and how to check it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from suretune import labels, report_words
from suretune import phrases as p
from suretune.guards import heading_of
from suretune.phrases import Report, part, several, words
from suretune.reported import Adapter, Base, Loads, Planned, Setting, System, part_of, read
from suretune.verify.blocks import (
    Block,
    Command,
    Facts,
    Line,
    More,
    Paragraph,
    Piece,
    Section,
    Table,
    line,
    ticked,
)
from suretune.words import say

SHOWN = 50  # rows of the ledger that a report lists itself
DOSE = "dose"  # a stage that few runs have


def account(report: Report) -> tuple[Section, ...]:
    """The sections that say where every row and every second went."""
    return (
        _ledger(report),
        _plan(report),
        *_on_the_way(report),
        *_dose(report),
        _findings(report),
        _proof(report),
        _cost(report),
        _model(report),
        _config(report),
        _versions(report),
        _next(report),
    )


def _text(value: Any, style: str = "") -> Line:
    known = value is not None and value != ""
    return line(Piece(labels.listed(value), style) if known else Piece(p.not_measured(), "faint"))


# --- rows ---------------------------------------------------------------------------------------


def _ledger(report: Report) -> Section:
    sets = [s for s in several(report, "data", "datasets") if isinstance(s, Mapping)]
    blocks: list[Block] = [_datasets(sets) if sets else Paragraph(_text(None))]
    prompt = part_of(report.get("data"), System, "system")
    system, source = prompt.text, prompt.source
    if system or source:
        label = words("system prompt", "系统提示词")
        by = words(f"  ({labels.source(source)})", f"（{labels.source(source)}）")
        blocks.append(Facts(((label, (*_text(system), Piece(by, "faint"))),)))
    if reworded := sum(s.get("paraphrases") or 0 for s in sets):
        label = words("learned in other words as well", "另外换问法参与训练")
        blocks.append(Facts(((label, line(p.count(reworded))),)))
    unused = several(report, "data", "unused")
    if unused:
        blocks.append(_unused(unused, sets))
    return Section(
        "ledger",
        words("Every row accounted for", "每一行的去向"),
        tuple(blocks),
    )


def _datasets(sets: list[Any]) -> Table:
    parts = (
        ("train", words("learned", "参与训练")),
        ("held_out", words("held out", "留出")),
        ("left_out", words("left out", "未使用")),
        ("rejected", words("rejected", "被拒绝")),
        ("asked", words("only asked", "只用于提问")),
    )[: 5 if any(s.get("asked") for s in sets) else 4]
    head = (
        words("dataset", "数据集"),
        words("read", "读入"),
        *(name for _, name in parts),
        words("share of the loss", "占损失的比例"),
    )
    keys = [key for key, _ in parts]

    def row(name: Piece, one: Any) -> tuple[Line, ...]:
        counts = (line(p.share_of(one.get(key), one.get("read"))) for key in keys)
        return (line(name), line(p.count(one.get("read"))), *counts, line(p.percent(one["share"])))

    rows = [row(Piece(str(s.get("name") or "")), {"share": None, **s}) for s in sets]
    if len(sets) > 1:
        total: dict[str, Any] = {"share": 1.0}
        for key in ("read", *keys):
            counts = [s.get(key) for s in sets]
            total[key] = sum(counts) if all(p.is_number(n) for n in counts) else None
        rows.append(row(Piece(words("all", "全部"), "strong"), total))
    return Table(head, tuple(rows), frozenset(range(1, len(head))))


def _unused(unused: list[Any], sets: list[Any]) -> More:
    """The first rows that were not used; the datasets may know of more than were handed on."""
    counts = [s.get(key) or 0 for s in sets for key in ("left_out", "rejected")]
    asked = sum(entry.get("state") == "general" for entry in unused)
    known = max(len(unused), asked + sum(n for n in counts if p.is_number(n)))
    rows = tuple(
        (
            line(str(entry.get("row") or "")),
            line(p.state_word(entry.get("state"))),
            line(str(entry.get("reason") or "")),
        )
        for entry in unused[:SHOWN]
    )
    head = (words("row", "行"), words("what became of it", "去向"), words("reason", "原因"))
    blocks: list[Block] = [Table(head, rows)]
    if known > len(rows):
        more = known - len(rows)
        note = words(
            f"{more:,} more rows: ledger.jsonl", f"另有 {more:,} 行，见数据清单 ledger.jsonl"
        )
        blocks.append(Paragraph(line(Piece(note, "faint"))))
    return More(words(f"rows not used: {known:,}", f"没有使用的行：{known:,}"), tuple(blocks))


def _plan(report: Report) -> Section:
    plan = part_of(report, Planned, "plan")

    def steps(found: Sequence[int] | None) -> Line:
        if found is None:
            return _text(None)
        at = words("at update ", "在第 ") + ", ".join(str(s) for s in found[:12])
        rest = (", …" if len(found) > 12 else "") + words("", " 次更新后")
        return line(f"{len(found)}", Piece(f"  {at}{rest}" if found else "", "faint"))

    def number(value: int) -> Line:
        return line(p.count(value))

    learned = p.share_of(plan.learned, plan.tokens)
    beside = []
    if plan.anchor_tokens:
        added = p.share_of(plan.anchor_learned, plan.anchor_tokens)
        beside = [
            (words("tokens of anchors", "锚定问答的 token 数"), number(plan.anchor_tokens)),
            (words("learned tokens of anchors", "其中学习的 token 数"), line(added)),
        ]
    rate = (
        *line(p.decimal(plan.learning_rate)),
        Piece(f"  {labels.schedule(plan.schedule)}", "faint"),
    )
    rows = (
        (words("updates", "更新次数"), number(plan.updates)),
        (words("epochs", "轮数"), line(p.decimal(plan.epochs))),
        (words("rows per update", "每次更新的行数"), number(plan.rows_per_update)),
        (words("training rows", "训练行数"), number(plan.rows)),
        (words("held-out rows", "留出行数"), number(plan.held_out)),
        (words("tokens of the rows", "数据的 token 数"), number(plan.tokens)),
        (words("learned tokens of the rows", "其中学习的 token 数"), line(learned)),
        (words("longest row", "最长的一行"), number(plan.longest)),
        *beside,
        (words("learning rate", "学习率"), rate),
        (words("warm-up updates", "预热更新次数"), number(plan.warmup)),
        (words("evaluations", "评估次数"), steps(plan.eval_steps)),
        (words("checkpoints", "检查点"), steps(plan.save_steps)),
        (words("plan digest", "计划摘要值"), _text(plan.digest, "code")),
    )
    return Section("plan", words("Plan", "计划"), (Facts(rows),))


def _on_the_way(report: Report) -> tuple[Section, ...]:
    """What training got over; nothing at all where there was nothing."""
    rows = tuple(
        (labels.place(found.get("where")), ticked(p.told(found.get("what"))))
        for found in report_words.on_the_way(report)
    )
    title = words("What happened on the way", "途中发生了什么")
    return (Section("on-the-way", title, (Facts(rows),)),) if rows else ()


def _dose(report: Report) -> tuple[Section, ...]:
    """What was asked at which share of the trained strength; nothing where it was not asked."""
    value = part(report, "dose", "value")
    tried = [one for one in several(report, "dose", "tried") if isinstance(one, Mapping)]
    if not p.is_number(value):
        return ()

    def row(one: Report) -> tuple[Line, ...]:
        passes = words("✓ passes", "✓ 通过") if one.get("proven") else words("✗ no", "✗ 未通过")
        if not one.get("asked"):  # what the rows teach beside the probes is being lost
            passes = words("✗ held-out loss rises", "✗ 留出数据的损失升高")
        if one.get("dose") == value:
            passes += words(", published", "，已发布")
        probes, drift = p.share_of(one.get("passed"), one.get("asked")), one.get("drift")
        figures = (p.percent(one.get("general")), p.count(one.get("leaked")), p.decimal(drift))
        return (line(p.decimal(one.get("dose"))), line(probes), *map(line, figures), line(passes))

    head = (
        words("dose", "适配器强度"),
        words("probes passed", "通过的验证问题"),
        words("general questions right", "通用问题答对"),
        words("answered with the rows' words", "泄漏"),
        words("drift (KL from the base)", "与原模型的差异（KL）"),
        words("what was asked", "所问的问题"),
    )
    chosen = words(
        "The smallest share of the trained strength at which enough probes pass, and a margin"
        " more; "
        "general questions are asked of that one. No question that only the proof asks took part; "
        "checkpoints have full strength.",
        "取验证问题足以通过的最小强度，再留一些余量；通用问题只问要发布的这一级。"
        "这里没有用到最终验证才问的问题；检查点仍保留全部强度。",
    )
    if part(report, "dose", "given"):
        chosen = words("As `--adapter_dose` says.", "由 `--adapter_dose` 指定。")
    blocks: list[Block] = [Table(head, tuple(map(row, tried)), frozenset(range(5)))]
    said = Paragraph(
        ticked(
            (report_words.dose(report) or words("all of it", "全部")) + words(". ", "。") + chosen
        )
    )
    title = words(
        "Dose: how much of the trained adapter is published", "适配器强度：发布训练所得的几成"
    )
    return (Section("dose", title, (said, *(blocks if tried else ()))),)


def _findings(report: Report) -> Section:
    title = words("Findings", "检查结果")
    if report.get("findings") is None:
        return Section("findings", title, (Paragraph(_text(None)),))
    rows = []
    for found in several(report, "findings"):
        fate = p.fate(found.get("fate"))
        state = labels.severity(True) if found.get("stops") else fate
        style = "bad" if found.get("stops") else ""
        if found.get("ignored"):
            state, style = words("ignored on request", "按要求忽略"), "strong"
        name = say(heading_of(f"{found.get('code') or ''} {found.get('name') or ''}"))
        where = labels.place(found.get("where"))
        about = (
            Piece(name, "strong"),
            Piece("\n"),
            Piece(state, style),
            Piece(f"\n{where}" if where else "", "faint"),
        )
        parts = (p.told(found.get(key)) for key in ("what", "why", "fix"))
        rows.append((about, *map(ticked, parts)))
    if not rows:
        return Section("findings", title, (Paragraph(line(words("none", "没有"))),))
    head = (words("finding", "检查项"), *map(say, (labels.WHAT, labels.WHY, labels.FIX)))
    return Section("findings", title, (Table(head, tuple(rows), prose=True),))


# --- proof and cost -----------------------------------------------------------------------------


def _proof(report: Report) -> Section:
    proof = report.get("proof")
    gap, most = p.decimal(part(proof, "logits_gap")), p.decimal(part(proof, "logits_tolerance"))
    matched = p.count(part(proof, "tensors_matched"))
    tensors = f"{matched} / {p.count(part(proof, 'tensors_saved'))}" if proof else p.not_measured()
    process = part(proof, "process")
    fresh = words("a fresh one", "全新的进程") if process == "fresh" else process
    apart = part(proof, "skills_apart")
    beside = []
    if p.is_number(apart) and apart:
        name = words("skills asked on the way alone", "只在训练途中问的测试题")
        why = words("  they steered the training", "  它们影响了训练，不再用来验证")
        beside = [(name, line(p.count(apart), Piece(why, "faint")))]
    rows = (
        (words("process", "进程"), (*_text(fresh), Piece(_pid(proof), "faint"))),
        (words("tensors matched", "匹配的张量"), line(tensors)),
        (
            words("logits, reloaded against in memory", "logits：重新加载与内存中相比"),
            line(gap, Piece(words("  allowed: ", "  允许：") + most, "faint")),
        ),
        (
            words("logits, tuned against base", "logits：微调后与原模型相比"),
            line(p.decimal(part(proof, "logits_change"))),
        ),
        *beside,
    )
    blocks: list[Block] = [Facts(rows)]
    hashes = report.get("hashes")
    if isinstance(hashes, Mapping) and hashes:
        table = tuple((line(str(k)), line(Piece(str(v), "code"))) for k, v in hashes.items())
        head = (words("file", "文件"), "SHA-256")
        summary = words(f"hashes of {len(table)} files", f"{len(table)} 个文件的哈希值")
        blocks.append(More(summary, (Table(head, table),)))
    return Section("proof", words("Proof", "验证"), tuple(blocks))


def _pid(proof: Any) -> str:
    pid = part(proof, "pid")
    return words(f"  pid {pid}", f"  进程号 {pid}") if pid is not None else ""


def _cost(report: Report) -> Section:
    since = report_words.counted_since(report)
    stages = (
        ("startup", words("start, check, imports", "启动、检查、导入")),
        ("load", words("base loaded and proven to fit", "加载原模型并确认放得下")),
        ("base_answers", words("answers of the base", "原模型作答")),
        ("train", words("training", "训练")),
        (DOSE, words("lower doses asked", "试较小的强度")),
        ("proof", words("proof", "验证")),
        ("total", report_words.in_all(report)),
    )
    seconds = [(key, name, part(report, "seconds", key)) for key, name in stages]
    known = [(name, s) for key, name, s in seconds if s is not None or key != DOSE]
    rows = [(words("counted", "统计范围"), line(since))] if since else []
    rows += [(name, line(p.duration(s))) for name, s in known]
    rows.append(
        (words("tokens per second", "每秒 token 数"), line(p.count(report_words.speed(report))))
    )
    share = report_words.limit_share(report)
    if share is not None:
        name = words("share of the device's measured limit", "达到本设备实测极限的比例")
        rows.append((name, line(p.percent(share))))
    rows.append((words("peak memory", "显存峰值"), line(p.size(report_words.peak_memory(report)))))
    return Section(
        "cost",
        words("Time and memory", "时间与显存"),
        (Facts(tuple(rows)),),
    )


def _model(report: Report) -> Section:
    model, adapter = part_of(report, Base, "model"), part_of(report, Adapter, "adapter")
    rules = part_of(report.get("adapter"), Loads, "vllm")
    loads, why = rules.loads, p.told(rules.why)
    vllm = _text(None)
    if loads is not None:
        word = words("✓ by its rules it loads", "✓ 按其规则可加载")  # looked up, not tried
        word = word if loads else words("✗ by its rules it does not load", "✗ 按其规则不可加载")
        vllm = line(Piece(word, "good" if loads else "bad"), Piece(f"  {why}", "faint"))
    shape = p.not_measured()
    in_layers = []
    if adapter.rank is not None:
        where = line(Piece(adapter.layers)) if adapter.layers else line(words("all", "全部"))
        in_layers = [(words("in layers", "所在的层"), where)]
        shape = words(
            f"rank {adapter.rank}, alpha {adapter.alpha}",
            f"秩 {adapter.rank}，alpha {adapter.alpha}",
        )
    elif report_words.is_whole(report):
        shape = words("none: the base's own weights learned", "无：训练的是原模型自身的权重")
    rows = (
        (words("base", "原模型"), _text(model.name)),
        (words("type", "类型"), _text(model.type)),
        (words("parameters", "参数量"), line(p.count(model.parameters))),
        (words("trained", "训练的参数"), line(p.share_of(model.trainable, model.parameters))),
        (words("precision", "精度"), _text(model.dtype)),
        (words("device", "设备"), _text(model.device)),
        (words("fingerprint", "指纹"), _text(model.fingerprint, "code")),
        (words("adapter", "适配器"), line(shape)),
        (words("kinds of layers", "层的种类"), _text(adapter.targets)),
        *in_layers,
        (words("tensors", "张量"), line(p.count(adapter.tensors))),
        ("vLLM", vllm),
    )
    return Section("model", words("Model and adapter", "模型与适配器"), (Facts(rows),))


# --- settings -----------------------------------------------------------------------------------


def _config(report: Report) -> Section:
    title = words("Settings, and who set them", "设置及其来源")
    told = [s for s in several(report, "config") if isinstance(s, Mapping)]
    settings = [read(Setting, one) for one in told]
    if not settings:
        return Section("config", title, (Paragraph(_text(None)),))
    chosen = [s for s in settings if s.origin != "default"]
    usual = [s for s in settings if s.origin == "default"]
    blocks: list[Block] = [_settings(chosen)] if chosen else []
    if usual:
        summary = words(f"{len(usual)} at their default", f"{len(usual)} 项为默认值")
        blocks.append(More(summary, (_settings(usual),)))
    return Section("config", title, tuple(blocks))


def _settings(settings: list[Setting]) -> Table:
    head = (words("setting", "设置"), words("value", "值"), words("origin", "来源"))
    rows = tuple(
        (
            line(Piece(s.name or "", "code")),
            line(labels.setting(s.value)),
            line(Piece(labels.origin(s.origin), "faint")),
        )
        for s in settings
    )
    return Table(head, rows)


def _versions(report: Report) -> Section:
    versions = report.get("versions")
    rows: tuple[tuple[str, Line], ...] = ()
    if isinstance(versions, Mapping):
        rows = tuple((str(name), _text(version)) for name, version in versions.items())
    title = words("Versions", "版本")
    block: Block = Facts(rows) if rows else Paragraph(_text(None))
    return Section("versions", title, (block,))


def _next(report: Report) -> Section:
    commands = tuple(
        Command(p.told(item.get("what")), str(item.get("command") or ""))
        for item in several(report, "next")
    )
    nothing = Paragraph(line(words("none", "没有")))
    return Section("next", words("Next", "接下来"), commands or (nothing,))
