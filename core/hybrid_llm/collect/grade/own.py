"""A grader of the user's own: ``python:module:function``."""

from __future__ import annotations

import hashlib
import importlib
import math
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any, Final

from hybrid_llm.errors import GradeError

SIGNATURE: Final = "def grade(query: str, answer: str, references: list[str]) -> float | bool | None"


Grade = Callable[[str, str, Sequence[str]], float | None]


def own_grader(spec: str) -> tuple[Grade, str]:
    """Return the function that ``module:function`` names, checked at every call, and a hash of its module's source.

    The module is looked for in the working folder too.

    Args:
        spec: ``module:function``; the function is :data:`SIGNATURE`. None is "not graded".

    Raises:
        GradeError: There is no such module or function; later, when the function raises or returns no score.
    """
    module, colon, name = spec.partition(":")
    if not (module and colon and name):
        raise GradeError(f"python:{spec} names no function; write python:MODULE:FUNCTION, with\n{SIGNATURE}")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        with redirect_stdout(sys.stderr):  # standard output is what the command prints
            function = getattr(importlib.import_module(module), name, None)
    except (Exception, SystemExit) as error:  # a module of the user's may raise anything, and a script may leave
        raise GradeError(f"python:{spec}: importing {module} failed with {type(error).__name__}: {error}") from error
    source = Path(str(getattr(sys.modules[module], "__file__", "") or ""))
    if not callable(function):
        raise GradeError(f"python:{spec}: {module} has no function {name}; it must be\n{SIGNATURE}")

    def grade(query: str, answer: str, references: Sequence[str]) -> float | None:
        try:
            with redirect_stdout(sys.stderr):
                value = function(query, answer, list(references))
        except (Exception, SystemExit) as error:  # a function of the user's may raise anything
            raise GradeError(f"python:{spec} raised {type(error).__name__}: {error}") from error
        return _score(spec, value)

    return grade, hashlib.sha256(source.read_bytes()).hexdigest()[:8] if source.is_file() else "built-in"


def _score(spec: str, value: Any) -> float | None:
    if value is None:
        return None
    try:
        score = float(value)  # a bool, and the numbers of numpy
    except (TypeError, ValueError):
        score = math.nan
    if isinstance(value, str) or not 0.0 <= score <= 1.0:
        raise GradeError(f"python:{spec} returned {value!r}; a score lies in [0, 1], and None is not graded.")
    return score
