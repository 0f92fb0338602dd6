"""`verify http://host/v1 --run RUN`: words to a server's verdict."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from suretune import show
from suretune.cli.out import tell, tell_json
from suretune.cli.parse import Command
from suretune.cli.which import named_run, with_runs
from suretune.deploy.listen import KEY
from suretune.deploy.server_check import NEEDED, SECONDS, open_remote, verify_server
from suretune.facts import FlagFacts
from suretune.preflight.again import flag
from suretune.record.journal import Journal
from suretune.record.meant import not_sealed
from suretune.types import Text
from suretune.words import say


def verify_url(command: Command, journal: Journal) -> int:
    """Ask the server what the run was sealed with; say what is behind its answers."""
    plain = {name: " ".join(words) for name, words in command.plain.items()}
    needed = _number(plain, "same_needed", NEEDED, 1.0, journal)
    seconds = _number(plain, "timeout", SECONDS, 86_400.0, journal)
    if "run" not in plain:
        hint = Text("The sealed run that it should serve.", "它应当提供的那个已通过验证的运行。")
        raise journal.stop(FlagFacts("missing-flag", "--run", hint=hint))
    key = (plain.get("api_key") or os.environ.get(KEY) or "").strip() or None
    remote = open_remote(command.word, key, seconds, journal)
    own: list[str] = []
    for name, value in plain.items():
        if name not in ("run", "api_key"):
            own += flag(name, value)
    how = with_runs(command, [command.word], own)
    found = named_run(plain["run"], journal, f"{how} --run")
    if found.checkpoint or found.run is None:
        raise journal.stop(not_sealed(found, serving=False))
    told, status = verify_server(
        remote,
        found.run,
        plain.get("served_model_name"),
        needed,
        journal,
    )
    if command.json:
        tell_json({"status": status, **told})
    else:
        tell(say(_sentence(told)), keep="")
        show.findings(journal.untold())
    return status


def _number(
    plain: Mapping[str, str],
    name: str,
    default: float,
    most: float,
    journal: Journal,
) -> float:
    """A number above 0, and at most this."""
    typed = plain.get(name)
    try:
        value = default if typed is None else float(typed)
    except ValueError:
        value = 0.0
    if 0 < value <= most:
        return value
    hint = Text(
        f"It takes a number above 0, at most {most:g}.", f"它接受大于 0、至多 {most:g} 的数。"
    )
    raise journal.stop(FlagFacts("bad-value", f"--{name}", typed or "", hint=hint))


def _sentence(told: Mapping[str, Any]) -> Text:
    asked, default = told["asked"], told["without_system"]
    en = f"{asked['as_sealed']} of {asked['answers']} answers are the seal's, word for word"
    zh = f"{asked['answers']} 个回答中 {asked['as_sealed']} 个与验证记录逐字相同"
    if default["answers"]:
        en += f"; without a system prompt {default['as_sealed']} of {default['answers']}"
        zh += f"；不带系统提示词时 {default['answers']} 个中 {default['as_sealed']} 个相同"
    where = f"{told['model']}, {told['server']}"
    if told["verified"]:
        return Text(f"Verified: {where}: {en}.", f"验证通过：{where}：{zh}。")
    return Text(f"Not verified: {where}: {en}.", f"未通过：{where}：{zh}。")
