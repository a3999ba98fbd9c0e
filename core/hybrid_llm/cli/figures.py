"""The figures of ``hybrid-llm evaluate`` as a table for people."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import typer

from hybrid_llm.cli.output import print_table

Write = Callable[[float], str]


def print_figures(found: Mapping[str, Any], small: str, large: str) -> None:
    """Write what :func:`hybrid_llm.metrics.evaluate` found.

    Args:
        found: The figures, with ``random``, ``oracle`` and perhaps ``ci``.
        small: Name of the small model.
        large: Name of the large model.
    """
    typer.echo(
        f"{found['n']:,} queries. Mean quality: {small} {found['small_quality']:.3f}, {large} "
        f"{found['large_quality']:.3f}.\n"
    )
    intervals = found.get("ci")
    heading = "router [95 % interval]" if intervals else "router"
    rows = [
        (
            name,
            _cell(write, _at(found, path), _at(intervals, path) if intervals else None),
            _cell(write, _at(found["random"], path)),
            _cell(write, _at(found["oracle"], path)),
        )
        for name, path, write in _figures(found)
    ]
    print_table(("figure", heading, "random", "oracle"), rows, texts=(0,))
    typer.echo(
        "\nAUC: of the score for small being as good. APGR: the gap recovered, averaged over all shares of large "
        "calls.\nCPT: the share of large calls that recovers so much of the gap. Shares of queries go to small."
    )


def _figures(found: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...], Write]]:
    """Yield the name of each figure, where it stands, and how to write it."""
    from hybrid_llm.certify import percent

    yield "AUC", ("auc",), "{:.3f}".format
    yield "APGR", ("apgr",), "{:.3f}".format
    yield "CPT(50 %)", ("cpt50",), _percent
    yield "CPT(80 %)", ("cpt80",), _percent
    for share in found["drop_at_cost_advantage"]:
        yield f"drop with {percent(float(share))} to small", ("drop_at_cost_advantage", share), _percent
        yield "the same in points", ("drop_points_at_cost_advantage", share), "{:.4f}".format
    for limit in found["cost_advantage_at_drop"]:
        yield f"to small at a drop of {percent(float(limit))}", ("cost_advantage_at_drop", limit), _percent


def _at(figures: Any, path: Sequence[str]) -> Any:
    for key in path:
        figures = figures[key]
    return figures


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _cell(write: Write, value: float | None, interval: Sequence[float] | None = None) -> str:
    if value is None:
        return "-"
    return write(value) + (f" [{write(interval[0])}, {write(interval[1])}]" if interval else "")
