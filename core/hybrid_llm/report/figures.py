"""The figures of a router in words, beside random routing and an oracle: for a terminal and for a page."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from hybrid_llm.certify import percent

Write = Callable[[float], str]

LEGEND: Final = (
    "AUC: of the score for small being as good. APGR: the gap recovered, averaged over all shares of large calls.",
    "CPT: the share of large calls that recovers so much of the gap. Shares of queries go to small.",
)


def figure_columns(found: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """Return the headings over :func:`figure_rows`."""
    return ("figure", "router [95 % interval]" if found.get("ci") else "router", "random", "oracle")


def figure_rows(found: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """Return what :func:`hybrid_llm.metrics.evaluate` found as cells: the figure, the router's, random's, the oracle's.

    Args:
        found: The figures, with ``random``, ``oracle`` and perhaps ``ci``.
    """
    intervals = found.get("ci")
    return [
        (
            name,
            _cell(write, _at(found, path), _at(intervals, path) if intervals else None),
            _cell(write, _at(found["random"], path)),
            _cell(write, _at(found["oracle"], path)),
        )
        for name, path, write in _figures(found)
    ]


def tenths(share: float) -> str:
    """Write a fraction as a percentage with one decimal, for columns: 0.05 -> "5.0 %"."""
    return f"{100 * share:.1f} %"


def _figures(found: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...], Write]]:
    """Yield the name of each figure, where it stands, and how to write it."""
    yield "AUC", ("auc",), "{:.3f}".format
    yield "APGR", ("apgr",), "{:.3f}".format
    yield "CPT(50 %)", ("cpt50",), tenths
    yield "CPT(80 %)", ("cpt80",), tenths
    for share in found["drop_at_cost_advantage"]:
        yield f"drop with {percent(float(share))} to small", ("drop_at_cost_advantage", share), tenths
        yield "the same in points", ("drop_points_at_cost_advantage", share), "{:.4f}".format
    for limit in found["cost_advantage_at_drop"]:
        yield f"to small at a drop of {percent(float(limit))}", ("cost_advantage_at_drop", limit), tenths


def _at(figures: Any, path: Sequence[str]) -> Any:
    for key in path:
        figures = figures[key]
    return figures


def _cell(write: Write, value: float | None, interval: Sequence[float] | None = None) -> str:
    if value is None:
        return "-"
    return write(value) + (f" [{write(interval[0])}, {write(interval[1])}]" if interval else "")
