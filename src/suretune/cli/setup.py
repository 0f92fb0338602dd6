"""`setup`: what this machine has, what it can train, what is missing and the command for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from suretune import phrases, show
from suretune.cli.out import tell, tell_json
from suretune.options_lora import LoraOptions
from suretune.phrases import words
from suretune.preflight.machine import NEEDS, numbers
from suretune.prepare.ready import MEASURED, Fits, can_train, driver_cuda, lacks, on_gpu
from suretune.prepare.seen import Card, Seen
from suretune.record.journal import ENVIRONMENT, OK
from suretune.tuning.lora import LORA
from suretune.types import Text
from suretune.words import say


def tell_about(seen: Seen, as_json: bool) -> int:
    """Print what was seen and what follows; 4 where something has to be mended before training."""
    fits, missing = can_train(seen), lacks(seen)
    status = ENVIRONMENT if any(lack.stops for lack in missing) else OK
    if as_json:
        tell_json(
            {
                "status": status,
                **asdict(seen),
                "can_train": [asdict(one) for one in fits],
                "missing": [asdict(one) for one in missing],
                "verdict": asdict(_verdict(seen, fits, status)),
            }
        )
        return status
    show.table(_facts(seen))
    _trainable(seen, fits)
    for lack in missing:
        show.lack(lack.stops, say(lack.what), lack.command)
    command = missing[0].command if status else "suretune demo"
    show.conclusion(
        status == OK,
        [_verdict(seen, fits, status)],
        command,
    )
    return status


def _facts(seen: Seen) -> list[tuple[str, str]]:
    old = words("(too old or missing)", "（太旧或缺失）")
    packages = [
        f"{name} {there or '–'}" + ("" if there and numbers(there) >= least else f" {old}")
        for name, least in NEEDS.items()
        for there in [seen.packages.get(name, "")]
    ]
    cards = "\n".join(map(_card, seen.cards))
    here, there = _size(seen.disk), _size(seen.cache_free)
    disk = words(
        f"{here} free here; models: {there} in {seen.cache}",
        f"这里剩余 {here}；模型缓存 {seen.cache} 剩余 {there}",
    )
    cores = words(
        f"{seen.cores} cores, {_size(seen.memory)} of memory free",
        f"{seen.cores} 核，可用内存 {_size(seen.memory)}",
    )
    return [
        (words("system", "系统"), f"{seen.system}, Python {seen.python}"),
        (words("processor", "处理器"), cores),
        (words("card", "显卡"), cards or words("no NVIDIA card found", "没有找到 NVIDIA 显卡")),
        (words("driver", "驱动"), _driver(seen)),
        ("torch", _torch(seen)),
        (words("packages", "依赖包"), words(", ", "，").join(packages[1:])),
        (words("disk", "磁盘"), disk),
        (words("model hubs", "模型下载源"), _hubs(seen)),
    ]


def _card(card: Card) -> str:
    free, total = _size(card.free), _size(card.total)
    return card.name + words(f", {free} of {total} free", f"，显存可用 {free}，共 {total}")


def _size(value: int | None) -> str:
    return words("unknown", "未知") if value is None else phrases.size(value)


def _driver(seen: Seen) -> str:
    if seen.driver_trouble:
        return seen.driver_trouble
    if not seen.driver:
        return words("none", "无")
    newest = driver_cuda(seen.driver)
    return words(
        f"{seen.driver}, runs builds up to CUDA {newest}", f"{seen.driver}，最高支持 CUDA {newest}"
    )


def _torch(seen: Seen) -> str:
    there = seen.packages.get("torch", "")
    if not there:
        return words("not installed", "没有安装")
    build = f"CUDA {seen.torch_cuda}" if seen.torch_cuda else "CPU"
    there_is, none = ("sees the card", "能看到显卡"), ("sees no card", "看不到显卡")
    sees = words(*(there_is if seen.torch_sees else none))
    how = words("cannot be imported", "无法导入") if seen.torch_trouble else sees
    return words(f"{there}, built for {build}; {how}", f"{there}，{build} 版；{how}")


def _hubs(seen: Seen) -> str:
    if seen.offline:
        return words("not tried: HF_HUB_OFFLINE is set", "没有尝试：设置了 HF_HUB_OFFLINE")
    up, down = words("answers", "可以连上"), words("no answer", "连不上")
    return "\n".join(f"{url}  {up if there else down}" for url, there in seen.hubs.items())


def _trainable(seen: Seen, fits: Sequence[Fits]) -> None:
    where = words("on the GPU", "在 GPU 上") if on_gpu(seen) else words("on the CPU", "在 CPU 上")
    rank = LoraOptions().lora_rank
    about = words(
        f"Forecast from the shapes, {where}, adapters of rank {rank}:",
        f"按模型结构预测，{where}，适配器秩 {rank}：",
    )
    _line(about)
    none = words("none of the sizes that were tried", "常见大小都放不下")
    show.table([(one.model, _fit(one)) for one in fits] or [("–", none)])
    _line(words("Measured elsewhere (docs/benchmarks.md):", "在别处实测（docs/benchmarks.md）："))
    show.table([("·", say(text)) for text in MEASURED])


def _line(text: str) -> None:
    tell("\n".join(show.lines(text, show.columns())))


def _fit(one: Fits) -> str:
    least = f"{one.bytes / 2**30:.1f} GiB"
    rows = words(f"; rows up to {one.longest:,} tokens", f"；一行最长 {one.longest:,} 个 token")
    said = words(f"{one.dtype}, from {least} on", f"{one.dtype}，至少 {least}")
    packed = "" if one.train_type == LORA.name else f"; `--train_type {one.train_type}`"
    return said + (rows if one.longest else "") + packed


def _largest(fits: Sequence[Fits]) -> str:
    """The largest model that fits, with the words that it needs."""
    if not fits:
        return "pocket"
    last = fits[-1]
    return last.model if last.train_type == LORA.name else f"{last.model} (--train_type qlora)"


def _verdict(seen: Seen, fits: Sequence[Fits], status: int) -> Text:
    if status:
        return Text(
            "Not ready: mend what is marked ✗, the first with the command below.",
            "还不能训练：请处理标有 ✗ 的问题，先执行下面的命令。",
        )
    largest = _largest(fits)
    if on_gpu(seen):
        name = seen.cards[0].name if seen.cards else "GPU"
        return Text(
            f"Ready: training runs on {name}; up to {largest} fits (forecast).",
            f"可以训练：在 {name} 上计算，最大放得下 {largest}（预测值）。",
        )
    return Text(
        f"Ready, on the CPU: slow beyond the bundled model; up to {largest} fits (forecast).",
        f"可以训练，但只能用 CPU：内置模型之外都会很慢；最大放得下 {largest}（预测值）。",
    )
