"""LangChain's own slot for a router, and OpenAI's, with our router in it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import pytest
from langchain.agents import create_agent
from langgraph.checkpoint.memory import InMemorySaver

from hybrid_llm import Router, private
from hybrid_llm.errors import ConfigError, LevelError, PrivateError
from hybrid_llm.testing import FixedScorer
from langchain_hybrid.testing import FakeChatModel

if tuple(map(int, version("langchain-core").split(".")[:2])) < (1, 8):
    pytest.skip("decision models need langchain-core 1.8 or later", allow_module_level=True)

from langchain.agents.middleware import ModelChoice, ModelRouterMiddleware
from langchain_core.decisions import Choice, Noul, Score
from langchain_core.messages import HumanMessage
from langchain_openai import decisions as of_openai
from langchain_openai.middleware import ModelChoice as OpenAIModelChoice
from langchain_openai.middleware import OpenAIModelRouterMiddleware

from langchain_hybrid import HybridDecisionModel

pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.beta_decorator.LangChainBetaWarning")
SCORES = {"easy": 0.9, "hard": 0.2}
WHICH = Choice(instructions="Which model?", criteria={"small": "easy tasks", "large": "hard tasks"})
IS_EASY = Noul(instructions="Can the small model answer as well?")


def asked(text: Any, **questions: Any) -> dict[str, Any]:
    return {"state": text, "questions": questions or {"route": WHICH}}


def decider(scorer: Any = None, **options: Any) -> HybridDecisionModel:
    return HybridDecisionModel(scorer or FixedScorer(SCORES), **{"threshold": 0.5, **options})


async def ways(model: HybridDecisionModel, texts: Sequence[str], config: Any = None) -> list[list[Any]]:
    """Return the answers by each way to run the model."""
    inputs: list[Any] = [asked(text) for text in texts]
    return [
        [model.invoke(one, config) for one in inputs],
        [await model.ainvoke(one, config) for one in inputs],
        model.batch(inputs, config),
        await model.abatch(inputs, config),
    ]


async def test_a_choice_is_what_the_level_says_and_a_noul_is_the_score() -> None:
    for easy, hard in await ways(decider(), ["easy", "hard"]):
        assert [one.choices["route"].choice for one in (easy, hard)] == ["small", "large"]
        assert hard.choices["route"].probabilities == {"small": 0.2, "large": 0.8}
        assert hard.choices["route"].confidence == 0.8
    answer = decider().invoke(asked([HumanMessage("hard")], easy=IS_EASY, route=WHICH))
    assert (answer.nouls["easy"].noul, answer.choices["route"].choice) == (0.2, "large")


async def test_a_request_chooses_its_own_level_and_a_batch_is_scored_in_one_pass() -> None:
    chosen = {"configurable": {"hybrid_threshold": 0.1}}
    for answers in await ways(decider(), ["hard"], chosen):
        assert answers[0].choices["route"].choice == "small"
    scorer = FixedScorer(SCORES)
    assert len(decider(scorer).batch([asked("easy"), asked("hard"), asked("easy")])) == 3
    assert len(scorer.calls) == 1
    with pytest.raises(LevelError, match="not for requests to choose"):
        decider(allowed=(0.4, 0.6)).invoke(asked("hard"), chosen)


async def test_the_official_middleware_works_with_our_router() -> None:
    small, large = FakeChatModel(model="small"), FakeChatModel(model="large")
    middleware = ModelRouterMiddleware(
        choices={"large": ModelChoice(large, "hard tasks"), "small": ModelChoice(small, "easy tasks")},
        instructions="Which model?",
        classifier=decider(),
    )
    agent = create_agent(large, middleware=[middleware])
    states = [agent.invoke({"messages": [("user", text)]}) for text in SCORES]
    states += [await agent.ainvoke({"messages": [("user", text)]}) for text in SCORES]
    assert [state["messages"][-1].text for state in states] == ["from small", "from large"] * 2
    assert states[0]["model_route"].probabilities["small"] == 0.9
    state = agent.invoke({"messages": [("user", "hard")]}, {"configurable": {"hybrid_threshold": 0.0}})
    assert state["messages"][-1].text == "from small"


async def test_the_middleware_of_openai_works_with_our_router_and_its_state_can_be_stored() -> None:
    small, large = FakeChatModel(model="small"), FakeChatModel(model="large")
    middleware = OpenAIModelRouterMiddleware(
        choices={"small": OpenAIModelChoice(small, "easy tasks"), "large": OpenAIModelChoice(large, "hard tasks")},
        instructions="Which model?",
        model=decider(),  # type: ignore[arg-type]
    )
    agent = create_agent(large, middleware=[middleware], checkpointer=InMemorySaver())
    thread: Any = {"configurable": {"thread_id": "1"}}
    for text, name in (("easy", "from small"), ("hard", "from large")):
        assert agent.invoke({"messages": [("user", text)]}, thread)["messages"][-1].text == name
        assert (await agent.ainvoke({"messages": [("user", text)]}, thread))["messages"][-1].text == name
    question = of_openai.Predicate(instructions="Is it easy?")
    answer: Any = decider().invoke({"input": "easy", "questions": {"easy": question}})  # type: ignore[typeddict-item]
    assert answer.predicates["easy"].probability == 0.9


@pytest.mark.parametrize(
    "question",
    [
        Score(instructions="How hard?", criteria=["easy", "hard"]),
        Choice(instructions="Which?", criteria={"fast": None, "powerful": None}),
        Choice(instructions="Which?", criteria={"small": None, "large": None, "huge": None}),
    ],
    ids=["score", "other names", "three"],
)
def test_a_question_that_no_router_answers_is_refused_with_what_to_do(question: Any) -> None:
    with pytest.raises(ValueError, match=r"'q' .* is none that a router answers.*labels="):
        decider().invoke(asked("easy", q=question))
    answers = decider().batch([asked("easy", q=question), asked("hard")], return_exceptions=True)
    assert isinstance(answers[0], ValueError)
    assert answers[1].choices["route"].choice == "large"


def test_models_of_other_names_are_named_small_first() -> None:
    question = Choice(instructions="Which?", criteria={"powerful": None, "fast": None})
    answer = decider(labels=("fast", "powerful")).invoke(asked("easy", q=question)).choices["q"]
    assert (answer.choice, answer.probabilities) == ("fast", pytest.approx({"fast": 0.9, "powerful": 0.1}))
    with pytest.raises(ConfigError, match="two names: that of the small model"):
        decider(labels=("fast", "fast"))


def test_private_requests_choose_small_where_the_user_says_that_it_is_local() -> None:
    model = decider(local_hosts=["*"], private=lambda text: "salary" in text)
    answer = model.invoke(asked("my salary", route=WHICH, easy=IS_EASY))
    assert (answer.choices["route"].choice, answer.nouls["easy"].noul) == ("small", 1.0)
    with private():
        assert model.invoke(asked("hard")).choices["route"].choice == "small"
        with pytest.raises(PrivateError, match=r"local_hosts=\['\*'\]"):
            decider().invoke(asked("hard"))


def test_an_image_a_rule_and_the_switch_choose_too() -> None:
    image = HumanMessage([{"type": "text", "text": "easy"}, {"type": "image", "url": "https://a.example/b.png"}])
    assert decider().invoke(asked(image)).choices["route"].choice == "large"
    assert decider(rules=[("proof", "large")]).invoke(asked("easy proof")).choices["route"].choice == "large"
    model = decider()
    model.force = "large"
    assert model.invoke(asked("easy")).choices["route"].choice == "large"


def test_the_shipped_router_answers_and_the_trace_names_it() -> None:
    router = Router.load()
    model = HybridDecisionModel(router, cost_advantage=0.5)
    seen: list[Any] = []
    config: Any = {"callbacks": [], "metadata": {"mine": 1}}
    seen.append(model._traced_config(config)["metadata"])
    assert seen[0]["ls_provider"] == "hybrid"
    assert router.id in seen[0]["ls_model_name"]
    assert model.invoke(asked("What is the capital of France?")).choices["route"].choice in ("small", "large")
