"""From the results of ``run`` to the section on det, prob and trans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from benchmarks.common.doc_tables import markdown
from benchmarks.common.judge import APGR, FIGURES, SHARES
from benchmarks.common.numbers import cell, clear, listed, signed
from benchmarks.paper_figures.labels import DIFFERENCES, TARGETS
from benchmarks.paper_figures.simulated import TRUTH

Results = Sequence[dict[str, Any]]
Figure = Mapping[str, Any]

PERCENT: Final = 100.0
FAR: Final = FIGURES[-1]
"""Drop at 40 % cost advantage: where the paper sees the labels differ most."""
_TITLES: Final = {
    APGR: "APGR",
    TRUTH: TRUTH,
    **{f"drop at {share:g}": f"drop at {PERCENT * share:.0f} %, %" for share in SHARES},
}


def labels_section(real: Results, simulated: Results) -> str:
    """Return the verdict on the paper's ordering, the picture, and the tables behind it."""
    parts = [f"**Does the paper's ordering show?** {answer(real, simulated)}", *_details(real, simulated)]
    if simulated:
        parts += [
            "![Drop avoided against random by the three labels on simulated tables](img/labels.png)",
            _table(simulated, (*FIGURES, TRUTH), 2),
            (
                f"{simulated[0]['seeds']} seeds a gap; {simulated[0]['train']:,} rows to train, "
                f"{simulated[0]['rows']:,} to judge. With a small gap both models are about equal, so that APGR can "
                "exceed 1."
            ),
        ]
    if real:
        models = {one["group"]: ", ".join(one["models"]) for one in real}
        parts += [_table(real, FIGURES, 1), "\n".join(f"- *{group}*: {names}" for group, names in models.items())]
    return "\n\n".join(parts)


def answer(real: Results, simulated: Results) -> str:
    """Return the short answer, by rule from the figures."""
    alone, both = TARGETS
    texts = []
    if simulated:
        texts.append(
            "Yes, for the paper's own target: simulated with a large gap, trans beats prob and prob beats det."
            if _ordered(simulated, alone)
            else "Not fully, even for the paper's own target simulated with a large gap."
        )
        texts.append(
            "With the gap added to the label it shows there too."
            if _ordered(simulated, both)
            else "With the gap added to the label, as the recipe does, the labels do about the same there."
        )
    chat = [one for one in real if one["target"] == both and one["group"] in ("chat, large gap", "chat, medium gap")]
    if chat:
        better = all(_better(one["figures"]["trans - prob"][FAR]) for one in chat)
        texts.append(
            "On real chat scores with a large or medium gap trans "
            + ("beats prob even so." if better else "does not clearly beat prob then.")
        )
    return " ".join(texts)


def _details(real: Results, simulated: Results) -> list[str]:
    lines = []
    for target in TARGETS:
        some = [_steps(one) for one in simulated if one["target"] == target]
        if some:
            lines.append(f"Simulated, {target}, drop at 40 % for det / prob / trans: {'; '.join(some)}.")
    for target in TARGETS:
        some = [one for one in real if one["target"] == target and "det" not in one["labels"]]
        if some:
            steps = {one["group"]: one["figures"]["trans - prob"][FAR] for one in some}
            better = [group for group, step in steps.items() if _better(step)]
            worse = [group for group, step in steps.items() if clear(step) and step["value"] > 0]
            lines.append(
                f"Real, {target}, drop at 40 %: trans is clearly better than prob on {listed(better)}, clearly worse "
                f"on {listed(worse)}; the other {len(some) - len(better) - len(worse)} of {len(some)} groups do not "
                "say."
            )
    return ["\n".join(f"- {line}" for line in lines)] if lines else []


def _ordered(simulated: Results, target: str) -> bool:
    """Return whether both steps of the ordering are clear at a large gap and 40 % cost advantage."""
    large = next((one for one in simulated if one["target"] == target and "large" in one["group"]), None)
    return large is not None and all(_better(large["figures"][f"{a} - {b}"][FAR]) for a, b in DIFFERENCES[:2])


def _better(drop: Figure) -> bool:
    return bool(drop["value"] < 0) and clear(drop)


def _steps(one: Mapping[str, Any]) -> str:
    drops = " / ".join(f"{PERCENT * one['figures'][label][FAR]['value']:.1f}" for label in one["labels"])
    steps = ", ".join(f"{a} - {b} {signed(one['figures'][f'{a} - {b}'][FAR], 2, PERCENT)}" for a, b in DIFFERENCES[:2])
    return f"{one['group'].removeprefix('simulated, ')} {drops} % ({steps})"


def _table(results: Results, figures: Sequence[str], digits: int) -> str:
    rows = []
    for one in results:
        about = f"{one['group']}; {one['target']}"
        facts = f"gap {one['gap']:+.2f}, Pr[H >= 0] {one['good']:.2f}, t\\* {one['t']:.2f}"
        for number, (name, found) in enumerate(_distinct(one)):
            write = signed if " - " in name else cell
            cells = (
                write(found[figure], digits, PERCENT) if figure.startswith("drop") else write(found[figure])
                for figure in figures
            )
            rows.append([(about, facts, "")[min(number, 2)], name, *cells])
    return markdown(["table; target", "label", *(_TITLES[figure] for figure in figures)], rows)


def _distinct(one: Mapping[str, Any]) -> list[tuple[str, dict[str, Figure]]]:
    """Return the rows of one table, labels that make the same router in one row."""
    found, same = dict(one["figures"]), {"prob": "prob"}
    if "det" not in one["labels"]:
        same["prob"] = "det = prob"
    if all(figure["value"] == 0 and figure["ci"] == [0, 0] for figure in found["trans - prob"].values()):
        same["prob"] += " = trans"
        for name in ("trans", "trans - prob", "trans - det"):
            found.pop(name, None)
    return [(same.get(name, name), figures) for name, figures in found.items()]
