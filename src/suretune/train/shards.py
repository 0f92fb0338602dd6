"""A base whose own weights learn, in shards: each process has the same rows of every tensor.

torch's FSDP2 gathers a layer's weights where they are computed with and adds up the gradients of
all processes, each its own rows of the sum. What it shards are the masters in float32, rounded as
they are gathered; beside them lie the gradient and both moments: all 16 bytes of a learned number
are shared by the processes. They are one flat tensor as elsewhere (`flat_adamw.py`): rows that do
not divide are padded with zeros, which stay zeros.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from math import prod
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import FSDPModule, MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor, Shard

from suretune.facts import SetupFacts
from suretune.model.full import Whole
from suretune.model.packed_batch import PackedBatch, make_pass, passes
from suretune.model.tensor_file import Coming
from suretune.refusal import Refusal
from suretune.train.flat_adamw import MOMENTS, FlatAdamW
from suretune.train.plain_engine import Plain
from suretune.train.whole_adamw import WIDE, WholeAdamW
from suretune.train.world import World
from suretune.types import Sample, Text

SLOPES = "gradient"  # beside `values` and the moments, what lies there of each parameter
KEPT = "kept/"  # of the state that recovery would go back to


class ShardedWhole(Whole):
    """One process's part of a `Whole`, whose weights are in all processes together.

    `pieces`: of each tensor that learns this process's rows, padded to as many as the others have,
    in float32 or wider; `base` has the base's numbers of the same rows. `shapes`: of the tensors.
    """

    def __init__(self, whole: Whole, world: World) -> None:
        super().__init__(whole.model, {}, whole.source)
        self.shapes = {name: tuple(p.shape) for name, p in whole.learned().items()}
        self.kinds = {name: p.dtype for name, p in whole.learned().items()}
        self._need_one_kind()
        device = next(self.model.parameters()).device
        self.mesh = init_device_mesh(device.type, (world.size,))
        _shard(self.model, self.kinds, self.mesh)
        self.putting: Callable[[str, str, Tensor], None] | None = None  # of who leads
        self.gathered = False  # whether all weights are here
        self.stays = False  # whether a pass leaves here what it has gathered
        self.sharded = {n: p for n, p in self.model.named_parameters() if n in self.shapes}
        self.pieces = {name: _padded(p, world.size) for name, p in self.sharded.items()}
        self.base = {
            name: piece.detach().to("cpu", self.kinds[name], copy=True)
            for name, piece in self.pieces.items()
        }

    def _need_one_kind(self) -> None:
        """Refusal where some of what learns is computed in another type: gpt-oss keeps its norms
        in float32 beside float16, and what FSDP gathers has one type."""
        if len(set(self.kinds.values())) > 1:
            found = Text(
                "a model of which some weights stay in float32, on several GPUs,",
                "部分权重保持 float32 的模型在多块 GPU 上",
            )
            raise Refusal(SetupFacts("dtype-unsupported", "float16", found, "bfloat16"))

    def bind(self) -> None:
        """Let FSDP compute with `pieces`, and add up gradients in theirs; all come here.

        RuntimeError where this version of torch does not: nothing would be learned.
        """
        for name, parameter in self.sharded.items():
            piece, shape, shard = self.pieces[name], self.shapes[name], _tensor(parameter)
            rows = len(shard._local_tensor)
            shard._local_tensor = piece.data  # taken over whole at the first pass
            parameter.grad = DTensor.from_local(
                _there(piece.grad)[:rows],
                shard.device_mesh,
                [Shard(0)],
                run_check=False,
                shape=torch.Size(shape),
                stride=parameter.stride(),
            )
        self._need_bound()

    @torch.no_grad()
    def _need_bound(self) -> None:
        """Another number in a piece must be gathered, of the first tensor that learns."""
        name, piece = next(iter(self.pieces.items()))
        modules = self.model.named_modules()
        owners = [m for n, m in modules if name.startswith(n) and isinstance(m, FSDPModule)]
        own, was = piece.data.view(-1)[:1], piece.data.view(-1)[:1].clone()
        own.add_(1)
        owners[-1].unshard()
        rows = self.mesh.get_local_rank() * len(piece)
        whole = dict(self.model.named_parameters())[name]
        seen = rows >= len(whole) or bool(whole[rows].view(-1)[:1] == own.to(whole.dtype))
        owners[-1].reshard()
        own.copy_(was)
        if not seen:
            raise RuntimeError(f"torch {torch.__version__}: FSDP2 keeps weights of its own")

    def put(self, name: str, saved: Tensor) -> None:
        """Into the shards of all processes; see `Whole.put`."""
        if tuple(saved.shape) != self.shapes[name] or saved.dtype != self.kinds[name]:
            raise ValueError(f"{name}: {saved.dtype} {tuple(saved.shape)}")
        if self.putting is None:
            raise ValueError(f"{name}: only the process that leads reads")
        self.putting("values", name, saved)

    def to_save(self, learned: nn.Parameter) -> Tensor | Coming:
        """A copy, when it is its turn: what numpy has seen on a CPU, FSDP cannot let go of."""
        copy = partial(learned.detach().to, "cpu", copy=True)
        return Coming(learned.dtype, tuple(learned.shape), copy)

    @torch.inference_mode(mode=False)  # what is gathered must be let go of outside of it
    def gather_all(self) -> None:
        """Every process has all weights, until `part_all`: one of them may compute by itself."""
        self.gathered = True
        for module in self._layers():
            module.set_reshard_after_forward(False, recurse=False)
            module.unshard()

    @torch.inference_mode(mode=False)
    def part_all(self) -> None:
        """Each has its shards again."""
        self.gathered = False
        for module in self._layers():
            module.reshard()
            module.set_reshard_after_forward(True, recurse=False)

    def _layers(self) -> list[FSDPModule]:
        return [module for module in self.model.modules() if isinstance(module, FSDPModule)]

    @contextmanager
    def staying(self) -> Iterator[None]:
        """What a pass gathers meanwhile stays until the end, for the passes behind it."""
        layers = self._layers()
        for module in layers:
            module.set_reshard_after_forward(False, recurse=False)
            module.set_reshard_after_backward(False, recurse=False)
        self.stays = True
        try:
            yield
        finally:
            self.stays = False
            for module in layers:
                module.reshard()
                module.set_reshard_after_forward(True, recurse=False)
                module.set_reshard_after_backward(True, recurse=False)

    @property
    def whole_bytes(self) -> int:
        """Of all weights gathered, as they are computed with."""
        kind = next(iter(self.kinds.values()))
        values: int = sum(p.numel() for p in self.model.parameters())
        return values * kind.itemsize

    @contextmanager
    def without(self) -> Iterator[None]:
        """The base meanwhile, in every process: all come here together."""
        mine = {name: piece.detach().to("cpu", copy=True) for name, piece in self.pieces.items()}
        self._put(self.base)
        try:
            yield
        finally:
            self._put(mine)

    @torch.no_grad()
    def _put(self, values: Mapping[str, Tensor]) -> None:
        if self.stays:  # what was gathered is no longer what is computed with
            for module in self._layers():
                module.reshard()
        for name, piece in self.pieces.items():
            piece.data.copy_(values[name])


def _shard(model: Any, learned: Mapping[str, torch.dtype], mesh: DeviceMesh) -> None:
    """Every layer by itself, then what is around them: so much is whole at once.

    By names, and nothing here holds a tensor: what is sharded is freed. Frozen weights of another
    type, as routers that stay in float32, would be gathered in what the others are computed in:
    they are few, and stay whole.
    """
    kind = next(iter(learned.values()))
    wide = kind if kind in WIDE else torch.float32
    called = {module: f"{name}." if name else "" for name, module in model.named_modules()}
    how = MixedPrecisionPolicy(param_dtype=kind, reduce_dtype=wide, cast_forward_inputs=False)
    layers = max((m for m in model.modules() if isinstance(m, nn.ModuleList)), key=len, default=())
    for module in (*layers, model):
        whole = {
            called[module] + name: p
            for name, p in module.named_parameters()
            if not isinstance(p, DTensor)
        }
        apart = {p for name, p in whole.items() if name not in learned and p.dtype != kind}
        _widen([p for name, p in whole.items() if name in learned], wide)
        del whole
        sharded = fully_shard(
            module,
            mesh=mesh,
            reshard_after_forward=True,
            mp_policy=how,
            ignored_params=apart,
        )
        # The loss is divided by all weights of an update before its rows are dealt: a sum.
        sharded.set_gradient_divide_factor(1.0)
        sharded.set_force_sum_reduction_for_comms(True)


def _widen(learned: Sequence[nn.Parameter], wide: torch.dtype) -> None:
    for parameter in learned:
        parameter.data = parameter.data.to(wide)


def _padded(parameter: nn.Parameter, size: int) -> nn.Parameter:
    """This process's rows, and zeros behind them where another has more."""
    mine = _tensor(parameter)._local_tensor.detach()
    rows = -(-parameter.shape[0] // size)
    padded = mine.new_zeros((rows, *parameter.shape[1:]))
    padded[: len(mine)] = mine
    return nn.Parameter(padded)


def _tensor(parameter: nn.Parameter) -> DTensor:
    if not isinstance(parameter, DTensor):
        raise TypeError(f"{type(parameter)} is no shard")
    return parameter


def _there(tensor: Tensor | None) -> Tensor:
    if tensor is None:
        raise ValueError("no gradient")
    return tensor


class ShardAdamW(WholeAdamW):
    """AdamW over this process's pieces; the norm is that of all. See `FlatAdamW`."""

    def __init__(self, model: ShardedWhole, weight_decay: float, world: World) -> None:
        FlatAdamW.__init__(self, model.pieces, weight_decay)
        self.base = model.base
        self.rounded = {}  # by FSDP, as they are gathered
        self.model = model
        self.world = world
        self.stack: list[Tensor] = []  # copies put aside, the last on top
        self.kept: dict[str, Tensor] = {}  # what `copy` copied
        model.bind()

    @property
    def learned(self) -> int:
        """Of all processes."""
        return sum(prod(shape) for shape in self.model.shapes.values())

    def norm(self) -> Tensor:
        """Of all processes' gradients."""
        total = super().norm().square()
        self.world.sum_(total)
        self.world.share_(total)
        return total.sqrt()

    # --- what all processes do together, at a word of the leader -------------------------------

    def push(self, source: str) -> None:
        """A copy of the values, or of the gradient, onto the stack."""
        self.stack.append(self.aside() if source == "values" else self.slope_aside())

    def pop(self, source: str) -> None:
        """The top of the stack is what it was a copy of."""
        self.flat(source).copy_(self.stack.pop())

    def wear_silent(self) -> None:
        """The values are the base's."""
        self.wear(self.silent())

    def wear_dosed(self, dose: float) -> None:
        """The values are so much of what was learned."""
        self.wear(self.dosed(dose))

    def wear_kept(self) -> None:
        """The values are those of the state that was kept."""
        self.wear(self.kept["values"])

    def keep(self) -> None:
        """The state is kept, to go back to."""
        self.copy(self.kept)

    def go_back(self) -> None:
        """To the state that was kept."""
        self.put_back(self.kept)

    def fill(self, step: float) -> None:
        """Moments are there, after so many updates."""
        self._fill()
        self.optimizer.state[self.values]["step"].fill_(step)

    def make_kept(self, step: float | None) -> None:
        """Room for a state that was kept after so many updates; None: before the first."""
        shape = {"values": self.values, **({m: self.values for m in MOMENTS} if step else {})}
        self.kept = {name: torch.empty_like(like, device="cpu") for name, like in shape.items()}
        if step:
            self.kept["step"] = torch.tensor(step)

    def gather(self, source: str, name: str) -> Tensor:
        """A whole tensor of `flat`, at the leader."""
        whole = self.world.gather(self._piece(source, name).to(self.values.device))
        return whole[: self.model.shapes[name][0]]

    def scatter(self, source: str, name: str, whole: Tensor | None = None) -> None:
        """The leader's whole tensor into everybody's pieces of it."""
        piece = self._piece(source, name)
        mine = torch.empty_like(piece, device=self.values.device)
        if whole is not None:
            full = mine.new_zeros((len(mine) * self.world.size, *mine.shape[1:]))
            full[: len(whole)] = whole
            self.world.scatter_(mine, full)
        else:
            self.world.scatter_(mine, None)
        piece.copy_(mine)

    def flat(self, source: str) -> Tensor:
        """(n,) `values`, `gradient`, a moment; or of what was kept `kept/values` and its
        moments."""
        if source.startswith(KEPT):
            return self.kept[source.removeprefix(KEPT)]
        if source in MOMENTS:
            moment: Tensor = self.optimizer.state[self.values][source]
            return moment
        return self.gradient if source == SLOPES else self.values.data

    def _piece(self, source: str, name: str) -> Tensor:
        return dict(zip(self.parameters, self._parts(self.flat(source)), strict=True))[name]


class PlainShard(Plain):
    """The plain engine with so many passes an update of rows, and of rows held to the base.

    `stays`: weights are gathered once an update, where there is room for all of them.
    """

    least = (0, 0)
    filler: Sample | None = None
    stays = False

    def backward(self, rows: Sequence[Sample], loss_weight: float, scale: float) -> Tensor:
        """This process's part of the sum; see `Plain.backward`."""
        model = self.model
        if not self.stays or not isinstance(model, ShardedWhole):
            return super().backward(rows, loss_weight, scale)
        with model.staying():
            return super().backward(rows, loss_weight, scale)

    def _batches(self, rows: Sequence[Sample], *, soft: bool) -> list[PackedBatch]:
        made = passes(rows, self.tokens_per_pass, self.device)
        if self.filler is not None and len(made) < self.least[soft]:
            empty = make_pass([self.filler], self.device)
            empty = replace(empty, weights=torch.zeros_like(empty.weights))
            made += [empty] * (self.least[soft] - len(made))
        return made
