"""An object that is held back: what small's answer does not parse to is rejected, and partial objects are not shown."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable
from pydantic import ValidationError

from hybrid_llm.decision import Decision
from hybrid_llm.dispatch import UNPARSED, as_json, is_no_json
from hybrid_llm.look import Answer
from langchain_hybrid._held_chain import HeldChain
from langchain_hybrid._seen import as_answer


@dataclass(frozen=True, slots=True)
class Unparsed:
    """What small's answer did not parse to.

    Args:
        error: The parser's.
    """

    error: Exception


class HeldStructured(HeldChain):
    """The call of small, whose answer is an object.

    Args:
        held: That of any chain.
        asking: Returns small's chain with log-probabilities; ``None`` where they are there anyway, or cannot be had.
    """

    def __init__(self, held: HeldChain, asking: Callable[[Decision], Runnable[Any, Any]] | None) -> None:
        self.__dict__.update(held.__dict__)
        self._with_logprobs = asking

    def invoke(self, decision: Decision) -> Any:
        """Return the object, or what did not become one."""
        try:
            return super().invoke(decision)
        except Exception as error:
            if not _is_of_the_parser(error):
                raise
            return Unparsed(error)

    async def ainvoke(self, decision: Decision) -> Any:
        """Do what :meth:`invoke` does."""
        try:
            return await super().ainvoke(decision)
        except Exception as error:
            if not _is_of_the_parser(error):
                raise
            return Unparsed(error)

    def stream(self, decision: Decision) -> Iterator[Any]:
        """Yield the object once it is whole."""
        yield self.invoke(decision)

    async def astream(self, decision: Decision) -> AsyncIterator[Any]:
        """Yield the object once it is whole."""
        yield await self.ainvoke(decision)

    def _asking(self, decision: Decision, arm: Runnable[Any, Any]) -> Runnable[Any, Any] | None:
        return None if self._with_logprobs is None or self._is_refused else self._with_logprobs(decision)

    def read(self, value: Any) -> Answer:
        """Return the object as JSON, with what its model told of it; something else where it did not parse."""
        message, parsed = self.last.message, value
        if isinstance(value, Mapping) and "raw" in value and "parsed" in value:
            message = value["raw"] if isinstance(value["raw"], AIMessage) else message
            parsed = None if value.get("parsing_error") else value["parsed"]
        whole = as_answer(message) if message is not None else Answer("")
        if parsed is None or isinstance(parsed, Unparsed):
            return Answer(whole.text if is_no_json(whole.text) else UNPARSED, finish=whole.finish)
        if whole.tool_calls:
            return Answer(whole.text, finish=whole.finish, tool_calls=whole.tool_calls)
        return Answer(as_json(parsed), whole.logprobs, whole.finish)

    def shown(self, value: Any, decision: Decision) -> Any:
        """Return the object; raise the parser's error where nobody else answers, as of a private request."""
        if isinstance(value, Unparsed):
            raise value.error
        return super().shown(value, decision)


def _is_of_the_parser(error: Exception) -> bool:
    return isinstance(error, (OutputParserException, ValidationError)) or type(error).__name__ == (
        "LengthFinishReasonError"  # OpenAI's client parses itself
    )
