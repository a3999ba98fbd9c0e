"""The second look: what small answered, whether it can be used, and what it says of how good it is."""

from hybrid_llm.look.answer import Answer, ToolCall
from hybrid_llm.look.checks import Validates, Wanted, rejected, repeats

__all__ = ["Answer", "ToolCall", "Validates", "Wanted", "rejected", "repeats"]
