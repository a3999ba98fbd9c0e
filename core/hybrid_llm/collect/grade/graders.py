"""The graders by name, judges aside: what each needs, and how it grades one answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from hybrid_llm.collect.grade.math import MathGrader
from hybrid_llm.collect.grade.objects import NoJsonError, json_in, same_object
from hybrid_llm.collect.grade.own import own_grader
from hybrid_llm.collect.grade.pure import choice, number
from hybrid_llm.collect.grade.texts import contains, exact
from hybrid_llm.errors import GradeError
from hybrid_llm.look import final_choice, final_number

NAMES: Final = ("exact", "contains", "number", "choice", "math", "json", "judge:MODEL", "python:MODULE:FUNCTION")


def _nothing() -> None:
    return None


@dataclass(frozen=True)
class Grader:
    """A grader of single answers.

    Attributes:
        name: As the command line names it.
        grade: ``(query, answer, references) -> score`` in [0, 1], or None = not graded.
        reads: What makes a text a reference that this grader can use; None when it works without references.
        wants: What ``reads`` asks for, for messages.
        close: Ends what it started.
        key: Under which name a pair folder keeps its grades: one that changes with what it does.
    """

    name: str
    grade: Callable[[str, str, Sequence[str]], float | None]
    reads: Callable[[str], bool] | None = None
    wants: str = "a text"
    close: Callable[[], None] = _nothing
    key: str = field(kw_only=True)

    def usable(self, references: Sequence[str]) -> list[str]:
        """Return the references that this grader can read."""
        return [reference for reference in references if self.reads is None or self.reads(reference)]


def grader_of(name: str) -> Grader:
    """Return a grader by the name that ``--grader`` gives it; judges are made elsewhere.

    Raises:
        GradeError: There is none of this name.
        MissingExtraError: It needs a library that is not installed.

    Example:
        >>> grader_of("number").grade("How many?", "There are 1,200 of them.", ["1200"])
        1.0
    """
    if name.startswith("python:"):
        grade_one, version = own_grader(name.removeprefix("python:"))
        return Grader(name, grade_one, key=f"{name}#{version}")
    if name == "math":
        mathematics = MathGrader()
        return Grader(name, _of_texts(mathematics), _text, "a text", mathematics.close, key=name)
    known = {
        "exact": (exact, _text, "a text"),
        "contains": (contains, _text, "a text"),
        "number": (number, lambda text: final_number(text) is not None, "a number"),
        "choice": (choice, lambda text: final_choice(text) is not None, "an option such as A or (b)"),
        "json": (same_object, _holds_json, "a JSON object"),
    }
    if name not in known:
        raise GradeError(f"There is no grader {name!r}. There are: {', '.join(NAMES)}.")
    grade, reads, wants = known[name]
    return Grader(name, _of_texts(grade), reads, wants, key=name)


def _of_texts(grade: Callable[[str, Sequence[str]], float | None]) -> Callable[[str, str, Sequence[str]], float | None]:
    return lambda query, answer, references: grade(answer, references)


def _text(text: str) -> bool:
    return bool(text.strip())


def _holds_json(text: str) -> bool:
    try:
        json_in(text)
    except NoJsonError:
        return False
    return True
