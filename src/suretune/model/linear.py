"""One LoRA linear layer as one autograd function, for models that the fused layers do not know.

PEFT casts the whole input to float32 for its float32 adapters, makes two products, a scaling and
an addition, and autograd keeps what each of them read. Here the adapters are computed in the
input's precision, added in place, and only the input and a = x A' are kept; their gradients come
in float32.
"""

from __future__ import annotations

from typing import Any

import torch
from peft.tuners.lora import Linear
from torch import Tensor, nn

from suretune.model.groups import unusual


class _LoraLinear(torch.autograd.Function):
    """y = x W' + bias + s (x A') B' for x (..., K), W (N, K), A (r, K), B (N, r)."""

    @staticmethod
    def forward(
        ctx: Any,
        x: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        a: Tensor,
        b: Tensor,
        scale: float,
    ) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        down, up = a.to(x.dtype), b.to(x.dtype) * scale
        inner = flat @ down.t()
        y = flat @ weight.t() if bias is None else torch.addmm(bias, flat, weight.t())
        y.addmm_(inner, up.t())
        ctx.save_for_backward(flat, weight, inner, down, up)
        ctx.scale, ctx.shape, ctx.kind = scale, x.shape, a.dtype
        return y.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *slopes: Any) -> Any:
        flat, weight, inner, down, up = ctx.saved_tensors
        dy = slopes[0].reshape(-1, weight.shape[0])
        spread = dy @ up
        dx = None
        if ctx.needs_input_grad[0]:
            dx = torch.addmm(dy @ weight, spread, down).view(ctx.shape)
        da = _product(spread.t(), flat, ctx.kind)
        db = _product(dy.t(), inner, ctx.kind) * ctx.scale
        return dx, None, None, da, db, None


def _product(
    left: Tensor,
    right: Tensor,
    kind: torch.dtype,
) -> Tensor:
    if left.dtype == kind:
        return left @ right
    if left.is_cuda:
        found: Tensor = torch.ops.aten.mm.dtype(left, right, kind)
        return found
    return left.to(kind) @ right.to(kind)


def fuse_linears(model: nn.Module) -> tuple[int, str]:
    """Let the plain LoRA layers of a model compute this way; (how many, why not the others).

    While adapters are switched off or merged, PEFT's own forward is used.
    """
    done, reasons = 0, set()
    for module in model.modules():
        if not isinstance(module, Linear):
            continue
        base = module.base_layer
        reason = unusual(module, learning=True)
        if type(base) is not nn.Linear:
            reason = f"{type(base).__name__} in place of a linear layer"
        if reason:
            reasons.add(reason)
            continue
        module.forward = _forward(module, module.forward)
        done += 1
    return done, ", ".join(sorted(reasons))


def _forward(module: Linear, plain: Any) -> Any:
    base = module.base_layer
    a, b = module.lora_A["default"].weight, module.lora_B["default"].weight
    scale = module.scaling["default"]

    def forward(x: Tensor, *args: Any, **kwargs: Any) -> Any:
        usual = module.disable_adapters or module.merged or args or kwargs
        if usual or x.dtype != base.weight.dtype:
            return plain(x, *args, **kwargs)
        apply: Any = _LoraLinear.apply
        return apply(x, base.weight, base.bias, a, b, scale)

    return forward
