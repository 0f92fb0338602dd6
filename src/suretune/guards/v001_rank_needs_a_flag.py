"""V001 rank-needs-a-flag: vLLM refuses an adapter of this rank unless it is told.

What it looks at: `--lora_rank` where it was said, of which PiSSA's files have twice as much,
against 16, the largest rank that vLLM takes by default, and 512, the largest that it takes at all.
Where suretune chose the rank, the reason beside it names the flag.

Why it matters: the refusal comes when the adapter is loaded, long after training.

Fix: serve with `--max-lora-rank` and the rank, rounded up to one that vLLM knows; or train with
`--lora_rank 16`.

V001 rank-needs-a-flag：这个秩的适配器，vLLM 默认拒绝加载。

检查内容：写明的 `--lora_rank`（PiSSA 保存的秩是它的两倍）与 16（vLLM 默认接受的最大秩）和 512（vLLM
接受的上限）相比。秩由 suretune 自动选择时，旁边的理由里会写出这个参数。

影响：拒绝发生在加载适配器的时候，训练早已结束。

怎么改：启动服务时加上 `--max-lora-rank` 和对应的秩（向上取到 vLLM 支持的值）；
或者用 `--lora_rank 16` 训练。
"""

from suretune.facts import SetupFacts
from suretune.guards.guard import Guard, Values, for_setup
from suretune.types import Text

RANKS = (32, 64, 128, 256, 320, 512)  # beyond the default, 16


def check(facts: SetupFacts) -> Values | None:
    values = for_setup("rank-needs-a-flag", "--lora_rank")(facts)
    if values is None:
        return None
    enough = next((rank for rank in RANKS if rank >= int(facts.detail)), None)
    rank = int(facts.nearest or 16)  # half of it where files have twice the rank (PiSSA)
    serve = Text(
        f"Serve with `--max-lora-rank {enough}`, or train with `--lora_rank {rank}`.",
        f"启动服务时加 `--max-lora-rank {enough}`，或者用 `--lora_rank {rank}` 训练。",
    )
    never = Text(
        f"No flag of vLLM helps here: `--lora_rank {32 * rank}` is its limit.",
        f"vLLM 没有参数能解决：它的上限是 `--lora_rank {32 * rank}`。",
    )
    return {**values, "way": serve if enough else never}


GUARD = Guard(
    code="V001",
    name="rank-needs-a-flag",
    title=Text("rank beyond vLLM's default", "秩超过 vLLM 默认值"),
    stops=False,
    facts=SetupFacts,
    check=check,
    what=Text(
        "The adapter's rank is {detail}; vLLM takes up to {found} unless it is told.",
        "适配器的秩是 {detail}；不另行指定时，vLLM 最多接受 {found}。",
    ),
    why=Text(
        "It refuses the adapter when it is loaded, long after training.",
        "加载时才会被拒绝，而那时训练早已结束。",
    ),
    fix=Text(
        "{way}",
        "{way}",
    ),
)
