"""D029 few-identity-rows: very few rows teach the new identity.

What it looks at: the rows whose answers carry the new name or its maker, copies not counted.

Why it matters: a handful of questions is learned by heart. Asked in other words, or in the other
language, the model gives its old name.

Fix: `suretune init identity --name NAME --author AUTHOR` writes sixty, in both languages.

D029 few-identity-rows：讲新身份的数据太少。

检查内容：回答里带有新名字或新作者的数据条数，副本不算。

影响：只有几个问题，模型只会背下来。换一种问法，或者换一种语言，就又报出旧名字。

怎么改：`suretune init identity --name NAME --author AUTHOR` 会生成六十条，中英文都有。
"""

from suretune.facts import DataFacts
from suretune.guards.guard import Guard, Values
from suretune.types import Text

ENOUGH = 8


def check(facts: DataFacts) -> Values | None:
    if not 0 < facts.identity_rows < ENOUGH:
        return None
    return {"where": "--dataset", "rows": facts.identity_rows}


GUARD = Guard(
    code="D029",
    name="few-identity-rows",
    title=Text("few rows teach the new identity", "身份数据太少"),
    stops=False,
    facts=DataFacts,
    check=check,
    what=Text(
        "Rows that teach the new identity: {rows}.",
        "讲新身份的数据只有 {rows} 条。",
    ),
    why=Text(
        "So few are learned by heart; asked otherwise, it says its old name.",
        "这么少只会被背下来：换一种问法，模型又报出旧名字。",
    ),
    fix=Text(
        "`suretune init identity --name NAME --author AUTHOR` writes sixty.",
        "`suretune init identity --name NAME --author AUTHOR` 会生成六十条。",
    ),
)
