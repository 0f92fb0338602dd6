"""What a checked run would take, from shapes and plan alone; no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from suretune.config import Resolved
from suretune.data.base import Base
from suretune.data.choose import LOWER, chosen_anew, spread_rank
from suretune.data.learning import Learning, learning_of
from suretune.data.template import word_files
from suretune.data.weights import bytes_on_disk, weight_files
from suretune.facts import Facts, JudgedFacts, SetupFacts
from suretune.families import fused_layers
from suretune.model.memory import GIB, Shape, host_needed, least_needed, shape_of
from suretune.options_lora import ALL_LINEAR
from suretune.preflight.asked import asks_to_judge
from suretune.preflight.check import Checked
from suretune.preflight.machine import OWN, VALUE, too_little_room
from suretune.preflight.outlook import sees_cuda
from suretune.preflight.whole import is_whole, processes_of
from suretune.retention import asked_at_most
from suretune.train.place import here
from suretune.tuning import TUNERS
from suretune.tuning.full import ADAMW, ADAMW_8BIT, MOMENTS, moments_bytes
from suretune.tuning.lora import LORA
from suretune.tuning.qlora import QLORA
from suretune.types import Text

NEW = "run-new"  # in the folder that was asked for; no run is called so
HALF = 2  # bytes a value in half precision


def least_bytes(
    checked: Checked,
    bytes_each: int,
    optim: str = "",
) -> tuple[float, str] | None:
    """(the least that the run needs on a GPU, every layer's input on the host; the row that decides
    it), or None for a model whose layers are not known. optim: of a base that learns itself, where
    not as it was asked; where nothing was asked, its moments are in 8 bits."""
    if fused_layers(checked.base.text.get("model_type")) is None:
        return None
    lora = checked.resolved.config.lora
    least = ADAMW if processes_of(checked.resolved) > 1 else ADAMW_8BIT
    optim = optim or checked.resolved.config.full.optim or least
    shape = replace(
        shape_of(checked.base.text, bytes_each),
        packed=checked.base.packed,
        learned=learned_share(checked.resolved, checked.base),
        lengths=lora.use_dora and not is_whole(checked.resolved),
    )
    if shape.learned:
        moments, size = _moments(checked, shape, optim), processes_of(checked.resolved)
        shape = replace(shape, moments=moments, processes=size)
    rows = [sample for row in checked.train for sample in row.samples]
    longest = max(rows, key=lambda row: len(row.ids))
    config = checked.resolved.config
    every = tuple(lora.target_modules) == (ALL_LINEAR,)
    # Of some kinds of layers it is none: the least is what matters.
    rank = spread_rank(checked.resolved, checked.base) if every else 0
    # In 8 bits the base lies there three times: in bfloat16, and once per direction.
    weight = bytes_each + 2 if config.engine.base_dtype == "fp8" else None
    wanted = least_needed(shape, rank, len(longest.ids), longest.learned, weight)
    return wanted, str(longest.origin)


def _moments(checked: Checked, shape: Shape, optim: str) -> float:
    """Bytes of a learned value's two moments."""
    found = learning_of(checked.base, checked.resolved.config.full)
    if isinstance(found, Learning) and found.count:
        return moments_bytes(optim, found.learned)
    return shape.moments_8bit if optim == ADAMW_8BIT else MOMENTS


def host_bytes(
    checked: Checked,
    bytes_each: int,
    optim: str,
    *,
    on_card: bool,
) -> float:
    """The least of the host's own memory that a run needs whose base learns itself; its weights are
    here."""
    found = learning_of(checked.base, checked.resolved.config.full)
    if isinstance(found, SetupFacts):
        return 0.0
    total = processes_of(checked.resolved)
    beside = min(total, here().beside) if here().size > 1 else total
    return host_needed(
        found.count + sum(found.frozen.values()),
        found.count,
        bytes_each,
        moments_bytes(optim, found.learned),
        beside,
        beside / total,
        on_card=on_card,
    )


def too_small(
    checked: Checked,
    bytes_each: int,
    room: float,
    optim: str = "",
) -> SetupFacts | None:
    """The least that the run needs against what the card has."""
    least = least_bytes(checked, bytes_each, optim)
    if least is None or least[0] <= room:
        return None
    found = Text(
        f"{least[0] / GIB:.1f} GiB needed at least, {room / GIB:.1f} GiB there",
        f"至少需要 {least[0] / GIB:.1f} GiB，共有 {room / GIB:.1f} GiB",
    )
    offer = would_fit(checked, bytes_each, room)
    return SetupFacts("out-of-memory", least[1], found=found, nearest=offer)


def no_room(checked: Checked) -> SetupFacts | None:
    """Whether the disk under `--output_dir` has too little room for the least that the run writes;
    None also for a model whose layers are not known, or not their sizes."""
    if fused_layers(checked.base.text.get("model_type")) is None:
        return None
    resolved, base = checked.resolved, checked.base
    asked = resolved.config.run.output_dir
    moments, whole = float(MOMENTS), 0
    if is_whole(resolved):
        found = learning_of(base, resolved.config.full)
        if isinstance(found, SetupFacts):
            return None
        trained, whole = found.count, bytes_on_disk(base.folder)
        moments = moments_bytes(resolved.config.full.optim or ADAMW_8BIT, found.learned)
    else:
        every = tuple(resolved.config.lora.target_modules) == (ALL_LINEAR,)
        try:
            one = shape_of(base.text, HALF).lora(spread_rank(resolved, base) * every)
            trained = base.layers * one
        except KeyError:
            return None
    short = too_little_room(
        Path(asked).expanduser().absolute() / NEW,
        trained,
        checked.plan,
        resolved.config.schedule.save_total_limit,
        whole,
        moments,
        kept=VALUE,
        words=sum(path.stat().st_size for path in word_files(checked.tokenizer.folder)),
        own=OWN,
    )
    return replace(short, detail=asked) if short else None


def would_fit(checked: Checked, bytes_each: int, room: float) -> str:
    """`--lora_rank 16` or 8, `--optim adamw_8bit`, `--train_type lora` or `qlora`, the first that
    fits where what was chosen or asked for does not; else nothing."""
    resolved, base = checked.resolved, checked.base
    ways: list[tuple[str, dict[str, Any]]] = []
    if resolved.chosen("lora_rank"):
        ways += [(f"--lora_rank {rank}", {"lora_rank": rank}) for rank in LOWER]
    if is_whole(resolved) and processes_of(resolved) == 1:
        ways.append((f"--optim {ADAMW_8BIT}", {"optim": ADAMW_8BIT}))
    if not (base.packed or resolved.config.engine.base_dtype):
        ways += [(f"--train_type {to.name}", {"tuner": to.name}) for to in (LORA, QLORA)]
    for said, asked in ways:
        least = least_bytes(otherwise(checked, **asked), bytes_each)
        if least and least[0] <= room:
            return said
    return ""


def proof_outlook(checked: Checked, ignored: Collection[str]) -> Iterator[Facts]:
    """What of the proof is known before training, but for codes that are ignored."""
    asked = checked.resolved
    judged = checked.identity is not None or asks_to_judge(asked)
    if "R009" not in ignored:
        yield JudgedFacts(
            int(judged),
            bool(checked.held_out),
            ahead=True,
            rows=max(Counter(row.example.dataset for row in checked.train).values(), default=0),
        )
    most = asked.config.proof.general_questions
    if most is not None and "R018" not in ignored:
        yield asked_at_most(most)


def otherwise(checked: Checked, **asked: Any) -> Checked:
    """The same rows by other options, and what is chosen by these."""
    resolved = chosen_anew(checked.resolved, checked.base, proving=checked.proving, **asked)
    base = checked.base.packed_as(TUNERS[resolved.config.lora.tuner].packed)
    return replace(checked, resolved=resolved, base=base)


def learned_share(resolved: Resolved, base: Base) -> float:
    """Of the base's own weights, the share that learns; 0 where adapters do. Of a base whose
    weights are not here yet, all of them."""
    if not is_whole(resolved):
        return 0.0
    found = learning_of(base, resolved.config.full)
    return found.share if isinstance(found, Learning) and found.count else 1.0


def on_gpu(checked: Checked) -> bool:
    """Whether the run would compute on a GPU of this machine."""
    return checked.resolved.config.model.device != "cpu" and sees_cuda()


def downloads_first(checked: Checked) -> Text | None:
    """What is said where only the words of a model are here yet."""
    if checked.base.name == "pocket" or weight_files(checked.base.folder):
        return None
    return Text("The weights are fetched from the hub first.", "会先从下载站下载权重。")
