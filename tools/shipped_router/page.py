"""What the shipped router's card and ``docs/measured/shipped_router.md`` say of it, from the results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.common.doc_tables import markdown, percent, write_between
from benchmarks.common.judge import APGR
from benchmarks.common.numbers import cell, listed, number, signed, with_interval
from benchmarks.common.pairs import ORIGIN
from tools.shipped_router.judged_page import (
    agreement_table,
    groups_table,
    languages_text,
    origin,
    short_verdict,
)
from tools.shipped_router.judged_page import study_text as judged_study_text
from tools.shipped_router.judged_study import BEFORE
from tools.shipped_router.judged_study import OURS as FULL
from tools.shipped_router.rows import LARGE_MODELS, SMALL_MODELS, Answered
from tools.shipped_router.study import MEASURED, OURS, SOLID, VARIANTS

ALL: Final = "all together"
SOURCES: Final = ORIGIN | dict.fromkeys(
    ("routellm_mmlu", "routellm_gsm8k", "mt_bench"), "lm-sys/RouteLLM @ 0b64fda, Apache-2.0"
)
SOURCES["routerarena"] = "RouteWorks/RouterArena @ 4714a9a, Apache-2.0"
FEW: Final = 100
"""Test rows below which an interval says little more than that."""

Results = Mapping[str, Any]


def sources(rows: Sequence[Answered]) -> dict[str, Any]:
    """Return for each file its rows and the models on both sides, as plain JSON values."""
    found = {}
    for file in sorted({row.file for row in rows}):
        mine = [row for row in rows if row.file == file]
        models = set().union(*(row.quality for row in mine))
        found[file] = {
            "rows": {split: sum(row.split == split for row in mine) for split in ("train", "validation", "test")},
            "small": [model for model in SMALL_MODELS if model in models],
            "large": [model for model in LARGE_MODELS if model in models],
        }
    return found


def card_text(results: Results) -> str:
    """Return the sections of the model card that only the shipped router has."""
    return "\n\n".join(
        [
            f"## Where it comes from\n\n{ORIGINS}",
            sources_table(results),
            f"## On test rows\n\n{verdict(results)}",
            figures_table(results["test"]),
            READING,
            f"## On a benchmark that it has not seen\n\n{UNSEEN}",
            f"{figures_table(results['left_out'])}\n\n{left_out_text(results['left_out_compared'])}",
            f"## On everyday prompts\n\n{origin(results['judged'])}\n\n{short_verdict(results['judged'])}",
            f"## Limits of the shipped router\n\n{LIMITS}",
        ]
    )


ORIGINS: Final = (
    "It knows no pair of models in particular: its small side is every small model that answered a question, its large "
    "side every strong one. Two of the small ones are larger, Mixtral-8x7B and claude-3-haiku: they are about as "
    "strong as an 8 B model of 2024, and the only small side of some files. Questions that stand in the validation or "
    "test rows of any file were dropped from training. No model was run for it; these are published results:"
)
UNSEEN: Final = (
    "The same fit without one benchmark and without its questions in the others, on that "
    "benchmark's test rows. This is nearer to what a user's own queries are to it."
)
READING: Final = (
    "*APGR*: share of the gap between both sides that is kept, averaged over all cost advantages; 0.5 is routing at "
    "random. *Small at 1 % drop* (cost advantage): the largest share of queries that can go to small while 1 % of the "
    "large side's quality is lost, the cut chosen on the same rows. In brackets: 95 % intervals from resamples of the "
    "rows. *Oracle*: the same for a router that knows every answer beforehand. *At quality 0.95*: what the shipped "
    "threshold of that level does, share to small and drop; it was chosen on the validation rows of all benchmarks "
    "together, so it does not keep its level on each."
)
LIMITS: Final = (
    "- It is **not certified for your pair**, and its thresholds were measured on the pairs above. "
    "`hybrid-llm calibrate` measures them for yours, `hybrid-llm train` makes a router of your own.\n"
    "- Its encoder reads **English**. In ten other languages that were judged its order is no better than that of the "
    "prompts' lengths, so they are unfamiliar: at a quality level they go to large.\n"
    "- What was measured has no tools, no conversations and hardly any open writing; most answers were marked right or "
    "wrong. What it knows of everyday prompts was **judged by a language model, not measured**.\n"
    "- Its thresholds come from benchmark questions: how much quality a level keeps on everyday prompts nobody has "
    "measured.\n"
    "- The models are of 2023 and 2024."
)


def sources_table(results: Results) -> str:
    """Return the table of files: source, licence, rows, and the models of both sides."""
    rows = [
        [
            f"`{file}`",
            SOURCES.get(file, "unknown"),
            " / ".join(f"{found['rows'][split]:,}" for split in ("train", "validation", "test")),
            ", ".join(found["small"]),
            ", ".join(found["large"]),
        ]
        for file, found in results["sources"].items()
    ]
    return markdown(["file", "source and its licence", "rows: train / validation / test", "small", "large"], rows)


def figures_table(found: Results) -> str:
    """Return the figures of each benchmark with intervals."""
    rows = [
        [
            file,
            f"{one['n']:,}",
            f"{one['small_quality']:.3f} / {one['large_quality']:.3f}",
            with_interval(one[APGR], one["ci"]),
            _share(one["saved"], one["saved_ci"]),
            percent(one["oracle_saved"]),
            f"{percent(one['at_95']['cost_advantage'])}, {percent(one['at_95']['drop'])}",
        ]
        for file, one in found.items()
    ]
    columns = ["n", "quality: small / large", "APGR", "small at 1 % drop", "oracle", "at quality 0.95: small, drop"]
    return markdown(["benchmark", *columns], rows)


def _share(value: float, interval: Sequence[float]) -> str:
    return f"{percent(value)} [{number(100 * interval[0], 1)}, {number(100 * interval[1], 1)}]"


def verdict(results: Results) -> str:
    """Say where the router is better than random, and where that is not shown."""
    inside = {file: one for file, one in results["test"].items() if file != ALL}
    worst = max(((file, one["at_95"]["drop"]) for file, one in results["left_out"].items()), key=lambda pair: pair[1])
    few = [file for file, one in inside.items() if one["n"] < FEW]
    return (
        f"Its interval of APGR lies above 0.5, which is random, on {listed(_above(inside))}; it contains 0.5 or is "
        f"below on {listed([file for file in inside if file not in _above(inside)])}. Fewer than {FEW} test rows, so "
        f"that little can be said: {listed(few)}. Left out of training, the interval lies above 0.5 only on "
        f"{listed(_above(results['left_out']))}: **on the other benchmarks nothing shows that it beats random routing "
        "once it has not seen their like.** Nor do its thresholds carry over to them: at quality 0.95, which should "
        f"lose 5 %, left-out benchmarks lose up to {percent(worst[1])} (*{worst[0]}*)."
    )


def _above(found: Results) -> list[str]:
    return [file for file, one in found.items() if one["ci"] and one["ci"][0] > 0.5]


def study_table(study: Results) -> str:
    """Return the table of variants: means over the benchmarks, and differences of the shipped one to each."""
    rows = []
    for name in VARIANTS:
        cells = []
        for what in ("in domain", "left out"):
            difference = study[what].get(f"{OURS} - {name}")
            cells += [cell(study[what][name][APGR]), signed(difference[APGR]) if difference else ""]
        mean = (study["in domain"][name][APGR]["value"] + study["left out"][name][APGR]["value"]) / 2
        rows.append([name, *cells, f"{mean:.4f}", number(study["pooled"][name][APGR]["value"])])
    columns = ["in domain", "taken minus it", "left out", "taken minus it", "mean of both", "all as one"]
    return markdown(["variant", *columns], rows)


def setting_text(results: Results) -> str:
    """Say what made the numbers."""
    setting = results["setting"]
    return (
        f"Made by `{setting['command']}` on {setting['date']}; router `{setting['router']}`, encoder "
        f"`{setting['encoder']}`, {setting['repetitions']:,} resamples an interval."
    )


def study_text(study: Results) -> str:
    """Say what was judged how, and which variant is best by the rule."""

    def mean(name: str) -> float:
        return sum(float(study[what][name][APGR]["value"]) for what in ("in domain", "left out")) / 2

    best = max(VARIANTS, key=mean)
    gain = {what: study[what][f"{OURS} - {MEASURED}"][APGR] for what in ("in domain", "left out")}
    return (
        f"{study['rows']:,} training rows, {study['repetitions']:,} resamples; the means are over the "
        f"{len(study['benchmarks'])} benchmarks with at least {SOLID} of them: {listed(study['benchmarks'])}. By the "
        f"mean of both columns the best variant is *{best}* with {mean(best):.4f}; {OURS} has {mean(OURS):.4f}. It was "
        "picked in a first trial with the same rule; the variants around it hardly differ in that mean, and pulling "
        "the levels a little loses less in the pile than centring does. What the item-response targets add to "
        f"*{MEASURED}*: {signed(gain['in domain'])} in domain and {signed(gain['left out'])} left out.\n\n"
        f"{study_table(study)}"
    )


def left_out_text(compared: Results) -> str:
    """Say what judged rows cost benchmarks left out."""
    return (
        f"Mean APGR over the benchmarks with at least {SOLID} training rows: {cell(compared[FULL][APGR])}; fitted to "
        f"measured rows alone {cell(compared[BEFORE][APGR])}; the difference, paired, "
        f"{signed(compared[f'{FULL} - {BEFORE}'][APGR])}."
    )


def pairs_text(pairs: Results) -> str:
    """Say how many of the obvious pairs hold."""
    query, margin = pairs["least"]
    return (
        f"Of {pairs['n']} pairs of an obviously easy and an obviously hard prompt of the same kind, none of which "
        f"trained, the easy one scores higher in {pairs['n'] - len(pairs['broken'])}"
        f"{'; not in that of ' + listed(pairs['broken']) if pairs['broken'] else ''}. The closest is that of "
        f"*{query}*, by {number(margin, 4)}. Unfamiliar, and so sent to large at a quality level: "
        f"{listed(pairs['unfamiliar'])}."
    )


def write_page(page: Path, results: Results) -> None:
    """Fill the page."""
    write_between(page, "setting", setting_text(results))
    write_between(page, "sources", sources_table(results))
    write_between(page, "figures", f"{verdict(results)}\n\n{figures_table(results['test'])}\n\n{READING}")
    left_out = figures_table(results["left_out"])
    write_between(page, "left out", f"{left_out}\n\n{left_out_text(results['left_out_compared'])}")
    write_between(page, "limits", LIMITS)
    write_between(page, "pairs", pairs_text(results["pairs"]))
    if "judged" in results:
        judged = results["judged"]
        write_between(page, "everyday", f"{origin(judged)}\n\n{agreement_table(judged)}")
        write_between(page, "everyday figures", f"{short_verdict(judged)}\n\n{groups_table(judged, 'domain')}")
        write_between(page, "languages", languages_text(judged))
        write_between(page, "judged study", judged_study_text(judged))
    if "study" in results:
        write_between(page, "study", study_text(results["study"]))
