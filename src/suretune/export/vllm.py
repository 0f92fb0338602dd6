"""`--to vllm`: the adapter with its layers named as the class that vLLM opens the base with names
them, the template that it was trained with, and the command.

vLLM opens a base as its config.json says, transformers as a language model: where a checkpoint has
further parts, the two call one layer differently, and vLLM leaves out, without a word, what it does
not find. The base's own files have the names that it looks for.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors.torch import load_file, save_file

from suretune import rundir, typed
from suretune.export import apart
from suretune.export.apart import ask_apart
from suretune.export.copied import copy_words
from suretune.export.delta import PREFIX, base_tensors, layers, more_than_lora, places
from suretune.export.door import Asked, Carried, Conversations, Heard, Written, cannot
from suretune.facts import SetupFacts
from suretune.model.lora import CONFIG, WEIGHTS
from suretune.types import Text


@dataclass(frozen=True, slots=True)
class Vllm:
    """`vllm`."""

    name: str = "vllm"
    quants: Sequence[str] = ()

    def lacks(self, quant: str) -> str:
        """See `Target`."""
        return ""

    def why_not(self, carried: Carried, quant: str) -> SetupFacts | None:
        """See `Target`."""
        if (wrong := beside_the_blocks(carried, self.name)) is not None:
            return wrong
        if carried.rank > typed.VLLM_RANKS[-1]:
            told = Text(
                f"its rank is {carried.rank}, and the highest there is {typed.VLLM_RANKS[-1]}",
                f"它的秩是 {carried.rank}，而那里最高为 {typed.VLLM_RANKS[-1]}",
            )
            return cannot(self.name, told, carried, merged_instead(carried))
        return None

    def write(self, carried: Carried, quant: str, folder: Path) -> Written:
        """See `Target`."""
        return write_adapter(carried, folder, served_by_vllm)

    def asks(self, carried: Carried, folder: Path) -> Asked | None:
        """See `Target`."""
        if importlib.util.find_spec("vllm") is None:
            return None

        def ask(conversations: Conversations, tokens: int) -> Heard:
            return ask_vllm(carried, folder, conversations, tokens)

        return ask

    def commands(self, carried: Carried, folder: Path) -> Sequence[str]:
        """See `Target`."""
        return [served_by_vllm(carried, typed.path(folder)), *verify_there(carried, 8000)]


def served_by_vllm(carried: Carried, place: str) -> str:
    """vLLM's own command; `place`: the folder, as a shell reads it."""
    return (
        f"vllm serve {base_path(carried)} --enable-lora"
        f" --max-lora-rank {typed.vllm_rank(carried.rank)}"
        f" --lora-modules {served_name(carried)}={place}"
        f" --chat-template {place}/chat_template.jinja"
    )


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


def run_of(carried: Carried) -> Path:
    """The run of an adapter, or its folder where it belongs to none."""
    return carried.adapter.parent if carried.adapter.name == "adapter" else carried.adapter


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
    return f"suretune export {typed.path(run_of(carried))} --to merged"


def beside_the_blocks(carried: Carried, target: str) -> SetupFacts | None:
    """What is more than A and B of the blocks' linear layers."""
    if (more := more_than_lora(carried)) is not None:
        return cannot(target, more, carried)
    outside = [layer for layer in layers(carried) if ".layers." not in layer]
    if outside:
        told = Text(
            f"the adapter changes `{outside[0]}`, which lies outside the blocks",
            f"适配器改动了 `{outside[0]}`，它不在各层之内",
        )
        tied = carried.tied and outside[0].endswith("lm_head")
        return cannot(target, told, carried, "" if tied else merged_instead(carried))
    return None


def write_adapter(
    carried: Carried, folder: Path, served_by: Callable[[Carried, str], str]
) -> Written:
    """Config and weights under the base's own names, the words, and the command as a script."""
    names = places(base_tensors(carried.base.folder), layers(carried))
    renamed = {layer: name.removesuffix(".weight") for layer, name in names.items()}
    tensors = load_file(carried.adapter / WEIGHTS)
    made = {_renamed(name, renamed): tensor for name, tensor in tensors.items()}
    save_file(made, folder / WEIGHTS, metadata={"format": "pt"})
    base = carried.base.name
    rundir.write_json(folder / CONFIG, {**carried.config, "base_model_name_or_path": base})
    copy_words(carried, folder)
    command = served_by(carried, '"$here"')
    script = f'#!/bin/sh\nhere=$(cd "$(dirname "$0")" && pwd)\nexec {command}\n'
    (folder / "serve.sh").write_text(script, encoding="utf-8")
    odd = sum(layer != name for layer, name in renamed.items())
    note = Text(
        f"{odd} layers are called as the base's own files call them",
        f"{odd} 个层改用了原模型文件里的名字",
    )
    return Written([note] if odd else [], figures={"layers_renamed": odd})


def _renamed(name: str, layers_: Mapping[str, str]) -> str:
    layer, part, rest = name.removeprefix(PREFIX).partition(".lora_")
    return f"{PREFIX}{layers_[layer]}{part}{rest}"


def ask_vllm(carried: Carried, folder: Path, conversations: Conversations, tokens: int) -> Heard:
    """What vLLM answers with the adapter, in a process of its own."""
    talks = [[{"role": t.role, "content": t.content} for t in talk] for talk in conversations]
    request = {
        "base": str(carried.base.folder),
        "adapter": str(folder),
        "talks": talks,
        "tokens": tokens,
        "rank": typed.vllm_rank(carried.rank),
        "context": min(carried.base.context, 2048),
        "template": carried.tokenizer.template,
    }
    env = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_LOGGING_LEVEL": "ERROR"}
    heard = ask_apart("vllm", "vLLM", request, module="suretune.export.vllm", env=env)
    return Heard(heard["answers"], heard["ids"])


def main() -> None:
    """In the process of its own."""
    from vllm import LLM, SamplingParams
    from vllm.lora.request import LoRARequest

    asked = apart.asked()
    model = LLM(
        asked["base"],
        tokenizer=asked["adapter"],
        enable_lora=True,
        max_lora_rank=asked["rank"],
        max_model_len=asked["context"],
        enforce_eager=True,
    )
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
