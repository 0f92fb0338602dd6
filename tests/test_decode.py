"""A decoder says what transformers says: same tokens, same stops, in a batch as alone.

On a CPU it computes by the torch references; on CUDA the kernels and graphs are compared with them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from suretune.data.render import prompt_ids
from suretune.data.template import load_tokenizer
from suretune.facts import SetupFacts
from suretune.model import decode, decode_layers, kv_cache
from suretune.model.decode import Decoder
from suretune.model.generate import Talker, answering, answers, last_logits, stream, talker
from suretune.model.stack import Stack, make_stack
from suretune.model.weight import Dense
from suretune.pocket import MODEL
from suretune.types import Message
from test_fused import FAMILIES, MORE, exact_norms, gap, stack_of, tuned  # noqa: F401

LENGTHS = (5, 1, 33, 12, 12)
NOBODY: frozenset[int] = frozenset()
gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU")


def asked(*lengths: int, seed: int = 2) -> list[list[int]]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(3, 61, (n,), generator=generator).tolist() for n in lengths]


def told(
    model: Talker, prompts: Sequence[Sequence[int]], stops: frozenset[int], most: int, **how: Any
) -> list[list[int]]:
    """What `stream` yields, row by row."""
    given: list[list[int]] = [[] for _ in prompts]
    with answering(model):
        for said in stream(model, prompts, stops, most, **how):
            assert [row for row, _ in said] == sorted(row for row, _ in said)
            for row, token in said:
                given[row].append(token)
    return given


def likely_stops(said: list[list[int]]) -> frozenset[int]:
    """Two tokens that some rows say and others do not, or not yet."""
    return frozenset({said[0][len(said[0]) // 2], said[-1][-1]})


@pytest.mark.parametrize("family", [*FAMILIES, "window"])
def test_a_step_computes_what_the_whole_prompt_gives(family: str) -> None:
    """Any tokens, each row at its own position: all logits, not only the likeliest."""
    model = tuned("Mistral", sliding_window=7) if family == "window" else tuned(family)
    stack, prompts = stack_of(model), asked(*LENGTHS)
    cache = kv_cache.make_cache(stack, len(prompts), 64)
    with torch.inference_mode():
        decode_layers.read(stack, prompts, cache)
        for more in zip(*asked(*[12] * len(prompts), seed=3), strict=True):
            positions = torch.tensor([len(p) for p in prompts])
            found = decode_layers.step(stack, torch.tensor(more), positions, cache, True)
            prompts = [[*p, token] for p, token in zip(prompts, more, strict=True)]
            assert gap(found.float(), last_logits(model, prompts)) < 1e-6


def test_alone_as_in_a_batch() -> None:
    decoder, prompts = Decoder(stack_of(tuned("Qwen2"))), asked(*LENGTHS)
    together = decoder.generate(prompts, frozenset({7, 20}), 30)
    assert [decoder.generate([p], frozenset({7, 20}), 30)[0] for p in prompts] == together
    assert [told(decoder, [p], frozenset({7, 20}), 30)[0] for p in prompts] == together


def test_as_many_at_once_as_a_step_has_rows() -> None:
    """More are asked in turns, and `stream`, which knows no turns, does not take them."""
    decoder, many = Decoder(stack_of(tuned("Qwen2"))), asked(*LENGTHS) * 100
    said = decoder.generate(many, frozenset({7, 20}), 6)
    assert said == decoder.generate(many[: len(LENGTHS)], frozenset({7, 20}), 6) * 100
    assert max(rows for rows, _ in decoder._tables) == decode.ROWS[-1] < len(many)
    decoder.release()
    decoder.most = 128  # as whoever proves again what was proven so
    assert decoder.generate(many, frozenset({7, 20}), 6) == said
    assert max(rows for rows, _ in decoder._tables) == 128
    with pytest.raises(ValueError, match=f"at most {decode.ROWS[-1]}"):
        next(decoder.stream(many, NOBODY, 6))


def test_a_stop_token_and_what_follows_it_are_not_given() -> None:
    model, prompts = tuned("Llama"), asked(4, 9)
    decoder = Decoder(stack_of(model))
    said = decoder.generate(prompts, NOBODY, 40)
    for place in (0, 1, 15, 16, 17, 39):  # the first token, and about a look
        stop = said[0][place]
        want = said[0][: said[0].index(stop)]
        assert decoder.generate(prompts[:1], frozenset({stop}), 40) == [want]
        assert told(decoder, prompts[:1], frozenset({stop}), 40) == [want]
    every = frozenset(range(61))
    assert decoder.generate(prompts, every, 40) == [[], []] == told(decoder, prompts, every, 40)
    assert decoder.generate(prompts, NOBODY, 0) == [[], []] == told(decoder, prompts, NOBODY, 0)
    assert decoder.generate(prompts, NOBODY, 1) == [line[:1] for line in said]
    assert decoder.generate([], NOBODY, 5) == []


@pytest.mark.parametrize("window", [5, 40])
@pytest.mark.parametrize("family", ["Mistral", *MORE])
def test_sliding_window(family: str, window: int) -> None:
    model, prompts = tuned(family, sliding_window=window), asked(60, 3, 41)
    plain = told(model, prompts, NOBODY, 60)
    assert Decoder(stack_of(model)).generate(prompts, NOBODY, 60) == plain


def test_longer_than_the_first_room() -> None:
    model = tuned("Qwen3", max_position_embeddings=1024)
    decoder = Decoder(stack_of(model))
    for prompts in (asked(250, 2), asked(256), asked(300, 257)):
        plain = told(model, prompts, NOBODY, 12)
        assert decoder.generate(prompts, NOBODY, 12) == plain == told(decoder, prompts, NOBODY, 12)
    assert set(decoder._tables) == {(2, 512), (1, 512)}


def test_prompts_are_read_in_packs_and_answered_in_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    model, prompts = tuned("Qwen2"), asked(*range(1, 20), 30, 2)
    stack = stack_of(model)
    whole = Decoder(stack).generate(prompts, NOBODY, 10)
    monkeypatch.setattr(decode_layers, "READ_TOKENS", 16)
    monkeypatch.setattr(decode_layers, "TILE", 5)
    few = Decoder(stack, room_bytes=kv_cache.cache_bytes(stack, 5, 256))
    assert few.generate(prompts, NOBODY, 10) == whole == told(model, prompts, NOBODY, 10)
    assert set(few._tables) == {(4, 256), (1, 256)}
    few.release()
    assert not few._tables


def test_two_streams_at_once_do_not_disturb_each_other() -> None:
    decoder, prompts = Decoder(stack_of(tuned("Qwen2"))), asked(6, 8)
    apart = [told(decoder, [p], NOBODY, 9)[0] for p in prompts]
    pair = [decoder.stream([p], NOBODY, 9) for p in prompts]
    both = [[one[0][1], other[0][1]] for one, other in zip(*pair, strict=True)]
    assert [list(said) for said in zip(*both, strict=True)] == apart
    left = decoder.stream(prompts[:1], NOBODY, 9)
    next(left)
    left.close()  # as a reader who goes away
    assert told(decoder, prompts[:1], NOBODY, 9) == apart[:1]


def test_a_seed_draws_the_same_answer() -> None:
    model, prompts = tuned("Gemma"), asked(*LENGTHS)
    decoder = Decoder(stack_of(model))

    def drawn(who: Talker, given: list[list[int]], seed: int) -> list[list[int]]:
        generator = torch.Generator().manual_seed(seed)
        return told(who, given, NOBODY, 20, temperature=1.5, top_p=0.9, generator=generator)

    assert drawn(decoder, prompts, 1) == drawn(decoder, prompts, 1) != drawn(decoder, prompts, 2)
    assert drawn(decoder, prompts[:1], 3) == drawn(model, prompts[:1], 3)


def test_changed_adapters_are_heard_after_a_refresh() -> None:
    model, prompts = tuned("Qwen2"), asked(5, 9)
    stack = stack_of(model)
    decoder = Decoder(stack)
    tuned_answers = decoder.generate(prompts, NOBODY, 20)
    for group in stack.groups:
        group.zero_b()
    with model.disable_adapter():
        base = told(model, prompts, NOBODY, 20)
    assert decoder.generate(prompts, NOBODY, 20) == base != tuned_answers
    stack.refresh()
    assert decoder.generate(prompts, NOBODY, 20) == tuned_answers


def test_what_is_held_is_given_back_down_to_a_bound() -> None:
    decoder = Decoder(stack_of(tuned("Qwen2")))
    assert decoder.held_bytes() == 0
    for prompts in (asked(5), asked(5, 6), asked(5, 6, 7)):
        decoder.generate(prompts, NOBODY, 3)
    assert list(decoder._tables) == [(1, 256), (2, 256), (4, 256)]
    whole = decoder.held_bytes()
    assert whole >= 7 * kv_cache.cache_bytes(decoder.stack, 1, 256)
    decoder.release(whole)
    assert decoder.held_bytes() == whole
    decoder.release(whole - 1)  # the one that waited longest
    assert list(decoder._tables) == [(2, 256), (4, 256)]
    decoder.release()
    assert decoder.held_bytes() == 0 and not decoder._tables


def test_where_memory_runs_out_what_is_held_for_others_goes_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    decoder, prompts = Decoder(stack_of(tuned("Qwen2"))), asked(5, 6, 7)
    said = decoder.generate(prompts, NOBODY, 9)
    decoder.generate(prompts[:1], NOBODY, 9)
    real, room = decode.make_cache, kv_cache.cache_bytes(decoder.stack, 4, 512)

    def short_of_memory(stack: Stack, rows: int, places: int) -> Any:
        if decoder._cached_bytes() + kv_cache.cache_bytes(stack, rows, places) > room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return real(stack, rows, places)

    monkeypatch.setattr(decode, "make_cache", short_of_memory)
    assert [line[:9] for line in decoder.generate(prompts, NOBODY, 300)] == said
    assert list(decoder._tables) == [(4, 512)]
    with pytest.raises(torch.OutOfMemoryError):
        decoder.generate(prompts, NOBODY, 600)


@pytest.mark.parametrize("spare", [0.0, 1e12])
def test_an_engine_asks_by_one_decoder_that_hears_what_was_learned(spare: float) -> None:
    """The base and the tuned model, before and after updates: as a fresh decoder says it."""
    check_one_decoder(lambda: tuned("Qwen2", torch.float32), torch.device("cpu"), spare)


def check_one_decoder(make: Any, device: torch.device, spare: float) -> None:
    from suretune.model.fused import keep_all
    from suretune.model.lora import trainable
    from suretune.train.engine import Fast
    from suretune.train.flat_adamw import FlatAdamW
    from test_fused import rows
    from test_soft import plan_of

    def engine(graphs: bool) -> Any:
        model = make()
        for parameter in trainable(model).values():
            parameter.data = parameter.data.float()
        stack = stack_of(model)
        adapters = FlatAdamW(trainable(model), 0.0)
        return Fast(stack, adapters, device, 4096, keep_all(stack), graphs, spare=spare)

    kept, fresh = engine(device.type == "cuda"), engine(False)
    prompts, tables, heard = asked(*LENGTHS), [], []
    given = [replace(row, soft=i == 1) for i, row in enumerate(rows(20, 9, 14))]
    kept.prepare(given, plan_of(given), 0)
    for update in range(3):
        for name in ("base", "tuned"):
            with getattr(kept, name)() as speaker:
                said = speaker.generate(prompts, NOBODY, 20)
            tables.append([id(table) for table in kept.decoder.decoder._tables.values()])
            if name == "base":
                for group in fresh.stack.groups:
                    group.zero_b()
            assert said == Decoder(fresh.stack).generate(prompts, NOBODY, 20), (update, name)
            fresh.stack.refresh()
            heard.append(said)
        for one in (kept, fresh):
            one.adapters.zero()
            one.backward(given, 30.0, 1.0)
        fresh.adapters.gradient.copy_(kept.adapters.gradient)
        for one in (kept, fresh):
            one.adapters.set_rate(0.05)
            one.apply()
    base, after = heard[::2], heard[1::2]
    assert base[0] == base[1] == base[2] and len({str(said) for said in after}) == 3
    if spare:
        assert all(held == tables[0] and held for held in tables)  # the same ones, not made anew
        assert (
            kept.shrink(rows(20)) and not kept.decoder.decoder._tables and not kept.decoder.spare()
        )
    else:
        assert not any(tables)


def test_logits_behind_a_prompt() -> None:
    model, prompts = tuned("Phi3"), asked(*LENGTHS)
    plain = last_logits(model, prompts)
    decoder = Decoder(stack_of(model))
    assert gap(last_logits(decoder, prompts), plain) < 1e-6
    assert gap(decode_layers.read(decoder.stack, prompts, None).float(), plain) < 1e-6


def test_the_pocket_model_answers_the_same() -> None:
    tokenizer = load_tokenizer(MODEL)
    assert not isinstance(tokenizer, SetupFacts)
    model, stack = pocket("cpu", torch.float32)
    questions = ("你是谁?", "Who are you?", "3+4=?", "Say hello.", "Who made you, and when?")
    prompts = [prompt_ids(tokenizer, (Message("user", text),)) for text in questions]
    plain = answers(model, tokenizer, prompts, 48)
    assert answers(Decoder(stack), tokenizer, prompts, 48) == plain
    assert all(plain) and talker(model) is model


def pocket(device: str, dtype: torch.dtype) -> tuple[Any, Stack]:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=dtype).to(device).eval()
    stack = make_stack(model)
    assert isinstance(stack, Stack), stack
    return model, stack


# What follows needs a GPU.

WIDE = {
    "hidden_size": 256, "intermediate_size": 320, "head_dim": 64, "num_attention_heads": 4,
    "num_key_value_heads": 2, "max_position_embeddings": 1024,
}  # fmt: skip


def on_gpu(family: str, dtype: torch.dtype, **config: Any) -> Stack:
    model = tuned(family, torch.float32, **WIDE | config).to("cuda").to(dtype)
    return stack_of(model)


def copy_weights(half: Stack, full: Stack) -> None:
    """What the first computes with, in the precision of the second."""
    for a, b in zip(half.groups, full.groups, strict=True):
        assert isinstance(a.weight, Dense) and isinstance(b.weight, Dense)
        for here, there in ((a.weight.values, b.weight.values), (a.a, b.a), (a.b, b.b)):
            there.copy_(here)
        if a.bias is not None and b.bias is not None:
            b.bias.copy_(a.bias)
    for a, b in ((half.embedding, full.embedding), (half.head, full.head)):
        b.weight.data.copy_(a.weight.data)
    for here, there in zip(half.norms, full.norms, strict=True):
        there.weight.copy_(here.weight)
    # Casting a module casts its frequencies, and position 200 is turned by another angle; a model
    # that is loaded in half precision keeps them.
    for name, buffer in full.rotary.named_buffers():
        if name.endswith("inv_freq"):
            setattr(half.rotary, name, buffer.float())


ROWS = 128  # over all draws: the mean of their ratios is then known to about 4 %


def draws(rows: int) -> Iterator[Tensor]:
    """Tokens for a step of so many rows, again and again."""
    generator = torch.Generator().manual_seed(4)
    for _ in range(-(-ROWS // rows)):
        yield torch.randint(3, 61, (rows,), generator=generator).to("cuda")


def errors(found: Sequence[Tensor], want: Sequence[Tensor]) -> Tensor:
    """The relative error of each row."""
    a, b = torch.cat(list(found)).double(), torch.cat(list(want))
    return (a - b).norm(dim=-1) / b.norm(dim=-1)


def as_exact(found: Tensor, rounded: Tensor) -> bool:
    """Whether errors are no larger than others of the same rows; one row's are luck, both of them.

    Where attention hangs between two keys a row makes ten times as much as another of whatever was
    rounded before, so two errors of one row differ by a factor of three and more either way. The
    geometric mean over many rows of many draws does not depend on such a row: 0.75 to 1.01 on an
    H200, with a largest row of 3.02 times the reference's once in 24 cases. An adapter's rank that
    leaks into its neighbour makes the largest 12 times as large or more.
    """
    ratio = (found / rounded).log().mean().exp()
    return bool(ratio < 1.15 and found.max() < 8 * rounded.max())


@gpu
@pytest.mark.gpu
@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("rows", [1, 3, 16, 20])
@pytest.mark.parametrize("lean", [True, False])
def test_a_step_by_kernels_is_as_exact_as_the_reference(
    family: str, rows: int, lean: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """bfloat16 against float64, from the same weights and cache; both round, neither the worse."""
    half, full = on_gpu(family, torch.bfloat16), on_gpu(family, torch.float64)
    copy_weights(half, full)
    prompts = asked(*(5, 200, 63, 64, 65, 1, 17, 150, 128, 31) * 2)[:rows]
    positions = torch.tensor([len(p) for p in prompts], device="cuda")
    want, found, rounded = [], [], []
    with torch.inference_mode():
        cache = kv_cache.make_cache(half, rows, 512)
        decode_layers.read(half, prompts, cache)
        exact = kv_cache.make_cache(full, rows, 512)
        exact.keys.copy_(cache.keys)
        exact.values.copy_(cache.values)
        again = replace(cache, keys=cache.keys.clone(), values=cache.values.clone())
        for tokens in draws(rows):
            want.append(decode_layers.step(full, tokens, positions, exact, False))
            found.append(decode_layers.step(half, tokens, positions, cache, lean))
            with monkeypatch.context() as plain:
                plain.setattr(decode_layers, "_fused_attention", lambda *_: False)
                rounded.append(decode_layers.step(half, tokens, positions, again, False))

    assert as_exact(errors(found, want), errors(rounded, want))
    place = torch.arange(rows), positions  # of the last tokens; no layer is before the first
    for mine, true in ((cache.keys[0], exact.keys[0]), (cache.values[0], exact.values[0])):
        assert errors([mine[place].flatten(1)], [true[place].flatten(1)]).max() < 1e-2


@gpu
@pytest.mark.gpu
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("lean", [True, False])
@pytest.mark.parametrize("family", ["Qwen3", *MORE])
def test_a_replayed_step_is_the_step(family: str, dtype: torch.dtype, lean: bool) -> None:
    stack = on_gpu(family, dtype)
    eager, graphs = Decoder(stack, lean, graphs=False), Decoder(stack, lean)
    for prompts in (asked(7), asked(*LENGTHS), asked(300, 4), asked(*[9] * 40)):
        said = eager.generate(prompts, NOBODY, 40)
        assert graphs.generate(prompts, NOBODY, 40) == said == told(graphs, prompts, NOBODY, 40)
        stops = likely_stops(said)
        assert graphs.generate(prompts, stops, 40) == eager.generate(prompts, stops, 40)

        def drawn(who: Decoder, given: list[list[int]] = prompts) -> list[list[int]]:
            generator = torch.Generator("cuda").manual_seed(5)
            return told(who, given, NOBODY, 12, temperature=1.0, generator=generator)

        assert drawn(graphs) == drawn(eager) == drawn(graphs)


@gpu
@pytest.mark.gpu
@pytest.mark.parametrize(
    ("family", "window"), [("Mistral", None), *((family, 20) for family in ("Mistral", *MORE))]
)
def test_float32_on_cuda_says_what_the_cpu_says(family: str, window: int | None) -> None:
    prompts = asked(60, 3, 41)
    plain = told(tuned(family, torch.float32, **WIDE, sliding_window=window), prompts, NOBODY, 40)
    decoder = Decoder(on_gpu(family, torch.float32, sliding_window=window))
    assert decoder.generate(prompts, NOBODY, 40) == plain


@gpu
@pytest.mark.gpu
def test_a_full_step_on_cuda_says_what_few_rows_say() -> None:
    """In float32, where no other order of a sum is heard."""
    decoder, prompts = Decoder(on_gpu("Qwen2", torch.float32)), asked(60, 3, 41, 17)
    few = decoder.generate(prompts, NOBODY, 40)
    assert decoder.generate(prompts * 64, NOBODY, 40) == few * 64
    assert (decode.ROWS[-1], decode.ROOM) in decoder._tables


@gpu
@pytest.mark.gpu
def test_a_table_is_used_again() -> None:
    decoder = Decoder(on_gpu("Qwen2", torch.bfloat16))
    decoder.generate(asked(5, 6), NOBODY, 20)
    table = decoder._tables[2, decode.ROOM]
    graph = table.graphs[True]
    decoder.generate(asked(7, 9), NOBODY, 20)
    assert decoder._tables[2, decode.ROOM] is table and table.graphs[True] is graph


@gpu
@pytest.mark.gpu
@pytest.mark.parametrize("spare", [0.0, 1e12])
def test_a_kept_decoder_says_what_a_fresh_one_says(spare: float) -> None:
    """Its graphs outlive training steps, which are captured beside them."""
    check_one_decoder(
        lambda: tuned("Qwen3", torch.float32, **WIDE).to("cuda").to(torch.bfloat16),
        torch.device("cuda"), spare,
    )  # fmt: skip
