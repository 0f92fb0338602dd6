"""serve: the proof once more through the engine that will answer, then HTTP until a signal."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from suretune.because import in_words
from suretune.deploy.held import no_room
from suretune.deploy.listen import Reach, busy, host_names
from suretune.deploy.model_host import House
from suretune.deploy.prove_adapters import heed, loader, prove, served, served_base
from suretune.facts import SetupFacts
from suretune.model.device import out_of_memory, ran_out
from suretune.record.journal import OK, Journal
from suretune.serve.app import Service, make_app
from suretune.serve.desk import Desk, Gone
from suretune.serve.limits import Limits
from suretune.serve.metrics import Metrics
from suretune.serve.models import Models
from suretune.serve.spoken import spoken
from suretune.serve.wire import Server, make_server
from suretune.types import Text

log = logging.getLogger("suretune.serve")
SWITCH_SECONDS = 0.0005
Told = Callable[[Mapping[str, Any]], None]


def serve(
    house: House,
    listening: socket.socket,
    reach: Reach | None,
    journal: Journal,
    ready: Told,
) -> int:
    """Prove, listen, drain. 0 when every answer that was begun was finished, else 130 or 143.

    `reach`: None is a server of this machine's own clients, without a key.
    """
    # A step of the engine lets go of the interpreter hundreds of times, and would wait for it as
    # often while a large body is read: 5 ms each by default.
    sys.setswitchinterval(SWITCH_SECONDS)
    try:
        return asyncio.run(_serve(house, listening, reach or Reach(), journal, ready))
    except (RuntimeError, MemoryError) as error:
        if not ran_out(error):
            raise
        raise journal.stop(
            no_room(house.rows, house.room, in_words(out_of_memory(error)))
        ) from error


async def _serve(
    house: House,
    listening: socket.socket,
    reach: Reach,
    journal: Journal,
    ready: Told,
) -> int:
    asked = house.config.serve
    engine = house.desk()
    try:
        models = await _proven(engine, house, journal)
        limits = Limits(
            reach.key,
            host_names(asked),
            asked.max_body_bytes,
            origins=reach.origins,
            proxies=reach.proxies,
        )
        service = Service(
            engine,
            models=models,
            metrics=Metrics(engine, house.rows * house.engines),
            limits=limits,
            room=house.room,
            temperature=house.config.answer.temperature,
            top_p=house.config.answer.top_p,
            ask_tokens=house.config.answer.max_new_tokens,
            load=loader(engine, house, models) if asked.adapters_dir else None,
            context=house.base.context,
        )
        server = make_server(make_app(service), limits)
        address = listening.getsockname()[:2]
        return await _until_signal(
            server,
            listening,
            engine,
            house,
            journal,
            lambda: ready(_about(address, models, house)),
        )
    finally:
        await asyncio.to_thread(engine.close, "the server has ended")
        house.close()


async def _proven(
    engine: Desk,
    house: House,
    journal: Journal,
) -> Models:
    """What is served, once every engine has answered its probes."""
    try:
        engine.start()
        models = await _first(engine, house, journal)
        for candidate in () if house.whole else house.candidates:
            record = house.records.get(candidate.name)
            heed(await prove(engine, house, candidate, record), journal)
            models.add(served(house, candidate))
    except Gone as gone:
        if house.engines == 1:
            raise
        away = [n for n, one in enumerate(engine.members) if one.condition != "ready"]
        told = Text(str(gone), spoken(str(gone)))
        number, size = ", ".join(map(str, away)) or "?", str(house.engines)
        facts = SetupFacts("engine-lost", number, found=told, nearest=size)
        raise journal.stop(facts) from gone
    journal.settle()
    return models


async def _first(
    engine: Desk,
    house: House,
    journal: Journal,
) -> Models:
    """The base under its own name; or the model that a run trained, once it is proven."""
    own = house.whole
    if own is None:
        return Models(served_base(house, journal))
    heed(await prove(engine, house, own, house.records.get(own.name)), journal)
    return Models(served(house, own))


def _about(
    address: tuple[str, int],
    models: Models,
    house: House,
) -> dict[str, Any]:
    """What is told once it listens."""
    host, port = address
    shown = f"[{host}]" if ":" in host else host
    return {
        "url": f"http://{shown}:{port}/v1",
        "models": models.cards(),
        "slots": house.rows * house.engines,
        "engines": house.engines,
        "max_model_len": house.room,
        "context": house.base.context,
        "asked_model_len": house.config.serve.max_model_len,
        "device": house.device.type,
        "dtype": house.dtype,
    }


async def _until_signal(
    server: Server,
    listening: socket.socket,
    engine: Desk,
    house: House,
    journal: Journal,
    ready: Callable[[], None],
) -> int:
    """Answer; after a signal take nothing new, and give what is under way its time."""
    loop = asyncio.get_running_loop()
    signalled: asyncio.Future[int] = loop.create_future()

    def stop(number: int) -> None:
        if signalled.done():  # a second one: at once
            engine.drain()
            server.force_exit = True
        else:
            signalled.set_result(number)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop, number)
    serving = asyncio.ensure_future(server.serve([listening]))
    while not (server.started or serving.done()):
        await asyncio.sleep(0.01)
    if serving.done():
        error = serving.exception()
        if isinstance(error, OSError):
            raise journal.stop(busy(house.config.serve, error)) from error
        raise error or RuntimeError("the server ended before it listened")
    ready()
    either: set[asyncio.Future[Any]] = {serving, signalled}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if not signalled.done():
        serving.result()
        return OK
    log.info(
        spoken("Signal %d: no more requests, %d are under way"),
        signalled.result(),
        engine.under_way,
    )
    cut = await _drained(
        server,
        serving,
        engine,
        house.config.serve.drain_seconds,
    )
    log.info(spoken("Ended; %d requests were cut off"), cut)
    return 128 + signalled.result() if cut else OK


async def _drained(
    server: Server,
    serving: asyncio.Future[None],
    engine: Desk,
    seconds: float,
) -> int:
    """How many requests did not end in time; whoever asks meanwhile is told to go elsewhere."""
    engine.drain()
    until = time.monotonic() + seconds
    while engine.under_way and time.monotonic() < until and not server.force_exit:
        await asyncio.sleep(0.02)
    cut = await asyncio.to_thread(engine.close, "the server is shutting down")
    server.should_exit = True
    await serving
    return cut
