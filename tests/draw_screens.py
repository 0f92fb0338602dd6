"""Screens as people see them, as text: `python tests/draw_screens.py` writes tests/screens anew.

Each at 40, 80 and 120 columns in both languages: the help of every verb, a check that passes and
one that refuses, three pages of explain, setup on two faked machines. test_screens.py compares.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from unittest import mock

from suretune import words
from suretune.cli import VERBS, main
from suretune.cli.setup import tell_about
from suretune.model.memory import GIB
from suretune.prepare import ready
from suretune.prepare.seen import HUBS, Card, Seen

SCREENS = Path(__file__).parent / "screens"
LANGUAGES, WIDTHS = ("en", "zh"), (40, 80, 120)
BARE = Seen(
    python="3.11.7", system="Linux-6.8-x86_64", cores=2, memory=16 * GIB,
    packages={"torch": "2.13.0+cpu", "transformers": "5.23.0", "peft": "0.21.2",
              "safetensors": "0.8.0"},
    cards=(), driver="", driver_trouble="", torch_cuda="", torch_trouble="", torch_sees=False,
    bf16=False, disk=100 * GIB, writable=True, cache="/root/.cache/huggingface",
    cache_free=100 * GIB, cache_writable=True, offline=False,
    hubs=dict(zip(HUBS, (False, True, True), strict=True)),
)  # fmt: skip
RENTED = replace(
    BARE, cards=(Card("NVIDIA GeForce RTX 4090", 24 * GIB, 23 * GIB),), driver="570.86.10",
)  # fmt: skip
CARD = replace(RENTED, torch_cuda="12.8", torch_sees=True, bf16=True,
               packages={**BARE.packages, "torch": "2.13.0+cu128"})  # fmt: skip
OWN_TEXT = [
    {"instruction": "阁楼的钥匙放在哪里？", "output": "在门边第二个抽屉里，和剪刀放在一起。"},
    {"instruction": "Which tea is served on Mondays?", "output": "Mint tea, in the blue cups."},
    {"instruction": "花园里一共有几棵梨树？", "output": "三棵，靠墙的那棵最老。"},
    {"instruction": "How is the old clock wound?", "output": "With the brass key, eleven turns."},
]
LOOK = ("--model", "pocket", "--device", "cpu", "--system", "You are a helpful assistant.")


def said(*typed: str) -> Callable[[], None]:
    """A screen that a command line makes."""

    def run() -> None:
        with contextlib.suppress(SystemExit):
            main(list(typed))

    return run


def machine(seen: Seen) -> Callable[[], None]:
    """A screen of setup, for a machine that is not this one."""

    def run() -> None:
        with mock.patch.object(ready, "_extras", lambda: []):
            tell_about(seen, False)

    return run


def screens() -> Mapping[str, Callable[[], None]]:
    """By the name of the file."""
    return {
        "help": said("--help"),
        **{f"help-{verb.name}": said(verb.name, "--help") for verb in VERBS},
        "check": said("check", *LOOK, "--dataset", "own.jsonl"),
        "plan": said("plan", "--model", "pocket"),
        "plan-rows": said("plan", *LOOK, "--dataset", "own.jsonl"),
        "check-refused": said("check", *LOOK, "--dataset", "broken.jsonl"),
        **{f"explain-{code}": said("explain", code) for code in ("D003", "S014", "R003")},
        "setup-cpu": machine(BARE),
        "setup-card": machine(CARD),
        "setup-wrong-torch": machine(RENTED),
    }


def drawn() -> Iterator[tuple[str, str]]:
    """(path under tests/screens, text) of every screen."""
    before, environment = Path.cwd(), dict(os.environ)
    with tempfile.TemporaryDirectory() as folder:
        rows = [json.dumps(row, ensure_ascii=False) + "\n" for row in OWN_TEXT]
        Path(folder, "own.jsonl").write_text("".join(rows), "utf-8")
        Path(folder, "broken.jsonl").write_text(rows[0] + rows[1].replace('",', '"，'), "utf-8")
        os.environ |= {"NO_COLOR": "1", "HF_HUB_OFFLINE": "1"}
        os.chdir(folder)
        try:
            for language in LANGUAGES:
                for width in WIDTHS:
                    os.environ |= {"SURETUNE_LANG": language, "COLUMNS": str(width)}
                    for name, draw in screens().items():
                        words.choose(None)
                        with contextlib.redirect_stdout(io.StringIO()) as out:
                            draw()
                        text = out.getvalue().replace(folder, "FOLDER")
                        text = text.replace(sys.executable, "python3")
                        yield f"{language}-{width}/{name}.txt", text
        finally:
            os.chdir(before)
            os.environ.clear()
            os.environ.update(environment)
            words.choose(None)


if __name__ == "__main__":
    shutil.rmtree(SCREENS, ignore_errors=True)
    for name, text in drawn():
        (SCREENS / name).parent.mkdir(parents=True, exist_ok=True)
        (SCREENS / name).write_text(text, "utf-8")
