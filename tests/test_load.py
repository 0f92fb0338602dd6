"""The load suite in its short form, and its block of the documentation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import ROOT
from load import figures
from load.wire import put_together, unchunked


def test_a_crowd_gets_the_answers_that_each_would_get_alone(trained: Path, tmp_path: Path) -> None:
    pytest.importorskip("uvicorn")
    out = tmp_path / "figures.json"
    paths = [str(ROOT / "tests"), str(ROOT / "src"), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, "-m", "load", "--run", trained, "--out", out],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr[-4000:]
    told = json.loads(out.read_text("utf-8"))
    assert set(told) == set(figures.KEYS)
    assert told["answered"] > told["clients"] and told["disconnects"] and told["garbage"]
    assert told["adapter_loads"] > 0 and told["half_open"] > 0
    assert told["wrong"] == told["five_hundreds"] == told["leaked_slots"] == 0
    assert told["fds_end"] <= told["fds_start"] + 4
    assert told["threads_end"] <= told["threads_start"] + 4


def test_the_page_is_what_the_figures_make() -> None:
    text = figures.PAGE.read_text("utf-8")
    assert text == figures.page(figures.read(), text), "run `make load`"


def test_what_is_kept_is_the_long_form() -> None:
    told = figures.read()
    if told:
        assert set(told) == set(figures.KEYS) and told["form"] == "long"
        assert told["clients"] >= 200 and told["seconds"] >= 600
        assert all(told[name] == 0 for name in figures.MUST_BE_ZERO)


def test_a_stream_is_put_together_from_its_chunks() -> None:
    events = [
        b'data: {"choices":[{"delta":{"role":"assistant","content":""},"finish_reason":null}]}',
        b": waiting",
        b'data: {"choices":[{"delta":{"content":"a\\n"},"finish_reason":null}]}',
        'data: {"choices":[{"delta":{"content":"好"},"finish_reason":null}]}'.encode(),
        b'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}',
        b'data: {"choices":[],"usage":{"completion_tokens":2}}',
        b"data: [DONE]",
    ]
    body = b"".join(event + b"\n\n" for event in events)
    parts = [body[i : i + 7] for i in range(0, len(body), 7)]
    chunked = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    assert unchunked(chunked) == body
    said = put_together(unchunked(chunked))
    assert (said.text, said.end, said.tokens, said.whole) == ("a\n好", "stop", 2, True)
    assert not put_together(body.replace(b"data: [DONE]", b"")).whole
    assert not put_together(b'data: {"error": {"message": "x"}}\n\ndata: [DONE]\n\n').whole


def test_percentiles() -> None:
    assert figures.percentile_ms([], 99) is None
    assert figures.percentile_ms([0.3, 0.1, 0.2], 50) == 200
    assert figures.percentile_ms([i / 1000 for i in range(100)], 99) == 99
