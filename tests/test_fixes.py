"""What a finding advises works: its command is taken from the sentence, obeyed, and the finding is
gone. A row of TRIED is a run that raises a code, and how its advice is obeyed; what cannot be tried
here is named in NOT_TRIED, with the reason.
"""

from __future__ import annotations

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from conftest import write_rows
from suretune import words
from suretune.cli import main
from suretune.guards import all_guards
from suretune.pocket import MODEL
from suretune.preflight import outlook

Words = list[str]
Finding = dict[str, Any]
Obey = Callable[[Words, Finding, Path], Words]
FAMILIES = ("C", "D", "P", "S")  # those whose every code stands in one of the two tables
GOOD = [{"query": f"Sort {n} 1 2", "response": f"1 2 {n}"} for n in range(30)]
DATA = "--dataset rows.jsonl"
POCKET = f"check --model pocket {DATA}"


@dataclass(frozen=True)
class Try:
    """A command that raises a finding, and the one that its advice makes of it."""

    typed: str | Callable[[Path], Words]
    obey: Obey
    gpu: bool = False  # on a machine that has one


# --- ways to obey -------------------------------------------------------------------------------


def commands(finding: Finding, lang: str = "en") -> list[str]:
    """What stands between backticks in the advice."""
    return re.findall(r"`([^`]+)`", finding["fix"][lang])


def named(finding: Finding, pattern: str = r"--") -> list[str]:
    """The first command of the advice that begins so, as words."""
    found = next(c for c in commands(finding) if re.match(pattern, c))
    return shlex.split(found)


def without(typed: Words, flag: str) -> Words:
    """The command without a flag and its values."""
    made, dropping = [], False
    for word in typed:
        if word.startswith("--"):
            dropping = word.partition("=")[0] == flag
        if not dropping:
            made.append(word)
    return made


def put(typed: Words, finding: Finding, tmp: Path) -> Words:
    """`--flag value` of the advice, in place of what was given."""
    new = named(finding, r"--\w+ ")
    return [*without(typed, new[0]), *new]


def drop(typed: Words, finding: Finding, tmp: Path) -> Words:
    """The flag that the advice names is left out."""
    return without(typed, named(finding)[0])


def instead(typed: Words, finding: Finding, tmp: Path) -> Words:
    """`A` in place of `B`."""
    new, old = (shlex.split(command) for command in commands(finding)[:2])
    return [*without(typed, old[0]), *new]


def meant(typed: Words, finding: Finding, tmp: Path) -> Words:
    """The flag that was meant, in place of the one that was typed."""
    typo = commands({"fix": finding["what"]})[0]
    return [commands(finding)[0] if word == typo else word for word in typed]


def within(typed: Words, finding: Finding, tmp: Path) -> Words:
    """A value of those that the advice says it takes."""
    flag = commands({"fix": finding["what"]})[0]
    said = re.search(r"It takes (.+?)\. ", finding["fix"]["en"])
    assert said
    bounds = {sign: float(x) for sign, x in re.findall(r"(>=|<=|>) ([-\d.e]+)", said[1])}
    least = bounds.get(">=", bounds.get(">", 0.0) + 1)
    value = said[1].split(" | ")[0] if "|" in said[1] else f"{bounds.get('<=', least):g}"
    return [*without(typed, flag), flag, value]


def shell(typed: Words, finding: Finding, tmp: Path) -> Words:
    """The command of the advice, run; then the same command once more."""
    command = commands(finding)[0].replace("python ", f"{shlex.quote(sys.executable)} ", 1)
    subprocess.run(["bash", "-c", command], cwd=tmp, check=True, capture_output=True)
    return typed


def copied(typed: Words, finding: Finding, tmp: Path) -> Words:
    """The command of the advice, run: what it writes is given in place of the rows."""
    command = next(c for c in commands(finding) if " > " in c)
    subprocess.run(["bash", "-c", command], cwd=tmp, check=True, capture_output=True)
    new = shlex.split(command)[-1]
    assert (tmp / new).read_bytes() != (tmp / "rows.jsonl").read_bytes()
    return [*without(typed, "--dataset"), "--dataset", new]


def explained(typed: Words, finding: Finding, tmp: Path) -> Words:
    """The command of the page that the advice sends to."""
    page = next(guard for guard in all_guards() if guard.code == finding["code"])
    text = sys.modules[page.check.__module__].__doc__ or ""
    command = re.findall(r"`(awk [^`]+)`", text)[0].replace("old.jsonl", "rows.jsonl")
    return copied(typed, {"fix": {"en": f"`{command}`"}}, tmp)


# --- ways to fail -------------------------------------------------------------------------------


def base(tmp: Path, name: str = "base", **config: Any) -> Path:
    folder = tmp / name
    shutil.copytree(MODEL, folder, ignore=shutil.ignore_patterns("skills.jsonl"))
    about = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps({**about, **config}), "utf-8")
    return folder


def on(model: Path) -> Words:
    return ["check", "--model", str(model), *shlex.split(DATA)]


def as_bin(tmp: Path) -> Words:
    """The weights as an older transformers wrote them."""
    import torch
    from safetensors.torch import load_file

    folder = base(tmp)
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    return on(folder)


def quantised(tmp: Path) -> Words:
    base(tmp, "mine")
    return on(base(tmp, "mine-GPTQ-Int4", quantization_config={"quant_method": "gptq", "bits": 4}))


def one_token_more(tmp: Path) -> Words:
    folder = base(tmp)
    path = folder / "tokenizer.json"
    about = json.loads(path.read_text("utf-8"))
    about["added_tokens"].append(
        {"id": 4096, "content": "☂", "single_word": False, "lstrip": False, "rstrip": False,
         "normalized": False, "special": False}
    )  # fmt: skip
    path.write_text(json.dumps(about), "utf-8")
    write_rows(tmp / "rows.jsonl", [*GOOD, {"query": "draw", "response": "☂"}])
    return on(folder)


def own_tokenizer(typed: Words, finding: Finding, tmp: Path) -> Words:
    shutil.copy(MODEL / "tokenizer.json", tmp / "base" / "tokenizer.json")
    return typed


def copy_without_code(typed: Words, finding: Finding, tmp: Path) -> Words:
    return [*without(typed, "--model"), "--model", str(base(tmp, "copy"))]


def nearest_folder(typed: Words, finding: Finding, tmp: Path) -> Words:
    return [*without(typed, "--model"), "--model", str(tmp / commands(finding)[0])]


def rows(*more: Any, then: str = POCKET) -> Callable[[Path], Words]:
    """The rows, and these behind them: objects, or lines as they are."""

    def fail(tmp: Path) -> Words:
        lines = [json.dumps(r, ensure_ascii=False) if isinstance(r, dict) else r for r in more]
        good = [json.dumps(row) for row in GOOD]
        (tmp / "rows.jsonl").write_text("\n".join([*good, *lines]) + "\n", "utf-8")
        return shlex.split(then)

    return fail


def more(count: int, then: str) -> Callable[[Path], Words]:
    """A second file beside the rows."""

    def fail(tmp: Path) -> Words:
        write_rows(tmp / "more.jsonl", [
            {"query": f"What is {n}?", "response": f"It is {n}."} for n in range(count)
        ])  # fmt: skip
        return shlex.split(then)

    return fail


def said(answer: str) -> dict[str, str]:
    return {"query": f"Say {answer[:3]}.", "response": answer}


def as_gbk(tmp: Path) -> Words:
    lines = "".join(json.dumps(said("你好，世界"), ensure_ascii=False) + "\n" for _ in range(9))
    (tmp / "rows.jsonl").write_bytes(lines.encode("gbk"))
    return shlex.split(POCKET)


def with_mark(tmp: Path) -> Words:
    (tmp / "rows.jsonl").write_bytes(b"\xef\xbb\xbf" + (tmp / "rows.jsonl").read_bytes())
    return shlex.split(POCKET)


def compared(tmp: Path) -> Words:
    write_rows(tmp / "rows.jsonl", [
        {"prompt": f"Name {n}?", "chosen": f"It is {n}.", "rejected": "No."} for n in range(9)
    ])  # fmt: skip
    return shlex.split(POCKET)


def only(*made: dict[str, Any]) -> Callable[[Path], Words]:
    """These rows alone."""

    def fail(tmp: Path) -> Words:
        write_rows(tmp / "rows.jsonl", list(made))
        return shlex.split(POCKET)

    return fail


def table(first: str, row: str) -> Callable[[Path], Words]:
    """A table without names of columns that are known."""

    def fail(tmp: Path) -> Words:
        lines = [first, *(row.format(n) for n in range(9))]
        (tmp / "rows.csv").write_text("\n".join(lines) + "\n", "utf-8")
        return shlex.split(POCKET.replace("jsonl", "csv"))

    return fail


HIDDEN = (
    "\u202eright\u202c", "\x1b[31mred\x1b[0m", "\x07bell", "tags\U000e0041\U000e0042",
    "a \\\\u202e that is spoken of, and \u2066one\u2069", "form\b\f\x7ffeed",
)  # fmt: skip
ESCAPED = ("One._x000D_\nTwo._x000d_", "a_x0009_b", "snake_x005F_case", "_xD83D__xDE00_ smiles")
SPOKEN = r'{"query": "How?", "response": "Write \\u0000, not \u0000\u0000 or \\\u0000."}'
NOTE = "What somebody has written down about this row, at some length, for whoever reads it."


def nearest_file(typed: Words, finding: Finding, tmp: Path) -> Words:
    return [*without(typed, "--dataset"), "--dataset", commands(finding)[0]]


def few(tmp: Path) -> Words:
    write_rows(tmp / "rows.jsonl", GOOD[:4])
    return shlex.split(f"{POCKET} --split_dataset_ratio 0 --eval_steps 1 --max_steps 3")


def broken_config(tmp: Path) -> Words:
    (tmp / "c.yaml").write_text("model: pocket\nsystem: Answer: shortly\ndataset: rows.jsonl\n")
    return ["check", "--config", "c.yaml"]


def in_quotes(typed: Words, finding: Finding, tmp: Path) -> Words:
    """The line that the finding names gets the quotes that it asks for; then its own command."""
    file, _, line = commands({"fix": finding["what"]})[0].partition(":")
    there = (tmp / file).read_text().splitlines()
    name, _, text = there[int(line) - 1].partition(": ")
    there[int(line) - 1] = f'{name}: "{text}"'
    (tmp / file).write_text("\n".join(there))
    return named(finding, "suretune")[1:]


def whole(typed: Words, finding: Finding, tmp: Path) -> Words:
    """The whole command that the advice shows."""
    return named(finding, "suretune ")[1:]


def in_a_file(typed: Words, finding: Finding, tmp: Path) -> Words:
    """The flags in the file of the advice, with the comment."""
    (tmp / "run.yaml").write_text(
        "model: pocket\ndataset: rows.jsonl\n# my comment\nlora_rank: 4\n"
    )
    return ["check", *named(finding)]


def with_rows(typed: Words, finding: Finding, tmp: Path) -> Words:
    """`suretune init identity` writes rows, and they are given."""
    init = named(finding, "suretune")[1:]
    assert main([*init, "--name", "Glow", "--author", "Star Lab"]) == 0
    return [*typed, named(finding)[0], "identity.jsonl"]


def with_placeholder(typed: Words, finding: Finding, tmp: Path) -> Words:
    mark = re.search(r"\{\{\w+\}\}", finding["fix"]["en"])
    assert mark
    write_rows(tmp / "rows.jsonl", [*GOOD, {"query": "Who?", "response": f"By {mark[0]}."}])
    return typed


def with_name(typed: Words, finding: Finding, tmp: Path) -> Words:
    return [*typed, named(finding)[0], "Glow"]


def once(typed: Words, finding: Finding, tmp: Path) -> Words:
    return [*without(without(typed, "--lr"), named(finding)[0]), named(finding)[0], "1e-4"]


# code, or code and case -> a run that raises it, and how its advice is obeyed
TRIED: Mapping[str, Try] = {
    "C001": Try(f"{POCKET} --lerning_rate 1e-4", meant),
    "C002": Try(f"{POCKET} --lora_alpha 0", within),
    "C002 bounds": Try(f"{POCKET} --lora_dropout 1", within),
    "C002 choices": Try(f"{POCKET} --on_bad_row drop", within),
    "C002 general": Try(f"{POCKET} --general rows.jsonl", put),
    "C002 none": Try(f"{POCKET}#0", put),
    "C002 none of one": Try(more(9, f"{POCKET} more.jsonl#0"), put),
    "C002 none measured": Try(more(9, f"{POCKET} --val_dataset more.jsonl#0"), put),
    "C002 truth": Try(f"{POCKET} --use_rslora maybe", within),
    "C003": Try(f"{POCKET} --strict --use_loss_scale_sampler true", drop),
    "C004": Try(f"{POCKET} --strict --model_author swift", drop),
    "C004 used": Try(f"{POCKET} --strict --model_author swift", with_placeholder),
    "C004 device": Try(f"{POCKET} --memory_limit 8GiB", drop),
    "C005": Try(f"{POCKET} --dataloader_num_workers 4", drop),
    "C006": Try(f"{POCKET} --bf16 true --fp16 true", drop),
    "C006 length": Try(f"{POCKET} --max_steps 3 --num_train_epochs 2", drop),
    "C007": Try(f"{POCKET} --strict --system '<|im_start|>system\\nBe kind.<|im_end|>'", put),
    "C008": Try("check --model pocket", with_rows),
    "C009": Try(f"{POCKET} --strict --model_type qwen", drop),
    "C010": Try(f"{POCKET} --lora_rank 4 ' # my comment'", in_a_file),
    "C010 quotes": Try(f"{POCKET} --output_dir my runs", whole),
    "C015": Try(f"{POCKET} --eval_steps 500 --model_name swift", whole),
    "C016": Try(f"{POCKET} --load_in_8bit true", drop),
    "C011": Try(broken_config, in_quotes),
    "C012": Try(f"{POCKET} --learning_rate 1e-4 --lr 5e-3", once),
    "C013": Try(f"{POCKET} --system 'You are {{{{NAME}}}}.'", with_name),
    "D001": Try(f"{POCKET.replace('rows', 'rosw')}", nearest_file),
    "D002": Try(as_gbk, put),
    "D003": Try(f"{POCKET} --max_length 8 --over_long drop", put),
    "D004": Try(f"{POCKET} --max_length 45", put),
    "D006": Try(rows({"Question": "a", "Reply": "b"}, then=f"{POCKET} --mixed_shapes true"), put),
    "D007": Try(rows({"messages": [{"role": "user", "content": "a"},
                                   {"role": "assistant", "content": "b"}]}), put),
    "D011": Try(rows(r'{"query": "a", "response": "b\u0000c\u0000\u0000"}'), copied),
    "D011 spoken of": Try(rows(SPOKEN), copied),
    "D011 raw": Try(rows('{"query": "a", "response": "b\0c"}'), copied),
    "D015": Try(f"{POCKET}#500", put),
    "D015 of several": Try(more(5, f"{POCKET} 'more.jsonl#30'"), put),
    "D015 measured": Try(more(5, f"{POCKET} --val_dataset 'more.jsonl#30'"), put),
    "D015 general": Try(more(5, f"{POCKET} --general 'more.jsonl#30'"), put),
    "D018 twice": Try(f"{POCKET} ./rows.jsonl", put),
    "D018 sample": Try(more(9, f"{POCKET} more.jsonl more.jsonl#4"), put),
    "D018 samples": Try(more(9, "check --model pocket --dataset more.jsonl#4 more.jsonl#3"), put),
    "D018 folder": Try(more(9, "check --model pocket --dataset . more.jsonl"), put),
    "D018": Try(rows(GOOD[3], GOOD[4]), explained),
    "D023": Try(with_mark, shell),
    "D024": Try(compared, put),
    "D025": Try(rows(said("1 2 " * 300), then=f"{POCKET} --max_length 90 --over_long drop"), put),
    "D026 of a sheet": Try(rows(*[said(text) for text in ESCAPED]), copied),
    "D027": Try(rows(*[said(text) for text in HIDDEN]), copied),
    "D027 escaped": Try(rows(*[json.dumps(said(text)) for text in HIDDEN]), copied),
    "D034": Try(only(*[{**row, "notes": f"{NOTE} {n}"} for n, row in enumerate(GOOD)]), put),
    "D035": Try(only(*[{**row, "id": f"a{n}"} for n, row in enumerate(GOOD)]), put),
    "D039": Try(f"{POCKET} --max_length 5000", put),
    "D006 header": Try(table("Symptom,Advice", "cough {0},rest {0} days"), put),
    "D045": Try(table("apple0,tree0", "fig{0},oak{0}"), put),
    "P002": Try(POCKET, put),
    "S001": Try(lambda t: on(base(t).with_name("bose")), nearest_folder),
    "S002": Try(f"{POCKET} --target_modules k_porj", put),
    "S003": Try(f"{POCKET} --target_modules ,", put),
    "S004": Try(f"{POCKET} --strict --eval_steps 500", put),
    "S004 patience": Try(
        f"{POCKET} --strict --eval_steps 500 --max_steps 9 --early_stopping_patience 5", put),
    "S005": Try(f"{POCKET} --strict --save_steps 500", put),
    "S006": Try(f"{POCKET} --strict --eval_steps 10 --early_stopping_patience 9", put),
    "S006 short": Try(
        f"{POCKET} --strict --max_steps 2 --eval_steps 1 --early_stopping_patience 5", drop),
    "S007": Try(f"{POCKET} --strict --warmup_steps 500", instead),
    "S008": Try(f"{POCKET} --torch_dtype float16", put),
    "S008 factors": Try(f"{POCKET} --base_dtype fp8", drop),
    "S009": Try(f"{POCKET} --output_dir rows.jsonl/run", put),
    "S010": Try(f"{POCKET} --device cuda", put),
    "S011": Try(f"{POCKET} --split_dataset_ratio 0 --eval_steps 5", put),
    "S011 few": Try(few, put),
    "S018": Try(as_bin, shell),
    "S023": Try(f"{POCKET} --num_train_epochs 25", put),
    "S023 steps": Try(f"{POCKET} --max_steps 90", put),
    "S024": Try(f"{POCKET} --learning_rate 1e-6", put),
    "S025": Try(lambda t: [*on(base(t, dtype="bfloat16")), "--torch_dtype", "float16"], put,
                gpu=True),
    "S026": Try(one_token_more, own_tokenizer),
    "S032": Try(lambda t: on(base(t, auto_map={"AutoModel": "x.Y"})), copy_without_code),
    "S033": Try(quantised, put),
}  # fmt: skip
NOT_TRIED: Mapping[str, str] = {
    "C017": "it advises nothing: test_typed.py",
    "D047": "nothing needs mending: test_rows.py",
    "V027": "nothing for suretune; an export after the run: test_variants.py",
    "S061": "it advises nothing: test_full.py",
    "S062": "names of its list are taken: test_full.py",
    "S057": "nothing for suretune; an export after the run: test_nf4.py",
    "S012": "a finished run: test_cli.py::test_another_base_is_refused",
    "S013": "a begun run: test_kill.py",
    "S014": "a finished run: test_cli.py",
    "S015": "a damaged run, resumed: test_kill.py",
    "S016": "another disk",
    "S017": "installs a package",
    "S019": "another device, or shorter rows of one's own",
    "S020": "a network",
    "S021": "a GPU",
    "S022": "known once the weights are loaded: test_planted.py",
    "S027": "known once torch is loaded: test_planted.py",
    "S028": "several GPUs",
    "S029": "measured in a training: test_proving.py",
    "S030": "installs a package",
    "S066": "several GPUs",
    "S067": "a process that is gone: test_ranks_killed.py",
    "S068": "several machines",
    "S069": "a wide model: test_wide.py",
    "S047": "a tracker on the way: test_trackers.py",
    "S031": "another version of the package",
    "S041": "a run of another version: test_planted.py",
    "S056": "it advises nothing: test_families_matrix.py",
    "V023": "a finished run: test_families_matrix.py",
    "S037": "a folder of runs: test_fixes_runs.py",
    "S038": "a name of bytes: test_runs.py",
    "S039": "runs of two bases: test_beside.py",
    "C018": "names of init: test_first_hour.py",
    "D005": "an edit of the row: test_contents.py, test_messages.py",
    "D008": "an edit of the row: test_advice.py",
    "D009": "an edit of the row: test_advice.py",
    "D010": "which of the two is right, nobody knows but its writer",
    "D012": "an edit of the file",
    "D013": "test_fixes_templates.py::test_placeholders_are_filled_by_the_flags_that_are_named",
    "D014": "test_fixes_templates.py",
    "D016": "another file",
    "D017": "an edit of the row",
    "D019": "which answer is right, nobody knows but its writer",
    "D020": "test_fixes_templates.py, by an edit of the rows",
    "D021": "a program that opens it",
    "C019": "another tool's whole command: test_typed.py",
    "D022": "a network",
    "D043": "a network",
    "D044": "it advises nothing",
    "S042": "a network",
    "S043": "a network",
    "S044": "a network",
    "S045": "a network",
    "S053": "test_hub_runs.py::test_what_was_altered_in_the_cache_is_no_row_of_a_run",
    "S052": "test_hub_runs.py::test_a_public_repository_gets_an_adapter_only_where_that_is_said",
    "D028": "a secret that is revoked where it was issued",
    "D029": "rows of init: test_first_hour.py",
    "D030": "other rows",
    "D031": "an edit of the row",
    "D032": "a judgement on the rows",
    "D033": "test_told.py::test_obeying_the_advice_for_thoughts_reads_every_row",
    "D036": "an edit of the file",
    "D037": "a network",
    "D038": "test_folders.py::test_a_folder_of_folders_says_what_to_type",
    "D040": "it advises nothing",
    "D041": "it advises nothing here",
    "D042": "test_told.py::test_what_is_left_out_behind_the_last_learned_answer_is_told",
    "D046": "an edit of the file",
    "P001": "test_fixes_templates.py::test_names_of_other_tools_are_told_from_files",
    "P003": "test_fixes_templates.py",
    "P004": "it advises nothing",
    "P005": "an edit of the rows",
    "P006": "it advises nothing",
    "P007": "test_wall.py",
    "P008": "test_fixes_templates.py::test_the_mend_of_an_unfit_template_works",
    "P009": "another template, for other servers",
    "P010": "test_thinking.py::test_a_mixed_file_is_told_with_its_share",
    "S040": "files of init: test_first_hour.py",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with rows, its own home, no GPU."""
    write_rows(tmp_path / "rows.jsonl", GOOD)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setenv("SURETUNE_LANG", "en")
    outlook.sees_cuda.cache_clear()
    return tmp_path


def look(typed: Words, capsys: pytest.CaptureFixture[str]) -> tuple[int, list[Finding]]:
    """Status and findings of a command."""
    capsys.readouterr()
    status = main([typed[0], "--json", *typed[1:]])  # in front: a comment ends a command
    words.choose(None)
    return status, json.loads(capsys.readouterr().out.strip().splitlines()[-1])["findings"]


@pytest.mark.parametrize("case", TRIED)
def test_obeyed_the_finding_is_gone(
    case: str, folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, code = TRIED[case], case.split()[0]
    typed = shlex.split(asked.typed) if isinstance(asked.typed, str) else asked.typed(folder)
    if asked.gpu:
        monkeypatch.setattr(outlook, "sees_cuda", lambda: True)
    _, findings = look(typed, capsys)
    raised = [finding for finding in findings if finding["code"] == code]
    assert raised, [f["code"] for f in findings]
    assert sorted(commands(raised[0])) == sorted(commands(raised[0], "zh"))  # the same advice
    better = asked.obey(typed, raised[0], folder)
    status, left = look(better, capsys)
    assert code not in [f["code"] for f in left], (better, left)
    assert status == 0, (better, [f["what"]["en"] for f in left if f["stops"]])


def test_every_code_is_tried_or_said_not_to_be() -> None:
    codes = {guard.code for guard in all_guards() if guard.code.startswith(FAMILIES)}
    tried = {case.split()[0] for case in TRIED if case.startswith(FAMILIES)}
    assert not tried & set(NOT_TRIED) and all(NOT_TRIED.values())
    assert tried | {code for code in NOT_TRIED if code.startswith(FAMILIES)} == codes


@pytest.mark.parametrize(
    ("updates", "patience"), [(9, 5), (3, 2), (40, 2), (6, 1), (12, 11), (2, 5)]
)
def test_evaluation_and_patience_are_advised_to_agree(
    updates: int, patience: int, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both speak about one command: to obey one of them must not raise the other."""
    typed = shlex.split(f"{POCKET} --strict --max_steps {updates} --eval_steps 500")
    typed += ["--early_stopping_patience", str(patience)]
    _, findings = look(typed, capsys)
    told = {finding["code"]: finding for finding in findings}
    assert {"S004", "S006"} <= told.keys()
    for code in ("S004", "S006"):
        if "--eval_steps" in " ".join(commands(told[code])):
            typed = put(typed, told[code], folder)
        else:
            typed = drop(typed, told[code], folder)
    status, left = look(typed, capsys)
    assert status == 0 and not {"S004", "S006"} & {f["code"] for f in left}, (typed, left)
    assert commands(told["S004"]) == commands(told["S006"]) or updates <= patience
