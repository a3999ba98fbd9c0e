"""Pictures of how a router does; they need the extra ``report``."""

from __future__ import annotations

from hybrid_llm.report.plots import error_cost_plot

__all__ = ["error_cost_plot"]
