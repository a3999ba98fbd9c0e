"""Collecting: asking both models what people ask, and grading what they answer."""

from hybrid_llm.collect.ask import BUDGET, Outcome, Progress, ask_all, what_went_wrong
from hybrid_llm.collect.budget import USUAL, Budget, Plan, plans, tokens_of, too_long
from hybrid_llm.collect.clients import Asks, client_of
from hybrid_llm.collect.doctor import Examined, aexamine, examine
from hybrid_llm.collect.grade.agreement import Agreement
from hybrid_llm.collect.grade.graders import grader_of
from hybrid_llm.collect.grade.judge import JudgeGrading, JudgePlan, warn_of_own_judge
from hybrid_llm.collect.grade.rubric import read_rubric
from hybrid_llm.collect.grade.single import SingleGrading
from hybrid_llm.collect.grade.start import grading_of
from hybrid_llm.collect.grade.work import Graded
from hybrid_llm.collect.models import KINDS, AskSettings, ModelName, Reply
from hybrid_llm.collect.pair_folder import PairFolder
from hybrid_llm.collect.quick import ask_each
from hybrid_llm.collect.setup import Setup
from hybrid_llm.collect.stored import StoredAnswer, StoredPrompt
from hybrid_llm.collect.table import rows as table_rows
from hybrid_llm.collect.table import write as write_pair_table
from hybrid_llm.collect.weights import weights_of

__all__ = [
    "BUDGET",
    "KINDS",
    "USUAL",
    "Agreement",
    "AskSettings",
    "Asks",
    "Budget",
    "Examined",
    "Graded",
    "JudgeGrading",
    "JudgePlan",
    "ModelName",
    "Outcome",
    "PairFolder",
    "Plan",
    "Progress",
    "Reply",
    "Setup",
    "SingleGrading",
    "StoredAnswer",
    "StoredPrompt",
    "aexamine",
    "ask_all",
    "ask_each",
    "client_of",
    "examine",
    "grader_of",
    "grading_of",
    "plans",
    "read_rubric",
    "table_rows",
    "tokens_of",
    "too_long",
    "warn_of_own_judge",
    "weights_of",
    "what_went_wrong",
    "write_pair_table",
]
