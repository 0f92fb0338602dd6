"""S026 token-beyond-vocabulary: the tokenizer makes tokens that the model does not have.

What it looks at: the ids of all rows, and the `vocab_size` of the model's config.json.

Why it matters: such an id lies outside the embedding. On a GPU that is a `device-side assert` in
the middle of a run, which does not say what is wrong.

Fix: use the tokenizer that came with the model: download it again with `hf download`. Tokens that
were added to a tokenizer need rows in the embedding, which LoRA does not train.

S026 token-beyond-vocabulary：分词器产生了模型没有的 token。

检查内容：所有数据的 token 编号，和模型 config.json 里的 `vocab_size`。

影响：这样的编号落在嵌入层之外。在 GPU 上表现为训练中途的 `device-side assert`，看不出错在哪里。

怎么改：使用模型自带的分词器：用 `hf download` 重新下载。给分词器新增的 token
需要嵌入层里有对应的行，而 LoRA 不训练嵌入层。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, for_setup
from suretune.types import Text

GUARD = Guard(
    code="S026",
    name="token-beyond-vocabulary",
    title=Text("token beyond the vocabulary", "token 超出词表"),
    stops=True,
    facts=SetupFacts,
    check=for_setup("token-beyond-vocabulary", "--model"),
    what=Text(
        "The rows contain token {found}; the model's embedding ends before it: {detail}.",
        "数据里出现了编号为 {found} 的 token，超出了模型的嵌入层：{detail}。",
    ),
    why=Text(
        "Training would fail in the middle, without saying why.",
        "训练会中途出错，而且不说原因。",
    ),
    fix=Text(
        "Put the tokenizer back that came with the model (tokenizer.json, tokenizer_config.json).",
        "换回模型自带的分词器（tokenizer.json、tokenizer_config.json）。",
    ),
)
