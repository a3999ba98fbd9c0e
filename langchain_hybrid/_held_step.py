"""An agent's model call whose answer is held back."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from langchain.agents.middleware import ModelRequest, ModelResponse
from langchain.agents.structured_output import StructuredOutputError
from langchain_core.callbacks import BaseCallbackManager, CallbackManager
from langchain_core.messages import ToolMessage
from langchain_core.runnables.config import ensure_config, var_child_runnable_config

from hybrid_llm.decision import Decision
from hybrid_llm.dispatch import (
    PARSED,
    UNPARSED,
    AnyTool,
    asked_in,
    is_no_json,
    model_named,
    says_why,
    second_try,
    status_of,
    wanted_of,
)
from hybrid_llm.look import Answer, ToolCall, Wanted
from langchain_hybrid._held import BAD_REQUEST, REFUSED
from langchain_hybrid._messages import as_function, system_of
from langchain_hybrid._mute import muted
from langchain_hybrid._seen import as_answer, asking_for_logprobs, without_logprobs

if TYPE_CHECKING:
    from hybrid_llm.dispatch import Pair

Calls = Callable[[ModelRequest[Any]], ModelResponse[Any]]
ACalls = Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]


def wanted_of_step(request: ModelRequest[Any], *, structured: bool = False) -> Wanted:
    """Return what the answer of an agent's model call has to be; a schema is checked by the agent itself.

    Args:
        request: The call.
        structured: Whether the answer has to follow a schema in its text.
    """
    wanted = wanted_of(
        {**request.model_settings, "tool_choice": request.tool_choice}, [*map(as_function, request.tools)]
    )
    if request.response_format is None:
        return wanted
    return replace(wanted, tools=AnyTool(wanted.tools or {}), schema=PARSED.schema if structured else wanted.schema)


def asked_of_step(request: ModelRequest[Any]) -> dict[str, Any]:
    """Return how an agent's model call asks."""
    system = request.system_message
    named = model_named(request.model_settings)
    return {**asked_in(request.model_settings), "system": system_of([system] if system else []), "model": named}


@contextmanager
def muted_here() -> Iterator[None]:
    """Mute the runs within: no reader of tokens sees them."""
    config = ensure_config()
    callbacks = config.get("callbacks")
    if not isinstance(callbacks, BaseCallbackManager):
        callbacks = CallbackManager(list(callbacks or []), list(callbacks or []))
    before = var_child_runnable_config.set(muted({**config, "callbacks": callbacks}))
    try:
        yield
    finally:
        var_child_runnable_config.reset(before)


class HeldStep:
    """The call of small in one step of an agent.

    Args:
        pair: The core's pair.
    """

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self._added = False
        self._failed: StructuredOutputError | None = None

    def answer(self, request: ModelRequest[Any], handler: Calls) -> ModelResponse[Any]:
        """Return small's whole answer, asked with what a look wants to know; once without it where that is refused."""
        try:
            return self._answer(request, handler)
        except StructuredOutputError as error:
            return self._unparsed(error)

    async def aanswer(self, request: ModelRequest[Any], handler: ACalls) -> ModelResponse[Any]:
        """Do what :meth:`answer` does."""
        try:
            return await self._aanswer(request, handler)
        except StructuredOutputError as error:
            return self._unparsed(error)

    def _unparsed(self, error: StructuredOutputError) -> ModelResponse[Any]:
        self._failed = error
        return ModelResponse([error.ai_message])

    def read(self, value: Any) -> Answer:
        """Return what a look sees of a response: nothing that can be used, where it is not of the agent's schema."""
        answer, result = as_answer(value), getattr(value, "result", ())
        retries = any(isinstance(one, ToolMessage) for one in result) and value.structured_response is None
        if self._failed is None and not retries:
            return answer
        if answer.tool_calls:
            calls = [ToolCall(call.name, "does not parse") for call in answer.tool_calls]
            return Answer(answer.text, finish=answer.finish, tool_calls=calls)
        return Answer(answer.text if is_no_json(answer.text) else UNPARSED, finish=answer.finish)

    def _answer(self, request: ModelRequest[Any], handler: Calls) -> ModelResponse[Any]:
        with muted_here():
            asking = self._asking(request)
            if asking is None:
                return handler(request)
            try:
                response = handler(asking)
            except Exception as error:
                if status_of(error) != BAD_REQUEST:
                    raise
                with second_try():
                    response = handler(request)
                if says_why(error):
                    self._pair.state.left_out.add(REFUSED)
            else:
                self._added = True
            return response

    async def _aanswer(self, request: ModelRequest[Any], handler: ACalls) -> ModelResponse[Any]:
        with muted_here():
            asking = self._asking(request)
            if asking is None:
                return await handler(request)
            try:
                response = await handler(asking)
            except Exception as error:
                if status_of(error) != BAD_REQUEST:
                    raise
                with second_try():
                    response = await handler(request)
                if says_why(error):
                    self._pair.state.left_out.add(REFUSED)
            else:
                self._added = True
            return response

    def shown(self, response: Any, decision: Decision) -> Any:
        """Return the response without what only the look asked for.

        Raises:
            StructuredOutputError: It is not of the schema, and nobody else answers, as of a private request.
        """
        if self._failed is not None and decision.route == "small":
            raise self._failed
        if not self._added or decision.route != "small":
            return response
        if not isinstance(response, ModelResponse):
            return without_logprobs(response)
        return replace(response, result=[without_logprobs(message) for message in response.result])

    def _asking(self, request: ModelRequest[Any]) -> ModelRequest[Any] | None:
        look = self._pair.look
        if look is None or not look.reads_logprobs or REFUSED in self._pair.state.left_out:
            return None
        settings = asking_for_logprobs(request.model, request.model_settings)
        return None if settings is None else request.override(model_settings=settings)
