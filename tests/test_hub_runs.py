"""Datasets of hubs from their names to a plan and a run, against a hub on this machine."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from conftest import AS_STARTED, PLAIN, WARM, start_forks
from hub.server import FakeHub, Repository, commit_of, running
from suretune import pocket, rundir
from suretune.cli import main
from suretune.config import Resolved
from suretune.data.base import find_base
from suretune.deploy.card import to_give
from suretune.hubs import fetch as fetching
from suretune.hubs.door import Repo
from suretune.preflight.check import check
from suretune.record.journal import Journal, Stopped
from suretune.refusal import Refusal
from suretune.run.folder import begin
from suretune.run.resume import reopen

ZH, EN = "AI-ModelScope/alpaca-gpt4-data-zh", "AI-ModelScope/alpaca-gpt4-data-en"


def csv(rows: int, word: str) -> bytes:
    lines = [f"{word} number {n}?,,It is {n} and nothing else." for n in range(rows)]
    return ("instruction,input,output\n" + "\n".join(lines) + "\n").encode()


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    for name in (*os.environ,):
        if name.startswith(("HF_", "HUGGING", "USE_", "MODELSCOPE")) or "proxy" in name.lower():
            monkeypatch.delenv(name)
    monkeypatch.setattr("suretune.hubs.wire.time.sleep", lambda _: None)
    monkeypatch.chdir(tmp_path)
    with running() as server:
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", server.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "ms"))
        about = {"README.md": b"# rows", "dataset_infos.json": b"{}"}
        server.repos["dataset", ZH] = Repository({**about, "train.csv": csv(60, "What is")})
        server.repos["dataset", EN] = Repository({**about, "train.csv": csv(60, "Name")})
        yield server


@pytest.fixture
def forked_proofs(hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who proves reads the base from the folder where it lies, and asks no hub: its process is a
    fork, which has the environment that the tests were started in."""
    import suretune.run.compose  # noqa: F401  # of which the proof is a part

    env = {**AS_STARTED, **PLAIN}
    WARM.start(env)
    start_forks(monkeypatch, env)


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Any:
    def call(*words: object) -> tuple[int, dict[str, Any]]:
        status = main([*map(str, words), "--json"])
        return status, json.loads(capsys.readouterr().out)

    return call


def codes(told: dict[str, Any]) -> list[str]:
    return [finding["code"] for finding in told["findings"]]


def test_an_articles_datasets_are_read_by_their_names(hub: FakeHub, say: Any) -> None:
    status, told = say("check", "--model", "pocket", "--dataset", f"{ZH}#20", f"{EN}#10")
    assert status == 0, told
    datasets = {
        d["name"]: (d["read"], d["train"] + d["held_out"]) for d in told["data"]["datasets"]
    }
    assert datasets == {ZH: (60, 20), EN: (60, 10)}
    notes = [f["what"]["en"] for f in told["findings"] if f["code"] == "D044"]
    assert len(notes) == 2 and "train.csv" in notes[0]
    assert commit_of(hub.repos["dataset", ZH].files)[:12] in notes[0]
    assert all(Path(file).is_file() for file in told["data"]["files"])


def test_a_run_keeps_the_commit_and_goes_on_with_the_same_rows(
    hub: FakeHub, say: Any, forked_proofs: None
) -> None:
    asked = ("--model", "pocket", "--dataset", f"{ZH}#20", "--output_dir", "run", "--max_steps", 2,
             "--until_proven", "false", "--general_questions", 1, "--save_steps", 1,
             "--anchor_ratio", 0)  # fmt: skip
    say("sft", *asked)
    commit = commit_of(hub.repos["dataset", ZH].files)
    ledger = Path("run/ledger.jsonl").read_text("utf-8")
    assert f"ms::{ZH}@{commit}/train.csv" in ledger
    assert f"@{commit}#20" in Path("run/config.yaml").read_text("utf-8")
    (one,) = json.loads(Path("run/run.json").read_text("utf-8"))["fetched"]
    assert one["commit"] == commit and len(one["files"]["train.csv"]) == 64
    hub.repos["dataset", ZH].files["train.csv"] = csv(60, "Other rows")
    hub.seen.clear()
    checked = reopen(Path("run"), Journal())
    assert not hub.fetched() and checked.plan.digest in Path("run/plan.json").read_text("utf-8")


SHORT = ("--max_steps", 2, "--until_proven", "false", "--general_questions", 1, "--save_steps", 1,
         "--anchor_ratio", 0)  # fmt: skip


def small_model(hub: FakeHub, name: str = "me/small") -> Repository:
    """The bundled model on a hub."""
    files = {p.name: p.read_bytes() for p in pocket.MODEL.iterdir() if p.is_file()}
    hub.repos["model", name] = Repository(files)
    return hub.repos["model", name]


def goes_on(run: Path) -> Any:
    """What a resume finds before it loads anything."""
    return reopen(run, Journal())


@pytest.mark.parametrize("prefix", ["hf", "ms"])
def test_a_run_keeps_the_commit_of_its_model_and_goes_on_with_the_same_weights(
    prefix: str,
    hub: FakeHub,
    say: Any,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    if prefix == "ms":  # of the long form it is a new Python, in the environment of the hub
        request.getfixturevalue("forked_proofs")
    there = small_model(hub)
    commit = commit_of(there.files)
    status, told = say("sft", "--model", "me/small", "--hub", prefix, "--dataset", f"{ZH}#20",
                       "--output_dir", "run", *SHORT)  # fmt: skip
    assert status in (0, 6, 8), told
    [note] = [f for f in told["findings"] if f["code"] == "D044" and "me/small" in f["where"]]
    assert commit[:12] in note["what"]["en"]
    pin = f"{prefix}::me/small@{commit}"
    assert f'model: "{pin}"' in Path("run/config.yaml").read_text("utf-8")
    about = json.loads(Path("run/run.json").read_text("utf-8"))
    assert about["base"]["name"] == pin
    [model] = [one for one in about["fetched"] if one["kind"] == "model"]
    assert (model["commit"], model["typed"]) == (commit, f"{prefix}::me/small")
    weights = hashlib.sha256(there.files["model.safetensors"]).hexdigest()
    assert model["files"]["model.safetensors"] == weights
    config = json.loads(Path("run/adapter/adapter_config.json").read_text("utf-8"))
    assert config["base_model_name_or_path"] == "me/small"
    assert config["revision"] == (commit if prefix == "hf" else None)
    # The branch moves on, the hub of bare names is another one, and nobody is to be asked.
    there.files["config.json"] = b"{}"
    monkeypatch.setenv("USE_MODELSCOPE_HUB" if prefix == "hf" else "USE_HF", "1")
    hub.seen.clear()
    for offline in ("0", "1"):
        monkeypatch.setenv("HF_HUB_OFFLINE", offline)
        checked = goes_on(Path("run"))
        assert checked.base.fetched.snapshot.commit == commit and not hub.seen
    if prefix == "hf":
        shutil.rmtree("run/checkpoints")
        ended, again = say("resume", "run")
        assert ended == status and not hub.seen, again
        now = json.loads(Path("run/adapter/adapter_config.json").read_text("utf-8"))
        assert now == config


def test_what_was_altered_in_the_cache_is_no_row_of_a_run(
    hub: FakeHub, say: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S053, for rows and for weights, whoever fetched them; with a network it is mended."""
    there = small_model(hub)
    for prefix in ("hf", "ms"):
        names = (f"{prefix}::me/small", f"{prefix}::{ZH}")
        asked = ("check", "--model", names[0], "--dataset", f"{names[1]}#20")
        status, told = say("pull", names[0], "--dataset", names[1])
        assert status == 0, told
        for one, file in zip(told["fetched"], ("model.safetensors", "train.csv"), strict=True):
            path = Path(one["folder"], file).resolve()
            right = path.read_bytes()
            path.write_bytes(bytes(reversed(right)))
            monkeypatch.setenv("HF_HUB_OFFLINE", "1")
            hub.seen.clear()
            if file == "train.csv":
                status, found = say(*asked)
                assert (status, codes(found)) == (4, ["S053"]), found
                assert file in found["findings"][0]["what"]["en"]
                [command] = re.findall(r"`([^`]+)`", found["findings"][0]["fix"]["en"])
                words = shlex.split(command)
                assert words[:6] == ["env", "-u", "HF_HUB_OFFLINE", "-u", "MODELSCOPE_OFFLINE",
                                     "suretune"]  # fmt: skip
                pull = words[6:]
            else:
                with pytest.raises(Refusal, match="cache-altered"):
                    find_base(names[0], weights=True)
                pull = ["pull", names[0]]
            assert not hub.seen
            monkeypatch.delenv("HF_HUB_OFFLINE")
            assert say(*pull)[0] == 0 and path.read_bytes() == right
            monkeypatch.setenv("HF_HUB_OFFLINE", "1")
            assert say(*asked)[0] == 0
            monkeypatch.delenv("HF_HUB_OFFLINE")
    assert there.files


def begin_run(dataset: str) -> None:
    """A run folder as it is before the first update."""
    asked = Resolved.default().with_values("flag", model="pocket", dataset=(dataset,))
    begin(rundir.new_run("run"), check(asked, Journal()))


def test_a_run_records_what_it_read_offline_and_a_resume_is_held_to_it(
    hub: FakeHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ModelScope's older client kept no hashes: what they were is known from the run alone."""
    old = Path("ms/hub/datasets") / ZH
    old.mkdir(parents=True)
    rows = csv(60, "What is")
    (old / "train.csv").write_bytes(rows)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    begin_run(f"ms::{ZH}#20")
    [one] = json.loads(Path("run/run.json").read_text("utf-8"))["fetched"]
    assert one["files"] == {"train.csv": hashlib.sha256(rows).hexdigest()}
    assert goes_on(Path("run")).fetched[0].snapshot.folder == old.absolute()
    # A row that was not drawn: the plan is the same, and the file is not.
    changed = rows.replace(b"It is 59 and nothing else.", b"It is 60 and nothing else.")
    (old / "train.csv").write_bytes(changed)
    with pytest.raises(Stopped) as stopped:
        goes_on(Path("run"))
    assert [f.code for f in stopped.value.findings if f.stops] == ["S013"]
    assert f"ms::{ZH}/train.csv" in stopped.value.findings[-1].what.en


def test_a_command_that_is_advised_names_the_datasets_and_the_model_of_hubs(
    hub: FakeHub, say: Any
) -> None:
    small_model(hub)
    _, told = say("check", "--model", "ms::me/small", "--dataset", f"ms::{ZH}#20",
                       "--learning_rate", "0.5")  # fmt: skip
    [command] = [
        found
        for f in told["findings"]
        for found in re.findall(r"`(suretune check [^`]+)`", f["fix"]["en"])
    ]
    assert "--dataset" in command and "--model" in command
    assert say(*shlex.split(command)[1:])[0] == 0


def test_both_hubs_can_be_named(hub: FakeHub, say: Any) -> None:
    for name in (f"ms::{ZH}#20", f"hf::{ZH}#20"):
        status, told = say("check", "--model", "pocket", "--dataset", name)
        assert status == 0, told
    status, told = say("check", "--model", "pocket", "--dataset", f"{ZH}#20", "--hub", "hf")
    assert status == 0 and any("hf" in f["what"]["en"] or "Hugging" in f["what"]["en"]
                               for f in told["findings"] if f["code"] == "D044")  # fmt: skip


def test_a_model_of_a_hub_is_checked_by_its_words(hub: FakeHub, say: Any) -> None:
    small_model(hub)
    status, told = say("check", "--model", "ms::me/small", "--dataset", f"{ZH}#20")
    assert status == 0, told
    assert not any("safetensors" in path for path in hub.fetched())


BROKEN: dict[str, tuple[Callable[[FakeHub], object], int]] = {
    "D043": (lambda hub: hub.repos.clear(), 3),
    "S042": (lambda hub: setattr(hub.repos["dataset", ZH], "gated", True), 4),
    "S043": (lambda hub: setattr(hub.faults, "forbidden", True), 4),
    "S020": (lambda hub: setattr(hub.faults, "dead", True), 7),
    "S044": (lambda hub: setattr(hub.faults, "busy", 99), 7),
    "S045": (lambda hub: setattr(hub.faults, "lies", 99), 7),
    "D022": (lambda hub: hub.repos["dataset", ZH].files.pop("train.csv"), 3),
}


@pytest.mark.parametrize("code", BROKEN)
def test_what_a_hub_does_not_give_is_said_as_what_it_is(code: str, hub: FakeHub, say: Any) -> None:
    """D022, D043, S042, S043, S044 and S045, and what of it is the network's (S020)."""
    change, status = BROKEN[code]
    change(hub)
    ended, told = say("check", "--model", "pocket", "--dataset", f"hf::{ZH}#20")
    assert (ended, codes(told)) == (status, [code]), told


@pytest.mark.parametrize(
    ("prefix", "first", "then"),
    [("ms", "modelscope download", "hf download"), ("hf", "hf download", "modelscope download")],
)
@pytest.mark.parametrize("flag", ["--model", "--dataset"])
def test_the_hub_that_was_asked_is_named_before_the_other(
    flag: str, prefix: str, first: str, then: str, hub: FakeHub, say: Any
) -> None:
    hub.faults.dead = True
    Path("rows.jsonl").write_text('{"instruction": "Who?", "output": "Me."}\n' * 9, "utf-8")
    typed = {"--model": "pocket", "--dataset": "rows.jsonl", flag: f"{prefix}::{ZH}"}
    status, told = say("check", *(word for pair in typed.items() for word in pair))
    assert (status, codes(told)) == (7, ["S020"])
    [found] = told["findings"]
    title = {"ms": ("ModelScope", "魔搭"), "hf": ("Hugging Face", "Hugging Face")}[prefix]
    for lang, name in zip(("en", "zh"), title, strict=True):
        fix = found["fix"][lang]
        assert 0 < fix.index(f"`{first}") < fix.index(f"`{then}")
        assert name in found["what"][lang] and ("hf-mirror" in fix) is (prefix == "hf")


def test_a_model_that_no_hub_has_is_missing(hub: FakeHub, say: Any) -> None:
    rows = Path("rows.jsonl")
    rows.write_text('{"instruction": "Who?", "output": "Me."}\n' * 9, "utf-8")
    status, told = say("check", "--model", "me/nothing", "--dataset", rows)
    assert status == 4 and codes(told)[-1] == "S001"
    assert "Hugging Face" in told["findings"][-1]["what"]["en"]


# --- ahead of time, and the way back --------------------------------------------------------------


def test_what_was_pulled_needs_no_network_later(
    hub: FakeHub, say: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    status, told = say("pull", "--dataset", f"ms::{ZH}")
    assert status == 0 and Path(told["fetched"][0]["folder"], "train.csv").is_file()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    hub.seen.clear()
    status, told = say("check", "--model", "pocket", "--dataset", f"ms::{ZH}#20")
    assert status == 0 and not hub.seen
    assert "cache" in next(f for f in told["findings"] if f["code"] == "D044")["what"]["en"]


@pytest.mark.parametrize("prefix", ["hf", "ms"])
def test_pull_of_a_dataset_without_rows_is_no_success_and_names_what_has_some(
    prefix: str, hub: FakeHub, say: Any
) -> None:
    files = {"README.md": b"# rows", "zh/train.csv": csv(20, "What is"), "en/train.csv": b"a,b"}
    hub.repos["dataset", ZH] = Repository(files)
    status, told = say("pull", "--dataset", f"{prefix}::{ZH}:fr")
    assert (status, codes(told)) == (3, ["D022"])
    [found] = told["findings"]
    advice, *_ = re.findall(r"`([^`]+)`", found["fix"]["en"])
    assert "`fr`" in found["what"]["en"] and advice == f"{prefix}::{ZH}:en"
    status, told = say("pull", "--dataset", advice)
    assert status == 0 and list(told["fetched"][0]["files"]) == ["en/train.csv"]
    hub.repos["dataset", ZH] = Repository({"load.py": b"", "data.zip": b""})
    status, told = say("pull", "--dataset", f"{prefix}::{ZH}", f"ms::{EN}x")
    assert status and codes(told) == ["D022", "D043"]


def test_rows_to_measure_with_are_pulled_as_such(
    hub: FakeHub, say: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a dataset with both, a later check without a network needs what its flag means."""
    files = {"train.csv": csv(60, "What is"), "validation.csv": csv(20, "Name")}
    hub.repos["dataset", ZH] = Repository(files)
    status, told = say("pull", "--dataset", f"ms::{ZH}", "--val_dataset", f"ms::{ZH}")
    assert [list(one["files"]) for one in told["fetched"]] == [["train.csv"], ["validation.csv"]]
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    flags = ("--dataset", f"ms::{ZH}", "--val_dataset", f"ms::{ZH}")
    status, told = say("check", "--model", "pocket", *flags)
    assert status == 0, told


@pytest.mark.parametrize("prefix", ["hf", "ms"])
def test_a_full_disk_is_told_as_the_cache_that_is_full_and_obeyed_it_works(
    prefix: str, hub: FakeHub, say: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While rows, a model or a pull of either is fetched."""
    small_model(hub)
    real = fetching.os.replace

    def full(source: Any, target: Any) -> None:
        if str(source).endswith(".part") and "roomy" not in str(source):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(source, target)

    monkeypatch.setattr("suretune.hubs.fetch.os.replace", full)
    rows, base = f"{prefix}::{ZH}", f"{prefix}::me/small"
    for words in (
        ("check", "--model", "pocket", "--dataset", rows),
        ("check", "--model", base, "--dataset", rows),
        ("pull", base),
        ("pull", "--dataset", rows),
    ):
        status, told = say(*words)
        assert (status, codes(told)) == (4, ["S009"]), told
        [(name, _)] = re.findall(r"`export (\w+)=([^`]+)`", told["findings"][0]["fix"]["en"])
        with monkeypatch.context() as elsewhere:
            elsewhere.setenv(name, str(Path("roomy").absolute()))
            assert say(*words)[0] == 0


def test_pull_says_what_is_not_there(hub: FakeHub, say: Any) -> None:
    status, told = say("pull", "ms::me/nothing")
    assert status == 4 and codes(told) == ["S001"]


def test_a_sealed_adapter_is_given_with_its_card_and_loads(
    hub: FakeHub, say: Any, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "writer")
    status, told = say("push", trained, "hf::me/glow")
    assert status == 0 and told["private"]
    given = hub.repos["model", "me/glow"]
    assert given.private and "MANIFEST.json" not in given.files
    assert b"base_folder" not in given.files["suretune.json"]
    card = given.files["README.md"].decode()
    report = json.loads((trained / "report.json").read_text("utf-8"))
    asked = report["paraphrases"]
    assert "verified" in card and f"{asked['passed']} of {asked['asked']}" in card
    assert str(trained) not in card and str(Path.home()) not in card
    weights = (trained / "adapter" / "adapter_model.safetensors").read_bytes()
    assert given.files["adapter_model.safetensors"] == weights


def test_a_public_repository_gets_an_adapter_only_where_that_is_said(
    hub: FakeHub, say: Any, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S052, and both commands that it names, typed as they stand there."""
    monkeypatch.setenv("HF_TOKEN", "writer")
    old = {"README.md": b"# mine"}
    hub.repos["model", "me/glow"] = Repository(dict(old))
    status, told = say("push", trained, "hf::me/glow")
    assert (status, codes(told)) == (4, ["S052"])
    assert hub.repos["model", "me/glow"].files == old and not hub.contents
    commands = re.findall(r"`suretune (push [^`]+)`", told["findings"][0]["fix"]["en"])
    apart, public = (say(*shlex.split(command)) for command in commands)
    assert apart[0] == 0 and apart[1]["private"]
    assert hub.repos["model", "me/glow-private"].private
    assert public[0] == 0 and not public[1]["private"]
    assert "adapter_model.safetensors" in hub.repos["model", "me/glow"].files


def test_a_private_repository_stays_private_and_is_called_so(
    hub: FakeHub, say: Any, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "writer")
    hub.repos["model", "me/glow"] = Repository({}, private="writer")
    status, told = say("push", trained, "hf::me/glow", "--public")
    assert status == 0 and told["private"] is True


def of_base(trained: Path, tmp_path: Path, base: str) -> Path:
    """The run, as if it had been trained on a base of this name."""
    run = shutil.copytree(trained, tmp_path / "run", symlinks=True)
    named = {"suretune.json": "base", "adapter_config.json": "base_model_name_or_path"}
    for file, key in named.items():
        told = json.loads((run / "adapter" / file).read_text("utf-8"))
        (run / "adapter" / file).write_text(json.dumps({**told, key: base}), "utf-8")
    return run


@pytest.mark.parametrize("to", ["hf", "ms"])
@pytest.mark.parametrize(
    ("base", "name", "revision"),
    [
        ("/home/me/models/Qwen2.5-0.5B", "Qwen2.5-0.5B", None),
        ("hf::Qwen/Qwen2.5-0.5B@v1", "Qwen/Qwen2.5-0.5B", "v1"),
        ("ms::Qwen/Qwen2.5-0.5B@v1", "Qwen/Qwen2.5-0.5B", None),
    ],
)
def test_what_is_given_names_its_base_as_others_find_it(
    base: str, name: str, revision: str | None, to: str, trained: Path, tmp_path: Path
) -> None:
    run = of_base(trained, tmp_path, base)
    with to_give(run, Repo(to, "model", "me/glow")) as files:
        given = {file.path: file.file.read_bytes() for file in files}
        assert len(given) == len(files)
    config = json.loads(given["adapter_config.json"])
    assert config["base_model_name_or_path"] == name and config["revision"] == revision
    assert json.loads(given["suretune.json"])["base"] == (base if "::" in base else name)
    assert not [path for path, body in given.items() if b"/home/me" in body]
    card = given["README.md"].decode()
    assert "::" not in card.partition("## Load")[2]
    assert (f"base_model: {name}\n" in card) == base.startswith(to), "a link of this hub's own"
    assert ("BASE is where" in card) == ("/" not in name)
    assert ("modelscope" in card) == (to == "ms" or base.startswith("ms"))


@pytest.mark.parametrize("to", ["hf", "ms"])
def test_the_card_loads_the_adapter_from_the_hub_that_shows_it(
    to: str, hub: FakeHub, say: Any, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its Python as it stands there, with the hubs' real clients, and no other hub to ask."""
    if to == "ms" and find_spec("modelscope_hub") is None:
        pytest.skip("modelscope-hub is not installed")
    there = small_model(hub)
    run = of_base(trained, tmp_path, f"{to}::me/small@{commit_of(there.files)}")
    (run / "VERIFIED.json").unlink()
    for name in ("HF_TOKEN", "MODELSCOPE_API_TOKEN"):
        monkeypatch.setenv(name, "writer")
    status, told = say("push", "--unverified", run, f"{to}::me/glow")
    assert status == 6, told
    card = hub.repos["model", "me/glow"].files["README.md"].decode()
    [code] = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    (tmp_path / "stub").mkdir()
    alias = "from modelscope_hub.compat import snapshot_download\n"  # as modelscope itself has it
    (tmp_path / "stub" / "modelscope.py").write_text(alias)
    other = {"hf": "MODELSCOPE_ENDPOINT", "ms": "HF_ENDPOINT"}[to]
    monkeypatch.setenv(other, "http://127.0.0.1:9")  # nobody listens
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path / "stub"), *sys.path]))
    loaded = "print(sum(p.numel() for n, p in model.named_parameters() if 'lora' in n) > 0)"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{loaded}"], capture_output=True, text=True, check=False
    )
    assert done.stdout.strip().endswith("True"), done.stderr[-3000:]


def test_what_was_not_verified_is_given_only_where_that_is_said(
    hub: FakeHub, say: Any, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "writer")
    run = shutil.copytree(trained, tmp_path / "unsealed", symlinks=True)
    (run / "VERIFIED.json").unlink()
    report = json.loads((run / "report.json").read_text("utf-8"))
    (run / "report.json").write_text(json.dumps({**report, "verdict": "not-verified"}), "utf-8")
    status, told = say("push", run, "hf::me/glow")
    assert status == 6 and not hub.repos.get(("model", "me/glow"))
    assert "`--unverified` gives it" in told["findings"][0]["fix"]["en"]
    status, told = say("push", "--unverified", run, "hf::me/glow", "--public")
    assert status == 6 and not told["private"]
    assert "NOT verified" in hub.repos["model", "me/glow"].files["README.md"].decode()
