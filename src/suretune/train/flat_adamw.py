"""What is trained, as one flat tensor, and AdamW over it.

All adapters' values, gradients and moments lie behind each other, so that zeroing, the norm, the
clipping and the update are one operation each instead of one per adapter. The model's parameters
are views into it.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

MOMENTS = ("exp_avg", "exp_avg_sq")


class FlatAdamW:
    """The trained parameters of a model, N values in all, and what AdamW knows of them.

    `values` and `gradient` are (N,), in the parameters' own dtype (LoRA's masters: float32), every
    lora_A before every lora_B; the model's parameters and their gradients are views into them.
    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        weight_decay: float,
    ) -> None:
        # Every A before every B: those of layers with one input then lie side by side, and their
        # gradients are one product.
        self.parameters = dict(sorted(parameters.items(), key=lambda item: "lora_B" in item[0]))
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
        # Adam with decoupled decay (Loshchilov & Hutter 2019). On CUDA rate and step count live on
        # the device, so that a captured update reads them anew each time.
        cuda = first.is_cuda
        self.optimizer = torch.optim.AdamW(
            [self.values],
            lr=self.rate if cuda else 0.0,
            betas=(0.9, 0.999),
            weight_decay=weight_decay,
            fused=cuda,
            capturable=cuda,
        )

    def zero(self) -> None:
        """Forget the gradient."""
        self.gradient.zero_()

    def clip(self, bound: float, scale: float) -> Tensor:
        """Divide the gradient by the loss scale and shorten it to `bound` (0: never).

        Returns its norm () before it was shortened, on the device.
        """
        if scale != 1:
            self.gradient /= scale
        norm: Tensor = torch.linalg.vector_norm(self.gradient)
        if bound:
            # The slack is torch's own, so that clipping is what torch's users know.
            self.gradient *= (bound / (norm + 1e-6)).clamp(max=1.0)
        return norm

    def set_rate(self, rate: float) -> None:
        """The learning rate of the next update, also of one that is captured in a graph."""
        self.rate.fill_(rate)
        if not self.values.is_cuda:
            self.optimizer.param_groups[0]["lr"] = rate

    def step(self) -> None:
        """Apply the gradient; it stays as it is."""
        self.optimizer.step()

    def dosed(self, dose: float) -> Tensor:
        """The values (N,), a copy, with every lora_B times `dose`, in their own precision.

        What the adapters add to an output is then `dose` times what it was.
        """
        values = self.values.detach().clone()
        for name, part in zip(self.parameters, self._parts(values), strict=True):
            if "lora_B" in name:
                part.mul_(dose)
        return values

    def silent(self) -> Tensor:
        """The values (N,) with which the model is its base."""
        return torch.zeros_like(self.values)

    def aside(self) -> Tensor:
        """A copy of the values (N,)."""
        return self.values.detach().clone()

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

    def _changing(self) -> dict[str, Tensor]:
        return {"values": self.values.data, **self.optimizer.state.get(self.values, {})}

    def state(self) -> dict[str, Tensor]:
        """The optimizer's, on the CPU; empty before the first update.

        `step` (), and of each parameter NAME `NAME/exp_avg` and `NAME/exp_avg_sq` in its shape.
        """
        state = self.optimizer.state[self.values]
        if not state:
            return {}
        found = {"step": state["step"].detach().cpu()}
        for moment in MOMENTS:
            for name, part in zip(self.parameters, self._parts(state[moment]), strict=True):
                found[f"{name}/{moment}"] = part.detach().cpu().contiguous()
        return found

    def load_state(self, saved: Mapping[str, Tensor]) -> None:
        """Put in place what `state` gave; KeyError where a parameter is missing."""
        if not saved:
            return
        device = self.values.device
        state = self.optimizer.state[self.values]
        loaded = {"step": saved["step"].to(device if device.type == "cuda" else "cpu").clone()}
        for moment in MOMENTS:
            parts = [saved[f"{name}/{moment}"].to(device).flatten() for name in self.parameters]
            loaded[moment] = torch.cat(parts)
        if state:  # a captured update reads the tensors that it was captured with
            for name, tensor in loaded.items():
                state[name].copy_(tensor)
        else:
            state.update(loaded)

    def _parts(self, flat: Tensor) -> list[Tensor]:
        owners = list(self.parameters.values())
        parts = torch.split(flat, [p.numel() for p in owners])
        return [part.view(p.shape) for p, part in zip(owners, parts, strict=True)]
