"""S033 quantised-base: the model's weights are packed into fewer bits.

What it looks at: `quantization_config` in `config.json` and its older forms, the files that
quantising tools leave beside a model, and the names and types of the tensors: GPTQ, AWQ,
bitsandbytes in 4 and 8 bits, FP8, MXFP4, compressed-tensors, MLX, GGUF and others.

Why it matters: an adapter is trained, and proven, against the weights that it will be added to.
Packed layers are another kind of layer; computing them needs the packages that packed them.

Fix: give the model that it was made from, as its page names it:
`--model Qwen/Qwen2.5-7B-Instruct`. If memory is short, `--train_type qlora` packs it into 4 bits
(NF4) as it is loaded, and trains and proves on that. The adapter can be served on another
quantised copy afterwards, but what was proven was proven on the one here.

S033 quantised-base：模型的权重是量化过的。

检查内容：`config.json` 里的 `quantization_config` 及其旧写法、量化工具留下的文件、张量的名字和类
型：GPTQ、AWQ、bitsandbytes 的 4 位和 8 位、FP8、MXFP4、compressed-tensors、MLX、GGUF 等。

影响：适配器是在它要附加的那份权重上训练和验证的。量化后的层是另一种层，要用当初量化它的软件才能
计算。

怎么改：改用量化之前的模型，它的页面上会写明：`--model Qwen/Qwen2.5-7B-Instruct`。
显存不够时，`--train_type qlora` 会在加载时把它压缩成 4 位（NF4），并在其上训练和验证。训练好的
适配器之后也可以挂到别的量化版上，但验证是在这里的这一份上做的。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, for_setup
from suretune.types import Text


def check(facts: SetupFacts) -> Values | None:
    """`nearest`: the model that it was made from, where that is known."""
    values = for_setup("quantised-base", "--model")(facts)
    plain = facts.nearest
    known = Text(
        f"Train on the model that it was made from: `--model {plain}`; with"
        " `--train_type qlora` suretune packs it into 4 bits itself.",
        f"改用量化之前的模型：`--model {plain}`；加上 `--train_type qlora`，"
        "suretune 会自己把它压缩成 4 位。",
    )
    unknown = Text(
        "Train on the model that it was made from, the one without quantisation: its page names it"
        " (`base_model`); with `--train_type qlora` suretune packs it into 4 bits itself.",
        "改用量化之前的原模型；它的页面上写有名字（`base_model`）。加上 `--train_type qlora`，"
        "suretune 会自己把它压缩成 4 位。",
    )
    return values and {**values, "plain": known if plain else unknown}


GUARD = Guard(
    code="S033",
    name="quantised-base",
    title=Text("weights of the model are quantised", "原模型是量化过的"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text(
        "The weights of {detail} are quantised: {found}.", "{detail} 的权重是量化过的：{found}。"
    ),
    why=Text(
        "Adapters are trained here on plain weights; packed layers are of another kind.",
        "这里的适配器要在未量化的权重上训练；量化后的层是另一种层。",
    ),
    fix=Text("{plain}", "{plain}"),
)
