"""The router chain: one step of a chain, answered by the small or by the large arm."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from typing import TYPE_CHECKING, Any, Literal

from langchain_core.callbacks import AsyncCallbackManagerForChainRun, CallbackManagerForChainRun
from langchain_core.runnables import Runnable, RunnableConfig, RunnableSerializable
from langchain_core.runnables.base import RunnableLike
from langchain_core.runnables.graph import Graph
from langchain_core.runnables.utils import ConfigurableFieldSpec, Input, Output, get_unique_config_specs
from langchain_core.utils.pydantic import TypeBaseModel
from pydantic import ConfigDict, Field, PrivateAttr

from hybrid_llm.decision import Decision, Route
from hybrid_llm.dispatch import Decided, PairState, Request, split_options
from langchain_hybrid._answers import model_in
from langchain_hybrid._capabilities import pair_of
from langchain_hybrid._ends import heard_to_the_end, hides_ends
from langchain_hybrid._messages import LAST_HUMAN, request_of
from langchain_hybrid._options import CONFIG_SPECS, read_options
from langchain_hybrid._private import uncached
from langchain_hybrid._runs import as_arm, closing_stream, configs_of, read_each
from langchain_hybrid._settings import settings_for
from langchain_hybrid._trace import Run, child_config, with_decision

if TYPE_CHECKING:
    from hybrid_llm.dispatch import Pair, RuleLike


class RunnableHybrid(RunnableSerializable[Input, Output]):
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
        private: Whether no request may leave the machine, or a function that says so of each text of a request. Small
            answers a private request, or nobody does; see ``docs/private.md``.
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
    ignore_tags: Sequence[str] = ()
    observers: Sequence[Any] = Field(default=(), exclude=True, repr=False)
    private: bool | Callable[[str], bool] = Field(default=False, exclude=True, repr=False)
    local_hosts: Sequence[str] = ()
    trace_private: bool = False
    rules: Sequence[Any] = Field(default=(), exclude=True, repr=False)
    stay: str | None = None
    shadow: bool = False
    # a field, so that what LangChain copies field by field keeps its breakers and its switch
    state: Any = Field(default=None, exclude=True, repr=False)

    model_config = ConfigDict(arbitrary_types_allowed=True)
    _pair: Pair = PrivateAttr()
    _hiding: frozenset[str] = PrivateAttr(default=frozenset())

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
            "private": private,
            "local_hosts": local_hosts,
            "trace_private": trace_private,
            "rules": rules,
            "stay": stay,
            "shadow": shadow,
        }
        arms = {"small": as_arm("small", small), "large": as_arm("large", large)}
        pair = pair_of(arms["small"], arms["large"], router, state or PairState(), options)
        fields: dict[str, Any] = {"router": pair.router, "state": pair.state, "query": query, "name": name}
        super().__init__(**{**arms, **options, **fields})
        self._pair = pair
        self._hiding = frozenset(side for side, arm in arms.items() if hides_ends(arm))

    @property
    def force(self) -> Route | None:
        """The switch: where everything goes from now on, in all copies; ``None`` leaves it to the router."""
        return self._pair.force

    @force.setter
    def force(self, route: Route | None) -> None:
        self._pair.force = route

    def invoke(
        self,
        input: Input,
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Output:
        """Decide, and return what the chosen arm answers."""
        options, rest = split_options(kwargs)
        return self._invoke(input, config, rest, lambda config: self._request(input, config, options))

    async def ainvoke(
        self,
        input: Input,
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Output:
        """Do what :meth:`invoke` does; the scoring does not block the event loop."""
        options, rest = split_options(kwargs)
        return await self._ainvoke(input, config, rest, lambda config: self._request(input, config, options))

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
                child = self._child(config, run_manager, decision)
                with self._heard(child, decision):
                    yield from self._arm(decision).stream(value, child, **self._said(decision, rest))

            chunks = self._pair.stream(self._request(value, config, options), ask)
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

            async def ask(decision: Decision) -> AsyncIterator[Output]:
                child = self._child(config, run_manager, decision)
                with self._heard(child, decision):
                    chunks = self._arm(decision).astream(value, child, **self._said(decision, rest))
                    async with closing_stream(chunks):
                        async for chunk in chunks:
                            yield chunk

            chunks = self._pair.astream(self._request(value, config, options), ask)
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
        configs = configs_of(config, inputs)
        return self._pair.batch(
            read_each(lambda value, config: self._request(value, config, options), inputs, configs),
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
        options, rest = split_options(kwargs)
        configs = configs_of(config, inputs)
        return await self._pair.abatch(
            read_each(lambda value, config: self._request(value, config, options), inputs, configs),
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
            def ask(decision: Decision) -> Output:
                child = self._child(config, run_manager, decision)
                with self._heard(child, decision):
                    return self._arm(decision).invoke(value, child, **self._said(decision, kwargs))

            return with_decision(*self._pair.call(read(config), ask))

        return self._call_with_config(answer, value, config)

    async def _ainvoke(
        self,
        value: Input,
        config: RunnableConfig | None,
        kwargs: dict[str, Any],
        read: Callable[[RunnableConfig], Request | Decided],
    ) -> Output:
        async def answer(value: Input, run_manager: AsyncCallbackManagerForChainRun, config: RunnableConfig) -> Output:
            async def ask(decision: Decision) -> Output:
                child = self._child(config, run_manager, decision)
                with self._heard(child, decision):
                    return await self._arm(decision).ainvoke(value, child, **self._said(decision, kwargs))

            return with_decision(*await self._pair.acall(read(config), ask))

        return await self._acall_with_config(answer, value, config)

    def _heard(self, child: RunnableConfig, decision: Decision) -> AbstractContextManager[None]:
        return heard_to_the_end(child, decision) if decision.route in self._hiding else nullcontext()

    def _arm(self, decision: Decision) -> Runnable[Input, Output]:
        arm = self.small if decision.route == "small" else self.large
        return uncached(arm) if decision.private else arm

    def _said(self, decision: Decision, kwargs: dict[str, Any]) -> dict[str, Any]:
        return settings_for(self._pair, decision.route, self._arm(decision), kwargs) if kwargs else kwargs

    def _child(self, config: RunnableConfig, run: Run, decision: Decision) -> RunnableConfig:
        return child_config(config, run, decision)

    def _request(self, value: Input, config: RunnableConfig, options: dict[str, Any]) -> Request:
        model = model_in(self.small)
        return request_of(value, read_options(options, config, model.callbacks if model else None), query=self.query)

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
