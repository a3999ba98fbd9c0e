"""Two arms of a chain as one runnable, in the eyes of the framework: types, schemas, config fields, graph."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from langchain_core.runnables import Runnable, RunnableConfig, RunnableSerializable
from langchain_core.runnables.graph import Graph
from langchain_core.runnables.utils import ConfigurableFieldSpec, Input, Output, get_unique_config_specs
from langchain_core.utils.pydantic import TypeBaseModel
from pydantic import ConfigDict, PrivateAttr

from hybrid_llm.decision import Decision
from hybrid_llm.dispatch import Attempts, Within
from langchain_hybrid._answers import model_in
from langchain_hybrid._ends import heard_to_the_end
from langchain_hybrid._options import CONFIG_SPECS
from langchain_hybrid._private import refuse_other, uncached
from langchain_hybrid._readers import ReadCalls
from langchain_hybrid._settings import settings_for
from langchain_hybrid._trace import Run, child_config
from langchain_hybrid._usage import count_usage
from langchain_hybrid._within import StandsWithin, standing

if TYPE_CHECKING:
    from hybrid_llm.dispatch import Pair


class TwoArms(StandsWithin, RunnableSerializable[Input, Output]):
    """What ``RunnableHybrid`` is besides its verbs."""

    small: Runnable[Input, Output]
    large: Runnable[Input, Output]

    model_config = ConfigDict(arbitrary_types_allowed=True)
    _pair: Pair = PrivateAttr()
    _within: Within | None = PrivateAttr(default=None)
    _hiding: frozenset[str] = PrivateAttr(default=frozenset())
    _chains: frozenset[str] = PrivateAttr(default=frozenset())

    def _arm(self, decision: Decision) -> Runnable[Input, Output]:
        arm = self.small if decision.route == "small" else self.large
        arm = standing(arm, Within.of(decision, self._within))
        return uncached(arm) if decision.private else arm

    def _said(self, decision: Decision, kwargs: dict[str, Any]) -> dict[str, Any]:
        refuse_other(decision, kwargs, model_in(self.small))
        return settings_for(self._pair, decision.route, self._arm(decision), kwargs) if kwargs else kwargs

    @contextmanager
    def _watched(self, child: RunnableConfig, decision: Decision, attempts: ReadCalls) -> Iterator[None]:
        attempts.readers.watch(child)
        with attempts.readers.alone(decision), self._heard(child, decision, attempts):
            yield

    def _heard(self, child: RunnableConfig, decision: Decision, attempts: Attempts) -> AbstractContextManager[None]:
        if decision.route in self._chains:
            count_usage(child, attempts)
        return heard_to_the_end(child, decision) if decision.route in self._hiding else nullcontext()

    def _child(self, config: RunnableConfig, run: Run, decision: Decision) -> RunnableConfig:
        return child_config(config, run, decision)

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
