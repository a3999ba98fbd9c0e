"""Which form should a second look have? Forms tried on the held-out fifth of train and on tasks that no fit saw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from scipy.optimize import minimize

from benchmarks.common.judge import Judged, compare
from benchmarks.second_look.data import PRO, Fits, Floats, LookSpec, Mask, Material
from benchmarks.second_look.judge import look_figures, one
from hybrid_llm.look import (
    AGREEMENT,
    LOGPROBS,
    QUERY,
    FinalAnswer,
    LogProbs,
    Signals,
    agreement_head,
    answer_of,
    logprobs_head,
)
from hybrid_llm.table import PairTable
from hybrid_llm.training.second_look import LEAST_SPREAD, RIDGE, fit_head

Columns = Mapping[str, Floats]

QUANTILES: Final = ("mean", "lowest", "q10", "q25", "median")
LENGTH, FOUND, CHECKERS = "length", "found", "agreement"
FREE, POSITIVE, FLOOR, UNTRAINED = "free signs", "not negative", "with a floor", "untrained"


@dataclass(frozen=True, slots=True)
class Form:
    """A form of a second look.

    Args:
        reads: Names of its columns; ``agreement`` stands for one of each checker.
        weights: How they are weighed.
    """

    reads: tuple[str, ...]
    weights: str = FLOOR

    @property
    def name(self) -> str:
        """What the page calls it."""
        return f"{', '.join(self.reads)}; {self.weights}"


WITH_LOGPROBS: Final = (
    Form((QUERY,)),
    Form((LOGPROBS,), UNTRAINED),
    Form((CHECKERS, LOGPROBS), UNTRAINED),
    Form((QUERY, LOGPROBS), FREE),
    Form((QUERY, LOGPROBS)),
    Form((QUERY, "mean")),
    Form((QUERY, LOGPROBS, "lowest")),
    Form((QUERY, *QUANTILES)),
    Form((QUERY, *QUANTILES), FREE),
    Form((QUERY, *QUANTILES, LENGTH), FREE),
    Form((CHECKERS, LOGPROBS)),
    Form((QUERY, CHECKERS)),
    Form((QUERY, CHECKERS, LOGPROBS)),
    Form((QUERY, CHECKERS, LOGPROBS), POSITIVE),
    Form((QUERY, CHECKERS, LOGPROBS), FREE),
    Form((QUERY, CHECKERS, LOGPROBS, FOUND)),
    Form((QUERY, CHECKERS, LOGPROBS, LENGTH), FREE),
    Form((QUERY, CHECKERS, *QUANTILES, LENGTH), FREE),
)
"""Forms where log-probabilities are known."""
WITHOUT: Final = (
    Form((QUERY,)),
    Form((CHECKERS, QUERY), UNTRAINED),
    Form((CHECKERS,)),
    Form((QUERY, CHECKERS)),
    Form((QUERY, CHECKERS), POSITIVE),
    Form((QUERY, CHECKERS), FREE),
    Form((QUERY, CHECKERS, FOUND)),
)
"""Forms where they are not."""
CHOSEN: Final = {True: Form((QUERY, CHECKERS, LOGPROBS)).name, False: Form((QUERY, CHECKERS)).name}
"""The form that is built, by whether log-probabilities are known."""


def columns_of(material: Material) -> dict[str, Floats]:
    """Return all columns that a form may read, arrays of shape (n,) with NaN where one is missing."""
    rows = material.looks()
    found = {QUERY: rows.column(QUERY), LOGPROBS: rows.column(LOGPROBS)}
    found |= {AGREEMENT + name: rows.column(AGREEMENT + name) for name in material.spec.checkers}
    return found | _of_answers(material.pair)


@cache
def _of_answers(pair: PairTable) -> dict[str, Floats]:
    more: dict[str, list[float]] = {name: [] for name in (*QUANTILES, LENGTH, FOUND)}
    for models in pair.responses:
        given = models.get(pair.small, ())
        answer = answer_of(given[0]) if given else None
        signals = Signals.of(answer) if answer is not None else Signals()
        summed: LogProbs | None = signals.logprobs
        for name in QUANTILES:
            more[name].append(getattr(summed, name) if summed else np.nan)
        more[LENGTH].append(-np.log(signals.tokens) if signals.tokens else np.nan)
        more[FOUND].append(np.nan if answer is None else float(FinalAnswer.of(answer.text) is not None))
    return {name: np.array(column) for name, column in more.items()}


def fitted(form: Form, checkers: Sequence[str], columns: Columns, rows: Mask, good: Floats) -> tuple[Floats, float]:
    """Fit a form to some rows; return a weight for each of its columns, and the intercept."""
    names = spelled(form, checkers)
    if form.weights == UNTRAINED:
        head = agreement_head(checkers, form.reads[-1]) if CHECKERS in form.reads else logprobs_head()
    elif form.weights == FLOOR:
        head = fit_head(names, array(columns, names)[rows], good[rows], np.ones(int(rows.sum())))
    else:
        return _plain_fit(array(columns, names)[rows], good[rows], None if form.weights == FREE else 0.0)
    return np.array(head.weights), head.bias


def spelled(form: Form, checkers: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the columns that a form reads."""
    agreement = tuple(AGREEMENT + name for name in checkers)
    return tuple(name for read in form.reads for name in (agreement if read == CHECKERS else (read,)))


def array(columns: Columns, names: Sequence[str]) -> Floats:
    """Return columns side by side, shape (n, d)."""
    return np.column_stack([columns[name] for name in names])


def _plain_fit(x: Floats, good: Floats, least: float | None) -> tuple[Floats, float]:
    """Fit a logistic step with the same pull towards 0 as the one that is built."""
    center, spread = x.mean(axis=0), np.maximum(x.std(axis=0), LEAST_SPREAD)
    z = (x - center) / spread

    def loss(theta: Floats) -> tuple[float, Floats]:
        logits = theta[0] + z @ theta[1:]
        value = float((np.logaddexp(0.0, logits) - good * logits).sum()) + RIDGE / 2 * float(theta[1:] @ theta[1:])
        slope = 1 / (1 + np.exp(-logits)) - good
        return value, np.append(slope.sum(), z.T @ slope + RIDGE * theta[1:])

    bounds = [(-20.0, 20.0), *[(-20.0 if least is None else least, 20.0)] * x.shape[1]]
    theta = minimize(loss, np.zeros(1 + x.shape[1]), jac=True, bounds=bounds, method="L-BFGS-B").x
    weights = theta[1:] / spread
    return weights, float(theta[0] - weights @ center)


def forms_study(fits: Fits, specs: Sequence[LookSpec], logprobs: bool, repetitions: int) -> dict[str, Any]:
    """Try all forms on some pairs.

    Args:
        fits: Fits the query's scores.
        specs: The pairs; figures are means over them.
        logprobs: Whether their answers have log-probabilities.
        repetitions: Resamples of the rows.

    Returns:
        ``held out`` and ``left out`` -> form -> figures, and its difference from the one that is built.
    """
    forms = WITH_LOGPROBS if logprobs else WITHOUT
    held = [held_out(fits, spec, forms) for spec in specs]
    left = [left_out(fits, spec, forms) for spec in specs if spec.files != PRO]
    differences = [(form.name, CHOSEN[logprobs]) for form in forms if form.name != CHOSEN[logprobs]]
    return {
        "pairs": [spec.name for spec in specs],
        "chosen": CHOSEN[logprobs],
        "forms": [form.name for form in forms],
        "n": {"held out": [len(rows.ids) for rows in held], "left out": [len(rows.ids) for rows in left]},
        "held out": compare(held, differences, repetitions, look_figures),
        "left out": compare(left, differences, repetitions, look_figures) if left else {},
    }


def held_out(fits: Fits, spec: LookSpec, forms: Sequence[Form]) -> Judged:
    """Fit forms to four fifths of the training rows and score the held-out fifth."""
    material = fits.material(spec)
    return _judge(material, forms, material.fitted & ~material.held_out, material.held_out)


def left_out(fits: Fits, spec: LookSpec, forms: Sequence[Form]) -> Judged:
    """Score each task by fits that saw none of its rows; all rows of the task are judged, and all tasks together.

    The intercepts of the fits are left out. One says how good the answers to the *other* tasks are, and these are the
    worse the better those of the task itself: it would sort the tasks the wrong way round.
    """
    parts = []
    for task in tasks_of(fits.pair(spec)):
        material = fits.material(spec, [task])
        inside = np.array(material.pair.tasks, dtype=str) == task
        parts.append(_judge(material, forms, material.fitted, inside, intercepts=False))
    return pooled(parts)


def tasks_of(pair: PairTable) -> list[str]:
    """Return the tasks of a pair's rows."""
    return sorted(set(map(str, pair.tasks)))


def pooled(parts: Sequence[Judged]) -> Judged:
    """Return rows of several parts as one."""
    scores = {name: np.concatenate([part.scores[name][0] for part in parts]) for name in parts[0].scores}
    small, large = (np.concatenate([getattr(part, name) for part in parts]) for name in ("small", "large"))
    return one([each for part in parts for each in part.ids], small, large, scores)


def _judge(material: Material, forms: Sequence[Form], fit: Mask, judge: Mask, *, intercepts: bool = True) -> Judged:
    columns, checkers = columns_of(material), material.spec.checkers
    names = sorted({name for form in forms for name in spelled(form, checkers)})
    there = ~np.isnan(array(columns, names)).any(axis=1)
    small, large = material.pair.mean_small, material.pair.mean_large
    good = (small >= large).astype(np.float64)
    fit, judge = fit & there, judge & there
    scores = {}
    for form in forms:
        weights, intercept = fitted(form, checkers, columns, fit, good)
        scores[form.name] = array(columns, spelled(form, checkers))[judge] @ weights + intercepts * intercept
    return one([material.pair.ids[row] for row in np.flatnonzero(judge)], small[judge], large[judge], scores)
