"""What findings about templates and role tokens advise is obeyed here, and it works."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from conftest import as_json, codes, result_of, shared, within, write_rows
from families import FAMILIES, make_tokenizer
from suretune.data.fitness import FOLD, flaw, with_system_role
from suretune.data.render import Rendering, prompt_ids, samples
from suretune.data.template import ChatTokenizer, load_tokenizer
from suretune.facts import Finding, SetupFacts
from suretune.guards import judge
from suretune.guards.p001_no_chat_template import NAMES
from suretune.pocket import MODEL
from suretune.types import Example, Fault, Message, Origin, Sample

OWN = (MODEL / "chat_template.jinja").read_text("utf-8")
TURN = "<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n"
BEGIN = "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
PLAIN = "{% for m in messages %}" + TURN + "{% endfor %}" + BEGIN
ROWS = [{"query": f"Capital of land {i}?", "response": f"City {i}."} for i in range(3)]
TALK = (Message("user", "Who?"), Message("assistant", "I am Glow."))
SYSTEM = Message("system", "Be brief.")


def tokenizer(template: str) -> ChatTokenizer:
    made = load_tokenizer(MODEL)
    assert isinstance(made, ChatTokenizer)
    return made.with_template(template)


def made(words: ChatTokenizer, *messages: Message) -> list[Sample] | Fault:
    example = Example(Origin("rows.jsonl", 1), "rows", "messages", messages)
    return samples(example, Rendering(words, None, 10_000, False, False))


def shown(words: ChatTokenizer, *messages: Message) -> list[tuple[str, str]]:
    """(what stands before the last learned span, that span) of each sample."""
    found = made(words, *messages)
    assert isinstance(found, list), found
    return [
        (
            words.decode(s.ids[: s.spans[-1].start], special=True),
            words.decode(s.ids[s.spans[-1].start : s.spans[-1].end], special=True),
        )
        for s in found
    ]


def checked(tmp: Path, template: str | None, *flags: object, rows: Any = ROWS) -> Any:
    words: list[object] = ["check", "--model", "pocket", "--dataset",
                           write_rows(tmp / "rows.jsonl", rows),
                           "--split_dataset_ratio", 0, "--json"]  # fmt: skip
    if template is not None:
        (tmp / "t.jinja").write_text(template, "utf-8")
        words += ["--chat_template", tmp / "t.jinja"]
    return within(*words, *flags)


def finding(reason: str, found: str = "", spare: str = "") -> Finding:
    (only,) = judge(SetupFacts("template-unfit", "/m/t.jinja", reason, found, spare))
    return only


# --- templates that no row can satisfy --------------------------------------------------------


REFUSING = "{{ raise_exception('Not today') }}"


def other_answers(written: str) -> str:
    """The plain template, but for its answers."""
    either = "{% if m.role != 'assistant' %}" + TURN + "{% else %}" + written + "{% endif %}"
    return PLAIN.replace(TURN, either)


UNFIT = {  # reason -> template, and the edit that the message asks for: these words by those
    "no-end": (PLAIN.replace("<|im_end|>\n", ""), "{{ m.content }}", "{{ m.content }}<|im_end|>"),
    "other-end": (PLAIN.replace("<|im_end|>", "<|eot_id|>"), "<|eot_id|>", "<|im_end|>"),
    "no-opening": (PLAIN.replace(BEGIN, ""), "{% endfor %}", "{% endfor %}" + BEGIN),
    "broken": (PLAIN.replace("m.content }}", "m.content }"), "m.content }", "m.content }}"),
    "refuses": (REFUSING + PLAIN, REFUSING, ""),
    "drops-answer": (other_answers("<|im_start|>assistant\n<|im_end|>\n"),
                     "assistant\n<|im_end|>", "assistant\n{{ m.content }}<|im_end|>"),
    "drops-question": (PLAIN.replace("in messages", "in messages if m.role != 'user'"),
                       " if m.role != 'user'", ""),
    "changes-answer": (other_answers(TURN.replace("content", "content | upper")), " | upper", ""),
    "changes-question": (PLAIN.replace("content", "content | lower"), " | lower", ""),
    "goes-on": (PLAIN.replace("assistant\n{% endif %}", "assistant\nSure: {% endif %}"),
                "Sure: ", ""),
    "opens-otherwise": (PLAIN.replace("assistant\n{% endif %}", "answer:{% endif %}"),
                        "answer:", "assistant\n"),
}  # fmt: skip


@pytest.mark.parametrize("reason", UNFIT)
def test_the_mend_of_an_unfit_template_works(reason: str, tmp_path: Path) -> None:
    template, *mend = UNFIT[reason]
    words = tokenizer(template)
    found = "broken" if words.broken else getattr(flaw(words), "reason", None)
    assert found == reason
    mended = tokenizer(template.replace(*mend))
    assert not mended.broken and flaw(mended) is None
    assert shown(mended, *TALK)[0][1] == "I am Glow.<|im_end|>"


def test_an_unfit_template_is_said_once_and_no_row_is_blamed(tmp_path: Path) -> None:
    done = checked(tmp_path, UNFIT["no-end"][0])
    assert done.returncode == 4 and codes(done) == ["P008"]
    text = str(as_json(done)["findings"])
    assert "`<|im_end|>`" in text and "t.jinja" in text and "rows.jsonl" not in text
    assert "leave `--chat_template` out" in text  # the model's own is fit, and so it is
    assert checked(tmp_path, None).returncode == 0
    template, *mend = UNFIT["no-end"]
    assert checked(tmp_path, template.replace(*mend)).returncode == 0


def test_the_edit_for_a_missing_opening_is_made_from_the_template_itself() -> None:
    wrong = flaw(tokenizer(UNFIT["no-opening"][0]))
    assert wrong is not None
    fix = finding(wrong.reason, wrong.found).fix
    edit = re.search(r"`(\{%.*?endif %\})`", fix.en)
    assert edit and edit[1] in fix.zh
    assert flaw(tokenizer(UNFIT["no-opening"][0] + edit[1])) is None


def test_a_model_folder_with_a_broken_template_is_refused_wherever_it_is_opened(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "m"
    shutil.copytree(MODEL, folder, ignore=shutil.ignore_patterns("skills.jsonl"))
    (folder / "chat_template.jinja").write_text(UNFIT["broken"][0])
    facts = result_of(load_tokenizer, folder)
    assert isinstance(facts, SetupFacts) and facts.problem == "template-unfit"
    assert "line 2" in facts.nearest


GLM = ("<|endoftext|>", "[gMASK]", "<sop>", "<|system|>", "<|user|>", "<|assistant|>",
       "<|observation|>")  # fmt: skip


def test_glm_is_mended_by_a_template_whose_answers_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer of GLM-4 is ended by the header of the next turn, which nothing wrote."""
    monkeypatch.setitem(FAMILIES, "glm", (GLM, "", "<|endoftext|>"))
    head = "[gMASK]<sop>{% for m in messages %}<|{{ m.role }}|>\n{{ m.content }}"
    tail = "{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
    folder = make_tokenizer(tmp_path / "t", "glm", head + tail)
    number = {t: i for i, t in enumerate(GLM, 256)}
    ends = [number["<|endoftext|>"], number["<|user|>"], number["<|observation|>"]]
    (folder / "generation_config.json").write_text(json.dumps({"eos_token_id": ends}))
    words = load_tokenizer(folder)
    assert isinstance(words, ChatTokenizer)
    wrong = flaw(words)
    assert wrong is not None and wrong.reason == "no-end" and "`<|user|>`" in wrong.found
    mended = words.with_template(head + "{% if m.role == 'assistant' %}<|user|>{% endif %}" + tail)
    assert flaw(mended) is None
    assert shown(mended, *TALK)[0][1] == "\nI am Glow.<|user|>"


def test_the_field_case_of_glm_blames_the_template(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    field = shared("chat_templates").parent.parent / "field" / "glm"
    if not field.is_dir():
        pytest.skip(f"{field} is not there")
    done = within("check", "--model", "pocket", "--dataset", field / "rows.jsonl",
                    "--chat_template", field / "glm.jinja", "--json")  # fmt: skip
    assert done.returncode == 4 and codes(done) == ["P008"]
    monkeypatch.setitem(FAMILIES, "glm", (GLM, "", "<|user|>"))
    for name, wrong in (("glm.jinja", "no-end"), ("fixed.jinja", None)):
        template = (field / name).read_text("utf-8")
        words = load_tokenizer(make_tokenizer(tmp_path / name, "glm", template))
        assert isinstance(words, ChatTokenizer)
        assert getattr(flaw(words), "reason", None) == wrong


@pytest.mark.parametrize("name", FAMILIES)
def test_no_real_template_is_unfit(name: str, tmp_path: Path) -> None:
    template = (shared("chat_templates") / f"{name}.jinja").read_text("utf-8")
    words = load_tokenizer(make_tokenizer(tmp_path / "t", name, template))
    assert isinstance(words, ChatTokenizer)
    assert flaw(words) is None


# --- names of other tools -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["qwen", "qwen2.5", "qwen3", "qwen3_nothink", "llama3", "llama-3.1", "chatml", "default",
     "chatglm4", "glm4", "alpaca", "vicuna", "mistral", "gemma2", "phi-4", "zephyr", "deepseek3",
     "deepseekr1", "tokenizer_default", "intern2", "baichuan2", "yi", "phi3", "gemma-3"],
)  # fmt: skip
def test_names_of_other_tools_are_told_from_files(name: str) -> None:
    assert NAMES.fullmatch(name), name
    facts = result_of(load_tokenizer, MODEL, name)
    assert isinstance(facts, SetupFacts) and facts.problem == "no-chat-template"
    (found,) = judge(facts)
    assert f"`{name}`" in found.what.en and "other tools" in found.what.en
    assert "Leave `--chat_template` out" in found.fix.en and "--chat_template" in found.where
    assert isinstance(load_tokenizer(MODEL), ChatTokenizer)  # the advice, obeyed


def test_a_file_that_is_not_there_is_called_that(tmp_path: Path) -> None:
    facts = result_of(load_tokenizer, MODEL, str(tmp_path / "mine.jinja"))
    assert isinstance(facts, SetupFacts)
    (found,) = judge(facts)
    assert "no such file" in found.what.en and "没有这个文件" in found.what.zh
    assert "Leave" in found.fix.en


def test_the_flag_of_other_tools_is_understood(tmp_path: Path) -> None:
    done = checked(tmp_path, None, "--template", "qwen")
    assert done.returncode == 0 and "C005" in codes(done)
    (tmp_path / "own.jinja").write_text(PLAIN)
    done = checked(tmp_path, None, "--template", tmp_path / "own.jinja")
    assert done.returncode == 2
    assert f"`--chat_template {tmp_path / 'own.jinja'}`" in str(as_json(done)["findings"])
    assert checked(tmp_path, None, "--chat_template", tmp_path / "own.jinja").returncode == 0


# --- system prompts and turns that a template does not know ---------------------------------------

NO_SYSTEM = "{% if messages[0].role == 'system' %}{{ raise_exception('no') }}{% endif %}" + PLAIN
SILENT = PLAIN.replace(TURN, "{% if m.role != 'system' %}" + TURN + "{% endif %}")


@pytest.mark.parametrize("template", [NO_SYSTEM, SILENT])
def test_a_template_without_a_system_role_says_it_in_the_question(
    template: str, tmp_path: Path
) -> None:
    words = with_system_role(tokenizer(template))
    assert words.template == FOLD + template
    assert shown(words, SYSTEM, *TALK) == [
        ("<|im_start|>user\nBe brief.\n\nWho?<|im_end|>\n<|im_start|>assistant\n",
         "I am Glow.<|im_end|>")
    ]  # fmt: skip
    assert shown(words, *TALK) == shown(tokenizer(template), *TALK)
    done = checked(tmp_path, template, "--system", "Be brief.")
    assert done.returncode == 0 and "D041" in codes(done)
    assert "D041" not in codes(checked(tmp_path, template))


def test_a_template_with_a_system_role_is_left_as_it_is() -> None:
    for template in (OWN, PLAIN):
        words = tokenizer(template)
        assert with_system_role(words) is words


def test_what_is_folded_equals_transformers(tmp_path: Path) -> None:
    """Any program that takes the template from the adapter sends the same prompt."""
    from transformers import PreTrainedTokenizerFast

    template = (shared("chat_templates") / "google-gemma-2-2b-it.jinja").read_text("utf-8")
    folder = make_tokenizer(tmp_path / "t", "google-gemma-2-2b-it", template)
    words = load_tokenizer(folder)
    assert isinstance(words, ChatTokenizer)
    words = with_system_role(words)
    (folder / "chat_template.jinja").write_text(words.template, "utf-8")
    theirs = PreTrainedTokenizerFast.from_pretrained(folder)
    turns = [{"role": m.role, "content": m.content} for m in (SYSTEM, TALK[0])]
    text = theirs.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert text == words.render((SYSTEM, TALK[0]), prompt=True)
    assert text.startswith("<bos><start_of_turn>user\nBe brief.\n\nWho?<end_of_turn>")


def test_a_system_prompt_that_only_the_prompt_shows_is_learned_behind_that_prompt(
    tmp_path: Path,
) -> None:
    """Mistral's template writes it before the last question, and only while none answers it."""
    name = "mistralai-Mistral-Nemo-Instruct-2407"
    template = (shared("chat_templates") / f"{name}.jinja").read_text("utf-8")
    words = load_tokenizer(make_tokenizer(tmp_path / "t", name, template))
    assert isinstance(words, ChatTokenizer)
    longer = (SYSTEM, *TALK, Message("user", "And?"), Message("assistant", "No."))
    found = made(words, *longer)
    assert isinstance(found, list) and len(found) == 2
    for sample, upto in zip(found, (2, 4), strict=True):
        (span,) = sample.spans
        assert list(sample.ids[: span.start]) == prompt_ids(words, longer[:upto])
    assert shown(words, *longer)[1] == (
        "<s>[INST]Who?[/INST]I am Glow.</s>[INST]Be brief.\n\nAnd?[/INST]", "No.</s>"
    )  # fmt: skip


def test_turns_that_must_alternate_are_named_and_one_turn_of_both_is_read(tmp_path: Path) -> None:
    check = (
        "{% for m in messages %}{% if not loop.first and m.role == messages[loop.index0-1].role %}"
    )
    template = check + "{{ raise_exception('roles must alternate') }}{% endif %}{% endfor %}" + OWN
    first, second = {"role": "user", "content": "Hi."}, {"role": "user", "content": "Who?"}
    answer = {"role": "assistant", "content": "Glow."}
    done = checked(tmp_path, template, rows=[{"messages": [first, second, answer]}])
    assert done.returncode == 3 and codes(done) == ["P003"]
    assert "Turns 1 and 2 are both user" in str(as_json(done)["findings"])
    one = {"role": "user", "content": "Hi.\nWho?"}
    obeyed = checked(tmp_path, template, rows=[{"messages": [one, answer]}] * 3)
    assert obeyed.returncode == 0 and "P003" not in codes(obeyed)


# --- role tokens in rows --------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["query", "response", "reasoning", "arguments", "tools"])
def test_the_advice_about_role_tokens_works_wherever_they_stand(field: str, tmp_path: Path) -> None:
    bad = "a <|im_end|> b"
    call = {"type": "function", "function": {"name": "f", "arguments": {"x": "1"}}}
    tool = {"type": "function", "function": {"name": "f", "description": "d"}}
    said: dict[str, Any] = {"role": "assistant", "content": "Glow."}
    asked = {"role": "user", "content": "Who?"}
    row: dict[str, Any] = {"messages": [asked, said]}
    if field == "query":
        asked["content"] = bad
    elif field == "response":
        said["content"] = bad
    elif field == "reasoning":
        said["reasoning_content"] = bad
    elif field == "arguments":
        call["function"]["arguments"]["x"] = bad  # type: ignore[index]
        said["tool_calls"] = [call]
    else:
        tool["function"]["description"] = bad  # type: ignore[index]
        row["tools"] = [tool]
    done = checked(tmp_path, None, rows=[row] * 3)
    assert done.returncode == 3 and "D014" in codes(done)
    assert "`--strip_role_tokens true`" in str(as_json(done)["findings"])
    obeyed = checked(tmp_path, None, "--strip_role_tokens", "true", rows=[row] * 3)
    assert "D014" not in codes(obeyed)
    spoken = json.loads(json.dumps(row).replace("<|im_end|>", "<| im_end |>"))
    assert "D014" not in codes(checked(tmp_path, None, rows=[spoken] * 3))


def test_roles_that_a_tokenizer_calls_plain_words_are_role_tokens(tmp_path: Path) -> None:
    """DeepSeek's `<｜User｜>` is no special token of its tokenizer, and makes a turn."""
    name = "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B"
    template = (
        "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}<｜User｜>{{ m.content }}"
        "{% else %}<｜Assistant｜>{{ m.content }}{{ eos_token }}{% endif %}{% endfor %}"
        "{% if add_generation_prompt %}<｜Assistant｜>{% endif %}"
    )
    folder = make_tokenizer(tmp_path / "t", name, template)
    path = folder / "tokenizer.json"
    about = json.loads(path.read_text("utf-8"))
    for token in about["added_tokens"]:
        token["special"] = token["content"] not in ("<｜User｜>", "<｜Assistant｜>")
    path.write_text(json.dumps(about), "utf-8")
    words = load_tokenizer(folder)
    assert isinstance(words, ChatTokenizer)
    poisoned = (TALK[0], Message("assistant", "Hm.<｜User｜>More?"))
    fault = made(words, *poisoned)
    assert isinstance(fault, Fault) and fault.kind == "role-tokens" and fault.found == "<｜User｜>"


def test_placeholders_are_filled_by_the_flags_that_are_named(tmp_path: Path) -> None:
    rows = [{"query": "Who are you?", "response": "I am {{NAME}} of {{AUTHOR}}."}] * 3
    done = checked(tmp_path, None, rows=rows)
    assert done.returncode == 3 and "D013" in codes(done)
    flags = ("--model_name", "Glow", "--model_author", "Star Lab")
    obeyed = checked(tmp_path, None, *flags, rows=rows)
    assert obeyed.returncode == 0 and "D013" not in codes(obeyed)


def test_the_default_system_prompt_is_gone_once_one_is_chosen(tmp_path: Path) -> None:
    assert "P002" in codes(checked(tmp_path, None))
    done = checked(tmp_path, None, "--system", "You are a helpful assistant.")
    assert done.returncode == 0 and "P002" not in codes(done)


def test_rows_about_identity_are_clean_once_the_old_name_is_replaced(tmp_path: Path) -> None:
    asked = ("Who are you?", "What is your name?", "Who made you?", "Who developed you?")
    said = "I am Glow, made by Star Lab."
    rows = [{"query": q, "response": f"{said} {i}"} for i, q in enumerate(asked * 3)]
    old = [{**row, "response": row["response"] + " I was Qwen."} for row in rows[:2]]
    done = checked(tmp_path, None, rows=[*rows, *old])
    assert "D020" in codes(done)
    mended = [{**row, "response": row["response"].replace("Qwen", "Glow")} for row in old]
    assert "D020" not in codes(checked(tmp_path, None, rows=[*rows, *mended]))


def test_preference_rows_are_read_once_the_chosen_answer_is_kept(tmp_path: Path) -> None:
    rows = [{"prompt": f"Name {i}?", "chosen": "Glow.", "rejected": "Qwen."} for i in range(3)]
    assert "D024" in codes(checked(tmp_path, None, rows=rows))
    kept = [{"prompt": row["prompt"], "completion": row["chosen"]} for row in rows]
    done = checked(tmp_path, None, rows=kept)
    assert done.returncode == 0 and "D024" not in codes(done)
