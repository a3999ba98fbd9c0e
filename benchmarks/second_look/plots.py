"""The picture at a glance: what a second look saves, beside the query alone and the oracle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.common.plots import GRID, shrink
from benchmarks.second_look.judge import LOGPROBS_UNTRAINED, LOOK, ORACLE, QUERY_ONLY, RANDOM

PANELS: Final = {"gemma-2-9b": "Mathematics", "0.5B to 1.5B": "Short plain questions"}
"""The pairs that are drawn."""
_LINES: Final[dict[str, dict[str, Any]]] = {
    RANDOM: {"color": "#9a9a9a", "linestyle": "--", "linewidth": 1.2},
    QUERY_ONLY: {"color": "#d1662a", "linewidth": 2.0},
    LOGPROBS_UNTRAINED: {"color": "#8a4fae", "linestyle": "-.", "linewidth": 1.6},
    LOOK: {"color": "#1f5fa8", "linewidth": 2.6},
    ORACLE: {"color": "#2a9d5c", "linestyle": ":", "linewidth": 1.6},
}
_MOST: Final = 10.0
"""Per cent of quality lost up to which the picture goes; nobody gives up more."""


def draw_panels(pairs: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Draw for each of :data:`PANELS` the drop against the share of calls that is saved.

    Args:
        pairs: Results of pairs, with their curves.
        path: The picture.
    """
    from matplotlib.figure import Figure

    chosen = [pair for pair in pairs if pair["name"] in PANELS]
    if not chosen:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(4.8 * len(chosen), 3.9), layout="constrained")
    for axes, pair in zip(figure.subplots(1, len(chosen), squeeze=False, sharey=True)[0], chosen, strict=True):
        for name, style in _LINES.items():
            if name in pair["curves"]:
                axes.plot(100 * GRID, 100 * np.array(pair["curves"][name]), label=name, **style)
        axes.axhline(1.0, color="#bbbbbb", linewidth=0.8, zorder=0)
        axes.set_title(f"{PANELS[pair['name']]}: {pair['small']} → {pair['large']}", fontsize="small")
        axes.set_xlim(0, 100)
        axes.set_ylim(-2.0, _MOST)
        axes.set_xlabel("calls saved: answers of small that are shown (%)")
        axes.grid(color="#eeeeee", zorder=0)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    lines = {label: line for axes in figure.axes for line, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    order = [name for name in _LINES if name in lines]
    figure.legend([lines[name] for name in order], order, loc="outside lower center", ncols=len(order), frameon=False)
    figure.supylabel("quality lost (% of always-large)", fontsize="medium")
    figure.savefig(path, dpi=130)
    shrink(path)
