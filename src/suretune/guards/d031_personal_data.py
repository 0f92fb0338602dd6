"""D031 personal-data: some texts hold a number or an address that belongs to a person.

What it looks at: every text for Chinese ID numbers and bank card numbers whose check digit is
right, Chinese mobile numbers, and e-mail addresses, those of example domains left out. The finding
names the row, never what stands there.

Why it matters: what a model has learned it can say to anybody, and an adapter cannot be made to
forget one row. Somebody may ask for exactly that.

Fix: put something made up in its place: `user@example.com`, a number with a wrong check digit.
What nobody owns, or what may be known to all, can stay.

D031 personal-data：有些文本里有属于个人的号码或地址。

检查内容：每段文本里有没有校验位正确的身份证号和银行卡号、手机号，以及电子邮箱（示例域名除外）。检
查结果只给出是哪一条，绝不显示内容。

影响：模型学会的东西可能说给任何人听，适配器也没法单独忘掉某一条数据，而当事人有权要求删除。

怎么改：换成虚构的内容，例如 `user@example.com`，或校验位不对的号码。
不属于任何人、或本来就公开的，可以保留。
"""

from suretune.facts import DataFacts
from suretune.guards.guard import Guard, Values, again, for_learned, some
from suretune.types import Text


def check(facts: DataFacts) -> Values | None:
    if not facts.personal:
        return None
    return {
        "where": facts.personal[0],
        "again": again(facts.personal[0]),
        "count": len(facts.personal),
        "rows": some(facts.personal),
    }


GUARD = Guard(
    code="D031",
    name="personal-data",
    title=Text("personal data in a row", "数据里有个人信息"),
    stops=False,
    facts=DataFacts,
    check=for_learned(check),
    what=Text(
        "Rows with an ID, card or mobile number or an e-mail address that may be somebody's: "
        "{count} ({rows}).",
        "有 {count} 条数据里的身份证号、银行卡号、手机号或邮箱可能属于某个人（{rows}）。",
    ),
    why=Text(
        "What a model has learned it can say to anybody.",
        "模型学会的东西可能说给任何人听。",
    ),
    fix=Text(
        "Put something made up in its place, such as `user@example.com`, then look again with "
        "`{again}`.",
        "换成虚构的内容，例如 `user@example.com`，再用 `{again}` 检查。",
    ),
)
