"""What CONTRIBUTING.md and the Makefile say of themselves is so."""

from __future__ import annotations

import re

from tests.test_imports import ROOT
from tools.rooms import PAGE, with_map

MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
CONTRIBUTING = PAGE.read_text(encoding="utf-8")


def test_the_map_of_the_rooms_is_drawn_from_the_floors() -> None:
    assert with_map(CONTRIBUTING) == CONTRIBUTING, "draw it again: python -m tools.rooms"


def test_every_make_command_that_is_named_exists() -> None:
    named = re.findall(r"make ([a-z-]+)  ", MAKEFILE + CONTRIBUTING)
    targets = re.findall(r"^([a-z-]+):", MAKEFILE, flags=re.MULTILINE)
    assert len(named) > 8
    assert set(named) <= set(targets)


def test_every_link_leads_somewhere() -> None:
    pages = [PAGE, ROOT / "RELEASING.md"]
    targets = [target for page in pages for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8"))]
    assert targets
    assert all((ROOT / target).exists() for target in targets)
