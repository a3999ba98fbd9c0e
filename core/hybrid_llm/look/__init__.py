"""The second look: what small answered, whether it can be used, and what it says of how good it is."""

from hybrid_llm.look.answer import Answer, ToolCall
from hybrid_llm.look.checks import Validates, Wanted, rejected, repeats
from hybrid_llm.look.final_answer import FinalAnswer, final_answer
from hybrid_llm.look.final_choice import final_choice
from hybrid_llm.look.final_number import final_number, same_number
from hybrid_llm.look.final_span import boxed, marked, without_thoughts

__all__ = [
    "Answer",
    "FinalAnswer",
    "ToolCall",
    "Validates",
    "Wanted",
    "boxed",
    "final_answer",
    "final_choice",
    "final_number",
    "marked",
    "rejected",
    "repeats",
    "same_number",
    "without_thoughts",
]
