"""What each method of the LLM asks: the request for the router, and how the chosen arm is called."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse, MessageRole
from llama_index.core.llms import LLM
from llama_index.core.prompts import BasePromptTemplate, ChatPromptTemplate

from hybrid_llm.decision import Route
from hybrid_llm.dispatch import Request, Within, level_of, private_of, split_options
from hybrid_llm.level import Level
from llamaindex_hybrid._capabilities import Arm
from llamaindex_hybrid._history import safe_messages
from llamaindex_hybrid._private import texts_in
from llamaindex_hybrid._requests import chat_request, prompt_request, template_request, tokens_of_tools
from llamaindex_hybrid._routing import Ask
from llamaindex_hybrid.levels import LEVEL_HERE

if TYPE_CHECKING:
    from llama_index.core.tools.types import BaseTool

Background = Literal["large", "small", "route"]


@dataclass(frozen=True, slots=True)
class Asks:
    """Makes the asks of one LLM.

    Args:
        query_vars: Variables of templates that hold the user's question.
        background: Where a call without such a question goes; ``"route"`` scores it by its prompt.
        level: The level of :meth:`HybridLLM.with_quality`, if any.
        usual: That of the constructor, if any.
        tracer: Returns the hosted service that hears of the calls, if any.
        within: Where the LLM stands as an arm of another one; the level here is then for the outermost.
        readers: Both models.
    """

    query_vars: tuple[str, ...]
    background: Background
    level: Level | None = None
    usual: Level | None = None
    tracer: Callable[[], str | None] | None = None
    within: Within | None = None
    readers: tuple[LLM, ...] = ()

    def chat(self, method: str, messages: Sequence[ChatMessage], kwargs: Mapping[str, Any]) -> Ask[ChatResponse]:
        """Ask for the answer in a conversation."""
        options, rest = split_options(kwargs)
        messages = [*messages]  # in shadow small is asked later, when the caller's list has grown
        request = self._completed(
            method, chat_request(messages, rest, path=self._path), options, lambda: _last_text(messages)
        )
        return Ask(
            method,
            request,
            lambda arm, said: ((self._readable(messages, arm),), said),
            rest,
            specs=lambda: rest.get("tools") or (),
            plain=lambda arm, said: ((self._readable(messages, arm),), said),
        )

    def complete(self, method: str, prompt: str, formatted: bool, kwargs: Mapping[str, Any]) -> Ask[CompletionResponse]:
        """Ask for the completion of a prompt."""
        options, rest = split_options(kwargs)
        request = self._completed(method, prompt_request(prompt, rest), options, lambda: prompt)
        return Ask(method, request, lambda arm, said: ((prompt,), {"formatted": formatted, **said}), rest)

    def predict(self, method: str, prompt: BasePromptTemplate, values: Mapping[str, Any]) -> Ask[str]:
        """Ask for the answer to a template."""
        options, rest = split_options(values, prompt.template_vars)
        request = template_request(prompt, rest, self.query_vars, path=self._path)
        request = self._completed(method, request, options, lambda: prompt.format(**rest))
        request = self._read(request, prompt, rest)
        return Ask(method, request, lambda arm, _: ((self._safe(prompt, arm),), dict(rest)), hides_end=True)

    def structured(
        self,
        method: str,
        output_cls: type[Any],
        prompt: BasePromptTemplate,
        kwargs: Mapping[str, Any] | None,
        values: Mapping[str, Any],
    ) -> Ask[Any]:
        """Ask for the answer to a template, in the form of a class."""
        of_template, fill = split_options(values, prompt.template_vars)
        of_call, rest = split_options(kwargs or {})
        request = template_request(prompt, fill, self.query_vars, structured=True, path=self._path)
        request = self._completed(method, request, {**of_template, **of_call}, lambda: prompt.format(**fill))
        request = self._read(request, prompt, fill)
        return Ask(
            method,
            request,
            lambda arm, said: ((output_cls, self._safe(prompt, arm)), {"llm_kwargs": said, **fill}),
            rest,
            hides_end=True,
            form=output_cls,
        )

    def with_tools(
        self,
        method: str,
        tools: Sequence[BaseTool],
        user_msg: str | ChatMessage | None = None,
        chat_history: Sequence[ChatMessage] | None = None,
        verbose: bool = False,
        allow_parallel_tool_calls: bool = False,
        tool_required: bool = False,
        **kwargs: Any,
    ) -> Ask[ChatResponse]:
        """Ask for the answer in a conversation, or for tool calls."""
        options, rest = split_options(kwargs)
        messages = joined(user_msg, chat_history)
        request = chat_request(messages, rest, tools=True, forced_tool=tool_required, path=self._path)
        request = replace(request, tokens=request.tokens + tokens_of_tools(tools))
        own = {
            "verbose": verbose,
            "allow_parallel_tool_calls": allow_parallel_tool_calls,
            "tool_required": tool_required,
        }
        return Ask(
            method,
            self._completed(method, request, options, lambda: _last_text(messages)),
            lambda arm, said: (
                (_callable(tools, rest, said),),
                {"chat_history": self._readable(messages, arm), **own, **said},
            ),
            rest,
            tools=True,
            specs=lambda: [tool.metadata.to_openai_tool(skip_length_check=True) for tool in tools],
            plain=lambda arm, said: ((self._readable(messages, arm),), said),
        )

    def _completed(
        self, method: str, request: Request, options: Mapping[str, Any], prompt: Callable[[], str]
    ) -> Request:
        """Return the request with its level, its route, and where asked for the prompt in place of a question."""
        level = level_of(options) or (LEVEL_HERE.get() if self.within is None else None) or self.level
        holds = level or self.usual
        says = holds.sends_all_to if holds else None
        said = request.said or tuple
        return replace(
            request,
            text=prompt() if self.background == "route" and not request.text else request.text,
            level=level,
            route=options.get("route"),
            without_text=says or ("small" if self.background == "small" else "large"),
            method=method,
            private=request.private or private_of(options) or (self.within is not None and self.within.private),
            said=lambda: (*said(), prompt()),
            tracer=self.tracer,
        )

    def _read(self, request: Request, prompt: BasePromptTemplate, values: Mapping[str, Any]) -> Request:
        """Return the request with all that a template says to either model; some choose by it what they say."""
        said = request.said or tuple

        def filled() -> Iterator[str]:
            for llm in self.readers:
                yield from texts_in(prompt.format_messages(llm=llm, **values))

        return replace(request, said=lambda: (*said(), *filled()))

    @property
    def _path(self) -> tuple[Route, ...]:
        return self.within.path if self.within is not None else ()

    def _readable(self, messages: Sequence[ChatMessage], arm: Arm) -> list[ChatMessage]:
        """Return messages that an arm can read; a pair sees to that itself, by what it noted on them."""
        return [*messages] if arm.is_pair else safe_messages(messages, arm.side, self._path)

    def _safe(self, template: BasePromptTemplate, arm: Arm) -> BasePromptTemplate:
        if not isinstance(template, ChatPromptTemplate):
            return template
        return template.model_copy(update={"message_templates": self._readable(template.message_templates, arm)})


def _callable(tools: Sequence[BaseTool], settings: Mapping[str, Any], said: Mapping[str, Any]) -> Sequence[BaseTool]:
    """Return the tools of a call; none for an arm that has no other way to be told not to call any."""
    return [] if settings.get("tool_choice") == "none" and "tool_choice" not in said else tools


def joined(user_msg: str | ChatMessage | None, chat_history: Sequence[ChatMessage] | None) -> list[ChatMessage]:
    """Return one conversation of a history and the user's new message."""
    new = ChatMessage(role=MessageRole.USER, content=user_msg) if isinstance(user_msg, str) else user_msg
    return [*(chat_history or ()), *([new] if new else ())]


def _last_text(messages: Sequence[ChatMessage]) -> str:
    return (messages[-1].content or "") if messages else ""
