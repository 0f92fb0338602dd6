"""`suretune explain` knows the messages that people paste from other tools."""

from __future__ import annotations

import re

import pytest

from conftest import within
from suretune.guards import all_guards
from suretune.guards.messages import MESSAGES, Message, treated

NAMES = {guard.code: guard.name for guard in all_guards()}
PASTED = [
    ("FileNotFoundError: [Errno 2] No such file or directory: 'self_cognition.json'", "D001"),
    ("ValueError: local path does not exist", "D001"),
    ("model not found", "S001"),
    ("OSError: Can't load tokenizer for 'Qwen2.5-7B-Instruct'. If you were trying", "S001"),
    ("SyntaxError: Unexpected token } in JSON at position 12", "D005"),
    ("json.decoder.JSONDecodeError: Expecting ',' delimiter: line 3 column 5", "D005"),
    ("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.32 GiB", "S019"),
    ("ValueError: Cannot find adapter config file", "S014"),
    ("ValueError: Can't find 'adapter_config.json' at '/root/output'", "S014"),
    ("ValueError: Expected more than 1 value per channel when training, got input", "S018"),
    ("{'loss': nan, 'grad_norm': nan, 'epoch': 0.3}", "T001"),
    ("probability tensor contains either `inf`, `nan` or element < 0", "R005"),
    ("the model still answers 我是阿里云开发的通义千问", "R003"),
    ("我是由{{AUTHOR}}训练的", "R003"),
    ("the model repeats itself and never stops", "S023"),
    ("[WARNING] Dataset alpaca-gpt4-data-zh loaded only 47 samples (expected 500)", "D004"),
    ("[INFO] Loaded 0 samples from dataset", "D004"),
    ("MaxLengthError: Current length of row(3071) is larger than the max_length(2048).", "D004"),
    ("it hangs, no answer at all", "S027"),
    ("ValueError: remaining_argv: ['--train_type', 'lora']", "C001"),
    ("'TrainerState' object has no attribute 'last_model_checkpoint'", "S005"),
    ("RuntimeError: CUDA error: device-side assert triggered", "S026"),
    ("OSError: [Errno 28] No space left on device", "S016"),
    ("AssertionError: Torch not compiled with CUDA enabled", "S010"),
    ("ValueError: LoRA rank 64 is greater than max_lora_rank 16.", "V001"),
]


@pytest.mark.parametrize(("pasted", "code"), PASTED)
def test_a_pasted_message_leads_to_its_guard(pasted: str, code: str) -> None:
    found = treated(f"  File x.py, line 3\n{pasted}\n")
    assert found is not None and found.code == code


@pytest.mark.parametrize("known", MESSAGES, ids=lambda known: known.code)
def test_cause_and_cure_are_told_in_both_languages(known: Message) -> None:
    assert known.code in NAMES
    for text in (known.cause, known.cure):
        assert not re.search("[\u4e00-\u9fff]", text.en) and re.search("[\u4e00-\u9fff]", text.zh)
        assert "！" not in text.zh and text.en.endswith((".", ")"))
    assert "`" in known.cure.en and "`" in known.cure.zh
    assert any(treated(pasted) is known for pasted, _ in PASTED), "nothing leads here"


@pytest.mark.parametrize("words", ["", "hello", "everything is fine", "X999", "finance"])
def test_what_nobody_knows_is_not_explained(words: str) -> None:
    assert treated(words) is None


def test_the_command_line_explains_a_message() -> None:
    done = within("explain", "RuntimeError: CUDA out of memory. Tried to allocate 2 GiB")
    assert done.returncode == 0 and done.stdout.startswith("S019 out-of-memory: ")
    assert "suretune explain S019" in done.stdout
    chinese = within("explain", "ValueError: remaining_argv: ['--dry_run']", "--lang", "zh")
    assert chinese.returncode == 0 and "不认识" in chinese.stdout
    assert within("explain", "hello").returncode == 2
