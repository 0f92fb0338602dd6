"""`demo`: the whole job on the bundled model."""

from __future__ import annotations

from pathlib import Path

from suretune import rundir
from suretune.cli import job
from suretune.cli.parse import Command, Verb
from suretune.cli.which import DEMO
from suretune.config import Resolved
from suretune.record.journal import Journal
from suretune.types import Text

DEMO_NAMES, DEMO_AUTHORS = ("小光", "Glow"), ("星海实验室", "Star Lab")


def demo(command: Command, journal: Journal) -> int:
    """The main job on the pocket model, from generated rows to a seal."""
    from suretune.preflight.check import check as look
    from suretune.prepare.starter import identity_rows
    from suretune.run.ahead import looking_ahead
    from suretune.run.folder import make_run

    given = command.resolved.given("output_dir")
    folder = command.resolved.config.run.output_dir if given else DEMO
    resolved = Resolved.default().with_values("demo", output_dir=folder)
    run = make_run(resolved, journal)
    rows = run / "demo.jsonl"
    rundir.write_jsonl(rows, identity_rows(("{{NAME}}",), ("{{AUTHOR}}",), ("zh", "en")))
    resolved = resolved.with_values(
        "demo",
        model="pocket",
        dataset=(_short(rows),),
        save_steps=20,
        model_name=DEMO_NAMES,
        model_author=DEMO_AUTHORS,
        system="You are a helpful assistant.",
    )
    checked = look(resolved, journal)
    if not command.json:
        job.show_checked(checked, journal)
    with looking_ahead(checked, journal) as ahead:
        ahead.settle()
        return job.train(checked, run, command, journal, ahead)


def _short(path: Path) -> str:
    """As a user would type it."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


VERB = Verb(
    "demo",
    Text("the whole job on the bundled model, offline", "用内置模型离线走完整个流程"),
    extra=("output_dir",),
    says={
        "output_dir": Text(
            f"the run folder; {DEMO} when not given",
            f"运行文件夹；不写则为 {DEMO}",
        )
    },
    torch=True,
    do=demo,
    place=10,
)
