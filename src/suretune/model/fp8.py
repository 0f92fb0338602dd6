"""The frozen base in 8 bits: both products of a linear layer in FP8, the adapters in bfloat16.

Each row of a factor has its own scale (e4m3, largest value 448), as torchao's rowwise recipe has
it; the weights lie there twice, once per direction, since tensor cores want the summed dimension
contiguous: 2 bytes per weight, beside the model's own 2 in bfloat16, which other paths read.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from suretune.model import ops
from suretune.model.weight import added


@dataclass(frozen=True, slots=True)
class Fp8:
    """W (N, K) in 8 bits, beside the matrix that it was made from: see `Weight`."""

    values: Tensor  # (N, K)
    forward_weight: Tensor  # (N, K) float8_e4m3fn
    forward_scale: Tensor  # (1, N) float32
    backward_weight: Tensor  # (K, N), the transposed
    backward_scale: Tensor  # (1, K)

    @property
    def shape(self) -> tuple[int, int]:
        """See `Weight`."""
        n, k = self.values.shape
        return n, k

    @property
    def like(self) -> Tensor:
        """See `Weight`."""
        return self.values

    def forward(
        self,
        x: Tensor,
        bias: Tensor | None = None,
        residual: Tensor | None = None,
    ) -> Tensor:
        """See `Weight`."""
        y = product(x, self.forward_weight, self.forward_scale)
        return added(y, (bias, residual))

    def backward(self, dy: Tensor) -> Tensor:
        """See `Weight`."""
        return product(dy, self.backward_weight, self.backward_scale)


def make_fp8(weight: Tensor) -> Fp8:
    """From W (N, K) in any precision, quantized row by row in both directions."""
    there, scale = ops.quantize(weight)
    turned, turned_scale = ops.quantize(weight.t().contiguous())
    return Fp8(
        weight,
        there,
        scale.t().contiguous(),
        turned,
        turned_scale.t().contiguous(),
    )


def product(x: Tensor, weight: Tensor, scale: Tensor) -> Tensor:
    """x (T, K) times weight (N, K) transposed, x in 8 bits row by row; (T, N) in x's dtype."""
    small, own = ops.quantize(x)
    if x.is_cuda:
        return torch._scaled_mm(
            small,
            weight.t(),
            scale_a=own,
            scale_b=scale,
            out_dtype=x.dtype,
            use_fast_accum=True,
        )
    return ((small.float() @ weight.float().t()) * own * scale).to(x.dtype)


def why_no_fp8(device: torch.device, dtype: str) -> str:
    """Why a base of this precision cannot be multiplied in FP8 on this device, or nothing."""
    if device.type != "cuda":
        return device.type
    if dtype != "bfloat16":  # what row-wise scaled products come out in
        return dtype
    name = torch.cuda.get_device_name(device)
    return "" if torch.cuda.get_device_capability(device) >= (8, 9) else name
