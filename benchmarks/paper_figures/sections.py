"""From the results of ``run`` to the tables of the page: figures, thresholds, baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from benchmarks.common.baselines import (
    KNN,
    KNN_AND_RIDGE,
    LABEL_FREE,
    LOGISTIC,
    MARK,
    RIDGE,
    SHORTER,
    TASK,
    TASK_AND_OURS,
)
from benchmarks.common.doc_tables import markdown
from benchmarks.common.judge import APGR, SHARES
from benchmarks.common.numbers import cell, clear, number, signed, with_interval
from benchmarks.paper_figures.figures import OURS, SOLID

Results = Sequence[dict[str, Any]]

PERCENT: Final = 100.0
BASELINES: Final = (KNN, LOGISTIC, RIDGE, KNN_AND_RIDGE, SHORTER, TASK, TASK_AND_OURS)
LIMITS: Final = ("0.01", "0.02", "0.05")
BOUNDS: Final = ("random", "oracle")

EARLIER: Final = {
    "mmlu": ("rank average of kNN-100 and kernel ridge", 0.707, 0.30, 0.730),
    "zeroeval, gemma-2-9b": ("kernel ridge", 0.650, 0.06, None),
    "zeroeval, Llama-3.1-8B": ("kernel ridge", 0.638, 0.06, None),
    "mmlu_pro, Llama-3.1-8B": ("kernel ridge", 0.573, 0.06, 0.597),
}
"""The best of what was measured once before this recipe, with float32 embeddings of the same encoder: what it was, its
APGR, its cost advantage at 1 % drop, and the APGR of task mean + ridge, which needs the task's label."""


def solid(pairs: Results) -> list[dict[str, Any]]:
    """Return the pairs with enough judged rows to say something."""
    return [pair for pair in pairs if pair["figures"]["n"] >= SOLID]


def figures_section(pairs: Results) -> str:
    """Return the tables of quality, APGR, CPT and AUC, of drop at a cost advantage, and of the reverse."""
    coincide = sum(pair["labels_coincide"] for pair in pairs)
    note = (
        f"On {coincide} of the {len(pairs)} pairs det, prob and trans labels are the same on every training row "
        "(checked in this run), so that one row stands for the three; elsewhere the label is prob. Cuts are chosen on "
        "the rows that they are judged on, as in the paper."
    )
    return "\n\n".join([note, _quality(pairs), _drops(pairs), _reverse(pairs)])


def _quality(pairs: Results) -> str:
    rows = []
    for pair in pairs:
        f, ci = pair["figures"], pair["figures"]["ci"]
        rows.append(
            [
                f"{pair['name']}: {pair['small']} → {pair['large']}",
                f"{pair['rows']['train']:,}",
                f"{pair['rows']['test']:,}",
                f"{f['small_quality']:.3f} → {f['large_quality']:.3f}",
                *(with_interval(f[key], ci[key]) for key in ("apgr", "auc")),
                *(with_interval(f[key], ci[key], 0, PERCENT) for key in ("cpt50", "cpt80")),
            ]
        )
    return markdown(["pair", "train", "test", "quality", "APGR", "AUC", "CPT(50), %", "CPT(80), %"], rows)


def _drops(pairs: Results) -> str:
    keys = [f"{share:g}" for share in SHARES]
    rows = [
        [
            pair["name"],
            *(
                text
                for key in keys
                for text in (
                    _figure(pair, "drop_at_cost_advantage", key, 1),
                    number(PERCENT * pair["figures"]["drop_points_at_cost_advantage"][key], 1),
                    _bounds(pair, "drop_at_cost_advantage", key, 1),
                )
            ),
        ]
        for pair in pairs
    ]
    heads = [h for share in SHARES for h in (f"drop at {PERCENT * share:.0f} %, %", "points", " / ".join(BOUNDS))]
    return markdown(["pair", *heads], rows)


def _reverse(pairs: Results) -> str:
    key = "cost_advantage_at_drop"
    rows = [
        [pair["name"], *(text for at in LIMITS for text in (_figure(pair, key, at, 0), _bounds(pair, key, at, 0)))]
        for pair in pairs
    ]
    heads = [h for at in LIMITS for h in (f"cost advantage at {PERCENT * float(at):.0f} % drop, %", " / ".join(BOUNDS))]
    return markdown(["pair", *heads], rows)


def _figure(pair: Mapping[str, Any], figure: str, at: str, digits: int) -> str:
    figures = pair["figures"]
    return with_interval(figures[figure][at], figures["ci"][figure][at], digits, PERCENT)


def _bounds(pair: Mapping[str, Any], figure: str, at: str, digits: int) -> str:
    return " / ".join(number(PERCENT * pair["figures"][bound][figure][at], digits) for bound in BOUNDS)


def levels_section(pairs: Results) -> str:
    """Return what thresholds chosen on validation did on test."""
    judged = [pair for pair in pairs if pair["levels"]]
    if not judged:
        return "No pair has validation rows."
    rows = []
    for pair in judged:
        row = [pair["name"], f"{pair['rows']['validation']:,}"]
        for level in pair["levels"].values():
            value, _, interval = with_interval(level["drop"], level["ci"]["drop"], 1, PERCENT).partition(" ")
            best = pair["figures"]["cost_advantage_at_drop"][f"{level['promised']:.2f}"]
            row += [
                number(PERCENT * best, 0),
                with_interval(level["cost_advantage"], level["ci"]["cost_advantage"], 0, PERCENT),
                f"**{value}** {interval}" if _broken(level) else f"{value} {interval}",
            ]
        rows.append(row)
    header = ["pair", "validation rows"]
    for quality in judged[0]["levels"]:
        header += [f"quality {quality}: best on test, %", "cost advantage, %", "drop, %"]
    return "\n\n".join([f"{overshoot(pairs)} Thresholds that do are in bold.", markdown(header, rows)])


def overshoot(pairs: Results) -> str:
    """Say how often a threshold chosen on validation broke its level on test."""
    levels = [level for pair in pairs for level in pair["levels"].values()]
    broken = [level for level in levels if _broken(level)]
    beyond = sum(level["ci"]["drop"][0] > level["promised"] for level in broken)
    return (
        f"{len(broken)} of {len(levels)} thresholds chosen on validation lose more on test than their level allows "
        f"({beyond} of them with the whole interval): the empirical rule aims at the limit and lands on either side of "
        "it; a promise needs the margin that `hybrid-llm certify` keeps."
    )


def _broken(level: Mapping[str, Any]) -> bool:
    return bool(level["drop"] > level["promised"] + 1e-9)


def baselines_section(pairs: Results, pooled: Mapping[str, Any]) -> str:
    """Return APGR of every baseline, the paired differences, and what was known before."""
    names = (OURS, *BASELINES)
    apgr = [
        [
            pair["name"],
            *(_value(pair["compared"], name) for name in names),
            number(pair["figures"]["oracle"]["apgr"]),
        ]
        for pair in pairs
    ]
    minus = [[pair["name"], *(_minus(pair["compared"], name) for name in BASELINES)] for pair in pairs]
    if pooled:
        found = pooled["compared"]
        apgr.append(["**mean** †", *(_value(found, name) for name in names), ""])
        minus.append(["**mean** †", *(_minus(found, name) for name in BASELINES)])
    return "\n\n".join(
        [
            "APGR on test (random: 0.5):",
            markdown(["pair", *names, "oracle"], apgr),
            "APGR of ours minus that of the baseline, paired; bold where the interval leaves out zero:",
            markdown(["pair", *BASELINES], minus),
            (
                f"{MARK} Empty where a file is a single task. † Over the pairs with {SOLID} test rows and a gap of 0.1 "
                f"or more: {'; '.join(pooled['pairs']) if pooled else 'none'}."
            ),
            versus(pairs, pooled),
            *_earlier(pairs),
        ]
    )


def _value(found: Mapping[str, Any], name: str) -> str:
    return number(found[name][APGR]["value"]) if name in found else ""


def _minus(found: Mapping[str, Any], name: str) -> str:
    return signed(found[f"{OURS} - {name}"][APGR]) if name in found else ""


def versus(pairs: Results, pooled: Mapping[str, Any]) -> str:
    """Say how ours does against the best baseline that needs no label of the task."""
    best = {
        pair["name"]: pair["compared"][f"{OURS} - {max(LABEL_FREE, key=lambda name: _apgr(pair, name))}"][APGR]
        for pair in solid(pairs)
    }
    ahead = sum(one["value"] > 0 for one in best.values())
    text = (
        f"Ours is ahead of the best label-free baseline, picked for each pair on the test rows themselves, on {ahead} "
        f"of {len(best)} pairs with {SOLID} test rows (interval clear of zero: "
        f"{sum(one['value'] > 0 and clear(one) for one in best.values())}; clearly behind: "
        f"{sum(one['value'] < 0 and clear(one) for one in best.values())})."
    )
    return f"{text} {on_average(pooled)}" if pooled else text


def on_average(pooled: Mapping[str, Any]) -> str:
    """Say how ours does against simpler routers, mean over the pairs that say enough."""
    found = pooled["compared"]

    def minus(name: str) -> str:
        return with_interval(found[f"{OURS} - {name}"][APGR]["value"], found[f"{OURS} - {name}"][APGR]["ci"])

    text = (
        f"Mean APGR over the {len(pooled['pairs'])} pairs with a clear gap: {cell(found[OURS][APGR])}, which is "
        f"kNN-100 plus {minus(KNN)}, logistic regression plus {minus(LOGISTIC)} and plain kernel ridge plus "
        f"{minus(RIDGE)}"
    )
    if TASK_AND_OURS in found:
        text += f"; with the task's label beside it, it would gain {_gain(found)}"
    return f"{text}."


def _gain(found: Mapping[str, Any]) -> str:
    minus = found[f"{OURS} - {TASK_AND_OURS}"][APGR]
    return with_interval(-minus["value"], minus["ci"] and [-end for end in reversed(minus["ci"])])


def _apgr(pair: Mapping[str, Any], name: str) -> float:
    return float(pair["compared"][name][APGR]["value"])


def _earlier(pairs: Results) -> list[str]:
    rows = []
    for pair in pairs:
        if pair["name"] in EARLIER:
            what, apgr, share, task = EARLIER[pair["name"]]
            ours, now = pair["figures"]["apgr"], pair["figures"]["cost_advantage_at_drop"]["0.01"]
            rows.append(
                [
                    f"{pair['name']}: {what}",
                    f"{apgr:.3f} / {PERCENT * share:.0f} %",
                    f"{ours:.3f} / {PERCENT * now:.0f} %",
                    f"{ours - apgr:+.3f}",
                    number(task) if task else "",
                    f"{ours - task:+.3f}" if task else "",
                ]
            )
    text = (
        "What was known beforehand, measured once with float32 embeddings of the same encoder (other code, so that "
        "there are no paired intervals; the tables above rerun these learners): the best without the task's label, "
        "APGR / cost advantage at 1 % drop, and task mean + ridge, which needs it."
    )
    header = ["best known beforehand", "it", OURS, "ours minus it", "task mean * + ridge", "ours minus it"]
    return [text, markdown(header, rows)] if rows else []
