"""A LangChain agent with a tool: each run is answered by a small or by a large model, and keeps to it.

Both models are stand-ins until they are named: see `models.py`.
"""

from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langgraph.checkpoint.memory import InMemorySaver

from hybrid_llm import Router
from langchain_hybrid import HybridRouterMiddleware
from models import chat_models

QUESTIONS = [
    "What is the weather like in Toronto?",
    "Is it warmer in Toronto or in Lima today?",
    "Find the degree of the field extension Q(sqrt(2), sqrt(3), sqrt(18)) over Q.",
    "The mean of 12 days in Toronto is 9 degrees, without the coldest day 10. Prove that this day was below zero.",
]


class StandIn(FakeListChatModel):
    """Stands in for a model: calls its tool for Toronto, then answers."""

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        """Bind the tools, as a model does."""
        return self.bind(tools=tools, **kwargs)

    def _generate(self, messages: Any, *args: Any, **kwargs: Any) -> ChatResult:
        if kwargs.get("tools") and isinstance(messages[-1], HumanMessage):
            call = {"name": "get_current_weather", "args": {"city": "Toronto"}, "id": "call_1"}
            return ChatResult(generations=[ChatGeneration(message=AIMessage("", tool_calls=[call]))])
        return super()._generate(messages, *args, **kwargs)


small, large = chat_models(lambda text: StandIn(responses=[text]))


def get_current_weather(city: str) -> str:
    """Look up the weather in a city."""
    return f"12 degrees and sunny in {city}"


def show(question: str, state: dict[str, Any]) -> None:
    """Print who answered, the tools that were called, and the answer."""
    answers = [message for message in state["messages"] if isinstance(message, AIMessage)][-2:]
    tools = [call["name"] for answer in answers for call in answer.tool_calls]
    decision = answers[-1].response_metadata["hybrid"]
    print(f"  {decision['route']} ({decision['reason']})  {question}\n      {', '.join(tools)}: {answers[-1].text}")


# cost_advantage=0.3: of all queries, the 30 % that small answers best go there; quality=0.97 is the other dial.
# The models come without tools bound to them: the agent binds its own to the one that it calls.
hybrid = HybridRouterMiddleware(small, large, Router.load(), cost_advantage=0.3)
agent = create_agent(large, tools=[get_current_weather], middleware=[hybrid], checkpointer=InMemorySaver())

print("\nOne decision for each run of the agent:")
for number, question in enumerate(QUESTIONS):
    thread: Any = {"configurable": {"thread_id": f"question {number}"}}
    show(question, agent.invoke({"messages": [HumanMessage(question)]}, thread))

print("\nA request with a level of its own, and one that forces its route:")
for number, context in enumerate([{"cost_advantage": 1.0}, {"route": "large"}]):
    thread = {"configurable": {"thread_id": f"level {number}"}}
    show(str(context), agent.invoke({"messages": [HumanMessage(QUESTIONS[-1])]}, thread, context=context))

print("\nA follow-up in the last of these conversations stays where it is:")
show("And in Lima?", agent.invoke({"messages": [HumanMessage("And in Lima?")]}, thread))
