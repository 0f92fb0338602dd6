"""What can be asked. Each option is written once, here: flags, YAML, help and docs come from it.

`None` stands for `auto`: the run chooses, and says what and why.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from suretune.types import Text


def option(
    default: Any,
    en: str,
    zh: str,
    *aliases: str,
    choices: tuple[str, ...] = (),
    least: float | None = None,
    most: float | None = None,
    values: Mapping[str, str] | None = None,
) -> Any:
    """A dataclass field with its help in two languages.

    `least` is the smallest number allowed, `choices` the words allowed, `values` other tools'
    words for them.
    """
    about = {
        "help": Text(en, zh),
        "aliases": aliases,
        "choices": choices,
        "least": least,
        "most": most,
    }
    return field(default=default, metadata={**about, "values": values or {}})


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """Model"""

    model: str = option(
        "",
        "a folder, a hub id (Qwen/Qwen2.5-7B-Instruct), or `pocket`, the bundled model",
        "模型文件夹、hub 上的名字(Qwen/Qwen2.5-7B-Instruct),或内置的 `pocket`",
        "model_name_or_path",
        "model_id_or_path",
    )
    model_type: str | None = option(
        None,
        "checked against the model's config.json; the model itself says what it is",
        "只用来与模型的 config.json 核对;模型类型由模型自己决定",
    )
    torch_dtype: str | None = option(
        None,
        "precision of the base: bfloat16 on a GPU that has it, float32 on a CPU",
        "基座模型的精度:支持的 GPU 上用 bfloat16,CPU 上用 float32",
        "dtype",
        choices=("bfloat16", "float16", "float32"),
        values={"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"},
    )
    bf16: bool | None = option(None, "the same as --torch_dtype bfloat16", "等于 bfloat16")
    fp16: bool | None = option(None, "the same as --torch_dtype float16", "等于 float16")
    device: str | None = option(None, "where to compute", "在哪里计算", choices=("cpu", "cuda"))
    chat_template: str | None = option(
        None,
        "a Jinja file to use in place of the tokenizer's own template",
        "用这个 Jinja 文件代替分词器自带的对话模板",
    )


@dataclass(frozen=True, slots=True)
class DataOptions:
    """Data"""

    dataset: tuple[str, ...] = option(
        (),
        "files or folders, `path[#N]`; several are mixed",
        "数据文件或文件夹,`路径[#条数]`;可以给多个,混合训练",
        "train_file",
    )
    val_dataset: tuple[str, ...] = option(
        (), "held-out rows, never trained on", "留出的验证数据,不参与训练"
    )
    split_dataset_ratio: float | None = option(
        None,
        "share of the rows held out when there is no --val_dataset",
        "没有 --val_dataset 时,从训练数据中留出的比例",
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
        "允许 #N 大于实际条数(重复使用)",
    )
    encoding: str = option("utf-8", "of text files", "文本文件的编码")
    mixed_shapes: bool = option(
        False, "accept rows of several shapes in one file", "允许一个文件里有多种格式的行"
    )
    on_bad_row: str = option(
        "refuse",
        "what to do with a row that cannot be used; either way the ledger names it",
        "遇到不能用的行怎么办;两种做法都会在台账里逐行列出",
        choices=("refuse", "skip"),
    )
    model_name: tuple[str, ...] = option(
        (),
        "fills {{NAME}} in the rows: one value, or zh and en",
        "填入数据里的 {{NAME}}:一个值,或中文、英文各一个",
    )
    model_author: tuple[str, ...] = option(
        (),
        "fills {{AUTHOR}} in the rows: one value, or zh and en",
        "填入数据里的 {{AUTHOR}}:一个值,或中文、英文各一个",
    )
    system: str | None = option(
        None,
        "system prompt of rows that bring none, as plain text",
        "没有自带系统提示词的行使用的系统提示词,写纯文本即可",
    )
    strip_role_tokens: bool = option(
        False,
        "take role tokens such as <|im_start|> out of the rows' text",
        "去掉数据文字里的 <|im_start|> 等角色标记",
    )
    max_length: int | None = option(
        None,
        "most tokens a row may have (the model's context when not given)",
        "一行最多多少 token(不写就是模型的上下文长度)",
        "cutoff_len",
        "max_seq_length",
        least=8,
    )
    over_long: str = option(
        "refuse",
        "rows over --max_length: refuse the run if they are more than 1 %, drop them, or cut them",
        "超过 --max_length 的行:超过 1% 就拒绝运行(refuse)、丢弃(drop)或截短(cut)",
        "truncation_strategy",
        choices=("refuse", "drop", "cut"),
        values={"raise": "refuse", "delete": "drop", "left": "cut"},
    )
    packing: bool | None = option(
        None,
        "rows of an update always share one pass, exactly isolated; nothing to switch",
        "一次更新里的各行总是拼在一起计算且互不可见,无需开关",
        "padding_free",
    )
    dataloader_num_workers: int | None = option(
        None,
        "no effect: rows are tokenised before training",
        "不起作用:数据在训练前就已分词",
        least=0,
    )


@dataclass(frozen=True, slots=True)
class LoraOptions:
    """LoRA"""

    tuner: str = option(
        "lora",
        "what is trained",
        "训练方式",
        "train_type",
        "tuner_type",
        "finetuning_type",
        choices=("lora",),
    )
    lora_rank: int = option(8, "rank r of the adapters", "适配器的秩 r", "lora_r", least=1)
    lora_alpha: float = option(
        32, "the adapters are scaled by alpha / r", "适配器按 alpha / r 缩放", least=0
    )
    lora_dropout: float = option(
        0.0, "dropout before the adapters", "适配器前的 dropout", least=0, most=0.9
    )
    use_rslora: bool = option(False, "scale by alpha / sqrt(r)", "改用 alpha / sqrt(r) 缩放")
    target_modules: tuple[str, ...] = option(
        ("all-linear",),
        "linear layers that get an adapter: all-linear, or names (q_proj v_proj)",
        "给哪些线性层加适配器:all-linear,或写名字(q_proj v_proj)",
        "lora_target",
        "lora_target_modules",
    )


@dataclass(frozen=True, slots=True)
class ScheduleOptions:
    """Schedule"""

    num_train_epochs: float | None = option(
        None,
        "passes over the rows; at least 40 updates when not given",
        "训练几轮;不写则至少 40 次更新",
        "epochs",
        "n_epochs",
        least=0.01,
    )
    max_steps: int | None = option(None, "updates, instead of epochs", "更新次数,代替轮数", least=1)
    per_device_train_batch_size: int = option(
        1,
        "times accumulation = rows per update",
        "乘以累积步数 = 每次更新的行数",
        "batch_size",
        least=1,
    )
    gradient_accumulation_steps: int = option(
        16, "times batch size = rows per update", "乘以批大小 = 每次更新的行数", least=1
    )
    per_device_eval_batch_size: int | None = option(
        None,
        "no effect: evaluation uses the same passes as training",
        "不起作用:评估与训练用同样的拼接",
        least=1,
    )
    learning_rate: float | None = option(
        None,
        "peak learning rate; scaled to the model's width when not given",
        "峰值学习率;不写则按模型宽度换算",
        "lr",
        least=1e-12,
        most=1,
    )
    lr_scheduler_type: str = option(
        "cosine",
        "how the learning rate falls",
        "学习率如何下降",
        choices=("cosine", "linear", "constant"),
        values={"constant_with_warmup": "constant"},
    )
    warmup_ratio: float = option(
        0.05, "share of the updates spent warming up", "预热占更新次数的比例", least=0, most=1
    )
    warmup_steps: int | None = option(
        None, "updates of warm-up, instead of a ratio", "预热更新次数,代替比例", least=0
    )
    weight_decay: float = option(0.0, "of AdamW", "AdamW 的权重衰减", least=0)
    max_grad_norm: float = option(
        1.0, "clip the gradient to this norm; 0: never", "梯度裁剪的阈值;0 表示不裁剪", least=0
    )
    eval_steps: int | None = option(
        None, "measure the held-out rows every N updates", "每 N 次更新测一次留出数据", least=1
    )
    save_steps: int | None = option(
        None, "write a checkpoint every N updates", "每 N 次更新存一个检查点", least=1
    )
    save_total_limit: int | None = option(
        None,
        "checkpoints to keep; the last good one is never deleted",
        "保留几个检查点;最后一个完好的永不删除",
        least=1,
    )
    early_stopping_patience: int | None = option(
        None,
        "stop after N evaluations without a better one",
        "连续 N 次评估没有变好就停止",
        least=1,
    )
    quarantine: int = option(
        0,
        "rows that may be left out where the base itself cannot compute them: each is named",
        "基座本身算不出有限结果的数据,最多允许隔离几行;每一行都会列出",
        least=0,
    )
    logging_steps: int = option(1, "print a line every N updates", "每 N 次更新打印一行", least=1)
    seed: int = option(
        42,
        "of the adapters, the order of rows and dropout",
        "适配器初值、行的顺序和 dropout 的随机种子",
    )


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Engine"""

    fused: bool | None = option(
        None,
        "compute the layers by suretune's own kernels: on CUDA, where the architecture is known",
        "用 suretune 自己的算子计算各层:CUDA 上、且认识该模型结构时默认开启",
    )
    cuda_graphs: bool | None = option(
        None,
        "replay passes as CUDA graphs (with the fused layers on CUDA)",
        "把每次计算录成 CUDA graph 回放(CUDA 上、用融合层时默认开启)",
    )
    recompute: str | None = option(
        None,
        "what is computed twice to save memory: nothing, gate and up of the MLP, or whole layers;"
        " as little as fits when not given",
        "为省显存重算什么:不重算(none)、MLP 的 gate/up(mlp)、整层(layer);"
        "不写则在放得下的前提下尽量少算",
        choices=("none", "mlp", "layer"),
    )
    gradient_checkpointing: bool | None = option(
        None,
        "true: the same as --recompute layer; false: --recompute none",
        "true 等于 --recompute layer,false 等于 --recompute none",
    )
    tokens_per_pass: int | None = option(
        None,
        "tokens that share one forward pass; as many as memory allows on CUDA when not given",
        "一次前向计算里最多多少 token;不写则在 CUDA 上按显存尽量多",
        least=8,
    )
    memory_limit: str | None = option(
        None,
        "use no more of the card than this (24GiB)",
        "最多使用多少显存(24GiB)",
    )
    base_dtype: str | None = option(
        None,
        "multiply by the frozen base in 8 bits, for speed; its weights take twice the memory"
        " (Hopper, Ada, Blackwell)",
        "为了速度,用 8 位与冻结的基座相乘,基座占用的显存翻倍(Hopper、Ada、Blackwell)",
        choices=("fp8",),
    )


@dataclass(frozen=True, slots=True)
class ProofOptions:
    """Proof"""

    probes: str | None = option(
        None,
        "questions with what the answers must and must not contain (YAML, JSONL, or one a line)",
        "验证问题及答案必须、不得包含的内容(YAML、JSONL,或每行一个问题)",
        "validation_questions",
    )
    skills: str | None = option(
        None,
        "JSONL of exactly checkable questions asked before and after",
        "训练前后各问一遍、答案可精确核对的题目(JSONL)",
    )
    probes_needed: float = option(
        0.9, "share of the probes that must pass", "必须通过的验证问题比例", least=0, most=1
    )
    max_skill_drop: float = option(
        0.03,
        "share of the skills' answers that may be lost",
        "技能题正确率最多允许下降多少",
        least=0,
        most=1,
    )


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Run"""

    output_dir: str = option("runs", "the run folder", "运行文件夹")
    dry_run: bool = option(False, "the same as `suretune check`", "等于 `suretune check`")
    ignore: tuple[str, ...] = option(
        (), "finding codes that shall not stop the run", "不因这些编号的发现而停止"
    )
    logits_tolerance: float | None = option(
        None,
        "largest difference allowed between logits in memory and reloaded",
        "内存中与重新加载后 logits 允许的最大差",
        least=0,
    )
    preview: int = option(
        2, "rows to show with their learned tokens", "展示几行数据及其参与学习的 token", least=0
    )
    use_loss_scale_sampler: bool | None = option(None, "never existed", "从未存在过")
    disable_tqdm: bool = option(False, "no progress bar", "不显示进度条")


@dataclass(frozen=True, slots=True)
class AnswerOptions:
    """Answers"""

    adapters: str | None = option(
        None,
        "a run, a checkpoint or an adapter folder",
        "运行文件夹、检查点或适配器文件夹",
        "adapter",
        "adapter_dir",
        "ckpt_dir",
    )
    checkpoint: str | None = option(
        None, "of a run: best, last or a step", "运行中的哪个检查点:best、last 或步数"
    )
    questions: str | None = option(
        None, "a file with one question a line, or JSONL", "问题文件:每行一个问题,或 JSONL"
    )
    temperature: float = option(
        0.0, "0: the likeliest token always", "0 表示总取概率最大的 token", least=0
    )
    top_p: float = option(
        1.0,
        "sample within this share of the probability",
        "只在累计概率达到该值的 token 中取样",
        least=1e-6,
        most=1,
    )
    max_new_tokens: int = option(512, "longest answer in tokens", "回答最多多少 token", least=1)
    stream: bool = option(True, "print the answer while it is made", "边生成边显示")


@dataclass(frozen=True, slots=True)
class Config:
    """Every option, grouped by the stage that reads it."""

    model: ModelOptions = field(default_factory=ModelOptions)
    data: DataOptions = field(default_factory=DataOptions)
    lora: LoraOptions = field(default_factory=LoraOptions)
    schedule: ScheduleOptions = field(default_factory=ScheduleOptions)
    engine: EngineOptions = field(default_factory=EngineOptions)
    proof: ProofOptions = field(default_factory=ProofOptions)
    run: RunOptions = field(default_factory=RunOptions)
    answer: AnswerOptions = field(default_factory=AnswerOptions)
