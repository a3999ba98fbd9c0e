"""Structured output of a pair: both models with the schema, and the pair's routing before them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import BaseMessage
from langchain_core.runnables import Runnable, RunnableConfig, RunnableLambda, RunnableParallel, RunnableSequence
from pydantic import PrivateAttr

from hybrid_llm.decision import KEY, Decision, Route
from hybrid_llm.dispatch import OPTIONS, PARSED, Attempts, Request, Within
from langchain_hybrid._answers import ANSWERS, closes, model_in
from langchain_hybrid._held_chain import HeldChain
from langchain_hybrid._held_object import HeldStructured
from langchain_hybrid._history import safe_history
from langchain_hybrid._private import callbacks_of, hosted_tracer, refuse_other, uncached
from langchain_hybrid._runs import closing_stream
from langchain_hybrid._seen import asking_for_logprobs
from langchain_hybrid._settings import settings_for, with_settings
from langchain_hybrid._trace import Run, child_config, with_decision
from langchain_hybrid._within import Around
from langchain_hybrid.runnable import RunnableHybrid

if TYPE_CHECKING:
    from langchain_hybrid._inner import ChatCalls


class StructuredHybrid(RunnableHybrid[Any, Any]):
    """What ``ChatHybrid.with_structured_output`` returns: a router chain over two models that follow a schema.

    Each model parses its own answer in its own way. An answer that does not fit the schema is the model's error, and
    raised; only a model that is down is replaced by the other.
    """

    _chat: ChatCalls | None = PrivateAttr(default=None)
    _models: dict[Route, BaseChatModel] = PrivateAttr(default_factory=dict)
    _asking: Runnable[Any, Any] | None = PrivateAttr(default=None)

    @classmethod
    def of(cls, pair: ChatCalls, schema: Any, **options: Any) -> Runnable[Any, Any]:
        """Make one of a pair of chat models.

        Args:
            pair: The pair.
            schema: The schema.
            **options: ``include_raw``, ``method``, ``strict``, settings of their calls, for both models.

        Raises:
            NotImplementedError: Neither model can follow a schema.
            ValueError: A model does not know one of the options.
        """
        chains: dict[str, Runnable[Any, Any]] = {}
        models: dict[Route, BaseChatModel] = {}
        missing: list[NotImplementedError] = []
        arms: tuple[tuple[Route, BaseChatModel], ...] = (("small", pair.small), ("large", pair.large))
        for side, arm in arms:
            try:
                models[side], rest = with_settings(pair._pair, side, arm, options)
                structured = models[side].with_structured_output(schema, **rest)
                chains[side] = _checked(structured, shows_nothing=side == "large")
            except NotImplementedError as error:
                missing.append(error)
                chains[side] = RunnableLambda(_raising(error))
        if len(missing) == 2:
            raise missing[1]
        fields: dict[str, Any] = {**chains, "router": pair.router, "query": pair.query, "name": pair.name}
        fields |= {name: getattr(pair, name) for name in (*OPTIONS, "state")}  # for copies that lose the pair
        structured = cls(**fields)
        structured._chat, structured._pair, structured._models = pair, pair._pair, models
        if pair._pair.holds:
            structured._asking, structured.checker = _for_a_look(pair, models["small"], schema, options)
        metadata = {key: value for key, value in (pair.metadata or {}).items() if key != "lc_versions"}
        own = {"callbacks": pair.callbacks, "tags": pair.tags, "metadata": metadata}
        own = {key: value for key, value in own.items() if value}
        return structured.with_config(cast("RunnableConfig", own)) if own else structured

    def standing(self, within: Within) -> Any:
        """Return a copy that stands within another pair, and the pair of chat models with it."""
        copy = super().standing(within)
        if self._chat is not None:
            copy._chat = self._chat.standing(within)
        return copy

    def _request(self, value: Any, config: RunnableConfig, kwargs: Mapping[str, Any]) -> Request:
        if self._chat is None:  # a copy that configurable_fields() made
            request = super()._request(value, config, kwargs)
            return replace(request, structured=True, wanted=PARSED if self._pair.holds else None)
        request = self._chat._request(value, config, kwargs)
        below = callbacks_of(self._chat, self._models.get("small"), self._chat.checker)
        tracer = partial(hosted_tracer, config, below)
        return replace(request, structured=True, wanted=PARSED if self._pair.holds else None, tracer=tracer)

    def _arm(self, decision: Decision) -> Runnable[Any, Any]:
        chain = super()._arm(decision)
        return _Answering(chain, self._chat, decision) if self._chat is not None else chain

    def _said(self, decision: Decision, kwargs: dict[str, Any]) -> dict[str, Any]:
        if self._chat is None or not kwargs:
            return kwargs
        refuse_other(decision, kwargs, self._models[decision.route])
        return settings_for(self._pair, decision.route, self._models[decision.route], kwargs)

    def _held(
        self, value: Any, config: RunnableConfig, run: Run, kwargs: dict[str, Any], attempts: Attempts
    ) -> HeldChain:
        held = super()._held(value, config, run, kwargs, attempts)
        chat, chain = self._chat, self._asking
        if chat is None or chain is None:
            return HeldStructured(held, None)

        def asking(decision: Decision) -> Runnable[Any, Any]:
            return _Answering(uncached(chain) if decision.private else chain, chat, decision)

        return HeldStructured(held, asking)

    def _child(self, config: RunnableConfig, run: Run, decision: Decision) -> RunnableConfig:
        return child_config(config, run, decision, inherit=True)  # the model's run is below the chain's


class _Answering(Runnable[Any, Any]):
    """One model's chain for one request: a history that it can read goes in, the decision goes on the raw message.

    It has no run of its own in the trace.
    """

    def __init__(self, chain: Runnable[Any, Any], pair: ChatCalls, decision: Decision) -> None:
        self._chain, self._pair, self._decision = chain, pair, decision

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        if self._pair.rate_limiter:
            self._pair.rate_limiter.acquire(blocking=True)
        return self._marked(self._chain.invoke(self._readable(input), config, **kwargs))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        if self._pair.rate_limiter:
            await self._pair.rate_limiter.aacquire(blocking=True)
        return self._marked(await self._chain.ainvoke(self._readable(input), config, **kwargs))

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        if self._pair.rate_limiter:
            self._pair.rate_limiter.acquire(blocking=True)
        chunks = iter(self._chain.stream(self._readable(input), config, **kwargs))
        for first in chunks:
            yield self._marked(first)
            yield from chunks

    async def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        if self._pair.rate_limiter:
            await self._pair.rate_limiter.aacquire(blocking=True)
        chunks = self._chain.astream(self._readable(input), config, **kwargs)
        async with closing_stream(chunks):
            async for first in chunks:
                yield self._marked(first)
                async for chunk in chunks:
                    yield chunk

    def _readable(self, value: Any) -> Any:
        messages = self._pair._convert_input(value).to_messages()
        pair = self._pair
        safe = safe_history(messages, pair._arm(self._decision), self._decision.route, pair._path)
        return value if safe is messages else safe

    def _marked(self, output: Any) -> Any:
        raw = output.get("raw") if isinstance(output, Mapping) else None
        if isinstance(raw, BaseMessage) and KEY not in raw.response_metadata:  # else by a pair that is the arm
            return type(output)({**output, "raw": with_decision(output["raw"], self._decision)})
        return output


def _for_a_look(
    pair: ChatCalls, small: BaseChatModel, schema: Any, options: Mapping[str, Any]
) -> tuple[Runnable[Any, Any] | None, Runnable[Any, Any] | None]:
    """Return small's chain with log-probabilities, where it can be asked for them, and the checker's chain."""
    look, asking, checker = pair._pair.look, None, None
    rest = {name: value for name, value in options.items() if name in ("include_raw", "method", "strict")}
    if look is not None and look.reads_logprobs and asking_for_logprobs(small, {}):
        asking = _checked(
            small.model_copy(update={"logprobs": True}).with_structured_output(schema, **rest), shows_nothing=False
        )
    if pair.checker is not None:
        try:
            checker = pair.checker.with_structured_output(schema, **rest)
        except NotImplementedError:
            checker = pair.checker
    return asking, checker


class _Check(Runnable[Any, Any]):
    """Stands between a model and what parses its answer, which would make something of half an answer.

    It has no run of its own in the trace.

    Args:
        closes: Whether the model's answers are known to say why they end.
        shows_nothing: Whether to hand on an answer with nothing in it: nobody else answers for large.
    """

    def __init__(self, *, closes: bool, shows_nothing: bool) -> None:
        self._closes, self._shows_nothing = closes, shows_nothing

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        self._check(input, ANSWERS.shows(input), ANSWERS.ended(input) is not None)
        return input

    def transform(self, input: Iterator[Any], config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        chunk, shown, ended = None, False, False
        for chunk in input:
            shown, ended = shown or ANSWERS.shows(chunk), ended or ANSWERS.ended(chunk) is not None
            yield chunk
        self._check(chunk, shown, ended)

    async def atransform(
        self, input: AsyncIterator[Any], config: RunnableConfig | None = None, **kwargs: Any
    ) -> AsyncIterator[Any]:
        chunk, shown, ended = None, False, False
        async for chunk in input:
            shown, ended = shown or ANSWERS.shows(chunk), ended or ANSWERS.ended(chunk) is not None
            yield chunk
        self._check(chunk, shown, ended)

    def _check(self, last: Any, shown: bool, ended: bool) -> None:
        if not shown and not self._shows_nothing:
            raise ANSWERS.nothing(last)
        if shown and not ended and self._closes:
            raise ANSWERS.cut()


class _Checked(Around):
    """A model with the check behind it, where the raw message comes beside what is parsed; no run of its own either."""

    def __init__(self, model: Runnable[Any, Any], check: _Check) -> None:
        super().__init__(model)
        self._check = check

    def invoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        return self._check.invoke(self.inner.invoke(input, config, **kwargs))

    async def ainvoke(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Any:
        return self._check.invoke(await self.inner.ainvoke(input, config, **kwargs))

    def stream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Any]:
        return self._check.transform(self.inner.stream(input, config, **kwargs))

    async def astream(self, input: Any, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Any]:
        chunks = self.inner.astream(input, config, **kwargs)
        async with closing_stream(chunks):
            async for chunk in self._check.atransform(chunks):
                yield chunk


def _checked(chain: Runnable[Any, Any], *, shows_nothing: bool) -> Runnable[Any, Any]:
    """Return a chain of a model and a parser with a check between them, also where the raw message is handed on."""
    if not isinstance(chain, RunnableSequence):
        return chain
    raw = chain.first.steps__.get("raw") if isinstance(chain.first, RunnableParallel) else None
    model = model_in(raw or chain.first)
    if model is None:
        return chain
    check = _Check(closes=closes(model), shows_nothing=shows_nothing)
    if raw is not None:
        return RunnableSequence(RunnableParallel(raw=_Checked(raw, check)), *chain.steps[1:], name=chain.name)
    return RunnableSequence(chain.first, check, *chain.steps[1:], name=chain.name)


def _raising(error: NotImplementedError) -> Callable[[Any], Any]:
    def fail(_: Any) -> Any:
        raise error

    return fail
