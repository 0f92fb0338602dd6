"""How a row's next token is drawn, and how likely it was: each row by its own settings."""

from __future__ import annotations

import torch
from torch import Tensor


def drawn(
    logits: Tensor,
    temperature: Tensor,
    top_p: Tensor | None,
    number: Tensor,
) -> Tensor:
    """(B,) tokens of logits (B, V): where a row's number in [0, 1) falls among its probabilities.

    With top_p (B,) among those of the nucleus (Holtzman et al. 2020), the likeliest first. A row's
    token depends on nothing but its own line.
    """
    wide = logits.float()
    # Its largest is zero, so that no temperature, however small, makes it infinite.
    above = (wide - wide.amax(-1, keepdim=True)) / temperature.float().clamp(min=1e-30)[:, None]
    chances = above.softmax(-1)
    order = None
    if top_p is not None:
        chances, order = chances.sort(descending=True, stable=True)
        least = top_p.float().clamp(min=1e-30)[:, None]  # the likeliest stays, however small it is
        chances = chances.masked_fill(chances.cumsum(-1) - chances >= least, 0)
    summed = chances.double().cumsum(-1)
    reached = (number.double() * summed[:, -1])[:, None]
    place = torch.searchsorted(summed, reached, right=True).clamp(max=logits.shape[1] - 1)
    return (place if order is None else order.gather(1, place))[:, 0]


def pick(
    logits: Tensor,
    temperature: float,
    top_p: float,
    generator: torch.Generator | None,
) -> Tensor:
    """(B,) tokens of logits (B, V): the likeliest, or `drawn`; all rows by the same settings."""
    if temperature <= 0:
        return logits.argmax(-1)
    rows = logits.shape[:1]
    number = torch.rand(
        rows,
        generator=generator,
        device=logits.device,
    )
    heat, nucleus = (torch.full(rows, x, device=logits.device) for x in (temperature, top_p))
    return drawn(logits, heat, nucleus if top_p < 1 else None, number)


def likelihoods(
    logits: Tensor,
    token: Tensor,
    most: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Of logits (B, V): token's log-probabilities (B,), the `most` highest (B, most), and whose."""
    logs = logits.float().log_softmax(-1)
    highest, whose = logs.topk(min(most, logs.shape[1]), dim=-1)
    return logs.gather(1, token[:, None])[:, 0], highest, whose
