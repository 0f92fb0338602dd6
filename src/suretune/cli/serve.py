"""`serve`: the address and the key first, then seals, weights and proof, then requests."""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Any

from suretune import show
from suretune.cli.out import tell, tell_json
from suretune.cli.parse import Command
from suretune.cli.which import around, named_adapter
from suretune.deploy.listen import (
    Reach,
    bind,
    key_for,
    need_folder,
    need_packages,
    origins,
    proxies,
)
from suretune.facts import FlagFacts
from suretune.preflight.outlook import processes_outlook
from suretune.record.journal import Journal
from suretune.types import Text
from suretune.words import say


def listen(command: Command, journal: Journal) -> int:
    """0 when all that was begun was finished; 130 or 143 when a signal cut requests off."""
    config = command.resolved.config
    runs = [*command.words, *([config.answer.adapters] if config.answer.adapters else [])]
    if not runs and not config.model.model:
        hint = Text("or `--model` for a base alone", "或用 `--model` 只提供原模型")
        raise journal.stop(FlagFacts("missing-flag", "RUN", hint=hint))
    need_packages(journal)
    need_folder(config.serve, journal)
    journal.look_at_all(processes_outlook(command.resolved))
    journal.settle()
    key, made = key_for(
        config.serve,
        journal,
        terminal=sys.stderr.isatty(),
    )
    reach = Reach(
        key,
        origins(config.serve, key, journal),
        proxies(config.serve, journal),
    )
    listening = bind(config.serve, journal)
    _log()

    with listening:
        named = [
            named_adapter(run, journal, around(command, runs, place=place))
            for place, run in enumerate(runs)
        ]
        from suretune.deploy.model_host import open_house
        from suretune.deploy.run_server import serve

        house = open_house(config, named, journal)

        def ready(about: Mapping[str, Any]) -> None:
            if made:
                once = Text(f"The key, shown once: {key}", f"密钥，只显示这一次：{key}")
                tell(say(once), err=True)
            if not command.json:
                show.findings(journal.untold())
            show_address(
                {**about, "findings": list(map(journal.line, journal.findings))}, command.json
            )

        return serve(house, listening, reach, journal, ready)


def show_address(about: Mapping[str, Any], as_json: bool) -> None:
    """Where it listens, and what is served there."""
    if as_json:
        tell_json(about)
        return
    tell(say(Text(f"Serving on {about['url']}", f"服务地址 {about['url']}")))
    for model in about["models"]:
        tell(f"  {model['id']}  {say(_standing(model))}", keep="")
    tell(f"  {say(_room(about))}")
    if about["engines"] > 1:
        tell(f"  {say(_engines(about))}")
    page = f"{str(about['url']).removesuffix('/v1')}/docs"
    tell(say(Text(f"To try it in a browser: {page}", f"在浏览器里试用：{page}")))
    tell(say(Text("Ctrl-C ends it.", "按 Ctrl-C 结束。")))


def _room(about: Mapping[str, Any]) -> Text:
    """How much a prompt and its answer may be, and what of a wish for more was cut."""
    room, context, asked = about["max_model_len"], about["context"], about["asked_model_len"]
    en = f"{room} tokens of prompt and answer together (--max_model_len); the model has {context}"
    zh = f"提示加回答最多 {room} 个 token（--max_model_len）；模型本身支持 {context}"
    if asked is not None and asked > room:
        return Text(f"{en}, not the {asked} asked for", f"{zh}，达不到要求的 {asked}")
    return Text(en, zh)


def _engines(about: Mapping[str, Any]) -> Text:
    """What each of several has for itself."""
    count, rows = about["engines"], about["slots"] // about["engines"]
    return Text(
        f"{count} engines (--num_gpus), each with a copy of the base and room for {rows} requests"
        " at once (--max_num_seqs)",
        f"{count} 个引擎（--num_gpus），每个有一份完整的原模型，各自同时回答 {rows} 个请求"
        "（--max_num_seqs）",
    )


def _standing(model: Mapping[str, Any]) -> Text:
    facts = model["suretune"]
    if "adapter_sha256" not in facts:
        return Text("the base", "原模型")
    if not facts["sealed"]:
        return Text("NOT sealed: nothing proves what it answers", "没有验证记录：未经验证")
    equal, asked = facts["probes"]["equal"], facts["probes"]["asked"]
    return Text(
        f"sealed; {equal} of {asked} probes answered as in the seal",
        f"已验证；{asked} 个验证问题中 {equal} 个的回答与验证记录相同",
    )


def _log() -> None:
    """A line a request, on stderr; what was asked and answered is never in it."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log = logging.getLogger("suretune.serve")
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False
    logging.getLogger("uvicorn").setLevel(logging.CRITICAL + 1)  # it quotes requests
    logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL + 1)
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
