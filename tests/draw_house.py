"""The picture of docs/architecture.md, from the imports: `python tests/draw_house.py` writes it.

A box is a room, a row of boxes a floor, an arrow "imports". What follows from other arrows is left
out, and so is the ground that everybody stands on; an arrow that a room has only inside functions
or for types counts like any other. test_house.py holds the picture to the imports, whatever they
become. (PYTHONPATH=src:tests)
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from pathlib import Path

import house
from test_house import FLOORS

PAGE = Path(__file__).parent.parent / "docs" / "architecture.md"
BEGIN, END = "<!-- picture: house -->", "<!-- end of the picture -->"
GROUND = 1  # the highest floor of single files


def arrows() -> dict[str, set[str]]:
    """room -> rooms that its files import, at their heads and inside functions; without itself."""
    found: dict[str, set[str]] = {}
    for file, tree in house.trees().items():
        room = file.partition("/")[0].removesuffix(".py")
        if room == "__init__":
            continue
        mine = found.setdefault(room, set())
        for node in house.nodes(tree):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            for name in names:
                package, _, rest = name.partition(".")
                other = rest.partition(".")[0]
                if package == "suretune" and other in FLOORS and other != room:
                    mine.add(other)
    return found


def reduced(found: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Without arrows that follow from others; rooms of the ground are nobody's arrow."""
    high = {room: {o for o in others if FLOORS[o] > GROUND} for room, others in found.items()}

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        todo = list(high[start])
        while todo:
            room = todo.pop()
            if room not in seen:
                seen.add(room)
                todo += high[room]
        return seen

    return {
        room: {o for o in others if not any(o in reached(p) for p in others - {o})}
        for room, others in high.items()
    }


def drawn() -> str:
    """The picture as mermaid, which GitHub and most editors show."""
    folders = {file.partition("/")[0] for file in house.trees() if "/" in file}
    lines = ["```mermaid", "flowchart TB"]
    for floor in sorted(set(FLOORS.values()), reverse=True):
        rooms = sorted(room for room, at in FLOORS.items() if at == floor)
        lines.append(f'  subgraph floor{floor}["floor {floor}"]')
        if floor > GROUND:
            lines += [f'    {r}["{r}{"/" if r in folders else ""}"]' for r in rooms]
        else:
            several = [f"{room}/" if room in folders else room for room in rooms]
            lines.append(f'    ground{floor}["{" · ".join(several)}"]')
        lines.append("  end")
    for room, others in sorted(reduced(arrows()).items()):
        if FLOORS[room] > GROUND:
            lines += [f"  {room} --> {other}" for other in sorted(others)]
            if not others:
                lines.append(f"  {room} --> ground1")
    return "\n".join([*lines, "  ground1 --> ground0", "```"])


def with_picture(page: str) -> str:
    """The page with the picture as it is now."""
    between = re.compile(re.escape(BEGIN) + r".*?" + re.escape(END), re.DOTALL)
    return between.sub(lambda _: f"{BEGIN}\n{drawn()}\n{END}", page)


if __name__ == "__main__":
    PAGE.write_text(with_picture(PAGE.read_text("utf-8")), "utf-8")
