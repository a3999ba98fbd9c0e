"""The second look: what small answered, whether it can be used, and what it says of how good it is."""

from hybrid_llm.look.answer import Answer, ToolCall
from hybrid_llm.look.checks import Validates, Wanted, rejected, repeats
from hybrid_llm.look.choices import final_choice
from hybrid_llm.look.final_answer import FinalAnswer
from hybrid_llm.look.spans import boxed, marked, without_thoughts
from hybrid_llm.look.written_numbers import final_number, same_number

__all__ = [
    "Answer",
    "FinalAnswer",
    "ToolCall",
    "Validates",
    "Wanted",
    "boxed",
    "final_choice",
    "final_number",
    "marked",
    "rejected",
    "repeats",
    "same_number",
    "without_thoughts",
]
