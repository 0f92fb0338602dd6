"""The engine of a run whose base learns in shards: all processes compute every pass together.

One still decides. Whatever it does to what is learned, all do (`Same`): clip by the norm of all,
step, put values aside and back. What is asked, evaluated, saved or proven is done by the first
process, with all weights gathered meanwhile. A pass gathers weights in every process, so each has
as many passes an update as any other: where one has fewer rows, a row that weighs nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain
from math import prod
from typing import Any

import torch
from torch import Tensor

from suretune.model.device import untaken
from suretune.model.generate import Asked
from suretune.model.packed_batch import divergence, passes, token_logits
from suretune.model.tensor_file import Coming
from suretune.train.dealt import Dealt
from suretune.train.errands import Done, Same, Together
from suretune.train.flat_adamw import MOMENTS
from suretune.train.pass_lengths import Size, pass_sizes
from suretune.train.shards import KEPT, PlainShard, ShardAdamW
from suretune.train.whole_adamw import MASTERS, WIDE
from suretune.train.world import World
from suretune.types import Sample

ROOM = 1.5  # times what all weights take: they come in pieces, a layer each


class Sharded(Dealt):
    """This process's engine and the others', which compute with shards."""

    def __init__(self, own: PlainShard, adapters: Led, world: World) -> None:
        super().__init__(own, adapters, world)
        self.shard = own
        self.led = adapters
        self._depth = 0  # of `whole`
        self._room = float("inf")  # of the fullest card, that none of the passes seen has needed
        self._seen: frozenset[Size] = frozenset()  # the largest of them

    def backward(self, rows: Sequence[Sample], loss_weight: float, scale: float) -> Tensor:
        """Of all processes' rows, each keeps its part of the sum; see `Engine.backward`."""
        shares = self._shares(rows)
        made = [pass_sizes(share, self.tokens_per_pass) for share in shares]
        counts = [Counter(soft for soft, *_ in sizes) for sizes in made]
        least = max(count[False] for count in counts), max(count[True] for count in counts)
        filler = min(rows, key=lambda row: len(row.ids))
        seed = int(torch.randint(2**62, ()))
        [named] = self._named([filler])
        sizes = frozenset(chain.from_iterable(made))
        stays = self._has_room(sizes)
        self.world.tell(
            [
                Together(
                    rows=self._named(share),
                    loss_weight=loss_weight,
                    scale=scale,
                    seed=seed,
                    least=least,
                    filler=named,
                    stays=stays,
                )
                for share in shares[1:]
            ]
        )
        self.shard.least, self.shard.filler, self.shard.stays = least, filler, stays
        loss = self.world.together(
            partial(
                self.shard.backward,
                shares[0],
                loss_weight,
                scale,
            ),
        )
        answers = self._answers(Done)
        if not stays and self.led.has_moments:  # which take their room with the first update
            rooms = [untaken(self.shard.device), *(answer.untaken for answer in answers)]
            self._room, self._seen = min(self._room, *rooms), _largest(self._seen | sizes)
        return sum((answer.loss for answer in answers), loss)

    def _has_room(self, sizes: frozenset[Size]) -> bool:
        """Whether weights can stay through an update of which no pass is larger than one that was
        seen: what it needs is known then, and no pass can be begun again."""
        seen = all(any(_is_within(one, other) for other in self._seen) for one in sizes)
        return seen and self._room > ROOM * self.led.own.model.whole_bytes

    def apply(self) -> None:
        """Each its shards; see `Engine.apply`."""
        self.led.step()

    def shrink(self, rows: Sequence[Sample]) -> str:
        """Amid a pass of all processes none can begin again; see `Engine.shrink`."""
        return ""

    def restored(self) -> None:
        """Weights are gathered anew for each pass; see `Engine.restored`."""

    @contextmanager
    def whole(self) -> Iterator[None]:
        """All weights are here; see `Engine.whole`."""
        if not self._depth:
            self.led.all("gather_all")
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if not self._depth:
                self.led.all("part_all")

    @contextmanager
    def base(self) -> Iterator[Asked]:
        """See `Engine.base`."""
        before = self.led.aside()
        self.led.wear(self.led.silent())
        try:
            with self.tuned() as model:
                yield model
        finally:
            self.led.wear(before)

    @contextmanager
    def tuned(self) -> Iterator[Asked]:
        """See `Engine.tuned`."""
        with self.whole():
            yield self.shard.model

    def mean_loss(self, samples: Sequence[Sample]) -> float:
        """Here alone; see `Engine.mean_loss`."""
        with self.whole():
            return self.shard.mean_loss(samples)

    @torch.inference_mode()
    def drift(self, samples: Sequence[Sample]) -> float:
        """Here alone; the base's logits wait on the CPU. See `Engine.drift`."""
        batches = passes(samples, self.shard.measured_tokens, self.shard.device)
        model = self.shard.model.eval()
        with self.base():
            kept = [token_logits(model, batch).cpu() for batch in batches]
        total = 0.0
        with self.tuned():
            for base, batch in zip(kept, batches, strict=True):
                nats = divergence(base.to(self.shard.device), token_logits(model, batch))
                total += float(nats.sum())
        return total / sum(sample.learned for sample in samples)


def _largest(sizes: frozenset[Size]) -> frozenset[Size]:
    """Without those that are within another."""
    return frozenset(
        one for one in sizes if not any(one != other and _is_within(one, other) for other in sizes)
    )


def _is_within(one: Size, other: Size) -> bool:
    return one[0] == other[0] and one[1] <= other[1] and one[2] <= other[2]


class Led:
    """What learns, to the loop of the process that leads: see `FlatAdamW`, of which it has what a
    loop asks for. Tensors that it gives out have this process's part alone, and are to be given
    back to it."""

    def __init__(self, own: ShardAdamW, world: World) -> None:
        self.own = own
        self.world = world
        own.model.putting = self.put
        self._made: tuple[Tensor, str, tuple[float, ...]] | None = None

    def all(self, what: str, *given: Any) -> Any:
        """Every process does this; what it comes to here."""
        self.world.tell([Same(what, given)] * (self.world.size - 1))
        return self.world.together(partial(do_same, self.own, Same(what, given)))

    @property
    def values(self) -> Tensor:
        """This process's."""
        return self.own.values

    @property
    def gradient(self) -> Tensor:
        """This process's."""
        return self.own.gradient

    @property
    def parameters(self) -> dict[str, Tensor]:
        """Of all processes, without numbers."""
        shapes = self.own.model.shapes
        return {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}

    @property
    def learned(self) -> int:
        """How many numbers move."""
        return self.own.learned

    @property
    def has_moments(self) -> bool:
        """Whether an update has been made: before, there are none."""
        return bool(self.own.optimizer.state[self.own.values])

    @property
    def resting(self) -> torch.device:
        """Where copies lie, in each process."""
        return self.own.resting

    def zero(self) -> None:
        """Forget the gradient."""
        self.all("zero")

    def clip(self, bound: float, scale: float) -> Tensor:
        """See `FlatAdamW.clip`."""
        norm: Tensor = self.all("clip", bound, scale)
        return norm

    def set_rate(self, rate: float) -> None:
        """Of the next update."""
        self.all("set_rate", rate)

    def step(self) -> None:
        """Apply the gradient."""
        self.all("step")

    def aside(self) -> Tensor:
        """A copy of the values; the last that was put aside is the first to come back."""
        self.all("push", "values")
        return self.own.stack[-1]

    def slope_aside(self) -> Tensor:
        """The same of the gradient."""
        self.all("push", "gradient")
        return self.own.stack[-1]

    def put_slope(self, slope: Tensor) -> None:
        """Put in place what `slope_aside` gave."""
        self._need(slope)
        self.all("pop", "gradient")

    def silent(self) -> Tensor:
        """The base's values."""
        return self._make(self.own.silent(), "wear_silent")

    def dosed(self, dose: float) -> Tensor:
        """The values, of this dose."""
        return self._make(self.own.dosed(dose), "wear_dosed", dose)

    def wear(self, values: Tensor) -> None:
        """See `FlatAdamW.wear`. ValueError while all weights are gathered: they would stay."""
        if self.own.model.gathered:
            raise ValueError("weights are gathered: other values would be seen by nobody")
        made = self._made
        if made is not None and values is made[0]:
            self._made = None
            self.all(made[1], *made[2])
        elif values is self.own.kept.get("values"):
            self.all("wear_kept")
        else:
            self._need(values)
            self.all("pop", "values")

    def _make(self, values: Tensor, how: str, *given: float) -> Tensor:
        self._made = values, how, given
        return values

    def _need(self, values: Tensor) -> None:
        if not self.own.stack or values is not self.own.stack[-1]:
            raise ValueError("not what was put aside last")

    def copy(self, into: dict[str, Tensor]) -> None:
        """Each process keeps its own; `into` has this one's."""
        self.all("keep")
        into.update(self.own.kept)

    def put_back(self, saved: Mapping[str, Tensor]) -> None:
        """What `copy` copied last."""
        self.all("go_back")

    # --- files ------------------------------------------------------------------------------------

    def state(self) -> dict[str, Tensor | Coming]:
        """As `WholeAdamW.state`, tensors gathered when it is their turn."""
        own, found = self.own, dict[str, Tensor | Coming]()
        names = own.model.shapes
        if self.has_moments:
            found["step"] = own.optimizer.state[own.values]["step"]
            found |= {f"{n}/{m}": self._coming(m, n) for m in MOMENTS for n in names}
        narrow = [name for name in names if own.model.kinds[name] not in WIDE]
        return found | {f"{MASTERS}{name}": self._coming("values", name) for name in narrow}

    def load_state(self, saved: Mapping[str, Tensor]) -> None:
        """As `WholeAdamW.load_state`; KeyError for moments of another kind."""
        for name, kind in self.own.model.kinds.items():
            if kind not in WIDE:
                self.put("values", name, saved[f"{MASTERS}{name}"])
        if "step" not in saved:
            return
        self.all("fill", float(saved["step"]))
        for moment in MOMENTS:
            for name in self.own.model.shapes:
                whole = saved[f"{name}/{moment}"]
                if whole.dtype != self.own.flat(moment).dtype:
                    raise KeyError(f"{name}/{moment}: {whole.dtype}")
                self.put(moment, name, whole)

    def kept_state(self, kept: Mapping[str, Tensor]) -> dict[str, Tensor | Coming]:
        """What `copy` copied, for a file: `values` and the moments of each parameter, `step`."""
        found: dict[str, Tensor | Coming] = {}
        for source, tensor in kept.items():
            if source == "step":
                found[source] = tensor
            else:
                names = self.own.model.shapes
                found |= {f"{source}/{n}": self._coming(f"{KEPT}{source}", n) for n in names}
        return found

    def load_kept(self, saved: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What `kept_state` gave, as `copy` copies it."""
        self.all("make_kept", float(saved["step"]) if "step" in saved else None)
        for source in self.own.kept:
            if source != "step":
                for name, whole in self._each(source, saved):
                    self.put(f"{KEPT}{source}", name, whole)
        return self.own.kept

    def _each(self, source: str, saved: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
        """Each parameter's part, also of what one process wrote: all of them in one tensor."""
        shapes = self.own.model.shapes
        if source not in saved:
            yield from ((name, saved[f"{source}/{name}"]) for name in shapes)
            return
        every = torch.split(saved[source], [prod(shape) for shape in shapes.values()])
        for (name, shape), part in zip(shapes.items(), every, strict=True):
            yield name, part.view(shape)

    def put(self, source: str, name: str, whole: Tensor) -> None:
        """A whole tensor into everybody's pieces of it."""
        if tuple(whole.shape) != self.own.model.shapes[name]:
            raise ValueError(f"{name}: {tuple(whole.shape)}")
        self.world.tell([Same("scatter", (source, name))] * (self.world.size - 1))
        self.own.scatter(source, name, whole)

    def _coming(self, source: str, name: str) -> Coming:
        kind = self.own.flat(source).dtype
        shape = self.own.model.shapes[name]
        return Coming(kind, shape, partial(self.all, "gather", source, name))


OF_MODEL = frozenset({"gather_all", "part_all"})
OF_VALUES = frozenset(
    {
        *("zero", "clip", "set_rate", "step", "push", "pop", "wear_silent", "wear_dosed"),
        *("wear_kept", "keep", "go_back", "fill", "make_kept", "gather", "scatter"),
    }
)


def do_same(shards: ShardAdamW, told: Same) -> Any:
    """What all processes do; in each by itself."""
    if told.what in OF_MODEL:
        return getattr(shards.model, told.what)(*told.given)
    if told.what in OF_VALUES:
        return getattr(shards, told.what)(*told.given)
    raise ValueError(f"{told.what} is nothing that all do")
