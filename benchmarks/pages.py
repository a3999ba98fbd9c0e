"""Write the pages of studies again from what their last runs kept, which is how a change of wording is tried.

    python -m benchmarks.pages [STUDY...]    # seconds; without a name all of them

A study is a folder here; its module ``page`` names its :data:`PAGE` and has ``write_page``, and ``draw`` for pictures.
"""

from __future__ import annotations

import argparse
from importlib import import_module
from pathlib import Path

from benchmarks.common.places import RESULTS
from benchmarks.common.results import file_of, read


def studies() -> list[str]:
    """Return the studies whose results are kept."""
    return sorted(file.stem for file in RESULTS.glob("*.json"))


def page_of(study: str) -> Path:
    """Return the page that a study writes, or writes a part of."""
    page = import_module(f"benchmarks.{study}.page").PAGE
    assert isinstance(page, Path)
    return page


def rewrite(study: str, page: Path, *, pictures: bool = True) -> None:
    """Write a page, or its part of one, from kept results.

    Args:
        study: Name of its folder.
        page: Where to; a page that several studies write has to be there.
        pictures: Also draw what it shows, into ``img`` beside the page.
    """
    module, results = import_module(f"benchmarks.{study}.page"), read(file_of(study))
    module.write_page(page, results)
    if pictures and hasattr(module, "draw"):
        module.draw(page.parent / "img", results)


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("studies", nargs="*", metavar="STUDY", help=f"of {', '.join(studies())}")
    chosen = parser.parse_args().studies or studies()
    if unknown := set(chosen) - set(studies()):
        parser.error(f"no results are kept of {', '.join(sorted(unknown))}; there are {', '.join(studies())}")
    for study in chosen:
        page = page_of(study)
        rewrite(study, page)
        print(f"wrote {page}")


if __name__ == "__main__":
    main()
