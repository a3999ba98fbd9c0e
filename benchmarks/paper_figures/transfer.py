"""A router of one small model judged on another one (section 4.7 of arXiv 2404.14618)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from benchmarks.common.cache import CachedEncoder
from benchmarks.common.doc_tables import markdown
from benchmarks.common.judge import APGR, Judged, compare
from benchmarks.common.numbers import cell, clear, number, signed
from benchmarks.common.pairs import PAIRS, ZEROEVAL, Tables
from hybrid_llm.training import train

_DROPS: Final = ("drop at 0.2", "drop at 0.4")
_HOLDS: Final = 0.5
"""From this rank correlation on the paper's rule counts as visible."""


def transfer(tables: Tables, encoder: CachedEncoder, repetitions: int) -> dict[str, Any]:
    """Judge the router of each ``zeroeval`` small model on all of them; return plain JSON values.

    The correlations of the quality gaps are those of the training rows, which the user of a router has; everything
    else is measured on ``test``.
    """
    from scipy.stats import spearmanr

    pairs = {spec.small: tables.of(spec) for spec in PAIRS if spec.files == ZEROEVAL}
    routers = {small: train(pair, encoder=encoder) for small, pair in pairs.items()}  # type: ignore[arg-type]
    gaps = {}
    for small, pair in pairs.items():
        rows = pair.split("train")
        gaps[small] = dict(zip(rows.ids, (rows.mean_small - rows.mean_large).tolist(), strict=True))
    cells, count = [], 0
    for target, pair in pairs.items():
        judged = pair.split("test")
        count = len(judged)
        found = compare(
            [
                Judged(
                    judged.ids,
                    judged.mean_small,
                    judged.mean_large,
                    {small: router.score(judged.queries)[None, :] for small, router in routers.items()},
                )
            ],
            [(source, target) for source in pairs if source != target],
            repetitions,
        )
        for source in pairs:
            shared = sorted(gaps[source].keys() & gaps[target].keys())
            one, other = ([gaps[small][i] for i in shared] for small in (source, target))
            cells.append(
                {
                    "source": source,
                    "target": target,
                    "pearson": float(np.corrcoef(one, other)[0, 1]),
                    "spearman": float(spearmanr(one, other).statistic),
                    "figures": found[source],
                    "minus_own": found.get(f"{source} - {target}"),
                }
            )
    return {"models": list(pairs), "rows": count, "cells": cells}


def transfer_section(result: Mapping[str, Any]) -> str:
    """Return the matrix of APGR, and for each router on another pair what it loses beside the correlation of gaps."""
    models, cells = result["models"], {(one["source"], one["target"]): one for one in result["cells"]}
    matrix = [[source, *(cell(cells[source, target]["figures"][APGR]) for target in models)] for source in models]
    others = sorted((one for one in result["cells"] if one["minus_own"]), key=lambda one: -float(one["pearson"]))
    rows = [
        [
            f"{one['source']} → {one['target']}",
            number(one["pearson"], 2),
            number(one["spearman"], 2),
            cell(one["figures"][APGR]),
            signed(one["minus_own"][APGR]),
            *(
                text
                for drop in _DROPS
                for text in (cell(one["figures"][drop], 1, 100), signed(one["minus_own"][drop], 1, 100))
            ),
        ]
        for one in others
    ]
    header = ["router of → judged on", "gaps: Pearson", "Spearman", "APGR", "minus own"]
    header += ["drop at 20 %, %", "minus own", "drop at 40 %, %", "minus own"]
    first = f"APGR on {result['rows']} test rows, the router's own pair in the rows, the judged pair in the columns:"
    return "\n\n".join([first, markdown(["router of", *models], matrix), markdown(header, rows), _verdict(others)])


def _verdict(others: list[dict[str, Any]]) -> str:
    from scipy.stats import spearmanr

    minus = [one["minus_own"][APGR] for one in others]
    worse = sum(clear(one) and one["value"] < 0 for one in minus)
    related = float(spearmanr([one["pearson"] for one in others], [one["value"] for one in minus]).statistic)
    rule = "shows" if related >= _HOLDS else "does not show among so few pairs that all correlate"
    return (
        f"A router of another pair changes APGR by {np.mean([one['value'] for one in minus]):+.3f} on average; it is "
        f"clearly worse in {worse} of {len(minus)} cases. What it keeps and the correlation of the gaps go together "
        f"with a rank correlation of {related:.2f}: the paper's rule, to reuse a router where the gaps correlate, "
        f"{rule}."
    )
