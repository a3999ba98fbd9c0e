"""Each part for LangChain leaves out of the score what an editor appended, and hands it on to the model."""

from langchain.agents import create_agent
from langchain_core.messages import HumanMessage

from hybrid_llm.testing import FixedScorer
from langchain_hybrid import ChatHybrid, HybridRouterMiddleware, RunnableHybrid
from langchain_hybrid.testing import FakeChatModel

SCORER = FixedScorer({"Why is the sky blue?": 0.9}, default=0.1)
DETAILS = {"type": "text", "text": "<environment_details>src/a.py</environment_details>"}
MESSAGE = HumanMessage([{"type": "text", "text": "Why is the sky blue?"}, DETAILS])
OPTIONS = {"threshold": 0.5, "ignore_tags": ["environment_details"]}


def arms():
    return FakeChatModel(model="small"), FakeChatModel(model="large")


def test_a_chat_model():
    small, large = arms()
    answer = ChatHybrid(small, large, SCORER, **OPTIONS).invoke([MESSAGE])
    assert answer.text == "from small"


async def test_a_chat_model_without_blocking():
    small, large = arms()
    assert (await ChatHybrid(small, large, SCORER, **OPTIONS).ainvoke([MESSAGE])).text == "from small"


def test_a_copy_of_a_chat_model_keeps_the_tags():
    small, large = arms()
    assert ChatHybrid(small, large, SCORER, **OPTIONS).model_copy().invoke([MESSAGE]).text == "from small"


def test_a_runnable():
    assert RunnableHybrid(*arms(), SCORER, **OPTIONS).invoke([MESSAGE]).text == "from small"


def test_an_agent():
    small, large = arms()
    agent = create_agent(large, middleware=[HybridRouterMiddleware(small, large, SCORER, **OPTIONS)])
    assert agent.invoke({"messages": [MESSAGE]})["messages"][-1].text == "from small"
