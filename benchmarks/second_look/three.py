"""Two tasks fitted, the third judged: grade-school mathematics, competition mathematics, MMLU-Pro."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np

from benchmarks.common.judge import compare
from benchmarks.second_look.data import GEMINI, GEMMA, GPT4O, LLAMA, Fits, LookSpec, Mask
from benchmarks.second_look.judge import LOOK, QUERY_ONLY, Result, all_scores, look_figures, one
from hybrid_llm.look import AGREEMENT, LOGPROBS, LookRows
from hybrid_llm.table import PairTable, hash_fraction
from hybrid_llm.training.second_look import fit_paths

ANOTHER: Final = "another model"
"""The checkers differ from file to file; what is learned is what the agreement of another model is worth."""
MOST: Final = 1000
"""Rows of a file that are fitted, and judged, at most: MMLU-Pro would outweigh the others."""
FILES: Final = (
    LookSpec("gsm8k", ("gsm8k",), LLAMA, GPT4O, (GEMMA,)),
    LookSpec("math_l5", ("math_l5",), LLAMA, GPT4O, (GEMMA,)),
    LookSpec("mmlu_pro", ("mmlu_pro",), LLAMA, GEMINI, ("mathstral-7B",)),
)


@dataclass(frozen=True, eq=False)
class _Part:
    """Rows of one file, and their answers."""

    pair: PairTable
    rows: LookRows
    train: Mask
    judge: Mask


def three_study(fits: Fits, repetitions: int) -> Result:
    """Fit the query router and the second look to two files and judge the third, each in turn."""
    parts = {spec.name: _part(fits, spec) for spec in FILES}
    found: dict[str, Any] = {}
    for name, third in parts.items():
        fitted = [part for other, part in parts.items() if other != name]
        pair = _together([*(_some(part, part.train).pair for part in fitted), _some(third, third.judge).pair])
        rows = _stacked([*(_some(part, part.train).rows for part in fitted), _some(third, third.judge).rows])
        fit = np.arange(len(pair)) < sum(int(part.train.sum()) for part in fitted)
        p, _ = fits.scores(pair, fit)
        rows = replace(rows, p=p)
        paths = fit_paths(rows.take(fit), [pair.ids[row] for row in np.flatnonzero(fit)], (ANOTHER,))
        judged_rows = rows.take(~fit)
        scores = all_scores(paths, judged_rows, (ANOTHER,))
        ids = [pair.ids[row] for row in np.flatnonzero(~fit)]
        table = one(ids, judged_rows.small, judged_rows.large, scores)
        found[name] = {
            "n": len(ids),
            "n_fit": int(fit.sum()),
            "small_quality": float(judged_rows.small.mean()),
            "large_quality": float(judged_rows.large.mean()),
            "figures": compare([table], [(LOOK, QUERY_ONLY)], repetitions, look_figures),
        }
    return {"small": LLAMA, "each": found}


def _part(fits: Fits, spec: LookSpec) -> _Part:
    pair = fits.pair(spec)
    rows = LookRows.of(pair, np.full(len(pair), 0.5), None, spec.checkers)
    columns = {LOGPROBS: rows.columns[LOGPROBS], AGREEMENT + ANOTHER: rows.columns[AGREEMENT + spec.checkers[0]]}
    splits, order = np.array(pair.row_splits), np.array([hash_fraction(f"three {each}") for each in pair.ids])

    def few(mask: Mask) -> Mask:
        limit = np.sort(order[mask])[:MOST][-1]
        return mask & (order <= limit)

    return _Part(pair, replace(rows, columns=columns), few(splits == "train"), few(splits != "train"))


def _some(part: _Part, which: Mask) -> _Part:
    return _Part(part.pair.rows(which), part.rows.take(which), part.train[which], part.judge[which])


def _together(pairs: list[PairTable]) -> PairTable:
    """Return the rows of several pairs as those of one, whose large model is the large model of each."""
    columns = ("ids", "queries", "row_splits", "tasks", "stem_keys", "q_small", "q_large", "references", "responses")
    joined = {name: tuple(each for pair in pairs for each in getattr(pair, name)) for name in columns}
    return replace(pairs[0], large="the large model", **joined)


def _stacked(rows: list[LookRows]) -> LookRows:
    def of(name: str) -> Any:
        return np.concatenate([getattr(each, name) for each in rows])

    whole = {name: of(name) for name in ("p", "known", "usable", "seen", "small", "large")}
    columns = {name: np.concatenate([each.columns[name] for each in rows]) for name in rows[0].columns}
    return LookRows(query=np.arange(len(whole["p"])), columns=columns, **whole)
