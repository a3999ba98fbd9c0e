"""The router chain: one step of a chain, answered by the small or by the large arm."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, cast

from langchain_core.callbacks import AsyncCallbackManagerForChainRun, CallbackManagerForChainRun
from langchain_core.runnables import Runnable, RunnableConfig
from langchain_core.runnables.base import RunnableLike
from langchain_core.runnables.utils import Input, Output
from pydantic import Field

from hybrid_llm.decision import Decision, Route
from hybrid_llm.dispatch import Attempts, Decided, PairState, Request, asked_in, model_named, split_options
from langchain_hybrid._capabilities import pair_of
from langchain_hybrid._ends import hides_ends
from langchain_hybrid._messages import LAST_HUMAN, request_of
from langchain_hybrid._options import read_options
from langchain_hybrid._private import callbacks_of
from langchain_hybrid._readers import ReadCalls
from langchain_hybrid._runs import as_arm, closing_stream, configs_of, read_each
from langchain_hybrid._trace import MarksStream, Run, with_decision
from langchain_hybrid._two_arms import TwoArms
from langchain_hybrid._usage import hides_usage

if TYPE_CHECKING:
    from hybrid_llm.dispatch import RuleLike
    from langchain_hybrid._held_chain import HeldChain, Reads


class RunnableHybrid(TwoArms[Input, Output]):
    """Sends each input to the small arm or to the large one, before either is called.

    The router scores the query, the level says from which score on small answers, and the chosen arm gets the
    input, the config and the keyword arguments as they are (settings of a call in the words of its class, where it is
    a chat model of Ollama's or OpenAI's). The arm's run in the trace is tagged ``route:small`` or
    ``route:large`` and has the decision in its metadata under ``hybrid``; a chat message that comes back has it in
    ``response_metadata["hybrid"]`` (the first chunk of a stream).

    A request chooses its own level by ``hybrid.bind(quality=0.9)``, ``invoke(x, quality=0.9)`` or
    ``config={"configurable": {"hybrid_quality": 0.9}}`` (the keyword comes before the config, the config before the
    constructor); ``hybrid_cost_advantage`` and ``hybrid_threshold`` likewise. ``route="small"`` or ``"large"``
    forces, and ``{"configurable": {"hybrid_query": text}}`` scores that text instead of the input.

    When small cannot be reached before its first token, large answers (``reason="fallback"``); after three failures
    in a row small is left alone for 30 s (``"cooldown"``). A short follow-up in a conversation keeps the decision of
    the turn before, and a chat model gets no image, file or prompt that its profile says it cannot read.

    ``batch`` and ``abatch`` score all inputs in one pass; ``batch_as_completed`` scores each by itself.

    Args:
        small: The cheap arm: a chat model, a chain, any runnable, or what can be made one (a function, a dict).
        large: The strong arm; it takes the same input.
        router: A ``hybrid_llm.Router``, the path of a router folder, or an object with ``score(queries)`` and ``id``.
        quality: Share of the large arm's quality to keep, in (0, 1].
        cost_advantage: Share of queries to send to small, in [0, 1].
        threshold: The score from which on small answers, in [0, 2]. At most one of these three; without any, the
            router's default level.
        query: The text to score: ``"last_human"`` (the input itself when it is a string, else its last human
            message), ``"conversation"`` (all that was said), a key of the input, or a function of the input.
        allowed: The range that requests may choose their level from, in the units of the level above; a route can
            then be forced only if always-small or always-large lies in it. ``None`` leaves them free.
        fallback_to_large: Whether large answers when small is down.
        fallback_to_small: Whether small answers when large is down.
        small_timeout: Seconds that small has until its first token; ``None`` waits as long as the arm does.
        ignore_tags: Names of tags whose blocks are not scored, such as the environment that an editor appends.
        observers: Who is told of each request: functions of a ``hybrid_llm.event.RequestEvent``, or observers.
        prices: Dollars for a million tokens (read, written) by the name of a model, where they are not known anyway.
        second_look: ``True`` for the look that the router was trained with, ``"logprobs"`` or ``"agreement"`` for one
            that needs no training: small's answer is held back until it was looked at, and where it is not good enough
            large answers.
        checker: A third arm, as cheap as small, whose final answer is compared with small's.
        check: A function of the query and small's answer; ``False`` has large answer instead, with a look or alone.
        look_timeout: Seconds that an answer which is held back has as a whole.
        read: Makes a text, or a ``hybrid_llm.Answer``, of what an arm returns; needed where that is neither a message
            nor a text.
        private: Whether no request may leave the machine, or a function that says so of each text of a request. Small
            answers a private request, or nobody does; see ``docs/guide/private.md``.
        local_hosts: Hosts of yours where small may run for private requests, beside this machine; ``"*"`` for any.
        trace_private: Whether a private request is answered although a hosted tracer (LangSmith) is on.
        rules: Pairs of a regular expression, or a function of the query, and the arm that it goes to: ``"small"`` or
            ``"large"``. They come before the score.
        stay: ``"conversation"`` keeps a conversation on the arm that it began with.
        shadow: Whether large answers everything, and observers hear what would have been decided.
        state: What copies share; see ``hybrid_llm.dispatch.PairState``.
        name: Name of the run in the trace.

    Raises:
        TypeError: An arm is missing or a string, or ``router`` is nothing that scores.
        LevelError: Two levels, one out of range, or one that this router has no thresholds for.
        ConfigError: ``small_timeout`` is not positive.

    Example:
        >>> from hybrid_llm.testing import FixedScorer
        >>> scorer = FixedScorer({"2+2?": 0.9}, default=0.1)
        >>> hybrid = RunnableHybrid(lambda q: "small: 4", lambda q: "large: so ...", scorer, threshold=0.5)
        >>> hybrid.batch(["2+2?", "Prove it."])
        ['small: 4', 'large: so ...']
    """

    router: Any = Field(exclude=True, repr=False)
    quality: float | None = None
    cost_advantage: float | None = None
    threshold: float | None = None
    query: str | Callable[[Any], str] = LAST_HUMAN
    allowed: tuple[float, float] | None = None
    fallback_to_large: bool = True
    fallback_to_small: bool = False
    small_timeout: float | None = None
    ignore_tags: Sequence[str] = ()
    observers: Sequence[Any] = Field(default=(), exclude=True, repr=False)
    prices: Mapping[str, Any] | None = None
    second_look: bool | str = False
    checker: Runnable[Input, Any] | None = None
    check: Any = Field(default=None, exclude=True, repr=False)
    look_timeout: float | None = None
    read: Any = Field(default=None, exclude=True, repr=False)
    private: bool | Callable[[str], bool] = Field(default=False, exclude=True, repr=False)
    local_hosts: Sequence[str] = ()
    trace_private: bool = False
    rules: Sequence[Any] = Field(default=(), exclude=True, repr=False)
    stay: str | None = None
    shadow: bool = False
    # a field, so that what LangChain copies field by field keeps its breakers and its switch
    state: Any = Field(default=None, exclude=True, repr=False)

    def __init__(
        self,
        small: RunnableLike[Input, Output],
        large: RunnableLike[Input, Output],
        router: Any,
        *,
        quality: float | None = None,
        cost_advantage: float | None = None,
        threshold: float | None = None,
        query: str | Callable[[Any], str] = LAST_HUMAN,
        allowed: tuple[float, float] | None = None,
        fallback_to_large: bool = True,
        fallback_to_small: bool = False,
        small_timeout: float | None = None,
        ignore_tags: Sequence[str] = (),
        observers: Sequence[Any] = (),
        prices: Mapping[str, Any] | None = None,
        second_look: bool | str = False,
        checker: RunnableLike[Input, Any] | None = None,
        check: Callable[[str, str], object] | None = None,
        look_timeout: float | None = None,
        read: Reads | None = None,
        private: bool | Callable[[str], bool] = False,
        local_hosts: Sequence[str] = (),
        trace_private: bool = False,
        rules: Sequence[RuleLike] = (),
        stay: Literal["conversation"] | None = None,
        shadow: bool = False,
        state: PairState | None = None,
        name: str | None = None,
    ) -> None:
        """Check the arms, the router and the level."""
        options: dict[str, Any] = {
            "quality": quality,
            "cost_advantage": cost_advantage,
            "threshold": threshold,
            "allowed": allowed,
            "fallback_to_large": fallback_to_large,
            "fallback_to_small": fallback_to_small,
            "small_timeout": small_timeout,
            "ignore_tags": ignore_tags,
            "observers": observers,
            "prices": prices,
            "second_look": second_look,
            "check": check,
            "look_timeout": look_timeout,
            "private": private,
            "local_hosts": local_hosts,
            "trace_private": trace_private,
            "rules": rules,
            "stay": stay,
            "shadow": shadow,
        }
        arms = {"small": as_arm("small", small), "large": as_arm("large", large)}
        other = None if checker is None else as_arm("checker", checker)
        pair = pair_of(arms["small"], arms["large"], router, state or PairState(), options, other)
        fields: dict[str, Any] = {"router": pair.router, "state": pair.state, "query": query, "name": name}
        fields |= {"checker": other, "read": read}
        super().__init__(**{**arms, **options, **fields})
        self._pair = pair
        self._hiding = frozenset(side for side, arm in arms.items() if hides_ends(arm))
        self._chains = frozenset(side for side, arm in arms.items() if hides_usage(arm))

    @property
    def force(self) -> Route | None:
        """The switch: where everything goes from now on, in all copies; ``None`` leaves it to the router."""
        return self._pair.force

    @force.setter
    def force(self, route: Route | None) -> None:
        self._pair.force = route

    def invoke(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Output:
        """Decide, and return what the chosen arm answers."""
        rest = split_options(kwargs)[1]
        return self._invoke(input, config, rest, lambda config: self._request(input, config, kwargs))

    async def ainvoke(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Output:
        """Do what :meth:`invoke` does; the scoring does not block the event loop."""
        rest = split_options(kwargs)[1]
        return await self._ainvoke(input, config, rest, lambda config: self._request(input, config, kwargs))

    def stream(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> Iterator[Output]:
        """Decide, then yield the chunks of the chosen arm as they come."""
        rest = split_options(kwargs)[1]

        def answer(
            inputs: Iterator[Input], run_manager: CallbackManagerForChainRun, config: RunnableConfig
        ) -> Iterator[Output]:
            value, attempts = next(inputs), ReadCalls()
            held = self._held(value, config, run_manager, rest, attempts)

            def ask(decision: Decision) -> Iterator[Output]:
                if decision.held:
                    yield from held.stream(decision)
                    return
                child = self._child(config, run_manager, decision)
                with self._watched(child, decision, attempts):
                    yield from self._arm(decision).stream(value, child, **self._said(decision, rest))

            marks = MarksStream[Output](attempts)
            request = self._request(value, config, kwargs)
            chunks = self._pair.stream(request, ask, attempts, read=held.read, checker=held.check)
            with attempts.readers.raising(), closing(chunks):
                for chunk, decision in chunks:
                    yield from marks.of(held.shown(chunk, decision), decision)
            yield from marks.end()

        yield from self._transform_stream_with_config(iter([input]), answer, config)

    async def astream(self, input: Input, config: RunnableConfig | None = None, **kwargs: Any) -> AsyncIterator[Output]:
        """Do what :meth:`stream` does; the scoring does not block the event loop."""
        rest = split_options(kwargs)[1]

        async def inputs() -> AsyncIterator[Input]:
            yield input

        async def answer(
            inputs: AsyncIterator[Input], run_manager: AsyncCallbackManagerForChainRun, config: RunnableConfig
        ) -> AsyncIterator[Output]:
            value, attempts = await anext(inputs), ReadCalls()
            held = self._held(value, config, run_manager, rest, attempts)

            async def ask(decision: Decision) -> AsyncIterator[Output]:
                if decision.held:
                    async for chunk in held.astream(decision):
                        yield chunk
                    return
                child = self._child(config, run_manager, decision)
                with self._watched(child, decision, attempts):
                    chunks = self._arm(decision).astream(value, child, **self._said(decision, rest))
                    async with closing_stream(chunks):
                        async for chunk in chunks:
                            yield chunk

            marks = MarksStream[Output](attempts)
            request = self._request(value, config, kwargs)
            chunks = self._pair.astream(request, ask, attempts, read=held.read, checker=held.acheck)
            with attempts.readers.raising():
                async with closing_stream(chunks):
                    async for chunk, decision in chunks:
                        for one in marks.of(held.shown(chunk, decision), decision):
                            yield one
            for one in marks.end():
                yield one

        chunks = self._atransform_stream_with_config(inputs(), answer, config)
        async with closing_stream(chunks):
            async for chunk in chunks:
                yield chunk

    def batch(
        self,
        inputs: list[Input],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Output]:
        """Score all inputs in one pass, then let the arms answer in parallel (``max_concurrency`` of the config).

        Each input has its own config, and so its own level. An input that makes no sense stops the batch before
        any arm is called; with ``return_exceptions`` its error takes its place in the list.
        """
        rest = split_options(kwargs)[1]
        configs = configs_of(config, inputs)
        return self._pair.batch(
            read_each(lambda value, config: self._request(value, config, kwargs), inputs, configs),
            list(zip(inputs, configs, strict=True)),
            call=lambda decided, asked: self._invoke(*asked, rest, lambda _: decided),
            max_workers=configs[0].get("max_concurrency") if configs else None,
            return_exceptions=return_exceptions,
        )

    async def abatch(
        self,
        inputs: list[Input],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Output]:
        """Do what :meth:`batch` does; the scoring does not block the event loop."""
        rest = split_options(kwargs)[1]
        configs = configs_of(config, inputs)
        return await self._pair.abatch(
            read_each(lambda value, config: self._request(value, config, kwargs), inputs, configs),
            list(zip(inputs, configs, strict=True)),
            call=lambda decided, asked: self._ainvoke(*asked, rest, lambda _: decided),
            max_workers=configs[0].get("max_concurrency") if configs else None,
            return_exceptions=return_exceptions,
        )

    def _invoke(
        self,
        value: Input,
        config: RunnableConfig | None,
        kwargs: dict[str, Any],
        read: Callable[[RunnableConfig], Request | Decided],
    ) -> Output:
        def answer(value: Input, run_manager: CallbackManagerForChainRun, config: RunnableConfig) -> Output:
            attempts = ReadCalls()
            held = self._held(value, config, run_manager, kwargs, attempts)

            def ask(decision: Decision) -> Output:
                if decision.held:
                    return cast("Output", held.invoke(decision))
                child = self._child(config, run_manager, decision)
                with self._watched(child, decision, attempts):
                    return self._arm(decision).invoke(value, child, **self._said(decision, kwargs))

            with attempts.readers.raising():
                found, came = self._pair.call(read(config), ask, attempts, read=held.read, checker=held.check)
            return with_decision(held.shown(found, came), came, attempts)

        return self._call_with_config(answer, value, config)

    async def _ainvoke(
        self,
        value: Input,
        config: RunnableConfig | None,
        kwargs: dict[str, Any],
        read: Callable[[RunnableConfig], Request | Decided],
    ) -> Output:
        async def answer(value: Input, run_manager: AsyncCallbackManagerForChainRun, config: RunnableConfig) -> Output:
            attempts = ReadCalls()
            held = self._held(value, config, run_manager, kwargs, attempts)

            async def ask(decision: Decision) -> Output:
                if decision.held:
                    return cast("Output", await held.ainvoke(decision))
                child = self._child(config, run_manager, decision)
                with self._watched(child, decision, attempts):
                    return await self._arm(decision).ainvoke(value, child, **self._said(decision, kwargs))

            with attempts.readers.raising():
                found, came = await self._pair.acall(read(config), ask, attempts, read=held.read, checker=held.acheck)
            return with_decision(held.shown(found, came), came, attempts)

        return await self._acall_with_config(answer, value, config)

    def _held(
        self, value: Input, config: RunnableConfig, run: Run, kwargs: dict[str, Any], attempts: Attempts
    ) -> HeldChain:
        """Return the call of small whose answer is held back."""
        from langchain_hybrid._held_chain import HeldChain  # loaded at the first call

        return HeldChain(
            self._pair,
            value,
            self._arm,
            lambda decision: self._child(config, run, decision),
            lambda decision: self._said(decision, kwargs),
            lambda child, decision: self._heard(child, decision, attempts),
            self.checker,
            self.read,
        )

    def _request(self, value: Input, config: RunnableConfig, kwargs: Mapping[str, Any]) -> Request:
        options, rest = split_options(kwargs)
        chosen = read_options(options, config, callbacks_of(self.small, self.checker), self._within)
        return replace(
            request_of(value, chosen, query=self.query), asked={**asked_in(rest), "model": model_named(rest)}
        )
