"""OpenTelemetry: a span for each request and one for each call of an arm, and the figures of a dashboard.

Names and values follow the conventions for generative AI, written as literals because their package is unsettled; ours
stand under ``hybrid_llm.*``. Only the API is needed here: without an SDK that the program sets up, all of this does
nothing.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from opentelemetry import metrics, trace
from opentelemetry.context import Context, get_current
from opentelemetry.metrics import Meter, MeterProvider
from opentelemetry.trace import SpanKind, StatusCode, TracerProvider

from hybrid_llm import __version__
from hybrid_llm.decision import Decision
from hybrid_llm.event import Attempt, Observer, RequestEvent
from hybrid_llm.observe.background import Background

_NAME: Final = "hybrid_llm"
_ARMS: Final = ("small", "large")
_SECONDS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
_SCORES: Final = tuple(tenth / 10 for tenth in range(1, 10))


class OpenTelemetry(Observer):
    """Tells OpenTelemetry of each request, a moment later and in a thread of its own; no text goes there.

    Args:
        tracer_provider: Where spans go; the program's own by default.
        meter_provider: Where figures go; the program's own by default.
        calls: Whether each call of an arm has a span of its own, with its model and its tokens. Switch it off where the
            framework's own instrumentation has spans for them, so that tokens are not counted twice.

    Raises:
        MissingExtraError: opentelemetry-api is not installed.

    Example:
        >>> from hybrid_llm import Pair
        >>> from hybrid_llm.dispatch import Request
        >>> from hybrid_llm.testing import FixedScorer
        >>> pair = Pair(FixedScorer(0.9), threshold=0.5, observers=[OpenTelemetry()])
        >>> pair.call(Request("2+2?"), lambda decision: "4")[0]
        '4'
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        *,
        calls: bool = True,
    ) -> None:
        self._made_with = tracer_provider, meter_provider, calls
        self._tracer = trace.get_tracer(_NAME, __version__, tracer_provider)
        self._figures = _Figures(metrics.get_meter(_NAME, __version__, meter_provider))
        self._calls = calls
        self._background = Background(self._tell, "hybrid-llm-opentelemetry")

    def finished(self, event: RequestEvent) -> None:
        """Leave a request to the thread that tells of it."""
        self._background.put((event, time.time_ns(), get_current()))

    def flush(self) -> bool:
        """Tell now of what waits; return whether nothing waits any more."""
        return self._background.flush()

    def _tell(self, requests: list[tuple[RequestEvent, int, Context]], _: int) -> bool:
        for event, end, context in requests:
            self._figures.count(event)
            self._write_spans(event, end, context)
        return True

    def _write_spans(self, event: RequestEvent, end: int, context: Context) -> None:
        """Write the spans of a request, with the times that they had."""
        end -= round(event.late * 1e9)
        began = end - round(event.seconds * 1e9)
        span = self._tracer.start_span(f"{_NAME}.request", context, attributes=_of_request(event), start_time=began)
        if event.error:
            span.set_status(StatusCode.ERROR, event.error)
        if self._calls and event.attempts and span.is_recording():
            context = trace.set_span_in_context(span, context)
            # one after the other, the last one to the end: what came before them is the decision; what came after it
            # is a look in shadow
            own = [one.seconds for one in event.attempts if not (event.late and one.route == "small")]
            start = end - round(sum(own) * 1e9)
            for attempt in event.attempts:
                stop = start + round(attempt.seconds * 1e9)
                call = self._tracer.start_span(
                    f"chat {attempt.model}", context, SpanKind.CLIENT, _of_call(attempt), start_time=start
                )
                if attempt.error:
                    call.set_status(StatusCode.ERROR, attempt.error)
                call.end(stop)
                start = stop
        span.end(end)

    def __deepcopy__(self, memo: object) -> OpenTelemetry:
        """Return the observer itself: copies of a model tell the same providers."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the settings: it tells the providers of the program in which the pickle is opened."""
        return _made_again, self._made_with


def _made_again(
    tracer_provider: TracerProvider | None, meter_provider: MeterProvider | None, calls: bool
) -> OpenTelemetry:
    return OpenTelemetry(tracer_provider, meter_provider, calls=calls)


class _Figures:
    """The figures of a dashboard."""

    def __init__(self, meter: Meter) -> None:
        self._requests = meter.create_counter(f"{_NAME}.requests", "{request}", "Requests, by who answered and why.")
        self._seconds = meter.create_histogram(
            f"{_NAME}.request.duration",
            "s",
            "From the request to the end of its answer.",
            explicit_bucket_boundaries_advisory=_SECONDS,
        )
        self._scores = meter.create_histogram(
            f"{_NAME}.score", "1", "p(x) of the scored queries.", explicit_bucket_boundaries_advisory=_SCORES
        )
        self._called = meter.create_counter(f"{_NAME}.calls", "{call}", "Calls of arms, by what came of them.")
        self._tokens = meter.create_counter(f"{_NAME}.tokens", "{token}", "Tokens, by arm, model and type.")
        self._dollars = meter.create_counter(f"{_NAME}.cost", "{USD}", "What the calls cost, as far as it is known.")
        self._open = meter.create_gauge(
            f"{_NAME}.breaker.open", "1", "1 while an arm is left alone after failures, as of the last request."
        )

    def count(self, event: RequestEvent) -> None:
        """Count a request."""
        decision = event.decision
        labels: dict[str, str] = {"hybrid_llm.route": decision.route, "hybrid_llm.reason": decision.reason}
        if event.error:
            labels["error.type"] = event.error
        self._requests.add(1, labels)
        self._seconds.record(event.seconds, labels)
        if decision.score is not None:
            self._scores.record(decision.score, {"hybrid_llm.route": decision.route})
        for attempt in event.attempts:
            self._count_call(attempt)
        for arm in _ARMS:
            self._open.set(int(arm in event.resting), {"hybrid_llm.route": arm})

    def _count_call(self, attempt: Attempt) -> None:
        arm: dict[str, str | bool] = {"hybrid_llm.route": attempt.route, "gen_ai.request.model": attempt.model}
        error = {"error.type": attempt.error} if attempt.error else {}
        self._called.add(1, {**arm, "hybrid_llm.kept": attempt.kept, **error})
        kinds = {"input": attempt.input_tokens, "output": attempt.output_tokens, "cached": attempt.cached_tokens}
        for kind, count in kinds.items():
            if count:
                self._tokens.add(count, {**arm, "gen_ai.token.type": kind})
        if attempt.cost_usd:
            self._dollars.add(attempt.cost_usd, arm)


def _of_request(event: RequestEvent) -> dict[str, Any]:
    """Return what stands on the span of a request."""
    decision: Decision = event.decision
    return _known(
        {
            "hybrid_llm.route": decision.route,
            "hybrid_llm.reason": decision.reason,
            "hybrid_llm.score": decision.score,
            "hybrid_llm.threshold": decision.threshold,
            "hybrid_llm.level": str(decision.level) if decision.level else None,
            "hybrid_llm.certified": decision.certified,
            "hybrid_llm.familiar": decision.familiar,
            "hybrid_llm.truncated": decision.truncated,
            "hybrid_llm.private": decision.private,
            "hybrid_llm.shadow_route": decision.shadow.route if decision.shadow else None,
            "hybrid_llm.shadow_reason": decision.shadow.reason if decision.shadow else None,
            "hybrid_llm.router_id": decision.router_id or None,
            "hybrid_llm.method": event.method or None,
            "hybrid_llm.query_hash": event.query_hash or None,
            "error.type": event.error,
        }
    )


def _of_call(attempt: Attempt) -> dict[str, Any]:
    """Return what stands on the span of a call."""
    return _known(
        {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": attempt.provider or None,
            "gen_ai.request.model": attempt.model,
            "gen_ai.response.model": None if attempt.error else attempt.response_model or attempt.model,
            "gen_ai.usage.input_tokens": attempt.input_tokens,
            "gen_ai.usage.output_tokens": attempt.output_tokens,
            "hybrid_llm.usage.cached_tokens": attempt.cached_tokens,
            "hybrid_llm.cost_usd": attempt.cost_usd,
            "hybrid_llm.route": attempt.route,
            "hybrid_llm.kept": attempt.kept,
            "error.type": attempt.error,
        }
    )


def _known(attributes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value is not None}
