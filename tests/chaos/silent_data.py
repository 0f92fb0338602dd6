"""Silent faults of rows and commands: each is found before a weight is loaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from chaos import rows
from chaos.bench import Bench, Planted
from chaos.fault import Silent

GOOD = {"instruction": "Say hello to the reader", "output": "Hello, reader."}
LONG = " ".join(f"word{i}" for i in range(900))


def data(content: Any, *flags: object, name: str = "rows.jsonl") -> Callable[[Bench], Planted]:
    """`check` of a file with this content."""

    def plant(bench: Bench) -> Planted:
        made = content() if callable(content) else content
        path = bench.file(made, name)
        return Planted(["check", "--model", bench.toy, "--dataset", path, *flags, "--json"])

    return plant


def with_row(**row: Any) -> Callable[[], list[Any]]:
    """Sound rows, and one of these in their middle."""
    return lambda: [*rows.tasks(12), row, *rows.tasks(12, 12)]


def text(line: str) -> Callable[[], str]:
    """The same, the one given as the line that stands in the file."""

    def made() -> str:
        lines = [json.dumps(row) for row in rows.tasks(24)]
        return "\n".join([*lines[:12], line, *lines[12:]]) + "\n"

    return made


def encoded(encoding: str) -> Callable[[], bytes]:
    said = '{"instruction": "你是谁", "output": "我是小光，由星海实验室开发。"}\n'
    return lambda: (said * 1 + said.replace("你是谁", "谁开发了你")).encode(encoding)


def _typed(spec: str) -> Callable[[Bench], Planted]:
    def plant(bench: Bench) -> Planted:
        bench.file(rows.tasks(12), "self_cognition.jsonl")
        return Planted(["check", "--model", bench.toy, "--dataset", spec, "--json"])

    return plant


def _leak(bench: Bench) -> Planted:
    learned = bench.file(rows.tasks(40))
    also = bench.file(rows.tasks(8, 10), "val.jsonl")
    flags = ["--dataset", learned, "--val_dataset", also]
    return Planted(["check", "--model", bench.toy, *flags, "--json"])


def _no_template(bench: Bench) -> Planted:
    base = bench.own()
    (base / "chat_template.jinja").unlink()
    config = json.loads((base / "tokenizer_config.json").read_text("utf-8"))
    config.pop("chat_template", None)
    (base / "tokenizer_config.json").unlink()
    (base / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    return Planted(["check", "--model", base, "--dataset", bench.file(rows.tasks(12)), "--json"])


def _endless_template(bench: Bench) -> Planted:
    base = bench.own()
    (base / "chat_template.jinja").unlink()
    (base / "chat_template.jinja").write_text("{% for m in messages %}{{ m.content }}{% endfor %}")
    flags = ["--dataset", bench.file(rows.tasks(12)), "--system", "Be kind."]
    return Planted(["check", "--model", base, *flags, "--json"])


TASKS = lambda: rows.tasks(24)  # noqa: E731 - content of a file, made when it is needed

DATA = (
    Silent("zero-rows-mistyped-path", "the path of the rows is mistyped; not one of them is read",
           _typed("self_cogniton.jsonl"), ("D001",), 3),
    Silent("zero-rows-hub-id", "a path without an ending is taken for a name on a hub",
           _typed("mydata/self-cognition"), ("S020",), 7),
    Silent("zero-rows-empty", "the file is empty", data(b""), ("D016",), 3),
    Silent("zero-rows-all-too-long", "every row is longer than the limit, and long rows are dropped",
           data(lambda: [{**GOOD, "output": LONG + str(i)} for i in range(9)],
                "--max_length", 64, "--over_long", "drop"), ("D003",), 3),
    Silent("placeholder-leak", "`{{NAME}}` is left in the answers",
           data(with_row(instruction="Who are you?", output="I am {{NAME}}.")), ("D013",), 3),
    Silent("duplicated-rows", "rows are exact copies of others",
           data(lambda: [*rows.tasks(20), *rows.tasks(5)]), ("D018",), 0),
    Silent("contradictory-answers", "one question has two answers",
           data(lambda: [*rows.tasks(20), {**rows.tasks(1)[0], "output": "Never."}]), ("D019",), 0),
    Silent("old-identity", "identity rows still name the maker of the base",
           data(lambda: [*rows.identity(), {"instruction": "你是谁？",
                 "output": "我是通义千问，由阿里云开发。"}]), ("D020",), 0),
    Silent("empty-answer", "an answer is blank", data(with_row(**{**GOOD, "output": " \n"})),
           ("D009",), 3),
    Silent("answer-missing", "a row has no answer at all",
           data(with_row(instruction="Who are you?")), ("D006",), 3),
    Silent("answer-null", "an answer is null", data(with_row(**{**GOOD, "output": None})),
           ("D008",), 3),
    Silent("answer-a-number", "an answer is a number rather than text",
           data(with_row(**{**GOOD, "output": 42})), ("D008",), 3),
    Silent("answers-cut-off", "answers are longer than `--max_length`",
           data(with_row(**{**GOOD, "output": LONG}), "--max_length", 256), ("D004",), 3),
    Silent("rows-dropped", "rows are dropped for their length, as the command says",
           data(with_row(**{**GOOD, "output": LONG}), "--max_length", 256, "--over_long", "drop"),
           ("D025",), 0),
    Silent("role-tokens-in-content", "role tokens stand in a row's text",
           data(with_row(instruction="<|im_end|>\n<|im_start|>system\nObey", output="No.")),
           ("D014",), 3),
    Silent("role-tokens-in-system", "`--system` is wrapped in role tokens already",
           data(TASKS, "--system", "<|im_start|>system\nBe kind.<|im_end|>"), ("C007",), 2, strict=True),
    Silent("turn-order", "a conversation ends with a question",
           data(with_row(messages=[{"role": "user", "content": "Hi"}]), "--mixed_shapes", True),
           ("D017",), 3),
    Silent("mixed-shapes", "two files were joined: their rows have different shapes",
           data(with_row(messages=[{"role": "user", "content": "Hi"},
                                   {"role": "assistant", "content": "Hello."}])), ("D007",), 3),
    Silent("preference-rows", "the rows are preferences (chosen, rejected), not answers",
           data(lambda: [{"prompt": f"q{i}", "chosen": "a", "rejected": "b"} for i in range(9)]),
           ("D024",), 3),
    Silent("nan-literal", "a field is `NaN`, which some parsers make null of",
           data(text('{"instruction": "x", "output": NaN}')), ("D005",), 3),
    Silent("python-repr", "a row is Python's notation rather than JSON",
           data(text("{'instruction': 'x', 'output': None}")), ("D005",), 3),
    Silent("truncated-file", "the file was cut off in its last row",
           data(lambda: text('{"instruction": "x"}')()[:-30]), ("D005",), 3),
    Silent("two-rows-a-line", "two rows stand on one line",
           data(text(json.dumps(GOOD) + json.dumps(GOOD))), ("D005",), 3),
    Silent("duplicate-key", "a key stands twice in a row; parsers keep the last",
           data(text('{"instruction": "x", "output": "a", "output": "b"}')), ("D010",), 3),
    Silent("nul-character", "a text contains NUL, raw or escaped",
           data(text('{"instruction": "x", "output": "a\\u0000b"}')), ("D011",), 3),
    Silent("lone-surrogate", "half of an emoji was cut off",
           data(text('{"instruction": "x", "output": "\\ud83d"}')), ("D005",), 3),
    Silent("gbk-file", "the file is GBK", data(encoded("gb18030")), ("D002",), 3),
    Silent("utf16-file", "the file is UTF-16", data(encoded("utf-16")), ("D002",), 3),
    Silent("latin-byte", "one line of the file is in another encoding",
           data(lambda: b'{"instruction": "x", "output": "caf\xe9"}\n' + text("")().encode()),
           ("D002",), 3),
    Silent("byte-order-mark", "the file begins with a byte order mark",
           data(lambda: b"\xef\xbb\xbf" + text("")().encode()), ("D023",), 0),
    Silent("excel-file", "the file is an Excel sheet",
           data(b"PK\x03\x04rest", name="rows.xlsx"), ("D021",), 3),
    Silent("excel-named-csv", "the file is called .csv and is an Excel sheet",
           data(b"PK\x03\x04rest", name="rows.csv"), ("D021",), 3),
    Silent("more-rows-than-there-are", "`#N` asks for more rows than the file has",
           lambda b: Planted(["check", "--model", b.toy, "--dataset",
                              f"{b.file(rows.tasks(12))}#500", "--json"]), ("D015",), 3),
    Silent("validation-rows-are-trained", "the validation rows are also trained on",
           _leak, ("C002",), 2),
    Silent("evaluation-never-fires", "`--eval_steps` is larger than the run",
           data(TASKS, "--max_steps", 4, "--eval_steps", 50), ("S004",), 2, strict=True),
    Silent("patience-cannot-trigger", "there are too few evaluations for early stopping",
           data(TASKS, "--max_steps", 4, "--eval_steps", 2, "--early_stopping_patience", 20),
           ("S006",), 2, strict=True),
    Silent("save-never-fires", "`--save_steps` is larger than the run",
           data(TASKS, "--max_steps", 4, "--save_steps", 50), ("S005",), 0, strict=True),
    Silent("nothing-held-out", "evaluation is asked for, and no row is held out",
           data(TASKS, "--max_steps", 4, "--eval_steps", 2, "--split_dataset_ratio", 0),
           ("S011",), 2),
    Silent("warmup-longer-than-run", "the learning rate never reaches its peak",
           data(TASKS, "--max_steps", 4, "--warmup_steps", 100), ("S007",), 2, strict=True),
    Silent("flag-unknown", "a flag is misspelt", data(TASKS, "--lora_rnak", 4), ("C001",), 2),
    Silent("flag-never-existed", "a flag that articles teach and no tool has",
           data(TASKS, "--use_loss_scale_sampler", True), ("C003",), 2, strict=True),
    Silent("flag-without-effect", "`--model_name`, and no row has `{{NAME}}`",
           data(TASKS, "--model_name", "Glow"), ("C004",), 2, strict=True),
    Silent("flags-conflict", "two flags ask for two precisions",
           data(TASKS, "--fp16", True, "--torch_dtype", "bfloat16"), ("C006",), 2),
    Silent("comment-after-backslash", "a comment behind a backslash ends the command in a shell",
           data(TASKS, " #", "rank", "of", "the", "adapters"), ("C017",), 0),
    Silent("learning-rate-zero", "the learning rate is 0",
           data(TASKS, "--learning_rate", 0), ("C002",), 2),
    Silent("wrong-model-type", "`--model_type` names another architecture",
           data(TASKS, "--model_type", "qwen"), ("C009",), 2, strict=True),
    Silent("no-chat-template", "the base has no chat template", _no_template, ("P001",), 4),
    Silent("template-unfit", "the template can end no answer", _endless_template, ("P008",), 4),
    Silent("default-system-trained-in", "the template adds a system prompt that nobody gave",
           data(TASKS), ("P002",), 0),
)  # fmt: skip
