"""The call of small whose answer is held back, and that of the checker beside it.

Both are asked for whole answers, in a stream too: LlamaIndex drops the log-probabilities of a stream, and its handlers
print what a model says while it says it. What is kept is then shown in one piece.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

from llama_index.core.output_parsers.base import OutputParserException

from hybrid_llm.decision import Decision
from hybrid_llm.dispatch import Attempts, Pair, refuse_other_model, says_why, second_try, status_of, wanted_of
from hybrid_llm.look import Wanted
from llamaindex_hybrid._capabilities import Arm
from llamaindex_hybrid._ends import Heard
from llamaindex_hybrid._seen import Seen, as_chunk, asked_for_logprobs, without_logprobs

if TYPE_CHECKING:
    from llamaindex_hybrid._routing import Ask

T = TypeVar("T")
REFUSED: Final = ("small", "logprobs")
"""Noted in a pair's state once small has refused to be asked for log-probabilities."""
_BAD_REQUEST: Final = 400
_UNREADABLE: Final = (ValueError, TypeError, AssertionError, OutputParserException)
"""What the framework raises for an answer that is not of the form that was asked for."""


class HeldCall(Generic[T]):
    """One request whose answer of small may be held back.

    Args:
        pair: The core's pair.
        ask: The request.
        attempts: Where its calls are noted.
        checker: The model that small's answer is compared with, if there is one.
    """

    def __init__(self, pair: Pair, ask: Ask[T], attempts: Attempts, checker: Arm | None = None) -> None:
        self._pair, self._ask, self._attempts, self._checker = pair, ask, attempts, checker
        self._added = False
        self._parsed = True

    @property
    def wanted(self) -> Wanted:
        """What small's answer has to be."""
        form = self._ask.form
        if form is None:
            return wanted_of(self._ask.settings, self._ask.specs())

        def parsed(_: Any) -> bool:  # the framework has tried
            return self._parsed

        name = str(form.model_json_schema().get("title") or form.__name__)
        return replace(wanted_of(self._ask.settings), json=True, schema=parsed, tools={name: parsed})

    # small

    def put(self, arm: Arm) -> Seen:
        """Return small's whole answer; one that refuses to say how sure it is is asked once more without that."""
        more = self._asks_for_logprobs(arm)
        try:
            seen = self._whole(arm, more)
        except Exception as error:
            if not (more and status_of(error) == _BAD_REQUEST):
                raise
            with second_try():
                seen = self._whole(arm, False)
            if says_why(error):
                self._pair.state.left_out.add(REFUSED)
            return seen
        self._added = more
        return seen

    async def aput(self, arm: Arm) -> Seen:
        """Do what :meth:`put` does."""
        more = self._asks_for_logprobs(arm)
        try:
            seen = await self._awhole(arm, more)
        except Exception as error:
            if not (more and status_of(error) == _BAD_REQUEST):
                raise
            with second_try():
                seen = await self._awhole(arm, False)
            if says_why(error):
                self._pair.state.left_out.add(REFUSED)
            return seen
        self._added = more
        return seen

    def _asks_for_logprobs(self, arm: Arm) -> bool:
        look = self._pair.look
        if look is None or not look.reads_logprobs or REFUSED in self._pair.state.left_out:
            return False
        return asked_for_logprobs(arm.llm, self._ask.settings) is not None

    def _whole(self, arm: Arm, more: bool) -> Seen:
        ask, heard = self._ask.whole(), Heard(arm, self._attempts)
        try:
            with self._hearing(heard):
                value = ask.put(arm, self._pair, logprobs=more)
        except _UNREADABLE as error:
            if self._ask.form is None or heard.answer is None:
                raise
            self._parsed = False
            return Seen(None, heard.answer, error)
        return self._seen(value, heard)

    async def _awhole(self, arm: Arm, more: bool) -> Seen:
        ask, heard = self._ask.whole(), Heard(arm, self._attempts)
        try:
            with self._hearing(heard):
                value = await ask.put(arm, self._pair, logprobs=more)
        except _UNREADABLE as error:
            if self._ask.form is None or heard.answer is None:
                raise
            self._parsed = False
            return Seen(None, heard.answer, error)
        return self._seen(value, heard)

    # the checker

    @property
    def check(self) -> Callable[[Decision], Seen] | None:
        """What asks the checker; ``None`` where there is none."""
        return self._check if self._checker is not None else None

    @property
    def acheck(self) -> Callable[[Decision], Awaitable[Seen]] | None:
        """What asks the checker in an event loop."""
        return self._acheck if self._checker is not None else None

    def _check(self, decision: Decision) -> Seen:
        assert self._checker is not None
        refuse_other_model(decision, self._ask.settings, self._checker.asks_for)
        heard = Heard(self._checker, Attempts())
        with self._hearing(heard):
            value = self._ask.beside().put(self._checker, self._pair)
        return self._seen(value, heard)

    async def _acheck(self, decision: Decision) -> Seen:
        assert self._checker is not None
        refuse_other_model(decision, self._ask.settings, self._checker.asks_for)
        heard = Heard(self._checker, Attempts())
        with self._hearing(heard):
            value = await self._ask.beside().put(self._checker, self._pair)
        return self._seen(value, heard)

    # what comes of them

    def shown(self, value: Any, *, chunk: bool = False) -> T:
        """Return an answer as the caller asked for it.

        Args:
            value: What the pair gave.
            chunk: Whether it is one of a stream.

        Raises:
            Exception: What the framework raised for it, where it is not of the form and nobody else answers.
        """
        if not isinstance(value, Seen):
            return value  # type: ignore[no-any-return]
        if value.error is not None:
            raise value.error
        answer = without_logprobs(value.value) if self._added else value.value
        return as_chunk(answer) if chunk else answer  # type: ignore[no-any-return]

    def _hearing(self, heard: Heard) -> AbstractContextManager[None]:
        return heard.to_the_end() if self._ask.hides_end else nullcontext()

    def _seen(self, value: Any, heard: Heard) -> Seen:
        return Seen(value, heard.answer if self._ask.hides_end else value)
