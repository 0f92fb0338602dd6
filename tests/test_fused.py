"""The fast path computes what the plain path computes: same losses, same gradients, less work.

On a CPU its kernels are their torch references, so the algebra is proven here in float64; on CUDA
the kernels themselves are compared (test_cuda.py).
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
import torch
import transformers
from peft import LoraConfig, get_peft_model
from torch import Tensor, nn

from suretune.families import fused_types
from suretune.model import fused as fused_module
from suretune.model import ops
from suretune.model.attention import PACKED
from suretune.model.fused import gradient, keep_all, losses
from suretune.model.groups import side_by_side
from suretune.model.layer import backward
from suretune.model.linear import fuse_linears
from suretune.model.lora import trainable
from suretune.model.packed_batch import PackedBatch, make_pass, token_losses
from suretune.model.recompute import Keep, Policy
from suretune.model.stack import Layer, Stack, make_stack, why_not
from suretune.types import Origin, Sample, Span

# What transformers calls the architectures that have a fast path: `Qwen2` of Qwen2Config.
FAMILIES = tuple(
    transformers.CONFIG_MAPPING[kind].__name__.removesuffix("Config") for kind in fused_types()
)
TINY = {
    "vocab_size": 61, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4,
    "num_key_value_heads": 2, "intermediate_size": 48, "max_position_embeddings": 128,
    "head_dim": 8, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
    "tie_word_embeddings": False,
}  # fmt: skip
# What else an architecture needs, so that every kind of layer that it knows is there.
KINDS = ["sliding_attention", "full_attention", "sliding_attention"]
MORE: dict[str, dict[str, Any]] = {
    "Exaone4": {"layer_types": KINDS, "sliding_window": 7},
    "Gemma3Text": {
        "num_key_value_heads": 1, "head_dim": 16,  # wider together than the model: as in the 1B
        "query_pre_attn_scalar": 24, "layer_types": KINDS, "sliding_window": 7,
        "rope_parameters": {
            "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
            "full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 1e6},
        },
    },
    "Granite": {
        "embedding_multiplier": 1.5, "residual_multiplier": 0.6, "attention_multiplier": 0.3,
        "logits_scaling": 1.7,
    },
    "Ministral3": {
        "sliding_window": None,
        "rope_parameters": {
            "rope_type": "yarn", "rope_theta": 1e4, "factor": 16.0, "beta_fast": 32.0,
            "beta_slow": 1.0, "mscale": 1.0, "mscale_all_dim": 1.0, "llama_4_scaling_beta": 0.5,
            "original_max_position_embeddings": 8,
        },
    },
    "Olmo2": {},
    "Olmo3": {
        "layer_types": KINDS, "sliding_window": 7,
        "rope_parameters": {
            "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
            "full_attention": {
                "rope_type": "yarn", "factor": 8.0, "rope_theta": 1e4,
                "original_max_position_embeddings": 16,
            },
        },
    },
    "SmolLM3": {"no_rope_layers": [1, 1, 0]},
}  # fmt: skip


def wide_norm(shift: float) -> Callable[[Any, Tensor], Tensor]:
    """RMS norm in the input's own precision; transformers computes it in float32 always."""

    def forward(self: Any, x: Tensor) -> Tensor:
        eps = getattr(self, "variance_epsilon", None)
        eps = self.eps if eps is None else eps
        unit = x * torch.rsqrt(x.square().mean(-1, keepdim=True) + eps)
        return unit * (self.weight + shift)

    return forward


@pytest.fixture(autouse=True)
def exact_norms(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in fused_types():
        config = transformers.CONFIG_MAPPING[kind]
        modeling = import_module(config.__module__.replace("configuration_", "modeling_"))
        (norm,) = (c for name, c in vars(modeling).items() if name.endswith("RMSNorm"))
        probe = norm(4)  # asked itself: what the registry says of it is what is being tested
        probe.weight.data.zero_()
        shift = 1.0 if probe(torch.ones(1, 4)).any() else 0.0
        monkeypatch.setattr(norm, "forward", wide_norm(shift))


def tuned(
    family: str, dtype: torch.dtype = torch.float64, targets: Any = "all-linear", **config: Any
) -> Any:
    """A tiny model with adapters whose two halves are both random."""
    torch.manual_seed(0)
    made = getattr(transformers, f"{family}Config")(**TINY | MORE.get(family, {}) | config)
    model = transformers.AutoModelForCausalLM.from_config(
        made, attn_implementation=PACKED, dtype=dtype
    )
    model.requires_grad_(False)
    settings = LoraConfig(r=4, lora_alpha=8, target_modules=targets, task_type="CAUSAL_LM")
    adapted = get_peft_model(model, settings, autocast_adapter_dtype=False)
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            nn.init.normal_(parameter, std=0.3)
        if "bias" in name:
            nn.init.normal_(parameter, std=0.3)
    if family in MORE:
        shake_norms(adapted, 0.1)
        # A norm behind attention makes as much of 0.02 as of 1, and of what was rounded there.
        adapted.get_input_embeddings().weight.data *= 50
    return adapted.to(dtype).train()


def shake_norms(model: Any, width: float) -> None:
    """New weights are all one, or all zero: nobody would see which norm has which."""
    generator = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        if "norm" in name:
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.data += width * noise.to(parameter.dtype)


def rows(*lengths: int) -> list[Sample]:
    generator = torch.Generator().manual_seed(1)
    made = []
    for line, length in enumerate(lengths):
        ids = torch.randint(3, 61, (length,), generator=generator).tolist()
        spans = (Span(2, length - 3, 1.0), Span(length - 2, length, 0.5))
        made.append(Sample(Origin("rows.jsonl", line, 0), "", array("I", ids), spans, ""))
    return made


def batch(*lengths: int) -> PackedBatch:
    return make_pass(rows(*lengths), torch.device("cpu"))


def stack_of(model: Any) -> Stack:
    stack = make_stack(model.base_model.model)
    assert isinstance(stack, Stack), stack
    return stack


def plain(model: Any, given: PackedBatch) -> tuple[Tensor, dict[str, Tensor]]:
    """Losses and gradients by transformers, PEFT and autograd."""
    nats = token_losses(model, given)
    (nats * given.weights).sum().backward()
    grads = {}
    for name, parameter in trainable(model).items():
        assert parameter.grad is not None
        grads[name], parameter.grad = parameter.grad.clone(), None
    return nats.detach(), grads


def fast(
    model: Any, given: PackedBatch, stack: Stack, policy: Policy
) -> tuple[Tensor, dict[str, Tensor]]:
    nats = gradient(stack, given, given.weights.to(nats_dtype(model)), policy)
    grads = {}
    for name, parameter in trainable(model).items():
        assert parameter.grad is not None, name
        grads[name], parameter.grad = parameter.grad.clone(), None
    return nats, grads


def nats_dtype(model: Any) -> torch.dtype:
    return torch.promote_types(next(model.parameters()).dtype, torch.float32)


def gap(one: Tensor, other: Tensor) -> float:
    """Largest difference relative to the largest value."""
    return float((one - other).abs().max() / other.abs().max())


@pytest.mark.parametrize("family", ["Qwen2", "Qwen3", "Gemma"])
def test_fused_is_as_exact_as_plain_in_bfloat16(family: str) -> None:
    """Both round; measured against float64 the fast path must not be the worse one."""
    given = batch(20, 9, 14)
    model = tuned(family, torch.bfloat16)
    exact = tuned(family)
    exact.load_state_dict({name: t.double() for name, t in model.state_dict().items()})
    true_nats, true = plain(exact, given)
    nats, grads = plain(model, given)
    stack = stack_of(model)
    again, fused = fast(model, given, stack, keep_all(stack))

    def error(found: dict[str, Tensor]) -> float:
        wrong = sum(float((found[name].double() - true[name]).square().sum()) for name in true)
        return (wrong / sum(float(t.square().sum()) for t in true.values())) ** 0.5

    assert error(fused) < max(0.01, 1.2 * error(grads))
    assert gap(again.double(), true_nats) < max(0.01, 1.2 * gap(nats.double(), true_nats))


@pytest.mark.parametrize("keep", [Keep.MLP_AGAIN, Keep.INPUT, Keep.HOST])
@pytest.mark.parametrize("tile", [7, 64])
def test_what_is_kept_changes_nothing(keep: Keep, tile: int) -> None:
    model, given = tuned("Qwen2"), batch(20, 9, 14)
    stack = stack_of(model)
    nats, whole = fast(model, given, stack, keep_all(stack))
    mixed = (keep, Keep.ALL, keep)
    again, parts = fast(model, given, stack, Policy(mixed, tile, head_rows=5))
    assert gap(again, nats) < 1e-12
    assert max(gap(parts[name], whole[name]) for name in whole) < 1e-11


@pytest.mark.parametrize("family", FAMILIES)
def test_a_norms_backward_pass_is_given_rows_without_gaps(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel counts on it, and its reference does not: of one head a view has the stride of
    queries, keys and values together."""
    real = ops.rms_norm_backward

    def strict(*tensors: Tensor) -> Tensor:
        assert all(tensor.is_contiguous() for tensor in tensors)
        return real(*tensors)

    monkeypatch.setattr(ops, "rms_norm_backward", strict)
    model = tuned(family, num_key_value_heads=1)
    stack = stack_of(model)
    for policy in (keep_all(stack), Policy((Keep.INPUT,) * 3, 7)):
        fast(model, batch(20, 9, 14), stack, policy)


def test_packed_equals_apart() -> None:
    model = tuned("Qwen2")
    stack = stack_of(model)
    whole = fast(model, batch(20, 9, 14), stack, keep_all(stack))[1]
    single: dict[str, Tensor] = {}
    for sample in rows(20, 9, 14):
        given = make_pass([sample], torch.device("cpu"))
        for name, grad in fast(model, given, stack, keep_all(stack))[1].items():
            single[name] = single.get(name, torch.zeros(())) + grad
    assert max(gap(single[name], whole[name]) for name in whole) < 1e-11


def test_rows_do_not_see_each_other() -> None:
    """Another row's tokens change: this row's losses stay the same bits."""
    model = tuned("Qwen2", torch.float32)
    stack = stack_of(model)
    given, poisoned = rows(20, 9, 14), rows(20, 9, 14)
    poisoned[1].ids[3:6] = array("I", [7, 7, 7])
    one = losses(stack, make_pass(given, torch.device("cpu")), keep_all(stack))
    other = losses(stack, make_pass(poisoned, torch.device("cpu")), keep_all(stack))
    cut = sum(span.end - span.start for span in given[0].spans)
    end = cut + sum(span.end - span.start for span in given[1].spans)
    assert torch.equal(one[:cut], other[:cut]) and torch.equal(one[end:], other[end:])
    assert not torch.equal(one[cut:end], other[cut:end])


@pytest.mark.parametrize("targets", [["q_proj", "v_proj"], ["k_proj", "down_proj"], ["o_proj"]])
def test_some_layers_without_adapters(targets: list[str]) -> None:
    model, given = tuned("Llama", targets=targets), batch(12, 30)
    nats, grads = plain(model, given)
    stack = stack_of(model)
    again, fused = fast(model, given, stack, keep_all(stack))
    assert gap(again, nats) < 1e-10
    assert max(gap(fused[name], grads[name]) for name in grads) < 1e-10


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("keep", [Keep.ALL, Keep.INPUT])
def test_below_the_lowest_adapters_nothing_is_kept_or_computed_back(
    family: str, keep: Keep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three layers the first has none; what the others learn is what autograd says."""
    model, given = tuned(family, targets=r".*\.layers\.[12]\..*_proj"), batch(12, 30)
    nats, grads = plain(model, given)
    stack = stack_of(model)
    back: list[tuple[int, bool]] = []

    def counted(layer: Layer, *rest: Any, to_input: bool) -> Tensor:
        back.append(([one is layer for one in stack.layers].index(True), to_input))
        return backward(layer, *rest, to_input=to_input)

    monkeypatch.setattr(fused_module, "backward", counted)
    again, found = fast(model, given, stack, Policy((keep,) * 3, 7))
    assert back == [(2, True), (1, False)] and stack.still == 1
    assert gap(again, nats) < 1e-10
    assert max(gap(found[name], grads[name]) for name in grads) < 1e-10


def test_a_layer_above_all_adapters_is_computed_back() -> None:
    model, given = tuned("Qwen2", targets=r".*\.layers\.0\..*_proj"), batch(12, 30)
    nats, grads = plain(model, given)
    stack = stack_of(model)
    assert stack.still == 0
    again, found = fast(model, given, stack, keep_all(stack))
    assert gap(again, nats) < 1e-10
    assert max(gap(found[name], grads[name]) for name in grads) < 1e-10


def test_sliding_window() -> None:
    model = tuned("Mistral", sliding_window=5)
    given = batch(20, 9)
    nats, grads = plain(model, given)
    stack = stack_of(model)
    assert stack.layers[0].window == 5
    again, fused = fast(model, given, stack, keep_all(stack))
    assert gap(again, nats) < 1e-10
    assert max(gap(fused[name], grads[name]) for name in grads) < 1e-10


def test_the_models_own_modules_keep_working() -> None:
    """Their weights are views into the groups: nothing is held twice, and nothing changed."""
    model, given = tuned("Qwen2"), batch(20, 9)
    before, _ = plain(model, given)
    stack = stack_of(model)
    after, _ = plain(model, given)
    assert torch.equal(before, after)
    inner = model.base_model.model.model.layers[0].self_attn.k_proj.base_layer.weight
    assert inner.data_ptr() == stack.layers[0].qkv.weight.like[32:].data_ptr()


def test_what_the_fast_path_cannot_take_is_said() -> None:
    torch.manual_seed(0)
    settings = LoraConfig(r=4, lora_dropout=0.1, target_modules="all-linear", task_type="CAUSAL_LM")
    config = transformers.Qwen2Config(**TINY)
    model = transformers.AutoModelForCausalLM.from_config(config)
    adapted = get_peft_model(model, settings)
    assert make_stack(adapted.base_model.model) == "dropout before the adapters"
    assert "gpt2" in why_not(transformers.AutoModelForCausalLM.from_config(
        transformers.GPT2Config(vocab_size=61, n_embd=32, n_layer=1, n_head=4)
    ))  # fmt: skip


def test_eight_bits_stay_close() -> None:
    """The base's products in FP8 (by reference): nearly the same losses, gradients that agree."""
    model = tuned("Qwen2", torch.float32, hidden_size=128, head_dim=32, intermediate_size=256)
    given = batch(20, 9, 14)
    stack = stack_of(model)
    nats, grads = fast(model, given, stack, keep_all(stack))
    for group in stack.groups:
        group.quantize()
    rough, rougher = fast(model, given, stack, keep_all(stack))
    assert not torch.equal(rough, nats)
    assert float((rough - nats).abs().sum() / nats.abs().sum()) < 0.02
    one, other = (torch.cat([g[n].flatten() for n in grads]) for g in (grads, rougher))
    assert float(torch.cosine_similarity(one, other, dim=0)) > 0.98


@pytest.mark.parametrize("family", ["Gemma2", "Phi", "Glm4"])
@pytest.mark.parametrize(("dtype", "limit"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
def test_fused_linears_for_models_that_the_layers_do_not_know(
    family: str, dtype: torch.dtype, limit: float
) -> None:
    model = tuned(family, dtype)
    model.set_attn_implementation("eager")
    given = make_pass(rows(20), torch.device("cpu"))
    nats, grads = plain(model, given)
    count, reasons = fuse_linears(model)
    assert count == len(grads) / 2 > 0 and not reasons
    again, fused = plain(model, given)
    assert gap(again, nats) < limit
    assert max(gap(fused[name], grads[name]) for name in grads) < limit
    with torch.no_grad(), model.disable_adapter():
        base = token_losses(model, given)
    assert gap(base, nats) > 1e-4


def test_neighbours_by_chance_are_not_one_matrix() -> None:
    flat = torch.zeros(20)
    parts = [flat[:8].view(2, 4), flat[8:20].view(3, 4)]
    whole = side_by_side(parts)
    assert whole is not None and whole.shape == (5, 4)
    assert side_by_side([parts[1], parts[0]]) is None
    assert side_by_side([parts[0], torch.zeros(3, 4)]) is None and side_by_side([]) is None


def test_dropout_is_left_to_peft() -> None:
    torch.manual_seed(0)
    settings = LoraConfig(r=4, lora_dropout=0.1, target_modules="all-linear", task_type="CAUSAL_LM")
    config = transformers.Qwen2Config(**TINY)
    model = get_peft_model(transformers.AutoModelForCausalLM.from_config(config), settings)
    assert fuse_linears(model) == (0, "dropout before the adapters")
