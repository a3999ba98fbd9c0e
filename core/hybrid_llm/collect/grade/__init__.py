"""Grading: from an answer to a quality in [0, 1], or to none; by rule, by a judge, or by a function of the user's."""

from hybrid_llm.collect.grade.agreement import Agreement
from hybrid_llm.collect.grade.graders import NAMES, grader_of
from hybrid_llm.collect.grade.judge import Estimate, JudgeGrading
from hybrid_llm.collect.grade.own import SIGNATURE
from hybrid_llm.collect.grade.rubric import RUBRIC, read_rubric
from hybrid_llm.collect.grade.single import SingleGrading
from hybrid_llm.collect.grade.start import grading_of
from hybrid_llm.collect.grade.work import Graded, Work

__all__ = [
    "NAMES",
    "RUBRIC",
    "SIGNATURE",
    "Agreement",
    "Estimate",
    "Graded",
    "JudgeGrading",
    "SingleGrading",
    "Work",
    "grader_of",
    "grading_of",
    "read_rubric",
]
