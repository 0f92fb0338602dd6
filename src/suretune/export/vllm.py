"""`--to vllm`: the adapter with its layers named as the class that vLLM opens the base with names
them, the template that it was trained with, and the command.

vLLM opens a base as its config.json says, transformers as a language model: where a checkpoint has
further parts, the two call one layer differently, and vLLM leaves out, without a word, what it does
not find. The base's own files have the names that it looks for.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from suretune import rundir, typed
from suretune.export import apart
from suretune.export.apart import Program, ask_apart
from suretune.export.copied import copy_words, ends_are_told, has_own_words
from suretune.export.delta import (
    PREFIX,
    A,
    B,
    base_tensors,
    deltas,
    even,
    layers,
    more_than_lora,
    places,
    where_it_goes,
)
from suretune.export.door import (
    Asked,
    Carried,
    Conversations,
    Heard,
    Written,
    cannot,
    export_again,
    run_of,
)
from suretune.facts import SetupFacts
from suretune.installed import is_installed
from suretune.model.lora import CONFIG, WEIGHTS
from suretune.types import Text

EVEN = 8  # of which a rank is a multiple that kernels take in whole blocks
PROGRAM = Program(
    "vLLM",
    "suretune.export.vllm",
    env={"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_LOGGING_LEVEL": "ERROR"},
    refuses=re.compile(
        r"While loading .*expected target|LoRA rank \d+ is greater|does not.* support"
    ),
)


@dataclass(frozen=True, slots=True)
class Vllm:
    """`vllm`."""

    name: str = "vllm"
    quants: Sequence[str] = ()

    def lacks(self, quant: str) -> str:
        """See `Target`."""
        return ""

    def why_not(
        self,
        carried: Carried,
        quant: str,
    ) -> SetupFacts | None:
        """See `Target`."""
        if (wrong := beside_the_blocks(carried, self.name)) is not None:
            return wrong
        if carried.rank > typed.VLLM_RANKS[-1]:
            told = Text(
                f"its rank is {carried.rank}, and the highest there is {typed.VLLM_RANKS[-1]}",
                f"它的秩是 {carried.rank}，而那里最高为 {typed.VLLM_RANKS[-1]}",
            )
            return cannot(
                self.name,
                told,
                carried,
                merged_instead(carried),
            )
        return None

    def write(
        self,
        carried: Carried,
        quant: str,
        folder: Path,
    ) -> Written:
        """See `Target`."""
        return write_adapter(carried, folder, served_by_vllm)

    def asks(self, carried: Carried, folder: Path) -> Asked | None:
        """See `Target`."""
        if not is_installed("vllm"):
            return None

        def ask(conversations: Conversations, tokens: int) -> Heard:
            return ask_vllm(carried, folder, conversations, tokens)

        return ask

    def commands(
        self,
        carried: Carried,
        folder: Path,
    ) -> Sequence[str]:
        """See `Target`."""
        return [served_by_vllm(carried, typed.path(folder)), *verify_there(carried, 8000)]


def served_by_vllm(carried: Carried, place: str) -> str:
    """vLLM's own command; `place`: the folder, as a shell reads it."""
    words = [
        f"vllm serve {base_path(carried)} --enable-lora",
        f"--max-lora-rank {typed.vllm_rank(carried.rank)}",
        f"--lora-modules {served_name(carried)}={place}",
        f"--chat-template {place}/chat_template.jinja",
    ]
    words += [f"--tokenizer {place}"] if has_own_words(carried) else []
    words += [] if ends_are_told(carried) else [f"--generation-config {place}"]
    return " ".join(words)


def served_name(carried: Carried) -> str:
    """A name without spaces and signs that a shell or a server would read otherwise."""
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in carried.name) or "adapter"


def base_path(carried: Carried) -> str:
    """The base as the other program finds it: its folder, or the name that a hub has for it."""
    name = carried.base.name
    return (
        shlex.quote(name)
        if "/" in name and not os.path.isdir(name)
        else typed.path(carried.base.folder)
    )


def verify_there(carried: Carried, port: int) -> list[str]:
    """The command that asks a server what the seal was asked; none without a seal."""
    run = run_of(carried)
    if not (run / rundir.SEAL).is_file():
        return []
    name = served_name(carried)
    return [
        f"suretune verify http://127.0.0.1:{port}/v1 --served_model_name {name}"
        f" --run {typed.path(run)}"
    ]


def merged_instead(carried: Carried) -> str:
    """The command that works where an adapter of its own cannot be loaded."""
    return export_again(carried, "merged")


def no_adapter(carried: Carried, target: str) -> SetupFacts:
    """A model whose own weights were trained, to a target that puts an adapter on its base."""
    told = Text(
        "this run trained the base's own weights (`--train_type full`), and this target takes an"
        " adapter beside a base; the folder that `merged` writes is served as any model",
        "这次运行训练的是原模型自身的权重（`--train_type full`），"
        "而这个目标只接受原模型旁的适配器；`merged` 写出的文件夹可以像任何模型一样部署",
    )
    return cannot(target, told, carried, merged_instead(carried))


def beside_the_blocks(carried: Carried, target: str) -> SetupFacts | None:
    """What is more than A and B of the blocks' linear layers."""
    if carried.whole:
        return no_adapter(carried, target)
    if (more := more_than_lora(carried)) is not None:
        return cannot(target, more, carried, where_it_goes(carried))
    outside = [layer for layer in layers(carried) if ".layers." not in layer]
    if outside:
        told = Text(
            f"the adapter changes `{outside[0]}`, which lies outside the blocks",
            f"适配器改动了 `{outside[0]}`，它不在各层之内",
        )
        tied = carried.tied and outside[0].endswith("lm_head")
        return cannot(
            target,
            told,
            carried,
            "" if tied else merged_instead(carried),
        )
    return None


def write_adapter(
    carried: Carried,
    folder: Path,
    served_by: Callable[[Carried, str], str],
    *,
    plain: bool = False,
) -> Written:
    """Config and weights under the base's own names, the words, and the command as a script.

    Where layers have ranks or scales of their own, and where it has to be `plain`, all get one: not
    every program looks for the others.
    """
    names = places(base_tensors(carried.base.folder), layers(carried))
    renamed = {layer: name.removesuffix(".weight") for layer, name in names.items()}
    tensors, config = load_file(carried.adapter / WEIGHTS), dict(carried.config)
    if plain or config.get("rank_pattern") or config.get("alpha_pattern"):
        tensors, more = _as_plain(carried)
        config |= more
    odd = sum(layer != name for layer, name in renamed.items())
    if odd and not plain:  # last names alone would mean layers of other parts as well
        config["target_modules"] = sorted(renamed.values())
    made = {_renamed(name, renamed): tensor for name, tensor in tensors.items()}
    save_file(made, folder / WEIGHTS, metadata={"format": "pt"})
    base = carried.base.name
    rundir.write_json(folder / CONFIG, {**config, "base_model_name_or_path": base})
    copy_words(carried, folder)
    command = served_by(carried, '"$here"')
    script = f'#!/bin/sh\nhere=$(cd "$(dirname "$0")" && pwd)\nexec {command}\n'
    (folder / "serve.sh").write_text(script, encoding="utf-8")
    note = Text(
        f"{odd} layers are called as the base's own files call them",
        f"{odd} 个层改用了原模型文件里的名字",
    )
    return Written(
        [note] if odd else [],
        figures={"layers_renamed": odd},
        alone=True,
    )


def _as_plain(carried: Carried) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The same adapter with one rank, a multiple of 8, and one scale alpha / r for all layers."""
    changes = even(deltas(carried), EVEN)
    tensors = {}
    for layer, delta in changes.items():
        tensors[f"{PREFIX}{layer}{A}"] = delta.a.contiguous()
        tensors[f"{PREFIX}{layer}{B}"] = delta.b.contiguous()
    first = next(iter(changes.values()))
    rank = first.a.shape[0]
    names = sorted({layer.rpartition(".")[2] for layer in changes})
    config = {"r": rank, "lora_alpha": first.scale * rank, "use_rslora": False}
    return tensors, {**config, "rank_pattern": {}, "alpha_pattern": {}, "target_modules": names}


def _renamed(name: str, layers_: Mapping[str, str]) -> str:
    layer, part, rest = name.removeprefix(PREFIX).partition(".lora_")
    return f"{PREFIX}{layers_[layer]}{part}{rest}"


def ask_vllm(
    carried: Carried,
    folder: Path,
    conversations: Conversations,
    tokens: int,
) -> Heard:
    """What vLLM answers with the adapter, in a process of its own."""
    talks = [[{"role": t.role, "content": t.content} for t in talk] for talk in conversations]
    request = {
        "base": str(carried.base.folder),
        "adapter": str(folder),
        "talks": talks,
        "tokens": tokens,
        "rank": typed.vllm_rank(carried.rank),
        "context": min(carried.base.context, 2048),
        "tokenizer": str(folder) if has_own_words(carried) else None,
        "ends": "auto" if ends_are_told(carried) else str(folder),
        "template": carried.tokenizer.template,
    }
    heard = ask_apart(
        "vllm",
        PROGRAM,
        request,
        questions=len(talks),
        seconds=carried.seconds,
    )
    return Heard(heard["answers"], heard["ids"])


def main() -> None:
    """In the process of its own."""
    from vllm import LLM, SamplingParams
    from vllm.lora.request import LoRARequest

    asked = apart.asked()
    model = LLM(
        asked["base"],
        tokenizer=asked["tokenizer"],
        generation_config=asked["ends"],
        enable_lora=True,
        max_lora_rank=asked["rank"],
        max_model_len=asked["context"],
        enforce_eager=True,
    )
    apart.tell_read()
    told = model.chat(
        asked["talks"],
        SamplingParams(temperature=0, max_tokens=asked["tokens"]),
        lora_request=LoRARequest("adapter", 1, asked["adapter"]),
        chat_template=asked["template"],
        use_tqdm=False,
    )
    apart.tell(
        {
            "answers": [each.outputs[0].text for each in told],
            "ids": [list(each.prompt_token_ids) for each in told],
        }
    )


if __name__ == "__main__":
    main()
