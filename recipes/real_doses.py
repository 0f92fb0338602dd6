"""The adapter that a run has published, scaled to other doses and proven anew at each.

So doses are compared on the same adapters: two runs of one seed on a GPU differ by chance.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from real_ask import asked_otherwise, near_misses
from safetensors.torch import load_file, save_file

from suretune import rundir
from suretune.model.device import let_go
from suretune.model.lora import WEIGHTS
from suretune.verify import reload
from suretune.verify.reload import REQUEST, RESULT, Request

sys.path.append(str(Path(__file__).resolve().parent.parent / "tests"))

from zoo.prove import judge  # of adapters that are scaled by hand, too

SAID = ("lost", "gained", "counted", "likelihood", "drift")


def at_doses(
    doses: Sequence[float],
    published: float,
    model: str,
    run: Path,
    names: Sequence[str],
    makers: Sequence[str],
    languages: Sequence[str],
) -> dict[str, dict[str, Any]]:
    """By dose, what is judged and counted there, as a row has it of what was published."""
    found: dict[str, dict[str, Any]] = {}
    for dose in doses:
        with _scaled(run, dose / published):
            result = run / "proof" / RESULT
            reload.main(run, result)
            request = Request(**rundir.read_json(run / "proof" / REQUEST))
            judged = judge(run, request, rundir.read_json(result))
            about = near_misses(run)
            found[f"{dose:g}"] = {
                **{name: judged["measured"].get(name) for name in SAID},
                "leaked": len(about["leaked_ids"]),
                "verdict": judged["verdict"],
                "reasons": judged["reasons"],
                **about,
                **asked_otherwise(model, run, names, makers, languages),
            }
        let_go(torch.device(request.device))
    return found


@contextmanager
def _scaled(run: Path, share: float) -> Iterator[None]:
    """`lora_B` of the published adapter times `share` in here, and a manifest and a proof of its
    own. Adapter, manifest and proof are as they were afterwards."""
    folder = run / "adapter"
    paths = (folder / WEIGHTS, folder / rundir.MANIFEST, run / "proof" / RESULT)
    before = [path.read_bytes() for path in paths]
    tensors = load_file(paths[0])
    for name in tensors:
        if ".lora_B." in name:
            tensors[name] = (tensors[name].float() * share).to(tensors[name].dtype)
    save_file(tensors, paths[0], metadata={"format": "pt"})
    told = rundir.read_json(paths[1])
    rundir.write_manifest(folder, **{name: told[name] for name in told if name != "files"})
    try:
        yield
    finally:
        for path, data in zip(paths, before, strict=True):
            path.write_bytes(data)
