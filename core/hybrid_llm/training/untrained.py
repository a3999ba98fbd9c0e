"""Second looks that need no grades: fixed forms, whose levels are quantiles of what a small model says.

``"logprobs"``: the geometric mean of the tokens' probabilities. ``"agreement"``: how many checkers say the same, ties
broken by the log-probabilities or else by the query's score. Only the local model is asked, so that nothing is paid.
What they promise is a share of the queries and nothing about quality.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from hybrid_llm.errors import LookError
from hybrid_llm.look import (
    AGREEMENT,
    LOGPROBS,
    QUERY,
    Answer,
    Bound,
    Finds,
    Ladder,
    LookHead,
    Path,
    PathCalibration,
    SecondLook,
    Signals,
    Wanted,
    agreement_head,
    checked_names,
    logprobs_head,
    rejected,
)

FloatArray = NDArray[np.float64]

LEAST_ANSWERS: Final = 30


def untrained_looks(
    small: str,
    queries: Sequence[str],
    answers: Sequence[Answer],
    *,
    checkers: Mapping[str, Sequence[Answer | None]] | None = None,
    scores: Sequence[float] | FloatArray | None = None,
    router_id: str = "",
    settings: Mapping[str, str] | None = None,
    final: Finds | None = None,
) -> dict[str, SecondLook]:
    """Return the untrained looks that these answers give levels to, by their form.

    Args:
        small: Name of the small model.
        queries: n texts.
        answers: What it answered to each.
        checkers: By name what other local models answered to each; ``None`` where one gave nothing.
        scores: Shape (n,), the queries' scores, which break ties where there are no log-probabilities.
        router_id: Of the router that scored.
        settings: How the models were asked, for the record.
        final: Finds final answers.

    Raises:
        LookError: Neither log-probabilities nor checkers are there for enough answers.

    Example:
        >>> from hybrid_llm import Level
        >>> answers = [Answer("yes", [-0.02 * number]) for number in range(40)]
        >>> looks = untrained_looks("tiny", ["Is it?"] * 40, answers)
        >>> looks["logprobs"].plan(Level("cost_advantage", 0.25)).cost_advantage
        0.25
    """
    if not answers or len(queries) != len(answers):
        raise LookError(
            f"{len(answers):,} answers of {small} to {len(queries):,} queries give no levels; one to each is needed, "
            f"and at least {LEAST_ANSWERS}."
        )
    names = checked_names(small, tuple(checkers or ()))
    p = None if scores is None else np.asarray(scores, dtype=np.float64)
    seen = [
        Signals.of(
            answer,
            {name: [given] for name in names if (given := (checkers or {})[name][number]) is not None},
            None if p is None else float(p[number]),
            final,
        ).columns()
        for number, answer in enumerate(answers)
    ]
    usable = np.array([rejected(q, answer, Wanted()) is None for q, answer in zip(queries, answers, strict=True)])
    settings, looks = dict(settings or {}), {}
    if path := _path(logprobs_head(), seen, usable):
        looks["logprobs"] = SecondLook("logprobs", Bound(small, settings=settings), {path.head.columns: path})
    ties = (LOGPROBS, QUERY) if names else ()
    found = [path for tie in ties if (path := _path(agreement_head(names, tie), seen, usable))]
    if found:
        bound = Bound(small, checkers=names, router_id=router_id if p is not None else "", settings=settings)
        looks["agreement"] = SecondLook("agreement", bound, {path.head.columns: path for path in found}, final=final)
    if not looks:
        raise LookError(_nothing(small, seen, names, int((~usable).sum())))
    return looks


def _path(head: LookHead, seen: Sequence[Mapping[str, float]], usable: NDArray[np.bool_]) -> Path | None:
    """Return the path of a head with rungs at the quantiles of its scores; None where too few answers have them."""
    there = np.array([columns.keys() >= set(head.columns) for columns in seen])
    if int((there & usable).sum()) < LEAST_ANSWERS:
        return None
    s = np.array([head.score(columns) if has else 0.0 for columns, has in zip(seen, there, strict=True)])
    ladder = Ladder.level(s[there & usable])
    return Path(head, ladder, PathCalibration.of(ladder, None, s, there & usable, np.ones(len(s))))


def _nothing(small: str, seen: Sequence[Mapping[str, float]], checkers: Sequence[str], rejected: int) -> str:
    some = sum(LOGPROBS in columns for columns in seen)
    both = sum(any(f"{AGREEMENT}{name}" in columns for name in checkers) for columns in seen)
    said = f"Of {len(seen):,} answers of {small} {some:,} came with log-probabilities"
    if checkers:
        said += f" and {both:,} with an answer of a checker"
    if rejected > len(seen) / 2:
        return (
            f"{rejected:,} of {len(seen):,} answers of {small} cannot be used: cut off, empty or a loop; let it write "
            f"longer answers (--max-tokens). Levels need at least {LEAST_ANSWERS} that can."
        )
    if both >= LEAST_ANSWERS:
        return f"{said}; equal agreement is told apart by log-probabilities, or by the queries' scores: scores="
    return (
        f"{said}; levels need at least {LEAST_ANSWERS}. Give more prompts; Ollama tells log-probabilities from version "
        "0.12.11 on, llama.cpp and vLLM by openai:NAME@BASE_URL, and a --checker needs none."
    )
