"""Which way is recommended: the look costs time, so it has to save clearly more."""

from __future__ import annotations

import numpy as np
import pytest

from hybrid_llm.certify import Certificate, certify
from hybrid_llm.run.expected import Forecast
from hybrid_llm.run.judging import why_measured
from hybrid_llm.run.ways import Way, better

ROWS = np.ones(1)


def way(name: str, expected: float, proved: float | None = None) -> Way:
    certificate = None if proved is None else promise(proved)
    return Way(name, ROWS, ROWS, ROWS, Forecast(expected, 0.0, 0.0, 0.0), certificate)


def promise(share: float) -> Certificate:
    base = certify(np.ones(200), np.full(200, 0.99), np.ones(200), 0.1)
    return base if share == 1.0 else Certificate(**{**vars(base), "cost_advantage": share})


@pytest.mark.parametrize(
    ("query", "look", "recommended"),
    [
        ((0.10, None), (0.30, None), "second_look"),
        ((0.10, None), (0.11, None), "query"),  # not worth its time
        ((0.30, None), (0.10, None), "query"),
        ((0.10, 0.05), (0.30, 0.20), "second_look"),
        ((0.10, 0.08), (0.30, 0.00), "query"),  # what is proved counts before what is expected
        ((0.30, 0.00), (0.10, 0.08), "second_look"),
    ],
)
def test_the_look_is_recommended_where_it_saves_clearly_more(query: tuple, look: tuple, recommended: str) -> None:
    assert better(way("query", *query), way("second_look", *look)).name == recommended


@pytest.mark.parametrize(
    ("proved", "says"), [(None, "all of them are needed to train"), (0.033, "only 3.3 % of the queries could be, and")]
)
def test_why_a_level_is_measured_and_not_certified_is_always_said(proved: float | None, says: str) -> None:
    assert says in why_measured(way("query", 0.75, proved), 280)


def test_without_a_look_the_query_decides() -> None:
    assert better(way("query", 0.1), None).name == "query"
