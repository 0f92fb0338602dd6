"""What each verb does, as compositions of the floors below. Heavy imports wait until needed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from suretune import labels, rundir, typed
from suretune.cli import compare, hub, track
from suretune.cli.fetching import Fetching
from suretune.cli.makers import ASK
from suretune.cli.out import how_it_was_read, tell, tell_json
from suretune.cli.parse import Command
from suretune.cli.which import DEMO, named_run, to_resume
from suretune.config import Resolved
from suretune.hubs.pull import WATCHING
from suretune.phrases import printable
from suretune.run.flags import resuming_flags
from suretune.run.journal import GUARD, OK, UNVERIFIED, Journal
from suretune.run.meant import Meant, not_sealed
from suretune.run.onward import where_it_is
from suretune.run.whatitis import no_report
from suretune.types import FlagFacts, Text
from suretune.words import say

if TYPE_CHECKING:
    from suretune.run.check import Checked

DEMO_NAMES, DEMO_AUTHORS = ("小光", "Glow"), ("星海实验室", "Star Lab")
# They import it, and so does `verify RUN`.
TORCH = ("demo", "sft", "resume", "infer", "ask", "compare", "reword", "serve")
OWN: Mapping[str, Mapping[str, Text]] = {
    "init": {
        "name": Text("its new name, one or one a language", "新名字：一个，或每种语言一个"),
        "author": Text("who made it, one or one a language", "作者：一个，或每种语言一个"),
        "lang": Text("languages of the rows: zh,en", "数据的语言：`zh,en`"),
        "ask": ASK,
    },
    "verify": {
        "run": Text(
            "with a URL: the sealed run that it should serve",
            "给出 URL 时：它应当提供的已通过验证的运行",
        ),
        "api_key": Text(
            "of that server; better in SURETUNE_API_KEY, where no process list shows it",
            "该服务器的密钥；放在 SURETUNE_API_KEY 里更好，不会出现在进程列表中",
        ),
        "served_model_name": Text(
            "the model's name there; the run's, or the only one, when not given",
            "模型在那里的名字；不写则用运行的名字，或唯一的那个",
        ),
        "same_needed": Text(
            "share of the answers that must be the seal's, word for word [0.9]",
            "必须与验证记录逐字相同的回答比例 [0.9]",
        ),
        "timeout": Text("seconds for each answer [120]", "每个回答最多等多少秒 [120]"),
        "benchmark": Text(
            "ask base and adapter a public benchmark: ifeval (pip install 'suretune[benchmark]')",
            "用公开评测对比原模型和适配器：ifeval（pip install 'suretune[benchmark]'）",
        ),
        "benchmark_file": Text(
            "its prompts; from the Hugging Face cache when not given",
            "评测题目的文件；不写则从 Hugging Face 缓存里找",
        ),
        "benchmark_limit": Text("the first so many prompts only", "只用前多少题"),
    },
    "compare": compare.OWN,
    **hub.OWN,
    **track.OWN,
    "import-cmd": {"file": Text("a file that holds the command", "写有命令的文件")},
    "sweep": {
        "search": Text(
            "what to try: learning_rate=1e-4..4e-3:log lora_rank=4,8,16; lists with +",
            "试哪些取值：learning_rate=1e-4..4e-3:log lora_rank=4,8,16；列表用 + 连接",
        ),
        "trials": Text("settings to try [20]", "试多少种设置 [20]"),
        "seeds": Text("train every setting with each of these", "每种设置用这些种子各训练一次"),
        "study": Text("the SQLite file of the study", "保存搜索过程的 SQLite 文件"),
        "parallel": Text(
            "runs at once; one a GPU when not given", "同时运行几个；不写则每块 GPU 一个"
        ),
    },
}


def run_verb(command: Command) -> int:
    """Do it; the exit status."""
    journal = Journal(command.resolved.config.run.ignore, command.verb.name)
    journal.environment = command.environment
    journal.look_at_all(command.faults)
    if command.verb.name not in ("sft", "check", "sweep"):  # those tell all their faults together
        if command.verb.name in ("infer", "ask", "compare", "serve"):  # nothing fills it there
            from suretune.run.asked import system_faults

            journal.look_at_all(system_faults(command.resolved.config.data, named=False))
        journal.settle()
        how_it_was_read(journal)
    if command.verb.name in TORCH:
        _needs(journal)
    if not command.json:
        WATCHING.set(Fetching())
    verbs: Mapping[str, Callable[[Command, Journal], int]] = {
        "demo": demo,
        "init": init,
        "check": check,
        "sft": sft,
        "sweep": sweep,
        "resume": resume,
        "infer": infer,
        "ask": ask,
        "compare": compare.side_by_side,
        "reword": reword,
        "serve": serve,
        "verify": verify,
        "report": report,
        "explain": explain,
        "setup": setup,
        "pull": hub.fetch_ahead,
        "push": hub.give,
        "track": track.tell_trackers,
    }
    with journal.judging():
        return verbs[command.verb.name](command, journal)


def _needs(journal: Journal) -> None:
    from suretune.run.machine import packages

    journal.look_at_all(packages())
    journal.settle()


def check(command: Command, journal: Journal) -> int:
    """Rows to plan, and what was found."""
    from suretune.cli.concluded import next_command, would_start
    from suretune.run.summary import data_summary, plan_summary, settings

    checked = _checked(command, journal, to_end=True)
    if command.json:
        tell_json(
            {
                "status": OK,
                "data": data_summary(checked),
                "plan": plan_summary(checked),
                "findings": [journal.line(finding) for finding in journal.findings],
                "settings": settings(checked.resolved),
                "next": next_command(checked, command, journal),
            }
        )
    else:
        would_start(checked, command, journal)
    return OK


def _checked(command: Command, journal: Journal, *, to_end: bool = False) -> Checked:
    """Check, and show it as it stands; `to_end`: the command to type next follows."""
    from suretune.run.check import check as look
    from suretune.run.machine import packages
    from suretune.run.outlook import not_writable

    require(command, journal)
    journal.look_at_all(packages())
    if (wrong := not_writable(command.resolved.config.run.output_dir)) is not None:
        journal.look(wrong)
    checked = look(command.resolved, journal)
    if not command.json:
        _show_checked(checked, journal, runs=not to_end)
        journal.shown()
    return checked


def require(command: Command, journal: Journal) -> None:
    """A model and rows must be named; the faults of the command line are told with them."""
    if command.unread:  # what is missing may stand there
        journal.settle()
    config = command.resolved.config
    journal.look_at_all(resuming := list(resuming_flags(command.resolved)))
    if resuming:
        journal.settle()
    if not config.model.model and not command.wrong("--model"):
        hint = Text("For a first try: --model pocket", "第一次尝试可用：--model pocket")
        journal.look(FlagFacts("missing-flag", "--model", hint=hint))
    if not config.data.dataset and not command.wrong("--dataset"):
        hint = Text(
            "`suretune init identity` writes one.", "`suretune init identity` 可以生成一份。"
        )
        journal.look(FlagFacts("missing-flag", "--dataset", hint=hint))
    if not (config.model.model and config.data.dataset):
        journal.settle()


def _show_checked(checked: Checked, journal: Journal, *, runs: bool = True) -> None:
    from suretune import show
    from suretune.run.summary import data_summary, plan_summary

    show.datasets(data_summary(checked))
    for row in checked.train[: checked.resolved.config.run.preview]:
        show.sample(checked.tokenizer, row.samples[0])
    show.choices(checked.resolved)
    show.plan(plan_summary(checked))
    show.findings(journal.findings, runs=runs)


def sft(command: Command, journal: Journal) -> int:
    """Check, train, prove."""
    if command.resolved.config.run.dry_run:
        return check(command, journal)
    checked = _checked(command, journal)
    from suretune.run.ahead import looking_ahead

    with looking_ahead(checked, journal) as settle:
        from suretune.run.compose import make_run

        settle()
        run = make_run(checked.resolved, journal)
        _say_where(run, checked.resolved.config.run.output_dir)
        return _train(checked, run, command, journal)


def _say_where(run: Path, asked: str) -> None:
    """Where the run lies, if not in the very folder that was asked for."""
    folder = run.parent
    if run == Path(asked).expanduser().absolute():
        return
    shown, name = typed.path(run), printable(folder, keep="")
    told = Text(f"This run is {shown}", f"本次运行在 {shown}")
    if (folder / rundir.SEAL).is_file():
        told = Text(
            f"{name} is a sealed run and stays as it is. This run is {shown}",
            f"{name} 是已通过验证的运行，不会改动。本次运行在 {shown}",
        )
    elif rundir.is_begun(folder):
        go_on = f"suretune resume {typed.path(folder)}"
        told = Text(
            f"{name} is a run that has no seal; to go on with it: {go_on}\nThis run is {shown}",
            f"{name} 是一个没有验证记录的运行；要继续它：{go_on}\n本次运行在 {shown}",
        )
    tell(say(told), err=True)


def _train(
    checked: Checked, run: Path, command: Command, journal: Journal, *, resume: bool = False,
    checkpoint: Path | None = None,
) -> int:  # fmt: skip
    from suretune import show
    from suretune.cli.watch import Watch
    from suretune.run.compose import train_and_prove
    from suretune.run.fit import Interrupted
    from suretune.run.tracking import places

    config = checked.resolved.config
    watch = Watch(
        checked.plan.schedule.total, config.schedule.logging_steps, not config.run.disable_tqdm
    )
    try:
        told, status = train_and_prove(
            checked, run, journal, watch, resume=resume, checkpoint=checkpoint
        )
    except Interrupted as interrupted:
        go_on, saved = f"suretune resume {typed.path(run)}", printable(interrupted.saved, keep="")
        by = ("Ctrl-C", "Ctrl-C") if interrupted.status == 130 else ("a signal", "收到信号")
        sentence = Text(
            f"Stopped by {by[0]}; {saved} is complete. Go on: {go_on}",
            f"已按要求停止（{by[1]}）；{saved} 已完整保存。继续：{go_on}",
        )
        tell(say(sentence), err=True)
        return interrupted.status
    finally:
        watch.close()
    if command.json:
        tell_json(told)
    else:
        show.findings([f for f in journal.findings if f.code.startswith(("R", "T", "S047"))])
        show.verdict(told)
        for place in places(run, config.run):
            tell(place, err=True)
        if status:
            tell(labels.status(status), err=True)
    return status


def demo(command: Command, journal: Journal) -> int:
    """The main job on the pocket model, from generated rows to a seal."""
    from suretune.run.check import check as look
    from suretune.run.compose import make_run
    from suretune.run.starter import identity_rows

    given = command.resolved.given("output_dir")
    folder = command.resolved.config.run.output_dir if given else DEMO
    resolved = Resolved.default().with_values("demo", output_dir=folder)
    run = make_run(resolved, journal)
    rows = run / "demo.jsonl"
    rundir.write_jsonl(rows, identity_rows(("{{NAME}}",), ("{{AUTHOR}}",), ("zh", "en")))
    resolved = resolved.with_values(
        "demo", model="pocket", dataset=(_short(rows),), save_steps=20,
        model_name=DEMO_NAMES, model_author=DEMO_AUTHORS, system="You are a helpful assistant.",
    )  # fmt: skip
    checked = look(resolved, journal)
    if not command.json:
        _show_checked(checked, journal)
    return _train(checked, run, command, journal)


def _short(path: Path) -> str:
    """As a user would type it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


def init(command: Command, journal: Journal) -> int:
    """Write starter files."""
    from suretune.cli.init import write_identity

    return write_identity(command, journal)


def resume(command: Command, journal: Journal) -> int:
    """The same run, from its last complete checkpoint, or from the one that is named."""
    from suretune.run.resume import go_on_in, reopen, usable

    found = named_run(to_resume(command, journal), journal, "suretune resume")
    run = _run(found)
    if (run / rundir.SEAL).is_file():
        return _report(run, command, journal)
    if found.checkpoint:
        usable(run, found.checkpoint, journal)
    begun_here = (run / "run.json").is_file()
    with _standing_in(go_on_in(run) if begun_here else Path.cwd()):
        checked = reopen(run, journal)
        from suretune.run.ahead import looking_ahead

        with looking_ahead(checked, journal) as settle:
            settle()
            at = found.checkpoint
            return _train(checked, run, command, journal, resume=True, checkpoint=at)


@contextmanager
def _standing_in(folder: Path) -> Iterator[None]:
    """Relative paths of a run mean what they meant where it was begun."""
    before = Path.cwd()
    if folder != before:
        tell(say(Text(
            f"Relative paths are read from {folder}, where the run was begun.",
            f"相对路径从 {folder} 算起，这个运行是在那里开始的。",
        )), err=True)  # fmt: skip
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def sweep(command: Command, journal: Journal) -> int:
    """Many settings, each to its verdict; the best as a command."""
    from suretune.cli.sweep import search

    return search(command, journal)


def infer(command: Command, journal: Journal) -> int:
    """An interactive conversation, or one answer a line when stdin is no terminal."""
    from suretune.cli.chat import converse

    return converse(command, journal)


def ask(command: Command, journal: Journal) -> int:
    """Every question of a file, each in a conversation of its own."""
    from suretune.cli.chat import answer_file

    return answer_file(command, journal)


def reword(command: Command, journal: Journal) -> int:
    """Other wordings of the rows' questions, made by the base, into a file."""
    from suretune.cli.reword import write_wordings

    return write_wordings(command, journal)


def serve(command: Command, journal: Journal) -> int:
    """OpenAI's API over HTTP, once the seals' probes are answered as they were."""
    from suretune.cli.serve import listen

    return listen(command, journal)


def verify(command: Command, journal: Journal) -> int:
    """The seal against the files, and the proof again; a server's answers; or a benchmark."""
    if any(name.startswith("benchmark") for name in command.plain):
        _needs(journal)
        from suretune.cli.benchmark import measure

        return measure(command, journal)
    if "://" in command.word:
        from suretune.cli.served import verify_url

        return verify_url(command, journal)
    if command.plain:
        hint = Text("It goes with a URL.", "它只与 URL 一起使用。")
        raise journal.stop(FlagFacts("no-effect", f"--{next(iter(command.plain))}", hint=hint))
    _needs(journal)
    from suretune.run.answer import recheck

    found = named_run(command.word, journal, f"suretune {command.verb.name}")
    if found.checkpoint:
        raise journal.stop(not_sealed(found, serving=False))
    told = recheck(_run(found), journal)
    if command.json:
        tell_json(told)
    else:
        good = Text(
            f"Verified: {told['files']} files as sealed, {told['probes']} answers the same,"
            " the same base.",
            f"验证通过：{told['files']} 个文件与验证记录一致，"
            f"{told['probes']} 个回答相同，原模型相同。",
        )
        bad = Text(
            "Not verified: answers or base differ from the seal.",
            "未通过：回答或原模型与验证记录不同。",
        )
        tell(say(good if told["verified"] else bad))
    return OK if told["verified"] else UNVERIFIED


def report(command: Command, journal: Journal) -> int:
    """The verdict of a run again."""
    found = named_run(command.word, journal, "suretune report")
    return _report(_run(found), command, journal)


def _report(run: Path, command: Command, journal: Journal) -> int:
    if not (run / "report.json").is_file():
        raise journal.stop(no_report(run))
    rundir.recorded(run / "report.json", "verdict")
    told = rundir.read_json(run / "report.json")
    told = where_it_is(told, run)
    if command.json:
        tell_json(told)
    else:
        from suretune import show

        show.verdict(told)
    return {"sealed": OK, "stopped": GUARD}.get(told["verdict"], UNVERIFIED)


def explain(command: Command, journal: Journal) -> int:
    """A guard's page, or what a message of another tool comes from."""
    from suretune.cli.explain import look_up

    return look_up(" ".join(command.words))


def setup(command: Command, journal: Journal) -> int:
    """What this machine has, can train and lacks."""
    from suretune.cli.setup import tell_about
    from suretune.run.seen import look

    return tell_about(look(), command.json)


def _run(found: Meant) -> Path:
    """The run of what was named; whoever resolved it has seen that there is one."""
    if found.run is None:
        raise ValueError(f"{found.path} is no run")
    return found.run
