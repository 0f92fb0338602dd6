"""A model some or all of whose own weights learn, and the base that it was: one copy computes.

The base's numbers of what learns lie on the CPU. `without` exchanges the two in place, so that the
base answers from the very memory in which the tuned model lies, and nothing is held twice on a GPU.
What is saved is the base's own files with the learned tensors in them: shards, names, and what does
not learn (a vision tower, frozen layers) are as they were, byte for byte.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor, nn
from transformers import PreTrainedModel

from suretune import rundir
from suretune.data.base import INDEX, Base, find_base
from suretune.data.parts import is_text, model_name
from suretune.data.weights import header, weight_files
from suretune.families import is_wrapper
from suretune.model.load import load_base
from suretune.model.lora import Match
from suretune.model.tensor_file import DTYPES, Coming, write_tensors

CONFIG = "config.json"
# Of a checkpoint of several parts: what its other parts are fed by.
PROCESSORS = ("preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json")
AT_ONCE = 1 << 26  # numbers that are exchanged together: what that takes beside both is bounded


class Whole(nn.Module):
    """A causal model whose weights of these names were, or will be, learned.

    `base`: what they were, by name, on the CPU and in the types that the model has. `source`: the
    folder of the base's files.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        base: Mapping[str, Tensor],
        source: Path,
    ) -> None:
        super().__init__()
        self.model = model
        self.base = dict(base)
        self.source = source
        self._without = 0  # contexts that are open

    @property
    def config(self) -> Any:
        """The model's own."""
        return self.model.config

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The model's own."""
        return self.model(*args, **kwargs)

    def set_attn_implementation(self, name: str) -> None:
        """The model's own."""
        self.model.set_attn_implementation(name)

    def learned(self) -> dict[str, nn.Parameter]:
        """What learns, by the model's names, each once."""
        return {name: p for name, p in self.model.named_parameters() if name in self.base}

    def put(self, name: str, saved: Tensor) -> None:
        """A tensor that was saved in place of what is learned by this name; ValueError unless it
        matches exactly."""
        mine = self.learned()[name]
        if saved.shape != mine.shape or saved.dtype != mine.dtype:
            raise ValueError(f"{name}: {saved.dtype} {tuple(saved.shape)}")
        mine.data.copy_(saved)

    def to_save(self, learned: nn.Parameter) -> Tensor | Coming:
        """What a file gets of it."""
        return learned.detach()

    @contextmanager
    def without(self) -> Iterator[None]:
        """The base meanwhile, bit for bit; what was learned comes back on exit, bit for bit."""
        if not self._without:
            self._exchange()
        self._without += 1
        try:
            yield
        finally:
            self._without -= 1
            if not self._without:
                self._exchange()

    @torch.no_grad()
    def _exchange(self) -> None:
        learned = self.learned()
        most = max((min(p.nbytes, AT_ONCE * p.itemsize) for p in learned.values()), default=0)
        aside = torch.empty(most, dtype=torch.uint8)  # at once: amid it memory must not run out
        for name, parameter in learned.items():
            both = parameter.data.view(-1), self.base[name].view(-1)
            for mine, kept in zip(*(torch.split(one, AT_ONCE) for one in both), strict=True):
                before = aside[: mine.nbytes].view(mine.dtype)
                before.copy_(mine)
                mine.copy_(kept)
                kept.copy_(before)


def begin_whole(
    model: PreTrainedModel,
    names: Collection[str],
    base: Base,
    *,
    keep: bool = True,
) -> Whole:
    """The base with the weights of these names ready to learn; the others stay frozen. What they
    were is not kept where it will be in shards.

    A name that the model has not (experts that are packed as they are loaded) is passed over.
    """
    model.requires_grad_(False)
    kept: dict[str, Tensor] = {}
    chosen = {id(p) for name, p in _named(model).items() if name in names}
    for name, parameter in model.named_parameters():
        if id(parameter) in chosen:
            parameter.requires_grad_(True)
            was = parameter.detach() if keep else parameter.new_empty(0)
            kept[name] = was.to("cpu", copy=True).contiguous()
    return Whole(model, kept, base.folder)


def _named(model: nn.Module) -> dict[str, nn.Parameter]:
    """Every parameter by every name of it: a head that is the embedding has two."""
    return dict(model.named_parameters(remove_duplicate=False))


def in_files(folder: Path) -> dict[str, str]:
    """What the text model calls each tensor of a folder's files that belongs to it, by its name
    there."""
    several = is_wrapper(find_base(str(folder), weights=True).config.get("model_type"))
    found = {}
    for path in weight_files(folder):
        for name in header(path):
            if not several:
                found[name] = name
            elif is_text(name):
                found[name] = model_name(name)
    return found


def save_whole(model: Whole, folder: Path) -> dict[str, rundir.Written]:
    """The model's folder: what transformers and vLLM load, without words. What was written into
    the files of its weights, by their names."""
    written = save_whole_weights(model, folder)
    config = dict(find_base(str(model.source), weights=True).config)
    kinds = {p.dtype for p in model.learned().values()}
    if len(kinds) == 1:  # a loader that takes the folder's own type gets what was proven
        _tell_type(config, str(kinds.pop()).removeprefix("torch."))
    rundir.write_json(folder / CONFIG, config)
    for name in PROCESSORS:
        if (model.source / name).is_file():
            shutil.copyfile(model.source / name, folder / name)
    return written


def _tell_type(config: dict[str, Any], kind: str) -> None:
    for about in (config, config.get("text_config")):
        if isinstance(about, dict):
            for key in ("dtype", "torch_dtype"):
                if key in about:
                    about[key] = kind


@torch.no_grad()
def save_whole_weights(model: Whole, folder: Path) -> dict[str, rundir.Written]:
    """The base's files anew, learned tensors in place of its own; a slice in memory at a time. What
    was written, by the names of the files."""
    named, learned = _named(model.model), {id(p) for p in model.learned().values()}
    called = in_files(model.source)
    sizes, written = 0, dict[str, rundir.Written]()
    for path in weight_files(model.source):
        tensors: dict[str, Tensor | Coming] = {}
        with safe_open(path, "pt") as file:
            for name, there in header(path).items():
                mine = named.get(called.get(name, ""))
                if mine is not None and id(mine) in learned:
                    tensors[name] = model.to_save(mine)
                else:
                    read = partial(file.get_tensor, name)
                    tensors[name] = Coming(DTYPES[there.dtype], there.shape, read)
            sizes += sum(tensor.nbytes for tensor in tensors.values())
            written[path.name] = write_tensors(
                tensors,
                folder / path.name,
                file.metadata() or {"format": "pt"},
            )
    if (model.source / INDEX).is_file():
        index = rundir.read_json(model.source / INDEX)
        index["metadata"] = {**(index.get("metadata") or {}), "total_size": sizes}
        rundir.write_json(folder / INDEX, index)
    return written


@torch.no_grad()
def load_whole_weights(model: Whole, folder: Path) -> None:
    """Put saved weights into a model that learns the same; ValueError unless they match exactly."""
    learned, named = {id(p): n for n, p in model.learned().items()}, _named(model.model)
    called, left = in_files(folder), set(model.base)
    for path in weight_files(folder):
        with safe_open(path, "pt") as file:
            for name in list(file.keys()):
                mine = named.get(called.get(name, ""))
                if mine is None or id(mine) not in learned:
                    continue
                try:
                    model.put(learned[id(mine)], file.get_tensor(name))
                except ValueError as error:
                    raise ValueError(f"{folder}: {error}") from error
                left.discard(learned[id(mine)])
    if left:
        raise ValueError(f"{folder}: {sorted(left)[:3]}")


def open_whole(
    model: PreTrainedModel,
    folder: Path,
    base: Base,
    dtype: str,
) -> tuple[Whole, Match]:
    """A saved model by the loader that opens any, and how its tensors came in; beside it what the
    base, which is given loaded, has otherwise. The base gives its place on the device away.

    Raises what `load_base` raises.
    """
    device, attention = model.device, model.config._attn_implementation
    before = dict(model.to("cpu").named_parameters())
    if device.type == "cuda":
        torch.cuda.empty_cache()
    tuned = load_base(find_base(str(folder), weights=True), device, dtype, attention)
    other = {
        name: before[name].data
        for name, parameter in tuned.named_parameters()
        if not torch.equal(parameter.detach().cpu(), before[name].detach())
    }
    return Whole(tuned, other, base.folder).eval(), _match(tuned, folder)


def _match(model: PreTrainedModel, folder: Path) -> Match:
    """Every tensor of the files against the model's of that name."""
    named, called = _named(model), in_files(folder)
    saved = matched = 0
    odd, bad = [], []
    for path in weight_files(folder):
        with safe_open(path, "pt") as file:
            for name in list(file.keys()):
                mine = named.get(called.get(name, ""))
                if mine is None:  # of another part, or packed as it is loaded: the loader knows
                    continue
                saved += 1
                there = file.get_tensor(name)
                if not there.isfinite().all():
                    bad.append(name)
                if torch.equal(mine.detach().cpu(), there.to(mine.dtype)):
                    matched += 1
                else:
                    odd.append(name)
    return Match(saved, matched, tuple(odd), tuple(bad))
