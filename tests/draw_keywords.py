"""`suretune.Options` from the options: `python tests/draw_keywords.py` writes it anew.

Type checkers read files, not schemas; test_api.py holds the file to the schema.
(PYTHONPATH=src:tests)
"""

from __future__ import annotations

from pathlib import Path

from suretune.api import keywords
from suretune.config import Option, options

FILE = Path(keywords.__file__)
KINDS = {str: "str | PathLike[str]", int: "int", float: "float", bool: "bool"}


def hint(spec: Option) -> str:
    """The type of a keyword argument. A list may be one value, too; None leaves it to suretune."""
    kind = KINDS[spec.kind]
    if spec.choices:
        words = ", ".join(f'"{word}"' for word in spec.choices)
        kind = f"Literal[{words}]"
    many = f"{kind} | Sequence[{kind}]" if spec.many else kind
    return f"{many} | None"


def drawn() -> str:
    """The file as the schema has it: the lines of the class between its head and its end."""
    head, _, _ = FILE.read_text("utf-8").partition("    # by tests/draw_keywords.py")
    lines = [
        f"    {spec.name}: {hint(spec)}"
        for spec in options().values()
        if spec.group in keywords.GROUPS and spec.name not in keywords.APART
    ]
    return "\n".join([f"{head}    # by tests/draw_keywords.py", *lines]) + "\n"


if __name__ == "__main__":
    FILE.write_text(drawn(), "utf-8")
