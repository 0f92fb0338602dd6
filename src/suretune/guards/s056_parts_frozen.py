"""S056 parts-frozen: experts, routers, or a part for images are not trained.

What it looks at: the names of the tensors in the model's files, else its config.json: experts and
the routers that choose among them, and what a checkpoint has beside its text model.

Why it matters: adapters go on linear layers. Experts are stored as one tensor for all of them,
for which most servers take no adapter; a router that moves sends tokens to experts that were not
made for them. What is learned has to fit into
attention and the layers that every token passes.

Fix: nothing has to be mended. `--lora_rank` gives the layers that are trained more room.

S056 parts-frozen：专家、路由或图像部分不参与训练。

检查内容：模型文件里的张量名，没有文件时看 config.json：专家、选择专家的路由，
以及文本模型之外的部分。

影响：适配器加在线性层上。所有专家存在同一个张量里，多数推理服务不接受加在专家上的适配器；
路由一旦改变，token 就会被送到不合适的专家。要学的内容只能放进注意力和每个 token 都经过的层。

怎么改：不用改。`--lora_rank` 可以给参与训练的层更多容量。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, for_setup
from suretune.types import Text

GUARD = Guard(
    code="S056",
    name="parts-frozen",
    title=Text("parts are not trained", "部分权重不参与训练"),
    stops=False,
    facts=SetupFacts,
    check=for_setup("parts-frozen", "--model"),
    what=Text(
        "Frozen in {detail}: {found}.",
        "{detail} 中冻结不变的部分：{found}。",
    ),
    why=Text(
        "Adapters go on the linear layers that every token of text passes: what is learned has "
        "to fit in there.",
        "适配器只加在每个文本 token 都经过的线性层上：要学的内容只能放在那里。",
    ),
    fix=Text(
        "Nothing has to be mended; a higher `--lora_rank` gives those layers more room.",
        "不用改；调高 `--lora_rank` 可以给这些层更多容量。",
    ),
)
