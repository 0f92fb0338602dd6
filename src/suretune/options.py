"""What can be asked. Each option is written once, here, in `options_input.py` and in
`options_serve.py`: flags, YAML, help and docs come from it.

`None` stands for `auto`: the run chooses, and says what and why.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from suretune.option import option
from suretune.options_full import FullOptions
from suretune.options_input import DataOptions, ModelOptions
from suretune.options_lora import LoraOptions
from suretune.options_serve import ServeOptions
from suretune.types import Text

SCHEDULES = (
    *("cosine_with_restarts", "cosine_with_min_lr", "cosine_warmup_with_min_lr", "polynomial"),
    *("inverse_sqrt", "wsd", "warmup_stable_decay", "reduce_lr_on_plateau"),
)
NO_SCHEDULE = Text(
    "The learning rate falls as a cosine, in a line, or not at all",
    "学习率按余弦下降（cosine）、线性下降（linear）或不变（constant）",
)


@dataclass(frozen=True, slots=True)
class ScheduleOptions:
    """Schedule"""

    num_train_epochs: float | None = option(
        None,
        "passes over the rows; else as many as make 40 updates, 10 at most; 80 and 20 where it"
        " stops by itself",
        "训练几轮；不写则凑够 40 次更新，最多 10 轮；会自行停止时为 80 次、20 轮",
        "epochs",
        "n_epochs",
        least=0.01,
    )
    max_steps: int | None = option(
        None,
        "updates, instead of epochs",
        "更新次数，代替轮数",
        least=1,
    )
    per_device_train_batch_size: int = option(
        1,
        "times accumulation = rows per update",
        "乘以累积步数 = 每次更新的行数",
        "batch_size",
        least=1,
    )
    gradient_accumulation_steps: int = option(
        16,
        "times batch size = rows per update",
        "乘以批大小 = 每次更新的行数",
        least=1,
    )
    learning_rate: float | None = option(
        None,
        "peak learning rate; scaled to the model's width when not given",
        "峰值学习率；不写则按模型宽度换算",
        "lr",
        above=0,
        most=1,
    )
    lr_scheduler_type: str = option(
        "cosine",
        "how the learning rate falls",
        "学习率如何下降",
        choices=("cosine", "linear", "constant"),
        values={"constant_with_warmup": "constant"},
        elsewhere=dict.fromkeys(SCHEDULES, NO_SCHEDULE),
    )
    warmup_ratio: float = option(
        0.05,
        "share of the updates spent warming up",
        "预热占更新次数的比例",
        least=0,
        most=1,
    )
    warmup_steps: int | None = option(
        None,
        "updates of warm-up, instead of a ratio",
        "预热更新次数，代替比例",
        least=0,
    )
    mix: str | None = option(
        None,
        "what shares the loss equally: tokens, rows, or datasets; datasets when an identity is"
        " among other data",
        "损失由什么平分：token（tokens）、行（rows）或数据集（datasets）；身份数据与其他数据混合时按数据集",
        choices=("tokens", "rows", "datasets"),
    )
    anchor_ratio: float | None = option(
        None,
        "share of every update's loss for general questions answered by the base itself, against"
        " forgetting; 0: none",
        "每次更新中，锚定问答（由原模型自己回答的通用问题）所占的损失比例，防止遗忘；0 表示不用",
        least=0,
        most=0.9,
    )
    anchors_per_row: float | None = option(
        None,
        "anchors of an update for each of its rows: as many as weigh what a row weighs; one on a"
        " narrow model and, for an identity, on one of width 1,536 or more",
        "每次更新中，每行数据配几个锚定问答：默认让每个锚定问答与一行数据同样重；窄模型，"
        "以及宽度 1,536 以上的模型学习身份时，为一个",
        above=0,
        most=16,
    )
    anchor_loss: str | None = option(
        None,
        "what anchors are held to: the base's probabilities of all words at each token of its"
        " answers (kl), or these answers alone (answers)",
        "锚定问答以什么为准：原模型的回答中每个 token 处的完整概率分布（kl），"
        "或只是这些回答本身（answers）",
        choices=("answers", "kl"),
    )
    until_proven: bool = option(
        True,
        "ask the probes on the way; where they pass twice in a row, keep that checkpoint and stop",
        "训练途中就提问验证；连续两次通过时，保留那个检查点并停止",
    )
    budget: str | None = option(
        None,
        "time for the whole run, proof included (90s, 10m, 1.5h): as many updates as fit",
        "整个运行（含验证）的时间（90s、10m、1.5h）：能做多少次更新就做多少次",
    )
    weight_decay: float = option(0.0, "of AdamW", "AdamW 的权重衰减", least=0)
    max_grad_norm: float = option(
        1.0,
        "clip the gradient to this norm; 0: never",
        "梯度裁剪的阈值；0 表示不裁剪",
        least=0,
    )
    eval_steps: int | None = option(
        None,
        "measure the held-out rows every N updates",
        "每 N 次更新测一次留出数据",
        least=1,
    )
    save_steps: int | None = option(
        None,
        "write a checkpoint every N updates",
        "每 N 次更新存一个检查点",
        least=1,
    )
    save_total_limit: int | None = option(
        None,
        "checkpoints to keep; the last good one is never deleted",
        "保留几个检查点；最后一个完好的永不删除",
        least=1,
    )
    early_stopping_patience: int | None = option(
        None,
        "stop after N evaluations without a better one",
        "早停容忍次数：连续 N 次评估没有变好就停止",
        least=1,
    )
    quarantine: int = option(
        0,
        "rows that may be left out where the base itself cannot compute them: each is named",
        "原模型对某些数据会算出 NaN 或 Inf：最多跳过几行这样的数据；每一行都会列出",
        least=0,
    )
    logging_steps: int = option(1, "print a line every N updates", "每 N 次更新打印一行", least=1)
    seed: int = option(
        42,
        "of the adapters, the order of rows and dropout",
        "适配器初值、行的顺序和 dropout 的随机种子",
        least=0,
        most=2**32 - 1,
    )

    @property
    def rows_per_update(self) -> int:
        """What batch size and accumulation say together."""
        return self.per_device_train_batch_size * self.gradient_accumulation_steps


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """Engine"""

    fused: bool | None = option(
        None,
        "compute the layers by suretune's own kernels: on CUDA, where the architecture is known",
        "用 suretune 自己的算子计算各层：CUDA 上、且认识该模型结构时默认开启",
    )
    cuda_graphs: bool | None = option(
        None,
        "replay passes as CUDA graphs (with the fused layers on CUDA)",
        "把每次计算录成 CUDA graph 回放（CUDA 上、用融合层时默认开启）",
    )
    recompute: str | None = option(
        None,
        "what is computed twice to save memory: nothing, gate and up of the MLP, or whole layers;"
        " as little as fits when not given",
        "为省显存重算什么：不重算（none）、MLP 的 gate/up（mlp）、整层（layer）；"
        "不写则在放得下的前提下尽量少算",
        choices=("none", "mlp", "layer"),
    )
    gradient_checkpointing: bool | None = option(
        None,
        "true: the same as --recompute layer; false: --recompute none",
        "true 等于 --recompute layer，false 等于 --recompute none",
    )
    tokens_per_pass: int | None = option(
        None,
        "tokens that share one forward pass; as many as memory allows on CUDA when not given",
        "一次前向计算里最多多少 token；不写则在 CUDA 上按显存尽量多",
        least=8,
    )
    memory_limit: str | None = option(
        None,
        "use no more of the card than this (24GiB)",
        "最多使用多少显存（24GiB）",
    )
    num_gpus: int = option(
        1,
        "GPUs of this machine, each with a process of its own; with --device cpu so many processes",
        "用本机几块 GPU，每块一个进程；加 --device cpu 则是几个 CPU 进程",
        least=1,
    )
    base_dtype: str | None = option(
        None,
        "multiply by the frozen base in 8 bits, for speed; its weights take twice the memory"
        " (Hopper, Ada, Blackwell)",
        "为了速度，用 8 位与冻结的原模型相乘，原模型占用的显存翻倍（Hopper、Ada、Blackwell）",
        choices=("fp8",),
    )


@dataclass(frozen=True, slots=True)
class ProofOptions:
    """Proof"""

    probes: str | None = option(
        None,
        "questions with what the answers must and must not contain (YAML, JSONL, or one a line)",
        "验证问题及答案必须、不得包含的内容（YAML、JSONL，或每行一个问题）",
        "validation_questions",
    )
    skills: str | None = option(
        None,
        "JSONL of exactly checkable questions asked before and after",
        "训练前后各问一遍、答案可精确核对的题目（JSONL）",
    )
    general: tuple[str, ...] = option(
        (),
        "your own general rows, FILE#N: kept out of training, asked before and after",
        "自己的通用数据，FILE#N：不参与训练，训练前后各问一遍",
        "general_dataset",
    )
    general_questions: int | None = option(
        None,
        "how many of the proof's general questions are asked; all when not given",
        "验证时问多少道通用问题；不写就全问",
        least=1,
    )
    scope: str = option(
        "rows",
        "what the rows' kind of answer is meant for: questions like the rows', or all (no anchors)",
        "训练数据的回答方式用在哪里：只用于同类问题（rows），还是所有问题（all，不用锚定问答）",
        choices=("rows", "all"),
    )
    probes_needed: float = option(
        0.9,
        "share of the probes that must pass",
        "必须通过的验证问题比例",
        least=0,
        most=1,
    )
    max_skill_drop: float = option(
        0.05,
        "net loss of general answers, as a share, that the 95 % bound must lie under",
        "通用问题的净损失，其 95% 置信上限必须低于这个值",
        least=0,
        most=1,
    )
    max_drift: float = option(
        1.0,
        "how far the tuned model may be from the base on general questions it did not learn, in"
        " nats a token (KL divergence)",
        "在没学过的通用问题上，与原模型的差异（每个 token 的 KL 散度）最多多大",
        least=0,
    )


@dataclass(frozen=True, slots=True)
class RunOptions:
    """Run"""

    output_dir: str = option("runs", "the run folder", "运行文件夹")
    dry_run: bool = option(False, "the same as `suretune check`", "等于 `suretune check`")
    strict: bool = option(
        False,
        "stop for flags that could do nothing or would do harm, which are left out otherwise",
        "遇到不起作用或有害的参数就停止；不写则略去它们并说明",
    )
    ignore: tuple[str, ...] = option(
        (),
        "finding codes that shall not stop the run",
        "检查出这些编号的问题时不停止",
    )
    logits_tolerance: float | None = option(
        None,
        "largest difference allowed between logits in memory and reloaded",
        "内存中与重新加载后 logits 允许的最大差",
        least=0,
    )
    preview: int = option(
        1,
        "rows to show with their learned tokens",
        "展示几行数据及其参与学习的 token",
        least=0,
    )
    resume_from_checkpoint: str | None = option(
        None,
        "of `suretune resume`: the run or checkpoint to go on from",
        "用于 `suretune resume`：从哪个运行或检查点继续",
    )
    resume: bool | None = option(
        None,
        "other tools' word for `suretune resume`",
        "其他工具的写法，即 `suretune resume`",
    )
    resume_only_model: bool | None = option(
        None,
        "a resume always restores optimizer and order, too",
        "继续时总会同时恢复优化器和顺序",
    )
    ignore_data_skip: bool | None = option(
        None,
        "a resume goes on with the rows of the plan",
        "继续时总是接着计划里的数据",
    )
    disable_tqdm: bool = option(False, "no progress bar", "不显示进度条")
    report_to: tuple[str, ...] = option(
        (),
        "trackers that are told of the run as it goes; all: those that are installed",
        "训练过程同时报告给哪些跟踪工具；all 表示所有已安装的",
        choices=("none", "all", "tensorboard", "wandb", "swanlab", "mlflow", "trackio"),
    )
    run_name: str | None = option(
        None,
        "its name in a tracker; the run folder's when not given",
        "在跟踪工具里的名字；不写则用运行文件夹的名字",
    )
    logging_dir: str | None = option(
        None,
        "TensorBoard's folder, with one of its own for each run; in the run when not given",
        "TensorBoard 的文件夹，每次运行在其中有自己的一个；不写则在运行文件夹里",
    )


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
        None,
        "of a run: best, last or a step",
        "运行中的哪个检查点：best、last 或步数",
    )
    questions: str | None = option(
        None,
        "a file with one question a line, or JSONL",
        "问题文件：每行一个问题，或 JSONL",
    )
    temperature: float = option(
        0.0,
        "0: the likeliest token always",
        "0 表示总取概率最大的 token",
        least=0,
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
    full: FullOptions = field(default_factory=FullOptions)
    schedule: ScheduleOptions = field(default_factory=ScheduleOptions)
    engine: EngineOptions = field(default_factory=EngineOptions)
    proof: ProofOptions = field(default_factory=ProofOptions)
    run: RunOptions = field(default_factory=RunOptions)
    answer: AnswerOptions = field(default_factory=AnswerOptions)
    serve: ServeOptions = field(default_factory=ServeOptions)
