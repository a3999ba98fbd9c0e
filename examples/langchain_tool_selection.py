"""A LangChain agent with many tools: the small model picks the tools, the router picks the model that uses them.

Both models are stand-ins until they are named: see `models.py`.
"""

from typing import Any

from langchain.agents import create_agent
from langchain.agents.middleware import LLMToolSelectorMiddleware
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool

from hybrid_llm import Router
from langchain_hybrid import HybridRouterMiddleware
from models import chat_models

QUESTIONS = [
    "What is the weather like in Toronto?",
    "What time is it in Toronto?",
    "Find the distance to Toronto on a sphere of radius 6371 km from a point at 12 degrees south and 77 degrees west.",
]


class StandIn(FakeListChatModel):
    """Stands in for a model: picks the tool that the question names, or calls the one that is left."""

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        """Bind the tools, as a model does."""
        return self.bind(tools=[convert_to_openai_tool(each) for each in tools])

    def _generate(self, messages: Any, *args: Any, **kwargs: Any) -> ChatResult:
        if isinstance(messages[-1], ToolMessage):
            return super()._generate(messages, *args, **kwargs)
        function = kwargs["tools"][0]["function"]
        arguments: dict[str, Any] = {"city": "Toronto"}
        if function["name"] == "ToolSelectionResponse":
            arguments = {"tools": [name for name in TOOLS if name.rpartition("_")[2] in messages[-1].text]}
        call = {"name": function["name"], "args": arguments, "id": "call_1"}
        return ChatResult(generations=[ChatGeneration(message=AIMessage("", tool_calls=[call]))])


small, large = chat_models(lambda text: StandIn(responses=[text]), temperature=0)


def get_current_weather(city: str) -> str:
    """Look up the weather in a city."""
    return f"12 degrees and sunny in {city}"


def get_time(city: str) -> str:
    """Look up the time in a city."""
    return f"noon in {city}"


def get_distance(city: str) -> str:
    """Look up how far away a city is."""
    return f"{city} is 6,200 km away"


TOOLS = {tool.__name__: tool for tool in (get_current_weather, get_time, get_distance)}

# The list is the order: first the small model leaves one tool of three, then the router sends what is left of the
# prompt to small or to large. A selection that makes no sense leaves all tools.
selector = LLMToolSelectorMiddleware(model=small, max_tools=1, on_parsing_failure="all")
hybrid = HybridRouterMiddleware(small, large, Router.load(), cost_advantage=0.3)
agent = create_agent(large, tools=list(TOOLS.values()), middleware=[selector, hybrid])

print("\nThe tools are picked by the small model, whoever answers:")
for question in QUESTIONS:
    state = agent.invoke({"messages": [HumanMessage(question)]})
    used = [message.name for message in state["messages"] if isinstance(message, ToolMessage)]
    route = state["hybrid"]["route"]
    print(f"  {route}  {question}\n      {', '.join(map(str, used)) or 'no tool'}: {state['messages'][-1].text}")
