"""The training of a second look: from answers and grades in a quality table to what judges answers.

It is fitted to the split ``train``, with scores of its queries by fits that leave each out, so that the look meets the
query's score as it will be served. The head's form was chosen on the held-out fifth of train and on tasks left out
(``benchmarks/second_look``): few columns, weights that never turn against a signal. The rungs come from the training
rows too, each scored by heads that left its query out. What a level stands for is measured on ``validation``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.errors import LookError, MissingExtraError
from hybrid_llm.labels import TOLERANCE
from hybrid_llm.look import (
    LOGPROBS,
    OWN_FINAL,
    QUERY,
    Bound,
    Finds,
    Ladder,
    LookHead,
    LookRows,
    Path,
    PathCalibration,
    SecondLook,
    checked_names,
)
from hybrid_llm.router import Router, warn_user
from hybrid_llm.table import PairTable, hash_fraction

if TYPE_CHECKING:
    from hybrid_llm.table import QualityTable

FloatArray = NDArray[np.float64]

LEAST_ANSWERS: Final = 30
MOST_CHECKERS: Final = 4
FOLDS: Final = 5
RIDGE: Final = 1.0
"""Pull on weights towards 0, per unit of a column's spread: that of one row."""
LEAST_WEIGHT: Final = 0.1
"""Of a unit of spread: each signal breaks ties at least, and none turns against the others."""
LEAST_SPREAD: Final = 0.05
FEW: Final = 0.5
"""Below this share of the rows a signal is said to be missing often."""


def train_second_look(
    router: Router,
    table: QualityTable | PairTable,
    small: str | None = None,
    large: str | None = None,
    *,
    checkers: Sequence[str] = (),
    scores: FloatArray | None = None,
    gate: bool = True,
    all_rows: bool = False,
    settings: Mapping[str, str] | None = None,
    final: Finds | None = None,
) -> Router:
    """Return the router with a second look of its pair, and its levels where there are validation rows.

    Args:
        router: Scores the queries.
        table: Rows with grades and what the models answered (``answers`` or ``responses``, ``logprobs``).
        small: Name of the small model (not needed for a pair taken from a table).
        large: Name of the large model.
        checkers: Names of local models in the table whose answers are compared; samples of small at a higher
            temperature have a name of their own.
        scores: Shape (m,), scores of the rows of ``train`` by fits that leave each out, as
            :func:`~hybrid_llm.training.train_and_score` returns them; by default the router's own, which will do when
            it saw none of the rows.
        gate: Whether queries that are surely too hard go to large without a look.
        all_rows: Fit to every row, and measure the levels on the same rows, each scored by heads that left it out: as
            with ``TrainConfig(all_rows=True)`` the best that under 200 rows give, and never certified. ``scores`` are
            then those of all rows.
        settings: How the models were asked, for the record.
        final: Finds final answers, in place of :meth:`hybrid_llm.look.FinalAnswer.of`.

    Raises:
        LookError: A checker is the small model itself or answered nothing, or there are too few answers to learn from.
        TableError: A model is not in the table, or there is no split ``train``.
        MissingExtraError: scipy is not installed (``pip install 'hybrid-llm[train]'``).

    Example::

        router, scores = train_and_score(table, small="gemma2:9b", large="gpt-4o")
        router = train_second_look(router, table, "gemma2:9b", "gpt-4o", checkers=["llama3.1:8b"], scores=scores)
        router.second_look.score("What is 2+2?", Answer("4"), checker=Answer("The answer is 4."))
    """
    pair = _pair_of(table, small, large)
    names = checked_names(pair.small, checkers)
    if len(names) > MOST_CHECKERS:
        raise LookError(f"{len(names)} checkers are too many: each answers every query; take at most {MOST_CHECKERS}.")
    rows = pair if all_rows else pair.split("train")
    if scores is None:
        scores = router.score(rows.queries)
    if np.shape(scores) != (len(rows),):
        raise LookError(f"{len(rows)} training rows need as many scores, got an array of shape {np.shape(scores)}.")
    answers = LookRows.of(rows, scores, None, names, final)  # to these fits each query was an ordinary one
    _refuse_few(answers, pair.small)
    _warn_of_gaps(answers, names)
    paths = fit_paths(answers, [rows.ids[row] for row in answers.query], names, gate=gate, measure=all_rows)
    own = {OWN_FINAL: getattr(final, "__qualname__", repr(final))} if final is not None else {}
    bound = Bound(pair.small, pair.large, names, router.id, {**(settings or {}), **own})
    look = SecondLook("trained", bound, paths, final=final)
    router = router.override(looks={**router.parts.looks, "trained": look})
    measures = not all_rows and "validation" in pair.splits
    return router.calibrate_look(pair.split("validation")) if measures else router


def fit_paths(
    rows: LookRows, ids: Sequence[str], checkers: Sequence[str], *, gate: bool = True, measure: bool = False
) -> dict[tuple[str, ...], Path]:
    """Fit one path for each set of signals that some answers have, and one for the query alone.

    Args:
        rows: n answers, with scores by fits that left each query out.
        ids: n row ids, which sort the answers into folds.
        checkers: Names of the checkers.
        gate: Whether a path that sees the query's score has gates.
        measure: Whether the levels are measured on these rows too, each scored by heads that left it out.

    Raises:
        LookError: No set of signals has enough answers.
    """
    signals = [LOGPROBS, *(f"agreement:{name}" for name in checkers)]
    folds = _folds(ids)
    paths = {}
    for size in range(len(signals), 0, -1):
        for some in combinations(signals, size):
            for columns in ((QUERY, *some), some):
                there = rows.having(some) & rows.seen
                if int(there.sum()) >= LEAST_ANSWERS and rows.usable[there].any():
                    paths[columns] = _fit_path(rows.take(there), folds[there], columns, gate=gate, measure=measure)
    if paths:  # of an answer of which nothing can be seen the query still says something
        paths[(QUERY,)] = _fit_path(rows, folds, (QUERY,), gate=False, measure=measure)
    if not paths:
        raise LookError("No signal is there for enough answers: give log-probabilities, or a checker that answered.")
    return paths


def _fit_path(rows: LookRows, folds: NDArray[np.intp], columns: tuple[str, ...], *, gate: bool, measure: bool) -> Path:
    head, left_out = _fit_and_leave_out(rows, folds, columns)
    p = rows.p if QUERY in columns else None
    usable = rows.usable
    ladder = Ladder.fit(None if p is None else p[usable], left_out[usable], gate=gate)
    found = None
    if measure:
        found = PathCalibration.of(ladder, p, left_out, usable, rows.weights, small=rows.small, large=rows.large)
    return Path(head, ladder, found, n_fit=len(rows))


def left_out_heights(look: SecondLook, rows: LookRows, ids: Sequence[str]) -> tuple[FloatArray, FloatArray]:
    """Return from which height on each answer is looked at and kept, by heads that left it out; both of shape (n,).

    For rows that the look was fitted to. Those that lack a signal are never kept.

    Args:
        look: A trained look.
        rows: n answers.
        ids: n row ids.
    """
    columns = look.columns
    there = rows.having(columns) & rows.seen
    mine, folds = rows.take(there), _folds(ids)[there]
    _, s = _fit_and_leave_out(mine, folds, columns)
    ladder = look.paths[columns].ladder
    heights = np.append(ladder.heights, 0.0)
    looked, kept = np.zeros(len(rows)), np.zeros(len(rows))
    first = ladder.passes(mine.p if QUERY in columns else None, s)
    looked[there], kept[there] = heights[first[0]], np.where(mine.usable, heights[first[1]], 0.0)
    return looked, kept


def _folds(ids: Sequence[str]) -> NDArray[np.intp]:
    return np.array([int(FOLDS * hash_fraction(f"look {each}")) for each in ids], dtype=np.intp)


def _fit_and_leave_out(
    rows: LookRows, folds: NDArray[np.intp], columns: tuple[str, ...]
) -> tuple[LookHead, FloatArray]:
    """Fit a head to all rows; return it, and s of each row by a head that left its query out."""
    x = np.column_stack([rows.column(name) for name in columns])
    good = (rows.small >= rows.large - TOLERANCE).astype(np.float64)  # a mean of equal scores may round above them
    head = fit_head(columns, x, good, rows.weights)
    left_out = np.empty(len(rows))
    for fold in range(FOLDS):
        out = folds == fold
        if out.any():
            rest = fit_head(columns, x[~out], good[~out], rows.weights[~out]) if (~out).any() else head
            left_out[out] = rest.scores(dict(zip(columns, x[out].T, strict=True)))
    return head, left_out


def fit_head(columns: tuple[str, ...], x: FloatArray, good: FloatArray, weights: FloatArray) -> LookHead:
    """Fit a logistic step whose weights are at least a little above 0.

    Args:
        columns: Names of the d columns.
        x: Shape (n, d).
        good: Shape (n,), 1 where the answer was as good as large's.
        weights: Shape (n,), how much each row counts.

    Raises:
        MissingExtraError: scipy is not installed.
    """
    try:
        from scipy.optimize import minimize
    except ModuleNotFoundError as error:
        raise MissingExtraError.of("Training", "train") from error
    center, spread = x.mean(axis=0), np.maximum(x.std(axis=0), LEAST_SPREAD)
    z = (x - center) / spread

    def loss(theta: FloatArray) -> tuple[float, FloatArray]:
        logits = theta[0] + z @ theta[1:]
        value = float(weights @ (np.logaddexp(0.0, logits) - good * logits)) + RIDGE / 2 * float(theta[1:] @ theta[1:])
        slope = weights * (1 / (1 + np.exp(-logits)) - good)
        return value, np.append(slope.sum(), z.T @ slope + RIDGE * theta[1:])

    start = np.full(1 + x.shape[1], LEAST_WEIGHT)
    bounds = [(-20.0, 20.0), *[(LEAST_WEIGHT, 20.0)] * x.shape[1]]
    theta = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x
    slopes = theta[1:] / spread
    return LookHead(columns, tuple(slopes.tolist()), float(theta[0] - slopes @ center))


def _pair_of(table: QualityTable | PairTable, small: str | None, large: str | None) -> PairTable:
    if isinstance(table, PairTable):
        return table
    if small is None or large is None:
        raise TypeError("train_second_look() needs the names of both models in the table: small=..., large=...")
    return table.pair(small, large)


def _refuse_few(rows: LookRows, small: str) -> None:
    there = int(rows.seen.sum())
    if there < LEAST_ANSWERS:
        raise LookError(
            f"Only {there} of {len(rows)} training rows say what {small} answered; a second look needs at least "
            f"{LEAST_ANSWERS}: the fields answers or responses, and logprobs. hybrid-llm collect writes such a table."
        )
    if not rows.usable.any():
        raise LookError(
            f"None of the {there:,} answers of {small} in the training rows can be used: cut off, empty or a loop; let "
            "it write longer answers (--max-tokens)."
        )
    if there < len(rows):
        warn_user(f"{len(rows) - there:,} of {len(rows):,} graded answers of {small} have no text: they are left out.")


def _warn_of_gaps(rows: LookRows, checkers: Sequence[str]) -> None:
    for name in checkers:
        there = int(rows.having([f"agreement:{name}"]).sum())
        if there < FEW * len(rows):
            warn_user(
                f"The checker {name!r} answered {there:,} of {len(rows):,} training rows: what its agreement is worth "
                "is learned from those alone, and the others are judged without it. Ask it the rest: hybrid-llm collect"
            )
