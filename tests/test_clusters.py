"""The files of docs/clusters/: that they can be read, and that they know our exit codes."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from conftest import PLAIN, ROOT, write_rows
from suretune import rundir
from suretune.cli.verbs import VERBS
from suretune.config import options
from suretune.labels import STATUSES
from suretune.prepare.starter import identity_rows
from suretune.train.place import place_of

FILES = ROOT / "docs" / "clusters"
AGAIN = {7, 129, 130, 143}  # whoever begins the run again may come further
KILLED = 137  # by the system, which leaves nobody to say why


def read(name: str) -> Any:
    return yaml.safe_load((FILES / name).read_text("utf-8"))


def shell(script: str) -> None:
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_kubernetes_begins_again_what_may_come_further_and_nothing_else() -> None:
    job = read("kubernetes.yaml")["spec"]
    rules = job["podFailurePolicy"]["rules"]
    codes = {
        rule["action"]: rule["onExitCodes"]["values"] for rule in rules if "onExitCodes" in rule
    }
    assert set(codes["Count"]) == AGAIN | {KILLED}
    assert set(codes["FailJob"]) == set(STATUSES) - AGAIN - {0}
    # What Kubernetes asks of a policy: one kind of condition a rule, values in order, no restart.
    assert all(("onExitCodes" in rule) != ("onPodConditions" in rule) for rule in rules)
    assert all(values == sorted(set(values)) for values in codes.values())
    pod = job["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    [container] = pod["containers"]
    assert all(rule["onExitCodes"]["containerName"] == container["name"] for rule in rules[::2])
    assert {mount["name"] for mount in container["volumeMounts"]} == {
        volume["name"] for volume in pod["volumes"]
    }
    shell(container["args"][0])
    assert (
        f"--num_gpus {container['resources']['limits']['nvidia.com/gpu']}" in container["args"][0]
    )


def test_skypilot_recovers_what_may_come_further() -> None:
    task = read("skypilot.yaml")
    recovery = task["resources"]["job_recovery"]
    assert set(recovery["recover_on_exit_codes"]) == AGAIN - {130}  # nobody presses Ctrl-C there
    assert recovery["max_restarts_on_errors"] == 0
    shell(task["run"])


def test_slurm_requeues_what_may_come_further() -> None:
    script = (FILES / "slurm.sh").read_text("utf-8")
    shell(script)
    [listed] = re.findall(r"^  ([\d | ]+)\)", script, re.MULTILINE)
    assert set(map(int, listed.split("|"))) == AGAIN | {KILLED}
    words = dict(re.findall(r"(\w+)=\$(\w+)", script))
    told = {"RANK": "3", "WORLD_SIZE": "4", "LOCAL_RANK": "3", "LOCAL_WORLD_SIZE": "4"}
    assert {name: words[name] for name in told} == {
        "RANK": "SLURM_PROCID", "WORLD_SIZE": "SLURM_NTASKS", "LOCAL_RANK": "SLURM_LOCALID",
        "LOCAL_WORLD_SIZE": "SLURM_NTASKS_PER_NODE",
    }  # fmt: skip
    place = place_of({**told, "MASTER_ADDR": "node0", "MASTER_PORT": "29500"})
    assert (place.rank, place.size, place.local) == (3, 4, 3)


@pytest.mark.parametrize("name", ["kubernetes.yaml", "skypilot.yaml", "slurm.sh"])
def test_every_flag_and_verb_is_ours(name: str) -> None:
    text = re.sub(
        r"(?m)^\s*#.*$|^\s*srun .*$|^.*scontrol.*$", "", (FILES / name).read_text("utf-8")
    )
    flags = set(re.findall(r"--([a-z_]+)", text))
    assert flags and flags <= set(options())
    assert {"sft", "resume"} <= {verb.name for verb in VERBS} and "resume" in text


SRUN = """#!/bin/bash
while [[ $1 == --* ]]; do shift; done
for ((i = 0; i < SLURM_NTASKS; i++)); do
  SLURM_PROCID=$i SLURM_LOCALID=$i "$@" & PIDS+=($!)
done
trap 'kill -TERM "${PIDS[@]}"' TERM
WORST=0
for pid in "${PIDS[@]}"; do
  wait "$pid"; S=$?
  while kill -0 "$pid" 2> /dev/null; do wait "$pid"; S=$?; done
  ((S > WORST)) && WORST=$S
done
exit $WORST
"""
SCONTROL = '#!/bin/bash\necho "$1" >> "$CALLS"\n[ "$1" = show ] && echo 127.0.0.1\nexit 0\n'


def test_slurms_script_stops_is_requeued_and_goes_on(tmp_path: Path) -> None:
    """By an srun that starts its tasks here: stopped on the way, a requeue, a verdict."""
    programs = {"srun": SRUN, "scontrol": SCONTROL}
    programs["suretune"] = f'#!/bin/bash\nexec {sys.executable} -m suretune "$@"\n'
    (tmp_path / "bin").mkdir()
    for name, script in programs.items():
        (tmp_path / "bin" / name).write_text(script)
        (tmp_path / "bin" / name).chmod(0o755)
    rows = identity_rows(("Glow",), ("Star Lab",), ("en",))[:24]
    run, calls = tmp_path / "run", tmp_path / "calls"
    env = {
        **os.environ, **PLAIN, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
        "SLURM_JOB_ID": str(free_port() - 20000), "SLURM_JOB_NAME": "x", "SLURM_NTASKS": "2",
        "SLURM_JOB_NODELIST": "here", "SLURM_NTASKS_PER_NODE": "2", "MODEL": "pocket",
        "ROWS": str(write_rows(tmp_path / "rows.jsonl", rows)), "RUN": str(run),
        "CALLS": str(calls),
    }  # fmt: skip

    def begin() -> subprocess.Popen[bytes]:
        words = ["bash", str(FILES / "slurm.sh")]
        return subprocess.Popen(
            words, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    job = begin()
    until(lambda: (run / "steps.jsonl").is_file() and len(lines(run)) >= 2, job)
    [step] = Path(f"/proc/{job.pid}/task/{job.pid}/children").read_text().split()
    os.kill(int(step), 15)
    assert job.wait(120) == 143
    assert calls.read_text().split() == ["show", "requeue"]
    done = rundir.checkpoints(run)[-1][0]
    assert begin().wait(300) in (0, 6, 8)
    assert {"event": "resumed", "step": done} in list(rundir.read_jsonl(run / "events.jsonl"))
    assert calls.read_text().split() == ["show", "requeue", "show"]


def lines(run: Path) -> list[str]:
    return (run / "steps.jsonl").read_text("utf-8").splitlines()


def until(holds: Any, job: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 240
    while not holds():
        assert time.monotonic() < end and job.poll() is None
        time.sleep(0.1)


def free_port() -> int:
    """Among those that the script makes of a job's number."""
    while True:
        with socket.socket() as door:
            door.bind(("127.0.0.1", 0))
            port: int = door.getsockname()[1]
        if 20000 <= port < 40000:
            return port
