"""What OpenTelemetry is told, read back from the SDK's own exporters in memory."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from hybrid_llm import Pair
from hybrid_llm.decision import Look
from hybrid_llm.dispatch import Request
from hybrid_llm.event import RequestEvent
from hybrid_llm.observe import OpenTelemetry
from hybrid_llm.testing import FixedScorer
from tests.observe.events import DOWN, FALLBACK, LARGE, SMALL, TEXT, event_of, hosted, local


class Told:
    """Providers that keep what they are told in memory."""

    def __init__(self) -> None:
        self.spans, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.spans))
        self.meters = MeterProvider([self.reader])

    def of(self, *events: RequestEvent, **options: Any) -> Any:
        observer = OpenTelemetry(self.tracers, self.meters, **options)
        for event in events:
            observer.finished(event)
        assert observer.flush()
        return self.spans.get_finished_spans()

    @property
    def figures(self) -> dict[str, list[tuple[dict[str, Any], Any]]]:
        """By the name of each figure its labels, without the prefix of ours, and its value (a histogram's sum)."""
        data = self.reader.get_metrics_data()
        return {
            metric.name: [
                (
                    {key.removeprefix("hybrid_llm."): value for key, value in point.attributes.items()},
                    getattr(point, "value", getattr(point, "sum", None)),
                )
                for point in metric.data.data_points
            ]
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


@pytest.fixture
def told() -> Told:
    return Told()


def test_a_request_is_a_span_and_each_call_of_an_arm_one_below_it(told: Told) -> None:
    call_small, call_large, request = sorted(
        told.of(event_of(FALLBACK, DOWN, hosted())), key=lambda span: (span.end_time, -span.start_time)
    )
    assert [span.name for span in (request, call_small, call_large)] == [
        "hybrid_llm.request",
        "chat qwen3:4b",
        "chat gpt-4o",
    ]
    assert {call_small.parent.span_id, call_large.parent.span_id} == {request.context.span_id}
    assert call_small.kind == SpanKind.CLIENT
    assert (request.end_time - request.start_time) / 1e9 == pytest.approx(1.11)
    assert (call_large.end_time - call_large.start_time) / 1e9 == pytest.approx(1.0)
    assert call_small.end_time == call_large.start_time


def test_a_look_in_shadow_comes_after_the_request_that_it_is_about(told: Told) -> None:
    would = SMALL.override(reason="kept", look=Look(0.9, 0.8))
    event = event_of(LARGE.override(reason="shadow", shadow=would), hosted(), local(kept=False), late=0.5, seconds=1.01)
    spans = {span.name: span for span in told.of(event)}
    request, large, small = (spans[name] for name in ("hybrid_llm.request", "chat gpt-4o", "chat qwen3:4b"))
    assert request.end_time == large.end_time == small.start_time
    assert request.attributes["hybrid_llm.shadow_reason"] == "kept"


def test_the_span_of_a_call_has_the_names_of_the_conventions(told: Told) -> None:
    (call, _) = told.of(event_of(LARGE, hosted(cached_tokens=4, response_model="gpt-4o-2024-11-20")))
    assert dict(call.attributes) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o-2024-11-20",
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 20,
        "hybrid_llm.usage.cached_tokens": 4,
        "hybrid_llm.cost_usd": 0.01,
        "hybrid_llm.route": "large",
        "hybrid_llm.kept": True,
    }


def test_the_span_of_a_request_says_what_was_decided_and_why(told: Told) -> None:
    (_, request) = told.of(event_of(SMALL, local()))
    assert dict(request.attributes) == {
        "hybrid_llm.route": "small",
        "hybrid_llm.reason": "score",
        "hybrid_llm.score": 0.8,
        "hybrid_llm.threshold": 0.5,
        "hybrid_llm.level": "quality 0.95",
        "hybrid_llm.certified": False,
        "hybrid_llm.truncated": False,
        "hybrid_llm.private": False,
        "hybrid_llm.router_id": "ab" * 8,
        "hybrid_llm.method": "invoke",
        "hybrid_llm.query_hash": "cd" * 8,
    }


def test_what_failed_is_an_error_on_its_span(told: Told) -> None:
    failed, request = told.of(event_of(SMALL, DOWN, error="ConnectionRefusedError"))
    for span in (failed, request):
        assert (span.status.status_code, span.attributes["error.type"]) == (StatusCode.ERROR, "ConnectionRefusedError")


def test_what_is_unknown_is_left_out(told: Told) -> None:
    (call, _) = told.of(event_of(LARGE, hosted(input_tokens=None, output_tokens=None, cost_usd=None, provider="")))
    assert not {"gen_ai.usage.input_tokens", "gen_ai.provider.name", "hybrid_llm.cost_usd"} & call.attributes.keys()
    assert "hybrid_llm.tokens" not in told.figures
    assert "hybrid_llm.cost" not in told.figures


def test_the_calls_can_be_left_to_the_frameworks_own_spans(told: Told) -> None:
    (request,) = told.of(event_of(SMALL, local()), calls=False)
    assert request.name == "hybrid_llm.request"


def test_the_figures_add_up(told: Told) -> None:
    told.of(event_of(SMALL, local()), event_of(SMALL, local()), event_of(FALLBACK, DOWN, hosted(), resting=("small",)))
    figures = told.figures
    assert figures["hybrid_llm.requests"] == [
        ({"route": "small", "reason": "score"}, 2),
        ({"route": "large", "reason": "fallback"}, 1),
    ]
    tokens = {(labels["route"], labels["gen_ai.token.type"]): n for labels, n in figures["hybrid_llm.tokens"]}
    assert tokens == {
        ("small", "input"): 24,
        ("small", "output"): 16,
        ("large", "input"): 10,
        ("large", "output"): 20,
    }
    assert figures["hybrid_llm.cost"] == [({"route": "large", "gen_ai.request.model": "gpt-4o"}, 0.01)]
    assert sum(seconds for _, seconds in figures["hybrid_llm.request.duration"]) == pytest.approx(2 * 0.41 + 1.11)
    assert sum(scores for _, scores in figures["hybrid_llm.score"]) == pytest.approx(3 * 0.8)
    calls = {(labels["route"], labels["kept"]): n for labels, n in figures["hybrid_llm.calls"]}
    assert calls == {("small", True): 2, ("small", False): 1, ("large", True): 1}
    assert figures["hybrid_llm.breaker.open"] == [({"route": "small"}, 1), ({"route": "large"}, 0)]


@pytest.mark.filterwarnings("ignore:small is down")
def test_the_breaker_of_a_pair_is_seen_to_open_and_to_close(told: Told) -> None:
    observer = OpenTelemetry(told.tracers, told.meters)
    pair = Pair(FixedScorer(0.9), threshold=0.5, observers=[observer])
    arms: dict[str, Any] = {"small": ConnectionRefusedError(), "large": "four"}

    def ask(decision: Any) -> str:
        answer = arms[decision.route]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def is_open() -> int:
        assert observer.flush()
        return {labels["route"]: value for labels, value in told.figures["hybrid_llm.breaker.open"]}["small"]

    states = []
    for _ in range(3):
        pair.call(Request(TEXT), ask)
        states.append(is_open())
    pair.state.breakers["small"].succeed()
    arms["small"] = "4"
    pair.call(Request(TEXT), ask)
    assert [*states, is_open()] == [0, 0, 1, 0]


def test_the_spans_hang_below_the_one_that_the_program_is_in(told: Told) -> None:
    observer = OpenTelemetry(told.tracers, told.meters)
    pair = Pair(FixedScorer(0.9), threshold=0.5, observers=[observer])
    with told.tracers.get_tracer("program").start_as_current_span("handler") as handler:
        pair.call(Request(TEXT), lambda decision: "two")
    assert observer.flush()
    request = next(span for span in told.spans.get_finished_spans() if span.name == "hybrid_llm.request")
    assert request.parent.span_id == handler.get_span_context().span_id
    assert TEXT not in str([span.to_json() for span in told.spans.get_finished_spans()])


def test_a_pickle_tells_the_program_that_opens_it() -> None:
    opened = pickle.loads(pickle.dumps(OpenTelemetry(calls=False)))
    opened.finished(event_of(SMALL, local()))
    assert opened.flush()
