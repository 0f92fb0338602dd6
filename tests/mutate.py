"""Mutants of what decides, and whether a test notices: `python tests/mutate.py [--minutes M]`.

One place of a file at a time is changed: a comparison, a condition, and / or, a dropped `not`, a
sum, a number, a truth, a return, min / max, any / all. For each file its fast tests are collected
and run once, with a look at which of them come to which line. Each mutant is a fork of that: the
changed code takes the place of the functions' own, and the tests that come to its line run on it,
the fastest first, until one fails. What is no function's (a constant, a default) is imported anew
under all tests that come to the file. The order is drawn by the seed. (PYTHONPATH=src:tests)
"""

from __future__ import annotations

import argparse
import ast
import copy
import gc
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import random
import signal
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import CodeType, FrameType, FunctionType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LONGEST = 120  # seconds; a mutant that hangs is noticed
PATIENCE = 10  # times what its tests take without a change, and seconds on top
PASSED, NOTICED, UNSEEN, FAULT = 0, 1, 2, 70  # what a fork says
ENDS = (1, 2, 4)  # pytest's, where tests fail, where a file or `conftest.py` cannot be imported
LOOKS = 200_000  # lines of a test that are looked at: a simulation comes to the same ones again
OPTIMIZED = 2  # flag of a function's code, which a module's and a class's do not have
KEPT = (
    "not changes_nothing and not judges_it_again and not ruined and not odd_and and not fair_sample"
)
SPIKES = (
    "leaves_the_ground or never_diverges or rows_enough or of_a_few_updates or no_snapshot"
    " or hard_before or test_spikes"
)
# file: what notices, in the order of what a wrong decision costs. Each of these runs in seconds.
NAMED: Mapping[str, Sequence[str]] = {
    "verify/kept.py": ("tests/test_kept.py", "-k", KEPT),
    "verify/leaks.py": ("tests/test_leaks.py", "tests/test_kept.py", "-k", KEPT),
    "statistics.py": ("tests/test_statistics.py", "tests/test_kept.py", "-k", KEPT),
    "run/evaluate.py": ("tests/test_effects.py", "tests/test_proving.py", "tests/test_dose.py",
                        "tests/test_way.py", "-k", "test_way or within_every_bound or best_is"
                        " or what_passed or settle or confirm or falls_until or room_is_wanted"
                        " or compared_with_none or judge_of_the or evaluat or on_the_way"),
    "run/dose.py": ("tests/test_dose.py", "-k", "not killed and not published and not trained"
                    " and not r001 and not run_says and not asks_twice"),
    "train/rollback.py": ("tests/test_recovery.py", "tests/test_spikes.py", "-k",
                          f"{SPIKES} or everything_back[2]"),
    "train/spikes.py": ("tests/test_recovery.py", "tests/test_spikes.py", "-k", SPIKES),
    "train/loop.py": ("tests/test_laws.py", "tests/test_recovery.py", "tests/test_loop.py", "-k",
                      "test_loop or refused_update or weights_scale or clipping_leaves or halving"
                      " or all_left_out or everything_back[2] or changes_nothing[False]"),
    "data/plan.py": ("tests/test_plan.py", "tests/test_plan_by_hand.py"),
    "verify/outcome.py": ("tests/test_outcome.py", "tests/test_report.py",
                          "tests/test_reported.py"),
    "guards/guard.py": ("tests/test_guards.py",),
    "data/choose.py": ("tests/test_choose.py",),
    "verify/probes.py": ("tests/test_probes.py", "tests/test_probefile.py",
                         "tests/test_paraphrase.py", "tests/test_anchors.py", "-k",
                         "not hangs and not in_time"),
    "verify/signs.py": ("tests/test_signs.py",),
    "verify/compare.py": ("tests/test_compare.py",),
    "preflight/check.py": ("tests/test_check.py", "tests/test_collect.py", "tests/test_apart.py",
                           "tests/test_own_names.py", "tests/test_advice.py",
                           "tests/test_paraphrase.py", "tests/test_anchors.py",
                           "tests/test_as_written.py", "-k", "not hangs and not in_time"),
    "run/budget.py": ("tests/test_budget.py",),
    "verify/general.py": ("tests/test_general.py",),
    "run/fit.py": ("tests/test_fit.py", "tests/test_effects.py", "tests/test_proving.py",
                   "tests/test_kill.py", "-k", "test_fit or gradient_checkpointing or fp8"
                   " or does_not_settle or nohup"),
}  # fmt: skip
FLIPS: Mapping[type[Any], type[Any]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.Is: ast.IsNot, ast.IsNot: ast.Is,
    ast.And: ast.Or, ast.Or: ast.And, ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div,
    ast.Div: ast.Mult,
}  # fmt: skip
CALLS = {"min": "max", "max": "min", "any": "all", "all": "any"}
WHETHER = (ast.If, ast.IfExp, ast.While)
BARE = (ast.Name, ast.Attribute, ast.Call)  # a condition that no other kind changes


def places(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node that can be changed: not what types, decorators and docstrings say."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.AnnAssign) and node.value is not None:
            yield from places(node.value)
            continue
        if isinstance(node, (ast.arg, ast.AnnAssign)) or node in getattr(
            tree, "decorator_list", ()
        ):
            continue
        if node is getattr(tree, "returns", None) or isinstance(node, ast.JoinedStr):
            continue
        if isinstance(node, ast.keyword) and node.arg == "strict":  # holds lists to each other
            continue
        if changed(shallow(node)):
            yield node
        yield from places(node)


def shallow(node: ast.AST) -> ast.AST:
    """A copy that can be changed without the node's own; of what lies deeper nothing is copied."""
    twin = copy.copy(node)
    for name, value in ast.iter_fields(node):
        setattr(twin, name, copy.copy(value) if isinstance(value, (list, ast.AST)) else value)
    return twin


def changed(node: ast.AST) -> str:
    """Change this node where it stands, and say how; empty where there is nothing to change."""
    if isinstance(node, ast.Compare) and type(node.ops[0]) in FLIPS:
        node.ops[0] = FLIPS[type(node.ops[0])]()
        return "comparison"
    if isinstance(node, (ast.BoolOp, ast.BinOp)) and type(node.op) in FLIPS:
        node.op = FLIPS[type(node.op)]()
        return "operator"
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        node.operand = ast.UnaryOp(ast.Not(), node.operand)
        return "not"
    if isinstance(node, ast.Constant) and isinstance(node.value, (bool, int, float)):
        value = node.value
        node.value = not value if isinstance(value, bool) else value + 1 if value < 2 else value * 2
        return "constant"
    if isinstance(node, ast.Return) and node.value is not None:
        if isinstance(node.value, ast.Constant):
            return ""
        node.value = ast.Constant(None)
        return "return"
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
        node.func = ast.Name(CALLS[node.func.id], ast.Load())
        return "call"
    if isinstance(node, WHETHER) and isinstance(node.test, BARE):
        node.test = ast.UnaryOp(ast.Not(), node.test)
        return "condition"
    if isinstance(node, ast.comprehension) and any(isinstance(one, BARE) for one in node.ifs):
        node.ifs = [ast.UnaryOp(ast.Not(), one) for one in node.ifs]
        return "condition"
    return ""


@dataclass(frozen=True)
class Mutant:
    """One change of a file."""

    file: str
    number: int  # of the place

    @cached_property
    def _made(self) -> tuple[ast.Module, str, range]:
        tree = ast.parse(source_of(self.file))
        node = list(places(tree))[self.number]
        before, kind_of = ast.unparse(node), node
        if isinstance(node, ast.comprehension):
            kind_of = node.iter
        first = getattr(kind_of, "lineno", 0)
        last = first if isinstance(node, WHETHER) else getattr(kind_of, "end_lineno", first)
        kind = changed(node)
        after = ast.unparse(ast.fix_missing_locations(tree) and node)
        what = f"{self.file}:{first} {kind}: {before} -> {after}"
        return tree, " ".join(what.split()), range(first, last + 1)

    @property
    def tree(self) -> ast.Module:
        return self._made[0]

    @property
    def what(self) -> str:
        return self._made[1]

    @property
    def lines(self) -> range:
        return self._made[2]


def path_of(file: str) -> Path:
    return ROOT / "src" / "suretune" / file


def source_of(file: str) -> str:
    return path_of(file).read_text("utf-8")


def mutants(file: str) -> list[Mutant]:
    """Of every place of a file."""
    return [Mutant(file, number) for number, _ in enumerate(places(ast.parse(source_of(file))))]


# --- one changed module, imported anew ------------------------------------------------------------


class Instead(importlib.abc.MetaPathFinder):
    """Imports a tree in place of one module's source."""

    def __init__(self, file: str, tree: ast.Module) -> None:
        self.path, self.tree = path_of(file), tree
        self.name = "suretune." + file.removesuffix(".py").replace("/", ".")

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name != self.name:
            return None
        tree, where = self.tree, str(self.path)

        class Loader(importlib.machinery.SourceFileLoader):
            def get_code(self, fullname: str) -> CodeType:
                return compile(tree, where, "exec", dont_inherit=True)

        return importlib.util.spec_from_file_location(name, where, loader=Loader(name, where))


def status_of(act: Callable[[], int], longest: float) -> int:
    """What `act` gives in a fork; `NOTICED` where it comes to no end, `FAULT` where it raises."""
    child = os.fork()
    if not child:
        status = FAULT
        try:
            os.setpgid(0, 0)
            status = act()
        finally:
            os._exit(status)
    end = time.monotonic() + longest
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.005)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return NOTICED


def suite(tests: Sequence[str], *plugins: object) -> int:
    """These tests, up to the first that fails, in silence."""
    import pytest

    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(1, 2)
    words = ["-x", "-q", "-p", "no:cacheprovider", "-m", "not long", *tests]
    return int(pytest.main(words, plugins=list(plugins)))


def noticed_anew(mutant: Mutant, tests: Sequence[str]) -> bool:
    """Whether a test fails on it, or comes to no end, where it is imported from the beginning."""

    def act() -> int:
        sys.meta_path.insert(0, Instead(mutant.file, mutant.tree))
        return suite(tests)

    status = status_of(act, LONGEST)
    if status not in (PASSED, *ENDS):
        sys.exit(f"{mutant.what}: cannot be tried")
    return status != PASSED


# --- one changed function, among tests that are collected -----------------------------------------


def pairs(old: CodeType, new: CodeType) -> Iterator[tuple[CodeType, CodeType]]:
    """Both, and what they hold, side by side."""
    yield old, new
    held = [[one for one in code.co_consts if isinstance(one, CodeType)] for code in (old, new)]
    if len(held[0]) == len(held[1]):  # a return of nothing holds nothing
        for mine, other in zip(*held, strict=True):
            yield from pairs(mine, other)


def own(code: CodeType) -> tuple[object, ...]:
    """What is of this code alone, not of the functions in it."""
    told = [repr(one) for one in code.co_consts if not isinstance(one, CodeType)]
    return code.co_code, told, code.co_names


def swaps(mutant: Mutant) -> dict[CodeType, CodeType] | None:
    """The changed functions; None where something else is changed."""
    where = str(path_of(mutant.file))
    whole = compile(source_of(mutant.file), where, "exec", dont_inherit=True)
    both = list(pairs(whole, compile(mutant.tree, where, "exec", dont_inherit=True)))
    for old, new in both:
        if not old.co_flags & OPTIMIZED and own(old) != own(new):
            return None
    return {old: new for old, new in both if old != new and old.co_flags & OPTIMIZED}


def functions(where: str) -> list[FunctionType]:
    """Those of a module that are there, what keeps results emptied of them."""
    gc.unfreeze()
    found = []
    for one in gc.get_objects():
        if isinstance(one, FunctionType) and one.__code__.co_filename == where:
            found.append(one)
    for one in gc.get_objects():
        if hasattr(type(one), "cache_clear") and getattr(one, "__wrapped__", None) in found:
            one.cache_clear()
    gc.collect()
    gc.freeze()  # no fork looks at all of it again
    return found


def swap(mutant: Mutant, there: Sequence[FunctionType]) -> bool:
    """Give every function of the module its changed code; whether that was possible."""
    instead = swaps(mutant)
    if instead is None:
        return False
    mine = [(one, instead[one.__code__]) for one in there if one.__code__ in instead]
    for one, new in mine:
        if len(new.co_freevars) != len(one.__code__.co_freevars):
            return False
        one.__code__ = new
    return bool(mine)


class Trials:
    """A plugin: in place of the run of the tests, the mutants' forks; each verdict is a line."""

    def __init__(self, file: str, tried: Iterator[Mutant], told: int) -> None:
        self.where, self.tried, self.told = str(path_of(file)), tried, told
        self.lines: dict[str, set[int]] = defaultdict(set)  # that a test comes to
        self.seconds: dict[str, float] = {}

    def pytest_runtestloop(self, session: Any) -> bool:
        """`tried` gives the next mutant for as long as there is time."""
        items = [item for item in session.items if self._passes(item, session)]
        items.sort(key=lambda item: self.seconds[item.nodeid])
        there = functions(self.where)
        items = self._twice(items)
        self._tell([one.nodeid for one in items])
        for mutant in self.tried:
            mine = [one for one in items if not self.lines[one.nodeid].isdisjoint(mutant.lines)]
            if mine:
                longest = PATIENCE * (1 + sum(self.seconds[one.nodeid] for one in mine))
                status = status_of(lambda mine=mine, one=mutant: on(one, there, mine), longest)
            else:  # no test comes to that line of a function, or it is none's
                status = UNSEEN if swaps(mutant) is None else PASSED
            self._tell([mutant.number, status])
        return True

    def _twice(self, items: Sequence[Any]) -> list[Any]:
        """Those that pass a second time, too: some change what they are given."""
        read, write = os.pipe()

        def act() -> int:
            for place, item in enumerate(items):
                if self.lines[item.nodeid] and not any(one.failed for one in run(item, None)):
                    os.write(write, f"{place}\n".encode())
            return PASSED

        status_of(act, PATIENCE * (1 + sum(self.seconds.values())))
        os.close(write)
        with open(read, encoding="utf-8") as lines:
            return [items[int(line)] for line in lines]

    def _tell(self, what: Sequence[object]) -> None:
        os.write(self.told, f"{json.dumps(what)}\n".encode())

    def _passes(self, item: Any, session: Any) -> bool:
        """Run it once as it is, and see where it comes to."""
        mine, where, seen = self.lines[item.nodeid], self.where, list[int]()

        def look(frame: FrameType, kind: str, _: object) -> Any:
            if frame.f_code.co_filename != where:
                return None
            mine.add(frame.f_lineno)
            seen.append(0)
            if len(seen) > LOOKS:
                sys.settrace(None)
            return look

        begin = time.monotonic()
        threading.settrace(look)
        sys.settrace(look)
        try:
            after = session.items.index(item) + 1
            reports = run(item, session.items[after] if after < len(session.items) else None)
        finally:
            sys.settrace(None)
            threading.settrace(None)  # type: ignore[arg-type]
        self.seconds[item.nodeid] = time.monotonic() - begin
        if any(one.failed for one in reports):
            raise AssertionError(f"{item.nodeid} fails without any change")
        return all(one.passed for one in reports)


def run(item: Any, then: Any) -> Any:
    from _pytest.runner import runtestprotocol

    return runtestprotocol(item, log=False, nextitem=then)


def on(mutant: Mutant, there: Sequence[FunctionType], items: Sequence[Any]) -> int:
    """Whether they notice it; `UNSEEN`: not in this way."""
    if not swap(mutant, there):
        return UNSEEN
    for item, then in zip(items, [*items[1:], None], strict=True):
        try:
            failed = any(one.failed for one in run(item, then))
        except BaseException:  # the end of a process, too
            return NOTICED
        if failed:
            return NOTICED
    return PASSED


def lines_of(file: str, tried: Iterator[Mutant]) -> Iterator[list[Any]]:
    """The tests that come to the file, then (number, status) of each mutant; nothing where the
    tests fail by themselves."""
    read, write = os.pipe()
    child = os.fork()
    if not child:
        os.close(read)
        try:
            suite(NAMED[file], Trials(file, tried, write))
        finally:
            os._exit(0)
    os.close(write)
    with open(read, encoding="utf-8") as lines:
        yield from map(json.loads, lines)
    os.waitpid(child, 0)


# --- all of them ----------------------------------------------------------------------------------


def tell(file: str, queue: Sequence[Mutant], end: float, of: int) -> None:
    """Try, and tell what survives."""

    def tried() -> Iterator[Mutant]:
        for mutant in queue:
            if time.monotonic() < end:
                yield mutant

    known, count, lived, begun = {one.number: one for one in queue}, 0, 0, time.monotonic()
    lines = lines_of(file, tried())
    tests = next(lines, None)
    if tests is None:
        sys.exit(f"{file}: its tests fail without any change")
    for number, status in lines:
        count += 1
        if status == FAULT:
            sys.exit(f"{known[number].what}: cannot be tried")
        if status == PASSED or (status == UNSEEN and not noticed_anew(known[number], tests)):
            lived += 1
            print(f"survived  {known[number].what}", flush=True)
    seconds = time.monotonic() - begun
    print(f"{file}: {count} tried of {of}, {lived} survived, {seconds:.0f} s", flush=True)


def main() -> None:
    """Draw, try, tell."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--minutes", type=float, default=30, help="for all files together")
    asked.add_argument("--amount", type=int, help="of mutants of a file; else all")
    asked.add_argument("--seed", type=int, default=1)
    asked.add_argument("--only", choices=NAMED, action="append")
    asked.add_argument("--those", type=Path, help="only what this output says has survived")
    how = asked.parse_args()
    os.chdir(ROOT)
    import peft
    import pytest
    import torch
    import transformers

    torch.set_num_threads(1)  # a pool of threads does not outlive a fork
    print(f"{pytest.__name__}, {peft.__name__}, {transformers.__name__} are loaded", flush=True)
    files, begun = how.only or list(NAMED), time.monotonic()
    for place, file in enumerate(files, 1):
        queue = mutants(file)
        of = len(queue)
        random.Random(how.seed).shuffle(queue)
        if how.those:
            lines = how.those.read_text("utf-8").splitlines()
            lived = {line.removeprefix("survived  ") for line in lines}
            queue = [one for one in queue if one.what in lived]
        end = begun + 60 * how.minutes * place / len(files)
        if queue := queue[: how.amount]:
            tell(file, queue, end, of)


if __name__ == "__main__":
    main()
