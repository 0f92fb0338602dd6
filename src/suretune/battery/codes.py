"""Python out of an answer, and made fit for the sandbox in which skills are run.

The sandbox has no imports and few built-ins. Type hints, `print`, examples of use and the small
part of `math` that short functions need are no reason to call an answer wrong, so they are taken
out or put in here; every other import fails there, as it shall.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator

_FENCE = re.compile(
    r"(?:```|~~~)(?:python3?|py)?[ \t]*\n?(.*?)(?:```|~~~|\Z)", re.DOTALL | re.IGNORECASE
)
_INLINE = re.compile(r"`([^`\n]{8,})`")
_BEGINS = re.compile(
    r"[ \t]*(?:def |from \w+ import |import \w|[A-Za-z_]\w* = lambda|[A-Z][A-Z0-9_]* = )"
)
_GOES_ON = re.compile(r"\s|$|def |from |import |@|#|[A-Za-z_][\w.]* ?(?:[-+*/]?=|\()|if __name__")
_PROMPT = re.compile(r"^(?:>>>|\.\.\.) ?", re.MULTILINE)
_WHOLE = """
_made = {name}
def {name}(*given):
    got = _made(*given)
    return {worth} if got.__class__ is {kind} else got
"""
"""[2.0] is equal to [2], so 2.0 is to 2; True is not."""
CUTS = 40  # lines that may be taken off the end until the rest is Python

PROLOGUE = """
def print(*given, **named): return None
def input(*given): return "0"
def type(x): return x.__class__
def next(items): return items.__next__()
def iter(items): return items.__iter__()
def chr(code): return "%c" % code
def ord(sign):
    first, *more = sign.encode()
    code = first & (255 >> len(more) + 2) if more else first
    for byte in more: code = code << 6 | byte & 63
    return code
def _sqrt(x): return float(x) ** 0.5
def _floor(x): return int(x // 1)
def _ceil(x): return -int(-x // 1)
def _isqrt(n):
    root = int(n ** 0.5)
    while root * root > n: root -= 1
    while (root + 1) ** 2 <= n: root += 1
    return root
def _gcd(a, b):
    while b: a, b = b, a % b
    return abs(a)
def _lcm(a, b): return abs(a * b) // _gcd(a, b) if a and b else 0
def _prod(items):
    made = 1
    for item in items: made *= item
    return made
def _factorial(n): return _prod(range(1, n + 1))
def _pow(a, b): return float(a) ** b
def _fabs(x): return abs(float(x))
_pi, _e = 3.141592653589793, 2.718281828459045
"""
MATH = frozenset(
    ["sqrt", "floor", "ceil", "isqrt", "gcd", "lcm", "prod", "factorial", "pow", "fabs", "pi", "e"]
)


def python_of(answer: str, function: str) -> str | None:
    """Code that defines this function, ready to be run; None where the answer has none."""
    for piece in _pieces(answer):
        tree = _parsed(piece)
        if tree is not None and function in _defined(tree):
            return PROLOGUE + ast.unparse(_bare(tree, function))
    return None


def like(code: str, function: str, wanted: object) -> str:
    """The same code, whose function gives a whole number as what is wanted: 2 or 2.0."""
    if isinstance(wanted, float):
        return code + _WHOLE.format(name=function, kind="int", worth="float(got)")
    if type(wanted) is not int:
        return code
    worth = "int(got) if got % 1 == 0 else got"
    return code + _WHOLE.format(name=function, kind="float", worth=worth)


def _pieces(answer: str) -> Iterator[str]:
    """What may be code: fenced blocks, all of them as one, lines among prose, `code in a line`."""
    answer = answer.replace("\u00a0", " ").replace("\r\n", "\n")
    fenced = [found.group(1) for found in _FENCE.finditer(answer)]
    yield from fenced
    if len(fenced) > 1:
        yield "\n".join(fenced)
    yield from _among_prose(_PROMPT.sub("", answer).split("\n"))
    yield from (found.group(1) for found in _INLINE.finditer(answer))


def _among_prose(lines: list[str]) -> Iterator[str]:
    first = next((n for n, line in enumerate(lines) if _BEGINS.match(line)), None)
    if first is None:
        return
    indent = len(lines[first]) - len(lines[first].lstrip())
    taken = []
    for line in lines[first:]:
        if line.strip() and not _GOES_ON.match(line[indent:]):
            break
        taken.append(line)
    yield "\n".join(taken)


def _parsed(code: str) -> ast.Module | None:
    lines = textwrap.dedent(code).strip("\n").split("\n")
    for cut in range(min(CUTS, len(lines))):
        try:
            return ast.parse("\n".join(lines[: len(lines) - cut]))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            continue
    return None


def _defined(tree: ast.Module) -> set[str]:
    names = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
    return names.union(*(_stored(node) for node in tree.body if isinstance(node, ast.Assign)))


def _bare(tree: ast.Module, function: str) -> ast.Module:
    """What the function needs, without type hints, with `math` as the prologue has it.

    Examples of use are left out: they may read input, or names that do not exist.
    """
    tree = _Plain().visit(tree)
    needed = {function}
    kept: list[ast.stmt] = []
    for node in reversed(tree.body):
        defines = isinstance(node, (ast.FunctionDef, ast.Import, ast.ImportFrom))
        if defines or (isinstance(node, ast.Assign) and needed & _stored(node)):
            kept.append(node)
            needed |= _free(node)
    tree.body = kept[::-1]
    return ast.fix_missing_locations(tree)


def _free(tree: ast.AST) -> set[str]:
    """Names that are read there and come from elsewhere."""
    read = {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)
    }
    given = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    return read - given - _stored(tree)


def _stored(tree: ast.AST) -> set[str]:
    return {
        node.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }


class _Plain(ast.NodeTransformer):
    """Takes hints and harmless imports out, and calls of `math` to the prologue."""

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        self.generic_visit(node)
        node.returns = None
        return node

    def visit_arg(self, node: ast.arg) -> ast.AST:
        node.annotation = None
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        self.generic_visit(node)
        if node.value is None:
            return ast.Pass()
        return ast.Assign([node.target], node.value)

    def visit_Import(self, node: ast.Import) -> ast.AST:
        harmless = all(name.name in ("math", "typing") and not name.asname for name in node.names)
        return ast.Pass() if harmless else node

    def visit_ImportFrom(self, node: ast.ImportFrom) -> ast.AST:
        if node.module in ("typing", "__future__", "collections.abc"):
            return ast.Pass()
        if node.module == "math" and all(name.name in MATH for name in node.names):
            names = [ast.Name(name.asname or name.name, ast.Store()) for name in node.names]
            values: list[ast.expr] = [ast.Name(f"_{name.name}", ast.Load()) for name in node.names]
            target: ast.expr = ast.Tuple(list(names), ast.Store())
            return ast.Assign([target], ast.Tuple(values, ast.Load()))
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.value, ast.Name) and node.value.id == "math" and node.attr in MATH:
            return ast.Name(f"_{node.attr}", node.ctx)
        return node
