"""AdamW with moments in 8 bits (`--optim adamw_8bit`): near AdamW, and exact about itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.profiler import ProfilerActivity, profile

from conftest import codes, suretune
from suretune import rundir
from suretune.model.attention import PACKED
from suretune.model.full import begin_whole
from suretune.model.load import load_base
from suretune.model.memory import GIB
from suretune.model.packed_batch import passes
from suretune.model.tensor_file import Coming, write_tensors
from suretune.options_full import FullOptions
from suretune.preflight.check import Checked
from suretune.preflight.forecast import host_bytes
from suretune.preflight.machine import too_little_room
from suretune.prepare.cards import A_ROW, SIZES, fits
from suretune.record.journal import Journal, Stopped
from suretune.run import moments
from suretune.run.moments import with_moments
from suretune.train import adamw_8bit, checkpoint
from suretune.train.adamw_8bit import BlockwiseAdamW, WholeAdamW8
from suretune.train.blockwise import BLOCK, Blockwise, levels
from suretune.train.loop import Applied, Learner, gradient, keep_state, make_scale, train
from suretune.train.plain_engine import Plain
from suretune.tuning.full import (
    ADAMW,
    ADAMW_8BIT,
    FEW,
    MOMENTS,
    MOMENTS_8BIT,
    has_8bit_moments,
)
from suretune.types import Sample, Text
from test_full import LOWER, TOP, bits, checked, learn, learning, same, samples, whole_learner
from test_laws import CPU, checked_run, grads, relative

__all__ = ["checked", "samples"]  # fixtures


def learner_8bit(asked: FullOptions | None = None, dtype: str = "float32") -> Learner:
    model = load_base(LOWER, CPU, dtype, PACKED)
    tuned = begin_whole(model, learning(asked or FullOptions(), LOWER).learned, LOWER)
    masters = WholeAdamW8(tuned, 0.0)
    engine = Plain(tuned, masters, CPU, 4096)
    return Learner(tuned, masters, engine, make_scale("float32"), CPU, 0.0)


@pytest.mark.parametrize("signed", [True, False])
def test_a_number_is_as_near_as_its_power_of_ten_has_levels(signed: bool) -> None:
    """Within half a step of its tenfold: 64 parts of nine tenths where it is the largest of its
    block, half as many in every smaller one; what is a ten-millionth of it is nothing, or, without
    a sign, the least that there is."""
    torch.manual_seed(1)
    by = Blockwise(CPU, signed=signed)
    numbers = torch.randn(40 * BLOCK - 3, dtype=torch.float64)
    numbers *= 10.0 ** torch.empty_like(numbers).uniform_(-9, 0)
    numbers = numbers.float() if signed else numbers.float().abs()
    codes, scales = torch.zeros(len(numbers), dtype=torch.uint8), torch.zeros(40)
    by.encode(numbers, codes, scales)
    back = by.decode(codes, scales)
    largest = torch.stack([part.abs().max() for part in numbers.split(BLOCK)])
    assert torch.equal(scales, largest)
    each = largest.repeat_interleave(BLOCK)[: len(numbers)]
    share = numbers.abs() / each
    decade = (-share.log10()).floor().clamp(0, 7)
    parts = (64 if signed else 128) / 2**decade
    bound = torch.where(decade < 7, 0.9 / parts * 10**-decade, 1e-6) * each
    assert bool(((back - numbers).abs() <= bound).all())
    assert bool((back.abs() <= each).all()) and bool(((back < 0) <= (numbers < 0)).all())
    if not signed:
        assert bool(((back > 0) == (numbers > 0)).all())


def test_the_levels_are_256_and_nothing_is_nothing() -> None:
    for signed in (True, False):
        known, by = levels(signed=signed), Blockwise(CPU, signed=signed)
        assert len(known.unique()) == 256 and float(known.max()) == 1 and 0 in known
        assert bool((known < 0).any()) is signed
        codes, scales = torch.full((300,), 7, dtype=torch.uint8), torch.ones(2)
        by.encode(torch.zeros(300), codes, scales)
        assert not scales.any() and not by.decode(codes, scales).any()
        by.encode(known[:BLOCK], codes[:BLOCK], scales[:1])  # a level is itself
        assert torch.equal(by.decode(codes[:BLOCK], scales[:1]), known)


def alone(
    kind: str, sizes: dict[str, int], values: torch.Tensor, decay: float = 0.0
) -> tuple[Any, Any]:
    at = nn.Parameter(values.clone())
    at.grad = torch.zeros_like(at)
    if kind == "torch":
        return at, torch.optim.AdamW([at], lr=1e-3, weight_decay=decay)
    return at, BlockwiseAdamW(at, at.grad, sizes, torch.tensor(1e-3), decay)


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_where_nothing_is_packed_it_is_adamw(decay: float) -> None:
    """A small tensor and an embedding: torch's own, to rounding."""
    sizes = {"norm": FEW - 1, "model.embed_tokens.weight": 9000}
    assert not any(has_8bit_moments(*one) for one in sizes.items())
    torch.manual_seed(1)
    start = torch.randn(sum(sizes.values()))
    (ours, by), (theirs, reference) = (alone(k, sizes, start, decay) for k in ("ours", "torch"))
    for _ in range(30):
        slopes = torch.randn_like(start) * 10.0 ** torch.empty_like(start).uniform_(-6, 0)
        for values, optimizer in ((ours, by), (theirs, reference)):
            values.grad.copy_(slopes)
            optimizer.step()
    assert float((ours - theirs).detach().abs().max()) < 2e-6


def test_a_small_problem_is_solved_as_by_adamw() -> None:
    """Least squares whose directions differ a thousandfold: after 400 updates the loss is within a
    hundredth of AdamW's, and what was learned within an eighth of it."""
    torch.manual_seed(1)
    wide = torch.logspace(-1.5, 1.5, 64)
    inputs, wanted = torch.randn(256, 64) * wide, torch.randn(256, 96)
    sizes, found = {"proj.weight": 64 * 96}, {}
    for kind in ("torch", "ours"):
        values, optimizer = alone(kind, sizes, torch.zeros(64 * 96))
        for _ in range(400):
            values.grad.zero_()
            loss = (inputs @ values.view(64, 96) - wanted).square().mean()
            loss.backward()
            optimizer.step()
        found[kind] = float(loss.detach()), values.detach().clone()
    (theirs, there), (ours, here) = found["torch"], found["ours"]
    assert abs(ours - theirs) <= 0.01 * theirs, (ours, theirs)
    assert float((here - there).norm() / there.norm()) < 1 / 8


def test_slices_are_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """However little is unpacked at once: the same bits."""
    torch.manual_seed(1)
    sizes = {"a.weight": 3 * 4096 + 5, "norm": 64, "b.weight": 4096}
    start, found = torch.randn(sum(sizes.values())), []
    slopes = [torch.randn_like(start) for _ in range(3)]
    for at_once in (adamw_8bit.AT_ONCE, 4 * BLOCK):
        monkeypatch.setattr(adamw_8bit, "AT_ONCE", at_once)
        values, optimizer = alone("ours", sizes, start)
        for slope in slopes:
            values.grad.copy_(slope)
            optimizer.step()
        found.append({"values": values.detach(), **optimizer.state[values]})
    assert found[0].keys() == found[1].keys()
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_pocket_model_learns_as_with_moments_in_float32(
    samples: list[Sample], checked: Checked, dtype: str
) -> None:
    """Three updates: every loss within a thousandth, and where they differ at all, by little of
    what was learned."""
    found = []
    for learner in (learner_8bit(dtype=dtype), whole_learner(dtype=dtype)):
        base = learner.adapters.aside()
        losses = [
            event.record.loss
            for event in train(learner, samples, checked.plan, 0)
            if isinstance(event, Applied)
        ]
        found.append((losses, learner.adapters.aside() - base))
    (ours, here), (theirs, there) = found
    assert ours[0] == theirs[0] and len(ours) == 3
    assert all(abs(a - b) <= 1e-3 * b for a, b in zip(ours, theirs, strict=True)), (ours, theirs)
    assert 0 < float((here - there).norm() / there.norm()) < 0.1


def test_passes_do_not_change_the_gradient(samples: list[Sample], checked: Checked) -> None:
    """1 x 16 is 16 x 1, after an update whose moments were packed."""
    learner, rows = learner_8bit(), samples[:16]
    learn(learner, samples, checked)
    weight, found = sum(s.loss_weight for s in rows), []
    for budget in (1, 4096):
        learner.engine.tokens_per_pass = budget
        loss, _ = gradient(learner, rows, weight)
        found.append((loss, grads(learner), len(passes(rows, budget, CPU))))
    assert [count for *_, count in found] == [16, 1]
    assert abs(found[0][0] - found[1][0]) <= 1e-5 * abs(found[1][0])
    assert relative(found[0][1], found[1][1]) <= 1e-5


@pytest.mark.parametrize(("dtype", "asked"), [("float32", FullOptions()), ("bfloat16", TOP)])
def test_a_checkpoint_put_back_goes_on_to_the_same_bits(
    checked: Checked, samples: list[Sample], dtype: str, asked: FullOptions, tmp_path: Path
) -> None:
    """Also what recovery goes back to; on the disk are the codes, not what they stand for."""
    straight, first, saved = learner_8bit(asked, dtype), learner_8bit(asked, dtype), None
    learn(straight, samples, checked)
    for event in train(first, samples, checked.plan, 0):
        if isinstance(event, Applied) and event.record.step == 1:
            saved = checkpoint.save(tmp_path, 1, first, lambda folder, step: None, {})
            break
    assert saved is not None
    kept = load_file(saved / checkpoint.OPTIMIZER)
    for name, count in learning(asked, LOWER).learned.items():
        packed = has_8bit_moments(name, count)
        for moment in ("exp_avg", "exp_avg_sq"):
            assert kept[f"{name}/{moment}"].dtype == (torch.uint8 if packed else torch.float32)
            assert (f"{name}/{moment}/scales" in kept) is packed
    again = learner_8bit(asked, dtype)
    assert checkpoint.restore(saved, again) == 1
    checkpoint.restore_recovery(saved, again)
    for event in train(again, samples, checked.plan, 1):
        assert event
    assert torch.equal(again.adapters.values, straight.adapters.values)
    assert same(bits(again.model), bits(straight.model))
    ours, theirs = again.adapters.state(), straight.adapters.state()
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[n], theirs[n]) for n in ours)
    with pytest.raises(KeyError):  # of moments in float32
        checkpoint.restore(saved, whole_learner(asked, dtype))


def test_going_back_takes_the_moments_along(checked: Checked, samples: list[Sample]) -> None:
    learner = learner_8bit(TOP)
    start = learner.adapters.aside()
    fresh: dict[str, torch.Tensor] = {}
    learner.adapters.copy(fresh)  # before any update there are no moments
    learn(learner, samples, checked)
    kept: dict[str, torch.Tensor] = {}
    learner.adapters.copy(kept)
    before = {name: tensor.clone() for name, tensor in learner.adapters.state().items()}
    learn(learner, samples, checked)
    learner.adapters.put_back(kept)
    after = learner.adapters.state()
    assert all(torch.equal(after[name], before[name]) for name in before)
    learner.adapters.put_back(fresh)
    assert torch.equal(learner.adapters.values, start)
    assert not learner.adapters.state()["step"]
    by = Blockwise(CPU, signed=True)
    for name, tensor in learner.adapters.state().items():
        if f"{name}/scales" in after:
            assert not by.decode(tensor.view(-1), after[f"{name}/scales"]).any()


def test_a_file_written_tensor_by_tensor_is_safetensors_own(tmp_path: Path) -> None:
    """The same bytes, for tensors that lie anywhere, and one that comes when it is its turn."""
    flat = torch.randn(40)
    tensors = {
        "wide": flat[:15].view(3, 5), "half": flat.bfloat16(), "codes": torch.arange(9).byte(),
        "step": torch.zeros(()), "none": torch.zeros(0, 3), "long": torch.arange(4),
    }  # fmt: skip
    for metadata in (None, {"format": "pt"}):
        save_file({n: t.clone() for n, t in tensors.items()}, tmp_path / "a", metadata=metadata)
        late = {**tensors, "wide": Coming(torch.float32, (3, 5), lambda: tensors["wide"])}
        write_tensors(late, tmp_path / "b", metadata)
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    with pytest.raises(ValueError, match="wide"):
        other = {"wide": Coming(torch.float32, (5, 3), lambda: tensors["wide"])}
        write_tensors(other, tmp_path / "b")


def test_moments_are_in_8_bits_where_only_these_fit(
    identity_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the memory that there is; as asked where something is asked; a stop, with the number,
    where not even these fit; and nothing of it where adapters are trained."""
    asked = checked_run(identity_file, tuner="full")
    wide, narrow = (host_bytes(asked, 4, optim, on_card=False) for optim in (ADAMW, ADAMW_8BIT))
    numbers = learning(FullOptions()).count
    assert 4 * numbers < wide - narrow < 12 * numbers  # 6 in the optimizer, 6 to go back to

    def settled(room: float, checked: Checked, **more: str) -> tuple[str | None, str]:
        monkeypatch.setattr(moments, "free_memory", lambda device: room)
        checked = replace(checked, resolved=checked.resolved.with_values("flag", **more))
        made = with_moments(checked, CPU, Journal()).resolved
        return made.config.full.optim, made.origins.get("optim", "default").partition(":")[0]

    assert settled(wide, asked) == (ADAMW, "auto")
    assert settled(wide - 1, asked) == settled(narrow, asked) == (ADAMW_8BIT, "auto")
    assert settled(wide, asked, optim=ADAMW_8BIT) == (ADAMW_8BIT, "flag")
    assert settled(0, checked_run(identity_file)) == (None, "default")
    for room, more, fix in (
        (narrow - 1, {}, "--freeze_parameters_ratio"),
        (narrow, {"optim": ADAMW}, "`--optim adamw_8bit` fits"),
    ):
        with pytest.raises(Stopped) as stopped:
            settled(room, asked, **more)
        (finding,) = stopped.value.findings
        assert finding.code == "S019" and fix in finding.fix.en
        needed = narrow if not more else wide
        assert f"{needed / GIB:.1f} GiB of this machine's own memory" in finding.what.en


def test_a_run_settles_it_and_keeps_to_it(identity_file: Path, tmp_path: Path) -> None:
    """What was chosen stands in config.yaml with its reason; another choice is another run, and so
    is none, for then moments were in float32."""
    run = tmp_path / "run"
    done = suretune(
        "sft", "--model", "pocket", "--dataset", identity_file, "--max_steps", 1, "--train_type",
        "full", "--freeze_parameters_ratio", 0.8, "--general_questions", 20, "--anchor_ratio", 0,
        "--until_proven", "false", "--optim", "adamw_bnb_8bit", "--output_dir", run,
    )  # fmt: skip
    assert done.returncode in (0, 6), done.stderr[-2000:]
    assert 'optim: "adamw_8bit"  # flag' in (run / "config.yaml").read_text()
    last = rundir.pointed(run, "last")
    assert last is not None
    kinds = {t.dtype for t in load_file(last / checkpoint.OPTIMIZER).values()}
    assert kinds == {torch.uint8, torch.float32}
    lines = (run / "config.yaml").read_text().splitlines(keepends=True)
    for line in ('optim: "adamw_torch"  # flag\n', ""):
        kept = [line if each.startswith("optim:") else each for each in lines]
        (run / "config.yaml").write_text("".join(kept))
        assert "S013" in codes(suretune("resume", run, "--json"))


def test_other_tools_words_for_it(identity_file: Path) -> None:
    """Beside adapters it changes nothing, and is said so; optimizers that are none are refused."""
    look = ("check", "--model", "pocket", "--dataset", identity_file, "--json")
    assert not {"C005", "C016"} & set(codes(suretune(*look, "--optim", "adamw_torch_fused")))
    assert "C005" in codes(suretune(*look, "--optim", "paged_adamw_8bit"))
    done = suretune(*look, "--optim", "adafactor")
    assert done.returncode == 2 and "AdamW" in done.stdout


def test_plan_tells_which_moments_fit_a_card() -> None:
    found = [one for one in fits(SIZES["Qwen2.5-3B"], A_ROW) if one.train_type == "full"]
    by_card = {one.memory: (one.optim, one.fits) for one in found}
    assert by_card[80] == (ADAMW, True) and by_card[48] == (ADAMW_8BIT, True)
    assert not by_card[24][1]
    wide = [
        one for one in fits(SIZES["Qwen2.5-3B"], A_ROW, optim=ADAMW) if one.train_type == "full"
    ]
    assert {one.memory for one in wide if one.fits} == {80}


@pytest.mark.parametrize("narrow", [True, False])
def test_a_checkpoint_takes_no_second_copy(narrow: bool, tmp_path: Path) -> None:
    """What a save allocates, whatever lies there already, is the base's file, which is mapped: two
    bytes a number. Weights, masters, moments and the state to go back to are 22, or 14."""
    learner = learner_8bit(dtype="bfloat16") if narrow else whole_learner(dtype="bfloat16")
    masters = learner.adapters
    masters.gradient.fill_(1e-3)
    masters.set_rate(1e-4)
    masters.step()
    masters.show()
    keep_state(learner, 1)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
        checkpoint.save(tmp_path, 1, learner, lambda folder, step: None, {})
    given = sum(max(0, event.self_cpu_memory_usage) for event in seen.events())
    assert given < 2.1 * masters.values.numel()


def test_the_disk_is_asked_for_what_the_moments_take(tmp_path: Path, checked: Checked) -> None:
    """With moments in 8 bits a number of a checkpoint takes half as much, and so does the run."""
    needed = []
    for each in (MOMENTS, MOMENTS_8BIT):
        facts = too_little_room(tmp_path, 10**15, checked.plan, 1, moments=each)
        assert facts is not None and isinstance(facts.found, Text)
        needed.append(float(facts.found.en.split()[-3]))
    assert needed[1] < 0.6 * needed[0]
