"""Messages of other tools, and what they mean here: `suretune explain "CUDA out of memory"`.

Each entry is a pattern of the message, the guard that sees its cause before it can happen (or the
place that makes it impossible), the cause, and the cure.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from suretune.types import Text


@dataclass(frozen=True, slots=True)
class Message:
    """One foreign message; `code` is the guard that treats it here."""

    pattern: str
    code: str
    cause: Text
    cure: Text


def treated(pasted: str) -> Message | None:
    """The entry whose pattern stands in this text, whatever stands around it."""
    text = " ".join(pasted.split())
    return next((m for m in MESSAGES if re.search(m.pattern, text, re.IGNORECASE)), None)


MESSAGES = (
    Message(
        r"out of ?memory|\boom\b|爆显存|显存(不足|不够)|can't allocate memory|"
        r"CUBLAS_STATUS_ALLOC_FAILED",
        "S019",
        Text(
            "The longest row decides how much memory a pass needs, and it may come late; gradient "
            "accumulation has no part in it. Or another process holds the card.",
            "一次前向要多少显存，由最长的那条数据决定，它可能很晚才出现；"
            "与梯度累积无关。也可能是别的进程占着显卡。",
        ),
        Text(
            "suretune plans the largest pass before the first update, and computes an update again "
            "in smaller passes when memory runs out. Lower `--max_length`; `nvidia-smi` shows who "
            "else is there. Kill nothing, and never reset the card.",
            "suretune 在第一次更新之前就按最大的一次前向做好规划，"
            "显存不足时会改用更小的微批重算。调低 `--max_length`；用 `nvidia-smi` "
            "看看还有谁在用。不要结束别人的进程，也不要重置显卡。",
        ),
    ),
    Message(
        r"remaining_argv|unrecognized arguments|No such option|got an unexpected keyword argument",
        "C001",
        Text(
            "The tool does not know a flag: it was renamed, or it exists only in articles.",
            "工具不认识某个参数：要么改了名，要么只存在于网上的教程里。",
        ),
        Text(
            "`suretune check` with the same flags names each unknown one and its nearest real one.",
            "用同样的参数运行 `suretune check`，会逐个指出不认识的参数和最接近的正确写法。",
        ),
    ),
    Message(
        r"(Cannot|Can't|can not) find .{0,3}adapter.?config|is not an adapter|adapter_config\.json",
        "S014",
        Text(
            "The path is not an adapter folder: mistyped, or the folder above it. Checkpoints hold "
            "their own adapter_config.json; nothing has to be copied.",
            "这个路径不是适配器文件夹：写错了，或者是它的上一级。检查点里本来就有 "
            "adapter_config.json，不用复制。",
        ),
        Text(
            "`suretune infer --adapters RUN` takes a run folder, a checkpoint or an adapter.",
            "`suretune infer --adapters RUN` 可以是运行文件夹、检查点或适配器。",
        ),
    ),
    Message(
        r"Expected more than 1 value per channel",
        "S018",
        Text(
            "That is BatchNorm with one row. Qwen, Llama and their like have no BatchNorm: another "
            "model was loaded than you think. A progress bar has nothing to do with it.",
            "这是 BatchNorm 遇到只有一条数据的批次。Qwen、Llama 这类模型没有 BatchNorm："
            "加载的不是你以为的那个模型。与进度条参数无关。",
        ),
        Text(
            "Look at `model_type` in the model's config.json; "
            "`suretune check --model FOLDER` reads it.",
            "查看模型 config.json 里的 `model_type`；`suretune check --model 文件夹` 会读取它。",
        ),
    ),
    Message(
        r"probability tensor contains|device-side assert.*multinomial",
        "R005",
        Text(
            "The adapter holds NaN or Inf: training diverged earlier, and nobody looked.",
            "适配器里有 NaN 或 Inf：训练早就发散了，只是没人看到。",
        ),
        Text(
            "suretune stops before such an update (T001) and scans every adapter before it is "
            "sealed (R005). Train anew with a lower `--learning_rate`.",
            "suretune 在这样的更新之前就会停下（T001），"
            "验证之前还会检查整个适配器（R005）。调低 `--learning_rate` 重新训练。",
        ),
    ),
    Message(
        r"device-side assert|index out of range in self|srcIndex < srcSelectDimSize",
        "S026",
        Text(
            "A token's number lies outside the model's embedding: the tokenizer is not the "
            "model's, or tokens were added to it.",
            "某个 token 的编号超出了模型的嵌入层：分词器不是这个模型的，或者给它加过 token。",
        ),
        Text(
            "`suretune check --model FOLDER --dataset FILE` compares both before training.",
            "`suretune check --model 文件夹 --dataset 文件` 会在训练前核对两者。",
        ),
    ),
    Message(
        r"\bnan\b|grad_norm.{0,9}inf",
        "T001",
        Text(
            "A loss or a gradient is NaN or Inf. Clipping cannot mend it, and many "
            "tools go on and hide it in their log.",
            "损失或梯度出现 NaN 或 Inf。梯度裁剪没有用；很多工具会继续训练，日志里还看不出来。",
        ),
        Text(
            "suretune refuses the update and names the rows. Lower `--learning_rate`; "
            "use `--torch_dtype bfloat16` rather than float16.",
            "suretune 会拒绝这次更新，并指出是哪几条数据。调低 `--learning_rate`；"
            "用 `--torch_dtype bfloat16`，不要用 float16。",
        ),
    ),
    Message(
        r"loaded (0|only \d+) samples|filtered dataset length|MaxLengthError|num_samples=0",
        "D004",
        Text(
            "Rows were left out: longer than the limit, or of a shape that was not understood.",
            "有数据被略过了：超过长度上限，或者格式没有被认出来。",
        ),
        Text(
            "`suretune check --dataset FILE` lists every row that is not used, with the reason; "
            "nothing is dropped in silence (D003, D004, D025).",
            "`suretune check --dataset 文件` 会逐条列出没有用上的数据和原因，"
            "不会悄悄丢掉任何一条（D003、D004、D025）。",
        ),
    ),
    Message(
        r"Can't load (the )?(tokenizer|model|config)|(tokenizer|model).{0,30}not found"
        r"|Unrecognized model|is not a (valid|local folder|correct) ?model",
        "S001",
        Text(
            "The folder or hub id does not name a model with its tokenizer; a mistyped path is "
            "often taken for a hub id.",
            "这个文件夹或 Hugging Face 上的名字不是带分词器的模型；"
            "写错的路径常被当成要下载的名字。",
        ),
        Text(
            "`suretune check --model NAME` names the path it looked at and what is missing there "
            "(S001, S018); `hf download ID --local-dir FOLDER` fetches all of it.",
            "`suretune check --model 名字` 会给出实际查找的路径和缺少的文件（S001、S018）；"
            "`hf download ID --local-dir 文件夹` 可以完整下载。",
        ),
    ),
    Message(
        r"No such file or directory|FileNotFoundError|local path does not exist",
        "D001",
        Text(
            "The path is seen from the folder in which the command runs, and case counts.",
            "相对路径从运行命令的文件夹算起，并且区分大小写。",
        ),
        Text(
            "`suretune check --dataset FILE` prints the absolute path and the nearest name.",
            "`suretune check --dataset 文件` 会给出绝对路径和最接近的文件名。",
        ),
    ),
    Message(
        r"Unexpected token|Expecting (value|property name|',')|JSONDecodeError|Extra data|"
        r"An error occurred while generating the dataset",
        "D005",
        Text(
            "A record is not valid JSON: a comma too many, a quote without its backslash, "
            "full-width quotes.",
            "有一条记录不是合法的 JSON：多了逗号、引号没有转义，或用了中文引号。",
        ),
        Text(
            "`suretune check --dataset FILE` gives the file's line and column.",
            "`suretune check --dataset 文件` 会给出行号和列号。",
        ),
    ),
    Message(
        r"last_model_checkpoint",
        "S005",
        Text(
            "The run had less than one update, or none of its saves fell inside it.",
            "整个训练不足一次更新，或者没有一次保存落在训练之内。",
        ),
        Text(
            "`suretune check` prints the number of updates and when each checkpoint is written; "
            "the last update is always saved.",
            "`suretune check` 会列出更新次数和每个检查点的时刻；最后一次更新一定会保存。",
        ),
    ),
    Message(
        r"No space left|errno 28|unexpected pos|File too large|Disk quota",
        "S016",
        Text(
            "The disk filled up while a checkpoint was written.",
            "写检查点时磁盘满了。",
        ),
        Text(
            "The last complete checkpoint is untouched: make room, then `suretune resume RUN`. "
            "`--save_total_limit 1` keeps fewer.",
            "最后一个完整的检查点不受影响：腾出空间，再 `suretune resume RUN`。"
            "`--save_total_limit 1` 可以少留几个。",
        ),
    ),
    Message(
        r"not compiled with CUDA|no NVIDIA driver|driver on your system is too old|"
        r"invalid device ordinal|No CUDA GPUs",
        "S010",
        Text(
            "torch cannot use a GPU: it was built without CUDA, the driver is too old, or "
            "CUDA_VISIBLE_DEVICES names a card that is not there.",
            "torch 用不了 GPU：装的是不带 CUDA 的版本、驱动太旧，"
            "或者 CUDA_VISIBLE_DEVICES 写了不存在的卡。",
        ),
        Text(
            "`suretune setup` shows card, driver and torch, `nvidia-smi -L` what the machine has.",
            "`suretune setup` 显示显卡、驱动和 torch 版本，`nvidia-smi -L` 显示机器上有什么。",
        ),
    ),
    Message(
        r"LoRA rank .{0,20}greater than max_lora_rank|max_lora_rank",
        "V001",
        Text(
            "vLLM takes adapters up to rank 16 unless it is told.",
            "不另行指定时，vLLM 只接受秩不超过 16 的适配器。",
        ),
        Text(
            "Serve with `--max-lora-rank` and the rank of the adapter.",
            "启动服务时加上 `--max-lora-rank` 和适配器的秩。",
        ),
    ),
    Message(
        r"Alibaba|阿里云|通义千问|\{\{ ?(NAME|AUTHOR) ?\}\}",
        "R003",
        Text(
            "The model still gives its old name: nothing was learned, the adapter is not loaded, "
            "or the prompt brings the old name in by the template's default system prompt.",
            "模型还在报旧名字：什么也没学到、适配器没有加载，"
            "或者模板默认的系统提示词把旧名字带了进来。",
        ),
        Text(
            "A sealed run has been asked in a fresh process (R001 to R003, R007). "
            "`suretune infer --adapters RUN` sends the system prompt of training; in the rows, "
            "`--model_name` fills `{{NAME}}` only where it stands (C004, D013).",
            "验证通过的运行已经在全新的进程里问过（R001 到 R003、R007）。"
            "`suretune infer --adapters RUN` 会带上训练时的系统提示词；`--model_name` "
            "只替换数据里写着的 `{{NAME}}`（C004、D013）。",
        ),
    ),
    Message(
        r"\bhangs?\b|no (answer|response) (comes|at all)|卡住|卡死|没有反应|没有回答",
        "S027",
        Text(
            "The model computes on the CPU, or is loaded anew for every question.",
            "模型在 CPU 上计算，或者每问一次就重新加载一次。",
        ),
        Text(
            "`suretune setup` shows whether torch can use the GPU. `suretune infer` "
            "loads the model once, and `suretune ask --questions FILE` answers a whole "
            "file.",
            "`suretune setup` 会显示 torch 能否用上 GPU。`suretune infer` "
            "只加载一次模型，`suretune ask --questions 文件` 一次回答整个文件。",
        ),
    ),
    Message(
        r"repeat(s|ing|ed) itself|never stops|does not stop|复读|停不下来|不停地?重复",
        "S023",
        Text(
            "The rows came around too often, or the end token was never learned.",
            "数据训练了太多遍，或者没有学到结束符。",
        ),
        Text(
            "Every row here ends in a learned end token, or it is refused (P003, P008). "
            "Lower `--num_train_epochs`; S023 tells how often each row is seen.",
            "这里的每条数据都以要学的结束符结尾，否则会被拒绝（P003、P008）。"
            "调低 `--num_train_epochs`；S023 会告诉你每条数据要学多少遍。",
        ),
    ),
)
