"""A small router, trained once for the tests that need a real one."""

from __future__ import annotations

import pytest

from benchmarks._cache import CachedEncoder
from hybrid_llm import QualityTable, Router
from hybrid_llm.scoring.encoder import Encoder
from hybrid_llm.training import train
from tests.small_table import make_rows


@pytest.fixture(scope="session")
def table() -> QualityTable:
    return QualityTable.from_rows(make_rows())


@pytest.fixture(scope="session")
def encoder() -> CachedEncoder:
    """The shipped encoder; each text is embedded once in all tests."""
    return CachedEncoder(Encoder.load())


@pytest.fixture(scope="session")
def trained(table, encoder) -> Router:
    return train(table, small="small", large="large", data="made in the test", encoder=encoder)
