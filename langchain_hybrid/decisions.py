"""The decision model: LangChain's own slot for a router, and OpenAI's, filled by ours.

LangChain's ``ModelRouterMiddleware`` (beta) asks a decision model which of its models is to answer a run. It knows
only the user's last message and picks once, so what needs the answer or the arms is out of its reach: no second look,
no failover, no tools that an arm lacks. ``HybridRouterMiddleware`` has these.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

from langchain_core.runnables import RunnableConfig
from langchain_core.runnables.config import ensure_config
from pydantic import ConfigDict, Field, PrivateAttr

from hybrid_llm.decision import Decision, Route
from hybrid_llm.dispatch import Decided, Request, RuleLike
from hybrid_llm.errors import ConfigError, MissingExtraError
from langchain_hybrid._messages import LAST_HUMAN, request_of
from langchain_hybrid._options import CONFIG_SPECS, read_options
from langchain_hybrid._runs import configs_of, read_each

try:
    from langchain_core.decisions import BaseDecisionModel, ClassifierRequest, ClassifierResponse, Question
except ModuleNotFoundError as error:
    raise MissingExtraError(
        "HybridDecisionModel needs langchain-core 1.8 or later: pip install -U 'langchain-core>=1.8'. "
        "HybridRouterMiddleware routes agents with any version."
    ) from error

if TYPE_CHECKING:
    from pathlib import Path

    from hybrid_llm.dispatch import Pair
    from hybrid_llm.router import Router, Scorer

_YES_OR_NO: Final = frozenset({"noul", "predicate"})
"""Types of the questions for a probability, in LangChain's word and in OpenAI's."""


class HybridDecisionModel(BaseDecisionModel):
    """A decision model that a hybrid router answers, on this machine, in milliseconds.

    It is asked whether the small model will do. A ``Noul`` gets p(x), the probability that it will; a ``Choice``
    between the small and the large model gets the one that the level says, with p(x) and 1 - p(x) as the
    probabilities. The instructions and criteria of a question are not read: the router has learned from your models'
    answers what others are told in words. Any other question is refused.

    Requests come in LangChain's form, ``{"state": ..., "questions": ...}``, or in that of ``OpenAIDecisions``,
    ``{"input": ..., "questions": ...}``, and are answered in the same; so it also serves as ``model=`` of
    ``OpenAIModelRouterMiddleware``, whose state a checkpointer can store as it is.

    A request chooses its own level by ``{"configurable": {"hybrid_quality": 0.9}}``, as everywhere else.

    Args:
        router: A ``hybrid_llm.Router``, the path of a router folder, or an object with ``score(queries)`` and ``id``.
        quality: Share of the large model's quality to keep, in (0, 1].
        cost_advantage: Share of queries to send to small, in [0, 1].
        threshold: The score from which on small answers, in [0, 2]. At most one of these three; without any, the
            router's default level.
        labels: What a ``Choice`` calls the small and the large model, in this order.
        allowed: The range that requests may choose their level from, in the units of the level above.
        ignore_tags: Names of tags whose blocks are not scored, such as the environment that an editor appends.
        rules: Pairs of a regular expression, or a function of the query, and ``"small"`` or ``"large"``.
        private: Whether no request may leave the machine, or a function that says so of a text: small is chosen then.
            Nothing tells a decision model where small runs, so say that it is yours: ``local_hosts=["*"]``.
        local_hosts: ``["*"]`` where the small model runs on a machine of yours.
        trace_private: Whether a private request is decided although a hosted tracer (LangSmith) is on.
        query: The text to score: ``"last_human"``, ``"conversation"``, a key of the state, or a function of it.

    Raises:
        MissingExtraError: LangChain's core is older than 1.8 (when the name is imported).
        LevelError: Two levels, one out of range, or one that this router has no thresholds for.
        ConfigError: ``labels`` are not two different words.

    Example:
        >>> from hybrid_llm.testing import FixedScorer
        >>> from langchain_core.decisions import Choice, Noul
        >>> model = HybridDecisionModel(FixedScorer({"2+2?": 0.9}, default=0.1), threshold=0.5)
        >>> which = Choice(instructions="Which model?", criteria={"small": "easy", "large": "hard"})
        >>> asked = {"state": "2+2?", "questions": {"route": which, "easy": Noul(instructions="Is it easy?")}}
        >>> answer = model.invoke(asked)
        >>> answer.choices["route"].choice, answer.nouls["easy"].noul
        ('small', 0.9)
    """

    labels: tuple[str, str] = ("small", "large")
    query: Any = LAST_HUMAN
    router: Any = Field(exclude=True, repr=False)

    model_config = ConfigDict(arbitrary_types_allowed=True)
    _pair: Pair = PrivateAttr()

    def __init__(
        self,
        router: Router | Scorer | str | Path,
        *,
        quality: float | None = None,
        cost_advantage: float | None = None,
        threshold: float | None = None,
        labels: Sequence[str] = ("small", "large"),
        allowed: Sequence[float] | None = None,
        ignore_tags: Sequence[str] = (),
        rules: Sequence[RuleLike] = (),
        private: bool | Callable[[str], bool] = False,
        local_hosts: Sequence[str] = (),
        trace_private: bool = False,
        query: str | Callable[[Any], str] = LAST_HUMAN,
    ) -> None:
        from hybrid_llm.dispatch import Pair  # with numpy, which importing this package need not wait for

        pair = Pair(
            router,
            quality=quality,
            cost_advantage=cost_advantage,
            threshold=threshold,
            allowed=allowed,
            ignore_tags=ignore_tags,
            rules=rules,
            private=private,
            local_hosts=local_hosts,
            trace_private=trace_private,
        )
        fields: dict[str, Any] = {"router": pair.router, "labels": _checked_labels(labels), "query": query}
        super().__init__(model=f"router:{pair.router.id}", **fields)
        self._pair = pair

    @property
    def force(self) -> Route | None:
        """The switch: what every choice is from now on; ``None`` leaves it to the router."""
        return self._pair.force

    @force.setter
    def force(self, route: Route | None) -> None:
        self._pair.force = route

    @property
    def config_specs(self) -> list[Any]:
        """What ``configurable`` may hold: ``hybrid_quality`` and so on."""
        return list(CONFIG_SPECS)

    @property
    def _provider(self) -> str:
        return "hybrid"

    def batch(
        self,
        inputs: list[ClassifierRequest],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **_: Any,
    ) -> list[ClassifierResponse]:
        """Answer n requests in one scoring pass."""
        configs = configs_of(config, inputs)
        return self._pair.batch(
            read_each(self._request, inputs, configs),
            list(zip(inputs, configs, strict=True)),
            call=lambda decided, asked: self._call_with_config(
                lambda request: self._answered(decided, request), *self._run(asked), run_type="llm"
            ),
            max_workers=1,  # all that takes time is done
            return_exceptions=return_exceptions,
        )

    async def abatch(
        self,
        inputs: list[ClassifierRequest],
        config: RunnableConfig | list[RunnableConfig] | None = None,
        *,
        return_exceptions: bool = False,
        **_: Any,
    ) -> list[ClassifierResponse]:
        """Do what :meth:`batch` does; the scoring does not block the event loop."""
        configs = configs_of(config, inputs)

        async def call(decided: Decided, asked: tuple[Any, RunnableConfig]) -> Any:
            async def answered(request: Any) -> Any:
                return self._answered(decided, request)

            return await self._acall_with_config(answered, *self._run(asked), run_type="llm")

        return await self._pair.abatch(
            read_each(self._request, inputs, configs),
            list(zip(inputs, configs, strict=True)),
            call=call,
            return_exceptions=return_exceptions,
        )

    def _classify_and_record(self, request: Any) -> Any:
        return self._answered(self._pair.decide(self._request(request, ensure_config())), request)

    async def _aclassify_and_record(self, request: Any) -> Any:
        return self._answered(await self._pair.adecide(self._request(request, ensure_config())), request)

    def _classify(self, state: Any, questions: dict[str, Question]) -> ClassifierResponse:
        return cast("ClassifierResponse", self._classify_and_record({"state": state, "questions": questions}))

    def _run(self, asked: tuple[Any, RunnableConfig]) -> tuple[Any, RunnableConfig]:
        return asked[0], self._traced_config(asked[1])

    def _request(self, value: Any, config: RunnableConfig) -> Request:
        """Make the core's request of a decision model's, whose questions can be answered.

        Raises:
            ValueError: Some question cannot.
        """
        for name, question in value["questions"].items():
            self._check(name, question)
        state = value["input"] if "input" in value else value["state"]
        return request_of(state, read_options({}, config), query=self.query)

    def _check(self, name: str, question: Any) -> None:
        if question.type in _YES_OR_NO or (question.type == "choice" and set(_labels(question)) == set(self.labels)):
            return
        small, large = self.labels
        asked = f"between {', '.join(map(repr, _labels(question)))}" if question.type == "choice" else question.type
        raise ValueError(
            f"The question {name!r} ({asked}) is none that a router answers: it takes a Noul, or a Choice between "
            f"{small!r} and {large!r}. Where your two models have other names: labels=(small's name, large's name)."
        )

    def _answered(self, decided: Decided, request: Mapping[str, Any]) -> Any:
        answers = {name: self._answer(question, decided.decision) for name, question in request["questions"].items()}
        response = {"model": self.model, "answers": answers}
        if "input" not in request:
            return ClassifierResponse.model_validate(response)
        (question, *_) = request["questions"].values()
        theirs = importlib.import_module(type(question).__module__)  # that of OpenAI's types, without importing it here
        return theirs.DecisionResponse.model_validate(response)

    def _answer(self, question: Any, decision: Decision) -> dict[str, Any]:
        """Return the answer to a question; a query without a score is one that large is to have, or small."""
        likely = decision.score if decision.score is not None else float(decision.route == "small")
        if question.type == "noul":
            return {"type": "noul", "noul": likely}
        if question.type == "predicate":
            return {"type": "predicate", "probability": likely}
        shares = dict(zip(self.labels, (likely, 1.0 - likely), strict=True))
        chosen = self.labels[decision.route != "small"]
        return {"type": "choice", "choice": chosen, "probabilities": shares, "confidence": shares[chosen]}


def _labels(question: Any) -> list[str]:
    return list(question.criteria if hasattr(question, "criteria") else question.choices)


def _checked_labels(labels: Sequence[str]) -> tuple[str, str]:
    """Return the names of small and large.

    Raises:
        ConfigError: These are not two different words.
    """
    if isinstance(labels, str) or len(labels) != 2 or labels[0] == labels[1]:
        raise ConfigError(f"labels={labels!r} must be two names: that of the small model, then that of the large one.")
    return str(labels[0]), str(labels[1])
