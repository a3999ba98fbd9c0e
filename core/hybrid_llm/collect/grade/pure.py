"""The graders that need no process and no model, by name, and which references each can read."""

from __future__ import annotations

from collections.abc import Sequence

from hybrid_llm.look import final_choice, final_number, same_number


def number(answer: str, references: Sequence[str]) -> float:
    """Grade 1 if the answer's final number is that of a reference, else 0.

    Example:
        >>> number("16 - 3 - 4 = 9 eggs, so 9 * $2 = $18 a day.", ["18"]), number("About half.", ["0.5"])
        (1.0, 0.0)
    """
    given = final_number(answer)
    wanted = [found for reference in references if (found := final_number(reference))]
    return float(given is not None and any(same_number(given, found) for found in wanted))


def choice(answer: str, references: Sequence[str]) -> float:
    """Grade 1 if the answer chooses the option of a reference, else 0; choosing none or two is wrong.

    Example:
        >>> choice("So the answer is **(C)**.", ["C"]), choice("A or C", ["C"])
        (1.0, 0.0)
    """
    given = final_choice(answer)
    return float(given is not None and given in {final_choice(reference) for reference in references})
