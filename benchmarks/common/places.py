"""Where the repository and its pages lie."""

from __future__ import annotations

from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
MEASURED: Final = ROOT / "docs" / "measured"
RESULTS: Final = ROOT / "benchmarks" / "results"
