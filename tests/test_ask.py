"""Questions in the command line of `ask` and `infer`, and words behind flags of other commands."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from conftest import as_json, codes, within, write_rows
from suretune import Refused, load, rundir
from suretune.cli import VERBS
from suretune.cli.parse import Verb, parse
from suretune.data.base import find_base
from suretune.data.render import prompt_ids
from suretune.model.lora import WEIGHTS
from suretune.pocket import MODEL
from suretune.speak.answer import conversation


@pytest.mark.parametrize(
    ("words", "asked"),
    [
        (("Who are you?",), ["Who are you?"]),
        (("Who", "are", "you?"), ["Who are you?"]),
        (("你是谁？", "谁开发了你？"), ["你是谁？", "谁开发了你？"]),
    ],
)
def test_questions_stand_before_or_behind_the_flags(
    words: tuple[str, ...], asked: list[str]
) -> None:
    for typed in (("--model", "pocket", *words), (*words, "--model", "pocket")):
        done = within("ask", *typed, "--max_new_tokens", "4", "--json")
        assert [json.loads(line)["question"] for line in done.stdout.splitlines()] == asked


def test_a_run_stands_before_its_questions(trained: Path, tmp_path: Path) -> None:
    both = [
        within("ask", *named, "Who are you?", "--json")
        for named in ((str(trained),), ("--adapters", str(trained)))
    ]
    assert both[0].stdout == both[1].stdout and both[0].returncode == 0
    talked = within("infer", trained, "Who are you?")
    assert talked.stdout.strip() == json.loads(both[0].stdout)["answer"].strip()
    told = within("infer", trained, "Who are you?", "--json", "--stream", "true")
    assert told.stdout == both[0].stdout
    gone = within("ask", tmp_path / "nowhere", "Who are you?", "--model", "pocket")
    assert gone.returncode == 4 and "nowhere" in gone.stdout + gone.stderr


@pytest.mark.parametrize("verb", ["ask", "infer"])
@pytest.mark.parametrize("words", [("",), ("", "Who are you?"), ("Who are you?", "")])
def test_a_question_of_nothing_is_refused(verb: str, words: tuple[str, ...]) -> None:
    done = within(verb, "--model", "pocket", *words, "--json")
    (finding,) = as_json(done)["findings"]
    assert (done.returncode, finding["code"], finding["where"]) == (2, "C002", "QUESTION")
    assert finding["fix"]["en"] == (
        f"It is empty. `suretune {verb} --help` shows what `QUESTION` accepts."
    )


# Of each command that takes several words: an option that takes a text.
TEXTS = [
    (verb, texts[0])
    for verb in VERBS
    if verb.several
    and (texts := [name for name, option in verb.options().items() if option.kind is str])
]


@pytest.mark.parametrize(("verb", "option"), TEXTS, ids=[verb.name for verb, _ in TEXTS])
def test_words_may_stand_behind_the_value_of_a_flag(
    verb: Verb, option: str, tmp_path: Path
) -> None:
    """`serve --port 8000 RUN` is what people type; a value in two pieces is still told."""
    command = parse(verb, [f"--{option}", "x", "one", "two"], verb.own)
    strays = [fault for fault in command.faults if fault.problem == "stray-argument"]
    assert not strays and command.words == ("one", "two")
    (tmp_path / "my model").mkdir()
    typed = [f"--{option}", *str(tmp_path / "my model").split(" "), "--lang", "en"]
    (stray,) = parse(verb, typed, verb.own).faults[-1:]
    assert stray.problem == "stray-argument"


QUOTED = "You are a pirate."


@pytest.mark.parametrize(
    ("verb", "typed", "system", "behind"),
    [
        ("compare", ["--system", QUOTED, "a", "b"], QUOTED, ("a", "b")),
        ("ask", ["a", "--system", QUOTED, "Who are you?"], QUOTED, ("a", "Who are you?")),
        ("infer", ["--system", "Speak", "up", "Who are you?"], "Speak up", ("Who are you?",)),
        ("ask", ["a", "--system", "Be kind", "Hi.", "Ho."], "Be kind", ("a", "Hi.", "Ho.")),
        ("ask", ["a", "--system", "Shout.", "Who?"], "Shout.", ("a", "Who?")),
        ("ask", ["a", "--system", "你是海盗", "你是谁"], "你是海盗", ("a", "你是谁")),
        ("ask", ["a", "--system", "你是", "Nova", "助手"], "你是 Nova 助手", ("a",)),
        ("ask", ["--system", "pirate", "runs/a", "Who?"], "pirate", ("runs/a", "Who?")),
        ("serve", ["--system", "Speak", "up", "runs/a", "runs"], "Speak up", ("runs/a", "runs")),
        ("serve", ["a", "--system", "你是客服", "请耐心回答"], "你是客服 请耐心回答", ("a",)),
        ("ask", ["a", "--json", "Who are you?"], None, ("a", "Who are you?")),
        ("ask", ["a", "Who are you?", "--json", "false"], None, ("a", "Who are you?")),
        ("explain", ["R019", "--json", "true"], None, ("R019",)),
        ("ask", ["a", "--lang", "zh", "你是谁？"], None, ("a", "你是谁？")),
    ],
)
def test_words_behind_a_prompt_or_a_switch_that_are_whole_stay_their_own(
    verb: str,
    typed: list[str],
    system: str | None,
    behind: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What holds blanks was quoted; a run that is there is a run."""
    (tmp_path / "runs" / "a").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    found = next(one for one in VERBS if one.name == verb)
    command = parse(found, typed, found.own)
    assert (command.resolved.config.data.system, command.words) == (system, behind)
    assert {fault.problem for fault in command.faults} <= {"words-mended"}


def test_a_second_text_behind_a_quoted_prompt_is_no_part_of_it() -> None:
    found = next(one for one in VERBS if one.name == "check")
    command = parse(found, ["--system", QUOTED, "and more"], found.own)
    assert [(one.problem, one.value) for one in command.faults] == [("stray-argument", "and more")]


@pytest.mark.parametrize("verb", ["verify", "report", "resume", "track"])
def test_the_one_word_of_a_command_may_stand_behind_the_value_of_a_flag(
    verb: str, tmp_path: Path
) -> None:
    """A run that is there; what is not there may be half of a value, and is told as that."""
    found = next(one for one in VERBS if one.name == verb)
    (tmp_path / "run").mkdir()
    run = str(tmp_path / "run")
    for option, value in (("lang", "en"), ("model", "pocket")):
        if option not in found.options():
            continue
        command = parse(found, [f"--{option}", value, run], found.own)
        assert command.word == run and not command.faults, option
        for odd in ([value, "nowhere"], [value, run, run]):
            command = parse(found, [f"--{option}", *odd], found.own)
            assert command.word == "", option
            assert command.faults[-1].problem == "stray-argument"
        twice = parse(found, [run, f"--{option}", value, run], found.own)
        assert twice.word == run and twice.faults[-1].problem == "stray-argument"


def test_a_configuration_is_no_such_word(tmp_path: Path) -> None:
    """`--output_dir my run` is a value in two pieces, whatever is called like the second."""
    found = next(one for one in VERBS if one.name == "sweep")
    (tmp_path / "run").mkdir()
    command = parse(found, ["--output_dir", "my", str(tmp_path / "run")], found.own)
    assert command.word == "" and command.faults[-1].problem == "stray-argument"


# --- what is said of who speaks -------------------------------------------------------------------


def spoken_by(run: Path) -> str:
    return within("ask", run, "Who are you?").stderr


def other_weights(folder: Path) -> None:
    tensors = load_file(folder / WEIGHTS)
    save_file({name: t * 0 if "lora_B" in name else t for name, t in tensors.items()},
              folder / WEIGHTS, metadata={"format": "pt"})  # fmt: skip


def test_an_adapter_is_called_sealed_only_as_it_was_sealed(trained: Path, tmp_path: Path) -> None:
    assert "(sealed, update " in spoken_by(trained)
    run = tmp_path / "run"
    shutil.copytree(trained, run, ignore=shutil.ignore_patterns("checkpoints"))
    other_weights(run / "adapter")
    rundir.write_manifest(run / "adapter", checkpoint="step-000020")
    assert "(not as it was sealed, update " in spoken_by(run)
    (run / rundir.SEAL).write_text("hello\n", "utf-8")
    assert "(not as it was sealed, update " in spoken_by(run)


@pytest.mark.parametrize("kept", [True, False], ids=["adapter", "checkpoint"])
def test_what_lost_its_manifest_is_not_loaded(kept: bool, trained: Path, tmp_path: Path) -> None:
    """Its files could be anybody's."""
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    where = run / "adapter" if kept else rundir.checkpoints(run)[-1][1]
    (where / rundir.MANIFEST).unlink()
    other_weights(where)
    done = within("ask", where, "Who are you?", "--json")
    assert done.returncode == 4 and codes(done) == ["S015"], done.stdout
    alone = tmp_path / "mine" / where.name  # anybody's folder has none, whatever it is called
    shutil.copytree(where, alone)
    assert within("ask", alone, "Who are you?").returncode == 0


# --- beyond what the model was built for ----------------------------------------------------------

CONTEXT = find_base("pocket", weights=False).context


def test_a_question_that_leaves_no_room_for_an_answer_is_refused(tmp_path: Path) -> None:
    long = "x q " * CONTEXT
    done = within("ask", "--model", "pocket", long, "--json")
    assert done.returncode == 2 and codes(done) == ["C002"]
    said = as_json(done)["findings"][0]["fix"]["en"]
    assert re.search(rf"has \d{{3,}} tokens; pocket was built for {CONTEXT}", said)
    with pytest.raises(Refused, match=f"built for {CONTEXT}"):
        load(MODEL).ask(long)


def test_an_answer_ends_where_the_model_does() -> None:
    model = load(MODEL, max_new_tokens=400)
    speaker, words = model.speaker, CONTEXT // 2

    def prompt(words: int) -> int:
        return len(prompt_ids(speaker.tokenizer, conversation(speaker, "x q " * words)))

    each = prompt(words) - prompt(words - 1)
    words += (CONTEXT - 20 - prompt(words)) // each
    room = CONTEXT - prompt(words)
    assert 0 < room < 60
    answer = model.ask("x q " * words, temperature=2.0)
    assert len(speaker.tokenizer.encode(answer)) <= room + 4  # written anew it may be cut elsewhere


@pytest.mark.parametrize("flag", ["--probes", "--skills"])
def test_a_question_of_a_file_that_is_too_long_is_refused_before_anything(
    flag: str, tmp_path: Path
) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", [{"query": "Hi?", "response": "Ho."}] * 3)
    file = tmp_path / "asked.jsonl"
    skill = {"skill": "s", "lang": "en", "system": None, "answer": "a", "check": ""}
    condition = {"must_contain": "a"} if flag == "--probes" else skill
    lines = [{"question": "Who?", **condition}, {"question": "x q " * CONTEXT, **condition}]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    done = within("check", "--model", "pocket", "--dataset", rows, flag, file, "--json")
    found = [f for f in as_json(done)["findings"] if f["code"] == "C002"]
    assert done.returncode == 2 and len(found) == 1
    assert "Question 2 has " in found[0]["fix"]["en"] and flag in found[0]["what"]["en"]
    lines[1]["question"] = "x q " * (CONTEXT // 8)
    file.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    done = within("check", "--model", "pocket", "--dataset", rows, flag, file, "--json")
    assert "C002" not in codes(done)
