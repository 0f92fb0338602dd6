"""R021 questions-voided: the rows ask some of the general questions themselves.

What it looks at: every general question beside the user's turns of all rows, without case, blanks
and punctuation. Those that the rows ask are not asked by the proof.

Why it matters: what was learned by heart says nothing about what was kept.

Fix: nothing need be done; the proof has fewer questions, and says what so few can see.
`--general FILE#500` asks rows of yours as well.

R021 questions-voided：训练数据里就有一些通用题。

检查内容：把每道通用题与所有数据里用户说的话相比，不计大小写、空格和标点。数据里已有的题，验证时不
问。

影响：背下来的题说明不了原来的能力还在不在。

怎么改：不用改；验证的题目少了一些，并会说明这么少的题能看出什么。
想多问一些，可用 `--general FILE#500` 加上自己的数据。
"""

from suretune.guards.guard import EMPTY, Guard, Values
from suretune.retention import RetentionFacts
from suretune.types import Text

MORE = Text(
    "; `--general FILE#500` asks rows of yours as well",
    "；想多问一些，可用 `--general FILE#500` 加上自己的数据",
)


def check(facts: RetentionFacts) -> Values | None:
    if not facts.voided:
        return None
    one = facts.voided == 1
    stand = "1 general question stands" if one else f"{facts.voided} general questions stand"
    return {
        "where": "--dataset",
        "stand": stand,
        "voided": facts.voided,
        "were": "was" if one else "were",
        "asked": facts.asked,
        "more": EMPTY if facts.used.general else MORE,
    }


GUARD = Guard(
    code="R021",
    name="questions-voided",
    title=Text("general questions stand in the rows", "通用题在训练数据里"),
    stops=False,
    facts=RetentionFacts,
    check=check,
    what=Text(
        "{stand} in the rows and {were} not asked; {asked} were.",
        "有 {voided} 道通用题出现在训练数据里，没有问；问了 {asked} 道。",
    ),
    why=Text(
        "What was learned by heart says nothing about what was kept.",
        "背下来的题说明不了原来的能力还在不在。",
    ),
    fix=Text("Nothing need be done{more}.", "不用改{more}。"),
)
