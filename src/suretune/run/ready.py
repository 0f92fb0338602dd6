"""What a machine that was looked at can train, what it lacks, and the one command for each lack."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version

from suretune import typed
from suretune.model.keep import Keep, Policy
from suretune.model.memory import CONTEXT, GIB, TILES, Shape, fixed, needed
from suretune.options import LoraOptions
from suretune.run.machine import NEEDS, numbers
from suretune.run.seen import HUBS, Seen
from suretune.types import Text

ROW = 2048  # tokens of the row that a forecast is about, half of them learned
MOST = 131_072  # tokens up to which the longest row is looked for
# Of Qwen2.5, as their config.json have them: the forecast needs no file of theirs.
SIZES = {
    "Qwen2.5-0.5B": Shape(24, 896, 14, 2, 64, 4864, 151_936, True, 2),
    "Qwen2.5-1.5B": Shape(28, 1536, 12, 2, 128, 8960, 151_936, True, 2),
    "Qwen2.5-3B": Shape(36, 2048, 16, 2, 128, 11_008, 151_936, True, 2),
    "Qwen2.5-7B": Shape(28, 3584, 28, 4, 128, 18_944, 152_064, False, 2),
    "Qwen2.5-14B": Shape(48, 5120, 40, 8, 128, 13_824, 152_064, False, 2),
    "Qwen2.5-32B": Shape(64, 5120, 40, 8, 128, 27_648, 152_064, False, 2),
    "Qwen2.5-72B": Shape(80, 8192, 64, 8, 128, 29_568, 152_064, False, 2),
}
MEASURED = (  # docs/benchmarks.md
    Text(
        "Qwen2.5-7B's shape in bfloat16, an H200 limited to 24 GiB: 17,961 tokens/s, longest row "
        "49,152 tokens",
        "与 Qwen2.5-7B 结构相同的模型，bfloat16，H200 限用 24 GiB 显存：每秒 17,961 个 token，"
        "最长一行 49,152 个 token",
    ),
)
DRIVERS = ((580, 13), (525, 12), (450, 11))  # from this driver on, builds of this CUDA run
WHEELS = ((580, "cu130"), (570, "cu128"), (0, "cu126"))  # the builds that the driver runs
WHEEL = "https://download.pytorch.org/whl"
TIGHT, LITTLE = 2 * GIB, 20 * GIB  # of a disk: too little for anything; for a 7B and its run
EXTRAS = ("serve", "sweep", "benchmark")


@dataclass(frozen=True, slots=True)
class Lack:
    """Something that is missing or amiss; `stops`: no training here before it is mended."""

    what: Text
    command: str
    stops: bool = True


@dataclass(frozen=True, slots=True)
class Fits:
    """A model that can be trained here, by the memory plan: bytes for one row of ROW tokens, and
    the longest row; 0 on a CPU, whose engine keeps more than the plan knows."""

    model: str
    dtype: str
    bytes: float
    longest: int


def on_gpu(seen: Seen) -> bool:
    """Whether a run would compute on a GPU."""
    return bool(seen.torch_sees)


def can_train(seen: Seen) -> list[Fits]:
    """By the shapes alone, within the memory that is free: on a GPU in half precision, on a CPU in
    float32. The largest comes last."""
    gpu = on_gpu(seen)
    free = max((card.free or card.total for card in seen.cards), default=0)
    room = free + CONTEXT if gpu else (seen.memory or 0)
    dtype = ("float16" if seen.bf16 is False else "bfloat16") if gpu else "float32"
    found = []
    for name, half in SIZES.items():
        shape = half if gpu else _wider(half)
        least = _wanted(shape, ROW)
        if least <= room:
            found.append(Fits(name, dtype, least, _longest(shape, room) if gpu else 0))
    return found


def _wider(half: Shape) -> Shape:
    return Shape(half.layers, half.hidden, half.heads, half.kv_heads, half.head_dim, half.inner,
                 half.vocabulary, half.tied, 4)  # fmt: skip


def _wanted(shape: Shape, tokens: int) -> float:
    """The least that one row of these many tokens takes, half of them learned."""
    least = Policy((Keep.HOST,) * shape.layers, TILES[-1], 512)
    rank = LoraOptions().lora_rank
    return fixed(shape, rank) + needed(shape, least, tokens, tokens // 2)


def _longest(shape: Shape, room: float) -> int:
    """Tokens, a multiple of 1,024."""
    low, high = ROW // 1024, MOST // 1024
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if _wanted(shape, middle * 1024) <= room else (low, middle - 1)
    return low * 1024


def lacks(seen: Seen) -> list[Lack]:
    """What stops training first, then what is only worth knowing."""
    found = [*_packages(seen), *_torch_and_driver(seen), *_disk(seen), *_hubs(seen), *_extras()]
    return sorted(found, key=lambda lack: not lack.stops)


def _pip(*words: str) -> str:
    """An install into the very environment that runs."""
    if importlib.util.find_spec("pip") is None:
        return typed.command("uv", "pip", "install", "--python", sys.executable, *words)
    return typed.command(sys.executable, "-m", "pip", "install", *words)


def _wheel(seen: Seen) -> list[str]:
    """Words that get the torch whose build this driver runs."""
    wanted = f"torch>={'.'.join(map(str, NEEDS['torch']))}"
    major = numbers(seen.driver)[:1] or (0,)
    build = next(name for least, name in WHEELS if major[0] >= least) if seen.cards else "cpu"
    return [wanted, "--index-url", f"{WHEEL}/{build}"]


def driver_cuda(driver: str) -> int | None:
    """The newest CUDA, its first number, whose builds a driver runs; None where it is not known."""
    major = re.match(r"\d+", driver)
    if major is None:
        return None
    return next((cuda for least, cuda in DRIVERS if int(major[0]) >= least), 10)


def _packages(seen: Seen) -> Iterator[Lack]:
    for name, least in NEEDS.items():
        there, wanted = seen.packages.get(name, ""), f"{name}>={'.'.join(map(str, least))}"
        if there and numbers(there) >= least:
            continue
        words = ["--upgrade", *_wheel(seen)] if name == "torch" else ["--upgrade", wanted]
        what = Text(f"{name} is not installed.", f"没有安装 {name}。")
        if there:
            what = Text(f"{name} {there} is too old.", f"{name} {there} 太旧。")
        yield Lack(what, _pip(*words))


def _torch_and_driver(seen: Seen) -> Iterator[Lack]:
    torch = seen.packages.get("torch", "")
    if seen.driver_trouble:
        yield Lack(Text(
            f"nvidia-smi is there, but the driver does not answer: {seen.driver_trouble}",
            f"有 nvidia-smi，但驱动没有应答：{seen.driver_trouble}",
        ), "sudo modprobe nvidia")  # fmt: skip
    known = driver_cuda(seen.driver)
    if seen.cards and known is not None and known < 12:
        yield Lack(Text(
            f"The driver {seen.driver} is too old for any torch that suretune takes: 525 at least."
            " In a container it is the host's.",
            f"驱动 {seen.driver} 太旧，至少需要 525；在容器里要更新的是宿主机的驱动。",
        ), "sudo ubuntu-drivers install")  # fmt: skip
        return
    if not torch:
        return
    again = _pip("--force-reinstall", *_wheel(seen))
    if seen.torch_trouble:
        yield Lack(Text(
            f"torch {torch} cannot be imported: {seen.torch_trouble}",
            f"torch {torch} 无法导入：{seen.torch_trouble}",
        ), again)  # fmt: skip
    elif seen.cards and not seen.torch_cuda:
        yield Lack(Text(
            f"There is a {seen.cards[0].name}, but torch {torch} is built for the CPU.",
            f"有显卡 {seen.cards[0].name}，但装的是 CPU 版 torch（{torch}）。",
        ), again)  # fmt: skip
    elif seen.cards and known is not None and int(seen.torch_cuda.split(".")[0]) > known:
        yield Lack(Text(
            f"torch {torch} is built for CUDA {seen.torch_cuda}; the driver {seen.driver} runs"
            f" builds up to CUDA {known}.",
            f"torch {torch} 是 CUDA {seen.torch_cuda} 版，"
            f"驱动 {seen.driver} 最高支持 CUDA {known}。",
        ), again)  # fmt: skip
    elif seen.cards and seen.torch_sees is False:
        yield Lack(Text(
            "The driver has a card and torch sees none: CUDA_VISIBLE_DEVICES may hide it.",
            "驱动能看到显卡，torch 看不到：可能被 CUDA_VISIBLE_DEVICES 挡住了。",
        ), "unset CUDA_VISIBLE_DEVICES")  # fmt: skip


def _disk(seen: Seen) -> Iterator[Lack]:
    if not seen.writable:
        yield Lack(Text(
            "Nothing can be written into the current folder.", "当前文件夹不能写入。",
        ), 'cd "$(mktemp -d)"')  # fmt: skip
    elif seen.disk is not None and seen.disk < LITTLE:
        yield Lack(Text(
            f"Only {seen.disk / GIB:.1f} GiB are free on this disk.",
            f"这块磁盘只剩 {seen.disk / GIB:.1f} GiB。",
        ), "du -xh --max-depth=2 ~ | sort -h | tail", stops=seen.disk < TIGHT)  # fmt: skip
    if not seen.cache_writable:
        yield Lack(Text(
            f"Models cannot be kept in {seen.cache}: it is not writable.",
            f"{seen.cache} 不能写入，下载的模型没有地方放。",
        ), 'export HF_HOME="$PWD/huggingface"', stops=False)  # fmt: skip


def _hubs(seen: Seen) -> Iterator[Lack]:
    """Offline is no fault; a hub that does not answer is one only where another would."""
    if seen.offline or not seen.hubs:
        return
    first, there = next(iter(seen.hubs)), [url for url, up in seen.hubs.items() if up]
    if seen.hubs[first] or not there:
        return
    silent = Text(f"{first} does not answer. ", f"{first} 连不上。")
    if there[0] == HUBS[2]:
        fetch = (
            "modelscope download --model Qwen/Qwen2.5-7B-Instruct --local_dir Qwen2.5-7B-Instruct"
        )
        yield Lack(Text(
            f"{silent.en}ModelScope does: a model can be fetched from there.",
            f"{silent.zh}魔搭可以连上，模型可以从那里下载。",
        ), f"{_pip('modelscope')} && {fetch}", stops=False)  # fmt: skip
        return
    yield Lack(Text(f"{silent.en}{there[0]} does.", f"{silent.zh}{there[0]} 可以。"),
               f"export HF_ENDPOINT={there[0]}", stops=False)  # fmt: skip


def _extras() -> Iterator[Lack]:
    """Packages of suretune's own extras that are not there: by their names, for any install."""
    try:
        wanted = requires("suretune") or []
    except PackageNotFoundError:
        return
    for extra in EXTRAS:
        names = [line.partition(";")[0].strip() for line in wanted
                 if re.search(rf"extra == ['\"]{extra}['\"]", line)]  # fmt: skip
        gone = [name for name in names if not _installed(name)]
        if gone:
            yield Lack(Text(
                f"`suretune {extra}` needs packages that are not installed.",
                f"`suretune {extra}` 需要的包还没有安装。",
            ), _pip(*gone), stops=False)  # fmt: skip


def _installed(requirement: str) -> bool:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    try:
        return bool(found and version(found[0]))
    except PackageNotFoundError:
        return False
