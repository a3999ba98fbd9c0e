"""From the results of ``run`` to ``docs/measured/peers.md``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.common.doc_tables import markdown
from benchmarks.common.judge import APGR
from benchmarks.common.numbers import cell, number, signed
from benchmarks.common.places import MEASURED
from benchmarks.peers.figures import FIGURES, QUALITY, verdicts
from benchmarks.peers.menu import HEAD, NOT_MEASURED, ORACLE, OURS, RANDOM

Results = Mapping[str, Any]

PAGE: Final = MEASURED / "peers.md"

TITLES: Final = ("APGR", "CPT(50), %", "CPT(80), %", "cost advantage at 1 % drop, %", "at 2 %, %")
CHOSEN: Final = ("drop at the chosen threshold, %", "its cost advantage, %")
STYLE: Final = {APGR: (3, 1.0), "drop": (1, 100.0)}
"""Figure -> digits and scale; whole percent for the others."""

SHORT: Final = {APGR: "APGR", "at 1 %": "cost advantage at 1 % drop"}
"""What the summary reports."""

TEXT: Final = """\
# Against other routers

{setting}

## In short

A router is *clearly* better or worse when the 95 % interval of the paired difference leaves out zero; else they tie.

{short}

## The figures

- *APGR*, *CPT*, *cost advantage* and *drop* are those of `docs/measured/benchmarks.md`: APGR is 0.5 and CPT(x) is x %
  for routing at random; less is better for CPT and drop. The cut of *cost advantage at 1 % (2 %) drop* is chosen on the
  rows that it is judged on.
- *Chosen threshold*: the one with the largest cost advantage whose drop on the validation rows is at most {drop} %. A
  router that loses more than {drop} % with it on test breaks what its user asked for; one that loses much less asks the
  large model more often than it has to.
- Brackets are 95 % intervals from {repetitions:,} resamples of the test rows. Differences are paired: both routers are
  judged on the same resamples; bold where the interval leaves out zero.
- Scores that fall into few steps (LiteLLM's) can be cut only between steps, as their user would have to.

{tables}

## What they cost

{cost}

## How each was run

- **Ours, trained for the pair**: `hybrid_llm.training.train` with its defaults. **As shipped**: `Router.load()`; it was
  trained on the training rows of all files, these pairs among many, never on validation or test rows. *Fitted without
  this benchmark*: the same, without the benchmark's files and without every row of the others that asks one of its
  questions: what it does on a domain that it has not seen.
- **LiteLLM**: its offline complexity router. *Heuristic*: minus its complexity score. *Tier predictor*: the success
  that its shipped statistics predict for the cheapest tier. Neither can learn from a pair. LiteLLM itself maps the
  score to four tiers; here every cut of the score may be used, which only helps it.
- **semantic-router**: two routes with {utterances} training queries each, those that the small model answers well
  enough and others, its default settings, our encoder; ranked by the difference of both routes' scores. Means over
  {draws} draws of the queries{spread}.
- **RouteLLM matrix factorisation**: the model and settings of its training script (128 factors, noise 0.1, Adam, 100
  rounds) on our embeddings, trained on the training rows that one model won; as published it reads OpenAI's embeddings
  and was trained on Arena votes.
- **RouterBench kNN and MLP**: quality of each model predicted from the embedding; the number of neighbours (5, 10, 40
  or 100) and the layers (100, or 100 and 100) chosen on the held-out fifth of the training rows, as our settings are.
  The row *k = 100* takes 100 neighbours without choosing.
- All that learn see rows of the same split only, and all that read embeddings read the same ones. The peers that learn
  saw rows of the pair that is judged, which *fitted without this benchmark* did not: beside that one they have an
  advantage, LiteLLM's two do not.
- Nothing is corrected for the number of comparisons, and a tie on few test rows says little.

## Not measured

Not measurable without a network:

{not_measured}
{skipped}"""


def write_page(file: Path, results: Results) -> None:
    """Write the page."""
    file.write_text(page(results), encoding="utf-8")


def page(results: Results) -> str:
    """Return the whole page."""
    setting, spread = results["setting"], results["spread"]
    return TEXT.format(
        setting=_setting(setting),
        short=_short(results),
        drop=f"{100 * (1 - QUALITY):g}",
        repetitions=setting["repetitions"],
        tables="\n\n".join(_pair_section(pair) for pair in results["pairs"]),
        cost=_cost(results["cost"]),
        utterances=setting["utterances"],
        draws=setting["draws"],
        spread=f" (APGR of single draws: {spread})" if spread else "",
        not_measured="\n".join(f"- {name}: {why}." for name, why in NOT_MEASURED.items()),
        skipped="".join(f"\n{line}\n" for line in results["skipped"]),
    )


def _setting(setting: Results) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in setting["versions"].items())
    asked = setting["asked"]
    network = f"It asked for {len(asked)} connections, all refused" if asked else "No connection was asked for"
    return (
        f"`{setting['command']}` writes this page; this one on {setting['date']} with {versions} "
        f"({setting['machine']}; Python {setting['python']}; encoder `{setting['encoder']}`; shipped router "
        f"`{setting['shipped']}`). The peers' packages are those of `benchmarks/peers/requirements.txt`, the newest "
        "that could be installed that day. DATA_DIR and the rows are those of `docs/measured/benchmarks.md`. The run "
        f"is offline: connections are refused. {network}."
    )


def _short(results: Results) -> str:
    found = {pair["name"].partition(",")[0]: pair["found"] for pair in results["pairs"]}
    lines = [_against(found, own) for own in _ours(next(iter(found.values())))]
    lines.append(
        f"**Thresholds chosen on validation for {100 * (1 - QUALITY):g} % drop** lose more than that on test, with the "
        f"whole interval: {_grouped(_broken(found))}. A measured threshold promises nothing; `hybrid-llm certify` does."
    )
    means = _means(results["pooled"], len(found)) if results["pooled"] else ""
    return "\n".join(f"- {line}" for line in lines) + "\n\n" + _standings(found) + means


def _against(found: Mapping[str, Results], own: str) -> str:
    """Say who is clearly better than one of ours, who ties, and how many are clearly worse."""
    texts = []
    for figure, what in SHORT.items():
        sides: dict[str, list[tuple[str, str]]] = {"better": [], "tied": [], "worse": []}
        for benchmark, of_pair in found.items():
            for side, names in verdicts(of_pair, own, figure).items():
                sides[side] += [(name, benchmark) for name in names if name not in OURS]
        count = sum(map(len, sides.values()))
        texts.append(
            f"in {what} clearly better than it: {_grouped(sides['better'])}; ties: {_grouped(sides['tied'])}; clearly "
            f"worse: the other {len(sides['worse'])} of {count}"
        )
    return f"**{own}**, against the others on each benchmark: {'. '.join(_upper(text) for text in texts)}."


def _standings(found: Mapping[str, Results]) -> str:
    """Return the table of who is ahead, ties or is behind in APGR, read off the paired intervals."""
    words = {"better": "**ahead**", "tied": "tie", "worse": "behind"}
    ours = _ours(next(iter(found.values())))
    header = ["in APGR, on " + " / ".join(found), *(f"against *{own}*" for own in ours)]
    cells: dict[str, list[list[str]]] = {}
    for column, own in enumerate(ours):
        for of_pair in found.values():
            for side, names in verdicts(of_pair, own, APGR).items():
                for name in names:
                    if name not in OURS:
                        cells.setdefault(name, [[] for _ in ours])[column].append(words[side])
    return markdown(header, [[name, *map(" / ".join, row)] for name, row in cells.items()])


def _grouped(items: Sequence[tuple[str, str]]) -> str:
    """Write (router, benchmark) pairs with the benchmarks of a router together."""
    where: dict[str, list[str]] = {}
    for router, benchmark in items:
        where.setdefault(router, []).append(benchmark)
    return ", ".join(f"*{router}* ({', '.join(names)})" for router, names in where.items()) or "none"


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]


def _means(pooled: Results, count: int) -> str:
    """Return the table of mean APGR over the benchmarks, best first, with the differences to each of ours."""
    names = [name for name in pooled if " - " not in name and name != ORACLE]
    ours = _ours(pooled)
    rows = []
    for name in sorted(names, key=lambda name: -pooled[name][APGR]["value"]):
        minus = (pooled.get(f"{name} - {own}") for own in ours)
        differences = [_difference(one, APGR) if one else "" for one in minus]
        rows.append([_name(name), _cell(pooled[name], APGR), *differences])
    header = ["router", "mean APGR", *(f"minus *{own}*" for own in ours)]
    return f"\n\nMean over the {count} benchmarks:\n\n{markdown(header, rows)}"


def _broken(found: Mapping[str, Results]) -> list[tuple[str, str]]:
    return [
        (router, benchmark)
        for benchmark, of_pair in found.items()
        for router, figures in of_pair.items()
        if " - " not in router and figures["drop"]["ci"] and figures["drop"]["ci"][0] > 1 - QUALITY
    ]


def _pair_section(pair: Results) -> str:
    found = pair["found"]
    names = [name for name in found if " - " not in name]
    rows = [[_name(name), *(_cell(found[name], key) for key in FIGURES)] for name in names]
    text = (
        f"### {pair['name']}: {pair['small']} → {pair['large']}\n\n{pair['train']:,} training, {pair['validation']:,} "
        f"validation and {pair['test']:,} test rows; quality {pair['small_quality']:.3f} → "
        f"{pair['large_quality']:.3f}.\n\n{markdown(['router', *TITLES, *CHOSEN], rows)}\n\n"
    )
    for own in _ours(found):
        others = [name for name in names if f"{name} - {own}" in found]
        keys = FIGURES if own == HEAD else (APGR, "at 1 %")
        titles = [title for key, title in zip(FIGURES, (*TITLES, *CHOSEN), strict=True) if key in keys]
        text += f"Difference to *{own}*:\n\n" + markdown(
            ["router", *titles],
            [[_name(name), *(_difference(found[f"{name} - {own}"], key) for key in keys)] for name in others],
        )
        text += "\n\n"
    if pair["picture"]:
        text += f"![Quality drop against cost advantage on {pair['name']}]({pair['picture']})\n"
    return text.strip()


def _cell(figures: Results, key: str) -> str:
    if figures[key]["value"] is None:
        return ""
    digits, scale = STYLE.get(key, (0, 100.0))
    return cell(figures[key], digits, scale)


def _difference(figures: Results, key: str) -> str:
    digits, scale = STYLE.get(key, (0, 100.0))
    return signed(figures[key], digits, scale)


def _cost(cost: Results) -> str:
    rows = [
        [
            name,
            one["learns"],
            f"{1e3 * one['p50']:.2f}",
            f"{1e3 * one['cpu']:.2f}",
            f"{one['ratio']:.2f}",
            "n/a" if one["megabytes"] is None else f"{one['megabytes']:.0f}",
            one["key"],
        ]
        for name, one in cost["routers"].items()
    ]
    header = ["router", "learned from", "one query, p50, ms", "CPU, ms", "time / ours", "installed, MB", "needs a key"]
    note = (
        f"One query after the other, {cost['queries']} test queries of the benchmarks (median {cost['characters']:.0f} "
        f"characters), every router (trained for {cost['trained']}) in turns on each query, after one that does not "
        "count; our encoder runs on its own "
        f"threads. *Time / ours*: median ratio to *{HEAD}* on the same query. The machine is shared (load average "
        f"{cost['load']:.1f} on {cost['cores']} cores during the timing): trust ratios and CPU time (of all threads) "
        "more than the clock; `docs/measured/speed.md` has our times on a quiet machine. *Installed*: the files of the "
        "package and of all that it requires beyond an empty environment, at the versions above; routers that read our "
        "embeddings need our package for that."
    )
    if cost["torch_megabytes"]:
        note += (
            f" With sentence-transformers (torch for CPUs only) as its local encoder semantic-router takes "
            f"{cost['torch_megabytes']:.0f} MB."
        )
    return f"{markdown(header, rows)}\n\n{note}"


def _ours(found: Results) -> list[str]:
    return [name for name in OURS if name in found]


def _name(name: str) -> str:
    return f"{name} (expectation)" if name == RANDOM else name


def apgr_spread(values: Sequence[float]) -> str:
    """Write the lowest and the highest of several."""
    return f"{number(min(values))} to {number(max(values))}"
