"""Every method of an LLM, each of them one ask that is routed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ChatResponseAsyncGen,
    ChatResponseGen,
    CompletionResponse,
    CompletionResponseAsyncGen,
    CompletionResponseGen,
)
from llama_index.core.bridge.pydantic import BaseModel, Field, PrivateAttr, SerializeAsAny
from llama_index.core.llms import LLM
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.llms.llm import ToolSelection
from llama_index.core.prompts import BasePromptTemplate, PromptTemplate
from llama_index.core.types import TokenAsyncGen, TokenGen

from llamaindex_hybrid._asks import Asks, joined
from llamaindex_hybrid._capabilities import IsPair
from llamaindex_hybrid._history import tool_calls_of
from llamaindex_hybrid._routing import Ask, Routing
from llamaindex_hybrid._structured import RoutedStructuredLLM

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator

    from llama_index.core.tools.types import BaseTool

    from hybrid_llm.dispatch import Within

Model = TypeVar("Model", bound=BaseModel)


class RoutedLLM(IsPair, FunctionCallingLLM):
    """The methods of an LLM, sync and async, streamed or not.

    None carries the framework's callback decorators: the arms' own methods do, so that each event and each token is
    counted once, under the name of the model that answered.
    """

    small: SerializeAsAny[LLM] = Field(frozen=True)
    large: SerializeAsAny[LLM] = Field(frozen=True)
    _routing: Routing = PrivateAttr()
    _asks: Asks = PrivateAttr()

    def standing(self, within: Within) -> Self:
        """Return a copy that stands within another pair, and shares what is known of outages."""
        copy = self.model_copy()
        copy._routing, copy._asks = self._routing.standing(within), replace(self._asks, within=within)
        return copy

    # chat and complete

    def chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Answer a conversation; ``quality=``, ``cost_advantage=``, ``threshold=`` or ``route=`` are for the router."""
        return self._routing.call(self._asks.chat("chat", messages, kwargs))

    async def achat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponse:
        """Do what :meth:`chat` does."""
        return await self._routing.acall(self._asks.chat("achat", messages, kwargs))

    def stream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseGen:
        """Decide now, and answer as the stream is read."""
        return self._routing.stream(self._asks.chat("stream_chat", messages, kwargs))

    async def astream_chat(self, messages: Sequence[ChatMessage], **kwargs: Any) -> ChatResponseAsyncGen:
        """Do what :meth:`stream_chat` does."""
        return await self._routing.astream(self._asks.chat("astream_chat", messages, kwargs))

    def complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """Complete a prompt; the options of the router are those of :meth:`chat`."""
        return self._routing.call(self._asks.complete("complete", prompt, formatted, kwargs))

    async def acomplete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponse:
        """Do what :meth:`complete` does."""
        return await self._routing.acall(self._asks.complete("acomplete", prompt, formatted, kwargs))

    def stream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseGen:
        """Decide now, and complete as the stream is read."""
        return self._routing.stream(self._asks.complete("stream_complete", prompt, formatted, kwargs))

    async def astream_complete(self, prompt: str, formatted: bool = False, **kwargs: Any) -> CompletionResponseAsyncGen:
        """Do what :meth:`stream_complete` does."""
        return await self._routing.astream(self._asks.complete("astream_complete", prompt, formatted, kwargs))

    # templates

    def predict(self, prompt: BasePromptTemplate, **prompt_args: Any) -> str:
        """Answer a template; the router reads its query variable."""
        return self._routing.call(self._asks.predict("predict", prompt, prompt_args))

    async def apredict(self, prompt: BasePromptTemplate, **prompt_args: Any) -> str:
        """Do what :meth:`predict` does."""
        return await self._routing.acall(self._asks.predict("apredict", prompt, prompt_args))

    def stream(self, prompt: BasePromptTemplate, **prompt_args: Any) -> TokenGen:
        """Decide now, and answer as the stream is read."""
        return self._routing.stream(self._asks.predict("stream", prompt, prompt_args))

    async def astream(self, prompt: BasePromptTemplate, **prompt_args: Any) -> TokenAsyncGen:
        """Do what :meth:`stream` does."""
        return await self._routing.astream(self._asks.predict("astream", prompt, prompt_args))

    def structured_predict(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Model:
        """Answer a template in the form of a class, in the chosen model's own way of doing that."""
        ask: Ask[Model] = self._asks.structured("structured_predict", output_cls, prompt, llm_kwargs, prompt_args)
        return self._routing.call(ask)

    async def astructured_predict(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Model:
        """Do what :meth:`structured_predict` does."""
        ask: Ask[Model] = self._asks.structured("astructured_predict", output_cls, prompt, llm_kwargs, prompt_args)
        return await self._routing.acall(ask)

    def stream_structured_predict(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> Generator[Any, None, None]:
        """Decide now, and yield the object as it grows."""
        return self._routing.stream(
            self._asks.structured("stream_structured_predict", output_cls, prompt, llm_kwargs, prompt_args)
        )

    async def astream_structured_predict(
        self,
        output_cls: type[Model],
        prompt: PromptTemplate,
        llm_kwargs: dict[str, Any] | None = None,
        **prompt_args: Any,
    ) -> AsyncGenerator[Any, None]:
        """Do what :meth:`stream_structured_predict` does."""
        return await self._routing.astream(
            self._asks.structured("astream_structured_predict", output_cls, prompt, llm_kwargs, prompt_args)
        )

    def as_structured_llm(self, output_cls: type[BaseModel], **kwargs: Any) -> RoutedStructuredLLM:
        """Return an LLM that answers in the form of a class; in a query engine the question alone is scored, too."""
        return RoutedStructuredLLM(llm=self, output_cls=output_cls, **kwargs)

    # tools

    def chat_with_tools(self, tools: Sequence[BaseTool], *args: Any, **kwargs: Any) -> ChatResponse:
        """Answer a conversation, or call a tool; a model that calls no functions is not asked."""
        return self._routing.call(self._asks.with_tools("chat_with_tools", tools, *args, **kwargs))

    async def achat_with_tools(self, tools: Sequence[BaseTool], *args: Any, **kwargs: Any) -> ChatResponse:
        """Do what :meth:`chat_with_tools` does."""
        return await self._routing.acall(self._asks.with_tools("achat_with_tools", tools, *args, **kwargs))

    def stream_chat_with_tools(self, tools: Sequence[BaseTool], *args: Any, **kwargs: Any) -> ChatResponseGen:
        """Decide now, and answer as the stream is read."""
        return self._routing.stream(self._asks.with_tools("stream_chat_with_tools", tools, *args, **kwargs))

    async def astream_chat_with_tools(
        self, tools: Sequence[BaseTool], *args: Any, **kwargs: Any
    ) -> ChatResponseAsyncGen:
        """Do what :meth:`stream_chat_with_tools` does."""
        return await self._routing.astream(self._asks.with_tools("astream_chat_with_tools", tools, *args, **kwargs))

    def get_tool_calls_from_response(
        self, response: ChatResponse, error_on_no_tool_call: bool = True, **kwargs: Any
    ) -> list[ToolSelection]:
        """Return the tool calls of an answer, whichever provider gave it.

        Raises:
            ValueError: There is none, and one is required.
        """
        calls = tool_calls_of(response.message)
        if error_on_no_tool_call and not calls:
            raise ValueError("Expected at least one tool call, but got 0 tool calls.")
        return [
            ToolSelection(
                tool_id=call.tool_call_id or call.tool_name,
                tool_name=call.tool_name,
                tool_kwargs=cast("dict[str, Any]", call.tool_kwargs),
            )
            for call in calls
        ]

    def _prepare_chat_with_tools(
        self,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: list[ChatMessage] | None = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Return the arguments of ``chat`` in the form that providers share; our own methods leave that to the arm."""
        specs = [tool.metadata.to_openai_tool(skip_length_check=True) for tool in tools]
        choice = {"tool_choice": "required"} if tool_required and specs else {}
        return {"messages": joined(user_msg, chat_history), "tools": specs or None, **choice, **kwargs}
