"""Reports: pictures of what a router does."""

from hybrid_llm.report.plots import FORMATS, check_plotting, error_cost_plot

__all__ = ["FORMATS", "check_plotting", "error_cost_plot"]
