"""What to do with a user's own rows: thresholds for a router that is there, a head of their own, or both combined."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cached_property, lru_cache, partial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hybrid_llm import Level
from hybrid_llm.calibration import calibrate
from hybrid_llm.metrics import tradeoff_curve
from hybrid_llm.scoring import squash
from hybrid_llm.table import hash_fraction
from hybrid_llm.training import TrainConfig
from hybrid_llm.training.head.regression import FittedHead, Rows, Scaling, Setting, choose, fit_head
from hybrid_llm.training.head.ridge import KernelRidge

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Ints = NDArray[np.int_]

FIT, CALIBRATE = 0.70, 0.85
"""Where a table without splits is cut: what comes first fits, what follows gives thresholds, the rest is the user's."""
CONFIG: Final = TrainConfig(label="trans", gap_weights=(4.0, 1.0, 0.0))
"""What small tables get in this study: first values that did a little better on train rows than the defaults."""
WIDTH: Final = 0.2
"""Kernel width of the prior's score as a feature, where the embedding's is 1 or 2."""
SHRINK: Final = 100.0
"""Pulls the slope of the prior as an offset towards 0, in rows. Both did best on training and validation rows."""


@dataclass(frozen=True, eq=False)
class Own:
    """Rows of one pair of models, with what a prior says of them.

    Args:
        ids: Ids of the n rows.
        rows: What heads are fitted to.
        prior: Shape (n,), logit of the score of a router that was trained for no pair in particular.
    """

    ids: NDArray[np.str_]
    rows: Rows
    prior: Floats

    def __len__(self) -> int:
        return len(self.ids)

    def at(self, which: Ints | Bools | slice) -> Own:
        """Return some of the rows, in the order asked for."""
        columns = (getattr(self.rows, field.name)[which] for field in fields(Rows))
        return Own(self.ids[which], Rows(*columns), self.prior[which])

    @cached_property
    def parts(self) -> tuple[Own, Own]:
        """The rows that fit and those that give thresholds, for a user who trains."""
        ends = [round(share * len(self)) for share in (FIT, CALIBRATE)]
        return self.at(slice(ends[0])), self.at(slice(*ends))

    @cached_property
    def heldout(self) -> Bools:
        """The fifth that chooses settings, shape (n,)."""
        return np.array([hash_fraction(f"held-out {i}") < CONFIG.heldout for i in self.ids])

    @cached_property
    def chosen(self) -> tuple[Setting, float]:
        """The setting that the held-out fifth chooses, and its APGR there (NaN when they are too few)."""
        setting, figures = choose(self.rows, self.heldout, CONFIG)
        return setting, figures.get("apgr", float("nan"))

    @cached_property
    def fitted(self) -> FittedHead:
        """The head that is fitted to these rows."""
        return fit_head(self.rows, self.chosen[0], CONFIG)


@dataclass(frozen=True, eq=False)
class Scored:
    """What one way made of the rows of one draw.

    Args:
        given: The rows that give thresholds.
        scores: Shape (n,), their scores in (0, 1).
        test: Shape (m,), scores of the test rows.
    """

    given: Own
    scores: Floats
    test: Floats

    def small(self, quality: float) -> Bools:
        """Return which test rows go to small when the threshold keeps ``quality`` on the rows that give thresholds."""
        rows = self.given.rows
        cut = calibrate(self.scores, rows.q_small, rows.q_large).cut(Level("quality", quality))
        chosen: Bools = self.test >= cut.threshold
        return chosen


Way = Callable[[Own, Own], Scored]
"""(the user's rows, the test rows) -> scores."""


def calibrated(drawn: Own, test: Own) -> Scored:
    """Take the prior as it is; all rows give thresholds (``Router.calibrate``)."""
    return Scored(drawn, squash(drawn.prior), squash(test.prior))


def head(drawn: Own, test: Own) -> Scored:
    """Train the recipe ``head``, as ``train`` does with a table without splits."""
    fit, given = drawn.parts
    return Scored(given, _trained(fit, given), _trained(fit, test))


def head_of_all(drawn: Own, test: Own) -> Scored:
    """Train the recipe ``head`` on all rows; thresholds come from the scores of fits that leave the row out."""
    return Scored(drawn, drawn.fitted.left_out_scores, _trained(drawn, test))


def as_feature(drawn: Own, test: Own) -> Scored:
    """Give the recipe ``head`` the prior's score as one more feature."""
    fit, _ = drawn.parts
    wide, wide_test = (_widened(some, fit) for some in (drawn, test))
    return head(wide, wide_test)


def as_offset(drawn: Own, test: Own) -> Scored:
    """Fit the recipe ``head`` to what a line through the prior's score leaves over."""
    fit, given = drawn.parts
    scores = _offset(fit, fit.chosen[0])
    return Scored(given, squash(scores(given)), squash(scores(test)))


def as_average(drawn: Own, test: Own, weight: float = 0.25) -> Scored:
    """Add the prior's logit to the head's, each in units of its spread over the rows that fit."""
    fit, given = drawn.parts
    logits, priors = _Units.of(_logit(fit.fitted.left_out_scores)), _Units.of(fit.prior)

    def scores(some: Own) -> Floats:
        return squash(logits(_logit(_trained(fit, some))) + weight * priors(some.prior))

    return Scored(given, scores(given), scores(test))


def as_chosen(drawn: Own, test: Own) -> Scored:
    """Take no prior, the feature or the offset, whichever does best on the held-out fifth; few rows: the feature."""
    fit, _ = drawn.parts
    if fit.heldout.sum() < CONFIG.min_heldout:
        return as_feature(drawn, test)
    kept, held = fit.at(~fit.heldout), fit.at(fit.heldout)
    found = {
        head: fit.chosen[1],
        as_feature: _widened(drawn, fit).parts[0].chosen[1],
        as_offset: apgr(_offset(kept, fit.chosen[0])(held), held.rows),
    }
    return max(found, key=lambda way: found[way])(drawn, test)


CALIBRATED, HEAD, ALL_ROWS = "prior, calibrated", "head", "head of all rows"
WAYS: Final[dict[str, Way]] = {
    CALIBRATED: calibrated,
    HEAD: head,
    ALL_ROWS: head_of_all,
    "both: prior as a feature": as_feature,
    "both: prior as an offset": as_offset,
    "both: average, prior 1/4": as_average,
    "both: average, equal": partial(as_average, weight=1.0),
    "both: chosen": as_chosen,
}
COMBINED: Final = tuple(name for name in WAYS if name.startswith("both"))
KNOWN_WAYS: Final[dict[str, Way]] = {
    "shipped router, calibrated": calibrated,
    HEAD: head,
    "both: prior as a feature": as_feature,
    "both: average, prior 1/4": as_average,
    "both: average, equal": partial(as_average, weight=1.0),
}


@dataclass(frozen=True)
class _Units:
    """Maps numbers to units of the spread of others."""

    centre: float
    spread: float

    @classmethod
    def of(cls, values: Floats) -> _Units:
        return cls(float(values.mean()), float(values.std()) or 1.0)

    def __call__(self, values: Floats) -> Floats:
        return (values - self.centre) / self.spread


@lru_cache(maxsize=8)  # several ways need the same
def _trained(fit: Own, some: Own) -> Floats:
    return fit.fitted.head.score(some.rows.features)


@lru_cache(maxsize=8)
def _widened(some: Own, fit: Own) -> Own:
    """Put the prior before the embedding, so that the recipe scales it as it scales that."""
    column = _Units.of(fit.prior)(some.prior)[:, None] * np.sqrt(WIDTH)
    features = np.concatenate([column, some.rows.features], axis=1, dtype=np.float32)
    return replace(some, rows=replace(some.rows, features=features))


def _offset(fit: Own, setting: Setting) -> Callable[[Own], Floats]:
    units = _Units.of(fit.prior)
    target = fit.rows.labels + setting.gap_weight * fit.rows.gaps
    line, middle = units(fit.prior), target.mean()
    slope = float(line @ (target - middle)) / (len(fit) + SHRINK)
    scaling = Scaling.of(fit.rows.features, setting.embedding_gamma, setting.text_gamma)
    landmarks = scaling(fit.rows.features)
    residuals = (target - slope * line)[:, None]
    ridge = KernelRidge(landmarks, landmarks)
    weights, bias = ridge.solve(residuals, setting.ridge)

    def scores(some: Own) -> Floats:
        raw: Floats = ridge.design(scaling(some.rows.features)) @ weights[:, 0] + bias[0] + slope * units(some.prior)
        return raw

    return scores


def _logit(p: Floats) -> Floats:
    logits: Floats = np.log(p / (1 - p))
    return logits


def apgr(scores: Floats, rows: Rows, weights: Floats | None = None) -> float:
    """Return the APGR of scores (n,) of some rows."""
    return tradeoff_curve(scores, rows.q_small, rows.q_large, weights).apgr
