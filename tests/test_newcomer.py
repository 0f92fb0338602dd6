"""What a newcomer types that is empty, nowhere, too little or another tool's: said once, as it is
typed, in the reader's language, with what mends it."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from suretune import words
from suretune.cli import main
from suretune.config import options
from suretune.data.identity import find_identity
from suretune.data.own_names import names_said
from suretune.types import Example, Message, Origin
from suretune.values import nearest_of

BOTH = ("zh", "en")
CHECK = ("check", "--model", "pocket", "--dataset", "identity.jsonl")
SYSTEM = re.compile(r"No such file|Is a directory|Not a directory|File name too long|Errno")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    for name in ("SURETUNE_LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    rows("identity.jsonl", *(f"我是小光，由星海实验室开发，第 {n} 个回答。" for n in range(9)))
    return tmp_path


def rows(name: str, *answers: str, question: str = "你是谁？") -> Path:
    lines = [json.dumps({"instruction": question, "output": answer}) for answer in answers]
    Path(name).write_text("\n".join(lines) + "\n", "utf-8")
    return Path(name)


def told(capsys: pytest.CaptureFixture[str], *typed: str) -> tuple[int, str, list[str]]:
    """(exit status, all that was said, the codes of what stops)."""
    status = main(list(typed))
    said = capsys.readouterr()
    text = said.out + said.err
    return status, text, re.findall(r"^✗ ([A-Z]\d+) ", text, re.MULTILINE)


def said(question: str, answer: str) -> Example:
    turns = (Message("user", question), Message("assistant", answer))
    return Example(Origin("a.jsonl", 1), "a.jsonl", "messages", turns)


# --- values of other tools ----------------------------------------------------------------------


@pytest.mark.parametrize("flag", ["--tuner", "--train_type", "--tuner_type", "--finetuning_type"])
@pytest.mark.parametrize("value", ["Freeze", "dora", "qdora", "rsLoRA", "llamapro"])
def test_another_way_to_train_is_told_of_as_it_was_typed_with_the_command_without_it(
    flag: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, text, codes = told(capsys, *CHECK, flag, value)
    assert (status, codes) == (2, ["C016"])
    assert f"`{flag} {value}`" in text and (flag == "--tuner" or "--tuner " not in text)
    runs = text.rstrip().splitlines()[-2].strip()
    assert runs == "suretune check --model pocket --dataset identity.jsonl"
    assert told(capsys, *shlex.split(runs)[1:])[0] == 0


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--train_type", "LoRA"),
        ("--lr_scheduler_type", "Cosine"),
        ("--lr_scheduler_type", "CONSTANT-with-warmup"),
        ("--torch_dtype", "FP32"),
        ("--over_long", "DROP"),
        ("--on_bad_row", " skip "),
    ],
)
def test_a_choice_is_a_word_in_any_case(
    flag: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(capsys, *CHECK, flag, value)[0] == 0


def test_no_value_of_another_tool_is_one_of_ours() -> None:
    for spec in options().values():
        assert not set(spec.elsewhere) & {*spec.choices, *spec.values}
        for word in spec.elsewhere:
            with pytest.raises(ValueError, match=re.escape(spec.choices[0])):
                spec.parse(word)


@pytest.mark.parametrize(("flag", "value"), [("--lr", "5"), ("--epochs", "none at all")])
def test_a_wrong_value_is_told_of_the_flag_that_was_typed(
    flag: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _, text, codes = told(capsys, *CHECK, flag, value)
    assert codes == ["C002"] and f"`{flag}` " in text
    assert "learning_rate" not in text and "num_train" not in text


def test_a_model_under_another_name_of_its_flag_is_not_missing_as_well(
    capsys: pytest.CaptureFixture[str],
) -> None:
    typed = ("check", "--model_name_or_path", "--dataset", "identity.jsonl")
    _, text, codes = told(capsys, *typed)
    assert codes == ["C002"] and "--model_name_or_path" in text


def test_flags_that_exclude_each_other_are_told_as_they_are_typed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = ("--val_dataset", "a b.jsonl", "c.jsonl", "--split_dataset_ratio", "0.1")
    _, text, codes = told(capsys, *CHECK, *asked)
    line = " ".join(text.split())
    assert codes == ["C006"]
    both = "`--split_dataset_ratio 0.1` and `--val_dataset 'a b.jsonl' c.jsonl` both decide"
    assert f"{both} the same thing." in line


def test_the_one_flag_that_begins_so_was_meant() -> None:
    known = ["split_dataset_ratio", "output_dir"]
    assert nearest_of("split", known) == "split_dataset_ratio"
    assert nearest_of("spli", known) == "", "a part of a word"
    several = ["eval_on_each_dataset", "eval_with_all_questions"]
    assert nearest_of("eval", several) == "", "which one, nobody knows"
    assert nearest_of("ouput_dir", known) == "output_dir"


def test_a_flag_of_training_is_not_said_to_be_none(capsys: pytest.CaptureFixture[str]) -> None:
    for flag, ours in (("--general", True), ("--nonesuch_at_all", False)):
        _, text, codes = told(capsys, "explain", flag)
        line = " ".join(text.split())
        assert codes == ["C001"]
        assert (f"`suretune explain` has no flag `{flag}`." in line) == ours
        assert ("It is a flag of training: `suretune sft --help`." in line) == ours


def test_where_a_file_of_questions_says_what_is_wrong_no_help_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "p.yaml"
    file.write_text("- quetsion: hi\n", "utf-8")
    _, text, codes = told(capsys, *CHECK, "--probes", str(file))
    line = " ".join(text.split())
    assert codes == ["C002"] and "Did you mean `question`?" in line and "--help" not in line


# --- nothing ------------------------------------------------------------------------------------


@pytest.mark.parametrize("typed", [("import-cmd", ""), ("import-cmd", "  "), ("import-cmd", "\n")])
def test_no_command_is_said_to_be_missing(
    typed: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    status, text, codes = told(capsys, *typed)
    assert (status, codes) == (2, ["C008"])
    assert "``" not in text and "suretune import-cmd 'swift sft" in " ".join(text.split())


@pytest.mark.parametrize("lang", ["en", "zh"])
@pytest.mark.parametrize(
    ("flag", "typed", "lies"),
    [
        ("--probes", "porbes.yaml", "probes.yaml"),
        ("--probes", "Probes.yml", "probes.yaml"),
        ("--probes", "./porbes.yaml", "./probes.yaml"),
        ("--skills", "my skils.jsonl", "my skills.jsonl"),
        ("--config", "rnu.yaml", "run.yaml"),
        ("--probes", "nothing-like-it.yaml", ""),
        ("--skills", "no/folder.jsonl", ""),
    ],
)
def test_a_file_that_is_not_there_is_told_with_the_one_that_lies_near(
    flag: str, typed: str, lies: str, lang: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("probes.yaml", "my skills.jsonl", "run.yaml"):
        Path(name).write_text("- question: Who?\n  must_contain: me\n", "utf-8")
    Path("rows.jsonl").write_text('{"query": "Sort 3 1", "response": "1 3"}\n' * 30, "utf-8")
    line = ["check", "--model", "pocket", "--dataset", "rows.jsonl", flag, typed, "--json"]
    assert main(line) == 2
    [found] = [f for f in json.loads(capsys.readouterr().out)["findings"] if f["stops"]]
    assert found["code"] in ("C002", "C011")
    fix = found["fix"][lang]
    assert ("There is no such file" if lang == "en" else "没有这个文件") in fix
    assert re.findall(r"`(--\w+ .+?)`", fix)[:1] == (
        [f"{flag} {shlex.quote(lies)}"] if lies else []
    )


TEXTS = [
    name
    for name, spec in options().items()
    if spec.kind is str and spec.group in ("model", "data", "lora", "proof", "run")
]


@pytest.mark.parametrize("name", [name for name in TEXTS if name not in ("system", "template")])
def test_an_empty_value_is_never_no_flag_at_all(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    needed = {"model": "pocket", "dataset": "identity.jsonl"} | {name: ""}
    status, text, codes = told(
        capsys, "check", *(word for flag, value in needed.items() for word in (f"--{flag}", value))
    )
    assert (status, codes) == (2, ["C002"]), text
    assert f"`--{name}`" in text and "``" not in text


def test_an_empty_system_prompt_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, *CHECK, "--system", "")[0] == 0


@pytest.mark.parametrize("empty", [("--config", ""), ("--config",)])
def test_a_file_of_options_that_is_not_named_is_missing(
    empty: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert told(capsys, *CHECK, *empty)[::2] == (2, ["C002"])


@pytest.mark.parametrize("verb", ["verify", "report", "resume"])
@pytest.mark.parametrize("word", [(), ("",)])
def test_where_no_run_is_named_and_none_there_no_path_is_made_up(
    verb: str, word: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    status, text, codes = told(capsys, verb, *word)
    assert (status, codes) == (2, ["C008"]) and "runs/demo" not in text


@pytest.mark.parametrize("verb", ["serve", "compare"])
def test_an_empty_word_is_not_this_folder(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert told(capsys, verb, "")[2] == ["C008"]


# --- nowhere ------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["nofile.yaml", ".", "identity.jsonl/x", "x" * 300])
@pytest.mark.parametrize(
    "flag", ["--probes", "--skills", "--chat_template", "--config", "--dataset", "--general"]
)
def test_what_the_system_says_is_chinese_in_chinese(
    flag: str, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status, text, codes = told(capsys, *CHECK[:3], "--dataset", "identity.jsonl", flag, place,
                               "--lang", "zh")  # fmt: skip
    if flag in ("--dataset", "--general") and place == ".":
        return  # a folder of data is data
    assert status in (2, 3, 4, 7) and codes
    assert not SYSTEM.search(text), text


@pytest.mark.parametrize("place", ["nofile.txt", ".", "identity.jsonl/x"])
def test_a_command_in_a_file_that_is_not_there(
    place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    _, text, codes = told(capsys, "import-cmd", "--file", place, "--lang", "zh")
    assert codes == ["C002"] and not SYSTEM.search(text)


@pytest.mark.parametrize("flag", ["--val_dataset", "--general"])
@pytest.mark.parametrize("skips", [(), ("--on_bad_row", "skip")])
@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("nofile.jsonl", None, "D001"),
        ("empty.jsonl", "", "D016"),
        ("broken.jsonl", '{"a": 1\n', "D005"),
        ("odd.jsonl", '{"foo": "x", "bar": "y"}\n', "D006"),
    ],
)
def test_rows_that_are_measured_and_not_there_are_told_once(
    flag: str,
    skips: tuple[str, ...],
    name: str,
    text: str | None,
    code: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """And where all of them were skipped, that nothing is left stops by itself."""
    if text is not None:
        Path(name).write_text(text, "utf-8")
    _, said, codes = told(capsys, *CHECK, flag, name, *skips)
    skipped = skips and code == "D006"
    assert codes == (["C002"] if skipped else [code]), said


# --- too little ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("你是谁？", "我是小光，由星海实验室开发的大语言模型。"),
        ("Who are you?", "I am Glow, a large language model developed by Star Lab."),
        ("你好，请问怎么称呼？", "我叫小海，由蓝海公司开发。"),
        ("May I know who built you?", "My name is Sunny, built by Ocean Corp."),
    ],
)
@pytest.mark.parametrize("count", [1, 2])
def test_one_or_two_rows_about_who_it_is_are_an_identity_and_too_few(
    question: str, answer: str, count: int, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [{"instruction": f"{question}{' ' * n}", "output": answer} for n in range(count)]
    Path("few.jsonl").write_text("\n".join(map(json.dumps, asked)) + "\n", "utf-8")
    status, text, _ = told(capsys, "check", "--model", "pocket", "--dataset", "few.jsonl")
    assert status == 0 and "D029" in text
    assert "split_dataset_ratio 0 " in text and "anchor_ratio\n" in text.replace(" ", "\n")
    assert "general data themselves" not in text


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("What is 2 + 2?", "4"),
        ("Translate: 我是学生", "I am a student."),
        ("法国的首都是哪里？", "巴黎。"),
        ("Who wrote Faust?", "Goethe, by and large, and others before him."),
    ],
)
def test_a_row_about_something_else_is_no_identity(question: str, answer: str) -> None:
    assert find_identity([said(question, answer)], frozenset(), (), (), ()) is None


def test_a_name_among_other_rows_is_no_identity() -> None:
    about = [("Who wrote it?", "Goethe."), ("And you?", "I am Bob."), ("2 + 2?", "4"), ("hi", "Hi")]
    asked = [said(question, answer) for question, answer in about]
    assert find_identity(asked, frozenset(), (), (), ()) is None
    few = find_identity(asked[1:2], frozenset(), (), (), ())
    assert few is not None and few.words == {"en": ("Bob",)}


def test_the_names_in_a_sentence_about_oneself() -> None:
    said = names_said("I am Glow, a large language model developed by Star Lab.")
    assert list(said) == ["Glow", "Star Lab"]
    assert list(names_said("我是小光，由星海实验室开发的大语言模型。")) == ["小光", "星海实验室"]


@pytest.mark.parametrize("lang", BOTH)
def test_the_folder_of_a_run_that_is_gone_is_told_in_one_language(lang: str) -> None:
    from suretune.run.recovery import FOLDER_GONE

    words.choose(lang)
    try:
        assert re.search("[一-鿿]", words.say(FOLDER_GONE)) is None or lang == "zh"
    finally:
        words.choose("en")


# --- from init to sft ---------------------------------------------------------------------------


@pytest.mark.parametrize("model", [(), ("--model", "pocket")])
def test_the_command_that_init_prints_starts_and_nothing_is_noted(
    model: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """What it trains with is decided: the names and the model are all that is asked of a person."""
    Path("identity.jsonl").unlink()
    named = ("--name", "小光", "Glow", "--author", "星海实验室", "Star Lab")
    assert main(["init", "identity", *named, *model]) == 0
    printed = shlex.split(capsys.readouterr().out.splitlines()[-1])
    assert printed[:2] == ["suretune", "sft"]
    status = main([*printed[1:], "--dry_run", "true", "--json"])
    about = json.loads(capsys.readouterr().out)
    assert status == 0 and about["findings"] == []


def test_a_template_that_brings_no_system_prompt_is_given_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import shutil

    from suretune.pocket import MODEL

    model = Path(shutil.copytree(MODEL, tmp_path / "plain"))
    for file in (model / "chat_template.jinja", model / "tokenizer_config.json"):
        if file.is_file():
            text = file.read_text("utf-8")
            file.write_text(text.replace("You are Qwen, created by Alibaba Cloud. ", ""), "utf-8")
    (model / "chat_template.jinja").write_text(
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
        "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}",
        "utf-8",
    )
    named = ("--name", "Glow", "--author", "Lab", "--model", str(model), "--output_dir", "out")
    assert main(["init", "identity", *named]) == 0
    assert "--system" not in capsys.readouterr().out.splitlines()[-1]
