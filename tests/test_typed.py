"""The command line as people type and paste it: the articles' commands go to work, an input
method's characters are read as they were meant, and every word that is no flag's is told once.
"""

from __future__ import annotations

import io
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from conftest import ROOT
from suretune import __version__, words
from suretune.cli import VERBS, main
from suretune.cli.parse import parse
from suretune.cli.verbs import OWN
from suretune.config import options
from test_articles import ROWS, S0, S1, S3

ARTICLES = {
    "the first": S0.replace("/root/", ""),
    "the second": S1,
    "the third": S1,
    "the fourth": S3.replace("{c}", ""),
}
NOTES = S3.replace("{c}", "# 减少一些 ")
LINES = 26  # that a pasted command may cost on the screen, tables apart


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Rows that the articles' commands name, no hub."""
    rows = [{"instruction": q, "input": "", "output": a} for q, a in ROWS]
    for name in ("self_cognition.json", "self_cognition_enhanced.json"):
        (tmp_path / name).write_text(json.dumps(rows, ensure_ascii=False), "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SURETUNE_LANG", "zh")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr("sys.stdin", io.StringIO())
    return tmp_path


def told(typed: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    """Status of a command, and its findings by code."""
    capsys.readouterr()
    status = main(typed if "--json" in typed else [*typed, "--json"])
    words.choose(None)
    report = json.loads(capsys.readouterr().out.strip().splitlines()[-1])
    return status, {finding["code"]: finding for finding in report["findings"]} | {"": report}


@pytest.mark.parametrize("tool", ["swift", "llamafactory-cli"])
def test_what_is_asked_of_another_tool_itself_is_asked_of_suretune(
    tool: str, capsys: pytest.CaptureFixture[str]
) -> None:
    said = []
    for typed in ([], [tool], [tool, "--help"], [tool, "-h"], ["--version"], [tool, "version"]):
        assert main(["--lang", "en", *typed]) == 0
        said.append(capsys.readouterr().out)
    words.choose(None)
    assert said == [said[0]] * 4 + [f"suretune {__version__}\n"] * 2
    assert "suretune swift ..." in said[0] and "llamafactory-cli ...`" in said[0]


@pytest.mark.parametrize(
    "typed",
    ["sft -h", "swift sft --help", "llamafactory-cli train --help", "llamafactory-cli train -h"],
)
def test_help_of_a_pasted_verb_is_that_of_ours(
    typed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for words_typed in ("sft --help", typed):
        with pytest.raises(SystemExit) as ended:
            main(words_typed.split())
        assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert shown[: len(shown) // 2] * 2 == shown != ""


def one_a_line(command: str) -> str:
    """As an article prints it: an option a line, with backslashes."""
    return re.sub(r"\s+--", r" \\\n --", "CUDA_VISIBLE_DEVICES=0 \\\n" + command)


def flattened(command: str) -> str:
    """As a mirror shows it: one line, the backslashes still there."""
    return one_a_line(command).replace("\n", "")


def bare(command: str) -> str:
    """One line behind a prompt, the backslashes gone."""
    return "$ CUDA_VISIBLE_DEVICES=0 " + " ".join(command.split())


def numbered(command: str) -> str:
    """One line, with the numbers of the lines that were."""
    lines = one_a_line(command).split(" \\\n")
    return " ".join(f"{at} {line}" for at, line in enumerate(lines, 1))


FORMS = {"printed": one_a_line, "flattened": flattened, "bare": bare, "numbered": numbered}


def bash(text: str) -> list[str]:
    """The words that bash hands over."""
    return shlex.split(text.replace("\\\n", " "))


def only_checked(typed: list[str]) -> list[str]:
    at = next(index for index, word in enumerate(typed) if word.strip() == "swift")
    return [*typed[:at], "check", *typed[at + 2 :]]


def obeyed(typed: list[str], finding: dict[str, Any]) -> list[str]:
    """The command with what a finding advises: a whole command, or an option's value."""
    for text in re.findall(r"`([^`]+)`", finding["fix"]["zh"]):
        said = shlex.split(text)
        if "suretune" in said and "--model" in said:
            return said[said.index("suretune") + 1 :]
        if said[0].removeprefix("--") in options() and len(said) > 1:
            flags = " ".join(map(shlex.quote, typed))
            flags = re.sub(rf" {said[0]} [^-][^ ]*", "", flags)
            return [*shlex.split(flags), *said]
    return typed


# --- the articles ------------------------------------------------------------------------------


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", ARTICLES)
def test_an_articles_command_goes_to_work(
    name: str, form: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = only_checked(bash(FORMS[form](ARTICLES[name])))
    status, found = told(typed, capsys)
    assert status == 0, found
    assert {"C005", "C015", "S024"} <= set(found)
    assert not [f for code, f in found.items() if code and f["stops"]]
    plan = found[""]["plan"]
    assert plan["eval_steps"] and max(plan["eval_steps"]) <= plan["updates"]
    runs = re.search(r"`((?:\w+=\S* )?suretune [^`]+)`", found["C015"]["fix"]["en"])
    assert runs
    again = bash(runs[1])[bash(runs[1]).index("suretune") + 1 :]
    status, clean = told(again, capsys)
    assert status == 0 and not [code for code in clean if code.startswith("C")]
    assert clean[""]["plan"] == found[""]["plan"]  # it is the very run


@pytest.mark.parametrize("name", ARTICLES)
def test_all_that_is_advised_obeyed_together_leaves_nothing(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = only_checked(bash(flattened(ARTICLES[name])))
    for _ in range(2):
        status, found = told(typed, capsys)
        for code in sorted(code for code in found if code[:1] in ("C", "S")):
            typed = obeyed(typed, found[code])
    status, found = told(typed, capsys)
    assert status == 0 and not [code for code in found if code[:1] in ("C", "S")], found


@pytest.mark.parametrize("name", ARTICLES)
def test_strict_refuses_and_its_advice_agrees(
    name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = only_checked(bash(bare(ARTICLES[name])))
    typed += ["--strict"]
    status, found = told(typed, capsys)
    assert status == 2 and {"C003", "C004", "C007", "S004"} & set(found)
    advised = {
        command
        for code in ("S004", "S006")
        if code in found
        for command in re.findall(r"`(--eval_steps \d+)`", found[code]["fix"]["en"])
    }
    assert len(advised) <= 1


@pytest.mark.parametrize("form", ["printed", "flattened", "bare"])
@pytest.mark.parametrize("name", ARTICLES)
def test_a_model_that_is_not_here_is_the_only_thing_that_stops(
    name: str, form: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = FORMS[form](ARTICLES[name].replace("pocket", "Qwen2.5-7B-Instruct"))
    assert main(bash(text)) == 4
    words.choose(None)
    out = capsys.readouterr().out
    assert len(out.strip().splitlines()) <= LINES
    assert "C005" in out and re.findall(r"✗ (\w+)", out) == ["S001"]
    assert "modelscope download" in out and out.index("C005") < out.index("S001")


def test_what_a_flattened_command_costs_on_the_screen(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, command in ARTICLES.items():
        assert main(only_checked(bash(flattened(command)))) == 0
        out = capsys.readouterr().out
        about = [part for part in out.split("\n\n") if re.match(r"\s*· C\d", part)]
        assert sum(len(part.strip().splitlines()) for part in about) <= LINES, name
    words.choose(None)


def test_a_flattened_command_trains_to_a_verdict(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = [*bash(flattened(ARTICLES["the fourth"])), "--max_steps", "2", "--device", "cpu"]
    at = typed.index("--max_steps")
    typed = [w for w in typed if w not in (" --num_train_epochs", "--num_train_epochs")]
    typed.remove("2")  # of the epochs, which updates replace
    status = main([*typed, "--general_questions", "4"])
    words.choose(None)
    out = capsys.readouterr().out
    assert at and status in (0, 6), out[-2000:]
    assert re.findall(r"· (C\d+)", out) == ["C017", "C005", "C015"]
    assert (folder / "output" / "report.json").is_file()


def test_notes_that_stayed_in_one_line_are_passed_over(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, found = told(only_checked(bash(flattened(NOTES))), capsys)
    assert status == 0 and "# 减少一些" in found["C017"]["what"]["zh"]
    assert found[""]["plan"]["updates"] == 2


def test_a_note_that_cut_the_command_stops_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """bash ends the command behind the backslash; what followed is lost to us."""
    cut = one_a_line(NOTES).partition("# 减少一些")[0]
    typed = ["check", "--json", *bash(cut.rstrip("\\ \n").partition("sft")[2]), " #", "减少一些"]
    status, found = told(typed, capsys)
    assert status == 2 and "import-cmd" in found["C010"]["fix"]["zh"]


def test_the_articles_themselves(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each `swift sft` of the articles as they stand, word for word."""
    seen = 0
    for file in sorted((ROOT.parent / "shared" / "seeds").glob("*.txt")):
        printed = r"^(?:# [^\n]*|CUDA_\S+ \\? ?)?swift sft [^\n]*"
        for line in re.findall(printed, file.read_text("utf-8"), re.MULTILINE):
            typed = bash(line.replace("/root/", "").replace("Qwen2.5-7B-Instruct", "pocket"))
            typed = typed if typed[0] == "#" else only_checked(typed)
            status, found = told([*typed, "--json"], capsys)
            stops = {code for code, one in found.items() if code and one["stops"]}
            assert stops <= {"S020", "C008"}, (line[:80], status, stops)  # a hub; no --model there
            seen += 1
    if not seen:
        pytest.skip("the articles are not there")
    assert seen >= 6


# --- what an input method does -------------------------------------------------------------------

POCKET = ["check", "--model", "pocket", "--dataset", "self_cognition.json"]


def given(typed: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[set[str], str]:
    """Codes about the command line, and the text of the one about mended words."""
    status, found = told(typed, capsys)
    about = found.get("C017", {"what": {"zh": ""}})["what"]["zh"]
    assert status == 0 or any(f["stops"] for code, f in found.items() if code)
    return {code for code in found if code.startswith("C")}, about


@pytest.mark.parametrize(
    ("typed", "named"),
    [
        (["——lora_rank", "4"], "`——lora_rank` → `--lora_rank`"),
        (["–-lora_rank", "4"], "→ `--lora_rank`"),
        (["—lora-rank", "4"], "→ `--lora-rank`"),
        (["-lora_rank", "4"], "两个英文减号"),
        (["－－lora_rank", "4"], "两个英文减号"),
        (["--lora_rank", "４"], "`４` → `4`"),
        (["--lora_rank＝4"], "全角"),
        (["--lora_rank：4"], "全角"),
        (["--lora_rank\u30004"], "全角空格"),
        (["--lora_rank\u00a04"], "空白"),
        (["--lora_rank", "“4”"], "弯引号"),
        (["--ｌｏｒａ_rank", "4"], "全角"),
        ([" --lora_rank", "4", " "], "反斜杠"),
        (["--lora_rank", "4", "..."], "省略"),
    ],
)
def test_what_is_beyond_doubt_is_done_and_named(
    typed: list[str], named: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main([*POCKET, "--lora_rank", "4", "--json"])
    plain = json.loads(capsys.readouterr().out)["plan"]
    codes, about = given([*POCKET, *typed], capsys)
    assert codes == {"C017"} and named in about
    assert told([*POCKET, *typed], capsys)[1][""]["plan"] == plain


def test_a_prompt_without_quotes_or_with_curly_ones_is_one_text(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen = set()
    for typed in (
        ["--system", "You are a helpful assistant."],
        ["--system", "You", "are", "a", "helpful", "assistant."],
        ["--system", "“You", "are", "a", "helpful", "assistant.”"],
        ["--system", "“You are a helpful assistant.”"],
        ["--system=“You are a helpful assistant.”"],
        ["--system", "「You are a helpful assistant.」"],
    ):
        capsys.readouterr()
        assert main([*POCKET, "--preview", "1", *typed]) == 0
        out = capsys.readouterr().out
        seen.add(re.search(r"system↵\n(.*)<\|im_end\|>", out)[1])  # type: ignore[index]
    words.choose(None)
    assert seen == {"You are a helpful assistant."}


def test_a_text_keeps_the_quotes_inside_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    codes, _ = given([*POCKET, "--system", "“小光”是你的名字，不是“通义”"], capsys)
    assert not codes
    codes, _ = given([*POCKET, "--system", "你是１号助手——请用中文"], capsys)
    assert not codes


@pytest.mark.parametrize("sign", ["，", "、", "；", ","])
def test_a_list_is_split_at_any_comma(
    sign: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, found = told([*POCKET, "--target_modules", f"q_proj{sign}v_proj"], capsys)
    assert status == 0 and not [code for code in found if code.startswith("S00")]


def test_words_of_no_flag_are_one_finding_with_the_command_that_was_meant(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, found = told([*POCKET, "--output_dir", "my", "own", "runs"], capsys)
    assert status == 2 and "`own`、`runs`" in found["C010"]["what"]["zh"]
    assert "suretune check" in found["C010"]["fix"]["zh"]
    assert "'my own runs'" in found["C010"]["fix"]["zh"]
    status, found = told(["check", "self_cognition.json", "--model", "pocket"], capsys)
    assert "--dataset self_cognition.json" in found["C010"]["fix"]["zh"]


def test_a_quote_that_was_never_closed_is_called_so(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, found = told([*POCKET, "--system", "You are kind. --lora_rank 4"], capsys)
    assert status == 2 and "引号没有关上" in found["C010"]["fix"]["zh"]
    assert "--system 'You are kind.' --lora_rank 4" in found["C010"]["fix"]["zh"]


# --- other tools ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        (["--quant_bits", "8"], "C016"),
        (["--load_in_8bit"], "C016"),
        (["--load-in-8bit=true"], "C016"),
        (["--quant_bits", "4"], "C017"),
        (["--load_in_4bit", "true"], "C017"),
        (["--deepspeed", "zero2"], "C016"),
        (["--quantization_bit", "8"], "C016"),
        (["--lora_bias", "all"], "C016"),
        (["--deepspeed", "none"], "C005"),
        (["--load_in_8bit", "false"], "C005"),
        (["--logging_dir", "runs/tb"], "C005"),
        (["--attn_impl", "flash_attn"], "C005"),
        (["--early_stop_interval", "2"], "C017"),
        (["--resume_from_checkpoint", "output/checkpoint-5"], "C004"),
        (["--lerning_rate", "1"], "C001"),
    ],
)
def test_flags_of_other_tools_are_answered_from_what_is_known_of_them(
    typed: list[str], code: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, found = told([*POCKET, *typed], capsys)
    about = {c for c in found if c.startswith("C")}
    assert code in about and ("C001" in about) is (code == "C001")
    assert status == (2 if code in ("C016", "C004", "C001") else 0)


def test_one_finding_for_all_that_is_not_there(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [*POCKET, "--load_in_8bit", "true", "--deepspeed", "zero2", "--attn_impl", "flash_attn"]
    status, found = told(asked, capsys)
    what = found["C016"]["what"]["zh"]
    assert status == 2 and "load_in_8bit" in what and "deepspeed zero2" in what
    assert "C005" in found


@pytest.mark.parametrize(
    "typed",
    [
        "swift sft --dry_run --model pocket --dataset self_cognition.json",
        "$ suretune check --model pocket --dataset self_cognition.json",
        "CUDA_VISIBLE_DEVICES=0 swift sft --model pocket --dataset self_cognition.json --dry_run",
        "nohup swift sft --model pocket --dataset self_cognition.json --dry_run true",
        "(base) root@autodl:~# swift sft --model pocket --dataset self_cognition.json --dry_run",
        "llamafactory-cli train --stage sft --do_train true --model_name_or_path pocket"
        " --dataset self_cognition.json --finetuning_type lora --lora_target all --dry_run true",
        "python -m swift.cli.sft --model pocket --dataset self_cognition.json --dry_run true",
        "'swift sft --model pocket --dataset self_cognition.json --dry_run'",
    ],
)
def test_a_command_of_another_tool_is_understood_as_a_whole(
    typed: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = shlex.split(typed)
    status, found = told(asked, capsys) if len(asked) > 1 else _as_one(f"{asked[0]} --json", capsys)
    assert status == 0, found


def _as_one(text: str, capsys: pytest.CaptureFixture[str]) -> tuple[int, dict[str, Any]]:
    status = main([text])
    words.choose(None)
    return status, json.loads(capsys.readouterr().out.strip().splitlines()[-1])


@pytest.mark.parametrize("strict", [["--strict"], ["--strict", "true"], ["--strict=true"]])
@pytest.mark.parametrize(
    "typed",
    [
        "python -m swift.cli.sft --model pocket --dataset self_cognition.json"
        " --use_loss_scale_sampler true --dry_run true",
        "llamafactory-cli train --model_name_or_path pocket --dataset self_cognition.json"
        " --stage sft --do_train true --bf16 true --fp16 true --dry_run true",
    ],
)
def test_strict_stops_for_what_was_left_out_before_our_parser_saw_it(
    typed: str, strict: list[str], folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, found = told(shlex.split(typed), capsys)
    assert status == 0 and "C015" in found
    status, found = told([*shlex.split(typed), *strict], capsys)
    assert status == 2 and found["C019"]["stops"] and "C015" not in found
    runs = re.search(r"`(suretune [^`]+)`", found["C019"]["fix"]["zh"])
    assert runs
    again = [*bash(runs[1])[1:], "--dry_run"]
    status, found = told(again, capsys)
    assert "--strict" in again and status == 0 and not {"C015", "C019"} & set(found)


@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize(
    ("typed", "flag"),
    [
        (["check", "--json=5", *POCKET[1:]], "--json"),
        ([*POCKET, "--config"], "--config"),
        (["init", "identity", "--name", "--author", "X"], "--name"),
        (["report", "--lang"], "--lang"),
        (["explain", "D003", "--lang"], "--lang"),
        (["sweep", "--search", *POCKET[1:]], "--search"),
        (["check", "--model", "--dataset", "self_cognition.json"], "--model"),
        (["check", "--model", "pocket", "--dataset"], "--dataset"),
        (["verify", "http://127.0.0.1:9/v1", "--run"], "--run"),
    ],
)
def test_a_flag_without_its_value_is_one_finding_and_never_a_raw_usage(
    typed: list[str], flag: str, lang: str, folder: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("SURETUNE_LANG", lang)
    capsys.readouterr()
    assert main(typed) == 2
    words.choose(None)
    said = capsys.readouterr()
    assert re.findall(r"^✗ (\w\d+) .*  (--\w+)$", said.out, re.MULTILINE) == [("C002", flag)]
    assert "usage" not in said.out + said.err and "argument" not in said.err


def test_a_switch_with_its_truth_is_read_as_meant(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*POCKET, "--json=true"]) == 0
    assert json.loads(capsys.readouterr().out)["status"] == 0
    assert main([*POCKET, "--json=false"]) == 0
    assert not capsys.readouterr().out.startswith("{")
    words.choose(None)


@pytest.mark.parametrize("off", [False, True])
@pytest.mark.parametrize("form", ["--json WORD", "--json=WORD", "—json=WORD"])
def test_a_truth_behind_json_is_read_the_same_wherever_it_stands(
    form: str, off: bool, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With a verb and without one, before the words of a verb and behind them."""
    said = form.replace("WORD", "false" if off else "true").split()
    for typed in (["nonsense", *said], ["explain", "D003", *said], ["report", *said, "no-run"]):
        main(typed)
        assert capsys.readouterr().out.startswith("{") is not off, typed
    command = parse(next(v for v in VERBS if v.name == "compare"), ["a", *said, "b"], {})
    assert command.words == ("a", "b") and command.json is not off
    assert main(["explain", "D003", "--json="]) == 2


@pytest.mark.parametrize("typed", ["merge-lora", "swift export --merge_lora true", "swift rlhf"])
def test_a_command_that_is_not_there_says_what_there_is(
    typed: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(shlex.split(typed)) == 2
    out = capsys.readouterr().out
    assert "C016" in out and "参数" not in out.split("C016")[1].split("\n")[0]


@pytest.mark.parametrize("name", ["~nobody-of-this-name/x", "0" * 300], ids=["no-user", "too-long"])
@pytest.mark.parametrize(
    "typed",
    [
        "check --model NAME --dataset rows.jsonl", "check --model pocket --dataset NAME",
        "check --model pocket --dataset rows.jsonl --probes NAME",
        "check --model pocket --dataset rows.jsonl --output_dir NAME", "report NAME",
        "ask --model pocket --questions NAME", "serve --model pocket --adapters_dir NAME",
        "infer --model NAME", "import-cmd 'base_model: NAME'", "compare NAME",
    ],
)  # fmt: skip
def test_a_name_that_nothing_can_have_is_told(
    typed: str, name: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(shlex.split(typed.replace("NAME", name)))
    said = capsys.readouterr()
    assert "suretune itself" not in said.err
    if not typed.startswith("import-cmd"):
        assert status in (2, 3, 4) and re.search(r"✗ [CDS]\d{3} ", said.out)


SWEEP, SFT = (next(v for v in VERBS if v.name == name) for name in ("sweep", "sft"))


def test_numbers_that_count_up_behind_flags_are_values() -> None:
    for typed in (
        ("--search", "lora_rank=4,8", "--seeds", "0", "1", "--parallel", "2", "--trials", "3"),
        ("--search", "lora_rank=4,8", "--seeds", "1", "2", "--trials", "3", "--parallel", "4"),
    ):
        command = parse(SWEEP, typed, OWN["sweep"])
        assert command.plain["parallel"] and command.plain["trials"] and not command.faults


def test_a_text_may_speak_of_a_flag() -> None:
    for text in ("You are Nova. Mention --json never", "What does --model mean here?"):
        command = parse(SFT, ("--model", "pocket", "--system", text), {})
        assert command.resolved.config.data.system == text and not command.faults


@pytest.mark.parametrize("typed", [["sft", "--zzz"], ["sweep", "--search", "zzz=1,2"]])
def test_where_no_flag_is_like_it_the_help_is_named_and_not_meant(
    typed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    main([*typed, "--json"])
    found = json.loads(capsys.readouterr().out)["findings"]
    thing = "option" if "--search" in typed else "flag"
    (one,) = (f for f in found if f["code"] == "C001")
    assert (
        one["what"]["en"] == f"suretune has no {thing} `{' '.join(typed[1:]).partition('=')[0]}`."
    )
    assert one["fix"]["en"] == f"`suretune {typed[0]} --help` lists every {thing}."


def test_behind_two_hyphens_no_flag_is_called_unknown_that_is_known() -> None:
    sft = next(verb for verb in VERBS if verb.name == "sft")
    command = parse(sft, ["--system", "--", "--lang", "en", "--odd=--"], {})
    told = [(fault.problem, fault.flag) for fault in command.faults]
    assert told == [("unknown-flag", "--"), ("bad-value", "--system")]
    command = parse(sft, ["--odd=--"], {})
    assert [(fault.flag, fault.value) for fault in command.faults] == [("--odd", "--")]
    ask = next(verb for verb in VERBS if verb.name == "ask")
    for typed in (["--", "-Why?"], ["Who?", "--", "-Why?"], ["Who?", "--", "--seed"]):
        command = parse(ask, ["--system=--", "--seed", "4", *typed], {})
        assert command.words == tuple(word for word in typed if word != "--")
        assert not command.faults and command.resolved.config.data.system == "--"
