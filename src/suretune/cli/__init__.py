"""Floor 6: words in, words out. Results on stdout, progress on stderr, an exit status that tells.

0 ok · 1 internal error · 2 usage · 3 data refused · 4 environment refused · 5 stopped by a guard ·
6 trained but not verified · 7 hub or network · 8 forgetting not measured · 129/130/143 stopped by
a signal, after a checkpoint.
"""

from __future__ import annotations

import io
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from suretune import __version__, labels, spelled, words
from suretune.cli.front import Front, front
from suretune.cli.out import tell, tell_json
from suretune.cli.parse import ANSWER, TRAIN, Command, Verb, make_parser, parse
from suretune.cli.paste import apart, import_cmd
from suretune.cli.verbs import OWN, run_verb
from suretune.run.journal import INTERNAL, OK, USAGE, Journal, Stopped
from suretune.run.names import odd_names
from suretune.typed import command as shown_command
from suretune.types import Facts, Fault, FlagFacts, Origin, SetupFacts, Text
from suretune.words import say

ABOUT = Text(
    "Fine-tune a language model in seconds, and prove that it worked.",
    "几秒钟微调一个语言模型，并验证它真的有效。",
)
MORE = Text("  suretune VERB --help", "  各命令的参数：suretune 命令 --help")
UNREAD = ("explain", "setup", "import-cmd")  # verbs to which no word is a file of a run
VERBS = (
    Verb(
        "demo",
        Text("the whole job on the bundled model, offline", "用内置模型离线走完整个流程"),
        extra=("output_dir",),
    ),
    Verb(
        "init",
        Text(
            "write rows and probes: suretune init identity --name N --author A",
            "生成数据和验证问题：suretune init identity --name 名字 --author 作者",
        ),
        extra=("output_dir", "model"),
        positional="WHAT",
    ),
    Verb(
        "check",
        Text(
            "everything but the training: rows, tokens, plan; no GPU, no torch",
            "除训练外的一切检查：数据、token、计划；不需要 GPU",
        ),
        TRAIN,
    ),
    Verb(
        "sft",
        Text("train an adapter and prove it", "训练适配器并验证它有效"),
        TRAIN,
        aliases=("train",),
    ),
    Verb(
        "sweep",
        Text(
            "try many settings of sft, each to its verdict (pip install 'suretune[sweep]')",
            "尝试多种 sft 设置，各自得出结论（pip install 'suretune[sweep]'）",
        ),
        TRAIN,
        positional="CONFIG",
    ),
    Verb(
        "resume",
        Text("go on with a run that was stopped", "继续一个中断的运行"),
        extra=("resume_from_checkpoint", "resume_only_model", "ignore_data_skip", "ignore"),
        positional="RUN",
    ),
    Verb(
        "infer",
        Text("talk to a model", "与模型对话"),
        ANSWER,
        ("system", "seed"),
        aliases=("chat",),
    ),
    Verb(
        "ask",
        Text("answer questions, each in a fresh conversation", "逐个回答问题，每个都是新的对话"),
        ANSWER,
        ("system", "seed"),
    ),
    Verb(
        "compare",
        Text(
            "the same questions, answered by the base and by several runs, side by side",
            "同样的问题，由原模型和多个运行分别回答，并排比较",
        ),
        ("model",),
        ("questions", "max_new_tokens", "system", "ignore"),
        positional="RUN...",
        several=True,
    ),
    Verb(
        "reword",
        Text(
            "let the base ask the rows' short questions in other words, into a file",
            "让原模型把数据里的短问题换种说法，写成文件",
        ),
        ("model", "data"),
        ("probes", "output_dir", "ignore"),
    ),
    Verb(
        "serve",
        Text(
            "answer over HTTP as OpenAI's API, after the proof (pip install 'suretune[serve]')",
            "通过验证后，以 OpenAI 的接口提供服务（pip install 'suretune[serve]'）",
        ),
        ("model", "serve"),
        ("adapters", "system", "temperature", "top_p", "max_new_tokens"),
        positional="RUN...",
        several=True,
        aliases=("deploy",),
    ),
    Verb(
        "verify",
        Text(
            "check a seal again: files, answers, base; a server: verify http://HOST/v1 --run RUN",
            "重新验证：文件、回答、原模型；验证服务器：verify http://HOST/v1 --run 运行",
        ),
        extra=("ignore", "model"),
        positional="RUN",
    ),
    Verb(
        "report",
        Text("a run's verdict, and where its report is", "一次运行的结论和报告位置"),
        positional="RUN",
    ),
    Verb(
        "pull",
        Text(
            "fetch a model or --dataset of a hub ahead of time",
            "提前下载模型，或用 --dataset 下载数据集",
        ),
        extra=("model", "dataset", "val_dataset", "hub"),
        positional="ID...",
        several=True,
    ),
    Verb(
        "push",
        Text(
            "give a run's adapter to a hub: suretune push RUN hf::me/name",
            "把一次运行的适配器上传：suretune push runs/first hf::me/name",
        ),
        positional="RUN hf::ID",
        several=True,
    ),
    Verb(
        "explain",
        Text(
            "what a finding, an error message or a word means: suretune explain D003",
            "解释编号、粘贴来的报错，或按词查找：suretune explain 过拟合",
        ),
        positional="WORDS...",
        several=True,
    ),
    Verb(
        "import-cmd",
        Text(
            "explain a command of another tool: suretune import-cmd 'swift sft ...'",
            "看懂其他工具的命令：suretune import-cmd 'swift sft ...'",
        ),
        positional="COMMAND",
    ),
    Verb(
        "setup",
        Text(
            "what this machine has and can train, and the command for what is missing",
            "检查本机环境：能训练什么，缺什么，用什么命令补上",
        ),
        aliases=("doctor",),
    ),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """The `suretune` command; returns its exit status."""
    try:
        return _main(arguments)
    except BrokenPipeError:  # `| head` has seen enough, whatever was being said
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):  # nor is there anything to flush at the end
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        return OK


def _main(arguments: Sequence[str] | None) -> int:
    typed = list(sys.argv[1:] if arguments is None else arguments)
    words.choose(_language(typed))
    spelled.let_all_be_said()
    _in_english_where_chinese_cannot_be_said()
    verb, rest, before = _verb(typed)
    if verb is None:
        return _top(rest, before)
    text = ""
    if verb.name == "import-cmd":  # what was pasted is not ours to parse
        rest, text = apart(rest)
    command = parse(verb, rest, OWN.get(verb.name, {}))
    environment = tuple(before.environment)
    faults = (*before.faults, *command.faults)
    if command.resolved.config.run.strict:
        from suretune.run.leave import strictly

        faults = strictly(faults, verb.name, command.resolved, environment)
    command = replace(command, faults=faults, environment=environment)
    for word in before.environment:  # as a shell would have set it
        name, _, value = word.partition("=")
        os.environ[name] = value
    try:
        if verb.name not in UNREAD:
            journal = Journal()
            journal.look_at_all(odd_names(rest, command.resolved))
            journal.settle()
        if verb.name == "import-cmd":
            journal = Journal(verb=verb.name)
            journal.look_at_all(command.faults)
            journal.settle()
            return import_cmd(replace(command, word=text), journal, VERBS)
        return run_verb(command)
    except Stopped as stopped:
        return _stopped(stopped, command)
    except BrokenPipeError:
        raise
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        found = _known(error)
        if found is not None:
            return _stopped(Journal().stop(found), command)
        return _internal(typed)


def _in_english_where_chinese_cannot_be_said() -> None:
    """Escapes instead of every character would be no language at all."""
    encoding = sys.stdout.encoding
    if words.language() == "zh" and not spelled.sayable("中", encoding):
        words.choose("en")
        tell(
            f"{encoding} has no Chinese characters, so this is in English;"
            " `export PYTHONIOENCODING=utf-8` for Chinese.",
            err=True,
        )


def _language(typed: Sequence[str]) -> str | None:
    """`--lang` counts from the first word on, so that every message obeys it."""
    for index, word in enumerate(typed):
        if word.startswith("--lang="):
            return word.partition("=")[2]
        if word == "--lang" and index + 1 < len(typed):
            return typed[index + 1] if "," not in typed[index + 1] else None
    return None


def _verb(typed: Sequence[str]) -> tuple[Verb | None, list[str], Front]:
    """The verb, what follows, and what stood before: `swift sft ...` pasted whole works too."""
    rest = list(typed)
    if rest and rest[0] == "--lang":
        rest = rest[2:]
    names = {name: verb for verb in VERBS for name in (verb.name, *verb.aliases)}
    if not rest or rest[0].startswith("-"):
        return None, rest, Front()
    before = front(rest, {name: set(verb.options()) for name, verb in names.items()})
    return names.get(before.verb), before.rest, before


def _top(typed: Sequence[str], before: Front) -> int:
    if typed and typed[0] in ("--version", "-V"):
        tell(f"suretune {__version__}")
        return OK
    asked = (not typed and not before.faults) or (
        bool(typed) and typed[0] in ("--help", "-h", "help")
    )
    if not asked:
        return _no_verb(typed, before)
    from suretune import show
    from suretune.cli.help import entry

    width = show.columns()
    told = [*show.lines(say(ABOUT), width), ""]
    for verb in VERBS:
        told += entry(f"suretune {verb.name}", say(verb.help), width, 23)
    tell("\n".join([*told, "", say(MORE)]), err=not asked)
    return OK


def _no_verb(typed: Sequence[str], before: Front) -> int:
    """No word of it is a verb: what was meant, or what there is in its place."""
    from difflib import get_close_matches

    from suretune import show

    journal = Journal(verb="VERB")
    journal.look_at_all(before.faults)
    if not journal.holds("not-here"):
        names = [name for verb in VERBS for name in (verb.name, *verb.aliases)]
        first = typed[0] if typed else ""
        close = get_close_matches(first, names, n=1)
        nearest = f"suretune {close[0]}" if close else ""
        if first.startswith("--"):  # flags alone: the verb was left behind
            nearest = shown_command("suretune", "sft", *typed)
        journal.look(FlagFacts("unknown-flag", first, nearest=nearest))
    journal.gather()
    show.findings(journal.findings)
    return USAGE


def _stopped(stopped: Stopped, command: Command) -> int:
    if command.json:
        from dataclasses import asdict

        about = {"status": stopped.status, "findings": [asdict(f) for f in stopped.findings]}
        tell_json(about)
    else:
        from suretune import show

        show.findings(stopped.findings)
        if command.verb.name == "check" or command.resolved.config.run.dry_run:
            from suretune.cli.concluded import would_not

            would_not(stopped, command)
        tell(labels.status(stopped.status), err=True)
    return stopped.status


def _known(error: Exception) -> Facts | None:
    """What has a finding of its own wherever it happens: a file of a run, a template."""
    from suretune.data.template import TemplateRefused
    from suretune.data.wall import Unfit
    from suretune.rundir import Damaged, OtherKind

    if isinstance(error, OtherKind):
        from suretune.run.meant import begun_by_another

        return begun_by_another(error.path)
    if isinstance(error, Damaged):
        from suretune.run.meant import way_back

        return SetupFacts("checkpoint-damaged", str(error.path), error.why, way_back(error.path))
    if isinstance(error, Unfit):
        return error.fault
    if isinstance(error, TemplateRefused):
        return Fault("template-refused", Origin("--questions", 0), found=str(error))
    return None


def _internal(typed: Sequence[str]) -> int:
    """A mistake of ours: the details to a file, one sentence to the user."""
    path = Path(tempfile.mkdtemp(prefix="suretune-")) / "error.txt"
    words_typed = " ".join(_without_keys(typed))
    told = f"suretune {__version__}\n{words_typed}\n{traceback.format_exc()}"
    path.write_text(told, "utf-8", errors="backslashreplace")
    sentence = Text(
        f"suretune itself failed. The details are in {path}",
        f"suretune 自身出错，详情见 {path}",
    )
    last = traceback.format_exc().strip().splitlines()[-1]
    tell(f"{say(sentence)}\n{last}", err=True)
    return INTERNAL


def _without_keys(typed: Sequence[str]) -> list[str]:
    """A command line as it may be kept in a file."""
    kept, secret = [], False
    for word in typed:
        name, equals, _ = word.replace("-", "_").partition("=")
        key = name == "__api_key"
        kept.append(
            "***" if secret else f"--api_key{equals}{'***' if equals else ''}" if key else word
        )
        secret = key and not equals
    return kept


__all__ = ["VERBS", "main", "make_parser"]
