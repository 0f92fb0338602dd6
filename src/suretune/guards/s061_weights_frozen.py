"""S061 weights-frozen: with `--train_type full`, some of the base's weights do not learn.

What it looks at: the names and shapes of the weights in the model's files, against
`--freeze_parameters_ratio`, `--freeze_parameters` and `--trainable_parameters`; and experts,
routers and parts for images, which never learn here.

Why it matters: what is frozen stays as it was to the last bit, and costs neither gradient nor
moments. What is to be learned has to fit into the rest. A name means the weights that begin with
these very parts: `model.layers.1` is the second layer, not the eleventh as well.

Fix: nothing has to be mended where the numbers are those that were meant.

S061 weights-frozen：`--train_type full` 时，原模型的一部分权重不参与训练。

检查内容：模型文件里权重的名字和形状，与 `--freeze_parameters_ratio`、`--freeze_parameters`、
`--trainable_parameters` 对照；专家、路由和图像部分在这里一律不训练。

影响：冻结的权重一个比特也不会变，也不占梯度和动量的内存；要学的内容只能放进其余的权重。
名字按完整的层级匹配：`model.layers.1` 只指第二层，不包括第十一层。

怎么改：数目与本意相符就不用改。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, for_setup
from suretune.types import Text

GUARD = Guard(
    code="S061",
    name="weights-frozen",
    title=Text("some weights do not learn", "部分权重保持不变"),
    stops=False,
    facts=SetupFacts,
    check=for_setup("weights-frozen", "--train_type"),
    what=Text("In {detail}: {found}.", "{detail}：{found}。"),
    why=Text(
        "What is to be learned has to fit into the weights that learn.",
        "要学的内容只能放进参与训练的权重。",
    ),
    fix=Text(
        "Nothing has to be mended where these are the numbers that were meant;"
        " `--freeze_parameters_ratio` and `--trainable_parameters` say otherwise.",
        "数目与本意相符就不用改；否则用 `--freeze_parameters_ratio` 和"
        " `--trainable_parameters` 调整。",
    ),
)
