"""From the results of ``run``: the fixed text of the page, and what says it at a glance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.common.doc_tables import markdown, percent, write_between
from benchmarks.common.judge import APGR
from benchmarks.common.numbers import cell, clear, number, signed
from benchmarks.common.places import MEASURED
from benchmarks.second_look.judge import (
    AGREEMENT_ALONE,
    AUC,
    LOGPROBS_UNTRAINED,
    LOOK,
    ORACLE,
    QUERY_ONLY,
    RANDOM,
    SHARES,
)
from benchmarks.second_look.plots import PANELS, draw_panels
from benchmarks.second_look.tables import MISSING, answers, few_grades, forms, groups, new_tasks, served, speed, three

Results = Mapping[str, Any]

PAGE: Final = MEASURED / "second_look.md"
AIMS: Final[Mapping[str, Mapping[str, float]]] = {
    "gemma-2-9b": {APGR: 0.766, SHARES[0.05]: 0.63},
    "Llama-3.1-8B": {APGR: 0.791, SHARES[0.05]: 0.69},
    "mmlu_pro, one checker": {APGR: 0.652},
    "mmlu_pro, two checkers": {APGR: 0.668},
}
"""What a first logistic head reached on the same rows; the least that is aimed at."""
FASTEST, ONE_MS = 10_000, 0.2
SECTIONS: Final = (
    "setting",
    "glance",
    "short",
    "forms",
    "known tasks",
    "served",
    "new tasks",
    "groups",
    "three",
    "grades",
    "answers",
    "speed",
)
SKELETON: Final = """\
# What a second look is worth

A *second look* lets the small model answer, looks at that answer, and shows it or asks the large model. It sees how
sure the small model was of its words (log-probabilities), whether another local model gives the same final answer (a
*checker*), and the score of the query. It costs time: [seconds](second_look_seconds.md), beside always-large and
query-only.

<!-- begin: glance -->
<!-- end: glance -->

## In short

<!-- begin: short -->
<!-- end: short -->

## How to read this page

<!-- begin: setting -->
<!-- end: setting -->

- *Local*: share of the queries whose small answer is shown, so that nothing is paid. *At 1 %*: the most that can stay
  local while 1 % of the large model's quality is lost, with the cut chosen on the judged rows, as papers do; *as
  served* below chooses it beforehand. *Both run*: share of the queries on which both models ran.
- *APGR*: share of the gap between both models that is kept, averaged over all shares; 0.5 is random. *AUC*: of the
  score, for "the small answer is at least as good as the large one" (against `reference`: for "right").
- Numbers in brackets are 95 % intervals from resamples of the judged rows; differences are paired, and bold where the
  interval leaves out zero. What misses its aim is marked with a dagger (†).
- The query's score is that of `hybrid_llm.training.train`; to the look each training row has its score from a fit that
  left it out.

## Which form

The form was chosen on the held-out fifth of `train` and on tasks that no fit saw. *Built* is a logistic step over the
log-odds of the query's score, the log-odds of the geometric mean of the tokens' probabilities, and the agreement of
each checker, with weights of at least a little above zero. Means over the pairs; the last column is the paired
difference in APGR from what is built, on tasks left out.

<!-- begin: forms -->
<!-- end: forms -->

## On tasks that were trained on

Fitted to `train`, judged on validation and test rows together.

<!-- begin: known tasks -->
<!-- end: known tasks -->

## As it is served

Gate and threshold of each quality level come from validation rows, and test rows say what they do. Unfamiliar queries
skip the gate; by the query alone they go to large.

<!-- begin: served -->
<!-- end: served -->

## On tasks that no row came from

Each task of `plain` is left out of the fits, the rungs and the thresholds, and then served; the decisions of all tasks
are put together. A level promises what it was measured on: nothing here was like the rows that it was measured on.

<!-- begin: new tasks -->
<!-- end: new tasks -->

### Two kinds of tasks fitted, the third judged

Arithmetic, knowledge and words, each judged in turn; means over the three.

<!-- begin: groups -->
<!-- end: groups -->

### Two benchmarks fitted, the third judged

<!-- begin: three -->
<!-- end: three -->

## With a few grades

Query router and second look are trained on the same few rows. Means over draws.

<!-- begin: grades -->
<!-- end: grades -->

## Final answers

Agreement compares final answers, never whole texts. Counted over all rows and all pairs of models: both were graded
right and their final answers do not match; one was right, one wrong, and they match. Some of it is the grading's fault.

<!-- begin: answers -->
<!-- end: answers -->

## Speed

<!-- begin: speed -->
<!-- end: speed -->

## What these tables cannot show

- **Free-form chat.** Every answer here has a final answer that can be compared, or is a few words long. On 265 judged
  chat prompts nothing of this kind helped; expect nothing there, and let `hybrid-llm evaluate` say what it is worth on
  rows of your own.
- **Log-probabilities of long answers.** `plain` holds answers of at most 40 tokens of three small models, at
  temperature 0. The tables of mathematics and MMLU-Pro hold final answers without log-probabilities, so what both
  signals do together on long reasoning is not known.
- **A large model that errs.** `reference` is always right. With a real one more stays local at the same drop.
- **Time.** A checker is a second local model that runs on every query that is looked at, beside the small one.
- **Your traffic.** These are benchmarks. A level holds on traffic like the rows that it was measured on.
"""


def write_page(page: Path, results: Results) -> None:
    """Write the page."""
    texts = {
        "setting": setting,
        "glance": glance,
        "short": short,
        "forms": forms,
        "known tasks": known_tasks,
        "served": served,
        "new tasks": new_tasks,
        "groups": groups,
        "three": three,
        "grades": few_grades,
        "answers": answers,
        "speed": speed,
    }
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(SKELETON, encoding="utf-8")
    for name in SECTIONS:
        write_between(page, name, texts[name](results))


def draw(folder: Path, results: Results) -> None:
    """Draw the picture of the page."""
    draw_panels(results["pairs"], folder / "second_look.png")


def setting(results: Results) -> str:
    """Say what made the numbers, and on which rows."""
    made = results["setting"]
    rows = [
        [
            pair["name"],
            f"{pair['small']} → {pair['large']}",
            ", ".join(pair["checkers"]),
            *(f"{pair['rows'][split]:,}" for split in ("train", "validation", "test")),
        ]
        for pair in results["pairs"]
    ]
    return (
        f"Written by `{made['command']}`; this one on {made['date']} ({made['machine']}; Python {made['python']}; "
        f"encoder `{made['encoder']}`; shipped router `{made['shipped']}`; {made['repetitions']:,} resamples an "
        "interval). DATA_DIR is a folder of quality tables with what each model answered; it is not part of the "
        "project. `gsm8k` and `math_l5` (pooled as mathematics) and `mmlu_pro` are converted from the sources that "
        "`docs/measured/benchmarks.md` names; `plain` are short questions of our own, asked of three real models and "
        "graded "
        "by "
        "whether an accepted text stands in the answer.\n\n"
        f"{markdown(['pair', 'models', 'checkers', 'train', 'validation', 'test'], rows)}"
    )


def glance(results: Results) -> str:
    """Return the picture and the one table."""
    drawn = any(pair["name"] in PANELS for pair in results["pairs"])
    picture = "![Quality lost against calls saved: query only, second look, oracle](img/second_look.png)\n\n" * drawn
    rows = []
    for pair in results["pairs"]:
        figures = pair["figures"]
        rows.append(
            [
                f"{_what(pair)}: {pair['small']} → {pair['large']}",
                *(
                    cell(figures[name][share], 0, 100) + _marked(pair, name, share)
                    for share in (SHARES[0.01], SHARES[0.05])
                    for name in (QUERY_ONLY, LOOK)
                ),
                " → ".join(number(figures[name][APGR]["value"]) for name in (QUERY_ONLY, LOOK))
                + _marked(pair, LOOK, APGR),
                signed(figures[f"{LOOK} - {QUERY_ONLY}"][APGR]),
            ]
        )
    header = [
        "local, %",
        "at 1 % drop: query only",
        "second look",
        "at 5 % drop: query only",
        "second look",
        "APGR",
        "difference",
    ]
    return picture + markdown(header, rows)


def _what(pair: Results) -> str:
    kind = {"gsm8k": "mathematics", "mmlu_pro": "MMLU-Pro", "plain": "plain"}[pair["files"][0]]
    return kind + {"mmlu_pro, two checkers": ", two checkers"}.get(pair["name"], "")


def _marked(pair: Results, name: str, figure: str) -> str:
    return " †" if name == LOOK and missed(pair, figure) else ""


def missed(pair: Results, figure: str) -> bool:
    """Return whether a pair's second look misses the aim of a figure."""
    aim = AIMS.get(pair["name"], {}).get(figure)
    return aim is not None and pair["figures"][LOOK][figure]["value"] < aim


def short(results: Results) -> str:
    """Say what counts, aims that are missed among it."""
    lines = [*_pairs_in_short(results["pairs"])]
    if results["new_tasks"]:
        lines.append(_new_tasks_in_short(results["new_tasks"]))
    if results["three"]:
        each = results["three"]["each"].items()
        told = "; ".join(
            f"*{name}* "
            + " → ".join(number(one["figures"][way][AUC]["value"]) for way in (QUERY_ONLY, AGREEMENT_ALONE, LOOK))
            for name, one in each
        )
        lines.append(
            f"**Two benchmarks fitted, the third judged**, AUC of the query → agreement → second look: {told}."
        )
    lines.append(_speed_in_short(results["speed"]))
    return "\n".join(f"- {line}" for line in lines)


def _pairs_in_short(pairs: Sequence[Results]) -> list[str]:
    aimed = [(pair, figure) for pair in pairs for figure in AIMS.get(pair["name"], {})]
    misses = [f"{pair['name']}, {figure}" for pair, figure in aimed if missed(pair, figure)]
    better = [pair for pair in pairs if _gain(pair)["value"] > 0 and clear(_gain(pair))]
    told = f"missed: {'; '.join(misses)}" if misses else f"{len(aimed)} of {len(aimed)} are met"
    first = (
        f"**Better than the query alone** in APGR, with the whole interval, on {len(better)} of {len(pairs)} pairs. "
        f"Aims (APGR and local at 5 % drop of a first logistic head on the same rows): {told}."
    )
    shown = [pair for pair in pairs if pair["name"] in PANELS]
    lines = [first]
    lines += [f"**{_what(pair).capitalize()}, {pair['small']} → {pair['large']}**: {_saved(pair)}." for pair in shown]
    plain = [pair for pair in pairs if LOGPROBS_UNTRAINED in pair["figures"] and pair["large"] == "reference"]
    if plain:
        aucs = "; ".join(
            f"{pair['small']} (right on {percent(pair['small_quality'], 0)}) "
            f"{cell(pair['figures'][LOGPROBS_UNTRAINED][AUC], 2)}"
            for pair in plain
        )
        lines.append(f"**Without any training** the mean log-probability tells right from wrong with an AUC of {aucs}.")
    return lines


def _gain(pair: Results) -> Mapping[str, Any]:
    gain: Mapping[str, Any] = pair["figures"][f"{LOOK} - {QUERY_ONLY}"][APGR]
    return gain


def _saved(pair: Results) -> str:
    names = [name for name in (QUERY_ONLY, LOGPROBS_UNTRAINED, LOOK, ORACLE) if name in pair["figures"]]
    share = SHARES[0.01]
    parts = [f"{name} {cell(pair['figures'][name][share], 0, 100)} %" for name in names]
    return f"at 1 % drop {', '.join(parts)}; random {percent(pair[RANDOM][share], 0)}"


def _new_tasks_in_short(found: Mapping[str, Any]) -> str:
    parts = []
    for name, ways in found.items():
        told = [f"{way} {percent(levels['0.95']['drop']['value'])}" for way, levels in ways.items()]
        parts.append(f"*{name}*: {', '.join(told)}")
    return f"**Tasks that no row came from**: what a level of .95 loses there, promised 5 %: {'; '.join(parts)}."


def _speed_in_short(found: Mapping[str, Any]) -> str:
    if not any("batch_per_s" in one for one in found.values()):
        return f"**Speed**: {MISSING}"
    parts = []
    for what, one in found.items():
        if "batch_per_s" in one:
            slow, late = one["batch_per_s"] < FASTEST, one["one_ms"] > ONE_MS
            parts.append(
                f"*{what}*: {one['batch_per_s']:,.0f} a second in a batch{' †' * slow}, {one['one_ms']:.2f} ms for one"
                f"{' †' * late}"
            )
    return f"**Speed** (aimed at {FASTEST:,} a second and {ONE_MS} ms): {'; '.join(parts)}."


def known_tasks(results: Results) -> str:
    """Return a table of all scores for each pair."""
    tables = []
    for pair in results["pairs"]:
        figures = pair["figures"]
        rows = [
            [
                name,
                cell(figures[name][AUC]),
                cell(figures[name][APGR]) + _marked(pair, name, APGR),
                *(cell(figures[name][share], 0, 100) + _marked(pair, name, share) for share in SHARES.values()),
            ]
            for name in figures
            if " - " not in name
        ]
        rows.append([RANDOM, "0.500", "0.500", *(number(100 * pair[RANDOM][share], 0) for share in SHARES.values())])
        differences = "; ".join(
            f"{name} {signed(one[APGR])}"
            for name, one in figures.items()
            if " - " in name and one[APGR]["value"] is not None
        )
        said = f"### {_what(pair)}: {pair['small']} → {pair['large']}"
        quality = f"{pair['n']:,} rows; quality {number(pair['small_quality'])} → {number(pair['large_quality'])}"
        header = [f"{quality}", "AUC", "APGR", *(f"local at {percent(drop, 0)} drop, %" for drop in SHARES)]
        answered = ", ".join(f"{name} on {count:,}" for name, count in pair["answered"].items())
        told = f"Checker: {answered} of these rows. Differences in APGR: {differences}."
        tables.append(f"{said}\n\n{markdown(header, rows)}\n\n{told}")
    return "\n\n".join(tables) or MISSING
