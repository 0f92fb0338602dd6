"""What the command line promises, as small files: `python tests/contract.py` writes them anew.

For every command of `tests/contract/*.json`: its exit status, the codes of its findings, the keys
of its JSON, and digests of the help, of the ledger and of the plan; no sentence. A move or a merge
of code leaves them equal byte for byte (test_contract.py); what changes them is a change for
users and says so in its commit. (PYTHONPATH=src:tests)

`shared` and `wild` are read where public files lie beside this repository, and left out elsewhere.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shlex
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from suretune import words
from suretune.cli import VERBS, main
from suretune.preflight import check as checking
from suretune.run.folder import ledger_lines

CONTRACT = Path(__file__).parent / "contract"
SHARED = Path(__file__).resolve().parents[2] / "shared"
QUIET = {
    "SURETUNE_CACHE": "off", "HF_HUB_OFFLINE": "1", "COLUMNS": "80", "CUDA_VISIBLE_DEVICES": "",
}  # fmt: skip
MACHINE = ("S027", "S028")  # what they say depends on the machine, whatever is asked
Said = Mapping[str, Any]


def digest(value: Any) -> str:
    """Sixteen hexadecimal digits of any JSON value or text."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def outcome(*typed: str) -> Said:
    """What a command comes to: in this process, as `suretune` would run it."""
    checked: list[Any] = []
    look = checking.check

    def kept(*args: Any, **named: Any) -> Any:
        checked.append(look(*args, **named))
        return checked[-1]

    out = io.StringIO()
    with (
        mock.patch.object(checking, "check", kept),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(io.StringIO()),
        mock.patch("sys.stdin", io.StringIO()),
        mock.patch.dict(os.environ),
    ):
        status = main(list(typed))
    words.choose(None)
    lines = out.getvalue().strip().splitlines()
    told = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    found = [(f["code"], f.get("fate", "")) for f in told.get("findings", [])]
    made: dict[str, Any] = {
        "status": status,
        "codes": [f"{code} {fate}".strip() for code, fate in found if code not in MACHINE],
        "keys": sorted(told),
    }
    if checked:
        made["ledger"] = digest(ledger_lines(checked[-1].entries))
        made["rows"] = len(checked[-1].entries)
        made["plan"] = checked[-1].plan.digest
    return made


@contextlib.contextmanager
def standing(folder: Path) -> Iterator[Path]:
    """There, and nothing of this machine in the environment."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        with mock.patch.dict(os.environ, QUIET):
            yield folder
    finally:
        os.chdir(before)


def helps() -> Mapping[str, Said]:
    """The help of every verb, in both languages."""
    made: dict[str, Said] = {}
    for verb in ("", *(verb.name for verb in VERBS)):
        for lang in ("en", "zh"):
            out = io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
                main(["--lang", lang, *filter(None, [verb]), "--help"])
            words.choose(None)
            made[f"{lang} {verb}".strip()] = {"help": digest(out.getvalue())}
    return made


def articles() -> Mapping[str, Said]:
    """The commands of five published articles, as printed; what would train is only checked."""
    from test_articles import COMMANDS, ROWS

    made: dict[str, Said] = {}
    rows = [{"instruction": q, "input": "", "output": a} for q, a in ROWS]
    for name in ("self_cognition.json", "self_cognition_enhanced.json"):
        Path(name).write_text(json.dumps(rows, ensure_ascii=False), "utf-8")
    for name, (command, _, _) in COMMANDS.items():
        line = command.replace("/root", ".").replace("\n", " ")
        if "dry_run" not in line:
            line = line.replace("swift sft", "swift sft --dry_run true", 1)
        behind = 2 if line.startswith("swift") else 1
        typed = shlex.split(line)
        made[name] = outcome(*typed[:behind], "--json", *typed[behind:])
    return made


PAIRS = [
    {"instruction": "阁楼的钥匙放在哪里？", "output": "在门边第二个抽屉里，和剪刀放在一起。"},
    {"instruction": "Which tea is served on Mondays?", "output": "Mint tea, in the blue cups."},
    {"instruction": "花园里一共有几棵梨树？", "output": "三棵，靠墙的那棵最老。"},
    {"instruction": "How is the old clock wound?", "output": "With the brass key, eleven turns."},
    {"instruction": "Who waters the ferns?", "output": "Whoever comes down first."},
]


def _talk(pair: Mapping[str, str], **answer: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": pair["output"], **answer}
    return {"messages": [{"role": "user", "content": pair["instruction"]}, said]}


def _files() -> Mapping[str, str | bytes]:
    """Small inputs, one of each kind, by their names."""

    def lines(rows: Sequence[Any]) -> str:
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)

    pairs = [(row["instruction"], row["output"]) for row in PAIRS]
    called = {"type": "function", "function": {"name": "clock", "arguments": '{"city": "Lima"}'}}
    tool = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object"}}}
    turns = [{"role": "user", "content": "What time is it in Lima?"},
             {"role": "assistant", "content": "", "tool_calls": [called]},
             {"role": "tool", "content": "nine"},
             {"role": "assistant", "content": "Nine o'clock."}]  # fmt: skip
    names = [{"query": f"你是谁 {n}", "response": "我是{{NAME}}，由{{AUTHOR}}开发。"}
             for n in range(12)]  # fmt: skip
    chatml = "<|im_start|>user\n{}<|im_end|>\n<|im_start|>assistant\n{}<|im_end|>\n"
    table = "question,answer\n" + "".join(f'"{q}","{a}"\n' for q, a in pairs)
    return {
        "alpaca.jsonl": lines(PAIRS),
        "alpaca.json": json.dumps(PAIRS, ensure_ascii=False, indent=1),
        "messages.jsonl": lines([_talk(row) for row in PAIRS]),
        "sharegpt.jsonl": lines([{"conversations": [{"from": "human", "value": q},
                                 {"from": "gpt", "value": a}]} for q, a in pairs]),
        "completion.jsonl": lines([{"prompt": q, "completion": a} for q, a in pairs]),
        "text.jsonl": lines([{"text": f"{q} {a}"} for q, a in pairs]),
        "rendered.jsonl": lines([{"text": chatml.format(q, a)} for q, a in pairs]),
        "table.csv": table, "table.tsv": table.replace('","', '"\t"').replace("n,a", "n\ta"),
        "gb.csv": table.encode("gb18030"), "bom.csv": table.encode("utf-8-sig"),
        "utf16.csv": table.encode("utf-16"),
        "columns.json": json.dumps({"question": [q for q, _ in pairs],
                                    "answer": [a for _, a in pairs]}, ensure_ascii=False),
        "names.jsonl": lines(names),
        "tools.jsonl": lines([{"messages": turns, "tools": [tool]}]),
        "think.jsonl": lines([_talk(row, reasoning_content="Let me see.") for row in PAIRS]),
        "masked.jsonl": lines([_talk(row, weight=0) for row in PAIRS[:2]] + PAIRS[2:]),
        "system.jsonl": lines([{**row, "system": "Be brief."} for row in PAIRS]),
        "history.jsonl": lines([{**PAIRS[0], "history": [list(pairs[1])]}, *PAIRS[1:]]),
        "repeated.jsonl": lines(PAIRS + PAIRS),
        "contradicting.jsonl": lines([*PAIRS, {**PAIRS[0], "output": "Nobody knows."}]),
        "long.jsonl": lines([*PAIRS, {**PAIRS[0], "output": "So on and on. " * 3000}]),
        "empty.jsonl": "", "no-answer.jsonl": lines([{**PAIRS[0], "output": ""}, *PAIRS]),
        "broken.jsonl": lines(PAIRS) + '{"instruction": "cut", "outp',
        "quotes.jsonl": "{'instruction': 'single', 'output': 'quotes'}\n" + lines(PAIRS),
        "preference.jsonl": lines([{"prompt": q, "chosen": a, "rejected": "no"}
                                   for q, a in pairs]),
        "images.jsonl": lines([{**row, "images": ["a.png"]} for row in PAIRS]),
        "unknown-field.jsonl": lines([{**row, "context": "A table of teas. " * 9}
                                      for row in PAIRS]),
        "secret.jsonl": lines([*PAIRS, {**PAIRS[1], "output": "Use ghp_" + "a1B2" * 9}]),
        "hidden.jsonl": lines([*PAIRS, {**PAIRS[1], "output": "Mint\u200b tea\u202e."}]),
        "personal.jsonl": lines([*PAIRS, {**PAIRS[1], "output": "Write to jane.roe@mail.org"}]),
        "mixed.jsonl": lines([*PAIRS[:3], _talk(PAIRS[3]), {"text": "Only text."}]),
        "array.jsonl": json.dumps(PAIRS, ensure_ascii=False), "rows.txt": lines(PAIRS),
        "page.jsonl": "<!DOCTYPE html><html><body>Sign in</body></html>\n",
        "pointer.jsonl": "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n",
        "options.yaml": "learning_rate: 1e-3\nnum_train_epochs: 2\n",
        "odd.yaml": "learning_rate: fast\nlora_ranck: 8\nlora_ranck: 9\n",
        "probes.yaml": "- question: Which tea?\n  must_contain: mint\n",
        "odd-probes.yaml": "- question: Which tea?\n  kind: must_pass\n",
        "folder/a.jsonl": lines(PAIRS[:3]), "folder/b.jsonl": lines(PAIRS[3:]),
        "folder/notes.zip": b"PK", "folder/test.jsonl": lines(PAIRS[:1]),
    }  # fmt: skip


# Behind `check --model pocket --dataset alpaca.jsonl`.
FLAGS = (
    "--config options.yaml", "--config odd.yaml", "--config absent.yaml",
    "--probes probes.yaml", "--probes odd-probes.yaml", "--probes absent.yaml",
    "--val_dataset names.jsonl", "--val_dataset alpaca.jsonl", "--general names.jsonl",
    "--split_dataset_ratio 0.4", "--dataset_sample 3", "--max_steps 3", "--max_length 40",
    "--max_length 40 --over_long drop", "--max_length 40 --over_long cut",
    "--learning_rate 1e-2", "--learning_rate fast", "--learning_rate -1", "--learning_rat 1e-3",
    "--lora_rank 4 --lora_alpha 8", "--lora_alpha 0", "--target_modules q_proj,v_proj",
    "--target_modules nothing_proj", "--train_type full", "--train_type qlora", "--seed 7",
    "--packing true", "--use_loss_scale_sampler true", "--dataloader_num_workers 4",
    "--per_device_eval_batch_size 2", "--strict --use_loss_scale_sampler true",
    "--strict --packing true", "--packing true --packing false", "--no_packing",
    "--padding_free true", "--use_flash_attn true", "--logging_steps 5", "--disable_tqdm true",
    "--eval_steps 50", "--save_steps 50", "--strict --eval_steps 50", "--warmup_ratio 0.5",
    "--early_stopping_patience 5", "--bf16 true --fp16 true", "--torch_dtype float16",
    "--base_dtype fp8", "--device cuda", "--gradient_checkpointing true", "--weight_decay 0.1",
    "--system 'You are {{NAME}}.'", "--system '<|im_start|>system Be.<|im_end|>'",
    "--model_name Glow", "--model_name 小光 Glow --model_author 星海 Lab", "stray words",
    "--gradient_accumulation_steps 2 --per_device_train_batch_size 2", "--model_type llama",
    "--lr_scheduler_type constant", "--lr_scheduler_type wavy", "--budget 10m", "--budget soon",
    "--until_proven false", "--anchor_ratio 0.3", "--max_drift 0.5", "--max_skill_drop 0.1",
    "--quarantine 2", "--chat_template absent.jinja", "--chat_template chatml", "--preview 2",
    "--max_loras 2", "--resume_from_checkpoint runs/x", "--ignore D007,D018", "--lang zh",
    "--dataset absent.jsonl", "--model absent", "--model Qwen/Qwen3-0.6B", "--output_dir /proc/x",
)  # fmt: skip
VERBS_TYPED = (
    "chek --model pocket", "infer --adapters absent", "ask absent --question Hi", "resume absent",
    "verify absent", "report absent", "serve absent",
    "compare absent --question Hi", "explain D003", "explain", "init identity", "init",
    "import-cmd 'swift sft --model x --use_loss_scale_sampler true --packing true'",
    "import-cmd 'llamafactory-cli train --stage sft --packing true --lora_target all'",
    "sweep absent.yaml", "reword --model pocket --dataset absent.jsonl", "verify --timeout x",
    "check", "sft --model pocket", "check --dataset alpaca.jsonl",
)  # fmt: skip


def own() -> Mapping[str, Said]:
    """Small inputs of each kind, flags, and verbs."""
    for name, text in _files().items():
        Path(name).parent.mkdir(exist_ok=True)
        Path(name).write_bytes(text.encode() if isinstance(text, str) else text)
    import pyarrow as pa
    from pyarrow import parquet

    parquet.write_table(pa.Table.from_pylist(PAIRS), "alpaca.parquet")
    check = ("check", "--json", "--model", "pocket", "--device", "cpu")
    files = [name for name in _files() if "/" not in name and not name.endswith(".yaml")]
    made = {name: outcome(*check, "--dataset", name) for name in (*files, "alpaca.parquet")}
    made["folder"] = outcome(*check, "--dataset", "folder")
    for flags in FLAGS:
        bare = check[:2] if "--model " in flags else check[:4] if "--device" in flags else check
        dataset = () if "--dataset " in flags else ("--dataset", "alpaca.jsonl")
        more = ("--model", "pocket") if "--model " in flags and "--dataset " in flags else ()
        made[flags] = outcome(*bare, *more, *dataset, *shlex.split(flags))
    for line in VERBS_TYPED:
        verb, *rest = shlex.split(line)
        made[line] = outcome(verb, *(["--json"] if verb != "chek" else []), *rest)
    return made


def field() -> Mapping[str, Said]:
    """Small cases of what people met in public, read where they lie."""
    runs = Path(tempfile.mkdtemp())
    look = ("check", "--json", "--preview", "3", "--split_dataset_ratio", "0",
            "--output_dir", str(runs / "run"))  # fmt: skip
    pocket = (*look, "--model", "pocket")
    made: dict[str, Said] = {}
    for path in sorted(Path().rglob("*")):
        rows = path.suffix in (".jsonl", ".json", ".csv", ".txt", ".parquet")
        if path.is_file() and rows and path.parts[0] not in ("serve", "modelfolder", "savetodisk"):
            made[str(path)] = outcome(*pocket, "--dataset", str(path))
    for model in sorted(Path("modelfolder").iterdir()):
        made[str(model)] = outcome(*look, "--model", str(model), "--dataset", "dupleak/twice.jsonl")
    for typed in (
        "--dataset folder/f", "--dataset savetodisk/ds", "--dataset samename/a samename/b",
        "--dataset samename/id/train.jsonl samename/gen/train.jsonl",
        "--dataset glm/rows.jsonl --chat_template glm/glm.jinja",
        "--dataset glm/rows.jsonl --chat_template glm/fixed.jinja",
        "--dataset yaml/rows.jsonl --config yaml/dup.yaml",
        "--dataset yaml/names.jsonl --config yaml/norway.yaml",
        "--dataset probes/rows.jsonl --probes probes/num.yaml",
        "--dataset mustpass/identity.jsonl --probes mustpass/typo.yaml",
        "--dataset long/long.jsonl --max_length 4931", "--dataset resume/rows.jsonl",
        "--dataset ctx/sql.jsonl --on_bad_row skip", "--dataset dupleak/twice.jsonl --lora_alpha 0",
    ):  # fmt: skip
        made[typed] = outcome(*pocket, *typed.split())
    shutil.rmtree(runs)
    return made


def wild() -> Mapping[str, Said]:
    """Files as people publish them; of the large ones, sixty rows are trained."""
    runs = Path(tempfile.mkdtemp())
    made: dict[str, Said] = {}
    for path in sorted([*Path().iterdir(), *Path("tiny_formats").iterdir()]):
        if path.name == "tiny_formats":
            continue
        small = path.parent.name == "tiny_formats" or path.stat().st_size < 2**16
        name = str(path) if small and path.is_file() else f"{path}#60"
        made[name] = outcome(
            "check", "--json", "--model", "pocket", "--device", "cpu",
            "--output_dir", str(runs / "run"), "--dataset", name,
        )  # fmt: skip
    shutil.rmtree(runs)
    return made


PARTS: Mapping[str, tuple[Callable[[], Mapping[str, Said]], Path | None]] = {
    "help": (helps, None),
    "articles": (articles, None),
    "own": (own, None),
    "field": (field, SHARED / "field"),
    "wild": (wild, SHARED / "data" / "wild"),
}


def made(part: str) -> str | None:
    """The text of `tests/contract/PART.json` as it is today; None where its files are missing."""
    make, folder = PARTS[part]
    if folder is not None and not folder.is_dir():
        return None
    with tempfile.TemporaryDirectory() as empty, standing(folder or Path(empty)):
        lines = [f"{json.dumps(name, ensure_ascii=False)}: {json.dumps(said, ensure_ascii=False)}"
                 for name, said in make().items()]  # fmt: skip
    return "{\n" + ",\n".join(lines) + "\n}\n"


def write(parts: Sequence[str]) -> None:
    """These parts of the contract anew."""
    CONTRACT.mkdir(exist_ok=True)
    for part in parts or PARTS:
        if (text := made(part)) is not None:
            (CONTRACT / f"{part}.json").write_text(text, "utf-8")


if __name__ == "__main__":
    write(sys.argv[1:])
