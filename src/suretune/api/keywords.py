"""Keyword arguments of `check` and `train`: the options of `sft` by their names, typed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from typing import Literal, TypedDict

from suretune.types import Text

GROUPS = ("model", "data", "lora", "full", "schedule", "engine", "proof", "run")
PRINTED = Text(
    "nothing is printed here, what comes of it is in the result",
    "这里什么都不打印，都在返回的结果里",
)
ANEW = Text("`suretune.resume` goes on with a run", "继续一次运行用 `suretune.resume`")
# Of the command line alone, and what there is in their place.
COMMAND_LINE: Mapping[str, Text] = {
    "dry_run": Text(
        "`suretune.check` looks and trains nothing",
        "只检查、不训练用 `suretune.check`",
    ),
    "lang": Text(
        "a call takes `language`",
        "这里的参数叫 `language`",
    ),
    "config": Text(
        "what stands in such a file are keywords here",
        "这种文件里的参数，在这里就是关键字参数",
    ),
    "strict": Text(
        "`findings` say what was left out",
        "略过了什么，见 `findings`",
    ),
    "template": Text(
        "the model's own template is used, or the file of `chat_template`",
        "用的是模型自带的对话模板，或 `chat_template` 给出的文件",
    ),
    **dict.fromkeys(("json", "preview", "disable_tqdm", "logging_steps"), PRINTED),
    **dict.fromkeys(("resume", "resume_from_checkpoint"), ANEW),
    **dict.fromkeys(("resume_only_model", "ignore_data_skip"), ANEW),
}
APART = ("model", "dataset", *COMMAND_LINE)  # the first two are named in the calls


class Options(TypedDict, total=False):
    """Every option of a run. `None` is the same as leaving it out.

    Defaults, ranges and what each one does: `suretune sft --help`, which lists some of the command
    line alone, too. Names of other tools that the
    command line takes (`lr`, `lora_r`) work here, too, untyped.
    """

    # by tests/draw_keywords.py
    hub: Literal["auto", "hf", "ms"] | None
    model_type: str | PathLike[str] | None
    torch_dtype: Literal["bfloat16", "float16", "float32"] | None
    bf16: bool | None
    fp16: bool | None
    device: Literal["cpu", "cuda"] | None
    chat_template: str | PathLike[str] | None
    val_dataset: str | PathLike[str] | Sequence[str | PathLike[str]] | None
    split_dataset_ratio: float | None
    dataset_sample: int | None
    repeat: bool | None
    paraphrases: int | None
    columns: str | PathLike[str] | Sequence[str | PathLike[str]] | None
    encoding: str | PathLike[str] | None
    mixed_shapes: bool | None
    on_bad_row: Literal["refuse", "skip"] | None
    ignore_fields: str | PathLike[str] | Sequence[str | PathLike[str]] | None
    model_name: str | PathLike[str] | Sequence[str | PathLike[str]] | None
    model_author: str | PathLike[str] | Sequence[str | PathLike[str]] | None
    system: str | PathLike[str] | None
    strip_role_tokens: bool | None
    think: Literal["keep", "drop", "empty"] | None
    max_length: int | None
    over_long: Literal["refuse", "drop", "cut"] | None
    tuner: Literal["lora", "qlora", "full"] | None
    lora_rank: int | None
    lora_alpha: float | None
    adapter_dose: float | None
    lora_dropout: float | None
    use_rslora: bool | None
    use_dora: bool | None
    lorap_lr_ratio: float | None
    init_weights: Literal["true", "pissa", "pissa_niter_16"] | None
    target_modules: str | PathLike[str] | Sequence[str | PathLike[str]] | None
    layers_to_transform: str | PathLike[str] | Sequence[str | PathLike[str]] | None
    freeze_parameters_ratio: float | None
    freeze_parameters: str | PathLike[str] | Sequence[str | PathLike[str]] | None
    trainable_parameters: str | PathLike[str] | Sequence[str | PathLike[str]] | None
    optim: Literal["adamw_torch", "adamw_8bit"] | None
    num_train_epochs: float | None
    max_steps: int | None
    per_device_train_batch_size: int | None
    gradient_accumulation_steps: int | None
    learning_rate: float | None
    lr_scheduler_type: Literal["cosine", "linear", "constant"] | None
    warmup_ratio: float | None
    warmup_steps: int | None
    mix: Literal["tokens", "rows", "datasets"] | None
    anchor_ratio: float | None
    anchors_per_row: float | None
    anchor_loss: Literal["answers", "kl"] | None
    until_proven: bool | None
    budget: str | PathLike[str] | None
    weight_decay: float | None
    max_grad_norm: float | None
    eval_steps: int | None
    save_steps: int | None
    save_total_limit: int | None
    early_stopping_patience: int | None
    quarantine: int | None
    seed: int | None
    fused: bool | None
    cuda_graphs: bool | None
    recompute: Literal["none", "mlp", "layer"] | None
    gradient_checkpointing: bool | None
    tokens_per_pass: int | None
    memory_limit: str | PathLike[str] | None
    num_gpus: int | None
    base_dtype: Literal["fp8"] | None
    probes: str | PathLike[str] | None
    skills: str | PathLike[str] | None
    general: str | PathLike[str] | Sequence[str | PathLike[str]] | None
    general_questions: int | None
    scope: Literal["rows", "all"] | None
    probes_needed: float | None
    max_skill_drop: float | None
    max_drift: float | None
    output_dir: str | PathLike[str] | None
    ignore: str | PathLike[str] | Sequence[str | PathLike[str]] | None
    logits_tolerance: float | None
    report_to: Literal["none", "all", "tensorboard", "wandb", "swanlab", "mlflow", "trackio"] | Sequence[Literal["none", "all", "tensorboard", "wandb", "swanlab", "mlflow", "trackio"]] | None
    run_name: str | PathLike[str] | None
    logging_dir: str | PathLike[str] | None
