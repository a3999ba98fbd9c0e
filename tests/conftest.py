"""What several rooms of the tests share."""

from __future__ import annotations

import functools
import gc
import os
import shutil
import ssl
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from benchmarks.common.cache import CachedEncoder
from hybrid_llm import QualityTable, Router
from hybrid_llm.calibration import calibrate
from hybrid_llm.scoring import Encoder
from hybrid_llm.testing import FixedScorer
from hybrid_llm.training import train
from tests.small_table import make_rows

settings.register_profile("fast", max_examples=15, deadline=None)
settings.register_profile("thorough", max_examples=200, deadline=None)  # pytest --hypothesis-profile=thorough
settings.load_profile("fast")
MEMORY = Path("/dev/shm")
"""Where there is one with room, the folders of tests lie in memory: a disk takes milliseconds to have written a row."""


def pytest_configure() -> None:
    """Read the authorities that sign certificates once (40 ms for each HTTP client), and keep folders in memory."""
    ssl.create_default_context = functools.cache(ssl.create_default_context)
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 2**30:
        os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not even import the live tests where none of them will run: that takes seconds in each process."""
    return True if collection_path.name == "live" and "not live" in config.option.markexpr else None


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, Any, Any]:
    """Look for no garbage while the frameworks are imported, and never among what they hold: that stays."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


SCORES = {"easy": 0.9, "middling": 0.5, "hard": 0.1}


@pytest.fixture
def vcr() -> None:
    """Stand in for recorded answers, which LangChain's standard tests ask for by name and skip without."""


@pytest.fixture
def scorer() -> FixedScorer:
    """Scores "easy" 0.9, "middling" 0.5, "hard" 0.1, and remembers what it was asked."""
    return FixedScorer(SCORES, default=0.5)


@pytest.fixture
def router(scorer: FixedScorer) -> Router:
    """A router whose levels differ: quality 1.0, 0.9 and 0.7 have the thresholds 0.7, 0.3 and 0.

    So the first sends "easy" to small, the second "middling" too, the third everything; the cost advantages 0.4,
    0.8 and 1 do the same. Behind it are ten calibration rows, large always right: four easy ones that small answers
    as well, four middling ones where it loses a quarter, two hard ones where it loses all.
    """
    scores = [0.9] * 4 + [0.5] * 4 + [0.1] * 2
    small = [1.0] * 4 + [0.75] * 4 + [0.0] * 2
    return Router(scorer, calibration=calibrate(scores, small, [1.0] * 10))


@pytest.fixture(scope="session")
def table() -> QualityTable:
    """Rows of two models, made up: easy and hard queries that a head can tell apart."""
    return QualityTable.from_rows(make_rows())


@pytest.fixture(scope="session")
def encoder() -> CachedEncoder:
    """The shipped encoder; each text is embedded once in all tests."""
    return CachedEncoder(Encoder.load())


@pytest.fixture(scope="session")
def trained(table: QualityTable, encoder: CachedEncoder) -> Router:
    """A small router, trained once."""
    return train(table, small="small", large="large", data="made in the test", encoder=encoder)
