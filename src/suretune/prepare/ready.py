"""What a machine that was looked at can train, what it lacks, and the one command for each lack."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.metadata import PackageNotFoundError, requires, version

from suretune import typed
from suretune.model.memory import CONTEXT, GIB, Shape, least_needed
from suretune.options_lora import LoraOptions
from suretune.preflight.machine import NEEDS, numbers
from suretune.prepare.cards import ROW, SIZES, longest_row
from suretune.prepare.seen import HUBS, Seen
from suretune.tuning.lora import LORA
from suretune.tuning.qlora import QLORA
from suretune.types import Text

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
EXTRAS = {"serve": "serve", "sweep": "sweep", "benchmark": "verify --benchmark"}  # for which words


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
    train_type: str = LORA.name  # the first that fits


def on_gpu(seen: Seen) -> bool:
    """Whether a run would compute on a GPU."""
    return bool(seen.torch_sees)


def can_train(seen: Seen) -> list[Fits]:
    """By the shapes alone, within the memory that is free: on a GPU in half precision, on a CPU in
    float32. The largest comes last."""
    gpu = on_gpu(seen)
    # A card that is full has nothing free; of one that does not say, it is taken to have all.
    rooms = (card.total if card.free is None else card.free for card in seen.cards)
    free = max((room or 0 for room in rooms), default=0)
    room = free + CONTEXT if gpu else (seen.memory or 0)
    dtype = ("float16" if seen.bf16 is False else "bfloat16") if gpu else "float32"
    rank = LoraOptions().lora_rank
    found = []
    for name, half in SIZES.items():
        shape = half if gpu else _wider(half)
        for tuner in (LORA, QLORA) if gpu else (LORA,):
            packed = replace(shape, packed=tuner.packed)
            least = least_needed(packed, rank, ROW, ROW // 2)
            if least <= room:
                longest = longest_row(packed, rank, room) if gpu else 0
                found.append(Fits(name, dtype, least, longest, tuner.name))
                break
    return found


def _wider(half: Shape) -> Shape:
    return replace(half, bytes=4)


def lacks(seen: Seen) -> list[Lack]:
    """What stops training first, then what is only worth knowing."""
    found = [*_packages(seen), *_torch_and_driver(seen), *_disk(seen), *_hubs(seen), *_extras()]
    return sorted(found, key=lambda lack: not lack.stops)


def _pip(*words: str) -> str:
    """An install into the very environment that runs."""
    if importlib.util.find_spec("pip") is None:
        return typed.command(
            "uv",
            "pip",
            "install",
            "--python",
            sys.executable,
            *words,
        )
    return typed.command(
        sys.executable,
        "-m",
        "pip",
        "install",
        *words,
    )


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


def _lack(
    en: str,
    zh: str,
    command: str,
    *,
    stops: bool = True,
) -> Lack:
    return Lack(Text(en, zh), command, stops)


def _packages(seen: Seen) -> Iterator[Lack]:
    for name, least in NEEDS.items():
        there, wanted = seen.packages.get(name, ""), f"{name}>={'.'.join(map(str, least))}"
        if there and numbers(there) >= least:
            continue
        mend = _pip("--upgrade", *(_wheel(seen) if name == "torch" else [wanted]))
        old = f"{name} {there} is too old.", f"{name} {there} 太旧。"
        none = f"{name} is not installed.", f"没有安装 {name}。"
        yield _lack(*(old if there else none), mend)


def _torch_and_driver(seen: Seen) -> Iterator[Lack]:
    torch, trouble = seen.packages.get("torch", ""), seen.driver_trouble
    if trouble:
        en = f"nvidia-smi is there, but the driver does not answer: {trouble}"
        yield _lack(
            en,
            f"有 nvidia-smi，但驱动没有应答：{trouble}",
            "sudo modprobe nvidia",
        )
    known = driver_cuda(seen.driver)
    if seen.cards and known is not None and known < 12:
        en = f"The driver {seen.driver} is too old for suretune's torch, which needs 525; in a"
        zh = f"驱动 {seen.driver} 太旧，至少需要 525；在容器里要更新的是宿主机的驱动。"
        yield _lack(
            f"{en} container it is the host's.",
            zh,
            "sudo ubuntu-drivers install",
        )
    elif torch and (told := _unfit(seen, torch, known)):
        yield _lack(*told, _pip("--force-reinstall", *_wheel(seen)))
    elif torch and seen.cards and seen.torch_sees is False:
        en = "The driver has a card and torch sees none: CUDA_VISIBLE_DEVICES may hide it."
        zh = "驱动能看到显卡，torch 看不到：可能被 CUDA_VISIBLE_DEVICES 挡住了。"
        yield _lack(en, zh, "unset CUDA_VISIBLE_DEVICES")


def _unfit(
    seen: Seen,
    torch: str,
    known: int | None,
) -> tuple[str, str] | None:
    """Why another build of torch is needed, in both languages."""
    cuda, why = seen.torch_cuda, seen.torch_trouble
    if why:
        return f"torch {torch} cannot be imported: {why}", f"torch {torch} 无法导入：{why}"
    if not seen.cards:
        return None
    card = seen.cards[0].name
    if not cuda:
        en = f"There is a {card}, but torch {torch} is built for the CPU."
        return en, f"有显卡 {card}，但装的是 CPU 版 torch（{torch}）。"
    if known is None or int(cuda.split(".")[0]) <= known:
        return None
    en = f"torch {torch} is built for CUDA {cuda}; the driver runs builds up to CUDA {known}."
    return en, f"torch {torch} 是 CUDA {cuda} 版，驱动最高支持 CUDA {known}。"


def _disk(seen: Seen) -> Iterator[Lack]:
    if not seen.writable:
        en = "Nothing can be written into the current folder."
        yield _lack(en, "当前文件夹不能写入。", 'cd "$(mktemp -d)"')
    elif seen.disk is not None and seen.disk < LITTLE:
        left, look = f"{seen.disk / GIB:.1f} GiB", "du -xh --max-depth=2 ~ | sort -h | tail"
        en, zh = f"Only {left} are free on this disk.", f"这块磁盘只剩 {left}。"
        yield _lack(en, zh, look, stops=seen.disk < TIGHT)
    if not seen.cache_writable:
        en = f"Models cannot be kept in {seen.cache}: it is not writable."
        zh = f"{seen.cache} 不能写入，下载的模型没有地方放。"
        yield _lack(
            en,
            zh,
            'export HF_HOME="$PWD/huggingface"',
            stops=False,
        )


def _hubs(seen: Seen) -> Iterator[Lack]:
    """Offline is no fault; a hub that does not answer is one only where another would."""
    there = [url for url, up in seen.hubs.items() if up]
    first = next(iter(seen.hubs), "")
    if seen.offline or not there or seen.hubs[first]:
        return
    en, zh = f"{first} does not answer; {there[0]} does.", f"{first} 连不上，{there[0]} 可以。"
    mend = f"export HF_ENDPOINT={there[0]}"
    if there[0] == HUBS[2]:
        model = "Qwen/Qwen2.5-7B-Instruct"
        fetch = f"modelscope download --model {model} --local_dir {model.partition('/')[2]}"
        mend = f"{_pip('modelscope')} && {fetch}"
    yield _lack(en, zh, mend, stops=False)


def _extras() -> Iterator[Lack]:
    """Packages of suretune's own extras that are not there: by their names, for any install."""
    try:
        wanted = requires("suretune") or []
    except PackageNotFoundError:
        return
    for extra, verb in EXTRAS.items():
        names = [
            line.partition(";")[0].strip()
            for line in wanted
            if re.search(rf"extra == ['\"]{extra}['\"]", line)
        ]
        gone = [name for name in names if not _installed(name)]
        if gone:
            en = f"`suretune {verb}` needs packages that are not installed."
            yield _lack(
                en,
                f"`suretune {verb}` 需要的包还没有安装。",
                _pip(*gone),
                stops=False,
            )


def _installed(requirement: str) -> bool:
    found = re.match(r"[A-Za-z0-9._-]+", requirement)
    try:
        return bool(found and version(found[0]))
    except PackageNotFoundError:
        return False
