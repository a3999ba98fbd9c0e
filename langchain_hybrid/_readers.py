"""Who reads tokens by callbacks sees one answer, also where the arm is called in one piece.

The tokens of such a call go to the readers before anybody knows whether it comes to its end. Once they have seen one
the other arm must not start again from the beginning under their eyes: the error is raised, as in a stream.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from typing import Any, Final, TypeVar, cast

from langchain_core.callbacks import BaseCallbackManager
from langchain_core.messages import AIMessageChunk
from langchain_core.runnables import RunnableConfig

from hybrid_llm.decision import Decision, Reason
from hybrid_llm.dispatch import Attempts, has_text
from langchain_hybrid._answers import shows
from langchain_hybrid._mute import reads_tokens
from langchain_hybrid._trace import First, put_first

Run = TypeVar("Run")
_AFTER_A_LOOK: Final[frozenset[Reason]] = frozenset({"escalated", "rejected"})
"""Reasons for large where an answer of small's is at hand."""


class HalfAnswerError(Exception):
    """An arm broke after a reader saw its first token."""


class Watch(First):
    """Sees the tokens of one call before the readers do; stops a call that was given up on."""

    raise_error = True

    def __init__(self) -> None:
        self.shown = False
        self.given_up = False

    def on_llm_new_token(self, token: Any, *, chunk: Any = None, **_: Any) -> None:
        message = getattr(chunk, "message", None)
        if isinstance(message, AIMessageChunk):
            self._note(shows(message))
        else:
            self._note(bool(token) and has_text(token))

    def on_stream_event(self, event: Mapping[str, Any], **_: Any) -> None:
        self._note(str(event.get("event", "")).startswith("content-block"))

    def _note(self, shows: bool) -> None:
        if self.given_up:
            raise HalfAnswerError
        self.shown = self.shown or shows


class OneAnswer:
    """The calls made for one answer, of which only one may show a reader anything."""

    def __init__(self) -> None:
        self._last: Watch | None = None

    def next(self) -> Watch:
        """Return what is to watch the call that begins now.

        Raises:
            HalfAnswerError: A reader has seen tokens of the one before.
        """
        if self._last is not None:
            self._last.given_up = True
            if self._last.shown:
                raise HalfAnswerError
        self._last = Watch()
        return self._last

    def watch(self, config: RunnableConfig) -> None:
        """Watch the runs under a config, with a callback manager of its own, if somebody reads their tokens."""
        watch, callbacks = self.next(), cast("BaseCallbackManager", config["callbacks"])
        if any(map(reads_tokens, callbacks.handlers)):
            put_first(callbacks, [watch], inherit=True)

    def watched(self, run: Run) -> Run:
        """Return a chat model's run that is watched, if somebody reads its tokens."""
        watch, handlers = self.next(), getattr(run, "handlers", ())
        if not any(map(reads_tokens, handlers)):
            return run
        found: Any = copy(run)
        found.handlers = [watch, *handlers]
        return cast("Run", found)

    @contextmanager
    def alone(self, decision: Decision) -> Iterator[None]:
        """Let no answer that was held back take the place of an arm that breaks within, once a reader has seen tokens.

        Args:
            decision: That of the call.

        Raises:
            HalfAnswerError: It broke then.
        """
        try:
            yield
        except Exception:
            if decision.reason in _AFTER_A_LOOK and self._last is not None and self._last.shown:
                raise HalfAnswerError from None
            raise

    @contextmanager
    def raising(self) -> Iterator[None]:
        """Raise the arm's own error in place of a :class:`HalfAnswerError`."""
        try:
            yield
        except HalfAnswerError as half:
            error = half.__context__
        else:
            return
        assert error is not None  # it is raised where the first call's error is being handled
        raise error


class ReadCalls(Attempts):
    """The calls of a chain for one answer, noted, and watched by :attr:`readers`."""

    def __init__(self) -> None:
        super().__init__()
        self.readers = OneAnswer()
