"""The second look: what small answered, whether it can be used, and what it says of how good it is."""

from typing import TYPE_CHECKING

from hybrid_llm.lazy import lazy_names

if TYPE_CHECKING:
    from hybrid_llm.look.answer import Answer, ToolCall
    from hybrid_llm.look.bound import ASKED_WITH, FORMS, OWN_FINAL, Bound, raise_missing
    from hybrid_llm.look.checks import Validates, Wanted, rejected, repeats
    from hybrid_llm.look.choices import final_choice
    from hybrid_llm.look.final_answer import FinalAnswer
    from hybrid_llm.look.head import LookHead, agreement_head, logprobs_head
    from hybrid_llm.look.ladder import Ladder
    from hybrid_llm.look.path import Path, PathCalibration, PathCut
    from hybrid_llm.look.rows import LookRows, answer_of, answers_of
    from hybrid_llm.look.second_look import LookPlan, SecondLook
    from hybrid_llm.look.signals import AGREEMENT, LOGPROBS, QUERY, Finds, LogProbs, Signals, checked_names
    from hybrid_llm.look.spans import boxed, marked, without_thoughts
    from hybrid_llm.look.written_numbers import final_number, same_number

__all__ = [
    "AGREEMENT",
    "ASKED_WITH",
    "FORMS",
    "LOGPROBS",
    "OWN_FINAL",
    "QUERY",
    "Answer",
    "Bound",
    "FinalAnswer",
    "Finds",
    "Ladder",
    "LogProbs",
    "LookHead",
    "LookPlan",
    "LookRows",
    "Path",
    "PathCalibration",
    "PathCut",
    "SecondLook",
    "Signals",
    "ToolCall",
    "Validates",
    "Wanted",
    "agreement_head",
    "answer_of",
    "answers_of",
    "boxed",
    "checked_names",
    "final_choice",
    "final_number",
    "logprobs_head",
    "marked",
    "raise_missing",
    "rejected",
    "repeats",
    "same_number",
    "without_thoughts",
]

_HOMES = {
    **dict.fromkeys(("Answer", "ToolCall"), "hybrid_llm.look.answer"),
    **dict.fromkeys(("Validates", "Wanted", "rejected", "repeats"), "hybrid_llm.look.checks"),
    **dict.fromkeys(("ASKED_WITH", "FORMS", "OWN_FINAL", "Bound", "raise_missing"), "hybrid_llm.look.bound"),
    "final_choice": "hybrid_llm.look.choices",
    "FinalAnswer": "hybrid_llm.look.final_answer",
    **dict.fromkeys(("LookHead", "agreement_head", "logprobs_head"), "hybrid_llm.look.head"),
    "Ladder": "hybrid_llm.look.ladder",
    **dict.fromkeys(("Path", "PathCalibration", "PathCut"), "hybrid_llm.look.path"),
    **dict.fromkeys(("LookRows", "answer_of", "answers_of"), "hybrid_llm.look.rows"),
    **dict.fromkeys(("LookPlan", "SecondLook"), "hybrid_llm.look.second_look"),
    **dict.fromkeys(
        ("AGREEMENT", "LOGPROBS", "QUERY", "Finds", "LogProbs", "Signals", "checked_names"),
        "hybrid_llm.look.signals",
    ),
    **dict.fromkeys(("boxed", "marked", "without_thoughts"), "hybrid_llm.look.spans"),
    **dict.fromkeys(("final_number", "same_number"), "hybrid_llm.look.written_numbers"),
}
"""By need: the checks and an answer need no numpy."""

__getattr__, __dir__ = lazy_names(__name__, _HOMES)
