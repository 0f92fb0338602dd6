"""Names that once were options and never did anything: still understood, nowhere offered."""

from __future__ import annotations

from pathlib import Path

import pytest

from suretune.cli import VERBS
from suretune.cli.parse import Command, parse
from suretune.config import Resolved, options
from suretune.option import FORMER
from suretune.run.folder import read_config, write_config

(CHECK,) = (verb for verb in VERBS if verb.name == "check")
ANY = {"packing": "true", "padding_free": "true", "dataloader_num_workers": "4",
       "per_device_eval_batch_size": "2", "use_loss_scale_sampler": "true"}  # fmt: skip


def told(command: Command) -> list[tuple[str, str]]:
    return [(fault.problem, fault.flag) for fault in command.faults]


def test_no_option_and_no_help_has_them() -> None:
    assert set(ANY) == FORMER
    spelled = {name for spec in options().values() for name in (spec.name, *spec.aliases)}
    assert not spelled & FORMER


@pytest.mark.parametrize("name", sorted(FORMER - {"use_loss_scale_sampler"}))
def test_as_flags_and_in_files_they_are_said_to_do_nothing(name: str, tmp_path: Path) -> None:
    expected = [("harmless-no-effect", f"--{name}")]
    for typed in ([f"--{name}", ANY[name]], [f"--{name}={ANY[name]}"], [f"--no_{name}"]):
        command = parse(CHECK, ["--strict", *typed, "--seed", "3"], {})
        ((problem, flag),) = told(command)
        assert problem == "harmless-no-effect" and flag == typed[0].partition("=")[0]
        assert command.faults[0].hint
        assert command.resolved.config.schedule.seed == 3
    file = tmp_path / "options.yaml"
    file.write_text(f"{name}: {ANY[name]}\nseed: 3\n")
    command = parse(CHECK, ["--config", str(file)], {})
    assert told(command) == expected and command.resolved.config.schedule.seed == 3
    file.write_text(f"{name}: null\n")
    assert not told(parse(CHECK, ["--config", str(file)], {}))


def test_one_that_never_existed_is_left_out_and_stops_where_asked_to_be_strict() -> None:
    typed = ["--use_loss_scale_sampler", "true"]
    left, stopped = parse(CHECK, typed, {}), parse(CHECK, ["--strict", *typed], {})
    assert told(left) == [("left-out", typed[0])]
    assert told(stopped) == [("flag-never-existed", typed[0])]
    for command in (left, stopped):
        (fault,) = command.faults
        assert fault.hint is not None and "weight" in fault.hint.en and "weight" in fault.hint.zh


def test_a_run_whose_config_still_has_them_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    asked = Resolved.default().with_values("flag", learning_rate=3e-4)
    write_config(path, asked)
    written = path.read_text()
    assert not any(name in written for name in FORMER)
    path.write_text(written + "packing: null  # default\nuse_loss_scale_sampler: true  # flag\n")
    assert list(read_config(path).items()) == list(asked.items())
