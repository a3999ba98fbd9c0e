"""The tables of ``docs/measured/second_look.md``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from benchmarks.common.doc_tables import markdown, percent
from benchmarks.common.judge import APGR
from benchmarks.common.numbers import cell, number, signed
from benchmarks.second_look.answers import COUNTS
from benchmarks.second_look.judge import (
    AGREEMENT_ALONE,
    AUC,
    BOTH,
    DROP,
    LOCAL,
    LOGPROBS_UNTRAINED,
    LOOK,
    QUERY_ONLY,
    SHARES,
    WITHOUT_QUERY,
)

Results = Mapping[str, Any]

MISSING: Final = "The files are not there."


def forms(results: Results) -> str:
    """Return a table of forms with log-probabilities, and one without."""
    tables = []
    for name, found in results["forms"].items():
        chosen, left = found["chosen"], found["left out"]
        rows = []
        for form in found["forms"]:
            held = found["held out"][form]
            row = [f"**{form}** (built)" if form == chosen else form, number(held[AUC]["value"]), cell(held[APGR])]
            row.append(number(100 * held[SHARES[0.05]]["value"], 0))
            if left:
                difference = left.get(f"{form} - {chosen}")
                row += [number(left[form][AUC]["value"]), cell(left[form][APGR])]
                row += [number(100 * left[form][SHARES[0.05]]["value"], 0)]
                row.append(signed(difference[APGR]) if difference else "")
            rows.append(row)
        kinds = ["held-out fifth", "tasks left out"] if left else ["held-out fifth"]
        header = [name, *(f"{kind}: {figure}" for kind in kinds for figure in ("AUC", "APGR", "local at 5 %, %"))]
        header += ["difference"] * bool(left)
        counts = found["n"]
        said = f"Pairs: {'; '.join(found['pairs'])}. Rows of the held-out fifth: {_counts(counts['held out'])}"
        said += f"; of tasks left out: {_counts(counts['left out'])}." if left else "."
        tables.append(f"{markdown(header, rows)}\n\n{said}")
    notes = (
        "*Untrained*: fixed weights. *Free signs*: a weight may turn against its signal. *mean, lowest, q10, q25, "
        "median* are of the log-probabilities; *logprobs* is the log-odds of the mean probability; *length* is minus "
        "the logarithm of the number of tokens; *found*: whether there is a final answer. Tasks left out are sorted "
        "without the fits' intercepts: one says how good the answers to the *other* tasks are, and would sort the "
        "tasks the wrong way round. No row of `mmlu_pro` is left out by its subject."
    )
    return "\n\n".join([*tables, notes])


def _counts(counts: list[int]) -> str:
    return ", ".join(f"{count:,}" for count in counts)


def served(results: Results) -> str:
    """Return a table of what levels do on test rows, and what the gate is worth."""
    rows = [
        [f"{pair['name']}, {way}", f"{100 * (1 - float(level)):.0f} %", *_decided(one)]
        for pair in results["pairs"]
        for way, levels in pair["served"].items()
        for level, one in levels.items()
    ]
    header = ["pair", "drop allowed", "local, %", "both run, %", "drop, %"]
    gates = [
        [
            pair["name"],
            *(
                f"{percent(levels[level]['local'], 0)} / {percent(levels[level]['both run'], 0)}"
                for level in ("0.99", "0.95")
                for levels in pair["gates"].values()
            ),
        ]
        for pair in results["pairs"]
    ]
    ways = ["with a gate", "without"]
    gate_header = ["local / both run", *(f"at {drop} drop, {way}" for drop in ("1 %", "5 %") for way in ways)]
    return (
        f"{markdown(header, rows)}\n\nWhat the gate is worth, with the rung chosen on the judged rows (validation and "
        f"test):\n\n{markdown(gate_header, gates)}"
    )


def _decided(one: Mapping[str, Any]) -> list[str]:
    return [cell(one[LOCAL], 0, 100), cell(one[BOTH], 0, 100), cell(one[DROP], 1, 100)]


def new_tasks(results: Results) -> str:
    """Return a table of what levels do on tasks that no row came from."""
    rows = [
        [f"{name}, {way}", f"{100 * (1 - float(level)):.0f} %", *_decided(one)]
        for name, ways in results["new_tasks"].items()
        for way, levels in ways.items()
        for level, one in levels.items()
    ]
    return markdown(["pair", "drop allowed", "local, %", "both run, %", "drop, %"], rows) if rows else MISSING


def groups(results: Results) -> str:
    """Return a table of kinds of tasks left out."""
    shown = (QUERY_ONLY, LOGPROBS_UNTRAINED, WITHOUT_QUERY, LOOK)
    rows = [
        [
            f"{one['name']}, {name}",
            *(cell(one["mean"][name][figure]) for figure in (AUC, APGR)),
            cell(one["mean"][name][SHARES[0.05]], 0, 100),
            signed(one["mean"][f"{LOOK} - {name}"][APGR]) if f"{LOOK} - {name}" in one["mean"] else "",
        ]
        for one in results["groups"]
        for name in shown
    ]
    return (
        markdown(["pair", "AUC", "APGR", "local at 5 %, %", "second look minus this, APGR"], rows) if rows else MISSING
    )


def three(results: Results) -> str:
    """Return a table of benchmarks left out."""
    found = results["three"]
    if not found:
        return MISSING
    rows = [
        [
            f"{name}, {way}",
            f"{one['n']:,}",
            *(cell(one["figures"][way][figure]) for figure in (AUC, APGR)),
            *(cell(one["figures"][way][SHARES[drop]], 0, 100) for drop in (0.01, 0.05)),
        ]
        for name, one in found["each"].items()
        for way in (QUERY_ONLY, AGREEMENT_ALONE, LOOK)
    ]
    header = ["judged", "rows", "AUC", "APGR", "local at 1 % drop, %", "local at 5 % drop, %"]
    return (
        f"Small is {found['small']} throughout; large and checker differ from file to file, so that what is learned is "
        "what the agreement of *another model* is worth. Of each file at most 1,000 rows are fitted, and judged.\n\n"
        f"{markdown(header, rows)}"
    )


def few_grades(results: Results) -> str:
    """Return a table of numbers of grades."""
    rows = []
    whole = {pair["name"]: pair for pair in results["pairs"]}
    for study in results["grades"]:
        pair = whole[study["name"]]
        sizes = {**study["sizes"], f"all {pair['rows']['train']:,}": pair["figures"]}
        for size, figures in sizes.items():
            rows.append(
                [
                    f"{study['name']}, {size} grades",
                    *(cell(figures[name][APGR]) for name in (QUERY_ONLY, LOOK)),
                    *(cell(figures[name][SHARES[0.05]], 0, 100) for name in (QUERY_ONLY, LOOK)),
                    signed(figures[f"{LOOK} - {QUERY_ONLY}"][APGR]),
                ]
            )
    header = ["pair", "APGR: query only", "second look", "local at 5 %: query only", "second look", "difference, APGR"]
    return markdown(header, rows) if rows else MISSING


def answers(results: Results) -> str:
    """Return the counts of final answers, and what agreement tells by itself."""
    rows = [
        [
            name,
            f"{one['rows']:,}",
            f"{one['answers']:,}",
            f"{one['found']:,}",
            *(f"{one[kind]:,}" for kind in COUNTS),
            f"{number(one['auc_least'], 2)} / {number(one['auc_median'], 2)} / {number(one['auc_most'], 2)}",
        ]
        for name, one in results["answers"].items()
    ]
    header = ["table", "rows", "answers", "with a final answer", *COUNTS, "AUC of agreement: least / median / most"]
    told = [
        f"`{name}` has accepted texts: of {one['right']:,} right answers {one['right, no match']:,} do not match one, "
        f"of {one['wrong']:,} wrong ones {one['wrong, match']:,} do. (A right answer is one in which an accepted text "
        'stands: "18 is larger than 69" counts as right there for 69.)'
        for name, one in results["answers"].items()
        if "right" in one
    ]
    best = [
        f"`{name}`: {most[0]} {number(most[1], 2)}"
        for name, one in results["answers"].items()
        if (most := max(one["auc"].items(), key=lambda item: item[1] or 0))
    ]
    said = f"The AUC is that of one checker's agreement for right. The best pair of each: {'; '.join(best)}."
    return "\n\n".join([markdown(header, rows), *told, said])


def speed(results: Results) -> str:
    """Return the table of speeds."""
    found = results["speed"]
    score = found.get("one score of a query", {}).get("one_ms")
    rows = [
        [
            what,
            f"{one['one_ms']:.3f}",
            f"{one['one_ms'] / score:.2f}" if score else "n/a",
            f"{one['batch_per_s']:,.0f}" if "batch_per_s" in one else "",
            f"{one['signals_known_per_s']:,.0f}" if "signals_known_per_s" in one else "",
        ]
        for what, one in found.items()
    ]
    header = ["one core, best of some passes", "one, ms", "beside one score of a query", "a second, from texts"]
    return markdown([*header, "a second, signals known"], rows) + (
        "\n\nA look finds the final answer of small and of each checker, sums up log-probabilities, and decides. "
        "CPU time on a shared machine whose neighbours were busy: the ratio says more than the milliseconds."
    )
