"""The pictures of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.common.plots import GRID, shrink
from benchmarks.paper_figures.labels import TARGETS
from benchmarks.paper_figures.simulated import GRID as SIMULATED_GRID
from hybrid_llm.metrics import Curve
from hybrid_llm.report import error_cost_plot

_LINES: Final = {"det": ("#e8a06a", 4.0), "prob": ("#8a4fae", 2.4), "trans": ("#12375f", 1.2)}
"""Colour and width: where lines coincide, the narrow ones lie inside the wide ones."""


def pictures(pairs: Sequence[Mapping[str, Any]]) -> str:
    """Return the lines of the page that show the error-cost curve of every main pair, two side by side."""
    shown = "".join(
        f'<img src="img/{_file(pair)}" width="49%" alt="Quality drop against cost advantage, {_title(pair)}">\n'
        for pair in pairs
        if pair["curves"]
    )
    return f"\n\n{shown}"


def draw_curves(pairs: Sequence[Mapping[str, Any]], folder: Path) -> None:
    """Draw the error-cost curve of every main pair."""
    folder.mkdir(parents=True, exist_ok=True)
    for pair in pairs:
        if not pair["curves"]:
            continue
        curves = {router: Curve(2.0 * (1 - GRID), GRID, np.array(pair["curves"][router])) for router in pair["curves"]}
        error_cost_plot(curves, folder / _file(pair), title=_title(pair))
        shrink(folder / _file(pair))


def _file(pair: Mapping[str, Any]) -> str:
    return "curve_" + "".join(c if c.isalnum() else "_" for c in pair["name"]).replace("__", "_") + ".png"


def _title(pair: Mapping[str, Any]) -> str:
    return f"{pair['name'].partition(',')[0]}: {pair['small']} → {pair['large']}"


def draw_labels(simulated: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw what each label saves against random routing on the simulated tables, a panel for each gap."""
    from matplotlib.figure import Figure

    path.parent.mkdir(parents=True, exist_ok=True)
    gaps = list(dict.fromkeys(one["group"] for one in simulated))
    figure = Figure(figsize=(9.0, 5.2), layout="constrained")
    panels = figure.subplots(len(TARGETS), len(gaps), sharex=True, sharey="col", squeeze=False)
    for row, target in zip(panels, TARGETS, strict=True):
        for axes, gap in zip(row, gaps, strict=True):
            one = next(one for one in simulated if one["group"] == gap and one["target"] == target)
            for label, (colour, width) in _LINES.items():
                less = 100 * (np.array(one["curves"]["random"]) - np.array(one["curves"][label]))
                axes.plot(100 * SIMULATED_GRID, less, color=colour, linewidth=width, label=label)
            axes.set_title(f"{gap.removeprefix('simulated, ')}, {target}", fontsize="medium")
            axes.set_xlim(0, 100)
            axes.set_ylim(bottom=0)
            axes.grid(color="#eeeeee", zorder=0)
            for side in ("top", "right"):
                axes.spines[side].set_visible(False)
    panels[0, 0].legend(frameon=False, title="label")
    figure.supxlabel("cost advantage: queries sent to small (%)", fontsize="medium")
    figure.supylabel("drop avoided against random (% of always-large)", fontsize="medium")
    figure.savefig(path, dpi=130)
    shrink(path)
