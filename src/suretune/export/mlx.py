"""`--to mlx`: the adapter in mlx-lm's own layout, which is not PEFT's.

There A is (in, r) and B (r, out), each the transposed of PEFT's; one rank and one scale count for
all layers, and a layer is called by its place in its block.

mlx-lm looks for `rope_theta` where transformers 5 no longer writes it, and takes its own default
instead, without a word: the base itself would then answer otherwise. Such a base is carried along,
merged, with a config that says it in both places; mlx-lm runs that folder as it is.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from suretune import rundir, typed
from suretune.data.render import prompt_ids
from suretune.export import apart
from suretune.export.apart import ask_apart
from suretune.export.copied import copy_words
from suretune.export.delta import deltas, layers
from suretune.export.door import COMPARED, Asked, Carried, Conversations, Heard, Written, cannot
from suretune.export.merged import unmergeable, with_old_names, write_merged
from suretune.export.vllm import base_path, beside_the_blocks, merged_instead
from suretune.facts import SetupFacts
from suretune.types import Text

WEIGHTS, CONFIG = "adapters.safetensors", "adapter_config.json"


@dataclass(frozen=True, slots=True)
class Mlx:
    """`mlx`."""

    name: str = "mlx"
    quants: Sequence[str] = ()

    def lacks(self, quant: str) -> str:
        """See `Target`."""
        return ""

    def why_not(self, carried: Carried, quant: str) -> SetupFacts | None:
        """See `Target`."""
        if (wrong := beside_the_blocks(carried, self.name)) is not None:
            return wrong
        if unread_by_mlx(carried):
            return unmergeable(carried, self.name)
        ranks = sorted({each.a.shape[0] for each in deltas(carried).values()})
        if len(ranks) > 1:
            told = Text(
                f"its layers have ranks {ranks}, and there is one for all there",
                f"各层的秩不同（{ranks}），而那里所有层只能有一个秩",
            )
            return cannot(self.name, told, carried, merged_instead(carried))
        return None

    def write(self, carried: Carried, quant: str, folder: Path) -> Written:
        """See `Target`."""
        if not unread_by_mlx(carried):
            return write_mlx(carried, folder)
        written = write_merged(carried, folder)
        note = Text(
            "the base's config says `rope_theta` where mlx-lm does not look: merged into a"
            " folder of its own",
            "原模型的配置把 `rope_theta` 写在 mlx-lm 不读的地方，因此合并成单独的文件夹",
        )
        return replace(written, notes=[note, *written.notes], types={})

    def asks(self, carried: Carried, folder: Path) -> Asked | None:
        """See `Target`."""
        if importlib.util.find_spec("mlx_lm") is None:
            return None

        def ask(conversations: Conversations, tokens: int) -> Heard:
            return ask_mlx(carried, folder, conversations, tokens)

        return ask

    def commands(self, carried: Carried, folder: Path) -> Sequence[str]:
        """See `Target`."""
        base, place = base_path(carried), typed.path(folder)
        if unread_by_mlx(carried):
            return [f"mlx_lm.server --model {place}"]
        return [f"mlx_lm.server --model {base} --adapter-path {place}"]


def unread_by_mlx(carried: Carried) -> bool:
    """Whether mlx-lm would not find the base of the rotary embedding in the base's config."""
    return with_old_names(carried.base.config) != carried.base.config


def write_mlx(carried: Carried, folder: Path) -> Written:
    """Weights and config. A layer of another scale than the first has the rest of it in its B."""
    changes = deltas(carried)
    scale = next(iter(changes.values())).scale
    tensors: dict[str, Tensor] = {}
    for layer, delta in changes.items():
        b = delta.b.to(torch.float32) * (delta.scale / scale)
        tensors[f"{layer}.lora_a"] = delta.a.to(torch.float32).T.contiguous()
        tensors[f"{layer}.lora_b"] = b.T.contiguous()
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
    return Written()


def ask_mlx(carried: Carried, folder: Path, conversations: Conversations, tokens: int) -> Heard:
    """What mlx-lm answers with the adapter, in a process of its own."""
    prompts = [prompt_ids(carried.tokenizer, talk) for talk in conversations]
    request = {
        "base": str(folder if unread_by_mlx(carried) else carried.base.folder),
        "adapter": None if unread_by_mlx(carried) else str(folder),
        "prompts": prompts,
        "tokens": tokens,
        "stops": sorted(carried.tokenizer.stop_ids),
    }
    heard = ask_apart("mlx", "mlx-lm", request, module="suretune.export.mlx")
    logits = torch.tensor(heard["logits"])
    return Heard([carried.tokenizer.decode(ids) for ids in heard["said"]], prompts, logits)


def main() -> None:
    """In the process of its own."""
    import mlx.core as mx
    from mlx_lm.generate import generate_step
    from mlx_lm.utils import load

    asked = apart.asked()
    model, _ = load(asked["base"], adapter_path=asked["adapter"])
    said, logits, stops = [], [], set(asked["stops"])
    for place, prompt in enumerate(asked["prompts"]):
        if place < COMPARED:
            last = model(mx.array([prompt]))[0, -1].astype(mx.float32)
            logits.append(last.tolist())
        ids: list[int] = []
        for token, _ in generate_step(mx.array(prompt), model, max_tokens=asked["tokens"]):
            if int(token) in stops:
                break
            ids.append(int(token))
        said.append(ids)
    apart.tell({"said": said, "logits": logits})


if __name__ == "__main__":
    main()
