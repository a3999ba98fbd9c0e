"""A chain whose answer is held back: its runs are muted, and what its model said is noted on the way."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, aclosing
from typing import TYPE_CHECKING, Any, TypeVar, cast

from langchain_core.callbacks import BaseCallbackManager
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage
from langchain_core.outputs import LLMResult
from langchain_core.runnables import Runnable, RunnableBinding, RunnableConfig, RunnableSequence

from hybrid_llm.decision import Decision
from hybrid_llm.dispatch import says_why, second_try, status_of
from hybrid_llm.look import Answer
from langchain_hybrid._answers import model_in
from langchain_hybrid._held import BAD_REQUEST, REFUSED
from langchain_hybrid._mute import muted
from langchain_hybrid._private import uncached
from langchain_hybrid._runs import closing_stream
from langchain_hybrid._seen import LOGPROBS, as_answer, asking_for_logprobs, without_logprobs
from langchain_hybrid._trace import First, put_first

if TYPE_CHECKING:
    from hybrid_llm.dispatch import Pair

Value = TypeVar("Value")
Reads = Callable[[Any], str | Answer]
"""What ``read=`` takes: makes a text, or an answer, of what an arm returns."""
Chunks = AsyncGenerator[Any, None]


class HeldChain:
    """The call of small, and of the checker, for one input.

    Args:
        pair: The core's pair.
        value: The input.
        arm: Returns the arm of a decision.
        child: Returns the config of its run.
        said: Returns its keyword arguments.
        heard: Listens to the models that run under a config, for a decision.
        checker: What small's answer is compared with, if there is something.
        read: The caller's way to read what an arm returns.
    """

    def __init__(
        self,
        pair: Pair,
        value: Any,
        arm: Callable[[Decision], Runnable[Any, Any]],
        child: Callable[[Decision], RunnableConfig],
        said: Callable[[Decision], dict[str, Any]],
        heard: Callable[[RunnableConfig, Decision], AbstractContextManager[None]],
        checker: Runnable[Any, Any] | None,
        read: Reads | None,
    ) -> None:
        self._pair = pair
        self._value = as_it_is(value) if pair.options.shadow else value  # asked later, when the caller has gone on
        self._arm, self._child, self._said, self._listen = arm, child, said, heard
        self._checker, self._reads = checker, read
        self.last = LastMessage()
        self._added = False

    def invoke(self, decision: Decision) -> Any:
        """Return small's whole answer."""

        def ask(arm: Runnable[Any, Any], child: RunnableConfig, said: dict[str, Any]) -> Any:
            with self._listen(child, decision):
                return arm.invoke(self._value, child, **said)

        return self._tried(decision, ask)

    async def ainvoke(self, decision: Decision) -> Any:
        """Do what :meth:`invoke` does."""

        async def ask(arm: Runnable[Any, Any], child: RunnableConfig, said: dict[str, Any]) -> Any:
            with self._listen(child, decision):
                return await arm.ainvoke(self._value, child, **said)

        return await self._atried(decision, ask)

    def stream(self, decision: Decision) -> Iterator[Any]:
        """Yield the chunks of small's answer."""

        def chunks(arm: Runnable[Any, Any], child: RunnableConfig, said: dict[str, Any]) -> Iterator[Any]:
            with self._listen(child, decision):
                yield from arm.stream(self._value, child, **said)

        def begin(*asked: Any) -> tuple[list[Any], Iterator[Any]]:
            rest = chunks(*asked)
            return [chunk for chunk in [next(rest, None)] if chunk is not None], rest

        first, rest = self._tried(decision, begin)
        yield from first
        yield from rest

    async def astream(self, decision: Decision) -> AsyncIterator[Any]:
        """Do what :meth:`stream` does."""

        async def chunks(arm: Runnable[Any, Any], child: RunnableConfig, said: dict[str, Any]) -> Chunks:
            with self._listen(child, decision):
                stream = arm.astream(self._value, child, **said)
                async with closing_stream(stream):
                    async for chunk in stream:
                        yield chunk

        async def begin(*asked: Any) -> tuple[list[Any], Chunks]:
            rest = chunks(*asked)
            return [chunk for chunk in [await anext(rest, None)] if chunk is not None], rest

        first, rest = await self._atried(decision, begin)
        async with aclosing(rest):
            for chunk in first:
                yield chunk
            async for chunk in rest:
                yield chunk

    def _tried(self, decision: Decision, ask: Callable[..., Any]) -> Any:
        """Ask with what a look wants to know, and once without it where the server refuses that."""
        arm, said = self._arm(decision), self._said(decision)
        asking = self._asking(decision, arm)
        if asking is None:
            return ask(arm, self._heard(decision), said)
        try:
            result = ask(asking, self._heard(decision), said)
        except Exception as error:
            if status_of(error) != BAD_REQUEST:
                raise
            with second_try():
                result = ask(arm, self._heard(decision), said)
            if says_why(error):
                self._pair.state.left_out.add(REFUSED)
        else:
            self._added = True
        return result

    async def _atried(self, decision: Decision, ask: Callable[..., Awaitable[Any]]) -> Any:
        arm, said = self._arm(decision), self._said(decision)
        asking = self._asking(decision, arm)
        if asking is None:
            return await ask(arm, self._heard(decision), said)
        try:
            result = await ask(asking, self._heard(decision), said)
        except Exception as error:
            if status_of(error) != BAD_REQUEST:
                raise
            with second_try():
                result = await ask(arm, self._heard(decision), said)
            if says_why(error):
                self._pair.state.left_out.add(REFUSED)
        else:
            self._added = True
        return result

    def _asking(self, decision: Decision, arm: Runnable[Any, Any]) -> Runnable[Any, Any] | None:
        """Return the arm with log-probabilities; ``None`` where it gives them anyway, or cannot be asked."""
        look = self._pair.look
        return None if look is None or not look.reads_logprobs or self._is_refused else with_logprobs(arm)

    @property
    def _is_refused(self) -> bool:
        return REFUSED in self._pair.state.left_out

    def _heard(self, decision: Decision) -> RunnableConfig:
        child = muted(self._child(decision))
        put_first(cast("BaseCallbackManager", child["callbacks"]), [self.last], inherit=True)
        return child

    # the checker

    @property
    def check(self) -> Callable[[Decision], Any] | None:
        """What asks the checker; ``None`` where there is none."""
        return self._check if self._checker is not None else None

    @property
    def acheck(self) -> Callable[[Decision], Awaitable[Any]] | None:
        """What asks the checker in an event loop."""
        return self._acheck if self._checker is not None else None

    def _check(self, decision: Decision) -> Any:
        assert self._checker is not None
        return _checker_of(self._checker, decision).invoke(self._value, muted(self._child(decision)))

    async def _acheck(self, decision: Decision) -> Any:
        assert self._checker is not None
        return await _checker_of(self._checker, decision).ainvoke(self._value, muted(self._child(decision)))

    # what comes of it

    def read(self, value: Any) -> Answer:
        """Return what a look sees of an answer; of a text also what the model that said it told of it.

        Raises:
            LookError: Nobody knows how to read it.
        """
        said = self._reads(value) if self._reads is not None else value
        if isinstance(said, Answer):
            return said
        if isinstance(said, str) and self.last.message is not None:
            whole = as_answer(self.last.message)
            return whole if whole.text.strip() == said.strip() else Answer(said, finish=whole.finish)
        return as_answer(said)

    def shown(self, value: Value, decision: Decision) -> Value:
        """Return an answer, or a chunk, as the caller asked for it."""
        if not self._added or decision.route != "small":
            return value
        if isinstance(value, Mapping) and isinstance(value.get("raw"), AIMessage):
            return type(value)({**value, "raw": without_logprobs(value["raw"])})  # type: ignore[call-arg]
        return cast("Value", without_logprobs(value))


def as_it_is(value: Any) -> Any:
    """Return an input that stays as it is now, whatever its owner appends to it later.

    Example:
        >>> history = ["Hi."]
        >>> kept = as_it_is({"messages": history})
        >>> history.append("Hello!")
        >>> kept
        {'messages': ['Hi.']}
    """
    if type(value) is dict:
        return {key: as_it_is(one) for key, one in value.items()}
    return [as_it_is(one) for one in value] if type(value) is list else value


def _checker_of(checker: Runnable[Any, Any], decision: Decision) -> Runnable[Any, Any]:
    return uncached(checker) if decision.private else checker


class LastMessage(First):
    """Notes the last message that a chain's models gave, with all that was told of it."""

    def __init__(self) -> None:
        self.message: AIMessage | None = None

    def on_llm_end(self, response: LLMResult, **_: Any) -> None:
        answer: Any = response.generations[0][0] if response.generations and response.generations[0] else None
        message = getattr(answer, "message", None)
        self.message = message if isinstance(message, AIMessage) else None


def with_logprobs(arm: Runnable[Any, Any]) -> Runnable[Any, Any] | None:
    """Return an arm whose last model is asked for log-probabilities; ``None`` where it is anyway, or cannot be."""
    if isinstance(arm, BaseChatModel):
        more = asking_for_logprobs(arm, {})
        return arm.bind(**more) if more else None
    if isinstance(arm, RunnableBinding):
        bound = None if LOGPROBS in arm.kwargs else with_logprobs(arm.bound)
        return None if bound is None else arm.model_copy(update={"bound": bound})
    if isinstance(arm, RunnableSequence):
        for place in reversed(range(len(arm.steps))):
            if model_in(arm.steps[place]) is not None and (step := with_logprobs(arm.steps[place])) is not None:
                return RunnableSequence(*arm.steps[:place], step, *arm.steps[place + 1 :], name=arm.name)
    return None
