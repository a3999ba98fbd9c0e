"""A call whose answer is held back: asked for log-probabilities, whole where a stream cannot have them, and read."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Generator, Iterator
from contextlib import aclosing, closing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

from hybrid_llm.decision import Decision
from hybrid_llm.dispatch import PARSED, UNPARSED, Attempts, Pair, Request, as_json, is_no_json, status_of, wanted_of
from hybrid_llm.errors import HybridLLMError
from hybrid_llm.look import Answer
from llamaindex_hybrid._ends import Heard
from llamaindex_hybrid._seen import as_answer, asking_for_logprobs, without_logprobs
from llamaindex_hybrid._settings import dialect_of_llm

if TYPE_CHECKING:
    from llamaindex_hybrid._capabilities import Arm
    from llamaindex_hybrid._routing import Ask

T = TypeVar("T")
REFUSED: Final = ("small", "logprobs")
"""Noted in a pair's state once small has refused to be asked for log-probabilities."""
_BAD_REQUEST: Final = 400
_WHOLE: Final = {"stream": "predict", "astream": "apredict"}


@dataclass(frozen=True, slots=True)
class Unparsed:
    """What small's answer did not become.

    Args:
        error: Of what reads it.
    """

    error: Exception


def wanting(ask: Ask[Any], pair: Pair) -> Request:
    """Return the request of an ask, with what an answer has to be where one may be held back."""
    if not pair.holds:
        return ask.request
    wanted = PARSED if _is_structured(ask) else wanted_of(ask.settings, [*ask.offered, *ask.settings.get("tools", ())])
    return replace(ask.request, wanted=wanted)


class HeldAsk:
    """One ask whose answer is held back, and what the checker says to it.

    Args:
        ask: The call of the user's.
        pair: The core's pair.
        attempts: Where the calls are noted.
        checker: What small's answer is compared with, if there is something.
    """

    def __init__(self, ask: Ask[Any], pair: Pair, attempts: Attempts, checker: Arm | None) -> None:
        self._ask, self._pair, self._attempts, self._checker = ask, pair, attempts, checker
        self._heard: Heard | None = None
        self._added = False

    # small, whole

    def call(self, arm: Arm) -> Any:
        """Return small's whole answer, asked with what a look wants to know; once without it where that is refused."""
        ask = self._asks(arm)
        try:
            return self._put_whole(arm, ask or self._as_whole)
        except Exception as error:  # noqa: BLE001 - raised again, where it is of another kind
            if ask is None or status_of(error) != _BAD_REQUEST:
                return self._unparsed(error)
        self._refuse()
        return self.call(arm)

    async def acall(self, arm: Arm) -> Any:
        """Do what :meth:`call` does."""
        ask = self._asks(arm)
        try:
            return await self._aput_whole(arm, ask or self._as_whole)
        except Exception as error:  # noqa: BLE001 - raised again, where it is of another kind
            if ask is None or status_of(error) != _BAD_REQUEST:
                return self._unparsed(error)
        self._refuse()
        return await self.acall(arm)

    def _put_whole(self, arm: Arm, ask: Ask[Any]) -> Any:
        self._heard = Heard(arm, self._attempts)
        if not ask.hides_end:
            return ask.put(arm, self._pair)
        with self._heard.to_the_end():
            return ask.put(arm, self._pair)

    async def _aput_whole(self, arm: Arm, ask: Ask[Any]) -> Any:
        self._heard = Heard(arm, self._attempts)
        if not ask.hides_end:
            return await ask.put(arm, self._pair)
        with self._heard.to_the_end():
            return await ask.put(arm, self._pair)

    # small, in a stream

    def stream(self, arm: Arm) -> Iterator[Any]:
        """Yield the chunks of small's answer; the whole one, where a stream would say less."""
        if self._is_better_whole(arm):
            yield self.call(arm)
            return
        ask = self._asks(arm, streams=True)
        try:
            first, chunks = _begun((ask or self._ask).put(arm, self._pair))
        except Exception as error:
            if ask is None or status_of(error) != _BAD_REQUEST:
                raise
            self._refuse()
            first, chunks = _begun(self._ask.put(arm, self._pair))
        with closing(chunks):
            yield from first
            yield from chunks

    async def astream(self, arm: Arm) -> AsyncIterator[Any]:
        """Do what :meth:`stream` does."""
        if self._is_better_whole(arm):
            yield await self.acall(arm)
            return
        ask = self._asks(arm, streams=True)
        try:
            first, chunks = await _abegun(await (ask or self._ask).put(arm, self._pair))
        except Exception as error:
            if ask is None or status_of(error) != _BAD_REQUEST:
                raise
            self._refuse()
            first, chunks = await _abegun(await self._ask.put(arm, self._pair))
        async with aclosing(chunks):
            for chunk in first:
                yield chunk
            async for chunk in chunks:
                yield chunk

    def _is_better_whole(self, arm: Arm) -> bool:
        """Return whether a stream hides what a look wants to see: texts, objects, and llama.cpp's calls of tools."""
        return self._ask.hides_end or (self._ask.tools and dialect_of_llm(arm.llm) == "chat")

    def _asks(self, arm: Arm, *, streams: bool = False) -> Ask[Any] | None:
        """Return the ask with what a look wants to know; ``None`` where nothing is to be added."""
        ask = self._ask if streams else self._as_whole
        look = self._pair.look
        if look is None or not look.reads_logprobs or REFUSED in self._pair.state.left_out:
            return None
        settings = asking_for_logprobs(arm.llm, ask.settings)
        if settings is None or ask.method.endswith("predict"):  # which takes no settings of calls
            return None
        self._added = True
        return replace(ask, settings=settings)

    @property
    def _as_whole(self) -> Ask[Any]:
        method = self._ask.method
        return replace(self._ask, method=_WHOLE.get(method, method.replace("stream_", "")))

    def _refuse(self) -> None:
        self._pair.state.left_out.add(REFUSED)
        self._added = False

    def _unparsed(self, error: Exception) -> Unparsed:
        """Return what stands for an answer that could not be read; raise any other error."""
        of_the_reader = isinstance(error, ValueError) and not isinstance(error, HybridLLMError)
        if _is_structured(self._ask) and of_the_reader and self._heard is not None and self._heard.last is not None:
            return Unparsed(error)
        raise error

    # the checker

    def check(self, _: Decision) -> Any:
        """Return the checker's whole answer."""
        assert self._checker is not None
        return self._as_whole.put(self._checker, self._pair)

    async def acheck(self, _: Decision) -> Any:
        """Do what :meth:`check` does."""
        assert self._checker is not None
        return await self._as_whole.put(self._checker, self._pair)

    # what comes of it

    def read(self, value: Any) -> Answer:
        """Return what a look sees of an answer: of a text or an object also what its model told."""
        last = self._heard.last if self._heard is not None else None
        whole = as_answer(last) if last is not None else None
        if isinstance(value, Unparsed) or (value is None and _is_structured(self._ask)):
            said = whole.text if whole is not None else ""
            return Answer(said if is_no_json(said) else UNPARSED)
        if _is_structured(self._ask):
            if whole is not None and whole.tool_calls:
                return Answer(whole.text, finish=whole.finish, tool_calls=whole.tool_calls)
            return Answer(as_json(value), whole.logprobs if whole else None, whole.finish if whole else "")
        if isinstance(value, str) and whole is not None and whole.text.strip() == value.strip():
            return whole
        return as_answer(value)

    def shown(self, value: T, decision: Decision) -> T:
        """Return an answer, or a chunk, as the caller asked for it."""
        return cast("T", without_logprobs(value)) if self._added and decision.route == "small" else value


def _is_structured(ask: Ask[Any]) -> bool:
    return ask.method.endswith("structured_predict")


def _begun(chunks: Generator[Any, None, None]) -> tuple[list[Any], Generator[Any, None, None]]:
    """Read the first chunk of a stream, which is when most servers are asked."""
    return [chunk for chunk in [next(chunks, None)] if chunk is not None], chunks


async def _abegun(chunks: AsyncGenerator[Any, None]) -> tuple[list[Any], AsyncGenerator[Any, None]]:
    return [chunk for chunk in [await anext(chunks, None)] if chunk is not None], chunks
