"""How a pair reads what its arms answer: what there is to show, how it ended, what it used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hybrid_llm.errors import CutAnswerError, LookError, NoAnswerError
from hybrid_llm.event import Usage

if TYPE_CHECKING:
    from hybrid_llm.look import Answer


def has_text(value: object) -> bool:
    """Return whether a value is more than a text of white space; one that is no text is."""
    return not isinstance(value, str) or not (value == "" or value.isspace())


def _no_word(_: object) -> str | None:
    return None


def _nothing_used(_: object, before: Usage | None) -> Usage | None:
    return before


def _text_of(value: object) -> str:
    return value if isinstance(value, str) else ""


def _nothing_noted(_: object) -> Mapping[str, Any] | None:
    return None


def _joined(chunks: Sequence[Any]) -> Any:
    if len(chunks) == 1:
        return chunks[0]
    return "".join(chunks) if all(isinstance(chunk, str) for chunk in chunks) else list(chunks)


def _read(value: object) -> Answer:
    from hybrid_llm.look import Answer  # loaded when an answer is looked at

    if isinstance(value, Answer):
        return value
    if isinstance(value, str):
        return Answer(value)
    raise LookError(
        f"Nobody knows how to read an answer of type {type(value).__name__}: pass read=, a function that makes a "
        "hybrid_llm.Answer of it."
    )


@dataclass(frozen=True, slots=True)
class Answers:
    """Reads the answers of a pair's arms, which only an adapter knows the form of.

    Args:
        shows: Whether a chunk, or a whole answer, shows the user anything. Chunks before the first that does are held
            back, so that the other arm can still answer.
        ended: In the server's own word, which may be empty, why an answer ended; ``None`` for a chunk before its end.
        used: Given a chunk, or a whole answer, and what the chunks before it said was used: what is known now.
        says: The text of a chunk, or of a whole answer, for observers who ask for texts.
        joined: Makes one whole answer of the chunks of a stream.
        read: What a second look sees of a whole answer.
        held_whole: Whether an answer of small that is held back comes as a whole in a stream too: what opens the stream
            of an arm returns the answer itself then, or its coroutine.
        noted: What a pair behind the arm noted on a chunk, or on a whole answer; ``None`` where no pair did.

    Example:
        >>> Answers().shows(""), Answers().shows("4")
        (False, True)
    """

    shows: Callable[[Any], bool] = has_text
    ended: Callable[[Any], str | None] = _no_word
    used: Callable[[Any, Usage | None], Usage | None] = _nothing_used
    says: Callable[[Any], str] = _text_of
    joined: Callable[[Sequence[Any]], Any] = _joined
    read: Callable[[Any], Answer] = _read
    held_whole: bool = False
    noted: Callable[[Any], Mapping[str, Any] | None] = _nothing_noted

    def nothing(self, last: Any) -> NoAnswerError:
        """Return the error for an answer that shows nothing.

        Args:
            last: The answer, or the last chunk of it; ``None`` when there was none.
        """
        if last is None:
            return NoAnswerError("an empty stream")
        why = self.ended(last)
        return NoAnswerError(f"it ended with {why!r}" if why else "no text")

    def cut(self) -> CutAnswerError:
        """Return the error for an answer without its end."""
        return CutAnswerError(
            "The answer broke off: its stream ended without the chunk that says why. What came of it is not the whole; "
            "ask again."
        )
