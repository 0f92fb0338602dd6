"""CUDA graphs, and what goes between host and device without either waiting for the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor


class Line:
    """A copy of a tensor on its way to the host; later work of the device is not waited for."""

    def __init__(self, line: Tensor) -> None:
        self.there: Any = None
        self.line = torch.empty(line.shape, dtype=line.dtype, pin_memory=line.is_cuda)
        self.line.copy_(line, non_blocking=True)
        if line.is_cuda:
            self.there = torch.cuda.Event()  # type: ignore[no-untyped-call]
            self.there.record()

    def read(self) -> list[Any]:
        """As nested lists, once it is there."""
        if self.there is not None:
            self.there.synchronize()
        found: list[Any] = self.line.tolist()
        return found


def sent(values: Sequence[Any], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Numbers of the host as a tensor of the device, queued behind what the device is doing."""
    if device.type != "cuda":
        return torch.tensor(values, dtype=dtype, device=device)
    return torch.tensor(values, dtype=dtype, pin_memory=True).to(device, non_blocking=True)


def captured(run: Callable[[], None], pool: Any = None) -> Any:
    """What `run` does as a CUDA graph. It runs twice before, so that all its kernels are there."""
    side: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        run()
        run()
    torch.cuda.current_stream().wait_stream(side)
    graph: Any = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
        run()
    return graph
