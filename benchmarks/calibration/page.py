"""The page ``docs/measured/calibration.md``, from the results of ``run``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from benchmarks.calibration.study import LEVELS
from benchmarks.calibration.ways import ALL_ROWS, CALIBRATED, COMBINED, HEAD, KNOWN_WAYS, WAYS, WIDTH
from benchmarks.common.doc_tables import markdown, percent
from benchmarks.common.numbers import cell, clear, number, signed
from benchmarks.common.places import MEASURED

Results = dict[str, Any]

PAGE: Final = MEASURED / "calibration.md"

DIFFERENCES: Final = ((HEAD, CALIBRATED), (ALL_ROWS, HEAD), *((name, HEAD) for name in COMBINED))
"""(a, b): the figures of a minus those of b."""

TEXT: Final = """\
# How many rows of your own?

Written by `python -m benchmarks.calibration.run DATA_DIR --write`.

The shipped router was made for no pair of models in particular. With n rows of your own, that is n queries with the
measured quality of both models, there are three things to do:

- **calibrate it**: its scores stay, all n rows give thresholds (`hybrid-llm calibrate`);
- **train a head** (`hybrid-llm train`): 70 % of the rows fit it, 15 % give thresholds, 15 % are left to judge it by;
- **both**: train a head that also knows the shipped router's score.

{verdict}

## What was measured

Four pairs of models on public benchmarks: {pairs}.

For each pair and n, rows are drawn out of its training and validation rows again and again ({draws} times for n = 50,
100, 300, 1000), and each way to use them is judged on all test rows of the pair ({tests}). A threshold keeps a quality
level on the rows that it was chosen on; *cost advantage* and *drop* say what it did on the test rows, as means over the
draws, and *broken* is the share of the draws whose drop was beyond the level. Figures are means over the four pairs.
Brackets are 95 % intervals from {repetitions} resamples of the test rows and of the draws, the same for all ways. APGR:
0.5 is random routing.

The shipped router was trained on the training rows of these benchmarks, and a user's queries come from none of them.
So *prior* is the shipped router fitted again without the benchmark that is judged, and without its questions elsewhere.

| way | what it does with n rows |
|---|---|
| prior, calibrated | `Router.calibrate`: all rows give thresholds |
| head | `train`: 70 % fit, 15 % give thresholds |
| head of all rows | all rows fit; thresholds come from the score of each row by a fit that leaves it out |
| both: prior as a feature | a head with the logit of the prior's score as one more feature (kernel width {width:g}) |
| both: prior as an offset | a head for what a line through the prior's logit leaves over |
| both: average | head and prior, their logits in units of their spread; the prior weighs a quarter, or as much |
| both: chosen | no prior, feature or offset by the held-out fifth; the feature when that has under 100 rows |

How the prior is combined (kernel width, the offset's shrinkage, the quarter) was tried on training and validation rows,
some twenty ways in all. The averages were taken up after they had done well on test rows in a first look, so their
figures are somewhat too good on both kinds of rows. All heads here add four times the gap to the label where too few
rows are held out to choose; `train` adds it once, which is not compared here.

{mean}

### Does combining help?

Differences in APGR, paired: both ways are judged on the same draws and the same resamples. Bold where the interval
leaves out zero. Judged on the test rows:

{differences}

Judged on other rows, because one set of a few thousand questions can be kind to one router: the training and
validation rows of each pair are halved by a hash, one half is drawn from and out of the other one {others} rows judge.
The prior has seen none of them.

{elsewhere}

### Each pair

APGR on the test rows, mean over the draws.

{each}

## The shipped router on benchmarks that it knows

The same with the router that ships. It has trained on other questions of these benchmarks, so this is **too good** for
queries of another kind; it shows what is to be had when yours are like the public ones. Rows are drawn from the
validation rows, which it has not seen. {left_out}

{known}
"""


def write_page(file: Path, results: Results) -> None:
    """Write the page."""
    file.write_text(page(results), encoding="utf-8")


def page(results: Results) -> str:
    """Return the page."""
    honest, pairs = results["honest"], results["pairs"]
    each = [
        [way, size, *(number(found["each"][pair["name"]][way]["apgr"]["value"]) for pair in pairs)]
        for size, found in honest.items()
        for way in WAYS
    ]
    short = [
        f"with n = {size} {len(found['each'])} of {len(pairs)} pairs"
        for size, found in results["known"].items()
        if len(found["each"]) < len(pairs)
    ]
    return TEXT.format(
        verdict=verdict(results),
        pairs="; ".join(f"*{pair['name']}* ({pair['models']})" for pair in pairs),
        tests=_numbers(pairs, "test"),
        others=_numbers(pairs, "other"),
        draws=", ".join(map(str, results["draws"])),
        repetitions=f"{results['repetitions']:,}",
        width=WIDTH,
        mean=_figures(honest, list(WAYS), pairs),
        differences=_differences(honest),
        elsewhere=_differences(results["elsewhere"]),
        each=markdown(["way", "n", *(pair["name"] for pair in pairs)], each),
        left_out=f"Pairs that have enough of them: {'; '.join(short)}, otherwise all." if short else "",
        known=_figures(results["known"], list(KNOWN_WAYS), pairs),
    )


def verdict(results: Results) -> str:
    """Say in words what the numbers say."""
    honest, elsewhere = results["honest"], results["elsewhere"]
    lines = []
    for size, found in honest.items():
        mean = found["mean"]
        lines.append(
            f"- **{size} rows**: APGR {number(mean[CALIBRATED]['apgr']['value'])} calibrated, "
            f"{number(mean[HEAD]['apgr']['value'])} trained ({signed(_gain(found, HEAD, CALIBRATED))}). Of the routers "
            f"calibrated for a quality of {LEVELS[-1]:g}, {_broken(found, CALIBRATED)} missed it on the test rows; of "
            f"the trained ones {_broken(found, HEAD)}."
        )
    helped = {
        way: [size for size in honest if all(_helps(found[size], way) for found in (honest, elsewhere))]
        for way in COMBINED
    }
    clearly = [f"*{way.removeprefix('both: ')}* with {', '.join(sizes)} rows" for way, sizes in helped.items() if sizes]
    few, *_, many = honest
    if clearly:
        best = max(COMBINED, key=lambda way: float(_gain(honest[many], way, HEAD)["value"]))
        lines.append(
            f"\nCombining orders queries clearly better than the head alone, on the test rows and on others: "
            f"{'; '.join(clearly)}. `train` does not combine them: with {many} rows the best way gains "
            f"{signed(_gain(honest[many], best, HEAD))}, and with {few} it is the thresholds that fail, "
            f"{_broken(honest[few], HEAD)} of them, whatever orders the queries. With so few rows, calibrate."
        )
    else:
        lines.append(
            "\nNo way to combine them is clearly better than the head alone both on the test rows and on others, "
            "with any number of rows. So `train` does not combine them."
        )
    return "\n".join(lines)


def _gain(found: Mapping[str, Any], a: str, b: str) -> Mapping[str, Any]:
    figure: Mapping[str, Any] = found["mean"][f"{a} - {b}"]["apgr"]
    return figure


def _helps(found: Mapping[str, Any], way: str) -> bool:
    gain = _gain(found, way, HEAD)
    return clear(gain) and gain["value"] > 0


def _broken(found: Mapping[str, Any], way: str) -> str:
    return percent(found["broken"][way][f"{LEVELS[-1]:g}"], 0)


def _numbers(pairs: Sequence[Mapping[str, Any]], key: str) -> str:
    return ", ".join(f"{pair[key]:,}" for pair in pairs)


def _differences(results: Mapping[str, Any]) -> str:
    rows = [[f"{a} - {b}", *(signed(_gain(found, a, b)) for found in results.values())] for a, b in DIFFERENCES]
    return markdown(["difference", *(f"n = {size}" for size in results)], rows)


def _figures(results: Mapping[str, Any], ways: Sequence[str], pairs: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for size, found in results.items():
        for way in ways:
            mean = found["mean"][way]
            row = [size, way, cell(mean["apgr"])]
            for level in LEVELS:
                advantage, drop = (cell(mean[f"{what} at {level:g}"], 1, 100) for what in ("cost advantage", "drop"))
                row += [advantage, drop, percent(found["broken"][way][f"{level:g}"], 0)]
            rows.append(row)
    columns = [f"{level:g}: {what}" for level in LEVELS for what in ("cost advantage, %", "drop, %", "broken")]
    random = ", ".join(f"{percent(_random(pairs, level), 0)} at {level:g}" for level in LEVELS)
    return markdown(["n", "way", "APGR", *columns], rows) + (
        f"\n\nRandom routing with a threshold that knows the test rows of all pairs: cost advantage {random}."
    )


def _random(pairs: Sequence[Mapping[str, Any]], level: float) -> float:
    shares = [(1 - level) * pair["large"] / max(pair["large"] - pair["small"], 1e-9) for pair in pairs]
    return float(np.mean(np.minimum(shares, 1)))
