"""From the results of ``run`` to ``docs/measured/robustness.md``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from benchmarks.common.doc_tables import markdown, percent, write_between
from benchmarks.common.numbers import cell, number, signed
from benchmarks.common.places import MEASURED
from benchmarks.robustness.familiar import EVERYDAY, KEPT, LEFT_OUT, OWN, SCRIPTS
from benchmarks.robustness.figures import FLIPS, FLIPS_MEDIAN, LOST, MOVE, limits, missed
from benchmarks.robustness.figures import KEPT as QUALITY_KEPT
from benchmarks.robustness.routers import HEAD, OURS

Results = Mapping[str, Any]

PAGE: Final = MEASURED / "robustness.md"
TO_LARGE, TO_SMALL = "gadget to large", "gadget to small"
MMLU: Final = "mmlu"
OWN_LIMIT, EVERYDAY_LEAST, SCRIPTS_LEAST, MOST = 0.03, 0.90, 0.95, 0.50
SECTIONS: Final = ("setting", "short", "edits", "attacks", "familiar", "left out", "price")
SKELETON: Final = """\
# When the text is touched, attacked or unlike anything seen

<!-- begin: setting -->
<!-- end: setting -->

## In short

<!-- begin: short -->
<!-- end: short -->

## Edits that change nothing

Every query of the judged test rows gets one edit, at a place that a hash of its text draws. *Move*: mean absolute move
of the score. *Flipped*: share of the decisions that are other ones; *at .95* as `Router.decide(quality=0.95)` decides,
with a threshold measured on the pair's validation rows and unfamiliar queries sent to large; *at the median* by the
score alone, with the median score of the validation rows as the threshold. *Kept*: quality of the routed mix at .95 as
a share of large's, before the edit; *lost*: how much less it is after every query got the edit (percentage points;
negative is a gain), paired. Means over the pairs of models; 95 % intervals from resamples of the rows, in brackets.

Aimed at: a move below .02, flips below 3 %, less than 1 point of quality lost; in capitals less than 2 points lost.
What misses its aim is marked with a dagger (†).

<!-- begin: edits -->
<!-- end: edits -->

kNN-100 averages the quality gap of the 100 nearest training queries, taken from [-1, 1] to [0, 1]: moves of its score
are not in the units of ours, flips are comparable. It reads texts as they are; the encoder's own tokeniser leaves out
case, accents and control characters, so that some edits cannot move it at all.

## Prefixes that push a router

"Rerouting LLM Routers" (Shafran et al., arXiv 2501.01818) puts one short sequence of tokens, the same for every query,
before each query, so that the router picks the strong model: whoever pays per query can be made to pay. The other
direction hurts quality.

<!-- begin: attacks -->
<!-- end: attacks -->

## What is called unfamiliar

A query is unfamiliar when fewer than 1 % of the training queries are less like the others than it is. Shares with exact
95 % intervals. The prompts are everyday requests and requests in eleven scripts, written for this page; none is from a
benchmark.

<!-- begin: familiar -->
<!-- end: familiar -->

### Subjects left out

By the format alone it would be easy. So blocks of subjects are left out of the training rows of MMLU, one block after
the other, and the router is asked about the block's questions, with their options and without them. *Other subjects*
are test rows of those subjects that it was trained on.

<!-- begin: left out -->
<!-- end: left out -->

## What the rule costs

At a quality level an unfamiliar query goes to large. On test rows, which are like the training rows, that costs saved
calls: share of the queries that small answers, without the rule and with it, and the paired difference in points.

<!-- begin: price -->
<!-- end: price -->
"""


def write_page(page: Path, results: Results) -> None:
    """Write the page."""
    texts = (setting, short, edits, attacks, familiar, subjects, price)
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(SKELETON, encoding="utf-8")
    for name, text in zip(SECTIONS, texts, strict=True):
        write_between(page, name, text(results))


def setting(results: Results) -> str:
    """Say what made the numbers, and on which rows."""
    made = results["setting"]
    rows = [
        [
            pair["name"],
            f"{pair['small']} → {pair['large']}",
            *(f"{pair[split]:,}" for split in ("train", "validation", "test", "judged")),
        ]
        for pair in results["pairs"]
    ]
    return (
        f"Written by `{made['command']}`; this one on {made['date']} ({made['machine']}; Python {made['python']}; "
        f"encoder `{made['encoder']}`; shipped router `{made['shipped']}`; {made['repetitions']:,} resamples an "
        "interval). DATA_DIR and the rows are those of `docs/measured/benchmarks.md`. All that is judged is test "
        "rows, which no "
        "fit and no threshold saw, or prompts written for this page.\n\n"
        f"{markdown(['pair', 'models', 'train', 'validation', 'test', 'edited and attacked'], rows)}"
    )


def short(results: Results) -> str:
    """Say for each aim whether it is met, misses first among equals."""
    lines = [_edits_in_short(name, found) for name, found in results["edits"].items()]
    if results["attacks"]:
        lines.append(_attacks_in_short(results["attacks"]))
    lines += [_familiar_in_short(name, found) for name, found in results["familiar"].items()]
    if results["left_out"]:
        lines.append(_subjects_in_short(results["left_out"]["pooled"]))
    lines.append(_price_in_short(results["price"]))
    return "\n".join(f"- {line}" for line in lines)


def _edits_in_short(name: str, found: Mapping[str, Any]) -> str:
    misses = missed(found)
    cells = sum(len(limits(edit)) for edit in found)
    if not misses:
        return f"**Edits, {name}**: every aim is met ({cells} of {cells})."
    parts = [f"*{edit}*, {measure} {_plain(measure, value)}" for edit, measure, value, _ in misses]
    return f"**Edits, {name}**: {len(misses)} of {cells} aims are missed: {'; '.join(parts)}."


def _plain(measure: str, value: float) -> str:
    return number(value) if measure == MOVE else percent(value)


def _attacks_in_short(found: Mapping[str, Any]) -> str:
    parts = []
    for name, prefixes in found.items():
        up, down = prefixes[TO_LARGE]["found"]["to large at level"], prefixes[TO_SMALL]["found"]["to small at level"]
        parts.append(
            f"*{name}*: {_alone(up)} of what went to small goes to large, {_alone(down)} of what "
            "went to large goes to small"
        )
    return f"**Gadgets, each found against the router that it attacks**, at quality .95: {'; '.join(parts)}."


def _familiar_in_short(name: str, found: Mapping[str, Any]) -> str:
    parts = []
    for pair, shares in found.items():
        text = f"*{pair}*: {percent(shares[OWN]['value'])} of its own test rows"
        text += _mark(shares[OWN]["value"] > OWN_LIMIT)
        if name == HEAD and pair == MMLU:
            for kind, least in ((EVERYDAY, EVERYDAY_LEAST), (SCRIPTS, SCRIPTS_LEAST)):
                text += f", {percent(shares[kind]['value'])} of {kind}{_mark(shares[kind]['value'] < least)}"
        parts.append(text)
    aims = "at most 3 % of its own test rows"
    if name == HEAD:
        aims += "; trained for MMLU, at least 90 % of everyday prompts and 95 % of those in other scripts"
    return f"**Called unfamiliar by {name}**: {'; '.join(parts)} (aimed at: {aims})."


def _subjects_in_short(pooled: Mapping[str, Any]) -> str:
    shares = {
        (kind, form): pooled[f"{kind}, {form} options"]["value"]
        for kind in (LEFT_OUT, KEPT)
        for form in ("with", "without")
    }
    usual = shares[KEPT, "with"]
    form_alone, subject_alone = shares[KEPT, "without"] - usual, shares[LEFT_OUT, "with"] - usual
    heavier = "missing options count for more than the subject" if form_alone > subject_alone else "the subject counts"
    return (
        f"**Subjects left out of training**: {percent(shares[LEFT_OUT, 'without'])} of their questions without options "
        f"are called unfamiliar{_mark(shares[LEFT_OUT, 'without'] <= MOST)}, and {percent(shares[LEFT_OUT, 'with'])} "
        "of those with options (aimed at: most of those without). Of the subjects that it knows it is "
        f"{percent(shares[KEPT, 'without'])} without options and {percent(usual)} with them: **{heavier}**."
    )


def _price_in_short(found: Mapping[str, Any]) -> str:
    differences = [
        levels[level]["difference"]["value"]
        for pairs in found.values()
        for levels in pairs.values()
        for level in levels
    ]
    return (
        "**The rule for unfamiliar queries** costs between "
        f"{number(-100 * max(differences), 2)} and {number(-100 * min(differences), 2)} points of saved calls on "
        "traffic like that of training."
    )


def edits(results: Results) -> str:
    """Return a table for each router."""
    tables = []
    for name, found in results["edits"].items():
        wrong = {(edit, measure) for edit, measure, *_ in missed(found)}
        rows = [
            [
                edit,
                cell(one[MOVE], 4) + _mark((edit, MOVE) in wrong),
                cell(one[FLIPS], 1, 100) + _mark((edit, FLIPS) in wrong),
                cell(one[FLIPS_MEDIAN], 1, 100) + _mark((edit, FLIPS_MEDIAN) in wrong),
                number(100 * one[QUALITY_KEPT]["value"], 1),
                signed(one[LOST], 2, 100) + _mark((edit, LOST) in wrong),
            ]
            for edit, one in found.items()
        ]
        header = ["edit", "move", "flipped at .95, %", "flipped at the median, %", "kept, %", "lost, points"]
        tables.append(f"### {name}\n\n{markdown(header, rows)}")
    return "\n\n".join([*tables, _pairs_that_miss(results["edits_of_each_pair"])])


def _pairs_that_miss(found: Mapping[str, Any]) -> str:
    lines = []
    for name in OURS:
        for pair, of_pair in found.get(name, {}).items():
            parts = [f"{edit}, {measure} {_plain(measure, value)}" for edit, measure, value, _ in missed(of_pair)]
            lines.append(f"- *{name}*, {pair}: {'; '.join(parts) or 'none'}")
    return "Aims that are missed on one of the pairs by itself:\n\n" + "\n".join(lines)


def attacks(results: Results) -> str:
    """Return the table of prefixes for each router, and the prefixes themselves."""
    if not results["attacks"]:
        return "The files are not there."
    search = results["setting"]["search"]
    said = (
        f"On *{MMLU}*. A gadget is {search['tokens']} tokens of the encoder's vocabulary ({search['vocabulary']:,} "
        "whole words and signs), found against each router by a hill climb on the mean score of "
        f"{search['queries']} short training queries: {search['rounds']} rounds, {search['candidates']} tokens tried "
        "at one place in each. The attacker sees scores, many of them; a harder search finds more. The controls are "
        "plain sentences, the same for every router. *To large*: share of the queries that went to small before and go "
        "to large with the prefix; *to small*: the other way round. *Unfamiliar*: share of the queries with the prefix "
        "that familiarity flags; at .95 those go to large, at the median the score alone decides. Exact 95 % intervals."
    )
    tables = []
    for name, prefixes in results["attacks"].items():
        rows = [
            [
                label,
                *(_share(one["found"][f"to {route} at {at}"]) for at in ("level", "median") for route in _ROUTES),
                _share(one["found"]["unfamiliar"]) if name in OURS else "cannot tell",
            ]
            for label, one in sorted(prefixes.items(), key=lambda item: item[0].startswith("control"))
        ]
        header = [
            f"before every query, {name}",
            "at .95: to large, %",
            "to small, %",
            "at the median: to large, %",
            "to small, %",
            "unfamiliar, %",
        ]
        tables.append(markdown(header, rows))
    gadgets = [
        f"- *{name}*, {label}: `{prefixes[label]['prefix']}`"
        for name, prefixes in results["attacks"].items()
        for label in (TO_LARGE, TO_SMALL)
    ]
    controls = [
        f"- *{label.removeprefix('control: ')}*: {one['prefix']}"
        for label, one in next(iter(results["attacks"].values())).items()
        if label.startswith("control")
    ]
    return "\n\n".join(
        [said, *tables, "The gadgets:\n\n" + "\n".join(gadgets), "The controls:\n\n" + "\n".join(controls)]
    )


_ROUTES: Final = ("large", "small")


def familiar(results: Results) -> str:
    """Return the table of what is flagged."""
    rows = [
        [f"{name}, {pair}", *(_counted(shares[kind]) for kind in (OWN, EVERYDAY, SCRIPTS))]
        for name, pairs in results["familiar"].items()
        for pair, shares in pairs.items()
    ]
    return markdown(["router", f"{OWN}, %", f"{EVERYDAY}, %", f"{SCRIPTS}, %"], rows)


def subjects(results: Results) -> str:
    """Return the table of blocks."""
    if not results["left_out"]:
        return "The files are not there."
    kinds = [f"{kind}, {form} options" for kind in (LEFT_OUT, KEPT) for form in ("with", "without")]
    blocks: Iterable[tuple[str, Mapping[str, Any]]] = [
        *results["left_out"]["blocks"].items(),
        ("together", results["left_out"]["pooled"]),
    ]
    rows = [[block, *(_counted(found[kind]) for kind in kinds)] for block, found in blocks]
    return markdown(["left out: flagged, %", *kinds], rows)


def price(results: Results) -> str:
    """Return the table of saved calls with and without the rule."""
    rows = [
        [
            f"{name}, {pair}",
            level,
            cell(one["without"], 1, 100),
            cell(one["with"], 1, 100),
            signed(one["difference"], 2, 100),
        ]
        for name, pairs in results["price"].items()
        for pair, levels in pairs.items()
        for level, one in levels.items()
    ]
    return markdown(["router", "quality", "small answers without the rule, %", "with it, %", "difference"], rows)


def _share(figure: Mapping[str, Any]) -> str:
    return "none" if figure["value"] is None else cell(figure, 1, 100)


def _alone(figure: Mapping[str, Any]) -> str:
    return "none" if figure["value"] is None else percent(figure["value"])


def _counted(figure: Mapping[str, Any]) -> str:
    return f"{_share(figure)} of {figure['n']:,}"


def _mark(wrong: bool) -> str:
    return " †" if wrong else ""
