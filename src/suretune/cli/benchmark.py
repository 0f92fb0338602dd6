"""`verify RUN --benchmark ifeval`: words to what base and adapter follow of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from suretune.cli.out import tell, tell_json
from suretune.cli.parse import Command
from suretune.cli.which import named_run
from suretune.facts import FlagFacts
from suretune.phrases import passed_of
from suretune.record.journal import OK, UNMEASURED, UNVERIFIED, Journal
from suretune.types import Text
from suretune.words import say


def measure(command: Command, journal: Journal) -> int:
    """0 if no loss was found, 6 if one was, 8 if none could have been seen."""
    name, file, limit = _asked(command, journal)
    from suretune.compare.benchmark import open_benchmark, run_benchmark

    found = open_benchmark(name, file, journal)
    run = named_run(command.word, journal, f"suretune {command.verb.name}").run or Path()
    told = run_benchmark(run, name, found, journal, limit)
    status = UNVERIFIED if told["lost"] else OK if told["measured"] else UNMEASURED
    if command.json:
        tell_json({"status": status, **told})
    else:
        tell("\n".join(say(line) for line in _sentences(told)))
    return status


def _asked(command: Command, journal: Journal) -> tuple[str, str | None, int | None]:
    """Name, file and limit; what does not go with a benchmark is refused."""
    plain = {name: " ".join(words) for name, words in command.plain.items()}
    url = Text("A benchmark goes with a run, not with a URL.", "评测针对运行，不针对 URL。")
    alone = Text("It goes with `--benchmark ifeval`.", "它与 `--benchmark ifeval` 一起使用。")
    served = Text("It goes with a URL.", "它只与 URL 一起使用。")
    for name in plain:
        hint = served if not name.startswith("benchmark") else None
        hint = url if hint is None and "://" in command.word else hint
        hint = alone if hint is None and "benchmark" not in plain else hint
        if hint is not None:
            raise journal.stop(FlagFacts("no-effect", f"--{name}", hint=hint))
    limit = plain.get("benchmark_limit")
    if limit is not None and not (limit.isdecimal() and int(limit)):
        hint = Text("It takes a whole number above 0.", "它接受大于 0 的整数。")
        raise journal.stop(FlagFacts("bad-value", "--benchmark_limit", limit, hint=hint))
    return plain["benchmark"], plain.get("benchmark_file"), int(limit) if limit else None


def _sentences(told: Mapping[str, Any]) -> list[Text]:
    strict, loose, each = (
        told[f"{k}"] for k in ("prompt_strict", "prompt_loose", "instruction_strict")
    )
    lines = [_verdict(told)]
    for en, zh, counts in (("strict", "严格", strict), ("loose", "宽松", loose)):
        if counts["asked"]:
            before, after = passed_of(counts["before"]), passed_of(counts["after"])
            lines.append(
                Text(
                    f"  prompts, {en}: {before} → {after}; {counts['lost']} lost,"
                    f" {counts['gained']} gained, p = {counts['p']:.2g}",
                    f"  题目（{zh}）：{before} → {after}；失去 {counts['lost']} 题，"
                    f"新增 {counts['gained']} 题，p = {counts['p']:.2g}",
                )
            )
    if each["asked"]:
        then, now = each["before"]["passed"], each["after"]["passed"]
        lines.append(
            Text(
                f"  instructions, strict: {then} → {now} of {each['asked']}",
                f"  指令（严格）：{then} → {now}，共 {each['asked']} 条",
            )
        )
    for left in told["not_judged"]:
        lines.append(
            Text(
                f"  not judged: {left['n']} of {left['instruction']}: {left['why']['en']}",
                f"  未评判：{left['instruction']} {left['n']} 条：{left['why']['zh']}",
            )
        )
    return lines + _asides(told)


def _verdict(told: Mapping[str, Any]) -> Text:
    counts = told["prompt_strict"]
    asked, before = counts["asked"], counts["before"]["passed"]
    if told["lost"]:
        return Text(
            "IFEval: with the adapter fewer prompts are followed in full, by more than chance"
            " explains.",
            "IFEval：加上适配器后，完全遵循的题目变少了，超出偶然所能解释的范围。",
        )
    if not told["measured"]:
        return Text(
            f"IFEval: not measured. Of {asked} prompts the base follows {before} in full, and its"
            f" answers to other prompts follow {told['by_chance']}; {told['needed']} more than by"
            " chance are needed to see a loss.",
            f"IFEval：未测量。{asked} 题中原模型完全遵循 {before} 题，而它对别的题目的回答也符合"
            f" {told['by_chance']} 题；至少要比偶然多 {told['needed']} 题，才看得出下降。",
        )
    found = f"{100 * counts['found']:.1f}"
    return Text(
        f"IFEval: no loss found. A net loss of {found} points would be found 9 times in 10.",
        f"IFEval：没有发现下降。净下降 {found} 个百分点时，十次里有九次会被发现。",
    )


def _asides(told: Mapping[str, Any]) -> list[Text]:
    """What was left out or cut off, and where all of it is."""
    lines = []
    if told["too_long"]:
        lines.append(
            Text(
                f"  not asked: {told['too_long']} prompts are too long for the model's context",
                f"  未提问：{told['too_long']} 题超出模型的上下文长度",
            )
        )
    if any(told["cut"].values()):
        before, after, most = told["cut"]["before"], told["cut"]["after"], told["max_new_tokens"]
        lines.append(
            Text(
                f"  cut off at {most} tokens: {before} answers → {after}",
                f"  到 {most} 个 token 被截断的回答：{before} → {after}",
            )
        )
    where = f"  {told['run']}/benchmark-{told['benchmark']}.json"
    return [*lines, Text(where, where)]
