"""The house keeps its floors: one direction, no torch below floor 3, small rooms, honest code."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import house
import suretune

HOUSE = Path(suretune.__file__).parent
FLOORS = {
    **dict.fromkeys(("types", "facts", "retention"), 0),
    **dict.fromkeys(
        (
            "words",
            "labels",
            "glossary",
            "spelled",
            "splits",
            "because",
            "statistics",
            "option",
            "options_input",
            "options_serve",
            "options",
            "config",
            "refusal",
            "reported",
            "events",
            "rundir",
            "phrases",
            "whole_names",
            "report_words",
            "options_full",
            "options_lora",
            "beside",
            "typed",
            "installed",
            "values",
            "families",
            "tuning",
            "pocket",
            "hubs",
        ),
        1,
    ),
    **dict.fromkeys(("data", "battery", "guards", "trackers"), 2),
    **dict.fromkeys(("model", "show"), 3),
    **dict.fromkeys(("train", "verify", "serve", "export"), 4),
    "record": 4,
    "preflight": 5,
    "run": 6,
    "speak": 7,
    **dict.fromkeys(("importing", "prepare", "sweep", "deploy", "compare", "api"), 8),
    **dict.fromkeys(("cli", "__main__"), 9),
}
HEAVY = {"torch", "transformers", "peft", "accelerate"}
FILES = sorted(HOUSE.rglob("*.py"))


def room_of(path: Path) -> str:
    return path.relative_to(HOUSE).parts[0].removesuffix(".py")


ROOMS = sorted({room_of(path) for path in FILES} - {"__init__"})
every_room = pytest.mark.parametrize("room", ROOMS)  # not every file: a test each costs more time


def files_of(room: str) -> list[Path]:
    return [path for path in FILES if room_of(path) == room]


def imports(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """(line, module) of every import, inside functions too."""
    for node in house.nodes(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.lineno, node.module
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def test_every_file_stands_on_a_floor() -> None:
    rooms = {room_of(path) for path in FILES} - {"__init__"}
    assert rooms == set(FLOORS)


@every_room
def test_imports_go_down_the_stairs(room: str) -> None:
    found = [(p, *each) for p in files_of(room) for each in imports(house.tree_of(p))]
    for path, line, module in found:
        parts = module.split(".")
        if parts[0] != "suretune" or len(parts) < 2 or parts[1] not in FLOORS or parts[1] == room:
            continue
        if room == "__main__" and parts[1] == "cli":
            continue
        same_ground = FLOORS[room] == FLOORS[parts[1]] <= 1  # rooms of single files
        assert FLOORS[parts[1]] < FLOORS[room] or same_ground, f"{path}:{line} imports {module}"


@pytest.mark.parametrize("room", [*ROOMS, "__init__"])
def test_no_torch_below_floor_three(room: str) -> None:
    if FLOORS.get(room, 0) < 3 or room == "show":
        for path in files_of(room):
            heavy = [m for _, m in imports(house.tree_of(path)) if m.split(".")[0] in HEAVY]
            assert not heavy, f"{path} imports {heavy}"


@pytest.mark.parametrize("room", [*ROOMS, "__init__"])
def test_rooms_stay_small(room: str) -> None:
    for path in files_of(room):
        text = path.read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 420, f"split {path}"
        for node in house.nodes(house.tree_of(path)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                length = (node.end_lineno or 0) - node.lineno + 1
                assert length <= 60, f"{path}:{node.lineno} {node.name} has {length} lines"


def test_names_say_something() -> None:
    vague = {"utils", "util", "common", "misc", "helpers", "helper", "manager"}
    for path in FILES:
        assert path.stem.lower() not in vague, path
        for node in house.nodes(house.tree_of(path)):
            if isinstance(node, ast.ClassDef):
                assert not node.name.endswith("Manager"), node.name


@pytest.mark.parametrize(
    "pattern",
    [
        r"trust_remote_code\s*=\s*True",
        r"^\s*import pickle",
        r"torch\.load\(",
        r"yaml\.load\(",
        r"shell\s*=\s*True",
        r"(?<![\w.])eval\(",
        r"except:\s*$",
        r"except (Base)?Exception:\s*\n\s*pass",
        r"raise NotImplementedError",
        r"merge_and_unload|merge_adapter",  # the adapter that was proven is the one that answers
        r"TODO|FIXME",
    ],
)
def test_what_must_never_stand_in_the_source(pattern: str) -> None:
    for path in FILES:
        found = re.search(pattern, path.read_text(encoding="utf-8"), re.MULTILINE)
        assert not found, f"{path}: {found.group() if found else ''}"


def test_no_check_is_an_assert() -> None:
    """`python -O` takes them out. In `model/` they narrow types and check nothing."""
    for path in FILES:
        tree = house.tree_of(path)
        if room_of(path) != "model":
            assert not [n.lineno for n in house.nodes(tree) if isinstance(n, ast.Assert)], path


def test_every_room_has_a_size() -> None:
    assert set(house.measured()["sizes"]) == set(house.kept()["sizes"])


@pytest.mark.parametrize("room", sorted(house.kept()["sizes"]))
def test_a_room_has_the_size_that_it_was_given(room: str) -> None:
    """The sizes stand in house.json: more room is a commit of its own, with a reason."""
    assert house.measured()["sizes"][room] <= house.kept()["sizes"][room], (
        "delete something, or say why not"
    )


def test_no_new_files_of_a_room_import_each_other_in_a_circle() -> None:
    """Imports inside functions and for types count: they are what a reader has to follow, too."""
    known = [set(group) for group in house.kept()["circles"]]
    for group in house.measured()["circles"]:
        assert any(set(group) <= one for one in known), f"new or larger: {group}"
    assert len(house.measured()["circles"]) == len(known), "one is gone: take it off the list"


@pytest.mark.parametrize("count", ["fmt_skip", "crowded_calls", "density", "untold"])
def test_what_may_only_become_less_does(count: str) -> None:
    now, known = house.measured()[count], house.kept()[count]
    assert now <= known, house.untold() if count == "untold" else "see tests/house.py"


def test_the_circles_of_a_room_are_seen_whatever_kind_of_import_closes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {
        "a/x.py": "from suretune.a import y\n",
        "a/y.py": "def f():\n    from suretune.a.z import g\n",
        "a/z.py": "if TYPE_CHECKING:\n    import suretune.a.x\n",
        "b/w.py": "from suretune.a import x\n",
        "b/v.py": "from suretune.b.w import x\n",
    }
    monkeypatch.setattr(house, "trees", lambda: {name: ast.parse(t) for name, t in files.items()})
    assert house.circles() == [["a/x.py", "a/y.py", "a/z.py"]]


def test_every_public_module_and_function_says_what_it_is() -> None:
    for path in FILES:
        tree = house.tree_of(path)
        assert ast.get_docstring(tree), f"{path} has no docstring"
        for node in tree.body:
            public = isinstance(node, ast.ClassDef) and not node.name.startswith("_")
            if public:
                assert ast.get_docstring(node), f"{path}:{node.lineno} {node.name}"


def test_the_picture_of_the_house_is_what_it_imports() -> None:
    """Else `python tests/draw_house.py`."""
    import draw_house

    page = draw_house.PAGE.read_text("utf-8")
    assert draw_house.BEGIN in page and draw_house.with_picture(page) == page


def test_the_house_is_measured_beside_what_it_was() -> None:
    """Its figures change with every commit, so those of the page are the last written ones."""
    import house_table

    page = house_table.PAGE.read_text("utf-8")
    written = page.partition(house_table.BEGIN)[2].partition(house_table.END)[0]
    measured = {label: (before, now) for label, before, now in house_table.of_the_house()}
    labels = [(label, before) for label, (before, _) in measured.items()]
    labels += [house_table.NAMES, house_table.EQUALITIES]
    assert len(labels) == 14 and all(f"| {a} | {b} |" in written for a, b in labels)
    assert measured["functions over 60 lines"] == ("0", "0")
    assert measured["public functions with a docstring"][1] == "100 %"


def test_an_arrow_that_follows_from_others_is_not_drawn() -> None:
    import draw_house

    found = {"cli": {"run", "data", "words"}, "run": {"data"}, "data": {"words"}, "words": set()}
    assert draw_house.reduced(found) == {
        "cli": {"run"}, "run": {"data"}, "data": set(), "words": set(),
    }  # fmt: skip


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from suretune.cli import main; main(['--help']);"
        " sys.exit(any(m in sys.modules for m in ('torch', 'transformers', 'pyarrow')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("kind", ["long", "hours", "slow"])
def test_every_long_test_is_there(kind: str) -> None:
    """A name in `long_tests.txt` that no file has would leave a test out that nobody misses."""
    from conftest import named

    for name in named(kind):
        file, _, function = name.partition("::")
        text = (Path(__file__).parent / file).read_text("utf-8")
        assert f"def {function.partition('[')[0]}(" in text, name
    assert named("hours") <= named("long")  # else `make test` would run them


def test_the_oldest_libraries_that_are_tried_are_the_oldest_that_are_allowed() -> None:
    root = Path(__file__).parent.parent
    line = re.search(r"^OLDEST := (.*)$", (root / "Makefile").read_text("utf-8"), re.M)
    assert line is not None
    tried = dict(one.split("==") for one in line[1].split())
    allowed = dict(
        re.findall(r'"([\w-]+)>=([\d.]+)"', (root / "pyproject.toml").read_text("utf-8"))
    )
    assert tried.keys() == {"transformers", "huggingface-hub", "tokenizers", "peft"}
    for name, version in tried.items():
        assert version.startswith(allowed[name]), name


def test_nothing_is_imported_from_where_mypy_does_not_look() -> None:
    """All that comes from there would be of any type, and no mistake with it be seen."""
    root = Path(__file__).parent.parent
    text = (root / "pyproject.toml").read_text("utf-8")
    _, _, below = text.partition('[[tool.mypy.overrides]]\nmodule = [\n    "sympy.*"')
    passed_over = re.findall(r'"([\w.]+)\.\*"', below.partition("]")[0])
    assert "torch.fx" in passed_over
    files = [*FILES, *(root / "benchmarks").glob("*.py"), root / "tests" / "api_example.py"]
    pattern = "|".join(map(re.escape, passed_over))
    for path in files:
        assert not re.search(rf"\b({pattern})\b", path.read_text("utf-8")), path


def test_make_quick_begins_with_workers_of_its_own() -> None:
    """What starts a process is skipped there, but not what starts the workers."""
    words = ["-m", "pytest", "-q", "-n", "1", "--quick", "-p", "no:cacheprovider"]
    command = [sys.executable, *words, "tests/test_statistics.py", "-k", "closed_form"]
    done = subprocess.run(command, cwd=HOUSE.parents[1], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
