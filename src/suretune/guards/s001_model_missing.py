"""S001 model-missing: the model cannot be found.

What it looks at: `--model` as a folder, and only if it has the form `owner/name` as a name on a
hub: Hugging Face or ModelScope.

Why it matters: a mistyped folder must not become a download of many gigabytes.

Fix: give the folder or the name on a hub, `--model Qwen/Qwen2.5-7B-Instruct`. To fetch it
beforehand: `modelscope download --model ID --local_dir DIR` or `hf download ID --local-dir DIR`.

S001 model-missing：找不到模型。

检查内容：先把 `--model` 当作文件夹；只有写成 `owner/name` 的形式，才当作下载站
（Hugging Face 或魔搭）上的名字。

影响：没有模型就无法开始；写错的路径也不应该变成十几 GB 的下载。

怎么改：给出文件夹，或下载站上的名字：`--model Qwen/Qwen2.5-7B-Instruct`。想提前下载：
`modelscope download --model ID --local_dir DIR` 或 `hf download ID --local-dir DIR`。
"""

import shlex

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, fetching, for_setup
from suretune.types import Text


def check(facts: SetupFacts) -> Values | None:
    values = for_setup("model-missing", "--model")(facts)
    no_folder = Text("there is no such folder", "没有这个文件夹")
    owner, slash, name = facts.nearest.partition("/")
    cure = Text(
        "Give its folder or its name on a hub, for example `--model Qwen/Qwen2.5-7B-Instruct`.",
        "请给出模型文件夹，或下载站（Hugging Face、魔搭）上的名字，"
        "例如 `--model Qwen/Qwen2.5-7B-Instruct`。",
    )
    if owner == "Qwen" and slash:  # the very folder that was typed, if its name is right
        place = facts.spare if facts.spare.rpartition("/")[2] == name else name
        then = Text(
            f", then `--model {shlex.quote(place)}`", f"，再写 `--model {shlex.quote(place)}`"
        )
        said = fetching(facts.nearest, place)
        cure = Text(
            f"To fetch it: {said.en}{then.en}; `--model {facts.nearest}` fetches it by itself.",
            f"下载：{said.zh}{then.zh}；写 `--model {facts.nearest}` 则自动下载。",
        )
    if facts.spare.startswith("suretune "):  # of a run: by its hashes the base is known anywhere
        cure = Text(
            f"Wherever its folder lies here, say so: `{facts.spare}`. Its hashes are compared.",
            f"它在这里的哪个文件夹，就写哪个：`{facts.spare}`。会核对它的哈希值。",
        )
    return values and {**values, "reason": facts.hint or facts.found or no_folder, "cure": cure}


GUARD = Guard(
    code="S001",
    name="model-missing",
    title=Text("model not found", "找不到模型"),
    stops=True,
    facts=SetupFacts,
    check=check,
    what=Text("The model {detail} was not found: {reason}.", "找不到模型 {detail}：{reason}。"),
    why=Text(
        "Nothing can start without it; a mistyped path does not become a download of "
        "many gigabytes.",
        "没有模型就无法开始；写错的路径不会变成十几 GB 的下载。",
    ),
    fix=Text(
        "{meant} {cure}",
        "{meant}{cure}",
    ),
)
