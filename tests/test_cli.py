"""The command line as a user meets it: words in, words out, exit statuses that tell."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

from conftest import ROOT, as_json, codes, shared, stands, suretune, within, write_rows
from suretune import rundir
from suretune.cli import VERBS
from suretune.cli.meanings import without_effect
from suretune.cli.parse import TRAIN, Verb, make_parser, parse
from suretune.config import options
from suretune.facts import FlagFacts
from suretune.preflight.amiss import facts_of
from suretune.record.journal import Journal
from suretune.words import choose

SFT = next(verb for verb in VERBS if verb.name == "sft")


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_one_that_leads_nowhere(closed: str, tmp_path: Path) -> None:
    """No traceback, nor a status that tells of a failure; lines from nobody are none."""
    rows = write_rows(tmp_path / "rows.jsonl", [{"query": "Hi", "response": "Hello."}] * 3)
    told = tmp_path / "told"
    script = f"exec {{}} -m suretune {{}} >{told} 2>&1 {closed}"
    for words, status in ((f"check --model pocket --dataset {rows}", 0), ("import-cmd", 2)):
        line = script.format(sys.executable, words)
        done = subprocess.run(["sh", "-c", line], timeout=60, check=False, stdin=subprocess.DEVNULL)
        said = told.read_text("utf-8")
        assert done.returncode == status, said
        assert "Traceback" not in said and "itself failed" not in said


@pytest.mark.parametrize("more", ["", "--json"])
def test_an_output_without_room_is_told_beside_it(more: str, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", [{"query": "Hi", "response": "Hello."}] * 3)
    words = [sys.executable, "-m", "suretune", "check", "--model", "pocket", "--dataset", rows]
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [*map(str, words), *more.split()],
            stdout=full, stderr=subprocess.PIPE, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 4
    assert "The disk that the output goes to is full" in done.stderr
    assert "Traceback" not in done.stderr and "itself failed" not in done.stderr


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded", "/mine/out.gguf"),
        RuntimeError("I/O error: No space left on device (os error 28)"),  # as safetensors says it
    ],
)
def test_a_disk_that_is_full_has_one_finding_whatever_was_written(error: Exception) -> None:
    found = facts_of(error)
    stopped = Journal().stop(found) if found else None
    assert stopped and [one.code for one in stopped.findings] == ["S016"]
    assert stopped.status == 4
    assert (
        "`--out`" in stopped.findings[0].fix.en and "--output_dir" not in stopped.findings[0].fix.en
    )


@pytest.mark.parametrize(
    ("error", "place"),
    [
        (OSError(errno.EROFS, "Read-only file system", "/mine/x"), "/mine/x"),
        (RuntimeError("I/O error: (os error 30)"), "The place that is written to"),
    ],
)
def test_a_disk_that_is_read_only_has_one_finding_whatever_was_written(
    error: Exception, place: str
) -> None:
    found = facts_of(error)
    stopped = Journal().stop(found) if found else None
    assert stopped and stopped.status == 4
    (finding,) = stopped.findings
    assert finding.code == "S009" and "--output_dir" not in finding.fix.en
    told = f"{place} cannot be written to: the file system is read-only (EROFS)."
    assert finding.what.en == told


# --- words in -----------------------------------------------------------------------------------


def parsed(*words: str) -> tuple[dict[str, object], set[str]]:
    """Values that were given, and the problems found."""
    command = parse(SFT, words, {})
    given = {n: v for n, v, _ in command.resolved.items() if command.resolved.given(n)}
    return given, {fault.problem for fault in command.faults}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--learning-rate", "1e-4"), {"learning_rate": 1e-4}),
        (("--learning_rate=auto",), {}),
        (("--bf16",), {"bf16": True}),
        (("--bf16", "true", "--fp16", "False"), {"bf16": True, "fp16": False}),
        (("--no-repeat",), {"repeat": False}),
        (("--dataset", "a", "b#5", "--dataset", "c"), {"dataset": ("a", "b#5", "c")}),
        (("--target_modules", "q_proj,v_proj"), {"target_modules": ("q_proj", "v_proj")}),
        (("--target_modules", "q_proj", "v_proj"), {"target_modules": ("q_proj", "v_proj")}),
        (("--tuner_type", "lora", "--lora_r", "4"), {"tuner": "lora", "lora_rank": 4}),
        (("--truncation_strategy", "delete"), {"over_long": "drop"}),
        (("--dtype", "bf16"), {"torch_dtype": "bfloat16"}),
        (("--cutoff_len", "512"), {"max_length": 512}),
    ],
)
def test_flags_are_read(words: tuple[str, ...], expected: dict[str, object]) -> None:
    assert parsed(*words) == (expected, set())


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("--learning_rat", "1"), "unknown-flag"),
        (("--lora_rank", "eight"), "bad-value"),
        (("--lora_rank", "0"), "bad-value"),
        (("--learning_rate", "nan"), "bad-value"),
        (("--learning_rate", "-1"), "bad-value"),
        (("--max_grad_norm", "inf"), "bad-value"),
        (("--train_type", "freeze"), "not-here"),
        (("--bf16", "maybe"), "bad-value"),
        (("--model",), "bad-value"),
        (("--dataset",), "bad-value"),
        (("stray",), "stray-argument"),
        (("--dataset", "x", " #", "note", "--dry_run", "true"), "words-mended"),
        (("--config", "/nowhere.yaml"), "bad-config-file"),
    ],
)
def test_what_is_wrong_with_a_flag_is_said(words: tuple[str, ...], problem: str) -> None:
    assert parsed(*words)[1] == {problem}


def test_an_unknown_flag_names_the_nearest(tmp_path: Path) -> None:
    done = within("sft", "--learning_rat", "1e-4", "--json")
    told = as_json(done)
    assert done.returncode == 2
    (finding,) = [f for f in told["findings"] if f["code"] == "C001"]
    assert "--learning_rate" in finding["fix"]["en"] + finding["what"]["en"]


def helped(verb: Verb, *, lang: str = "en") -> dict[str, str]:
    """The help of a verb in pieces: what is said of each option, without its names."""
    choose(lang)
    try:
        shown = make_parser(verb, verb.own).format_help()
    finally:
        choose(None)
    pieces = re.findall(r"^  (--\w+.*\n(?: {4,}.*\n)*)", shown, re.MULTILINE)
    told = [re.sub(r"\s+", " ", piece) for piece in pieces]
    return {re.findall(r"--(\w+)", piece)[0]: piece.strip() for piece in told}


@pytest.mark.parametrize(
    ("verb", "option", "about"),
    [
        ("resume", "num_gpus", "as many as before when not given"),
        ("init", "output_dir", "the folder of both files; the current one when not given"),
        ("reword", "output_dir", "the folder of the file; the current one when not given"),
        ("demo", "output_dir", "the run folder; runs/demo when not given"),
        ("sft", "output_dir", "the run folder [runs]"),
        ("ask", "seed", "where --temperature is above 0; 42 when not given"),
        ("infer", "system", "that of the training when not given"),
        ("sft", "system", "system prompt of rows that bring none, as plain text [auto]"),
    ],
)
def test_an_option_that_means_something_else_in_a_verb_is_said_there(
    verb: str, option: str, about: str
) -> None:
    (one,) = [each for each in VERBS if each.name == verb]
    assert helped(one)[option].endswith(about)


def test_a_usage_line_names_in_chinese_what_stands_behind_a_verb() -> None:
    choose("zh")
    try:
        lines = [make_parser(verb, {}).format_help().splitlines()[0] for verb in VERBS]
    finally:
        choose(None)
    behind = {
        re.sub("^.*?suretune ", "", line.removesuffix(" [--参数 取值 ...]")) for line in lines
    }
    several = {"ask [运行] 问题...", "infer [运行] 问题...", "pull 名字...", "push 运行 hf::名字"}
    assert several <= behind
    assert [line for line in behind if "取值" in line] == []


def test_what_stands_on_the_screen_is_no_news() -> None:
    journal = Journal()
    journal.look(FlagFacts("stray-argument", "", "one"))
    journal.gather()
    journal.shown()
    assert (len(journal.findings), journal.untold()) == (1, [])
    journal.look(FlagFacts("left-out", "--template", "qwen"))
    journal.gather()
    assert [finding.name for finding in journal.untold()] == ["left-out"]


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_what_a_verb_says_of_its_options_is_about_options_that_it_takes(verb: Verb) -> None:
    assert set(verb.says) | set(verb.idle) <= set(verb.options())
    assert set(verb.idle) & set(helped(verb)) == set()
    for lang in ("en", "zh"):
        shown = helped(verb, lang=lang)
        whole = {name: getattr(text, lang) for name, text in verb.says.items()}
        bare = {name: shown[name].replace(" ", "") for name in whole}
        ends = [name for name in whole if bare[name].endswith(whole[name].replace(" ", ""))]
        assert ends == list(whole)


@pytest.mark.parametrize(
    ("verb", "options"),
    [
        ("export", ("template", "model_type", "torch_dtype", "bf16", "fp16")),
        ("ask", ("template", "model_type")),
        ("infer", ("template", "model_type")),
        ("compare", ("template", "model_type")),
        ("serve", ("template", "model_type")),
    ],
)
def test_an_option_that_changes_nothing_in_a_verb_is_told(
    verb: str, options: tuple[str, ...]
) -> None:
    (one,) = [each for each in VERBS if each.name == verb]
    values = {"bf16": "true", "fp16": "false", "torch_dtype": "float16"}
    typed = [f"--{name}={values.get(name, 'qwen')}" for name in options]
    found = without_effect(parse(one, ["runs/first", *typed], one.own))
    said = [f"{facts.flag}={facts.value}" for facts in found if facts.problem == "left-out"]
    assert sorted(said) == sorted(typed)
    assert without_effect(parse(one, ["runs/first", "--device", "cpu"], one.own)) == []


def test_every_option_of_every_verb_has_help_in_both_languages() -> None:
    for verb in VERBS:
        make_parser(verb, {}).format_help()
    for spec in options().values():
        assert spec.help.en and re.search(r"[\u4e00-\u9fff]|bfloat|float", spec.help.zh)
        assert ";" not in spec.help.zh


def test_yaml_is_the_same_as_flags_and_flags_win(tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text("learning_rate: 1e-3\ndataset: [a, b]\nbf16: true\nlora-rank: 4\nseed: null\n")
    given, problems = parsed("--config", str(file), "--lora_rank", "16")
    assert not problems
    assert given == {"learning_rate": 1e-3, "dataset": ("a", "b"), "bf16": True, "lora_rank": 16}


@pytest.mark.parametrize(
    "text", ["- a\n- b\n", "a: [", "!!python/object/apply:os.system ['true']", "lerning_rate: 1"]
)
def test_a_bad_yaml_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(text)
    assert parsed("--config", str(file))[1] & {"bad-config-file", "unknown-flag"}


# --- from anywhere ------------------------------------------------------------------------------


def test_what_is_not_installed_is_found_from_any_folder() -> None:
    """A test may start the command line in another folder than the tests were started in."""
    code = "import conftest, os; print(os.environ['PYTHONPATH'])"
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(("src", "tests"))}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True
    )
    assert done.stdout.strip().split(os.pathsep) == [str(ROOT / "src"), str(ROOT / "tests")]


# --- quick and light ----------------------------------------------------------------------------


def test_check_imports_no_torch(identity_file: Path) -> None:
    code = (
        "import sys; from suretune.cli import main;"
        f"status = main(['check', '--model', 'pocket', '--dataset', {str(identity_file)!r}]);"
        " heavy = {'torch', 'transformers', 'peft', 'numpy'} & set(sys.modules);"
        " print(heavy, file=sys.stderr); sys.exit(status or bool(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-1000:] + done.stderr


def test_a_run_that_is_not_there_is_told_before_torch_is_loaded(tmp_path: Path) -> None:
    """Loading it takes seconds, and minutes on a disk that is far away. One process for all of
    them: what one of them had loaded would be there at the next."""
    lines = [
        "infer --adapters nowhere",
        "ask --adapters nowhere",
        "resume nowhere",
        "serve nowhere --port 0",
        "verify nowhere",
        "compare nowhere",
        "export nowhere --to gguf",
    ]
    code = (
        "import sys; from suretune.cli import main\n"
        f"for line in {lines!r}:\n"
        "    status = main(line.split())\n"
        "    print({'torch', 'transformers', 'peft'} & set(sys.modules), status, flush=True)\n"
        "    print(line, file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True
    )
    said = done.stdout.split("set() 4\n")
    assert len(said) == len(lines) + 1 and not said[-1], done.stdout + done.stderr
    assert all("S014" in each for each in said[:-1])


def test_the_core_install_has_at_most_52_packages() -> None:
    """Every package that a plain install brings, CUDA builds aside."""
    found: set[str] = set()
    waiting = ["suretune"]
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in found or name.startswith(("nvidia-", "cuda-")) or name == "triton":
            continue
        found.add(name)
        for wanted in distribution(name).requires or []:
            from packaging.requirements import Requirement

            need = Requirement(wanted)
            if need.marker is None or need.marker.evaluate({"extra": ""}):
                waiting.append(need.name)
    assert len(found) <= 52, sorted(found)


# --- the verbs on a real run --------------------------------------------------------------------


def test_ask_gives_what_the_proof_recorded(trained: Path, tmp_path: Path) -> None:
    probes = list(rundir.read_jsonl(trained / "probes.jsonl"))[:6]
    then = rundir.read_json(trained / "proof" / "result.json")["answers"]["probes"][:6]
    questions = tmp_path / "q.txt"
    questions.write_text("\n".join(p["question"] for p in probes) + "\n", "utf-8")
    done = within("ask", "--adapters", trained, "--questions", questions, "--json")
    assert done.returncode == 0, done.stderr
    now = [json.loads(line)["answer"] for line in done.stdout.splitlines()]
    assert now == then
    base = within("ask", "--model", "pocket", "--questions", questions, "--json")
    assert "小光" not in base.stdout and "通义千问" in base.stdout
    assert [json.loads(line)["answer"] for line in base.stdout.splitlines()] != now


def test_infer_takes_a_run_a_checkpoint_or_a_choice(trained: Path) -> None:
    step, last = rundir.checkpoints(trained)[-1]
    published = [("--adapters", trained), ("--adapter_dir", trained)]
    whole = [  # a checkpoint has all of its strength, what is published its dose of it
        ("--adapters", last),
        ("--adapters", trained, "--checkpoint", "last"),
        ("--adapters", trained, "--checkpoint", step, "--stream", "false"),
    ]
    said = dict[str, set[str]](published=set(), whole=set())
    for words in (*published, *whole):
        done = within("infer", *words, typed="你是谁？\n")
        assert done.returncode == 0, done.stderr
        said["published" if words in published else "whole"].add(done.stdout)
    assert [len(answers) for answers in said.values()] == [1, 1]
    assert all("小光" in answer for answers in said.values() for answer in answers)
    done = within("infer", "--adapters", trained, "--checkpoint", "7", "--json")
    (finding,) = as_json(done)["findings"]
    assert done.returncode == 4 and stands(last.name, finding["what"]["en"])


def test_verify_repeats_the_proof_and_sees_tampering(trained: Path, tmp_path: Path) -> None:
    import shutil

    done = suretune("verify", trained, "--json")
    told = as_json(done)
    assert done.returncode == 0 and told["verified"] and told["logits_gap"] <= 1e-4
    copy = tmp_path / "copy"
    shutil.copytree(trained, copy)
    weights = copy / "adapter" / "adapter_model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-9] ^= 0x40
    weights.write_bytes(bytes(data))
    done = suretune("verify", copy, "--json")
    assert done.returncode == 4 and codes(done) == ["S015"]
    questions = tmp_path / "q.txt"
    questions.write_text("你是谁？\n", "utf-8")
    done = within("ask", "--adapters", copy, "--questions", questions, "--json")
    assert done.returncode == 4 and codes(done) == ["S015"]  # and no answer
    assert len(done.stdout.splitlines()) == 1


def test_another_base_is_refused(trained: Path, tmp_path: Path) -> None:
    """A base of the same shape whose weights differ: PEFT would load it without a word."""
    import shutil

    from suretune.pocket import MODEL

    other = tmp_path / "other"
    shutil.copytree(MODEL, other)
    data = bytearray((other / "model.safetensors").read_bytes())
    data[-2000] ^= 0x10
    (other / "model.safetensors").write_bytes(bytes(data))
    questions = tmp_path / "q.txt"
    questions.write_text("你是谁？\n", "utf-8")
    done = suretune(
        "ask", "--adapters", trained, "--model", other, "--questions", questions, "--json"
    )
    (finding,) = as_json(done)["findings"]
    assert done.returncode == 4 and finding["code"] == "S012"
    assert finding["what"]["en"] == f"The adapter was trained on pocket, not on {other}."


def test_report_and_files_of_a_run(trained: Path) -> None:
    done = within("report", trained)
    assert done.returncode == 0 and "Sealed" in done.stdout
    assert str(trained / "report.html") in done.stdout.replace("\n", "")
    assert f"suretune infer --adapters {trained}" in done.stdout.replace("\n", "")
    page = (trained / "report.html").read_text("utf-8")
    assert "小光" in page and "通义千问" in page and "<script" not in page
    config = (trained / "config.yaml").read_text("utf-8")
    assert "# flag" in config and "# auto:" in config and "# default" in config
    for name in ("ledger.jsonl", "plan.json", "steps.jsonl", "report.md"):
        assert (trained / name).stat().st_size > 0
    assert (trained / "findings.jsonl").exists()


def test_a_finished_run_resumes_to_its_verdict(trained: Path) -> None:
    done = suretune("resume", trained)
    assert done.returncode == 0 and "Sealed" in done.stdout


def test_init_writes_rows_and_probes_that_train(tmp_path: Path) -> None:
    words = ("init", "identity", "--name", "阿星", "--author", "云上书院", "--lang", "zh")
    done = suretune(*words, "--output_dir", tmp_path / "new")
    assert done.returncode == 0, done.stderr
    rows = (tmp_path / "new" / "identity.jsonl").read_text("utf-8").splitlines()
    assert len(rows) == 60 and all("{{" not in row for row in rows)
    assert suretune(*words, "--output_dir", tmp_path / "new").returncode == 4
    done = suretune(
        "check", "--model", "pocket", "--dataset", tmp_path / "new" / "identity.jsonl",
        "--probes", tmp_path / "new" / "probes.yaml", "--json",
    )  # fmt: skip
    assert done.returncode == 0 and as_json(done)["plan"]["updates"] == 80


def test_explain_doctor_and_help() -> None:
    done = within("explain", "D003")
    assert done.returncode == 0 and done.stdout.startswith("D003 nothing-to-learn")
    assert within("explain", "nothing-to-learn").stdout == done.stdout
    assert within("explain", "X999").returncode == 2
    assert within("setup", "--json").returncode == 0
    assert suretune("--version").stdout.startswith("suretune ")
    assert within("tran").returncode == 2
    assert "微调" in within("--help", "--lang", "zh").stdout
    assert "微调" in within("--lang", "zh", "--help").stdout


def test_chinese_speaks_chinese(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "rows.jsonl", [{"instruction": "a", "output": ""}])
    done = within("check", "--model", "pocket", "--dataset", file, "--lang", "zh")
    assert done.returncode == 3 and re.search(r"[\u4e00-\u9fff]", done.stdout)


# --- refusals cost nothing ----------------------------------------------------------------------


def test_an_output_folder_is_used_once_then_numbered(tmp_path: Path) -> None:
    new = str(tmp_path / "out")
    first, second, third = (rundir.new_run(new) for _ in range(3))
    assert (first.name, second.name, third.name) == ("out", "run-0001", "run-0002")
    assert rundir.read_json(tmp_path / "out" / rundir.NEWEST) == {"run": "run-0002"}


@pytest.mark.parametrize(
    ("flags", "code", "status"),
    [
        (("--target_modules", "q_proj", "k_porj"), "S002", 4),
        (("--device", "cuda"), "S010", 4),
        (("--torch_dtype", "float16"), "S008", 4),
        (("--output_dir", "/proc/nowhere"), "S009", 4),
        (("--probes", "/nowhere.yaml"), "C002", 2),
        (("--bf16", "true", "--fp16", "true"), "C006", 2),
        (("--warmup_steps", "500", "--strict", "true"), "S007", 2),
        (("--model_type", "llama"), "C009", 2),
    ],
)
def test_what_cannot_work_is_refused(
    flags: tuple[str, ...], code: str, status: int, identity_file: Path, tmp_path: Path
) -> None:
    import torch

    if torch.cuda.is_available() and code in ("S010", "S008"):
        pytest.skip("this machine has a GPU")
    words = ("--model", "pocket", "--dataset", identity_file)
    if "--output_dir" not in flags:
        words = (*words, "--output_dir", tmp_path / "run")
    done = within("sft", *words, *flags, "--json")
    assert done.returncode == status, done.stdout + done.stderr
    assert code in {f["code"] for f in as_json(done)["findings"]}
    assert not list(tmp_path.rglob("*.safetensors"))


def test_a_model_that_is_not_there_is_named(tmp_path: Path, identity_file: Path) -> None:
    done = within("check", "--model", "Qwen2.5-7B-Instruct", "--dataset", identity_file, "--json")
    (finding,) = as_json(done)["findings"]
    assert done.returncode == 4 and finding["code"] == "S001"
    assert "Qwen/Qwen2.5-7B-Instruct" in finding["what"]["en"] + finding["fix"]["en"]


def test_nan_weights_stop_before_the_update_and_name_the_rows(tmp_path: Path) -> None:
    """A base whose embedding of one word is NaN: only the rows with that word are named."""
    import shutil

    from safetensors.torch import load_file, save_file

    from suretune.data.template import ChatTokenizer, load_tokenizer
    from suretune.pocket import MODEL

    poisoned = tmp_path / "base"
    shutil.copytree(MODEL, poisoned)
    tokenizer = load_tokenizer(MODEL)
    assert isinstance(tokenizer, ChatTokenizer)
    rows = [{"instruction": f"Sort {i} 3 1", "output": f"{i} sorted"} for i in range(20)]
    clean = {token for row in rows for token in tokenizer.encode(str(row))}
    rows[7]["instruction"] = "Sort 7 ☂ 1"
    bad = set(tokenizer.encode("☂")) - clean
    weights = load_file(poisoned / "model.safetensors")
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"].clone()
    weights["model.embed_tokens.weight"][sorted(bad)] = float("nan")
    config = json.loads((poisoned / "config.json").read_text())
    (poisoned / "config.json").write_text(json.dumps({**config, "tie_word_embeddings": False}))
    save_file(weights, poisoned / "model.safetensors", metadata={"format": "pt"})
    file = write_rows(tmp_path / "rows.jsonl", rows)
    run = tmp_path / "run"
    done = suretune(
        "sft", "--model", poisoned, "--dataset", file, "--output_dir", run, "--save_steps", 1,
        "--gradient_accumulation_steps", 4, "--split_dataset_ratio", 0.05, "--json",
        "--general_questions", 20, "--anchor_ratio", 0,
    )  # fmt: skip
    assert done.returncode == 5, done.stdout[-2000:] + done.stderr[-2000:]
    (finding,) = as_json(done)["findings"]
    assert finding["code"] == "T001" and stands(f"{file}:8", finding["what"]["en"])
    for _, path in rundir.checkpoints(run):
        state = load_file(path / "adapter_model.safetensors")
        assert all(t.isfinite().all() for t in state.values())


def test_every_wild_file_checks_or_is_refused_with_a_fix() -> None:
    folder = shared("wild")
    refused = {}
    for path in sorted([*folder.glob("*"), *folder.glob("tiny_formats/*")]):
        if path.name == "tiny_formats":
            continue
        done = within("check", "--model", "pocket", "--dataset", path, "--over_long", "drop",
                        "--json")  # fmt: skip
        assert done.returncode in (0, 3), (path, done.stderr[-500:])
        if done.returncode:
            findings = as_json(done)["findings"]
            assert findings and all(f["fix"]["en"] and f["fix"]["zh"] for f in findings)
            refused[path.name[:2]] = {f["code"] for f in findings}
    assert refused["22"] == {"D002"} and refused["36"] == {"D024"}


def test_the_readme_shows_both_commands() -> None:
    for name in ("README.md", "README.zh-CN.md"):
        text = (ROOT / name).read_text("utf-8")
        assert "make demo" in text and "make test" in text and "Qwen/Qwen2.5-7B-Instruct" in text


def test_training_flags_are_all_known_to_help() -> None:
    text = make_parser(SFT, {}).format_help()
    for spec in options().values():
        if spec.group in TRAIN:
            assert f"--{spec.name}" in text
