"""A target that is here and does not answer is told as what it is, and costs nobody the export; and
no more is claimed of one that answers than was shown.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from conftest import as_json, codes, within
from suretune import rundir
from suretune.deploy.export import GREETED, GREETED_UNPROVEN, Wanted, export, sentences
from suretune.export import apart
from suretune.export.apart import Program, ask_apart
from suretune.export.door import (
    BROKEN,
    MEMORY,
    OTHER,
    READ,
    RULES,
    SLOW,
    Asked,
    Carried,
    Conversations,
    Heard,
    NotAsked,
    Written,
)
from suretune.facts import ExportFacts, SetupFacts
from suretune.options import Config
from suretune.pocket import MODEL
from suretune.record.journal import Journal, Stopped
from suretune.record.meant import Meant
from suretune.refusal import Refusal
from suretune.words import say
from test_export import adapter_of, base_of, carried_of, wanted

# A target's module is imported with its whole room, and torch: seconds that are no part of how a
# program ends. These have the room's folder without what its other files import.
START = (
    "import os, sys, time, signal, types\n"
    "room = sys.modules['suretune.export'] = types.ModuleType('suretune.export')\n"
    f"room.__path__ = [{str(Path(apart.__file__).parent)!r}]\n"
    "from suretune.export import apart\nasked = apart.asked()\n"
)
PROGRAMS = {
    "killed": "os.kill(os.getpid(), signal.SIGKILL)",
    "aborted": "print('GGML_ASSERT(n > 0) failed', file=sys.stderr, flush=True); os.abort()",
    "hangs": "time.sleep(600)",
    "broken": "import a_package_that_is_not_there",
    "old": "from os import a_name_that_is_not_there",
    "full": "raise MemoryError('0.53 GiB')",
    "no-room": "sys.exit('ggml_backend_cpu_buffer_type_alloc_buffer: failed to allocate buffer')",
    "late": "apart.tell_read(); sys.exit(3)",
    "mute": "pass",
    "refuses": "sys.exit('error loading model: tensor blk.0 has the wrong shape')",
    "answers": "apart.tell_read(); apart.tell({'n': asked['n'] + 1}); os._exit(7)",
}


def program(tmp: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> Program:
    """A program that ends so, as a module of its own."""
    import re

    (tmp / "target_of_test.py").write_text(START + PROGRAMS[name], encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp), *sys.path]))
    return Program("Some", "target_of_test", refuses=re.compile("error loading model"))


def silent(program: Program, seconds: float = 60.0) -> NotAsked:
    with pytest.raises(NotAsked) as told:
        ask_apart("t", program, {"n": 1}, questions=1, seconds=seconds)
    return told.value


@pytest.mark.parametrize(("name", "trouble", "how", "said"), [
    ("killed", MEMORY, "SIGKILL", ""),
    ("aborted", OTHER, "SIGABRT", "GGML_ASSERT(n > 0) failed"),
    ("broken", BROKEN, "exit status 1", "a_package_that_is_not_there"),
    ("old", BROKEN, "exit status 1", "a_name_that_is_not_there"),
    ("full", MEMORY, "exit status 1", "MemoryError"),
    ("no-room", MEMORY, "exit status 1", "failed to allocate buffer"),
    ("late", OTHER, "exit status 3", ""),
    ("mute", OTHER, "exit status 0", ""),
])  # fmt: skip
def test_how_a_program_ended_is_told_with_its_own_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, trouble: str, how: str, said: str
) -> None:
    told = silent(program(tmp_path, name, monkeypatch))
    assert (told.trouble, told.read) == (trouble, name == "late")
    assert how in told.how.en and how.split()[-1] in told.how.zh and said in told.said


def test_a_program_that_hangs_is_ended_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(
        PROGRAMS, "hangs",
        "import subprocess\nchild = subprocess.Popen(['sleep', '600'])\n"
        f"open({str(tmp_path / 'pid')!r}, 'w').write(str(child.pid))\ntime.sleep(600)",
    )  # fmt: skip
    begun = time.monotonic()
    told = silent(program(tmp_path, "hangs", monkeypatch), seconds=4.0)
    assert time.monotonic() - begun < 30 and (told.trouble, told.limit) == (SLOW, 4.0)
    child = int((tmp_path / "pid").read_text())
    for _ in range(100):
        if not Path(f"/proc/{child}").exists() or "Z" in _state(child):
            return
        time.sleep(0.05)
    pytest.fail("what it started runs on")


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_a_program_ends_when_the_one_that_asked_was_killed(tmp_path: Path) -> None:
    (tmp_path / "hangs.py").write_text(
        START + f"open({str(tmp_path / 'pid')!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)"
    )
    asks = (
        START.partition("asked =")[0] + "from suretune.export.apart import *\n"
        "ask_apart('t', Program('Some', 'hangs'), {}, questions=1, seconds=600.0)"
    )
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    parent = subprocess.Popen([sys.executable, "-c", asks], env=env)
    for _ in range(600):
        if (tmp_path / "pid").is_file() and (tmp_path / "pid").read_text():
            break
        time.sleep(0.05)
    child = int((tmp_path / "pid").read_text())
    parent.kill()
    parent.wait()
    for _ in range(200):
        if not Path(f"/proc/{child}").exists() or _state(child) == "Z":
            return
        time.sleep(0.05)
    pytest.fail("it waits for nobody")


def test_what_was_told_counts_however_the_program_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = program(tmp_path, "answers", monkeypatch)
    assert ask_apart("t", asked, {"n": 1}, questions=1, seconds=60.0) == {"n": 2}


def test_only_a_loader_that_does_not_take_the_files_shows_them_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Refusal) as told:
        asked = program(tmp_path, "refuses", monkeypatch)
        ask_apart("t", asked, {"n": 1}, questions=1, seconds=60.0)
    facts = told.value.facts
    assert isinstance(facts, ExportFacts) and facts.problem == "export-unlike"
    assert "wrong shape" in facts.found


# --- the export is kept ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Mute:
    """A target whose program ends so."""

    program: Program
    seconds: float = 60.0
    name: str = "gguf"
    quants: Sequence[str] = ()

    def lacks(self, quant: str) -> str:
        return ""

    def why_not(self, carried: Carried, quant: str) -> SetupFacts | None:
        return None

    def write(self, carried: Carried, quant: str, folder: Path) -> Written:
        (folder / "a").write_text("b")
        return Written()

    def asks(self, carried: Carried, folder: Path) -> Asked | None:
        def ask(conversations: Conversations, tokens: int) -> Heard:
            request = {"n": 1}
            told = ask_apart("gguf", self.program, request, questions=1, seconds=self.seconds)
            return Heard(told["answers"])

        return ask

    def commands(self, carried: Carried, folder: Path) -> Sequence[str]:
        return ["run it"]


@pytest.mark.parametrize(("name", "level", "advice"), [
    ("hangs", RULES, "--time_limit 16"),
    ("killed", RULES, "more memory"),
    ("broken", RULES, "pip install"),
    ("late", READ, "printed below"),
])  # fmt: skip
def test_the_finished_export_of_a_target_that_does_not_answer_is_kept_with_what_was_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, level: str, advice: str
) -> None:
    adapter = adapter_of(tmp_path, MODEL, target_modules=["q_proj"])
    target = Mute(program(tmp_path, name, monkeypatch), 4.0 if name == "hangs" else 60.0)
    journal, out = Journal(), tmp_path / "out"
    again = "suretune export A --to gguf --out out-2"
    told, status = export(
        Wanted(Meant(None, adapter), target, out, "", True, again), Config(), journal
    )
    assert (status, told["proof"]["level"], told["proof"]["asked"]) == (0, level, 0)
    assert (out / "a").read_text() == "b"
    kept = rundir.read_json(out / "export.json")["proof"]
    assert kept["level"] == level and kept["silent"]["program"] == "Some"
    assert [finding.code for finding in journal.findings] == ["E007"]
    fix = say(journal.findings[0].fix)
    assert advice in fix and f"`{again} --unverified" in fix


def test_a_loader_that_does_not_take_the_files_leaves_none_and_names_what_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    adapter = adapter_of(tmp_path, MODEL, target_modules=["q_proj"])
    target = Mute(program(tmp_path, "refuses", monkeypatch))
    asked = Wanted(Meant(None, adapter), target, tmp_path / "out", "", True, "again")
    with pytest.raises(Stopped) as stopped:
        export(asked, Config(), Journal())
    finding = stopped.value.findings[0]
    assert finding.code == "E002" and not (tmp_path / "out").exists()
    assert f"suretune export {adapter} --to merged --unverified" in say(finding.fix)


def test_a_greeting_is_no_probe(tmp_path: Path) -> None:
    """An adapter of no run: the target answers, and has read the files. No more was shown."""
    adapter = adapter_of(tmp_path, MODEL, target_modules=["q_proj"])
    asked = replace(wanted(tmp_path, tmp_path / "out", Heard(["Hi."])), unverified=True)
    asked = replace(asked, found=Meant(None, adapter))
    told, status = export(asked, Config(), Journal())
    assert (status, told["proof"]["level"], told["proof"]["greeted"]) == (0, READ, True)
    assert GREETED_UNPROVEN in sentences(told) and GREETED not in sentences(told)
    assert GREETED in sentences({**told, "run": "first"})


@pytest.mark.parametrize("given", ["soon", "0", "-3", "inf", "nan"])
def test_a_time_that_is_none_is_told(tmp_path: Path, given: str) -> None:
    words = ("--to", "merged", "--out", tmp_path / "o", "--unverified", f"--time_limit={given}")
    done = within("export", tmp_path, *words, "--json")
    assert done.returncode == 2 and codes(done) == ["C002"]
    assert "--time_limit" in done.stdout


# --- transformers itself --------------------------------------------------------------------------


def test_merged_ends_its_answers_where_plain_transformers_does(tmp_path: Path, forks: None) -> None:
    """A base whose files name one end and whose template has another: what is written names both,
    and without them the answer goes on, which is heard."""
    from suretune.export import TARGETS

    base = base_of(tmp_path, "qwen2")
    rundir.write_json(base / "generation_config.json", {"eos_token_id": 4095})
    carried = carried_of(base, adapter_of(tmp_path, base))
    assert carried.tokenizer.stop_ids > {4095}
    out = tmp_path / "out"
    out.mkdir()
    TARGETS["merged"].write(carried, "", out)
    told: Any = rundir.read_json(out / "generation_config.json")["eos_token_id"]
    assert set(told) == carried.tokenizer.stop_ids
    ask = TARGETS["merged"].asks(carried, out)
    assert ask is not None
    from suretune.types import Message

    talk = [(Message("user", "Who are you?"),)]
    whole = ask(talk, 12)
    first = carried.tokenizer.encode(whole.answers[0])[:1]
    assert first, "the answer is empty: take another seed"
    rundir.write_json(out / "generation_config.json", {"eos_token_id": first})
    assert ask(talk, 12).answers == [""]


def test_a_merged_folder_that_lacks_a_tensor_is_not_what_was_proven(
    tmp_path: Path, forks: None
) -> None:
    from safetensors.torch import load_file, save_file

    from suretune.export import TARGETS
    from suretune.types import Message

    carried = carried_of(MODEL, adapter_of(tmp_path, MODEL, target_modules=["q_proj"]))
    out = tmp_path / "out"
    out.mkdir()
    TARGETS["merged"].write(carried, "", out)
    tensors = load_file(out / "model.safetensors")
    name = sorted(tensors)[3]
    del tensors[name]
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    ask = TARGETS["merged"].asks(carried, out)
    assert ask is not None
    with pytest.raises(Refusal) as told:
        ask([(Message("user", "Hi"),)], 2)
    assert isinstance(told.value.facts, ExportFacts) and name in told.value.facts.found


def test_where_float32_has_no_room_the_files_own_type_is_taken_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("suretune.export.plain.free_memory", lambda device: 1e6)
    adapter = adapter_of(tmp_path, MODEL, target_modules=["q_proj"])
    words = ("--to", "merged", "--out", tmp_path / "m", "--unverified", "--json")
    told = as_json(within("export", adapter, *words))
    assert told["proof"]["arithmetic"] == "bfloat16" and told["proof"]["level"] == READ
    assert told["proof"]["bound"] is None and told["proof"]["gap"] > 0


# --- memory ---------------------------------------------------------------------------------------

PEAK = """
import re, sys
from pathlib import Path
import torch
from suretune.deploy.export_proof import adapter_logits
from test_export import carried_of
kind, base, adapter = sys.argv[1:]
carried = carried_of(Path(base), Path(adapter))
prompts = [[5, 9, 300, 17], [5, 9]]
if kind == "whole":
    import suretune.deploy.export_proof as proof
    proof.streamed = lambda base, device: None
Path("/proc/self/clear_refs").write_text("5")
def peak():
    told = Path("/proc/self/status").read_text()
    return [int(re.search(rf"{name}:\\s+(\\d+)", told)[1]) for name in ("VmHWM", "RssAnon")]
before = peak()
rows = adapter_logits(carried, prompts)
torch.save(rows, f"{adapter}/{kind}.pt")
print((peak()[0] - before[0]) / 1024)
"""


@pytest.mark.parametrize("tied", [False, True])
def test_what_an_export_is_compared_with_takes_the_memory_of_its_largest_weight(
    tmp_path: Path, tied: bool
) -> None:
    """The same scores to the last bit, with the weights in their files."""
    import torch

    base = base_of(
        tmp_path, "qwen2", tie_word_embeddings=tied, num_hidden_layers=24, hidden_size=768,
        intermediate_size=3072, num_attention_heads=12, num_key_value_heads=4,
    )  # fmt: skip
    adapter = adapter_of(tmp_path, base)
    size = (base / "model.safetensors").stat().st_size / 2**20
    peaks = {}
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for kind in ("whole", "streamed"):
        words = [sys.executable, "-c", PEAK, kind, str(base), str(adapter)]
        done = subprocess.run(words, capture_output=True, text=True, check=True, env=env)
        peaks[kind] = float(done.stdout.splitlines()[-1])
    whole, mine = (torch.load(adapter / f"{kind}.pt") for kind in ("whole", "streamed"))
    assert torch.equal(whole, mine)
    assert peaks["whole"] > 0.8 * size, peaks
    assert peaks["streamed"] < 0.3 * size, peaks
