"""Reports: what a router is worth on the rows of a pair, as figures, as a picture and as a page."""

from hybrid_llm.report.evaluation import Band, Evaluation, evaluate_router
from hybrid_llm.report.figures import LEGEND, figure_columns, figure_rows
from hybrid_llm.report.html import check_page, html_page, write_page
from hybrid_llm.report.levels import OperatingPoint, dial, menu_levels
from hybrid_llm.report.looked import Looked, evaluate_look
from hybrid_llm.report.plots import FORMATS, check_plotting, error_cost_plot
from hybrid_llm.report.spent import ArmSpent, spent_on

__all__ = [
    "FORMATS",
    "LEGEND",
    "ArmSpent",
    "Band",
    "Evaluation",
    "Looked",
    "OperatingPoint",
    "check_page",
    "check_plotting",
    "dial",
    "error_cost_plot",
    "evaluate_look",
    "evaluate_router",
    "figure_columns",
    "figure_rows",
    "html_page",
    "menu_levels",
    "spent_on",
    "write_page",
]
