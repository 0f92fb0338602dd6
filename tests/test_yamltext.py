"""YAML is read as it is written; what would make a line mean another is refused with its line."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from conftest import ROOT
from suretune.data import yamltext
from suretune.data.yamltext import BadYaml, parse_yaml, read_yaml, written

FIELD = ROOT.parent / "shared" / "field"
WORDS = (
    "On", "NO", "yes", "y", "True", "off", "007", "0x1F", "0o17", "1_000", "12:30", "2024-01-01",
    "1e3", "1e-4", ".5", "1.50", ".inf", ".nan", "null", "~", "Null", "+1", "=", "0b1", "小光",
)  # fmt: skip


@pytest.fixture(params=["CBaseLoader", "BaseLoader"], autouse=True)
def _loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """libyaml's parser and the one in Python: the same, whichever was installed."""
    monkeypatch.setattr(yamltext, "LOADER", getattr(yaml, request.param, yaml.BaseLoader))


@pytest.mark.parametrize("word", WORDS)
def test_values_are_the_text_that_stands_there(word: str) -> None:
    assert written(parse_yaml(f"a: {word}")) == {"a": word}
    assert written(parse_yaml(f"a: ['x', \"{word}\"]")) == {"a": ["x", word]}
    assert written(parse_yaml(f"a:\n- {word}\n- b")) == {"a": [word, "b"]}
    assert written(parse_yaml(f"a: !!str {word}")) == {"a": word}


TEXT = st.text(st.characters(exclude_categories=("Cc", "Cs", "Cn", "Zl", "Zp")), max_size=12)


@given(st.dictionaries(TEXT.filter(bool), st.lists(TEXT), max_size=5))
def test_what_yaml_writes_of_texts_is_read_back(texts: dict[str, list[str]]) -> None:
    """Whoever dumps texts gets them back, whatever they look like."""
    there = yaml.safe_dump(texts, allow_unicode=True)
    assert written(parse_yaml(there)) == (texts or {})


@pytest.mark.parametrize(
    ("text", "line", "named"),
    [
        ("a: 1\nb: 2\na: 3", 3, "line 1"),
        ("a: 1\n'a': 3", 2, "line 1"),
        ("x:\n  a: 1\n  a: 2", 3, "line 2"),
        ("a: 1\n<<: {b: 2}", 2, "<<"),
        ("a: &one 1", 1, "&one"),
        ("a: 1\nb: *one", 2, "*one"),
        ("a: !!python/object:os.system x", 1, "!!python"),
        ("a: !secret x", 1, "!secret"),
        ("a: !!binary aGk=", 1, "!!binary"),
        ("a: 1\n---\nb: 2", 2, "---"),
        ("a: {{NAME}} is here", 1, "quotes"),
        ("? [a, b]\n: c", 1, "name"),
        ("a: b: c", 1, "quotes"),
        ("a: 1\n\tb: 2", 2, "spaces"),
        ("a: [1, 2", 1, "YAML"),
        ("a: '1", 1, "YAML"),
        ("a: b\x07", 1, "control"),
    ],
)
def test_what_makes_a_line_mean_another_is_refused_with_its_line(
    text: str, line: int, named: str
) -> None:
    with pytest.raises(BadYaml) as caught:
        parse_yaml(text)
    assert caught.value.line in (line, line + 1)  # some end only where the file does
    assert named in caught.value.why.en and caught.value.why.zh


@pytest.mark.parametrize(
    "bomb",
    [
        "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40)),
        "[" * 500_000,
        "{" * 500_000,
        "- " * 200_000,
        "a: " + "[" * 500 + "]" * 500,
        "".join(f"{' ' * n}a{n}:\n" for n in range(100)),
        "a: " + "x" * 200_000,
    ],
    ids=["laughs", "lists", "mappings", "dashes", "closed", "indented", "value"],
)
def test_a_bomb_is_refused_before_it_grows(bomb: str) -> None:
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(BadYaml):
        parse_yaml(bomb)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 64 << 10 and time.process_time() - began < 5


def test_a_file_is_read_up_to_its_limit_only(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"a: " + b"#" * (yamltext.MOST + 1))
    with pytest.raises(BadYaml, match="larger than 1 MiB"):
        read_yaml(tmp_path / "a.yaml")
    (tmp_path / "b.yaml").write_bytes("a: 1\nb: 你".encode("gbk"))
    with pytest.raises(BadYaml, match="line 2: it is not UTF-8"):
        read_yaml(tmp_path / "b.yaml")
    (tmp_path / "c.yaml").write_bytes(b"\xef\xbb\xbfa: 1\r\nb: On\r\n")
    assert written(read_yaml(tmp_path / "c.yaml")[1]) == {"a": "1", "b": "On"}


@pytest.mark.parametrize("name", ["laughs.yaml", "deep.yaml"])
def test_the_bombs_of_the_field_are_refused(name: str) -> None:
    path = FIELD / "serve" / name
    if not path.is_file():
        pytest.skip("not here")
    with pytest.raises(BadYaml) as caught:
        read_yaml(path)
    assert caught.value.line == 1


def test_nothing_is_nothing() -> None:
    assert [parse_yaml(text) for text in ("", "# a\n", "~", "null", "---\n")] == [None] * 5
