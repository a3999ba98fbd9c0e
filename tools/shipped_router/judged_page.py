"""What the shipped router's card and page say of judged prompts, from the results of :mod:`judged_study`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from benchmarks.common.doc_tables import markdown, percent
from benchmarks.common.judge import APGR
from benchmarks.common.numbers import cell, listed, number, signed
from tools.shipped_router.fit import SHIPPED
from tools.shipped_router.judged import APART, read_everyday
from tools.shipped_router.judged_study import BEFORE, BOTH, JUDGEMENT, LENGTH, OURS, VARIANTS

Results = Mapping[str, Any]

LANGUAGES: Final = {
    "ar": "Arabic",
    "de": "German",
    "en": "English",
    "es": "Spanish",
    "fr": "French",
    "it": "Italian",
    "ja": "Japanese",
    "pl": "Polish",
    "pt": "Portuguese",
    "ru": "Russian",
    "zh": "Chinese",
}
ALL: Final = "all together"
LEAST_LEFT_OUT: Final = 0.57
"""The mean APGR on benchmarks left out that a fit must have to ship."""


def origin(judged: Results) -> str:
    """Say what the everyday prompts are, and what their labels are not."""
    everyday, training = (judged["judgements"][kind] for kind in ("everyday", "training"))
    prompts = read_everyday()
    other = sum(prompt.language != "en" for prompt in prompts)
    pooled = judged["measured"][ALL]
    return (
        f"{everyday['n']:,} prompts as people type them were written for this, in {len({p.domain for p in prompts})} "
        f"domains, {other} of them in ten languages other than English (`tools/shipped_router/everyday.jsonl`). **They "
        "were judged by a language model, not measured**: from the text alone, how likely is the answer of a local "
        "model of 4 to 8 B as good as that of a hosted model of the GPT-4.1 class? Each was judged twice, the second "
        "time blind to the first, in another order and in other words. The two judgements correlate at "
        f"{everyday['correlation']:.2f} and differ by {everyday['mean_difference']:.2f} on average; "
        f"{everyday['third']} differed by more than {APART:g} and were judged a third time. "
        "One model made all of them, so their agreement "
        "says little about whether they are right. What was measured says more: "
        f"{training['n']:,} training questions were judged the same way (correlation {training['correlation']:.2f}), "
        f"and on {pooled['n']:,} of them the judgement orders what was measured with an APGR of "
        f"{cell(pooled[JUDGEMENT][APGR])}, minus the length with {cell(pooled[LENGTH][APGR])}."
    )


def short_verdict(judged: Results) -> str:
    """Say how well the router orders everyday prompts of domains it has not seen, beside length."""
    ours, before, length = (judged["everyday"][name] for name in (OURS, BEFORE, LENGTH))
    return (
        "On everyday prompts of domains that a fit has not seen, the AUC for *judged at least as good as the median "
        f"prompt* is {cell(ours['auc'])}; without judged rows it was {cell(before['auc'])}. **Shorter prompts were "
        f"judged easier, and minus the length alone reaches {cell(length['auc'])}.** Among prompts of about the same "
        f"length it is {cell(ours['within lengths'])} (length {number(length['within lengths']['value'])}, without "
        f"judged rows {number(before['within lengths']['value'])})."
    )


def agreement_table(judged: Results) -> str:
    """Return how well judgement, router and length predict what was measured, each benchmark and all of them."""
    first = next(iter(judged["measured"].values()))
    names = [name for name in first if name != "n" and " - " not in name]
    rows = [
        [where, f"{found['n']:,}", *(cell(found[name][APGR]) for name in names)]
        for where, found in judged["measured"].items()
    ]
    difference = judged["measured"][ALL][f"{JUDGEMENT} - {LENGTH}"][APGR]
    table = markdown(["judged training questions", "n", *names], rows)
    return (
        f"{table}\n\nAPGR by what was measured. {BOTH.capitalize()}: "
        f"the left-out one. The judgement minus length, all together: {signed(difference)}. Only questions that may "
        "train are here; the others that were judged also stand in validation or test rows of some file."
    )


def variants_table(judged: Results) -> str:
    """Return the fits with and without judged rows, on rows that no fit saw."""
    rows = []
    for name in VARIANTS:
        cells = []
        for what in ("in domain", "left out", "pooled"):
            difference = judged[what].get(f"{name} - {BEFORE}")
            cells.append(cell(judged[what][name][APGR]))
            if what != "in domain":
                cells.append(signed(difference[APGR]) if difference else "")
        everyday = judged["everyday"][name]
        cells += [cell(everyday["auc"]), number(everyday["within lengths"]["value"])]
        rows.append([name, *cells, number(everyday["rank correlation"]["value"])])
    columns = ["in domain", "left out", "minus alone", "all as one", "minus alone"]
    everyday_columns = ["everyday: AUC", "within lengths", "rank correlation"]
    return markdown(["fit", *columns, *everyday_columns], rows)


def study_text(judged: Results) -> str:
    """Say what the rule asks, what the fit that ships does by it, and how others compare."""
    left_out, pooled = (judged[what][OURS][APGR]["value"] for what in ("left out", "pooled"))
    difference = judged["left out"][f"{OURS} - {BEFORE}"][APGR]
    return (
        f"{judged['rows']:,} measured training rows and {judged['judgements']['everyday']['n']:,} judged ones, "
        f"{judged['repetitions']:,} resamples, 1,000 landmarks; means over {len(judged['benchmarks'])} benchmarks as "
        "below. **The rule**: of the fits whose left-out mean is at least .57 and not below that of the measured rows "
        "alone (paired), and whose APGR of all rows in one pile is at least .64, the one that orders everyday prompts "
        f"of unseen domains best. The fit that ships ({OURS}): left out {number(left_out)}, {signed(difference)} "
        f"against measured rows alone; the pile {number(pooled)}; everyday "
        f"{number(judged['everyday'][OURS]['auc']['value'])}. In it a judged row weighs {SHIPPED.judged_weight:g} "
        "times as much as a measured one of a source as large, its target is the probability plus "
        f"{SHIPPED.judged_gap:g} time the gap, {SHIPPED.judged_landmarks + SHIPPED.strange_landmarks:.0%} of the "
        "landmarks are judged prompts, and **there is no linear part**: far from all landmarks it carried what was "
        "learned from everyday prompts over to benchmarks that are nothing like them, and those lost. "
        f"{as_shipped_text(judged)}\n\n{variants_table(judged)}"
    )


def as_shipped_text(judged: Results) -> str:
    """Say what the fit that ships does by the rule with all its landmarks."""
    found = judged["as shipped"]
    value, difference = found[OURS][APGR]["value"], found[f"{OURS} - {BEFORE}"][APGR]
    met = value >= LEAST_LEFT_OUT and difference["ci"][1] >= 0
    return (
        f"With all its {SHIPPED.landmarks:,} landmarks (the table gives each fit 1,000) it reaches "
        f"{cell(found[OURS][APGR])} left out, {signed(difference)} against measured rows alone: "
        f"{'the rule is met.' if met else '**the rule is missed**.'}"
    )


def groups_table(judged: Results, kind: str) -> str:
    """Return the AUC of each language or domain: ours, without judged rows, and of length."""
    counts = Counter(getattr(prompt, kind) for prompt in read_everyday())
    rows = []
    for group in sorted(counts):
        key = f"{kind} {group}"
        name = LANGUAGES.get(group, group.replace("_", " "))
        figures = [cell(judged["everyday"][router][key]) for router in (OURS, BEFORE, LENGTH)]
        rows.append([name, f"{counts[group]:,}", *figures])
    return markdown([kind, "n", "with judged rows", "measured rows alone", "minus the length"], rows)


def languages_text(judged: Results) -> str:
    """Say in which languages the order is better than chance and than length, and how many prompts are unfamiliar."""
    ours, length = judged["everyday"][OURS], judged["everyday"][LENGTH]
    codes = [code for code in LANGUAGES if code != "en"]
    chance = [LANGUAGES[code] for code in codes if ours[f"language {code}"]["ci"][0] <= 0.5]
    behind = [
        LANGUAGES[code] for code in codes if ours[f"language {code}"]["value"] <= length[f"language {code}"]["value"]
    ]
    found = judged["unfamiliar"]
    return (
        f"Languages whose interval reaches chance: {listed(chance)}. "
        f"No better than minus the length: {listed(behind)}; elsewhere the intervals overlap. "
        "The encoder reads English: in other languages the score follows the form of a prompt, its length above all, "
        "and a few dozen prompts of each say no more than that. **So none of the ten is familiar**: "
        f"{SHIPPED.strange_landmarks:.0%} of the landmarks are prompts in those languages, and a query that is nearer "
        "to them than to the others is unfamiliar; at a quality level it goes to large. "
        "Of prompts in domains whose own prompts were left out, "
        f"{percent(min(found[code] for code in codes))} to {percent(max(found[code] for code in codes))} of a language "
        f"are, and {percent(found['en'])} of the English ones.\n\n"
        f"{languages_table(judged)}"
    )


def languages_table(judged: Results) -> str:
    """Return the AUC of each language as :func:`groups_table` does, and the share that is unfamiliar."""
    first, *rest = groups_table(judged, "language").splitlines()
    codes = sorted(Counter(prompt.language for prompt in read_everyday()))
    cells = ["unfamiliar", "---:", *(percent(judged["unfamiliar"][code]) for code in codes)]
    return "\n".join(f"{line} {cell} |" for line, cell in zip([first, *rest], cells, strict=True))
