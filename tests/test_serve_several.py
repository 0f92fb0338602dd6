"""Several engines behind one port: who answers what, what one engine's loss costs, who is left."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import httpx
import pytest

from conftest import PLAIN, WARM, as_json, suretune
from processes import is_gone, pids_where
from suretune.config import Resolved
from suretune.data.render import prompt_ids
from suretune.data.template import ChatTokenizer, load_tokenizer
from suretune.deploy.model_host import open_house
from suretune.deploy.prove_adapters import prove
from suretune.deploy.run_server import _proven
from suretune.deploy.seal_replay import Record
from suretune.deploy.told import in_full, shortened
from suretune.facts import ReplayFacts
from suretune.guards import judge
from suretune.model.slots import Ask, Said, Slots
from suretune.pocket import MODEL
from suretune.record.journal import Journal, Stopped
from suretune.serve.answering import heard
from suretune.serve.app import Service, make_app
from suretune.serve.desk import Closed, Failure, Gone, Table
from suretune.serve.engines import Engines
from suretune.serve.limits import Limits
from suretune.serve.metrics import Metrics
from suretune.serve.models import Models, Served
from suretune.types import Message
from suretune.verify.probes import Probe

found = load_tokenizer(MODEL)
assert isinstance(found, ChatTokenizer)
TOKENIZER = found


class Counting:
    """A table that says a prompt's first token, and the numbers behind it."""

    def __init__(self, source: Source) -> None:
        self.source, self.rows, self.names = source, source.rows, set[str]()
        self.asks: dict[int, list[Any]] = {}  # by slot: the request, and what it said last

    @property
    def free(self) -> int:
        return self.rows - len(self.asks)

    def admit(self, asks: Sequence[Ask]) -> list[tuple[int, Said]]:
        self.source.look()
        made = []
        for ask in asks:
            if ask.adapter is not None and ask.adapter not in self.names:
                raise ValueError(f"no adapter named {ask.adapter} is loaded")
            slot = next(slot for slot in range(self.rows) if slot not in self.asks)
            self.source.asked.append(ask.prompt[0])
            self.asks[slot] = [ask, ask.prompt[0]]
            made.append((slot, self._said(slot, 1)))
        return made

    def step(self) -> list[Said]:
        self.source.may_step.wait(20)
        self.source.look()
        for slot in self.asks:
            self.asks[slot][1] += 1
        return [self._said(slot, self.asks[slot][1] - self.asks[slot][0].prompt[0] + 1)
                for slot in list(self.asks)]  # fmt: skip

    def _said(self, slot: int, told: int) -> Said:
        ask, token = self.asks[slot]
        end = "length" if told == ask.max_new_tokens else None
        if end:
            del self.asks[slot]
        return Said(slot, token + self.source.wrong, end)

    def drop(self, slot: int) -> None:
        del self.asks[slot]

    def load(self, name: str, folder: Path) -> object:
        self.source.look()
        if name in self.source.refuses:
            raise ValueError(f"{name} is refused by this one")
        self.names.add(name)
        return None

    def unload(self, name: str) -> None:
        if name not in self.names:
            raise ValueError(f"no adapter named {name} is loaded")
        self.names.remove(name)


class Source:
    """Opens such tables. `fail`: what the next call raises; `may_step`: steps wait for it."""

    def __init__(self, rows: int = 2) -> None:
        self.rows, self.wrong, self.opened = rows, 0, 0
        self.asked: list[int] = []
        self.refuses: set[str] = set()
        self.fail: Exception | None = None
        self.opens = True
        self.table: Counting | None = None
        self.may_step = threading.Event()
        self.may_step.set()
        self.missed: Callable[[Table], None] = lambda table: None

    def look(self) -> None:
        if self.fail is not None:
            error, self.fail = self.fail, None
            raise error

    def __call__(self) -> Table:
        if not self.opens:
            raise RuntimeError("it cannot be opened")
        self.opened += 1
        self.table = Counting(self)
        return self.table

    def let_go(self) -> None:
        self.may_step.set()

    def tell(self, missed: Callable[[Table], None]) -> None:
        self.missed = missed


def with_engines(
    sources: Sequence[Source], go: Callable[[Engines], Awaitable[Any]], queue: int = 4
) -> Any:
    async def run() -> Any:
        engines = Engines(sources, queue)
        engines.start()
        try:
            return await asyncio.wait_for(go(engines), 30)
        finally:
            for source in sources:
                source.may_step.set()
            await asyncio.to_thread(engines.close, "enough")

    return asyncio.run(run())


def ask(number: int, tokens: int = 3, adapter: str | None = None) -> Ask:
    return Ask((number,), frozenset(), tokens, adapter)


async def until(true: Callable[[], bool]) -> None:
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < 10
        await asyncio.sleep(0.002)


def bring(name: str) -> Callable[[Table], None]:
    def now(table: Table) -> None:
        table.load(name, Path(name))

    return now


# --- who answers what -----------------------------------------------------------------------------


def test_each_request_goes_where_the_fewest_are_and_in_turn() -> None:
    one, two, three = sources = [Source(), Source(), Source()]

    async def go(engines: Engines) -> None:
        for source in sources:
            source.may_step.clear()
        jobs = [engines.submit(ask(10 * n)) for n in range(3)]  # all are free: in turn
        await until(lambda: engines.running == 3)
        two.may_step.set()
        assert await heard(jobs.pop(1)) == [10, 11, 12]
        jobs += [engines.submit(ask(10 * n)) for n in (4, 5, 6)]  # the second has none
        one.may_step.set()
        three.may_step.set()
        assert [await heard(job) for job in jobs] == [
            [n, n + 1, n + 2] for n in (0, 20, 40, 50, 60)
        ]

    with_engines(sources, go)
    assert two.asked[:2] == [10, 40] and sorted(one.asked + two.asked + three.asked) == [
        0, 10, 20, 40, 50, 60,
    ]  # fmt: skip
    assert [len(source.asked) for source in sources] == [2, 2, 2]


def test_places_are_all_slots_and_one_queue() -> None:
    async def go(engines: Engines) -> tuple[int, int]:
        with engines.place(3):
            return engines.places, engines.under_way

    assert with_engines([Source(2), Source(3)], go, queue=4) == (9, 3)


# --- adapters -------------------------------------------------------------------------------------


def test_an_adapter_is_on_all_of_them_or_on_none() -> None:
    sources = [Source(), Source()]
    sources[1].refuses.add("bad")

    async def go(engines: Engines) -> None:
        await engines.load("good", bring("good"))
        assert engines.adapters == ("good",)
        with pytest.raises(ValueError, match="bad is refused by this one"):
            await engines.load("bad", bring("bad"))
        assert engines.adapters == ("good",)
        assert all(source.table and source.table.names == {"good"} for source in sources)
        jobs = [engines.submit(ask(n, 1, "good")) for n in range(4)]
        assert [await heard(job) for job in jobs] == [[0], [1], [2], [3]]
        await engines.unload("good")
        assert all(source.table and not source.table.names for source in sources)

    with_engines(sources, go)


def test_an_adapter_goes_once_nobody_on_any_engine_uses_it() -> None:
    one, two = sources = [Source(), Source()]

    async def go(engines: Engines) -> None:
        await engines.load("a", bring("a"))
        two.may_step.clear()
        jobs = [engines.submit(ask(n, 2, "a")) for n in (5, 6)]
        await heard(jobs[0])
        gone = asyncio.ensure_future(engines.unload("a"))
        await until(lambda: bool(one.table) and not one.table.names)  # type: ignore[union-attr]
        assert not gone.done() and two.table and two.table.names == {"a"}
        two.may_step.set()
        assert await heard(jobs[1]) == [6, 7]
        await gone

    with_engines(sources, go)


# --- one is lost ----------------------------------------------------------------------------------


def test_a_lost_engine_costs_only_who_had_heard_something_of_it() -> None:
    one, two = sources = [Source(1), Source(1)]

    async def go(engines: Engines) -> None:
        await engines.load("a", bring("a"))
        for source in sources:
            source.may_step.clear()
        first, other = engines.submit(ask(10)), engines.submit(ask(20))
        await until(lambda: engines.running == 2)
        queued, beside = engines.submit(ask(30, 2, "a")), engines.submit(ask(40, 2, "a"))
        bound = engines.members[0].submit(ask(50, 1), bound=True)
        one.fail = Gone("killed")
        one.may_step.set()
        said = [await first.events.get(), await first.events.get()]
        assert isinstance(said[1], Failure) and not said[1].refused
        await until(lambda: engines.members[1].waiting == 2)  # what waited there waits here
        two.may_step.set()
        assert [await heard(job) for job in (other, queued, beside)] == [
            [20, 21, 22], [30, 31], [40, 41]
        ]  # fmt: skip
        assert await heard(bound) == [50]  # by the table that was opened in its place
        assert one.table and one.table.names == {"a"}  # what was loaded is there again
        assert await heard(engines.submit(ask(60, 1))) == [60]

    with_engines(sources, go)
    assert one.opened == 2 and two.opened == 1
    assert two.asked == [20, 40, 30] or two.asked == [20, 30, 40] or 60 in two.asked


def test_one_that_ends_while_nobody_asks_is_opened_again() -> None:
    one, two = sources = [Source(), Source()]

    async def go(engines: Engines) -> None:
        former = one.table
        assert former is not None
        threading.Thread(target=one.missed, args=(former,)).start()
        await until(lambda: one.opened == 2 and engines.members[0].condition == "ready")
        one.missed(former)  # of a table that is no longer used
        await asyncio.sleep(0.05)

    with_engines(sources, go)
    assert (one.opened, two.opened) == (2, 1)


def service(engines: Engines) -> Service:
    base = Served("pocket", "pocket", None, None, TOKENIZER, None, 0, {}, "f")
    limits = Limits(None, ("localhost",), 1000)
    return Service(engines, Models(base), Metrics(engines, 4), limits, 64, 0.0, 1.0, 64)


async def get(app: Any, path: str) -> httpx.Response:
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
        return await client.get(path)


def test_it_is_dead_only_when_all_are_and_says_how_each_is() -> None:
    one, two = sources = [Source(), Source()]

    async def go(engines: Engines) -> list[Any]:
        app = make_app(service(engines))
        told: list[Any] = [(await get(app, "/health")).json()]
        one.opens = False
        one.fail = Gone("killed")
        assert await heard(engines.submit(ask(1, 2))) == [1, 2]  # asked again: nothing was heard
        await until(lambda: engines.members[0].condition == "dead")
        health, ready = await get(app, "/health"), await get(app, "/ready")
        told += [health.json(), health.status_code, ready.status_code, engines.places]
        assert await heard(engines.submit(ask(3, 2))) == [3, 4]
        page = (await get(app, "/metrics")).text
        told.append(re.findall(r'^suretune:engine_answers\{engine="\d"\} (\S+)$', page, re.M))
        told.append(re.findall(r"^suretune:engine_up (\S+)$", page, re.M))
        await engines.load("a", bring("a"))  # on those that are left
        two.opens = False
        two.fail = Gone("killed")
        with pytest.raises(RuntimeError):
            await heard(engines.submit(ask(5, 2)))
        await until(lambda: engines.state == "dead")
        with pytest.raises(Closed):
            engines.submit(ask(6))
        with pytest.raises(Closed):
            await engines.load("b", bring("b"))
        health = await get(app, "/health")
        return [*told, health.json(), health.status_code]

    assert with_engines(sources, go) == [
        {"status": "ready", "engines": ["ready", "ready"]},
        {
            "status": "ready",
            "engines": ["dead", "ready"],
            "degraded": "1 of 2 engines do not answer.",
        },
        200,
        200,
        6,
        ["0.0", "1.0"],
        ["1.0"],
        {"status": "dead", "engines": ["dead", "dead"]},
        503,
    ]


def test_sums_are_those_of_one_engine_and_each_has_its_own() -> None:
    sources = [Source(1), Source(1)]

    async def go(engines: Engines) -> dict[str, str]:
        page = make_app(service(engines))
        for source in sources:
            source.may_step.clear()
        jobs = [engines.submit(ask(n)) for n in range(3)]
        await until(lambda: engines.running == 2)
        text = (await get(page, "/metrics")).text
        for source in sources:
            source.may_step.set()
        for job in jobs:
            await heard(job)
        return dict(re.findall(r"^suretune:(\S+) (\S+)$", text, re.M))

    told = with_engines(sources, go)
    assert told["num_requests_running"] == "2.0" and told["num_requests_waiting"] == "1.0"
    assert [told[f'engine_requests_waiting{{engine="{n}"}}'] for n in (0, 1)] == ["1.0", "0.0"]
    assert [told[f'engine_requests_running{{engine="{n}"}}'] for n in (0, 1)] == ["1.0", "1.0"]


def test_the_probes_are_asked_of_every_engine() -> None:
    """The second says other words: it is heard, whoever is asked first."""
    one, two = sources = [Source(), Source()]
    answer = TOKENIZER.decode([400, 401, 402])
    record = Record(
        probes=[Probe("?", "must-pass", must=(answer,))], prompts=[[400]], answers=[answer],
        base_answers=["no"], device="cpu", dtype="float32", run=Path("run"), most=3,
    )  # fmt: skip
    candidate: Any = SimpleNamespace(name="a", whole=False, tokenizer=TOKENIZER, folder=Path("a"))
    candidate.whole = True  # nothing is loaded

    async def go(engines: Engines) -> list[Any]:
        house: Any = SimpleNamespace(proofs={}, device=SimpleNamespace(type="cpu"), dtype="float32")
        told = [await prove(engines, house, candidate, record)]
        two.wrong = 1
        return [*told, await prove(engines, house, candidate, record)]

    right, wrong = with_engines(sources, go)
    assert isinstance(right, ReplayFacts) and (right.asked, right.equal) == (1, 1)
    assert wrong.equal == 0 and [finding.code for finding in judge(wrong)] == ["V003"]
    assert one.asked == two.asked == [400, 400]


def test_one_that_is_lost_before_the_server_listens_stops_it() -> None:
    """Told which, and of how many: not as a mistake of ours."""
    one, two = sources = [Source(), Source()]
    record = Record([Probe("?", "must-pass")], [[400]], ["a"], ["b"], "cpu", "float32", Path("r"))

    async def go(engines: Engines) -> Stopped:
        candidate: Any = SimpleNamespace(name="a", whole=True, tokenizer=TOKENIZER)
        house: Any = SimpleNamespace(
            engines=2, whole=candidate, records={"a": record}, proofs={}, candidates=(),
            device=SimpleNamespace(type="cpu"), dtype="float32",
        )  # fmt: skip
        engines.start = lambda: None  # type: ignore[method-assign]  # it has begun
        two.opens, two.fail = False, Gone("killed")
        with pytest.raises(Stopped) as stopped:
            await _proven(engines, house, Journal())
        return stopped.value

    (finding,) = with_engines(sources, go).findings
    assert finding.code == "S067" and one.asked == [400]
    assert finding.what.en.startswith("Process 1 of 2 is gone") and "--num_gpus" in finding.fix.en


def test_what_a_step_gives_arrives_as_it_was() -> None:
    step = [Said(0, 5, None), Said(1, None, "stop"), Said(2, 7, "length", -0.5, ((7, -0.5),)),
            Said(3, None, "stop", stopped=9), Said(4, 1, None, prompt=((-1.0, ()),))]  # fmt: skip
    short = shortened(step)
    assert in_full(short) == step and [isinstance(one, Said) for one in short] == [
        False, False, True, True, True,
    ]  # fmt: skip


# --- real processes -------------------------------------------------------------------------------

QUESTIONS = ("Who are you?", "What is 2 + 3?", "\u4f60\u597d", "Name a colour.", "Sort 3 1 2")


@dataclass
class Running:
    """`suretune serve --num_gpus 2` on a CPU: it and its engines are forks (`warm.py`)."""

    process: subprocess.Popen[str]
    mark: str
    url: str
    told: dict[str, Any]

    def children(self) -> list[int]:
        return engines_of(self.mark)

    def health(self) -> Any:
        return httpx.get(f"{self.url}/health").json()


def engines_of(mark: str) -> list[int]:
    """Processes of the engines of the server that has this in its environment."""
    return pids_where(
        lambda one: (
            b"engine_process" in (one / "cmdline").read_bytes()
            and mark.encode() in (one / "environ").read_bytes()
        )
    )


def forked_engines() -> list[int]:
    """Forks in which an engine computes, behind the processes that wait for them; of these tests,
    where others run beside."""
    ours = str(WARM.folder).encode()
    return pids_where(
        lambda one: (
            (one / "comm").read_text().strip() == "engine_process"
            and ours in (one / "cmdline").read_bytes()
        )
    )


def begun(python: str | Path, *words: object) -> tuple[subprocess.Popen[str], str]:
    """A server with two engines, and what marks their environment."""
    mark = f"SURETUNE_TESTS_SERVER={uuid4()}"
    process = subprocess.Popen(
        [python, "-m", "suretune", "serve", "--model", "pocket", "--device", "cpu",
         "--num_gpus", "2", "--port", "0", "--json", *map(str, words)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, **PLAIN, **dict([mark.split("=")])},
    )  # fmt: skip
    return process, mark


@pytest.fixture(scope="module")
def server() -> Iterator[Running]:
    WARM.start({**os.environ, **PLAIN})
    process, mark = begun(WARM.python, "--max_num_seqs", 4)
    assert process.stdout
    line = process.stdout.readline()
    assert line.startswith("{"), line + process.communicate()[1]
    told = json.loads(line)
    yield Running(process, mark, told["url"].removesuffix("/v1"), told)
    if process.poll() is None:
        process.kill()
    process.communicate()


def alone(asks: Sequence[Ask]) -> list[str]:
    """What one engine in this process says."""
    config = Resolved.default().with_values("flag", model="pocket", device="cpu").config
    table = open_house(config, [], Journal()).table()
    assert isinstance(table, Slots)
    texts = []
    for each in asks:
        ((_, first),) = table.admit([each])
        said = [first]
        while said[-1].end is None:
            said += table.step()
        texts.append(TOKENIZER.decode([one.token for one in said if one.token is not None]))
    return texts


def test_two_processes_answer_as_one_engine_does(server: Running) -> None:
    assert server.told["engines"] == 2 and server.told["slots"] == 8
    assert len(server.children()) == 2
    stops = TOKENIZER.stop_ids
    prompts = [tuple(prompt_ids(TOKENIZER, [Message("user", q)])) for q in QUESTIONS]
    once = tuple(TOKENIZER.encode("Once"))
    expected = alone(
        [*(Ask(p, stops, 64) for p in prompts),
         *(Ask(once, stops, 30, temperature=1.5, seed=seed) for seed in range(4))]
    )  # fmt: skip

    def chat(question: str) -> str:
        body = {"model": "pocket", "messages": [{"role": "user", "content": question}],
                "max_tokens": 64}  # fmt: skip
        done = httpx.post(f"{server.url}/v1/chat/completions", json=body, timeout=60)
        return str(done.json()["choices"][0]["message"]["content"])

    def drawn(seed: int) -> str:
        body = {"model": "pocket", "prompt": "Once", "max_tokens": 30, "temperature": 1.5,
                "seed": seed}  # fmt: skip
        done = httpx.post(f"{server.url}/v1/completions", json=body, timeout=60)
        return str(done.json()["choices"][0]["text"])

    with ThreadPoolExecutor(12) as together:  # each by both engines, in a busy batch
        said = [together.map(chat, QUESTIONS) for _ in range(2)]
        seeds = [together.map(drawn, range(4)) for _ in range(2)]
        for chats, draws in zip(said, seeds, strict=True):
            assert [*chats, *draws] == expected


def test_a_killed_engine_costs_its_own_requests_and_is_started_again(server: Running) -> None:
    before = server.children()
    body = {"model": "pocket", "prompt": "Once", "max_tokens": 400, "temperature": 2, "seed": 1,
            "stream": True}  # fmt: skip
    begun = threading.Barrier(3)

    def streamed() -> str:
        text = ""
        url = f"{server.url}/v1/completions"
        with httpx.stream("POST", url, json=body, timeout=120) as answer:
            for line in answer.iter_lines():
                if not text:
                    begun.wait(30)
                text += line + "\n"
        return text

    with ThreadPoolExecutor(2) as together:
        both = [together.submit(streamed) for _ in range(2)]
        begun.wait(30)
        os.kill(before[0], signal.SIGKILL)
        texts = [one.result() for one in both]
    failed = [text for text in texts if '"error"' in text]
    assert len(failed) == 1 and texts[0] != texts[1]
    error = json.loads(failed[0].partition('{"error"')[2].join(['{"error"', ""]).splitlines()[0])
    assert error["error"]["type"] == "server_error" and error["error"]["code"] == "engine"
    (whole,) = (text for text in texts if text is not failed[0])
    assert whole.rstrip().endswith("[DONE]") and '"finish_reason":"' in whole
    until_then = time.monotonic() + 60
    while (told := server.health())["engines"] != ["ready", "ready"]:
        assert told["status"] == "ready" and time.monotonic() < until_then
        time.sleep(0.1)
    now = server.children()
    assert len(now) == 2 and len(set(now) & set(before)) == 1


def test_a_signal_drains_all_and_leaves_no_process(server: Running) -> None:
    children, forks = server.children(), forked_engines()
    body = {"model": "pocket", "prompt": "Once", "max_tokens": 200, "temperature": 2, "seed": 1}

    def asked() -> int:
        done = httpx.post(f"{server.url}/v1/completions", json=body, timeout=60)
        return int(done.json()["usage"]["completion_tokens"])

    with ThreadPoolExecutor(4) as together:
        four = [together.submit(asked) for _ in range(4)]
        while "num_requests_running 4" not in httpx.get(f"{server.url}/metrics").text:
            time.sleep(0.01)
        server.process.send_signal(signal.SIGTERM)
        assert len({one.result() for one in four}) == 1
    assert server.process.wait(30) == 0
    assert len(children) == 2 and all(map(is_gone, children))
    until_then = time.monotonic() + 60
    while not all(map(is_gone, forks)):
        assert time.monotonic() < until_then
        time.sleep(0.01)


def test_a_killed_server_leaves_nobody() -> None:
    """Whatever an engine does then; here it is still loading, in a Python of its own."""
    process, mark = begun(sys.executable)
    until_then = time.monotonic() + 60
    while len(children := engines_of(mark)) < 2:
        assert time.monotonic() < until_then and process.poll() is None
        time.sleep(0.1)
    process.kill()
    process.communicate()
    while not all(map(is_gone, children)):
        assert time.monotonic() < until_then
        time.sleep(0.1)


def test_more_gpus_than_there_are_are_refused_with_their_number() -> None:
    done = suretune("serve", "--model", "pocket", "--num_gpus", 99, "--json")
    (finding,) = as_json(done)["findings"]
    assert done.returncode == 4 and finding["code"] == "S066"
    assert "99 GPUs are asked for, and there are 0" in finding["what"]["en"]
