"""The small operations of a decoder layer, forward and backward, each with its formula.

On CUDA they are Triton kernels (`kernels.py`, `loss_kernels.py`); the torch code here is the
reference, and what runs on a CPU. Rows are tokens; T tokens, K hidden units. Half precision is
computed in float32.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

LEAST = -87.0  # a log-probability: about the smallest of which float32 still has the exp
SILU, GELU_TANH = "silu", "gelu_pytorch_tanh"


def precise(x: Tensor) -> Tensor:
    """The same values, at least float32: half precision is widened."""
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def rms_norm(
    x: Tensor,
    weight: Tensor,
    eps: float,
    out: Tensor,
) -> Tensor:
    """out (T, K) = x / rms(x) * weight; returns 1 / rms (T,), at least float32."""
    if x.is_cuda:
        from suretune.model import kernels

        return kernels.rms_norm(x, weight, eps, out)
    wide = precise(x)
    scale = torch.rsqrt(wide.square().mean(-1) + eps)
    out.copy_(wide * scale[:, None] * precise(weight))
    return scale


def rms_norm_again(
    x: Tensor,
    weight: Tensor,
    scale: Tensor,
    out: Tensor,
) -> None:
    """out (T, K) = x * scale * weight, from the scale (T,) that `rms_norm` returned."""
    if x.is_cuda:
        from suretune.model import kernels

        kernels.rms_norm_again(x, weight, scale, out)
        return
    out.copy_(precise(x) * scale[:, None] * precise(weight))


def rms_norm_backward(
    dy: Tensor,
    x: Tensor,
    weight: Tensor,
    scale: Tensor,
    skip: Tensor,
) -> Tensor:
    """skip + d(norm)/dx * dy: the gradient that went round the norm is added in the same pass.

    All (T, K), scale (T,). With u = x * scale and w = dy * weight: scale * (w - u * mean(w * u)).
    """
    if x.is_cuda:
        from suretune.model import kernels

        return kernels.rms_norm_backward(dy, x, weight, scale, skip)
    unit = precise(x) * scale[:, None]
    weighted = precise(dy) * precise(weight)
    mean = (weighted * unit).mean(-1, keepdim=True)
    dx = scale[:, None] * (weighted - unit * mean)
    return (precise(skip) + dx).to(x.dtype)


def rotate(
    x: Tensor,
    cos: Tensor,
    sin: Tensor,
    heads: int,
    sign: float,
    out: Tensor,
) -> None:
    """Rotary embedding (Su et al. 2021) of the first heads of x (T, heads * D + ...), into out.

    cos and sin (T, D); sign -1 is the inverse, which is also the backward pass. x may be out.
    """
    if x.is_cuda:
        from suretune.model import kernels

        kernels.rotate(x, cos, sin, heads, sign, out)
        return
    size = cos.shape[-1]
    part = precise(x[:, : heads * size]).reshape(len(x), heads, size)
    low, high = part.chunk(2, dim=-1)
    turned = part * cos[:, None] + torch.cat((-high, low), -1) * sin[:, None] * sign
    out[:, : heads * size] = turned.reshape(len(x), -1).to(out.dtype)


def segment_sum(
    values: Tensor,
    places: Tensor,
    bounds: Tensor,
) -> Tensor:
    """(T, ...), where token t has the sum of values[places[bounds[t]:bounds[t + 1]]].

    values (N, ...), places (N,) and bounds (T + 1,) int64. What no token has is not read.
    """
    if values.is_cuda:
        from suretune.model import kernels

        return kernels.segment_sum(values, places, bounds)
    counts = bounds.diff()
    token = torch.arange(len(counts)).repeat_interleave(counts)
    out = precise(values.new_zeros(len(counts), *values.shape[1:]))
    return out.index_add_(0, token, precise(values[places[: len(token)]])).to(values.dtype)


def gate(
    gate_up: Tensor,
    a: Tensor,
    b: Tensor,
    kind: str,
    out: Tensor,
) -> None:
    """out (T, I) = act(g) * u with [g u] = gate_up + a b' (SwiGLU: Shazeer 2020).

    gate_up (T, 2 I) is the base's product, a (T, R) and b (2 I, R) the adapters'.
    """
    if gate_up.is_cuda:
        from suretune.model import kernels

        kernels.gate(gate_up, a, b, kind, out)
        return
    g, u = precise(gate_up + a @ b.t()).chunk(2, dim=-1)
    out.copy_(_act(g, kind) * u)


def gate_backward(
    dh: Tensor,
    g_down: Tensor,
    a_down: Tensor,
    gate_up: Tensor,
    a: Tensor,
    b: Tensor,
    kind: str,
    out: Tensor,
) -> None:
    """out (T, 2 I) = [dg du] from dh + g_down a_down; dh (T, I) becomes act(g) * u.

    `down` needs the latter for its adapters' gradient. g_down (T, R_d), a_down (R_d, I).
    """
    if dh.is_cuda:
        from suretune.model import kernels

        kernels.gate_backward(
            dh,
            g_down=g_down,
            a_down=a_down,
            gate_up=gate_up,
            a=a,
            b=b,
            kind=kind,
            out=out,
        )
        return
    g, u = precise(gate_up + a @ b.t()).chunk(2, dim=-1)
    d = precise(dh + g_down @ a_down)
    size = g.shape[-1]
    acted = _act(g, kind)
    out[:, :size] = (d * u * _act_slope(g, kind)).to(out.dtype)
    out[:, size:] = (d * acted).to(out.dtype)
    dh.copy_(acted * u)


def quantize(x: Tensor) -> tuple[Tensor, Tensor]:
    """x (T, K) -> float8_e4m3fn and its scales (T, 1) float32: the row's largest becomes 448."""
    if x.is_cuda:
        from suretune.model import kernels

        return kernels.quantize(x)
    scale = x.float().abs().amax(-1, keepdim=True).clamp(min=1e-12) / 448
    return (x.float() / scale).to(torch.float8_e4m3fn), scale


def _act(g: Tensor, kind: str) -> Tensor:
    acted: Tensor = F.silu(g) if kind == SILU else F.gelu(g, approximate="tanh")
    return acted


def _act_slope(g: Tensor, kind: str) -> Tensor:
    if kind == SILU:
        s = torch.sigmoid(g)
        return s * (1 + g * (1 - s))
    root, cubic = (2 / torch.pi) ** 0.5, 0.044715
    t = torch.tanh(root * (g + cubic * g * g * g))
    slope: Tensor = 0.5 * (1 + t) + 0.5 * g * (1 - t * t) * root * (1 + 3 * cubic * g * g)
    return slope


def jeffreys(logits: Tensor, base: Tensor, factors: Tensor) -> Tensor:
    """(C,) nats, half of Jeffreys' divergence of logits (C, V) (`packed_batch.jeffreys`), in place.

    Logits become the gradient of sum(factors * nats); with p = softmax, q = the base's softmax:
    factors / 2 * (p - q + p * (log p - log q - KL(p || q))). No log is below LEAST: of a token
    that both mask (logits of -inf), nats and gradient are 0; of one that only one masks, finite.
    """
    if logits.is_cuda:
        from suretune.model import loss_kernels

        return loss_kernels.jeffreys(logits, base, factors, LEAST)
    tuned, held = precise(logits).log_softmax(-1), precise(base).log_softmax(-1)
    likely, gap = tuned.exp(), tuned.clamp(min=LEAST) - held.clamp(min=LEAST)
    moved = likely - held.exp()
    back = (likely * gap).sum(-1, keepdim=True)
    logits.copy_((moved + likely * (gap - back)) * (factors[:, None] / 2))
    nats: Tensor = (moved * gap).sum(-1) / 2
    return nats


def cross_entropy(
    logits: Tensor,
    targets: Tensor,
    factors: Tensor | None,
) -> Tensor:
    """(C,) nats of each row of logits (C, V); with factors (C,) logits become their gradient.

    The gradient of sum(factors * nats): factors * (softmax - one-hot), in place.
    """
    if logits.is_cuda:
        from suretune.model import loss_kernels

        return loss_kernels.cross_entropy(logits, targets, factors)
    wide = precise(logits)
    nats = F.cross_entropy(wide, targets, reduction="none")
    if factors is not None:
        grad = wide.softmax(-1)
        grad[torch.arange(len(targets)), targets] -= 1
        logits.copy_(grad * factors[:, None])
    return nats
