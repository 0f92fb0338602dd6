"""AdamW over a base's own weights: what learns is float32, whatever it is computed in.

A weight that is computed with in bfloat16 has a master of its own here; its gradient is added to
the master's in float32 as it comes, pass by pass, and the weight is the master, rounded, after each
update. A weight of float32 is its own master.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from suretune.model.full import Whole
from suretune.train.flat_adamw import MOMENTS, FlatAdamW

WIDE = (torch.float32, torch.float64)
MASTERS = "master/"  # in a checkpoint


class WholeAdamW(FlatAdamW):
    """What of a whole model learns. `values` (N,) are the masters; see `FlatAdamW`."""

    def __init__(self, model: Whole, weight_decay: float) -> None:
        learned = model.learned()
        masters = {
            name: p if p.dtype in WIDE else nn.Parameter(p.detach().float())
            for name, p in learned.items()
        }
        super().__init__(masters, weight_decay)
        self.base = model.base
        self.rounded = {name: p for name, p in learned.items() if p.dtype not in WIDE}
        for name, parameter in self.rounded.items():
            adds = _adder(masters[name])
            parameter.register_post_accumulate_grad_hook(adds)  # type: ignore[no-untyped-call]

    def show(self) -> None:
        """The masters as they are now, rounded, into what is computed with."""
        with torch.no_grad():
            for name, parameter in self.rounded.items():
                parameter.data.copy_(self.parameters[name].data)

    def silent(self) -> Tensor:
        """The values (N,) with which the model is its base."""
        values = self.aside()  # copied, not mixed: what was learned may be no number
        for name, part in zip(self.parameters, self._parts(values), strict=True):
            part.copy_(self.base[name])
        return values

    def dosed(self, dose: float) -> Tensor:
        """The values (N,), a copy: the base's, and `dose` times what was learned beside them.

        After Wortsman et al. 2022, who mean the same by weight-space ensembles of a model and what
        it was fine-tuned from.
        """
        values = self.aside()
        for name, part in zip(self.parameters, self._parts(values), strict=True):
            part.copy_(self.base[name].to(part.dtype).lerp(part, dose))
        return values

    @property
    def resting(self) -> torch.device:
        """The CPU, where there is room for a second one."""
        return torch.device("cpu")

    def copy(self, into: dict[str, Tensor]) -> None:
        """As of adapters; the copy lies on the CPU."""
        for name, tensor in self._changing().items():
            if name not in into:
                into[name] = torch.empty_like(tensor, device="cpu")
        super().copy(into)

    def load_kept(self, saved: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """As of adapters; several processes write a tensor for each parameter (`shards.py`)."""
        if "values" in saved:
            return super().load_kept(saved)
        first = next(iter(self.parameters))
        found = {"step": saved["step"]} if "step" in saved else {}
        for source in ("values", *MOMENTS):
            if f"{source}/{first}" in saved:
                each = (saved[f"{source}/{name}"].flatten() for name in self.parameters)
                found[source] = torch.cat(list(each)).to(self.resting)
        return found

    def state(self) -> dict[str, Tensor]:
        """As of adapters, and the masters of what is saved in fewer bits."""
        masters = {f"{MASTERS}{name}": self.parameters[name].detach() for name in self.rounded}
        return {**super().state(), **masters}

    def load_state(self, saved: Mapping[str, Tensor]) -> None:
        """Put in place what `state` gave; KeyError where a parameter is missing."""
        with torch.no_grad():
            for name in self.rounded:
                self.parameters[name].data.copy_(saved[f"{MASTERS}{name}"])
        if "step" in saved:  # else there was no update yet
            super().load_state(saved)


def _adder(master: nn.Parameter) -> Callable[[Tensor], None]:
    """Adds a gradient, when it is whole, to the master's, and lets it go."""

    def add(parameter: Tensor) -> None:
        if master.grad is not None and parameter.grad is not None:
            master.grad.add_(parameter.grad)
        parameter.grad = None

    return add
