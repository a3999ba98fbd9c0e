"""From a list of prompts to a verdict: collect, grade, train, calibrate, certify, report."""

from hybrid_llm.run.attempts import Attempt, confidence_of, counted
from hybrid_llm.run.auditing import (
    AuditOutcome,
    begin_audit,
    known_draws,
    lay_in,
    more_to_draw,
    outcome_of,
    plans_of_audit,
    secret_of,
)
from hybrid_llm.run.drawing import Draw, Drawn, Promise, draw
from hybrid_llm.run.expected import Forecast, forecast
from hybrid_llm.run.folder_verdict import conclude, graded_table
from hybrid_llm.run.grading import check_grader, judge_costs
from hybrid_llm.run.judging import Judged, Question, judge
from hybrid_llm.run.plan import with_splits
from hybrid_llm.run.verdict import LevelFigures, Verdict

__all__ = [
    "Attempt",
    "AuditOutcome",
    "Draw",
    "Drawn",
    "Forecast",
    "Judged",
    "LevelFigures",
    "Promise",
    "Question",
    "Verdict",
    "begin_audit",
    "check_grader",
    "conclude",
    "confidence_of",
    "counted",
    "draw",
    "forecast",
    "graded_table",
    "judge",
    "judge_costs",
    "known_draws",
    "lay_in",
    "more_to_draw",
    "outcome_of",
    "plans_of_audit",
    "secret_of",
    "with_splits",
]
