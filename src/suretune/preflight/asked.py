"""What a run asks beside its rows: system prompt, probes, skills. Looked at before anything is
spent, by `check` and by `sft` alike, with the same findings."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from suretune.battery.items import Question
from suretune.because import in_words
from suretune.config import Resolved
from suretune.data.base import Base
from suretune.data.collect import Prepared
from suretune.data.identity import plain
from suretune.data.nearby import not_there
from suretune.data.placeholders import Names, Unfilled, fill_prompt
from suretune.data.render import prompt_ids
from suretune.data.template import ChatTokenizer, TemplateRefused
from suretune.facts import Facts, FlagFacts
from suretune.options_input import DataOptions
from suretune.pocket import identity as phrasings
from suretune.refusal import Refusal
from suretune.types import Message, Text
from suretune.verify.probefile import names_in, read_probes
from suretune.verify.probes import Probe
from suretune.verify.skills import BadSkills, read_skills

TEXTS = (".txt", ".md", ".prompt", ".text")


def names_of(data: DataOptions) -> Names:
    """What fills `{{NAME}}` and `{{AUTHOR}}`, in rows, system prompt and probes."""
    return Names(data.model_name, data.model_author)


def system_of(data: DataOptions) -> str | None:
    """`--system` as it is trained: filled like the rows, in its own language."""
    if data.system is None:
        return None
    filled = fill_prompt([data.system], names_of(data), strict=True)
    return data.system if isinstance(filled, Unfilled) else filled[0][0]


def system_faults(data: DataOptions, *, named: bool = True) -> Iterator[FlagFacts]:
    """What is wrong with `--system`. `named`: this command has flags that fill placeholders."""
    text = data.system
    if text is None:
        return
    if "\n" not in text and Path(text).suffix.lower() in TEXTS and _is_file(text):
        quoted = shlex.quote(text)
        hint = Text(
            f'It is the prompt itself, not a file: `--system "$(cat {quoted})"`.',
            f'它接受的是提示词本身，不是文件：`--system "$(cat {quoted})"`。',
        )
        yield FlagFacts("bad-value", "--system", text, hint=hint)
        return
    filled = fill_prompt([text], names_of(data), strict=True)
    if isinstance(filled, Unfilled):
        here = Text("Write the text out in its place.", "请在这里直接写出来。")
        why = filled.why if named else here
        yield FlagFacts(
            "unfilled-placeholder",
            "--system",
            filled.left,
            hint=why,
        )


def _is_file(text: str) -> bool:
    try:
        return Path(text).expanduser().is_file()
    except (OSError, RuntimeError, ValueError):  # no name that a file could have
        return False


def probes_of(resolved: Resolved) -> list[Probe]:
    """The probes of `--probes`, none without it; Refusal where its file holds none."""
    file = resolved.config.proof.probes
    return read_probes(file, names_of(resolved.config.data)) if file else []


def usable_probes(resolved: Resolved) -> list[Probe]:
    """The same, none where its file holds none: `asked_faults` says so."""
    try:
        return probes_of(resolved)
    except Refusal:
        return []


def skills_of(resolved: Resolved, base: Base) -> list[Question] | None:
    """The questions of `--skills`, or of the file beside the base; None where there is neither.

    Raises Refusal where the file cannot be read.
    """
    asked, own = resolved.config.proof.skills, base.folder / "skills.jsonl"
    path = Path(asked) if asked else own
    if not asked and not own.is_file():
        return None
    try:
        return read_skills(path.expanduser())
    except BadSkills as error:
        raise Refusal(FlagFacts("bad-value", "--skills", str(path), hint=error.why)) from error
    except (OSError, RuntimeError, ValueError) as error:
        gone = isinstance(error, FileNotFoundError)
        hint = not_there(str(path), "--skills") if gone else in_words(error)
        raise Refusal(FlagFacts("bad-value", "--skills", str(path), hint=hint)) from error


def usable_skills(resolved: Resolved, base: Base) -> list[Question]:
    """The same, none where there are none or they cannot be read: `asked_faults` says so."""
    try:
        return skills_of(resolved, base) or []
    except Refusal:
        return []


def asked_faults(
    resolved: Resolved,
    base: Base,
    words: ChatTokenizer,
) -> Iterator[Facts]:
    """What is wrong with the files of questions, and with what this template makes of them."""
    for read in (partial(skills_of, resolved, base), partial(probes_of, resolved)):
        try:
            read()
        except Refusal as refusal:
            yield refusal.facts
    system = system_of(resolved.config.data)
    yield from _beyond(resolved, base, words, system)
    for number, probe in enumerate(usable_probes(resolved), 1):
        if probe.system is None:  # what the training uses is judged with the rows
            continue
        try:
            prompt_ids(words, probe.messages(system))
        except TemplateRefused as error:
            hint = Text(
                f"Question {number}: the chat template refuses it ({error}).",
                f"第 {number} 个问题：对话模板拒绝了它（`{error}`）。",
            )
            yield FlagFacts(
                "bad-value",
                "--probes",
                resolved.config.proof.probes or "",
                hint=hint,
            )
            return


def _beyond(
    resolved: Resolved,
    base: Base,
    words: ChatTokenizer,
    system: str | None,
) -> Iterator[FlagFacts]:
    """The first question of each file that is longer than the model was built for."""
    proof = resolved.config.proof
    probes = [probe.messages(system) for probe in usable_probes(resolved)] if proof.probes else []
    skills = [item.messages for item in usable_skills(resolved, base)] if proof.skills else []
    for flag, file, asked in (
        ("--probes", proof.probes, probes),
        ("--skills", proof.skills, skills),
    ):
        for number, messages in enumerate(asked, 1):
            tokens = tokens_beyond(words, messages, base.context)
            if tokens:
                hint = Text(
                    f"Question {number} has {tokens} tokens; {base.name} was built for"
                    f" {base.context}. Shorten it.",
                    f"第 {number} 个问题有 {tokens} 个 token，{base.name} 的上下文只有"
                    f" {base.context} 个；请缩短它。",
                )
                yield FlagFacts("bad-value", flag, file or "", hint=hint)
                break


def tokens_beyond(
    words: ChatTokenizer,
    messages: Sequence[Message],
    context: int,
) -> int:
    """How many tokens a prompt has, where these leave no room for an answer; else 0."""
    if sum(len(message.content.encode()) for message in messages) < context // 2:
        return 0  # a token has a byte at least, and no template has half a model's length
    try:
        tokens = len(prompt_ids(words, messages))
    except TemplateRefused:  # whoever asks says so
        return 0
    return tokens if tokens >= context else 0


def names_asked(resolved: Resolved) -> frozenset[str]:
    """Which of NAME and AUTHOR the system prompt and the probes are filled with."""
    data, file = resolved.config.data, resolved.config.proof.probes
    used: frozenset[str] = frozenset()
    if data.system is not None:
        filled = fill_prompt(
            [data.system],
            names_of(data),
            strict=True,
        )
        used = frozenset() if isinstance(filled, Unfilled) else filled[1]
    if file and usable_probes(resolved):
        used |= names_in(file, names_of(data))
    return used


def asks_to_judge(resolved: Resolved) -> bool:
    """Whether a file of probes says what an answer must contain."""
    return any(probe.judged for probe in usable_probes(resolved))


def asked_by_probes(resolved: Resolved) -> set[str]:
    """The questions of the proof, plain: a wording that is one would be learned by heart."""
    held_out = {plain(q) for q in (*phrasings.HELD_OUT_ZH, *phrasings.HELD_OUT_EN)}
    return held_out | {plain(probe.question) for probe in usable_probes(resolved)}


def asked_elsewhere(
    resolved: Resolved,
    base: Base,
    rows: Sequence[Prepared],
) -> set[str]:
    """What is no anchor, plain: what these rows ask, and the questions of the proof. Held to the
    base's answer, it would contradict the rows, or prove that it was learned by heart."""
    said = (m.content for row in rows for m in row.example.messages if m.role == "user")
    skills = (question.asked for question in usable_skills(resolved, base))
    asked = {plain(text) for text in (*said, *skills)}
    return (asked | asked_by_probes(resolved)) - {""}
