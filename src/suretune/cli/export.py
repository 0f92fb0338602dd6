"""`export RUN --to TARGET --out DIR`: a sealed adapter for another program, and proven there."""

from __future__ import annotations

import difflib
from pathlib import Path

from suretune import rundir, typed
from suretune.cli.hub import switch
from suretune.cli.out import tell, tell_json
from suretune.cli.parse import Command
from suretune.cli.which import around, named
from suretune.facts import FlagFacts
from suretune.phrases import printable
from suretune.preflight.again import flag
from suretune.record.journal import Journal
from suretune.types import Text
from suretune.words import say

TARGETS = ("merged", "gguf", "ollama", "vllm", "sglang", "mlx")
QUANTS = ("f32", "f16", "bf16", "q8_0", "q4_k_m")
OWN = ("to", "quant", "out", "time_limit")  # flags that are no config
# What other tools call the same.
CALLED = {
    "merge": "merged",
    "hf": "merged",
    "safetensors": "merged",
    "transformers": "merged",
    "llama.cpp": "gguf",
    "llamacpp": "gguf",
    "llama-cpp": "gguf",
    "lmstudio": "gguf",
    "lm-studio": "gguf",
    "modelfile": "ollama",
    "mlx-lm": "mlx",
    "mlx_lm": "mlx",
    "fp32": "f32",
    "float32": "f32",
    "fp16": "f16",
    "float16": "f16",
    "half": "f16",
    "bfloat16": "bf16",
    "q8": "q8_0",
    "int8": "q8_0",
    "q4": "q4_k_m",
    "q4_k": "q4_k_m",
}


def carry_over(command: Command, journal: Journal) -> int:
    """Write it, prove it, and say what to type next."""
    unverified, behind = switch(command, "unverified")
    given, words = _words(command)
    to = _one_of("to", given["to"], TARGETS, journal)
    if to is None:
        hint = Text(f"One of: {', '.join(TARGETS)}.", f"可选：{'、'.join(TARGETS)}。")
        raise journal.stop(FlagFacts("missing-flag", "--to", hint=hint))
    quant = _one_of("quant", given["quant"], QUANTS, journal) or ""
    seconds = _seconds(given["time_limit"], journal)
    word = _one_run([*words, *behind], given["to"], journal)
    own = ["--unverified"] if unverified else []
    for name, value in given.items():
        own += flag(name, value) if value else []
    found = named(
        word,
        journal,
        around(command, [word], own),
    )
    name = (found.run or found.path).name
    out = typed.place(given["out"] or f"{name}-{to}").absolute()
    from suretune.deploy.export import Wanted, export, sentences
    from suretune.export import TARGETS as MEMBERS

    target = MEMBERS[to]
    if quant and quant not in target.quants:
        takes = ", ".join(target.quants)
        hint = Text(f"{to} takes: {takes}.", f"{to} 接受：{takes}。")
        if not target.quants:
            hint = Text(f"{to} keeps the numbers as they are.", f"{to} 不改变数值格式。")
        raise journal.stop(FlagFacts("bad-value", "--quant", quant, hint=hint))
    _not_inside(found.path, found.run, out, journal)
    free = next(p for n in range(2, 1000) if not (p := out.with_name(f"{out.name}-{n}")).exists())
    again = ["suretune", "export", str(found.path), "--to", to, "--out", str(free)]
    again += ["--quant", quant] if quant else []
    wanted = Wanted(
        found,
        target,
        out,
        quant,
        unverified,
        again=typed.command(*again),
        seconds=seconds,
    )
    told, status = export(wanted, command.resolved.config, journal)
    if command.json:
        findings = [journal.line(finding) for finding in journal.findings]
        tell_json({"status": status, **told, "findings": findings})
        return status
    tell(f"{to}  {printable(out, keep='')}")
    for line in sentences(told):
        tell(say(line))
    if untold := journal.untold():
        from suretune import show

        show.findings(untold)
    for line in told["next"]:
        tell(typed.in_language(line), keep="")
    return status


def _words(command: Command) -> tuple[dict[str, str], list[str]]:
    """The one value of each flag, and the run: the word behind none of them."""
    given = {name: list(command.plain.get(name) or ()) for name in OWN}
    rest = [word for name in OWN if name != "out" for word in given[name][1:]]
    words = [*command.words, *rest]
    if not words and len(given["out"]) > 1:  # `--out DIR RUN`
        words = [given["out"].pop()]
    typed_so = {name: " ".join(each if name == "out" else each[:1]) for name, each in given.items()}
    return typed_so, words


def _one_run(words: list[str], to: str, journal: Journal) -> str:
    """The run that was named, its path with blanks in it perhaps; a stop for more than one."""
    whole = " ".join(words)
    if not words[1:] or typed.place(whole).exists():
        return whole
    told = Text("one run at a time", "每次只能导出一个运行")
    where = "export"
    targets = [word for word in words if word.lower() in (*TARGETS, *CALLED)]
    if targets:
        told = Text("one target at a time", "每次只能导出到一个目标")
        whole, where = " ".join([to, *targets]), "--to"
    hint = Text(
        f"{told.en}, each by a command of its own",
        f"{told.zh}，请各用一条命令",
    )
    raise journal.stop(FlagFacts("bad-value", where, whole, hint=hint))


def _seconds(word: str, journal: Journal) -> float:
    """How long the target may take; 0 where nothing is said, or a stop for what is no time."""
    if not word:
        return 0.0
    try:
        seconds = float(word.strip().removesuffix("s"))
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        hint = Text("A number of seconds, such as 3600.", "请写秒数，例如 3600。")
        raise journal.stop(FlagFacts("bad-value", "--time_limit", word, hint=hint))
    return seconds


def _one_of(
    name: str,
    word: str,
    known: tuple[str, ...],
    journal: Journal,
) -> str | None:
    """The value that is meant, in whatever case or other tool's word; a stop for none."""
    if not word:
        return None
    low = word.lower()
    value = CALLED.get(low, low)
    if value in known:
        return value
    near = difflib.get_close_matches(low, known, n=1)
    hint = Text(f"One of: {', '.join(known)}.", f"可选：{'、'.join(known)}。")
    raise journal.stop(FlagFacts("bad-value", f"--{name}", word, "".join(near), hint))


def _not_inside(
    path: Path,
    run: Path | None,
    out: Path,
    journal: Journal,
) -> None:
    """Nothing is written among what is sealed: the seal would not hold any more."""
    kept = [path, *((rundir.published(run), run / "proof") if run else ())]
    kept = [each for each in kept if each != run]
    if any(out.is_relative_to(each) for each in kept):
        hint = Text(
            "That folder belongs to what is sealed. Choose one outside it.",
            "这个文件夹属于已验证的内容，请换一个外面的文件夹。",
        )
        raise journal.stop(FlagFacts("bad-value", "--out", str(out), hint=hint))
