"""Before the large libraries are imported: does the run fit? Then fetch the base's weights."""

from __future__ import annotations

from suretune.model.device import DTYPES, choose_device, choose_dtype, limit_memory, total_bytes
from suretune.model.keep import Keep, Policy
from suretune.model.memory import FAMILIES, GIB, TILES, fixed, needed, shape_of
from suretune.model.stream import begin
from suretune.run.check import Checked
from suretune.run.journal import Journal
from suretune.types import SetupFacts


def look_ahead(checked: Checked, journal: Journal) -> None:
    """On CUDA: refuse what cannot fit before anything is loaded, then start loading."""
    config = checked.resolved.config
    device = choose_device(config.model.device)
    if isinstance(device, SetupFacts) or device.type != "cuda":
        return  # what is wrong with it, `choose_hardware` says
    dtype = choose_dtype(config.model, device)
    if isinstance(dtype, SetupFacts):
        return
    limit_memory(config.engine, device)
    if facts := _too_small(checked, DTYPES[dtype].itemsize, total_bytes(config.engine, device)):
        raise journal.stop(facts)
    begin(checked.base.folder, device, DTYPES[dtype])


def _too_small(checked: Checked, bytes_each: int, room: float) -> SetupFacts | None:
    """The least that the run needs, every layer's input on the host, against what there is."""
    if checked.base.config.get("model_type") not in FAMILIES:
        return None
    shape = shape_of(checked.base.config, bytes_each)
    rows = [sample for row in checked.train for sample in row.samples]
    longest = max(rows, key=lambda row: len(row.ids))
    least = Policy((Keep.HOST,) * shape.layers, TILES[-1], 512)
    rank = checked.resolved.config.lora.lora_rank
    wanted = fixed(shape, rank) + needed(shape, least, len(longest.ids), longest.learned)
    if wanted <= room:
        return None
    found = f"{wanted / GIB:.1f} GiB needed at least, {room / GIB:.1f} GiB there"
    return SetupFacts("out-of-memory", str(longest.origin), found=found)
