"""Tiny models, each made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.tiny_models import write_model


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two layers, and torch on one thread: it is tiny, and threads that wait for each other cost more."""
    import torch

    torch.set_num_threads(1)
    return write_model(tmp_path_factory.mktemp("models") / "tiny-bert")
