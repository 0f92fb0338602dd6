"""What can be asked about the model and the rows. See `options.py`."""

from __future__ import annotations

from dataclasses import dataclass

from suretune.option import option


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Model"""

    model: str = option(
        "",
        "a folder, a hub id (Qwen/Qwen2.5-7B-Instruct), or `pocket`, the bundled model",
        "模型文件夹、下载站上的名字（Qwen/Qwen2.5-7B-Instruct），或内置的 `pocket`",
        "model_name_or_path",
        "model_id_or_path",
    )
    hub: str = option(
        "auto",
        "where names like owner/name are looked for; hf:: or ms:: in front of one says it for it",
        "owner/name 这样的名字到哪里找；在名字前写 hf:: 或 ms:: 只对它生效",
        choices=("auto", "hf", "ms"),
    )
    model_type: str | None = option(
        None,
        "checked against the model's config.json; the model itself says what it is",
        "只用来与模型的 config.json 核对；模型类型由模型自己决定",
    )
    torch_dtype: str | None = option(
        None,
        "precision of the base: bfloat16 on a GPU that has it, float32 on a CPU",
        "原模型的精度：支持的 GPU 上用 bfloat16，CPU 上用 float32",
        "dtype",
        choices=("bfloat16", "float16", "float32"),
        values={"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"},
    )
    bf16: bool | None = option(
        None,
        "the same as --torch_dtype bfloat16",
        "等于 bfloat16",
    )
    fp16: bool | None = option(
        None,
        "the same as --torch_dtype float16",
        "等于 float16",
    )
    device: str | None = option(
        None,
        "where to compute",
        "在哪里计算",
        choices=("cpu", "cuda"),
    )
    chat_template: str | None = option(
        None,
        "a Jinja file to use in place of the tokenizer's own template",
        "用这个 Jinja 文件代替分词器自带的对话模板",
    )
    template: str | None = option(
        None,
        "no effect: what other tools call a template; the model brings its own",
        "不起作用：别的工具里的模板名；模型自带对话模板",
    )


@dataclass(frozen=True, slots=True)
class DataOptions:
    """Data"""

    dataset: tuple[str, ...] = option(
        (),
        "files or folders, `path[#N]`; several are mixed",
        "数据文件或文件夹，`路径[#条数]`；可以给多个，混合训练",
        "train_file",
    )
    val_dataset: tuple[str, ...] = option(
        (),
        "held-out rows, never trained on",
        "留出的验证数据，不参与训练",
    )
    split_dataset_ratio: float | None = option(
        None,
        "share of the rows held out when there is no --val_dataset",
        "没有 --val_dataset 时，从训练数据中留出的比例",
        least=0.0,
        most=0.9,
    )
    dataset_sample: int | None = option(
        None,
        "rows to take of each dataset that has no #N",
        "每个没有写 #N 的数据集取多少条",
        least=1,
    )
    repeat: bool = option(
        False,
        "let #N ask for more rows than there are, by repeating them",
        "允许 #N 大于实际条数（重复使用）",
    )
    paraphrases: int | None = option(
        None,
        "learn each short question in up to N other wordings as well, made by templates: see"
        " docs/data.md; chosen when not given",
        "每个短问题再用模板换出最多 N 种问法一起训练，见 docs/data.md；不写则自动选择",
        least=0,
        most=5,
    )
    columns: tuple[str, ...] = option(
        (),
        "read fields under other names: `question=query answer=response`; `id=` leaves one out",
        "把数据里的字段读成别的名字：`question=query answer=response`；`id=` 表示不使用这个字段",
    )
    encoding: str = option("utf-8", "of text files", "文本文件的编码")
    mixed_shapes: bool = option(
        False,
        "accept rows of several shapes in one file",
        "允许一个文件里有多种格式的行",
    )
    on_bad_row: str = option(
        "refuse",
        "what to do with a row that cannot be used; either way the ledger names it",
        "遇到不能用的行怎么办；两种做法都会在数据清单（ledger.jsonl）里逐行列出",
        choices=("refuse", "skip"),
    )
    ignore_fields: tuple[str, ...] = option(
        (),
        "fields of rows and turns that are left out on purpose: `a,b`; without this, one with a"
        " fifth of the text stops the run",
        "有意不用的字段（行和轮次都算），写成 `a,b`；"
        "不写明时，遇到占文字两成以上而没用到的字段就停止",
    )
    model_name: tuple[str, ...] = option(
        (),
        "fills {{NAME}} in the rows: one value, or zh and en",
        "填入数据里的 {{NAME}}：一个值，或中文、英文各一个",
        once=True,
    )
    model_author: tuple[str, ...] = option(
        (),
        "fills {{AUTHOR}} in the rows: one value, or zh and en",
        "填入数据里的 {{AUTHOR}}：一个值，或中文、英文各一个",
        once=True,
    )
    system: str | None = option(
        None,
        "system prompt of rows that bring none, as plain text",
        "没有自带系统提示词的行使用的系统提示词，写纯文本即可",
    )
    strip_role_tokens: bool = option(
        False,
        "take role tokens such as <|im_start|> out of the rows' text",
        "去掉数据文字里的 <|im_start|> 等角色标记",
    )
    think: str | None = option(
        None,
        "thoughts of rows: keep learns them as they are, and answers without one behind the prompt"
        " without thoughts; drop takes them out; empty lets answers without one learn an empty one"
        " of the template's, so that the model answers at once",
        "数据里的思考过程：keep 原样学习，没有思考的回答则接在关闭思考的提示词后面；drop 去掉；"
        "empty 让没有思考的回答学习模板的空思考，模型会直接作答",
        choices=("keep", "drop", "empty"),
    )
    max_length: int | None = option(
        None,
        "most tokens a row may have (the model's context when not given)",
        "一行最多多少 token（不写就是模型的上下文长度）",
        "cutoff_len",
        "max_seq_length",
        least=8,
    )
    over_long: str = option(
        "refuse",
        "rows over --max_length: refuse the run if they are more than 1 %, drop them, or cut them",
        "超过 --max_length 的行：超过 1% 就拒绝运行（refuse）、丢弃（drop）或截短（cut）",
        "truncation_strategy",
        choices=("refuse", "drop", "cut"),
        values={"raise": "refuse", "delete": "drop", "left": "cut"},
    )
