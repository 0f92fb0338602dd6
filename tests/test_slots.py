"""In a busy batch every request hears what it would hear alone: its base, its adapter, its numbers.

On a CPU by the torch references; on CUDA the kernels and graphs are compared with them.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import load_file, save_file
from torch import nn

from suretune.model import decode_layers, kv_cache, slots
from suretune.model.decode import Decoder
from suretune.model.lora import CONFIG, WEIGHTS, load_adapter, save_adapter
from suretune.model.multi_lora import LoraPool, read_adapter
from suretune.model.sampling import drawn, pick
from suretune.model.slots import Ask, Said, Slots
from suretune.model.stack import Stack, make_stack
from test_decode import (
    NOBODY,
    WIDE,
    as_exact,
    asked,
    copy_weights,
    draws,
    errors,
    likely_stops,
    told,
)
from test_fused import FAMILIES, MORE, exact_norms, tuned  # noqa: F401

gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")
LENGTHS = (5, 1, 33, 12, 12, 7, 20, 3, 9)


def bare(family: str, dtype: torch.dtype = torch.float64, **config: Any) -> Any:
    """The same base each time: without adapters, but with some in it, so that it is not dull."""
    return tuned(family, dtype, **config).merge_and_unload().eval()


def stack_of(model: Any) -> Stack:
    stack = make_stack(model)
    assert isinstance(stack, Stack), stack
    return stack


def adapter(
    folder: Path, model: Any, seed: int, rank: int = 4, targets: Any = "all-linear", **more: Any
) -> Path:
    """A saved adapter whose halves are both random; the model is a `bare` one, and used up."""
    torch.manual_seed(seed)
    settings = LoraConfig(
        r=rank, lora_alpha=2 * rank, target_modules=targets, task_type="CAUSAL_LM", **more
    )
    made = get_peft_model(model, settings, autocast_adapter_dtype=False)
    for name, parameter in made.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.3)
    folder.mkdir()
    save_adapter(made, folder)
    return folder


@dataclass
class Heard:
    """What one request was given."""

    tokens: list[int] = field(default_factory=list)
    end: str | None = None
    logprobs: list[float | None] = field(default_factory=list)
    top: list[tuple[tuple[int, float], ...]] = field(default_factory=list)

    def add(self, said: Said) -> None:
        assert self.end is None, "after its end"
        self.end = said.end
        if said.token is not None:
            self.tokens.append(said.token)
            self.logprobs.append(said.logprob)
            self.top.append(said.top)


def busy(
    who: Slots, asks: Sequence[Ask], seed: int | None = None, dropped: Iterable[int] = ()
) -> list[Heard]:
    """All of them: as many at once as fit, or, with a seed, coming when they like.

    With an odd seed the device is a step ahead on a CPU as well.
    """
    chance = random.Random(seed)
    who.ahead = who.device.type == "cuda" or (seed is not None and seed % 2 == 1)
    given, seats = [Heard() for _ in asks], {}
    waiting = list(range(len(asks)))
    while waiting or seats:
        some = waiting[: who.free if seed is None else chance.randint(0, who.free)]
        waiting = waiting[len(some) :]
        for index, (slot, said) in zip(some, who.admit([asks[i] for i in some]), strict=True):
            assert slot not in seats and said.slot == slot
            seats[slot] = index
            hear(said, given, seats)
        for slot, index in list(seats.items()):
            if index in dropped and len(given[index].tokens) > 2:
                who.drop(slot)
                del seats[slot]
        for said in who.step():
            hear(said, given, seats)
        assert who.free == who.rows - len(seats)
    assert who.step() == []
    return given


def hear(said: Said, given: list[Heard], seats: dict[int, int]) -> None:
    given[seats[said.slot]].add(said)
    if said.end is not None:
        del seats[said.slot]


def greedy(prompts: Sequence[Sequence[int]], most: int = 30, **how: Any) -> list[Ask]:
    return [Ask(tuple(prompt), how.pop("stop_ids", NOBODY), most, **how) for prompt in prompts]


@pytest.mark.parametrize("family", [*FAMILIES, "window"])
def test_in_a_busy_batch_as_alone(family: str) -> None:
    kind, more = ("Mistral", {"sliding_window": 7}) if family == "window" else (family, {})
    prompts = asked(*LENGTHS)
    alone = Decoder(stack_of(bare(kind, **more)))
    stops = likely_stops([alone.generate([p], NOBODY, 20)[0] for p in prompts])
    want = [alone.generate([p], stops, 20)[0] for p in prompts]
    who = Slots(stack_of(bare(kind, **more)), 4, 128, 0, 0)
    asks = [Ask(tuple(p), stops, 20) for p in prompts]
    for seed in (None, 1, 2):
        given = busy(who, asks, seed)
        assert [heard.tokens for heard in given] == want
        ends = ["length" if len(heard.tokens) == 20 else "stop" for heard in given]
        assert [heard.end for heard in given] == ends and "stop" in ends


# The others, whose layers have the shape of one of these, are long tests.
SOME = ("Qwen3", "Phi3", "Gemma3Text", "Olmo2", "Exaone4", "Granite")


@pytest.mark.parametrize("family", SOME)
def test_each_row_hears_its_own_adapter(family: str, tmp_path: Path) -> None:
    """Other layers, other ranks and scales, and the base itself, in one batch."""
    qkv = ["qkv_proj"] if family == "Phi3" else ["q_proj", "v_proj"]
    folders = {
        "x": adapter(tmp_path / "x", bare(family, torch.float32), 1),
        "y": adapter(
            tmp_path / "y", bare(family, torch.float32), 2, 11, [*qkv, "down_proj"],
            use_rslora=True,
        ),
    }  # fmt: skip
    prompts = asked(*LENGTHS)
    names = [None, "x", "y"] * 3
    models = {name: load_adapter(bare(family, torch.float32), folders[name])[0] for name in "xy"}
    models[None] = bare(family, torch.float32)
    want = {name: told(models[name], prompts, NOBODY, 20) for name in (None, "x", "y")}
    assert want[None] != want["x"] != want["y"]
    who = Slots(stack_of(bare(family, torch.float32)), 5, 64, 2, 32)
    for name, folder in folders.items():
        match = who.load(name, folder)
        assert match.saved == match.matched == len(load_file(folder / WEIGHTS))
    assert who.adapters == ("x", "y")
    asks = [Ask(tuple(p), NOBODY, 20, adapter=name) for p, name in zip(prompts, names, strict=True)]
    for seed in (None, 3):
        given = busy(who, asks, seed)
        assert [heard.tokens for heard in given] == [want[name][i] for i, name in enumerate(names)]


@pytest.mark.parametrize("family", [family for family in FAMILIES if family not in SOME])
def test_each_row_hears_its_own_adapter_in_every_family(family: str, tmp_path: Path) -> None:
    test_each_row_hears_its_own_adapter(family, tmp_path)


def test_logprobs_are_the_models(tmp_path: Path) -> None:
    folder = adapter(tmp_path / "x", bare("Qwen3", torch.float32), 1)
    who = Slots(stack_of(bare("Qwen3", torch.float32)), 3, 64, 1, 8)
    who.load("x", folder)
    models = {"x": load_adapter(bare("Qwen3", torch.float32), folder)[0]}
    models[None] = bare("Qwen3", torch.float32)
    asks = [
        Ask(tuple(asked(9)[0]), NOBODY, 12, name, warmth, 0.9, 7, logprobs)
        for name, warmth, logprobs in
        (("x", 0.0, 3), (None, 1.0, 0), ("x", 1.5, 20), (None, 0.0, None))
    ]  # fmt: skip
    for ask, heard in zip(asks, busy(who, asks), strict=True):
        if ask.logprobs is None:
            assert heard.logprobs == [None] * 12 and heard.top == [()] * 12
            continue
        ids = torch.tensor([[*ask.prompt, *heard.tokens]])
        with torch.no_grad():
            model = models[ask.adapter]
            model.set_attn_implementation("sdpa")
            logs = model(input_ids=ids).logits[0, len(ask.prompt) - 1 : -1].log_softmax(-1)
        for line, token, logprob, top in zip(
            logs, heard.tokens, heard.logprobs, heard.top, strict=True
        ):
            assert logprob == pytest.approx(line[token].item(), abs=1e-5)
            highest, whose = line.topk(ask.logprobs)
            assert [token for token, _ in top] == whose.tolist()
            assert [value for _, value in top] == pytest.approx(highest.tolist(), abs=1e-5)


def test_a_seed_draws_the_same_whatever_the_neighbours() -> None:
    who = Slots(stack_of(bare("Gemma")), 6, 128, 0, 0)
    prompts = asked(*LENGTHS)
    asks = [
        Ask(tuple(p), NOBODY, 20, temperature=1.5, top_p=top_p, seed=seed)
        for p, top_p, seed in zip(prompts, (0.9, 1.0, 0.5) * 3, range(9), strict=True)
    ]
    alone = [busy(who, [ask])[0].tokens for ask in asks]
    others = greedy(asked(4, 6, 8), 25)
    for seed in (None, 1):
        given = busy(who, [*others, *asks], seed)
        assert [heard.tokens for heard in given[3:]] == alone
        assert [heard.tokens for heard in given[:3]] == [
            busy(who, [ask])[0].tokens for ask in others
        ]
    again = [replace(ask, seed=ask.seed + 100) for ask in asks if ask.seed is not None]
    assert [heard.tokens for heard in busy(who, again)] != alone
    minus, plus = (replace(asks[0], seed=seed) for seed in (-5, 5))
    assert busy(who, [minus])[0].tokens != busy(who, [plus])[0].tokens
    freely = replace(asks[0], seed=None)
    assert busy(who, [freely])[0].tokens != busy(who, [freely])[0].tokens


def test_drawn_as_often_as_likely() -> None:
    chances = torch.tensor([0.5, 0.2, 0.15, 0.1, 0.05])
    many = 20_000
    numbers = (torch.arange(many) + 0.5) / many
    logits = chances.log().repeat(many, 1)

    def shares(temperature: float, top_p: float | None) -> torch.Tensor:
        nucleus = None if top_p is None else torch.full((many,), top_p)
        found = drawn(logits, torch.full((many,), temperature), nucleus, numbers)
        return found.bincount(minlength=5) / many

    assert torch.allclose(shares(1.0, None), chances, atol=2e-4)
    assert torch.allclose(shares(1.0, 0.75), torch.tensor([50, 20, 15, 0, 0]) / 85, atol=2e-4)
    sharp = chances.square() / chances.square().sum()
    assert torch.allclose(shares(0.5, 1.0), sharp, atol=2e-4)
    assert shares(1e-40, None).tolist() == [1, 0, 0, 0, 0] == shares(3.0, 0.01).tolist()
    assert shares(3.0, 1e-50).tolist() == [1, 0, 0, 0, 0]  # which is zero in float32
    seeded = torch.Generator().manual_seed(1)
    assert not pick(logits[:50], 3.0, 1e-50, seeded).any()


@pytest.mark.parametrize("ahead", [True, False])
def test_a_dropped_request_frees_its_slot_and_leaves_nothing(ahead: bool) -> None:
    """Whatever stood in a freed row, even NaN in every place, is never seen."""
    who = Slots(stack_of(bare("Mistral", sliding_window=9)), 2, 64, 0, 0)
    asks = greedy(asked(30, 7, 12), 25)
    want = [busy(who, [ask])[0].tokens for ask in asks]
    who.ahead = ahead
    (long, _), (short, first) = who.admit(asks[:2])
    said = [s for _ in range(5) for s in who.step() if s.slot == short]
    assert who.free == 0
    who.drop(long)
    assert who.free == 1
    with pytest.raises(ValueError, match="nobody"):
        who.drop(long)
    who.cache.keys[:, long] = torch.nan
    who.cache.values[:, long] = torch.nan
    [(slot, begin)] = who.admit(asks[2:])
    assert slot == long
    tokens = {short: [first.token, *(s.token for s in said)], slot: [begin.token]}
    while who.free < 2:
        for one in who.step():
            tokens[one.slot].append(one.token)
    assert [tokens[short], tokens[slot]] == want[1:]


def test_memory_that_runs_out_while_reading_takes_no_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    who = Slots(stack_of(bare("Qwen2")), 3, 64, 0, 0)
    asks = greedy(asked(8, 12, 5), 20)
    want = [busy(who, [ask])[0].tokens for ask in asks]
    [(_, said)] = who.admit(asks[:1])
    tokens = [said.token]

    def full(*_: Any) -> None:
        raise torch.OutOfMemoryError

    with monkeypatch.context() as patch:
        patch.setattr(slots, "read", full)
        with pytest.raises(torch.OutOfMemoryError):
            who.admit(asks[1:])
    assert who.free == 2
    while who.free < 3:
        tokens += [said.token for said in who.step()]
    assert tokens == want[0]
    assert [heard.tokens for heard in busy(who, asks)] == want


def test_adapters_come_and_go_while_others_answer(tmp_path: Path) -> None:
    folders = [
        adapter(tmp_path / str(seed), bare("Qwen2"), seed, rank)
        for seed, rank in ((1, 4), (2, 16), (3, 8))
    ]
    prompts = asked(9, 4)
    who = Slots(stack_of(bare("Qwen2")), 4, 128, 3, 32)
    who.load("kept", folders[0])
    asks = [
        Ask(tuple(p), NOBODY, 60, name) for p, name in zip(prompts, ("kept", None), strict=True)
    ]
    want = [busy(who, [ask])[0].tokens for ask in asks]
    tokens: dict[int, list[int | None]] = {}
    for slot, said in who.admit(asks):
        tokens[slot] = [said.token]
    turns = 0
    while who.free < 4:
        match turns % 8:
            case 1:
                who.load("big", folders[1])
            case 3:
                who.load("third", folders[2])
            case 5:
                who.unload("big")
            case 7:
                who.unload("third")
        for said in who.step():
            tokens[said.slot].append(said.token)
        turns += 1
    assert turns > 50 and list(tokens.values()) == want
    for name in who.adapters[1:]:
        who.unload(name)
    assert who.adapters == ("kept",) and who.many.used == 1
    fresh = Slots(stack_of(bare("Qwen2")), 4, 128, 3, 32)
    fresh.load("third", folders[2])
    ask = Ask(tuple(prompts[0]), NOBODY, 20, "third")
    want_third = busy(fresh, [ask])[0].tokens
    who.load("third", folders[2])  # where others were before
    assert busy(who, [ask])[0].tokens == want_third


def test_an_adapter_is_not_unloaded_under_a_request(tmp_path: Path) -> None:
    folder = adapter(tmp_path / "x", bare("Llama"), 1)
    who = Slots(stack_of(bare("Llama")), 2, 64, 2, 16)
    who.load("x", folder)
    [(slot, _)] = who.admit(greedy(asked(5), adapter="x"))
    who.step()
    with pytest.raises(ValueError, match=r"^1 requests use x$"):
        who.unload("x")
    who.drop(slot)
    who.unload("x")
    for name in ("x", "y"):
        with pytest.raises(ValueError, match=f"no adapter named {name}"):
            who.unload(name)
    with pytest.raises(ValueError, match="no adapter named x"):
        who.admit(greedy(asked(5), adapter="x"))


def test_adapters_have_room_or_are_refused(tmp_path: Path) -> None:
    folders = {rank: adapter(tmp_path / str(rank), bare("Llama"), 1, rank) for rank in (4, 9, 24)}
    who = Slots(stack_of(bare("Llama")), 2, 64, 2, 32)
    with pytest.raises(ValueError, match="wide needs 48 ranks, 32 of 32 are free"):
        who.load("wide", adapter(tmp_path / "wide", bare("Llama"), 1, 48))
    who.load("a", folders[4])
    with pytest.raises(ValueError, match="named a is loaded already"):
        who.load("a", folders[9])
    who.load("b", folders[24])
    assert who.many.free == []
    with pytest.raises(ValueError, match=r"^2 adapters are loaded"):
        who.load("c", folders[4])
    who.unload("a")
    with pytest.raises(ValueError, match="c needs 16 ranks, 8 of 32 are free"):
        who.load("c", folders[9])
    assert who.adapters == ("b",)
    with pytest.raises(ValueError, match="adapters of its own"):
        Slots(make_stack(tuned("Llama").base_model.model), 2, 64, 2, 32)


def test_begun_anew_over_the_same_stack(tmp_path: Path) -> None:
    """After an accident: nothing of the former slots is left."""
    folder = adapter(tmp_path / "x", bare("Llama"), 1)
    stack, asks = stack_of(bare("Llama")), greedy(asked(5, 9), 20)
    who = Slots(stack, 2, 64, 2, 32)
    want = busy(who, asks)
    who.load("x", folder)
    tuned_answers = busy(who, [replace(ask, adapter="x") for ask in asks])
    again = Slots(stack, 2, 64, 1, 8)
    assert again.adapters == () and busy(again, asks) == want
    again.load("y", folder)
    assert busy(again, [replace(ask, adapter="y") for ask in asks]) == tuned_answers


def changed(folder: Path, change: Any) -> Path:
    tensors = load_file(folder / WEIGHTS)
    change(tensors)
    save_file(tensors, folder / WEIGHTS)
    return folder


def set_up(folder: Path, **settings: Any) -> Path:
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(config | settings))
    return folder


Q = "base_model.model.model.layers.1.self_attn.q_proj.lora_A.weight"


@pytest.mark.parametrize(
    ("wrong", "odd"),
    [
        (lambda f: changed(f, lambda t: t.pop(Q)), Q),
        (lambda f: changed(f, lambda t: t.update({"more": t[Q].clone()})), "more"),
        (lambda f: changed(f, lambda t: t.update({Q: t[Q][:, :-1].contiguous()})), Q),
        (lambda f: set_up(f, r=5), Q),
        (lambda f: set_up(f, use_dora=True), "use_dora"),
        (lambda f: set_up(f, bias="all"), "bias"),
        (lambda f: set_up(f, init_lora_weights="pissa"), "init_lora_weights"),
        (lambda f: set_up(f, use_what_is_not_known_yet=True), "use_what_is_not_known_yet"),
        (lambda f: set_up(f, target_modules=["q_proj", "lm_head"]), "lm_head"),
        (lambda f: set_up(f, target_modules=["nothing"]), "target_modules"),
        (lambda f: set_up(f, rank_pattern={"(a+)+b": 2}), "(a+)+b"),
        (lambda f: set_up(f, alpha_pattern={"(.*a){25}": 2}), "(.*a){25}"),
        (lambda f: set_up(f, exclude_modules="(.*a){25}"), "(.*a){25}"),
        (lambda f: set_up(f, peft_type="IA3"), "peft_type"),
        (lambda f: set_up(f, r=0), "lora_alpha"),
        (lambda f: set_up(f, lora_alpha=float("nan")), "lora_alpha"),
    ],
)
def test_an_adapter_that_does_not_match_is_not_loaded(tmp_path: Path, wrong: Any, odd: str) -> None:
    who = Slots(stack_of(bare("Llama")), 2, 64, 2, 32)
    match = who.load("x", wrong(adapter(tmp_path / "x", bare("Llama"), 1)))
    assert odd in match.odd
    assert who.adapters == () and who.many.used == 0


def test_an_adapter_that_is_not_finite_is_not_loaded(tmp_path: Path) -> None:
    def poison(tensors: dict[str, torch.Tensor]) -> None:
        tensors[Q][0, 0] = torch.nan

    folder = changed(adapter(tmp_path / "x", bare("Llama"), 1), poison)
    who = Slots(stack_of(bare("Llama")), 2, 64, 2, 32)
    assert who.load("x", folder).non_finite == (Q,)
    assert who.adapters == ()
    (folder / CONFIG).write_text("[1]")
    with pytest.raises(TypeError, match="not an object"):
        who.load("x", folder)
    (folder / CONFIG).unlink()
    with pytest.raises(FileNotFoundError):
        who.load("x", folder)


def test_patterns_of_ranks_and_scales_are_pefts(tmp_path: Path) -> None:
    more = {
        "rank_pattern": {"o_proj": 2, "layers.1.mlp.gate_proj": 9}, "alpha_pattern": {"o_proj": 3},
        "layers_to_transform": [1, 2],
    }  # fmt: skip
    targets = ["o_proj", "gate_proj", "q_proj"]
    folder = adapter(tmp_path / "x", bare("Qwen2", torch.float32), 1, 4, targets, **more)
    pairs, _ = read_adapter(stack_of(bare("Qwen2", torch.float32)), folder)
    assert len(pairs) == 6 and {len(pair.a) for pair in pairs.values()} == {2, 4, 9}
    who = Slots(stack_of(bare("Qwen2", torch.float32)), 2, 64, 1, 16)
    who.load("x", folder)
    prompts = asked(8, 5)
    want = told(load_adapter(bare("Qwen2", torch.float32), folder)[0], prompts, NOBODY, 20)
    assert [h.tokens for h in busy(who, greedy(prompts, 20, adapter="x"))] == want


def test_the_layers_are_the_tensors_where_an_expression_stands(tmp_path: Path) -> None:
    """One can be written that never ends, and it would run in the engine's thread."""
    folder = adapter(tmp_path / "x", bare("Llama"), 1)
    want, _ = read_adapter(stack_of(bare("Llama")), folder)
    set_up(folder, target_modules="(a+)+(a+)+$|(.*o){25}(.*a){25}")
    pairs, match = read_adapter(stack_of(bare("Llama")), folder)
    assert pairs.keys() == want.keys() and not match.odd and match.matched == match.saved
    tensors = {
        **load_file(folder / WEIGHTS),
        "base_model.model.lm_head.lora_A.weight": torch.ones(4),
    }
    save_file(tensors, folder / WEIGHTS)
    assert "lm_head" in read_adapter(stack_of(bare("Llama")), folder)[1].odd


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (
            Ask((5,) * 60, NOBODY, 5),
            "60 tokens of prompt and 5 new ones are 65; there is room for 64",
        ),
        (Ask((), NOBODY, 5), "at least one token"),
        (Ask((5,), NOBODY, 0), "at least one new token"),
        (Ask((5, 61), NOBODY, 5), "between 0 and 60"),
        (Ask((-1,), NOBODY, 5), "between 0 and 60"),
        (Ask((5,), NOBODY, 5, "x"), "no adapter named x"),
        (Ask((5,), NOBODY, 5, temperature=-1.0), "temperature"),
        (Ask((5,), NOBODY, 5, temperature=float("nan")), "temperature"),
        (Ask((5,), NOBODY, 5, top_p=-0.1), "top_p"),
        (Ask((5,), NOBODY, 5, logprobs=21), "21"),
    ],
)
def test_what_cannot_be_admitted_is_refused_before_anything_happens(ask: Ask, words: str) -> None:
    who = Slots(stack_of(bare("Llama")), 2, 64, 0, 0)
    with pytest.raises(ValueError, match=words):
        who.admit([Ask((5,), NOBODY, 5), ask])
    assert who.free == 2 and not who.cache.keys.any()
    full = Ask((5,) * 60, NOBODY, 4)
    with pytest.raises(ValueError, match="3 requests, and 2 free slots"):
        who.admit([full] * 3)
    assert [len(heard.tokens) for heard in busy(who, [full] * 3)] == [4] * 3
    assert who.admit([]) == [] == who.step()


def test_a_row_that_breaks_ends_alone() -> None:
    model = bare("Qwen2")
    model.model.embed_tokens.weight.data[60] = torch.inf
    who = Slots(stack_of(model), 3, 64, 0, 0)
    asks = greedy(asked(9, 9), 20)
    want = [busy(who, [ask])[0] for ask in asks]
    assert [heard.end for heard in want] == ["length"] * 2
    broken = replace(asks[0], prompt=(5, 60, 7))
    warm = replace(broken, temperature=1.0)
    given = busy(who, [asks[0], broken, warm, asks[1]])
    assert [heard.tokens for heard in given] == [want[0].tokens, [], [], want[1].tokens]
    assert [heard.end for heard in given] == ["length", "broken", "broken", "length"]
    assert [heard.tokens for heard in busy(who, asks)] == [heard.tokens for heard in want]


@pytest.mark.parametrize("seed", range(4))
def test_no_slot_leaks_whatever_comes(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    folder = adapter(tmp_path / "x", bare("Qwen3"), 1)
    who, calm = (Slots(stack_of(bare("Qwen3")), rows, 64, 1, 8) for rows in (5, 1))
    for one in (who, calm):
        one.load("x", folder)
    asks = [
        Ask(
            tuple(chance.choices(range(3, 61), k=chance.randint(1, 40))),
            frozenset(chance.choices(range(3, 61), k=chance.choice((0, 2)))),
            chance.randint(1, 24),
            chance.choice(("x", None)),
            chance.choice((0.0, 0.8)),
            chance.choice((1.0, 0.7)),
            chance.randint(0, 99),
            chance.choice((None, 2)),
        )
        for _ in range(30)
    ]
    dropped = set(chance.choices(range(30), k=6))
    given = busy(who, asks, seed, dropped)
    want = busy(calm, asks)
    for index, (one, other) in enumerate(zip(given, want, strict=True)):
        if index in dropped:
            assert one.tokens == other.tokens[: len(one.tokens)]
        else:
            assert (one.tokens, one.end) == (other.tokens, other.end)
    assert who.free == 5 and not any(row is not None for row in who._rows)


def test_prompts_are_read_in_packs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = adapter(tmp_path / "x", bare("Qwen2"), 1)
    who = Slots(stack_of(bare("Qwen2")), 4, 64, 1, 8)
    who.load("x", folder)
    asks = [
        Ask(tuple(p), NOBODY, 9, name)
        for p, name in zip(asked(9, 20, 3, 8), ("x", None, "x", None), strict=True)
    ]
    whole = busy(who, asks)
    monkeypatch.setattr(decode_layers, "READ_TOKENS", 12)
    monkeypatch.setattr(decode_layers, "TILE", 5)
    monkeypatch.setattr(slots, "NEAR", 1)
    assert busy(who, asks) == whole


# What follows needs a GPU.


def on_gpu(family: str, dtype: torch.dtype, **config: Any) -> Stack:
    return stack_of(bare(family, torch.float32, **WIDE, **config).to("cuda").to(dtype))


def wide_adapter(folder: Path, family: str, seed: int, rank: int) -> Path:
    return adapter(folder, bare(family, torch.float32, **WIDE), seed, rank)


def mixed_asks(count: int, names: Sequence[str | None], warm: bool) -> list[Ask]:
    chance = random.Random(5)
    return [
        Ask(
            tuple(chance.choices(range(3, 61), k=chance.randint(1, 150))),
            NOBODY,
            chance.randint(1, 40),
            names[index % len(names)],
            0.9 if warm and index % 2 else 0.0,
            chance.choice((1.0, 0.7)),
            index,
            chance.choice((None, 3)),
        )
        for index in range(count)
    ]


@gpu
@pytest.mark.gpu
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("rows", [1, 3, 16, 20])
@pytest.mark.parametrize("ranks", [(4,), (8, 16), (64, 40)])
def test_a_mixed_step_by_kernels_is_as_exact_as_the_reference(
    family: str, rows: int, ranks: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """bfloat16 against float64, from the same weights and cache, where new memory is NaN."""
    half, full = on_gpu(family, torch.bfloat16), on_gpu(family, torch.float64)
    folders = [wide_adapter(tmp_path / str(rank), family, rank, rank) for rank in ranks]
    names = [str(len(ranks) - 1), None, "0"] * rows
    foreign = []
    for stack in (half, full):
        many = LoraPool(stack, len(ranks), 128, rows)
        for index, folder in enumerate(folders):
            assert not many.load(str(index), folder).odd
        many.assign(range(rows), names[:rows])
        foreign.append(many.of(slice(rows), names[:rows]))
    copy_weights(half, full)
    prompts = asked(*(5, 200, 63, 64, 65, 1, 17, 150, 128, 31) * 2)[:rows]
    positions = torch.tensor([len(p) for p in prompts], device="cuda")
    want, found, rounded = [], [], []
    with torch.inference_mode():
        cache = kv_cache.make_cache(half, rows, 512)
        decode_layers.read(half, prompts, cache, range(rows), foreign[0])
        exact = kv_cache.make_cache(full, rows, 512)
        exact.keys.copy_(cache.keys)
        exact.values.copy_(cache.values)
        again = replace(cache, keys=cache.keys.clone(), values=cache.values.clone())
        for tokens in draws(rows):
            want.append(decode_layers.step(full, tokens, positions, exact, False, foreign[1]))
            torch.use_deterministic_algorithms(True, warn_only=True)
            try:
                found.append(decode_layers.step(half, tokens, positions, cache, True, foreign[0]))
            finally:
                torch.use_deterministic_algorithms(False)
            with monkeypatch.context() as plain:
                plain.setattr(decode_layers, "_fused_attention", lambda *_: False)
                rounded.append(
                    decode_layers.step(half, tokens, positions, again, False, foreign[0])
                )

    assert as_exact(errors(found, want), errors(rounded, want))


@gpu
@pytest.mark.gpu
@pytest.mark.parametrize("lean", [True, False])
@pytest.mark.parametrize(
    ("family", "rows"), [("Qwen3", 5), ("Qwen3", 20), *((family, 5) for family in MORE)]
)
def test_replayed_steps_are_the_steps(family: str, lean: bool, rows: int, tmp_path: Path) -> None:
    """Whatever comes and goes: each graph is captured while others are under way."""
    folders = [wide_adapter(tmp_path / str(rank), family, rank, rank) for rank in (8, 16)]
    asks = mixed_asks(40, (None, "0", "1"), True)
    for seed in (None, 1):
        heard = []
        for graphs in (True, False):
            who = Slots(on_gpu(family, torch.bfloat16), rows, 256, 2, 32, lean, graphs)
            for index, folder in enumerate(folders):
                who.load(str(index), folder)
            for _ in range(2):
                given = busy(who, asks, seed, dropped=(3, 8))
                heard.append([(one.tokens, one.end) for one in given])
            assert bool(who._captured) is graphs
        assert heard[0] == heard[1] == heard[2] == heard[3]


@gpu
@pytest.mark.gpu
@pytest.mark.parametrize("family", FAMILIES)
def test_in_float32_cuda_says_what_the_cpu_says(family: str, tmp_path: Path) -> None:
    folders = [wide_adapter(tmp_path / str(rank), family, rank, rank) for rank in (8, 16)]
    asks = mixed_asks(20, (None, "0", "1"), True)
    here = Slots(stack_of(bare(family, torch.float32, **WIDE)), 6, 256, 2, 24)
    there = Slots(on_gpu(family, torch.float32), 6, 256, 2, 24)
    for who in (here, there):
        for index, folder in enumerate(folders):
            who.load(str(index), folder)
    for one, other in zip(busy(there, asks, 1), busy(here, asks), strict=True):
        assert (one.tokens, one.end) == (other.tokens, other.end)
        if other.logprobs and other.logprobs[0] is not None:
            assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)


@gpu
@pytest.mark.gpu
def test_one_adapter_for_all_is_computed_as_a_decoder_does(tmp_path: Path) -> None:
    """Without telling rows apart; with a second adapter the same graphs are captured anew."""
    folders = [wide_adapter(tmp_path / str(rank), "Qwen2", rank, rank) for rank in (8, 16)]
    who = Slots(on_gpu("Qwen2", torch.bfloat16), 4, 256, 2, 32)
    who.load("0", folders[0])
    model = load_adapter(bare("Qwen2", torch.float32, **WIDE), folders[0])[0]
    model = model.to("cuda").to(torch.bfloat16)
    alone = Decoder(stack_of(model.base_model.model))
    prompts = asked(9, 30, 4, 12)
    want = alone.generate(prompts, NOBODY, 40)
    asks = greedy(prompts, 40, adapter="0")
    assert [heard.tokens for heard in busy(who, asks)] == want
    assert set(who._captured) == {(4, False)}
    assert [busy(who, [ask])[0].tokens for ask in asks] == [
        alone.generate([p], NOBODY, 40)[0] for p in prompts
    ]
    assert set(who._captured) == {(4, False), (1, False)}
    busy(who, [*asks[:1], replace(asks[1], adapter=None)])
    assert set(who._captured) == {(4, False), (1, False), (2, True)}
    who.load("1", folders[1])
    assert not who._captured
    busy(who, asks)
    assert set(who._captured) == {(4, True)}


@gpu
@pytest.mark.gpu
def test_a_poisoned_slot_is_never_seen_on_cuda() -> None:
    who = Slots(on_gpu("Mistral", torch.bfloat16, sliding_window=20), 4, 256, 0, 0)
    asks = greedy(asked(60, 7, 41), 40)
    want = [heard.tokens for heard in busy(who, asks)]
    who.cache.keys.fill_(torch.nan)
    who.cache.values.fill_(torch.nan)
    assert [heard.tokens for heard in busy(who, asks)] == want
