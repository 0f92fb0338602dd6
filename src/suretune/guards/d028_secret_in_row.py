"""D028 secret-in-row: some texts hold what looks like a password of a machine.

What it looks at: every text for the forms of access tokens and private keys: `hf_...`, `ghp_...`,
`AKIA...`, `sk-...`, `BEGIN PRIVATE KEY`. The finding names the row, never the secret.

Why it matters: what a model has learned it can say to anybody, and an adapter cannot be made to
forget one row.

Fix: take the secret out of the row, and make it invalid where it was issued: it has already been
in a file. A made-up example can stay.

D028 secret-in-row：有些文本里像是写着密钥。

检查内容：每段文本里有没有访问令牌和私钥的样子：`hf_...`、`ghp_...`、`AKIA...`、`sk-...`、
`BEGIN PRIVATE KEY`。检查结果只给出是哪一条，绝不显示密钥本身。

影响：模型学会的东西可能说给任何人听，适配器也没法单独忘掉某一条数据。

怎么改：从数据里删掉密钥，并到签发它的地方作废：它已经出现在文件里了。纯属举例的可以保留。
"""

from suretune.facts import DataFacts
from suretune.guards.guard import Guard, Values, again, for_learned, some
from suretune.types import Text


def check(facts: DataFacts) -> Values | None:
    if not facts.secrets:
        return None
    return {
        "where": facts.secrets[0],
        "again": again(facts.secrets[0]),
        "count": len(facts.secrets),
        "rows": some(facts.secrets),
    }


GUARD = Guard(
    code="D028",
    name="secret-in-row",
    title=Text("access token or key in a row", "数据里像有密钥"),
    stops=False,
    facts=DataFacts,
    check=for_learned(check),
    what=Text(
        "Rows that seem to hold an access token or a private key: {count} ({rows}).",
        "有 {count} 条数据里像是有访问令牌或私钥（{rows}）。",
    ),
    why=Text(
        "What a model has learned it can say to anybody.",
        "模型学会的东西可能说给任何人听。",
    ),
    fix=Text(
        "Take it out of the row, revoke it where it was issued, then look again with `{again}`.",
        "从数据里删掉，到签发的地方作废，再用 `{again}` 检查。",
    ),
)
