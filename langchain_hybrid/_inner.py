"""The inner methods of a chat pair: what the framework calls once a run has begun, whole and streamed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any, Self

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config

from hybrid_llm.decision import Decision, Route
from hybrid_llm.dispatch import Attempts, Decided, Request, asked_in, model_named, split_options, wanted_of
from langchain_hybrid import _calls
from langchain_hybrid._held import HeldCall
from langchain_hybrid._history import safe_history
from langchain_hybrid._messages import as_function, request_of, system_of
from langchain_hybrid._options import read_options
from langchain_hybrid._pair import DECIDED, ChatPair
from langchain_hybrid._private import refuse_other
from langchain_hybrid._readers import OneAnswer
from langchain_hybrid._runs import closing_stream
from langchain_hybrid._settings import settings_for
from langchain_hybrid._trace import is_of_a_cache


class ChatCalls(ChatPair):
    """How ``ChatHybrid`` decides and calls, below its verbs."""

    def _request(self, value: Any, config: RunnableConfig, kwargs: Mapping[str, Any]) -> Request:
        """Make the core's request of an input, its config and its keyword arguments."""
        options, rest = split_options(kwargs)
        messages = self._convert_input(value).to_messages()
        request = request_of(
            messages,
            read_options(options, config, self.callbacks, self._within),
            query=self.query,
            tools=rest.get("tools") or (),
            tool_choice=rest.get("tool_choice"),
            structured=bool(rest.get("response_format") or rest.get("format")),
        )
        holds = self._pair.holds
        if not (holds or self._pair.router.parts.promises):
            return request
        asked = {**asked_in(rest), "system": system_of(messages), "model": model_named(rest)}
        wanted = wanted_of(rest, [*map(as_function, rest.get("tools") or ())]) if holds else None
        return replace(request, wanted=wanted, asked=asked)

    def _decide(self, value: Any, config: RunnableConfig, kwargs: Mapping[str, Any]) -> Decided:
        """Return the request that was decided before, or decide it; the call has to follow."""
        return self._pair.admitted(kwargs.get(DECIDED) or self._pair.decide(self._request(value, config, kwargs)))

    async def _adecide(self, value: Any, config: RunnableConfig, kwargs: Mapping[str, Any]) -> Decided:
        decided = kwargs.get(DECIDED) or await self._pair.adecide(self._request(value, config, kwargs))
        return self._pair.admitted(decided)

    def _generate_with_cache(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        """Decide before the cache is asked, which sees nothing of a private request."""
        decided = kwargs.get(DECIDED) or self._pair.decide(self._request(messages, ensure_config(), kwargs))
        chat = self._uncached() if decided.decision.private else self
        result = super(ChatCalls, chat)._generate_with_cache(
            messages, stop=stop, run_manager=run_manager, **{**kwargs, DECIDED: decided}
        )
        if is_of_a_cache(result):
            self._pair.given_back(decided)
        return result

    async def _agenerate_with_cache(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        decided = kwargs.get(DECIDED) or await self._pair.adecide(self._request(messages, ensure_config(), kwargs))
        chat = self._uncached() if decided.decision.private else self
        result = await super(ChatCalls, chat)._agenerate_with_cache(
            messages, stop=stop, run_manager=run_manager, **{**kwargs, DECIDED: decided}
        )
        if is_of_a_cache(result):
            self._pair.given_back(decided)
        return result

    def _uncached(self) -> Self:
        """Return a copy without a cache that decides and calls as this one does."""
        copy = super().model_copy(update={"cache": False})
        copy._made = self._made
        return copy

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        decided, rest = self._decide(messages, ensure_config(), kwargs), _for_the_arm(kwargs)
        attempts, held, decision = Attempts(), HeldCall(self._pair, messages, self.checker, stop, decided), None
        readers = OneAnswer()

        def ask(d: Decision) -> ChatResult:
            call = held.generate if d.held else _calls.generate
            run = run_manager if d.held else readers.watched(run_manager)
            with readers.alone(d):
                return call(self._arm(d), self._history(messages, d), *self._said(d, stop, run, rest))

        try:
            with readers.raising():
                result, decision = self._pair.call(decided, ask, attempts, checker=held.check)
        finally:
            held.tell(decision, run_manager)
        return _calls.marked(held.shown(result, decision), decision, attempts)

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> ChatResult:
        decided, rest = await self._adecide(messages, ensure_config(), kwargs), _for_the_arm(kwargs)
        attempts, held, decision = Attempts(), HeldCall(self._pair, messages, self.checker, stop, decided), None
        readers = OneAnswer()

        async def ask(d: Decision) -> ChatResult:
            call = held.agenerate if d.held else _calls.agenerate
            run = run_manager if d.held else readers.watched(run_manager)
            with readers.alone(d):
                return await call(self._arm(d), self._history(messages, d), *self._said(d, stop, run, rest))

        try:
            with readers.raising():
                result, decision = await self._pair.acall(decided, ask, attempts, checker=held.acheck)
        finally:
            await held.atell(decision, run_manager)
        return _calls.marked(held.shown(result, decision), decision, attempts)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        decided, rest = self._decide(messages, ensure_config(), kwargs), _for_the_arm(kwargs)
        attempts, decision = Attempts(), None
        held = HeldCall(self._pair, messages, self.checker, stop, decided, run_manager if self._within else None)
        marks = _calls.MarksChunks(attempts)

        def ask(d: Decision) -> Iterator[ChatGenerationChunk]:
            call = held.stream if d.held else _calls.stream
            return call(self._arm(d), self._history(messages, d), *self._said(d, stop, run_manager, rest))

        try:
            with closing(self._pair.stream(decided, ask, attempts, checker=held.check)) as chunks:
                for chunk, decision in chunks:
                    yield from marks.of(held.shown(chunk, decision), decision)
        finally:
            held.tell(decision)
        yield from marks.end()

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[ChatGenerationChunk]:
        decided, rest = await self._adecide(messages, ensure_config(), kwargs), _for_the_arm(kwargs)
        attempts, decision = Attempts(), None
        held = HeldCall(self._pair, messages, self.checker, stop, decided, run_manager if self._within else None)
        marks = _calls.MarksChunks(attempts)

        def ask(d: Decision) -> AsyncIterator[ChatGenerationChunk]:
            call = held.astream if d.held else _calls.astream
            return call(self._arm(d), self._history(messages, d), *self._said(d, stop, run_manager, rest))

        chunks = self._pair.astream(decided, ask, attempts, checker=held.acheck)
        try:
            async with closing_stream(chunks):
                async for chunk, decision in chunks:
                    for one in marks.of(held.shown(chunk, decision), decision):
                        yield one
        finally:
            await held.atell(decision)
        for one in marks.end():
            yield one

    @property
    def _path(self) -> tuple[Route, ...]:
        """The routes that lead to this pair, as an arm of another one."""
        return self._within.path if self._within is not None else ()

    def _said(
        self, decision: Decision, stop: list[str] | None, run_manager: Any, kwargs: Mapping[str, Any]
    ) -> tuple[list[str] | None, Any, dict[str, Any]]:
        """Return the last arguments of a call, with its settings in the words of the arm."""
        refuse_other(decision, kwargs, self.small)
        given = {**kwargs, "stop": stop} if stop is not None else kwargs
        settings = settings_for(self._pair, decision.route, self._arm(decision), given)
        return settings.pop("stop", None), run_manager, settings

    def _history(self, messages: list[BaseMessage], decision: Decision) -> list[BaseMessage]:
        return safe_history(messages, self._arm(decision), decision.route, self._path)


def _for_the_arm(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keyword arguments of a call that are the arm's."""
    return {key: value for key, value in split_options(kwargs)[1].items() if key != DECIDED}
