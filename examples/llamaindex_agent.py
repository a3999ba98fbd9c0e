"""A LlamaIndex agent with a tool: each question is answered by a small or by a large model.

Both models are stand-ins until they are named: see `models.py`.
"""

import asyncio
from typing import Any

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage, MessageRole, ToolCallBlock
from llama_index.core.llms.mock import MockFunctionCallingLLM
from llama_index.core.memory import ChatMemoryBuffer

from hybrid_llm import Router
from llamaindex_hybrid import HybridLLM, hybrid_quality
from models import llms

QUESTIONS = [
    "What is the weather like in Toronto?",
    "Find the degree of the field extension Q(sqrt(2), sqrt(3), sqrt(18)) over Q.",
    "Is it warmer in Toronto or in Lima today?",
]


def stand_in(answer: str) -> MockFunctionCallingLLM:
    """Return a model that calls nothing: it asks for the tool, then says one thing."""

    def respond(messages: Any, **kwargs: Any) -> ChatMessage:
        if kwargs.get("tools") and messages[-1].role == MessageRole.USER:
            call = ToolCallBlock(tool_name="get_current_weather", tool_kwargs={"city": "Toronto"}, tool_call_id="1")
            return ChatMessage(role="assistant", blocks=[call])
        return ChatMessage(answer, role="assistant")

    return MockFunctionCallingLLM(response_generator=respond, is_chat_model=True)


small, large = llms(stand_in)


def get_current_weather(city: str) -> str:
    """Look up the weather in a city."""
    return f"12 degrees and sunny in {city}"


def show(question: str, output: Any) -> None:
    """Print who answered, the tools that were called, and the answer."""
    decision = output.response.additional_kwargs["hybrid"]
    tools = ", ".join(call.tool_name for call in output.tool_calls)
    print(f"  {decision['route']} ({decision['reason']})  {question}\n      {tools}: {output}")


async def main() -> None:
    """Run the agent."""
    # cost_advantage=0.3: of all queries, the 30 % that small answers best go there; quality=0.97 is the other dial
    llm = HybridLLM(small, large, Router.load(), cost_advantage=0.3)
    agent = FunctionAgent(tools=[get_current_weather], llm=llm)
    memory = ChatMemoryBuffer.from_defaults(token_limit=4000)

    print("\nOne conversation, which both models carry on:")
    for question in QUESTIONS:
        show(question, await agent.run(question, memory=memory))

    print("\nA run at a level of its own:")
    with hybrid_quality(cost_advantage=1.0):  # the agent takes it when it is run
        run = agent.run(QUESTIONS[1], memory=ChatMemoryBuffer.from_defaults(token_limit=4000))
    show("cost advantage 1", await run)


asyncio.run(main())
