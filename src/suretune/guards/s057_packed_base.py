"""S057 packed-base: the base is trained on in 4 bits, and that is what is proven.

What it looks at: `--train_type qlora`, and which layers of the model it packs.

Why it matters: packed numbers are not those of the base's files. An adapter learns beside them, and
its answers are those of the packed base: on the 16-bit one they differ a little, and no proof was
made of that.

Fix: nothing, as long as suretune opens the adapter: `infer`, `ask`, `compare` and `serve` pack the
base in the same way. For other programs `suretune export RUN --to merged` writes the numbers that
were proven; those that load the adapter alone should load the base in bitsandbytes' NF4 with double
quantisation, which is the same.

S057 packed-base：训练时原模型压缩成 4 位，验证的也是它。

检查内容：`--train_type qlora`，以及它压缩模型的哪些层。

影响：压缩后的数值与原模型文件里的不同。适配器是在它们旁边学的，回答也是压缩后的原模型给出的；加在
16 位原模型上时回答会略有不同，而那样的回答没有验证过。

怎么改：只要用 suretune 打开适配器就不用处理：`infer`、`ask`、`compare`、`serve` 会以同样方式压缩
原模型。要给别的程序用，`suretune export RUN --to merged` 写出的就是验证过的数值；只加载适配器的
程序，应以 bitsandbytes 的 NF4 加双重量化加载原模型，两者相同。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, for_setup
from suretune.types import Text

GUARD = Guard(
    code="S057",
    name="packed-base",
    title=Text("trained and proven on a base in 4 bits", "原模型压缩成 4 位"),
    stops=False,
    facts=SetupFacts,
    check=for_setup("packed-base", "--train_type"),
    what=Text(
        "Of {detail} these layers are packed into NF4: {found}. Embeddings, norms and `lm_head`"
        " stay as they are.",
        "{detail} 的这些层压缩成 NF4：{found}。词嵌入、归一化层和 `lm_head` 不变。",
    ),
    why=Text(
        "The proof is of this base; on the 16-bit one, where other programs put the adapter,"
        " answers differ a little.",
        "验证针对的是这个原模型；别的程序把适配器加在 16 位原模型上，回答会略有不同。",
    ),
    fix=Text(
        "Nothing for suretune, which packs it again; for other programs, after the run:"
        " `suretune export RUN --to merged`.",
        "用 suretune 打开时不用处理，它会再次压缩；给别的程序用，训练后执行"
        " `suretune export RUN --to merged`。",
    ),
)
