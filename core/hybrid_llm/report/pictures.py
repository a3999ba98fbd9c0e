"""The pictures of a page: which points, bars and paths they have, and what they say in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.certify import percent
from hybrid_llm.metrics import Curve
from hybrid_llm.report.breakdown import STEPS, GapBar, ScoreBin, TaskRow, calibration_error, gap_bars
from hybrid_llm.report.evaluation import Evaluation
from hybrid_llm.report.figures import tenths
from hybrid_llm.report.levels import OperatingPoint
from hybrid_llm.report.svg import Frame

FloatArray = NDArray[np.float64]

NAMED: Final = (0.99, 0.95, 0.9)
"""Quality levels that stand as points beside the curve."""
_FINE: Final = np.linspace(0.0, 1.0, 201)
_COARSE: Final = np.linspace(0.0, 1.0, 11)
_NAME: Final = 44
"""Characters of a task's name that fit into the picture."""


def curve_picture(evaluation: Evaluation, now: OperatingPoint | None) -> dict[str, Any]:
    """Return the error-cost curve with its band, the quality levels as points, and the same as a table.

    Args:
        evaluation: The curves.
        now: The level that the movable point shows first, if there are levels.
    """
    large = float(evaluation.figures["large_quality"])
    scale, unit = (100 / large, "quality lost (%)") if large > 0 else (100.0, "quality lost (hundredths)")
    losses = {
        name: scale * np.interp(_FINE, c.cost_advantage, c.drop_points) for name, c in _curves(evaluation).items()
    }
    band = evaluation.band
    all_values = [*losses.values(), *([scale * band.low, scale * band.high] if band else [])]
    low, high = min(float(v.min()) for v in all_values), max(float(v.max()) for v in all_values)
    room = 0.06 * max(high - low, 1.0)
    frame = Frame((0.0, 100.0), (low - room, high + room))
    named = [point for quality in NAMED if (point := evaluation.at(quality)) is not None]
    dots = [
        {
            "x": frame.px(100 * point.cost_advantage),
            "y": frame.py(scale * point.drop_points),
            "name": percent(point.quality),
            "certified": point.certified,
            "anchor": "start" if point.cost_advantage < 0.05 else "middle",  # not over the numbers of the axis
        }
        for point in named
    ]
    return {
        "frame": frame,
        "scale": scale,
        "unit": unit,
        "band": frame.area(100 * band.cost_advantage, scale * band.low, scale * band.high) if band else "",
        "lines": [
            {"name": name, "path": frame.line(100 * _FINE, losses[name])}
            for name in ("random", "oracle", "length", "router", "look")
            if name in losses
        ],
        "dots": dots,
        "now": now and {"x": frame.px(100 * now.cost_advantage), "y": frame.py(scale * now.drop_points)},
        "key": _key(evaluation, named, now),
        "rows": _curve_rows(evaluation, scale),
        "description": _curve_words(evaluation, scale),
        "remark": "Below zero the mix of both models is better than large alone." if low < 0 else "",
    }


def _curves(evaluation: Evaluation) -> dict[str, Curve]:
    """Return the curves, that of the second look among them, where there is one."""
    look = {"look": evaluation.looked.curve} if evaluation.looked is not None else {}
    return {**evaluation.curves, **look}


def gap_picture(evaluation: Evaluation) -> dict[str, Any]:
    """Return the histogram of the quality gap H = q(small) - q(large)."""
    bars = gap_bars(evaluation.pair)
    frame = Frame((-1.1, 1.1), (0.0, 100 * max(bar.share for bar in bars) * 1.05))
    middle = bars[STEPS]
    worse = sum(bar.share for bar in bars[:STEPS])
    better = sum(bar.share for bar in bars[STEPS + 1 :])
    pair = evaluation.pair
    return {
        "frame": frame,
        "bars": [_gap_bar(frame, bar) for bar in bars],
        "description": (
            f"{pair.large} is better on {tenths(worse)} of the queries, {pair.small} on {tenths(better)}; both are "
            f"equally good on {tenths(middle.share)}."
        ),
    }


def score_picture(bins: Sequence[ScoreBin]) -> dict[str, Any]:
    """Return what the score says against what was found, bin by bin."""
    low = min(min(one.score, one.interval[0]) for one in bins)
    high = max(max(one.score, one.interval[1]) for one in bins)
    ends = (10.0 * np.floor(min(10 * low, 8.0)), 10.0 * np.ceil(max(10 * high, 10 * low + 2)))
    frame = Frame(ends, ends)
    return {
        "frame": frame,
        "diagonal": frame.line(ends, ends),
        "points": [
            {
                "x": frame.px(100 * one.score),
                "y": frame.py(100 * one.found),
                "low": frame.py(100 * one.interval[0]),
                "high": frame.py(100 * one.interval[1]),
            }
            for one in bins
        ],
        "bins": bins,
        "description": (
            "The score is meant to be the probability that small is good enough. Over the groups of queries below, it "
            f"is off by {100 * calibration_error(list(bins)):.1f} percentage points on average. A threshold does not "
            "need it to be exact, only to put the right queries first."
        ),
    }


def task_picture(rows: Sequence[TaskRow], point: OperatingPoint | None) -> dict[str, Any]:
    """Return the mean quality of both models, task by task."""
    frame = Frame((0.0, 100.0), (0.0, float(len(rows))), height=30 * len(rows) + 56, left=12)
    return {
        "frame": frame,
        "rows": [
            {
                "name": row.name if len(row.name) <= _NAME else row.name[: _NAME - 1] + "…",
                "y": frame.py(len(rows) - i - 0.7),
                "small": frame.px(100 * row.small_quality),
                "large": frame.px(100 * row.large_quality),
            }
            for i, row in enumerate(rows)
        ],
        "table": rows,
        "level": point,
        "description": "A line for each task, from the mean quality of small to that of large.",
    }


def _gap_bar(frame: Frame, bar: GapBar) -> dict[str, Any]:
    middle = (bar.low + bar.high) / 2
    half = 0.03 if bar.low == bar.high else (bar.high - bar.low) / 2 - 0.012
    left, right, top = frame.px(middle - half), frame.px(middle + half), frame.py(100 * bar.share)
    if bar.low == bar.high:
        name, kind = "equal", "even"
    else:
        kind = "behind" if bar.high <= 0 else "ahead"
        name = (
            f"{bar.low:.1f} to below {bar.high:.1f}" if kind == "behind" else f"above {bar.low:.1f} to {bar.high:.1f}"
        )
    return {
        "name": name,
        "kind": kind,
        "count": bar.count,
        "share": bar.share,
        "x": left,
        "y": top,
        "width": round(right - left, 1),
        "height": round(frame.py(0.0) - top, 1),
    }


def _key(evaluation: Evaluation, named: Sequence[OperatingPoint], now: OperatingPoint | None) -> list[tuple[str, str]]:
    found = [("router", "this router")]
    if evaluation.looked is not None:
        found.append(("look", "with a second look at small's answer"))
    if evaluation.band:
        found.append(("band", "its 95 % interval"))
    found += [
        ("length", "by length, shorter ones to small"),
        ("random", "at random"),
        ("oracle", "an oracle that knows both answers"),
    ]
    if any(not point.certified for point in named):
        found.append(("dot", "measured level"))
    if any(point.certified for point in named):
        found.append(("sure", "certified level"))
    return [*found, ("now", "the level chosen")] if now else found


def _curve_rows(evaluation: Evaluation, scale: float) -> list[dict[str, Any]]:
    curves, band = _curves(evaluation), evaluation.band

    def written(share: float, name: str) -> str:
        return f"{scale * curves[name].drop_points_at(share):.1f}"

    rows: list[dict[str, Any]] = []
    for share in _COARSE:
        row: dict[str, Any] = {"share": float(share), **{name: written(float(share), name) for name in curves}}
        if band is not None:
            ends = (np.interp(share, band.cost_advantage, end) for end in (band.low, band.high))
            row["interval"] = " to ".join(f"{scale * end:.1f}" for end in ends)
        rows.append(row)
    return rows


def _curve_words(evaluation: Evaluation, scale: float) -> str:
    unit = "percent of the quality of large" if evaluation.figures["large_quality"] > 0 else "hundredths of a point"
    said = ", ".join(
        f"{scale * evaluation.curves['router'].drop_points_at(share):.1f} with {percent(share)} sent to small"
        for share in (0.2, 0.4, 0.6, 0.8, 1.0)
    )
    return f"The router loses, in {unit}: {said}. The table has the other lines."
