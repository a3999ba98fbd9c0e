"""One chat model in place of two: as it is, with a tool, and with an answer in a schema.

Both models are stand-ins until they are named: see `models.py`.
"""

from typing import Any

from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool
from langchain_core.utils.function_calling import convert_to_openai_tool
from pydantic import BaseModel

from hybrid_llm import Router
from langchain_hybrid import ChatHybrid
from models import chat_models

EASY = "What is the capital of France?"
HARD = "Find the degree of the field extension Q(sqrt(2), sqrt(3), sqrt(18)) over Q."


class StandIn(FakeListChatModel):
    """Stands in for a model: fills in the first tool or schema that it is given, and answers after that."""

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        """Bind the tools, as a model does."""
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _generate(self, messages: Any, *args: Any, **kwargs: Any) -> ChatResult:
        if kwargs.get("tools") and isinstance(messages[-1], HumanMessage):
            name = kwargs["tools"][0]["function"]["name"]
            arguments = {"city": "Toronto"} if name == "get_current_weather" else {"is_mathematics": True}
            call = {"name": name, "args": arguments, "id": "call_1"}
            return ChatResult(generations=[ChatGeneration(message=AIMessage("", tool_calls=[call]))])
        return super()._generate(messages, *args, **kwargs)


small, large = chat_models(lambda text: StandIn(responses=[text]))


@tool
def get_current_weather(city: str) -> str:
    """Look up the weather in a city."""
    return f"12 degrees and sunny in {city}"


class Topic(BaseModel):
    """What a question is about."""

    is_mathematics: bool


# cost_advantage=0.3: of all queries, the 30 % that small answers best go there; quality=0.97 is the other dial
llm = ChatHybrid(small, large, Router.load(), cost_advantage=0.3)

print("\nA chat model like any other:")
for question in (EASY, HARD):
    message = llm.invoke(question)
    print(f"  {message.response_metadata['hybrid']['route']}  {question}\n      {message.text}")

print("\nWith a tool, which the model that was chosen binds in its own form:")
with_tool = llm.bind_tools([get_current_weather])
messages: list[Any] = [HumanMessage("What is the weather like in Toronto?")]
messages.append(with_tool.invoke(messages))
for call in messages[-1].tool_calls:
    messages.append(ToolMessage(get_current_weather.invoke(call["args"]), tool_call_id=call["id"]))
    print(f"  {messages[-2].response_metadata['hybrid']['route']}  {call['name']}({call['args']}): {messages[-1].text}")
answer = with_tool.invoke(messages)
print(f"  {answer.response_metadata['hybrid']['route']}  {answer.text}")

print("\nWith an answer in a schema:")
structured = llm.with_structured_output(Topic, include_raw=True)
for question in (EASY, HARD):
    result = structured.invoke(question)
    print(f"  {result['raw'].response_metadata['hybrid']['route']}  {question}\n      {result['parsed']!r}")
