"""The two real language models of the live tests, each on a llama-server: a small one and a larger one."""

from __future__ import annotations

import os
from typing import Final

import httpx
import pytest

REAL: Final = {"real-small": os.environ.get("SPORT", "18082"), "real-large": os.environ.get("BPORT", "18083")}


def base_url(model: str) -> str:
    """Return where a model is asked."""
    return f"http://127.0.0.1:{REAL[model]}/v1"


def skip_without_real_models() -> None:
    """Skip the test where they do not run."""
    for name, port in REAL.items():
        try:
            httpx.get(f"http://127.0.0.1:{port}/health", timeout=10, trust_env=False)
        except httpx.HTTPError:
            pytest.skip(f"{name} does not run: servers.sh setup-real, start-real")
