"""Draw the map of the core's rooms in CONTRIBUTING.md, from the floors that tests/test_imports.py holds.

python -m tools.rooms writes it; a test compares it, so that the map cannot lie.
"""

from __future__ import annotations

import ast
import sys

from tests.test_imports import CORE, FLOORS, ROOT

PAGE = ROOT / "CONTRIBUTING.md"
BEGIN, END = "<!-- rooms: python -m tools.rooms -->\n", "<!-- /rooms -->"


def drawn() -> str:
    """Return the map: a line for each room, the top floor first, with the first line of its docstring."""
    lines = ["| floor | room | what it is for |", "|---|---|---|"]
    for floor, rooms in reversed(list(enumerate(FLOORS))):
        lines += [f"| {floor if room == rooms[0] else ''} | `{room}` | {purpose_of(room)} |" for room in rooms]
    return "\n".join(lines) + "\n"


def purpose_of(room: str) -> str:
    """Return the first line of a room's docstring."""
    file = CORE / room / "__init__.py"
    source = file if file.exists() else CORE / f"{room}.py"
    text = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8")))
    assert text, f"{source} has no docstring"
    return text.splitlines()[0].replace("``", "`")


def with_map(page: str) -> str:
    """Return the page with the map as it is now."""
    before, rest = page.split(BEGIN)
    return before + BEGIN + drawn() + END + rest.split(END, 1)[1]


def main() -> int:
    """Write the map; exit with 1 if it was another one, as a hook before a commit should."""
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(with_map(page), encoding="utf-8")
    return int(with_map(page) != page)


if __name__ == "__main__":
    sys.exit(main())
