"""From graded rows to a verdict: train, calibrate, certify, report."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.certify import LEVELS, percent
from hybrid_llm.errors import LabelError
from hybrid_llm.look import LookRows
from hybrid_llm.names import short_name
from hybrid_llm.report import Evaluation, Looked, dial, evaluate_look, evaluate_router, spent_on, write_page
from hybrid_llm.router import ENOUGH_ROWS
from hybrid_llm.run.attempts import Attempt, confidence_of, counted
from hybrid_llm.run.plan import CERTIFY, REPORT, VALIDATION, few
from hybrid_llm.run.verdict import LevelFigures, Verdict, WayFigures
from hybrid_llm.run.ways import LOOK, Way, better, by_look, by_query
from hybrid_llm.scoring import UNFAMILIAR
from hybrid_llm.training import TrainConfig, left_out_heights, train_and_score, train_second_look

if TYPE_CHECKING:
    from hybrid_llm.certify import Menu
    from hybrid_llm.router import Router
    from hybrid_llm.scoring import Encoder, Progress
    from hybrid_llm.table import PairTable

FloatArray = NDArray[np.float64]

LEAST: Final = 30
"""With fewer graded rows nothing is trained."""
WORTH: Final = 0.05
"""A router that sends less than this to small is not worth having."""


@dataclass(frozen=True)
class Question:
    """What is asked of the rows.

    Args:
        max_drop: The quality drop that is to be certified, in (0, 1).
        confidence: That of all attempts together, in (0, 1).
        measured_by: What graded the responses, in words.
        source: Where the rows come from, in words.
        fingerprint: What else identifies the pair: digests, system prompts.
        checkers: Names of local models whose answers are compared with small's.
    """

    max_drop: float = 0.05
    confidence: float = 0.95
    measured_by: str = "the scores in the quality table"
    source: str = "the graded prompts"
    fingerprint: tuple[tuple[str, str], ...] = ()
    checkers: tuple[str, ...] = ()

    @property
    def quality(self) -> float:
        """The quality level: 1 - max_drop."""
        return round(1.0 - self.max_drop, 12)


@dataclass(frozen=True)
class Judged:
    """What became of the rows: the verdict, and the attempts to certify until now."""

    verdict: Verdict
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, eq=False)
class _Fit:
    """A trained router, and the rows and scores that are honest about it.

    ``heights`` are those of a second look by heads that left each answer out, where all rows were fitted to.
    """

    router: Router
    rows: PairTable
    scores: FloatArray
    heights: tuple[FloatArray, FloatArray] | None = None


def judge(
    pair: PairTable,
    question: Question,
    folder: Path,
    *,
    n: int | None = None,
    spent_usd: float = 0.0,
    attempts: Sequence[Attempt] = (),
    before_testing: Callable[[tuple[Attempt, ...]], None] = lambda attempts: None,
    encoder: Encoder | None = None,
    progress: Progress | None = None,
) -> Judged:
    """Train a router on graded rows, certify one level as far as they allow, write ``router/`` and ``report.html``.

    Below 200 rows all of them train, and nothing is certified. Above, half of the rows that are not test rows give
    thresholds and certify the level that is asked for, and no other: the rows would not do for a menu.

    Args:
        pair: The graded rows, with the splits of :func:`~hybrid_llm.run.plan.with_splits` or of the user's own.
        question: What is asked of them.
        folder: The pair folder.
        n: Prompts that were to be asked; by default the rows.
        spent_usd: What all answers and grades cost.
        attempts: Those to certify before this one.
        before_testing: Told of all attempts before the test, so that one that is killed counts.
        encoder: The encoder to train with, in place of the shipped one.
        progress: Called with (what, done, total) now and then.

    Raises:
        HybridLLMError: The folder cannot be written, or an extra is missing.
    """
    verdict = _before_training(pair, question, len(pair) if n is None else n, spent_usd)
    kept = tuple(attempts)
    if verdict.verdict != "measured":
        return Judged(verdict, kept)
    try:
        fit = _train(pair, question, encoder, progress)
    except LabelError as error:
        return Judged(_not_to_learn(verdict, str(error)), kept)
    confidence, number = question.confidence, 0
    if few(pair):
        router = fit.router
    else:
        attempt = Attempt(pair.data_hash, fit.router.id, question.max_drop, question.confidence)
        kept, number = counted(kept, attempt)
        before_testing(kept)
        confidence = confidence_of(number, question.confidence)
        router = _certified(fit.router, pair, question, number, confidence)
    fit = replace(fit, router=router)
    way, looked = _ways(fit, question)
    verdict = _concluded(replace(verdict, attempt=number), pair, way, question, len(kept) + 1)
    return Judged(_written(verdict, pair, fit, looked, folder, question, progress), kept)


def _before_training(pair: PairTable, question: Question, n: int, spent_usd: float) -> Verdict:
    """Return what the qualities alone say, ``measured`` when a router may be worth training."""
    small, large = float(pair.mean_small.mean()), float(pair.mean_large.mean())
    verdict = Verdict(
        "measured",
        small=pair.small,
        large=pair.large,
        n=n,
        graded=len(pair),
        spent_usd=spent_usd,
        small_quality=small,
        large_quality=large,
        asked=question.quality,
        confidence=question.confidence,
    )
    if len(pair) < LEAST:
        why = f"{len(pair)} graded prompts say nothing yet; {LEAST} can train a router, {ENOUGH_ROWS} certify a level"
        return replace(verdict, verdict="more_needed", why=why, needed_n=ENOUGH_ROWS)
    if large <= 0.0:
        why = f"{short_name(pair.large)} is right on no prompt; look at the answers, the references and the grader"
        return replace(verdict, verdict="not_worth_it", why=why)
    return verdict


def _train(pair: PairTable, question: Question, encoder: Encoder | None, progress: Progress | None) -> _Fit:
    config = TrainConfig(all_rows=few(pair))
    router, left_out = train_and_score(
        pair,
        config=config,
        encoder=encoder,
        data=question.source,
        fingerprint=dict(question.fingerprint),
        progress=progress,
    )
    checkers = _that_answered(pair, question.checkers)
    if checkers or _tells_logprobs(pair):
        router = train_second_look(
            router,
            pair,
            checkers=checkers,
            scores=left_out,
            all_rows=config.all_rows,
            settings=dict(question.fingerprint),
        )
    if config.all_rows:
        return _Fit(router, pair, left_out, _left_out(router, pair, left_out))
    unseen = pair.rows(np.array([split in (VALIDATION, REPORT) for split in pair.row_splits]))
    return _Fit(router, unseen, router.score(unseen.queries))


def _that_answered(pair: PairTable, checkers: Sequence[str]) -> tuple[str, ...]:
    """Return the checkers that answered enough prompts to be compared with."""
    counts = {name: sum(name in models for models in pair.responses) for name in checkers}
    return tuple(name for name, count in counts.items() if count >= LEAST)


def _tells_logprobs(pair: PairTable) -> bool:
    """Return whether enough answers of small came with log-probabilities."""
    told = sum(
        any(response.logprobs is not None for response in models.get(pair.small, ())) for models in pair.responses
    )
    return told >= LEAST


def _left_out(router: Router, pair: PairTable, scores: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    look = router.second_look
    if look is None:
        return None
    rows = LookRows.of(pair, scores, None, look.checkers)
    return left_out_heights(look, rows, [pair.ids[row] for row in rows.query])


def _certified(router: Router, pair: PairTable, question: Question, number: int, confidence: float) -> Router:
    return router.certify(
        pair.split(VALIDATION),
        max_drop=question.max_drop,
        confidence=confidence,
        data=f"{question.source}, split {VALIDATION}, attempt {number}",
        measured_by=question.measured_by,
        menu=False,
    )


def _ways(fit: _Fit, question: Question) -> tuple[Way, Looked | None]:
    """Return the way to recommend, and the second look on the rows, where there is one."""
    looked = evaluate_look(
        fit.router, fit.rows, scores=fit.scores, heights=fit.heights, levels=_levels(question), repetitions=0
    )
    familiar = ~(fit.router.familiarity(fit.rows.queries) < UNFAMILIAR)
    query = by_query(fit.scores, familiar, fit.rows, question.quality, fit.router.certificate)
    return better(query, by_look(looked, question.quality) if looked is not None else None), looked


def _concluded(verdict: Verdict, pair: PairTable, way: Way, question: Question, next_attempt: int) -> Verdict:
    """Say what the router is worth at the level that was asked for."""
    asked, expected = way.certificate, way.expected
    needed = _needed(pair, way, question, next_attempt)
    verdict = replace(verdict, expected=expected, needed_n=needed, second_look=way.name == LOOK)
    if asked is not None and asked.feasible and asked.cost_advantage >= WORTH:
        return replace(verdict, verdict="certified", needed_n=None)
    small, large = verdict.small_quality or 0.0, verdict.large_quality or 0.0
    if small >= large:
        return _too_little(verdict)
    if expected.cost_advantage < WORTH and not few(pair):
        return _too_much(verdict, expected.cost_advantage)
    if expected.cost_advantage < WORTH:
        why = (
            f"with {len(pair)} graded prompts nothing could be found that {short_name(pair.small)} answers well "
            f"enough at this level; from some {ENOUGH_ROWS} on that can be told from bad luck"
        )
        return replace(verdict, verdict="more_needed", why=why, needed_n=verdict.needed_n or ENOUGH_ROWS)
    return replace(verdict, why=why_measured(way, len(pair)))


def why_measured(way: Way, n: int) -> str:
    """Say why what n rows showed is measured and not certified, in words."""
    asked = way.certificate
    if asked is None:
        return f"with {n} graded prompts, all of them are needed to train; a proof takes {ENOUGH_ROWS} and more."
    if asked.feasible:
        return (
            f"only {percent(asked.cost_advantage)} of the queries could be, and quality={asked.quality:g} sends no "
            f"more to small; cost_advantage={way.expected.cost_advantage:.2g} takes what was measured."
        )
    return asked.reason


def _not_to_learn(verdict: Verdict, why: str) -> Verdict:
    """Say what it means that small is as good on every prompt, or on none."""
    if (verdict.small_quality or 0.0) >= (verdict.large_quality or 0.0):
        return _too_little(verdict)
    return _too_much(verdict, 0.0) if verdict.small_quality is not None else replace(verdict, why=why)


def _too_little(verdict: Verdict) -> Verdict:
    small, large = short_name(verdict.small), short_name(verdict.large)
    why = (
        f"both differ too little on your prompts: {large} is no better than {small} "
        f"({verdict.large_quality:.3f} against {verdict.small_quality:.3f}), so let {small} answer everything"
    )
    return replace(verdict, verdict="not_worth_it", why=why, needed_n=None)


def _too_much(verdict: Verdict, share: float) -> Verdict:
    small, large = short_name(verdict.small), short_name(verdict.large)
    why = (
        f"both differ too much on your prompts ({small} {verdict.small_quality:.3f}, {large} "
        f"{verdict.large_quality:.3f}): to keep {round(100 * verdict.asked)} %, {small} could answer "
        f"{'none' if share < 0.005 else f'{round(100 * share)} %'} of them"
    )
    return replace(verdict, verdict="not_worth_it", why=why, needed_n=None)


def _needed(pair: PairTable, way: Way, question: Question, next_attempt: int) -> int | None:
    """Estimate with how many graded prompts the next attempt could certify the level."""
    estimate = way.estimate(question.max_drop, confidence_of(next_attempt, question.confidence))
    rows = estimate.n if estimate.feasible else estimate.needed_n
    return None if rows is None else max(ENOUGH_ROWS, len(pair), math.ceil(rows / CERTIFY))


def _levels(question: Question) -> list[float]:
    return sorted({*LEVELS, question.quality}, reverse=True)


def _written(
    verdict: Verdict,
    pair: PairTable,
    fit: _Fit,
    looked: Looked | None,
    folder: Path,
    question: Question,
    progress: Progress | None,
) -> Verdict:
    """Write the router and the page, and return the verdict with what each level does."""
    router, page = folder / "router", folder / "report.html"
    fit.router.save(router)
    if progress:
        progress("Computing figures", 0, 0)
    rows, scores = (pair, fit.scores) if few(pair) else (fit.rows, None)
    found = evaluate_router(
        fit.router,
        rows,
        scores=scores,
        levels=sorted({*dial(rows, fit.router.parts), *_levels(question)}, reverse=True),
        source=question.source,
        looked=looked,
    )
    verdict = replace(
        verdict, router=str(router), report=str(page), **_figures(verdict, found, looked, fit.router, question)
    )
    write_page(page, found, verdict=verdict.headline())
    return verdict


def _figures(
    verdict: Verdict, found: Evaluation, looked: Looked | None, router: Router, question: Question
) -> dict[str, Any]:
    """Return what each level does by the way that is recommended, and what the one that was asked for saves."""
    by_query = _level_figures(found, router.certificate, question)
    by_look = _level_figures(looked, looked.look.certificate, question) if looked is not None else ()
    asked = (looked if verdict.second_look and looked is not None else found).at(question.quality)
    large = spent_on(found.pair).get("large")
    at = question.quality
    return {
        "levels": by_look if verdict.second_look else by_query,
        "saved_usd_per_1000": asked.saved_usd_per_1000 if asked else None,
        "always_large_usd_per_1000": large.usd_per_1000 if large else None,
        "compared": _compared(by_query, by_look, looked, at) if looked is not None else None,
    }


def _level_figures(found: Evaluation | Looked, proved: Menu | None, question: Question) -> tuple[LevelFigures, ...]:
    levels = []
    for quality in _levels(question):
        point = found.at(quality)
        if point is None:
            continue
        certificate = proved.for_quality(quality) if proved is not None else None
        share = certificate.cost_advantage if certificate is not None else point.cost_advantage
        levels.append(LevelFigures(quality, share, point.both_run, point.certified, point.usd_per_1000))
    return tuple(levels)


def _compared(
    query: Sequence[LevelFigures], look: Sequence[LevelFigures], looked: Looked, quality: float
) -> WayFigures | None:
    pairs = [next((level for level in way if abs(level.quality - quality) < 1e-9), None) for way in (query, look)]
    if pairs[0] is None or pairs[1] is None:
        return None
    return WayFigures(
        query=pairs[0].cost_advantage,
        second_look=pairs[1].cost_advantage,
        both_run=pairs[1].both_run,
        seconds_large=looked.seconds.get("large"),
        seconds_look=looked.seconds.get("look"),
    )
