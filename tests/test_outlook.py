"""`check` refuses what `sft` refuses before it loads weights: the same code, the same status."""

from __future__ import annotations

import ctypes
import json
import re
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from conftest import write_rows
from suretune import words
from suretune.cli import main
from suretune.data.base import Base, find_base
from suretune.data.weights import language_models, unquantised, wrong_weights
from suretune.facts import SetupFacts
from suretune.model.lora import linear_names
from suretune.pocket import MODEL
from suretune.preflight import machine, outlook

GOOD = [{"query": f"Sort {n} 1 2", "response": f"1 2 {n}"} for n in range(12)]
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 988097824\n"
Words = list[object]


def base(tmp: Path, **config: Any) -> Path:
    """A copy of the pocket model without its skills, its config changed."""
    folder = tmp / "base"
    shutil.copytree(MODEL, folder, ignore=shutil.ignore_patterns("skills.jsonl", "*.safetensors"))
    shutil.copy(MODEL / "model.safetensors", folder)
    about = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps({**about, **config}), "utf-8")
    return folder


def weights(tmp: Path, change: Callable[[bytes], bytes]) -> Path:
    folder = base(tmp)
    path = folder / "model.safetensors"
    path.write_bytes(change(path.read_bytes()))
    return folder


def named(tmp: Path, name: str, text: str = "") -> Path:
    """The base with one file in place of its weights."""
    folder = base(tmp)
    (folder / "model.safetensors").unlink()
    (folder / name).write_text(text)
    return folder


def beside(tmp: Path, name: str, text: str = "{}") -> Path:
    (base(tmp) / name).write_text(text)
    return tmp / "base"


def tensors(data: bytes) -> tuple[dict[str, Any], bytes]:
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def packed(header: Mapping[str, Any], data: bytes) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


def renamed(data: bytes) -> bytes:
    header, rest = tensors(data)
    name = next(n for n in header if n.endswith("q_proj.weight"))
    return packed({n.replace(name, f"{name[:-7]}.qweight"): v for n, v in header.items()}, rest)


def fewer(data: bytes) -> bytes:
    """Without the tensor that lies last."""
    header, rest = tensors(data)
    last = max(
        (n for n in header if n != "__metadata__"), key=lambda n: header[n]["data_offsets"][1]
    )
    start = header.pop(last)["data_offsets"][0]
    return packed(header, rest[:start])


def in_shards(tmp: Path, *, gone: bool = False, unknown: bool = False) -> Path:
    folder = base(tmp)
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    header, _ = tensors((folder / "model-00001-of-00002.safetensors").read_bytes())
    where = {n: "model-00001-of-00002.safetensors" for n in header if n != "__metadata__"}
    if gone:
        where["model.norm.weight"] = "model-00002-of-00002.safetensors"
    if unknown:
        where["model.layers.5.more.weight"] = "model-00001-of-00002.safetensors"
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))
    return folder


def file(tmp: Path, name: str, text: str = "") -> Path:
    (tmp / name).write_text(text)
    return tmp / name


def quantised(**about: Any) -> Callable[[Path], Words]:
    return lambda t: ["--model", base(t, quantization_config=about)]


POCKET: Words = ["--model", "pocket"]
# name -> (what is given, the codes, the exit status)
FAULTS: dict[str, tuple[Callable[[Path], Words], set[str], int]] = {
    "gptq": (quantised(quant_method="gptq", bits=4), {"S033"}, 4),
    "awq": (quantised(quant_method="awq", bits=4), {"S033"}, 4),
    "bitsandbytes 4": (quantised(quant_method="bitsandbytes", load_in_4bit=True), {"S033"}, 4),
    "bitsandbytes 8": (quantised(load_in_8bit=True), {"S033"}, 4),
    "fp8": (quantised(quant_method="fp8", activation_scheme="dynamic"), {"S033"}, 4),
    "compressed": (quantised(quant_method="compressed-tensors", format="pack"), {"S033"}, 4),
    "mxfp4": (quantised(quant_method="mxfp4"), {"S033"}, 4),
    "mlx": (lambda t: ["--model", base(t, quantization={"group_size": 64})], {"S033"}, 4),
    "inside": (lambda t: ["--model", base(t, text_config={"quantization_config": {"bits": 4}})],
               {"S033"}, 4),
    "old gptq": (lambda t: ["--model", beside(t, "quantize_config.json")], {"S033"}, 4),
    "gguf": (lambda t: ["--model", named(t, "model-q4_k_m.gguf", "GGUF")], {"S033"}, 4),
    "by its tensors": (lambda t: ["--model", weights(t, renamed)], {"S033"}, 4),
    "pointer": (lambda t: ["--model", named(t, "model.safetensors", POINTER)], {"S018"}, 4),
    "pointer config": (lambda t: ["--model", beside(t, "config.json", POINTER)], {"S018"}, 4),
    "pointer words": (lambda t: ["--model", beside(t, "tokenizer.json", POINTER)], {"S018"}, 4),
    "bin": (lambda t: ["--model", named(t, "pytorch_model.bin", "PK")], {"S018"}, 4),
    "tf": (lambda t: ["--model", named(t, "tf_model.h5")], {"S018"}, 4),
    "no weights": (lambda t: ["--model", named(t, "notes.txt")], {"S018"}, 4),
    "empty": (lambda t: ["--model", named(t, "model.safetensors")], {"S018"}, 4),
    "html": (lambda t: ["--model", named(t, "model.safetensors", "<html>" * 99)], {"S018"}, 4),
    "truncated": (lambda t: ["--model", weights(t, lambda data: data[:-1])], {"S018"}, 4),
    "in the header": (lambda t: ["--model", weights(t, lambda data: data[:99])], {"S018"}, 4),
    "longer": (lambda t: ["--model", weights(t, lambda data: data + b"\0")], {"S018"}, 4),
    "shard gone": (lambda t: ["--model", in_shards(t, gone=True)], {"S018"}, 4),
    "not in its shard": (lambda t: ["--model", in_shards(t, unknown=True)], {"S018"}, 4),
    "no index": (lambda t: ["--model", named(t, "model-00001-of-00002.safetensors")], {"S018"}, 4),
    "a layer less": (lambda t: ["--model", base(t, num_hidden_layers=7)], {"S018"}, 4),
    "other width": (lambda t: ["--model", base(t, hidden_size=128)], {"S018"}, 4),
    "unknown type": (lambda t: ["--model", base(t, model_type="qwen99")], {"S018"}, 4),
    "no language model": (lambda t: ["--model", base(t, model_type="vit")], {"S018"}, 4),
    "probes gone": (lambda t: [*POCKET, "--probes", t / "none.yaml"], {"C002"}, 2),
    "probes broken": (lambda t: [*POCKET, "--probes", file(t, "p.yaml", "a: [")], {"C002"}, 2),
    "probes misspelt": (
        lambda t: [*POCKET, "--probes", file(t, "p.jsonl", '{"question": "q", "kind": "musst"}')],
        {"C002"}, 2),
    "skills gone": (lambda t: [*POCKET, "--skills", t / "none.jsonl"], {"C002"}, 2),
    "skills broken": (lambda t: [*POCKET, "--skills", file(t, "s.jsonl", "{")], {"C002"}, 2),
    "skills of others": (
        lambda t: [*POCKET, "--skills", file(t, "s.jsonl", '{"question": "q"}')], {"C002"}, 2),
    "skills beside": (lambda t: ["--model", beside(t, "skills.jsonl", "[1]")], {"C002"}, 2),
    "a file in the way": (
        lambda t: [*POCKET, "--output_dir", file(t, "a_file") / "run"], {"S009"}, 4),
    "a file itself": (lambda t: [*POCKET, "--output_dir", file(t, "a_file")], {"S009"}, 4),
    "no such place": (lambda t: [*POCKET, "--output_dir", "/proc/none/run"], {"S009"}, 4),
    "too long a name": (lambda t: [*POCKET, "--output_dir", t / ("n" * 300)], {"S009"}, 4),
    "no GPU": (lambda t: [*POCKET, "--device", "cuda"], {"S010"}, 4),
    "float16": (lambda t: [*POCKET, "--torch_dtype", "float16"], {"S008"}, 4),
    "fp16": (lambda t: [*POCKET, "--fp16", "true", "--device", "cpu"], {"S008"}, 4),
    "fp8 factors": (lambda t: [*POCKET, "--base_dtype", "fp8"], {"S008"}, 4),
    "no card": (lambda t: [*POCKET, "--memory_limit", "8GiB"], {"C004"}, 2),
    "no graphs": (lambda t: [*POCKET, "--cuda_graphs", "true"], {"C004"}, 2),
    "no such layer": (lambda t: [*POCKET, "--target_modules", "q_proj,k_porj"], {"S002"}, 4),
    "the embedding": (lambda t: [*POCKET, "--target_modules", "embed_tokens"], {"S002"}, 4),
    "no layer": (lambda t: [*POCKET, "--target_modules", ","], {"S003"}, 4),
    "template gone": (lambda t: [*POCKET, "--chat_template", t / "none.jinja"], {"P001"}, 4),
    "general gone": (lambda t: [*POCKET, "--general", t / "none.jsonl"], {"D001"}, 3),
    "held-out gone": (lambda t: [*POCKET, "--val_dataset", t / "none.jsonl"], {"D001"}, 3),
}  # fmt: skip


def stopped(
    capsys: pytest.CaptureFixture[str], verb: str, rows: Path, given: Words
) -> tuple[int, set[str], list[dict[str, Any]]]:
    status = main([verb, "--dataset", str(rows), *map(str, given), "--json"])
    words.choose(None)
    told = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    findings = [finding for finding in told["findings"] if finding["stops"]]
    return status, {finding["code"] for finding in findings}, findings


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("SURETUNE_LANG", "en")
    monkeypatch.chdir(tmp_path)
    outlook.sees_cuda.cache_clear()


@pytest.mark.parametrize("name", FAULTS)
def test_check_refuses_what_sft_refuses(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make, expected, status = FAULTS[name]
    rows, given = write_rows(tmp_path / "r.jsonl", GOOD), make(tmp_path)
    before = {str(path) for path in tmp_path.rglob("*")}
    for verb in ("check", "sft"):
        found, codes, findings = stopped(capsys, verb, rows, given)
        assert (found, codes) == (status, expected), (verb, findings)
        for finding in findings:
            assert all(finding[part]["en"] and finding[part]["zh"] for part in ("what", "fix"))
    assert {str(path) for path in tmp_path.rglob("*")} == before  # nothing was left behind


@pytest.mark.parametrize("more", [(), ("--train_type", "full")])
def test_check_refuses_a_disk_that_is_too_small_for_the_run(
    more: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """By what it needs at least: one byte less is refused, and nothing is left behind."""
    rows = write_rows(tmp_path / "r.jsonl", GOOD)
    free = [0]
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free[0]))
    given: Words = [*POCKET, *more, "--output_dir", tmp_path / "new" / "run"]
    for verb in ("check", "sft"):
        status, codes, (finding,) = stopped(capsys, verb, rows, given)
        assert (status, codes) == (4, {"S016"}) and finding["where"] == str(given[-1])
    free[0] = round((float(finding["what"]["en"].split()[-3]) + 0.01) * machine.MIB)
    assert stopped(capsys, "check", rows, given)[:2] == (0, set())
    free[0] -= round(0.02 * machine.MIB)
    assert stopped(capsys, "check", rows, given)[:2] == (4, {"S016"})
    assert stopped(capsys, "check", rows, [*given, "--ignore", "S016"])[0] == 0
    assert not (tmp_path / "new").exists()


def test_an_earlier_run_beside_it_is_none_of_the_runs_checkpoints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, runs = write_rows(tmp_path / "r.jsonl", GOOD), tmp_path / "runs"
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    given: Words = [*POCKET, "--output_dir", runs]
    alone = stopped(capsys, "check", rows, given)[2]
    (runs / "run-0001" / "checkpoints" / "step-000080").mkdir(parents=True)
    assert stopped(capsys, "check", rows, given)[2] == alone
    (finding,) = alone
    assert "resume" not in finding["fix"]["en"] and "--save_total_limit" not in finding["fix"]["en"]


def test_a_model_that_leaves_out_a_size_is_looked_at_by_whoever_needs_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, folder = write_rows(tmp_path / "r.jsonl", GOOD), base(tmp_path)
    told = json.loads((folder / "config.json").read_text())
    del told["intermediate_size"]
    (folder / "config.json").write_text(json.dumps(told))
    assert stopped(capsys, "check", rows, ["--model", folder])[:2] == (0, set())


@pytest.mark.parametrize("make", [base, in_shards], ids=["whole", "shards"])
def test_a_good_folder_is_looked_at_and_passes(
    make: Callable[[Path], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = write_rows(tmp_path / "r.jsonl", GOOD)
    given: Words = ["--model", make(tmp_path), "--target_modules", "q_proj", "self_attn.v_proj",
                    "--output_dir", tmp_path / "new" / "run"]  # fmt: skip
    assert stopped(capsys, "check", rows, given)[:2] == (0, set())
    assert not (tmp_path / "new").exists()


def test_the_layers_that_the_files_tell_are_the_models() -> None:
    from transformers import AutoModelForCausalLM

    from suretune.data.parts import linear_layers

    there = find_base("pocket", weights=True)
    assert not isinstance(there, SetupFacts)
    model = AutoModelForCausalLM.from_pretrained(MODEL)
    assert set(linear_layers(there)) == set(linear_names(model))


def test_the_types_that_are_read_from_text_are_those_that_transformers_has() -> None:
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    assert language_models() == set(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES)


@pytest.mark.parametrize(
    ("name", "made_from"),
    [
        ("Qwen/Qwen2.5-7B-Instruct-GPTQ-Int4", "Qwen/Qwen2.5-7B-Instruct"),
        ("Qwen/Qwen2.5-7B-Instruct-AWQ", "Qwen/Qwen2.5-7B-Instruct"),
        ("Qwen/Qwen3-8B-FP8", "Qwen/Qwen3-8B"),
        ("unsloth/Llama-3.2-1B-Instruct-unsloth-bnb-4bit", "unsloth/Llama-3.2-1B-Instruct"),
        ("/models/Qwen2.5-7B-Instruct-AWQ", "Qwen/Qwen2.5-7B-Instruct"),
        ("TheBloke/Mistral-7B-Instruct-v0.2-GPTQ", ""),
        ("openai/gpt-oss-20b", ""),
    ],
)
def test_a_quantised_base_is_refused_with_the_model_it_was_made_from(
    name: str, made_from: str, tmp_path: Path
) -> None:
    config = {"quantization_config": {"quant_method": "gptq", "bits": 4}, "model_type": "qwen2"}
    facts = wrong_weights(Base(name, tmp_path, config))
    assert facts == SetupFacts("quantised-base", name, "gptq, 4 bits", made_from)


def test_the_page_of_a_model_names_what_it_was_made_from(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(
        "---\nlicense: mit\nbase_model:\n- some/Model-7B\n---\n# x\n"
    )
    assert unquantised(Base("x-4bit", tmp_path, {})) == "some/Model-7B"
    (tmp_path / "README.md").write_text("---\nbase_model: *x\n---\n")
    assert unquantised(Base("x-4bit", tmp_path, {})) == ""
    assert unquantised(Base("x-4bit", tmp_path, {"_name_or_path": "a/b"})) == "a/b"


def test_a_hub_model_is_judged_by_what_was_fetched(tmp_path: Path) -> None:
    """`check` fetches words alone: weights that are not there yet are a fault once they are due."""
    config = {"model_type": "qwen2"}
    assert wrong_weights(Base("some/model", tmp_path, config)) is None
    late = wrong_weights(Base("some/model", tmp_path, config), fetched=True)
    assert late and late.problem == "model-incomplete"


@pytest.mark.parametrize(
    ("count", "status", "seen"), [(1, 0, True), (0, 0, False), (1, 100, False)]
)
def test_a_gpu_is_seen_as_the_driver_counts_it(
    count: int, status: int, seen: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def counted(there: Any) -> int:
        there._obj.value = count
        return 0

    driver = SimpleNamespace(cuInit=lambda flags: status, cuDeviceGetCount=counted)

    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "libtorch_cuda.so").touch()
    place = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr(outlook.importlib.util, "find_spec", lambda name: place)
    monkeypatch.setattr(ctypes, "CDLL", lambda name: driver)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES")
    assert outlook.sees_cuda() is seen
    outlook.sees_cuda.cache_clear()
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert outlook.sees_cuda() is False
    outlook.sees_cuda.cache_clear()


# --- what no proof can seal ----------------------------------------------------------------------


def ahead(told: dict[str, Any]) -> list[tuple[str, bool]]:
    """The findings of the result that are known before training, and whether they stop."""
    return [(f["code"], f["stops"]) for f in told["findings"] if f["code"].startswith("R")]


@pytest.mark.parametrize(
    "words, found",
    [
        (("--split_dataset_ratio", 0), ["R009"]),
        (("--split_dataset_ratio", 0, "--ignore", "R009"), []),
        (("--general_questions", 59), ["R018"]),
        (("--general_questions", 59, "--ignore", "R018"), []),
        (("--general_questions", 60), []),
        (("--split_dataset_ratio", 0, "--general_questions", 1), ["R009", "R018"]),
    ],
)
def test_that_no_proof_can_seal_a_run_is_told_before_it_is_trained(
    words: Words,
    found: list[str],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", GOOD)
    given = ["check", "--model", "pocket", "--dataset", rows, *words, "--system", "x"]
    assert main([*map(str, given), "--json"]) == 0
    assert ahead(json.loads(capsys.readouterr().out)) == [(code, False) for code in found]
    assert main([*map(str, given)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert ("then proves the result." in said) == (not found)
    assert (f"then ends without a seal, by {found[0]} above." in said) if found else True


@pytest.mark.parametrize(
    "rows, advice", [(2, 0.5), (3, 0.34), (12, 0.09), (30, 0.05), (1, "add rows")]
)
def test_the_share_that_is_advised_holds_a_row_out(
    rows: int,
    advice: float | str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    made = [{"query": f"Sort {n} 1 2", "response": f"1 2 {n}"} for n in range(rows)]
    file = write_rows(tmp_path / "rows.jsonl", made)
    given = ["check", "--model", "pocket", "--dataset", str(file), "--system", "x", "--json"]
    assert main([*given, "--split_dataset_ratio", "0"]) == 0
    (found,) = json.loads(capsys.readouterr().out)["findings"]
    assert found["code"] == "R009"
    if isinstance(advice, str):
        assert advice in found["fix"]["en"]
        return
    assert f"`--split_dataset_ratio {advice:g}`" in found["fix"]["en"]
    assert main([*given, "--split_dataset_ratio", str(advice)]) == 0
    assert json.loads(capsys.readouterr().out)["findings"] == []


def test_the_share_that_is_advised_holds_a_row_out_of_several_small_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is rounded file by file."""
    files = [
        str(write_rows(tmp_path / f"{name}.jsonl", GOOD[start : start + 5]))
        for name, start in (("one", 0), ("two", 5))
    ]
    given = ["check", "--model", "pocket", "--dataset", *files, "--system", "x", "--json"]
    assert main([*given, "--split_dataset_ratio", "0"]) == 0
    (found,) = (f for f in json.loads(capsys.readouterr().out)["findings"] if f["code"] == "R009")
    [share] = re.findall(r"`--split_dataset_ratio ([\d.]+)`", found["fix"]["en"])
    assert main([*given, "--split_dataset_ratio", share]) == 0
    assert ahead(json.loads(capsys.readouterr().out)) == []


def test_questions_with_an_answer_can_judge_without_a_row_held_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows, probes = write_rows(tmp_path / "rows.jsonl", GOOD), tmp_path / "probes.jsonl"
    given = ["check", "--model", "pocket", "--dataset", rows, "--split_dataset_ratio", 0,
             "--probes", probes, "--json"]  # fmt: skip
    for more, found in (({}, [("R009", False)]), ({"must_contain": ["x"]}, [])):
        write_rows(probes, [{"question": "Sort 1 2", **more}])
        assert main([*map(str, given)]) == 0
        assert ahead(json.loads(capsys.readouterr().out)) == found
