"""The same laws where a GPU is: torch's varlen kernel against the reference, and the whole job."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from conftest import as_json, suretune
from suretune import rundir
from suretune.model.attention import packed_attention

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA GPU"),
]
LENGTHS = (5, 17, 1, 64, 33)


def qkv(dtype: torch.dtype, heads: int = 4, groups: int = 2, width: int = 64) -> list[torch.Tensor]:
    torch.manual_seed(0)
    total = sum(LENGTHS)
    shapes = [(1, heads, total, width), (1, groups, total, width), (1, groups, total, width)]
    return [torch.randn(s, device="cuda", dtype=dtype, requires_grad=True) for s in shapes]


def attend(tensors: list[torch.Tensor], window: int | None) -> torch.Tensor:
    bounds = [0]
    for length in LENGTHS:
        bounds.append(bounds[-1] + length)
    starts = torch.tensor(bounds, dtype=torch.int32, device="cuda")
    out, _ = packed_attention(
        torch.nn.Identity(), *tensors, None, sliding_window=window,
        cu_seq_lens_q=starts, max_length_q=max(LENGTHS),
    )  # fmt: skip
    return out


@pytest.mark.parametrize("window", [None, 8])
def test_varlen_equals_the_reference(window: int | None) -> None:
    half = qkv(torch.bfloat16)
    full = [t.detach().float().requires_grad_() for t in half]
    fast, slow = attend(half, window), attend(full, window)
    assert (fast.float() - slow).norm() / slow.norm() < 1e-2
    weight = torch.randn_like(slow)
    (fast.float() * weight).sum().backward()
    (slow * weight).sum().backward()
    for a, b in zip(half, full, strict=True):
        assert a.grad is not None and b.grad is not None
        assert (a.grad.float() - b.grad).norm() / b.grad.norm() < 2e-2


def test_the_whole_job_in_bfloat16(tmp_path: Path) -> None:
    done = suretune("demo", "--output_dir", tmp_path / "demo", "--json", cwd=tmp_path)
    report = as_json(done)
    assert done.returncode == 0, report["reasons"]
    assert report["model"]["device"] == "cuda" and report["model"]["dtype"] == "bfloat16"
    assert report["proof"]["logits_gap"] <= report["proof"]["logits_tolerance"]
    assert all(step["memory_bytes"] > 0 for step in report["steps"])


def test_a_run_resumed_on_the_gpu_is_the_run_never_stopped(
    tmp_path: Path, identity_file: Path
) -> None:
    """float32, deterministic kernels: stop after 4 of 8 updates by deleting the later ones."""
    import shutil

    from safetensors.torch import load_file

    flags = ("--model", "pocket", "--dataset", identity_file, "--max_steps", 8, "--save_steps", 4,
             "--torch_dtype", "float32", "--lora_dropout", 0.1)  # fmt: skip
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for run in (whole, cut):
        assert suretune("sft", *flags, "--output_dir", run).returncode in (0, 6)
    shutil.rmtree(cut / "checkpoints" / "step-000008")
    (cut / rundir.SEAL).unlink(missing_ok=True)
    assert suretune("resume", cut).returncode in (0, 6)
    a, b = (load_file(r / "adapter" / "adapter_model.safetensors") for r in (whole, cut))
    assert all(torch.equal(a[name], b[name]) for name in a)
