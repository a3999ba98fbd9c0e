"""The way of every call: decide once, call the same method of the chosen arm, note on the answer where it came from."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Mapping, Sequence
from contextlib import aclosing, closing, nullcontext
from copy import copy
from dataclasses import dataclass, field, replace
from typing import Any, Final, Generic, TypeVar, cast

from llama_index.core.base.llms.types import ChatResponse, CompletionResponse

from hybrid_llm.decision import KEY, Decision, Route
from hybrid_llm.dispatch import Attempts, Pair, Request, Within, asked_in, model_named, refuse_other_model
from llamaindex_hybrid._answers import ANSWERS
from llamaindex_hybrid._capabilities import Arm
from llamaindex_hybrid._ends import Heard, astream_to_the_end, listen, stream_to_the_end
from llamaindex_hybrid._held import HeldCall
from llamaindex_hybrid._seen import asked_for_logprobs
from llamaindex_hybrid._settings import settings_for

T = TypeVar("T")
Arguments = Callable[[Arm, dict[str, Any]], tuple[tuple[Any, ...], dict[str, Any]]]
"""Returns the positional and keyword arguments for an arm, given the settings of a call in its words."""
_OF_TOOLS: Final = frozenset({"tools", "tool_choice", "parallel_tool_calls"})
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
        form: The class of that object.
        specs: Returns the descriptions of the tools that may be called, in OpenAI's form.
        plain: In place of ``arguments`` those of a chat without tools, for a model that is only to say something.
    """

    method: str
    request: Request
    arguments: Arguments
    settings: Mapping[str, Any] = field(default_factory=dict)
    tools: bool = False
    hides_end: bool = False
    form: type[Any] | None = None
    specs: Callable[[], Sequence[Any]] = tuple
    plain: Arguments | None = None

    def whole(self) -> Ask[Any]:
        """Return the same ask for a whole answer in place of a stream."""
        method = {"stream": "predict", "astream": "apredict"}.get(self.method, self.method.replace("stream_", "", 1))
        return replace(self, method=method)

    def beside(self) -> Ask[Any]:
        """Return the ask for a whole answer in words, for a model that small's is compared with."""
        ask = self.whole()
        if self.plain is None:
            return ask
        said = {name: value for name, value in self.settings.items() if name not in _OF_TOOLS}
        method = ask.method.removesuffix("_with_tools")
        return replace(ask, method=method, arguments=self.plain, settings=said, tools=False)

    def put(self, arm: Arm, pair: Pair, *, logprobs: bool = False) -> Any:
        """Call the arm.

        Args:
            arm: The arm.
            pair: Is told which settings have no word there.
            logprobs: Whether to ask for log-probabilities, too.

        Raises:
            ValueError: It calls no functions, and the method needs one that does.
        """
        if self.tools and not arm.calls_functions:
            raise ValueError(
                f"{self.method}() needs a function-calling model, and {arm.side} ({arm.name}) is none. If it can call "
                "functions, say so where it is made: is_function_calling_model=True."
            )
        asked = asked_for_logprobs(arm.llm, self.settings) if logprobs else None
        llm, settings, left_out = settings_for(asked or arm.llm, self.settings, tools=self.tools)
        if arm.side != "checker":
            pair.leave_out(arm.side, left_out)
        args, kwargs = self.arguments(arm, settings)
        return getattr(llm, self.method)(*args, **kwargs)


class Routing:
    """Puts each call of the user's to the arm that the core's pair chooses.

    Args:
        arms: Both arms, by side.
        pair: Decides, calls, and goes to the other arm when one breaks.
        checker: The model that small's answers are compared with, if there is one.
    """

    def __init__(self, arms: dict[Route, Arm], pair: Pair, checker: Arm | None = None) -> None:
        listen()
        self.arms = arms
        self.pair = pair
        self.checker = checker
        self.within: Within | None = None

    def standing(self, within: Within) -> Routing:
        """Return the routing of the same pair as an arm of another one."""
        routing = copy(self)
        routing.within = within
        return routing

    def call(self, ask: Ask[T]) -> T:
        """Return the answer."""
        attempts, held, request = self._begun(ask)

        def answer(decision: Decision) -> Any:
            arm = self._arm(decision, ask)
            if decision.held:
                return held.put(arm)
            with Heard(arm, attempts).to_the_end() if ask.hides_end else nullcontext():
                return ask.put(arm, self.pair)

        value, came = self.pair.call(request, answer, attempts, checker=held.check)
        return _marked(held.shown(value), _record(came.as_dict(), attempts))

    async def acall(self, ask: Ask[T]) -> T:
        """Do what :meth:`call` does, with a method that is a coroutine."""
        attempts, held, request = self._begun(ask)

        async def answer(decision: Decision) -> Any:
            arm = self._arm(decision, ask)
            if decision.held:
                return await held.aput(arm)
            with Heard(arm, attempts).to_the_end() if ask.hides_end else nullcontext():
                return await ask.put(arm, self.pair)

        value, came = await self.pair.acall(request, answer, attempts, checker=held.acheck)
        return _marked(held.shown(value), _record(came.as_dict(), attempts))

    def stream(self, ask: Ask[T]) -> Generator[T, None, None]:
        """Decide now, and yield the chunks as they are read."""
        attempts, held, request = self._begun(ask)
        decided = self.pair.decide(request)

        def answer(decision: Decision) -> Any:
            arm = self._arm(decision, ask)
            if decision.held:
                return held.put(arm)

            def put() -> Generator[T, None, None]:
                return cast("Generator[T, None, None]", ask.put(arm, self.pair))

            return stream_to_the_end(arm, attempts, put) if ask.hides_end else put()

        def chunks() -> Generator[T, None, None]:
            marks = _MarksStream(attempts)
            with closing(self.pair.stream(decided, answer, attempts, checker=held.check)) as items:
                for chunk, came in items:
                    yield from marks.of(held.shown(chunk, chunk=True), came)
            yield from marks.end()

        return chunks()

    async def astream(self, ask: Ask[T]) -> AsyncGenerator[T, None]:
        """Do what :meth:`stream` does, and return what yields the chunks as they are read."""
        attempts, held, request = self._begun(ask)
        decided = await self.pair.adecide(request)

        async def chunks_of(arm: Arm) -> AsyncIterator[T]:
            async def put() -> AsyncGenerator[T, None]:
                return cast("AsyncGenerator[T, None]", await ask.put(arm, self.pair))

            async with aclosing(astream_to_the_end(arm, attempts, put) if ask.hides_end else await put()) as stream:
                async for chunk in stream:
                    yield chunk

        def answer(decision: Decision) -> Any:
            arm = self._arm(decision, ask)
            return held.aput(arm) if decision.held else chunks_of(arm)

        async def chunks() -> AsyncGenerator[T, None]:
            marks = _MarksStream(attempts)
            async with aclosing(self.pair.astream(decided, answer, attempts, checker=held.acheck)) as items:
                async for chunk, came in items:
                    for one in marks.of(held.shown(chunk, chunk=True), came):
                        yield one
            for one in marks.end():
                yield one

        return chunks()

    def _arm(self, decision: Decision, ask: Ask[Any]) -> Arm:
        arm = self.arms[decision.route]
        refuse_other_model(decision, ask.settings, arm.asks_for)
        return arm.standing(Within.of(decision, self.within)) if arm.is_pair else arm

    def _begun(self, ask: Ask[T]) -> tuple[Attempts, HeldCall[T], Request]:
        """Return where the calls of an ask are noted, what may hold its answer back, and its request."""
        attempts = Attempts()
        held = HeldCall(self.pair, ask, attempts, self.checker)
        holds = self.pair.holds
        if not (holds or self.pair.router.parts.promises):
            return attempts, held, ask.request
        asked = {**ask.request.asked, **asked_in(ask.settings), "model": model_named(ask.settings)}
        own = self.arms["small"].llm.system_prompt
        if own and ask.hides_end:  # what answers a template puts its own system prompt before the template's
            asked["system"] = "\n\n".join(filter(None, [own, asked.get("system")]))
        return attempts, held, replace(ask.request, wanted=held.wanted if holds else None, asked=asked)


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
                notes[KEY].update(self._attempts.noted())
        return [_marked(one, _record(self._record or {}, self._attempts)) for one in self._held]


def _record(decision: dict[str, Any], attempts: Attempts) -> dict[str, Any]:
    """Return what is noted on a whole answer."""
    return {**decision, **attempts.noted()}


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
