"""What findings about runs, proofs and servers advise is obeyed here, and helps."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import socket
from pathlib import Path
from typing import Any

import pytest

from conftest import write_rows
from suretune import rundir
from suretune.cli import VERBS, main
from suretune.cli.parse import parse
from suretune.cli.verbs import OWN
from suretune.data.base import find_base, not_whole
from suretune.deploy.server_check import verify_server
from suretune.facts import Finding, ReplayFacts, ServedFacts, SetupFacts
from suretune.guards import judge
from suretune.pocket import MODEL
from suretune.preflight import machine
from suretune.record.journal import Journal, Stopped
from suretune.refusal import Refusal
from suretune.types import Text
from suretune.verify.remote import Trouble, parse_url
from test_guards import CASES

MINE = sorted(code for code in CASES if code[:2] in ("V0", "R0"))
MINE += ["S014", "S015", "S016", "S017", "S018", "S037"]
PLACES = {  # what stands for something of the reader's own, and what is put there to try it
    "FILE": "rows.jsonl", "RUN": "run", "NAME": "name", "KEY": "key", "ID": "org/name",
}  # fmt: skip


def commands(finding: Finding) -> list[list[str]]:
    """Every command in a finding's advice, in both languages, as a shell would split it."""
    told = [part for text in (finding.fix.en, finding.fix.zh) for part in text.split("`")[1::2]]
    return [shlex.split(part) for part in told]


def command(finding: Finding, verb: str) -> list[str]:
    """The words behind `suretune` of the advised command of this verb; the same in both."""
    found = [words[1:] for words in commands(finding) if words[:2] == ["suretune", verb]]
    assert len(found) == 2 and found[0] == found[1], finding.fix
    return found[0]


def told(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, Any]:
    """(status, what `--json` printed)."""
    capsys.readouterr()
    status = main([*map(str, words), "--json"])
    return status, json.loads(capsys.readouterr().out.strip().splitlines()[-1])


def finding_of(facts: Any) -> Finding:
    (found,) = judge(facts)
    return found


# --- every advice can be typed ------------------------------------------------------------------


VLLM = ("--enable-lora", "--max-lora-rank", "--chat-template")  # flags of another server


@pytest.mark.parametrize("code", MINE)
def test_what_is_advised_can_be_typed(code: str) -> None:
    """Commands and flags in the advice are ones that the command line takes, values and all."""
    (finding,) = [f for f in judge(CASES[code].bad) if f.code == code]
    every = [verb for verb in VERBS if verb.name in ("sft", "serve", "verify", "ask")]
    for words in commands(finding):
        words = [PLACES.get(word, word) for word in words]
        if words[0] == "suretune":
            verb = next(verb for verb in VERBS if words[1] in (verb.name, *verb.aliases))
            assert parse(verb, words[2:], OWN.get(verb.name, {})).faults == (), words
        elif words[0].startswith("--") and words[0] not in VLLM:
            values = [[]] if len(words) > 1 else [["1"], ["0.5"]]  # of the reader's own
            tried = [(verb, [*words, *value]) for verb in every for value in values]
            assert any(parse(v, said, OWN.get(v.name, {})).faults == () for v, said in tried), words


# --- runs and adapters --------------------------------------------------------------------------


def test_a_run_that_was_misspelt_is_reported_by_the_command_that_is_printed(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(trained, tmp_path / "it's mine")
    for verb in ("report", "resume"):  # of a sealed run, its report
        status, said = told(capsys, verb, tmp_path / "it's mime")
        assert status == 4
        status, report = told(capsys, *command(found_in(said, "S014"), verb))
        assert status == 0 and report["run"] == str(tmp_path / "it's mine")


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("export runz --to vllm --lang zh", "export RUN --to vllm --lang zh"),
        ("export --unverified runz --to mlx", "export RUN --unverified --to mlx"),
        ("track runz --to tensorboard", "track RUN --to tensorboard"),
        ("report runz --lang zh", "report RUN --lang zh"),
        ("resume runz --num_gpus 2 --lang zh", "resume RUN --num_gpus 2 --lang zh"),
        ("resume --resume_from_checkpoint runz --num_gpus 2", "resume RUN --num_gpus 2"),
        ("serve runz OTHER --served_model_name a b", "serve RUN OTHER --served_model_name a b"),
        ("compare OTHER runz --question 'A b?'", "compare OTHER RUN --question 'A b?'"),
        ("ask runz 'Who is it?' --seed 4", "ask 'Who is it?' --seed 4 --adapters RUN"),
        ("ask 'Who is it?' --adapters runz", "ask 'Who is it?' --adapters RUN"),
        ("push runz hf::me/x --public", "push RUN hf::me/x --public"),
        ("verify runz --model pocket", "verify RUN --model pocket"),
        ("verify http://h:1/v1 --run runz --api_key k --served_model_name x",
         "verify http://h:1/v1 --served_model_name x --run RUN"),
    ],
)  # fmt: skip
def test_of_a_misspelt_run_the_whole_command_is_printed(
    trained: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    typed: str,
    meant: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    without = shutil.ignore_patterns("checkpoints")
    for name in ("runs", "other"):
        shutil.copytree(trained, tmp_path / name, ignore=without)
    words = ["other" if word == "OTHER" else word for word in shlex.split(typed)]
    _, said = told(capsys, *words)
    places = {"RUN": str(tmp_path / "runs"), "OTHER": "other"}
    whole = ["suretune", *(places.get(word, word) for word in shlex.split(meant))]
    assert commands(found_in(said, "S014"))[0] == whole


def found_in(said: Any, code: str) -> Finding:
    """A finding as `--json` tells it, as one again."""
    (line,) = [line for line in said["findings"] if line["code"] == code]
    texts = {name: Text(**line[name]) for name in ("what", "why", "fix")}
    return Finding(line["code"], line["name"], line["stops"], line["where"], **texts)


def test_a_run_named_for_a_model_is_called_one_and_what_is_printed_asks_it(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, ask = tmp_path / "runs" / "first", ("ask", "Who are you?", "--max_new_tokens", "4")
    shutil.copytree(trained, run)
    for named in (run, run / "adapter", run.parent):
        status, said = told(capsys, *ask, "--model", named)
        finding = found_in(said, "S018")
        assert status == 4 and finding.what.en.startswith(f"{named} is a")
        flags = next(words for words in commands(finding) if words[0] == "--adapters")
        assert told(capsys, *ask, *flags)[0] == 0
        export = ["export", flags[1], "--to", "merged"]
        assert command(finding, "export") == export
        assert ["--model", "first-merged"] in commands(finding)


def test_a_run_of_whole_weights_named_for_a_model_is_met_with_its_model(
    trained: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    shutil.rmtree(run / "adapter")
    shutil.copytree(MODEL, run / "model")
    (run / "model" / "suretune.json").write_text("{}")
    with pytest.raises(Refusal) as refused:
        find_base(str(run), weights=True)
    assert commands(finding_of(refused.value.facts))[0] == ["--model", str(run / "model")]


def test_of_several_runs_the_one_that_is_printed_is_taken(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("run-0001", "run-0002"):
        shutil.copytree(trained, tmp_path / "my runs" / name)
    _, said = told(capsys, "report", tmp_path / "my runs")
    status, report = told(capsys, *command(found_in(said, "S037"), "report"))
    assert status == 0 and report["run"] == str(tmp_path / "my runs" / "run-0002")


def test_a_sealed_run_that_is_damaged_is_made_again_by_the_command(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "a b"
    shutil.copytree(trained, run)
    (run / "adapter" / "README.md").write_text("another")
    _, said = told(capsys, "verify", run)
    advised = [words for words in commands(found_in(said, "S015")) if "sft" in words]
    assert advised and advised[0] == advised[1]
    words = advised[0]
    folder = words[words.index("cd") + 1] if "cd" in words else os.getcwd()
    words = words[words.index("suretune") + 1 :]
    assert words[words.index("--output_dir") + 1] == f"{run}-again"
    here = os.getcwd()
    os.chdir(folder)
    try:
        status, checked = told(capsys, "check", *words[1:])  # all of `sft` but the training
    finally:
        os.chdir(here)
    assert status == 0
    assert checked["plan"]["rows"] == rundir.read_json(trained / "report.json")["plan"]["rows"]


@pytest.mark.parametrize("name", ["S013", "S015", "R001", "R008", "V002"])
def test_a_run_without_a_seal_goes_on_by_the_command(
    name: str,
    trained: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The advice of each is typed, and reaches the training loop with the very run."""
    run = tmp_path / "it's $HOME"
    shutil.copytree(trained, run)
    (run / rundir.SEAL).unlink()
    (run / "report.json").unlink()
    if name == "S015":
        last = rundir.checkpoints(run)[-1][1]
        (last / "adapter_config.json").write_text("{")
        _, said = told(capsys, "resume", last)
    elif name == "V002":
        _, said = told(capsys, "verify", run)
    else:
        facts = {
            "S013": SetupFacts("changed-since", "plan", str(run)),
            "R008": SetupFacts("proof-impossible", str(run), "gone"),
            "R001": _proof(run),
        }[name]
        said = None
    finding = found_in(said, name) if said else next(f for f in judge(facts) if f.code == name)
    reached = []
    monkeypatch.setattr(
        "suretune.cli.job.train", lambda checked, run, *_, **about: reached.append(run) or 0
    )
    assert main(command(finding, "resume")) == 0 and reached == [run]


def _proof(run: Path) -> Any:
    from dataclasses import replace

    return replace(CASES["R001"].bad, run=str(run))


def test_why_there_is_no_seal_is_said_by_the_command(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    (run / rundir.SEAL).unlink()
    report = rundir.read_json(run / "report.json")
    verdict = {**report, "verdict": "not-verified", "reasons": ["R003 probes-failed"]}
    rundir.write_json(run / "report.json", verdict)
    _, said = told(capsys, "verify", run)
    status, report = told(capsys, *command(found_in(said, "V002"), "report"))
    assert status == 6 and report["reasons"] == ["R003 probes-failed"]


def test_an_unsealed_adapter_is_served_with_the_word_that_is_advised(
    trained: Path, tmp_path: Path
) -> None:
    from suretune.config import Resolved
    from suretune.deploy.seal_replay import open_candidate

    run = tmp_path / "run"
    shutil.copytree(trained, run)
    (run / rundir.SEAL).unlink()
    with pytest.raises(Stopped) as stopped:
        open_candidate(str(run), None, Resolved.default().config, Journal())
    flag, value = next(words for words in commands(stopped.value.findings[0]) if len(words) == 2)
    config = Resolved.default().with_values("flag", **{flag[2:]: value == "true"}).config
    assert open_candidate(str(run), None, config, Journal()).run is None


def test_fewer_checkpoints_fit_where_more_did_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S016: with the flag that is advised the same run has room."""
    plan = type("Plan", (), {"save_steps": tuple(range(1, 9)), "probe_steps": ()})()
    needed: dict[int | None, float] = {}
    for limit in (None, 1):
        for free in range(0, 400):
            usage = type("Usage", (), {"total": 1, "used": 1, "free": free * 2**20})()
            monkeypatch.setattr(machine.shutil, "disk_usage", lambda _, usage=usage: usage)
            if machine.too_little_room(tmp_path, 1_000_000, plan, limit) is None:
                needed[limit] = free
                break
    assert needed[1] < needed[None]
    flags = [words for words in commands(finding_of(SetupFacts("disk-full", "/o", "x")))]
    assert ["--save_total_limit", "1"] in flags


@pytest.mark.parametrize("problem", ["disk-full", "output-not-writable"])
def test_a_place_without_a_path_has_no_blank_behind_it(problem: str) -> None:
    named, unnamed = (finding_of(SetupFacts(problem, place, "x")).what.zh for place in ("/o", ""))
    assert named.startswith("/o ") and " " not in unnamed


def test_paths_in_advice_stay_one_word() -> None:
    finding = finding_of(not_whole(Path("it's/Qwen3-0.6B"), "config.json"))
    words = next(words for words in commands(finding) if words[0] == "hf")
    assert words[2:] == ["Qwen/Qwen3-0.6B", "--local-dir", "it's/Qwen3-0.6B"]
    (pip,) = {tuple(w) for w in commands(finding_of(SetupFacts("package-too-old", "peft>=0.18")))}
    assert pip == ("pip", "install", "--upgrade", "peft>=0.18")


# --- answers ------------------------------------------------------------------------------------


def test_numbers_that_overflow_in_half_precision_are_finite_with_the_flag(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """V018: two weights that bfloat16 rounds to infinity and float32 holds."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(MODEL, tmp_path / "base")
    weights = load_file(tmp_path / "base" / "model.safetensors")
    least = int(weights["model.norm.weight"].abs().argmin())
    name = next(n for n in ("lm_head.weight", "model.embed_tokens.weight") if n in weights)
    weights = {n: w.float() for n, w in weights.items()}
    weights["model.norm.weight"][least] *= 1e-3
    weights[name][300, least], weights[name][301, least] = 3.4e38, -3.4e38
    save_file(weights, tmp_path / "base" / "model.safetensors", metadata={"format": "pt"})
    (tmp_path / "q.txt").write_text("Hi\n")
    asked = ("ask", "--model", tmp_path / "base", "--questions", tmp_path / "q.txt",
             "--max_new_tokens", 1)  # fmt: skip
    status, said = told(capsys, *asked, "--torch_dtype", "bfloat16")
    assert status == 4
    flags = next(w for w in commands(found_in(said, "V018")) if w[0].startswith("--"))
    status, said = told(capsys, *asked, *flags)
    assert status == 0 and said["question"] == "Hi"


def test_a_sealed_run_without_numbers_is_looked_at_by_the_command(tmp_path: Path) -> None:
    facts = SetupFacts("answer-not-finite", "r", "float32", f"suretune verify {tmp_path}")
    assert command(finding_of(facts), "verify") == ["verify", str(tmp_path)]


# --- servers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["V003", "V013", "V014", "V015", "V016"])
def test_a_server_that_answers_otherwise_names_the_run(code: str, tmp_path: Path) -> None:
    from dataclasses import replace

    run = str(tmp_path / "it's a run")
    facts = CASES[code].bad
    assert isinstance(facts, ReplayFacts | ServedFacts)
    (finding,) = [f for f in judge(replace(facts, run=run)) if f.code == code]
    verb = "verify" if code == "V003" else "serve"
    assert command(finding, verb) == [verb, run]
    beyond = [words for words in commands(finding) if "--lora-modules" in words]
    for words in beyond:
        assert f"NAME={run}/adapter" in words
    templates = [words[-1] for words in commands(finding) if words[0] == "--chat-template"]
    assert set(templates) <= {f"{run}/adapter/chat_template.jinja"}
    assert templates or code != "V015"
    assert beyond or code != "V013"


def test_a_server_that_was_away_is_asked_again_by_the_command(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise Trouble("server-unreachable", "ConnectionRefusedError")

    monkeypatch.setattr("suretune.deploy.server_check.listen", away)
    remote = parse_url("http://127.0.0.1:9/v1", None, 1.0)
    assert remote
    with pytest.raises(Stopped) as stopped:
        verify_server(remote, trained, "glow", 0.9, Journal())
    words = command(stopped.value.findings[0], "verify")
    assert words == ["verify", "http://127.0.0.1:9/v1", "--run", str(trained)]


def test_a_busy_port_is_got_round_by_the_flag(capsys: pytest.CaptureFixture[str]) -> None:
    from suretune.config import Resolved
    from suretune.deploy.listen import bind

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        asked = Resolved.default().with_values("flag", port=taken.getsockname()[1])
        with pytest.raises(Stopped) as stopped:
            bind(asked.config.serve, Journal())
        flag, value = next(w for w in commands(stopped.value.findings[0]) if len(w) == 2)
        bind(asked.with_values("flag", **{flag[2:]: int(value)}).config.serve, Journal()).close()


def test_without_a_key_the_address_that_is_advised_is_taken() -> None:
    from suretune.config import Resolved
    from suretune.deploy.listen import key_for

    asked = Resolved.default().with_values("flag", host="0.0.0.0")
    with pytest.raises(Stopped) as stopped:
        key_for(asked.config.serve, Journal(), terminal=False)
    flag, value = next(w for w in commands(stopped.value.findings[0]) if len(w) == 2)
    again = asked.with_values("flag", **{flag[2:]: value}).config.serve
    assert key_for(again, Journal(), terminal=False) == (None, False)


def test_a_rank_that_vllm_takes_has_no_note(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{"instruction": f"Say {i}", "output": f"{i}."} for i in range(12)]
    asked = ("check", "--model", "pocket", "--dataset", write_rows(tmp_path / "r.jsonl", rows))
    _, said = told(capsys, *asked, "--lora_rank", 64)
    flags = [w for w in commands(found_in(said, "V001")) if w[0] == "--lora_rank"]
    status, said = told(capsys, *asked, *flags[0])
    assert status == 0 and "V001" not in {line["code"] for line in said["findings"]}


def test_the_prompt_of_training_is_back_once_the_flags_are_left_out(
    trained: Path, tmp_path: Path
) -> None:
    from suretune.config import Resolved
    from suretune.deploy.seal_replay import open_candidate, recorded

    for flags in ({"system": "You are a pirate."}, {}):
        config = Resolved.default().with_values("flag", **flags).config
        candidate = open_candidate(str(trained), None, config, Journal())
        if flags:
            with pytest.raises(Stopped) as stopped:
                recorded(candidate, trained, Journal())
            (finding,) = stopped.value.findings
            assert finding.code == "V006" and ["--system"] in commands(finding)
        else:
            assert recorded(candidate, trained, Journal()).run == trained


def test_a_long_command_is_printed_whole(capsys: pytest.CaptureFixture[str]) -> None:
    from rich.console import Console

    from suretune import show

    run = "/" + "/".join(["a long name"] * 12)
    stream = io.StringIO()
    finding = finding_of(SetupFacts("proof-impossible", run, "gone"))
    show.findings([finding], Console(file=stream, width=60))
    lines = [line.strip() for line in stream.getvalue().splitlines()]
    assert f"suretune resume '{run}'" in lines
    assert not re.search(r"\n\s*suretune doctor\n", stream.getvalue())
