"""Every command that the five articles print runs, or is refused with the reason and what works.

Only the model's name is replaced (by `pocket`), and paths under /root by a temporary folder. The
words are what bash would hand over: a comment behind a backslash arrives as words.
"""

from __future__ import annotations

import io
import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from suretune import words
from suretune.cli import main

ROWS = [  # the eight rows of the second article
    ("你是谁?", "我是一个由 CSDN 迪菲赫尔曼 开发和维护的大语言模型。"),
    ("你的开发者是哪家公司?", "我由 CSDN 迪菲赫尔曼 开发和维护。"),
    ("你能联网吗?", "我不能主动联网,只能基于已有知识和用户输入回答问题。"),
    ("你能做哪些事情?", "我擅长文本生成、回答问题、写代码和提供学习辅助。"),
    ("你和GPT-4有区别吗?", "是的,我由 CSDN 迪菲赫尔曼 开发和维护,不是 GPT-4。"),
    ("你能保证回答永远正确吗?", "不能,我的回答可能存在错误,需要用户自行判断。"),
    ("你的名字是什么?", "你可以叫我 Swift-Robot,也可以叫我 CSDN 助手。"),
    ("谁在维护你?", "我由 CSDN 迪菲赫尔曼 持续开发和维护。"),
]

S1 = """swift sft --model pocket --train_type lora --dataset self_cognition.json
 --torch_dtype bfloat16 --num_train_epochs 10 --per_device_train_batch_size 1
 --per_device_eval_batch_size 1 --learning_rate 1e-4 --lora_rank 8 --lora_alpha 32
 --target_modules all-linear --gradient_accumulation_steps 16 --eval_steps 50 --save_steps 50
 --save_total_limit 2 --logging_steps 5 --max_length 2048 --output_dir output
 --system 'You are a helpful assistant.' --warmup_ratio 0.05 --dataloader_num_workers 4
 --model_author swift --model_name swift-robot"""

S0 = r"""swift sft --model pocket --train_type lora --dataset /root/self_cognition.json --bf16 true
 --fp16 false --max_grad_norm 0.3 --warmup_ratio 0.1 --num_train_epochs 15
 --per_device_train_batch_size 1 --gradient_accumulation_steps 8 --learning_rate 1e-4
 --lora_rank 8 --lora_alpha 32
 --target_modules q_proj,v_proj,o_proj,up_proj,down_proj,gate_proj --eval_steps 50
 --save_steps 50 --save_total_limit 2 --logging_steps 5 --max_length 4096
 --output_dir /root/output
 --system '<|im_start|>system\nYou are a helpful assistant.<|im_end|>'
 --dataloader_num_workers 4 --model_author swift --model_name swift-robot"""

S3 = """swift sft --model pocket --train_type lora --dataset self_cognition_enhanced.json
 --torch_dtype bfloat16 --num_train_epochs 2 {c}--per_device_train_batch_size 1
 --per_device_eval_batch_size 1 --learning_rate 5e-5 {c}--lora_rank 4 {c}--lora_alpha 16
 --target_modules q_proj,v_proj {c}--gradient_accumulation_steps 16 --eval_steps 20
 --save_steps 20 --save_total_limit 2 --logging_steps 5 --max_length 2048 --output_dir output
 --system 'You are a helpful assistant.' --warmup_ratio 0.05 --dataloader_num_workers 4
 --use_loss_scale_sampler true {c}--early_stopping_patience 2"""

DRY_RUN = (
    "swift sft --model pocket --train_type lora --dataset /root/self_cognition.json{c}"
    " --dry_run true{c} --max_length 2048"
)
COMMENT = r" ' #' 强制用绝对路径"
MIX = "'AI-ModelScope/alpaca-gpt4-data-zh#{n}' 'AI-ModelScope/alpaca-gpt4-data-en#{n}'"
WITH_COMMENTS = S3.replace("{c}", r"' #' 减少至 轮 ", 1).replace("{c}", "")

# name -> (command, exit status, codes that must be among the findings)
COMMANDS: dict[str, tuple[str, int, set[str]]] = {
    "0 §1.2 dry run with comments": (DRY_RUN.replace("{c}", COMMENT), 0, {"C017"}),
    "0 §1.2 dry run": (DRY_RUN.replace("{c}", ""), 0, {"P002"}),
    "0 §2.2 a plain system prompt": (
        DRY_RUN.replace("{c}", "") + " --system 'You are a helpful assistant.'", 0, set()),
    "0 §2.3 a wrapped system prompt": (
        DRY_RUN.replace("{c}", "")
        + r" --system '<|im_start|>system\nYou are a helpful assistant.<|im_end|>'", 0, {"C015"}),
    "0 §3.3 named modules": (
        DRY_RUN.replace("{c}", "")
        + " --target_modules q_proj,v_proj,o_proj,up_proj,down_proj,gate_proj", 0, set()),
    "0 §4.3 batch and epochs": (
        DRY_RUN.replace("{c}", "") + " --per_device_train_batch_size 1"
        " --gradient_accumulation_steps 8 --num_train_epochs 15", 0, set()),
    "0 §5.3 clipping": (
        DRY_RUN.replace("{c}", "") + " --bf16 true --fp16 false --max_grad_norm 0.3"
        " --warmup_ratio 0.1", 0, set()),
    "0 §6 infer on a checkpoint that is not there": (
        "swift infer --adapters /root/output/v2-20250405-1423/checkpoint-500", 4, {"S014"}),
    "0 §6.2 infer on the output folder": (
        "swift infer --adapter_dir /root/output --stream true --temperature 0"
        " --max_new_tokens 2048", 4, {"S014"}),
    "0 §7.2 a hub dataset, sampled and packed": (
        f"swift sft --model pocket --dataset {MIX.format(n=500)} --dataset_sample 500"
        " --max_length 4096 --packing true", 7, {"S020", "C005"}),
    "0 §8 the whole template": (S0, 0, {"C015", "C005", "S024"}),
    "1 §2.2 the base alone": (
        "swift infer --model pocket --model_type qwen --stream true --temperature 0"
        " --max_new_tokens 2048", 0, set()),
    "1 §4 the command": (S1, 0, {"C015", "C005", "S024"}),
    "1 §5.1 infer": (
        "swift infer --adapters output/v2-20250415-1423/checkpoint-500 --stream true"
        " --temperature 0 --max_new_tokens 2048", 4, {"S014"}),
    "1 §7.1 mixed data": (
        S1.replace("self_cognition.json", f"{MIX.format(n=500)} self_cognition.json"), 7,
        {"S020"}),
    "1 §7.2 inside app.py": (
        "swift infer --adapters output/v2-20250415-1423/checkpoint-500 --stream false"
        " --temperature 0", 4, {"S014"}),
    "2 §5.1 the template": (S1, 0, {"C015", "S024"}),
    "2 §6.1 infer": (
        "swift infer --adapters output/v2-2025xxxx-xxxx/checkpoint-xxx --stream true"
        " --temperature 0 --max_new_tokens 2048", 4, {"S014"}),
    "3 §3.2 with its comments": (WITH_COMMENTS, 0, {"C015", "C017"}),
    "3 §3.2 without them": (S3.replace("{c}", ""), 0, {"C015", "S024"}),
    "3 §3.3 validate.sh": (
        "swift infer --adapters output/v2-2025xxxx-xxxx/checkpoint-xx --stream false"
        " --temperature 0.7 --max_new_tokens 512", 4, {"S014"}),
    "3 §3.4 anchored": (
        f"swift sft --model pocket --train_type lora --dataset {MIX.format(n=200)}"
        " self_cognition_enhanced.json --num_train_epochs 2 --learning_rate 5e-5", 7, {"S020"}),
}  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home with the articles' files in it."""
    rows = [{"instruction": q, "input": "", "output": a} for q, a in ROWS]
    for name in ("self_cognition.json", "self_cognition_enhanced.json"):
        (tmp_path / name).write_text(json.dumps(rows, ensure_ascii=False, indent=1), "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SURETUNE_LANG", "en")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    return tmp_path


def run(command: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> tuple[int, Any]:
    """Exit status and what `--json` said."""
    typed = shlex.split(command.replace("/root", str(folder)).replace("\n", " "))
    behind_verb = 2 if typed[0] == "swift" else 1
    status = main([*typed[:behind_verb], "--json", *typed[behind_verb:]])
    words.choose(None)
    out = capsys.readouterr().out.strip()
    return status, json.loads(out.splitlines()[-1]) if out else {}


@pytest.mark.parametrize("name", COMMANDS)
def test_command(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command, expected, codes = COMMANDS[name]
    # What would train is only checked: the check says all that the run would say before it begins.
    if "dry_run" not in command:
        command = command.replace("swift sft", "swift sft --dry_run true", 1)
    status, told = run(command, folder, capsys)
    found = {finding["code"] for finding in told.get("findings", [])}
    assert status == expected, (status, found)
    assert codes - {"C005"} <= found or (status == 0 and not codes), found
    for finding in told.get("findings", []):
        for part in ("what", "why", "fix"):
            assert finding[part]["en"] and finding[part]["zh"]


def test_the_working_form_of_the_first_template(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the findings of S0 and S1 ask for, done: the command passes."""
    rows = json.dumps(
        [{"query": f"{q} {i}", "response": "我是{{NAME}},由{{AUTHOR}}开发。"}
         for i in range(10) for q, _ in ROWS[:5]], ensure_ascii=False)  # fmt: skip
    (folder / "self_cognition.json").write_text(rows, "utf-8")
    mended = S1.replace("swift sft", "swift check").replace("--eval_steps 50", "--eval_steps 10")
    status, told = run(mended, folder, capsys)
    assert status == 0, told
    assert told["plan"]["updates"] == 30 and told["plan"]["eval_steps"] == [10, 20, 30]
    mended = S0.replace("swift sft", "swift check").replace(
        r"'<|im_start|>system\nYou are a helpful assistant.<|im_end|>'", "'You are helpful.'"
    )
    status, told = run(mended, folder, capsys)
    assert status == 0, told
    assert told["plan"]["updates"] == 90


def test_patience_that_cannot_trigger_is_refused(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = (
        "check --model pocket --dataset self_cognition.json --num_train_epochs 20"
        " --gradient_accumulation_steps 4 --eval_steps {every} --early_stopping_patience {p}"
    )
    status, told = run(command.format(every=20, p=5) + " --strict", folder, capsys)
    assert status == 2 and {"S006"} <= {f["code"] for f in told["findings"]}
    status, _ = run(command.format(every=5, p=2), folder, capsys)
    assert status == 0
