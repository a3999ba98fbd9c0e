"""Everything that the library raises on purpose.

The tree::

    HybridLLMError
    ├── TableError            a quality table that cannot be read or used   (also ValueError)
    │   └── UnknownNameError  a model or split that the table does not have
    ├── LabelError            labels that cannot be made or learned from    (also ValueError)
    ├── LevelError            a level that makes no sense or is not known   (also ValueError)
    ├── CertificateError      a promise that cannot even be tested          (also ValueError)
    ├── GradeError            answers that cannot be graded as asked        (also ValueError)
    ├── ConfigError           training settings outside their range         (also ValueError)
    ├── EncoderError          an encoder that is missing, damaged or wrong
    ├── RouterFolderError     a router folder that cannot be loaded or written
    │   ├── DamagedFolderError    a file is missing, not as it should be, or its hash differs
    │   │   └── DamagedEncoderError   the same of an encoder's folder           (also EncoderError)
    │   └── NewerFormatError      written by a later version of the library
    ├── PairFolderError       a pair folder that cannot be used
    ├── PrivateError          a private request that nobody here may answer (also ValueError)
    ├── LookError             an answer that cannot be looked at            (also ValueError)
    ├── NoAnswerError         a model answered, with nothing to show
    ├── CutAnswerError        a model's answer broke off without its end
    ├── HangingError          a model that hangs is called no more          (also ConnectionError)
    └── MissingExtraError     an optional dependency is not installed       (also ImportError)

Each message says what is wrong and what to do next; the command line prints it as it is.
"""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable
from typing import Any


def shown(value: Any) -> str:
    """Show a value in a message, however long it is.

    Example:
        >>> shown(10**10_000)
        'a number of more than 4,300 digits'
    """
    try:
        return reprlib.repr(value)
    except ValueError:  # Python spells no longer ones, so that nobody has to wait for them
        return "a number of more than 4,300 digits"


class HybridLLMError(Exception):
    """Base of every error that the library raises on purpose."""


class TableError(HybridLLMError, ValueError):
    """A quality table that cannot be read or used as asked."""


class UnknownNameError(TableError):
    """A model or split that the table does not have."""

    @classmethod
    def of(cls, kind: str, name: str, known: Iterable[str]) -> UnknownNameError:
        """Build the error that names what is near and what there is.

        Args:
            kind: What the name stands for, as the user would say it ("model", "split").
            name: The name that was asked for.
            known: The names that exist.
        """
        names = sorted(known)
        alike = difflib.get_close_matches(name, names, n=3, cutoff=0.5)
        within = [known for known in names if name and name.casefold() in known.casefold()]
        near = list(dict.fromkeys([*alike, *within]))[:3]
        hint = f" Did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
        listed = ", ".join(names[:20]) + (f", and {len(names) - 20} more" if len(names) > 20 else "")
        return cls(f"There is no {kind} {name!r} in this table.{hint} It has: {listed or 'none'}.")


class LabelError(HybridLLMError, ValueError):
    """Labels that cannot be made from these scores, or from which nothing can be learned."""


class LevelError(HybridLLMError, ValueError):
    """A level that is out of range, given twice, or not known to this router."""


class CertificateError(HybridLLMError, ValueError):
    """A promise that cannot be tested with these data."""


class GradeError(HybridLLMError, ValueError):
    """Answers that cannot be graded as asked: no references, a broken grader, a rubric without its places."""


class ConfigError(HybridLLMError, ValueError):
    """Training settings outside their range."""


class EncoderError(HybridLLMError):
    """An encoder that is missing, damaged or not usable."""


class RouterFolderError(HybridLLMError):
    """A router folder that cannot be loaded or written."""


class DamagedFolderError(RouterFolderError):
    """A file of a router folder is missing, is not as it should be, or has another hash."""


class NewerFormatError(RouterFolderError):
    """A router folder written by a later version of the library."""


class PairFolderError(HybridLLMError):
    """A pair folder that cannot be read or written, or that belongs to another pair."""


class DamagedEncoderError(DamagedFolderError, EncoderError):
    """A file of an encoder's folder is missing, is not as it should be, or has another hash."""


class PrivateError(HybridLLMError, ValueError):
    """A private request that cannot be answered on this machine, and so by nobody; no text of it is in here."""


class LookError(HybridLLMError, ValueError):
    """An answer that cannot be looked at, or a second look that cannot be taken."""


class NoAnswerError(HybridLLMError):
    """A model answered, but there is nothing in it to show.

    Args:
        said: What is known of why.
    """

    def __init__(self, said: str) -> None:
        super().__init__(f"The model answered with nothing to show ({said}).")
        self.said = said


class CutAnswerError(HybridLLMError):
    """A model's answer broke off: the stream ended without the chunk that says why."""


class HangingError(HybridLLMError, ConnectionError):
    """A model was given up on so often that it is called no more before one of those calls ends."""


class MissingExtraError(HybridLLMError, ImportError):
    """An optional dependency is not installed."""

    @classmethod
    def of(cls, what: str, extra: str) -> MissingExtraError:
        """Build the error that names the extra to install.

        Args:
            what: What was asked for ("training", "Parquet files").
            extra: The extra of the distribution that brings it.
        """
        command = f"pip install 'hybrid-llm[{extra}]'"
        return cls(f"{what} needs the extra {extra}: {command}, or in a clone: pip install '.[{extra}]'")


class HybridLLMWarning(UserWarning):
    """Something that works, but not as well as the caller may think (each is given once per router)."""
