"""Populations of answers whose quality drop is known exactly at every rung, for :mod:`promise_look_simulation`.

A population is finite: so many queries, each with four answers that small may give, all equally likely. What a rung
keeps and loses is then a plain sum. The look is fitted to a training draw of each population, as
:func:`hybrid_llm.training.train_second_look` does it, before any calibration query is drawn.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from benchmarks.promise_look_simulation.batch import Batch
from hybrid_llm.look import AGREEMENT, LOGPROBS, QUERY, Bound, Ladder, LookHead, LookRows, Path, SecondLook
from hybrid_llm.router.looking import shows
from hybrid_llm.training.second_look import fit_paths

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]
Bools = NDArray[np.bool_]

DROPS = (0.01, 0.02, 0.05, 0.10)
QUERIES = 20_000
ANSWERS = 4
TRAINING = 1000
CHECKER = "checker"
EDGE = "a gate keeps half, true drop a hair above the limit: any promise is wrong"
AGREES = AGREEMENT + CHECKER


@dataclass(frozen=True)
class Traffic:
    """What a population is made of; chances are per query, shape (queries, 1), or per answer, (queries, answers).

    Args:
        right: Chance that small's answer is right.
        large: Quality of large on each query.
        p: The query's score.
        known: Whether the query is familiar.
        loss: What a wrong answer loses of large's quality, in (0, 1].
        turned: Of which queries the signals say the opposite.
        rejects: Chance that a check rejects a (wrong, right) answer.
        lacks: Chance that a (wrong, right) answer comes without log-probabilities.
    """

    right: Floats
    large: Floats
    p: Floats
    known: Bools
    loss: float = 1.0
    turned: Bools | None = None
    rejects: tuple[float, float] = (0.0, 0.0)
    lacks: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class LookWorld:
    """A population of answers, and the look that a training draw of it gave.

    Args:
        name: One word.
        text: What it stands for.
        rows: All answers, those of one query one after another.
        look: Fixed before any calibration row is drawn.
        samples: Answers of each query among the calibration rows.
        gaps: Share of the calibration queries whose answers do not show what all answers of the traffic show.
        drops: The limits that are tried.
        answers: Of each query in the population.
    """

    name: str
    text: str
    rows: LookRows
    look: SecondLook
    samples: int = 1
    gaps: float = 0.0
    drops: tuple[float, ...] = DROPS
    answers: int = ANSWERS

    @property
    def ladder(self) -> Ladder:
        """The rungs."""
        return self.look.paths[self.look.columns].ladder

    @cached_property
    def first(self) -> Ints:
        """Shape (answers,): the first rung that keeps each, as a proof counts them; their number where none does."""
        rungs, heights = self.ladder.heights, self.look.heights(self.rows)
        return np.where((heights > 0) & self.rows.known, np.searchsorted(-rungs, -heights), rungs.size)

    @cached_property
    def shown(self) -> Bools:
        """Shape (answers,): which show all that the look reads."""
        return shows(self.look, self.rows)

    def truth(self) -> tuple[Floats, Floats]:
        """Return the cost advantage and the relative drop of the population at each rung, the strictest first."""
        rungs, loss = self.ladder.heights.size, self.rows.large - self.rows.small
        kept = np.cumsum(np.bincount(self.first, minlength=rungs + 1))[:-1]
        lost = np.cumsum(np.bincount(self.first, loss, minlength=rungs + 1))[:-1]
        return kept / len(self.rows), lost / self.rows.large.sum()

    def draw(self, rng: np.random.Generator, repetitions: int, n: int) -> tuple[Ints, Bools]:
        """Draw n queries again and again, with as many answers of each as the world has samples.

        Returns:
            Places in the population, and which of the answers show all that the look reads; both of shape
            (repetitions, n, samples).
        """
        queries = rng.integers(len(self.rows) // self.answers, size=(repetitions, n, 1))
        places = queries * self.answers + rng.integers(self.answers, size=(repetitions, n, self.samples))
        return places, self.shown[places] & (rng.random((repetitions, n, 1)) >= self.gaps)

    def batch(self, places: Ints, shown: Bools, *, gaps_as_large: bool = False) -> Batch:
        """Return draws as a proof takes them.

        Args:
            places: As :meth:`draw` returns them, and so is the next.
            shown: Which answers show all that the look reads.
            gaps_as_large: Count answers with gaps as large's instead of leaving them out, which proves too much.
        """
        rungs = self.ladder.heights.size
        return Batch(
            rung=np.where(shown, self.first[places], rungs),
            loss=(self.rows.large - self.rows.small)[places],
            large=self.rows.large[places[..., 0]],
            there=np.ones_like(shown) if gaps_as_large else shown,
            rungs=rungs,
        )


def worlds() -> list[LookWorld]:
    """Return the worlds."""
    return [*fitted_worlds(), *edges()]


def texts() -> dict[str, str]:
    """Return what each kind of world stands for."""
    return {name: text for name, text, *_ in _kinds()} | {"edge": EDGE}


def fitted_worlds() -> list[LookWorld]:
    """Return the worlds whose look comes from a training draw."""
    return [_fitted(number, *each) for number, each in enumerate(_kinds())]


def _kinds() -> list[tuple[str, str, Traffic, dict[str, float]]]:
    rng = np.random.default_rng(7)
    x = rng.random((QUERIES, 1))
    usual = Traffic(
        right=0.92 - 0.7 * x,
        large=(rng.random((QUERIES, 1)) < 0.97 - 0.07 * x).astype(float),
        p=np.clip(0.9 - 0.7 * x + rng.normal(0, 0.15, (QUERIES, 1)), 0.01, 0.99),
        known=np.ones((QUERIES, 1), dtype=bool),
    )
    odd, sly = rng.random((QUERIES, 1)) < 0.15, rng.random((QUERIES, 1)) < 0.05
    one_fate = (rng.random((QUERIES, 1)) < usual.right).astype(float)
    unfamiliar = replace(usual, known=~odd, right=np.where(odd, 0.1, usual.right), p=np.where(odd, 0.95, usual.p))
    return [
        ("gates", "0/1; a gate, log-probabilities and a checker", usual, {}),
        ("graded", "a wrong answer loses 30 % of large's quality", replace(usual, loss=0.3), {}),
        ("samples", "three answers a query, each with a fate of its own", usual, {"samples": 3}),
        ("one fate", "three answers a query, all right or all wrong", replace(usual, right=one_fate), {"samples": 3}),
        ("checks", "checks reject a tenth of the right and half of the wrong", replace(usual, rejects=(0.5, 0.1)), {}),
        ("good ones", "checks reject the right ones: half of them", replace(usual, rejects=(0.02, 0.5)), {}),
        ("missing", "log-probabilities lack, of wrong answers mostly", replace(usual, lacks=(0.6, 0.2)), {}),
        ("gaps", "half of the calibration rows lack what all traffic shows", usual, {"gaps": 0.5}),
        ("unfamiliar", "15 % unlike the training queries; high scores, wrong answers", unfamiliar, {}),
        ("misled", "on 5 % of the queries the signals say the opposite", replace(usual, turned=sly), {}),
    ]


def _fitted(number: int, name: str, text: str, traffic: Traffic, options: dict[str, float]) -> LookWorld:
    rng = np.random.default_rng([11, number])
    rows = _population(rng, traffic)
    usual = np.flatnonzero(traffic.known)
    trained_on = replace(rows.take(rng.choice(usual, TRAINING, replace=False) * ANSWERS), query=np.arange(TRAINING))
    paths = fit_paths(trained_on, [f"{name} {i}" for i in range(TRAINING)], [CHECKER])
    look = SecondLook("trained", Bound("small", "large", (CHECKER,)), paths)
    samples, gaps = int(options.get("samples", 1)), options.get("gaps", 0.0)
    return LookWorld(name, text, rows, look, samples, gaps)


def _population(rng: np.random.Generator, traffic: Traffic) -> LookRows:
    shape = (QUERIES, ANSWERS)
    right = rng.random(shape) < traffic.right
    says = right if traffic.turned is None else right ^ traffic.turned
    logprobs = np.where(says, 1.0, 0.0) + rng.normal(0, 1.0, shape)
    logprobs[rng.random(shape) < np.where(right, *traffic.lacks[::-1])] = np.nan
    large = np.broadcast_to(traffic.large, shape)
    small = np.where(right, 1.0, large * (1 - traffic.loss))
    agrees = (rng.random(shape) < np.where(says, 0.8, 0.3)).astype(float)

    def column(values: NDArray[np.generic]) -> NDArray[np.generic]:
        return np.ascontiguousarray(np.broadcast_to(values, shape)).ravel()

    return LookRows(
        query=np.repeat(np.arange(QUERIES), ANSWERS),
        p=column(traffic.p),
        known=column(traffic.known),
        columns={LOGPROBS: column(logprobs), AGREES: column(agrees)},
        usable=column(rng.random(shape) >= np.where(right, *traffic.rejects[::-1])),
        seen=np.ones(QUERIES * ANSWERS, dtype=bool),
        small=column(small),
        large=column(large),
    )


def edges() -> list[LookWorld]:
    """Return worlds in which one rung keeps half of the traffic and loses a hair more than the limit."""
    path = Path(LookHead((QUERY, AGREES), (0.0, 4.0), -2.0), Ladder((0.5,), (0.7,)))
    look = SecondLook("trained", Bound("small", "large", (CHECKER,)), {(QUERY, AGREES): path})
    made = []
    for drop in DROPS:
        rng = np.random.default_rng([13, round(100 * drop)])
        passes = np.arange(QUERIES) % 2 == 0
        lost = np.zeros(QUERIES)
        lost[np.flatnonzero(passes)[: round(1.001 * drop * QUERIES) + 1]] = 1.0
        lost[~passes] = rng.random(int((~passes).sum())) < 0.5  # never shown
        ones = np.ones(QUERIES)
        rows = LookRows(
            query=np.arange(QUERIES),
            p=np.where(passes, 0.9, 0.1),
            known=ones.astype(bool),
            columns={AGREES: ones},
            usable=ones.astype(bool),
            seen=ones.astype(bool),
            small=ones - lost,
            large=ones,
        )
        made.append(LookWorld(f"edge {drop:.0%}", EDGE, rows, look, drops=(drop,), answers=1))
    return made
