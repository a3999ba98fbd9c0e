"""Reports: what a router is worth on the rows of a pair, as figures, as a picture and as a page."""

from hybrid_llm.report.drift import Drift, drift_of
from hybrid_llm.report.evaluation import Band, Evaluation, evaluate_router
from hybrid_llm.report.figures import LEGEND, figure_columns, figure_rows
from hybrid_llm.report.html import html_page, write_page
from hybrid_llm.report.levels import OperatingPoint, dial, menu_levels
from hybrid_llm.report.looked import Looked, evaluate_look
from hybrid_llm.report.paper import check_page, usd
from hybrid_llm.report.plots import FORMATS, check_plotting, error_cost_plot
from hybrid_llm.report.savings import Day, Extra, Savings, savings_of
from hybrid_llm.report.savings_page import Traffic, savings_lines, write_savings_page
from hybrid_llm.report.spent import ArmSpent, spent_on
from hybrid_llm.report.tally import ModelSpent

__all__ = [
    "FORMATS",
    "LEGEND",
    "ArmSpent",
    "Band",
    "Day",
    "Drift",
    "Evaluation",
    "Extra",
    "Looked",
    "ModelSpent",
    "OperatingPoint",
    "Savings",
    "Traffic",
    "check_page",
    "check_plotting",
    "dial",
    "drift_of",
    "error_cost_plot",
    "evaluate_look",
    "evaluate_router",
    "figure_columns",
    "figure_rows",
    "html_page",
    "menu_levels",
    "savings_lines",
    "savings_of",
    "spent_on",
    "usd",
    "write_page",
    "write_savings_page",
]
