"""Templates and tokenizers of strangers: whatever they do when they are used ends, and is told."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import result_of, shared, suretune, write_rows
from suretune.data import wall
from suretune.data.base import Base, find_base
from suretune.data.collect import collect
from suretune.data.decoding import Decoding
from suretune.data.render import Rendering, ahead, samples
from suretune.data.sources import parse_source
from suretune.data.template import ChatTokenizer, TemplateRefused, load_tokenizer
from suretune.data.vocabulary import plain
from suretune.data.wall import FAILED, MEMORY, TIME, Unfit, wall_of
from suretune.facts import SetupFacts
from suretune.model.load import load_base
from suretune.options import DataOptions
from suretune.pocket import MODEL
from suretune.serve.app import Service
from suretune.serve.models import Served
from suretune.serve.openai import Refused
from suretune.types import Example, Fault, Message, Origin

OWN = (MODEL / "chat_template.jinja").read_text("utf-8")
ON_A_WORD = (
    "{% if 'boom' in messages[-1].content %}{% set s = 'a' * 1000 %}"
    "{% for a in s %}{% for b in s %}{% for c in s %}{% for d in s %}{% endfor %}{% endfor %}"
    "{% endfor %}{% endfor %}{% endif %}" + OWN
)
HI = (Message("user", "Hi"),)
BOOM = (Message("user", "Hi, boom"),)


@pytest.fixture(autouse=True)
def hasty(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A fifth of a second of computing is enough to see that something does not end."""
    monkeypatch.setattr(wall, "SECONDS", 0.2)
    wall_of.cache_clear()
    yield
    wall_of.cache_clear()


def tokenizer_of(tmp_path: Path, template: str = OWN, **parts: Any) -> ChatTokenizer | SetupFacts:
    """The pocket model's tokenizer with another template, or other parts."""
    for name in ("tokenizer_config.json", "generation_config.json"):
        if (MODEL / name).is_file():
            (tmp_path / name).write_bytes((MODEL / name).read_bytes())
    told = json.loads((MODEL / "tokenizer.json").read_text("utf-8"))
    (tmp_path / "tokenizer.json").write_text(json.dumps({**told, **parts}), "utf-8")
    (tmp_path / "chat_template.jinja").write_text(template, "utf-8")
    made: ChatTokenizer | SetupFacts = result_of(load_tokenizer, tmp_path)
    return made


def words_of(tmp_path: Path, template: str = OWN, **parts: Any) -> ChatTokenizer:
    found = tokenizer_of(tmp_path, template, **parts)
    assert isinstance(found, ChatTokenizer), found
    return found


def held() -> int:
    """The most memory that this process has ever had, MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


# --- templates ----------------------------------------------------------------------------------

DAG = (
    "{% set ns = namespace(x=[1]) %}"
    "{% for i in range(60) %}{% set ns.x = [ns.x, ns.x] %}{% endfor %}"
)
TWICE = "{% set ns = namespace(s='aaaaaaaa') %}{% for i in range(40) %}"
ENDLESS = {
    "center": "{{ 'a' | center(3000000000) }}",
    "the method center": "{{ 'a'.center(3000000000) }}",
    "rjust": "{{ 'a'.rjust(3000000000) }}",
    "zfill": "{{ '1'.zfill(3000000000) }}",
    "expandtabs": "{{ '\t'.expandtabs(2000000000) }}",
    "a product": "{{ 'a' * 3000000000 }}",
    "a power": "{{ (10 ** (10 ** 8)) % 7 }}",
    "percent": "{{ '%3000000000d' % 1 }}",
    "format": "{{ '{:>3000000000}'.format(1) }}",
    "the filter format": "{{ '%3000000000d' | format(1) }}",
    "double tilde": TWICE + "{% set ns.s = ns.s ~ ns.s %}{% endfor %}{{ ns.s }}",
    "double plus": TWICE + "{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s | length }}",
    "replace": TWICE + "{% set ns.s = ns.s.replace('a', 'aa') %}{% endfor %}{{ ns.s }}",
    "join": TWICE + "{% set ns.s = [ns.s, ns.s] | join %}{% endfor %}{{ ns.s }}",
    "lipsum": "{{ lipsum(n=200000) | length }}",
    "loops over a word": ON_A_WORD.replace("'boom' in", "'Hi' in"),
    "loops over a range": "{% for a in range(90000) %}{% for b in range(90000) %}{% endfor %}"
    "{% endfor %}",
    "a list of itself as JSON": DAG + "{{ ns.x | tojson }}",
    "a list of itself as text": DAG + "{{ ns.x }}",
    "a list of itself compared": DAG + "{% set other = namespace(x=[1]) %}{% for i in range(60) %}"
    "{% set other.x = [other.x, other.x] %}{% endfor %}{{ ns.x == other.x }}",
    "indent": "{{ ('a\n' * 100000) | indent(100000) }}",
    "a text that is never whole": "{% for a in range(90000) %}{{ 'a' * 100000 }}{% endfor %}",
    "macros that call each other": "{% macro f(n) %}{% for i in range(2) %}{% if n %}"
    "{{ f(n - 1) }}{% endif %}{% endfor %}{% endmacro %}{{ f(60) }}",
}


@pytest.mark.parametrize("template", ENDLESS.values(), ids=ENDLESS)
def test_a_template_without_bound_ends_and_costs_this_process_nothing(
    template: str, tmp_path: Path
) -> None:
    before, begun = held(), time.process_time()
    with pytest.raises(Unfit) as unfit:  # what is constant in it is computed when it is opened
        words_of(tmp_path, template).render(HI, prompt=True)
    assert unfit.value.limit in (TIME, MEMORY)
    assert unfit.value.file == str(tmp_path / "chat_template.jinja")
    assert held() - before < 64
    # Some would take for ever here; others of this process's threads have work of their own.
    assert time.process_time() - begun < 5


def test_what_a_template_cannot_take_costs_one_conversation(tmp_path: Path) -> None:
    tokenizer = words_of(tmp_path, ON_A_WORD)
    expected = words_of(tmp_path).render(HI, prompt=True)
    for _ in range(2):
        assert tokenizer.render(HI, prompt=True) == expected
        with pytest.raises(Unfit, match=r"0\.2 seconds"):
            tokenizer.render(BOOM, prompt=True)
    assert tokenizer.render(HI, prompt=True) == expected


def test_a_process_that_was_ended_from_outside_is_begun_anew(tmp_path: Path) -> None:
    tokenizer = words_of(tmp_path)
    before = tokenizer.render(HI, prompt=True)
    process = wall_of(tokenizer.template)._process
    assert process is not None
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert tokenizer.render(HI, prompt=True) == before


def test_a_template_still_says_no_in_its_own_words(tmp_path: Path) -> None:
    refusing = words_of(tmp_path, "{{ raise_exception('Only user and assistant roles') }}")
    with pytest.raises(TemplateRefused, match="Only user and assistant roles"):
        refusing.render(HI, prompt=True)
    for template in (
        "{{ 1 / 0 }}", "{{ messages.nobody.there }}", "{{ (1).x.y }}", "{{ 'a' + 1 }}",
        "{{ ''.__class__.__mro__ }}", "{{ range(10 ** 9) }}",
    ):  # fmt: skip
        with pytest.raises(TemplateRefused):
            words_of(tmp_path, template).render(HI, prompt=True)
    broken = tokenizer_of(tmp_path, "{% if %}")
    assert isinstance(broken, SetupFacts) and broken.problem == "template-unfit"
    assert "line 1" in broken.nearest and not words_of(tmp_path).broken


def test_whatever_json_can_say_arrives_on_the_other_side(tmp_path: Path) -> None:
    said = {"a": 2**70, "b": [1.5, None, True, "é\ud83d\x00\u2028"], "c": {"": -1e300}}
    turn = Message("user", "Hi", extra={"tool_calls": [said]})
    tokenizer = words_of(tmp_path, "{{ messages[0].tool_calls[0] | tojson }}")
    assert json.loads(tokenizer.render((turn,), prompt=False)) == said


@pytest.mark.parametrize("many", [1, 300])
def test_rendered_ahead_or_one_by_one_the_samples_are_the_same(many: int, tmp_path: Path) -> None:
    tokenizer = words_of(tmp_path)
    how = Rendering(tokenizer, "Be brief.", 1000, False, False)
    rows = [
        Example(Origin("rows.jsonl", i), "rows", "messages",
                (Message("user", f"{i}?"), Message("assistant", f"{i}."),
                 Message("user", "and?"), Message("assistant", "no.")))
        for i in range(many)
    ]  # fmt: skip
    alone = [samples(row, how) for row in rows]
    ahead(rows, how)
    asked: list[Any] = []
    behind, tokenizer._wall.ask = tokenizer._wall.ask, asked.append  # type: ignore[method-assign]
    together = [samples(row, how) for row in rows]
    tokenizer._wall.ask = behind  # type: ignore[method-assign]
    assert together == alone and not asked  # nothing crosses the wall a second time


# --- rows ---------------------------------------------------------------------------------------


def test_a_row_that_a_template_cannot_take_is_named_and_the_others_are_read(tmp_path: Path) -> None:
    how = Rendering(words_of(tmp_path, ON_A_WORD), None, 1000, False, False)
    rows = [{"instruction": "boom" if i == 3 else f"Q{i}", "output": "A."} for i in range(8)]
    rows[5] = {"instruction": "", "output": ""}
    data = write_rows(tmp_path / "rows.jsonl", rows)
    found = collect([parse_source(str(data))], DataOptions(), how, 1)
    assert [row.example.origin.line for row in found.ready] == [1, 2, 3, 5, 7, 8]
    assert found.faults[0].kind == "unfit-file"
    assert [f.origin.line for f in found.faults] == [4, 6]  # in the order of the rows
    assert [e.origin.line for e in found.entries] == [4, 6]


def test_a_template_that_takes_no_row_is_given_up_soon(tmp_path: Path) -> None:
    how = Rendering(words_of(tmp_path, ON_A_WORD), None, 1000, False, False)
    data = write_rows(tmp_path / "rows.jsonl", [{"instruction": "boom", "output": "A."}] * 50)
    begun = time.monotonic()
    with pytest.raises(Unfit):
        collect([parse_source(str(data))], DataOptions(), how, 1)
    assert time.monotonic() - begun < 30


def test_check_names_the_template_and_the_limit_in_both_languages(tmp_path: Path) -> None:
    data = write_rows(tmp_path / "rows.jsonl", [{"instruction": "boom", "output": "A."}] * 9)
    (template := tmp_path / "loops.jinja").write_text(ON_A_WORD, "utf-8")
    words = ("check", "--model", "pocket", "--chat_template", template, "--dataset", data)
    done = suretune(*words)
    assert done.returncode == 3 and "P007 unfit-file" in done.stdout, done.stderr
    assert "loops.jinja" in done.stdout and "2 seconds" in " ".join(done.stdout.split())
    done = suretune(*words, "--lang", "zh")
    assert done.returncode == 3 and "2秒" in re.sub(r"\s", "", done.stdout)
    assert "Traceback" not in done.stderr


# --- the server's side --------------------------------------------------------------------------


def test_a_conversation_that_does_not_end_holds_up_no_other_model(tmp_path: Path) -> None:
    hung = Served("hung", "hung", None, "h", words_of(tmp_path, ON_A_WORD), None, 0, {}, "f")
    (tmp_path / "own").mkdir()
    other = Served("own", "own", None, None, words_of(tmp_path / "own"), None, 0, {}, "f")
    service = Service(*[None] * 4, 64, 0.0, 1.0, 64)  # type: ignore[arg-type]
    order: list[str] = []

    async def ask(served: Served, turns: tuple[Message, ...], name: str) -> object:
        try:
            return await service._off_the_loop(served, served.prompt, turns)
        except Refused as refused:
            return refused
        finally:
            order.append(name)

    async def both() -> list[object]:
        await ask(other, HI, "warm")
        return await asyncio.gather(ask(hung, BOOM, "hung"), ask(other, HI, "other"))

    refused, prompt = asyncio.run(both())
    assert order == ["warm", "other", "hung"] and prompt == other.prompt(HI)
    assert isinstance(refused, Refused) and refused.status == 400
    error = refused.body()["error"]
    assert error["code"] == "unfit_file" and "chat_template.jinja" in error["message"]
    assert hung.prompt(HI) == other.prompt(HI)


# --- tokenizers ---------------------------------------------------------------------------------


def split(pattern: str) -> dict[str, Any]:
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def replace(content: str, pattern: str = "a", kind: str = "String") -> dict[str, Any]:
    return {"type": "Replace", "pattern": {kind: pattern}, "content": content}


def sequence(kind: str, *parts: dict[str, Any]) -> dict[str, Any]:
    name = {"normalizer": "normalizers", "decoder": "decoders"}.get(kind, "pretokenizers")
    return {"type": "Sequence", name: list(parts)}


LEVEL = {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}
HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    "an expression that backtracks": ({"pre_tokenizer": split("(a+)+$")}, "a" * 40 + "b"),
    "one that does so slowly": ({"pre_tokenizer": split("(a|aa)+c")}, "a" * 3000),
    "repeated repetitions": ({"pre_tokenizer": split("((((a{99}){99}){99}){99}){99}")}, "a"),
    "a text that grows": ({"normalizer": sequence("normalizer", *[replace("aaaaaaaa")] * 12)}, "a"),
    "one long replacement": ({"normalizer": replace("a" * 1_000_000)}, "a" * 5000),
    "an expression while it answers": (
        {"decoder": sequence("decoder", LEVEL, replace("b", "(a+)+$", "Regex"))},
        "a" * 40 + "b",
    ),
}


@pytest.mark.parametrize(("parts", "text"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_tokenizer_ends_and_costs_this_process_nothing(
    parts: dict[str, Any], text: str, tmp_path: Path
) -> None:
    assert not plain({**json.loads((MODEL / "tokenizer.json").read_text("utf-8")), **parts})
    before, begun = held(), time.process_time()
    try:
        found = tokenizer_of(tmp_path, **parts)
        if isinstance(found, ChatTokenizer):
            ids = found.encode(text)
            found.decode(ids)
        else:
            assert found.problem == "model-incomplete"
    except Unfit as error:
        assert error.file == str(tmp_path / "tokenizer.json")
    assert held() - before < 64 and time.process_time() - begun < 3


@pytest.mark.parametrize(
    "parts",
    [
        {"pre_tokenizer": split("(")},
        {"pre_tokenizer": {"type": "Nobody"}},
        {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAA"}},
        {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "/////w=="}},
        {"decoder": {"type": "Strip", "content": "a", "start": 10**18, "stop": 10**18}},
        {"decoder": {"type": "WordPiece", "prefix": "a" * 10**6, "cleanup": True}},
        {"model": {"type": "WordLevel", "vocab": {}, "unk_token": "x"}},
        {"model": {"type": "Unigram", "vocab": [], "unk_id": 7}},
        {"model": {"type": "Unigram", "vocab": [["a", float("1e308")], ["b", -1e308]]}},
        {"model": {"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}},
        {"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}},
        {"model": {"type": "BPE", "vocab": {"a": 2**40}, "merges": []}},
        {"model": []},
        {"added_tokens": [{"id": 2**33}]},
        {"added_tokens": 7},
        {"post_processor": {"type": "TemplateProcessing", "single": "$A:9999999999", "pair": "$B",
                            "special_tokens": {}}},
        {"padding": {"strategy": {"Fixed": 2**40}, "direction": "Right", "pad_id": 0,
                     "pad_to_multiple_of": 0, "pad_type_id": 0, "pad_token": "x"}},
        {"truncation": {"max_length": 0, "strategy": "LongestFirst", "stride": 2**60,
                        "direction": "Right"}},
    ],
)  # fmt: skip
def test_a_broken_tokenizer_is_a_finding_or_works(parts: dict[str, Any], tmp_path: Path) -> None:
    try:
        found = tokenizer_of(tmp_path, **parts)
        if isinstance(found, SetupFacts):
            assert found.problem == "model-incomplete" and found.found
        else:
            found.decode(found.encode("Hello, 你好"))
    except Unfit as error:
        assert error.file == str(tmp_path / "tokenizer.json") and error.why.zh


def test_the_tokenizers_that_models_have_are_used_right_here() -> None:
    for path in (MODEL, shared("qwen2.5-tokenizer")):
        assert plain(json.loads((path / "tokenizer.json").read_text("utf-8")))


def test_an_unusual_tokenizer_does_the_same_behind_the_wall(tmp_path: Path) -> None:
    usual = words_of(tmp_path)
    told = json.loads((MODEL / "tokenizer.json").read_text("utf-8"))["pre_tokenizer"]
    (parts := told["pretokenizers"])[0]["pattern"]["Regex"] += "|nobody writes this"
    unusual = words_of(tmp_path, pre_tokenizer={"type": "Sequence", "pretokenizers": parts})
    text = "Hello, 你好! <|im_end|>\n  x = 1"
    assert unusual.encode(text) == usual.encode(text)
    assert unusual.decode(usual.encode(text), special=True) == text
    assert unusual.render(HI, prompt=True) == usual.render(HI, prompt=True)


def test_a_decoder_that_hung_once_is_not_waited_for_again(tmp_path: Path) -> None:
    hangs = replace("b", "(a|a)+$", "Regex")
    found = words_of(tmp_path, decoder=sequence("decoder", LEVEL, hangs))
    ids = found.encode("a" * 35 + "b")
    with pytest.raises(Unfit) as first:
        found.decode(ids)
    with pytest.raises(Unfit) as again:
        found.decode(ids)
    assert again.value is first.value or first.value.limit == FAILED


@pytest.mark.parametrize(
    "config",
    [
        {"eos_token": 7}, {"eos_token": {"no": "content"}}, {"eos_token": ["x"]},
        {"chat_template": 7}, {"chat_template": [7]}, {"chat_template": [{"name": []}]},
        {"chat_template": [{"name": "default", "template": {}}]},
        {"chat_template": "x" * (5 << 20)},
    ],
)  # fmt: skip
def test_whatever_stands_in_its_configuration_it_works_or_is_a_finding(
    config: dict[str, Any], tmp_path: Path
) -> None:
    assert isinstance(tokenizer_of(tmp_path), ChatTokenizer)
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    if "chat_template" in config:
        (tmp_path / "chat_template.jinja").unlink()
    found = result_of(load_tokenizer, tmp_path)
    if isinstance(found, ChatTokenizer):
        assert found.render(HI, prompt=True)
    else:
        assert found.problem == "no-chat-template"


@pytest.mark.parametrize("name", ["tokenizer.json", "tokenizer_config.json", "chat_template.jinja"])
@pytest.mark.parametrize("text", ["", "[" * 100_000, "{" + '"a":{' * 100_000, "\x00", "null", "7"])
def test_a_file_that_is_no_json_or_very_deep_is_a_finding(
    name: str, text: str, tmp_path: Path
) -> None:
    assert isinstance(tokenizer_of(tmp_path), ChatTokenizer)
    (tmp_path / name).write_text(text, "utf-8")
    found = result_of(load_tokenizer, tmp_path)
    assert isinstance(found, SetupFacts) or name == "chat_template.jinja"


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    assert isinstance(tokenizer_of(tmp_path), ChatTokenizer)
    for name in ("tokenizer.json", "tokenizer_config.json", "chat_template.jinja"):
        kept = (tmp_path / name).read_bytes()
        with (tmp_path / name).open("wb") as file:
            file.truncate(40 << 30)
        before = held()
        found = result_of(load_tokenizer, tmp_path)
        assert isinstance(found, SetupFacts) and "MiB" in str(found.found) and held() - before < 64
        (tmp_path / name).write_bytes(kept)


# --- configurations -----------------------------------------------------------------------------


def deep(levels: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for _ in range(levels):
        made = {"a": made}
    return made


@pytest.mark.parametrize(
    "config",
    [
        {"num_hidden_layers": 10**7, "layer_types": None}, {"vocab_size": 10**9},
        {"hidden_size": 10**7}, {"intermediate_size": 10**9}, {"num_attention_heads": 10**8},
        {"extra": deep(400)}, {"num_hidden_layers": -5, "layer_types": None}, {"head_dim": 10**9},
        {"hidden_act": "nobody"}, {"model_type": ["a"]}, {"rope_parameters": []},
        {"num_attention_heads": 0}, {"vocab_size": 10**30}, {"layer_types": {"a": 1}},
    ],
    ids=str,
)  # fmt: skip
def test_a_configuration_that_cannot_be_is_a_finding(
    config: dict[str, Any], tmp_path: Path
) -> None:
    folder = shutil.copytree(MODEL, tmp_path / "base")
    told = json.loads((MODEL / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps({**told, **config}), "utf-8")
    before, begun = held(), time.process_time()
    found = base = result_of(find_base, str(folder), weights=True)
    if isinstance(base, Base):
        found = result_of(load_base, base, torch.device("cpu"), "float32")
    assert isinstance(found, SetupFacts) and found.problem in ("model-incomplete", "out-of-memory")
    assert found.found and held() - before < 256 and time.process_time() - begun < 20


# --- text while it comes ------------------------------------------------------------------------


def byte_fallback(tmp_path: Path) -> ChatTokenizer:
    """A tokenizer as Llama 2, Mistral 7B and Gemma have one: bytes for what is no token."""
    vocab = {"<unk>": 0, "<s>": 1, "</s>": 2}
    vocab |= {f"<0x{byte:02X}>": 3 + byte for byte in range(256)}
    for word in ("▁", "H", "i", "▁Hi", "你"):
        vocab[word] = len(vocab)
    parts = (
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"},
        {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0},
    )  # fmt: skip
    return words_of(
        tmp_path,
        model={"type": "BPE", "vocab": vocab, "merges": [], "unk_token": "<unk>",
               "byte_fallback": True, "fuse_unk": True},
        normalizer=sequence("normalizer", {"type": "Prepend", "prepend": "▁"}, replace("▁", " ")),
        pre_tokenizer=None, post_processor=None, decoder=sequence("decoder", *parts),
        added_tokens=[],
    )  # fmt: skip


@pytest.mark.parametrize(
    "text", ["Hi 你好", "é\U0001f642é", "好\n好", "  two  blanks ", "Hi", "\U0001f642"]
)
def test_a_stream_gives_what_all_its_tokens_are_with_byte_fallback_too(
    text: str, tmp_path: Path
) -> None:
    tokenizer = byte_fallback(tmp_path)
    ids = tokenizer.encode(text)
    stream = Decoding(tokenizer)
    pieces = [stream.add(token) for token in ids]
    assert "".join(pieces) + stream.rest() == tokenizer.decode(ids) == text
    assert "\ufffd" not in "".join(pieces)


def test_half_a_character_is_shown_when_the_answer_ends_in_it(tmp_path: Path) -> None:
    tokenizer = byte_fallback(tmp_path)
    ids = tokenizer.encode("好")[:-1]
    stream = Decoding(tokenizer)
    assert "".join(map(stream.add, ids)) + stream.rest() == tokenizer.decode(ids)


def test_a_fault_of_a_file_names_it(tmp_path: Path) -> None:
    fault = Unfit(str(tmp_path / "t.jinja"), TIME).fault
    assert isinstance(fault, Fault) and fault.origin == Origin("t.jinja", 0)


def test_an_answer_that_nobody_waited_for_is_not_the_next_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer = words_of(tmp_path)
    tokenizer.render(HI, prompt=True)
    mine = wall_of(tokenizer.template)

    def interrupted(file: str) -> bytes:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(mine, "_line", interrupted)
        tokenizer.render((Message("user", "FIRST"),), prompt=True)
    assert "FIRST" not in tokenizer.render((Message("user", "SECOND"),), prompt=True)
