"""The registry of families: what a file there claims is what the engines do, on a tiny model of it.

A new file in `families/` is tried here, and by every test that is parametrised by `FAMILIES` of
`test_fused.py` or by `architectures()`, without a table to edit.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

import house
import suretune
from suretune import families
from suretune.families import all_families, architectures, fused_types, text_part
from suretune.families.family import APART, Family
from suretune.guards.guard import engine_reason
from suretune.model.decode import Decoder
from suretune.model.flash import Rows
from suretune.model.fused import keep_all, losses
from suretune.model.layer import Setting, forward
from suretune.model.lora import trainable
from suretune.model.memory import kept, shape_of
from suretune.model.packed_batch import make_pass
from suretune.model.recompute import Keep, Policy
from suretune.model.stack import why_not
from test_decode import LENGTHS, NOBODY, asked, likely_stops, told
from test_fused import (
    FAMILIES,
    TINY,
    batch,
    exact_norms,
    fast,
    gap,
    plain,
    rows,
    shake_norms,
    stack_of,
    tuned,
)

__all__ = ["exact_norms"]  # a fixture
HOUSE = Path(suretune.__file__).parent

ODD_ROPE = {
    "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
    "full_attention": {"rope_type": "dynamic", "factor": 8.0, "rope_theta": 1e6},
}
# Words that are a `model_type` and mean something else where they stand.
MEANT_OTHERWISE = {
    "guards/p001_no_chat_template.py": "names of templates that other tools take",
    "cli/export.py": "llama.cpp is a program",
    "cli/verbs/export.py": "llama.cpp is a program",
    "guards/e007_target_not_asked.py": "llama.cpp is a program",
    "export/gguf.py": "names that GGUF gives to architectures",
    "export/gguf_layers.py": "names that GGUF gives to architectures and their tensors",
    "export/gguf_words.py": "names that GGUF gives to ways of splitting words",
    "export/llamacpp.py": "llama.cpp is a program",
    "export/ollama.py": "llama.cpp is a program",
}


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("dtype", "limit"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_fused_equals_plain(family: str, dtype: torch.dtype, limit: float) -> None:
    model, given = tuned(family, dtype), batch(20, 9, 14)
    nats, grads = plain(model, given)
    stack = stack_of(model)
    again, fused = fast(model, given, stack, keep_all(stack))
    assert gap(again, nats) < limit
    assert fused.keys() == grads.keys()
    assert max(gap(fused[name], grads[name]) for name in grads) < limit
    assert gap(losses(stack, given, keep_all(stack)), nats) < limit


@pytest.mark.parametrize("family", FAMILIES)
def test_every_norm_stands_where_it_belongs(family: str) -> None:
    """Each with weights of its own; whatever is kept, and however the rows are packed."""
    model = tuned(family)
    shake_norms(model, 0.2)
    single: dict[str, Tensor] = {}
    for length in (20, 9, 14):
        for name, grad in plain(model, batch(length))[1].items():
            single[name] = single.get(name, torch.zeros(())) + grad
    given = make_pass([row for n in (20, 9, 14) for row in rows(n)], torch.device("cpu"))
    stack = stack_of(model)
    mixed = (Keep.MLP_AGAIN, Keep.INPUT, Keep.HOST)
    for policy in (keep_all(stack), Policy(mixed, 7, 5), Policy(mixed[::-1], 64, 64)):
        fused = fast(model, given, stack, policy)[1]
        assert max(gap(fused[name], single[name]) for name in single) < 1e-10


@pytest.mark.parametrize("family", FAMILIES)
def test_head_and_embedding_in_one(family: str) -> None:
    model, given = tuned(family, tie_word_embeddings=True), batch(20, 9, 14)
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight
    nats, grads = plain(model, given)
    stack = stack_of(model)
    again, fused = fast(model, given, stack, keep_all(stack))
    assert gap(again, nats) < 1e-10
    assert max(gap(fused[name], grads[name]) for name in grads) < 1e-10


WINDOWED = [
    family
    for family, kind in zip(FAMILIES, fused_types(), strict=True)
    if hasattr(CONFIG_MAPPING[kind](), "sliding_window")
]


@pytest.mark.parametrize("family", WINDOWED)
def test_a_window_is_seen_in_the_layers_that_have_it(family: str) -> None:
    given = batch(20, 9)
    window = {"sliding_window": 5, "use_sliding_window": True, "max_window_layers": 1}
    model = tuned(family, **window)
    nats, grads = plain(model, given)
    stack = stack_of(model)
    assert stack.layers[-1].window == 5
    again, fused = fast(model, given, stack, keep_all(stack))
    assert gap(again, nats) < 1e-10
    assert max(gap(fused[name], grads[name]) for name in grads) < 1e-10
    assert gap(nats, plain(tuned(family, sliding_window=None), given)[0]) > 1e-4


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_decoder_says_what_transformers_says(family: str, dtype: torch.dtype) -> None:
    model, prompts = tuned(family, dtype), asked(*LENGTHS)
    plain = told(model, prompts, NOBODY, 40)
    decoder = Decoder(stack_of(model))
    assert told(decoder, prompts, NOBODY, 40) == plain
    assert decoder.generate(prompts, NOBODY, 40) == plain
    stops = likely_stops(plain)
    stopped = told(model, prompts, stops, 40)
    assert min(map(len, stopped)) < 40
    assert told(decoder, prompts, stops, 40) == stopped == decoder.generate(prompts, stops, 40)


def bytes_of(there: Any, but: frozenset[str] = frozenset()) -> int:
    """Of every tensor in a dataclass, however deep, fields of these names left out."""
    if isinstance(there, Tensor):
        return there.numel() * there.element_size()
    if not is_dataclass(there):
        return 0
    return sum(bytes_of(getattr(there, f.name), but) for f in fields(there) if f.name not in but)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_memory_plan_is_the_bytes_that_lie_there(family: str) -> None:
    """Weights, adapters, and what a layer keeps for its backward pass but the adapters' ranks."""
    model, given = tuned(family, torch.float32), batch(20, 9, 14)
    shape = shape_of(model.config.to_dict(), 4)
    base = model.get_base_model()
    maps = [m for m in base.model.layers.modules() if type(m) is nn.Linear]
    ours = trainable(model)
    weights = sum(m.weight.numel() for m in maps if not any(m.weight is p for p in ours.values()))
    assert shape.layers * shape.layer_weights == weights
    tables = {id(m.weight): m.weight.numel() for m in (base.model.embed_tokens, base.lm_head)}
    assert (1 if shape.tied else 2) * shape.vocabulary * shape.hidden == sum(tables.values())
    adapters = sum(parameter.numel() for parameter in ours.values())
    merged = architectures()[model.config.model_type].fused.groups != APART  # type: ignore[union-attr]
    planned = shape.layers * shape.lora(4)
    assert planned > adapters if merged else planned == adapters
    stack = stack_of(model)
    x = stack.embed(given.ids[0])
    angles = stack.angles(given.positions[0], x)
    how = Setting(stack, Rows(given.starts, given.longest), angles, 64)
    ranks = frozenset({"a", "o_a", "down_a"})
    for keep in (Keep.ALL, Keep.MLP_AGAIN, Keep.INPUT):
        with torch.no_grad():
            _, saved = forward(stack.layers[0], x, keep, how)
        # By the reference there are no sums of FlashAttention: float32, one a head.
        sums = 0 if keep is Keep.INPUT else 4 * shape.heads
        assert bytes_of(saved, ranks) == len(x) * (kept(shape, keep) - sums)


@pytest.mark.parametrize("kind", fused_types())
def test_a_config_that_says_nothing_of_its_tables_means_what_transformers_reads(kind: str) -> None:
    sizes = {"num_attention_heads": 4, "hidden_size": 32, "num_hidden_layers": 2}
    config = sizes | {"intermediate_size": 48, "vocab_size": 61, "model_type": kind}
    assert shape_of(config, 2).tied == CONFIG_MAPPING[kind](**sizes).tie_word_embeddings


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"final_logit_softcapping": 30.0}, "soft-capped scores (final_logit_softcapping)"),
        ({"attn_logit_softcapping": 50.0}, "soft-capped scores (attn_logit_softcapping)"),
        ({"use_bidirectional_attention": True}, "tokens that see later ones"),
        ({"rope_parameters": ODD_ROPE}, "rotary embedding of kind dynamic"),
    ],
)
def test_what_a_config_asks_of_gemma_3_and_the_layers_have_not_is_said(
    config: dict[str, Any], reason: str
) -> None:
    with torch.device("meta"):
        made = CONFIG_MAPPING["gemma3_text"](**TINY | config)
        assert why_not(AutoModelForCausalLM.from_config(made)) == reason
    assert engine_reason(reason).zh != reason


@pytest.mark.parametrize("kind", [k for k, about in architectures().items() if about.unsaid])
def test_sizes_that_a_config_of_several_parts_leaves_out_are_what_transformers_reads(
    kind: str,
) -> None:
    about = architectures()[kind]
    unsaid, there = dict(about.unsaid), CONFIG_MAPPING[kind]()
    assert unsaid == {name: getattr(there, name) for name in unsaid}
    told = {"model_type": kind, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3}
    shape = shape_of(text_part({"model_type": "several", "text_config": told}), 2)
    assert (shape.layers, shape.hidden, shape.inner) == (3, 64, 96)
    assert (shape.heads, shape.head_dim, shape.kv_heads, shape.vocabulary) == (
        there.num_attention_heads, there.head_dim, there.num_key_value_heads, there.vocab_size,
    )  # fmt: skip
    more = {"text_config": told | {"head_dim": 16}}
    assert shape_of(text_part(more), 2).head_dim == 16


def test_every_file_is_one_family_with_a_name_of_its_own() -> None:
    found = all_families()
    stems = sorted(p.stem for p in (HOUSE / "families").glob("*.py"))
    assert [s for s in stems if s not in ("__init__", "family")] == [
        family.name.replace("-", "_") for family in found
    ]
    for family in found:
        module = import_module(f"{families.__name__}.{family.name.replace('-', '_')}")
        assert isinstance(module.FAMILY, Family) and all(family.called), family.name
    types = [about.model_type for family in found for about in family.architectures]
    assert sorted(types) == sorted(architectures()) and len(set(types)) == len(types)
    assert all(about.packed for about in architectures().values() if about.fused)
    assert set(types) <= set(CONFIG_MAPPING)


def words(path: Path) -> Iterator[tuple[int, str]]:
    """(line, text) of every literal in a file that is no docstring."""
    tree = house.tree_of(path)
    said = {id(node.value) for node in house.nodes(tree) if isinstance(node, ast.Expr)}
    for node in house.nodes(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in said:
            yield node.lineno, node.value


def test_no_file_outside_the_families_names_an_architecture() -> None:
    kinds = re.compile(rf"(?<![A-Za-z0-9_])(?:{'|'.join(architectures())})(?![A-Za-z0-9_])")
    naming: dict[str, list[str]] = {}
    for path in sorted(HOUSE.rglob("*.py")):
        where = str(path.relative_to(HOUSE))
        if where.startswith("families/"):
            continue
        for line, text in words(path):
            if kinds.search(text):
                naming.setdefault(where, []).append(f"{line}: {text[:60]}")
    assert naming.keys() == MEANT_OTHERWISE.keys(), naming
