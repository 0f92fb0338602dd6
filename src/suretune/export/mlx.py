"""`--to mlx`: the adapter in mlx-lm's own layout, which is not PEFT's.

There A is (in, r) and B (r, out), each the transposed of PEFT's; one rank and one scale count for
all layers, so that others are filled up, and a layer is called by its place in its block.

mlx-lm looks for `rope_theta` where transformers 5 no longer writes it, and takes its own default
instead, without a word: the base itself would then answer otherwise. Such a base is carried along,
merged, with a config that says it in both places; mlx-lm runs that folder as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from suretune import rundir, typed
from suretune.export import apart
from suretune.export.apart import Program, ask_apart
from suretune.export.copied import copy_words, ends_are_told, has_own_template, has_own_words
from suretune.export.delta import deltas, even, layers
from suretune.export.door import COMPARED, Asked, Carried, Conversations, Heard, Written
from suretune.export.merged import unmergeable, with_old_names, write_merged
from suretune.export.vllm import base_path, beside_the_blocks
from suretune.facts import SetupFacts
from suretune.installed import is_installed
from suretune.types import Text

PROGRAM = Program(
    "mlx-lm",
    "suretune.export.mlx",
    refuses=re.compile(r"^ValueError: (Received|Missing|Expected shape|Model type)"),
)
WEIGHTS, CONFIG = "adapters.safetensors", "adapter_config.json"


@dataclass(frozen=True, slots=True)
class Mlx:
    """`mlx`."""

    name: str = "mlx"
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
        return unmergeable(carried, self.name) if needs_its_base(carried) else None

    def write(
        self,
        carried: Carried,
        quant: str,
        folder: Path,
    ) -> Written:
        """See `Target`."""
        if (why := needs_its_base(carried)) is None:
            return write_mlx(carried, folder)
        written = write_merged(carried, folder)
        note = Text(
            f"{why.en}: merged into a folder of its own", f"{why.zh}，因此合并成单独的文件夹"
        )
        return replace(
            written,
            notes=[note, *written.notes],
            types={},
        )

    def asks(self, carried: Carried, folder: Path) -> Asked | None:
        """See `Target`."""
        if not is_installed("mlx_lm"):
            return None

        def ask(conversations: Conversations, tokens: int) -> Heard:
            return ask_mlx(carried, folder, conversations, tokens)

        return ask

    def commands(
        self,
        carried: Carried,
        folder: Path,
    ) -> Sequence[str]:
        """See `Target`."""
        base, place = base_path(carried), typed.path(folder)
        if needs_its_base(carried) is not None:
            return [f"mlx_lm.server --model {place}"]
        command = f"mlx_lm.server --model {base} --adapter-path {place}"
        if has_own_template(carried):
            command += f' --chat-template "$(cat {place}/chat_template.jinja)"'
        return [command]


def needs_its_base(carried: Carried) -> Text | None:
    """Why mlx-lm would not compute or ask as here from the base's own files; None where it would.

    It looks there, and not beside the adapter, for the rotary embedding's base, the tokenizer and
    the ends of an answer.
    """
    if with_old_names(carried.base.config) != carried.base.config:
        return Text(
            "the base's config says `rope_theta` where mlx-lm does not look",
            "原模型的配置把 `rope_theta` 写在 mlx-lm 不读的地方",
        )
    if carried.base.text is not carried.base.config:
        return Text(
            "the base has further parts, and mlx-lm calls its layers otherwise",
            "原模型由几部分组成，mlx-lm 里的层名不同",
        )
    if has_own_words(carried):
        return Text(
            "the adapter has a tokenizer of its own, and mlx-lm takes the base's",
            "适配器有自己的分词器，而 mlx-lm 用原模型的",
        )
    if not ends_are_told(carried):
        return Text(
            "the base's files do not name every end of an answer",
            "原模型的文件没有写明回答的所有结束标记",
        )
    return None


def write_mlx(carried: Carried, folder: Path) -> Written:
    """Weights and config, of one rank and one scale for all layers."""
    changes = even(deltas(carried))
    scale = next(iter(changes.values())).scale
    tensors: dict[str, Tensor] = {}
    for layer, delta in changes.items():
        tensors[f"{layer}.lora_a"] = delta.a.to(torch.float32).T.contiguous()
        tensors[f"{layer}.lora_b"] = delta.b.to(torch.float32).T.contiguous()
    save_file(tensors, folder / WEIGHTS, metadata={"format": "mlx"})
    keys = sorted({layer.split(".layers.")[1].partition(".")[2] for layer in changes})
    numbers = {int(layer.split(".layers.")[1].partition(".")[0]) for layer in layers(carried)}
    count = int(carried.base.config["num_hidden_layers"])
    rundir.write_json(
        folder / CONFIG,
        {
            "fine_tune_type": "lora",
            "model": carried.base.name,
            "num_layers": count - min(numbers),  # from the last one backwards
            "lora_parameters": {"rank": carried.rank, "scale": scale, "dropout": 0.0, "keys": keys},
        },
    )
    copy_words(carried, folder)
    return Written(alone=True)


def ask_mlx(
    carried: Carried,
    folder: Path,
    conversations: Conversations,
    tokens: int,
) -> Heard:
    """What mlx-lm answers, in a process of its own: from the conversations as text, by the
    tokenizer, the template and the ends that its own server would take."""
    alone = needs_its_base(carried) is None
    talks = [[{"role": t.role, "content": t.content} for t in talk] for talk in conversations]
    request = {
        "base": str(carried.base.folder if alone else folder),
        "adapter": str(folder) if alone else None,
        "template": carried.tokenizer.template if alone and has_own_template(carried) else None,
        "talks": talks,
        "tokens": tokens,
    }
    heard = ask_apart(
        "mlx",
        PROGRAM,
        request,
        questions=len(talks),
        seconds=carried.seconds,
    )
    return Heard(
        heard["answers"],
        heard["ids"],
        torch.tensor(heard["logits"]),
    )


def main() -> None:
    """In the process of its own."""
    import mlx.core as mx
    from mlx_lm.generate import stream_generate
    from mlx_lm.utils import load

    asked = apart.asked()
    more = {"chat_template": asked["template"]} if asked["template"] else {}
    model, words = load(
        asked["base"],
        adapter_path=asked["adapter"],
        tokenizer_config=more,
    )
    apart.tell_read()
    answers, prompts, logits = [], [], []
    for place, talk in enumerate(asked["talks"]):
        prompt = words.apply_chat_template(
            talk,
            add_generation_prompt=True,
            tokenize=True,
        )
        prompts.append(list(prompt))
        if place < COMPARED:
            last = model(mx.array([prompts[-1]]))[0, -1].astype(mx.float32)
            logits.append(last.tolist())
        steps = stream_generate(
            model,
            words,
            prompts[-1],
            max_tokens=asked["tokens"],
        )
        answers.append("".join(step.text for step in steps))
    apart.tell({"answers": answers, "ids": prompts, "logits": logits})


if __name__ == "__main__":
    main()
