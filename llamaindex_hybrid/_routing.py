"""The way of every call: decide once, call the same method of the chosen arm, note on the answer where it came from."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Mapping
from contextlib import aclosing, closing, nullcontext
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar, cast

from llama_index.core.base.llms.types import ChatResponse, CompletionResponse

from hybrid_llm.decision import KEY, Decision, Route
from hybrid_llm.dispatch import Attempts, Pair, Request
from llamaindex_hybrid._answers import ANSWERS
from llamaindex_hybrid._capabilities import Arm
from llamaindex_hybrid._ends import Heard, astream_to_the_end, listen, stream_to_the_end
from llamaindex_hybrid._settings import settings_for

T = TypeVar("T")
_NOTED: Final = (ChatResponse, CompletionResponse)
"""What has a place for notes; a text or an object has none."""


@dataclass(frozen=True, slots=True)
class Ask(Generic[T]):
    """One call of the user's.

    Args:
        method: The method of an arm that answers it.
        request: What the router is told.
        arguments: Returns the positional and keyword arguments for an arm and the settings in its words; fresh ones
            each time it is called.
        settings: The settings of the call, in the user's words.
        tools: Whether the method is one that only function-calling models have.
        hides_end: Whether it returns a text or an object, which does not say how the answer ended.
    """

    method: str
    request: Request
    arguments: Callable[[Arm, dict[str, Any]], tuple[tuple[Any, ...], dict[str, Any]]]
    settings: Mapping[str, Any] = field(default_factory=dict)
    tools: bool = False
    hides_end: bool = False

    def put(self, arm: Arm, pair: Pair) -> Any:
        """Call the arm.

        Raises:
            ValueError: It calls no functions, and the method needs one that does.
        """
        if self.tools and not arm.calls_functions:
            raise ValueError(
                f"{self.method}() needs a function-calling model, and {arm.side} ({arm.name}) is none. If it can call "
                "functions, say so where it is made: is_function_calling_model=True."
            )
        llm, settings = settings_for(pair, arm.side, arm.llm, self.settings, tools=self.tools)
        args, kwargs = self.arguments(arm, settings)
        return getattr(llm, self.method)(*args, **kwargs)


class Routing:
    """Puts each call of the user's to the arm that the core's pair chooses.

    Args:
        arms: Both arms, by side.
        pair: Decides, calls, and goes to the other arm when one breaks.
    """

    def __init__(self, arms: dict[Route, Arm], pair: Pair) -> None:
        listen()
        self.arms = arms
        self.pair = pair

    def call(self, ask: Ask[T]) -> T:
        """Return the answer."""
        attempts = Attempts()

        def answer(decision: Decision) -> T:
            arm = self.arms[decision.route]
            with Heard(arm, attempts).to_the_end() if ask.hides_end else nullcontext():
                return cast("T", ask.put(arm, self.pair))

        value, came = self.pair.call(ask.request, answer, attempts)
        return _marked(value, _record(came.as_dict(), attempts))

    async def acall(self, ask: Ask[T]) -> T:
        """Do what :meth:`call` does, with a method that is a coroutine."""
        attempts = Attempts()

        async def answer(decision: Decision) -> T:
            arm = self.arms[decision.route]
            with Heard(arm, attempts).to_the_end() if ask.hides_end else nullcontext():
                return cast("T", await ask.put(arm, self.pair))

        value, came = await self.pair.acall(ask.request, answer, attempts)
        return _marked(value, _record(came.as_dict(), attempts))

    def stream(self, ask: Ask[T]) -> Generator[T, None, None]:
        """Decide now, and yield the chunks as they are read."""
        decided, attempts = self.pair.decide(ask.request), Attempts()

        def answer(decision: Decision) -> Iterator[T]:
            arm = self.arms[decision.route]

            def put() -> Generator[T, None, None]:
                return cast("Generator[T, None, None]", ask.put(arm, self.pair))

            return stream_to_the_end(arm, attempts, put) if ask.hides_end else put()

        def chunks() -> Generator[T, None, None]:
            marks = _MarksStream(attempts)
            with closing(self.pair.stream(decided, answer, attempts)) as items:
                for chunk, came in items:
                    yield from marks.of(chunk, came)
            yield from marks.end()

        return chunks()

    async def astream(self, ask: Ask[T]) -> AsyncGenerator[T, None]:
        """Decide now, and return what yields the chunks as they are read."""
        decided, attempts = await self.pair.adecide(ask.request), Attempts()

        async def answer(decision: Decision) -> AsyncIterator[T]:
            arm = self.arms[decision.route]

            async def put() -> AsyncGenerator[T, None]:
                return cast("AsyncGenerator[T, None]", await ask.put(arm, self.pair))

            async with aclosing(astream_to_the_end(arm, attempts, put) if ask.hides_end else await put()) as stream:
                async for chunk in stream:
                    yield chunk

        async def chunks() -> AsyncGenerator[T, None]:
            marks = _MarksStream(attempts)
            async with aclosing(self.pair.astream(decided, answer, attempts)) as items:
                async for chunk, came in items:
                    for one in marks.of(chunk, came):
                        yield one
            for one in marks.end():
                yield one

        return chunks()


class _MarksStream:
    """Notes on each chunk of a stream the decision, and on the last one what was called for it.

    From the chunk that says why the answer ended one is held back until the next comes or the stream is over, since
    only then the calls are known; nobody waits for these, which hold no more text.

    Args:
        attempts: The calls.
    """

    def __init__(self, attempts: Attempts) -> None:
        self._attempts = attempts
        self._record: dict[str, Any] | None = None
        self._held: list[Any] = []
        self._last: Any = None
        self._ends = False

    def of(self, chunk: Any, came: Decision) -> list[Any]:
        """Return what to yield for a chunk."""
        self._record = self._record or came.as_dict()
        self._ends = self._ends or (isinstance(chunk, _NOTED) and ANSWERS.ended(chunk) is not None)
        before, self._held = self._held, [chunk]
        if not self._ends:
            before, self._held = [*before, chunk], []
        marked = [_marked(one, self._record) for one in before]
        self._last = marked[-1] if marked else self._last
        return marked

    def end(self) -> list[Any]:
        """Return the chunk that was held back, if one was."""
        if not self._held and isinstance(self._last, _NOTED):
            message = getattr(self._last, "message", self._last)
            for notes in (self._last.additional_kwargs, message.additional_kwargs):
                notes[KEY].update(_record({}, self._attempts))
        return [_marked(one, _record(self._record or {}, self._attempts)) for one in self._held]


def _record(decision: dict[str, Any], attempts: Attempts) -> dict[str, Any]:
    """Return what is noted on a whole answer."""
    return {**decision, "attempts": attempts.as_dicts()}


def _marked(value: T, record: dict[str, Any]) -> T:
    """Return an answer with the decision on it, and on its message, which is what a conversation keeps."""
    if isinstance(value, CompletionResponse):
        return value.model_copy(update={"additional_kwargs": {**value.additional_kwargs, KEY: dict(record)}})
    if not isinstance(value, ChatResponse):
        return value
    extras = {**value.message.additional_kwargs, KEY: dict(record)}
    message = value.message.model_copy(update={"additional_kwargs": extras})
    return value.model_copy(
        update={"message": message, "additional_kwargs": {**value.additional_kwargs, KEY: dict(record)}}
    )
