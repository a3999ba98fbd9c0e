"""What the commands print: tables and JSON on standard output, everything else on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import typer

if TYPE_CHECKING:
    from hybrid_llm.calibration import Calibration
    from hybrid_llm.report import Looked
    from hybrid_llm.router import Router
    from hybrid_llm.scoring import Progress

QUALITIES: Final = (0.99, 0.95, 0.90)
"""The quality levels whose thresholds are printed."""
_ROOM: Final = 20
"""Columns that a running text gets at least."""


def say(text: str) -> None:
    """Write a line for people to standard error."""
    typer.echo(text, err=True)


def print_json(value: Any) -> None:
    """Write one JSON value, in ASCII, so that no pipe can garble it."""
    typer.echo(json.dumps(value, indent=2, allow_nan=False))


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, texts: Sequence[int] = (), err: bool = False
) -> None:
    """Write a table as wide as the terminal; a number is never cut, so that on a narrow one lines are longer.

    Args:
        columns: Headings.
        rows: Cells, never read as markup.
        texts: Numbers of the columns that hold running text: aligned left, and cut where the line would be too long.
        err: Whether it is for people alone, on standard error.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console(highlight=False, stderr=err)
    fixed = sum(
        2 + max(len(name), *(len(row[i]) for row in rows), 0) for i, name in enumerate(columns) if i not in texts
    )
    room = max(_ROOM, (console.width - fixed) // max(1, len(texts)))
    console.width = max(console.width, fixed + (2 + _ROOM) * len(texts))
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for i, name in enumerate(columns):
        table.add_column(name, justify="left" if i in texts else "right", no_wrap=True)
    for row in rows:
        cells = [Text(printable(cell)) for cell in row]
        for i in texts:
            cells[i].truncate(room, overflow="ellipsis")
        table.add_row(*cells)
    console.print(table)


def printable(text: str) -> str:
    """Return a text on one line, without characters that would steer the terminal."""
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))


@contextmanager
def progress(wanted: bool = True) -> Iterator[Progress]:
    """Show how far a command is: a bar on standard error, gone at the end, and only where somebody looks at it.

    Args:
        wanted: False shows nothing, for all but the first of several processes.
    """
    if not (wanted and sys.stderr.isatty()):
        yield lambda what, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[count]}"), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=None, count="")

        def show(what: str, done: int, total: int) -> None:
            count = f"{done:,}/{total:,}" if total else ""
            bar.update(task, description=what, completed=done, total=total or None, count=count)

        yield show


def thresholds_of(calibration: Calibration) -> list[dict[str, float]]:
    """Return the measured thresholds at :data:`QUALITIES`, as JSON values."""
    from dataclasses import asdict

    from hybrid_llm.level import Level

    return [{"quality": quality, **asdict(calibration.cut(Level("quality", quality)))} for quality in QUALITIES]


def print_thresholds(calibration: Calibration) -> None:
    """Write what the quality levels mean for a pair."""
    from hybrid_llm.certify import percent

    columns = ("quality", "threshold", f"to {calibration.small}", "measured drop", "in points")
    rows = [
        (
            f"{cut['quality']:g}",
            f"{cut['threshold']:.4f}",
            percent(cut["cost_advantage"]),
            percent(cut["drop"]),
            f"{cut['drop_points']:.4f}",
        )
        for cut in thresholds_of(calibration)
    ]
    print_table(columns, rows)


def print_figures(found: Mapping[str, Any], small: str, large: str) -> None:
    """Write what :func:`hybrid_llm.metrics.evaluate` found.

    Args:
        found: The figures, with ``random``, ``oracle`` and perhaps ``ci``.
        small: Name of the small model.
        large: Name of the large model.
    """
    from hybrid_llm.report import LEGEND, figure_columns, figure_rows

    means = f"{small} {found['small_quality']:.3f}, {large} {found['large_quality']:.3f}"
    typer.echo(f"{found['n']:,} queries. Mean quality: {means}.\n")
    print_table(figure_columns(found), figure_rows(found), texts=(0,))
    typer.echo("\n" + "\n".join(LEGEND))


def print_look(looked: Looked) -> None:
    """Write what a second look is worth beside the query alone.

    Args:
        looked: The look on the rows.
    """
    from hybrid_llm.certify import percent
    from hybrid_llm.report import LEGEND, figure_columns, figure_rows

    found = looked.figures
    print_table(figure_columns(found), figure_rows(found), texts=(0,))
    both = ", ".join(f"{percent(share)} at {percent(float(drop))}" for drop, share in looked.both_run_at_drop.items())
    typer.echo(f"\nBoth models run, at a drop of so much: {both}.\n" + "\n".join(LEGEND[:1]))


def print_look_levels(router: Router) -> None:
    """Write what the quality levels mean with a second look, where the router has one that was measured."""
    from hybrid_llm.certify import percent
    from hybrid_llm.level import Level

    look = router.second_look
    measured = look.paths[look.columns].calibration if look is not None else None
    if look is None or measured is None:
        return
    cuts = [(quality, measured.cut(Level("quality", quality))) for quality in QUALITIES]
    rows = [
        (f"{quality:g}", percent(cut.cost_advantage), percent(cut.both_run), percent(cut.drop or 0.0))
        for quality, cut in cuts
    ]
    seen = ", ".join(name.removeprefix("agreement:") for name in look.columns if name != "query")
    typer.echo(f"\nWith a second look ({seen}), measured on {measured.n:,} answers and not certified:")
    print_table(("quality", f"{look.bound.small} kept", "both run", "measured drop"), rows)
