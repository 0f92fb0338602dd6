"""What is trained, as one flat tensor, and AdamW over it.

All adapters' values, gradients and moments lie behind each other, so that zeroing, the norm, the
clipping and the update are one operation each instead of one per adapter. The model's parameters
are views into it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn

MOMENTS = ("exp_avg", "exp_avg_sq")
MAGNITUDE = "lora_magnitude_vector"  # of DoRA
FASTER = "faster/"  # of what learns at a rate of its own, in a copy of the state


class FlatAdamW:
    """The trained parameters of a model, N values in all, and what AdamW knows of them.

    `values` and `gradient` are (N,), in the parameters' own dtype (LoRA's masters: float32), every
    lora_A before every lora_B and before DoRA's magnitudes; the model's parameters and their
    gradients are views into them. Decay pulls neither magnitudes, whose zero is no layer at all,
    nor what stays still.

    ratio: what comes after lora_A learns at so many times the rate (LoRA+: Hayou et al. 2024, arXiv
    2402.12354). still: True for numbers that never move, by name, in their parameter's shape.
    other_dosed: parameters at a dose, by name, where that is more than lora_B times it.
    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        weight_decay: float,
        *,
        ratio: float | None = None,
        still: Mapping[str, Tensor] | None = None,
        other_dosed: Callable[[float], Mapping[str, Tensor]] = lambda dose: {},
    ) -> None:
        # Every A before every B: those of layers with one input then lie side by side, and their
        # gradients are one product.
        self.parameters = dict(sorted(parameters.items(), key=lambda item: _is_late(item[0])))
        first = next(iter(self.parameters.values()))
        sizes = [p.numel() for p in self.parameters.values()]
        self.values = nn.Parameter(torch.cat([p.data.flatten() for p in self.parameters.values()]))
        self.values.grad = self.gradient = torch.zeros_like(self.values)
        self.rate = torch.zeros(
            (),
            device=first.device,
            dtype=torch.float32,
        )
        halves = torch.split(self.values.data, sizes), torch.split(self.gradient, sizes)
        parts = zip(*halves, strict=True)
        for p, (values, gradient) in zip(self.parameters.values(), parts, strict=True):
            p.data, p.grad = values.view(p.shape), gradient.view(p.shape)
        self.magnitudes = {n: p.data.clone() for n, p in self.parameters.items() if MAGNITUDE in n}
        self.still = self._flat(still) if still else None
        self.other_dosed = other_dosed
        early = sum(p.numel() for name, p in self.parameters.items() if not _is_late(name))
        self.times = (1.0,) if ratio in (None, 1) else (1.0, float(ratio))
        self.moved = self._cut(early)
        self.rates = [self.rate, *(torch.zeros_like(self.rate) for _ in self.times[1:])]
        self.pull = self._pull(weight_decay, early)
        # Adam with decoupled decay (Loshchilov & Hutter 2019). On CUDA rate and step count live on
        # the device, so that a captured update reads them anew each time.
        cuda = first.is_cuda
        rates = zip(self.moved, self.rates, strict=True)
        self.optimizer = torch.optim.AdamW(
            [{"params": [part], "lr": rate if cuda else 0.0} for part, rate in rates],
            betas=(0.9, 0.999),
            weight_decay=weight_decay if self.pull is None else 0.0,
            fused=cuda,
            capturable=cuda,
        )

    def _flat(self, given: Mapping[str, Tensor]) -> Tensor:
        """(N,): these, and zeros for parameters that are not among them."""
        parts = (
            given[n] if n in given else torch.zeros_like(p, dtype=torch.bool)
            for n, p in self.parameters.items()
        )
        return torch.cat([part.flatten() for part in parts])

    def _cut(self, early: int) -> list[nn.Parameter]:
        """What the optimizer moves: all values, or views of the early ones and of the late ones."""
        if len(self.times) == 1:
            return [self.values]
        parts = [nn.Parameter(part) for part in self.values.data.tensor_split([early])]
        for part, slope in zip(parts, self.gradient.tensor_split([early]), strict=True):
            part.grad = slope
        return parts

    def _pull(
        self,
        weight_decay: float,
        early: int,
    ) -> Tensor | None:
        """(N,) the decay of each value, where not all have one; None where the optimizer's does."""
        free = {n: torch.ones_like(p, dtype=torch.bool) for n, p in self.magnitudes.items()}
        if not weight_decay or (self.still is None and not free):
            return None
        pull = torch.full_like(self.values.data, weight_decay)
        pull[early:] *= self.times[-1]
        pull.masked_fill_(self._flat(free), 0.0)
        return pull if self.still is None else pull.masked_fill_(self.still, 0.0)

    @property
    def learned(self) -> int:
        """How many of the N move."""
        stays = 0 if self.still is None else int(self.still.sum())
        return self.values.numel() - stays

    def zero(self) -> None:
        """Forget the gradient."""
        self.gradient.zero_()

    def clip(self, bound: float, scale: float) -> Tensor:
        """Divide the gradient by the loss scale and shorten it to `bound` (0: never).

        Returns its norm () before it was shortened, on the device.
        """
        if self.still is not None:
            self.gradient.masked_fill_(self.still, 0.0)
        if scale != 1:
            self.gradient /= scale
        norm = self.norm()
        if bound:
            # The slack is torch's own, so that clipping is what torch's users know.
            self.gradient *= (bound / (norm + 1e-6)).clamp(max=1.0)
        return norm

    def norm(self) -> Tensor:
        """The gradient's () on the device."""
        norm: Tensor = torch.linalg.vector_norm(self.gradient)
        return norm

    def set_rate(self, rate: float) -> None:
        """The learning rate of the next update, also of one that is captured in a graph."""
        for at, times in enumerate(self.times):
            self.rates[at].fill_(rate * times)
            if not self.values.is_cuda:
                self.optimizer.param_groups[at]["lr"] = rate * times

    def step(self) -> None:
        """Apply the gradient; it stays as it is."""
        if self.pull is not None:
            self.values.data.mul_(1 - self.rate * self.pull)
        self.optimizer.step()

    def dosed(self, dose: float) -> Tensor:
        """The values (N,), a copy, with every lora_B times `dose`, in their own precision, or what
        a variant has in its place.

        What the adapters add to an output is then `dose` times what it was.
        """
        values, other = self.values.detach().clone(), self.other_dosed(dose)
        for name, part in zip(self.parameters, self._parts(values), strict=True):
            if name in other:
                part.copy_(other[name])
            elif "lora_B" in name:
                part.mul_(dose)
        return values

    def silent(self) -> Tensor:
        """The values (N,) with which the model is its base: zeros; the base's own magnitudes."""
        values = torch.zeros_like(self.values)
        for name, part in zip(self.parameters, self._parts(values), strict=True):
            if name in self.magnitudes:
                part.copy_(self.magnitudes[name])
        return values

    @property
    def resting(self) -> torch.device:
        """Where copies of the values lie."""
        return self.values.device

    def aside(self) -> Tensor:
        """A copy of the values (N,)."""
        return self.values.detach().to(self.resting, copy=True)

    def wear(self, values: Tensor) -> None:
        """Put values (N,) in place: what `aside`, `silent` or `dosed` gave, or `copy` copied."""
        self.values.data.copy_(values)

    def slope_aside(self) -> Tensor:
        """A copy of the gradient (N,)."""
        return self.gradient.to(self.resting, copy=True)

    def put_slope(self, slope: Tensor) -> None:
        """Put in place what `slope_aside` gave."""
        self.gradient.copy_(slope)

    def show(self) -> None:
        """Told that the values changed: what is computed with are the values themselves."""

    def copy(self, into: dict[str, Tensor]) -> None:
        """All that an update changes into `into`: `values` and the moments (N,), `step` ().

        Tensors of an earlier copy are written to in place.
        """
        for name, tensor in self._changing().items():
            if name in into:
                into[name].copy_(tensor)
            else:
                into[name] = tensor.detach().clone()

    def put_back(self, saved: Mapping[str, Tensor]) -> None:
        """Put in place what `copy` copied; moments that it had not yet become zero."""
        for name, tensor in self._changing().items():
            if name in saved:
                tensor.copy_(saved[name])
            else:
                tensor.zero_()

    def kept_state(self, kept: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What `copy` copied, for a file."""
        return dict(kept)

    def load_kept(self, saved: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What `kept_state` gave, where copies lie."""
        return {name: saved[name].to(self.resting) for name in saved}

    def _changing(self) -> dict[str, Tensor]:
        found = {"values": self.values.data}
        for prefix, part in zip(("", FASTER), self.moved, strict=False):
            state = self.optimizer.state.get(part, {})
            found.update({f"{prefix}{name}": tensor for name, tensor in state.items()})
        return found

    def state(self) -> dict[str, Tensor]:
        """The optimizer's, as it lies there: the next update changes it. Empty before the first.

        `step` (), and of each parameter NAME `NAME/exp_avg` and `NAME/exp_avg_sq` in its shape.
        """
        return dict(self._kept()) if self.optimizer.state[self.moved[0]] else {}

    def _kept(self) -> Iterator[tuple[str, Tensor]]:
        yield "step", self.optimizer.state[self.moved[0]]["step"]
        for moment in MOMENTS:
            for name, part in self._moments(moment):
                yield f"{name}/{moment}", part

    def _moments(self, moment: str) -> Iterator[tuple[str, Tensor]]:
        """Each parameter's part of a moment, in its shape: views, for a copy of all of them may
        find no room."""
        left = iter(self.parameters.items())
        for part in self.moved:
            flat, at = self.optimizer.state[part][moment], 0
            while at < flat.numel():
                name, parameter = next(left)
                size = parameter.numel()
                yield name, flat[at : at + size].view(parameter.shape)
                at += size

    def load_state(self, saved: Mapping[str, Tensor]) -> None:
        """Put in place what `state` gave; KeyError where a parameter is missing, or a moment was
        kept in other numbers."""
        if not saved:
            return
        self._fill()
        kept = dict(self._kept())
        for name, there in kept.items():
            if saved[name].dtype != there.dtype:
                raise KeyError(f"{name}: {saved[name].dtype}")
        for name, there in kept.items():
            there.copy_(saved[name])
        for part in self.moved[1:]:
            self.optimizer.state[part]["step"].copy_(saved["step"])

    def _fill(self) -> None:
        """Moments of zero where there was no update yet."""
        for part in self.moved:
            state = self.optimizer.state[part]
            if not state:  # else a captured update reads the tensors that it was captured with
                place = self.values.device if self.values.is_cuda else torch.device("cpu")
                state["step"] = torch.zeros((), device=place)
                state.update({moment: torch.zeros_like(part.data) for moment in MOMENTS})

    def _parts(self, flat: Tensor) -> list[Tensor]:
        owners = list(self.parameters.values())
        parts = torch.split(flat, [p.numel() for p in owners])
        return [part.view(p.shape) for p, part in zip(owners, parts, strict=True)]


def _is_late(name: str) -> bool:
    """Whether a parameter lies behind every lora_A."""
    return "lora_B" in name or MAGNITUDE in name
