"""One line in the log for each request, for whoever turns DEBUG on; outages are warned of anyway."""

from __future__ import annotations

import logging

from hybrid_llm.decision import Decision
from hybrid_llm.event import Attempt, Observer, RequestEvent

logger = logging.getLogger("hybrid_llm")


class Log(Observer):
    """Writes a line for each finished request into the log ``hybrid_llm``, at DEBUG; no text is in it.

    Example:
        >>> from hybrid_llm import Pair
        >>> from hybrid_llm.testing import FixedScorer
        >>> pair = Pair(FixedScorer(0.9), threshold=0.5, observers=[Log()])
        >>> in_words(RequestEvent(Decision("small", 0.9, 0.5), (Attempt("small", "qwen3:4b", 0.4, kept=True),), 0.41))
        'small by score 0.900 >= 0.500; small (qwen3:4b) answered in 0.40 s; 0.41 s in all'
    """

    def finished(self, event: RequestEvent) -> None:
        """Write the line."""
        if logger.isEnabledFor(logging.DEBUG):
            logger.debug("%s", in_words(event))


def in_words(event: RequestEvent) -> str:
    """Return what a request came to, on one line."""
    parts = [_decided(event.decision), *map(_called, event.attempts)]
    if event.error:
        parts.append(f"no answer ({event.error})")
    return "; ".join([*parts, f"{event.seconds:.2f} s in all"])


def _decided(decision: Decision) -> str:
    words = f"{decision.route} by {decision.reason}"
    if decision.score is not None and decision.threshold is not None:
        sign = ">=" if decision.score >= decision.threshold else "<"
        words += f" {decision.score:.3f} {sign} {decision.threshold:.3f}"
    would = decision.shadow
    if would is not None:
        looked_at = f", {would.reason}" if would.look is not None and not would.held else ""
        words += f" (would go to {would.route}{looked_at})"
    return words


def _called(attempt: Attempt) -> str:
    came = f"failed with {attempt.error}" if attempt.error else "answered" if attempt.kept else "was not kept"
    words = f"{attempt.route} ({attempt.model}) {came} in {attempt.seconds:.2f} s"
    if attempt.input_tokens is not None and attempt.output_tokens is not None:
        cached = f", {attempt.cached_tokens} of them cached" if attempt.cached_tokens else ""
        words += f", {attempt.input_tokens} tokens in{cached}, {attempt.output_tokens} out"
    return words if attempt.cost_usd is None else f"{words}, ${attempt.cost_usd:.6g}"
