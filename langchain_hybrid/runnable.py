"""The router chain: one step of a chain, answered by the small or by the large arm."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import closing
from typing import Any, cast

from langchain_core.callbacks import AsyncCallbackManagerForChainRun, CallbackManagerForChainRun
from langchain_core.runnables import Runnable, RunnableConfig, RunnableSerializable
from langchain_core.runnables.base import RunnableLike
from langchain_core.runnables.config import get_config_list, get_executor_for_config, run_in_executor
from langchain_core.runnables.graph import Graph
from langchain_core.runnables.utils import (
    ConfigurableFieldSpec,
    Input,
    Output,
    gather_with_concurrency,
    get_unique_config_specs,
)
from langchain_core.utils.pydantic import TypeBaseModel
from pydantic import ConfigDict, Field, PrivateAttr

from hybrid_llm.decision import Decision
from hybrid_llm.dispatch import Request
from langchain_hybrid._messages import LAST_HUMAN, request_of
from langchain_hybrid._options import CONFIG_SPECS, read_options, split_options
from langchain_hybrid._routing import Routing
from langchain_hybrid._runs import (
    as_arm,
    child_config,
    closing_stream,
    decision_of,
    raise_first,
    shows_something,
    with_decision,
)


class RunnableHybrid(RunnableSerializable[Input, Output]):
    """Sends each input to the small arm or to the large one, before either is called.

    The router scores the query, the level says from which score on small answers, and the chosen arm gets the
    input, the config and the keyword arguments as they are. The arm's run in the trace is tagged ``route:small`` or
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

    small: Runnable[Input, Output]
    large: Runnable[Input, Output]
    router: Any = Field(exclude=True, repr=False)
    quality: float | None = None
    cost_advantage: float | None = None
    threshold: float | None = None
    query: str | Callable[[Any], str] = LAST_HUMAN
    allowed: tuple[float, float] | None = None
    fallback_to_large: bool = True
    fallback_to_small: bool = False
    small_timeout: float | None = None
    # a field, so that what LangChain copies field by field keeps its breakers
    failover: Any = Field(default=None, exclude=True, repr=False)

    model_config = ConfigDict(arbitrary_types_allowed=True)
    _routing: Routing = PrivateAttr()

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
        failover: Any = None,
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
        }
        arms = {"small": as_arm("small", small), "large": as_arm("large", large)}
        routing = Routing.of(**arms, router=router, options=options, failover=failover)
        fields: dict[str, Any] = {
            "router": routing.policy.router,
            "failover": routing.failover,
            "query": query,
            "name": name,
        }
        super().__init__(**{**arms, **options, **fields})
        self._routing = routing

    def invoke(
        self,
        input: Input,
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Output:
        """Decide, and return what the chosen arm answers."""
        options, rest = split_options(kwargs)
        return self._invoke(input, config, rest, lambda config: self._decide(input, config, options))

    async def ainvoke(
        self,
        input: Input,
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Output:
        """Do what :meth:`invoke` does; the scoring does not block the event loop."""
        options, rest = split_options(kwargs)
        return await self._ainvoke(input, config, rest, lambda config: self._adecide(input, config, options))

    def stream(
        self,
        input: Input,
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Iterator[Output]:
        """Decide, then yield the chunks of the chosen arm as they come."""
        options, rest = split_options(kwargs)

        def answer(
            inputs: Iterator[Input], run_manager: CallbackManagerForChainRun, config: RunnableConfig
        ) -> Iterator[Output]:
            value = next(inputs)

            def ask(decision: Decision) -> Iterator[Output]:
                return self._arm(decision).stream(value, child_config(config, run_manager, decision), **rest)

            chunks = self._routing.failover.stream(self._decide(value, config, options), ask, shows_something)
            with closing(chunks):
                for first, decision in chunks:
                    yield with_decision(first, decision)
                    yield from (chunk for chunk, _ in chunks)

        yield from self._transform_stream_with_config(iter([input]), answer, config)

    async def astream(
        self,
        input: Input,
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[Output]:
        """Do what :meth:`stream` does; the scoring does not block the event loop."""
        options, rest = split_options(kwargs)

        async def inputs() -> AsyncIterator[Input]:
            yield input

        async def answer(
            inputs: AsyncIterator[Input], run_manager: AsyncCallbackManagerForChainRun, config: RunnableConfig
        ) -> AsyncIterator[Output]:
            value = await anext(inputs)

            def ask(decision: Decision) -> AsyncIterator[Output]:
                return self._arm(decision).astream(value, child_config(config, run_manager, decision), **rest)

            chunks = self._routing.failover.astream(await self._adecide(value, config, options), ask, shows_something)
            async with closing_stream(chunks):
                async for first, decision in chunks:
                    yield with_decision(first, decision)
                    async for chunk, _ in chunks:
                        yield chunk

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
        options, rest = split_options(kwargs)
        configs = get_config_list(config, len(inputs))
        outcomes = self._decide_all(inputs, configs, options)
        raise_first(outcomes, unless=return_exceptions)

        def answer(value: Input, config: RunnableConfig, outcome: Decision | Exception) -> Output | Exception:
            try:
                return self._invoke(value, config, rest, lambda _: decision_of(outcome))
            except Exception as error:
                if return_exceptions:
                    return error
                raise

        with get_executor_for_config(configs[0] if configs else None) as executor:
            return cast("list[Output]", list(executor.map(answer, inputs, configs, outcomes)))

    async def abatch(
        self,
        inputs: list[Input],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **kwargs: Any,
    ) -> list[Output]:
        """Do what :meth:`batch` does; the scoring does not block the event loop."""
        options, rest = split_options(kwargs)
        configs = get_config_list(config, len(inputs))
        outcomes = await run_in_executor(None, self._decide_all, inputs, configs, options)
        raise_first(outcomes, unless=return_exceptions)

        async def answer(value: Input, config: RunnableConfig, outcome: Decision | Exception) -> Output | Exception:
            async def decide(_: RunnableConfig) -> Decision:
                return decision_of(outcome)

            try:
                return await self._ainvoke(value, config, rest, decide)
            except Exception as error:
                if return_exceptions:
                    return error
                raise

        limit = configs[0].get("max_concurrency") if configs else None
        answers = await gather_with_concurrency(limit, *map(answer, inputs, configs, outcomes))
        return cast("list[Output]", answers)

    def _invoke(
        self,
        value: Input,
        config: RunnableConfig | None,
        kwargs: dict[str, Any],
        decide: Callable[[RunnableConfig], Decision],
    ) -> Output:
        def answer(value: Input, run_manager: CallbackManagerForChainRun, config: RunnableConfig) -> Output:
            def ask(decision: Decision) -> Output:
                return self._arm(decision).invoke(value, child_config(config, run_manager, decision), **kwargs)

            output, decision = self._routing.failover.call(decide(config), ask)
            return with_decision(output, decision)

        return self._call_with_config(answer, value, config)

    async def _ainvoke(
        self,
        value: Input,
        config: RunnableConfig | None,
        kwargs: dict[str, Any],
        decide: Callable[[RunnableConfig], Awaitable[Decision]],
    ) -> Output:
        async def answer(value: Input, run_manager: AsyncCallbackManagerForChainRun, config: RunnableConfig) -> Output:
            async def ask(decision: Decision) -> Output:
                return await self._arm(decision).ainvoke(value, child_config(config, run_manager, decision), **kwargs)

            output, decision = await self._routing.failover.acall(await decide(config), ask)
            return with_decision(output, decision)

        return await self._acall_with_config(answer, value, config)

    def _arm(self, decision: Decision) -> Runnable[Input, Output]:
        return self.small if decision.route == "small" else self.large

    def _decide(self, value: Input, config: RunnableConfig, options: dict[str, Any]) -> Decision:
        return decision_of(self._decide_all([value], [config], options)[0])

    async def _adecide(self, value: Input, config: RunnableConfig, options: dict[str, Any]) -> Decision:
        outcome = self._read(value, config, options)
        if isinstance(outcome, Exception):
            raise outcome
        return await self._routing.policy.adecide(outcome)

    def _decide_all(
        self, inputs: list[Input], configs: list[RunnableConfig], options: dict[str, Any]
    ) -> list[Decision | Exception]:
        """Decide all inputs with one scoring pass; the outcome of one that makes no sense is its error."""
        outcomes = [self._read(value, config, options) for value, config in zip(inputs, configs, strict=True)]
        requests = [outcome for outcome in outcomes if isinstance(outcome, Request)]
        decisions = iter(self._routing.policy.decide_many(requests))
        return [next(decisions) if isinstance(outcome, Request) else outcome for outcome in outcomes]

    def _read(self, value: Input, config: RunnableConfig, options: dict[str, Any]) -> Request | Exception:
        try:
            request = request_of(value, read_options(options, config), query=self.query)
            self._routing.policy.check(request)
        except Exception as error:  # noqa: BLE001 - one bad input of a batch is that input's own error
            return error
        return request

    @property
    def InputType(self) -> type[Input]:  # noqa: N802 - LangChain's name
        """The input type of the large arm: both take the same."""
        return self.large.InputType

    @property
    def OutputType(self) -> type[Output]:  # noqa: N802 - LangChain's name
        """The output type of the large arm."""
        return self.large.OutputType

    def get_input_schema(self, config: RunnableConfig | None = None) -> TypeBaseModel:
        """Return the input schema of the large arm: both take the same."""
        return self.large.get_input_schema(config)

    def get_output_schema(self, config: RunnableConfig | None = None) -> TypeBaseModel:
        """Return the output schema of the large arm."""
        return self.large.get_output_schema(config)

    @property
    def config_specs(self) -> list[ConfigurableFieldSpec]:
        """What ``configurable`` may hold: the arms' fields and the level, as ``hybrid_quality`` and so on."""
        return get_unique_config_specs([*self.small.config_specs, *self.large.config_specs, *CONFIG_SPECS])

    def get_graph(self, config: RunnableConfig | None = None) -> Graph:
        """Return the graph with both arms in it."""
        graph = Graph()
        start = graph.add_node(self.get_input_schema(config))
        router = graph.add_node(self)
        end = graph.add_node(self.get_output_schema(config))
        graph.add_edge(start, router)
        for route, arm in (("small", self.small), ("large", self.large)):
            part = arm.get_graph(config)
            part.trim_first_node()
            part.trim_last_node()
            first, last = graph.extend(part, prefix=route)
            graph.add_edge(router, first or end, route, conditional=True)
            if last:
                graph.add_edge(last, end)
        return graph
