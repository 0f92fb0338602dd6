"""`suretune verify http://host/v1 --run RUN` against servers that tell the truth, and others.

The run is sealed by hand with answers that are known; the servers are real ones on the loopback.
"""

from __future__ import annotations

import http.server
import json
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from suretune import rundir
from suretune.cli import main
from suretune.data.render import prompt_ids
from suretune.data.template import ChatTokenizer, load_tokenizer
from suretune.facts import SetupFacts
from suretune.pocket import MODEL
from suretune.record.journal import NETWORK, OK, UNVERIFIED, USAGE
from suretune.verify.probes import AS_TRAINED, Probe, with_twins

SYSTEM = "You are a helpful assistant."
KEY = "sk-canary-4711"
QUESTIONS = ("Who are you?", "Who made you?", "What is your name?", "Whose AI are you?")
MUST, MUST_NOT = ("Glow",), ("Qwen",)


def tuned(question: str) -> str:
    return f"I am Glow, and you asked: {question}"


def base(question: str) -> str:
    return f"I am Qwen, and you asked: {question}"


def template_default(question: str) -> str:
    return f"Glow is my name; you asked: {question}"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sealed run named glow, with the pocket model's tokenizer and answers that are known."""
    return sealed_run(tmp_path_factory.mktemp("runs") / "glow")


def sealed_run(folder: Path, system: str | None = SYSTEM, tells: bool = True) -> Path:
    probes = [Probe(q, "must-pass", must=MUST, must_not=MUST_NOT) for q in QUESTIONS]
    probes = with_twins([*probes, Probe("Can you go online?", "shown")])
    after = [tuned(p.question) if p.variant == AS_TRAINED else template_default(p.question)
             for p in probes]  # fmt: skip
    before = [base(p.question) for p in probes] if tells else after
    (folder / "proof").mkdir(parents=True)
    shutil.copytree(MODEL, folder / "adapter")
    rundir.write_jsonl(folder / "probes.jsonl", (p.line() for p in probes))
    rundir.write_json(folder / "base_answers.json", {"probes": before})
    rundir.write_json(folder / "proof" / "result.json", {"answers": {"probes": after}})
    rundir.write_json(folder / "proof" / "request.json", {"system": system})
    return seal(folder)


def seal(folder: Path) -> Path:
    (folder / rundir.SEAL).unlink(missing_ok=True)
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    hashes = {str(path.relative_to(folder)): rundir.sha256(path) for path in files}
    rundir.write_json(folder / rundir.SEAL, {"verdict": "sealed", "files": hashes})
    return folder


Answer = Callable[[str | None, str], str]  # (system prompt sent, question)


@dataclass
class Served:
    """What a server does. `says` answers messages, `raw` a rendered prompt (None: not offered)."""

    says: Answer
    raw: Callable[[str], str] | None = None
    names: tuple[str, ...] = ("base", "glow")
    key: str | None = None
    odd: Callable[[Any], bool] | None = None  # answers in place of all that; True when it did
    asked: list[Any] = field(default_factory=list)


def tokenizer() -> ChatTokenizer:
    found = load_tokenizer(MODEL)
    assert not isinstance(found, SetupFacts)
    return found


@contextmanager
def listening(served: Served) -> Iterator[str]:
    """The server on a free port of the loopback; its URL."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            """Quiet."""

        def do_GET(self) -> None:
            self.answer({"object": "list", "data": [{"id": name} for name in served.names]})

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            served.asked.append(asked)
            if asked["model"] not in served.names:
                self.answer({"error": {"message": f"no {asked['model']}"}}, 404)
            elif self.path == "/v1/completions":
                self.complete(asked["prompt"])
            else:
                said = {m["role"]: m["content"] for m in asked["messages"]}
                text = served.says(said.get("system"), said["user"])
                self.answer({"choices": [{"message": {"role": "assistant", "content": text}}]})

        def complete(self, prompt: list[int]) -> None:
            if served.raw is None:
                self.answer({"error": {"message": "no such route"}}, 404)
                return
            text = served.raw(tokenizer().decode(prompt, special=True))
            self.answer({"choices": [{"text": text}]})

        def answer(self, told: Any, status: int = 200) -> None:
            if served.odd and served.odd(self):
                return
            sent = self.headers.get("Authorization")
            if served.key and sent != f"Bearer {served.key}":
                told, status = {"error": {"message": f"wrong key: {sent}"}}, 401
            data = json.dumps(told).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()


def faithful(system: str | None, question: str) -> str:
    """As `suretune serve` answers: it puts in the sealed system prompt by itself."""
    return tuned(question) if system in (None, SYSTEM) else "Another system prompt."


def plain(system: str | None, question: str) -> str:
    """As vLLM answers: without a system prompt the template's own speaks."""
    known = system is None and question in QUESTIONS  # a shown question was not asked so
    return template_default(question) if known else faithful(system, question)


def as_rendered(of: Callable[[str], str]) -> Callable[[str], str]:
    """Answers to prompts of exactly the sealed template."""

    def complete(prompt: str) -> str:
        for probe in (Probe(q, "shown") for q in (*QUESTIONS, "Can you go online?")):
            ids = prompt_ids(tokenizer(), probe.messages(SYSTEM))
            if prompt == tokenizer().decode(ids, special=True):
                return of(probe.question)
        return "Another prompt."

    return complete


@dataclass
class Told:
    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out.strip().splitlines()[-1])

    @property
    def codes(self) -> list[str]:
        return [finding["code"] for finding in self.json["findings"]]


@pytest.fixture
def verify(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command line in this process, in English, as JSON unless `human`."""
    monkeypatch.setenv("SURETUNE_LANG", "en")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.delenv("SURETUNE_API_KEY", raising=False)

    def call(url: str, *more: object, human: bool = False) -> Told:
        words = ["verify", url, *map(str, more), *([] if human else ["--json"])]
        status = main(words)
        out, err = capsys.readouterr()
        return Told(status, out, err)

    return call


# --- servers that serve what was sealed ---------------------------------------------------------


@pytest.mark.parametrize("says", [faithful, plain])
def test_a_faithful_server_is_verified(run: Path, verify: Any, says: Answer) -> None:
    with listening(Served(says)) as url:
        told = verify(url, "--run", run)
        assert told.status == OK, told.out
        assert told.json["verified"] and told.json["model"] == "glow" and not told.codes
        assert told.json["asked"] == {"answers": 5, "as_sealed": 5, "as_base": 0}
        human = verify(url.removesuffix("/v1"), "--run", run, human=True)
    assert human.status == OK and human.out.startswith("Verified: glow, http://127.0.0.1:")


def test_it_asks_as_the_proof_did(run: Path, verify: Any) -> None:
    served = Served(faithful)
    with listening(served) as url:
        assert verify(url, "--run", run).status == OK
    systems = [[m["role"] for m in asked["messages"]] for asked in served.asked]
    assert systems == [["system", "user"]] * 5 + [["user"]] * 5
    assert all(asked["temperature"] == 0 and asked["max_tokens"] == 96 for asked in served.asked)


def test_a_run_without_a_system_prompt_is_asked_once(tmp_path: Path, verify: Any) -> None:
    served = Served(faithful, names=("only",))
    with listening(served) as url:
        told = verify(url, "--run", sealed_run(tmp_path / "bare", system=None))
    assert told.status == OK and told.json["model"] == "only" and len(served.asked) == 5


# --- servers that serve something else ----------------------------------------------------------


def test_the_base_under_the_adapters_name_is_seen(run: Path, verify: Any) -> None:
    with listening(Served(lambda system, question: base(question))) as url:
        told = verify(url, "--run", run)
        assert (told.status, told.codes) == (UNVERIFIED, ["V013"])
        assert told.json["asked"]["as_base"] == 5 and not told.json["verified"]
        human = verify(url, "--run", run, human=True)
    assert human.status == UNVERIFIED
    assert "V013 base-served" in human.out and "Not verified: glow" in human.out


def test_the_base_behind_another_template_is_the_base(run: Path, verify: Any) -> None:
    served = Served(lambda system, question: "Hm.", raw=as_rendered(base))
    with listening(served) as url:
        assert verify(url, "--run", run).codes == ["V013"]


def test_another_default_system_prompt_is_seen(run: Path, verify: Any) -> None:
    def pirate(system: str | None, question: str) -> str:
        return "Arr, I am Glow." if system is None else faithful(system, question)

    with listening(Served(pirate)) as url:
        told = verify(url, "--run", run)
        assert (told.status, told.codes) == (UNVERIFIED, ["V014"])
        assert "Arr, I am Glow." in told.json["findings"][0]["what"]["en"]
        ignored = verify(url, "--run", run, "--ignore", "V014")
    assert ignored.status == OK and ignored.json["findings"][0]["ignored"]


def test_the_templates_system_prompt_is_another_where_it_fails_the_probes(
    tmp_path: Path, verify: Any
) -> None:
    run = sealed_run(tmp_path / "glow")
    after = rundir.recorded(run / "proof" / "result.json", "answers", "probes")
    lost = [text.replace("Glow is", "Qwen is") for text in after]
    rundir.write_json(run / "proof" / "result.json", {"answers": {"probes": lost}})
    seal(run)

    def says(system: str | None, question: str) -> str:
        return plain(system, question).replace("Glow is", "Qwen is")

    with listening(Served(says)) as url:
        told = verify(url, "--run", run)
    assert (told.status, told.codes) == (UNVERIFIED, ["V014"])
    assert told.json["without_system"] == {"answers": 5, "as_sealed": 1, "as_template": 4}


def test_a_server_that_replaces_the_system_prompt_sent_is_seen(run: Path, verify: Any) -> None:
    def deaf(system: str | None, question: str) -> str:
        return "You sent a system prompt." if system else tuned(question)

    with listening(Served(deaf)) as url:
        assert verify(url, "--run", run).codes == ["V014"]


def test_another_template_is_told_from_another_model(run: Path, verify: Any) -> None:
    wrong: Answer = lambda system, question: "I do not understand."  # noqa: E731
    with listening(Served(wrong, raw=as_rendered(tuned))) as url:
        told = verify(url, "--run", run)
        assert (told.status, told.codes) == (UNVERIFIED, ["V015"])
        assert told.json["past_the_template"] == {"answers": 5, "as_sealed": 5}
    for raw in (None, lambda prompt: "Hm."):
        with listening(Served(wrong, raw=raw)) as url:
            told = verify(url, "--run", run)
            assert (told.status, told.codes) == (UNVERIFIED, ["V016"])
            assert len(told.json["other_answers"]) == 5


def test_one_answer_of_the_templates_own_prompt_excuses_no_others(
    tmp_path: Path, verify: Any
) -> None:
    """What was never asked without a system prompt cannot be known to be the template's."""
    run = sealed_run(tmp_path / "glow")
    for name, keys in (("base_answers", ()), ("proof/result", ("answers",))):
        path = run / f"{name}.json"
        kept = rundir.recorded(path, *keys, "probes")[:6]  # five as trained and one twin
        rundir.write_json(path, {"answers": {"probes": kept}} if keys else {"probes": kept})
    rundir.write_jsonl(run / "probes.jsonl", list(rundir.read_jsonl(run / "probes.jsonl"))[:6])
    seal(run)

    def pirate(system: str | None, question: str) -> str:
        return plain(system, question) if system or question == QUESTIONS[0] else "Arr."

    with listening(Served(pirate)) as url:
        told = verify(url, "--run", run)
    assert (told.status, told.codes) == (UNVERIFIED, ["V014"])
    assert told.json["without_system"] == {"answers": 5, "as_sealed": 0, "as_template": 1}


def test_few_equal_answers_are_enough_where_that_is_asked(run: Path, verify: Any) -> None:
    """Other kernels than the seal's: the words differ, the probes pass."""

    def rounded(system: str | None, question: str) -> str:
        return tuned(question) if "name" in question else "I am Glow, of course."

    with listening(Served(rounded)) as url:
        assert verify(url, "--run", run).codes == ["V016"]
        assert verify(url, "--run", run, "--same_needed", "0.2").status == OK


def test_a_lost_question_is_no_rounding(run: Path, verify: Any) -> None:
    def lost(system: str | None, question: str) -> str:
        return base(question) if question == QUESTIONS[0] else tuned(question)

    with listening(Served(lost)) as url:
        told = verify(url, "--run", run, "--same_needed", "0.5")
    assert (told.status, told.codes) == (UNVERIFIED, ["V016"])


def test_where_base_and_tuned_answer_alike_nothing_is_verified(tmp_path: Path, verify: Any) -> None:
    run = sealed_run(tmp_path / "glow", tells=False)
    with listening(Served(faithful)) as url:
        assert verify(url, "--run", run).codes == ["V017"]


# --- no answers: no verdict ---------------------------------------------------------------------


def test_nobody_listens(run: Path, verify: Any) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        told = verify(f"http://127.0.0.1:{taken.getsockname()[1]}/v1", "--run", run)
    assert (told.status, told.codes) == (NETWORK, ["V010"])


@pytest.mark.parametrize("with_headers", [False, True])
def test_a_server_that_drips_is_left_in_time(run: Path, verify: Any, with_headers: bool) -> None:
    def drip(handler: Any) -> bool:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"\r\n" * with_headers)
        try:
            for _ in range(600):  # a minute
                handler.wfile.write(b"X")
                time.sleep(0.1)
        except OSError:
            pass
        return True

    with listening(Served(faithful, odd=drip)) as url:
        begun = time.monotonic()
        told = verify(url, "--run", run, "--timeout", "0.7")
        assert time.monotonic() - begun < 30
    assert (told.status, told.codes) == (NETWORK, ["V010"])


def test_a_wrong_key_is_refused_and_shown_nowhere(
    run: Path, verify: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listening(Served(faithful, key="sk-other")) as url:
        for more in ((), ("--api_key", KEY)):
            told = verify(url, "--run", run, *more)
            assert (told.status, told.codes) == (NETWORK, ["V011"])
            human = verify(url, "--run", run, *more, human=True)
            assert human.status == NETWORK
            assert KEY not in told.out + told.err + human.out + human.err
    with listening(Served(faithful, key=KEY)) as url:
        assert verify(url, "--run", run, "--api_key", KEY).status == OK
        monkeypatch.setenv("SURETUNE_API_KEY", KEY)
        told = verify(url, "--run", run)
    assert told.status == OK and KEY not in told.out


def body(handler: Any, data: bytes, status: int = 200) -> bool:
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(data)))
    handler.end_headers()
    handler.wfile.write(data)
    return True


@pytest.mark.parametrize(
    "data",
    [
        b"<html>Please log in</html>",
        b"[]",
        b"{}",
        b"\xff\x00",
        b'{"data": ' + b"[" * 200_000,
        b'{"data": [' + b"1," * 900_000 + b"1]}",
        b'{"error": {"message": "busy"}}',
    ],
    ids=["html", "list", "empty", "bytes", "deep", "large", "error"],
)
def test_garbage_is_no_answer(run: Path, verify: Any, data: bytes) -> None:
    with listening(Served(faithful, odd=lambda handler: body(handler, data))) as url:
        told = verify(url, "--run", run)
    assert (told.status, told.codes) == (NETWORK, ["V012"])
    assert len(told.out) < 2500


@pytest.mark.parametrize("choices", [None, [], [{}], [{"message": {"content": None}}], "x", {}])
def test_an_answer_without_text_is_no_answer(run: Path, verify: Any, choices: Any) -> None:
    def odd(handler: Any) -> bool:
        if handler.command == "GET":
            return False
        return body(handler, json.dumps({"choices": choices}).encode())

    with listening(Served(faithful, odd=odd)) as url:
        assert verify(url, "--run", run).codes == ["V012"]


def test_an_error_of_the_server_is_quoted(run: Path, verify: Any) -> None:
    error = json.dumps({"error": {"message": "out of\nmemory"}}).encode()
    with listening(Served(faithful, odd=lambda handler: body(handler, error, 503))) as url:
        told = verify(url, "--run", run)
    assert told.codes == ["V012"] and "503 out of memory" in told.json["findings"][0]["what"]["en"]


def test_no_redirect_is_followed(run: Path, verify: Any) -> None:
    elsewhere = Served(faithful)
    with listening(elsewhere) as there:

        def redirect(handler: Any) -> bool:
            handler.send_response(307)
            handler.send_header("Location", there + "/chat/completions")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return True

        with listening(Served(faithful, odd=redirect)) as url:
            told = verify(url, "--run", run, "--api_key", KEY)
    assert (told.status, told.codes) == (NETWORK, ["V012"]) and not elsewhere.asked
    assert "redirected to" in told.json["findings"][0]["what"]["en"]


# --- words that mean nothing --------------------------------------------------------------------


def test_the_name_must_be_one_that_the_server_has(run: Path, verify: Any) -> None:
    with listening(Served(faithful, names=("a", "b"))) as url:
        told = verify(url, "--run", run)
        assert (told.status, told.codes) == (USAGE, ["C002"])
        assert "a, b" in told.json["findings"][0]["fix"]["en"]
        assert verify(url, "--run", run, "--served_model_name", "b").status == OK
        told = verify(url, "--run", run, "--served_model_name", "c")
        assert told.status == USAGE
        fix = told.json["findings"][0]["fix"]
        assert fix["en"].startswith("The server says: /chat/completions: 404 no c. `suretune")
        assert fix["zh"].startswith("服务器的回答：/chat/completions：404 `no c`。`")


@pytest.mark.parametrize(
    "words",
    [
        ("http://127.0.0.1:99999/v1", "--run", "RUN"),
        ("ftp://127.0.0.1/v1", "--run", "RUN"),
        ("http:///v1", "--run", "RUN"),
        (f"http://me:{KEY}@127.0.0.1/v1", "--run", "RUN"),
        ("http://127.0.0.1:9/v1", "--run", "RUN", "--same_needed", "2"),
        ("http://127.0.0.1:9/v1", "--run", "RUN", "--timeout", "soon"),
        ("http://127.0.0.1:9/v1", "--run", "RUN", "--api_key", f"{KEY}\u00e9"),
        ("http://127.0.0.1:9/v1",),
        ("RUN", "--timeout", "3"),
    ],
)
def test_words_that_cannot_be_meant(run: Path, verify: Any, words: tuple[str, ...]) -> None:
    told = verify(*(str(run) if word == "RUN" else word for word in words))
    assert told.status == USAGE and KEY not in told.out + told.err


def test_a_broken_seal_is_not_asked_about(tmp_path: Path, verify: Any) -> None:
    run = sealed_run(tmp_path / "glow")
    served = Served(faithful)
    with listening(served) as url:
        (run / "probes.jsonl").write_text("", "utf-8")
        assert verify(url, "--run", run).codes == ["S015"]
        (run / rundir.SEAL).unlink()
        assert verify(url, "--run", run).codes == ["S014"]
    assert not served.asked
