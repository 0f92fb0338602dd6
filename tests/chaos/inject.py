"""Faults inside a process: one innermost function is replaced, then the command line runs.

python -m chaos.inject oom_gradient 3 -- sft --model pocket ...
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Callable, Mapping
from typing import Any

SMALL = 20_000  # bytes that a file may still have on a full disk


def _nth(
    owner: Any, name: str, number: int, fault: Callable[[], None], *, on: bool = False
) -> None:
    """Before the `number`th call of `owner.name`, `fault`; `on`: before every later one, too."""
    real, calls = getattr(owner, name), [0]

    def patched(*words: Any, **named: Any) -> Any:
        calls[0] += 1
        if calls[0] == number or (on and calls[0] > number):
            fault()
        return real(*words, **named)

    setattr(owner, name, patched)


def _no_memory() -> None:
    import torch

    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. (injected)")


def oom_load() -> None:
    """The base does not fit."""
    from transformers import AutoModelForCausalLM

    _nth(AutoModelForCausalLM, "from_pretrained", 1, _no_memory)


def oom_answers() -> None:
    """Memory ends while the base answers."""
    from suretune.run import compose

    _nth(compose, "ask", 1, _no_memory)


def oom_gradient(number: int) -> None:
    """Memory ends in the `number`th pass, and in every smaller one after it."""
    from suretune.train import plain_engine

    _nth(plain_engine, "token_losses", number, _no_memory, on=True)


def oom_evaluation(number: int) -> None:
    """Memory ends when held-out rows are measured."""
    from suretune.train.plain_engine import Plain

    _nth(Plain, "mean_loss", number, _no_memory)


def oom_proof() -> None:
    """Memory ends in the fresh process."""
    from suretune.verify import reload

    _nth(reload, "last_logits", 1, _no_memory)


def _full() -> None:
    """No file may grow any more: EFBIG, where a disk would say ENOSPC."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL, resource.RLIM_INFINITY))


def disk_full(number: int) -> None:
    """The disk is full from the `number`th checkpoint on."""
    from suretune.train import checkpoint

    _nth(checkpoint, "save", number, _full)


def disk_full_publish() -> None:
    """The disk is full when the kept checkpoint is copied to `adapter/`."""
    from suretune.run import compose

    _nth(compose, "publish_adapter", 1, _full)


def refuse_write(code: int, number: int) -> None:
    """From the `number`th checkpoint on, every fsync fails with this errno."""
    from suretune.train import checkpoint

    def arm() -> None:
        def refuse(handle: int) -> None:
            raise OSError(code, os.strerror(code))

        os.fsync = refuse  # type: ignore[assignment]

    _nth(checkpoint, "save", number, arm)


def no_handles(number: int) -> None:
    """From the `number`th checkpoint on no file can be opened: EMFILE."""
    from suretune.train import checkpoint

    def arm() -> None:
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (3, hard))

    _nth(checkpoint, "save", number, arm)


def kill(number: int) -> None:
    """SIGKILL in the `number`th checkpoint, when its weights are written."""
    from suretune.train import checkpoint

    _nth(checkpoint, "generator_state", number, lambda: os.kill(os.getpid(), signal.SIGKILL))


def send(signal_number: int, number: int) -> None:
    """A signal in the `number`th update."""
    from suretune.train import plain_engine

    _nth(plain_engine, "token_losses", number, lambda: os.kill(os.getpid(), signal_number))


KINDS: Mapping[str, Callable[..., None]] = {
    "oom_load": oom_load,
    "oom_answers": oom_answers,
    "oom_gradient": oom_gradient,
    "oom_evaluation": oom_evaluation,
    "oom_proof": oom_proof,
    "disk_full": disk_full,
    "disk_full_publish": disk_full_publish,
    "refuse_write": refuse_write,
    "no_handles": no_handles,
    "kill": kill,
    "signal": send,
}


def main() -> int:
    """KIND [NUMBER ...] -- the words of a suretune command."""
    at = sys.argv.index("--")
    kind, *about = sys.argv[1:at]
    KINDS[kind](*map(int, about))
    from suretune.cli import main as suretune

    return suretune(sys.argv[at + 1 :])


if __name__ == "__main__":
    sys.exit(main())
