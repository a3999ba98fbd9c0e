"""From a list of prompts to a verdict: collect, grade, train, calibrate, certify, report."""

from hybrid_llm.run.attempts import Attempt, confidence_of, counted
from hybrid_llm.run.expected import Forecast, forecast
from hybrid_llm.run.folder_verdict import conclude, graded_table
from hybrid_llm.run.grading import check_grader
from hybrid_llm.run.judging import Judged, Question, judge
from hybrid_llm.run.plan import with_splits
from hybrid_llm.run.verdict import LevelFigures, Verdict

__all__ = [
    "Attempt",
    "Forecast",
    "Judged",
    "LevelFigures",
    "Question",
    "Verdict",
    "check_grader",
    "conclude",
    "confidence_of",
    "counted",
    "forecast",
    "graded_table",
    "judge",
    "with_splits",
]
