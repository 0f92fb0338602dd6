"""The fresh process of a run's proof, on the GPUs that will be free by then. Torch-free."""

from __future__ import annotations

import os

from suretune.preflight.check import Checked
from suretune.train.place import here, visible
from suretune.verify.fresh import Prover


def make_prover(checked: Checked) -> Prover:
    """The fresh process of the proof, with further ones on the GPUs of the followers that this
    process starts: they are free again by then. torchrun's end when it sees fit, maybe on other
    machines; on a CPU one has all cores as it is, and asks in as many parts."""
    size = checked.resolved.config.engine.num_gpus
    if here().size > 1:
        return Prover()
    if checked.resolved.config.model.device == "cpu":
        return Prover(parts=size)
    return Prover([visible(os.environ, rank) for rank in range(1, size)])
