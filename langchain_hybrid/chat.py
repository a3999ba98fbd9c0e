"""The chat model: a drop-in for one model, with two behind it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any

from langchain_core.callbacks import AsyncCallbackManager, CallbackManager
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.config import ensure_config
from langchain_core.tools import BaseTool
from pydantic import BaseModel

from hybrid_llm.dispatch import Decided, Request, split_options
from langchain_hybrid import _calls
from langchain_hybrid._held import begun
from langchain_hybrid._inner import ChatCalls
from langchain_hybrid._pair import DECIDED
from langchain_hybrid._runs import closing_stream, configs_of, read_each
from langchain_hybrid._structured import StructuredHybrid
from langchain_hybrid._trace import traced


class ChatHybrid(ChatCalls):
    """A chat model that sends each request to a small or to a large chat model, before either is called.

    It stands wherever one chat model does: in a chain, in ``create_agent``, with tools, with structured output. The
    router scores the last human message, the level says from which score on small answers, and the chosen model is
    called by its inner methods, so tokens, chunks and costs are counted once and the trace names the real model. The
    answer has the decision in ``response_metadata["hybrid"]``, in a stream on the first chunk; the run in the trace
    has it in its metadata, and the tag ``route:small`` or ``route:large``. (When the chosen model turns out to be
    down and the other one answers, the run had already begun under the first one's name: read
    ``response_metadata["hybrid"]``, which tells the truth. From the third failure on, while small is left alone, the
    run names large from its start.)

    A request chooses its own level by ``invoke(x, quality=0.9)``, ``bind(quality=0.9)`` or
    ``config={"configurable": {"hybrid_quality": 0.9}}`` (the keyword comes before the config, the config before the
    constructor); ``cost_advantage`` and ``threshold`` likewise. ``route="small"`` or ``"large"`` forces, and
    ``{"configurable": {"hybrid_query": text}}`` scores that text instead of the last human message.

    What one arm cannot serve goes to the other, whatever the score: images, files, long prompts, tools that are built
    into a provider, a forced tool choice, a schema. A follow-up ("yes, do it") and the later steps of a tool loop
    keep their decision. When the small model is down the large one answers; see ``hybrid_llm.dispatch.failover``.

    An arm may be a pair itself: the answer then has the decision of each step in ``["hybrid"]["steps"]``, outermost
    first, and what a call chooses is for the outermost pair; see ``docs/guide/more-than-two.md``.

    ``batch`` and ``abatch`` score all inputs in one pass; ``batch_as_completed`` scores each by itself. ``cache`` and
    ``rate_limiter`` of the pair apply, and so do the arms' limiters; their ``cache``, ``callbacks`` and ``tags`` do
    not. Tokens are estimated without the network; ``custom_get_token_ids=large.get_token_ids`` counts as large does.

    Args:
        small: The cheap chat model, with nothing bound to it.
        large: The strong chat model.
        router: A ``hybrid_llm.Router``, the path of a router folder, or an object with ``score(queries)`` and ``id``.
        quality: Share of the large model's quality to keep, in (0, 1].
        cost_advantage: Share of queries to send to small, in [0, 1].
        threshold: The score from which on small answers, in [0, 2]. At most one of these three; without any, the
            router's default level.
        allowed: The least and the most that requests may choose, in the units of the level above (quality when there
            is none); forced routes count as its two ends. ``None`` leaves them free.
        fallback_to_large: Whether large answers when small is down.
        fallback_to_small: Whether small answers when large is down.
        small_timeout: Seconds that small has until its first token (its whole answer, when it is not streamed).
        ignore_tags: Names of tags whose blocks are not scored, such as the environment that an editor appends.
        observers: Who is told of each request: functions of a ``hybrid_llm.event.RequestEvent``, or observers.
        prices: Dollars for a million tokens (read, written) by the name of a model, where they are not known anyway.
        second_look: ``True`` for the look that the router was trained with, ``"logprobs"`` or ``"agreement"`` for one
            that needs no training: small's answer is held back until it was looked at, and where it is not good enough
            large answers. Nothing is shown before small's whole answer is there, so it is off by default.
        checker: A third chat model, as cheap as small, whose final answer is compared with small's.
        check: A function of the query and small's answer; ``False`` has large answer instead, with a look or alone.
        look_timeout: Seconds that an answer which is held back has as a whole.
        private: Whether no request may leave the machine, or a function that says so of each text of a request. Small
            answers a private request, or nobody does; see ``docs/guide/private.md``.
        local_hosts: Hosts of yours where small may run for private requests, beside this machine; ``"*"`` for any.
        trace_private: Whether a private request is answered although a hosted tracer (LangSmith) is on.
        rules: Pairs of a regular expression, or a function of the query, and the arm that it goes to: ``"small"`` or
            ``"large"``. They come before the score.
        stay: ``"conversation"`` keeps a conversation on the arm that it began with.
        shadow: Whether large answers everything, and observers hear what would have been decided.
        query: The text to score: ``"last_human"``, ``"conversation"``, or a function of the list of messages.
        name: Name of the run in the trace.
        **settings: What every chat model takes: ``cache``, ``rate_limiter``, ``callbacks``, ``tags``, ``metadata``,
            ``profile``, ``streaming``, ``disable_streaming``, ``output_version``, ``custom_get_token_ids``,
            ``verbose``. Settings of a model (``temperature`` ...) belong to the arms: they are ignored with a warning.

    Raises:
        TypeError: An arm is no chat model, or has something bound to it; ``router`` is nothing that scores; a setting
            that there is not.
        LevelError: Two levels, one out of range, or one that this router has no thresholds for.
        LookError: The router has no such second look, or ``checker`` is the small model itself.
        ConfigError: A timeout is not positive, ``query`` is neither of these words nor a function, or ``check`` is no
            plain function.

    Example:
        >>> from langchain_core.language_models import FakeListChatModel
        >>> from hybrid_llm.testing import FixedScorer
        >>> small, large = FakeListChatModel(responses=["4"]), FakeListChatModel(responses=["Let n be ..."])
        >>> llm = ChatHybrid(small, large, FixedScorer({"2+2?": 0.9}, default=0.1), threshold=0.5)
        >>> llm.invoke("2+2?").content, llm.invoke("Prove it.").content
        ('4', 'Let n be ...')
        >>> llm.invoke("Prove it.").response_metadata["hybrid"]["route"]
        'large'
    """

    def invoke(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """Decide, and return what the chosen model answers."""
        config = ensure_config(config)
        decided = self._decide(input, config, kwargs)
        config, decided = begun(self._traced(config, decided), decided, CallbackManager, self)
        return super().invoke(input, config, stop=stop, **_settled(kwargs, decided))

    async def ainvoke(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """Do what :meth:`invoke` does; the scoring does not block the event loop."""
        config = ensure_config(config)
        decided = await self._adecide(input, config, kwargs)
        config, decided = begun(self._traced(config, decided), decided, AsyncCallbackManager, self)
        return await super().ainvoke(input, config, stop=stop, **_settled(kwargs, decided))

    def stream(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> Iterator[AIMessageChunk]:
        """Decide, then yield the chunks of the chosen model as they come."""
        config = ensure_config(config)
        decided = self._decide(input, config, kwargs)
        config, decided = begun(self._traced(config, decided), decided, CallbackManager, self)
        yield from super().stream(input, config, stop=stop, **_settled(kwargs, decided))

    async def astream(
        self,
        input: LanguageModelInput,
        config: RunnableConfig | None = None,
        *,
        stop: list[str] | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[AIMessageChunk]:
        """Do what :meth:`stream` does; the scoring does not block the event loop."""
        config = ensure_config(config)
        decided = await self._adecide(input, config, kwargs)
        config, decided = begun(self._traced(config, decided), decided, AsyncCallbackManager, self)
        chunks = super().astream(input, config, stop=stop, **_settled(kwargs, decided))
        async with closing_stream(chunks):
            async for chunk in chunks:
                yield chunk

    def batch(
        self,
        inputs: list[LanguageModelInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[AIMessage]:
        """Score all inputs in one pass, then let the models answer in parallel (``max_concurrency`` of the config).

        Each input has its own config, and so its own level. An input that makes no sense stops the batch before any
        model is called; with ``return_exceptions`` its error takes its place in the list.
        """
        configs = configs_of(config, inputs)
        return self._pair.batch(
            self._requests(inputs, configs, kwargs),
            list(zip(inputs, configs, strict=True)),
            call=lambda decided, asked: self.invoke(*asked, **_settled(kwargs, decided)),
            max_workers=configs[0].get("max_concurrency") if configs else None,
            return_exceptions=return_exceptions,
        )

    async def abatch(
        self,
        inputs: list[LanguageModelInput],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[AIMessage]:
        """Do what :meth:`batch` does; the scoring does not block the event loop."""
        configs = configs_of(config, inputs)
        return await self._pair.abatch(
            self._requests(inputs, configs, kwargs),
            list(zip(inputs, configs, strict=True)),
            call=lambda decided, asked: self.ainvoke(*asked, **_settled(kwargs, decided)),
            max_workers=configs[0].get("max_concurrency") if configs else None,
            return_exceptions=return_exceptions,
        )

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: dict[str, Any] | str | bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Return the pair with tools; at each call the chosen model binds them in its own form.

        Tools that are built into a provider (a dict with a ``type`` of its own), and a tool choice that forces a
        call, go to large unless the small model's ``profile`` says that it can. An arm that cannot call tools at all
        is not asked.

        Args:
            tools: Functions, tools, pydantic classes, or dicts.
            tool_choice: A tool's name, ``"any"``, ``"auto"`` or ``"none"``.
            **kwargs: More for the ``bind_tools`` of the models, such as ``strict``.
        """
        if tool_choice is not None:
            kwargs["tool_choice"] = tool_choice
        return self.bind(tools=_calls.described(tools), **kwargs)

    def with_structured_output(
        self,
        schema: dict[str, Any] | type,
        *,
        include_raw: bool = False,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, dict[str, Any] | BaseModel]:
        """Return what answers in a schema: both models with it, and the same routing before them.

        Args:
            schema: A pydantic class, a ``TypedDict``, a JSON schema or a tool.
            include_raw: Return ``{"raw", "parsed", "parsing_error"}``; the raw message has the decision.
            **kwargs: ``method``, ``strict`` and whatever else both models know; what is not given is each model's
                own default.
        """
        return StructuredHybrid.of(self, schema, include_raw=include_raw, **kwargs)

    def _requests(
        self, inputs: list[LanguageModelInput], configs: list[RunnableConfig], kwargs: Mapping[str, Any]
    ) -> list[Request | Exception]:
        return read_each(lambda value, config: self._request(value, config, kwargs), inputs, configs)

    def _traced(self, config: RunnableConfig, decided: Decided) -> RunnableConfig:
        """Return the config with the decision for the trace."""
        config = traced(config, decided.decision)
        return {**config, "run_name": self.name} if self.name and not config.get("run_name") else config

    def _chat_model_stream_v3(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        """Decide before the run begins (``stream_events`` of version 3)."""
        config = ensure_config(config)
        decided = self._decide(input, config, kwargs)
        config, decided = begun(self._traced(config, decided), decided, CallbackManager, self)
        return super()._chat_model_stream_v3(input, config, **_settled(kwargs, decided))

    async def _achat_model_stream_v3(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        config = ensure_config(config)
        decided = await self._adecide(input, config, kwargs)
        config, decided = begun(self._traced(config, decided), decided, AsyncCallbackManager, self)
        return await super()._achat_model_stream_v3(input, config, **_settled(kwargs, decided))


def _settled(kwargs: Mapping[str, Any], decided: Decided) -> dict[str, Any]:
    """Return the keyword arguments of a call with the decided request in place of what it was decided from."""
    return {**split_options(kwargs)[1], DECIDED: decided}
