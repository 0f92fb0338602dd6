"""What the articles' commands come to, pasted behind `suretune`, from the paste to the verdict.

    PYTHONPATH=src:tests python tests/draw_articles.py [--only PART_OF_A_NAME ...]

Each command of `test_articles.COMMANDS`, an option a line as it is printed and flattened to one,
on the bundled model, with rows of our own in files of the names that the articles use, and a hub
on this machine. Looked at by `check` in both languages, then run; a command that asks a run finds
the beginning of one that its own article trains. Both forms have to be the same run, which is made
once; where it is not verified and a learning rate is advised, the command with which the screen
ends is typed, too.

Writes benchmarks/results/articles_pasted.json. test_pasted_screen.py compares what is cheap on
every run and comes to the verdicts among the long tests; draw_documents.py makes the table.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hub.server import FakeHub, Repository, running
from suretune import words
from suretune.cli import main
from suretune.prepare.starter import identity_rows
from test_articles import COMMANDS
from test_typed import bash, flattened, one_a_line, only_checked

RESULTS = Path(__file__).parent.parent / "benchmarks" / "results" / "articles_pasted.json"
FORMS = {"printed": one_a_line, "flattened": flattened}
LANGUAGES = ("en", "zh")
ROWS, FILES = 50, ("self_cognition.json", "self_cognition_enhanced.json")
HUB_ROWS = 600
HEAD = re.compile(r"^[·✗] ((?:[A-Z]\d{3}(?: · )?)+)", re.MULTILINE)
TRAINS = {"0": "0 §8 the whole template", "1": "1 §4 the command", "2": "2 §5.1 the template",
          "3": "3 §3.2 without them"}  # fmt: skip


def kind(name: str) -> str:
    """What a command does: looks (a dry run), trains, or asks."""
    command = COMMANDS[name][0]
    if "swift sft" not in command:
        return "asks"
    return "looks" if "--dry_run" in command else "trains"


def typed(name: str, form: str) -> list[str]:
    """What bash hands to `suretune`; /root is the folder in which it is typed."""
    return bash(FORMS[form](COMMANDS[name][0].replace("/root/", "")))


def looked_at(name: str, form: str) -> list[str]:
    """The same with `check` for `sft`; a question to a run is asked."""
    return typed(name, form) if kind(name) == "asks" else only_checked(typed(name, form))


@contextlib.contextmanager
def world(folder: Path) -> Iterator[dict[str, str]]:
    """The files and the datasets that the articles name; gives the environment to type in."""
    rows = identity_rows(("小光", "Glow"), ("星海实验室", "Star Lab"), ("zh", "en"))[:ROWS]
    for name in FILES:
        (folder / name).write_text(json.dumps(rows, ensure_ascii=False), "utf-8")
    with running() as server:
        stock(server)
        yield {
            "HF_ENDPOINT": server.url, "MODELSCOPE_ENDPOINT": server.url,
            "HF_HOME": str(folder / "hf"), "MODELSCOPE_CACHE": str(folder / "ms"),
            "HF_HUB_OFFLINE": "0", "SURETUNE_LANG": "en", "NO_COLOR": "1", "COLUMNS": "80",
            "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "",
        }  # fmt: skip


def stock(server: FakeHub) -> None:
    """Sums in both languages, under the names of the articles' datasets."""
    said = {"zh": "{a} 加 {b} 等于多少？,,{a} 加 {b} 等于 {c}。",
            "en": "What is {a} plus {b}?,,{a} plus {b} is {c}."}  # fmt: skip
    for language, row in said.items():
        sums = [(10 + n // 25, 1 + n % 25) for n in range(HUB_ROWS)]
        lines = [row.format(a=a, b=b, c=a + b) for a, b in sums]
        table = "\n".join(["instruction,input,output", *lines, ""])
        name = f"AI-ModelScope/alpaca-gpt4-data-{language}"
        server.repos["dataset", name] = Repository({"train.csv": table.encode()})


def screen(words_typed: list[str], language: str) -> tuple[int, str]:
    """Exit status and stdout of a command, in this process and in the present folder."""
    out, before = io.StringIO(), sys.stdin
    os.environ["SURETUNE_LANG"] = language
    sys.stdin = io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            status = main(words_typed)
    finally:
        sys.stdin = before
        words.choose(None)
    return status, out.getvalue().rstrip()


def counted(status: int, out: str) -> dict[str, Any]:
    """What a screen costs: its status, the codes of its findings, its lines."""
    codes = [code for head in HEAD.findall(out) for code in head.split(" · ")]
    return {"status": status, "findings": [code.strip() for code in codes if code.strip()],
            "lines": len(out.splitlines())}  # fmt: skip


def same_text(one: str, other: str) -> bool:
    """Whether two articles print the same command."""
    return COMMANDS[one][0] == COMMANDS[other][0] and kind(one) != "asks"


def cheap(name: str, form: str) -> dict[str, Any]:
    """What `check` says to it, by language; to a question, what is said where no run is."""
    return {lang: counted(*screen(looked_at(name, form), lang)) for lang in LANGUAGES}


def same_run(name: str) -> bool:
    """Whether both forms are one run: the same settings and the same plan."""
    told = [screen([*looked_at(name, form), "--json"], "en")[1] for form in FORMS]
    runs = [json.loads(text.splitlines()[-1]) for text in told]
    return all(runs[0][part] == runs[1][part] for part in ("plan", "settings"))


def run(words_typed: list[str], folder: Path, env: dict[str, str]) -> dict[str, Any]:
    """A command in a process of its own: what it costs, and what its report says."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "suretune", *words_typed], cwd=folder, env={**os.environ, **env},
        input="你是谁？\n" if "infer" in words_typed else "", capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    seconds, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    told = {
        **counted(done.returncode, done.stdout.rstrip()),
        "findings": counted(0, done.stderr + done.stdout)["findings"],
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
    }
    made = re.search(r"^report  (.*)\.html$", done.stdout, re.MULTILINE)
    if made:
        report = json.loads(Path(made[1]).with_suffix(".json").read_text("utf-8"))
        advised = re.search(r"^with the usual learning rate.*\n  (.*)$", done.stdout, re.MULTILINE)
        told |= {"advised": advised[1]} if advised else {}
        told |= {"verdict": report["verdict"], "reasons": report["reasons"],
                 "updates": len(report["steps"])}  # fmt: skip
    elif "infer" in words_typed and done.returncode == 0:
        told["answer"] = done.stdout.strip().splitlines()[-1]
    return told


def to_the_end(name: str) -> dict[str, Any]:
    """What a command comes to in a folder of its own, and with the rate that is advised."""
    with tempfile.TemporaryDirectory() as place, world(Path(place)) as env:
        folder = Path(place)
        words_typed = typed(name, "flattened")
        if kind(name) == "trains":
            words_typed = [*_without(words_typed, "--output_dir"), "--output_dir", "output"]
        if kind(name) == "asks" and "--model" not in COMMANDS[name][0]:
            short = _without(typed(TRAINS[name[0]], "flattened"), "--num_train_epochs")
            run([*short, "--max_steps", "2", "--general_questions", "4"], folder, env)
        end = run(words_typed, folder, env)
        if advised := end.pop("advised", ""):
            pasted = bash(advised)
            end["advised"] = run(pasted[pasted.index("suretune") + 1 :], folder, env)
            end["advised"].pop("advised", "")
    return end


def _without(words_typed: list[str], flag: str) -> list[str]:
    at = next((n for n, word in enumerate(words_typed) if word.strip() == flag), None)
    return words_typed if at is None else [*words_typed[:at], *words_typed[at + 2 :]]


@contextlib.contextmanager
def typed_in(folder: Path, env: dict[str, str]) -> Iterator[None]:
    """This process in that folder, with that environment."""
    before, environment = Path.cwd(), dict(os.environ)
    os.chdir(folder)
    os.environ.update(env)
    try:
        yield
    finally:
        os.chdir(before)
        os.environ.clear()
        os.environ.update(environment)


def measured(name: str, only_looked: bool) -> dict[str, Any]:
    """All of one command; its end is None where it was only looked at."""
    with (
        tempfile.TemporaryDirectory() as place,
        world(Path(place)) as env,
        typed_in(Path(place), env),
    ):
        told: dict[str, Any] = {"kind": kind(name)}
        told |= {form: cheap(name, form) for form in FORMS}
        if kind(name) != "asks":
            assert same_run(name), name
    return {**told, "end": None if only_looked else to_the_end(name)}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="*", default=[""], help="in this order")
    parser.add_argument("--look", action="store_true", help="do not run what is looked at")
    asked = parser.parse_args()
    kept = json.loads(RESULTS.read_text("utf-8")) if RESULTS.is_file() else {}
    for part in asked.only:
        for name in (one for one in COMMANDS if part in one):
            twin = next((one for one in kept if one != name and same_text(one, name)), None)
            kept[name] = kept[twin] if twin else measured(name, asked.look)
            print(name, json.dumps(kept[name]["end"], ensure_ascii=False), flush=True)
            ordered = {one: kept[one] for one in COMMANDS if one in kept}
            RESULTS.write_text(json.dumps(ordered, ensure_ascii=False, indent=1) + "\n", "utf-8")
