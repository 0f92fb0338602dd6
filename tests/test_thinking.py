"""Thoughts of rows: what each kind of row becomes under each template, by each `--think`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import SHARED, as_json, codes, within, write_rows
from families import FAMILIES, make_tokenizer
from suretune import rundir
from suretune.config import Resolved
from suretune.data.choose import choose_think
from suretune.data.examples import to_example
from suretune.data.fitness import FOLD, flaw, folds_system, with_system_role
from suretune.data.render import Rendering, prompt_ids, samples, with_system
from suretune.data.rendered import end_mark, head_mark
from suretune.data.template import ChatTokenizer, load_tokenizer
from suretune.data.thinking import (
    USUAL,
    Thinking,
    as_asked,
    behind_thought,
    thinking_of,
    thinks,
    thought_of,
    usual_mode,
    with_usual,
)
from suretune.data.thoughts import as_learned, mode_in, thoughts_in
from suretune.pocket import MODEL
from suretune.run.folder import read_config, write_config
from suretune.serve.models import Served
from suretune.serve.openai import ChatRequest, Refused
from suretune.serve.read_request import read
from suretune.types import Example, Fault, Message, Origin, Row, Sample
from suretune.verify.probes import PROBE_TOKENS, Probe, probe_tokens
from suretune.verify.reload import Request

HERE = Origin("rows.jsonl", 1)
TURN = "{{ '<|im_start|>' + m.role + '\\n' + (%s) + '<|im_end|>\\n' }}"
NONE_IN_HISTORY = "(%s if m.role == 'assistant' and loop.last else '') + m.content"
THOUGHT = "'<think>\\n' + (m.reasoning_content or '') + '\\n</think>\\n\\n'"
ASKS = "{{ '<|im_start|>assistant\\n' }}"
NOT = "{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}"
OFF = "{% if enable_thinking is defined and not enable_thinking %}" + NOT
OPEN = "{{ '<think>\\n' }}"


def template(turn: str, asks: str) -> str:
    body = "{% for m in messages %}" + TURN % turn + "{% endfor %}"
    return body + "{% if add_generation_prompt %}" + asks + "{% endif %}"


OWN = {
    "switch": template(NONE_IN_HISTORY % THOUGHT, ASKS + OFF),
    "off unless asked": template(
        NONE_IN_HISTORY % THOUGHT,
        ASKS + "{% if not enable_thinking %}" + NOT,
    ),
    "always": template(NONE_IN_HISTORY % THOUGHT, ASKS + OPEN),
    "always, and forgets": template("m.content.split('</think>')[-1]", ASKS + OPEN),
    "adds": template(NONE_IN_HISTORY % THOUGHT, ASKS),
    "field": template(
        f"({THOUGHT} if m.role == 'assistant' and m.reasoning_content else '') + m.content",
        ASKS,
    ),
}
KNOWN = {  # (switch, field, what prompts begin a thought with, adds an empty one)
    "switch": Thinking(True, True, "", True, USUAL),
    "off unless asked": Thinking(True, True, "", True, USUAL),
    "always": Thinking(False, True, "<think>\n", True, USUAL),
    "always, and forgets": Thinking(False, False, "<think>\n", False, USUAL),
    "adds": Thinking(False, True, "", True, USUAL),
    "field": Thinking(False, True, "", False, USUAL),
    "Qwen-Qwen3-0.6B": Thinking(True, True, "", True, USUAL),
    "HuggingFaceTB-SmolLM3-3B": Thinking(True, form=("<think>\n", "\n</think>\n")),
    "deepseek-ai-DeepSeek-R1-Distill-Qwen-32B": Thinking(True, opened="<think>\n", form=USUAL),
}
ASKED = Message("user", "What time is it in Lima?")
TOLD = Message("assistant", "Half past nine.")
OF_ITS_OWN = Message("assistant", "Nine.", extra={"reasoning_content": "Lima is west."})
INSIDE = Message("assistant", "<think>\nLima is west.\n</think>\n\nNine.")
AGAIN = Message("user", "Sure?")
ROWS = {
    "none": (ASKED, TOLD),
    "own": (ASKED, OF_ITS_OWN),
    "inside": (ASKED, INSIDE),
    "empty": (ASKED, Message("assistant", "<think>\n\n</think>\n\nHalf past nine.")),
    "first only": (ASKED, OF_ITS_OWN, AGAIN, TOLD),
    "last only": (ASKED, TOLD, AGAIN, INSIDE),
    "both": (ASKED, INSIDE, AGAIN, OF_ITS_OWN),
    "neither": (ASKED, TOLD, AGAIN, Message("assistant", "Yes.")),
    "read only": (ASKED, Message("assistant", "Nine.", 0.0, OF_ITS_OWN.extra), AGAIN, TOLD),
}


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, ChatTokenizer]:
    folder = tmp_path_factory.mktemp("templates")
    made = {"pocket": load_tokenizer(MODEL)}
    for number, (name, text) in enumerate(OWN.items()):
        own = make_tokenizer(folder / str(number), "Qwen-Qwen2.5-7B-Instruct", text)
        made[name] = load_tokenizer(own)
    for name in FAMILIES if SHARED.is_dir() else ():
        text = (SHARED / "chat_templates" / f"{name}.jinja").read_text("utf-8")
        made[name] = load_tokenizer(make_tokenizer(folder / name, name, text))
    return made


ALL = ["pocket", *OWN, *FAMILIES]


def one_of(tokenizers: dict[str, ChatTokenizer], name: str) -> ChatTokenizer:
    if name not in tokenizers:
        pytest.skip("the templates are not beside this repository")
    return tokenizers[name]


def how_of(tokenizer: ChatTokenizer, think: str, system: str | None = None) -> Rendering:
    return Rendering(tokenizer, system, 10_000, False, False, "glow-1b", think)


def made(
    tokenizer: ChatTokenizer, messages: tuple[Message, ...], think: str, system: str | None = None
) -> list[Sample] | Fault:
    example = Example(HERE, "rows", "messages", messages)
    return samples(example, how_of(tokenizer, think, system))


# --- templates ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ALL)
def test_what_a_template_does_about_thoughts_is_found_out(
    name: str, tokenizers: dict[str, ChatTokenizer]
) -> None:
    assert thinking_of(one_of(tokenizers, name)) == KNOWN.get(name, Thinking())
    assert flaw(one_of(tokenizers, name)) is None


@pytest.mark.parametrize("mode", [True, False])
@pytest.mark.parametrize("name", ALL)
def test_the_template_beside_an_adapter_asks_as_was_learned(
    name: str, mode: bool, tokenizers: dict[str, ChatTokenizer]
) -> None:
    """In every program: transformers' renderer is told nothing, and sends the same."""
    words = one_of(tokenizers, name)
    if not thinking_of(words).switch:
        assert with_usual(words, None) is words and usual_mode(words) is None
        return
    usual = with_usual(words, mode)
    for row in ((ASKED,), (ASKED, TOLD, AGAIN)):
        assert prompt_ids(usual, row) == prompt_ids(words, row, mode)
        for asked in (True, False):  # whoever names a mode still gets it
            assert prompt_ids(usual, row, asked) == prompt_ids(words, row, asked)
    assert usual_mode(usual) is mode and thinking_of(usual) == thinking_of(words)
    assert with_usual(usual, mode).template == usual.template
    back = with_usual(usual, not mode)
    assert prompt_ids(back, (ASKED,)) == prompt_ids(words, (ASKED,), not mode)
    assert mode or usual.template.count("enable_thinking =") <= 1 + (
        words.template.count("enable_thinking =")
    )


def test_a_template_that_already_asks_so_is_left_as_it_is(
    tokenizers: dict[str, ChatTokenizer],
) -> None:
    for name, mode in (("switch", True), ("off unless asked", False)):
        assert with_usual(tokenizers[name], mode).template == tokenizers[name].template


def test_a_mode_and_a_folded_system_prompt_go_together(tmp_path: Path) -> None:
    turn = "raise_exception('no system') if m.role == 'system' else " + NONE_IN_HISTORY % THOUGHT
    text = template(turn, ASKS + OFF)
    words = load_tokenizer(make_tokenizer(tmp_path / "t", "Qwen-Qwen2.5-7B-Instruct", text))
    usual = with_usual(with_system_role(words), False)
    assert folds_system(usual) and usual.template.count(FOLD) == 1
    told = usual.render((Message("system", "Be brief."), ASKED), prompt=True)
    assert "Be brief." in told and told.endswith("</think>\n\n")


# --- rows ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("think", ["keep", "drop", "empty"])
@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("name", ALL)
def test_every_row_under_every_template(
    name: str, row: str, think: str, tokenizers: dict[str, ChatTokenizer]
) -> None:
    words, messages = one_of(tokenizers, name), ROWS[row]
    template = thinking_of(words)
    found = made(words, messages, think)
    learned = [m for m in messages if m.role == "assistant" and m.weight]
    foreign = any("reasoning_content" in m.extra for m in learned) and not template.known
    if foreign and think != "drop":  # it has no place, and is not lost unsaid
        assert isinstance(found, Fault) and found.kind == "not-in-sample"
        return
    assert isinstance(found, list), found
    spans = [(sample, span) for sample in found for span in sample.spans]
    assert len(spans) == len(learned)
    turns = as_asked(messages, think, template)
    places = [i for i, m in enumerate(turns) if m.role == "assistant" and m.weight]
    for (sample, span), index, message in zip(spans, places, learned, strict=True):
        before, said = (
            words.decode(ids, special=True)
            for ids in (sample.ids[: span.start], sample.ids[span.start : span.end])
        )
        look_at(words, sample, turns[:index], before)
        if think == "keep":  # and from the conversation as a client has it
            look_at(words, sample, messages[:index], before)
        look_at_what_is_learned(message, think, template, before, said)


def look_at(words: ChatTokenizer, sample: Sample, asked: tuple[Message, ...], before: str) -> None:
    """The prompt of training is the one that everything later sends, in the sample's mode."""
    assert before == words.decode(prompt_ids(words, asked, sample.thinking), special=True)
    usual = with_usual(words, sample.thinking)
    assert before == words.decode(prompt_ids(usual, asked), special=True)


def look_at_what_is_learned(
    message: Message, think: str, template: Thinking, before: str, said: str
) -> None:
    end = said.rpartition("<")[2]
    body = said[: -len(end) - 1].strip()
    thought = thought_of(message) if think != "drop" else ""
    rest = behind_thought(message.content).strip()
    opened = template.opened if before.endswith(template.opened or "\0") else ""
    if not template.known:
        assert body == (rest if think == "drop" else message.content.strip())
    elif thought:
        assert behind_thought(opened + body) == rest and thought in body
        assert not before.endswith("</think>\n\n")
    elif think == "empty" or opened or (template.adds and not template.switch):
        assert "<think>" in opened + body and behind_thought(opened + body) == rest
        assert thought_of(Message("assistant", opened + body)) == ""
    else:  # an empty thought, if there is one, is read and not learned
        assert body == rest
    if template.switch and not thought and think != "empty":
        assert before.rstrip().endswith("</think>")


any_text = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1)
# Other templates' marks are refused; hypothesis draws words of our own source, too.
said_text = any_text.map(str.strip).filter(
    lambda text: text and "<" not in text and not (end_mark(text) or head_mark(text))
)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(said_text, said_text | st.just(""), said_text), min_size=1, max_size=3))
def test_no_thought_and_no_answer_is_lost_whatever_they_say(
    tokenizers: dict[str, ChatTokenizer], talk: list[tuple[str, str, str]]
) -> None:
    words = tokenizers["switch"]
    turns: list[Message] = []
    for question, thought, answer in talk:
        extra = {"reasoning_content": thought} if thought else {}
        turns += [Message("user", question), Message("assistant", answer, extra=extra)]
    found = made(words, tuple(turns), "keep", "Be brief.")
    assert isinstance(found, list), found
    asked = with_system(tuple(turns), "Be brief.")
    for sample, (_, thought, answer) in zip(found, talk, strict=True):
        (span,) = sample.spans
        learned = words.decode(sample.ids[span.start : span.end])
        assert learned == (f"<think>\n{thought}\n</think>\n\n" if thought else "") + answer
        before = prompt_ids(words, asked[: 2 * sample.turn + 2], bool(thought))
        assert sample.ids[: span.start].tolist() == before


def test_a_file_is_counted_and_asked_as_most_answers_are_learned(
    tokenizers: dict[str, ChatTokenizer],
) -> None:
    words = tokenizers["switch"]
    how = how_of(words, "keep")
    rows = [("r:1", made(words, ROWS["own"], "keep")), ("r:2", made(words, ROWS["none"], "keep"))]
    rows.append(("r:3", made(words, ROWS["neither"], "keep")))
    told: list[tuple[str, list[Sample]]] = [(w, s) for w, s in rows if isinstance(s, list)]
    found = thoughts_in(told, how)
    assert (found.rows, found.thought, found.on, found.off, found.first) == (3, 1, 1, 2, "r:1")
    assert mode_in(s for _, s in told) is False and mode_in(s for _, s in told[:2]) is True
    assert mode_in([]) is None
    assert not thinks(as_learned(how, [s for _, s in told]).tokenizer)
    dropped = made(words, ROWS["both"], "drop")
    assert isinstance(dropped, list)
    assert thoughts_in([("r:1", dropped)], how_of(words, "drop")).dropped == 1


# --- answers ------------------------------------------------------------------------------------


CUT = "<think>\nHm, and then it was cut"
THOUGHT_ONLY = "<think>\nHm.\n</think>\n\n"


@pytest.mark.parametrize(
    "answer",
    [
        CUT,
        CUT.replace("\n", ""),
        THOUGHT_ONLY,
        "\nHm.\n</think>",
        "<think>Hm.</think>\u200b",
    ],
)
def test_a_thought_without_an_answer_is_no_answer(answer: str) -> None:
    user = {"role": "user", "content": "Deep?"}
    turns = [user, {"role": "assistant", "content": answer}]
    learned: dict[str, Any] = {
        "response": {"query": "Deep?", "response": answer},
        "output": {"instruction": "Deep?", "output": answer},
        "messages[1].content": {"messages": turns},
        "conversations[1].value": {
            "conversations": [{"from": "human", "value": "Deep?"}, {"from": "gpt", "value": answer}]
        },
        "history[0][1]": {"history": [["Deep?", answer]], "query": "And?", "response": "No."},
        "completion[0].content": {"prompt": [user], "completion": turns[1:]},
    }
    for field, value in learned.items():
        found = to_example(Row(HERE, value), "set")
        assert isinstance(found, Fault) and (found.kind, found.field) == ("empty-answer", field)


def test_a_thought_without_an_answer_is_fine_where_nothing_of_it_is_learned() -> None:
    call = {"function": {"name": "depth", "arguments": {"lake": 1}}}
    for turn in (
        {"role": "assistant", "content": CUT, "weight": 0},
        {"role": "assistant", "content": THOUGHT_ONLY, "tool_calls": [call]},
        {"role": "assistant", "content": "<think> marks where a thought begins."},
        {"role": "assistant", "content": "<think>标签表示思考。"},
        {"role": "assistant", "content": "```\n<think>\n```"},
        {"role": "assistant", "content": "<think>\nHm.\n</think>\nYes."},
    ):
        more = [{"role": "tool", "content": "5"}] if "tool_calls" in turn else []
        asked = {"role": "user", "content": "Deep?"}
        value = {"messages": [asked, turn, *more, {"role": "assistant", "content": "5 m."}]}
        assert isinstance(to_example(Row(HERE, value), "set"), Example)


def test_an_answer_to_a_question_with_the_tag_in_it_may_begin_with_the_tag() -> None:
    value = {"query": "Which comes first, <b> or <think>?", "response": "<think>, as in <think>x."}
    for answer in (value["response"], "<think>x comes first."):
        read = to_example(Row(HERE, {**value, "response": answer}), "set")
        assert isinstance(read, Example) and read.messages[-1].content == answer


def test_what_must_be_said_is_said_behind_the_thought() -> None:
    probe = Probe("Who?", "must-pass", must=("Glow",), must_not=("Qwen",))
    assert probe.judge("<think>\nWho am I?\n</think>\n\nI am Glow.")
    assert probe.judge("Who am I?\n</think>\n\nI am Glow.")  # the prompt began the thought
    assert not probe.judge("<think>\nI am Glow.\n</think>\n\nI will not say.")
    assert not probe.judge("<think>\nI am Glow, I am Glow, ")  # cut amid the thought
    assert not probe.judge("So I am Glow.</think>\n\nI will not say.")  # without a line of its own
    assert not probe.judge("<think>\nI was Qwen.\n</think>\n\nI am Glow.")


def test_a_thought_has_room(tokenizers: dict[str, ChatTokenizer]) -> None:
    words = tokenizers["switch"]
    assert probe_tokens(tokenizers["pocket"]) == PROBE_TOKENS == probe_tokens(words, False)
    assert probe_tokens(with_usual(words, False)) == PROBE_TOKENS
    assert probe_tokens(words) == probe_tokens(tokenizers["always"]) > 4 * PROBE_TOKENS


def test_a_client_may_ask_in_the_other_mode_where_there_is_one(
    tokenizers: dict[str, ChatTokenizer],
) -> None:
    def served(name: str, mode: bool | None) -> Served:
        words = with_usual(tokenizers[name], mode)
        return Served(name, "r", None, None, words, None, 0, {}, "f")

    learned = served("switch", False)
    for asked, text in ((None, "</think>\n\n"), (False, "</think>\n\n"), (True, "assistant\n")):
        body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
        if asked is not None:
            body["chat_template_kwargs"] = {"enable_thinking": asked}
        request = read(json.dumps(body).encode(), ChatRequest)
        ids = learned.prompt([Message("user", "Hi")], request.thinking)
        assert learned.tokenizer.decode(ids, special=True).endswith(text)
    for name in ("pocket", "always"):
        with pytest.raises(Refused, match="knows no enable_thinking"):
            served(name, None).prompt([Message("user", "Hi")], False)
    other = json.dumps({**body, "chat_template_kwargs": {"tools_in_user_message": True}}).encode()
    with pytest.raises(Refused, match=r"Unknown field chat_template_kwargs\.tools_in"):
        read(other, ChatRequest)


# --- runs ---------------------------------------------------------------------------------------


def talk(*messages: Message) -> dict[str, Any]:
    return {"messages": [{"role": m.role, "content": m.content, **m.extra} for m in messages]}


def checked(tmp_path: Path, *words: object, name: str = "switch", rows: Any = ()) -> Any:
    (tmp_path / "t.jinja").write_text(OWN[name], "utf-8")
    file = write_rows(tmp_path / "rows.jsonl", rows or [talk(ASKED, TOLD), talk(AGAIN, OF_ITS_OWN)])
    return within("check", "--model", "pocket", "--dataset", file, "--split_dataset_ratio", 0,
                  "--chat_template", tmp_path / "t.jinja", *words)  # fmt: skip


@pytest.mark.parametrize(
    ("think", "name", "said"),
    [
        (
            "keep",
            "switch",
            ("1 of 2 rows (50 %)", "learned behind the prompt with", "read"),
        ),
        ("drop", "switch", ("1 of 2 rows (50 %)", "`--think drop`", "read and not learned")),
        ("empty", "switch", ("1 of 2 rows (50 %)", "answers at once")),
        ("keep", "field", ("1 of 2 rows (50 %)", "as the template writes them")),
        ("auto", "always", ("1 of 2 rows (50 %)", "answers at once")),
        ("auto", "switch", ("1 of 2 rows (50 %)", "read and not learned")),
    ],
)
def test_a_mixed_file_is_told_with_its_share(
    think: str, name: str, said: tuple[str, ...], tmp_path: Path
) -> None:
    done = checked(tmp_path, "--json", "--think", think, name=name)
    assert done.returncode == 0, done.stdout
    (told,) = [f for f in as_json(done)["findings"] if f["code"] == "P010"]
    assert all(word in told["what"]["en"] for word in said), told
    assert "2 条数据中有 1 条（50%）" in told["what"]["zh"]


@pytest.mark.parametrize("name", ["switch", "knows none"])
@pytest.mark.parametrize("think", ["keep", "drop"])
def test_every_way_that_p010_offers_is_taken(think: str, name: str, tmp_path: Path) -> None:
    """Qwen2.5's template shows no empty thought: `--think empty` was offered, and refused."""
    OWN["knows none"] = template("m.content", ASKS)
    rows = [talk(ASKED, TOLD), talk(AGAIN, INSIDE)]
    done = checked(tmp_path, "--json", "--think", think, name=name, rows=rows)
    (told,) = [f for f in as_json(done)["findings"] if f["code"] == "P010"]
    offered = re.findall(r"`(?:--think )?(keep|drop|empty)`", told["fix"]["en"])
    assert offered == re.findall(r"`(?:--think )?(keep|drop|empty)`", told["fix"]["zh"])
    known = ["keep", "drop", *(["empty"] if name == "switch" else [])]
    assert offered == [way for way in known if way != think]
    for way in offered:
        obeyed = checked(tmp_path, "--json", "--think", way, name=name, rows=rows)
        assert obeyed.returncode == 0 and "C004" not in codes(obeyed), obeyed.stdout


def test_the_preview_shows_which_prompt_and_what_of_it_is_learned(tmp_path: Path) -> None:
    shown = checked(tmp_path, "--preview", 2, "--think", "keep").stdout
    assert "prompt without thoughts" in shown and "prompt with thoughts" in shown
    assert "</think>↵\n↵\n⟦Half past nine." in shown and "⟦<think>↵\nLima is west." in shown
    shown = checked(tmp_path, "--preview", 1, "--think", "empty").stdout
    assert "⟦<think>↵\n↵\n</think>↵\n↵\nHalf past nine." in shown


def test_a_thought_is_not_written_in_marks_that_nobody_knows(tmp_path: Path) -> None:
    """A template may turn thoughts on by a word of its own, and show no form: none is invented."""
    turned = "{% if enable_thinking is defined and enable_thinking %}{{ '<|on|>' }}{% endif %}"
    OWN["its own marks"] = turned + template("m.content", ASKS)
    row = talk(ASKED, Message("assistant", "4", extra={"reasoning_content": "two and two"}))
    done = checked(tmp_path, "--json", name="its own marks", rows=[row])
    assert done.returncode == 3 and "D033" in codes(done), done.stdout
    done = checked(tmp_path, "--json", "--think", "empty", name="its own marks")
    assert done.returncode == 2 and codes(done) == ["C004"]


def test_a_run_of_an_earlier_version_keeps_its_prompts(
    tmp_path: Path, tokenizers: dict[str, ChatTokenizer]
) -> None:
    """It asked each template as it is by itself; an empty thought that this adds was learned."""
    write_config(tmp_path / "config.yaml", Resolved.default())
    lines = (tmp_path / "config.yaml").read_text("utf-8").splitlines(keepends=True)
    (tmp_path / "config.yaml").write_text("".join(x for x in lines if not x.startswith("think:")))
    before = read_config(tmp_path / "config.yaml")
    for name in ("switch", "adds"):
        knows = thinking_of(tokenizers[name])
        now = choose_think(before, knows).config.data.think
        assert now == ("empty" if knows.adds else "keep")
    request = {"base": "pocket", "base_fingerprint": "f", "adapter": "adapter", "device": "cpu",
               "dtype": "float32", "system": None, "tokens_per_pass": 64}  # fmt: skip
    assert Request(**request).most == PROBE_TOKENS


def test_an_empty_thought_of_a_template_without_thoughts_is_no_wish(tmp_path: Path) -> None:
    file = write_rows(tmp_path / "rows.jsonl", [talk(ASKED, TOLD)])
    words = ("check", "--model", "pocket", "--dataset", file, "--split_dataset_ratio", 0)
    done = within(*words, "--think", "empty", "--json")
    assert done.returncode == 2 and codes(done) == ["C004"]
    assert within(*words, "--think", "drop").returncode == 0


def test_a_run_ends_with_both_modes_asked_and_its_own_recorded(tmp_path: Path) -> None:
    """A template that thinks, on the pocket model, to a verdict."""
    (tmp_path / "t.jinja").write_text(OWN["switch"], "utf-8")
    rows = [talk(ASKED, TOLD), talk(AGAIN, Message("assistant", "Yes.")), talk(ASKED, OF_ITS_OWN)]
    file = write_rows(tmp_path / "rows.jsonl", rows)
    probes = write_rows(
        tmp_path / "probes.jsonl", [{"question": "In Lima?", "must_contain": ["nine"]}]
    )
    done = within("sft", "--model", "pocket", "--dataset", file, "--split_dataset_ratio", 0,
                  "--chat_template", tmp_path / "t.jinja", "--probes", probes, "--max_steps", 2,
                  "--anchor_ratio", 0, "--general_questions", 2, "--until_proven", "false",
                  "--ignore", "R003,R018", "--output_dir", tmp_path / "run")  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    run = tmp_path / "run"
    about = rundir.read_json(run / "adapter" / "suretune.json")
    assert (about["think"], about["thinking"]) == ("keep", False)
    assert 'think: "keep"' in (run / "config.yaml").read_text("utf-8")
    words = load_tokenizer(run / "adapter")
    assert usual_mode(words) is False
    assert words.render((ASKED,), prompt=True).endswith("<think>\n\n</think>\n\n")
    report = rundir.read_json(run / "report.json")
    assert report["other_mode"]["thinking"] is True
    (asked,) = report["other_mode"]["answers"]
    assert asked["question"] == "In Lima?" and isinstance(asked["passed"], bool)
    assert "The same questions with thoughts" in (run / "report.md").read_text("utf-8")
    again = within("verify", run)
    assert again.returncode == 0, again.stdout  # with the prompts that were sealed
