"""`suretune setup` on machines of every kind: it tells, judges, and never breaks."""

from __future__ import annotations

import json
import os
import shlex
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from conftest import as_json, suretune, within
from suretune import words
from suretune.cli.setup import tell_about
from suretune.model.memory import GIB
from suretune.prepare import seen as looked
from suretune.prepare.ready import Fits, can_train, driver_cuda, lacks
from suretune.prepare.seen import HUBS, Card, Seen

CPU = Seen(
    python="3.11.7", system="Linux", cores=2, memory=16 * GIB,
    packages={"torch": "2.13.0+cpu", "transformers": "5.23.0", "peft": "0.21.2",
              "safetensors": "0.8.0"},
    cards=(), driver="", driver_trouble="", torch_cuda="", torch_trouble="", torch_sees=False,
    bf16=False, disk=100 * GIB, writable=True, cache="/root/.cache/huggingface",
    cache_free=100 * GIB, cache_writable=True, offline=False, hubs=dict.fromkeys(HUBS, True),
)  # fmt: skip
GPU = replace(
    CPU, packages={**CPU.packages, "torch": "2.13.0+cu128"},
    cards=(Card("NVIDIA GeForce RTX 4090", 24 * GIB, 23 * GIB),), driver="570.86.10",
    torch_cuda="12.8", torch_sees=True, bf16=True,
)  # fmt: skip


@pytest.fixture(autouse=True, params=["en", "zh"])
def spoken(request: pytest.FixtureRequest) -> Iterator[str]:
    words.choose(request.param)
    yield request.param
    words.choose(None)


def stopping(seen: Seen) -> list[str]:
    return [lack.command for lack in lacks(seen) if lack.stops]


def test_a_machine_that_has_all_is_ready(spoken: str, capsys: pytest.CaptureFixture[str]) -> None:
    for seen in (CPU, GPU):
        assert stopping(seen) == [] and tell_about(seen, False) == 0
        assert capsys.readouterr().out.rstrip().endswith(f"\n  suretune demo --lang {spoken}")


def test_a_cpu_build_beside_a_card_is_told_with_the_build_that_the_driver_runs(
    capsys: pytest.CaptureFixture[str],
) -> None:
    wrong = replace(GPU, packages=CPU.packages, torch_cuda="", torch_sees=False)
    for driver, build in (("535.54", "cu126"), ("570.1", "cu128"), ("580.65.06", "cu130")):
        (command,) = stopping(replace(wrong, driver=driver))
        assert command.endswith(f"--index-url https://download.pytorch.org/whl/{build}")
        assert "install" in shlex.split(command) and "torch>=2.10" in shlex.split(command)
    assert tell_about(wrong, False) == 4
    assert capsys.readouterr().out.rstrip().splitlines()[-1].strip() == stopping(wrong)[0]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"driver": "470.82"}, "ubuntu-drivers"),
        ({"driver_trouble": "NVIDIA-SMI has failed", "cards": (), "driver": ""}, "modprobe"),
        ({"torch_cuda": "13.0", "driver": "550.1"}, "cu126"),
        ({"torch_sees": False}, "CUDA_VISIBLE_DEVICES"),
        ({"torch_trouble": "libcudart.so: no such file"}, "--force-reinstall"),
        ({"packages": {**GPU.packages, "torch": ""}, "torch_cuda": ""}, "torch>=2.10"),
        ({"packages": {**GPU.packages, "peft": "0.3.0"}}, "peft>=0.21"),
        ({"writable": False}, "cd"),
        ({"disk": GIB}, "du"),
    ],
)
def test_each_thing_amiss_has_its_one_command(change: dict[str, object], word: str) -> None:
    (command,) = stopping(replace(GPU, **change))  # type: ignore[arg-type]
    assert word in command


def test_offline_is_no_fault_and_a_mirror_that_answers_is_named() -> None:
    def told(*up: bool) -> list[str]:
        seen = replace(CPU, hubs=dict(zip(HUBS, up, strict=True)))
        return [lack.command for lack in lacks(seen) if (not lack.stops and "http" in lack.command)
                or "modelscope" in lack.command]  # fmt: skip

    assert told(False, False, False) == [] and told(True, False, False) == []
    assert told(False, True, True) == ["export HF_ENDPOINT=https://hf-mirror.com"]
    assert "modelscope download --model" in told(False, False, True)[0]
    assert lacks(replace(CPU, offline=True, hubs={})) == lacks(CPU)


def test_what_fits_is_what_the_memory_plan_says_and_grows_with_the_card() -> None:
    def fits(gib: int) -> list[Fits]:
        return can_train(replace(GPU, cards=(Card("x", 0, gib * GIB),)))

    def names(gib: int) -> list[str]:
        return [f.model for f in fits(gib) if f.train_type == "lora"]

    full = replace(GPU, cards=(Card("x", 80 * GIB, 0),))
    assert can_train(full) == []  # somebody else has all of it
    untold = replace(GPU, cards=(Card("x", 24 * GIB, None),))
    assert can_train(untold) == fits(24)
    assert names(1) == [] and names(8)[-1] == "Qwen2.5-3B" and names(24)[-1] == "Qwen2.5-7B"
    assert names(80)[-1] == "Qwen2.5-32B" and names(24) == names(80)[: len(names(24))]
    packed = {gib: [f.model for f in fits(gib) if f.train_type == "qlora"] for gib in (8, 24, 80)}
    assert packed == {8: ["Qwen2.5-7B"], 24: ["Qwen2.5-14B", "Qwen2.5-32B"], 80: ["Qwen2.5-72B"]}
    assert [f.train_type for f in can_train(CPU)] == ["lora"] * len(can_train(CPU))
    (seven,) = [f for f in can_train(GPU) if f.model == "Qwen2.5-7B"]
    assert 14.5 < seven.bytes / GIB < 18 and seven.longest > 30_000 and seven.dtype == "bfloat16"
    assert {f.dtype for f in can_train(replace(GPU, bf16=False))} == {"float16"}
    assert {f.dtype for f in can_train(CPU)} == {"float32"}


@pytest.mark.parametrize(("driver", "cuda"), [
    ("580.65.06", 13), ("570.1", 12), ("525.60.13", 12), ("470.82", 11), ("390", 10), ("?", None),
    ("", None),
])  # fmt: skip
def test_a_driver_tells_which_builds_it_runs(driver: str, cuda: int | None) -> None:
    assert driver_cuda(driver) == cuda


FAKES = {  # what nvidia-smi prints, its status, the cards and driver that are read
    "NVIDIA H100, 80GB, 81559, 80000, 550.54.15": (0, 1, "550.54.15"),
    "a, 1, 1, 1.0\nb, [N/A], [N/A], 1.0": (0, 2, "1.0"),
    "No devices were found": (0, 0, ""),
    "NVIDIA-SMI has failed because it couldn't communicate": (9, 0, ""),
    "": (0, 0, ""),
    "\ufffd\x1b[2J,,,": (0, 0, ""),
}


@pytest.mark.parametrize("said", FAKES)
def test_nvidia_smi_may_say_anything(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, cards, driver = FAKES[said]
    (tmp_path / "said").write_text(said)
    fake = tmp_path / "nvidia-smi"
    fake.write_text(f"#!/bin/sh\ncat {tmp_path}/said\nexit {status}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    found, version, trouble = looked._nvidia()
    if said.startswith("\ufffd"):  # four fields, if odd ones
        assert not trouble and len(found) == 1
        return
    assert (len(found), version) == (cards, driver) and bool(trouble) == (cards == 0)


def test_a_server_that_answers_anything_answers_and_a_silent_one_costs_little() -> None:
    class Refuses(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_error(403)

        def log_message(self, *args: object) -> None: ...

    server = HTTPServer(("127.0.0.1", 0), Refuses)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url, answers = f"http://127.0.0.1:{server.server_port}", dict[str, bool]()
    for asked in (url, "http://127.0.0.1:1", "hf-mirror.com", "http://[", "http://a b"):
        looked._reach(asked, answers)
    server.shutdown()
    assert [asked for asked, up in answers.items() if up] == [url] and len(answers) == 5


def test_the_endpoint_that_is_set_is_asked_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example/")
    assert looked._hubs_asked() == ["https://mirror.example", *HUBS]
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert looked._hubs_asked() == []


@pytest.mark.parametrize("spoken", ["en"], indirect=True)  # a process has no language of a test's
def test_the_command_line_tells_it_in_both_names_and_needs_no_home(tmp_path: Path) -> None:
    there = suretune("setup", "--json", cwd=tmp_path, HOME="/nonexistent/home", PATH="/nowhere")
    told = as_json(there)
    assert there.returncode == told["status"] == 0 and "Traceback" not in there.stderr
    assert told["hubs"] == {} and told["offline"] and told["packages"]["torch"]
    assert {"en", "zh"} == set(told["verdict"]) and json.dumps(told["can_train"])
    assert "doctor" not in within("--help").stdout
    assert within("doctor", "--lang", "zh").stdout.startswith("  系统")
