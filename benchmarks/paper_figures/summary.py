"""From the results of ``run`` to the first and last words of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from benchmarks.common.baselines import TASK
from benchmarks.common.doc_tables import markdown, percent
from benchmarks.common.judge import APGR
from benchmarks.common.numbers import listed, with_interval
from benchmarks.common.pairs import ORIGIN
from benchmarks.paper_figures.figures import GAP, OURS, SOLID
from benchmarks.paper_figures.label_sections import answer
from benchmarks.paper_figures.sections import on_average, overshoot, solid
from benchmarks.robustness.edits import APOSTROPHE
from benchmarks.robustness.familiar import KEPT
from benchmarks.robustness.figures import FLIP_LIMIT, FLIPS_MEDIAN
from benchmarks.robustness.routers import HEAD

FEW: Final = 0.12
"""A cost advantage at 1 % drop below this is called low."""
MISSED: Final = "**missed**"
"""Marks the rows of ``docs/measured/speed.md`` that miss their goal."""


def summary(results: Mapping[str, Any]) -> str:
    """Return five lines for a busy reader."""
    pairs, pooled = results["pairs"]["each"], results["pairs"]["pooled"]
    some = [pair for pair in pairs if pair["name"] in pooled.get("pairs", ())]
    lines = []
    if some:
        apgr = {pair["name"]: pair["figures"]["apgr"] for pair in some}
        low, high = min(apgr, key=lambda name: apgr[name]), max(apgr, key=lambda name: apgr[name])
        clear = sum(pair["figures"]["ci"]["apgr"][0] > 0.5 for pair in some)
        lines.append(
            "**One recipe, no task label**: a small frozen encoder with one kernel head beats random routing, with "
            f"the whole interval, on {clear} of {len(some)} pairs of public data with {SOLID} test queries and a clear "
            f"gap: APGR {apgr[low]:.3f} ({low}) to {apgr[high]:.3f} ({high}), random 0.5."
        )
    lines += [_headline(pair) for pair in pairs if pair["name"] == "mmlu" and pair["levels"]]
    if pooled:
        lines.append(f"**Simpler routers**: {on_average(pooled)}")
    lines.append(f"**det, prob or trans**: {answer(results.get('labels') or [], results.get('simulated') or [])}")
    lines.append(f"**Weak**: {overshoot(pairs)}")
    return "\n".join(f"- {line}" for line in lines)


def _headline(pair: Mapping[str, Any]) -> str:
    f, level = pair["figures"], pair["levels"]["0.99"]
    best = with_interval(f["cost_advantage_at_drop"]["0.01"], f["ci"]["cost_advantage_at_drop"]["0.01"], 0, 100)
    return (
        f"**MMLU, {pair['small']} → {pair['large']}**: at 1 % drop {best} % of the queries go to the small model (cut "
        f"chosen on test); the threshold chosen on validation sends {100 * level['cost_advantage']:.0f} % and loses "
        f"{with_interval(level['drop'], level['ci']['drop'], 1, 100)} %."
    )


def weak(pairs: Sequence[Mapping[str, Any]]) -> str:
    """Return what a reader should hold against the numbers."""
    enough = solid(list(map(dict, pairs)))
    shares = {pair["name"]: pair["figures"]["cost_advantage_at_drop"]["0.01"] for pair in enough}
    low = [f"{name} {100 * share:.0f} %" for name, share in shares.items() if share < FEW]
    few = [f"{pair['name']} {pair['figures']['n']}" for pair in pairs if pair["figures"]["n"] < SOLID]
    task = [
        pair["name"]
        for pair in enough
        if TASK in pair["compared"] and pair["compared"][TASK][APGR]["value"] >= pair["compared"][OURS][APGR]["value"]
    ]
    near = [p["name"] for p in pairs if p["figures"]["large_quality"] - p["figures"]["small_quality"] < GAP]
    lines = [
        f"On hard material few queries go small at 1 % drop: {listed(low)}.",
        f"Below {SOLID} test rows figures are mostly noise: {listed(few)}.",
        f"A table of mean quality by task does as well or better on {listed(task)}, where the task's label is known.",
        f"Where both models are nearly equal, APGR divides by little and says little: {listed(near)}; read the drops.",
        (
            "0/1 scores of a single response are noisy: no router can know how one sample falls. The oracle does, so "
            "that nobody reaches it."
        ),
        (
            "The queries are benchmark questions, not traffic of real users, and judges favour long answers and their "
            "own family: calibrate on rows of your own."
        ),
    ]
    return "\n".join(f"- {line}" for line in lines)


def missed_elsewhere(robustness: Mapping[str, Any], speed: str) -> str:
    """Return the aims that other pages miss.

    Args:
        robustness: The results of the study ``robustness``.
        speed: The page of the study ``speed``.
    """
    lines = []
    flipped = robustness["edits"][HEAD][APOSTROPHE][FLIPS_MEDIAN]["value"]
    if flipped >= FLIP_LIMIT:
        lines.append(
            f"An apostrophe set inside a word flips {percent(flipped)} of the decisions at the median of a router "
            f"trained for its pair; the aim is less than {percent(FLIP_LIMIT, 0)} ([robustness](robustness.md))."
        )
    subjects = robustness["left_out"]["pooled"]
    usual, plain = (subjects[f"{KEPT}, {form} options"]["value"] for form in ("with", "without"))
    lines.append(
        "Whether a query is called unfamiliar goes partly by its format: a router of MMLU flags "
        f"{percent(plain)} of the questions of subjects that it knows once their options are missing, and "
        f"{percent(usual)} with them ([robustness](robustness.md#subjects-left-out))."
    )
    rows = [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in speed.splitlines() if MISSED in line]
    if rows:
        goals = "; ".join(f"*{what}* {figure}, goal {goal}" for what, figure, goal, *_ in rows)
        lines.append(
            f"Speed: {goals} ([speed](speed.md), where *ST* is explained). A second thread for a single query was "
            "measured there, and is not used."
        )
    lines.append(
        "All this is the recipe `head`. A router of the recipe `full` reads the text as it comes (typography is not "
        "folded) and cannot tell what is unfamiliar ([training](../guide/training.md))."
    )
    return "\n".join(f"- {line}" for line in lines)


def setting_text(setting: Mapping[str, Any]) -> str:
    """Return the command, date and machine."""
    quick = " **A quick run: few resamples, folds and seeds; not to be quoted.**" if setting["quick"] else ""
    return (
        f"Made by `{setting['command']}` on {setting['date']} ({setting['machine']}; Python {setting['python']}; "
        f"encoder `{setting['encoder']}`; {setting['bootstrap']:,} resamples an interval).{quick} DATA_DIR is a folder "
        "of quality tables, converted from the public sources that the end of this page names; it is not part of the "
        "project."
    )


def data_text(setting: Mapping[str, Any]) -> str:
    """Return the table of files with their public sources."""
    rows = [[f"`{name}.jsonl.gz`", f"{count:,}", ORIGIN[name]] for name, count in setting["rows"].items()]
    table = markdown(["file", "queries", "converted from the results published in"], rows)
    return (
        f"{table}\n\nOne query a line with the measured quality of several models' responses, as published: 0/1 for "
        "right or wrong in most files, a judge's 1-10 as (s - 1)/9 in `arena_bench_v1`, continuous in `eqbench_v2` and "
        "in one task of `llmrouter_mixed`. No model was run for this page."
    )
