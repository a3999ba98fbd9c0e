"""The picture of the README: what is saved, and what of it can be promised, on real pairs.

    python -m benchmarks.overview.run

Drawn from the results of ``second_look`` and ``promise_look_real_data``; writes ``docs/measured/img/saved.png``.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ROOT: Final = Path(__file__).resolve().parents[2]
RESULTS: Final = ROOT / "benchmarks" / "results"
PICTURE: Final = ROOT / "docs" / "measured" / "img" / "saved.png"
PAIRS: Final = {
    "gemma-2-9b": ("gsm8k + math_l5, gemma-2-9b", "mathematics:\ngemma-2-9b → GPT-4o"),
    "0.5B to 1.5B": ("plain, Qwen2.5-Coder-0.5B", "short questions:\nQwen 0.5B → 1.5B"),
    "mmlu_pro, one checker": ("mmlu_pro, Llama-3.1-8B", "MMLU-Pro:\nLlama-3.1-8B → Gemini-1.5-Pro"),
}
"""The pairs of the second look, each with its name where promises were tried, and in words."""
ROWS: Final = 1_000
DROP: Final = 0.05
_COLOURS: Final = {"query": "#d1662a", "look": "#1f5fa8"}


class Bars(NamedTuple):
    """One kind of traffic: shares of calls saved, by the query alone and with a second look.

    Args:
        title: What it is.
        saved: At a drop of 1 %: value, low and high end of the interval, by way.
        promised: What 1,000 graded queries certify at a drop of 5 %, by way.
    """

    title: str
    saved: dict[str, tuple[float, float, float]]
    promised: dict[str, float]


def bars(looks: Sequence[dict[str, Any]], promises: Sequence[dict[str, Any]]) -> list[Bars]:
    """Return what is drawn.

    Args:
        looks: Pairs of ``second_look.json``.
        promises: Cells of ``promise_look_real_data.json``.
    """
    found = []
    for name, (promised_as, title) in PAIRS.items():
        (pair,) = (one for one in looks if one["name"] == name)
        (cell,) = (
            one
            for one in promises
            if (one["pair"], one["way"], one["n"], one["max_drop"]) == (promised_as, "draws", ROWS, DROP)
        )
        cells = {way: pair["figures"][row]["local at 0.01"] for way, row in WAYS.items()}
        saved = {way: (cell["value"], *cell["ci"]) for way, cell in cells.items()}
        found.append(Bars(title, saved, {way: cell[way]["cost_advantage"] for way in WAYS}))
    return found


WAYS: Final = {"query": "query only", "look": "second look"}


def draw(found: Sequence[Bars], path: Path) -> None:
    """Draw both panels.

    Args:
        found: The bars.
        path: The picture.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9.6, 3.3), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    for offset, way in ((-0.2, "query"), (0.2, "look")):
        places = [row + offset for row in range(len(found))]
        values = [100 * one.saved[way][0] for one in found]
        errors = [
            [100 * (one.saved[way][0] - one.saved[way][1]) for one in found],
            [100 * (one.saved[way][2] - one.saved[way][0]) for one in found],
        ]
        label = "by the query alone" if way == "query" else "with a second look at small's answer"
        left.barh(places, values, 0.36, color=_COLOURS[way], label=label)
        left.errorbar(values, places, xerr=errors, fmt="none", ecolor="#333333", elinewidth=1, capsize=3)
        promised = [100 * one.promised[way] for one in found]
        right.barh(places, promised, 0.36, color=_COLOURS[way])
        for place, value in zip(places, promised, strict=True):
            right.text(value + 1, place, f"{value:.0f} %", va="center", fontsize="small")
    left.set_yticks(range(len(found)), [one.title for one in found])
    left.invert_yaxis()
    left.set_title("Saved at 1 % quality lost, measured", fontsize="medium")
    right.set_title("Certified: at most 5 % lost, 95 % confidence", fontsize="medium")
    for axes in (left, right):
        _clean(axes)
    figure.legend(loc="outside lower center", ncols=2, frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)


def _clean(axes: Axes) -> None:
    axes.set_xlim(0, 85)
    axes.set_xlabel("calls to the large model saved (%)")
    axes.grid(axis="x", color="#eeeeee")
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def main() -> None:
    """Read the results and write the picture."""
    looks, promises = (
        json.loads((RESULTS / f"{name}.json").read_text(encoding="utf-8"))
        for name in ("second_look", "promise_look_real_data")
    )
    draw(bars(looks["pairs"], promises), PICTURE)


if __name__ == "__main__":
    main()
