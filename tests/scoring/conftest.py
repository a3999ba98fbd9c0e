"""The shipped encoder, and one of a few kB."""

from __future__ import annotations

from pathlib import Path

import pytest

from hybrid_llm.scoring import Encoder
from tests.scoring.tiny_encoder import write_tiny


@pytest.fixture(scope="module")
def shipped() -> Encoder:
    return Encoder.load()


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    """An encoder folder of a few kB: eight words, embeddings of length 4, 16 tokens."""
    return write_tiny(tmp_path / "tiny", seed=0)
