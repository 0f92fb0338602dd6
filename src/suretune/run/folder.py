"""What a run writes down about itself before, during and after."""

from __future__ import annotations

import json
import platform
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from suretune import __version__, rundir
from suretune.because import in_words
from suretune.config import Option, Resolved, options
from suretune.data.base import PACKED
from suretune.data.choose import DOSE, EARLIER, WIDE_DOSE, settled
from suretune.data.learning import Learning, learning_of
from suretune.data.ledger import Entry
from suretune.data.template import ABOUT, ChatTokenizer, word_files
from suretune.data.thinking import usual_mode
from suretune.data.yamltext import Listing, Node, Scalar, Table, read_yaml
from suretune.facts import SetupFacts
from suretune.hubs.pull import Fetched
from suretune.option import FORMER
from suretune.options_lora import ALL_LAYERS, LoraOptions
from suretune.preflight.check import Checked
from suretune.record.journal import Journal
from suretune.tuning import TUNERS
from suretune.tuning.full import ADAMW
from suretune.types import Plan, Text
from suretune.words import say

FRONT = """---
base_model: {base}
library_name: peft
pipeline_tag: text-generation
tags: [lora, sft, suretune]
---
"""
CARD = Text(
    """LoRA adapter of `{base}`, trained by suretune {version}: {updates} updates, {tokens} tokens,
rank {rank}, alpha {alpha:g}. System prompt of training: {system}
""",
    """`{base}` 的 LoRA 适配器，由 suretune {version} 训练：{updates} 次更新，{tokens} 个 token，
秩 {rank}，alpha {alpha:g}。训练时的系统提示词：{system}
""",
)


DORA_CARD = Text(
    """It is DoRA: PEFT loads it beside the base; servers take it merged
(`suretune export --to merged`).
""",
    """这是 DoRA 适配器：PEFT 可以在原模型旁边加载；部署服务要先合并
（`suretune export --to merged`）。
""",
)
PISSA_CARD = Text(
    """It began from the base's {rank} largest components (PiSSA); the file is plain LoRA of twice
that rank, for the base as it is.
""",
    """它从原模型最大的 {rank} 个奇异分量开始（PiSSA）；文件是秩加倍的普通 LoRA，
用在原来的原模型上。
""",
)
WHOLE_FRONT = """---
base_model: {base}
library_name: transformers
pipeline_tag: text-generation
tags: [sft, suretune]
---
"""
WHOLE_CARD = Text(
    """`{base}` with its own weights trained by suretune {version} (full fine-tuning): {updates}
updates, {tokens} tokens; {share:.1%} of its numbers learned. System prompt of training: {system}
""",
    """`{base}`，由 suretune {version} 训练其自身的权重（全参数微调）：{updates} 次更新，
{tokens} 个 token；参与训练的参数占 {share:.1%}。训练时的系统提示词：{system}
""",
)
PACKED_CARD = Text(
    """Trained and proven on the base with its linear layers in NF4 (blocks of 64, double
quantisation: bitsandbytes' `nf4`); embeddings, norms and `lm_head` are as they were. suretune
opens it so by itself. On the 16-bit base the answers differ a little: what was proven is written
by `suretune export --to merged`; transformers and PEFT have the same base with
`BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True)`.
""",
    """训练和验证时，原模型的线性层以 NF4 存放（每块 64 个值，双重量化，即 bitsandbytes 的 `nf4`）；
词嵌入、归一化层和 `lm_head` 不变。suretune 会自动这样打开它。加在 16 位原模型上时回答会略有不同：
`suretune export --to merged` 写出的就是验证过的模型；transformers 和 PEFT 用
`BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True)`
可以得到同样的原模型。
""",
)


def make_run(resolved: Resolved, journal: Journal) -> Path:
    """The run folder, or a stop."""
    try:
        run = rundir.new_run(resolved.config.run.output_dir)
    except (OSError, RuntimeError) as error:  # of `~nobody`, too
        raise journal.stop(
            SetupFacts("output-not-writable", resolved.config.run.output_dir, found=in_words(error))
        ) from error
    journal.open(run)
    return run


def write_config(path: Path, resolved: Resolved) -> None:
    """One `name: value  # origin` a line; `--config` reads it back."""
    origins = {name: origin for name, _, origin in resolved.items()}
    lines = [
        f"{name}: {json.dumps(value, ensure_ascii=False)}  # {origins[name]}\n"
        for name, value in told_config(resolved).items()
    ]
    rundir.write(path, "".join(lines).encode())


def told_config(resolved: Resolved) -> dict[str, Any]:
    """Every option of a run as JSON has it; no key of a server: a run serves nothing."""
    told = ((n, v) for n, v, _ in resolved.items() if options()[n].group != "serve")
    return {name: _plain(value) for name, value in told}


def read_config(path: Path) -> Resolved:
    """The resolved config of a run, origins included."""
    try:
        return _from_text(*read_yaml(path))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise rundir.Damaged(path, error) from error


def _from_text(text: str, tree: Node | None) -> Resolved:
    if not isinstance(tree, Table):
        raise ValueError("no `name: value` lines")
    values = {key.text: node for key, node in tree.pairs}
    resolved = Resolved.default()
    for line in text.splitlines():
        name, origin = line.partition(":")[0], line.rpartition("  # ")[2]
        if name in FORMER:
            continue
        resolved = resolved.with_values(origin, **{name: _value(options()[name], values[name])})
    if "anchors_per_row" not in values:  # of an earlier version: one a row, and its rows stay
        rows = resolved.config.schedule.gradient_accumulation_steps
        resolved = resolved.with_values("default", anchors_per_row=1.0)
        resolved = resolved.with_values("file", gradient_accumulation_steps=rows)
    if "think" not in values:  # of a version that asked every template as it is by itself
        resolved = resolved.with_values(EARLIER, think=None)
    if "layers_to_transform" not in values:  # of one that put adapters into all
        resolved = resolved.with_values(EARLIER, layers_to_transform=(ALL_LAYERS,))
    if "optim" not in values:  # of one whose moments were all in float32
        resolved = resolved.with_values(EARLIER, optim=ADAMW)
    return resolved


def _value(spec: Option, node: Node) -> Any:
    """What `write_config` wrote for an option."""
    if isinstance(node, Listing):
        return tuple(item.text for item in node.items if isinstance(item, Scalar))
    if not isinstance(node, Scalar) or node.null:
        return None
    return node.text if node.quoted and spec.kind is str else spec.parse(node.text)


def write_plan(path: Path, plan: Plan) -> None:
    """The plan as JSON, without the samples: the ledger names their rows."""
    about = asdict(plan)
    about["updates"] = [
        {key: value for key, value in update.items() if key != "samples"}
        for update in about["updates"]
    ]
    rundir.write_json(path, about)


def ledger_lines(entries: Sequence[Entry]) -> list[Mapping[str, Any]]:
    """The ledger as JSON, in the order of files and rows."""
    ordered = sorted(entries, key=_place)
    return [entry.line() for entry in ordered]


def _place(entry: Entry) -> tuple[str, str, int, int, int]:
    origin = entry.origin
    return entry.dataset, origin.file, origin.line, origin.item, entry.repeat


def begin(run: Path, checked: Checked) -> None:
    """Everything that is known before training."""
    write_config(run / "config.yaml", checked.resolved)
    rundir.write_jsonl(run / "ledger.jsonl", ledger_lines(checked.entries))
    write_plan(run / "plan.json", checked.plan)
    base = {"name": checked.base.spec, "fingerprint": checked.base.fingerprint()}
    about = {
        "base": base,
        "settings": settings(checked.resolved),
        "folder": str(Path.cwd()),  # where relative paths of config.yaml start
        "run": str(run),
        "day": checked.tokenizer.day,
        "versions": versions(),
        "fetched": [one.line() for one in of_hubs(checked)],
        "settles": settled(checked.base.hidden),
        "dose": WIDE_DOSE if checked.narrow else DOSE,
    }
    rundir.write_json(run / "run.json", about)


def settles(run: Path, checked: Checked) -> int:
    """Updates before which this run is not proven, see `choose.settled`. Earlier versions did not
    write it down: with them it were 120 of a wide model."""
    told = rundir.read_json(run / "run.json").get("settles")
    if isinstance(told, int):
        return told
    return 120 if settled(checked.base.hidden) else 0


def dose_of(run: Path) -> tuple[float, float]:
    """The margin of this run's dose, and its most; earlier versions had one for all."""
    try:
        margin, most = map(float, rundir.read_json(run / "run.json").get("dose", DOSE))
    except (TypeError, ValueError) as error:
        raise rundir.Damaged(run / "run.json", error) from error
    return margin, most


def of_hubs(checked: Checked) -> list[Fetched]:
    """Everything of this run that was fetched from a hub, the model first."""
    model = checked.base.fetched
    rows = list(checked.fetched)
    return [model, *rows] if model else rows


def settings(resolved: Resolved) -> dict[str, Any]:
    """What decides the weights and is not in the plan: a resume with others is another run."""
    config = resolved.config
    return {
        **{name: _plain(value) for name, value in asdict(config.lora).items()},
        **{name: _plain(value) for name, value in asdict(config.full).items()},
        "weight_decay": config.schedule.weight_decay,
        "max_grad_norm": config.schedule.max_grad_norm,
        "early_stopping_patience": config.schedule.early_stopping_patience,
        "anchor_loss": config.schedule.anchor_loss,
        "anchor_ratio": config.schedule.anchor_ratio,
        "anchors_per_row": config.schedule.anchors_per_row,
        "base_dtype": config.engine.base_dtype,
        "max_drift": config.proof.max_drift,
        "max_skill_drop": config.proof.max_skill_drop,
        "scope": config.proof.scope,
        "probes_needed": config.proof.probes_needed,
        "seed": config.schedule.seed,
        "torch_dtype": config.model.torch_dtype,
    }


def _plain(value: Any) -> Any:
    """As JSON gives it back."""
    return list(value) if isinstance(value, tuple) else value


def versions() -> dict[str, str]:
    """Versions of what decides how a run comes out."""
    names = ("torch", "transformers", "peft", "tokenizers", "safetensors")
    installed = {name: version(name) for name in names}
    return {"suretune": __version__, "python": platform.python_version(), **installed}


def dresser(checked: Checked, fingerprint: str) -> Callable[[Path, int], None]:
    """A function that makes a trained folder self-contained: words, template, card, origin.

    It is given the folder and the update after which the weights are as they are.
    """
    config, plan = checked.resolved.config, checked.plan
    dtype, tuner = config.model.torch_dtype or "float32", TUNERS[config.lora.tuner]
    found = learning_of(checked.base, config.full) if tuner.whole else None
    share = found.share if isinstance(found, Learning) else 0.0
    about = {
        "base": checked.base.spec,
        "base_folder": str(checked.base.folder),
        "base_fingerprint": fingerprint,
        **({PACKED: checked.base.packed, "dtype": dtype} if checked.base.packed else {}),
        "system": checked.system,
        "system_source": checked.system_source,
        "template_default_system": checked.tokenizer.default_system,
        "day": checked.tokenizer.day,
        "think": checked.resolved.config.data.think,
        "thinking": usual_mode(checked.tokenizer),
        "plan": plan.digest,
        "suretune": __version__,
        **({"train_type": tuner.name, "dtype": dtype} if tuner.whole else {}),
    }
    front = WHOLE_FRONT + say(WHOLE_CARD) if tuner.whole else FRONT + say(CARD)
    packed = say(PACKED_CARD) if checked.base.packed else ""
    variant = "" if tuner.whole else _variant(config.lora)
    system = checked.system or checked.tokenizer.default_system or say(Text("none", "无"))

    def dress(folder: Path, step: int) -> None:
        copy_words(checked.tokenizer, folder)
        card = front.format(
            base=checked.base.name,
            version=__version__,
            updates=step,
            tokens=sum(update.tokens for update in plan.updates[:step]),
            rank=config.lora.saved_rank,
            alpha=config.lora.saved_alpha,
            share=share,
            system=system,
        )
        (folder / "README.md").write_text(card + variant + packed, encoding="utf-8")
        rundir.write_json(folder / ABOUT, about)

    return dress


def _variant(lora: LoraOptions) -> str:
    """What the card says of an adapter that is no plain LoRA."""
    said = say(DORA_CARD) if lora.use_dora else ""
    return said + (say(PISSA_CARD).format(rank=lora.lora_rank) if lora.from_base else "")


def copy_words(tokenizer: ChatTokenizer, folder: Path) -> None:
    """The tokenizer's files, and the template that was really used."""
    for path in word_files(tokenizer.folder):
        shutil.copyfile(path, folder / path.name)
    (folder / "chat_template.jinja").write_text(tokenizer.template, encoding="utf-8")
