"""What must not be sealed, resumed or deleted: each was once possible."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModelForCausalLM, PretrainedConfig

from conftest import as_json, suretune, within, write_rows
from suretune import rundir
from suretune.config import Resolved
from suretune.families import architectures
from suretune.model.attention import PACKED, attention_for
from suretune.preflight.check import check
from suretune.record.journal import Journal, Stopped
from suretune.run.folder import read_config, write_config

GOOD = {"instruction": "Sort 3 1 2", "output": "1 2 3"}


def rows_file(folder: Path, number: int = 30, start: int = 0) -> Path:
    rows = [{**GOOD, "instruction": f"Sort {i} 1 2"} for i in range(start, start + number)]
    return write_rows(folder / f"rows-{start}.jsonl", rows)


def codes(told: Any) -> set[str]:
    return {finding["code"] for finding in told["findings"]}


def test_nothing_judged_is_not_sealed(tmp_path: Path) -> None:
    """General rows, nothing held out, questions without an answer: no proof."""
    questions = tmp_path / "q.txt"
    questions.write_text("hello\n")
    done = suretune(
        "sft", "--model", "pocket", "--dataset", rows_file(tmp_path), "--probes", questions,
        "--split_dataset_ratio", 0, "--max_steps", 1, "--output_dir", tmp_path / "run", "--json",
        "--general_questions", 20, "--anchor_ratio", 0, "--until_proven", "false",
    )  # fmt: skip
    assert done.returncode == 6 and "R009" in codes(as_json(done))
    assert not (tmp_path / "run" / rundir.SEAL).exists()


def test_questions_cannot_be_swapped_after_a_failure(tmp_path: Path, identity_file: Path) -> None:
    probes = tmp_path / "probes.jsonl"
    write_rows(probes, [{"question": "who are you", "must_contain": ["Nobody"]}])
    run = tmp_path / "run"
    done = suretune(
        "sft", "--model", "pocket", "--dataset", identity_file, "--probes", probes,
        "--max_steps", 1, "--learning_rate", "5e-5", "--output_dir", run,
        "--general_questions", 100,
    )  # fmt: skip
    assert done.returncode == 6
    assert suretune("resume", run).returncode == 6, "the same questions: the same verdict"
    write_rows(probes, [{"question": "who are you", "must_not_contain": ["zzz"]}])
    done = suretune("resume", run, "--json")
    assert done.returncode == 4 and "S013" in codes(as_json(done))


def test_a_demo_deletes_nothing(tmp_path: Path) -> None:
    mine = tmp_path / "work"
    mine.mkdir()
    (mine / "demo.jsonl").write_text("{}\n")
    (mine / "thesis.txt").write_text("years of work")
    new = rundir.new_run(str(mine))
    assert new == mine / "run-0001" and (mine / "thesis.txt").read_text() == "years of work"


@pytest.mark.parametrize("rate", [5e-5, 1e-4, 1.5e-3, 3e-12])
def test_a_config_comes_back_as_it_was(tmp_path: Path, rate: float) -> None:
    asked = Resolved.default().with_values(
        "flag", learning_rate=rate, dataset=("a b", "数据#5"), system='say "x" # y\n', bf16=True
    )
    write_config(tmp_path / "config.yaml", asked)
    back = read_config(tmp_path / "config.yaml")
    assert back.config == asked.config
    assert {n: o for n, _, o in back.items()} == {n: o for n, _, o in asked.items()}


def test_a_runs_own_config_can_be_given_again(trained: Path, tmp_path: Path) -> None:
    done = within("check", "--config", trained / "config.yaml", "--json")
    assert done.returncode == 0, done.stdout
    assert as_json(done)["plan"]["digest"] == rundir.read_json(trained / "plan.json")["digest"]


def test_validation_rows_that_are_also_learned_are_refused(tmp_path: Path) -> None:
    rows = rows_file(tmp_path)
    asked = Resolved.default().with_values("flag", model="pocket", dataset=(str(rows),))
    with pytest.raises(Stopped) as stopped:
        check(asked.with_values("flag", val_dataset=(str(rows),)), Journal())
    assert stopped.value.status == 2
    apart = check(
        asked.with_values("flag", val_dataset=(str(rows_file(tmp_path, 5, 900)),)), Journal()
    )
    assert len(apart.train) == 30 and len(apart.held_out) == 5


@pytest.mark.parametrize(
    "flags", [("--max_skill_drop", 3), ("--split_dataset_ratio", 5), ("--warmup_ratio", 3),
              ("--probes_needed", 90), ("--learning_rate", 30)],
)  # fmt: skip
def test_a_percentage_is_no_share(flags: tuple[object, ...], identity_file: Path) -> None:
    done = within("check", "--model", "pocket", "--dataset", identity_file, *flags, "--json")
    assert done.returncode == 2 and "C002" in codes(as_json(done))


def test_nan_is_written_as_null_and_read_as_nan(tmp_path: Path) -> None:
    rundir.write_json(tmp_path / "x.json", {"a": float("nan"), "b": [float("inf"), 1.5]})
    assert rundir.read_json(tmp_path / "x.json") == {"a": None, "b": [None, 1.5]}


def test_a_full_disk_is_named_and_keeps_the_last_checkpoint(
    tmp_path: Path, identity_file: Path
) -> None:
    """RLIMIT_FSIZE stands in for the disk: the second checkpoint does not fit any more."""
    run = tmp_path / "run"
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "from suretune.train import checkpoint; real = checkpoint.save; calls = [0]\n"
        "def save(*a, **k):\n"
        "    calls[0] += 1\n"
        "    if calls[0] == 2: resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))\n"
        "    return real(*a, **k)\n"
        "checkpoint.save = save\n"
        "from suretune.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    import subprocess
    import sys

    command = [
        sys.executable, "-c", code, "sft", "--model", "pocket", "--dataset", str(identity_file),
        "--max_steps", "4", "--save_steps", "2", "--output_dir", str(run), "--json",
        "--general_questions", "100",
    ]  # fmt: skip
    env = {**os.environ, "OMP_NUM_THREADS": "1", "SURETUNE_LANG": "en"}
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    assert done.returncode == 4, done.stdout[-500:] + done.stderr[-1500:]
    told = json.loads(done.stdout.strip().splitlines()[-1])
    assert "S016" in codes(told)
    ((step, path),) = rundir.checkpoints(run)
    assert step == 2 and rundir.damage(path) is None
    assert not list((run / "checkpoints").glob(".t*"))


def test_a_stopped_run_tells_its_story(tmp_path: Path, identity_file: Path) -> None:
    """An update that overflows: exit 5 or 6, a report, no seal, no traceback."""
    run = tmp_path / "run"
    done = suretune(
        "sft", "--model", "pocket", "--dataset", identity_file, "--max_steps", 12,
        "--learning_rate", 1, "--max_grad_norm", 0, "--output_dir", run,
        "--general_questions", 100,
    )  # fmt: skip
    assert done.returncode in (5, 6), done.stdout + done.stderr
    assert "Traceback" not in done.stderr and not (run / rundir.SEAL).exists()
    assert rundir.read_json(run / "report.json")["verdict"] in ("stopped", "not-verified")


def tiny(kind: str) -> PretrainedConfig:
    """A config of this family, small enough to build."""
    small = {
        "vocab_size": 64, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "pad_token_id": 0,
        "max_position_embeddings": 128, "attention_dropout": 0.0,
    }  # fmt: skip
    return AutoConfig.for_model(kind, **small)


@pytest.mark.parametrize("kind", sorted(architectures()))
def test_every_family_gets_the_attention_it_was_built_for(kind: str) -> None:
    """Packed where that is the same as eager; eager where scores are capped."""
    from array import array

    from suretune.model.packed_batch import make_pass, token_losses
    from suretune.types import Origin, Sample, Span

    config = tiny(kind)
    assert (attention_for(config) == PACKED) == architectures()[kind].packed
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").double().eval()
    if hasattr(model.config, "num_experts_per_tok"):  # grouped products have no float64
        model.set_experts_implementation("eager")
    made = [
        Sample(Origin("r", i), "r", array("I", range(3 + i, 20 + 3 * i)), (Span(2, 9, 1.0),), "")
        for i in range(3)
    ]
    with torch.no_grad():
        expected = [token_losses(model, make_pass([s], torch.device("cpu"))) for s in made]
        model.set_attn_implementation(attention_for(config))
        if attention_for(config) == PACKED:
            found = token_losses(model, make_pass(made, torch.device("cpu")))
        else:
            found = torch.cat(
                [token_losses(model, make_pass([s], torch.device("cpu"))) for s in made]
            )
    assert torch.allclose(found, torch.cat(expected), atol=1e-5)
