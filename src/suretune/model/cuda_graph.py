"""CUDA graphs, and what goes between host and device without either waiting for the other.

Launching a 7B model's kernels one by one takes the host longer than an H200 needs to compute 700
tokens; a graph is launched at once. It has fixed shapes and fixed addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor

Result = TypeVar("Result")


class Line:
    """A copy of a tensor on its way to the host; later work of the device is not waited for."""

    def __init__(self, line: Tensor) -> None:
        self.there: Any = None
        self.line = torch.empty(
            line.shape,
            dtype=line.dtype,
            pin_memory=line.is_cuda,
        )
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


def sent(
    values: Sequence[Any],
    dtype: torch.dtype,
    device: torch.device,
) -> Tensor:
    """Numbers of the host as a tensor of the device, in the shape of the (nested) list.

    On CUDA the copy is queued behind what the device is doing, and not waited for.
    """
    if device.type != "cuda":
        return torch.tensor(values, dtype=dtype, device=device)
    return torch.tensor(values, dtype=dtype, pin_memory=True).to(device, non_blocking=True)


def captured(run: Callable[[], None], pool: Any = None) -> torch.cuda.CUDAGraph:
    """What `run` does as a CUDA graph. It runs twice before, so that all its kernels are there.

    Both runs are on a stream of their own, which the current one then waits for.
    """
    side: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        run()
        run()
    torch.cuda.current_stream().wait_stream(side)
    return _recorded(run, pool)[0]


class Replayed:
    """A function without arguments: run once, then captured, then replayed.

    What it reads and writes must stay where it is: its result is the same tensor each time.
    """

    def __init__(
        self,
        function: Callable[[], Tensor],
        pool: Any,
    ) -> None:
        self.function = function
        self.pool = pool  # shared by graphs that never run at the same time; None: no graph
        self.graph: torch.cuda.CUDAGraph | None = None
        self.result: Tensor | None = None
        self.warm = False

    def __call__(self) -> Tensor:
        if self.graph is not None and self.result is not None:
            self.graph.replay()
            return self.result
        if self.pool is None or not self.warm:  # the first run compiles kernels and counts
            self.warm = True
            return self.function()
        self.capture()
        return self()

    def capture(self) -> None:
        """Record the function; nothing is computed. Its kernels must have run before."""
        if self.pool is None:
            return
        torch.cuda.synchronize()
        self.graph, self.result = _recorded(self.function, self.pool)


def _recorded(run: Callable[[], Result], pool: Any) -> tuple[torch.cuda.CUDAGraph, Result]:
    """A graph of what `run` asks the device for, and what it returned; nothing is computed.

    Other threads may use the device meanwhile: only this one's calls are watched.
    """
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"):
        result = run()
    return graph, result
