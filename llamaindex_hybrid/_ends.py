"""How an arm's answer ended, where what its method returns no longer says so: a text, an object.

The framework tells of each call of a model and of each chunk by an event, in the thread or task that makes the call. A
handler of these events notes how the call that is under way there ended.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterator
from contextlib import aclosing, closing, contextmanager
from contextvars import ContextVar
from typing import Any, Final, TypeVar

from llama_index.core.base.llms.types import ChatResponse, CompletionResponse
from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.instrumentation.events.llm import LLMChatStartEvent, LLMCompletionStartEvent
from llama_index.core.llms.callbacks import dispatcher

from hybrid_llm.dispatch import Attempts, is_behind
from hybrid_llm.event import Usage
from llamaindex_hybrid._answers import ANSWERS, closes, used
from llamaindex_hybrid._capabilities import Arm

T = TypeVar("T")


class Heard:
    """What was heard of the last model that an arm's method called.

    Args:
        arm: The arm.
        attempts: Where it is noted what its models used.
    """

    def __init__(self, arm: Arm, attempts: Attempts) -> None:
        self._attempts = attempts
        self._used: list[Usage | None] = []  # by each call of a model
        self._closes = closes(arm.llm)
        self._is_small = arm.side == "small"
        self._last: Any = None
        self._asked = self._shown = self._ended = False
        self.behind = is_behind()

    @property
    def answer(self) -> ChatResponse | CompletionResponse | None:
        """What the last model answered, or the last chunk of it."""
        return self._last if isinstance(self._last, (ChatResponse, CompletionResponse)) else None

    def note(self, event: BaseEvent) -> None:
        """Note the beginning of a call, a chunk, or an answer."""
        if isinstance(event, (LLMChatStartEvent, LLMCompletionStartEvent)):
            self._asked, self._shown, self._ended, self._last = True, False, False, None
            self._used.append(None)
            return
        response = getattr(event, "response", None)
        if response is not None:
            if self._used:
                self._used[-1] = used(response, self._used[-1])
            self._last = response
            self._shown = self._shown or ANSWERS.shows(response)
            self._ended = self._ended or ANSWERS.ended(response) is not None

    def check(self, failed: Exception | None = None) -> None:
        """Refuse an answer that broke off; and one with nothing in it, if that is why what read it failed.

        Raises:
            CutAnswerError: It broke off.
            NoAnswerError: Small gave nothing.
        """
        if self._asked and self._shown and not self._ended and self._closes:
            raise ANSWERS.cut() from failed
        if self._asked and self._ended and not self._shown and failed is not None and self._is_small:
            raise ANSWERS.nothing(self._last) from failed

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Note in the end, whatever it is, what was used by all models that were heard."""
        tell = self._attempts.telling
        try:
            yield
        finally:
            for usage in filter(None, self._used):
                tell(usage)

    @contextmanager
    def here(self) -> Iterator[None]:
        """Hear what is called within, in this thread or task."""
        before = _HEARD.set(self)
        try:
            yield
        finally:
            _HEARD.reset(before)

    @contextmanager
    def to_the_end(self) -> Iterator[None]:
        """Do what :meth:`here` does, and check the answer."""
        try:
            with self.telling(), self.here():
                yield
        except Exception as error:
            self.check(error)
            raise
        self.check()


_HEARD: Final[ContextVar[Heard | None]] = ContextVar("heard", default=None)


def listen() -> None:
    """Have the framework tell this module of its models' calls."""
    if not any(isinstance(handler, _Notes) for handler in dispatcher.event_handlers):
        dispatcher.add_event_handler(_Notes())


def stream_to_the_end(
    arm: Arm, attempts: Attempts, put: Callable[[], Generator[T, None, None]]
) -> Generator[T, None, None]:
    """Yield what an arm yields, and check its answer at the end."""
    heard = Heard(arm, attempts)
    with heard.here():
        chunks = put()
    with heard.telling(), closing(chunks):
        while True:
            with heard.here():  # not over a yield, where the reader's own context is back
                try:
                    chunk = next(chunks)
                except StopIteration:
                    break
            yield chunk
    heard.check()


async def astream_to_the_end(
    arm: Arm, attempts: Attempts, put: Callable[[], Awaitable[AsyncGenerator[T, None]]]
) -> AsyncGenerator[T, None]:
    """Do what :func:`stream_to_the_end` does."""
    heard = Heard(arm, attempts)
    with heard.here():
        chunks = await put()
    with heard.telling():
        async with aclosing(chunks):
            while True:
                with heard.here():
                    try:
                        chunk = await anext(chunks)
                    except StopAsyncIteration:
                        break
                yield chunk
    heard.check()


class _Notes(BaseEventHandler):
    """Passes what the framework tells of its models to whoever hears here."""

    @classmethod
    def class_name(cls) -> str:
        """Return the name that the framework writes into dumps."""
        return "HybridEnds"

    def handle(self, event: BaseEvent, **_: Any) -> None:
        """Pass on one event."""
        heard = _HEARD.get()
        if heard is not None and heard.behind == is_behind():  # not what an inner pair asks behind its answer
            heard.note(event)
