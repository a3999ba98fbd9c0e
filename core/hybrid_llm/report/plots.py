"""The error-cost curve: what the quality loses for what the bill saves."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from hybrid_llm.errors import HybridLLMError, MissingExtraError

if TYPE_CHECKING:
    from hybrid_llm.metrics import Curve
    from hybrid_llm.report.evaluation import Band
    from hybrid_llm.report.levels import OperatingPoint

FORMATS: Final = (".png", ".svg", ".pdf")
_STYLES: Final[dict[str, dict[str, Any]]] = {
    "length": {"color": "#a3541a", "linestyle": "-.", "linewidth": 1.2},
    "random": {"color": "#7f7f7f", "linestyle": "--", "linewidth": 1.2},
    "oracle": {"color": "#2a9d5c", "linestyle": ":", "linewidth": 1.6},
}
_COLOURS: Final = ("#1f5fa8", "#d1662a", "#8a4fae", "#b3374a")


def check_plotting(path: Path) -> None:
    """Find out, before any work is done, whether a picture can be drawn and kept.

    Raises:
        HybridLLMError: The file has another ending than :data:`FORMATS`, or its folder does not exist.
        MissingExtraError: matplotlib is not installed.
    """
    if path.suffix.lower() not in FORMATS:
        raise HybridLLMError(f"{path} must end in {', '.join(FORMATS)}.")
    if not path.parent.is_dir():
        raise HybridLLMError(f"Cannot write {path}: there is no folder {path.parent}; make it first.")
    if importlib.util.find_spec("matplotlib") is None:
        raise MissingExtraError.of("Drawing", "report")


def error_cost_plot(
    curves: Mapping[str, Curve],
    path: str | Path,
    *,
    title: str = "",
    band: Band | None = None,
    points: Sequence[OperatingPoint] = (),
) -> None:
    """Draw quality drop against cost advantage (Fig. 5 of arXiv 2404.14618) and write the picture.

    Args:
        curves: Curves of one pair by name. "length", "random" and "oracle" are drawn as what they are, the others as
            routers.
        path: A .png, .svg or .pdf file; it is overwritten.
        title: Written above.
        band: The 95 % interval of the first curve, drawn behind it.
        points: What the quality levels do on the rows, each drawn as a point with its level beside it.

    Raises:
        HybridLLMError: There is no curve, the file has another ending, or it cannot be written.
        MissingExtraError: matplotlib is not installed.

    Example::

        error_cost_plot({"router": curve, "random": random_curve(q_small, q_large)}, "curve.png")
    """
    path = Path(path)
    check_plotting(path)
    if not curves:
        raise HybridLLMError("There is no curve to draw; give one or more.")
    from matplotlib.figure import Figure  # without pyplot: no window, no state between two pictures

    large_quality = next(iter(curves.values())).large_quality
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    axes = figure.subplots()
    colours = iter(_COLOURS * len(curves))
    for name, curve in curves.items():
        style = _STYLES.get(name) or {"color": next(colours), "linewidth": 2.0}
        axes.plot(100 * curve.cost_advantage, 100 * _drops(curve), label=name, **style)
    scale = 100 / large_quality if large_quality > 0 else 100.0
    if band is not None:
        shade: dict[str, Any] = {"color": _COLOURS[0], "alpha": 0.18, "linewidth": 0, "label": "95 % interval"}
        axes.fill_between(100 * band.cost_advantage, scale * band.low, scale * band.high, **shade)
    for point in points:
        place = (100 * point.cost_advantage, scale * point.drop_points)
        filled = _COLOURS[0] if point.certified else "white"
        axes.plot(*place, "o", markersize=6, markerfacecolor=filled, markeredgecolor=_COLOURS[0], zorder=4)
        axes.annotate(f"{point.quality:g}", place, (0, 7), textcoords="offset points", ha="center", fontsize="small")
    if points:
        axes.plot([], [], "o", markerfacecolor="white", markeredgecolor=_COLOURS[0], label="quality levels")
    _describe(axes, large_quality, title)
    try:
        figure.savefig(path, dpi=150)
    except OSError as error:
        raise HybridLLMError(f"Cannot write {path}: {error.strerror or error}.") from error


def _drops(curve: Curve) -> Any:
    # with a large model that scores 0 everywhere there is no ratio, and points are drawn
    return curve.drop if curve.large_quality > 0 else curve.drop_points


def _describe(axes: Any, large_quality: float, title: str) -> None:
    """Name the axes; where there is a ratio, the axis on the right says the same in points."""
    axes.set_title(title, fontsize="medium", parse_math=False)
    axes.set_xlabel("cost advantage: queries sent to small (%)")
    axes.set_xlim(0, 100)
    axes.axhline(0.0, color="#bbbbbb", linewidth=0.8, zorder=0)
    axes.grid(color="#eeeeee", zorder=0)
    axes.legend(frameon=False, loc="best")
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    if large_quality <= 0:
        axes.set_ylabel("quality drop (points x 100)")
        return
    axes.set_ylabel("quality drop (% of always-large)")
    scale = large_quality / 100
    right = axes.secondary_yaxis("right", functions=(lambda drop: drop * scale, lambda points: points / scale))
    right.set_ylabel("drop in points")
    right.spines["right"].set_visible(False)
