"""Every problem that a stage names is one that a guard knows: a misspelt one would be silent."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import house
import suretune
from suretune.facts import FlagFacts, RecoveryFacts, SetupFacts
from suretune.guards import all_guards, problems
from suretune.record.journal import ELSEWHERE, NOT_MEASURED, TOGETHER, Journal
from suretune.retention import RetentionFacts
from suretune.types import Fault, Origin

HOUSE = Path(suretune.__file__).parent
NAMING = {"FlagFacts": FlagFacts, "SetupFacts": SetupFacts, "RecoveryFacts": RecoveryFacts,
          "Fault": Fault}  # fmt: skip
# (file, function or class that is handed the problem): (the facts it makes, which word it is)
HANDED = {
    ("data/broken.py", "placed"): ("Fault", 0),
    ("data/jsonrows.py", "placed"): ("Fault", 0),
    ("data/rows.py", "placed"): ("Fault", 0),
    ("data/tables.py", "placed"): ("Fault", 0),
    ("data/arrowrows.py", "_bad_table"): ("Fault", 2),
    ("run/recovery.py", "_facts"): ("RecoveryFacts", 0),
    ("verify/remote.py", "Trouble"): ("SetupFacts", 0),
}
# Made of words that stand elsewhere in the same file: (file, the expression): what it can be.
COMPUTED = {
    ("data/elsewhere.py", "problem"): {
        "hub-gated", "hub-refused", "hub-busy", "hub-unreachable", "hub-damaged",
        "cache-altered", "hub-no-dataset", "model-missing",
    },  # its table is looked at below
    ("cli/front.py", "problem_of[line.verdict]"): {
        "harmless-no-effect", "not-here", "left-out", "unknown-flag"},
    ("data/feed.py", "kind"): {"file-missing", "unknown-format"},
    ("verify/probefile.py", "problem"): {"unfilled-placeholder", "bad-value"},
    ("run/recovery.py", "problem"): {"output-not-writable", "disk-full"},
    ("model/load.py", "problem"): {"out-of-memory", "model-incomplete"},
    ("importing/single.py", "problem"): {
        "not-here", "harmless-no-effect", "flag-never-existed"},
}  # fmt: skip
SELECT = ("for_flag", "for_fault", "for_setup", "for_recovery")
PASSED_ON = {  # from a place that is checked itself, or from a file of a run
    ("data/broken.py", "kind"), ("data/arrowrows.py", "kind"), ("run/recovery.py", "problem"),
    ("deploy/server_check.py", "trouble.problem"),
    ("run/recovery.py", "{**line, **numbers, 'rows': tuple(line['rows'])}"),
}  # fmt: skip


def sources() -> Iterator[tuple[str, ast.Module]]:
    """(file, its tree) of the whole package."""
    yield from house.trees().items()


def problem_of(call: ast.Call, at: int) -> list[ast.expr]:
    """What can stand for the problem: both branches of a condition."""
    named = [k.value for k in call.keywords if k.arg in ("problem", "kind", None)]
    given = call.args[at] if call.args else named[0]
    return [given.body, given.orelse] if isinstance(given, ast.IfExp) else [given]


def named() -> Iterator[tuple[str, str, ast.expr]]:
    """(file, facts, the problem's expression) of every place that names one."""
    for file, tree in sources():
        for node in house.nodes(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            name = node.func.id
            facts, at = HANDED.get((file, name), (name if name in NAMING else "", 0))
            if facts:
                yield from ((file, facts, word) for word in problem_of(node, at))


def exchanged() -> Iterator[str]:
    """Problems that take the place of another: `replace(facts, problem="...")`."""
    for _, tree in sources():
        for node in house.nodes(tree):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
                continue
            for word in node.keywords if node.func.id == "replace" else ():
                if word.arg == "problem" and isinstance(word.value, ast.Constant):
                    yield word.value.value


def raised() -> dict[str, set[str]]:
    """Every problem that the source names, by the facts that carry it."""
    found: dict[str, set[str]] = {name: set() for name in NAMING}
    for file, facts, word in named():
        if isinstance(word, ast.Constant):
            found[facts].add(word.value)
        else:
            computed = COMPUTED.get((file, ast.unparse(word)), set())
            assert computed or (file, ast.unparse(word)) in PASSED_ON, (file, word.lineno)
            found[facts] |= computed & problems()[NAMING[facts]]
    found["FlagFacts"] |= set(exchanged())
    return found


def test_every_problem_in_the_source_is_known_to_a_guard() -> None:
    for file, facts, word in named():
        if isinstance(word, ast.Constant):
            assert word.value in problems()[NAMING[facts]], f"{file}:{word.lineno} {word.value}"
    for (file, expression), words in COMPUTED.items():
        tree = house.tree_of(HOUSE / file)
        literals = {n.value for n in house.nodes(tree) if isinstance(n, ast.Constant)}
        assert words <= literals, (file, expression)


def test_every_guard_that_is_named_has_a_place_that_names_it() -> None:
    found = raised()
    for facts, kind in NAMING.items():
        assert problems()[kind] - found[facts] == set(), facts


def test_every_problem_that_is_compared_is_known() -> None:
    everything = frozenset().union(*problems().values())
    kinds = set()
    for file, tree in sources():
        for node in house.nodes(tree):
            if isinstance(node, ast.Compare) and ast.unparse(node.left).endswith(".problem"):
                for word in node.comparators:
                    if isinstance(word, ast.Constant):
                        assert word.value in everything, f"{file}:{node.lineno} {word.value}"
                        kinds.add(word.value)
    assert "no-chat-template" in kinds  # it does look
    assert everything.issuperset((*TOGETHER, *ELSEWHERE))
    assert NOT_MEASURED in problems()[RetentionFacts]


def test_a_guard_that_selects_by_name_selects_its_own() -> None:
    for guard in all_guards():
        path = HOUSE / "guards" / f"{guard.code.lower()}_{guard.name.replace('-', '_')}.py"
        for node in house.nodes(house.tree_of(path)):
            selects = isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
            if selects and node.func.id in SELECT:
                word = node.args[0]
                assert isinstance(word, ast.Constant)
                assert word.value in (guard.name, *guard.also), path


@pytest.mark.parametrize(
    "facts",
    [
        SetupFacts("model-incomplet", "x"),
        FlagFacts("no-efect", "--x"),
        RecoveryFacts("rolled-bak", 3),
        Fault("broken-jsn", Origin("rows.jsonl", 1)),
        SetupFacts("no-effect", "x"),  # a guard's, but of other facts
    ],
)
def test_a_problem_that_no_guard_knows_is_an_error_at_once(facts: object) -> None:
    for act in (Journal().stop, Journal().look):
        with pytest.raises(LookupError, match="no guard"):
            act(facts)  # type: ignore[operator]


def test_every_trouble_with_a_hub_has_a_guard() -> None:
    """What `data/elsewhere.py` makes of a hub's trouble, for models and for datasets."""
    from typing import get_args

    from suretune.data.elsewhere import trouble
    from suretune.guards import judge
    from suretune.hubs.door import HubError, Kind, Repo, Trouble

    for kind in get_args(Kind):
        for what in get_args(Trouble):
            assert judge(trouble(HubError(what, "said", "host"), Repo("hf", kind, "a/b"))), what
