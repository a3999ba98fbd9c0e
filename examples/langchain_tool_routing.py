"""A tool with a cheap and an expensive side: the difficulty of what the agent asks it chooses between them.

Both models are stand-ins until they are named: see `models.py`.
"""

from typing import Any

from langchain.agents import create_agent
from langchain_core.language_models import FakeListChatModel
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.tools import tool

from hybrid_llm import Router
from langchain_hybrid import RunnableHybrid
from models import chat_models

QUESTIONS = [
    "What is the capital of Canada?",
    "Find the degree of the field extension Q(sqrt(2), sqrt(3), sqrt(18)) over Q.",
]


class StandIn(FakeListChatModel):
    """Stands in for a model: passes the question on to its tool, then answers."""

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        """Bind the tools, as a model does."""
        return self.bind(tools=tools, **kwargs)

    def _generate(self, messages: Any, *args: Any, **kwargs: Any) -> ChatResult:
        if kwargs.get("tools") and isinstance(messages[-1], HumanMessage):
            call = {"name": "find_out", "args": {"question": messages[-1].text}, "id": "call_1"}
            return ChatResult(generations=[ChatGeneration(message=AIMessage("", tool_calls=[call]))])
        return super()._generate(messages, *args, **kwargs)


small, large = chat_models(lambda text: StandIn(responses=[text]))


@tool
def quick_answer(question: str) -> str:
    """Answer from memory: one call of the small model."""
    return f"quick answer: {small.invoke(question).text}"


@tool
def research(question: str) -> str:
    """Answer in three calls of the large model: a plan, a draft, a check."""
    plan = large.invoke(f"List what one has to know to answer: {question}").text
    draft = large.invoke(f"{plan}\n\nNow answer: {question}").text
    return f"research: {large.invoke(f'Correct this answer. Question: {question} Answer: {draft}').text}"


# Tools are runnables, so they can be the two arms; the router scores the question that the agent asks the tool.
# When the cheap tool cannot be reached, the expensive one answers.
either = RunnableHybrid(quick_answer, research, Router.load(), cost_advantage=0.3, query="question")


@tool
def find_out(question: str) -> str:
    """Find out the answer to a question."""
    return either.invoke({"question": question})


print("\nThe tool by itself:")
for question in QUESTIONS:
    print(f"  {question}\n      {find_out.invoke({'question': question})}")

print("\nIn an agent, which sees one tool:")
agent = create_agent(large, tools=[find_out])
for question in QUESTIONS:
    state = agent.invoke({"messages": [HumanMessage(question)]})
    results = [message.text for message in state["messages"] if isinstance(message, ToolMessage)]
    print(f"  {question}\n      tool: {', '.join(results) or 'not called'}\n      {state['messages'][-1].text}")
