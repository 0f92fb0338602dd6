"""D035 unused-fields: rows have fields that do not reach the model.

What it looks at: every field of a row or a turn that its shape does not use: ids, sources, labels,
scores, and what holds less than a fifth of the text of its dataset. The share of the text is named.
And every `input`, context or system prompt that only says `nan` or `<noinput>`: none is there.
`None`, `null`, `#N/A` and the like may be meant and are asked; they are told from three rows on.

Why it matters: it is what most files have and hardly ever a loss; but nothing is left out unsaid.

Fix: nothing needs mending if the fields keep books. Otherwise write what they say into the
question; `--ignore_fields a,b` leaves them out without this note.

D035 unused-fields：有些字段不会送给模型。

检查内容：一行或一轮里当前格式用不到的字段：编号、来源、标签、分数，以及占数据集文字不到两成的内
容；会写出占比。还有只写着 `nan` 或 `<noinput>` 的 `input`、上下文和系统提示词：等于没有写。
`None`、`null`、`#N/A` 之类可能有意义，会照样提问；有三行及以上时会说明。

影响：大多数文件都有这样的字段，通常没有损失；列出来，是为了不悄悄略过任何内容。

怎么改：如果只是记录信息，不需要改。否则请把内容写进问题；用 `--ignore_fields a,b` 写明不用，就不
再列出。
"""

import re
import shlex

from suretune.facts import DataFacts, UnusedField
from suretune.guards.guard import Guard, Values
from suretune.types import Text

_PARTED = re.compile("[,，、；;]")  # a flag's list of names ends one there


def check(facts: DataFacts) -> Values | None:
    if not facts.unused_fields:
        return None
    names = dict.fromkeys(_key(one.name) for one in facts.unused_fields if not one.says)
    asked = [one for one in facts.unused_fields if one.asked]
    fields = [one for one in facts.unused_fields if not one.asked]
    said = [_unused(fields)] * bool(fields) + [_asked(asked)] * bool(asked)
    fix = _meant(",".join(name for name in names if name and not _PARTED.search(name)))
    if asked:
        fix = Text(f"{fix.en} {_EMPTY.en}", f"{fix.zh}{_EMPTY.zh}")
    return {
        "where": facts.unused_fields[0].first,
        "said": Text(" ".join(one.en for one in said), "".join(one.zh for one in said)),
        "fix": fix,
    }


_EMPTY = Text(
    "Where such a word stands for nothing, leave the field empty.",
    "这样的词如果表示没有内容，请把字段留空。",
)


def _unused(fields: list[UnusedField]) -> Text:
    shown, more = ", ".join(map(_share, fields[:6])), len(fields) - 6
    return Text(
        "Fields that do not reach the model, with their share of the text: "
        f"{shown}{f' and {more} more' if more > 0 else ''}.",
        "不会送给模型的字段，以及占文字的比例："
        f"{shown}{f' 等 {more + 6} 个' if more > 0 else ''}。",
    )


def _asked(fields: list[UnusedField]) -> Text:
    shown = ", ".join(map(_share, fields))
    return Text(
        f"Asked as it stands, though programs write it where there is nothing: {shown}.",
        f"照原样写进了问题，但程序常用它表示没有内容：{shown}。",
    )


def _key(name: str) -> str:
    """What a field is called where it stands: `id` of `messages[].id`, but `v1.2` of a row."""
    return name.rpartition("[].")[2]


def _meant(names: str) -> Text:
    if not names:  # an empty key, one with a comma, a `nan`: no flag can say that
        return Text("Nothing needs mending if that is meant.", "如果本意如此，不需要改。")
    flag = f"--ignore_fields {shlex.quote(names)}"
    return Text(
        f"Nothing needs mending if that is meant; `{flag}` says so.",
        f"如果本意如此，不需要改；用 `{flag}` 可以写明。",
    )


def _share(one: UnusedField) -> str:
    if one.says:
        return f"`{one.name}` {one.rows} × `{one.says}`"
    return f"`{one.name}` {one.share:.0%}" if one.share >= 0.005 else f"`{one.name}` <1%"


GUARD = Guard(
    code="D035",
    name="unused-fields",
    title=Text("fields that do not reach the model", "用不到的字段"),
    stops=False,
    facts=DataFacts,
    check=check,
    what=Text("{said}", "{said}"),
    why=Text(
        "What they say is not learned. For ids, sources and labels that is right.",
        "里面的内容不会被学习；编号、来源、标签本该如此。",
    ),
    fix=Text("{fix}", "{fix}"),
)
