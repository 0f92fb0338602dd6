"""A Modelfile says what was meant, whatever the texts: read by Ollama's rules, and its template run
by Go where Go is installed.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from suretune.data.template import ChatTokenizer, load_tokenizer
from suretune.export import TARGETS
from suretune.export.door import Carried
from suretune.export.ollama import is_read_whole, modelfile, quoted, without_tools
from suretune.export.turns import Turns, in_go, rendered, turns_of
from suretune.pocket import MODEL
from suretune.types import Message, Text
from test_export import adapter_of, carried_of

ODD = "a\"'{}%\\`# \n\t\r\x00\x1b\u00a0\u200d\u3000\ufeff\U000e0001\U0001f600是é<|>"
TEXTS = st.text(alphabet=st.sampled_from(ODD), max_size=12) | st.text(max_size=6)
COMMANDS = {"from": "model", "parameter": "parameter", "template": "template", "system": "system"}


def read(text: str) -> list[tuple[str, str]]:
    """(name, value) of every instruction, by the rules of Ollama's reader: character by character,
    what is not printable left out, a quoted value until the end of a line at which it is closed."""
    made: list[tuple[str, str]] = []
    chars, place = list(text), 0

    def word() -> str:
        nonlocal place
        begun = place
        while place < len(chars) and (chars[place].isalnum() or chars[place] == "_"):
            place += 1
        assert chars[place] in " \t", "a name ends with a space"
        place += 1
        return "".join(chars[begun : place - 1])

    while place < len(chars):
        if chars[place] in " \t\r\n":
            place += 1
            continue
        name = COMMANDS[word().lower()]
        name = word() if name == "parameter" else name
        value = ""
        while True:
            if place == len(chars) or chars[place] in "\r\n":
                if (whole := unquoted(value.strip())) is not None:
                    break
                assert place < len(chars), "quotes are not closed"
            if chars[place].isprintable() or chars[place] in "\r\n\t":
                value += chars[place]
            place += 1
        made.append((name, whole))
    return made


def unquoted(value: str) -> str | None:
    """The value without its quotes; None where they are not closed yet."""
    for mark in ('"""', '"'):
        if value.startswith(mark):
            closed = len(value) >= 2 * len(mark) and value.endswith(mark)
            return value[len(mark) : -len(mark)] if closed else None
    return value


@settings(max_examples=400, deadline=None)
@given(TEXTS)
def test_a_quoted_text_is_read_as_it_is_exactly_where_that_is_said(text: str) -> None:
    try:
        back = read(f"FROM x\nSYSTEM {quoted(text)}\nTEMPLATE x\n")
    except (AssertionError, KeyError, IndexError):
        back = []
    meant = [("model", "x"), ("system", text), ("template", "x")]
    assert (back == meant) == is_read_whole(text)


@settings(max_examples=200, deadline=None)
@given(TEXTS)
@example("\x1b{{")
def test_any_text_can_be_said_in_a_template(text: str) -> None:
    assert is_read_whole(in_go(text))
    # What is no text of Go's own stands in actions that are one string each.
    assert "{{" not in re.sub(r'\{\{ "(?:[^"\\]|\\.)*" \}\}', "", in_go(text))


# --- whole Modelfiles -----------------------------------------------------------------------------


@cache
def tokenizer() -> ChatTokenizer:
    return load_tokenizer(MODEL)


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory) -> Carried:
    folder = tmp_path_factory.mktemp("adapter")
    return carried_of(MODEL, adapter_of(folder, MODEL, target_modules=["q_proj"]))


def template_of(pieces: Sequence[str]) -> str:
    """A chat template that writes these texts before and behind each role, and before an answer."""
    said = [f"{{{{ {json.dumps(piece)} }}}}" for piece in pieces]
    cases = "".join(
        f"{{% {'if' if n == 0 else 'elif'} m.role == '{role}' %}}"
        f"{said[2 * n]}{{{{ m.content }}}}{said[2 * n + 1]}"
        for n, role in enumerate(("system", "user", "assistant"))
    )
    asked = f"{{% if add_generation_prompt %}}{said[6]}{{% endif %}}"
    return f"{{% for m in messages %}}{cases}{{% endif %}}{{% endfor %}}{asked}"


def conversations(system: str) -> Iterator[tuple[list[Message], list[Message]]]:
    """(as it is sent to Ollama, as the model was trained): with no system prompt the run's own."""
    talk = [Message("user", "Hi"), Message("assistant", '{{ "x" }}'), Message("user", " é\n")]
    first = [Message("system", system)] if system else []
    yield talk[:1], [*first, *talk[:1]]
    yield talk, [*first, *talk]
    other = [Message("system", "Another."), *talk]
    yield other, other


def modelfile_of(carried: Carried, pieces: Sequence[str], system: str) -> tuple[str, Carried]:
    """The text, and what it was made of; a template without plain turns is assumed away."""
    marked = [f"<{n}>{piece}" for n, piece in enumerate(pieces)]
    words = tokenizer().with_template(template_of(marked))
    turns = turns_of(words, adds_first=False)
    assume(not isinstance(turns, Text))
    assert isinstance(turns, Turns)
    made = replace(carried, tokenizer=words, system=system)
    return modelfile(made, turns), made


def is_read_as_it_was_meant(carried: Carried, pieces: Sequence[str], system: str) -> None:
    text, made = modelfile_of(carried, pieces, system)
    said = dict(read(text))
    assert said["model"] == "./model.gguf" and said["temperature"] == "0"
    assert said.get("system", system) == system
    turns = Turns("", False, {}, "", said.get("system", ""))
    for sent, trained in conversations(system):
        meant = made.tokenizer.render(trained, prompt=True)
        assert rendered(said["template"], sent, turns) == meant


ANY = given(st.lists(TEXTS, min_size=7, max_size=7), TEXTS)


@settings(max_examples=6)  # each template is rendered by a process of its own
@ANY
def test_any_modelfile_is_read_as_it_was_meant(
    carried: Carried, pieces: Sequence[str], system: str
) -> None:
    is_read_as_it_was_meant(carried, pieces, system)


@settings(max_examples=60)
@ANY
def test_many_modelfiles_are_read_as_they_were_meant(
    carried: Carried, pieces: Sequence[str], system: str
) -> None:
    is_read_as_it_was_meant(carried, pieces, system)


def test_who_was_trained_to_call_tools_is_told_that_a_modelfile_has_none() -> None:
    """A run on rows with calls was exported without a word: Ollama's prompts had no tools."""
    tokenizer = load_tokenizer(MODEL)
    (told,) = without_tools(tokenizer)
    assert "tools" in told.en and "llama-server --jinja" in told.en and "工具" in told.zh
    plain = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
    refuses = "{% if tools %}{{ raise_exception('none') }}{% endif %}" + plain
    for template in (plain, refuses):
        assert without_tools(tokenizer.with_template(template)) == []


def test_quotes_at_the_end_of_a_line_cost_no_system_prompt(carried: Carried) -> None:
    system = 'Say:\n"""\nquoted\n"""\nand\u3000stop.'
    text, made = modelfile_of(carried, [""] * 7, system)
    said = dict(read(text))
    assert "system" not in said and "quoted" in said["template"]
    for sent, trained in conversations(system):
        meant = made.tokenizer.render(trained, prompt=True)
        assert rendered(said["template"], sent, Turns("", False, {}, "", "")) == meant
    assert TARGETS["ollama"].why_not(replace(carried, system=system), "f32") is None


# --- Go -------------------------------------------------------------------------------------------

GO = """\
package main

import ("encoding/json"; "os"; "strings"; "text/template")

type message struct { Role, Content string }

func main() {
	var asked []struct { Template string; System string; Messages []message }
	if err := json.NewDecoder(os.Stdin).Decode(&asked); err != nil { panic(err) }
	var said []string
	for _, one := range asked {
		talk := one.Messages
		if one.System != "" && talk[0].Role != "system" {
			talk = append([]message{{"system", one.System}}, talk...)
		}
		t, err := template.New("").Option("missingkey=zero").Parse(one.Template)
		if err != nil { panic(err) }
		var out strings.Builder
		if err := t.Execute(&out, map[string]any{"Messages": talk}); err != nil { panic(err) }
		said = append(said, out.String())
	}
	json.NewEncoder(os.Stdout).Encode(said)
}
"""


@pytest.mark.skipif(shutil.which("go") is None, reason="go is not installed")
def test_go_itself_renders_what_the_model_was_trained_with(
    carried: Carried, tmp_path: Path
) -> None:
    """The language of Ollama's templates is Go's."""
    asked, meant = [], []

    @settings(max_examples=120, deadline=None, database=None)
    @given(st.lists(TEXTS, min_size=7, max_size=7), TEXTS)
    def collect(pieces: Sequence[str], system: str) -> None:
        text, made = modelfile_of(carried, pieces, system)
        said = dict(read(text))
        for sent, trained in conversations(system):
            talk = [{"Role": m.role, "Content": m.content} for m in sent]
            one = {"Template": said["template"], "System": said.get("system", "")}
            asked.append({**one, "Messages": talk})
            meant.append(made.tokenizer.render(trained, prompt=True))

    collect()
    (tmp_path / "main.go").write_text(GO, encoding="utf-8")
    words = ["go", "run", "main.go"]
    done = subprocess.run(
        words, input=json.dumps(asked), capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(meant) > 200 and json.loads(done.stdout) == meant
