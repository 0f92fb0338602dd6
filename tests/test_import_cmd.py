"""`suretune import-cmd`: commands of other tools, pasted from anywhere, become ours or say why."""

from __future__ import annotations

import io
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from conftest import ROOT, stands
from hub.server import FakeHub, Repository, running
from suretune import words
from suretune.cli import VERBS, main
from suretune.cli.parse import parse
from suretune.config import options
from suretune.importing import explained
from suretune.importing.tables import TOOLS, table
from test_articles import COMMANDS

ALLOWED = {verb.name: set(verb.options()) for verb in VERBS}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the fifty rows of the articles."""
    rows = [{"instruction": f"你是谁 {i}?", "input": "", "output": "我是小光。"} for i in range(50)]
    for name in ("self_cognition.json", "self_cognition_enhanced.json"):
        (tmp_path / name).write_text(json.dumps(rows, ensure_ascii=False), "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SURETUNE_LANG", "en")
    return tmp_path


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """The datasets that the articles name, on a hub here."""
    with running() as server:
        for name in ("HF_HUB_OFFLINE", "MODELSCOPE_OFFLINE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", server.url)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
        monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "ms"))
        for language in ("zh", "en"):
            rows = [f"{language} {n}?,,It is {n}." for n in range(600)]
            files = {"train.csv": ("instruction,input,output\n" + "\n".join(rows)).encode()}
            server.repos["dataset", f"AI-ModelScope/alpaca-gpt4-data-{language}"] = Repository(
                files
            )
        yield server


def told(text: str) -> dict[str, Any]:
    report = explained(text, ALLOWED)
    assert report is not None, text
    return report


def flags(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {line["flag"]: line for line in report["flags"]}


def traps(text: str) -> set[str]:
    return {trap["trap"] for trap in told(text)["traps"]}


def typed(report: dict[str, Any]) -> list[str]:
    """The working form, as bash would hand it over."""
    split = shlex.split(report["working"].replace("\\\n", " "))
    return split[split.index("suretune") + 1 :]


def value_of(report: dict[str, Any], flag: str) -> str | None:
    """What the working form gives a flag; None where it does not have it."""
    words = typed(report)
    return words[words.index(flag) + 1] if flag in words else None


def parses(report: dict[str, Any]) -> None:
    name, *rest = typed(report)
    verb = next(verb for verb in VERBS if verb.name == name)
    command = parse(verb, rest, {})
    # The command line mends what input methods and web pages leave: values made of it are not its.
    # Nor is one of two hyphens alone, which argparse takes for the end of all flags.
    if not any(
        re.search(r"""[\\"'“”‘’#\u3000-\u303f\uff00-\uffef]|^\s|\s$|\s-|=--$""", word)
        for word in rest
    ):
        assert command.faults == (), command.faults


# --- the articles -------------------------------------------------------------------------------


def in_the_articles() -> list[str]:
    """Every `swift ...` command as the five articles print it, lines joined and notes in them."""
    found = []
    for file in sorted((ROOT.parent / "shared" / "seeds").glob("*.txt")):
        text = file.read_text("utf-8")
        found += re.findall(
            r"(?:CUDA_VISIBLE_DEVICES=0 (?:\\ ?\n?)?)?swift (?:sft|infer) [^\n]*", text
        )
        found += re.findall(r"^--[a-z_]+ [^\n]*", text, re.MULTILINE)
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_of_the_articles_has_a_working_form(name: str, folder: Path) -> None:
    parses(told(COMMANDS[name][0].replace("\n", " ")))


def test_the_articles_as_they_are_printed(folder: Path) -> None:
    printed = [text for text in in_the_articles() if " --" in text or text.startswith("--")]
    if not printed:
        pytest.skip("the articles are not there")
    assert len(printed) >= 15
    for text in printed:
        parses(told(text))


def test_the_first_article_word_for_word(folder: Path) -> None:
    report = told(
        r"CUDA_VISIBLE_DEVICES=0 \ swift sft \ --model Qwen2.5-7B-Instruct \ --train_type lora"
        r" \ --dataset self_cognition.json \ # 必须以 /root/ 开头 --dry_run true \ "
        "--max_length 2048"
    )
    assert typed(report) == [
        "sft", "--model", "Qwen/Qwen2.5-7B-Instruct", "--tuner", "lora", "--dataset",
        "self_cognition.json", "--dry_run", "true", "--max_length", "2048",
    ]  # fmt: skip
    assert report["working"].startswith("CUDA_VISIBLE_DEVICES=0 suretune sft ")
    assert flags(report)["dry_run"]["verdict"] == "never-existed"
    assert {t["trap"] for t in report["traps"]} == {"lines-joined", "comment-after-backslash"}
    assert report["same_job"]


def test_the_arithmetic_of_the_articles(folder: Path) -> None:
    report = told(
        "swift sft --model m/m --dataset self_cognition.json --num_train_epochs 10 --save_steps 50"
        " --per_device_train_batch_size 1 --gradient_accumulation_steps 16"
    )
    sums = report["arithmetic"]
    assert (sums["rows"], sums["updates_per_epoch"], sums["updates"]) == (50, 4, 40)
    assert [f["code"] for f in sums["findings"]] == ["S005"]
    assert any(stands("checkpoint-500", sentence["en"]) for sentence in sums["told"])
    assert flags(report)["save_steps"]["becomes"] == "--save_steps 10"


def test_rows_that_are_not_here_are_unknown(folder: Path) -> None:
    report = told("swift sft --dataset gone.json --num_train_epochs 10 --eval_steps 50")
    assert report["arithmetic"]["rows"] is None and report["arithmetic"]["updates"] is None
    assert any(stands("65 rows", sentence["en"]) for sentence in report["arithmetic"]["told"])


def test_patience_gets_evaluations_enough(folder: Path) -> None:
    report = told(
        "swift sft --model m/m --dataset self_cognition.json --num_train_epochs 2 --eval_steps 20"
        " --early_stopping_patience 2"
    )
    assert {"S004", "S006"} & {f["code"] for f in report["arithmetic"]["findings"]}
    every = int(typed(report)[typed(report).index("--eval_steps") + 1])
    assert every <= 3
    parses(report)


# --- what flags are worth -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "flag", "verdict", "same_job"),
    [
        ("swift sft --train_type lora", "train_type", "renamed", True),
        ("swift sft --model m/m", "model", "kept", True),
        ("swift sft --lora_rank 8", "lora_rank", "kept", True),
        ("swift sft --lora_rank 16", "lora_rank", "kept", True),
        ("swift sft --train_type full", "train_type", "renamed", True),
        ("swift sft --train_type full --freeze_parameters_ratio 0.5", "freeze_parameters_ratio",
         "kept", True),
        ("swift sft --freeze_parameters_ratio 0", "freeze_parameters_ratio", "default", True),
        ("swift sft --freeze_parameters_regex x", "freeze_parameters_regex", "unavailable", False),
        ("swift sft --use_loss_scale_sampler 1", "use_loss_scale_sampler", "never-existed", False),
        ("swift sft --early_stopping_patience 2", "early_stopping_patience", "never-existed", True),
        ("swift sft --dataloader_num_workers 4", "dataloader_num_workers", "no-effect", True),
        ("swift sft --model_author swift", "model_author", "no-effect", True),
        ("swift sft --lerning_rate 1e-4", "lerning_rate", "unknown", False),
        ("swift sft --learning_rate fast", "learning_rate", "unavailable", False),
        ("swift sft --seed 1 --seed 2", "seed", "kept", True),
        ("swift sft --probes p.yaml", "probes", "kept", True),
        ("swift sft --fp16 false --bf16 true", "fp16", "default", True),
        ("swift sft --fp16 true --bf16 true", "fp16", "harmful", False),
        ("swift sft --split_dataset_ratio 0.1", "split_dataset_ratio", "kept", True),
        ("swift infer --adapter_dir out", "adapter_dir", "never-existed", True),
        ("swift infer --adapters out/v0-2/checkpoint-500", "adapters", "changed", True),
        ("swift deploy --adapters out", "adapters", "kept", True),
        ("llamafactory-cli train --quantization_bit 4", "quantization_bit", "renamed", True),
        ("llamafactory-cli train --quantization_bit 8", "quantization_bit", "unavailable", False),
        ("swift sft --quant_bits 4 --train_type lora", "train_type", "default", True),
        ("swift sft --train_type lora --quant_bits 4", "quant_bits", "renamed", True),
        ("swift sft --quant_method hqq", "quant_method", "unavailable", False),
        ("swift sft --bnb_4bit_quant_type nf4", "bnb_4bit_quant_type", "no-effect", True),
        ("llamafactory-cli train --stage dpo", "stage", "unavailable", False),
        ("llamafactory-cli train --enable_thinking false", "enable_thinking", "renamed", True),
        ("swift sft --enable_thinking false", "enable_thinking", "no-effect", True),
        ("swift sft --loss_scale ignore_empty_think", "loss_scale", "default", True),
        ("swift sft --add_non_thinking_prefix true", "add_non_thinking_prefix", "default", True),
        ("axolotl train --micro-batch-size 2", "micro_batch_size", "renamed", True),
        ("NPROC_PER_NODE=4 swift sft --seed 1", "NPROC_PER_NODE", "unavailable", False),
    ],
)  # fmt: skip
def test_a_flag(text: str, flag: str, verdict: str, same_job: bool, folder: Path) -> None:
    report = told(text)
    assert flags(report)[flag]["verdict"] == verdict
    assert report["same_job"] is same_job
    parses(report)
    for line in report["flags"]:
        assert line["reason"]["en"] and line["reason"]["zh"]


def test_role_tokens_are_taken_out_of_the_system_prompt(folder: Path) -> None:
    report = told(r"swift sft --system '<|im_start|>system\nYou are helpful.<|im_end|>'")
    assert flags(report)["system"]["verdict"] == "harmful" and not report["same_job"]
    assert typed(report) == ["sft", "--system", "You are helpful."]


def test_a_name_is_kept_where_rows_have_a_place_for_it(folder: Path) -> None:
    rows = [{"query": "Who are you?", "response": "I am {{NAME}}."}]
    Path("named.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    report = told("swift sft --dataset named.jsonl --model_name Glow --model_author Lab")
    verdicts = {name: line["verdict"] for name, line in flags(report).items()}
    assert verdicts["model_name"] == "kept" and verdicts["model_author"] == "no-effect"


def test_a_hub_dataset_keeps_its_name(folder: Path) -> None:
    report = told(
        "swift sft --dataset 'AI-ModelScope/alpaca-gpt4-data-zh#500' --dataset_sample 500"
    )
    assert report["arithmetic"]["rows"] == 500
    assert value_of(report, "--dataset") == "AI-ModelScope/alpaca-gpt4-data-zh#500"
    assert value_of(report, "--dataset_sample") is None


@pytest.mark.parametrize("name", [n for n in COMMANDS if " sft " in COMMANDS[n][0]])
def test_what_is_printed_works(
    name: str, folder: Path, hub: FakeHub, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each working form, as printed, on the pocket model; hubs give what articles name."""
    report = told(COMMANDS[name][0].replace("/root/", "").replace("\n", " "))
    verb, *rest_of_it = typed(report)
    assert verb == "sft"
    assert main(["check", "--json", *rest_of_it]) == 0
    found = json.loads(capsys.readouterr().out)["findings"]
    assert not [f for f in found if f["stops"] or f["code"].startswith("C")], name


ARTICLE = """# 微调 Qwen2.5

先看看 Can't load tokenizer 怎么办:

```bash
swift infer --model Qwen2.5-7B-Instruct --stream true
```

It's time to train:

```bash
CUDA_VISIBLE_DEVICES=0 \\
swift sft \\
  --model Qwen2.5-7B-Instruct \\
  --dataset self_cognition.json \\
  --learning_rate 1e-4 \\
  --lora_rank 16
```

and with less: `swift sft --model Qwen2.5-7B-Instruct --dataset x.json`, don't you think?
"""


def test_the_main_command_of_an_article_is_taken_and_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    report = told(ARTICLE)
    assert (value_of(report, "--lora_rank"), value_of(report, "--learning_rate")) == ("16", "1e-4")
    assert value_of(report, "--model") == "Qwen/Qwen2.5-7B-Instruct"
    (note,) = [n["zh"] for n in report["notes"] if n["zh"].startswith("文中有")]
    assert "3 条命令" in note and "第 2 条" in note and "4 个参数" in note


def test_the_main_commands_of_the_articles(folder: Path) -> None:
    files = sorted((ROOT.parent / "shared" / "seeds").glob("00[0-3]*.txt"))
    if not files:
        pytest.skip("the articles are not there")
    for file in files:
        report = told(file.read_text("utf-8"))
        assert len(report["flags"]) >= 23 and value_of(report, "--output_dir"), file


def test_repetition_is_made_explicit(folder: Path) -> None:
    report = told("swift sft --dataset 'self_cognition.json#500'")
    assert report["arithmetic"]["rows"] == 500 and value_of(report, "--repeat") == "true"


# --- shells -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "trap"),
    [
        ("swift sft --seed 1 \\ # note\n  --lora_rank 4", "comment-after-backslash"),
        ("swift sft --seed 1 \\\n  # note\n  --lora_rank 4", "comment-in-command"),
        ("swift sft --seed 1\n  --lora_rank 4", "missing-backslash"),
        ("swift sft --seed 1 \\  \n  --lora_rank 4", "blank-after-backslash"),
        ("swift sft \\ --seed 1 \\ --lora_rank 4", "lines-joined"),
        ("swift\u00a0sft --seed\u3000\u0031 --lora_rank 4", "odd-blank"),
        ("swift sft --seed 1 —lora_rank 4", "odd-dash"),
        ("swift sft --seed １ --lora_rank 4", "full-width"),
        ("swift sft --seed 1 --lora_rank “4”", "curly-quotes"),
        ("nohup swift sft --seed 1 --lora_rank 4 > log.txt 2>&1 &", "around"),
        ("swift sft --seed 1 --lora_rank 4 ...", "elided"),
        ("swift sft --seed 1 --lora_rank 4 --system 'x", "unclosed-quote"),
    ],
)
def test_a_trap_is_told_and_read_past(text: str, trap: str, folder: Path) -> None:
    report = told(text)
    assert trap in {t["trap"] for t in report["traps"]}
    assert (value_of(report, "--seed"), value_of(report, "--lora_rank")) == ("1", "4")
    for one in report["traps"]:
        assert one["en"] and one["zh"]


def test_a_clean_command_has_no_traps(folder: Path) -> None:
    assert (
        traps("CUDA_VISIBLE_DEVICES=0 swift sft \\\n  --seed 1 \\\n  --system 'a \"b\" “c”'\n")
        == set()
    )


def test_variables_stay_alive_unless_the_text_sets_them(folder: Path) -> None:
    report = told('M=/models/q\nswift sft --model $M --dataset "$DATA/a b.json"')
    assert value_of(report, "--model") == "/models/q"
    assert '--dataset "$DATA/a b.json"' in report["working"]


@pytest.mark.parametrize(
    "text",
    [
        "torchrun --nproc_per_node 1 -m swift.cli.sft --seed 1",
        "python -m swift.cli.sft --seed 1",
        "python swift/cli/sft.py --seed 1",
        "$ swift sft --seed 1",
        "#!/bin/bash\ncd /root\npip install ms-swift\nswift sft --seed 1\necho done",
        "deepspeed --num_gpus=1 src/train.py --seed 1",
    ],
)
def test_what_stands_around_a_command(text: str, folder: Path) -> None:
    report = told(text)
    assert typed(report) == ["sft", "--seed", "1"] and report["same_job"]


# --- files of other tools -----------------------------------------------------------------------

FACTORY = """
model_name_or_path: Qwen/Qwen2.5-7B-Instruct
stage: sft
do_train: true
finetuning_type: lora
lora_rank: 16
lora_target: all
dataset: mine
dataset_dir: data
template: qwen
cutoff_len: 2048
max_samples: 1000
preprocessing_num_workers: 16
output_dir: saves
plot_loss: true
per_device_train_batch_size: 1
gradient_accumulation_steps: 8
learning_rate: 1.0e-4
num_train_epochs: 3.0
val_size: 0.1
eval_strategy: steps
resume_from_checkpoint: null
"""
AXOLOTL = """
base_model: Qwen/Qwen2.5-7B-Instruct
load_in_4bit: {four}
datasets:
  - path: self_cognition.json
    type: alpaca
adapter: lora
lora_r: 16
lora_target_linear: true
sequence_len: 2048
micro_batch_size: 2
gradient_accumulation_steps: 4
num_epochs: 4
optimizer: adamw_bnb_8bit
val_set_size: 0.1
evals_per_epoch: 2
wandb_project:
special_tokens:
"""


def test_a_file_of_llama_factory(folder: Path) -> None:
    (folder / "data").mkdir()
    (folder / "data" / "mine.json").write_text(
        Path("self_cognition.json").read_text("utf-8"), "utf-8"
    )
    registry = {"mine": {"file_name": "mine.json"}}
    (folder / "data" / "dataset_info.json").write_text(json.dumps(registry), "utf-8")
    Path("x.yaml").write_text(FACTORY, "utf-8")
    report = told("llamafactory-cli train x.yaml seed=7")
    assert report["same_job"], [f for f in report["flags"] if f["verdict"] == "unavailable"]
    assert (value_of(report, "--dataset"), value_of(report, "--seed")) == ("data/mine.json", "7")
    assert value_of(report, "--dataset_sample") is None  # there are fewer rows than that
    assert told(FACTORY)["working"].split()[:2] == ["suretune", "sft"]
    parses(report)


def test_a_name_that_no_registry_gives_is_said(folder: Path) -> None:
    report = told("llamafactory-cli train --dataset identity,alpaca_en_demo")
    assert not report["same_job"]
    assert "identity" in report["notes"][0]["en"]


def test_a_file_of_axolotl(folder: Path) -> None:
    Path("x.yml").write_text(AXOLOTL.format(four="false"), "utf-8")
    report = told("accelerate launch -m axolotl.cli.train x.yml")
    assert report["same_job"], report
    assert value_of(report, "--eval_steps") == "3"
    assert value_of(report, "--split_dataset_ratio") == "0.1"
    parses(report)
    report = told(AXOLOTL.format(four="true"))
    assert flags(report)["load_in_4bit"]["verdict"] == "renamed" and report["same_job"]
    assert value_of(report, "--tuner") == "qlora"


def test_a_file_that_is_not_there(folder: Path) -> None:
    report = told("axolotl train gone.yml")
    assert not report["same_job"] and any("gone.yml" in n["en"] for n in report["notes"])


# --- the verb -----------------------------------------------------------------------------------


def test_the_verb(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["import-cmd", "swift sft --seed 1 --model /m"]) == 0
    assert "suretune sft \\\n  --model /m" not in capsys.readouterr().out.partition("--seed 1")[0]
    assert main(["import-cmd", "swift", "sft", "--nonsense", "1", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["flags"][0]["verdict"] == "unknown"
    Path("c.txt").write_text("swift sft --seed 1", "utf-8")
    assert main(["import-cmd", "--file", "c.txt", "--lang", "zh"]) == 0
    words.choose(None)
    assert "可用的命令" in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", io.StringIO("swift sft --seed 1"))
    assert main(["import-cmd", "--json"]) == 0
    assert main(["import-cmd", "--file", "gone.txt"]) == 2
    assert main(["import-cmd", "ls -l"]) == 2


def test_it_is_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])
    assert "import-cmd" in capsys.readouterr().out


PIECES = st.sampled_from([
    "swift sft", "swift infer", "llamafactory-cli train", "axolotl train", "\\", "\\\n", "\n", " ",
    "'", '"', "“", "”", "#", "--system", "--dataset", "--eval_steps", "--num_train_epochs", "0.01",
    "9" * 400, "self_cognition.json#99999999999", "<|im_start|>", "${X}", "X=1", "<<EOF", ">", "|",
    "&", "base_model: x\n", "datasets:\n- path: &a [*a]\n", "\0", "\ud800", "\u202e",
    "evals_per_epoch=4",
    "--warmup_steps", "--lora_alpha", "1e309", "checkpoint-5", "--adapters",
])  # fmt: skip


@pytest.mark.parametrize(
    "value", ["-=", "-x", "---", "--lora_rank", "-", "-5", "-.5", "-5x", "- a"]
)
def test_a_value_that_begins_as_a_flag_does_is_still_one(value: str) -> None:
    report = told(f"swift sft --model m --dataset d --system={shlex.quote(value)}")
    name, *rest = typed(report)
    found = parse(next(verb for verb in VERBS if verb.name == name), rest, {})
    assert found.faults == () and found.resolved.config.data.system == value


@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.one_of(st.text(), st.lists(st.one_of(PIECES, st.text(max_size=6))).map(" ".join)))
@example("-")
@example("--json")
def test_any_text_is_answered(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())  # what is read for - or a flag alone
    capsys.readouterr()
    assert main(["import-cmd", text, "--json"]) in (0, 2)
    out = capsys.readouterr().out
    assert "Traceback" not in out and json.loads(out)
    assert main(["import-cmd", text]) in (0, 2)
    report = explained(text, ALLOWED)
    if report and report["working"] and "$" not in report["working"]:
        parses(report)


# --- commands that serve ------------------------------------------------------------------------

SERVING = [
    ("swift deploy --adapters out/a --infer_backend vllm --served_model_name mybot --max_new_tokens"
     " 2048 --temperature 0 --host 0.0.0.0 --port 8000",
     "serve out/a --served_model_name mybot --max_new_tokens 2048 --host 0.0.0.0 --port 8000"),
    ("swift deploy --model Qwen/Q --adapters lora1=out/a lora2=out/b --vllm_max_lora_rank 64",
     "serve out/a out/b --model Qwen/Q --served_model_name lora1 lora2"),
    ("swift deploy --adapters out/v0-1/checkpoint-50 --merge_lora true --host 127.0.0.1",
     "serve out --host 127.0.0.1"),
    ("python -m swift.cli.deploy --model Qwen/Q --port 9", "serve --model Qwen/Q --port 9"),
    ("API_PORT=8001 API_HOST=0.0.0.0 API_KEY=k llamafactory-cli api --model_name_or_path Qwen/Q"
     " --adapter_name_or_path saves/q --template qwen --finetuning_type lora --infer_backend vllm",
     "serve saves/q --port 8001 --host 0.0.0.0 --api_key k --model Qwen/Q"),
    ("llamafactory-cli api --adapter_name_or_path a,b", "serve a b"),
    ("vllm serve Qwen/Q --enable-lora --lora-modules x=out/a y=out/b --max-lora-rank 64 --port 8000"
     " --dtype half --api-key k --max-model-len 4096",
     "serve out/a out/b --model Qwen/Q --served_model_name x y --port 8000 --torch_dtype float16"
     " --api_key k --max_model_len 4096"),
    ("python3 -m vllm.entrypoints.openai.api_server --model Qwen/Q --lora-modules"
     " '{\"name\": \"x\", \"path\": \"out/a\", \"base_model_name\": \"Qwen/Q\"}'",
     "serve out/a --model Qwen/Q --served_model_name x"),
    ("vllm serve Qwen/Q --gpu-memory-utilization 0.9", "serve --model Qwen/Q"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "ours"), SERVING)
def test_a_command_that_serves_becomes_one(text: str, ours: str, folder: Path) -> None:
    report = told(text)
    split = typed(report)
    assert sorted(split) == sorted(ours.split()) and split[0] == "serve"
    words = ours.split()
    ends = next((i for i, word in enumerate(words) if word.startswith("--")), len(words))
    assert split[:ends] == words[:ends]  # the runs, in their order
    assert report["same_job"], report
    parses(report)


@pytest.mark.parametrize(
    ("text", "verb"),
    [
        ("swift app --adapters out/a --server_port 7860", "serve"),
        ("llamafactory-cli webchat --adapter_name_or_path out/a", "serve"),
        ("swift infer --adapters a=out/a b=out/b", "infer"),
        ("swift deploy --model Qwen/Q --served_model_name q", "serve"),
        ("swift deploy --model Qwen/Q --adapters a=x b=y --served_model_name q", "serve"),
        ("swift deploy --adapters out/a --vllm_tensor_parallel_size 2", "serve"),
        ("vllm serve Qwen/Q --served-model-name q", "serve"),
        ("vllm serve Qwen/Q --enable-auto-tool-choice --tool-call-parser hermes", "serve"),
        ("swift export --adapters out/a --merge_lora true", ""),
        ("llamafactory-cli export x.yaml", ""),
        ("axolotl vllm-serve x.yml", ""),
        ("vllm bench serve", ""),
    ],
)
def test_what_cannot_be_served_so_is_said_and_is_no_success(
    text: str, verb: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["import-cmd", text, "--json"]) == 2
    report = json.loads(capsys.readouterr().out)
    assert (report["working"].split()[1:2] or [""])[0] == verb and not report["same_job"]
    assert any(note["serious"] for note in report["notes"]) or any(
        flag["verdict"] in ("unavailable", "unknown") for flag in report["flags"]
    )
    if verb:
        parses(report)


@pytest.mark.parametrize("name", ["deploy", "deploy_multi", "lf_api"])
def test_the_commands_of_the_field_serve(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = ROOT.parent / "shared" / "field" / "serve" / f"{name}.txt"
    if not file.is_file():
        pytest.skip("the field's inputs are not there")
    assert main(["import-cmd", "--file", str(file), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert typed(report)[0] == "serve"
    parses(report)


def test_an_adapter_without_a_seal_is_served_only_with_a_word(folder: Path) -> None:
    (folder / "peft").mkdir()
    (folder / "peft" / "adapter_config.json").write_text("{}")
    report = told("swift deploy --adapters peft")
    assert value_of(report, "--allow_unverified") == "true"
    assert any("no seal" in note["en"] for note in report["notes"])


# --- the tables ---------------------------------------------------------------------------------


@pytest.mark.parametrize("tool", TOOLS)
def test_a_table_names_real_options_and_gives_reasons(tool: str) -> None:
    about = table(tool)
    assert set(about.verbs.values()) <= {*ALLOWED, ""}
    for name, entry in about.entries.items():
        assert entry.to in options() or (not entry.to and entry.verdict), name
        assert entry.verdict in ("", "never-existed", "no-effect", "unavailable", "per-epoch"), name
        assert entry.to or (entry.why and entry.why.en and entry.why.zh), name
        assert all(isinstance(value, str) for value in entry.default | entry.harmless), name


# --- YAML of other tools, as it is written ------------------------------------------------------


def test_words_of_a_pasted_yaml_stay_words(folder: Path) -> None:
    report = told(f"{FACTORY}\nsystem: On\nseed: 007\n")
    lines = flags(report)
    assert lines["system"]["value"] == "On" and "--system On" in report["working"]
    assert lines["seed"]["value"] == "007"


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ("learning_rate: 1.0e-4\nlearning_rate: 5.0e-3\n", "`learning_rate`"),
        ("extra: &x [a]\n", "&x"),
        ("<<: {a: b}\n", "<<"),
        ("x: " + "[" * 2000, "32 lists"),
    ],
)
def test_a_yaml_that_says_two_things_is_refused_with_its_line(
    more: str, named: str, folder: Path
) -> None:
    """Pasted, or as the file of the command: no line of it is taken over."""
    text = "stage: sft\nmodel_name_or_path: pocket\ntemplate: qwen\nfinetuning_type: lora\n" + more
    Path("x.yaml").write_text(text, "utf-8")
    for report in (told(text), told("llamafactory-cli train x.yaml")):
        assert report["same_job"] is False and not report["flags"]
        notes = " ".join(note["en"] for note in report["notes"] if note["serious"])
        assert named in notes and "Line " in notes
