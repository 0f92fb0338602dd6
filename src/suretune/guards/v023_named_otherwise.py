"""V023 named-otherwise: the class that other programs open calls the adapter's layers otherwise.

What it looks at: the names of the tensors in the model's files, against those of its text model by
itself, which is what is trained.

Why it matters: vLLM and SGLang open the class that config.json names, a text model among other
parts. Layers whose names they do not find they leave out without a word: the adapter is listed,
every request is answered, and the answers are the base's. PEFT on the whole model does the same.

Fix: `suretune export RUN --to vllm` (or `sglang`) after training writes the adapter under the names
that the base's own files have. `suretune serve` and `suretune ask` take the run as it is.

V023 named-otherwise：其他程序打开的类里，适配器各层的名字不同。

检查内容：模型文件里的张量名，与单独的文本模型（训练的就是它）的名字相比。

影响：vLLM 和 SGLang 按 config.json 打开整个模型，文本模型只是其中一部分。
名字对不上的层会被悄悄跳过：适配器列在模型列表里，每个请求都有回答，但回答是原模型的。
在整个模型上用 PEFT 也一样。

怎么改：训练之后用 `suretune export RUN --to vllm`（或 `sglang`），按原模型文件里的名字写出适配器。
`suretune serve` 和 `suretune ask` 直接使用运行文件夹即可。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, for_setup, run_path
from suretune.types import Text


def check(facts: SetupFacts) -> Values | None:
    values = for_setup("named-otherwise", "--model")(facts)
    return values and {**values, "run": run_path(facts.spare), "theirs": facts.nearest}


GUARD = Guard(
    code="V023",
    name="named-otherwise",
    title=Text("other names in vLLM", "vLLM 里的层名不同"),
    stops=False,
    facts=SetupFacts,
    check=check,
    what=Text(
        "vLLM and others open {detail} as {found}: `{theirs}layers` there is `model.layers` in "
        "the adapter.",
        "vLLM 等程序把 {detail} 当作 {found} 打开：那里的 `{theirs}layers` 在适配器里叫 "
        "`model.layers`。",
    ),
    why=Text(
        "They leave out layers that they do not find, without a word, and answer as the base.",
        "找不到的层会被悄悄跳过，回答与原模型相同。",
    ),
    fix=Text(
        "After training: `suretune export {run} --to vllm`. `suretune serve` takes the run as it "
        "is.",
        "训练之后：`suretune export {run} --to vllm`。`suretune serve` 直接使用运行文件夹。",
    ),
)
